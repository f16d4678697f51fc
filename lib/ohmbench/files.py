"""The one place through which ohmbench reads strangers' files and saves results.

Reading: everything that can be checked is checked before the data are touched (kind of file, size,
archive directory, array headers against a schema), inflation never goes past what a checked header
promises, nothing in a file is ever executed, and every failure is a `FileError` of one line.

Writing: a hidden temporary file in the target's folder, flushed to the disk, then published in one
step. A reader sees the old file or the new one, never a part, wherever the writer is killed.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import json
import math
import os
import re
import secrets
import socket
import stat
import struct
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, TypeAlias, cast

import numpy as np
import numpy.typing as npt

from ohmbench.errors import DtypeError, FileError, RangeError, ShapeError

PathLike: TypeAlias = str | os.PathLike[str]
Array: TypeAlias = npt.NDArray[Any]

_CHUNK = 1 << 20
_AGAIN = "copy or download the file again"
_WRITE_AGAIN = "write the file again with numpy.savez"

# What the libraries underneath raise on damaged or hostile input; each was seen in the fuzz tests
# or is documented (zipfile: NotImplementedError, RuntimeError; int and unicode: ValueError).
_UNREADABLE = (
    OSError,
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    RuntimeError,
    ValueError,
    OverflowError,
    LookupError,
    MemoryError,
)

# ------------------------------------------------------------------------------------------------
# Schema

# Everything a network of this project stores; objects and records are absent on purpose.
_INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
_FLOATS = ("float16", "float32", "float64", "complex64", "complex128")
_PLAIN_DTYPES = frozenset((*_INTEGERS, *_FLOATS, "bool", "U", "S"))
_FIELD = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+\-]{0,127}")
_MAX_SYMBOL = 1 << 24  # a named size ("hidden", "batch"); larger ones are damage, not networks
_MAX_TEXT = 1024  # characters of one string element


@dataclass(frozen=True)
class ArraySpec:
    """What one array of an npz file must be.

    ``shape`` holds sizes and symbols: a symbol ("hidden") stands for any size >= 1 that is the
    same wherever the symbol occurs in the schema. ``dtypes`` are numpy names ("float64"), or "U"
    and "S" for strings of any length. ``low`` and ``high`` are inclusive. An ``optional`` array
    may be absent, and is then absent from the result too.
    """

    name: str
    shape: tuple[int | str, ...]
    dtypes: tuple[str, ...]
    finite: bool = True
    low: float | None = None
    high: float | None = None
    optional: bool = False

    def __post_init__(self) -> None:
        if not _FIELD.fullmatch(self.name):
            raise ValueError(f"ArraySpec name {self.name!r} is not a field name")
        if not self.dtypes or not _PLAIN_DTYPES.issuperset(self.dtypes):
            raise ValueError(f"ArraySpec {self.name}: dtypes {self.dtypes} are not plain dtypes")
        if any(isinstance(size, int) and size < 0 for size in self.shape):
            raise ValueError(f"ArraySpec {self.name}: negative size in {self.shape}")


# ------------------------------------------------------------------------------------------------
# Opening


def _name(path: PathLike) -> str:
    """``path`` as a string the system can take at all."""
    name = os.fspath(path)
    if not name:
        raise FileError(name, "the file name is empty", remedy="name a file")
    try:
        encoded = os.fsencode(name)
    except UnicodeEncodeError:
        encoded = b"\0"
    if b"\0" in encoded:
        raise FileError(name, "not a possible file name", remedy="use a name in plain characters")
    return name


_OS_REASONS = {
    errno.ENOENT: ("no such file or folder", "check the path"),
    errno.ENOTDIR: ("a part of the path is not a folder", "check the path"),
    errno.EISDIR: ("is a folder", "name a file"),
    errno.EACCES: ("permission denied", "change the permissions or choose another place"),
    errno.EPERM: ("operation not permitted", "change the permissions or choose another place"),
    errno.EROFS: ("the file system is read-only", "choose another place"),
    errno.ENOSPC: ("no space left on the disk", "free some space or choose another place"),
    errno.EDQUOT: ("the disk quota is used up", "free some space or choose another place"),
    errno.EFBIG: ("larger than this system lets a file grow", "raise the file size limit"),
    errno.ENAMETOOLONG: ("the file name is too long", "choose a shorter name"),
    errno.ELOOP: ("the symbolic links form a loop", "repair the links"),
    errno.EIO: ("the disk reports an input/output error", "check the disk"),
}


def _os_error(name: str, error: OSError, doing: str) -> FileError:
    known = _OS_REASONS.get(error.errno or 0)
    if known is None:
        return FileError(name, f"cannot {doing}: {error.strerror or error}")
    return FileError(name, f"cannot {doing}: {known[0]}", remedy=known[1])


_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def _require_regular(name: str, mode: int) -> None:
    if stat.S_ISREG(mode):
        return
    kind = next((text for test, text in _KINDS if test(mode)), "not a regular file")
    raise FileError(name, f"is {kind}, not a regular file", remedy="name a regular file")


def _open_regular(name: str) -> tuple[BinaryIO, int]:
    """Open a regular file for reading, and its size; never blocks on pipes and devices."""
    try:
        # Before opening, because opening alone can block (pipe) or act (tape, watchdog) ...
        _require_regular(name, os.stat(name).st_mode)
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        fd = os.open(name, flags)
        try:
            # ... and after it, because the name may have been given to something else meanwhile.
            status = os.fstat(fd)
            _require_regular(name, status.st_mode)
            return os.fdopen(fd, "rb"), status.st_size
        except BaseException:
            os.close(fd)
            raise
    except OSError as error:
        raise _os_error(name, error, "open") from error


def _open_bounded(path: PathLike, max_bytes: int) -> tuple[str, BinaryIO, int]:
    name = _name(path)
    file, size = _open_regular(name)
    try:
        if size == 0:
            raise FileError(name, "is empty", remedy=_AGAIN)
        if size > max_bytes:
            raise FileError(name, f"holds {size} bytes, at most {max_bytes} are accepted")
    except BaseException:
        file.close()
        raise
    return name, file, size


@contextlib.contextmanager
def _only_file_errors(name: str, field: str | None = None) -> Iterator[None]:
    """Turn whatever zipfile, zlib, json and numpy raise on bad input into one `FileError`."""
    try:
        yield
    except _UNREADABLE as error:
        what = str(error) or type(error).__name__
        raise FileError(name, f"damaged: {what}", field=field, remedy=_AGAIN) from error


def sha256_file(path: PathLike) -> str:
    """SHA-256 of a regular file, in hexadecimal. Raises `FileError` if it cannot be read."""
    name = _name(path)
    file, size = _open_regular(name)
    digest = hashlib.sha256()
    with file, _only_file_errors(name):
        while size > 0:  # by the size at opening: a file that grows for ever must not hold us
            chunk = file.read(min(_CHUNK, size))
            if not chunk:
                raise EOFError("it became shorter while it was read")
            digest.update(chunk)
            size -= len(chunk)
    return digest.hexdigest()


# ------------------------------------------------------------------------------------------------
# npz: the archive directory

_MAX_MEMBERS = 1024
_MAX_DIRECTORY = 1 << 20  # 1024 entries of 46 bytes, a field name and extra fields fit four times
_END = struct.Struct("<4s4H2LH")  # end of central directory record (PKWARE APPNOTE 4.3.16)
_END64_LOCATOR = 20
_LOCAL = struct.Struct("<4s5H3L2H")  # local file header (APPNOTE 4.3.7)
# Deflate level hints, data descriptor, UTF-8 names; the others mean encryption or patches.
_PLAIN_FLAGS = 0x0002 | 0x0004 | 0x0008 | 0x0800
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


def _check_end_record(name: str, file: BinaryIO, size: int) -> int:
    """Check the end record before zipfile builds an object per entry; return the entry count.

    zipfile would accept a comment, a zip64 record, data before the archive and a directory of any
    length; numpy writes none of those, and each is a way to hide or to inflate something.
    """
    if size < _END.size:
        raise FileError(name, "too short for an npz archive", remedy=_AGAIN)
    tail_size = min(size, _END.size + _END64_LOCATOR)
    file.seek(size - tail_size)
    tail = file.read(tail_size)
    if len(tail) != tail_size:
        raise EOFError("it became shorter while it was read")
    magic, disk, start_disk, here, count, length, offset, comment = _END.unpack(tail[-_END.size :])
    if magic != b"PK\5\6" or comment:
        raise FileError(
            name, "not an npz archive, or cut off, or followed by other data", remedy=_AGAIN
        )
    if tail.startswith(b"PK\6\7") or 0xFFFF in (count, here) or 0xFFFFFFFF in (length, offset):
        raise FileError(name, "zip64 archives are not accepted", remedy=_WRITE_AGAIN)
    if disk or start_disk or here != count:
        raise FileError(name, "archives in several parts are not accepted", remedy=_WRITE_AGAIN)
    if count > _MAX_MEMBERS or length > _MAX_DIRECTORY:
        raise FileError(
            name, f"{count} members listed in {length} bytes, at most {_MAX_MEMBERS} are accepted"
        )
    if offset + length != size - _END.size:
        raise FileError(name, "its directory is not where it says", remedy=_AGAIN)
    return cast(int, count)


def _member_field(name: str, info: zipfile.ZipInfo) -> str:
    """Check one directory entry by itself; return the field it holds."""
    field = info.filename[:-4]
    if not info.filename.endswith(".npy") or not _FIELD.fullmatch(field):
        raise FileError(name, "not named <field>.npy", field=info.filename, remedy=_WRITE_AGAIN)
    if info.flag_bits & ~_PLAIN_FLAGS:
        raise FileError(
            name,
            f"encrypted or in an odd format (flags {info.flag_bits:#06x})",
            field=field,
            remedy=_WRITE_AGAIN,
        )
    if info.compress_type not in _METHODS:
        raise FileError(
            name,
            f"compression method {info.compress_type}, only 0 (none) and 8 (deflate) are accepted",
            field=field,
            remedy=_WRITE_AGAIN,
        )
    if info.compress_type == zipfile.ZIP_STORED and info.compress_size != info.file_size:
        raise FileError(
            name,
            f"stored in {info.compress_size} bytes but said to hold {info.file_size}",
            field=field,
            remedy=_AGAIN,
        )
    return field


def _local_end(name: str, file: BinaryIO, field: str, info: zipfile.ZipInfo) -> int:
    """Check a member's local header against the directory; return where its data end."""
    file.seek(info.header_offset)
    raw = file.read(_LOCAL.size)
    if len(raw) != _LOCAL.size:
        raise FileError(name, "its data lie outside the file", field=field, remedy=_AGAIN)
    magic, _, flags, method, _, _, _, _, _, name_length, extra_length = _LOCAL.unpack(raw)
    if magic != b"PK\3\4" or method != info.compress_type or flags != info.flag_bits:
        raise FileError(
            name, "its local header contradicts the directory", field=field, remedy=_AGAIN
        )
    data = info.header_offset + cast(int, _LOCAL.size + name_length + extra_length)
    return data + info.compress_size


