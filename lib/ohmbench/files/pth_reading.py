"""PyTorch checkpoints (``torch.save`` of a state dict), read without torch or running code.

The file is a zip archive, always uncompressed and with zip64 records: a pickle that describes the
tensors, and one member of raw bytes for each storage. torch.load would run the pickle, restricted
by ``weights_only``; here a small machine (`pth_pickle`) only records what it describes. Each
recorded tensor is then compared with the bytes that are really there before an array is made.
"""

from __future__ import annotations

import io
import itertools
import struct
import zipfile
from collections.abc import Mapping
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from ohmbench.errors import DtypeError, FileError, RangeError, ShapeError
from ohmbench.files.archive import MAX_MEMBERS, check_layout
from ohmbench.files.opening import (
    Array,
    PathLike,
    damaged,
    only_file_errors,
    open_bounded,
    read_exactly,
)
from ohmbench.files.pth_pickle import SAVE_AGAIN, StoredTensor, check_key, parse_state_dict
from ohmbench.files.saving import atomic_write
from ohmbench.files.schema import ArraySpec, check_values

if TYPE_CHECKING:
    import torch

MAX_BYTES = 64 * 2**20
_MAX_PICKLE = 1 << 20
_MAX_DIRECTORY = 1 << 20
_END = struct.Struct("<4s4H2LH")  # end of central directory record (PKWARE APPNOTE 4.3.16)
_END64 = struct.Struct("<4sQ2H2L4Q")  # its zip64 form (4.3.14)
_LOCATOR = struct.Struct("<4sLQL")  # of the zip64 form (4.3.15)
_FLAGS = 0x0800 | 0x0008  # UTF-8 names, data descriptor: what torch writes
# Before PyTorch 1.6 a checkpoint was three pickles and raw bytes; this number begins the first.
_LEGACY = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19"
_NOTES = ("version", "byteorder", ".format_version", ".storage_alignment", ".data/serialization_id")


def _foreign(name: str, reason: str, field: str | None = None) -> FileError:
    return FileError(name, reason, field=field, remedy=SAVE_AGAIN)


def _check_end(name: str, file: BinaryIO, size: int) -> int:
    """Check the archive's last records before zipfile uses them; return the entry count."""
    head = file.read(len(_LEGACY))
    if head == _LEGACY:
        raise _foreign(name, "in the format of PyTorch before 1.6, a pickle without an archive")
    if not head.startswith(b"PK\3\4"):
        raise _foreign(name, "not a PyTorch checkpoint")
    tail_size = min(size, _END64.size + _LOCATOR.size + _END.size)
    file.seek(size - tail_size)
    tail = read_exactly(file, tail_size)
    if len(tail) < _END.size:
        raise damaged(name, "cut off")
    end = size - _END.size
    magic, disk, start_disk, here, count, length, offset, comment = _END.unpack(tail[-_END.size :])
    if magic != b"PK\5\6" or comment:
        raise damaged(name, "cut off, or followed by other data")
    sizes = (disk, start_disk, here, count, length, offset)
    if len(tail) > _END.size and tail[_END64.size :].startswith(b"PK\6\7"):
        end -= _END64.size + _LOCATOR.size
        magic, length64, _, _, *sizes64 = _END64.unpack_from(tail)
        _, locator_disk, where, disks = _LOCATOR.unpack_from(tail, _END64.size)
        right = (magic, length64, locator_disk, where, disks) == (b"PK\6\6", 44, 0, end, 1)
        # torch writes the numbers twice; a reader must get the same ones whichever it prefers.
        if not right or tuple(sizes64) != sizes:
            raise damaged(name, "its zip64 record contradicts the rest")
    if disk or start_disk or here != count:
        raise _foreign(name, "archives in several parts are not accepted")
    if count > MAX_MEMBERS or length > _MAX_DIRECTORY:
        raise FileError(
            name, f"{count} members listed in {length} bytes, at most {MAX_MEMBERS} are accepted"
        )
    if offset + length != end:
        raise damaged(name, "its directory is not where it says")
    return int(count)


def _check_member(name: str, info: zipfile.ZipInfo) -> None:
    field = info.filename
    if info.flag_bits & ~_FLAGS:
        raise _foreign(name, f"encrypted or in an odd format (flags {info.flag_bits:#06x})", field)
    if info.compress_type != zipfile.ZIP_STORED:
        raise _foreign(name, f"compressed (method {info.compress_type}), torch.save stores", field)
    if info.compress_size != info.file_size:
        raise damaged(
            name, f"stored in {info.compress_size} bytes but said to hold {info.file_size}", field
        )


