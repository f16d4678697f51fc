"""Figures of synthesis sweeps; ``figures.save_figure`` writes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ohmbench.report.style import in_own_style, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Curve:
    """One curve over latency: ``values`` with their spread over seeds, and a label per point."""

    label: str
    values: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]


@in_own_style
def sweep_figure(
    latency_us: Sequence[float], names: Sequence[str], curves: Sequence[Curve], title: str
) -> Figure:
    """Each curve over latency in its own axes, one below the other; bars show the spread over
    seeds.

    ``latency_us`` ascends, on a logarithmic axis: each doubling of the hardware halves it.
    """
    figure = new_figure(6.4, 0.6 + 3.2 * len(curves))
    figure.suptitle(title)
    all_axes = figure.subplots(len(curves), squeeze=False)[:, 0]
    for axes, curve in zip(all_axes, curves, strict=True):
        _draw(axes, latency_us, names, curve)
    all_axes[-1].set_xlabel("latency of an image at Fmax, us")
    return figure


def _draw(axes: Axes, latency_us: Sequence[float], names: Sequence[str], curve: Curve) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    below = [v - low for v, low in zip(curve.values, curve.low, strict=True)]
    above = [high - v for v, high in zip(curve.values, curve.high, strict=True)]
    axes.errorbar(latency_us, curve.values, yerr=[below, above], fmt="o-", capsize=3)
    for i, (x, y, name) in enumerate(zip(latency_us, curve.values, names, strict=True)):
        # Alternate above and below so that the labels of close neighbours do not overlap.
        at = (0, 8 if i % 2 else -16)
        axes.annotate(name, (x, y), textcoords="offset points", xytext=at, ha="center")
    axes.set_ylabel(curve.label)
    axes.margins(x=0.08, y=0.15)
    axes.set_ylim(bottom=0)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 4, 5, 6, 8)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    axes.grid(alpha=0.3)
