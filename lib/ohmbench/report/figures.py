"""Figures of floating-gate networks and of any evaluation, written to files; no window opens."""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from ohmbench.files import atomic_write
from ohmbench.floatgate.circuits import Circuits
from ohmbench.floatgate.networks import FGNetwork, LayerTrace
from ohmbench.report.style import in_own_style, new_figure, own_style
from ohmbench.stats import Interval
from ohmbench.tensors import FLOAT64

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_READABLE_CLASSES = 20


class Judged(Protocol):
    """An evaluation of either family; ``confusion`` (classes, classes), rows the true class."""

    @property
    def confusion(self) -> ArrayLike: ...
    @property
    def correct(self) -> int: ...
    @property
    def total(self) -> int: ...
    @property
    def accuracy(self) -> Interval: ...


def save_figure(figure: Figure, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
    """Write ``figure`` in the format of the file's ending (png, pdf, svg), whole or not at all.

    Raises FileError when it cannot be written; ValueError for an ending matplotlib does not know.
    """
    ending = os.path.splitext(os.fspath(path))[1].lstrip(".").lower()
    # Without its creation date a figure of the same data is the same file.
    metadata = {"pdf": {"CreationDate": None}, "svg": {"Date": None}}.get(ending)
    with own_style():
        atomic_write(
            path,
            lambda file: figure.savefig(file, format=ending, dpi=120, metadata=metadata),
            overwrite=overwrite,
        )


@in_own_style
def confusion_figure(evaluation: Judged, title: str) -> Figure:
    """Confusion matrix, rows the true class; the diagonal in counts, errors in red.

    More classes than can be read as numbers are shown by colour alone.
    """
    confusion = np.asarray(evaluation.confusion)
    readable = len(confusion) <= _READABLE_CLASSES
    errors = confusion.astype(float)
    np.fill_diagonal(errors, np.nan)
    figure = new_figure(5.2, 4.8)
    axes = figure.add_subplot()
    axes.imshow(errors, cmap="Reds", vmin=0, vmax=max(5.0, np.nanmax(errors, initial=0.0)))
    for (t, p), count in np.ndenumerate(confusion):
        if count and readable:
            axes.text(p, t, str(count), ha="center", va="center")
    axes.set(
        title=f"{title}\n{evaluation.correct} of {evaluation.total} correct, "
        f"{100 * evaluation.accuracy.value:.2f} % "
        f"[{100 * evaluation.accuracy.low:.2f}, {100 * evaluation.accuracy.high:.2f}]",
        xlabel="answered",
        ylabel="true class",
        xticks=range(0, len(confusion), 1 if readable else 20),
        yticks=range(0, len(confusion), 1 if readable else 20),
    )
    return figure


@in_own_style
def currents_figure(network: FGNetwork, title: str) -> Figure:
    """Histogram of the programmed currents per layer with the programmable range shaded."""
    figure = new_figure(7.0, 2.6 * len(network.fg_layers))
    figure.suptitle(title)
    panels = figure.subplots(len(network.fg_layers), squeeze=False)[:, 0]
    magnitudes = [layer.weight.detach().abs().double().numpy() for layer in network.fg_layers]
    positive = np.concatenate([m[m > 0] for m in magnitudes])
    low, high = np.log10(positive.min()), np.log10(positive.max())
    for k, (axes, layer) in enumerate(zip(panels, network.fg_layers, strict=True)):
        array = network.spec.programmable(k)
        # The full span of both range and data, so that what no array could hold is seen to be.
        ends = np.log10([array.w_min_A, array.w_max_A])
        bins = np.logspace(min(low, ends[0]) - 0.2, max(high, ends[1]) + 0.2, 90)
        w = layer.weight.detach().double().numpy()
        axes.hist([w[w >= 0], -w[w < 0]], bins, stacked=True, label=["positive", "negative line"])
        axes.axvspan(array.w_min_A, array.w_max_A, alpha=0.15, color="green",
                     label="programmable")  # fmt: skip
        outside = network.violations()[f"layer {k} weight"].unholdable
        axes.set(xscale="log", ylabel="cells", xlabel="|w| in A",
                 title=f"layer {k}: {outside} of {w.size} cells not programmable")  # fmt: skip
        axes.legend(fontsize="small")
    return figure


@in_own_style
def curves_figure(circuits: Circuits) -> Figure:
    """The fitted curves of a device; a circuit that it does not have leaves its place empty."""
    figure = new_figure(10.0, 7.0)
    cell, line, differential, rest = figure.subplots(2, 2).ravel()
    supply = circuits.v_dd_V
    v = torch.linspace(0.4 * supply, 1.04 * supply, 400, **FLOAT64)
    signed_cell, array = circuits.cells
    decades = range(math.ceil(math.log10(array.w_min_A)), math.floor(math.log10(array.w_max_A)) + 1)
    for exponent in decades:
        w = torch.tensor(10.0**exponent, **FLOAT64)
        cell.semilogy(v, signed_cell.current(v, w), label=f"1e{exponent} A")
    cell.set(title=f"{signed_cell.name} cell", xlabel="gate voltage in V", ylabel="current in A")
    cell.legend(title="w", fontsize="x-small")
    i = torch.logspace(math.log10(array.w_min_A), math.log10(array.w_max_A), 2000, **FLOAT64)
    for label, curve in (("pos", circuits.pos), ("neg", circuits.neg)):
        if curve is not None:
            line.semilogx(i, curve(i), label=label)
    line.set(title="line transistor", xlabel="|current| in A", ylabel="voltage in V")
    if circuits.sigmoid is not None:
        line.legend()
        n = torch.linspace(0.0, circuits.sigmoid.fitted_n.high, 400, **FLOAT64)
        for part in (0.1, 0.2, 0.4, 0.6, 0.9, 0.98):
            p = part * circuits.sigmoid.fitted_p.high
            differential.plot(n, circuits.sigmoid(torch.full_like(n, p), n), label=f"{p:.3g} V")
        differential.legend(title="p", fontsize="x-small")
    differential.set(title="differential sigmoid", xlabel="n in V", ylabel="output in V")
    signed = torch.cat([-i.flip(0), i])
    for name, curve, x in (
        ("ReLU (V)", circuits.relu, signed),
        ("smooth ReLU (V)", circuits.relu_smooth, signed),
        ("WTA", circuits.wta, i),
    ):
        if curve is not None:
            rest.plot(x, curve(x), label=name)
    rest.set(title="ReLU and WTA", xlabel="current in A")
    rest.set_xscale("symlog", linthresh=1e3 * array.w_min_A)
    if rest.lines:
        rest.legend()
    return figure


@in_own_style
def history_figure(
    history: NDArray[np.float64],
    title: str,
    loss_label: str = "loss (cross entropy)",
    *,
    scale: Literal["log", "linear"] = "log",
) -> Figure:
    """Training loss and learning rate over the steps (columns of ``train.HISTORY_COLUMNS``).

    ``scale`` is that of the loss: one that may be negative, a log-density, has a linear one.
    """
    figure = new_figure(6.0, 3.6)
    axes = figure.add_subplot()
    step, loss, rate = history.T
    axes.plot(step, loss, label="loss")
    axes.set(title=title, xlabel="step", ylabel=loss_label, yscale=scale)
    twin = axes.twinx()
    twin.plot(step, rate, color="tab:orange", label="learning rate")
    twin.set_ylabel("learning rate")
    figure.legend(loc="outside lower center", ncols=2)
    return figure


@in_own_style
def prediction_figure(v: torch.Tensor, trace: list[LayerTrace], label: int, title: str) -> Figure:
    """One image on its way through: gate voltages, outputs of each hidden layer, class outputs."""
    *layers, last = trace
    figure = new_figure(3.7 * (len(trace) + 1), 3.4)
    figure.suptitle(title)
    image, *hidden, out = figure.subplots(1, len(trace) + 1)
    side = round(len(v) ** 0.5)
    if side * side == len(v):
        shown = image.imshow(v.reshape(side, side).numpy(), cmap="gray")
        figure.colorbar(shown, ax=image, label="gate voltage in V")
        image.set(xticks=[], yticks=[])
    else:
        image.bar(range(len(v)), v.numpy())
        image.set(xlabel="input", ylabel="gate voltage in V")
        image.set_ylim(1.0, 2.6)
    for k, (axes, layer) in enumerate(zip(hidden, layers, strict=True)):
        axes.stem(layer.out.numpy(), markerfmt=".", basefmt=" ")
        axes.set(title=f"layer {k}", xlabel="neuron", ylabel="output in V")
        axes.set_ylim(min(2.1, float(layer.out.min())), 2.5)
    answer = last.out.numpy()
    winner = int(answer.argmax())
    colours = ["tab:blue"] * len(answer)
    colours[winner] = "tab:green" if winner == label else "tab:red"
    out.bar(range(len(answer)), answer, color=colours)
    span = float(np.ptp(answer)) or 1.0
    out.set_ylim(float(answer.min()) - 0.1 * span, float(answer.max()) + 0.1 * span)
    out.set(title=f"answers {winner}, true {label}", xlabel="class", ylabel="output")
    return figure
