"""What a run established of each claim, and the forms it is printed and stored in."""

from __future__ import annotations

import csv
import io
import math
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from ohmbench.claims.ledger import Claim, ClaimMeasurement, ClaimStatus, number_text
from ohmbench.errors import one_line
from ohmbench.files import write_bytes, write_json
from ohmbench.weights import versions

FORMAT = 1
"""Version of the JSON form."""


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
            return cls(claim, ClaimStatus.FAILED, reason="its test failed")
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

    @property
    def expected(self) -> str:
        """The published value, or our own bound, with its unit."""
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
        """The claim's keys, ``status`` and ``reason``; ``value`` and ``detail`` if measured."""
        found = self.measurement
        measured: dict[str, Any] = {}
        if found is not None:  # JSON has no NaN and no infinity: these become texts
            value = found.value if math.isfinite(found.value) else str(found.value)
            measured = {"value": value, "detail": found.detail}
        row = self.claim.model_dump(exclude_none=True)
        return {**row, "status": self.status.value, "reason": self.reason, **measured}


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
            for line in Text(text).wrap(console, max(width - indent, 1), overflow="fold"):
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
        tally = f"{len(self.outcomes)} claims: " + ", ".join(parts) if parts else "no claims"
        return tally if self.verbose or not parts else f"{tally} (-v shows the reasons)"


def _line(width: int, status: str, *cells: str, style: str) -> Text:
    """The cells in their columns, each cut to its width."""
    rest = width - _STATUS_WIDTH - 2 * len(cells)
    value = max(rest * 2 // 7, 1)
    widths = (_STATUS_WIDTH, max(rest - 2 * value, 1), value, value)
    line = Text(no_wrap=True, overflow="ellipsis", end="\n")
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
)


def write_csv(path: str | os.PathLike[str], outcomes: Iterable[Outcome]) -> None:
    """Store outcomes as CSV: a header line, then a line for each.

    An existing file is replaced. Raises FileError when it cannot be written.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, restval="", extrasaction="raise")
    writer.writeheader()
    writer.writerows(outcome.as_dict() for outcome in outcomes)
    data = text.getvalue().encode()
    write_bytes(path, data, overwrite=True)
