"""What judges intervals and samples, by bands that are exact: a right one fails once in a million.

Seeds are fixed, so that a right implementation either always passes or never does.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import scipy.stats

FALSE_ALARM = 1e-6
"""How improbable a failure of something right is, at a seed drawn once."""


def accepted_hits(trials: int, probability: float, false_alarm: float = FALSE_ALARM) -> range:
    """The numbers of hits that so many trials stay within, by quantiles of the binomial."""
    hits = scipy.stats.binom(trials, probability)
    return range(int(hits.ppf(false_alarm / 2)), int(hits.isf(false_alarm / 2)) + 1)


def assert_rate(hits: int, trials: int, probability: float, what: str) -> None:
    """``hits`` of independent ``trials`` that each have this ``probability``."""
    accepted = accepted_hits(trials, probability)
    assert hits in accepted, (
        f"{what}: {hits} of {trials} ({hits / trials:.4f}), but should be {accepted[0]} to "
        f"{accepted[-1]} for a probability of {probability:g}"
    )


def assert_counts(counts: Sequence[int], probabilities: Sequence[float], what: str) -> None:
    """How many of independent draws fell into each of some cells that share all probability.

    Each cell's count alone is binomial; the false alarm is shared out among the cells.
    """
    assert math.isclose(math.fsum(probabilities), 1, abs_tol=1e-9), "the cells are not all there is"
    total = int(sum(counts))
    for cell, (count, p) in enumerate(zip(counts, probabilities, strict=True)):
        accepted = accepted_hits(total, p, FALSE_ALARM / len(counts))
        assert count in accepted, (
            f"{what}: {count} of {total} in cell {cell}, but should be {accepted[0]} to "
            f"{accepted[-1]}"
        )


def student_probability(limit: float, freedom: int) -> float:
    """P(|t| <= ``limit``) for Student's t with ``freedom`` degrees of freedom, by integration.

    With t = sqrt(freedom) tan(a) the density is cos(a)^(freedom - 1) up to a factor, which the
    integral up to pi / 2 gives: no gamma function, no table.
    """
    t, w = np.polynomial.legendre.leggauss(64)

    def integral(stop: float) -> float:
        # Where there are many degrees of freedom, all of it lies within some 1 / sqrt(freedom).
        inner = min(stop, 12 / math.sqrt(freedom))
        total = 0.0
        for low, high in ((0.0, inner / 2), (inner / 2, inner), (inner, stop)):
            half = (high - low) / 2
            values = np.cos(low + half * (t + 1)) ** (freedom - 1)
            total += half * float(w @ values)
        return total

    return integral(math.atan(limit / math.sqrt(freedom))) / integral(math.pi / 2)
