"""The compiled loop of a whole integer network, for blocks of ``LANES`` samples.

Values between layers are unsigned bytes, four channels of a sample to a word: ``(channels / 4,
LANES)`` int32, all layers of a block in the nearest cache. A block goes through all layers before
the next begins.

``layers``: int64 (layers, fields), the fields below. ``numbers``: flat int32, the words of weights
(per group of four channels: inputs / 4, 4) and per channel what a step needs. ``wide``: flat int64,
the same for steps of more bits.

Everything that a compiled function calls is in this file, except single instructions
(``word_lanes``,
``word_packing``): numba's cache notices changes in a function's own file but not in others.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from ohmbench.kernels.compiling import compiled
from ohmbench.kernels.vectors import widest
from ohmbench.kernels.word_builders import LANES
from ohmbench.kernels.word_lanes import (
    aligned,
    clamped,
    counted,
    dot,
    larger,
    load,
    plus,
    scaled,
    shifted,
    splat,
    store,
    wide_step,
    with_bit,
)
from ohmbench.kernels.word_packing import columns, narrow, narrow_even

FIELDS = (
    "words",  # of inputs, four bytes each
    "channels",
    "kind",
    "weights",  # place of the weights in numbers
    "start",  # of what each sum starts from, one per channel
    "step",  # of the step's numbers: in numbers, or in wide if it is WIDE
    "shift",
    "even",  # 1: ties to even
    "low",
    "high",
    "size",  # numbers of the step per channel
)
"""Columns of ``layers``."""
(
    _WORDS,
    _CHANNELS,
    _KIND,
    _WEIGHTS,
    _START,
    _STEP,
    _SHIFT,
    _EVEN,
    _LOW,
    _HIGH,
    _SIZE,
) = (np.uintp(i) for i in range(len(FIELDS)))

NARROW, SUM, SHIFT, SCALE, WIDE, TABLE = range(6)
"""Kinds of steps of a sum, which includes what it starts from:

- NARROW: ``clamp(sum >> shift, 0, high)``, sums saturating at 16 bits; hidden layers only
- SUM: the sum; last layer only
- SHIFT: ``clamp(sum >> shift, low, high)``
- SCALE: ``clamp((sum * factor + offset) >> shift, low, high)`` in int32
- WIDE: the same in int64
- TABLE: ``low`` + how many thresholds ``sum * sign`` reaches
"""

HEADER = 5
"""Numbers before ``layers``: how many layers, the smallest input modulo 256, bytes of an input,
whether the class is that of the smallest output, and the place of ``numbers``."""

JIT: dict[str, Any] = {"nogil": True, "error_model": "numpy"}
_MOST, _HEADER, _FIELDS = np.uintp(LANES), np.uintp(HEADER), np.uintp(len(FIELDS))
_0, _1, _2, _3, _4, _16 = (np.uintp(i) for i in (0, 1, 2, 3, 4, 16))


@njit(inline="always", error_model="numpy")
def _dots(numbers, values, place, weight, words, a, b, c, d):  # type: ignore[no-untyped-def]
    """``a`` to ``d`` plus the products of ``words`` words of four channels."""
    for _ in range(words):
        h = load(values, place)
        a = dot(a, h, numbers[weight])
        b = dot(b, h, numbers[weight + _1])
        c = dot(c, h, numbers[weight + _2])
        d = dot(d, h, numbers[weight + _3])
        place += _MOST
        weight += _4
    return a, b, c, d


@njit(inline="always", error_model="numpy")
def _sums(numbers, values, source, words, upper, weight, start):  # type: ignore[no-untyped-def]
    """Sums of four channels; with ``upper`` the words of the inputs' upper bytes come first."""
    a, b = splat(numbers[start]), splat(numbers[start + _1])
    c, d = splat(numbers[start + _2]), splat(numbers[start + _3])
    if upper:
        zero = splat(0)
        e, f, g, h = _dots(numbers, values, source, weight, words, zero, zero, zero, zero)
        a, b, c, d = plus(a, e, 8), plus(b, f, 8), plus(c, g, 8), plus(d, h, 8)
        source += words * _MOST
    return _dots(numbers, values, source, weight, words, a, b, c, d)


@njit(error_model="numpy")
def _step(layers, k, numbers, wide, values, spare, channel):  # type: ignore[no-untyped-def]
    """Replace four channels' sums at ``spare`` by their steps, of any kind but NARROW."""
    kind, shift, even = layers[k, _KIND], layers[k, _SHIFT], layers[k, _EVEN]
    low, high = layers[k, _LOW], layers[k, _HIGH]
    size = np.uintp(layers[k, _SIZE])
    at = np.uintp(layers[k, _STEP]) + channel * size
    for _ in range(4):
        x = load(values, spare)
        if kind == WIDE:
            x = wide_step(x, wide[at], wide[at + _1], shift, low, high)
        elif kind == TABLE:
            x = scaled(x, numbers[at], 0)
            count = splat(low)
            for t in range(at + _1, at + size):
                count = counted(count, x, numbers[t])
            x = count
        else:
            if kind == SCALE:
                x = scaled(x, numbers[at], numbers[at + _1])
            if even:
                x = with_bit(x, 1 << shift)
            x = clamped(shifted(x, shift), low, high)
        store(values, spare, x)
        spare += _MOST
        at += size


@njit(inline="always", error_model="numpy")
def _keep(values, spare, a, b, c, d):  # type: ignore[no-untyped-def]
    """Store the sums of four channels at ``spare``."""
    store(values, spare, a)
    store(values, spare + _MOST, b)
    store(values, spare + _2 * _MOST, c)
    store(values, spare + _3 * _MOST, d)


