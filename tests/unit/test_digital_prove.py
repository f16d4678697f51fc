"""Proofs of register widths: exact on what can be enumerated, and every break is shown."""

import sys
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ohmbench.digital import Hardware, Int8Network, check_fits, infer
from ohmbench.digital.prove import RegisterVerdict, extreme_image, prove, spans
from ohmbench.eda.hdl import hardware_for
from ohmbench.errors import RangeError, ShapeError
from tests.unit.int8_networks import INT32, int8_networks, random_int8, zeros

LAYER_0 = ("mac0", "acc0", "sum0", "r", "product", "hidden")
WIDTHS = ("acc0_bits", "sum0_bits", "r_bits", "product_bits", "acc1_bits", "logit_bits")


def values(network, images, offset=128, flat=True):
    """What every register meets on ``images``, (n, neurons), by the golden model: products and sums
    are those of weights with the offset of our hardware. Not ``flat``: of one image, by neuron."""
    found = infer(network, images)
    x, h = images.astype(int)[:, None], found.hidden.astype(int)[:, None]
    w0, w1 = (w.astype(int) + offset for w in network.weight)
    found = {
        "mac0": (w0 * x).reshape(len(images), -1),
        "acc0": (w0 * x).sum(axis=2),
        "sum0": found.acc0,
        "r": found.r,
        "product": found.product,
        "hidden": found.hidden.astype(int),
        "mac1": (w1 * h).reshape(len(images), -1),
        "acc1": (w1 * h).sum(axis=2),
        "logit": found.logits,
    }
    if flat:
        return found
    return {n: v.reshape(network.hidden if n in LAYER_0 else network.classes, -1)
            for n, v in found.items()}  # fmt: skip


@given(int8_networks())
def test_no_image_leaves_the_bounds(drawn):
    network, images = drawn
    bounds = {b.register.name: b for b in prove(network, Hardware(*network.sizes)).bounds}
    for name, found in values(network, images).items():
        assert bounds[name].low <= found.min()
        assert found.max() <= bounds[name].high


