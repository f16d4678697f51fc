"""Figures of KirchhoffNets and their baselines; ``figures.save_figure`` writes them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ohmbench.report.style import in_own_style, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

Floats = NDArray[np.float64]

_MOST_IMAGES = 100  # per grid; more would be too small to see
_MOST_COLOURS = 10


@dataclass(frozen=True)
class Window:
    """A rectangle of the plane with corners ``low`` and ``high``, drawn at ``side`` x ``side``
    points.
    """

    low: tuple[float, float]
    high: tuple[float, float]
    side: int = 120

    @classmethod
    def around(cls, points: Floats, side: int = 120) -> Window:
        """The window that holds all but about 1 % of ``points`` (n, 2), with a margin of 15 %."""
        low, high = np.percentile(points, [0.5, 99.5], axis=0)
        margin = 0.15 * np.maximum(high - low, 1e-6)
        (x0, y0), (x1, y1) = (low - margin).tolist(), (high + margin).tolist()
        return cls((x0, y0), (x1, y1), side)

    def points(self) -> Floats:
        """Its points (side * side, 2), row by row from ``low``."""
        x, y = (np.linspace(a, b, self.side) for a, b in zip(self.low, self.high, strict=True))
        return np.stack([np.tile(x, self.side), np.repeat(y, self.side)], 1)

    def height(self, width: float) -> float:
        """Size of a figure whose panels are ``width`` inches wide, with room for titles."""
        (x0, y0), (x1, y1) = self.low, self.high
        return 1.4 + float(np.clip(width * (y1 - y0) / (x1 - x0), 1.5, 8.0))

    @property
    def extent(self) -> tuple[float, float, float, float]:
        """The form that matplotlib's imshow takes."""
        return self.low[0], self.high[0], self.low[1], self.high[1]


@dataclass(frozen=True)
class Map:
    """A density over a window: ``values`` (side * side,) in the order of ``Window.points``."""

    title: str
    values: Floats


def _plane(axes: Axes, window: Window, title: str) -> None:
    axes.set(
        title=title,
        xlabel="$x_1$ (V)",
        ylabel="$x_2$ (V)",
        xlim=(window.low[0], window.high[0]),
        ylim=(window.low[1], window.high[1]),
        aspect="equal",
    )


def _scatter(axes: Axes, points: Floats, window: Window, title: str, colour: str) -> None:
    size = float(np.clip(4000 / len(points), 0.5, 12))
    axes.scatter(points[:, 0], points[:, 1], s=size, linewidths=0, alpha=0.6, color=colour)
    inside = np.all((points >= window.low) & (points <= window.high), axis=1).sum()
    outside = len(points) - int(inside)
    _plane(axes, window, f"{title}\n{len(points)} points, {outside} of them outside")


@in_own_style
def samples_figure(samples: Floats, data: Floats, window: Window, title: str) -> Figure:
    """Samples of a flow (n, 2) beside points of the density that it learned."""
    figure = new_figure(9.6, window.height(4.2))
    figure.suptitle(title)
    left, right = figure.subplots(1, 2)
    _scatter(left, samples, window, "samples of the network", "tab:blue")
    _scatter(right, data, window, "true density", "tab:orange")
    return figure


@in_own_style
def density_figure(maps: Sequence[Map], window: Window, title: str) -> Figure:
    """Densities over one window with one colour scale, side by side."""
    figure = new_figure(0.9 + 4.5 * len(maps), window.height(3.6))
    figure.suptitle(title)
    all_axes = figure.subplots(1, len(maps), squeeze=False)[0]
    # The scale is that of the last, true density: a spike in the first must not hide everything
    # else.
    top = float(maps[-1].values.max()) or 1.0
    for axes, drawn in zip(all_axes, maps, strict=True):
        shown = _heat(axes, drawn.values, window, top)
        _plane(axes, window, drawn.title)
    figure.colorbar(shown, ax=list(all_axes), label="density in 1/V²", extend="max")
    return figure


def _heat(axes: Axes, values: Floats, window: Window, top: float) -> AxesImage:
    return axes.imshow(
        values.reshape(window.side, window.side),
        origin="lower",
        extent=window.extent,
        cmap="viridis",
        vmin=0.0,
        vmax=top,
        interpolation="bilinear",
    )


@in_own_style
def potential_figure(
    energy: Floats, samples: Floats, window: Window, title: str, highest: float = 8.0
) -> Figure:
    """A potential (side * side,) up to ``highest`` nats above its minimum, with samples on top."""
    figure = new_figure(6.6, window.height(4.6))
    axes = figure.add_subplot()
    heights = energy.reshape(window.side, window.side) - energy.min()
    x, y = (np.linspace(a, b, window.side) for a, b in zip(window.low, window.high, strict=True))
    levels = np.linspace(0.0, highest, 17)
    shown = axes.contourf(x, y, heights, levels, cmap="Greys", extend="max")
    _scatter(axes, samples, window, title, "tab:red")
    figure.colorbar(shown, ax=axes, label="U above its lowest value, nats", ticks=levels[::4])
    return figure


