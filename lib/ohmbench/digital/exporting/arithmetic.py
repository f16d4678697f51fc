"""The exported graph's arithmetic on integers, operation by operation, as ONNX says.

``QuantizeLinear`` divides by the scale, rounds half to even, adds the zero point and saturates.
Each of these operations is correctly rounded and monotone.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Int64
from numpy.typing import NDArray

from ohmbench.digital.exporting.plan import Form, LayerPlan, Line, Tensor


def largest_sums(weight: NDArray[np.int8], reads: Tensor) -> Int64[NDArray[np.int64], " channels"]:
    """The largest magnitude of any partial sum of inputs times weights, in any order.

    In units of the inputs, whose zero points are taken away.
    """
    reach = max(abs(reads.lo - reads.centre), abs(reads.hi - reads.centre))
    largest: NDArray[np.int64] = np.abs(weight.astype(np.int64)).sum(axis=1) * reach
    return largest


def moved_sums(weight: NDArray[np.int8], reads: Tensor) -> Int64[NDArray[np.int64], " channels"]:
    """What taking away the zero points takes from the network's sums."""
    moved: NDArray[np.int64] = reads.centre * weight.astype(np.int64).sum(axis=1)
    return moved


def gemm(layer: LayerPlan, reads: Tensor, acc: NDArray[np.int64]) -> NDArray[Any]:
    """The Gemm's output where the network's sums are ``acc`` (n, channels), if it is exact."""
    centred = (acc - moved_sums(layer.weight, reads)) * reads.unit
    found: NDArray[Any] = (centred + layer.bias).astype(layer.bias.dtype)
    return found


def apply_form(form: Form, x: NDArray[Any]) -> NDArray[Any]:
    """``form`` of ``x`` (n, channels), rounded to its type after each operation."""
    if isinstance(form, Line):
        cast = x.astype(form.multiplier.dtype)
        line: NDArray[Any] = np.add(np.multiply(cast, form.multiplier), form.offset)
        return np.floor(line) if form.floor else line
    signed = np.multiply(x, form.sign)
    counts = np.stack(
        [np.searchsorted(row, signed[:, c], "right") for c, row in enumerate(form.table)], axis=1
    )
    found: NDArray[Any] = np.add(counts.astype(np.float32), np.float32(form.offset))
    return found


def quantise(x: NDArray[Any], scale: float, tensor: Tensor) -> NDArray[np.int64]:
    """The integers ``h`` that ``QuantizeLinear`` and ``Clip`` make of ``x``, cast to float32."""
    with np.errstate(over="ignore"):
        rounded = np.rint(np.divide(x.astype(np.float32), np.float32(scale)))
    info = np.iinfo(tensor.kind)
    q = np.clip(rounded.astype(np.float64) + tensor.zero, info.min, info.max).astype(np.int64)
    if tensor.clips:
        q = np.clip(q, tensor.lo + tensor.shift, tensor.hi + tensor.shift)
    h: NDArray[np.int64] = q - tensor.shift
    return h


def layer_values(layer: LayerPlan, reads: Tensor, acc: NDArray[np.int64]) -> NDArray[Any]:
    """The values of a layer at sums ``acc`` (n, channels): int64, or floats if not quantised."""
    x = apply_form(layer.form, gemm(layer, reads, acc))
    return x if layer.out is None else quantise(x, layer.out.unit, layer.out)
