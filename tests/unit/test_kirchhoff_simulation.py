"""Simulation: order of convergence, adjoint, scipy, the way back, noise, and where solvers stop."""

from __future__ import annotations

import itertools
import math
import re
import time

import pytest
import torch

from ohmbench.errors import OperandError
from ohmbench.kirchhoff import step_control
from ohmbench.kirchhoff.circuit import Circuit
from ohmbench.kirchhoff.execution import right_hand_side
from ohmbench.kirchhoff.simulation import (
    ADAPTIVE,
    FIXED_STEP,
    Solver,
    SolverError,
    durations,
    integrate,
    integrate_noisy,
)
from tests.unit import kirchhoff_checks as checks
from tests.unit.circuits import TIGHT, as_dtype, plain, random_circuit, rc, voltages
from tests.unit.kirchhoff_checks import assert_close

STAGES = {"euler": 1, "midpoint": 2, "heun2": 2, "heun3": 3, "rk4": 4}
METHODS = (*ADAPTIVE, *FIXED_STEP)
each_fixed = pytest.mark.parametrize("method", FIXED_STEP)


# ------------------------------------------------------------------------------------------------
# Convergence


@each_fixed
def test_observed_order_of_a_fixed_step_method(method: str) -> None:
    checks.check_order([method])


@pytest.mark.parametrize("method", ADAPTIVE)
def test_adaptive_error_is_within_ten_tolerances(method: str) -> None:
    checks.check_adaptive([method])


def test_scipy_agrees_on_random_circuits() -> None:
    checks.check_scipy()


@pytest.mark.parametrize("method", METHODS)
def test_rc_circuit_discharges_exponentially(method: str) -> None:
    v = voltages(0, 3, 2)
    found = integrate([plain(rc(1.3, 2))], [0.8], v, Solver(method, tol=1e-6, step_size=2e-3))
    # The worst is Euler: g^2 t h / 2 = 1.4e-3 of a voltage below 4; fehlberg2 as in WITHIN.
    assert_close(found.v, v * math.exp(-1.3 * 0.8), 5e-3, "v")


def test_gradients_by_adjoint_directly_and_by_differences_agree() -> None:
    checks.check_adjoint()


@pytest.mark.parametrize("points", [0, 5])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("method", ["dopri5", "dopri8"])
def test_gradients_by_adjoint_are_within_the_tolerance(
    method: str, reverse: bool, points: int
) -> None:
    """In either direction, and of a path: no step of the adjoint goes past where it has to end."""
    solver, found = Solver(method, tol=1e-7, adjoint=True), []
    for by in (TIGHT, solver):
        circuit, v = random_circuit(3, 3, 8, scale=0.7), voltages(1, 3, 3).requires_grad_()
        end = integrate([plain(circuit)], [1.0], v, by, points=points, reverse=reverse)
        seen = end.v if end.path is None else end.path
        weights = torch.linspace(-1, 1, seen.numel(), dtype=seen.dtype).view_as(seen)
        found.append(torch.autograd.grad((weights * seen).sum(), [v, circuit.param]))
    for exact, mine in zip(*found, strict=True):
        assert_close(mine, exact, 50 * solver.tol, "gradient")


@pytest.mark.parametrize("method", ["dopri5", "rk4"])
def test_adjoint_goes_the_same_way_forward(method: str) -> None:
    sides, v = [plain(random_circuit(k)) for k in range(2)], voltages(1, 3, 4)
    ends = [
        integrate(sides, [0.5, 0.3], v, Solver(method, adjoint=adjoint), divergence=True)
        for adjoint in (False, True)
    ]
    assert torch.equal(ends[0].v, ends[1].v)
    assert ends[0].nfe == ends[1].nfe


# ------------------------------------------------------------------------------------------------
# Slices


def test_forward_then_reverse_is_the_start() -> None:
    checks.check_reverse()


@each_fixed
def test_fixed_steps_there_and_back_come_close(method: str) -> None:
    sides, v = [plain(random_circuit(k, scale=0.5)) for k in range(2)], voltages(2, 4, 4)
    solver = Solver(method, step_size=1 / 256)
    there = integrate(sides, [0.5, 0.25], v, solver).v
    back = integrate(sides, [0.5, 0.25], there, solver, reverse=True).v
    assert_close(back, v, 0.1 * 4.0 ** (1 - STAGES[method]), "there and back")


