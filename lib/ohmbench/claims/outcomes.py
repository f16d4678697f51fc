"""What a run established of each claim, and the forms it is printed and stored in."""

from __future__ import annotations

import csv
import io
import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from ohmbench.claims.ledger import Claim, ClaimMeasurement, number_text
from ohmbench.claims.status import ClaimStatus
from ohmbench.files import write_bytes, write_json
from ohmbench.weights import versions

FORMAT = 1
"""Version of the JSON form."""

TEST_FAILED = "its test failed"
"""Reason of a claim whose test failed before it measured a value that is wrong."""


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
            measurement = ClaimMeasurement(id=claim.id, value=row["value"], detail=row["detail"])
        return cls(claim, ClaimStatus(row["status"]), measurement, row["reason"])

    @property
    def here(self) -> str:
        """The measured value with its unit and detail, or "-"."""
        if self.measurement is None:
            return "-"
        value = f"{number_text(self.measurement.value)} {self.claim.unit}".strip()
        return f"{value} ({self.measurement.detail})" if self.measurement.detail else value

    def as_dict(self) -> dict[str, Any]:
        """The claim's keys, ``status`` and ``reason``; ``value`` and ``detail`` if measured."""
        found = self.measurement
        measured: dict[str, Any] = {}
        if found is not None:  # JSON has no NaN and no infinity: these become texts
            value = found.value if math.isfinite(found.value) else str(found.value)
            measured = {"value": value, "detail": found.detail}
        row = self.claim.model_dump(exclude_none=True)
        return {**row, "status": self.status.value, "reason": self.reason, **measured}


def claims_table(outcomes: Iterable[Outcome]) -> Table:
    """One row for each claim; the caption has the versions that measured it."""
    circumstances = ", ".join(f"{name} {number}" for name, number in versions().items())
    table = Table(
        box=box.SIMPLE_HEAD, pad_edge=False, leading=1, expand=True, caption=circumstances
    )
    for column, ratio in (("claim", 5), ("published / target", 2), ("here", 4), ("status", 5)):
        table.add_column(column, overflow="fold", ratio=ratio)
    for outcome in outcomes:
        claim = outcome.claim
        status = outcome.status.value + (f": {outcome.reason}" if outcome.reason else "")
        expected = f"{claim.expected_text} {claim.unit}".strip()
        # Text, because the brackets around a source are not markup.
        cells = (f"{claim.statement} [{claim.source}]", expected, outcome.here, status)
        table.add_row(*map(Text, cells))
    return table


def write_outcomes(path: str | os.PathLike[str], ledgers: Mapping[str, list[Outcome]]) -> None:
    """Store the outcomes of each ledger, by the ledger's path, as JSON with their versions.

    An existing file is replaced. Raises FileError when it cannot be written.
    """
    content = {
        "format": FORMAT,
        "versions": versions(),
        "ledgers": {
            ledger: [outcome.as_dict() for outcome in outcomes]
            for ledger, outcomes in ledgers.items()
        },
    }
    write_json(path, content, overwrite=True)


COLUMNS = (
    *("id", "status", "statement", "source", "published", "ours", "at_least", "at_most"),
    *("tolerance", "unit", "value", "detail", "reason", "expect", "why", "test"),
    "fault",
)


def write_csv(path: str | os.PathLike[str], outcomes: Iterable[Outcome]) -> None:
    """Store outcomes as CSV: a header line, then a line for each.

    An existing file is replaced. Raises FileError when it cannot be written.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, restval="", extrasaction="raise")
    writer.writeheader()
    for outcome in outcomes:
        fault = outcome.claim.fault
        text_of_fault = {} if fault is None else {"fault": fault.text}
        writer.writerow({**outcome.as_dict(), **text_of_fault})
    data = text.getvalue().encode()
    write_bytes(path, data, overwrite=True)
