"""What a tensor of an ONNX graph is, symbolically: a constant, or a chain of steps behind a sum.

A chain starts at the network's input or at the exact integer sum of a layer and goes through
elementwise float steps. Behind a quantiser its values stand for integers, and the next matrix
product can begin.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ohmbench.digital.importing.float_steps import (
    FloatStep,
    Line,
    Quantiser,
    line_through,
    through,
)
from ohmbench.digital.importing.float_sums import FloatSum, Operand

_FLOAT32 = np.dtype(np.float32)


@dataclass(frozen=True, eq=False)
class Grid:
    """The integers behind a quantised constant, without their zero point, and their scale.

    Both have the constant's shape. ``bits`` is the declared width, 1 for -1 and +1.
    """

    integers: NDArray[np.int64]
    scale: NDArray[np.float32]
    bits: int


@dataclass(frozen=True, eq=False)
class Constant:
    """A tensor that does not depend on the input. ``nibbles``: its integers have 4 bits, which only
    the operations that quantise read.
    """

    value: NDArray[Any]
    grid: Grid | None = None
    nibbles: bool = False


@dataclass(frozen=True, eq=False)
class InputBase:
    """The network's input, float32, of ``size`` numbers."""

    name: str
    shape: tuple[int, ...]

    channels = 1  # steps in front of the first layer are the same for all inputs


@dataclass(frozen=True, eq=False)
class SumBase:
    """One layer's sums: ``weight`` int64 (channels, inputs) applied to the integers of ``source``.

    ``name`` is the node's. ``bits`` of the weights as declared, 0 if nothing is declared.
    """

    name: str
    source: Chain
    weight: NDArray[np.int64]
    bits: int
    sums: FloatSum

    @property
    def channels(self) -> int:
        """Number of channels."""
        return len(self.weight)


@dataclass(frozen=True, eq=False)
class Chain:
    """``steps`` behind ``base``; the tensor ``tensor`` of shape ``shape`` (batch of 1 first).

    ``axis`` is the channels' axis, None for the input, whose steps are the same everywhere.
    ``integers``: the tensor holds the last quantiser's integers themselves, of this numpy type.
    ``dropped``: the node behind which the tensor no longer holds numbers of the layer. ``dtype`` of
    its reals. ``ones``: it holds a one of this type per threshold that the last step counts.
    """

    base: InputBase | SumBase
    steps: tuple[FloatStep, ...]
    shape: tuple[int, ...]
    axis: int | None
    tensor: str
    integers: np.dtype[Any] | None = None
    dropped: str | None = None
    dtype: np.dtype[Any] = _FLOAT32
    ones: Literal["bool", "float32"] | None = None

    def then(self, *steps: FloatStep) -> Chain:
        """The chain with further steps."""
        return replace(self, steps=(*self.steps, *steps))

    @property
    def cut(self) -> int | None:
        """The place of the last quantiser among the steps."""
        places = [k for k, step in enumerate(self.steps) if isinstance(step, Quantiser)]
        return places[-1] if places else None

    @property
    def quantiser(self) -> Quantiser | None:
        """The last quantiser."""
        found = None if self.cut is None else self.steps[self.cut]
        return found if isinstance(found, Quantiser) else None

    @property
    def before(self) -> tuple[FloatStep, ...]:
        """The steps before the last quantiser, or all."""
        return self.steps if self.cut is None else self.steps[: self.cut]

    @property
    def after(self) -> tuple[FloatStep, ...]:
        """The steps after the last quantiser."""
        return () if self.cut is None else self.steps[self.cut + 1 :]

    def line(self) -> Line | None:
        """The real value of an integer: of the quantiser's, or of the sum if there is none."""
        start: Line | None = None
        if self.quantiser is not None:
            start = self.quantiser.meaning()
        elif isinstance(self.base, SumBase):
            sums = self.base.sums
            start = sums.unit, sums.addend - sums.shift * sums.unit
        return None if start is None else line_through(self.after or self._all_after(), start)

    def _all_after(self) -> tuple[FloatStep, ...]:
        return () if self.cut is not None else self.steps

    def whole(self) -> bool:
        """Whether its values are integers for certain.

        All levels of its quantiser are, or its sums are exact and its steps keep integers.

        The package qonnx rounds tensors that a file declares to be integers.
        """
        quantiser = self.quantiser
        if self.integers is not None:
            return True
        if quantiser is not None:
            levels = np.arange(quantiser.lo, quantiser.hi + 1)[:, None]
            values = through(self.after, quantiser.values(levels))
            return bool((values == np.rint(values)).all())
        if not isinstance(self.base, SumBase):
            return not self.steps
        sums = self.base.sums
        found = bool(sums.exact.all() and not (sums.unit % 1).any() and not (sums.addend % 1).any())
        for step in self.steps:
            found = step.whole(found)
        return found

    def operand(self) -> Operand | str:
        """The chain as an input of a matrix product, or why it cannot be one."""
        quantiser, line = self.quantiser, self.line()
        if quantiser is None:
            return "its input is not quantised"
        if line is None:
            return "a step that is not linear lies between the quantiser and this node"
        scale, offset = np.broadcast_arrays(*line)
        if (scale != scale[0]).any() or (offset != offset[0]).any():
            return "the channels of its input have different scales or zero points"
        if not (np.isfinite(scale[0]) and scale[0] and np.isfinite(offset[0])):
            return f"the scale of its input is {scale[0]:g}"
        place = -offset[0] / scale[0]
        if not abs(place) <= 2**15 or abs(place - round(place)) > 1e-6:
            return "its input's zero point is not an integer"
        zero = round(place)
        levels = np.arange(quantiser.lo, quantiser.hi + 1)[:, None]
        values = through(self.after, quantiser.values(levels))
        if not (np.broadcast_to(values[:, :1], values.shape) == values).all():
            return "the channels of its input have different values"
        return Operand(quantiser.lo, quantiser.hi, float(scale[0]), zero, values[:, 0])


Value: TypeAlias = Constant | Chain
