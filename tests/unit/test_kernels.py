"""Fast paths of circuits: the same physics as the plain one, within float32 bounds."""

from __future__ import annotations

import gc
import itertools
import math
import re

import numba
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ohmbench.data.densities import DENSITIES
from ohmbench.errors import DtypeError, OperandError, ShapeError
from ohmbench.kernels import lanes
from ohmbench.kernels.choice import PATH_VARIABLE
from ohmbench.kirchhoff import step_control
from ohmbench.kirchhoff.circuit import (
    AutogradDivergence,
    Circuit,
    PlainRightHandSide,
    Stepper,
)
from ohmbench.kirchhoff.execution import DenseRightHandSide, FusedRightHandSide, right_hand_side
from ohmbench.kirchhoff.fast import pairs
from ohmbench.kirchhoff.fast.dense_circuit import DENSE_LIMIT
from ohmbench.kirchhoff.flows import pull_back
from ohmbench.kirchhoff.simulation import Solver, SolverError, integrate, integrate_noisy
from ohmbench.kirchhoff.step_control import StepControl
from ohmbench.kirchhoff.store import load_kirchhoff
from ohmbench.kirchhoff.topologies import Topology
from ohmbench.weights import stored
from tests.unit import kernel_checks as checks
from tests.unit.circuits import DEVICES, FUSED, T0, as_dtype, random_circuit, rc, voltages
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


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("kind", ["ShiftTanh2", "ShiftTanh1", "ShiftLeakyRelu2", "ShiftRelu1"])
def test_adaptive_slice_is_its_steps(kind: str, batch: int, reverse: bool) -> None:
    circuit = random_circuit(batch, 4, 10, kind, dtype=F32, scale=0.5)
    checks.judge_adaptive_slice(circuit, batch, 1e-4, reverse=reverse)


def test_adaptive_slices_of_the_checks() -> None:
    checks.check_fused_dopri5()


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("batch", BATCHES[1:])  # a single sample's errors can be nothing at all
@pytest.mark.parametrize("first", [None, 0.05, 1.0])
def test_adaptive_steps_are_torchdiffeqs(first: float | None, batch: int, reverse: bool) -> None:
    circuit = random_circuit(batch, 4, 10, "ShiftTanh2", dtype=F32)
    solver = Solver("dopri5", tol=1e-3, first_step=first)
    checks.judge_steps(circuit, batch, solver, reverse=reverse)


def test_adaptive_steps_of_the_checks() -> None:
    checks.check_fused_steps()


def test_step_control_is_torchdiffeqs() -> None:
    checks.check_step_control()


def test_the_first_step_is_chosen_from_flat_voltages_too() -> None:
    """At rest there is no scale to go by, and nothing in the way of long steps."""
    circuit = random_circuit(0, 3, 6, "Conductance", dtype=F32)
    v, solver = torch.zeros(3, 3), Solver("dopri5", tol=1e-3)
    ends = [
        integrate([right_hand_side(circuit, path)], [0.5], v, solver) for path in ("plain", "fused")
    ]
    assert ends[0].nfe == ends[1].nfe
    assert_close(ends[1].v, ends[0].v, 1e-7, "voltages at rest")


@pytest.mark.parametrize(
    ("options", "reverse", "reason"),
    [
        ({"tol": 1e-6, "min_step": 1e-2}, False, "needs steps below 0.01 s"),
        ({"tol": 1e-6, "min_step": 1e-2}, True, "needs steps below 0.01 s"),
        ({"tol": 1e-3}, False, "more than 5 steps"),
        ({"tol": 1e-3}, True, "more than 5 steps"),
        # From 1 s back; from 0 s on any step is one.
        ({"tol": 1e-3, "first_step": 1e-30}, True, "steps are too short for the time to move on"),
    ],
)
def test_the_fused_solver_stops_where_torchdiffeq_does(
    options: dict[str, float], reverse: bool, reason: str, monkeypatch
) -> None:
    monkeypatch.setattr(step_control, "MAX_STEPS", 5)
    circuit = as_dtype(rc(1e3, 2), F32)
    solver, said = Solver("dopri5", **options), []
    for path in ("plain", "fused"):
        with pytest.raises(SolverError, match="slice 0: dopri5 stopped") as caught:
            integrate(
                [right_hand_side(circuit, path)], [1.0], voltages(0, 3, 2, F32), solver,
                reverse=reverse, divergence=True,
            )  # fmt: skip
        said.append(str(caught.value))
    assert reason in said[0]
    assert said[1] == said[0]


