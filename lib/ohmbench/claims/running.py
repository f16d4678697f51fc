"""Runs the tests of a ledger in a pytest of their own, and returns what became of each claim."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tempfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import ohmbench
from ohmbench.claims.ledger import Claim, read_ledger
from ohmbench.claims.outcomes import Outcome
from ohmbench.claims.plugin import LEDGER
from ohmbench.claims.status import ClaimStatus
from ohmbench.errors import FileError, OhmbenchError
from ohmbench.files import read_json

SKIPPED_FOLDERS = {"node_modules", "site-packages", "__pycache__", "build", "dist"}
"""Folders that hold nothing of a user's own writing."""

_NOT_FOR_US = ("PYTEST_ADDOPTS", "PYTEST_DISABLE_PLUGIN_AUTOLOAD")
"""Settings of the user's own runs: they would decide which claims are run, and how."""

_ENDED = (0, 1, 5)  # pytest: all passed, some failed, none collected


class ClaimsRunError(OhmbenchError):
    """pytest is missing, or it ended before it could judge the claims."""


@dataclass(frozen=True)
class LedgerRun:
    """A ledger and what became of its rows."""

    ledger: Path
    outcomes: list[Outcome]

    def failed(self) -> bool:
        """Whether any claim of the ledger failed."""
        return any(outcome.status is ClaimStatus.FAILED for outcome in self.outcomes)


def own_ledger() -> Path:
    """This project's own ledger: in the package, else in the checkout. Raises FileError."""
    package = Path(ohmbench.__file__).parent
    candidates = (package / "repro" / LEDGER, package.parents[1] / "tests" / "repro" / LEDGER)
    for path in candidates:
        if path.is_file():
            return path
    raise FileError(candidates[-1], "not found", remedy="install ohmbench again")


def find_ledger(named: str | os.PathLike[str]) -> Path:
    """The ledger ``named``, or the only ``claims.yaml`` in the folder ``named`` or below it.

    Raises FileError when there is none, or more than one below.
    """
    path = Path(named)
    if not os.fspath(named):
        raise FileError("", "not found", remedy=f"name a folder with a {LEDGER}")
    if "[" in os.fspath(path.resolve()):
        raise FileError(
            path, "has a [ in its path, which pytest refuses", remedy="rename the folder"
        )
    if path.is_file():
        return path.resolve()
    if not path.is_dir():
        raise FileError(path, "not found", remedy=f"name a folder with a {LEDGER}")
    if (path / LEDGER).is_file():
        return (path / LEDGER).resolve()
    found = []
    for folder, below, files in os.walk(path):
        below[:] = sorted(d for d in below if not d.startswith(".") and d not in SKIPPED_FOLDERS)
        found += [Path(folder, LEDGER)] if LEDGER in files else []
    if not found:
        raise FileError(path, f"has no {LEDGER}", remedy="name a ledger or the folder that has one")
    if len(found) > 1:
        choices = ", ".join(os.fspath(ledger) for ledger in found)
        raise FileError(path, f"has several ledgers: {choices}", remedy="name one of them")
    return found[0].resolve()


def run_ledger(
    ledger: Path, *, source: str | None = None, environment: Mapping[str, str] | None = None
) -> LedgerRun:
    """Run the tests that the ledger's rows name and judge the rows.

    ``source`` selects the rows whose source contains this text, in any case. pytest's own output
    goes to standard error while it runs; ``environment`` is added to that of the process. Raises
    FileError for a bad ledger or a ``source`` that no row has, ClaimsRunError when pytest cannot
    run the tests.
    """
    rows = read_ledger(ledger)
    chosen = {
        name: row
        for name, row in rows.items()
        if source is None or source.casefold() in row.source.casefold()
    }
    if not chosen and source is not None:
        sources = ", ".join(sorted({row.source.partition(",")[0] for row in rows.values()}))
        raise FileError(
            ledger, f"no claim has a source with {source!r}", remedy=f"sources are {sources}"
        )
    tests = _tests(ledger, chosen.values(), whole_files=source is None)
    if not tests:
        return LedgerRun(ledger, [_without_test(row) for row in chosen.values()])
    found = _pytest(ledger, tests, environment or {})
    return LedgerRun(ledger, [outcome for outcome in found if outcome.claim.id in chosen])


def _tests(ledger: Path, rows: Collection[Claim], whole_files: bool) -> list[str]:
    """Arguments of pytest for the rows' tests whose files exist: the files, or the tests alone."""
    tests = [row.test for row in rows if row.test is not None]
    there = [test for test in tests if (ledger.parent / test.partition("::")[0]).is_file()]
    names = [test.partition("::")[0] if whole_files else test for test in there]
    return [os.fspath(ledger.parent / name) for name in dict.fromkeys(names)]


def _without_test(row: Claim) -> Outcome:
    if row.test is None:
        return Outcome.of(row, None, None)
    return Outcome(row, ClaimStatus.FAILED, reason="its test file does not exist")


def run_row(
    ledger: Path, row: Claim, *, environment: Mapping[str, str] | None = None, show: bool = True
) -> Outcome:
    """Run the test of one row of the ledger and judge the row.

    ``show``: pytest's output goes to standard error. Raises as ``run_ledger``.
    """
    tests = _tests(ledger, [row], whole_files=False)
    if not tests:
        return _without_test(row)
    found = _pytest(ledger, tests, environment or {}, show=show)
    return next(outcome for outcome in found if outcome.claim.id == row.id)


def _pytest(
    ledger: Path, tests: list[str], environment: Mapping[str, str], *, show: bool = True
) -> list[Outcome]:
    if importlib.util.find_spec("pytest") is None:
        raise ClaimsRunError("pytest is not installed: pip install 'ohmbench[test]'")
    with tempfile.TemporaryDirectory(prefix="ohmbench-claims-") as folder:
        stored = Path(folder, "claims.json")
        options = ["-q", "-p", "ohmbench.claims.needs_marker", "-p", "no:cacheprovider"]
        options += ["--claims-ledger", os.fspath(ledger), "--claims-json", os.fspath(stored)]
        if ledger.parent == Path(ohmbench.__file__).parent / "repro":
            # An installed package takes no configuration from the folders it happens to lie in.
            options += ["-c", os.devnull, "--rootdir", os.fspath(ledger.parent)]
        command = [sys.executable, "-m", "pytest", *options, "--no-claims-table", *tests]
        inherited = {k: v for k, v in os.environ.items() if k not in _NOT_FOR_US}
        run = _show if show else _quietly
        status = run(command, ledger.parent, {**inherited, **environment})
        if status not in _ENDED or not stored.is_file():
            raise ClaimsRunError(
                f"pytest ended with status {status} before the claims were judged; the tests "
                "could not be run, see its output above"
            )
        (outcomes,) = read_json(stored)["ledgers"].values()
    return [Outcome.from_dict(row) for row in outcomes]


def _quietly(command: list[str], folder: Path, environment: Mapping[str, str]) -> int:
    """The exit status of ``command``, whatever it prints."""
    done = subprocess.run(  # noqa: S603 - as below
        command,
        cwd=folder,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=False,
    )
    return done.returncode


def _show(command: list[str], folder: Path, environment: Mapping[str, str]) -> int:
    """The exit status of ``command``; its output goes to ``sys.stderr`` as it comes."""
    with subprocess.Popen(  # noqa: S603 - this interpreter, on tests that the user names
        command,
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        assert process.stdout is not None
        # Character by character: pytest's progress is dots without line ends.
        while character := process.stdout.read(1):
            if sys.stderr is not None:
                sys.stderr.write(character)
                sys.stderr.flush()
        return process.wait()
