"""How much the rounding of TFLite's runtimes changes a network's values.

Networks that agree on nearly all sums of the first layer can still disagree on many outputs: every
difference is carried through the layers behind it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Int64
from numpy.typing import NDArray

from ohmbench.digital.importing.source import Source, SourceLayer, SourceStep
from ohmbench.digital.importing.tflite_arithmetic import Requantisation


@dataclass(frozen=True)
class Difference:
    """Of one layer: the share of its values that differ, and the largest difference."""

    tensor: str
    share: float
    most: int


@dataclass(frozen=True, eq=False)
class Truncation(SourceStep):
    """``clamp((((acc + bias) * M) >> S) + zero, lo, hi)``: no rounding at all.

    ``M``: int64 (channels,), the multiplier times ``2**S``, rounded to the nearest integer.
    """

    M: Int64[NDArray[np.int64], " channels"]
    S: int
    exact: Requantisation

    def bounds(
        self, acc: Int64[NDArray[np.int64], "n channels"]
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """Both bounds are the same int64 (n, channels)."""
        scaled = ((acc + self.exact.bias) * self.M) >> np.int64(self.S)
        h: NDArray[np.int64] = np.clip(scaled + self.exact.zero, self.exact.lo, self.exact.hi)
        return h, h


def truncated(source: Source, S: int = 24) -> Source:
    """A TFLite ``source`` with the paper's requantisation: multiply by M, drop S bits.

    The steps of the result are ``Truncation``.
    """
    layers = []
    for layer in source.layers:
        assert isinstance(layer.step, Requantisation)
        M = np.rint(layer.step.multiplier * 2.0**S).astype(np.int64)
        layers.append(replace(layer, step=Truncation(M, S, layer.step)))
    return replace(source, layers=tuple(layers), rounding=None)


def layer_values(
    layers: tuple[SourceLayer, ...], q: Int64[NDArray[np.int64], "n inputs"]
) -> list[Int64[NDArray[np.int64], "n _"]]:
    """The integers behind each of ``layers`` for input integers ``q``."""
    values: list[NDArray[np.int64]] = []
    for layer in layers:
        # float64 holds the sums exactly, since they fit 32 bits, and multiplies faster than int64.
        acc = q.astype(np.float64) @ layer.weight.T.astype(np.float64)
        q = layer.step.bounds(acc.astype(np.int64))[0]
        values.append(q)
    return values


def differences(
    first: Source, second: Source, q: Int64[NDArray[np.int64], "n inputs"]
) -> list[Difference]:
    """Per layer, how the values of two sources of the same file differ for input integers ``q``."""
    found = []
    values = (layer_values(source.layers, q) for source in (first, second))
    for layer, a, b in zip(first.layers, *values, strict=True):
        off = np.abs(a - b)
        found.append(Difference(layer.tensor, float((off > 0).mean()), int(off.max())))
    return found
