"""Proof that an integer network gives a source's integers, for every input.

Behind each sum stand two monotone step functions, the source's and the integers'. They are equal on
all reachable sums exactly if they are equal on every run of sums between their thresholds; where
they differ, the lengths of these runs are the count. Nothing is sampled, and nothing that fitted
the integers is trusted: the integers' step is evaluated by the golden model's arithmetic.

What is taken from the source's reader is that its steps are monotone; it is checked at every
threshold, beside it, and at random sums, and for up to 1 024 sums at all of them.

Layers follow by induction. If all layers up to k are exact, the source and the integers reach the
same sums in layer k + 1. After a layer that differs, the sums of both count.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ohmbench.digital.importing.classes import compare_levels, compare_outputs
from ohmbench.digital.importing.crossings import Segments, crossings, segments, source_crossings
from ohmbench.digital.importing.reachable import (
    Sums,
    Values,
    input_values,
    produced,
    reachable_sums,
)
from ohmbench.digital.importing.source import Source, SourceLayer
from ohmbench.digital.importing.verdict import Difference, LayerVerdict, Verdict
from ohmbench.digital.integer.network import InputFormat, IntegerNetwork, Layer, Meaning, Step

FIRST = 5
"""How many differences are kept of a layer."""
MEANING = 1e-6
"""More than storing a scale as float32 changes it, relative to its size."""


def prove_import(source: Source, network: IntegerNetwork) -> Verdict:
    """Compare ``network`` with ``source`` over every sum that inputs can reach.

    Raises FileError for a source whose step is not monotone.
    """
    problem = _problem(source, network)
    if problem is not None:
        return Verdict(problem=problem)
    verdicts = []
    values = input_values(source)
    for k, layer in enumerate(network.layers):
        wanted = source.layers[k]
        sums = reachable_sums(wanted.weight, values)
        if wanted.lo is None:
            verdicts.append(compare_outputs(wanted, k, layer, sums, FIRST))
        else:
            verdict, values = _compare_layer(source, k, layer, sums)
            verdicts.append(verdict)
    return Verdict(tuple(verdicts))


def _problem(source: Source, network: IntegerNetwork) -> str | None:
    """What differs before any sum is compared: shapes, the inputs' format, weights."""
    sizes = (source.layers[0].weight.shape[1], *(len(layer.weight) for layer in source.layers))
    if network.sizes != sizes:
        return (
            f"the network has the sizes {'-'.join(map(str, network.sizes))}, "
            f"but the source has {'-'.join(map(str, sizes))}"
        )
    problem = _input_problem(source, network.input)
    if problem is not None:
        return problem
    for k, (wanted, layer) in enumerate(zip(source.layers, network.layers, strict=True)):
        wrong = np.argwhere(wanted.weight != layer.weight)
        if len(wrong):
            c, i = wrong[0].tolist()
            return (
                f"{len(wrong)} of {wanted.weight.size} weights of layer {k} differ; first: channel "
                f"{c}, input {i}: {layer.weight[c, i]}, but the source has {wanted.weight[c, i]}"
            )
    last = source.layers[-1]
    return None if last.lo is None else _meaning_problem(last.meaning, network.layers[-1].meaning)


def _input_problem(source: Source, found: InputFormat) -> str | None:
    wanted = source.input
    if (wanted.lo, wanted.hi) != (found.lo, found.hi):
        return (
            f"inputs run from {found.lo} to {found.hi}, "
            f"but the source's from {wanted.lo} to {wanted.hi}"
        )
    if source.takes_integers:
        return None
    tables = [one.thresholds for one in (wanted, found) if one.thresholds is not None]
    if not tables:
        same = (wanted.scale, wanted.zero) == (found.scale, found.zero)
    else:
        # Both are monotone, so they are equal everywhere if they are on both sides of each step.
        above = np.concatenate(tables)
        x = np.concatenate([above, np.nextafter(above, np.float32(-np.inf))])
        same = np.array_equal(wanted.quantise(x), found.quantise(x))
    return None if same else "real inputs become other integers than in the source"


def _meaning_problem(wanted: Meaning, found: Meaning | None) -> str | None:
    """Whether integers of the last layer stand for other real values, so for another class."""
    if found is None:
        same = wanted.shared and wanted.scale[0] > 0
    else:
        far = MEANING * (255 * np.abs(wanted.scale) + np.abs(wanted.offset))
        same = bool(
            (np.abs(wanted.scale - found.scale) <= MEANING * np.abs(wanted.scale)).all()
            and (np.abs(wanted.offset - found.offset) <= far).all()
        )
    return None if same else "the outputs stand for other real values than in the source"


def _compare_layer(source: Source, k: int, layer: Layer, sums: Sums) -> tuple[LayerVerdict, Values]:
    """Compare a layer that gives integers; also the values that either of the two can give."""
    wanted, step = source.layers[k], layer.step
    assert wanted.lo is not None
    assert wanted.hi is not None
    theirs = source_crossings(source, k, sums)
    if step.lo is None or step.hi is None:  # what is far out differs wherever it lies
        lo, hi = wanted.lo - 1, wanted.hi + 1
    else:
        lo, hi = step.lo, step.hi
    ours = crossings(step.apply, sums, lo, hi)
    runs = segments(sums, theirs.early, theirs.late, ours)
    low, high = wanted.step.bounds(runs.first)
    found = step.apply(runs.first)
    # Unclamped integers may change within a run where they are out of the source's range; they are
    # furthest out at one of its ends.
    off = np.maximum(_off(found, low, high), _off(step.apply(runs.last), low, high))
    verdict = LayerVerdict(
        k,
        wanted.name,
        sums.count,
        np.where(off > 0, runs.length, 0).sum(axis=0),
        off.max(axis=0),
        np.where(low < high, runs.length, 0).sum(axis=0),
        _first(wanted, step, runs, off > 0),
    )
    if k == len(source.layers) - 1:
        # Integers that are the source's are among the source's.
        values = produced(low, high)
        classes = compare_levels(wanted, k, layer, values)
        if isinstance(classes, str):
            return replace(verdict, classes_unproven=classes), values
        return replace(verdict, classes=classes), values
    return verdict, produced(np.concatenate([low, found]), np.concatenate([high, found]))


def _off(
    found: NDArray[np.int64], low: NDArray[np.int64], high: NDArray[np.int64]
) -> NDArray[np.int64]:
    """By how much values lie outside [low, high]."""
    outside: NDArray[np.int64] = np.maximum(np.maximum(low - found, found - high), 0)
    return outside


def _first(
    wanted: SourceLayer, step: Step, runs: Segments, differs: NDArray[np.bool_]
) -> tuple[Difference, ...]:
    """The first differences, by channel, then by sum."""
    sums = runs.sums
    found: list[Difference] = []
    for c, run in np.argwhere(differs.T).tolist():
        for index in range(int(runs.length[run, c])):
            if len(found) == FIRST:
                return tuple(found)
            acc = sums.at(np.full((1, sums.channels), int(runs.start[run, c]) + index))
            low, high = wanted.step.bounds(acc)
            values = (acc, step.apply(acc), low, high)
            found.append(Difference(c, *(int(value[0, c]) for value in values)))
    return tuple(found)
