"""Runge-Kutta methods: their tableaux, and steps made only of torch's own operations.

torchdiffeq assigns in place and has autograd functions that torch.func cannot transform. Steps here
are sums of tensors and nothing else; a method is its tableau. Gradients treat the step sizes as
constants.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

import torch

from ohmbench.errors import OperandError
from ohmbench.kirchhoff.step_control import StepControl, error_norm, is_finite
from ohmbench.transforms import batched, numbers

State: TypeAlias = tuple[torch.Tensor, ...]
"""Voltages and, if it is integrated too, the change of log-density."""

Slope: TypeAlias = Callable[[float, State], State]
"""The time derivative of a state at a time in seconds."""


class Tableau(NamedTuple):
    """Weights of the earlier slopes for each stage, weights of the end of the step and, if the
    method estimates its error, the weights of that error.
    """

    lower: tuple[tuple[float, ...], ...]
    weights: tuple[float, ...]
    error: tuple[float, ...] = ()


# Dormand and Prince, "A family of embedded Runge-Kutta formulae" (1980), RK5(4)7M: the last stage
# is the end of the step. The error weights are Shampine's ("Some practical Runge-Kutta formulas",
# 1986), as in torchdiffeq.
_PRINCE = (
    (),
    (1 / 5,),
    (3 / 40, 9 / 40),
    (44 / 45, -56 / 15, 32 / 9),
    (19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729),
    (9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656),
    (35 / 384, 0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84),
)
_PRINCE_END = (*_PRINCE[-1], 0.0)
_SHAMPINE = (1951 / 21600, 0, 22642 / 50085, 451 / 720, -12231 / 42400, 649 / 6300, 1 / 60)

TABLEAUX = {
    "euler": Tableau(((),), (1.0,)),
    "midpoint": Tableau(((), (1 / 2,)), (0.0, 1.0)),
    "heun2": Tableau(((), (1.0,)), (1 / 2, 1 / 2)),
    "heun3": Tableau(((), (1 / 3,), (0.0, 2 / 3)), (1 / 4, 0.0, 3 / 4)),
    # torchdiffeq's fourth-order method is the 3/8 rule.
    "rk4": Tableau(((), (1 / 3,), (-1 / 3, 1.0), (1.0, -1.0, 1.0)), (1 / 8, 3 / 8, 3 / 8, 1 / 8)),
    "dopri5": Tableau(
        _PRINCE, _PRINCE_END, tuple(a - b for a, b in zip(_PRINCE_END, _SHAMPINE, strict=True))
    ),
}
"""Method -> its tableau."""


def _moved(state: State, h: float, weights: Sequence[float], slopes: Sequence[State]) -> State:
    """``state`` plus ``h`` times the weighted sum of ``slopes``."""
    for weight, slope in zip(weights, slopes, strict=False):
        if weight:
            state = tuple(x + h * weight * dx for x, dx in zip(state, slope, strict=True))
    return state


def _slopes(
    f: Slope, t: float, state: State, h: float, tableau: Tableau, first: State
) -> list[State]:
    """The slope of each stage of a step of ``h``; ``first`` is the slope at its start."""
    slopes = [first]
    for row in tableau.lower[1:]:
        slopes.append(f(t + h * math.fsum(row), _moved(state, h, row, slopes)))
    return slopes


def take_steps(f: Slope, t: float, state: State, steps: Sequence[float], method: str) -> State:
    """``state`` at ``t`` after the signed ``steps`` (s) of ``method``."""
    tableau = TABLEAUX[method]
    for h in steps:
        slopes = _slopes(f, t, state, h, tableau, f(t, state))
        state, t = _moved(state, h, tableau.weights, slopes), t + h
    return state


def _seen(state: State) -> State:
    """The numbers behind a state.

    Raises OperandError inside a vmap, where each sample has its own numbers but one step size must
    fit all.
    """
    if any(map(batched, state)):
        raise OperandError(
            "an adaptive method chooses its steps for a batch as a whole, and torch.func.vmap "
            "keeps samples apart: give them as one batch, or use a fixed-step method"
        )
    return tuple(map(numbers, state))


def _choose_first(f: Slope, t: float, state: State, slope: State, control: StepControl) -> None:
    scales = [control.tol + control.tol * x.abs() for x in _seen(state)]
    steep = float(error_norm(_seen(slope), scales))
    trial = control.trial(float(error_norm(_seen(state), scales)), steep)
    h = control.sign * trial
    there = f(t + h, _moved(state, h, (1.0,), [slope]))
    change = [b - a for a, b in zip(_seen(slope), _seen(there), strict=True)]
    control.choose_first(trial, steep, float(error_norm(change, scales)))


def adapt_steps(f: Slope, t: float, state: State, control: StepControl) -> State:
    """``state`` at ``t`` after the steps of dopri5 that ``control`` chooses; raises as it does."""
    tableau = TABLEAUX["dopri5"]
    first = f(t, state)
    if control.first_step is None:
        _choose_first(f, t, state, first, control)
    while not control.done:
        before = _seen(state)
        h = control.offer(all(map(is_finite, before)))
        slopes = _slopes(f, t, state, h, tableau, first)
        end = _moved(state, h, tableau.weights, slopes)
        none = tuple(map(torch.zeros_like, before))
        error = _moved(none, h, tableau.error, [_seen(slope) for slope in slopes])
        scales = [
            control.tol + control.tol * torch.maximum(a.abs(), b.abs())
            for a, b in zip(before, _seen(end), strict=True)
        ]
        if control.judge(float(error_norm(error, scales))):
            state, t, first = end, t + h, slopes[-1]
    return state
