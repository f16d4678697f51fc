"""Inputs beside every step: each is where it says, and nearly every sum that can be is reached."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ohmbench.digital.importing import boundaries, change
from ohmbench.digital.importing.boundaries import (
    Boundaries,
    beside_steps,
    boundary_inputs,
    boundary_targets,
    drive,
)
from ohmbench.digital.importing.comparing import compare
from ohmbench.digital.importing.crossings import crossings
from ohmbench.digital.importing.imported import import_source
from ohmbench.digital.importing.reachable import Sums, Values, input_values
from ohmbench.digital.importing.runtimes import RUNTIMES, Runner
from ohmbench.digital.importing.source import Source
from ohmbench.digital.integer import IntegerNetwork, infer
from tests.unit.import_sources import Formula, half_even, layer, source, weights


def values_of(*present: int) -> Values:
    every = np.isin(np.arange(min(present), max(present) + 1), present)
    return Values(every[None], min(present))


# ------------------------------------------------------------------------------------------------
# One channel


def assert_drives(weight: list[int], present: tuple[int, ...], least: float = 1.0) -> None:
    """Every sum of the enumeration is tried; what is reached is so, and that is nearly all."""
    w = np.array(weight, np.int8)
    sums = {sum(a * b for a, b in zip(weight, x, strict=True))
            for x in itertools.product(present, repeat=len(weight))}  # fmt: skip
    acc = np.arange(min(sums) - 2, max(sums) + 3)
    x, good = drive(w, values_of(*present), acc, np.random.default_rng(0))
    assert np.isin(x[good], present).all()
    assert np.array_equal(x[good] @ w, acc[good])
    assert set(acc[good].tolist()) <= sums
    assert good.sum() >= least * len(sums)


@pytest.mark.parametrize(
    ("weight", "present"),
    [
        ([1, -1, 1], (0, 1, 2, 3)),
        ([1, 2, -4, 0], (-2, -1, 0, 1)),
        ([5, -3, 1], (0, 1, 2, 3, 4)),
        ([1, 1, -1, 1], (-1, 1)),
        ([3, -1, 2], (-3, -1, 1, 3)),
        ([0, 0], (0, 1)),
        ([-128, 127, 1, -1], (0, 1, 2)),
    ],
)
def test_every_sum_that_inputs_can_reach_is_reached(
    weight: list[int], present: tuple[int, ...]
) -> None:
    assert_drives(weight, present)


@pytest.mark.parametrize("seed", range(6))
def test_every_sum_of_random_weights_is_reached(seed: int) -> None:
    """Without a weight of 1, change cannot always be given at once."""
    rng = np.random.default_rng(seed)
    assert_drives(rng.integers(-8, 9, 5).tolist(), (0, 1, 2, 3))


def test_without_a_table_nearly_every_sum_is_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(change, "MOST_CELLS", 0)
    rng = np.random.default_rng(3)
    assert_drives(rng.integers(-8, 9, 9).tolist(), (0, 1, 2), least=0.9)


def test_all_sums_of_many_inputs_are_reached() -> None:
    rng = np.random.default_rng(0)
    weight = rng.integers(-127, 128, 300).astype(np.int8)
    low, high = (int(np.where(weight > 0, a, b) @ weight) for a, b in ((-128, 127), (127, -128)))
    acc = np.linspace(low, high, 2000).astype(np.int64)
    values = Values(np.ones((1, 256), bool), -128)
    x, good = drive(weight, values, acc, rng)
    assert good.all()
    assert np.array_equal(x @ weight, acc)
    assert (x.min(), x.max()) == (-128, 127)


def test_an_input_that_cannot_be_is_not_used() -> None:
    """0, 1 and 3 have a common step of 1, but 2 is not among them."""
    x, good = drive(
        np.array([1], np.int8), values_of(0, 1, 3), np.arange(4), np.random.default_rng(0)
    )
    assert good.tolist() == [True, True, False, True]
    assert np.isin(x[good], (0, 1, 3)).all()


# ------------------------------------------------------------------------------------------------
# Which sums


def test_sums_beside_steps_by_enumeration() -> None:
    sums = Sums(np.array([-9, 0]), np.array([2, 1]), np.array([10, 14]))

    def function(acc: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.stack([np.clip(-(acc[:, 0] // 3), -2, 2), np.clip(acc[:, 1] // 5, 0, 2)], axis=1)

    steps = crossings(function, sums, -2, 2)
    for ends in (True, False):
        found = beside_steps(sums, steps, ends=ends)
        for c in range(2):
            every = sums.low[c] + sums.stride[c] * np.arange(sums.count[c])
            h = function(every[:, None].repeat(2, axis=1))[:, c]
            changes = np.flatnonzero(np.diff(h))
            wanted = {*every[changes].tolist(), *every[changes + 1].tolist()}
            if ends:
                wanted |= {int(every[0]), int(every[-1])}
            assert sorted(wanted) == found.acc[found.channel == c].tolist()
        assert (np.diff(found.keys) > 0).all()


def two_layers(seed: int = 0, channels: int = 6) -> Source:
    rng = np.random.default_rng(seed)
    return source(
        layer(weights(rng, channels, 8, 4), half_even(0.3, 3, 0, 15), 0, 15, bits=4, name="A"),
        layer(weights(rng, 4, channels, 4), half_even(0.2, 2, 0, 7), 0, 7, bits=4, name="B"),
        hi=15,
    )


def test_the_steps_of_the_source_and_of_the_integers_both_count() -> None:
    given = two_layers()
    network = import_source(given).network
    alone = boundary_targets(given, network)
    other = dataclasses.replace(given.layers[0], step=Formula(half_even(0.31, 3, 0, 15)))
    both = boundary_targets(dataclasses.replace(given, layers=(other, given.layers[1])), network)
    assert set(both[0].keys) > set(alone[0].keys)


def test_both_ends_of_an_undecided_source_count() -> None:
    low, high = half_even(0.25, 0, 0, 15), half_even(0.25, 1, 0, 15)
    given = source(layer(np.ones((1, 4), np.int8), Formula(low, high), 0, 15), hi=15)
    acc = boundary_targets(given, import_source(given).network)[0].acc
    for end in (low, high):
        h = end(np.arange(61)[:, None])[:, 0]
        changes = np.flatnonzero(np.diff(h))
        assert set(changes) | set(changes + 1) <= set(acc.tolist())


# ------------------------------------------------------------------------------------------------
# Whole networks


def found_in(given: Source, seed: int = 0) -> tuple[Boundaries, IntegerNetwork, Any]:
    network = import_source(given).network
    targets = boundary_targets(given, network)
    return boundary_inputs(network, input_values(given), targets, seed=seed), network, targets


@pytest.mark.parametrize("seed", range(3))
def test_what_is_counted_is_reached(seed: int) -> None:
    found, network, targets = found_in(two_layers(seed), seed)
    inference = infer(network, found.x)
    for k, wanted in enumerate(targets):
        seen = {
            (c, acc) for c in range(network.sizes[k + 1]) for acc in inference.acc[k][:, c].tolist()
        }
        pairs = set(zip(wanted.channel.tolist(), wanted.acc.tolist(), strict=True))
        assert found.wanted[k] == len(pairs)
        assert 0 < found.reached[k] <= len(pairs & seen)
    assert found.reached[0] > 0.95 * found.wanted[0]
    assert found.reached[1] > 0.5 * found.wanted[1]


def test_the_smallest_and_largest_inputs_come_first() -> None:
    found, *_ = found_in(two_layers())
    assert (found.x[0] == 0).all()
    assert (found.x[1] == 15).all()


@pytest.mark.parametrize("limit", ["MOST_BYTES", "MOST_MACS"])
def test_of_too_many_targets_an_even_selection_is_taken(
    limit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = two_layers()
    network = import_source(given).network
    macs = sum(one.weight.size for one in network.layers)
    size = network.inputs if limit == "MOST_BYTES" else macs
    monkeypatch.setattr(boundaries, limit, 20 * size)
    found, _, targets = found_in(given)
    assert found.wanted[0] == len(targets[0].acc) > 100
    assert 10 < found.reached[0] <= 20
    acc = infer(network, found.x).acc[0]
    assert acc[:, 0].min() == targets[0].acc[0]
    assert acc[:, -1].max() == targets[0].acc[-1]


@pytest.mark.parametrize("affordable", [0, 1, 2, 40, 700, 3000])
def test_a_large_network_is_searched_within_the_budget(
    affordable: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Random inputs are multiplied with layer 0 too, before they run."""
    given = two_layers()
    network = import_source(given).network
    macs = sum(one.weight.size for one in network.layers)
    spent, shares = [0], [0.0]
    search, spread = boundaries._Search, boundaries._Search._spread

    def counted_infer(net: IntegerNetwork, x: NDArray[Any]) -> Any:
        spent[0] += len(x) * macs
        return infer(net, x)

    def counted_spread(self: Any, n: int) -> NDArray[np.int64]:
        spent[0] += n * network.layers[0].weight.size
        return spread(self, n)

    def advance(share: float) -> None:
        shares[0] += share

    monkeypatch.setattr(boundaries, "infer", counted_infer)
    monkeypatch.setattr(search, "_spread", counted_spread)
    monkeypatch.setattr(boundaries, "MACS", affordable * macs)
    targets = boundary_targets(given, network)
    found = boundary_inputs(network, input_values(given), targets, advance=advance)
    assert spent[0] <= 3.5 * affordable * macs
    assert (spent[0] > 0) == (affordable > 0)
    assert shares[0] == pytest.approx(1)
    assert found.reached[0] > 0.95 * found.wanted[0]


