"""Whether the class follows from a last layer's integers.

The class is the first index of the largest output. It follows from the integers if, for every two
channels and every reachable sum of each, the integers and the source agree on which output is
larger, with a tie going to the first. Both are monotone in the sum, so for a given sum of one
channel, the sums of the other that lose are a run at one end; the runs' ends are found by sorting,
and their distance is the number of pairs that differ. Where the last layer requantises, its
integers take the place of the sums: behind the quantiser, float32 may tie what they tell apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Int64
from numpy.typing import NDArray

from ohmbench.digital.importing.ordering import follow
from ohmbench.digital.importing.reachable import Sums, Values
from ohmbench.digital.importing.source import SourceLayer
from ohmbench.digital.importing.verdict import (
    ClassDifference,
    ClassVerdict,
    Difference,
    LayerVerdict,
    grouped,
)
from ohmbench.digital.integer.golden import comparable
from ohmbench.digital.integer.network import Layer

LARGEST_TABLE = 2**22
"""The most sums, of all channels together, that are listed to compare real outputs."""
LARGEST_PAIRING = 2**26
"""The most sums times channels, that is, comparisons of two channels times their sums."""
LEAST_ROWS = 256
"""Two channels take as long to compare as if they had this many sums, if they have fewer."""
ROUNDING = 1e-3
"""More than float32 additions can round off, relative to the largest output."""


def compare_outputs(
    wanted: SourceLayer, k: int, layer: Layer, sums: Sums, first: int
) -> LayerVerdict:
    """Compare the last layer's integers with ``acc + bias``, and the order of the outputs.

    ``first``: how many differences are kept.
    """
    rows = int(sums.count.max())
    none = np.zeros_like(sums.count)
    listed = rows * sums.channels
    compared = max(rows, LEAST_ROWS) * sums.channels**2
    if listed > LARGEST_TABLE or compared > LARGEST_PAIRING:
        classes = follow(wanted, layer, sums, ROUNDING)
        unproven = None
        if classes is None:
            unproven = (
                f"layer {k} has real outputs and {grouped(sums.total)} reachable accumulators, "
                "too many to list"
            )
        return LayerVerdict(
            k, wanted.name, sums.count, none, none, none, classes=classes, unproven=unproven
        )
    index = np.arange(rows)[:, None]
    used = index < sums.count
    acc = sums.at(np.broadcast_to(index, (rows, sums.channels)))
    found = layer.step.apply(acc)
    integers = acc + wanted.bias
    off = np.abs(found - integers) * used
    differences = tuple(
        Difference(c, *(int(one[i, c]) for one in (acc, found, integers, integers)))
        for c, i in np.argwhere(off.T > 0)[:first].tolist()
    )
    outputs = _Outputs(acc, comparable(found, layer.meaning), *wanted.step.bounds(acc), sums.count)
    real = found if layer.meaning is None else layer.meaning.real(found)
    return LayerVerdict(
        k,
        wanted.name,
        sums.count,
        (off > 0).sum(axis=0),
        off.max(axis=0),
        none,
        differences,
        _compare_classes(outputs, real),
    )


def compare_levels(wanted: SourceLayer, k: int, layer: Layer, values: Values) -> ClassVerdict | str:
    """Compare the order of a requantised last layer's ``values`` with that of the file's outputs.

    If the source states no other outputs, they are what its meaning makes of the integers. A text
    says why it is not decided.
    """
    present = values.present.T
    channels = present.shape[1]
    levels = np.broadcast_to(
        np.arange(values.first, values.first + len(present))[:, None], present.shape
    )
    key = comparable(levels, layer.meaning)
    if wanted.outputs is None:
        source = real = comparable(levels, wanted.meaning)
    else:
        source = np.broadcast_to(wanted.outputs(levels), present.shape)
        real = np.broadcast_to((layer.meaning or wanted.meaning).real(levels), present.shape)
    if not np.isfinite(source[present]).all():
        return f"an output of layer {k} is not finite"
    count = present.sum(axis=0)
    if _rise_together(key, source, np.asarray(present.any(axis=1))):
        pairs = (int(count.sum()) ** 2 - int((count**2).sum())) // 2
        return ClassVerdict(
            pairs, 0, 0, None, *_real_error(source[present], source[present], real[present])
        )
    rows = int(count.max())
    if max(rows, LEAST_ROWS) * channels**2 > LARGEST_PAIRING:
        return f"the {channels} outputs of layer {k} share no order, and are too many to pair"
    # The reached levels of each channel come first; its last one fills the rows beyond.
    place = np.argsort(~present, axis=0, kind="stable")
    place = np.take_along_axis(place, np.minimum(np.arange(rows)[:, None], count - 1), axis=0)
    listed = [np.take_along_axis(one, place, axis=0) for one in (levels, key, source, real)]
    outputs = _Outputs(listed[0], listed[1], listed[2], listed[2], count, "integers")
    return _compare_classes(outputs, listed[3])


def _rise_together(key: NDArray[Any], source: NDArray[Any], reached: NDArray[np.bool_]) -> bool:
    """Whether all channels have the same keys and the same outputs, and no pair of reached levels
    ties in one of the two or is ordered otherwise.
    """
    if (key != key[:, :1]).any() or (source != source[:, :1]).any():
        return False
    ours, theirs = (np.sign(np.diff(one[reached, 0].astype(np.float64))) for one in (key, source))
    return bool(ours.all() and (ours == theirs).all() and (ours == ours[:1]).all())


@dataclass(frozen=True, eq=False)
class _Outputs:
    """Of each sum (n, channels): the key that the integers compare, and the source's real output,
    from ``low`` to ``high``. ``count``: int64 (channels,); the last sum fills the rows beyond.
    ``of``: what ``acc`` holds.
    """

    acc: Int64[NDArray[np.int64], "n channels"]
    key: NDArray[Any]
    low: NDArray[Any]
    high: NDArray[Any]
    count: Int64[NDArray[np.int64], " channels"]
    of: str = "accumulators"

    def channel(self, c: int) -> tuple[NDArray[Any], ...]:
        """Sums, keys, low and high ends of one channel, in the order of the keys."""
        n = int(self.count[c])
        columns = tuple(one[:n, c] for one in (self.acc, self.key, self.low, self.high))
        return tuple(one[::-1] for one in columns) if columns[1][0] > columns[1][-1] else columns


def _compare_classes(outputs: _Outputs, real: NDArray[Any]) -> ClassVerdict:
    pairs = differing = undecided = 0
    first: ClassDifference | None = None
    channels = [outputs.channel(c) for c in range(len(outputs.count))]
    for a, this in enumerate(channels):
        for b, other in enumerate(channels[a + 1 :], a + 1):
            differ, open_ = _count(this, other)
            pairs += int(outputs.count[a] * outputs.count[b])
            differing += int(differ.sum())
            undecided += int(open_.sum())
            if first is None and differ.any():
                p = int((differ > 0).argmax())
                first = _example((a, b), tuple(one[p] for one in this), other, outputs.of)
    return ClassVerdict(
        pairs, differing, undecided, first, *_real_error(outputs.low, outputs.high, real)
    )


def _real_error(low: NDArray[Any], high: NDArray[Any], real: NDArray[Any]) -> tuple[float, bool]:
    """How far ``real`` is from the source's outputs, relative to the largest; whether rounding
    explains it.
    """
    outside = np.maximum(low - real, real - high)
    largest = np.maximum(np.abs(low), np.abs(high)).max()
    error = max(float(outside.max()), 0.0)
    relative = error / float(largest) if largest else error
    return relative, relative <= ROUNDING


def _count(
    this: tuple[NDArray[Any], ...], other: tuple[NDArray[Any], ...]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """For each sum of ``this``, the first of two channels: how many sums of ``other`` lose by the
    integers and surely win in the source, or the reverse, and how many the source leaves open.
    """
    _, key, low, high = this
    _, their_key, their_low, their_high = other
    n = len(their_key)
    # Sums of the other channel that lose: by the integers, surely in the source, perhaps there.
    loses = np.searchsorted(their_key, key, side="right")
    surely = np.searchsorted(np.sort(their_high), low, side="right")
    perhaps = np.searchsorted(np.sort(their_low), high, side="right")
    if their_low[0] <= their_low[-1] and their_high[0] <= their_high[-1]:
        differ = np.maximum(surely - loses, 0) + np.maximum(loses - perhaps, 0)
    else:  # the source's outputs fall as the integers rise, so its losers are the last ones
        differ = np.minimum(n - loses, surely) + np.minimum(loses, n - perhaps)
    return differ, perhaps - surely


def _example(
    channels: tuple[int, int], point: tuple[Any, ...], other: tuple[NDArray[Any], ...], of: str
) -> ClassDifference:
    """The first sum of ``other`` that differs for ``point`` of the first channel."""
    acc, key, low, high = point
    theirs, their_key, their_low, their_high = other
    wins = key >= their_key
    differs = np.where(wins, high < their_low, low >= their_high)
    q = int(differs.argmax())
    found, source = channels if wins[q] else channels[::-1]
    return ClassDifference(channels, (int(acc), int(theirs[q])), found, source, of)
