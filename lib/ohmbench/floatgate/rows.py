"""Line currents of floating-gate rows, by the fastest path available for the operands."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

import torch
from jaxtyping import Float
from torch import Tensor

from ohmbench.errors import OperandError
from ohmbench.floatgate import synapse
from ohmbench.floatgate.fast import fused_cells
from ohmbench.floatgate.ranges import count_by_plain_path
from ohmbench.floatgate.synapse import Cell, LineCurrents
from ohmbench.kernels.choice import check_path, plain_preferred, refuse_followed
from ohmbench.kernels.compiling import require_compiler
from ohmbench.transforms import followed, outside_graph

RowExecutionPath: TypeAlias = Literal["auto", "plain", "fused"]


def line_currents(
    cell: Cell,
    v: Float[Tensor, "*batch inputs"],
    w: Float[Tensor, "outputs inputs"],
    bias: Float[Tensor, " outputs"],
    *,
    path: RowExecutionPath = "auto",
) -> LineCurrents:
    """``synapse.line_currents`` by the named path.

    "plain" is the reference; "auto" is the fastest path unless the user asked for the reference
    (``kernels.choice``).

    The fused path takes cells of the published forms, with any constants, on the CPU. Operands
    outside its box go through the plain path and are counted
    (``ranges.RangeCounts.by_plain_path``). Operands under torch.func also go through the plain
    path, but are not counted. Raises the errors of the reference, and OperandError for an unknown
    path, or if "fused" was named but cannot take the cell or operands under torch.func, or is not
    compiled (``compiling``).
    """
    check_path(path, get_args(RowExecutionPath))
    if path == "plain":
        return synapse.line_currents(cell, v, w, bias)
    return _fastest(cell, v, w, bias, path)


@outside_graph
def _fastest(
    cell: Cell, v: torch.Tensor, w: torch.Tensor, bias: torch.Tensor, path: RowExecutionPath
) -> LineCurrents:
    if path == "fused":
        require_compiler()
        refuse_followed("the fused path of rows")
    if path == "fused" or not (followed() or plain_preferred()):
        synapse.check_operands(cell, v, w, bias)
        supported = fused_cells.supports(cell, v, w)
        if path == "fused" and not supported:
            raise OperandError(
                "the fused path takes the published forms of cells in float32 or float64 on the "
                f"CPU, not this {cell.name} in {v.dtype} on {v.device.type}"
            )
        bound = fused_cells.bound(cell) if supported else None
        if bound is not None and bound.box.holds(v, w):
            return fused_cells.line_currents(cell, v, w, bias)
        if supported:
            count_by_plain_path(v.shape[:-1].numel() * w.numel())
    return synapse.line_currents(cell, v, w, bias)
