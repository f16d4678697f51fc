"""The compiled path of floating-gate rows: the formulas within derived bounds, on the whole box."""

from __future__ import annotations

import itertools
import multiprocessing
import threading
from dataclasses import fields, replace

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from ohmbench.errors import NonFiniteError, OperandError
from ohmbench.floatgate import (
    EKV,
    SUBTHRESHOLD,
    WTA_CELL,
    count_out_of_range,
    evaluate,
    line_currents,
    load_network,
    synapse,
)
from ohmbench.floatgate.fast import fused_cells
from ohmbench.floatgate.fast.fused_cells import bound, form_of, row_error
from ohmbench.floatgate.synapse import V_DD_V, Cell
from ohmbench.kernels.choice import PATH_VARIABLE
from ohmbench.kernels.parallel import PARTS, SERIAL_BELOW, in_parts, part_bounds
from ohmbench.weights import stored
from tests.unit.row_checks import (
    CELLS,
    DTYPES,
    OPERATING_A,
    OPERATING_V,
    Operands,
    error_of_currents,
    error_of_gradients,
    operands,
)

cells = pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell.name)
dtypes = pytest.mark.parametrize("dtype", DTYPES, ids=str)
drawn = given(
    cell=st.sampled_from(CELLS),
    dtype=st.sampled_from(DTYPES),
    seed=st.integers(0, 10_000),
    batch=st.integers(0, 40),
    out=st.integers(1, 6),
    inputs=st.sampled_from((1, 2, 15, 16, 17, 64, 100, 127, 128, 129, 300)),
)


def fused(cell, v, w, bias):
    return line_currents(cell, v, w, bias, path="fused")


@drawn
def test_currents(cell, dtype, seed, batch, out, inputs) -> None:
    ops = operands(cell, seed, batch=batch, out=out, inputs=inputs, dtype=dtype)
    assert error_of_currents(fused, ops) <= 1


@drawn
def test_gradients(cell, dtype, seed, batch, out, inputs) -> None:
    ops = operands(cell, seed, batch=batch, out=out, inputs=inputs, dtype=dtype)
    assert error_of_gradients(fused, ops, seed) <= 1


@cells
def test_bounds_are_what_is_promised(cell) -> None:
    """1e-5 in float32 and 1e-9 in float64, for rows as long as an image and longer."""
    assert row_error(cell, torch.float32, 4096) <= 1e-5
    assert row_error(cell, torch.float64, 4096) <= 1e-9
    box = bound(cell).box
    assert box.v_low_V <= OPERATING_V[0]
    assert box.w_low_A <= OPERATING_A[0]
    assert box.w_high_A >= min(OPERATING_A[1], cell.largest_A)


@cells
@dtypes
def test_the_whole_box_on_a_grid(cell, dtype) -> None:
    """One cell a row: nothing averages out."""
    v = torch.linspace(1.7, 2.5, 401, dtype=dtype)[:, None].clamp(min=1.7000001)
    box = bound(cell).box
    low, high = max(box.w_low_A, 1e-12) * (1 + 1e-6), min(box.w_high_A, 1e-5) * (1 - 1e-6)
    w = torch.logspace(*torch.tensor([low, high]).log10().tolist(), 301, dtype=dtype)[:, None]
    bias = torch.zeros(len(w), dtype=dtype)
    found = fused(cell, v, w, bias).pos.double()
    exact = synapse.line_currents(cell, v.double(), w.double(), bias.double()).pos
    assert float((found / exact - 1).abs().max()) <= row_error(cell, dtype, 1)


def plant(name, form, monkeypatch):
    """One constant of ``form`` off by 1e-4, or voltages by 10 uV, or the supply by 0.1 V."""
    cell = form._cell
    if name == "slope":
        monkeypatch.setattr(form, "slope", form.slope * 1.0001)
    elif name == "middle":
        monkeypatch.setattr(form, "gate", lambda v, gate=form.gate: gate(v + v.dtype.type(1e-5)))
    elif name == "supply":
        monkeypatch.setattr(form, "v_dd_V", 2.6)
    else:
        monkeypatch.setattr(form, "_cell", replace(cell, **{name: getattr(cell, name) * 1.0001}))