@pytest.mark.parametrize("solver", [TIGHT, Solver("rk4", step_size=0.1)], ids=["dopri8", "rk4"])
def test_slices_follow_one_another(solver: Solver) -> None:
    made = [plain(random_circuit(k, 3)) for k in range(3)]
    spans, v = [0.3, 0.2, 0.4], voltages(3, 4, 3)
    whole = integrate(made, spans, v, solver, divergence=True)
    x, delta = v, torch.zeros(4, dtype=torch.float64)
    for side, span, nfe in zip(made, spans, whole.nfe, strict=True):
        part = integrate([side], [span], x, solver, divergence=True)
        assert part.nfe == (nfe,)
        assert part.delta is not None
        x, delta = part.v, delta + part.delta
    assert torch.equal(whole.v, x)
    assert whole.delta is not None
    assert_close(whole.delta, delta, 1e-14, "delta")


def test_halves_of_a_slice_are_the_slice() -> None:
    """A circuit does not depend on the time: autonomy."""
    side, v = plain(random_circuit(4)), voltages(4, 3, 4)
    whole, halves = integrate([side], [1.0], v, TIGHT), integrate([side] * 2, [0.5] * 2, v, TIGHT)
    assert_close(halves.v, whole.v, 1e-9, "v")


def test_delta_is_minus_the_integral_of_the_divergence() -> None:
    """Of conductances it is minus the trace times the time."""
    found = integrate([plain(rc(0.7, 3))], [1.5], voltages(5, 4, 3), TIGHT, divergence=True)
    assert found.delta is not None
    # The conductance itself is float64: nothing but rounding.
    assert_close(found.delta, torch.full((4,), 3 * 0.7 * 1.5, dtype=torch.float64), 1e-10, "delta")
    assert integrate([plain(rc(0.7))], [1.0], voltages(5, 4, 1), TIGHT).delta is None


def test_durations_are_the_spans_between_end_times() -> None:
    assert durations([0.0, 0.5, 2.0]) == (0.5, 1.5)


# ------------------------------------------------------------------------------------------------
# Paths and counts


@pytest.mark.parametrize("divergence", [False, True])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("method", ["dopri5", "rk4", "midpoint"])
def test_path_has_equidistant_points_of_each_slice(
    method: str, reverse: bool, divergence: bool
) -> None:
    sides, spans = [plain(random_circuit(k, 3, scale=0.5)) for k in range(2)], [0.6, 0.3]
    v, solver = voltages(6, 4, 3), Solver(method, tol=1e-7, step_size=1 / 64)
    options = {"reverse": reverse, "divergence": divergence}
    found = integrate(sides, spans, v, solver, points=3, **options)
    assert found.path is not None
    assert found.path.shape == (1 + 2 * 3, 4, 3)
    assert torch.equal(found.path[0], v)
    assert torch.equal(found.path[-1], found.v)
    order = [1, 0] if reverse else [0, 1]
    x = v
    for place, k in enumerate(order):
        for point in range(1, 4):
            part = integrate([sides[k]], [spans[k] * point / 3], x, TIGHT, reverse=reverse).v
            # midpoint's own error; the others' is below 1e-6.
            allowed = 1e-3 if method == "midpoint" else 2e-6
            assert_close(found.path[3 * place + point], part, allowed, "voltage on the path")
        x = integrate([sides[k]], [spans[k]], x, TIGHT, reverse=reverse).v


@pytest.mark.parametrize("divergence", [False, True])
def test_a_path_is_the_same_in_node_major_order(divergence: bool) -> None:
    circuits = [random_circuit(k, 3, scale=0.5, dtype=torch.float32) for k in range(2)]
    v, solver = voltages(6, 4, 3).float(), Solver("rk4", step_size=1 / 64)
    fused, expected = (
        integrate(
            [right_hand_side(c, path) for c in circuits],
            *([0.6, 0.3], v, solver),
            points=3,
            divergence=divergence,
        )
        for path in ("fused", "plain")
    )
    assert fused.path is not None
    assert expected.path is not None
    assert fused.path.shape == (1 + 2 * 3, 4, 3)
    assert torch.allclose(fused.path, expected.path, atol=1e-4)


