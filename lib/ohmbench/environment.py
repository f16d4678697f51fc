"""Environment variables that name files and folders."""

from __future__ import annotations

import os
from pathlib import Path

from ohmbench.errors import FileError

CACHE_VARIABLE = "OHMBENCH_CACHE"


def path_variable(name: str) -> Path | None:
    """The absolute path in the variable ``name``, or None if it is unset or empty.

    A leading ``~`` is expanded: shells only do that if the value is not quoted, and files that set
    variables for programs never do. Raises FileError for the ``~`` of an unknown user, and for a
    relative path if the current folder was deleted.
    """
    value = os.environ.get(name)
    if not value:
        return None
    expanded = os.path.expanduser(value)
    if expanded.startswith("~"):
        whose = expanded.split("/", 1)[0]
        reason = "there is no home folder" if whose == "~" else f"there is no user {whose[1:]}"
        raise FileError(value, reason, field=name, remedy="name the folder by its absolute path")
    try:
        return Path(expanded).absolute()
    except FileNotFoundError:
        raise FileError(
            value,
            "is a relative path, and the current folder no longer exists",
            field=name,
            remedy="change to another folder",
        ) from None


def cache_folder() -> Path:
    """Where builds and fetched files are kept: ``$OHMBENCH_CACHE``, else ``ohmbench`` in the user's
    cache folder.

    Raises FileError where the user has no home folder, and as ``path_variable``.
    """
    named = path_variable(CACHE_VARIABLE)
    if named is not None:
        return named
    base = path_variable("XDG_CACHE_HOME")
    if base is None:
        home = os.path.expanduser("~")
        if not os.path.isabs(home):
            raise FileError(home, "there is no home folder", remedy=f"set {CACHE_VARIABLE}")
        base = Path(home) / ".cache"
    return base / "ohmbench"
