"""Outcomes of claims: the table on terminals of any width, and the files of a run."""

from __future__ import annotations

import csv
import io
import json
import re
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console
from rich.segment import Segment

from ohmbench.claims import outcomes as module
from ohmbench.claims.ledger import Claim, ClaimMeasurement, ClaimStatus
from ohmbench.claims.outcomes import (
    COLUMNS,
    Outcome,
    StoredRun,
    claims_table,
    csv_text,
    read_outcomes,
    write_outcomes,
)
from ohmbench.errors import FileError
from tests.browser.reports import outcomes as one_of_each_status
from tests.unit.servers import repository

ONE = Outcome.of(
    Claim(
        id="a.b",
        statement="one and two",
        source="table 1",
        expect="reproduced",
        published=1.0,
        tolerance=0.5,
        why="three",
        test="t.py::t",
    ),
    ClaimMeasurement(id="a.b", value=1.0, interval=(0.5, 1.5)),
    None,
)
EXPLANATION = ["oneandtwo[table1]", "published:1;here:1", "reason:three"]

# ------------------------------------------------------------------------------------------------
# The table


def lines(*outcomes: Outcome, width: int, verbose: bool = False) -> list[str]:
    """The lines of the table, with whatever they end in."""
    console = Console(width=width, file=io.StringIO())
    with console.capture() as capture:
        console.print(claims_table(outcomes, verbose=verbose))
    return capture.get().splitlines()


def styled(*outcomes: Outcome) -> list[dict[str, str]]:
    """The texts of each line that have a style, with it."""
    console = Console(width=100, file=io.StringIO())
    segments = console.render(claims_table(outcomes))
    return [
        {part.text.strip(): str(part.style) for part in line if part.style and part.text.strip()}
        for line in Segment.split_lines(segments)
    ]


def test_the_colour_of_a_status_is_that_of_its_verdict() -> None:
    """Green is as claimed, yellow is not, bold red is a fault; what was not checked has none."""
    verdicts = {
        **dict.fromkeys((ClaimStatus.REPRODUCED, ClaimStatus.MET), "green"),
        **dict.fromkeys((ClaimStatus.DIFFERS, ClaimStatus.MISSED), "yellow"),
        ClaimStatus.FAILED: "bold red",
    }
    found = one_of_each_status()
    assert {each.status for each in found} == set(ClaimStatus)
    header, *rows = styled(*found)
    for each, row in zip(found, rows, strict=False):
        expected = verdicts.get(each.status)
        assert row == ({each.status.value: expected} if expected else {}), each.status
    assert header == dict.fromkeys(("status", "claim", "published / target", "here"), "bold")
    assert not any(rows[len(found) :])  # counts and versions


@pytest.mark.parametrize("width", [22, 40, 100, 200])
@pytest.mark.parametrize("verbose", [False, True])
def test_no_line_ends_in_spaces(width: int, verbose: bool) -> None:
    found = lines(*one_of_each_status(), width=width, verbose=verbose)
    assert [line for line in found if line != line.rstrip()] == []


def test_each_cell_keeps_a_column_where_the_terminal_has_room_for_one() -> None:
    """13 columns for the status, and three cells of one column, each after two spaces."""
    header, row, *_ = lines(ONE, width=13 + 3 * (2 + 1))
    assert header.split() == ["status", "\u2026", "\u2026", "\u2026"]
    assert row.split() == ["reproduced", "\u2026", "1", "1"]


@pytest.mark.parametrize("width", [4, 12, 21])
def test_a_claim_is_one_line_that_says_it_was_cut(width: int) -> None:
    header, row, *_ = lines(ONE, width=width)
    for line, begin in ((header, "status"), (row, "reproduced")):
        assert line.startswith(begin[: width - 1])
        assert line.endswith("\u2026")
        assert cell_len(line) == width


@pytest.mark.parametrize("width", [4, 5, 6, 12, 40, 100])
def test_the_reasons_are_whole_on_a_terminal_of_any_width(width: int) -> None:
    plain = lines(ONE, width=width)
    found = lines(ONE, width=width, verbose=True)
    assert all(cell_len(line) <= width for line in found)
    assert found[:2] == plain[:2]
    text = "".join("".join(found[2:]).split())
    assert text.startswith("".join(EXPLANATION) + "1claim:1reproduced")


@pytest.mark.parametrize("width", [5, 6, 12, 40])
def test_every_line_of_the_reasons_is_indented(width: int) -> None:
    found = lines(ONE, width=width, verbose=True)[2:]
    reasons = [line for line in found if line.startswith("    ")]
    assert "".join("".join(reasons).split()) == "".join(EXPLANATION)


