"""Counting of evaluations outside the fits."""

import pytest
import torch

from ohmbench.floatgate import EKV, Line, count_out_of_range, current_to_voltage, sigmoid
from ohmbench.floatgate.ranges import FittedRange, observe


def test_counts_below_and_above():
    with count_out_of_range() as counts:
        current_to_voltage(torch.tensor([1e-12, 1e-9, 1e-6, 1e-5, 2e-5]), Line.POS)
    (count,) = counts
    assert (count.seen, count.below, count.above, count.outside) == (5, 1, 2, 3)
    assert counts.outside == 3
    assert counts["transistor_pos(|I|)"] is count


def test_cell_counts_evaluations_whatever_the_batch():
    w, v = torch.full((4, 3), 1e-13), torch.full((10, 3), 2.0)
    with count_out_of_range() as whole:
        EKV.current(v.unsqueeze(-2), w)
    with count_out_of_range() as parts:
        for chunk in v.split(3):
            EKV.current(chunk.unsqueeze(-2), w)
    for label in ("ekv(|w|)", "ekv(v)"):
        assert whole[label].seen == parts[label].seen == 120
    assert whole["ekv(|w|)"].below == parts["ekv(|w|)"].below == 120


def test_range_ends_are_inside_in_every_dtype():
    for dtype in (torch.float32, torch.float64):
        with count_out_of_range() as counts:
            sigmoid(torch.tensor([0.0, 2.0001], dtype=dtype), torch.tensor(2.4507, dtype=dtype))
        assert counts.outside == 0


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_an_end_is_compared_as_the_dtype_has_it(dtype):
    """0.1 is larger in float32, 0.7 smaller: the ends are inside in either, neighbours not."""
    fitted = FittedRange("x", "y", "V", 0.1, 0.7, "planted")
    ends = torch.tensor([0.1, 0.7], dtype=dtype)
    outside = torch.nextafter(ends, torch.tensor([-1.0, 1.0], dtype=dtype))
    with count_out_of_range() as counts:
        observe(fitted, ends)
    assert counts.outside == 0
    with count_out_of_range() as counts:
        observe(fitted, outside, times=3)
    (count,) = counts
    assert (count.seen, count.below, count.above) == (6, 3, 3)


def test_nothing_is_counted_outside_the_block():
    with count_out_of_range() as counts:
        pass
    sigmoid(torch.tensor(9.0), torch.tensor(9.0))
    assert list(counts) == []


def test_empty_range_is_refused():
    with pytest.raises(ValueError, match="empty range"):
        FittedRange("x", "y", "A", 1.0, 1.0, "planted")
