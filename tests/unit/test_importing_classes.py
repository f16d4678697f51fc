"""Whether the class follows from the last layer's integers, against all pairs of outputs."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ohmbench.digital.importing import classes as subject
from ohmbench.digital.importing.fitting import fit_network
from ohmbench.digital.importing.proof import FIRST, prove_import
from ohmbench.digital.importing.source import Source
from ohmbench.digital.importing.verdict import EXACT, ClassDifference
from ohmbench.digital.integer import (
    Affine,
    IntegerNetwork,
    Layer,
    Meaning,
    infer,
    infer_plain,
)
from tests.unit.import_sources import Formula, every_input, layer, source


def reals(
    weight: NDArray[np.int8],
    low: Any,
    high: Any = None,
    *,
    bias: list[int] | None = None,
    meaning: Meaning | None = None,
    top: int = 9,
) -> Source:
    """One layer whose outputs are real: float32 of functions of the sums."""

    def single(end: Any) -> Any:
        return lambda acc: np.asarray(end(acc), np.float32)

    step = Formula(single(low), None if high is None else single(high))
    given = np.zeros(len(weight), np.int64) if bias is None else np.array(bias, np.int64)
    return source(layer(weight, step, None, None, bias=given, meaning=meaning), lo=0, hi=top)


def channel_sums(given: Source) -> list[NDArray[np.int64]]:
    """The sums of each channel of the one layer."""
    found = []
    for row in given.layers[0].weight.astype(np.int64):
        low, high = (int(end(row, 0).sum()) * given.input.hi for end in (np.minimum, np.maximum))
        found.append(np.arange(low, high + 1, int(np.gcd.reduce(np.abs(row))) or 1))
    return found


def enumerate_integers(given: Source, network: IntegerNetwork) -> list[NDArray[np.int64]]:
    """How far the integers are from the source's, of each channel and sum."""
    step = network.layers[0].step
    assert isinstance(step, Affine)
    return [
        np.abs(((acc * int(step.M[c]) + int(step.R[c])) >> step.S) - acc - given.layers[0].bias[c])
        for c, acc in enumerate(channel_sums(given))
    ]


def enumerate_pairs(given: Source, network: IntegerNetwork) -> tuple[int, int, int, Any]:
    """Pairs, pairs that differ, pairs left open, and the first that differs, one by one."""
    (wanted,), (ours,) = given.layers, network.layers
    points = []
    for c, channel in enumerate(channel_sums(given)):
        acc = np.zeros((len(channel), len(wanted.weight)), np.int64)
        acc[:, c] = channel
        ends = wanted.step.bounds(acc)
        meaning = ours.meaning
        values = []
        for h in ours.step.apply(acc)[:, c].tolist():
            if meaning is None:
                values.append(h)
            elif meaning.shared:
                values.append(h if meaning.scale[0] > 0 else -h)
            else:
                values.append(h * float(meaning.scale[c]) + float(meaning.offset[c]))
        rows = zip(
            channel.tolist(), values, ends[0][:, c].tolist(), ends[1][:, c].tolist(), strict=True
        )
        points.append(sorted(rows, key=lambda row: row[1]))
    pairs = differ = open_ = 0
    first = None
    for a in range(len(points)):
        for b in range(a + 1, len(points)):
            for acc, key, low_a, high_a in points[a]:
                for their_acc, their_key, low_b, high_b in points[b]:
                    pairs += 1
                    surely_a, surely_b = low_a >= high_b, high_a < low_b
                    if not (surely_a or surely_b):
                        open_ += 1
                    elif surely_a is not (key >= their_key):
                        differ += 1
                        winners = (b, a) if surely_a else (a, b)
                        first = first or ClassDifference((a, b), (acc, their_acc), *winners)
    return pairs, differ, open_, first


def random_case(rng: np.random.Generator) -> tuple[Source, IntegerNetwork]:
    channels = int(rng.integers(1, 5))
    weight = rng.integers(-3, 4, (channels, int(rng.integers(1, 3)))).astype(np.int8)
    common = rng.random() < 0.5
    n = 1 if common else channels
    scale = rng.choice([0.5, 0.75, 1.0, 1.25], n) * rng.choice([-1, 1], p=[0.3, 0.7])
    bias = rng.integers(-3, 4, channels)
    offset = rng.choice([0.0, 0.25, 0.5], n)
    spread, coarse = rng.choice([0.0, 0.3]), rng.choice([0.01, 1.0])

    def end(acc: NDArray[np.int64], by: float) -> NDArray[np.float64]:
        real = (acc + bias) * scale + offset
        return np.round(real / coarse) * coarse + by

    meaning = Meaning(np.array(scale), np.array(offset))
    fault = rng.integers(0, 5)
    given = reals(
        weight,
        lambda acc: end(acc, 0.0),
        lambda acc: end(acc, spread),
        bias=bias.tolist(),
        meaning=meaning,
        top=4,
    )
    network = fit_network(given)
    step = network.layers[0].step
    assert isinstance(step, Affine)
    if fault == 0:
        step = dataclasses.replace(step, R=step.R + rng.integers(-1, 2, channels))
    if fault == 1:
        meaning = Meaning(-meaning.scale, meaning.offset)
    if fault == 2:
        meaning = Meaning(meaning.scale * 2, meaning.offset + 1)
    found = Layer(weight, step, meaning=None if fault == 3 else meaning)
    return given, IntegerNetwork(given.input, (found,))


