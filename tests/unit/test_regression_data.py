"""Regression data: scaled by their training part, split by seed, housing's file read strictly."""

from __future__ import annotations

import gzip
import io
import math
import random
import tarfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_diabetes

from ohmbench.data import regression
from ohmbench.data.folders import DATA_VARIABLE
from ohmbench.data.regression import (
    HOUSING_ROWS,
    REGRESSIONS,
    RegressionSplit,
    read_housing,
    regression_split,
)
from ohmbench.errors import FileError, RangeError
from ohmbench.files.tables import Column, parse_table
from ohmbench.files.tarballs import read_tar_member
from tests.unit import hostile
from tests.unit.hostile import Kind
from tests.unit.test_files_hostile import fuzz_outcomes, judge_refusal

# ------------------------------------------------------------------------------------------------
# A file in StatLib's format, with numbers of our own


MEMBER = "CaliforniaHousing/cal_housing.data"


@cache
def table() -> np.ndarray:
    rng = np.random.default_rng(0)
    rows = np.empty((HOUSING_ROWS, 9))
    rows[:, 0] = rng.uniform(-124, -114, HOUSING_ROWS).round(2)
    rows[:, 1] = rng.uniform(32, 42, HOUSING_ROWS).round(2)
    rows[:, 2:7] = rng.integers(1, 5000, (HOUSING_ROWS, 5))
    rows[:, 2] = rng.integers(1, 53, HOUSING_ROWS)
    rows[:, 7] = rng.uniform(0.5, 15, HOUSING_ROWS).round(4)
    rows[:, 8] = rng.integers(14_999, 500_002, HOUSING_ROWS)
    return rows


@cache
def lines() -> tuple[bytes, ...]:
    return tuple(",".join(f"{v:.6f}" for v in row).encode() for row in table().tolist())


def text(*, line: int | None = None, new: bytes = b"", end: bytes = b"\n") -> bytes:
    """The whole file, perhaps with another line in place of ``line`` (counted from 1)."""
    parts = list(lines())
    if line is not None:
        parts[line - 1] = new
    return end.join(parts) + end


def field(column: int, value: bytes, line: int = 17) -> bytes:
    """The whole file with another value in one column."""
    values = lines()[line - 1].split(b",")
    values[column] = value
    return text(line=line, new=b",".join(values))


def tar(content: bytes, name: str = MEMBER, kind: bytes = b"0") -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        archive.addfile(tarfile.TarInfo("CaliforniaHousing/cal_housing.domain"))
        info = tarfile.TarInfo(name)
        info.type, info.linkname = kind, "" if kind == b"0" else "/etc/passwd"
        info.size = len(content) if kind == b"0" else 0
        archive.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def tgz(content: bytes, **changes: object) -> bytes:
    return gzip.compress(tar(content, **changes), 1, mtime=0)  # type: ignore[arg-type]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path))
    (tmp_path / "cal_housing.data").write_bytes(text())
    return tmp_path


# ------------------------------------------------------------------------------------------------
# Splits

SIZES = {"toyregress": (4096, 5), "diabete": (442, 10), "housing": (HOUSING_ROWS, 8)}
every_set = pytest.mark.parametrize("name", SIZES)


def judge_split(parts: RegressionSplit, name: str) -> None:
    rows, features = SIZES[name]
    held_out = math.ceil(0.4 * rows)
    assert parts.train_x.shape == (rows - held_out, features)
    assert parts.test_x.shape == (held_out, features)
    assert (parts.train_y.shape, parts.test_y.shape) == ((rows - held_out,), (held_out,))
    arrays = (parts.train_x, parts.train_y, parts.test_x, parts.test_y)
    assert all(a.dtype == np.float64 and np.isfinite(a).all() for a in arrays)
    for train, test in ((parts.train_x, parts.test_x), (parts.train_y, parts.test_y)):
        assert (train.min(0) == 0).all(), "the training part's minimum is not 0"
        assert (train.max(0) == 1).all(), "the training part's maximum is not 1"
        # Same scale, not each its own: of the held-out part only the bulk is sure to be inside.
        assert ((np.median(test, 0) >= 0) & (np.median(test, 0) <= 1)).all()
        # Counts per household of random numbers have heavy tails, hence the quantiles.
        for q in (0.25, 0.75):
            low, high = np.quantile(train, q - 0.1, axis=0), np.quantile(train, q + 0.1, axis=0)
            inside = (np.quantile(test, q, axis=0) >= low) & (np.quantile(test, q, axis=0) <= high)
            assert inside.all(), "held-out values have another scale"


