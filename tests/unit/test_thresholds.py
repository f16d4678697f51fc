"""Where a comparison by order decides what comes out: just before, at, and just after the edge.

``test_range_checks.py`` has the comparisons that refuse; here are those that choose. Every one in
the modules below has a row, or a test elsewhere that holds both of its sides.
"""

from __future__ import annotations

import ast
import contextlib
import io
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

import ohmbench
from ohmbench.benchmarks import timing
from ohmbench.benchmarks.judging import BUSY, UNKNOWN, floor
from ohmbench.benchmarks.records import Estimate, Goal, Memory
from ohmbench.benchmarks.timing import Race, Round
from ohmbench.cli import sampling, synth, synth_output
from ohmbench.digital.widths import Hardware
from ohmbench.eda import cache
from ohmbench.eda.synthesis import reports_nextpnr, reports_vpr
from ohmbench.eda.synthesis.flows import least_requants
from ohmbench.eda.synthesis.reports import ReportError, ReportText, read_report
from ohmbench.eda.synthesis.result import Compared, Power, Report
from ohmbench.eda.synthesis.runs import keep
from ohmbench.errors import one_line
from ohmbench.fields import found
from ohmbench.files import csv_table, temporary
from ohmbench.files.schema import text_is_valid
from ohmbench.kirchhoff import drawing
from ohmbench.kirchhoff import figures as kirchhoff_figures
from ohmbench.report import benchmark_tables, figures
from ohmbench.stats import proportion_interval
from tests.unit.option_rows import CLOCKS, DESIGN, measurement, synthesised
from tests.unit.range_rows import above, below

LIBRARY = Path(ohmbench.__file__).parent
EXCERPTS = Path(__file__).parents[1] / "synth" / "excerpts"


@dataclass(frozen=True)
class Row:
    """``call`` of each value gives what stands beside it; not the same for all of them."""

    where: str
    call: Callable[[Any], Any]
    cases: tuple[tuple[Any, Any], ...]


def taken(call: Callable[[Any], object], *errors: type[Exception]) -> Callable[[Any], bool]:
    def attempt(value: Any) -> bool:
        try:
            call(value)
        except errors:
            return False
        return True

    return attempt


def printed(call: Callable[[], object]) -> str:
    with contextlib.redirect_stdout(io.StringIO()) as out:
        call()
    return out.getvalue()


# ------------------------------------------------------------------------------------------------
# Commands


def _coloured(nodes: int) -> int:
    """Lines in colour, of a network that is read out in a way of its own."""
    projector = SimpleNamespace(kind="linear", n=1)
    config = SimpleNamespace(is_flow=False, network=SimpleNamespace(projector=projector))
    model: Any = SimpleNamespace(config=config)
    return len(drawing._one_sample(model, np.zeros((5, nodes))).labels)


def _samples(size: tuple[int, int]) -> tuple[bool, bool]:
    """Whether samples are printed, and whether it is said that there are more."""
    drawn: Any = SimpleNamespace(x=torch.zeros(size), log_density=torch.zeros(size[0]))
    out = printed(lambda: sampling._print("x", drawn))
    return "log-density" in out, "the first 10" in out


def _lanes(hidden: int) -> list[int]:
    """The lanes of a sweep of so many hidden neurons."""
    seen: list[int] = []

    class Enough(Exception):
        pass

    def stop(name: str, chosen: Any, *_: Any, **__: Any) -> None:
        seen.extend(hardware.lanes for hardware in chosen)
        raise Enough

    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stderr(io.StringIO()):
        patch.setattr("ohmbench.eda.synthesis.flows.check_tools", lambda flow: None)
        patch.setattr("ohmbench.eda.synthesis.sweep.sweep", stop)
        with pytest.raises(Enough):
            synth.sweep(f"64-{hidden}-10")
    return seen


def _uneven(mean: float) -> bool:
    clocks = CLOCKS.model_copy(update={"mean_interval": mean})
    report = Report(runs=(synthesised("ecp5", DESIGN, 1),), clocks=clocks)
    out = printed(lambda: synth_output.print_report(report, None))
    assert f"{synth_output._intervals(report)} between images" in out
    assert (synth_output._intervals(report) == "64") == (mean == 64)
    return "unevenly" in out


