"""Checks that circuits must pass; a planted fault can replace the function under test.

Each check draws its inputs from fixed seeds and raises AssertionError. They have different
foundations: the artifacts' formulas as plain loops, mathematics in closed form, scipy's solvers,
and symmetries of the physics.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import scipy.integrate
import scipy.linalg
import scipy.stats
import torch

from ohmbench.kirchhoff import topologies
from ohmbench.kirchhoff.circuit import AutogradDivergence, Circuit
from ohmbench.kirchhoff.flows import log_normal, pull_back, push_forward
from ohmbench.kirchhoff.simulation import (
    ADAPTIVE,
    FIXED_STEP,
    Solver,
    integrate,
    integrate_noisy,
)
from ohmbench.kirchhoff.topologies import Topology
from tests.unit.circuits import (
    DEVICES,
    T0,
    TIGHT,
    MadeFlow,
    plain,
    random_circuit,
    random_flow,
    rc,
    voltages,
)

# ------------------------------------------------------------------------------------------------
# Devices, in plain Python floats (KIRCHHOFF)

Current = Callable[[Sequence[float], float, float], float]


def _relu(x: float) -> float:
    return x if x > 0 else 0.0


def _leaky(x: float) -> float:
    return x if x > 0 else 0.01 * x


_ONE_ARGUMENT: dict[str, Callable[[float], float]] = {
    "relu": _relu,
    "leaky_relu": _leaky,
    "tanh": math.tanh,
    "sigmoid": lambda x: 1 / (1 + math.exp(-x)),
    "softplus": lambda x: math.log1p(math.exp(x)),
    "identity": lambda x: x,
}


def _general(f: Callable[[float], float], form: str) -> Current:
    if form == "difference":
        return lambda p, s, d: f((s - d) * p[1] + p[0])
    return lambda p, s, d: f(s * p[0] + d * p[1] + p[2])


FORMULAS: dict[str, Current] = {
    "ShiftRelu1": lambda p, s, d: p[1] * _relu((s - d) - p[0]),
    "ShiftRelu2": lambda p, s, d: _relu(s * p[0] + d * p[1] + p[2]),
    "ShiftLeakyRelu1": lambda p, s, d: p[1] * _leaky((s - d) - p[0]),
    "ShiftLeakyRelu2": lambda p, s, d: _leaky(s * p[0] + d * p[1] + p[2]),
    "ShiftTanh1": lambda p, s, d: math.tanh((s - d) * p[1] + p[0]),
    "ShiftTanh2": lambda p, s, d: math.tanh(s * p[0] + d * p[1] + p[2]),
    "Conductance": lambda p, s, d: p[0] * (s - d),
    **{
        f"Device-{name}-{form}": _general(f, form)
        for name, f in _ONE_ARGUMENT.items()
        for form in ("difference", "two-voltages")
    },
}


def check_formulas(names: Sequence[str] = tuple(FORMULAS)) -> None:
    """``Device.current`` equals the documented formula, up to rounding."""
    rng = np.random.default_rng(0)
    for name in names:
        kind = DEVICES[name]
        p, s, d = rng.normal(0, 2, (kind.rows, 300)), *rng.normal(0, 2, (2, 300))
        found = kind.current(*map(torch.from_numpy, (p, s, d))).numpy()
        for e in range(300):
            expected = FORMULAS[name](p[:, e], float(s[e]), float(d[e]))
            # A few roundings of terms below 100.
            assert abs(found[e] - expected) < 1e-13, (
                f"{name}: current {found[e]}, but should be {expected} "
                f"[p={p[:, e].tolist()}, s={s[e]}, d={d[e]}]"
            )


# ------------------------------------------------------------------------------------------------
# Topologies, as nested loops (KIRCHHOFF)

Edges = list[tuple[int, int]]


def looped_fully_connect(num_node: int, include_gnd: bool, repeat: Sequence[int]) -> Edges:
    nodes = range(num_node) if include_gnd else range(1, num_node + 1)
    edges: Edges = []
    for i in nodes:
        for j in nodes:
            if j != i:
                edges += [(i, j)] * repeat[0]
                edges += [(j, i)] * repeat[1]
    return edges


def looped_neighbor_index(
    num_channel: int,
    width: int,
    height: int,
    neighbor_size: int,
    padding: bool,
    repeat: int,
    sharing: bool,
    parallel: int,
) -> tuple[Edges, list[int]]:
    """Edges, and the number of each edge's parameter."""
    margin = neighbor_size - 1 if padding else 0
    edges: Edges = []
    named: list[tuple[int, ...]] = []
    grid = num_channel * height * width
    for copy in range(parallel):
        for top in range(-margin, height + margin - neighbor_size + 1):
            for left in range(-margin, width + margin - neighbor_size + 1):
                cells: list[int | None] = []
                for channel in range(num_channel):
                    for row in range(top, top + neighbor_size):
                        for column in range(left, left + neighbor_size):
                            real = 0 <= row < height and 0 <= column < width
                            node = 1 + (channel * height + row) * width + column + copy * grid
                            cells.append(node if real else None)
                for j, x in enumerate(cells):
                    for k, y in enumerate(cells):
                        if j == k or x is None or y is None:
                            continue
                        for r in range(repeat):
                            edges.append((x, y))
                            named.append((copy, j, k, r) if sharing else (len(named),))
    numbers = {name: number for number, name in enumerate(sorted(set(named)))}
    return edges, [numbers[name] for name in named]


