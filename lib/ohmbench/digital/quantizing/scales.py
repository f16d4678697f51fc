"""From real weights and ranges to the integers of one layer: the formulas.

With ``s_in`` the scale of a layer's inputs, ``s_w`` (per channel c) of its weights and ``s_out`` of
its outputs, all rounded to float32 and used as float64:

    s_w[c] = max|w[c]| / (2**(weight_bits - 1) - 1)     per channel, or of the whole tensor
    q      = round(w / s_w)                             nearest, ties to even
    b_q[c] = round(b[c] / (s_in * s_w[c]))              nearest, ties to even
    M[c]   = round(2**S * s_in * s_w[c] / s_out)        nearest, ties to even
    R[c]   = b_q[c] * M[c] + 2**(S - 1)
    h[c]   = clamp((acc[c] * M[c] + R[c]) >> S, 0, 2**activation_bits - 1)

The ``2**(S - 1)`` (0 if S is 0) makes the shift round to nearest, ties up. ``S`` is the smallest
with which every channel's ``M`` has at least 15 significant bits, so that it is within 2**-15 of
its ratio. The last layer is quantised per tensor and not requantised: its logits are ``acc + b_q``
in units of ``s_in * s_w``, so that they compare as integers.
"""

from __future__ import annotations

import math
from typing import Literal, TypeAlias

import numpy as np
from jaxtyping import Float64, Int64
from numpy.typing import NDArray

from ohmbench.digital.integer.network import (
    MAX_BITS,
    S_MAX,
    Affine,
    Layer,
    Meaning,
    weight_range,
)
from ohmbench.digital.quantization import quantize_bias, quantize_weight
from ohmbench.errors import RangeError

Per: TypeAlias = Literal["tensor", "channel"]

M_BITS = 15
"""Significant bits that each ``M`` has at least."""
SMALLEST_CHANNEL = 2.0**-12
"""Smallest scale of a channel, relative to the layer's largest. Outputs of a channel whose weights
are smaller than that vanish in 8 bits, and its ``M`` would need more bits than the others'."""
_TINY = float(np.finfo(np.float32).tiny)


def check_bits(weight_bits: int, activation_bits: int) -> None:
    """Raise RangeError unless weights have 2 to 8 bits and activations 1 to 8."""
    for what, bits, least in (("weight", weight_bits, 2), ("activation", activation_bits, 1)):
        if not least <= bits <= MAX_BITS:
            raise RangeError(f"{what}_bits is {bits}, but should be from {least} to {MAX_BITS}")


def as_scale(value: float, what: str) -> float:
    """``value`` rounded to float32. Raises RangeError unless it is a positive, normal float32."""
    with np.errstate(over="ignore", under="ignore"):
        scale = float(np.float32(value))
    if not _TINY <= scale < math.inf:
        raise RangeError(f"{what} is {value:g}, but should be a positive float32")
    return scale


def weight_scales(
    weight: Float64[NDArray[np.float64], "channels inputs"], bits: int, per: Per
) -> Float64[NDArray[np.float64], " channels"]:
    """The scale of each channel's weights; all are the same if ``per`` is "tensor".

    Raises RangeError if all weights are 0 or a scale is not a positive float32.
    """
    largest = np.abs(weight).max(axis=1)
    top = float(largest.max())
    if top == 0:
        raise RangeError("weights are all 0, but a scale needs a non-zero weight")
    if per == "tensor":
        largest = np.full_like(largest, top)
    largest = np.maximum(largest, top * SMALLEST_CHANNEL)
    steps = weight_range(bits)[1]
    return np.array([as_scale(value / steps, "a weight's scale") for value in largest.tolist()])


def multipliers(
    ratio: Float64[NDArray[np.float64], " channels"],
) -> tuple[Int64[NDArray[np.int64], " channels"], int]:
    """``M`` (channels,) and ``S`` with ``M / 2**S`` within 2**-15 of each positive ``ratio``.

    Raises RangeError if ``S`` would exceed 62.
    """
    _, exponent = math.frexp(float(ratio.min()))
    S = max(0, M_BITS - exponent)
    if S > S_MAX:
        raise RangeError(
            f"outputs are {1 / float(ratio.min()):.3g} times as coarse as sums; at most 2^47 is "
            "possible"
        )
    return np.rint(np.ldexp(ratio, S)).astype(np.int64), S


def half(S: int) -> int:
    """What makes a shift by ``S`` round to nearest, ties up."""
    return 1 << S >> 1


def integer_layer(
    weight: Float64[NDArray[np.float64], "channels inputs"],
    bias: Float64[NDArray[np.float64], " channels"],
    in_scale: float,
    out_scale: float | None,
    *,
    weight_bits: int,
    activation_bits: int,
    per: Per,
) -> Layer:
    """One layer in integers; ``out_scale`` of None makes it the last one. Formulas: see the module.

    Raises RangeError for weights, biases or scales that do not fit.
    """
    scales = weight_scales(weight, weight_bits, "tensor" if out_scale is None else per)
    q = quantize_weight(weight, scales[:, None])
    b = quantize_bias(bias, in_scale * scales).astype(np.int64)
    if out_scale is None:
        unit = Meaning.of(in_scale * float(scales[0]))
        return Layer(q, Affine.sums(b), weight_bits, unit)
    M, S = multipliers(in_scale * scales / out_scale)
    step = Affine(M, b * M + half(S), S, 0, 0, 2**activation_bits - 1)
    return Layer(q, step, weight_bits, Meaning.of(out_scale))
