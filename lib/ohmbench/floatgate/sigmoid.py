"""The differential sigmoid: two line voltages in, one output voltage out (FANN).

The fit has several regions of the positive line's voltage ``p``. In each region the output is a
logistic function of ``p - n`` whose height, slope and offset depend linearly on ``p``.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ohmbench.floatgate.card import Lines, SigmoidConstants, SigmoidRegion, load_card
from ohmbench.floatgate.piecewise import Jump
from ohmbench.floatgate.ranges import FittedRange, observe
from ohmbench.tensors import FLOAT64


def _output(r: SigmoidRegion, p: torch.Tensor, n: torch.Tensor) -> torch.Tensor:
    x = (r.s1 * p + r.s0) * (p - n) + (r.o1 * p + r.o0)
    return (r.h1 * p + r.h0) * torch.sigmoid(-x) + (r.t1 * p + r.t0)


_BASIS = "published: the voltages its two transistors can deliver"


@dataclass(frozen=True)
class Sigmoid:
    """The sigmoid circuit of one card; ``edges_V`` are the boundaries of its regions in ``p``."""

    edges_V: tuple[float, ...]
    regions: tuple[SigmoidRegion, ...]
    fitted_p: FittedRange
    fitted_n: FittedRange

    @classmethod
    def of(cls, constants: SigmoidConstants, lines: Lines) -> Sigmoid:
        """The circuit with a card's constants; its inputs are the voltages of ``lines``."""
        return cls(
            constants.p_edges_V,
            constants.regions,
            FittedRange("sigmoid", "p", "V", 0.0, lines.positive.v_last_V, _BASIS),
            FittedRange("sigmoid", "n", "V", 0.0, lines.negative.v_last_V, _BASIS),
        )

    def __call__(
        self, p: Float[Tensor, "*#rows"], n: Float[Tensor, "*#rows"]
    ) -> Float[Tensor, "*rows"]:
        """Output voltage for line voltages ``p``, ``n`` (V, broadcastable)."""
        observe(self.fitted_p, p)
        observe(self.fitted_n, n)
        # Every region is finite for all finite p and n, so an unselected branch cannot put NaN into
        # the gradient; clamping p keeps the unselected exponents small.
        y: torch.Tensor | None = None
        lows, highs = (None, *self.edges_V), (*self.edges_V, None)
        for low, high, region in zip(lows, highs, self.regions, strict=True):
            inside = p if low is None and high is None else p.clamp(low, high)
            here = _output(region, inside, n)
            y = here if y is None or low is None else torch.where(p > low, here, y)
        assert y is not None  # there is always one region
        return y

    def jumps(self, n_V: float) -> tuple[Jump, ...]:
        """The steps at the boundaries in ``p`` for one voltage of the negative line, float64."""
        n = torch.tensor([n_V], **FLOAT64)
        found = []
        for edge, left, right in zip(self.edges_V, self.regions, self.regions[1:], strict=False):
            p = torch.tensor([edge], **FLOAT64)
            found.append(Jump(edge, float(_output(left, p, n)), float(_output(right, p, n))))
        return tuple(found)

    @property
    def highest_V(self) -> float:
        """The output with the positive line saturated and no current on the negative line."""
        p, n = (torch.tensor([v], **FLOAT64) for v in (self.fitted_p.high, 0.0))
        return float(self(p, n))


def _paper() -> Sigmoid:
    card = load_card()
    assert card.sigmoid is not None
    assert card.lines is not None
    return Sigmoid.of(card.sigmoid, card.lines)


SIGMOID = _paper()
"""The sigmoid of the paper's device."""


def sigmoid(p: Float[Tensor, "*#rows"], n: Float[Tensor, "*#rows"]) -> Float[Tensor, "*rows"]:
    """Output voltage for line voltages ``p``, ``n`` (V, broadcastable); rises with ``p - n``."""
    return SIGMOID(p, n)
