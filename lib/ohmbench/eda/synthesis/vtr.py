"""The paper's flow: VTR (parmys, ABC, ACE, VPR) on its 130 nm architecture, with power.

``VTR_ROOT`` names the VTR; architecture and technology files are part of it. The first use of an
installed VTR calibrates it (``calibration``), and every result includes the comparison.
"""

from __future__ import annotations

import re
from functools import cache
from itertools import takewhile
from pathlib import Path

from ohmbench.eda.cache import CACHE_VARIABLE, content_key
from ohmbench.eda.synthesis import calibration, reports_vpr
from ohmbench.eda.synthesis.design import TOP, VerilogSource
from ohmbench.eda.synthesis.reports import ReportError, read_report
from ohmbench.eda.synthesis.result import Calibration, Cost, Synthesis, Versions
from ohmbench.eda.synthesis.runs import DoesNotFit, Failed, kept_run, run_measured
from ohmbench.eda.tools import TOOLS, VTR_FLOW, ToolError, require, vtr_python, vtr_root
from ohmbench.eda.verilog import SIMPLE_PATH, data_files, write_verilog
from ohmbench.errors import FileError, one_line
from ohmbench.fields import Record
from ohmbench.files import read_text, sha256_file

ARCHITECTURE = "vtr_flow/arch/power/k6_N10_I40_Fi6_L4_frac0_ff1_130nm.xml"
TECHNOLOGY = "vtr_flow/tech/PTM_130nm/130nm.xml"
DEVICE = Path(ARCHITECTURE).stem
OPTIONS = ("--route_chan_width", "100")
"""The paper's channel width."""
TIMEOUT_S = 3600

_STAGE_ERROR = re.compile(
    r"^Message:|^ERROR|\b[Ee]rror:|terminated by signal|^Circuit is unroutable"
)
_UNROUTABLE = "Circuit is unroutable"

LOG, STATUS = "run_vtr_flow.log", "output.txt"
VPR_OUT, TIMING, FRONT_END = "vpr.out", "report_timing.setup.rpt", "parmys.out"


def power_file(circuit: str) -> str:
    """The name of VPR's power report for ``circuit``."""
    return f"{circuit}.power"


def activity_file(circuit: str) -> str:
    """The name of the file with the activities of the nets of ``circuit``."""
    return f"{circuit}.act"


def kept_files(circuit: str) -> tuple[str, ...]:
    """The files that are kept with a run's result: the reports, and what a new power estimate needs
    (the netlist that VPR read, its clusters, placement, routing, and activity).
    """
    stages = (f"{circuit}.{part}" for part in ("pre-vpr.blif", "net", "place", "route", "v"))
    return (
        *(LOG, STATUS, VPR_OUT, TIMING, FRONT_END, "ace.out", "abc0.out"),
        *(power_file(circuit), activity_file(circuit), *stages),
    )


class Figures(Record):
    """The figures in the reports of one run, for any circuit."""

    delay_s: float
    power_W: float
    cost: Cost


def root() -> Path:
    """The folder of the VTR in use. Raises ToolError when there is no working VTR."""
    require("vtr")
    found = vtr_root()
    if found is None:
        raise ToolError(TOOLS["vtr"].missing())
    return found


@cache
def _hashes(folder: Path) -> tuple[tuple[str, str], ...]:
    return tuple((Path(n).name, sha256_file(folder / n)) for n in (ARCHITECTURE, TECHNOLOGY))


def versions() -> Versions:
    """VPR's version and the hashes of the target's files. Raises ToolError or FileError."""
    files = dict(_hashes(root()))
    return Versions(tools={"vtr": TOOLS["vtr"].version()}, files=files)


def run_flow(verilog: str, circuit: str, seed: int, work: Path) -> Cost:
    """Run VTR's flow on one Verilog text; its files are then in ``work``.

    Raises ToolError when the flow fails, even if its exit status is 0.
    """
    vtr = root()
    if not SIMPLE_PATH.fullmatch(str(work)):
        raise ToolError(
            f"{work}: VTR hands paths to shells and scripts; set {CACHE_VARIABLE} to a folder "
            "whose path has only letters, digits and / . _ + - in it"
        )
    (work / "source").mkdir()  # VTR copies the circuit to the folder in which it runs
    text = work / "source" / f"{circuit}.v"
    write_verilog(text, verilog)
    command = [
        vtr_python(),
        str(vtr / VTR_FLOW),
        str(text.absolute()),
        str(vtr / ARCHITECTURE),
        *("-power", "-cmos_tech", str(vtr / TECHNOLOGY)),
        *("-temp_dir", str(work.absolute())),
        *OPTIONS,
        *("--seed", str(seed)),
    ]
    try:
        cost = run_measured(
            command, work, log=LOG, name="VTR's flow", timeout_s=TIMEOUT_S, error="failed"
        )
    except Failed as error:
        reason = _reason(work)
        kind = DoesNotFit if _UNROUTABLE in reason else ToolError
        raise kind(f"{error}{reason}, seed {seed}") from None
    read_report(work / LOG).one(rf"^\S+/{circuit}\s+OK \(took .*\)$")
    status = read_report(work / STATUS)
    status.one(r"^vpr_status=success$")
    status.one(r"^error=\s*$")
    reports_vpr.check_success(read_report(work / VPR_OUT))
    return cost


