"""Written faults, the published design's among them: each is caught by two checks or more.

All faults are in one build, each switched on by its number (``mutants/faults.py``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

from ohmbench.digital.widths import Hardware
from ohmbench.eda.simulation import Simulation
from ohmbench.eda.verilator import Build, build_library
from tests.eda.mutation import Fault, MutationError, plant

from .checks import CHECKS, rejected
from .mutants.faults import FAULTS, OWN, PUBLISHED

pytestmark = pytest.mark.needs("verilator", "compiler")

NAMES = [fault.name for fault in FAULTS]
INDEPENDENT = 2
NAMED = {
    "B1": "published",
    "B2": "published",
    "B3": "published",
    "B4": "published",
    "B5": "busy_memories",
    "B7": "busy_settings",
    "B8": "unlisted",
    "B9": "readback",
}
"""The check made for a published fault; B6 is about signals, each of which has its own."""


def catches() -> dict[str, list[str]]:
    """The checks that reject each fault; under "" those that reject the sources without one."""
    build = Build(Hardware(64, 100, 10), plant(FAULTS), mutants=True)
    library = build_library(build)
    found = {}
    for k, name in enumerate(["", *NAMES]):
        with Simulation(build, library=library) as simulation:
            simulation.select_mutant(k)
            found[name] = [n for n, check in CHECKS.items() if rejected(simulation, check)]
    return found


def test_every_fault_is_caught_and_every_check_catches(report: Callable[[str], None]) -> None:
    """One test, since a process that ran one fault has paid for all of them."""
    found = catches()
    assert found.pop("") == [], "a check rejects the sources without a fault"
    counts = Counter(check for by in found.values() for check in by)
    rows = (f"{check:16} rejects {counts[check]:3} of {len(FAULTS)} faults" for check in CHECKS)
    report("\n".join(rows))
    missed = {name: by for name, by in found.items() if len(by) < INDEPENDENT}
    assert not missed, f"caught by fewer than {INDEPENDENT} checks: {missed}"
    for fault in PUBLISHED:
        by = found[fault.name]
        assert NAMED.get(fault.published, by[0]) in by, f"{fault.name}: caught by {by} only"
    # A check that rejects no fault says nothing when it passes.
    assert not [check for check in CHECKS if not counts[check]]


def test_how_many() -> None:
    """Every published fault that is one of behaviour, and at least thirty of our own."""
    assert {fault.published for fault in PUBLISHED} == {f"B{k}" for k in range(1, 10)}
    assert len(OWN) >= 30
    assert len(set(NAMES)) == len(NAMES)


def test_a_fault_must_apply() -> None:
    good = FAULTS[0]
    for place, message in (
        ("no such text «here»", "0 times, not once"),
        ("«PAIRS» > 1", "2 times, not once"),
        (".activations_i(nothing marked)", "no «expression»"),
    ):
        with pytest.raises(MutationError, match=message):
            plant([Fault(good.name, good.file, place, "1'b0", "")])
    with pytest.raises(MutationError, match="no file"):
        plant([Fault(good.name, "none.v", good.place, "1'b0", "")])
    with pytest.raises(MutationError, match="overlaps"):
        plant([good, Fault("inside", good.file, ".activations_i(«hidden»_o)", "1'b0", "")])
