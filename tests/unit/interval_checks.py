"""Assertions on intervals and samples with exact bounds: a correct one fails once in a million.

Seeds are fixed, so a correct implementation either always passes or never does.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import scipy.stats

FALSE_ALARM = 1e-6
"""Probability that a correct implementation fails, for one draw of the seed."""


def accepted_hits(trials: int, probability: float, false_alarm: float = FALSE_ALARM) -> range:
    """The numbers of hits to accept for so many trials, by quantiles of the binomial."""
    hits = scipy.stats.binom(trials, probability)
    return range(int(hits.ppf(false_alarm / 2)), int(hits.isf(false_alarm / 2)) + 1)


def assert_rate(hits: int, trials: int, probability: float, what: str) -> None:
    """Assert that ``hits`` is plausible for independent ``trials`` of this ``probability``."""
    accepted = accepted_hits(trials, probability)
    assert hits in accepted, (
        f"{what}: {hits} of {trials} ({hits / trials:.4f}), but should be {accepted[0]} to "
        f"{accepted[-1]} for a probability of {probability:g}"
    )


def assert_counts(counts: Sequence[int], probabilities: Sequence[float], what: str) -> None:
    """Assert that the counts per cell are plausible for independent draws; the cells' probabilities
    add up to 1.

    Each cell's count alone is binomial; the false alarm rate is divided among the cells.
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

    With t = sqrt(freedom) tan(a) the density is proportional to cos(a)^(freedom - 1). The integral
    up to pi / 2 gives the factor, so neither a gamma function nor a table is needed.
    """
    t, w = np.polynomial.legendre.leggauss(64)

    def integral(stop: float) -> float:
        # With many degrees of freedom, almost all of it lies within a few 1 / sqrt(freedom).
        inner = min(stop, 12 / math.sqrt(freedom))
        total = 0.0
        for low, high in ((0.0, inner / 2), (inner / 2, inner), (inner, stop)):
            half = (high - low) / 2
            values = np.cos(low + half * (t + 1)) ** (freedom - 1)
            total += half * float(w @ values)
        return total

    return integral(math.atan(limit / math.sqrt(freedom))) / integral(math.pi / 2)