def _check_layout(
    name: str, file: BinaryIO, members: Mapping[str, zipfile.ZipInfo], directory: int
) -> None:
    """Members must follow one another: overlapping ones make a small file inflate without end."""
    end, previous = 0, None
    for field, info in sorted(members.items(), key=lambda item: item[1].header_offset):
        if info.header_offset < end:
            raise FileError(name, f"overlaps member {previous!r}", field=field, remedy=_AGAIN)
        if previous is None and info.header_offset:
            raise FileError(name, "other data lie before the archive", remedy=_WRITE_AGAIN)
        end, previous = _local_end(name, file, field, info), field
        if end > directory:
            raise FileError(name, "runs into the directory", field=field, remedy=_AGAIN)


def _members(
    name: str, archive: zipfile.ZipFile, file: BinaryIO, count: int, max_bytes: int
) -> dict[str, zipfile.ZipInfo]:
    infos = archive.infolist()
    if len(infos) != count:
        raise FileError(name, f"lists {len(infos)} members but says {count}", remedy=_AGAIN)
    members: dict[str, zipfile.ZipInfo] = {}
    for info in infos:
        field = _member_field(name, info)
        if field in members:
            raise FileError(name, "occurs twice", field=field, remedy=_WRITE_AGAIN)
        members[field] = info
    total = sum(info.file_size for info in infos)
    if total > max_bytes:
        raise FileError(name, f"would unpack to {total} bytes, at most {max_bytes} are accepted")
    _check_layout(name, file, members, archive.start_dir)
    return members


