"""torch.func, forward-mode differentiation and torch.compile give what the functions give."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch.autograd import forward_ad
from torch.func import grad, hessian, jacfwd, jacrev, jvp, vmap
from torch.fx.experimental.proxy_tensor import make_fx

from ohmbench.data.energies import ENERGIES
from ohmbench.errors import OperandError
from ohmbench.floatgate import (
    EKV,
    FG_ARRAY,
    FG_ARRAY_WTA,
    SPECS,
    SUBTHRESHOLD,
    WTA_CELL,
    Activation,
    FGLayer,
    Line,
    count_out_of_range,
    current_to_voltage,
    evaluate,
    line_currents,
)
from ohmbench.kirchhoff import evaluation
from ohmbench.kirchhoff.execution import right_hand_side
from ohmbench.kirchhoff.simulation import Solver, SolverError, integrate
from ohmbench.transforms import batched
from tests.unit.circuits import DEVICES, T0, random_circuit, random_flow, voltages
from tests.unit.networks import random_network
from tests.unit.transform_cases import CASES, GROUPS, NOT_OF_TENSORS, Case, Tensor, joined

# torch's own, about its own: it looks at the gradients of what it carries across a break.
pytestmark = [
    pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor:UserWarning"),
    pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning"),
]
SLOW = pytest.mark.slow
every_case = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


@pytest.fixture(autouse=True)
def compile_anew():
    yield
    torch.compiler.reset()


def each(case: Case) -> Tensor:
    return torch.stack([case.f(x) for x in case.x]).detach()


def assert_same(found: Tensor, expected: Tensor, what: str, tolerance: float = 1e-12) -> None:
    """Equal up to ``tolerance`` of the largest number of each result."""
    assert found.shape == expected.shape, f"{what}: {found.shape}, not {expected.shape}"
    assert found.dtype == expected.dtype, what
    error = (found - expected).abs().max()
    size = expected.abs().max()
    assert float(error) <= tolerance * float(size), f"{what}: off by {error:g} of {size:g}"


def differences(f: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """The Jacobian (*out, *in) by central differences with Richardson's combination."""
    columns = []
    for k in range(x.numel()):
        step = torch.zeros_like(x)
        h = 1e-4 * float(x.flatten()[k].abs())
        step.view(-1)[k] = h
        near, far = ((f(x + n * step) - f(x - n * step)).detach() / (2 * n * h) for n in (1, 2))
        columns.append((4 * near - far) / 3)
    return torch.stack(columns, -1).reshape(*columns[0].shape, *x.shape)


def jacobian(case: Case, x: Tensor) -> Tensor:
    """Of one sample: by differences or, of what is rounded, as autograd has it."""
    if not case.straight_through:
        return differences(case.f, x)
    leaf = x.clone().requires_grad_()
    y = case.f(leaf)
    if not y.requires_grad:
        return torch.zeros(*y.shape, *x.shape, dtype=y.dtype)
    rows = [torch.autograd.grad(e, leaf, retain_graph=True)[0] for e in y.flatten()]
    return torch.stack(rows).reshape(*y.shape, *x.shape)


@every_case
def test_vmap(case: Case) -> None:
    assert_same(vmap(case.f)(case.x).detach(), each(case), "vmap")


def scaled(j: Tensor, x: Tensor) -> Tensor:
    """A Jacobian by relative changes of ``x``, which has entries of many magnitudes."""
    return j * x