@every_set
@pytest.mark.parametrize("seed", [0, 7])
def test_splits_are_scaled_by_their_training_part(folder: Path, name: str, seed: int) -> None:
    judge_split(regression_split(name, seed), name)
    assert set(SIZES) == set(REGRESSIONS)


@every_set
def test_the_seed_decides_the_split(folder: Path, name: str) -> None:
    def content(seed: int) -> list[bytes]:
        return [
            np.asarray(value).tobytes() for value in vars(regression_split(name, seed)).values()
        ]

    assert content(3) == content(3)
    assert content(3)[2] != content(4)[2]


def test_the_parts_are_the_whole_in_the_targets_unit() -> None:
    parts = regression_split("diabete", 1)
    y = np.concatenate([parts.train_y, parts.test_y]) * (parts.y_max - parts.y_min) + parts.y_min
    assert sorted(y) == pytest.approx(sorted(load_diabetes().target), rel=1e-12)
    rows = {row.tobytes() for row in parts.train_x}
    assert rows.isdisjoint(row.tobytes() for row in parts.test_x)


def test_friedmans_function_has_no_noise() -> None:
    x, y = REGRESSIONS["toyregress"](5)
    assert (x.min() >= 0, x.max() <= 1) == (True, True)
    for row, value in zip(x[:100].tolist(), y[:100].tolist(), strict=True):
        a, b, c, d, e = row
        expected = 10 * math.sin(math.pi * a * b) + 20 * (c - 0.5) ** 2 + 10 * d + 5 * e
        assert value == pytest.approx(expected, rel=1e-12)


def test_unknown_sets_and_columns_without_range(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(KeyError, match="housin"):
        regression_split("housin", 0)
    flat = (np.zeros((10, 2)), np.arange(10.0))
    monkeypatch.setitem(REGRESSIONS, "flat", lambda seed: flat)
    with pytest.raises(RangeError, match="flat: a column does not vary over the training part"):
        regression_split("flat", 0)


def test_a_split_scaled_otherwise_is_caught() -> None:
    good = regression_split("diabete", 0)
    whole = RegressionSplit(
        good.train_x * 0.99, good.train_y, good.test_x, good.test_y, good.y_min, good.y_max
    )
    own = RegressionSplit(
        good.train_x, good.train_y, good.test_x + 0.5, good.test_y, good.y_min, good.y_max
    )
    for wrong in (whole, own):
        with pytest.raises(AssertionError):
            judge_split(wrong, "diabete")


# ------------------------------------------------------------------------------------------------
# California housing


WAYS: dict[str, Callable[[], tuple[str, bytes]]] = {
    "plain": lambda: ("cal_housing.data", text()),
    "crlf": lambda: ("cal_housing.data", text(end=b"\r\n")),
    "no-last-newline": lambda: ("cal_housing.data", text()[:-1]),
    "unpacked": lambda: (MEMBER, text()),
    "archive": lambda: ("cal_housing.tgz", tgz(text())),
    "archive-in-members": lambda: (
        "cal_housing.tgz", hostile.gz_members(tar(text()), 100, 100, 1_000_000)
    ),
    "archive-dot": lambda: ("cal_housing.tgz", tgz(text(), name=f"./{MEMBER}")),
}  # fmt: skip


@pytest.mark.parametrize("below", ["", "housing"], ids=["itself", "below"])
@pytest.mark.parametrize("way", WAYS)
def test_housing_is_read_as_scikit_learn_defines_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str, below: str
) -> None:
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path))
    name, data = WAYS[way]()
    path = tmp_path / below / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    x, y = REGRESSIONS["housing"](0)
    t = table()
    assert x.shape == (HOUSING_ROWS, 8)
    assert x[:, 0].tolist() == t[:, 7].tolist()
    assert x[:, 1].tolist() == t[:, 2].tolist()
    for k, column in ((2, 3), (3, 4), (5, 5)):
        assert x[:, k].tolist() == (t[:, column] / t[:, 6]).tolist()
    assert x[:, 4].tolist() == t[:, 5].tolist()
    assert x[:, 6:].tolist() == t[:, [1, 0]].tolist()
    assert y.tolist() == (t[:, 8] / 100_000).tolist()


