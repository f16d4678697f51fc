"""The currents that a floating-gate array can be programmed to, and training under this constraint.

Published facts about the device (FANN, device section): programmable currents from pA to uA;
precision quoted as more than 12 bit, 13 bit, and 14 bit in newer 65/130 nm cells; retention 10
years. The levels are equidistant in log current, because programming precision is a ratio, not an
absolute error.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float, Float64, Int64
from numpy.typing import NDArray
from torch import Tensor

from ohmbench.errors import RangeError
from ohmbench.floatgate.operands import check_floating
from ohmbench.tensors import FLOAT64
from ohmbench.transforms import refuse_transforms, untransformed


def straight_through(
    x: Float[Tensor, "*cells"],
    value: Float[Tensor, "*cells"],
    slope: Float[Tensor, "*cells"] | float = 1.0,
) -> Float[Tensor, "*cells"]:
    """Return exactly ``value``, with the gradient ``slope`` with respect to ``x`` (finite)."""
    # x + (value - x) is not exact where the two differ by more than a factor of 2.
    return value.detach() + slope * (x - x.detach())


@dataclass(frozen=True)
class Violations:
    """How many of ``total`` currents cannot be programmed, and why."""

    total: int
    too_small: int
    too_large: int
    negative: int
    off_level: int

    @property
    def unholdable(self) -> int:
        """Number of currents outside the range or of a forbidden sign."""
        return self.too_small + self.too_large + self.negative

    def __add__(self, other: Violations) -> Violations:
        return Violations(
            self.total + other.total,
            self.too_small + other.too_small,
            self.too_large + other.too_large,
            self.negative + other.negative,
            self.off_level + other.off_level,
        )


@dataclass(frozen=True)
class ProgrammableSet:
    """The currents ``+-w_k``, ``w_k`` from ``w_min_A`` to ``w_max_A`` in ``2^bits`` log steps.

    ``positive_only`` leaves out the negative ones (WTA cells). Zero is not in the set: a cell
    cannot be removed, so the smallest current stands for "off". Raises RangeError for a range that
    is empty or not positive, and for bits outside 1..20 (with more than 20 bits, neighbouring
    levels are not distinct in float32).
    """

    w_min_A: float = 1e-12
    w_max_A: float = 1e-5
    bits: int = 13
    positive_only: bool = False

    def __post_init__(self) -> None:
        if not (0 < self.w_min_A < self.w_max_A < math.inf):
            raise RangeError(
                f"programmable range [{self.w_min_A:g}, {self.w_max_A:g}] A is not 0 < min < max"
            )
        if not 1 <= self.bits <= 20:
            raise RangeError(f"bits = {self.bits}, but should be from 1 to 20")

    @cached_property
    def step(self) -> float:
        """Distance between neighbouring levels in ln current."""
        return math.log(self.w_max_A / self.w_min_A) / float(2**self.bits - 1)

    @property
    def relative_error_bound(self) -> float:
        """Largest ``|project(w) - w| / |w|`` for ``|w|`` in range.

        Half a step, exactly ``exp(step/2) - 1``; rounding to the tensor's dtype adds its epsilon.
        """
        return float(np.expm1(self.step / 2))

    @cached_property
    def levels(self) -> Float64[NDArray[np.float64], " levels"]:
        """All positive levels in ampere, shape (2^bits,), ascending; the ends are exact."""
        k = np.arange(2**self.bits)
        levels = np.exp(math.log(self.w_min_A) + self.step * k)
        levels[0], levels[-1] = self.w_min_A, self.w_max_A
        levels.setflags(write=False)
        return levels

    @cached_property
    def _levels(self) -> torch.Tensor:
        with untransformed():
            return torch.tensor(self.levels, **FLOAT64)

    def level_index(self, w: Float[Tensor, "*cells"]) -> Int64[Tensor, "*cells"]:
        """Index (int64) of the level nearest to ``|w|`` in log current, clipped to the range."""
        check_floating("weight", w)
        magnitude = w.detach().abs().double().clamp(self.w_min_A, self.w_max_A)
        return ((magnitude / self.w_min_A).log() / self.step).round().long()

    def project(self, w: Float[Tensor, "*cells"]) -> Float[Tensor, "*cells"]:
        """The programmable current nearest to each ``w`` in log current, same shape and dtype.

        Idempotent. The sign is kept (+ for 0); under ``positive_only`` negative currents become
        the smallest level. Raises NonFiniteError, DtypeError.
        """
        level = self._levels.to(w.device)[self.level_index(w)].to(w.dtype)
        if self.positive_only:
            return torch.where(w < 0, torch.full_like(w, self.w_min_A), level)
        return torch.where(w < 0, -level, level)

    def straight_through(self, w: Float[Tensor, "*cells"]) -> Float[Tensor, "*cells"]:
        """The value of ``project(w)`` with the gradient of the identity, for training."""
        return straight_through(w, self.project(w))

    def violations(self, w: Float[Tensor, "*cells"]) -> Violations:
        """Count the currents of ``w`` that are not in the set.

        The ends of the range are rounded to the dtype of ``w`` first. Raises NonFiniteError,
        DtypeError, and OperandError under torch.func.
        """
        refuse_transforms("a count of violations", "count outside it")
        check_floating("weight", w)
        w = w.detach()
        magnitude = w.abs()
        small = magnitude < torch.tensor(self.w_min_A, dtype=w.dtype, device=w.device)
        large = magnitude > torch.tensor(self.w_max_A, dtype=w.dtype, device=w.device)
        negative = (w < 0) if self.positive_only else torch.zeros_like(small)
        held = ~(small | large | negative)
        return Violations(
            total=w.numel(),
            too_small=int((small & ~negative).sum()),
            too_large=int((large & ~negative).sum()),
            negative=int(negative.sum()),
            off_level=int((held & (self.project(w) != w)).sum()),
        )


FG_ARRAY = ProgrammableSet()
"""The paper's array, from its card: 1 pA to 10 uA, 13 bit."""

FG_ARRAY_WTA = ProgrammableSet(w_max_A=7e-6, positive_only=True)
"""The same for the WTA cells."""
