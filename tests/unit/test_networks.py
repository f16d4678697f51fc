"""Networks, evaluation and power: composition, counting, and the published formula."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ohmbench.errors import OperandError, RangeError, ShapeError
from ohmbench.floatgate import (
    EKV,
    SPECS,
    WTA_CELL,
    Activation,
    FGLayer,
    FGNetwork,
    Line,
    current_to_voltage,
    energy_per_inference,
    evaluate,
    line_currents,
    max_power,
    mean_power_per_class,
    network_spec,
    power_of_first_image_per_class,
    power_per_image,
    relu,
    sigmoid,
    wta,
)
from ohmbench.floatgate.circuits import PAPER_CIRCUITS
from ohmbench.floatgate.evaluation import in_chunks
from ohmbench.stats import proportion_interval
from tests.unit.networks import random_network

specs = pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)


@specs
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_forward_is_trace_and_has_any_batch_shape(spec, dtype):
    network = random_network(spec, seed=0, dtype=dtype)
    v = spec.encode(torch.rand(2, 3, spec.sizes[0], dtype=dtype, generator=torch.Generator()))
    steps = network.trace(v)
    out = network(v)
    assert torch.equal(out, steps[-1].out)
    assert out.shape == (2, 3, spec.sizes[-1])
    assert out.dtype == dtype
    assert torch.equal(steps[1].v, steps[0].out)
    assert torch.allclose(network(v[1, 2]), out[1, 2], rtol=1e-5)


@specs
def test_gradients_reach_every_weight(spec):
    network = random_network(spec, seed=0, dtype=torch.float64)
    v = spec.encode(torch.rand(16, spec.sizes[0], dtype=torch.float64))
    network.logits(network(v)).square().sum().backward()
    for parameter in network.parameters():
        assert bool(torch.isfinite(parameter.grad).all())
        assert bool((parameter.grad != 0).any())


class TestLayers:
    def test_layers_compose_the_circuits_in_the_published_order(self):
        generator = torch.Generator().manual_seed(1)
        v = 1.8 + 0.7 * torch.rand(5, 4, dtype=torch.float64, generator=generator)
        w = 1e-7 * torch.randn(3, 4, dtype=torch.float64, generator=generator)
        bias = 1e-8 * torch.randn(3, dtype=torch.float64, generator=generator)
        pos, neg = line_currents(EKV, v, w, bias)  # by the same path
        expected = sigmoid(current_to_voltage(pos, Line.POS), current_to_voltage(-neg, Line.NEG))
        assert torch.equal(FGLayer(w, bias, Activation.SIGMOID)(v), expected)
        assert torch.equal(FGLayer(w, bias, Activation.RELU)(v), relu(pos + neg))
        positive = line_currents(WTA_CELL, v, w.abs(), bias).pos
        assert torch.equal(FGLayer(w.abs(), bias, Activation.WTA)(v), wta(positive))

    def test_swapped_lines_are_noticed(self):
        v, w = torch.full((1, 2), 2.4), torch.tensor([[2e-7, -1e-8]])
        right, swapped = (FGLayer(x, torch.zeros(1), Activation.SIGMOID)(v).item() for x in (w, -w))
        assert right > 2.4 > 2.2 > swapped


def test_neuron_counts():
    assert SPECS["floatgate-digits"].neurons == 110
    assert SPECS["floatgate-mnist28"].neurons == 74
    assert SPECS["floatgate-circles"].neurons == 7


def test_logits():
    digits = random_network(SPECS["floatgate-digits"], seed=0)
    assert digits.logits(torch.tensor([2.25, 2.5, 2.0])).tolist() == [0.0, 4.0, -4.0]
    circles = random_network(SPECS["floatgate-circles"], seed=0)
    assert circles.logits(torch.tensor([1.0, 2.0])).tolist() == [1.0, 2.0]


def test_wrong_sizes_are_refused():
    spec = SPECS["floatgate-circles"]
    network = random_network(spec, seed=0)
    weights = [layer.weight.detach() for layer in network.fg_layers]
    biases = [layer.bias.detach() for layer in network.fg_layers]
    with pytest.raises(ShapeError, match="layer 1 has weight"):
        FGNetwork(spec, [weights[0], weights[1].T], biases)
    with pytest.raises(OperandError, match="unknown network 'nonsense'; choose one of floatgate"):
        network_spec("nonsense")


class TestEvaluate:
    def test_counts_and_confusion(self):
        spec = SPECS["floatgate-digits"]
        network = random_network(spec, seed=0)
        v = spec.encode(torch.rand(60, 64, generator=torch.Generator().manual_seed(0)))
        answers = network(v).argmax(-1)
        labels = answers.clone()
        labels[:7] = (labels[:7] + 1) % 10
        found = evaluate(network, v, labels)
        assert (found.correct, found.total) == (53, 60)
        assert int(found.confusion.sum()) == 60
        for true, answer in zip(labels.tolist(), answers.tolist(), strict=True):
            assert found.confusion[true, answer] > 0
        assert found.accuracy == proportion_interval(53, 60)
        assert found.ranges["ekv(v)"].seen == 60 * (6400 + 1000)
        assert found.violations["layer 0 weight"].total == 6400

    def test_every_flipped_weight_sign_changes_the_outputs(self):
        spec = SPECS["floatgate-circles-sigmoid"]
        v = spec.encode(torch.rand(20, 2, dtype=torch.float64))
        labels = torch.zeros(20, dtype=torch.int64)
        outputs = evaluate(random_network(spec, seed=0, dtype=v.dtype), v, labels).outputs
        for layer, index in [(0, k) for k in range(8)] + [(1, k) for k in range(8)]:
            planted = random_network(spec, seed=0, dtype=v.dtype)
            with torch.no_grad():
                planted.fg_layers[layer].weight.view(-1)[index] *= -1
            assert not torch.equal(evaluate(planted, v, labels).outputs, outputs)

    def test_chunks_do_not_change_anything(self, monkeypatch):
        spec = SPECS["floatgate-digits"]
        network = random_network(spec, seed=0)
        v = spec.encode(torch.rand(30, 64, generator=torch.Generator().manual_seed(0)))
        labels = torch.arange(30) % 10
        whole = evaluate(network, v, labels)
        monkeypatch.setattr("ohmbench.floatgate.evaluation._CHUNK_ELEMENTS", 7 * 6400)
        parts = evaluate(network, v, labels)
        assert torch.allclose(whole.outputs, parts.outputs, rtol=1e-6)
        assert [vars(c) for c in whole.ranges] == [vars(c) for c in parts.ranges]

    @pytest.mark.parametrize(
        ("elements", "lengths"),
        [(7 * 6400, [7, 7, 6]), (7 * 6400 - 1, [6, 6, 6, 2]), (10, [1] * 20)],
    )
    def test_chunks_are_as_large_as_the_largest_layer_allows(self, monkeypatch, elements, lengths):
        network = random_network(SPECS["floatgate-digits"], seed=0)
        monkeypatch.setattr("ohmbench.floatgate.evaluation._CHUNK_ELEMENTS", elements)
        v, seen = torch.arange(20 * 64.0).view(20, 64), []
        whole = in_chunks(network, v, lambda chunk: seen.append(len(chunk)) or chunk + 1)
        assert seen == lengths
        assert torch.equal(whole, v + 1)

    @pytest.mark.parametrize(
        ("images", "labels", "error"),
        [
            ((2, 1, 64), [0, 1], ShapeError),
            ((2, 64), [[0], [1]], ShapeError),
            ((0, 64), [], RangeError),
            ((2, 64), [0, 10], RangeError),
            ((2, 64), [-1, 0], RangeError),
            ((2, 64), [0], ShapeError),
            ((2, 63), [0, 1], ShapeError),
        ],
        ids=str,
    )
    def test_refuses(self, images, labels, error):
        network = random_network(SPECS["floatgate-digits"], seed=0)
        with pytest.raises(error):
            evaluate(network, torch.full(images, 2.0), torch.tensor(labels).long())


class TestPower:
    def test_formula_by_hand(self):
        spec = SPECS["floatgate-circles"]
        network = random_network(spec, seed=3, dtype=torch.float64)
        v = spec.encode(torch.rand(4, 2, dtype=torch.float64))
        for image, watts in zip(v, power_per_image(network, v).tolist(), strict=True):
            amperes = 0.0
            for step in network.trace(image):
                amperes += (step.currents.pos.sum() - step.currents.neg.sum()).item()
            expected = 2.5 * (7 * (2 * 570e-9 + 400e-9) + 100e-9 + amperes)
            assert watts == pytest.approx(expected, rel=1e-12)

    def test_has_gradients_where_they_are_asked_for(self):
        """Of the voltages: the weights, which ask for theirs too, would keep every image."""
        network = random_network(SPECS["floatgate-circles"], seed=3, dtype=torch.float64)
        v = torch.full((3, 2), 2.0, dtype=torch.float64)
        assert not power_per_image(network, v).requires_grad
        v.requires_grad_()
        assert power_per_image(network, v).requires_grad
        with torch.no_grad():
            assert not power_per_image(network, v).requires_grad

    @pytest.mark.parametrize("asked", [False, True])
    @pytest.mark.parametrize("enabled", [False, True])
    def test_many_images_leave_no_graph_that_nobody_asked_for(self, asked, enabled, monkeypatch):
        network = random_network(SPECS["floatgate-circles"], seed=3)
        trace, recorded = network.trace, []

        def recording(v):
            recorded.append(torch.is_grad_enabled())
            return trace(v)

        monkeypatch.setattr(network, "trace", recording)
        with torch.set_grad_enabled(enabled):
            power_per_image(network, torch.full((3, 2), 2.0, requires_grad=asked))
        assert recorded == [asked and enabled]

    def test_gradients_go_through_a_vmap(self):
        network = random_network(SPECS["floatgate-circles"], seed=3, dtype=torch.float64)
        v = torch.full((3, 2), 2.0, dtype=torch.float64)
        found = torch.func.grad(
            lambda v: torch.func.vmap(lambda x: power_per_image(network, x[None])[0])(v).sum()
        )(v)
        v.requires_grad_()
        power_per_image(network, v).sum().backward()
        assert torch.allclose(found, v.grad, rtol=1e-9)
        assert bool((found != 0).all())

    def test_neuron_count_comes_from_the_network(self):
        # The published script keeps 110 neurons for 784-64-10, which has 74.
        neurons = SPECS["floatgate-mnist28"].neurons
        too_many = PAPER_CIRCUITS.overhead_W(110) - PAPER_CIRCUITS.overhead_W(neurons)
        assert too_many == pytest.approx(138.6e-6, rel=1e-6)

    def test_max_power_sums_the_programmed_currents(self):
        network = random_network(SPECS["floatgate-circles"], seed=3)
        programmed = sum(float(p.detach().double().abs().sum()) for p in network.parameters())
        assert max_power(network) == pytest.approx(PAPER_CIRCUITS.overhead_W(7) + 2.5 * programmed)

    @given(seed=st.integers(0, 2**31))
    def test_more_light_more_power(self, seed):
        network = random_network(SPECS["floatgate-circles"], seed=seed, dtype=torch.float64)
        dark, bright = torch.full((1, 2), 1.8).double(), torch.full((1, 2), 2.5).double()
        first = [network.trace(v)[0].currents for v in (dark, bright)]
        total = [(c.pos - c.neg).sum().item() for c in first]
        assert total[0] < total[1]

    def test_per_class(self):
        watts = torch.tensor([1.0, 2.0, 3.0, 5.0])
        labels = torch.tensor([1, 0, 1, 0])
        assert power_of_first_image_per_class(watts, labels, 2).tolist() == [2.0, 1.0]
        assert mean_power_per_class(watts, labels, 2).tolist() == [3.5, 2.0]
        assert math.isnan(mean_power_per_class(watts, labels, 3)[2])
        first = power_of_first_image_per_class(watts, labels, 3).tolist()
        assert first[:2] == [2.0, 1.0]
        assert math.isnan(first[2])

    def test_per_class_on_the_labels_device(self):
        watts, labels = torch.ones(4), torch.zeros(4, dtype=torch.int64)
        for per_class in (power_of_first_image_per_class, mean_power_per_class):
            found = per_class(watts.to("meta"), labels.to("meta"), 3)
            assert (found.shape, found.device.type) == ((3,), "meta")

    @pytest.mark.parametrize("time", [0.0, -1.0, math.inf, math.nan])
    def test_energy_needs_a_real_settling_time(self, time):
        with pytest.raises(RangeError):
            energy_per_inference(torch.tensor([1.0]), time)

    def test_energy(self):
        assert energy_per_inference(torch.tensor([2e-3]), 1e-6).item() == pytest.approx(2e-9)


def test_argmax_takes_the_first_of_equal_outputs():
    spec = SPECS["floatgate-circles-sigmoid"]
    network = random_network(spec, seed=0)
    with torch.no_grad():
        network.fg_layers[1].weight[1] = network.fg_layers[1].weight[0]
        network.fg_layers[1].bias[1] = network.fg_layers[1].bias[0]
    v = spec.encode(torch.rand(9, 2))
    found = evaluate(network, v, torch.zeros(9, dtype=torch.int64))
    assert np.array_equal(found.predictions.numpy(), np.zeros(9))
