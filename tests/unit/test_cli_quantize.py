"""``ohmbench quantize``: from a state dict and data to a file that says where it came from."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ohmbench.data import split
from ohmbench.digital.integer.golden import infer
from ohmbench.digital.integer.store import load_integer
from ohmbench.digital.quantizing.calibration import quantize
from ohmbench.digital.quantizing.judging import Comparison
from ohmbench.digital.quantizing.reading import read_float_model
from ohmbench.digital.quantizing.scales import Per
from ohmbench.files import sha256_file
from tests.unit.command_line import assert_refused

Run = Callable[..., tuple[int, str, str]]


def state(sizes: tuple[int, ...], seed: int) -> OrderedDict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    found = OrderedDict()
    for k in range(len(sizes) - 1):
        found[f"net.{2 * k}.weight"] = torch.randn(sizes[k + 1], sizes[k], generator=generator)
        found[f"net.{2 * k}.bias"] = torch.randn(sizes[k + 1], generator=generator)
    return found


def table(rows: int = 40) -> str:
    """Two classes that one linear layer separates; the features are not in [0, 1]."""
    lines = [f"{k},{(7 * k) % 40},{'low' if k < rows / 2 else 'up'}" for k in range(rows)]
    return "\n".join(["a,b,kind", *lines, ""])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with models and data."""
    monkeypatch.chdir(tmp_path)
    torch.save(state((64, 12, 10), 0), "digits.pth")
    torch.save(state((2, 5, 2), 1), "own.pth")
    separating = {
        "weight": torch.tensor([[-1.0, 0.0], [1.0, 0.0]]),
        "bias": torch.tensor([39.0, 0]),
    }
    torch.save(OrderedDict(separating), "separating.pth")
    (tmp_path / "own.csv").write_text(table())
    (tmp_path / "other.csv").write_text(table(30))
    rng = np.random.default_rng(0)
    np.savez("own.npz", x=rng.normal(size=(30, 2)), y=np.arange(30) % 2,
             x_test=rng.normal(size=(9, 2)), y_test=np.arange(9) % 2)  # fmt: skip
    return tmp_path


def test_the_file_holds_the_network_and_its_origin(folder: Path, run: Run) -> None:
    status, out, err = run("quantize", "digits.pth", "--data", "digits", "--seed", 3)
    assert (status, err) == (0, "")
    stored = load_integer("digits-w8a8.npz")
    parts = split("digits", 3)
    model = read_float_model("digits.pth")
    assert stored.network == quantize(model, parts.train_x)
    assert stored.network.sizes == (64, 12, 10)
    origin = stored.origin
    assert origin["sha256"] == sha256_file("digits.pth")
    assert origin["data"] == {"called": "digits", "seed": 3, "samples": [1347, 450]}
    assert origin["formats"] == {
        "weight_bits": 8, "activation_bits": 8, "per": "tensor", "percentile": 100.0}  # fmt: skip
    assert origin["versions"]["ohmbench"]
    classes = infer(stored.network, stored.network.input.quantise(parts.test_x)).classes
    right = int((classes == parts.test_y).sum())
    assert origin["held_out"]["correct"] == right
    assert f"integers:    {right} of 450 correct" in out
    right_float = int((model.outputs(parts.test_x)[-1].argmax(1) == parts.test_y).sum())
    assert f"float model: {right_float} of 450 correct" in out
    assert "with a ReLU between each two" in out


def test_the_json_is_what_the_file_says_and_the_losses(folder: Path, run: Run) -> None:
    status, out, err = run(
        "quantize", "digits.pth", "--data", "digits", "--json", "-o", "x.npz", "--per", "channel"
    )
    assert (status, err) == (0, "")
    found = json.loads(out)
    assert found["out"] == "x.npz"
    origin = load_integer("x.npz").origin
    assert all(found[key] == value for key, value in origin.items())
    assert [layer["name"] for layer in found["layers"]] == ["net.0", "net.2"]
    low, high = found["accuracy_95"]
    assert low < found["accuracy"] < high
    assert found["accuracy"] == origin["held_out"]["correct"] / 450


FORMATS: list[tuple[str, int, int, Per]] = [
    ("--weight-bits 3", 3, 8, "tensor"),
    ("--activation-bits 2", 8, 2, "tensor"),
    ("--per channel", 8, 8, "channel"),
]


@pytest.mark.parametrize(("words", "weight", "activation", "per"), FORMATS)
def test_formats_reach_the_network(
    folder: Path, run: Run, words: str, weight: int, activation: int, per: Per
) -> None:
    assert run("quantize", "digits.pth", "--data", "digits", *words.split())[0] == 0
    network = load_integer(f"digits-w{weight}a{activation}.npz").network
    first = network.layers[0]
    assert first.bits == weight
    assert np.abs(first.weight).max() == 2 ** (weight - 1) - 1
    assert first.step.hi == 2**activation - 1
    assert (len({*first.step.M.tolist()}) > 1) == (per == "channel")  # type: ignore[union-attr]


