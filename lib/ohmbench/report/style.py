"""How every figure looks: the same whatever settings of matplotlib its user has.

A matplotlibrc decides about fonts, colours, sizes, LaTeX and resolution, and ``rcParams`` of the
calling program likewise. Figures here are drawn and saved with matplotlib's own defaults.
matplotlib is imported with the first figure: what draws none needs neither it nor its folders.
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
    """matplotlib cannot be used as it is set up here."""


@contextmanager
def own_style() -> Iterator[None]:
    """matplotlib's default settings inside the block, the user's again after it.

    Raises FigureError where matplotlib cannot be imported: it reads its settings then.
    """
    try:
        import matplotlib
        import matplotlib.style
    except Exception as error:
        # Whatever a settings file may hold, a backend that is not there, no folder for its files.
        raise FigureError(
            f"matplotlib cannot be imported: {one_line(str(error))}; see MPLBACKEND, MPLCONFIGDIR "
            "and matplotlibrc"
        ) from error
    with matplotlib.rc_context(), warnings.catch_warnings():
        matplotlib.rcdefaults()
        # Without it an SVG's names of parts are random.
        matplotlib.rcParams["svg.hashsalt"] = "ohmbench"
        # A box stands for a character that the font lacks, which only names of files can have.
        warnings.filterwarnings("ignore", r"Glyph \d+ .* missing from font")
        yield


def in_own_style(draw: Callable[Arguments, Figure]) -> Callable[Arguments, Figure]:
    """The decorator of every function that draws a figure."""

    @functools.wraps(draw)
    def drawn(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Figure:
        with own_style():
            return draw(*args, **kwargs)

    return drawn


def new_figure(width_in: float, height_in: float) -> Figure:
    """An empty figure, in inches, whose parts make room for each other."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width_in, height_in), layout="constrained")


def plain_text(text: str) -> str:
    """``text`` as it is, for a title: matplotlib takes what stands between two $ for a formula."""
    return text.replace("$", r"\$")
