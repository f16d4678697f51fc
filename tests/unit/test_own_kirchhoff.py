"""KirchhoffNets on data of the user's own, from a YAML file to figures, and back from the file."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_iris, make_moons
from typer.testing import CliRunner

import ohmbench
from ohmbench import weights
from ohmbench.cli import app
from ohmbench.errors import FileError, OperandError
from ohmbench.family import JudgeOptions as Options
from ohmbench.files.npz_writing import write_npz
from ohmbench.kirchhoff import figures as kirchhoff_figures
from ohmbench.kirchhoff.configuration import parse_config, read_config
from ohmbench.kirchhoff.evaluation import log_density
from ohmbench.kirchhoff.figures import Map, Window
from ohmbench.kirchhoff.judging import judge
from ohmbench.kirchhoff.samples import OwnSource
from ohmbench.kirchhoff.store import load_kirchhoff
from ohmbench.kirchhoff.training import KirchhoffTask, with_data
from ohmbench.training import train_to_file

YAML = """
test_bench: {kind}
data: {data}
batch_size: 32
network:
  model: {{name: ShiftTanh2, args: {{}}}}
  net_struct:
    - {{name: _fully_connect, args: {{num_node: {nodes}, repeat: [1, 0]}}}}
  initialization: {start}
  adjoint: false
  projector: {projector}
simulation: {{method: rk4, t_end: [0.0, 1.0], tol: 1e-5, first_step: 1e-3, min_step: 1e-6,
  step_size: 0.25}}
train: {{lr: 0.05, num_epoch: {epochs}}}
"""
KINDS: dict[str, dict[str, Any]] = {
    "classification": {"data": "{file: iris.csv, target: species}", "nodes": 8,
                       "projector": "last3", "epochs": 12, "start": "kaiming"},
    "regression": {"data": "{file: iris.csv, target: petal width, "
                   "features: [sepal length, sepal width, petal length], scale: minmax}",
                   "nodes": 6, "projector": "last1", "epochs": 12, "start": "kaiming"},
    "generation": {"data": "{file: moons.csv, scale: standard}", "nodes": 3,
                   "projector": "none", "epochs": 2, "start": "gauss"},
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two CSV files, and a YAML file for each kind of network."""
    here = tmp_path_factory.mktemp("own data")
    iris = load_iris()
    rows = ["sepal length,sepal width,petal length,petal width,species"]
    for x, y in zip(iris.data.tolist(), iris.target, strict=True):
        rows.append(",".join([*map(repr, x), iris.target_names[y]]))
    (here / "iris.csv").write_text("\n".join(rows), encoding="utf-8")
    moons, _ = make_moons(400, noise=0.1, random_state=0)
    lines = ["east,north", *(f"{x!r},{y!r}" for x, y in (100 + 10 * moons).tolist())]
    (here / "moons.csv").write_text("\n".join(lines), encoding="utf-8")
    for kind, values in KINDS.items():
        (here / f"{kind}.yaml").write_text(YAML.format(kind=kind, **values), encoding="utf-8")
    return here


@pytest.fixture(scope="module")
def trained(folder: Path) -> dict[str, Path]:
    found = {}
    for kind in KINDS:
        config, data = with_data(read_config(folder / f"{kind}.yaml"), 0, folder=folder)
        found[kind] = folder / f"{kind}.npz"
        assert data is not None
        train_to_file(KirchhoffTask(config, 0, source=OwnSource(data)), found[kind])
    return found


def evaluated(file: Path) -> dict[str, Any]:
    result = CliRunner().invoke(app, ["evaluate", str(file), "--json"])
    assert result.exit_code == 0, result.output + str(result.exception)
    return json.loads(result.stdout)


def test_a_file_stands_alone(trained: dict[str, Path], tmp_path: Path) -> None:
    """A colleague has the npz file and nothing else: neither the YAML file nor the data."""
    for kind, file in trained.items():
        alone = tmp_path / file.name
        alone.write_bytes(file.read_bytes())
        found = evaluated(alone)
        assert found["kind"] == kind
    assert evaluated(tmp_path / "classification.npz")["accuracy"] > 0.8  # chance is a third
    assert evaluated(tmp_path / "regression.npz")["r2"] > 0.8


def test_held_out_samples_are_not_trained_on(trained: dict[str, Path], folder: Path) -> None:
    stored = load_kirchhoff(trained["classification"])
    assert isinstance(stored.source, OwnSource)
    again, data = with_data(read_config(folder / "classification.yaml"), 0, folder=folder)
    assert data is not None
    assert np.array_equal(stored.source.own.test_x, data.test_x)
    assert np.array_equal(stored.source.own.test_y, data.test_y)
    assert stored.source.own.classes == ("setosa", "versicolor", "virginica")
    assert stored.config == again
    rows = {tuple(x) for x in np.column_stack([data.train_x, data.train_y]).tolist()}
    held = [tuple(x) for x in np.column_stack([data.test_x, data.test_y]).tolist()]
    assert len(data.train_x) + len(held) == 150
    assert sum(x in rows for x in held) <= 3  # iris has a few rows twice


