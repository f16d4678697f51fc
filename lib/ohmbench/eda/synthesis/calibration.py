"""Calibration: whether the installed VTR reproduces VTR's golden results for one circuit.

VTR's task ``power_nofrac_130nm`` has exactly the architecture and technology that the paper uses.
Its golden file was made with an earlier front end (Odin, not parmys) and routed with 1.3 times the
minimum channel width; this flow routes with the paper's 100. So the comparison shows that the tool
works, not that its results are identical.
"""

from __future__ import annotations

from pathlib import Path

from ohmbench.eda.synthesis.reports import ReportError, read_report
from ohmbench.eda.synthesis.result import Calibration, Compared
from ohmbench.eda.tools import ToolError

CIRCUIT = "vtr_flow/benchmarks/verilog/diffeq1.v"
TASK = "vtr_flow/tasks/power/power_nofrac_130nm"
GOLDEN = f"{TASK}/config/golden_results.txt"

CONDITIONS = (
    "golden routed with 1.3 times the least channel width by an earlier VTR and front end; "
    "here with channel width 100"
)
DELAY_BAND = (0.5, 1.4)
DELAY_WHY = "what VTR's own pass requirements allow the critical path of a routed circuit"
POWER_BAND = (0.75, 1.25)
POWER_WHY = (
    "VTR allows its own version 10 %; another front end and channel width measured 12 % more"
)


class OutOfBand(ToolError):
    """The installed VTR's result for VTR's own circuit is outside the allowed band."""


def read_golden(path: Path, circuit: str) -> dict[str, str]:
    """The row of a circuit in a VTR golden file, by column. Raises ReportError."""
    lines = read_report(path).text.splitlines()
    columns = lines[0].split("\t") if lines else []
    if "circuit" not in columns:
        raise ReportError(path.name, "circuit", "no such column")
    rows = [dict(zip(columns, line.split("\t"), strict=False)) for line in lines[1:]]
    found = [row for row in rows if row.get("circuit") == circuit]
    if len(found) != 1:
        problem = "not found" if not found else f"found {len(found)} times, not once"
        raise ReportError(path.name, f"circuit {circuit}", problem)
    return found[0]


def _golden_number(row: dict[str, str], column: str, name: str) -> float:
    try:
        value = float(row[column])
    except (KeyError, ValueError):
        raise ReportError(name, column, "not found") from None
    if not 0 < value < float("inf"):
        raise ReportError(name, column, f"{value} is not a number")
    return value


def compare(golden_file: Path, version: str, delay_s: float, power_W: float) -> Calibration:
    """Compare with the golden file. Raises ReportError if it lacks a figure."""
    circuit = Path(CIRCUIT).name
    row, name = read_golden(golden_file, circuit), golden_file.name
    return Calibration(
        circuit=circuit,
        task=Path(TASK).name,
        golden_version=row.get("vpr_revision") or "unknown",
        version=version,
        conditions=CONDITIONS,
        compared=(
            Compared(
                what="critical path delay, s",
                golden=_golden_number(row, "critical_path_delay", name) * 1e-9,
                here=delay_s,
                low=DELAY_BAND[0],
                high=DELAY_BAND[1],
                why=DELAY_WHY,
            ),
            Compared(
                what="total power, W",
                golden=_golden_number(row, "total_power", name),
                here=power_W,
                low=POWER_BAND[0],
                high=POWER_BAND[1],
                why=POWER_WHY,
            ),
        ),
    )


def check(calibration: Calibration) -> None:
    """Raise OutOfBand where the installed VTR departs from the golden results."""
    for figure in calibration.compared:
        if not figure.within:
            raise OutOfBand(
                f"this VTR ({calibration.version}) fails its calibration on {calibration.circuit}: "
                f"{figure.what}: {figure.here:.4g} here, {figure.golden:.4g} in VTR's "
                f"{calibration.task}, a ratio of {figure.ratio:.2f} where {figure.low} to "
                f"{figure.high} is allowed; no result of it would mean anything"
            )
