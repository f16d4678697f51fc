"""Training int8 networks: integers in training are those afterwards; seed, resume, loss."""

import json
import math
from dataclasses import asdict, fields, replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from rich.console import Console

from ohmbench.data import split
from ohmbench.digital import evaluate_int8, infer, load_int8, quantize_pixels
from ohmbench.digital.quantization import IN_SCALE
from ohmbench.digital.training import (
    INT8_RECIPES,
    FakeQuantNetwork,
    Int8Recipe,
    Int8Task,
    named_task,
)
from ohmbench.errors import FileError, OperandError
from ohmbench.files import sha256_file
from ohmbench.training import checkpoint_path, step_generator, train_to_file
from ohmbench.weights import read_manifest

QUIET = Console(quiet=True)
SHORT = 40
NAME = "int8-digits"
WHOLE = dict(INT8_RECIPES)


@pytest.fixture(autouse=True)
def short(monkeypatch):
    for name, recipe in INT8_RECIPES.items():
        monkeypatch.setitem(INT8_RECIPES, name, replace(recipe, steps=SHORT))


def trained(steps=60, seed=3):
    task = Int8Task(replace(WHOLE[NAME], steps=steps), seed)
    losses = []
    for step in range(steps):
        for group in task.optimizer.param_groups:
            group["lr"] = task.learning_rate(step)
        losses.append(task.update(step, step_generator(seed, step)))
    return task, losses


@pytest.fixture(scope="module")
def task():
    return trained()[0]


def test_the_integers_compute_what_training_saw(task):
    """Fake-quantised logits over their scale are the integer logits, but for the rounded M."""
    network = task.network.integers()
    x = quantize_pixels(split("digits-fann", 0).train_x[:200])
    with torch.no_grad():
        seen = task.network(torch.from_numpy(x.astype(np.float32))).numpy()
    found = infer(network, x)
    ratio = network.M / 2**network.S
    first, last = network.scales
    exact = first.in_scale * first.weight_scale / first.out_scale
    # A hidden value differs by one at most, where M's rounding (and float32's) moves it across.
    assert abs(ratio / exact - 1) < 2**-14
    near = (found.r * exact) % 1.0
    crossing = (np.minimum(near, 1 - near) < found.r * exact * 2**-14 + 1e-3) & (found.r > 0)
    allowed = crossing @ np.abs(network.weight[1].astype(int)).T + 1
    assert (np.abs(seen / last.bias_scale - found.logits) <= allowed).all()


def test_the_integers_use_their_formats(task):
    network = task.network.integers()
    for k in range(2):
        assert np.abs(network.weight[k].astype(int)).max() == 127
        scale = task.network.weight_scale(k)
        weight = task.network.get_parameter(f"weight_{k}").detach() / scale
        assert np.array_equal(weight.round().numpy(), network.weight[k])
    assert network.S == 24
    assert 1 <= network.M <= 65535


def test_the_multiplier_always_fits():
    """Without the bound on the hidden scale, large weights would ask for an M beyond 16 bits."""
    network = FakeQuantNetwork((4, 3, 2), torch.Generator().manual_seed(0))
    with torch.no_grad():
        network.get_parameter("weight_0")[0, 0] = 1000.0
        network.hidden_max.fill_(1.0)
    assert network.integers().M == 65535


def test_gradients_pass_the_rounding_and_stop_at_the_clamp():
    network = FakeQuantNetwork((8, 2, 1), torch.Generator().manual_seed(0))
    with torch.no_grad():
        network.get_parameter("weight_0").copy_(torch.tensor([[1.0], [0.1]]).expand(2, 8))
        network.get_parameter("weight_1").fill_(1.0)
        network.hidden_max.fill_(2.5)
    network(torch.full((1, 8), 127.0)).sum().backward()
    gradient = network.get_parameter("weight_0").grad
    # 8 * 0.498 is clamped at 2.5; a tenth of it is not, and passes its input.
    assert bool((gradient[0] == 0).all())
    assert gradient[1].tolist() == pytest.approx([127 * IN_SCALE] * 8)


def test_same_seed_same_bits_other_seed_other_bits(tmp_path):
    nets = [
        train_to_file(named_task(NAME, seed), tmp_path / f"{k}.npz", console=QUIET)
        for k, seed in enumerate((1, 1, 2))
    ]
    assert nets[0] == nets[1] != nets[2]
    assert (tmp_path / "0.npz").read_bytes() == (tmp_path / "1.npz").read_bytes()
    data = load_int8(tmp_path / "0.npz")
    assert data.network == nets[0]
    assert (data.seed, data.spec.name) == (1, NAME)
    assert data.history[-1, 0] == SHORT
    assert json.loads(data.recipe) == json.loads(json.dumps(asdict(INT8_RECIPES[NAME])))


class Killed(BaseException):
    pass


