"""Flatbuffers from strangers: tables, vectors and texts; every offset is checked before use.

The format is that of flatbuffers.dev/internals. The reader of a format walks its tables by field
numbers; nothing here recurses, so that offsets that point back or to one place twice cost nothing.
Numbers and bytes are views of the file.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ohmbench.errors import FileError

MAX_COUNT = 2**28
"""The longest vector of bytes or numbers."""
MAX_TEXT = 1024
REMEDY = "copy or download the file again"


class Buffer:
    """The bytes of the file, and the errors about them."""

    def __init__(self, path: str, data: bytes) -> None:
        self.path = path
        self.data = memoryview(data)

    def damaged(self, where: str, reason: str) -> FileError:
        """The error about ``where``, a tensor or operator."""
        return FileError(self.path, reason, field=where, remedy=REMEDY)

    def number(self, kind: str, at: int, where: str) -> int:
        """The integer at ``at``. Raises FileError if it is not inside the file."""
        if not 0 <= at <= len(self.data) - struct.calcsize(kind):
            raise self.damaged(where, "an offset points outside the file")
        return int(struct.unpack_from("<" + kind, self.data, at)[0])

    def follow(self, at: int, where: str) -> int:
        """The place that the offset at ``at`` points to; such offsets only point forwards."""
        return at + self.number("I", at, where)


class Table:
    """A table of the flatbuffer: numbered fields, each of which may be left out."""

    def __init__(self, buffer: Buffer, at: int, where: str) -> None:
        self.buffer, self.at, self.where = buffer, at, where
        self.vtable = at - buffer.number("i", at, where)
        self.vtable_size = buffer.number("H", self.vtable, where)
        self.size = buffer.number("H", self.vtable + 2, where)
        end = len(buffer.data)
        if self.vtable_size < 4 or self.vtable_size % 2 or self.vtable + self.vtable_size > end:
            raise buffer.damaged(where, "its table of fields does not fit the file")
        if self.size < 4 or at + self.size > end:
            raise buffer.damaged(where, "its table does not fit the file")

    def _place(self, field: int, width: int) -> int | None:
        slot = 4 + 2 * field
        if slot + 2 > self.vtable_size:
            return None
        offset = self.buffer.number("H", self.vtable + slot, self.where)
        if offset == 0:
            return None
        if offset < 4 or offset + width > self.size:
            raise self.buffer.damaged(self.where, f"field {field} lies outside its table")
        return self.at + offset

    def number(self, field: int, kind: str, default: int = 0) -> int:
        """An integer field of ``kind``, as struct names it."""
        at = self._place(field, struct.calcsize(kind))
        return default if at is None else self.buffer.number(kind, at, self.where)

    def child(self, field: int, where: str | None = None) -> Table | None:
        """The table in ``field``."""
        at = self._place(field, 4)
        if at is None:
            return None
        where = where or self.where
        return Table(self.buffer, self.buffer.follow(at, where), where)

    def _vector(self, field: int, width: int, most: int, what: str) -> tuple[int, int]:
        """Place of the first element, and number of elements."""
        at = self._place(field, 4)
        if at is None:
            return 0, 0
        start = self.buffer.follow(at, self.where)
        count = self.buffer.number("I", start, self.where)
        if start + 4 + count * width > len(self.buffer.data):
            raise self.buffer.damaged(self.where, f"{count} {what} do not fit the file")
        if count > most:
            raise FileError(
                self.buffer.path,
                f"holds {count} {what}, at most {most} are accepted",
                field=self.where,
            )
        return start + 4, count

    def bytes(self, field: int, what: str, most: int = MAX_COUNT) -> memoryview:
        """A vector of bytes, as a view."""
        start, count = self._vector(field, 1, most, what)
        return self.buffer.data[start : start + count]

    def array(self, field: int, dtype: str, what: str, most: int = MAX_COUNT) -> NDArray[Any]:
        """A vector of numbers, as a view."""
        kind = np.dtype(dtype)
        start, count = self._vector(field, kind.itemsize, most, what)
        return np.frombuffer(self.buffer.data, kind, count, start) if count else np.empty(0, kind)

    def integers(self, field: int, what: str, most: int) -> tuple[int, ...]:
        """A vector of int32."""
        return tuple(self.array(field, "<i4", what, most).tolist())

    def text(self, field: int, what: str) -> str:
        """A text in UTF-8. Raises FileError for any that cannot be printed on one line."""
        raw = bytes(self.bytes(field, what, MAX_TEXT))
        text = raw.decode("utf-8", "backslashreplace")
        if not text.isprintable() or text.encode("utf-8") != raw:
            raise self.buffer.damaged(self.where, f"its name is not printable text: {text}")
        return text

    def tables(self, field: int, what: str, most: int) -> Iterator[Table]:
        """A vector of tables, called ``what`` and their number."""
        start, count = self._vector(field, 4, most, f"{what}s")
        for k in range(count):
            where = f"{what} {k}"
            yield Table(self.buffer, self.buffer.follow(start + 4 * k, where), where)
