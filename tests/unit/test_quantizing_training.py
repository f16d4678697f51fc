"""Fine-tuning: its forward pass is the integers, and two layers train as they always did."""

from __future__ import annotations

import shutil
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy, linear

from ohmbench.data import split
from ohmbench.data.parts import load_parts
from ohmbench.digital.integer.golden import infer
from ohmbench.digital.integer.network import IntegerNetwork, Meaning
from ohmbench.digital.integer.store import load_integer, save_integer
from ohmbench.digital.quantizing import fake_mlp
from ohmbench.digital.quantizing.calibration import (
    Formats,
    input_format,
    output_scales,
    quantize,
)
from ohmbench.digital.quantizing.fake_mlp import FakeQuantMLP
from ohmbench.digital.quantizing.float_models import FloatMLP
from ohmbench.digital.quantizing.results import quantize_file
from ohmbench.digital.quantizing.tuning import TuneTask
from ohmbench.digital.training import INT8_RECIPES, Int8Task
from ohmbench.errors import RangeError
from ohmbench.files import sha256_file
from ohmbench.training import step_generator
from tests.unit.command_line import assert_refused
from tests.unit.integer_networks import random_integer
from tests.unit.test_quantizing import random_mlp

Run = Callable[..., tuple[int, str, str]]

# ------------------------------------------------------------------------------------------------
# The forward pass is the integers

FORMATS = [
    Formats(w, a, per)  # type: ignore[arg-type]
    for w, a in ((8, 8), (2, 3), (4, 1))
    for per in ("tensor", "channel")
]


IDS = [f"w{f.weight_bits}a{f.activation_bits}-{f.per}" for f in FORMATS]


def fake(formats: Formats, sizes: tuple[int, ...], signed: bool) -> FakeQuantMLP:
    rng = np.random.default_rng(0)
    model = random_mlp(sizes, 7, spread=1.0)
    x = rng.normal(size=(60, sizes[0])) if signed else rng.random((60, sizes[0]))
    made = FakeQuantMLP(model, input_format(x), output_scales(model, x, formats), formats)
    assert made.integers() == quantize(model, x, formats), "training starts from calibration"
    return made


