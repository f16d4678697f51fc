"""Every option of every command reaches what it is for: another value shows in what comes out."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.unit.option_rows import (
    ROWS,
    Row,
    Seen,
    drawn_as_text,
    every_option,
    see,
    stand_ins,
    world,
)

__all__ = ["drawn_as_text", "see", "stand_ins", "world"]


def test_every_option_has_a_row() -> None:
    assert {row.option for row in ROWS} == set(every_option())


IDS = [f"{row.option} {k}" for k, row in enumerate(ROWS)]


@pytest.mark.parametrize("row", ROWS, ids=IDS)
def test_an_option_shows(row: Row, see: Callable[..., Seen]) -> None:
    first, second = (
        row.look(see(f"{row.command} {options}", row.before)) for options in (row.first, row.second)
    )
    assert first != second
    assert row.right(first, second), (first, second)
