"""Fast paths of circuits: the same physics as the plain one, within float32 bounds."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ohmbench.errors import OperandError
from ohmbench.kernels.circuits import DenseRightHandSide, FusedRightHandSide, right_hand_side
from ohmbench.kernels.dense_circuit import DENSE_LIMIT
from ohmbench.kirchhoff.circuit import (
    AutogradDivergence,
    Circuit,
    PlainRightHandSide,
    Stepper,
)
from ohmbench.kirchhoff.simulation import Solver, SolverError, integrate, integrate_noisy
from ohmbench.kirchhoff.topologies import Topology
from tests.unit import kernel_checks as checks
from tests.unit.circuits import DEVICES, FUSED, T0, as_dtype, random_circuit, voltages
from tests.unit.kernel_checks import BATCHES
from tests.unit.kirchhoff_checks import assert_close

F32 = torch.float32
paths = st.sampled_from(["dense", "fused"])


@given(
    kind=st.sampled_from(FUSED),
    path=paths,
    seed=st.integers(0, 10_000),
    n_free=st.integers(1, 7),
    edges=st.integers(0, 25),
    shared=st.booleans(),
    batch=st.sampled_from(BATCHES),
)
def test_evaluation_is_the_plain_one(kind, path, seed, n_free, edges, shared, batch) -> None:
    circuit = random_circuit(seed, n_free, edges, kind, shared=shared, dtype=F32)
    checks.judge_evaluation(circuit, path, batch, seed)


def test_every_device_of_the_fused_path() -> None:
    checks.check_fused_evaluation()


def test_every_device_of_the_dense_path() -> None:
    checks.check_dense_evaluation()


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize(("step", "steps"), [(0.1, 5), (0.2, 3), (0.5, 1), (0.07, 8)])
def test_slice_is_torchdiffeqs(step: float, steps: int, batch: int, reverse: bool) -> None:
    kind = ("ShiftTanh2", "ShiftTanh1", "ShiftLeakyRelu2")[batch % 3]
    circuit = random_circuit(batch, 4, 10, kind, dtype=F32, scale=0.5)
    checks.judge_slice(circuit, "fused", batch, step, reverse=reverse)
    found = integrate(
        [right_hand_side(circuit, "fused")], [0.5], voltages(0, batch, 4, F32),
        Solver("rk4", step_size=step), reverse=reverse,
    )  # fmt: skip
    assert found.nfe == (4 * steps,)


@settings(max_examples=20)
@given(
    kind=st.sampled_from(FUSED),
    path=paths,
    seed=st.integers(0, 10_000),
    batch=st.sampled_from((1, 64, 65)),
    reverse=st.booleans(),
)
def test_slices_of_random_circuits(kind, path, seed, batch, reverse) -> None:
    circuit = random_circuit(seed, 1 + seed % 5, seed % 12, kind, dtype=F32, scale=0.4)
    checks.judge_slice(circuit, path, batch, 0.125, reverse=reverse)


def test_slices_of_the_checks() -> None:
    checks.check_fused_slice()


def test_slices_there_and_back() -> None:
    sides = [
        right_hand_side(random_circuit(k, 5, 10, dtype=F32, scale=0.4), "fused") for k in range(3)
    ]
    v, solver = voltages(0, 70, 5, F32), Solver("rk4", step_size=0.05)
    there = integrate(sides, [0.5, 0.3, 0.2], v, solver, divergence=True)
    back = integrate(sides, [0.5, 0.3, 0.2], there.v, solver, divergence=True, reverse=True)
    assert_close(back.v, v, 1e-4, "voltages there and back")
    assert there.delta is not None
    assert back.delta is not None
    assert_close(back.delta, -there.delta, 1e-4, "delta there and back")


def one_edge(activation_of: str = "ShiftTanh2") -> Circuit:
    """dv/dt = phi(v): ground to node 1, driven by its destination alone."""
    nodes = np.array([0], dtype=np.int64), np.array([1], dtype=np.int64)
    return Circuit(Topology(1, *nodes), DEVICES[activation_of], torch.tensor([[0.0], [1.0], [0.0]]))


def test_tanh_is_within_4e_7() -> None:
    u = torch.linspace(-20, 20, 400_001, dtype=torch.float64).float()
    u = torch.cat([u, torch.logspace(-30, 1, 50_000).float(), torch.tensor([0.0, 8.5, -8.5])])
    with torch.no_grad():
        found = right_hand_side(one_edge(), "fused").derivative(T0, u[None])[0]
    assert_close(found, torch.tanh(u.double()), 4e-7, "tanh")
    assert float(found.abs().max()) <= 1 + 2**-22
    small = u.abs() < 1e-3
    relative = (found[small].double() / torch.tanh(u[small].double()) - 1).nan_to_num(0.0)
    assert float(relative.abs().max()) < 4e-7


@pytest.mark.parametrize("kind", FUSED)
@pytest.mark.parametrize("path", ["plain", "dense", "fused"])
def test_not_a_number_goes_in_and_comes_out(path, kind: str) -> None:
    """Of the samples it is in, and of no other."""
    circuit = random_circuit(1, 3, 9, kind, dtype=F32, scale=0.3)
    v = voltages(0, 70, 3, F32)
    v[5, 1] = torch.nan
    side = right_hand_side(circuit, path)
    with torch.no_grad():
        net = side.derivative(T0, v.t() if side.node_major else v)
    net = net.t() if side.node_major else net
    assert bool(net[5, 1].isnan())
    finite = net.isfinite().all(1)
    assert finite.sum() == 69
    with torch.no_grad(), pytest.raises(SolverError, match="slice 0: voltages are no numbers"):
        integrate([side], [0.3], v, Solver("rk4", step_size=0.1))


@pytest.mark.parametrize("path", ["dense", "fused"])
def test_parameters_that_are_no_numbers_come_out(path) -> None:
    for kind in ("ShiftTanh2", "ShiftRelu2", "Conductance"):
        circuit = random_circuit(1, 3, 9, kind, dtype=F32, scale=0.3)
        with torch.no_grad():
            circuit.param[0, 4] = torch.nan
            with pytest.raises(SolverError, match="slice 0: voltages are no numbers"):
                integrate(
                    [right_hand_side(circuit, path)], [0.3], voltages(0, 70, 3, F32),
                    Solver("rk4", step_size=0.1),
                )  # fmt: skip


def test_infinite_drives_saturate() -> None:
    with torch.no_grad():
        found = right_hand_side(one_edge(), "fused").derivative(
            T0, torch.tensor([[torch.inf, -torch.inf, 1e30, -1e30]])
        )
    assert_close(found[0], torch.tensor([1.0, -1.0, 1.0, -1.0]), 4e-7, "tanh")


def everything(circuit: Circuit, threads: int) -> list[torch.Tensor]:
    """All that the fused path computes of 1000 samples, by that many threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        side, v = FusedRightHandSide(circuit), voltages(0, 1000, 4, F32)
        leaf = v.t().contiguous().requires_grad_()
        net, div = side.with_divergence(T0, leaf)
        h = torch.full((5,), 0.1)
        end, delta = side.rk4(leaf, h, divergence=True)
        made = [net, div, end, delta]
        of = [(x * x).sum() for x in made]
        one = torch.autograd.grad(of[0] + of[1], [leaf, circuit.param], retain_graph=True)
        two = torch.autograd.grad(of[2] + of[3], [leaf, circuit.param])
        return [*made, *one, *two]
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("kind", ["ShiftTanh2", "ShiftRelu1"])
def test_threads_change_no_bit(kind: str) -> None:
    circuit = random_circuit(0, 4, 12, kind, dtype=F32, scale=0.5)
    once = everything(circuit, 1)
    for threads in (1, 2, 3):
        for mine, other in zip(everything(circuit, threads), once, strict=True):
            assert torch.equal(mine, other)


