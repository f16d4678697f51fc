"""The plain data of a report's other pages: text, tables, bars and finished drawings.

Everything but an ``Svg`` is text and is escaped where it is shown.
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ohmbench.report.style import own_style

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Svg:
    """A drawing that ``svg_of`` made."""

    text: str


@dataclass(frozen=True)
class PageTable:
    """A table with a caption; the columns in ``numeric`` are aligned to the right."""

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    numeric: Sequence[int] = ()


@dataclass(frozen=True)
class Bar:
    """A bar of ``percent`` of the width, with its ``value`` as text."""

    label: str
    percent: float
    value: str


@dataclass(frozen=True)
class Part:
    """A part of a page under its own heading; ``note`` is a sentence below the heading."""

    title: str
    note: str = ""
    facts: Sequence[tuple[str, str]] = ()
    bars: Sequence[Bar] = ()
    tables: Sequence[PageTable] = ()
    drawings: Sequence[Svg] = ()


@dataclass(frozen=True)
class Page:
    """A page of the report. ``key`` is its anchor: letters only, so that no claim has the same."""

    key: str
    title: str
    note: str
    parts: Sequence[Part] = ()


_REFERENCE = re.compile(r'(\bid="|url\(#|href="#)')


def svg_of(figure: Figure, prefix: str, title: str) -> Svg:
    """A figure of matplotlib as part of an HTML page, in the colour of the text around it.

    ``prefix`` begins the names of its parts, which have to be unique in the page; ``title`` says
    what it shows to those who do not see it. Figures with images keep their white ground, on which
    their colours were chosen.
    """
    from markupsafe import escape

    out = io.StringIO()
    with own_style():
        import matplotlib
        from matplotlib.backends.backend_svg import FigureCanvasSVG

        matplotlib.rcParams["svg.fonttype"] = "none"
        none = {"Date": None, "Creator": None, "Format": None, "Type": None}
        FigureCanvasSVG(figure).print_svg(out, metadata=none)  # type: ignore[no-untyped-call]
    text = out.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>", "", text, count=1, flags=re.DOTALL)
    text = _REFERENCE.sub(rf"\g<1>{prefix}-", text)
    text = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", text, count=1)
    text = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", text, count=1)
    kind = "pictured" if "<image" in text else "plain"
    if kind == "plain":
        text = text.replace("fill: #ffffff", "fill: none").replace("#000000", "currentColor")
    text = text.replace("<svg", f'<svg class="{kind}" role="img" aria-label="{escape(title)}"', 1)
    return Svg(text.strip())
