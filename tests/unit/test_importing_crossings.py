"""Where the steps behind sums cross their levels, and which steps are refused."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from ohmbench.digital.importing import crossings as subject
from ohmbench.digital.importing.crossings import (
    EXHAUSTIVE,
    SAMPLED,
    SourceCrossings,
    crossings,
    segments,
    source_crossings,
)
from ohmbench.digital.importing.imported import import_source
from ohmbench.digital.importing.reachable import (
    Sums,
    input_values,
    reachable_sums,
)
from ohmbench.digital.importing.source import Source
from ohmbench.errors import FileError
from tests.unit.import_sources import (
    LINE,
    Formula,
    by_list,
    layer,
    source,
    sums_of,
)


def steps(
    rng: np.random.Generator, sums: Sums, lo: int, hi: int
) -> tuple[Formula, list[list[int]]]:
    """A random monotone step of each channel, as a function and as lists."""
    lists = []
    for n in sums.count.tolist():
        values = np.sort(rng.integers(lo, hi + 1, n))
        lists.append((values[::-1] if rng.random() < 0.5 else values).tolist())
    return Formula(by_list(sums, lists)), lists


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


def found_crossings(
    low: Formula | Callable[..., NDArray[np.int64]], lo: int, hi: int, top: int
) -> SourceCrossings:
    """Crossings of one channel whose sums are the inputs 0 to ``top``."""
    given = source(layer(LINE, low, lo, hi, name="Gemm_3"), lo=0, hi=top)
    return source_crossings(given, 0, reachable_sums(LINE, input_values(given)))


def test_both_ends_of_a_source_are_found() -> None:
    ends = Formula(lambda acc: np.clip(acc - 3, 0, 9), lambda acc: np.clip(acc - 1, 0, 9))
    found = found_crossings(ends, 0, 9, 20)
    assert found.late.first[:, 0].tolist() == list(range(4, 13))
    assert found.early.first[:, 0].tolist() == list(range(2, 11))


def test_ends_may_differ_at_the_first_and_the_last_sum_alone() -> None:
    for undecided in (0, 20):
        ends = Formula(
            lambda acc: np.full_like(acc, 3) + (acc > 20),
            lambda acc, u=undecided: np.where(acc == u, 4, 3) if u else np.full_like(acc, 3),
        )
        found = found_crossings(ends, 0, 9, 20)
        expected = 20 if undecided else 21
        assert found.early.first[3, 0] == expected
    falls = Formula(lambda acc: np.full_like(acc, 3), lambda acc: np.where(acc == 0, 4, 3))
    found = found_crossings(falls, 0, 9, 20)
    assert not found.early.rising[0]
    assert found.early.first[3, 0] == 20
    assert found.early.breaks[3, 0] == 1
    assert found.late.first[3, 0] == 21


def test_a_decided_source_has_one_set_of_crossings() -> None:
    found = found_crossings(lambda acc: np.clip(acc, 0, 9), 0, 9, 20)
    assert found.early is found.late


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
    """Only a complete enumeration is sure to find one wrong sum between two far thresholds."""
    for count, complete in ((EXHAUSTIVE, True), (EXHAUSTIVE + 1, False)):
        seen: set[int] = set()

        def values(acc: NDArray[np.int64], seen: set[int] = seen) -> NDArray[np.int64]:
            seen.update(acc[:, 0].tolist())
            assert len(acc) <= SAMPLED
            return np.zeros_like(acc)

        found_crossings(values, 0, 1, count - 1)
        assert (len(seen) == count) is complete
        assert len(seen) > SAMPLED / 2
        assert {0, count - 1} <= seen


def test_the_sums_beside_each_threshold_are_evaluated() -> None:
    """Among 2**26 sums, both sides of every threshold of either end."""
    seen: set[int] = set()

    def end(by: int) -> Callable[..., NDArray[np.int64]]:
        def values(acc: NDArray[np.int64]) -> NDArray[np.int64]:
            seen.update(acc[:, 0].tolist())
            return np.clip((acc + by) >> 20, 0, 3)

        return values

    given = source(layer(LINE, Formula(end(0), end(9)), 0, 3), lo=0, hi=9)
    sums = sums_of([0], [1], [2**26])
    before = source_crossings(given, 0, sums)
    seen.clear()
    subject._check_values(given, 0, 0, 3, before)
    for k in (1, 2, 3):
        for by in (0, 9):
            assert {(k << 20) - by - 1, (k << 20) - by} <= seen
    assert {0, 2**26 - 1} <= seen


@pytest.mark.parametrize("block", [1, 6, 7, 2**18])
def test_blocks_of_levels_bound_what_is_evaluated(
    block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(block)
    sums = sums_of([-7, 3, 0], [2, 1, 5], [40, 20, 30])
    formula, lists = steps(rng, sums, -2, 9)
    most = 0

    def values(acc: NDArray[np.int64]) -> NDArray[np.int64]:
        nonlocal most
        most = max(most, len(acc))
        return formula.low(acc)

    monkeypatch.setattr(subject, "BLOCK", block)
    found = crossings(values, sums, -2, 9)
    assert most == max(2, min(block // 3, 11))
    for c, column in enumerate(lists):
        ordered = sorted(column)
        expected = [int(np.searchsorted(ordered, level)) for level in range(-1, 10)]
        assert found.first[:, c].tolist() == expected


def wide(*sizes: int) -> Source:
    """Layers of these sizes whose steps give 8 bits, none of which may be evaluated."""

    def never(acc: NDArray[np.int64]) -> NDArray[np.int64]:
        raise AssertionError

    pairs = itertools.pairwise(sizes)
    return source(*(layer(np.zeros((c, i), np.int8), never) for i, c in pairs))


def test_a_source_too_large_to_prove_is_refused_before_it_is_evaluated() -> None:
    # The layers count together: 16448 of them times 255 are just below 2**22, and one more is not.
    for k, sizes in enumerate([(1, 65536, 2), (1, 16000, 449), (1, 8000, 2, 8447)]):
        given = wide(*sizes)
        with pytest.raises(FileError, match=r"^net\.onnx: its channels have \d+ steps") as refused:
            source_crossings(given, 0, sums_of([0], [1], [4]))
        assert "\n" not in str(refused.value)
        with pytest.raises(FileError, match="too many to prove"):
            import_source(given)
        assert (f" {16449 * 255} steps" in str(refused.value)) is (k > 0)


@pytest.mark.parametrize(
    "sizes",
    [(1, 16448), (784, 1024, 1024, 10), (640, 128, 128, 128, 128, 8, 128, 128, 128, 128, 640)],
)
def test_sources_of_usual_sizes_are_not_refused(sizes: tuple[int, ...]) -> None:
    subject._check_size(wide(*sizes))


def test_real_outputs_have_no_steps_to_count() -> None:
    subject._check_size(source(layer(np.zeros((65536, 1), np.int8), np.float32, None, None)))