@pytest.mark.parametrize("kind", ["ShiftTanh2", "ShiftRelu1"])
def test_a_sample_does_not_depend_on_its_batch(kind: str) -> None:
    circuit = random_circuit(0, 4, 12, kind, dtype=F32, scale=0.5)
    side, v = FusedRightHandSide(circuit), voltages(0, 200, 4, F32).t()
    h = torch.full((5,), 0.1)
    with torch.no_grad():
        whole, delta = side.rk4(v, h, divergence=True)
        for part in (slice(0, 1), slice(60, 70), slice(137, 200)):
            end, change = side.rk4(v[:, part].contiguous(), h, divergence=True)
            assert torch.equal(end, whole[:, part])
            assert torch.equal(change, delta[part])


def test_only_what_is_asked_for_has_a_gradient() -> None:
    """Without divergence, of the divergence alone, of parameters alone."""
    circuit = random_circuit(2, 3, 8, dtype=F32, scale=0.5)
    exact = as_dtype(circuit, torch.float64)
    v, h = voltages(0, 65, 3, F32), torch.full((3,), 0.1)
    side = FusedRightHandSide(circuit)
    end, nothing = side.rk4(v.t().contiguous(), h, divergence=False)
    assert nothing.numel() == 0
    (found,) = torch.autograd.grad(end.sum(), circuit.param)
    solver = Solver("rk4", step_size=0.1)
    ends = integrate([PlainRightHandSide(exact)], [0.3], v.double(), solver).v
    (expected,) = torch.autograd.grad(ends.sum(), exact.param)
    assert_close(found, expected, 2e-5 * float(expected.abs().max()), "gradient of p")
    _, div = FusedRightHandSide(circuit).with_divergence(T0, v.t().contiguous())
    _, other = PlainRightHandSide(exact).with_divergence(T0, v.double())
    (found,) = torch.autograd.grad(div.sum(), circuit.param)
    (expected,) = torch.autograd.grad(other.sum(), exact.param)
    assert_close(found, expected, 2e-5 * float(expected.abs().max()), "gradient of p")


