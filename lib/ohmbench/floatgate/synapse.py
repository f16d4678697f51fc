"""Floating-gate cells: the current one programmed transistor adds to its row.

A weight is a programmed current ``w`` in ampere; its sign says whether the cell feeds the row's
positive or negative line. ``v`` is the gate voltage in volt, clipped from above at the supply.

Source of all constants: "On the Viability of End-to-End Neural Networks in the Analog Domain"
(FANN), published artifacts, fits of a 350 nm floating-gate array.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
from torch.nn.functional import softplus

from ohmbench.floatgate.operands import check_floating, check_layer, check_weight
from ohmbench.floatgate.ranges import FittedRange, counting, observe
from ohmbench.transforms import outside_graph

V_DD_V = 2.5
"""Supply voltage in volt; gate voltages above it act like it."""

# softplus(x) is x to the last bit of float64 from here on, and exp(40) still fits float32.
_SOFTPLUS_LINEAR_FROM = 40.0


def _softplus(x: torch.Tensor) -> torch.Tensor:
    return softplus(x, threshold=_SOFTPLUS_LINEAR_FROM)


class LineCurrents(NamedTuple):
    """Currents of a row's two output lines, shape (..., out), ampere: ``pos >= 0 >= neg``."""

    pos: torch.Tensor
    neg: torch.Tensor


class Cell(Protocol):
    """One kind of synapse; ``current`` broadcasts gate voltages against weights.

    ``observe`` counts what of that lies outside the fitted ranges; ``current`` does so itself.
    """

    @property
    def name(self) -> str: ...
    @property
    def positive_only(self) -> bool: ...
    @property
    def i_leak_A(self) -> float: ...
    def check(self, name: str, w: torch.Tensor) -> None: ...
    def observe(self, v: torch.Tensor, w: torch.Tensor) -> None: ...
    def current(self, v: torch.Tensor, w: torch.Tensor) -> torch.Tensor: ...


def _range(cell: str, operand: str, unit: str, low: float, high: float) -> FittedRange:
    # The artifacts give the cells' formulas without the interval they were fitted on.
    basis = "declared: the operating box of the published networks, the artifacts state none"
    return FittedRange(cell, operand, unit, low, high, basis)