def test_the_counts_are_those_of_all_pairs() -> None:
    rng = np.random.default_rng(4)
    seen = np.zeros(4, int)
    for _ in range(400):
        given, network = random_case(rng)
        verdict = prove_import(given, network)
        found = verdict.layers[0].classes
        assert found is not None
        pairs, differ, open_, first = enumerate_pairs(given, network)
        assert (found.pairs, found.differing, found.undecided) == (pairs, differ, open_)
        assert found.first == first
        integers = enumerate_integers(given, network)
        assert verdict.layers[0].reachable.tolist() == [len(off) for off in integers]
        assert verdict.layers[0].differing.tolist() == [len(off[off > 0]) for off in integers]
        assert verdict.layers[0].largest.tolist() == [off.max() for off in integers]
        exact = not differ and not open_ and found.meaning_holds
        assert verdict.layers[0].exact is (exact and not verdict.layers[0].differing.any())
        assert (verdict.line == EXACT) is verdict.exact is verdict.layers[0].exact
        json.dumps(verdict.values(), allow_nan=False)
        seen += [differ > 0, open_ > 0, verdict.exact, len(given.layers[0].weight) == 1]
    assert seen.min() > 30


def test_exact_means_that_every_input_has_the_source_s_class() -> None:
    rng = np.random.default_rng(9)
    exact = 0
    for _ in range(300):
        given, network = random_case(rng)
        if prove_import(given, network).exact:
            exact += 1
            x = every_input(network)
            acc = x @ given.layers[0].weight.T.astype(np.int64)
            real = given.layers[0].step.bounds(acc)[0]
            found = infer(network, x)
            assert np.array_equal(found.classes, real.argmax(axis=1))
            assert found.classes[-1] == infer_plain(network, x[-1]).class_
    assert exact > 20


TWO = np.array([[1], [1]], np.int8)


def test_a_bias_of_one_channel() -> None:
    given = reals(TWO, lambda acc: acc + np.array([2, 5]), bias=[2, 5])
    network = fit_network(given)
    assert prove_import(given, network).line == EXACT
    wrong = IntegerNetwork(given.input, (Layer(TWO, Affine.sums([2, 4]), meaning=Meaning.of(1.0)),))
    verdict = prove_import(given, wrong)
    assert verdict.layers[0].differing.tolist() == [0, 10]
    assert verdict.layers[0].largest.tolist() == [0, 1]
    assert verdict.layers[0].reachable.tolist() == [10, 10]
    assert len(verdict.layers[0].first) == FIRST
    assert verdict.line == (
        "not exact: 10 of 20 reachable accumulators of layer 0 differ by at most 1; first: layer "
        "0, channel 1, accumulator 0: 4, but the source gives 5"
    )


