"""The golden model of N layers: two implementations, worked examples, and the two-layer model."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ohmbench.digital import infer as infer_int8
from ohmbench.digital.integer import (
    Affine,
    InputFormat,
    IntegerNetwork,
    Layer,
    Meaning,
    Thresholds,
    from_int8,
    golden,
    infer,
    infer_plain,
)
from ohmbench.errors import DtypeError, RangeError, ShapeError
from tests.unit.golden_checks import EXAMPLES
from tests.unit.int8_networks import random_int8, random_scaled
from tests.unit.integer_networks import random_inputs, random_integer


def same(network, x):
    """The first difference of the two implementations on ``x``, or None."""
    found = infer(network, x)
    for i, row in enumerate(x):
        plain = infer_plain(network, row)
        for k in range(len(network.layers)):
            if found.acc[k][i].tolist() != plain.acc[k]:
                return f"input {i}: acc[{k}]"
            if found.h[k][i].tolist() != plain.h[k]:
                return f"input {i}: h[{k}]"
        if (int(found.classes[i]), int(found.values[i])) != (plain.class_, plain.value):
            return f"input {i}: class"
    return None


@pytest.mark.parametrize("seed", range(60))
def test_the_two_implementations_agree(seed):
    network = random_integer(seed)
    assert same(network, random_inputs(network, 8, seed)) is None


def test_a_wrong_shift_is_seen(monkeypatch):
    """Rounding instead of truncating, planted in one of the two."""
    monkeypatch.setattr(
        golden.Affine,
        "apply",
        lambda s, acc: np.clip(
            ((acc * s.M + s.R + (1 << s.S >> 1)) >> s.S) + s.Z,
            -(2**62) if s.lo is None else s.lo,
            2**62 if s.hi is None else s.hi,
        ),
    )
    differing = 0
    for seed in range(20):
        network = random_integer(seed, kind="affine")
        differing += same(network, random_inputs(network, 8, seed)) is not None
    assert differing > 10


def one(step, weight=((1,),), read=(-1000, 1000), **options):
    """A network of one layer."""
    bits = options.pop("bits", 8)
    layer = Layer(np.array(weight, np.int8), step, bits, options.pop("meaning", None))
    return IntegerNetwork(InputFormat(*read), (layer,))


def affine(M, R, S, Z, lo, hi):
    return Affine(np.array([M]), np.array([R]), S, Z, lo, hi)


@pytest.mark.parametrize(
    ("step", "x", "wanted"),
    [
        (affine(1, 0, 1, 0, -5, 5), -3, -2),  # the shift is a floor, not a truncation
        (affine(1, 1, 1, 0, -5, 5), 1, 1),  # half up
        (affine(1, 1, 1, 0, -5, 5), -1, 0),
        (affine(1, 0, 0, 7, 0, 8), 5, 8),  # the zero point is added before the clamp
        (affine(1, 0, 0, -7, 0, 8), 5, 0),
        (affine(-2, 3, 0, 0, -9, 9), 4, -5),
        (affine(3, 0, 2, 1, 0, 255), 5, 4),
        (affine(1, 2**61, 61, 0, 0, 3), 0, 1),
        (Thresholds(np.array([[-2, 3, 3]]), np.array([1], np.int8), -1), -3, -1),
        (Thresholds(np.array([[-2, 3, 3]]), np.array([1], np.int8), -1), -2, 0),
        (Thresholds(np.array([[-2, 3, 3]]), np.array([1], np.int8), -1), 2, 0),
        (Thresholds(np.array([[-2, 3, 3]]), np.array([1], np.int8), -1), 3, 2),
        (Thresholds(np.array([[-2, 3, 3]]), np.array([-1], np.int8), -1), 2, 0),
        (Thresholds(np.array([[-2, 3, 3]]), np.array([-1], np.int8), -1), -3, 2),
    ],
)
def test_steps_worked_by_hand(step, x, wanted):
    network = one(step)
    assert infer(network, np.array([[x]])).outputs.tolist() == [[wanted]]
    assert infer_plain(network, [x]).h == [[wanted]]


def test_products_are_kept_for_affine_steps_only():
    network = random_integer(3, (4, 3, 2, 2), kind="thresholds", last="sums")
    found = infer(network, random_inputs(network, 5))
    assert [product is None for product in found.product] == [True, True, False]
    last = network.layers[-1].step
    assert np.array_equal(found.product[-1], found.acc[-1] * last.M + last.R)


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_two_layer_examples_hold_for_layers(name):
    """The examples worked by hand for the paper's two-layer network, by the general model."""
    network, images, quantity, index, value = EXAMPLES[name]
    found = infer(from_int8(network), images)
    old = infer_int8(network, images)
    bias0 = network.bias[0].astype(np.int64)
    new = {
        "acc0": found.acc[0] + bias0,
        "r": np.maximum(found.acc[0] + bias0, 0),
        "product": np.maximum(found.product[0], 0),
        "hidden": found.h[0],
        "logits": found.outputs,
        "classes": found.classes,
        "values": found.values,
    }
    assert new[quantity][index] == value
    for each, found_value in new.items():
        assert np.array_equal(found_value, getattr(old, each)), each


