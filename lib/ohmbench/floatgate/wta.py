"""Winner-take-all: the outputs of a WTA layer for its row currents (FANN)."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from ohmbench.floatgate.card import WTACurveConstants, load_card
from ohmbench.floatgate.piecewise import PiecewiseCurve, constant
from ohmbench.floatgate.ranges import FittedRange

I_TRANSISTOR_EDGES_A = (1.74e-9, 4.9e-7, 1.77e-6)

_I_TINY_A = 1.2e-38  # smallest normal float32, used instead of 0, whose logarithm is singular


def wta_curve(c: WTACurveConstants) -> PiecewiseCurve:
    """The log-scaled row current, dimensionless. The row with the largest value wins."""

    def log_scaled(i: torch.Tensor) -> torch.Tensor:
        return c.height * torch.sigmoid(c.x0 + c.x1 * i.abs().clamp(min=_I_TINY_A).log10())

    return PiecewiseCurve(
        name="wta",
        edges=(),
        branches=(log_scaled,),
        closed="left",
        fitted=FittedRange("wta", "|I|", "A", *c.fitted.i_A, c.fitted.basis),
        unit_out="1",
    )


def _paper() -> PiecewiseCurve:
    constants = load_card().wta
    assert constants is not None
    return wta_curve(constants)


WTA = _paper()
"""The curve of the paper's device; values in (0, 10)."""


def _first(i: torch.Tensor) -> torch.Tensor:
    return (1.3703e12 * i + 4.9357e5) * i - 6.2089e-4


def _second(i: torch.Tensor) -> torch.Tensor:
    return (-1.0314e11 * i + 4.2304e5) * i + 0.3746


WTA_TRANSISTOR = PiecewiseCurve(
    name="wta_transistor",
    edges=I_TRANSISTOR_EDGES_A,
    branches=(constant(0.003), _first, _second, constant(0.9)),
    closed="right",
    fitted=FittedRange(
        "wta_transistor",
        "|I|",
        "A",
        *I_TRANSISTOR_EDGES_A[::2],
        "published: region limits of the fit",
    ),
    unit_out="V",
)
"""The curve of a WTA row's transistor: volt as a function of ampere."""


def wta(i: Float[Tensor, "*rows"]) -> Float[Tensor, "*rows"]:
    """WTA output (dimensionless, 0 to 10) of the row current ``i`` (A), any shape."""
    return WTA(i)


def wta_transistor(i: Float[Tensor, "*rows"]) -> Float[Tensor, "*rows"]:
    """Voltage (V) of a WTA row's transistor carrying the current magnitude ``i`` (A)."""
    return WTA_TRANSISTOR(i)
