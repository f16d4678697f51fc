"""The cache of builds: one folder, files named by content, and never a half-written file.

A build's name is a hash of everything that it read (``CacheEntry``): command, options and versions,
the inputs that are known beforehand, and the files that the tool itself reports to have read. When
any of them changes, the name changes too, and the build is made again.

Two processes may build the same thing at once: each works in a folder of its own and then moves the
complete result into place. A process may remove a file while another one looks at it. So no code
here checks that a file exists and then relies on the answer.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from ohmbench.eda.tools import ToolError
from ohmbench.environment import CACHE_VARIABLE, cache_folder
from ohmbench.errors import FileError
from ohmbench.files import read_json, write_bytes

ABANDONED_AFTER_S = 36_000
"""Ten times the longest time a tool may take: the owner of an older work folder was killed."""
_BUILD = "build-"

__all__ = [
    "CACHE_VARIABLE",
    "CacheEntry",
    "cache_folder",
    "content_key",
    "file_digest",
    "keep_text",
    "remove_abandoned",
    "work_folder",
]


def content_key(*parts: str, files: Iterable[Path] = ()) -> str:
    """Return a name made from these parts and from the names and contents of these files.

    Raises ToolError for a file that cannot be read.
    """
    digest = hashlib.sha256()
    for part in (*parts, *(f"{path.name}\0{file_digest(path)}" for path in files)):
        # Bytes of a file's text or name that are not UTF-8 (a Latin-1 comment) are kept unchanged.
        digest.update(part.encode("utf-8", "surrogateescape") + b"\0")
    return digest.hexdigest()[:24]


def file_digest(path: Path) -> str:
    """The SHA-256 of a file's contents. Raises ToolError for a file that cannot be read."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise ToolError(f"{path}: {error.strerror}") from None


# ------------------------------------------------------------------------------------------------
# Work folders


@contextmanager
def work_folder(parent: Path) -> Iterator[Path]:
    """Make a new folder in ``parent``, and ``parent`` if need be; remove the new folder at the end.

    Also removes the work folders of killed processes. Raises ToolError for any error of the file
    system, here or inside the block.
    """
    work = None
    try:
        parent.mkdir(parents=True, exist_ok=True)
        remove_abandoned(parent)
        work = Path(tempfile.mkdtemp(prefix=_BUILD, dir=parent))
        yield work
    except OSError as error:
        raise _refused(error, parent) from None
    finally:
        if work is not None:
            shutil.rmtree(work, ignore_errors=True)


def _refused(error: OSError, folder: Path) -> ToolError:
    """The error in one line: which file, why, and what to do if the file belongs to the cache."""
    name = error.filename if isinstance(error.filename, str) else str(folder)
    ours = Path(name).is_relative_to(folder) or folder.is_relative_to(name)
    hint = f"; set {CACHE_VARIABLE}" if ours else ""
    return ToolError(f"{name}: {error.strerror or error}{hint}")


def remove_abandoned(parent: Path) -> None:
    """Remove work folders whose process was killed. Raises OSError if ``parent`` does not exist."""
    oldest = time.time() - ABANDONED_AFTER_S
    with os.scandir(parent) as entries:
        found = [entry.path for entry in entries if entry.name.startswith(_BUILD)]
    for work in found:
        with suppress(FileNotFoundError):  # its own process has just removed it
            if os.lstat(work).st_mtime < oldest:
                shutil.rmtree(work, ignore_errors=True)