@pytest.mark.parametrize("path", ["plain", "fused"])
def test_adaptive_steps_end_at_what_is_no_number(path) -> None:
    circuit = random_circuit(1, 3, 9, dtype=F32, scale=0.3)
    v = voltages(0, 70, 3, F32)
    v[5, 1] = torch.nan
    with torch.no_grad(), pytest.raises(SolverError, match="values are not finite"):
        integrate([right_hand_side(circuit, path)], [0.3], v, Solver("dopri5", tol=1e-3))
    away = as_dtype(rc(-1e4, 2), F32)
    with torch.no_grad(), pytest.raises(SolverError, match=r"slice 0: .* t = 0\.0"):
        integrate(
            [right_hand_side(away, path)], [1.0], voltages(0, 40, 2, F32),
            Solver("dopri5", tol=1e-3, min_step=1e-9),
        )  # fmt: skip


def test_lanes_past_the_end_of_a_batch_are_samples_of_it() -> None:
    """At 0 V this circuit runs away within a step; where its samples are, it stands still."""
    nodes = np.array([0], dtype=np.int64), np.array([1], dtype=np.int64)
    p = torch.tensor([[-1e20], [0.0], [1e20]])  # phi(1e20 (1 - v)): none from 1 V up
    circuit = Circuit(Topology(1, *nodes), DEVICES["ShiftRelu2"], p[[1, 0, 2]])
    v = torch.full((3, 1), 2.0, requires_grad=True)
    for solver in (Solver("rk4", step_size=0.1), Solver("dopri5", tol=1e-3, first_step=0.1)):
        end = integrate([right_hand_side(circuit, "fused")], [0.5], v, solver, divergence=True)
        assert torch.equal(end.v, v)
        of_v, of_p = torch.autograd.grad(end.v.sum(), [v, circuit.param], retain_graph=True)
        assert torch.equal(of_v, torch.ones(3, 1))
        assert torch.equal(of_p, torch.zeros(3, 1))


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


def test_tanh_is_within_4e_7_and_within_1() -> None:
    checks.judge_tanh(torch.cat([checks.floats(stride=4093), checks.turning_floats()]))


@pytest.mark.slow
@pytest.mark.parametrize("exponent", range(256))
def test_tanh_of_every_float32(exponent: int) -> None:
    """Of each of both signs: what is judged is judged of the negative, too."""
    first = exponent << 23
    for block in range(first, first + 2**23, 2**20):
        checks.judge_tanh(checks.floats(block, block + 2**20))


def test_the_first_step_is_torchdiffeqs() -> None:
    checks.check_first_step()


@pytest.mark.parametrize("scale", [1e3, 1e6, 1e9, 1e15])
@pytest.mark.parametrize("path", ["plain", "dense", "fused"])
@pytest.mark.parametrize("kind", ["ShiftTanh1", "ShiftTanh2"])
def test_steep_circuits_evaluate_to_the_same(kind: str, path, scale: float) -> None:
    """Nearly all edges are saturated: what little slope rounding leaves them, times 1e15, is seen
    in the divergence."""
    circuit = random_circuit(2, 4, 20, kind, dtype=F32, scale=scale)
    checks.judge_evaluation(circuit, path, 65)


@pytest.mark.parametrize("scale", [1e6, 1e20, 1e37])
def test_the_density_of_a_steep_flow(scale: float) -> None:
    """Its edges are saturated, so that fixed steps are the same in float64 and in float32."""
    flow = load_kirchhoff(stored("twomoon") or "").model
    with torch.no_grad():
        for p in flow.parameters():
            p.mul_(scale)
    x, found = torch.tensor([[0.3, -0.2]]), []
    for path, dtype in (("plain", torch.float64), ("plain", F32), ("auto", F32)):
        solver = Solver("rk4", step_size=0.5)
        with torch.no_grad():
            end = pull_back(flow.to(dtype), x.to(dtype), solver=solver, path=path)
        found.append(end.log_density)
    assert_close(found[0], torch.tensor([-195.017]), 1e-3, "log-density in float64")
    for other in found[1:]:
        assert_close(other, found[0], 1e-3, "log-density in float32")


