"""How TFLite's runtimes turn the sums of an int8 FULLY_CONNECTED into int8: five variants.

With ``x = sum of weight * (input - zero point) + bias``, an int32, and
``m = input scale * weight scale / output scale`` all of them compute
``clamp(zero + round(x * m), lo, hi)``. They differ in the arithmetic of ``m``, of the product and
of the rounding, and so in the result near ties:

- ``float``: float32 throughout, ties to even. XNNPACK, which ai-edge-litert's Interpreter uses
  unless it is told otherwise.
- ``double-up``: m as a 31-bit integer and a shift. The upper half of the doubled 64-bit product is
  rounded, then its right shift is rounded again, both times with ties upwards. ai-edge-litert's
  builtin kernels without XNNPACK.
- ``float64``: float64 throughout, ties away from zero. ai-edge-litert's reference kernels.
- ``double``: as ``double-up``, but the second rounding takes ties away from zero (gemmlowp's
  ``SaturatingRoundingDoublingHighMul`` and ``RoundingDivideByPOT``). TFLite's older runtimes and
  TFLite Micro.
- ``single``: the same integer and shift, but the 64-bit product is rounded once, ties upwards.
  Builds with ``TFLITE_SINGLE_ROUNDING``.

What ai-edge-litert does was established by experiment with version 2.3.0; ``test_import_tflite``
repeats it at the ties of every value. Sources of the others: Jacob et al. 2018 (arXiv 1712.05877),
section 2.2, and TFLite's 8-bit quantisation specification.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from jaxtyping import Float32, Float64, Int64
from numpy.typing import NDArray

from ohmbench.digital.importing.source import SourceStep
from ohmbench.digital.integer.reals import first_reaching
from ohmbench.errors import RangeError

Rounding: TypeAlias = Literal["float", "double-up", "float64", "double", "single"]
ROUNDINGS: tuple[Rounding, ...] = get_args(Rounding)
DEFAULT_ROUNDING: Rounding = "float"
RUNTIMES: dict[Rounding, str] = {
    "float": "XNNPACK, the default of ai-edge-litert",
    "double-up": "ai-edge-litert's builtin kernels without XNNPACK",
    "float64": "ai-edge-litert's reference kernels",
    "double": "older TFLite runtimes and TFLite Micro",
    "single": "builds of TFLite with TFLITE_SINGLE_ROUNDING",
}
"""Which runtime uses each variant."""
KERNELS: dict[Rounding, str] = {
    "float": "AUTO",
    "double-up": "BUILTIN_WITHOUT_DEFAULT_DELEGATES",
    "float64": "BUILTIN_REF",
}
"""The ``OpResolverType`` of ai-edge-litert that computes a variant; it has none of the others."""
_INT32 = 2**31 - 1
# XNNPACK refuses multipliers outside this range.
_XNNPACK_LEAST, _XNNPACK_LIMIT = 2.0**-32, 256.0


def real_multipliers(
    rounding: Rounding,
    in_scale: float,
    weight_scale: Float32[NDArray[np.float32], " scales"],
    out_scale: float,
) -> Float64[NDArray[np.float64], " scales"]:
    """``m`` for each scale of the weights, in the order and precision of the runtime.

    All scales are float32 values. Fixed-point kernels multiply the two scales of a tensor in
    float32, but those of channels in float64. Raises nothing: m may be 0 or infinite.
    """
    one, out = np.float32(in_scale), np.float32(out_scale)
    with np.errstate(over="ignore", under="ignore", divide="ignore"):
        if rounding == "float":
            return ((one * weight_scale) / out).astype(np.float64)
        if rounding == "float64" or len(weight_scale) > 1:
            product = np.float64(one) * weight_scale.astype(np.float64)
        else:
            product = (one * weight_scale).astype(np.float64)
        found: NDArray[np.float64] = product / np.float64(out)
        return found


def quantize_multiplier(m: float) -> tuple[int, int]:
    """``(q, shift)`` with ``m`` close to ``q * 2**(shift - 31)``, as TFLite's QuantizeMultiplier.

    ``q`` has 31 bits; it is 0 where ``m`` is 0 or below 2**-32. ``m`` should be finite and not
    negative.
    """
    fraction, shift = math.frexp(m)
    q = math.floor(fraction * 2**31 + 0.5)
    if q == 2**31:  # the fraction was rounded up to 1
        q, shift = q // 2, shift + 1
    return (0, 0) if q == 0 or shift < -31 else (q, shift)


def activation_range(
    rounding: Rounding, activation: str, scale: float, zero: int
) -> tuple[int, int]:
    """The smallest and largest int8 output of a fused activation: NONE, RELU, RELU6, RELU_N1_TO_1.

    XNNPACK adds the zero point before it rounds, ties to even; the others round first, ties away
    from zero. Raises KeyError for another activation.
    """
    ends = {
        "NONE": (-math.inf, math.inf),
        "RELU": (0.0, math.inf),
        "RELU6": (0.0, 6.0),
        "RELU_N1_TO_1": (-1.0, 1.0),
    }[activation]
    with np.errstate(over="ignore", divide="ignore"):
        quotient = np.array(ends, np.float32) / np.float32(scale)
        if rounding == "float":
            levels = np.rint(np.clip(quotient + np.float32(zero), -128, 127))
        else:
            levels = np.clip(_half_away(quotient) + zero, -128, 127)
    lo, hi = (int(level) for level in levels)
    return lo, hi


def input_thresholds(
    rounding: Rounding, scale: float, zero: int
) -> Float32[NDArray[np.float32], " 255"]:
    """Where the QUANTIZE operator goes from one int8 value to the next: the least float32 inputs.

    Reference kernels and older runtimes divide by the scale and take ties away from zero;
    ai-edge-litert's others multiply by the rounded inverse of the scale and take ties to even.
    Raises RangeError for a scale whose inverse float32 does not hold.
    """
    with np.errstate(over="ignore"):
        if np.isinf(np.float32(1) / np.float32(scale)):
            raise RangeError(f"its scale is {scale:g}, so small that float32 has no inverse of it")
    levels = np.arange(-127, 128)
    return first_reaching(lambda x: _quantize(rounding, x, scale, zero) >= levels, len(levels))


def _quantize(
    rounding: Rounding, x: NDArray[np.float32], scale: float, zero: int
) -> NDArray[np.float64]:
    with np.errstate(over="ignore", under="ignore"):
        if rounding in ("float", "double-up"):
            level = np.rint(x * (np.float32(1) / np.float32(scale)))
        else:
            level = _half_away(x / np.float32(scale))
    found: NDArray[np.float64] = np.clip(level.astype(np.float64) + zero, -128, 127)
    return found


def _half_away(x: NDArray[Any]) -> NDArray[Any]:
    """The nearest integer, ties away from zero; exact, unlike ``floor(x + 0.5)``."""
    whole = np.trunc(x)
    with np.errstate(invalid="ignore"):  # infinity less infinity: not up
        up = np.abs(x) - np.abs(whole) >= 0.5
    found: NDArray[Any] = whole + np.where(up, np.sign(x), 0)
    return found


@dataclass(frozen=True, eq=False)
class Requantisation(SourceStep):
    """``clamp(zero + round((acc + bias) * m), lo, hi)`` in the arithmetic of ``rounding``.

    ``multiplier``: float64 (channels,), m as ``real_multipliers`` gives it. ``bias``: int64
    (channels,), the file's bias without the input's zero point times the sum of the weights, so
    that ``acc`` is the sum over the integers of the file as they are. It is exact for every ``acc +
    bias`` of 32 bits; larger ones count as the largest. Build it with ``requantisation``, which
    checks that the runtime's registers suffice.
    """

    rounding: Rounding
    multiplier: Float64[NDArray[np.float64], " channels"]
    bias: Int64[NDArray[np.int64], " channels"]
    zero: int
    lo: int
    hi: int

    @cached_property
    def fixed_point(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """``q`` and ``shift`` of ``quantize_multiplier``, each int64 (channels,)."""
        pairs = [quantize_multiplier(m) for m in self.multiplier.tolist()]
        q, shift = np.array(pairs, np.int64).T
        return q, shift

    def bounds(
        self, acc: Int64[NDArray[np.int64], "n channels"]
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """Both bounds are the same int64 (n, channels): the arithmetic has no free order."""
        x = np.clip(acc + self.bias, -_INT32, _INT32)
        h: NDArray[np.int64] = np.clip(self._scaled(x) + self.zero, self.lo, self.hi)
        return h, h

    def _scaled(self, x: NDArray[np.int64]) -> NDArray[np.int64]:
        if self.rounding == "float":
            product = x.astype(np.float32) * self.multiplier.astype(np.float32)
            return np.rint(product).astype(np.int64)
        if self.rounding == "float64":
            return _half_away(x * self.multiplier).astype(np.int64)
        q, shift = self.fixed_point
        if self.rounding == "single":
            found: NDArray[np.int64] = (x * q + (np.int64(1) << (30 - shift))) >> (31 - shift)
            return found
        x = np.clip(x << np.maximum(shift, 0), -_INT32, _INT32)
        high: NDArray[np.int64] = (x * q + 2**30) >> 31
        right: NDArray[np.int64] = np.maximum(-shift, 0)
        half = (np.int64(1) << right) >> 1
        if self.rounding == "double":
            # Ties away from zero: what is added to a negative number is one less.
            half = half - np.where((high < 0) & (right > 0), np.int64(1), np.int64(0))
        rounded: NDArray[np.int64] = (high + half) >> right
        return rounded


def requantisation(
    rounding: Rounding,
    scales: tuple[float, NDArray[np.float32], float],
    bias: Int64[NDArray[np.int64], " channels"],
    zero: int,
    ends: tuple[int, int],
    reach: Int64[NDArray[np.int64], " channels"],
) -> Requantisation:
    """The step of a layer with ``scales`` of its input, weights (one, or one per channel), output.

    ``ends``: lo and hi. ``reach``: int64 (channels,), the largest ``|acc + bias|`` of any input.
    Raises RangeError, naming the channel, where the runtime would not compute what the file means:
    sums of more than 32 bits, a multiplier that its registers or XNNPACK cannot hold.
    """
    m = np.broadcast_to(real_multipliers(rounding, *scales), bias.shape)
    for c, (multiplier, most) in enumerate(zip(m.tolist(), reach.tolist(), strict=True)):
        where = f"channel {c}: "
        if most > _INT32:
            raise RangeError(f"{where}its sums reach {most}, more than 32 bits hold")
        what = f"{where}the multiplier {multiplier:g} (input scale * weight scale / output scale)"
        if not math.isfinite(multiplier):
            raise RangeError(f"{what} is too large")
        if rounding == "float" and not _XNNPACK_LEAST <= multiplier < _XNNPACK_LIMIT:
            raise RangeError(f"{what} is outside XNNPACK's range, 2^-32 to 256")
        q, shift = quantize_multiplier(multiplier)
        if q == 0:
            raise RangeError(f"{what} is too small: every output is the zero point")
        if rounding != "float" and (shift > 30 or max(most, 1) << max(shift, 0) > _INT32):
            raise RangeError(f"{what} is too large for sums up to {most}: they overflow 32 bits")
    return Requantisation(rounding, m, bias, zero, *ends)
