"""Reals to integers: the nearest, in range, and refused where there is none."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ohmbench.digital.quantization import (
    IN_SCALE,
    quantize_bias,
    quantize_pixels,
    quantize_weight,
    weight_scale,
)
from ohmbench.errors import RangeError

weights = hnp.arrays(
    np.float32, hnp.array_shapes(min_dims=2, max_dims=2), elements=st.floats(-10, 10, width=32)
).filter(lambda w: np.abs(w).max() > 1e-20)


@given(weights)
def test_weights_are_rounded_to_the_nearest_and_use_the_whole_range(w):
    scale = weight_scale(w)
    q = quantize_weight(w, scale)
    assert q.dtype == np.int8
    assert np.abs(q.astype(int)).max() == 127
    # Half a step, and what float32 lost of the scale over 127 of them.
    assert np.abs(q * scale - w.astype(float)).max() <= scale * (0.5 + 127 * 2**-23)


@given(st.integers(0, 255))
def test_every_byte_survives(byte):
    assert quantize_pixels(np.array([min(1.0, byte * IN_SCALE)])) == byte


def test_grey_levels_are_the_papers():
    """Half grey is 127: 0.5 / float32(1/255) is just under 127.5."""
    levels = quantize_pixels(np.arange(17) / 16).tolist()
    assert levels == [0, 16, 32, 48, 64, 80, 96, 112, 127, 143, 159, 175, 191, 207, 223, 239, 255]


@pytest.mark.parametrize("x", [-0.001, 1.001, np.nan])
def test_pixels_out_of_range(x):
    with pytest.raises(RangeError, match="should be from 0 to 1"):
        quantize_pixels(np.array([0.5, x]))


def test_bias():
    found = quantize_bias(np.array([1.0, -0.26, 0.125]), 0.25)
    assert (found.dtype, found.tolist()) == (np.int32, [4, -1, 0])
    assert quantize_bias(np.array([2.0**31 - 1]), 1.0).tolist() == [2**31 - 1]
    for value in (2.0**31, -(2.0**31) - 1, np.nan):
        with pytest.raises(RangeError, match="should fit int32"):
            quantize_bias(np.array([value]), 1.0)


def test_weights_that_cannot_be_quantised():
    with pytest.raises(RangeError, match="all 0"):
        weight_scale(np.zeros((2, 2)))
    with pytest.raises(RangeError, match="at most 127"):
        quantize_weight(np.array([[1.0]]), 0.001)
