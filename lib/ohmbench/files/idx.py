"""Reading IDX files, the format of MNIST (http://yann.lecun.com/exdb/mnist)."""

from __future__ import annotations

import io
import math
import struct
from typing import cast

import numpy as np
import numpy.typing as npt

from ohmbench.errors import FileError
from ohmbench.files.gzip_members import MAGIC, MAX_DEFLATE_RATIO, GzipMembers
from ohmbench.files.opening import (
    PathLike,
    damaged,
    fill,
    only_file_errors,
    open_bounded,
    read_exactly,
)


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
    """Read an IDX file of uint8 with ``ndim`` dimensions, plain or gzip-compressed.

    The header is checked before the data are read; no more is inflated than it promises, and
    nothing may follow. There may be any number of gzip members. Raises `FileError`.
    """
    name, file, size = open_bounded(path, max_bytes)
    with file, only_file_errors(name):
        packed = file.read(len(MAGIC)) == MAGIC
        file.seek(0)
        stream = cast(io.BufferedIOBase, GzipMembers(file) if packed else file)
        header_size = 4 + 4 * ndim
        shape = _idx_shape(name, read_exactly(stream, header_size), ndim, max_bytes)
        expected = header_size + math.prod(shape)
        if packed and expected > MAX_DEFLATE_RATIO * size:
            raise FileError(name, f"cannot hold the {expected} bytes it promises", field="data")
        if not packed and expected != size:
            raise damaged(name, f"holds {size} bytes, its header promises {expected}", field="data")
        array = np.empty(shape, np.uint8)
        fill(stream, array)
        if stream.read(1):
            raise damaged(name, "more data than its header promises", field="data")
        return array