def test_errors_of_a_regression_are_in_the_files_own_unit(trained: dict[str, Path]) -> None:
    stored = load_kirchhoff(trained["regression"])
    found = evaluated(trained["regression"])
    assert isinstance(stored.source, OwnSource)
    data = stored.source.own
    with torch.no_grad():
        scaled = stored.model(torch.from_numpy(data.test_x).float())[:, 0].double().numpy()
    widths = data.target_scaling.back(data.test_y[:, None])[:, 0]  # centimetres
    predicted = data.target_scaling.back(scaled[:, None])[:, 0]
    rmse = float(np.sqrt(np.mean((predicted - widths) ** 2)))
    assert found["rmse_own_unit"] == pytest.approx(rmse, rel=1e-4)


def test_samples_of_a_density_are_in_the_files_own_unit(
    trained: dict[str, Path], tmp_path: Path
) -> None:
    out = tmp_path / "samples.npz"
    arguments = ["sample", str(trained["generation"]), "-n", "300", "--out", str(out)]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    x = np.load(out)["x"]
    assert np.abs(x.mean(0) - [105, 102.5]).max() < 5  # moons around (0.5, 0.25), times 10, + 100
    # The density of scaled points and that of the file's differ by the volume of a unit.
    stored = load_kirchhoff(trained["generation"])
    assert isinstance(stored.source, OwnSource)
    span = stored.source.own.scaling.span
    assert stored.source.log_volume == pytest.approx(float(np.log(span[0] * span[1])))


def test_samples_from_python_are_those_of_the_command(
    trained: dict[str, Path], tmp_path: Path
) -> None:
    out = tmp_path / "samples.npz"
    arguments = ["sample", str(trained["generation"]), "-n", "20", "--seed", "3", "--out", str(out)]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    found = ohmbench.sample(str(trained["generation"]), 20, seed=3)
    with np.load(out) as arrays:
        np.testing.assert_allclose(found.x, arrays["x"], rtol=1e-6)
        np.testing.assert_allclose(found.log_density, arrays["log_density"], atol=1e-5)


def test_the_density_of_samples_is_that_of_the_files_own_unit(
    trained: dict[str, Path], tmp_path: Path
) -> None:
    """A point is as dense as it is when scaled, but for the area of a scaled unit."""
    out = tmp_path / "samples.npz"
    arguments = ["sample", str(trained["generation"]), "-n", "50", "--out", str(out)]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    stored = load_kirchhoff(trained["generation"])
    assert isinstance(stored.source, OwnSource)
    scaling = stored.source.own.scaling
    with np.load(out) as arrays:
        scaled = torch.from_numpy(scaling(arrays["x"])).float()
        found = log_density(stored.model, scaled).log_density.double() - np.log(scaling.span).sum()
        np.testing.assert_allclose(arrays["log_density"], found, atol=1e-2)


def test_a_likelihood_in_the_files_own_unit(trained: dict[str, Path]) -> None:
    """A tenth of the unit spreads a density over ten times as much: its log falls by ln 10, and
    what is minus the log rises."""
    stored = load_kirchhoff(trained["generation"])
    assert isinstance(stored.source, OwnSource)
    volume = float(np.log(stored.source.own.scaling.span).sum())
    assert volume > 1  # moons of some ten units
    found = evaluated(trained["generation"])
    low, high = found["nll_95"]
    own = " [".join((f"{found['nll'] + volume:.4f}", f"{low + volume:.4f}, {high + volume:.4f}]"))
    out = CliRunner().invoke(app, ["evaluate", str(trained["generation"])]).output
    (row,) = [line for line in out.splitlines() if "in the units of the data's file" in line]
    assert own in row


@pytest.mark.parametrize(
    ("command", "figure"),
    [(["sample", "-n", "400", "--plot"], "sample_figure"), (["plot", "--out"], "density_figure")],
    ids=["sample", "plot"],
)
def test_a_figures_points_and_density_are_in_one_unit(
    trained: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: list[str],
    figure: str,
) -> None:
    """Most of a density's mass, 1 in all, is in the window that its samples or its data set."""
    drawn: list[tuple[Map, Window]] = []
    draw = getattr(kirchhoff_figures, figure)

    def watched(*arguments: Any) -> Any:
        maps, window = arguments[-3], arguments[-2]
        drawn.append((maps if isinstance(maps, Map) else maps[0], window))
        return draw(*arguments)

    monkeypatch.setattr(kirchhoff_figures, figure, watched)
    name, *options = command
    arguments = [name, str(trained["generation"]), *options, str(tmp_path / "f.png")]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output + str(result.exception)
    ((density, window),) = drawn
    cell = np.prod(np.subtract(window.high, window.low) / (window.side - 1))
    assert 0.9 < density.values.sum() * cell < 1.02


@pytest.mark.parametrize("kind", KINDS)
def test_figures_are_drawn(trained: dict[str, Path], tmp_path: Path, kind: str) -> None:
    result = CliRunner().invoke(app, ["plot", str(trained[kind]), "--out", str(tmp_path / "f")])
    assert result.exit_code == 0, result.output + str(result.exception)
    assert len(list((tmp_path / "f").glob("*.png"))) >= 3


