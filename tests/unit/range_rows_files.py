"""Limits of the readers and writers of files as rows: the last size that they take, and one more.

Where a limit is too large for a test, it is made small for the call, and then has to be the same.
"""

from __future__ import annotations

import gzip
import io
import struct
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ohmbench.data import images
from ohmbench.errors import FileError, RangeError, ShapeError
from ohmbench.files import (
    ArraySpec,
    archive,
    mat,
    read_bytes,
    read_idx,
    read_json,
    read_npz,
    read_yaml,
    write_json,
    write_npz,
    yaml_files,
)
from ohmbench.files.array_header import read_header
from ohmbench.files.gzip_members import GzipMembers
from ohmbench.files.idx import _idx_shape
from ohmbench.files.opening import open_bounded
from ohmbench.files.pth_pickle import StoredBytes, _Odd, _tensor
from ohmbench.files.pth_reading import write_pth
from ohmbench.files.tarballs import read_tar_member
from ohmbench.files.yaml_files import parse_yaml
from tests.unit.hostile import Member, npy, npy_of, pack
from tests.unit.range_rows import Row


def in_file(content: bytes, read: Callable[[Path], object]) -> object:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file"
        path.write_bytes(content)
        return read(path)


def written(write: Callable[[Path], object]) -> object:
    with tempfile.TemporaryDirectory() as folder:
        return write(Path(folder) / "file")


def with_limit(module: Any, name: str, limit: int, call: Callable[[], object]) -> object:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, name, limit)
        return call()


# ------------------------------------------------------------------------------------------------
# Any file, JSON and YAML


def opened(size: int) -> object:
    def read(path: Path) -> None:
        open_bounded(path, 10)[1].close()

    return in_file(bytes(size), read)


def json_text(text: str) -> object:
    return in_file(text.encode(), read_json)


def nested(depth: int) -> str:
    return "[" * depth + "]" * depth


def deep(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth - 1):
        value = [value]
    return value


TEXTS = [
    Row("size", "files/opening.py:open_bounded", opened, (1, 10), (0, 11), FileError),
    Row(
        "json-size", "files/json_files.py:parse_json",
        lambda n: in_file(b"7".ljust(n)[:n], lambda p: read_json(p, max_bytes=20)),
        (1, 20), (0, 21), FileError,
    ),
    Row(
        "json-depth", "files/json_files.py:parse_json", lambda n: json_text(nested(n)),
        (1, 64), (65, 1000), FileError,
    ),
    Row(
        "json-digits", "files/json_files.py:_integer", lambda n: json_text("7" * n),
        (1, 400), (401, 5000), FileError,
    ),
    Row(
        "json-fraction", "files/json_files.py:_finite", lambda n: json_text("0." + "7" * (n - 2)),
        (3, 400), (401, 5000), FileError,
    ),
    Row(
        "json-float", "files/json_files.py:_finite", json_text,
        ("1e308", "-1e308", "1e-400"), ("1e309", "-1e309", "NaN", "Infinity", "-Infinity"),
        FileError,
    ),
    Row(
        "json-written-digits", "files/json_files.py:_check_plain",
        lambda n: written(lambda p: write_json(p, n)),
        (10**399 - 1, 1 - 10**399), (10**399, -(10**399)), RangeError,
    ),
    Row(
        "json-written-depth", "files/json_files.py:_check_plain",
        lambda n: written(lambda p: write_json(p, deep(n))), (1, 64), (65,), RangeError,
    ),
    Row(
        "yaml-size", "files/yaml_files.py:_text",
        lambda n: in_file(b"7".ljust(n)[:n], lambda p: read_yaml(p, max_bytes=20)),
        (1, 20), (0, 21), FileError,
    ),
    Row(
        "whole-size", "files/texts.py:read_bytes",
        lambda n: in_file(b"7" * n, lambda p: read_bytes(p, max_bytes=20)),
        (0, 20), (21, 100), FileError,
    ),
    Row(
        "yaml-depth", "files/yaml_files.py:_build", lambda n: parse_yaml(nested(n), "text"),
        (1, 32), (33,), FileError,
    ),
    Row(
        "yaml-digits", "files/yaml_files.py:_scalar", lambda n: parse_yaml("7" * n, "text"),
        (1, 400), (401,), FileError,
    ),
    # Stream, document, list, two numbers and the three ends.
    Row(
        "yaml-events", "files/yaml_files.py:_events",
        lambda n: with_limit(yaml_files, "_MAX_EVENTS", n, lambda: parse_yaml("[1, 2]", "text")),
        (8, 9), (7, 1), FileError,
    ),
]  # fmt: skip

