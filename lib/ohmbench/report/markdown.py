"""Tables in GitHub's Markdown, with text from files kept as text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

_MARKUP = re.compile(r"([\\`*_{}\[\]#|~!])")
# GitHub notifies whoever a comment names; an empty HTML comment after the @ prevents that.
_MENTION = "@<!-- -->"


def escaped(text: str) -> str:
    """``text`` as Markdown that shows exactly this text in one cell of a table.

    Control characters, line ends among them, become spaces: a cell is one line, and a terminal that
    shows the source obeys none of them.
    """
    line = "".join(c if c.isprintable() else " " for c in text)
    line = line.replace("&", "&amp;").replace("<", "&lt;")
    return _MARKUP.sub(r"\\\1", line).replace("@", _MENTION)


def table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """The lines of a table. Its cells are Markdown: text from files goes through ``escaped``."""
    lines = [headers, ["---"] * len(headers), *rows]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)
