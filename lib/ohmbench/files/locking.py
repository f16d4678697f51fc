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
def only_writer(path: str | os.PathLike[str]) -> Iterator[None]:
    """Hold ``path`` for the block, on this machine; raise FileError if another process does.

    The lock is the system's and ends with the process, however it ends. Its file lies among the
    temporary files, so that nothing appears beside ``path``.
    """
    if fcntl is None:
        yield
        return
    key = hashlib.sha256(os.fsencode(os.path.realpath(path))).hexdigest()[:32]
    name = os.path.join(tempfile.gettempdir(), f"ohmbench-{key}.lock")
    # Each user has the right to a lock of their own; another's file cannot be opened.
    with contextlib.ExitStack() as stack:
        try:
            file = stack.enter_context(open(f"{name}.{os.getuid()}", "a"))
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FileError(
                path, "another process is writing it", remedy="wait for it, or choose another name"
            ) from None
        yield
