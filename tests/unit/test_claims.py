"""The claims ledger: what each status takes, what is refused, and that rows and tests agree."""

from __future__ import annotations

import ast
import csv
import json
import math
import re
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console

from ohmbench.claims.ledger import Claim, ClaimMeasurement, ClaimStatus, read_ledger
from ohmbench.claims.outcomes import (
    COLUMNS,
    Outcome,
    claims_table,
    write_csv,
    write_outcomes,
)
from ohmbench.errors import FileError
from ohmbench.weights import versions

REPRO = Path(__file__).parents[1] / "repro"
ROOT = REPRO.parents[1]
LEDGER = REPRO / "claims.yaml"

ROW: dict[str, Any] = {
    "id": "a.b",
    "statement": "s",
    "source": "here",
    "why": "w",
    "test": "tests/t.py::t",
}
FAULT = {"file": "f.py", "replace": "a", "by": "b"}


def reproduced(**changes: Any) -> Claim:
    return Claim(**{**ROW, "expect": "reproduced", "published": 10.0, "tolerance": 0.5, **changes})


def differs(**changes: Any) -> Claim:
    return Claim(
        **{**ROW, "expect": "differs", "published": 10.0, "ours": 12.0, "tolerance": 0.5, **changes}
    )


def met(**changes: Any) -> Claim:
    return Claim(**{**ROW, "expect": "met", **changes})


def missed(**changes: Any) -> Claim:
    return Claim(**{**ROW, "expect": "missed", "ours": 5.0, "tolerance": 0.2, **changes})


# ------------------------------------------------------------------------------------------------
# Judging


@pytest.mark.parametrize(
    ("claim", "value", "status"),
    [
        pytest.param(reproduced(), 10.0, ClaimStatus.REPRODUCED, id="equal"),
        pytest.param(reproduced(), 10.5, ClaimStatus.REPRODUCED, id="at-upper-bound"),
        pytest.param(reproduced(), 9.5, ClaimStatus.REPRODUCED, id="at-lower-bound"),
        pytest.param(reproduced(), math.nextafter(10.5, 11), ClaimStatus.FAILED, id="above"),
        pytest.param(reproduced(), math.nextafter(9.5, 9), ClaimStatus.FAILED, id="below"),
        pytest.param(reproduced(tolerance=0.0), 10.0, ClaimStatus.REPRODUCED, id="exact"),
        pytest.param(reproduced(tolerance=0.0), 10.0 + 1e-12, ClaimStatus.FAILED, id="not-exact"),
        pytest.param(reproduced(), math.nan, ClaimStatus.FAILED, id="nan"),
        pytest.param(reproduced(), math.inf, ClaimStatus.FAILED, id="infinite"),
        pytest.param(differs(), 12.0, ClaimStatus.DIFFERS, id="differs"),
        pytest.param(differs(), 11.5, ClaimStatus.DIFFERS, id="differs-at-bound"),
        pytest.param(differs(), math.nextafter(11.5, 11), ClaimStatus.FAILED, id="neither"),
        pytest.param(differs(), 10.0, ClaimStatus.FAILED, id="reproduced-against-expectation"),
        pytest.param(differs(ours=10.8), 10.4, ClaimStatus.FAILED, id="both-near"),
        pytest.param(differs(), math.nan, ClaimStatus.FAILED, id="differs-nan"),
        pytest.param(met(at_least=3.0), 3.0, ClaimStatus.MET, id="at-least"),
        pytest.param(met(at_least=3.0), math.nextafter(3, 2), ClaimStatus.FAILED, id="too-little"),
        pytest.param(met(at_most=3.0), 3.0, ClaimStatus.MET, id="at-most"),
        pytest.param(met(at_most=3.0), math.nextafter(3, 4), ClaimStatus.FAILED, id="too-much"),
        pytest.param(missed(at_most=3.0), 5.1, ClaimStatus.MISSED, id="missed"),
        pytest.param(missed(at_most=3.0), 2.9, ClaimStatus.FAILED, id="missed-but-reached"),
        pytest.param(missed(at_most=3.0), 5.3, ClaimStatus.FAILED, id="missed-by-another-amount"),
        pytest.param(
            missed(at_most=3.0, tolerance=0.25), 5.25, ClaimStatus.MISSED, id="missed-at-bound"
        ),
        pytest.param(
            missed(at_most=3.0, tolerance=0.25), 4.75, ClaimStatus.MISSED, id="missed-below"
        ),
        pytest.param(missed(at_least=6.0), 5.0, ClaimStatus.MISSED, id="missed-too-little"),
        pytest.param(
            missed(at_least=1.0, at_most=3.0), 5.0, ClaimStatus.MISSED, id="missed-one-bound"
        ),
        pytest.param(missed(at_most=5.0), 5.0, ClaimStatus.FAILED, id="missed-reached-as-known"),
        pytest.param(
            missed(at_most=3.0, tolerance=0.0), 5.0, ClaimStatus.MISSED, id="missed-exactly"
        ),
        pytest.param(
            missed(at_most=3.0, tolerance=0.0), 5.5, ClaimStatus.FAILED, id="missed-not-quite"
        ),
        pytest.param(met(at_least=1.0, at_most=3.0), 2.0, ClaimStatus.MET, id="between"),
        pytest.param(met(at_least=1.0, at_most=3.0), 0.0, ClaimStatus.FAILED, id="under-both"),
        pytest.param(met(at_least=1.0), math.nan, ClaimStatus.FAILED, id="met-nan"),
        pytest.param(met(at_most=0.0), 1e-9, ClaimStatus.FAILED, id="above-a-bound-of-0"),
        pytest.param(met(at_most=0.0), 0.0, ClaimStatus.MET, id="at-an-upper-bound-of-0"),
        pytest.param(met(at_least=0.0), -1e-9, ClaimStatus.FAILED, id="below-a-bound-of-0"),
        pytest.param(met(at_least=0.0), 0.0, ClaimStatus.MET, id="at-a-lower-bound-of-0"),
    ],
)
def test_judge(claim: Claim, value: float, status: ClaimStatus) -> None:
    assert claim.judge(value) is status