FAULTS = [
    (cell, name)
    for cell, names in (
        (EKV, ("is0", "is1", "a", "b0", "b1", "slope", "middle", "supply")),
        (SUBTHRESHOLD, ("k0", "k1", "slope", "middle", "supply")),
        (WTA_CELL, ("is0", "is1", "a0", "a1", "b0", "b1", "slope", "middle", "supply")),
    )
    for name in names
]


@dtypes
@pytest.mark.parametrize(("cell", "fault"), FAULTS, ids=lambda x: getattr(x, "name", x))
def test_a_constant_that_is_off_is_noticed(cell, fault, dtype, monkeypatch) -> None:
    ops = operands(cell, 1, batch=20, out=5, inputs=20, dtype=dtype)
    assert max(error_of_currents(fused, ops), error_of_gradients(fused, ops, 1)) <= 1
    plant(fault, form_of(cell), monkeypatch)
    assert max(error_of_currents(fused, ops), error_of_gradients(fused, ops, 1)) > 1


PLANTED_PATHS = {
    "lines swapped": lambda c: type(c)(-c.neg, -c.pos),
    "leak left out": lambda c: type(c)(c.pos - 7e-12, c.neg),
    "a rounding too many": lambda c: type(c)(c.pos.half().to(c.pos.dtype), c.neg),
    "bias counted twice": lambda c: type(c)(c.pos + 1e-12, c.neg),
}


@pytest.mark.parametrize("name", PLANTED_PATHS)
def test_a_wrong_path_is_noticed(name) -> None:
    ops = operands(EKV, 3, batch=20, out=5, inputs=20, dtype=torch.float32)
    change = PLANTED_PATHS[name]
    assert error_of_currents(lambda *o: change(fused(*o)), ops) > 1


