"""Floating-gate rows in one pass over their cells, with gradients, for the three forms of cell.

The plain formulation broadcasts (batch, out, in) a dozen times; here nothing of that size is ever
stored (``cell_pass``), and what depends on a voltage or a weight alone is computed once for each:
``exp(a v - b(w)) = exp(a v) exp(-b(w))``. On the way back the terms are computed anew.

The other way down, a cell's current as a sum of products of a voltage's and a weight's features
and so a row as one matrix product, was tried and is no faster: within 1e-5 of cells that pass
little more than their leak it takes 21 to 24 features (singular vectors), as many operations as the
logarithm, and in float32 what cancels among them leaves 2e-5.

What depends on weights alone is computed in float64 whatever the operands, so that float32 rows
come out closer to the formulas than the plain path in float32. ``row_error`` bounds how close, on
the whole of ``box``; outside it the plain path has to be taken.
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
    """From where voltages are taken: differences are exact from half of it on, and products small
    about the voltages that are used. The same number in float32 and float64."""
    return float(np.float32(0.85 * v_dd_V))


_LOG2E = 1 / math.log(2)
_GRAIN = 4  # samples


@dataclass(frozen=True)
class Box:
    """Where the error bound holds: gate voltages from ``v_low_V`` (what is above the supply counts
    as the supply, both as the dtype rounds them) and magnitudes of weights from ``w_low_A`` to
    ``w_high_A``."""

    v_low_V: float
    w_low_A: float
    w_high_A: float

    def holds(self, v: Tensor, w: Tensor) -> bool:
        """Whether every voltage and weight lies in it; empty operands do."""
        if v.numel() == 0 or w.numel() == 0:
            return True
        smallest, largest = magnitudes(w)
        v_low, low, high = (
            as_stored(x, v.dtype) for x in (self.v_low_V, self.w_low_A, self.w_high_A)
        )
        return ends(v)[0] >= v_low and low <= smallest <= largest <= high


class ErrorBound(NamedTuple):
    """Where the fast path of a cell may be taken, and the error of one cell's current there.

    ``roundings`` are in units of half the distance from 1 to the next number.
    """

    box: Box
    roundings: float


# Roundings are counted over the box: of an EKV cell twice a (v - middle) (15 on the paper's
# operating voltages), 3 of its exponential, 2 of the product with exp(-b) and 4 of the logarithm,
# all doubled by the square, and 2 of the amplitude. The others' exponents, in bits, are rounded
# before they are large: |p x| and |q| of a WTA cell (51 on the paper's), |p x| of a subthreshold
# one (73), each times ln 2.
_PUBLISHED: dict[Cell, ErrorBound] = {
    # Beyond the operating box the leak is all there is of a cell, to 1e-10 of it.
    EKV: ErrorBound(Box(1.0, 1e-16, 4e-5), 50.0),
    # No leak here: the box ends where float32 currents underflow.
    SUBTHRESHOLD: ErrorBound(Box(1.7, 1e-12, 1e-5), 56.0),
    WTA_CELL: ErrorBound(Box(1.7, 0.0, WTA_CELL.largest_A), 88.0),
}
_POLYNOMIALS = {torch.float32: 0.0, torch.float64: 4e-13}
"""Errors of the fits themselves, beyond what is counted as roundings."""

# float32 is normal from exp(-87.3) to exp(88.7): numbers on the way stay this far inside.
_NATS = 80.0
# In float64 the polynomials' 4e-13 leave room for so many roundings of what depends on weights.
_ROOM = 1000.0


@cache
def bound(cell: Cell) -> ErrorBound | None:
    """Of a cell of one of the three forms, with any constants: within its fitted ranges, as far as
    float32 holds what is computed on the way. None where that is nowhere.
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
    """The fitted magnitudes of weights, short of where the formula ends."""
    return cell.fitted_w.low, min(cell.fitted_w.high, 0.99 * cell.largest_A)