@pytest.mark.parametrize(
    ("bounds", "text"),
    [
        ({"at_least": 1.0}, ">= 1"),
        ({"at_most": -2.5}, "<= -2.5"),
        ({"at_least": 0.0, "at_most": 0.05}, "0 to 0.05"),
    ],
)
def test_a_target_in_words(bounds: dict[str, float], text: str) -> None:
    assert met(**bounds).expected_text == text


def test_nothing_measures_what_no_test_can_check() -> None:
    for published, tolerance in ((None, None), (1.0, None), ("about 1", 1.0)):
        row = {"expect": "not checkable", "test": None, "published": published}
        claim = Claim(**{**ROW, **row, "tolerance": tolerance})
        assert claim.judge(1.0) is ClaimStatus.FAILED


# ------------------------------------------------------------------------------------------------
# Reading

GOOD = """
- id: a.b
  statement: s
  source: here
  expect: reproduced
  published: 1e-4
  tolerance: 0.5
  why: w
  test: tests/t.py::t
"""


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "claims.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_good_row_reads(tmp_path: Path) -> None:
    ledger = read_ledger(written(tmp_path, GOOD))
    assert list(ledger) == ["a.b"]
    assert ledger["a.b"].published == 1e-4


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        pytest.param("  why: w\n", "", "claim a.b, why: is missing", id="missing-key"),
        pytest.param("  why: w\n", "  why: ''\n", "claim a.b, why: is empty", id="empty"),
        pytest.param("  why: w\n", "  why: w\n  wy: x\n", "wy: is not a key", id="unknown-key"),
        pytest.param("0.5", "half", "claim a.b, tolerance: Input should", id="text-for-number"),
        pytest.param("0.5", ".nan", "claim a.b, tolerance: is not a finite", id="nan"),
        pytest.param("0.5", ".inf", "claim a.b, tolerance: is not a finite", id="infinite"),
        pytest.param("0.5", "-0.1", "claim a.b, tolerance: Input should", id="negative"),
        pytest.param("1e-4", ".inf", "claim a.b, published", id="infinite-published"),
        pytest.param("source: here", "source: 3", "claim a.b, source: ", id="number-for-text"),
        pytest.param("reproduced", "hoped", "claim a.b, expect: Input should be", id="status"),
        pytest.param("a.b", "A b", "claim A b, id: 'A b', expected lower-case", id="id"),
        pytest.param("  id: a.b\n", "", "claim 0, id: is missing", id="no-id"),
        pytest.param("  tolerance: 0.5\n", "", "needs tolerance", id="no-tolerance"),
        pytest.param("  test: tests/t.py::t\n", "", "needs test", id="no-test"),
        pytest.param("1e-4", "about one", "needs a number as published", id="no-number"),
        pytest.param("reproduced", "differs", "needs ours", id="differs-without-ours"),
        pytest.param("reproduced", "missed", "needs ours", id="missed-without-ours"),
        pytest.param("reproduced", "met", "needs at_least or at_most", id="met-without-bound"),
        pytest.param("reproduced", "not checkable", "names no test", id="not-checkable-with-test"),
        pytest.param("  why: w\n", "  why: w\n  fault: x\n",
                     "claim a.b, fault: Input", id="fault-text"),
        pytest.param("  why: w\n", "  why: w\n  fault: {file: f, replace: a}\n",
                     "claim a.b, fault.by: is missing", id="fault-without-by"),
        pytest.param("  why: w\n", "  why: w\n  fault: {file: f, replace: a, by: b, on: 1}\n",
                     "claim a.b, fault.on: is not a key", id="fault-unknown-key"),
        pytest.param("  why: w\n", "  why: w\n  fault: {file: f, replace: '', by: b}\n",
                     "claim a.b, fault.replace: is empty", id="fault-replaces-nothing"),
        pytest.param("  why: w\n", "  why: w\n  fault: {file: f, replace: a, by: a}\n",
                     "'replace' and 'by' are the same text", id="fault-changes-nothing"),
        *(
            pytest.param("  why: w\n", f"  why: w\n  fault: {{file: {file}, replace: a, by: b}}\n",
                         "should be a relative path without '..'", id=f"fault-in-{name}")
            for name, file in (("root", "/f"), ("parent", "../f"), ("windows", "a\\f"))
        ),
    ],
)  # fmt: skip
def test_malformed_rows_are_named(tmp_path: Path, old: str, new: str, complaint: str) -> None:
    text = GOOD.replace("- id", "-\n  id")
    assert old in text
    path = written(tmp_path, text.replace(old, new))
    with pytest.raises(FileError) as caught:
        read_ledger(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: claim ")
    assert complaint in message
    assert message.isprintable()


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        pytest.param(GOOD + GOOD, "claim a.b: occurs twice", id="twice"),
        pytest.param("a: 1\n", "is not a list of claims", id="mapping"),
        pytest.param("", "is empty", id="empty"),
        pytest.param("- 3\n", "claim 0, row: ", id="number-for-row"),
        pytest.param("- [\n", "not valid YAML", id="no-yaml"),
        pytest.param("- {a: 1, a: 2}\n", "key 'a' occurs twice", id="key-twice"),
        pytest.param("- !!python/object:os.system {}\n", "tags are not accepted", id="object"),
    ],
)
def test_malformed_ledgers_are_refused(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(FileError) as caught:
        read_ledger(written(tmp_path, text))
    assert complaint in str(caught.value)
    assert str(caught.value).isprintable()


def test_a_fault_needs_a_test() -> None:
    with pytest.raises(ValueError, match="a fault needs a test that turns red"):
        not_checkable(fault=FAULT)
    assert reproduced(fault=FAULT).fault is not None


def test_the_first_of_several_complaints_is_named(tmp_path: Path) -> None:
    text = GOOD.replace("source: here", "source: 3").replace("why: w", "why: ''")
    with pytest.raises(FileError, match=r"claim a\.b, source: "):
        read_ledger(written(tmp_path, text))


def test_unreadable_ledgers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="cannot open"):
        read_ledger(tmp_path / "none.yaml")
    (tmp_path / "binary.yaml").write_bytes(b"- \xff\xfe")
    with pytest.raises(FileError, match="not text in UTF-8"):
        read_ledger(tmp_path / "binary.yaml")