@pytest.mark.parametrize("method", METHODS)
def test_asking_for_a_path_changes_no_result(method: str) -> None:
    sides, v = [plain(random_circuit(k)) for k in range(2)], voltages(7, 4, 4)
    solver = Solver(method, tol=1e-4, step_size=0.1)
    without = integrate(sides, [0.55, 0.3], v, solver)
    along = integrate(sides, [0.55, 0.3], v, solver, points=7)
    assert torch.equal(along.v, without.v)
    assert without.path is None


class Counting:
    """A right-hand side that counts by itself."""

    node_major = False

    def __init__(self, circuit: Circuit) -> None:
        self._side, self.calls = plain(circuit), 0
        self.tensors = self._side.tensors

    def derivative(self, t: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        return self._side.derivative(t, v)

    def with_divergence(self, t, v):
        self.calls += 1
        return self._side.with_divergence(t, v)


@pytest.mark.parametrize(
    ("spans", "step", "steps"),
    [
        ([0.5, 0.25], 0.125, (4, 2)),
        ([0.5, 0.25], 0.2, (3, 2)),
        ([1.0, 0.05], 0.25, (4, 1)),
        # Lengths that are not exact: a step of 1e-17 s is no step.
        ([0.3 - 0.2, 1.1, 0.7, 0.3], 0.1, (1, 11, 7, 3)),
        ([1.1 - 1.0, 3 * 0.1], 0.1, (1, 3)),
    ],
)
@pytest.mark.parametrize("reverse", [False, True])
@each_fixed
def test_evaluations_of_fixed_steps_are_stages_times_steps(
    method: str, reverse: bool, spans: list[float], step: float, steps: tuple[int, ...]
) -> None:
    sides = [Counting(random_circuit(k)) for k in range(len(spans))]
    found = integrate(
        sides, spans, voltages(0, 2, 4), Solver(method, step_size=step), reverse=reverse
    )
    assert found.nfe == tuple(STAGES[method] * n for n in steps)
    assert found.nfe == tuple(side.calls for side in sides)


@pytest.mark.parametrize("method", ADAPTIVE)
def test_evaluations_of_adaptive_methods_are_counted(method: str) -> None:
    sides = [Counting(random_circuit(k)) for k in range(2)]
    loose, tight = (
        integrate(sides, [0.5, 0.5], voltages(0, 2, 4), Solver(method, tol=tol), divergence=True)
        for tol in (1e-2, 1e-5)
    )
    assert [a + b for a, b in zip(loose.nfe, tight.nfe, strict=True)] == [s.calls for s in sides]
    assert sum(tight.nfe) > sum(loose.nfe)


# ------------------------------------------------------------------------------------------------
# Noise


def test_without_noise_it_is_eulers_method_and_deterministic() -> None:
    sides, spans, v = [plain(random_circuit(k)) for k in range(2)], [0.5, 0.25], voltages(8, 3, 4)
    ends = [
        integrate_noisy(
            sides, spans, v, step_size=1 / 64, noise=0.0,
            generator=torch.Generator().manual_seed(seed),
        )
        for seed in (0, 1)
    ]  # fmt: skip
    euler = integrate(sides, spans, v, Solver("euler", step_size=1 / 64))
    assert torch.equal(ends[0].v, ends[1].v)
    assert_close(ends[0].v, euler.v, 1e-13, "v without noise")
    assert ends[0].nfe == euler.nfe == (32, 16)


def test_noise_is_that_of_the_generator() -> None:
    ends = [
        integrate_noisy(
            [plain(rc(1.0, 2))], [0.5], voltages(8, 3, 2), step_size=0.1, noise=0.3,
            generator=torch.Generator().manual_seed(seed),
        ).v
        for seed in (0, 0, 1)
    ]  # fmt: skip
    assert torch.equal(ends[0], ends[1])
    assert not torch.equal(ends[0], ends[2])


def test_noise_on_an_rc_circuit_is_ornstein_and_uhlenbecks() -> None:
    checks.check_noise()


@pytest.mark.parametrize(
    ("noise", "t"), [(0.8 * 0.96, 0.5), (0.8 * math.sqrt(2), 0.5), (0.8, 0.46)]
)
def test_another_law_of_noise_is_noticed(noise: float, t: float) -> None:
    with pytest.raises(AssertionError, match="but should be"):
        checks.judge_ornstein_uhlenbeck(checks.noisy_ends(noise, t), 1.5, 1.2, 0.8, 0.5)


def test_noise_step_sizes_divide_the_slice() -> None:
    for span, step, steps in ((0.3, 0.1, 3), (0.25, 0.1, 3), (0.05, 0.1, 1), (1.0, 1 / 3, 3)):
        found = integrate_noisy(
            [plain(rc(1.0))], [span], voltages(0, 1, 1), step_size=step, noise=0.0,
            generator=torch.Generator(),
        )  # fmt: skip
        assert found.nfe == (steps,)
        dt = span / steps
        assert_close(found.v, voltages(0, 1, 1) * (1 - dt) ** steps, 1e-14, "v")


@pytest.mark.parametrize("step_size", [0.05, 0.0999, 0.13, 0.21, 7.0])
def test_noise_goes_with_the_root_of_the_steps_taken(step_size: float) -> None:
    """Euler-Maruyama written out: ``v <- v - g v dt + s sqrt(dt) N(0, 1)``, of steps that fill each
    slice, whether the one asked for divides it or is longer than it."""
    circuit, v = rc(1.3, 2), voltages(3, 5, 2)
    spans, g, s = (0.2, 0.35), 1.3, 0.7
    found = integrate_noisy(
        [plain(circuit)] * 2, spans, v, step_size=step_size, noise=s,
        generator=torch.Generator().manual_seed(4),
    )  # fmt: skip
    drawn = torch.Generator().manual_seed(4)
    for span, steps in zip(spans, found.nfe, strict=True):
        dt = span / steps
        for _ in range(steps):
            kick = torch.randn(v.shape, generator=drawn, dtype=v.dtype)
            v = v - g * v * dt + s * math.sqrt(dt) * kick
    assert_close(found.v, v, 1e-12, "noisy v")


@pytest.mark.parametrize("options", [{"step_size": 0.0, "noise": 1.0}, {"noise": -1.0}])
def test_noise_that_is_none(options: dict[str, float]) -> None:
    with pytest.raises(OperandError, match="should be positive"):
        integrate_noisy(
            [plain(rc(1.0))], [1.0], voltages(0, 1, 1),
            **{"step_size": 0.1, **options}, generator=torch.Generator(),
        )  # fmt: skip


# ------------------------------------------------------------------------------------------------
# Where solvers stop


def stopped(
    side: Circuit, solver: Solver, span: float = 1.0, *, reverse: bool = False, slice_: int = 1
) -> SolverError:
    """The error of a network whose slice number ``slice_`` of two cannot be integrated."""
    sides = [plain(side)] * 2
    sides[1 - slice_] = plain(rc(0.5, side.topology.n_free))
    began = time.process_time()
    with pytest.raises(SolverError) as caught:
        integrate(sides, [0.5, span], voltages(1, 2, side.topology.n_free), solver, reverse=reverse)
    assert time.process_time() - began < 5  # of this process: a busy machine is no failure
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"slice {slice_}: ")
    assert solver.method in message
    # What is said to help is something that this method uses.
    adaptive = solver.method in ADAPTIVE
    assert ("simulation.step_size" in message) == (not adaptive)
    assert adaptive or not re.search("tol|min_step", message)
    assert "check the parameters" in message or "simulation.min_step" in message
    return caught.value


