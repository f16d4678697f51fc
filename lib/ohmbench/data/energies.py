"""Two potentials of Rezende and Mohamed, "Variational inference with normalizing flows", ICML 2015.

A potential U(z) stands for the density p(z) = exp(-U(z)) / Z in the plane: the smaller the
potential, the likelier the point. Density matching trains a flow q to minimise E_q[ln q + U], which
is the Kullback-Leibler divergence KL(q||p) minus ln Z. `Energy.log_normaliser` gives ln Z, so that
the divergence itself can be told.

The second potential does not depend on z1 other than through a sine: exp(-U) has no finite integral
along z1, and minimising the objective spreads the samples without end. `PUBLISHED` keeps it as it
is; what is trained and judged (`ENERGIES`) has a wall beyond |z1| = 4, half a Gaussian as steep as
the valley itself, and is a density.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from ohmbench.errors import OperandError, ShapeError
from ohmbench.tensors import FLOAT64

_VALLEY = 0.4  # width of ring, valley and wall, one standard deviation
WALL = 4.0


@dataclass(frozen=True)
class Energy:
    """A potential over the plane, differentiable in any floating dtype.

    ``potential`` takes z1 and z2 of equal shape; ``log_integral`` gives the logarithm of the
    integral of exp(-potential), and is None where that is infinite.
    """

    name: str
    potential: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
    log_integral: Callable[[], float] | None

    @property
    def proper(self) -> bool:
        """Whether exp(-U) is a density up to a factor."""
        return self.log_integral is not None

    def __call__(self, z: torch.Tensor) -> torch.Tensor:
        """U (...) in nats at the points ``z`` (..., 2). Raises ShapeError for any other shape."""
        if z.ndim == 0 or z.shape[-1] != 2:
            raise ShapeError(f"points of shape {tuple(z.shape)}, but should be (..., 2)")
        return self.potential(z[..., 0], z[..., 1])

    def log_normaliser(self) -> float:
        """ln Z in nats, to 1e-10. Raises OperandError where Z is infinite."""
        if self.log_integral is None:
            raise OperandError(f"{self.name} has no normaliser: exp(-U) is not integrable")
        return self.log_integral()


def _ring(z1: torch.Tensor, z2: torch.Tensor) -> torch.Tensor:
    """A ring of radius 2, kept where it meets one of two vertical bands at z1 = -2 and 2."""
    radius: torch.Tensor = torch.linalg.vector_norm(torch.stack([z1, z2]), dim=0)
    bands = torch.logaddexp(-0.5 * ((z1 - 2) / 0.6) ** 2, -0.5 * ((z1 + 2) / 0.6) ** 2)
    return 0.5 * ((radius - 2) / _VALLEY) ** 2 - bands


def _ring_log_integral(radial: int = 200, angular: int = 256) -> float:
    """ln Z of the ring by quadrature in polar coordinates, where exp(-U) is smooth and periodic.

    Gauss-Legendre along the radius, up to 10 widths outside the ring (what is left out is below
    1e-22), the trapezoidal rule around. Twice the nodes change the result by less than 1e-12.
    """
    nodes, weights = np.polynomial.legendre.leggauss(radial)
    half = (2 + 10 * _VALLEY) / 2
    r = torch.from_numpy(half * (nodes + 1))[:, None]
    w = torch.from_numpy(half * weights)[:, None]
    theta = 2 * math.pi / angular * torch.arange(angular, **FLOAT64)
    densities = torch.exp(-_ring(r * theta.cos(), r * theta.sin()))
    return math.log(float((w * r * densities).sum()) * 2 * math.pi / angular)


def _sine(z1: torch.Tensor, z2: torch.Tensor) -> torch.Tensor:
    """A valley along the sine of period 4 and height 1."""
    return 0.5 * ((z2 - torch.sin(2 * math.pi * z1 / 4)) / _VALLEY) ** 2


def _walled_sine(z1: torch.Tensor, z2: torch.Tensor) -> torch.Tensor:
    beyond = torch.relu(z1.abs() - WALL)
    return _sine(z1, z2) + 0.5 * (beyond / _VALLEY) ** 2


def _walled_sine_log_integral() -> float:
    """Closed form: a Gaussian along z2 whatever z1, times a box with the two halves of another."""
    gaussian = _VALLEY * math.sqrt(2 * math.pi)
    return math.log((2 * WALL + gaussian) * gaussian)


_POTENTIAL1 = Energy("potential1", _ring, _ring_log_integral)

PUBLISHED: dict[str, Energy] = {
    "potential1": _POTENTIAL1,
    "potential2": Energy("potential2", _sine, None),
}
"""The potentials as published; the second is improper."""

ENERGIES: dict[str, Energy] = {
    "potential1": _POTENTIAL1,
    "potential2": Energy("potential2", _walled_sine, _walled_sine_log_integral),
}
"""What is trained and judged: ``potential2`` has 0.5 ((|z1| - 4) / 0.4)^2 added beyond |z1| = 4."""
