"""Reading npz files against a schema: directory, then all headers, then the data."""

from __future__ import annotations

import contextlib
import io
import math
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

import numpy as np

from ohmbench.errors import FileError
from ohmbench.files.archive import check_end_record, checked_members
from ohmbench.files.array_header import Header, read_header
from ohmbench.files.opening import Array, PathLike, damaged, fill, only_file_errors, open_bounded
from ohmbench.files.schema import (
    INTEGERS,
    UNITS,
    ArraySpec,
    check_fields,
    check_shape,
    check_values,
    dtype_name,
)

MAX_BYTES = 64 * 2**20
"""Most bytes that a file may hold beyond the arrays whose sizes its reader knows beforehand."""
_MOST_PACKED = 100
"""Most bytes that one byte of a larger file may unpack to: arrays of measurements stay below it,
arrays of zeros do not. ``write_npz`` does not compress.
"""
_ANY_SIZE = 1 << 62  # for a file whose arrays are not read, or only a few small ones


def _conversion(found: np.dtype[Any], dtypes: Sequence[str]) -> str:
    """The remedy for a wrong element type; not all values may fit the right type."""
    if dtypes[0] in INTEGERS and not any(np.can_cast(found, wanted) for wanted in dtypes):
        limits = np.iinfo(dtypes[0])
        return f"store whole numbers from {limits.min} to {limits.max} as {dtypes[0]}"
    return "convert the array"


def _check_header(
    name: str,
    spec: ArraySpec,
    header: Header,
    info: zipfile.ZipInfo,
    bound: dict[str, tuple[int, str]],
) -> None:
    found = dtype_name(header.dtype)
    if found not in spec.dtypes:
        raise FileError(
            name,
            f"element type {found}, expected {' or '.join(spec.dtypes)}",
            field=spec.name,
            remedy=_conversion(header.dtype, spec.dtypes),
        )
    check_shape(name, spec, header.shape, bound)
    expected = header.length + header.nbytes
    if info.file_size != expected:
        raise damaged(
            name, f"holds {info.file_size} bytes, its array header promises {expected}", spec.name
        )


def _native(array: Array, fortran_order: bool) -> Array:
    """The array in its own memory, C order, native byte order; the bits of a NaN stay unchanged."""
    if fortran_order and array.ndim > 1:
        array = np.array(array.T, order="C", copy=True)
    if not array.dtype.isnative:
        swapped: Array = array.byteswap().view(array.dtype.newbyteorder("="))
        array = swapped.copy()
    return array


def _read_array(name: str, spec: ArraySpec, header: Header, stream: io.BufferedIOBase) -> Array:
    shape = header.shape[::-1] if header.fortran_order else header.shape
    array: Array = np.empty(shape, header.dtype)
    if array.dtype.kind == "b":
        raw = np.empty(shape, np.uint8)
        fill(stream, raw)
        if (raw > 1).any():  # numpy computes nonsense with a bool other than 0 and 1
            raise damaged(name, "holds booleans other than 0 and 1", spec.name)
        array[...] = raw
    else:
        fill(stream, array)
    if stream.read(1):
        raise damaged(name, "followed by other data", spec.name)
    array = _native(array, header.fortran_order)
    check_values(name, spec, array)
    return array


def _read_members(
    name: str,
    archive: zipfile.ZipFile,
    members: Mapping[str, zipfile.ZipInfo],
    schema: Sequence[ArraySpec],
) -> dict[str, Array]:
    present = [spec for spec in schema if spec.name in members]
    bound: dict[str, tuple[int, str]] = {}
    with contextlib.ExitStack() as stack:
        opened = []
        # All headers are read before any data: a wrong file costs only a few kilobytes.
        for spec in present:
            with only_file_errors(name, spec.name):
                stream = cast(io.BufferedIOBase, archive.open(members[spec.name]))
                stack.enter_context(stream)
                header = read_header(name, spec.name, stream)
            _check_header(name, spec, header, members[spec.name], bound)
            opened.append((spec, header, stream))
        arrays = {}
        for spec, header, stream in opened:
            with only_file_errors(name, spec.name):
                arrays[spec.name] = _read_array(name, spec, header, stream)
        return arrays


def _promised(schema: Sequence[ArraySpec]) -> int:
    """Total bytes of the arrays whose sizes the schema knows, each in its largest element type."""
    total = 0
    for spec in schema:
        sizes = [size for size in spec.shape if isinstance(size, int)]
        if len(sizes) == len(spec.shape) and not set(spec.dtypes) & set(UNITS):
            total += math.prod(sizes) * max(np.dtype(name).itemsize for name in spec.dtypes)
    return total


@contextlib.contextmanager
def _opened(
    path: PathLike, max_bytes: int
) -> Iterator[tuple[str, zipfile.ZipFile, Mapping[str, zipfile.ZipInfo]]]:
    """The file's name, its open archive, and the archive's members by array name."""
    name, file, size = open_bounded(path, max_bytes)
    with file, only_file_errors(name):
        count = check_end_record(name, file, size)
        with zipfile.ZipFile(file) as archive:
            yield name, archive, checked_members(name, archive, file, count)


def read_npz(
    path: PathLike,
    schema: Sequence[ArraySpec],
    *,
    allow_extra: bool = False,
    max_bytes: int | None = None,
) -> dict[str, Array]:
    """Read the arrays that ``schema`` describes from an npz file, executing nothing.

    Archive directory and array headers are checked against the schema before any data are read;
    ``max_bytes`` bounds the file and also what is unpacked from it (default: the arrays whose sizes
    the schema knows, and ``MAX_BYTES`` for all else, so that whatever a configuration makes large
    can be read by its schema). Fields that the schema does not name are refused, or with
    ``allow_extra`` left unread. The arrays own their memory, C-contiguous and in native byte order,
    in the order of the schema.

    Raises `FileError` naming file, field, what was expected and what was found.
    """
    if len({spec.name for spec in schema}) != len(schema):
        raise ValueError("the schema names a field twice")
    limit = MAX_BYTES + _promised(schema) if max_bytes is None else max_bytes
    with _opened(path, _ANY_SIZE if allow_extra else limit) as (name, archive, members):
        check_fields(name, schema, list(members), allow_extra)
        total = sum(members[spec.name].file_size for spec in schema if spec.name in members)
        if total > limit:
            raise FileError(name, f"would unpack to {total} bytes, at most {limit} are accepted")
        packed = sum(members[spec.name].compress_size for spec in schema if spec.name in members)
        if total > max(MAX_BYTES, _MOST_PACKED * packed):
            raise FileError(
                name,
                f"would unpack from {packed} to {total} bytes, at most {_MOST_PACKED} times as "
                "many are accepted",
                remedy="write the file with numpy.savez, which does not pack",
            )
        return _read_members(name, archive, members, schema)


def npz_bytes(path: PathLike) -> int:
    """Unpacked size of an npz file's arrays in bytes; none is read. Raises `FileError`."""
    with _opened(path, _ANY_SIZE) as (_, _, members):
        return sum(min(m.file_size, _MOST_PACKED * m.compress_size) for m in members.values())


def npz_fields(path: PathLike) -> list[str]:
    """The names of an npz file's arrays; none is read. Raises `FileError`."""
    with _opened(path, _ANY_SIZE) as (_, _, members):
        return list(members)
