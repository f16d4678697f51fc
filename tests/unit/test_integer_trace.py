"""Traces of N layers: sound networks pass, planted faults are named by layer, channel and input."""

import sys
from dataclasses import replace
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest

from ohmbench.digital.golden import infer as infer_two
from ohmbench.digital.integer import (
    Affine,
    InputFormat,
    IntegerNetwork,
    Layer,
    Meaning,
    Thresholds,
    from_int8,
    infer,
    infer_plain,
)
from ohmbench.digital.integer.trace import PLAIN, reference, trace
from ohmbench.digital.integer.two_layers import to_int8
from ohmbench.errors import HardwareFailure, RangeError, ShapeError
from tests.unit.int8_networks import random_int8, random_scaled
from tests.unit.integer_networks import random_inputs, random_integer

SEEDS = range(10)
REAL, INTEGERS, PLAIN_STAGE = (
    "reference -> integers", "source -> integers", "integers -> Python integers",
)  # fmt: skip
SOURCE, HARDWARE = "source -> reference", "integers -> hardware"
MODULE = sys.modules[trace.__module__]


def by_name(stages):
    return {stage.name: stage for stage in stages}


def parts(stage):
    return [(part.layer, part.quantity) for part in stage.parts]


def runtime(network):
    """A runtime that computes what the integers are."""
    return lambda x: list(infer(network, x).h)


@pytest.mark.parametrize("seed", SEEDS)
def test_sound_networks_stay_within_every_tolerance(seed):
    network = random_integer(seed)
    x = random_inputs(network, 12, seed)
    stages = trace(network, x, run=runtime(network))
    assert [stage.name for stage in stages] == [SOURCE, REAL, INTEGERS, PLAIN_STAGE]
    assert [stage.departure for stage in stages] == [None] * 4
    assert all(stage.passed for stage in stages)
    layers = range(len(network.layers))
    source, real, exact, plain = stages
    assert parts(source) == parts(exact) == [(k, "h") for k in layers]
    assert parts(real) == [
        (k, name) for k in layers for name in (("acc", "step", "h") if k else ("acc", "h"))
    ]
    last = len(network.layers) - 1
    assert parts(plain) == [
        *((k, name) for k in layers for name in ("acc", "h")), (last, "classes"), (last, "values")
    ]  # fmt: skip
    for stage in stages:
        for part in stage.parts:
            rows = PLAIN if stage is plain else 12
            channels = network.layers[part.layer].channels
            assert part.compared == rows * (
                channels if part.quantity in ("acc", "h", "step") else 1
            )
            assert 0 <= part.largest <= part.tolerance + 1e-9
            if stage in (exact, plain):
                assert part.tolerance == part.largest == 0
    assert f"first {PLAIN} inputs" in plain.note
    without = trace(network, x)
    assert [stage.name for stage in without] == [REAL, PLAIN_STAGE]
    assert [stage.parts for stage in without] == [real.parts, plain.parts]


def rational(network, row):
    """The reference of one input in rational numbers: per layer (acc, its ends, h, its ends)."""
    h = low = high = [Fraction(int(value)) for value in row]
    levels = []
    for layer in network.layers:
        weight, step = layer.weight.tolist(), layer.step

        def at(c, acc, dropped, step=step):
            if isinstance(step, Thresholds):
                sign = int(step.sign[c])
                return Fraction(step.lo + sum(sign * acc >= t for t in step.table[c].tolist()))
            value = (acc * int(step.M[c]) + int(step.R[c])) / 2**step.S + step.Z
            value -= dropped * (1 - Fraction(1, 2**step.S))
            return value if step.lo is None else min(max(value, step.lo), step.hi)

        acc = [sum(w * v for w, v in zip(r, h, strict=True)) for r in weight]
        ends = [
            (sum(min(w * a, w * b) for w, a, b in zip(r, low, high, strict=True)),
             sum(max(w * a, w * b) for w, a, b in zip(r, low, high, strict=True)))
            for r in weight
        ]  # fmt: skip
        h = [at(c, a, 0) for c, a in enumerate(acc)]
        low = [min(at(c, a, 1) for a in pair) for c, pair in enumerate(ends)]
        high = [max(at(c, a, 0) for a in pair) for c, pair in enumerate(ends)]
        levels.append((acc, ends, h, low, high))
    return levels


