"""What the subcommands share: options and output. ``finding`` has the way to a network."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.measure import Measurement
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from ohmbench.errors import FileError, one_line
from ohmbench.files import check_writable
from ohmbench.stats import Interval

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")]
Force = Annotated[bool, typer.Option("--force", help="Overwrite what is already there.")]


def console_out() -> Console:
    """Standard output for tables: as wide as the terminal, 160 columns in a pipe."""
    # A pipe has no width: tables are not folded there.
    return Console(width=None if sys.stdout.isatty() else 160, soft_wrap=not sys.stdout.isatty())


def print_whole(table: Table) -> None:
    """A table whose numbers are the point: wider than the terminal rather than cut."""
    console = console_out()
    natural = Measurement.get(console, console.options.update(max_width=1000), table).maximum
    console.width = max(console.width, natural)
    console.print(table)


def say(line: str) -> None:
    """One line, whatever characters a file's name brings along."""
    console_out().print(one_line(line), markup=False, highlight=False)


@contextmanager
def progress(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """A bar with the time left on standard error, gone when done; call what is given for more."""
    console = Console(stderr=True)
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,  # a bar that is gone leaves empty lines in a log
    )
    with bar:
        task = bar.add_task(what, total=total)
        yield lambda done: bar.advance(task, done)


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


def summary(correct: int, total: int, accuracy: Interval, images: str) -> str:
    """Accuracy with its interval and the images it was measured on."""
    return (
        f"{correct} of {total} correct, {100 * accuracy.value:.2f} % "
        f"[{100 * accuracy.low:.2f}, {100 * accuracy.high:.2f}] on {images}"
    )


def check_not_input(out: str, *inputs: str) -> None:
    """Raise FileError where ``out`` is one of the files that the command reads."""
    for path in inputs:
        if os.path.exists(out) and os.path.exists(path) and os.path.samefile(out, path):
            raise FileError(out, "is what this command reads", remedy="choose another name")


def check_figure(path: str, force: bool) -> None:
    """Raise FileError unless ``path`` names a figure's format and can be written there."""
    if os.path.splitext(path)[1].lower() not in (".png", ".pdf", ".svg"):
        raise FileError(path, "not a figure format", remedy="end the name in .png, .pdf or .svg")
    check_writable(path, overwrite=force)
