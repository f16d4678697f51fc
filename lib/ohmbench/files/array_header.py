"""The header of one array (npy format), parsed by a grammar instead of evaluated."""

from __future__ import annotations

import io
import math
import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from ohmbench.files.opening import foreign, read_exactly
from ohmbench.files.schema import MAX_TEXT, UNITS

_NPY_MAGIC = b"\x93NUMPY"
_MAX_HEADER = 4096
# The header is Python source; numpy evaluates it as a literal. This grammar holds all that numpy
# writes for plain arrays and has no values but texts, booleans and tuples of sizes.
_ITEM = (
    r"\s*(?:'descr'|\"descr\"|'fortran_order'|\"fortran_order\"|'shape'|\"shape\")\s*:"
    r"\s*(?:'[^'\\]{0,32}'|\"[^\"\\]{0,32}\"|True|False|\([0-9, ]*\))\s*"
)
_HEADER = re.compile(rf"\s*\{{{_ITEM},{_ITEM},{_ITEM}(?:,\s*)?\}}\s*")
_PAIR = re.compile(
    r"['\"](descr|fortran_order|shape)['\"]\s*:\s*('[^']*'|\"[^\"]*\"|\w+|\([^)]*\))"
)
_SHAPE = re.compile(r"\(\s*\)|\(\s*\d{1,18}\s*,\s*\)|\(\s*\d{1,18}(?:\s*,\s*\d{1,18})+\s*,?\s*\)")
_DESCR = re.compile(r"[<>|=]?([biufcUS?])(\d{0,9})")


@dataclass(frozen=True)
class Header:
    """The contents of a header: what it says about the array that follows it."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fortran_order: bool
    length: int  # bytes before the data

    @property
    def nbytes(self) -> int:
        """Number of bytes of the data that follow."""
        return math.prod(self.shape) * self.dtype.itemsize


def _parse_dtype(name: str, field: str, text: str) -> np.dtype[Any]:
    match = _DESCR.fullmatch(text)
    if match is None:
        raise foreign(name, f"element type {text!r} is not a plain one", field)
    kind, size = match[1], int(match[2] or 0)
    if kind in UNITS and not 1 <= size <= MAX_TEXT:
        raise foreign(name, f"strings of {size} characters, 1 to {MAX_TEXT} are accepted", field)
    try:
        return np.dtype(text)
    except TypeError:
        raise foreign(name, f"element type {text!r} does not exist", field) from None


def _parse_header(name: str, field: str, text: str, length: int) -> Header:
    if not _HEADER.fullmatch(text):
        raise foreign(name, "its array header is not that of a plain array", field)
    items = {key: value.strip("'\"") for key, value in _PAIR.findall(text)}
    order = items.get("fortran_order")
    shape = items.get("shape", "")
    if len(items) != 3 or order not in ("True", "False") or not _SHAPE.fullmatch(shape):
        raise foreign(name, "its array header is not that of a plain array", field)
    dtype = _parse_dtype(name, field, items["descr"])
    sizes = tuple(int(size) for size in re.findall(r"\d+", shape))
    return Header(sizes, dtype, order == "True", length)


def read_header(name: str, field: str, stream: io.BufferedIOBase) -> Header:
    """Read and parse the header at the start of ``stream``, and leave the stream at the data."""
    magic = read_exactly(stream, 8)
    if magic[:6] != _NPY_MAGIC:
        raise foreign(name, "not an array in npy format", field)
    if magic[6:] not in (b"\1\0", b"\2\0"):
        raise foreign(name, f"npy format version {magic[6]}.{magic[7]} is unknown", field)
    width = 2 if magic[6] == 1 else 4
    length = int.from_bytes(read_exactly(stream, width), "little")
    if length > _MAX_HEADER:
        raise foreign(
            name, f"an array header of {length} bytes, at most {_MAX_HEADER} are accepted", field
        )
    text = read_exactly(stream, length).decode("latin-1")
    return _parse_header(name, field, text, 8 + width + length)
