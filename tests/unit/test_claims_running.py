"""What one row's run is given and what is left of it; pytest itself is replaced by a stand-in."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ohmbench.claims import planting, running
from ohmbench.claims.ledger import Claim, ClaimStatus, Fault, read_ledger
from ohmbench.claims.outcomes import Outcome, write_outcomes
from ohmbench.claims.planting import Planted, faulty_text, plant
from ohmbench.claims.plugin import ClaimRecorder
from ohmbench.claims.running import run_ledger, run_row
from ohmbench.eda.hdl import HDL_VARIABLE, hdl_folder
from ohmbench.errors import FileError

LEDGER = """
- id: lab.accuracy
  statement: It classifies 97 %
  source: Lab, table 1
  published: 97.0
  tolerance: 0.05
  expect: reproduced
  why: one decimal
  test: test_paper.py::test_accuracy
  fault: {file: model.py, replace: "90.0", by: "80.0", says: the limit is wrong}
- id: lab.power
  statement: It takes at most 5 W
  source: Data sheet, page 3
  at_most: 5.0
  unit: W
  expect: met
  why: the limit of the supply
  test: test_paper.py::test_power
- {id: lab.speed, statement: It is fast, source: "Lab, table 2", expect: not checkable, why: vague}
"""


@pytest.fixture
def paper(tmp_path: Path) -> Path:
    """A ledger of three rows with the files of their tests."""
    folder = tmp_path / "paper"
    folder.mkdir()
    (folder / "claims.yaml").write_text(LEDGER, encoding="utf-8")
    (folder / "model.py").write_text("LIMIT = 90.0\n", encoding="utf-8")
    (folder / "test_paper.py").write_text("import model\n", encoding="utf-8")
    return folder / "claims.yaml"


# ------------------------------------------------------------------------------------------------
# Which rows are run, and with what


def test_a_source_that_no_row_has_is_answered_with_those_there_are(paper: Path) -> None:
    """Each once, without the page or table."""
    with pytest.raises(FileError) as caught:
        run_ledger(paper, source="Other")
    assert caught.value.remedy == "sources are Data sheet, Lab"


@pytest.mark.parametrize(
    ("name", "status"),
    [("lab.accuracy", ClaimStatus.FAILED), ("lab.speed", ClaimStatus.NOT_CHECKABLE)],
)
def test_a_row_without_a_test_file_is_judged_without_a_run(
    paper: Path, name: str, status: ClaimStatus
) -> None:
    (paper.parent / "test_paper.py").unlink()
    row = read_ledger(paper)[name]
    found = run_row(paper, row)
    assert (found.claim, found.status, found.measurement) == (row, status, None)


@pytest.fixture
def environments(paper: Path, monkeypatch: pytest.MonkeyPatch) -> list[Mapping[str, str]]:
    """The environments of the runs of pytest, each of which skips every row for its own reason."""
    given: list[Mapping[str, str]] = []

    def skip_all(command: list[str], folder: Path, environment: Mapping[str, str]) -> int:
        given.append(environment)
        rows = read_ledger(paper).values()
        found = [Outcome.of(row, None, f"skipped {row.id}") for row in rows]
        write_outcomes(command[command.index("--claims-json") + 1], {str(paper): found})
        return 0

    monkeypatch.setattr(running, "_quietly", skip_all)
    return given


@pytest.mark.parametrize("name", ["lab.accuracy", "lab.power"])
def test_the_outcome_of_a_row_is_its_own(
    paper: Path, environments: list[Mapping[str, str]], name: str
) -> None:
    """Also where a run brings back those of other rows."""
    row = read_ledger(paper)[name]
    found = run_row(paper, row, show=False)
    assert (found.claim, found.reason) == (row, f"skipped {name}")
    assert len(environments) == 1


def test_the_environment_of_a_row_is_added_to_that_of_the_process(
    paper: Path, environments: list[Mapping[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAB_OWN", "of the process")
    monkeypatch.setenv("LAB_BOTH", "of the process")
    row = read_ledger(paper)["lab.power"]
    run_row(paper, row, show=False)
    run_row(paper, row, environment={"LAB_BOTH": "of the call"}, show=False)
    found = [(given["LAB_OWN"], given["LAB_BOTH"]) for given in environments]
    assert found == [("of the process", "of the process"), ("of the process", "of the call")]


def test_a_quiet_run_prints_nothing_and_starts_in_the_folder(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Neither pytest's progress nor its errors, and relative paths are the folder's."""
    (tmp_path / "there.txt").touch()
    program = (
        "import os, sys; print('progress'); print('error', file=sys.stderr); "
        "sys.exit(5 if os.path.exists('there.txt') else 6)"
    )
    command = [sys.executable, "-I", "-S", "-c", program]
    assert running._quietly(command, tmp_path, os.environ) == 5
    assert capfd.readouterr() == ("", "")


