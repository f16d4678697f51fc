"""The two ReLU fits: net row current in ampere to output voltage (FANN).

At exactly 0 A the published code returns 0 V, although the fit tends to 2 V from above and to
2.11 V from below; 0 A belongs to the conducting side here and gives 2 V.
"""

from __future__ import annotations

import math

import torch

from ohmbench.floatgate.piecewise import PiecewiseCurve, constant
from ohmbench.floatgate.ranges import FittedRange

I_KNEE_A = 10**-7.3
I_STRONG_A = 10**-6.2
# Where the outer logarithms meet their floor of 2 V and ceiling of 2.5 V.
_I_FLOOR_A = math.exp((2.0 - 2.615) / 0.022)
_I_CEILING_A = math.exp((2.5 - 3.49) / 0.08)

# ln and lg of a current of 0: the smallest normal float32 stands for it, far below every floor.
_I_TINY_A = 1.2e-38


def _off(i: torch.Tensor) -> torch.Tensor:
    x = 43.5 + 7.0 * i.abs().clamp(min=_I_TINY_A).log10()
    return 2.1132 * torch.sigmoid(-x)


def _weak(i: torch.Tensor) -> torch.Tensor:
    return 0.022 * i.log() + 2.615


def _moderate(i: torch.Tensor) -> torch.Tensor:
    return 0.04 * i.log() + 2.92


def _strong(i: torch.Tensor) -> torch.Tensor:
    return 0.08 * i.log() + 3.49


RELU = PiecewiseCurve(
    name="relu",
    edges=(0.0, _I_FLOOR_A, I_KNEE_A, I_STRONG_A, _I_CEILING_A),
    branches=(_off, constant(2.0), _weak, _moderate, _strong, constant(2.5)),
    closed="right",
    fitted=FittedRange(
        "relu",
        "I",
        "A",
        -_I_CEILING_A,
        _I_CEILING_A,
        "published: the ceiling of 2.5 V; the same magnitude taken for negative currents",
    ),
    unit_out="V",
)
"""The ReLU of the released networks, volt from ampere."""


def _smooth(i: torch.Tensor) -> torch.Tensor:
    return 2.07 + 0.06 * (-0.8 + 4e5 * i).exp() + 0.26 / (1.15 + (2.7 - 1.8e6 * i).exp())


# Here 0.06 exp(-0.8 + 4e5 I) takes the fit past the supply; the circuit stops there, and so does
# the curve (the exponential alone would overflow float32 beyond 2.2e-4 A).
_I_SMOOTH_CEILING_A = 5.06232e-6

RELU_SMOOTH = PiecewiseCurve(
    name="relu_smooth",
    edges=(0.0, _I_SMOOTH_CEILING_A),
    branches=(_off, _smooth, constant(2.5)),
    closed="right",
    fitted=FittedRange(
        "relu_smooth",
        "I",
        "A",
        -_I_SMOOTH_CEILING_A,
        _I_SMOOTH_CEILING_A,
        "declared: the supply of 2.5 V; the same magnitude taken for negative currents",
    ),
    unit_out="V",
)
"""The older smooth variant, volt from ampere."""


def relu(i: torch.Tensor) -> torch.Tensor:
    """Output voltage (V) of the ReLU for the net row current ``i = I_pos + I_neg`` (A)."""
    return RELU(i)


def relu_smooth(i: torch.Tensor) -> torch.Tensor:
    """Output voltage (V) of the older smooth ReLU for the net row current ``i`` (A)."""
    return RELU_SMOOTH(i)