@pytest.mark.parametrize("path", ["plain", "fused"])
@pytest.mark.parametrize("min_step", [0.5, 0.7])
def test_a_flow_is_not_taken_in_one_step_that_is_too_long(path, min_step: float) -> None:
    """Slices of 0.5 s, 500 points: one step each is an error of 0.2 nats at a tolerance of 1e-6."""
    flow = load_kirchhoff(stored("twomoon") or "").model
    x = torch.from_numpy(DENSITIES["twomoon"].sample(500, np.random.default_rng(5))).float()
    solver = Solver("dopri5", tol=1e-6, first_step=0.5, min_step=min_step)
    needs = f"slice 3: dopri5 stopped at t = 0.5 s: .* needs steps below {min_step:g} s"
    with torch.no_grad(), pytest.raises(SolverError, match=needs):
        pull_back(flow, x, solver=solver, path=path)


EXTREMES = (0.0, 1e-42, 1e-20, 1e12, 1e20, 1e25, 1e30, 1e38, math.inf, math.nan)


@pytest.mark.parametrize("extreme", EXTREMES)
@pytest.mark.parametrize("path", ["plain", "fused"])
@pytest.mark.parametrize("kind", ["ShiftTanh1", "ShiftTanh2", "ShiftRelu1", "Conductance"])
def test_whatever_the_parameters_there_are_numbers_or_an_error(
    kind, path, extreme, monkeypatch
) -> None:
    """One that says which slice: no other exception, no warning, nothing that is not finite."""
    monkeypatch.setattr(step_control, "MAX_STEPS", 200)
    circuit = random_circuit(0, 3, 8, kind, dtype=F32)
    with torch.no_grad():
        circuit.param.mul_(extreme)
    v = voltages(0, 5, 3, F32).requires_grad_()
    for solver, reverse in itertools.product(
        (
            Solver("rk4", step_size=0.25),
            Solver("dopri5", tol=1e-3),
            Solver("dopri5", tol=1e-3, first_step=0.1, min_step=1e-3),
            Solver("dopri5", tol=1e-3, min_step=1e-3),
        ),
        (False, True),
    ):
        sides = [right_hand_side(circuit, path)] * 2
        try:
            end = integrate(sides, [0.5, 0.2], v, solver, divergence=True, reverse=reverse)
        except SolverError as error:
            judge_refusal(error, extreme)
            continue
        assert end.delta is not None
        assert bool(end.v.isfinite().all())
        assert bool(end.delta.isfinite().all())
        # Gradients may well be infinite; they come without a word.
        torch.autograd.grad(end.v.sum() + end.delta.sum(), [v, circuit.param])


@pytest.mark.parametrize("kind", ["ShiftRelu2", "ShiftTanh2"])
@pytest.mark.parametrize("path", ["plain", "dense", "fused"])
@pytest.mark.parametrize("of", ["voltages", "parameters"])
@pytest.mark.parametrize("method", ["rk4", "dopri5"])
def test_gradients_of_one_with_the_other_frozen(kind, path, of, method) -> None:
    """... are those that both together have."""
    solver = Solver(method, tol=1e-4, step_size=0.25)

    def gradients(v_too: bool, param_too: bool) -> tuple[torch.Tensor | None, torch.Tensor | None]:
        circuit = random_circuit(0, 3, 8, kind, dtype=F32)
        circuit.param.requires_grad_(param_too)
        v = voltages(0, 5, 3, F32).requires_grad_(v_too)
        end = integrate([right_hand_side(circuit, path)], [0.5], v, solver, divergence=True)
        (end.v.square().sum() + end.delta.sum()).backward()
        return v.grad, circuit.param.grad

    both = gradients(True, True)
    one = gradients(of == "voltages", of == "parameters")
    which = int(of == "parameters")
    assert one[1 - which] is None
    assert bool(one[which].isfinite().all())
    assert torch.allclose(one[which], both[which], rtol=1e-5, atol=1e-6)


def judge_refusal(error: SolverError, extreme: float) -> None:
    assert not extreme < 1, "nothing in these circuits is beyond any number"
    assert re.match("slice [01]: ", str(error))


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
    with torch.no_grad(), pytest.raises(SolverError, match="slice 0: voltages are not finite"):
        integrate([side], [0.3], v, Solver("rk4", step_size=0.1))