def keep_text(path: Path, text: str) -> None:
    """Write a complete file into the cache. Raises ToolError when it cannot be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(path, text.encode("utf-8", "surrogateescape"), overwrite=True)
    except OSError as error:
        raise _refused(error, path.parent) from None
    except FileError as error:
        raise ToolError(f"{error}; set {CACHE_VARIABLE}") from None


# ------------------------------------------------------------------------------------------------
# What a build reads

_ATTEMPTS = 3
_TIMES_DIFFER_S = 2.0
"""How far the file system's clock and this process's clock may differ."""


@dataclass(frozen=True)
class CacheEntry:
    """A build in the cache: what it is made from, and the name that follows from that.

    ``key``: everything known about the build except file contents (command, options, versions).
    ``inputs``: returns, as text, the current contents of the inputs that are known before the
    build. ``search``: the folders in which the tool looks for files that the inputs name, first the
    folder of the inputs themselves.

    The other files that the tool read are known only after a build. The list of these files is kept
    in the folder ``folder``, and their contents are part of the name. The same holds for files that
    do not exist but would be found before a file that was read.
    """

    folder: Path
    key: str
    inputs: Callable[[], Sequence[str]] = tuple
    search: tuple[Path, ...] = ()

    def name(self) -> str:
        """The name of a build from all contents as they are now.

        Raises ToolError for an input that cannot be read.
        """
        return self._name(self.inputs(), _digests(self._known()))

    def make(self, build: Callable[[], Iterable[Path]]) -> str:
        """Call ``build``, which returns the files it read besides the inputs; return the build's
        name.

        If a file changes during the build, the tool may have read the old contents, so ``build`` is
        called again. Raises ToolError when files change during each of several attempts, and
        whatever ``build`` raises.
        """
        known = self._known()
        for _ in range(_ATTEMPTS):
            started = time.time()
            inputs, before = self.inputs(), _digests(known)
            known = self._with_absent(build())
            after = _digests(known)
            moved = [
                path
                for path, digest in after.items()
                if (before[path] != digest if path in before else _touched(path, started))
            ]
            if not moved and inputs == self.inputs():
                self._keep_known(known)
                return self._name(inputs, after)
        what = moved[0] if moved else "an input"
        raise ToolError(f"{what} changes while it is read; wait until nothing writes it")

    def file(
        self,
        suffix: str,
        make: Callable[[Path], tuple[Path, Iterable[Path]]],
        *,
        anew: bool = False,
    ) -> Path:
        """Return this entry's file, from the cache or made now by ``make``.

        ``make`` works in the new folder that it is given, and returns the file and the paths that
        it read besides the inputs. ``anew``: ignore the cached file. Raises whatever ``make``
        raises, and ToolError for any error of the file system.
        """
        kept = self.folder / f"{self.name()}{suffix}"
        if kept.is_file() and not anew:
            return kept
        with work_folder(self.folder) as work:
            made: list[Path] = []

            def build() -> Iterable[Path]:
                attempt = work / f"attempt{len(made)}"
                attempt.mkdir()
                file, reads = make(attempt)
                made.append(file)
                return reads

            kept = self.folder / f"{self.make(build)}{suffix}"
            os.replace(made[-1], kept)
        return kept

    def _name(self, inputs: Sequence[str], found: Mapping[str, str]) -> str:
        # Paths are relative to the inputs: the same files in another checkout give the same name.
        base = self.search[0] if self.search else self.folder
        labels = (f"{os.path.relpath(path, base)}\0{found[path]}" for path in sorted(found))
        return content_key(self.key, *inputs, *labels)

    def _file(self) -> Path:
        return self.folder / f"{content_key(self.key, *map(str, self.search))}.reads.json"

    def _known(self) -> list[str]:
        """The files that earlier builds of this kind read or looked for."""
        try:
            found = read_json(self._file())
        except FileError:  # not written yet, or damaged: the next build finds it out again
            return []
        return [path for path in found if isinstance(path, str)] if isinstance(found, list) else []

    def _keep_known(self, known: Sequence[str]) -> None:
        if known:
            keep_text(self._file(), json.dumps(known) + "\n")
        else:
            with suppress(FileNotFoundError):
                self._file().unlink()

    def _with_absent(self, reads: Iterable[Path]) -> list[str]:
        """These files, and absent ones that the tool would have taken in their place."""
        found = {os.path.abspath(path) for path in reads}
        folders = {*map(str, self.search), *map(os.path.dirname, found)} if self.search else set()
        names = {os.path.relpath(path, folder) for path in found for folder in folders}
        places = {os.path.normpath(os.path.join(f, name)) for f in folders for name in names}
        return sorted(found | {path for path in places if not os.path.isfile(path)})


_ABSENT = "absent"


def _digests(paths: Iterable[str]) -> dict[str, str]:
    found = {}
    for path in paths:
        try:
            found[path] = hashlib.sha256(Path(path).read_bytes()).hexdigest()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            found[path] = _ABSENT
        except OSError as error:
            raise ToolError(f"{path}: {error.strerror}") from None
    return found


def _touched(path: str, since: float) -> bool:
    """Whether a file may have changed since the time ``since``."""
    try:
        changed = max(os.stat(path).st_ctime, os.lstat(path).st_ctime)
    except OSError:
        return False
    return changed > since - _TIMES_DIFFER_S
