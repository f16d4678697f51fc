"""Circuits of any size in one pass over their edges, for single evaluations and for whole slices.

Gather and scatter move every edge's voltages and currents through memory several times; here they
stay in registers (``edge_pass``). float32 on the CPU only; the reference is the plain right-hand
side with torchdiffeq. A batch is cut into rows of ``LANES`` samples, and these into the same parts
whatever the number of threads. The parts' gradients are added in order, so one seed gives the same
bits.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch

from ohmbench.errors import DtypeError, ShapeError
from ohmbench.kernels import compiling
from ohmbench.kernels.choice import refuse_followed
from ohmbench.kernels.lane_rows import Floats, lanes_of, numbers_of, rows_of, samples_of
from ohmbench.kernels.lanes import LANES
from ohmbench.kirchhoff.circuit import Circuit
from ohmbench.kirchhoff.fast.edge_pass import KINDS, differentiate_rows, evaluate_rows
from ohmbench.kirchhoff.fast.edge_plan import Plan, table_of
from ohmbench.kirchhoff.fast.fused_slices import (
    refuse_others,
    solve_dopri5,
    solve_rk4,
    take,
    unwarned,
)
from ohmbench.kirchhoff.step_control import StepControl
from ohmbench.transforms import outside_graph


class _Evaluation(torch.autograd.Function):
    """``net`` (n_free, batch) and ``div`` (batch,) of ``table`` and ``v``."""

    @staticmethod
    @unwarned()
    def forward(
        ctx: Any, plan: Plan, table: torch.Tensor, v: torch.Tensor, with_div: bool
    ) -> tuple[torch.Tensor, torch.Tensor]:
        batch, volts = v.shape[1], rows_of(v, spare=True)
        net, div = np.empty_like(volts), np.empty((len(volts), LANES), np.float32)
        circuit = plan.circuit(table)
        plan.in_parts(
            batch, lambda _, lo, hi: evaluate_rows(circuit, lo, hi, volts, net, div, with_div)
        )
        ctx.plan, ctx.with_div = plan, with_div
        ctx.save_for_backward(table, v)
        return samples_of(net, batch), numbers_of(div, batch) if with_div else v.new_empty(0)

    @staticmethod
    @unwarned()
    def backward(ctx: Any, of_net: torch.Tensor, of_div: torch.Tensor) -> Any:
        refuse_others(of_net, of_div)
        table, v = ctx.saved_tensors
        plan, batch, with_div = ctx.plan, v.shape[1], ctx.with_div
        volts, wanted = rows_of(v, spare=True), rows_of(of_net)
        wanted_div, of_v = lanes_of(of_div, len(volts)), np.empty_like(volts)
        circuit = plan.circuit(table)

        def back(first: int, last: int, sums: Floats) -> None:
            differentiate_rows(
                circuit, first, last, volts, wanted, wanted_div, with_div, of_v, sums
            )

        of_table = plan.table_gradient(batch, table, with_div, back)
        return None, of_table, samples_of(of_v, batch), None


_evaluated: Callable[..., tuple[torch.Tensor, torch.Tensor]] = _Evaluation.apply


class FusedRightHandSide:
    """A ``RightHandSide`` for node-major float32 voltages (n_free, batch), and a ``Stepper``."""

    node_major = True

    def __init__(self, circuit: Circuit) -> None:
        self._plan, self._table = Plan.of(circuit), table_of(circuit)
        self._n_free = circuit.topology.n_free
        self.tensors: tuple[torch.Tensor, ...] = (self._table,)

    @staticmethod
    def takes(circuit: Circuit) -> bool:
        """Return whether this path supports the circuit: its activation, float32, on the CPU."""
        return (
            compiling.COMPILER_ON
            and circuit.device.activation.name in KINDS
            and circuit.param.dtype == torch.float32
            and circuit.param.device.type == "cpu"
        )

    def _checked(self, v: torch.Tensor) -> torch.Tensor:
        """Return ``v``. Raises ShapeError or DtypeError if the compiled loops would read outside
        it, OperandError if torch follows the operations.
        """
        refuse_followed("the fused path of circuits")
        if v.ndim != 2 or v.shape[0] != self._n_free:
            raise ShapeError(
                f"voltages have shape {tuple(v.shape)}, but should be ({self._n_free}, batch)"
            )
        if v.dtype != torch.float32 or v.device.type != "cpu":
            raise DtypeError(
                f"voltages are {v.dtype} on {v.device.type}, but should be torch.float32 on cpu, "
                "as the circuit is"
            )
        return v

    @outside_graph
    def derivative(self, t: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        """dv/dt (n_free, batch), V/s, of ``v`` (n_free, batch).

        Raises ShapeError and DtypeError.
        """
        net, _ = _evaluated(self._plan, self._table, self._checked(v), False)
        return net

    @outside_graph
    def with_divergence(
        self, t: torch.Tensor, v: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """dv/dt (n_free, batch) and its divergence (batch,). Raises as ``derivative`` does."""
        return _evaluated(self._plan, self._table, self._checked(v), True)

    def rk4(
        self, v: torch.Tensor, h: torch.Tensor, *, divergence: bool
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """As ``Stepper`` says, of ``v`` (n_free, batch)."""
        solve = partial(solve_rk4, h=h.to(v.dtype).numpy())
        return take(self._plan, self._table, self._checked(v), divergence, solve)

    def dopri5(
        self, v: torch.Tensor, control: StepControl, *, divergence: bool
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """As ``Stepper`` says, of ``v`` (n_free, batch)."""
        solve = partial(solve_dopri5, control=control)
        return take(self._plan, self._table, self._checked(v), divergence, solve)
