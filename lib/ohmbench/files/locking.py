"""One writer at a time for work that lasts minutes."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Iterator

from ohmbench.errors import FileError

try:
    import fcntl
except ImportError:  # no such locks on this system: saving is still atomic, last one wins
    fcntl = None  # type: ignore[assignment]


@contextlib.contextmanager
def only_writer(path: str | os.PathLike[str], *, wait: bool = False) -> Iterator[None]:
    """Hold ``path`` for the block, on this machine; raise FileError if another process does, or
    ``wait`` until it has ended.

    The lock is the system's and ends with the process, however it ends. Its file lies among the
    temporary files, so that nothing appears beside ``path``.
    """
    if fcntl is None:
        yield
        return
    key = hashlib.sha256(os.fsencode(os.path.realpath(path))).hexdigest()[:32]
    with contextlib.ExitStack() as stack:
        try:
            # The user is in the name: another user's lock file could not be opened.
            name = os.path.join(tempfile.gettempdir(), f"ohmbench-{os.getuid()}-{key}.lock")
            file = stack.enter_context(open(name, "a"))
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            raise FileError(
                path, "another process is writing it", remedy="wait for it, or choose another name"
            ) from None
        except OSError as error:
            raise FileError(
                path,
                f"cannot be locked: {error.strerror or error}",
                remedy="set TMPDIR to a folder that can be written",
            ) from None
        yield