@pytest.mark.parametrize("path", ["dense", "fused"])
def test_parameters_that_are_no_numbers_come_out(path) -> None:
    for kind in ("ShiftTanh2", "ShiftRelu2", "Conductance"):
        circuit = random_circuit(1, 3, 9, kind, dtype=F32, scale=0.3)
        with torch.no_grad():
            circuit.param[0, 4] = torch.nan
            with pytest.raises(SolverError, match="slice 0: voltages are not finite"):
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
        control = StepControl(
            0.0, 0.5, tol=1e-4, first_step=None, min_step=0.0, refused=checks.refused
        )
        made = [
            (net, div),
            side.rk4(leaf, h, divergence=True),
            side.dopri5(leaf, control, divergence=True),
        ]
        gradients = [
            torch.autograd.grad(
                (v * v).sum() + (d * d).sum(), [leaf, circuit.param], retain_graph=True
            )
            for v, d in made
        ]
        return [x for pair in (*made, *gradients) for x in pair]
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
# Edges by pairs, lanes


def test_every_edge_is_in_the_pair_it_joins() -> None:
    topology = random_circuit(3, 7, 60).topology
    found = pairs.pairs_of(topology)
    assert pairs.pairs_of(topology) is found
    assert sorted(found.order.tolist()) == list(range(topology.n_edges))
    for i in range(topology.n_free + 1):
        for p in range(found.runs[i], found.runs[i + 1]):
            for e in range(found.first[p], found.first[p + 1]):
                edge = int(found.order[e])
                ends = int(topology.source[edge]), int(topology.destination[edge])
                assert ends == ((found.others[p], i) if found.turned[e] else (i, found.others[p]))
                assert found.free[e] == (i != 0)
                assert i < found.others[p]


def test_an_arrangement_goes_with_its_topology() -> None:
    topology = random_circuit(3, 7, 60).topology
    gc.collect()
    before = len(pairs._arranged)
    pairs.pairs_of(topology)
    assert len(pairs._arranged) == before + 1
    del topology
    gc.collect()
    assert len(pairs._arranged) == before


@numba.njit
def compiled_lanes(u, v, out, sums):  # type: ignore[no-untyped-def]
    x, y, one = lanes.load(u), lanes.load(v), lanes.splat(np.float32(1))
    lanes.store(out[0], x + y)
    lanes.store(out[1], x - np.float32(2) * y)
    lanes.store(out[2], x * y)
    lanes.store(out[3], x / y)
    lanes.store(out[4], lanes.where_above(x, np.float32(0.5), y, one))
    lanes.store(out[5], lanes.positive(x))
    lanes.store(out[6], lanes.clamped(x, np.float32(0.25)))
    lanes.add_totals(sums[0], x, y)
    sums[1, 0] = lanes.total(x)


@pytest.mark.parametrize("last", [0.5, 0.0, np.nan, np.inf])
def test_lanes_are_what_they_are_in_python(last: float) -> None:
    rng = np.random.default_rng(0)
    u, v = rng.normal(size=(2, lanes.LANES)).astype(np.float32)
    u[-1] = last
    found = [
        (np.empty((7, lanes.LANES), np.float32), np.ones((2, 2), np.float32)) for _ in range(2)
    ]
    compiled_lanes(u, v, *found[0])
    compiled_lanes.py_func(u, v, *found[1])
    # Without fused operations: each rounds once more.
    np.testing.assert_allclose(found[0][0], found[1][0], rtol=3e-7, atol=1e-6)
    np.testing.assert_allclose(found[0][1], found[1][1], rtol=1e-5, atol=1e-5)


# ------------------------------------------------------------------------------------------------
# Choosing a path


@pytest.fixture
def automatic(monkeypatch) -> None:
    """No path is preferred from outside."""
    monkeypatch.delenv(PATH_VARIABLE, raising=False)


@pytest.mark.usefixtures("automatic")
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
@pytest.mark.usefixtures("automatic")
def test_circuits_that_the_fused_path_does_not_take(kind: str, dtype: torch.dtype) -> None:
    circuit = random_circuit(0, kind=kind, dtype=dtype)
    with pytest.raises(OperandError, match=rf"fused path takes float32.*not {dtype}"):
        right_hand_side(circuit, "fused")
    assert isinstance(right_hand_side(circuit), DenseRightHandSide)


