"""Figures show the numbers they are given, and are saved whole, reproducibly and only once."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from ohmbench.errors import FileError
from ohmbench.floatgate import SPECS, evaluate
from ohmbench.floatgate.circuits import PAPER_CIRCUITS
from ohmbench.floatgate.figures import currents_figure, curves_figure, prediction_figure
from ohmbench.report.figures import confusion_figure, history_figure, save_figure
from ohmbench.training import HISTORY_COLUMNS
from tests.unit.networks import random_network

DIGITS, CIRCLES = SPECS["floatgate-digits"], SPECS["floatgate-circles"]


def voltages(spec, n: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return spec.encode(torch.rand(n, spec.sizes[0], generator=generator))


def evaluation(n: int = 60):
    network = random_network(DIGITS, seed=3)
    return evaluate(network, voltages(DIGITS, n), torch.arange(n) % 10)


def history() -> np.ndarray:
    steps = np.arange(1.0, 31.0)
    return np.stack([steps, np.exp(-steps / 10), 0.01 / steps], axis=1)


def confusion() -> Figure:
    return confusion_figure(evaluation(), "digits")


def currents() -> Figure:
    return currents_figure(random_network(DIGITS, seed=3), "digits")


def prediction(spec=DIGITS, seed: int = 0, label: int = 1) -> Figure:
    network, v = random_network(spec, seed=3), voltages(spec, 1, seed)[0]
    with torch.no_grad():
        return prediction_figure(v, network.trace(v), label, "one image")


def training() -> Figure:
    return history_figure(history(), "training")


FIGURES: dict[str, Callable[[], Figure]] = {
    "confusion": confusion,
    "currents": currents,
    "curves": lambda: curves_figure(PAPER_CIRCUITS),
    "history": training,
    "prediction": prediction,
    "prediction-circles": lambda: prediction(CIRCLES),
}
every_figure = pytest.mark.parametrize("draw", FIGURES.values(), ids=FIGURES.keys())
MAGIC = {"png": b"\x89PNG", "pdf": b"%PDF", "svg": b"<?xml"}

# ------------------------------------------------------------------------------------------------
# Saving


@every_figure
def test_same_data_same_picture(draw: Callable[[], Figure], tmp_path: Path) -> None:
    for name in "ab":
        save_figure(draw(), tmp_path / f"{name}.png")
    data = (tmp_path / "a.png").read_bytes()
    assert data.startswith(MAGIC["png"])
    assert data == (tmp_path / "b.png").read_bytes()
    assert sorted(os.listdir(tmp_path)) == ["a.png", "b.png"]


@pytest.mark.parametrize("ending", ["pdf", "svg", "PNG"])
def test_other_formats(ending: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_figure(training(), tmp_path / f"a.{ending}")
    # Another time: what is not in the data must not be in the file.
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1000000000")
    save_figure(training(), tmp_path / f"b.{ending}")
    data = (tmp_path / f"a.{ending}").read_bytes()
    assert data.startswith(MAGIC[ending.lower()])
    assert data == (tmp_path / f"b.{ending}").read_bytes()


def test_existing_figures_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"old")
    with pytest.raises(FileError, match="exists already"):
        save_figure(training(), path)
    assert path.read_bytes() == b"old"
    save_figure(training(), path, overwrite=True)
    assert path.read_bytes().startswith(MAGIC["png"])
    assert os.listdir(tmp_path) == ["a.png"]


@pytest.mark.parametrize("name", ["a.bmpp", "a", "a."])
@pytest.mark.parametrize("overwrite", [False, True], ids=["new", "overwrite"])
def test_unknown_endings_leave_nothing(name: str, overwrite: bool, tmp_path: Path) -> None:
    if overwrite:
        (tmp_path / name).write_bytes(b"old")
    with pytest.raises(ValueError, match="not supported"):
        save_figure(training(), tmp_path / name, overwrite=overwrite)
    assert os.listdir(tmp_path) == ([name] if overwrite else [])
    assert not overwrite or (tmp_path / name).read_bytes() == b"old"


def test_a_picture_that_fails_midway_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"old")

    class Broken(Figure):
        def savefig(self, file, **options) -> None:
            file.write(MAGIC["png"])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        save_figure(Broken(), path, overwrite=True)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a.png"]


# ------------------------------------------------------------------------------------------------
# Content


def test_confusion_shows_every_image_once() -> None:
    found = evaluation(77)
    (axes,) = confusion_figure(found, "digits").axes
    shown = {tuple(map(int, text.get_position())): int(text.get_text()) for text in axes.texts}
    assert sum(shown.values()) == found.total == 77
    matrix = np.zeros((10, 10), int)
    for (answered, true), count in shown.items():
        matrix[true, answered] = count
    assert matrix.tolist() == found.confusion.tolist()
    assert f"{found.correct} of 77 correct" in axes.get_title()
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("answered", "true class")
    # Only errors are coloured: the diagonal holds no number.
    colours = np.ma.filled(axes.images[0].get_array(), np.nan)
    assert np.isnan(colours.diagonal()).all()
    off = ~np.eye(10, dtype=bool)
    assert colours[off].tolist() == found.confusion.numpy()[off].tolist()


def test_confusion_without_any_error() -> None:
    network = random_network(DIGITS, seed=3)
    v = voltages(DIGITS, 20)
    answers = evaluate(network, v, torch.zeros(20, dtype=torch.int64)).predictions
    (axes,) = confusion_figure(evaluate(network, v, answers), "digits").axes
    assert "20 of 20 correct, 100.00 %" in axes.get_title()
    assert sum(int(text.get_text()) for text in axes.texts) == 20


def test_currents_count_every_cell_once() -> None:
    network = random_network(DIGITS, seed=3)
    panels = currents_figure(network, "digits").axes
    assert len(panels) == len(network.fg_layers) == 2
    for k, (axes, layer) in enumerate(zip(panels, network.fg_layers, strict=True)):
        w = layer.weight.detach()
        positive, negative = (sum(bar.get_height() for bar in bars) for bars in axes.containers)
        # A stacked histogram's upper bars have the height of their own part.
        assert (positive, negative) == (int((w >= 0).sum()), int((w < 0).sum()))
        assert axes.get_title() == f"layer {k}: 0 of {w.numel()} cells not programmable"
        assert axes.get_xscale() == "log"
        # One upon the other: where both have cells, the second begins where the first ends.
        first, second = axes.containers
        assert [bar.get_y() for bar in second] == [bar.get_height() for bar in first]


def test_currents_outside_the_range_are_counted_and_shown() -> None:
    network = random_network(DIGITS, seed=3)
    with torch.no_grad():
        network.fg_layers[0].weight[0, :3] = torch.tensor([1e-3, -1e-3, 1e-15])
    axes = currents_figure(network, "digits").axes[0]
    assert axes.get_title() == "layer 0: 3 of 6400 cells not programmable"
    assert sum(bar.get_height() for bars in axes.containers for bar in bars) == 6400


def test_history_shows_both_columns() -> None:
    loss, rate = training().axes
    (line,) = loss.lines
    assert line.get_xydata().tolist() == history()[:, :2].tolist()
    (line,) = rate.lines
    assert line.get_xydata().tolist() == history()[:, [0, 2]].tolist()
    assert HISTORY_COLUMNS == ("step", "loss", "learning_rate")


def test_curves_cover_the_operating_box() -> None:
    cell, line, differential, rest = curves_figure(PAPER_CIRCUITS).axes
    assert [len(axes.lines) for axes in (cell, line, differential, rest)] == [8, 2, 6, 3]
    for axes in (cell, line, differential, rest):
        for curve in axes.lines:
            assert np.isfinite(curve.get_xydata().astype(float)).all(), axes.get_title()
    for curve in cell.lines:  # flat where the leakage floor or the supply holds the current
        current = np.asarray(curve.get_ydata())
        assert (np.diff(current) >= 0).all()
        assert current[-1] > current[0]


@pytest.mark.parametrize(
    "spec", [DIGITS, CIRCLES, SPECS["floatgate-mnist28"]], ids=lambda spec: spec.name
)
@pytest.mark.parametrize("right", [True, False])
def test_prediction_shows_the_answer(spec, right: bool) -> None:
    network, v = random_network(spec, seed=3), voltages(spec, 1)[0]
    with torch.no_grad():
        trace = network.trace(v)
    winner = int(trace[-1].out.argmax())
    label = winner if right else (winner + 1) % spec.sizes[-1]
    figure = prediction_figure(v, trace, label, "one image")
    image, hidden, out = figure.axes[:3]
    if spec is not CIRCLES:
        assert image.images[0].get_array().ravel().tolist() == v.tolist()
    else:
        assert [bar.get_height() for bar in image.patches] == v.tolist()
    assert hidden.containers[0].markerline.get_ydata().tolist() == trace[0].out.tolist()
    assert [bar.get_height() for bar in out.patches] == trace[-1].out.tolist()
    assert out.get_title() == f"answers {winner}, true {label}"
    low, high = out.get_ylim()
    answer = trace[-1].out
    assert low < float(answer.min()) < float(answer.max()) < high
    if spec is not CIRCLES:
        assert not image.get_xticks().size
        assert not image.get_yticks().size
    green = [k for k, bar in enumerate(out.patches) if bar.get_facecolor()[1] > 0.5]
    assert (winner in green) == right
