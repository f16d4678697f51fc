"""The figure of benchmark ratios over commits; ``figures.save_figure`` writes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ohmbench.benchmarks.records import Estimate, Run
from ohmbench.report.style import in_own_style, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLUMNS = 2
_READABLE_COMMITS = 20


@dataclass(frozen=True)
class History:
    """Ratios of one benchmark at ``places`` among the runs, the latest run's band and the goal."""

    name: str
    places: Sequence[int]
    ratios: Sequence[Estimate]
    band: float | None
    goal: float | None


def histories_of(runs: Sequence[Run]) -> list[History]:
    """One for every benchmark that any run has a ratio of; ``runs`` in the order of the figure."""
    names = sorted({name for run in runs for name, m in run.measurements.items() if m.speed})
    histories = []
    for name in names:
        places, estimates = [], []
        band, goal = None, None
        for place, run in enumerate(runs):
            found = run.measurements.get(name)
            if found is None or found.speed is None:
                continue
            places.append(place)
            estimates.append(found.speed.ratio)
            band = found.bands["ratio"].worse if "ratio" in found.bands else None
            goal = None if found.goal is None else found.goal.ratio
        histories.append(History(name, places, estimates, band, goal))
    return histories


@in_own_style
def history_figure(commits: Sequence[str], histories: Sequence[History]) -> Figure:
    """One panel per benchmark: ratios with their intervals over ``commits``, in the order given.

    The shaded area is what the next run may lose against the latest; a dashed line is the goal.
    """
    columns = min(_COLUMNS, len(histories))
    rows = -(-len(histories) // columns)
    figure = new_figure(5.2 * columns, 0.4 + 2.8 * rows)
    panels = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axes, history in zip(panels, histories, strict=False):
        _draw(axes, commits, history)
    for axes in panels[len(histories) :]:
        axes.set_axis_off()
    return figure


def _draw(axes: Axes, commits: Sequence[str], history: History) -> None:
    values = [r.value for r in history.ratios]
    below = [r.value - r.low for r in history.ratios]
    above = [r.high - r.value for r in history.ratios]
    axes.errorbar(history.places, values, yerr=[below, above], fmt="o-", capsize=3)
    if history.band is not None:
        low = values[-1] * (1 - history.band)
        axes.axhspan(low, values[-1], alpha=0.15, label=f"{100 * history.band:g} % of the latest")
    if history.goal is not None:
        axes.axhline(history.goal, color="black", linestyle="--", label=f"goal {history.goal:g}")
    axes.set(title=history.name, ylabel="reference / ours", xlim=(-0.5, len(commits) - 0.5))
    axes.set_ylim(bottom=0)
    step = -(-len(commits) // _READABLE_COMMITS)
    shown = range(0, len(commits), step)
    axes.set_xticks(shown, [commits[i] for i in shown], rotation=45, ha="right", fontsize="small")
    axes.grid(alpha=0.3)
    if history.band is not None or history.goal is not None:
        axes.legend(fontsize="small", loc="lower left")
