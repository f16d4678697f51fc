"""Tracing: sound networks pass, and each planted fault is named by stage, layer, neuron, value."""

from dataclasses import replace
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest

from ohmbench.digital import FloatNetwork, Int8Network, LayerScales, infer
from ohmbench.digital.stages import exactly
from ohmbench.digital.trace import LARGEST_TOLERANCE, Departure, dequantised, trace
from ohmbench.errors import HardwareFailure, OperandError, RangeError, ShapeError
from tests.unit.int8_networks import INT32, random_int8, random_scaled, zeros

SEEDS = range(6)
STAGES = ["float -> fake-quantised", "fake-quantised -> integers", "integers -> hardware"]


def verdicts(stages):
    return {stage.name: stage.departure for stage in stages}


@pytest.mark.parametrize("seed", SEEDS)
def test_sound_networks_stay_within_every_tolerance(seed):
    network, x = random_scaled(seed)
    stages = trace(network, x, simulate=infer)
    assert [stage.name for stage in stages] == STAGES
    assert all(stage.departure is None for stage in stages)
    hidden, logits = stages[0].parts
    assert (hidden.compared, logits.compared) == (20 * 12, 20 * 4)
    # Truncation takes less than an LSB, and on average half: it must be seen to be at work.
    assert 0.5 < hidden.largest <= 1
    assert all(part.largest == part.tolerance == 0 for part in stages[2].parts)


@pytest.mark.parametrize("seed", SEEDS)
def test_float_weights_that_round_to_the_integers_pass(seed):
    network, x = random_scaled(seed)
    own, rng = dequantised(network), np.random.default_rng(seed)

    def within_half_a_step(arrays, names):
        return tuple(
            a + 0.49 * getattr(s, name) * rng.uniform(-1, 1, a.shape)
            for a, s, name in zip(arrays, network.scales, names, strict=True)
        )

    real = FloatNetwork(
        within_half_a_step(own.weight, ("weight_scale",) * 2),
        within_half_a_step(own.bias, ("bias_scale",) * 2),
    )
    stages = trace(network, x, real=real)
    assert stages[0].departure is None
    assert "rounded" in stages[0].note


def test_a_wrong_float_weight_is_named():
    network, x = random_scaled(0)
    own = dequantised(network)
    w = own.weight[0].copy()
    w[5] *= -1
    stages = trace(network, x, real=FloatNetwork((w, own.weight[1]), own.bias))
    departure = stages[0].departure
    assert (departure.layer, departure.neuron, departure.quantity) == (0, 5, "hidden")
    assert abs(departure.found - departure.expected) > departure.allowed
    w1 = own.weight[1].copy()
    w1[2] += 400 * network.scales[1].weight_scale
    real = FloatNetwork((own.weight[0], w1), own.bias)
    stages = trace(network, x, real=real)
    place = stages[0].departure
    assert (place.layer, place.neuron) == (1, 2)
    first, last = network.scales
    hidden = x[place.image] * first.in_scale @ own.weight[0].T + own.bias[0]
    hidden = np.clip(hidden / first.out_scale, 0, 255)
    exact = (hidden * first.out_scale @ w1[2] + own.bias[1][2]) / last.bias_scale
    assert place.expected == pytest.approx(exact)
    own_hidden = np.floor(hidden) * first.out_scale
    assert place.found == pytest.approx(
        (own_hidden @ own.weight[1][2] + own.bias[1][2]) / last.bias_scale
    )


@pytest.mark.parametrize("off", [-3, 3])
def test_a_multiplier_that_is_not_the_scales_is_named(off):
    """Three steps of M beside the rounding move some hidden value across a whole number."""
    network, x = random_scaled(1, (32, 40, 4), images=200)
    large = replace(network, M=network.M + off)
    departure = verdicts(trace(large, x))[STAGES[1]]
    assert (departure.layer, departure.quantity) == (0, "hidden")
    found = infer(large, x).hidden[departure.image, departure.neuron]
    assert departure.found == found == departure.expected + np.sign(off)


def test_the_rounding_of_the_multiplier_is_bounded():
    """The tolerance of a hidden value is 0 unless it lies beside a whole number, else 1."""
    network, x = random_scaled(2, (32, 40, 4), images=200)
    hidden = trace(network, x)[1].parts[0]
    assert hidden.tolerance <= 1
    assert hidden.largest <= hidden.tolerance


