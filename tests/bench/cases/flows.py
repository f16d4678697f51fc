"""The stored flow of the eight Gaussians: sampling, and one training step.

The reference is the direct implementation: gather and scatter, one gradient per dimension for the
divergence, torchdiffeq, gradients by the adjoint. Both sides use the same solver and points.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import torch

from ohmbench.kirchhoff.circuit import AutogradDivergence, PlainRightHandSide, RightHandSide
from ohmbench.kirchhoff.flows import Flow, noise, pull_back, push_forward
from ohmbench.kirchhoff.network import KirchhoffNet
from ohmbench.kirchhoff.simulation import Solver
from ohmbench.kirchhoff.store import load_kirchhoff
from ohmbench.weights import stored
from tests.bench.cases.case import SEED, Case, Done, Pair

NETWORK = "8gaussians"
DOPRI5 = Solver("dopri5", tol=1e-5)
"""The solver with which densities are evaluated and samples drawn."""

BOUND = 2e-3
"""Rounding and the solver's tolerance, as amplified by the steepest places of the flow."""
GRADIENT_BOUND = 2e-2
"""The reference's adjoint itself has an error of its tolerance along the whole reverse integration.
"""

SAMPLING_OPERATIONS = 12
"""Operations for one edge in one evaluation: drive (4), device and its slope (3), current (1), its
two sums (2), its part of the divergence (2).
"""
TRAINING_OPERATIONS = 3 * SAMPLING_OPERATIONS
"""The forward pass, and the two products of the backward pass."""


class Straightforward:
    """A flow with the slices of the reference."""

    def __init__(self, net: KirchhoffNet) -> None:
        self.net, self.dimension = net, net.dimension
        self.durations: Sequence[float] = net.durations

    @property
    def solver(self) -> Solver:
        return self.net.solver

    def right_hand_sides(self, path: str = "plain") -> list[RightHandSide]:
        return [AutogradDivergence(PlainRightHandSide(c)) for c in self.net.circuits]


def _network() -> KirchhoffNet:
    path = stored(NETWORK)
    assert path is not None
    net = load_kirchhoff(path).model
    assert isinstance(net, KirchhoffNet)
    return net


def _evaluations(net: KirchhoffNet, nfe: Sequence[int]) -> int:
    """Edges times evaluations."""
    return sum(c.topology.n_edges * n for c, n in zip(net.circuits, nfe, strict=True))


def _sampling(points: int, solver: Solver | None) -> Pair:
    net = _network()
    z = noise(net, points, torch.Generator().manual_seed(SEED))

    def run(flow: Flow) -> Done:
        with torch.no_grad():
            found = push_forward(flow, z, solver=solver)
        return Done((found.x, found.log_density), {"function_evaluations": sum(found.nfe)})

    with torch.no_grad():
        nfe = push_forward(net, z, solver=solver).nfe
    operations = SAMPLING_OPERATIONS * points * _evaluations(net, nfe)
    return Pair(partial(run, Straightforward(net)), partial(run, net), BOUND, operations)


def _training(points: int, solver: Solver | None) -> Pair:
    net = _network()
    ours = net.solver if solver is None else solver
    reference = replace(ours, adjoint=True)
    generator = torch.Generator().manual_seed(SEED)
    with torch.no_grad():
        x = push_forward(net, noise(net, points, generator)).x.clone()
        nfe = pull_back(net, x, solver=ours).nfe
    parameters = tuple(net.parameters())

    def run(flow: Flow, solver: Solver) -> Done:
        found = pull_back(flow, x, solver=solver)
        loss = -found.log_density.mean()
        gradients = torch.autograd.grad(loss, parameters)
        counts = {"function_evaluations": sum(found.nfe)}
        return Done((loss.detach(), *gradients), counts)

    operations = TRAINING_OPERATIONS * points * _evaluations(net, nfe)
    return Pair(
        partial(run, Straightforward(net), reference),
        partial(run, net, ours),
        GRADIENT_BOUND,
        operations,
    )


CASES = [
    # A tenth of the points, because the reference takes half a minute for all of them.
    Case("flow-sampling-2000", 2000, "points", partial(_sampling, 2000, DOPRI5)),
    Case("flow-sampling", 20_000, "points", partial(_sampling, 20_000, DOPRI5), slow=True),
    Case("flow-sampling-rk4", 20_000, "points", partial(_sampling, 20_000, None), slow=True),
    Case("flow-training", 512, "points", partial(_training, 512, DOPRI5)),
    Case("flow-training-rk4", 512, "points", partial(_training, 512, None), slow=True),
]