def looped_mix_connect(
    num_channel: int,
    width: int,
    height: int,
    neighbor_size: int,
    fully_connect_node: int,
    repeat: Sequence[int],
    kernel_repeat: int,
    padding: bool,
) -> Edges:
    edges, _ = looped_neighbor_index(
        num_channel, width, height, neighbor_size, padding, kernel_repeat, False, 1
    )
    grid = num_channel * width * height
    for n in range(1, grid + 1):
        edges += [(n, 0)] * repeat[0] + [(0, n)] * repeat[1]
    for m in range(grid + 1, grid + fully_connect_node + 1):
        for i in range(grid + 1):
            edges += [(i, m)] * repeat[0] + [(m, i)] * repeat[1]
    return edges


def looped_simple_connect(num_node: int, repeat: Sequence[int]) -> Edges:
    edges: Edges = []
    for low in range(num_node - 1):
        edges += [(low, low + 1)] * repeat[0] + [(low + 1, low)] * repeat[1]
    return edges


def looped_pregiven(given: Sequence[Sequence[int]], repeat: Sequence[int], features: int) -> Edges:
    vertices = max(max(pair) for pair in given)

    def both(x: int, y: int) -> Edges:
        return [(x, y)] * repeat[0] + [(y, x)] * repeat[1]

    edges: Edges = []
    for f in range(features):
        for x, y in given:
            edges += both(x + f * vertices, y + f * vertices)
    for x in range(1, vertices + 1):
        for f, h in itertools.combinations(range(features), 2):
            edges += both(x + f * vertices, x + h * vertices)
    for node in range(1, features * vertices + 1):
        edges += both(node, 0)
    return edges


def assert_edges(found: Topology, edges: Edges, parameter: Sequence[int] | None = None) -> None:
    """Assert that the topologies are equal edge by edge, in order."""
    mine = list(zip(found.source.tolist(), found.destination.tolist(), strict=True))
    assert len(mine) == len(edges), f"{len(mine)} edges, but should be {len(edges)}"
    for e, (one, other) in enumerate(zip(mine, edges, strict=True)):
        assert one == other, f"edge {e} is {one[0]}->{one[1]}, but should be {other[0]}->{other[1]}"
    expected = list(range(len(edges))) if parameter is None else list(parameter)
    for e, (number, should) in enumerate(zip(found.parameter.tolist(), expected, strict=True)):
        assert number == should, f"edge {e} has parameter {number}, but should have {should}"


