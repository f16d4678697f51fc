"""The proof of an import: its verdict is what enumeration of all sums and inputs finds."""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ohmbench.digital.importing.fitting import fit_network
from ohmbench.digital.importing.imported import import_source
from ohmbench.digital.importing.proof import prove_import
from ohmbench.digital.importing.source import Source
from ohmbench.digital.importing.verdict import EXACT, Verdict
from ohmbench.digital.integer import (
    Affine,
    InputFormat,
    IntegerNetwork,
    Layer,
    Meaning,
    Step,
    Thresholds,
    infer,
)
from ohmbench.errors import FileError
from tests.unit.import_sources import (
    Formula,
    assert_enumerated,
    every_input,
    half_even,
    layer,
    source,
    weights,
)


def random_source(rng: np.random.Generator, *, undecided: bool) -> Source:
    """Two layers of steps that round a real line or curve, both ends apart in some cases."""
    layers = []
    sizes = rng.integers(1, 4, 3).tolist()
    for i, o in itertools.pairwise(sizes):
        scale, shift = rng.normal(0, 0.4, o), rng.normal(0, 2, o)
        apart = 0.2 * rng.random() if undecided else 0.0
        lo, hi = -int(rng.integers(0, 4)), int(rng.integers(1, 4))
        bend = rng.choice([1.0, 0.5, 2.0])  # a table where the levels lie on no line

        def end(
            acc: NDArray[np.int64], by: float, given: Any = (scale, shift, bend, lo, hi)
        ) -> NDArray[np.int64]:
            scale, shift, bend, lo, hi = given
            line = acc * scale + shift
            bent = np.sign(line) * np.abs(line) ** bend
            return np.clip(np.rint(bent + by), lo, hi).astype(np.int64)

        step = Formula(
            lambda acc, end=end: end(acc, 0.0), lambda acc, end=end, by=apart: end(acc, by)
        )
        layers.append(layer(weights(rng, o, i, int(rng.integers(1, 4))), step, lo, hi))
    return source(*layers, lo=-int(rng.integers(0, 3)), hi=int(rng.integers(1, 4)))


def perturbed(rng: np.random.Generator, network: IntegerNetwork) -> IntegerNetwork:
    """The network with some numbers of a step changed."""
    layers = list(network.layers)
    k = int(rng.integers(len(layers)))
    step: Step = layers[k].step
    if isinstance(step, Affine):
        change: dict[str, Any] = [
            {"M": step.M + rng.integers(-1, 2, step.channels)},
            {"M": -step.M},
            {"R": step.R + (rng.integers(-2, 3, step.channels) << max(step.S - 1, 0))},
            {"Z": step.Z + int(rng.integers(-1, 2))},
            {"S": max(step.S + int(rng.integers(-1, 2)), 0)},
            {"hi": int(step.hi or 0) + 1},
            {"lo": int(step.lo or 0) - 1},
        ][int(rng.integers(7))]
    else:
        change = [{"table": step.table + int(rng.integers(-1, 2))}, {"lo": step.lo - 1}][
            int(rng.integers(2))
        ]
    layers[k] = dataclasses.replace(layers[k], step=dataclasses.replace(step, **change))
    return IntegerNetwork(network.input, tuple(layers))


def run_source(given: Source, x: NDArray[np.int64]) -> NDArray[np.int64]:
    """The values of a decided source for inputs (n, inputs)."""
    h = x
    for one in given.layers:
        h = one.step.bounds(h @ one.weight.T.astype(np.int64))[0]
    return h


@pytest.mark.parametrize("undecided", [False, True])
def test_the_counts_are_those_of_enumeration(undecided: bool) -> None:
    rng = np.random.default_rng(16 + undecided)
    seen = {True: 0, False: 0}
    for _ in range(300):
        given = random_source(rng, undecided=undecided)
        network = perturbed(rng, fit_network(given))
        verdict = prove_import(given, network)
        assert_enumerated(verdict, given, network)
        seen[verdict.differs] += 1
    assert min(seen.values()) > 50


def test_imports_of_monotone_steps_never_differ() -> None:
    rng = np.random.default_rng(8)
    kinds = set()
    for i in range(300):
        given = random_source(rng, undecided=i % 2 == 0)
        imported = import_source(given)
        assert imported.source is given
        assert not imported.verdict.differs
        assert imported.verdict.exact is all(one.decided for one in imported.verdict.layers)
        assert_enumerated(imported.verdict, given, imported.network)
        kinds |= {type(one.step) for one in imported.network.layers}
    assert kinds == {Affine, Thresholds}


