"""The directory of an npz archive, checked before zipfile or anything else believes it."""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Mapping
from typing import BinaryIO, cast

from ohmbench.errors import FileError
from ohmbench.files.opening import damaged, foreign
from ohmbench.files.schema import FIELD

MAX_MEMBERS = 1024
_MAX_DIRECTORY = 1 << 20  # 1024 entries of 46 bytes, a field name and extra fields fit four times
_END = struct.Struct("<4s4H2LH")  # end of central directory record (PKWARE APPNOTE 4.3.16)
_END64_LOCATOR = 20
_LOCAL = struct.Struct("<4s5H3L2H")  # local file header (APPNOTE 4.3.7)
# Deflate level hints, data descriptor, UTF-8 names; other flags mean encryption or patches.
_PLAIN_FLAGS = 0x0002 | 0x0004 | 0x0008 | 0x0800
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


def check_end_record(name: str, file: BinaryIO, size: int) -> int:
    """Check the end record before zipfile builds an object per entry; return the entry count.

    zipfile would accept a comment, a zip64 record, data before the archive and a directory of any
    length. numpy writes none of those, and each could hide or inflate something.
    """
    if size < _END.size:
        raise damaged(name, "too short for an npz archive")
    tail_size = min(size, _END.size + _END64_LOCATOR)
    file.seek(size - tail_size)
    tail = file.read(tail_size)
    if len(tail) != tail_size:
        raise EOFError("it became shorter while it was read")
    magic, disk, start_disk, here, count, length, offset, comment = _END.unpack(tail[-_END.size :])
    if magic != b"PK\5\6" or comment:
        raise damaged(name, "not an npz archive, or cut off, or followed by other data")
    if tail.startswith(b"PK\6\7") or 0xFFFF in (count, here) or 0xFFFFFFFF in (length, offset):
        raise foreign(name, "zip64 archives are not accepted")
    if disk or start_disk or here != count:
        raise foreign(name, "archives in several parts are not accepted")
    if count > MAX_MEMBERS or length > _MAX_DIRECTORY:
        raise FileError(
            name, f"{count} members listed in {length} bytes, at most {MAX_MEMBERS} are accepted"
        )
    if offset + length != size - _END.size:
        raise damaged(name, "its directory is not where it says")
    return cast(int, count)


def _member_field(name: str, info: zipfile.ZipInfo) -> str:
    """Check one directory entry by itself; return the field it holds."""
    field = info.filename[:-4]
    if not info.filename.endswith(".npy") or not FIELD.fullmatch(field):
        raise foreign(name, "not named <field>.npy", info.filename)
    if info.flag_bits & ~_PLAIN_FLAGS:
        raise foreign(name, f"encrypted or in an odd format (flags {info.flag_bits:#06x})", field)
    if info.compress_type not in _METHODS:
        raise foreign(
            name,
            f"compression method {info.compress_type}, only 0 (none) and 8 (deflate) are accepted",
            field,
        )
    if info.compress_type == zipfile.ZIP_STORED and info.compress_size != info.file_size:
        raise damaged(
            name, f"stored in {info.compress_size} bytes but said to hold {info.file_size}", field
        )
    return field


def _local_end(name: str, file: BinaryIO, field: str, info: zipfile.ZipInfo) -> int:
    """Check a member's local header against the directory; return where its data end."""
    file.seek(info.header_offset)
    raw = file.read(_LOCAL.size)
    if len(raw) != _LOCAL.size:
        raise damaged(name, "its data lie outside the file", field)
    magic, _, flags, method, _, _, _, _, _, name_length, extra_length = _LOCAL.unpack(raw)
    if magic != b"PK\3\4" or method != info.compress_type or flags != info.flag_bits:
        raise damaged(name, "its local header contradicts the directory", field)
    data = info.header_offset + cast(int, _LOCAL.size + name_length + extra_length)
    return data + info.compress_size


def check_layout(
    name: str, file: BinaryIO, members: Mapping[str, zipfile.ZipInfo], directory: int
) -> None:
    """Check that members do not overlap: overlapping ones inflate without limit."""
    end, previous = 0, None
    for field, info in sorted(members.items(), key=lambda item: item[1].header_offset):
        if info.header_offset < end:
            raise damaged(name, f"overlaps member {previous!r}", field)
        if previous is None and info.header_offset:
            raise foreign(name, "other data lie before the archive")
        end, previous = _local_end(name, file, field, info), field
        if end > directory:
            raise damaged(name, "runs into the directory", field)


def checked_members(
    name: str, archive: zipfile.ZipFile, file: BinaryIO, count: int
) -> dict[str, zipfile.ZipInfo]:
    """Directory entries by field, each checked by itself and against its neighbours."""
    infos = archive.infolist()
    if len(infos) != count:
        raise damaged(name, f"lists {len(infos)} members but says {count}")
    members: dict[str, zipfile.ZipInfo] = {}
    for info in infos:
        field = _member_field(name, info)
        if field in members:
            raise foreign(name, "occurs twice", field)
        members[field] = info
    check_layout(name, file, members, archive.start_dir)
    return members
