"""Reading VPR 9's output: ``vpr.out``, ``report_timing.setup.rpt`` and ``<circuit>.power``.

VPR runs without timing constraints, so it compares every path with a period of 0: the slack of the
worst path is minus the critical path's delay.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Literal

from ohmbench.eda.synthesis.reports import ReportError, ReportText
from ohmbench.eda.synthesis.result import Area, CriticalPath, PathElement, Power, PowerRow

NS = 1e-9
MHZ = 1e6
LOGIC, MULTIPLIER, MEMORY = "clb", "mult_36", "memory"
"""Block types of the paper's architecture, ``k6_N10_I40_Fi6_L4_frac0_ff1_130nm``."""
MULTIPLIER_MODES = ("mult_9x9", "mult_18x18", "mult_36x36")
WIRE_UNIT = "logic block lengths"

_CRITICAL = r"^Final critical path delay \(least slack\): (\S+) ns, Fmax: (\S+) MHz$"
_SAME_DELAY = 1e-3  # relative: the timing report has three digits after the point, in ns


@dataclass(frozen=True)
class Timing:
    """Critical path delay in s and Fmax in Hz, as VPR prints them."""

    delay_s: float
    fmax_Hz: float


def version(vpr_out: ReportText) -> str:
    """VPR's version, from the beginning of its output. Raises ReportError if it is missing."""
    return vpr_out.one(r"^Version: (\S+)$")[1]


def check_success(vpr_out: ReportText) -> None:
    """Raise ReportError unless VPR says that it succeeded."""
    vpr_out.one(r"^VPR succeeded$")


def timing(vpr_out: ReportText) -> Timing:
    """Delay and Fmax. Raises ReportError also when they are not each other's inverse."""
    found = vpr_out.one(_CRITICAL)
    delay = vpr_out.finite(found[1], _CRITICAL) * NS
    fmax = vpr_out.finite(found[2], _CRITICAL) * MHZ
    if not math.isclose(delay * fmax, 1, rel_tol=_SAME_DELAY):
        raise ReportError(vpr_out.name, _CRITICAL, f"{found[1]} ns is not {found[2]} MHz")
    return Timing(delay, fmax)


# ------------------------------------------------------------------------------------------------
# Area


def block_types(vpr_out: ReportText) -> dict[str, int]:
    """Leaf and inner blocks in use, by name, summed over the tree "Pb types usage"."""
    found: dict[str, int] = {}
    pattern = r"^ +(\S+) +: (\d+)$"
    section = vpr_out.between(r"^Pb types usage\.\.\.\n", r"^$")
    for line in section.text.splitlines():
        match = re.fullmatch(pattern, line)
        if match is None:
            raise ReportError(vpr_out.name, pattern, f"no line of block types: {line.strip()!r}")
        found[match[1]] = found.get(match[1], 0) + int(match[2])
    return found


def _blocks(vpr_out: ReportText, kind: str) -> int:
    section = vpr_out.between(r"^Resource usage\.\.\.\n", r"^$")
    return section.count(rf"^\tNetlist\n\t\t(\d+)\tblocks of type: {kind}$")


def _modes(types: dict[str, int], names: tuple[str, ...]) -> dict[str, int]:
    return {name: types[name] for name in names if name in types}


def area(vpr_out: ReportText) -> Area:
    """Blocks, LUTs, flip-flops, multipliers by mode, memories by shape, grid, wire length."""
    types = block_types(vpr_out)
    blocks = {kind: _blocks(vpr_out, kind) for kind in (LOGIC, MULTIPLIER, MEMORY)}
    for kind, count in blocks.items():
        # VPR omits unused blocks from the tree.
        if types.get(kind, 0) != count:
            problem = f"{types.get(kind, 0)} of {kind} in the tree, {count} in the resource usage"
            raise ReportError(vpr_out.name, f"{kind} +: ", problem)
    for leaf in ("lut", "ff"):
        if leaf not in types:
            raise ReportError(vpr_out.name, rf"^ +{leaf} +: (\d+)$", "not found")
    for mode in MULTIPLIER_MODES:
        if types.get(mode, 0) != types.get(f"{mode}_slice", 0):
            raise ReportError(vpr_out.name, f"{mode} +: ", "other than its slices")
    memories = {name: n for name, n in types.items() if name.startswith("mem_")}
    if sum(memories.values()) != blocks[MEMORY]:
        raise ReportError(vpr_out.name, r"mem_\S+ +: ", f"not {blocks[MEMORY]} of all shapes")
    sized = vpr_out.one(r"^FPGA sized to (\d+) x (\d+): \d+ grid tiles")
    return Area(
        logic_blocks=blocks[LOGIC],
        luts=types["lut"],
        flip_flops=types["ff"],
        multiplier_blocks=blocks[MULTIPLIER],
        multipliers=_modes(types, MULTIPLIER_MODES),
        memory_blocks=blocks[MEMORY],
        memories=memories,
        grid=(int(sized[1]), int(sized[2])),
        grid_limited_by=vpr_out.one(r"^FPGA size limited by block type\(s\): (\S.*)$")[1],
        wire_length=vpr_out.number(r"^\tTotal wirelength: (\S+), average net length: "),
        wire_unit=WIRE_UNIT,
    )


