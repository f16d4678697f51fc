"""The parsers on excerpts of real reports, and on the same excerpts with one thing wrong.

``excerpts/``: parts of what VTR 9.0.0 and nextpnr 0.11.1 wrote for an earlier accelerator
(64-100-10, 13 lanes). Every line that was kept is unchanged; the JSON lacks net timings and unused
cells.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ohmbench.eda.synthesis import reports_nextpnr, reports_vpr
from ohmbench.eda.synthesis.reports import ReportError, ReportText, read_report
from ohmbench.eda.tools import ToolError

EXCERPTS = Path(__file__).parent / "excerpts"
TIMING = reports_vpr.Timing(9.04548e-9, 110.552e6)
FMAX = 51.722354888916016e6


def excerpt(name: str) -> ReportText:
    return read_report(EXCERPTS / name)


# File name -> all functions that read from it.
READERS: dict[str, Callable[[ReportText], object]] = {
    "vpr.out": lambda text: (
        reports_vpr.check_success(text),
        reports_vpr.version(text),
        reports_vpr.timing(text),
        reports_vpr.area(text),
    ),
    "accelerator.power": lambda text: reports_vpr.power(text, "vectorless", TIMING),
    "report_timing.setup.rpt": lambda text: reports_vpr.critical_path(text, TIMING),
    "report.json": lambda text: (
        reports_nextpnr.fmax_Hz(reports_nextpnr.NextpnrReport(text)),
        reports_nextpnr.critical_path(reports_nextpnr.NextpnrReport(text), FMAX),
        reports_nextpnr.area(reports_nextpnr.NextpnrReport(text), excerpt("nextpnr.log")),
    ),
    "nextpnr.log": lambda text: (
        reports_nextpnr.check_success(text),
        reports_nextpnr.area(reports_nextpnr.NextpnrReport(excerpt("report.json")), text),
    ),
}


def test_vpr() -> None:
    text = excerpt("vpr.out")
    assert reports_vpr.version(text).startswith("9.0.0-dev+")
    assert reports_vpr.timing(text) == TIMING
    area = reports_vpr.area(text)
    assert (area.logic_blocks, area.luts, area.flip_flops) == (1040, 5647, 5821)
    assert area.multipliers == {"mult_9x9": 124, "mult_36x36": 2}
    assert area.multiplier_blocks == 33
    assert area.memories == {"mem_512x64_sp": 22, "mem_1024x32_dp": 2}
    assert area.memory_blocks == 24
    assert (area.grid, area.grid_limited_by) == ((40, 40), "clb")
    assert area.wire_length == 156914


def test_vpr_power() -> None:
    power = reports_vpr.power(excerpt("accelerator.power"), "vectorless", TIMING)
    assert power.total_W == 0.8249
    assert power.dynamic_W == pytest.approx(0.8249 * 0.6629)
    assert power.static_W == pytest.approx(0.8249 * (1 - 0.6629))
    parts = (power.routing_W, power.clock_W, power.logic_W, power.memory_W, power.multipliers_W)
    assert parts == (0.3013, 0.01345, 0.3116, 0.08988, 0.1086)
    assert (power.temperature_C, power.voltage_V) == (85, 1.3)
    assert [row.component for row in power.table if row.depth == 1] == [
        *("Routing", "PB Types", "Clock"),
    ]
    idle = [row for row in power.table_by_block if row.total_W == 0]
    assert idle
    assert all(row.dynamic is None for row in idle)


def test_vpr_critical_path() -> None:
    path = reports_vpr.critical_path(excerpt("report_timing.setup.rpt"), TIMING)
    assert path.start.endswith("B[6].Q[0]")
    assert path.end == "single_port_ram^MEM~37-34^out~0.addr[5]"
    assert sum(e.delay_s for e in path.elements) == pytest.approx(path.delay_s, abs=2e-12)
    kinds = [e.kind for e in path.elements]
    assert kinds.count(".names") == 12
    assert kinds.count("routing") == 13
    assert kinds.count(".latch clock-to-output") == 1
    assert next(e.delay_s for e in path.elements if e.kind == "setup") == pytest.approx(0.509e-9)


def test_nextpnr() -> None:
    report = reports_nextpnr.NextpnrReport(excerpt("report.json"))
    assert reports_nextpnr.fmax_Hz(report) == FMAX
    path = reports_nextpnr.critical_path(report, FMAX)
    assert path.start == "first_layer.store.bank[0].memory.words.0.1.DOB7"
    assert [e.kind for e in path.elements] == [
        *("clk-to-q", "routing", "logic", "routing", "logic", "routing", "setup"),
    ]
    area = reports_nextpnr.area(report, excerpt("nextpnr.log"))
    assert (area.luts, area.logic_blocks, area.flip_flops) == (6865, 7431, 6132)
    assert area.multipliers == {"MULT18X18D": 128}
    assert area.memories == {"DP16KD": 33, "TRELLIS_RAMW": 32}
    assert area.wire_length == 165952


def test_what_does_not_fit_is_named() -> None:
    log = excerpt("nextpnr.log")
    assert reports_nextpnr.does_not_fit(log) is None
    full = ReportText(log.name, log.text.replace("128/    156    82%", "208/    156   133%"))
    assert reports_nextpnr.does_not_fit(full) == "208 MULT18X18D, but the device has 156"


# Altered reports: file, a text in it (once or more), its replacement. None: the text occurs twice.
DOCTORED: dict[str, tuple[str, str, str | None]] = {
    "no critical path": ("vpr.out", "Final critical path delay", "Final path delay"),
    "two critical paths": ("vpr.out", "Final critical path delay (least slack): 9.04548 ns, "
                           "Fmax: 110.552 MHz\n", None),
    "delay not a number": ("vpr.out", "9.04548 ns", "nan ns"),
    "delay in other units": ("vpr.out", "9.04548 ns", "9.04548 ps"),
    "Fmax of another delay": ("vpr.out", "110.552 MHz", "221.104 MHz"),
    "Fmax in other units": ("vpr.out", "110.552 MHz", "0.110552 GHz"),
    "did not succeed": ("vpr.out", "VPR succeeded", "VPR failed"),
    "no version": ("vpr.out", "Version: ", "Release: "),
    "no flip-flops": ("vpr.out", "    ff   ", "    fx   "),
    "fewer multipliers in the tree": ("vpr.out", "  mult_36                  : 33",
                                      "  mult_36                  : 32"),
    "more multipliers in the netlist": ("vpr.out", "33\tblocks of type: mult_36",
                                        "66\tblocks of type: mult_36"),
    "a count with a fraction": ("vpr.out", "1040\tblocks", "1040.5\tblocks"),
    "no wire length": ("vpr.out", "Total wirelength: 156914", "Total wirelength: -"),
    "infinite wire length": ("vpr.out", "Total wirelength: 156914", "Total wirelength: inf"),
    "no grid": ("vpr.out", "FPGA sized to 40 x 40:", "FPGA sized to 40x40:"),
    "no tree": ("vpr.out", "Pb types usage...", "Pb types:"),
    "a memory less": ("vpr.out", "   mem_1024x32_dp          : 2\n", ""),
    "a multiplier less": ("vpr.out", "mult_9x9              : 124", "mult_9x9              : 123"),
    "no total": ("accelerator.power", "\nTotal ", "\nSum   "),
    "two totals": ("accelerator.power", "Total                           0.8249      1           "
                   "0.6629      \n", None),
    "total not a number": ("accelerator.power", "0.8249 ", "nan    "),
    "other unit": ("accelerator.power", "Power (W)", "Power (mW)"),
    "dynamic part above one": ("accelerator.power", "0.6629 ", "1.6629 "),
    "dynamic part not a number": ("accelerator.power", "0.6629 ", "-nan   "),
    "negative power": ("accelerator.power", "0.01345 ", "-0.0134 "),
    "no memory": ("accelerator.power", "\nmemory ", "\nstores "),
    "power of another clock": ("accelerator.power", "9.04548e-09", "4.52274e-09"),
    "no temperature": ("accelerator.power", "Temperature: 85", "Temperature:"),
    "no path": ("report_timing.setup.rpt", "#Path 1\n", ""),
    "path in other units": ("report_timing.setup.rpt", "1e-09 seconds", "1e-12 seconds"),
    "another path": ("report_timing.setup.rpt", "-9.045\n", "-8.045\n"),
    "an element longer": ("report_timing.setup.rpt", "1.596     8.579", "2.596     8.579"),
    "no setup time": ("report_timing.setup.rpt", "cell setup time", "cell set-up time"),
    "an element not a number": ("report_timing.setup.rpt", "1.596     8.579", "  nan     8.579"),
    "no Fmax": ("report.json", '"achieved"', '"reached"'),
    "Fmax not a number": ("report.json", "51.722354888916016", "NaN"),
    "Fmax as text": ("report.json", "51.722354888916016", '"51.7"'),
    "another clock": ("report.json", '"clk_i"', '"clk2_i"'),
    "no multipliers": ("report.json", "MULT18X18D", "MULT9X9D"),
    "a count that is none": ("report.json", '"used": 128', '"used": 128.5'),
    "a shorter path": ("report.json", "5.829999923706055", "4.829999923706055"),
    "no path of the clock": ("report.json", '"posedge clk_i"', '"negedge clk_i"'),
    "cut off": ("report.json", '"used": 33', ""),
    "not routed": ("nextpnr.log", "Info: Routing complete.", "Info: Routing."),
    "ended twice": ("nextpnr.log", "Info: Program finished normally.\n", None),
    "no placement": ("nextpnr.log", "wirelen = ", "length = "),
    "no LUTs": ("nextpnr.log", "Total LUT4s:", "LUT4s:"),
}  # fmt: skip


@pytest.mark.parametrize(("file", "text", "instead"), DOCTORED.values(), ids=DOCTORED)
def test_doctored_report_is_refused(file: str, text: str, instead: str | None) -> None:
    real = excerpt(file)
    READERS[file](real)
    assert text in real.text, "the doctored text is not in the excerpt"
    wrong = real.text.replace(text, text * 2 if instead is None else instead)
    with pytest.raises(ReportError) as caught:
        READERS[file](ReportText(file, wrong))
    assert str(caught.value).startswith(f"{file}: ")
    assert "\n" not in str(caught.value)


def test_a_report_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match=r"^vpr\.out: cannot open: no such file .*: \(the file"):
        read_report(tmp_path / "vpr.out")
    (tmp_path / "vpr.out").write_bytes(b"\xff\xfe")
    with pytest.raises(ToolError, match=r"^vpr\.out: is not text"):
        read_report(tmp_path / "vpr.out")


def launched(*rows: tuple[str, str]) -> list[str]:
    text = "".join(f"{point}    {delay}    {delay}\n" for point, delay in rows)
    return [element.kind for element in reports_vpr._launched(ReportText("a path", text))]


def test_a_path_from_an_input_leaves_no_register() -> None:
    to_lut = (("a.inpad[0] (.input)", "0.1"), ("n.in[0] (.names)", "0.5"))
    assert launched(*to_lut, ("n.out[0] (.names)", "0.2")) == ["routing", "routing", ".names"]
    register = (("r.clk[0] (.latch)", "0.0"), ("r.Q[0] (.latch) [clock-to-output]", "0.1"))
    assert launched(*register, to_lut[1]) == ["clock", ".latch clock-to-output", "routing"]


@pytest.mark.parametrize("value", ["true", "null", "[]"])
def test_a_number_is_neither_a_truth_value_nor_nothing(value: str) -> None:
    report = reports_nextpnr.NextpnrReport(ReportText("report.json", f'{{"a": {value}, "b": 2}}'))
    assert report.number("b") == 2.0
    with pytest.raises(ReportError, match="is not a number"):
        report.number("a")


def test_only_what_draws_nothing_has_no_dynamic_part() -> None:
    def table(watts: str, dynamic: str) -> list[float | None]:
        head = "Component    Power (W)  %-Total  %-Dynamic  Method\n"
        line = f"Total  {watts}  1  {dynamic}\n"
        return [r.dynamic for r in reports_vpr._table(ReportText("x.power", head + line))]

    assert table("1.0", "0") == [0.0]
    assert table("0", "-nan") == [None]
    with pytest.raises(ReportError):
        table("1.0", "nan")
