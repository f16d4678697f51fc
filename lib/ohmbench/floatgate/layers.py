"""A floating-gate layer: vector-matrix multiply on two lines, then the circuit that follows."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

import torch

from ohmbench.floatgate.relu import relu, relu_smooth
from ohmbench.floatgate.rows import RowPath, line_currents
from ohmbench.floatgate.sigmoid import sigmoid
from ohmbench.floatgate.synapse import EKV, WTA_CELL, Cell, LineCurrents
from ohmbench.floatgate.transistor import Line, current_to_voltage
from ohmbench.floatgate.wta import wta


def line_voltages(i: LineCurrents) -> tuple[torch.Tensor, torch.Tensor]:
    """The voltages ``p``, ``n`` (V) of a row's two lines at the inputs of its sigmoid."""
    return current_to_voltage(i.pos, Line.POS), current_to_voltage(-i.neg, Line.NEG)


def _sigmoid(i: LineCurrents) -> torch.Tensor:
    return sigmoid(*line_voltages(i))


def _relu(i: LineCurrents) -> torch.Tensor:
    return relu(i.pos + i.neg)


def _relu_smooth(i: LineCurrents) -> torch.Tensor:
    return relu_smooth(i.pos + i.neg)


def _wta(i: LineCurrents) -> torch.Tensor:
    return wta(i.pos)


class Activation(Enum):
    """What follows the row currents, and which cell feeds it."""

    SIGMOID = ("sigmoid", _sigmoid, EKV)
    RELU = ("relu", _relu, EKV)
    RELU_SMOOTH = ("relu_smooth", _relu_smooth, EKV)
    WTA = ("wta", _wta, WTA_CELL)

    def __init__(
        self, label: str, output: Callable[[LineCurrents], torch.Tensor], cell: Cell
    ) -> None:
        self.label = label
        self.output = output
        self.cell = cell


class FGLayer(torch.nn.Module):
    """``out`` rows of ``in`` cells and the activation circuit of each row.

    ``weight`` (out, in) and ``bias`` (out,) are programmed currents in ampere, float32 or float64.
    ``cell`` replaces the activation's usual synapse (for instance by the subthreshold-only one).
    """

    def __init__(
        self,
        weight: torch.Tensor,
        bias: torch.Tensor,
        activation: Activation,
        cell: Cell | None = None,
    ) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(weight)
        self.bias = torch.nn.Parameter(bias)
        self.activation = activation
        self.cell: Cell = activation.cell if cell is None else cell

    def currents(self, v: torch.Tensor, *, path: RowPath = "auto") -> LineCurrents:
        """Line currents (..., out) in ampere for gate voltages ``v`` (..., in) in volt."""
        return line_currents(self.cell, v, self.weight, self.bias, path=path)

    def forward(self, v: torch.Tensor) -> torch.Tensor:
        """Outputs (..., out): volt, or dimensionless for WTA."""
        return self.activation.output(self.currents(v))