# ------------------------------------------------------------------------------------------------
# npz: the array headers

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
_UNITS = {"U": 4, "S": 1}


@dataclass(frozen=True)
class _Header:
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fortran_order: bool
    length: int  # bytes before the data

    @property
    def nbytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize


def _bad_header(name: str, field: str, reason: str) -> FileError:
    return FileError(name, reason, field=field, remedy=_WRITE_AGAIN)


def _parse_dtype(name: str, field: str, text: str) -> np.dtype[Any]:
    match = _DESCR.fullmatch(text)
    if match is None:
        raise _bad_header(name, field, f"element type {text!r} is not a plain one")
    kind, size = match[1], int(match[2] or 0)
    if kind in _UNITS and not 1 <= size <= _MAX_TEXT:
        raise _bad_header(
            name, field, f"strings of {size} characters, 1 to {_MAX_TEXT} are accepted"
        )
    try:
        return np.dtype(text)
    except TypeError:
        raise _bad_header(name, field, f"element type {text!r} does not exist") from None


def _parse_header(name: str, field: str, text: str, length: int) -> _Header:
    if not _HEADER.fullmatch(text):
        raise _bad_header(name, field, "its array header is not that of a plain array")
    items = {key: value.strip("'\"") for key, value in _PAIR.findall(text)}
    order = items.get("fortran_order")
    shape = items.get("shape", "")
    if len(items) != 3 or order not in ("True", "False") or not _SHAPE.fullmatch(shape):
        raise _bad_header(name, field, "its array header is not that of a plain array")
    dtype = _parse_dtype(name, field, items["descr"])
    sizes = tuple(int(size) for size in re.findall(r"\d+", shape))
    return _Header(sizes, dtype, order == "True", length)


