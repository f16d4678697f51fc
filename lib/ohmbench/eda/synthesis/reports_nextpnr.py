"""Reading nextpnr-ecp5's output: its JSON report (``--report``) and its log."""

from __future__ import annotations

import json
import math
import re
from typing import Any

from ohmbench.eda.synthesis.reports import ReportError, ReportText
from ohmbench.eda.synthesis.result import Area, CriticalPath, PathElement

NS = 1e-9
MHZ = 1e6
CLOCK = "clk_i"
"""The accelerator's only clock."""
MULTIPLIER, MEMORY, LUT_MEMORY = "MULT18X18D", "DP16KD", "TRELLIS_RAMW"
WIRE_UNIT = "tiles, half perimeters after placement"

_SAME_DELAY = 1e-4  # relative: the report's numbers were float32


class NextpnrReport:
    """A nextpnr report; every figure is looked up strictly. Raises ReportError."""

    def __init__(self, text: ReportText) -> None:
        self.name = text.name
        try:
            self.content: Any = json.loads(text.text, parse_constant=self._no_constant)
        except ValueError as error:
            raise ReportError(self.name, "(the file itself)", f"not valid JSON ({error})") from None

    def _no_constant(self, text: str) -> float:
        raise ValueError(f"{text} is not a number")

    def at(self, *keys: str | int) -> Any:
        """The value at ``keys``, outermost key first. Raises ReportError where there is none."""
        value = self.content
        for key in keys:
            try:
                value = value[key]
            except (KeyError, IndexError, TypeError):
                raise ReportError(self.name, _path(keys), "not found") from None
        return value

    def number(self, *keys: str | int) -> float:
        """The finite number at ``keys``. Raises ReportError where there is none."""
        value = self.at(*keys)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ReportError(self.name, _path(keys), f"{value!r} is not a number")
        if not math.isfinite(value):
            raise ReportError(self.name, _path(keys), f"{value!r} is not finite")
        return float(value)

    def count(self, *keys: str | int) -> int:
        """The whole number, 0 or more, at ``keys``. Raises ReportError where there is none."""
        value = self.at(*keys)
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise ReportError(self.name, _path(keys), f"{value!r} is not a count")
        return value

    def text(self, *keys: str | int) -> str:
        """The text at ``keys``. Raises ReportError where there is none."""
        value = self.at(*keys)
        if not isinstance(value, str):
            raise ReportError(self.name, _path(keys), f"{value!r} is not text")
        return value


def _path(keys: tuple[str | int, ...]) -> str:
    return "/".join(map(str, keys))


def fmax_Hz(report: NextpnrReport) -> float:
    """Fmax of the accelerator's clock, which must be the only one."""
    clocks = report.at("fmax")
    if not isinstance(clocks, dict) or list(clocks) != [CLOCK]:
        raise ReportError(report.name, f"fmax/{CLOCK}", "not the only clock")
    return report.number("fmax", CLOCK, "achieved") * MHZ


def critical_path(report: NextpnrReport, fmax: float) -> CriticalPath:
    """The path between two rising edges of the clock; its delay must be 1 / ``fmax``."""
    paths = report.at("critical_paths")
    edge = f"posedge {CLOCK}"
    wanted = f"critical_paths from {edge} to {edge}"
    found = [
        n
        for n in range(len(paths) if isinstance(paths, list) else 0)
        if {report.text("critical_paths", n, end) for end in ("from", "to")} == {edge}
    ]
    if len(found) != 1:
        problem = "not found" if not found else f"found {len(found)} times, not once"
        raise ReportError(report.name, wanted, problem)
    at = ("critical_paths", found[0], "path")
    if not report.at(*at):
        raise ReportError(report.name, wanted, "has no elements")
    elements = tuple(_element(report, (*at, k)) for k in range(len(report.at(*at))))
    total = sum(element.delay_s for element in elements)
    if not math.isclose(total * fmax, 1, rel_tol=_SAME_DELAY):
        problem = f"its elements add up to {total / NS:g} ns, which is not {fmax / MHZ:g} MHz"
        raise ReportError(report.name, wanted, problem)
    return CriticalPath(
        start=_pin(report, (*at, 0, "from")),
        end=_pin(report, (*at, len(elements) - 1, "to")),
        delay_s=1 / fmax,
        elements=elements,
    )


def _pin(report: NextpnrReport, at: tuple[str | int, ...]) -> str:
    return f"{report.text(*at, 'cell')}.{report.text(*at, 'port')}"


def _element(report: NextpnrReport, at: tuple[str | int, ...]) -> PathElement:
    return PathElement(
        at=_pin(report, (*at, "to")),
        kind=report.text(*at, "type"),
        delay_s=report.number(*at, "delay") * NS,
    )


def area(report: NextpnrReport, log: ReportText) -> Area:
    """Cells in use. The wire length is the last one that the placer prints in the log."""

    def used(kind: str) -> int:
        return report.count("utilization", kind, "used")

    placed = r"^Info:   at iteration #\d+: temp = \S+ timing cost = \S+ wirelen = (\S+) *$"
    return Area(
        logic_blocks=used("TRELLIS_COMB"),
        luts=log.count(r"^Info: +Total LUT4s: +(\S+)/\d+ +\d+%$"),
        flip_flops=used("TRELLIS_FF"),
        multiplier_blocks=used(MULTIPLIER),
        multipliers={MULTIPLIER: used(MULTIPLIER)},
        memory_blocks=used(MEMORY),
        memories={MEMORY: used(MEMORY), LUT_MEMORY: used(LUT_MEMORY)},
        grid=None,
        grid_limited_by=None,
        wire_length=log.finite(log.last(placed)[1], placed),
        wire_unit=WIRE_UNIT,
    )


def check_success(log: ReportText) -> None:
    """Raise ReportError unless nextpnr routed everything and says that it finished."""
    log.one(r"^Info: Routing complete\.$")
    log.one(r"^Info: Program finished normally\.$")


def does_not_fit(log: ReportText) -> str | None:
    """The kind of cell that the device has too few of, with the numbers, or None."""
    for kind, used, available in _utilisation(log):
        if used > available:
            return f"{used} {kind}, but the device has {available}"
    return None


def _utilisation(log: ReportText) -> list[tuple[str, int, int]]:
    found = re.findall(r"^Info: \t *(\w+): +(\d+)/ *(\d+) +\d+%$", log.text, flags=re.MULTILINE)
    return [(kind, int(used), int(available)) for kind, used, available in found]