@every_case
def test_derivatives(case: Case) -> None:
    x = case.x[0]
    exact = jacobian(case, x)
    tangent = torch.randn(x.shape, dtype=x.dtype, generator=torch.Generator().manual_seed(0)) * x
    expected = {
        "jacrev": exact,
        "jacfwd": exact,
        "jvp": (exact * tangent).flatten(exact.ndim - x.ndim).sum(-1),
        "dual": (exact * tangent).flatten(exact.ndim - x.ndim).sum(-1),
        "grad": exact.reshape(-1, *x.shape).sum(0),
    }

    def dual(x: Tensor, tangent: Tensor) -> Tensor:
        with forward_ad.dual_level():
            found = forward_ad.unpack_dual(case.f(forward_ad.make_dual(x, tangent))).tangent
        return torch.zeros_like(expected["dual"]) if found is None else found

    found = {
        "jacrev": jacrev(case.f)(x),
        "jacfwd": jacfwd(case.f)(x),
        "jvp": jvp(case.f, (x,), (tangent,))[1],
        "dual": dual(x, tangent),
        "grad": grad(lambda x: case.f(x).sum())(x),
    }
    for name, value in found.items():
        factor = x if name in ("jacrev", "jacfwd", "grad") else torch.ones((), dtype=x.dtype)
        assert_same(value.detach() * factor, expected[name] * factor, name, 1e-7)
    assert_same(jvp(case.f, (x,), (tangent,))[0].detach(), case.f(x).detach(), "jvp's value")


def judge_compiled(compiled: Callable[..., list[Tensor]], cases: list[Case], k: int) -> None:
    """Values and gradients of compiled functions at their samples ``k``."""
    given = [case.x[k].clone().requires_grad_() for case in cases]
    plain = [case.x[k].clone().requires_grad_() for case in cases]
    found, expected = compiled(given), [case.f(x) for case, x in zip(cases, plain, strict=True)]
    for n, (a, b) in enumerate(zip(found, expected, strict=True)):
        assert_same(a.detach(), b.detach(), f"case {n}")
    for some in (found, expected):
        sum(y.sum() / y.detach().abs().sum() for y in some if y.requires_grad).backward()
    for n, (a, b) in enumerate(zip(given, plain, strict=True)):
        assert (a.grad is None) == (b.grad is None), n
        if a.grad is not None:
            assert_same(a.grad, b.grad, f"gradient of case {n}")


QUICK = ("curves", "others")
"""Groups that torch.compile takes in seconds by every backend."""


@pytest.mark.parametrize(
    ("group", "backend"),
    [
        pytest.param(group, backend, marks=[] if group in QUICK or backend == "eager" else SLOW)
        for group in GROUPS
        for backend in ("eager", "aot_eager")
    ],
)
def test_compiled_together(group: str, backend: str) -> None:
    """In one function, where one call must not be taken for another."""
    cases = list(GROUPS[group].values())
    compiled = torch.compile(
        lambda xs: [case.f(x) for case, x in zip(cases, xs, strict=True)], backend=backend
    )
    judge_compiled(compiled, cases, 0)


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
@every_case
def test_compiled_alone(case: Case, backend: str) -> None:
    compiled = torch.compile(case.f, backend=backend)
    for k in range(2):  # the second by what was compiled for the first, or anew
        judge_compiled(lambda xs: [compiled(xs[0])], [case], k)


F64 = torch.float64
CELLS = (EKV, SUBTHRESHOLD, WTA_CELL)
V, W = torch.tensor([[2.2, 1.9]], dtype=F64), torch.tensor([[1e-8, 2e-9]], dtype=F64)
BIAS = torch.zeros(1, dtype=F64)
CIRCUITS = [random_circuit(k, 2, 5, "ShiftTanh2", scale=0.5) for k in range(2)]
OTHER_ARGUMENTS = {
    "current_to_voltage": (current_to_voltage, [(torch.tensor([3e-6]), line) for line in Line]),
    "current": (lambda cell, v, w: cell.current(v, w), [(cell, V, W) for cell in CELLS]),
    "line_currents": (
        lambda cell, v, w, bias, path: joined(line_currents(cell, v, w, bias, path=path)),
        [(cell, V, W, BIAS, path) for cell in CELLS for path in ("plain", "auto")],
    ),
    "FGLayer": (
        lambda layer, v: layer(v),
        [(FGLayer(W.clone(), BIAS.clone(), activation), V) for activation in Activation],
    ),
    "encode": (
        lambda spec, x: spec.encode(x),
        [(SPECS[f"floatgate-digits{which}"], W) for which in ("", "-2V4")],
    ),
    "project": (lambda array, w: array.project(w), [(a, -W) for a in (FG_ARRAY, FG_ARRAY_WTA)]),
    "device": (
        lambda device, p, v: device.current(p, v, -v),
        [(device, torch.full((3, 2), 0.3), torch.ones(2)) for device in DEVICES.values()],
    ),
    "energy": (lambda energy, z: energy(z), [(energy, 3 * V) for energy in ENERGIES.values()]),
    "right_hand_side": (
        lambda circuit, path, v: right_hand_side(circuit, path).derivative(T0, v),
        [(circuit, path, V) for circuit in CIRCUITS for path in ("plain", "dense")],
    ),
    "integrate": (
        lambda circuit, solver, v: integrate([right_hand_side(circuit)], [0.5], v, solver).v,
        [
            (circuit, Solver(method, step_size=0.3), V)
            for circuit in CIRCUITS
            for method in ("euler", "rk4", "dopri5")
        ],
    ),
}


