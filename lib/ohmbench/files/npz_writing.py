"""Writing npz files: plain arrays only, little-endian; equal arrays give equal bytes."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from ohmbench.errors import DtypeError, RangeError, ShapeError
from ohmbench.files.archive import MAX_MEMBERS
from ohmbench.files.opening import Array, PathLike
from ohmbench.files.saving import atomic_write
from ohmbench.files.schema import FIELD, MAX_TEXT, PLAIN_DTYPES, UNITS, dtype_name, text_is_valid


def _portable(field: str, value: npt.ArrayLike) -> Array:
    """``value`` as a little-endian C-ordered array that `read_npz` accepts."""
    array: Array = np.asarray(value, order="C")
    if dtype_name(array.dtype) not in PLAIN_DTYPES:
        raise DtypeError(f"{field}: arrays of {array.dtype} cannot be saved")
    if array.dtype.kind in UNITS and not (
        1 <= array.dtype.itemsize // UNITS[array.dtype.kind] <= MAX_TEXT
    ):
        raise RangeError(f"{field}: strings longer than {MAX_TEXT} characters cannot be saved")
    if not array.dtype.isnative:
        array = array.byteswap().view(array.dtype.newbyteorder("="))
    if array.dtype.kind == "U" and not text_is_valid(array):
        raise RangeError(f"{field}: holds surrogates, which no file can store as characters")
    little = array.dtype.newbyteorder("<")
    return array if array.dtype == little else array.astype(little)


def _write_members(file: BinaryIO, arrays: Mapping[str, Array]) -> None:
    # Stored uncompressed and with a fixed date: the bytes then depend only on the arrays, not on
    # the time or the version of zlib.
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for field in sorted(arrays):
            info = zipfile.ZipInfo(f"{field}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            info.create_system = 3
            info.external_attr = 0o644 << 16
            with archive.open(info, "w") as member:
                np.lib.format.write_array(member, arrays[field], version=(1, 0), allow_pickle=False)


def write_npz(
    path: PathLike, arrays: Mapping[str, npt.ArrayLike], *, overwrite: bool = False
) -> None:
    """Save named arrays so that `read_npz` returns the same bits; equal arrays give equal bytes.

    Raises `FileError` as `atomic_write` does, and `DtypeError`, `RangeError` or `ShapeError` for
    arrays that `read_npz` would refuse.
    """
    if not 1 <= len(arrays) <= MAX_MEMBERS:
        raise ShapeError(f"{len(arrays)} arrays to save, 1 to {MAX_MEMBERS} are possible")
    for field in arrays:
        if not FIELD.fullmatch(field):
            raise RangeError(f"{field!r} cannot be the name of a saved array")
    portable = {field: _portable(field, value) for field, value in arrays.items()}
    atomic_write(path, lambda file: _write_members(file, portable), overwrite=overwrite)
