"""What every test run shares: kinds, profiles, seeds, the counts.

A test's kind is its folder under tests/; ``--require-kind`` makes a run fail in which no test of
that kind really ran. The claims ledger and the marker ``needs`` are plugins of the package
(``ohmbench.claims``).
"""

from __future__ import annotations

import os

# Before torch loads its OpenMP: threads that wait by spinning take the cores from the kernels' own
# threads, and on a busy machine make every time a matter of luck. What is set already stays.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
# As in tox.ini; benchmarks choose their threads themselves.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import numpy as np
import pytest

from ohmbench.constants import FANN_OPTION, FANN_VARIABLE, KIRCHHOFF_OPTION, KIRCHHOFF_VARIABLE
from ohmbench.weights import versions

if TYPE_CHECKING:
    from ohmbench.claims.html.pages import Page

pytest_plugins = ["pytester", "ohmbench.claims.needs_marker"]

ROOT = Path(__file__).parent
KINDS = ("unit", "docs", "repro", "rtl", "synth", "bench", "browser")
PAPERS = (
    (FANN_OPTION, FANN_VARIABLE, "FANN"),
    (KIRCHHOFF_OPTION, KIRCHHOFF_VARIABLE, "KirchhoffNet"),
)
SLOW = "ohmbench_slow_not_selected"
STORING = ("--update-golden", "--update-baseline")
PLANTS = ("slow", "evaluations", "wrong")
MARKERS = (
    "unit: library and harness tests (tests/unit)",
    "docs: README and site: links, code blocks, generated figures (tests/docs)",
    "repro: one test per claim of the ledger (tests/repro)",
    "rtl: hardware description against its golden model (tests/rtl)",
    "synth: synthesis results against their goldens, by tools from pip (tests/synth)",
    "vtr: the same by VTR, the paper's flow (tests/synth; needs VTR_ROOT)",
    "bench: fast paths beside their references; compares ratios and counts (tests/bench)",
    "browser: the HTML report in a real browser (tests/browser)",
    "slow: deep tier, up to an hour; run with --slow",
)

hypothesis.settings.register_profile("dev", max_examples=50, deadline=None)
# The same examples on every CI run: a red CI is reproduced by the same command anywhere.
hypothesis.settings.register_profile("ci", max_examples=200, deadline=None, derandomize=True)
hypothesis.settings.load_profile("ci" if os.environ.get("CI") else "dev")


def kind_of(path: Path) -> str:
    """The kind of the tests in a file: its folder below tests/, else "other"."""
    parts = path.relative_to(ROOT).parts if path.is_relative_to(ROOT) else ()
    return parts[1] if len(parts) > 2 and parts[0] == "tests" else "other"


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("ohmbench")
    group.addoption("--slow", action="store_true", help="also run the tests marked slow")
    group.addoption(
        "--require-kind",
        action="append",
        default=[],
        choices=KINDS,
        help="fail unless at least one test of this kind passed or failed (may be repeated)",
    )
    group.addoption(
        "--update-golden",
        action="store_true",
        help="store what the synthesis gates measure as their goldens (tests/synth/goldens.json)",
    )
    group.addoption(
        "--update-baseline",
        action="store_true",
        help="store what the benchmarks measure as their baseline (tests/bench/baseline.json)",
    )
    group.addoption(
        "--plant",
        choices=PLANTS,
        help="plant a fault in the fast paths, to see the benchmarks' gate red",
    )
    group.addoption(
        "--screenshots", metavar="FOLDER", help="where the browser tests leave their screenshots"
    )
    for option, variable, paper in PAPERS:
        group.addoption(
            option,
            metavar="FOLDER",
            help=f"checkout of the {paper} paper's artifacts (default: ${variable})",
        )


