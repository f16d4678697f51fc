"""What the two ways to a file have in common."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from ohmbench.errors import OhmbenchError, one_line
from ohmbench.fetching.sources import Published

MAX_BYTES = 64 * 2**20
"""Most bytes of a file whose size is not known beforehand."""


class OriginError(OhmbenchError):
    """A server or repository that does not give a file.

    Attributes: ``where``, ``reason``, ``silent`` (its host does not answer at all).
    """

    def __init__(self, where: str, reason: str, *, silent: bool = False) -> None:
        self.silent = silent
        self.where, self.reason = one_line(where), one_line(reason)
        super().__init__(f"{self.where}: {self.reason}")


@dataclass(frozen=True)
class Patience:
    """How long to wait, in seconds: for a connection, and for more from one that is silent."""

    connect_s: float = 10.0
    silence_s: float = 60.0


def host_of(url: str) -> str:
    """The host, and port, in ``url``, or nothing."""
    try:
        return urlsplit(url).netloc
    except ValueError:
        return ""


Read = Callable[[Published, Path], bytes]
"""The content of a file; the path is where its first part may be kept for another attempt."""


class Origin(Protocol):
    """A place from which files come."""

    @property
    def where(self) -> str:
        """The URL, as users write it."""

    @property
    def probed(self) -> str:
        """The URL whose host has to answer, or nothing where that cannot be said."""

    def opened(
        self, patience: Patience, advance: Callable[[int], None]
    ) -> AbstractContextManager[Read]:
        """What reads its files, ``advance`` being told the bytes as they come.

        Raises OriginError, also while it reads.
        """