# ------------------------------------------------------------------------------------------------
# What a planted fault is given, and what is left of it


Look = Callable[[Path, Mapping[str, str]], Any]
Watch = Callable[[Look], list[Any]]


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    """``watch(look)``: what ``look(ledger, environment)`` returns while a fault is in place."""

    def watching(look: Look) -> list[Any]:
        seen: list[Any] = []

        def fail(
            ledger: Path, row: Claim, *, environment: Mapping[str, str], show: bool
        ) -> Outcome:
            seen.append(look(ledger, environment))
            return Outcome.of(row, None, None)

        monkeypatch.setattr(planting, "run_row", fail)
        return seen

    return watching


def with_file(paper: Path, file: str, replace: str = "90.0") -> Claim:
    """The first row with its fault in another file."""
    fault = Fault(file=file, replace=replace, by="80.0", says="the limit is wrong")
    return read_ledger(paper)["lab.accuracy"].model_copy(update={"fault": fault})


def test_the_copy_has_the_fault_and_only_what_the_user_wrote(paper: Path, watch: Watch) -> None:
    """No repository, no environments, no compiled files: they may be large, and stale."""
    for folder in (".git", "node_modules", "__pycache__", "data/.hidden", "data/site-packages"):
        (paper.parent / folder).mkdir(parents=True)
        (paper.parent / folder / "file").touch()
    (paper.parent / "data" / "images").touch()

    def texts(ledger: Path, environment: Mapping[str, str]) -> dict[str, str]:
        there = (path for path in ledger.parent.rglob("*") if path.is_file())
        return {path.relative_to(ledger.parent).as_posix(): path.read_text() for path in there}

    seen = watch(texts)
    plant(paper, with_file(paper, "model.py"))
    assert seen == [
        {
            "claims.yaml": LEDGER,
            "data/images": "",
            "model.py": "LIMIT = 80.0\n",
            "test_paper.py": "import model\n",
        }
    ]


def test_the_run_of_a_fault_leaves_nothing_behind(
    paper: Path, watch: Watch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Loops compiled with the fault go with the copy, and none compiled before are found."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", os.fspath(temporary))

    def compile_loops(ledger: Path, environment: Mapping[str, str]) -> bool:
        cache = Path(environment["NUMBA_CACHE_DIR"])
        cache.mkdir()  # raises where there is one
        (cache / "loop.nbi").touch()
        return cache.is_relative_to(temporary)

    seen = watch(compile_loops)
    for _ in range(2):
        plant(paper, with_file(paper, "model.py"))
        assert list(temporary.iterdir()) == []
    assert seen == [True, True]


def test_the_environment_of_the_caller_reaches_a_faulty_run(paper: Path, watch: Watch) -> None:
    seen = watch(lambda ledger, environment: environment.get("LAB"))
    plant(paper, with_file(paper, "model.py"), environment={"LAB": "of the caller"})
    plant(paper, with_file(paper, "model.py"))
    assert seen == ["of the caller", None]


