"""Operations of the ONNX standard on constants."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ohmbench.digital.importing.onnx_file import STANDARD, Node
from ohmbench.digital.importing.onnx_graph import Graph, Handler
from ohmbench.digital.importing.onnx_tensors import MAX_ELEMENTS, NIBBLES, numpy_type
from ohmbench.digital.importing.onnx_values import Chain, Constant, Value

_POW_SLACK = 2.0**-9
"""How near, in units of the last place, to the middle of two float32 numbers a power is not
rounded here: powers of the C libraries are wrong by up to 0.502 units."""


def gather(graph: Graph, node: Node, operands: list[Value | None]) -> Value:
    """``Gather`` on constants."""
    graph.arity(node, operands, 2, 2)
    data = graph.constant(node, operands[0], "data")
    indices = graph.constant(node, operands[1], "indices")
    axis = graph.attribute(node, "axis", 0, int)
    if indices.dtype.kind != "i" or not -data.ndim <= axis < data.ndim or indices.ndim > 1:
        raise graph.refuse(node, "its indices or axis do not fit")
    size = data.shape[axis]
    if (indices < -size).any() or (indices >= size).any():
        raise graph.refuse(node, f"an index is outside {size} entries")
    if data.size // size * indices.size > MAX_ELEMENTS:
        raise graph.refuse(node, "its result is too large")
    return Constant(np.take(data, indices, axis))


def concat(graph: Graph, node: Node, operands: list[Value | None]) -> Value:
    """``Concat`` on constants."""
    graph.arity(node, operands, 1, 8)
    arrays = [graph.constant(node, value, "inputs") for value in operands]
    axis = graph.attribute(node, "axis", 0, int)
    if len({array.dtype for array in arrays}) > 1 or sum(a.size for a in arrays) > MAX_ELEMENTS:
        raise graph.refuse(node, "its inputs do not fit")
    try:
        return Constant(np.concatenate(arrays, axis))
    except (ValueError, IndexError):
        raise graph.refuse(node, "its inputs do not fit") from None


def cast(graph: Graph, node: Node, operands: list[Value | None]) -> Value:
    """``Cast`` of constants; float32 to itself elsewhere."""
    graph.arity(node, operands, 1, 1)
    code = graph.attribute(node, "to", 0, int)
    target = None if code in NIBBLES else numpy_type(code)
    value = operands[0]
    if isinstance(value, Chain):
        if not value.dropped and (target != np.float32 or value.integers is not None):
            raise graph.refuse(node, "it casts a tensor that depends on the input")
        return value
    array = graph.constant(node, value, "input")
    if target is None:
        raise graph.refuse(node, "its target type cannot be read")
    found = array.astype(target)
    if array.dtype.kind == "f" and target.kind in "iu" and not (found == np.trunc(array)).all():
        raise graph.refuse(node, f"its values do not fit {target}")
    return Constant(found)


def identity(graph: Graph, node: Node, operands: list[Value | None]) -> Value:
    """``Identity``, and ``Dropout`` outside of training."""
    graph.arity(node, operands, 1, 3 if node.op == "Dropout" else 1)
    value = operands[0]
    assert value is not None
    return value


def constant(graph: Graph, node: Node, operands: list[Value | None]) -> Value:
    """``Constant``."""
    graph.arity(node, operands, 0, 0)
    for name, kind, dtype in (
        ("value", np.ndarray, None),
        ("value_float", float, np.float32),
        ("value_int", int, np.int64),
        ("value_ints", tuple, np.int64),
        ("value_floats", tuple, np.float32),
    ):
        if name in node.attributes:
            value = graph.attribute(node, name, None, kind)
            return Constant(np.asarray(value, dtype))
    raise graph.refuse(node, "it has no value that can be read")


_BINARY: dict[str, Callable[..., NDArray[Any]]] = {
    "Add": np.add,
    "Sub": np.subtract,
    "Mul": np.multiply,
    "Div": np.divide,
}


def binary(graph: Graph, node: Node, a: NDArray[Any], b: NDArray[Any]) -> Constant:
    """Arithmetic and ``Pow`` on float32 constants, in single precision."""
    try:
        shape = np.broadcast_shapes(a.shape, b.shape)
    except ValueError:
        raise graph.refuse(node, f"{a.shape} and {b.shape} do not fit") from None
    if math.prod(shape) > MAX_ELEMENTS:
        raise graph.refuse(node, "its result is too large")
    return Constant(_power(graph, node, a, b) if node.op == "Pow" else _BINARY[node.op](a, b))


def _power(graph: Graph, node: Node, a: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
    """``a ** b``: onnxruntime multiplies for 2 and 3 and calls the C library's function else."""
    if b.size == 1 and float(b.ravel()[0]) in (2.0, 3.0):
        cube: NDArray[Any] = a * a if float(b.ravel()[0]) == 2.0 else a * a * a
        return cube
    wide = np.power(a.astype(np.float64), b.astype(np.float64))
    found = wide.astype(np.float32)
    off = np.abs(wide - found.astype(np.float64)) / np.spacing(np.abs(found)).astype(np.float64)
    if (off > 0.5 - _POW_SLACK).any():
        raise graph.refuse(node, "the last bit of its result depends on the C library")
    return found


def power(graph: Graph, node: Node, operands: list[Value | None]) -> Value:
    """``Pow`` of constants."""
    graph.arity(node, operands, 2, 2)
    return binary(
        graph,
        node,
        graph.reals(node, operands[0], "base"),
        graph.reals(node, operands[1], "exponent"),
    )


def square_root(graph: Graph, node: Node, operands: list[Value | None]) -> Value:
    """``Sqrt`` of constants."""
    graph.arity(node, operands, 1, 1)
    array = graph.reals(node, operands[0], "input")
    if (array < 0).any():
        raise graph.refuse(node, "its input is negative")
    return Constant(np.sqrt(array))


HANDLERS: dict[tuple[str, str], Handler] = {
    (STANDARD, op): handler
    for op, handler in (
        ("Gather", gather),
        ("Concat", concat),
        ("Cast", cast),
        ("Identity", identity),
        ("Dropout", identity),
        ("Constant", constant),
        ("Pow", power),
        ("Sqrt", square_root),
    )
}
