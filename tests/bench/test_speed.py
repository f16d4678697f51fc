"""Every fast path compared with its reference: time, memory and amount of work as before."""

from collections.abc import Callable

import pytest

from tests.bench.cases import CASES, Case


def _marks(case: Case) -> list[pytest.MarkDecorator]:
    needs = [pytest.mark.needs(*case.needs)] if case.needs else []
    return needs + [pytest.mark.slow] * case.slow


@pytest.mark.parametrize("name", [pytest.param(n, marks=_marks(c)) for n, c in CASES.items()])
def test_speed(name: str, gate: Callable[[Case], None]) -> None:
    gate(CASES[name])