def test_faulty_verilog_is_used_in_place_of_the_users(
    paper: Path, watch: Watch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "verilog"
    folder.mkdir()
    for name in ("accelerator.v", "part.v"):
        (folder / name).write_text(f"// {name}: 90.0\n", encoding="utf-8")
    monkeypatch.setenv(HDL_VARIABLE, os.fspath(folder))

    def verilog(ledger: Path, environment: Mapping[str, str]) -> tuple[Path, list[str]]:
        named = Path(environment[HDL_VARIABLE])
        return ledger, [path.read_text() for path in sorted(named.iterdir())]

    seen = watch(verilog)
    plant(paper, with_file(paper, "ohmbench/hdl/part.v"))
    assert seen == [(paper, ["// accelerator.v: 90.0\n", "// part.v: 80.0\n"])]
    assert (folder / "part.v").read_text() == "// part.v: 90.0\n"


def test_a_fault_elsewhere_leaves_the_verilog_as_it_is(paper: Path, watch: Watch) -> None:
    seen = watch(lambda ledger, environment: environment[HDL_VARIABLE])
    plant(paper, with_file(paper, "model.py"))
    assert seen == [os.fspath(hdl_folder())]


def test_a_folder_that_cannot_be_copied_whole_is_not_run(paper: Path, watch: Watch) -> None:
    (paper.parent / "data").symlink_to(paper.parent / "nowhere")
    seen = watch(lambda ledger, environment: None)
    with pytest.raises(FileError, match="cannot be copied") as caught:
        plant(paper, with_file(paper, "model.py"))
    assert caught.value.path == os.fspath(paper.parent)
    assert seen == []


# ------------------------------------------------------------------------------------------------
# What shows nothing


@pytest.mark.parametrize(
    "reason", ["its test file does not exist", "its test passed without measuring it"]
)
def test_a_row_that_failed_around_its_test_is_not_red(paper: Path, reason: str) -> None:
    row = read_ledger(paper)["lab.accuracy"]
    found = Planted(row, Outcome(row, ClaimStatus.FAILED, reason=reason))
    assert (found.red, found.measured, found.text) == (False, False, f"NOT RED: FAILED, {reason}")


def test_a_module_of_one_file_has_no_other_files(
    paper: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault may name a package's file; the name may be that of a module, which has none."""
    (tmp_path / "lab_module_of_a_test.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(FileError, match=r"lab_module_of_a_test/model\.py is neither in the ledger"):
        faulty_text(paper, with_file(paper, "lab_module_of_a_test/model.py"))


def test_a_file_of_the_verilog_that_is_not_there(paper: Path) -> None:
    with pytest.raises(FileError, match="No such file") as caught:
        faulty_text(paper, with_file(paper, "ohmbench/hdl/no_such_part.v"))
    assert Path(caught.value.path) == hdl_folder() / "no_such_part.v"


# ------------------------------------------------------------------------------------------------
# What a failing claim shows


def test_a_failing_claim_shows_the_line_of_its_test(paper: Path) -> None:
    """Not a line of the fixture, which says nothing of what went wrong."""
    node: Any = SimpleNamespace(nodeid="test_paper.py::test_power", user_properties=[])
    test = f"{paper.parent.resolve() / 'test_paper.py'}::test_power"
    claim = ClaimRecorder(paper, test, node)
    with pytest.raises(AssertionError, match=r"lab\.power is 6 W, but should be met") as caught:
        claim("lab.power", 6.0)
    shown = caught.getrepr().reprcrash
    assert shown is not None
    assert Path(shown.path).name == Path(__file__).name
    assert len(node.user_properties) == 1


def test_a_folder_that_pytest_cannot_name_is_refused(tmp_path: Path) -> None:
    """In an argument of pytest, what stands in brackets is a parameter."""
    folder = tmp_path / "b[1]"
    folder.mkdir()
    (folder / "claims.yaml").write_text("[]", encoding="utf-8")
    for named in (folder, folder / "claims.yaml"):
        with pytest.raises(FileError, match="rename the folder"):
            running.find_ledger(named)
