"""Real inputs: which float32 numbers become which integers.

Every rule is monotone, so that two of them are equal for all float32 numbers if they are equal at
the smallest number of each integer and at the number before it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Float32
from numpy.typing import NDArray

from ohmbench.digital.integer.network import InputFormat

_INFINITY = 0x7F800000
"""The bits of float32's infinity; those of the finite numbers are below."""


def _float(key: NDArray[np.int64]) -> NDArray[np.float32]:
    """The float32 numbers of keys, which count them in ascending order through 0."""
    bits = np.where(key < 0, -key | 0x80000000, key).astype(np.uint32)
    return bits.view(np.float32)


def first_reaching(
    reached: Callable[[NDArray[np.float32]], NDArray[np.bool_]], count: int, *, finite: bool = False
) -> NDArray[np.float32]:
    """The smallest float32 (count,) at which ``reached`` (count,) holds, by bisection over all.

    ``reached`` is asked for one number per entry, holds from some number on, and is not asked for
    infinity, which is the answer where it never holds. With ``finite`` it is not asked for minus
    infinity either, which is the answer where it always holds.
    """
    lowest = -_INFINITY + finite
    below, above = np.full(count, lowest, np.int64), np.full(count, _INFINITY, np.int64)
    while (below < above).any():
        middle = (below + above) >> 1
        holds = reached(_float(middle))
        above = np.where(holds, middle, above)
        below = np.where(holds, below, np.minimum(middle + 1, above))
    return _float(np.where(above == lowest, -_INFINITY, above))


def first_reals(read: InputFormat) -> Float32[NDArray[np.float32], " steps"]:
    """The smallest float32 of each integer from ``lo + 1`` to ``hi``; infinity if there is none.

    The format's own thresholds, or found by bisection in ``InputFormat.quantise``.
    """
    if read.thresholds is not None:
        return read.thresholds
    values = np.arange(read.lo + 1, read.hi + 1)
    return first_reaching(lambda x: read.quantise(x) >= values, len(values))


def deciding_reals(read: InputFormat) -> Float32[NDArray[np.float32], " n"]:
    """The float32 numbers at which two rules must agree to agree for all of them."""
    first = first_reals(read)
    before = np.nextafter(first, np.float32(-np.inf))
    ends = np.array([-np.inf, np.inf], np.float32)
    return np.concatenate((first, before, ends))


def examples(read: InputFormat) -> Float32[NDArray[np.float32], " values"]:
    """A float32 number for each integer from ``lo`` to ``hi``; NaN if no number becomes it.

    It is the real value that the integer stands for, if that is one.
    """
    values = np.arange(read.lo, read.hi + 1)
    natural = read.real(values).astype(np.float32)
    smallest = np.concatenate((np.array([-np.inf], np.float32), first_reals(read)))
    found = np.where(read.quantise(natural) == values, natural, smallest)
    found[read.quantise(found) != values] = np.nan
    return found