@pytest.mark.parametrize("name", OTHER_ARGUMENTS)
def test_compiled_for_one_argument_and_called_with_another(name: str) -> None:
    function, calls = OTHER_ARGUMENTS[name]
    compiled = torch.compile(function, backend="eager")
    expected = [function(*arguments).detach() for arguments in calls]
    for _ in range(2):
        for arguments, value in zip(calls, expected, strict=True):
            assert_same(compiled(*arguments).detach(), value, f"{name}{arguments}", 1e-6)
    assert len({tuple(value.flatten().tolist()) for value in expected}) > 1, "one value for all"


# ------------------------------------------------------------------------------------------------
# Fast paths


def test_the_fast_path_of_rows_is_left_where_torch_follows() -> None:
    """float32, whose fast path rounds otherwise: what is transformed are the plain formulas."""
    network = random_network(SPECS["floatgate-digits"], seed=1)
    layer = network.fg_layers[0]
    v = 1.9 + 0.5 * torch.rand(3, 64, generator=torch.Generator().manual_seed(2))

    def pos(v: Tensor, path: str = "auto") -> Tensor:
        return layer.currents(v, path=path).pos

    fused, plain = pos(v).detach(), pos(v, "plain").detach()
    assert not torch.equal(fused, plain)
    assert torch.equal(vmap(pos)(v).detach(), torch.stack([pos(x, "plain") for x in v]).detach())
    assert torch.equal(jvp(pos, (v,), (v,))[0].detach(), plain)
    assert torch.equal(torch.compile(pos, backend="eager")(v).detach(), fused)
    layer.double()
    exact = jacrev(lambda v: layer.currents(v).pos)(v[0].double())
    layer.float()
    assert_same(jacrev(pos)(v[0]).double().detach(), exact.detach(), "jacrev in float32", 1e-5)


@pytest.mark.parametrize("vectorize", [False, True])
def test_many_gradients_of_the_fast_path_of_rows_at_once(vectorize: bool) -> None:
    """Gradients of a result that the fast path gave, which torch takes by a vmap of its own."""
    layer = FGLayer(W.clone(), BIAS.clone(), Activation.SIGMOID)
    found = torch.autograd.functional.jacobian(
        lambda v: layer.currents(v).pos, V, vectorize=vectorize
    )
    assert_same(found, jacrev(lambda v: layer.currents(v).pos)(V).detach(), "jacobian", 1e-9)


