"""What a fast path of a circuit must satisfy, held against the plain one in float64.

Every bound is derived from the circuit: float32 rounding u = 2^-24 of each operation, 4e-7 for the
fused tanh, and how much a circuit can make of them. At a kink of a piecewise linear device the
slope may be that of the other side: what such an edge could change is allowed, or left out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import torch

from ohmbench.kernels.circuits import Path, right_hand_side
from ohmbench.kirchhoff.circuit import Circuit
from ohmbench.kirchhoff.simulation import Solver, integrate
from tests.unit.circuits import DEVICES, FUSED, T0, as_dtype, plain, random_circuit, voltages
from tests.unit.kirchhoff_checks import assert_close

BATCHES = (1, 63, 64, 65, 200)
U = 2.0**-24
TANH = 4e-7
F64 = torch.float64


class Edges(NamedTuple):
    """Of one circuit at voltages (batch, n_free), float64, each (batch, edges) or (edges,)."""

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
    """Sums over the edges of each free node: ``x`` at their sources, ``y`` at destinations."""
    net = torch.zeros(len(x), circuit.topology.n_free + 1, dtype=F64)
    return net.index_add(1, circuit.source, x).index_add(1, circuit.destination, y)[:, 1:]


def _degree(circuit: Circuit) -> int:
    ends = torch.cat([circuit.source, circuit.destination])
    return int(torch.bincount(ends).max())


def derivative_bound(circuit: Circuit, v: torch.Tensor) -> torch.Tensor:
    """How far float32 dv/dt (batch, n_free) may be off.

    A drive is off by 3u of its terms, its activation (slope at most 1) by that and its own error,
    a current by two more roundings, a node by one of each addition.
    """
    e = edges_of(circuit, v)
    activation = TANH * (1 + e.y.abs()) if e.smooth else U * e.y.abs()
    i = (e.g * e.y).abs()
    off = e.g.abs() * (4 * U * e.size + activation) + (3 + _degree(circuit)) * U * i
    return _at_nodes(circuit, off, off)


def divergence_bound(circuit: Circuit, v: torch.Tensor) -> torch.Tensor:
    """How far a float32 divergence (batch,) may be off; an edge at its kink by all it has."""
    e = edges_of(circuit, v)
    slope = 4 * U * e.size + 4 * TANH if e.smooth else (e.drive.abs() <= 4 * U * e.size).double()
    return (e.w * (slope + (4 + e.w.shape[0]) * U)).sum(1)


def at_no_kink(circuit: Circuit, v: torch.Tensor) -> torch.Tensor:
    """Samples (batch,) none of whose drives float32 could take for one of the other sign."""
    e = edges_of(circuit, v)
    if e.smooth or circuit.device.activation.name == "identity":
        return torch.ones(len(v), dtype=torch.bool)
    return (e.drive.abs() > 4 * U * e.size).all(1)


def gradient_bounds(
    circuit: Circuit, v: torch.Tensor, of_net: torch.Tensor, of_div: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """How far float32 gradients of voltages (batch, n_free) and parameters (columns,) may be off.

    Each is a sum of products in which slope, its derivative and the activation's error are at most
    1, 2 and 4e-7: a relative error of 4e-6 of the terms without their signs is a bound.
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
    circuit: Circuit, path: Path, v: torch.Tensor, of_net: torch.Tensor, of_div: torch.Tensor
) -> tuple[torch.Tensor, ...]:
    """net, div, and the gradients of voltages and parameters, samples first."""
    side, dtype = right_hand_side(circuit, path), circuit.param.dtype
    leaf = v.to(dtype).requires_grad_()
    x = leaf.t() if side.node_major else leaf
    net, div = side.with_divergence(T0, x)
    net = net.t() if side.node_major else net
    loss = (net * of_net.to(dtype)).sum() + (div * of_div.to(dtype)).sum()
    return net, div, *torch.autograd.grad(loss, [leaf, circuit.param])


def judge_evaluation(circuit: Circuit, path: Path, batch: int, seed: int = 0) -> None:
    """dv/dt, divergence and gradients of a float32 circuit by ``path``."""
    what = f"{path}, {circuit.device.activation.name}, batch {batch}"
    n_free = circuit.topology.n_free
    v = voltages(seed, batch, n_free).float()
    keep = at_no_kink(circuit, v)
    of_net = voltages(seed + 1, batch, n_free) * keep[:, None]
    of_div = voltages(seed + 2, batch, 1)[:, 0] * keep
    found = _evaluated(circuit, path, v, of_net, of_div)
    exact = _evaluated(as_dtype(circuit, F64), "plain", v, of_net, of_div)
    # The gradients asked for are themselves rounded to float32: 4e-6 has room for that.
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
    """The circuit, and what tells each sample's smallest |drive| so far relative to 1."""
    least: list[torch.Tensor] = []
    activation = circuit.device.activation

    def phi(u: torch.Tensor) -> torch.Tensor:
        least.append(u.detach().abs().amin(1))
        return activation.phi(u)

    device = replace(circuit.device, activation=replace(activation, phi=phi))
    made = Circuit(circuit.topology, device, circuit.param.detach().clone())
    return made, lambda: torch.stack(least).amin(0)


