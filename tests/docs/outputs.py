"""Comparing what a page says that a command prints with what it prints."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence

_NUMBER = re.compile(r"(?<![\w.])[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")
_RULES = re.compile(r"[─━═-]{2,}")


def difference(said: Sequence[str], printed: Sequence[str], tolerance: float = 0.0) -> str | None:
    """How ``printed`` departs from what a page says, or None.

    A line of only ``...`` stands for any lines, and ``...`` in a line for any text. White space at
    the ends of lines does not count. With a ``tolerance``, numbers may differ by that part of them,
    and neither runs of white space nor the lengths of rules count, which follow from the numbers.
    """
    said = [line.rstrip() for line in said]
    printed = _trimmed([line.rstrip() for line in printed])
    if _matches(said, printed, tolerance):
        return None
    return "\n".join(
        difflib.unified_diff(said, printed, "the page", "what is printed", lineterm="", n=2)
    )


def _trimmed(lines: list[str]) -> list[str]:
    while lines and not lines[-1]:
        lines.pop()
    return lines


def _matches(said: Sequence[str], printed: Sequence[str], tolerance: float) -> bool:
    if not said:
        return not printed
    if said[0].strip() == "...":
        return any(_matches(said[1:], printed[k:], tolerance) for k in range(len(printed), -1, -1))
    return (
        bool(printed)
        and _same(said[0], printed[0], tolerance)
        and _matches(said[1:], printed[1:], tolerance)
    )


def _same(said: str, printed: str, tolerance: float) -> bool:
    if tolerance:
        said, printed = _loose(said), _loose(printed)
    pattern = _pattern(said, free_numbers=bool(tolerance))
    found = re.fullmatch(pattern, printed)
    if found is None:
        return False
    expected = [float(number) for number in _numbers(said)] if tolerance else []
    return all(
        abs(float(value) - number) <= tolerance * abs(number) + 1e-12
        for value, number in zip(found.groups(), expected, strict=True)
    )


def _loose(line: str) -> str:
    return _RULES.sub("--", re.sub(r"\s+", " ", line)).strip()


def _numbers(line: str) -> list[str]:
    return _NUMBER.findall(line)


def _pattern(line: str, *, free_numbers: bool) -> str:
    parts = []
    for piece in re.split(r"(\.\.\.)", line):
        if piece == "...":
            parts.append(".*")
        elif free_numbers:
            texts = [re.escape(text) for text in _NUMBER.split(piece)]
            parts.append(r"([-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)".join(texts))
        else:
            parts.append(re.escape(piece))
    return "".join(parts)
