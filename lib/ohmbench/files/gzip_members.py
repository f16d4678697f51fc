"""Gzip files (RFC 1952) as streams that inflate no more than they are asked for."""

from __future__ import annotations

import io
import zlib
from typing import BinaryIO

MAGIC = b"\x1f\x8b"
MAX_DEFLATE_RATIO = 1032
"""Deflate cannot compress further, so a higher promised ratio is false."""

# Files packed in blocks, so that parts can be read alone, have a member for every 64 kB. An empty
# member takes as long to read as a small one.
_MAX_MEMBERS = 10_000


class GzipMembers(io.RawIOBase):
    """The contents of all members of a gzip file, one after another (RFC 1952, section 2.2).

    Raises zlib.error, EOFError or ValueError for damaged or truncated data, for anything after the
    last member, and for more than 10 000 members.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._pending = b""
        self._inflater = zlib.decompressobj(wbits=31)
        self._members = 1

    def read(self, size: int = -1) -> bytes:
        """Up to ``size`` bytes; empty only at the end of the last member."""
        if size == 0:
            return b""
        while True:
            chunk = self._chunk(max(0, size))
            if chunk or not self._next_member():
                return chunk

    def _chunk(self, size: int) -> bytes:
        """Up to ``size`` bytes (0: any number) of this member; empty at its end."""
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
        """Go to the next member and return True, or return False at the end of the file."""
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
