"""What ``ohmbench export`` writes where one float32 line does not have a layer's thresholds.

- ``Cast`` to float64, ``Gemm``, ``Mul`` and ``Add`` there, ``Floor``, ``Cast`` back;
- ``Unsqueeze``, ``GreaterOrEqual`` with a table (channels, steps), ``Cast`` to float32 and
  ``ReduceSum`` over the steps: the number of thresholds that a sum reaches.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Int64
from numpy.typing import NDArray
from typing_extensions import override

from ohmbench.digital.importing.float_steps import Arithmetic, Float, FloatStep, Line
from ohmbench.digital.importing.float_sums import FloatSum
from ohmbench.digital.importing.onnx_constants import cast as plain_cast
from ohmbench.digital.importing.onnx_file import STANDARD, Node
from ohmbench.digital.importing.onnx_graph import Graph, Handler
from ohmbench.digital.importing.onnx_operations import arithmetic as plain_arithmetic
from ohmbench.digital.importing.onnx_operations import gemm as plain_gemm
from ohmbench.digital.importing.onnx_operations import layer_sums
from ohmbench.digital.importing.onnx_tensors import numpy_type
from ohmbench.digital.importing.onnx_values import Chain, Constant, SumBase, Value
from ohmbench.digital.integer.network import MAX_STEPS

_FLOAT32 = np.dtype(np.float32)


@dataclass(frozen=True, eq=False)
class Converted(FloatStep):
    """The same numbers, rounded to another type."""

    dtype: np.dtype[Any]

    @override
    def apply(self, x: Float) -> Float:
        with np.errstate(over="ignore"):
            found: Float = x.astype(self.dtype)
        return found

    @override
    def line(self, line: Line) -> Line | None:
        return line

    @override
    def whole(self, x: bool) -> bool:
        return x


@dataclass(frozen=True, eq=False)
class Floored(FloatStep):
    """The largest integer that is not above."""

    @override
    def apply(self, x: Float) -> Float:
        found: Float = np.floor(x)
        return found

    @override
    def line(self, line: Line) -> Line | None:
        return None

    @override
    def whole(self, x: bool) -> bool:
        return True


@dataclass(frozen=True, eq=False)
class Counted(FloatStep):
    """How many of ``table`` (channels, steps), which ascend, are at most ``x``."""

    table: Float

    @override
    def apply(self, x: Float) -> Float:
        columns = [np.searchsorted(row, x[:, c], "right") for c, row in enumerate(self.table)]
        return np.stack(columns, axis=1).astype(np.float32)

    @override
    def line(self, line: Line) -> Line | None:
        return None

    @override
    def whole(self, x: bool) -> bool:
        return True


class WideSum(FloatSum):
    """Sums in float64, all of them exact."""

    LARGEST = 2.0**53

    @override
    def ends(
        self, acc: Int64[NDArray[np.int64], "n channels"]
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        value = (acc - self.shift).astype(np.float64) * self.unit + self.addend
        return value, value


def gemm(graph: Graph, node: Node, operands: list[Value | None]) -> Value:
    """``Gemm`` of float64, with weights (channels, inputs) that are whole numbers."""
    value = operands[0] if operands else None
    if not isinstance(value, Chain) or value.dtype != np.float64:
        return plain_gemm(graph, node, operands)
    graph.arity(node, operands, 3, 3)
    weight, bias = (graph.constant(node, one, "operand") for one in operands[1:])
    # The value that each attribute should have, and its default.
    wanted = {"transA": (0, 0), "transB": (1, 0), "alpha": (1.0, 1.0), "beta": (1.0, 1.0)}
    plain = all(
        graph.attribute(node, name, default, type(default)) == value
        for name, (value, default) in wanted.items()
    )
    if weight.dtype != np.float64 or weight.ndim != 2 or not np.isfinite(bias).all() or not plain:
        raise graph.refuse(node, "in float64, it should be x @ w.T + b of finite float64")
    last = value.steps[-1] if value.steps else None
    if not isinstance(last, Converted):
        raise graph.refuse(node, "in float64, its input should be cast from integers")
    narrow = replace(value, steps=value.steps[:-1], dtype=_FLOAT32)
    transposed = Constant(weight.T.astype(np.float32))
    sums = layer_sums(graph, node, narrow, transposed, 1.0, bias, WideSum)
    assert isinstance(sums.base, SumBase)
    if not sums.base.sums.exact.all() or not (weight == transposed.value.T).all():
        raise graph.refuse(node, "its sums in float64 could be rounded")
    return replace(sums, dtype=np.dtype(np.float64))


def cast(graph: Graph, node: Node, operands: list[Value | None]) -> Value:
    """``Cast`` between float32 and float64, and of comparisons to float32."""
    value = operands[0] if operands else None
    target = numpy_type(graph.attribute(node, "to", 0, int))
    if not isinstance(value, Chain) or value.dropped or value.integers is not None:
        return plain_cast(graph, node, operands)
    if value.ones == "bool" and target == np.float32:
        return replace(value, ones="float32")
    if value.ones is None and {target, value.dtype} == {np.dtype("f4"), np.dtype("f8")}:
        assert target is not None
        return replace(value.then(Converted(target)), dtype=target)
    if value.ones is not None or value.dtype != np.float32:
        raise graph.refuse(node, f"it casts a tensor to {target}")
    return plain_cast(graph, node, operands)


def arithmetic(graph: Graph, node: Node, operands: list[Value | None]) -> Value:
    """``Mul`` and ``Add`` of float64."""
    graph.arity(node, operands, 2, 2)
    value, other = operands
    if not isinstance(value, Chain) or value.dtype != np.float64:
        return plain_arithmetic(graph, node, operands)
    constant = graph.constant(node, other, "constant")
    if constant.dtype != np.float64 or not np.isfinite(constant).all():
        raise graph.refuse(node, "its constant should be finite float64")
    factor = graph.per_channel(node, value, constant, "constant")
    return value.then(Arithmetic("multiply" if node.op == "Mul" else "add", factor))


def floor(graph: Graph, node: Node, operands: list[Value | None]) -> Value:
    """``Floor``."""
    graph.arity(node, operands, 1, 1)
    value = operands[0]
    if not isinstance(value, Chain) or value.integers is not None or value.ones is not None:
        raise graph.refuse(node, "its input should be reals that depend on the network's input")
    return value.then(Floored())


def reached(graph: Graph, node: Node, operands: list[Value | None]) -> Value:
    """``GreaterOrEqual`` of a column of sums and a table of thresholds."""
    graph.arity(node, operands, 2, 2)
    value, dtype = operands[0], _FLOAT32
    if isinstance(value, Chain):  # in both types; the counts are float32
        value, dtype = replace(value, dtype=_FLOAT32), value.dtype
    chain = graph.chain(node, value)
    table = graph.constant(node, operands[1], "table")
    if table.dtype != dtype:
        raise graph.refuse(node, f"its table is {table.dtype}, but the sums are {dtype}")
    if not np.isfinite(table).all():
        raise graph.refuse(node, "its table is not finite")
    # The axis of one channel is any axis.
    column = len(chain.shape) == 3 and chain.shape[2] == 1
    if not column or (chain.axis != 1 and chain.shape[1] > 1):
        raise graph.refuse(node, f"it compares {chain.shape}, not a column of sums")
    if table.ndim != 2 or len(table) != chain.shape[1] or not 1 <= table.shape[1] <= MAX_STEPS:
        raise graph.refuse(node, f"its table has shape {table.shape}")
    if (np.diff(table, axis=1) < 0).any():
        raise graph.refuse(node, "its thresholds should ascend")
    shape = (*chain.shape[:2], table.shape[1])
    return replace(chain.then(Counted(table)), shape=shape, axis=1, ones="bool")


def total(graph: Graph, node: Node, operands: list[Value | None]) -> Value:
    """``ReduceSum`` over the steps of a comparison."""
    graph.arity(node, operands, 1, 2)
    value = operands[0]
    if not isinstance(value, Chain) or value.ones != "float32":
        raise graph.refuse(node, "it sums something other than a comparison's results")
    given: Any = operands[1] if len(operands) > 1 else None
    axes = (
        graph.whole(node, given, "axes")
        if isinstance(given, Constant)
        else graph.attribute(node, "axes", (), tuple)
    )
    if axes not in ((2,), (-1,)) or graph.attribute(node, "keepdims", 1, int):
        raise graph.refuse(node, "it should leave out the last axis")
    return replace(value, shape=value.shape[:2], ones=None)


HANDLERS: dict[tuple[str, str], Handler] = {
    (STANDARD, op): handler
    for op, handler in (
        ("Cast", cast),
        ("Gemm", gemm),
        ("Mul", arithmetic),
        ("Add", arithmetic),
        ("Floor", floor),
        ("GreaterOrEqual", reached),
        ("ReduceSum", total),
    )
}
