"""What a run established of each claim, and the forms it is printed and stored in."""

from __future__ import annotations

import csv
import io
import math
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError
from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from ohmbench.claims.commits import commit_of
from ohmbench.claims.ledger import Claim, ClaimMeasurement, number_text
from ohmbench.claims.status import ClaimStatus
from ohmbench.errors import FileError, one_line
from ohmbench.files import read_json, write_bytes, write_json
from ohmbench.weights import versions

FORMAT = 1
"""Version of the JSON form."""

TEST_FAILED = "its test failed"
"""Reason of a claim whose test failed before it measured a value that is wrong."""

_MAX_BYTES = 32 * 2**20


@dataclass(frozen=True)
class Outcome:
    """One claim after a run: its status, what was measured if anything was, and why it is so."""

    claim: Claim
    status: ClaimStatus
    measurement: ClaimMeasurement | None = None
    reason: str = ""

    @classmethod
    def of(cls, claim: Claim, measurement: ClaimMeasurement | None, reason: str | None) -> Outcome:
        """Judge ``claim``.

        ``reason`` says why nothing was measured; without a measurement and without a reason the
        claim's test failed.
        """
        if claim.expect == "not checkable":
            return cls(claim, ClaimStatus.NOT_CHECKABLE, reason=claim.why)
        if measurement is not None:
            status = claim.judge(measurement.value)
            return cls(
                claim, status, measurement, claim.why if status is ClaimStatus.DIFFERS else ""
            )
        if reason is None:
            return cls(claim, ClaimStatus.FAILED, reason=TEST_FAILED)
        return cls(claim, ClaimStatus.NOT_RUN, reason=reason)

    @classmethod
    def from_dict(cls, row: dict[str, Any]) -> Outcome:
        """The outcome that ``as_dict`` gave ``row`` for."""
        claim = Claim.model_validate({k: v for k, v in row.items() if k in Claim.model_fields})
        measurement = None
        if "value" in row:
            interval = (row["low"], row["high"]) if "low" in row else None
            measurement = ClaimMeasurement(
                id=claim.id, value=row["value"], detail=row["detail"], interval=interval
            )
        return cls(claim, ClaimStatus(row["status"]), measurement, row["reason"])

    @property
    def here(self) -> str:
        """The measured value with its unit and detail, or "-"."""
        if self.measurement is None:
            return "-"
        value = f"{number_text(self.measurement.value)} {self.claim.unit}".strip()
        return f"{value} ({self.measurement.detail})" if self.measurement.detail else value

    @property
    def expected(self) -> str:
        """The published value, or our own bound, with its unit; "-" where there is none."""
        if self.claim.expected_text == "-":
            return "-"
        return f"{self.claim.expected_text} {self.claim.unit}".strip()

    @property
    def explanation(self) -> list[str]:
        """What ``-v`` adds: statement and source, values with the detail, reason or ``why``."""
        claim = self.claim
        lines = [f"{claim.statement} [{claim.source}]"]
        expected = "target" if claim.expect in ("met", "missed") else "published"
        lines.append(f"{expected}: {self.expected}; here: {self.here}")
        lines.append(f"reason: {self.reason or claim.why}")
        return [_printable(line) for line in lines]

    def as_dict(self) -> dict[str, Any]:
        """The claim's keys, ``status`` and ``reason``; ``value`` and ``detail`` if measured.

        ``low`` and ``high`` where the measurement has an interval.
        """
        found = self.measurement
        measured: dict[str, Any] = {}
        if found is not None:  # JSON has no NaN and no infinity: these become texts
            measured = {"value": _json_number(found.value), "detail": found.detail}
            if found.interval is not None:
                low, high = map(_json_number, found.interval)
                measured |= {"low": low, "high": high}
        row = self.claim.model_dump(exclude_none=True)
        return {**row, "status": self.status.value, "reason": self.reason, **measured}


def _json_number(value: float) -> float | str:
    return value if math.isfinite(value) else str(value)


_WIDTH = 100
_STATUS_WIDTH = max(len(status.value) for status in ClaimStatus)
_STYLES = {
    ClaimStatus.REPRODUCED: "green",
    ClaimStatus.MET: "green",
    ClaimStatus.DIFFERS: "yellow",
    ClaimStatus.MISSED: "yellow",
    ClaimStatus.FAILED: "bold red",
}


@dataclass(frozen=True)
class ClaimsTable:
    """One line for each claim, at most 100 columns wide, which rich prints.

    ``verbose`` adds below each line the statement, source, detail and reason, in full. The last
    lines count the claims by status and name the versions that measured them.
    """

    outcomes: Sequence[Outcome]
    verbose: bool = False

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """rich's protocol: the lines."""
        width = min(_WIDTH, options.max_width)

        def folded(text: str, indent: int = 0) -> Iterator[Text]:
            for line in Text(text).wrap(console, max(width - indent, 1)):
                line.rstrip()
                line.pad_left(indent)
                yield line

        yield _line(width, "status", "claim", "published / target", "here", style="bold")
        for outcome in self.outcomes:
            claim, found = outcome.claim, outcome.measurement
            here = "-" if found is None else f"{number_text(found.value)} {claim.unit}"
            style = _STYLES.get(outcome.status, "")
            yield _line(width, outcome.status.value, claim.id, outcome.expected, here, style=style)
            if self.verbose:
                for text in outcome.explanation:
                    yield from folded(text, 4)
                yield Text()
        yield from folded(self._tally())
        circumstances = ", ".join(f"{name} {number}" for name, number in versions().items())
        yield from folded(circumstances)

    def _tally(self) -> str:
        counts = Counter(outcome.status for outcome in self.outcomes)
        parts = [f"{counts[status]} {status.value}" for status in ClaimStatus if counts[status]]
        count = len(self.outcomes)
        claims = "1 claim" if count == 1 else f"{count} claims"
        tally = f"{claims}: {', '.join(parts)}" if parts else "no claims"
        return tally if self.verbose or not parts else f"{tally} (-v shows the reasons)"


