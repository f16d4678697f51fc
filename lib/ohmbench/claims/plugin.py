"""The pytest plugin of the claims ledger, which pytest loads wherever ohmbench is installed.

A test that takes the ``claim`` fixture measures rows of a ledger: the nearest ``claims.yaml`` in
its own folder or one above it, up to pytest's root folder, or the file that ``--claims-ledger``
names. The end of the run prints the ledger with what each row came to. A row whose test passes
without measuring it, or does not exist, is FAILED and fails the run.

This module is imported in every pytest run of its environment, so it imports the rest of ohmbench
only where a test takes the fixture.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from ohmbench.claims.html.pages import Page
    from ohmbench.claims.ledger import Claim, ClaimMeasurement
    from ohmbench.claims.outcomes import Outcome

LEDGER = "claims.yaml"
RUN = "ohmbench-claims-run"
_PROPERTY = "ohmbench-claim"
_WORKER = "ohmbench_claims"
_TABLE_COLUMNS = 100
_NOT_SELECTED = "not selected in this run"


def pytest_addoption(parser: pytest.Parser) -> None:
    """pytest's hook: where the ledger is, what is stored and printed, what is required."""
    group = parser.getgroup("claims", "claims ledger (ohmbench)")
    group.addoption(
        "--claims-ledger",
        metavar="FILE",
        help=f"ledger of all claims (default: the nearest {LEDGER} at or above each test)",
    )
    group.addoption("--claims-json", metavar="FILE", help="store what became of each claim as JSON")
    group.addoption(
        "--report-html",
        metavar="FILE",
        help="write the claims as one HTML file, to be read in any browser",
    )
    group.addoption(
        "--require-claims",
        action="store_true",
        help="fail unless at least one claim was judged",
    )
    group.addoption(
        "--no-claims-table", action="store_true", help="do not print the ledger at the end"
    )


class ReportHooks:
    """Hooks that a conftest can implement for ``--report-html``."""

    @pytest.hookspec
    def pytest_ohmbench_report_pages(self, config: pytest.Config) -> Sequence[Page]:  # type: ignore[empty-body]
        """The pages that follow the claims, as plain data."""


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """pytest's hook: what a conftest can add to the report."""
    pluginmanager.add_hookspecs(ReportHooks)


def pytest_configure(config: pytest.Config) -> None:
    """pytest's hook: a ``ClaimsRun`` for this run."""
    config.pluginmanager.register(ClaimsRun(config), RUN)


@cache
def read(path: Path) -> dict[str, Claim]:
    """The rows of the ledger at ``path``. Raises pytest.UsageError for a bad one."""
    from ohmbench.claims.ledger import read_ledger
    from ohmbench.errors import FileError

    try:
        return read_ledger(path)
    except FileError as error:
        raise pytest.UsageError(str(error)) from None


class ClaimRecorder:
    """What the ``claim`` fixture hands to a test: ``claim(id, value, detail)``."""

    def __init__(self, ledger: Path, test: str, node: pytest.Item) -> None:
        self._ledger, self._test, self._node = ledger, test, node
        self._seen: set[str] = set()

    def __call__(
        self,
        claim_id: str,
        value: float,
        detail: str = "",
        *,
        interval: tuple[float, float] | None = None,
    ) -> None:
        """Record ``value`` for the row ``claim_id`` and judge it.

        ``detail`` says under which circumstances it was measured: interval, counts, seeds.
        ``interval`` is the 95 % interval in the row's unit, which reports draw. Raises
        AssertionError when there is no such row, when the row names another test, when it was
        recorded before, when the interval does not hold the value, and when the value does not
        establish the status that the row expects.
        """
        __tracebackhide__ = True  # a failing claim shows the test's own line
        from ohmbench.claims.ledger import ClaimMeasurement
        from ohmbench.claims.status import ClaimStatus

        claim = read(self._ledger).get(claim_id)
        if claim is None:
            raise AssertionError(f"{self._ledger} has no claim {claim_id}")
        if claim.test is None or _absolute(claim.test, self._ledger.parent) != self._test:
            raise AssertionError(f"{claim_id} names test {claim.test}, not {self._node.nodeid}")
        if claim_id in self._seen:
            raise AssertionError(f"{claim_id} was recorded before in this test")
        if interval is not None and not interval[0] <= value <= interval[1]:
            raise AssertionError(f"{claim_id}: {value:.9g} is outside its interval {interval}")
        self._seen.add(claim_id)
        measurement = ClaimMeasurement(
            id=claim_id, value=float(value), detail=detail, interval=interval
        )
        self._node.user_properties.append(
            (_PROPERTY, [os.fspath(self._ledger), measurement.model_dump_json()])
        )
        if claim.judge(measurement.value) is ClaimStatus.FAILED:
            bound = "" if claim.tolerance is None else f" within {claim.tolerance:g}"
            measured = f"{measurement.value:.9g} {claim.unit}".strip()
            raise AssertionError(
                f"{claim_id} is {measured}, but should be "
                f"{claim.expect} ({claim.expected_text}{bound})"
            )


