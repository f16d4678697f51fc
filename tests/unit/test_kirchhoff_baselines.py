"""Baselines: feed-forward networks, and the flow whose weights a hyper-network makes."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import scipy.integrate
import torch

from ohmbench.kirchhoff.baselines import FeedForward, HyperFlow
from ohmbench.kirchhoff.circuit import AutogradDivergence
from ohmbench.kirchhoff.flows import log_normal, pull_back, push_forward
from ohmbench.kirchhoff.models import build
from ohmbench.kirchhoff.simulation import Solver, integrate
from tests.unit.circuits import TIGHT, baseline_config, voltages
from tests.unit.kirchhoff_checks import assert_close


def feed_forward() -> FeedForward:
    model = build(baseline_config("toyregress"))
    assert isinstance(model, FeedForward)
    return model


def hyper_flow(seed: int = 0) -> HyperFlow:
    """float64, with weights far enough from 0 that the flow bends."""
    model = build(baseline_config(), torch.Generator().manual_seed(seed))
    assert isinstance(model, HyperFlow)
    model = model.double()
    with torch.no_grad():
        for p in model.parameters():
            p *= 2.5
    return model


def test_feed_forward_is_linear_layers_with_relu_between() -> None:
    model, x = feed_forward(), voltages(0, 4, 5).float()
    weights = [(m.weight.detach().numpy(), m.bias.detach().numpy()) for m in model.layers]
    assert [w.shape for w, _ in weights] == [(8, 5), (6, 8), (1, 6)]
    y = x.numpy()
    for k, (w, b) in enumerate(weights):
        y = np.maximum(y, 0) if k else y
        y = y @ w.T + b
    assert_close(model(x), torch.from_numpy(y), 1e-5, "output")


def test_feed_forward_for_images() -> None:
    model = build(baseline_config("mnist"))
    assert model(torch.zeros(3, 784)).shape == (3, 10)


def looped(model: HyperFlow, t: float, z: list[float]) -> tuple[list[float], float]:
    """dz/dt and its divergence, unit by unit, in plain floats."""
    x = [t]
    for k, layer in enumerate(model.layers):
        x = [math.tanh(y) for y in x] if k else x
        w, b = layer.weight.tolist(), layer.bias.tolist()
        x = [sum(w_i * x_i for w_i, x_i in zip(row, x, strict=True)) + b_
             for row, b_ in zip(w, b, strict=True)]  # fmt: skip
    units, d = model.width, model.dimension
    blocks = [x[k * units * d : (k + 1) * units * d] for k in range(3)]
    w, u, gate = ([block[i * d : (i + 1) * d] for i in range(units)] for block in blocks)
    b = x[3 * units * d :]
    net, trace = [0.0] * d, 0.0
    for k in range(units):
        y = math.tanh(sum(w[k][i] * z[i] for i in range(d)) + b[k])
        for i in range(d):
            gated = u[k][i] / (1 + math.exp(-gate[k][i]))
            net[i] += gated * y / units
            trace += gated * w[k][i] * (1 - y * y) / units
    return net, trace


@pytest.mark.parametrize("t", [0.0, 0.37, 1.0])
def test_hyper_flow_is_the_sum_of_gated_units(t: float) -> None:
    model, z = hyper_flow(), voltages(0, 5, 2)
    (side,) = model.right_hand_sides()
    net, div = side.with_divergence(torch.tensor(t), z)
    loops = [looped(model, float(torch.tensor(t)), row) for row in z.tolist()]
    assert_close(net, torch.tensor([n for n, _ in loops], dtype=torch.float64), 1e-12, "dz/dt")
    assert_close(div, torch.tensor([d for _, d in loops], dtype=torch.float64), 1e-12, "div")
    assert torch.equal(net, side.derivative(torch.tensor(t), z))


def test_hyper_flow_has_the_trace_of_autograd() -> None:
    (side,) = hyper_flow().right_hand_sides()
    t, z = torch.tensor(0.4), voltages(0, 5, 2)
    closed, auto = (s.with_divergence(t, z)[1] for s in (side, AutogradDivergence(side)))
    assert_close(closed, auto, 1e-12, "divergence")


def test_hyper_flow_depends_on_the_time() -> None:
    (side,) = hyper_flow().right_hand_sides()
    z = voltages(0, 5, 2)
    early, late = (side.derivative(torch.tensor(t), z).detach() for t in (0.0, 1.0))
    assert float((early - late).abs().max()) > 0.01


def test_scipy_agrees_with_the_hyper_flow_both_ways() -> None:
    """Time runs from 0 to 1 forwards and from 1 to 0 backwards."""
    model, z = hyper_flow(), voltages(1, 2, 2)
    sides = model.right_hand_sides()
    for reverse, span in ((False, (0.0, 1.0)), (True, (1.0, 0.0))):
        found = integrate(sides, model.durations, z, TIGHT, reverse=reverse).v
        for row, x in zip(found, z.tolist(), strict=True):
            exact = scipy.integrate.solve_ivp(
                lambda t, y: looped(model, t, y.tolist())[0], span, x, "DOP853",
                rtol=1e-9, atol=1e-9,
            )  # fmt: skip
            # The solver hands the time on as float32 rounds it nowhere: 1e-7.
            assert_close(row, torch.from_numpy(exact.y[:, -1]), 1e-7, "z")


def test_hyper_flow_density_there_and_back_and_by_the_jacobian() -> None:
    model, z = hyper_flow(), voltages(2, 6, 2)
    found = push_forward(model, z, solver=TIGHT)
    back = pull_back(model, found.x.detach(), solver=TIGHT)
    assert_close(back.z, z, 1e-8, "z there and back")
    assert_close(back.log_density, found.log_density, 1e-8, "log q there and back")
    sides = model.right_hand_sides()

    def arrive(one: torch.Tensor) -> torch.Tensor:
        return integrate(sides, model.durations, one[None], TIGHT).v[0]

    jacobian = torch.autograd.functional.jacobian(arrive, z[0])
    expected = log_normal(z[:1])[0] - torch.linalg.slogdet(jacobian)[1]
    assert_close(found.log_density[0], expected, 1e-7, "log q")


def test_hyper_flow_gradients_by_adjoint_and_directly() -> None:
    model, x = hyper_flow(), voltages(3, 4, 2)
    grads = []
    for adjoint in (False, True):
        solver = Solver("dopri8", tol=1e-10, adjoint=adjoint)
        loss = -pull_back(model, x, solver=solver).log_density.mean()
        grads.append(torch.autograd.grad(loss, list(model.parameters())))
    for one, other in zip(*grads, strict=True):
        assert_close(other, one, 1e-6, "adjoint gradient")


def test_widths_are_the_configurations() -> None:
    model = hyper_flow()
    assert (model.width, model.dimension, model.n_free) == (6, 2, 2)
    sizes = [1, *(layer.out_features for layer in model.layers)]
    assert sizes == [1, 8, 8, 6 * 7]
    assert [layer.in_features for layer in model.layers] == sizes[:-1]
    w, b, u = model.weights(torch.tensor(0.5))
    assert (w.shape, b.shape, u.shape) == ((6, 2), (6,), (6, 2))
    assert len(list(itertools.chain(model.parameters()))) == 6