def test_wrong_gradients_are_noticed() -> None:
    class Scaled(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        def backward(ctx, g):
            return g * 1.0001

    ops = operands(EKV, 3, batch=20, out=5, inputs=20, dtype=torch.float32)
    for place in (0, 1):

        def path(cell, v, w, bias, place=place):
            operand = [v, w]
            operand[place] = Scaled.apply(operand[place])
            return fused(cell, *operand, bias)

        assert error_of_gradients(path, ops, 0) > 1


class TestChoice:
    """Which path is taken, and what is counted."""

    @pytest.fixture(autouse=True)
    def _no_preference(self, monkeypatch):
        monkeypatch.delenv(PATH_VARIABLE, raising=False)

    def test_inside_the_box_the_fused_one(self) -> None:
        ops = operands(EKV, 0, batch=3, out=4, inputs=50, dtype=torch.float32)
        with count_out_of_range() as counts:
            auto = line_currents(*ops)
        assert counts.by_plain_path == 0
        assert torch.equal(auto.pos, fused(*ops).pos)
        assert not torch.equal(auto.pos, line_currents(*ops, path="plain").pos)

    @pytest.mark.parametrize("path", ["auto", "fused"])
    @pytest.mark.parametrize(
        ("cell", "v", "w"),
        [
            (EKV, 0.99, 1e-8),
            (EKV, 2.0, -9e-17),
            (EKV, 2.0, 4.2e-5),
            (SUBTHRESHOLD, 1.69, 1e-8),
            (SUBTHRESHOLD, 2.0, 0.9e-12),
            (SUBTHRESHOLD, 2.0, -1.1e-5),
            (WTA_CELL, 1.69, 1e-6),
        ],
    )
    def test_outside_the_plain_one_counted(self, cell, v, w, path) -> None:
        ops = operands(cell, 1, batch=3, out=4, inputs=5, dtype=torch.float32)
        ops.v[1, 2] = v
        ops.w[2, 3] = w
        with count_out_of_range() as counts:
            found = line_currents(*ops, path=path)
        expected = line_currents(*ops, path="plain")
        assert counts.by_plain_path == 3 * 4 * 5
        assert all(torch.equal(x, y) for x, y in zip(found, expected, strict=True))

    def test_another_formula_the_plain_one(self) -> None:
        """Only the three forms themselves are written as compiled loops."""

        class Leaky(type(EKV)):
            def current(self, v: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
                return super().current(v, w) + 1e-12 * w.sign() * v

        ops = operands(EKV, 1, batch=3, out=4, inputs=5, dtype=torch.float64)
        ops = ops._replace(cell=Leaky(**{f.name: getattr(EKV, f.name) for f in fields(EKV)}))
        found, expected = line_currents(*ops), line_currents(*ops, path="plain")
        assert all(torch.equal(x, y) for x, y in zip(found, expected, strict=True))
        with pytest.raises(OperandError, match="the published forms of cells"):
            line_currents(*ops, path="fused")

    @cells
    def test_ranges_are_counted_on_both(self, cell) -> None:
        ops = operands(cell, 5, batch=3, out=4, inputs=50, dtype=torch.float32)
        seen = []
        for path in ("plain", "fused"):
            with count_out_of_range() as counts:
                line_currents(*ops, path=path)
            seen.append([(c.fitted.label, c.seen, c.below, c.above) for c in counts])
        assert seen[0] == seen[1]
        assert seen[0][0][1] == 3 * 4 * 50

    @pytest.mark.parametrize("path", ["auto", "plain", "fused"])
    def test_bad_operands_are_refused_alike(self, path) -> None:
        ops = operands(EKV, 0, batch=3, out=4, inputs=5, dtype=torch.float32)
        ops.v[1, 1] = float("nan")
        with pytest.raises(NonFiniteError, match=r"input\[1, 1\] is nan"):
            line_currents(*ops, path=path)


class TestShapes:
    @pytest.mark.parametrize("shape", [(), (3,), (2, 3), (2, 0, 3)])
    def test_any_batch(self, shape) -> None:
        g = torch.Generator().manual_seed(0)
        v = 1.8 + 0.7 * torch.rand(*shape, 6, generator=g)
        w = 1e-7 * torch.randn(4, 6, generator=g)
        found, expected = (line_currents(EKV, v, w, w[:, 0], path=p) for p in ("fused", "plain"))
        for x, y in zip(found, expected, strict=True):
            assert x.shape == y.shape == (*shape, 4)
            assert torch.allclose(x, y, rtol=1e-4)

    def test_operands_that_are_not_contiguous(self) -> None:
        ops = operands(EKV, 2, batch=6, out=6, inputs=6, dtype=torch.float64)
        strided = ops._replace(v=ops.v.t().contiguous().t(), w=ops.w.t().contiguous().t())
        for x, y in zip(fused(*strided), fused(*ops), strict=True):
            assert torch.equal(x, y)
        row = ops._replace(v=ops.v[:1].expand(5, 6))
        assert error_of_gradients(fused, row, 0) <= 1

    def test_rows_without_inputs(self) -> None:
        pos, neg = fused(EKV, torch.ones(3, 0), torch.ones(2, 0), torch.tensor([1e-9, -1e-9]))
        assert pos.tolist() == [[pytest.approx(1e-9), 0.0]] * 3
        assert neg.tolist() == [[0.0, pytest.approx(-1e-9)]] * 3


@cells
def test_the_supply_is_the_last_voltage_with_a_gradient(cell) -> None:
    w = torch.tensor([[1e-8, 1e-7]])
    v = torch.tensor([[V_DD_V, V_DD_V], [2.6, 2.6]], requires_grad=True)
    pos = fused(cell, v, w, torch.zeros(1)).pos
    assert torch.equal(pos[0], pos[1])
    pos.sum().backward()
    assert bool((v.grad[0] > 0).all())
    assert v.grad[1].tolist() == [0, 0]


@cells
def test_second_derivatives_are_the_formulas(cell) -> None:
    """Of a penalty on the gradient, which needs them; silently constant would be 0."""
    ops = operands(cell, 2, batch=3, out=4, inputs=5, dtype=torch.float64)
    found = []
    for path in ("plain", "fused"):
        v, w = ops.v.clone().requires_grad_(), ops.w.clone().requires_grad_()
        currents = line_currents(cell, v, w, ops.bias, path=path)
        total = 1e9 * (currents.pos - currents.neg).sum()
        of_v, of_w = torch.autograd.grad(total, (v, w), create_graph=True)
        assert of_v.requires_grad
        (of_v.square().sum() + (of_w * w).square().sum()).backward()
        found.append((of_v.detach(), of_w.detach(), v.grad, w.grad))
    for x, y in zip(*found, strict=True):
        assert torch.allclose(x, y, rtol=1e-9, atol=0)
        assert bool((y != 0).any())


def test_same_bits_for_any_number_of_threads() -> None:
    ops = operands(EKV, 4, batch=200, out=30, inputs=64, dtype=torch.float32)
    found = []
    before = torch.get_num_threads()
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            v, w = ops.v.clone().requires_grad_(), ops.w.clone().requires_grad_()
            pos, neg = fused(EKV, v, w, ops.bias)
            (pos.sum() - 2 * neg.sum()).backward()
            found.append((pos.detach(), neg.detach(), v.grad, w.grad))
    finally:
        torch.set_num_threads(before)
    for other in found[1:]:
        assert all(torch.equal(x, y) for x, y in zip(found[0], other, strict=True))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_a_stored_network_answers_alike_on_both_paths(dtype) -> None:
    data = load_network(stored("floatgate-digits"))
    network, v = data.network.to(dtype), data.v.to(dtype)
    with torch.no_grad():
        plain, fast = (network.trace(v, path=path) for path in ("plain", "fused"))
    assert torch.equal(plain[-1].out.argmax(1), fast[-1].out.argmax(1))
    for a, b in zip(plain, fast, strict=True):
        # Voltages: the second layer sees the first one's differences through its steep cells.
        assert float((a.out - b.out).abs().max()) <= (1e-4 if dtype == torch.float32 else 1e-11)
    assert evaluate(network, v, data.labels).ranges.by_plain_path == 0


class TestParts:
    @pytest.mark.parametrize("count", [0, 1, 3, 4, 5, 31, 32, 33, 1000])
    def test_parts_cover_everything_once_in_whole_grains(self, count) -> None:
        bounds = part_bounds(count, 4)
        assert bounds[-1] == count
        assert bounds == sorted(set(bounds))
        assert all(b % 4 == 0 for b in bounds[:-1])
        seen: list[int] = []
        in_parts(bounds, lambda p, lo, hi: seen.extend(range(lo, hi)), work=0)
        assert seen == list(range(count))

    @pytest.mark.parametrize("grain", [1, 4, 500])
    def test_parts_are_as_many_and_as_even_as_can_be(self, grain) -> None:
        for grains in range(1, 40):
            for count in (grains * grain, grains * grain - grain + 1):  # whole, and just begun
                bounds = part_bounds(count, grain)
                sizes = [-(-(b - a) // grain) for a, b in itertools.pairwise(bounds)]
                assert len(sizes) == min(grains, PARTS)
                assert max(sizes) - min(sizes) <= 1, (count, bounds)

    @pytest.mark.parametrize("threads", [1, 2, 3, 8])
    def test_every_part_is_done_once_by_any_number_of_threads(self, threads) -> None:
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        try:
            for parts in range(1, PARTS + 1):
                bounds = [3 * p for p in range(parts + 1)]
                done: list[tuple[int, int, int]] = []
                in_parts(bounds, lambda *part, done=done: done.append(part), work=SERIAL_BELOW)
                assert sorted(done) == [(p, 3 * p, 3 * p + 3) for p in range(parts)]
        finally:
            torch.set_num_threads(before)

    def test_an_error_in_a_part_comes_out(self) -> None:
        def job(part: int, first: int, last: int) -> None:
            raise OperandError(f"part {part}")

        for work in (0, SERIAL_BELOW):
            with pytest.raises(OperandError, match=r"part [01]"):
                in_parts([0, 4, 8], job, work=work)
        in_parts([0, 4, 8], lambda *_: None, work=SERIAL_BELOW)  # and nothing is left behind

    @pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
    def test_a_forked_process_has_threads_of_its_own(self) -> None:
        before = torch.get_num_threads()
        torch.set_num_threads(2)
        try:
            in_parts([0, 4, 8], lambda *_: None, work=SERIAL_BELOW)  # the pool is there
            child = multiprocessing.get_context("fork").Process(
                target=in_parts, args=([0, 4, 8], lambda *_: None), kwargs={"work": SERIAL_BELOW}
            )
            child.start()
            child.join(60)
            assert child.exitcode == 0
        finally:
            torch.set_num_threads(before)


@pytest.mark.needs("cuda")
@cells
@dtypes
def test_rows_on_a_cuda_device(cell, dtype) -> None:
    """The same call, by the plain formulas there."""
    ops = operands(cell, 7, batch=30, out=8, inputs=50, dtype=dtype)
    there = ops._replace(v=ops.v.cuda(), w=ops.w.cuda(), bias=ops.bias.cuda())
    exact = synapse.line_currents(*ops.to(torch.float64))
    rel = 1e-4 if dtype == torch.float32 else 1e-10  # exponents of up to 60 lose digits
    for x, y in zip(line_currents(*there), exact, strict=True):
        assert x.device.type == "cuda"
        assert torch.allclose(x.double().cpu(), y, rtol=rel, atol=0)


@pytest.mark.parametrize("part", range(8))
def test_an_error_in_any_thread_is_raised(part: int) -> None:
    """Whichever thread works on the part that fails: this one, or one of the others."""
    started = threading.Event()

    def job(p: int, first: int, last: int) -> None:
        if p == part:
            raise ArithmeticError(f"part {p}")
        if part != 0 and p == 0:
            started.wait(1)  # this thread is busy: another takes the part that fails

    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with pytest.raises(ArithmeticError, match=f"part {part}"):
            in_parts(list(range(9)), job, work=SERIAL_BELOW)
    finally:
        torch.set_num_threads(before)


# ------------------------------------------------------------------------------------------------
# Cells of other devices

supplies = st.floats(0.796875, 5.0, width=32)  # numbers of both types


@st.composite
def other_cells(draw: st.DrawFn) -> Cell:
    """Constants anywhere about those of real devices, of each form, and some beyond."""
    v_dd_V = draw(supplies)
    low_A = 10.0 ** draw(st.floats(-14, -9))
    decades = draw(st.floats(1, 6))
    low_V = v_dd_V * draw(st.floats(0.3, 0.8))
    fitted_v = replace(EKV.fitted_v, low=low_V, high=v_dd_V)
    leak = draw(st.sampled_from([0.0, 1e-13, 7e-12]))
    form = draw(st.sampled_from(["ekv", "subthreshold", "wta"]))
    if form == "wta":
        high_A = low_A * 10**decades
        b0 = draw(st.floats(5, 50))
        return replace(
            WTA_CELL, is0=10.0 ** draw(st.floats(-9, -6)), is1=-0.0065, i_leak_A=leak,
            a0=draw(st.floats(5, 40)), a1=draw(st.floats(-1, 1)) / high_A, b0=b0,
            b1=draw(st.floats(-0.5, 0.5)) * b0 / high_A, v_dd_V=v_dd_V, fitted_v=fitted_v,
            fitted_w=replace(WTA_CELL.fitted_w, low=0.0, high=high_A),
        )  # fmt: skip
    fitted_w = replace(EKV.fitted_w, low=low_A, high=low_A * 10**decades)
    if form == "subthreshold":
        k1 = -draw(st.floats(1, 20)) / v_dd_V
        return replace(SUBTHRESHOLD, k1=k1, k0=k1 * draw(st.floats(2, 9)), i_leak_A=leak,
                       v_dd_V=v_dd_V, fitted_v=fitted_v, fitted_w=fitted_w)  # fmt: skip
    is1 = -(10.0 ** draw(st.floats(-10, -7)))
    return replace(EKV, is1=is1, is0=is1 * draw(st.floats(5, 20)), a=draw(st.floats(5, 45)),
                   b1=-draw(st.floats(0.5, 3)), b0=draw(st.floats(-10, 40)), i_leak_A=leak,
                   v_dd_V=v_dd_V, fitted_v=fitted_v, fitted_w=fitted_w)  # fmt: skip


def in_box(cell: Cell, seed: int, dtype: torch.dtype) -> Operands:
    """Operands anywhere in the cell's box, its corners among them."""
    box = bound(cell).box
    g = torch.Generator().manual_seed(seed)
    shape = (6, 9), (5, 9)
    v, w = (torch.rand(s, generator=g, dtype=torch.float64) for s in shape)
    corner = torch.rand(shape[1], generator=g) < 0.2
    v = box.v_low_V + (1.1 * cell.v_dd_V - box.v_low_V) * v
    v[0], v[1] = box.v_low_V, cell.v_dd_V
    w = torch.where(corner, w.round(), w)
    even = box.w_low_A == 0
    w = box.w_high_A * w if even else box.w_low_A * (box.w_high_A / box.w_low_A) ** w
    found = Operands(cell, v, w, torch.zeros(5, dtype=torch.float64)).to(dtype)
    v, w = found.v.clamp(min=box.v_low_V), found.w
    v = torch.where(v < box.v_low_V, v * (1 + 1e-6), v)
    w = torch.where(w > box.w_high_A, w * (1 - 1e-6), w)
    w = torch.where((w < box.w_low_A) & (w > 0), w * (1 + 1e-6), w)
    sign = torch.rand(w.shape, generator=g) < (0.0 if cell.positive_only else 0.5)
    return found._replace(v=v, w=torch.where(sign, -w, w))


@dtypes
@given(cell=other_cells(), seed=st.integers(0, 1000))
def test_bounds_of_other_devices_hold(dtype, cell, seed) -> None:
    assume(bound(cell) is not None)
    ops = in_box(cell, seed, dtype)
    assert bound(cell).box.holds(ops.v, ops.w)
    assert error_of_currents(fused, ops) <= 1
    assert error_of_gradients(fused, ops, seed) <= 1


def test_the_derivation_gives_the_papers_bounds() -> None:
    """On the operating box, where these were counted by hand; WTA's by hand is wider."""
    for cell, derive in (
        (EKV, fused_cells._ekv_bound),
        (SUBTHRESHOLD, fused_cells._subthreshold_bound),
        (WTA_CELL, fused_cells._wta_bound),
    ):
        derived, published = derive(cell), bound(cell)
        assert derived.roundings <= published.roundings
        assert derived.box.v_low_V >= published.box.v_low_V
        assert published.box.w_low_A <= derived.box.w_low_A
        assert derived.box.w_high_A <= published.box.w_high_A
    assert fused_cells._ekv_bound(EKV).roundings > 49
    assert fused_cells._subthreshold_bound(SUBTHRESHOLD).roundings > 55


@pytest.mark.parametrize(
    "cell",
    [
        replace(EKV, a=400.0),  # exp(a (v - middle)) leaves float32
        replace(EKV, b0=300.0),  # and so does exp(-b)
        replace(EKV, fitted_v=replace(EKV.fitted_v, low=2.4, high=3.0), v_dd_V=2.0),
        replace(WTA_CELL, b0=200.0),
        replace(SUBTHRESHOLD, k1=-4000.0, k0=-20000.0),
    ],
    ids=lambda cell: cell.name,
)
def test_cells_that_float32_cannot_hold_have_no_fast_path(cell) -> None:
    assert bound(cell) is None
    assert not fused_cells.supports(cell, torch.full((1, 1), 2.4), torch.full((1, 1), 1e-8))
    with pytest.raises(OperandError, match="no fast path"):
        row_error(cell, torch.float32, 1)


def test_a_box_holds_all_of_nothing() -> None:
    box = bound(EKV).box
    v, w = torch.full((1,), box.v_low_V), torch.full((1,), box.w_low_A)
    assert box.holds(v, w)
    assert not box.holds(v - 1, w)
    assert box.holds(v[:0], -w)
    assert box.holds(v - 1, w[:0])
