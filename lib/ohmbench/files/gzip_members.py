"""Gzip files (RFC 1952) as streams that inflate no more than they are asked for."""

from __future__ import annotations

import io
import zlib
from typing import BinaryIO

MAGIC = b"\x1f\x8b"
MAX_DEFLATE_RATIO = 1032
"""Deflate cannot do better, so a higher promise is false."""

# Files packed in blocks, so that parts can be read alone, have a member for every 64 kB; an empty
# one costs as much as these and holds nothing.
_MAX_MEMBERS = 10_000


class GzipMembers(io.RawIOBase):
    """All members of a gzip file, whose contents follow one another (RFC 1952, section 2.2).

    Raises zlib.error, EOFError or ValueError for what is damaged or cut, for anything behind the
    last member, and beyond 10 000 members.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._pending = b""
        self._inflater = zlib.decompressobj(wbits=31)
        self._members = 1

    def read(self, size: int = -1) -> bytes:
        """Up to ``size`` bytes, none only at the end of the last member."""
        if size == 0:
            return b""
        while True:
            chunk = self._chunk(max(0, size))
            if chunk or not self._next_member():
                return chunk

    def _chunk(self, size: int) -> bytes:
        """Up to ``size`` bytes (0: any number) of this member; none at its end."""
        while not self._inflater.eof:
            data = self._pending or self._file.read(1 << 16)
            if not data:
                raise EOFError("cut off")
            chunk = self._inflater.decompress(data, size)
            self._pending = self._inflater.unconsumed_tail or self._inflater.unused_data
            if chunk:
                return chunk
        return b""

    def _next_member(self) -> bool:
        """Whether another member follows, which is then the one to read; False at the end."""
        self._pending += self._file.read(max(0, len(MAGIC) - len(self._pending)))
        if not self._pending:
            return False
        if not self._pending.startswith(MAGIC):
            raise ValueError("other data after its end")
        self._members += 1
        if self._members > _MAX_MEMBERS:
            raise ValueError(f"more than {_MAX_MEMBERS} gzip members")
        self._inflater = zlib.decompressobj(wbits=31)
        return True
