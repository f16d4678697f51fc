"""Floating-gate networks of the user's own, from a YAML file to figures, and back from the file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_iris, load_wine
from sklearn.neural_network import MLPClassifier
from typer.testing import CliRunner

from ohmbench.cli import app
from ohmbench.errors import FileError
from ohmbench.fields import yaml_text
from ohmbench.files import read_npz
from ohmbench.files.npz_writing import write_npz
from ohmbench.floatgate import SPECS, Activation, load_card, load_network, save_network
from ohmbench.floatgate.configuration import (
    Training,
    config_of,
    parse_config,
    with_data,
)
from ohmbench.floatgate.store import FLOATGATE_SCHEMA
from ohmbench.floatgate.training import own_recipe
from tests.unit.networks import random_network

YAML = """
family: floatgate
layers: {layers}
data: {{file: {name}.csv, target: kind}}
train: {train}
"""
SHORT = "{steps: 120, population: 1, batch: 32, noise_V: 0.03}"
LAYERS = {
    "three": "[{neurons: 10}, {neurons: 8}, {activation: sigmoid}]",
    "relu": "[{neurons: 10, activation: relu}, {neurons: 3}]",
    "smooth": "[{neurons: 10, activation: relu_smooth}, {neurons: 3}]",
    "wta": "[{neurons: 10}, {activation: wta}]",
    "one": "[{}]",
}


def write_csv(folder: Path, name: str) -> None:
    data = {"iris": load_iris, "wine": load_wine}[name]()
    names = [column.replace(",", "") for column in data.feature_names]
    rows = [
        ",".join([*map(repr, x), data.target_names[y]])
        for x, y in zip(data.data.tolist(), data.target.tolist(), strict=True)
    ]
    text = "\n".join([",".join([*names, "kind"]), *rows])
    (folder / f"{name}.csv").write_text(text, encoding="utf-8")


def command(*arguments: object) -> str:
    result = CliRunner().invoke(app, list(map(str, arguments)))
    assert result.exit_code == 0, result.output + str(result.exception)
    return result.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two CSV files, and a YAML file for each kind of network, of iris."""
    here = tmp_path_factory.mktemp("own data")
    for name in ("iris", "wine"):
        write_csv(here, name)
    for kind, layers in LAYERS.items():
        text = YAML.format(layers=layers, name="iris", train=SHORT)
        (here / f"{kind}.yaml").write_text(text, encoding="utf-8")
    return here


@pytest.fixture(scope="module")
def trained(folder: Path) -> dict[str, Path]:
    found = {kind: folder / f"{kind}.npz" for kind in LAYERS}
    for kind, file in found.items():
        command("train", folder / f"{kind}.yaml", "--out", file)
    return found


@pytest.mark.parametrize("kind", LAYERS)
def test_a_file_stands_alone(trained: dict[str, Path], tmp_path: Path, kind: str) -> None:
    """A colleague has the npz file and nothing else: neither the YAML file nor the data."""
    alone = tmp_path / "alone.npz"
    alone.write_bytes(trained[kind].read_bytes())
    found = json.loads(command("evaluate", alone, "--json"))
    assert (found["network"], found["total"]) == (kind, 38)
    assert found["classes"] == ["setosa", "versicolor", "virginica"]
    assert found["accuracy"] > 0.5  # chance is a third, and training is short here
    assert all(
        v["too_small"] + v["too_large"] + v["negative"] + v["off_level"] == 0
        for v in found["not_programmable"].values()
    )
    power = json.loads(command("power", alone, "--json", "--max"))
    network = load_network(alone).network
    assert power["neurons"] == sum(network.spec.sizes[1:])
    assert 0 < power["min_W"] <= power["mean_W"] <= power["max_W"] < 2e-3
    answer = json.loads(command("predict", alone, "--image", 5, "--json"))
    assert answer["classes"] == found["classes"]
    command("predict", alone, "--image", 5, "--plot", tmp_path / "five.png")
    command("plot", alone, "--out", tmp_path / "plots")
    drawn = {file.name for file in (tmp_path / "plots").iterdir()}
    assert drawn == {"confusion.png", "currents.png", "curves.png", "history.png"}


def test_classes_are_called_by_their_names(trained: dict[str, Path]) -> None:
    data = load_network(trained["three"])
    label = int(data.labels[0])
    assert data.class_name(label) == f"{label} ({load_iris().target_names[label]})"
    assert f"true {data.class_name(label)}" in command("predict", trained["three"], "--image", 0)
    assert data.class_name(0) in command("power", trained["three"], "--per-class")