# ------------------------------------------------------------------------------------------------
# The table


def shown(*outcomes: Outcome, width: int = 200, verbose: bool = False) -> list[str]:
    """The lines of the table."""
    console = Console(width=width)
    with console.capture() as capture:
        console.print(claims_table(outcomes, verbose=verbose))
    return [line.rstrip() for line in capture.get().splitlines()]


def outcome(claim: Claim, measured: float | None = None, reason: str | None = None) -> Outcome:
    found = None if measured is None else ClaimMeasurement(id=claim.id, value=measured)
    return Outcome.of(claim, found, reason)


def not_checkable(**changes: Any) -> Claim:
    return Claim(**{**ROW, "expect": "not checkable", "test": None, **changes})


CASES = [
    pytest.param(outcome(reproduced(unit="mV"), 10.1), r"reproduced +a\.b +10 mV +10\.1 mV",
                 "reason: w", id="reproduced"),
    pytest.param(outcome(reproduced(unit="mV"), 11.0), r"FAILED +a\.b +10 mV +11 mV",
                 "reason: w", id="failed"),
    pytest.param(outcome(differs(), 12.0), r"differs +a\.b +10 +12", "reason: w", id="differs"),
    pytest.param(outcome(met(at_least=1.0, at_most=2.0), 1.5), r"met +a\.b +1 to 2 +1\.5",
                 "target: 1 to 2; here: 1.5", id="met"),
    pytest.param(outcome(reproduced(), None, "no tool"), r"not run +a\.b +10 +-",
                 "reason: no tool", id="not-run"),
    pytest.param(outcome(reproduced()), r"FAILED +a\.b +10 +-",
                 "reason: its test failed", id="test-failed"),
    pytest.param(outcome(not_checkable()), r"not checkable +a\.b +- +-",
                 "reason: w", id="not-checkable"),
    pytest.param(outcome(not_checkable(published="about one", unit="mV")),
                 r"not checkable +a\.b +about one mV +-", "published: about one mV; here: -",
                 id="text"),
    pytest.param(outcome(not_checkable(published=1234567.0)),
                 r"not checkable +a\.b +1\.23457e\+06 +-", "here: -", id="large"),
]  # fmt: skip