def _observe_cells(
    fitted_v: FittedRange, v: torch.Tensor, fitted_w: FittedRange, w: torch.Tensor
) -> None:
    if not counting():
        return
    cells = torch.broadcast_shapes(v.shape, w.shape).numel()
    for fitted, x in ((fitted_v, v), (fitted_w, w.abs())):
        observe(fitted, x, times=cells // max(1, x.numel()))


_EKV_V = _range("ekv", "v", "V", 1.7, V_DD_V)
_EKV_W = _range("ekv", "|w|", "A", 1e-12, 1e-5)
_SUB_V = _range("subthreshold", "v", "V", 1.7, V_DD_V)
_SUB_W = _range("subthreshold", "|w|", "A", 1e-12, 1e-7)
_WTA_V = _range("wta_cell", "v", "V", 1.7, V_DD_V)
_WTA_W = _range("wta_cell", "w", "A", 0.0, 5e-8 / 0.0065)


@dataclass(frozen=True)
class EKVCell:
    """EKV-like cell of the hidden and output layers, subthreshold to above threshold.

    ``I(v, w) = sign(w) * (Is(w) * ln(1 + exp(a v - b(w)))^2 + I_leak)`` with
    ``Is(w) = is1 ln|w| + is0`` and ``b(w) = b1 ln|w| + b0`` (FANN, VMM). ``Is`` is positive only
    for ``|w| < largest_A`` (4.42e-5 A).
    """

    is1: float = -8.0282e-9
    is0: float = -8.0497e-8
    a: float = 17.5328
    b1: float = -1.41837
    b0: float = 18.4134
    i_leak_A: float = 7e-12
    name: str = "ekv"
    positive_only: bool = False
    fitted_v: FittedRange = _EKV_V
    fitted_w: FittedRange = _EKV_W

    @property
    def largest_A(self) -> float:
        return math.exp(-self.is0 / self.is1)

    def check(self, name: str, w: torch.Tensor) -> None:
        check_weight(name, w, largest_A=self.largest_A)

    def observe(self, v: torch.Tensor, w: torch.Tensor) -> None:
        _observe_cells(self.fitted_v, v, self.fitted_w, w)

    def current(self, v: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        """Cell current in ampere for broadcastable ``v`` (V) and ``w`` (A), signed like ``w``."""
        self.observe(v, w)
        magnitude = w.abs()
        ln_w = magnitude.log()
        i_s = self.is1 * ln_w + self.is0
        x = self.a * v.clamp(max=V_DD_V) - (self.b1 * ln_w + self.b0)
        return w.sign() * (i_s * _softplus(x).square() + self.i_leak_A)


@dataclass(frozen=True)
class SubthresholdCell:
    """Subthreshold-only cell: ``I = w exp((v - V_dd)(k1 lg|w| + k0)) + sign(w) I_leak`` (FANN).

    Exact at the supply, ``I(V_dd, w) = w``; the exponent's slope must be positive, which holds for
    ``|w| < largest_A`` (10^(-22.422/7.1221) = 7.1e-4 A).
    """

    k1: float = -7.1221
    k0: float = -22.422
    i_leak_A: float = 0.0
    name: str = "subthreshold"
    positive_only: bool = False
    fitted_v: FittedRange = _SUB_V
    fitted_w: FittedRange = _SUB_W

    @property
    def largest_A(self) -> float:
        return float(10.0 ** (-self.k0 / self.k1))

    def check(self, name: str, w: torch.Tensor) -> None:
        check_weight(name, w, largest_A=self.largest_A)

    def observe(self, v: torch.Tensor, w: torch.Tensor) -> None:
        _observe_cells(self.fitted_v, v, self.fitted_w, w)

    def current(self, v: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        """Cell current in ampere for broadcastable ``v`` (V) and ``w`` (A), signed like ``w``."""
        self.observe(v, w)
        magnitude = w.abs()
        slope = self.k1 * magnitude.log10() + self.k0
        return w * ((v.clamp(max=V_DD_V) - V_DD_V) * slope).exp() + w.sign() * self.i_leak_A


@dataclass(frozen=True)
class WTACell:
    """Cell of a winner-take-all layer, weights >= 0 only (FANN).

    ``I = Is ln(1 + exp(a v - b))^2 + I_leak`` with ``Is``, ``a`` and ``b`` linear in ``w``; ``Is``
    is positive only for ``w < largest_A`` (7.69e-6 A). Regular at ``w = 0``.
    """

    is1: float = -0.0065
    is0: float = 5e-8
    a1: float = 632404.0
    a0: float = 18.5384
    b1: float = -1.2343e6
    b0: float = 44.2817
    i_leak_A: float = 0.0
    name: str = "wta_cell"
    positive_only: bool = True
    fitted_v: FittedRange = _WTA_V
    fitted_w: FittedRange = _WTA_W

    @property
    def largest_A(self) -> float:
        return -self.is0 / self.is1

    def check(self, name: str, w: torch.Tensor) -> None:
        check_weight(name, w, largest_A=self.largest_A, zero_allowed=True, negative_allowed=False)

    def observe(self, v: torch.Tensor, w: torch.Tensor) -> None:
        _observe_cells(self.fitted_v, v, self.fitted_w, w)

    def current(self, v: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        """Cell current in ampere, >= 0, for broadcastable ``v`` (V) and ``w`` (A)."""
        self.observe(v, w)
        magnitude = w.abs()
        i_s = self.is1 * magnitude + self.is0
        x = (self.a1 * magnitude + self.a0) * v.clamp(max=V_DD_V) - (self.b1 * magnitude + self.b0)
        return i_s * _softplus(x).square() + self.i_leak_A


EKV = EKVCell()
SUBTHRESHOLD = SubthresholdCell()
WTA_CELL = WTACell()


@outside_graph
def check_operands(cell: Cell, v: torch.Tensor, w: torch.Tensor, bias: torch.Tensor) -> None:
    """Raise what ``line_currents`` raises for operands that it does not take."""
    check_layer(v, w, bias)
    check_floating("input", v)
    check_floating("bias", bias)
    cell.check("weight", w)


def line_currents(cell: Cell, v: torch.Tensor, w: torch.Tensor, bias: torch.Tensor) -> LineCurrents:
    """Vector-matrix multiply by Kirchhoff's current law: each row sums its cells on two lines.

    ``v`` (..., in) in volt, ``w`` (out, in) and ``bias`` (out,) in ampere; cells with ``w >= 0``
    and a bias >= 0 feed the positive line, the others the negative one. A WTA row has no negative
    line: a negative bias adds nothing (FANN, "bias added where >= 0").

    Raises ShapeError, DtypeError, NonFiniteError, ZeroWeightError, RangeError.
    """
    check_operands(cell, v, w, bias)
    i = cell.current(v.unsqueeze(-2), w)
    pos = torch.where(w >= 0, i, 0).sum(-1) + bias.clamp(min=0)
    if cell.positive_only:
        return LineCurrents(pos, torch.zeros_like(pos))
    neg = torch.where(w >= 0, 0, i).sum(-1) + bias.clamp(max=0)
    return LineCurrents(pos, neg)