def _read_exactly(stream: io.BufferedIOBase | BinaryIO, count: int) -> bytes:
    data = b""
    while len(data) < count:
        more = stream.read(count - len(data))
        if not more:
            raise EOFError("its data end too early")
        data += more
    return data


def _read_header(name: str, field: str, stream: io.BufferedIOBase) -> _Header:
    magic = _read_exactly(stream, 8)
    if magic[:6] != _NPY_MAGIC:
        raise _bad_header(name, field, "not an array in npy format")
    if magic[6:] not in (b"\1\0", b"\2\0"):
        raise _bad_header(name, field, f"npy format version {magic[6]}.{magic[7]} is unknown")
    width = 2 if magic[6] == 1 else 4
    length = int.from_bytes(_read_exactly(stream, width), "little")
    if length > _MAX_HEADER:
        raise _bad_header(
            name, field, f"an array header of {length} bytes, at most {_MAX_HEADER} are accepted"
        )
    text = _read_exactly(stream, length).decode("latin-1")
    return _parse_header(name, field, text, 8 + width + length)


# ------------------------------------------------------------------------------------------------
# npz: schema checks


def _dtype_name(dtype: np.dtype[Any]) -> str:
    return dtype.kind if dtype.kind in _UNITS else dtype.name


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) if names else "none"


def _check_fields(
    name: str, schema: Sequence[ArraySpec], found: Sequence[str], allow_extra: bool
) -> None:
    known = [spec.name for spec in schema]
    for spec in schema:
        if not spec.optional and spec.name not in found:
            raise FileError(
                name,
                f"is missing; found {_listed(sorted(found))}",
                field=spec.name,
                remedy="name a file of the right kind",
            )
    extra = sorted(set(found) - set(known))
    if extra and not allow_extra:
        raise FileError(
            name,
            f"unexpected; expected {_listed(known)}",
            field=extra[0],
            remedy="name a file of the right kind",
        )


def _shape_text(sizes: Sequence[int | str], bound: Mapping[str, tuple[int, str]]) -> str:
    texts = []
    for size in sizes:
        if isinstance(size, str) and size in bound:
            value, origin = bound[size]
            texts.append(f"{size}={value} as in {origin}")
        else:
            texts.append(str(size))
    return f"({', '.join(texts)}{',' if len(texts) == 1 else ''})"


def _check_shape(
    name: str, spec: ArraySpec, shape: tuple[int, ...], bound: dict[str, tuple[int, str]]
) -> None:
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
        raise FileError(
            name,
            f"shape {_shape_text(shape, {})}, expected {_shape_text(spec.shape, bound)}{limits}",
            field=spec.name,
            remedy="name a file of the right kind",
        )
    bound.update(fresh)


def _check_header(
    name: str,
    spec: ArraySpec,
    header: _Header,
    info: zipfile.ZipInfo,
    bound: dict[str, tuple[int, str]],
) -> None:
    found = _dtype_name(header.dtype)
    if found not in spec.dtypes:
        raise FileError(
            name,
            f"element type {found}, expected {' or '.join(spec.dtypes)}",
            field=spec.name,
            remedy="convert the array",
        )
    _check_shape(name, spec, header.shape, bound)
    expected = header.length + header.nbytes
    if info.file_size != expected:
        raise FileError(
            name,
            f"holds {info.file_size} bytes, its array header promises {expected}",
            field=spec.name,
            remedy=_AGAIN,
        )