def _slice(
    side: Any,
    parameter: torch.Tensor,
    v: torch.Tensor,
    how: tuple[float, Solver, bool],
    weights: tuple[torch.Tensor, torch.Tensor],
) -> tuple[torch.Tensor, ...]:
    span, solver, reverse = how
    leaf = v.clone().requires_grad_()
    end = integrate([side], [span], leaf, solver, divergence=True, reverse=reverse)
    assert end.delta is not None
    loss = (end.v * weights[0].to(v.dtype)).sum() + (end.delta * weights[1].to(v.dtype)).sum()
    return end.v, end.delta, *torch.autograd.grad(loss, [leaf, parameter])


def judge_slice(
    circuit: Circuit, path: Path, batch: int, step: float, *, reverse: bool, span: float = 0.5
) -> None:
    """A slice by rk4, and its gradients, against torchdiffeq's in float64.

    Errors of dv/dt add up over the slice and grow at most as exp(L t), L the largest row of the
    Jacobian without signs. Gradients: 2e-5 of the largest.
    """
    name = circuit.device.activation.name
    what = f"{path}, {name}, batch {batch}, step {step}, {'back' if reverse else 'forward'}"
    n_free = circuit.topology.n_free
    v = voltages(3, batch, n_free).float()
    how = (span, Solver("rk4", step_size=step), reverse)
    exact_circuit, least = watched(as_dtype(circuit, F64))
    ones = torch.ones(batch, dtype=F64)
    with torch.no_grad():
        integrate([plain(exact_circuit)], [span], v.double(), how[1], reverse=reverse)
    keep = torch.ones_like(ones) if name in ("tanh", "identity") else (least() > 1e-5).double()
    weights = voltages(4, batch, n_free) * keep[:, None], voltages(5, batch, 1)[:, 0] * keep
    exact = _slice(plain(exact_circuit), exact_circuit.param, v.double(), how, weights)
    found = _slice(right_hand_side(circuit, path), circuit.param, v, how, weights)
    e = edges_of(circuit, v)
    steep = e.g.abs() * (e.a.abs() + e.b.abs())
    growth = float(_at_nodes(circuit, steep[None], steep[None]).max())
    amplified = 2 * span * torch.tensor(growth * span).exp()
    # Twice what dv/dt is off at both ends of the slice.
    off = derivative_bound(circuit, v) + derivative_bound(circuit, exact[0].detach())
    off = amplified * off.amax(1) + 8 * U * exact[0].detach().abs().amax(1)
    assert_close(found[0], exact[0], off[:, None].expand_as(exact[0]), f"end [{what}]")
    safe = keep.bool()
    # The divergence's own errors, and the voltages' times its slope in them (at most 2 w a).
    slope = float((2 * e.w * (e.a.abs() + e.b.abs())).sum()) if e.smooth else 0.0
    delta = 2 * span * (divergence_bound(circuit, v) + slope * off) + 8 * U
    assert_close(found[1][safe], exact[1][safe], delta[safe], f"delta [{what}]")
    for one, other, of in zip(found[2:], exact[2:], ("v", "p"), strict=True):
        largest = float(other.abs().max())
        assert_close(one, other, 2e-5 * largest, f"gradient of {of} [{what}]")


# ------------------------------------------------------------------------------------------------
# The checks themselves


def _circuit(seed: int, kind: str, scale: float = 1.0) -> Circuit:
    n_free, edges = (3, 9) if seed % 2 else (6, 20)
    return random_circuit(
        seed, n_free, edges, kind, shared=seed % 3 == 0, dtype=torch.float32, scale=scale
    )


def check_fused_evaluation(kinds: Sequence[str] = tuple(FUSED)) -> None:
    """The fused path evaluates what the plain one does."""
    for seed, kind in enumerate(kinds):
        judge_evaluation(_circuit(seed, kind), "fused", BATCHES[seed % len(BATCHES)])


def check_dense_evaluation(kinds: Sequence[str] = tuple(DEVICES)) -> None:
    """The dense path evaluates what the plain one does."""
    for seed, kind in enumerate(kinds):
        judge_evaluation(_circuit(seed, kind), "dense", BATCHES[seed % len(BATCHES)])


def check_fused_slice(kinds: Sequence[str] = ("ShiftTanh2", "ShiftRelu1")) -> None:
    """The fused path takes a slice, and its gradients back, as torchdiffeq does."""
    for seed, kind in enumerate(kinds):
        for reverse, step in ((False, 0.1), (True, 0.2)):
            circuit = _circuit(seed, kind, 0.5)
            judge_slice(circuit, "fused", 65, step, reverse=reverse)


def check_fused_edges() -> None:
    """The fused path's loop over edges, on circuits small enough for a loop in Python."""
    for seed, kind in enumerate(("ShiftTanh2", "ShiftLeakyRelu1")):
        judge_evaluation(random_circuit(seed, 2, 3, kind, dtype=torch.float32), "fused", 5)
