"""Figures of any network (evaluation, training), and how figures are written to files."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ohmbench.errors import FileError
from ohmbench.files import atomic_write, check_writable
from ohmbench.report.style import in_own_style, new_figure, own_style
from ohmbench.stats import Interval

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_READABLE_CLASSES = 20


class Judged(Protocol):
    """An evaluation of either family; rows of ``confusion`` (classes, classes): true class."""

    @property
    def confusion(self) -> ArrayLike:
        """Counts (classes, classes)."""

    @property
    def correct(self) -> int:
        """Number of correct answers."""

    @property
    def total(self) -> int:
        """Number of all answers."""

    @property
    def accuracy(self) -> Interval:
        """Fraction correct with its 95 % interval."""


def save_figure(figure: Figure, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
    """Write ``figure`` in the format of the file's suffix (png, pdf, svg), completely or not at
    all.

    Raises FileError if it cannot be written; ValueError for a suffix that matplotlib does not know.
    """
    ending = os.path.splitext(os.fspath(path))[1].lstrip(".").lower()
    # Without its creation date, a figure of the same data is the same file.
    metadata = {"pdf": {"CreationDate": None}, "svg": {"Date": None}}.get(ending)
    with own_style():
        atomic_write(
            path,
            lambda file: figure.savefig(file, format=ending, dpi=120, metadata=metadata),
            overwrite=overwrite,
        )


Figures: TypeAlias = Mapping[str, Callable[[], "Figure"]]
"""Figures to draw: their file names, known in advance, and a function that draws each."""


def save_figures(
    figures: Figures, folder: str | os.PathLike[str], *, overwrite: bool = False
) -> list[Path]:
    """Draw all ``figures``, then write them into ``folder``; return the files.

    Draws nothing if a file is in the way, and writes nothing if one figure cannot be drawn. Raises
    FileError.
    """
    target = Path(folder)
    for file in figures if target.is_dir() else ():
        check_writable(target / file, overwrite=overwrite)
    drawn = {file: draw() for file, draw in figures.items()}
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(
            folder, f"cannot make the folder: {error.strerror}", remedy="choose another folder"
        ) from None
    for file, figure in drawn.items():
        save_figure(figure, target / file, overwrite=overwrite)
    return [target / file for file in drawn]


@in_own_style
def confusion_figure(evaluation: Judged, title: str) -> Figure:
    """Confusion matrix, rows the true class; the diagonal as counts, errors in red.

    With too many classes for readable numbers, only colours are shown.
    """
    confusion = np.asarray(evaluation.confusion)
    readable = len(confusion) <= _READABLE_CLASSES
    errors = confusion.astype(float)
    np.fill_diagonal(errors, np.nan)
    figure = new_figure(5.2, 4.8)
    axes = figure.add_subplot()
    axes.imshow(errors, cmap="Reds", vmin=0, vmax=max(5.0, np.nanmax(errors, initial=0.0)))
    for (t, p), count in np.ndenumerate(confusion):
        if count and readable:
            axes.text(p, t, str(count), ha="center", va="center")
    axes.set(
        title=f"{title}\n{evaluation.correct} of {evaluation.total} correct, "
        f"{100 * evaluation.accuracy.value:.2f} % "
        f"[{100 * evaluation.accuracy.low:.2f}, {100 * evaluation.accuracy.high:.2f}]",
        xlabel="answered",
        ylabel="true class",
        xticks=range(0, len(confusion), 1 if readable else 20),
        yticks=range(0, len(confusion), 1 if readable else 20),
    )
    return figure


@in_own_style
def history_figure(
    history: NDArray[np.float64],
    title: str,
    loss_label: str = "loss (cross entropy)",
    *,
    scale: Literal["log", "linear"] = "log",
) -> Figure:
    """Training loss and learning rate over the steps (columns of ``training.HISTORY_COLUMNS``).

    ``scale`` is the loss axis: linear for a loss that may be negative, such as a log-density.
    """
    figure = new_figure(6.0, 3.6)
    axes = figure.add_subplot()
    step, loss, rate = history.T
    axes.plot(step, loss, label="loss")
    axes.set(title=title, xlabel="step", ylabel=loss_label, yscale=scale)
    twin = axes.twinx()
    twin.plot(step, rate, color="tab:orange", label="learning rate")
    twin.set_ylabel("learning rate")
    figure.legend(loc="outside lower center", ncols=2)
    return figure
