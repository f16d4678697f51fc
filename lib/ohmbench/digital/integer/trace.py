"""Find the layer at which the values of a network of N layers depart.

Each stage is compared with the one before it, layer by layer:

- *source*: the integers of the runtime that executes the file which the network came from;
- *reference*: real numbers, ``(acc * M + R) / 2**S + Z``, clamped but not rounded, from real sums;
- *integers*: ``golden.infer``, which rounds down at each shift. Its values lie within intervals
  that follow from that alone: less than 1 at each layer, and what the layers before may be off. A
  table of thresholds adds nothing of its own. "step" compares each layer's rounding by itself, at
  the integers' own sums. Against the source, every integer agrees or the import is not exact;
- *Python integers*: ``golden.infer_plain`` for a few inputs; every integer agrees;
- *hardware*: for networks of two layers that it can hold (``two_layers``); every bit agrees.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ohmbench.digital.integer.golden import Inference, infer, infer_plain
from ohmbench.digital.integer.network import Affine, IntegerNetwork, Step
from ohmbench.digital.integer.two_layers import to_int8
from ohmbench.digital.network import Int8Network
from ohmbench.digital.stages import (
    Compared,
    Numbers,
    Reals,
    Stage,
    check_tolerance,
    compare,
    exactly,
)
from ohmbench.digital.trace import Simulate, hardware_stage
from ohmbench.errors import ShapeError

Integers = NDArray[np.int64]
Run: TypeAlias = Callable[[Integers], Sequence[Numbers | None]]
"""Runs inputs, int64 (n, inputs), in the source's runtime: the integers of each layer, (n,
channels), as int64 or float64, or None for a layer whose integers the runtime does not show.
"""

PLAIN = 4
"""Inputs that are run in Python integers."""
# Errors of float64: of a sum of at most 2**16 products, relative to their absolute sum, and of
# four operations on one number. Integers below 2**53 have none.
_SUM_ROUNDING = 1e-11
_STEP_ROUNDING = 1e-15
_WHOLE = 2.0**53


@dataclass(frozen=True)
class Level:
    """One layer of the reference: real sums and values (n, channels), and where integers may lie.

    Sums of integers lie from ``acc_low`` to ``acc_high``, values from ``low`` to ``high``.
    """

    acc: Reals
    acc_low: Reals
    acc_high: Reals
    h: Reals
    low: Reals
    high: Reals


def _whole(x: Reals) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = x == np.rint(x)
    return found


def _real_step(step: Step, acc: Reals) -> tuple[Reals, Reals, Reals]:
    """The unrounded value at ``acc``, and the ends of the interval of its rounding."""
    if not isinstance(step, Affine):
        h = np.empty_like(acc)
        for c, row in enumerate(step.table):
            h[:, c] = step.lo + np.searchsorted(row, acc[:, c] * step.sign[c], side="right")
        return h, h, h
    scale = 2.0**step.S
    value = (acc * step.M + step.R) / scale + step.Z
    size = (np.abs(acc) * np.abs(step.M) + np.abs(step.R)) / scale + abs(step.Z)
    error = np.where(_whole(acc) & (size * scale < _WHOLE), 0, _STEP_ROUNDING * size)
    # The shift drops less than 1: at most all S bits behind the point.
    ends = value - (1 - 1 / scale) - error, value + error
    if step.lo is None or step.hi is None:
        return value, *ends
    lo, hi = step.lo, step.hi
    return np.clip(value, lo, hi), np.clip(ends[0], lo, hi), np.clip(ends[1], lo, hi)


def reference(network: IntegerNetwork, x: Integers) -> list[Level]:
    """Every layer in real numbers for the inputs ``x`` (n, inputs), with the intervals of integers.

    A step is monotone, so the ends of a sum's interval give those of its value.
    """
    levels: list[Level] = []
    h = low = high = x.astype(np.float64)
    for layer in network.layers:
        weight = layer.weight.astype(np.float64).T
        positive, negative = np.maximum(weight, 0), np.minimum(weight, 0)
        size = np.maximum(np.abs(low), np.abs(high)) @ np.abs(weight)
        whole = (_whole(h) & _whole(low) & _whole(high)).all(axis=1, keepdims=True)
        error = np.where(whole & (size < _WHOLE), 0, _SUM_ROUNDING * size)
        acc = h @ weight
        acc_low = low @ positive + high @ negative - error
        acc_high = high @ positive + low @ negative + error
        h, *_ = _real_step(layer.step, acc)
        ends = [end for a in (acc_low, acc_high) for end in _real_step(layer.step, a)[1:]]
        low, high = np.minimum.reduce(ends), np.maximum.reduce(ends)
        levels.append(Level(acc, acc_low, acc_high, h, low, high))
    return levels


def _around(
    layer: int, quantity: str, found: Numbers, expected: Reals, ends: tuple[Reals, Reals]
) -> Compared:
    return Compared(layer, quantity, found.astype(np.float64), expected, *ends)


def _widened(compared: Compared, factor: float) -> Compared:
    """With each tolerance times ``factor``."""
    expected = compared.expected.astype(np.float64)
    low, high = expected - factor * (expected - compared.low), factor * (compared.high - expected)
    return replace(compared, low=low, high=expected + high)


def _source_to_reference(
    levels: Sequence[Level], source: Sequence[Numbers | None]
) -> list[Compared]:
    """The reference against the source: where the interval about the one would hold the other."""
    found = []
    for k, (level, values) in enumerate(zip(levels, source, strict=True)):
        if values is not None:
            given = values.astype(np.float64)
            ends = given - (level.high - level.h), given + (level.h - level.low)
            found.append(_around(k, "h", level.h, given, ends))
    return found


def _reference_to_integers(
    network: IntegerNetwork, levels: Sequence[Level], found: Inference
) -> list[Compared]:
    compared = []
    for k, (layer, level) in enumerate(zip(network.layers, levels, strict=True)):
        compared.append(_around(k, "acc", found.acc[k], level.acc, (level.acc_low, level.acc_high)))
        if k:
            value, *ends = _real_step(layer.step, found.acc[k].astype(np.float64))
            compared.append(_around(k, "step", found.h[k], value, (ends[0], ends[1])))
        compared.append(_around(k, "h", found.h[k], level.h, (level.low, level.high)))
    return compared


def _plain_stage(network: IntegerNetwork, x: Integers, found: Inference) -> Stage:
    few = [infer_plain(network, row) for row in x[:PLAIN]]
    last = len(network.layers) - 1
    quantities = []
    for k in range(last + 1):
        for name in ("acc", "h"):
            plain = np.array([getattr(one, name)[k] for one in few], np.int64)
            quantities.append(exactly(k, name, plain, getattr(found, name)[k][:PLAIN]))
    for name, own in (("classes", "class_"), ("values", "value")):
        plain = np.array([getattr(one, own) for one in few], np.int64)
        quantities.append(exactly(last, name, plain, getattr(found, name)[:PLAIN]))
    note = f"the first {len(few)} inputs, one multiplication at a time"
    return compare("integers -> Python integers", note, quantities)


def _ran(network: IntegerNetwork, x: Integers, run: Run) -> list[Numbers | None]:
    """What the source's runtime gives. Raises ShapeError for other layers than the network's."""
    source = list(run(x))
    if len(source) != len(network.layers):
        raise ShapeError(
            f"the source's runtime shows {len(source)} layers, but the network has "
            f"{len(network.layers)}"
        )
    for k, (values, layer) in enumerate(zip(source, network.layers, strict=True)):
        if values is not None and values.shape != (len(x), layer.channels):
            raise ShapeError(
                f"the source's runtime gives layer {k} of shape {values.shape}, but should be "
                f"({len(x)}, {layer.channels})"
            )
    return source


@dataclass(frozen=True)
class _TwoLayers:
    """The integers by the names that the hardware has for them."""

    hidden: NDArray[np.uint8]
    logits: Integers
    classes: Integers
    values: Integers


def _hardware(two: Int8Network, simulate: Simulate) -> Callable[[Integers, Inference], Stage]:
    """The stage of the hardware, as a function of inputs and integers."""

    def stage(x: Integers, found: Inference) -> Stage:
        hidden, logits = found.h
        values = _TwoLayers(hidden.astype(np.uint8), logits, found.classes, found.values)
        return hardware_stage(two, x.astype(np.uint8), values, simulate)

    return stage


def trace(
    network: IntegerNetwork,
    x: Integers,
    *,
    run: Run | None = None,
    simulate: Simulate | None = None,
    tolerance: float = 1.0,
) -> list[Stage]:
    """Follow the inputs ``x``, int64 (n, inputs), through all available stages.

    ``run`` adds the source, ``simulate`` the hardware; ``tolerance`` multiplies the tolerances
    against real numbers. Raises RangeError, for inputs outside the format or if the hardware does
    not compute such a network, ShapeError, and the errors of ``run`` and ``simulate`` but for
    HardwareFailure, which becomes the ``failure`` of the stage.
    """
    check_tolerance(tolerance)
    hardware = None if simulate is None else _hardware(to_int8(network), simulate)
    found = infer(network, x)
    levels = reference(network, x)
    stages = []

    def real_stage(name: str, note: str, quantities: list[Compared]) -> None:
        stages.append(compare(name, note, [_widened(q, tolerance) for q in quantities]))

    source = None if run is None else _ran(network, x, run)
    if source is not None:
        note = "the source rounds, the reference does not"
        real_stage("source -> reference", note, _source_to_reference(levels, source))
    note = "each shift rounds down by less than 1"
    real_stage("reference -> integers", note, _reference_to_integers(network, levels, found))
    if source is not None:
        shown = [
            exactly(k, "h", found.h[k], values)
            for k, values in enumerate(source)
            if values is not None
        ]
        stages.append(compare("source -> integers", "every integer agrees or it is wrong", shown))
    stages.append(_plain_stage(network, x, found))
    if hardware is not None:
        stages.append(hardware(x, found))
    return stages