def test_the_command_trains_by_the_yaml_files_folder(folder: Path, tmp_path: Path) -> None:
    """The data are looked for beside the YAML file, wherever the command runs."""
    out = tmp_path / "net.npz"
    yaml = folder / "quick.yaml"
    text = (folder / "classification.yaml").read_text(encoding="utf-8")
    yaml.write_text(text.replace("num_epoch: 20", "num_epoch: 1"), encoding="utf-8")
    result = CliRunner().invoke(app, ["train", str(yaml), "--out", str(out)])
    assert result.exit_code == 0, result.output + str(result.exception)
    assert load_kirchhoff(out).source.name == "iris"


REFUSED = {
    "no-data": ({"data": "{file: none.csv, target: species}"}, "none.csv: cannot open"),
    "column": ({"data": "{file: iris.csv, target: kind}"}, "iris.csv: has no column 'kind'"),
    "nodes": ({"nodes": 4}, "3 nodes besides ground, expected at least the 4 numbers of a sample"),
    "projector": ({"projector": "last2"}, "'last2' reads 2 numbers, expected 3"),
    "key": ({"data": "{file: iris.csv, target: species, seed: 1}"}, "data.seed: unknown key"),
    "no-file": ({"data": "{target: species}"}, "data.file: missing"),
    "fraction": ({"data": "{file: iris.csv, target: species, held_out: 1.5}"}, "data.held_out"),
    "scale": ({"data": "{file: iris.csv, target: species, scale: log}"}, "data.scale: expected"),
    "empty": ({"data": "null"}, "data: test_bench classification needs data of your own"),
    "papers": ({"kind": "twomoon"}, "test_bench: 'twomoon' has its own data"),
}


@pytest.mark.parametrize(("changes", "complaint"), REFUSED.values(), ids=REFUSED)
def test_what_does_not_fit_is_one_line(
    folder: Path, changes: dict[str, Any], complaint: str
) -> None:
    text = YAML.format(**{"kind": "classification", **KINDS["classification"], **changes})
    with pytest.raises(FileError) as caught:
        with_data(parse_config(text, "net.yaml"), 0, folder=folder, source="net.yaml")
    assert complaint in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


DAMAGES = {
    "inputs": ({"test_x": np.zeros((3, 5))}, "expected .38, 4."),
    "labels": ({"test_y": np.array([0, 1, 3] * 12 + [0, 1])}, "labels that are not classes"),
    "negative-labels": (
        {"test_y": np.array([0, 1, -1] * 12 + [0, 1])},
        "labels that are not classes",
    ),
    "kind-of-label": ({"test_y": np.zeros(38)}, "labels that are not classes"),
    "task": ({"data_task": np.array("clustering")}, "clustering is not a task"),
    "scaling": ({"data_scaling": np.zeros((2, 4))}, "a span that is not positive"),
    "another-task": (
        {"data_task": np.array("regression"), "test_y": np.zeros(38)},
        "data for a regression with 3 classes do not fit the configuration",
    ),
    "another-class": (
        {"data_classes": np.array(["a", "b", "c", "d"])},
        "data for a classification with 4 classes do not fit",
    ),
    "nan": ({"test_x": np.full((38, 4), np.nan)}, "expected finite numbers"),
}


@pytest.mark.parametrize(("changes", "complaint"), DAMAGES.values(), ids=DAMAGES)
def test_damaged_data_in_a_file_are_refused(
    trained: dict[str, Path], tmp_path: Path, changes: dict[str, Any], complaint: str
) -> None:
    with np.load(trained["classification"]) as file:
        arrays = {name: file[name] for name in file.files}
    assert len(arrays["test_y"]) == 38
    write_npz(tmp_path / "bad.npz", {**arrays, **changes})
    with pytest.raises(FileError, match=complaint):
        load_kirchhoff(tmp_path / "bad.npz")


def test_the_heading_says_a_name_once(trained: dict[str, Path]) -> None:
    """A network on data of the user's own has no experiment with a name beside its kind."""
    for kind in ("generation", "regression"):
        found = judge(load_kirchhoff(trained[kind]), Options())
        assert found.heading.startswith(f"{kind}, on ")
    drawn = judge(load_kirchhoff(weights.stored("gauss")), Options(samples=64))
    assert drawn.heading.startswith("generation (gauss), on 64 fresh")


def test_one_held_out_sample_judges_nothing(trained: dict[str, Path], tmp_path: Path) -> None:
    """An interval needs two."""
    for kind in ("classification", "regression"):
        stored = load_kirchhoff(trained[kind])
        assert isinstance(stored.source, OwnSource)
        for rows in (1, 2):
            data = replace(
                stored.source.own,
                test_x=stored.source.own.test_x[:rows],
                test_y=stored.source.own.test_y[:rows],
            )
            few = replace(stored, source=OwnSource(data))
            if rows == 2:
                assert judge(few, Options()).found is not None
                continue
            with pytest.raises(OperandError, match="1 sample: an interval needs two at least"):
                judge(few, Options())
