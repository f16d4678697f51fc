"""Drawing a KirchhoffNet, or a baseline of it: what ``plot`` and ``sample`` show of one."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from ohmbench.cli.common import progress
from ohmbench.cli.kirchhoff_judging import Options, Runs, flow_of, flow_solver, judge
from ohmbench.data.energies import ENERGIES
from ohmbench.errors import OperandError
from ohmbench.kirchhoff import evaluation
from ohmbench.kirchhoff.baselines import FeedForward, HyperFlow
from ohmbench.kirchhoff.evaluation import Classification
from ohmbench.kirchhoff.experiments import Kind
from ohmbench.kirchhoff.flows import Samples, noise
from ohmbench.kirchhoff.models import Model
from ohmbench.kirchhoff.network import KirchhoffNet
from ohmbench.kirchhoff.samples import held_out_digits
from ohmbench.kirchhoff.simulation import integrate
from ohmbench.kirchhoff.store import StoredKirchhoff
from ohmbench.report import figures
from ohmbench.report import kirchhoff_figures as draw
from ohmbench.report.kirchhoff_figures import Map, Traces, Window

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PLOTTED_SAMPLES = 5000
PLOTTED_IMAGES = 1000

_LOSSES: dict[Kind, str] = {
    "generation": "negative log-likelihood in nats",
    "matching": "E[ln q + U] in nats",
    "regression": "mean squared error (targets scaled)",
    "classification": "cross entropy in nats",
}
_FILES: dict[Kind, tuple[str, ...]] = {
    "generation": ("samples.png", "density.png"),
    "matching": ("potential.png", "density.png"),
    "regression": ("predictions.png",),
    "classification": ("confusion.png",),
}
_POINTS = 60  # voltages drawn of each slice
_RUNS = 5  # samples whose voltages are drawn, where the nodes are few
_FEW_NODES = 3
_MOST_COLOURS = 10
_FAINT = 80  # nodes drawn as background, where they are many

_Floats = NDArray[np.float64]


def _array(x: torch.Tensor) -> _Floats:
    return x.detach().double().numpy()


def _is_plane(data: StoredKirchhoff) -> bool:
    return data.config.is_flow and data.config.inputs == 2


def file_names(data: StoredKirchhoff) -> list[str]:
    """The files of ``drawn``, known before minutes of work."""
    names = list(_FILES[data.config.kind])
    if data.config.is_flow and not _is_plane(data):
        names = ["samples.png"] if data.source.pixels else []
    names += ["history.png"] if data.history is not None else []
    return names + ([] if isinstance(data.model, FeedForward) else ["voltages.png"])


def drawn(
    name: str, data: StoredKirchhoff, samples: int, images: int, seed: int
) -> dict[str, Figure]:
    """Every figure that there is of this network, by the name of its file.

    Flows are sampled ``samples`` times from ``seed``, classifications judged on ``images`` images.
    Raises FileError where the data set is missing, SolverError where the solver cannot go on.
    """
    kinds: dict[Kind, Callable[[], dict[str, Figure]]] = {
        "generation": lambda: _generation(name, data, samples, seed),
        "matching": lambda: _matching(name, data, samples, seed),
        "regression": lambda: _regression(name, data),
        "classification": lambda: _classification(name, data, images),
    }
    found = kinds[data.config.kind]()
    if data.history is not None:
        label = _LOSSES[data.config.kind]
        scale: Literal["log", "linear"] = "linear" if data.config.is_flow else "log"
        title = f"{name}: training"
        found["history.png"] = figures.history_figure(data.history, title, label, scale=scale)
    if not isinstance(data.model, FeedForward):
        found["voltages.png"] = _voltages(name, data, data.model, seed)
    return found


def sampled(data: StoredKirchhoff, n: int, seed: int, tol: float | None = None) -> Samples:
    """``n`` samples of a flow with their log-density, under a progress bar."""
    with progress(f"{data.source.name}: samples", n) as advance:
        return evaluation.draw(
            flow_of(data), n, seed, solver=flow_solver(data, tol), advance=advance
        )


def sample_figure(name: str, data: StoredKirchhoff, samples: Samples) -> Figure:
    """Samples of a flow, with its density where that can be drawn."""
    x = _array(samples.x)
    if data.source.pixels:
        return draw.images_figure([("samples", x)], name)
    if not _is_plane(data):
        raise OperandError(
            f"samples of {x.shape[1]} numbers cannot be drawn in a plane; --out stores them"
        )
    window = Window.around(x)
    return draw.sample_figure(x, _density_map(data, window), window, name)


def _density_map(data: StoredKirchhoff, window: Window) -> Map:
    x = torch.from_numpy(window.points()).float()
    with progress(f"{data.source.name}: density", len(x)) as advance:
        found = evaluation.log_density(
            flow_of(data), x, solver=flow_solver(data, None), advance=advance
        )
    return Map("density of the network", np.exp(_array(found.log_density)))


def _generation(name: str, data: StoredKirchhoff, n: int, seed: int) -> dict[str, Figure]:
    if not _is_plane(data) and not data.source.pixels:
        return {}
    if data.source.pixels:
        x = _array(sampled(data, min(n, 64), seed).x)
        groups = [("samples of the network", x), ("held-out images", held_out_digits()[: len(x)])]
        return {"samples.png": draw.images_figure(groups, name)}
    x, true = _array(sampled(data, n, seed).x), _array(data.source.judging_points(n, seed))
    window = Window.around(true)
    maps = [_density_map(data, window)]
    if data.source.density is not None:
        known = data.source.density.log_density(window.points())
        maps.append(Map("true density", np.exp(known)))
    return {
        "samples.png": draw.samples_figure(x, true, window, name),
        "density.png": draw.density_figure(maps, window, name),
    }


def _matching(name: str, data: StoredKirchhoff, n: int, seed: int) -> dict[str, Figure]:
    energy = ENERGIES[data.config.test_bench]
    x = _array(sampled(data, n, seed).x)
    window = Window.around(x)
    u = _array(energy(torch.from_numpy(window.points())))
    p = Map("exp(-U)/Z", np.exp(-u - energy.log_normaliser()))
    maps = [_density_map(data, window), p]
    return {
        "potential.png": draw.potential_figure(u, x, window, f"{name}: samples and potential"),
        "density.png": draw.density_figure(maps, window, name),
    }


def _regression(name: str, data: StoredKirchhoff) -> dict[str, Figure]:
    split = data.source.labelled(0 if data.seed is None else data.seed)
    x = split.test_x
    assert isinstance(data.model, KirchhoffNet | FeedForward)
    with progress(f"{data.source.name}: held-out samples", len(x)) as advance:
        found = evaluation.outputs(Runs(data.model), x, advance=advance)
    r2 = evaluation.judge_regression(found, split.test_y).r2
    true, predicted = (
        split.y_shift + split.y_span * _array(scaled) for scaled in (split.test_y, found[:, 0])
    )
    title = name if math.isnan(r2) else f"{name}: R2 {r2:.4f}"
    return {"predictions.png": draw.predictions_figure(true, predicted, split.unit, title)}


def _classification(name: str, data: StoredKirchhoff, images: int) -> dict[str, Figure]:
    judgement = judge(data, Options(images=images))
    assert isinstance(judgement.found, Classification)
    title = f"{name}\n{judgement.data}"
    return {"confusion.png": figures.confusion_figure(judgement.found, title)}


def _first_inputs(data: StoredKirchhoff, n: int) -> torch.Tensor:
    """Some held-out samples of a regression or classification."""
    return data.source.labelled(0 if data.seed is None else data.seed).test_x[:n]


def _paths(
    data: StoredKirchhoff, model: KirchhoffNet | HyperFlow, seed: int
) -> tuple[_Floats, _Floats]:
    """Times (t,) and voltages (t, samples, nodes) of some samples, through all slices."""
    runs = _RUNS if model.n_free <= _FEW_NODES else 1
    ends = np.concatenate([[0.0], np.cumsum(model.durations)])
    with torch.no_grad():
        if data.config.is_flow:
            z = noise(flow_of(data), runs, torch.Generator().manual_seed(seed))
            found = integrate(
                model.right_hand_sides(),
                model.durations,
                z,
                flow_solver(data, None),
                points=_POINTS,
            )
        else:
            assert isinstance(model, KirchhoffNet)
            found = model.run(_first_inputs(data, runs), points=_POINTS)
    assert found.path is not None
    # A residual slice begins where its input was added: its first voltages are not the last ones.
    first = [0.0] if len(found.path) == 1 + _POINTS * (len(ends) - 1) else []
    steps = _POINTS + 1 - len(first)
    parts = [np.linspace(a, b, _POINTS + 1)[-steps:] for a, b in itertools.pairwise(ends)]
    return np.concatenate([first, *parts]), _array(found.path)


def _voltages(
    name: str, data: StoredKirchhoff, model: KirchhoffNet | HyperFlow, seed: int
) -> Figure:
    times, path = _paths(data, model, seed)
    ends = np.concatenate([[0.0], np.cumsum(model.durations)])
    _, samples, nodes = path.shape
    # A baseline has a state, but neither nodes nor volts.
    circuit = isinstance(model, KirchhoffNet)
    if samples > 1:
        labels = [f"sample {i + 1}" for i in range(samples)]
        one = "node" if circuit else "number"
        traces = [Traces(f"{one} {k + 1}", path[:, :, k], labels) for k in range(nodes)]
    else:
        traces = [_one_sample(model, path[:, 0])]
    title = f"{name}: {'node voltages' if circuit else 'state'}"
    quantity = "voltage in V" if circuit else "state"
    return draw.voltages_figure(times, traces, ends, title, quantity)


def _one_sample(model: Model, voltages: _Floats) -> Traces:
    """All nodes of one sample: those that are read out in colour, where they are known."""
    nodes = voltages.shape[1]
    if nodes <= _MOST_COLOURS:
        return Traces("one sample", voltages, [f"node {k + 1}" for k in range(nodes)])
    shown = range(0)
    projector = model.config.network.projector
    if not model.config.is_flow and projector.kind in ("last", "first"):
        every = range(nodes)
        shown = every[-projector.n :] if projector.kind == "last" else every[: projector.n]
        shown = shown[:_MOST_COLOURS]
    others = [k for k in range(nodes) if k not in shown]
    others = others[:: max(1, len(others) // _FAINT)]
    title = f"one sample, {len(others)} of {nodes} nodes in grey"
    title += ", nodes that are read out in colour" if shown else ""
    labels = [f"node {k + 1}" for k in shown]
    return Traces(title, voltages[:, list(shown)], labels, voltages[:, others])
