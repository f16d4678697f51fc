"""One file out of a small gzip-compressed tar archive, read in memory, not on disk."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO

from ohmbench.errors import FileError
from ohmbench.files.gzip_members import GzipMembers
from ohmbench.files.opening import PathLike, only_file_errors, open_bounded

_BLOCK = 512
_OCTAL = re.compile(rb"[0-7]{1,12}")
_REGULAR = (b"0", b"\0")


def _inflated(name: str, file: BinaryIO, max_bytes: int) -> bytes:
    stream, parts, total = GzipMembers(file), [], 0
    while chunk := stream.read(max_bytes + 1 - total):
        total += len(chunk)
        if total > max_bytes:
            raise FileError(name, f"inflates to more than the {max_bytes} bytes that are accepted")
        parts.append(chunk)
    return b"".join(parts)


def _octal(header: bytes, start: int, stop: int) -> int:
    digits = header[start:stop].strip(b" \0")
    if not _OCTAL.fullmatch(digits):
        raise ValueError("not a tar archive")
    return int(digits, 8)


def _entries(data: bytes) -> Iterator[tuple[bytes, bytes, bytes]]:
    """Name, type and content of each entry (POSIX 1003.1, ustar), up to the empty block."""
    offset = 0
    while any(header := data[offset : offset + _BLOCK]):
        if len(header) < _BLOCK:
            raise EOFError("cut off")
        blank = header[:148] + b" " * 8 + header[156:]
        if _octal(header, 148, 156) != sum(blank):
            raise ValueError("the checksum of an entry is wrong")
        size = _octal(header, 124, 136)
        offset += _BLOCK
        content = data[offset : offset + size]
        if len(content) < size:
            raise EOFError("cut off")
        yield header[:100].rstrip(b"\0"), header[156:157], content
        offset += -(-size // _BLOCK) * _BLOCK


def read_tar_member(path: PathLike, member: str, *, max_bytes: int = 16 * 2**20) -> bytes:
    """The content of the first regular file named ``member``.

    The whole archive may have ``max_bytes`` bytes, packed and unpacked. Raises `FileError`.
    """
    name, file, _ = open_bounded(path, max_bytes)
    with file, only_file_errors(name):
        for found, kind, content in _entries(_inflated(name, file, max_bytes)):
            if found.decode("utf-8", "replace").removeprefix("./") == member:
                if kind not in _REGULAR:
                    raise FileError(name, "is not a regular file", field=member)
                return content
    raise FileError(name, "not in the archive", field=member, remedy="use the original archive")
