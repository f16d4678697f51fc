"""What is built once and kept: one folder, names by content, nothing in it half made.

Two processes may make the same thing at once; each works in a folder of its own and moves what it
made into place whole.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from ohmbench.eda.tools import ToolError
from ohmbench.errors import FileError
from ohmbench.files import atomic_write

CACHE_VARIABLE = "OHMBENCH_CACHE"
ABANDONED_AFTER_S = 6000
"""Ten times what any build may take: whoever made a work folder that old was killed."""


def cache_folder() -> Path:
    """Where builds are kept: ``$OHMBENCH_CACHE``, else ``ohmbench`` in the user's cache folder."""
    named = os.environ.get(CACHE_VARIABLE)
    if named:
        return Path(named).absolute()
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return Path(base) / "ohmbench"


def content_key(*parts: str, files: Iterable[Path] = ()) -> str:
    """A name for what is made of these parts and of these files' names and contents."""
    digest = hashlib.sha256()
    for part in (*parts, *(f"{path.name}\0{path.read_text(encoding='utf-8')}" for path in files)):
        digest.update(part.encode() + b"\0")
    return digest.hexdigest()[:24]


@contextmanager
def work_folder(parent: Path) -> Iterator[Path]:
    """A new folder in ``parent``, which is made if need be; removed afterwards, come what may.

    Also removes those of killed processes. Raises ToolError for what the file system refuses, here
    or inside the block.
    """
    work = None
    try:
        parent.mkdir(parents=True, exist_ok=True)
        remove_abandoned(parent)
        work = Path(tempfile.mkdtemp(prefix="build-", dir=parent))
        yield work
    except OSError as error:
        raise ToolError(f"{parent}: {error.strerror}; set {CACHE_VARIABLE}") from None
    finally:
        if work is not None:
            shutil.rmtree(work, ignore_errors=True)


def remove_abandoned(parent: Path) -> None:
    """Work folders whose process was killed."""
    oldest = time.time() - ABANDONED_AFTER_S
    for work in parent.glob("build-*"):
        if work.stat().st_mtime < oldest:
            shutil.rmtree(work, ignore_errors=True)


def keep_text(path: Path, text: str) -> None:
    """Write a file of the cache whole. Raises ToolError when it cannot be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(path, _writer(text), overwrite=True)
    except OSError as error:
        raise ToolError(f"{path.parent}: {error.strerror}; set {CACHE_VARIABLE}") from None
    except FileError as error:
        raise ToolError(f"{error}; set {CACHE_VARIABLE}") from None


def _writer(text: str) -> Callable[[BinaryIO], None]:
    def write(file: BinaryIO) -> None:
        file.write(text.encode())

    return write
