"""Checks of the fast paths of circuits, against the plain path in float64.

Every bound is derived from the circuit: float32 rounding u = 2^-24 of each operation, 4e-7 for the
fused tanh, and how much the circuit can amplify them. At a kink of a piecewise linear device the
slope may be that of the other side, so the possible effect of such an edge is either allowed or
left out.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from torchdiffeq._impl.dopri5 import Dopri5Solver
from torchdiffeq._impl.misc import _optimal_step_size, _select_initial_step
from torchdiffeq._impl.rk_common import _runge_kutta_step

from ohmbench.kirchhoff import simulation, step_control
from ohmbench.kirchhoff.circuit import Circuit, RightHandSide
from ohmbench.kirchhoff.execution import ExecutionPath, FusedRightHandSide, right_hand_side
from ohmbench.kirchhoff.simulation import Solver, SolverError, integrate
from ohmbench.kirchhoff.step_control import StepControl, Watch
from ohmbench.kirchhoff.topologies import Topology
from tests.unit.circuits import DEVICES, FUSED, T0, as_dtype, plain, random_circuit, voltages
from tests.unit.kirchhoff_checks import assert_close

BATCHES = (1, 63, 64, 65, 200)
U = 2.0**-24
TANH = 4e-7
F64 = torch.float64


class Edges(NamedTuple):
    """One circuit's edges at voltages (batch, n_free), float64, each (batch, edges) or (edges,)."""

    g: torch.Tensor
    a: torch.Tensor
    b: torch.Tensor
    w: torch.Tensor
    v_s: torch.Tensor
    v_d: torch.Tensor
    drive: torch.Tensor
    size: torch.Tensor  # |a v_s| + |b v_d| + |c|
    y: torch.Tensor
    smooth: bool


@torch.no_grad()
def edges_of(circuit: Circuit, v: torch.Tensor) -> Edges:
    g, a, b, c = (x.double() for x in circuit.coefficients())
    volts = torch.nn.functional.pad(v.double(), (1, 0))
    v_s, v_d = volts[:, circuit.source], volts[:, circuit.destination]
    drive = a * v_s + b * v_d + c
    w = g.abs() * (b.abs() * (circuit.destination != 0) + a.abs() * (circuit.source != 0))
    size = (a * v_s).abs() + (b * v_d).abs() + c.abs()
    y = circuit.device.activation.phi(drive)
    smooth = circuit.device.activation.name not in ("relu", "leaky_relu", "identity")
    return Edges(g, a, b, w, v_s, v_d, drive, size, y, smooth)


