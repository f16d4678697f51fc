"""Intervals against coverage and hand computation, not against yesterday's output."""

import math

import numpy as np
import pytest

from ohmbench.stats import mean_interval, proportion_interval


def test_wilson_by_hand():
    k, n, z = 417, 450, 1.959963984540054
    p = k / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    found = proportion_interval(k, n)
    assert found.value == p
    assert (found.low, found.high) == pytest.approx((centre - half, centre + half), rel=1e-12)


@pytest.mark.parametrize("k", [0, 10])
def test_extreme_proportions_stay_in_the_unit_interval(k):
    found = proportion_interval(k, 10)
    assert 0 <= found.low < found.high <= 1


def test_t_interval_covers_as_often_as_it_says():
    rng = np.random.default_rng(0)
    trials = 2000
    hits = 0
    for sample in rng.normal(3.0, 2.0, (trials, 10)):
        found = mean_interval(sample)
        hits += found.low <= 3.0 <= found.high
    # Binomial: 0.95 +- 4 standard deviations.
    assert abs(hits / trials - 0.95) < 4 * math.sqrt(0.95 * 0.05 / trials)


@pytest.mark.parametrize(("k", "n"), [(1, 0), (-1, 5), (6, 5)])
def test_impossible_proportions_are_refused(k, n):
    with pytest.raises(ValueError, match="no proportion"):
        proportion_interval(k, n)


def test_one_run_has_no_interval():
    with pytest.raises(ValueError, match="at least two"):
        mean_interval([1.0])