def separate(network, seed=0):
    """Float weights that round to the network's."""
    own, rng = dequantised(network), np.random.default_rng(seed)
    return FloatNetwork(
        tuple(w + 0.4 * s.weight_scale * rng.uniform(-1, 1, w.shape)
              for w, s in zip(own.weight, network.scales, strict=True)),
        own.bias,
    )  # fmt: skip


@pytest.mark.parametrize("factor", [1.0, 2.5])
@pytest.mark.parametrize("own", [True, False], ids=["dequantised", "separate"])
def test_the_float_stage_allows_what_rounding_costs_and_no_more(own, factor):
    """By loops over the sentences: an LSB of truncation for a hidden value; with weights of their
    own half an LSB of each weight and of the bias; all of it through the weights of layer 1."""
    network, x = random_scaled(3, (5, 4, 3), images=4)
    first, last = network.scales
    real = dequantised(network) if own else separate(network)
    stage = trace(network, x, real=None if own else real, tolerance=factor)[0]
    hidden_tol, logit_tol = [], []
    for image in x:
        pixels = [int(p) * first.in_scale for p in image]
        tol = [1.0] * 4
        fake = [0.0] * 4
        for j in range(4):
            if not own:
                tol[j] += (
                    (sum(pixels) * first.weight_scale + first.bias_scale) / 2 / first.out_scale
                )
            z = sum(
                p * w * first.weight_scale
                for p, w in zip(pixels, network.weight[0][j], strict=True)
            )
            z = (z + network.bias[0][j] * first.bias_scale) / first.out_scale
            fake[j] = float(min(max(np.floor(z), 0), 255))
        hidden_tol.append(tol)
        for c in range(3):
            lsb = [abs(w) * first.out_scale / last.bias_scale for w in real.weight[1][c]]
            through = sum(t * w for t, w in zip(tol, lsb, strict=True))
            logit_tol.append(through + (0 if own else (sum(fake) + 1) / 2))
    hidden, logits = stage.parts
    assert hidden.tolerance == pytest.approx(factor * np.max(hidden_tol), rel=1e-6)
    assert logits.tolerance == pytest.approx(factor * max(logit_tol), rel=1e-6)
    assert (hidden.layer, logits.layer) == (0, 1)
    assert (hidden.quantity, logits.quantity) == ("hidden", "logits")


