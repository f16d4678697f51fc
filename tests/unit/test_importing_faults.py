"""Planted faults, one per arithmetic rule: the proof finds each, where it is and how often.

The second of two layers follows another rule in channel 2 than the source.
"""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ohmbench.digital.importing.proof import prove_import
from ohmbench.digital.importing.source import Source
from ohmbench.digital.importing.verdict import EXACT
from ohmbench.digital.integer import (
    IntegerNetwork,
    Layer,
    Thresholds,
)
from tests.unit.import_sources import (
    assert_enumerated,
    layer,
    source,
    weights,
)

SCALE = np.array([0.25, 0.25, 0.5, 0.125])


def clamp(values: NDArray[Any], lo: int = -128, hi: int = 127) -> NDArray[np.int64]:
    found: NDArray[np.int64] = np.clip(values, lo, hi).astype(np.int64)
    return found


def high_product(acc: NDArray[np.int64], multiplier: int) -> NDArray[np.int64]:
    """TFLite's SaturatingRoundingDoublingHighMul: (2 a m + 2**30 nudged) / 2**31, half away."""
    product = acc * multiplier
    nudge = np.where(product >= 0, 1 << 30, 1 - (1 << 30))
    total = product + nudge
    found: NDArray[np.int64] = np.where(total >= 0, total >> 31, -((-total) >> 31))
    return found


def divided(x: NDArray[np.int64], shift: int) -> NDArray[np.int64]:
    """TFLite's RoundingDivideByPOT: half away from zero."""
    rest = x & ((1 << shift) - 1)
    limit = ((1 << shift) - 1 >> 1) + (x < 0)
    return (x >> shift) + (rest > limit)


MULTIPLIER, SHIFT = 1_518_500_250, 3


def single(acc: NDArray[np.int64]) -> NDArray[np.int64]:
    total = 31 + SHIFT
    return (acc * MULTIPLIER + (1 << (total - 1))) >> total


RULES: dict[str, tuple[Any, Any]] = {
    # name: the source's rule, the faulty rule; of sums and scales
    "zero point before rounding": (
        lambda a, s: clamp(np.rint(a * s) + 3),
        lambda a, s: clamp(np.rint(a * s + 3)),
    ),
    "clamp before the zero point": (
        lambda a, s: clamp(np.rint(a * s) + 3, -99, 99),
        lambda a, s: clamp(np.rint(a * s), -99, 99) + 3,
    ),
    "clamp before the scale": (
        lambda a, s: clamp(np.rint(a * s)),
        lambda a, s: clamp(np.rint(np.clip(a, -128, 127) * s)),
    ),
    "half away from zero": (
        lambda a, s: clamp(np.rint(a * s)),
        lambda a, s: clamp(np.sign(a) * np.floor(np.abs(a * s) + 0.5)),
    ),
    "half up": (
        lambda a, s: clamp(np.rint(a * s)),
        lambda a, s: clamp(np.floor(a * s + 0.5)),
    ),
    "half even": (
        lambda a, s: clamp(np.floor(a * s + 0.5)),
        lambda a, s: clamp(np.rint(a * s)),
    ),
    "truncation": (
        lambda a, s: clamp(np.rint(a * s)),
        lambda a, s: clamp(np.trunc(a * s)),
    ),
    "floor": (
        lambda a, s: clamp(np.rint(a * s)),
        lambda a, s: clamp(np.floor(a * s)),
    ),
    "narrow off": (
        lambda a, s: clamp(np.rint(a * s), -127, 127),
        lambda a, s: clamp(np.rint(a * s)),
    ),
    "narrow on": (
        lambda a, s: clamp(np.rint(a * s)),
        lambda a, s: clamp(np.rint(a * s), -127, 127),
    ),
    "signedness": (
        lambda a, s: clamp(np.rint(a * s)),
        lambda a, s: clamp(np.rint(a * s), 0, 127),
    ),
    "wrong sign": (
        lambda a, s: clamp(np.rint(a * s)),
        lambda a, s: clamp(np.rint(-a * s)),
    ),
    "wrong channel axis": (
        lambda a, s: clamp(np.rint(a * s)),
        lambda a, s: clamp(np.rint(a * s[0])),
    ),
    "bias scale": (
        lambda a, s: clamp(np.rint((a + 7) * s)),
        lambda a, s: clamp(np.rint(a * s + 7)),
    ),
    "double rounding": (
        lambda a, s: clamp(single(a)),
        lambda a, s: clamp(divided(high_product(a, MULTIPLIER), SHIFT)),
    ),
    "single rounding": (
        lambda a, s: clamp(divided(high_product(a, MULTIPLIER), SHIFT)),
        lambda a, s: clamp(single(a)),
    ),
    "M one larger": (
        lambda a, s: clamp((a * 181 + 128) >> 8),
        lambda a, s: clamp((a * 182 + 128) >> 8),
    ),
    "R one larger": (
        lambda a, s: clamp((a * 181 + 128) >> 8),
        lambda a, s: clamp((a * 181 + 129) >> 8),
    ),
    "R one smaller": (
        lambda a, s: clamp((a * 181 + 128) >> 8),
        lambda a, s: clamp((a * 181 + 127) >> 8),
    ),
    "S one larger": (
        lambda a, s: clamp((a * 181 + 128) >> 8),
        lambda a, s: clamp((a * 181 + 128) >> 9),
    ),
    "S one smaller": (
        lambda a, s: clamp((a * 181 + 128) >> 8),
        lambda a, s: clamp((a * 181 + 128) >> 7),
    ),
    "Z one larger": (
        lambda a, s: clamp((a * 181 + 128) >> 8),
        lambda a, s: clamp(((a * 181 + 128) >> 8) + 1),
    ),
    "shift before the product": (
        lambda a, s: clamp((a * 181 + 128) >> 8),
        lambda a, s: clamp(((a >> 2) * 181 + 32) >> 6),
    ),
}


