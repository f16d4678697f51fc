"""Tables of benchmarks: what was measured, and how it compares with an earlier run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby

from rich.markup import escape
from rich.table import Column, Table
from rich.text import Text

from ohmbench.benchmarks.judging import BUSY, MEMORY_RATIO, RATIO, Status, Verdict, floor
from ohmbench.benchmarks.records import Goal, Measurement
from ohmbench.report.markdown import escaped, table

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

_COMPARED = (
    "case",
    "ratio before",
    "ratio now [95 % interval]",
    "change",
    "verdict",
    "counts that changed",
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
    """One row per benchmark: reference, ours, bound, ratio [95 % interval], noise floor, memory
    ratio, goal.

    Times are per call; memory is the reference's peak over ours.
    """
    shown = Table(Column(_HEADERS[0], no_wrap=True), *_HEADERS[1:])
    for measurement in found.values():
        shown.add_row(*(Text(cell) for cell in _cells(measurement)))
    return shown


def measurements_cells(found: Mapping[str, Measurement]) -> tuple[list[str], list[list[str]]]:
    """The same as plain text: headers, and the cells of each row."""
    return list(_HEADERS), [_cells(measurement) for measurement in found.values()]


def measurements_markdown(found: Mapping[str, Measurement]) -> str:
    """The same in Markdown, with names as code."""
    rows = []
    for measurement in found.values():
        name, *rest = _cells(measurement)
        code, _, items = name.partition(" ")
        rows.append([f"`{code}` {items}", *rest])
    return table(_HEADERS, rows)


def _value(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}" if value % 1 else f"{value:.0f}"


def _change(v: Verdict) -> str:
    return "" if v.change is None else f"{100 * v.change:+.1f} %"


def tally(verdicts: Sequence[Verdict]) -> str:
    """How many figures have each status."""
    found = Counter(v.status for v in verdicts)
    return ", ".join(f"{found[status]} {status.value}" for status in Status if found[status])


def verdicts_table(verdicts: Iterable[Verdict], titles: tuple[str, str]) -> Table:
    """One row per figure: before, now, change, status; ``titles`` are the headings of before and
    now.
    """
    shown = Table("benchmark", "figure", *map(escape, titles), "change", "verdict")
    for v in verdicts:
        cells = [v.name, v.figure, _value(v.before), _value(v.now), _change(v), v.status.value]
        shown.add_row(*(Text(cell, style=_COLOURS[v.status]) for cell in cells))
    return shown


def _reason(v: Verdict) -> str:
    """What the verdict says after its benchmark's name, which has a column of its own."""
    line = escaped(v.line.removeprefix(f"{v.name}: "))
    return f"**{v.status.value}**: {line}" if v.status.red else line


def _compared_cells(name: str, verdicts: Sequence[Verdict], now: Measurement | None) -> list[str]:
    """One benchmark's row: every red or better figure is named, and what became of its ratio."""
    ratio = next((v for v in verdicts if v.figure == RATIO), None)
    told = [v for v in verdicts if v is ratio or v.status.red or v.status is Status.BETTER]
    counts = [
        f"{v.figure} {_value(v.before)} -> {_value(v.now)}"
        + (f" ({_change(v)})" if v.change is not None else "")
        for v in verdicts
        if v.figure not in (RATIO, MEMORY_RATIO) and v.before != v.now
    ]
    cells = ["", "", ""]
    if ratio is not None:
        cells = [_value(ratio.before), _value(ratio.now), _change(ratio)]
        if now is not None and now.speed is not None:
            cells[1] += f" [{now.speed.ratio.low:.4g}, {now.speed.ratio.high:.4g}]"
    reasons = "<br>".join(map(_reason, told)) or Status.SAME.value
    return [f"`{name}`", *cells, reasons, escaped("; ".join(counts))]


def comparison_markdown(
    verdicts: Sequence[Verdict], now: Mapping[str, Measurement], circumstances: tuple[str, str]
) -> str:
    """A comparison for a comment on GitHub: the count of each status, one row per benchmark, and
    the ``circumstances`` of the run before and of the run ``now`` (texts; they are escaped)."""
    rows = [
        _compared_cells(name, list(group), now.get(name))
        for name, group in groupby(verdicts, key=lambda v: v.name)
    ]
    before, after = map(escaped, circumstances)
    return (
        f"**Benchmarks:** {tally(verdicts)}\n\n{table(_COMPARED, rows)}\n"
        f"- before: {before}\n- now: {after}\n"
    )