def stated_time(error: SolverError) -> float:
    return float(str(error).split("t = ")[1].split(" s")[0])


@pytest.mark.parametrize("divergence", [False, True])
def test_steps_that_would_be_too_short(divergence: bool) -> None:
    """A circuit of time constant 1e-4 s with steps of 0.01 s at least."""
    side = plain(rc(1e4))
    with pytest.raises(SolverError, match=r"slice 0: dopri5 .* t = .*needs steps below 0.01 s"):
        integrate(
            [side], [1.0], voltages(0, 2, 1), Solver("dopri5", tol=1e-6, min_step=1e-2),
            divergence=divergence,
        )  # fmt: skip


def test_the_slice_and_the_time_of_the_stop_are_named() -> None:
    stiff = rc(1e4)
    error = stopped(stiff, Solver("dopri5", tol=1e-6, min_step=1e-2))
    assert stated_time(error) == 0
    error = stopped(stiff, Solver("dopri5", tol=1e-6, min_step=1e-2), reverse=True)
    assert stated_time(error) == 1


# As loose as leaves a second at most, and fehlberg2's error (checks.WITHIN) small.
RUNAWAY_TOL = {
    "dopri5": 1e-3,
    "dopri8": 1e-3,
    "bosh3": 1e-2,
    "fehlberg2": 1e-3,
    "adaptive_heun": 0.1,
}


