"""The look of every figure, independent of the user's matplotlib settings.

A matplotlibrc sets fonts, colours, sizes, LaTeX and resolution, and so do the calling program's
``rcParams``. Figures here are drawn and saved with matplotlib's own defaults.

matplotlib is imported with the first figure: code that draws none needs neither it nor its folders.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, ParamSpec

from ohmbench.errors import OhmbenchError, one_line

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Arguments = ParamSpec("Arguments")


class FigureError(OhmbenchError):
    """matplotlib is not usable as it is set up here."""


@contextmanager
def own_style() -> Iterator[None]:
    """Use matplotlib's default settings inside the block and restore the user's afterwards.

    Raises FigureError if matplotlib, which reads its settings then, cannot be imported.
    """
    try:
        import matplotlib
        import matplotlib.style
    except Exception as error:
        # Possible causes: any content of a settings file, a missing backend, no folder for its
        # files.
        raise FigureError(
            f"matplotlib cannot be imported: {one_line(str(error))}; see MPLBACKEND, MPLCONFIGDIR "
            "and matplotlibrc"
        ) from error
    with matplotlib.rc_context(), warnings.catch_warnings():
        matplotlib.rcdefaults()
        # Otherwise the ids of an SVG's parts are random.
        matplotlib.rcParams["svg.hashsalt"] = "ohmbench"
        # A box replaces a character that the font lacks, which only file names can contain.
        warnings.filterwarnings("ignore", r"Glyph \d+ .* missing from font")
        yield


def in_own_style(draw: Callable[Arguments, Figure]) -> Callable[Arguments, Figure]:
    """Decorator of every function that draws a figure."""

    @functools.wraps(draw)
    def drawn(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Figure:
        with own_style():
            return draw(*args, **kwargs)

    return drawn


def new_figure(width_in: float, height_in: float) -> Figure:
    """An empty figure (size in inches) whose parts make room for each other."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width_in, height_in), layout="constrained")


def plain_text(text: str) -> str:
    """``text`` unchanged, for a title: matplotlib would read text between two $ as a formula."""
    return text.replace("$", r"\$")
