"""Compiled libraries: compile one C++ source into the cache, load a library into this process."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from pathlib import Path

from ohmbench.eda.cache import CACHE_VARIABLE, CacheEntry, cache_folder, content_key, file_digest
from ohmbench.eda.dependencies import of_compiler
from ohmbench.eda.environment import toolchain
from ohmbench.eda.tools import TOOLS, ToolError, require, run_tool

_TIMEOUT_S = 300


def compile_library(source: Path, flags: Sequence[str], kind: str, *, anew: bool = False) -> Path:
    """The shared library of one C++ file, from the cache's folder ``kind`` or compiled now.

    ``anew``: ignore the cached library. Raises ToolError when the compiler is missing or fails.
    """
    compiler = require("compiler")

    def make(work: Path) -> tuple[Path, list[Path]]:
        rules = ("-MMD", "-MF", "rules.d", "-MT", "rules")
        command = [compiler, *flags, "-fPIC", "-shared", *rules, "-o", "library.so", str(source)]
        run_tool(command, work, timeout_s=_TIMEOUT_S)
        reads = [path for path in of_compiler(work / "rules.d") if path != source]
        return work / "library.so", reads

    return CacheEntry(
        cache_folder() / kind,
        content_key(TOOLS["compiler"].version(), *flags, repr(toolchain())),
        lambda: [f"{source.name}\0{file_digest(source)}"],
        (source.parent,),
    ).file(".so", make, anew=anew)


def load_kept(build: Callable[[bool], Path]) -> ctypes.CDLL:
    """Load the library that ``build(False)`` takes from the cache or makes. If it cannot be loaded,
    the cached file is damaged, and ``build(True)`` makes it again.

    Raises ToolError when the new one cannot be loaded either, and whatever ``build`` raises.
    """
    try:
        return ctypes.CDLL(str(build(False)))
    except OSError:
        return load(build(True))


def load(library: Path) -> ctypes.CDLL:
    """Load a library. Raises ToolError with the system's reason when it cannot be loaded."""
    try:
        return ctypes.CDLL(str(library))
    except OSError as error:
        raise ToolError(
            f"a compiled library cannot be loaded: {error} (where the system runs nothing from "
            f"the cache's disk, set {CACHE_VARIABLE} to a folder on another one)"
        ) from None
