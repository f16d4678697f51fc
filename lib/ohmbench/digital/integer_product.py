"""Products of small integer matrices by the floating-point units, without an error.

There is no fast integer matrix product on a CPU, but every integer below 2^24 is a float32: while
no sum of magnitudes can reach that, no order of additions rounds anything.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Int8, Int64, UInt8
from numpy.typing import DTypeLike, NDArray

_LARGEST = 255 * 128
"""Of the magnitudes of a uint8 times an int8."""


def exact_type(inputs: int) -> DTypeLike:
    """The smallest type that holds every sum of ``inputs`` products. There is one up to 2^38."""
    return np.float32 if inputs * _LARGEST <= 2**24 else np.float64


def integer_product(
    x: UInt8[NDArray[np.uint8], "n inputs"], w: Int8[NDArray[np.int8], "outputs inputs"]
) -> Int64[NDArray[np.int64], "n outputs"]:
    """``x @ w.T`` (n, out), exact, of ``x`` (n, inputs) and ``w`` (out, inputs)."""
    real = exact_type(x.shape[1])
    product: NDArray[np.int64] = (x.astype(real) @ w.astype(real).T).astype(np.int64)
    return product