def check_fully_connect() -> None:
    """``_fully_connect`` equals its loop, for all small sizes."""
    for num_node, ground, repeat in itertools.product(
        range(2, 6), (True, False), ((1, 1), (2, 1), (0, 3), (1, 0))
    ):
        found = topologies.fully_connect(num_node, ground, repeat)
        assert_edges(found, looped_fully_connect(num_node, ground, repeat))


def check_neighbor_index() -> None:
    """``_neighbor_index`` equals its loop: sizes, padding, sharing, copies."""
    sizes = ((1, 3, 2, 2), (2, 2, 3, 2), (1, 4, 4, 3), (3, 2, 2, 1))
    for size, padding, repeat, sharing, parallel in itertools.product(
        sizes, (False, True), (1, 2), (False, True), (1, 2)
    ):
        found = topologies.neighbor_index(*size, padding, repeat, sharing, parallel)
        assert_edges(found, *looped_neighbor_index(*size, padding, repeat, sharing, parallel))


def check_mix_connect() -> None:
    """``_mix_connect`` equals its loop."""
    for extra, repeat, padding in itertools.product((0, 1, 3), ((1, 1), (2, 1)), (False, True)):
        found = topologies.mix_connect(1, 3, 4, 2, extra, repeat, 2, padding)
        assert_edges(found, looped_mix_connect(1, 3, 4, 2, extra, repeat, 2, padding))


# ------------------------------------------------------------------------------------------------
# Kirchhoff's current law


def looped_derivative(circuit: Circuit, v: Sequence[float]) -> list[float]:
    """dv/dt of one sample: currents into each node minus currents out of it, edge by edge."""
    volt = [0.0, *map(float, v)]
    net = [0.0] * len(volt)
    t, p = circuit.topology, circuit.param.detach().double().numpy()
    name = next(n for n, kind in DEVICES.items() if kind == circuit.device)
    for e in range(t.n_edges):
        s, d = int(t.source[e]), int(t.destination[e])
        i = FORMULAS[name](p[:, int(t.parameter[e])].tolist(), volt[s], volt[d])
        net[d] += i
        net[s] -= i
    return net[1:]


def assert_close(found: torch.Tensor, expected: torch.Tensor, allowed: Any, what: str) -> None:
    """Assert that all elements are within ``allowed``; name the worst one."""
    assert found.shape == expected.shape, (
        f"{what} has shape {tuple(found.shape)}, but should be {tuple(expected.shape)}"
    )
    error = (found.detach().double() - expected.detach().double()).abs()
    excess = error - torch.as_tensor(allowed, dtype=torch.float64).detach()
    # A NaN is never close.
    excess = torch.where(torch.isnan(error), torch.inf, excess)
    worst = int(excess.argmax())
    mine, should, off = (x.detach().flatten()[worst].item() for x in (found, expected, error))
    assert float(excess.flatten()[worst]) <= 0, (
        f"{what}: {mine!r} at {worst} of {found.numel()}, but should be {should!r} (off by "
        f"{off:.3g})"
    )


def judge_derivative(circuit: Circuit) -> None:
    """The right-hand side equals the loop over edges, to float64 rounding."""
    v = voltages(1, 3, circuit.topology.n_free)
    found = plain(circuit).derivative(T0, v)
    loops = [looped_derivative(circuit, row) for row in v.tolist()]
    # Sums of up to 26 currents below about 30 each.
    assert_close(found, torch.tensor(loops, dtype=torch.float64), 1e-11, "dv/dt")


def judge_current_law(circuit: Circuit) -> None:
    """Charge is conserved: the currents into all nodes, ground included, add up to zero."""
    side = plain(circuit)
    v = voltages(2, 5, circuit.topology.n_free)
    net, currents = side.node_currents(v), side.edge_currents(v)
    rounding = 2.0**-52 * currents.shape[1] * currents.detach().abs().sum(1)
    assert_close(net.sum(1), torch.zeros(5), rounding, "sum of node currents")
    assert_close(net[:, 1:], side.derivative(T0, v), 0.0, "free nodes' currents")