def test_exact_means_that_every_input_gives_the_same_integers() -> None:
    """Run through all inputs; one layer whose sums all exist differs exactly if an input does."""
    rng = np.random.default_rng(2)
    seen = {True: 0, False: 0}
    for _ in range(300):
        given = random_source(rng, undecided=False)
        network = perturbed(rng, fit_network(given))
        exact = prove_import(given, network).exact
        x = every_input(network)
        equal = np.array_equal(run_source(given, x), infer(network, x).outputs)
        if exact:
            assert equal
        seen[exact] += 1
    assert min(seen.values()) > 50
    for _ in range(300):
        two = random_source(rng, undecided=False)
        wanted = dataclasses.replace(two.layers[0], weight=np.ones_like(two.layers[0].weight))
        given = dataclasses.replace(two, layers=(wanted,))
        network = perturbed(rng, fit_network(given))
        x = every_input(network)
        equal = np.array_equal(run_source(given, x), infer(network, x).outputs)
        assert prove_import(given, network).exact is equal


def test_the_fitted_numbers_are_tight_enough_to_notice_one_off() -> None:
    """M, R and S of an affine source, each changed by one in the network itself."""
    M, R = np.array([181, 77]), np.array([128, -300])
    step = Affine(M, R, 8, 3, -128, 127)
    weight = np.array([[1, 1], [1, -1]], np.int8)
    given = source(layer(weight, step.apply, -128, 127), lo=-128, hi=127)

    def verdict(**change: Any) -> Verdict:
        changed = dataclasses.replace(step, **change)
        network = IntegerNetwork(given.input, (Layer(weight, changed),))
        found = prove_import(given, network)
        assert_enumerated(found, given, network)
        return found

    assert verdict().exact
    for sign in (1, -1):
        for c in (0, 1):
            one = np.eye(2, dtype=np.int64)[c] * sign
            for change in ({"M": M + one}, {"R": R + one}):
                wrong = verdict(**change).layers[0].differing
                assert np.flatnonzero(wrong).tolist() == [c]
        assert verdict(S=8 + sign).layers[0].differing.all()
        assert verdict(Z=3 + sign).layers[0].differing.all()
    assert verdict(lo=-127).layers[0].largest.tolist() == [1, 0]
    assert verdict(hi=126).layers[0].largest.tolist() == [1, 0]


def test_counting_takes_no_enumeration() -> None:
    """2**26 sums in a few hundred evaluations, with the counts that arithmetic gives."""
    rows = 0

    def values(acc: NDArray[np.int64]) -> NDArray[np.int64]:
        nonlocal rows
        rows += len(acc)
        return np.clip(acc >> 10, 0, 255)

    weight = np.full((1, 2**10), 1, np.int8)
    given = source(layer(weight, values, 0, 255), lo=0, hi=65535)
    step = Affine(np.array([1]), np.array([1]), 10, 0, 0, 255)
    verdict = prove_import(given, IntegerNetwork(given.input, (Layer(weight, step),)))
    assert verdict.layers[0].reachable.tolist() == [2**10 * 65535 + 1]
    assert verdict.layers[0].differing.tolist() == [255]
    assert verdict.line == (
        "not exact: 255 of 67 107 841 reachable accumulators of layer 0 differ by at most 1; "
        "first: layer 0, channel 0, accumulator 1023: 1, but the source gives 0"
    )
    assert rows < 30_000


def test_layers_behind_one_that_differs_meet_the_sums_of_both() -> None:
    line = np.ones((1, 1), np.int8)
    given = source(
        layer(line, lambda acc: np.clip(acc, 0, 3), 0, 9),
        layer(line, lambda acc: np.clip(acc, 0, 9), 0, 9),
        lo=0,
        hi=5,
    )
    zero = np.array([0])
    network = IntegerNetwork(
        given.input,
        (
            Layer(line, Affine(np.array([2]), zero, 0, 0, 0, 9)),
            Layer(line, Affine(np.array([1]), zero, 0, 0, 0, 7)),
        ),
    )
    verdict = prove_import(given, network)
    assert_enumerated(verdict, given, network)
    # 0, 1, 2, 3 of the source and 0, 2, 4, 6, 8, 9 of the network: 8 and 9 differ in layer 1.
    assert verdict.layers[1].differing.tolist() == [2]
    assert verdict.line == (
        "not exact: 5 of 6 reachable accumulators of layer 0 differ by at most 6; first: layer 0, "
        "channel 0, accumulator 1: 2, but the source gives 1 (layers that differ as well: 1)"
    )


@pytest.mark.parametrize(("M", "R"), [(1, 0), (1, 3), (-1, 0), (3, -7), (0, 2), (0, 50)])
def test_integers_without_a_clamp_against_a_source_that_clamps(M: int, R: int) -> None:
    line = np.ones((1, 1), np.int8)
    given = source(layer(line, lambda acc: np.clip(acc, -3, 5), -3, 5), lo=-20, hi=20)
    step = Affine(np.array([M]), np.array([R]), 0, 0, None, None)
    network = IntegerNetwork(given.input, (Layer(line, step),))
    assert_enumerated(prove_import(given, network), given, network)


