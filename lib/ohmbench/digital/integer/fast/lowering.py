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
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Int64
from numpy.typing import NDArray

from ohmbench.digital.integer.fast.layer_pass import NARROW, SCALE, SHIFT, SUM, TABLE, WIDE
from ohmbench.digital.integer.network import (
    Affine,
    IntegerNetwork,
    Layer,
    Step,
    Thresholds,
    acc_range,
)

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


class _Sums(NamedTuple):
    """Per channel, the smallest and largest sum over all inputs; all are ``apart`` (at least 1) or
    a multiple of it from each other.
    """

    low: _Longs
    high: _Longs
    apart: _Longs

    @classmethod
    def of(cls, layer: Layer, low: _Longs, high: _Longs) -> _Sums:
        """The sums of ``layer`` for inputs from ``low`` to ``high``, each (inputs,)."""
        moving = layer.weight[:, low < high].astype(np.int64)
        apart = np.gcd.reduce(moving, axis=1) if moving.size else np.zeros(layer.channels, np.int64)
        return cls(*acc_range(layer.weight, low, high), np.maximum(np.abs(apart), 1))

    def times(self, sign: NDArray[Any]) -> _Sums:
        """The sums times a sign per channel."""
        low, high = sign * self.low, sign * self.high
        return _Sums(np.minimum(low, high), np.maximum(low, high), self.apart)

    def reached(self, table: _Longs, c: int) -> _Longs:
        """For each threshold of channel ``c`` how many sums, in steps of ``apart``, lie below."""
        low, apart = self.low[c], self.apart[c]
        table = np.clip(table, low, self.high[c] + 1)
        counts: _Longs = -((low - table) // apart)
        return counts


def _affine_shift(step: Affine) -> _Shift | None:
    size = np.abs(step.M)
    power = int(size[0]).bit_length() - 1
    if power < 0 or power > step.S or not (size == 2**power).all():
        return None
    # floor((a 2^p + R) / 2^S) = floor((a + floor(R / 2^p)) / 2^(S - p))
    return _Shift(np.sign(step.M), step.R >> power, step.S - power, even=False)


def _ties(steps: int, shift: int) -> _Longs:
    """The smallest integers whose quotient by 2**shift rounds to 1, 2, ..., ties to even."""
    k = np.arange(1, steps + 1)
    return (k << shift) - (1 << (shift - 1)) + k % 2


def _even_offset(table: _Longs, ties: _Longs, sums: _Sums, c: int) -> int | None:
    """The offset with which a channel's sums reach its thresholds as they reach ``ties``."""
    wanted = sums.reached(table, c)
    above = int(np.searchsorted(table, sums.low[c], side="right"))
    place = min(above, len(table) - 1)
    first = int(ties[place]) - int(min(table[place], sums.high[c] + 1))
    # A threshold counts as another if no sum lies between them.
    for offset in range(first, first + int(sums.apart[c])):
        if (sums.reached(ties - offset, c) == wanted).all():
            return offset
    return None


def _even_shift(step: Thresholds, sums: _Sums) -> _Shift | None:
    steps = step.table.shape[1]
    if steps < 3 or step.lo % 2:
        return None
    # Every second tie is rounded alike. Thresholds beyond all sums may lie anywhere.
    periods, counts = np.unique(step.table[:, 2:] - step.table[:, :-2], return_counts=True)
    for period in periods[np.argsort(-counts)][:2].tolist():
        shift = period.bit_length() - 2
        if 1 <= shift <= 30 and period == 2 ** (shift + 1):
            break
    else:
        return None
    signed, ties = sums.times(step.sign), _ties(steps, shift)
    offsets = [_even_offset(row, ties, signed, c) for c, row in enumerate(step.table)]
    if any(offset is None for offset in offsets):
        return None
    return _Shift(step.sign.astype(np.int64), np.array(offsets, np.int64), shift, even=True)


def _shift(layer: Layer, sums: _Sums, inputs: int, base: int, *, last: bool) -> Lowered | None:
    """``layer`` as a shift, if its weights and sums fit."""
    step = layer.step
    found = _affine_shift(step) if isinstance(step, Affine) else _even_shift(step, sums)
    if found is None or found.shift > 30:
        return None
    weight = layer.weight * found.sign[:, None]
    if weight.max() > 127:
        return None
    signed = sums.times(found.sign)
    value = (step.Z if isinstance(step, Affine) else step.lo) - base
    offset = found.offset + (value << found.shift)
    if found.even:
        offset += (1 << (found.shift - 1)) - 1
    if (signed.low + offset).min() < SMALLEST or (signed.high + offset).max() > LARGEST:
        return None
    low, high = _ends(step, base)
    if last:
        kind = SUM if step.lo is None and not found.shift else SHIFT
    else:
        kind = NARROW if high <= 32767 >> found.shift else SHIFT
    start = offset + inputs * weight.sum(axis=1)
    none = np.empty((layer.channels, 0), np.int64)
    return Lowered(kind, weight, start, none, found.shift, low, high, found.even)


def _signed(value: int, bits: int) -> int:
    """``value`` modulo 2**bits, as a signed integer."""
    half = 1 << (bits - 1)
    return (value + half) % (1 << bits) - half


def _product(layer: Layer, step: Affine, sums: _Sums, inputs: int, base: int) -> Lowered | None:
    """``layer`` with a product per channel, in int32 or int64, if both fit."""
    common = step.S
    for m in step.M.tolist():
        common = min(common, (m & -m).bit_length() - 1) if m else common
    shift = step.S - common
    factors = [m >> common for m in step.M.tolist()]
    offsets = [(r >> common) + ((step.Z - base) << shift) for r in step.R.tolist()]
    products = [
        m * end + r
        for *ends, m, r in zip(sums.low.tolist(), sums.high.tolist(), factors, offsets, strict=True)
        for end in ends
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
    weight = layer.weight.astype(np.int64)
    start = inputs * weight.sum(axis=1)
    return Lowered(kind, weight, start, np.array(numbers, np.int64), shift, *_ends(step, base))


def _table(layer: Layer, step: Thresholds, inputs: int, base: int) -> Lowered:
    table = np.clip(step.table, SMALLEST - 1, LARGEST + 1)  # no sum reaches either end
    numbers = np.concatenate([step.sign[:, None].astype(np.int64), table], axis=1)
    weight = layer.weight.astype(np.int64)
    return Lowered(TABLE, weight, inputs * weight.sum(axis=1), numbers, 0, *_ends(step, base))


def _ends(step: Step, base: int) -> tuple[int, int]:
    if step.lo is None or step.hi is None:
        return SMALLEST - 1, LARGEST + 1
    return step.lo - base, step.hi - base


def lowered_layers(network: IntegerNetwork) -> list[Lowered] | int:
    """The layers of ``network``, or the first of which a number would leave its type."""
    low, high = (np.full(network.inputs, end, np.int64) for end in network.value_range(0))
    found = []
    for k, layer in enumerate(network.layers):
        step, last = layer.step, k + 1 == len(network.layers)
        sums = _Sums.of(layer, low, high)
        if sums.low.min() < SMALLEST or sums.high.max() > LARGEST:
            return k
        base = 0 if last or step.lo is None else step.lo
        inputs = network.value_range(k)[0]
        one = _shift(layer, sums, inputs, base, last=last)
        if one is None:
            if isinstance(step, Affine):
                one = _product(layer, step, sums, inputs, base)
            else:
                one = _table(layer, step, inputs, base)
        if one is None:
            return k
        found.append(one)
        # A step is monotone, so its values lie between those at the ends.
        ends = step.apply(np.stack([sums.low, sums.high]))
        low, high = ends.min(axis=0), ends.max(axis=0)
    return found