# ------------------------------------------------------------------------------------------------
# Critical path

_ROW = r"^(\S.*?) {2,}(-?\d+\.\d+) +(-?\d+\.\d+)$"
_TOTAL = r"^%s {2,}(-?\d+\.\d+)$"
_PIN = re.compile(r"(\S+) \(([^()]+)\)(?: \[clock-to-output\])?")
_CLOCK_TO_OUTPUT = "[clock-to-output]"
_SETUP = "cell setup time"


def critical_path(report: ReportText, expected: Timing) -> CriticalPath:
    """The first path of ``report_timing.setup.rpt``, whose delay must be ``expected``.

    Its elements add up to its delay: the clock's delay to the first register is added, its delay to
    the last register is subtracted, and the last register's setup time is added.
    """
    report.one(r"^# Unit scale: (1e-09) seconds$")
    path = _first_path(report)
    launch = path.between(r"^Point +Incr +Path\n-+\n", r"^data arrival time ")
    capture = path.between(r"^data arrival time .*\n\n", r"^data required time ")
    slack = path.finite(path.one(_TOTAL % r"slack \(VIOLATED\)")[1], "slack (VIOLATED)")
    if not math.isclose(-slack * NS, expected.delay_s, rel_tol=_SAME_DELAY):
        raise ReportError(
            report.name,
            "slack (VIOLATED)",
            f"the first path takes {-slack} ns, but the critical path {expected.delay_s / NS:g} ns",
        )
    elements = _launched(launch) + _captured(capture)
    total = sum(element.delay_s for element in elements)
    rounding = 0.5e-3 * NS * (len(elements) + 10)
    if abs(total + slack * NS) > rounding:
        raise ReportError(report.name, _ROW, f"the path's elements add up to {total / NS:g} ns")
    end = r"^%s *: (\S+) \(\S+ clocked by \S+\)$"
    return CriticalPath(
        start=path.one(end % "Startpoint")[1],
        end=path.one(end % "Endpoint")[1],
        delay_s=expected.delay_s,
        elements=elements,
    )


def _first_path(report: ReportText) -> ReportText:
    rest = report.after(r"^#Path 1\n")
    return ReportText(report.name, re.split(r"^#Path 2\n", rest.text, flags=re.MULTILINE)[0])


def _rows(part: ReportText) -> list[tuple[str, float]]:
    rows = []
    for line in filter(None, part.text.splitlines()):
        match = re.match(_ROW, line)
        if match is None:
            raise ReportError(part.name, _ROW, f"no line of a path: {line.strip()!r}")
        rows.append((match[1], part.finite(match[2], _ROW) * NS))
    return rows


def _launched(part: ReportText) -> tuple[PathElement, ...]:
    """Cells and the wires between them: a delay in the cell of the point before is the cell's."""
    rows = _rows(part)
    tagged = [n for n, (point, _) in enumerate(rows) if point.endswith(_CLOCK_TO_OUTPUT)]
    first = tagged[0] if tagged else 0  # a path from an input has no such row
    elements, before = [], None
    for n, (point, delay) in enumerate(rows):
        pin = _PIN.fullmatch(point)
        cell = pin[1].rpartition(".")[0] if pin else None
        if n < first or pin is None:
            kind = "clock"
        elif n == first and tagged:
            kind = f"{pin[2]} clock-to-output"
        else:
            kind = pin[2] if cell == before else "routing"
        before = cell
        elements.append(PathElement(at=pin[1] if pin else point, kind=kind, delay_s=delay))
    return tuple(elements)


