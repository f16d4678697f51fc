"""The copies that ``ohmbench fetch`` keeps: where they are, and whether they are still whole."""

from __future__ import annotations

import os
from pathlib import Path

from ohmbench.constants import MODELS_VARIABLE
from ohmbench.environment import cache_folder, path_variable
from ohmbench.errors import FileError
from ohmbench.fetching.sources import SOURCES, TARGETS, Published
from ohmbench.files import sha256_file

MODELS = "models"


def fetched_root() -> Path:
    """The folder of all that was fetched. Raises FileError as ``cache_folder``."""
    return cache_folder() / "fetched"


def fetched_folder(name: str) -> Path | None:
    """The fetched copy ``name`` (``fann``, ``mnist``, ``models``, ...), or None.

    What it holds may be incomplete or damaged (``check_copy``).
    """
    try:
        folder = fetched_root() / name
    except FileError:  # nothing can have been fetched by a user without a cache
        return None
    return folder if folder.is_dir() else None


def is_copy(path: str | os.PathLike[str]) -> bool:
    """Whether ``path`` is in the folder of what was fetched."""
    try:
        return Path(path).is_relative_to(fetched_root())
    except FileError:
        return False


def command_for(folder: str) -> str:
    """The command that fetches what is kept in ``folder``."""
    for target, names in TARGETS.items():
        if any(SOURCES[name].folder == folder for name in names):
            return f"ohmbench fetch {target}"
    raise KeyError(folder)


def _published(inside: Path) -> Published | None:
    """The file of the tables that is kept at this path below the folder of what was fetched."""
    for source in SOURCES.values():
        for file in source.files:
            if Path(source.folder, file.target) == inside:
                return file
    return None


def check_copy(path: str | os.PathLike[str]) -> None:
    """Raise FileError where ``path`` is a fetched file and not what was published.

    Files elsewhere are the user's own, and may hold anything. So may those that the user put
    beside what was fetched. Whether the file is there is for its reader to say.
    """
    if not is_copy(path):
        return
    inside = Path(path).relative_to(fetched_root())
    file = _published(inside)
    if file is not None and os.path.exists(path) and sha256_file(path) != file.sha256:
        raise FileError(
            path,
            "is no longer the published file: its SHA-256 is another",
            remedy=f"run '{command_for(inside.parts[0])}' again",
        )


def model_file(name: str) -> Path:
    """The published network, or file beside it, of this name (``ad01_int8.tflite``).

    From the folder that ``$OHMBENCH_MODELS`` names, else from the fetched copy. Raises FileError
    where it is not there, or damaged in the copy.
    """
    command = command_for(MODELS)
    named = path_variable(MODELS_VARIABLE)
    if named is not None and not named.is_dir():
        raise FileError(named, "is not a folder", field=MODELS_VARIABLE, remedy="name a folder")
    folder = named if named is not None else fetched_folder(MODELS)
    if folder is None:
        raise FileError(
            name,
            "not fetched",
            remedy=f"run '{command}', or point {MODELS_VARIABLE} at the folder that holds it",
        )
    path = folder / name
    if not path.is_file():
        remedy = "put it there" if named is not None else f"run '{command}'"
        raise FileError(path, "not found", remedy=remedy)
    check_copy(path)
    return path
