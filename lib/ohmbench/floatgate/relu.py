"""The two ReLU fits: net row current in ampere to output voltage (FANN).

At exactly 0 A the published code returns 0 V, although the fit tends to 2 V from above and to 2.11
V from below. Here 0 A belongs to the conducting side and gives 2 V.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from ohmbench.floatgate.card import OffBranch, ReluConstants, ReluSmoothConstants, load_card
from ohmbench.floatgate.piecewise import Branch, PiecewiseCurve, constant
from ohmbench.floatgate.ranges import FittedRange

# Stands for a current of 0 in ln and lg: the smallest normal float32, far below every floor.
_I_TINY_A = 1.2e-38


def _off(c: OffBranch) -> Branch:
    def branch(i: torch.Tensor) -> torch.Tensor:
        x = c.x0 + c.x1 * i.abs().clamp(min=_I_TINY_A).log10()
        return c.height_V * torch.sigmoid(-x)

    return branch


def _logarithm(a: float, b: float) -> Branch:
    return lambda i: a * i.log() + b


def relu_curve(c: ReluConstants) -> PiecewiseCurve:
    """The ReLU curve: volt as a function of ampere."""
    knee, strong = c.decades
    # Currents at which the outer logarithms meet the floor and the ceiling.
    low, high = c.i_floor_A, c.i_ceiling_A
    return PiecewiseCurve(
        name="relu",
        edges=(0.0, low, 10**knee, 10**strong, high),
        branches=(
            _off(c.off),
            constant(c.floor_V),
            *(_logarithm(a, b) for a, b in c.logarithms_V),
            constant(c.ceiling_V),
        ),
        closed="right",
        fitted=FittedRange(
            "relu",
            "I",
            "A",
            -high,
            high,
            f"published: the ceiling of {c.ceiling_V:g} V; the same magnitude taken for negative "
            "currents",
        ),
        unit_out="V",
    )


def relu_smooth_curve(c: ReluSmoothConstants) -> PiecewiseCurve:
    """The curve of the older smooth variant: volt as a function of ampere.

    The exponential of the fit exceeds the supply. The circuit cannot, so the curve is limited too
    (the exponential alone would overflow float32).
    """
    e0, e1, e2 = c.exponential
    g0, g1, g2, g3 = c.logistic
    base = c.base_V

    def smooth(i: torch.Tensor) -> torch.Tensor:
        return base + e0 * (e1 + e2 * i).exp() + g0 / (g1 + (g2 - g3 * i).exp())

    return PiecewiseCurve(
        name="relu_smooth",
        edges=(0.0, c.i_ceiling_A),
        branches=(_off(c.off), smooth, constant(c.ceiling_V)),
        closed="right",
        fitted=FittedRange(
            "relu_smooth",
            "I",
            "A",
            -c.i_ceiling_A,
            c.i_ceiling_A,
            f"declared: the supply of {c.ceiling_V:g} V; the same magnitude taken for negative "
            "currents",
        ),
        unit_out="V",
    )


def _paper() -> tuple[PiecewiseCurve, PiecewiseCurve]:
    card = load_card()
    assert card.relu is not None
    assert card.relu_smooth is not None
    return relu_curve(card.relu), relu_smooth_curve(card.relu_smooth)


RELU, RELU_SMOOTH = _paper()
"""The paper's curves: the one of the released networks, and the older one."""


def relu(i: Float[Tensor, "*rows"]) -> Float[Tensor, "*rows"]:
    """Output voltage (V) of the ReLU for the net row current ``i = I_pos + I_neg`` (A)."""
    return RELU(i)


def relu_smooth(i: Float[Tensor, "*rows"]) -> Float[Tensor, "*rows"]:
    """Output voltage (V) of the older smooth ReLU for the net row current ``i`` (A)."""
    return RELU_SMOOTH(i)
