"""The integers' own step functions, fitted to those of a source.

A step with the values lo to hi is known by its thresholds: T_v is the first sum at which it gives
at least v. In sums that are negated where the step falls, ``clamp(((acc * M + R) >> S) + Z, lo,
hi)`` has exactly these thresholds if, for every v from lo + 1 to hi,

    M * T_v + R      >= (v - Z) * 2**S            (v is reached at T_v)
    M * (T_v - g) + R < (v - Z) * 2**S            (and not one reachable sum, g, earlier)

These are half planes of (M, R). For a given M they leave an interval of R, whose ends are the
maximum of linear functions of M and the minimum of others: its width is concave in M. So Newton's
method, in integers and from M = 0 upwards, finds the smallest M that leaves an R, or a pair of
conditions that no M meets. Doubling M and R at S + 1 keeps the step, so if some S fits, every
larger one does, up to the width of int64; the smallest is taken.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int64
from numpy.typing import NDArray

from ohmbench.digital.importing.crossings import (
    Crossings,
    SourceCrossings,
    segments,
    source_crossings,
)
from ohmbench.digital.importing.reachable import input_values, produced, reachable_sums
from ohmbench.digital.importing.source import Source, SourceLayer
from ohmbench.digital.integer.network import (
    Affine,
    IntegerNetwork,
    Layer,
    Step,
    Thresholds,
    acc_range,
)

S_LARGEST = 40
"""The largest shift that is tried; a level times 2**S stays far below 2**61."""

_LARGEST_PRODUCT = 2**61
_NONE = 2**62


@dataclass(frozen=True, eq=False)
class _Conditions:
    """``M * reached + R >= level << S`` and ``M * missed + R < level << S``, in signed sums.

    ``reached``, ``missed``: int64 (levels, channels), each only where its mask says so; ``level``:
    int64 (levels,); ``largest``: int64 (channels,), the largest M.
    """

    level: Int64[NDArray[np.int64], " levels"]
    reached: Int64[NDArray[np.int64], "levels channels"]
    is_reached: Bool[NDArray[np.bool_], "levels channels"]
    missed: Int64[NDArray[np.int64], "levels channels"]
    is_missed: Bool[NDArray[np.bool_], "levels channels"]
    largest: Int64[NDArray[np.int64], " channels"]

    def of(self, channels: NDArray[np.intp]) -> _Conditions:
        """The conditions of these channels."""
        return _Conditions(
            self.level,
            self.reached[:, channels],
            self.is_reached[:, channels],
            self.missed[:, channels],
            self.is_missed[:, channels],
            self.largest[channels],
        )


def _signed(crossings: Crossings, position: NDArray[np.int64]) -> NDArray[np.int64]:
    """The sums at positions, negated where the step falls, and continued beyond both ends."""
    sums = crossings.sums
    origin = np.where(crossings.rising, sums.low, -sums.high)
    found: NDArray[np.int64] = origin + sums.stride * position
    return found


def _conditions(
    early: Crossings, late: Crossings, lo: int, Z: int, largest: NDArray[np.int64]
) -> _Conditions:
    """A level is reached from ``late`` on and missed before ``early``."""
    return _Conditions(
        np.arange(lo + 1, lo + 1 + len(late.first)) - Z,
        _signed(late, late.first),
        late.first < late.sums.count,
        _signed(early, early.first - 1),
        early.first > 0,
        largest,
    )


def _smallest(
    given: _Conditions, S: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """Per channel the smallest M >= 0 with an R, the middle of its interval, and whether there is
    one.
    """
    level = given.level << np.int64(S)
    M = np.zeros_like(given.largest)
    channels = np.arange(len(M))
    while True:
        least = np.where(given.is_reached, level[:, None] - M * given.reached, -_NONE)
        most = np.where(given.is_missed, level[:, None] - 1 - M * given.missed, _NONE)
        i, j = least.argmax(axis=0), most.argmin(axis=0)
        low, high = least[i, channels], most[j, channels]
        fits = low <= high
        # The two conditions that clash want M * gap >= need, which a larger M can only meet if
        # the gap is positive; M itself is a lower bound of every M that meets all conditions.
        gap = given.reached[i, channels] - given.missed[j, channels]
        need = level[i] - level[j] + 1
        larger = -(-need // np.maximum(gap, 1))
        goes_on = ~fits & (gap > 0) & (larger <= given.largest)
        if not goes_on.any():
            break
        M = np.where(goes_on, larger, M)
    middle = np.where(low == -_NONE, high, np.where(high == _NONE, low, (low + high) // 2))
    return M, middle, fits


def fit_affine(
    early: Crossings,
    late: Crossings,
    lo: int,
    *,
    Z: int = 0,
    largest_sum: Int64[NDArray[np.int64], " channels"] | None = None,
) -> Affine | None:
    """The step ``clamp(((acc * M + R) >> S) + Z, lo, hi)`` that crosses each level, in every
    channel, not before ``early`` and not after ``late``; None if there is none with S <= 40.

    S is the smallest for which all channels have one, then each M the smallest in magnitude, then R
    the middle of its interval. ``largest_sum``: the largest magnitude of the sums (channels,) for
    which ``acc * M + R`` must fit int64; the largest of ``early.sums`` if not given.
    """
    sums = early.sums
    if largest_sum is None:
        largest_sum = np.maximum(np.abs(sums.low), np.abs(sums.high))
    given = _conditions(early, late, lo, Z, _LARGEST_PRODUCT // (largest_sum + 1))
    left: NDArray[np.intp] = np.arange(sums.channels)
    for S in range(S_LARGEST + 1):
        left = left[~_smallest(given.of(left), S)[2]]
        if not len(left):
            M, R, fits = _smallest(given, S)
            if not fits.all():  # M of a channel that fitted at a smaller S has outgrown int64
                return None
            return Affine(np.where(early.rising, M, -M), R, S, Z, lo, lo + len(late.first))
    return None


def _table(crossings: Crossings, lo: int) -> Thresholds:
    sign = np.where(crossings.rising, 1, -1).astype(np.int8)
    return Thresholds(_signed(crossings, crossings.first).T, sign, lo)


def _zero_point(layer: SourceLayer) -> int:
    """The integer that stands for 0, if all channels share one; the step is as exact without."""
    assert layer.lo is not None
    assert layer.hi is not None
    if not layer.meaning.shared:
        return 0
    (scale,), (offset,) = np.unique(layer.meaning.scale), np.unique(layer.meaning.offset)
    zero = round(-float(offset) / float(scale))
    return zero if layer.lo <= zero <= layer.hi else 0


def fit_step(
    layer: SourceLayer,
    found: SourceCrossings,
    largest_sum: Int64[NDArray[np.int64], " channels"] | None = None,
) -> Step:
    """The step of ``layer``, which gives integers: affine if there is one, else a table.

    Where the source's two ends differ, the step goes through the middle between them if that is
    affine; else anywhere between them if that is.
    """
    assert layer.lo is not None
    late = found.late
    middle = Crossings(late.sums, late.rising, (found.early.first + late.first) // 2)
    Z = _zero_point(layer)
    step = fit_affine(middle, middle, layer.lo, Z=Z, largest_sum=largest_sum)
    if step is None:
        step = fit_affine(found.early, late, layer.lo, Z=Z, largest_sum=largest_sum)
    return _table(middle, layer.lo) if step is None else step


def fit_network(source: Source) -> IntegerNetwork:
    """The integer network of ``source``, each layer fitted over the sums that inputs can reach.

    Raises FileError for a step that is not monotone.
    """
    layers = []
    values = input_values(source)
    smallest, largest = source.input.lo, source.input.hi
    for k, layer in enumerate(source.layers):
        step: Step
        if layer.lo is None or layer.hi is None:
            step = Affine.sums(layer.bias)
        else:
            sums = reachable_sums(layer.weight, values)
            found = source_crossings(source, k, sums)
            low, high = acc_range(layer.weight, smallest, largest)
            step = fit_step(layer, found, np.maximum(np.abs(low), np.abs(high)))
            runs = segments(sums, found.early, found.late)
            values = produced(*layer.step.bounds(runs.first))
            smallest, largest = layer.lo, layer.hi
        layers.append(Layer(layer.weight, step, layer.bits, layer.meaning))
    return IntegerNetwork(source.input, tuple(layers))