def test_circuits_leave_their_fast_path_where_torch_follows() -> None:
    circuit = random_circuit(3, 3, 6, "ShiftTanh2", dtype=torch.float32, scale=0.5)
    solver = Solver("rk4", step_size=0.1)

    def end(v: Tensor, path: str = "auto") -> Tensor:
        return integrate([right_hand_side(circuit, path)], [0.5], v, solver).v

    v = voltages(1, 4, 3, torch.float32)
    exact = random_circuit(3, 3, 6, "ShiftTanh2", scale=0.5)
    exact.param.data = circuit.param.detach().double()

    def exact_end(v: Tensor) -> Tensor:
        return integrate([right_hand_side(exact, "plain")], [0.5], v, solver).v

    jacobian = jacrev(exact_end)(v.double()).detach()
    for transform in (jacrev, jacfwd):
        assert_same(transform(end)(v).detach().double(), jacobian, transform.__name__, 1e-5)
    each_one = vmap(lambda x: end(x[None])[0])(v).detach()
    assert_same(each_one.double(), exact_end(v.double()).detach(), "vmap", 1e-5)
    compiled = torch.compile(end, backend="eager")
    assert torch.equal(compiled(v).detach(), end(v, "fused").detach())
    assert torch.equal(compiled(v, "plain").detach(), end(v, "plain").detach())


@pytest.mark.parametrize("adjoint", [False, True])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("first_step", [None, 0.05])
def test_adaptive_steps_are_torchdiffeqs(
    first_step: float | None, reverse: bool, adjoint: bool
) -> None:
    circuit = random_circuit(3, 3, 8, "ShiftTanh2")
    v = voltages(1, 4, 3)

    def run(v: Tensor, adjoint: bool = adjoint):
        solver = Solver("dopri5", tol=1e-6, first_step=first_step, adjoint=adjoint)
        sides = [right_hand_side(circuit, "plain")]
        return integrate(sides, [0.7], v, solver, divergence=True, reverse=reverse)

    evaluations = []

    def ends(v: Tensor) -> Tensor:
        found = run(v)
        evaluations.append(found.nfe)
        return joined((found.v, found.delta))

    leaf = v.clone().requires_grad_()
    direct = run(leaf, adjoint=False)
    value, slope = jvp(ends, (v,), (torch.ones_like(v),))
    assert evaluations == [direct.nfe]
    assert_same(value.detach(), joined((direct.v, direct.delta)).detach(), "ends", 1e-10)
    exact = torch.stack(
        [
            torch.autograd.grad(y, leaf, retain_graph=True)[0]
            for y in joined((direct.v, direct.delta))
        ]
    )
    # torchdiffeq's gradient goes through the choice of steps too: they differ as steps do.
    for name, found in (("jacrev", jacrev(ends)(v)), ("jacfwd", jacfwd(ends)(v))):
        assert_same(found.detach(), exact, name, 1e-4)
    assert_same(slope.detach(), exact.flatten(1).sum(1), "jvp", 1e-4)


@pytest.mark.parametrize(
    "name", ["FGNetwork-wta", "KirchhoffNet", "with_divergence-ShiftTanh2-auto-v"]
)
def test_second_derivatives(name: str) -> None:
    case = CASES[name]
    x = case.x[0]
    found = hessian(lambda x: case.f(x).sum())(x).detach()
    exact = differences(grad(lambda x: case.f(x).sum()), x)
    assert_same(found, exact, "hessian", 1e-6)


# ------------------------------------------------------------------------------------------------
# Checks of values


def test_operands_are_checked_under_torch_func() -> None:
    for place, bad, complaint in (
        ("v", float("nan"), r"input\[1, 0, 1\] is nan"),
        ("w", 0.0, r"weight\[1, 0, 1\] is 0 A"),
        ("w", 1e-3, r"weight\[1, 0, 1\] is 0.001 A, but the cell's formula needs"),
        ("w", float("inf"), r"weight\[1, 0, 1\] is inf"),
    ):
        operands = {"v": V.repeat(2, 1, 1), "w": W.repeat(2, 1, 1)}
        operands[place][1, 0, 1] = bad
        with pytest.raises(OperandError, match=complaint):
            vmap(lambda v, w: line_currents(EKV, v, w, BIAS).pos)(*operands.values())
        one = {name: x[1] for name, x in operands.items()}
        with pytest.raises(OperandError, match=complaint.replace("[1, 0", "[0")):
            grad(lambda v, w: line_currents(EKV, v, w, BIAS).pos.sum())(*one.values())
    with pytest.raises(OperandError, match=r"weight\[0, 0, 1\] is negative"):
        vmap(lambda w: line_currents(WTA_CELL, V, w, BIAS).pos)(
            torch.tensor([[[1e-8, -1e-8]]], dtype=F64)
        )