def test_rounding_in_the_source() -> None:
    line = np.ones((2, 1), np.int8)
    ends = Formula(lambda acc: np.clip(acc - [0, 1], 0, 9), lambda acc: np.clip(acc, 0, 9))
    imported = import_source(source(layer(line, ends, 0, 9), lo=-5, hi=20))
    assert imported.verdict.layers[0].undecided.tolist() == [0, 9]
    assert imported.verdict.layers[0].reachable.tolist() == [26, 26]
    assert not imported.verdict.exact
    assert not imported.verdict.differs
    assert imported.verdict.line == (
        "exact but for rounding in the source: at 9 of 52 reachable accumulators of layer 0 the "
        "order of the source's floating-point additions decides the value"
    )


# ------------------------------------------------------------------------------------------------
# What differs before any sum


def simple(**settings: Any) -> Source:
    weight = np.array([[1, 2], [3, -1], [0, 1]], np.int8)
    last = np.array([[1, 0, 2], [1, 1, 1]], np.int8)
    return source(
        layer(weight, half_even(0.5, 0, 0, 7), 0, 7),
        layer(last, half_even(0.25, 0, 0, 7), 0, 7),
        **{"lo": 0, "hi": 3, **settings},
    )


def changed(network: IntegerNetwork, k: int, **change: Any) -> IntegerNetwork:
    layers = list(network.layers)
    layers[k] = dataclasses.replace(layers[k], **change)
    return IntegerNetwork(network.input, tuple(layers))


def test_other_sizes() -> None:
    given = simple()
    network = fit_network(given)
    shorter = IntegerNetwork(given.input, network.layers[:1])
    verdict = prove_import(given, shorter)
    assert verdict.problem == "the network has the sizes 2-3, but the source has 2-3-2"
    assert verdict.line == f"not exact: {verdict.problem}"
    assert not verdict.exact
    assert verdict.differs
    assert verdict.layers == ()
    assert verdict.values()["problem"] == verdict.problem


def test_other_weights() -> None:
    given = simple()
    network = fit_network(given)
    weight = network.layers[1].weight.copy()
    weight[1, 0] = -1
    weight[1, 2] = 5
    verdict = prove_import(given, changed(network, 1, weight=weight))
    assert verdict.problem == (
        "2 of 6 weights of layer 1 differ; first: channel 1, input 0: -1, but the source has 1"
    )


TABLE = np.array([0.5, 1.5, 2.5], np.float32)
EVEN = np.array([np.nextafter(np.float32(0.5), np.float32(1)), 1.5, 0], np.float32)
LATE = np.array([0.625, 1.5, 2.625], np.float32)
EVEN[2] = np.nextafter(np.float32(2.5), np.float32(3))


@pytest.mark.parametrize(
    ("wanted", "found", "integers", "problem"),
    [
        (InputFormat(0, 3), InputFormat(0, 3), True, None),
        (InputFormat(0, 3), InputFormat(0, 4), True, "inputs run from 0 to 4, but the source's"),
        (InputFormat(0, 3), InputFormat(-1, 3), True, "inputs run from -1 to 3, but the source's"),
        (InputFormat(0, 3, 0.5), InputFormat(0, 3, 0.25), True, None),
        (InputFormat(0, 3, 0.5), InputFormat(0, 3, 0.5), False, None),
        (InputFormat(0, 3, 0.5), InputFormat(0, 3, 0.25), False, "real inputs become other"),
        (InputFormat(0, 3, 0.5, 1), InputFormat(0, 3, 0.5, 0), False, "real inputs become other"),
        (InputFormat(0, 3, thresholds=TABLE), InputFormat(0, 3), False, "real inputs become other"),
        (InputFormat(0, 3), InputFormat(0, 3, thresholds=TABLE), False, "real inputs become other"),
        (
            InputFormat(0, 3, 0.5, thresholds=TABLE),
            InputFormat(0, 3, thresholds=TABLE.copy()),
            False,
            None,
        ),
        (
            InputFormat(0, 3, thresholds=TABLE),
            InputFormat(0, 3, thresholds=np.nextafter(TABLE, np.float32(9))),
            False,
            "real inputs become other",
        ),
        (
            InputFormat(0, 3, thresholds=np.nextafter(TABLE, np.float32(9))),
            InputFormat(0, 3, thresholds=TABLE),
            False,
            "real inputs become other",
        ),
        # Half to even: 0.5 gives 0, 1.5 gives 2, 2.5 gives 2.
        (InputFormat(0, 3, thresholds=EVEN), InputFormat(0, 3), False, None),
        (InputFormat(0, 3), InputFormat(0, 3, thresholds=EVEN), False, None),
        (InputFormat(0, 3, thresholds=EVEN), InputFormat(0, 3, zero=1), False, "real inputs"),
        (InputFormat(0, 3, thresholds=LATE), InputFormat(0, 3), False, "real inputs"),
        (InputFormat(0, 3, thresholds=EVEN), InputFormat(0, 3, 1.01), False, "real inputs"),
    ],
)
def test_other_inputs(
    wanted: InputFormat, found: InputFormat, integers: bool, problem: str | None
) -> None:
    given = simple(input=wanted, takes_integers=integers)
    network = IntegerNetwork(found, fit_network(given).layers)
    verdict = prove_import(given, network)
    if problem is None:
        assert verdict.line == EXACT
    else:
        assert verdict.problem is not None
        assert verdict.problem.startswith(problem)


