"""The accelerator through the paper's flow, compared with its goldens. Needs a VTR."""

from __future__ import annotations

import pytest

from ohmbench.eda.synthesis import vtr
from ohmbench.eda.synthesis.design import source
from ohmbench.eda.synthesis.flows import synthesise
from ohmbench.eda.synthesis.result import Report

from .goldens import CASES, JOBS, figures, gate, golden_for, judge, key, read_bands, read_goldens

pytestmark = [pytest.mark.vtr, pytest.mark.needs("vtr", "verilator", "compiler")]

CASE = CASES["vtr"]


@pytest.fixture(scope="module")
def found() -> Report:
    return synthesise("vtr", CASE.hardware, CASE.seeds, jobs=JOBS).report


def test_calibration() -> None:
    compared = vtr.calibrate()
    assert {figure.what.partition(",")[0] for figure in compared.compared} == {
        *("critical path delay", "total power"),
    }
    assert all(figure.within for figure in compared.compared)


def test_gate(found: Report, request: pytest.FixtureRequest) -> None:
    gate(found, request.config)


def test_every_golden_of_these_tools_ran(found: Report) -> None:
    here = key(found).rpartition(" | ")[0]
    stored = {k for k in read_goldens() if k.rpartition(" | ")[0] == here}
    assert stored == {key(found)}


def test_every_result_holds_the_calibration(found: Report) -> None:
    assert all(run.calibration == vtr.calibrate() for run in found.runs)


def test_same_seed_same_result(found: Report) -> None:
    """A second run that ignores the cache is identical to the first except for time and memory."""
    again, _ = vtr.synthesise(source(CASE.hardware), CASE.seeds[0], anew=True)
    assert again.identity() == found.runs[0].identity()


def test_more_power_is_red(found: Report) -> None:
    golden = golden_for(found, read_goldens()).figures
    measured = figures(found)
    worse = measured | {"power_mW": 1.2 * golden["power_mW"]}
    assert [c.partition(" ")[0] for c in judge(golden, worse, read_bands()["vtr"])] == ["power_mW"]
