"""The float32 matrix product of quantised numbers: what a runtime's additions can make of it.

The factors stand for integers, ``x = s_x (h - z)`` and ``w = s_w q``, so the product stands for the
integer ``acc - z sum(q)`` times ``s_x s_w``. Where all partial sums are exactly representable, the
runtime's result is that number, whatever the order of its additions. Elsewhere the result lies
within a bound that holds for every order, with or without fused multiply-add: each addition rounds
by at most ``u = 2**-24`` of its result, and no partial sum exceeds the sum of all positive or of
all negative terms (N. J. Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., 4.2).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Int64
from numpy.typing import NDArray

from ohmbench.digital.importing.float_steps import Float

_U = 2.0**-24
_TINY = 2.0**-149
_SMALLEST, _LARGEST = 2.0**-120, 2.0**126
"""Where alpha scales the sums, all factors and products stay between these: none underflows."""
_MOST_RELATIVE = 2.0**-10
"""The largest relative error of a product: far below 1, so that the ends rise with the sum."""


@dataclass(frozen=True, eq=False)
class Operand:
    """The integers ``lo`` to ``hi`` of a layer's input: float32 ``values`` (hi - lo + 1,) near
    ``scale * (h - zero)``.
    """

    lo: int
    hi: int
    scale: float
    zero: int
    values: Float

    def relative_error(self) -> float | None:
        """The largest relative error of ``values``, or None where 0 is not exact."""
        ideal = self.scale * (np.arange(self.lo, self.hi + 1, dtype=np.float64) - self.zero)
        return _relative_error(self.values.astype(np.float64), ideal)


def _relative_error(found: NDArray[np.float64], ideal: NDArray[np.float64]) -> float | None:
    zero = ideal == 0
    if found[zero].any():
        return None
    error = np.abs(found[~zero] - ideal[~zero]) / np.abs(ideal[~zero])
    return float(error.max(initial=0.0))


def _steady(
    x: Operand,
    q: NDArray[np.int64],
    scale: NDArray[np.float64],
    alpha: float,
    most: NDArray[np.float64],
) -> NDArray[np.bool_]:
    """Whether alpha keeps every factor, product and sum of a channel among the normal numbers.

    ``most``: the largest sum of magnitudes per channel, in units. A sum that cancels may become
    subnormal: such an addition is exact, and alpha rounds it by less than the smallest number.
    """
    level, weight = max(abs(x.lo - x.zero), abs(x.hi - x.zero)), np.abs(q).max(axis=1)
    inputs, weights = np.full(len(q), abs(x.scale)), np.abs(scale)
    steady = np.ones(len(q), bool)
    for unit, largest in (
        (inputs * weights, most),
        (inputs * weights * abs(alpha), most),
        (inputs * abs(alpha), np.full(len(q), level)),
        (weights * abs(alpha), weight),
    ):
        steady &= (unit >= _SMALLEST) & (unit * largest < _LARGEST)
    return steady


def _odd(x: float) -> tuple[int, int]:
    """``x`` as an odd integer times a power of two."""
    mantissa, exponent = math.frexp(abs(x))
    whole = int(mantissa * 2**53)
    zeros = (whole & -whole).bit_length() - 1
    return whole >> zeros, exponent - 53 + zeros


@dataclass(frozen=True, eq=False)
class FloatSum:
    """``alpha * (x @ w.T) + addend`` per channel as a function of the integer ``acc = q h``.

    ``unit``: float64 (channels,), the real value of 1; ``shift``: int64 (channels,), ``z sum(q)``;
    ``exact``: bool (channels,). ``positive``, ``negative``: the largest sums of positive and of
    negative terms, in units. ``relative``: the relative error of a product of the two roundings
    before it; ``terms``: number of summands. ``scaled``: whether alpha is not 1. Runtimes apply it
    to a factor, to a product or to the sums of some of the products; ``steady``: bool (channels,),
    whether none of these underflows or overflows before or behind alpha.
    """

    unit: NDArray[np.float64]
    shift: NDArray[np.int64]
    addend: NDArray[np.float64]
    exact: NDArray[np.bool_]
    positive: NDArray[np.float64]
    negative: NDArray[np.float64]
    relative: NDArray[np.float64]
    terms: NDArray[np.int64]
    scaled: bool
    steady: NDArray[np.bool_]

    LARGEST: ClassVar[float] = 2.0**24
    """float32 holds every integer up to this magnitude."""

    @classmethod
    def of(
        cls,
        x: Operand,
        q: NDArray[np.int64],
        scale: NDArray[np.float64],
        w: Float,
        alpha: float = 1.0,
        addend: NDArray[np.float64] | None = None,
    ) -> FloatSum | None:
        """From integers ``q`` (channels, inputs) with float32 values ``w`` near ``scale * q``.

        ``addend``: float64 (channels,), the real numbers that the runtime adds in the same sum,
        each rounded to float32 first. None where the inputs' zero has no exact value.
        """
        x_error = x.relative_error()
        if x_error is None:
            return None
        above, below = max(x.hi - x.zero, 0), max(x.zero - x.lo, 0)
        rising, falling = np.maximum(q, 0).sum(axis=1), -np.minimum(q, 0).sum(axis=1)
        positive = (above * rising + below * falling).astype(np.float64)
        negative = (below * rising + above * falling).astype(np.float64)
        added = np.zeros(len(q)) if addend is None else addend
        errors = [
            _relative_error(row.astype(np.float64), one * integers)
            for row, one, integers in zip(w, scale, q, strict=True)
        ]
        relative = np.array([np.inf if error is None else error for error in errors])
        exact = np.zeros(len(q), bool)
        for c in range(len(q)):
            odds = [_odd(x.scale), _odd(float(scale[c])), _odd(alpha)]
            odd = math.prod(o for o, _ in odds)
            exponent = sum(e for _, e in odds)
            if x_error or relative[c] or exponent < -149 or odd > cls.LARGEST:
                continue
            most = max(positive[c], negative[c]) * odd + abs(added[c]) / 2.0**exponent
            whole = math.fmod(added[c], 2.0**exponent) == 0
            exact[c] = whole and most <= cls.LARGEST and most * 2.0**exponent < 2.0**127
        return cls(
            unit=alpha * x.scale * scale,
            shift=x.zero * q.sum(axis=1),
            addend=added,
            exact=exact,
            positive=positive,
            negative=negative,
            relative=x_error + relative + x_error * relative,
            terms=(q != 0).sum(axis=1) + (added != 0),
            scaled=alpha != 1,
            steady=_steady(x, q, scale, alpha, positive + negative),
        )

    def problem(self) -> str | None:
        """Why the bounds do not hold for these sums, or None."""
        most = np.abs(self.unit) * (self.positive + self.negative) + np.abs(self.addend)
        if not (most < _LARGEST).all():
            return "its sums can be too large for float32"
        if self.scaled and not self.steady.all():
            return "its sums before or after alpha can be too large or too small for float32"
        if not (self.relative <= _MOST_RELATIVE).all():
            return "its inputs or weights are rounded to float32 too coarsely"
        return None

    def error(self, total: NDArray[np.float64]) -> NDArray[np.float64]:
        """The largest distance of the runtime's result from the real one at ``acc - shift``."""
        unit, added = np.abs(self.unit), np.abs(self.addend)
        plus = np.minimum(self.positive, self.negative + total)
        minus = np.minimum(self.negative, self.positive - total)
        partial = np.maximum(np.maximum(plus, minus), 0) * unit + added
        products = np.maximum(plus + minus, np.abs(total)) * unit
        additions = np.maximum(self.terms - 1, 0) * (2 if self.scaled else 1) + self.scaled
        first = products * (self.relative + _U) + additions * partial * _U + added * _U
        error: NDArray[np.float64] = first * (1 + 4 * (self.terms + 4) * _U) + self.terms * _TINY
        return np.where(self.exact, 0.0, error)

    def ends(self, acc: Int64[NDArray[np.int64], "n channels"]) -> tuple[Float, Float]:
        """The smallest and the largest float32 result at each sum."""
        total = (acc - self.shift).astype(np.float64)
        real = total * self.unit + self.addend
        if self.exact.all():
            value = real.astype(np.float32)
            return value, value
        error = self.error(total)
        slack = np.where(
            self.exact, 0.0, (np.abs(total * self.unit) + np.abs(self.addend)) * 2.0**-50
        )
        low, high = real - error - slack, real + error + slack
        # The result is itself a float32 number: the ends are rounded towards the inside.
        lower, upper = low.astype(np.float32), high.astype(np.float32)
        lower = np.where(lower < low, np.nextafter(lower, np.float32(np.inf)), lower)
        upper = np.where(upper > high, np.nextafter(upper, np.float32(-np.inf)), upper)
        return lower, upper
