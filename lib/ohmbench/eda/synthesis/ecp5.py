"""The flow that runs everywhere: Yosys and nextpnr for Lattice ECP5, both Python packages.

The core has more pins than any package, so it is placed "out of context", as a part of a larger
design would be: without pads, and with its clock in the general routing. nextpnr ignores clock skew
in either case. Fmax is that of the paths between registers.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from ohmbench.eda.cache import content_key
from ohmbench.eda.synthesis import reports_nextpnr as reports
from ohmbench.eda.synthesis.design import TOP, VerilogSource
from ohmbench.eda.synthesis.reports import ReportError, read_report
from ohmbench.eda.synthesis.result import Cost, Synthesis, Versions
from ohmbench.eda.synthesis.runs import DoesNotFit, Failed, kept_run, run_measured, take
from ohmbench.eda.tools import TOOLS, ToolError, require
from ohmbench.eda.verilog import write_verilog
from ohmbench.eda.yosys import REPORTING, read_besides
from ohmbench.fields import Record

DEVICE = "LFE5U-85F-6"
"""The largest ECP5, in its slowest speed grade; 13 lanes of eight multipliers need this size."""
OPTIONS = (
    *("--85k", "--package", "CABGA756", "--speed", "6"),
    *("--out-of-context", "--timing-allow-fail", "--freq", "100"),
)
"""The frequency is nextpnr's target. Missing it is not a failure: Fmax is what nextpnr reaches."""
TIMEOUT_S = 3600

_VERILOG, _NETLIST, _STAT, _YOSYS_LOG = "accelerator.v", "netlist.json", "stat.json", "yosys.log"
_REPORT, _LOG = "report.json", "nextpnr.log"
REPORTS = (_REPORT, _LOG)
"""The reports that are kept with a run's result."""


class MappedNetlist(Record):
    """What Yosys made: number of cells of each type, and the cost of the run."""

    cells: dict[str, int] = Field(min_length=1)
    cost: Cost


def versions() -> Versions:
    """Versions of the tools. Raises ToolError when one is missing."""
    for name in ("yosys", "nextpnr"):
        require(name)
    tools = {name: TOOLS[name].version() for name in ("yosys", "nextpnr")}
    return Versions(tools=tools, files={})


def _script() -> str:
    return f"read_verilog {_VERILOG}\nsynth_ecp5 -top {TOP} -json {_NETLIST}\n" + (
        f"tee -q -o {_STAT} stat -json\n"
    )


def netlist(source: VerilogSource) -> tuple[MappedNetlist, Path]:
    """The design in ECP5 cells, and the folder that keeps it. From the cache or made now (seconds).

    Raises ToolError when Yosys is missing or fails.
    """
    program = require("yosys")
    key = f"ecp5-netlist-{content_key(TOOLS['yosys'].version(), _script(), source.verilog)}"

    def make(work: Path) -> tuple[MappedNetlist, tuple[str, ...]]:
        write_verilog(work / _VERILOG, source.verilog)
        (work / "script.ys").write_text(_script(), encoding="utf-8")
        cost = run_measured(
            [program, "-q", "-l", _YOSYS_LOG, *REPORTING, "script.ys"],
            work,
            log="yosys.out",
            name="yosys",
            timeout_s=TIMEOUT_S,
            error="ERROR",
        )
        report = reports.NextpnrReport(read_report(work / _STAT))
        kinds = report.at("design", "num_cells_by_type")
        cells = {kind: report.count("design", "num_cells_by_type", kind) for kind in kinds}
        return MappedNetlist(cells=cells, cost=cost), (_NETLIST, _STAT, _YOSYS_LOG, _VERILOG)

    return kept_run(key, MappedNetlist, make, reads=read_besides)


def synthesise(source: VerilogSource, seed: int, *, anew: bool = False) -> tuple[Synthesis, Path]:
    """Place and route with this seed; return the result and the folder that keeps its reports.

    From the cache, or made now (minutes); ``anew`` ignores the cache. Raises ToolError when a tool
    is missing or fails, or when the design does not fit.
    """
    program, known = require("nextpnr"), versions()
    _, made = netlist(source)
    options = (*OPTIONS, "--seed", str(seed))
    key = f"ecp5-{content_key(made.name, known.model_dump_json(), repr(options))}"

    def make(work: Path) -> tuple[Synthesis, tuple[str, ...]]:
        take(made, _NETLIST, work / _NETLIST)
        try:
            cost = run_measured(
                [program, "--json", _NETLIST, *options, "--report", _REPORT, "-q", "-l", _LOG],
                work,
                log="nextpnr.out",
                name="nextpnr",
                timeout_s=TIMEOUT_S,
                error="ERROR",
            )
        except Failed as error:
            raise _explained(error, work, source) from None
        return _read(work, source, seed, options, known, cost), REPORTS

    return kept_run(key, Synthesis, make, anew=anew)


def _explained(error: Failed, work: Path, source: VerilogSource) -> ToolError:
    try:
        reason = reports.does_not_fit(read_report(work / _LOG))
    except ReportError:
        return error
    if reason is None:
        return error
    return DoesNotFit(f"{source.design.name} does not fit {DEVICE}: it needs {reason}")


def _read(
    work: Path,
    source: VerilogSource,
    seed: int,
    options: tuple[str, ...],
    known: Versions,
    cost: Cost,
) -> Synthesis:
    report, log = reports.NextpnrReport(read_report(work / _REPORT)), read_report(work / _LOG)
    reports.check_success(log)
    fmax = reports.fmax_Hz(report)
    return Synthesis(
        flow="ecp5",
        device=DEVICE,
        design=source.design,
        seed=seed,
        options=options,
        versions=known,
        fmax_Hz=fmax,
        critical_path=reports.critical_path(report, fmax),
        area=reports.area(report, log),
        cost=cost,
    )
