"""Figures of integer networks of N layers; ``figures.save_figure`` writes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ohmbench.digital.figures import draw_input, draw_outputs
from ohmbench.digital.integer.golden import Inference
from ohmbench.digital.integer.network import IntegerNetwork
from ohmbench.digital.integer.prove import Certificate
from ohmbench.report.style import in_own_style, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLUMNS = 4
_SHOWN = ("acc", "product", "value")


@in_own_style
def widths_figure(certificate: Certificate, layers: int, title: str) -> Figure:
    """Bits that sums, products and values of each layer need.

    The filled part of a bar is what inputs of the network need at most, its outline what any input
    of the layer's format would need.
    """
    figure = new_figure(max(5.0, 1.2 + 0.9 * layers), 3.6)
    axes = figure.add_subplot()
    for i, quantity in enumerate(_SHOWN):
        bounds = [b for b in certificate.bounds if b.quantity == quantity]
        at = [b.layer + (i - 1) * 0.27 for b in bounds]
        colour = f"C{i}"
        axes.bar(at, [b.needs for b in bounds], width=0.24, color=colour, label=quantity)
        whole = [b.format_needs for b in bounds]
        axes.bar(at, whole, width=0.24, edgecolor=colour, facecolor="none")
    axes.set(title=title, xlabel="layer", ylabel="bits needed", xticks=range(layers))
    figure.legend(loc="outside lower center", ncols=3)
    return figure


@in_own_style
def layers_figure(
    network: IntegerNetwork, x: NDArray[np.int64], found: Inference, label: int, title: str
) -> Figure:
    """The forward pass of one input (inputs,): its integers, each layer's values, the outputs."""
    panels = len(network.layers) + 1
    rows = -(-panels // _COLUMNS)
    figure = new_figure(3.4 * min(panels, _COLUMNS), 3.2 * rows)
    figure.suptitle(title)
    grid = figure.subplots(rows, min(panels, _COLUMNS), squeeze=False).ravel()
    draw_input(grid[0], x, network.input.lo, network.input.hi)
    for k in range(panels - 2):
        grid[1 + k].stem(found.h[k][0], markerfmt=".", basefmt=" ")
        grid[1 + k].set(title=f"layer {k}", xlabel="channel", ylabel="value")
    draw_outputs(grid[panels - 1], found.outputs[0], int(found.classes[0]), label, "output")
    for axes in grid[panels:]:
        axes.set_visible(False)
    return figure
