"""The form of a layer's step in floating point: the first of these that has its thresholds.

1. A line in the type of the sums, float32 unless they are larger, with the network's own slope
   ``M / 2**S`` and the offset whose margin at the thresholds is widest.
2. The line of any slope with the widest margin, per channel.
3. A line in float64 and ``Floor``: the network's ``(acc * M + R) >> S`` itself if all of it is
   below 2**53, or the widest line.
4. A comparison with the table of thresholds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ohmbench.digital.exporting.arithmetic import (
    apply_form,
    largest_sums,
    moved_sums,
    quantise,
)
from ohmbench.digital.exporting.lines import Rises, between, intercepts, rises, widest_slope
from ohmbench.digital.exporting.plan import EXACT, Count, Form, LayerPlan, Line, Tensor
from ohmbench.digital.integer.network import Affine, Layer, Step, acc_range

_DOUBLE = np.dtype(np.float64)


def type_for(largest: NDArray[np.int64]) -> Any:
    """float32 if it holds integers as large as ``largest``, else float64.

    No network has sums that float64 could not hold: 2**16 products of 24 bits are 2**40.
    """
    return np.float32 if int(largest.max()) <= EXACT[np.dtype(np.float32)] else np.float64


def requantised(layer: Layer, reads: Tensor, out: Tensor) -> LayerPlan:
    """A layer whose values are quantised to ``out``, or to the same integers with unit 1."""
    fit = _Fit.of(layer, reads, out)
    dtype = type_for(fit.sums)
    found = fit.line(dtype, fit.slopes(layer.step))
    if found is not None:
        bias, line = found
        form = Line(line.multiplier * dtype(out.unit / reads.unit), line.offset * dtype(out.unit))
        return LayerPlan(layer.weight, (bias * reads.unit).astype(dtype), form, out)
    wide = fit.floor(layer.step)
    none, plain = np.zeros(layer.channels, dtype), replace(out, unit=1.0)
    if wide is None:
        return LayerPlan(layer.weight, none, fit.count(reads.unit, dtype), plain)
    scaled = replace(wide, multiplier=wide.multiplier / reads.unit)
    return LayerPlan(layer.weight, none, scaled, plain)


@dataclass(frozen=True, eq=False)
class _Fit:
    """What a form should give: ``wanted`` at sums ``points`` (n, channels).

    The Gemm's sums are ``acc - moved``, ``sums`` their largest magnitude. ``middles`` (steps,) are
    the values halfway between two steps, in units of ``out``.
    """

    found: Rises
    points: NDArray[np.int64]
    wanted: NDArray[np.int64]
    moved: NDArray[np.int64]
    sums: NDArray[np.int64]
    middles: NDArray[np.float64]
    out: Tensor

    @classmethod
    def of(cls, layer: Layer, reads: Tensor, out: Tensor) -> _Fit:
        found = rises(layer.step, *acc_range(layer.weight, reads.lo, reads.hi))
        points = found.deciding()
        return cls(
            found,
            points,
            layer.step.apply(points),
            moved_sums(layer.weight, reads),
            largest_sums(layer.weight, reads),
            np.arange(out.lo + 1, out.hi + 1).astype(np.float64) - (0.5 + out.centre),
            replace(out, unit=1.0),
        )

    def has(self, form: Form, bias: NDArray[np.int64], dtype: Any) -> NDArray[np.bool_]:
        """Whether each channel of ``form``, of sums in ``dtype``, gives what it should."""
        x = (self.points - self.moved + bias).astype(dtype)
        different = quantise(apply_form(form, x), 1.0, self.out) != self.wanted
        good: NDArray[np.bool_] = ~different.any(axis=0)
        return good

    def slopes(self, step: Step) -> Iterator[NDArray[np.float64]]:
        """The network's own slopes, then those with the widest margins."""
        if isinstance(step, Affine):
            yield np.ldexp(np.abs(step.M).astype(np.float64), -step.S)
        yield widest_slope(self.found, self.middles)

    def line(
        self, dtype: Any, slopes: Iterator[NDArray[np.float64]], floor: bool = False
    ) -> tuple[NDArray[np.int64], Line] | None:
        """The Gemm's bias and a line with the first slope that fits, per channel."""
        channels = len(self.moved)
        bias, numbers = np.zeros(channels, np.int64), np.zeros((2, channels), dtype)
        fits = np.zeros(channels, bool)
        for slope in slopes:
            tried_bias, tried = self._line(dtype, slope, floor)
            take = self.has(Line(tried[0], tried[1], floor), tried_bias, dtype) & ~fits
            bias[take], numbers[:, take] = tried_bias[take], tried[:, take]
            fits |= take
            if fits.all():
                return bias, Line(numbers[0], numbers[1], floor)
        return None

    def _line(
        self, dtype: Any, slope: NDArray[np.float64], floor: bool
    ) -> tuple[NDArray[np.int64], NDArray[Any]]:
        """The Gemm's bias (channels,) and multipliers and offsets (2, channels) of one slope.

        The bias brings the sums near 0 where the line is: there floats are finest. The offset is
        in the middle of the interval that the rounded slope and products leave. A line before
        ``Floor`` has no bias.
        """
        found, middles = self.found, self.middles + (0.5 if floor else 0)
        constant = found.first == found.last
        rounded = np.where(constant, 0, slope).astype(dtype)
        wide = rounded.astype(np.float64)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            zero = np.where(wide > 0, between(*intercepts(wide, found, middles)) / wide, 0)
        room = np.zeros_like(self.sums) if floor else EXACT[np.dtype(dtype)] - self.sums
        bias = np.rint(np.clip(found.sign * zero + self.moved, -room, room)).astype(np.int64)
        shift = ((bias - self.moved) * found.sign)[:, None]
        at, before = (
            ((table + shift).astype(dtype) * rounded[:, None]).astype(np.float64)
            for table in (found.table, found.table - 1)
        )
        reached, missed = found.table <= found.high[:, None], found.table > found.low[:, None]
        lower = np.where(reached, middles - at, -np.inf).max(axis=1)
        upper = np.where(missed, middles - before, np.inf).min(axis=1)
        offset = np.where(constant, found.first - self.out.centre, between(lower, upper))
        return bias, np.stack((rounded * found.sign, offset)).astype(dtype)

    def floor(self, step: Step) -> Line | None:
        """A line of the Gemm's sums in float64 before ``Floor``, without a bias."""
        none = np.zeros_like(self.moved)
        exact = self._own(step) if isinstance(step, Affine) else None
        if exact is not None and self.has(exact, none, np.float64).all():
            return exact
        found = self.line(np.float64, iter([widest_slope(self.found, self.middles)]), True)
        return None if found is None else found[1]

    def _own(self, step: Affine) -> Line | None:
        """The network's own line in units of ``out``, if no operation rounds."""
        line, largest = shifted_line(step, self.moved, self.sums, self.out.centre)
        return line if max(largest.tolist()) <= EXACT[_DOUBLE] else None

    def count(self, unit: float, dtype: Any) -> Count:
        """The comparison; its table takes the zero points."""
        table = (self.found.table - (self.moved * self.found.sign)[:, None]) * unit
        offset = float(self.out.lo - self.out.centre)
        return Count(table.astype(dtype), self.found.sign.astype(dtype), offset)


def shifted_line(
    step: Affine, moved: NDArray[np.int64], sums: NDArray[np.int64], centre: int = 0
) -> tuple[Line, NDArray[Any]]:
    """``(acc * M + R) / 2**S + Z - centre`` before ``Floor``, as a line of ``acc - moved``.

    Also the largest magnitude (channels,) of its numerator for sums up to ``sums``, as Python
    integers: the line is exact while float64 holds it.
    """
    M = step.M.astype(object)
    offset = moved * M + step.R + (step.Z - centre) * 2**step.S
    largest: NDArray[Any] = sums * np.abs(M) + np.abs(offset)
    multiplier, added = (np.ldexp(part.astype(np.float64), -step.S) for part in (M, offset))
    return Line(multiplier, added, True), largest
