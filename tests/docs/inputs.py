"""What the generated text is made of: files of the repository, each read once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel
from ruamel.yaml import YAML

from ohmbench.benchmarks.records import Baseline, Goal, read_baseline
from ohmbench.claims.ledger import Claim, ClaimMeasurement, ClaimStatus, read_ledger
from ohmbench.claims.outcomes import Outcome
from ohmbench.fields import Record
from ohmbench.weights import StoredWeights, read_manifest
from tests.synth.goldens import Golden, read_goldens

from .pages import DOCS, ROOT

LEDGER = ROOT / "tests" / "repro" / "claims.yaml"
BASELINE = ROOT / "tests" / "bench" / "baseline.json"
GOALS = ROOT / "tests" / "bench" / "tolerances.yaml"
CLAIMS = DOCS / "results" / "ledger-run.json"
VTR = DOCS / "results" / "vtr.json"


class Found(Record):
    """What a run established of one claim."""

    status: ClaimStatus
    value: float | None = None
    detail: str = ""
    reason: str = ""


class StoredClaims(Record):
    """One run of the ledger: the command, its circumstances, and what it found by claim."""

    command: str
    commit: str
    date: date
    processor: str
    versions: dict[str, str]
    found: dict[str, Found]


class Spread(Record):
    """A median over placement seeds, with the least and the most of them."""

    median: float
    least: float
    most: float


class Published(Record):
    """The paper's accelerator in the paper's flow."""

    fmax_MHz: Spread
    interval_clocks: int
    power_mW: Spread
    static_part: float
    energy_uJ: float
    logic_blocks: int
    multiplier_blocks: int
    memory_blocks: int
    grid_side: int


class Previous(Record):
    """The structure that our accelerator had before."""

    fmax_MHz: float
    energy_uJ: float
    energy_simulated_uJ: float


class Designs(Record):
    """The designs that are compared, by one flow and the same seeds."""

    command: str
    commit: str
    date: date
    seeds: tuple[int, ...]
    published: Published
    ours_energy_simulated_uJ: Spread
    previous: Previous


class Point(Record):
    """One design of the sweep; medians over placement seeds."""

    lanes: int
    fmax_MHz: float
    interval_clocks: int
    power_mW: float
    energy_uJ: Spread
    logic_blocks: int
    multiplier_blocks: int
    memory_blocks: int
    grid_side: int


class Sweep(Record):
    """A sweep over lanes."""

    command: str
    commit: str
    date: date
    seeds: tuple[int, ...]
    not_routed: tuple[int, ...]
    points: tuple[Point, ...]


class StoredVtr(Record):
    """Runs of the paper's flow, which few machines have."""

    tools: str
    note: str
    designs: Designs
    sweep: Sweep


@dataclass(frozen=True)
class Inputs:
    """All of it."""

    ledger: dict[str, Claim]
    claims: StoredClaims
    manifest: dict[str, StoredWeights]
    goldens: dict[str, Golden]
    baseline: Baseline
    goals: dict[str, Goal]
    vtr: StoredVtr

    def outcome(self, claim_id: str) -> Outcome:
        """A claim as the stored run found it."""
        claim, found = self.ledger[claim_id], self.claims.found[claim_id]
        measured = (
            None
            if found.value is None
            else ClaimMeasurement(id=claim_id, value=found.value, detail=found.detail)
        )
        return Outcome.of(claim, measured, found.reason)

    def golden(self, flow: str) -> tuple[str, Golden]:
        """The golden of a flow, and the key that names its device, tools and design."""
        (found,) = [(k, g) for k, g in self.goldens.items() if k.startswith(f"{flow} |")]
        return found


@cache
def inputs() -> Inputs:
    """Everything, from the files of the repository."""
    goals = YAML(typ="safe").load(GOALS)["goals"]
    return Inputs(
        ledger=read_ledger(LEDGER),
        claims=_read(CLAIMS, StoredClaims),
        manifest=read_manifest(),
        goldens=read_goldens(),
        baseline=read_baseline(BASELINE),
        goals={name: Goal.model_validate(goal) for name, goal in goals.items()},
        vtr=_read(VTR, StoredVtr),
    )


R = TypeVar("R", bound=BaseModel)


def _read(path: Path, kind: type[R]) -> R:
    return kind.model_validate_json(path.read_bytes())