def test_resumed_training_ends_in_the_same_bits(tmp_path, monkeypatch):
    train_to_file(named_task(NAME, 1), tmp_path / "whole.npz", console=QUIET)
    update = Int8Task.update

    def killed(task, step, generator):
        if step == SHORT // 2:
            raise Killed
        return update(task, step, generator)

    with monkeypatch.context() as patch:
        patch.setattr(Int8Task, "update", killed)
        with pytest.raises(Killed):
            train_to_file(named_task(NAME, 1), tmp_path / "out.npz", console=QUIET)
    with pytest.raises(FileError, match="unfinished"):
        train_to_file(named_task(NAME, 1), tmp_path / "out.npz", console=QUIET)
    train_to_file(named_task(NAME, 1), tmp_path / "out.npz", resume=True, console=QUIET)
    assert (tmp_path / "out.npz").read_bytes() == (tmp_path / "whole.npz").read_bytes()
    assert not checkpoint_path(tmp_path / "out.npz").exists()


def test_training_never_sees_the_held_out_part():
    task = Int8Task(INT8_RECIPES[NAME], 3)
    parts = split("digits-fann", 3)
    assert np.array_equal(task.features.numpy(), parts.train_x.astype(np.float32))
    assert np.array_equal(task.labels.numpy(), parts.train_y)


def test_loss_falls():
    _, losses = trained(steps=SHORT)
    assert np.mean(losses[-8:]) < 0.8 * np.mean(losses[:8])


def test_learning_rate_warms_up_and_ends_near_zero():
    recipe = replace(WHOLE[NAME], steps=1000)
    task = Int8Task(recipe, 0)
    rates = [task.learning_rate(k) for k in range(1000)]
    assert rates[0] == pytest.approx(recipe.learning_rate / recipe.warm_up)
    assert rates[-1] < 1e-3 * math.pi * recipe.learning_rate
    assert all(b <= a for a, b in pairwise(rates[recipe.warm_up :]))


def after(recipe, updates, seed=3):
    """The training's parameters, one long row, after so many updates."""
    task = Int8Task(recipe, seed)
    for step in range(updates):
        for group in task.optimizer.param_groups:
            group["lr"] = task.learning_rate(step)
        task.update(step, step_generator(seed, step))
    return torch.nn.utils.parameters_to_vector(task.network.parameters()).detach()


def test_weights_decay_apart_from_the_gradient():
    """AdamW: an update takes ``rate * decay`` of a weight, beside a step that no decay changes."""
    recipe = replace(WHOLE[NAME], learning_rate=1.0, warm_up=10)  # the first rate is 0.1
    start = after(recipe, 0)
    bare = after(replace(recipe, weight_decay=0.0), 1)
    for decay in (0.01, 0.1, 0.25):
        taken = bare - after(replace(recipe, weight_decay=decay), 1)
        assert torch.allclose(taken, 0.1 * decay * start, rtol=1e-3, atol=1e-6)


OTHER = {
    "steps": 30,
    "batch": 127,
    "learning_rate": 0.011,
    "weight_decay": 0.2,
    "label_smoothing": 0.0,
    "augmentation": None,
    "range_memory": 0.5,
    "warm_up": 49,
}


@pytest.mark.parametrize("field", [f.name for f in fields(Int8Recipe)])
def test_every_field_of_a_recipe_decides_the_training(field):
    """Of the other two, one says what is trained and one what is written down of it."""
    if field not in ("network", "history_every"):
        changed = replace(WHOLE[NAME], **{field: OTHER[field]})
        assert not torch.equal(after(changed, 3), after(WHOLE[NAME], 3))


def test_unknown_network(tmp_path):
    with pytest.raises(OperandError, match="unknown training 'x'; choose one of int8-digits"):
        train_to_file(named_task("x", 0), tmp_path / "x.npz", console=QUIET)


stored_recipes = pytest.mark.parametrize("name", [n for n in WHOLE if n in read_manifest()])


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 7])
def test_the_stored_network_is_what_its_command_writes(seed, tmp_path, monkeypatch):
    """Byte for byte on the machine that trained it; elsewhere, sums may round differently."""
    monkeypatch.setitem(INT8_RECIPES, NAME, WHOLE[NAME])
    entry = read_manifest()[NAME if seed == 0 else f"{NAME}-seed{seed}"]
    out = tmp_path / "again.npz"
    train_to_file(named_task(NAME, entry.seed), out, console=QUIET)
    if sha256_file(out) != entry.sha256:
        data = load_int8(out)
        found = evaluate_int8(data.network, data.images().x, data.images().labels)
        assert found.accuracy.low <= entry.metrics["accuracy"] <= found.accuracy.high


@stored_recipes
def test_the_stored_recipe_is_the_current_one(name):
    assert json.loads(json.dumps(asdict(WHOLE[name]))) == read_manifest()[name].recipe
