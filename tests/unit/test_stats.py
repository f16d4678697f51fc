"""Intervals against exact probabilities and simulated coverage, not against yesterday's output."""

import math

import numpy as np
import pytest

from ohmbench.stats import Interval, mean_interval, proportion_interval
from tests.unit.interval_checks import (
    accepted_hits,
    assert_counts,
    assert_rate,
    student_probability,
)

LEVEL = 0.95
TRIALS = 2000

# ------------------------------------------------------------------------------------------------
# Proportions


def test_wilson_by_hand():
    k, n, z = 417, 450, 1.959963984540054
    p = k / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    found = proportion_interval(k, n)
    assert found.value == p
    assert (found.low, found.high) == pytest.approx((centre - half, centre + half), rel=1e-12)


@pytest.mark.parametrize("n", [1, 2, 5, 17, 360])
def test_an_end_is_where_the_count_is_just_not_too_improbable(n):
    """The score interval's definition: from its ends, k is z standard deviations away."""
    for k in range(n + 1):
        found = proportion_interval(k, n)
        assert found.value == k / n
        for end, certain in ((found.low, k == 0), (found.high, k == n)):
            if certain:
                assert end == pytest.approx(k / n, abs=1e-12)
                continue
            z = abs(k / n - end) / math.sqrt(end * (1 - end) / n)
            assert math.erf(z / math.sqrt(2)) == pytest.approx(LEVEL, abs=1e-9), (k, n, end)


@pytest.mark.parametrize("n", [10, 50, 450])
def test_wilson_covers_as_often_as_it_says(n):
    """The exact coverage, summed over the binomial distribution, in the mean over all p."""
    p = (np.arange(4000) + 0.5) / 4000
    log_odds, log_rest = np.log(p) - np.log1p(-p), n * np.log1p(-p)
    covered = np.zeros_like(p)
    for k in range(n + 1):
        found = proportion_interval(k, n)
        choices = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
        probability = np.exp(choices + k * log_odds + log_rest)
        covered += np.where((found.low <= p) & (p <= found.high), probability, 0.0)
    assert covered.max() <= 1 + 1e-9
    assert covered.mean() == pytest.approx(LEVEL, abs=0.006)


@pytest.mark.parametrize("k", [0, 10])
def test_extreme_proportions_stay_in_the_unit_interval(k):
    found = proportion_interval(k, 10)
    assert 0 <= found.low < found.high <= 1


@pytest.mark.parametrize(("k", "n"), [(1, 0), (0, 0), (0, -1), (-1, 5), (6, 5)])
def test_impossible_proportions_are_refused(k, n):
    with pytest.raises(ValueError, match="not a proportion"):
        proportion_interval(k, n)


# ------------------------------------------------------------------------------------------------
# Means


@pytest.mark.parametrize("n", [2, 3, 4, 10, 31, 1000, 20_000])
def test_the_t_interval_holds_95_percent_exactly(n):
    """Its half-width over the standard error, in plain floats; its probability by integration."""
    values = np.random.default_rng(n).normal(3.0, 2.0, n).tolist()
    mean = math.fsum(values) / n
    error = math.sqrt(math.fsum((x - mean) ** 2 for x in values) / (n - 1) / n)
    found = mean_interval(values)
    assert found.value == pytest.approx(mean, rel=1e-12)
    for half in (found.high - found.value, found.value - found.low):
        assert student_probability(half / error, n - 1) == pytest.approx(LEVEL, abs=1e-9)


@pytest.mark.parametrize("n", [2, 5])
def test_t_interval_covers_as_often_as_it_says(n):
    samples = np.random.default_rng(n).normal(3.0, 2.0, (TRIALS, n))
    found = [mean_interval(sample) for sample in samples]
    hits = sum(one.low <= 3.0 <= one.high for one in found)
    assert_rate(hits, TRIALS, LEVEL, f"interval of {n} values")
    # As often too high as too low.
    assert_rate(sum(one.high < 3.0 for one in found), TRIALS, (1 - LEVEL) / 2, "too low")
    assert_rate(sum(one.low > 3.0 for one in found), TRIALS, (1 - LEVEL) / 2, "too high")


@pytest.mark.parametrize("values", [[], [1.0]], ids=len)
def test_fewer_than_two_runs_have_no_interval(values):
    with pytest.raises(ValueError, match="at least two"):
        mean_interval(values)


def test_equal_runs_have_an_interval_without_width():
    assert mean_interval([2.5, 2.5, 2.5]) == Interval(2.5, 2.5, 2.5)


def test_an_interval_is_written_value_low_high():
    assert f"{Interval(0.5, 0.25, 0.75):.3f}" == "0.500 [0.250, 0.750]"
    assert f"{Interval(1 / 3, 0.3, 0.4)}" == "0.3333 [0.3, 0.4]"


# ------------------------------------------------------------------------------------------------
# The judges go red


@pytest.mark.parametrize("limit", [0.1, 1.0, 2.0, 12.7])
def test_the_integral_is_students(limit):
    """Closed forms for one and two degrees of freedom; the normal distribution for many."""
    t = limit
    assert student_probability(t, 1) == pytest.approx(2 / math.pi * math.atan(t), abs=1e-12)
    assert student_probability(t, 2) == pytest.approx(t / math.sqrt(2 + t * t), abs=1e-12)
    assert student_probability(t, 10**6) == pytest.approx(math.erf(t / math.sqrt(2)), abs=1e-5)


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(0.90, id="level-90"),
        pytest.param(0.99, id="level-99"),
        pytest.param(student_probability(4.302652729749462, 1), id="freedom-n-of-two-values"),
    ],
)
def test_another_rate_is_caught(other):
    """Its most probable number of hits is outside of the band."""
    hits = round(other * TRIALS)
    assert hits not in accepted_hits(TRIALS, LEVEL)
    with pytest.raises(AssertionError, match="but should be"):
        assert_rate(hits, TRIALS, LEVEL, "planted")


def test_cells_that_are_too_full_are_caught():
    assert_counts([250, 250, 500], [0.25, 0.25, 0.5], "right")
    with pytest.raises(AssertionError, match="in cell 0"):
        assert_counts([350, 150, 500], [0.25, 0.25, 0.5], "planted")


def test_single_precision_loses_nothing_of_a_mean():
    """Values as they come from float32 results: added up as doubles."""
    values = np.array([2.0**24, 1.0, 1.0], np.float32)
    found = mean_interval(values)
    assert found.value == (2**24 + 2) / 3
    assert found == mean_interval(values.tolist())