def _text_is_valid(array: Array) -> bool:
    """Whether every character is a Unicode scalar value; numpy itself fails late on others."""
    points = np.ascontiguousarray(array).reshape(-1).view(np.uint32)
    return not bool(((points > 0x10FFFF) | ((points >= 0xD800) & (points <= 0xDFFF))).any())


def _first(array: Array, bad: npt.NDArray[np.bool_]) -> str:
    """Place and value of the first bad element, searched for only once one is known to exist."""
    place = np.unravel_index(int(np.argmax(bad)), bad.shape)
    index = f"[{', '.join(str(int(i)) for i in place)}]" if place else ""
    return f"element {index} is {array[place].item()}" if index else f"is {array.item()}"


def _check_values(name: str, spec: ArraySpec, array: Array) -> None:
    if array.dtype.kind == "U":
        if not _text_is_valid(array):
            raise FileError(
                name, "holds numbers that are no characters", field=spec.name, remedy=_AGAIN
            )
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


# ------------------------------------------------------------------------------------------------
# npz: reading


def _fill(stream: io.BufferedIOBase, array: Array) -> None:
    """Fill a fresh contiguous array from ``stream``, never asking it for more than it takes."""
    if not array.nbytes:
        return
    view = array.reshape(-1).view(np.uint8).data
    done = 0
    while done < len(view):
        chunk = stream.read(min(_CHUNK, len(view) - done))
        if not chunk:
            raise EOFError("its data end too early")
        view[done : done + len(chunk)] = chunk
        done += len(chunk)


def _native(array: Array, fortran_order: bool) -> Array:
    """Own memory, C order and native byte order, without touching the bits of a NaN."""
    if fortran_order and array.ndim > 1:
        array = np.array(array.T, order="C", copy=True)
    if not array.dtype.isnative:
        swapped: Array = array.byteswap().view(array.dtype.newbyteorder("="))
        array = swapped.copy()
    return array


def _read_array(name: str, spec: ArraySpec, header: _Header, stream: io.BufferedIOBase) -> Array:
    shape = header.shape[::-1] if header.fortran_order else header.shape
    array: Array = np.empty(shape, header.dtype)
    if array.dtype.kind == "b":
        raw = np.empty(shape, np.uint8)
        _fill(stream, raw)
        if (raw > 1).any():  # numpy computes nonsense with a bool that is neither 0 nor 1
            raise FileError(
                name, "holds booleans other than 0 and 1", field=spec.name, remedy=_AGAIN
            )
        array[...] = raw
    else:
        _fill(stream, array)
    if stream.read(1):
        raise FileError(name, "followed by other data", field=spec.name, remedy=_AGAIN)
    array = _native(array, header.fortran_order)
    _check_values(name, spec, array)
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
        # All headers before any data: a wrong file costs a few kilobytes.
        for spec in present:
            with _only_file_errors(name, spec.name):
                stream = cast(io.BufferedIOBase, archive.open(members[spec.name]))
                stack.enter_context(stream)
                header = _read_header(name, spec.name, stream)
            _check_header(name, spec, header, members[spec.name], bound)
            opened.append((spec, header, stream))
        arrays = {}
        for spec, header, stream in opened:
            with _only_file_errors(name, spec.name):
                arrays[spec.name] = _read_array(name, spec, header, stream)
        return arrays


def read_npz(
    path: PathLike,
    schema: Sequence[ArraySpec],
    *,
    allow_extra: bool = False,
    max_bytes: int = 64 * 2**20,
) -> dict[str, Array]:
    """Read the arrays that ``schema`` describes from an npz file, executing nothing.

    Archive directory and array headers are checked against the schema before any data are read;
    ``max_bytes`` bounds the file and also what it unpacks to. Fields that the schema does not name
    are refused, or with ``allow_extra`` left unread. The arrays own their memory, C-contiguous and
    in native byte order, in the order of the schema.

    Raises `FileError` naming file, field, what was expected and what was found.
    """
    if len({spec.name for spec in schema}) != len(schema):
        raise ValueError("the schema names a field twice")
    name, file, size = _open_bounded(path, max_bytes)
    with file, _only_file_errors(name):
        count = _check_end_record(name, file, size)
        with zipfile.ZipFile(file) as archive:
            members = _members(name, archive, file, count, max_bytes)
            _check_fields(name, schema, list(members), allow_extra)
            return _read_members(name, archive, members, schema)


# ------------------------------------------------------------------------------------------------
# Saving