@in_own_style
def sample_figure(samples: Floats, density: Map, window: Window, title: str) -> Figure:
    """Samples (n, 2) beside the density of the flow they come from."""
    figure = new_figure(10.2, window.height(4.0))
    figure.suptitle(title)
    left, right = figure.subplots(1, 2)
    _scatter(left, samples, window, "samples", "tab:blue")
    shown = _heat(right, density.values, window, float(density.values.max()) or 1.0)
    _plane(right, window, f"{density.title}\n")
    figure.colorbar(shown, ax=right, label="density in 1/V²")
    return figure


@in_own_style
def images_figure(groups: Sequence[tuple[str, Floats]], title: str) -> Figure:
    """Images (n, pixels) in [0, 1]: at most the first hundred of each group, as square grids."""
    figure = new_figure(0.4 + 4.6 * len(groups), 5.2)
    figure.suptitle(title)
    for axes, (name, images) in zip(
        figure.subplots(1, len(groups), squeeze=False)[0], groups, strict=True
    ):
        shown = images[:_MOST_IMAGES]
        axes.imshow(_tiled(shown), cmap="gray_r", vmin=0.0, vmax=1.0)
        axes.set(title=f"{name} ({len(shown)} of {len(images)})", xticks=[], yticks=[])
    return figure


def _tiled(images: Floats, gap: int = 2) -> Floats:
    """One picture of all images (n, side * side), row by row, with a grey gap between them."""
    side, columns = math.isqrt(images.shape[1]), math.ceil(math.sqrt(len(images)))
    rows, pitch = -(-len(images) // columns), side + gap
    picture = np.full((rows * pitch - gap, columns * pitch - gap), 0.35)
    for number, image in enumerate(images):
        row, column = divmod(number, columns)
        top, left = row * pitch, column * pitch
        picture[top : top + side, left : left + side] = image.reshape(side, side)
    return np.asarray(np.clip(picture, 0.0, 1.0))


@dataclass(frozen=True)
class Traces:
    """Related voltages over time: ``lines`` (times, n), each with a label or none."""

    title: str
    lines: Floats
    labels: Sequence[str] = ()
    faint: Floats | None = None


@in_own_style
def voltages_figure(
    times: Floats,
    traces: Sequence[Traces],
    ends: Floats,
    title: str,
    quantity: str = "voltage in V",
) -> Figure:
    """Node voltages over all slices, whose ends are marked; ``faint`` lines are the background."""
    figure = new_figure(8.4, 1.0 + 2.7 * len(traces))
    figure.suptitle(title)
    all_axes = figure.subplots(len(traces), squeeze=False, sharex=True)[:, 0]
    for axes, drawn in zip(all_axes, traces, strict=True):
        for end in ends[1:-1]:
            axes.axvline(end, color="grey", linestyle=":", linewidth=0.8)
        if drawn.faint is not None:
            axes.plot(times, drawn.faint, color="grey", alpha=0.35, linewidth=0.6)
            # Limit the axis, so that a node which runs away unread does not flatten all others.
            usual = np.percentile(drawn.faint, [10, 90], axis=1)
            lines = [*usual, *drawn.lines.T]
            low, high = float(np.min(lines)), float(np.max(lines))
            margin = 0.1 * (high - low) or 1.0
            axes.set_ylim(low - margin, high + margin)
        for k, line in enumerate(drawn.lines.T):
            label = drawn.labels[k] if k < len(drawn.labels) else None
            axes.plot(times, line, color=f"C{k % _MOST_COLOURS}", label=label)
        axes.set(title=drawn.title, ylabel=quantity, xlim=(times[0], times[-1]))
        if drawn.labels:
            axes.legend(fontsize="small", loc="center left", bbox_to_anchor=(1.0, 0.5))
    slices = len(ends) - 1
    all_axes[-1].set_xlabel(
        f"time in s (C = 1 F), {slices} slice{'s' if slices > 1 else ''}"
        + (", dotted where the circuit changes" if slices > 1 else "")
    )
    return figure


@in_own_style
def predictions_figure(true: Floats, predicted: Floats, unit: str, title: str) -> Figure:
    """Predictions over true targets (n,), and their errors."""
    figure = new_figure(9.6, 4.6)
    figure.suptitle(title)
    left, right = figure.subplots(1, 2)
    ends = [float(min(true.min(), predicted.min())), float(max(true.max(), predicted.max()))]
    left.plot(ends, ends, color="black", linewidth=0.8, label="as it should be")
    left.scatter(true, predicted, s=6, alpha=0.4, linewidths=0)
    of = f" in {unit}" if unit else ""
    left.set(xlabel=f"true{of}", ylabel=f"predicted{of}", title=f"{len(true)} held-out samples")
    left.legend(fontsize="small")
    errors = predicted - true
    most = float(np.abs(errors).max()) or 1.0
    right.hist(errors, bins=np.linspace(-most, most, 61))
    right.axvline(0.0, color="black", linewidth=0.8)
    right.set(
        xlabel=f"predicted minus true{of}",
        ylabel="samples",
        title=f"mean {errors.mean():.3g}, standard deviation {errors.std():.3g}",
    )
    return figure
