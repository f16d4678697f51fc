"""Figures of int8 networks; ``figures.save_figure`` writes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ohmbench.digital.golden import Inference
from ohmbench.digital.network import Int8Network
from ohmbench.report.style import in_own_style, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@in_own_style
def weights_figure(network: Int8Network, title: str) -> Figure:
    """Histogram of each layer's integer weights, one bar per integer."""
    figure = new_figure(7.0, 4.6)
    figure.suptitle(title)
    for k, axes in enumerate(figure.subplots(2)):
        weight = network.weight[k].astype(np.int64)
        axes.bar(np.arange(-128, 128), np.bincount(weight.ravel() + 128, minlength=256), width=1.0)
        axes.set(
            title=f"layer {k}: {weight.size} weights, {int((weight == 0).sum())} of them 0",
            xlabel="weight",
            ylabel="cells",
        )
    return figure


@in_own_style
def prediction_figure(image: NDArray[np.uint8], found: Inference, label: int, title: str) -> Figure:
    """The forward pass of one image (inputs,): pixels, hidden values, logits of row 0."""
    figure = new_figure(11.0, 3.4)
    figure.suptitle(title)
    pixels, hidden, out = figure.subplots(1, 3)
    side = round(len(image) ** 0.5)
    if side * side == len(image):
        shown = pixels.imshow(image.reshape(side, side), cmap="gray", vmin=0, vmax=255)
        figure.colorbar(shown, ax=pixels, label="input")
        pixels.set(xticks=[], yticks=[])
    else:
        pixels.bar(range(len(image)), image)
        pixels.set(xlabel="input", ylabel="value")
    hidden.stem(found.hidden[0], markerfmt=".", basefmt=" ")
    hidden.set(title="hidden neurons", xlabel="neuron", ylabel="value", ylim=(0, 260))
    winner = int(found.classes[0])
    logits = found.logits[0]
    colours = ["tab:blue"] * len(logits)
    colours[winner] = "tab:green" if winner == label else "tab:red"
    out.bar(range(len(logits)), logits, color=colours)
    out.axhline(0, color="black", linewidth=0.5)
    out.set(title=f"answers {winner}, true {label}", xlabel="class", ylabel="logit")
    return figure
