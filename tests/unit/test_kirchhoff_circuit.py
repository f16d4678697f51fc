"""Circuits: Kirchhoff's current law, its symmetries, and the divergence in closed form."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ohmbench.errors import ShapeError
from ohmbench.kirchhoff.circuit import AutogradDivergence, Circuit
from ohmbench.kirchhoff.topologies import Topology
from tests.unit import kirchhoff_checks as checks
from tests.unit.circuits import DEVICES, T0, circuits, plain, random_circuit, rc, voltages
from tests.unit.kirchhoff_checks import assert_close

each_device = pytest.mark.parametrize("kind", DEVICES)


@given(circuits())
def test_derivative_is_the_loop_over_edges(circuit: Circuit) -> None:
    checks.judge_derivative(circuit)


@given(circuits())
def test_node_currents_add_to_zero(circuit: Circuit) -> None:
    checks.judge_current_law(circuit)


def test_every_device_obeys_the_current_law() -> None:
    checks.check_derivative()
    checks.check_current_law()


def test_analytic_trace_is_the_autograd_trace_with_every_device() -> None:
    checks.check_trace()


@given(circuits(), st.integers(0, 1000))
def test_order_of_edges_changes_nothing(circuit: Circuit, seed: int) -> None:
    t = circuit.topology
    order = np.random.default_rng(seed).permutation(t.n_edges)
    shuffled = Topology(t.n_free, t.source[order], t.destination[order], t.parameter[order])
    other = Circuit(shuffled, circuit.device, circuit.param.detach())
    v = voltages(seed, 3, t.n_free)
    one, two = (plain(c).with_divergence(T0, v) for c in (circuit, other))
    assert_close(two[0], one[0], 1e-11, "dv/dt of edges in another order")
    assert_close(two[1], one[1], 1e-11, "divergence of edges in another order")


@given(circuits(), st.integers(0, 1000))
def test_names_of_nodes_change_nothing(circuit: Circuit, seed: int) -> None:
    """Free nodes renumbered: the derivative is renumbered with them."""
    t = circuit.topology
    name = np.concatenate([[0], 1 + np.random.default_rng(seed).permutation(t.n_free)])
    renamed = Topology(t.n_free, name[t.source], name[t.destination], t.parameter)
    other = Circuit(renamed, circuit.device, circuit.param.detach())
    v = voltages(seed, 3, t.n_free)
    moved = torch.empty_like(v)
    moved[:, name[1:] - 1] = v
    one, two = plain(circuit).derivative(T0, v), plain(other).derivative(T0, moved)
    assert_close(two[:, name[1:] - 1], one, 1e-11, "dv/dt of renamed nodes")


@each_device
def test_edges_with_one_parameter_are_edges_with_equal_parameters(kind: str) -> None:
    shared = random_circuit(3, 4, 9, kind, shared=True)
    t = shared.topology
    assert t.shared
    spread = Circuit(
        Topology(t.n_free, t.source, t.destination),
        shared.device,
        shared.param.detach()[:, t.parameter],
    )
    v = voltages(4, 5, 4)
    one, two = (plain(c).with_divergence(T0, v) for c in (shared, spread))
    assert torch.equal(one[0], two[0])
    assert torch.equal(one[1], two[1])
    (of_shared,) = torch.autograd.grad(one[0].square().sum() + one[1].sum(), shared.param)
    (of_spread,) = torch.autograd.grad(two[0].square().sum() + two[1].sum(), spread.param)
    summed = torch.zeros_like(of_shared).index_add(1, shared.column, of_spread)
    assert_close(of_shared, summed, 1e-10, "gradient of shared parameters")


@each_device
def test_gradient_of_the_divergence_is_that_of_autograds(kind: str) -> None:
    """Training differentiates the divergence: closed form and second derivatives agree."""
    circuit, v = random_circuit(6, 3, 6, kind), voltages(7, 4, 3)
    grads = []
    for closed in (True, False):
        side = plain(circuit)
        leaf = v.clone().requires_grad_()
        _, div = (side if closed else AutogradDivergence(side)).with_divergence(T0, leaf)
        weights = torch.linspace(0.5, 2, 4, dtype=torch.float64)
        loss, of = (weights * div).sum(), [leaf, circuit.param]
        grads.append(torch.autograd.grad(loss, of, allow_unused=True, materialize_grads=True))
    for one, other in zip(*grads, strict=True):
        assert_close(one, other, 1e-10 * (1 + other.abs()), "gradient of the divergence")


def test_divergence_by_autograd_is_that_of_differences() -> None:
    circuit, v, h = random_circuit(8, 4, 10), voltages(9, 3, 4), 1e-5
    _, found = AutogradDivergence(plain(circuit)).with_divergence(T0, v)
    expected = torch.zeros(3, dtype=torch.float64)
    for n in range(4):
        step = torch.zeros(4, dtype=torch.float64)
        step[n] = h
        up, down = (plain(circuit).derivative(T0, v + s * step)[:, n] for s in (1, -1))
        expected += ((up - down) / (2 * h)).detach()
    assert_close(found, expected, 1e-8, "divergence")


@pytest.mark.parametrize("grad", [False, True])
def test_autograd_divergence_asks_for_no_more_graph_than_there_is(grad: bool) -> None:
    side = AutogradDivergence(plain(random_circuit(8)))
    with torch.set_grad_enabled(grad):
        net, div = side.with_divergence(T0, voltages(9, 3, 4))
    assert net.requires_grad is div.requires_grad is grad


@given(st.integers(0, 10_000), st.integers(1, 6), st.integers(0, 20))
def test_conductances_only_dissipate(seed: int, n_free: int, edges: int) -> None:
    """Energy 1/2 v^2 of the unit capacitances falls by what the conductances burn."""
    circuit = random_circuit(seed, n_free, edges, "Conductance")
    with torch.no_grad():
        circuit.param[0].abs_()
    v = voltages(seed, 3, n_free)
    t, g = circuit.topology, circuit.param[0].detach()
    volts = torch.nn.functional.pad(v, (1, 0))
    burnt = (g * (volts[:, t.source] - volts[:, t.destination]) ** 2).sum(1)
    change = (v * plain(circuit).derivative(T0, v)).sum(1)
    assert_close(change, -burnt, 1e-11 * (1 + burnt), "change of energy")


def test_charge_of_a_circuit_without_ground_stays() -> None:
    loop = np.array([1, 2, 3], dtype=np.int64)
    p = torch.randn(3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    circuit = Circuit(Topology(3, loop, np.roll(loop, 1)), DEVICES["ShiftTanh2"], p)
    change = plain(circuit).derivative(T0, voltages(1, 6, 3)).sum(1)
    assert_close(change, torch.zeros(6), 1e-14, "charge made")


def test_conductance_to_ground_is_an_rc_circuit() -> None:
    v = voltages(2, 4, 3)
    found, div = plain(rc(0.7, 3)).with_divergence(T0, v)
    assert_close(found, -0.7 * v, 1e-15, "dv/dt")
    assert_close(div, torch.full((4,), -2.1), 1e-7, "divergence")


@pytest.mark.parametrize("shape", [(2, 14), (3, 13), (3, 15), (14, 3), (42,)])
def test_parameters_of_another_shape(shape: tuple[int, ...]) -> None:
    topology = random_circuit(0, 2, 12).topology
    with pytest.raises(ShapeError, match=r"ShiftTanh2: parameters of shape .* \(3, 14\)"):
        Circuit(topology, DEVICES["ShiftTanh2"], torch.zeros(shape))


def test_a_checkpoint_of_a_circuit_is_its_parameters_alone() -> None:
    assert list(random_circuit(0).state_dict()) == ["param"]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_results_have_the_type_of_the_circuit(dtype: torch.dtype) -> None:
    for kind in DEVICES:
        circuit = random_circuit(0, kind=kind, dtype=dtype)
        net, div = plain(circuit).with_divergence(T0, voltages(0, 2, 4, dtype))
        assert net.dtype == div.dtype == dtype