@pytest.mark.parametrize("method", ADAPTIVE)
def test_a_circuit_that_runs_away_ends(method: str) -> None:
    """Negative conductances: e^(1e4 t) leaves float64 at t = 0.07 s, whatever the method."""
    error = stopped(rc(-1e4), Solver(method, tol=RUNAWAY_TOL[method], min_step=1e-9))
    assert stated_time(error) == pytest.approx(0.071, abs=0.01)


@each_fixed
def test_a_circuit_that_fixed_steps_make_run_away_ends(method: str) -> None:
    error = stopped(rc(1e7), Solver(method, step_size=1e-2))
    assert "voltages are not finite at t = 1 s" in str(error)
    assert f"{method} with steps of 0.01 s diverges" in str(error)
    assert stated_time(stopped(rc(-1e7), Solver(method, step_size=1e-2), reverse=True)) == 0


def test_noise_on_a_circuit_that_runs_away() -> None:
    with pytest.raises(
        SolverError, match=r"slice 0: voltages are not finite .*Maruyama with steps of 0\.01 s"
    ):
        integrate_noisy(
            [plain(rc(1e9))], [1.0], voltages(0, 2, 1), step_size=0.01, noise=0.1,
            generator=torch.Generator(),
        )  # fmt: skip


@pytest.mark.parametrize("method", METHODS)
def test_parameters_that_are_no_numbers_are_refused(method: str) -> None:
    broken = random_circuit(0)
    with torch.no_grad():
        broken.param[0, 3] = torch.nan
    stopped(broken, Solver(method, tol=1e-3, step_size=0.1, min_step=1e-6))
    stopped(broken, Solver(method, tol=1e-3, step_size=0.1), slice_=0, reverse=True)


def test_the_adjoint_stops_with_the_same_error() -> None:
    """The way back can fail where the way forward did not: 2 s of e^(200 t) in float32."""
    circuit = rc(200.0)
    circuit = Circuit(circuit.topology, circuit.device, circuit.param.detach().float())
    solver = Solver("dopri5", tol=1e-3, min_step=1e-7, adjoint=True)
    v = torch.ones(2, 1, requires_grad=True)
    found = integrate([plain(circuit)], [2.0], v, solver)
    with pytest.raises(SolverError, match=r"slice 0: dopri5 stopped at t = .* s"):
        found.v.sum().backward()


def test_a_slice_has_a_limit_of_steps(monkeypatch) -> None:
    """Without a lower limit of the step nothing else would end a stiff slice."""
    monkeypatch.setattr(step_control, "MAX_STEPS", 5)
    with pytest.raises(SolverError, match=r"slice 0: .*more than 5 steps"):
        integrate([plain(rc(1e2))], [1.0], voltages(0, 2, 1), Solver("dopri5", tol=1e-9))


# A slice as long as the shortest step, or shorter, has no second step to show that the first one
# was too long.
SLICES = {"one": [0.5], "many": [0.5, 0.2, 0.3], "shorter": [0.3]}
RATES = {method: torch.tensor([1.3, 2.1, 3.2], dtype=torch.float64) for method in ADAPTIVE}
"""1/s: 0.5 s are too long a step for the second of the tolerances, and short enough for the method
to estimate its error. (bosh3's estimate vanishes where rate times step is 1.)"""
RATES["bosh3"] /= 3
RATES["dopri8"] *= 2.5
TOLERANCES = {m: (1e-2, 1e-5 if m.startswith("dopri") else 1e-4) for m in ADAPTIVE}


def decay(method: str, *, reverse: bool = False) -> Circuit:
    """Voltages that fall as e^(-rate t), forwards or, ``reverse``, backwards in time."""
    made = rc(1.0, 3)
    with torch.no_grad():
        made.param[0] = -RATES[method] if reverse else RATES[method]
    return made


