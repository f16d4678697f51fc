"""Progress bars for everything that takes time: steps done, their total, and the time left."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)


def progress_bar(
    *more: ProgressColumn,
    console: Console | None = None,
    transient: bool = True,
    disable: bool = False,
) -> Progress:
    """A bar that disappears when done if ``transient``; ``more`` adds columns at its end.

    ``console`` defaults to standard error.
    """
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        *more,
        console=console if console is not None else Console(stderr=True),
        transient=transient,
        disable=disable,
    )


@contextmanager
def counted(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """A bar of ``total`` steps on standard error if it is a terminal; yields a function that
    advances it.
    """
    console = Console(stderr=True)
    # A transient bar would leave empty lines in a log.
    bar = progress_bar(console=console, disable=not console.is_terminal)
    with bar:
        task = bar.add_task(what, total=total)
        yield lambda done: bar.advance(task, done)
