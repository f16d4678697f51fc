"""A claim on a number line: where the published value, the tolerance and our value lie."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from ohmbench.claims.ledger import Claim, ClaimMeasurement, number_text
from ohmbench.claims.outcomes import Outcome

_LARGEST = 1e300
"""Differences of larger numbers overflow."""
_MARGIN = 0.12
_TICKS = 5
_NUMBER = r"[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?"
_INTERVAL = re.compile(rf"95 %[^0-9;]*?({_NUMBER}) to ({_NUMBER})")


@dataclass(frozen=True)
class Mark:
    """A value at ``at`` percent of the line; ``kind`` is "published", "here" or "bound"."""

    kind: str
    at: float
    label: str

    @property
    def anchor(self) -> str:
        """Which end of the label the mark is at, so that the label stays on the line."""
        return "start" if self.at < 20 else "end" if self.at > 80 else "middle"


@dataclass(frozen=True)
class Span:
    """A part of the line in percent; ``kind`` is "tolerance", "known", "allowed" or "interval"."""

    kind: str
    start: float
    width: float
    label: str


@dataclass(frozen=True)
class NumberLine:
    """What to draw, all places in percent of the line's length."""

    spans: Sequence[Span]
    marks: Sequence[Mark]
    ticks: Sequence[Mark]

    @property
    def description(self) -> str:
        """The same in words, for those who do not see it."""
        return "; ".join([*(m.label for m in self.marks), *(s.label for s in self.spans)])


def interval_of(measurement: ClaimMeasurement) -> tuple[float, float] | None:
    """The 95 % interval of a measurement: its own, else the one that its detail names.

    A text's interval counts only where it holds the value: a detail may speak of other values.
    """
    if measurement.interval is not None:
        return measurement.interval
    for low, high in _INTERVAL.findall(measurement.detail):
        if float(low) <= measurement.value <= float(high):
            return float(low), float(high)
    return None


def _spans(claim: Claim, value: float | None) -> list[tuple[str, float, float, str]]:
    """Kind, both ends and label of each band; an open end is infinite."""
    found: list[tuple[str, float, float, str]] = []
    by = claim.tolerance
    if isinstance(claim.published, float | int) and by is not None:
        low, high = claim.published - by, claim.published + by
        found.append(("tolerance", low, high, f"tolerance: published value ± {by:g}"))
    if claim.ours is not None and by is not None:
        label = f"expected here: {number_text(claim.ours)} ± {by:g}"
        found.append(("known", claim.ours - by, claim.ours + by, label))
    if claim.at_least is not None or claim.at_most is not None:
        low = -math.inf if claim.at_least is None else claim.at_least
        high = math.inf if claim.at_most is None else claim.at_most
        found.append(("allowed", low, high, f"target: {claim.expected_text}"))
    return found


def number_line(outcome: Outcome) -> NumberLine | None:
    """The line of a claim; None where it has no finite number to show, or one too large to draw."""
    claim, measurement = outcome.claim, outcome.measurement
    marks: list[tuple[str, float, str]] = []
    if isinstance(claim.published, float | int) and math.isfinite(claim.published):
        marks.append(("published", claim.published, "published"))
    value = None
    if measurement is not None and math.isfinite(measurement.value):
        value = measurement.value
    spans = _spans(claim, value)
    interval = None if measurement is None else interval_of(measurement)
    if interval is not None and all(map(math.isfinite, interval)):
        low, high = map(number_text, interval)
        spans.append(("interval", *interval, f"95 % interval: {low} to {high}"))
    marks += [
        ("bound", bound, f"{sign} target")
        for bound, sign in ((claim.at_least, "≥"), (claim.at_most, "≤"))
        if bound is not None and math.isfinite(bound)
    ]
    if value is not None:
        marks.append(("here", value, "here"))
    ends = [end for _, low, high, _ in spans for end in (low, high) if math.isfinite(end)]
    points = [at for _, at, _ in marks] + ends
    if not marks or max(map(abs, points)) > _LARGEST:
        return None
    start, stop = _domain(points)

    def percent(at: float) -> float:
        return round(100 * (min(max(at, start), stop) - start) / (stop - start), 3)

    return NumberLine(
        spans=[Span(k, percent(a), round(percent(b) - percent(a), 3), t) for k, a, b, t in spans],
        marks=[Mark(kind, percent(at), f"{t} {number_text(at)}") for kind, at, t in marks],
        ticks=[Mark("tick", percent(at), number_text(at)) for at in _ticks(start, stop)],
    )


def _domain(points: Sequence[float]) -> tuple[float, float]:
    low, high = min(points), max(points)
    room = _MARGIN * (high - low)
    # A single value stands in the middle of a line about it.
    if room <= 1e-9 * max(abs(low), abs(high)):
        room = 0.1 * max(abs(low), abs(high)) or 1.0
    return low - room, high + room


def _ticks(start: float, stop: float) -> list[float]:
    """Round numbers inside the line, a few."""
    raw = (stop - start) / _TICKS
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * k for k in (1, 2, 5, 10) if power * k >= raw)
    first, last = math.ceil(start / step), math.floor(stop / step)
    return [k * step for k in range(first, last + 1)]
