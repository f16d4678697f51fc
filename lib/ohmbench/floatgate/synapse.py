"""Floating-gate cells: the current one programmed transistor adds to its row.

A weight is a programmed current ``w`` in ampere. Its sign selects the line of the row that the cell
feeds, positive or negative. ``v`` is the gate voltage in volt, clipped from above at the supply.

``EKV``, ``SUBTHRESHOLD`` and ``WTA_CELL`` have the paper's constants (``cards/fg-350nm.yaml``);
``cell_of`` makes cells of any card.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import softplus

from ohmbench.floatgate.card import (
    Card,
    EKVConstants,
    FittedCell,
    SubthresholdConstants,
    WTAConstants,
    load_card,
)
from ohmbench.floatgate.operands import check_floating, check_layer, check_weight
from ohmbench.floatgate.ranges import FittedRange, counting, observe
from ohmbench.transforms import outside_graph

_PAPER = load_card()
V_DD_V = _PAPER.supply_V
"""The paper's supply voltage in volt; higher gate voltages are clipped to it."""

# From here on softplus(x) equals x in float64, and exp(40) still fits float32.
_SOFTPLUS_LINEAR_FROM = 40.0


def _softplus(x: torch.Tensor) -> torch.Tensor:
    return softplus(x, threshold=_SOFTPLUS_LINEAR_FROM)


class LineCurrents(NamedTuple):
    """Currents of a row's two output lines, shape (..., out), ampere: ``pos >= 0 >= neg``."""

    pos: Float[Tensor, "*batch outputs"]
    neg: Float[Tensor, "*batch outputs"]


@runtime_checkable  # where tests check annotations
class Cell(Protocol):
    """One kind of cell; ``current`` broadcasts gate voltages against weights.

    ``observe`` counts the operands outside the fitted ranges; ``current`` calls it itself.
    """

    def __hash__(self) -> int: ...
    @property
    def name(self) -> str:
        """The name of the cell in counts and messages."""

    @property
    def positive_only(self) -> bool:
        """Whether weights must be >= 0, so that a row has no negative line."""

    @property
    def i_leak_A(self) -> float:
        """Current (A) of a cell that is off."""

    def check(self, name: str, w: Float[Tensor, "*cells"]) -> None:
        """Raise an error unless the formula accepts ``w`` (A); messages call it ``name``."""

    def observe(self, v: Float[Tensor, "*#cells"], w: Float[Tensor, "*#cells"]) -> None:
        """Count the gate voltages ``v`` (V) and weights ``w`` (A) outside the fitted ranges."""

    def current(
        self, v: Float[Tensor, "*#cells"], w: Float[Tensor, "*#cells"]
    ) -> Float[Tensor, "*cells"]:
        """Cell current (A) for broadcastable ``v`` (V) and ``w`` (A)."""


def _ranges(cell: str, fitted: FittedCell, sign: str) -> tuple[FittedRange, FittedRange]:
    """The fitted ranges of a cell's voltage and weight."""
    return (
        FittedRange(cell, "v", "V", *fitted.v_V, fitted.basis),
        FittedRange(cell, f"{sign}w{sign}", "A", *fitted.w_A, fitted.basis),
    )


