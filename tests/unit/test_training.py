"""Training floating-gate networks: constraint, seed, resume, and the loss that it lowers."""

import json
import math
from dataclasses import asdict, fields, replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from rich.console import Console

from ohmbench.data import split
from ohmbench.errors import FileError, OperandError
from ohmbench.files import sha256_file
from ohmbench.floatgate import evaluate, load_network
from ohmbench.floatgate.scales import AsinhOptions
from ohmbench.floatgate.training import (
    RECIPES,
    FloatgateTask,
    LayerStart,
    Recipe,
    named_task,
)
from ohmbench.kernels.choice import PATH_VARIABLE
from ohmbench.training import checkpoint_path, step_generator, train_to_file
from ohmbench.weights import read_manifest

QUIET = Console(quiet=True)
SHORT = 40
recipes = pytest.mark.parametrize("name", RECIPES)


WHOLE = dict(RECIPES)


def shortened(recipe):
    return replace(recipe, steps=SHORT, population=min(recipe.population, 3))


@pytest.fixture(autouse=True)
def short(monkeypatch):
    for name, recipe in RECIPES.items():
        monkeypatch.setitem(RECIPES, name, shortened(recipe))


def same_bits(one, two):
    return all(
        a.detach().numpy().tobytes() == b.detach().numpy().tobytes()
        for a, b in zip(one.parameters(), two.parameters(), strict=True)
    )


@recipes
def test_writes_only_programmable_currents(name, tmp_path):
    network = train_to_file(named_task(name, 1), tmp_path / "net.npz", console=QUIET)
    stored = load_network(tmp_path / "net.npz")
    assert same_bits(stored.network, network)
    assert stored.seed == 1
    assert stored.history[-1, 0] == SHORT
    for found in network.violations().values():
        assert found.unholdable == found.off_level == 0


@recipes
def test_same_seed_same_bits_other_seed_other_bits(name, tmp_path):
    nets = [
        train_to_file(named_task(name, seed), tmp_path / f"{k}.npz", console=QUIET)
        for k, seed in enumerate((1, 1, 2))
    ]
    assert same_bits(nets[0], nets[1])
    assert not same_bits(nets[0], nets[2])
    assert (tmp_path / "0.npz").read_bytes() == (tmp_path / "1.npz").read_bytes()


class Killed(BaseException):
    pass


@recipes
def test_resumed_training_ends_in_the_same_bits(name, tmp_path, monkeypatch):
    whole = train_to_file(named_task(name, 1), tmp_path / "whole.npz", console=QUIET)
    update = FloatgateTask.update

    def killed(task, step, generator):
        if step == SHORT // 2:
            raise Killed
        return update(task, step, generator)

    monkeypatch.setattr(FloatgateTask, "update", killed)
    with pytest.raises(Killed):
        train_to_file(named_task(name, 1), tmp_path / "out.npz", console=QUIET)
    monkeypatch.undo()
    monkeypatch.setitem(RECIPES, name, shortened(RECIPES[name]))
    with pytest.raises(FileError, match="unfinished"):
        train_to_file(named_task(name, 1), tmp_path / "out.npz", console=QUIET)
    resumed = train_to_file(named_task(name, 1), tmp_path / "out.npz", resume=True, console=QUIET)
    assert same_bits(whole, resumed)
    assert (tmp_path / "out.npz").read_bytes() == (tmp_path / "whole.npz").read_bytes()


def test_killed_between_result_and_clean_up_resumes(tmp_path, monkeypatch):
    monkeypatch.setattr("ohmbench.training.discard_checkpoint", lambda out: None)
    train_to_file(named_task("floatgate-circles", 1), tmp_path / "out.npz", console=QUIET)
    before = (tmp_path / "out.npz").read_bytes()
    monkeypatch.undo()
    monkeypatch.setitem(RECIPES, "floatgate-circles", shortened(RECIPES["floatgate-circles"]))
    task = named_task("floatgate-circles", 1)
    train_to_file(task, tmp_path / "out.npz", resume=True, console=QUIET)
    assert (tmp_path / "out.npz").read_bytes() == before
    assert not checkpoint_path(tmp_path / "out.npz").exists()


@recipes
def test_training_never_sees_the_held_out_part(name):
    task = FloatgateTask(RECIPES[name], 3)
    parts = split(task.spec.dataset, 3)
    assert np.array_equal(task.features.numpy(), parts.train_x.astype(np.float32))
    assert np.array_equal(task.labels.numpy(), parts.train_y)


@recipes
def test_loss_falls(name):
    task = FloatgateTask(RECIPES[name], 0)
    losses = []
    for step in range(SHORT):
        for group in task.optimizer.param_groups:
            group["lr"] = task.learning_rate(step)
        losses.append(task.update(step, step_generator(0, step)))
    assert np.mean(losses[-8:]) < 0.8 * np.mean(losses[:8])


