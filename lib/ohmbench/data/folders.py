"""Where the data sets are that a user has to have: below one folder, named by a variable."""

from __future__ import annotations

import os
from pathlib import Path

from ohmbench.environment import path_variable
from ohmbench.errors import FileError

DATA_VARIABLE = "OHMBENCH_DATA"


def data_folder(name: str, title: str, files: str) -> Path:
    """``$OHMBENCH_DATA/name`` if there is such a folder, else ``$OHMBENCH_DATA`` itself.

    ``title`` is what people call the data set, ``files`` what the folder should hold: both only for
    the FileError that is raised when the variable is unset or names no folder.
    """
    folder = path_variable(DATA_VARIABLE)
    remedy = f"point it at the folder that holds {files}"
    if folder is None:
        raise FileError(title, f"{DATA_VARIABLE} is not set", remedy=remedy)
    if not os.path.isdir(folder):
        raise FileError(folder, "is not a folder", field=DATA_VARIABLE, remedy=remedy)
    return folder / name if (folder / name).is_dir() else folder


def data_file(name: str, title: str, *choices: str) -> Path:
    """The first of ``choices``, relative paths, that exists in the folder of data set ``name``.

    Raises FileError, which says where to put which file, when none does, and as `data_folder`.
    """
    folder = data_folder(name, title, " or ".join(choices))
    for choice in choices:
        if os.path.lexists(folder / choice):
            return folder / choice
    raise FileError(
        folder / choices[0],
        "not found",
        remedy=f"put {' or '.join(choices)} of {title} into that folder or into {name}/ below it",
    )
