"""``ohmbench doctor``."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re

from ohmbench.cli.common import console_out, say
from ohmbench.errors import OhmbenchError


def doctor() -> None:
    """Show the tools, versions and data found here, and what is skipped without them."""
    import torch
    from rich.markup import escape
    from rich.table import Table

    from ohmbench import __version__
    from ohmbench.eda.cache import CACHE_VARIABLE
    from ohmbench.eda.hdl import HDL_VARIABLE, hdl_folder
    from ohmbench.needs import NEEDS
    from ohmbench.weights import read_manifest, stored

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
    table = Table(title="Tools and data")
    for header in ("need", "what", "found", "without it, skipped"):
        table.add_column(header, overflow="fold")  # a path is of use only whole
    for need in NEEDS.values():
        found = need.look()
        where = found.where or f"no: {found.reason}; {need.hint}"
        where += " (fetched copy)" * found.is_copy
        cells = (need.name, need.what, where, "-" if found.where else need.used_by)
        table.add_row(*map(escape, cells))  # '[rtl]' is no markup
    console.print(table)
    say(_compiled_loops())
    for variable in (HDL_VARIABLE, CACHE_VARIABLE):
        if os.environ.get(variable):
            say(f"{variable}: {os.environ[variable]}")
    try:
        hdl_folder()
    except OhmbenchError as error:
        say(f"error: {error}")
    manifest = read_manifest()
    for name in manifest:
        stored(name)
    console.print(f"{len(manifest)} stored weights match their manifest", highlight=False)


def _compiled_loops() -> str:
    """Where the compiled code is kept, or why every command takes its time."""
    from ohmbench.kernels import compiling
    from ohmbench.kirchhoff.fast import edge_pass

    if not compiling.COMPILER_ON:
        return "compiled loops: none, since NUMBA_DISABLE_JIT is set"
    folder = compiling.kept_in(edge_pass.evaluate_rows)
    if folder is None:
        return (
            "compiled loops: compiled anew by each command, since numba can write to no folder; "
            "set NUMBA_CACHE_DIR"
        )
    return f"compiled loops: kept in {folder}"
