"""Single-precision arithmetic behind a sum, node by node, with the runtimes' own roundings.

Every step is monotone per channel: of two numbers the larger never changes sides. Constants are
float32 (channels,), or (1,) where all channels share them. What overflows becomes infinite, as in
the runtimes; callers turn numpy's warnings off.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from ohmbench.digital.integer.reals import first_reaching

Float: TypeAlias = NDArray[Any]
"""float32 numbers; float64 behind a sum that the file computes in float64."""
Line: TypeAlias = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Slope and offset per channel of a real function of the integers before it."""


class FloatStep(ABC):
    """One elementwise operation, float32 (n, channels) to the same."""

    @abstractmethod
    def apply(self, x: Float) -> Float:
        """The runtime's result."""

    @abstractmethod
    def line(self, line: Line) -> Line | None:
        """What becomes of ``slope * integer + offset``, in real numbers; None if no line."""

    def whole(self, x: bool) -> bool:
        """Whether all results are integers for certain; ``x``: whether the operands are.

        Sums and products of integers are integers, and those that floating point rounds are too.
        """
        return False


def _integers(*constants: Float | np.float32) -> bool:
    return all(bool((c == np.rint(c)).all()) for c in constants)


@dataclass(frozen=True, eq=False)
class Arithmetic(FloatStep):
    """``x op c``, or ``c - x`` for "subtracted from": one IEEE operation, rounded to nearest."""

    op: Literal["add", "subtract", "multiply", "divide", "subtracted from"]
    constant: Float

    @override
    def apply(self, x: Float) -> Float:
        if self.op == "subtracted from":
            return np.subtract(self.constant, x)
        found: Float = getattr(np, self.op)(x, self.constant)
        return found

    @override
    def line(self, line: Line) -> Line | None:
        slope, offset = line
        c = self.constant.astype(np.float64)
        if self.op == "add":
            return slope, offset + c
        if self.op == "subtract":
            return slope, offset - c
        if self.op == "subtracted from":
            return -slope, c - offset
        return (slope * c, offset * c) if self.op == "multiply" else (slope / c, offset / c)

    @override
    def whole(self, x: bool) -> bool:
        c = self.constant
        return x and (_integers(c) if self.op != "divide" else bool((np.abs(c) == 1).all()))


@dataclass(frozen=True, eq=False)
class BatchNormalisation(FloatStep):
    """``x * factor + offset``, each operation rounded, with ``factor = (1 / sqrt(var + eps)) *
    scale`` and ``offset = bias - mean * factor`` rounded beforehand, as onnxruntime does in its
    builds for x86-64. Builds for other processors may fuse the two operations into one rounding.
    """

    factor: Float
    offset: Float

    @classmethod
    def of(
        cls, scale: Float, bias: Float, mean: Float, var: Float, eps: float
    ) -> BatchNormalisation:
        """From the node's constants."""
        factor = (np.float32(1) / np.sqrt(var + np.float32(eps))) * scale
        return cls(factor, bias - mean * factor)

    @override
    def apply(self, x: Float) -> Float:
        found: Float = x * self.factor + self.offset
        return found

    @override
    def line(self, line: Line) -> Line | None:
        slope, offset = line
        factor = self.factor.astype(np.float64)
        return slope * factor, offset * factor + self.offset

    @override
    def whole(self, x: bool) -> bool:
        return x and _integers(self.factor, self.offset)


@dataclass(frozen=True, eq=False)
class Clamp(FloatStep):
    """``min(max(x, low), high)``; ReLU is the clamp from 0 to infinity."""

    low: np.float32
    high: np.float32

    @override
    def apply(self, x: Float) -> Float:
        found: Float = np.minimum(np.maximum(x, self.low), self.high)
        return found

    @override
    def line(self, line: Line) -> Line | None:
        return None

    @override
    def whole(self, x: bool) -> bool:
        return x and _integers(self.low, self.high)


