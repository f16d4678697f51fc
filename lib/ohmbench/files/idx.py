"""Reading IDX files, the format of MNIST (http://yann.lecun.com/exdb/mnist)."""

from __future__ import annotations

import io
import math
import struct
import zlib
from typing import BinaryIO, cast

import numpy as np
import numpy.typing as npt

from ohmbench.errors import FileError
from ohmbench.files.opening import (
    PathLike,
    damaged,
    fill,
    only_file_errors,
    open_bounded,
    read_exactly,
)

_GZIP_MAGIC = b"\x1f\x8b"
_MAX_DEFLATE_RATIO = 1032  # deflate cannot do better, so a higher promise is false


class _Inflate(io.RawIOBase):
    """One gzip member as a stream that inflates no more than it is asked for."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._inflater = zlib.decompressobj(wbits=31)
        self._pending = b""

    def read(self, size: int = -1) -> bytes:
        while not self._inflater.eof:
            data = self._pending or self._file.read(1 << 16)
            if not data:
                raise EOFError("cut off")
            chunk = self._inflater.decompress(data, size)
            self._pending = self._inflater.unconsumed_tail
            if chunk:
                return chunk
        if self._inflater.unused_data or self._file.read(1):
            raise ValueError("other data after its end")
        return b""


def _idx_shape(name: str, header: bytes, ndim: int, max_bytes: int) -> tuple[int, ...]:
    if header[:2] != b"\0\0":
        raise damaged(name, "not an IDX file", field="header")
    if header[2] != 0x08:
        raise FileError(
            name, f"element type {header[2]:#04x}, expected 0x08 (uint8)", field="header"
        )
    if header[3] != ndim:
        raise FileError(
            name,
            f"{header[3]} dimensions, expected {ndim}",
            field="header",
            remedy="check that images and labels are not exchanged",
        )
    shape = struct.unpack(f">{ndim}I", header[4:])
    if not 0 < math.prod(shape) <= max_bytes:
        raise FileError(
            name, f"shape {shape}, between 1 and {max_bytes} elements are accepted", field="header"
        )
    return shape


def read_idx(path: PathLike, *, ndim: int, max_bytes: int = 256 * 2**20) -> npt.NDArray[np.uint8]:
    """Read an IDX file of uint8, plain or gzip-compressed, with ``ndim`` dimensions.

    The header is checked before the data are read; no more is inflated than it promises, and
    nothing may follow. Raises `FileError`.
    """
    name, file, size = open_bounded(path, max_bytes)
    with file, only_file_errors(name):
        packed = file.read(2) == _GZIP_MAGIC
        file.seek(0)
        stream = cast(io.BufferedIOBase, _Inflate(file) if packed else file)
        header_size = 4 + 4 * ndim
        shape = _idx_shape(name, read_exactly(stream, header_size), ndim, max_bytes)
        expected = header_size + math.prod(shape)
        if packed and expected > _MAX_DEFLATE_RATIO * size:
            raise FileError(name, f"cannot hold the {expected} bytes it promises", field="data")
        if not packed and expected != size:
            raise damaged(name, f"holds {size} bytes, its header promises {expected}", field="data")
        array = np.empty(shape, np.uint8)
        fill(stream, array)
        if stream.read(1):
            raise damaged(name, "more data than its header promises", field="data")
        return array