@pytest.mark.parametrize("seed", SEEDS)
def test_the_reference_is_that_of_rational_arithmetic(seed):
    """Values and the intervals of their rounding, neither narrower nor wider."""
    network = random_integer(seed, (3, 4, 3, 2), kind="affine", read=(-8, 7), bits=4)
    x = random_inputs(network, 5, seed)
    levels = reference(network, x)
    assert len(levels) == 3
    for i, row in enumerate(x):
        plain = infer_plain(network, row)
        for k, (acc, ends, h, low, high) in enumerate(rational(network, row)):
            level = levels[k]
            for found, expected in (
                (level.acc, acc), (level.acc_low, [a for a, _ in ends]),
                (level.acc_high, [b for _, b in ends]), (level.h, h), (level.low, low),
                (level.high, high),
            ):  # fmt: skip
                assert found[i] == pytest.approx([float(v) for v in expected], rel=1e-9, abs=1e-6)
            for c in range(len(h)):
                assert level.acc_low[i, c] <= ends[c][0] <= ends[c][1] <= level.acc_high[i, c]
                assert level.low[i, c] <= low[c] <= plain.h[k][c] <= high[c] <= level.high[i, c]


@pytest.mark.parametrize("seed", SEEDS)
def test_networks_that_round_nothing_are_compared_exactly(seed):
    """Tables of thresholds: their reference is the integers themselves, with no tolerance."""
    network = random_integer(seed, (9, 8, 7, 5), kind="thresholds", last="sums")
    for stage in trace(network, random_inputs(network, 9, seed), run=runtime(network)):
        assert stage.passed
        assert all(part.largest == part.tolerance == 0 for part in stage.parts)


def test_numbers_beyond_float64_have_a_tolerance_again():
    """2**53 + 1 is no float64: the tolerance is a rounding error, and below 2**53 it is none."""
    for R, exact in ((2**52, True), (2**53 + 1, False)):
        layer = Layer(np.array([[1]], np.int8), Affine([1], [R], 0, 0, None, None))
        network = IntegerNetwork(InputFormat(0, 3), (layer,))
        (stage, _) = trace(network, np.array([[0], [1], [3]]))
        acc, h = stage.parts
        assert stage.passed
        assert acc.tolerance == 0
        assert (h.tolerance == 0) == exact
        assert h.tolerance <= 16


def test_sums_of_reals_have_a_rounding_error_and_those_of_integers_none():
    """Input by input: values that are clamped at 2 are whole, others are not."""
    first = Layer(np.array([[1], [2]], np.int8), Affine([1, 1], [0, 0], 2, 0, 0, 2))
    last = Layer(np.array([[5, -7]], np.int8), Affine.sums([0]))
    network = IntegerNetwork(InputFormat(0, 15), (first, last))
    x = np.array([[5], [12], [6], [15], [1]])
    _, level = reference(network, x)
    for i, row in enumerate(x):
        (_, _, h, low, high), (_, [(low_end, high_end)], *_) = rational(network, row)
        whole = all(v.denominator == 1 for v in (*h, *low, *high))
        assert whole == (row[0] in (12, 15))
        size = sum(w * max(abs(a), abs(b)) for w, a, b in zip((5, 7), low, high, strict=True))
        error = 0 if whole else float(size) * 1e-11
        for found in (level.acc_high[i, 0] - high_end, low_end - level.acc_low[i, 0]):
            assert float(found) == pytest.approx(error, rel=1e-3, abs=1e-30)


