"""Compare a run with what was stored before: better, worse, or too close to tell.

A ratio is judged only if it changed by more than the noise floor; otherwise the verdict says that
it was not judged. Counts have no noise and are the same on every machine: any change beyond their
band counts.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import Enum

from ohmbench.benchmarks.records import (
    Band,
    Baseline,
    Entry,
    Level,
    Machine,
    Measurement,
    Run,
    Speed,
)

RATIO = "ratio"
MEMORY_RATIO = "memory_ratio"
BUSY = 0.1
"""No ratio is judged if other processes used more than this part of the cores' time: threads that
wait for each other then lose many times as much."""

UNKNOWN = 99.0
"""Noise floor on a busy machine: larger than any change."""

_ROUNDING = 1e-15
"""Tolerance for rounding of logarithms, so that a change of exactly the band is within it."""

UPDATE = "pytest tests/bench --update-baseline stores it"


class Status(str, Enum):
    """Result of the comparison of one figure."""

    SAME = "same"
    BETTER = "better"
    NOT_JUDGED = "not judged"
    WORSE = "WORSE"
    MISSING = "MISSING"

    @property
    def red(self) -> bool:
        """Whether a figure of this status fails its test."""
        return self in (Status.WORSE, Status.MISSING)


@dataclass(frozen=True)
class Verdict:
    """One figure of one benchmark: ``before`` and ``now`` (None: missing), and a line about it."""

    name: str
    figure: str
    status: Status
    before: float | None
    now: float | None
    line: str

    @property
    def change(self) -> float | None:
        """Relative to ``before``. Positive is an increase, which is worse for a count."""
        if self.before is None or self.now is None or not self.before:
            return None
        return self.now / self.before - 1


@dataclass(frozen=True)
class Standing:
    """The figures of one benchmark by name, and the noise floor of its ratio.

    ``elsewhere``: the figures were measured on another machine.
    """

    figures: Mapping[str, float]
    floor: float = 0.0
    elsewhere: bool = False


def floor(speed: Speed) -> float:
    """The noise floor: the largest relative change of a ratio that may be noise.

    It is the largest of three terms: half of the largest deviation of the A/A pair from 1 (the
    ratio averages both of the pair); the longer half of the ratio's confidence interval; and the
    time that one side alone may have lost to other processes. ``UNKNOWN`` on a busy machine.
    """
    if speed.others > BUSY:
        return UNKNOWN
    ratio, same = speed.ratio, speed.same
    pair = max(-math.log(same.low), math.log(same.high)) / 2
    interval = math.log(max(ratio.high / ratio.value, ratio.value / ratio.low))
    return math.expm1(max(pair, interval, -math.log1p(-speed.others)))


def standing(measurement: Measurement) -> Standing:
    """The standing of a benchmark in a run."""
    figures: dict[str, float] = dict(measurement.counts)
    if measurement.memory is not None:
        figures[MEMORY_RATIO] = measurement.memory.ratio
    if measurement.speed is None:
        return Standing(figures)
    return Standing({RATIO: measurement.speed.ratio.value, **figures}, floor(measurement.speed))


def stored_standing(entry: Entry, machine: Machine) -> Standing:
    """The standing of a baseline on this machine or, if it has none, the lowest of all others."""
    level = entry.machines.get(machine.key)
    levels = list(entry.machines.values()) if level is None else [level]
    figures: dict[str, float] = dict(entry.counts)
    for figure in (RATIO, MEMORY_RATIO):
        values = [v for v in (getattr(known, figure) for known in levels) if v is not None]
        if values:
            figures[figure] = min(values)
    return Standing(figures, max(known.floor for known in levels), elsewhere=level is None)


def _text(figure: str, value: float) -> str:
    return f"{value:.4g}" if figure in (RATIO, MEMORY_RATIO) else f"{value:.0f}"


def _compared(
    name: str, figure: str, before: float, now: float, band: Band, floor: float, elsewhere: bool
) -> Verdict:
    better_is_more = figure in (RATIO, MEMORY_RATIO)
    gain = math.log(now / before) if now > 0 and before > 0 else now - before
    gain = gain if better_is_more else -gain
    allowed = band.allowed(same_machine=not elsewhere)
    # On a logarithmic scale a tenth slower and a tenth faster are equally far. "worse: 0" allows
    # no change.
    limit = -math.log1p(-allowed) if better_is_more else math.log1p(allowed)
    noise = math.log1p(floor) if figure == RATIO else 0.0
    step = f"{_text(figure, before)} -> {_text(figure, now)}"
    place = " on another machine" if elsewhere and band.elsewhere is not None else ""
    if figure == RATIO and (abs(gain) <= noise or floor >= UNKNOWN):
        status = Status.NOT_JUDGED
        busy = "other processes had too much of the cores"
        below = f"below the noise floor of {100 * floor:.1f} %"
        line = f"{step}: not judged, {busy if floor >= UNKNOWN else below}"
    elif gain < -limit - _ROUNDING:
        status = Status.WORSE
        line = (
            f"{step}: worse by more than the {100 * allowed:g} % it may be{place} ({band.why}); "
            f"where that is meant, {UPDATE}"
        )
    elif gain > limit + _ROUNDING and not place:
        status, line = Status.BETTER, f"{step}: better; {UPDATE}"
    else:
        status, line = Status.SAME, f"{step}: within {100 * allowed:g} %{place}"
    return Verdict(name, figure, status, before, now, f"{name}: {figure} {line}")


def judge(name: str, before: Standing, now: Standing, bands: Mapping[str, Band]) -> list[Verdict]:
    """Judge every figure of either side. One without a band, or on one side only, is missing."""
    verdicts = []
    both = math.expm1(math.hypot(math.log1p(before.floor), math.log1p(now.floor)))
    for figure in sorted({*before.figures, *now.figures, *bands}):
        old, new = before.figures.get(figure), now.figures.get(figure)
        if figure not in bands:
            lack = "has no band"
        elif old is None and new is None:
            lack = "has a band, but is neither stored nor measured"
        elif old is None:
            lack = f"was not stored before; {UPDATE}"
        elif new is None:
            lack = "was stored, but not measured"
        else:
            verdicts.append(
                _compared(name, figure, old, new, bands[figure], both, before.elsewhere)
            )
            continue
        line = f"{name}: {figure} {lack}"
        verdicts.append(Verdict(name, figure, Status.MISSING, old, new, line))
    return verdicts


def _missing(name: str, lack: str) -> Verdict:
    """The verdict on a benchmark that one side lacks entirely."""
    return Verdict(name, "baseline", Status.MISSING, None, None, f"{name}: {lack}")


def judge_against(baseline: Baseline, found: Measurement, machine: Machine) -> list[Verdict]:
    """Judge a measurement on ``machine`` against the baseline. Without an entry it is missing."""
    entry = baseline.root.get(found.name)
    if entry is None:
        return [_missing(found.name, f"has no baseline; {UPDATE}")]
    return judge(found.name, stored_standing(entry, machine), standing(found), found.bands)


def not_run(baseline: Baseline, ran: Iterable[str], reasons: Mapping[str, str]) -> list[Verdict]:
    """A missing verdict for every benchmark of the baseline that did not run; ``reasons`` by
    name."""
    return [
        _missing(
            name,
            "has a baseline, but did not run" + (f": {reasons[name]}" if name in reasons else ""),
        )
        for name in sorted(set(baseline.root) - set(ran))
    ]


def compare(before: Run | Baseline, now: Run) -> list[Verdict]:
    """Compare a run with the baseline, or with an earlier run by the earlier run's bands where it
    has them."""
    machine = now.circumstances.machine
    verdicts = []
    for name in sorted(now.measurements):
        found = now.measurements[name]
        if isinstance(before, Baseline):
            verdicts += judge_against(before, found, machine)
        elif name not in before.measurements:
            verdicts.append(_missing(name, "is not in the earlier run"))
        else:
            earlier = before.measurements[name]
            elsewhere = before.circumstances.machine != machine
            old = replace(standing(earlier), elsewhere=elsewhere)
            verdicts += judge(name, old, standing(found), {**found.bands, **earlier.bands})
    names = before.root if isinstance(before, Baseline) else before.measurements
    for name in sorted(set(names) - set(now.measurements)):
        verdicts.append(_missing(name, "is not in the later run"))
    return verdicts


def updated(
    baseline: Baseline, found: Iterable[Measurement], run_of: tuple[Machine, str, dict[str, str]]
) -> Baseline:
    """The baseline with these measurements added; ``run_of`` is their machine, commit and versions.
    Levels of other machines stay."""
    machine, commit, versions = run_of
    entries = dict(baseline.root)
    for one in found:
        old = entries.get(one.name)
        level = Level(
            ratio=None if one.speed is None else one.speed.ratio.value,
            floor=0.0 if one.speed is None else floor(one.speed),
            memory_ratio=None if one.memory is None else one.memory.ratio,
            commit=commit,
            versions=versions,
        )
        others = {} if old is None else old.machines
        entries[one.name] = Entry(counts=one.counts, machines={**others, machine.key: level})
    return Baseline(entries)
