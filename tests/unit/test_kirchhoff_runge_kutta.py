"""Runge-Kutta methods: the conditions of their orders, and the orders themselves."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import pytest
import torch

from ohmbench.kirchhoff.runge_kutta import TABLEAUX, State, _choose_first, adapt_steps, take_steps
from ohmbench.kirchhoff.simulation import FIXED_STEP, SolverError
from ohmbench.kirchhoff.step_control import StepControl, error_norm

F64 = torch.float64
ORDERS = {**FIXED_STEP, "dopri5": 5}
methods = pytest.mark.parametrize("method", TABLEAUX)


def exact(x: float) -> Fraction:
    return Fraction(x).limit_denominator(10_000_000)


def conditions(method: str, weights: tuple[float, ...], order: int) -> None:
    """The order conditions up to the fourth (Hairer, Norsett and Wanner, II.2), exactly."""
    tableau = TABLEAUX[method]
    b = [exact(x) for x in weights]
    a = [[exact(x) for x in row] + [Fraction(0)] * (len(b) - len(row)) for row in tableau.lower]
    c = [sum(row, Fraction(0)) for row in a]

    def weighted(values: list[Fraction]) -> Fraction:
        return sum((x * y for x, y in zip(b, values, strict=True)), Fraction(0))

    def applied(values: list[Fraction]) -> list[Fraction]:
        return [sum((x * y for x, y in zip(row, values, strict=True)), Fraction(0)) for row in a]

    square, cube = [x * x for x in c], [x**3 for x in c]
    trees = {
        1: [([Fraction(1)] * len(b), Fraction(1))],
        2: [(c, Fraction(1, 2))],
        3: [(square, Fraction(1, 3)), (applied(c), Fraction(1, 6))],
        4: [
            (cube, Fraction(1, 4)),
            ([x * y for x, y in zip(c, applied(c), strict=True)], Fraction(1, 8)),
            (applied(square), Fraction(1, 12)),
            (applied(applied(c)), Fraction(1, 24)),
        ],
    }
    for p in range(1, min(order, 4) + 1):
        for values, right in trees[p]:
            assert weighted(values) == right, f"{method}: a condition of order {p}"


@methods
def test_order_conditions(method: str) -> None:
    tableau = TABLEAUX[method]
    conditions(method, tableau.weights, ORDERS[method])
    assert set(TABLEAUX) == set(ORDERS)
    assert [len(row) for row in tableau.lower] == list(range(len(tableau.lower)))
    if tableau.error:  # of a method of one order less
        lower = tuple(a - b for a, b in zip(tableau.weights, tableau.error, strict=True))
        conditions(method, lower, ORDERS[method] - 1)


def spiral(t: float, state: State) -> State:
    """dv/dt = (1 + t) A v, whose solution is exp((t + t^2/2) A) v, and a plain integral of t."""
    (v, total) = state
    a = torch.tensor([[-0.3, 1.0], [-1.0, -0.3]], dtype=F64)
    return (1 + t) * (v @ a.T), torch.full_like(total, math.cos(t))


START: State = (torch.tensor([[1.0, 0.5]], dtype=F64), torch.zeros(1, dtype=F64))


def solution(t: float, start: State = START) -> State:
    a = torch.tensor([[-0.3, 1.0], [-1.0, -0.3]], dtype=F64)
    return start[0] @ torch.matrix_exp((t + t * t / 2) * a).T, torch.full(
        (1,), math.sin(t), dtype=F64
    )


def error(state: State, t: float) -> float:
    return float((state[0] - solution(t)[0]).abs().max())


@methods
@pytest.mark.parametrize("back", [False, True])
def test_convergence_order(method: str, back: bool) -> None:
    errors = []
    counts = (8, 16, 32, 64)
    for n in counts:
        if back:
            end = take_steps(spiral, 1.0, solution(1.0), [-1.0 / n] * n, method)
            errors.append(float((end[0] - START[0]).abs().max()))
        else:
            errors.append(error(take_steps(spiral, 0.0, START, [1.0 / n] * n, method), 1.0))
    slopes = [math.log2(a / b) for a, b in itertools.pairwise(errors)]
    assert slopes[-1] == pytest.approx(ORDERS[method], abs=0.15), slopes


def refuse(time: float, reason: str, remedy: str) -> Exception:
    return SolverError(f"{time}: {reason}; {remedy}")


@pytest.mark.parametrize("first_step", [None, 0.01, 3.0])
@pytest.mark.parametrize("tol", [1e-4, 1e-7, 1e-10])
def test_adaptive_steps_keep_their_tolerance(tol: float, first_step: float | None) -> None:
    control = StepControl(0, 1, tol=tol, first_step=first_step, min_step=0.0, refused=refuse)
    end = adapt_steps(spiral, 0.0, START, control)
    assert error(end, 1.0) <= 10 * tol
    assert math.fsum(control.accepted) == pytest.approx(1.0)
    assert torch.allclose(end[1], solution(1.0)[1], rtol=0, atol=10 * tol)


def test_evaluations_are_counted_as_made() -> None:
    calls = []

    def f(t: float, state: State) -> State:
        calls.append(t)
        return spiral(t, state)

    for first_step in (None, 0.1):
        calls.clear()
        control = StepControl(0, 1, tol=1e-6, first_step=first_step, min_step=0, refused=refuse)
        adapt_steps(f, 0.0, START, control)
        assert len(calls) == control.evaluations


def test_a_method_that_cannot_go_on_says_so() -> None:
    control = StepControl(0, 1, tol=1e-6, first_step=0.1, min_step=0.2, refused=refuse)
    with pytest.raises(SolverError, match="needs steps below"):
        adapt_steps(lambda t, s: (1e4 * s[0],), 0.0, START[:1], control)
    control = StepControl(0, 1, tol=1e-6, first_step=0.1, min_step=0, refused=refuse)
    with pytest.raises(SolverError, match="too short"):
        adapt_steps(lambda t, s: (s[0] * math.nan,), 0.0, START[:1], control)


def test_the_trial_step_is_of_the_state_and_its_slope() -> None:
    """A hundredth of the time in which the slope would change the state by itself (Hairer,
    Norsett and Wanner, Solving Ordinary Differential Equations I, II.4)."""
    asked = []

    class Control:
        tol, sign = 1e-3, 1.0

        def trial(self, size: float, slope: float) -> float:
            asked.append((size, slope))
            return 0.25

        def choose_first(self, trial: float, slope: float, change: float) -> None:
            asked.append((trial, slope, change))

    state, slope = (torch.full((2,), 3.0, dtype=torch.float64),), (torch.full((2,), 0.5),)
    scale = 1e-3 + 1e-3 * 3
    _choose_first(lambda t, x: (slope[0] + 1,), 0.0, state, slope, Control())  # type: ignore[arg-type]
    assert asked[0] == pytest.approx((3 / scale, 0.5 / scale))
    assert asked[1] == pytest.approx((0.25, 0.5 / scale, 1 / scale))


def test_norms_do_not_overflow() -> None:
    large = torch.tensor([3e30, 3e30])
    assert float(error_norm((large,))) == pytest.approx(3e30)
    assert not math.isfinite(float(error_norm((large * math.nan,))))
    assert error_norm((large / 1e30,)).dtype == torch.float32
