"""Tensors of ONNX files as arrays: an array is made only where its dimensions fit its data."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ohmbench.errors import FileError

MAX_RANK = 8
MAX_ELEMENTS = 2**25
"""Numbers of one tensor, and of all constants of a file together."""

# numpy's type and the bits of an element, by TensorProto.DataType. The field of the message that
# holds values which are not raw follows.
_TYPES: dict[int, tuple[str, int, str]] = {
    1: ("<f4", 32, "float_data"),
    2: ("u1", 8, "int32_data"),
    3: ("i1", 8, "int32_data"),
    5: ("<i2", 16, "int32_data"),
    4: ("<u2", 16, "int32_data"),
    6: ("<i4", 32, "int32_data"),
    7: ("<i8", 64, "int64_data"),
    9: ("?", 8, "int32_data"),
    11: ("<f8", 64, "double_data"),
    12: ("<u4", 32, "uint64_data"),
    21: ("u1", 4, "int32_data"),
    22: ("i1", 4, "int32_data"),
}
INT4, UINT4 = 22, 21
NIBBLES = (INT4, UINT4)


def numpy_type(code: int) -> np.dtype[Any] | None:
    """numpy's type of an element type of the standard, or None; 4-bit integers lie in bytes."""
    return np.dtype(_TYPES[code][0]).newbyteorder("=") if code in _TYPES else None


def _unpack(data: NDArray[np.uint8], code: int, count: int) -> NDArray[Any]:
    """4-bit integers, two in a byte, the first in the lower half."""
    halves = np.stack([data & 15, data >> 4], axis=1).ravel()[:count]
    if code == UINT4:
        return halves
    return np.where(halves > 7, halves.astype(np.int8) - 16, halves).astype(np.int8)


def _short(dims: tuple[int, ...]) -> str:
    return "x".join(str(d) for d in dims[:MAX_RANK]) or "a single value"


def tensor_array(path: str, proto: Any, field: str) -> NDArray[Any]:
    """The array of the TensorProto ``proto``, which messages call ``field``.

    Nothing is allocated before its size was compared with the data. Raises FileError.
    """

    def bad(reason: str, field: str, remedy: str | None = None) -> FileError:
        return FileError(path, reason, field=field, remedy=remedy)

    if proto.data_location != 0 or len(proto.external_data):
        raise bad(
            "its data lie in another file",
            field,
            "store the model as one file, data included (torch.onnx.export: external_data=False)",
        )
    if proto.HasField("segment"):
        raise bad("it is stored in segments", field)
    code = proto.data_type
    if code not in _TYPES:
        raise bad(f"its element type (number {code}) cannot be read", field)
    dims = tuple(proto.dims)
    if len(dims) > MAX_RANK:
        raise bad(f"it has {len(dims)} dimensions, but at most {MAX_RANK} can be read", field)
    if any(d < 1 for d in dims):
        raise bad(f"its dimensions are {_short(dims)}, but each should be at least 1", field)
    name, bits, typed = _TYPES[code]
    count = math.prod(dims)
    size = -(-count * bits // 8)
    if count > MAX_ELEMENTS:
        raise bad(f"{_short(dims)} is more than {MAX_ELEMENTS} numbers", field)
    if proto.HasField("raw_data"):
        found = len(proto.raw_data)
        if found != size:
            raise bad(f"{found} bytes of data, but {_short(dims)} needs {size}", field)
        data = np.frombuffer(proto.raw_data, np.dtype(name))
    else:
        values = getattr(proto, typed)
        wanted = count if bits > 4 else size
        if len(values) != wanted:
            raise bad(f"{len(values)} values, but {_short(dims)} needs {wanted}", field)
        wide = np.array(values)
        data = wide.astype(np.dtype(name) if bits > 4 else np.uint8)
        if wide.dtype.kind in "iu" and not np.array_equal(wide, data) and bits > 4:
            raise bad("its values do not fit its element type", field)
    if bits == 4:
        data = _unpack(data.view(np.uint8), code, count)
    array = data.astype(data.dtype.newbyteorder("=")).reshape(dims)
    if array.dtype.kind == "f" and np.isnan(array).any():
        raise bad("it holds a value that is not a number", field)
    return array
