"""Drawing a KirchhoffNet or its baseline: the figures of ``plot`` and ``sample``."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from ohmbench.constants import Kind
from ohmbench.data.energies import ENERGIES
from ohmbench.errors import OperandError
from ohmbench.family import DrawOptions, JudgeOptions
from ohmbench.kirchhoff import evaluation
from ohmbench.kirchhoff import figures as draw
from ohmbench.kirchhoff.baselines import FeedForward, HyperFlow
from ohmbench.kirchhoff.evaluation import Classification
from ohmbench.kirchhoff.figures import Map, Traces, Window
from ohmbench.kirchhoff.flows import Samples, noise
from ohmbench.kirchhoff.judging import Runs, flow_of, flow_solver, judge
from ohmbench.kirchhoff.models import Model
from ohmbench.kirchhoff.network import KirchhoffNet
from ohmbench.kirchhoff.samples import held_out_digits
from ohmbench.kirchhoff.simulation import integrate
from ohmbench.kirchhoff.store import StoredKirchhoff
from ohmbench.progress import counted
from ohmbench.report import figures
from ohmbench.report.figures import Figures

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_LOSSES: dict[Kind, str] = {
    "generation": "negative log-likelihood in nats",
    "matching": "E[ln q + U] in nats",
    "regression": "mean squared error (targets scaled)",
    "classification": "cross entropy in nats",
}
_POINTS = 60  # voltages drawn per slice
_RUNS = 5  # samples whose voltages are drawn if there are few nodes
_FEW_NODES = 3
_MOST_COLOURS = 10
_FAINT = 80  # nodes drawn in the background if there are many

_Floats = NDArray[np.float64]


def _array(x: torch.Tensor) -> _Floats:
    return x.detach().double().numpy()


def _is_plane(data: StoredKirchhoff) -> bool:
    return data.config.is_flow and data.config.inputs == 2


def drawn(data: StoredKirchhoff, name: str, options: DrawOptions) -> Figures:
    """Every figure of this network, by the name of its file.

    Flows are sampled; classifications are judged on some images. Drawing raises FileError if the
    data set is missing and SolverError if the solver cannot continue.
    """
    kinds: dict[Kind, Callable[[], dict[str, Callable[[], Figure]]]] = {
        "generation": lambda: _generation(name, data, options),
        "matching": lambda: _matching(name, data, options),
        "regression": lambda: {"predictions.png": lambda: _regression(name, data)},
        "classification": lambda: {"confusion.png": lambda: _classification(name, data, options)},
    }
    files = kinds[data.config.kind]()
    history, model = data.history, data.model
    if history is not None:
        label = _LOSSES[data.config.kind]
        scale: Literal["log", "linear"] = "linear" if data.config.is_flow else "log"
        title = f"{name}: training"
        files["history.png"] = lambda: figures.history_figure(history, title, label, scale=scale)
    if not isinstance(model, FeedForward):
        files["voltages.png"] = lambda: _voltages(name, data, model, options.seed)
    return files


def sampled(data: StoredKirchhoff, n: int, seed: int, tol: float | None = None) -> Samples:
    """Draw ``n`` samples of a flow with their log-density, with a progress bar."""
    with counted(f"{data.source.name}: samples", n) as advance:
        return evaluation.draw(
            flow_of(data), n, seed, solver=flow_solver(data, tol), advance=advance
        )


def sample_figure(name: str, data: StoredKirchhoff, samples: Samples) -> Figure:
    """Samples of a flow, with its density if that can be drawn."""
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
    with counted(f"{data.source.name}: density", len(x)) as advance:
        found = evaluation.log_density(
            flow_of(data), x, solver=flow_solver(data, None), advance=advance
        )
    return Map("density of the network", np.exp(_array(found.log_density)))


def _generation(
    name: str, data: StoredKirchhoff, options: DrawOptions
) -> dict[str, Callable[[], Figure]]:
    n, seed = options.samples, options.seed
    if data.source.pixels:
        return {"samples.png": lambda: _images(name, data, n, seed)}
    if not _is_plane(data):
        return {}
    true = _array(data.source.judging_points(n, seed))
    window = Window.around(true)

    def samples() -> Figure:
        return draw.samples_figure(_array(sampled(data, n, seed).x), true, window, name)

    def density() -> Figure:
        maps = [_density_map(data, window)]
        if data.source.density is not None:
            known = data.source.density.log_density(window.points())
            maps.append(Map("true density", np.exp(known)))
        return draw.density_figure(maps, window, name)

    return {"samples.png": samples, "density.png": density}


def _images(name: str, data: StoredKirchhoff, n: int, seed: int) -> Figure:
    x = _array(sampled(data, min(n, 64), seed).x)
    groups = [("samples of the network", x), ("held-out images", held_out_digits()[: len(x)])]
    return draw.images_figure(groups, name)


def _matching(
    name: str, data: StoredKirchhoff, options: DrawOptions
) -> dict[str, Callable[[], Figure]]:
    energy = ENERGIES[data.config.test_bench]

    @cache  # both figures show the same samples
    def samples() -> tuple[_Floats, Window]:
        x = _array(sampled(data, options.samples, options.seed).x)
        return x, Window.around(x)

    def energies(window: Window) -> _Floats:
        return _array(energy(torch.from_numpy(window.points())))

    def potential() -> Figure:
        x, window = samples()
        title = f"{name}: samples and potential"
        return draw.potential_figure(energies(window), x, window, title)

    def density() -> Figure:
        _, window = samples()
        p = Map("exp(-U)/Z", np.exp(-energies(window) - energy.log_normaliser()))
        return draw.density_figure([_density_map(data, window), p], window, name)

    return {"potential.png": potential, "density.png": density}


def _regression(name: str, data: StoredKirchhoff) -> Figure:
    split = data.source.labelled(0 if data.seed is None else data.seed)
    x = split.test_x
    assert isinstance(data.model, KirchhoffNet | FeedForward)
    with counted(f"{data.source.name}: held-out samples", len(x)) as advance:
        found = evaluation.outputs(Runs(data.model), x, advance=advance)
    r2 = evaluation.judge_regression(found, split.test_y).r2
    true, predicted = (
        split.y_shift + split.y_span * _array(scaled) for scaled in (split.test_y, found[:, 0])
    )
    title = name if math.isnan(r2) else f"{name}: R2 {r2:.4f}"
    return draw.predictions_figure(true, predicted, split.unit, title)


def _classification(name: str, data: StoredKirchhoff, options: DrawOptions) -> Figure:
    judgement = judge(data, JudgeOptions(images=options.images))
    assert isinstance(judgement.found, Classification)
    title = f"{name}\n{judgement.data}"
    return figures.confusion_figure(judgement.found, title)


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
    # A residual slice begins after its input was added: its first voltages differ from the last
    # ones before.
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
    # A baseline has a state, but no nodes and no voltages.
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
    """All nodes of one sample; output nodes, if known, are drawn in colour."""
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
