"""Step functions of integers as straight lines behind a rounding.

A step function that rises from ``lo`` to ``hi`` has thresholds: ``T_k`` is the smallest sum at
which its value is at least k. A line ``a * x + c`` rounded to the nearest integer is that function
if it is below ``k - 1/2`` at ``T_k - 1`` and above it at ``T_k``, for every k that is reached. For
a given slope the intercepts that do this are an interval, whose width is concave in the slope.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64
from numpy.typing import NDArray

from ohmbench.digital.integer.network import Step

_ITERATIONS = 50
"""Each leaves two thirds of the slopes: 2**-29 of them at the end."""


@dataclass(frozen=True, eq=False)
class Rises:
    """The thresholds of a clamped step per channel, over sums from ``low`` to ``high``.

    ``sign`` (channels,) is -1 for channels whose values fall as their sums grow; ``low``, ``high``
    (channels,) and ``table`` (channels, hi - lo) are of ``sign * acc``, which they rise with. A
    threshold is ``low`` if the value is reached everywhere, ``high + 1`` if nowhere. ``first`` and
    ``last`` are the values at ``low`` and ``high``. All int64.
    """

    sign: Int64[NDArray[np.int64], " channels"]
    low: Int64[NDArray[np.int64], " channels"]
    high: Int64[NDArray[np.int64], " channels"]
    table: Int64[NDArray[np.int64], "channels steps"]
    first: Int64[NDArray[np.int64], " channels"]
    last: Int64[NDArray[np.int64], " channels"]

    def deciding(self) -> Int64[NDArray[np.int64], "n channels"]:
        """The sums at which two step functions must agree to agree from ``low`` to ``high``.

        Both ends, and each threshold and its predecessor. Every function that is monotone and has
        this function's values there has them everywhere.
        """
        low, high = self.low[:, None], self.high[:, None]
        inside = (self.table.clip(low, high), (self.table - 1).clip(low, high))
        points: NDArray[np.int64] = np.concatenate((low, high, *inside), axis=1)
        return (points * self.sign[:, None]).T


def rises(step: Step, low: NDArray[np.int64], high: NDArray[np.int64]) -> Rises:
    """The thresholds of ``step`` over sums from ``low`` to ``high`` (channels,), by bisection."""
    assert step.lo is not None
    assert step.hi is not None
    ends = step.apply(np.stack((low, high)))
    sign = np.where(ends[0] > ends[1], -1, 1).astype(np.int64)
    start = np.where(sign > 0, low, -high)
    stop = np.where(sign > 0, high, -low)
    values = np.arange(step.lo + 1, step.hi + 1)
    below = np.repeat(start[:, None], len(values), axis=1)
    above = np.repeat(stop[:, None] + 1, len(values), axis=1)
    while (below < above).any():
        middle = (below + above) >> 1
        # Where the search has ended at stop + 1, the sum asked for is one that can be reached.
        asked = np.minimum(middle, stop[:, None]) * sign[:, None]
        reached = (values <= step.apply(asked.T).T) & (middle <= stop[:, None])
        open_ = below < above
        above = np.where(open_ & reached, middle, above)
        below = np.where(open_ & ~reached, middle + 1, below)
    return Rises(sign, start, stop, below, ends.min(axis=0), ends.max(axis=0))


def intercepts(
    slope: NDArray[np.float64], found: Rises, middles: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The interval of intercepts (channels,) that give ``found`` with ``slope`` (channels,).

    ``middles`` (steps,) are the values halfway between two steps. Empty intervals have a larger
    lower than upper end.
    """
    at = middles - slope[:, None] * found.table
    lower = np.where(found.table <= found.high[:, None], at, -np.inf).max(axis=1)
    upper = np.where(found.table > found.low[:, None], at + slope[:, None], np.inf).min(axis=1)
    return lower, upper


def widest_slope(
    found: Rises, middles: NDArray[np.float64]
) -> Float64[NDArray[np.float64], " channels"]:
    """The slope of each channel whose interval of intercepts is widest, if any has one.

    A channel with one threshold takes any slope; it gets 1. From the first to the last threshold
    that is reached, m steps in n sums, a line has to rise by m within more than n - 1 and less
    than n + 1 sums, so its slope is between m / (n + 1) and m / (n - 1).
    """
    channels, levels = found.table.shape
    first = (found.table <= found.low[:, None]).sum(axis=1)
    last = np.maximum((found.table <= found.high[:, None]).sum(axis=1) - 1, 0)
    steps = np.maximum(last - first, 0).astype(np.float64)
    row = np.arange(channels)
    sums = found.table[row, last] - found.table[row, np.minimum(first, levels - 1)]
    low = np.where(steps > 0, steps / np.maximum(sums + 1, 1), 1.0)
    high = np.where(steps > 0, np.where(sums > 1, steps / np.maximum(sums - 1, 1), levels), 1.0)

    def width(slope: NDArray[np.float64]) -> NDArray[np.float64]:
        lower, upper = intercepts(slope, found, middles)
        return upper - lower

    for _ in range(_ITERATIONS):
        third = (high - low) / 3
        left, right = low + third, high - third
        rising = width(left) < width(right)
        low, high = np.where(rising, left, low), np.where(rising, high, right)
    middle: NDArray[np.float64] = (low + high) / 2
    return middle


def between(
    lower: NDArray[np.float64], upper: NDArray[np.float64]
) -> Float64[NDArray[np.float64], " channels"]:
    """The middle of each interval, 0 where it has no end."""
    finite = np.isfinite(lower) & np.isfinite(upper)
    total = np.where(finite, lower, 0) + np.where(finite, upper, 0)
    middle: NDArray[np.float64] = total / 2
    return middle
