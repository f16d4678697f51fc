"""Strict reading of reports: a figure is found exactly where it should be, or it is an error.

A parser never guesses. A figure that is missing, occurs twice, or is not a finite number is a
``ReportError`` that names the file and the pattern. There are no default values.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path

from ohmbench.eda.tools import ToolError
from ohmbench.errors import FileError, one_line
from ohmbench.files import read_text


class ReportError(ToolError):
    """A report that does not contain exactly one match of what was looked for."""

    def __init__(self, file: str, pattern: str, problem: str) -> None:
        self.file, self.pattern = file, pattern
        super().__init__(f"{file}: {problem}: {pattern}")


@dataclass(frozen=True)
class ReportText:
    """The text of a report, and its name in error messages."""

    name: str
    text: str

    def one(self, pattern: str) -> re.Match[str]:
        """The only match of ``pattern`` (multi-line). Raises ReportError."""
        found = list(re.finditer(pattern, self.text, flags=re.MULTILINE))
        if len(found) != 1:
            problem = "not found" if not found else f"found {len(found)} times, not once"
            raise ReportError(self.name, pattern, problem)
        return found[0]

    def last(self, pattern: str) -> re.Match[str]:
        """The last of several matches, for what a tool prints after each of its steps."""
        found = list(re.finditer(pattern, self.text, flags=re.MULTILINE))
        if not found:
            raise ReportError(self.name, pattern, "not found")
        return found[-1]

    def same(self, pattern: str) -> re.Match[str]:
        """The first of several matches, all equal, for what a tool prints repeatedly."""
        found = list(re.finditer(pattern, self.text, flags=re.MULTILINE))
        if not found:
            raise ReportError(self.name, pattern, "not found")
        if len({match.groups() for match in found}) != 1:
            raise ReportError(self.name, pattern, "found with different values")
        return found[0]

    def number(self, pattern: str) -> float:
        """The number in the only group of ``pattern``, which must match once; finite."""
        return self.finite(self.one(pattern)[1], pattern)

    def count(self, pattern: str) -> int:
        """As ``number``, for a count."""
        return self.whole(self.one(pattern)[1], pattern)

    def finite(self, text: str, pattern: str) -> float:
        """``text`` as a number. Raises ReportError naming ``pattern`` unless it is finite."""
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise ReportError(self.name, pattern, f"{one_line(text)!r} is not a finite number")
        return value

    def whole(self, text: str, pattern: str) -> int:
        """``text`` as a count. Raises ReportError naming ``pattern`` unless it is one."""
        if not re.fullmatch(r"\d+", text):
            raise ReportError(self.name, pattern, f"{one_line(text)!r} is not a count")
        return int(text)

    def between(self, start: str, end: str) -> ReportText:
        """The text after the only match of ``start``, up to the next match of ``end``."""
        begins = self.one(start)
        ends = re.compile(end, flags=re.MULTILINE).search(self.text, begins.end())
        if ends is None:
            raise ReportError(self.name, end, "not found")
        return ReportText(self.name, self.text[begins.end() : ends.start()])

    def after(self, start: str) -> ReportText:
        """The text after the only match of ``start``."""
        return ReportText(self.name, self.text[self.one(start).end() :])


def read_report(path: Path) -> ReportText:
    """Read a report file. Raises ReportError when it does not exist or is not text."""
    try:
        return ReportText(path.name, read_text(path))
    except FileError as error:
        raise ReportError(path.name, "(the file itself)", error.reason) from None
