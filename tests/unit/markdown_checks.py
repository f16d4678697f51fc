"""Assertions on the Markdown that commands print."""

from __future__ import annotations

import re


def cells_of(text: str) -> list[list[str]]:
    """The cells of the table in ``text``, headers first.

    Fails if rows differ in their number of cells, or if the text contains a control character or
    HTML other than a line break or a comment.
    """
    assert all(c.isprintable() or c == "\n" for c in text), "control character"
    assert "<" not in text.replace("<br>", "").replace("<!-- -->", ""), "HTML"
    rows = [
        [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        for line in text.splitlines()
        if line.startswith("|")
    ]
    assert len({len(row) for row in rows}) == 1, f"rows of different lengths: {rows}"
    headers, rule, *body = rows
    assert set(rule) == {"---"}
    return [headers, *body]
