"""Two functions timed in turns, so that whatever else the machine does meets both.

Each round times ours, the reference and ours again: a drift of the machine's speed meets both. The
two times of ours are an A/A pair, A before and B after in one round, the other way round in the
next; what their ratio is off 1 is noise. Ratios are taken round by round, and their median is the
result: a disturbance that falls on one side of a few rounds does not move it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median

import scipy.stats

from ohmbench.benchmarks.records import Estimate, Speed

SHORTEST_S = 0.1
"""Calls of one side are repeated until they fill so much: below it a scheduler's slice shows."""

CONFIDENCE = 0.95

Call = Callable[[], object]


def median_interval(values: Sequence[float]) -> tuple[float, float]:
    """The order statistics that enclose the median of the distribution with 95 % confidence.

    Without assumptions on the distribution (signs are binomial); of fewer than six values no pair
    does, and the extremes are given.
    """
    ordered, n = sorted(values), len(values)
    # The smallest k that fewer than k of n values below the median are not too improbable for.
    k = max(1, int(scipy.stats.binom.ppf((1 - CONFIDENCE) / 2, n, 0.5)))
    return ordered[k - 1], ordered[n - k]


def estimate(logarithms: Sequence[float]) -> Estimate:
    """The ratio whose logarithms, round by round, are given: their median."""
    low, high = median_interval(logarithms)
    return Estimate(value=math.exp(median(logarithms)), low=math.exp(low), high=math.exp(high))


@dataclass
class Race:
    """Times of ``reference`` and ``ours``, taken in rounds; ``clock`` in seconds."""

    reference: Call
    ours: Call
    clock: Callable[[], float] = time.perf_counter
    shortest_s: float = SHORTEST_S
    times: dict[str, list[float]] = field(default_factory=dict)
    _repeats: dict[str, int] = field(default_factory=dict)

    _ORDERS = ("ARB", "BRA")

    def warm_up(self) -> float:
        """Run each side once or twice, choose its repeats; seconds that a round will take."""
        seconds = 0.0
        for side, call in (("R", self.reference), ("A", self.ours)):
            once = self._time(call, 1)
            if once < 10 * self.shortest_s:  # the first call may have compiled something
                once = self._time(call, 1)
            self._repeats[side] = max(1, math.ceil(self.shortest_s / max(once, 1e-7)))
            seconds += once * self._repeats[side] * (1 if side == "R" else 2)
        self._repeats["B"] = self._repeats["A"]
        self.times = {"R": [], "A": [], "B": []}
        return seconds

    def round(self) -> None:
        """Time every side once more."""
        for side in self._ORDERS[self.rounds % len(self._ORDERS)]:
            call = self.reference if side == "R" else self.ours
            self.times[side].append(self._time(call, self._repeats[side]))

    @property
    def rounds(self) -> int:
        return min(map(len, self.times.values()))

    def speed(self, bound_s: float | None = None) -> Speed:
        """What all rounds so far say. Raises ValueError before the first."""
        if not self.rounds:
            raise ValueError("no round was run")
        rounds = zip(*(self.times[side] for side in "RAB"), strict=True)
        logs = [tuple(map(math.log, times)) for times in rounds]
        return Speed(
            ratio=estimate([r - (a + b) / 2 for r, a, b in logs]),
            same=estimate([a - b for _, a, b in logs]),
            rounds=self.rounds,
            reference_s=median(self.times["R"]),
            ours_s=median(self.times["A"] + self.times["B"]),
            bound_s=bound_s,
        )

    def _time(self, call: Call, repeats: int) -> float:
        start = self.clock()
        for _ in range(repeats):
            call()
        return (self.clock() - start) / repeats