class Quantiser(FloatStep):
    """A step from reals to integers ``lo`` to ``hi`` and back to reals."""

    lo: int
    hi: int

    @abstractmethod
    def integers(self, x: Float) -> NDArray[np.int64]:
        """The integers of float32 (n, channels)."""

    @abstractmethod
    def values(self, h: NDArray[np.int64]) -> Float:
        """The float32 numbers that the runtime goes on with."""

    @abstractmethod
    def meaning(self) -> Line:
        """Scale and offset of the integers in real numbers."""

    @override
    def apply(self, x: Float) -> Float:
        return self.values(self.integers(x))

    @override
    def line(self, line: Line) -> Line | None:
        return None


@dataclass(frozen=True, eq=False)
class FixedPointInput(Quantiser):
    """Inputs that the file leaves as reals, taken as multiples of ``step``, ties to even."""

    step: float
    lo: int
    hi: int

    @override
    def integers(self, x: Float) -> NDArray[np.int64]:
        scaled = np.rint(x.astype(np.float64) / self.step)
        found: NDArray[np.int64] = np.clip(scaled, self.lo, self.hi).astype(np.int64)
        return found

    @override
    def values(self, h: NDArray[np.int64]) -> Float:
        return (h * self.step).astype(np.float32)

    @override
    def meaning(self) -> Line:
        return np.array([self.step]), np.zeros(1)


@dataclass(frozen=True, eq=False)
class Linear(Quantiser):
    """``QuantizeLinear`` with ``scale`` and ``zero``, ``DequantizeLinear`` with those of ``back``.

    All are (channels,) or (1,): float32 scales, int64 zero points.
    """

    scale: Float
    zero: NDArray[np.int64]
    lo: int
    hi: int
    back: tuple[Float, NDArray[np.int64]] | None = None

    @override
    def integers(self, x: Float) -> NDArray[np.int64]:
        clipped = np.clip(np.rint(x / self.scale), self.lo - self.zero, self.hi - self.zero)
        found: NDArray[np.int64] = clipped.astype(np.int64) + self.zero
        return found

    @override
    def values(self, h: NDArray[np.int64]) -> Float:
        scale, zero = self.back or (self.scale, self.zero)
        found: Float = (h - zero).astype(np.float32) * scale
        return found

    @override
    def meaning(self) -> Line:
        scale, zero = self.back or (self.scale, self.zero)
        return scale.astype(np.float64), -scale.astype(np.float64) * zero


@dataclass(frozen=True, eq=False)
class Narrowed(Quantiser):
    """A quantiser whose result is clamped again, as ReLU on quantised values does."""

    inner: Quantiser
    lo: int
    hi: int

    @override
    def integers(self, x: Float) -> NDArray[np.int64]:
        found: NDArray[np.int64] = np.clip(self.inner.integers(x), self.lo, self.hi)
        return found

    @override
    def values(self, h: NDArray[np.int64]) -> Float:
        return self.inner.values(h)

    @override
    def meaning(self) -> Line:
        return self.inner.meaning()


def through(steps: tuple[FloatStep, ...], x: Float) -> Float:
    """``x`` through the steps, in order."""
    for step in steps:
        x = step.apply(x)
    return x


def line_through(steps: tuple[FloatStep, ...], line: Line) -> Line | None:
    """A line through the steps, or None where one bends it."""
    found: Line | None = line
    for step in steps:
        if found is None:
            return None
        found = step.line(found)
    return found


def lowest_reaching(quantiser: Quantiser, before: tuple[FloatStep, ...]) -> Float:
    """For each value from lo + 1 to hi the smallest float32 that gives at least it.

    float32 (hi - lo,), found by bisection over all finite single-precision numbers in their order;
    infinity where none does, -infinity where all do. The steps must rise.
    """
    wanted = np.arange(quantiser.lo + 1, quantiser.hi + 1)

    def reached(x: NDArray[np.float32]) -> NDArray[np.bool_]:
        found: NDArray[np.bool_] = quantiser.integers(through(before, x[:, None]))[:, 0] >= wanted
        return found

    # Steps need not have a value at an infinity.
    return first_reaching(reached, len(wanted), finite=True)
