"""Files that consist of records of one fixed size, the format of binary CIFAR."""

from __future__ import annotations

import io
from typing import cast

import numpy as np
import numpy.typing as npt

from ohmbench.files.opening import PathLike, damaged, fill, only_file_errors, open_bounded


def read_records(
    path: PathLike, record_bytes: int, *, max_bytes: int = 256 * 2**20
) -> npt.NDArray[np.uint8]:
    """All records, uint8 (n, record_bytes) with n >= 1.

    Raises `FileError`, also when the file's size is not a multiple of ``record_bytes``.
    """
    name, file, size = open_bounded(path, max_bytes)
    with file, only_file_errors(name):
        if size % record_bytes:
            raise damaged(name, f"holds {size} bytes, not a multiple of {record_bytes}")
        array = np.empty((size // record_bytes, record_bytes), np.uint8)
        fill(cast(io.BufferedIOBase, file), array)
    return array