@pytest.mark.parametrize("seed", range(40))
def test_two_layer_networks_are_the_special_case(seed):
    rng = np.random.default_rng(seed)
    sizes = tuple(int(n) for n in rng.integers(1, 40, 3))
    make = random_int8 if seed % 2 else random_scaled
    network, x = make(seed, sizes, images=12)
    found, old = infer(from_int8(network), x), infer_int8(network, x)
    assert np.array_equal(found.h[0], old.hidden)
    assert np.array_equal(found.outputs, old.logits)
    assert np.array_equal(found.classes, old.classes)
    assert np.array_equal(found.values, old.values)


def test_scales_become_meanings():
    network, x = random_scaled(0)
    layers = from_int8(network)
    first, last = network.scales
    assert layers.input.scale == first.in_scale
    assert layers.layers[0].meaning.real(np.array([[3]])) == 3 * first.out_scale
    assert layers.layers[1].meaning.scale.tolist() == [last.bias_scale]
    bare, _ = random_int8(0)
    assert from_int8(bare).layers[0].meaning is None
    assert from_int8(bare).layers[1].meaning is None
    assert from_int8(bare).input.scale == 1
    assert len(infer(layers, x).classes) == len(x)


OUTPUTS = np.array([[5, -7, 5, 2]])


@pytest.mark.parametrize(
    ("meaning", "wanted"),
    [
        (None, 0),  # the first of equals
        (Meaning.of(0.5, 3), 0),
        (Meaning.of(-0.5, 3), 1),
        (Meaning(np.array([1.0, 1, 1, 9]), np.zeros(4)), 3),
        (Meaning(np.array([1.0, 1, 1, 2]), np.zeros(4)), 0),
        (Meaning(np.ones(4), np.array([0.0, 0, 0.5, 0])), 2),
        (Meaning(np.ones(4), np.array([0.0, 99, 0, 0])), 1),
    ],
)
def test_classes_follow_the_real_values(meaning, wanted):
    classes, values = golden.classes_of(OUTPUTS, meaning)
    assert classes.tolist() == [wanted]
    assert values.tolist() == [OUTPUTS[0, wanted]]
    network = one(Affine.sums(OUTPUTS[0]), np.zeros((4, 1)), meaning=meaning)
    plain = infer_plain(network, [0])
    assert (plain.class_, plain.value) == (wanted, OUTPUTS[0, wanted])


@pytest.mark.parametrize(("weight", "x"), [(-128, -32768), (127, 32767)])
def test_sums_of_many_wide_inputs_are_exact(weight, x):
    """65 535 products of the largest numbers: beyond 32 bits, and odd numbers remain odd."""
    network = one(Affine.sums([1]), np.full((1, 65535), weight, np.int8), (-32768, 32767))
    found = infer(network, np.full((1, 65535), x)).outputs.tolist()
    assert found == [[65535 * x * weight + 1]]


