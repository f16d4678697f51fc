"""Comparisons of a network's stages, and the first value that departs.

Each stage of a network (real values, integers, hardware) is compared with the one before it, one
quantity of one layer at a time, within tolerances that follow from the approximation it adds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ohmbench.errors import RangeError, ShapeError

Reals = NDArray[np.float64]
Numbers: TypeAlias = NDArray[np.float64] | NDArray[np.int64]

LARGEST_TOLERANCE = 1e6


def check_tolerance(factor: float) -> None:
    """Raise RangeError unless ``factor``, by which tolerances are multiplied, is above 0."""
    if not 0 < factor <= LARGEST_TOLERANCE:
        raise RangeError(
            f"tolerance is {factor:g}, but should be above 0 and at most {LARGEST_TOLERANCE:g}"
        )


@dataclass(frozen=True)
class Departure:
    """The first value beyond its tolerance, with its ``image``, ``layer`` and ``neuron``.

    ``quantity`` is "hidden", "logits", "classes" or "values" of a two-layer network, "acc", "h" or
    "step" of a layer of others (``neuron`` is -1 for classes and values).
    """

    image: int
    layer: int
    neuron: int
    quantity: str
    found: float
    expected: float
    allowed: float

    def describe(self, first_image: int = 0) -> str:
        """Describe it in one line; ``first_image`` is the number of the batch's image 0."""
        place = f"[{self.neuron}]" if self.neuron >= 0 else ""
        bound = f" within {self.allowed:.6g}" if self.allowed else ""
        return (
            f"image {first_image + self.image}, layer {self.layer}: {self.quantity}{place} = "
            f"{self.found:.9g}, but should be {self.expected:.9g}{bound}"
        )


@dataclass(frozen=True)
class Part:
    """One quantity of a stage: number of values, largest difference and largest tolerance.

    Differences and tolerances are in LSBs of the quantity. The tolerance of a single value may be
    far below the largest.
    """

    layer: int
    quantity: str
    compared: int
    largest: float
    tolerance: float


@dataclass(frozen=True)
class Stage:
    """One comparison of two stages, by quantity, and the first value beyond its tolerance, if any.

    ``note`` says why the stages may differ; ``failure`` says why there is nothing to compare.
    """

    name: str
    note: str
    parts: tuple[Part, ...]
    departure: Departure | None = None
    failure: str | None = None

    @property
    def passed(self) -> bool:
        """Whether the stage was compared and is within tolerance."""
        return self.departure is None and self.failure is None


@dataclass(frozen=True)
class Compared:
    """One quantity of one stage, (n, neurons) or (n,); ``low`` and ``high`` bound ``found``.

    Integers are compared as they are, beyond 2**53 as well.
    """

    layer: int
    quantity: str
    found: Numbers
    expected: Numbers
    low: Numbers
    high: Numbers


def compare(name: str, note: str, quantities: list[Compared]) -> Stage:
    """Search by layer, then image, then neuron: the first is nearest to the cause."""
    departure = None
    for q in quantities:
        bad = (q.found < q.low) | (q.found > q.high)
        if departure is None and bad.any():
            place = np.unravel_index(int(bad.argmax()), bad.shape)
            allowed = max(q.high[place] - q.expected[place], q.expected[place] - q.low[place])
            neuron = int(place[1]) if len(place) > 1 else -1
            departure = Departure(
                image=int(place[0]),
                layer=q.layer,
                neuron=neuron,
                quantity=q.quantity,
                found=float(q.found[place]),
                expected=float(q.expected[place]),
                allowed=float(allowed),
            )
    parts = tuple(
        Part(
            q.layer,
            q.quantity,
            q.found.size,
            float(np.abs(q.found - q.expected).max()),
            float(np.maximum(q.high - q.expected, q.expected - q.low).max()),
        )
        for q in quantities
    )
    return Stage(name, note, parts, departure)


def within(layer: int, quantity: str, found: Reals, expected: Reals, tol: Reals) -> Compared:
    """``found`` may differ from ``expected`` by ``tol``, all (n, neurons) or (n,)."""
    return Compared(layer, quantity, found, expected, expected - tol, expected + tol)


def exactly(layer: int, quantity: str, found: Numbers, expected: Numbers) -> Compared:
    """``found`` should be ``expected``. Raises ShapeError if their shapes differ."""
    if found.shape != expected.shape:
        raise ShapeError(
            f"layer {layer}: {quantity} has shape {found.shape}, but should be {expected.shape}"
        )
    return Compared(layer, quantity, found, expected, expected, expected)