def _at_nodes(circuit: Circuit, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Sums over the edges at each free node: ``x`` at sources, ``y`` at destinations."""
    net = torch.zeros(len(x), circuit.topology.n_free + 1, dtype=F64)
    return net.index_add(1, circuit.source, x).index_add(1, circuit.destination, y)[:, 1:]


def _degree(circuit: Circuit) -> int:
    ends = torch.cat([circuit.source, circuit.destination])
    return int(torch.bincount(ends).max())


def derivative_bound(circuit: Circuit, v: torch.Tensor) -> torch.Tensor:
    """Bound on the error of float32 dv/dt (batch, n_free).

    A drive has an error of 3u of its terms; its activation (slope at most 1) that error and its
    own; a current two more roundings; a node one per addition.
    """
    e = edges_of(circuit, v)
    activation = TANH * (1 + e.y.abs()) if e.smooth else U * e.y.abs()
    i = (e.g * e.y).abs()
    off = e.g.abs() * (4 * U * e.size + activation) + (3 + _degree(circuit)) * U * i
    return _at_nodes(circuit, off, off)


def divergence_bound(circuit: Circuit, v: torch.Tensor) -> torch.Tensor:
    """Bound on the error of a float32 divergence (batch,); an edge at its kink counts in full.

    Where a drive is certainly past 9.25, a float32 tanh is exactly 1 and its slope exactly 0, so
    the error is the exact slope: however large the parameters are, a saturated edge adds nothing.
    """
    e = edges_of(circuit, v)
    off = 4 * U * e.size + 4 * TANH if e.smooth else (e.drive.abs() <= 4 * U * e.size).double()
    slope = torch.ones_like(off)
    if circuit.device.activation.name == "tanh":
        least = e.drive.abs() - 4 * U * e.size
        off = torch.where(least > 9.25, 4 * torch.exp(-2 * least.clamp(max=300)), off)
        slope = 1 - e.y * e.y
    return (e.w * (off + (4 + e.w.shape[0]) * U * (slope + off))).sum(1)


def at_no_kink(circuit: Circuit, v: torch.Tensor) -> torch.Tensor:
    """Samples (batch,) in which float32 rounding cannot change the sign of any drive."""
    e = edges_of(circuit, v)
    if e.smooth or circuit.device.activation.name == "identity":
        return torch.ones(len(v), dtype=torch.bool)
    return (e.drive.abs() > 4 * U * e.size).all(1)


def gradient_bounds(
    circuit: Circuit, v: torch.Tensor, of_net: torch.Tensor, of_div: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Bounds on the errors of float32 gradients of voltages and parameters.

    Shapes: (batch, n_free) and (columns,). Each is a sum of products in which slope, its derivative
    and the activation's error are at most 1, 2 and 4e-7: a relative error of 4e-6 of the sum of
    magnitudes is a bound.
    """
    e = edges_of(circuit, v)
    wanted = torch.nn.functional.pad(of_net, (1, 0)).abs()
    want = wanted[:, circuit.source] + wanted[:, circuit.destination]
    du = (e.g.abs() * want + 2 * e.w * of_div.abs()[:, None]) * (1 + e.size)
    relative = 4e-6 + (_degree(circuit) + 8) * U
    of_v = relative * _at_nodes(circuit, e.a.abs() * du, e.b.abs() * du)
    each = du * (1 + e.v_s.abs() + e.v_d.abs())
    each = each + want * (1 + e.size) + of_div.abs()[:, None] * (e.g.abs() + e.a.abs() + e.b.abs())
    relative = 4e-6 + (len(v) + 8) * U
    columns = torch.zeros(circuit.topology.n_parameters, dtype=F64)
    return of_v, relative * columns.index_add(0, circuit.column, each.sum(0))


def _evaluated(
    circuit: Circuit,
    path: ExecutionPath,
    v: torch.Tensor,
    of_net: torch.Tensor,
    of_div: torch.Tensor,
) -> tuple[torch.Tensor, ...]:
    """Net current, divergence, and the gradients of voltages and parameters, samples first."""
    side, dtype = right_hand_side(circuit, path), circuit.param.dtype
    leaf = v.to(dtype).requires_grad_()
    x = leaf.t() if side.node_major else leaf
    net, div = side.with_divergence(T0, x)
    net = net.t() if side.node_major else net
    loss = (net * of_net.to(dtype)).sum() + (div * of_div.to(dtype)).sum()
    return net, div, *torch.autograd.grad(loss, [leaf, circuit.param])


def judge_evaluation(circuit: Circuit, path: ExecutionPath, batch: int, seed: int = 0) -> None:
    """dv/dt, divergence and gradients of a float32 circuit computed by ``path``."""
    what = f"{path}, {circuit.device.activation.name}, batch {batch}"
    n_free = circuit.topology.n_free
    v = voltages(seed, batch, n_free).float()
    keep = at_no_kink(circuit, v)
    of_net = voltages(seed + 1, batch, n_free) * keep[:, None]
    of_div = voltages(seed + 2, batch, 1)[:, 0] * keep
    found = _evaluated(circuit, path, v, of_net, of_div)
    exact = _evaluated(as_dtype(circuit, F64), "plain", v, of_net, of_div)
    # The weights of the gradients are themselves rounded to float32; 4e-6 has room for that.
    of_v, of_p = gradient_bounds(circuit, v, of_net, of_div)
    assert_close(found[0], exact[0], derivative_bound(circuit, v), f"dv/dt [{what}]")
    assert_close(found[1], exact[1], divergence_bound(circuit, v), f"divergence [{what}]")
    assert_close(found[2], exact[2], of_v, f"gradient of v [{what}]")
    assert_close(found[3], exact[3], of_p.expand_as(exact[3]), f"gradient of p [{what}]")
    side = right_hand_side(circuit, path)
    alone = side.derivative(T0, v.t() if side.node_major else v)
    alone = alone.t() if side.node_major else alone
    assert_close(alone, exact[0], derivative_bound(circuit, v), f"dv/dt alone [{what}]")


# ------------------------------------------------------------------------------------------------
# Whole slices


def watched(circuit: Circuit) -> tuple[Circuit, Callable[[], torch.Tensor]]:
    """The circuit, and a function that gives each sample's smallest |drive| so far."""
    least: list[torch.Tensor] = []
    activation = circuit.device.activation

    def phi(u: torch.Tensor) -> torch.Tensor:
        least.append(u.detach().abs().amin(1))
        return activation.phi(u)

    device = replace(circuit.device, activation=replace(activation, phi=phi))
    made = Circuit(circuit.topology, device, circuit.param.detach().clone())
    return made, lambda: torch.stack(least).amin(0)


def _judged_slice(
    circuit: Circuit,
    v: torch.Tensor,
    span: float,
    found: tuple[torch.Tensor, ...],
    exact: tuple[torch.Tensor, ...],
    safe: torch.Tensor,
    what: str,
) -> None:
    """Compare end voltages, delta, and gradients of voltages and parameters with those in float64.

    Errors of dv/dt accumulate over the slice and grow at most as exp(L t), where L is the largest
    absolute row sum of the Jacobian. Gradients: 2e-5 of the largest.
    """
    e = edges_of(circuit, v)
    steep = e.g.abs() * (e.a.abs() + e.b.abs())
    growth = float(_at_nodes(circuit, steep[None], steep[None]).max())
    amplified = 2 * span * torch.tensor(growth * span).exp()
    # Twice the error of dv/dt at both ends of the slice.
    off = derivative_bound(circuit, v) + derivative_bound(circuit, exact[0].detach())
    off = amplified * off.amax(1) + 8 * U * exact[0].detach().abs().amax(1)
    assert_close(found[0], exact[0], off[:, None].expand_as(exact[0]), f"end [{what}]")
    # The divergence's own error, and the voltages' error times its slope in them (at most 2 w a).
    slope = float((2 * e.w * (e.a.abs() + e.b.abs())).sum()) if e.smooth else 0.0
    delta = 2 * span * (divergence_bound(circuit, v) + slope * off) + 8 * U
    assert_close(found[1][safe], exact[1][safe], delta[safe], f"delta [{what}]")
    for one, other, of in zip(found[2:], exact[2:], ("v", "p"), strict=True):
        largest = float(other.abs().max())
        assert_close(one, other, 2e-5 * largest, f"gradient of {of} [{what}]")


Run = Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor]]


