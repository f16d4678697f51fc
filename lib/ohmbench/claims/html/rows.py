"""What one row of the claims page shows: plain data made from an outcome."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from ohmbench.claims.html.history import Point, history, in_order
from ohmbench.claims.html.number_line import NumberLine, number_line
from ohmbench.claims.html.sources import TestSource, read_test, shown_path
from ohmbench.claims.ledger import Fault, ledger_lines, number_text
from ohmbench.claims.outcomes import Outcome, StoredRun
from ohmbench.errors import FileError

NO_FAMILY = "none named"
_SEEDS = re.compile(r"\bseeds? \d+(?:(?: to | and )\d+)?")


@dataclass(frozen=True)
class ClaimRow:
    """A row: the outcome, and what is known about it from the files around its ledger.

    ``key`` is unique in the report, and the claim's id where only one ledger has it.
    """

    key: str
    outcome: Outcome
    paper: str
    family: str
    ledger: str
    line: int | None
    test: TestSource | None
    command: str | None
    here: str
    seeds: str
    line_drawn: NumberLine | None
    fault: Fault | None
    history: Sequence[Point]

    @property
    def haystack(self) -> str:
        """The text that a search looks through, in lower case."""
        claim, found = self.outcome.claim, self.outcome.measurement
        detail = "" if found is None else found.detail
        parts = (claim.id, claim.statement, claim.source, claim.why, self.outcome.reason, detail)
        return " ".join((*parts, claim.test or "", self.family)).casefold()


def claim_rows(run: StoredRun, earlier: Iterable[StoredRun] = ()) -> list[ClaimRow]:
    """The rows of all ledgers of ``run``, in their order; ``earlier`` runs give the history."""
    earlier = list(earlier)
    runs = in_order([*earlier, run]) if earlier else []
    seen: dict[str, int] = {}
    rows = []
    for ledger, outcomes in run.ledgers.items():
        for outcome in outcomes:
            name = outcome.claim.id
            seen[name] = seen.get(name, 0) + 1
            key = name if seen[name] == 1 else f"{name}~{seen[name]}"
            rows.append(_row(key, ledger, outcome, runs))
    return rows


def _row(key: str, ledger: str, outcome: Outcome, runs: Sequence[StoredRun]) -> ClaimRow:
    claim, found = outcome.claim, outcome.measurement
    folder = Path(ledger).parent
    test = command = None
    if claim.test is not None:
        test = read_test(folder, claim.test)
        names = claim.test.partition("::")[2]
        command = f"pytest {shlex.quote(f'{test.file}::{names}' if names else test.file)}"
    seeds = "" if found is None else ", ".join(_SEEDS.findall(found.detail))
    here = "-" if found is None else f"{number_text(found.value)} {claim.unit}".strip()
    return ClaimRow(
        key=key,
        outcome=outcome,
        paper=claim.id.partition(".")[0],
        family=claim.family or NO_FAMILY,
        ledger=shown_path(ledger),
        line=_lines(ledger).get(claim.id),
        test=test,
        command=command,
        here=here,
        seeds=seeds,
        line_drawn=number_line(outcome),
        fault=claim.fault,
        history=history(claim.id, runs),
    )


@cache
def _lines(ledger: str) -> Mapping[str, int]:
    """Lines of rows by id; none where the ledger of a stored run is no longer there."""
    try:
        return ledger_lines(os.fspath(ledger))
    except FileError:
        return {}
