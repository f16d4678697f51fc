"""The choice of a path for a circuit: the fastest one, or any path by name."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

from ohmbench.errors import OperandError
from ohmbench.kernels.choice import check_path, plain_preferred, refuse_followed
from ohmbench.kernels.compiling import require_compiler
from ohmbench.kirchhoff.circuit import Circuit, PlainRightHandSide, RightHandSide
from ohmbench.kirchhoff.fast.dense_circuit import DENSE_LIMIT, DenseRightHandSide
from ohmbench.kirchhoff.fast.fused_circuit import FusedRightHandSide
from ohmbench.transforms import followed, outside_graph

ExecutionPath: TypeAlias = Literal["auto", "plain", "dense", "fused"]

__all__ = ["DenseRightHandSide", "ExecutionPath", "FusedRightHandSide", "right_hand_side"]


@outside_graph
def right_hand_side(circuit: Circuit, path: ExecutionPath = "auto") -> RightHandSide:
    """Prepare ``circuit`` for the named path: "plain" is the reference, "auto" the fastest.

    Under torch.func "auto" excludes the fused path, whose compiled loops cannot be transformed.
    Raises OperandError if a path requested by name does not support the circuit or cannot be
    transformed.
    """
    check_path(path, get_args(ExecutionPath))
    fused = FusedRightHandSide.takes(circuit)
    dense = circuit.topology.n_free * circuit.topology.n_edges <= DENSE_LIMIT
    if path == "auto":
        preferred = not plain_preferred()
        fast = fused and preferred and not followed()
        path = "fused" if fast else "dense" if dense and preferred else "plain"
    if path == "plain":
        return PlainRightHandSide(circuit)
    if path == "dense":
        return DenseRightHandSide(circuit)
    require_compiler()
    if not fused:
        raise OperandError(
            f"the fused path takes float32 circuits of piecewise linear devices or tanh, not "
            f"{circuit.param.dtype} {circuit.device.activation.name}"
        )
    refuse_followed("the fused path of circuits")
    return FusedRightHandSide(circuit)