SPREAD = Meaning(np.array([1.0, 2.0]), np.array([0.0, 0.0]))


@pytest.mark.parametrize(
    ("wanted", "found", "same"),
    [
        (Meaning.of(0.5, 2), Meaning.of(0.5, 2), True),
        (Meaning.of(0.5, 2), None, True),
        (Meaning.of(-0.5), None, False),
        (Meaning.of(0.5, 2), Meaning.of(0.5, 3), False),
        (Meaning.of(0.5), Meaning.of(0.25), False),
        (Meaning.of(1.0), Meaning(np.ones(2), np.zeros(2)), True),
        (Meaning.of(1.0), SPREAD, False),
        (SPREAD, SPREAD, True),
        (Meaning.of(0.1, 3), Meaning.of(float(np.float32(0.1)), 3), True),
        (Meaning.of(0.1, 3), Meaning.of(0.1 * (1 + 2e-6), 3), False),
        (Meaning.of(-0.1, 3), Meaning.of(-0.1 * (1 - 2e-6), 3), False),
        (Meaning.of(0.1), Meaning(np.array([0.1]), np.array([2.5e-5])), True),
        (Meaning.of(0.1), Meaning(np.array([0.1]), np.array([-2.6e-5])), False),
        (Meaning.of(0.1), Meaning(np.array([0.1, 0.1]), np.array([0.0, 2.6e-5])), False),
        (Meaning.of(0.1), Meaning(np.array([0.1, 0.2]), np.array([0.0, 0.0])), False),
        (
            Meaning(np.array([-0.1]), np.array([-7.0])),
            Meaning(np.array([-0.1]), np.array([-7.0 + 3.2e-5])),
            True,
        ),
        (
            Meaning(np.array([-0.1]), np.array([-7.0])),
            Meaning(np.array([-0.1]), np.array([-7.0 + 3.3e-5])),
            False,
        ),
        (SPREAD, None, False),
    ],
)
def test_other_meaning_of_the_outputs(wanted: Meaning, found: Meaning | None, same: bool) -> None:
    given = simple()
    last = dataclasses.replace(given.layers[1], meaning=wanted)
    given = dataclasses.replace(given, layers=(given.layers[0], last))
    network = changed(fit_network(given), 1, meaning=found)
    verdict = prove_import(given, network)
    assert verdict.exact is same
    if not same:
        assert verdict.problem == "the outputs stand for other real values than in the source"
    # What the values between layers mean in reals is no part of the integers.
    between = changed(network, 0, meaning=Meaning.of(77.0))
    assert prove_import(given, between).exact is same


def test_real_outputs_are_a_layer_of_the_verdict() -> None:
    line = np.ones((2, 1), np.int8)
    given = source(
        layer(np.ones((1, 1), np.int8), lambda acc: np.clip(acc, 0, 9), 0, 9),
        layer(line, lambda acc: acc.astype(np.float32), None, None),
        lo=0,
        hi=9,
    )
    verdict = import_source(given).verdict
    assert [one.classes is None for one in verdict.layers] == [True, False]
    assert verdict.line == EXACT


def test_a_source_that_is_not_monotone_is_refused() -> None:
    given = source(
        layer(np.ones((1, 1), np.int8), lambda acc: np.where(acc == 2, 0, acc), 0, 9), lo=0, hi=9
    )
    with pytest.raises(FileError, match="layer 0, channel 0, does not rise or fall throughout"):
        import_source(given)
    step = Affine(np.array([1]), np.array([0]), 0, 0, 0, 9)
    network = IntegerNetwork(given.input, (Layer(given.layers[0].weight, step),))
    with pytest.raises(FileError, match="layer 0, channel 0, does not rise or fall throughout"):
        prove_import(given, network)
