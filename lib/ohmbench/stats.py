"""Confidence intervals for estimates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.stats


@dataclass(frozen=True)
class Interval:
    """An estimate with its 95 % confidence interval."""

    value: float
    low: float
    high: float

    def __format__(self, spec: str) -> str:
        spec = spec or ".4g"
        return f"{self.value:{spec}} [{self.low:{spec}}, {self.high:{spec}}]"


def proportion_interval(successes: int, trials: int) -> Interval:
    """Wilson score interval of a proportion, 95 %. Raises ValueError unless 0 <= k <= n > 0."""
    if trials < 1 or not 0 <= successes <= trials:
        raise ValueError(f"{successes} of {trials} is not a proportion")
    ci = scipy.stats.binomtest(successes, trials).proportion_ci(0.95, method="wilson")
    return Interval(successes / trials, float(ci.low), float(ci.high))


def mean_interval(values: Sequence[float]) -> Interval:
    """Mean of independent runs with Student's t interval, 95 %. Raises ValueError for fewer than
    two values.
    """
    if len(values) < 2:
        raise ValueError("an interval needs at least two values")
    x = np.asarray(values, dtype=np.float64)
    mean = float(x.mean())
    half = float(scipy.stats.t.ppf(0.975, len(x) - 1) * x.std(ddof=1) / np.sqrt(len(x)))
    return Interval(mean, mean - half, mean + half)
