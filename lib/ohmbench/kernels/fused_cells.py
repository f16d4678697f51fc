"""Floating-gate rows in one pass over their cells, with gradients, for the three published cells.

The plain formulation broadcasts (batch, out, in) a dozen times; here nothing of that size is ever
stored (``cell_pass``), and what depends on a voltage or a weight alone is computed once for each:
``exp(a v - b(w)) = exp(a v) exp(-b(w))``. On the way back the terms are computed anew.

The other way down, a cell's current as a sum of products of a voltage's and a weight's features
and so a row as one matrix product, was tried and is no faster: within 1e-5 of cells that pass
little more than their leak it takes 21 to 24 features (singular vectors), as many operations as the
logarithm, and in float32 what cancels among them leaves 2e-5.

What depends on weights alone is computed in float64 whatever the operands, so that float32 rows
come out closer to the formulas than the plain path in float32. ``row_error`` bounds how close, on
the whole of ``BOXES``; outside them the plain path has to be taken.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from ohmbench.floatgate import synapse
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
from ohmbench.kernels import cell_pass, compiling
from ohmbench.kernels.parallel import in_parts, part_bounds
from ohmbench.transforms import array, followed, many_gradients

Tensor: TypeAlias = torch.Tensor
Array: TypeAlias = NDArray[Any]

_MIDDLE_V = 2.125
"""Voltages are taken from here: differences are exact, and products small, from 1.07 to 2.5 V."""

_LOG2E = 1 / math.log(2)
_GRAIN = 4  # samples


@dataclass(frozen=True)
class Box:
    """Where the error bound holds: gate voltages from ``v_low_V`` (what is above the supply counts
    as the supply) and magnitudes of weights from ``w_low_A`` to ``w_high_A``."""

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


BOXES = {
    # Beyond the operating box the leak is all there is of a cell, to 1e-10 of it.
    EKV.name: Box(1.0, 1e-16, 4e-5),
    # No leak here: the box ends where float32 currents underflow.
    SUBTHRESHOLD.name: Box(1.7, 1e-12, 1e-5),
    WTA_CELL.name: Box(1.7, 0.0, WTA_CELL.largest_A),
}
"""By name of the cell."""

# Roundings of one cell's current, in units of half the distance from 1 to the next number, counted
# over the box: of an EKV cell 15 of a (v - middle), 3 of its exponential, 2 of the product with
# exp(-b) and 4 of the logarithm, all doubled by the square, and 2 of the amplitude. The others'
# exponents, in bits, are rounded before they are large: |p x| and |q| add up to 51 (WTA), |p x| to
# 73 (subthreshold), each times ln 2.
_CELL_ROUNDINGS = {EKV.name: 50.0, SUBTHRESHOLD.name: 56.0, WTA_CELL.name: 88.0}
_POLYNOMIALS = {torch.float32: 0.0, torch.float64: 4e-13}
"""Errors of the fits themselves, beyond what is counted as roundings."""


def row_error(cell: Cell, dtype: torch.dtype, inputs: int) -> float:
    """Bound of the relative error of a line current of ``inputs`` cells, without bias.

    Against the cell's formula evaluated exactly on the same operands; every current of a line has
    the same sign, so errors of cells do not grow in the sum.
    """
    half = torch.finfo(dtype).eps / 2
    sums = math.ceil(inputs / cell_pass.LANES) + 2
    return (_CELL_ROUNDINGS[cell.name] + sums) * half + _POLYNOMIALS[dtype]


def supports(cell: Cell, v: Tensor, w: Tensor) -> bool:
    """Whether this path exists for the cell, and for operands of this type and place."""
    return (
        compiling.COMPILER_ON
        # Equal in every constant: the bounds were derived for these.
        and cell in (EKV, SUBTHRESHOLD, WTA_CELL)
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
        self.slope = 2 * cell.a

    def gate(self, v: Array) -> Array:
        v -= v.dtype.type(_MIDDLE_V)
        v *= v.dtype.type(self._cell.a)
        gate: Array = np.exp(v, out=v)
        return gate

    def terms(self, magnitude: Array) -> _Terms:
        c = self._cell
        # In place from here on: fresh pages cost as much as the arithmetic.
        amplitude = np.log(magnitude)
        p = -c.b1 * amplitude
        p += c.a * _MIDDLE_V - c.b0
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

    def gate(self, v: Array) -> Array:
        v -= v.dtype.type(_MIDDLE_V)
        return v

    def terms(self, magnitude: Array) -> _Terms:
        c = self._cell
        a, b = c.a1 * magnitude + c.a0, c.b1 * magnitude + c.b0
        return _Terms(a * _LOG2E, (a * _MIDDLE_V - b) * _LOG2E, c.is1 * magnitude + c.is0)

    def of_magnitude(self, sums: Array, amplitude: Array, magnitude: Array) -> Array:
        c = self._cell
        # x = (a1 v - b1) w + ..., v being middle + gate.
        of_x = c.a1 * sums[2] + (c.a1 * _MIDDLE_V - c.b1) * sums[1]
        found: Array = c.is1 * sums[0] + 2 * amplitude * of_x
        return found


class _SubthresholdForm:
    kind = cell_pass.EXPONENTIAL
    sums = 2
    slope = 1 / _LOG2E

    def __init__(self, cell: SubthresholdCell) -> None:
        self._cell, self.v_dd_V = cell, cell.v_dd_V

    def gate(self, v: Array) -> Array:
        v -= v.dtype.type(self.v_dd_V)
        return v

    def terms(self, magnitude: Array) -> _Terms:
        p = (self._cell.k1 * np.log10(magnitude) + self._cell.k0) * _LOG2E
        return _Terms(p, np.zeros_like(p), magnitude)

    def of_magnitude(self, sums: Array, amplitude: Array, magnitude: Array) -> Array:
        found: Array = sums[0] + self._cell.k1 / math.log(10) * sums[1]
        return found


_FORMS: dict[str, _Form] = {
    EKV.name: _EKVForm(EKV),
    SUBTHRESHOLD.name: _SubthresholdForm(SUBTHRESHOLD),
    WTA_CELL.name: _WTAForm(WTA_CELL),
}


class _Rows(torch.autograd.Function):
    """Magnitudes of both line currents (batch, out) of ``v`` (batch, in) and ``w`` (out, in)."""

    @staticmethod
    def forward(ctx: Any, cell: Cell, v: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
        form = _FORMS[cell.name]
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
