"""The form of a case."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

SEED = 0
"""Seed of every input and parameter that is drawn."""


@dataclass(frozen=True)
class Done:
    """The result of one call: arrays or tensors, and operation counts by name."""

    values: tuple[Any, ...]
    counts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Pair:
    """A reference and a fast path on the same inputs, ready to be called repeatedly.

    ``bound``: largest allowed ``difference`` of their results. ``operations``: floating-point
    operations that the fast path needs for one call, by the case's formula.
    """

    reference: Callable[[], Done]
    ours: Callable[[], Done]
    bound: float
    operations: int


@dataclass(frozen=True)
class Case:
    """A named pair; a call handles ``items`` of ``unit``. ``slow`` cases run with --slow.

    ``needs``: names in ``ohmbench.needs`` of what ``make`` takes from outside.
    """

    name: str
    items: int
    unit: str
    make: Callable[[], Pair]
    slow: bool = False
    needs: tuple[str, ...] = ()


def difference(ours: Done, reference: Done) -> float:
    """The largest difference of two values, relative to the largest reference value in its array.

    Infinite where shapes differ or a value is not finite.
    """
    worst = 0.0
    if len(ours.values) != len(reference.values):
        return float("inf")
    for found, wanted in zip(ours.values, reference.values, strict=True):
        a, b = (np.asarray(x, dtype=np.float64) for x in (found, wanted))
        if a.shape != b.shape or not np.isfinite(a).all() or not np.isfinite(b).all():
            return float("inf")
        largest = float(np.abs(b).max(initial=0.0))
        off = float(np.abs(a - b).max(initial=0.0))
        if off:
            worst = max(worst, off / largest if largest else float("inf"))
    return worst