def test_a_zero_point_has_a_rounding_error_too():
    value, low, high = MODULE._real_step(Affine([1], [0], 0, 2**15, None, None), np.array([[0.5]]))
    assert value == 2**15 + 0.5
    assert (high - value) / 2**15 == pytest.approx(1e-15, rel=0.2, abs=0)
    assert (value - low) / 2**15 == pytest.approx(1e-15, rel=0.2, abs=0)


def test_sums_are_exact_row_by_row():
    """Layer 0 multiplies by whole numbers for one channel, and by a half for another."""
    first = Layer(np.array([[1], [1]], np.int8), Affine([2, 1], [0, 0], 1, 0, 0, 255))
    last = Layer(np.array([[3, 0]], np.int8), Affine.sums([0]))
    network = IntegerNetwork(InputFormat(0, 9), (first, last))
    found = MODULE._real_step(first.step, np.array([[4.0, 4.0], [4.0, 5.0]]))
    assert found[0].tolist() == [[4, 2], [4, 2.5]]
    assert found[1].tolist() == [[3.5, 1.5], [3.5, 2.0]]
    assert found[2].tolist() == [[4, 2], [4, 2.5]]
    assert reference(network, np.array([[4]]))[0].h.tolist() == [[4, 2]]


@pytest.mark.parametrize("acc", [2.0**20 + 0.5, 2.0**23])
@pytest.mark.parametrize("Z", [0, 2**15, -(2**15)])
def test_a_step_in_float64_has_a_rounding_error(acc, Z):
    """Two numbers of 2**50 and more that nearly cancel: each is rounded to 2**-53 of itself."""
    M, S = 2**30, 10
    R = -int(acc) * M
    step = Affine([M], [R], S, Z, None, None)
    value, low, high = (float(x[0, 0]) for x in MODULE._real_step(step, np.array([[acc]])))
    exact = (Fraction(acc) * M + R) / 2**S + Z
    assert value == float(exact)
    error = 1e-15 * (float(acc * M - R) / 2**S + abs(Z))
    assert high - value == pytest.approx(error, rel=1e-4)
    assert value - low == pytest.approx(1 - 2.0**-S + error, rel=1e-4)
    tiny = Affine([3], [5], S, Z, None, None)
    value, low, high = (float(x[0, 0]) for x in MODULE._real_step(tiny, np.array([[3.0]])))
    assert (high, low) == (value, value - (1 - 2.0**-S))


def wide(inputs=600):
    """A sum of layer 1 beyond 2**24: 600 values of 255 times 127, less one of them."""
    first = Layer(np.ones((inputs, 1), np.int8), Affine([1] * inputs, [0] * inputs, 0))
    weight = np.full((1, inputs), 127, np.int8)
    weight[0, 3] = 126
    return IntegerNetwork(InputFormat(0, 255), (first, Layer(weight, Affine.sums([0]))))


def test_sums_beyond_float32_are_exact():
    network = wide()
    x = np.array([[255]])
    assert int(infer(network, x).h[1][0, 0]) == 255 * (127 * 600 - 1) > 2**24
    for stage in trace(network, x, run=runtime(network)):
        assert stage.passed
        assert all(part.largest == part.tolerance == 0 for part in stage.parts)


# ------------------------------------------------------------------------------------------------
# Planted faults


@pytest.mark.parametrize("layer", [0, 2])
def test_a_wrong_sum_is_named(monkeypatch, layer):
    network = random_integer(5, (6, 5, 4, 3), kind="thresholds")
    x = random_inputs(network, 7)

    def faulty(network, x):
        found = infer(network, x)
        acc = [values.copy() for values in found.acc]
        acc[layer][5, 1] += 1
        return replace(found, acc=tuple(acc))

    monkeypatch.setattr(MODULE, "infer", faulty)
    departure = by_name(trace(network, x))[REAL].departure
    assert (departure.layer, departure.image, departure.neuron) == (layer, 5, 1)
    assert (departure.quantity, departure.allowed) == ("acc", 0)
    right = int(infer(network, x).acc[layer][5, 1])
    assert (departure.found, departure.expected) == (right + 1, right)