def intervals(network, offset):
    """Every span by interval arithmetic in Python integers: (low, high, exact) a neuron."""
    (w0, w1), (b0, b1) = ([a.tolist() for a in pair] for pair in (network.weight, network.bias))

    def terms(row, ends, added=0):
        return [sorted(((w + added) * low, (w + added) * high)) for w, (low, high) in
                zip(row, ends, strict=True)]  # fmt: skip

    def total(row, ends, added=0, bias=0):
        low, high = zip(*terms(row, ends, added), strict=True)
        return sum(low) + bias, sum(high) + bias

    def widest(row, ends):
        low, high = zip(*terms(row, ends, offset), strict=True)
        return min(low), max(high)

    x = [(0, 255)] * network.inputs
    sum0 = [total(row, x, 0, b) for row, b in zip(w0, b0, strict=True)]
    r = [(max(low, 0), max(high, 0)) for low, high in sum0]
    product = [(low * network.M, high * network.M) for low, high in r]
    hidden = [tuple(min(p // 2**network.S, 255) for p in ends) for ends in product]
    exact = {
        "weight0": [(min(row), max(row)) for row in w0],
        "weight1": [(min(row), max(row)) for row in w1],
        "bias0": [(b, b) for b in b0],
        "bias1": [(b, b) for b in b1],
        "M": [(network.M,) * 2],
        "S": [(network.S,) * 2],
        "mac0": [widest(row, x) for row in w0],
        "acc0": [total(row, x, offset) for row in w0],
        "sum0": sum0, "r": r, "product": product, "hidden": hidden,
        "mac1": [widest(row, hidden) for row in w1],
    }  # fmt: skip
    bounded = {
        "acc1": [total(row, hidden, offset) for row in w1],
        "logit": [total(row, hidden, 0, b) for row, b in zip(w1, b1, strict=True)],
    }
    return {n: (ends, True) for n, ends in exact.items()} | {
        n: (ends, False) for n, ends in bounded.items()
    }


@given(
    int8_networks(), st.booleans(), st.integers(1, 34), st.sampled_from(WIDTHS), st.integers(2, 16)
)
def test_bounds_are_those_of_interval_arithmetic(drawn, weight_offset, bits, width, weight_bits):
    network, _ = drawn
    hardware = replace(
        Hardware(*network.sizes), weight_offset=weight_offset, weight_bits=weight_bits,
        **{width: bits},
    )  # fmt: skip
    expected = intervals(network, hardware.offset)
    certificate = prove(network, hardware)
    assert [b.register for b in certificate.bounds] == list(hardware.registers().values())
    for bound in certificate.bounds:
        ends, exact = expected[bound.register.name]
        lows, highs = zip(*ends, strict=True)
        assert (bound.low, bound.high, bound.exact) == (min(lows), max(highs), exact)
        assert lows[bound.low_neuron] == bound.low
        assert highs[bound.high_neuron] == bound.high
        held = range(bound.register.low, bound.register.high + 1)
        assert bound.beyond == sum(lo not in held or hi not in held for lo, hi in ends)
        assert (bound.verdict is RegisterVerdict.HOLDS) == (bound.beyond == 0)
        assert bound.of_neurons == (bound.register.name not in ("M", "S"))
        example = bound.counterexample
        assert (example is not None) == (bound.verdict is RegisterVerdict.BROKEN)
        if exact:
            assert bound.verdict is not RegisterVerdict.NOT_PROVEN
        if example is None:
            continue
        assert example.register == bound.register
        assert example.value not in held
        assert example.kept == bound.register.kept(example.value)
        if exact:
            assert example.value in ends[example.neuron]
        if example.image is not None:
            of_neuron = values(network, example.image[None], hardware.offset, flat=False)
            assert example.value in of_neuron[bound.register.name][example.neuron]


def mislead(sign, offset):
    """A network whose largest acc1 (``sign`` 1; least: -1) is one image's alone, and that number.

    Pixels 5, 63 and 64 are best dark though weights through both layers say bright: what is bright
    there goes through a neuron that never fires. Pixels 20 and 129 are best bright, and ten
    others are what they seem. The climb has 64 pixels at a time, and begins at what they seem.
    """
    dark, bright, plain = (5, 63, 64), (20, 129), (*range(30, 39), 44)
    neurons = [
        *[({p: 1}, -255, 127) for p in dark], *[({p: -1}, 255, 100) for p in dark],
        *[({p: -1}, 0, 127) for p in bright], *[({p: 1}, 0, 100) for p in bright],
        *[({p: 1}, 0, 1) for p in plain],
        ({}, 8, 127), ({}, 1, 6),  # a constant, so that the end is a power of two
    ]  # fmt: skip
    end = 255 * (100 * 5 + 10) + 8 * 127 + 6
    network = zeros(
        130, len(neurons), 2,
        w0={(j, p): w for j, (row, _, _) in enumerate(neurons) for p, w in row.items()},
        b0={j: b for j, (_, b, _) in enumerate(neurons)},
        w1={(c, j): (sign * w if c else 0) - offset
            for c in range(2) for j, (_, _, w) in enumerate(neurons)},
    )  # fmt: skip
    image = np.zeros(130, np.uint8)
    image[[*bright, *plain]] = 255
    return network, image, sign * end


@pytest.mark.parametrize("sign", [1, -1])
def test_an_image_is_found_that_no_weight_points_to(sign):
    """The sum of layer 1 over all images but one fits the register."""
    network, image, end = mislead(sign, 0)
    found = infer(network, image[None])
    assert int(found.logits[0, 1]) == end
    excess = 2**17 - abs(end)  # a bias that lets the end just leave 18 bits
    b1 = np.array([0, sign * excess - (sign < 0)], np.int32)
    network = replace(network, bias=(network.bias[0], b1))
    hardware = replace(Hardware(*network.sizes), logit_bits=18)
    bound = next(b for b in prove(network, hardware).bounds if b.register.name == "logit")
    assert bound.verdict is RegisterVerdict.BROKEN
    assert bound.counterexample.neuron == 1
    assert bound.counterexample.value == (2**17 if sign > 0 else -(2**17) - 1)
    needed = [5, 20, 63, 64, 129, *range(30, 39), 44]
    assert bound.counterexample.image[needed].tolist() == image[needed].tolist()
    roomy = replace(hardware, logit_bits=19)
    bound = next(b for b in prove(network, roomy).bounds if b.register.name == "logit")
    assert bound.verdict is not RegisterVerdict.BROKEN


@pytest.mark.parametrize(("weight", "value"), [(127, 127 * 255), (-128, -128 * 255)])
@pytest.mark.parametrize("layer", [0, 1])
def test_a_single_product_beyond_its_register_is_shown(layer, weight, value):
    """One weight of many, at either end, of either layer; its register has 4 + 8 bits."""
    place = {(1, 2): weight, (0, 1): 3, (1, 0): -3}
    given = {"w0": place} if layer == 0 else {"w1": place, "b0": dict.fromkeys(range(3), 255)}
    network = zeros(3, 3, 2, **given)
    hardware = replace(Hardware(3, 3, 2), weight_bits=4, weight_offset=False)
    bound = next(b for b in prove(network, hardware).bounds if b.register.name == f"mac{layer}")
    assert bound.verdict is RegisterVerdict.BROKEN
    assert (bound.counterexample.neuron, bound.counterexample.value) == (1, value)
    assert bound.beyond == 1


@pytest.mark.parametrize("offset", [0, 128])
def test_the_same_of_sums_without_their_bias(offset):
    network, _, end = mislead(1, offset)
    bits = 17 + (offset == 0)
    assert end == 2**17
    hardware = replace(Hardware(*network.sizes), acc1_bits=bits, weight_offset=offset > 0)
    bound = next(b for b in prove(network, hardware).bounds if b.register.name == "acc1")
    assert bound.verdict is RegisterVerdict.BROKEN
    assert (bound.counterexample.neuron, bound.counterexample.value) == (1, 2**17)


@given(int8_networks(largest=4))
def test_layer_0_bounds_are_reached_by_an_image_at_the_corners(drawn):
    judge_layer_0(drawn[0])


def judge_layer_0(network):
    """Sums are linear in each pixel, so all corners of the image space hold their extremes."""
    corners = np.array(list(product((0, 255), repeat=network.inputs)), np.uint8)
    found = values(network, corners)
    for bound in prove(network, Hardware(*network.sizes)).bounds:
        name = bound.register.name
        if name in ("acc0", "sum0", "r", "product", "hidden"):
            assert bound.exact
            assert (found[name].min(), found[name].max()) == (bound.low, bound.high)
            assert found[name][:, bound.high_neuron].max() == bound.high
            assert found[name][:, bound.low_neuron].min() == bound.low


@given(int8_networks())
def test_our_hardware_holds_every_network(drawn):
    network, _ = drawn
    assert prove(network, Hardware(*network.sizes)).proven
    check_fits(network, Hardware(*network.sizes))


@given(int8_networks(), st.sampled_from(WIDTHS), st.integers(1, 34))
def test_a_proof_and_a_break_exclude_each_other(drawn, width, bits):
    """Where images are all corners and the given ones: proven means that none leaves, and a
    counterexample is an image whose golden value does not fit."""
    network, images = drawn
    hardware = replace(Hardware(*network.sizes), **{width: bits})
    certificate = prove(network, hardware)
    corners = np.array(list(product((0, 255), repeat=min(network.inputs, 6))), np.uint8)
    found = values(network, np.concatenate([images, corners]))
    for bound in certificate.bounds:
        name, register = bound.register.name, bound.register
        if name not in found:
            continue
        if bound.verdict is RegisterVerdict.HOLDS:
            assert register.low <= found[name].min()
            assert found[name].max() <= register.high
        if bound.verdict is RegisterVerdict.BROKEN:
            example = bound.counterexample
            shown = values(network, example.image[None])[name]
            assert example.value in shown
            assert not register.low <= example.value <= register.high
            assert example.kept == register.kept(example.value) != example.value


@given(int8_networks())
def test_one_bit_less_than_needed_breaks_layer_0(drawn):
    network, _ = drawn
    for name in ("acc0", "sum0", "r", "product"):
        exact = next(
            b for b in prove(network, Hardware(*network.sizes)).bounds if b.register.name == name
        )
        enough = replace(Hardware(*network.sizes), **{f"{name}_bits": exact.needs})
        bound = next(b for b in prove(network, enough).bounds if b.register.name == name)
        assert bound.verdict is RegisterVerdict.HOLDS
        if exact.needs > 1:
            narrow = replace(enough, **{f"{name}_bits": exact.needs - 1})
            bound = next(b for b in prove(network, narrow).bounds if b.register.name == name)
            assert bound.verdict is RegisterVerdict.BROKEN


def test_the_neuron_and_its_image_are_named():
    network = zeros(M=1, S=0, w0={(17, 3): 100, (17, 9): -100})
    hardware = replace(Hardware(64, 100, 10), acc0_bits=15, weight_offset=False)
    certificate = prove(network, hardware)
    bound = certificate.first_failure
    assert (bound.register.name, bound.verdict) == ("acc0", RegisterVerdict.BROKEN)
    assert (bound.of_neurons, bound.beyond) == (True, 1)
    example = bound.counterexample
    assert (example.neuron, example.value, example.kept) == (17, 25500, 25500 - 2**15)
    assert np.nonzero(example.image)[0].tolist() == [3]
    low = replace(hardware, acc0_bits=15)
    mirrored = zeros(M=1, S=0, w0={(17, 3): -128})
    assert prove(mirrored, low).first_failure.counterexample.value == -32640


def test_a_break_in_layer_1_is_shown_by_an_image():
    network = zeros(2, 2, 2, M=1, S=0, w0={(0, 0): 1, (1, 1): 1}, w1={(1, 0): 127, (1, 1): 127})
    for weight_offset, largest in ((False, 127), (True, 255)):
        hardware = replace(Hardware(2, 2, 2), acc1_bits=16, weight_offset=weight_offset)
        bound = prove(network, hardware).first_failure
        assert (bound.register.name, bound.verdict) == ("acc1", RegisterVerdict.BROKEN)
        assert bound.counterexample.image.tolist() == [255, 255]
        assert bound.counterexample.value == 2 * largest * 255


@pytest.mark.parametrize("weight", [-128, -1, 0, 127])
def test_an_offset_makes_sums_larger_and_never_negative(weight):
    """64 equal weights: the sums of weights plus 128, all of whose images are from none to full."""
    network = zeros(M=1, S=0, w0={(3, i): weight for i in range(64)})
    bounds = {b.register.name: b for b in prove(network, Hardware(64, 100, 10)).bounds}
    largest = max(weight, 0) + 128  # all other neurons' weights are 0
    assert (bounds["acc0"].low, bounds["acc0"].high) == (0, 64 * 255 * largest)
    assert (bounds["mac0"].low, bounds["mac0"].high) == (0, 255 * largest)
    assert not bounds["acc0"].register.signed
    narrow = replace(Hardware(64, 100, 10), acc0_bits=21)
    bound = prove(network, narrow).first_failure
    if weight < 127:  # 64 * 255 * 128 fits 21 bits
        assert bound is None
    else:
        assert (bound.register.name, bound.counterexample.value) == ("acc0", 64 * 255 * 255)
        assert bound.counterexample.image.tolist() == [255] * 64


def test_what_only_bounds_can_reach_is_not_called_broken():
    """Two hidden neurons that never fire together: the bound adds them, no image does."""
    network = zeros(
        1, 2, 1, M=1, S=0, w0={(0, 0): 1, (1, 0): -1}, b0={1: 255}, w1={(0, 0): 127, (0, 1): 127}
    )
    # 127 * 255 fits, twice that does not.
    hardware = replace(Hardware(1, 2, 1), acc1_bits=16, weight_offset=False)
    certificate = prove(network, hardware)
    assert certificate.first_failure.verdict is RegisterVerdict.NOT_PROVEN
    assert certificate.first_failure.counterexample is None
    assert not certificate.proven
    reached = max(int(infer(network, np.array([[x]], np.uint8)).logits[0, 0]) for x in range(256))
    assert reached < 2**15


@pytest.mark.parametrize("sign", [1, -1])
def test_the_last_number_that_fits_is_no_break(sign):
    """As above, with a bias that lets the largest (least) value reached be the register's last."""
    end = 2**15 - (sign > 0)
    network = zeros(
        1, 2, 1, w0={(0, 0): 1, (1, 0): -1}, b0={1: 255},
        w1={(0, 0): sign * 127, (0, 1): sign * 127}, b1={0: sign * (end - 127 * 255)},
    )  # fmt: skip
    images = np.arange(256, dtype=np.uint8)[:, None]
    reached = sign * int((sign * infer(network, images).logits).max())
    assert reached == sign * end
    for bits, verdict in ((16, RegisterVerdict.NOT_PROVEN), (15, RegisterVerdict.BROKEN)):
        hardware = replace(Hardware(1, 2, 1), logit_bits=bits)
        bound = next(b for b in prove(network, hardware).bounds if b.register.name == "logit")
        assert bound.verdict is verdict


@pytest.mark.parametrize(
    ("network", "change", "name", "value"),
    [
        (zeros(2, 2, 2, M=300), {"scale_bits": 8}, "M", 300),
        (zeros(2, 2, 2, S=31), {"shift_bits": 4}, "S", 31),
        (zeros(2, 2, 2, b0={1: 128}), {"bias_bits": 8}, "bias0", 128),
        (zeros(2, 2, 2, b1={0: -129}), {"bias_bits": 8}, "bias1", -129),
        (zeros(2, 2, 2, w1={(1, 1): 8}), {"weight_bits": 4}, "weight1", 8),
    ],
)
def test_parameters_that_cannot_be_stored(network, change, name, value):
    bound = prove(network, replace(Hardware(2, 2, 2), **change)).first_failure
    assert (bound.register.name, bound.counterexample.value) == (name, value)
    assert bound.counterexample.image is None


def test_worst_case_of_the_format():
    """64 inputs, any weights, bias and M: 48 bits and a sign."""
    worst = zeros(M=65535, S=31, w0={(0, i): 127 for i in range(64)}, b0={0: INT32[1]})
    signed = replace(Hardware(64, 100, 10), product_signed=True)
    (bound,) = (b for b in prove(worst, signed).bounds if b.register.name == "product")
    assert bound.needs == 49


def test_larger_networks_are_refused():
    network, _ = random_int8(0, (5, 4, 3))
    for name in ("inputs", "hidden", "classes"):
        sizes = {"inputs": 5, "hidden": 4, "classes": 3}
        small = Hardware(**(sizes | {name: sizes[name] - 1}))
        for check in (prove, check_fits):
            with pytest.raises(ShapeError, match=f"has {sizes[name]} {name}"):
                check(network, small)
    assert prove(network, Hardware(50, 40, 30)).proven


def test_check_fits_names_the_register():
    network, _ = random_int8(0, (5, 4, 3))
    with pytest.raises(RangeError, match=r"product runs from .* 8 bits unsigned"):
        check_fits(network, replace(Hardware(5, 4, 3), product_bits=8))


@pytest.mark.parametrize("size", [1, 5, 127])
def test_extreme_images(size):
    network = zeros(3, 1, 1, w0={(0, 0): size, (0, 1): -size})
    assert extreme_image(network, 0, largest=True).tolist() == [255, 0, 0]
    assert extreme_image(network, 0, largest=False).tolist() == [0, 255, 0]


@pytest.mark.parametrize("name", ["acc0", "sum0", "product"])
def test_a_prover_that_forgets_a_pixel_is_caught(monkeypatch, name):
    def smaller(*given):
        found = spans(*given)
        return found | {name: replace(found[name], high=found[name].high - 1)}

    module = sys.modules[prove.__module__]
    monkeypatch.setattr(module, "spans", smaller)
    with pytest.raises(AssertionError):
        judge_layer_0(random_int8(0, (4, 4, 3))[0])


@pytest.mark.parametrize("broken", [1, 2, 3])
def test_an_image_is_looked_for_in_every_row_that_may_overflow(broken: int) -> None:
    """The first rows could only overflow if two neurons were at their largest at once, which the
    same input makes high and low in turn; one row of the others does."""
    M, S = 8257, 20  # 127 * 255 is scaled to 255
    others = [0, 1, 2, 3]
    w1 = np.array([[127, 0] if k == broken else [127, 127] for k in others], np.int8)
    network = Int8Network(
        (np.array([[127], [-127]], np.int8), w1),
        (np.array([0, 127 * 255], np.int32),
         np.array([20_000 * (k == broken) for k in others], np.int32)),
        M,
        S,
        None,
    )  # fmt: skip
    hardware = replace(hardware_for(network), logit_bits=16)
    (bound,) = (b for b in prove(network, hardware).bounds if b.register.name == "logit")
    assert bound.verdict is RegisterVerdict.BROKEN
    assert bound.counterexample is not None
    assert bound.counterexample.neuron == broken
    (logits,) = infer(network, bound.counterexample.image[None]).logits
    assert logits[broken] == bound.counterexample.value > 2**15 - 1
    assert np.delete(logits, broken).max() < 2**15
    assert bound.beyond == 4