_ONE_DAY_S = 86400.0
_TEMPORARY = re.compile(r"\.ohmbench-(?P<key>[0-9a-f]{16})-(?P<node>[0-9a-f]{8})-(?P<pid>\d+)-")
# Hard links are missing on FAT and some network and FUSE mounts, which say so in various ways.
_NO_LINKS = {errno.EPERM, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EXDEV, errno.EMLINK}


def _node() -> str:
    """Where a process number means something: this machine and, in a container, its namespace."""
    try:
        namespace = os.stat("/proc/self/ns/pid").st_ino
    except OSError:
        namespace = 0
    return hashlib.sha256(f"{socket.gethostname()}:{namespace}".encode()).hexdigest()[:8]


def _temporary_key(target: str) -> str:
    # A hash and not the name itself: a name may already have the greatest length allowed.
    return hashlib.sha256(os.fsencode(os.path.basename(target))).hexdigest()[:16]


def _temporary_name(target: str) -> str:
    token = secrets.token_hex(4)
    base = f".ohmbench-{_temporary_key(target)}-{_node()}-{os.getpid()}-{token}.part"
    return os.path.join(os.path.dirname(target), base)


def _is_alive(pid: int) -> bool:
    if os.name != "posix":
        return True  # there os.kill(pid, 0) ends the process instead of asking for it
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def _is_stale(path: str, node: str, pid: int) -> bool:
    if node == _node() and not _is_alive(pid):
        return True
    # Another machine's process, or a number given out anew: no save takes a day.
    return time.time() - os.lstat(path).st_mtime > _ONE_DAY_S


def _sweep(target: str) -> None:
    """Remove what writers of this target left behind when they were killed."""
    folder = os.path.dirname(target) or "."
    key = _temporary_key(target)
    with os.scandir(folder) as entries:
        stale = [(entry.path, _TEMPORARY.match(entry.name)) for entry in entries]
    for path, match in stale:
        if match is None or match["key"] != key:
            continue
        # Another sweeper may be faster, or the file someone else's: the save does not need it.
        with contextlib.suppress(OSError):
            if _is_stale(path, match["node"], int(match["pid"][:18])):
                os.unlink(path)


def _exists_error(name: str) -> FileError:
    return FileError(name, "exists already", remedy="choose another name or pass --force")


def _target(name: str, overwrite: bool) -> tuple[str, int | None]:
    """The path to publish at, and the permissions of the file it replaces.

    Overwriting follows a symbolic link, as writing to it would; the link itself stays.
    """
    if not os.path.basename(name):
        raise FileError(name, "names a folder, not a file", remedy="add a file name")
    try:
        if overwrite:
            name = os.path.realpath(name) if os.path.islink(name) else name
        mode = os.lstat(name).st_mode
    except FileNotFoundError:
        return name, None
    except OSError as error:
        raise _os_error(name, error, "write") from error
    if stat.S_ISDIR(mode):
        raise FileError(name, "is a folder", remedy="name a file in it")
    if not overwrite:
        raise _exists_error(name)
    _require_regular(name, mode)  # replacing /dev/null by a result would ruin the machine
    return name, stat.S_IMODE(mode) & 0o777


def _write_error(name: str, error: OSError) -> FileError:
    if error.errno == errno.ENOENT:
        return FileError(name, "cannot write: the folder does not exist", remedy="create it first")
    return _os_error(name, error, "write")


def _open_folder(target: str) -> int | None:
    """A handle for flushing the folder, taken early so that its failure precedes the publishing."""
    if os.name != "posix":
        return None
    return os.open(os.path.dirname(target) or ".", os.O_RDONLY | os.O_DIRECTORY)


def _sync_folder(handle: int | None) -> None:
    if handle is None:
        return
    try:
        os.fsync(handle)
    except OSError as error:
        # Some network and FUSE mounts cannot flush a folder; they offer nothing to do instead.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP):
            raise


def _write_temporary(
    temporary: str, write: Callable[[BinaryIO], None], permissions: int | None
) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    fd = os.open(temporary, flags, 0o666)
    file = io.BufferedWriter(io.FileIO(fd, "wb"))
    try:
        if permissions is not None and stat.S_IMODE(os.fstat(fd).st_mode) != permissions:
            os.chmod(temporary, permissions)
        write(cast(BinaryIO, file))
        file.flush()
        os.fsync(fd)
        file.close()
    except BaseException:
        # Closing flushes again and fails again on a full disk; the first error is the cause.
        with contextlib.suppress(OSError):
            file.close()
        raise


