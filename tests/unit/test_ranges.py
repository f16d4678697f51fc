"""Counting of evaluations outside the fits: once each, by the innermost block, whatever happens."""

import threading

import pytest
import torch

from ohmbench.floatgate import (
    EKV,
    Line,
    count_out_of_range,
    current_to_voltage,
    line_currents,
    ranges,
    sigmoid,
)
from ohmbench.floatgate.ranges import FittedRange, count_by_plain_path, counting, observe


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


def test_one_cell_counts_once():
    for v, w in ((torch.tensor(2.0), torch.tensor(1e-13)), (torch.empty(0), torch.tensor(1e-13))):
        with count_out_of_range() as counts:
            EKV.current(v, w)
        assert counts["ekv(v)"].seen == counts["ekv(|w|)"].seen == v.numel()


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


# ------------------------------------------------------------------------------------------------
# Blocks within blocks

RANGE = FittedRange("curve", "x", "V", 1.0, 2.0, "planted")
VALUES = torch.tensor([0.5, 1.5, 2.5, 2.6])


def seen(counts):
    """Evaluations, below, above, and cells by the plain path."""
    if "curve(x)" not in counts.by_label:
        return 0, 0, 0, counts.by_plain_path
    count = counts["curve(x)"]
    return count.seen, count.below, count.above, counts.by_plain_path


def evaluated(cells=0):
    observe(RANGE, VALUES)
    count_by_plain_path(cells)


def test_the_innermost_block_counts_and_the_outer_ones_go_on_afterwards():
    with count_out_of_range() as outer:
        evaluated(1)
        with count_out_of_range() as middle:
            evaluated(10)
            with count_out_of_range() as inner:
                evaluated(100)
                evaluated(100)
            evaluated(10)
            assert seen(inner) == (8, 2, 4, 200)
        assert seen(middle) == (8, 2, 4, 20)
        assert seen(outer) == (4, 1, 2, 1)
        evaluated(1)
    assert seen(outer) == (8, 2, 4, 2)
    assert outer.outside == 6


def test_an_error_inside_a_block_ends_it():
    broken = []

    def fails():
        with count_out_of_range() as counts:
            broken.append(counts)
            evaluated(5)
            raise ZeroDivisionError

    with count_out_of_range() as outer:
        with pytest.raises(ZeroDivisionError):
            fails()
        evaluated(1)
    assert not counting()
    evaluated(1)
    assert seen(broken[0]) == (4, 1, 2, 5)
    assert seen(outer) == (4, 1, 2, 1)


def test_nobody_counts_outside_of_blocks():
    assert not counting()
    with count_out_of_range():
        assert counting()
    assert not counting()


def test_each_thread_counts_its_own():
    found, both_inside = {}, threading.Barrier(2, timeout=60)

    def work(name, times):
        with count_out_of_range() as counts:
            both_inside.wait()
            for _ in range(times):
                evaluated(times)
            both_inside.wait()
        found[name] = seen(counts)

    with count_out_of_range() as here:
        threads = [
            threading.Thread(target=work, args=arguments) for arguments in (("a", 3), ("b", 5))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    assert found == {"a": (12, 3, 6, 9), "b": (20, 5, 10, 25)}
    assert seen(here) == (0, 0, 0, 0)


def test_a_thread_without_a_block_counts_nothing_while_others_count():
    found = []
    with count_out_of_range() as here:
        assert counting()
        thread = threading.Thread(target=lambda: found.append((counting(), evaluated(3))))
        thread.start()
        thread.join(60)
    assert found == [(False, None)]
    assert seen(here) == (0, 0, 0, 0)


def test_blocks_are_open_until_they_end():
    before = ranges._open
    with count_out_of_range():
        assert ranges._open == before + 1
        with count_out_of_range():
            assert ranges._open == before + 2
        assert ranges._open == before + 1
    assert ranges._open == before


def test_while_nobody_counts_a_curve_is_one_graph():
    """What only counts would break it: torch.compile then leaves its code for every curve."""

    def shifted(x):
        return current_to_voltage(x, Line.POS) + counting()

    x = torch.tensor([1e-7])
    alone = torch.compile(shifted, backend="eager", fullgraph=True)
    try:
        assert torch.equal(alone(x), current_to_voltage(x, Line.POS))
        with count_out_of_range(), pytest.raises(torch._dynamo.exc.Unsupported):
            alone(x)
    finally:
        torch.compiler.reset()


def test_evaluations_of_what_is_broadcast_count_as_often_as_they_are_made():
    with count_out_of_range() as counts:
        observe(RANGE, VALUES, times=7)
    assert seen(counts) == (28, 7, 14, 0)


@pytest.mark.parametrize("batch", [(), (3,), (2, 3), (1, 2, 3), (0,)], ids=str)
def test_cells_by_the_plain_path_are_those_of_the_whole_batch(batch, monkeypatch):
    monkeypatch.delenv("OHMBENCH_PATH", raising=False)
    v, w = torch.full((*batch, 5), 0.5), torch.full((4, 5), 1e-8)  # 0.5 V: outside of the box
    samples = 1
    for n in batch:
        samples *= n
    with count_out_of_range() as counts:
        line_currents(EKV, v, w, torch.zeros(4))
        line_currents(EKV, v, w, torch.zeros(4), path="plain")  # chosen, not fallen back to
        line_currents(EKV, v, w, torch.zeros(4))
    assert counts.by_plain_path == 2 * samples * 4 * 5
