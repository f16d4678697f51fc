"""Can any image overflow a register? Worst cases over all inputs, decided without simulation.

Each input is an independent integer from 0 to 255, so the sum of a row of weights is largest if
each positive weight meets 255 and each negative one 0 (in hardware that adds an offset to its
weights: if all meet 255). This gives the exact range of layer 0 and of each hidden value, and the
images that reach its ends. Hidden values share their inputs, so ranges of layer 1, computed one
hidden neuron at a time, are bounds that perhaps no image reaches. A possible overflow there is
called broken only if a search finds an image; otherwise it is "not proven".

A partial sum may leave its register and come back. In two's complement the final sum is still
right, so only final sums are compared. (Sums with an offset only grow.)
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from ohmbench.digital.golden import ACTIVATION_MAX, infer
from ohmbench.digital.network import Int8Network
from ohmbench.digital.widths import Hardware, Register, bits_needed
from ohmbench.errors import RangeError, ShapeError

Integers = NDArray[np.int64]


class RegisterVerdict(str, Enum):
    """The verdict on a register: it holds all values, an image breaks it, or neither was shown."""

    HOLDS = "holds"
    BROKEN = "BROKEN"
    NOT_PROVEN = "not proven"


@dataclass(frozen=True)
class Counterexample:
    """An image, uint8 (inputs,), that overflows ``register`` of ``neuron``.

    ``value`` is that of the golden model (with the hardware's offset), ``kept`` the value that
    remains in the register. ``image`` is None if a stored parameter does not fit, whatever the
    image.
    """

    register: Register
    neuron: int
    value: int
    kept: int
    image: NDArray[np.uint8] | None


@dataclass(frozen=True)
class Bound:
    """The range of values of one register: ``low`` (in ``low_neuron``) to ``high``.

    If ``exact``, images reach both ends; otherwise they are bounds. ``needs`` is the sufficient
    width in bits; ``beyond`` is the number of neurons whose ranges exceed the register.
    """

    register: Register
    low: int
    high: int
    low_neuron: int
    high_neuron: int
    exact: bool
    verdict: RegisterVerdict
    counterexample: Counterexample | None = None
    beyond: int = 0

    @property
    def needs(self) -> int:
        """Bits of the narrowest register of the same signedness that holds ``low`` to ``high``."""
        return bits_needed(self.low, self.high, signed=self.register.signed)

    @property
    def of_neurons(self) -> bool:
        """Whether each neuron has its own value here; otherwise one value serves all."""
        return self.register.name not in ("M", "S")


@dataclass(frozen=True)
class Certificate:
    """One bound per register, in the order of the data path."""

    hardware: Hardware
    bounds: tuple[Bound, ...]

    @property
    def proven(self) -> bool:
        """Whether no image can overflow any register."""
        return all(bound.verdict is RegisterVerdict.HOLDS for bound in self.bounds)

    @property
    def first_failure(self) -> Bound | None:
        """The first bound that does not hold, in the order of the data path, or None."""
        return next((b for b in self.bounds if b.verdict is not RegisterVerdict.HOLDS), None)


@dataclass(frozen=True)
class _Span:
    """The smallest and largest value of one quantity for each neuron, int64 (neurons,)."""

    low: Integers
    high: Integers
    exact: bool = True


def _row_span(weight: Integers, low: Integers, high: Integers, *, exact: bool) -> _Span:
    """Range of ``weight @ x`` (rows,) over all x (columns,) from ``low`` to ``high``."""
    positive: Integers = np.maximum(weight, 0)
    negative: Integers = np.minimum(weight, 0)
    return _Span(positive @ low + negative @ high, positive @ high + negative @ low, exact)


def _term_span(weight: Integers, low: Integers, high: Integers) -> _Span:
    """Range of the single products ``weight * x``, for each row."""
    ends = np.stack([weight * low, weight * high])
    return _Span(ends.min(axis=(0, 2)), ends.max(axis=(0, 2)))


def spans(network: Int8Network, offset: int = 0) -> dict[str, _Span]:
    """Range of every quantity over all images, by the names of ``Hardware.registers``.

    ``mac`` and ``acc`` include the ``offset`` added to each weight.
    """
    w0, w1 = (w.astype(np.int64) for w in network.weight)
    b0, b1 = (b.astype(np.int64) for b in network.bias)
    none: Integers = np.zeros(network.inputs, np.int64)
    full: Integers = np.full(network.inputs, 255, np.int64)
    M, S = (np.array([value], np.int64) for value in (network.M, network.S))
    row0 = _row_span(w0, none, full, exact=True)
    sum0 = _Span(row0.low + b0, row0.high + b0)
    r = _Span(np.maximum(sum0.low, 0), np.maximum(sum0.high, 0))
    product = _Span(r.low * network.M, r.high * network.M)
    hidden = _Span(
        np.minimum(product.low >> network.S, ACTIVATION_MAX),
        np.minimum(product.high >> network.S, ACTIVATION_MAX),
    )
    row1 = _row_span(w1, hidden.low, hidden.high, exact=False)
    return {
        "weight0": _Span(w0.min(axis=1), w0.max(axis=1)),
        "weight1": _Span(w1.min(axis=1), w1.max(axis=1)),
        "bias0": _Span(b0, b0),
        "bias1": _Span(b1, b1),
        "M": _Span(M, M),
        "S": _Span(S, S),
        "mac0": _term_span(w0 + offset, none, full),
        "acc0": _row_span(w0 + offset, none, full, exact=True),
        "sum0": sum0,
        "r": r,
        "product": product,
        "hidden": hidden,
        "mac1": _term_span(w1 + offset, hidden.low, hidden.high),
        "acc1": _row_span(w1 + offset, hidden.low, hidden.high, exact=False),
        "logit": _Span(row1.low + b1, row1.high + b1, exact=False),
    }


_PARAMETERS = ("weight0", "weight1", "bias0", "bias1", "M", "S")


def extreme_image(
    network: Int8Network, neuron: int, *, largest: bool, offset: int = 0
) -> NDArray[np.uint8]:
    """The image (inputs,) that drives the sum of a hidden ``neuron`` to its end."""
    row = network.weight[0][neuron].astype(np.int64) + offset
    return np.where(row > 0 if largest else row < 0, 255, 0).astype(np.uint8)


def _reached(network: Int8Network, name: str, images: NDArray[np.uint8], offset: int) -> _Span:
    """Ends of the range of quantity ``name`` for ``images``, each (n, neurons), by the golden
    model."""
    found = infer(network, images)
    x, h = images.astype(np.int64), found.hidden.astype(np.int64)
    w0, w1 = (w.astype(np.int64) for w in network.weight)
    if name in ("mac0", "mac1"):
        w, a = (w0, x) if name == "mac0" else (w1, h)
        terms = (w + offset)[None] * a[:, None]
        return _Span(terms.min(axis=2), terms.max(axis=2))
    value = {
        "acc0": found.acc0 - network.bias[0] + offset * x.sum(axis=1, keepdims=True),
        "sum0": found.acc0,
        "r": found.r,
        "product": found.product,
        "hidden": h,
        "acc1": found.logits - network.bias[1] + offset * h.sum(axis=1, keepdims=True),
        "logit": found.logits,
    }[name]
    return _Span(value, value)


def _climb(network: Int8Network, row: Integers, start: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """An image with large ``row @ hidden``: each input in turn is set to its better end."""
    image = start.copy()
    best = int(row @ infer(network, image[None]).hidden[0].astype(np.int64))
    for _ in range(3):
        before = best
        for lo in range(0, network.inputs, 64):
            columns = np.arange(lo, min(lo + 64, network.inputs))
            tries = np.repeat(image[None], 2 * len(columns), axis=0)
            tries[np.arange(len(columns)), columns] = 0
            tries[len(columns) + np.arange(len(columns)), columns] = 255
            scores = infer(network, tries).hidden.astype(np.int64) @ row
            winner = int(scores.argmax())
            if int(scores[winner]) > best:
                best, image = int(scores[winner]), tries[winner]
        if best == before:
            break
    return image


def _candidates(
    network: Int8Network, name: str, neuron: int, *, largest: bool, offset: int
) -> NDArray[np.uint8]:
    """Images that may drive the quantity ``name`` of ``neuron`` to its end; in layer 0 they do."""
    if name == "mac0":
        return np.full((1, network.inputs), 255, np.uint8)
    if name == "acc0":
        return extreme_image(network, neuron, largest=largest, offset=offset)[None]
    if name in ("sum0", "r", "product", "hidden"):
        return extreme_image(network, neuron, largest=largest)[None]
    row = network.weight[1][neuron].astype(np.int64) + (offset if name == "acc1" else 0)
    row = row if largest else -row
    if name == "mac1":
        ends = [extreme_image(network, j, largest=True) for j in range(network.hidden)]
        return np.stack(ends)
    # The best inputs for the row if the layers were linear.
    wish = row @ network.weight[0].astype(np.int64)
    starts = np.stack([np.where(wish > 0, 255, 0), np.zeros(network.inputs)]).astype(np.uint8)
    return np.stack([_climb(network, row, start) for start in starts])


def _counterexample(
    network: Int8Network, register: Register, span: _Span, offset: int
) -> Counterexample | None:
    """The first neuron whose value overflows ``register``, with an image that shows it."""
    above, below = span.high > register.high, span.low < register.low
    for neuron in np.nonzero(above | below)[0].tolist():
        largest = bool(above[neuron])
        if register.name in _PARAMETERS:
            value = int((span.high if largest else span.low)[neuron])
            return Counterexample(register, neuron, value, register.kept(value), None)
        images = _candidates(network, register.name, neuron, largest=largest, offset=offset)
        reached = _reached(network, register.name, images, offset)
        values = (reached.high if largest else reached.low)[:, neuron]
        best = int(values.argmax() if largest else values.argmin())
        value = int(values[best])
        if not register.low <= value <= register.high:
            return Counterexample(register, neuron, value, register.kept(value), images[best])
    return None


def _bound(network: Int8Network, register: Register, span: _Span, offset: int) -> Bound:
    low_neuron, high_neuron = int(span.low.argmin()), int(span.high.argmax())
    low, high = int(span.low[low_neuron]), int(span.high[high_neuron])
    verdict, example = RegisterVerdict.HOLDS, None
    if low < register.low or high > register.high:
        example = _counterexample(network, register, span, offset)
        verdict = RegisterVerdict.NOT_PROVEN if example is None else RegisterVerdict.BROKEN
    beyond = int(((span.low < register.low) | (span.high > register.high)).sum())
    return Bound(register, low, high, low_neuron, high_neuron, span.exact, verdict, example, beyond)


def check_sizes(network: Int8Network, hardware: Hardware) -> None:
    """Raise ShapeError when ``network`` has more inputs, neurons or classes than ``hardware``."""
    for name in ("inputs", "hidden", "classes"):
        has, holds = getattr(network, name), getattr(hardware, name)
        if has > holds:
            raise ShapeError(f"the network has {has} {name}, but the hardware holds {holds}")


def prove(network: Int8Network, hardware: Hardware) -> Certificate:
    """Compare every register with the range of values that images can put into it.

    Raises ShapeError if the network is larger than the hardware.
    """
    check_sizes(network, hardware)
    offset = hardware.offset
    registers = hardware.registers()
    return Certificate(
        hardware,
        tuple(
            _bound(network, registers[name], span, offset)
            for name, span in spans(network, offset).items()
        ),
    )


def check_fits(network: Int8Network, hardware: Hardware) -> None:
    """Raise ShapeError or RangeError unless ``hardware`` provably computes ``network`` exactly."""
    bound = prove(network, hardware).first_failure
    if bound is None:
        return
    register = bound.register
    raise RangeError(
        f"{register.name} runs from {bound.low} to {bound.high} and needs {bound.needs} bits, but "
        f"the hardware has {register}"
    )