def judge_trace(circuit: Circuit) -> None:
    """The closed form of the divergence equals autograd's to 1e-10, and so does its derivative."""
    side, v = plain(circuit), voltages(3, 4, circuit.topology.n_free)
    for path in (side, AutogradDivergence(side)):
        net, _ = path.with_divergence(T0, v)
        assert_close(net, side.derivative(T0, v), 1e-13, "dv/dt beside the divergence")
    closed = side.with_divergence(T0, v)[1]
    jacobian = torch.func.vmap(torch.func.jacrev(lambda x: side.derivative(T0, x[None])[0]))(v)
    trace = jacobian.diagonal(dim1=1, dim2=2).sum(1)
    size = 1 + jacobian.abs().sum((1, 2))
    assert_close(closed, trace, 1e-10 * size, "divergence")
    by_autograd = AutogradDivergence(side).with_divergence(T0, v)[1]
    assert_close(by_autograd, trace, 1e-10 * size, "divergence by autograd")


def _each_circuit(judge: Callable[[Circuit], None]) -> None:
    for seed, name in zip(itertools.count(), DEVICES, strict=False):
        judge(random_circuit(seed, 1 + seed % 5, 3 * (seed % 4), name, shared=seed % 3 == 0))


def check_derivative() -> None:
    """dv/dt equals the loop over edges, for every device."""
    _each_circuit(judge_derivative)


def check_current_law() -> None:
    """Kirchhoff's current law holds for every device."""
    _each_circuit(judge_current_law)


def check_trace() -> None:
    """The closed-form divergence equals autograd's, for every device."""
    _each_circuit(judge_trace)


# ------------------------------------------------------------------------------------------------
# Simulation


def scipy_end(
    circuits: Sequence[Circuit], durations: Sequence[float], v: torch.Tensor, method: str
) -> torch.Tensor:
    """End voltages by ``scipy.integrate.solve_ivp`` of the loop over edges, sample by sample."""
    ends = []
    for x in v.tolist():
        for circuit, end in zip(circuits, durations, strict=True):
            found = scipy.integrate.solve_ivp(
                lambda t, y, c=circuit: looped_derivative(c, y),
                (0.0, end),
                x,
                method=method,
                rtol=1e-10,
                atol=1e-10,
            )
            assert found.success, found.message
            x = found.y[:, -1]
        ends.append(torch.as_tensor(x, dtype=torch.float64))
    return torch.stack(ends)


def smooth_circuit(seed: int = 0) -> Circuit:
    return random_circuit(seed, 3, 7, "ShiftTanh2", scale=0.8)


ORDER_STEPS = {  # first step; 5 halvings follow
    "euler": 1 / 64,
    "midpoint": 1 / 32,
    "heun2": 1 / 32,
    "heun3": 1 / 16,
    "rk4": 1 / 8,
}


@torch.no_grad()
def observed_order(method: str, seed: int = 0) -> float:
    """Slope of log error against log step over five halvings, float64, plain path."""
    sides, v = [plain(smooth_circuit(seed)), plain(smooth_circuit(seed + 50))], voltages(4, 6, 3)
    durations = [0.5, 0.25]
    exact = integrate(sides, durations, v, Solver("dopri8", tol=1e-13)).v
    steps = [ORDER_STEPS[method] / 2**k for k in range(6)]
    errors = [
        float((integrate(sides, durations, v, Solver(method, step_size=h)).v - exact).norm())
        for h in steps
    ]
    return float(np.polyfit(np.log(steps), np.log(errors), 1)[0])


