"""Floating-gate rows in one pass over their cells, with gradients, for the three forms of cells.

The plain formulas broadcast (batch, out, in) arrays a dozen times. Here no array of that size is
stored (``cell_pass``), and terms that depend on a voltage or a weight alone are computed once for
each: ``exp(a v - b(w)) = exp(a v) exp(-b(w))``. The backward pass computes the terms again. An
alternative was tried and is not faster: a cell's current as a sum of products of features of the
voltage and of the weight, so that a row is one matrix product. For an error of 1e-5 in cells that
pass little more than their leakage it takes 21 to 24 features (singular vectors), as many
operations as the logarithm, and in float32 cancellation among them leaves an error of 2e-5.

Terms that depend on weights alone are always computed in float64, so that float32 rows are closer
to the formulas than the plain path in float32. ``row_error`` bounds the error everywhere in
``box``; outside it the plain path must be used.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple, Protocol, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from ohmbench.errors import OperandError
from ohmbench.floatgate import synapse
from ohmbench.floatgate.fast import cell_pass
from ohmbench.floatgate.operands import as_stored, ends, magnitudes
from ohmbench.floatgate.synapse import (
    EKV,
    SUBTHRESHOLD,
    WTA_CELL,
    Cell,
    EKVCell,
    LineCurrents,
    SubthresholdCell,
    WTACell,
)
from ohmbench.kernels import compiling
from ohmbench.kernels.parallel import in_parts, part_bounds
from ohmbench.transforms import array, followed, many_gradients

Tensor: TypeAlias = torch.Tensor
Array: TypeAlias = NDArray[Any]


def _middle_V(v_dd_V: float) -> float:
    """Origin of the voltages in the kernels, the same number in float32 and float64.

    Differences from it are exact for voltages of at least half of it, and the products are small
    near the voltages in use.
    """
    return float(np.float32(0.85 * v_dd_V))


_LOG2E = 1 / math.log(2)
_GRAIN = 4  # samples


@dataclass(frozen=True)
class Box:
    """The region where the error bound holds.

    Gate voltages are at least ``v_low_V``, magnitudes of weights from ``w_low_A`` to ``w_high_A``.
    Voltages above the supply count as the supply; both are rounded to the dtype.
    """

    v_low_V: float
    w_low_A: float
    w_high_A: float

    def holds(self, v: Tensor, w: Tensor) -> bool:
        """Whether every voltage and weight lies in the box; True for empty operands."""
        if v.numel() == 0 or w.numel() == 0:
            return True
        smallest, largest = magnitudes(w)
        v_low, low, high = (
            as_stored(x, v.dtype) for x in (self.v_low_V, self.w_low_A, self.w_high_A)
        )
        return ends(v)[0] >= v_low and low <= smallest <= largest <= high


class ErrorBound(NamedTuple):
    """The region where a cell's fast path may be used, and the error of one cell's current there.

    ``roundings`` is in units of half the distance from 1 to the next number.
    """

    box: Box
    roundings: float


# Numbers of roundings, for the whole box. EKV cell: twice a (v - middle) (15 at the paper's
# operating voltages), 3 for its exponential, 2 for the product with exp(-b) and 4 for the
# logarithm, all doubled by the square, and 2 for the amplitude. The exponents of the other cells,
# in bits, are rounded before they are large: |p x| and |q| of a WTA cell (51 at the paper's
# voltages), |p x| of a subthreshold cell (73), each times ln 2.
_PUBLISHED: dict[Cell, ErrorBound] = {
    # Below the operating range, a cell's current is its leakage, with a relative error of 1e-10.
    EKV: ErrorBound(Box(1.0, 1e-16, 4e-5), 50.0),
    # The box ends where float32 currents underflow, since no leakage dominates them.
    SUBTHRESHOLD: ErrorBound(Box(1.7, 1e-12, 1e-5), 56.0),
    WTA_CELL: ErrorBound(Box(1.7, 0.0, WTA_CELL.largest_A), 88.0),
}
_POLYNOMIALS = {torch.float32: 0.0, torch.float64: 4e-13}
"""Errors of the polynomial fits themselves, in addition to the counted roundings."""

# float32 is normal from exp(-87.3) to exp(88.7); intermediate values stay within exp(+-80).
_NATS = 80.0
# In float64 the polynomials' error of 4e-13 leaves room for this many roundings of weight terms.
_ROOM = 1000.0


@cache
def bound(cell: Cell) -> ErrorBound | None:
    """The error bound of a cell of one of the three forms, with any constants.

    Its box is the part of the fitted ranges where intermediate values fit float32. None if there is
    no such part.
    """
    if cell in _PUBLISHED:
        return _PUBLISHED[cell]
    derived = {EKVCell: _ekv_bound, WTACell: _wta_bound, SubthresholdCell: _subthreshold_bound}
    derive: Any = derived.get(type(cell))
    found: ErrorBound | None = None if derive is None else derive(cell)
    if found is None or not (
        found.box.v_low_V < cell.v_dd_V and found.box.w_low_A < found.box.w_high_A  # type: ignore[attr-defined]
    ):
        return None
    return found


def _weights(cell: EKVCell | WTACell | SubthresholdCell) -> tuple[float, float]:
    """Ends of the fitted magnitudes of weights, kept below the limit of the formula."""
    return cell.fitted_w.low, min(cell.fitted_w.high, 0.99 * cell.largest_A)


def _ekv_bound(c: EKVCell) -> ErrorBound | None:
    low_A, high_A = _weights(c)
    if not 0 < low_A < high_A:
        return None
    middle = _middle_V(c.v_dd_V)
    b = [c.b1 * math.log(w) + c.b0 for w in (low_A, high_A)]  # b falls with w
    i = [c.is1 * math.log(w) + c.is0 for w in (low_A, high_A)]  # so does the amplitude
    # The lowest voltage at which the logarithm's square, and the current, still fit float32.
    v_low = max(
        c.fitted_v.low,
        middle / 2,
        (b[0] - _NATS / 2) / c.a,
        (b[0] - (_NATS + math.log(i[0])) / 2) / c.a,
    )
    steepest = c.a * max(middle - v_low, c.v_dd_V - middle)
    exponents = [c.a * middle - x for x in b]
    amplitudes = (abs(c.is1 * math.log(high_A)) + abs(c.is0)) / i[1]
    if (
        steepest > _NATS
        or max(map(abs, exponents)) > _NATS
        or c.a * c.v_dd_V - b[1] > 69  # the logarithm's argument must stay below 1e30
        or 4 * (max(map(abs, b)) + c.a * middle) + 2 * amplitudes > _ROOM
    ):
        return None
    return ErrorBound(Box(v_low, low_A, high_A), 2 * (2 * steepest + 3 + 2 + 4) + 2)


def _wta_bound(c: WTACell) -> ErrorBound | None:
    low_A, high_A = _weights(c)
    middle = _middle_V(c.v_dd_V)
    v_low = max(c.fitted_v.low, middle / 2)
    if not 0 <= low_A < high_A:
        return None
    # Exponents are linear in voltage and in weight, so their extremes are at the corners.
    a, b = ([one * w + zero for w in (low_A, high_A)] for one, zero in ((c.a1, c.a0), (c.b1, c.b0)))
    x = max(middle - v_low, c.v_dd_V - middle)
    steepest = max(map(abs, a)) * x
    offset = max(abs(a_w * middle - b_w) for a_w, b_w in zip(a, b, strict=True))
    nats = [v * a_w - b_w for a_w, b_w in zip(a, b, strict=True) for v in (v_low, c.v_dd_V)]
    amplitude = c.is1 * high_A + c.is0
    if (
        2 * min(nats) + min(0.0, math.log(amplitude)) < -_NATS
        or max(nats) > 69
        or steepest + offset > _NATS
        or 4 * (steepest + offset) + 4 * c.is0 / amplitude > _ROOM
    ):
        return None
    return ErrorBound(Box(v_low, low_A, high_A), 2 * (steepest + offset + 3 + 4) + 3)


def _subthreshold_bound(c: SubthresholdCell) -> ErrorBound | None:
    low_A, high_A = _weights(c)
    if not 0 < low_A < high_A:
        return None
    slopes = [c.k1 * math.log10(w) + c.k0 for w in (low_A, high_A)]  # they fall with w
    left = [(_NATS + math.log(w)) / s for w, s in zip((low_A, high_A), slopes, strict=True)]
    if min(left) <= 0:
        return None
    v_low = max(c.fitted_v.low, c.v_dd_V / 2, c.v_dd_V - min(left))
    steepest = slopes[0] * (c.v_dd_V - v_low)
    if steepest > _NATS or 4 * (abs(c.k1 * math.log10(low_A)) + abs(c.k0)) > _ROOM:
        return None
    return ErrorBound(Box(v_low, low_A, high_A), steepest + 3 + 2)


def row_error(cell: Cell, dtype: torch.dtype, inputs: int) -> float:
    """Bound on the relative error of a line current of ``inputs`` cells, without bias.

    The error is relative to the cell's formula evaluated exactly on the same operands. All currents
    of a line have the same sign, so the relative errors do not grow in the sum. Raises OperandError
    for a cell without a fast path.
    """
    found = bound(cell)
    if found is None:
        raise OperandError(f"no fast path for this {cell.name}")
    half = torch.finfo(dtype).eps / 2
    sums = math.ceil(inputs / cell_pass.LANES) + 2
    return (found.roundings + sums) * half + _POLYNOMIALS[dtype]


def supports(cell: Cell, v: Tensor, w: Tensor) -> bool:
    """Whether the fast path exists for the cell, and for operands of this dtype and device."""
    return (
        compiling.COMPILER_ON
        and bound(cell) is not None
        and v.device.type == w.device.type == "cpu"
        and v.dtype == w.dtype
        and v.dtype in _POLYNOMIALS
    )


class _Terms(NamedTuple):
    """The terms that depend on weights alone, (out, in), as ``cell_pass`` takes them."""

    p: Array
    q: Array
    amplitude: Array


class _Form(Protocol):
    """How one kind of cell is expressed for ``cell_pass``. ``magnitude`` is |w| in float64."""

    kind: int
    sums: int  # number of sums over samples that ``of_magnitude`` needs
    v_dd_V: float
    slope: float  # from the summed ``of_gate`` to the gradient with respect to voltage, per volt

    def gate(self, v: Array) -> Array:
        """Replace ``v`` (batch, in), at most the supply, in place by the terms of voltages."""
        ...

    def terms(self, magnitude: Array) -> _Terms: ...

    def of_magnitude(self, sums: Array, amplitude: Array, magnitude: Array) -> Array:
        """Gradient (out, in) with respect to |w|, from the sums of ``differentiate``; float64."""
        ...


class _EKVForm:
    kind = cell_pass.EKV
    sums = 2

    def __init__(self, cell: EKVCell) -> None:
        self._cell, self.v_dd_V = cell, cell.v_dd_V
        self._middle_V = _middle_V(cell.v_dd_V)
        self.slope = 2 * cell.a

    def gate(self, v: Array) -> Array:
        v -= v.dtype.type(self._middle_V)
        v *= v.dtype.type(self._cell.a)
        gate: Array = np.exp(v, out=v)
        return gate

    def terms(self, magnitude: Array) -> _Terms:
        c = self._cell
        # In place from here on, because new memory pages cost as much as the arithmetic.
        amplitude = np.log(magnitude)
        p = -c.b1 * amplitude
        p += c.a * self._middle_V - c.b0
        np.exp(p, out=p)
        amplitude *= c.is1
        amplitude += c.is0
        return _Terms(p, p, amplitude)

    def of_magnitude(self, sums: Array, amplitude: Array, magnitude: Array) -> Array:
        c = self._cell
        found: Array = (c.is1 * sums[0] - 2 * c.b1 * amplitude * sums[1]) / magnitude
        return found


class _WTAForm:
    kind = cell_pass.SOFTPLUS
    sums = 3
    slope = 2 / _LOG2E

    def __init__(self, cell: WTACell) -> None:
        self._cell, self.v_dd_V = cell, cell.v_dd_V
        self._middle_V = _middle_V(cell.v_dd_V)

    def gate(self, v: Array) -> Array:
        v -= v.dtype.type(self._middle_V)
        return v

    def terms(self, magnitude: Array) -> _Terms:
        c = self._cell
        a, b = c.a1 * magnitude + c.a0, c.b1 * magnitude + c.b0
        return _Terms(a * _LOG2E, (a * self._middle_V - b) * _LOG2E, c.is1 * magnitude + c.is0)

    def of_magnitude(self, sums: Array, amplitude: Array, magnitude: Array) -> Array:
        c = self._cell
        # x = (a1 v - b1) w + ..., with v = middle + gate.
        of_x = c.a1 * sums[2] + (c.a1 * self._middle_V - c.b1) * sums[1]
        found: Array = c.is1 * sums[0] + 2 * amplitude * of_x
        return found


class _SubthresholdForm:
    kind = cell_pass.EXPONENTIAL
    sums = 2
    slope = 1 / _LOG2E

    def __init__(self, cell: SubthresholdCell) -> None:
        self._cell, self.v_dd_V = cell, cell.v_dd_V
        self._middle_V = _middle_V(cell.v_dd_V)

    def gate(self, v: Array) -> Array:
        v -= v.dtype.type(self.v_dd_V)
        return v

    def terms(self, magnitude: Array) -> _Terms:
        p = (self._cell.k1 * np.log10(magnitude) + self._cell.k0) * _LOG2E
        return _Terms(p, np.zeros_like(p), magnitude)

    def of_magnitude(self, sums: Array, amplitude: Array, magnitude: Array) -> Array:
        found: Array = sums[0] + self._cell.k1 / math.log(10) * sums[1]
        return found


_FORMS: dict[type, Callable[[Any], _Form]] = {
    EKVCell: _EKVForm,
    SubthresholdCell: _SubthresholdForm,
    WTACell: _WTAForm,
}


@cache
def form_of(cell: Cell) -> _Form:
    """The form of a cell that has a fast path."""
    return _FORMS[type(cell)](cell)


class _Rows(torch.autograd.Function):
    """Magnitudes of both line currents (batch, out) of ``v`` (batch, in) and ``w`` (out, in)."""

    @staticmethod
    def forward(ctx: Any, cell: Cell, v: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
        form = form_of(cell)
        # numpy, here and in the backward pass, because torch would wake its threads for each
        # operation.
        volts, amperes = map(array, (v, w))
        dtype = volts.dtype
        gate = form.gate(np.minimum(volts, dtype.type(form.v_dd_V), order="C"))
        exact = form.terms(np.abs(amperes).astype(np.float64))
        p, amplitude = (np.ascontiguousarray(x, dtype) for x in (exact.p, exact.amplitude))
        q = p if exact.q is exact.p else np.ascontiguousarray(exact.q, dtype)
        feeds_pos = np.ascontiguousarray(amperes >= 0, dtype)
        i_pos = amplitude * feeds_pos
        count = feeds_pos.sum(1, dtype=np.float64)
        leak = cell.i_leak_A * np.stack([count, w.shape[1] - count])
        pos, neg = (np.empty((len(v), len(w)), dtype) for _ in range(2))
        cells = (gate, p, q, i_pos, amplitude - i_pos, leak)
        in_parts(
            part_bounds(len(v), _GRAIN),
            lambda _, lo, hi: cell_pass.evaluate(form.kind, *cells, lo, hi, pos, neg),
            work=len(v) * w.numel(),
        )
        ctx.cell, ctx.form, ctx.cells = cell, form, (gate, p, q, amplitude, feeds_pos)
        ctx.save_for_backward(v, w)
        return torch.from_numpy(pos), torch.from_numpy(neg)

    @staticmethod
    def backward(ctx: Any, of_pos: Tensor, of_neg: Tensor) -> Any:
        if torch.is_grad_enabled() or followed() or many_gradients(of_pos, of_neg):
            # Second derivatives, or many gradients at once: take them from the plain formulas.
            v, w = ctx.saved_tensors
            return None, *_plain_gradients(ctx.cell, v, w, of_pos, of_neg)
        volts, amperes = map(array, ctx.saved_tensors)
        form: _Form = ctx.form
        amplitude = ctx.cells[3]
        wanted = [np.ascontiguousarray(array(x)) for x in (of_pos, of_neg)]
        bounds = part_bounds(len(volts), _GRAIN)
        of_gate = np.zeros(volts.shape, volts.dtype)
        sums = np.zeros((len(bounds) - 1, form.sums, *amperes.shape), amperes.dtype)
        in_parts(
            bounds,
            lambda k, lo, hi: cell_pass.differentiate(
                form.kind, *ctx.cells, *wanted, lo, hi, of_gate, sums[k]
            ),
            work=len(volts) * amperes.size,
        )
        of_gate *= volts.dtype.type(form.slope)
        of_gate *= volts <= volts.dtype.type(form.v_dd_V)
        exact = (x.astype(np.float64) for x in (sums.sum(0), amplitude, np.abs(amperes)))
        of_w = np.sign(amperes) * form.of_magnitude(*exact).astype(amperes.dtype)
        return None, torch.from_numpy(of_gate), torch.from_numpy(of_w)


_rows: Callable[[Cell, Tensor, Tensor], tuple[Tensor, Tensor]] = _Rows.apply


def _plain_gradients(
    cell: Cell, v: Tensor, w: Tensor, of_pos: Tensor, of_neg: Tensor
) -> tuple[Tensor | None, ...]:
    """Gradients with respect to ``v`` and ``w`` that can be differentiated again."""
    again = torch.is_grad_enabled()
    with torch.enable_grad():
        found = synapse.line_currents(cell, v, w, w.new_zeros(len(w)))
        # A WTA row has no negative line; its zeros depend on no operand.
        outputs = [found.pos] if cell.positive_only else [found.pos, -found.neg]
    wanted = [x for x in (v, w) if x.requires_grad]
    gradients = iter(
        torch.autograd.grad(outputs, wanted, [of_pos, of_neg][: len(outputs)], create_graph=again)
    )
    return tuple(next(gradients) if x.requires_grad else None for x in (v, w))


def line_currents(cell: Cell, v: Tensor, w: Tensor, bias: Tensor) -> LineCurrents:
    """``synapse.line_currents`` for a cell that ``supports`` admits and operands inside its box.

    Gradients are those of the formulas. If they are to be differentiated again, they are computed
    by the plain path.
    """
    cell.observe(v.unsqueeze(-2), w)
    batch = v.shape[:-1]
    pos, neg = _rows(cell, v.reshape(batch.numel(), v.shape[-1]), w)
    pos = pos.reshape(*batch, len(w)) + bias.clamp(min=0)
    if cell.positive_only:
        return LineCurrents(pos, torch.zeros_like(pos))
    return LineCurrents(pos, bias.clamp(max=0) - neg.reshape(*batch, len(w)))
