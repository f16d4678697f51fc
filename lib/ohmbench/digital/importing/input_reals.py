"""Real inputs for a source: those that its quantiser maps to chosen integers, and random ones."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float32, Int64
from numpy.typing import NDArray

from ohmbench.digital.importing.reachable import Values
from ohmbench.digital.integer.network import InputFormat

_BEYOND = 0.1
"""Random reals reach this part of the range beyond both ends."""


class InputReals:
    """The reals of each integer of ``input``: in its middle and at both of its ends.

    ``whole``: the smallest and largest input, if the runtime takes whole numbers only. ``values``:
    the integers that some real is mapped to, as one channel.
    """

    def __init__(self, input_: InputFormat, whole: tuple[float, float] | None = None) -> None:
        self.input = input_
        self.whole = whole
        q = np.arange(input_.lo, input_.hi + 1)
        middle = input_.real(q).astype(np.float32)
        candidates = [middle]
        if input_.thresholds is not None:
            table = input_.thresholds
            first = np.nextafter(table[:1], -np.inf, dtype=np.float32)
            last = np.nextafter(table, np.float32(-np.inf), dtype=np.float32)
            candidates += [np.append(first, table), np.append(last, table[-1:])]
        self._reals = np.stack([self._allowed(one) for one in candidates])
        finite = np.where(np.isfinite(self._reals), self._reals, np.float32(0))
        self._good = (input_.quantise(finite) == q) & np.isfinite(self._reals)
        self.values = Values(self._good.any(axis=0)[None], input_.lo)

    def _allowed(self, real: NDArray[np.float32]) -> NDArray[np.float32]:
        if self.whole is None:
            return real
        found: NDArray[np.float32] = np.clip(np.ceil(real), *self.whole).astype(np.float32)
        return found

    def of(
        self, q: Int64[NDArray[np.int64], "n inputs"], rng: np.random.Generator
    ) -> Float32[NDArray[np.float32], "n inputs"]:
        """For each integer one of its reals. Every integer must be among ``values``."""
        index = q - self.input.lo
        good: Bool[NDArray[np.bool_], " levels"] = self._good
        found: NDArray[np.float32] = self._reals[good.argmax(axis=0)[index], index]
        for row in range(len(self._reals)):
            taken = good[row][index] & (rng.random(q.shape) < 1 / len(self._reals))
            found = np.where(taken, self._reals[row][index], found)
        return found

    def random(
        self, n: int, inputs: int, rng: np.random.Generator
    ) -> Float32[NDArray[np.float32], "n inputs"]:
        """Reals (n, inputs): half uniform over a little more than the range, half at thresholds or
        the next number below or above one. Only for an input with thresholds.
        """
        assert self.input.thresholds is not None
        table = self.input.thresholds[np.isfinite(self.input.thresholds)]
        ends = self._reals[self._good]
        low, high = float(ends.min()), float(ends.max())
        margin = _BEYOND * (high - low)
        uniform = rng.uniform(low - margin, high + margin, (n, inputs)).astype(np.float32)
        at = rng.choice(table, (n, inputs))
        side = rng.integers(-1, 2, (n, inputs))
        if self.whole is None:
            towards = np.copysign(np.float32(np.inf), side.astype(np.float32))
            beside = np.where(side, np.nextafter(at, towards), at)
        else:
            uniform, beside = np.rint(uniform), np.floor(at) + side
            uniform, beside = (np.clip(x, *self.whole) for x in (uniform, beside))
        found: NDArray[np.float32] = np.where(
            rng.random((n, inputs)) < 0.5, uniform, beside
        ).astype(np.float32)
        return found
