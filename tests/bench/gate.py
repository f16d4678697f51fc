"""The gate: measure a case, compare it with its baseline, and measure again if it looks worse.

``baseline.json`` holds counts, and ratios by machine; only ``--update-baseline`` writes it.
``tolerances.yaml`` holds how much a figure may lose and why, and the goals.

A slow-down persists, noise does not: some noise changes from round to round, some from process to
process with the layout of memory. A ratio that lost more than half its band is measured in
``RETRIES`` more processes and judged from all rounds; only then can it fail.
"""

from __future__ import annotations

import json
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
    read_baseline,
)
from ohmbench.benchmarks.timing import Race
from ohmbench.fields import Record
from ohmbench.files import read_yaml
from tests.bench.cases import Case, difference
from tests.bench.cases.case import SEED
from tests.bench.fresh import peak, rounds
from tests.bench.plants import planted

BASELINE = Path(__file__).with_name("baseline.json")
TOLERANCES = Path(__file__).with_name("tolerances.yaml")

BUDGET_S = 9.0
"""Time for one case's first rounds."""
FEWEST_ROUNDS, MOST_ROUNDS = 6, 60
SLOW_ROUNDS = 4
"""Rounds of slow cases, whose reference takes half a minute: too few for a narrow band."""
RETRIES = 2
"""Further processes, each with as many rounds as the first. A baseline always uses them, because an
error in it affects every later run.
"""


class Tolerances(Record):
    """The bands of all figures, those of single benchmarks that need others, and the goals."""

    bands: dict[Label, Band]
    others: dict[Name, dict[Label, Band]]
    goals: dict[Name, Goal]

    def of(self, name: str, figures: set[str]) -> dict[str, Band]:
        """The bands of a benchmark with these figures."""
        known = {**self.bands, **self.others.get(name, {})}
        return {figure: band for figure, band in known.items() if figure in figures}


def read_tolerances(path: Path = TOLERANCES) -> Tolerances:
    return Tolerances.model_validate_json(json.dumps(read_yaml(path)))


def stored_baseline(path: Path = BASELINE) -> Baseline:
    return read_baseline(path) if path.exists() else Baseline({})


def rounds_for(case: Case, seconds: float) -> int:
    """Number of rounds of ``seconds`` that fit the budget; even, since two orders alternate."""
    if case.slow:
        return SLOW_ROUNDS
    wanted = min(MOST_ROUNDS, max(FEWEST_ROUNDS, int(BUDGET_S / seconds)))
    return -(-wanted // 2) * 2


class Trial:
    """One case under measurement: its race, figures that need no timing, and the record of both.

    ``round_s``: expected duration of a round in seconds.
    """

    def __init__(self, case: Case, plant: str | None, flops: float) -> None:
        self.case, self.plant = case, plant
        pair = planted(case.make(), plant)
        self.bound_s = pair.operations / flops
        self.race = Race(pair.reference, pair.ours)
        self.first = 0
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

    def again(self) -> None:
        """Run as many rounds as the first process ran, in another process."""
        self.first = self.first or len(self.race.rounds)
        self.race.rounds += rounds(self.case.name, self.first, self.plant)

    def check(self) -> None:
        """Raise AssertionError where the fast path's result differs from the reference's."""
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
    """Whether other processes used too much of the cores for a ratio to mean anything."""
    return found.speed is not None and found.speed.others > BUSY


def suspicious(verdicts: list[Verdict], found: Measurement) -> bool:
    """Whether a ratio lost more than half its band, above the noise floor or not, and more rounds
    could help: they cannot while other processes use the cores.
    """
    worse = found.bands[RATIO].worse
    return not busy(found) and any(
        v.figure == RATIO and v.change is not None and v.change < -worse / 2 for v in verdicts
    )


def judged(
    trial: Trial, tolerances: Tolerances, baseline: Baseline, machine: Machine
) -> tuple[Measurement, list[Verdict]]:
    """The trial's record and verdicts, after runs in more processes if its ratio may be worse."""
    found = trial.measurement(tolerances)
    verdicts = judge_against(baseline, found, machine)
    for _ in range(RETRIES):
        if not suspicious(verdicts, found):
            break
        trial.again()
        found = trial.measurement(tolerances)
        verdicts = judge_against(baseline, found, machine)
    return found, verdicts