def wrong_source(network, layer, image, channel, by):
    def run(x):
        h = [values.copy() for values in infer(network, x).h]
        h[layer][image, channel] += by
        return h

    return run


@pytest.mark.parametrize(("layer", "image", "channel"), [(0, 2, 1), (1, 0, 3), (2, 6, 0)])
@pytest.mark.parametrize("by", [1, -1, 7])
def test_a_source_with_another_integer_is_named(layer, image, channel, by):
    network = random_integer(3, (6, 5, 4, 3), kind="affine")
    x = random_inputs(network, 7)
    expected = infer(network, x).h[layer][image, channel]
    stages = by_name(trace(network, x, run=wrong_source(network, layer, image, channel, by)))
    departure = stages[INTEGERS].departure
    assert (departure.layer, departure.image, departure.neuron) == (layer, image, channel)
    assert (departure.quantity, departure.allowed) == ("h", 0)
    assert (departure.found, departure.expected) == (expected, expected + by)
    assert not stages[INTEGERS].passed
    assert stages[REAL].passed
    assert stages[PLAIN_STAGE].passed
    text = f"image {image}, layer {layer}: h[{channel}] = {expected}, but should be {expected + by}"
    assert departure.describe() == text


def test_the_first_layer_that_differs_is_named_whatever_the_input():
    network = random_integer(3, (6, 5, 4, 3), kind="affine")

    def run(x):
        h = [values.copy() for values in infer(network, x).h]
        h[2][0, 0] += 1
        h[1][4, 2] += 1
        return h

    departure = by_name(trace(network, random_inputs(network, 7), run=run))[INTEGERS].departure
    assert (departure.layer, departure.image, departure.neuron) == (1, 4, 2)


@pytest.mark.parametrize("up", [True, False])
def test_a_source_may_round_by_less_than_one_and_no_more(up):
    """A value of 2.25: integers 2 (down), 3 would be up; the reference lies within less than 1."""
    layer = Layer(np.array([[1]], np.int8), Affine([1], [0], 2))
    network = IntegerNetwork(InputFormat(0, 15), (layer,))
    x = np.array([[9], [8]])
    for value, passes in ((2, True), (3, False)) if up else ((2, True), (1, False)):
        stage = trace(network, x, run=lambda q, v=value: [np.array([[v], [2]])])[0]
        assert stage.name == SOURCE
        assert stage.passed == passes
        (part,) = stage.parts
        assert part.largest == abs(2.25 - value)
        assert part.tolerance == 0.75
        if not passes:
            assert (stage.departure.found, stage.departure.expected) == (2.25, value)


FAULTS = {
    "rounds to nearest": lambda s, acc: ((acc * s.M + s.R + (1 << s.S >> 1)) >> s.S) + s.Z,
    "drops the zero point": lambda s, acc: (acc * s.M + s.R) >> s.S,
    "rounds up": lambda s, acc: -((-(acc * s.M + s.R)) >> s.S) + s.Z,
    "rounds towards zero": lambda s, acc: (np.sign(acc * s.M + s.R)
                                           * (np.abs(acc * s.M + s.R) >> s.S)) + s.Z,
    "shifts once too often": lambda s, acc: ((acc * s.M + s.R) >> (s.S + 1)) + s.Z,
    "forgets R": lambda s, acc: ((acc * s.M) >> s.S) + s.Z,
    "another channel's M": lambda s, acc: ((acc * np.roll(s.M, 1) + s.R) >> s.S) + s.Z,
}  # fmt: skip


