"""Simulated activity in the paper's flow, on a small accelerator. Needs a VTR.

The netlist is an independent check of what VTR makes of the Verilog: real digits run through it,
exact to the bit.
"""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ohmbench.digital.store import load_int8
from ohmbench.digital.widths import Hardware
from ohmbench.eda.synthesis import activity, reports_vpr, vtr
from ohmbench.eda.synthesis.activity import WARM_UP, Stimulus
from ohmbench.eda.synthesis.blif import Netlist, read_blif
from ohmbench.eda.synthesis.design import TOP, source
from ohmbench.eda.synthesis.flows import Finished, save, synthesise
from ohmbench.eda.synthesis.reports import ReportText, read_report
from ohmbench.eda.synthesis.result import Clocks, Report, Synthesis, read_record
from ohmbench.eda.synthesis.runs import take
from ohmbench.eda.tools import ToolError
from ohmbench.errors import HardwareFailure
from ohmbench.weights import stored

pytestmark = [pytest.mark.vtr, pytest.mark.needs("vtr", "verilator", "compiler")]

HARDWARE = Hardware(64, 100, 10, lanes=4, requants=1)
SEED = 1


def stimulus(images: int = activity.IMAGES) -> Stimulus:
    path = stored("int8-digits")
    assert path is not None
    data = load_int8(path)
    return Stimulus("int8-digits", data.network, data.images().x, images)


@pytest.fixture(scope="module")
def finished() -> Finished:
    return synthesise("vtr", HARDWARE, [SEED], stimulus=stimulus())


@pytest.fixture(scope="module")
def run(finished: Finished) -> Synthesis:
    return finished.report.runs[0]


@pytest.fixture
def work(finished: Finished, tmp_path: Path) -> Path:
    """The run's files, as VTR left them."""
    for name in vtr.kept_files(TOP):
        if name.startswith(TOP):
            take(finished.folders[0], name, tmp_path / name)
    take(finished.folders[0], vtr.VPR_OUT, tmp_path / "vectorless.out")
    return tmp_path


@pytest.fixture
def circuit(work: Path) -> Netlist:
    return read_blif((work / f"{TOP}.pre-vpr.blif").read_text(), f"{TOP}.pre-vpr.blif")


def test_every_result_is_the_golden_models(run: Synthesis, finished: Finished) -> None:
    found = run.activity
    assert found is not None
    assert found.images == activity.IMAGES
    assert found.checked == WARM_UP + found.images + 1
    assert found.clocks == found.images * finished.report.clocks.interval


def test_both_powers(run: Synthesis, finished: Finished) -> None:
    """Activity changes the power of what switches, but not placement and the clock's power."""
    before, after = run.power, run.power_simulated
    assert before is not None
    assert after is not None
    assert (before.activity, after.activity) == ("vectorless", "simulated")
    assert after.clock_W == before.clock_W
    # Leakage depends slightly on how long nets are 1.
    assert after.static_W == pytest.approx(before.static_W, rel=0.1)
    assert after.total_W != before.total_W
    energy = [finished.report.at(simulated=simulated)[0].energy_J for simulated in (False, True)]
    assert energy[1] / energy[0] == pytest.approx(after.total_W / before.total_W)


def test_the_vectorless_power_is_unchanged(run: Synthesis) -> None:
    plain, _ = vtr.synthesise(source(HARDWARE), SEED)
    assert plain.power == run.power
    assert plain.power_simulated is None
    assert (
        plain.identity()
        == run.model_copy(update={"power_simulated": None, "activity": None}).identity()
    )


def test_power_estimated_anew_is_the_same_to_the_byte(run: Synthesis, work: Path) -> None:
    """With ACE's activities, VPR's estimate on the kept placement equals the run's own estimate."""
    first = (work / vtr.power_file(TOP)).read_bytes()
    (work / vtr.power_file(TOP)).unlink()
    activity.estimate_power(work, run, vtr.activity_file(TOP))
    assert (work / vtr.power_file(TOP)).read_bytes() == first


def test_a_fault_in_the_netlist_is_caught(circuit: Netlist) -> None:
    """One entry of one truth table is flipped. Not every entry is ever reached, and not every wrong
    low bit of a sum is visible after the shift, so it is enough that one of sixteen is seen.
    """
    few = stimulus(2)
    activity.count(circuit, HARDWARE, few)
    rng = np.random.default_rng(1)
    wide = [k for k, table in enumerate(circuit.tables) if len(table.inputs) >= 2]
    for k in rng.choice(wide, 16, replace=False):
        table = circuit.tables[k]
        faulty = copy(circuit)
        faulty.tables = list(circuit.tables)
        entry = int(rng.integers(1 << len(table.inputs)))
        faulty.tables[k] = replace(table, bits=table.bits ^ (1 << entry))
        try:
            activity.count(faulty, HARDWARE, few)
        except HardwareFailure:
            return
    pytest.fail("none of sixteen faults was seen")


def test_another_interval_is_caught(circuit: Netlist) -> None:
    wrong = Clocks(load=1, latency=1, interval=1, mean_interval=1.0, simulator="none")
    with pytest.raises(HardwareFailure, match=r"2 images took \d+ clocks, not 1 each"):
        activity.count(circuit, HARDWARE, stimulus(2), wrong)


def test_an_activity_file_that_lacks_a_net_is_refused(work: Path) -> None:
    path = work / vtr.activity_file(TOP)
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[1:]))
    with pytest.raises(ToolError, match=rf"1 nets of {TOP}\.pre-vpr\.blif are not in"):
        activity.write_activity(work, HARDWARE, stimulus(2))


def test_vpr_has_every_net(run: Synthesis, work: Path) -> None:
    """VPR refuses a file that lacks one of its nets, so no net of the estimate is a guess."""
    path = work / vtr.activity_file(TOP)
    lines = path.read_text().splitlines(keepends=True)
    swept = activity._swept(read_report(work / "vectorless.out"))
    kept = next(line for line in lines if line.split()[0] not in swept and "lo0" in line)
    path.write_text("".join(line for line in lines if line != kept))
    with pytest.raises(ToolError, match=r"does not contain signal|VPR failed"):
        activity.estimate_power(work, run, vtr.activity_file(TOP))


def test_kept_with_the_result(finished: Finished, tmp_path: Path) -> None:
    save(finished, tmp_path / "out")
    assert read_record(tmp_path / "out" / "result.json", Report) == finished.report
    folder = tmp_path / "out" / f"seed-{SEED}"
    powers = [folder / vtr.power_file(TOP), folder / "simulated" / vtr.power_file(TOP)]
    timing = reports_vpr.timing(read_report_of(folder, vtr.VPR_OUT, tmp_path))
    found = [
        reports_vpr.power(read_report(path), kind, timing)
        for path, kind in zip(powers, ("vectorless", "simulated"), strict=True)
    ]
    assert found == [finished.report.runs[0].power, finished.report.runs[0].power_simulated]


def read_report_of(folder: Path, name: str, tmp_path: Path) -> ReportText:
    take(folder, name, tmp_path / name)
    return read_report(tmp_path / name)
