"""The ledger's faults: each fits the code, and a row whose fault is planted turns red."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ohmbench.claims.ledger import Claim, ClaimMeasurement, ClaimStatus, Fault, read_ledger
from ohmbench.claims.outcomes import TEST_FAILED, Outcome
from ohmbench.claims.planting import Planted, faulty_text, plant
from ohmbench.claims.running import ClaimsRunError, own_ledger
from ohmbench.cli import app
from ohmbench.eda.hdl import HDL_VARIABLE, hdl_folder
from ohmbench.errors import FileError
from ohmbench.kernels.choice import PATH_VARIABLE
from tests.repro import plants

LEDGER = own_ledger()
ROWS = {name: row for name, row in read_ledger(LEDGER).items() if row.test is not None}

# ------------------------------------------------------------------------------------------------
# The faults of our own ledger


def test_every_row_with_a_test_has_a_fault_in_words() -> None:
    assert [name for name, row in ROWS.items() if row.fault is None or not row.fault.says] == []


@pytest.mark.parametrize("name", ROWS)
def test_the_fault_fits_its_file(name: str) -> None:
    """Its text stands there once, and with the fault a Python file still compiles."""
    fault = ROWS[name].fault
    assert fault is not None
    changed = faulty_text(LEDGER, ROWS[name])
    assert fault.by in changed
    if fault.file.endswith(".py"):
        compile(changed, fault.file, "exec")


@pytest.mark.parametrize("name", ROWS)
def test_the_fault_is_in_what_is_measured_not_in_what_measures(name: str) -> None:
    fault = ROWS[name].fault
    assert fault is not None
    assert fault.file.startswith("ohmbench/")
    assert not fault.file.startswith(("ohmbench/claims/", "ohmbench/repro/"))


QUICK = ("fann.mnist28-neurons", "fann.int8-worst-case-bits", "ohmbench.diabete-mse")
"""One of each family, from files that come with ohmbench."""


def check_red(name: str, environment: dict[str, str] | None = None) -> None:
    found = plant(LEDGER, ROWS[name], environment=environment, show=False)
    if found.outcome.status is ClaimStatus.NOT_RUN:
        pytest.skip(found.outcome.reason)
    assert found.red, found.text
    assert found.measured, found.text


@pytest.mark.parametrize("name", QUICK)
def test_a_row_turns_red(name: str) -> None:
    # To compile the loops of the copy would take longer than these few samples.
    check_red(name, {PATH_VARIABLE: "plain"})


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in ROWS if name not in QUICK])
def test_every_row_turns_red(name: str) -> None:
    check_red(name)


# ------------------------------------------------------------------------------------------------
# A ledger of somebody else

MODEL = '''"""A model."""
LIMIT = 90.0


def accuracy():
    return LIMIT + 7.0
'''
TESTS = """
import model
def test_accuracy(claim): claim("lab.accuracy", model.accuracy())
"""
ROW = """
- id: lab.accuracy
  statement: It classifies 97 %
  source: Lab, table 1
  published: 97.0
  tolerance: 0.05
  expect: reproduced
  why: one decimal
  test: test_paper.py::test_accuracy
  fault: {file: model.py, replace: "LIMIT + 7.0", by: "LIMIT - 7.0", says: the sign is wrong}
