"""The sums that inputs can reach, and the values that a layer can produce."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from ohmbench.digital.importing.reachable import (
    Values,
    input_values,
    produced,
    reachable_sums,
)
from ohmbench.digital.integer import InputFormat
from tests.unit.import_sources import (
    half_even,
    layer,
    progression,
    progressions,
    source,
)


@pytest.mark.parametrize("seed", range(40))
def test_reachable_sums_by_enumeration(seed: int) -> None:
    rng = np.random.default_rng(seed)
    inputs, channels = int(rng.integers(1, 4)), 3
    weight = rng.integers(-4, 5, (channels, inputs)).astype(np.int8)
    present = rng.random((inputs, 6)) < 0.5
    present[np.arange(inputs), rng.integers(0, 6, inputs)] = True
    values = Values(present, -2)
    taken = [{k - 2 for k in range(6) if row[k]} for row in present]
    found = progressions(reachable_sums(weight, values))
    assert found == [progression(row, taken) for row in weight.tolist()]
    for row, sums in zip(weight.tolist(), found, strict=True):
        real = {
            sum(w * x for w, x in zip(row, xs, strict=True)) for xs in itertools.product(*taken)
        }
        assert real <= set(sums)
        assert {sums[0], sums[-1]} <= real
    assert values.low.tolist() == [min(one) for one in taken]
    assert values.high.tolist() == [max(one) for one in taken]
    assert values.stride.tolist() == [math.gcd(*(v - min(one) for v in one)) for one in taken]


def test_bipolar_sums_have_one_parity() -> None:
    weight = np.array([[1, -1, 1]], np.int8)
    bipolar = Values(np.array([[True, False, True]]), -1)
    assert progressions(reachable_sums(weight, bipolar)) == [[-3, -1, 1, 3]]
    every = Values(np.array([[True, True, True]]), -1)
    assert progressions(reachable_sums(weight, every)) == [[-3, -2, -1, 0, 1, 2, 3]]


def test_sums_without_freedom() -> None:
    sums = reachable_sums(np.array([[0, 0], [1, 1]], np.int8), Values(np.ones((1, 1), bool), 4))
    assert progressions(sums) == [[0], [8]]
    assert sums.stride.tolist() == [1, 1]
    assert sums.total == 2
    assert sums.channels == 2
    assert sums.at(np.array([[0, 0], [5, 5]])).tolist() == [[0, 8], [0, 8]]


@pytest.mark.parametrize(
    ("thresholds", "takes_integers", "reached"),
    [
        ([0.0, 1.0, 2.0], False, [-1, 0, 1, 2]),
        ([0.0, 0.0, 2.0], False, [-1, 1, 2]),
        ([0.0, 0.0, 0.0], False, [-1, 2]),
        ([0.0, 1.0, 1.0], False, [-1, 0, 2]),
        ([-np.inf, 0.0, 1.0], False, [0, 1, 2]),
        ([0.0, 0.0, 0.0], True, [-1, 0, 1, 2]),
    ],
)
def test_input_values(thresholds: list[float], takes_integers: bool, reached: list[int]) -> None:
    given = source(
        layer(np.ones((1, 1), np.int8), half_even(1.0, 0, 0, 255)),
        input=InputFormat(-1, 2, thresholds=np.array(thresholds, np.float32)),
        takes_integers=takes_integers,
    )
    values = input_values(given)
    assert (np.flatnonzero(values.present[0]) + values.first).tolist() == reached
    if not takes_integers:
        real = np.array([[-np.inf], [-0.5], [0.0], [0.5], [1.0], [1.5], [2.0], [np.inf]])
        assert sorted(set(given.input.quantise(real)[:, 0].tolist())) == reached


def test_values_that_runs_produce() -> None:
    low, high = np.array([[0, 5], [2, 5], [2, 6]]), np.array([[0, 7], [3, 5], [2, 6]])
    found = [np.flatnonzero(row).tolist() for row in produced(low, high).present]
    assert found == [[0, 2, 3], [5, 6, 7]]
    values = produced(low - 9, high - 9)
    assert values.low.tolist() == [-9, -4]
    assert values.high.tolist() == [-6, -2]
    assert values.stride.tolist() == [1, 1]