def _seeds(count: int) -> bool:
    runs = tuple(synthesised("ecp5", DESIGN, seed) for seed in range(1, count + 1))
    out = printed(lambda: synth_output.print_report(Report(runs=runs, clocks=CLOCKS), None))
    return "median [least, most] of seeds" in " ".join(out.split())


COMMANDS = [
    Row("kirchhoff/drawing.py:_one_sample", _coloured, ((1, 1), (10, 10), (11, 0))),
    Row("cli/sampling.py:_print", _samples,
        (((10, 2), (True, False)), ((11, 2), (True, True)), ((11, 3), (False, False)),
         ((3, 1), (True, False)))),
    Row("cli/synth.py:sweep", _lanes,
        ((6, [4]), (7, [4, 7]), (8, [4, 7]), (50, [4, 7, 13, 25, 50]), (49, [4, 7, 13, 25]),
         (3, [3]))),
    Row("cli/synth_output.py:print_report", _uneven, ((64.0, False), (63.5, True), (1.0, True))),
    Row("cli/synth_output.py:print_report", _seeds, ((1, False), (2, True))),
]  # fmt: skip

# ------------------------------------------------------------------------------------------------
# Files and messages


def _shown(characters: int) -> bool:
    """Whether a cell is shown whole."""
    cell = "x" * characters
    with pytest.raises(Exception, match="not a finite number") as caught:
        csv_table._check_numbers("f", 2, ["a"], [cell])
    return repr(cell) in str(caught.value)


def _valid(point: int) -> bool:
    return text_is_valid(np.array([point], np.uint32).view("U1"))


def _stale(age_s: float) -> bool:
    """A temporary file of another machine."""
    with tempfile.NamedTemporaryFile() as file, pytest.MonkeyPatch.context() as patch:
        os.utime(file.name, (1e9, 1e9))
        patch.setattr(temporary, "time", SimpleNamespace(time=lambda: 1e9 + age_s))
        return temporary._is_stale(file.name, "00000000", 1)


def _abandoned(age_s: float) -> bool:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        work = Path(folder) / "build-x"
        work.mkdir()
        os.utime(work, (1e9, 1e9))
        patch.setattr(cache, "time", SimpleNamespace(time=lambda: 1e9 + age_s))
        cache.remove_abandoned(Path(folder))
        return not work.exists()


def _touched(earlier_s: float) -> bool:
    """A file that changed so long before."""
    with tempfile.NamedTemporaryFile() as file:
        return cache._touched(file.name, os.stat(file.name).st_ctime + earlier_s)


FILES = [
    Row("files/csv_table.py:_check_numbers", _shown, ((1, True), (40, True), (41, False))),
    Row("files/schema.py:text_is_valid", _valid,
        ((0xD7FF, True), (0xD800, False), (0xDFFF, False), (0xE000, True), (0x10FFFF, True),
         (0x110000, False))),
    Row("files/temporary.py:_is_stale", _stale,
        ((0.0, False), (86400.0, False), (86401.0, True))),
    Row("errors.py:one_line", lambda n: one_line("x" * n) == "x" * n,
        ((1, True), (300, True), (301, False))),
    Row("errors.py:one_line", lambda n: len(one_line("x" * n)),
        ((300, 300), (301, 303), (1000, 303))),
    Row("fields.py:found", lambda n: found("x" * n) == repr("x" * n),
        ((40, True), (41, False))),
    Row("fields.py:found", lambda n: found(n) == repr(n),
        ((2**100 - 1, True), (2**100, False), (1 - 2**100, True))),
    Row("eda/cache.py:remove_abandoned", _abandoned,
        ((35_999.0, False), (36_000.0, False), (36_001.0, True))),
    Row("eda/cache.py:_touched", _touched,
        ((-1.0, True), (0.0, True), (1.9, True), (2.1, False), (1e6, False))),
]  # fmt: skip

# ------------------------------------------------------------------------------------------------
# Benchmarks


def _kept(others: float) -> bool:
    rounds = [Round(1, 1, 1), Round(1, 1, 1), Round(1, 1, 1, others)]
    return rounds[2] in timing.quiet(rounds)


