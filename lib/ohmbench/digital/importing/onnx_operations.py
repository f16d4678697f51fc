"""Operations of the ONNX standard on tensors that depend on the input."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ohmbench.digital.importing.float_steps import (
    Arithmetic,
    BatchNormalisation,
    Clamp,
    FixedPointInput,
    Narrowed,
    through,
)
from ohmbench.digital.importing.float_sums import FloatSum
from ohmbench.digital.importing.onnx_constants import binary
from ohmbench.digital.importing.onnx_file import STANDARD, Node
from ohmbench.digital.importing.onnx_graph import Graph, Handler
from ohmbench.digital.importing.onnx_values import Chain, Constant, Grid, InputBase, SumBase, Value
from ohmbench.digital.integer.network import MAX_BITS, weight_bits
from ohmbench.digital.network import LARGEST_SIZE

_OPS: dict[str, Literal["add", "subtract", "multiply", "divide"]] = {
    "Add": "add",
    "Sub": "subtract",
    "Mul": "multiply",
    "Div": "divide",
}


def arithmetic(graph: Graph, node: Node, operands: list[Value | None]) -> Value:
    """``Add``, ``Sub``, ``Mul`` and ``Div`` with a constant."""
    graph.arity(node, operands, 2, 2)
    a, b = operands
    if isinstance(a, Chain) and isinstance(b, Chain):
        raise graph.refuse(node, "both its inputs depend on the network's input (a branch)")
    if isinstance(a, Constant) and isinstance(b, Constant):
        if a.value.dtype.kind in "iu" or b.value.dtype.kind in "iu":
            raise graph.refuse(node, "it computes with integers")
        return binary(
            graph, node, graph.reals(node, a, "input"), graph.reals(node, b, "second input")
        )
    op: Any = _OPS[node.op]
    if isinstance(a, Constant):
        if node.op == "Div":
            raise graph.refuse(node, "it divides by a tensor that depends on the input")
        a, b = b, a
        op = "subtracted from" if node.op == "Sub" else op
    chain = graph.chain(node, a)
    c = graph.per_channel(node, chain, graph.reals(node, b, "constant"), "constant")
    if op == "divide" and not c.all():
        raise graph.refuse(node, "it divides by 0")
    return chain.then(Arithmetic(op, c))


def batch_normalisation(graph: Graph, node: Node, operands: list[Value | None]) -> Value:
    """``BatchNormalization`` outside of training."""
    graph.arity(node, operands, 5, 5)
    chain = graph.chain(node, operands[0])
    if graph.attribute(node, "training_mode", 0, int) or not graph.attribute(
        node, "spatial", 1, int
    ):
        raise graph.refuse(node, "training_mode and spatial = 0 cannot be read")
    if sum(bool(name) for name in node.outputs) > 1:
        raise graph.refuse(node, "it has outputs of training")
    shape = (-1, *(1,) * (len(chain.shape) - 2))
    parts = []
    for value, what in zip(operands[1:], ("scale", "bias", "mean", "variance"), strict=True):
        array = graph.reals(node, value, what)
        if array.ndim != 1 or len(array) != chain.shape[1]:
            raise graph.refuse(
                node, f"its {what} has shape {array.shape}, but should be ({chain.shape[1]},)"
            )
        parts.append(graph.per_channel(node, chain, array.reshape(shape), what))
    scale, bias, mean, variance = parts
    eps = graph.attribute(node, "epsilon", 1e-5, float)
    step = BatchNormalisation.of(scale, bias, mean, variance, eps)
    if not (np.isfinite(step.factor).all() and np.isfinite(step.offset).all()):
        raise graph.refuse(node, "a scale or bias of it is not finite")
    return chain.then(step)


def clamped(graph: Graph, node: Node, chain: Chain, low: float, high: float) -> Chain:
    """``min(max(x, low), high)``, on quantised values a narrower range of integers if possible."""
    step = Clamp(np.float32(low), np.float32(high))
    quantiser, cut = chain.quantiser, chain.cut
    if quantiser is None or cut is None:
        return chain.then(step)
    levels = np.arange(quantiser.lo, quantiser.hi + 1)
    values = through(chain.after, quantiser.values(levels[:, None]))
    bent = step.apply(values)
    same = levels[(bent == values).all(axis=1)]
    if len(same) < 2 or len(same) != same[-1] - same[0] + 1:
        return chain.then(step)
    first, last = same[0] - quantiser.lo, same[-1] - quantiser.lo
    if not ((bent[:first] == bent[first]).all() and (bent[last:] == bent[last]).all()):
        return chain.then(step)
    narrowed = Narrowed(quantiser, int(same[0]), int(same[-1]))
    return replace(chain, steps=(*chain.before, narrowed, *chain.after))


def relu(graph: Graph, node: Node, operands: list[Value | None]) -> Value:
    """``Relu``."""
    graph.arity(node, operands, 1, 1)
    return clamped(graph, node, graph.chain(node, operands[0]), 0.0, math.inf)


def matrix_product(graph: Graph, node: Node, operands: list[Value | None]) -> Value:
    """``MatMul`` with constant weights."""
    graph.arity(node, operands, 2, 2)
    return layer_sums(graph, node, operands[0], operands[1])


def gemm(graph: Graph, node: Node, operands: list[Value | None]) -> Value:
    """``Gemm``."""
    graph.arity(node, operands, 2, 3)
    if graph.attribute(node, "transA", 0, int):
        raise graph.refuse(node, "transA cannot be read")
    weight = operands[1]
    if graph.attribute(node, "transB", 0, int) and isinstance(weight, Constant):
        if weight.value.ndim != 2:
            raise graph.refuse(node, "its weights should have two dimensions")
        grid = weight.grid
        if grid is not None:
            grid = Grid(grid.integers.T, grid.scale.T, grid.bits)
        weight = Constant(weight.value.T, grid)
    alpha = float(np.float32(graph.attribute(node, "alpha", 1.0, float)))
    beta = float(np.float32(graph.attribute(node, "beta", 1.0, float)))
    if not (math.isfinite(alpha) and 2.0**-100 < abs(alpha) < 2.0**100 and abs(beta) < 2.0**100):
        raise graph.refuse(node, f"alpha is {alpha:g} and beta {beta:g}")
    bias = operands[2] if len(operands) > 2 else None
    added = None
    if bias is not None and beta:
        added = beta * graph.reals(node, bias, "bias").astype(np.float64)
    return layer_sums(graph, node, operands[0], weight, alpha, added)


def layer_sums(
    graph: Graph,
    node: Node,
    value: Value | None,
    weight: Value | None,
    alpha: float = 1.0,
    added: NDArray[np.float64] | None = None,
    kind: type[FloatSum] = FloatSum,
) -> Chain:
    """The sums of a layer."""
    if not isinstance(weight, Constant):
        raise graph.refuse(node, "its weights are not constant")
    chain = graph.chain(node, value)
    found = weight.value
    if found.dtype != np.float32 or found.ndim != 2 or max(found.shape) > LARGEST_SIZE:
        raise graph.refuse(
            node, f"its weights are {found.dtype} {found.shape}, but should be a float32 matrix"
        )
    inputs, channels = found.shape
    if chain.shape[-1] != inputs or math.prod(chain.shape) != inputs:
        raise graph.refuse(node, f"its weights {found.shape} do not fit {chain.shape}")
    if chain.quantiser is None and isinstance(chain.base, InputBase) and not chain.steps:
        chain = chain.then(fixed_point_input(graph))
    operand = chain.operand()
    if isinstance(operand, str):
        raise graph.refuse(node, operand)
    q, scale, bits = _weights(graph, node, weight)
    if added is not None:
        try:
            added = np.broadcast_to(added, (1, channels)).reshape(channels)
        except ValueError:
            raise graph.refuse(node, f"its bias {added.shape} does not fit") from None
    sums = kind.of(operand, q, scale, np.ascontiguousarray(found.T), alpha, added)
    if sums is None:
        raise graph.refuse(node, "its input's zero point does not stand for exactly 0")
    problem = sums.problem()
    if problem is not None:
        raise graph.refuse(node, problem)
    base = SumBase(node.name or node.outputs[0], chain, q, bits, sums)
    return Chain(base, (), (*chain.shape[:-1], channels), len(chain.shape) - 1, node.outputs[0])


def fixed_point_input(graph: Graph) -> FixedPointInput:
    """The integers that stand for inputs which the file does not quantise."""
    bits, step = graph.input_bits, graph.input_step
    graph.notes.append(
        f"the file does not quantise its inputs: they are read as signed {bits}-bit multiples of "
        f"{step:g}"
    )
    return FixedPointInput(step, -(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def _weights(
    graph: Graph, node: Node, weight: Constant
) -> tuple[NDArray[np.int64], NDArray[np.float64], int]:
    """Integers (channels, inputs), scale (channels,) and declared bits of weights."""
    grid = weight.grid
    if grid is None:
        if not (weight.value == np.rint(weight.value)).all() or np.abs(weight.value).max() > 128:
            raise graph.refuse(node, "its weights are not quantised")
        whole = weight.value.astype(np.int64)
        grid = Grid(whole, np.ones_like(weight.value), 0)
    if not (grid.scale == grid.scale[:1]).all():
        raise graph.refuse(node, "the scale of its weights differs between inputs of a channel")
    q = np.ascontiguousarray(grid.integers.T)
    bits = weight_bits(q)
    if bits > MAX_BITS:
        raise graph.refuse(
            node,
            f"its weights run from {q.min()} to {q.max()} without their zero point, more than "
            f"{MAX_BITS} bits",
        )
    return q, grid.scale[0].astype(np.float64), max(bits, grid.bits if grid.bits <= MAX_BITS else 0)


def winners(graph: Graph, node: Node, operands: list[Value | None]) -> Value:
    """``Softmax``, ``LogSoftmax``, ``ArgMax`` and ``TopK`` at the end: the largest output stays."""
    graph.arity(node, operands, 1, 2 if node.op == "TopK" else 1)
    chain = graph.chain(node, operands[0])
    if chain.axis is None:
        raise graph.refuse(node, "it follows no layer")
    soft = node.op in ("Softmax", "LogSoftmax")
    default = (1 if graph.opset < 13 else -1) if soft else (0 if node.op == "ArgMax" else -1)
    axis = graph.attribute(node, "axis", default, int)
    axis += len(chain.shape) if axis < 0 else 0
    if axis != chain.axis and not (soft and graph.opset < 13 and 0 < axis <= chain.axis):
        raise graph.refuse(node, f"its axis {axis} is not that of the channels")
    if not graph.attribute(node, "largest", 1, int) or graph.attribute(
        node, "select_last_index", 0, int
    ):
        raise graph.refuse(node, "it takes the smallest or the last output")
    kept = "the order of the outputs is the same" if soft else "the outputs before it are kept"
    graph.notes.append(f"{node.label} is left out: {kept}")
    return replace(chain, dropped=node.label)


HANDLERS: dict[tuple[str, str], Handler] = {
    (STANDARD, op): handler
    for op, handler in (
        ("Add", arithmetic),
        ("Sub", arithmetic),
        ("Mul", arithmetic),
        ("Div", arithmetic),
        ("BatchNormalization", batch_normalisation),
        ("Relu", relu),
        ("MatMul", matrix_product),
        ("Gemm", gemm),
        ("Softmax", winners),
        ("LogSoftmax", winners),
        ("ArgMax", winners),
        ("TopK", winners),
    )
}