@pytest.mark.parametrize("width", [20, 99, 100, 101, 200])
def test_long_circumstances_are_folded_at_100_columns_or_the_terminal(
    monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    number = "".join(str(digit % 10) for digit in range(250))
    monkeypatch.setattr(module, "versions", lambda: {"tool": number})
    found = lines(width=width)[2:]
    assert "".join("".join(found).split()) == f"tool{number}"
    # Only the first line, which may end before the number, and the last have room left.
    assert {cell_len(line) for line in found[1:-1]} == {min(width, 100)}


# ------------------------------------------------------------------------------------------------
# Stored runs


def test_the_commit_is_that_of_the_ledgers_own_repository(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = repository(tmp_path / "first", {"claims.yaml": b"1", "inner/claims.yaml": b"2"})
    second = repository(tmp_path / "second", {"claims.yaml": b"3"})
    (tmp_path / "claims.yaml").touch()
    monkeypatch.chdir(tmp_path / "first")
    expected = {
        "claims.yaml": first,
        "inner/claims.yaml": first,
        str(tmp_path / "second" / "claims.yaml"): second,
    }
    ledgers: dict[str, list[Outcome]] = {name: [] for name in expected}
    run = StoredRun.now({**ledgers, "../claims.yaml": []})  # the last is in no repository
    assert run.commits == expected


def test_a_date_is_stored_in_whole_seconds_and_in_utc(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    before = datetime.now(timezone.utc)
    write_outcomes(path, {"claims.yaml": [ONE]})
    after = datetime.now(timezone.utc)
    date = json.loads(path.read_text(encoding="utf-8"))["date"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", date), date
    read = read_outcomes(path).date
    assert read is not None
    assert before - timedelta(seconds=1) < read <= after


def stored(tmp_path: Path, **changes: Any) -> Path:
    """A stored run of one claim, with these keys changed."""
    content = {
        "format": module.FORMAT,
        "versions": {"torch": "2"},
        "ledgers": {"claims.yaml": [ONE.as_dict()]},
        **changes,
    }
    path = tmp_path / "run.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("text", "hour"),
    [
        pytest.param("2026-01-02T12:00:00", 12, id="without-zone"),
        pytest.param("2026-01-02T12:00:00+00:00", 12, id="utc"),
        pytest.param("2026-01-02T12:00:00+02:00", 10, id="east"),
        pytest.param("2026-01-02T12:00:00-05:00", 17, id="west"),
    ],
)
def test_a_date_keeps_its_zone_and_is_utc_without_one(tmp_path: Path, text: str, hour: int) -> None:
    read = read_outcomes(stored(tmp_path, date=text)).date
    assert read == datetime(2026, 1, 2, hour, tzinfo=timezone.utc)


def test_a_run_of_five_megabytes_reads(tmp_path: Path) -> None:
    row = {**ONE.as_dict(), "detail": "x" * (5 * 2**20)}
    ((read,),) = read_outcomes(stored(tmp_path, ledgers={"x": [row]})).ledgers.values()
    assert read.as_dict() == row


@pytest.mark.parametrize("key", ["status", "reason", "detail", "high"])
def test_a_claim_without_one_of_its_keys_is_refused(tmp_path: Path, key: str) -> None:
    row = ONE.as_dict()
    del row[key]
    path = stored(tmp_path, ledgers={"x": [ONE.as_dict(), row]})
    with pytest.raises(FileError, match=f"claim a\\.b: .*: key '{key}' is missing; name a file"):
        read_outcomes(path)


def test_the_first_of_several_faults_is_named(tmp_path: Path) -> None:
    path = stored(tmp_path, versions={"torch": 2}, ledgers={"x": 3}, commits=4)
    with pytest.raises(FileError, match=r"run\.json: versions\.torch: is not a run of claims"):
        read_outcomes(path)


# ------------------------------------------------------------------------------------------------
# CSV


def test_a_cell_without_value_is_empty() -> None:
    found = one_of_each_status()
    header, *rows = csv.reader(io.StringIO(csv_text(found), newline=""))
    assert tuple(header) == COLUMNS
    for each, row in zip(found, rows, strict=True):
        values = each.as_dict()
        empty = {name for name, cell in zip(COLUMNS, row, strict=True) if not cell}
        assert empty == {name for name in COLUMNS if values.get(name, "") == ""}


def test_a_value_without_a_column_is_not_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "COLUMNS", tuple(name for name in COLUMNS if name != "reason"))
    with pytest.raises(ValueError, match="reason"):
        csv_text([ONE])