def test_operands_are_checked_under_torch_compile() -> None:
    compiled = torch.compile(lambda v, w: line_currents(EKV, v, w, BIAS).pos, backend="eager")
    assert_same(compiled(V, W), line_currents(EKV, V, W, BIAS).pos, "compiled")
    with pytest.raises(OperandError, match=r"weight\[0, 1\] is 0 A"):
        compiled(V, torch.tensor([[1e-8, 0.0]], dtype=F64))


def test_a_circuit_that_runs_away_says_so_under_torch_func() -> None:
    circuit = random_circuit(1, 2, 4, "Conductance", scale=1e6)
    sides = [right_hand_side(circuit)]
    solver = Solver("euler", step_size=0.01)
    with pytest.raises(SolverError, match="slice 0"):
        vmap(lambda v: integrate(sides, [1.0], v[None], solver).v[0])(voltages(0, 3, 2))


# ------------------------------------------------------------------------------------------------
# Counts


def counted(f: Callable[..., Tensor], *operands: Tensor) -> dict[str, tuple[int, int, int]]:
    with count_out_of_range() as counts:
        f(*operands)
    return {c.fitted.label: (c.seen, c.below, c.above) for c in counts}


def test_counts_are_those_of_the_function() -> None:
    network = random_network(SPECS["floatgate-circles"], seed=0, dtype=F64)
    v = torch.tensor([[1.5, 2.6], [2.0, 2.2]], dtype=F64)
    expected = counted(network, v)
    assert expected["ekv(v)"][1:] == (5, 5)
    assert counted(jacrev(network), v) == expected
    assert counted(lambda v: jvp(network, (v,), (v,))[0], v) == expected
    compiled = torch.compile(network, backend="eager")
    compiled(v)
    assert counted(compiled, v) == expected, "a count of what was compiled without one"
    assert_same(compiled(v).detach(), network(v).detach(), "compiled while it was counted")
    assert counted(compiled, v) == expected


# ------------------------------------------------------------------------------------------------
# Refusals


def in_vmap(f: Callable[[Tensor], object], x: Tensor) -> None:
    vmap(f)(x)


def in_grad(f: Callable[[Tensor], object], x: Tensor) -> None:
    grad(f)(x[0])


NETWORK = random_network(SPECS["floatgate-circles"], seed=0, dtype=F64)
POINTS = voltages(2, 2, 2)
LABELS = torch.tensor([0])
FLOW = random_flow(0)
CIRCUIT32 = random_circuit(0, 2, 5, dtype=torch.float32)
REFUSALS = {
    "fused-rows": (
        lambda v: line_currents(EKV, v, W, BIAS, path="fused").pos.sum(),
        "the fused path of rows is compiled, which torch.func",
    ),
    "fused-circuit": (
        lambda v: right_hand_side(CIRCUIT32, "fused").derivative(T0, v[:, None].float()).sum(),
        "the fused path of circuits is compiled",
    ),
    "evaluate": (lambda v: evaluate(NETWORK, v[None], LABELS), "an evaluation cannot be"),
    "violations": (lambda w: FG_ARRAY.violations(w), "a count of violations cannot be"),
    "log_density": (
        lambda x: evaluation.log_density(FLOW, x[None]).log_density.sum(),
        "log_density has no gradients and cannot be transformed by torch.func; transform pull_back",
    ),
    "draw": (lambda x: evaluation.draw(FLOW, 2, 0).x.sum(), "draw has no gradients"),
    "outputs": (
        lambda x: evaluation.outputs(lambda x: x, x[None]).sum(), "outputs have no gradients"
    ),
    "points": (
        lambda v: integrate(
            [right_hand_side(CIRCUITS[0])], [1.0], v[None], Solver("rk4"), points=3
        ).path.sum(),
        "voltages between steps cannot be transformed",
    ),
    "method": (
        lambda v: integrate([right_hand_side(CIRCUITS[0])], [1.0], v[None], Solver("dopri8"))
        .v.sum(),
        "dopri8 cannot be transformed or traced here; torch.func takes dopri5 and euler",
    ),
}  # fmt: skip


