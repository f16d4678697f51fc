"""Standard streams that are closed, full or without a reader. None of these damages a file or a
result.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import Any, TextIO


def open_missing() -> None:
    """Open standard input, output and error on the null device where they are closed.

    Otherwise the next file that is opened would get the free descriptor, and with it everything
    that a library prints. ``sys.stdout`` stays None so that the command can report it.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free descriptor, which is this one
    if sys.stderr is None:
        sys.stderr = open(2, "w", errors="backslashreplace", closefd=False)  # noqa: SIM115


def write_any_character() -> None:
    """From now on write a character that the terminal's encoding lacks as its code point."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


class Lossy:
    """A text stream that ignores failed writes.

    After a failed write all output is dropped, and ``error`` holds the reason. A pipe without a
    reader is not an error: the reader decides how much it wants.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.error: OSError | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write ``text`` or drop it; return its number of characters in either case."""
        with self._losing():
            return self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush what is buffered, or drop it."""
        with self._losing():
            self._stream.flush()

    @contextlib.contextmanager
    def _losing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if self.error is None and not isinstance(error, BrokenPipeError):
                self.error = error
            # What is still buffered would fail again when the process ends.
            with contextlib.suppress(OSError, ValueError):
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, self._stream.fileno())
                os.close(nowhere)


@contextlib.contextmanager
def lossy() -> Iterator[Lossy]:
    """Make standard output and error ``Lossy`` inside the block; yields standard output."""
    output, error = sys.stdout, sys.stderr
    checked = Lossy(output)
    sys.stdout, sys.stderr = checked, Lossy(error)
    try:
        yield checked
    finally:
        checked.flush()
        sys.stderr.flush()
        sys.stdout, sys.stderr = output, error
