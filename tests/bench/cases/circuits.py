"""The circuit of the MNIST experiment, 230 068 edges per slice, with its initial parameters.

The reference gathers and scatters, integrates with torchdiffeq, and takes gradients by the adjoint.
The gate runs one slice with few steps, since the reference takes seconds for one evaluation; the
whole network is a slow case. Pixels are uniform, because no time depends on them.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import torch
from torch.nn.functional import cross_entropy

from ohmbench.kirchhoff.execution import right_hand_side
from ohmbench.kirchhoff.models import build
from ohmbench.kirchhoff.network import KirchhoffNet
from ohmbench.kirchhoff.recipes import own_config
from ohmbench.kirchhoff.simulation import Solver, integrate
from tests.bench.cases.case import SEED, Case, Done, Pair

CLASSES = 10
RK4 = Solver("rk4", step_size=1.0)
DOPRI5 = Solver("dopri5", tol=1e-3, first_step=1e-2, min_step=1e-5)
"""The paper's solver of this experiment."""

BOUND = 1e-5
"""float32 sums of about 700 currents per node."""
ADAPTIVE_BOUND = 1e-3
"""The solver's tolerance."""
GRADIENT_BOUND = 1e-4
ADJOINT_BOUND = 5e-2
"""Steps of 1 s are long, so the adjoint's gradient differs from the gradient of the steps."""

INFERENCE_OPERATIONS = 9
"""Operations for one edge in one evaluation: drive (4), device (2), current (1), its two sums (2).
"""
TRAINING_OPERATIONS = 3 * INFERENCE_OPERATIONS
"""The forward pass, and the two products of the backward pass."""


def _network() -> KirchhoffNet:
    net = build(own_config("mnist"), torch.Generator().manual_seed(SEED))
    assert isinstance(net, KirchhoffNet)
    return net


def _inference(images: int, slices: int, solver: Solver, bound: float) -> Pair:
    net = _network()
    x = torch.rand(images, net.dimension, generator=torch.Generator().manual_seed(SEED + 1))

    def run(path: str) -> Done:
        with torch.no_grad():
            sides = [right_hand_side(c, path) for c in net.circuits[:slices]]
            found = integrate(sides, net.durations[:slices], net.voltages(x), solver)
        return Done((found.v,), {"function_evaluations": sum(found.nfe)})

    operations = INFERENCE_OPERATIONS * images * _evaluations(net, run("auto"), slices)
    return Pair(partial(run, "plain"), partial(run, "auto"), bound, operations)


def _evaluations(net: KirchhoffNet, done: Done, slices: int) -> int:
    """Edges times evaluations; all slices have the same circuit."""
    return done.counts["function_evaluations"] * net.circuits[0].topology.n_edges


def _training(images: int, slices: int, solver: Solver) -> Pair:
    net = _network()
    generator = torch.Generator().manual_seed(SEED + 1)
    x = torch.rand(images, net.dimension, generator=generator)
    labels = torch.randint(CLASSES, (images,), generator=generator)
    parameters = tuple(c.param for c in net.circuits[:slices])

    def run(path: str, solver: Solver) -> Done:
        sides = [right_hand_side(c, path) for c in net.circuits[:slices]]
        found = integrate(sides, net.durations[:slices], net.voltages(x), solver)
        loss = cross_entropy(net.read_out(found.v), labels)
        gradients = torch.autograd.grad(loss, parameters)
        counts = {"function_evaluations": sum(found.nfe)}
        return Done((loss.detach(), *gradients), counts)

    ours = partial(run, "auto", solver)
    operations = TRAINING_OPERATIONS * images * _evaluations(net, ours(), slices)
    reference = partial(run, "plain", replace(solver, adjoint=True))
    return Pair(reference, ours, ADJOINT_BOUND, operations)


CASES = [
    Case("circuit-inference-slice", 128, "images", partial(_inference, 128, 1, RK4, BOUND)),
    Case("circuit-training-slice", 64, "images", partial(_training, 64, 1, RK4)),
    Case(
        "circuit-inference",
        128,
        "images",
        partial(_inference, 128, 2, DOPRI5, ADAPTIVE_BOUND),
        slow=True,
    ),
    Case(
        "circuit-training",
        128,
        "images",
        partial(_training, 128, 2, replace(RK4, step_size=0.25)),
        slow=True,
    ),
]