def _line(width: int, status: str, *cells: str, style: str) -> Text:
    """The cells in their columns, each cut to its width."""
    rest = width - _STATUS_WIDTH - 2 * len(cells)
    value = max(rest * 2 // 7, 1)
    widths = (_STATUS_WIDTH, max(rest - 2 * value, 1), value, value)
    line = Text(no_wrap=True, overflow="ellipsis")
    for text, columns in zip((status, *cells), widths, strict=True):
        # A cell of spaces keeps the next one from touching this one.
        cell = Text(_printable(text), style=style if not line or style == "bold" else "")
        cell.truncate(columns, overflow="ellipsis", pad=True)
        line.append_text(cell).append("  ")
    line.rstrip()
    return line


def _printable(text: str) -> str:
    """A stranger's text on one line, without control characters."""
    return " ".join(one_line(word) for word in text.split())


def claims_table(outcomes: Iterable[Outcome], *, verbose: bool = False) -> ClaimsTable:
    """The ledger as a terminal shows it; ``verbose`` adds the reasons."""
    return ClaimsTable(tuple(outcomes), verbose)


@dataclass(frozen=True)
class StoredRun:
    """Outcomes by the path of their ledger, and the circumstances of the run that judged them.

    ``date`` is None and ``commits`` (by ledger) empty where the run did not record them.
    """

    ledgers: Mapping[str, Sequence[Outcome]]
    versions: Mapping[str, str]
    date: datetime | None = None
    commits: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def now(cls, ledgers: Mapping[str, Sequence[Outcome]]) -> StoredRun:
        """A run that ends here and now, of the ledgers' commits as they are checked out."""
        found = {ledger: commit_of(Path(ledger).parent) for ledger in ledgers}
        commits = {ledger: commit for ledger, commit in found.items() if commit is not None}
        return cls(ledgers, versions(), datetime.now(timezone.utc), commits)


def write_outcomes(path: str | os.PathLike[str], ledgers: Mapping[str, Sequence[Outcome]]) -> None:
    """Store the outcomes of each ledger, by the ledger's path, as JSON.

    With them go versions, the date and the commits of the ledgers that are in a git repository.
    An existing file is replaced. Raises FileError when it cannot be written.
    """
    run = StoredRun.now(ledgers)
    content = {
        "format": FORMAT,
        "versions": run.versions,
        "date": None if run.date is None else run.date.isoformat(timespec="seconds"),
        "commits": run.commits,
        "ledgers": {
            ledger: [outcome.as_dict() for outcome in outcomes]
            for ledger, outcomes in ledgers.items()
        },
    }
    write_json(path, content, overwrite=True)


class _Stored(BaseModel):
    """The JSON form; the rows are read one by one, so that errors can name them."""

    model_config = ConfigDict(strict=True)

    format: Literal[1]
    versions: dict[str, str]
    ledgers: dict[str, list[dict[str, Any]]]
    date: str | None = None
    commits: dict[str, str] = {}


def read_outcomes(path: str | os.PathLike[str]) -> StoredRun:
    """The run that ``write_outcomes`` stored. Raises FileError for any other file."""

    def refused(reason: str, where: str | None = None) -> FileError:
        remedy = "name a file of 'ohmbench claims --json' or 'pytest --claims-json'"
        return FileError(path, f"is not a run of claims: {reason}", field=where, remedy=remedy)

    try:
        stored = _Stored.model_validate(read_json(path, max_bytes=_MAX_BYTES))
        date = None if stored.date is None else datetime.fromisoformat(stored.date)
    except ValidationError as error:
        first = error.errors()[0]
        raise refused(first["msg"], ".".join(map(str, first["loc"])) or None) from None
    except ValueError as error:
        raise refused(str(error), "date") from None
    ledgers: dict[str, list[Outcome]] = {}
    for ledger, rows in stored.ledgers.items():
        ledgers[ledger] = []
        for number, row in enumerate(rows):
            where = f"claim {row.get('id', number)}"
            try:
                ledgers[ledger].append(Outcome.from_dict(row))
            except ValidationError as error:
                raise refused(error.errors()[0]["msg"], where) from None
            except KeyError as error:
                raise refused(f"key {error} is missing", where) from None
            except ValueError as error:
                raise refused(str(error), where) from None
    if date is not None and date.tzinfo is None:
        date = date.replace(tzinfo=timezone.utc)
    return StoredRun(ledgers, stored.versions, date, stored.commits)


COLUMNS = (
    *("id", "status", "statement", "source", "published", "ours", "at_least", "at_most"),
    *("tolerance", "unit", "value", "detail", "reason", "expect", "why", "test"),
    *("family", "low", "high", "fault"),
)


def write_csv(path: str | os.PathLike[str], outcomes: Iterable[Outcome]) -> None:
    """Store outcomes as CSV: a header line, then a line for each.

    An existing file is replaced. Raises FileError when it cannot be written.
    """
    write_bytes(path, csv_text(outcomes).encode(), overwrite=True)


def csv_text(outcomes: Iterable[Outcome]) -> str:
    """Outcomes as CSV: a header line, then a line for each."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS)
    writer.writeheader()
    for outcome in outcomes:
        fault = outcome.claim.fault
        text_of_fault = {} if fault is None else {"fault": fault.text}
        writer.writerow({**outcome.as_dict(), **text_of_fault})
    return text.getvalue()