@pytest.mark.parametrize(("found", "line", "explained"), CASES)
def test_a_claim_is_one_line_and_verbose_adds_the_reasons(
    found: Outcome, line: str, explained: str
) -> None:
    header, row, tally, *circumstances = shown(found)
    assert header.split() == ["status", "claim", "published", "/", "target", "here"]
    assert re.fullmatch(line, row), row
    assert tally == f"1 claim: 1 {found.status.value} (-v shows the reasons)"
    assert "python" in circumstances[0]
    more = shown(found, verbose=True)
    assert more[:2] == [header, row]
    assert more[2].strip() == "s [here]"  # the brackets are not markup
    assert any(explained in text for text in more[2:5]), more


def test_the_detail_of_a_measurement_is_shown_with_the_reasons() -> None:
    found = ClaimMeasurement(id="a.b", value=10.1, detail="seed 7")
    judged = Outcome.of(reproduced(unit="mV"), found, None)
    assert not any("seed 7" in line for line in shown(judged))
    assert any("here: 10.1 mV (seed 7)" in line for line in shown(judged, verbose=True))


LONG = {"id": f"a.{'b' * 70}", "unit": "u" * 70, "statement": "s" * 70, "why": "w" * 250}


@pytest.mark.parametrize("verbose", [False, True])
@pytest.mark.parametrize("width", [60, 100, 200])
def test_every_line_fits_100_columns_and_the_terminal(width: int, verbose: bool) -> None:
    # A character that takes two columns, and one that would end the line.
    wide = reproduced(**{**LONG, "id": "a.c", "unit": "\u4e00" * 70, "statement": "1\n2"})
    outcomes = [outcome(reproduced(**LONG), 10.1), outcome(wide, 10.1)]
    lines = shown(*outcomes, width=width, verbose=verbose)
    assert all(cell_len(line) <= min(width, 100) for line in lines), lines
    rows = [line for line in lines if line.startswith("reproduced")]
    assert len(rows) == 2
    assert all(" 10" in row and " 10.1" in row for row in rows)  # numbers come before units
    assert all("\u2026" in row for row in rows)


def test_verbose_cuts_nothing() -> None:
    lines = shown(outcome(reproduced(**LONG), 10.1), width=60, verbose=True)
    text = "".join(line.strip() for line in lines[2:])
    assert all(value in text for value in (LONG["statement"], LONG["unit"], LONG["why"]))