def check_order(methods: Sequence[str] = tuple(FIXED_STEP)) -> None:
    """Fixed-step methods converge with the theoretical order: within 0.05, rk4 0.1 (G11)."""
    for method in methods:
        found, within = observed_order(method), 0.1 if method == "rk4" else 0.05
        assert abs(found - FIXED_STEP[method]) <= within, (
            f"{method} converges with order {found:.3f}, but should with {FIXED_STEP[method]} "
            f"within {within}"
        )


def passive_circuit(seed: int) -> Circuit:
    """Currents rise with the voltage across an edge, so such a circuit never amplifies errors."""
    made = random_circuit(seed, 3, 7, "ShiftTanh1")
    with torch.no_grad():
        made.param[1].abs_()
    return made


WITHIN = {"fehlberg2": 1000.0}
"""Error bound of an adaptive method in tolerances, where it is not 10. fehlberg2's error estimate
is that of its first-order half, (k3 - k1) h / 512, which is only loosely related to its actual
error.
"""


def check_adaptive(methods: Sequence[str] = ADAPTIVE) -> None:
    """Adaptive methods end within ten tolerances of the exact solution (G11)."""
    v = voltages(5, 4, 3)
    for seed in range(3):
        sides = [plain(passive_circuit(seed)), plain(passive_circuit(seed + 1))]
        exact = integrate(sides, [1.0, 0.5], v, Solver("dopri8", tol=1e-13)).v.detach()
        for method in methods:
            low_order = method in ("fehlberg2", "adaptive_heun")
            for tol in (1e-4, 1e-5) if low_order else (1e-4, 1e-6, 1e-8):
                with torch.no_grad():
                    found = integrate(sides, [1.0, 0.5], v, Solver(method, tol)).v
                off = float((found - exact).abs().max()) / tol
                assert off <= WITHIN.get(method, 10.0), (
                    f"{method} at {tol:g} is off by {off:.3g} tol"
                )


def check_scipy() -> None:
    """torchdiffeq and scipy agree on random circuits over several slices."""
    for seed, method in itertools.product(range(3), ("Radau", "DOP853")):
        made = [random_circuit(10 * seed + k, 3, 6, "ShiftTanh2") for k in range(2)]
        durations, v = [0.7, 0.4], voltages(seed, 2, 3)
        found = integrate([plain(c) for c in made], durations, v, TIGHT).v
        assert_close(found, scipy_end(made, durations, v, method), 1e-7, f"{method}'s voltages")


def check_reverse() -> None:
    """Forward followed by reverse returns to the start, and the change of density cancels."""
    sides = [plain(random_circuit(k, 3, 8, "ShiftTanh2")) for k in range(3)]
    durations, v = [0.3, 0.5, 0.2], voltages(6, 5, 3)
    for solver, off in ((TIGHT, 1e-8), (Solver("rk4", step_size=1 / 64), 1e-4)):
        with torch.no_grad():
            there = integrate(sides, durations, v, solver, divergence=True)
            back = integrate(sides, durations, there.v, solver, divergence=True, reverse=True)
        assert_close(back.v, v, off, "voltages there and back")
        assert there.delta is not None
        assert back.delta is not None
        assert_close(there.delta + back.delta, torch.zeros(5), off, "delta there and back")
        changed = float(there.delta.abs().min())
        assert changed > 1e-3, "the divergence of these circuits is not 0"


def judge_ornstein_uhlenbeck(
    found: torch.Tensor, start: float, g: float, s: float, t: float
) -> None:
    """Mean and covariance of independent nodes (n, 2) after ``t`` seconds, 99.99 % intervals.

    ``dv = -g v dt + s dW`` has mean ``v0 exp(-g t)`` and variance ``s^2 (1 - exp(-2 g t)) / 2g``.
    """
    n = len(found)
    variance = s**2 * -math.expm1(-2 * g * t) / (2 * g)
    z = scipy.stats.norm.ppf(1 - 1e-4 / 8)
    for node in range(2):
        x = found[:, node]
        mean = start * math.exp(-g * t)
        assert abs(float(x.mean()) - mean) < z * math.sqrt(variance / n) + 4e-3 * abs(mean), (
            f"mean {float(x.mean())} V, but should be {mean}"
        )
        # Euler's steps of 1/100 s add up to g dt / 2 = 0.6 %.
        within = z * variance * math.sqrt(2 / n) + 6e-3 * variance
        assert abs(float(x.var()) - variance) < within, (
            f"variance {float(x.var())} V^2, but should be {variance} within {within:.2g}"
        )
    correlation = float(torch.corrcoef(found.T)[0, 1])
    assert abs(correlation) < z / math.sqrt(n), f"nodes are correlated: {correlation}"


