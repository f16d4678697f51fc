"""CSV files with a header line, as spreadsheets, pandas and R write them."""

from __future__ import annotations

import csv
import io
import math
import re
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
from typing_extensions import override

from ohmbench.errors import FileError
from ohmbench.files.opening import PathLike, only_file_errors, open_bounded

MAX_BYTES = 256 * 2**20  # MNIST as CSV has 110 MB
MAX_COLUMNS = 10_000
_LONGEST_CELL = 1024
_LONGEST_ROW = 4 * 2**20  # characters: 10 000 columns of 400
_DELIMITERS = ",;\t"
_MISSING = frozenset(("", "na", "n/a", "nan", "null", "none", "?"))
# float() also takes "1_000", "inf" and the digits of other scripts.
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)

Choice = Callable[[tuple[str, ...]], tuple[Sequence[str], Sequence[str]]]
"""A function that gets all column names and returns those to read as numbers and as texts."""


@dataclass(frozen=True)
class CsvTable:
    """Columns of a CSV file.

    ``numbers``: float64 (rows, len(number_names)), all finite. ``texts``: by name, (rows,) each.
    ``lines`` (rows,): the rows' line numbers in the file.
    """

    path: str
    number_names: tuple[str, ...]
    numbers: npt.NDArray[np.float64]
    texts: dict[str, list[str]]
    lines: npt.NDArray[np.int64]

    def fault(self, row: int, column: str, reason: str, remedy: str) -> FileError:
        """The error about one cell; ``row`` counts from 0."""
        return _fault(self.path, int(self.lines[row]), column, reason, remedy)


def _fault(path: str, line: int, column: str, reason: str, remedy: str) -> FileError:
    return FileError(path, reason, field=f"line {line}, column {column!r}", remedy=remedy)


def read_csv(path: PathLike, choose: Choice, *, max_bytes: int = MAX_BYTES) -> CsvTable:
    """Read columns of a CSV file: UTF-8 with or without a byte-order mark, a header, then rows.

    Cells are separated by commas, semicolons or tabs, whichever is most frequent in the header, and
    may be quoted. Spaces around a cell are ignored, and empty lines are skipped. Columns that
    ``choose`` leaves out are not checked. Raises FileError naming line and column for a cell that
    is missing or not a finite number, and naming the line for a row with more or fewer cells than
    the header. A header that has only numbers, a repeated name, or an empty name after the first
    column is refused too.
    """
    name, file, _ = open_bounded(path, max_bytes)
    bounded = io.BufferedReader(_Bounded(name, file, max_bytes), 1 << 16)
    with file, only_file_errors(name), io.TextIOWrapper(bounded, "utf-8-sig", newline="") as text:
        try:
            return _read(name, text, choose)
        except UnicodeDecodeError as error:
            byte = error.object[error.start]
            raise FileError(
                name, f"is not text in UTF-8: it has a byte 0x{byte:02x}", remedy="save it as UTF-8"
            ) from None


class _Bounded(io.RawIOBase):
    """The bytes of a file, at most ``max_bytes`` of them, even if the file grows during reading."""

    def __init__(self, name: str, file: BinaryIO, max_bytes: int) -> None:
        self._name, self._file, self._max_bytes = name, file, max_bytes

    @override
    def readable(self) -> bool:
        return True

    @override
    def seekable(self) -> bool:
        return True

    @override
    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    @override
    def tell(self) -> int:
        return self._file.tell()

    @override
    def readinto(self, buffer: Any) -> int:
        found = self._file.read(len(buffer))
        if self._file.tell() > self._max_bytes:
            raise FileError(
                self._name,
                f"became longer than {self._max_bytes} bytes, which are accepted at most",
            )
        buffer[: len(found)] = found
        return len(found)


class _Lines:
    """The lines of a text.

    ``suspicious``: recent lines may hold text that float() accepts but that is not a number here.
    ``row``: number of characters since a row began, in line ``begin``.
    """

    def __init__(self, name: str, text: io.TextIOWrapper) -> None:
        self._name, self._text = name, text
        self.suspicious = False
        self.row, self.begin = 0, 1

    def first(self) -> str:
        """The first line that is not blank; the text is rewound afterwards."""
        readline = self._text.readline
        while (line := readline(_LONGEST_ROW + 1)) and line.isspace():
            pass
        self._text.seek(0)
        return line

    def __iter__(self) -> Iterator[str]:
        readline = self._text.readline
        while line := readline(_LONGEST_ROW + 1):
            self.row += len(line)
            if self.row > _LONGEST_ROW:
                raise FileError(
                    self._name,
                    f"has a row of more than {_LONGEST_ROW} characters",
                    field=f"line {self.begin}",
                    remedy="look for a quote that is not closed",
                )
            if "\0" in line:
                raise ValueError("it holds zero bytes, which text cannot contain")
            self.suspicious = self.suspicious or "_" in line or not line.isascii()
            yield line


