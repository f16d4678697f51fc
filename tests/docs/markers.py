"""Generated text in Markdown: what stands between a marker and its end.

A block stands on lines of its own: ``<!-- generated: NAME -->`` ... ``<!-- end -->``. One value in
a sentence is ``<!-- claim: ID -->...<!-- end -->`` or ``<!-- figure: NAME -->...<!-- end -->``.
Markers in code are text.
"""

from __future__ import annotations

import re
from collections.abc import Callable

KINDS = ("generated", "claim", "figure")
_OPENS = re.compile(rf"<!-- ({'|'.join(KINDS)}): (.*?) -->")
_END = "<!-- end -->"
_CODE = re.compile(r"^(```+|~~~+).*?^\1$|(?<!`)`[^`\n]+`(?!`)", re.M | re.S)


class MarkerError(ValueError):
    """A marker without an end, of an unknown name, or an end without a marker."""


def fill(text: str, value: Callable[[str, str], str]) -> str:
    """``text`` with ``value(kind, name)`` between every marker and its end.

    Raises MarkerError for markers that are not in pairs; what ``value`` raises passes through.
    """
    code = [(block.start(), block.end()) for block in _CODE.finditer(text)]
    parts, at = [], 0
    while opened := _OPENS.search(text, at):
        parts.append(_plain(text[at : opened.start()]))
        inside = next((end for start, end in code if start <= opened.start() < end), None)
        if inside is not None:
            parts.append(text[opened.start() : inside])
            at = inside
            continue
        end = text.find(_END, opened.end())
        following = _OPENS.search(text, opened.end())
        if end < 0 or (following and following.start() < end):
            raise MarkerError(f"{opened[0]}: no {_END} follows it")
        # A block keeps its own lines, and Markdown wants tables apart from what surrounds them.
        block = text[opened.end() :].startswith("\n")
        if not block and text[: opened.start()].endswith("\n"):
            raise MarkerError(f"{opened[0]}: at the start of a line it would begin a block of HTML")
        new = value(opened[1], opened[2])
        parts += [opened[0], f"\n\n{new.strip()}\n\n" if block else new, _END]
        at = end + len(_END)
    parts.append(_plain(text[at:]))
    return "".join(parts)


def names(text: str) -> list[tuple[str, str]]:
    """The kind and name of every marker in ``text``."""
    found: list[tuple[str, str]] = []

    def note(kind: str, name: str) -> str:
        found.append((kind, name))
        return ""

    fill(text, note)
    return found


def _plain(text: str) -> str:
    if _END in _CODE.sub("", text):
        raise MarkerError(f"{_END} without a marker before it")
    return text
