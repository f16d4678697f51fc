"""What an integer network of N layers accepts: sizes, ranges, kinds of numbers; its inputs."""

from dataclasses import replace

import numpy as np
import pytest

from ohmbench.digital.integer import (
    Affine,
    InputFormat,
    IntegerNetwork,
    Layer,
    Meaning,
    Thresholds,
)
from ohmbench.digital.integer.network import LARGEST, acc_range, weight_bits, weight_range
from ohmbench.errors import DtypeError, NonFiniteError, RangeError, ShapeError
from tests.unit.integer_networks import random_integer

BYTES = InputFormat(0, 255)


def layer(weight=((1, 2), (3, 4)), step=None, bits=8, meaning=None):
    weight = np.array(weight)
    step = Affine.sums(np.zeros(len(weight), int)) if step is None else step
    return Layer(weight.astype(np.int8), step, bits, meaning)


def affine(M=(1, 1), R=(0, 0), S=0, Z=0, lo=0, hi=255):
    return Affine(np.array(M), np.array(R), S, Z, lo, hi)


def table(rows=((1, 2), (3, 3)), sign=(1, -1), lo=0):
    return Thresholds(np.array(rows), np.array(sign), lo)


WRONG = {
    "M-float": (lambda: affine(M=(1.5, 1)), DtypeError, "M is float64, but should be int64"),
    "M-bool": (lambda: affine(M=(True, False)), DtypeError, "M is bool"),
    "M-empty": (lambda: Affine(np.zeros(0, int), np.zeros(0, int), 0), ShapeError, "M has shape"),
    "M-flat": (lambda: affine(M=((1, 1),)), ShapeError, r"M has shape \(1, 2\)"),
    "M-too-many": (lambda: Affine.sums(np.zeros(2**16 + 1, int)), ShapeError, "1 to 65536"),
    "M-beyond-64-bits": (
        lambda: affine(M=np.array([2**63, 1], np.uint64)), RangeError, "M does not fit int64",
    ),
    "R-short": (lambda: affine(R=(0,)), ShapeError, r"R has shape \(1,\), but should be \(2,\)"),
    "S-negative": (lambda: affine(S=-1), RangeError, "S is -1, but should be from 0 to 62"),
    "S-large": (lambda: affine(S=63), RangeError, "S is 63, but should be from 0 to 62"),
    "one-limit": (lambda: affine(lo=None), RangeError, "lo and hi should both be given"),
    "other-limit": (lambda: affine(hi=None), RangeError, "lo and hi should both be given"),
    "limits-equal": (lambda: affine(lo=3, hi=3), RangeError, "values run from 3 to 3"),
    "limits-wide": (lambda: affine(lo=-1, hi=255), RangeError, "values run from -1 to 255"),
    "limits-low": (lambda: affine(lo=-256, hi=-1), RangeError, "values run from -256"),
    "limits-high": (lambda: affine(lo=1, hi=256), RangeError, "to 256, but should fit 8 bits"),
    "Z-large": (lambda: affine(Z=2**15 + 1), RangeError, "Z is 32769"),
    "Z-small": (lambda: affine(Z=-(2**15) - 1), RangeError, "Z is -32769"),
    "table-unsorted": (lambda: table(((2, 1), (3, 3))), RangeError, "thresholds should ascend"),
    "table-float": (lambda: table(((1.0, 2.0), (3, 3))), DtypeError, "table is float64"),
    "table-large": (
        lambda: table(((1, LARGEST + 1), (3, 3))), RangeError, r"below 2\^62 in magnitude",
    ),
    "table-wide": (
        lambda: Thresholds(np.zeros((1, 256), int), np.array([1])), RangeError, "fit 8 bits",
    ),
    "sign-0": (lambda: table(sign=(1, 0)), RangeError, "signs should be 1 or -1"),
    "sign-2": (lambda: table(sign=(2, 1)), RangeError, "signs should be 1 or -1"),
    "sign-short": (lambda: table(sign=(1,)), ShapeError, r"sign has shape \(1,\)"),
    "bits-0": (lambda: layer(bits=0), RangeError, "weights have 0 bits, but should have 1 to 8"),
    "bits-9": (lambda: layer(bits=9), RangeError, "weights have 9 bits"),
    "too-high": (lambda: layer(bits=3), RangeError, "run from 1 to 4, but 3 bits hold -4 to 3"),
    "too-low": (lambda: layer(((-5, 0),), bits=3), RangeError, "run from -5 to 0, but 3 bits"),
    "one-bit": (lambda: layer(((-1, 0),), bits=1), RangeError, "1 bit holds -1 and 1$"),
    "weight-flat": (
        lambda: Layer(np.array([1], np.int8), affine()), ShapeError, "2 dimensions of 1 to 65536",
    ),
    "weight-float": (
        lambda: Layer(np.ones((2, 2)), affine()), DtypeError, "weight is float64",
    ),
    "step-channels": (
        lambda: layer(((1, 2),), affine()), ShapeError, "has 2 channels, but the weights have 1",
    ),
    "meaning-channels": (
        lambda: layer(meaning=Meaning(np.ones(3), np.ones(3))), ShapeError, "meaning has 3 chann",
    ),
    "scale-0": (lambda: Meaning.of(0.0), RangeError, "a scale is 0"),
    "scale-one-0": (
        lambda: Meaning(np.array([1.0, 0]), np.zeros(2)), RangeError, "a scale is 0",
    ),
    "scale-one-nan": (
        lambda: Meaning(np.array([1.0, np.nan]), np.zeros(2)), NonFiniteError, "should be finite",
    ),
    "scale-nan": (lambda: Meaning.of(float("nan")), NonFiniteError, "scale should be finite"),
    "offset-shape": (lambda: Meaning(np.ones(2), np.ones(1)), ShapeError, "offset has shape"),
    "no-layers": (lambda: IntegerNetwork(BYTES, ()), ShapeError, "0 layers, but should be 1 to 32"),
    "33-layers": (
        lambda: IntegerNetwork(BYTES, tuple(layer(step=affine()) for _ in range(33))),
        ShapeError, "33 layers",
    ),
    "chain": (
        lambda: IntegerNetwork(BYTES, (layer(step=affine()), layer(((1, 2, 3),)))),
        ShapeError, "layer 1 has 3 inputs, but layer 0 has 2 channels",
    ),
    "unclamped-inside": (
        lambda: IntegerNetwork(BYTES, (layer(), layer())), RangeError, "layer 0 is not the last",
    ),
    "product-2-62": (
        lambda: IntegerNetwork(BYTES, (layer(((1, 0),), affine((2**54,), (2**54,))),)),
        RangeError, r"layer 0, channel 0: acc \* M \+ R could reach 2\^62",
    ),
    "inputs-empty": (lambda: InputFormat(3, 3), RangeError, "inputs run from 3 to 3"),
    "inputs-wide": (lambda: InputFormat(-1, 65535), RangeError, "should fit 16 bits"),
    "inputs-low": (lambda: InputFormat(-32769, 0), RangeError, "should fit 16 bits"),
    "inputs-high": (lambda: InputFormat(1, 65536), RangeError, "should fit 16 bits"),
    "in-scale-0": (lambda: InputFormat(0, 1, 0.0), RangeError, "scale of the inputs is 0"),
    "in-scale-inf": (lambda: InputFormat(0, 1, float("inf")), RangeError, "should be positive"),
    "in-table-dtype": (
        lambda: InputFormat(0, 1, thresholds=np.zeros(1)), ShapeError, r"float64 \(1,\)",
    ),
    "in-table-shape": (
        lambda: InputFormat(0, 1, thresholds=np.zeros(2, np.float32)), ShapeError, r"\(2,\)",
    ),
    "in-table-order": (
        lambda: InputFormat(0, 2, thresholds=np.array([1, 0], np.float32)), RangeError, "ascend",
    ),
    "in-table-nan": (
        lambda: InputFormat(0, 1, thresholds=np.array([np.nan], np.float32)), RangeError, "ascend",
    ),
    "in-table-last-nan": (
        lambda: InputFormat(0, 2, thresholds=np.array([1, np.nan], np.float32)),
        RangeError, "ascend",
    ),
    "in-table-last-order": (
        lambda: InputFormat(0, 3, thresholds=np.array([1, 2, 0], np.float32)), RangeError, "ascend",
    ),
    "product-of-minus": (
        lambda: IntegerNetwork(BYTES, (layer(((0, -1),), affine((2**54,), (2**54,))),)),
        RangeError, r"could reach 2\^62",
    ),
    "product-of-R-alone": (
        lambda: IntegerNetwork(BYTES, (layer(((0, 0),), affine((0,), (2**62,))),)),
        RangeError, r"could reach 2\^62",
    ),
    "product-in-layer-1": (
        lambda: IntegerNetwork(
            BYTES, (layer(step=affine(hi=15)), layer(((1, 0),), affine((2**59,), (0,))))
        ),
        RangeError, r"layer 1, channel 0: acc",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", sorted(WRONG))
def test_wrong_numbers_are_refused(case):
    make, error, text = WRONG[case]
    with pytest.raises(error, match=text):
        make()


def test_the_last_accepted_numbers():
    """The neighbours of what is refused."""
    assert affine(S=62).S == 62
    assert affine(Z=2**15).Z == -affine(Z=-(2**15)).Z
    assert affine(lo=0, hi=255).hi - affine(lo=-255, hi=0).lo == 510
    assert table(((LARGEST, LARGEST), (-LARGEST, 0))).hi == 2
    assert Thresholds(np.zeros((1, 255), int), np.array([1])).hi == 255
    assert InputFormat(0, 65535).hi == 65535
    assert InputFormat(-32768, 32767).lo == -32768
    assert len(IntegerNetwork(BYTES, tuple(layer(step=affine()) for _ in range(32))).layers) == 32
    step = affine((2**54,), (2**54 - 1,))
    assert IntegerNetwork(BYTES, (layer(((1, 0),), step),)).classes == 1
    alone = affine((2**55,), (2**62 - 1 - 2**55,))  # a sum of 0, but M is a number too
    assert IntegerNetwork(BYTES, (layer(((0, 0),), alone),)).classes == 1
    small = (layer(step=affine(hi=15)), layer(((1, 0),), affine((2**57,), (0,))))
    assert IntegerNetwork(BYTES, small).classes == 1
    unclamped = (layer(step=affine(hi=15)), layer(((1, 0),)))
    assert IntegerNetwork(BYTES, unclamped).layers[-1].step.lo is None
    assert InputFormat(0, 1, thresholds=np.array([np.inf], np.float32)).quantise(
        np.array([[3e38]])
    ).tolist() == [[0]]


@pytest.mark.parametrize(
    ("bits", "wanted"), [(1, (-1, 1)), (2, (-2, 1)), (3, (-4, 3)), (8, (-128, 127))]
)
def test_weight_range(bits, wanted):
    assert weight_range(bits) == wanted


@pytest.mark.parametrize(
    ("weights", "bits"),
    [
        ([1, -1], 1), ([1, 1], 1), ([0, 1], 2), ([0, 0], 2), ([-2, 1], 2), ([-3, 0], 3),
        ([-4, 3], 3), ([0, 4], 4), ([-5, 0], 4), ([0, 127], 8), ([-128, 0], 8), ([-65, 0], 8),
    ],
)  # fmt: skip
def test_weight_bits_are_the_fewest(weights, bits):
    found = np.array([weights], np.int8)
    assert weight_bits(found) == bits
    assert layer(found, bits=bits).bits == bits
    if bits > 1:
        with pytest.raises(RangeError):
            layer(found, bits=bits - 1)


def test_ranges_of_sums_are_reached_by_some_input():
    rng = np.random.default_rng(5)
    weight = rng.integers(-128, 128, (6, 3)).astype(np.int8)
    low, high = np.array([-2, 0, 1]), np.array([1, 2, 3])
    grid = np.array(
        np.meshgrid(*(range(a, b + 1) for a, b in zip(low, high, strict=True)))
    ).reshape(3, -1)
    sums = weight.astype(int) @ grid
    smallest, largest = acc_range(weight, low, high)
    assert np.array_equal(smallest, sums.min(axis=1))
    assert np.array_equal(largest, sums.max(axis=1))


def test_arrays_are_copied_and_read_only():
    weight = np.array([[1, 2]], np.int8)
    kept = Layer(weight, affine((1,), (0,)))
    weight[0, 0] = 9
    assert kept.weight.tolist() == [[1, 2]]
    sign = np.array([1], np.int64)
    assert Thresholds(np.array([[1]]), sign).sign.dtype == np.int8
    network = IntegerNetwork(BYTES, [kept])
    assert network.layers == (kept,)
    M = np.array([1, 2])
    step = Affine(M, M, 0)
    M[0] = 9
    assert step.M.tolist() == [1, 2]
    with pytest.raises(ValueError, match="read-only"):
        step.M[0] = 3
    thresholds = np.zeros(1, np.float32)
    read = InputFormat(0, 1, thresholds=thresholds)
    thresholds[0] = 5
    assert read.thresholds.tolist() == [0]
    with pytest.raises(ValueError, match="read-only"):
        read.thresholds[0] = 3


def test_sizes_and_ranges():
    network = random_integer(1, (5, 4, 3), kind="affine", last="sums", read=(0, 9))
    assert network.sizes == (5, 4, 3)
    assert (network.inputs, network.classes) == (5, 3)
    assert network.value_range(0) == (0, 9)
    first = network.layers[0].step
    assert network.value_range(1) == (first.lo, first.hi)


def changed(network, **parts):
    """``network`` with one part of its first layer or its input replaced."""
    if "input" in parts:
        return IntegerNetwork(parts["input"], network.layers)
    return IntegerNetwork(network.input, (replace(network.layers[0], **parts), *network.layers[1:]))


def test_networks_are_equal_if_all_their_integers_are():
    network = random_integer(2, (3, 2, 2), bits=5, kind="affine", last="sums", read=(0, 9))
    twin = random_integer(2, (3, 2, 2), bits=5, kind="affine", last="sums", read=(0, 9))
    assert network == twin
    assert hash(network) == hash(twin)
    assert network != "a network"
    first, read = network.layers[0], network.input
    step = first.step
    others = [
        changed(network, weight=first.weight[::-1].copy()),
        changed(network, bits=6),
        changed(network, step=replace(step, M=step.M + 1)),
        changed(network, step=replace(step, R=step.R + 1)),
        changed(network, step=replace(step, S=step.S + 1)),
        changed(network, step=replace(step, Z=step.Z + 1)),
        changed(network, step=replace(step, lo=step.lo + 1)),
        changed(network, step=replace(step, hi=step.hi - 1)),
        changed(network, step=Thresholds(np.array([[1], [2]]), np.array([1, 1]))),
        changed(network, input=replace(read, lo=read.lo - 1)),
        changed(network, input=replace(read, hi=read.hi - 1)),
        changed(network, input=replace(read, thresholds=np.arange(9, dtype=np.float32))),
    ]
    for i, other in enumerate(others):
        assert other != network, i
        assert hash(other) != hash(network), i
    steps = [
        Thresholds(np.array([[1], [2]]), np.array([1, 1])),
        Thresholds(np.array([[1], [3]]), np.array([1, 1])),
        Thresholds(np.array([[1], [2]]), np.array([1, -1])),
        Thresholds(np.array([[1], [2]]), np.array([1, 1]), -1),
    ]
    tables = [changed(network, step=step) for step in steps]
    assert len(set(tables)) == 4
    # What the integers mean does not change them.
    assert changed(network, meaning=Meaning.of(7.0)) == network


def test_real_inputs_become_integers():
    read = InputFormat(-2, 3, 0.5, 1)
    x = np.array([[-9, -0.75, -0.25, 0.25, 0.74, 9]])
    # x / 0.5 rounds half to even, then the zero point is added.
    assert read.quantise(x).tolist() == [[-2, -1, 1, 1, 2, 3]]
    assert read.real(np.array([[-2, 1, 3]])).tolist() == [[-1.5, 0, 1]]
    with pytest.raises(NonFiniteError, match="an input is not a number"):
        read.quantise(np.array([[0, np.nan]]))
    # Divided in float32, in which this is a tie.
    fine = InputFormat(0, 255, 1 + 2**-30)
    assert fine.quantise(np.array([[128.5 * (1 + 2**-30) + 1e-9]])).tolist() == [[128]]
    assert fine.real(np.array([[1]])).tolist() == [[1 + 2**-30]]


def test_input_thresholds_decide():
    t = np.array([-1, 0.1, 0.1], np.float32)
    read = InputFormat(-1, 2, thresholds=t)
    below = np.nextafter(np.float32(0.1), np.float32(0))
    x = np.array([[-2, -1, below, np.float32(0.1), 5]], np.float32)
    assert read.quantise(x).tolist() == [[-1, 0, 0, 2, 2]]


def test_meanings():
    shared = Meaning.of(0.5, 4)
    assert shared.real(np.array([[4, 6]])).tolist() == [[0, 1]]
    assert shared.shared
    assert Meaning(np.array([2.0, 2]), np.array([1.0, 1])).shared
    assert not Meaning(np.array([2.0, 3]), np.array([1.0, 1])).shared
    assert not Meaning(np.array([2.0, 2]), np.array([1.0, 0])).shared
