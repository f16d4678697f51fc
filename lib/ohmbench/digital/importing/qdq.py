"""QuantizeLinear, DequantizeLinear and Clip (ONNX standard), as onnxruntime runs them.

``q = saturate(half_even(x / s) + z)`` (``float_steps.Linear``): it rounds before the zero point is
added; ``y = (q - z) s`` in float32. A ``Clip`` between the two narrows the range (QCDQ). Scales and
zero points are per tensor, or per channel along ``axis`` from opset 13 on.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ohmbench.digital.importing.float_steps import Float, Linear
from ohmbench.digital.importing.onnx_file import STANDARD, Node
from ohmbench.digital.importing.onnx_graph import Graph, Handler, check_scale
from ohmbench.digital.importing.onnx_operations import clamped
from ohmbench.digital.importing.onnx_tensors import numpy_type
from ohmbench.digital.importing.onnx_values import Chain, Constant, Grid, Value
from ohmbench.digital.importing.qonnx import most_bits

FORMAT = "QDQ ONNX"
_INT4_TYPES = {21: (0, 15), 22: (-8, 7)}
_OLDEST = 10
_PER_AXIS = 13


@dataclass(frozen=True)
class _Parameters:
    """Scale and zero point of a node, shaped to be broadcast, and the integers' type."""

    scale: Float
    zero: NDArray[np.int64]
    dtype: np.dtype[Any]
    lo: int
    hi: int

    @property
    def nibbles(self) -> bool:
        """Whether its integers have 4 bits."""
        return self.hi - self.lo == 15


def _type(graph: Graph, node: Node, zero: Value | None) -> tuple[np.dtype[Any], int, int]:
    """The type of a node's integers: the zero point's, or ``output_dtype``, or uint8."""
    code = graph.attribute(node, "output_dtype", 0, int) if graph.opset >= 21 else 0
    if isinstance(zero, Constant):
        dtype = zero.value.dtype
        if zero.nibbles:
            return dtype, *((-8, 7) if dtype == np.int8 else (0, 15))
    elif code in _INT4_TYPES:
        low, high = _INT4_TYPES[code]
        return np.dtype(np.int8 if low else np.uint8), low, high
    else:
        found = numpy_type(code) if code else np.dtype(np.uint8)
        if found is None:
            raise graph.refuse(node, f"its output type (number {code}) cannot be read")
        dtype = found
    if dtype.kind not in "iu" or dtype.itemsize > 4:
        raise graph.refuse(node, f"its integers are {dtype}")
    limits = np.iinfo(dtype)
    return dtype, int(limits.min), int(limits.max)


def _parameters(
    graph: Graph, node: Node, operands: list[Value | None], shape: tuple[int, ...]
) -> _Parameters:
    """Check and shape the scale and zero point of a node on a tensor of ``shape``."""
    graph.arity(node, operands, 2, 3)
    if graph.opset < _OLDEST:
        raise graph.refuse(node, f"opset {graph.opset} does not have it")
    if graph.attribute(node, "block_size", 0, int) or graph.attribute(node, "precision", 0, int):
        raise graph.refuse(node, "blocks and a precision of its own cannot be read")
    axis = graph.attribute(node, "axis", 1, int)
    scale = graph.reals(node, operands[1], "scale")
    check_scale(graph, node, scale)
    given = operands[2] if len(operands) > 2 else None
    dtype, lo, hi = _type(graph, node, given)
    zero = np.zeros_like(scale, np.int64)
    if given is not None:
        zero = graph.constant(node, given, "zero point").astype(np.int64)
    if zero.shape != scale.shape and (zero.size > 1 or scale.size > 1):
        raise graph.refuse(node, f"scale {scale.shape} and zero point {zero.shape} do not fit")
    graph.formats.add(FORMAT)
    if scale.size == 1 and scale.ndim < 2:
        return _Parameters(scale.reshape(()), zero.reshape(()), dtype, lo, hi)
    if graph.opset < _PER_AXIS:
        raise graph.refuse(node, f"opset {graph.opset} has no scale per channel")
    if scale.ndim != 1 or not -len(shape) <= axis < len(shape) or shape[axis] != len(scale):
        raise graph.refuse(node, f"scale {scale.shape} on axis {axis} does not fit {shape}")
    axis %= len(shape)
    spread = tuple(-1 if k == axis else 1 for k in range(len(shape)))
    return _Parameters(scale.reshape(spread), zero.reshape(spread), dtype, lo, hi)


