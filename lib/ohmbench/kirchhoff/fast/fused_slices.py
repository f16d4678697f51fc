"""Whole slices by Runge-Kutta methods in compiled code, and their gradients.

Small circuits spend most of their time between evaluations; here only the choice of a step remains
between them. The backward pass is the discrete adjoint, the exact derivative of the steps that were
taken, which are stored as the voltages at their start.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import torch

from ohmbench.errors import OperandError
from ohmbench.kernels.lane_rows import Floats, lanes_of, numbers_of, rows_of, samples_of
from ohmbench.kernels.lanes import LANES
from ohmbench.kernels.parallel import PARTS
from ohmbench.kirchhoff.fast.edge_pass import attempt, evaluate_rows, march, march_back
from ohmbench.kirchhoff.fast.edge_plan import Plan
from ohmbench.kirchhoff.runge_kutta import TABLEAUX, Tableau
from ohmbench.kirchhoff.step_control import StepControl, error_norm
from ohmbench.tensors import FLOAT32
from ohmbench.transforms import followed, many_gradients


def _stages(tableau: Tableau) -> Floats:
    """The lower triangle of the tableau as a square array."""
    stages = len(tableau.lower)
    return np.array([(*row, *(0,) * (stages - len(row))) for row in tableau.lower], np.float32)


RK4 = _stages(TABLEAUX["rk4"])
RK4_WEIGHTS = np.array(TABLEAUX["rk4"].weights, np.float32)
DOPRI5 = _stages(TABLEAUX["dopri5"])
DOPRI5_ERROR = np.array(TABLEAUX["dopri5"].error, np.float32)


@dataclass(frozen=True)
class Start:
    """A slice to integrate from ``v`` (n_free, batch).

    ``with_div`` adds the integral of the divergence; ``keep`` stores the steps for gradients.
    """

    plan: Plan
    table: torch.Tensor
    v: torch.Tensor
    with_div: bool
    keep: bool

    @property
    def batch(self) -> int:
        """Number of samples."""
        return self.v.shape[1]


class Way(NamedTuple):
    """An integrated slice: steps as in ``edge_pass.march``, voltages at their starts and at the
    end, and the integral of the divergence (rows, LANES).
    """

    h_beta: Floats
    h_weights: Floats
    path: Floats
    div: Floats


Solve: TypeAlias = Callable[[Start], Way]


def refuse_others(*of: torch.Tensor) -> None:
    """Raise OperandError if the gradients ``of`` the results are used for more than one gradient.

    A second derivative does not exist here, and torch would treat the gradient as a constant;
    batched gradients are not numbers that compiled loops could read.
    """
    if torch.is_grad_enabled() or followed() or many_gradients(*of):
        raise OperandError(
            "compiled circuits have first derivatives only, one at a time; ask for path='plain' "
            "where gradients are to be differentiated or many taken at once"
        )


@contextmanager
def unwarned() -> Iterator[None]:
    """Let values that overflow float32 become infinite without a warning, as in the compiled loops
    and in torch: the solver checks for this at the end of each step or slice.
    """
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        yield


class _Slice(torch.autograd.Function):
    """End voltages (n_free, batch) and the integral of the divergence (batch,) by ``solve``."""

    @staticmethod
    @unwarned()
    def forward(
        ctx: Any,
        plan: Plan,
        table: torch.Tensor,
        v: torch.Tensor,
        with_div: bool,
        keep: bool,
        solve: Solve,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        start = Start(plan, table, v, with_div, keep)
        way = solve(start)
        if keep:
            ctx.plan, ctx.with_div, ctx.batch, ctx.way = plan, with_div, start.batch, way
            ctx.save_for_backward(table)
        div = numbers_of(way.div, start.batch) if with_div else v.new_empty(0)
        return samples_of(way.path[-1], start.batch), div

    @staticmethod
    @unwarned()
    def backward(ctx: Any, of_end: torch.Tensor, of_div: torch.Tensor) -> Any:
        refuse_others(of_end, of_div)
        (table,) = ctx.saved_tensors
        plan, way, with_div = ctx.plan, ctx.way, ctx.with_div
        circuit, of = plan.circuit(table), rows_of(of_end)
        wanted = lanes_of(of_div, len(of))

        def back(first: int, last: int, sums: Floats) -> None:
            march_back(
                circuit, way.h_beta, way.h_weights, first, last,
                way.path, of, wanted, with_div, sums,
            )  # fmt: skip

        of_table = plan.table_gradient(ctx.batch, table, with_div, back)
        return None, of_table, samples_of(of, ctx.batch), None, None, None


_taken: Callable[..., tuple[torch.Tensor, torch.Tensor]] = _Slice.apply


def take(
    plan: Plan, table: torch.Tensor, v: torch.Tensor, with_div: bool, solve: Solve
) -> tuple[torch.Tensor, torch.Tensor]:
    """Integrate a slice by ``solve``: end voltages (n_free, batch) and, if ``with_div``, the
    integral (batch,) of the divergence; empty otherwise.
    """
    keep = torch.is_grad_enabled() and (v.requires_grad or table.requires_grad)
    return _taken(plan, table, v, with_div, keep, solve)


def solve_rk4(start: Start, h: Floats) -> Way:
    """Take the steps ``h`` (steps,) of the fourth-order method."""
    h_beta, h_weights = h[:, None, None] * RK4, h[:, None] * RK4_WEIGHTS
    v = rows_of(start.v, spare=True)
    path = np.empty((len(h) + 1 if start.keep else 2, *v.shape), np.float32)
    path[0] = v
    div, circuit = np.zeros((len(v), LANES), np.float32), start.plan.circuit(start.table)
    start.plan.in_parts(
        start.batch,
        lambda _, lo, hi: march(circuit, h_beta, h_weights, lo, hi, path, div, start.with_div),
    )
    return Way(h_beta, h_weights, path, div)


class _State(NamedTuple):
    """Voltages, their slope (rows, n_free + 1, LANES); integral of the divergence, divergence."""

    v: Floats
    slope: Floats
    integral: Floats
    div: Floats

    @classmethod
    def at(cls, v: Floats) -> _State:
        """The state with its other parts still to be filled."""
        lanes = (len(v), LANES)
        return cls(v, np.empty_like(v), np.zeros(lanes, np.float32), np.zeros(lanes, np.float32))

    def finite(self) -> bool:
        return bool(np.isfinite(self.v).all() and np.isfinite(self.integral).all())


class _Steps:
    """What a slice needs to take steps of Dormand and Prince's method."""

    def __init__(self, start: Start, tol: float) -> None:
        self._start, self._tol = start, np.float32(tol)
        self._circuit = start.plan.circuit(start.table)

    def evaluated(self, v: Floats) -> _State:
        """The state at ``v``, with slope and divergence; the integral is 0."""
        state, with_div = _State.at(v), self._start.with_div
        self._start.plan.in_parts(
            self._start.batch,
            lambda _, lo, hi: evaluate_rows(
                self._circuit, lo, hi, v, state.slope, state.div, with_div
            ),
        )
        return state

    def choose_first(self, state: _State, control: StepControl) -> None:
        """The first step, from one more evaluation."""
        start, batch, tol = self._start, self._start.batch, torch.tensor(self._tol, **FLOAT32)
        scales = samples_of(state.v, batch).abs().mul_(tol).add_(tol), tol

        def norm(of_v: Floats, of_div: Floats) -> float:
            parts = [samples_of(of_v, batch), numbers_of(of_div, batch)]
            given = len(parts) if start.with_div else 1
            return float(error_norm(parts[:given], scales[:given]))

        steep = norm(state.slope, state.div)
        trial = control.trial(norm(state.v, state.integral), steep)
        there = self.evaluated(state.v + np.float32(control.sign * trial) * state.slope)
        change = norm(there.slope - state.slope, there.div - state.div)
        control.choose_first(trial, steep, change)

    def attempt(self, state: _State, h: float) -> tuple[_State, float]:
        """The end of a step of ``h`` seconds, and the ratio of its error to the tolerance."""
        start, end = self._start, _State.at(np.empty_like(state.v))
        squares = np.zeros((PARTS, 2))
        how = np.float32(h) * DOPRI5, np.float32(h) * DOPRI5_ERROR, self._tol, start.batch
        start.plan.in_parts(
            start.batch,
            lambda p, lo, hi: attempt(
                self._circuit, *how, lo, hi, tuple(state), tuple(end), start.with_div, squares[p]
            ),
        )
        of_v, of_integral = squares.sum(0) / max(1, start.batch)
        # The larger of both; NaN compares as neither.
        return end, float(np.sqrt(np.max([of_v / len(start.v), of_integral])))


def solve_dopri5(start: Start, control: StepControl) -> Way:
    """Take the steps of Dormand and Prince's method that ``control`` chooses; raises as it does."""
    steps = _Steps(start, control.tol)
    state = steps.evaluated(rows_of(start.v, spare=True))
    if control.first_step is None:
        steps.choose_first(state, control)
    path = [state.v]
    while not control.done:
        end, ratio = steps.attempt(state, control.offer(state.finite()))
        if control.judge(ratio):
            state = end
            path = [*(path if start.keep else []), state.v]
    h = np.array(control.accepted, np.float32)
    # The last node is the end; the backward pass does not need its slope.
    h_beta, h_weights = h[:, None, None] * DOPRI5[:6, :6], h[:, None] * DOPRI5[6, :6]
    return Way(h_beta, h_weights, np.stack(path), state.integral)
