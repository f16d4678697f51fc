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


@pytest.fixture(scope="module")
def remembered() -> dict[tuple[str, tuple[str, ...]], Seen]:
    """Runs of these tests, many of which begin with the same one."""
    return {}


@pytest.mark.parametrize("row", ROWS, ids=IDS)
def test_an_option_shows(
    row: Row,
    see: Callable[..., Seen],
    remembered: dict[tuple[str, tuple[str, ...]], Seen],
) -> None:
    shown = []
    for options in (row.first, row.second):
        run = f"{row.command} {options}", tuple(row.before)
        if run not in remembered:
            remembered[run] = see(run[0], row.before)
        shown.append(row.look(remembered[run]))
    first, second = shown
    assert first != second
    assert row.right(first, second), (first, second)