def steps(made: FakeQuantMLP, count: int) -> None:
    """So many updates on random samples, large enough to change every integer."""
    rng = np.random.default_rng(1)
    optimizer = torch.optim.AdamW(made.parameters(), lr=0.02)
    for _ in range(count):
        x = torch.from_numpy(inputs(made, 32, rng)).double()
        labels = torch.from_numpy(rng.integers(0, len(made.get_parameter("bias_0")), 32) % 3)
        loss = cross_entropy(made(x, 0.9), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def inputs(made: FakeQuantMLP, count: int, rng: np.random.Generator) -> np.ndarray:
    wide = made.get_parameter("weight_0").shape[1]
    return rng.integers(made.read.lo, made.read.hi + 1, (count, wide))


def differing(made: FakeQuantMLP, network: IntegerNetwork) -> int:
    """Logits of the forward pass, in their unit, that are not the integers'."""
    x = inputs(made, 200, np.random.default_rng(2))
    meaning = network.layers[-1].meaning
    assert isinstance(meaning, Meaning)
    with torch.no_grad():
        seen = made(torch.from_numpy(x).double()).numpy() / meaning.scale
    return int((np.abs(seen - infer(network, x).outputs) > 1e-6).sum())


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("sizes", [(6, 3), (6, 9, 3), (6, 9, 8, 7, 3)])
@pytest.mark.parametrize("formats", FORMATS, ids=IDS)
def test_training_computes_the_integers(
    formats: Formats, sizes: tuple[int, ...], signed: bool
) -> None:
    made = fake(formats, sizes, signed)
    assert differing(made, made.integers()) == 0
    before = made.integers()
    steps(made, 5)
    after = made.integers()
    assert after != before
    assert differing(made, after) == 0
    assert differing(made, before) > 0


FAULTS: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    "truncated": lambda patch: patch.setattr(fake_mlp, "half", lambda S: 0),
    "M not rounded": lambda patch: patch.setattr(
        fake_mlp, "multipliers", lambda ratio: (np.rint(ratio * 2.0**40).astype(np.int64), 40)),
    "coarse scales": lambda patch: patch.setattr(
        fake_mlp, "weight_scales", lambda w, bits, per: np.full(len(w), np.abs(w).max() / 100)),
    "other ranges": lambda patch: patch.setattr(
        FakeQuantMLP, "out_scale", lambda self, k: 1.01 * float(self.hidden_max[k]) / 255),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_another_arithmetic_in_training_is_noticed(
    fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = fake(Formats(), (6, 40, 30, 3), False)
    network = made.integers()
    assert differing(made, network) == 0
    FAULTS[fault](monkeypatch)
    assert differing(made, network) > 0


def test_gradients_pass_the_rounding_and_stop_at_the_clamp() -> None:
    """Two hidden neurons over a range of 1: one sum of 2 is clamped, one of 0.5 is not."""
    weights = (np.array([[2.0], [0.5]]), np.array([[1.0, 1.0]]))
    model = FloatMLP(weights, (np.zeros(2), np.zeros(1)))
    x = np.array([[1.0]])
    made = FakeQuantMLP(model, input_format(x), [1 / 255], Formats())
    made(torch.tensor([[255.0]], dtype=torch.float64)).sum().backward()
    gradient = made.get_parameter("weight_0").grad
    assert gradient is not None
    assert gradient.ravel().tolist() == pytest.approx([0.0, 1.0], abs=1e-6)


def test_the_ranges_are_running_means_from_the_calibrated_ones() -> None:
    made = fake(Formats(), (6, 9, 8, 3), False)
    rng = np.random.default_rng(3)
    unit = made.read.scale * made.weight_scale(0).numpy()
    bias = np.rint(made.get_parameter("bias_0").detach().numpy() / unit)
    for _ in range(3):
        before, x = made.hidden_max.clone(), inputs(made, 16, rng)
        largest = ((infer(made.integers(), x).acc[0] + bias) * unit).max()
        made(torch.from_numpy(x).double(), 0.75)
        wanted = 0.75 * float(before[0]) + 0.25 * largest
        assert float(made.hidden_max[0]) == pytest.approx(wanted, rel=1e-12)
        assert float(made.hidden_max[1]) != float(before[1])
        after = made.hidden_max.clone()
        made(torch.from_numpy(inputs(made, 16, rng)).double())
        assert torch.equal(made.hidden_max, after), "without memory nothing is learnt"


def test_a_dead_layer_is_an_error_of_one_line() -> None:
    made = fake(Formats(), (6, 9, 3), False)
    with torch.no_grad():
        made.hidden_max.zero_()
    with pytest.raises(RangeError, match="layer 0: its scale is 0"):
        made.integers()


# ------------------------------------------------------------------------------------------------
# Two layers train as they always did


def as_before(
    w: list[torch.Tensor], b: list[torch.Tensor], largest: torch.Tensor, pixels: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """The forward pass of the two-layer training, written out in its float32 operations."""

    def through(exact: torch.Tensor, rounded: torch.Tensor) -> torch.Tensor:
        return exact + (rounded - exact).detach()

    def layer(k: int, x: torch.Tensor, in_scale: Any) -> torch.Tensor:
        scale = w[k].detach().abs().max() / 127
        unit = scale * in_scale
        return linear(
            x,
            through(w[k], scale * (w[k] / scale).round()),
            through(b[k], unit * (b[k] / unit).round()),
        )

    in_scale = float(np.float32(1 / 255))
    sums = layer(0, in_scale * pixels, in_scale).relu()
    with torch.no_grad():
        mean = 0.98 * largest + (1 - 0.98) * sums.max()
        largest = torch.where(largest > 0, mean, sums.max())
    smallest = in_scale * (w[0].detach().abs().max() / 127) * 2**24 / 65535
    scale = torch.maximum(largest / 255, smallest)
    clamped = (sums / scale).clamp(max=255)
    return layer(1, scale * through(clamped, clamped.floor()), scale), largest


def test_two_layers_train_to_the_same_bits_as_ever() -> None:
    recipe = replace(INT8_RECIPES["int8-digits"], steps=12, augmentation=None)
    task = Int8Task(recipe, 3)
    w = [task.network.get_parameter(f"weight_{k}").detach().clone() for k in range(2)]
    b = [task.network.get_parameter(f"bias_{k}").detach().clone() for k in range(2)]
    mine = [p.requires_grad_() for pair in zip(w, b, strict=True) for p in pair]
    optimizer = torch.optim.AdamW(mine, weight_decay=recipe.weight_decay)
    parts = split("digits-fann", 3)
    x, y = torch.from_numpy(parts.train_x).float(), torch.from_numpy(parts.train_y)
    largest = torch.tensor(0.0)
    for step in range(12):
        for group in (*optimizer.param_groups, *task.optimizer.param_groups):
            group["lr"] = task.learning_rate(step)
        chosen = torch.randint(len(x), (recipe.batch,), generator=step_generator(3, step))
        pixels = (x[chosen] / float(np.float32(1 / 255))).round()
        logits, largest = as_before(w, b, largest, pixels)
        loss = cross_entropy(logits, y[chosen], label_smoothing=recipe.label_smoothing)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        assert task.update(step, step_generator(3, step)) == loss.item()
    for k in range(2):
        assert torch.equal(task.network.get_parameter(f"weight_{k}"), w[k])
        assert torch.equal(task.network.get_parameter(f"bias_{k}"), b[k])
    assert float(task.network.hidden_max) == float(largest)


# ------------------------------------------------------------------------------------------------
# ohmbench train --from


@pytest.fixture(scope="module")
def quantized(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model of digits quantised to 3 bits, which lose much."""
    here = tmp_path_factory.mktemp("quantized")
    generator = torch.Generator().manual_seed(0)
    torch.save(
        OrderedDict(
            (f"{2 * k}.weight", torch.randn(*shape, generator=generator) / shape[1] ** 0.5)
            for k, shape in enumerate(((16, 64), (10, 16)))
        ),
        here / "m.pth",
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(here)
        found = quantize_file("m.pth", load_parts("digits", 5), Formats(3, 3, "channel"))
        save_integer("net.npz", found.network, origin=found.origin)
    return here


@pytest.fixture
def folder(quantized: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with the files of ``quantized``."""
    for file in quantized.iterdir():
        shutil.copy(file, tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


TUNE = ("train", "--from", "net.npz", "--steps", 60, "--learning-rate", 0.01)


def test_fine_tuning_keeps_the_formats_and_gets_better(folder: Path, run: Run) -> None:
    status, out, _ = run(*TUNE)
    assert status == 0
    before, after = load_integer("net.npz"), load_integer("net-seed0.npz")
    assert after.network.sizes == before.network.sizes
    assert after.network.input.scale == before.network.input.scale
    assert [layer.bits for layer in after.network.layers] == [3, 3]
    assert after.network.layers[0].step.hi == 7
    parts = split("digits", 5)
    found = infer(after.network, after.network.input.quantise(parts.test_x))
    right = int((found.classes == parts.test_y).sum())
    assert f"wrote net-seed0.npz: {right} of 450 correct" in out
    assert right > before.origin["held_out"]["correct"] + 100
    origin = after.origin
    assert origin["made_by"] == "ohmbench train"
    for key in ("file", "sha256", "data", "formats"):
        assert origin[key] == before.origin[key]
    assert origin["held_out"]["correct"] == right
    assert (origin["seed"], origin["recipe"]["steps"]) == (0, 60)
    assert origin["history"][-1][0] == 60
    assert origin["history"][-1][1] < origin["history"][0][1]


def test_a_float_model_is_tuned_on_the_data_that_are_named(folder: Path, run: Run) -> None:
    """Its integers are those that the network of ``quantize`` with the usual formats becomes."""
    words = ("--steps", 3, "--seed", 5)
    assert run("train", "--from", "m.pth", "--data", "digits", *words)[0] == 0
    assert run("quantize", "m.pth", "--data", "digits", "--seed", 5)[0] == 0
    assert run("train", "--from", "m-w8a8.npz", *words, "--out", "other.npz")[0] == 0
    found, wanted = load_integer("m-seed5.npz"), load_integer("other.npz")
    assert found.network == wanted.network
    assert found.origin["data"] == wanted.origin["data"]
    assert found.origin["formats"]["weight_bits"] == 8


def test_the_fake_quantised_network_is_the_one_that_is_written(
    folder: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks: list[TuneTask] = []
    write = TuneTask.write
    monkeypatch.setattr(
        TuneTask, "write", lambda task, *a, **o: (tasks.append(task), write(task, *a, **o))[1]
    )
    assert run(*TUNE)[0] == 0
    (task,) = tasks
    network = load_integer("net-seed0.npz").network
    x = network.input.quantise(task.samples.test_x)
    meaning = network.layers[-1].meaning
    assert meaning is not None
    with torch.no_grad():
        seen = task.network(torch.from_numpy(x).double()).numpy() / meaning.scale
    assert np.array_equal(np.rint(seen), infer(network, x).outputs)


def test_a_fine_tuning_that_was_ended_goes_on_to_the_same_bits(folder: Path, run: Run) -> None:
    assert run(*TUNE, "--out", "whole.npz")[0] == 0
    status, out, _ = run(*TUNE, "--out", "parts.npz", "--max-minutes", "1e-9")
    assert status == 0
    assert "--resume goes on" in out
    assert load_integer("parts.npz").origin["recipe"]["ended_at"] == 1
    refused = run(*TUNE, "--seed", 1, "--out", "parts.npz", "--resume")
    assert refused[0] == 2
    assert "a training with other settings" in refused[2]
    assert run(*TUNE, "--out", "parts.npz", "--resume")[0] == 0
    assert sha256_file("parts.npz") == sha256_file("whole.npz")
    assert run(*TUNE, "--out", "seed.npz", "--seed", 1)[0] == 0
    assert load_integer("seed.npz").network != load_integer("whole.npz").network


def _other_model() -> None:
    torch.save(OrderedDict({"0.weight": torch.ones(10, 64)}), "m.pth")


def _other_origin() -> None:
    save_integer("net.npz", random_integer(0), origin={"made_by": "hand"}, overwrite=True)


def _origin(**changes: Any) -> Callable[[], None]:
    def change() -> None:
        stored = load_integer("net.npz")
        save_integer("net.npz", stored.network, origin={**stored.origin, **changes}, overwrite=True)

    return change


def nothing() -> None:
    pass


REFUSED: dict[str, tuple[Callable[[], None], str, str]] = {
    "another model": (_other_model, "--from net.npz", "m.pth: is not the model"),
    "no model": (lambda: Path("m.pth").unlink(), "--from net.npz", "m.pth"),
    "another origin": (_other_origin, "--from net.npz", "net.npz: origin: does not say"),
    "odd formats": (_origin(formats={"weight_bits": 99}), "--from net.npz", "does not say"),
    "odd names": (_origin(formats={"a": 1}), "--from net.npz", "does not say"),
    "odd data": (_origin(data=[1]), "--from net.npz", "does not say"),
    "odd seed": (
        _origin(data={"called": "digits", "seed": "x"}), "--from net.npz", "does not say"),
    "other data": (
        _origin(data={"called": "digits", "seed": 5, "sha256": ["0"]}), "--from net.npz",
        "digits: is not the data"),
    "data that do not fit": (
        _origin(data={"called": "circles", "seed": 5}), "--from net.npz",
        "circles: has 2 features"),
    "odd options of data": (
        _origin(data={"called": "digits", "seed": 5, "held_out": [1]}), "--from net.npz",
        "does not say"),
    "a float model alone": (nothing, "--from m.pth", "--data: is missing"),
    "data that are not for it": (nothing, "--from m.pth --data circles", "circles: has 2 features"),
    "data twice": (nothing, "--from net.npz --data digits", "--data: not for net.npz"),
    "a target twice": (nothing, "--from net.npz --target a", "--target: not for net.npz"),
    "data of a name": (nothing, "int8-digits --data digits", "--data: only with --from"),
    "no file": (nothing, "--from none.npz", "none.npz"),
    "both": (nothing, "int8-digits --from net.npz", "int8-digits and --from"),
    "neither": (nothing, "", "NAME|CONFIG: is missing"),
    "steps alone": (nothing, "int8-digits --steps 3", "--steps: only with --from"),
    "a rate alone": (nothing, "int8-digits --learning-rate 1", "--learning-rate: only with"),
    "samples": (nothing, "--from net.npz --samples 3", "--samples: not for net.npz"),
    "onto itself": (nothing, "--from net.npz --out net.npz --force", "is what this command reads"),
    "onto the model": (nothing, "--from net.npz --out m.pth --force", "is what this command reads"),
}  # fmt: skip


@pytest.mark.parametrize("kind", REFUSED)
def test_what_cannot_be_fine_tuned_is_one_line(kind: str, folder: Path, run: Run) -> None:
    change, words, says = REFUSED[kind]
    change()
    before = {path: path.read_bytes() for path in folder.iterdir()}
    assert_refused(run("train", *words.split()), says)
    assert {path: path.read_bytes() for path in folder.iterdir()} == before
