"""Real outputs that are one rising function of the integers: then the class follows from them.

Pairs of sums need not be compared where every channel has the same function. It is tabulated over
the integers that any channel reaches, from the source's own arithmetic; the order of outputs is
that of the integers if no integer has two values and the values rise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ohmbench.digital.importing.reachable import Sums
from ohmbench.digital.importing.source import SourceLayer
from ohmbench.digital.importing.verdict import ClassVerdict
from ohmbench.digital.integer.golden import comparable
from ohmbench.digital.integer.network import Layer

LARGEST_SPAN = 2**25
"""The most integers that are tabulated."""
LARGEST_COUNT = 2**27
"""The most sums, of all channels together."""
_ROWS = 2**20
"""Sums at a time, of all channels together."""


def follow(wanted: SourceLayer, layer: Layer, sums: Sums, rounding: float) -> ClassVerdict | None:
    """The verdict on the classes of a last layer with real outputs, if its outputs are one rising
    function of its integers, and these are the sums plus ``bias``.

    None if they are not, or if that is not decided here. ``rounding`` is how far, relative to the
    largest output, the real value of an integer may be from the source's output.
    """
    meaning = layer.meaning
    if meaning is not None and not meaning.shared:
        return None
    ends = layer.step.apply(np.stack((sums.low, sums.at(sums.count - 1))))
    first = int(ends.min())
    rows = int(sums.count.max())
    if int(ends.max()) - first >= LARGEST_SPAN or rows * sums.channels > LARGEST_COUNT:
        return None
    table = _Table(first, np.full(int(ends.max()) - first + 1, np.nan, np.float32))
    largest = error = 0.0
    step = max(_ROWS // sums.channels, 1)
    for start in range(0, rows, step):
        index = np.arange(start, min(start + step, rows))[:, None]
        acc = sums.at(np.broadcast_to(index, (len(index), sums.channels)))
        used = index < sums.count
        integers = layer.step.apply(acc)
        low, high = wanted.step.bounds(acc)
        if ((low != high) | (integers != acc + wanted.bias))[used].any():
            return None
        if not all(table.add(integers[u, c], low[u, c]) for c, u in enumerate(used.T)):
            return None
        real = integers if meaning is None else meaning.real(integers)
        error = max(error, float(np.abs(real - low)[used].max()))
        largest = max(largest, float(np.abs(low)[used].max()))
    falls = comparable(np.array([[0], [1]]), meaning)[1, 0] < 0
    if not table.rises(-1 if falls else 1):
        return None
    counts = [int(count) for count in sums.count]
    pairs = (sum(counts) ** 2 - sum(count**2 for count in counts)) // 2
    relative = error / largest if largest else error
    return ClassVerdict(pairs, 0, 0, None, relative, relative <= rounding)


@dataclass(frozen=True, eq=False)
class _Table:
    """The outputs of integers from ``first`` on, float32; NaN where none was seen."""

    first: int
    values: NDArray[np.float32]

    def add(self, integers: NDArray[np.int64], outputs: NDArray[Any]) -> bool:
        """Enter the ``outputs`` of one channel; whether they agree with all others."""
        place = integers - self.first
        known = self.values[place]
        if not (np.isnan(known) | (known == outputs)).all():
            return False
        self.values[place] = outputs
        return True

    def rises(self, sign: int) -> bool:
        """Whether ``sign`` times the outputs is larger for larger integers."""
        seen = self.values[~np.isnan(self.values)].astype(np.float64) * sign
        return bool((np.diff(seen) > 0).all())