class _FittedCell(ABC):
    """The checks of operands and the fitted ranges, common to all forms of cells."""

    fitted_v: FittedRange
    fitted_w: FittedRange
    positive_only: bool

    @property
    @abstractmethod
    def largest_A(self) -> float:
        """The formula needs ``|w|`` below this current (A)."""

    def check(self, name: str, w: Float[Tensor, "*cells"]) -> None:
        """Check ``w`` with ``check_weight``. Cells with positive weights only also accept 0."""
        check_weight(
            name,
            w,
            largest_A=self.largest_A,
            zero_allowed=self.positive_only,
            negative_allowed=not self.positive_only,
        )

    def observe(self, v: Float[Tensor, "*#cells"], w: Float[Tensor, "*#cells"]) -> None:
        """Count cells of ``v`` and ``w`` outside the fitted ranges, inside a counting block."""
        if not counting():
            return
        cells = torch.broadcast_shapes(v.shape, w.shape).numel()
        for fitted, x in ((self.fitted_v, v), (self.fitted_w, w.abs())):
            observe(fitted, x, times=cells // max(1, x.numel()))


@dataclass(frozen=True)
class EKVCell(_FittedCell):
    """EKV-like cell of the hidden and output layers, subthreshold to above threshold.

    ``I(v, w) = sign(w) * (Is(w) * ln(1 + exp(a v - b(w)))^2 + I_leak)`` with
    ``Is(w) = is1 ln|w| + is0`` and ``b(w) = b1 ln|w| + b0`` (FANN, VMM). ``Is`` is positive only
    for ``|w| < largest_A`` (4.42e-5 A).
    """

    is1: float
    is0: float
    a: float
    b1: float
    b0: float
    i_leak_A: float
    v_dd_V: float
    fitted_v: FittedRange
    fitted_w: FittedRange
    name: str = "ekv"
    positive_only: bool = False

    @classmethod
    def of(cls, constants: EKVConstants, supply_V: float) -> EKVCell:
        """The cell with a card's constants and supply."""
        c = constants
        return cls(c.is1_A, c.is0_A, c.a_per_V, c.b1, c.b0, c.i_leak_A, supply_V,
                   *_ranges("ekv", c.fitted, "|"))  # fmt: skip

    @property
    def largest_A(self) -> float:
        """``|w|`` (A) at which ``Is`` is 0."""
        return math.exp(-self.is0 / self.is1)

    def current(
        self, v: Float[Tensor, "*#cells"], w: Float[Tensor, "*#cells"]
    ) -> Float[Tensor, "*cells"]:
        """Cell current in ampere for broadcastable ``v`` (V) and ``w`` (A), signed like ``w``."""
        self.observe(v, w)
        magnitude = w.abs()
        ln_w = magnitude.log()
        i_s = self.is1 * ln_w + self.is0
        x = self.a * v.clamp(max=self.v_dd_V) - (self.b1 * ln_w + self.b0)
        return w.sign() * (i_s * _softplus(x).square() + self.i_leak_A)


@dataclass(frozen=True)
class SubthresholdCell(_FittedCell):
    """Subthreshold-only cell: ``I = w exp((v - V_dd)(k1 lg|w| + k0)) + sign(w) I_leak`` (FANN).

    Exact at the supply, ``I(V_dd, w) = w``; the exponent's slope must be positive, which holds for
    ``|w| < largest_A`` (10^(-22.422/7.1221) = 7.1e-4 A).
    """

    k1: float
    k0: float
    i_leak_A: float
    v_dd_V: float
    fitted_v: FittedRange
    fitted_w: FittedRange
    name: str = "subthreshold"
    positive_only: bool = False

    @classmethod
    def of(cls, constants: SubthresholdConstants, supply_V: float) -> SubthresholdCell:
        """The cell with a card's constants and supply."""
        c = constants
        return cls(c.k1_per_V, c.k0_per_V, c.i_leak_A, supply_V,
                   *_ranges("subthreshold", c.fitted, "|"))  # fmt: skip

    @property
    def largest_A(self) -> float:
        """``|w|`` (A) at which the slope of the exponent is 0."""
        return float(10.0 ** (-self.k0 / self.k1))

    def current(
        self, v: Float[Tensor, "*#cells"], w: Float[Tensor, "*#cells"]
    ) -> Float[Tensor, "*cells"]:
        """Cell current in ampere for broadcastable ``v`` (V) and ``w`` (A), signed like ``w``."""
        self.observe(v, w)
        magnitude = w.abs()
        slope = self.k1 * magnitude.log10() + self.k0
        return (
            w * ((v.clamp(max=self.v_dd_V) - self.v_dd_V) * slope).exp() + w.sign() * self.i_leak_A
        )


@dataclass(frozen=True)
class WTACell(_FittedCell):
    """Cell of a winner-take-all layer, weights >= 0 only (FANN).

    ``I = Is ln(1 + exp(a v - b))^2 + I_leak`` with ``Is``, ``a`` and ``b`` linear in ``w``; ``Is``
    is positive only for ``w < largest_A`` (7.69e-6 A). Regular at ``w = 0``.
    """

    is1: float
    is0: float
    a1: float
    a0: float
    b1: float
    b0: float
    i_leak_A: float
    v_dd_V: float
    fitted_v: FittedRange
    fitted_w: FittedRange
    name: str = "wta_cell"
    positive_only: bool = True

    @classmethod
    def of(cls, constants: WTAConstants, supply_V: float) -> WTACell:
        """The cell with a card's constants and supply."""
        c = constants
        return cls(c.is1, c.is0_A, c.a1_per_V_A, c.a0_per_V, c.b1_per_A, c.b0, c.i_leak_A, supply_V,
                   *_ranges("wta_cell", c.fitted, ""))  # fmt: skip

    @property
    def largest_A(self) -> float:
        """``w`` (A) at which ``Is`` is 0."""
        return -self.is0 / self.is1

    def current(
        self, v: Float[Tensor, "*#cells"], w: Float[Tensor, "*#cells"]
    ) -> Float[Tensor, "*cells"]:
        """Cell current in ampere, >= 0, for broadcastable ``v`` (V) and ``w`` (A)."""
        self.observe(v, w)
        magnitude = w.abs()
        i_s = self.is1 * magnitude + self.is0
        a, b = self.a1 * magnitude + self.a0, self.b1 * magnitude + self.b0
        x = a * v.clamp(max=self.v_dd_V) - b
        return i_s * _softplus(x).square() + self.i_leak_A


def cell_of(card: Card) -> EKVCell | SubthresholdCell:
    """The cell of the signed weights of ``card``."""
    if isinstance(card.cell, EKVConstants):
        return EKVCell.of(card.cell, card.supply_V)
    return SubthresholdCell.of(card.cell, card.supply_V)


def positive_cell_of(card: Card) -> WTACell | None:
    """The cell of winner-take-all rows of ``card``, where it has them."""
    constants = card.positive_cell
    return None if constants is None else WTACell.of(constants, card.supply_V)


def _paper_cells() -> tuple[EKVCell, WTACell]:
    cell, positive = cell_of(_PAPER), positive_cell_of(_PAPER)
    assert isinstance(cell, EKVCell)
    assert positive is not None
    return cell, positive


EKV, WTA_CELL = _paper_cells()
SUBTHRESHOLD = SubthresholdCell.of(
    # The paper's second model of the same cells; none of its networks uses it.
    SubthresholdConstants(
        form="subthreshold",
        k1_per_V=-7.1221,
        k0_per_V=-22.422,
        i_leak_A=0.0,
        fitted=FittedCell(v_V=(1.7, 2.5), w_A=(1e-12, 1e-7), basis=EKV.fitted_w.basis),
    ),
    V_DD_V,
)


@outside_graph
def check_operands(
    cell: Cell,
    v: Float[Tensor, "*batch inputs"],
    w: Float[Tensor, "outputs inputs"],
    bias: Float[Tensor, " outputs"],
) -> None:
    """Raise the errors of ``line_currents`` for operands that it does not accept."""
    check_layer(v, w, bias)
    check_floating("input", v)
    check_floating("bias", bias)
    cell.check("weight", w)


def line_currents(
    cell: Cell,
    v: Float[Tensor, "*batch inputs"],
    w: Float[Tensor, "outputs inputs"],
    bias: Float[Tensor, " outputs"],
) -> LineCurrents:
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