def test_layers_are_those_of_the_file(trained: dict[str, Path]) -> None:
    s, w = Activation.SIGMOID, Activation.WTA
    expected = {
        "three": ((4, 10, 8, 3), (s, s, s)),
        "relu": ((4, 10, 3), (Activation.RELU, s)),
        "smooth": ((4, 10, 3), (Activation.RELU_SMOOTH, s)),
        "wta": ((4, 10, 3), (s, w)),
        "one": ((4, 3), (s,)),
    }
    for kind, file in trained.items():
        spec = load_network(file).network.spec
        assert (spec.sizes, spec.activations) == expected[kind]


def test_held_out_samples_are_not_trained_on(trained: dict[str, Path], folder: Path) -> None:
    stored = load_network(trained["three"])
    config = parse_config((folder / "three.yaml").read_text(), "three.yaml")
    config, data = with_data(config, 0, folder=folder, source="three.yaml")
    assert stored.own is not None
    assert stored.own.config == config
    assert parse_config(yaml_text(config), "again") == config
    assert torch.equal(stored.labels, torch.from_numpy(data.test_y))
    volts = 1.8 + 0.7 * data.test_x
    assert np.allclose(stored.v.numpy(), volts, rtol=0, atol=1e-6)
    # Scaled by the training part alone, which is what spans the gate's range.
    assert data.train_x.min() == 0
    assert data.train_x.max() == 1
    assert len(data.train_x) + len(data.test_x) == 150
    other, _ = with_data(config, 1, folder=folder, source="three.yaml")
    assert other.data.sha256 == config.data.sha256


def test_a_training_that_was_ended_goes_on_to_the_same_bits(folder: Path, tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole.npz", tmp_path / "parts.npz"
    command("train", folder / "one.yaml", "--out", whole)
    command("train", folder / "one.yaml", "--out", parts, "--max-minutes", "1e-9")
    assert load_network(parts).network.spec.sizes == (4, 3)
    command("train", folder / "one.yaml", "--out", parts, "--resume")
    assert parts.read_bytes() == whole.read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["iris", "wine"])
def test_defaults_reach_what_a_small_mlp_reaches(folder: Path, tmp_path: Path, name: str) -> None:
    """Within 3 points, over the held-out samples of four seeds together."""
    text = YAML.format(layers="[{neurons: 24}, {}]", name=name, train="{}")
    file = folder / f"{name}-24.yaml"
    file.write_text(text, encoding="utf-8")
    ours = theirs = total = 0
    for seed in range(4):
        out = tmp_path / f"{seed}.npz"
        command("train", file, "--seed", seed, "--out", out)
        found = json.loads(command("evaluate", out, "--json"))
        _, data = with_data(parse_config(text, "x.yaml"), seed, folder=folder, source="x.yaml")
        mlp = MLPClassifier((24,), max_iter=3000, random_state=seed)
        mlp.fit(data.train_x, data.train_y)
        ours += found["correct"]
        theirs += int((mlp.predict(data.test_x) == data.test_y).sum())
        total += found["total"]
    assert ours / total >= theirs / total - 0.03


