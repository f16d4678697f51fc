"""A claim over earlier runs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone

from ohmbench.claims.ledger import ClaimStatus, number_text
from ohmbench.claims.outcomes import Outcome, StoredRun

_LONG_AGO = datetime.min.replace(tzinfo=timezone.utc)


@dataclass(frozen=True)
class Point:
    """One run: where it is drawn, in percent of the picture, and what it found.

    ``x`` goes from left to right and ``y`` from top to bottom; both are None without a value.
    """

    x: float | None
    y: float | None
    date: str
    commit: str
    value: str
    status: ClaimStatus


def in_order(runs: Iterable[StoredRun]) -> list[StoredRun]:
    """Runs by date; those without one come first, in the order given."""
    return sorted(runs, key=lambda run: run.date or _LONG_AGO)


def history(claim_id: str, runs: Sequence[StoredRun]) -> list[Point]:
    """The claim in each run that has it, in the order given."""
    found: list[tuple[StoredRun, str, Outcome]] = []
    for run in runs:
        for ledger, outcomes in run.ledgers.items():
            found += [(run, ledger, one) for one in outcomes if one.claim.id == claim_id]
    values = [
        one.measurement.value
        if one.measurement is not None and math.isfinite(one.measurement.value)
        else None
        for _, _, one in found
    ]
    there = [value for value in values if value is not None]
    low, high = min(there, default=0.0), max(there, default=0.0)
    points = []
    for number, ((run, ledger, one), value) in enumerate(zip(found, values, strict=True)):
        x = y = None
        if value is not None:
            x = 4 + 92 * (number / (len(found) - 1) if len(found) > 1 else 0.5)
            y = 50.0 if high == low else 15 + 70 * (high - value) / (high - low)
        measured = None if one.measurement is None else one.measurement.value
        points.append(
            Point(
                x=None if x is None else round(x, 2),
                y=None if y is None else round(y, 2),
                date="no date" if run.date is None else f"{run.date:%Y-%m-%d %H:%M}",
                commit=short_commit(run.commits.get(ledger)),
                value="-" if measured is None else number_text(measured),
                status=one.status,
            )
        )
    return points


def short_commit(commit: str | None) -> str:
    """Ten characters of a commit, and ``+`` where files differed from it; "-" for None."""
    if commit is None:
        return "-"
    return commit[:10] + ("+" if commit.endswith("+") and len(commit) > 10 else "")
