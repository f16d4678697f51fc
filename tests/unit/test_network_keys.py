"""Every key of a network's YAML file, in all three families: what it decides, it decides.

The keys are those that the models of ``configuration`` admit, so that a new one asks for a row.
What the data say is held against the file read here by numpy; what the training says, against what
the trained network became.
"""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import numpy as np
import pytest
import torch
from pydantic import BaseModel
from rich.console import Console

from ohmbench.data.classifier import Own
from ohmbench.data.own import Dataset, OwnData
from ohmbench.digital import configuration as int8
from ohmbench.digital import training as int8_training
from ohmbench.digital.store import load_int8
from ohmbench.files import read_yaml
from ohmbench.floatgate import configuration as floatgate
from ohmbench.floatgate import load_network
from ohmbench.floatgate import training as floatgate_training
from ohmbench.floatgate.card import CARDS_FOLDER, DEFAULT_CARD, Card
from ohmbench.kirchhoff import configuration as kirchhoff
from ohmbench.kirchhoff.network import KirchhoffNet
from ohmbench.kirchhoff.samples import OwnSource
from ohmbench.kirchhoff.simulation import integrate
from ohmbench.kirchhoff.store import load_kirchhoff
from ohmbench.kirchhoff.training import KirchhoffTask, with_data
from ohmbench.training import train_to_file

QUIET = Console(quiet=True)
ROWS = 60
CLASSES = ("elm", "oak", "ash")


def table(seed: int) -> np.ndarray:
    """Four columns of different ranges, and a class of each row: as many of each."""
    rng = np.random.default_rng(seed)
    x = rng.normal([5.0, -3.0, 200.0, 0.1], [1.0, 2.0, 50.0, 0.01], (ROWS, 4))
    y = np.arange(ROWS) % 3
    x[:, 0] += 2 * y
    return np.column_stack([x, y])


NAMES = ("a", "b", "c", "d")


def write(path: Path, rows: np.ndarray) -> None:
    lines = [",".join([*NAMES, "kind"])]
    lines += [",".join([*map(repr, row[:4].tolist()), CLASSES[int(row[4])]]) for row in rows]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    here = tmp_path_factory.mktemp("tables")
    write(here / "one.csv", table(0))
    write(here / "two.csv", table(1))
    write(here / "few.csv", table(2)[:9])
    rows = table(0)
    part = (rows[:, :4] - rows[:, :4].min(0)) / np.ptp(rows[:, :4], 0)  # already from 0 to 1
    write(here / "scaled.csv", np.column_stack([part, rows[:, 4]]))
    np.savez(here / "one.npz", x=rows[:, :4], y=rows[:, 4].astype(np.int64))
    card: Any = read_yaml(CARDS_FOLDER / f"{DEFAULT_CARD}.yaml")
    card["cell"]["a_per_V"] = 16.5
    card["name"] = "other"
    (here / "other.yaml").write_text(json.dumps(card), encoding="utf-8")
    return here


def leaf_keys(model: type[BaseModel], path: str = "") -> Iterator[str]:
    """The keys that ``model`` admits, dotted; lists and choices stand for what is in them."""
    for name, field in model.model_fields.items():
        inside = f"{path}.{name}" if path else name
        parts = list(_models(field.annotation))
        found = [key for part in parts for key in leaf_keys(part, inside)]
        yield from dict.fromkeys(found or [inside])


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        if annotation is not Card:  # whose keys have a test of their own
            yield annotation
    elif get_origin(annotation) is not Literal:
        for inner in get_args(annotation):
            yield from _models(inner)


def with_value(value: dict[str, Any], path: str, new: Any) -> dict[str, Any]:
    """``value`` with ``new`` at ``path``; digits are places in lists."""
    found = copy.deepcopy(value)
    *parents, last = path.split(".")
    inner: Any = found
    for key in parents:
        inner = inner[int(key)] if key.isdigit() else inner.setdefault(key, {})
    inner[int(last) if last.isdigit() else last] = new
    return found


