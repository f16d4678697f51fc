"""The narrowest arithmetic that provably computes each layer of an integer network.

A step is, in order of preference:

- a shift of the sum: an affine step whose factors are one power of 2, up to sign, or a table of
  thresholds that rounds to the nearest integer with ties to even. Signs go into the weights, and
  offsets into what the sums start from.
- a product in int32, then in int64, if its range over all inputs fits
- a table of thresholds

Arithmetic is modulo 2**32 or 2**64, so a result is exact if it fits, whatever is between.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Int64
from numpy.typing import NDArray

from ohmbench.digital.integer.fast.layer_pass import NARROW, SCALE, SHIFT, SUM, TABLE, WIDE
from ohmbench.digital.integer.network import Affine, Layer, Step, Thresholds, acc_range

SMALLEST, LARGEST = -(2**31) + 1, 2**31 - 2
"""Sums and products in int32 stay within these, so that one more or the negative fits as well."""

_Longs = NDArray[np.int64]


@dataclass(frozen=True)
class Lowered:
    """One layer for the compiled loop. Its values are stored minus the smallest, if it is hidden.

    ``weight``: values of int8. ``start``: what the sums of stored inputs start from. ``step``:
    (channels, m), the numbers of the step (int64 for WIDE, else int32). All modulo their width.
    """

    kind: int
    weight: Int64[NDArray[np.int64], "channels inputs"]
    start: Int64[NDArray[np.int64], " channels"]
    step: Int64[NDArray[np.int64], "channels numbers"]
    shift: int
    low: int
    high: int
    even: bool = False


class _Shift(NamedTuple):
    """``(acc * sign + offset) >> shift``; ``even``: to the nearest integer, ties to even."""

    sign: _Longs
    offset: _Longs
    shift: int
    even: bool


def _affine_shift(step: Affine) -> _Shift | None:
    size = np.abs(step.M)
    power = int(size[0]).bit_length() - 1
    if power < 0 or power > step.S or not (size == 2**power).all():
        return None
    # floor((a 2^p + R) / 2^S) = floor((a + floor(R / 2^p)) / 2^(S - p))
    return _Shift(np.sign(step.M), step.R >> power, step.S - power, even=False)


def _even_shift(step: Thresholds) -> _Shift | None:
    steps = step.table.shape[1]
    if steps < 3 or step.lo % 2:
        return None
    # Every second tie is rounded alike.
    period = int(step.table[0, 2]) - int(step.table[0, 0])
    shift = period.bit_length() - 2
    if not 1 <= shift <= 30 or period != 2 ** (shift + 1):
        return None
    k = np.arange(1, steps + 1)
    reached = (k << shift) - (1 << (shift - 1)) + k % 2
    offset = reached[0] - step.table[:, 0]
    if not (step.table == reached - offset[:, None]).all():
        return None
    return _Shift(step.sign.astype(np.int64), offset, shift, even=True)


def _shift(
    layer: Layer, low: int, high: int, base: int, ends: tuple[int, int], *, last: bool
) -> Lowered | None:
    """``layer`` as a shift, if its weights and sums fit."""
    step = layer.step
    found = _affine_shift(step) if isinstance(step, Affine) else _even_shift(step)
    if found is None or found.shift > 30:
        return None
    weight = layer.weight * found.sign[:, None]
    if weight.max() > 127:
        return None
    sums = acc_range(weight, low, high)
    value = (step.Z if isinstance(step, Affine) else step.lo) - base
    offset = found.offset + (value << found.shift)
    if found.even:
        offset += (1 << (found.shift - 1)) - 1
    if (sums[0] + offset).min() < SMALLEST or (sums[1] + offset).max() > LARGEST:
        return None
    if last:
        kind = SUM if step.lo is None and not found.shift else SHIFT
    else:
        kind = NARROW if ends[1] <= 32767 >> found.shift else SHIFT
    start = offset + low * weight.sum(axis=1)
    none = np.empty((layer.channels, 0), np.int64)
    return Lowered(kind, weight, start, none, found.shift, *ends, found.even)


def _signed(value: int, bits: int) -> int:
    """``value`` modulo 2**bits, as a signed integer."""
    half = 1 << (bits - 1)
    return (value + half) % (1 << bits) - half


def _product(
    layer: Layer, step: Affine, low: int, high: int, base: int, ends: tuple[int, int]
) -> Lowered | None:
    """``layer`` with a product per channel, in int32 or int64, if both fit."""
    common = step.S
    for m in step.M.tolist():
        common = min(common, (m & -m).bit_length() - 1) if m else common
    shift = step.S - common
    sums = acc_range(layer.weight, low, high)
    factors = [m >> common for m in step.M.tolist()]
    offsets = [(r >> common) + ((step.Z - base) << shift) for r in step.R.tolist()]
    products = [
        m * end + r
        for lower, upper, m, r in zip(
            sums[0].tolist(), sums[1].tolist(), factors, offsets, strict=True
        )
        for end in (lower, upper)
    ]
    smallest, largest = min(products), max(products)
    if step.lo is None and not SMALLEST <= smallest >> shift <= largest >> shift <= LARGEST:
        return None
    if smallest >= SMALLEST and largest <= LARGEST and shift <= 30:
        kind, bits = SCALE, 32
    elif smallest >= -(2**63) and largest < 2**63:
        kind, bits = WIDE, 64
    else:
        return None
    numbers = [[_signed(m, bits), _signed(r, bits)] for m, r in zip(factors, offsets, strict=True)]
    start = low * layer.weight.sum(axis=1, dtype=np.int64)
    weight = layer.weight.astype(np.int64)
    return Lowered(kind, weight, start, np.array(numbers, np.int64), shift, *ends)


def _table(layer: Layer, step: Thresholds, low: int, ends: tuple[int, int]) -> Lowered:
    table = np.clip(step.table, SMALLEST - 1, LARGEST + 1)  # no sum reaches either end
    numbers = np.concatenate([step.sign[:, None].astype(np.int64), table], axis=1)
    start = low * layer.weight.sum(axis=1, dtype=np.int64)
    return Lowered(TABLE, layer.weight.astype(np.int64), start, numbers, 0, *ends)


def _ends(step: Step, base: int) -> tuple[int, int]:
    if step.lo is None or step.hi is None:
        return SMALLEST - 1, LARGEST + 1
    return step.lo - base, step.hi - base


def lowered(layer: Layer, low: int, high: int, *, last: bool) -> Lowered | None:
    """``layer``, whose inputs run from ``low`` to ``high``, or None if a number leaves its type."""
    sums = acc_range(layer.weight, low, high)
    if sums[0].min() < SMALLEST or sums[1].max() > LARGEST:
        return None
    step = layer.step
    base = 0 if last or step.lo is None else step.lo
    ends = _ends(step, base)
    found = _shift(layer, low, high, base, ends, last=last)
    if found is not None:
        return found
    if isinstance(step, Affine):
        return _product(layer, step, low, high, base, ends)
    return _table(layer, step, low, ends)
