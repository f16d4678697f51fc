"""Curves of one current, fitted region by region, and the jumps between regions."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from ohmbench.floatgate.ranges import FittedRange, observe
from ohmbench.tensors import FLOAT64

Branch = Callable[[torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class Jump:
    """The step ``right - left`` of a fitted curve at the region boundary ``at``."""

    at: float
    left: float
    right: float

    @property
    def size(self) -> float:
        """The rise of the curve at the boundary."""
        return self.right - self.left


def constant(value: float) -> Branch:
    """A constant branch: ``value`` everywhere, with gradient zero."""
    return lambda x: torch.full_like(x, value)


@dataclass(frozen=True)
class PiecewiseCurve:
    """``len(edges) + 1`` branches over the real line, split at ``edges`` (ascending, SI units).

    ``closed`` says which side a boundary belongs to: "left" gives it to the branch on its left
    (``x <= edge``), "right" to the branch on its right (``x >= edge``).

    Calling it maps a tensor of any shape, float32 or float64, elementwise and differentiably. The
    derivative is that of the selected branch, and 0 where that branch is constant.
    """

    name: str
    edges: tuple[float, ...]
    branches: tuple[Branch, ...]
    closed: Literal["left", "right"]
    fitted: FittedRange
    unit_out: str

    def __post_init__(self) -> None:
        if len(self.branches) != len(self.edges) + 1 or list(self.edges) != sorted(set(self.edges)):
            raise ValueError(f"{self.name}: n edges must be ascending and need n + 1 branches")

    def __call__(self, x: Float[Tensor, "*rows"]) -> Float[Tensor, "*rows"]:
        """The curve at ``x``, any shape, in the units of ``fitted`` and ``unit_out``."""
        observe(self.fitted, x)
        lows = (-math.inf, *self.edges)
        highs = (*self.edges, math.inf)
        y: torch.Tensor | None = None
        for low, high, branch in zip(lows, highs, self.branches, strict=True):
            # Each branch only gets values of its own region. Outside it, its formula may be
            # singular, and the gradient of an unselected NaN would still be NaN.
            y_branch = branch(x.clamp(low, high))
            if y is None:
                y = y_branch
            else:
                entered = x > low if self.closed == "left" else x >= low
                y = torch.where(entered, y_branch, y)
        assert y is not None  # there is always one branch
        return y

    def jumps(self) -> tuple[Jump, ...]:
        """The step at every region boundary, evaluated in float64 (exactly 0 where continuous)."""
        found = []
        for edge, left, right in zip(self.edges, self.branches, self.branches[1:], strict=False):
            at = torch.tensor([edge], **FLOAT64)
            found.append(Jump(edge, float(left(at)), float(right(at))))
        return tuple(found)