def _first(tenths: int) -> int:
    """How often a call of so many tenths of the shortest time is made, to be timed."""
    now, calls = 0.0, 0

    def call() -> None:
        nonlocal now, calls
        now += tenths / 8
        calls += 1

    race = Race(call, call, clock=lambda: now, others=lambda: None, cores=1, shortest_s=1 / 8)
    race._first(call)
    return calls


def _of_others(part: float) -> Any:
    one = measurement("x", 20.0)
    assert one.speed is not None
    return one.model_copy(update={"speed": one.speed.model_copy(update={"others": part})})


def _with_same(ends: tuple[float, float]) -> float:
    """The floor that an A/A pair alone leaves, in per cent."""
    found = measurement("x", 20.0)
    assert found.speed is not None
    exact = Estimate(value=20.0, low=20.0, high=20.0)
    same = Estimate(value=1.0, low=ends[0], high=ends[1])
    speed = found.speed.model_copy(update={"same": same, "ratio": exact})
    return round(100 * floor(speed), 6)


def _with_ratio(ends: tuple[float, float]) -> float:
    found = measurement("x", 20.0)
    assert found.speed is not None
    exact = Estimate(value=1.0, low=1.0, high=1.0)
    ratio = Estimate(value=20.0, low=ends[0], high=ends[1])
    speed = found.speed.model_copy(update={"same": exact, "ratio": ratio})
    return round(100 * floor(speed), 6)


def _goal(**goal: float) -> Callable[[Any], str]:
    """What is said of a ratio of 20, a memory ratio of 8, and 100 points in a millisecond."""
    found = measurement("x", 20.0).model_copy(
        update={"memory": Memory(reference_bytes=8000, ours_bytes=1000)}
    )

    def call(value: float) -> str:
        wanted = Goal(**dict.fromkeys(goal, value))
        text = benchmark_tables._goal(found.model_copy(update={"goal": wanted}))
        return text.split(": ")[-1].split(" ")[0]

    return call


BENCHMARKS = [
    Row("benchmarks/timing.py:quiet", _kept,
        ((0.0, True), (0.03, True), (above(0.03), False), (1.0, False))),
    Row("benchmarks/timing.py:Race._first", _first, ((1, 2), (9, 2), (10, 1), (11, 1))),
    Row("benchmarks/judging.py:floor", lambda x: floor(_of_others(x).speed) == UNKNOWN,
        ((0.0, False), (BUSY, False), (above(BUSY), True))),
    # Twice the logarithm is the square: a pair that is off by 1.21 leaves a tenth open.
    Row("benchmarks/judging.py:floor", _with_same,
        (((1.0, 1.0), 0.0), ((1.0, 1.21), 10.0), ((1 / 1.21, 1.0), 10.0),
         ((1 / 1.44, 1.21), 20.0))),
    Row("benchmarks/judging.py:floor", _with_ratio,
        (((20.0, 20.0), 0.0), ((20.0, 22.0), 10.0), ((20 / 1.1, 20.0), 10.0),
         ((20 / 1.3, 22.0), 30.0), ((20 / 1.1, 26.0), 30.0))),
    Row("report/benchmark_tables.py:_cells",
        lambda x: benchmark_tables._cells(_of_others(x))[5] == "busy",
        ((BUSY, False), (above(BUSY), True))),
    Row("report/benchmark_tables.py:seconds", benchmark_tables.seconds,
        ((1.0, "1 s"), (61.0, "61 s"), (0.999, "999 ms"), (1e-3, "1 ms"), (0.999e-3, "999 us"),
         (1e-6, "1 us"), (0.999e-6, "999 ns"), (1e-9, "1 ns"), (0.5e-9, "0.5 ns"))),
    Row("report/benchmark_tables.py:_goal", _goal(ratio=0),
        ((20.0, "met"), (above(20.0), "missed"), (8.0, "met"))),
    Row("report/benchmark_tables.py:_goal", _goal(memory_ratio=0),
        ((8.0, "met"), (above(8.0), "missed"), (20.0, "missed"))),
    Row("report/benchmark_tables.py:_goal", _goal(rate=0),
        ((100 / 1e-3, "met"), (above(100 / 1e-3), "missed"))),
]  # fmt: skip