def without_places(paths: Any) -> set[str]:
    return {".".join(key for key in path.split(".") if not key.isdigit()) for path in paths}


# ------------------------------------------------------------------------------------------------
# Data, the same in all families

REFERENCE = {"file": "one.csv", "target": "kind"}
DATA: dict[str, tuple[Any, dict[str, Any]]] = {
    "as it is": (None, {}),
    "file": ("two.csv", {"rows": table(1)}),
    "features": (["c", "a"], {"columns": [2, 0]}),
    "held_out": (0.4, {"held": 24}),
    "held_out of a file": ("few.csv", {"held_rows": table(2)[:9]}),
    "scale": ("none", {"file": "scaled.csv", "scaled": False}),
}
"""A value of the key, and what is different then."""

FAMILIES: dict[str, Callable[[dict[str, Any], int, Path], tuple[Any, Dataset]]] = {
    "floatgate": lambda data, seed, folder: floatgate.with_data(
        floatgate.config_of(FLOATGATE | {"data": data}, "x"), seed, folder=folder
    ),
    "int8": lambda data, seed, folder: int8.with_data(
        int8.config_of(INT8 | {"data": data}, "x"), seed, folder=folder
    ),
    "kirchhoff": lambda data, seed, folder: with_data(  # type: ignore[return-value]
        kirchhoff.config_of(KIRCHHOFF | {"data": data}, "x"), seed, folder=folder
    ),
}
FLOATGATE: dict[str, Any] = {
    "family": "floatgate",
    "layers": [{"neurons": 5}, {}],
    "data": REFERENCE,
    "train": {"steps": 6, "batch": 8, "population": 1},
}
INT8: dict[str, Any] = {"family": "int8", "hidden": 5, "data": REFERENCE,
                        "train": {"steps": 6, "batch": 8}}  # fmt: skip
KIRCHHOFF: dict[str, Any] = {
    "test_bench": "classification",
    "data": REFERENCE,
    "batch_size": 20,
    "network": {
        "model": {"name": "ShiftTanh2", "args": {}},
        "net_struct": [
            {"name": "_fully_connect", "args": {"num_node": 7, "repeat": [1, 0]}},
            {"name": "_fully_connect", "args": {"num_node": 7, "repeat": [1, 1]}},
        ],
        "initialization": "gauss",
        "adjoint": False,
        "projector": "last3",
    },
    "simulation": {"method": "dopri5", "t_end": [0.0, 0.5, 1.25], "tol": 1e-3,
                   "first_step": 0.3, "min_step": 1e-7, "step_size": 0.25},
    "train": {"lr": 0.03, "num_epoch": 3},
}  # fmt: skip


