"""Where a monotone step function of a sum crosses its levels, found by bisection.

Positions count along the direction in which a function does not fall: position 0 is the smallest
sum of a rising channel and the largest sum of a falling one. So all channels are bisected at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Bool, Int64
from numpy.typing import NDArray

from ohmbench.digital.importing.reachable import Sums
from ohmbench.digital.importing.source import Source
from ohmbench.errors import FileError

Function: TypeAlias = Callable[[NDArray[np.int64]], NDArray[Any]]
"""Of sums (n, channels), the values (n, channels)."""

EXHAUSTIVE = 1024
"""Up to so many sums per channel, all are evaluated to see that a source's step is monotone."""
SAMPLED = 256
"""How many random sums per channel are evaluated if there are more."""
LARGEST_CROSSINGS = 2**22
"""The most levels times channels, of all layers. The proof takes a few hundred bytes for each."""
BLOCK = 2**18
"""Levels times channels that are bisected at once."""


@dataclass(frozen=True, eq=False)
class Crossings:
    """``first[k, c]``: the first position with a value of at least ``lo + 1 + k``, or the count of
    sums if there is none.

    ``rising``: bool (channels,); ``first``: int64 (hi - lo, channels).
    """

    sums: Sums
    rising: Bool[NDArray[np.bool_], " channels"]
    first: Int64[NDArray[np.int64], "levels channels"]

    def values(
        self, position: Int64[NDArray[np.int64], "n channels"], lo: int
    ) -> Int64[NDArray[np.int64], "n channels"]:
        """The values at these positions."""
        found = np.empty_like(position)
        for c in range(self.sums.channels):
            found[:, c] = lo + np.searchsorted(self.first[:, c], position[:, c], side="right")
        return found

    @property
    def breaks(self) -> Int64[NDArray[np.int64], "levels channels"]:
        """The indices of sums, in their own order, at which the value changes; 0 or the count of
        sums for a level that is never crossed.
        """
        found: NDArray[np.int64] = np.where(self.rising, self.first, self.sums.count - self.first)
        return found


def along(
    sums: Sums, rising: NDArray[np.bool_], position: NDArray[np.int64]
) -> Int64[NDArray[np.int64], "n channels"]:
    """The sums at positions from 0 to the count of sums less 1."""
    return sums.at(np.where(rising, position, sums.count - 1 - position))


def crossings(function: Function, sums: Sums, lo: int, hi: int) -> Crossings:
    """The crossings of a monotone ``function``, by at most log2(count) + 1 evaluations."""
    first, last = function(np.stack([sums.low, sums.high]))
    rising = last >= first
    return Crossings(sums, rising, _bisect(function, sums, rising, lo, hi))