def _publish(temporary: str, target: str, overwrite: bool) -> None:
    if overwrite:
        os.replace(temporary, target)
        return
    try:
        os.link(temporary, target)  # unlike replace, fails if the name was taken meanwhile
    except FileExistsError:
        raise _exists_error(target) from None
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        # Leaves an instant in which another writer's complete file can be replaced, but never
        # shows a part of either.
        if os.path.lexists(target):
            raise _exists_error(target) from None
        os.rename(temporary, target)
    else:
        os.unlink(temporary)


def atomic_write(
    path: PathLike, write: Callable[[BinaryIO], None], *, overwrite: bool = False
) -> None:
    """Save what ``write`` writes to the file it is given, completely or not at all.

    Wherever this process is killed, ``path`` is the old file or the complete new one. Without
    ``overwrite`` an existing file is refused, even one that appears at the last moment. What a
    killed earlier writer of the same target left behind is removed first.

    Raises `FileError` for anything the file system refuses; exceptions of ``write`` pass through.
    After either the old file is intact and no temporary file is left, with one exception: when
    flushing the folder fails, the complete new file is in place but may not survive a power cut.
    """
    name, permissions = _target(_name(path), overwrite)
    temporary = _temporary_name(name)
    try:
        folder = _open_folder(name)
        try:
            _sweep(name)
            try:
                _write_temporary(temporary, write, permissions)
                _publish(temporary, name, overwrite)
            except BaseException:
                with contextlib.suppress(OSError):
                    os.unlink(temporary)
                raise
            _sync_folder(folder)
        finally:
            if folder is not None:
                os.close(folder)
    except OSError as error:
        raise _write_error(name, error) from error


def check_writable(path: PathLike, *, overwrite: bool = False) -> None:
    """Check before minutes of work that `atomic_write` to ``path`` can succeed now.

    Creates and removes a temporary file: permission bits alone do not tell about read-only mounts,
    quotas or the superuser. Raises the same `FileError` as the later save would.
    """
    name, _ = _target(_name(path), overwrite)
    temporary = _temporary_name(name)
    try:
        folder = _open_folder(name)
        if folder is not None:
            os.close(folder)
        try:
            _write_temporary(temporary, lambda file: None, None)
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)
    except OSError as error:
        raise _write_error(name, error) from error


def _portable(field: str, value: npt.ArrayLike) -> Array:
    """``value`` as a little-endian C-ordered array that `read_npz` can accept back."""
    array: Array = np.asarray(value, order="C")
    if _dtype_name(array.dtype) not in _PLAIN_DTYPES:
        raise DtypeError(f"{field}: arrays of {array.dtype} cannot be saved")
    if array.dtype.kind in _UNITS and not (
        1 <= array.dtype.itemsize // _UNITS[array.dtype.kind] <= _MAX_TEXT
    ):
        raise RangeError(f"{field}: strings longer than {_MAX_TEXT} characters cannot be saved")
    if not array.dtype.isnative:
        array = array.byteswap().view(array.dtype.newbyteorder("="))
    if array.dtype.kind == "U" and not _text_is_valid(array):
        raise RangeError(f"{field}: holds surrogates, which no file can store as characters")
    little = array.dtype.newbyteorder("<")
    return array if array.dtype == little else array.astype(little)