FAULTS = {
    "a family that is none": ("family: fpaa", "family: expected floatgate or int8, found 'fpaa'"),
    "a key that is none": ("family: floatgate\nlayer: []", "layer: unknown key"),
    "no layers": ("family: floatgate\nlayers: []\ndata: {file: iris.csv, target: kind}",
                  "layers: expected at least 1"),
    "no neurons": (YAML.format(layers="[{}, {}]", name="iris", train="{}"),
                   "layers[0].neurons: missing"),
    "too few rows": (YAML.format(layers="[{neurons: 2}]", name="iris", train="{}"),
                     "layers[0].neurons: 2, expected 3, one row per class"),
    "an activation that is none": (
        YAML.format(layers="[{activation: tanh}]", name="iris", train="{}"),
        "layers[0].activation: expected one of sigmoid, relu, relu_smooth, wta, found 'tanh'"),
    "wta in the middle": (
        YAML.format(layers="[{neurons: 4, activation: wta}, {}]", name="iris", train="{}"),
        "layers[0].activation: 'wta' has no output voltage"),
    "too large": (YAML.format(layers="[{neurons: 3000}, {neurons: 4000}, {}]", name="iris",
                              train="{}"), "at most 10000000 are accepted"),
    "above the supply": (YAML.format(layers="[{}]", name="iris", train="{}")
                         + "encoding: {low_V: 2.0, span_V: 0.6}",
                         "encoding: reaches 2.6 V"),
    "no file": (YAML.format(layers="[{}]", name="none", train="{}"), "none.csv"),
    "no target": ("family: floatgate\nlayers: [{}]\ndata: {file: iris.csv}",
                  "data.target: missing"),
    "unbounded": ("family: floatgate\nlayers: [{}]\n"
                  "data: {file: iris.csv, target: kind, scale: standard}", "data.scale"),
    "a family of nothing": ("family:", "family: expected floatgate or int8, found null"),
    "features in another unit": ("family: floatgate\nlayers: [{}]\n"
                                 "data: {file: iris.csv, target: kind, scale: none}",
                                 "data.scale: has features from 0.1 to 7.9"),
    "no steps": (YAML.format(layers="[{}]", name="iris", train="{steps: 0}"),
                 "train.steps: expected at least 1, found 0"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_what_does_not_fit_is_one_line(folder: Path, tmp_path: Path, fault: str) -> None:
    text, expected = FAULTS[fault]
    file = folder / "faulty.yaml"
    file.write_text(text, encoding="utf-8")
    result = CliRunner().invoke(app, ["train", str(file), "--out", str(tmp_path / "x.npz")])
    assert isinstance(result.exception, (FileError, SystemExit)), result.exception
    message = str(result.exception) if isinstance(result.exception, FileError) else result.output
    assert expected in message
    assert "\n" not in message.strip()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["three.yaml", "iris.csv"])
def test_what_is_read_is_not_overwritten(folder: Path, name: str) -> None:
    before = (folder / name).read_bytes()
    words = ["train", folder / "three.yaml", "--out", folder / name, "--force"]
    result = CliRunner().invoke(app, list(map(str, words)))
    assert isinstance(result.exception, FileError)
    assert "is what this command reads" in str(result.exception)
    assert (folder / name).read_bytes() == before


BOUNDS = {
    "encoding": (
        ({"low_V": 0, "span_V": 2.5}, {"low_V": 2.25, "span_V": 0.25}),
        ({"span_V": 0.0}, {"low_V": -0.1}, {"low_V": float("nan")}),
    ),
    "train": (
        ({"steps": 1, "batch": 1, "population": 1, "noise_V": 0}, {"learning_rate": 10}),
        ({"steps": 0}, {"batch": 0}, {"population": 0}, {"noise_V": -1e-9}, {"noise_V": 1.1},
         {"learning_rate": 0}, {"logit_gain": 0.0}, {"logit_gain": float("inf")}),
    ),
    "layers": (
        ([{"neurons": 1}, {}], [{"neurons": 100_000}, {}]),
        ([{"neurons": 0}, {}], [{"neurons": 100_001}, {}], [{}] * 101),
    ),
}  # fmt: skip


@pytest.mark.parametrize("key", BOUNDS)
def test_ends_of_ranges(key: str) -> None:
    value = {"family": "floatgate", "layers": [{}], "data": {"file": "a.csv", "target": "b"}}
    taken, refused = BOUNDS[key]
    for inside in taken:
        config_of({**value, key: inside}, "x.yaml")
    for outside in refused:
        with pytest.raises(FileError, match=key):
            config_of({**value, key: outside}, "x.yaml")


@pytest.mark.parametrize(("low_V", "span_V", "fits"),
                         [(1.8, 0.7, True), (0.0, 2.5, True), (2.0, 0.51, False)])  # fmt: skip
def test_voltages_end_at_the_devices_supply(
    folder: Path, low_V: float, span_V: float, fits: bool
) -> None:
    text = YAML.format(layers="[{}]", name="iris", train="{}")
    config = parse_config(f"{text}encoding: {{low_V: {low_V}, span_V: {span_V}}}", "x.yaml")
    if fits:
        assert with_data(config, 0, folder=folder, source="x.yaml")[0].encoding.low_V == low_V
    else:
        with pytest.raises(
            FileError, match=r"encoding: reaches 2\.51 V, at most the supply of 2\.5"
        ):
            with_data(config, 0, folder=folder, source="x.yaml")


@pytest.mark.parametrize(
    ("low", "high", "fits"), [(0, 1, True), (-1e-9, 1, False), (0, 1 + 1e-9, False)]
)
def test_features_without_a_scale(tmp_path: Path, low: float, high: float, fits: bool) -> None:
    """From 0 to 1, both ends among them: anything else would be another voltage."""
    rows = "".join(f"{x!r},{'ab'[k % 2]}\n" for k, x in enumerate([low, high, low, high] * 3))
    (tmp_path / "x.csv").write_text(f"x,kind\n{rows}", encoding="utf-8")
    text = "family: floatgate\nlayers: [{}]\ndata: {file: x.csv, target: kind, scale: none}"
    config = parse_config(text, "x.yaml")
    if fits:
        with_data(config, 0, folder=tmp_path, source="x.yaml")
    else:
        with pytest.raises(FileError, match=r"x\.csv: data\.scale: has features from"):
            with_data(config, 0, folder=tmp_path, source="x.yaml")


OWN_CARD = """
card: floatgate
name: fg-65nm
version: 1
source: our own curves
supply_V: 1.2
programmable: {w_min_A: 1e-12, w_max_A: 5e-6, bits: 12}
cell: {form: subthreshold, k1_per_V: -9.0, k0_per_V: -30.0, i_leak_A: 1e-12,
  fitted: {v_V: [0.6, 1.2], w_A: [1e-12, 5e-6], basis: measured}}
lines:
  i_cutoff_A: 1e-11
  i_cubic_A: 1.622e-10
  cubic_V: [-0.0182625, 0.53942, 46.537, -178.14]
  logarithm: [-13.2209, 3.03607, 1.75561, 1500.0, 1.9597e-7, 0.120559]
  positive: {i_last_A: 2.152e-6, v_last_V: 2.0001}
  negative: {i_last_A: 4.67e-6, v_last_V: 2.4507}
sigmoid:
  p_edges_V: []
  regions: [{h1: 0.0, h0: -0.5, s1: 0.0, s0: 30.0, o1: 0.0, o0: 0.0, t1: 0.0, t0: 1.2}]
logits: {zero_V: 0.95, per_V: 16.0}
power: {per_neuron_A: 5e-7, shared_A: 1e-7}
"""


def test_a_device_of_ones_own(folder: Path, tmp_path: Path) -> None:
    """Card, network of three layers and data are files; what is written needs none of them."""
    (folder / "cards").mkdir()
    (folder / "cards" / "mine.yaml").write_text(OWN_CARD, encoding="utf-8")
    text = YAML.format(layers="[{neurons: 10}, {neurons: 8}, {}]", name="iris",
                       train="{steps: 200, population: 2, batch: 32}")  # fmt: skip
    text += "card: cards/mine.yaml\nencoding: {low_V: 0.8, span_V: 0.4}\n"
    (folder / "mine.yaml").write_text(text, encoding="utf-8")
    file = tmp_path / "mine.npz"
    command("train", folder / "mine.yaml", "--out", file)
    (folder / "cards" / "mine.yaml").unlink()
    stored = load_network(file)
    card = stored.network.spec.circuits.card
    assert (card.name, card.supply_V) == ("fg-65nm", 1.2)
    found = json.loads(command("evaluate", file, "--json"))
    assert found["accuracy"] > 0.5
    assert all(v["too_large"] + v["off_level"] == 0 for v in found["not_programmable"].values())
    power = json.loads(command("power", file, "--json"))
    assert power["min_W"] > 1.2 * (21 * 5e-7 + 1e-7)
    command("predict", file, "--image", 0, "--plot", tmp_path / "0.png")
    command("plot", file, "--out", tmp_path / "plots")
    assert len(list((tmp_path / "plots").iterdir())) == 4


def test_a_circuit_that_the_device_does_not_have(folder: Path) -> None:
    (folder / "65nm.yaml").write_text(OWN_CARD, encoding="utf-8")
    text = YAML.format(layers="[{activation: wta}]", name="iris", train="{}") + "card: 65nm.yaml"
    config = parse_config(text + "\nencoding: {low_V: 0.8, span_V: 0.4}", "x.yaml")
    with pytest.raises(FileError, match="'wta', a circuit that the device fg-65nm lacks"):
        with_data(config, 0, folder=folder, source="x.yaml")


def bound_to_nothing(**keys: Any) -> dict[str, Any]:
    """A whole configuration as plain values, of data that nobody has."""
    data = {"file": "a.csv", "target": "b", "inputs": 100, "outputs": 3, "held_out_rows": 5}
    return {"family": "floatgate", "name": "x", "data": data, "layers": [{"neurons": 3}],
            "device": load_card().model_dump(mode="json", exclude_none=True)} | keys  # fmt: skip


def test_the_number_of_cells_is_bounded_in_all_layers_together() -> None:
    """100 cells into each of the first rows and 100 out of it, and 300 in the last layer."""
    for rows, fits in ((49_998, True), (49_999, False)):
        value = bound_to_nothing(layers=[{"neurons": rows}, {"neurons": 100}, {"neurons": 3}])
        assert (200 * rows + 300 <= 10_000_000) is fits
        if fits:
            config_of(value, "x.yaml")
        else:
            with pytest.raises(FileError, match="10000100 cells, at most 10000000 are accepted"):
                config_of(value, "x.yaml")


OTHER_TRAINING = {"steps": 7, "batch": 5, "population": 2, "learning_rate": 0.3, "noise_V": 0.2,
                  "logit_gain": 3.0}  # fmt: skip


def test_every_key_of_training_reaches_the_recipe() -> None:
    assert set(OTHER_TRAINING) == set(Training.model_fields)
    for key, value in OTHER_TRAINING.items():
        usual, other = (
            own_recipe(config_of(bound_to_nothing(train=train), "x.yaml"))
            for train in ({}, {key: value})
        )
        assert getattr(usual, key) != value
        assert getattr(other, key) == value


DAMAGES: dict[str, tuple[str, Any, str]] = {
    "other classes": ("data_classes", np.array(["a", "b", "c", "d"]), "data_task"),
    "a label that is none": ("test_y", np.full(38, 3), "test_y"),
    "another task": ("data_task", np.array("regression"), "data_task"),
    "another shape": ("mlp_1_bias", np.zeros(4, np.float32), "mlp_1_bias"),
    "a zero weight": ("mlp_0_weights", np.zeros((10, 4), np.float32), "mlp_0_weights"),
    "mixed types": ("mlp_2_bias", np.zeros(3), "mlp_0_weights"),
    "no configuration": ("config", np.array(["family: floatgate"]), "config"),
    "unbound": ("config", np.array(
        YAML.format(layers="[{}]", name="iris", train="{}").splitlines()), "config: data"),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_refused(trained: dict[str, Path], tmp_path: Path, damage: str) -> None:
    field, value, named = DAMAGES[damage]
    with np.load(trained["three"]) as arrays:
        changed = {**arrays, field: value}
    write_npz(tmp_path / "damaged.npz", changed)
    with pytest.raises(FileError) as refused:
        load_network(tmp_path / "damaged.npz")
    assert named in str(refused.value)


def test_a_network_of_the_users_own_is_not_stored_as_one_of_ours(trained: dict[str, Path]) -> None:
    result = CliRunner().invoke(app, ["store", str(trained["one"]), "--name", "mine"])
    assert isinstance(result.exception, FileError)
    assert "not ohmbench's" in str(result.exception)


# ------------------------------------------------------------------------------------------------
# Files that fit several networks


def anonymous(folder: Path, highest_V: float | None) -> Path:
    """A 64-100-10 network that does not say which, with images up to ``highest_V``."""
    full = folder / "full.npz"
    network = random_network(SPECS["floatgate-digits"], seed=0)
    save_network(full, network, seed=0, recipe="{}", history=np.zeros((1, 3)), overwrite=True)
    arrays = read_npz(full, FLOATGATE_SCHEMA)
    del arrays["network"]
    if highest_V is not None:
        arrays["test_data"] = np.linspace(1.8, highest_V, 128).reshape(2, 64)
        arrays["labels"] = np.array([0, 1])
    write_npz(folder / "some.npz", arrays, overwrite=True)
    return folder / "some.npz"


@pytest.mark.parametrize(
    ("highest_V", "name"),
    [(2.5, "floatgate-digits"), (2.45, "floatgate-digits"), (2.4, "floatgate-digits-2V4")],
)
def test_voltages_tell_networks_of_a_size_apart(
    tmp_path: Path, highest_V: float, name: str
) -> None:
    assert load_network(anonymous(tmp_path, highest_V)).network.spec.name == name


@pytest.mark.parametrize(("highest_V", "seen"), [(2.3, "up to 2.3 V"), (None, "no test_data")])
def test_what_could_be_either_is_refused(
    tmp_path: Path, highest_V: float | None, seen: str
) -> None:
    with pytest.raises(FileError) as refused:
        load_network(anonymous(tmp_path, highest_V))
    for part in (seen, "floatgate-digits (up to 2.5 V)", "floatgate-digits-2V4 (up to 2.4 V)"):
        assert part in str(refused.value)
