"""Figures of floating-gate networks and of the curves of their device."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch

from ohmbench.floatgate.circuits import Circuits
from ohmbench.floatgate.networks import FGNetwork, LayerTrace
from ohmbench.report.style import in_own_style, new_figure
from ohmbench.tensors import FLOAT64

if TYPE_CHECKING:
    from matplotlib.figure import Figure


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
        # The full span of both the range and the data, so that unprogrammable currents show.
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
    """The fitted curves of a device. The panel of a circuit that the device lacks stays empty."""
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
def prediction_figure(v: torch.Tensor, trace: list[LayerTrace], label: int, title: str) -> Figure:
    """The forward pass of one image: gate voltages, outputs of each hidden layer, class outputs."""
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
