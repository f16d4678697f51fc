"""Opening files from strangers: regular files of bounded size; every failure is a `FileError`."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from typing import Any, BinaryIO, TypeAlias

import numpy as np
import numpy.typing as npt

from ohmbench.errors import FileError

PathLike: TypeAlias = str | os.PathLike[str]
Array: TypeAlias = npt.NDArray[Any]

_CHUNK = 1 << 20

# The exceptions that the underlying libraries raise on damaged or hostile input. Each was seen in
# the fuzz tests or is documented (zipfile: NotImplementedError, RuntimeError; int and unicode:
# ValueError).
_UNREADABLE = (
    OSError,
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    RuntimeError,
    ValueError,
    OverflowError,
    LookupError,
    MemoryError,
)


def damaged(name: str, reason: str, field: str | None = None) -> FileError:
    """The error for a file that was truncated, altered or lost in part."""
    return FileError(name, reason, field=field, remedy="copy or download the file again")


def foreign(name: str, reason: str, field: str | None = None) -> FileError:
    """The error for an npz file that was not written by numpy."""
    return FileError(name, reason, field=field, remedy="write the file again with numpy.savez")


def usable_name(path: PathLike) -> str:
    """``path`` as a string that the operating system accepts as a file name."""
    name = os.fspath(path)
    if not name:
        raise FileError(name, "the file name is empty", remedy="name a file")
    try:
        encoded = os.fsencode(name)
    except UnicodeEncodeError:
        encoded = b"\0"
    if b"\0" in encoded:
        raise FileError(name, "not a possible file name", remedy="use a name in plain characters")
    return name


_OS_REASONS = {
    errno.ENOENT: ("no such file or folder", "check the path"),
    errno.ENOTDIR: ("a part of the path is not a folder", "check the path"),
    errno.EISDIR: ("is a folder", "name a file"),
    errno.EACCES: ("permission denied", "change the permissions or choose another place"),
    errno.EPERM: ("operation not permitted", "change the permissions or choose another place"),
    errno.EROFS: ("the file system is read-only", "choose another place"),
    errno.ENOSPC: ("no space left on the disk", "free some space or choose another place"),
    errno.EDQUOT: ("the disk quota is used up", "free some space or choose another place"),
    errno.EFBIG: ("larger than this system lets a file grow", "raise the file size limit"),
    errno.ENAMETOOLONG: ("the file name is too long", "choose a shorter name"),
    errno.ELOOP: ("the symbolic links form a loop", "repair the links"),
    errno.EIO: ("the disk reports an input/output error", "check the disk"),
}


def os_error(name: str, error: OSError, doing: str) -> FileError:
    """The system's error in words, with a remedy."""
    known = _OS_REASONS.get(error.errno or 0)
    if known is None:
        return FileError(name, f"cannot {doing}: {error.strerror or error}")
    return FileError(name, f"cannot {doing}: {known[0]}", remedy=known[1])


_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def require_regular(name: str, mode: int) -> None:
    """Refuse folders, pipes, sockets and devices."""
    if stat.S_ISREG(mode):
        return
    kind = next((text for test, text in _KINDS if test(mode)), "not a regular file")
    raise FileError(name, f"is {kind}, not a regular file", remedy="name a regular file")


def open_regular(name: str) -> tuple[BinaryIO, int]:
    """Open a regular file; return it and its size. Never blocks on pipes and devices."""
    try:
        # Check before opening, because opening alone can block (pipe) or act (tape, watchdog) ...
        require_regular(name, os.stat(name).st_mode)
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        fd = os.open(name, flags)
        try:
            # ... and check again after it, because another file may have got this name in between.
            status = os.fstat(fd)
            require_regular(name, status.st_mode)
            return os.fdopen(fd, "rb"), status.st_size
        except BaseException:
            os.close(fd)
            raise
    except OSError as error:
        raise os_error(name, error, "open") from error


def open_bounded(path: PathLike, max_bytes: int) -> tuple[str, BinaryIO, int]:
    """Name, handle and size of a regular file of 1 to ``max_bytes`` bytes."""
    name = usable_name(path)
    file, size = open_regular(name)
    try:
        if size == 0:
            raise damaged(name, "is empty")
        if size > max_bytes:
            raise FileError(name, f"holds {size} bytes, at most {max_bytes} are accepted")
    except BaseException:
        file.close()
        raise
    return name, file, size


@contextlib.contextmanager
def only_file_errors(name: str, field: str | None = None) -> Iterator[None]:
    """Turn all exceptions of zipfile, zlib, json and numpy on bad input into a `FileError`."""
    try:
        yield
    except _UNREADABLE as error:
        what = str(error) or type(error).__name__
        raise damaged(name, f"damaged: {what}", field) from error


def sha256_file(path: PathLike) -> str:
    """SHA-256 of a regular file, in hexadecimal. Raises `FileError` if it cannot be read."""
    name = usable_name(path)
    file, size = open_regular(name)
    digest = hashlib.sha256()
    with file, only_file_errors(name):
        while size > 0:  # the size at opening bounds the loop for a file that grows
            chunk = file.read(min(_CHUNK, size))
            if not chunk:
                raise EOFError("it became shorter while it was read")
            digest.update(chunk)
            size -= len(chunk)
    return digest.hexdigest()


def read_exactly(stream: io.BufferedIOBase | BinaryIO, count: int) -> bytes:
    """Read ``count`` bytes. Raises EOFError when the stream has fewer."""
    data = b""
    while len(data) < count:
        more = stream.read(count - len(data))
        if not more:
            raise EOFError("its data end too early")
        data += more
    return data


def fill(stream: io.BufferedIOBase, array: Array) -> None:
    """Fill a fresh contiguous array from ``stream`` without requesting more bytes than it needs."""
    if not array.nbytes:
        return
    view = array.reshape(-1).view(np.uint8).data
    done = 0
    while done < len(view):
        chunk = stream.read(min(_CHUNK, len(view) - done))
        if not chunk:
            raise EOFError("its data end too early")
        view[done : done + len(chunk)] = chunk
        done += len(chunk)
