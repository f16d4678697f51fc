"""``python -m tests.docs.measure``: run the claims ledger and store what it found for the docs.

The result is ``docs/results/ledger-run.json``, from which tables and figures are generated
(``python -m tests.docs.generate``). Options are handed to pytest.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ohmbench.benchmarks.records import this_machine
from ohmbench.claims.outcomes import Outcome
from ohmbench.files import read_json, write_json

from .inputs import CLAIMS, Found, StoredClaims
from .pages import ROOT

COMMAND = ("pytest", "tests/repro")
SOURCES = ("lib", "hdl", "tests/repro")


def commit() -> str:
    """The commit that is checked out, with a + where files differ from it."""

    def git(*words: str) -> str:
        done = subprocess.run(
            ["git", *words],  # noqa: S607 - the user's own
            cwd=ROOT, capture_output=True, text=True, check=True, timeout=60,
        )  # fmt: skip
        return done.stdout.strip()

    changed = git("status", "--porcelain", "--untracked-files=no", "--", *SOURCES)
    return git("rev-parse", "HEAD") + ("+" if changed else "")


def stored(run: dict[str, Any]) -> StoredClaims:
    """What is kept of a run's JSON: the outcomes by claim, and their circumstances."""
    (rows,) = run["ledgers"].values()
    outcomes = [Outcome.from_dict(row) for row in rows]
    found = {
        outcome.claim.id: Found(
            status=outcome.status,
            value=outcome.measurement and outcome.measurement.value,
            detail=outcome.measurement.detail if outcome.measurement else "",
            # What the ledger says itself is not stored twice.
            reason="" if outcome.reason == outcome.claim.why else outcome.reason,
        )
        for outcome in outcomes
    }
    return StoredClaims(
        command=" ".join(COMMAND),
        commit=commit(),
        date=datetime.now(timezone.utc).date(),
        processor=this_machine().cpu,
        versions=run["versions"],
        found=found,
    )


def main(options: list[str]) -> int:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "claims.json"
        command = [sys.executable, "-m", *COMMAND, "--claims-json", str(file), *options]
        done = subprocess.run(command, cwd=ROOT, check=False)
        if done.returncode != 0:
            return done.returncode
        content = stored(read_json(file))
    write_json(CLAIMS, json.loads(content.model_dump_json(exclude_defaults=True)), overwrite=True)
    print(f"wrote {CLAIMS.relative_to(ROOT)}; now: python -m tests.docs.generate")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