def test_a_class_that_rounding_in_the_source_ties() -> None:
    """The source's float32 outputs collapse where the integers still tell two sums apart."""
    given = reals(TWO, lambda acc: acc // 2 * 2)
    verdict = prove_import(given, fit_network(given))
    found = verdict.layers[0].classes
    assert found is not None
    # Channel 0 has the smaller sum by one, within a pair 2 k, 2 k + 1: a tie goes to channel 0.
    assert (found.pairs, found.differing, found.undecided) == (100, 5, 0)
    assert not verdict.layers[0].differing.any()
    assert verdict.line == (
        "not exact: the larger of two outputs of layer 0 differs for 5 of 100 pairs of outputs; "
        "first: channels 0 and 1, accumulators 0 and 1: 1 is larger, but the source's larger "
        "output is 0"
    )
    assert verdict.values()["layers"][0]["classes"]["first"] == {
        "channels": [0, 1],
        "accs": [0, 1],
        "found": 1,
        "source": 0,
        "of": "accumulators",
    }


@pytest.mark.parametrize("key", [1, -1])
@pytest.mark.parametrize(
    ("low", "high"),
    [
        (lambda acc: acc * 0 + 3, lambda acc: 12 - acc),
        (lambda acc: 9 - acc, lambda acc: acc * 0 + 9),
        (lambda acc: acc * 0 + 3, lambda acc: acc + 3),
        (lambda acc: acc - 3, lambda acc: acc * 0 + 6),
        (lambda acc: 7 - acc, lambda acc: 9 - acc),
        (lambda acc: acc, lambda acc: acc + 2),
    ],
)
def test_ends_of_which_only_one_moves(low: Any, high: Any, key: int) -> None:
    """The second channel's outputs rise or fall at one end, whichever way its integers go."""

    def beside(end: Any) -> Any:
        return lambda acc: np.stack([acc[:, 0] + 0.0, end(acc[:, 1])], axis=1)

    given = reals(TWO, beside(low), beside(high), meaning=Meaning.of(key))
    network = fit_network(given)
    found = prove_import(given, network).layers[0].classes
    assert found is not None
    counted = (found.pairs, found.differing, found.undecided, found.first)
    assert counted == enumerate_pairs(given, network)


def test_integers_that_do_not_move() -> None:
    """All sums of each channel tie, in their own order."""
    given = reals(TWO, lambda acc: acc * 1.0, top=2)
    step = dataclasses.replace(Affine.sums([0, 0]), M=np.zeros(2, np.int64))
    network = IntegerNetwork(given.input, (Layer(TWO, step),))
    found = prove_import(given, network).layers[0].classes
    assert found is not None
    assert found.differing == 3
    assert found.first == ClassDifference((0, 1), (0, 1), 0, 1)


def test_a_class_that_the_order_of_additions_decides() -> None:
    given = reals(TWO, lambda acc: acc - 0.25, lambda acc: acc + np.array([0.25, 1.0]))
    verdict = prove_import(given, fit_network(given))
    found = verdict.layers[0].classes
    assert found is not None
    assert (found.differing, found.undecided) == (0, 10 + 9)
    assert not verdict.exact
    assert not verdict.differs
    assert not verdict.layers[0].decided
    assert verdict.line == (
        "exact but for rounding in the source: for 19 of 100 pairs of outputs the order of the "
        "source's floating-point additions decides which is larger"
    )


@pytest.mark.parametrize(("error", "holds"), [(0.0, True), (0.0009, True), (0.0011, False)])
def test_the_real_values_are_the_source_s_up_to_rounding(error: float, holds: bool) -> None:
    """A scale that all channels share changes no class, but what the integers mean."""
    given = reals(TWO, lambda acc: acc * (1 + error), lambda acc: acc * (1 + error))
    verdict = prove_import(given, fit_network(given))
    found = verdict.layers[0].classes
    assert found is not None
    assert found.real_error == pytest.approx(error / (1 + error), rel=1e-3, abs=1e-9)
    assert found.meaning_holds is holds is verdict.exact is not verdict.differs
    if not holds:
        assert verdict.line == (
            "not exact: the real values of layer 0's integers differ from the source's outputs by "
            "0.0011 of the largest output"
        )


def test_the_real_values_may_lie_anywhere_between_the_source_s_ends() -> None:
    for low, high, error in ((-1, 2, 0.0), (1, 2, 1 / 11), (-3, -1, 1 / 12), (-2, 0, 0.0)):
        given = reals(TWO, lambda acc, a=low: acc + a, lambda acc, b=high: acc + b)
        found = prove_import(given, fit_network(given)).layers[0].classes
        assert found is not None
        assert found.real_error == pytest.approx(error if error != 1 / 12 else 1 / 8, abs=1e-6)


def test_the_limit_of_rounding_itself_holds() -> None:
    """One in a largest output of a thousand."""
    given = reals(TWO, lambda acc: acc + 1.0, top=999)
    found = prove_import(given, fit_network(given)).layers[0].classes
    assert found is not None
    assert found.real_error == 1 / 1000 == subject.ROUNDING
    assert found.meaning_holds


def test_outputs_of_zero_alone() -> None:
    """No scale to be relative to: the distance itself."""
    still = np.zeros((2, 1), np.int8)
    given = reals(still, lambda acc: acc)
    found = prove_import(given, fit_network(given)).layers[0].classes
    assert found is not None
    assert (found.pairs, found.real_error, found.meaning_holds) == (1, 0.0, True)


def test_integers_without_a_meaning_stand_for_themselves() -> None:
    given = reals(TWO, lambda acc: acc * 2.0, meaning=Meaning.of(2.0))
    network = IntegerNetwork(given.input, (Layer(TWO, Affine.sums([0, 0])),))
    found = prove_import(given, network).layers[0].classes
    assert found is not None
    assert found.differing == 0
    assert found.real_error == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("limit", "least", "size"),
    [
        ("LARGEST_TABLE", 1, 30 * 2),
        ("LARGEST_PAIRING", 1, 30 * 2 * 2),
        ("LARGEST_PAIRING", 40, 40 * 2 * 2),
    ],
)
def test_too_many_sums_are_not_compared(
    limit: str, least: int, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    weight = np.array([[1], [2]], np.int8)
    given = reals(weight, lambda acc: acc * 1.0, top=29)
    network = fit_network(given)
    # As for outputs that are no shared rising function of the integers.
    monkeypatch.setattr(subject, "follow", lambda *_: None)
    monkeypatch.setattr(subject, "LEAST_ROWS", least)
    monkeypatch.setattr(subject, limit, size)
    assert prove_import(given, network).layers[0].classes is not None
    monkeypatch.setattr(subject, limit, size - 1)
    verdict = prove_import(given, network)
    assert (verdict.layers[0].layer, verdict.layers[0].name) == (0, "MatMul_0")
    assert verdict.layers[0].classes is None
    assert verdict.layers[0].reachable.tolist() == [30, 30]
    assert not verdict.exact
    assert not verdict.differs
    assert verdict.layers[0].decided
    assert verdict.line == (
        "not proven: layer 0 has real outputs and 60 reachable accumulators, too many to list"
    )
    assert verdict.values()["layers"][0]["unproven"] in verdict.line


def test_limits_leave_room_for_ten_classes_of_a_wide_layer() -> None:
    """More than 100 000 sums in each of 12 classes."""
    assert subject.LARGEST_PAIRING > 12 * 12 * 100_000
    assert subject.LARGEST_TABLE > 12 * 100_000
    assert subject.LARGEST_PAIRING == 512**2 * subject.LEAST_ROWS


def requantised(
    weight: NDArray[np.int8], outputs: Any, *, meaning: Meaning | None = None, top: int = 9
) -> Source:
    """One layer whose integers are its sums clamped to -20 to 20, and float32 outputs of them."""

    def single(h: NDArray[np.int64]) -> NDArray[np.float32]:
        return np.asarray(outputs(h), np.float32)

    last = layer(weight, lambda acc: np.clip(acc, -20, 20), -20, 20, meaning=meaning)
    return source(dataclasses.replace(last, outputs=None if outputs is None else single), hi=top)


def enumerate_levels(given: Source, network: IntegerNetwork) -> tuple[int, int, Any]:
    """Pairs of integers of two channels, those that differ, and the first, one by one."""
    outputs, meaning = given.layers[0].outputs, network.layers[0].meaning
    assert outputs is not None
    assert meaning is not None
    points = []
    for c, sums in enumerate(channel_sums(given)):
        reached = sorted({min(max(acc, -20), 20) for acc in sums.tolist()})
        h = np.zeros((len(reached), len(given.layers[0].weight)), np.int64)
        h[:, c] = reached
        keys = meaning.real(h)[:, c].tolist()
        rows = zip(reached, keys, outputs(h)[:, c].tolist(), strict=True)
        points.append(sorted(rows, key=lambda row: row[1]))
    pairs = differ = 0
    first = None
    for a in range(len(points)):
        for b in range(a + 1, len(points)):
            for h, key, output in points[a]:
                for their_h, their_key, their_output in points[b]:
                    pairs += 1
                    if (output >= their_output) is not (key >= their_key):
                        differ += 1
                        winners = (b, a) if output >= their_output else (a, b)
                        found = ClassDifference((a, b), (h, their_h), *winners, "integers")
                        first = first or found
    return pairs, differ, first


def test_the_counts_of_requantised_outputs_are_those_of_all_pairs() -> None:
    rng = np.random.default_rng(6)
    seen = np.zeros(4, int)
    for _ in range(200):
        channels = int(rng.integers(1, 5))
        n = 1 if rng.random() < 0.5 else channels
        scale = rng.choice([0.5, 0.75, 1.0, 1.25], n) * rng.choice([-1, 1], p=[0.3, 0.7])
        offset = rng.choice([0.0, 0.25, 0.5], n)
        coarse = rng.choice([2.0**-10, 2.0**-10, 1.0])

        def outputs(h: Any, a: Any = scale, b: Any = offset, unit: float = coarse) -> Any:
            return np.round((h * a + b) / unit) * unit

        weight = rng.integers(-3, 4, (channels, 1)).astype(np.int8)
        given = requantised(weight, outputs, meaning=Meaning(scale, offset))
        network = fit_network(given)
        verdict = prove_import(given, network)
        found = verdict.layers[0].classes
        assert found is not None
        pairs, differ, first = enumerate_levels(given, network)
        assert (found.pairs, found.differing, found.undecided) == (pairs, differ, 0)
        assert found.first == first
        assert not verdict.layers[0].differing.any()
        assert verdict.exact is (not differ and found.meaning_holds) is not verdict.differs
        if verdict.exact:
            x = every_input(network)
            h = np.clip(x @ weight.T.astype(np.int64), -20, 20)
            assert np.array_equal(infer(network, x).classes, outputs(h).argmax(axis=1))
        json.dumps(verdict.values(), allow_nan=False)
        seen += [differ > 0, verdict.exact, n == 1, channels > 1]
    assert seen.min() > 20


def test_requantised_outputs_that_float32_ties() -> None:
    given = requantised(TWO, lambda h: np.float32(h) + np.float32(2**24))
    verdict = prove_import(given, fit_network(given))
    found = verdict.layers[0].classes
    assert found is not None
    assert found.differing == enumerate_levels(given, fit_network(given))[1] > 0
    assert verdict.line.startswith("not exact: the larger of two outputs of layer 0 differs for ")
    assert "; first: channels 0 and 1, integers 0 and 1: 1 is larger, but " in verdict.line


def test_integers_that_a_source_leaves_as_they_are_have_its_meaning() -> None:
    """A meaning that is off by less than it may be still has to give the classes."""
    meaning = Meaning(np.array([0.5, 1.0]), np.zeros(2))
    given = dataclasses.replace(
        requantised(TWO, lambda h: h, meaning=meaning),
        layers=(dataclasses.replace(requantised(TWO, None).layers[0], meaning=meaning),),
    )
    network = fit_network(given)
    assert prove_import(given, network).line == EXACT
    off = Meaning(np.array([0.5, 1.0 + 1e-7]), np.zeros(2))
    changed = dataclasses.replace(network.layers[0], meaning=off)
    verdict = prove_import(given, IntegerNetwork(given.input, (changed,)))
    assert verdict.differs
    assert "integers 2 and 1: 1 is larger, but the source's larger output is 0" in verdict.line


def test_requantised_outputs_that_all_channels_share_need_no_pairs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(subject, "LARGEST_PAIRING", 0)
    weight = np.array([[1], [-2], [3]], np.int8)
    given = requantised(weight, lambda h: h * 0.5, meaning=Meaning.of(0.5))
    verdict = prove_import(given, fit_network(given))
    found = verdict.layers[0].classes
    assert verdict.line == EXACT
    assert found is not None
    assert found.pairs == enumerate_levels(given, fit_network(given))[0]
    falling = requantised(weight, lambda h: h * -0.5, meaning=Meaning.of(-0.5))
    assert prove_import(falling, fit_network(falling)).line == EXACT
    # Two reached levels that tie, or fall where the integers rise, are no such order.
    for outputs in (lambda h: np.maximum(h, 1) * 0.5, lambda h: -h * 0.5):
        other = requantised(weight, outputs, meaning=Meaning.of(0.5))
        assert not prove_import(other, fit_network(other)).exact


@pytest.mark.parametrize(("least", "size"), [(1, 10 * 2 * 2), (40, 40 * 2 * 2)])
def test_too_many_requantised_outputs_are_not_paired(
    least: int, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    meaning = Meaning(np.array([0.5, 0.75]), np.zeros(2))
    given = requantised(TWO, lambda h: h * np.float32([0.5, 0.75]), meaning=meaning)
    network = fit_network(given)
    monkeypatch.setattr(subject, "LEAST_ROWS", least)
    monkeypatch.setattr(subject, "LARGEST_PAIRING", size)
    assert prove_import(given, network).line == EXACT
    monkeypatch.setattr(subject, "LARGEST_PAIRING", size - 1)
    verdict = prove_import(given, network)
    assert not verdict.exact
    assert not verdict.differs
    assert verdict.layers[0].classes is None
    assert verdict.line == (
        "classes not proven: the 2 outputs of layer 0 share no order, and are too many to pair"
    )
    assert verdict.values()["layers"][0]["classes_unproven"] in verdict.line


def test_requantised_outputs_that_are_not_finite() -> None:
    for at, line in ((9, "classes not proven: an output of layer 0 is not finite"), (10, EXACT)):
        given = requantised(TWO, lambda h, at=at: np.where(h >= at, np.inf, h * 1.0))
        assert prove_import(given, fit_network(given)).line == line