def two_layers(rule: Any) -> Source:
    """Layer 0 passes 255 inputs on; layer 1 adds three of them per channel and follows ``rule``."""
    rng = np.random.default_rng(7)
    first = layer(np.eye(3, dtype=np.int8), lambda acc: clamp(acc), -128, 127, name="Gemm_0")
    weight = weights(rng, 4, 3, 2)
    weight[:, 0] = 1
    second = layer(weight, lambda acc: rule(acc, SCALE), -255, 255, name="Gemm_1")
    return source(first, dataclasses.replace(second, lo=-255), lo=-128, hi=127)


def in_channel_2(rule: Any, faulty: Any) -> Any:
    def values(acc: NDArray[np.int64], scale: NDArray[np.float64]) -> NDArray[np.int64]:
        found: NDArray[np.int64] = rule(acc, scale).copy()
        found[:, 2] = faulty(acc, scale)[:, 2]
        return found

    return values


@pytest.mark.parametrize("name", RULES)
def test_a_planted_rule_is_found(name: str) -> None:
    rule, faulty = RULES[name]
    given = two_layers(rule)
    assert prove_import(given, tabulated(given)).line == EXACT
    network = tabulated(two_layers(in_channel_2(rule, faulty)))
    verdict = prove_import(given, network)
    assert_enumerated(verdict, given, network)
    assert not verdict.exact
    assert verdict.differs
    wrong = verdict.layers[1]
    assert verdict.layers[0].exact
    assert wrong.name == "Gemm_1"
    assert np.flatnonzero(wrong.differing).tolist() == [2]
    assert {one.channel for one in wrong.first} == {2}
    first = wrong.first[0]
    acc = np.full((1, 4), first.acc)
    assert first.found == int(faulty(acc, SCALE)[0, 2])
    assert first.low == first.high == int(rule(acc, SCALE)[0, 2])
    assert f"first: layer 1, channel 2, accumulator {first.acc}: {first.found}, but" in verdict.line


def tabulated(given: Source) -> IntegerNetwork:
    """The network whose steps are the source's values at every sum, without the fitting."""
    layers = []
    for one in given.layers:
        ends = np.abs(one.weight.astype(np.int64)).sum(axis=1) * 128
        acc = np.arange(-ends.max(), ends.max() + 1)[:, None] + np.zeros_like(ends)
        values = one.step.bounds(acc)[0]
        sign = np.where(values[-1] >= values[0], 1, -1)
        lo, hi = int(values.min()), max(int(values.max()), int(values.min()) + 1)
        table = [
            [
                min(
                    (a * s for a, v in zip(acc[:, c].tolist(), column, strict=True) if v >= k),
                    default=2**40,
                )
                for k in range(lo + 1, hi + 1)
            ]
            for c, (s, column) in enumerate(zip(sign.tolist(), values.T.tolist(), strict=True))
        ]
        step = Thresholds(np.array(table), sign.astype(np.int8), lo)
        layers.append(Layer(one.weight, step, meaning=one.meaning))
    return IntegerNetwork(given.input, tuple(layers))


def test_values_are_json_with_the_channels_that_matter() -> None:
    given = two_layers(RULES["truncation"][0])
    network = tabulated(two_layers(in_channel_2(*RULES["truncation"])))
    values = prove_import(given, network).values()
    assert json.loads(json.dumps(values)) == values
    assert set(values) == {"exact", "differs", "line", "problem", "layers"}
    assert values["problem"] is None
    first, second = values["layers"]
    assert (first["exact"], first["channels"], first["first"]) == (True, [], [])
    assert (second["layer"], second["name"], second["exact"]) == (1, "Gemm_1", False)
    assert [one["channel"] for one in second["channels"]] == [2]
    (channel,) = second["channels"]
    assert channel["differing"] == second["differing"] > 0
    assert channel["reachable"] < second["reachable"]
    assert channel["largest"] == second["largest"] == 1
    assert channel["undecided"] == second["undecided"] == 0
    assert second["unproven"] is None
    assert second["classes_unproven"] is None
    assert second["classes"]["differing"] == 0
    assert "classes" not in first
    assert set(second["first"][0]) == {"channel", "acc", "found", "low", "high"}
