"""What one update of a training does, written out: its batch, its loss, and where it goes.

By formula, in plain operations, for updates in the middle and at the end of a training as for the
first, for members of a population that are neither the first nor the best, and for several batches
after each other.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from ohmbench.data import split
from ohmbench.data.augmentation import Augmentation
from ohmbench.digital.training import INT8_RECIPES, FakeQuantNetwork, Int8Task
from ohmbench.floatgate import Activation
from ohmbench.floatgate.scales import AsinhOptions, OnCurrentOptions
from ohmbench.floatgate.training import RECIPES, FloatgateTask, LayerStart
from ohmbench.kirchhoff.training import KirchhoffTask
from ohmbench.training import Task, step_generator
from tests.unit.circuits import config, regression_config

IN_SCALE = float(np.float32(1 / 255))
DISTORTED = Augmentation(rotation_deg=6.0, shift_px=0.5, scale=0.07, shear=0.07, contrast=1.15)


def cross_entropy(logits: np.ndarray, labels: np.ndarray, smoothing: float = 0.0) -> float:
    """Mean over the samples; ``smoothing`` is shared out evenly among all classes."""
    shifted = logits - logits.max(1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
    of_label = log_p[np.arange(len(labels)), labels]
    return float(-((1 - smoothing) * of_label + smoothing * log_p.mean(1)).mean())


# ------------------------------------------------------------------------------------------------
# Floating-gate networks

CIRCLES = replace(RECIPES["floatgate-circles"], population=3, batch=24)
DIGITS = replace(RECIPES["floatgate-digits"], population=2, batch=17)
FLOATGATE = {
    "circles": CIRCLES,
    "digits": replace(DIGITS, augmentation=None),
    "digits distorted": DIGITS,
    "digits, other gains": replace(DIGITS, logit_gain=3.5, margin_weight=0.4, margin_gain=11.0),
}


def member_loss(task: FloatgateTask, member: int, v: torch.Tensor, labels: np.ndarray) -> float:
    """Of one member's programmed currents, by the plain formulas in float64."""
    network = task.networks[member]
    circuits, r = network.spec.circuits, task.recipe
    x = v.double()
    for layer in network.fg_layers:
        w, b = layer.weight.detach().double(), layer.bias.detach().double()
        i = layer.cell.current(x[:, None, :], w)
        pos = torch.where(w >= 0, i, 0).sum(-1) + b.clamp(min=0)
        neg = torch.where(w >= 0, 0, i).sum(-1) + b.clamp(max=0)
        if layer.activation is Activation.WTA:
            x = 10 / (1 + torch.exp(-23 - 4 * pos.log10()))
        else:
            assert circuits.pos is not None
            assert circuits.neg is not None
            assert circuits.sigmoid is not None
            p, n = circuits.pos(pos), circuits.neg(-neg)
            x = circuits.sigmoid(p, n)
    if task.spec.activations[-1] is Activation.WTA:
        return cross_entropy(r.logit_gain * x.numpy(), labels)
    logits = 4 * (x.numpy() - 2.25) / 0.25
    loss = cross_entropy(r.logit_gain * logits, labels)
    return loss + r.margin_weight * cross_entropy(r.margin_gain * (p - n).numpy(), labels)


@pytest.mark.parametrize("step", [0, 7, -1])
@pytest.mark.parametrize("name", FLOATGATE)
def test_the_loss_of_a_floatgate_update(name: str, step: int) -> None:
    """The mean over the members, of a batch of their own drawing with noise of either sign."""
    recipe = FLOATGATE[name]
    step %= recipe.steps
    task = FloatgateTask(recipe, 5)
    generator = step_generator(5, step)
    parts = split(task.spec.dataset, 5)
    chosen = torch.randint(len(parts.train_x), (recipe.batch,), generator=generator)
    x = torch.from_numpy(parts.train_x).float()[chosen]
    if recipe.augmentation is not None:
        x = recipe.augmentation(x, generator)
    v = 1.8 + 0.7 * x + recipe.noise_V * torch.randn(x.shape, generator=generator)
    labels = parts.train_y[chosen.numpy()]
    losses = [member_loss(task, k, v, labels) for k in range(recipe.population)]
    assert task.update(step, step_generator(5, step)) == pytest.approx(np.mean(losses), rel=2e-4)


