"""How networks of the user's own start and are shown their data, on devices unlike the paper's."""

from __future__ import annotations

import copy
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ohmbench.data.augmentation import Augmentation
from ohmbench.data.classifier import Own
from ohmbench.data.densities import DENSITIES
from ohmbench.data.energies import ENERGIES
from ohmbench.data.regression import REGRESSIONS
from ohmbench.digital import configuration as int8
from ohmbench.digital.training import Int8Recipe, Int8Task
from ohmbench.floatgate import Circuits, configuration
from ohmbench.floatgate.card import card_of
from ohmbench.floatgate.scales import AsinhOptions, AsinhScale, OnCurrentOptions, OnCurrentScale
from ohmbench.floatgate.training import FloatgateTask, own_recipe
from ohmbench.kirchhoff import configuration as kirchhoff
from ohmbench.kirchhoff import samples
from ohmbench.kirchhoff.flows import pull_back, push_forward
from ohmbench.kirchhoff.samples import Labelled, OwnSource, PaperSource
from ohmbench.kirchhoff.training import KirchhoffTask, with_data
from ohmbench.training import step_generator
from tests.unit.circuits import baseline_config, config
from tests.unit.test_card_keys import DEVICE, sigmoid
from tests.unit.test_network_keys import FLOATGATE, INT8, KIRCHHOFF, table, write
from tests.unit.test_updates import cross_entropy, fake_quantised


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    here = tmp_path_factory.mktemp("tables")
    write(here / "one.csv", table(0))
    return here


def bound(*layers: str) -> configuration.Config:
    """A configuration of these activations, of five inputs and three classes."""
    value = {
        "family": "floatgate",
        "name": "x",
        "data": {"file": "a.csv", "target": "b", "inputs": 5, "outputs": 3, "held_out_rows": 5},
        "layers": [{"neurons": 4, "activation": name} for name in layers[:-1]]
        + [{"neurons": 3, "activation": layers[-1]}],
        "encoding": {"low_V": 1.2, "span_V": 0.8},
        "device": DEVICE,
    }
    return configuration.config_of(value, "x.yaml")


HIGHEST_V = sigmoid(DEVICE, DEVICE["lines"]["positive"]["v_last_V"], 0.0)
FEATURES = AsinhOptions(4e-6 / 1000)
AFTER_SIGMOID = OnCurrentOptions(HIGHEST_V, 4e-6 / 1000)
OF_WTA = AsinhOptions(5e-6 / 70)
STARTS: dict[tuple[str, ...], list[Any]] = {
    ("sigmoid",): [FEATURES],
    ("relu",): [FEATURES],
    ("wta",): [OF_WTA],
    ("sigmoid", "sigmoid"): [FEATURES, AFTER_SIGMOID],
    ("relu", "sigmoid"): [FEATURES, FEATURES],
    ("sigmoid", "relu", "relu_smooth"): [FEATURES, AFTER_SIGMOID, FEATURES],
    ("relu_smooth", "sigmoid", "sigmoid"): [FEATURES, FEATURES, AFTER_SIGMOID],
    ("relu", "sigmoid", "wta"): [FEATURES, FEATURES, OF_WTA],
}


def numbers(options: Any) -> list[float]:
    return [x for x in vars(options).values() if isinstance(x, float)]


@pytest.mark.parametrize("layers", STARTS, ids="-".join)
def test_every_layer_starts_on_the_scale_that_its_inputs_ask_for(layers: tuple[str, ...]) -> None:
    """In parts of what this device can be programmed to, and at the voltage that its own sigmoids
    end at."""
    recipe = own_recipe(bound(*layers))
    assert len(recipe.layers) == len(layers)
    for start, expected in zip(recipe.layers, STARTS[layers], strict=True):
        assert type(start.scale) is type(expected)
        assert numbers(start.scale) == pytest.approx(numbers(expected), rel=1e-9)
    # The lines of the output tell classes apart where its sigmoids, and no others, have saturated.
    assert recipe.margin_weight == (1.0 if layers[-1] == "sigmoid" else 0.0)


def test_rows_of_winner_take_all_start_in_the_middle_of_their_range() -> None:
    (start,) = own_recipe(bound("wta")).layers
    typical = start.scale.w0_A * math.sinh(start.theta_mean)  # type: ignore[union-attr]
    assert 0.2 * 5e-6 < typical < 0.4 * 5e-6
    strongest = start.scale.w0_A * math.sinh(start.theta_mean + 2 * start.theta_std)  # type: ignore[union-attr]
    assert strongest < 5e-6


