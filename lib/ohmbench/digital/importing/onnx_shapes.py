"""Operations of the ONNX standard that only change a tensor's shape, or ask for it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ohmbench.digital.importing.onnx_file import STANDARD, Node
from ohmbench.digital.importing.onnx_graph import Graph, Handler
from ohmbench.digital.importing.onnx_values import Chain, Constant, Grid, Value


def _shaped(
    graph: Graph, node: Node, constant: Constant, change: Callable[[NDArray[Any]], NDArray[Any]]
) -> Constant:
    """A constant in another shape or order, with its integers."""
    try:
        grid = constant.grid
        if grid is not None:
            grid = Grid(change(grid.integers), change(grid.scale), grid.bits)
        return Constant(change(constant.value), grid)
    except (ValueError, IndexError):
        raise graph.refuse(node, f"it does not fit {constant.value.shape}") from None


def moved(graph: Graph, node: Node, chain: Chain, shape: tuple[int, ...]) -> Chain:
    """``chain`` in another shape, in which the batch still comes first."""
    fits = len(shape) >= 2 and shape[0] == 1 and math.prod(shape) == math.prod(chain.shape)
    if not fits:
        raise graph.refuse(node, f"it turns {chain.shape} into {shape}, which mixes the batch")
    if chain.axis is None:
        return replace(chain, shape=shape)
    wide = [k for k, size in enumerate(shape) if size > 1]
    if len(wide) > 1:
        raise graph.refuse(node, f"it splits the channels into {shape}")
    return replace(chain, shape=shape, axis=wide[0] if wide else len(shape) - 1)


def _axes(graph: Graph, node: Node, operands: list[Value | None], rank: int) -> tuple[int, ...]:
    """The axes of Squeeze and Unsqueeze: an attribute before opset 13, an input since."""
    if graph.opset < 13:
        graph.arity(node, operands, 1, 1)
        axes = graph.attribute(node, "axes", None, tuple)
    else:
        graph.arity(node, operands, 1, 2)
        axes = graph.whole(node, operands[1], "axes") if len(operands) > 1 else None
    if axes is None:
        raise graph.refuse(node, "it does not name its axes")
    if not all(isinstance(a, int) and -rank <= a < rank for a in axes):
        raise graph.refuse(node, f"axes {axes} are outside {rank} dimensions")
    found = tuple(sorted(a % rank for a in axes))
    if len(set(found)) < len(found):
        raise graph.refuse(node, "an axis is given twice")
    return found


def _shape_of(value: Value | None) -> tuple[int, ...]:
    return value.value.shape if isinstance(value, Constant) else value.shape if value else ()


def _reshape(graph: Graph, node: Node, value: Value | None, shape: tuple[int, ...]) -> Value:
    if isinstance(value, Constant):
        return _shaped(graph, node, value, lambda array: array.reshape(shape))
    assert value is not None
    return moved(graph, node, value, shape)


def squeeze(graph: Graph, node: Node, operands: list[Value | None]) -> Value:
    """``Squeeze``."""
    graph.arity(node, operands, 1, 2)
    shape = _shape_of(operands[0])
    axes = _axes(graph, node, operands, len(shape))
    if any(shape[a] != 1 for a in axes) or (isinstance(operands[0], Chain) and 0 in axes):
        raise graph.refuse(node, f"axes {axes} of {shape} cannot be removed")
    return _reshape(
        graph, node, operands[0], tuple(d for k, d in enumerate(shape) if k not in axes)
    )


def unsqueeze(graph: Graph, node: Node, operands: list[Value | None]) -> Value:
    """``Unsqueeze``."""
    graph.arity(node, operands, 1, 2)
    shape = _shape_of(operands[0])
    given = graph.attribute(node, "axes", (), tuple)
    if graph.opset >= 13 and len(operands) > 1:
        given = graph.whole(node, operands[1], "axes")
    axes = _axes(graph, node, operands, len(shape) + len(given))
    if isinstance(operands[0], Chain) and 0 in axes:
        raise graph.refuse(node, "it moves the batch")
    left = iter(shape)
    return _reshape(
        graph,
        node,
        operands[0],
        tuple(1 if k in axes else next(left) for k in range(len(shape) + len(axes))),
    )


def flatten(graph: Graph, node: Node, operands: list[Value | None]) -> Value:
    """``Flatten``."""
    graph.arity(node, operands, 1, 1)
    shape = _shape_of(operands[0])
    axis = graph.attribute(node, "axis", 1, int)
    if not -len(shape) <= axis <= len(shape):
        raise graph.refuse(node, f"axis {axis} is outside {len(shape)} dimensions")
    axis += len(shape) if axis < 0 else 0
    if isinstance(operands[0], Chain) and axis == 0:
        raise graph.refuse(node, "it mixes the batch")
    return _reshape(graph, node, operands[0], (math.prod(shape[:axis]), math.prod(shape[axis:])))


def reshape(graph: Graph, node: Node, operands: list[Value | None]) -> Value:
    """``Reshape``; the batch is taken as 1."""
    graph.arity(node, operands, 2, 2)
    if graph.attribute(node, "allowzero", 0, int):
        raise graph.refuse(node, "allowzero cannot be read")
    shape = list(graph.whole(node, operands[1], "shape"))
    old = _shape_of(operands[0])
    declared = graph.file.inputs[0].shape
    if isinstance(operands[0], Chain) and shape and declared and shape[0] == declared[0]:
        shape[0] = 1
    for k, size in enumerate(shape):
        if size == 0 and k < len(old):
            shape[k] = old[k]
    if shape.count(-1) > 1 or any(d < 1 and d != -1 for d in shape):
        raise graph.refuse(node, f"its shape is {shape}")
    if -1 in shape:
        known = math.prod(d for d in shape if d != -1)
        shape[shape.index(-1)] = max(math.prod(old) // known, 1)
    return _reshape(graph, node, operands[0], tuple(shape))


def transpose(graph: Graph, node: Node, operands: list[Value | None]) -> Value:
    """``Transpose``; a tensor that depends on the input keeps the order of its numbers."""
    graph.arity(node, operands, 1, 1)
    shape = _shape_of(operands[0])
    perm = graph.attribute(node, "perm", tuple(range(len(shape)))[::-1], tuple)
    if sorted(perm) != list(range(len(shape))):
        raise graph.refuse(node, f"perm {perm} does not fit {shape}")
    if isinstance(operands[0], Constant):
        return _shaped(graph, node, operands[0], lambda array: array.transpose(perm))
    wide = [a for a in perm if shape[a] > 1]
    if wide != sorted(wide) or perm[0] != 0:
        raise graph.refuse(node, "it reorders a tensor that depends on the input")
    return _reshape(graph, node, operands[0], tuple(shape[a] for a in perm))


def shape_of(graph: Graph, node: Node, operands: list[Value | None]) -> Value:
    """``Shape``, with a batch of 1."""
    graph.arity(node, operands, 1, 1)
    return Constant(np.array(_shape_of(operands[0]), np.int64))


HANDLERS: dict[tuple[str, str], Handler] = {
    (STANDARD, op): handler
    for op, handler in (
        ("Squeeze", squeeze),
        ("Unsqueeze", unsqueeze),
        ("Flatten", flatten),
        ("Reshape", reshape),
        ("Transpose", transpose),
        ("Shape", shape_of),
    )
}
