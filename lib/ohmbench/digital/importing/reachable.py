"""The integers that the layers of a source can reach, per channel.

Every set here may be too large, but it is never too small: a proof over it holds for every input.
Within these sets a set of sums is an arithmetic progression, because a sum can only move by
multiples of the greatest common divisor of what its terms can move by (weights and inputs of -1 and
1 give sums of one parity).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int64
from numpy.typing import NDArray

from ohmbench.digital.importing.source import Source
from ohmbench.digital.integer.network import acc_range


@dataclass(frozen=True, eq=False)
class Values:
    """The values that each channel can take: ``first + k`` where ``present[c, k]``.

    ``present``: bool (channels, n), with at least one value in each channel.
    """

    present: Bool[NDArray[np.bool_], "channels n"]
    first: int

    @property
    def low(self) -> Int64[NDArray[np.int64], " channels"]:
        """The smallest value of each channel."""
        found: NDArray[np.int64] = self.first + self.present.argmax(axis=1).astype(np.int64)
        return found

    @property
    def high(self) -> Int64[NDArray[np.int64], " channels"]:
        """The largest value of each channel."""
        n = self.present.shape[1]
        above = self.present[:, ::-1].argmax(axis=1).astype(np.int64)
        found: NDArray[np.int64] = self.first + n - 1 - above
        return found

    @property
    def stride(self) -> Int64[NDArray[np.int64], " channels"]:
        """The greatest common divisor of the differences of a channel's values; 0 for one value."""
        above = np.arange(self.present.shape[1]) + self.first - self.low[:, None]
        found: NDArray[np.int64] = np.gcd.reduce(np.where(self.present, above, 0), axis=1)
        return found


def input_values(source: Source) -> Values:
    """The integers that the inputs can take, as one channel that stands for all of them.

    Real inputs that fall between equal thresholds do not exist, so that integer is never reached.
    """
    present = np.ones(source.input.hi - source.input.lo + 1, bool)
    table = source.input.thresholds
    if table is not None and not source.takes_integers:
        present[0] = table[0] > -np.inf
        present[1:-1] = table[:-1] < table[1:]
    return Values(present[None], source.input.lo)


def produced(
    low: Int64[NDArray[np.int64], "n channels"], high: Int64[NDArray[np.int64], "n channels"]
) -> Values:
    """The values from ``low`` to ``high`` of every row."""
    first = int(low.min())
    changes = np.zeros((low.shape[1], int(high.max()) - first + 2), np.int64)
    channel = np.arange(low.shape[1])
    np.add.at(changes, (channel, low - first), 1)
    np.add.at(changes, (channel, high - first + 1), -1)
    return Values(changes.cumsum(axis=1)[:, :-1] > 0, first)


@dataclass(frozen=True, eq=False)
class Sums:
    """The sums ``low + stride * i`` of each channel, for i from 0 to ``count - 1``.

    Int64 (channels,) each; ``stride`` and ``count`` are at least 1.
    """

    low: Int64[NDArray[np.int64], " channels"]
    stride: Int64[NDArray[np.int64], " channels"]
    count: Int64[NDArray[np.int64], " channels"]

    @property
    def high(self) -> Int64[NDArray[np.int64], " channels"]:
        """The largest sum of each channel."""
        return self.at(self.count - 1)

    @property
    def channels(self) -> int:
        """Number of channels."""
        return len(self.low)

    @property
    def total(self) -> int:
        """Number of sums of all channels together."""
        return int(self.count.sum())

    def at(self, index: Int64[NDArray[np.int64], "*channels"]) -> NDArray[np.int64]:
        """The sums with these indices; an index beyond the last sum gives the last sum."""
        sums: NDArray[np.int64] = self.low + self.stride * np.minimum(index, self.count - 1)
        return sums


def reachable_sums(weight: NDArray[np.int8], values: Values) -> Sums:
    """The sums ``weight @ x`` for all x of these values; both ends are reached."""
    inputs = weight.shape[1]
    low, high = acc_range(
        weight, np.broadcast_to(values.low, inputs), np.broadcast_to(values.high, inputs)
    )
    moves = np.abs(weight.astype(np.int64)) * values.stride
    stride: NDArray[np.int64] = np.maximum(np.gcd.reduce(moves, axis=1), 1)
    return Sums(low, stride, (high - low) // stride + 1)