def test_a_missing_file_says_where_to_put_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path))
    with pytest.raises(FileError) as caught:
        regression_split("housing", 0)
    message = str(caught.value)
    start = (
        f"{tmp_path}/cal_housing.data: not found; run 'ohmbench fetch housing', or put cal_housing"
    )
    assert message.startswith(start)
    assert "cal_housing.tgz of California housing into that folder or into housing/" in message
    monkeypatch.delenv(DATA_VARIABLE)
    with pytest.raises(FileError, match=f"California housing: {DATA_VARIABLE} is not set"):
        regression_split("housing", 0)


HOSTILE: dict[str, tuple[Callable[[], bytes], str | None]] = {
    "nan": (lambda: field(7, b"nan"), "medianIncome"),
    "infinite": (lambda: field(7, b"inf"), "medianIncome"),
    "overflowing": (lambda: field(7, b"1e999"), "medianIncome"),
    "underscore": (lambda: field(3, b"1_000"), "totalRooms"),
    "hexadecimal": (lambda: field(3, b"0x10"), "totalRooms"),
    "word": (lambda: field(3, b"many"), "totalRooms"),
    "nothing": (lambda: field(4, b""), "totalBedrooms"),
    "blank": (lambda: field(4, b" "), "totalBedrooms"),
    "two-numbers": (lambda: field(4, b"1 2"), "totalBedrooms"),
    "long-number": (lambda: field(4, b"1" * 60), "totalBedrooms"),
    "escape-codes": (lambda: field(4, b"\x1b[31m7"), "totalBedrooms"),
    "negative-households": (lambda: field(6, b"-3"), "households"),
    "no-households": (lambda: field(6, b"0"), "households"),
    "negative-people": (lambda: field(5, b"-1"), "population"),
    "latitude-first": (lambda: field(1, b"-122.23"), "latitude"),
    "value-huge": (lambda: field(8, b"1e12"), "medianHouseValue"),
    "eight-columns": (lambda: text(line=17, new=b"1,2,3,4,5,6,7,8"), None),
    "ten-columns": (lambda: text(line=17, new=b"1,2,3,4,5,6,7,8,9,10"), None),
    "semicolons": (lambda: text().replace(b",", b";"), None),
    "header": (lambda: b"longitude,latitude,a,b,c,d,e,f,g\n" + text(), "longitude"),
    "empty-line": (lambda: text(line=17, new=b""), None),
    "long-line": (lambda: text(line=17, new=b"," * 10**6), None),
    "latin-1": (lambda: field(3, b"\xb5"), None),
    "zero-bytes": (lambda: text(line=17, new=bytes(50)), None),
    "utf-16": (lambda: text().decode().encode("utf-16"), None),
    "line-missing": (lambda: text().split(b"\n", 1)[1], None),
    "line-too-many": (lambda: text() + lines()[0] + b"\n", None),
    "cut-in-half": (lambda: text()[:1_000_000], None),
    "newlines-only": (lambda: b"\n" * 10**7, None),
    "million-lines": (lambda: b"1,1,1,1,1,1,1,1,1\n" * 900_000, None),
    "tgz-cut": (lambda: tgz(text())[:-2000], None),
    "tgz-cut-in-trailer": (lambda: tgz(text())[:-1], None),
    "tgz-appended": (lambda: tgz(text()) + b"x", None),
    "tgz-of-the-file-itself": (lambda: gzip.compress(text(), 1), None),
    "tgz-of-an-empty-tar": (lambda: gzip.compress(bytes(10240)), MEMBER),
    "tgz-of-nothing": (lambda: gzip.compress(b""), MEMBER),
    "tgz-other-name": (lambda: tgz(text(), name="housing.data"), MEMBER),
    "tgz-parent": (lambda: tgz(text(), name=f"../{MEMBER}"), MEMBER),
    "tgz-link": (lambda: tgz(b"", kind=b"2"), MEMBER),
    "tgz-device": (lambda: tgz(b"", kind=b"3"), MEMBER),
    "tgz-checksum": (lambda: gzip.compress(tar(text()).replace(b"0000644", b"0000600")), None),
    "tgz-size-not-octal": (lambda: gzip.compress(_resized(b"-0000000001")), None),
    "tgz-size-beyond-the-end": (lambda: gzip.compress(_resized(b"77777777777")), None),
    "tgz-tar-cut": (lambda: gzip.compress(tar(text())[:100_000]), None),
    "tgz-bomb-in-members": (
        lambda: gzip.compress(tar(text()), 1) + gzip.compress(bytes(100 * 2**20), 1), None
    ),
    "tgz-member-cut": (lambda: hostile.gz_members(tar(text()), 1_000_000)[:-9], None),
    "tgz-100000-members": (lambda: gzip.compress(b"") * 100_000 + tgz(text()), None),
    "tgz-bomb": (lambda: gzip.compress(bytes(100 * 2**20), 1), None),
    "tgz-nan": (lambda: tgz(field(7, b"NaN")), "medianIncome"),
}  # fmt: skip


