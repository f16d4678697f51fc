"""Integer products by floating-point units: exact to the last input, and not one type further."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ohmbench.digital import infer
from ohmbench.digital import integer_product as module
from ohmbench.digital.integer_product import exact_type, integer_product
from ohmbench.digital.network import LARGEST_SIZE
from tests.unit.asserts import assert_same_integers
from tests.unit.int8_networks import random_int8

LAST_FLOAT32 = 2**24 // (255 * 128)


def extremes(inputs):
    """The largest sum of magnitudes there is, and one of different weights."""
    x = np.full((1, inputs), 255, np.uint8)
    w = np.full((2, inputs), -128, np.int8)
    w[1, -1] = 127
    w[1, :-1] = -127
    w[1, : inputs // 2] = -128
    return x, w


def exact(x, w):
    return x.astype(np.int64) @ w.T.astype(np.int64)


@given(
    n=st.integers(1, 5), inputs=st.integers(1, 700), out=st.integers(1, 5), seed=st.integers(0, 999)
)
def test_any_integers(n, inputs, out, seed):
    rng = np.random.default_rng(seed)
    x = rng.choice(np.array([0, 1, 254, 255], np.uint8), (n, inputs))
    w = rng.choice(np.array([-128, -127, -1, 0, 1, 127], np.int8), (out, inputs))
    assert np.array_equal(integer_product(x, w), exact(x, w))


@pytest.mark.parametrize("inputs", [1, LAST_FLOAT32, LAST_FLOAT32 + 1, LARGEST_SIZE])
def test_largest_sums(inputs):
    x, w = extremes(inputs)
    found = integer_product(x, w)
    assert np.array_equal(found, exact(x, w))
    assert found[0, 0] == -255 * 128 * inputs


def test_every_size_has_a_type_that_holds_its_sums():
    for inputs in (1, LAST_FLOAT32, LAST_FLOAT32 + 1, LARGEST_SIZE):
        digits = np.finfo(exact_type(inputs)).nmant + 1
        assert inputs * 255 * 128 <= 2**digits
    assert exact_type(LAST_FLOAT32) is np.float32


def test_the_smaller_type_one_input_further_is_noticed(monkeypatch):
    monkeypatch.setattr(module, "exact_type", lambda inputs: np.float32)
    x, w = (
        np.full((1, LAST_FLOAT32 + 1), 255, np.uint8),
        np.full((1, LAST_FLOAT32 + 1), -128, np.int8),
    )
    w[0, -1] = -127  # an odd sum beyond 2^24
    assert not np.array_equal(module.integer_product(x, w), exact(x, w))


@given(seed=st.integers(0, 10_000))
def test_both_paths_of_the_golden_model(seed):
    network, images = random_int8(seed)
    found, reference = (infer(network, images, path=path) for path in ("auto", "plain"))
    assert_same_integers(found, reference, f"seed {seed}")
