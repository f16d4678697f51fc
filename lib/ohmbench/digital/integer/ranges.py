"""The ranges of everything that the layers of an integer network hold, channel by channel.

Steps are monotone, so the ends of the range of a sum give the ends of all that follows from it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ohmbench.digital.integer.network import Affine, IntegerNetwork, Layer, Step, acc_range

Integers = NDArray[np.int64]

PARAMETERS = ("weight", "M", "R", "S")
"""Quantities that are stored, whatever the input."""


@dataclass(frozen=True)
class Span:
    """The smallest and largest value of one quantity for each channel, int64 (channels,)."""

    low: Integers
    high: Integers


def terms(weight: Integers, low: Integers, high: Integers) -> tuple[Integers, Integers]:
    """Range of each single product ``weight * x``, both (channels, inputs)."""
    ends = weight * low, weight * high
    return np.minimum(*ends), np.maximum(*ends)


def _step_spans(step: Step, acc: Span) -> dict[str, Span]:
    """The ranges behind the sums: steps are monotone, so the ends of ``acc`` give the ends."""
    ends = np.stack([acc.low, acc.high])
    found = {}
    if isinstance(step, Affine):
        product = ends * step.M + step.R
        found["product"] = product
        found["shifted"] = (product >> np.int64(step.S)) + step.Z
    found["value"] = step.apply(ends)
    return {name: Span(two.min(axis=0), two.max(axis=0)) for name, two in found.items()}


def _parameter_spans(layer: Layer) -> dict[str, Span]:
    weight = layer.weight.astype(np.int64)
    found = {"weight": Span(weight.min(axis=1), weight.max(axis=1))}
    step = layer.step
    if isinstance(step, Affine):
        S = np.array([step.S], np.int64)
        found |= {"M": Span(step.M, step.M), "R": Span(step.R, step.R), "S": Span(S, S)}
    return found


def layer_spans(layer: Layer, low: Integers, high: Integers) -> dict[str, Span]:
    """The range of every quantity of ``layer``, by name, for inputs from ``low`` to ``high``.

    ``low`` and ``high``: int64 (inputs,). A table of thresholds has no ``M``, ``R``, ``S``,
    ``product`` and ``shifted``.
    """
    smallest, largest = terms(layer.weight.astype(np.int64), low, high)
    acc = Span(*acc_range(layer.weight, low, high))
    return {
        **_parameter_spans(layer),
        "mac": Span(smallest.min(axis=1), largest.max(axis=1)),
        "acc": acc,
        **_step_spans(layer.step, acc),
    }


def partial_sums(layer: Layer, low: Integers, high: Integers) -> Span:
    """The range of every partial sum, in any order of additions, that begins at 0."""
    smallest, largest = terms(layer.weight.astype(np.int64), low, high)
    return Span(np.minimum(smallest, 0).sum(axis=1), np.maximum(largest, 0).sum(axis=1))


def reachable(network: IntegerNetwork) -> Iterator[Span]:
    """The range of each input of each layer that the layers before can produce, layer by layer."""
    lo, hi = network.value_range(0)
    span = Span(np.full(network.inputs, lo, np.int64), np.full(network.inputs, hi, np.int64))
    for layer in network.layers:
        yield span
        span = layer_spans(layer, span.low, span.high)["value"]