def pytest_configure(config: pytest.Config) -> None:
    for marker in MARKERS:
        config.addinivalue_line("markers", marker)
    for option in STORING:
        if config.getoption(option) and getattr(config.option, "numprocesses", None):
            raise pytest.UsageError(f"{option} writes one file: run it without -n")
    if config.getoption("--plant") and config.getoption("--update-baseline"):
        raise pytest.UsageError("--plant: a planted fault is no baseline")
    for option, variable, _ in PAPERS:
        folder = config.getoption(option)
        if folder:
            os.environ[variable] = str(Path(folder).absolute())
    config.pluginmanager.register(Tally(config), "ohmbench-tally")


def pytest_report_header(config: pytest.Config) -> list[str]:
    return [
        ", ".join(f"{name} {number}" for name, number in versions().items())
        + f", hypothesis profile {hypothesis.settings.get_current_profile_name()}"
    ]


def pytest_ohmbench_report_pages(config: pytest.Config) -> list[Page]:
    """What ``--report-html`` shows of this project beside its claims."""
    from ohmbench.pages import project

    return [project.speed(), project.synthesis(), project.networks()]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        kind = kind_of(item.path)
        # -m synth is what runs from pip's packages alone; the paper's flow takes its own VTR.
        if kind in KINDS and not item.get_closest_marker("vtr"):
            item.add_marker(kind)
    if not config.getoption("--slow"):
        slow = [item for item in items if item.get_closest_marker("slow")]
        items[:] = [item for item in items if not item.get_closest_marker("slow")]
        config.hook.pytest_deselected(items=slow)


@pytest.fixture(autouse=True)
def _floating_errors_raise():
    # Underflow is left alone: subthreshold exponentials underflow by right.
    with np.errstate(divide="raise", over="raise", invalid="raise"):
        yield


@pytest.fixture
def report(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """``report(text)``: what the end of the run is to show of this test, passed or not."""
    return lambda text: request.node.user_properties.append(("report", text))


class Tally:
    """Counts what really ran per kind and collects reports, also from parallel workers."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.ran: Counter[str] = Counter()
        self.skipped: Counter[str] = Counter()
        self.not_selected = 0
        self.reports: list[tuple[str, str]] = []

    def pytest_deselected(self, items: list[pytest.Item]) -> None:
        self.not_selected += sum(1 for item in items if item.get_closest_marker("slow"))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        kind = kind_of(self.config.rootpath / report.nodeid.split("::")[0])
        if report.skipped and not hasattr(report, "wasxfail"):
            self.skipped[kind] += 1
        elif report.when == "call":
            self.ran[kind] += 1
            for name, value in report.user_properties:
                if name == "report":
                    self.reports.append((report.nodeid, str(value)))

    def idle_kinds(self) -> list[str]:
        return [k for k in self.config.getoption("--require-kind") if not self.ran[k]]

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node) -> None:
        # Every worker collects, and deselects, the same.
        self.not_selected = max(self.not_selected, getattr(node, "workeroutput", {}).get(SLOW, 0))

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if hasattr(self.config, "workerinput"):
            self.config.workeroutput[SLOW] = self.not_selected
            return
        if self.config.option.collectonly:
            return
        if self.idle_kinds() and session.exitstatus in (
            pytest.ExitCode.OK,
            pytest.ExitCode.NO_TESTS_COLLECTED,
        ):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter) -> None:
        for test, text in sorted(self.reports):
            terminalreporter.section(test, sep="-")
            terminalreporter.write_line(text)
        counts = [
            f"{kind} {self.ran[kind]} run"
            + (f", {self.skipped[kind]} skipped" if self.skipped[kind] else "")
            for kind in sorted({*KINDS, *self.ran, *self.skipped})
        ]
        slow = f"; slow {self.not_selected} not selected (--slow)" if self.not_selected else ""
        terminalreporter.write_line("checks: " + "; ".join(counts) + slow)
        for kind in self.idle_kinds():
            terminalreporter.write_line(f"FAILED: no {kind} test ran", red=True)