def _slice(
    run: Run, parameter: torch.Tensor, v: torch.Tensor, weights: tuple[torch.Tensor, torch.Tensor]
) -> tuple[torch.Tensor, ...]:
    """``run`` for voltages (batch, n_free): end, delta, and gradients of a weighted sum of both."""
    leaf = v.clone().requires_grad_()
    end, delta = run(leaf)
    loss = (end * weights[0].to(v.dtype)).sum() + (delta * weights[1].to(v.dtype)).sum()
    return end, delta, *torch.autograd.grad(loss, [leaf, parameter])


def _judge(circuit: Circuit, batch: int, span: float, fast: Run, reference: Any, what: str) -> None:
    """A slice by ``fast``, compared with ``reference(circuit)`` in float64."""
    name, n_free = circuit.device.activation.name, circuit.topology.n_free
    v = voltages(3, batch, n_free).float()
    exact_circuit, least = watched(as_dtype(circuit, F64))
    with torch.no_grad():
        fast(v)
        reference(exact_circuit)(v.double())
    smooth = name in ("tanh", "identity")
    keep = torch.ones(batch, dtype=F64) if smooth else (least() > 1e-5).double()
    weights = voltages(4, batch, n_free) * keep[:, None], voltages(5, batch, 1)[:, 0] * keep
    found = _slice(fast, circuit.param, v, weights)
    exact = _slice(reference(exact_circuit), exact_circuit.param, v.double(), weights)
    _judged_slice(circuit, v, span, found, exact, keep.bool(), f"{what}, {name}, batch {batch}")


