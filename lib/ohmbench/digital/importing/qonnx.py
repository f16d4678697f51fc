"""The operations of QONNX (Pappalardo et al., arXiv 2206.07527), as the package qonnx runs them.

``Quant``: ``q = round(clamp(x / s + z, lo, hi))``, ``y = (q - z) s``: it clamps first and rounds
then. All of it happens in the type that numpy finds for x, s and z together: float32, or float64 if
the zero point is an integer of more than 16 bits. One signed bit is bipolar.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from ohmbench.digital.importing.float_steps import Float, Line, Quantiser
from ohmbench.digital.importing.onnx_file import QONNX_DOMAINS, Node
from ohmbench.digital.importing.onnx_graph import Graph, Handler, check_scale
from ohmbench.digital.importing.onnx_values import Chain, Constant, Grid, InputBase, Value
from ohmbench.digital.integer.network import MAX_BITS, MAX_INPUT_BITS

ROUNDINGS: dict[str, Callable[[NDArray[Any]], NDArray[Any]]] = {
    "ROUND": np.rint,
    "HALF_EVEN": np.rint,
    "CEIL": np.ceil,
    "FLOOR": np.floor,
    "UP": lambda x: np.copysign(np.ceil(np.abs(x)), x),
    "DOWN": np.trunc,
    "HALF_UP": lambda x: np.copysign(np.floor(np.abs(x) + x.dtype.type(0.5)), x),
    "HALF_DOWN": lambda x: np.copysign(np.ceil(np.abs(x) - x.dtype.type(0.5)), x),
}


def integer_range(bits: int, signed: bool, narrow: bool) -> tuple[int, int]:
    """The smallest and largest integer of ``bits`` bits."""
    if signed:
        return (-1, 1) if bits == 1 else (-(2 ** (bits - 1)) + narrow, 2 ** (bits - 1) - 1)
    return 0, 2**bits - 1 - narrow


@dataclass(frozen=True, eq=False)
class Quant(Quantiser):
    """``Quant`` with scale and zero point per channel, or (1,), in their own numpy types."""

    scale: NDArray[Any]
    zero: NDArray[Any]
    lo: int
    hi: int
    rounding: str = "ROUND"
    bipolar: bool = False

    @override
    def integers(self, x: Float) -> NDArray[np.int64]:
        y = x / self.scale + self.zero
        if self.bipolar:
            return np.where(y >= 0, 1, -1)
        y = np.clip(y, y.dtype.type(self.lo), y.dtype.type(self.hi))
        found: NDArray[np.int64] = ROUNDINGS[self.rounding](y).astype(np.int64)
        return found

    @override
    def values(self, h: NDArray[np.int64]) -> Float:
        kind = np.result_type(np.float32, self.scale, self.zero)
        found: Float = ((h.astype(kind) - self.zero) * self.scale).astype(np.float32)
        return found

    @override
    def meaning(self) -> Line:
        scale, zero = self.scale.astype(np.float64), self.zero.astype(np.float64)
        return scale, -scale * zero


@dataclass(frozen=True, eq=False)
class MultiThreshold(Quantiser):
    """``scale * (number of thresholds <= x) + bias``; the integers are ``each * count + lo``.

    ``table``: float32 (channels or 1, steps), ascending.
    """

    table: Float
    scale: np.float32
    bias: np.float32
    each: int
    lo: int
    hi: int

    @classmethod
    def of(cls, table: Float, scale: float, bias: float) -> MultiThreshold:
        """The integers are the values in units of the scale, or of half of it, where that works."""
        steps = table.shape[1]
        each, lo = 1, 0
        for factor in (1, 2):
            first = factor * bias / scale
            if first == round(first) and abs(first) + factor * steps <= 255:
                each, lo = factor, round(first)
                break
        ordered = np.sort(table, axis=1)
        return cls(ordered, np.float32(scale), np.float32(bias), each, lo, lo + each * steps)

    @override
    def integers(self, x: Float) -> NDArray[np.int64]:
        count = np.empty(x.shape, np.int64)
        for c in range(x.shape[1]):
            row = self.table[c if len(self.table) > 1 else 0]
            count[:, c] = np.searchsorted(row, x[:, c], side="right")
        return self.each * count + self.lo

    @override
    def values(self, h: NDArray[np.int64]) -> Float:
        count = ((h - self.lo) / self.each).astype(np.float32)
        found: Float = self.scale * count + self.bias
        return found

    @override
    def meaning(self) -> Line:
        unit = float(self.scale) / self.each
        return np.array([unit]), np.array([float(self.bias) - unit * self.lo])


def most_bits(value: Value | None) -> int:
    """The widest integers that are read here: inputs may be wider than values between layers, and
    biases often are declared with 32 bits.
    """
    if isinstance(value, Chain):
        return MAX_INPUT_BITS if isinstance(value.base, InputBase) else MAX_BITS
    return 32


def quantised(
    graph: Graph, node: Node, value: Value | None, quantiser: Quant, bits: int, shapes: Any
) -> Value:
    """``value`` through a quantiser: a further step of a chain, or a constant with its integers."""
    if isinstance(value, Chain):
        chain = graph.chain(node, value)
        scale = graph.per_channel(node, chain, shapes[0], "scale")
        zero = graph.per_channel(node, chain, shapes[1], "zero point")
        return chain.then(_replaced(quantiser, scale, zero))
    x = graph.reals(node, value, "input")
    try:
        wide = [np.broadcast_to(array, x.shape) for array in shapes]
    except ValueError:
        raise graph.refuse(node, "its scale or zero point does not fit its input") from None
    whole = _replaced(quantiser, *wide)
    q = whole.integers(x)
    if np.abs(q).max() > 2**24:  # from there on float32 holds no longer every integer
        raise graph.refuse(node, "a constant has an integer of more than 24 bits")
    return Constant(whole.values(q), Grid(q - wide[1].astype(np.int64), wide[0], bits))


def _replaced(quantiser: Quant, scale: NDArray[Any], zero: NDArray[Any]) -> Quant:
    return Quant(scale, zero, quantiser.lo, quantiser.hi, quantiser.rounding, quantiser.bipolar)


def _scale(graph: Graph, node: Node, value: Value | None) -> NDArray[Any]:
    scale = graph.reals(node, value, "scale")
    check_scale(graph, node, scale)
    return scale


def quant(graph: Graph, node: Node, operands: list[Value | None]) -> Value:
    """``Quant`` and ``IntQuant``."""
    graph.arity(node, operands, 4, 4)
    scale = _scale(graph, node, operands[1])
    zero = graph.constant(node, operands[2], "zero point")
    if zero.dtype.kind not in "fiu" or not (zero == np.rint(zero)).all():
        raise graph.refuse(node, "its zero point should be an integer")
    if np.abs(zero.astype(np.float64)).max() > 2**MAX_INPUT_BITS:
        raise graph.refuse(node, "its zero point is outside 16 bits")
    bits = graph.one(node, operands[3], "bit width")
    most = most_bits(operands[0])
    if not (1 <= bits <= most and bits == round(bits)):
        raise graph.refuse(node, f"its bit width is {bits:g}, but should be 1 to {most}")
    for name in ("signed", "narrow"):  # the documents' default of narrow is 0, the code's is 1
        if graph.attribute(node, name, None, int) is None:
            raise graph.refuse(node, f"it does not say whether it is {name}")
    signed = graph.attribute(node, "signed", None, int)
    narrow = graph.attribute(node, "narrow", None, int)
    rounding = graph.attribute(node, "rounding_mode", "ROUND", str).upper()
    if signed not in (0, 1) or narrow not in (0, 1):
        raise graph.refuse(node, "signed and narrow should be 0 or 1")
    if rounding not in ROUNDINGS:
        raise graph.refuse(node, f"its rounding mode is {rounding}, which is unknown")
    lo, hi = integer_range(int(bits), bool(signed), bool(narrow))
    if lo == hi:
        raise graph.refuse(node, "its range holds one value")
    graph.formats.add("QONNX")
    one = np.ones(1, np.float32)
    quantiser = Quant(one, one, lo, hi, rounding, bits == 1 and signed == 1)
    return quantised(graph, node, operands[0], quantiser, int(bits) if signed else 0, (scale, zero))


def bipolar(graph: Graph, node: Node, operands: list[Value | None]) -> Value:
    """``BipolarQuant``: the sign of x, where 0 counts as positive, times the scale."""
    graph.arity(node, operands, 2, 2)
    scale = _scale(graph, node, operands[1])
    graph.formats.add("QONNX")
    zero = np.zeros((1,) * scale.ndim, np.float32)
    quantiser = Quant(scale, zero, -1, 1, bipolar=True)
    return quantised(graph, node, operands[0], quantiser, 1, (scale, zero))


_LAYOUTS = {2: "NC", 3: "NWC", 4: "NCHW"}


def multi_threshold(graph: Graph, node: Node, operands: list[Value | None]) -> Value:
    """``MultiThreshold``, per channel or shared."""
    graph.arity(node, operands, 2, 2)
    chain = graph.chain(node, operands[0])
    table = graph.reals(node, operands[1], "thresholds")
    limit = 2 ** most_bits(chain) - 1
    if table.ndim != 2 or not 1 <= table.shape[1] <= limit:
        raise graph.refuse(node, f"its thresholds have shape {table.shape}, at most (C, {limit})")
    scale = graph.attribute(node, "out_scale", 1.0, float)
    bias = graph.attribute(node, "out_bias", 0.0, float)
    if not (np.isfinite(bias) and np.isfinite(scale) and abs(scale) >= 2.0**-100):
        raise graph.refuse(node, f"its scale is {scale:g} and its bias {bias:g}")
    layout = graph.attribute(node, "data_layout", "", str) or _LAYOUTS.get(len(chain.shape), "")
    axis = layout.index("C") if "C" in layout else 1
    rows = table
    if len(table) > 1:
        if len(chain.shape) <= axis or chain.shape[axis] != len(table):
            raise graph.refuse(node, f"{len(table)} rows of thresholds do not fit {chain.shape}")
        if axis != chain.axis and not (table == table[0]).all():
            raise graph.refuse(node, "its thresholds differ between inputs of the network")
        rows = table if axis == chain.axis else table[:1]
    graph.formats.add("QONNX")
    return chain.then(MultiThreshold.of(rows, scale, bias))


HANDLERS: dict[tuple[str, str], Handler] = {
    (domain, op): handler
    for domain in QONNX_DOMAINS
    for op, handler in (
        ("Quant", quant),
        ("IntQuant", quant),
        ("BipolarQuant", bipolar),
        ("MultiThreshold", multi_threshold),
    )
}