# ------------------------------------------------------------------------------------------------
# Figures


def _numbers(classes: int) -> int:
    judged: Any = SimpleNamespace(
        confusion=np.eye(classes, dtype=int), correct=classes, total=classes,
        accuracy=proportion_interval(classes, classes),
    )  # fmt: skip
    return len(figures.confusion_figure(judged, "x").axes[0].texts)


def _outside(point: tuple[float, float]) -> bool:
    window = kirchhoff_figures.Window((-1.0, -2.0), (3.0, 1.0), 5)
    points = np.array([[0.0, 0.0], point])
    left, _ = kirchhoff_figures.samples_figure(points, points, window, "x").axes
    return "1 of them outside" in left.get_title()


def _slices(count: int) -> str:
    times, ends = np.linspace(0, 1, 5), np.linspace(0, 1, count + 1)
    traces = [kirchhoff_figures.Traces("x", np.zeros((5, 2)), ["one"])]
    axes = kirchhoff_figures.voltages_figure(times, traces, ends, "x").axes[0]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["one"]
    dotted = [line.get_xdata()[0] for line in axes.lines if line.get_linestyle() == ":"]
    assert dotted == pytest.approx(ends[1:-1].tolist())
    return axes.get_xlabel()


FIGURES = [
    Row("report/figures.py:confusion_figure", _numbers, ((2, 2), (20, 20), (21, 0))),
    Row("kirchhoff/figures.py:_scatter", _outside,
        (((-1.0, -2.0), False), ((3.0, 1.0), False), ((-1.0, 1.0), False),
         ((below(-1.0), 0.0), True), ((above(3.0), 0.0), True),
         ((0.0, below(-2.0)), True), ((0.0, above(1.0)), True))),
    Row("kirchhoff/figures.py:voltages_figure", _slices,
        ((1, "time in s (C = 1 F), 1 slice"),
         (2, "time in s (C = 1 F), 2 slices, dotted where the circuit changes"),
         (3, "time in s (C = 1 F), 3 slices, dotted where the circuit changes"))),
]  # fmt: skip

# ------------------------------------------------------------------------------------------------
# Synthesis


def _requants(lanes: int) -> int:
    """64 inputs come in eight clocks."""
    return least_requants(Hardware(64, 100, 10, lanes=lanes)).requants


def _nextpnr_path(delay_ns: float) -> object:
    """A path of two elements at 100 MHz, which is 10 ns."""
    pin = {"cell": "c", "port": "p"}
    path = [{"from": pin, "to": pin, "type": "logic", "delay": d} for d in (4.0, delay_ns - 4.0)]
    content = {
        "critical_paths": [
            {"from": "posedge clk_i", "to": "posedge clk_i", "path": path},
            {"from": "async", "to": "posedge clk_i", "path": []},
        ]
    }
    report = reports_nextpnr.NextpnrReport(ReportText("report.json", json.dumps(content)))
    return reports_nextpnr.critical_path(report, 1e8)


def _fits(used: int) -> bool:
    rows = f"Info: \t A:  1/ 9 11%\nInfo: \t B: {used}/ 100 1%\n"
    return reports_nextpnr.does_not_fit(ReportText("log", rows)) is None


def _vpr_timing(delay_ns: float) -> object:
    line = f"Final critical path delay (least slack): {delay_ns} ns, Fmax: 100 MHz"
    return reports_vpr.timing(ReportText("vpr.out", line))


_TIMING = reports_vpr.timing(read_report(EXCERPTS / "vpr.out"))


def _times(factor: float) -> reports_vpr.Timing:
    return reports_vpr.Timing(_TIMING.delay_s * factor, _TIMING.fmax_Hz / factor)


def _power(parts: tuple[float, float]) -> object:
    """Of 1 W, where static and routing are what makes the sums so large."""
    found = synthesised("vtr", DESIGN, 1).power
    assert found is not None
    values = found.model_dump()
    values["static_W"] += parts[0] - 1
    values["routing_W"] += parts[1] - 1
    return Power(**values)


def _within(ratio: float) -> bool:
    return Compared(what="x", golden=2.0, here=2 * ratio, low=0.75, high=1.25, why="a").within