def _write_members(file: BinaryIO, arrays: Mapping[str, Array]) -> None:
    # Stored and with a fixed date: the bytes then depend on the arrays alone, not on the clock or
    # on the version of zlib.
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
    arrays that a reader would refuse.
    """
    if not 1 <= len(arrays) <= _MAX_MEMBERS:
        raise ShapeError(f"{len(arrays)} arrays to save, 1 to {_MAX_MEMBERS} are possible")
    for field in arrays:
        if not _FIELD.fullmatch(field):
            raise RangeError(f"{field!r} cannot be the name of a saved array")
    portable = {field: _portable(field, value) for field, value in arrays.items()}
    atomic_write(path, lambda file: _write_members(file, portable), overwrite=overwrite)


# ------------------------------------------------------------------------------------------------
# JSON

_MAX_DEPTH = 64
_MAX_DIGITS = 400  # beyond it a number is no measurement, and old Pythons convert in O(n^2)
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def _json_depth(data: bytes) -> int:
    """Deepest nesting, by counting: the parser itself would recurse first and complain after."""
    plain = np.frombuffer(data.replace(b"\\\\", b"").replace(b'\\"', b""), np.uint8)
    inside_string = np.logical_xor.accumulate(plain == ord('"'))
    step = np.zeros(plain.size, np.int8)
    step[(plain == ord("[")) | (plain == ord("{"))] = 1
    step[(plain == ord("]")) | (plain == ord("}"))] = -1
    step[inside_string] = 0
    return int(np.cumsum(step, dtype=np.int32).max(initial=0))


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"key {twice!r} occurs twice")
    return result


def _no_constant(text: str) -> float:
    raise ValueError(f"{text} is not a JSON number")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is too large a number")
    return value


def _integer(text: str) -> int:
    if len(text) > _MAX_DIGITS:
        raise ValueError(f"a number of more than {_MAX_DIGITS} digits")
    return int(text)


def read_json(path: PathLike, *, max_bytes: int = 4 * 2**20) -> Any:
    """Read a JSON file: UTF-8, finite numbers, no key twice, nested at most 64 deep.

    Raises `FileError`.
    """
    name, file, _ = _open_bounded(path, max_bytes)
    with file, _only_file_errors(name):
        data = file.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise FileError(name, f"holds more than {max_bytes} bytes, which are accepted at most")
    if _json_depth(data) > _MAX_DEPTH:
        raise FileError(name, f"nested more than {_MAX_DEPTH} deep")
    try:
        text = data.decode("utf-8")
        value = json.loads(
            text,
            object_pairs_hook=_no_duplicates,
            parse_constant=_no_constant,
            parse_float=_finite,
            parse_int=_integer,
        )
        if _SURROGATE.search(text):  # half a character: could be neither printed nor saved
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError) as error:
        raise FileError(name, f"not valid JSON: {error}", remedy="correct the file") from error
    return value


def _check_plain(obj: Any, depth: int = 0) -> None:
    """Refuse what json.dumps would change in silence, and what `read_json` would not take back."""
    if isinstance(obj, int) and abs(obj) >= 10 ** (_MAX_DIGITS - 1):
        raise ValueError(f"a number of more than {_MAX_DIGITS} digits")
    if not isinstance(obj, (dict, list, tuple)):
        return
    if depth == _MAX_DEPTH:
        raise ValueError(f"nested more than {_MAX_DEPTH} deep")
    for key in obj if isinstance(obj, dict) else ():
        if not isinstance(key, str):
            raise TypeError(f"key {key!r} is not a string")
    for value in obj.values() if isinstance(obj, dict) else obj:
        _check_plain(value, depth + 1)


def write_json(path: PathLike, obj: Any, *, overwrite: bool = False) -> None:
    """Save ``obj`` as JSON with sorted keys, indented by 2, ending in a newline.

    Raises `FileError` as `atomic_write` does, and `RangeError` or `DtypeError` for what JSON cannot
    express (NaN, keys other than strings, arrays).
    """
    try:
        _check_plain(obj)
        text = json.dumps(obj, indent=2, sort_keys=True, allow_nan=False, ensure_ascii=False)
        data = f"{text}\n".encode()
    except ValueError as error:
        raise RangeError(f"cannot be saved as JSON: {error}") from error
    except TypeError as error:
        raise DtypeError(f"cannot be saved as JSON: {error}") from error
    atomic_write(path, lambda file: _write_all(file, data), overwrite=overwrite)


def _write_all(file: BinaryIO, data: bytes) -> None:
    file.write(data)


# ------------------------------------------------------------------------------------------------
# IDX (the MNIST format, http://yann.lecun.com/exdb/mnist)

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
        raise FileError(name, "not an IDX file", field="header", remedy=_AGAIN)
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
    name, file, size = _open_bounded(path, max_bytes)
    with file, _only_file_errors(name):
        packed = file.read(2) == _GZIP_MAGIC
        file.seek(0)
        stream = cast(io.BufferedIOBase, _Inflate(file) if packed else file)
        header_size = 4 + 4 * ndim
        shape = _idx_shape(name, _read_exactly(stream, header_size), ndim, max_bytes)
        expected = header_size + math.prod(shape)
        if packed and expected > _MAX_DEFLATE_RATIO * size:
            raise FileError(name, f"cannot hold the {expected} bytes it promises", field="data")
        if not packed and expected != size:
            raise FileError(
                name,
                f"holds {size} bytes, its header promises {expected}",
                field="data",
                remedy=_AGAIN,
            )
        array = np.empty(shape, np.uint8)
        _fill(stream, array)
        if stream.read(1):
            raise FileError(name, "more data than its header promises", field="data", remedy=_AGAIN)
        return array
