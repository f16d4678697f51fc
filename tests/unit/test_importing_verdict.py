"""A verdict's words and numbers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ohmbench.digital.importing.proof import prove_import
from ohmbench.digital.importing.verdict import EXACT, ClassVerdict, LayerVerdict, Verdict
from ohmbench.digital.integer import (
    Affine,
    IntegerNetwork,
    Layer,
)
from tests.unit.import_sources import (
    Formula,
    layer,
    source,
)


def of_layer(k: int, **values: Any) -> LayerVerdict:
    zero = np.zeros(3, np.int64)
    given = {"reachable": zero + 400, "differing": zero, "largest": zero, "undecided": zero}
    return LayerVerdict(k, f"Gemm_{k}", **{**given, **values})


def test_channels_that_are_only_undecided_are_listed() -> None:
    values = of_layer(2, undecided=np.array([0, 1, 0])).values()
    assert values["channels"] == [
        {"channel": 1, "reachable": 400, "differing": 0, "largest": 0, "undecided": 1}
    ]
    assert not values["exact"]


def test_channels_that_differ_are_listed_and_the_largest_difference_counts() -> None:
    found = of_layer(1, differing=np.array([1, 0, 0]), largest=np.array([7, 0, 2]))
    values = found.values()
    assert [channel["channel"] for channel in values["channels"]] == [0]
    assert (values["differing"], values["largest"]) == (1, 7)
    assert found.differs


def test_one_pair_of_outputs_is_enough_to_differ() -> None:
    classes = ClassVerdict(10, 1, 0, None, 0.0, meaning_holds=True)
    assert of_layer(0, classes=classes).differs
    assert not of_layer(0, classes=replace(classes, differing=0)).differs
    assert Verdict(()).line == EXACT


def test_lines_in_the_singular_and_of_several_layers() -> None:
    given = source(
        layer(np.ones((1, 1), np.int8), lambda acc: np.clip(acc, 0, 1), 0, 1), lo=0, hi=1
    )
    step = Affine(np.array([1]), np.array([1]), 0, 0, 0, 5)
    network = IntegerNetwork(given.input, (Layer(given.layers[0].weight, step),))
    assert prove_import(given, network).line.startswith(
        "not exact: 2 of 2 reachable accumulators of layer 0 differ by at most 1; first: "
    )
    step = Affine(np.array([1]), np.array([0]), 0, 0, -1, 0)
    network = IntegerNetwork(given.input, (Layer(given.layers[0].weight, step),))
    assert prove_import(given, network).line == (
        "not exact: 1 of 2 reachable accumulators of layer 0 differs by 1; first: layer 0, "
        "channel 0, accumulator 1: 0, but the source gives 1"
    )
    layers = (
        of_layer(0, undecided=np.array([1, 2, 0])),
        of_layer(1),
        of_layer(2, undecided=np.array([0, 0, 9])),
    )
    decides = "the order of the source's floating-point additions decides"
    assert Verdict(layers).line == (
        "exact but for rounding in the source: at 12 of 2 400 reachable accumulators of layers 0, "
        f"2 {decides} the value"
    )
    outputs = of_layer(3, classes=ClassVerdict(5000, 0, 7, None, 0.0, True))
    assert Verdict((*layers, outputs)).line == (
        "exact but for rounding in the source: at 12 of 2 400 reachable accumulators of layers 0, "
        f"2 {decides} the value and for 7 of 5 000 pairs of outputs it decides which is larger"
    )
    assert Verdict((of_layer(0), outputs)).line == (
        f"exact but for rounding in the source: for 7 of 5 000 pairs of outputs {decides} which is "
        "larger"
    )
    unproven = of_layer(1, unproven="layer 1 was too long")
    assert Verdict((of_layer(0), unproven, outputs)).line == "not proven: layer 1 was too long"
    assert not Verdict((of_layer(0), unproven)).exact
    assert not Verdict((of_layer(0), unproven)).differs
    assert Verdict((of_layer(0), of_layer(1))).line == EXACT
    assert EXACT == (
        "exact: every input gives the source's integers, and the source's order of outputs"
    )
    open_ = of_layer(1, classes_unproven="layer 1 was too wide")
    assert Verdict((of_layer(0), open_)).line == "classes not proven: layer 1 was too wide"
    assert not Verdict((of_layer(0), open_)).exact
    assert not Verdict((of_layer(0), open_)).differs
    assert Verdict((unproven, open_)).line == "not proven: layer 1 was too long"


def test_the_source_is_named_with_both_its_ends() -> None:
    line = np.ones((1, 1), np.int8)
    ends = Formula(lambda acc: np.clip(acc, 0, 7), lambda acc: np.clip(acc + 2, 0, 7))
    given = source(layer(line, ends, 0, 7), lo=0, hi=9)
    step = Affine(np.array([1]), np.array([4]), 0, 0, 0, 7)
    verdict = prove_import(given, IntegerNetwork(given.input, (Layer(line, step),)))
    assert (
        "first: layer 0, channel 0, accumulator 0: 4, but the source gives 0 to 2" in verdict.line
    )
