"""Tables of benchmarks: what was measured, and what became of it since."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from rich.markup import escape
from rich.table import Column, Table
from rich.text import Text

from ohmbench.benchmarks.judging import BUSY, Status, Verdict, floor
from ohmbench.benchmarks.records import Goal, Measurement

_HEADERS = (
    "benchmark",
    "reference",
    "ours",
    "bound",
    "ratio",
    "noise",
    "memory",
    "difference",
    "goal",
)

_UNITS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "us"), (1e-9, "ns"))
_COLOURS = {
    Status.SAME: "",
    Status.BETTER: "green",
    Status.NOT_JUDGED: "yellow",
    Status.WORSE: "bold red",
    Status.MISSING: "bold red",
}


def seconds(value: float) -> str:
    """Three digits and a unit."""
    scale, unit = next((u for u in _UNITS if value >= u[0]), _UNITS[-1])
    return f"{value / scale:.3g} {unit}"


def _goal(found: Measurement) -> str:
    goal, parts = found.goal or Goal(), []
    if goal.ratio is not None and found.speed is not None:
        met = found.speed.ratio.value >= goal.ratio
        parts.append(f">= {goal.ratio:g}: {'met' if met else 'missed'}")
    if goal.memory_ratio is not None and found.memory is not None:
        met = found.memory.ratio >= goal.memory_ratio
        parts.append(f"memory >= {goal.memory_ratio:g}: {'met' if met else 'missed'}")
    if goal.rate is not None and found.speed is not None:
        rate = found.items / found.speed.ours_s
        met = rate >= goal.rate
        parts.append(f">= {goal.rate:g} {found.unit}/s: {'met' if met else 'missed'} ({rate:.3g})")
    if goal.missed is not None:
        parts.append(goal.missed)
    return "; ".join(parts)


def _cells(found: Measurement) -> list[str]:
    speed, memory, difference = found.speed, found.memory, found.difference
    cells = [f"{found.name} ({found.items} {found.unit})"]
    if speed is None:
        cells += ["", ", ".join(f"{n} {k}" for k, n in found.counts.items()), "", "", ""]
    else:
        low, high = speed.ratio.low, speed.ratio.high
        cells += [
            seconds(speed.reference_s),
            seconds(speed.ours_s),
            "" if speed.bound_s is None else seconds(speed.bound_s),
            f"{speed.ratio.value:.1f} [{low:.1f}, {high:.1f}]",
            "busy" if speed.others > BUSY else f"{100 * floor(speed):.1f} %",
        ]
    cells.append("" if memory is None else f"{memory.ratio:.1f}")
    cells.append("" if difference is None else f"{difference.value:.1e}")
    return [*cells, _goal(found)]


def measurements_table(found: Mapping[str, Measurement]) -> Table:
    """Reference, ours, bound, ratio [95 % interval], noise floor, memory ratio, goal; a row each.

    Times are of one call; memory is the reference's peak over ours.
    """
    table = Table(Column(_HEADERS[0], no_wrap=True), *_HEADERS[1:])
    for measurement in found.values():
        table.add_row(*(Text(cell) for cell in _cells(measurement)))
    return table


def measurements_cells(found: Mapping[str, Measurement]) -> tuple[list[str], list[list[str]]]:
    """The same as plain text: headers, and the cells of each row."""
    return list(_HEADERS), [_cells(measurement) for measurement in found.values()]


def measurements_markdown(found: Mapping[str, Measurement]) -> str:
    """The same in Markdown, with the names as code."""
    rows = [list(_HEADERS), ["---"] * len(_HEADERS)]
    for measurement in found.values():
        name, *rest = _cells(measurement)
        code, _, items = name.partition(" ")
        rows.append([f"`{code}` {items}", *rest])
    return "".join("| " + " | ".join(row) + " |\n" for row in rows)


def _value(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}" if value % 1 else f"{value:.0f}"


def verdicts_table(verdicts: Iterable[Verdict], titles: tuple[str, str]) -> Table:
    """A row a figure: before, now, change, status; ``titles`` name before and now."""
    table = Table("benchmark", "figure", *map(escape, titles), "change", "verdict")
    for v in verdicts:
        change = "" if v.change is None else f"{100 * v.change:+.1f} %"
        cells = [v.name, v.figure, _value(v.before), _value(v.now), change, v.status.value]
        table.add_row(*(Text(cell, style=_COLOURS[v.status]) for cell in cells))
    return table