@pytest.mark.usefixtures("automatic")
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


# ------------------------------------------------------------------------------------------------
# On a CUDA device


def test_the_fused_path_is_for_the_cpu() -> None:
    """Wherever else parameters are, there are plain torch operations."""
    circuit = random_circuit(0, dtype=F32)
    elsewhere = Circuit(circuit.topology, circuit.device, circuit.param.detach().to("meta"))
    assert FusedRightHandSide.takes(circuit)
    assert not FusedRightHandSide.takes(elsewhere)


@pytest.mark.needs("cuda")
@pytest.mark.parametrize("path", ["auto", "plain", "dense"])
@pytest.mark.parametrize("method", ["dopri5", "rk4"])
@pytest.mark.parametrize("adjoint", [False, True])
@pytest.mark.parametrize("reverse", [False, True])
def test_slices_on_a_cuda_device(path, method: str, adjoint: bool, reverse: bool) -> None:
    """Voltages, densities and gradients in float64 are those of the processor."""
    solver = Solver(method, tol=1e-6, step_size=0.1, adjoint=adjoint)
    found = []
    for device in ("cpu", "cuda"):
        circuit = random_circuit(3, 4, 12, scale=0.5).to(device)
        v = voltages(1, 40, 4).to(device).requires_grad_()
        sides = [right_hand_side(circuit, path)] * 2
        end = integrate(sides, [0.3, 0.2], v, solver, divergence=True, reverse=reverse, points=2)
        assert end.delta is not None
        loss = (end.v**2).sum() + (end.delta**2).sum()
        found.append([end.v, end.delta, end.path, *torch.autograd.grad(loss, [v, circuit.param])])
    for mine, exact in zip(found[1], found[0], strict=True):
        assert mine.device.type == "cuda"
        assert_close(mine.cpu(), exact, 1e-5 * (1 + exact.abs().max()), "on the device")


@pytest.mark.needs("cuda")
def test_noise_on_a_cuda_device_is_the_processors() -> None:
    ends = []
    for device in ("cpu", "cuda"):
        circuit = random_circuit(3, 3, 8, scale=0.5).to(device)
        end = integrate_noisy(
            [right_hand_side(circuit)], [0.5], voltages(1, 70, 3).to(device), step_size=0.05,
            noise=0.2, generator=torch.Generator().manual_seed(0),
        )  # fmt: skip
        ends.append(end.v.cpu())
    assert_close(ends[1], ends[0], 1e-10, "noisy end")


SHAPES = [(2, 40), (4, 40), (0, 40), (3,), (3, 4, 5)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_voltages_of_another_circuit_are_refused(shape) -> None:
    """Compiled loops would read and write beside them."""
    side = right_hand_side(random_circuit(0, 3, 9, "ShiftTanh2", dtype=F32), "fused")
    assert isinstance(side, Stepper)
    v = torch.zeros(shape)
    for call in (
        lambda: side.derivative(T0, v),
        lambda: side.with_divergence(T0, v),
        lambda: side.rk4(v, torch.ones(2), divergence=True),
    ):
        with pytest.raises(ShapeError, match=r"should be \(3, batch\)"):
            call()
    with pytest.raises(DtypeError, match=r"torch\.float64 on cpu"):
        side.derivative(T0, torch.zeros(3, 4, dtype=torch.float64))


@pytest.mark.parametrize(
    "solver", [Solver("rk4", step_size=0.1), Solver("dopri5"), Solver("euler")]
)
def test_second_derivatives_are_refused(solver: Solver) -> None:
    """A gradient that torch takes for a constant would be wrong without a word."""
    side = right_hand_side(random_circuit(0, 3, 9, "ShiftTanh2", dtype=F32), "fused")
    v = voltages(0, 5, 3, F32).requires_grad_()
    end = integrate([side], [0.3], v, solver).v.square().sum()
    (gradient,) = torch.autograd.grad(end, v, retain_graph=True)
    assert bool((gradient != 0).any())
    with pytest.raises(OperandError, match="first derivatives only"):
        torch.autograd.grad(end, v, create_graph=True)
