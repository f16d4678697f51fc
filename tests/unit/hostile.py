"""Builders of hostile files: each kind is a name and a recipe; nothing here judges the outcome.

The zip and npy packers write any field that a stranger could write, true or false. The standard
library's writers rightly refuse to do that.
"""

from __future__ import annotations

import bz2
import gzip
import io
import itertools
import os
import pickle
import random
import socket
import struct
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from ohmbench.files import ArraySpec

SCHEMA = (
    ArraySpec("W", ("hidden", 3), ("float32", "float64")),
    ArraySpec("bias", ("hidden",), ("float64",), low=-1.0, high=1.0),
    ArraySpec("names", ("hidden",), ("U",)),
    ArraySpec("steps", (), ("int64",), low=0),
    ArraySpec("mask", ("hidden",), ("bool",), optional=True),
)
BOMB_BYTES = 300 * 10**6


def valid_arrays() -> dict[str, np.ndarray]:
    return {
        "W": np.linspace(-2.0, 2.0, 12).reshape(4, 3),
        "bias": np.array([-1.0, 0.0, 0.5, 1.0]),
        "names": np.array(["tau", "kappa", "U_T", "i_leak_A"]),
        "steps": np.array(1000, dtype=np.int64),
        "mask": np.array([True, False, True, True]),
    }


@dataclass(frozen=True)
class Kind:
    """One kind of hostile file; ``build`` makes it at a path.

    ``field``: the field that the error must name. ``named``: the file that the error must name,
    relative to the hostile file, if it is another one.
    """

    name: str
    build: Callable[[Path], None]
    field: str | None = None
    named: str | None = None


# ------------------------------------------------------------------------------------------------
# Packers


def npy(
    descr: str = "'<f8'",
    order: str = "False",
    shape: str = "(4, 3)",
    data: bytes = bytes(96),
    *,
    magic: bytes = b"\x93NUMPY",
    version: bytes = b"\1\0",
    text: str | bytes | None = None,
    length: int | None = None,
) -> bytes:
    """An npy member made from the source texts of its header fields."""
    if text is None:
        text = f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}\n"
    raw = text.encode("latin-1") if isinstance(text, str) else text
    size = struct.pack("<H" if version[0] == 1 else "<I", len(raw) if length is None else length)
    return magic + version + size + raw + data


