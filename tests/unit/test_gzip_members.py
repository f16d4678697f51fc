"""Gzip files of any number of members: what is in them, in order, whatever is asked for at once."""

from __future__ import annotations

import gzip
import io
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ohmbench.files.gzip_members import GzipMembers
from tests.unit.hostile import noise


def read_in(stream: GzipMembers, sizes: list[int]) -> bytes:
    """All of it, in reads of ``sizes`` over and over."""
    parts = []
    while True:
        for size in sizes:
            chunk = stream.read(size)
            assert size < 0 or len(chunk) <= size, f"{len(chunk)} bytes, {size} were asked for"
            parts.append(chunk)
            if not chunk:
                assert stream.read(1) == b"", "the end is not the end"
                return b"".join(parts)


@given(
    contents=st.lists(st.binary(max_size=200) | st.just(bytes(100_000)), min_size=1, max_size=6),
    sizes=st.lists(st.integers(1, 70_000) | st.just(-1), min_size=1, max_size=3),
)
def test_members_follow_one_another(contents: list[bytes], sizes: list[int]) -> None:
    packed = b"".join(gzip.compress(data, mtime=0) for data in contents)
    assert read_in(GzipMembers(io.BytesIO(packed)), sizes) == b"".join(contents)
    assert gzip.decompress(packed) == b"".join(contents)  # as Python's own reader has it


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_a_header_at_the_edge_of_a_buffer(count: int) -> None:
    """Files are read 64 kB at a time: the next member may begin anywhere in such a part."""
    first = gzip.compress(noise(1, 65_000), 0, mtime=0)
    first += gzip.compress(noise(2, 65_536 - len(first) - 23 - count), 0, mtime=0)
    assert len(first) == 65_536 - count
    packed = first + gzip.compress(b"end", mtime=0)
    assert read_in(GzipMembers(io.BytesIO(packed)), [100_000]).endswith(b"end")


def test_nothing_is_asked_for() -> None:
    stream = GzipMembers(io.BytesIO(gzip.compress(b"abc")))
    assert stream.read(0) == b""
    assert stream.read(9) == b"abc"


ABC, DE, EMPTY = (gzip.compress(data, mtime=0) for data in (b"abc", b"de", b""))
BEHIND = {
    "a zero": (ABC + b"\0", ValueError),
    "half a magic number": (ABC + b"\x1f", ValueError),
    "a magic number": (ABC + b"\x1f\x8b", EOFError),
    "a member cut off": (ABC + DE[:-1], EOFError),
    "a member with another checksum": (ABC + DE[:-8] + bytes(8), zlib.error),
    "too many members": (EMPTY * 10_000 + ABC, ValueError),
}


@pytest.mark.parametrize(("data", "error"), BEHIND.values(), ids=BEHIND)
def test_what_is_behind_the_first_member_is_checked(data: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        read_in(GzipMembers(io.BytesIO(data)), [10])


def test_ten_thousand_members_are_read() -> None:
    data = gzip.compress(b"") * 9_999 + gzip.compress(b"abc")
    assert read_in(GzipMembers(io.BytesIO(data)), [10]) == b"abc"
