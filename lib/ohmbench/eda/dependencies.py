"""Which files a tool read, by its own report. Raises ToolError if the report is missing."""

from __future__ import annotations

import os
import re
from pathlib import Path

from ohmbench.eda.tools import ToolError
from ohmbench.errors import FileError
from ohmbench.files import read_bytes

_VERILATOR_SOURCE = re.compile(r'^S .* "[^"]*" "(.*)"$', re.MULTILINE)


def of_verilator(times: Path) -> list[Path]:
    """The files in Verilator's own list, ``<prefix>__verFiles.dat``."""
    return [times.parent / name for name in _VERILATOR_SOURCE.findall(_text(times))]


def of_compiler(rules: Path) -> list[Path]:
    """The files that the makefile's only rule depends on, in the form that compilers write."""
    return [_normal(rules.parent / name) for name in _prerequisites(rules)]


_YOSYS_OWN = ("/share", "/tmp")  # noqa: S108 - not the machine's


def of_yosys(rules: Path) -> list[Path]:
    """The same for a Yosys that ran in the folder of ``rules``. Yosys is a WebAssembly program with
    its own ``/share`` and ``/tmp``; files that it read there are left out.
    """
    names = _prerequisites(rules)
    seen = [name for name in names if not any(Path(name).is_relative_to(f) for f in _YOSYS_OWN)]
    return [_normal(rules.parent / name) for name in seen]


def _normal(path: Path) -> Path:
    return Path(os.path.normpath(path))


def _prerequisites(rules: Path) -> list[str]:
    rule = _text(rules).replace("\\\n", " ")
    # A colon inside a path is escaped, or has no space after it.
    _, colon, names = rule.partition(": ")
    if not colon:
        raise ToolError(f"{rules}: no rule of a makefile")
    found = re.findall(r"(?:\\[^\n]|[^\s\\])+", names)
    return [re.sub(r"\\([ #:\\])", r"\1", name).replace("$$", "$") for name in found]


def of_icarus(names: Path) -> list[Path]:
    """The files in a list that Icarus Verilog wrote with ``-M``, one per line."""
    return [names.parent / name for name in _text(names).splitlines() if name]


def _text(path: Path) -> str:
    try:
        return read_bytes(path).decode("utf-8", "surrogateescape")
    except FileError as error:
        raise ToolError(f"{path}: {error.reason}: the files that were read are unknown") from None
