"""Real numbers to integers and back, as the paper does it.

Weights are symmetric per tensor (scale max|w| / 127), activations unsigned (scale max / 255),
biases int32 at the scale of the sums. Every division is rounded to the nearest integer, a tie to
the even one.

Source: FANN (digital half).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ohmbench.errors import RangeError

WEIGHT_MAX = 127
ACTIVATION_MAX = 255

IN_SCALE = float(np.float32(1 / 255))
"""Scale of pixels in [0, 1]. A float32 just above 1/255, so that half grey is 127 and not 128:
so the paper's test inputs are."""


def quantize_pixels(features: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Features in [0, 1] (any shape) as uint8 pixels. Raises RangeError outside.

    Example: 0.5 / IN_SCALE = 127.4999987 gives 127.
    """
    x = np.asarray(features, dtype=np.float64)
    if x.size and not (x.min() >= 0 and x.max() <= 1):
        raise RangeError(f"features run from {x.min():g} to {x.max():g}, but should be from 0 to 1")
    return np.rint(x / IN_SCALE).astype(np.uint8)
