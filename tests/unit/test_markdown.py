"""Markdown tables show text from files as it is, in its own cell, whatever it holds."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from ohmbench.report.markdown import escaped, table
from tests.unit.markdown_checks import cells_of

HOSTILE = [
    "a|b",
    r"a\|b",
    "`code` and ``more``",
    "**bold** _it_ ~~gone~~",
    "<script>alert(1)</script>",
    "<!-- hidden -->",
    "&lt;b&gt; &amp;",
    "[link](https://example.org) ![picture](https://example.org/x.png)",
    "two\nlines\r\nand\ta tab",
    "\x1b[31mred\x1b[0m \x9b31m",
    "left\u202etfel",
    "@someone, see #12",
    "\\",
    "trailing \\",
]


def shown(cell: list[Token]) -> str:
    """The text that a reader sees. Anything but text and empty comments is an error."""
    for token in cell:
        assert token.type in ("text", "text_special") or token.content == "<!-- -->", token
    return "".join(token.content for token in cell if token.type != "html_inline")


def assert_kept(escape: Callable[[str], str], text: str) -> None:
    """In the middle of a row, ``text`` takes one cell and reads as it is written."""
    made = table(["a", "b", "c"], [["left", escape(text), "right"]])
    tokens = MarkdownIt("commonmark").enable("table").parse(made)
    cells = [token.children or [] for token in tokens if token.type == "inline"][3:]
    assert len(cells) == 3
    assert [shown(cells[0]), shown(cells[2])] == ["left", "right"]
    printable = "".join(c if c.isprintable() else " " for c in text)
    assert shown(cells[1]).strip() == printable.strip()
    # GitHub looks for these in what is shown, not in the source.
    assert not re.search(r"@\w", escape(text))


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_is_text(text: str) -> None:
    assert_kept(escaped, text)


@given(st.text())
def test_any_text_is_text(text: str) -> None:
    assert_kept(escaped, text)


@pytest.mark.parametrize("text", HOSTILE[:-2], ids=range(len(HOSTILE) - 2))
def test_planted_text_that_is_not_escaped_is_caught(text: str) -> None:
    with pytest.raises(AssertionError):
        assert_kept(lambda text: text, text)


def test_cells_stand_where_they_belong() -> None:
    made = table(["a", "b"], [["1", "2"], ["", escaped("x|y")]])
    assert cells_of(made) == [["a", "b"], ["1", "2"], ["", r"x\|y"]]
    with pytest.raises(AssertionError):
        cells_of(table(["a", "b"], [["1", "x|y"]]))