def judged_too_short(error: SolverError, min_step: float) -> int:
    """One refusal, which has to be that of a step of ``min_step``."""
    assert min_step > 0
    assert f"needs steps below {min_step:g} s" in str(error)
    return 1


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("slices", SLICES)
@pytest.mark.parametrize("path", ["plain", "fused"])
@pytest.mark.parametrize("method", ADAPTIVE)
def test_what_a_method_returns_is_within_its_tolerance(method: str, path, slices, reverse) -> None:
    """Whatever the first and the shortest step: else it is an error."""
    spans, v = SLICES[slices], torch.ones(4, 3)
    side = right_hand_side(as_dtype(decay(method, reverse=reverse), torch.float32), path)
    exact = v.double() * torch.exp(-RATES[method] * sum(spans))
    refused = 0
    for tol, min_step, first in itertools.product(
        TOLERANCES[method], (0.0, 0.05, 0.5, 0.9), (None, 0.5)
    ):
        solver = Solver(method, tol=tol, first_step=first, min_step=min_step)
        try:
            with torch.no_grad():
                found = integrate(
                    [side] * len(spans), spans, v, solver, divergence=True, reverse=reverse
                )
        except SolverError as error:
            refused += judged_too_short(error, min_step)
            continue
        allowed = checks.WITHIN.get(method, 10.0) * tol + 1e-6
        assert_close(found.v, exact, allowed, f"v [{solver}]")
    assert refused >= 2


@pytest.mark.parametrize("method", ADAPTIVE)
def test_the_adjoint_is_within_its_tolerance(method: str) -> None:
    """Voltages of 1 uV pass in one step of any size; the adjoint of a million times their sum
    does not."""
    v, spans = torch.full((1, 3), 1e-6, dtype=torch.float64, requires_grad=True), [0.5, 0.3]
    exact = 1e6 * torch.exp(-RATES[method] * sum(spans))[None]
    refused = 0
    for tol, min_step in itertools.product(TOLERANCES[method], (1e-5, 0.05, 0.9)):
        solver = Solver(method, tol=tol, first_step=0.2, min_step=min_step, adjoint=True)
        end = 1e6 * integrate([plain(decay(method))] * 2, spans, v, solver).v.sum()
        try:
            (found,) = torch.autograd.grad(end, v)
        except SolverError as error:
            refused += judged_too_short(error, min_step)
            continue
        allowed = checks.WITHIN.get(method, 10.0) * tol * 1e6
        assert_close(found, exact, allowed, f"gradient [{solver}]")
    assert 0 < refused < 6


@pytest.mark.parametrize("points", [0, 5])
@pytest.mark.parametrize("reverse", [False, True])
def test_short_first_and_last_steps_are_no_failure(reverse: bool, points: int) -> None:
    """The first step may be ``min_step``, and the end of a slice may cut the last below it."""
    sides, v = [plain(random_circuit(0, scale=0.3))], voltages(0, 2, 4)
    for extra in (0.0, 1e-5, 1e-4, 3e-3):
        solver = Solver("dopri5", tol=1e-3, first_step=1e-3, min_step=1e-3)
        found = integrate(sides, [0.111 + extra], v, solver, reverse=reverse, points=points)
        exact = integrate(sides, [0.111 + extra], v, TIGHT, reverse=reverse)
        assert_close(found.v, exact.v, 1e-3, "v")


def test_methods_there_are() -> None:
    with pytest.raises(OperandError, match="unknown method 'implicit_adams'; choose one of dopri5"):
        Solver("implicit_adams")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((name, x) for name in ("tol", "first_step", "step_size") for x in (0.0, -1e-3, math.inf)),
        *((name, math.nan) for name in ("tol", "first_step", "min_step", "step_size")),
        ("min_step", -1e-9),
        ("min_step", math.inf),
    ],
)
def test_tolerances_and_steps_that_are_none(name: str, value: float) -> None:
    with pytest.raises(OperandError, match=rf"^{name} {value:g}: should "):
        Solver(**{name: value})


def test_tightened() -> None:
    assert Solver("dopri8", tol=1e-7).tightened(1e-5) == Solver("dopri8", tol=1e-7)
    assert Solver("dopri5", tol=1e-3, min_step=1e-3).tightened(1e-5) == Solver("dopri5", tol=1e-5)
    exactly = Solver("bosh3", tol=1e-5, first_step=0.1, min_step=1e-3)
    assert exactly.tightened(1e-5) is exactly
    assert exactly.tightened(math.nextafter(1e-5, 0)).method == "dopri5"
    fixed = Solver("rk4", tol=1e-9, step_size=0.5).tightened(1e-5)
    assert (fixed.method, fixed.tol) == ("dopri5", 1e-5)
