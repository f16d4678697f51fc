"""Quantisation of real numbers, as in the paper.

Weights are symmetric per tensor (scale max|w| / 127), activations unsigned (scale max / 255),
biases int32 at the scale of the sums. Every division is rounded to the nearest integer, ties to
even.

Source: FANN (digital half).
"""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float, Int8, Int32, UInt8
from numpy.typing import NDArray

from ohmbench.errors import RangeError

WEIGHT_MAX = 127
ACTIVATION_MAX = 255

IN_SCALE = float(np.float32(1 / 255))
"""Scale of pixels in [0, 1], a float32 just above 1/255.

So half grey becomes 127 and not 128, as in the paper's test inputs.
"""


def quantize_pixels(
    features: Float[NDArray[np.float64], "*shape"],
) -> UInt8[NDArray[np.uint8], "*shape"]:
    """Features in [0, 1] (any shape) as uint8 pixels. Raises RangeError outside.

    Example: 0.5 / IN_SCALE = 127.4999987 gives 127.
    """
    x = np.asarray(features, dtype=np.float64)
    if x.size and not (x.min() >= 0 and x.max() <= 1):
        raise RangeError(f"features run from {x.min():g} to {x.max():g}, but should be from 0 to 1")
    return np.rint(x / IN_SCALE).astype(np.uint8)


def weight_scale(weight: Float[NDArray[np.floating], " ..."]) -> float:
    """``max|w| / 127`` of a whole tensor, rounded to float32.

    Raises RangeError if all weights are zero or the scale is not a positive, finite float32.
    """
    largest = float(np.abs(weight).max())
    if largest == 0:
        raise RangeError("weights are all 0, but a scale needs a non-zero weight")
    with np.errstate(over="ignore", under="ignore"):
        scale = float(np.float32(largest / WEIGHT_MAX))
    if not 0 < scale < math.inf:
        raise RangeError(f"weights reach {largest:g}, but 1/127 of it should be a positive float32")
    return scale


def quantize_weight(
    weight: Float[NDArray[np.floating], "*shape"], scale: float | NDArray[np.float64]
) -> Int8[NDArray[np.int8], "*shape"]:
    """``weight / scale`` as int8, from -127 to 127. Raises RangeError if it does not fit.

    ``scale`` is a number or broadcasts with ``weight``.
    """
    q = np.rint(np.asarray(weight, dtype=np.float64) / scale)
    if not np.abs(q).max(initial=0) <= WEIGHT_MAX:  # also refuses NaN
        raise RangeError(f"weight / scale reaches {np.abs(q).max():g}, but should be at most 127")
    return q.astype(np.int8)


def quantize_bias(
    bias: Float[NDArray[np.floating], "*shape"], scale: float | NDArray[np.float64]
) -> Int32[NDArray[np.int32], "*shape"]:
    """``bias / scale`` as int32. Raises RangeError if it does not fit.

    ``scale`` is a number or broadcasts with ``bias``.
    """
    q = np.rint(np.asarray(bias, dtype=np.float64) / scale)
    info = np.iinfo(np.int32)
    if q.size and not (q.min() >= info.min and q.max() <= info.max):
        raise RangeError(f"bias / scale runs from {q.min():g} to {q.max():g}, but should fit int32")
    return q.astype(np.int32)
