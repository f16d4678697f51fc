"""Where the data sets are that a user has to have: below one folder, named by a variable, or
fetched.

Others' programs leave the same files under different names and in different folders. A ``DataSet``
says where its files may be and how they are read:

- Its places are tried in their order, ``$OHMBENCH_DATA/NAME`` before ``$OHMBENCH_DATA`` itself, and
  all files are read from the first place that has each of them.
- Where the variable is unset, or nothing of a data set is below its folder, the copy counts that
  ``ohmbench fetch`` keeps, if there is one.
- A file may have several names in one place. What cannot be read under one of them (an empty file
  of a download that was cut off) is passed over for another that can; two that can have to hold
  the same data.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ohmbench.constants import DATA_VARIABLE
from ohmbench.environment import path_variable
from ohmbench.errors import FileError
from ohmbench.fetching import check_copy, fetched_folder, is_copy
from ohmbench.fetching.sources import SOURCES


@dataclass(frozen=True)
class Wanted:
    """A file of a data set: the names it may have in a place, and how one is read."""

    names: tuple[str, ...]
    read: Callable[[Path], Any]

    def there(self, place: Path) -> list[Path]:
        """The files of these names in ``place``, whatever they are."""
        return [place / name for name in self.names if os.path.lexists(place / name)]


class ReadFile(NamedTuple):
    """A file that was read, and what it holds."""

    path: Path
    value: Any


@dataclass(frozen=True)
class Pickled:
    """A form of a data set that is never opened: unpickling a file runs what is in it."""

    name: str
    what: str
    remedy: str

    def refusal(self, path: Path) -> FileError:
        """The error that refuses the file at ``path`` and says what to use instead."""
        return FileError(
            path, f"is {self.what}, whose pickles are never opened", remedy=self.remedy
        )


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, tuple):
        return len(a) == len(b) and all(map(_same, a, b))
    return np.array_equal(a, b) if isinstance(a, np.ndarray) else bool(a == b)


@dataclass(frozen=True)
class DataSet:
    """A data set: its folder's name, what people call it, and the folders ``below`` to look in."""

    name: str
    title: str
    below: tuple[str, ...] = ("",)
    pickled: Pickled | None = None

    def places(self, *wanted: Wanted) -> list[Path]:
        """Folders that may hold these files, best first; there is one at least.

        Raises FileError when the variable names no folder, or is unset and there is no copy.
        """
        root = path_variable(DATA_VARIABLE)
        copy = fetched_folder(self.name)
        remedy = f"point it at the folder that holds {_choices(wanted[0])}"
        if root is None:
            if copy is not None:
                return [copy]
            # An unset variable and what to do about it are one sentence.
            fetch = f"run '{self.fetch}', or " if self.fetch else ""
            raise FileError(self.title, f"{DATA_VARIABLE} is not set", remedy=fetch + remedy)
        if not os.path.isdir(root):
            raise FileError(root, "is not a folder", field=DATA_VARIABLE, remedy=remedy)
        below = [root / self.name / inner for inner in self.below]
        below += [root / inner for inner in self.below]
        folders = [folder for folder in below if folder.is_dir()]
        if copy is None or any(file.there(folder) for folder in folders for file in wanted):
            return folders
        return [copy]

    @property
    def fetch(self) -> str:
        """The command that fetches it, or nothing."""
        return f"ohmbench fetch {self.name}" if self.name in SOURCES else ""

    def read(self, *wanted: Wanted) -> list[ReadFile]:
        """What the files hold, all from one place.

        Raises FileError: what is wrong in the first place that has any of them, or where to put
        which file.
        """
        places = self.places(*wanted)
        first: FileError | None = None
        for place in places:
            if not any(file.there(place) for file in wanted):
                continue
            try:
                return [self._read_one(place, file) for file in wanted]
            except FileError as error:
                first = first or error
        if first is not None:
            raise first
        if self.pickled is not None:
            for path in (place / self.pickled.name for place in places):
                if path.exists():
                    raise self.pickled.refusal(path)
        raise self._missing(places[0], wanted[0])

    def _read_one(self, place: Path, wanted: Wanted) -> ReadFile:
        found: list[ReadFile] = []
        errors: list[FileError] = []
        for path in wanted.there(place):
            if os.path.realpath(path) in (os.path.realpath(other.path) for other in found):
                continue
            try:
                check_copy(path)
                found.append(ReadFile(path, wanted.read(path)))
            except FileError as error:
                errors.append(error)
        if not found:
            raise errors[0] if errors else self._missing(place, wanted)
        for other in found[1:]:
            if not _same(found[0].value, other.value):
                raise FileError(
                    other.path,
                    f"holds other data than {found[0].path}",
                    remedy="remove the one that is not the original",
                )
        return found[0]

    def _missing(self, place: Path, wanted: Wanted) -> FileError:
        path = place / wanted.names[0]
        if is_copy(place):
            return FileError(path, "not found", remedy=f"run '{self.fetch}'")
        fetch = f"run '{self.fetch}', or " if self.fetch else ""
        return FileError(
            path,
            "not found",
            remedy=f"{fetch}put {_choices(wanted)} of {self.title} into that folder or into "
            f"{self.name}/ below it",
        )


def _choices(wanted: Wanted) -> str:
    return " or ".join(wanted.names)