@pytest.mark.parametrize("transform", [in_vmap, in_grad])
@pytest.mark.parametrize("name", REFUSALS)
def test_what_cannot_be_transformed(name: str, transform: Callable[..., None]) -> None:
    f, complaint = REFUSALS[name]
    with pytest.raises(OperandError, match=complaint):
        transform(f, POINTS)


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_a_sample_of_a_vmap_is_seen_through_gradients(depth: int) -> None:
    """However many transformations lie between."""
    seen: list[bool] = []

    def f(x: Tensor) -> Tensor:
        seen.append(batched(x))
        return x.sum()

    for _ in range(depth):
        f = (lambda inner: lambda x: grad(lambda y: inner(y).sum())(x).sum())(f)
    vmap(f)(torch.ones(3, 2))
    f(torch.ones(2))
    assert seen == [True, False]


def test_samples_of_a_vmap_share_no_adaptive_steps_and_no_counts() -> None:
    solver = Solver("dopri5", tol=1e-5)
    with pytest.raises(OperandError, match="chooses its steps for a batch as a whole"):
        vmap(lambda v: integrate([right_hand_side(CIRCUITS[0])], [1.0], v[None], solver).v)(POINTS)
    with count_out_of_range(), pytest.raises(OperandError, match="cannot be counted"):
        vmap(NETWORK)(POINTS)


def test_a_compiled_circuit_made_outside_refuses_inside() -> None:
    side = right_hand_side(CIRCUIT32, "fused")
    with pytest.raises(OperandError, match="use path='plain' there"):
        grad(lambda v: side.derivative(T0, v).sum())(POINTS.float())
    v = POINTS.float().requires_grad_()
    with pytest.raises(OperandError, match="or many taken at once"):
        torch.autograd.functional.jacobian(lambda v: side.derivative(T0, v), v, vectorize=True)


# ------------------------------------------------------------------------------------------------
# Both, and torch's tracers


@pytest.mark.parametrize("name", ["both-lines", "sigmoid-p", "line_currents-ekv-auto-v",
                                  "FGLayer-sigmoid", "FGNetwork-wta", "log_normal"])  # fmt: skip
def test_torch_func_inside_torch_compile_and_around_it(name: str) -> None:
    case = CASES[name]
    expected = jacobian(case, case.x[0])
    samples = each(case)

    def slope(x: Tensor) -> Tensor:
        return grad(lambda x: case.f(x).sum())(x)

    size = torch.where(case.x[0] == 0, 1, case.x[0])
    for found in (
        torch.compile(slope, backend="eager")(case.x[0]),
        grad(lambda x: torch.compile(case.f, backend="eager")(x).sum())(case.x[0]),
    ):
        whole = expected.reshape(-1, *case.x[0].shape).sum(0)
        assert_same(found.detach() * size, whole * size, "gradient", 1e-7)
    for many in (
        torch.compile(vmap(case.f), backend="eager"), vmap(torch.compile(case.f, backend="eager"))
    ):  # fmt: skip
        assert_same(many(case.x).detach(), samples, "vmap")


def test_a_trace_is_of_the_formulas() -> None:
    """Not of the numbers that compiled loops gave once."""
    network = NETWORK
    v = torch.tensor([[1.9, 2.2]], dtype=F64)
    for traced in (make_fx(network)(v), make_fx(network, tracing_mode="real")(v)):
        assert_same(traced(v + 0.1).detach(), network(v + 0.1).detach(), "make_fx")


def test_every_public_function_is_a_case() -> None:
    for module, others in NOT_OF_TENSORS.items():
        for name in set(module.__all__) - set(others):
            assert any(case.split("-")[0].split(".")[0] == name for case in CASES), name