def _read(name: str, text: io.TextIOWrapper, choose: Choice) -> CsvTable:
    lines = _Lines(name, text)
    delimiter = max(_DELIMITERS, key=lines.first().count)
    reader = csv.reader(lines, delimiter=delimiter, strict=True, skipinitialspace=True)
    rows = _rows(name, reader, lines)
    line, header = next(rows, (0, None))
    if header is None:
        raise FileError(name, "holds no rows", remedy="name a CSV file with a header line")
    names = _checked_header(name, line, header)
    number_names, text_names = choose(names)
    place_of = {column: k for k, column in enumerate(names)}
    places = [place_of[column] for column in number_names]
    text_places = {column: place_of[column] for column in text_names}
    numbers, numbers_of_lines = array("d"), array("q")
    texts: dict[str, list[str]] = {column: [] for column in text_names}
    lines.suspicious = False
    for line, row in rows:
        if len(row) != len(names):
            raise FileError(
                name,
                f"has {len(row)} cells, but the header has {len(names)}",
                field=f"line {line}",
                remedy="every row needs one cell for each column",
            )
        cells = [row[k] for k in places]
        try:
            values = [float(cell) for cell in cells]
        except ValueError:
            values = [math.nan]
        if lines.suspicious or not all(map(math.isfinite, values)):
            _check_numbers(name, line, number_names, cells)
            lines.suspicious = False
        numbers.extend(values)
        numbers_of_lines.append(line)
        for column, k in text_places.items():
            texts[column].append(row[k])
    if not numbers_of_lines:
        raise FileError(name, "has a header but no rows", remedy="add the data")
    return CsvTable(
        name,
        tuple(number_names),
        np.array(numbers, np.float64).reshape(len(numbers_of_lines), len(places)),
        texts,
        np.array(numbers_of_lines, np.int64),
    )


def _rows(name: str, reader: Iterator[list[str]], lines: _Lines) -> Iterator[tuple[int, list[str]]]:
    line = 1
    try:
        for row in reader:
            lines.row, lines.begin = 0, reader.line_num + 1  # type: ignore[attr-defined]
            if not row:
                line = lines.begin
                continue
            if len(row) > MAX_COLUMNS:
                raise FileError(name, f"has more than {MAX_COLUMNS} columns", field=f"line {line}")
            cells = [cell.strip() for cell in row]
            if any(len(cell) > _LONGEST_CELL for cell in cells):
                reason = f"has a cell of more than {_LONGEST_CELL} characters"
                raise FileError(name, reason, field=f"line {line}")
            if any(cells):
                yield line, cells
            line = lines.begin
    except csv.Error as error:
        raise FileError(
            name, f"is not CSV: {error}", field=f"line {line}", remedy="correct the line"
        ) from None


def _checked_header(name: str, line: int, header: list[str]) -> tuple[str, ...]:
    remedy = "the first line has to name the columns"
    if all(_NUMBER.fullmatch(cell) for cell in header):
        raise FileError(name, "has numbers in its first line, not names", remedy=remedy)
    seen: set[str] = set()
    for k, cell in enumerate(header):
        if not cell and k > 0:  # pandas writes its index below an empty first name
            reason = f"has no name for column {k + 1}"
            raise FileError(name, reason, field=f"line {line}", remedy=remedy)
        if cell in seen:
            reason = f"names column {cell!r} twice"
            raise FileError(name, reason, field=f"line {line}", remedy=remedy)
        seen.add(cell)
    return tuple(header)


def _check_numbers(name: str, line: int, columns: Sequence[str], cells: Sequence[str]) -> None:
    """Raise FileError for the first cell that is not a finite number."""
    for column, cell in zip(columns, cells, strict=True):
        if cell.lower() in _MISSING:
            raise _fault(name, line, column, "has no value", "fill it in or leave the row out")
        if not _NUMBER.fullmatch(cell) or not math.isfinite(float(cell)):
            shown = cell if len(cell) <= 40 else f"{cell[:40]}..."
            reason = f"holds {shown!r}, not a finite number"
            raise _fault(name, line, column, reason, "correct the cell, or leave the column out")