def _resized(size: bytes) -> bytes:
    """A tar of one entry whose size field is ``size``, with the right checksum."""
    header = bytearray(tar(b"")[512:1024])
    header[124:135] = size
    header[148:156] = b" " * 8
    header[148:156] = f"{sum(header):06o}\0 ".encode()
    return bytes(header) + bytes(1024)


def test_a_size_with_a_sign_is_no_octal_number(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(gzip.compress(_resized(b"00000000000")))
    assert read_tar_member(path, MEMBER) == b""
    path.write_bytes(gzip.compress(_resized(b"+0000000000")))
    with pytest.raises(FileError, match="not a tar archive"):
        read_tar_member(path, MEMBER)


KINDS = [
    *hostile.not_files("housing"),
    *(
        Kind(f"housing-{name}", lambda path, make=make: path.write_bytes(make()), place)  # type: ignore[misc]
        for name, (make, place) in HOSTILE.items()
    ),
]


@pytest.mark.parametrize("kind", KINDS, ids=[kind.name for kind in KINDS])
def test_hostile_housing_is_refused(kind: Kind, tmp_path: Path) -> None:
    path = tmp_path / "stranger.data"
    kind.build(path)
    error = judge_refusal(read_housing, path, kind.field)
    if kind.field in ("medianIncome", "households"):
        assert "line 17 holds" in str(error)


@pytest.mark.parametrize("kind", hostile.not_files("housing"), ids=lambda kind: kind.name)
def test_what_is_no_file_is_refused_in_its_place(
    kind: Kind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path))
    path = tmp_path / "cal_housing.data"
    kind.build(path)
    judge_refusal(lambda path: regression_split("housing", 0), path)


# ------------------------------------------------------------------------------------------------
# Fuzzing the two formats on small files


def judge_table(value: np.ndarray) -> None:
    assert value.shape == (3, 2)
    assert ((value[:, 0] >= 0) & (value[:, 0] <= 10)).all()
    assert np.isfinite(value).all()


def read_small_table(path: Path) -> np.ndarray:
    columns = (Column("a", 0, 10), Column("b"))
    return parse_table(str(path), path.read_bytes(), columns, rows=3)


def judge_member(value: bytes) -> None:
    assert isinstance(value, bytes)
    assert len(value) < 2**16


FUZZED: dict[str, tuple[Callable[[Path], Any], Callable[[Any], None], bytes]] = {
    "table": (read_small_table, judge_table, b"1,-2.5\r\n3e0,4\n0.5,1e-7\n"),
    "tar": (lambda path: read_tar_member(path, MEMBER, max_bytes=2**16), judge_member, b""),
}


@pytest.mark.parametrize("loader", FUZZED)
@pytest.mark.parametrize(
    ("seed", "count"),
    [
        pytest.param(40, 1_000, id="seed=40-1000"),
        pytest.param(41, 20_000, id="seed=41-20000", marks=pytest.mark.slow),
    ],
)
def test_damaged_files_are_refused_or_right(
    tmp_path: Path, loader: str, seed: int, count: int
) -> None:
    rng = random.Random(f"{loader}-{seed}")
    read, judge, original = FUZZED[loader]
    unpacked = tar(b"1,2\n")
    path = tmp_path / "f"

    def damaged() -> bytes:
        if loader == "table":
            return hostile.damage(rng, original)
        if rng.random() < 0.5:
            return hostile.damage(rng, gzip.compress(unpacked, mtime=0))
        return gzip.compress(hostile.damage(rng, unpacked), 1, mtime=0)

    files = (damaged() for _ in range(count))
    outcomes = fuzz_outcomes(f"{loader}-{seed}", path, files, read, judge)
    assert len(outcomes) >= 3, f"only {dict(outcomes)}"
    assert 0 < outcomes["accepted"] < count


def test_a_lenient_reader_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "f"
    path.write_bytes(field(7, b"nan"))
    monkeypatch.setattr(regression, "parse_table", lambda *args, **kw: table())
    with pytest.raises(AssertionError, match="accepted, and returned"):
        judge_refusal(read_housing, path)
