"""Tracing: sound networks pass, and each planted fault is named by stage, layer, neuron, value."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from ohmbench.digital import FloatNetwork, Int8Network, LayerScales, infer
from ohmbench.digital.trace import dequantised, trace
from ohmbench.errors import HardwareFailure, OperandError, RangeError, ShapeError
from tests.unit.int8_networks import random_int8, random_scaled

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
    w2 = own.weight[1].copy()
    w2[2] += 400 * network.scales[1].weight_scale
    real = FloatNetwork((own.weight[0], w2), own.bias)
    stages = trace(network, x, real=real)
    assert (stages[0].departure.layer, stages[0].departure.neuron) == (1, 2)


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


def test_clamped_values_are_those_of_the_integers():
    """Between 255 and 256 truncation gives 255 without a clamp."""
    weight = (np.full((1, 1), 1, np.int8), np.ones((1, 1), np.int8))
    bias = (np.zeros(1, np.int32), np.zeros(1, np.int32))
    for out_scale, clamped in ((254.5 / 255, False), (250 / 255, True)):
        scales = (LayerScales(1.0, 1.0, 1.0, out_scale), LayerScales(1.0, out_scale, out_scale))
        network = Int8Network.from_scales(weight, bias, scales, S=15)
        stages = trace(network, np.full((1, 1), 255, np.uint8))
        assert ("clamped" in stages[0].note) == clamped
