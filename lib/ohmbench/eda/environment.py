"""The environment in which every tool runs: built here from a few of the user's variables.

Compilers, make, Python and the simulators each read dozens of variables (``CXXFLAGS``,
``MAKEFLAGS``, ``COCOTB_TESTCASE``, ``VERILATOR_ROOT``, ``LD_PRELOAD``, ...). A variable that a user
set for another purpose would change what is built or reported. So a tool gets the variables below,
those that its caller adds, and no others.
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
"""Lists of folders that contain programs, their libraries and Python's modules."""
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
"""Messages in English for every user, because they are searched for errors."""


def tool_environment(**more: str) -> dict[str, str]:
    """The environment for a tool, with the variables ``more`` added.

    Relative paths in it are made absolute, because tools run in folders of their own. Raises
    FileError for a variable with a path below ``~`` of an unknown user.
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
    """The same, with temporary files in the folder in which the tool runs. The tool can handle that
    path, whatever the name of the user's temporary folder is.
    """
    return {**environment, **dict.fromkeys(_TEMPORARY, ".")}


def _compiled_tools() -> dict[str, str]:
    """Where the WebAssembly tools keep what takes them minutes to compile: in the user's cache
    folder, or, where that is not writable, in ``$OHMBENCH_CACHE`` if it is set.
    """
    ours = path_variable(CACHE_VARIABLE)
    base = path_variable("XDG_CACHE_HOME") or Path(os.path.expanduser("~")) / ".cache"
    folder = base / "YoWASP"
    there = next(part for part in (folder, *folder.parents) if part.exists())
    writable = os.access(there, os.W_OK)
    return {} if writable or ours is None else {_YOWASP: str(ours / "YoWASP")}


def toolchain() -> dict[str, str]:
    """The variables with which some systems (Guix, Nix, conda, clusters, macOS) name the folders of
    the compiler's headers and libraries. The compiler's output may depend on them.
    """
    nix = {name: value for name, value in sorted(os.environ.items()) if name.startswith(_NIX)}
    return {**_lists(_HEADERS_AND_LIBRARIES), **_of(_TOOLCHAIN), **nix}


def _of(names: Sequence[str]) -> dict[str, str]:
    return {name: os.environ[name] for name in names if os.environ.get(name)}


def _lists(names: Sequence[str]) -> dict[str, str]:
    """Lists of folders without empty entries, which would mean the tool's current folder."""
    found = {}
    for name, value in _of(names).items():
        found[name] = search_path(*(part for part in value.split(os.pathsep) if part))
    return found


def search_path(*folders: str) -> str:
    """A list of folders in the form of such a variable, all paths absolute."""
    return os.pathsep.join(map(os.path.abspath, folders))