@pytest.mark.parametrize("layer", [0, 1, 2])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_wrong_step_of_the_integers_is_named(monkeypatch, fault, layer):
    """In one layer: that layer's own rounding is judged by itself, so it is named."""
    rng = np.random.default_rng(layer)
    steps = [Affine(rng.integers(40, 90, n), rng.integers(-9000, 9000, n), 11, 3, -90, 90)
             for n in (9, 8, 6)]  # fmt: skip
    layers = [Layer(rng.integers(-7, 8, (step.channels, n)).astype(np.int8), step, 4)
              for step, n in zip(steps, (12, 9, 8), strict=True)]  # fmt: skip
    network = IntegerNetwork(InputFormat(-50, 50), tuple(layers))
    x = random_inputs(network, 40)
    assert all(stage.passed for stage in trace(network, x))

    def faulty(network, x):
        h, accs, values = x.astype(np.int64), [], []
        for k, one in enumerate(network.layers):
            acc = h @ one.weight.astype(np.int64).T
            step = one.step
            clamp = (step.lo, step.hi)
            h = np.clip(FAULTS[fault](step, acc), *clamp) if k == layer else step.apply(acc)
            accs.append(acc)
            values.append(h)
        found = infer(network, x)
        return replace(found, acc=tuple(accs), h=tuple(values))

    monkeypatch.setattr(MODULE, "infer", faulty)
    stages = by_name(trace(network, x))
    departure = stages[REAL].departure
    assert (departure.layer, departure.quantity) == (layer, "step" if layer else "h")
    row, channel = departure.image, departure.neuron
    right = infer(network, x)
    wrong = FAULTS[fault](steps[layer], right.acc[layer])
    assert departure.found == np.clip(wrong, -90, 90)[row, channel] != right.h[layer][row, channel]


def test_an_unclamped_value_is_named(monkeypatch):
    """Clamp after: values beyond the range where the integers should end."""
    network = random_integer(4, (9, 8, 6), kind="affine", last="clamped")

    def faulty(network, x):
        found = infer(network, x)
        step = network.layers[0].step
        h = (found.product[0] >> step.S) + step.Z
        return replace(found, h=(h, *found.h[1:]))

    monkeypatch.setattr(MODULE, "infer", faulty)
    departure = by_name(trace(network, random_inputs(network, 40)))[REAL].departure
    assert (departure.layer, departure.quantity) == (0, "h")
    step = network.layers[0].step
    assert not step.lo <= departure.found <= step.hi


@pytest.mark.parametrize("field", ["acc", "h", "classes", "values"])
def test_python_integers_that_differ_are_named(monkeypatch, field):
    network = random_integer(5, (6, 5, 4))
    x = random_inputs(network, 9)

    def faulty(network, row):
        found = infer_plain(network, row)
        if not np.array_equal(row, x[2]):
            return found
        if field in ("acc", "h"):
            layers = [list(values) for values in getattr(found, field)]
            layers[1][3] += 1
            return replace(found, **{field: layers})
        name = {"classes": "class_", "values": "value"}[field]
        return replace(found, **{name: getattr(found, name) + 1})

    monkeypatch.setattr(MODULE, "infer_plain", faulty)
    departure = by_name(trace(network, x))[PLAIN_STAGE].departure
    assert (departure.layer, departure.image, departure.quantity) == (1, 2, field)
    assert departure.neuron == (3 if field in ("acc", "h") else -1)
    assert departure.found == departure.expected + 1


def test_a_difference_beyond_float64_is_seen(monkeypatch):
    """2**60 and 2**60 + 1 are the same float64, but not the same integer."""
    layer = Layer(np.array([[1]], np.int8), Affine([1], [2**60], 0, 0, None, None))
    network = IntegerNetwork(InputFormat(0, 3), (layer,))
    x = np.array([[0], [1]])

    def run(q):
        return [infer(network, q).h[0] + np.array([[0], [1]])]

    departure = by_name(trace(network, x, run=run))[INTEGERS].departure
    assert (departure.layer, departure.image, departure.neuron) == (0, 1, 0)


