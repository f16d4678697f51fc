"""The results of a run of benchmarks, and what happens to them at its end."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from pytest_benchmark.utils import get_commit_info
from rich.console import Console

from ohmbench.benchmarks.judging import RATIO, Status, Verdict, judge_against, not_run, updated
from ohmbench.benchmarks.records import (
    KEY,
    Baseline,
    Circumstances,
    Measurement,
    this_machine,
    write_baseline,
)
from ohmbench.report.benchmark_tables import measurements_table, tally
from ohmbench.weights import versions
from tests.bench.cases import CASES, CLOCKS
from tests.bench.fresh import matrix_flops
from tests.bench.gate import BASELINE, read_tolerances, stored_baseline

_TABLE_WIDTH = 170


class Session:
    """A plugin of pytest and of pytest-benchmark: figures, verdicts, baseline, the table."""

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
        """Measured once, by the first benchmark, with the number of threads that all use."""
        if self._circumstances is None:
            self._circumstances = Circumstances(
                machine=this_machine(),
                threads=torch.get_num_threads(),
                flops=matrix_flops(),
                versions=versions(),
            )
        return self._circumstances

    def keep(self, found: Measurement, verdicts: list[Verdict]) -> list[str]:
        """Store both; return the lines of failed verdicts."""
        self.measured[found.name] = found
        if self.updates:
            return []
        self.verdicts += verdicts
        return [v.line for v in verdicts if v.status.red]

    def judge(self, found: Measurement) -> list[str]:
        """Compare a measurement that is not a case of its own with the baseline; as ``keep``."""
        machine = self.circumstances.machine
        return self.keep(found, judge_against(self.baseline, found, machine))

    def finish(self, exitstatus: int) -> list[Verdict]:
        """Store the baseline of all that passed, if that was requested. Otherwise, in a full run,
        return verdicts for stored benchmarks that did not run.
        """
        if self.updates:
            if exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED) and self.measured:
                write_baseline(BASELINE, self._updated())
            return []
        if "bench" not in self.config.getoption("--require-kind"):
            return []
        slow = {n for n, c in CASES.items() if c.slow and not self.config.getoption("--slow")}
        return not_run(self.baseline, {*self.measured, *slow}, self.reasons)

    def _updated(self) -> Baseline:
        info = get_commit_info()
        commit = f"{info['id']}{'+' if info['dirty'] else ''}"  # as in the tables
        run_of = (self.circumstances.machine, commit, self.circumstances.versions)
        known = {n: entry for n, entry in self.baseline.root.items() if n in {*CASES, CLOCKS}}
        return updated(Baseline(known), self.measured.values(), run_of)

    # Hooks of pytest and of pytest-benchmark

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.skipped and isinstance(report.longrepr, tuple):
            name = report.nodeid.partition("[")[2].rstrip("]") or CLOCKS
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
            file=terminalreporter._tw._file, width=max(_TABLE_WIDTH, terminalreporter._tw.fullwidth)
        )
        console.print(measurements_table(self.measured))
        for verdict in self.verdicts:
            if verdict.status is Status.SAME and verdict.figure != RATIO:
                continue
            terminalreporter.write_line(verdict.line, red=verdict.status.red)
        terminalreporter.write_line(f"figures: {tally(self.verdicts)}")
