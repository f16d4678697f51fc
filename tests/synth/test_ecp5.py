"""The accelerator through Yosys and nextpnr, compared with its goldens; faults fail the gate."""

from __future__ import annotations

from pathlib import Path

import pytest

from ohmbench.eda.cache import CACHE_VARIABLE
from ohmbench.eda.synthesis import ecp5
from ohmbench.eda.synthesis.clocks import count_clocks
from ohmbench.eda.synthesis.design import VerilogSource, source
from ohmbench.eda.synthesis.flows import synthesise
from ohmbench.eda.synthesis.result import Report
from ohmbench.eda.synthesis.runs import DoesNotFit, take
from tests.unit.hostile_environment import ODD

from .goldens import CASES, JOBS, figures, gate, golden_for, judge, key, read_bands, read_goldens
from .planted import bubble, doubled_multiplier

pytestmark = pytest.mark.needs("nextpnr", "yosys", "verilator", "compiler")

CASE = CASES["ecp5"]


@pytest.fixture(scope="module")
def found() -> Report:
    return synthesise("ecp5", CASE.hardware, CASE.seeds, jobs=JOBS).report


@pytest.fixture(scope="module")
def golden(found: Report) -> dict[str, float]:
    return golden_for(found, read_goldens()).figures


def complaints(golden: dict[str, float], measured: dict[str, float]) -> list[str]:
    return judge(golden, measured, read_bands()["ecp5"])


def test_gate(found: Report, request: pytest.FixtureRequest) -> None:
    gate(found, request.config)


def test_every_golden_of_these_tools_ran(found: Report) -> None:
    here = key(found).rpartition(" | ")[0]
    stored = {k for k in read_goldens() if k.rpartition(" | ")[0] == here}
    assert stored == {key(found)}


def test_critical_path_adds_up(found: Report) -> None:
    for run in found.runs:
        total = sum(element.delay_s for element in run.critical_path.elements)
        assert total == pytest.approx(1 / run.fmax_Hz, rel=1e-4)


def test_netlist_and_device_count_the_same(found: Report) -> None:
    """Yosys and nextpnr agree on the counts that packing cannot change."""
    made, _ = ecp5.netlist(source(CASE.hardware))
    for run in found.runs:
        assert run.area.flip_flops == made.cells["TRELLIS_FF"]
        assert run.area.multiplier_blocks == made.cells["MULT18X18D"]
        assert run.area.memory_blocks == made.cells["DP16KD"]


# ------------------------------------------------------------------------------------------------
# What a kept netlist depends on

ROM = """
module accelerator (input wire clk_i, input wire [1:0] at_i, output reg [7:0] q_o);
  reg [7:0] rom [0:3];
  initial $readmemh("{data}", rom);
  always @(posedge clk_i) q_o <= rom[at_i];
endmodule
"""


def test_a_netlist_is_of_the_data_that_it_read(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Tested in folders whose names contain characters that are special to shells."""
    folder = tmp_path / ODD
    folder.mkdir()
    monkeypatch.setenv(CACHE_VARIABLE, str(folder / "cache"))
    # Relative to where Yosys runs: its sandbox has another /tmp.
    rom = VerilogSource(source(CASE.hardware).design, ROM.format(data="../../../../rom.hex"))
    made = []
    for words in ("1 2 4 8", "1 2 4 8", "3 2 4 8", "1 2 4 8"):
        (folder / "rom.hex").write_text(words)
        _, kept = ecp5.netlist(rom)
        take(kept, "netlist.json", folder / "netlist.json")
        made.append((kept, (folder / "netlist.json").read_text()))
    assert made[0] == made[1] == made[3]
    assert made[2][0] != made[0][0]
    assert made[2][1] != made[0][1]


# ------------------------------------------------------------------------------------------------
# Planted faults


def test_a_pipeline_bubble_is_red(golden: dict[str, float], found: Report, tmp_path: Path) -> None:
    clocks = count_clocks(CASE.hardware, bubble(tmp_path, found.clocks.interval))
    assert clocks.interval == found.clocks.interval + 1
    worse = found.model_copy(update={"clocks": clocks})
    (complaint,) = complaints(golden, figures(worse))
    assert complaint.startswith("interval_clocks is ")


def test_a_doubled_multiplier_is_red(golden: dict[str, float], tmp_path: Path) -> None:
    planted, _ = ecp5.netlist(source(CASE.hardware, doubled_multiplier(tmp_path)))
    measured = golden | {"multiplier_blocks": planted.cells["MULT18X18D"]}
    (complaint,) = complaints(golden, measured)
    assert complaint.startswith("multiplier_blocks is ")


def test_a_slower_result_is_red(golden: dict[str, float], found: Report) -> None:
    slow = [run.model_copy(update={"fmax_Hz": 0.8 * run.fmax_Hz}) for run in found.runs]
    (complaint,) = complaints(golden, figures(found.model_copy(update={"runs": tuple(slow)})))
    assert complaint.startswith("fmax_MHz is ")


def test_other_hardware_has_no_golden(found: Report) -> None:
    design = found.design.model_copy(update={"lanes": CASE.hardware.lanes + 1})
    runs = tuple(run.model_copy(update={"design": design}) for run in found.runs)
    with pytest.raises(AssertionError, match="no golden for ecp5"):
        golden_for(found.model_copy(update={"runs": runs}), read_goldens())


TOO_LARGE = """
module accelerator (input wire clk_i, input wire [1599:0] a, b, output reg [3199:0] products);
  genvar k;
  generate
    for (k = 0; k < 200; k = k + 1)
      always @(posedge clk_i) products[16*k +: 16] <= a[8*k +: 8] * b[8*k +: 8];
  endgenerate
endmodule
"""


def test_more_than_the_device_has_is_one_line() -> None:
    with pytest.raises(DoesNotFit, match="needs 200 MULT18X18D, but the device has 156"):
        ecp5.synthesise(VerilogSource(source(CASE.hardware).design, TOO_LARGE), 1)