def test_layers_that_a_source_does_not_show_are_left_out():
    network = random_integer(6, (6, 5, 4, 3))
    x = random_inputs(network, 5)

    def run(q):
        h = list(infer(network, q).h)
        h[2][1, 2] += 3
        return [h[0].astype(np.float64), None, h[2]]

    stages = by_name(trace(network, x, run=run))
    for name in (SOURCE, INTEGERS):
        assert parts(stages[name]) == [(0, "h"), (2, "h")]
    departure = stages[INTEGERS].departure
    assert (departure.layer, departure.image, departure.neuron) == (2, 1, 2)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda h: h[:-1], "shows 2 layers, but the network has 3"),
        (lambda h: [*h, h[0]], "shows 4 layers, but the network has 3"),
        (
            lambda h: [h[0], h[1][:, :-1], h[2]],
            r"layer 1 of shape \(5, 3\), but should be \(5, 4\)",
        ),
        (lambda h: [h[0][:-1], *h[1:]], r"layer 0 of shape \(4, 5\), but should be \(5, 5\)"),
    ],
)
def test_other_shapes_of_a_source_are_refused(change, complaint):
    network = random_integer(6, (6, 5, 4, 3))
    x = random_inputs(network, 5)
    with pytest.raises(ShapeError, match=complaint):
        trace(network, x, run=lambda q: change(list(infer(network, q).h)))


def test_a_tolerance_is_multiplied():
    network = random_integer(7, (6, 5, 4, 3), kind="affine")
    x = random_inputs(network, 12)
    one, three, tiny = (
        by_name(trace(network, x, run=runtime(network), tolerance=factor))
        for factor in (1, 3, 1e-9)
    )
    for name in (SOURCE, REAL):
        for a, b in zip(one[name].parts, three[name].parts, strict=True):
            assert b.tolerance == pytest.approx(3 * a.tolerance, rel=1e-6)
            assert a.largest == b.largest
        assert not tiny[name].passed
    for name in (INTEGERS, PLAIN_STAGE):
        assert tiny[name] == one[name]
    for factor in (0, -1, 2e6, float("nan")):
        with pytest.raises(RangeError, match="tolerance is"):
            trace(network, x, tolerance=factor)


# ------------------------------------------------------------------------------------------------
# The hardware


@pytest.mark.parametrize("seed", range(4))
def test_two_layers_go_on_to_the_hardware(seed):
    two, images = random_int8(seed, (9, 8, 5))
    network = from_int8(two)
    seen = []

    def simulate(given, x):
        seen.append((given, x))
        return infer_two(given, x)

    stages = by_name(trace(network, images.astype(np.int64), simulate=simulate))
    ((given, x),) = seen
    assert given == two
    assert x.dtype == np.uint8
    assert np.array_equal(x, images)
    stage = stages[HARDWARE]
    assert stage.passed
    assert parts(stage) == [(0, "hidden"), (1, "logits"), (1, "classes"), (1, "values")]
    for name, place in (
        ("hidden", (2, 3)),
        ("logits", (1, 4)),
        ("classes", (5,)),
        ("values", (0,)),
    ):

        def faulty(given, x, name=name, place=place):
            found = infer_two(given, x)
            array = getattr(found, name).copy()
            array[place] ^= 1
            return SimpleNamespace(**{**vars(found), name: array})

        departure = by_name(trace(network, images.astype(np.int64), simulate=faulty))[
            HARDWARE
        ].departure
        assert (departure.quantity, departure.image) == (name, place[0])
        assert departure.neuron == (place[1] if len(place) > 1 else -1)


def test_hardware_that_fails_is_said():
    two, images = random_int8(1, (9, 8, 5))

    def dead(given, x):
        raise HardwareFailure("no answer")

    stage = trace(from_int8(two), images.astype(np.int64), simulate=dead)[-1]
    assert (stage.name, stage.failure, stage.passed) == (HARDWARE, "no answer", False)


