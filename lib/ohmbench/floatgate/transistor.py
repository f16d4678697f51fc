"""Diode-connected transistor: turns a line's current into the voltage the sigmoid sees.

``i`` is the magnitude of a line current in ampere. The two lines end in different transistors,
which saturate at different points; the published code guesses the line from the sign of the
largest current of the whole batch, here it is an argument (FANN, current to voltage).
"""

from __future__ import annotations

from enum import Enum

import torch

from ohmbench.floatgate.piecewise import PiecewiseCurve, constant
from ohmbench.floatgate.ranges import FittedRange

I_CUTOFF_A = 1.5166e-11
I_CUBIC_END_A = 1.622e-10


def _cubic(i: torch.Tensor) -> torch.Tensor:
    # Nanoampere inside: i^3 of a 10 pA current underflows the normal range of float32.
    i_nA = i * 1e9
    return ((-1.7814e2 * i_nA + 4.6537e1) * i_nA + 5.3942e-1) * i_nA - 0.0182625


def _logarithmic(i: torch.Tensor) -> torch.Tensor:
    return -13.2209 / (3.03607 + 1.75561 * (1500.0 * i - 1.9597e-7).abs().log()) + 0.120559


def _curve(label: str, i_last_A: float, v_last_V: float) -> PiecewiseCurve:
    name = f"transistor_{label}"
    basis = "published: region limits of the fit, off below and saturated above"
    return PiecewiseCurve(
        name=name,
        edges=(I_CUTOFF_A, I_CUBIC_END_A, i_last_A),
        branches=(constant(0.0), _cubic, _logarithmic, constant(v_last_V)),
        closed="left",
        fitted=FittedRange(name, "|I|", "A", I_CUTOFF_A, i_last_A, basis),
        unit_out="V",
    )


class Line(Enum):
    """The output line of a row, with the current and voltage at which its transistor saturates.

    ``curve`` takes |current| in ampere to volt. It is the line's own attribute because
    torch.compile does not notice that an enum used as the key of a dict is another one.
    """

    POS = ("pos", 2.152e-6, 2.0001)
    NEG = ("neg", 4.67e-6, 2.4507)

    def __init__(self, label: str, i_last_A: float, v_last_V: float) -> None:
        self.label = label
        self.i_last_A = i_last_A
        self.v_last_V = v_last_V
        self.curve = _curve(label, i_last_A, v_last_V)


def current_to_voltage(i: torch.Tensor, line: Line) -> torch.Tensor:
    """Voltage in volt of ``line`` carrying the current magnitude ``i`` (>= 0, A), any shape."""
    return line.curve(i)
