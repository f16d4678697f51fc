"""Progress bars for everything that takes time: steps done, their total, and the time left."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
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
def _on_terminal(bar: Progress, what: str, total: int | None) -> Iterator[Callable[[int], None]]:
    # A bar that is gone leaves empty lines in a log.
    bar.disable = not bar.console.is_terminal
    with bar:
        task = bar.add_task(what, total=total)
        yield lambda done: bar.advance(task, done)


def counted(what: str, total: int) -> AbstractContextManager[Callable[[int], None]]:
    """A bar of ``total`` steps on a terminal's standard error; call what is given for more."""
    return _on_terminal(progress_bar(), what, total)


def bytes_counted(what: str, total: int | None) -> AbstractContextManager[Callable[[int], None]]:
    """As ``counted``, of ``total`` bytes, or of nobody knows how many."""
    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn())
    bar = Progress(
        TextColumn("{task.description}"), *columns, console=Console(stderr=True), transient=True
    )
    return _on_terminal(bar, what, total)
