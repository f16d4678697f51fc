"""The training scales: exactly programmable values, gradients of the smooth map behind them."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ohmbench.floatgate import EKV, FG_ARRAY, FG_ARRAY_WTA
from ohmbench.floatgate.scales import AsinhScale, OnCurrentScale

V_ON, I0 = 2.44, 1e-8
SCALES = {
    "asinh": AsinhScale(FG_ARRAY, 1e-8),
    "asinh-positive": AsinhScale(FG_ARRAY_WTA, 1e-7),
    "on-current": OnCurrentScale(FG_ARRAY, v_on_V=V_ON, i0_A=I0),
}
scales = pytest.mark.parametrize("scale", SCALES.values(), ids=SCALES)


def on_current(w: torch.Tensor) -> torch.Tensor:
    v = torch.tensor(V_ON, dtype=torch.float64)
    return EKV.current(v, w.double())


@scales
@given(values=st.lists(st.floats(-20, 20), min_size=1, max_size=9))
def test_every_theta_is_programmable(scale, values):
    w = scale(torch.tensor(values))
    found = scale.programmable.violations(w)
    assert found.unholdable == found.off_level == 0


@scales
def test_rises_with_theta_and_keeps_its_sign(scale):
    theta = torch.linspace(-scale.largest_theta, scale.largest_theta, 4001)
    w = scale(theta)
    assert bool((w.diff() >= 0).all())
    if not scale.programmable.positive_only:
        assert bool(((w > 0) == (theta >= 0)).all())


@scales
def test_right_inverse_returns_to_the_same_level(scale):
    w = scale(torch.linspace(0.01, 0.99, 200, dtype=torch.float64) * scale.largest_theta)
    assert torch.equal(scale(scale.right_inverse(w)), w)


@given(theta=st.floats(0.05, 5.0), sign=st.sampled_from([-1.0, 1.0]))
def test_asinh_gradient_is_that_of_sinh(theta, sign):
    x = torch.tensor([sign * theta], dtype=torch.float64, requires_grad=True)
    SCALES["asinh"](x).sum().backward()
    assert float(x.grad) == pytest.approx(1e-8 * float(x.detach().cosh()), rel=1e-12)


@given(theta=st.floats(1e-3, 60.0), sign=st.sampled_from([-1.0, 1.0]))
def test_on_current_is_linear_in_theta(theta, sign):
    scale = SCALES["on-current"]
    w = scale(torch.tensor([sign * theta], dtype=torch.float64))
    passed = float(on_current(w) - torch.sign(w) * EKV.i_leak_A)
    # One programming step changes a cell's current by up to 2.9 steps (2 x 1.418 in log current).
    assert passed == pytest.approx(sign * theta * I0, rel=1.5 * FG_ARRAY.step)


@given(theta=st.floats(1e-3, 60.0), sign=st.sampled_from([-1.0, 1.0]))
def test_on_current_gradient_makes_the_cell_current_linear(theta, sign):
    x = torch.tensor([sign * theta], dtype=torch.float64, requires_grad=True)
    on_current(SCALES["on-current"](x)).sum().backward()
    assert float(x.grad) == pytest.approx(I0, rel=1e-9)


def test_on_current_stops_where_more_programming_passes_less():
    last = SCALES["on-current"].levels[-1]
    assert 1e-6 < float(last) < 3.2e-6
    # What is given up by stopping there: a few per cent of the largest current.
    largest = float(on_current(torch.tensor(FG_ARRAY.levels)).max())
    assert float(on_current(last)) > 0.9 * largest


def steepness(w: float) -> float:
    """d ln I / d ln w of what a cell passes above its leak, by a central difference."""
    near = torch.tensor([w * (1 - 1e-6), w, w * (1 + 1e-6)], dtype=torch.float64)
    low, at, high = (on_current(near) - EKV.i_leak_A).tolist()
    return (high - low) / (2e-6 * at)


def test_on_current_has_all_levels_whose_current_rises_by_0_15_of_theirs():
    levels = SCALES["on-current"].levels
    assert torch.equal(levels, torch.tensor(FG_ARRAY.levels[: len(levels)]))
    assert steepness(float(levels[-1])) >= 0.15 > steepness(float(FG_ARRAY.levels[len(levels)]))


def test_on_current_takes_the_next_level_from_its_middle_in_log_current_on():
    scale = SCALES["on-current"]
    for k in (0, 1, 1000, 4000, len(scale.levels) - 2):
        low, high = (float(w) for w in scale.levels[k : k + 2])
        middle = torch.tensor([(low * high) ** 0.5], dtype=torch.float64)
        theta = float(on_current(middle) - EKV.i_leak_A) / I0
        for part, expected in ((1 - 1e-9, low), (1 + 1e-9, high)):
            w = scale(torch.tensor([part * theta], dtype=torch.float64))
            assert float(w) == pytest.approx(expected, rel=1e-12)


def test_the_slope_is_that_of_the_weight_by_theta() -> None:
    """dw / dtheta of the levels, by the differences of theta between their neighbours."""
    scale = OnCurrentScale(FG_ARRAY, v_on_V=V_ON, i0_A=I0)
    w, theta = scale.levels, scale._current(scale.levels) / I0
    differences = (w[2:] - w[:-2]) / (theta[2:] - theta[:-2])
    assert torch.allclose(scale.slope[1:-1], differences, rtol=1e-2)