def test_theta_stays_where_it_can_be_programmed():
    task = FloatgateTask(RECIPES["floatgate-digits"], 0)
    for group in task.optimizer.param_groups:
        group["lr"] = 50.0
    for step in range(3):
        task.update(step, step_generator(0, step))
    for theta, limit in task.thetas:
        assert float(theta.detach().abs().max()) <= limit * (1 + 1e-6)  # float32 beside a float
        assert bool(torch.isfinite(theta).all())


def test_learning_rate_warms_up_and_ends_near_zero():
    task = FloatgateTask(replace(RECIPES["floatgate-digits"], steps=1000), 0)
    rates = [task.learning_rate(k) for k in range(1000)]
    assert rates[0] == pytest.approx(0.1 / 50)
    assert max(rates) < 0.1
    assert rates[-1] < 1e-4 * math.pi
    assert all(b <= a for a, b in pairwise(rates[50:]))


def test_small_networks_are_trained_by_one_thread():
    threads = {name: FloatgateTask(recipe, 0).threads for name, recipe in RECIPES.items()}
    assert threads == {name: 1 if "circles" in name else None for name in RECIPES}


def after(recipe, updates, seed=3):
    """The training's parameters, one long row, after so many updates."""
    task = FloatgateTask(recipe, seed)
    for step in range(updates):
        for group in task.optimizer.param_groups:
            group["lr"] = task.learning_rate(step)
        task.update(step, step_generator(seed, step))
    return torch.nn.utils.parameters_to_vector(task.module.parameters()).detach()


RECIPE = WHOLE["floatgate-digits"]
OTHER = {
    "steps": 30,
    "batch": 127,
    "learning_rate": 0.11,
    "noise_V": 0.05,
    "logit_gain": 3.0,
    "margin_weight": 0.0,
    "margin_gain": 10.0,
    "augmentation": None,
    "population": 2,
    "warm_up": 49,
}
OTHER_START = {
    "scale": AsinhOptions(2e-8),
    "theta_mean": 0.5,
    "theta_std": 1.5,
    "bias_std": 1.0,
}


@pytest.mark.parametrize("field", [f.name for f in fields(Recipe)])
def test_every_field_of_a_recipe_decides_the_training(field):
    """``network`` says what is trained, ``history_every`` what is written down of it."""
    if field not in ("network", "history_every", "layers"):
        changed = replace(RECIPE, **{field: OTHER[field]})
        assert not torch.equal(after(changed, 3), after(RECIPE, 3))


@pytest.mark.parametrize("layer", [0, 1])
@pytest.mark.parametrize("field", [f.name for f in fields(LayerStart)])
def test_every_field_of_a_layers_start_decides_the_training(field, layer):
    starts = list(RECIPE.layers)
    starts[layer] = replace(starts[layer], **{field: OTHER_START[field]})
    assert not torch.equal(after(replace(RECIPE, layers=tuple(starts)), 1), after(RECIPE, 1))


def test_nothing_but_the_loss_moves_a_current(monkeypatch):
    """No decay: it would draw every current to one end of its scale. The first update brings those
    within that start outside."""
    monkeypatch.setattr(FloatgateTask, "_loss", lambda self, network, v, labels: 0.0 * sum(
        theta.sum() for theta in network.parameters()))  # fmt: skip
    assert torch.equal(after(RECIPE, 4), after(RECIPE, 1))


def test_unknown_network(tmp_path):
    with pytest.raises(OperandError, match="unknown training 'x'; choose one of floatgate"):
        train_to_file(named_task("x", 0), tmp_path / "x.npz", console=QUIET)


@pytest.mark.slow
@pytest.mark.parametrize("path", ["plain", "auto"])
@recipes
def test_the_stored_network_is_what_its_command_writes(name, path, tmp_path, monkeypatch):
    """Byte for byte by the plain path on the machine that trained it; otherwise as good, as sums
    round differently."""
    monkeypatch.setenv(PATH_VARIABLE, path)
    monkeypatch.setitem(RECIPES, name, WHOLE[name])
    entry = read_manifest()[name]
    assert json.loads(json.dumps(asdict(WHOLE[name]))) == entry.recipe
    out = tmp_path / "again.npz"
    train_to_file(named_task(name, entry.seed), out, console=QUIET)
    if sha256_file(out) != entry.sha256:
        again = load_network(out)
        found = evaluate(again.network, again.v, again.labels)
        assert found.accuracy.low <= entry.metrics["accuracy"] <= found.accuracy.high


@recipes
def test_the_stored_recipe_is_the_current_one(name):
    assert json.loads(json.dumps(asdict(WHOLE[name]))) == read_manifest()[name].recipe
