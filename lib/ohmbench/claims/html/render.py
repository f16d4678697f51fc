"""The report's HTML: templates filled in, with style and script inside."""

from __future__ import annotations

import base64
import hashlib
import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

from ohmbench.claims.html.history import short_commit
from ohmbench.claims.html.pages import Page
from ohmbench.claims.html.rows import ClaimRow, claim_rows
from ohmbench.claims.html.sources import shown_path
from ohmbench.claims.outcomes import StoredRun, csv_text
from ohmbench.claims.status import ClaimStatus
from ohmbench.files import write_bytes

if TYPE_CHECKING:
    from jinja2 import Environment

SYMBOLS = {
    ClaimStatus.REPRODUCED: "✓",
    ClaimStatus.MET: "✓",
    ClaimStatus.DIFFERS: "≠",
    ClaimStatus.MISSED: "▽",
    ClaimStatus.NOT_CHECKABLE: "□",
    ClaimStatus.NOT_RUN: "○",
    ClaimStatus.FAILED: "✕",
}
"""Beside each status, so that its colour says nothing alone."""


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("ohmbench.claims.html"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _text(name: str) -> str:
    folder = resources.files("ohmbench.claims.html").joinpath("templates")
    return folder.joinpath(name).read_text(encoding="utf-8")


def report_html(
    run: StoredRun, *, earlier: Iterable[StoredRun] = (), pages: Sequence[Page] = ()
) -> str:
    """The report on ``run``, with ``earlier`` runs as history and ``pages`` after the claims.

    The page's security policy lets a browser load nothing and run this script alone, whatever a
    ledger holds.
    """
    from markupsafe import Markup

    rows = claim_rows(run, earlier)
    script = _text("report.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    counts = Counter(row.outcome.status for row in rows)
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            rows=rows,
            counts=[(status, counts[status]) for status in ClaimStatus if counts[status]],
            symbols=SYMBOLS,
            papers=_names(row.paper for row in rows),
            families=_names(row.family for row in rows),
            ledgers=[
                (shown_path(name), short_commit(run.commits.get(name))) for name in run.ledgers
            ],
            date=None if run.date is None else f"{run.date:%Y-%m-%d %H:%M %Z}",
            versions=dict(run.versions),
            csv=csv_text(outcome for outcomes in run.ledgers.values() for outcome in outcomes),
            pages=pages,
            # Both are files of this package.
            style=Markup(_text("report.css")),  # noqa: S704
            script=Markup(script),  # noqa: S704
            policy=(
                f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; "
                "img-src data:; base-uri 'none'; form-action 'none'"
            ),
            drawing=lambda svg: Markup(svg.text),  # noqa: S704 - only svg_of makes one
        )
    )


def _names(names: Iterable[str]) -> list[tuple[str, int]]:
    return sorted(Counter(names).items())


_BIDI = re.compile("[\u202a-\u202e\u2066-\u2069]")
"""Characters with which a text can change the order in which others are shown."""


def write_report(
    path: str | os.PathLike[str],
    run: StoredRun,
    *,
    earlier: Iterable[StoredRun] = (),
    pages: Sequence[Page] = (),
    overwrite: bool = False,
) -> None:
    """Write the report on ``run`` as ``report_html`` makes it. Raises FileError."""
    html = _BIDI.sub(
        lambda m: f"\\u{ord(m[0]):04x}", report_html(run, earlier=earlier, pages=pages)
    )
    # A file name that is no text in UTF-8 may stand in a path.
    write_bytes(path, html.encode("utf-8", errors="replace"), overwrite=overwrite)


__all__ = ["SYMBOLS", "ClaimRow", "report_html", "write_report"]