def _packed(size: int) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        path, into = Path(folder) / "x", Path(folder) / "into"
        into.mkdir()
        path.write_bytes(bytes(size))
        keep(path, into)
        return (into / "x.gz").exists() and not (into / "x").exists()


def _kinds(tagged: bool) -> list[str]:
    """Of the elements before and after the first register's output, if there is one."""
    tag = " [clock-to-output]" if tagged else ""
    points = ("clock clk (rise edge)", "r.clk[0] (.latch)", f"r.Q[0] (.latch){tag}",
              "n.in[0] (.names)", "n.out[0] (.names)")  # fmt: skip
    text = "".join(f"{point}    0.100    0.100\n" for point in points)
    return [e.kind for e in reports_vpr._launched(ReportText("report", text))]


SAME = ((1.0, True), (1.0009, True), (0.9991, True), (1.0011, False), (0.9989, False))
SYNTHESIS = [
    Row("eda/synthesis/flows.py:least_requants", _requants,
        ((1, 1), (8, 1), (9, 2), (16, 2), (17, 4), (32, 4), (33, 8))),
    Row("eda/synthesis/reports_nextpnr.py:critical_path", taken(_nextpnr_path, ReportError),
        ((10.0, True), (10.0009, True), (9.9991, True), (10.0011, False), (9.9989, False))),
    Row("eda/synthesis/reports_nextpnr.py:does_not_fit", _fits,
        ((99, True), (100, True), (101, False))),
    Row("eda/synthesis/reports_vpr.py:timing", taken(lambda f: _vpr_timing(10 * f), ReportError),
        SAME),
    Row("eda/synthesis/reports_vpr.py:critical_path",
        taken(lambda f: reports_vpr.critical_path(
            read_report(EXCERPTS / "report_timing.setup.rpt"), _times(f)), ReportError), SAME),
    Row("eda/synthesis/reports_vpr.py:_launched", _kinds,
        ((True, ["clock", "clock", ".latch clock-to-output", "routing", ".names"]),
         (False, ["clock", "routing", ".latch", "routing", ".names"]))),
    Row("eda/synthesis/reports_vpr.py:power",
        taken(lambda f: reports_vpr.power(
            read_report(EXCERPTS / "accelerator.power"), "vectorless", _times(f)), ReportError),
        SAME),
    Row("eda/synthesis/result.py:Power._adds_up", taken(_power, ValueError),
        (((1.0, 1.0), True), ((1.0095, 0.9905), True), ((0.9905, 1.0095), True),
         ((1.011, 1.0), False), ((0.989, 1.0), False), ((1.0, 1.011), False),
         ((1.0, 0.989), False))),
    Row("eda/synthesis/result.py:Compared.within", _within,
        ((0.75, True), (1.25, True), (below(0.75), False), (above(1.25), False), (1.0, True))),
    Row("eda/synthesis/runs.py:keep", _packed,
        ((199_999, False), (200_000, True), (200_001, True))),
]  # fmt: skip

ROWS = [*COMMANDS, *FILES, *BENCHMARKS, *FIGURES, *SYNTHESIS]


@pytest.mark.parametrize("row", ROWS, ids=[f"{row.where} {k}" for k, row in enumerate(ROWS)])
def test_both_sides_of_a_threshold(row: Row) -> None:
    assert any(expected != row.cases[0][1] for _, expected in row.cases), "one side only"
    assert [row.call(value) for value, _ in row.cases] == [expected for _, expected in row.cases]


# ------------------------------------------------------------------------------------------------
# Nothing is forgotten

