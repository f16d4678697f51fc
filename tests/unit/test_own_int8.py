"""Int8 networks of the user's own, from a YAML file to a proof, and back from the file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from ohmbench.cli import app
from ohmbench.data.classifier import Own
from ohmbench.digital import infer, load_int8, quantize_pixels
from ohmbench.digital.configuration import (
    Training,
    config_of,
    parse_config,
    with_data,
)
from ohmbench.digital.training import own_task
from ohmbench.errors import FileError
from ohmbench.fields import yaml_text
from ohmbench.files.npz_writing import write_npz
from tests.unit.test_own_floatgate import command, write_csv

YAML = """
family: int8
hidden: {hidden}
data: {{file: {file}, target: kind}}
train: {{steps: 300, batch: 32}}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    here = tmp_path_factory.mktemp("own data")
    write_csv(here, "wine")
    (here / "wine.yaml").write_text(YAML.format(hidden=9, file="wine.csv"), encoding="utf-8")
    return here


@pytest.fixture(scope="module")
def trained(folder: Path) -> Path:
    command("train", folder / "wine.yaml", "--out", folder / "wine.npz")
    return folder / "wine.npz"


def test_a_file_stands_alone(trained: Path, tmp_path: Path) -> None:
    """A colleague has the npz file and nothing else: neither the YAML file nor the data."""
    alone = tmp_path / "alone.npz"
    alone.write_bytes(trained.read_bytes())
    found = json.loads(command("evaluate", alone, "--json"))
    assert (found["network"], found["sizes"], found["total"]) == ("wine", [13, 9, 3], 45)
    assert found["classes"] == ["class_0", "class_1", "class_2"]
    assert found["accuracy"] > 0.85
    assert "no image overflows a register" in command("prove", alone)
    assert "(class_" in command("predict", alone, "--image", 3, "--plot", tmp_path / "3.png")
    answer = json.loads(command("predict", alone, "--image", 3, "--json"))
    assert answer["classes"] == found["classes"]
    command("plot", alone, "--out", tmp_path / "plots")
    drawn = {file.name for file in (tmp_path / "plots").iterdir()}
    assert drawn == {"confusion.png", "weights.png", "history.png"}


def test_it_is_judged_by_the_held_out_samples(trained: Path, folder: Path) -> None:
    stored = load_int8(trained)
    config = parse_config((folder / "wine.yaml").read_text(), "wine.yaml")
    config, data = with_data(config, 0, folder=folder, source="wine.yaml")
    assert stored.own is not None
    assert stored.own.config == config
    assert parse_config(yaml_text(config), "again") == config
    images = stored.images()
    # A sample beyond the training part's range is what the converter gives at its end.
    assert data.test_x.max() > 1
    assert np.array_equal(images.x, quantize_pixels(np.clip(data.test_x, 0, 1)))
    assert np.array_equal(images.labels, data.test_y)
    right = infer(stored.network, images.x).classes == images.labels
    assert json.loads(command("evaluate", trained, "--json"))["correct"] == int(right.sum())


def test_a_training_that_was_ended_goes_on_to_the_same_bits(folder: Path, tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole.npz", tmp_path / "parts.npz"
    command("train", folder / "wine.yaml", "--out", whole, "--seed", 4)
    command("train", folder / "wine.yaml", "--out", parts, "--seed", 4, "--max-minutes", "1e-9")
    command("train", folder / "wine.yaml", "--out", parts, "--seed", 4, "--resume")
    assert parts.read_bytes() == whole.read_bytes()


FAULTS = {
    "no hidden": ("family: int8\ndata: {file: wine.csv, target: kind}", "hidden: missing"),
    "none hidden": (YAML.format(hidden=0, file="wine.csv"), "hidden: expected at least 1"),
    "too many hidden": (YAML.format(hidden=100_001, file="wine.csv"), "hidden: expected at most"),
    "no file": (YAML.format(hidden=3, file="none.csv"), "none.csv"),
    "no target": ("family: int8\nhidden: 3\ndata: {file: wine.csv}", "data.target: missing"),
    "unbounded": ("family: int8\nhidden: 3\n"
                  "data: {file: wine.csv, target: kind, scale: standard}", "data.scale"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_what_does_not_fit_is_one_line(folder: Path, tmp_path: Path, fault: str) -> None:
    text, expected = FAULTS[fault]
    (folder / "faulty.yaml").write_text(text, encoding="utf-8")
    result = CliRunner().invoke(
        app, ["train", str(folder / "faulty.yaml"), "--out", str(tmp_path / "x.npz")]
    )
    assert isinstance(result.exception, FileError), result.exception
    assert expected in str(result.exception)
    assert "\n" not in str(result.exception)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("hidden", "fits"), [(100_000, True), (76_923, True), (100_000, False)])
def test_the_number_of_weights_is_bounded(hidden: int, fits: bool) -> None:
    """10 000 000 in both layers: 100 000 neurons of 97 inputs and 3 classes, not of 98."""
    data = {"file": "a.csv", "target": "b", "inputs": 97 if fits else 98, "outputs": 3,
            "held_out_rows": 5}  # fmt: skip
    value = {"family": "int8", "name": "x", "hidden": hidden, "data": data}
    if fits:
        assert config_of(value, "x.yaml").spec.sizes == (97, hidden, 3)
    else:
        with pytest.raises(FileError, match="hidden: 10100000 weights, at most 10000000"):
            config_of(value, "x.yaml")


DAMAGES: dict[str, tuple[str, Any, str]] = {
    "other classes": ("data_classes", np.array(["a", "b", "c", "d"]), "data_task"),
    "a label that is none": ("test_y", np.full(45, 3), "test_y"),
    "another shape": ("mlp_1.bias_q", np.zeros(4, np.int32), "mlp_1.bias_q"),
    "no configuration": ("config", np.array(["family: int8"]), "config"),
    "unbound": ("config", np.array(YAML.format(hidden=9, file="a.csv").splitlines()),
                "config: data"),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_refused(trained: Path, tmp_path: Path, damage: str) -> None:
    field, value, named = DAMAGES[damage]
    with np.load(trained) as arrays:
        changed = {**arrays, field: value}
    write_npz(tmp_path / "damaged.npz", changed)
    with pytest.raises(FileError) as refused:
        load_int8(tmp_path / "damaged.npz")
    assert named in str(refused.value)


OTHER_TRAINING = {"steps": 7, "batch": 5, "learning_rate": 0.3, "weight_decay": 0.2,
                  "label_smoothing": 0.1}  # fmt: skip


@pytest.mark.parametrize("key", OTHER_TRAINING)
def test_every_key_of_training_reaches_the_recipe(folder: Path, key: str) -> None:
    assert set(OTHER_TRAINING) == set(Training.model_fields)
    tasks: list[Any] = []
    value = {"family": "int8", "hidden": 3, "data": {"file": "wine.csv", "target": "kind"}}
    for train in ({}, {key: OTHER_TRAINING[key]}):
        config = config_of({**value, "train": train}, "x.yaml")
        own = Own(*with_data(config, 0, folder=folder, source="x.yaml"))
        tasks.append(own_task(own, 0))
    usual, other = (getattr(task.recipe, key) for task in tasks)
    assert other == OTHER_TRAINING[key]
    assert usual != other
