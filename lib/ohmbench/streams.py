"""Standard streams that are closed, full or without a reader: no file or result suffers by them."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import Any, TextIO


def open_missing() -> None:
    """Open what was closed of standard input, output and error, as the null device.

    The next file that is opened would otherwise get the number, and with it whatever a library
    prints. ``sys.stdout`` stays None: somebody has to tell its user.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free: this one
    if sys.stderr is None:
        sys.stderr = open(2, "w", errors="backslashreplace", closefd=False)  # noqa: SIM115


def write_any_character() -> None:
    """From now on a character that the terminal's encoding lacks is written as its number."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


class Lossy:
    """A text stream that goes on as if nothing were wrong when it cannot be written.

    What is printed later goes nowhere, and ``error`` keeps why. A pipe without a reader is no
    error: who reads decides how much of it.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.error: OSError | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write ``text``, or lose it; the number of its characters either way."""
        with self._losing():
            return self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Write out what is buffered, or lose it."""
        with self._losing():
            self._stream.flush()

    @contextlib.contextmanager
    def _losing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if self.error is None and not isinstance(error, BrokenPipeError):
                self.error = error
            # What is still buffered would fail again at the end of the process.
            with contextlib.suppress(OSError, ValueError):
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, self._stream.fileno())
                os.close(nowhere)


@contextlib.contextmanager
def lossy() -> Iterator[Lossy]:
    """Standard output and error are ``Lossy`` inside the block; gives output."""
    output, error = sys.stdout, sys.stderr
    checked = Lossy(output)
    sys.stdout, sys.stderr = checked, Lossy(error)
    try:
        yield checked
    finally:
        checked.flush()
        sys.stderr.flush()
        sys.stdout, sys.stderr = output, error
