"""The circuits of one device: cells, activation circuits, programmable currents, bias currents."""

from __future__ import annotations

from enum import Enum
from typing import Any

import torch

from ohmbench.errors import OperandError
from ohmbench.floatgate.card import Card, load_card
from ohmbench.floatgate.piecewise import PiecewiseCurve
from ohmbench.floatgate.programming import ProgrammableSet
from ohmbench.floatgate.relu import relu_curve, relu_smooth_curve
from ohmbench.floatgate.sigmoid import Sigmoid
from ohmbench.floatgate.synapse import Cell, LineCurrents, cell_of, positive_cell_of
from ohmbench.floatgate.transistor import line_curve
from ohmbench.floatgate.wta import wta_curve


class Activation(Enum):
    """The circuit that turns row currents into an output."""

    SIGMOID = "sigmoid"
    RELU = "relu"
    RELU_SMOOTH = "relu_smooth"
    WTA = "wta"

    @property
    def label(self) -> str:
        """The name used in files and messages."""
        return self.value


class Circuits:
    """Models of the circuits on ``card``. Equality, hash and pickling are those of the card."""

    def __init__(self, card: Card) -> None:
        self.card = card
        self._cell = cell_of(card)
        self._positive_cell = positive_cell_of(card)
        self.pos: PiecewiseCurve | None = None
        self.neg: PiecewiseCurve | None = None
        self.sigmoid: Sigmoid | None = None
        if card.lines is not None and card.sigmoid is not None:
            self.pos = line_curve(card.lines, card.lines.positive, "pos")
            self.neg = line_curve(card.lines, card.lines.negative, "neg")
            self.sigmoid = Sigmoid.of(card.sigmoid, card.lines)
        self.relu = None if card.relu is None else relu_curve(card.relu)
        smooth = card.relu_smooth
        self.relu_smooth = None if smooth is None else relu_smooth_curve(smooth)
        self.wta = None if card.wta is None else wta_curve(card.wta)
        c = card.programmable
        self._programmable = ProgrammableSet(c.w_min_A, c.w_max_A, c.bits)
        positive = card.positive_cell
        self._positive_programmable = (
            None
            if positive is None
            else ProgrammableSet(c.w_min_A, positive.w_max_A, c.bits, positive_only=True)
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Circuits) and self.card == other.card

    def __hash__(self) -> int:
        return hash(self.card)

    def __reduce__(self) -> tuple[Any, ...]:
        return Circuits, (self.card,)

    @property
    def v_dd_V(self) -> float:
        """Supply voltage in volt."""
        return self.card.supply_V

    def _missing(self, activation: Activation) -> OperandError:
        return OperandError(f"the device {self.card.name} has no {activation.label}")

    def has(self, activation: Activation) -> bool:
        """Whether the device has this circuit."""
        return getattr(self, activation.label) is not None

    @property
    def cells(self) -> tuple[Cell, ProgrammableSet]:
        """The cell for signed weights, and the currents it can be programmed to."""
        return self._cell, self._programmable

    def cell(self, activation: Activation) -> Cell:
        """The cell that feeds ``activation``. Raises OperandError if the device lacks it."""
        if not self.has(activation):
            raise self._missing(activation)
        if activation is Activation.WTA:
            assert self._positive_cell is not None  # Card checks this
            return self._positive_cell
        return self._cell

    def programmable(self, activation: Activation) -> ProgrammableSet:
        """The currents to which the cells that feed ``activation`` can be programmed."""
        if activation is Activation.WTA and self._positive_programmable is not None:
            return self._positive_programmable
        return self._programmable

    def line_voltages(self, i: LineCurrents) -> tuple[torch.Tensor, torch.Tensor]:
        """The voltages ``p``, ``n`` (V) of a row's two lines at the inputs of its sigmoid.

        Raises OperandError if the device has no sigmoid.
        """
        if self.pos is None or self.neg is None:
            raise self._missing(Activation.SIGMOID)
        return self.pos(i.pos), self.neg(-i.neg)

    def output(self, activation: Activation, i: LineCurrents) -> torch.Tensor:
        """Output of ``activation`` for row currents: in volt, or dimensionless for WTA.

        Raises OperandError if the device lacks this circuit.
        """
        if activation is Activation.SIGMOID and self.sigmoid is not None:
            return self.sigmoid(*self.line_voltages(i))
        if activation is Activation.RELU and self.relu is not None:
            return self.relu(i.pos + i.neg)
        if activation is Activation.RELU_SMOOTH and self.relu_smooth is not None:
            return self.relu_smooth(i.pos + i.neg)
        if activation is Activation.WTA and self.wta is not None:
            return self.wta(i.pos)
        raise self._missing(activation)

    def logits(self, activation: Activation, out: torch.Tensor) -> torch.Tensor:
        """Dimensionless logits for outputs of ``activation``; WTA outputs are unchanged."""
        if activation is Activation.WTA:
            return out
        return self.card.logits.per_V * (out - self.card.logits.zero_V)

    def overhead_W(self, neurons: int) -> float:
        """Power in watt of the bias currents of ``neurons`` neurons and the shared circuits."""
        power = self.card.power
        return self.v_dd_V * (neurons * power.per_neuron_A + power.shared_A)


PAPER_CIRCUITS = Circuits(load_card())
"""The circuits of the paper's device."""
