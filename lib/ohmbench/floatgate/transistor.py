"""Diode-connected transistor: turns a line's current into the voltage the sigmoid sees.

``i`` is the magnitude of a line current in ampere. The two lines end in different transistors,
which saturate at different points. The published code guesses the line from the sign of the largest
current of the whole batch; here the line is an argument (FANN, current to voltage).
"""

from __future__ import annotations

from enum import Enum

import torch
from jaxtyping import Float
from torch import Tensor

from ohmbench.floatgate.card import LineEnd, Lines, load_card
from ohmbench.floatgate.piecewise import Branch, PiecewiseCurve, constant
from ohmbench.floatgate.ranges import FittedRange


def _paper() -> Lines:
    lines = load_card().lines
    assert lines is not None
    return lines


_PAPER = _paper()


def _cubic(c: Lines) -> Branch:
    c0, c1, c2, c3 = c.cubic_V

    def branch(i: torch.Tensor) -> torch.Tensor:
        # Nanoampere inside: in ampere, i^3 of a 10 pA current would underflow float32's normal
        # range.
        i_nA = i * 1e9
        return ((c3 * i_nA + c2) * i_nA + c1) * i_nA + c0

    return branch


def _logarithmic(c: Lines) -> Branch:
    l0, l1, l2, l3, l4, l5 = c.logarithm
    return lambda i: l0 / (l1 + l2 * (l3 * i - l4).abs().log()) + l5


def line_curve(lines: Lines, end: LineEnd, label: str) -> PiecewiseCurve:
    """The curve of the line that ends in ``end``: volt as a function of |current| in ampere."""
    name = f"transistor_{label}"
    basis = "published: region limits of the fit, off below and saturated above"
    return PiecewiseCurve(
        name=name,
        edges=(lines.i_cutoff_A, lines.i_cubic_A, end.i_last_A),
        branches=(constant(0.0), _cubic(lines), _logarithmic(lines), constant(end.v_last_V)),
        closed="left",
        fitted=FittedRange(name, "|I|", "A", lines.i_cutoff_A, end.i_last_A, basis),
        unit_out="V",
    )


class Line(Enum):
    """The lines of a row, with the current and voltage at which the paper's device saturates.

    ``curve`` maps |current| in ampere to volt. It is an attribute of the line because torch.compile
    does not notice when a different enum member is used as the key of a dict.
    """

    POS = ("pos", _PAPER.positive)
    NEG = ("neg", _PAPER.negative)

    def __init__(self, label: str, end: LineEnd) -> None:
        self.label = label
        self.i_last_A = end.i_last_A
        self.v_last_V = end.v_last_V
        self.curve = line_curve(_PAPER, end, label)


def current_to_voltage(i: Float[Tensor, "*rows"], line: Line) -> Float[Tensor, "*rows"]:
    """Voltage in volt of ``line`` carrying the current magnitude ``i`` (>= 0, A), any shape."""
    return line.curve(i)
