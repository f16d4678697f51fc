"""The scales on which programmed currents are trained.

Currents span seven decades, so gradient steps in ampere would converge very slowly. Both scales map
a real ``theta`` to a programmable current of the same sign. The forward value is exactly
programmable; the gradient is straight-through (it ignores the rounding).
"""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from ohmbench.floatgate.programming import ProgrammableSet, straight_through
from ohmbench.floatgate.synapse import EKV, Cell
from ohmbench.tensors import FLOAT64


class Scale(torch.nn.Module):
    """A map between theta and currents w.

    ``forward``: theta -> w. ``right_inverse``: w -> theta. ``largest_theta``: theta of the largest
    w.
    """

    largest_theta: float

    @abstractmethod
    def right_inverse(self, w: Float[Tensor, "*cells"]) -> Float[Tensor, "*cells"]:
        """A theta that maps to ``w`` (ampere), up to rounding."""


class AsinhScale(Scale):
    """``w = w0 sinh(theta)``: logarithmic for large currents, smooth where a cell changes lines."""

    def __init__(self, programmable: ProgrammableSet, w0_A: float) -> None:
        super().__init__()
        self.programmable = programmable
        self.w0_A = w0_A
        self.largest_theta = math.asinh(programmable.w_max_A / w0_A)

    def forward(self, theta: Float[Tensor, "*cells"]) -> Float[Tensor, "*cells"]:
        """Programmable current (A) nearest to ``w0 sinh(theta)``, with the latter's gradient."""
        return self.programmable.straight_through(self.w0_A * theta.sinh())

    def right_inverse(self, w: Float[Tensor, "*cells"]) -> Float[Tensor, "*cells"]:
        """``asinh(w / w0)`` of currents ``w`` (A), any shape."""
        return (w / self.w0_A).asinh()


class OnCurrentScale(Scale):
    """``theta = I(v_on, w) / i0``: linear in the current that a cell passes when on.

    Only levels on which that current rises clearly are used: the current of the EKV fit decreases
    when programmed beyond a few uA. The sign changes at zero current above the leakage.

    ``levels``: programmable levels up to where d ln I / d ln w falls under 0.15, float64 ampere;
    ``midpoints``: on-currents halfway (in log current) between neighbouring levels; ``slope``: dw /
    dtheta at each level.
    """

    def __init__(
        self, programmable: ProgrammableSet, cell: Cell = EKV, *, v_on_V: float, i0_A: float
    ) -> None:
        super().__init__()
        self.programmable, self.cell = programmable, cell
        self.v_on_V = v_on_V
        self.i0_A = i0_A
        # Computed here, not lazily: a tensor made inside torch.func cannot be used after it.
        w = torch.tensor(programmable.levels, **FLOAT64)
        steepness = self._derivative(w) * w / self._current(w)
        flat = (steepness < 0.15).nonzero()
        self.levels = w[: int(flat[0])] if len(flat) else w
        self.midpoints = self._current((self.levels[:-1] * self.levels[1:]).sqrt())
        self.slope = i0_A / self._derivative(self.levels)
        self.largest_theta = float(self._current(self.levels[-1:])[0]) / i0_A

    def _current(self, w: torch.Tensor) -> torch.Tensor:
        """Current above leakage that a cell programmed to ``w`` > 0 passes when on."""
        return self.cell.current(torch.tensor(self.v_on_V, **FLOAT64), w) - self.cell.i_leak_A

    def _derivative(self, w: torch.Tensor) -> torch.Tensor:
        leaf = w.clone().requires_grad_()
        with torch.enable_grad():
            (slope,) = torch.autograd.grad(self._current(leaf).sum(), leaf)
        return slope

    def forward(self, theta: Float[Tensor, "*cells"]) -> Float[Tensor, "*cells"]:
        """Level (A) whose on-current is nearest to ``|theta| i0``, with the sign of theta."""
        magnitude = (theta.detach().abs().double() * self.i0_A).contiguous()
        index = torch.bucketize(magnitude, self.midpoints)
        w = self.levels[index].to(theta.dtype)
        below = self.programmable.w_min_A if self.programmable.positive_only else -w
        w = torch.where(theta < 0, below, w)
        return straight_through(theta, w, self.slope[index].to(theta.dtype))

    def right_inverse(self, w: Float[Tensor, "*cells"]) -> Float[Tensor, "*cells"]:
        """On-current over ``i0`` of programmed currents ``w`` (A), signed like ``w``."""
        return w.sign() * (self._current(w.abs().double()) / self.i0_A).to(w.dtype)


@dataclass(frozen=True)
class AsinhOptions:
    """Options of an ``AsinhScale`` in a recipe."""

    w0_A: float

    def scale(self, programmable: ProgrammableSet, cell: Cell = EKV) -> Scale:
        """The scale for an array; the same for every cell."""
        return AsinhScale(programmable, self.w0_A)


@dataclass(frozen=True)
class OnCurrentOptions:
    """Options of an ``OnCurrentScale`` in a recipe."""

    v_on_V: float
    i0_A: float

    def scale(self, programmable: ProgrammableSet, cell: Cell = EKV) -> Scale:
        """The scale for an array of ``cell`` cells."""
        return OnCurrentScale(programmable, cell, v_on_V=self.v_on_V, i0_A=self.i0_A)