@pytest.fixture
def claim(request: pytest.FixtureRequest) -> ClaimRecorder:
    """``claim(id, value, detail)`` records and judges what the test measured for one claim."""
    run = request.config.pluginmanager.get_plugin(RUN)
    assert isinstance(run, ClaimsRun)
    ledger = run.ledger_of(request.node)
    if ledger is None:
        raise pytest.UsageError(
            f"no {LEDGER} in {request.node.path.parent} or above; name one with --claims-ledger"
        )
    return ClaimRecorder(ledger, run.test_of(request.node.nodeid), request.node)


def _absolute(test: str, folder: Path) -> str:
    """A node id with its path made absolute: the same whatever the run's root folder is."""
    file, separator, names = test.partition("::")
    return f"{(folder / file).resolve()}{separator}{names}"


class ClaimsRun:
    """Collects what became of every claim, also from parallel workers, and shows it."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        named = config.getoption("--claims-ledger")
        self._named = Path(named).resolve() if named else None
        self._json = config.getoption("--claims-json")
        self._html = config.getoption("--report-html")
        if self._named is not None:
            read(self._named)
        for option, file in (("--claims-json", self._json), ("--report-html", self._html)):
            if file:
                self._check_writable(option, file)
        self._ledgers: set[Path] = set()
        self._collected: set[str] = set()
        self._passed: set[str] = set()
        self._failed: set[str] = set()
        self._reasons: dict[str, str] = {}
        self._measured: dict[tuple[Path, str], ClaimMeasurement] = {}
        self._outcomes: dict[Path, list[Outcome]] = {}

    @staticmethod
    def _check_writable(option: str, file: str) -> None:
        from ohmbench.errors import FileError
        from ohmbench.files import check_writable

        try:
            check_writable(file, overwrite=True)
        except FileError as error:
            raise pytest.UsageError(f"{option}: {error}") from None

    # --------------------------------------------------------------------------------------------
    # Tests and their ledgers

    def test_of(self, nodeid: str) -> str:
        """The name of a test by the absolute path of its file, as ledgers are asked for it."""
        return _absolute(nodeid, self._config.rootpath)

    def ledger_of(self, item: pytest.Item) -> Path | None:
        """The ledger of a test's claims, or None where there is none."""
        ledger = self._named or self._nearest(item.path.resolve().parent)
        if ledger is not None:
            self._ledgers.add(ledger)
        return ledger

    def _nearest(self, folder: Path) -> Path | None:
        root = self._config.rootpath.resolve()
        for candidate in (folder, *folder.parents):
            if (candidate / LEDGER).is_file():
                return candidate / LEDGER
            if candidate == root:
                break
        return None

    @pytest.hookimpl(tryfirst=True)  # before any test is deselected
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """pytest's hook: which tests there are, and their ledgers.

        Raises pytest.UsageError for a bad one.
        """
        for item in items:
            self._collected.add(self.test_of(item.nodeid))
            if "claim" in getattr(item, "fixturenames", ()):
                ledger = self.ledger_of(item)
                if ledger is not None:
                    read(ledger)  # a bad ledger ends the run before its tests begin

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """pytest's hook: files that could not be collected."""
        if report.failed:
            self._failed.add(self.test_of(report.nodeid))

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """pytest-xdist's hook: what a worker collected."""
        ledgers, collected = getattr(node, "workeroutput", {}).get(_WORKER, ((), ()))
        self._ledgers.update(map(Path, ledgers))
        self._collected.update(collected)

    # --------------------------------------------------------------------------------------------
    # Results

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """pytest's hook: what became of a test, and what it claimed."""
        test = self.test_of(report.nodeid)
        if report.failed:
            self._failed.add(test)
        elif report.skipped:
            expected = getattr(report, "wasxfail", None)
            if expected is not None:
                self._reasons[test] = f"its test is expected to fail: {expected}".rstrip(": ")
            else:
                reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else "skipped"
                self._reasons[test] = str(reason).removeprefix("Skipped: ")
        elif report.when == "call":
            self._passed.add(test)
        if report.when == "call":
            for name, found in report.user_properties:
                if name == _PROPERTY and isinstance(found, list):
                    self._record(*found)

    def _record(self, ledger: str, measurement: str) -> None:
        from ohmbench.claims.ledger import ClaimMeasurement

        found = ClaimMeasurement.model_validate_json(measurement)
        self._measured[Path(ledger), found.id] = found

    def _outcome(self, ledger: Path, claim: Claim) -> Outcome:
        from ohmbench.claims.outcomes import Outcome
        from ohmbench.claims.status import ClaimStatus

        if claim.test is None:
            return Outcome.of(claim, None, None)

        def failed(reason: str) -> Outcome:
            return Outcome(claim, ClaimStatus.FAILED, reason=reason)

        test = _absolute(claim.test, ledger.parent)
        file = test.partition("::")[0]
        found = self._measured.get((ledger, claim.id))
        if test in self._failed:
            # Whatever was measured before, the test did not establish it.
            wrong = found is not None and claim.judge(found.value) is ClaimStatus.FAILED
            return Outcome.of(claim, found if wrong else None, None)
        if found is not None:
            return Outcome.of(claim, found, None)
        if test in self._reasons:
            return Outcome.of(claim, None, self._reasons[test])
        if test in self._passed:
            return failed("its test passed without measuring it")
        if file in self._failed:
            return failed("its test file could not be collected")
        if not Path(file).is_file():
            return failed("its test file does not exist")
        if test not in self._collected and self._collected_whole(file):
            return failed("its test does not exist")
        return Outcome.of(claim, None, _NOT_SELECTED)

    def _collected_whole(self, file: str) -> bool:
        """Whether all tests of the file were collected, not only those that arguments name."""
        some = any("::" in argument for argument in self._config.args)
        return not some and any(test.startswith(f"{file}::") for test in self._collected)

    def _judge(self) -> None:
        for ledger in sorted(self._ledgers):
            rows = read(ledger).values()
            self._outcomes[ledger] = [self._outcome(ledger, row) for row in rows]

    def _all(self) -> Iterator[Outcome]:
        return (outcome for outcomes in self._outcomes.values() for outcome in outcomes)

    def _judged_none(self) -> bool:
        return all(outcome.measurement is None for outcome in self._all())

    # --------------------------------------------------------------------------------------------
    # The end of the run

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """pytest's hook: judges the claims, or hands over what this worker collected."""
        if hasattr(self._config, "workerinput"):
            ledgers = [os.fspath(ledger) for ledger in self._ledgers]
            output = self._config.workeroutput  # type: ignore[attr-defined]  # pytest-xdist's
            output[_WORKER] = (ledgers, sorted(self._collected))
            return
        if self._config.option.collectonly:
            return
        self._judge()
        by_name = {os.fspath(ledger): found for ledger, found in self._outcomes.items()}
        if self._json:
            from ohmbench.claims.outcomes import write_outcomes

            write_outcomes(self._json, by_name)
        if self._html:
            from ohmbench.claims.html.render import write_report
            from ohmbench.claims.outcomes import StoredRun

            added = self._config.hook.pytest_ohmbench_report_pages(config=self._config)
            pages = [page for some in reversed(added) for page in some]
            write_report(self._html, StoredRun.now(by_name), pages=pages, overwrite=True)
        if session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
            idle = self._config.getoption("--require-claims") and self._judged_none()
            if idle or any(outcome.status.value == "FAILED" for outcome in self._all()):
                session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """pytest's hook: a table of each ledger that the run touched."""
        if not self._config.getoption("--no-claims-table"):
            for ledger, outcomes in self._outcomes.items():
                if self._touched(outcomes):
                    self._print(terminalreporter, ledger, outcomes)
        if self._config.getoption("--require-claims") and self._judged_none():
            terminalreporter.write_line("FAILED: no claim was judged", red=True)

    @staticmethod
    def _touched(outcomes: Iterable[Outcome]) -> bool:
        """Whether the run had anything to do with the ledger."""
        untouched = {("not run", _NOT_SELECTED), ("not checkable", "")}
        return any(
            (outcome.status.value, outcome.reason if outcome.claim.test else "") not in untouched
            for outcome in outcomes
        )

    def _print(self, terminalreporter: Any, ledger: Path, outcomes: list[Outcome]) -> None:
        from rich.console import Console

        from ohmbench.claims.outcomes import claims_table

        title = "claims ledger" if len(self._outcomes) == 1 else f"claims ledger {ledger}"
        terminalreporter.section(title, sep="=")
        console = Console(file=terminalreporter._tw._file, width=_TABLE_COLUMNS)
        verbose = self._config.get_verbosity() > 0
        console.print(claims_table(outcomes, verbose=verbose))
