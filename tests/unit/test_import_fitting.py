"""Sums that inputs can reach, where steps cross their levels, and the integers fitted to them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest
from numpy.typing import NDArray

from ohmbench.digital.importing import fitting
from ohmbench.digital.importing.crossings import (
    EXHAUSTIVE,
    Crossings,
    crossings,
    segments,
    source_crossings,
)
from ohmbench.digital.importing.fitting import S_LARGEST, fit_affine, fit_network, fit_step
from ohmbench.digital.importing.reachable import (
    Sums,
    Values,
    input_values,
    produced,
    reachable_sums,
)
from ohmbench.digital.integer import Affine, InputFormat, Meaning, Thresholds, infer
from ohmbench.errors import FileError
from tests.unit.import_sources import (
    Formula,
    every_input,
    half_even,
    layer,
    progression,
    source,
    weights,
)


def column(*values: int) -> NDArray[np.int64]:
    return np.array(values, np.int64)


def progressions(sums: Sums) -> list[list[int]]:
    return [
        [int(a + g * i) for i in range(n)]
        for a, g, n in zip(sums.low, sums.stride, sums.count, strict=True)
    ]


# ------------------------------------------------------------------------------------------------
# Reachable sums


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
    low, high = np.array([[0, 5], [2, 5], [9, 9]]), np.array([[0, 7], [3, 5], [9, 9]])
    used = np.array([[True, True], [True, False], [False, False]])
    values = produced(low, high, used)
    found = [(np.flatnonzero(row) + values.first).tolist() for row in values.present]
    assert found == [[0, 2, 3], [5, 6, 7]]


# ------------------------------------------------------------------------------------------------
# Crossings


def sums_of(low: list[int], stride: list[int], count: list[int]) -> Sums:
    return Sums(column(*low), column(*stride), column(*count))


def steps(
    rng: np.random.Generator, sums: Sums, lo: int, hi: int
) -> tuple[Formula, list[list[int]]]:
    """A random monotone step of each channel, as a function and as lists."""
    lists = []
    for n in sums.count.tolist():
        values = np.sort(rng.integers(lo, hi + 1, n))
        lists.append((values[::-1] if rng.random() < 0.5 else values).tolist())
    return Formula(by_list(sums, lists)), lists


def by_list(sums: Sums, lists: list[list[int]]) -> Callable[[NDArray[np.int64]], NDArray[np.int64]]:
    """The function of sums that these lists state, an error at any other sum."""

    def values(acc: NDArray[np.int64]) -> NDArray[np.int64]:
        index, rest = np.divmod(acc - sums.low, sums.stride)
        assert not rest.any()
        assert (index >= 0).all()
        columns = [np.array(one)[index[:, c]] for c, one in enumerate(lists)]
        return np.stack(columns, axis=1).astype(np.int64)

    return values


@pytest.mark.parametrize("seed", range(60))
def test_crossings_by_enumeration(seed: int) -> None:
    rng = np.random.default_rng(seed)
    sums = sums_of([-7, 3, 0], [2, 1, 5], rng.integers(1, 12, 3).tolist())
    formula, lists = steps(rng, sums, -2, 2)
    found = crossings(formula.low, sums, -2, 2)
    for c, values in enumerate(lists):
        rises = values[-1] >= values[0]
        assert bool(found.rising[c]) is rises
        ordered = values if rises else values[::-1]
        for k, level in enumerate(range(-1, 3)):
            expected = next((i for i, v in enumerate(ordered) if v >= level), len(values))
            assert found.first[k, c] == expected
    runs = segments(sums, found)
    assert runs.length.sum(axis=0).tolist() == sums.count.tolist()
    low, high = formula.low(runs.first), formula.low(runs.last)
    assert np.array_equal(low, high)
    # Runs are the longest: neighbours differ.
    for c in range(3):
        kept = low[runs.length[:, c] > 0, c]
        assert (np.diff(kept) != 0).all()


def test_levels_outside_the_values_are_never_or_always_reached() -> None:
    sums = sums_of([0], [1], [4])
    found = crossings(by_list(sums, [[3, 3, 4, 4]]), sums, 1, 6)
    assert found.first[:, 0].tolist() == [0, 0, 2, 4, 4]
    assert found.breaks[:, 0].tolist() == [0, 0, 2, 4, 4]
    falls = crossings(by_list(sums, [[4, 4, 4, 3]]), sums, 1, 6)
    assert falls.first[:, 0].tolist() == [0, 0, 1, 4, 4]
    assert falls.breaks[:, 0].tolist() == [4, 4, 3, 0, 0]


def test_bisection_evaluates_few_rows() -> None:
    rows = []

    def values(acc: NDArray[np.int64]) -> NDArray[np.int64]:
        rows.append(len(acc))
        return np.clip(acc >> 20, 0, 3)

    sums = sums_of([0], [1], [2**26])
    found = crossings(values, sums, 0, 3)
    assert found.first[:, 0].tolist() == [2**20, 2**21, 3 * 2**20]
    assert len(rows) <= 1 + 27
    assert sum(rows) <= 2 + 3 * 27


LINE = np.ones((1, 1), np.int8)


def with_step(
    low: Formula | Callable[..., NDArray[np.int64]], lo: int, hi: int, top: int
) -> object:
    """Crossings of one channel whose sums are the inputs 0 to ``top``."""
    given = source(layer(LINE, low, lo, hi, name="Gemm_3"), lo=0, hi=top)
    return source_crossings(given, 0, reachable_sums(LINE, input_values(given)))


def test_both_ends_of_a_source_are_found() -> None:
    ends = Formula(lambda acc: np.clip(acc - 3, 0, 9), lambda acc: np.clip(acc - 1, 0, 9))
    found = with_step(ends, 0, 9, 20)
    assert found.late.first[:, 0].tolist() == list(range(4, 13))  # type: ignore[attr-defined]
    assert found.early.first[:, 0].tolist() == list(range(2, 11))  # type: ignore[attr-defined]


def test_ends_may_differ_at_the_first_and_the_last_sum_alone() -> None:
    for undecided in (0, 20):
        ends = Formula(
            lambda acc: np.full_like(acc, 3) + (acc > 20),
            lambda acc, u=undecided: np.where(acc == u, 4, 3) if u else np.full_like(acc, 3),
        )
        found = with_step(ends, 0, 9, 20)
        expected = 20 if undecided else 21
        assert found.early.first[3, 0] == expected  # type: ignore[attr-defined]
    falls = Formula(lambda acc: np.full_like(acc, 3), lambda acc: np.where(acc == 0, 4, 3))
    found = with_step(falls, 0, 9, 20)
    assert not found.early.rising[0]  # type: ignore[attr-defined]
    assert found.early.first[3, 0] == 20  # type: ignore[attr-defined]
    assert found.early.breaks[3, 0] == 1  # type: ignore[attr-defined]
    assert found.late.first[3, 0] == 21  # type: ignore[attr-defined]


def test_a_decided_source_has_one_set_of_crossings() -> None:
    found = with_step(lambda acc: np.clip(acc, 0, 9), 0, 9, 20)
    assert found.early is found.late  # type: ignore[attr-defined]


def bump(acc: NDArray[np.int64]) -> NDArray[np.int64]:
    """Rises, but for one sum."""
    return np.where(acc == 5, 0, np.clip(acc, 0, 9))


WRONG = {
    "falls at a sum": (bump, 9, "rise or fall throughout"),
    "falls after a rise": (lambda a: np.where(a < 5, a, 9 - a).clip(0), 9, "rise or fall"),
    "above": (lambda a: np.clip(a, 0, 10), 20, "leaves its range 0 to 9"),
    "below": (lambda a: np.clip(a - 3, -1, 9), 20, "leaves its range 0 to 9"),
    "ends crossed": (
        Formula(lambda a: np.clip(a, 0, 9), lambda a: np.clip(a - 1, 0, 9)),
        20,
        "leaves its range 0 to 9",
    ),
    "one end rises, one falls": (
        Formula(lambda a: (a > 3).astype(np.int64), lambda a: 9 - (a > 3).astype(np.int64)),
        9,
        "rise or fall throughout",
    ),
    "one end falls, one rises": (
        Formula(lambda a: 1 - (a > 3).astype(np.int64), lambda a: 8 + (a > 3).astype(np.int64)),
        9,
        "rise or fall throughout",
    ),
    "the upper end falls at a sum": (
        Formula(lambda a: np.zeros_like(a), lambda a: np.where(a == 5, 2, np.clip(a, 0, 9))),
        9,
        "rise or fall throughout",
    ),
    "many sums, at a threshold": (
        lambda a: np.where(a == 2**19, 3, (a >= 2**19 - 1) * 5 + (a > 2**19)),
        2**20 - 1,
        "rise or fall throughout",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_steps_are_refused(name: str) -> None:
    step, top, problem = WRONG[name]
    weight = np.array([[1], [1]], np.int8)

    def second(end: Callable[..., NDArray[np.int64]]) -> Callable[..., NDArray[np.int64]]:
        return lambda acc: np.concatenate(
            [np.clip(acc[:, :1], 0, 9), np.asarray(end(acc[:, 1:]), np.int64)], axis=1
        )

    if isinstance(step, Formula):
        assert step.high is not None
        both = Formula(second(step.low), second(step.high))
    else:
        both = Formula(second(step))
    given = source(layer(weight, both, 0, 9, name="Gemm_3"), lo=0, hi=min(top, 65535))
    sums = reachable_sums(weight, input_values(given))
    sums = Sums(sums.low, sums.stride, np.full_like(sums.count, top + 1))
    with pytest.raises(FileError, match=r"net\.onnx: Gemm_3: .*layer 0, channel 1,") as refused:
        source_crossings(given, 0, sums)
    assert problem in str(refused.value)
    assert "\n" not in str(refused.value)


def test_up_to_a_limit_every_sum_is_evaluated() -> None:
    """Between two far thresholds only a complete enumeration is sure to find one wrong sum."""
    for count, complete in ((EXHAUSTIVE, True), (EXHAUSTIVE + 1, False)):
        seen: set[int] = set()

        def values(acc: NDArray[np.int64], seen: set[int] = seen) -> NDArray[np.int64]:
            seen.update(acc[:, 0].tolist())
            return np.zeros_like(acc)

        with_step(values, 0, 1, count - 1)
        assert (len(seen) == count) is complete
        assert {0, count - 1} <= seen


# ------------------------------------------------------------------------------------------------
# Fitting


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
    most = 2**61 // 3
    assert fit_affine(found, found, 0, largest_sum=column(most, 0)) is not None
    assert fit_affine(found, found, 0, largest_sum=column(0, most + 1)) is None
    assert fit_affine(found, found, 0, largest_sum=column(most + 1, 0)) is None


def test_a_channel_that_outgrows_int64_at_the_shared_shift_gives_a_table() -> None:
    sums = sums_of([0, 0], [1, 1], [7, 7])
    both = crossings_of(sums, [[0, 1, 2, 3, 4, 5, 6], [0, 0, 1, 1, 2, 3, 3]], 0, 6)
    step = fit_affine(both, both, 0)
    assert step is not None
    M = int(step.M[0])
    assert M > 1
    assert fit_affine(both, both, 0, largest_sum=column(2**61 // M, 0)) is not None
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


def test_undecided_steps_go_beside_the_middle_rather_than_by_a_table() -> None:
    low, high = [0, 1, 2, 2, 2, 2, 3, 3], [0, 2, 2, 3, 3, 3, 3, 3]
    sums = sums_of([0], [1], [8])
    early, late = (crossings_of(sums, [v], 0, 3) for v in (high, low))
    middle = Crossings(sums, late.rising, (early.first + late.first) // 2)
    assert fit_affine(middle, middle, 0) is None
    ends = Formula(lambda acc: np.array(low)[acc], lambda acc: np.array(high)[acc])
    step = fitted(ends, 0, 3, 7)
    assert isinstance(step, Affine)
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
