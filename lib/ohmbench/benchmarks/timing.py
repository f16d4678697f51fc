"""Two functions timed in turns, so that disturbances on the machine affect both.

Each round times ours, the reference and ours again, so that a drift of the machine's speed affects
both sides. The two times of ours are an A/A pair, and their order alternates from round to round;
the deviation of their ratio from 1 is noise. The result is the median of the ratios of all rounds:
a disturbance of one side in a few rounds does not change it.

Linux reports the CPU time of other processes. The rounds in which they used most are left out, and
their use in the remaining rounds is part of the noise floor.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean, median
from typing import Any

import scipy.stats

from ohmbench.benchmarks.records import Estimate, Speed, this_machine

SHORTEST_S = 0.1
"""Calls of one side are repeated until they take this long: shorter times show the scheduler's
time slices."""

CONFIDENCE = 0.95

SHARE = 4
"""Ours is repeated until it takes at least the reference's time divided by this: a round then takes
at most half as long again, and the shorter side adds no noise of its own."""

QUIET = 0.03
"""Every round counts in which others used at most this part of the cores: the system counts in
hundredths of a second, which in a round of half a second is an error of this size."""

_STAT = Path("/proc/stat")
_BUSY = (0, 1, 2, 5, 6, 7)
"""Columns of a core's counts: user, nice, system, both kinds of interrupts, stolen by other
virtual machines."""

Call = Callable[[], Any]


def others_s() -> float | None:
    """CPU seconds that other processes used on the cores that this process may use; None if the
    system does not report them. The zero is arbitrary: only differences have a meaning."""
    if not hasattr(os, "sched_getaffinity") or not _STAT.is_file():
        return None
    cores = {f"cpu{core}" for core in os.sched_getaffinity(0)}
    counts = [line.split() for line in _STAT.read_text(encoding="ascii").splitlines()]
    busy = sum(int(c[1 + k]) for c in counts if c[0] in cores for k in _BUSY)
    return busy / os.sysconf("SC_CLK_TCK") - time.process_time()


def median_interval(values: Sequence[float]) -> tuple[float, float]:
    """The order statistics that enclose the median of the distribution with 95 % confidence.

    They hold for any distribution (signs are binomial). For fewer than six values no pair reaches
    95 %, and the extremes are returned.
    """
    ordered, n = sorted(values), len(values)
    # k: 2.5 % quantile of Binomial(n, 1/2), at least 1
    k = max(1, int(scipy.stats.binom.ppf((1 - CONFIDENCE) / 2, n, 0.5)))
    return ordered[k - 1], ordered[n - k]


def estimate(logarithms: Sequence[float]) -> Estimate:
    """The median of ratios, from their logarithms, one per round, with its 95 % interval."""
    low, high = median_interval(logarithms)
    return Estimate(value=math.exp(median(logarithms)), low=math.exp(low), high=math.exp(high))


@dataclass(frozen=True)
class Round:
    """Seconds of one call: ours ``a``, the reference ``r``, ours ``b``; ``others`` is the part of
    the cores' time that other processes used (0 if unknown)."""

    a: float
    r: float
    b: float
    others: float = 0.0


def quiet(rounds: Sequence[Round]) -> list[Round]:
    """The half of the rounds in which others used least, and all in which they used next to
    nothing."""
    limit = max(QUIET, median(x.others for x in rounds))
    return [x for x in rounds if x.others <= limit]


@dataclass
class Race:
    """``reference`` and ``ours``, timed in rounds. ``clock`` returns seconds, ``others`` the CPU
    seconds of other processes on ``cores`` cores."""

    reference: Call
    ours: Call
    clock: Callable[[], float] = time.perf_counter
    others: Callable[[], float | None] = others_s
    cores: int = field(default_factory=lambda: this_machine().cores)
    shortest_s: float = SHORTEST_S
    rounds: list[Round] = field(default_factory=list)
    _repeats: dict[str, int] = field(default_factory=dict)

    def warm_up(self) -> tuple[Any, Any, float]:
        """Run each side once and choose its repeats. Returns the results of the reference and of
        ours, and the seconds that a round will take."""
        reference, of_reference = self._first(self.reference)
        ours, of_ours = self._first(self.ours)
        fill_s = max(self.shortest_s, of_reference / SHARE)
        repeats = (math.ceil(self.shortest_s / of_reference), math.ceil(fill_s / of_ours))
        self._repeats = dict(zip("rab", (*repeats, repeats[1]), strict=True))
        return reference, ours, repeats[0] * of_reference + 2 * repeats[1] * of_ours

    def _first(self, call: Call) -> tuple[Any, float]:
        """The result of a call, and the seconds that it takes after everything is compiled."""
        start = self.clock()
        found = call()
        once = self.clock() - start
        if once < 10 * self.shortest_s:
            once = self._time(call, 1)
        return found, max(once, 1e-7)

    def round(self) -> None:
        """Time every side once more; after ``warm_up``."""
        before, start = self.others(), self.clock()
        times = {
            side: self._time(self.reference if side == "r" else self.ours, self._repeats[side])
            for side in ("arb" if len(self.rounds) % 2 == 0 else "bra")
        }
        seconds, after = self.clock() - start, self.others()
        had = 0.0 if before is None or after is None else after - before
        self.rounds.append(Round(**times, others=had / (seconds * self.cores)))

    def speed(self, bound_s: float | None = None) -> Speed:
        """The result of all rounds so far. Raises ValueError before the first."""
        if not self.rounds:
            raise ValueError("no round was run")
        kept = quiet(self.rounds)
        return Speed(
            ratio=estimate([math.log(x.r) - math.log(x.a * x.b) / 2 for x in kept]),
            same=estimate([math.log(x.a / x.b) for x in kept]),
            others=min(1.0, max(0.0, mean(x.others for x in kept))),
            rounds=len(kept),
            reference_s=median(x.r for x in kept),
            ours_s=median(t for x in kept for t in (x.a, x.b)),
            bound_s=bound_s,
        )

    def _time(self, call: Call, repeats: int) -> float:
        start = self.clock()
        for _ in range(repeats):
            call()
        return (self.clock() - start) / repeats