def test_scales_end_where_the_device_does() -> None:
    circuits = Circuits(card_of(DEVICE, "card"))
    cell, programmable = circuits.cells
    asinh = AsinhOptions(3e-9).scale(programmable)
    assert isinstance(asinh, AsinhScale)
    assert asinh.largest_theta == pytest.approx(math.asinh(4e-6 / 3e-9))
    on = OnCurrentOptions(1.9, 2e-9).scale(programmable, cell)
    assert isinstance(on, OnCurrentScale)
    w = torch.tensor([3e-11, 4e-9, -7e-8], dtype=torch.float64)
    current = cell.current(torch.tensor(1.9, dtype=torch.float64), w)
    expected = (current - torch.sign(w) * 1.3e-11) / 2e-9
    assert torch.allclose(on.right_inverse(w), expected, rtol=1e-9)
    step = math.exp(programmable.step / 2)
    back = on(on.right_inverse(w)) / w
    assert bool(((back > 1 / step) & (back < step)).all())


def test_an_own_floatgate_network_sees_its_training_part_as_it_is(folder: Path) -> None:
    """Encoded as the file says; four columns are no picture to be turned."""
    value = FLOATGATE | {"encoding": {"low_V": 1.6, "span_V": 0.5}}
    own = Own(*configuration.with_data(configuration.config_of(value, "x"), 2, folder=folder))
    recipe = own_recipe(own.config)
    assert recipe.augmentation is None
    task = FloatgateTask(recipe, 2, own)
    assert np.array_equal(task.features.numpy(), own.data.train_x.astype(np.float32))
    assert np.array_equal(task.labels.numpy(), own.data.train_y)
    generator = step_generator(2, 1)
    chosen = torch.randint(45, (8,), generator=generator)
    x = torch.from_numpy(own.data.train_x).float()[chosen]
    v = 1.6 + 0.5 * x + recipe.noise_V * torch.randn(8, 4, generator=generator)
    seen: list[torch.Tensor] = []
    loss = task._loss

    def watched(network: Any, v: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        seen.extend((v, labels))
        return loss(network, v, labels)

    task._loss = watched  # type: ignore[method-assign]
    task.update(1, step_generator(2, 1))
    assert torch.allclose(seen[0], v)
    assert torch.equal(seen[1], torch.from_numpy(own.data.train_y)[chosen])


def test_an_own_int8_network_sees_its_training_part_as_it_is(folder: Path) -> None:
    own = Own(*int8.with_data(int8.config_of(INT8, "x"), 2, folder=folder))
    recipe = Int8Recipe("x", steps=9, batch=8, learning_rate=0.01, label_smoothing=0.05)
    task = Int8Task(recipe, 2, own=own)
    chosen = torch.randint(45, (8,), generator=step_generator(2, 1)).numpy()
    pixels = np.rint(own.data.train_x.astype(np.float32)[chosen] / float(np.float32(1 / 255)))
    logits, _ = fake_quantised(task.network, pixels, 0.0)
    expected = cross_entropy(logits, own.data.train_y[chosen], 0.05)
    assert task.update(1, step_generator(2, 1)) == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("step", [0, 2, 4, 8])
def test_an_own_kirchhoffnet_sees_its_training_part_as_it_is(folder: Path, step: int) -> None:
    """In the order of the epoch, the last batch of which has what is left: five of 45."""
    value = copy.deepcopy(KIRCHHOFF) | {"batch_size": 20}
    config, data = with_data(kirchhoff.config_of(value, "x"), 2, folder=folder)
    assert data is not None
    task = KirchhoffTask(config, 2, None, OwnSource(data))
    epoch, place = divmod(step, 3)
    order = torch.randperm(45, generator=step_generator(2, (1 << 41) + epoch))
    chosen = order[20 * place : 20 * place + 20].numpy()
    with torch.no_grad():
        logits = task.model(torch.from_numpy(data.train_x).float()[chosen]).double().numpy()
    expected = cross_entropy(logits, data.train_y[chosen])
    assert task.update(step, step_generator(2, step)) == pytest.approx(expected, rel=1e-5)


# ------------------------------------------------------------------------------------------------
# Pictures


def pictures(channels: int, side: int, classes: int) -> Labelled:
    rng = np.random.default_rng(side)
    x = torch.from_numpy(rng.random((30, channels * side * side))).float()
    y = torch.from_numpy(np.arange(30) % classes)
    return Labelled(x, y, x, y)


@pytest.mark.parametrize(
    ("bench", "channels", "side", "classes"),
    [("mnist", 1, 28, 10), ("svhn", 3, 32, 10), ("cifar10", 3, 32, 10), ("cifar100", 3, 32, 100),
     ("tinyimage", 3, 64, 200)],
)  # fmt: skip
@pytest.mark.parametrize("step", [0, 5])
def test_every_set_of_pictures_is_turned_by_15_degrees_and_shifted_by_a_tenth(
    monkeypatch: pytest.MonkeyPatch, bench: str, channels: int, side: int, classes: int, step: int
) -> None:
    """At most, all channels of a picture alike, and in training alone (KIRCHHOFF)."""
    made = pictures(channels, side, classes)
    monkeypatch.setattr(samples, "labelled", lambda bench, seed: made)
    value = baseline_config("mnist").model_dump(mode="json", exclude_none=True)
    value |= {"test_bench": bench, "batch_size": 10}
    task = KirchhoffTask(kirchhoff.config_of(value, "x"), 1)
    generator = step_generator(1, step)
    epoch, place = divmod(step, 3)
    order = torch.randperm(30, generator=step_generator(1, (1 << 41) + epoch))
    chosen = order[10 * place : 10 * place + 10]
    distort = Augmentation(rotation_deg=15.0, shift_px=0.1 * side, scale=0.0, shear=0.0)
    x = distort(made.train_x[chosen].view(10, channels, side, side), generator).view(10, -1)
    with torch.no_grad():
        logits = task.model(x).double().numpy()
        as_they_are = task.model(made.train_x[chosen]).double().numpy()
    labels = made.train_y[chosen].numpy()
    expected = cross_entropy(logits, labels)
    found = task.update(step, step_generator(1, step))
    assert found == pytest.approx(expected, rel=1e-5)
    assert abs(cross_entropy(as_they_are, labels) / expected - 1) > 1e-4


# ------------------------------------------------------------------------------------------------
# What is drawn anew


@pytest.mark.parametrize("step", [0, 1, 63, 64, 150])
@pytest.mark.parametrize("bench", ["potential1", "potential2", "gauss"])
def test_every_update_draws_noise_or_points_of_its_own(bench: str, step: int) -> None:
    """As many as the batch says, by the generator of that update; in the first epoch and later."""
    changes = {"train__resample": True} if bench == "gauss" else {}
    task = KirchhoffTask(config(bench, batch_size=48, train__num_epoch=3, **changes), 3)
    generator = step_generator(3, step)
    with torch.no_grad():
        if bench == "gauss":
            seed = int(torch.randint(2**63 - 1, (1,), generator=generator))
            x = DENSITIES[bench].sample(48, np.random.default_rng(seed))
            expected = -pull_back(task.model, torch.from_numpy(x).float()).log_density.mean()
        else:
            found = push_forward(task.model, torch.randn(48, 2, generator=generator))
            expected = (found.log_density + ENERGIES[bench](found.x)).mean()
    assert task.update(step, step_generator(3, step)) == pytest.approx(float(expected), rel=1e-5)


# ------------------------------------------------------------------------------------------------
# Units of a regression's targets


def test_targets_of_an_own_regression_come_back_in_the_files_unit(folder: Path) -> None:
    network = KIRCHHOFF["network"] | {"projector": "last1"}
    data = {"file": "one.csv", "target": "c", "features": ["a", "d"]}
    value = KIRCHHOFF | {"test_bench": "regression", "data": data, "network": network}
    _, found = with_data(kirchhoff.config_of(value, "x"), 2, folder=folder)
    assert found is not None
    given = OwnSource(found).labelled(2)
    back = torch.cat([given.train_y, given.test_y]).double() * given.y_span + given.y_shift
    assert sorted(back.tolist()) == pytest.approx(sorted(table(0)[:, 2]), rel=1e-5)


@pytest.mark.parametrize("bench", ["toyregress", "diabete"])
def test_targets_of_the_papers_regressions_come_back_in_their_unit(bench: str) -> None:
    """Friedman's function of the features, and the disease's progression as it is published."""
    given = PaperSource(bench).labelled(4)
    back = torch.cat([given.train_y, given.test_y]).double() * given.y_span + given.y_shift
    _, y = REGRESSIONS[bench](4)
    assert sorted(back.tolist()) == pytest.approx(sorted(y.tolist()), rel=1e-4, abs=1e-3)
    assert given.unit == {"toyregress": "", "diabete": "disease progression"}[bench]


def _settings(kind: str, value: dict[str, Any], folder: Path) -> dict[str, Any]:
    if kind == "floatgate":
        own = Own(*configuration.with_data(configuration.config_of(value, "x"), 2, folder=folder))
        return FloatgateTask(own_recipe(own.config), 2, own).settings
    if kind == "int8":
        own = Own(*int8.with_data(int8.config_of(value, "x"), 2, folder=folder))
        recipe = Int8Recipe("x", steps=9, batch=8, learning_rate=0.01, label_smoothing=0.05)
        return Int8Task(recipe, 2, own=own).settings
    config, data = with_data(kirchhoff.config_of(value, "x"), 2, folder=folder)
    assert data is not None
    return KirchhoffTask(config, 2, None, OwnSource(data)).settings


@pytest.mark.parametrize(
    ("kind", "value"), [("floatgate", FLOATGATE), ("int8", INT8), ("kirchhoff", KIRCHHOFF)]
)
def test_a_training_goes_on_with_the_same_data_only(
    kind: str, value: dict[str, Any], tmp_path: Path
) -> None:
    """A checkpoint is of its settings: these tell another file from the first, one value apart."""
    rows = table(0)
    write(tmp_path / "one.csv", rows)
    first = _settings(kind, copy.deepcopy(value), tmp_path)
    assert _settings(kind, copy.deepcopy(value), tmp_path) == first
    rows[7, 1] += 1e-3
    write(tmp_path / "one.csv", rows)
    assert _settings(kind, copy.deepcopy(value), tmp_path) != first
