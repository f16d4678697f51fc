"""``ohmbench claims``: a stranger's ledger from the command line, and what it refuses."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ohmbench.claims import running
from ohmbench.claims.ledger import ClaimStatus, read_ledger
from ohmbench.claims.outcomes import COLUMNS, Outcome, StoredRun, write_outcomes
from ohmbench.claims.running import ClaimsRunError, find_ledger, own_ledger, run_ledger
from ohmbench.cli import app
from ohmbench.cli.report import _is_own
from ohmbench.errors import FileError

LEDGER = """
- {id: lab.accuracy, statement: It classifies 97 %, source: "Lab, table 1", published: 97.0,
   unit: "%", tolerance: 0.05, expect: reproduced, why: one decimal,
   test: tests/test_paper.py::test_accuracy}
- {id: lab.power, statement: It draws 2 mW, source: "Lab, figure 3", published: 2.0, ours: 2.5,
   unit: mW, tolerance: 0.1, expect: differs, why: bias, test: tests/test_paper.py::test_power}
- {id: lab.speed, statement: At least 10 images a second, source: own target, at_least: 10,
   expect: met, why: target, test: tests/test_paper.py::test_speed}
- {id: lab.chip, statement: It works on a chip, source: "Lab, section 5", expect: not checkable,
   why: no chip}
