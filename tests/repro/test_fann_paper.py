"""What the paper says of its own floating-gate networks, on its own files."""

from functools import reduce
from operator import add

import pytest
import torch
from sklearn.datasets import load_digits

from ohmbench.floatgate import (
    SPECS,
    FGNetwork,
    evaluate,
    max_power,
    power_of_first_image_per_class,
    power_per_image,
)
from ohmbench.paper import read_fann_v3

needs_paper = pytest.mark.needs("paper-fann")


@pytest.fixture
def v3():
    return read_fann_v3()


def rebuilt(network, change):
    """The network with every array put through ``change(layer number, currents)``."""
    weights = [change(k, layer.weight.detach()) for k, layer in enumerate(network.fg_layers)]
    biases = [change(k, layer.bias.detach()) for k, layer in enumerate(network.fg_layers)]
    return FGNetwork(network.spec, weights, biases)


def describe(found):
    ci = found.accuracy
    return f"{found.correct}/{found.total}, 95 % {100 * ci.low:.2f} to {100 * ci.high:.2f}"


@needs_paper
def test_v3_accuracy(claim, v3):
    found = evaluate(v3.network, v3.v, v3.labels)
    double = rebuilt(v3.network, lambda k, w: w.double())
    claim("fann.v3-accuracy", 100 * found.accuracy.value, describe(found))
    assert torch.equal(evaluate(double, v3.v.double(), v3.labels).predictions, found.predictions)
    assert (found.correct, found.total) == (417, 450)


@needs_paper
def test_v3_test_data_are_digits(claim, v3):
    pixels = (v3.v.double() - 1.8) / 0.7 * 16
    assert float((pixels - pixels.round()).abs().max()) < 1e-4
    x, y = load_digits(return_X_y=True)
    label_of = {tuple(row.astype(int)): int(label) for row, label in zip(x, y, strict=True)}
    rows = [tuple(row) for row in pixels.round().int().tolist()]
    labels = v3.labels.tolist()
    known = {row for row, label in zip(rows, labels, strict=True) if label_of.get(row) == label}
    claim("fann.v3-test-data", len(known))


@needs_paper
def test_v3_power_of_first_images(claim, v3):
    watts = power_per_image(v3.network, v3.v)
    first = power_of_first_image_per_class(watts, v3.labels, 10)
    claim("fann.v3-power-average", 1e3 * float(first.mean()), "10 images")


@needs_paper
def test_v3_power_of_all_images(claim, v3):
    watts = power_per_image(v3.network, v3.v)
    spread = f"450 images, standard deviation {1e3 * float(watts.std()):.4f} mW"
    claim("fann.v3-power-all-images", 1e3 * float(watts.mean()), spread)


@needs_paper
def test_v3_max_power(claim, v3):
    claim("fann.v3-power-max", 1e3 * max_power(v3.network))


@needs_paper
def test_v3_white_image_exceeds_max_power(claim, v3):
    white = torch.full((1, 64), 2.5)
    claim("fann.v3-max-power-bounds", 1e3 * float(power_per_image(v3.network, white)))


@needs_paper
def test_v3_currents_outside_the_programmable_range(claim, v3):
    total = reduce(add, v3.network.violations().values())
    detail = f"{total.too_small} too small, {total.too_large} too large of {total.total}"
    claim("fann.v3-programmable", total.unholdable, detail)


@needs_paper
def test_v3_projected_onto_the_programmable_set(claim, v3):
    network = rebuilt(v3.network, lambda k, w: v3.network.spec.programmable(k).project(w))
    found = evaluate(network, v3.v, v3.labels)
    claim("fann.v3-projected", 100 * found.accuracy.value, describe(found))
    assert all(v.unholdable == v.off_level == 0 for v in found.violations.values())


def test_mnist28_neurons(claim):
    claim("fann.mnist28-neurons", SPECS["floatgate-mnist28"].neurons, "64 hidden + 10 output")
