"""The published accelerator's faults, each on the smallest input that shows it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ohmbench.digital import infer
from ohmbench.digital.published import (
    PUBLISHED_REFERENCE,
    PUBLISHED_RTL,
    Faults,
    infer_published,
    wrap,
)
from ohmbench.errors import DtypeError, ShapeError
from tests.unit.asserts import assert_same_integers
from tests.unit.golden_checks import CHECKS, EXAMPLES
from tests.unit.int8_networks import INT32, int8_networks, random_int8, zeros

NO_FAULT = Faults(product_bits=63, sum_bits=63, drops_last_hidden=False, stale_last_value=False)
# What the published RTL gives for the worked examples that are its faults.
GIVES = {
    "B1-last-hidden-counts": 0,
    "B2-product-past-31-bits": 0,
    "B3-value-of-the-last-class": 0,
    "B4-sum-past-32-bits": INT32[1] + 127 * 255 - 2**32,
    "B4-logit-past-32-bits": INT32[0] - 128 * 255 + 2**32,
}


@pytest.mark.parametrize("name", GIVES)
def test_smallest_failing_inputs(name):
    network, images, quantity, index, exact = EXAMPLES[name]
    assert int(getattr(infer(network, images), quantity)[index]) == exact
    found = infer_published(network, images)
    assert int(getattr(found, quantity)[index]) == GIVES[name] != exact


@pytest.mark.parametrize(
    ("name", "cured"),
    [
        ("B1-last-hidden-counts", {"drops_last_hidden": False}),
        ("B2-product-past-31-bits", {"product_bits": 33}),
        ("B3-value-of-the-last-class", {"stale_last_value": False}),
        ("B4-sum-past-32-bits", {"sum_bits": 33}),
    ],
)
def test_each_fault_is_one_switch(name, cured):
    network, images, quantity, index, exact = EXAMPLES[name]
    faults = Faults(**cured)
    assert int(getattr(infer_published(network, images, faults), quantity)[index]) == exact


@given(int8_networks())
def test_without_faults_it_is_the_golden_model(drawn):
    network, images = drawn
    found = infer_published(network, images, NO_FAULT)
    assert_same_integers(found, infer(network, images), "no fault")


@pytest.mark.parametrize("faults", [PUBLISHED_REFERENCE, PUBLISHED_RTL], ids=["reference", "rtl"])
def test_the_checks_of_the_golden_model_see_it(faults):
    failed = []
    for name, check in CHECKS.items():
        try:
            check(lambda network, images: infer_published(network, images, faults))
        except AssertionError:
            failed.append(name)
    assert len(failed) >= 2


def test_what_are_no_images():
    network = zeros(2, 2, 2)
    with pytest.raises(DtypeError):
        infer_published(network, np.zeros((1, 2)))
    with pytest.raises(ShapeError):
        infer_published(network, np.zeros((1, 3), np.uint8))


@given(x=st.integers(-(2**62), 2**62), bits=st.integers(1, 63))
def test_wrapping_is_congruent_and_in_range(x, bits):
    (kept,) = wrap(np.array([x], np.int64), bits).tolist()
    assert -(2 ** (bits - 1)) <= kept < 2 ** (bits - 1)
    assert (x - kept) % 2**bits == 0


@pytest.mark.parametrize(
    ("logits", "value"),
    [([7], 7), ([3, 9], 3), ([9, 3], 9), ([5, 3, 9], 5), ([3, 5, 9], 5), ([3, 9, 5], 9)],
)
def test_the_stale_value_is_the_best_before_the_last(logits, value):
    network = zeros(1, 1, len(logits), b1=dict(enumerate(logits)))
    found = infer_published(network, np.zeros((1, 1), np.uint8))
    assert found.values.tolist() == [value]
    assert found.classes.tolist() == [logits.index(max(logits))]
    assert found.hidden.dtype == np.uint8


def test_each_image_has_a_stale_value_of_its_own():
    """Where the last class wins, the best of the others of the same image; else the winner's."""
    network, images = random_int8(3, (6, 8, 4), images=60)
    found = infer_published(network, images, PUBLISHED_RTL)
    stale = 0
    for logits, winner, value in zip(
        found.logits.tolist(), found.classes.tolist(), found.values.tolist(), strict=True
    ):
        assert winner == logits.index(max(logits))
        assert value == (max(logits[:3]) if winner == 3 else logits[winner])
        stale += winner == 3
    assert 0 < stale < 60


def test_the_faults_by_name():
    """What the published RTL has, and its testbench's reference, which knows 32 bits only."""
    assert Faults(32, 32, True, True) == PUBLISHED_RTL == Faults()
    assert Faults(32, 32, False, False) == PUBLISHED_REFERENCE