def _captured(part: ReportText) -> tuple[PathElement, ...]:
    rows = _rows(part)
    setup = [-delay for point, delay in rows if point == _SETUP]
    outputs = [-delay for point, delay in rows if point == "output external delay"]
    if len(setup) + len(outputs) != 1:
        raise ReportError(part.name, _SETUP, f"found {len(setup)} times, not once")
    clock = -sum(delay for point, delay in rows if point != _SETUP)
    return (
        PathElement(at=_SETUP, kind="setup", delay_s=sum(setup)),
        PathElement(at="clock to the last register", kind="clock", delay_s=clock),
    )


# ------------------------------------------------------------------------------------------------
# Power

_POWER_ROW = re.compile(r"( *)(\S(?:.*?\S)?) +(\S+) +(\S+) +(\S+)(?: +([A-Z]\S*(?: \S+)*))? *")
_HEADER = r"^Component +Power \(W\) +%-Total +%-Dynamic +Method *\n"


def power(
    report: ReportText, activity: Literal["vectorless", "simulated"], expected: Timing
) -> Power:
    """The tables of ``<circuit>.power``. They must belong to the critical path ``expected``,
    because VPR reports the power at Fmax.
    """
    delay = report.number(r"^Critical Path: (\S+)$")
    if not math.isclose(delay, expected.delay_s, rel_tol=_SAME_DELAY):
        problem = f"{delay:g} s, but the critical path is {expected.delay_s:g} s"
        raise ReportError(report.name, r"^Critical Path: (\S+)$", problem)
    table, by_block = _tables(report)
    total = _row(report, table, "Total", 0)
    if total.dynamic is None:
        raise ReportError(report.name, "Total", "no dynamic part")
    blocks = {row.component: row.total_W for row in by_block if row.depth == 0}
    missing = [name for name in (LOGIC, MULTIPLIER, MEMORY) if name not in blocks]
    if missing:
        raise ReportError(report.name, rf"^{missing[0]} ", "not found")
    return Power(
        activity=activity,
        temperature_C=report.number(r"^Temperature: (\S+)$"),
        voltage_V=report.number(r"^Voltage: (\S+)$"),
        total_W=total.total_W,
        dynamic_W=total.total_W * total.dynamic,
        static_W=total.total_W * (1 - total.dynamic),
        routing_W=_row(report, table, "Routing", 1).total_W,
        clock_W=_row(report, table, "Clock", 1).total_W,
        logic_W=blocks.pop(LOGIC),
        multipliers_W=blocks.pop(MULTIPLIER),
        memory_W=blocks.pop(MEMORY),
        other_W=sum(blocks.values()),
        table=table,
        table_by_block=by_block,
    )


def _tables(report: ReportText) -> tuple[tuple[PowerRow, ...], tuple[PowerRow, ...]]:
    first = report.between(r"^-+ Power Breakdown -+\n", r"^-+ Power Breakdown by PB -+$")
    second = report.after(r"^-+ Power Breakdown by PB -+\n")
    return _table(first), _table(second)


def _table(part: ReportText) -> tuple[PowerRow, ...]:
    rows = []
    for line in filter(str.strip, part.after(_HEADER).text.splitlines()):
        match = _POWER_ROW.fullmatch(line)
        if match is None:
            raise ReportError(part.name, _HEADER, f"no line of a power table: {line.strip()!r}")
        name = match[2]
        watts = part.finite(match[3], name)
        # The dynamic fraction of a part that draws nothing is 0 / 0.
        nothing = watts == 0 and match[5].lstrip("-") == "nan"
        dynamic = None if nothing else part.finite(match[5], f"{name}, %-Dynamic")
        if watts < 0 or not (dynamic is None or 0 <= dynamic <= 1):
            raise ReportError(part.name, name, f"no power: {match[3]} W, {match[5]} dynamic")
        rows.append(PowerRow(component=name, depth=len(match[1]), total_W=watts, dynamic=dynamic))
    return tuple(rows)


def _row(report: ReportText, table: tuple[PowerRow, ...], name: str, depth: int) -> PowerRow:
    found = [row for row in table if (row.component, row.depth) == (name, depth)]
    if len(found) != 1:
        problem = "not found" if not found else f"found {len(found)} times, not once"
        raise ReportError(report.name, rf"^{' ' * depth}{name} ", problem)
    return found[0]
