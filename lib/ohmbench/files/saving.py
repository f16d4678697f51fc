"""Saving completely or not at all: flush a temporary file, then publish it in one step."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import stat
from collections.abc import Callable
from typing import BinaryIO, cast

from ohmbench.errors import FileError
from ohmbench.files.opening import PathLike, os_error, require_regular, usable_name
from ohmbench.files.temporary import sweep, temporary_name

# FAT and some network and FUSE mounts lack hard links, and report that with various errors.
_NO_LINKS = {errno.EPERM, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EXDEV, errno.EMLINK}


def _exists_error(name: str) -> FileError:
    return FileError(name, "exists already", remedy="choose another name or pass --force")


def _target(name: str, overwrite: bool) -> tuple[str, int | None]:
    """The path to publish at, and the permissions of the file it replaces.

    Overwriting follows a symbolic link, as writing to it would; the link itself stays.
    """
    if not os.path.basename(name):
        raise FileError(name, "names a folder, not a file", remedy="add a file name")
    try:
        if overwrite:
            name = os.path.realpath(name) if os.path.islink(name) else name
        mode = os.lstat(name).st_mode
    except FileNotFoundError:
        return name, None
    except OSError as error:
        raise os_error(name, error, "write") from error
    if stat.S_ISDIR(mode):
        raise FileError(name, "is a folder", remedy="name a file in it")
    if not overwrite:
        raise _exists_error(name)
    require_regular(name, mode)  # replacing /dev/null with a result would break the machine
    return name, stat.S_IMODE(mode) & 0o777


def _write_error(name: str, error: OSError) -> FileError:
    if error.errno == errno.ENOENT and os.path.isdir(os.path.dirname(name) or "."):
        # Folders that the system manages itself (/proc) give this error for every new name.
        reason = f"cannot be written there: {error.strerror}"
        return FileError(name, reason, remedy="choose another place")
    if error.errno == errno.ENOENT:
        return FileError(name, "cannot write: the folder does not exist", remedy="create it first")
    return os_error(name, error, "write")


def _open_folder(target: str) -> int | None:
    """A handle for flushing the folder, opened early so that a failure comes before publishing."""
    if os.name != "posix":
        return None
    return os.open(os.path.dirname(target) or ".", os.O_RDONLY | os.O_DIRECTORY)


def _sync_folder(handle: int | None) -> None:
    if handle is None:
        return
    try:
        os.fsync(handle)
    except OSError as error:
        # Some network and FUSE mounts cannot flush a folder; there is no alternative.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP):
            raise


def _write_temporary(
    temporary: str, write: Callable[[BinaryIO], None], permissions: int | None
) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    fd = os.open(temporary, flags, 0o666)
    file = io.BufferedWriter(io.FileIO(fd, "wb"))
    try:
        if permissions is not None and stat.S_IMODE(os.fstat(fd).st_mode) != permissions:
            os.chmod(temporary, permissions)
        write(cast(BinaryIO, file))
        file.flush()
        os.fsync(fd)
        file.close()
    except BaseException:
        # Closing flushes again and fails again on a full disk; the first error is the cause.
        with contextlib.suppress(OSError):
            file.close()
        raise


def _publish(temporary: str, target: str, overwrite: bool) -> None:
    if overwrite:
        os.replace(temporary, target)
        return
    try:
        os.link(temporary, target)  # unlike replace, this fails if the name was taken meanwhile
    except FileExistsError:
        raise _exists_error(target) from None
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        # For an instant, another writer's complete file can be replaced here, but a partial file is
        # never visible.
        if os.path.lexists(target):
            raise _exists_error(target) from None
        os.rename(temporary, target)
    else:
        os.unlink(temporary)


def atomic_write(
    path: PathLike, write: Callable[[BinaryIO], None], *, overwrite: bool = False
) -> None:
    """Save what ``write`` writes to the file it is given, completely or not at all.

    Wherever this process is killed, ``path`` is the old file or the complete new one. Without
    ``overwrite`` an existing file is refused, even one that appears at the last moment. Temporary
    files of a killed earlier writer of the same target are removed first. Raises `FileError` for
    any error of the file system; exceptions of ``write`` pass through. After either, the old file
    is intact and no temporary file is left, with one exception: when flushing the folder fails, the
    complete new file is in place but may not survive a power cut.
    """
    name, permissions = _target(usable_name(path), overwrite)
    temporary = temporary_name(name)
    try:
        folder = _open_folder(name)
        try:
            sweep(name)
            try:
                _write_temporary(temporary, write, permissions)
                _publish(temporary, name, overwrite)
            except BaseException:
                with contextlib.suppress(OSError):
                    os.unlink(temporary)
                raise
            _sync_folder(folder)
        finally:
            if folder is not None:
                os.close(folder)
    except OSError as error:
        raise _write_error(name, error) from error


def write_bytes(path: PathLike, data: bytes, *, overwrite: bool = False) -> None:
    """Save ``data`` as `atomic_write` does, with the same errors."""

    def write(file: BinaryIO) -> None:
        file.write(data)

    atomic_write(path, write, overwrite=overwrite)


def check_writable(path: PathLike, *, overwrite: bool = False) -> None:
    """Check before minutes of work that `atomic_write` to ``path`` can succeed now.

    Creates and removes a temporary file, because permission bits alone do not reveal read-only
    mounts, quotas or the superuser. Raises the same `FileError` as the later save would.
    """
    name, _ = _target(usable_name(path), overwrite)
    temporary = temporary_name(name)
    try:
        folder = _open_folder(name)
        if folder is not None:
            os.close(folder)
        try:
            _write_temporary(temporary, lambda file: None, None)
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)
    except OSError as error:
        raise _write_error(name, error) from error
