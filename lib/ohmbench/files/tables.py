"""Tables of numbers in text: one row per line, separated by commas, no header, all finite."""

from __future__ import annotations

import io
import itertools
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ohmbench.errors import FileError
from ohmbench.files.opening import damaged

# float() alone would also take "nan", "inf", "1_000" and digits of other scripts.
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
_LONGEST_NUMBER = 40
_LONGEST_LINE = 4096


@dataclass(frozen=True)
class Column:
    """A column's name and the inclusive limits of its numbers."""

    name: str
    low: float = -math.inf
    high: float = math.inf


def _number(name: str, place: str, column: Column, text: str) -> float:
    text = text.strip(" \t")
    if len(text) > _LONGEST_NUMBER or not _NUMBER.fullmatch(text):
        raise FileError(name, f"{place} holds {text[:40]!r}, not a number", field=column.name)
    value = float(text)
    if not (math.isfinite(value) and column.low <= value <= column.high):
        raise FileError(
            name,
            f"{place} holds {value:g}, expected {column.low:g} to {column.high:g}",
            field=column.name,
            remedy="check that the columns are in order and the file is the right one",
        )
    return value


def _row(name: str, place: str, columns: Sequence[Column], line: bytes) -> list[float]:
    if len(line) > _LONGEST_LINE or not line.isascii():
        raise damaged(name, f"{place} is not a line of numbers")
    texts = line.decode("ascii").removesuffix("\n").removesuffix("\r").split(",")
    if len(texts) != len(columns):
        raise FileError(
            name,
            f"{place} has {len(texts)} columns, expected {len(columns)}",
            remedy=f"they should be {', '.join(c.name for c in columns)}",
        )
    return [_number(name, place, c, text) for c, text in zip(columns, texts, strict=True)]


def parse_table(
    name: str, data: bytes, columns: Sequence[Column], *, rows: int
) -> npt.NDArray[np.float64]:
    """Parse the bytes ``data`` of the file ``name`` as a table (rows, columns).

    Lines end in LF or CR LF; the last line may lack its end. Raises `FileError` naming line and
    column for anything that is not a number or is out of its limits, and for too few or too many
    columns or lines.
    """
    table = np.empty((rows, len(columns)))
    for k, line in enumerate(itertools.islice(io.BytesIO(data), rows)):
        table[k] = _row(name, f"line {k + 1}", columns, line)
    count = data.count(b"\n") + (not data.endswith(b"\n"))
    if count != rows:
        raise damaged(name, f"holds {count} lines, expected {rows}")
    return table