"""
TESTS = """
def test_accuracy(claim): claim("lab.accuracy", 97.02, "450 images")
def test_power(claim): claim("lab.power", 2.52)
def test_speed(claim): claim("lab.speed", 9.0)
"""


@pytest.fixture
def paper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    # Of the user's own runs: they must not decide which claims are judged.
    monkeypatch.setenv("PYTEST_ADDOPTS", "-k nothing")
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    folder = tmp_path / "a paper"
    (folder / "tests").mkdir(parents=True)
    (folder / "claims.yaml").write_text(LEDGER, encoding="utf-8")
    (folder / "tests" / "test_paper.py").write_text(TESTS, encoding="utf-8")
    return folder


def statuses(outcomes: list[Outcome]) -> dict[str, str]:
    return {outcome.claim.id: outcome.status.value for outcome in outcomes}


def test_a_third_papers_ledger(paper: Path, tmp_path: Path) -> None:
    """One claim of each status, one of them red."""
    files = [f"--{kind}={tmp_path / f'claims.{kind}'}" for kind in ("json", "csv")]
    result = CliRunner().invoke(app, ["claims", str(paper), "-v", *files])
    assert result.exit_code == 1
    assert "It classifies 97 % [Lab, table 1]" in result.output
    expected = {
        "lab.accuracy": "reproduced",
        "lab.power": "differs",
        "lab.speed": "FAILED",
        "lab.chip": "not checkable",
    }
    stored = json.loads((tmp_path / "claims.json").read_text(encoding="utf-8"))
    (rows,) = stored["ledgers"].values()
    assert {row["id"]: row["status"] for row in rows} == expected
    with open(tmp_path / "claims.csv", encoding="utf-8", newline="") as file:
        table = list(csv.DictReader(file))
    assert tuple(table[0]) == COLUMNS
    assert {row["id"]: row["status"] for row in table} == expected
    assert table[0]["value"] == "97.02"
    assert table[0]["detail"] == "450 images"


def test_a_source_selects_what_is_run(paper: Path) -> None:
    # The other tests would break the file's run: they must not even begin.
    begun = paper / "begun"
    broken = TESTS.replace('claim("lab.speed", 9.0)', f"open({str(begun)!r}, 'w').close()")
    (paper / "tests" / "test_paper.py").write_text(broken, encoding="utf-8")
    run = run_ledger(paper / "claims.yaml", source="lab, ")
    assert not begun.exists()
    assert statuses(run.outcomes) == {
        "lab.accuracy": "reproduced",
        "lab.power": "differs",
        "lab.chip": "not checkable",
    }
    assert not run.failed()


def test_a_status_selects_what_is_printed(paper: Path) -> None:
    result = CliRunner().invoke(app, ["claims", str(paper), "--status", "differs"])
    assert result.exit_code == 1  # the red claim stays red, printed or not
    assert "lab.power" in result.output
    assert "lab.accuracy" not in result.output
    assert "1 FAILED, not shown" in result.output
    shown = CliRunner().invoke(app, ["claims", str(paper), "--status", "FAILED"])
    assert "not shown" not in shown.output


def test_a_ledger_without_tests_needs_no_pytest(paper: Path) -> None:
    rows = LEDGER[LEDGER.index("- {id: lab.chip") :]
    (paper / "claims.yaml").write_text(rows, encoding="utf-8")
    assert statuses(run_ledger(paper / "claims.yaml").outcomes) == {"lab.chip": "not checkable"}


def test_rows_of_a_missing_file_are_failed(paper: Path) -> None:
    (paper / "tests" / "test_paper.py").unlink()
    run = run_ledger(paper / "claims.yaml")
    assert statuses(run.outcomes)["lab.power"] == "FAILED"
    assert run.outcomes[1].reason == "its test file does not exist"
    assert run.failed()


def test_a_row_of_a_missing_test_is_failed(paper: Path) -> None:
    """The whole file is run, so that what it lacks is known."""
    (paper / "tests" / "test_paper.py").write_text(TESTS.replace("_power", "_watts"), "utf-8")
    (outcome,) = (
        o for o in run_ledger(paper / "claims.yaml").outcomes if o.claim.id == "lab.power"
    )
    assert (outcome.status, outcome.reason) == (ClaimStatus.FAILED, "its test does not exist")


def test_an_empty_ledger_claims_nothing(paper: Path) -> None:
    (paper / "claims.yaml").write_text("[]\n", encoding="utf-8")
    assert run_ledger(paper / "claims.yaml").outcomes == []
    with pytest.raises(FileError, match="no claim has a source with 'Lab'"):
        run_ledger(paper / "claims.yaml", source="Lab")


def test_the_environment_of_a_run_is_ones_own_and_what_is_given(
    paper: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OHMBENCH_TEST_OWN", "90")
    reads = "import os\n" + TESTS.replace(
        "97.02", "sum(int(os.environ.get(f'OHMBENCH_TEST_{n}', 0)) for n in ('OWN', 'GIVEN'))"
    )
    (paper / "tests" / "test_paper.py").write_text(reads, encoding="utf-8")
    for given, status in (
        ({"OHMBENCH_TEST_GIVEN": "7"}, "reproduced"),
        (None, "FAILED"),
        # What is given counts, whatever one has.
        ({"OHMBENCH_TEST_OWN": "50", "OHMBENCH_TEST_GIVEN": "7"}, "FAILED"),
        ({"OHMBENCH_TEST_OWN": "97"}, "reproduced"),
    ):
        run = run_ledger(paper / "claims.yaml", environment=given)
        assert statuses(run.outcomes)["lab.accuracy"] == status


def test_without_pytest_nothing_is_run(paper: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ClaimsRunError, match="pytest is not installed"):
        run_ledger(paper / "claims.yaml")


@pytest.mark.parametrize(
    ("status", "stored", "judged"),
    [(0, True, True), (1, True, True), (5, True, True), (2, True, False), (0, False, False)],
)
def test_only_a_run_that_ended_is_believed(
    paper: Path, monkeypatch: pytest.MonkeyPatch, status: int, stored: bool, judged: bool
) -> None:
    commands = []

    def show(command: list[str], folder: Path, environment: Mapping[str, str]) -> int:
        commands.append(command)
        if stored:
            path = command[command.index("--claims-json") + 1]
            write_outcomes(path, {"claims.yaml": []})
        return status

    monkeypatch.setattr(running, "_show", show)
    if judged:
        assert run_ledger(paper / "claims.yaml").outcomes == []
    else:
        with pytest.raises(ClaimsRunError, match=f"ended with status {status} before"):
            run_ledger(paper / "claims.yaml")
    # A stranger's own configuration of pytest holds, that around an installed package does not.
    assert "--rootdir" not in commands[0]
    package = paper.parent / "ohmbench"
    package.mkdir()
    paper.rename(package / "repro")
    monkeypatch.setattr(running.ohmbench, "__file__", str(package / "__init__.py"))
    with contextlib.suppress(ClaimsRunError):
        run_ledger(package / "repro" / "claims.yaml")
    at = commands[1].index("-c")
    expected = ["-c", os.devnull, "--rootdir", str(package / "repro")]
    assert commands[1][at : at + 4] == expected


def test_what_a_command_prints_is_shown_at_once(
    paper: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script = "import os, sys; print(os.getcwd(), os.environ['A']); sys.stdout.flush()\n"
    script += "print('wrong', file=sys.stderr, flush=True); os.write(1, b'\\xff.'); sys.exit(3)"
    command = [sys.executable, "-c", script]
    assert running._show(command, paper, {**os.environ, "A": "given"}) == 3
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == [f"{paper} given", "wrong", "\ufffd."]


def test_a_dot_is_seen_before_the_next(paper: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Screen(io.StringIO):
        def flush(self) -> None:
            if self.getvalue():
                (paper / "seen").touch()

    monkeypatch.setattr(sys, "stderr", Screen())
    script = "import os, sys, time; sys.stdout.write('.'); sys.stdout.flush()\n"
    script += "end = time.monotonic() + 5\n"
    script += "while time.monotonic() < end and not os.path.exists('seen'): time.sleep(0.01)\n"
    script += "sys.exit(not os.path.exists('seen'))"
    assert running._show([sys.executable, "-c", script], paper, dict(os.environ)) == 0


def test_a_process_without_standard_error_runs_all_the_same(
    paper: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    assert running._show([sys.executable, "-c", "print(1)"], paper, dict(os.environ)) == 0


def test_outcomes_survive_their_stored_form(paper: Path) -> None:
    for outcome in run_ledger(paper / "claims.yaml").outcomes:
        assert Outcome.from_dict(outcome.as_dict()) == outcome


def test_the_ledger_is_found_below(paper: Path) -> None:
    assert find_ledger(paper.parent) == (paper / "claims.yaml").resolve()
    assert find_ledger(paper / "claims.yaml") == (paper / "claims.yaml").resolve()
    (paper / ".venv").mkdir()
    (paper / "claims.yaml").rename(paper / ".venv" / "claims.yaml")
    with pytest.raises(FileError, match=r"has no claims\.yaml"):
        find_ledger(paper)
    (paper / ".venv").rename(paper / "node_modules")
    with pytest.raises(FileError, match=r"has no claims\.yaml"):
        find_ledger(paper)


def test_several_ledgers_are_a_question(paper: Path) -> None:
    other = paper.parent / "other"
    other.mkdir()
    (other / "claims.yaml").write_text(LEDGER, encoding="utf-8")
    with pytest.raises(FileError, match=r"has several ledgers: .*name one of them"):
        find_ledger(paper.parent)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        pytest.param([""], "'': not found; name a folder with a claims.yaml", id="empty"),
        pytest.param(["none"], "none: not found; name a folder with a claims.yaml", id="missing"),
        pytest.param([".", "--source", "Labb"], "no claim has a source with 'Labb'", id="source"),
        pytest.param([".", "--json", "claims.yaml"], "exists already", id="overwrite"),
        pytest.param(["pyproject.toml"], "is not a list of claims", id="not-a-ledger"),
    ],
)
def test_bad_input_is_one_line(
    paper: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], complaint: str
) -> None:
    monkeypatch.chdir(paper)
    Path("pyproject.toml").write_text("a: 1\n", encoding="utf-8")
    result = CliRunner().invoke(app, ["claims", *arguments])
    assert complaint in str(result.exception)
    assert len(str(result.exception).splitlines()) == 1


def test_a_run_that_cannot_begin_says_so(paper: Path) -> None:
    (paper / "conftest.py").write_text("raise SystemExit(7)\n", encoding="utf-8")
    result = CliRunner().invoke(app, ["claims", str(paper)])
    assert "before the claims were judged" in str(result.exception)


def test_a_package_without_its_ledger_is_broken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "lib" / "ohmbench"
    monkeypatch.setattr(running.ohmbench, "__file__", str(package / "__init__.py"))
    with pytest.raises(FileError, match="not found; install ohmbench again"):
        own_ledger()
    for folder in (tmp_path / "tests", package):  # the checkout's, then the package's own
        (folder / "repro").mkdir(parents=True)
        (folder / "repro" / "claims.yaml").touch()
        assert own_ledger() == folder / "repro" / "claims.yaml"


def test_the_own_ledger_reads() -> None:
    rows = read_ledger(own_ledger())
    assert {"fann.v3-accuracy", "ohmbench.rtl-exact"} <= rows.keys()
    assert {row.expect for row in rows.values()} <= {status.value for status in ClaimStatus}


# ------------------------------------------------------------------------------------------------
# ohmbench report


def test_a_strangers_report_has_the_claims_alone(paper: Path, tmp_path: Path) -> None:
    out = tmp_path / "r.html"
    result = CliRunner().invoke(app, ["report", str(paper), "--out", str(out)])
    assert result.exit_code == 1  # a claim is red; the report is there all the same
    html = out.read_text(encoding="utf-8")
    assert "lab.speed" in html
    assert "<nav" not in html
    assert "97.02 % (450 images)" in html


def test_a_report_of_an_earlier_run_runs_nothing(
    paper: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = run_ledger(paper / "claims.yaml")
    stored = tmp_path / "claims.json"
    write_outcomes(stored, {str(run.ledger): run.outcomes})
    monkeypatch.setattr(running, "_pytest", None)
    words = ["--claims-json", str(stored), "--history", str(tmp_path)]
    result = CliRunner().invoke(app, ["report", *words, "--out", str(tmp_path / "r.html")])
    assert result.exit_code == 1
    assert "Earlier runs" in (tmp_path / "r.html").read_text(encoding="utf-8")


def test_a_run_of_the_own_ledger_is_known_wherever_it_was() -> None:
    own = read_ledger(own_ledger())
    for rows, expected in ((own, True), ({}, False)):
        found = [Outcome.of(claim, None, "no tool") for claim in rows.values()]
        assert _is_own(StoredRun({"/elsewhere/claims.yaml": found}, {})) == expected
    other = own["fann.retention"].model_copy(update={"id": "lab.retention"})
    assert not _is_own(StoredRun({"x": [Outcome.of(other, None, None)]}, {}))


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        pytest.param([".", "--claims-json", "x.json"], "name one of them", id="both"),
        pytest.param([".", "--history", "claims.yaml"], "not valid JSON", id="history"),
        pytest.param([".", "--history", "tests"], "holds no JSON files", id="empty-folder"),
        pytest.param([".", "--bench", "x.json"], "not a run or a baseline", id="bench"),
        pytest.param([".", "--synth", "x.json"], "not goldens of synthesis", id="synth"),
        pytest.param(["--claims-json", "x.json"], "is not a run of claims", id="run"),
        pytest.param([".", "--out", "claims.yaml"], "exists already", id="overwrite"),
        pytest.param(["--claims-json", "x.json", "--out", "x.json", "--force"],
                     "is what this command reads", id="input"),
    ],
)  # fmt: skip
def test_a_bad_input_of_a_report_is_one_line_before_any_work(
    paper: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], complaint: str
) -> None:
    monkeypatch.chdir(paper)
    monkeypatch.setattr(running, "_pytest", None)
    Path("x.json").write_text('{"a": 3}', encoding="utf-8")
    result = CliRunner().invoke(app, ["report", *arguments])
    assert complaint in str(result.exception)
    assert len(str(result.exception).splitlines()) == 1
    assert not Path("ohmbench-report.html").exists()
