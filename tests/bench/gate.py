"""The gate: a case measured, held against its baseline, measured again where that looks bad.

``baseline.json`` holds counts, and ratios by machine; only ``--update-baseline`` writes it.
``tolerances.yaml`` holds what a figure may lose and why, and the goals.

A slow-down persists, noise does not. A ratio that lost more than its band is measured in more
rounds, up to ``RETRIES`` times, and judged from all of its rounds; only then it is red.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from ohmbench.benchmarks.judging import BUSY, RATIO, Verdict, judge_against
from ohmbench.benchmarks.records import (
    Band,
    Baseline,
    Difference,
    Goal,
    Label,
    Machine,
    Measurement,
    Memory,
    Name,
    Record,
    read_baseline,
)
from ohmbench.benchmarks.timing import Race
from ohmbench.files import read_yaml
from tests.bench.cases import Case, Done, Pair, difference
from tests.bench.cases.case import SEED
from tests.bench.peak import peak

BASELINE = Path(__file__).with_name("baseline.json")
TOLERANCES = Path(__file__).with_name("tolerances.yaml")

BUDGET_S = 9.0
"""Of one case's first rounds."""
FEWEST_ROUNDS, MOST_ROUNDS = 6, 60
UPDATE_ROUNDS = 3
"""So many times more for a baseline: what is off in it is off in every run after."""
SLOW_ROUNDS = 4
"""Of slow cases, whose reference takes half a minute: for the table, too few for a narrow band."""
RETRIES = 2
"""Each doubles the rounds there are."""


class Tolerances(Record):
    """The bands of all figures, those of single benchmarks that need others, and the goals."""

    bands: dict[Label, Band]
    others: dict[Name, dict[Label, Band]]
    goals: dict[Name, Goal]

    def of(self, name: str, figures: set[str]) -> dict[str, Band]:
        """The bands of a benchmark that has these figures."""
        known = {**self.bands, **self.others.get(name, {})}
        return {figure: band for figure, band in known.items() if figure in figures}


def read_tolerances(path: Path = TOLERANCES) -> Tolerances:
    return Tolerances.model_validate_json(json.dumps(read_yaml(path)))


def stored_baseline(path: Path = BASELINE) -> Baseline:
    return read_baseline(path) if path.exists() else Baseline({})


# ------------------------------------------------------------------------------------------------
# Faults to plant, so that the gate can be seen red


def slowed(call: Callable[[], Done], part: float = 0.1) -> Callable[[], Done]:
    """``call``, and idle turns for ``part`` of the time it took."""

    def slow() -> Done:
        start = time.perf_counter()
        found = call()
        end = time.perf_counter()
        while time.perf_counter() - end < part * (end - start):
            pass
        return found

    return slow


def doubled(call: Callable[[], Done]) -> Callable[[], Done]:
    """``call`` that evaluates everything twice, and counts it."""

    def twice() -> Done:
        first, second = call(), call()
        counts = {k: n + second.counts[k] for k, n in first.counts.items()}
        return Done(second.values, counts)

    return twice


def wrong(call: Callable[[], Done]) -> Callable[[], Done]:
    """``call`` whose first result is off by a hundredth."""

    def off() -> Done:
        found = call()
        return Done((1.01 * found.values[0], *found.values[1:]), found.counts)

    return off


PLANTS = {"slow": slowed, "evaluations": doubled, "wrong": wrong}


def planted(pair: Pair, plant: str | None) -> Pair:
    return pair if plant is None else replace(pair, ours=PLANTS[plant](pair.ours))


# ------------------------------------------------------------------------------------------------
# Measuring and judging


def rounds_for(case: Case, seconds: float, *, update: bool = False) -> int:
    """Rounds of so many seconds that fit the budget; even, since two orders take turns."""
    if case.slow:
        return SLOW_ROUNDS
    wanted = min(MOST_ROUNDS, max(FEWEST_ROUNDS, int(BUDGET_S / seconds)))
    return -(-wanted // 2) * 2 * (UPDATE_ROUNDS if update else 1)


class Trial:
    """One case under measurement: its race, what needs no clock, and the record of both.

    ``round_s``: what a round will take.
    """

    def __init__(self, case: Case, plant: str | None, flops: float) -> None:
        self.case = case
        pair = planted(case.make(), plant)
        self.bound_s = pair.operations / flops
        self.race = Race(pair.reference, pair.ours)
        reference, ours, self.round_s = self.race.warm_up()
        self.difference = Difference(value=difference(ours, reference), bound=pair.bound)
        found = peak(case.name)
        self.memory = Memory(
            reference_bytes=found["reference_bytes"], ours_bytes=found["ours_bytes"]
        )
        self.counts = {
            **ours.counts,
            "operations": pair.operations,
            "allocated_bytes": found["allocated_bytes"],
        }

    def check(self) -> None:
        """Raise AssertionError where ours is another result than the reference's."""
        found = self.difference
        assert found.value <= found.bound, (
            f"{self.case.name}: results differ by {found.value:.2g} of the largest, "
            f"but should by at most {found.bound:.2g}: what is wrong needs no timing"
        )

    def measurement(self, tolerances: Tolerances) -> Measurement:
        name = self.case.name
        return Measurement(
            name=name,
            seed=SEED,
            items=self.case.items,
            unit=self.case.unit,
            speed=self.race.speed(self.bound_s),
            memory=self.memory,
            difference=self.difference,
            counts=self.counts,
            bands=tolerances.of(name, {RATIO, "memory_ratio", *self.counts}),
            goal=tolerances.goals.get(name),
        )


def busy(found: Measurement) -> bool:
    """Whether other processes had too much of the cores for a ratio to mean anything."""
    return found.speed is not None and found.speed.others > BUSY


def suspicious(verdicts: list[Verdict], found: Measurement) -> bool:
    """Whether a ratio lost more than its band, above the noise floor or not, and more rounds could
    tell: not where the cores belong to somebody else."""
    worse = found.bands[RATIO].worse
    return not busy(found) and any(
        v.figure == RATIO and v.change is not None and v.change < -worse for v in verdicts
    )


def judged(
    trial: Trial, tolerances: Tolerances, baseline: Baseline, machine: Machine
) -> tuple[Measurement, list[Verdict]]:
    """The trial's record and its verdicts, after more rounds where its ratio got worse."""
    found = trial.measurement(tolerances)
    verdicts = judge_against(baseline, found, machine)
    for _ in range(RETRIES):
        if not suspicious(verdicts, found):
            break
        for _ in range(len(trial.race.rounds)):
            trial.race.round()
        found = trial.measurement(tolerances)
        verdicts = judge_against(baseline, found, machine)
    return found, verdicts