def whole_numbers(network, image, neuron):
    """The least, the exact and the largest hidden value that the multiplier's rounding and that of
    the bias's scale can give."""
    first = network.scales[0]
    ratio = Fraction(first.in_scale) * Fraction(first.weight_scale) / Fraction(first.out_scale)
    bias_ratio = Fraction(first.bias_scale) / Fraction(first.out_scale)
    row, bias = network.weight[0][neuron].tolist(), int(network.bias[0][neuron])
    total = sum(w * p for w, p in zip(row, image.tolist(), strict=True))
    z = total * ratio + bias * bias_ratio
    off = max(total + bias, 0) * Fraction(1, 2 ** (network.S + 1))
    off += abs(bias) * abs(bias_ratio - ratio)
    return tuple(int(min(max(v // 1, 0), 255)) for v in (z - off, z, z + off))


def off_scales(network, off, **changes):
    """The network with biases whose scale is ``off`` (relative) beside the product's."""
    first, last = network.scales
    scales = (
        replace(first, bias_scale=first.in_scale * first.weight_scale * (1 + off)),
        replace(last, bias_scale=last.in_scale * last.weight_scale * (1 - off)),
    )
    return Int8Network.from_scales(network.weight, network.bias, scales, **changes)


def test_the_integer_stage_allows_what_the_multiplier_costs_and_no_more():
    """Half a step of M for each r, and the bias's rounded scale: which whole numbers lie within."""
    network, x = random_scaled(4, (16, 12, 4), images=30)
    network = off_scales(network, 5e-7, S=12)
    last = network.scales[1]
    stage = trace(network, x)[1]
    width, logit_tol = 0, []
    product_scale = Fraction(last.in_scale) * Fraction(last.weight_scale)
    off_product = abs(float(product_scale / Fraction(last.bias_scale) - 1))
    for image in x:
        ends = [whole_numbers(network, image, j) for j in range(12)]
        width = max([width, *(max(high - mid, mid - low) for low, mid, high in ends)])
        for row in network.weight[1].tolist():
            within = sum(abs(w) * (e[2] - e[0]) for w, e in zip(row, ends, strict=True))
            logit_tol.append(within + off_product * 255 * sum(map(abs, row)))
    hidden, logits = stage.parts
    assert width > 0
    assert hidden.tolerance == width
    assert logits.tolerance == pytest.approx(max(logit_tol), rel=1e-6)
    assert (hidden.quantity, logits.quantity) == ("hidden", "logits")
    assert (hidden.layer, logits.layer) == (0, 1)


def test_the_rounded_scale_of_a_bias_is_allowed_for():
    """A bias whose scale is beside the product: with the multiplier's rounding it carries 200 over
    a whole number, which neither does alone. A departure allows the wider of the two sides."""
    out_scale = 1 / (1 - 1.8e-5)
    bias_scale = 1 + 9e-6
    scales = (LayerScales(1.0, bias_scale, 1.0, out_scale), LayerScales(1.0, out_scale, out_scale))
    weight = (np.zeros((1, 1), np.int8), np.ones((1, 1), np.int8))
    bias = (np.array([200], np.int32), np.zeros(1, np.int32))
    network = Int8Network.from_scales(weight, bias, scales, S=16)
    x = np.zeros((1, 1), np.uint8)
    assert whole_numbers(network, x[0], 0) == (199, 199, 200)
    stage = trace(network, x)[1]
    assert stage.passed
    assert stage.parts[0].tolerance == 1
    place = trace(replace(network, M=network.M - 700), x)[1].departure
    assert (place.found, place.expected, place.allowed) == (197, 199, 1)


def test_an_almost_whole_number_is_within_the_truncation():
    """Just under a whole number truncation takes all but a hair of an LSB, in either layer: the
    rounding of float64 must not make that a departure."""
    out_scale = 51 * (1 + 1e-13)
    for w1, b1 in ((1, 0), (-128, 2**31 - 1)):
        weight = (np.ones((1, 1), np.int8), np.full((1, 1), w1, np.int8))
        bias = (np.zeros(1, np.int32), np.array([b1], np.int32))
        scales = (LayerScales(1.0, 1.0, 1.0, out_scale), LayerScales(1.0, out_scale, out_scale))
        network = Int8Network.from_scales(weight, bias, scales, S=16)
        stage = trace(network, np.full((1, 1), 255, np.uint8))[0]
        assert 1 - 1e-9 < stage.parts[0].largest < 1
        assert stage.passed


def test_all_dark_is_zero_on_both_sides():
    network, x = random_scaled(0)
    dark = replace(network, bias=(network.bias[0] - np.int32(10**7), network.bias[1]))
    stages = trace(dark, x)
    assert [part.largest for part in stages[0].parts] == [0, 0]
    assert stages[1].parts[0].largest == 0


def test_the_largest_numbers_keep_their_last_bit():
    """Biases of 31 bits: real numbers as they are, integers and hardware without a difference."""
    scales = (LayerScales(2.0**-20, 2.0**-20, 1.0, 1.0), LayerScales(1.0, 1.0, 1.0))
    for end in INT32:
        network = Int8Network.from_scales(
            (np.zeros((1, 1), np.int8), np.zeros((2, 1), np.int8)),
            (np.array([end], np.int32), np.array([end, 0], np.int32)), scales, S=31,
        )  # fmt: skip
        real = dequantised(network)
        assert real.bias[0].tolist() == [end * 2.0**-20]
        assert real.bias[1].tolist() == [end, 0]
        x = np.zeros((1, 1), np.uint8)
        stages = trace(network, x, simulate=infer)
        assert all(stage.passed for stage in stages)
        assert stages[1].parts[1].largest == 0


def test_the_largest_difference_is_that_of_the_worst_value():
    """And the departure allows what the first wrong value may be off, not what another may."""
    network, x = random_scaled(0)
    real = separate(network)
    w = real.weight[0].copy()
    w[5] *= -1
    stage = trace(network, x, real=FloatNetwork((w, real.weight[1]), real.bias))[0]
    first, place = network.scales[0], stage.departure
    pixels = float(x[place.image].sum()) * first.in_scale
    allowed = 1 + (pixels * first.weight_scale + first.bias_scale) / 2 / first.out_scale
    assert place.allowed == pytest.approx(allowed, rel=1e-6)
    assert place.found == infer(network, x).hidden[place.image, place.neuron]
    exact = x[place.image] * first.in_scale @ w[place.neuron] + real.bias[0][place.neuron]
    assert place.expected == pytest.approx(min(max(exact / first.out_scale, 0), 255))
    assert stage.parts[0].largest >= abs(place.found - place.expected) > place.allowed


def test_a_departure_in_words():
    of_neuron = Departure(3, 0, 0, "hidden", 7.0, 9.0, 1.5)
    assert of_neuron.describe() == ("image 3, layer 0: hidden[0] = 7, but should be 9 within 1.5")
    exact = Departure(3, 1, -1, "classes", 7.0, 9.0, 0.0)
    assert exact.describe(100) == "image 103, layer 1: classes = 7, but should be 9"


def test_a_clamp_is_one_where_both_are_beyond():
    """A float value at 256 with integers under it is not clamped in both, and the reverse."""
    weight = (np.full((2, 1), 1, np.int8), np.ones((1, 2), np.int8))
    bias = (np.zeros(2, np.int32), np.zeros(1, np.int32))
    out_scale = 255 / 256  # 255 pixels of weight 1 are exactly 256 LSBs
    scales = (LayerScales(1.0, 1.0, 1.0, out_scale), LayerScales(1.0, out_scale, out_scale))
    network = Int8Network.from_scales(weight, bias, scales, S=15)
    x = np.full((1, 1), 255, np.uint8)
    assert "2 of 2 hidden values are clamped" in trace(network, x)[0].note
    own = dequantised(network)
    low = np.array([[0.9], [1.0]])
    stage = trace(network, x, real=FloatNetwork((low, own.weight[1]), own.bias))[0]
    assert "1 of 2 hidden values are clamped" in stage.note
    high = FloatNetwork((np.array([[3.0], [3.0]]), own.weight[1]), own.bias)
    assert "clamped" not in trace(network, np.full((1, 1), 250, np.uint8), real=high)[0].note


def test_the_largest_tolerance_is_one():
    network, x = random_scaled(0)
    assert trace(network, x, tolerance=LARGEST_TOLERANCE)[0].passed
    with pytest.raises(RangeError, match="tolerance"):
        trace(network, x, tolerance=np.nextafter(LARGEST_TOLERANCE, np.inf))


def test_neighbours_under_two_to_the_53_differ():
    """The comparison with the hardware is exact at the largest logits there can be."""
    network = zeros(1, 1, 2, b1={0: 2**31 - 1, 1: -(2**31)})
    x = np.zeros((1, 1), np.uint8)

    def one_less(network, images):
        found = infer(network, images)
        return replace(found, logits=found.logits - 1, values=found.values - 1)

    departure = trace(network, x, simulate=one_less)[0].departure
    assert (departure.quantity, departure.found) == ("logits", 2**31 - 2)


FAKES = {
    "hidden": (("hidden", (3, 7)), 1, (0, 7)),
    "logits": (("logits", (3, 2)), -1, (1, 2)),
    "classes": (("classes", (3,)), 1, (1, -1)),
    "values": (("values", (3,)), 5, (1, -1)),
}


@pytest.mark.parametrize(("place", "off", "named"), FAKES.values(), ids=FAKES)
def test_a_fault_of_the_hardware_is_named(place, off, named):
    network, x = random_scaled(0)
    quantity, index = place

    def faulty(network, images):
        found = SimpleNamespace(**{k: v.copy() for k, v in vars(infer(network, images)).items()})
        getattr(found, quantity)[index] += off
        return found

    stages = trace(network, x, simulate=faulty)
    assert [stage.departure is None for stage in stages] == [True, True, False]
    departure = stages[2].departure
    exact = getattr(infer(network, x), quantity)[index]
    assert (departure.layer, departure.neuron) == named
    assert (departure.image, departure.quantity) == (3, quantity)
    assert (departure.found, departure.expected) == (exact + off, exact)
    text = departure.describe(100)
    assert text.startswith(f"image 103, layer {named[0]}: {quantity}")
    assert f"but should be {int(exact)}" in text


def test_the_earliest_layer_is_named_before_an_earlier_image():
    network, x = random_scaled(0)

    def faulty(network, images):
        found = SimpleNamespace(**{k: v.copy() for k, v in vars(infer(network, images)).items()})
        found.logits[0, 0] += 1
        found.hidden[9, 4] ^= 1
        return found

    departure = trace(network, x, simulate=faulty)[2].departure
    assert (departure.layer, departure.image, departure.neuron) == (0, 9, 4)


def test_bare_integers_have_the_hardware_stage_only():
    network, x = random_int8(0, (5, 4, 3))
    assert [stage.name for stage in trace(network, x, simulate=infer)] == STAGES[2:]
    with pytest.raises(OperandError, match="nothing to compare"):
        trace(network, x)
    real = FloatNetwork((np.zeros((4, 5)), np.zeros((3, 4))), (np.zeros(4), np.zeros(3)))
    with pytest.raises(OperandError, match="no scales"):
        trace(network, x, real=real, simulate=infer)
    with pytest.raises(RangeError, match="no scales"):
        dequantised(network)


def test_refusals():
    network, x = random_scaled(0)
    own = dequantised(network)
    for tolerance in (0, -1, float("nan"), float("inf"), 1e308):
        with pytest.raises(RangeError, match="tolerance"):
            trace(network, x, tolerance=tolerance)
    with pytest.raises(ShapeError, match=r"float bias\[1\]"):
        trace(network, x, real=FloatNetwork(own.weight, (own.bias[0], np.zeros(9))))
    with pytest.raises(ShapeError, match="hidden of shape"):
        trace(network, x, simulate=lambda n, i: infer(n, i[:3]))


def test_clamped_values_are_counted():
    network, x = random_scaled(0)
    bright = replace(network, bias=(network.bias[0] + np.int32(10**7), network.bias[1]))
    stages = trace(bright, x)
    assert stages[0].departure is None
    assert "240 of 240 hidden values are clamped" in stages[0].note


def test_hardware_that_does_not_answer_fails_its_stage():
    """The other stages are there all the same, and it is no error of whoever asked."""
    network, x = random_scaled(0)

    def dead(network, images):
        raise HardwareFailure("0 of 1 results came within 100 clocks")

    stages = trace(network, x, simulate=dead)
    assert [stage.name for stage in stages] == STAGES
    assert [stage.passed for stage in stages] == [True, True, False]
    assert stages[-1].failure == "0 of 1 results came within 100 clocks"
    assert (stages[-1].note, stages[-1].parts) == ("nothing to compare", ())


def test_wrong_logits_of_the_integers_are_what_was_found(monkeypatch):
    network, x = random_scaled(0)
    right = infer(network, x)
    wrong = replace(right, logits=right.logits + 10**7)
    monkeypatch.setattr("ohmbench.digital.trace.infer_all", lambda *_: wrong)
    departure = verdicts(trace(network, x))["fake-quantised -> integers"]
    assert (departure.quantity, departure.found) == ("logits", float(wrong.logits[0, 0]))


def test_values_of_different_shapes_are_not_compared():
    with pytest.raises(ShapeError, match=r"layer 2: h has shape \(1, 2\), but should be \(1, 3\)"):
        exactly(2, "h", np.zeros((1, 2)), np.zeros((1, 3)))


def test_clamped_values_are_those_of_the_integers():
    """Between 255 and 256 truncation gives 255 without a clamp."""
    weight = (np.full((1, 1), 1, np.int8), np.ones((1, 1), np.int8))
    bias = (np.zeros(1, np.int32), np.zeros(1, np.int32))
    for out_scale, clamped in ((254.5 / 255, False), (250 / 255, True)):
        scales = (LayerScales(1.0, 1.0, 1.0, out_scale), LayerScales(1.0, out_scale, out_scale))
        network = Int8Network.from_scales(weight, bias, scales, S=15)
        stages = trace(network, np.full((1, 1), 255, np.uint8))
        assert ("clamped" in stages[0].note) == clamped