def noisy_ends(noise: float, t: float) -> torch.Tensor:
    v = torch.full((40_000, 2), 1.5, dtype=torch.float64)
    with torch.no_grad():
        return integrate_noisy(
            [plain(rc(1.2, 2))] * 2, [t / 2] * 2, v, step_size=1 / 100, noise=noise,
            generator=torch.Generator().manual_seed(0),
        ).v  # fmt: skip


def check_noise() -> None:
    """Noise on two RC circuits is an Ornstein-Uhlenbeck process."""
    judge_ornstein_uhlenbeck(noisy_ends(0.8, 0.5), 1.5, 1.2, 0.8, 0.5)


def loss_of(
    sides: Sequence[Any], v: torch.Tensor, solver: Solver, durations: Sequence[float]
) -> torch.Tensor:
    """A scalar that depends on the end voltages and on the change of density."""
    found = integrate(sides, durations, v, solver, divergence=True)
    assert found.delta is not None
    weight = torch.linspace(-1, 1, found.v.numel(), dtype=v.dtype).view_as(found.v)
    return (weight * found.v).sum() + (found.delta * weight[:, 0]).sum()


def gradients_of(
    made: Sequence[Circuit],
    v: torch.Tensor,
    solver: Solver,
    ready: Callable[[Circuit], Any] = plain,
) -> list[torch.Tensor]:
    """Gradients of the voltages and of each circuit's parameters."""
    leaf = v.clone().requires_grad_()
    parameters = [c.param for c in made]
    loss = loss_of([ready(c) for c in made], leaf, solver, [0.6, 0.4][: len(made)])
    return list(torch.autograd.grad(loss, [leaf, *parameters]))


def check_adjoint() -> None:
    """Adjoint, direct and central-difference gradients agree to 1e-6."""
    for kind in ("ShiftTanh1", "Device-softplus-two-voltages"):
        made = [random_circuit(20 + k, 3, 5, kind, shared=k == 1, scale=0.7) for k in range(2)]
        v = voltages(7, 3, 3)
        direct = gradients_of(made, v, Solver("dopri8", tol=1e-10))
        adjoint = gradients_of(made, v, Solver("dopri8", tol=1e-10, adjoint=True))
        for one, other in zip(direct, adjoint, strict=True):
            assert_close(other, one, 1e-6, f"{kind}: adjoint against direct gradient")
        _judge_differences(made, v, direct)


def _judge_differences(made: Sequence[Circuit], v: torch.Tensor, grads: list[torch.Tensor]) -> None:
    tensors = [v, *(c.param for c in made)]
    solver, h = Solver("dopri8", tol=1e-12), 1e-5
    for k, (x, gradient) in enumerate(zip(tensors, grads, strict=True)):
        for seed in range(2):
            way = torch.randn(x.shape, generator=torch.Generator().manual_seed(seed)).to(x.dtype)
            ends = []
            with torch.no_grad():
                for sign in (1, -1):
                    moved = [y + sign * h * way if j == k else y for j, y in enumerate(tensors)]
                    circuits = [
                        Circuit(c.topology, c.device, p.detach().clone())
                        for c, p in zip(made, moved[1:], strict=True)
                    ]
                    ends.append(loss_of([plain(c) for c in circuits], moved[0], solver, [0.6, 0.4]))
            difference = float(ends[0] - ends[1]) / (2 * h)
            found = float((gradient * way).sum())
            assert abs(found - difference) < 1e-6 * max(1.0, abs(difference)), (
                f"slope {found} along tensor {k}, but central differences give {difference}"
            )