def test_the_same_seed_gives_the_same_inputs() -> None:
    given = two_layers()
    assert np.array_equal(found_in(given, 1)[0].x, found_in(given, 1)[0].x)
    assert not np.array_equal(found_in(given, 1)[0].x[-1], found_in(given, 2)[0].x[-1])


@pytest.mark.parametrize(("lo", "hi"), [(0, 255), (0, 65535), (-32768, 32767), (-128, 127)])
def test_inputs_keep_their_values(lo: int, hi: int) -> None:
    given = source(
        layer(np.array([[1, 2]], np.int8), half_even(2.0**-9, 0, 0, 15), 0, 15), lo=lo, hi=hi
    )
    found, network, _ = found_in(given)
    assert (found.x.min(), found.x.max()) == (lo, hi)
    assert found.reached == found.wanted
    infer(network, found.x)


def test_real_outputs_have_no_steps_but_their_extremes() -> None:
    given = source(
        layer(np.array([[1, 2], [3, -1]], np.int8), lambda acc: acc.astype(np.float32), None, None),
        hi=15,
    )
    found, network, _ = found_in(given)
    assert found.reached == found.wanted == (4,)
    acc = infer(network, found.x).acc[0]
    assert (acc.min(axis=0).tolist(), acc.max(axis=0).tolist()) == ([0, -15], [45, 45])