"""


@pytest.fixture
def paper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "a paper"
    folder.mkdir()
    for name, text in (("model.py", MODEL), ("test_paper.py", TESTS), ("claims.yaml", ROW)):
        (folder / name).write_text(text, encoding="utf-8")
    return folder / "claims.yaml"


def with_fault(paper: Path, **changes: str) -> Claim:
    row = read_ledger(paper)["lab.accuracy"]
    assert row.fault is not None
    fault = Fault.model_validate({**row.fault.model_dump(), **changes})
    return row.model_copy(update={"fault": fault})


def test_the_fault_of_a_strangers_row_turns_it_red(
    paper: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path.name: path.read_bytes() for path in paper.parent.iterdir()}
    found = plant(paper, with_fault(paper), show=False)
    assert (found.red, found.measured) == (True, True)
    assert found.text == "red: measured 83"
    assert capsys.readouterr() == ("", "")
    # The original is as it was.
    assert {path.name: path.read_bytes() for path in paper.parent.iterdir()} == before


@pytest.mark.parametrize(
    ("changes", "red", "text"),
    [
        pytest.param(
            {"replace": '"""A model."""', "by": '"""A mode."""'},
            False,
            "NOT RED: reproduced",
            id="idle",
        ),
        pytest.param(
            {"by": "undefined"}, True, "red: its test failed before it measured", id="exception"
        ),
    ],
)
def test_what_is_red_and_what_is_not(
    paper: Path, changes: dict[str, str], red: bool, text: str
) -> None:
    found = plant(paper, with_fault(paper, **changes), show=False)
    assert found.red is red
    assert found.text.startswith(text)
    assert not found.measured


def test_a_fault_that_keeps_the_test_from_being_imported_shows_nothing(paper: Path) -> None:
    row = with_fault(paper, replace="LIMIT = 90.0", by="import nothing_of_that_name")
    with pytest.raises(ClaimsRunError, match="ended with status 4 before the claims were judged"):
        plant(paper, row, show=False)


def test_a_skipped_test_shows_nothing(paper: Path) -> None:
    row = with_fault(paper)
    for reason in ("no tool", TEST_FAILED):
        found = Planted(row, Outcome.of(row, None, reason))
        assert not found.red
        assert found.text == f"NOT RED: not run, {reason}"
    assert Planted(row, Outcome.of(row, None, None)).red


def test_the_fault_of_an_installed_package(paper: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The copy of the package is imported, not the package, whatever the user's PYTHONPATH has."""
    site = paper.parent.parent / "site"
    package = site / "lab_package_of_a_test"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("", encoding="utf-8")
    (paper.parent / "model.py").rename(package / "inner.py")
    tests = TESTS.replace("import model", f"from {package.name} import inner as model")
    (paper.parent / "test_paper.py").write_text(tests, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", os.fspath(site))
    monkeypatch.setattr(sys, "path", [os.fspath(site), *sys.path])
    found = plant(paper, with_fault(paper, file=f"{package.name}/inner.py"), show=False)
    assert found.text == "red: measured 83"


def test_the_fault_of_our_own_verilog(paper: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Our Verilog is not in the package of a checkout, and a folder of the user's stands for it."""
    tests = """
from ohmbench.eda.hdl import sources
def test_accuracy(claim):
    (text,) = (path.read_text() for path in sources() if path.name == "argmax.v")
    claim("lab.accuracy", 97 if "  wire b_wins = ~single_i & (" in text else 0)
"""
    (paper.parent / "test_paper.py").write_text(tests, encoding="utf-8")
    fault = {"file": "ohmbench/hdl/argmax.v", "replace": "b_wins = ~single_i", "by": "b_wins = 1"}
    for folder in (None, paper.parent.parent / "user's own"):
        if folder is not None:
            shutil.copytree(hdl_folder(), folder)
            monkeypatch.setenv(HDL_VARIABLE, os.fspath(folder))
        assert plant(paper, with_fault(paper, **fault), show=False).text == "red: measured 0"


# ------------------------------------------------------------------------------------------------
# What does not fit


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"file": "mode.py"}, "mode.py is neither in the ledger's folder nor in an installed pack"),
        ({"file": "no_such_package/model.py"}, "no_such_package/model.py is neither"),
        ({"file": "ohmbench/no_such_module.py"}, "ohmbench/no_such_module.py is neither"),
        ({"replace": "LIMIT + 8.0"}, "has the text 'LIMIT + 8.0' 0 times, but should have it once"),
        ({"replace": "LIMIT"}, "has the text 'LIMIT' 2 times, but should have it once"),
        ({"by": "LIMIT - "}, "with the fault model.py is not Python: invalid syntax"),
    ],
)
def test_a_fault_that_does_not_fit(paper: Path, changes: dict[str, str], complaint: str) -> None:
    with pytest.raises(FileError) as caught:
        plant(paper, with_fault(paper, **changes))
    message = str(caught.value)
    assert message.startswith(f"{paper}: claim lab.accuracy, fault: ")
    assert complaint in message
    assert message.isprintable()


def test_a_row_without_a_fault(paper: Path) -> None:
    row = with_fault(paper).model_copy(update={"fault": None})
    with pytest.raises(FileError, match=r"claim lab\.accuracy: has no fault to plant"):
        faulty_text(paper, row)