@pytest.mark.parametrize("method", ["dopri5", "midpoint"])
@pytest.mark.parametrize("path", ["dense", "fused"])
@pytest.mark.parametrize("divergence", [False, True])
def test_other_methods_and_paths_by_torchdiffeq(method: str, path, divergence: bool) -> None:
    """Node-major voltages turned around on their way in and out."""
    circuit = random_circuit(3, 3, 8, dtype=F32, scale=0.5)
    v, solver = voltages(1, 7, 3, F32), Solver(method, tol=1e-5, step_size=0.02)
    found = integrate(
        [right_hand_side(circuit, path)] * 2, [0.3, 0.2], v, solver, divergence=divergence, points=3
    )
    exact = integrate(
        [PlainRightHandSide(as_dtype(circuit, torch.float64))] * 2, [0.3, 0.2], v.double(), solver,
        divergence=divergence, points=3,
    )  # fmt: skip
    assert_close(found.v, exact.v, 1e-4, "v")
    assert found.path is not None
    assert exact.path is not None
    assert_close(found.path, exact.path, 1e-4, "path")
    if divergence:
        assert found.delta is not None
        assert exact.delta is not None
        assert_close(found.delta, exact.delta, 1e-4, "delta")


def test_noise_does_not_depend_on_the_path() -> None:
    circuit, v = random_circuit(3, 3, 8, dtype=F32, scale=0.5), voltages(1, 70, 3, F32)
    ends = [
        integrate_noisy(
            [right_hand_side(circuit, path)], [0.5], v, step_size=0.05, noise=0.2,
            generator=torch.Generator().manual_seed(0),
        ).v
        for path in ("plain", "dense", "fused")
    ]  # fmt: skip
    for end in ends[1:]:
        assert_close(end, ends[0], 1e-5, "noisy end")


# ------------------------------------------------------------------------------------------------
# Choosing a path


def test_path_by_name_is_that_path() -> None:
    circuit = random_circuit(0, dtype=F32)
    assert isinstance(right_hand_side(circuit, "plain"), PlainRightHandSide)
    assert isinstance(right_hand_side(circuit, "dense"), DenseRightHandSide)
    assert isinstance(right_hand_side(circuit, "fused"), FusedRightHandSide)
    assert isinstance(right_hand_side(circuit), FusedRightHandSide)
    assert isinstance(right_hand_side(circuit), Stepper)
    assert not isinstance(right_hand_side(circuit, "dense"), Stepper)


def test_the_autograd_reference_takes_no_node_major_path() -> None:
    """It would take nodes for samples without a word."""
    with pytest.raises(OperandError, match=r"\(batch, n_free\)"):
        AutogradDivergence(right_hand_side(random_circuit(0, dtype=F32), "fused"))


@pytest.mark.parametrize(
    ("kind", "dtype"),
    [("ShiftTanh2", torch.float64), ("Device-sigmoid-difference", F32), *(
        (f"Device-softplus-{form}", F32) for form in ("difference", "two-voltages")
    )],
)  # fmt: skip
def test_circuits_that_the_fused_path_does_not_take(kind: str, dtype: torch.dtype) -> None:
    circuit = random_circuit(0, kind=kind, dtype=dtype)
    with pytest.raises(OperandError, match=rf"fused path takes float32.*not {dtype}"):
        right_hand_side(circuit, "fused")
    assert isinstance(right_hand_side(circuit), DenseRightHandSide)


def test_large_circuits_without_a_kernel_go_the_plain_way() -> None:
    circuit = random_circuit(0, 64, DENSE_LIMIT // 64 - 64, dtype=torch.float64)
    assert circuit.topology.n_free * circuit.topology.n_edges == DENSE_LIMIT
    assert isinstance(right_hand_side(circuit), DenseRightHandSide)
    larger = random_circuit(0, 64, DENSE_LIMIT // 64 - 63, dtype=torch.float64)
    assert isinstance(right_hand_side(larger), PlainRightHandSide)


def test_a_large_circuit_takes_the_fused_path() -> None:
    """Thousands of edges, as image circuits have: bounds grow with a node's degree alone."""
    circuit = random_circuit(5, 200, 4000, "ShiftRelu1", dtype=F32, scale=0.3)
    checks.judge_evaluation(circuit, "fused", 65)