def quantize(graph: Graph, node: Node, operands: list[Value | None]) -> Value:
    """``QuantizeLinear``."""
    value = operands[0] if operands else None
    if isinstance(value, Chain):
        chain = graph.chain(node, value)
        found = _parameters(graph, node, operands, chain.shape)
        bits, most = (found.hi - found.lo).bit_length(), most_bits(chain)
        if bits > most:
            raise graph.refuse(
                node, f"its integers have {bits} bits, but should have at most {most}"
            )
        scale = graph.per_channel(node, chain, found.scale, "scale")
        zero = graph.per_channel(node, chain, found.zero, "zero point")
        step = Linear(scale, zero, found.lo, found.hi)
        return replace(chain.then(step), integers=found.dtype)
    x = graph.reals(node, value, "input")
    found = _parameters(graph, node, operands, x.shape)
    q = Linear(found.scale, found.zero, found.lo, found.hi).integers(x)
    return Constant(q.astype(found.dtype), nibbles=found.nibbles)


def dequantize(graph: Graph, node: Node, operands: list[Value | None]) -> Value:
    """``DequantizeLinear``."""
    value = operands[0] if operands else None
    if isinstance(value, Chain):
        quantiser = value.quantiser
        if value.integers is None or not isinstance(quantiser, Linear):
            raise graph.refuse(node, "its input holds no integers")
        found = _parameters(graph, node, operands, value.shape)
        if len(operands) > 2 and found.dtype != value.integers:
            raise graph.refuse(node, f"its zero point is {found.dtype}, not {value.integers}")
        back = (
            graph.per_channel(node, value, found.scale, "scale"),
            graph.per_channel(node, value, found.zero, "zero point"),
        )
        steps = (*value.before, replace(quantiser, back=back), *value.after)
        return replace(value, steps=steps, integers=None)
    x = graph.constant(node, value, "input")
    if x.dtype.kind not in "iu" or x.dtype.itemsize > 4:
        raise graph.refuse(node, f"its input is {x.dtype}")
    found = _parameters(graph, node, operands, x.shape)
    if len(operands) > 2 and found.dtype != x.dtype:
        raise graph.refuse(node, f"its zero point is {found.dtype}, but its input {x.dtype}")
    whole = x.astype(np.int64) - found.zero
    scale = np.broadcast_to(found.scale, whole.shape)
    return Constant(whole.astype(np.float32) * scale, Grid(whole, scale, 0))


def clip(graph: Graph, node: Node, operands: list[Value | None]) -> Value:
    """``Clip``: of integers, between the two, or of reals."""
    if graph.opset < 11:
        graph.arity(node, operands, 1, 1)
        ends = [graph.attribute(node, name, None, float) for name in ("min", "max")]
    else:
        graph.arity(node, operands, 1, 3)
        ends = [
            None if value is None else graph.one(node, value, "bound") for value in operands[1:]
        ]
        ends += [None] * (2 - len(ends))
    low = -np.inf if ends[0] is None else ends[0]
    high = np.inf if ends[1] is None else ends[1]
    if not low <= high:
        raise graph.refuse(node, f"it clips to {low:g} to {high:g}")
    value = operands[0]
    if isinstance(value, Constant):
        array = value.value
        bounds = np.array([low, high])
        if array.dtype.kind in "iu":
            limits = np.iinfo(array.dtype)
            bounds = np.clip(bounds, float(limits.min), float(limits.max))
        return Constant(np.clip(array, *bounds.astype(array.dtype)))
    if isinstance(value, Chain) and value.integers is not None:
        quantiser = value.quantiser
        assert isinstance(quantiser, Linear)
        lo, hi = int(max(low, quantiser.lo)), int(min(high, quantiser.hi))
        if lo >= hi:
            raise graph.refuse(node, "it leaves one value")
        steps = (*value.before, replace(quantiser, lo=lo, hi=hi), *value.after)
        return replace(value, steps=steps)
    return clamped(graph, node, graph.chain(node, value), low, high)


HANDLERS: dict[tuple[str, str], Handler] = {
    (STANDARD, "QuantizeLinear"): quantize,
    (STANDARD, "DequantizeLinear"): dequantize,
    (STANDARD, "Clip"): clip,
}