@njit(inline="always", error_model="numpy")
def _hidden(layers, k, numbers, wide, values, source, target, upper, spare):  # type: ignore[no-untyped-def]
    """Layer ``k`` of a block: words at ``source`` to words at ``target``."""
    words, weight = np.uintp(layers[k, _WORDS]), np.uintp(layers[k, _WEIGHTS])
    start, channels = np.uintp(layers[k, _START]), np.uintp(layers[k, _CHANNELS])
    shift, high = layers[k, _SHIFT], layers[k, _HIGH]
    packed, even = layers[k, _KIND] == NARROW, layers[k, _EVEN] != 0
    for channel in range(_0, channels, _4):
        a, b, c, d = _sums(numbers, values, source, words, upper, weight, start + channel)
        if not packed:
            _keep(values, spare, a, b, c, d)
            _step(layers, k, numbers, wide, values, spare, channel)
            a, b = load(values, spare), load(values, spare + _MOST)
            c, d = load(values, spare + _2 * _MOST), load(values, spare + _3 * _MOST)
            x = narrow(a, b, c, d, 0, high)
        elif even:
            x = narrow_even(a, b, c, d, shift, high)
        else:
            x = narrow(a, b, c, d, shift, high)
        store(values, target, x)
        weight += _4 * words
        target += _MOST


@njit(inline="always", error_model="numpy")
def _last(layers, k, numbers, wide, values, source, upper, spare, negate, out, first, stride):  # type: ignore[no-untyped-def]
    """The last layer of a block: outputs and classes to ``out`` (channels + 1, stride), flat."""
    words, weight = np.uintp(layers[k, _WORDS]), np.uintp(layers[k, _WEIGHTS])
    start, channels = np.uintp(layers[k, _START]), np.uintp(layers[k, _CHANNELS])
    stepped = layers[k, _KIND] != SUM
    best, index = splat(-(2**31)), splat(0)
    for channel in range(_0, channels, _4):
        if channels - channel == 1 and not upper:  # no three channels in vain
            a = splat(numbers[start + channel])
            for i in range(words):
                a = dot(a, load(values, source + i * _MOST), numbers[weight + _4 * i])
            store(values, spare, a)
        else:
            a, b, c, d = _sums(numbers, values, source, words, upper, weight, start + channel)
            _keep(values, spare, a, b, c, d)
        if stepped:
            _step(layers, k, numbers, wide, values, spare, channel)
        for i in range(min(_4, channels - channel)):
            x = load(values, spare + i * _MOST)
            store(out, (channel + i) * stride + first, x)
            if negate:
                x = scaled(x, -1, 0)
            best, index = larger(best, index, x, channel + i)
        weight += _4 * words
    store(out, channels * stride + first, index)


@njit(inline="always", error_model="numpy")
def _read(x, place, inputs, low, values, target):  # type: ignore[no-untyped-def]
    """The bytes of ``LANES`` rows from ``place`` as words."""
    for k in range(_0, inputs, _16):
        for s in range(_0, _MOST, _16):
            to = target + (k >> _2) * _MOST + s
            columns(x, place + s * inputs + k, inputs, low, values, to)


@compiled(**JIT)
def run(x, plan, out, begin, end):  # type: ignore[no-untyped-def]
    """Samples ``begin`` to ``end`` of ``x``, bytes (n, planes * row), to ``out``.

    ``row`` is a multiple of 16; the smallest input is subtracted from each byte. ``plan``: int64,
    ``HEADER``, then ``layers``, ``wide`` and ``numbers``. ``out``: int32 (outputs + 1, n rounded up
    to LANES + 16); the column returned is the first that is used. ``begin`` is a multiple of LANES.
    """
    widest()
    count, low, planes, negate = np.uintp(plan[0]), plan[1], plan[2], plan[3] != 0
    layers = plan[_HEADER : _HEADER + count * _FIELDS].reshape((count, _FIELDS))
    wide, numbers = plan[_HEADER + count * _FIELDS :], plan[np.uintp(plan[4]) :].view(np.int32)
    inputs = np.uintp(x.shape[1])
    most = max(inputs, _16) >> _2
    for k in range(count):
        most = max(most, (np.uintp(layers[k, _CHANNELS]) + _3) >> _2)
    most *= _MOST
    # Places of two layers' values that differ by a multiple of 4096 bytes would slow down loads.
    values = np.empty(_3 * most + _4 * _MOST + _2 * _16, np.int32)
    source = aligned(values)
    target, spare = source + most + _16, source + _2 * most + _16
    copy = spare + _4 * _MOST
    flat, rest, flat_out = x.reshape(-1), values.view(np.uint8), out.reshape(-1)
    stride, column = np.uintp(out.shape[1]), aligned(flat_out)
    for first in range(np.uintp(begin), np.uintp(end), _MOST):
        place, rows = first * inputs, np.uintp(end) - first
        if rows < _MOST:
            for i in range(rows * inputs):
                rest[_4 * copy + i] = flat[place + i]
            _read(rest, _4 * copy, inputs, low, values, source)
        else:
            _read(flat, place, inputs, low, values, source)
        here, there = source, target
        for k in range(count - _1):
            upper = planes == 2 and k == 0
            _hidden(layers, k, numbers, wide, values, here, there, upper, spare)
            here, there = there, here
        upper = planes == 2 and count == 1
        _last(
            layers, count - _1, numbers, wide, values, here, upper, spare,
            negate, flat_out, column + first, stride,
        )  # fmt: skip
    return column