def judge_slice(
    circuit: Circuit,
    path: ExecutionPath,
    batch: int,
    step: float,
    *,
    reverse: bool,
    span: float = 0.5,
) -> None:
    """A slice by rk4 and its gradients, compared with torchdiffeq's in float64."""
    solver = Solver("rk4", step_size=step)

    def run(side: RightHandSide) -> Run:
        def taken(v: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            end = integrate([side], [span], v, solver, divergence=True, reverse=reverse)
            assert end.delta is not None
            return end.v, end.delta

        return taken

    what = f"{path}, step {step}, {'back' if reverse else 'forward'}"
    fast = run(right_hand_side(circuit, path))
    _judge(circuit, batch, span, fast, lambda exact: run(plain(exact)), what)


def refused(time: float, reason: str, remedy: str) -> SolverError:
    return SolverError(f"{time}: {reason}; {remedy}")


def judge_adaptive_slice(
    circuit: Circuit, batch: int, tol: float, *, reverse: bool, span: float = 0.5
) -> None:
    """A slice by the fused dopri5 and its gradients, compared with the same steps taken in float64
    by torchdiffeq's formula and coefficients.
    """
    ends = (span, 0.0) if reverse else (0.0, span)
    side = FusedRightHandSide(circuit)
    steps: list[float] = []

    def fast(v: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        control = StepControl(*ends, tol=tol, first_step=0.02, min_step=0.0, refused=refused)
        end, div = side.dopri5(v.t(), control, divergence=True)
        steps[:] = control.accepted
        return end.t(), -div

    def reference(exact: Circuit) -> Run:
        def run(v: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            other = plain(exact)

            def field(t: torch.Tensor, y: torch.Tensor, perturb: Any) -> torch.Tensor:
                dv, trace = other.with_divergence(t, y[:, 1:])
                return torch.cat([-trace[:, None], dv], 1)

            y = torch.nn.functional.pad(v, (1, 0))
            f = field(T0, y, None)
            for h in steps:
                dt = torch.tensor(h, dtype=F64)
                y, f, _, _ = _runge_kutta_step(field, y, f, T0, dt, T0, Dopri5Solver.tableau)
            return y[:, 1:], y[:, 0]

        return run

    _judge(circuit, batch, span, fast, reference, f"dopri5 at {tol:g}, {'back' * reverse}")
    assert len(steps) > 1
    assert_close(torch.tensor(steps).sum(), torch.tensor(ends[1] - ends[0]), 1e-6, "sum of steps")


# ------------------------------------------------------------------------------------------------
# The checks themselves


def _circuit(seed: int, kind: str, scale: float = 1.0) -> Circuit:
    n_free, edges = (3, 9) if seed % 2 else (6, 20)
    return random_circuit(
        seed, n_free, edges, kind, shared=seed % 3 == 0, dtype=torch.float32, scale=scale
    )


def check_fused_evaluation(kinds: Sequence[str] = tuple(FUSED)) -> None:
    """The fused path evaluates the same functions as the plain one."""
    for seed, kind in enumerate(kinds):
        judge_evaluation(_circuit(seed, kind), "fused", BATCHES[seed % len(BATCHES)])


def check_dense_evaluation(kinds: Sequence[str] = tuple(DEVICES)) -> None:
    """The dense path evaluates the same functions as the plain one."""
    for seed, kind in enumerate(kinds):
        judge_evaluation(_circuit(seed, kind), "dense", BATCHES[seed % len(BATCHES)])


def check_fused_slice(kinds: Sequence[str] = ("ShiftTanh2", "ShiftRelu1")) -> None:
    """The fused path integrates a slice, and its gradients, as torchdiffeq does."""
    for seed, kind in enumerate(kinds):
        for reverse, step in ((False, 0.1), (True, 0.2)):
            circuit = _circuit(seed, kind, 0.5)
            judge_slice(circuit, "fused", 65, step, reverse=reverse)


def check_fused_dopri5(kinds: Sequence[str] = ("ShiftTanh2", "ShiftRelu1", "ShiftTanh1")) -> None:
    """The fused path's adaptive method and its gradients."""
    for seed, kind in enumerate(kinds):
        for reverse in (False, True):
            circuit = _circuit(seed, kind, 0.5)
            judge_adaptive_slice(circuit, 33, 1e-4, reverse=reverse)


def steps_looked_at(run: Callable[[], Any]) -> tuple[Any, torch.Tensor]:
    """The result of ``run``, and time and size of the steps that adaptive methods tried."""
    seen: list[tuple[float, float]] = []

    class Noting(Watch):
        def look(self, time: float, step: float, finite: bool) -> None:
            seen.append((time, step))
            super().look(time, step, finite)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(simulation, "Watch", Noting)
        patch.setattr(step_control, "Watch", Noting)
        found = run()
    return found, torch.tensor(seen, dtype=F64)


def judge_steps(
    circuit: Circuit, batch: int, solver: Solver, *, reverse: bool, divergence: bool = True
) -> None:
    """The fused dopri5 tries the same steps as torchdiffeq, with as many evaluations.

    A step depends on the fifth root of the previous error. float32 knows that error to 1e-4 of the
    tolerance, and so to 1 % where the error is 1 % of the tolerance. Where the first step is chosen
    automatically, errors are smaller, and only that step is compared. Ends may differ by as much as
    the method allows (check_adaptive).
    """
    v = voltages(7, batch, circuit.topology.n_free).float()

    def taken(side: RightHandSide) -> tuple[Any, torch.Tensor]:
        with torch.no_grad():
            return steps_looked_at(
                lambda: integrate([side], [0.5], v, solver, divergence=divergence, reverse=reverse)
            )

    (found, mine), (exact, theirs) = taken(FusedRightHandSide(circuit)), taken(plain(circuit))
    what = f"{circuit.device.activation.name}, batch {batch}, {'back' if reverse else 'forward'}"
    assert_close(mine[0], theirs[0], 1e-5 * theirs[0].abs(), f"first step [{what}]")
    assert_close(found.v, exact.v.double(), 10 * solver.tol, f"end [{what}]")
    if divergence:
        assert_close(found.delta, exact.delta.double(), 10 * solver.tol, f"delta [{what}]")
    if solver.first_step is not None:
        of = f"{found.nfe} evaluations, but should be {exact.nfe}"
        assert found.nfe == exact.nfe, f"{of} [{what}]"
        # The last step is the rest of the slice.
        mine, theirs = mine[: max(1, len(mine) - 1)], theirs[: max(1, len(mine) - 1)]
        assert_close(mine, theirs, 1e-2 * theirs.abs(), f"times and steps [{what}]")


def check_fused_steps() -> None:
    """The fused path's adaptive method takes the same steps as torchdiffeq's."""
    for seed, kind in enumerate(("ShiftTanh2", "ShiftRelu1", "ShiftLeakyRelu2", "ShiftTanh1")):
        for first in (None, 0.02):
            solver = Solver("dopri5", tol=1e-3, first_step=first)
            for divergence in (False, True):
                circuit, reverse = _circuit(seed, kind), seed % 2 == 1
                judge_steps(circuit, 33, solver, reverse=reverse, divergence=divergence)


def check_step_control() -> None:
    """The next step equals torchdiffeq's, for any error."""
    ratios = [0.0, 1e-12, 1e-3, 0.5, 0.999, 1.0, 1.001, 3.0, 4000.0, math.inf, math.nan]
    for ratio in ratios:
        control = StepControl(
            0.0, 100.0, tol=1e-3, first_step=0.25, min_step=0.01, refused=refused
        )  # fmt: skip
        assert control.offer(True) == 0.25
        counts = control.judge(ratio)
        factors = (torch.tensor(x, dtype=F64) for x in (0.9, 10.0, 0.2))
        step = torch.tensor(0.25, dtype=F64)
        wanted = _optimal_step_size(step, torch.tensor(ratio), *factors, 5)
        wanted = wanted.clamp(min=0.01) if bool(wanted.isfinite()) else torch.tensor(0.01)
        offered = control.offer(True)
        assert_close(torch.tensor(offered), wanted, 1e-6, f"step after an error of {ratio}")
        assert counts == (ratio <= 1), f"an error of {ratio} counts: {counts}"
        assert control.accepted == ([0.25] if counts else [])


def check_first_step() -> None:
    """The first step equals torchdiffeq's, for any norms of voltages, slope and change of slope."""
    norms = (0.0, 1e-300, 1e-16, 2e-6, 1e-3, 1.0, 1e9, 1e39, 1e300, math.inf, math.nan)
    for size, slope, change in itertools.product(norms, repeat=3):
        control = StepControl(0.0, 1.0, tol=1e-3, first_step=None, min_step=0.0, refused=refused)
        control.choose_first(StepControl.trial(size, slope), slope, change)
        found = iter(torch.tensor(x, dtype=F64) for x in (size, slope, change))
        zero, tol = torch.zeros(1, dtype=F64), torch.tensor(1e-3, dtype=F64)
        exact = float(
            _select_initial_step(
                lambda t, y: torch.zeros_like(y), T0.double(), zero, StepControl.ORDER - 1,
                tol, tol, lambda x, found=found: next(found),
            )
        )  # fmt: skip
        mine = control._step
        assert (
            mine == exact
            or math.isclose(mine, exact, rel_tol=1e-12)
            or (math.isnan(mine) and math.isnan(exact))
        ), f"first step {mine} s of {size}, {slope}, {change}, but should be {exact} s"


def floats(first: int = 0, last: int = 2**32, stride: int = 1) -> torch.Tensor:
    """The float32 values whose bits, read as an integer, are ``first``, ``first + stride``, ...."""
    bits = np.arange(first, last, stride, dtype=np.uint64).astype(np.uint32)
    return torch.from_numpy(bits.view(np.float32))


def turning_floats() -> torch.Tensor:
    """The float32 values at both ends of every exponent, and those near the saturation of tanh."""
    powers = np.arange(512, dtype=np.uint32) << 23
    bits = (powers[:, None] + np.arange(-64, 64).astype(np.uint32)).ravel()
    dense = np.arange(7.5, 10, 2.0**-16).astype(np.float32)
    return torch.from_numpy(np.concatenate([bits.view(np.float32), dense, -dense]))


@torch.no_grad()
def judge_tanh(u: torch.Tensor) -> None:
    """The fused tanh of float32 ``u`` and its slope: to 4e-7, odd, rising, at most 1, at least 0.

    From 9.25 on, the value is exactly 1 and the slope 0.
    """
    nodes = np.array([0], dtype=np.int64), np.array([1], dtype=np.int64)
    drive = torch.tensor([[0.0], [1.0], [0.0]])
    driven = Circuit(Topology(1, *nodes), DEVICES["ShiftTanh2"], drive)  # dv/dt = tanh(v)
    side = right_hand_side(driven, "fused")
    (found,), slope = side.with_divergence(T0, u[None])
    (mirrored,), other = side.with_divergence(T0, -u[None])
    no_number = u.isnan()
    assert bool((found.isnan() == no_number).all()), "tanh of what is a number is none"
    if bool(no_number.all()):
        return
    u, found, slope, mirrored, other = (x[~no_number] for x in (u, found, slope, mirrored, other))
    exact = torch.tanh(u.double())
    # The smallest numbers have fewer digits, so their error may be one unit of these.
    assert_close(found, exact, TANH * exact.abs() + 2.0**-149, "tanh")
    assert_close(slope, 1 - exact * exact, 4 * TANH, "slope of tanh")
    assert float(found.abs().max()) <= 1, "tanh beyond 1"
    assert float(slope.min()) >= 0, "tanh falls"
    assert float(slope.max()) <= 1, "tanh rises faster than its argument"
    assert torch.equal(mirrored, -found), "tanh is not odd"
    assert torch.equal(other, slope), "the slope of tanh is not even"
    far = u.abs() >= 9.25
    assert torch.equal(found[far], u[far].sign()), "tanh is not 1 far out"
    assert not bool(slope[far].any()), "tanh has a slope far out"
    in_order = bool((u[1:] >= u[:-1]).all())
    rising = (found if in_order else found[u.argsort()]).double()
    fallen = rising.cummax(0).values - rising
    assert_close(
        fallen, torch.zeros_like(fallen), 2 * TANH * rising.abs() + 2.0**-148, "tanh falls"
    )


def check_tanh() -> None:
    """The fused path's tanh is correct, for a sample of all float32 values."""
    judge_tanh(torch.cat([floats(stride=2**17 - 1), turning_floats()[::7]]))


def check_fused_edges() -> None:
    """The fused path's loop over edges, on circuits small enough for a loop in Python."""
    for seed, kind in enumerate(("ShiftTanh2", "ShiftLeakyRelu1")):
        judge_evaluation(random_circuit(seed, 2, 3, kind, dtype=torch.float32), "fused", 5)