@pytest.mark.parametrize("seed", [0, 3])
@pytest.mark.parametrize("key", DATA)
@pytest.mark.parametrize("family", FAMILIES)
def test_every_key_of_the_data_reaches_the_samples(
    folder: Path, family: str, key: str, seed: int
) -> None:
    """Rows of the file, each in one part, scaled by the training part alone."""
    value, expected = DATA[key]
    data = REFERENCE | ({} if value is None else {key.split()[0]: value})
    data |= {"file": expected.get("file", data["file"])}
    _, found = FAMILIES[family](data, seed, folder)
    rows = expected.get("rows", table(0))
    columns = expected.get("columns", [0, 1, 2, 3])
    if not expected.get("scaled", True):
        x = rows[:, :4]
        rows = np.column_stack([(x - x.min(0)) / np.ptp(x, 0), rows[:, 4]])
    held_rows = expected.get("held_rows")
    whole = rows if held_rows is None else np.concatenate([rows, held_rows])
    held = expected.get("held", 15) if held_rows is None else len(held_rows)
    assert found.features == tuple(NAMES[k] for k in columns)
    assert found.classes == ("ash", "elm", "oak")
    back = [found.scaling.back(x) for x in (found.train_x, found.test_x)]
    names = [[found.classes[k] for k in y] for y in (found.train_y, found.test_y)]
    assert len(back[1]) == len(names[1]) == held
    got = sorted((*x.tolist(), name) for part in (0, 1)
                 for x, name in zip(back[part], names[part], strict=True))  # fmt: skip
    wanted = sorted((*row[columns].tolist(), CLASSES[int(row[4])]) for row in whole)
    for mine, its in zip(got, wanted, strict=True):
        assert mine[-1] == its[-1]
        assert mine[:-1] == pytest.approx(its[:-1], rel=1e-9, abs=1e-12)
    if held_rows is None:  # with the same share of each class in both parts
        assert [names[1].count(name) for name in CLASSES] == [held // 3] * 3
    if expected.get("scaled", True):
        assert found.train_x.min(0) == pytest.approx(np.zeros(len(columns)), abs=1e-12)
        assert found.train_x.max(0) == pytest.approx(np.ones(len(columns)))


@pytest.mark.parametrize("family", FAMILIES)
def test_another_column_is_predicted(folder: Path, family: str) -> None:
    """Of a table with two columns of classes."""
    header, *lines = (folder / "one.csv").read_text(encoding="utf-8").splitlines()
    both = [f"{header},other", *(f"{line},{'yxz'[k // 20]}" for k, line in enumerate(lines))]
    (folder / "both.csv").write_text("\n".join(both), encoding="utf-8")
    data = {"file": "both.csv", "target": "other", "features": [*NAMES]}
    _, found = FAMILIES[family](data, 0, folder)
    assert found.classes == ("x", "y", "z")
    rows = dict(
        zip(
            (tuple(row) for row in table(0)[:, :4].round(6)),
            "y" * 20 + "x" * 20 + "z" * 20,
            strict=True,
        )
    )
    back = found.scaling.back(found.test_x).round(6)
    assert [found.classes[k] for k in found.test_y] == [rows[tuple(x)] for x in back]


@pytest.mark.parametrize("family", FAMILIES)
def test_every_seed_has_a_split_of_its_own(folder: Path, family: str) -> None:
    seen = {FAMILIES[family](dict(REFERENCE), seed, folder)[1].test_x.tobytes()
            for seed in (0, 1, 2, 3, 2**31 - 1)}  # fmt: skip
    assert len(seen) == 5


@pytest.mark.parametrize("family", FAMILIES)
def test_an_npz_file_has_its_own_classes(folder: Path, family: str) -> None:
    _, found = FAMILIES[family]({"file": "one.npz"}, 1, folder)
    assert found.classes == ("0", "1", "2")
    assert found.scaling.back(found.test_x).shape == (15, 4)


def test_what_was_found_in_the_files_is_noted(folder: Path) -> None:
    """Sizes and a hash for each file: another second file is another network's data."""
    of_two, of_one = (
        FAMILIES["floatgate"](REFERENCE | {"held_out": held}, 0, folder)[0].data
        for held in ("two.csv", "few.csv")
    )
    assert (of_two.inputs, of_two.outputs, of_two.held_out_rows) == (4, 3, 60)
    assert of_one.held_out_rows == 9
    assert of_two.sha256[0] == of_one.sha256[0]
    assert len({*of_two.sha256, *of_one.sha256}) == 3


# ------------------------------------------------------------------------------------------------
# Floating-gate networks and int8 networks: what was trained, and what it is judged on

FILLED_IN = ("family", "name", "device", "data.inputs", "data.outputs", "data.held_out_rows",
             "data.sha256")  # fmt: skip
"""What a file is, and what training itself writes down."""

OTHER_FLOATGATE: dict[str, Any] = {
    "card": "other.yaml",
    "layers.0.neurons": 6,
    "layers.0.activation": "relu",
    "encoding.low_V": 1.7,
    "encoding.span_V": 0.6,
    "train.steps": 7,
    "train.batch": 9,
    "train.population": 2,
    "train.learning_rate": 0.2,
    "train.noise_V": 0.05,
    "train.logit_gain": 3.0,
}
OTHER_INT8: dict[str, Any] = {
    "hidden": 6,
    "train.steps": 7,
    "train.batch": 9,
    "train.learning_rate": 0.02,
    "train.weight_decay": 0.3,
    "train.label_smoothing": 0.2,
}


def of_data(paths: Any) -> set[str]:
    return {path for path in paths if path.startswith("data.")}


def test_every_key_has_a_row() -> None:
    assert set(leaf_keys(floatgate.Config)) == (
        without_places(OTHER_FLOATGATE) | of_data(leaf_keys(floatgate.Config)) | {*FILLED_IN}
    )
    assert set(leaf_keys(int8.Config)) == (
        set(OTHER_INT8) | of_data(leaf_keys(int8.Config)) | {*FILLED_IN} - {"device"}
    )
    assert set(leaf_keys(kirchhoff.Config)) == (
        without_places(OTHER_KIRCHHOFF) | of_data(leaf_keys(kirchhoff.Config)) | KIRCHHOFF_ELSEWHERE
    )
    told = {f"data.{name}" for name in OwnData.model_fields} - {*FILLED_IN}
    assert told == {f"data.{key.split()[0]}" for key in DATA if key != "as it is"} | {"data.target"}


def trained_floatgate(folder: Path, out: Path, value: dict[str, Any], seed: int = 0) -> Any:
    config, data = floatgate.with_data(floatgate.config_of(value, "x"), seed, folder=folder)
    train_to_file(floatgate_training.own_task(Own(config, data), seed), out, console=QUIET)
    return load_network(out)


def trained_int8(folder: Path, out: Path, value: dict[str, Any], seed: int = 0) -> Any:
    config, data = int8.with_data(int8.config_of(value, "x"), seed, folder=folder)
    train_to_file(int8_training.own_task(Own(config, data), seed), out, console=QUIET)
    return load_int8(out)


@pytest.fixture(scope="module")
def usual(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    here = tmp_path_factory.mktemp("usual")
    return {
        "floatgate": trained_floatgate(folder, here / "f.npz", FLOATGATE),
        "int8": trained_int8(folder, here / "i.npz", INT8),
        "kirchhoff": trained_kirchhoff(folder, here / "k.npz", KIRCHHOFF),
    }


def numbers(module: torch.nn.Module) -> bytes:
    return b"".join(x.detach().numpy().tobytes() for x in module.state_dict().values())


@pytest.mark.parametrize("path", OTHER_FLOATGATE)
def test_every_key_reaches_a_floatgate_network(
    folder: Path, tmp_path: Path, usual: dict[str, Any], path: str
) -> None:
    value = with_value(FLOATGATE, path, OTHER_FLOATGATE[path])
    found, before = trained_floatgate(folder, tmp_path / "x.npz", value), usual["floatgate"]
    # The best of two members may well be the first of them: the mean loss tells.
    assert not np.array_equal(found.history, before.history)
    if path != "train.population":
        assert numbers(found.network) != numbers(before.network)
    encoding = {"low_V": 1.8, "span_V": 0.7} | value.get("encoding", {})
    x = found.own.data.test_x
    assert found.v.numpy() == pytest.approx(encoding["low_V"] + encoding["span_V"] * x, abs=1e-6)
    assert found.history[-1, 0] == value["train"]["steps"]
    first, last = found.network.fg_layers
    assert first.weight.shape == (value["layers"][0]["neurons"], 4)
    assert first.activation.label == value["layers"][0].get("activation", "sigmoid")
    assert last.activation.label == "sigmoid"
    assert found.network.spec.circuits.card.name == ("other" if path == "card" else DEFAULT_CARD)


@pytest.mark.parametrize("path", OTHER_INT8)
def test_every_key_reaches_an_int8_network(
    folder: Path, tmp_path: Path, usual: dict[str, Any], path: str
) -> None:
    value = with_value(INT8, path, OTHER_INT8[path])
    found = trained_int8(folder, tmp_path / "x.npz", value)
    before = usual["int8"].network
    assert (found.network, found.network.scales) != (before, before.scales)
    assert found.network.sizes == (4, value["hidden"], 3)
    assert found.history[-1, 0] == value["train"]["steps"]


@pytest.mark.parametrize("family", ["floatgate", "int8", "kirchhoff"])
def test_the_seed_reaches_the_network_and_its_data(
    folder: Path, tmp_path: Path, usual: dict[str, Any], family: str
) -> None:
    """And what is written says which it was."""
    train, value = {
        "floatgate": (trained_floatgate, FLOATGATE),
        "int8": (trained_int8, INT8),
        "kirchhoff": (trained_kirchhoff, KIRCHHOFF),
    }[family]
    found, before = train(folder, tmp_path / "x.npz", value, 5), usual[family]
    assert (found.seed, before.seed) == (5, 0)
    assert json.loads(found.recipe).get("seed", 5) == 5
    data, data_before = (
        s.source.own if family == "kirchhoff" else s.own.data for s in (found, before)
    )
    assert not np.array_equal(data.test_x, data_before.test_x)


# ------------------------------------------------------------------------------------------------
# KirchhoffNets

WITHOUT_EFFECT = ("num_worker", "train.save_epoch", "test.metric", "visualization.num_sample")
"""Keys of the paper's files that are for its own program: taken, kept and of no effect here."""

OTHER_KIRCHHOFF: dict[str, Any] = {
    "batch_size": 15,
    "num_worker": 2,
    "network.model.name": "ShiftRelu2",
    "network.net_struct.1.args.repeat": [2, 1],
    "network.net_struct.0.args.num_node": 8,  # in both slices
    "network.net_struct.1.args.include_gnd": False,  # of six nodes
    "network.net_struct.0.name": "_simple_connect",
    "network.initialization": "uniform",
    "network.adjoint": True,
    "network.projector": "first3",
    "network.encoder": "mlp_4_6",
    "network.fill": "repeat",
    "network.residual": True,
    "simulation.method": "rk4",
    "simulation.t_end": [0.0, 0.75, 1.25],
    "simulation.tol": 1e-5,
    "simulation.first_step": 0.02,
    "simulation.min_step": 1e-6,
    "simulation.step_size": 0.125,
    "train.lr": 0.05,
    "train.num_epoch": 4,
    "train.save_epoch": 2,
    "train.scheduler": "steplr_1_0.5",
    "test.metric": ["top1"],
    "visualization.num_sample": 3,
}
KIRCHHOFF_ELSEWHERE = {
    "test_bench",  # which kind of network it is: tests/unit/test_own_kirchhoff.py
    "train.resample",  # of the paper's densities alone: test_kirchhoff_training.py
    # Arguments of the other topologies, devices and baselines: test_kirchhoff_topologies.py,
    # test_kirchhoff_devices.py and test_kirchhoff_baselines.py.
    "network.model.args.activation",
    "network.model.args.difference",
    "network.model.args.hidden",
    "network.model.args.width",
    "network.model.args",
    *(f"network.net_struct.args.{name}" for name in (
        "num_channel", "width", "height", "neighbor_size", "padding", "sharing", "parallel",
        "fully_connect_node", "kernel_repeat", "edges", "num_feature")),
}  # fmt: skip


def trained_kirchhoff(folder: Path, out: Path, value: dict[str, Any], seed: int = 0) -> Any:
    config, data = with_data(kirchhoff.config_of(value, "x"), seed, folder=folder)
    train_to_file(KirchhoffTask(config, seed, source=OwnSource(data)), out, console=QUIET)
    return load_kirchhoff(out)


def other_kirchhoff(path: str) -> dict[str, Any]:
    value = with_value(KIRCHHOFF, path, OTHER_KIRCHHOFF[path])
    slices = value["network"]["net_struct"]
    if path.endswith("num_node"):
        slices[1]["args"]["num_node"] = 8
    if path.endswith("include_gnd"):
        slices[1]["args"]["num_node"] = 6
    return value


SOLVER = {"tol": 1e-3, "first_step": 0.3, "min_step": 1e-7, "step_size": 0.25, "method": "dopri5"}


@pytest.mark.parametrize("path", OTHER_KIRCHHOFF)
def test_every_key_reaches_a_kirchhoffnet(
    folder: Path, tmp_path: Path, usual: dict[str, Any], path: str
) -> None:
    value = other_kirchhoff(path)
    found, before = trained_kirchhoff(folder, tmp_path / "x.npz", value), usual["kirchhoff"]
    last = path.split(".")[-1]
    solver = found.model.solver
    for name, usual_value in SOLVER.items():
        of_this = path == f"simulation.{name}"
        assert getattr(solver, name) == (OTHER_KIRCHHOFF[path] if of_this else usual_value)
    assert solver.adjoint is (path == "network.adjoint")
    assert found.model.durations == pytest.approx((0.75, 0.5) if last == "t_end" else (0.5, 0.75))
    # With ample tolerance these choose other steps only where the integration needs them.
    if path not in (*WITHOUT_EFFECT, "network.adjoint", "simulation.step_size",
                    "simulation.min_step"):  # fmt: skip
        assert numbers(found.model) != numbers(before.model)
    if path in WITHOUT_EFFECT:
        assert numbers(found.model) == numbers(before.model)
        inner: Any = found.config.model_dump(mode="json")
        for key in path.split("."):
            inner = inner[key]
        assert inner == OTHER_KIRCHHOFF[path]
    epochs, batches = value["train"]["num_epoch"], math.ceil(45 / value["batch_size"])
    assert found.history[-1, 0] == epochs * batches


def test_steps_of_a_fixed_size_are_taken(folder: Path) -> None:
    """Evaluations of rk4: four a step, over both slices."""
    for size, steps in ((0.25, (2, 3)), (0.125, (4, 6)), (0.2, (3, 4))):
        value = with_value(with_value(KIRCHHOFF, "simulation.method", "rk4"),
                           "simulation.step_size", size)  # fmt: skip
        config, _ = with_data(kirchhoff.config_of(value, "x"), 0, folder=folder)
        network = KirchhoffNet(config, torch.Generator().manual_seed(0))
        found = network.run(torch.zeros(2, 4))
        assert found.nfe == tuple(4 * n for n in steps)


def test_a_residual_adds_each_slices_own_input(folder: Path) -> None:
    """Of the second slice that is where the first ended, and not the sample."""
    value = with_value(KIRCHHOFF, "network.residual", True)
    config, _ = with_data(kirchhoff.config_of(value, "x"), 0, folder=folder)
    network = KirchhoffNet(config, torch.Generator().manual_seed(3))
    x = torch.randn(5, 4, generator=torch.Generator().manual_seed(1))
    v = torch.nn.functional.pad(x, (0, 2))
    with torch.no_grad():
        for side, duration in zip(network.right_hand_sides(), (0.5, 0.75), strict=True):
            v = v + integrate([side], [duration], v, network.solver).v
        assert torch.allclose(network.run(x).v, v, atol=1e-5)


@pytest.mark.parametrize(("scheduler", "expected"), [
    ("none", [0.03, 0.03, 0.03]),
    ("steplr_2_0.1", [0.03, 0.03, 0.003]),
    ("cosinelr_4_0.01", [0.03, 0.01 + 0.02 * (1 + math.sqrt(0.5)) / 2, 0.02]),
])  # fmt: skip
def test_every_schedule_counts_epochs(folder: Path, scheduler: str, expected: list[float]) -> None:
    value = with_value(KIRCHHOFF, "train.scheduler", scheduler)
    config, data = with_data(kirchhoff.config_of(value, "x"), 0, folder=folder)
    assert data is not None
    task = KirchhoffTask(config, 0, None, OwnSource(data))
    assert task.steps == 9  # 45 samples in batches of 20, three times
    found = [task.learning_rate(step) for step in range(9)]
    assert found == pytest.approx([rate for rate in expected for _ in range(3)])