def test_members_start_apart_and_as_the_recipe_says() -> None:
    start = LayerStart(AsinhOptions(1e-8), theta_mean=0.7, theta_std=2.0, bias_std=1.5)
    last = LayerStart(OnCurrentOptions(2.44, 1e-8), theta_mean=-0.5, theta_std=1.0, bias_std=0.5)
    task = FloatgateTask(replace(DIGITS, population=3, layers=(start, last)), 1)
    thetas = [theta.detach() for theta, _ in task.thetas]
    assert len({theta.numpy().tobytes() for theta in thetas}) == len(thetas) == 3 * 4
    for kind, (mean, std) in enumerate([(0.7, 2.0), (0.0, 1.5), (-0.5, 1.0), (0.0, 0.5)]):
        of_kind = torch.cat([theta.flatten() for theta in thetas[kind::4]]).double()
        n = len(of_kind)
        assert abs(float(of_kind.mean()) - mean) < 4.5 * std / math.sqrt(n)
        assert abs(float(of_kind.std()) / std - 1) < 4.5 / math.sqrt(2 * n)


@pytest.mark.parametrize("place", [0, 1, 2])
def test_the_member_that_fits_the_training_data_best_is_kept(place: int) -> None:
    """Wherever it stands among the members."""
    task = FloatgateTask(CIRCLES, 4)
    parts = split("circles", 4)
    v = 1.8 + 0.7 * torch.from_numpy(parts.train_x)
    losses = [member_loss(task, k, v, parts.train_y) for k in range(3)]
    best = task.networks[int(np.argmin(losses))]
    others = [network for network in task.networks if network is not best]
    task.networks = [*others[:place], best, *others[place:]]
    kept = task.programmed()
    for mine, its in zip(kept.fg_layers, best.fg_layers, strict=True):
        assert torch.equal(mine.weight, its.weight)
        assert torch.equal(mine.bias, its.bias)