def _reason(work: Path) -> str:
    """The last message of the stage that failed; VTR's script only names the stage."""
    for log in (VPR_OUT, "ace.out", "abc0.out", FRONT_END):
        if not (work / log).is_file():
            continue
        lines = (work / log).read_text(encoding="utf-8", errors="replace").splitlines()
        # The lines after that one are the time and memory of the stage.
        ran = list(takewhile(lambda line: "Command being timed" not in line, lines))
        said = [line.strip() for line in ran if line.strip()]
        errors = [line for line in said if _STAGE_ERROR.search(line)]
        return f"; {log}: {one_line((errors or said or ['is empty'])[-1])}"
    return ""


def calibrate() -> Calibration:
    """The calibration of the VTR in use: from the cache, or run now (seconds).

    Raises ToolError when VTR cannot be run, and OutOfBand when its results are out of the allowed
    band.
    """
    vtr, known = root(), versions()
    circuit = Path(calibration.CIRCUIT)
    try:
        verilog, golden = read_text(vtr / circuit), read_text(vtr / calibration.GOLDEN)
    except FileError as error:
        raise ToolError(f"{error.path}: {error.reason}: VTR cannot be calibrated") from None
    key = content_key(known.model_dump_json(), verilog, golden, repr(OPTIONS))

    def make(work: Path) -> tuple[Figures, tuple[str, ...]]:
        cost = run_flow(verilog, circuit.stem, 1, work)
        timing = reports_vpr.timing(read_report(work / VPR_OUT))
        report = read_report(work / power_file(circuit.stem))
        power = reports_vpr.power(report, "vectorless", timing)
        figures = Figures(delay_s=timing.delay_s, power_W=power.total_W, cost=cost)
        return figures, (LOG, VPR_OUT, power_file(circuit.stem))

    figures, _ = kept_run(f"vtr-calibration-{key}", Figures, make)
    found = calibration.compare(
        vtr / calibration.GOLDEN, known.tools["vtr"], figures.delay_s, figures.power_W
    )
    calibration.check(found)
    return found


def synthesise(source: VerilogSource, seed: int, *, anew: bool = False) -> tuple[Synthesis, Path]:
    """Run the flow with this seed; return the result and the folder that keeps its files.

    From the cache, or made now (minutes); ``anew`` ignores the cache. Raises ToolError.
    """
    known, compared, data = versions(), calibrate(), data_files(source.verilog)
    options = (*OPTIONS, "--seed", str(seed))
    key = f"vtr-{content_key(known.model_dump_json(), repr(options), source.verilog)}"

    def make(work: Path) -> tuple[Synthesis, tuple[str, ...]]:
        cost = run_flow(source.verilog, TOP, seed, work)
        return read_run(work, source, seed, known, compared, cost), kept_files(TOP)

    found, folder = kept_run(key, Synthesis, make, reads=lambda work: data, anew=anew)
    # The allowed bands may have changed since the run; the figures have not.
    return found.model_copy(update={"calibration": compared}), folder


def read_run(
    work: Path, source: VerilogSource, seed: int, known: Versions, compared: Calibration, cost: Cost
) -> Synthesis:
    """The result from a finished run's files. Raises ReportError."""
    vpr, front_end = read_report(work / VPR_OUT), read_report(work / FRONT_END)
    top = front_end.same(r"^Automatically selected (\S+) as design top module\.$")[1]
    if top != TOP:
        raise ReportError(front_end.name, "Automatically selected", f"{top} is not {TOP}")
    # The first version line; the log ends with another one.
    yosys = front_end.same(r"^ *Yosys (\S+) \(git sha1 \S+,")[1]
    if reports_vpr.version(vpr) != known.tools["vtr"]:
        raise ReportError(vpr.name, "Version", f"is not {known.tools['vtr']}")
    timing = reports_vpr.timing(vpr)
    return Synthesis(
        flow="vtr",
        device=DEVICE,
        design=source.design,
        seed=seed,
        options=(*OPTIONS, "--seed", str(seed)),
        versions=Versions(tools={**known.tools, "parmys (yosys)": yosys}, files=known.files),
        fmax_Hz=timing.fmax_Hz,
        critical_path=reports_vpr.critical_path(read_report(work / TIMING), timing),
        area=reports_vpr.area(vpr),
        power=reports_vpr.power(read_report(work / power_file(TOP)), "vectorless", timing),
        calibration=compared,
        cost=cost,
    )
