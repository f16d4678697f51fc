"""What ``ohmbench synth`` and its sweep print: tables, JSON and figures of their reports."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from rich.markup import escape
from rich.table import Table

from ohmbench.cli.common import print_whole, say
from ohmbench.digital.clocks import image_clocks
from ohmbench.eda.synthesis.result import (
    Performance,
    Power,
    Report,
    Spread,
    Synthesis,
    median_run,
    spread,
)
from ohmbench.eda.synthesis.sweep import Point
from ohmbench.errors import OperandError
from ohmbench.report.synthesis_figures import Curve, sweep_figure

MHZ = 1e6
_LONGEST_PATH = 12
"""Elements of a critical path that are shown; all are in the JSON."""


def _spread(found: Spread, scale: float, digits: int) -> str:
    text = f"{found.median * scale:.{digits}f}"
    if found.low == found.high:
        return text
    return f"{text} [{found.low * scale:.{digits}f}, {found.high * scale:.{digits}f}]"


def _over(rows: tuple[Performance, ...], figure: Callable[[Performance], float | None]) -> Spread:
    values = [v for v in map(figure, rows) if v is not None]
    return spread(values)


def print_report(report: Report, clock_Hz: float | None) -> None:
    """Print the tables of one design; ``clock_Hz``: also at this clock."""
    run, design = median_run(report.runs), report.design
    seeds = ", ".join(str(r.seed) for r in report.runs)
    several = len(report.runs) > 1
    how = f"median [least, most] of seeds {seeds}" if several else f"seed {seeds}"
    area = run.area
    table = Table("figure", "value", title=escape(f"{design.name} on {run.device}, {how}"))
    table.add_row("Fmax, MHz", _spread(report.over_seeds(lambda r: r.fmax_Hz), 1e-6, 2))
    _performance_rows(table, report, None, "at Fmax")
    if clock_Hz is not None:
        _performance_rows(table, report, clock_Hz, f"at {clock_Hz / MHZ:g} MHz")
    for name, value in (
        ("logic blocks", area.logic_blocks),
        ("LUTs", area.luts),
        ("flip-flops", area.flip_flops),
        ("multipliers", _modes(area.multiplier_blocks, area.multipliers)),
        ("memories", _modes(area.memory_blocks, area.memories)),
        ("grid", "-" if area.grid is None else "{} x {}".format(*area.grid)),
        ("grid limited by", area.grid_limited_by or "-"),
    ):
        table.add_row(name, str(value))
    wires = report.over_seeds(lambda r: r.area.wire_length)
    table.add_row(f"wire length, {area.wire_unit}", _spread(wires, 1, 0))
    table.add_row("run time, s", _spread(report.over_seeds(lambda r: r.cost.wall_s), 1, 0))
    memory = report.over_seeds(lambda r: r.cost.peak_memory_MiB)
    table.add_row("peak memory, MiB", _spread(memory, 1, 0))
    table.add_row("clocks", f"{report.clocks.latency} latency, {_intervals(report)} between images")
    print_whole(table)
    _print_power(run)
    _print_path(run)
    if run.calibration is not None:
        for c in run.calibration.compared:
            say(
                f"calibration on {run.calibration.circuit}: {c.what}: {c.here:.4g} here, "
                f"{c.golden:.4g} in VTR's golden results ({c.low} to {c.high} times it is allowed)"
            )
    clocks, own = report.clocks, image_clocks(design.hardware)
    if clocks.mean_interval < clocks.interval:
        say(
            "results come unevenly: inferences per second and energy are those of the mean interval"
        )
    counted = (clocks.latency, clocks.interval, clocks.mean_interval)
    if counted != (own.latency, own.interval, own.mean_interval):
        say(
            f"this Verilog differs in its clocks from ohmbench's own, which has {own.latency} "
            f"latency, {own.mean_interval:g} between images"
        )
    say(f"tools: {run.versions.text}; {clocks.simulator}")


def _intervals(report: Report) -> str:
    """The clocks between images: a number, or the mean and the most where they differ."""
    clocks = report.clocks
    if clocks.mean_interval == clocks.interval:
        return str(clocks.interval)
    return f"{clocks.mean_interval:g} (at most {clocks.interval})"


def _performance_rows(table: Table, report: Report, clock_Hz: float | None, where: str) -> None:
    rows = report.at(clock_Hz)
    latency, images = _over(rows, lambda p: p.latency_s), _over(rows, lambda p: p.inferences_per_s)
    table.add_row(f"latency {where}, us", _spread(latency, 1e6, 3))
    table.add_row(f"inferences per second {where}", _spread(images, 1, 0))
    simulated = report.at(clock_Hz, simulated=True)
    both = all(p.energy_J is not None for p in (*rows, *simulated))
    for kind, found in ((" (vectorless)" if both else "", rows), (" (simulated)", simulated)):
        if found[0].energy_J is not None:
            power, energy = _over(found, lambda p: p.power_W), _over(found, lambda p: p.energy_J)
            table.add_row(f"power {where}{kind}, mW", _spread(power, 1e3, 1))
            table.add_row(f"energy per inference {where}{kind}, uJ", _spread(energy, 1e6, 4))


def _modes(blocks: int, modes: dict[str, int]) -> str:
    inside = ", ".join(f"{n} {mode}" for mode, n in modes.items() if n)
    return f"{blocks} blocks" + (f" ({inside})" if inside else "")


def _print_power(run: Synthesis) -> None:
    """One activity beside the other."""
    powers = [power for power in (run.power, run.power_simulated) if power is not None]
    if not powers:
        return
    title = (
        f"Power at Fmax, seed {run.seed}, {powers[0].temperature_C:g} degrees C, "
        f"{powers[0].voltage_V:g} V"
    )
    headers = [text for power in powers for text in (f"{power.activity} activity, mW", "%")]
    table = Table("part", *headers, title=title)
    for part in (
        *("total", "dynamic", "static"),
        *("routing", "clock", "logic", "memory", "multipliers", "other"),
    ):
        cells = [cell for power in powers for cell in _watts(power, part)]
        table.add_row(part, *cells, end_section=part == "static")
    print_whole(table)
    found = run.activity
    if found is not None:
        say(
            f"simulated: {found.images} images of {found.network} (seed {found.seed}) in "
            f"{found.clocks} clocks after {found.warm_up}, {found.checked} results checked; "
            f"{found.mean_density:.3f} toggles a clock and net without glitches, "
            f"{found.mean_density_vectorless:.3f} in VTR's estimate"
        )


def _watts(power: Power, part: str) -> tuple[str, str]:
    watts = getattr(power, f"{part}_W")
    return f"{1e3 * watts:.1f}", f"{100 * watts / power.total_W:.0f}"


def _print_path(run: Synthesis) -> None:
    path = run.critical_path
    table = Table(
        *("ns", "what", "at"),
        title=f"Critical path, seed {run.seed}: {1e9 * path.delay_s:.3f} ns",
    )
    slowest = sorted(path.elements, key=lambda e: -e.delay_s)[:_LONGEST_PATH]
    shown = [e for e in path.elements if e in slowest and e.delay_s > 0]
    for element in shown:
        table.add_row(f"{1e9 * element.delay_s:.3f}", element.kind, element.at)
    print_whole(table)
    by_kind: dict[str, float] = {}
    for element in path.elements:
        by_kind[element.kind] = by_kind.get(element.kind, 0.0) + element.delay_s
    parts = ", ".join(f"{k} {1e9 * d:.2f}" for k, d in sorted(by_kind.items(), key=lambda i: -i[1]))
    say(f"from {path.start} to {path.end}; by kind, ns: {parts}")


def report_json(report: Report, clock_Hz: float | None) -> dict[str, Any]:
    """The report as JSON values, with what follows at Fmax and at ``clock_Hz``."""
    value: dict[str, Any] = json.loads(report.model_dump_json())
    where: dict[str, float | None] = {"at_fmax": None}
    if clock_Hz is not None:
        where["at_clock"] = clock_Hz
    for name, at in where.items():
        value[name] = [json.loads(p.model_dump_json()) for p in report.at(at)]
        if all(run.power_simulated is not None for run in report.runs):
            rows = report.at(at, simulated=True)
            value[f"{name}_simulated"] = [json.loads(p.model_dump_json()) for p in rows]
    return value


def point_json(point: Point) -> dict[str, Any]:
    """One point of a sweep as JSON values: its report, or why there is none."""
    known = {"lanes": point.hardware.lanes, "requants": point.hardware.requants}
    if point.finished is None:
        return known | {"reason": point.reason}
    return known | report_json(point.finished.report, None)


def print_sweep(points: list[Point]) -> None:
    """Print one row per point, and why points have no result."""
    found = [p.finished.report for p in points if p.finished is not None]
    powered = bool(found) and found[0].runs[0].power is not None
    headers = ["lanes", "requants", "clocks", "interval", "Fmax, MHz", "latency, us", "1000/s"]
    headers += ["power, mW", "energy, uJ"] if powered else []
    headers += ["logic blocks", "LUTs", "flip-flops", "multipliers", "memories", "grid"]
    first = points[0].hardware
    title = f"{first.inputs}-{first.hidden}-{first.classes}"
    if found:
        several = len(found[0].runs)
        title += f" on {found[0].runs[0].device}, "
        title += f"median [least, most] of {several} seeds" if several > 1 else "one seed"
    table = Table(*headers, title=escape(title))
    for point in points:
        start = [str(point.hardware.lanes), str(point.hardware.requants)]
        table.add_row(*start, *(_sweep_cells(point.finished.report) if point.finished else ()))
    print_whole(table)
    for point in points:
        if point.reason:
            say(f"{point.hardware.lanes} lanes: {point.reason}")


def _sweep_cells(report: Report) -> list[str]:
    rows, area = report.at(), median_run(report.runs).area
    cells = [
        str(report.clocks.latency),
        _intervals(report),
        _spread(report.over_seeds(lambda r: r.fmax_Hz), 1e-6, 1),
        _spread(_over(rows, lambda p: p.latency_s), 1e6, 3),
        _spread(_over(rows, lambda p: p.inferences_per_s), 1e-3, 0),
    ]
    if rows[0].energy_J is not None:
        cells.append(_spread(_over(rows, lambda p: p.power_W), 1e3, 0))
        cells.append(_spread(_over(rows, lambda p: p.energy_J), 1e6, 3))
    grid = "-" if area.grid is None else "{} x {}".format(*area.grid)
    counts = (area.logic_blocks, area.luts, area.flip_flops)
    blocks = (area.multiplier_blocks, area.memory_blocks, grid)
    return cells + [str(n) for n in (*counts, *blocks)]


def figure_of_sweep(points: list[Point]) -> Any:
    """The figure over latency. Raises OperandError when no point has a result."""
    reports = [point.finished.report for point in points if point.finished is not None]
    if not reports:
        raise OperandError("no design of the sweep fits the device, so there is nothing to draw")
    reports.sort(key=lambda r: _over(r.at(), lambda p: p.latency_s).median)
    latency = [1e6 * _over(r.at(), lambda p: p.latency_s).median for r in reports]
    names = [str(r.design.lanes) for r in reports]
    if reports[0].runs[0].power is not None:
        energy = [_over(r.at(), lambda p: 1e6 * (p.energy_J or 0.0)) for r in reports]
        curves = [_curve("energy per inference, uJ", energy)]
    else:
        curves = [
            _curve("LUTs", [r.over_seeds(lambda s: s.area.luts) for r in reports]),
            _curve("Fmax, MHz", [r.over_seeds(lambda s: s.fmax_Hz / MHZ) for r in reports]),
        ]
    run = reports[0].runs[0]
    title = f"{run.design.sizes} on {run.device}, by lanes"
    missing = [str(point.hardware.lanes) for point in points if point.finished is None]
    if missing:
        title += f"\nwith {', '.join(missing)} lanes it does not fit"
    return sweep_figure(latency, names, curves, title)


def _curve(label: str, spreads: list[Spread]) -> Curve:
    return Curve(
        label, [s.median for s in spreads], [s.low for s in spreads], [s.high for s in spreads]
    )
