"""What benchmarks share: the machine, the gate, and the table at the end of a run."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from rich.console import Console

from ohmbench.benchmarks.judging import Verdict, judge_against, not_run, updated
from ohmbench.benchmarks.records import (
    KEY,
    Circumstances,
    Measurement,
    this_machine,
    write_baseline,
)
from ohmbench.report.benchmark_tables import measurements_table
from ohmbench.weights import versions
from tests.bench.cases import CASES, Case
from tests.bench.gate import BASELINE, Trial, judged, read_tolerances, rounds_for, stored_baseline
from tests.bench.peak import THREADS

_SIDE = 2048
_PRODUCTS = 6


def _matrix_flops() -> float:
    """Floating-point operations per second of a float32 matrix product, the best of some."""
    a = torch.ones(_SIDE, _SIDE)
    best = float("inf")
    for _ in range(_PRODUCTS):
        start = time.perf_counter()
        a @ a
        best = min(best, time.perf_counter() - start)
    return 2 * _SIDE**3 / best


class Session:
    """What a run of benchmarks finds, and what becomes of it at its end."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.baseline, self.tolerances = stored_baseline(), read_tolerances()
        self.measured: dict[str, Measurement] = {}
        self.verdicts: list[Verdict] = []
        self.reasons: dict[str, str] = {}
        self._circumstances: Circumstances | None = None

    @property
    def updates(self) -> bool:
        return bool(self.config.getoption("--update-baseline"))

    @property
    def circumstances(self) -> Circumstances:
        """Measured once, by the first benchmark, with as many threads as all have."""
        if self._circumstances is None:
            self._circumstances = Circumstances(
                machine=this_machine(),
                threads=torch.get_num_threads(),
                flops=_matrix_flops(),
                versions=versions(),
            )
        return self._circumstances

    def keep(self, found: Measurement, verdicts: list[Verdict]) -> list[str]:
        """Remember both; return the lines of what is red."""
        self.measured[found.name] = found
        if self.updates:
            return []
        self.verdicts += verdicts
        return [v.line for v in verdicts if v.status.red]

    def judge(self, found: Measurement) -> list[str]:
        """Hold against the baseline what is no case of its own; as ``keep``."""
        machine = self.circumstances.machine
        return self.keep(found, judge_against(self.baseline, found, machine))

    def finish(self, exitstatus: int) -> list[Verdict]:
        """Store the baseline where asked for; else what of it did not run, in a whole run."""
        if self.updates:
            if exitstatus == pytest.ExitCode.OK and self.measured:
                write_baseline(BASELINE, self._updated())
            return []
        if "bench" not in self.config.getoption("--require-kind"):
            return []
        slow = {n for n, c in CASES.items() if c.slow and not self.config.getoption("--slow")}
        return not_run(self.baseline, {*self.measured, *slow}, self.reasons)

    def _updated(self) -> Any:
        from pytest_benchmark.utils import get_commit_info

        commit = str(get_commit_info()["id"])
        run_of = (self.circumstances.machine, commit, self.circumstances.versions)
        return updated(self.baseline, self.measured.values(), run_of)

    # Hooks of pytest and of pytest-benchmark

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.skipped and isinstance(report.longrepr, tuple):
            name = report.nodeid.partition("[")[2].rstrip("]")
            self.reasons[name] = str(report.longrepr[2]).removeprefix("Skipped: ")

    def pytest_benchmark_update_machine_info(self, config: Any, machine_info: Any) -> None:
        machine_info[KEY] = self.circumstances.model_dump(mode="json")

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        missing = self.finish(session.exitstatus)
        self.verdicts += missing
        if missing and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        if not self.measured and not self.verdicts:
            return
        terminalreporter.section("benchmarks", sep="=")
        console = Console(
            file=terminalreporter._tw._file, width=max(120, terminalreporter._tw.fullwidth)
        )
        console.print(measurements_table(self.measured))
        for verdict in self.verdicts:
            terminalreporter.write_line(verdict.line, red=verdict.status.red)


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Session(config), "ohmbench-benchmarks")


@pytest.fixture(autouse=True)
def _two_threads() -> Iterator[None]:
    """What every benchmark runs with, whatever the environment says."""
    before = torch.get_num_threads()
    torch.set_num_threads(THREADS)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def session(request: pytest.FixtureRequest) -> Session:
    if hasattr(request.config, "workerinput"):
        pytest.skip("benchmarks run alone: without -n")
    if request.config.getoption("benchmark_disable") and not request.config.getoption(
        "benchmark_enable"
    ):
        pytest.skip("benchmarks are disabled")
    found = request.config.pluginmanager.get_plugin("ohmbench-benchmarks")
    assert isinstance(found, Session)
    return found


@pytest.fixture
def gate(request: pytest.FixtureRequest, session: Session) -> Callable[[Case], None]:
    """``gate(case)``: measure, record, judge. Asserts that nothing got worse."""

    def run(case: Case) -> None:
        # Not by argument: pytest-benchmark warns of each test that names it where it is disabled.
        benchmark = request.getfixturevalue("benchmark")
        flops = session.circumstances.flops
        trial = Trial(case, request.config.getoption("--plant"), flops)
        trial.check()
        rounds = rounds_for(trial.race.warm_up()) * (3 if session.updates else 1)
        benchmark.pedantic(trial.race.round, rounds=rounds)
        found, verdicts = judged(
            trial, session.tolerances, session.baseline, session.circumstances.machine
        )
        benchmark.extra_info[KEY] = found.model_dump(mode="json")
        red = session.keep(found, verdicts)
        assert not red, "\n".join(red)

    return run
