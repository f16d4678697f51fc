"""Figures of int8 networks; ``figures.save_figure`` writes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from ohmbench.digital.golden import Inference
from ohmbench.report.style import in_own_style, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@runtime_checkable
class Weighted(Protocol):
    """A network of any number of layers."""

    @property
    def weight(self) -> Sequence[NDArray[np.int8]]:
        """The weights of each layer, int8 (channels, inputs)."""


@in_own_style
def weights_figure(network: Weighted, title: str) -> Figure:
    """Histogram of each layer's integer weights, one bar per integer."""
    layers = len(network.weight)
    figure = new_figure(7.0, 2.3 * layers)
    figure.suptitle(title)
    for k, axes in enumerate(figure.subplots(layers, squeeze=False)[:, 0]):
        integers = network.weight[k].astype(np.int64)
        counts = np.bincount(integers.ravel() + 128, minlength=256)
        axes.bar(np.arange(-128, 128), counts, width=1.0)
        axes.set(
            title=f"layer {k}: {integers.size} weights, {int((integers == 0).sum())} of them 0",
            xlabel="weight",
            ylabel="cells",
        )
    return figure


def draw_input(axes: Axes, image: NDArray[Any], low: int, high: int) -> None:
    """One input (inputs,) of ``low`` to ``high``: a picture if it is square, else bars."""
    side = round(len(image) ** 0.5)
    if side * side == len(image):
        shown = axes.imshow(image.reshape(side, side), cmap="gray", vmin=low, vmax=high)
        axes.figure.colorbar(shown, ax=axes, label="input")
        axes.set(xticks=[], yticks=[])
    else:
        axes.bar(range(len(image)), image)
        axes.set(xlabel="input", ylabel="value")


def draw_outputs(
    axes: Axes, outputs: NDArray[Any], winner: int, label: int, name: str = "logit"
) -> None:
    """One bar per class, that of the answer in green or, if it is wrong, red."""
    colours = ["tab:blue"] * len(outputs)
    colours[winner] = "tab:green" if winner == label else "tab:red"
    axes.bar(range(len(outputs)), outputs, color=colours)
    axes.axhline(0, color="black", linewidth=0.5)
    axes.set(title=f"answers {winner}, true {label}", xlabel="class", ylabel=name)


@in_own_style
def prediction_figure(image: NDArray[np.uint8], found: Inference, label: int, title: str) -> Figure:
    """The forward pass of one image (inputs,): pixels, hidden values, logits of row 0."""
    figure = new_figure(11.0, 3.4)
    figure.suptitle(title)
    pixels, hidden, out = figure.subplots(1, 3)
    draw_input(pixels, image, 0, 255)
    hidden.stem(found.hidden[0], markerfmt=".", basefmt=" ")
    hidden.set(title="hidden neurons", xlabel="neuron", ylabel="value", ylim=(0, 260))
    draw_outputs(out, found.logits[0], int(found.classes[0]), label)
    return figure
