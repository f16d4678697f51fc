"""``ohmbench doctor``."""

from __future__ import annotations

import importlib.metadata
import platform
import re

import torch
from rich.table import Table

from ohmbench import __version__
from ohmbench.cli.common import console_out
from ohmbench.needs import NEEDS
from ohmbench.weights import read_manifest, stored


def doctor() -> None:
    """Tools, versions and data found here, what would be skipped without them, and why."""
    console = console_out()
    console.print(
        f"ohmbench {__version__}, Python {platform.python_version()}, "
        f"{platform.system()} {platform.machine()}, torch threads "
        f"{torch.get_num_threads()}",
        highlight=False,
    )
    table = Table("package", "version", title="Python packages")
    for requirement in importlib.metadata.requires("ohmbench") or []:
        package = re.split(r"[^A-Za-z0-9_.-]", requirement, maxsplit=1)[0]
        if "extra ==" not in requirement:
            table.add_row(package, importlib.metadata.version(package))
    console.print(table)
    table = Table("need", "what", "found", "without it, skipped", title="Tools and data")
    for need in NEEDS.values():
        found = need.look()
        where = found.where or f"no: {found.reason}; {need.hint}"
        table.add_row(need.name, need.what, where, "-" if found.where else need.used_by)
    console.print(table)
    manifest = read_manifest()
    for name in manifest:
        stored(name)
    console.print(f"{len(manifest)} stored weights match their manifest", highlight=False)