ELSEWHERE = {
    "benchmarks/judging.py:_compared": "test_benchmarks.py::test_what_is_just_allowed_is_no_loss",
    "claims/html/history.py:history": (
        "test_report_html.py::test_runs_are_in_the_order_of_their_dates"
    ),
    "claims/html/history.py:short_commit": (
        "test_report_html.py::test_runs_are_in_the_order_of_their_dates"
    ),
    "claims/html/number_line.py:Mark.anchor": ("test_report_html.py::test_labels_stay_on_the_line"),
    "claims/html/number_line.py:_domain": (
        "test_report_html.py::test_one_value_stands_in_the_middle"
    ),
    "claims/html/number_line.py:_ticks": (
        "test_report_html.py::test_ticks_are_round_and_on_the_line"
    ),
    "claims/html/number_line.py:number_line": (
        "test_report_html.py::test_numbers_too_large_for_a_line_have_none"
    ),
    "claims/html/number_line.py:interval_of": (
        "test_report_html.py::test_an_interval_is_the_measurements_own_or_its_details"
    ),
    "claims/ledger.py:Claim.judge": "test_claims.py::test_judge",
    "claims/plugin.py:ClaimsRun._print": "test_claims_plugin.py::test_verbose_prints_the_reasons",
    "kirchhoff/drawing.py:_paths": (
        "test_kirchhoff_figures.py::test_voltages_begin_and_end_where_the_network_does"
    ),
    "kirchhoff/drawing.py:_voltages": (
        "test_kirchhoff_figures.py::test_voltages_begin_and_end_where_the_network_does"
    ),
    "cli/listing.py:_seeds": "test_listing.py::test_seeds_share_a_line",
    "cli/listing.py:_summary": "test_listing.py::test_seeds_share_a_line",
    "cli/synth_output.py:_print_path": "test_printed.py::test_a_synthesis",
    "cli/synth_output.py:print_sweep": "test_printed.py::test_a_sweep",
    "eda/hdl.py:_refusal": "test_range_checks.py::test_what_is_in_the_range_is_taken",
    "files/schema.py:check_shape": "test_range_checks.py::test_what_is_in_the_range_is_taken",
    "floatgate/figures.py:currents_figure": "test_figures.py::test_currents_count_every_cell_once",
}
# How much of a stream has come is tested by streams that bring it in parts of every size.
STREAMS = ("files/opening.py", "files/mat.py", "files/npz_reading.py", "files/pth_")
MODULES = (
    "api.py", "benchmarks", "claims", "cli", "digital/figures.py", "eda/cache.py", "eda/hdl.py",
    "eda/synthesis/flows.py", "eda/synthesis/re", "eda/synthesis/runs.py", "errors.py",
    "families.py", "family.py", "fields.py", "files", "floatgate/figures.py",
    "kirchhoff/drawing.py", "kirchhoff/figures.py", "kirchhoff/judging.py", "needs.py", "paper.py",
    "report", "stats.py", "streams.py", "weights",
)  # fmt: skip
ORDERED = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)


def choosing_functions() -> Iterator[str]:
    """``file:function`` wherever something is compared by order, or for being close, and no ``if``
    around it raises."""

    def inside(node: ast.AST, names: list[str], refusals: set[ast.AST]) -> Iterator[str]:
        if isinstance(node, ast.If) and any(isinstance(s, ast.Raise) for s in node.body):
            refusals = refusals | set(ast.walk(node.test))
        ordered = isinstance(node, ast.Compare) and any(isinstance(o, ORDERED) for o in node.ops)
        close = isinstance(node, ast.Call) and ast.unparse(node.func) == "math.isclose"
        if close or (ordered and node not in refusals):
            yield ".".join(names)
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names = [*names, node.name]
        for child in ast.iter_child_nodes(node):
            yield from inside(child, names, refusals)

    for path in sorted(LIBRARY.rglob("*.py")):
        file = path.relative_to(LIBRARY).as_posix()
        if file.startswith(MODULES) and not file.startswith(STREAMS):
            for function in inside(ast.parse(path.read_text(encoding="utf-8")), [], set()):
                yield f"{file}:{function}"


def test_every_threshold_has_both_sides_tested() -> None:
    there = set(choosing_functions())
    assert len(there) > 25
    assert there - {row.where for row in ROWS} - set(ELSEWHERE) == set()
    assert {*ELSEWHERE, *(row.where for row in ROWS)} - there == set(), "thresholds that are gone"
    for file, name in (test.split("::") for test in ELSEWHERE.values()):
        text = (Path(__file__).parent / file).read_text(encoding="utf-8")
        assert f"def {name}(" in text, f"{file} has no {name}"


def test_ages_are_told_by_the_clock() -> None:
    """The stand-ins for the clock above are in place of this one."""
    assert cache.time is temporary.time is time