def _members(name: str, archive: zipfile.ZipFile, file: BinaryIO, count: int) -> dict[str, bytes]:
    """Contents by torch's own names, CRC checked: ``data.pkl``, ``data/0``, ``version`` ...."""
    infos = archive.infolist()
    if len(infos) != count or not infos:
        raise damaged(name, f"lists {len(infos)} members but says {count}")
    if min(info.header_offset for info in infos):
        raise _foreign(name, "other data lie before the archive")
    stem, _, _ = infos[0].filename.partition("/")
    members: dict[str, zipfile.ZipInfo] = {}
    for info in infos:
        _check_member(name, info)
        folder, _, inner = info.filename.partition("/")
        known = inner in ("data.pkl", *_NOTES) or (
            inner.startswith("data/") and inner[5:].isdecimal() and inner.isascii()
        )
        if folder != stem or not known:
            program = inner.startswith("code/") or inner == "constants.pkl"
            what = "holds a program (TorchScript)" if program else "no part of a saved state dict"
            raise _foreign(name, what, info.filename)
        if inner in members:
            raise _foreign(name, "occurs twice", info.filename)
        members[inner] = info
    check_layout(name, file, members, archive.start_dir)
    contents = {}
    for inner, info in members.items():
        with only_file_errors(name, inner):
            contents[inner] = archive.read(info)
    return contents


def _array(name: str, key: str, tensor: StoredTensor, contents: Mapping[str, bytes]) -> Array:
    member = f"data/{tensor.storage.key}"
    if member not in contents:
        raise damaged(name, f"its bytes {member!r} are missing", key)
    raw, dtype = contents[member], np.dtype(tensor.storage.dtype)
    promised = tensor.storage.numel * dtype.itemsize
    if len(raw) != promised:
        raise damaged(name, f"{member!r} holds {len(raw)} bytes, {promised} are promised", key)
    order = contents.get("byteorder", b"little")
    if order not in (b"little", b"big"):
        raise damaged(name, f"byte order {order!r} is unknown", "byteorder")
    stored = np.frombuffer(raw, dtype.newbyteorder("<" if order == b"little" else ">"))
    strides = [step * dtype.itemsize for step in tensor.stride]
    array = np.empty(tensor.size, dtype)
    array[...] = np.lib.stride_tricks.as_strided(
        stored[tensor.offset :], tensor.size, strides, writeable=False
    )
    check_values(name, ArraySpec(key, tensor.size, (tensor.storage.dtype,)), array)
    return array


def read_pth(path: PathLike, *, max_bytes: int = MAX_BYTES) -> dict[str, Array]:
    """The tensors of a state dict that ``torch.save`` wrote; nothing in the file is executed.

    The arrays are float32, float64 or int64 as stored, finite, C-contiguous, native and own their
    memory, in the order of the file. ``max_bytes`` bounds the file and also the arrays' sum. Raises
    `FileError` naming file, key and reason: for the format of PyTorch before 1.6, for code or
    anything other than plain tensors in the pickle, for damage, NaN, and other element types.
    """
    name, file, size = open_bounded(path, max_bytes)
    with file, only_file_errors(name):
        count = _check_end(name, file, size)
        with zipfile.ZipFile(file) as archive:
            contents = _members(name, archive, file, count)
        pickled = contents.pop("data.pkl", None)
        if pickled is None:
            raise damaged(name, "missing", "data.pkl")
        if len(pickled) > _MAX_PICKLE:
            raise FileError(
                name,
                f"{len(pickled)} bytes, at most {_MAX_PICKLE} are accepted",
                field="data.pkl",
            )
        tensors = parse_state_dict(name, pickled)
        sums = list(itertools.accumulate(tensor.nbytes for tensor in tensors.values()))
        if sums[-1] > max_bytes:
            raise FileError(
                name,
                f"tensors of {sums[-1]} bytes, at most {max_bytes} are accepted",
                field=next(
                    k for k, so_far in zip(tensors, sums, strict=True) if so_far > max_bytes
                ),
            )
        used = {f"data/{tensor.storage.key}" for tensor in tensors.values()}
        for member in contents:
            if member.startswith("data/") and member not in used:
                raise _foreign(name, "belongs to no tensor", member)
        return {key: _array(name, key, tensor, contents) for key, tensor in tensors.items()}


def write_pth(
    path: PathLike, tensors: Mapping[str, torch.Tensor], *, overwrite: bool = False
) -> None:
    """Save ``tensors`` as a state dict that torch.load and `read_pth` accept, bits unchanged.

    Raises `FileError` as `atomic_write` does, and `DtypeError`, `RangeError` or `ShapeError` for
    what `read_pth` would refuse.
    """
    import torch  # the import takes a second, which readers need not wait for

    if not 1 <= len(tensors) <= MAX_MEMBERS // 2:
        raise ShapeError(f"{len(tensors)} tensors to save, 1 to {MAX_MEMBERS // 2} are possible")
    for key, tensor in tensors.items():
        if not check_key(key):
            raise RangeError(f"{key!r} cannot be the name of a saved tensor")
        if not tensor.numel():
            raise ShapeError(f"{key}: a tensor without elements cannot be saved")
        if tensor.dtype not in (torch.float32, torch.float64, torch.int64):
            raise DtypeError(f"{key}: tensors of {tensor.dtype} cannot be saved")
        if not bool(torch.isfinite(tensor).all()):
            raise RangeError(f"{key}: holds NaN or infinity")
    # Cloned, because torch.save would write the whole storage of a slice.
    plain = {key: tensor.detach().cpu().contiguous().clone() for key, tensor in tensors.items()}
    buffer = io.BytesIO()
    torch.save(plain, buffer)

    def write(file: BinaryIO) -> None:
        file.write(buffer.getbuffer())

    atomic_write(path, write, overwrite=overwrite)