# ------------------------------------------------------------------------------------------------
# What they are for


class Stated(Runner):
    """A runtime that computes what the source states: the smallest value of each step."""

    def __init__(self, given: Source) -> None:
        self.source, self.runtime = given, RUNTIMES[given.format]
        self.version, self.whole, self.remark, self.most = "0", None, None, 1000

    def compute(self, x: NDArray[Any]) -> Mapping[str, NDArray[Any]]:
        found, h = {}, x.astype(np.int64)
        for one in self.source.layers:
            h = one.step.bounds(h @ one.weight.astype(np.int64).T)[0]
            found[one.tensor] = h
        return {**found, self.source.output_tensor: h}


def test_boundary_inputs_show_what_random_ones_do_not() -> None:
    """One wrong threshold far from the mean of 64 inputs: 2 000 random inputs do not meet it."""
    weight = np.ones((1, 64), np.int8)
    right = half_even(2.0**-6, 0, 0, 15)
    given = source(layer(weight, right, 0, 15), hi=15)
    last = 14 * 64 + 33  # here 15 begins
    assert right(np.array([[last - 1], [last]])).tolist() == [[14], [15]]

    def late(acc: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.where(acc == last, 14, right(acc))

    wrong = dataclasses.replace(
        given, layers=(dataclasses.replace(given.layers[0], step=Formula(late)),)
    )
    network = import_source(wrong).network
    found = compare(given, network, Stated(given), random=2000)
    assert found.layers[0].differing > 0
    assert found.first is not None
    assert (found.first.kind, found.first.acc) == ("boundary", last)
    assert (found.first.value, found.first.expected) == (15, 14)
    assert found.first.foreseen
    assert sum(found.first.x) == last


def test_the_first_difference_is_that_of_the_first_layer() -> None:
    given = two_layers()
    network = import_source(given).network

    class LaterToo(Stated):
        """Layer 1 is off for all inputs, layer 0 in channel 2 of the last input alone."""

        def compute(self, x: NDArray[Any]) -> Mapping[str, NDArray[Any]]:
            found = {name: value.copy() for name, value in super().compute(x).items()}
            found["B_out"] += 1
            found["A_out"][-1, 2] += 1
            return found

    found = compare(given, network, LaterToo(given), random=10)
    assert found.first is not None
    assert (found.first.layer, found.first.channel, found.first.number) == (0, 2, 9)
    assert not found.first.foreseen
    assert all(one.differing and one.unforeseen for one in found.layers)
    assert not found.agrees
    assert "layer 0, channel 2, input 9 (random integers)" in found.line


def test_values_that_are_not_whole_differ() -> None:
    given = two_layers()
    network = import_source(given).network

    class Halves(Stated):
        def compute(self, x: NDArray[Any]) -> Mapping[str, NDArray[Any]]:
            found = super().compute(x)
            return {**found, "A_out": found["A_out"] + np.float32(0.25)}

    found = compare(given, network, Halves(given), random=10)
    assert found.layers[0].differing == found.layers[0].compared
    assert found.first is not None
    assert found.first.value % 1 == 0.25


def test_classes_are_compared_by_index_and_by_value() -> None:
    given = two_layers()
    network = import_source(given).network

    class Index(Stated):
        wrong = 0

        def compute(self, x: NDArray[Any]) -> Mapping[str, NDArray[Any]]:
            found = super().compute(x)
            return {**found, "y": found["B_out"].argmax(axis=1)[:, None] + self.wrong}

    class WrongIndex(Index):
        wrong = 1

    class Softmax(Stated):
        def compute(self, x: NDArray[Any]) -> Mapping[str, NDArray[Any]]:
            found = super().compute(x)
            return {**found, "y": np.minimum(found["B_out"], 5).astype(np.float32)}

    class Other(Stated):
        def compute(self, x: NDArray[Any]) -> Mapping[str, NDArray[Any]]:
            found = super().compute(x)
            return {**found, "y": np.zeros((len(x), 3), np.float32)}

    total = 10 + len(found_in(given)[0].x)
    for kind, wanted in (
        (Index, (total, 0)), (WrongIndex, (total, total)), (Softmax, (total, 0)), (Other, None),
    ):  # fmt: skip
        found = compare(given, network, kind(given), random=10)
        assert found.classes == wanted
        assert found.agrees == (wanted is None or wanted[1] == 0)