# ------------------------------------------------------------------------------------------------
# npz


def zipped(arrays: int) -> bytes:
    member = npy_of(np.array(1.0))
    return pack([Member(f"a{k}.npy".encode(), member) for k in range(arrays)])


SCALAR = (ArraySpec("a0", (), ("float64",)),)


def read_many(arrays: int) -> object:
    return in_file(zipped(arrays), lambda p: read_npz(p, SCALAR, allow_extra=True))


def directory_of(arrays: int, limit: int) -> object:
    return with_limit(archive, "_MAX_DIRECTORY", limit, lambda: read_many(arrays))


def unpacked(limit: int) -> object:
    """A deflated array of a thousand zeros: 128 bytes of header and 8000 of data."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("z.npy", npy_of(np.zeros(1000)))
    spec = ArraySpec("z", (1000,), ("float64",))
    return in_file(stream.getvalue(), lambda p: read_npz(p, [spec], max_bytes=limit))


def header(text: bytes) -> object:
    return read_header("file", "field", io.BufferedReader(io.BytesIO(text)))


def header_of(length: int) -> object:
    text = "{'descr': '<f8', 'fortran_order': False, 'shape': (4, 3), }"
    return header(npy(text=text.ljust(length)))


def booleans(byte: int) -> object:
    member = Member(b"m.npy", npy("'|b1'", shape="(3,)", data=bytes([0, byte, 1])))
    spec = ArraySpec("m", (3,), ("bool",))
    return in_file(pack([member]), lambda p: read_npz(p, [spec]))


def npz_of(arrays: dict[str, Any]) -> object:
    return written(lambda p: write_npz(p, arrays))


def stored_tensor(offset: int = 0, size: tuple[int, ...] = (2, 3), numel: int = 6) -> object:
    strides = [1] * len(size)
    for k in range(len(size) - 2, -1, -1):
        strides[k] = strides[k + 1] * size[k + 1]
    storage = StoredBytes("0", "float32", numel)
    return _tensor((storage, offset, size, tuple(strides), False, {}))


ARRAYS = [
    Row(
        "npz-members", "files/archive.py:check_end_record",
        read_many, (1, 1024), (1025,), FileError,
    ),
    # Each entry has 46 bytes and a name of six.
    Row(
        "npz-directory", "files/archive.py:check_end_record",
        lambda limit: directory_of(3, limit), (3 * 52, 1000), (3 * 52 - 1,), FileError,
    ),
    Row(
        "npz-end", "files/archive.py:check_end_record",
        lambda n: in_file(zipped(1)[-n:] if n < 22 else zipped(1), lambda p: read_npz(p, SCALAR)),
        (22,), (21, 1), FileError,
    ),
    Row(
        "npz-unpacked", "files/archive.py:checked_members",
        unpacked, (8128, 9000), (8127, 1000), FileError,
    ),
    Row(
        "npz-text", "files/array_header.py:_parse_dtype",
        lambda n: header(npy(f"'<U{n}'", shape="(1,)")), (1, 65536), (0, 65537), FileError,
    ),
    Row(
        "npz-bytes", "files/array_header.py:_parse_dtype",
        lambda n: header(npy(f"'|S{n}'", shape="(1,)")), (1, 65536), (0, 65537), FileError,
    ),
    Row(
        "npz-header", "files/array_header.py:read_header",
        header_of, (64, 4096), (4097, 65535), FileError,
    ),
    Row("npz-boolean", "files/npz_reading.py:_read_array", booleans, (0, 1), (2, 255), FileError),
    Row(
        "npz-written", "files/npz_writing.py:write_npz",
        lambda n: npz_of({f"a{k}": 1.0 for k in range(n)}), (1, 1024), (0, 1025), ShapeError,
    ),
    Row(
        "npz-written-text", "files/npz_writing.py:_portable",
        lambda n: npz_of({"a": np.array(["x" * n])}), (1, 65536), (65537,), RangeError,
    ),
    Row(
        "pth-written", "files/pth_reading.py:write_pth",
        lambda n: written(lambda p: write_pth(p, {f"t{k}": torch.ones(1) for k in range(n)})),
        (1, 512), (0, 513), ShapeError,
    ),
    Row(
        "spec", "files/schema.py:ArraySpec.__post_init__",
        lambda n: ArraySpec("x", (2, n), ("float64",)), (0, 1), (-1,), ValueError,
    ),
    Row(
        "pth-dimensions", "files/pth_pickle.py:_tensor",
        lambda n: stored_tensor(size=(1,) * (n - 1) + (6,)), (1, 16), (17,), _Odd,
    ),
    Row(
        "pth-elements", "files/pth_pickle.py:_tensor",
        lambda n: stored_tensor(size=(n,)), (1, 6), (0, -1, 7), _Odd,
    ),
    Row("pth-offset", "files/pth_pickle.py:_tensor",
        lambda n: stored_tensor(n, size=(2,)), (0, 4), (-1, 5), _Odd),
    Row(
        "pth-tensor", "files/pth_pickle.py:_tensor",
        lambda n: stored_tensor(size=(2**20, n), numel=2**40), (1, 2**20), (2**20 + 1,), _Odd,
    ),
]  # fmt: skip

# ------------------------------------------------------------------------------------------------
# Images and tables


def idx_shape(*sizes: int, most: int = 100) -> object:
    head = bytes([0, 0, 8, len(sizes)]) + struct.pack(f">{len(sizes)}I", *sizes)
    return _idx_shape("file", head, len(sizes), most)


def packed_zeros(count: int) -> object:
    """Zeros, which deflate packs as well as it can: 1030 to one."""
    head = bytes([0, 0, 8, 1]) + struct.pack(">I", count)
    return in_file(gzip.compress(head + bytes(count), 9), lambda p: read_idx(p, ndim=1))


def tar_of(size: int) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name in ("first", "second"):
            info = tarfile.TarInfo(name)
            info.size = size
            tar.addfile(info, io.BytesIO(name[0].encode() * size))
    return stream.getvalue()


def tar_limited(most: int) -> object:
    """Ten blocks of 1024 bytes."""
    content = gzip.compress(tar_of(10))
    assert len(tar_of(10)) == 10_240
    return in_file(content, lambda p: read_tar_member(p, "second", max_bytes=most))


def tar_cut(length: int) -> object:
    """Two entries of one block each have a header and a block of data."""
    content = gzip.compress(tar_of(10)[:length])
    return in_file(content, lambda p: read_tar_member(p, "second"))


def tiny_classes(count: int) -> object:
    text = "".join(f"n{k:08d}\n" for k in range(count)).encode()
    return in_file(text, images._tiny_classes)


def tiny_pictures(count: int) -> object:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(images, "_MAX_PICTURES", 3)
        patch.setattr(images, "read_jpeg", lambda path, side: np.zeros((3, side, side), np.uint8))
        return images._pictures([Path(f"{k}.JPEG") for k in range(count)], Path("folder"))


def mat_shape(*sizes: int) -> object:
    return mat._shape("file", "X", sizes, 100)


IMAGES = [
    Row(
        "idx-elements", "files/idx.py:_idx_shape",
        lambda n: idx_shape(n), (1, 100), (0, 101), FileError,
    ),
    Row(
        "idx-product", "files/idx.py:_idx_shape",
        lambda n: idx_shape(10, n), (1, 10), (0, 11), FileError,
    ),
    Row(
        "gzip-members", "files/gzip_members.py:GzipMembers._next_member",
        lambda n: GzipMembers(io.BytesIO(gzip.compress(b"") * n)).read(),
        (1, 2, 10_000), (10_001,), ValueError,
    ),
    Row("idx-packed", "files/idx.py:read_idx", packed_zeros, (1, 1000, 1_000_000), (0,), FileError),
    Row(
        "tar-limit", "files/tarballs.py:_inflated",
        tar_limited, (10_240, 20_000), (10_239, 1), FileError,
    ),
    Row(
        "tar-cut", "files/tarballs.py:_entries", tar_cut, (2048, 2560, 1546),
        (1545, 1536, 1535, 1100, 1024, 1023, 512, 511, 1), FileError,
    ),
    Row(
        "tiny-classes", "data/images.py:_tiny_classes",
        tiny_classes, (2, 1000), (0, 1, 1001), FileError,
    ),
    Row("tiny-pictures", "data/images.py:_pictures", tiny_pictures, (1, 3), (0, 4), FileError),
    Row(
        "mat-elements", "files/mat.py:_shape",
        lambda n: mat_shape(n, 10), (1, 10), (0, -1, 11), FileError,
    ),
    Row(
        "mat-negative", "files/mat.py:_shape",
        lambda n: mat_shape(n, n), (1, 10), (-1, -5), FileError,
    ),
]  # fmt: skip

FILE_ROWS = [*TEXTS, *ARRAYS, *IMAGES]