# ------------------------------------------------------------------------------------------------
# Flows


def linear_matrix(circuit: Circuit) -> np.ndarray:
    """A of dv/dt = A v, for a circuit of conductances, node by node from Kirchhoff's law."""
    t, g = circuit.topology, circuit.param.detach()[0].numpy()
    a = np.zeros((t.n_free + 1, t.n_free + 1))
    for e in range(t.n_edges):
        s, d, k = int(t.source[e]), int(t.destination[e]), g[int(t.parameter[e])]
        a[d, s] += k
        a[d, d] -= k
        a[s, s] -= k
        a[s, d] += k
    return a[1:, 1:]


def check_gaussian() -> None:
    """Conductances map N(0, I) to a Gaussian in closed form: log-densities agree exactly."""
    for seed in range(3):
        made = [random_circuit(30 + seed + k, 2, 5, "Conductance", scale=0.4) for k in range(2)]
        flow = MadeFlow(made, [0.5, 0.8])
        m = np.eye(2)
        for circuit, end in zip(made, flow.durations, strict=True):
            m = scipy.linalg.expm(linear_matrix(circuit) * end) @ m
        covariance = torch.from_numpy(m @ m.T)
        law = torch.distributions.MultivariateNormal(torch.zeros(2).double(), covariance)
        z = voltages(8, 20, 2)
        forward = push_forward(flow, z, path="plain")
        assert_close(forward.x, z @ torch.from_numpy(m).T, 1e-8, "where the noise arrives")
        assert_close(forward.log_density, law.log_prob(forward.x), 1e-8, "log q of samples")
        x = voltages(9, 20, 2)
        back = pull_back(flow, x, path="plain")
        assert_close(back.log_density, law.log_prob(x), 1e-7, "log q of points")


def check_change_of_variables() -> None:
    """log q = log N(z) - ln |det dx/dz|, with the Jacobian by autograd through the solver."""
    flow = random_flow(40)
    z = voltages(10, 4, 2)
    found = push_forward(flow, z, path="plain")
    sides = flow.right_hand_sides("plain")

    def arrive(one: torch.Tensor) -> torch.Tensor:
        return integrate(sides, flow.durations, one[None], flow.solver).v[0]

    for k in range(len(z)):
        jacobian = torch.autograd.functional.jacobian(arrive, z[k])
        expected = log_normal(z[k : k + 1])[0] - torch.linalg.slogdet(jacobian)[1]
        assert_close(found.log_density[k], expected, 1e-7, "log q")


def check_both_ways() -> None:
    """The log-density of samples is the same by the forward and the reverse integration."""
    flow = random_flow(50, slices=3)
    samples = push_forward(flow, voltages(11, 200, 2), path="plain")
    back = pull_back(flow, samples.x, path="plain")
    assert_close(back.z, samples.z, 1e-8, "noise of samples")
    assert_close(back.log_density, samples.log_density, 1e-8, "log q")


def check_integral() -> None:
    """The density of a flow integrates to one over a grid that covers its mass."""
    flow = random_flow(60, solver=Solver("dopri5", tol=1e-6))
    step = 0.125
    axis = torch.arange(-9.0, 9.0, step, dtype=torch.float64) + step / 2
    points = torch.cartesian_prod(axis, axis)
    with torch.no_grad():
        density = pull_back(flow, points, path="plain").log_density.exp()
    total = float(density.sum()) * step**2
    assert abs(total - 1) < 1e-4, f"the density integrates to {total}"
    edge = points.abs().amax(1) > 8
    outside = float(density[edge].sum()) * step**2
    assert outside < 1e-5, f"the grid is too small: {outside} at its edge"
