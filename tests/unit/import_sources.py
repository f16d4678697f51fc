"""Sources whose steps the tests state themselves, and what enumeration says about them."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ohmbench.digital.importing.proof import FIRST
from ohmbench.digital.importing.reachable import Sums
from ohmbench.digital.importing.source import Source, SourceLayer, SourceStep
from ohmbench.digital.importing.verdict import EXACT, Verdict
from ohmbench.digital.integer import InputFormat, IntegerNetwork, Meaning

Values = Callable[[NDArray[np.int64]], NDArray[Any]]


@dataclass(frozen=True, eq=False)
class Formula(SourceStep):
    """A step given by a function of the sums (n, channels), or by one for each end."""

    low: Values
    high: Values | None = None

    def bounds(self, acc: NDArray[np.int64]) -> tuple[NDArray[Any], NDArray[Any]]:
        assert acc.dtype == np.int64
        assert acc.ndim == 2
        low = self.low(acc)
        return low, low if self.high is None else self.high(acc)


def half_even(scale: NDArray[np.float64] | float, zero: int, lo: int, hi: int) -> Values:
    """QuantizeLinear of ``acc * scale``: rounds half to even, then adds ``zero``, then clamps."""

    def values(acc: NDArray[np.int64]) -> NDArray[np.int64]:
        rounded = np.rint(acc * scale) + zero
        clamped: NDArray[np.int64] = np.clip(rounded, lo, hi).astype(np.int64)
        return clamped

    return values


def layer(
    weight: NDArray[np.int8],
    step: SourceStep | Values,
    lo: int | None = 0,
    hi: int | None = 255,
    *,
    bits: int = 8,
    meaning: Meaning | None = None,
    bias: NDArray[np.int64] | None = None,
    name: str = "MatMul_0",
) -> SourceLayer:
    """A layer with this step, or with this function of its sums."""
    return SourceLayer(
        name,
        f"{name}_out",
        weight,
        bits,
        step if isinstance(step, SourceStep) else Formula(step),
        lo,
        hi,
        Meaning.of(1.0) if meaning is None else meaning,
        np.zeros(len(weight), np.int64) if bias is None else bias,
    )


def source(*layers: SourceLayer, lo: int = 0, hi: int = 255, **settings: Any) -> Source:
    """A source of these layers that takes integers from ``lo`` to ``hi``."""
    given = {"input": InputFormat(lo, hi), "takes_integers": True, **settings}
    return Source(
        path="net.onnx",
        format="QDQ ONNX",
        input_tensor="x",
        input_shape=(1, layers[0].weight.shape[1]),
        layers=layers,
        output_tensor="y",
        **given,
    )


def weights(rng: np.random.Generator, channels: int, inputs: int, bits: int = 8) -> Any:
    """Random weights of ``bits`` bits."""
    if bits == 1:
        return rng.choice(np.array([-1, 1], np.int8), (channels, inputs))
    half = 2 ** (bits - 1)
    return rng.integers(-half, half, (channels, inputs)).astype(np.int8)


@dataclass(frozen=True)
class Counted:
    """What enumeration of a layer's sums finds."""

    reachable: list[int]
    differing: list[int]
    largest: list[int]
    undecided: list[int]
    first: list[tuple[int, int, int, int, int]]


def enumerate_layers(given: Source, network: IntegerNetwork) -> Iterator[Counted]:
    """Every sum of each layer's progressions, one by one, in Python integers.

    Progressions come from values that are collected one by one as well.
    """
    taken = [set(range(given.input.lo, given.input.hi + 1)) for _ in range(network.inputs)]
    for wanted, ours in zip(given.layers, network.layers, strict=True):
        sums = [progression(row, taken) for row in wanted.weight.tolist()]
        counted = Counted([], [], [], [], [])
        values: list[set[int]] = []
        for c, channel in enumerate(sums):
            acc = np.zeros((len(channel), len(sums)), np.int64)
            acc[:, c] = channel
            low, high = (end[:, c].tolist() for end in wanted.step.bounds(acc))
            found = ours.step.apply(acc)[:, c].tolist()
            points = list(zip(channel, found, low, high, strict=True))
            off = [max(a - f, f - b, 0) for _, f, a, b in points]
            counted.reachable.append(len(channel))
            counted.differing.append(sum(1 for one in off if one))
            counted.largest.append(max(off))
            counted.undecided.append(sum(1 for _, _, a, b in points if a < b))
            counted.first.extend((c, *point) for point, one in zip(points, off, strict=True) if one)
            values.append(
                {f for _, f, _, _ in points}.union(*(range(a, b + 1) for _, _, a, b in points))
            )
        taken = values
        yield counted


def progression(row: list[int], taken: list[set[int]]) -> list[int]:
    """The sums of one channel: from the least to the greatest, in steps that its terms allow."""
    terms = [sorted({w * v for v in values}) for w, values in zip(row, taken, strict=True)]
    step = 0
    for term in terms:
        for value in term:
            step = int(np.gcd(step, value - term[0]))
    low, high = sum(term[0] for term in terms), sum(term[-1] for term in terms)
    return list(range(low, high + 1, step or 1))


def every_input(network: IntegerNetwork) -> NDArray[np.int64]:
    """All inputs of a small network (n, inputs)."""
    values = range(network.input.lo, network.input.hi + 1)
    return np.array(list(itertools.product(values, repeat=network.inputs)), np.int64)


LINE = np.ones((1, 1), np.int8)
"""One channel whose sums are the inputs."""


def column(*values: int) -> NDArray[np.int64]:
    """An int64 array."""
    return np.array(values, np.int64)


def sums_of(low: list[int], stride: list[int], count: list[int]) -> Sums:
    """One progression per channel: its first sum, the distance and the number of its sums."""
    return Sums(column(*low), column(*stride), column(*count))


def progressions(sums: Sums) -> list[list[int]]:
    """Every sum of each channel."""
    return [
        [int(a + g * i) for i in range(n)]
        for a, g, n in zip(sums.low, sums.stride, sums.count, strict=True)
    ]


def by_list(sums: Sums, lists: list[list[int]]) -> Values:
    """The function of sums that these lists state, an error at any other sum."""

    def values(acc: NDArray[np.int64]) -> NDArray[np.int64]:
        index, rest = np.divmod(acc - sums.low, sums.stride)
        assert not rest.any()
        assert (index >= 0).all()
        columns = [np.array(one)[index[:, c]] for c, one in enumerate(lists)]
        return np.stack(columns, axis=1).astype(np.int64)

    return values


def assert_enumerated(verdict: Verdict, given: Source, network: IntegerNetwork) -> None:
    """Every count of the verdict is what enumeration of the sums gives."""
    assert verdict.problem is None
    for found, counted in zip(verdict.layers, enumerate_layers(given, network), strict=True):
        assert found.reachable.tolist() == counted.reachable
        assert found.differing.tolist() == counted.differing
        assert found.largest.tolist() == counted.largest
        assert found.undecided.tolist() == counted.undecided
        first = [(d.channel, d.acc, d.found, d.low, d.high) for d in found.first]
        assert first == counted.first[:FIRST]
        assert found.differs is any(counted.differing)
        assert found.decided is not any(counted.undecided)
        assert found.exact is not (any(counted.differing) or any(counted.undecided))
    assert verdict.exact is all(one.exact for one in verdict.layers)
    assert verdict.differs is any(one.differs for one in verdict.layers)
    assert (verdict.line == EXACT) is verdict.exact
    json.dumps(verdict.values(), allow_nan=False)
