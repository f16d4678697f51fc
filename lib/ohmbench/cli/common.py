"""What the subcommands share: options and output. ``naming`` has those that name a network."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from ohmbench.errors import FileError, one_line

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from ohmbench.family import Table as TextTable

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")]
Force = Annotated[bool, typer.Option("--force", help="Overwrite what is already there.")]


def console_out() -> Console:
    """Standard output for tables: as wide as the terminal, 160 columns in a pipe."""
    from rich.console import Console

    # A pipe has no width: tables are not folded there.
    return Console(width=None if sys.stdout.isatty() else 160, soft_wrap=not sys.stdout.isatty())


def print_whole(table: Table) -> None:
    """A table whose numbers are the point: wider than the terminal rather than cut."""
    from rich.measure import Measurement

    console = console_out()
    natural = Measurement.get(console, console.options.update(max_width=1000), table).maximum
    console.width = max(console.width, natural)
    console.print(table)


def say(line: str) -> None:
    """One line, whatever characters a file's name brings along."""
    console_out().print(one_line(line), markup=False, highlight=False)


def say_whole(line: str) -> None:
    """As ``say``, of results that are longer than what a file or a user may bring along."""
    console_out().print(one_line(line, _LONGEST_RESULT), markup=False, highlight=False)


_LONGEST_RESULT = 5000


def shown(table: TextTable) -> Table:
    """A table of plain text, whatever characters its names bring along."""
    from rich.markup import escape
    from rich.table import Table

    made = Table(*table.columns, title=table.title)
    for row in table.rows:
        made.add_row(*map(escape, row))
    return made


def print_json(value: dict[str, Any]) -> None:
    """Print ``value`` as JSON on standard output. Raises ValueError for NaN and infinities."""
    sys.stdout.write(json.dumps(value, indent=2, allow_nan=False) + "\n")


def told(line: str, status: int) -> int:
    """``status``, once its one line is on standard error."""
    sys.stderr.write(f"ohmbench: {line}\n")
    return status


def fail(line: str, status: int) -> NoReturn:
    """End the command with ``status`` and its one line on standard error."""
    raise SystemExit(told(line, status)) from None


def check_not_input(out: str, *inputs: str) -> None:
    """Raise FileError where ``out`` is one of the files that the command reads."""
    for path in inputs:
        if os.path.exists(out) and os.path.exists(path) and os.path.samefile(out, path):
            raise FileError(out, "is what this command reads", remedy="choose another name")


def check_figure(path: str, force: bool) -> None:
    """Raise FileError unless ``path`` names a figure's format and can be written there."""
    from ohmbench.files import check_writable

    if os.path.splitext(path)[1].lower() not in (".png", ".pdf", ".svg"):
        raise FileError(path, "not a figure format", remedy="end the name in .png, .pdf or .svg")
    check_writable(path, overwrite=force)


def json_files(paths: list[str]) -> list[str]:
    """The files named, and those in folders named. Raises FileError for an empty folder."""
    found: list[str] = []
    for path in paths:
        if not os.path.isdir(path):
            found.append(path)
            continue
        inside = sorted(str(p) for p in Path(path).rglob("*.json"))
        if not inside:
            raise FileError(path, "holds no JSON files", remedy="name the files of runs")
        found += inside
    return found