@pytest.mark.parametrize("sign", [-1, 1])
def test_thetas_are_held_at_both_ends(sign: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Driven out at one of them by a loss that wants nothing else."""
    monkeypatch.setattr(FloatgateTask, "_loss", lambda self, network, v, labels: sign * sum(
        theta.sum() for theta in network.parameters()))  # fmt: skip
    task = FloatgateTask(CIRCLES, 0)
    task.optimizer.param_groups[0]["lr"] = 1e3
    task.update(0, step_generator(0, 0))
    for theta, limit in task.thetas:
        assert torch.allclose(theta.detach(), torch.full_like(theta, -sign * limit))


# ------------------------------------------------------------------------------------------------
# Int8 networks

INT8 = replace(INT8_RECIPES["int8-digits"], batch=23)
INT8_RECIPES_SEEN = {
    "plain": replace(INT8, augmentation=None, label_smoothing=0.0),
    "smoothed": replace(INT8, augmentation=None, label_smoothing=0.2),
    "distorted": replace(INT8, augmentation=DISTORTED),
}


def fake_quantised(network: FakeQuantNetwork, pixels: np.ndarray, hidden_max: float) -> Any:
    """Logits, and the largest hidden value before clamping, in float64."""
    w, b = (
        [network.get_parameter(f"{kind}_{k}").detach().double().numpy() for k in range(2)]
        for kind in ("weight", "bias")
    )
    x, scale, largest = IN_SCALE * pixels, IN_SCALE, 0.0
    for k in range(2):
        step = np.abs(w[k]).max() / 127
        x = x @ (step * np.rint(w[k] / step)).T + step * scale * np.rint(b[k] / (step * scale))
        if k == 0:
            x = np.maximum(x, 0)
            largest = float(x.max())
            scale = max((hidden_max or largest) / 255, IN_SCALE * step * 2**24 / 65535)
            x = scale * np.floor(np.minimum(x / scale, 255))
    return x, largest


@pytest.mark.parametrize("step", [0, 70, -1])
@pytest.mark.parametrize("name", INT8_RECIPES_SEEN)
def test_the_loss_of_an_int8_update(name: str, step: int) -> None:
    """Distorted samples are rounded to the nearest grey level, in every update."""
    recipe = INT8_RECIPES_SEEN[name]
    step %= recipe.steps
    task = Int8Task(recipe, 5)
    generator = step_generator(5, step)
    parts = split("digits-fann", 5)
    chosen = torch.randint(len(parts.train_x), (recipe.batch,), generator=generator)
    x = torch.from_numpy(parts.train_x).float()[chosen]
    if recipe.augmentation is not None:
        x = recipe.augmentation(x, generator)
    pixels = np.rint(x.double().numpy() / IN_SCALE)
    logits, largest = fake_quantised(task.network, pixels, 0.0)
    expected = cross_entropy(logits, parts.train_y[chosen.numpy()], recipe.label_smoothing)
    assert task.update(step, step_generator(5, step)) == pytest.approx(expected, rel=1e-3)
    assert float(task.network.hidden_max) == pytest.approx(largest, rel=1e-4)


@pytest.mark.parametrize("memory", [0.9, 0.25])
def test_the_hidden_range_is_a_running_mean_of_each_batchs_largest(memory: float) -> None:
    """From the first batch's, whichever way the batches go; a batch that judges leaves no trace."""
    rng = np.random.default_rng(2)
    network = FakeQuantNetwork((30, 20, 4), torch.Generator().manual_seed(1))
    expected = 0.0
    for k, brightest in enumerate((200, 40, 255, 90)):
        pixels = rng.integers(0, brightest, (7, 30)).astype(np.float64)
        _, largest = fake_quantised(network, pixels, expected)
        expected = largest if k == 0 else memory * expected + (1 - memory) * largest
        given = torch.from_numpy(pixels).float()
        network(given, memory)
        assert float(network.hidden_max) == pytest.approx(expected, rel=1e-5)
        before = float(network.hidden_max)
        logits = network(255 - given).detach().numpy()
        assert float(network.hidden_max) == before
        wanted, _ = fake_quantised(network, 255 - pixels, before)
        np.testing.assert_allclose(logits, wanted, atol=1e-3 * np.abs(wanted).max())


@pytest.mark.parametrize("sizes", [(400, 60, 10), (50, 300, 40)])
def test_int8_weights_start_with_a_variance_of_two_over_their_inputs(
    sizes: tuple[int, int, int],
) -> None:
    network = FakeQuantNetwork(sizes, torch.Generator().manual_seed(7))
    for k in range(2):
        weight = network.get_parameter(f"weight_{k}").detach().double()
        assert weight.shape == (sizes[k + 1], sizes[k])
        spread = float((weight**2).mean()) * sizes[k] / 2
        assert abs(spread - 1) < 4.5 * math.sqrt(2 / weight.numel())
        assert float(network.get_parameter(f"bias_{k}").detach().abs().max()) == 0


def test_int8_biases_are_rounded_at_the_scale_of_their_sums() -> None:
    """Of a black picture: biases are all that there is of a sum, and a sum of the first layer shows
    as the largest hidden value, one of the second as a logit."""
    network = FakeQuantNetwork((6, 5, 4), torch.Generator().manual_seed(2))
    black = torch.zeros(1, 6)
    for largest in (0.7, 3.0):
        w0, w1 = (float(network.get_parameter(f"weight_{k}").detach().abs().max()) for k in (0, 1))
        b0 = torch.tensor([-1.0, 0.0123456, -0.5, 0.0234567, 0.0012345])
        b1 = torch.tensor([0.00123456, -0.0234567, 0.0345678, 0.0456789])
        with torch.no_grad():
            network.get_parameter("bias_0").copy_(b0)
            network.get_parameter("bias_1").copy_(b1)
            network.hidden_max.zero_()
            network(black, 0.5)
            step = w0 / 127 * IN_SCALE
            expected = step * round(0.0234567 / step)
            assert float(network.hidden_max) == pytest.approx(expected, rel=1e-5)
            assert abs(expected - 0.0234567) > 1e-5 * expected
            network.get_parameter("bias_0").fill_(-1.0)  # no hidden value, but for the bias
            network.hidden_max.fill_(largest)
            logits = network(black)[0]
        step = w1 / 127 * max(largest / 255, IN_SCALE * w0 / 127 * 2**24 / 65535)
        rounded = step * np.rint(b1.double().numpy() / step)
        assert logits.tolist() == pytest.approx(rounded.tolist(), rel=1e-5, abs=1e-9)
        assert np.abs(rounded - b1.numpy()).max() > 1e-4 * np.abs(rounded).max()
        assert network.integers().bias[1].tolist() == np.rint(b1.numpy() / step).tolist()


# ------------------------------------------------------------------------------------------------
# Where an update goes

TASKS: dict[str, tuple[Callable[[], Task], float, float]] = {
    "floatgate": (lambda: FloatgateTask(CIRCLES, 2), 0.0, 1e-12),
    "int8": (lambda: Int8Task(INT8, 2), INT8.weight_decay, 1e-8),
    "kirchhoff": (lambda: KirchhoffTask(config("twomoon"), 2, 96), 0.0, 1e-8),
    "regression": (
        lambda: KirchhoffTask(regression_config(train__scheduler="steplr_1_0.5"), 2, 64),
        0.0,
        1e-8,
    ),
}
"""A training with its decay of weights and the number that keeps Adam from dividing by 0."""


@pytest.mark.parametrize("name", TASKS)
def test_parameters_go_where_adam_takes_them(name: str) -> None:
    """By the formulas of Kingma and Ba (2015), decay apart from the gradient, in float64."""
    make, decay, eps = TASKS[name]
    task = make()
    parameters = [p for group in task.optimizer.param_groups for p in group["params"]]
    assert sum(p.numel() for p in parameters) == sum(p.numel() for p in task.module.parameters())
    m = [torch.zeros_like(p, dtype=torch.float64) for p in parameters]
    s = [torch.zeros_like(p, dtype=torch.float64) for p in parameters]
    limits = [limit for _, limit in getattr(task, "thetas", [(None, math.inf)] * len(parameters))]
    for step in range(4):
        rate = task.learning_rate(step)
        for group in task.optimizer.param_groups:
            group["lr"] = rate
        before = [p.detach().double() for p in parameters]
        task.update(step, step_generator(2, step))
        for k, p in enumerate(parameters):
            assert p.grad is not None
            g = p.grad.double()
            m[k] = 0.9 * m[k] + 0.1 * g
            s[k] = 0.999 * s[k] + 0.001 * g**2
            direction = m[k] / (1 - 0.9 ** (step + 1))
            direction = direction / ((s[k] / (1 - 0.999 ** (step + 1))).sqrt() + eps)
            expected = (before[k] * (1 - rate * decay) - rate * direction).clamp(
                -limits[k], limits[k]
            )
            error = (p.detach().double() - expected).abs().max()
            assert float(error) <= 1e-3 * rate + 1e-6 * float(before[k].abs().max()), (step, k)


def test_rates_of_a_training_in_closed_form() -> None:
    """A linear rise over the first updates, times half a cosine over all of them."""
    for task, recipe in ((FloatgateTask(CIRCLES, 0), CIRCLES), (Int8Task(INT8, 0), INT8)):
        for step in (0, 1, recipe.warm_up - 1, recipe.warm_up, recipe.steps // 2, recipe.steps - 1):
            rise = min(1.0, (step + 1) / recipe.warm_up)
            cosine = math.cos(math.pi * step / (2 * recipe.steps)) ** 2
            assert task.learning_rate(step) == pytest.approx(recipe.learning_rate * rise * cosine)


# ------------------------------------------------------------------------------------------------
# The random numbers of an update


def test_streams_of_updates_are_apart() -> None:
    """No two of many seeds and steps, whose sums and differences often agree, draw alike."""
    seen = {}
    for seed in range(12):
        for step in (*range(12), 2**31, 2**31 + 1, 1 << 40, 1 << 41, (1 << 41) + 1):
            draw = tuple(torch.rand(2, generator=step_generator(seed, step)).tolist())
            assert seen.setdefault(draw, (seed, step)) == (seed, step)


def test_streams_use_all_bits_of_their_seed() -> None:
    """64 bits: both halves vary, and apart from each other."""
    seeds = [step_generator(3, step).initial_seed() for step in range(64)]
    low, high = [s & 0xFFFFFFFF for s in seeds], [s >> 32 & 0xFFFFFFFF for s in seeds]
    assert len(set(low)) == len(set(high)) == 64
    assert not set(low) & set(high)