def _bisect(
    function: Function, sums: Sums, rising: NDArray[np.bool_], lo: int, hi: int
) -> NDArray[np.int64]:
    found = np.empty((hi - lo, sums.channels), np.int64)
    rows = max(BLOCK // sums.channels, 1)
    for start in range(0, hi - lo, rows):
        levels = np.arange(lo + 1 + start, min(lo + 1 + start + rows, hi + 1))[:, None]
        found[start : start + rows] = _bisect_levels(function, sums, rising, levels)
    return found


def _bisect_levels(
    function: Function, sums: Sums, rising: NDArray[np.bool_], levels: NDArray[np.int64]
) -> NDArray[np.int64]:
    below = np.full((len(levels), sums.channels), -1, np.int64)  # here the level is not reached
    reached = np.tile(sums.count, (len(levels), 1))  # from here on it is
    while (reached - below > 1).any():
        middle = (below + reached) // 2
        # A crossing that is found at position 0 has its middle at -1, where there is no sum.
        is_reached = function(along(sums, rising, np.maximum(middle, 0))) >= levels
        open_ = reached - below > 1
        reached = np.where(open_ & is_reached, middle, reached)
        below = np.where(open_ & ~is_reached, middle, below)
    return reached


@dataclass(frozen=True, eq=False)
class SourceCrossings:
    """The crossings of both ends of a source's step: ``early`` those of its largest value, ``late``
    those of its smallest. They are the same object if the source is decided everywhere.
    """

    early: Crossings
    late: Crossings


def source_crossings(source: Source, k: int, sums: Sums) -> SourceCrossings:
    """The crossings of layer ``k``, which gives integers, over ``sums``.

    Raises FileError, naming the layer and channel, if the step is not monotone, gives values out of
    its range, or a smallest value above its largest, at any sum that was evaluated: all crossings
    and their neighbours, and all sums or a random selection of them. Raises FileError as well for a
    source with too many levels and channels.
    """
    _check_size(source)
    layer = source.layers[k]
    assert layer.lo is not None
    assert layer.hi is not None
    low, high = layer.step.bounds(np.stack([sums.low, sums.high]))
    rises = (low[1] > low[0]) | (high[1] > high[0])
    falls = (low[1] < low[0]) | (high[1] < high[0])
    _check(source, k, (rises & falls)[None], "does not rise or fall throughout")
    late = Crossings(
        sums,
        ~falls,
        _bisect(lambda acc: layer.step.bounds(acc)[0], sums, ~falls, layer.lo, layer.hi),
    )
    early = late
    levels = np.arange(layer.lo + 1, layer.hi + 1)[:, None]
    before = along(sums, ~falls, np.maximum(late.first - 1, 0))
    if ((late.first > 0) & (layer.step.bounds(before)[1] >= levels)).any():
        early = Crossings(
            sums,
            ~falls,
            _bisect(lambda acc: layer.step.bounds(acc)[1], sums, ~falls, layer.lo, layer.hi),
        )
    found = SourceCrossings(early, late)
    _check_values(source, k, layer.lo, layer.hi, found)
    return found


def _check_size(source: Source) -> None:
    """Raise FileError for a source that would take too much memory and time."""
    size = sum(
        len(layer.weight) * (layer.hi - layer.lo)
        for layer in source.layers
        if layer.lo is not None and layer.hi is not None
    )
    if size > LARGEST_CROSSINGS:
        raise FileError(
            source.path,
            f"its channels have {size} steps of their outputs in all, which is too many to prove",
            remedy=f"use at most {LARGEST_CROSSINGS}: fewer channels, or fewer bits",
        )


def _check(source: Source, k: int, wrong: NDArray[np.bool_], problem: str) -> None:
    """Raise FileError for the first channel with a row (n, channels) that is ``wrong``."""
    if wrong.any():
        channel = int(np.argwhere(wrong)[:, 1].min())
        raise FileError(
            source.path,
            f"the step of layer {k}, channel {channel}, {problem}",
            field=source.layers[k].name,
            remedy="each channel should be a monotone step of its sum",
        )


def _check_values(source: Source, k: int, lo: int, hi: int, found: SourceCrossings) -> None:
    layer, sums, rising = source.layers[k], found.late.sums, found.late.rising
    for wanted in _positions(found):
        positions = np.clip(wanted, 0, sums.count - 1)
        low: NDArray[np.int64]
        high: NDArray[np.int64]
        low, high = layer.step.bounds(along(sums, rising, positions))
        outside = (low > high) | (low < lo) | (high > hi)
        _check(source, k, outside, f"leaves its range {lo} to {hi}")
        # Of a monotone step the crossings say every value.
        other = (low != found.late.values(positions, lo)) | (
            high != found.early.values(positions, lo)
        )
        _check(source, k, other, "does not rise or fall throughout")


def _positions(found: SourceCrossings) -> Iterator[NDArray[np.int64]]:
    """Positions to evaluate, a few hundred rows at a time; some lie one beyond the ends."""
    count = found.late.sums.count
    most = int(count.max())
    if most <= EXHAUSTIVE:
        for start in range(0, most, SAMPLED):
            yield np.arange(start, min(start + SAMPLED, most))[:, None] + np.zeros_like(count)
        return
    yield np.stack([np.zeros_like(count), count - 1])
    for one in {id(one): one for one in (found.early, found.late)}.values():
        yield one.first - 1
        yield one.first
    yield np.random.default_rng(0).integers(0, count, (SAMPLED, len(count)))


@dataclass(frozen=True, eq=False)
class Segments:
    """Runs of sums between breaks, in the order of the sums.

    Some are empty; their ``first`` and ``last`` are a sum of a neighbour.

    ``start``, ``length``: int64 (n, channels), indices of sums.
    """

    sums: Sums
    start: Int64[NDArray[np.int64], "n channels"]
    length: Int64[NDArray[np.int64], "n channels"]

    @property
    def first(self) -> Int64[NDArray[np.int64], "n channels"]:
        """The first sum of each run."""
        return self.sums.at(self.start)

    @property
    def last(self) -> Int64[NDArray[np.int64], "n channels"]:
        """The last sum of each run."""
        return self.sums.at(self.start + np.maximum(self.length - 1, 0))


def segments(sums: Sums, *functions: Crossings) -> Segments:
    """The runs of sums on which none of the functions changes."""
    none = np.zeros((1, sums.channels), np.int64)
    start = np.sort(np.concatenate([none, *(one.breaks for one in functions)]), axis=0)
    end = np.concatenate([start[1:], sums.count[None]])
    return Segments(sums, start, end - start)
