"""A floating-gate layer: vector-matrix multiply on two lines, then the activation circuit."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from ohmbench.floatgate.circuits import PAPER_CIRCUITS, Activation, Circuits
from ohmbench.floatgate.rows import RowExecutionPath, line_currents
from ohmbench.floatgate.synapse import Cell, LineCurrents


class FGLayer(torch.nn.Module):
    """``out`` rows of ``in`` cells and the activation circuit of each row.

    ``weight`` (out, in) and ``bias`` (out,) are programmed currents in ampere, float32 or float64.
    ``circuits`` are those of the device (default: the paper's). ``cell`` replaces the usual cell of
    the activation, for instance by the subthreshold-only one. Raises OperandError if the device
    lacks the activation circuit.
    """

    def __init__(
        self,
        weight: Float[Tensor, "outputs inputs"],
        bias: Float[Tensor, " outputs"],
        activation: Activation,
        cell: Cell | None = None,
        circuits: Circuits = PAPER_CIRCUITS,
    ) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(weight)
        self.bias = torch.nn.Parameter(bias)
        self.activation, self.circuits = activation, circuits
        self.cell: Cell = circuits.cell(activation) if cell is None else cell

    def currents(
        self, v: Float[Tensor, "*batch inputs"], *, path: RowExecutionPath = "auto"
    ) -> LineCurrents:
        """Line currents (..., out) in ampere for gate voltages ``v`` (..., in) in volt."""
        return line_currents(self.cell, v, self.weight, self.bias, path=path)

    def output(self, currents: LineCurrents) -> Float[Tensor, "*batch outputs"]:
        """Outputs for line currents (..., out): volt, or dimensionless for WTA."""
        return self.circuits.output(self.activation, currents)

    def forward(self, v: Float[Tensor, "*batch inputs"]) -> Float[Tensor, "*batch outputs"]:
        """Outputs (..., out): volt, or dimensionless for WTA."""
        return self.output(self.currents(v))