def test_control_characters_of_a_ledger_do_not_reach_the_terminal() -> None:
    hostile = reproduced(statement="\x1b[2Jgone", unit="\x1b]0;t\x07", why="a\rb\x9b")
    lines = shown(outcome(hostile, 10.1), verbose=True)
    assert all(character.isprintable() for line in lines for character in line), lines


def test_the_last_lines_count_the_statuses() -> None:
    many = [outcome(reproduced(), 10.0)] * 2 + [outcome(met(at_most=1.0), 2.0)]
    tally = "3 claims: 2 reproduced, 1 FAILED"
    assert shown(*many)[4] == f"{tally} (-v shows the reasons)"
    assert tally in shown(*many, verbose=True)
    assert shown()[1] == "no claims"


@pytest.mark.parametrize("write", ["json", "csv"])
def test_outcomes_are_stored_in_place_of_older_ones(tmp_path: Path, write: str) -> None:
    path = tmp_path / "claims"
    path.write_text("older", encoding="utf-8")
    outcomes = [
        Outcome.of(reproduced(), ClaimMeasurement(id="a.b", value=10.1, detail="seed 7"), None),
        Outcome.of(met(at_least=1.0, fault=FAULT), None, "no tool"),
    ]
    if write == "csv":
        write_csv(path, outcomes)
        with open(path, encoding="utf-8", newline="") as file:
            first, second = csv.DictReader(file)
        assert tuple(first) == COLUMNS
        assert (first["status"], first["value"], first["detail"]) == (
            *("reproduced", "10.1", "seed 7"),
        )
        assert (first["fault"], second["fault"]) == ("", "f.py: 'a' becomes 'b'")
        assert (second["reason"], second["value"], second["at_least"]) == ("no tool", "", "1.0")
    else:
        write_outcomes(path, {"a/claims.yaml": outcomes})
        stored = json.loads(path.read_text(encoding="utf-8"))
        assert stored["format"] == 1
        assert stored["versions"] == versions()
        assert [Outcome.from_dict(row) for row in stored["ledgers"]["a/claims.yaml"]] == outcomes


@pytest.mark.parametrize(
    "outcome",
    [
        Outcome.of(reproduced(), ClaimMeasurement(id="a.b", value=10.1, detail="seed 7"), None),
        Outcome.of(differs(), ClaimMeasurement(id="a.b", value=12.0), None),
        Outcome.of(reproduced(), ClaimMeasurement(id="a.b", value=math.inf), None),
        Outcome.of(reproduced(), None, "no tool"),
        Outcome.of(reproduced(), None, None),
        Outcome.of(not_checkable(), None, None),
        Outcome.of(reproduced(fault=FAULT), None, None),
    ],
    ids=["measured", "differs", "infinite", "not-run", "failed", "not-checkable", "fault"],
)
def test_an_outcome_survives_json(outcome: Outcome) -> None:
    stored = json.loads(json.dumps(outcome.as_dict(), allow_nan=False))
    assert Outcome.from_dict(stored) == outcome


def test_table_says_under_what_circumstances() -> None:
    text = " ".join(shown())
    for name, number in versions().items():
        assert f"{name} {number}" in text


# ------------------------------------------------------------------------------------------------
# This project's ledger


def repro_tests() -> set[str]:
    """Every test function of the ledger's folder, by node id, from the source alone."""
    found = set()
    for path in sorted(REPRO.glob("test_*.py")):
        name = path.name
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            inner = node.body if isinstance(node, ast.ClassDef) else [node]
            prefix = f"{name}::{node.name}" if isinstance(node, ast.ClassDef) else name
            found |= {
                f"{prefix}::{function.name}"
                for function in inner
                if isinstance(function, ast.FunctionDef) and function.name.startswith("test_")
            }
    return found


def test_every_row_names_a_test_and_every_test_has_a_row() -> None:
    named = {claim.test for claim in read_ledger(LEDGER).values() if claim.test is not None}
    there = repro_tests()
    assert there, "no tests were found at all"
    # A row may name one case of a parametrised test.
    functions = {test.partition("[")[0] for test in named}
    assert functions - there == set(), "rows name tests that do not exist"
    assert there - functions == set(), "tests of claims that no row names"