def _ekv_bound(c: EKVCell) -> ErrorBound | None:
    low_A, high_A = _weights(c)
    if not 0 < low_A < high_A:
        return None
    middle = _middle_V(c.v_dd_V)
    b = [c.b1 * math.log(w) + c.b0 for w in (low_A, high_A)]  # b falls with w
    i = [c.is1 * math.log(w) + c.is0 for w in (low_A, high_A)]  # so does the amplitude
    # Where the logarithm's square, and the current, leave float32 at the bottom.
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
        or c.a * c.v_dd_V - b[1] > 69  # the logarithm's argument ends at 1e30
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
    # Exponents are linear in voltage and weight: their ends are at the corners.
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
    """Bound of the relative error of a line current of ``inputs`` cells, without bias.

    Against the cell's formula evaluated exactly on the same operands; every current of a line has
    the same sign, so errors of cells do not grow in the sum. Raises OperandError for a cell without
    this path.
    """
    found = bound(cell)
    if found is None:
        raise OperandError(f"no fast path for this {cell.name}")
    half = torch.finfo(dtype).eps / 2
    sums = math.ceil(inputs / cell_pass.LANES) + 2
    return (found.roundings + sums) * half + _POLYNOMIALS[dtype]


def supports(cell: Cell, v: Tensor, w: Tensor) -> bool:
    """Whether this path exists for the cell, and for operands of this type and place."""
    return (
        compiling.COMPILER_ON
        and bound(cell) is not None
        and v.device.type == w.device.type == "cpu"
        and v.dtype == w.dtype
        and v.dtype in _POLYNOMIALS
    )


class _Terms(NamedTuple):
    """What depends on weights alone, (out, in), as ``cell_pass`` takes it."""

    p: Array
    q: Array
    amplitude: Array


class _Form(Protocol):
    """How one kind of cell is written for ``cell_pass``. ``magnitude`` is |w| in float64."""

    kind: int
    sums: int  # over samples, that ``of_magnitude`` needs
    v_dd_V: float
    slope: float  # of the summed ``of_gate`` to the gradient by the voltage, per volt

    def gate(self, v: Array) -> Array:
        """What depends on voltages (batch, in), not above the supply, alone; in their place."""
        ...

    def terms(self, magnitude: Array) -> _Terms: ...

    def of_magnitude(self, sums: Array, amplitude: Array, magnitude: Array) -> Array:
        """Gradient (out, in) by |w| from ``cell_pass.differentiate``'s sums; all float64."""
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
        # In place from here on: fresh pages cost as much as the arithmetic.
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
        # x = (a1 v - b1) w + ..., v being middle + gate.
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
    """How a cell that has this path is written."""
    return _FORMS[type(cell)](cell)


class _Rows(torch.autograd.Function):
    """Magnitudes of both line currents (batch, out) of ``v`` (batch, in) and ``w`` (out, in)."""

    @staticmethod
    def forward(ctx: Any, cell: Cell, v: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
        form = form_of(cell)
        # numpy's operations, here and on the way back: torch would wake its threads for each.
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
            # Somebody wants second derivatives, or many gradients at once: the formulas have them.
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
    """Gradients by ``v`` and ``w`` that can be differentiated again."""
    again = torch.is_grad_enabled()
    with torch.enable_grad():
        found = synapse.line_currents(cell, v, w, w.new_zeros(len(w)))
        # A WTA row has no negative line: zeros, of no operand.
        outputs = [found.pos] if cell.positive_only else [found.pos, -found.neg]
    wanted = [x for x in (v, w) if x.requires_grad]
    gradients = iter(
        torch.autograd.grad(outputs, wanted, [of_pos, of_neg][: len(outputs)], create_graph=again)
    )
    return tuple(next(gradients) if x.requires_grad else None for x in (v, w))


def line_currents(cell: Cell, v: Tensor, w: Tensor, bias: Tensor) -> LineCurrents:
    """``synapse.line_currents`` of a cell that ``supports`` admits, operands inside its box.

    Gradients are those of the formulas; where they are to be differentiated again, they are taken
    by the plain path.
    """
    cell.observe(v.unsqueeze(-2), w)
    batch = v.shape[:-1]
    pos, neg = _rows(cell, v.reshape(batch.numel(), v.shape[-1]), w)
    pos = pos.reshape(*batch, len(w)) + bias.clamp(min=0)
    if cell.positive_only:
        return LineCurrents(pos, torch.zeros_like(pos))
    return LineCurrents(pos, bias.clamp(max=0) - neg.reshape(*batch, len(w)))
