"""The fastest path there is for a circuit; every path can be asked for by name."""

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
    """``circuit`` made ready by the named path: "plain" is the reference, "auto" the fastest.

    Under torch.func "auto" leaves the fused path out, whose compiled loops cannot be transformed.
    Raises OperandError where a path that was asked for by name cannot take the circuit, or be
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
