"""The integers fitted to a source's steps: the smallest that there are, or a table."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

from ohmbench.digital.importing import fitting
from ohmbench.digital.importing.crossings import (
    Crossings,
    crossings,
    source_crossings,
)
from ohmbench.digital.importing.fitting import S_LARGEST, fit_affine, fit_network, fit_step
from ohmbench.digital.importing.reachable import (
    Sums,
    input_values,
    reachable_sums,
)
from ohmbench.digital.integer import Affine, Meaning, Thresholds, infer
from tests.unit.import_sources import (
    LINE,
    Formula,
    by_list,
    column,
    every_input,
    half_even,
    layer,
    progressions,
    source,
    sums_of,
    weights,
)


def crossings_of(sums: Sums, lists: list[list[int]], lo: int, hi: int) -> Crossings:
    return crossings(by_list(sums, lists), sums, lo, hi)


def interval_of_R(
    sums: list[int], low: list[int], high: list[int], M: int, S: int, Z: int, lo: int, hi: int
) -> tuple[Fraction | float, Fraction | float]:
    """All R for which the clamped step lies between ``low`` and ``high`` at each sum."""
    least, most = -math.inf, math.inf
    for acc, a, b in zip(sums, low, high, strict=True):
        if a > lo:
            least = max(least, ((a - Z) << S) - M * acc)
        if b < hi:
            most = min(most, ((b + 1 - Z) << S) - 1 - M * acc)
    return least, most


def best(
    sums: list[int], low: list[int], high: list[int], S: int, Z: int, lo: int, hi: int
) -> int | None:
    """The M of least magnitude that leaves an R, by trying all."""
    rises = high[-1] >= high[0] and low[-1] >= low[0]
    for size in range((hi - lo + 1) << S):
        M = size if rises else -size
        least, most = interval_of_R(sums, low, high, M, S, Z, lo, hi)
        if least <= most:
            return M
    return None


@pytest.mark.parametrize("seed", range(150))
def test_the_smallest_numbers_are_found(seed: int) -> None:
    """Against a search through all S and M, with conditions per sum instead of per threshold."""
    rng = np.random.default_rng(seed)
    Z, lo, hi = int(rng.integers(-2, 3)), -1, int(rng.integers(0, 3))
    sums = sums_of(rng.integers(-9, 3, 2).tolist(), [1, 2], rng.integers(1, 7, 2).tolist())
    lists = []
    for n in sums.count.tolist():
        if rng.random() < 0.5:  # steps that are affine
            values = np.clip(
                np.floor(np.arange(n) * rng.uniform(-2, 2) + rng.uniform(-2, 2)), lo, hi
            )
        else:
            values = np.sort(rng.integers(lo, hi + 1, n))[:: rng.choice([-1, 1])]
        lists.append(values.astype(int).tolist())
    found = crossings_of(sums, lists, lo, hi)
    step = fit_affine(found, found, lo, Z=Z)
    chains = progressions(sums)
    searched = None
    for S in range(5):
        numbers = [best(a, v, v, S, Z, lo, hi) for a, v in zip(chains, lists, strict=True)]
        if None not in numbers:
            searched = S, numbers
            break
    if searched is None:
        assert step is None or step.S >= 5
        return
    assert step is not None
    assert (step.S, step.M.tolist()) == searched
    assert (step.Z, step.lo, step.hi) == (Z, lo, hi)
    for c, (chain, values) in enumerate(zip(chains, lists, strict=True)):
        acc = np.zeros((len(chain), 2), np.int64)
        acc[:, c] = chain
        assert step.apply(acc)[:, c].tolist() == values
        least, most = interval_of_R(chain, values, values, int(step.M[c]), step.S, Z, lo, hi)
        middle = most if least == -math.inf else least if most == math.inf else (least + most) // 2
        assert step.R[c] == middle


def is_affine(sums: list[int], values: list[int], lo: int, hi: int) -> bool:
    """Whether some real slope meets all pairs of conditions strictly: an interior, so an M."""
    least: Fraction | float = Fraction(0)
    most: Fraction | float = math.inf
    sign = 1 if values[-1] >= values[0] else -1
    for a, v in zip(sums, values, strict=True):  # v is reached at a
        for b, u in zip(sums, values, strict=True):  # u + 1 is missed at b
            if v == lo or u == hi:
                continue
            gap, need = sign * (a - b), v - (u + 1)
            if gap > 0:
                least = max(least, Fraction(need, gap))
            elif gap < 0:
                most = min(most, Fraction(need, gap))
            elif need >= 0:
                return False
    return least < most


def test_a_step_is_affine_exactly_if_its_conditions_have_an_interior() -> None:
    rng = np.random.default_rng(5)
    count = {True: 0, False: 0}
    for _ in range(400):
        sums = sums_of([int(rng.integers(-20, 5))], [int(rng.integers(1, 3))], [8])
        values = np.sort(rng.integers(0, 5, 8))[:: rng.choice([-1, 1])].tolist()
        found = crossings_of(sums, [values], 0, 4)
        step = fit_affine(found, found, 0)
        affine = is_affine(progressions(sums)[0], values, 0, 4)
        assert (step is not None) is affine
        count[affine] += 1
    assert min(count.values()) > 50


def test_channels_share_the_largest_shift_that_one_of_them_needs() -> None:
    sums = sums_of([0, 0], [1, 1], [7, 7])
    easy, hard = [0, 1, 2, 3, 4, 5, 6], [0, 0, 1, 1, 2, 3, 3]
    alone = [fit_affine(f, f, 0) for f in (crossings_of(sums, [v, v], 0, 6) for v in (easy, hard))]
    both = crossings_of(sums, [easy, hard], 0, 6)
    step = fit_affine(both, both, 0)
    assert step is not None
    assert alone[0] is not None
    assert alone[1] is not None
    assert (alone[0].S, step.S) == (0, alone[1].S)
    assert step.S > 0
    wrong = [0, 0, 0, 3, 3, 3, 6]  # no line crosses these
    one = crossings_of(sums, [easy, wrong], 0, 6)
    assert fit_affine(one, one, 0) is None


def narrow(D: int) -> tuple[Sums, Crossings]:
    """Thresholds of 0 and D for 1 and 2, missed one sum earlier: 1 / (D + 1) < slope < 1 / (D - 1)
    with a missed 3 at the end to narrow it: only slopes just above 1 / (D + 1).
    """
    sums = sums_of([-1], [1], [2 * D + 3])
    first = np.array([[1], [D + 2], [2 * D + 3]], np.int64)
    return sums, Crossings(sums, np.array([True]), first)


@pytest.mark.parametrize("D", [3, 10, 1000, 2**15])
def test_a_narrow_slope_needs_a_large_shift(D: int) -> None:
    """The smallest S by exact fractions: M / 2**S must leave an R of whole units."""
    sums, found = narrow(D)
    step = fit_affine(found, found, 0)
    assert step is not None
    last = int(sums.count[0]) - 2
    reached, missed = [(1, 0), (2, D + 1)], [(1, -1), (2, D), (3, last)]
    for S in range(41):
        least = max(
            [
                0,
                *(
                    -(-(((v - u) << S) + 1) // (a - b))
                    for v, a in reached
                    for u, b in missed
                    if a > b
                ),
            ]
        )
        tops = [(((v - u) << S) + 1) // (a - b) for v, a in reached for u, b in missed if a < b]
        if least <= min(tops):
            assert (step.S, int(step.M[0])) == (S, least)
            break
    else:
        pytest.fail("no S")


def test_shifts_end_at_40(monkeypatch: pytest.MonkeyPatch) -> None:
    """A step that needs the largest shift is fitted; one more bit gives a table."""
    assert S_LARGEST == 40
    _, found = narrow(1000)
    step = fit_affine(found, found, 0)
    assert step is not None
    monkeypatch.setattr(fitting, "S_LARGEST", step.S)
    again = fit_affine(found, found, 0)
    assert again is not None
    assert again.S == step.S
    monkeypatch.setattr(fitting, "S_LARGEST", step.S - 1)
    assert fit_affine(found, found, 0) is None


def test_products_stay_in_int64() -> None:
    """``largest_sum`` bounds the sums that the step may meet; M times it stays within 2**61."""
    sums = sums_of([0, 0], [1, 1], [10, 10])
    values = [min(3 * i, 20) for i in range(10)]
    found = crossings_of(sums, [values, values], 0, 20)
    step = fit_affine(found, found, 0)
    assert step is not None
    assert (step.S, step.M.tolist()) == (0, [3, 3])
    most = 2**61 // 3 - 1
    assert fit_affine(found, found, 0, largest_sum=column(most, 0)) is not None
    assert fit_affine(found, found, 0, largest_sum=column(0, most + 1)) is None
    assert fit_affine(found, found, 0, largest_sum=column(most + 1, 0)) is None


@pytest.mark.parametrize("low", [-(2**60), 0])
def test_without_a_bound_the_sums_themselves_stay_in_int64(low: int) -> None:
    """A jump of three needs M = 3, and 3 * 2**60 is too much, whichever end is far from 0."""
    for size, fits in ((2**60, False), (2**59, True)):
        sums = sums_of([-size if low else 0], [1], [size + 1])
        found = Crossings(sums, np.array([True]), np.full((3, 1), 5))
        assert (fit_affine(found, found, 0) is not None) is fits


def test_the_bound_holds_for_both_ways_to_fit() -> None:
    """A table if M = 1 is too much, decided or not."""
    for apart in (0, 2):
        ends = Formula(
            lambda acc: np.clip(acc, 0, 9), lambda acc, by=apart: np.clip(acc + by, 0, 9)
        )
        given = source(layer(LINE, ends, 0, 9), lo=0, hi=20)
        found = source_crossings(given, 0, reachable_sums(LINE, input_values(given)))
        assert isinstance(fit_step(given.layers[0], found, column(2**61 - 1)), Affine)
        assert isinstance(fit_step(given.layers[0], found, column(2**61)), Thresholds)


def test_a_channel_that_outgrows_int64_at_the_shared_shift_gives_a_table() -> None:
    sums = sums_of([0, 0], [1, 1], [7, 7])
    both = crossings_of(sums, [[0, 1, 2, 3, 4, 5, 6], [0, 0, 1, 1, 2, 3, 3]], 0, 6)
    step = fit_affine(both, both, 0)
    assert step is not None
    M = int(step.M[0])
    assert M > 1
    assert fit_affine(both, both, 0, largest_sum=column(2**61 // M - 1, 0)) is not None
    assert fit_affine(both, both, 0, largest_sum=column(2**61 // M + 2**50, 0)) is None


def fitted(step: Formula, lo: int, hi: int, top: int, **settings: object) -> Affine | Thresholds:
    given = source(layer(LINE, step, lo, hi, **settings), lo=0, hi=top)  # type: ignore[arg-type]
    found = fit_network(given).layers[0].step
    assert isinstance(found, Affine | Thresholds)
    return found


@pytest.mark.parametrize("falls", [False, True])
def test_a_table_where_no_line_crosses_the_levels(falls: bool) -> None:
    values = [0, 0, 0, 3, 3, 3, 6]
    values = values[::-1] if falls else values
    step = fitted(Formula(lambda acc: np.array(values)[acc]), 0, 7, 6)
    assert isinstance(step, Thresholds)
    assert step.sign.tolist() == [-1 if falls else 1]
    reached = [3, 3, 3, 6, 6, 6]
    assert step.table[0].tolist() == [
        *([r - 6 for r in reached] if falls else reached),
        1 + 6 * (not falls),
    ]
    assert step.apply(np.arange(7)[:, None])[:, 0].tolist() == values


def test_undecided_steps_go_through_the_middle() -> None:
    ends = Formula(lambda acc: np.clip(acc - 4, 0, 5), lambda acc: np.clip(acc - 2, 0, 5))
    step = fitted(ends, 0, 5, 12)
    assert step.apply(np.arange(13)[:, None])[:, 0].tolist() == [0] * 4 + [
        1,
        2,
        3,
        4,
        5,
        5,
        5,
        5,
        5,
    ]
    assert isinstance(step, Affine)


def test_the_middle_comes_before_smaller_numbers() -> None:
    low, high = [1, 2, 2, 3, 3, 5, 5, 5], [1, 2, 2, 4, 4, 6, 6, 6]
    sums = sums_of([0], [1], [8])
    early, late = (crossings_of(sums, [v], 0, 6) for v in (high, low))
    middle = Crossings(sums, late.rising, (early.first + late.first) // 2)
    wide, exact = fit_affine(early, late, 0), fit_affine(middle, middle, 0)
    assert wide is not None
    assert exact is not None
    assert wide.S < exact.S
    ends = Formula(lambda acc: np.array(low)[acc], lambda acc: np.array(high)[acc])
    step = fitted(ends, 0, 6, 7)
    assert isinstance(step, Affine)
    assert (step.S, step.M.tolist(), step.R.tolist()) == (
        exact.S,
        exact.M.tolist(),
        exact.R.tolist(),
    )


def test_undecided_steps_go_beside_the_middle_rather_than_by_a_table() -> None:
    low, high = [0, 1, 2, 2, 2, 2, 3, 3], [0, 2, 2, 3, 3, 3, 3, 3]
    sums = sums_of([0], [1], [8])
    early, late = (crossings_of(sums, [v], 0, 3) for v in (high, low))
    middle = Crossings(sums, late.rising, (early.first + late.first) // 2)
    assert fit_affine(middle, middle, 0) is None
    ends = Formula(lambda acc: np.array(low)[acc], lambda acc: np.array(high)[acc])
    step = fitted(ends, 0, 3, 7, meaning=Meaning.of(1.0, 2))
    assert isinstance(step, Affine)
    assert step.Z == 2
    found = step.apply(np.arange(8)[:, None])[:, 0]
    assert (found >= low).all()
    assert (found <= high).all()


def test_undecided_steps_that_no_line_crosses_get_the_middle_as_a_table() -> None:
    low, high = [0, 0, 0, 3, 3, 3, 3, 6], [0, 0, 0, 3, 3, 3, 6, 6]
    ends = Formula(lambda acc: np.array(low)[acc], lambda acc: np.array(high)[acc])
    step = fitted(ends, 0, 6, 7)
    assert isinstance(step, Thresholds)
    assert step.table[0].tolist() == [3, 3, 3, 6, 6, 6]


@pytest.mark.parametrize(
    ("meaning", "Z"),
    [
        (Meaning.of(0.5, -3), -3),
        (Meaning.of(0.1, 9), 9),
        (Meaning.of(0.1, -9), -9),
        (Meaning.of(0.1, 10), 0),
        (Meaning.of(0.1, -10), 0),
        (Meaning(np.array([1.0, 1.0]), np.array([-2.0, -3.0])), 0),
        (Meaning(np.array([1.0, 1.0]), np.array([-2.0, -2.0])), 2),
    ],
)
def test_the_zero_point_is_the_meanings(meaning: Meaning, Z: int) -> None:
    weight = np.array([[1], [-1]], np.int8)
    given = source(layer(weight, half_even(0.7, 2, -9, 9), -9, 9, meaning=meaning), lo=0, hi=20)
    network = fit_network(given)
    step = network.layers[0].step
    assert isinstance(step, Affine)
    assert step.Z == Z
    acc = np.stack([np.arange(21), -np.arange(21)], axis=1)
    assert np.array_equal(step.apply(acc), half_even(0.7, 2, -9, 9)(acc))
    assert network.layers[0].meaning is meaning


def test_real_outputs_keep_their_sums() -> None:
    rng = np.random.default_rng(3)
    bias = column(5, -7)
    real = Meaning.of(0.25)
    given = source(
        layer(weights(rng, 3, 2, 3), half_even(0.3, 0, 0, 7), 0, 7, bits=3),
        layer(
            weights(rng, 2, 3),
            lambda acc: (acc + bias).astype(np.float32) / 4,
            None,
            None,
            bias=bias,
            meaning=real,
        ),
        lo=0,
        hi=3,
    )
    network = fit_network(given)
    assert network.input is given.input
    assert [one.bits for one in network.layers] == [3, 8]
    step = network.layers[1].step
    assert isinstance(step, Affine)
    assert (step.M.tolist(), step.R.tolist(), step.S) == ([1, 1], [5, -7], 0)
    assert step.lo is None
    x = every_input(network)
    h = half_even(0.3, 0, 0, 7)(x @ given.layers[0].weight.T.astype(np.int64))
    found = infer(network, x)
    assert np.array_equal(found.outputs, h @ given.layers[1].weight.T.astype(np.int64) + bias)
    assert network.layers[1].meaning is real


def test_a_layer_is_fitted_over_what_the_one_before_it_can_produce() -> None:
    """Only sums of 0, 4, 8, 12 reach layer 1; its step is a line over these alone."""
    uneven = Formula(lambda acc: np.array([0, 1, 1, 1, 1, 1, 1, 1, 2, 3, 3, 3, 3])[acc])
    assert isinstance(fitted(uneven, 0, 4, 12), Thresholds)
    first = layer(LINE, lambda acc: 4 * np.clip(acc, 0, 3), 0, 12)
    step = fit_network(source(first, layer(LINE, uneven, 0, 4), lo=0, hi=3)).layers[1].step
    assert isinstance(step, Affine)
    assert step.apply(column(0, 4, 8, 12)[:, None])[:, 0].tolist() == [0, 1, 2, 3]


def test_the_products_of_a_later_layer_allow_for_every_value_of_the_format() -> None:
    """The network's own check takes each layer's lo to hi, not only what is reached."""
    seen = []
    real = fitting.fit_step

    def fit(*args: object) -> object:
        seen.append(args[2].tolist())  # type: ignore[attr-defined]
        return real(*args)  # type: ignore[arg-type]

    weight = np.array([[3, -2]], np.int8)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fitting, "fit_step", fit)
        fit_network(
            source(
                layer(np.ones((2, 1), np.int8), lambda a: np.clip(a, 0, 4), -3, 10),
                layer(weight, lambda a: np.clip(a, 0, 4), 0, 4),
                lo=-5,
                hi=4,
            )
        )
    assert seen == [[5, 5], [3 * 10 + 2 * 3]]


def test_fit_step_without_a_bound_takes_the_sums_own() -> None:
    given = source(layer(LINE, lambda acc: np.clip(acc, 0, 9), 0, 9), lo=-20, hi=20)
    found = source_crossings(given, 0, reachable_sums(LINE, input_values(given)))
    step = fit_step(given.layers[0], found)
    assert isinstance(step, Affine)
    assert (step.M.tolist(), step.R.tolist(), step.S) == ([1], [0], 0)
