"""The required fields, shapes and values of a file's arrays, and the checks against them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ohmbench.errors import FileError
from ohmbench.files.opening import Array, damaged

# All that this project's networks store; objects and records are left out on purpose.
INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
_FLOATS = ("float16", "float32", "float64", "complex64", "complex128")
PLAIN_DTYPES = frozenset((*INTEGERS, *_FLOATS, "bool", "U", "S"))
FIELD = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+\-]{0,127}")
_MAX_SYMBOL = 1 << 24  # a named size ("hidden", "batch"); larger ones are damage, not networks
MAX_TEXT = 1 << 16  # characters of one string element: a JSON configuration takes thousands
UNITS = {"U": 4, "S": 1}  # bytes of one character


@dataclass(frozen=True)
class ArraySpec:
    """The requirements for one array of an npz file.

    ``shape`` holds sizes and symbols: a symbol ("hidden") stands for any size >= 1 that is the same
    wherever the symbol occurs in the schema. ``dtypes`` are numpy names ("float64"), or "U" and "S"
    for strings of any length. ``low`` and ``high`` are inclusive. An ``optional`` array may be
    absent, and is then absent from the result too.
    """

    name: str
    shape: tuple[int | str, ...]
    dtypes: tuple[str, ...]
    finite: bool = True
    low: float | None = None
    high: float | None = None
    optional: bool = False

    def __post_init__(self) -> None:
        if not FIELD.fullmatch(self.name):
            raise ValueError(f"ArraySpec name {self.name!r} is not a field name")
        if not self.dtypes or not PLAIN_DTYPES.issuperset(self.dtypes):
            raise ValueError(f"ArraySpec {self.name}: dtypes {self.dtypes} are not plain dtypes")
        if any(isinstance(size, int) and size < 0 for size in self.shape):
            raise ValueError(f"ArraySpec {self.name}: negative size in {self.shape}")


def dtype_name(dtype: np.dtype[Any]) -> str:
    """The name of ``dtype`` in schemas; strings of all lengths share one name."""
    return dtype.kind if dtype.kind in UNITS else dtype.name


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) if names else "none"


def _wrong_kind(name: str, reason: str, field: str) -> FileError:
    return FileError(name, reason, field=field, remedy="name a file of the right kind")


def check_fields(
    name: str, schema: Sequence[ArraySpec], found: Sequence[str], allow_extra: bool
) -> None:
    """Check that every required field is present, and no other one unless ``allow_extra``."""
    known = [spec.name for spec in schema]
    for spec in schema:
        if not spec.optional and spec.name not in found:
            raise _wrong_kind(name, f"is missing; found {_listed(sorted(found))}", spec.name)
    extra = sorted(set(found) - set(known))
    if extra and not allow_extra:
        raise _wrong_kind(name, f"unexpected; expected {_listed(known)}", extra[0])


def _shape_text(sizes: Sequence[int | str], bound: Mapping[str, tuple[int, str]]) -> str:
    texts = []
    for size in sizes:
        if isinstance(size, str) and size in bound:
            value, origin = bound[size]
            texts.append(f"{size}={value} as in {origin}")
        else:
            texts.append(str(size))
    return f"({', '.join(texts)}{',' if len(texts) == 1 else ''})"


def check_shape(
    name: str, spec: ArraySpec, shape: tuple[int, ...], bound: dict[str, tuple[int, str]]
) -> None:
    """Compare a shape with the spec; new symbols are bound to (size, field) in ``bound``."""
    fits = len(shape) == len(spec.shape)
    fresh: dict[str, tuple[int, str]] = {}
    for size, wanted in zip(shape, spec.shape, strict=False):
        if isinstance(wanted, int):
            fits = fits and size == wanted
        elif wanted in bound or wanted in fresh:
            fits = fits and size == (bound | fresh)[wanted][0]
        else:
            fits = fits and 1 <= size <= _MAX_SYMBOL
            fresh[wanted] = (size, spec.name)
    if not fits:
        limits = f" with {', '.join(fresh)} from 1 to {_MAX_SYMBOL}" if fresh else ""
        raise _wrong_kind(
            name,
            f"shape {_shape_text(shape, {})}, expected {_shape_text(spec.shape, bound)}{limits}",
            spec.name,
        )
    bound.update(fresh)


def text_is_valid(array: Array) -> bool:
    """Whether every character is a Unicode scalar value; numpy itself would only fail later."""
    points = np.ascontiguousarray(array).reshape(-1).view(np.uint32)
    return not bool(((points > 0x10FFFF) | ((points >= 0xD800) & (points <= 0xDFFF))).any())


def _first(array: Array, bad: npt.NDArray[np.bool_]) -> str:
    """Place and value of the first bad element. Only called when one is known to exist."""
    place = np.unravel_index(int(np.argmax(bad)), bad.shape)
    index = f"[{', '.join(str(int(i)) for i in place)}]" if place else ""
    return f"element {index} is {array[place].item()}" if index else f"is {array.item()}"


def check_values(name: str, spec: ArraySpec, array: Array) -> None:
    """Check that the spec admits every element."""
    if array.dtype.kind == "U":
        if not text_is_valid(array):
            raise damaged(name, "holds numbers that are no characters", spec.name)
        return
    if array.dtype.kind == "S":
        return
    with np.errstate(all="ignore"):  # a signalling NaN is found here, and must not warn
        if spec.finite and array.dtype.kind in "fc":
            bad = ~np.isfinite(array)
            if bad.any():
                raise FileError(
                    name,
                    f"{_first(array, bad)}, expected finite numbers",
                    field=spec.name,
                    remedy="repair or train again",
                )
        for limit, beyond, word in (
            (spec.low, np.less, "at least"),
            (spec.high, np.greater, "at most"),
        ):
            if limit is not None:
                bad = np.asarray(beyond(array, limit))
                if bad.any():
                    raise FileError(
                        name,
                        f"{_first(array, bad)}, expected {word} {limit}",
                        field=spec.name,
                        remedy="check the units and the source of the file",
                    )
