"""``ohmbench claims``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from ohmbench.claims.status import ClaimStatus
from ohmbench.cli.common import Force, console_out, say
from ohmbench.cli.naming import Ledger, PaperFann, PaperKirchhoff
from ohmbench.constants import FANN_VARIABLE, KIRCHHOFF_VARIABLE
from ohmbench.errors import FileError, OperandError

_FAILED = 1


def _plant(ledger: Path, names: list[str], environment: Mapping[str, str]) -> int:
    """The exit status after the faults of the rows ``names``, one after the other."""
    from ohmbench.claims.ledger import read_ledger
    from ohmbench.claims.planting import faulty_text, plant

    rows = read_ledger(ledger)
    for name in names:
        if name not in rows:
            raise FileError(ledger, f"has no claim {name}", remedy="name the id of one of its rows")
        faulty_text(ledger, rows[name])  # all that does not fit is said before the first one runs
    green = 0
    for name in names:
        found = plant(ledger, rows[name], environment=environment)
        green += not found.red
        fault = rows[name].fault
        assert fault is not None
        say(f"{name}: {found.text} ({fault.text})")
    return _FAILED if green else 0


def claims(
    folder: Ledger = None,
    status: Annotated[
        list[ClaimStatus] | None,
        typer.Option(help="Print and store only claims with this status; may be repeated."),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="Run and print only claims whose source has this text."),
    ] = None,
    json_file: Annotated[
        str | None, typer.Option("--json", metavar="FILE", help="Store the claims as JSON.")
    ] = None,
    csv_file: Annotated[
        str | None, typer.Option("--csv", metavar="FILE", help="Store the claims as CSV.")
    ] = None,
    planted: Annotated[
        list[str] | None,
        typer.Option(
            "--plant",
            metavar="ID",
            help="Plant the fault of this claim in a copy of the code, and run only the claim's "
            "test: it should fail. May be repeated.",
        ),
    ] = None,
    verbose: Annotated[
        bool,
        typer.Option("--verbose", "-v", help="Print statement, detail and reason of each claim."),
    ] = False,
    force: Force = False,
    paper_fann: PaperFann = None,
    paper_kirchhoffnet: PaperKirchhoff = None,
) -> None:
    """Measure each published number of a ledger and say whether it holds.

    A ledger is a claims.yaml and tests that take the pytest fixture 'claim', in any repository;
    docs/tutorials/a-ledger-for-your-paper.md shows how to write one. Exit status 1 when a claim
    FAILED: its test failed or measured a value other than the ledger expects. With --plant it is 1
    when a claim did not fail.

    Example: ohmbench claims --source FANN

    Example: ohmbench claims my-paper --json claims.json

    Example: ohmbench claims --plant fann.mnist28-neurons
    """
    from ohmbench.claims.outcomes import claims_table, write_csv, write_outcomes
    from ohmbench.claims.running import find_ledger, own_ledger, run_ledger
    from ohmbench.files import check_writable

    chosen = {"--status": status, "--source": source, "--json": json_file, "--csv": csv_file}
    for option, value in chosen.items():
        if planted and value:
            raise OperandError(f"{option}: does not apply with --plant; leave one of them out")
    for file in (json_file, csv_file):
        if file is not None:
            check_writable(file, overwrite=force)
    ledger = own_ledger() if folder is None else find_ledger(folder)
    named = {FANN_VARIABLE: paper_fann, KIRCHHOFF_VARIABLE: paper_kirchhoffnet}
    environment = {variable: path for variable, path in named.items() if path is not None}
    if planted:
        raise typer.Exit(_plant(ledger, planted, environment))
    run = run_ledger(ledger, source=source, environment=environment)
    found = [outcome for outcome in run.outcomes if not status or outcome.status in status]
    console_out().print(claims_table(found, verbose=verbose))
    hidden = sum(o.status is ClaimStatus.FAILED for o in run.outcomes if o not in found)
    if hidden:
        say(f"{hidden} FAILED, not shown")
    if json_file is not None:
        write_outcomes(json_file, {str(run.ledger): found})
        say(f"wrote {json_file}")
    if csv_file is not None:
        write_csv(csv_file, found)
        say(f"wrote {csv_file}")
    if run.failed():
        raise typer.Exit(_FAILED)
