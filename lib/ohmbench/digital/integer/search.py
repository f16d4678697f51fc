"""An input that takes a quantity of an integer network out of its register, if a search finds one.

In layer 0 the extreme inputs are known. For deeper layers, each input in turn is set to its better
end, starting from the best inputs of a network whose steps are linear. What is found is run
through the golden model.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ohmbench.digital.integer.golden import infer
from ohmbench.digital.integer.network import Affine, IntegerNetwork, Step
from ohmbench.digital.integer.ranges import Integers, Span, terms
from ohmbench.digital.widths import Register

_BLOCK = 64
_SWEEPS = 3
SEARCHED = 16
"""Channels of a deeper layer for which an input is searched, the largest overflows first."""


def extreme_input(network: IntegerNetwork, channel: int, *, largest: bool) -> Integers:
    """The input (inputs,) that drives the sum of ``channel`` of layer 0 to its end."""
    row = network.layers[0].weight[channel]
    lo, hi = network.value_range(0)
    return np.where(row > 0 if largest else row < 0, hi, lo).astype(np.int64)


def _head(network: IntegerNetwork, layers: int) -> IntegerNetwork:
    """The first ``layers`` layers."""
    return IntegerNetwork(network.input, network.layers[:layers])


def _slopes(step: Step) -> NDArray[np.float64]:
    """How much values rise with the sums of their channels: (channels,); of a table, the sign."""
    slopes: NDArray[np.float64]
    slopes = step.M / 2.0**step.S if isinstance(step, Affine) else step.sign.astype(np.float64)
    return slopes


def _starts(network: IntegerNetwork, layer: int, row: Integers) -> Integers:
    """Inputs from which to search for a large ``row @ h`` of the inputs ``h`` of ``layer``: the
    best one if the steps were linear, and the smallest.
    """
    wish: NDArray[np.float64] = row.astype(np.float64)
    for before in network.layers[layer - 1 :: -1]:
        wish = (wish * _slopes(before.step)) @ before.weight
    lo, hi = network.value_range(0)
    return np.stack([np.where(wish > 0, hi, lo), np.full(network.inputs, lo)]).astype(np.int64)


def _climb(head: IntegerNetwork, row: Integers, start: Integers) -> Integers:
    """An input with large ``row @ h`` behind ``head``: each in turn is set to its better end."""
    lo, hi = head.value_range(0)
    x = start.copy()
    best = int(row @ infer(head, x[None]).outputs[0])
    for _ in range(_SWEEPS):
        before = best
        for first in range(0, head.inputs, _BLOCK):
            columns = np.arange(first, min(first + _BLOCK, head.inputs))
            tries = np.repeat(x[None], 2 * len(columns), axis=0)
            tries[np.arange(len(columns)), columns] = lo
            tries[len(columns) + np.arange(len(columns)), columns] = hi
            scores = infer(head, tries).outputs @ row
            winner = int(scores.argmax())
            if int(scores[winner]) > best:
                best, x = int(scores[winner]), tries[winner]
        if best == before:
            break
    return x


def _drive(network: IntegerNetwork, layer: int, channel: int, *, largest: bool) -> Integers:
    """Inputs (n, inputs) that may drive the sum of ``channel`` to its end; in layer 0 they do."""
    if layer == 0:
        return extreme_input(network, channel, largest=largest)[None]
    row = network.layers[layer].weight[channel].astype(np.int64)
    row = row if largest else -row
    head = _head(network, layer)
    return np.stack([_climb(head, row, start) for start in _starts(network, layer, row)])


def _rises(step: Step, channel: int) -> bool:
    """Whether the step of ``channel`` rises with its sum (or is constant)."""
    return bool((step.M if isinstance(step, Affine) else step.sign)[channel] >= 0)


def _candidates(
    network: IntegerNetwork, layer: int, quantity: str, channel: int, span: Span, *, largest: bool
) -> Integers:
    """Inputs that may drive ``quantity`` of ``channel`` to its end; ``span``: of layer's inputs."""
    if quantity != "mac":
        up = (
            largest if quantity == "acc" else largest == _rises(network.layers[layer].step, channel)
        )
        return _drive(network, layer, channel, largest=up)
    row = network.layers[layer].weight[channel : channel + 1].astype(np.int64)
    smallest, highest = terms(row, span.low, span.high)
    factor = int(highest.argmax() if largest else smallest.argmin())
    up = largest == bool(row[0, factor] > 0)
    if layer == 0:
        return np.full((1, network.inputs), network.value_range(0)[int(up)], np.int64)
    up = up == _rises(network.layers[layer - 1].step, factor)
    return _drive(network, layer - 1, factor, largest=up)


def _values(
    network: IntegerNetwork, layer: int, quantity: str, channel: int, x: Integers
) -> Integers:
    """``quantity`` of ``channel`` by the golden model, (n, 1), or (n, inputs) for products."""
    there = network.layers[layer]
    found = infer(_head(network, layer + 1), x)
    if quantity == "mac":
        h = x if layer == 0 else found.h[layer - 1]
        return np.asarray(h * there.weight[channel].astype(np.int64), np.int64)
    if quantity == "acc":
        return found.acc[layer][:, [channel]]
    if quantity == "value":
        return found.h[layer][:, [channel]]
    product = found.product[layer]
    assert isinstance(there.step, Affine)
    assert product is not None
    if quantity == "shifted":
        product = (product >> np.int64(there.step.S)) + there.step.Z
    return product[:, [channel]]


def _order(span: Span, register: Register, *, exact: bool) -> list[int]:
    """The channels whose ranges leave ``register``: the first if all are exact, else those that
    leave it furthest.
    """
    excess = np.maximum(span.high - register.high, register.low - span.low)
    beyond = np.flatnonzero(excess > 0)
    if not exact:
        beyond = beyond[np.argsort(-excess[beyond])]
    return [int(channel) for channel in beyond[: 1 if exact else SEARCHED]]


@dataclass(frozen=True, eq=False)
class Overflow:
    """``value`` in ``channel`` leaves its register at ``input``, int64 (inputs,)."""

    channel: int
    value: int
    input: Integers


def overflow(
    network: IntegerNetwork,
    layer: int,
    quantity: str,
    register: Register,
    *,
    inputs: Span,
    span: Span,
    exact: bool,
) -> Overflow | None:
    """An input that takes ``quantity`` of ``layer`` out of ``register``, or None.

    ``span`` is the range of the quantity, ``inputs`` that of the layer's inputs. If ``exact``,
    inputs reach both ends of ``span``, and one is found.
    """
    for channel in _order(span, register, exact=exact):
        for largest, end in ((True, span.high[channel]), (False, span.low[channel])):
            if register.low <= int(end) <= register.high:
                continue
            x = _candidates(network, layer, quantity, channel, inputs, largest=largest)
            values = _values(network, layer, quantity, channel, x)
            place = int(values.argmax() if largest else values.argmin())
            value = int(values.flat[place])
            if not register.low <= value <= register.high:
                return Overflow(channel, value, x[place // values.shape[1]])
    return None
