"""Every fast path compared with its reference: time, memory and amount of work as before."""

from collections.abc import Callable

import pytest

from tests.bench.cases import CASES, Case


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[pytest.mark.slow] * c.slow) for n, c in CASES.items()]
)
def test_speed(name: str, gate: Callable[[Case], None]) -> None:
    gate(CASES[name])
