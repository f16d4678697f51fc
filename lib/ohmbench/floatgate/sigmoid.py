"""The differential sigmoid: two line voltages in, one output voltage out (FANN).

Fitted in three regions of the positive line's voltage ``p``; in each the output is a logistic
function of ``p - n`` whose height, slope and offset depend linearly on ``p``.
"""

from __future__ import annotations

from typing import NamedTuple

import torch

from ohmbench.floatgate.piecewise import Jump
from ohmbench.floatgate.ranges import FittedRange, observe
from ohmbench.floatgate.transistor import Line
from ohmbench.tensors import FLOAT64


class _Region(NamedTuple):
    """``(h1 p + h0) / (1 + exp((s1 p + s0)(p - n) + (o1 p + o0))) + (t1 p + t0)``, volts."""

    h1: float
    h0: float
    s1: float
    s0: float
    o1: float
    o0: float
    t1: float
    t0: float

    def output(self, p: torch.Tensor, n: torch.Tensor) -> torch.Tensor:
        x = (self.s1 * p + self.s0) * (p - n) + (self.o1 * p + self.o0)
        return (self.h1 * p + self.h0) * torch.sigmoid(-x) + (self.t1 * p + self.t0)


P_EDGES_V = (0.38, 1.78)
"""Region boundaries in ``p``; a boundary belongs to the region on its left."""

_REGIONS = (
    _Region(0.0, -0.2877195, 0.0, 31.202, -29.0649, 12.7174, 0.0, 2.44313),
    _Region(0.131407, -0.338609, -3.98366, 32.2026, -0.926118, 2.4177, -0.00157441, 2.44385),
    _Region(0.407395, -0.830324, -32.32, 83.1541, -9.69387, 17.9666, 0.0, 2.440658),
)

_BASIS = "published: the voltages its two transistors can deliver"
FITTED_P = FittedRange("sigmoid", "p", "V", 0.0, Line.POS.v_last_V, _BASIS)
FITTED_N = FittedRange("sigmoid", "n", "V", 0.0, Line.NEG.v_last_V, _BASIS)


def sigmoid(p: torch.Tensor, n: torch.Tensor) -> torch.Tensor:
    """Output voltage for line voltages ``p``, ``n`` (V, broadcastable); rises with ``p - n``."""
    observe(FITTED_P, p)
    observe(FITTED_N, n)
    low, high = P_EDGES_V
    # All three regions are finite for every finite p and n, so no branch can poison another's
    # gradient; clamping p keeps the unselected exponents small.
    y = _REGIONS[0].output(p.clamp(max=low), n)
    y = torch.where(p > low, _REGIONS[1].output(p.clamp(low, high), n), y)
    return torch.where(p > high, _REGIONS[2].output(p.clamp(min=high), n), y)


def sigmoid_jumps(n_V: float) -> tuple[Jump, ...]:
    """The steps at the two region boundaries in ``p`` for one negative-line voltage, float64."""
    n = torch.tensor([n_V], **FLOAT64)
    found = []
    for edge, left, right in zip(P_EDGES_V, _REGIONS, _REGIONS[1:], strict=False):
        p = torch.tensor([edge], **FLOAT64)
        found.append(Jump(edge, float(left.output(p, n)), float(right.output(p, n))))
    return tuple(found)