def test_features_of_a_csv_are_read_as_they_are_unless_scaled(folder: Path, run: Run) -> None:
    """The model separates the file's own numbers: only in its own units is it always right."""
    words = ("quantize", "separating.pth", "--data", "own.csv", "--target", "kind", "--json")
    found = json.loads(run(*words)[1])
    assert (found["float_accuracy"], found["accuracy"]) == (1.0, 1.0)
    assert found["data"]["scale"] == "none"
    assert found["data"]["classes"] == ["low", "up"]
    assert "shift" not in found["data"]
    scaled = json.loads(run(*words, "--scale", "minmax", "--force")[1])
    assert scaled["float_accuracy"] == 0.5
    assert len(scaled["data"]["span"]) == 2
    other = json.loads(run(*words, "--held-out", "other.csv", "--force")[1])
    assert other["data"]["samples"] == [40, 30]
    assert other["data"]["sha256"] == [sha256_file(f) for f in ("own.csv", "other.csv")]


def test_a_model_that_reads_other_features_is_noticed(folder: Path, run: Run) -> None:
    words = ("quantize", "separating.pth", "--data", "own.csv", "--target", "kind", "--force")
    assert "--scale" not in run(*words)[1]
    assert "were its features scaled another way (--scale)" in run(*words, "--scale", "minmax")[1]


def test_integers_that_are_clearly_worse_are_noticed(
    folder: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their interval lies below the float model's; one right answer more, and it does not."""
    found = [Comparison(200, 180, k, 0, 0, 1, 0.1, ()) for k in range(181)]
    worse = [c.accuracy.high < c.float_accuracy.low for c in found]
    assert [c.clearly_worse for c in found] == worse
    assert worse.index(False) == sum(worse) == 161
    assert not found[180].clearly_worse
    words = ("quantize", "separating.pth", "--data", "own.csv", "--target", "kind", "--force")
    note = "note: the integers are clearly worse"
    assert note not in run(*words)[1]
    monkeypatch.setattr(Comparison, "clearly_worse", True)
    assert note in run(*words)[1]


def test_signed_features_make_signed_inputs(folder: Path, run: Run) -> None:
    status, out, _ = run("quantize", "own.pth", "--data", "own.npz", "--out", "int.npz", "--json")
    assert status == 0
    network = load_integer("int.npz").network
    assert (network.input.lo, network.input.hi) == (-128, 127)
    assert json.loads(out)["data"]["samples"] == [30, 9]


REFUSED: dict[str, tuple[str, str]] = {
    "no data": ("own.pth", "--data"),
    "no such data": ("own.pth --data nobody", "nobody: neither a data set nor a file"),
    "no such file": ("own.pth --data none.csv --target kind", "none.csv"),
    "no such model": ("none.pth --data digits", "none.pth"),
    "another format": ("own.csv --data digits", "own.csv: .csv is not a format"),
    "no target": ("own.pth --data own.csv", "--target"),
    "no such column": ("own.pth --data own.csv --target c", "has no column 'c'"),
    "a target of a name": ("own.pth --data digits --target c", "--target: not for digits"),
    "a scale of a name": ("own.pth --data digits --scale none", "--scale: not for digits"),
    "a part of a name": ("own.pth --data digits --held-out 0.5", "--held-out: not for digits"),
    "a target in npz": ("own.pth --data own.npz --target y", "target"),
    "a scale": ("own.pth --data own.npz --scale big", "--scale"),
    "a fraction": ("own.pth --data own.csv --target kind --held-out 1.5", "--held-out 1.5: should"),
    "another width": ("own.pth --data digits", "digits: has 64 features, but own.pth has 2 inputs"),
    "other classes": ("wide.pth --data own.npz", "own.npz: has 2 classes, but wide.pth has 3"),
    "no rows": ("own.pth --data empty.csv --target kind", "empty.csv"),
    "NaN": ("nan.pth --data own.npz", "nan.pth: net.0.weight"),
    "a convolution": ("conv.pth --data own.npz", "conv.pth: conv"),
    "sizes": ("sizes.pth --data own.npz", "sizes.pth: net.2"),
    "zeros": ("zeros.pth --data own.npz", "zeros.pth: net.0"),
    "dead": ("dead.pth --data own.npz", "dead.pth: net.0: all outputs are 0"),
    "per": ("own.pth --data own.npz --per row", "--per"),
    "percentile": ("own.pth --data own.npz --percentile 0", "--percentile 0: should be above 0"),
    "bits": ("own.pth --data own.npz --weight-bits 1", "--weight-bits"),
    "onto the data": ("own.pth --data own.npz --out own.npz --force", "is what this command reads"),
    "onto the model": ("own.pth --data own.npz -o own.pth --force", "is what this command reads"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_wrong_is_one_line_and_nothing_is_written(
    kind: str, folder: Path, run: Run
) -> None:
    good = state((2, 5, 2), 1)
    changed: dict[str, dict[str, Any]] = {
        "wide": dict(state((2, 5, 3), 1)),
        "nan": {**good, "net.0.weight": torch.full((5, 2), torch.nan)},
        "conv": {"conv.weight": torch.ones(2, 1, 3, 3)},
        "sizes": {**good, "net.2.weight": torch.ones(2, 6)},
        "zeros": {**good, "net.0.weight": torch.zeros(5, 2)},
        "dead": {**good, "net.0.bias": torch.full((5,), -1e3)},
    }
    for name, tensors in changed.items():
        torch.save(OrderedDict(tensors), f"{name}.pth")
    (folder / "empty.csv").write_text("a,b,kind\n")
    before = {path: path.read_bytes() for path in folder.iterdir()}
    words, says = REFUSED[kind]
    assert_refused(run("quantize", *words.split()), says)
    assert {path: path.read_bytes() for path in folder.iterdir()} == before
