"""What an array can hold: projection, rounding, violations, training under them."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ohmbench.errors import DtypeError, NonFiniteError, OperandError, RangeError
from ohmbench.floatgate import FG_ARRAY, FG_ARRAY_WTA, ProgrammableSet
from ohmbench.floatgate.programming import Violations

dtypes = pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)


@st.composite
def programmable_sets(draw):
    w_min = 10.0 ** draw(st.floats(-14, -9))
    return ProgrammableSet(
        w_min_A=w_min,
        w_max_A=w_min * 10.0 ** draw(st.floats(0.5, 7)),
        bits=draw(st.integers(1, 16)),
        positive_only=draw(st.booleans()),
    )


currents = st.one_of(
    st.just(0.0),
    st.tuples(st.floats(-18, -3), st.sampled_from([-1, 1])).map(lambda x: x[1] * 10.0 ** x[0]),
)


class TestProjection:
    @dtypes
    @given(array=programmable_sets(), values=st.lists(currents, min_size=1, max_size=20))
    def test_lands_in_the_set_and_is_idempotent(self, dtype, array, values):
        w = torch.tensor(values, dtype=dtype)
        once = array.project(w)
        found = array.violations(once)
        assert found.unholdable == found.off_level == 0
        assert torch.equal(array.project(once), once)
        assert once.dtype == dtype
        assert once.shape == w.shape

    @dtypes
    @given(array=programmable_sets(), data=st.data())
    def test_error_is_at_most_half_a_step(self, dtype, array, data):
        low, high = math.log(array.w_min_A), math.log(array.w_max_A)
        w = torch.tensor([math.exp(data.draw(st.floats(low, high)))], dtype=dtype)
        projected = array.project(w)
        half = array.step / 2
        eps = 4 * torch.finfo(dtype).eps
        assert abs(math.log(float(projected) / float(w))) <= half + eps
        assert abs(float(projected - w)) / float(w) <= array.relative_error_bound + eps

    @given(array=programmable_sets(), value=currents)
    def test_takes_the_nearest_level_in_log_current(self, array, value):
        projected = float(array.project(torch.tensor([value], dtype=torch.float64)))
        magnitude = 0.0 if (value < 0 and array.positive_only) else abs(value)
        clipped = min(max(magnitude, array.w_min_A), array.w_max_A)
        distance = np.abs(np.log(array.levels) - math.log(clipped))
        mine = abs(math.log(abs(projected)) - math.log(clipped))
        assert mine <= distance.min() + 1e-9 * array.step + 1e-14

    def test_zero_becomes_the_smallest_current_and_signs_stay(self):
        w = torch.tensor([0.0, -0.0, -3e-9, 2.0, -2.0], dtype=torch.float64)
        projected = FG_ARRAY.project(w)
        assert projected[:2].tolist() == [1e-12, 1e-12]
        assert projected[3:].tolist() == [1e-5, -1e-5]
        assert projected[2] < 0

    def test_positive_only_sends_negative_currents_to_the_smallest(self):
        w = torch.tensor([-1e-7, 1e-7], dtype=torch.float64)
        assert FG_ARRAY_WTA.project(w)[0] == 1e-12
        assert FG_ARRAY_WTA.project(w)[1] > 0.99e-7

    def test_thirteen_bits_over_seven_decades(self):
        assert len(FG_ARRAY.levels) == 8192
        assert np.all(np.diff(FG_ARRAY.levels) > 0)
        assert FG_ARRAY.levels[[0, -1]].tolist() == [1e-12, 1e-5]
        assert pytest.approx(0.000984, rel=1e-3) == FG_ARRAY.relative_error_bound

    @pytest.mark.parametrize("bits", [1, 20])
    def test_the_fewest_and_the_most_bits(self, bits):
        """At either end float32 still tells neighbouring levels apart."""
        levels = ProgrammableSet(bits=bits).levels
        assert len(levels) == 2**bits
        assert np.all(np.diff(levels.astype(np.float32)) > 0)
        assert levels[[0, -1]].tolist() == [1e-12, 1e-5]
        with pytest.raises(ValueError, match="read-only"):
            levels[0] = 1.0

    def test_an_index_is_that_of_its_level(self):
        array = ProgrammableSet(bits=6)
        levels = torch.from_numpy(array.levels.copy())
        assert array.level_index(levels).tolist() == list(range(64))
        assert array.level_index(-levels).tolist() == list(range(64))
        beyond = torch.tensor([0.0, 1e-15, 1e-4, 1.0], dtype=torch.float64)
        assert array.level_index(beyond).tolist() == [0, 0, 63, 63]

    @pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
    def test_refuses_what_is_no_current(self, value):
        with pytest.raises(NonFiniteError):
            FG_ARRAY.project(torch.tensor([value]))
        with pytest.raises(NonFiniteError):
            FG_ARRAY.violations(torch.tensor([value]))

    def test_refuses_integers(self):
        with pytest.raises(DtypeError):
            FG_ARRAY.project(torch.tensor([1]))

    @pytest.mark.parametrize(
        "settings",
        [
            {"w_min_A": 0.0},
            {"w_min_A": -1e-12},
            {"w_min_A": 1e-5},
            {"w_max_A": math.inf},
            {"w_min_A": math.nan},
            {"bits": 0},
            {"bits": 21},
        ],
        ids=str,
    )
    def test_impossible_sets_are_refused(self, settings):
        with pytest.raises(RangeError):
            ProgrammableSet(**settings)


class TestViolations:
    def test_each_kind_is_counted_once(self):
        level = float(FG_ARRAY.levels[4000])
        w = torch.tensor(
            [level, 1e-12, 1e-5, level * 1.0005, 1e-13, -1e-13, 0.0, 2e-5, -level],
            dtype=torch.float64,
        )
        found = FG_ARRAY.violations(w)
        assert (found.total, found.too_small, found.too_large) == (9, 3, 1)
        assert (found.negative, found.off_level, found.unholdable) == (0, 1, 4)
        positive = ProgrammableSet(positive_only=True).violations(w)
        assert (positive.negative, positive.too_small, positive.unholdable) == (2, 2, 5)

    def test_sums(self):
        found = Violations(1, 2, 4, 8, 16) + Violations(100, 200, 400, 800, 1600)
        assert found == Violations(101, 202, 404, 808, 1616)
        assert found.unholdable == 202 + 404 + 808


class TestStraightThrough:
    @dtypes
    @given(values=st.lists(currents, min_size=1, max_size=8))
    def test_value_is_the_projection_and_gradient_the_identity(self, dtype, values):
        w = torch.tensor(values, dtype=dtype, requires_grad=True)
        projected = FG_ARRAY.straight_through(w)
        assert torch.equal(projected, FG_ARRAY.project(w))
        slope = torch.arange(1.0, len(values) + 1, dtype=dtype)
        (projected * slope).sum().backward()
        assert torch.equal(w.grad, slope)


def test_a_current_counts_once_however_wrong_it_is() -> None:
    """Negative where only positive ones are held, and too large or too small as well."""
    held = ProgrammableSet(w_max_A=7e-6, positive_only=True)
    found = held.violations(torch.tensor([-1e-3, -1e-15, -1e-8, 1e-3, 1e-15, 1e-6]))
    assert (found.negative, found.too_large, found.too_small) == (3, 1, 1)
    assert found.unholdable == 5


def test_violations_are_counted_of_numbers_alone() -> None:
    w = torch.full((2, 3), 1e-8)
    for count in (torch.func.vmap(FG_ARRAY.violations), torch.func.grad(FG_ARRAY.violations)):
        with pytest.raises(OperandError, match=r"^a count of violations .*count outside it"):
            count(w)
    with pytest.raises(DtypeError, match=r"^weight"):
        FG_ARRAY.violations(w.long())
    assert FG_ARRAY.violations(w.clone().requires_grad_()) == FG_ARRAY.violations(w)
