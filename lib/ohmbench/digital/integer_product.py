"""Exact products of small integer matrices, computed by floating-point units.

CPUs have no fast integer matrix product, but float32 represents every integer below 2^24. If the
sum of magnitudes stays below that, no addition rounds, in any order.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Int8, Int64, UInt8
from numpy.typing import DTypeLike, NDArray

_LARGEST = 255 * 128
"""The largest magnitude of a uint8 times an int8."""


def exact_type(inputs: int) -> DTypeLike:
    """The smallest float type that is exact for sums of ``inputs`` products (up to 2^38)."""
    return np.float32 if inputs * _LARGEST <= 2**24 else np.float64


def integer_product(
    x: UInt8[NDArray[np.uint8], "n inputs"], w: Int8[NDArray[np.int8], "outputs inputs"]
) -> Int64[NDArray[np.int64], "n outputs"]:
    """The exact product ``x @ w.T`` (n, out) of ``x`` (n, inputs) and ``w`` (out, inputs)."""
    real = exact_type(x.shape[1])
    product: NDArray[np.int64] = (x.astype(real) @ w.astype(real).T).astype(np.int64)
    return product