def test_the_last_layers_meaning_decides_the_class():
    """And not the first layer's, which would make it the other one."""
    layers = [
        Layer(np.array([[1], [1]], np.int8), Affine(np.ones(2, int), np.array([5, 3]), 0)),
        Layer(np.array([[1, 0], [0, 1]], np.int8), Affine.sums([0, 0])),
    ]
    small_first = Meaning(np.array([0.1, 9]), np.zeros(2))
    for meanings, wanted in (((small_first, None), 0), ((None, small_first), 1)):
        network = IntegerNetwork(
            InputFormat(0, 1),
            tuple(replace(layer, meaning=m) for layer, m in zip(layers, meanings, strict=True)),
        )
        assert infer(network, np.array([[0]])).classes.tolist() == [wanted]
        assert infer_plain(network, [0]).class_ == wanted


def test_one_output_is_the_class():
    network = one(Affine.sums([3]), meaning=Meaning.of(-2.0))
    assert infer(network, np.array([[4]])).classes.tolist() == [0]
    assert (infer_plain(network, [4]).class_, infer_plain(network, [4]).value) == (0, 7)


@settings(max_examples=30)
@given(st.integers(0, 10**6), st.integers(1, 6))
def test_rows_do_not_depend_on_their_batch(seed, n):
    network = random_integer(seed)
    x = random_inputs(network, n, seed)
    whole = infer(network, x)
    for i in range(n):
        assert np.array_equal(infer(network, x[i : i + 1]).outputs[0], whole.outputs[i])


def test_order_of_inputs_does_not_matter():
    network = random_integer(4, (9, 5, 3))
    order = np.random.default_rng(0).permutation(9)
    first = replace(network.layers[0], weight=network.layers[0].weight[:, order])
    moved = IntegerNetwork(network.input, (first, *network.layers[1:]))
    x = random_inputs(network, 20)
    assert np.array_equal(infer(network, x).outputs, infer(moved, x[:, order]).outputs)


@pytest.mark.parametrize(
    ("x", "error", "text"),
    [
        ([[1, 2]], DtypeError, "inputs are list, but should be integers"),
        (np.ones((1, 2)), DtypeError, "inputs are float64, but should be integers"),
        (np.ones((1, 2), bool), DtypeError, "inputs are bool, but should be integers"),
        (np.ones(2, int), ShapeError, r"inputs have shape \(2,\), but should be \(n, 2\), n >= 1"),
        (np.ones((1, 3), int), ShapeError, r"inputs have shape \(1, 3\)"),
        (np.ones((0, 2), int), ShapeError, r"inputs have shape \(0, 2\)"),
        (np.array([[0, 4]]), RangeError, "inputs run from 0 to 4, but should be 0 to 3"),
        (np.array([[-1, 3]]), RangeError, "inputs run from -1 to 3, but should be 0 to 3"),
    ],
)
def test_wrong_inputs(x, error, text):
    network = one(Affine.sums([0]), [[1, 1]], (0, 3))
    with pytest.raises(error, match=text):
        infer(network, x)


@pytest.mark.parametrize(
    ("x", "error", "text"),
    [
        ([1], ShapeError, "the input has 1 values, but should have 2"),
        ([1, 4], RangeError, r"input\[1\] is 4, but should be 0 to 3"),
        ([-1, 3], RangeError, r"input\[0\] is -1, but should be 0 to 3"),
    ],
)
def test_wrong_plain_input(x, error, text):
    with pytest.raises(error, match=text):
        infer_plain(one(Affine.sums([0]), [[1, 1]], (0, 3)), x)


def test_the_ends_of_the_input_format_are_inputs():
    network = one(Affine.sums([0]), [[1, 1]], (0, 3))
    assert infer(network, np.array([[0, 3]], np.uint8)).outputs.tolist() == [[3]]
    assert infer_plain(network, [0, 3]).h == [[3]]
