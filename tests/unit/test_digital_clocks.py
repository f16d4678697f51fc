"""Clock counts against the rules that they follow from, played through image by image."""

from __future__ import annotations

import itertools
from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ohmbench.digital.clocks import ImageClocks, image_clocks
from ohmbench.digital.widths import Hardware

hardware = st.builds(
    Hardware,
    st.integers(1, 200),
    st.integers(1, 150),
    st.integers(1, 70),
    lanes=st.integers(1, 64),
    requants=st.sampled_from([1, 2, 4, 8]),
)


def played(hw: Hardware, clocks: ImageClocks, offered: list[int], beats: int) -> list[int]:
    """The clock of each result when image k could start in clock ``offered[k]``: an image starts
    when the one before it was read and the last but one's result was accepted; the readout takes up
    the sums of an image once the result before was accepted."""
    work, readout = hw.groups * hw.words, (hw.classes + 1) // 2 + 5
    starts: list[int] = []
    accepted: list[int] = []
    results: list[int] = []
    for k, clock in enumerate(offered):
        start = max(clock, starts[-1] + work if k else 0, accepted[-2] + 1 if k > 1 else 0)
        sums = start + clocks.latency - 1 - readout
        results.append(max(sums, accepted[-1] + 1 if k else 0) + readout)
        starts.append(start)
        accepted.append(results[-1] + beats - 1)
    return results


@given(hardware, st.booleans())
def test_a_stream_without_a_pause(hw: Hardware, axi: bool) -> None:
    assume(hw.steps <= hw.words)  # others are not built
    beats = hw.classes + 1 if axi else 1
    clocks = image_clocks(hw, result_beats=beats)
    results = played(hw, clocks, [clocks.load * (k + 1) for k in range(60)], beats)
    assert results[0] == clocks.load + clocks.latency - 1
    apart = [b - a for a, b in itertools.pairwise(results)][10:-1]
    assert max(apart) == clocks.interval
    assert Fraction(sum(apart), len(apart)) == Fraction(clocks.mean_interval)
    assert set(apart) == {clocks.interval, int(2 * clocks.mean_interval) - clocks.interval}


@given(hardware, st.lists(st.integers(0, 400), min_size=12, max_size=12), st.booleans())
def test_whenever_the_first_images_came(hw: Hardware, pauses: list[int], axi: bool) -> None:
    """Once images never pause, no result comes later after the one before than promised."""
    assume(hw.steps <= hw.words)
    beats = hw.classes + 1 if axi else 1
    clocks = image_clocks(hw, result_beats=beats)
    offered = [sum(pauses[: k + 1]) for k in range(12)]
    results = played(hw, clocks, offered + [offered[-1]] * 40, beats)
    apart = [b - a for a, b in itertools.pairwise(results)][16:]
    assert max(apart) <= clocks.interval
    assert Fraction(sum(apart[-2:]), 2) == Fraction(clocks.mean_interval)


@pytest.mark.parametrize(
    ("hw", "expected"),
    [
        # Published in hdl/README.md.
        (Hardware(64, 100, 10), ImageClocks(8, 94, 64, 64.0)),
        (Hardware(784, 64, 10), ImageClocks(98, 520, 490, 490.0)),
        (Hardware(64, 100, 10, lanes=25, requants=4), ImageClocks(8, 62, 32, 32.0)),
        # The readout is the slowest: 30 pairs of classes and 6 clocks.
        (Hardware(8, 2, 60, lanes=1, requants=1), ImageClocks(1, 51, 36, 36.0)),
        # Two images under way: 18 and 8 clocks in turn.
        (Hardware(4, 10, 3, lanes=2), ImageClocks(1, 26, 18, 13.0)),
    ],
)
def test_by_hand(hw: Hardware, expected: ImageClocks) -> None:
    assert image_clocks(hw) == expected


def test_through_axi() -> None:
    """As hdl/README.md has it: 25 lanes and 4 requantisers give two results every 72 clocks."""
    found = image_clocks(Hardware(64, 100, 10, lanes=25, requants=4), result_beats=11)
    assert found.mean_interval == 36.0
