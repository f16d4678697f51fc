"""``ohmbench report``."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Annotated

import typer

from ohmbench.cli.common import Force, check_not_input, json_files, say
from ohmbench.cli.naming import Ledger, PaperFann, PaperKirchhoff

if TYPE_CHECKING:
    from ohmbench.claims.html.pages import Page
    from ohmbench.claims.outcomes import StoredRun

_FAILED = 1


class Networks(str, Enum):
    """Of which networks figures are drawn."""

    SOME = "some"
    ALL = "all"
    NONE = "none"


def report(
    folder: Ledger = None,
    out: Annotated[
        str, typer.Option("--out", metavar="FILE", help="The HTML file.")
    ] = "ohmbench-report.html",
    claims_json: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Show the claims of this earlier run ('ohmbench claims --json', 'pytest "
            "--claims-json') and run nothing.",
        ),
    ] = None,
    history: Annotated[
        list[str] | None,
        typer.Option(metavar="PATH", help="Earlier runs of the claims, as JSON; may be repeated."),
    ] = None,
    bench: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATH",
            help="Runs or baselines of the benchmarks, as JSON; may be repeated. Default: the "
            "checkout's baseline and .benchmarks, where they are there.",
        ),
    ] = None,
    synth: Annotated[
        str | None,
        typer.Option(
            metavar="FILE", help="Goldens of synthesis. Default: the checkout's, if they are there."
        ),
    ] = None,
    networks: Annotated[
        Networks | None,
        typer.Option(
            help="Draw figures of these stored networks. Default: some.", show_default=False
        ),
    ] = None,
    force: Force = False,
    paper_fann: PaperFann = None,
    paper_kirchhoffnet: PaperKirchhoff = None,
) -> None:
    """Write one HTML file with claims, speed, synthesis and networks, to be read in any browser.

    Runs the ledger as 'ohmbench claims' does, or takes the claims from --claims-json. The file
    needs no network and no server. With a ledger of your own, the pages on speed, synthesis and
    networks appear only where --bench, --synth or --networks asks for them. Exit status 1 when a
    claim FAILED; the file is written then too.

    Example: ohmbench report --out report.html

    Example: ohmbench report --claims-json claims.json --history runs/
    """
    from ohmbench.claims.html.render import write_report
    from ohmbench.claims.outcomes import read_outcomes
    from ohmbench.claims.status import ClaimStatus
    from ohmbench.constants import FANN_VARIABLE, KIRCHHOFF_VARIABLE
    from ohmbench.errors import OperandError
    from ohmbench.files import check_writable

    if folder is not None and claims_json is not None:
        raise OperandError("a ledger and --claims-json: name one of them")
    check_writable(out, overwrite=force)
    earlier = json_files(history or [])
    benchmarks = json_files(bench) if bench else None
    single = [file for file in (claims_json, synth) if file is not None]
    check_not_input(out, *earlier, *(benchmarks or []), *single)
    earlier_runs = [read_outcomes(file) for file in earlier]
    stored = None if claims_json is None else read_outcomes(claims_json)
    own = folder is None if stored is None else _is_own(stored)
    pages = _pages(own, benchmarks, synth, networks)
    named = {FANN_VARIABLE: paper_fann, KIRCHHOFF_VARIABLE: paper_kirchhoffnet}
    environment = {variable: path for variable, path in named.items() if path is not None}
    run = stored if stored is not None else _run(folder, environment)
    write_report(out, run, earlier=earlier_runs, pages=pages, overwrite=force)
    say(f"wrote {out}")
    found = [outcome for outcomes in run.ledgers.values() for outcome in outcomes]
    if any(outcome.status is ClaimStatus.FAILED for outcome in found):
        raise typer.Exit(_FAILED)


def _run(folder: str | None, environment: dict[str, str]) -> StoredRun:
    from ohmbench.claims.outcomes import StoredRun
    from ohmbench.claims.running import find_ledger, own_ledger, run_ledger

    ledger = own_ledger() if folder is None else find_ledger(folder)
    found = run_ledger(ledger, environment=environment)
    return StoredRun.now({str(found.ledger): found.outcomes})


def _is_own(run: StoredRun) -> bool:
    """Whether the run is of ohmbench's own ledger, wherever that was."""
    from ohmbench.claims.ledger import read_ledger
    from ohmbench.claims.running import own_ledger

    own = read_ledger(own_ledger())
    return any(one.claim.id in own for found in run.ledgers.values() for one in found)


def _pages(
    own: bool, bench: list[str] | None, synth: str | None, networks: Networks | None
) -> list[Page]:
    """The pages of this project; for a stranger's ledger only those that options ask for."""
    from ohmbench.pages import project

    pages = []
    if bench or own:
        pages.append(project.speed(bench))
    if synth is not None or own:
        pages.append(project.synthesis(synth))
    if networks is not None or own:
        pages.append(project.networks("some" if networks is None else networks.value))
    return pages
