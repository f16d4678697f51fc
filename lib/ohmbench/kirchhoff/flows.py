"""KirchhoffNets as continuous normalizing flows: samples and their log-density.

State (v, delta), ``d delta/dt = -div f(v)`` (KIRCHHOFF): voltages that start
as standard normal noise end as samples, and ``log q(v(T)) = log N(v(0)) + delta``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Float32
from torch import Tensor

from ohmbench.errors import ShapeError
from ohmbench.kirchhoff.circuit import RightHandSide
from ohmbench.kirchhoff.execution import ExecutionPath
from ohmbench.kirchhoff.simulation import Solver, integrate
from ohmbench.tensors import FLOAT32


@runtime_checkable  # tests check annotations at run time
class Flow(Protocol):
    """What flows need from a network: ``dimension`` values per sample, slices, their durations."""

    dimension: int
    durations: Sequence[float]

    @property
    def solver(self) -> Solver:
        """The network's own solver."""

    def right_hand_sides(self, path: ExecutionPath = "auto") -> list[RightHandSide]:
        """The slices, prepared for the named path; valid until a parameter changes."""


class Samples(NamedTuple):
    """``x`` (n, dimension), the noise ``z`` it came from, and ``log_density`` (n,) in nats."""

    x: Float[Tensor, "n dimension"]
    z: Float[Tensor, "n dimension"]
    log_density: Float[Tensor, " n"]
    nfe: tuple[int, ...]


def log_normal(z: Float[Tensor, "n dimension"]) -> Float[Tensor, " n"]:
    """Log-density (n,) of the standard normal at ``z`` (n, dimension), in nats."""
    return -0.5 * (z * z).sum(1) - 0.5 * z.shape[1] * math.log(2 * math.pi)


class _Carried(NamedTuple):
    """End voltages (n, dimension), the integral of minus the divergence (n,), evaluations."""

    v: torch.Tensor
    delta: torch.Tensor
    nfe: tuple[int, ...]


def _carried(
    flow: Flow, v: torch.Tensor, solver: Solver | None, path: ExecutionPath, *, reverse: bool
) -> _Carried:
    """Take ``v`` through all slices, with the flow's own solver unless another is given."""
    if v.ndim != 2 or v.shape[1] != flow.dimension:
        raise ShapeError(f"points have shape {tuple(v.shape)}, but should be (n, {flow.dimension})")
    solver = flow.solver if solver is None else solver
    sides = flow.right_hand_sides(path)
    found = integrate(sides, flow.durations, v, solver, divergence=True, reverse=reverse)
    assert found.delta is not None  # divergence was requested
    return _Carried(found.v, found.delta, found.nfe)


def push_forward(
    flow: Flow,
    z: Float[Tensor, "n dimension"],
    *,
    solver: Solver | None = None,
    path: ExecutionPath = "auto",
) -> Samples:
    """Take noise ``z`` (n, dimension) through the slices; return samples with their log-density.

    Raises ShapeError, and SolverError if the solver cannot continue.
    """
    found = _carried(flow, z, solver, path, reverse=False)
    return Samples(found.v, z, log_normal(z) + found.delta, found.nfe)


def pull_back(
    flow: Flow,
    x: Float[Tensor, "n dimension"],
    *,
    solver: Solver | None = None,
    path: ExecutionPath = "auto",
) -> Samples:
    """Take points ``x`` (n, dimension) backwards to their noise; return their log-density.

    Raises ShapeError, and SolverError if the solver cannot continue.
    """
    found = _carried(flow, x, solver, path, reverse=True)
    # delta was integrated from T to 0, so it is minus the forward integral.
    return Samples(x, found.v, log_normal(found.v) - found.delta, found.nfe)


def noise(
    flow: Flow, n: int, generator: torch.Generator
) -> Float32[Tensor, "{n} {flow.dimension}"]:
    """``n`` standard normal vectors, float32 (n, dimension)."""
    return torch.randn(n, flow.dimension, generator=generator, **FLOAT32)
