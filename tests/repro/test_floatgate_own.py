"""What this project says of the networks it trained itself, on their held-out data."""

from functools import reduce
from operator import add

import pytest

from ohmbench.floatgate import evaluate, load_network, max_power, power_per_image
from ohmbench.stats import Interval, mean_interval
from ohmbench.weights import read_manifest, stored

DIGITS_SEEDS = ("floatgate-digits", *(f"floatgate-digits-seed{k}" for k in range(1, 10)))
CIRCLES_SEEDS = ("floatgate-circles", *(f"floatgate-circles-seed{k}" for k in range(1, 10)))


@pytest.fixture
def digits():
    return load_network(stored("floatgate-digits"))


def evaluated(name):
    data = load_network(stored(name))
    return data, evaluate(data.network, data.v, data.labels)


def check_manifest(correct):
    """The manifest's figures are those of the files, on this machine too."""
    manifest = read_manifest()
    assert correct == {name: manifest[name].metrics["correct"] for name in correct}


def percent(names):
    """Mean accuracy in percent with its interval, and the correct answers by name."""
    values, correct = [], {}
    for seed, name in enumerate(names):
        data, found = evaluated(name)
        assert data.seed == seed, f"{name} was trained from seed {data.seed}"
        values.append(100 * found.accuracy.value)
        correct[name] = found.correct
    ci = mean_interval(values)
    # Student's t knows no 100 %.
    return Interval(ci.value, ci.low, min(ci.high, 100.0)), correct


def test_digits_mean_accuracy(claim):
    ci, correct = percent(DIGITS_SEEDS)
    claim(
        "ohmbench.digits-accuracy-mean",
        ci.value,
        f"seeds 0 to 9, 450 images each, 95 % t interval {ci.low:.2f} to {ci.high:.2f}",
    )
    check_manifest(correct)


def test_digits_accuracy(claim):
    _, found = evaluated("floatgate-digits")
    ci = found.accuracy
    claim(
        "ohmbench.digits-accuracy",
        100 * ci.value,
        f"seed 0, {found.correct}/{found.total}, 95 % {100 * ci.low:.2f} to {100 * ci.high:.2f}",
    )
    check_manifest({"floatgate-digits": found.correct})


def test_digits_currents_are_programmable(claim):
    total = None
    for name in DIGITS_SEEDS:
        found = reduce(add, load_network(stored(name)).network.violations().values())
        total = found if total is None else total + found
    claim(
        "ohmbench.digits-programmable",
        total.unholdable + total.off_level,
        f"of {total.total} currents of all ten seeds",
    )


def test_digits_evaluations_outside_the_fits(claim, digits):
    found = evaluate(digits.network, digits.v, digits.labels)
    cells = sum(c.outside for c in found.ranges if c.fitted.curve == "ekv")
    lines = [c for c in found.ranges if c.fitted.curve.startswith("transistor")]
    outside, seen = sum(c.outside for c in lines), sum(c.seen for c in lines)
    claim(
        "ohmbench.digits-outside-fits",
        100 * outside / seen,
        f"{outside} of {seen} line transistors, all saturated; 0 cells",
    )
    assert cells == 0


def test_digits_power(claim, digits):
    watts = power_per_image(digits.network, digits.v)
    spread = f"{1e3 * float(watts.min()):.3f} to {1e3 * float(watts.max()):.3f}"
    claim(
        "ohmbench.digits-power",
        1e3 * float(watts.mean()),
        f"seed 0, mean over 450 images, {spread}; "
        f"{1e3 * max_power(digits.network):.2f} with programmed currents summed",
    )


def test_circles_accuracy(claim):
    ci, correct = percent(CIRCLES_SEEDS)
    claim(
        "ohmbench.circles-accuracy-mean",
        ci.value,
        f"seeds 0 to 9, 500 points each, 95 % t interval {ci.low:.2f} to {ci.high:.2f}",
    )
    check_manifest(correct)