def test_a_file_that_is_not_text(paper: Path) -> None:
    (paper.parent / "model.py").write_bytes(b"LIMIT + 7.0 \xff")
    with pytest.raises(FileError, match=r"model\.py: is not UTF-8"):
        faulty_text(paper, with_fault(paper))


# ------------------------------------------------------------------------------------------------
# From the command line


def test_claims_plant(paper: Path) -> None:
    run = CliRunner().invoke(app, ["claims", str(paper), "--plant", "lab.accuracy"])
    expected = "lab.accuracy: red: measured 83 (model.py: the sign is wrong)\n"
    assert (run.exit_code, run.stdout) == (0, expected)
    idle = paper.read_text(encoding="utf-8").replace("LIMIT - 7.0", "7.0 + LIMIT")
    paper.write_text(idle, encoding="utf-8")
    run = CliRunner().invoke(app, ["claims", str(paper), "--plant", "lab.accuracy"])
    assert run.exit_code == 1
    assert run.stdout.startswith("lab.accuracy: NOT RED: reproduced (model.py: ")


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--plant", "lab.power"], "has no claim lab.power"),
        (["--plant", "lab.accuracy", "--csv", "x.csv"], "--csv: does not apply with --plant"),
        (["--plant", "lab.accuracy", "--source", "Lab"], "--source: does not apply with --plant"),
    ],
)
def test_claims_plant_refuses(paper: Path, options: list[str], complaint: str) -> None:
    run = CliRunner().invoke(app, ["claims", str(paper), *options])
    assert isinstance(run.exception, Exception)
    assert complaint in str(run.exception)
    assert not Path("x.csv").exists()


# ------------------------------------------------------------------------------------------------
# All rows, one after the other


@pytest.fixture
def planted(paper: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The rows that ``python -m tests.repro.plants`` plants, in place of doing so: three rows of
    which the first measures 83, the second the published 97, and the third is skipped."""
    third = ROW.replace("lab.accuracy", "lab.idle") + ROW.replace("lab.accuracy", "lab.skipped")
    paper.write_text(ROW + third, encoding="utf-8")
    names: list[str] = []

    def at_once(ledger: Path, row: Claim, *, show: bool) -> Planted:
        names.append(row.id)
        value = {"lab.accuracy": 83.0, "lab.idle": 97.0}.get(row.id)
        found = None if value is None else ClaimMeasurement(id=row.id, value=value)
        return Planted(row, Outcome.of(row, found, "no tool"))

    monkeypatch.setattr(plants, "own_ledger", lambda: paper)
    monkeypatch.setattr(plants, "plant", at_once)
    return names


def test_all_rows_are_planted_and_one_that_stays_green_is_told(
    planted: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert plants.main([]) == 1
    assert planted == ["lab.accuracy", "lab.idle", "lab.skipped"]
    lines = [line.rpartition(" [")[0] for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        "1/3 lab.accuracy: red: measured 83",
        "2/3 lab.idle: NOT RED: reproduced",
        "3/3 lab.skipped: NOT RED: not run, no tool",
    ]
    # A row that could not run is no green one.
    assert plants.main(["lab.accuracy", "lab.skipped"]) == 0


def test_what_was_seen_red_is_not_planted_again(planted: list[str], tmp_path: Path) -> None:
    results = ["--results", str(tmp_path / "results.json")]
    plants.main(results)
    planted.clear()
    assert plants.main(results) == 1
    assert planted == ["lab.idle", "lab.skipped"]
    planted.clear()
    plants.main([*results, "--again"])
    assert len(planted) == 3
    # Another fault is another question.
    ledger = tmp_path / "a paper" / "claims.yaml"
    text = ledger.read_text(encoding="utf-8")
    ledger.write_text(text.replace("LIMIT - 7.0", "LIMIT - 8.0", 1), encoding="utf-8")
    planted.clear()
    plants.main([*results, "lab.accuracy"])
    assert planted == ["lab.accuracy"]


def test_a_row_that_cannot_be_imported_does_not_end_the_others(
    planted: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def ends(ledger: Path, row: Claim, *, show: bool) -> Planted:
        raise ClaimsRunError("pytest ended with status 4")

    monkeypatch.setattr(plants, "plant", ends)
    assert plants.main([]) == 1
    out = capsys.readouterr().out
    assert out.count("NOT RED: pytest ended with status 4") == 3
