"""Inputs that bring a sum right beside a step: the last sum before it, and the first after it.

Random inputs rarely reach such sums, where a wrong rounding, bias or clamp shows first. For layer 0
an input is constructed for almost each of them (``drive``); for deeper layers as many are found as
a bounded search finds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int64
from numpy.typing import NDArray

from ohmbench.digital.importing.change import change
from ohmbench.digital.importing.crossings import (
    Crossings,
    crossings,
    segments,
    source_crossings,
)
from ohmbench.digital.importing.reachable import (
    Sums,
    Values,
    input_values,
    produced,
    reachable_sums,
)
from ohmbench.digital.importing.source import Source
from ohmbench.digital.integer.golden import infer
from ohmbench.digital.integer.network import IntegerNetwork

_INDEX_BITS = 40
_BLOCK = 1000
MOST_BYTES = 2**28
"""Of the inputs for layer 0; of more targets than these hold an even selection is taken."""
MOST_MACS = 4 * 10**10
"""Multiplications that running them once may take."""
MACS = 8 * 10**9
"""Multiplications that each of the three parts of the search in deeper layers may spend (marking,
random inputs, climbing); a few seconds.
"""
MOST_TRIED = 50_000
"""Inputs that it may try, however small the network."""
MOST_MARKED = 10_000
"""Inputs for layer 0 of which it is noted what they reach in deeper layers."""
PATIENCE = 10
"""It ends after so many rounds in a row that reach nothing new."""
CLIMBERS = 500
"""Targets of a layer that it climbs to."""


@dataclass(frozen=True, eq=False)
class Targets:
    """Sums of one layer: ``acc[j]`` of channel ``channel[j]``, int64 (n,), in this order and once
    each. ``sums`` are all that the layer can reach.
    """

    sums: Sums
    channel: Int64[NDArray[np.int64], " n"]
    acc: Int64[NDArray[np.int64], " n"]

    @property
    def keys(self) -> Int64[NDArray[np.int64], " n"]:
        """One ascending number per target."""
        return _keys(self.sums, self.channel, self.acc)


def _keys(
    sums: Sums, channel: NDArray[np.int64], acc: NDArray[np.int64]
) -> Int64[NDArray[np.int64], " n"]:
    index = (acc - sums.low[channel]) // sums.stride[channel]
    found: NDArray[np.int64] = (channel << _INDEX_BITS) + index
    return found


def beside_steps(sums: Sums, *functions: Crossings, ends: bool) -> Targets:
    """The sums on both sides of each crossing; if ``ends``, also the smallest and largest of each
    channel.
    """
    channels = np.arange(sums.channels)
    parts = [np.empty(0, np.int64)]
    if ends:
        parts += [(channels << _INDEX_BITS) + end for end in (0, sums.count - 1)]
    for function in functions:
        crossed = (function.breaks > 0) & (function.breaks < sums.count)
        for side in (-1, 0):
            parts.append(((channels << _INDEX_BITS) + function.breaks + side)[crossed])
    keys = np.unique(np.concatenate(parts))
    channel = keys >> _INDEX_BITS
    position = keys & ((1 << _INDEX_BITS) - 1)
    return Targets(sums, channel, sums.low[channel] + sums.stride[channel] * position)


def boundary_targets(source: Source, network: IntegerNetwork) -> list[Targets]:
    """Per layer, the sums beside every step of ``source`` and of ``network``; in layer 0, where
    they can be constructed, also the smallest and largest sum of each channel.

    Raises FileError for a source whose step is not monotone.
    """
    found = []
    values = input_values(source)
    for k, (wanted, layer) in enumerate(zip(source.layers, network.layers, strict=True)):
        sums = reachable_sums(wanted.weight, values)
        step = layer.step
        if wanted.lo is None or step.lo is None or step.hi is None:
            found.append(beside_steps(sums, ends=k == 0))
            continue
        theirs = source_crossings(source, k, sums)
        ours = crossings(step.apply, sums, step.lo, step.hi)
        found.append(beside_steps(sums, theirs.early, theirs.late, ours, ends=k == 0))
        runs = segments(sums, theirs.early, theirs.late)
        values = produced(*wanted.step.bounds(runs.first))
    return found


def drive(
    weight: NDArray[np.int8],
    values: Values,
    acc: Int64[NDArray[np.int64], " n"],
    rng: np.random.Generator,
) -> tuple[Int64[NDArray[np.int64], "n inputs"], Bool[NDArray[np.bool_], " n"]]:
    """Inputs whose sum with one channel's ``weight`` (inputs,) is ``acc``, and where that worked.

    Every input starts where it makes the sum smallest, and what is missing from there is paid in
    units of ``|weight|`` (``change``). ``values`` are those that each input can take.
    """
    low, high = int(values.low[0]), int(values.high[0])
    step = max(int(values.stride[0]), 1)
    most = (high - low) // step
    w = weight.astype(np.int64)
    sizes, group = np.unique(np.abs(w), return_inverse=True)
    least = int(np.minimum(w * low, w * high).sum())
    available = np.bincount(group, minlength=len(sizes)) * most
    paid = change((acc - least) // step, sizes, available, rng)
    # The units of one size go to its inputs in their order, as many to each as it takes.
    order = np.argsort(group, kind="stable")
    rank = np.empty_like(order)
    rank[order] = (
        np.arange(len(w)) - np.searchsorted(group[order], np.arange(len(sizes)))[group[order]]
    )
    units = np.clip(paid[:, group] - rank * most, 0, most)
    x = np.where(w >= 0, low + step * units, high - step * units)
    free = w == 0
    x[:, free] = low + step * rng.integers(0, most + 1, (len(x), int(free.sum())))
    good = x @ w == acc
    good &= values.present[0][x - values.first].all(axis=1)
    return x, good


class _Reached:
    """Which targets of a layer some input has reached."""

    def __init__(self, targets: Targets) -> None:
        self.targets = targets
        self.keys = targets.keys
        self.done = np.zeros(len(self.keys), bool)

    def mark(self, acc: NDArray[np.int64]) -> NDArray[np.int64]:
        """Note what sums (n, channels) reach; the rows that reach what none did before."""
        if not len(self.keys):
            return np.empty(0, np.int64)
        sums = self.targets.sums
        index = (acc - sums.low) // sums.stride
        keys = ((np.arange(sums.channels) << _INDEX_BITS) + index).ravel()
        place = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        new = np.flatnonzero((self.keys[place] == keys) & ~self.done[place])
        reached, first = np.unique(place[new], return_index=True)
        self.done[reached] = True
        rows: NDArray[np.int64] = np.unique(new[first] // sums.channels)
        return rows


@dataclass(frozen=True, eq=False)
class Boundaries:
    """Inputs (n, inputs) that reach ``reached[k]`` of the ``wanted[k]`` targets of layer ``k``."""

    x: NDArray[np.integer]
    reached: tuple[int, ...]
    wanted: tuple[int, ...]


def boundary_inputs(
    network: IntegerNetwork,
    values: Values,
    targets: Sequence[Targets],
    *,
    seed: int = 0,
    advance: Callable[[float], object] = lambda share: None,
) -> Boundaries:
    """Inputs for the ``targets`` of each layer; the first two are all smallest and all largest.

    ``values``: those that each input can take. ``advance`` is told the share that each part adds.
    """
    rng = np.random.default_rng(seed)
    kind = np.min_scalar_type(-max(abs(network.input.lo), abs(network.input.hi) + 1))
    low, high = int(values.low[0]), int(values.high[0])
    kept = [np.array([[low], [high]], kind).repeat(network.inputs, axis=1)]
    reached = [_Reached(one) for one in targets]
    layer = network.layers[0]
    wanted = _selection(len(targets[0].acc), network)
    share = 0.5 if len(network.layers) > 1 else 1.0
    for c, row in enumerate(layer.weight):
        mine = wanted[targets[0].channel[wanted] == c]
        x, good = drive(row, values, targets[0].acc[mine], rng)
        kept.append(x[good].astype(kind))
        reached[0].done[mine] = good
        advance(share / layer.channels)
    kept = [np.concatenate(kept)]
    if len(network.layers) > 1:
        search = _Search(network, values, reached, rng, kind)
        kept += search.found(kept[0], advance)
    return Boundaries(
        np.concatenate(kept),
        tuple(int(one.done.sum()) for one in reached),
        tuple(len(one.done) for one in reached),
    )


def _selection(n: int, network: IntegerNetwork) -> Int64[NDArray[np.int64], " some"]:
    """Indices of ``n`` targets of layer 0: all, or an even selection of what can be afforded."""
    macs = sum(layer.weight.size for layer in network.layers)
    most = max(min(MOST_BYTES // network.inputs, MOST_MACS // macs), 1)
    found: NDArray[np.int64] = np.unique(np.linspace(0, n - 1, min(n, most)).astype(np.int64))
    return found


class _Search:
    """The search for inputs that reach targets of deeper layers."""

    def __init__(
        self,
        network: IntegerNetwork,
        values: Values,
        reached: list[_Reached],
        rng: np.random.Generator,
        kind: np.dtype[np.integer],
    ) -> None:
        self.network, self.reached, self.rng, self.kind = network, reached, rng, kind
        self.possible = np.flatnonzero(values.present[0]) + values.first
        self.macs = sum(layer.weight.size for layer in network.layers)

    def found(
        self, start: NDArray[np.integer], advance: Callable[[float], object]
    ) -> list[NDArray[np.integer]]:
        """Inputs that reach what ``start`` does not."""
        budget = min(MACS // self.macs, MOST_TRIED)
        size = min(_BLOCK, budget // 2)  # 0: not even one input can be afforded
        blocks = budget // 2 // size if size else 0
        kept = []
        some = start[:: max(len(start) // MOST_MARKED, 1)][:budget]
        for k in range(0, len(some), _BLOCK):
            self._mark(some[k : k + _BLOCK])
        idle = 0
        for block in range(blocks):
            x = self._spread(size)
            rows = self._mark(x)
            kept.append(x[rows])
            idle = 0 if len(rows) else idle + 1
            if idle == PATIENCE:
                advance(0.25 * (blocks - block) / blocks)
                break
            advance(0.25 / blocks)
        if not blocks:
            advance(0.25)
        layers = range(1, len(self.network.layers))
        for k in layers:
            kept += self._climb(k, budget // 2 // len(layers))
            advance(0.25 / len(layers))
        return [one.astype(self.kind) for one in kept]

    def _mark(self, x: NDArray[np.integer]) -> NDArray[np.int64]:
        """The rows of ``x`` that reach something new in a deeper layer."""
        acc = infer(self.network, x).acc
        rows = [one.mark(acc[k]) for k, one in enumerate(self.reached) if k]
        found: NDArray[np.int64] = np.unique(np.concatenate(rows))
        return found

    def _spread(self, n: int) -> NDArray[np.int64]:
        """Random inputs of unlike kinds, since uniform ones give sums close to their mean only.

        Each row mixes uniform values with the values that drive one channel of layer 0 up or down.
        """
        uniform = self.rng.choice(self.possible, (n, self.network.inputs))
        weight = self.network.layers[0].weight.astype(np.int64)
        mixed = self.rng.normal(size=(n, len(weight))) @ weight
        ends = np.where(mixed > 0, self.possible[-1], self.possible[0])
        strength = self.rng.random((n, 1))
        found: NDArray[np.int64] = np.where(self.rng.random(ends.shape) < strength, ends, uniform)
        return found

    def _climb(self, k: int, budget: int) -> list[NDArray[np.int64]]:
        """Change inputs at random, and keep what brings a sum of layer ``k`` nearer to a target.

        It begins with at most ``budget`` random inputs, and tries at most ``budget`` more.
        """
        left = np.flatnonzero(~self.reached[k].done)
        climbers = min(CLIMBERS, budget)
        if not len(left) or not climbers:
            return []
        left = left[np.unique(np.linspace(0, len(left) - 1, climbers).astype(np.int64))]
        channel, aim = self.reached[k].targets.channel[left], self.reached[k].targets.acc[left]
        pool = self._spread(min(_BLOCK, budget))
        acc = infer(self.network, pool).acc[k]
        nearest = np.abs(acc[:, channel] - aim).argmin(axis=0)
        x = pool[nearest]
        best = np.abs(acc[nearest, channel] - aim)
        kept = []
        idle = 0
        for _ in range(budget // len(x)):
            amount = self.rng.random((len(x), 1)) ** 4  # mostly few inputs
            changes = self.rng.random(x.shape) < np.maximum(amount, 1 / x.shape[1])
            tried = np.where(changes, self.rng.choice(self.possible, x.shape), x)
            every = infer(self.network, tried).acc
            distance = np.abs(every[k][np.arange(len(x)), channel] - aim)
            nearer = distance <= best
            x[nearer], best[nearer] = tried[nearer], distance[nearer]
            rows = self.reached[k].mark(every[k])
            kept.append(tried[rows])
            idle = 0 if len(rows) else idle + 1
            if idle == PATIENCE or not best.any():
                break
        return kept