def npy_of(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array(stream, array, allow_pickle=False)
    return stream.getvalue()


def deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()


@dataclass(frozen=True)
class Member:
    """One zip entry; fields that are None are filled in truthfully."""

    name: bytes
    data: bytes
    method: int = 0
    flags: int = 0
    packed: bytes | None = None
    size: int | None = None
    packed_size: int | None = None
    crc: int | None = None
    offset: int | None = None
    version: int = 20
    extra: bytes = b""
    local_magic: bytes = b"PK\3\4"
    local_name: bytes | None = None
    local_flags: int | None = None
    local_method: int | None = None
    body: bool = True  # False: only an entry in the directory

    def sizes(self) -> tuple[bytes, int, int, int]:
        packed = self.packed
        if packed is None:
            packed = deflate(self.data) if self.method == 8 else self.data
        crc = zlib.crc32(self.data) if self.crc is None else self.crc
        packed_size = len(packed) if self.packed_size is None else self.packed_size
        return packed, crc, packed_size, len(self.data) if self.size is None else self.size


def pack(
    members: Sequence[Member],
    *,
    prefix: bytes = b"",
    suffix: bytes = b"",
    comment: bytes = b"",
    before_end: bytes = b"",
    count: int | None = None,
    here: int | None = None,
    disk: int = 0,
    directory_offset: int = 0,
    directory_length: int = 0,
    entry_magic: bytes = b"PK\1\2",
) -> bytes:
    """A zip archive; ``directory_offset`` and ``directory_length`` are added to the true values."""
    body, directory = bytearray(prefix), bytearray()
    for m in members:
        packed, crc, packed_size, size = m.sizes()
        offset = len(body) if m.offset is None else m.offset
        if m.body:
            local_name = m.name if m.local_name is None else m.local_name
            flags = m.flags if m.local_flags is None else m.local_flags
            method = m.method if m.local_method is None else m.local_method
            fields = (20, flags, method, 0, 0x21, crc, packed_size & 0xFFFFFFFF, size & 0xFFFFFFFF)
            body += m.local_magic + struct.pack("<5H3L2H", *fields, len(local_name), 0)
            body += local_name + packed
        entry = (20, m.version, m.flags, m.method, 0, 0x21, crc, packed_size, size)
        directory += entry_magic + struct.pack("<6H3L", *entry)
        directory += struct.pack("<5H2L", len(m.name), len(m.extra), 0, 0, 0, 0, offset)
        directory += m.name + m.extra
    entries = len(members) if count is None else count
    end = struct.pack(
        "<4s4H2LH",
        b"PK\5\6",
        disk,
        disk,
        entries if here is None else here,
        entries,
        len(directory) + directory_length,
        len(body) + directory_offset,
        len(comment),
    )
    return bytes(body + directory) + before_end + end + comment + suffix


def members(**changes: bytes | Member | None) -> list[Member]:
    """The valid members with some replaced (bytes: the npy content), removed or added."""
    return members_of(valid_arrays(), **changes)


def members_of(arrays: Mapping[str, np.ndarray], **changes: bytes | Member | None) -> list[Member]:
    """The members of ``arrays``, changed in the same way."""
    found: dict[str, Member] = {
        name: Member(f"{name}.npy".encode(), npy_of(array)) for name, array in arrays.items()
    }
    for name, change in changes.items():
        if change is None:
            found.pop(name)
        elif isinstance(change, Member):
            found[name] = change
        else:
            found[name] = Member(f"{name}.npy".encode(), change)
    return list(found.values())


def noise(seed: int, length: int) -> bytes:
    return random.Random(seed).randbytes(length)


def member(field: str = "W", **changes: object) -> Member:
    return replace(Member(f"{field}.npy".encode(), npy_of(valid_arrays()[field])), **changes)


@lru_cache(maxsize=2)
def zeros_deflated(header: bytes) -> tuple[bytes, int]:
    """``header`` and zeros up to `BOMB_BYTES`, deflated in pieces, and the CRC."""
    packer = zlib.compressobj(6, zlib.DEFLATED, -15)
    block = bytes(10**6)
    out, crc = [packer.compress(header)], zlib.crc32(header)
    for _ in range(BOMB_BYTES // len(block)):
        out.append(packer.compress(block))
        crc = zlib.crc32(block, crc)
    return b"".join([*out, packer.flush()]), crc


# ------------------------------------------------------------------------------------------------
# Code that must never run


def canary(path: Path) -> Path:
    """The folder that appears if a payload in the file at ``path`` is executed."""
    return path.with_name("canary")


class Payload:
    """Pickles to a call of os.mkdir, which leaves nothing open when it does run."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(canary(self.path)),)


def pickled(path: Path) -> bytes:
    return pickle.dumps(Payload(path))


def object_npz(path: Path, descr: str = "'|O'") -> None:
    path.write_bytes(pack(members(W=npy(descr, shape="(1,)", data=pickled(path)))))


def call_npz(path: Path) -> None:
    call = f"__import__('os').mkdir({str(canary(path))!r})"
    path.write_bytes(pack(members(W=npy(shape=call))))


# ------------------------------------------------------------------------------------------------
# Not files at all


def make_socket(path: Path) -> None:
    # Bound by a short relative name: socket addresses hold about 100 characters.
    server = socket.socket(socket.AF_UNIX)
    here = os.open(".", os.O_RDONLY)
    try:
        os.chdir(path.parent)
        server.bind(path.name)
    finally:
        os.fchdir(here)
        os.close(here)
        server.close()


def make_sparse(path: Path) -> None:
    path.touch()
    os.truncate(path, 1 << 30)


def not_files(loader: str) -> list[Kind]:
    """Kinds that every loader must refuse alike."""
    builds: dict[str, Callable[[Path], object]] = {
        "missing": lambda path: None,
        "folder": lambda path: path.mkdir(),
        "pipe": lambda path: os.mkfifo(path),
        "socket": make_socket,
        "endless-device": lambda path: path.symlink_to("/dev/zero"),
        "link-to-nothing": lambda path: path.symlink_to("nothing"),
        "link-loop": lambda path: path.symlink_to(path.name),
        "empty": lambda path: path.touch(),
        "sparse-1GiB": make_sparse,
        "one-byte": lambda path: path.write_bytes(b"P"),
        "noise": lambda path: path.write_bytes(noise(5, 4096)),
        "pickle": lambda path: path.write_bytes(pickled(path)),
        "picture": lambda path: path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(200)),
    }
    return [Kind(f"{loader}-{name}", build) for name, build in builds.items()]  # type: ignore[arg-type]


# ------------------------------------------------------------------------------------------------
# npz


def archive_kinds(parts: Sequence[Member]) -> dict[str, bytes]:
    """Archives of ``parts`` that are damaged or are not valid zip archives."""
    whole = pack(parts)
    two_archives = pack(parts) + pack(parts)
    zip64_end = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, 5, 5, 100, 100)
    zip64_locator = struct.pack("<4sLQL", b"PK\6\7", 0, len(whole), 1)
    many = [Member(f"x{i}.npy".encode(), b"") for i in range(2000)]
    return {
        "text": b"weights: 1, 2, 3\n" * 20,
        "gzip": gzip.compress(whole, mtime=0),
        "npy-not-npz": npy_of(valid_arrays()["W"]),
        "end-record-only": pack([])[:-1],
        "cut-by-1": whole[:-1],
        "cut-by-22": whole[:-22],
        "cut-in-half": whole[: len(whole) // 2],
        "head-missing": whole[100:],
        "appended-byte": whole + b"\n",
        "appended-megabyte": whole + bytes(1 << 20),
        "two-archives": two_archives,
        "comment": pack(parts, comment=b"hello"),
        "shell-script-before": pack(parts, prefix=b"#!/bin/sh\nexit 0\n"),
        "script-before-offsets-kept": b"#!/bin/sh\n" + whole,
        "zip64-end-record": pack(parts, before_end=zip64_end + zip64_locator),
        "zip64-locator-only": pack(parts, before_end=zip64_locator),
        "several-disks": pack(parts, disk=1),
        "part-of-entries-here": pack(parts, here=2),
        "count-too-high": pack(parts, count=6),
        "count-too-low": pack(parts, count=2),
        "count-65535": pack(parts, count=0xFFFF),
        "directory-offset-low": pack(parts, directory_offset=-10),
        "directory-offset-high": pack(parts, directory_offset=1 << 31),
        "directory-length-lies": pack(parts, directory_length=7),
        "directory-4GB": pack(parts, directory_length=(1 << 32) - 2 - 500),
        "directory-magic": pack(parts, entry_magic=b"PK\1\0"),
        "directory-is-noise": whole[:-400] + noise(6, 378) + whole[-22:],
        "2000-members": pack(many),
    }


def _bomb(size: int, promised: str) -> bytes:
    header = npy(shape=promised, data=b"")
    packed, crc = zeros_deflated(header)
    bomb = Member(b"W.npy", b"", method=8, packed=packed, crc=crc, size=size)
    return pack(members(W=bomb))


def _bomb_kinds() -> list[Kind]:
    """An honest archive of 300 MB, and three that lie about their size."""
    length = len(npy(shape="(4, 3)", data=b""))
    large, small = length + BOMB_BYTES, length + 96
    long_shape, short_shape = f"({BOMB_BYTES // 24}, 3)", "(4, 3)"

    # Built only on demand: compressing 300 MB takes a second, and every import would pay for it.
    def kind(name: str, size: int, shape: str, field: str | None) -> Kind:
        return Kind(f"npz-bomb-{name}", lambda path: write(_bomb(size, shape))(path), field)

    return [
        kind("honest", large, long_shape, None),
        kind("small-in-header", large, short_shape, None),
        kind("small-in-directory", small, long_shape, "W"),
        kind("small-in-both", small, short_shape, "W"),
    ]


def member_kinds() -> dict[str, list[Member]]:
    good = npy_of(valid_arrays()["W"])
    zip64 = struct.pack("<2H2Q", 1, 16, 1 << 62, 1 << 62)
    return {
        "encrypted": members(W=member(flags=0x1)),
        "strongly-encrypted": members(W=member(flags=0x41)),
        "patch-data": members(W=member(flags=0x20)),
        "masked-headers": members(W=member(flags=0x2000)),
        "method-bzip2": members(W=member(method=12)),
        "method-bzip2-intact": members(W=member(method=12, packed=bz2.compress(good))),
        "method-lzma": members(W=member(method=14)),
        "method-zstd": members(W=member(method=93)),
        "method-aes": members(W=member(method=99)),
        "method-implode": members(W=member(method=6)),
        "needs-zip-9.9": members(W=member(version=99)),
        "local-magic": members(W=member(local_magic=b"PK\3\5")),
        "local-method": members(W=member(local_method=8)),
        "local-flags": members(W=member(local_flags=1)),
        "local-name": members(W=member(local_name=b"V.npy")),
        "offset-behind-end": members(mask=member("mask", offset=1 << 30)),
        "offset-in-directory": members(mask=member("mask", body=False, offset=1900)),
        "crc": members(W=member(crc=1)),
        "crc-deflated": members(W=member(crc=1, method=8)),
        "stored-sizes-differ": members(W=member(size=len(good) - 8)),
        "size-too-large": members(W=member(size=len(good) + 8, method=8)),
        "size-too-small": members(W=member(size=len(good) - 8, method=8)),
        "packed-size-runs-on": members(mask=member("mask", packed_size=1 << 20, size=1 << 20)),
        "size-4GB": members(W=member(method=8, size=0xFFFFFFFE)),
        "zip64-sizes": members(
            W=member(method=8, size=0xFFFFFFFF, packed_size=0xFFFFFFFF, extra=zip64)
        ),
        "zip64-extra-cut": members(W=member(method=8, size=0xFFFFFFFF, extra=zip64[:6])),
        "deflate-noise": members(W=member(method=8, packed=noise(7, 80))),
        "deflate-cut": members(W=member(method=8, packed=deflate(good)[:-9])),
        "deflate-empty": members(W=member(method=8, packed=b"")),
        "deflate-invalid-block": members(W=member(method=8, packed=b"\x07" + bytes(50))),
        "overlap-same-data": [*members(W=None), member(offset=0, body=False)],
        "overlap-quoted": [*members(W=None), member(offset=60, body=False)],
    }


def name_kinds() -> dict[str, tuple[bytes, int]]:
    return {
        "no-suffix": (b"W", 0),
        "suffix-only": (b".npy", 0),
        "pickle-suffix": (b"W.pkl", 0),
        "traversal": (b"../../W.npy", 0),
        "absolute": (b"/etc/W.npy", 0),
        "backslash": (b"..\\W.npy", 0),
        "newline": (b"W\nerror: all is well.npy", 0),
        "terminal-escape": (b"\x1b[2J\x1b[31mW.npy", 0),
        "nul": (b"W\0.npy", 0),
        "name-empty": (b"", 0),
        "name-5000": (b"W" * 5000 + b".npy", 0),
        "right-to-left": ("W\u202egnp.npy".encode(), 0x800),
        "not-utf8": (b"\xff\xfe.npy", 0x800),
        "folder-entry": (b"W/", 0),
    }


def header_kinds() -> dict[str, bytes]:
    good = npy_of(valid_arrays()["W"])
    return {
        "npy-magic": npy(magic=b"\x93NUMPI"),
        "npy-version-0": npy(version=b"\0\0"),
        "npy-version-3": npy(version=b"\3\0"),
        "npy-version-9": npy(version=b"\x09\0"),
        "npy-empty": b"",
        "npy-cut-in-magic": good[:5],
        "npy-cut-in-length": good[:9],
        "npy-cut-in-header": good[:40],
        "header-length-65535": npy(length=0xFFFF),
        "header-length-4GB": npy(version=b"\2\0", length=0xFFFFFFFF),
        "header-length-0": npy(length=0),
        "header-length-short": npy(length=30),
        "header-blank": npy(text=" " * 100),
        "header-not-dict": npy(text="[1, 2, 3]\n"),
        "header-extra-key": npy(order="False, 'x': 1"),
        "header-key-missing": npy(text="{'descr': '<f8', 'shape': (4, 3), }\n"),
        "header-key-twice": npy(text="{'descr': '<f8', 'shape': (4, 3), 'shape': (4, 3), }\n"),
        "header-two-dicts": npy(text="{'descr': '<f8'}{'shape': (4, 3)}\n"),
        "header-nested-1000": npy(shape="(" * 1000 + ")" * 1000),
        "header-minuses": npy(shape="(" + "-" * 3000 + "4, 3)"),
        "header-spaces": npy(shape="(4, 3)" + " " * 5000),
        "header-not-ascii": npy(descr="'<f\xe98'"),
        "header-nul": npy(descr="'<f8\0'"),
        "header-escape": npy(descr=r"'\x3cf8'"),
        "header-comment": npy(order="False, # no\n"),
        "header-lambda": npy(shape="(lambda: (4, 3))()"),
        "order-text": npy(order="'maybe'"),
        "order-number": npy(order="7"),
        "shape-negative": npy(shape="(-4, 3)"),
        "shape-number": npy(shape="12"),
        "shape-list": npy(shape="[4, 3]"),
        "shape-bools": npy(shape="(True, 3)"),
        "shape-floats": npy(shape="(4.0, 3)"),
        "shape-long": npy(shape="(4L, 3L)"),
        "shape-3500-digits": npy(shape=f"({'9' * 3500}, 3)"),
        "shape-overflow-2^62": npy(shape=f"({1 << 62}, 3)"),
        "shape-overflow-product": npy(shape=f"({1 << 31}, {1 << 31}, 3)"),
        "shape-1000-dimensions": npy(shape=f"({'1, ' * 1000})"),
        "descr-number": npy(descr="8"),
        "descr-empty": npy(descr="''"),
        "descr-structured": npy(descr="[('a', '<f4'), ('b', '<f4')]"),
        "descr-subarray": npy(descr="('<f8', (3,))", shape="(4,)"),
        "descr-comma-record": npy(descr="'f4,f4'"),
        "descr-void": npy(descr="'|V8'"),
        "descr-datetime": npy(descr="'<M8[ns]'"),
        "descr-longdouble": npy(descr="'<f16'", data=bytes(192)),
        "descr-f3": npy(descr="'<f3'"),
        "descr-class": npy(descr="'numpy.float64'"),
        "descr-text-0": npy(descr="'<U0'", data=b""),
        "descr-text-10^6": npy(descr="'<U1000000'"),
        "descr-text-10^12": npy(descr="'<U1000000000000'"),
        "data-missing": npy(data=b""),
        "data-cut": good[:-1],
        "data-too-long": good + b"\0",
        "shape-claims-more": npy(shape="(5, 3)"),
        "shape-claims-less": npy(shape="(3, 3)"),
        "shape-transposed": npy(shape="(3, 4)"),
        "shape-vector": npy(shape="(12,)"),
        "shape-scalar": npy(shape="()", data=bytes(8)),
        "symbol-zero": npy(shape="(0, 3)", data=b""),
        "symbol-huge-row": npy(shape=f"({1 << 25}, 3)"),
        "type-float16": npy("'<f2'", data=bytes(24)),
        "type-int64": npy("'<i8'"),
        "type-complex": npy("'<c16'", data=bytes(192)),
        "type-text": npy("'<U2'"),
        "type-bool": npy("'|b1'", data=bytes(12)),
        "nan": npy(data=struct.pack("<12d", *[1.0] * 7, float("nan"), *[1.0] * 4)),
        "nan-signalling": npy(data=bytes(88) + b"\1\0\0\0\0\0\xf0\x7f"),
        "nan-signalling-f4": npy("'<f4'", data=bytes(44) + b"\1\0\x80\x7f"),
        "nan-big-endian": npy("'>f8'", data=struct.pack(">12d", *[1.0] * 11, float("nan"))),
        "nan-fortran": npy(order="True", data=struct.pack("<12d", float("nan"), *[1.0] * 11)),
        "inf": npy(data=struct.pack("<12d", *[1.0] * 11, float("inf"))),
        "minus-inf": npy(data=struct.pack("<12d", *[1.0] * 11, float("-inf"))),
    }


def _value_kinds() -> dict[str, tuple[str, bytes | None]]:
    """Kinds in which a field other than W is at fault."""

    def text(code: int) -> bytes:
        return npy("'<U1'", shape="(4,)", data=struct.pack("<4L", 65, 66, code, 67))

    bias = valid_arrays()["bias"]
    return {
        "missing-field": ("W", None),
        "missing-text-field": ("names", None),
        "extra-field": ("zeta", npy()),
        "extra-field-object": ("zeta", npy("'|O'")),
        "symbol-contradicts": ("bias", npy_of(np.zeros(5))),
        "above-high": ("bias", npy_of(bias + 1e-9)),
        "below-low": ("bias", npy_of(np.nextafter(bias, -2.0))),
        "negative-count": ("steps", npy_of(np.array(-1))),
        "count-not-integer": ("steps", npy_of(np.array(1.0))),
        "count-is-vector": ("steps", npy_of(np.array([1]))),
        "number-for-text": ("names", npy_of(np.arange(4))),
        "text-surrogate": ("names", text(0xD800)),
        "text-beyond-unicode": ("names", text(0x110000)),
        "text-negative": ("names", text(0xFFFFFFFF)),
        "text-bytes": ("names", npy("'|S1'", shape="(4,)", data=b"abcd")),
        "bool-2": ("mask", npy("'|b1'", shape="(4,)", data=b"\1\0\2\1")),
        "bool-255-fortran": ("mask", npy("'|b1'", "True", "(4,)", b"\1\0\xff\1")),
    }


def write(data: bytes) -> Callable[[Path], None]:
    def build(path: Path) -> None:
        path.write_bytes(data)

    return build


def npz_kinds() -> list[Kind]:
    kinds = not_files("npz")
    kinds += [Kind(f"npz-{n}", write(data)) for n, data in archive_kinds(members()).items()]
    kinds += _bomb_kinds()
    unnamed = {"needs-zip-9.9", "size-4GB", "zip64-sizes", "zip64-extra-cut"}
    last = dict.fromkeys(
        ("offset-behind-end", "offset-in-directory", "packed-size-runs-on"), "mask"
    )
    for name, packed in member_kinds().items():
        field = None if name in unnamed else last.get(name, "W")
        kinds.append(Kind(f"npz-{name}", write(pack(packed)), field))
    for name, (filename, flags) in name_kinds().items():
        odd = member(name=filename, flags=flags)
        kinds.append(Kind(f"npz-{name}", write(pack(members(W=odd)))))
    kinds += [
        Kind(f"npz-{n}", write(pack(members(W=data))), "W") for n, data in header_kinds().items()
    ]
    kinds += [
        Kind(f"npz-{n}", write(pack(members(**{field: data}))), field)
        for n, (field, data) in _value_kinds().items()
    ]
    twice = [*members(), member()]
    kinds.append(Kind("npz-member-twice", write(pack(twice)), "W"))
    kinds.append(Kind("npz-object-pickle", object_npz, "W"))
    kinds.append(Kind("npz-object-pickle-O8", lambda path: object_npz(path, "'|O8'"), "W"))
    kinds.append(Kind("npz-header-calls-mkdir", call_npz, "W"))
    return kinds


# ------------------------------------------------------------------------------------------------
# Int8 networks: npz files whose arrays are valid one by one, but not together

INT8_SIZES = (6, 5, 3)  # inputs, hidden, classes


def int8_arrays() -> dict[str, np.ndarray]:
    """A small network in the FANN paper's layout, with images and ohmbench's own fields."""
    inputs, hidden, classes = INT8_SIZES

    def scale(value: float) -> np.ndarray:
        return np.array([value], np.float32)

    return {
        "mlp_0.weight_q": np.arange(hidden * inputs, dtype=np.int8).reshape(hidden, inputs),
        "mlp_0.bias_q": np.arange(hidden, dtype=np.int32),
        "mlp_0.weight_scale": scale(2**-6),
        "mlp_0.bias_scale": scale(2**-14),
        "mlp_0.in_scale": scale(2**-8),
        "mlp_0.out_scale": scale(2**-4),
        "mlp_1.weight_q": np.arange(hidden * classes, dtype=np.int8).reshape(classes, hidden),
        "mlp_1.bias_q": np.arange(classes, dtype=np.int32),
        "mlp_1.weight_scale": scale(2**-6),
        "mlp_1.bias_scale": scale(2**-10),
        "mlp_1.in_scale": scale(2**-4),
        "test_inputs_u8": np.arange(4 * inputs, dtype=np.uint8).reshape(4, inputs),
        "test_labels": np.array([0, 1, 2, 0]),
        "pytorch_test_pred": np.array([0, 1, 2, 1]),
        "seed": np.array(3),
        "recipe": np.array("{}"),
        "history": np.zeros((2, 3)),
    }


def _int8_changes() -> dict[str, tuple[str, np.ndarray | None]]:
    """Kind -> the field at fault and its replacement (None: removed)."""
    inputs, hidden, classes = INT8_SIZES
    large = np.float32(3e38)
    return {
        "weights-missing": ("mlp_0.weight_q", None),
        "weights-wide": ("mlp_0.weight_q", np.zeros((hidden, inputs), np.int16)),
        "weights-unsigned": ("mlp_1.weight_q", np.zeros((classes, hidden), np.uint8)),
        "weights-float": ("mlp_1.weight_q", np.zeros((classes, hidden))),
        "weights-flat": ("mlp_0.weight_q", np.zeros(hidden * inputs, np.int8)),
        "weights-empty": ("mlp_0.weight_q", np.zeros((0, inputs), np.int8)),
        "weights-no-chain": ("mlp_1.weight_q", np.zeros((classes, hidden + 1), np.int8)),
        "weights-pickle": ("mlp_0.weight_q", np.array([object()])),
        "bias-wide": ("mlp_0.bias_q", np.zeros(hidden, np.int64)),
        "bias-long": ("mlp_0.bias_q", np.zeros(hidden + 1, np.int32)),
        "bias-missing": ("mlp_1.bias_q", None),
        "scale-nan": ("mlp_0.weight_scale", np.array([np.nan], np.float32)),
        "scale-inf": ("mlp_0.out_scale", np.array([np.inf], np.float32)),
        "scale-zero": ("mlp_0.in_scale", np.zeros(1, np.float32)),
        "scale-negative": ("mlp_1.weight_scale", -np.ones(1, np.float32)),
        "scale-two": ("mlp_0.in_scale", np.ones(2, np.float32)),
        "scale-double": ("mlp_0.in_scale", np.ones(1)),
        "scale-missing": ("mlp_1.in_scale", None),
        "scale-overflow": ("mlp_0.bias_scale", np.array([large])),
        "scale-subnormal": ("mlp_0.bias_scale", np.array([1e-45], np.float32)),
        "M-alone": ("S", None),
        "images-signed": ("test_inputs_u8", np.zeros((4, inputs), np.int8)),
        "images-narrow": ("test_inputs_u8", np.zeros((4, inputs - 1), np.uint8)),
        "images-missing": ("test_inputs_u8", None),
        "labels-missing": ("test_labels", None),
        "labels-few": ("test_labels", np.zeros(3, np.int64)),
        "label-no-class": ("test_labels", np.full(4, classes)),
        "label-huge": ("test_labels", np.full(4, 2**62)),
        "label-negative": ("test_labels", np.full(4, -1)),
        "answer-no-class": ("pytorch_test_pred", np.full(4, classes)),
        "network-unknown": ("network", np.array("int8-nonsense")),
        "network-other": ("network", np.array("int8-digits")),
        "network-control": ("network", np.array("\x1b[31m\n")),
        "seed-negative": ("seed", np.array(-1)),
        "seed-large": ("seed", np.array(2**31)),
        "history-nan": ("history", np.full((2, 3), np.nan)),
        "history-flat": ("history", np.zeros(6)),
        "surprise": ("surprise", np.zeros(1)),
    }


def int8_kinds() -> list[Kind]:
    kinds = not_files("int8")
    for name, (field, value) in _int8_changes().items():
        arrays = int8_arrays() | ({"M": np.array(5)} if name == "M-alone" else {})
        changed = arrays | {field: value} if value is not None else arrays
        if value is None:
            changed.pop(field, None)
        stream = io.BytesIO()
        np.savez(stream, **changed)
        kinds.append(Kind(f"int8-{name}", write(stream.getvalue()), field))
    return kinds


# ------------------------------------------------------------------------------------------------
# JSON


def json_kinds() -> list[Kind]:
    texts: dict[str, str | bytes] = {
        "blank": "  \n",
        "cut": '{"a": [1, 2',
        "string-open": '{"a": "b',
        "nan": '{"a": NaN}',
        "infinity": "[Infinity]",
        "minus-infinity": "[-Infinity]",
        "float-overflow": "[1e999]",
        "digits-100000": "[" + "7" * 100_000 + "]",
        "fraction-100000": "[0." + "7" * 100_000 + "]",
        "key-twice": '{"seed": 1, "seed": 2}',
        "key-twice-inside": '[{"a": {"b": 1, "b": 1}}]',
        "key-twice-escaped": '{"a": 1, "\\u0061": 2}',
        "lists-100000-deep": "[" * 100_000 + "]" * 100_000,
        "lists-2000000-open": "[" * 2_000_000,
        "objects-50000-deep": '{"a":' * 50_000 + "1" + "}" * 50_000,
        "deep-behind-quotes": '["\\\\", "\\"", ' + "[" * 5000 + "]" * 5001,
        "65-deep": "[" * 65 + "]" * 65,
        "utf16": "[1]".encode("utf-16"),
        "utf8-mark": b"\xef\xbb\xbf[1]",
        "latin1": '["\xe9"]'.encode("latin-1"),
        "overlong-utf8": b'["\xc0\xaf"]',
        "nul": b"[1]\0",
        "nul-inside": b'["\0"]',
        "half-character": '["\\ud800"]',
        "half-character-key": '{"\\uDFFF": 1}',
        "trailing-comma": "[1, 2,]",
        "single-quotes": "{'a': 1}",
        "comment": "[1] // one",
        "two-documents": "[1]\n[2]",
        "python-true": "[True]",
        "line-break-in-string": '["a\nb"]',
        "bad-escape": '["\\x41"]',
        "hexadecimal": "[0x10]",
        "leading-zero": "[007]",
        "plus-sign": "[+1]",
        "number-key": "{1: 2}",
        "yaml": "seed: 1\n",
        "terminal-escape-key": '{"\\u001b[2J": 1, "\\u001b[2J": 2}',
        "python-call": "__import__('os')",
        "5-MiB": "[" + "1," * (5 << 19) + "1]",
    }
    return not_files("json") + [
        Kind(f"json-{name}", write(text.encode() if isinstance(text, str) else text))
        for name, text in texts.items()
    ]


# ------------------------------------------------------------------------------------------------
# IDX


def idx(shape: Sequence[int] = (3, 4, 4), data: bytes | None = None, kind: int = 8) -> bytes:
    count = int(np.prod(shape, dtype=object))
    header = bytes([0, 0, kind, len(shape)]) + struct.pack(f">{len(shape)}I", *shape)
    return header + (bytes(i % 251 for i in range(count)) if data is None else data)


@lru_cache(maxsize=1)
def _gzip_bomb() -> bytes:
    packer = zlib.compressobj(6, zlib.DEFLATED, 31)
    out = [packer.compress(idx())]
    out += [packer.compress(bytes(10**6)) for _ in range(BOMB_BYTES // 10**6)]
    return b"".join([*out, packer.flush()])


def gz_members(data: bytes, *places: int) -> bytes:
    """``data`` in several gzip members, cut at ``places``."""
    cuts = (0, *places, len(data))
    return b"".join(gzip.compress(data[a:b], mtime=0) for a, b in itertools.pairwise(cuts))


def idx_kinds() -> list[Kind]:
    good = idx()
    packed = gzip.compress(good, mtime=0)
    fields: dict[str, tuple[bytes, str | None]] = {
        "header-cut": (good[:9], None),
        "three-bytes": (good[:3], None),
        "magic": (b"\1" + good[1:], "header"),
        "type-float": (idx(kind=0x0D, data=bytes(192)), "header"),
        "type-unknown": (idx(kind=0xFF), "header"),
        "labels-for-images": (idx((16,)), "header"),
        "dimensions-255": (good[:3] + b"\xff" + good[4:], "header"),
        "dimensions-0": (good[:3] + b"\0" + good[4:], "header"),
        "little-endian": (good[:4] + struct.pack("<3I", 3, 4, 4) + good[16:], "header"),
        "size-0": (idx((0, 28, 28)), "header"),
        "size-2^32": (idx((2**32 - 1, 28, 28), b""), "header"),
        "size-product-2^96": (idx((2**32 - 1,) * 3, b""), "header"),
        "size-product-wraps": (idx((2**31, 2**31, 4), b""), "header"),
        "data-cut": (good[:-1], "data"),
        "data-missing": (good[:16], "data"),
        "data-too-long": (good + b"\0", "data"),
        "200MB-promised": (idx((200, 1000, 1000), b""), "data"),
        "gz-cut-in-trailer": (packed[:-1], None),
        "gz-trailer-missing": (packed[:-8], None),
        "gz-cut-in-data": (packed[: len(packed) // 2], None),
        "gz-header-only": (packed[:10], None),
        "gz-two-bytes": (packed[:2], None),
        "gz-method": (packed[:2] + b"\7" + packed[3:], None),
        "gz-flags": (packed[:3] + b"\xff" + packed[4:], None),
        "gz-crc": (packed[:-8] + b"\0\0\0\0" + packed[-4:], None),
        "gz-length": (packed[:-4] + b"\0\0\0\1", None),
        "gz-noise": (packed[:10] + noise(8, 100), None),
        "gz-appended-byte": (packed + b"\0", None),
        "gz-second-member": (packed + packed, "data"),
        "gz-second-member-cut": (gz_members(good, 20)[:-1], None),
        "gz-second-member-damaged": (gz_members(good, 20)[:-8] + b"\0\0\0\0" + packed[-4:], None),
        "gz-second-member-short": (gz_members(good[:-1], 20), None),
        "gz-second-member-plain": (gzip.compress(good[:20], mtime=0) + good[20:], None),
        "gz-ends-in-magic": (packed + packed[:2], None),
        "gz-padded": (packed + bytes(512), None),
        "gz-100000-members": (gzip.compress(b"", mtime=0) * 100_000 + packed, None),
        "gz-100000-members-behind": (packed + gzip.compress(b"", mtime=0) * 100_000, None),
        "gz-twice-packed": (gzip.compress(packed, mtime=0), "header"),
        "gz-data-cut": (gzip.compress(good[:-1], mtime=0), None),
        "gz-data-too-long": (gzip.compress(good + b"\0", mtime=0), "data"),
        "gz-header-cut": (gzip.compress(good[:9], mtime=0), None),
        "gz-of-nothing": (gzip.compress(b"", mtime=0), None),
        "gz-200MB-promised": (gzip.compress(idx((200, 1000, 1000), b""), mtime=0), "data"),
    }
    kinds = not_files("idx")
    kinds += [Kind(f"idx-{name}", write(data), field) for name, (data, field) in fields.items()]
    kinds.append(Kind("idx-gz-bomb", lambda path: write(_gzip_bomb())(path), "data"))
    return kinds


# ------------------------------------------------------------------------------------------------
# Fuzzing: valid files to start from, and ways to damage them

NPZ_TEMPLATES = 4
_INTERESTING = (0, 1, 0x7F, 0x80, 0xFF, 0x28, 0x29, 0x2C, 0x27, 0x50, 0x4B)
_TOKENS = (b"'<f8'", b"'>f8'", b"'|O'", b"'<U4'", b"(4, 3)", b"(4,)", b"()", b"True", b"False")


def templates(loader: str) -> list[bytes]:
    if loader == "npz":
        arrays = valid_arrays()
        swapped = {k: a.astype(a.dtype.newbyteorder(">"), order="F") for k, a in arrays.items()}
        files = [io.BytesIO() for _ in range(3)]
        np.savez(files[0], **arrays)
        np.savez_compressed(files[1], **arrays)
        np.savez(files[2], **swapped)
        return [*(file.getvalue() for file in files), pack(members())]
    if loader == "int8":
        bare = {k: a for k, a in int8_arrays().items() if k.endswith("_q")}
        files = [io.BytesIO() for _ in range(3)]
        np.savez(files[0], **int8_arrays())
        np.savez_compressed(files[1], **int8_arrays())
        np.savez(files[2], **bare, M=np.array(40327), S=np.array(24))
        return [file.getvalue() for file in files]
    if loader == "json":
        return [
            b'{"seed": 1, "loss": [0.5, 1e-3, -2], "name": "\\u00e9 tau", "deep": {"a": [[1]]}}',
            b'[[1, 2], [3, 4], {}, [], null, true, "\\\\", "\\""]\n',
        ]
    # The third is cut inside its header and inside its data, with an empty member in between.
    return [
        idx(),
        gzip.compress(idx(), mtime=0),
        gz_members(idx(), 7, 7, 40),
        idx((2, 3, 5)),
    ]


def _flip(rng: random.Random, data: bytearray) -> None:
    for _ in range(rng.choice((1, 1, 2, 8))):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def _set(rng: random.Random, data: bytearray) -> None:
    for _ in range(rng.choice((1, 2, 4))):
        data[rng.randrange(len(data))] = rng.choice(_INTERESTING)


def _truncate(rng: random.Random, data: bytearray) -> None:
    del data[rng.randrange(len(data)) :]


def _insert(rng: random.Random, data: bytearray) -> None:
    place = rng.randrange(len(data) + 1)
    data[place:place] = rng.randbytes(rng.choice((1, 1, 4, 100)))


def _delete(rng: random.Random, data: bytearray) -> None:
    place = rng.randrange(len(data))
    del data[place : place + rng.choice((1, 1, 4, 100))]


def _splice(rng: random.Random, data: bytearray) -> None:
    source, target = rng.randrange(len(data)), rng.randrange(len(data))
    length = rng.choice((1, 4, 22, 46, 128))
    data[target : target + length] = data[source : source + length]


def _token(rng: random.Random, data: bytearray) -> None:
    """Replace a word of an array header, or any digit, with another one."""
    places = [(data.find(token), token) for token in _TOKENS if token in data]
    if not places or rng.random() < 0.3:
        digits = [i for i, byte in enumerate(data) if 0x30 <= byte <= 0x39]
        if digits:
            data[rng.choice(digits)] = 0x30 + rng.randrange(10)
        return
    place, old = rng.choice(places)
    new = rng.choice(_TOKENS)
    data[place : place + len(old)] = new.ljust(len(old)) if rng.random() < 0.8 else new


def _header_field(rng: random.Random, data: bytearray) -> None:
    """Overwrite an integer near a zip signature, where sizes, offsets and flags are."""
    signature = rng.choice((b"PK\3\4", b"PK\1\2", b"PK\5\6", b"\x93NUMPY"))
    places = [i for i in range(len(data)) if data.startswith(signature, i)]
    if not places:
        return _set(rng, data)
    place = rng.choice(places) + 4 + rng.randrange(42)
    value = rng.choice((0, 1, 8, 0xFF, 0xFFFF, 0xFFFFFFFF, 0x7FFFFFFF, rng.randrange(1 << 32)))
    width = rng.choice((2, 4))
    data[place : place + width] = (value & ((1 << (8 * width)) - 1)).to_bytes(width, "little")
    return None


_MUTATORS = (_flip, _set, _truncate, _insert, _delete, _splice, _token, _header_field)


def _repacked(rng: random.Random) -> bytes:
    """Damage one array inside an archive that is otherwise truthful (sizes and CRC match)."""
    changed = members()
    which = rng.randrange(len(changed))
    data = bytearray(changed[which].data)
    rng.choice(_MUTATORS)(rng, data)
    changed[which] = replace(changed[which], data=bytes(data), method=rng.choice((0, 8)))
    return pack(changed)


def mutate(rng: random.Random, loader: str, originals: Sequence[bytes]) -> bytes:
    if loader == "npz" and rng.random() < 0.4:
        return _repacked(rng)
    return damage(rng, rng.choice(originals))


def damage(rng: random.Random, original: bytes) -> bytes:
    """``original`` after one to three mutations."""
    data = bytearray(original)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        if data:
            rng.choice(_MUTATORS)(rng, data)
    return bytes(data)