def test_networks_that_the_hardware_does_not_compute_are_refused():
    network = random_integer(0, (6, 5, 4, 3))
    with pytest.raises(RangeError, match="it has 3 layers, but the hardware computes 2"):
        trace(network, random_inputs(network, 3), simulate=infer_two)


@pytest.mark.parametrize("seed", range(6))
def test_the_two_layer_form_and_back(seed):
    for two in (random_int8(seed, (6, 5, 4))[0], random_scaled(seed, (6, 5, 4))[0]):
        found = to_int8(from_int8(two))
        assert found == replace(two, scales=None)
    one = random_int8(seed, (3, 1, 2))[0]
    assert to_int8(from_int8(one)) == one
    none = random_int8(seed, (6, 5, 4), M=0)[0]
    x = random_inputs(from_int8(none), 9)
    back = to_int8(from_int8(none))
    assert np.array_equal(
        infer_two(back, x.astype(np.uint8)).logits, infer(from_int8(none), x).h[1]
    )


def changed(layer, **values):
    """The two-layer network with other numbers in the step of ``layer``."""
    network = from_int8(random_int8(2, (6, 5, 4), bias=100)[0])
    layers = list(network.layers)
    step = replace(layers[layer].step, **values)
    layers[layer] = replace(layers[layer], step=step)
    return IntegerNetwork(network.input, tuple(layers))


TWO = from_int8(random_int8(2, (6, 5, 4), bias=100)[0])
M, R = TWO.layers[0].step.M, TWO.layers[0].step.R
TABLE = Thresholds(np.zeros((5, 3), np.int64), np.ones(5, np.int8))


def other_meaning(meaning):
    layers = (TWO.layers[0], replace(TWO.layers[1], meaning=meaning))
    return IntegerNetwork(TWO.input, layers)


REFUSED = {
    "inputs": (IntegerNetwork(InputFormat(0, 254), TWO.layers), "run from 0 to 254"),
    "low inputs": (IntegerNetwork(InputFormat(1, 255), TWO.layers), "run from 1 to 255"),
    "channels": (changed(0, M=M + (np.arange(5) == 3), R=R * 0), "one multiplier per channel"),
    "bias": (changed(0, R=R + 1), "not a multiple of M"),
    "M of 0": (changed(0, M=M * 0, R=R * 0 + 5), "not a multiple of M"),
    "large M": (changed(0, M=M * 0 + 65536, R=R * 0), "65536"),
    "falling": (changed(0, M=-M, R=-R), "M is -"),
    "large S": (changed(0, S=32), "S is 32"),
    "zero point": (changed(0, Z=1), "zero point 1"),
    "lo": (changed(0, lo=1), "run from 1 to 255"),
    "hi": (changed(0, hi=254), "run from 0 to 254"),
    "large bias": (changed(0, M=M * 0 + 1, R=R * 0 + 2**31), "bias of layer 0 does not fit 32"),
    "large last bias": (changed(1, R=np.full(4, -(2**31) - 1)), "bias of layer 1 does not fit 32"),
    "last M": (changed(1, M=np.array([1, 1, 2, 1])), "layer 1 requantises"),
    "last S": (changed(1, S=1), "layer 1 requantises"),
    "last Z": (changed(1, Z=1), "layer 1 requantises"),
    "last range": (changed(1, lo=0, hi=255), "layer 1 requantises"),
    "table": (
        IntegerNetwork(TWO.input, (replace(TWO.layers[0], step=TABLE), TWO.layers[1])),
        "layer 0 has a table of thresholds",
    ),
    "falling outputs": (other_meaning(Meaning.of(-0.5)), "different scales"),
    "scales": (other_meaning(Meaning(np.array([1.0, 2, 1, 1]), np.zeros(4))), "different scales"),
    "layers": (random_integer(0, (4, 3)), "it has 1 layers"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_the_hardware_does_not_have_is_named(name):
    network, complaint = REFUSED[name]
    with pytest.raises(RangeError, match=complaint):
        to_int8(network)
