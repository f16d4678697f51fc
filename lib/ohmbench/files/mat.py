"""Arrays of uint8 from MATLAB files of version 5, the format of the SVHN data set.

The format: MathWorks, "MAT-File Format", Level 5. `scipy.io.loadmat` reads far more of it, but
trusts the sizes in the file: it inflates and allocates whatever they say. Here only plain arrays
stored as uint8 are read, their size is checked first, and all other data are skipped without being
inflated.
"""

from __future__ import annotations

import io
import math
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import BinaryIO, cast

import numpy as np
import numpy.typing as npt

from ohmbench.errors import FileError
from ohmbench.files.gzip_members import MAX_DEFLATE_RATIO
from ohmbench.files.opening import (
    PathLike,
    damaged,
    fill,
    only_file_errors,
    open_bounded,
    read_exactly,
)

_HEADER = 128
_HDF5 = b"\x89HDF\r\n\x1a\n"
_INT8, _UINT8, _INT32, _UINT32, _MATRIX, _COMPRESSED = 1, 2, 5, 6, 14, 15  # data types
_DOUBLE_CLASS, _UINT8_CLASS = 6, 9  # integers of class double are stored as uint8 too
_COMPLEX_FLAG = 0x800
_MAX_DIMENSIONS, _MAX_NAME = 8, 64


class _Part(io.RawIOBase):
    """``length`` bytes of ``file``, plain or inflated; never reads more than is asked for."""

    def __init__(self, file: BinaryIO, length: int, compressed: bool) -> None:
        self._file = file
        self._left = length
        self._inflater = zlib.decompressobj() if compressed else None
        self._pending = b""

    def _raw(self, size: int) -> bytes:
        data = self._file.read(min(size, self._left))
        self._left -= len(data)
        return data

    def read(self, size: int = -1) -> bytes:
        if self._inflater is None:
            return self._raw(size)
        while not self._inflater.eof:
            data = self._pending or self._raw(1 << 16)
            if not data:
                raise EOFError("cut off")
            chunk = self._inflater.decompress(data, size)
            self._pending = self._inflater.unconsumed_tail
            if chunk:
                return chunk
        return b""


@dataclass(frozen=True)
class _Tag:
    """Type and byte count of an element; ``small`` holds the data that are stored in the tag."""

    kind: int
    size: int
    small: bytes | None = None


def _tag(stream: io.RawIOBase) -> _Tag:
    data = read_exactly(cast(BinaryIO, stream), 8)
    kind, size = struct.unpack("<II", data)
    if kind >> 16:
        return _Tag(kind & 0xFFFF, kind >> 16, data[4:])
    return _Tag(kind, size)


def _short(stream: io.RawIOBase, kind: int, limit: int, what: str) -> bytes:
    """The data of an element, which must be of ``kind`` and have at most ``limit`` bytes."""
    tag = _tag(stream)
    if tag.kind != kind or tag.size > (limit if tag.small is None else 4):
        raise ValueError(f"{what} of type {tag.kind} with {tag.size} bytes")
    if tag.small is not None:
        return tag.small[: tag.size]
    return read_exactly(cast(BinaryIO, stream), -(-tag.size // 8) * 8)[: tag.size]


def _check_header(name: str, header: bytes) -> None:
    if header.startswith((b"MATLAB 7.3", _HDF5)):
        raise FileError(
            name,
            "is a MATLAB 7.3 (HDF5) file, expected version 5",
            field="header",
            remedy="use the original file, or save with -v7",
        )
    if header[126:128] == b"MI":
        raise FileError(name, "is big-endian", field="header", remedy="use the original file")
    if header[124:128] != b"\0\1IM":
        raise damaged(name, "not a MATLAB 5 file", field="header")


def _shape(name: str, field: str, sizes: tuple[int, ...], max_bytes: int) -> tuple[int, ...]:
    if not (min(sizes) > 0 and math.prod(sizes) <= max_bytes):
        raise FileError(
            name, f"shape {sizes}, between 1 and {max_bytes} elements are accepted", field=field
        )
    return sizes


def _variable(
    name: str, stream: _Part, packed: int, wanted: Mapping[str, int], max_bytes: int
) -> tuple[str, npt.NDArray[np.uint8] | None]:
    """Name and array of the next variable; the array is None unless it is wanted."""
    if _tag(stream).kind != _MATRIX:
        raise ValueError("an element that is not an array")
    flags, _ = struct.unpack("<II", _short(stream, _UINT32, 8, "array flags"))
    sizes = _short(stream, _INT32, 4 * _MAX_DIMENSIONS, "dimensions")
    field = _short(stream, _INT8, _MAX_NAME, "a name").decode("ascii")
    if field not in wanted:
        return field, None
    if flags & 0xFF not in (_DOUBLE_CLASS, _UINT8_CLASS) or flags & _COMPLEX_FLAG:
        raise FileError(name, f"is of class {flags & 0xFF}, expected 9 (uint8)", field=field)
    shape = struct.unpack(f"<{len(sizes) // 4}i", sizes)
    if len(shape) != wanted[field]:
        raise FileError(name, f"{len(shape)} dimensions, expected {wanted[field]}", field=field)
    count = math.prod(_shape(name, field, shape, max_bytes))
    tag = _tag(stream)
    if tag.kind != _UINT8:
        raise FileError(name, f"is stored as type {tag.kind}, expected 2 (uint8)", field=field)
    if tag.size != count or (tag.small is not None and count > 4):
        raise damaged(name, f"holds {tag.size} bytes, its shape promises {count}", field)
    if count > MAX_DEFLATE_RATIO * packed:
        raise FileError(name, f"cannot hold the {count} bytes it promises", field=field)
    array = np.empty(count, np.uint8)
    if tag.small is not None:
        array[:] = np.frombuffer(tag.small, np.uint8)[:count]
    else:
        with only_file_errors(name, field):
            fill(cast(io.BufferedIOBase, stream), array)
    # Up to 7 bytes of padding; reading on to the end also has the checksum compared.
    if len(stream.read(8)) > 7 or stream.read(1):
        raise damaged(name, "more data than its shape promises", field)
    return field, array.reshape(shape, order="F")


def read_mat(
    path: PathLike, wanted: Mapping[str, int], *, max_bytes: int = 256 * 2**20
) -> dict[str, npt.NDArray[np.uint8]]:
    """The uint8 arrays named by the keys of ``wanted``, with as many dimensions as its values.

    Arrays are in MATLAB's order: the first index runs fastest (Fortran-contiguous). Other arrays in
    the file are skipped. No array may have more than ``max_bytes`` bytes. Raises `FileError`.
    """
    name, file, size = open_bounded(path, max_bytes + 2**20)
    found: dict[str, npt.NDArray[np.uint8]] = {}
    with file, only_file_errors(name):
        _check_header(name, file.read(_HEADER).ljust(_HEADER, b"\0"))
        at = _HEADER
        while at < size:
            file.seek(at)
            kind, length = struct.unpack("<II", read_exactly(file, 8))
            compressed = kind == _COMPRESSED
            if kind not in (_MATRIX, _COMPRESSED) or not 0 < length <= size - at - 8:
                raise ValueError(f"an element of type {kind} with {length} bytes")
            if not compressed:
                file.seek(at)
            part = _Part(file, length if compressed else length + 8, compressed)
            field, array = _variable(name, part, length, wanted, max_bytes)
            if array is not None:
                if field in found:
                    raise damaged(name, "is there twice", field)
                found[field] = array
            at += 8 + length
    for field in wanted:
        if field not in found:
            raise FileError(name, "is missing", field=field, remedy="use the original file")
    return found
