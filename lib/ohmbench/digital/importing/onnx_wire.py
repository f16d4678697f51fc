"""How much an ONNX file would unfold into, counted on its bytes before they are parsed.

A message of two bytes can become an object of a hundred in memory. This walks over the fields of
the model, its graph and its initialisers (Protocol Buffers encoding, wire types 0, 1, 2 and 5)
without making anything of them.
"""

from __future__ import annotations

from collections.abc import Iterator

from ohmbench.errors import FileError

MAX_FIELDS = 100_000
"""Fields of the model, the graph and its initialisers together."""
MAX_OTHER = 4 * 2**20
"""Bytes other than the numbers of initialisers: nodes, names, documentation, metadata, and numbers
of variable length, which unfold to eight bytes each."""
_GRAPH, _INITIALISER = 7, 5  # ModelProto.graph, GraphProto.initializer
_NUMBERS = (4, 9, 10)  # TensorProto.float_data, raw_data, double_data
_FIXED = {1: 8, 5: 4}


def _varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    value = shift = 0
    while at < end and shift < 70:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
    raise ValueError


def _fields(data: bytes, at: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """Number, wire type, begin and end of the content of each field. Raises ValueError."""
    while at < end:
        tag, at = _varint(data, at, end)
        kind = tag & 7
        begin = at
        if kind == 0:
            _, at = _varint(data, at, end)
        elif kind == 2:
            size, begin = _varint(data, at, end)
            at = begin + size
        elif kind in _FIXED:
            at += _FIXED[kind]
        else:
            raise ValueError
        if at > end:
            raise ValueError
        yield tag >> 3, kind, begin, at


def check_wire(path: str, data: bytes) -> None:
    """Raise FileError for a file that is no message, or that would unfold beyond the limits."""
    fields = other = 0

    def walk(begin: int, end: int, nested: int | None) -> None:
        nonlocal fields, other
        for number, kind, first, last in _fields(data, begin, end):
            fields += 1
            if fields > MAX_FIELDS:
                raise FileError(path, f"more than {MAX_FIELDS} entries in its tables")
            if number == nested and kind == 2:
                walk(first, last, _INITIALISER if nested == _GRAPH else None)
            elif nested is not None or number not in _NUMBERS:
                other += last - first
                if other > MAX_OTHER:
                    raise FileError(path, f"more than {MAX_OTHER} bytes other than numbers")

    try:
        walk(0, len(data), _GRAPH)
    except ValueError:
        raise FileError(path, "damaged, or no ONNX file", remedy="name an ONNX file") from None
