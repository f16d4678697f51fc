"""The environment of every tool that is started: made here, of few of the user's variables.

Compilers, make, Python and the simulators each listen to dozens of variables (``CXXFLAGS``,
``MAKEFLAGS``, ``COCOTB_TESTCASE``, ``VERILATOR_ROOT``, ``LD_PRELOAD``, ...), and one that a user
set for something else changes what is built or said. So a tool gets the variables below, others
that its caller names, and nothing else.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from ohmbench.environment import CACHE_VARIABLE, path_variable

_SEARCH_PATHS = (
    "PATH",
    *("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH"),
    "PYTHONPATH",
)
"""Lists of folders in which programs, their libraries and Python's modules are found."""
_HEADERS_AND_LIBRARIES = ("CPATH", "C_INCLUDE_PATH", "CPLUS_INCLUDE_PATH", "LIBRARY_PATH")
_TOOLCHAIN = ("SDKROOT", "DEVELOPER_DIR", "MACOSX_DEPLOYMENT_TARGET")
_NIX = "NIX_"
_YOWASP = "YOWASP_CACHE_DIR"
_TEMPORARY = ("TMPDIR", "TMP", "TEMP")
_FOLDERS = (*_TEMPORARY, "XDG_CACHE_HOME", _YOWASP, "CCACHE_DIR")
_OTHERS = (
    *("HOME", "USER", "LOGNAME"),
    *("PYTHONHOME", "PYTHONUSERBASE", "PYTHONNOUSERSITE"),
    *("PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX"),
)
_PINNED = {"LC_ALL": "C"}
"""Messages in English, whatever the user speaks: they are searched for errors."""


def tool_environment(**more: str) -> dict[str, str]:
    """The environment for a tool, with ``more`` variables.

    Relative paths in it are made absolute: tools run in folders of their own. Raises FileError for
    a variable that names a folder below the ``~`` of nobody.
    """
    kept = {"PATH": os.defpath, **_of(_OTHERS), **_lists(_SEARCH_PATHS), **toolchain()}
    for name in _FOLDERS:
        folder = path_variable(name)
        if folder is not None:
            kept[name] = str(folder)
    if _YOWASP not in kept:
        kept |= _compiled_tools()
    return {**kept, **_PINNED, **more}


def in_own_folder(environment: Mapping[str, str]) -> dict[str, str]:
    """The same with temporary files in the folder in which the tool runs: paths that it can
    handle, whatever the user's folder for them is called."""
    return {**environment, **dict.fromkeys(_TEMPORARY, ".")}


def _compiled_tools() -> dict[str, str]:
    """Where the WebAssembly tools keep what takes them minutes: with the user's other caches, or,
    where nothing can be written there, with ours if that is elsewhere."""
    ours = path_variable(CACHE_VARIABLE)
    base = path_variable("XDG_CACHE_HOME") or Path(os.path.expanduser("~")) / ".cache"
    folder = base / "YoWASP"
    there = next(part for part in (folder, *folder.parents) if part.exists())
    writable = os.access(there, os.W_OK)
    return {} if writable or ours is None else {_YOWASP: str(ours / "YoWASP")}


def toolchain() -> dict[str, str]:
    """Where some systems (Guix, Nix, conda, clusters, macOS) say that the compiler's headers and
    libraries are. What a compiler makes may depend on it."""
    nix = {name: value for name, value in sorted(os.environ.items()) if name.startswith(_NIX)}
    return {**_lists(_HEADERS_AND_LIBRARIES), **_of(_TOOLCHAIN), **nix}


def _of(names: Sequence[str]) -> dict[str, str]:
    return {name: os.environ[name] for name in names if os.environ.get(name)}


def _lists(names: Sequence[str]) -> dict[str, str]:
    """Lists of folders, without the empty ones, which would mean wherever the tool runs."""
    found = {}
    for name, value in _of(names).items():
        found[name] = search_path(*(part for part in value.split(os.pathsep) if part))
    return found


def search_path(*folders: str) -> str:
    """A list of folders as such a variable holds it, all of them absolute."""
    return os.pathsep.join(map(os.path.abspath, folders))
