"""The golden model of N layers: exactly what an integer network computes.

    acc = W h                                              exact
    h   = clamp(((acc * M + R) >> S) + Z, lo, hi)          or a table of thresholds
    class = the first index of the largest output; value = that output

There are two implementations that check each other: ``infer`` uses int64 arrays and keeps every
intermediate value; ``infer_plain`` uses Python's unbounded integers, one step at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Int64
from numpy.typing import NDArray

from ohmbench.digital.integer.network import Affine, IntegerNetwork, Layer, Meaning, Step
from ohmbench.errors import DtypeError, RangeError, ShapeError


@dataclass(frozen=True)
class Inference:
    """Every intermediate value from inputs to classes, one row per input.

    Per layer k: ``acc[k]`` and ``h[k]``, int64 (n, channels), and ``product[k]`` (``acc * M + R``),
    None for a table of thresholds. ``classes``, ``values``: int64 (n,).
    """

    acc: tuple[Int64[NDArray[np.int64], "n _"], ...]
    product: tuple[Int64[NDArray[np.int64], "n _"] | None, ...]
    h: tuple[Int64[NDArray[np.int64], "n _"], ...]
    classes: Int64[NDArray[np.int64], " n"]
    values: Int64[NDArray[np.int64], " n"]

    @property
    def outputs(self) -> Int64[NDArray[np.int64], "n channels"]:
        """The last layer's values."""
        return self.h[-1]


def check_inputs(network: IntegerNetwork, x: NDArray[Any]) -> None:
    """Raise DtypeError unless ``x`` holds integers, ShapeError unless it is (n, inputs) with
    n >= 1, RangeError for a value outside the input format.
    """
    if not isinstance(x, np.ndarray) or x.dtype.kind not in "iu":
        found = x.dtype if isinstance(x, np.ndarray) else type(x).__name__
        raise DtypeError(f"inputs are {found}, but should be integers")
    if x.ndim != 2 or x.shape[1] != network.inputs or len(x) == 0:
        raise ShapeError(
            f"inputs have shape {x.shape}, but should be (n, {network.inputs}), n >= 1"
        )
    lo, hi = network.input.lo, network.input.hi
    if int(x.min()) < lo or int(x.max()) > hi:
        raise RangeError(f"inputs run from {x.min()} to {x.max()}, but should be {lo} to {hi}")


def exact_sums(x: NDArray[Any], layer: Layer) -> NDArray[np.int64]:
    """``x @ W.T`` exactly, by floating-point units if no partial sum can round there.

    float64 represents every integer below 2**53, more than 2**16 products of 16 and 8 bits reach.
    """
    product: NDArray[np.float64] = x.astype(np.float64) @ layer.weight.astype(np.float64).T
    return product.astype(np.int64)


def comparable(outputs: NDArray[np.int64], meaning: Meaning | None) -> NDArray[Any]:
    """What decides which of the ``outputs`` (n, channels) is the largest.

    Channels with different meanings are compared by their real values, in float64; otherwise by
    the integers (the smallest wins if their shared scale is negative).
    """
    if meaning is None:
        return outputs
    if meaning.shared:
        return outputs if meaning.scale[0] > 0 else -outputs
    return meaning.real(outputs)


def classes_of(
    outputs: NDArray[np.int64], meaning: Meaning | None
) -> tuple[Int64[NDArray[np.int64], " n"], Int64[NDArray[np.int64], " n"]]:
    """The class of each row of ``outputs`` (n, channels), and its output."""
    # numpy's argmax is documented to return the first index.
    classes = comparable(outputs, meaning).argmax(axis=1)
    return classes, np.take_along_axis(outputs, classes[:, None], axis=1)[:, 0]


def infer(network: IntegerNetwork, x: NDArray[Any]) -> Inference:
    """Run ``x``, integers (n, inputs). Raises DtypeError, ShapeError or RangeError.

    No int64 can wrap: ``IntegerNetwork`` refuses numbers that could reach 2**62.
    """
    check_inputs(network, x)
    sums, products, values = [], [], []
    h: NDArray[np.int64] = x.astype(np.int64)
    for layer in network.layers:
        acc = exact_sums(h, layer)
        step = layer.step
        sums.append(acc)
        products.append(acc * step.M + step.R if isinstance(step, Affine) else None)
        h = step.apply(acc)
        values.append(h)
    classes, winners = classes_of(h, network.layers[-1].meaning)
    return Inference(tuple(sums), tuple(products), tuple(values), classes, winners)


@dataclass(frozen=True)
class PlainInference:
    """The values of one input as Python integers; names as in ``Inference``."""

    acc: list[list[int]]
    h: list[list[int]]
    class_: int
    value: int


def _plain_step(step: Step, c: int, acc: int) -> int:
    """The step of channel ``c`` at the sum ``acc``."""
    if isinstance(step, Affine):
        h: int = (acc * int(step.M[c]) + int(step.R[c])) // 2**step.S + step.Z
        if step.lo is None or step.hi is None:
            return h
        return min(max(h, step.lo), step.hi)
    signed = acc * int(step.sign[c])
    return step.lo + sum(1 for threshold in step.table[c].tolist() if signed >= threshold)


def infer_plain(network: IntegerNetwork, x: Sequence[int] | NDArray[Any]) -> PlainInference:
    """Run one input of ``inputs`` integers, without numpy's arithmetic, in unbounded integers.

    Raises ShapeError or RangeError.
    """
    h = [int(value) for value in x]
    if len(h) != network.inputs:
        raise ShapeError(f"the input has {len(h)} values, but should have {network.inputs}")
    for i, value in enumerate(h):
        if not network.input.lo <= value <= network.input.hi:
            raise RangeError(
                f"input[{i}] is {value}, but should be {network.input.lo} to {network.input.hi}"
            )
    sums, values = [], []
    for layer in network.layers:
        acc = []
        for row in layer.weight.tolist():
            total = 0
            for weight, value in zip(row, h, strict=True):
                total += weight * value
            acc.append(total)
        h = [_plain_step(layer.step, c, total) for c, total in enumerate(acc)]
        sums.append(acc)
        values.append(h)
    meaning = network.layers[-1].meaning
    compared: list[float] = list(h)
    if meaning is not None:
        scale = np.broadcast_to(meaning.scale, len(h)).tolist()
        offset = np.broadcast_to(meaning.offset, len(h)).tolist()
        if not meaning.shared:
            compared = [s * v + o for s, v, o in zip(scale, h, offset, strict=True)]
        elif scale[0] < 0:
            compared = [-v for v in h]
    winner = 0
    for c in range(1, len(h)):
        if compared[c] > compared[winner]:
            winner = c
    return PlainInference(sums, values, winner, h[winner])
