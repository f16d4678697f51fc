"""Can any input overflow a register of an integer network? Ranges of everything that N layers hold.

Two ranges of each quantity of each layer are computed, per channel:

- over all inputs of the layer's format, whatever the layer before gives;
- over the inputs that the layers before can produce: the range of each of their values, channel by
  channel, is propagated through the steps, which are monotone.

In layer 0 both are the same, and inputs reach their ends. Values of a deeper layer share their
inputs, so its ranges are bounds that perhaps no input reaches. (A single product of layer 1 is
exact again: it has one factor.) A possible overflow there is called broken only if a search finds
an input that the golden model takes out of the register; otherwise it is "not proven".

In two's complement a partial sum may leave its register and come back, so the final sums decide.
Whether the register holds every partial sum too, in any order of additions, is said besides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from ohmbench.digital.integer.network import IntegerNetwork, Layer
from ohmbench.digital.integer.ranges import (
    PARAMETERS,
    Integers,
    Span,
    layer_spans,
    partial_sums,
    reachable,
)
from ohmbench.digital.integer.search import overflow
from ohmbench.digital.prove import RegisterVerdict
from ohmbench.digital.widths import Register, bits_needed
from ohmbench.errors import RangeError, ShapeError

Bits: TypeAlias = int | Sequence[int | None] | None
"""One width for all layers, one per layer, or None where no register is given."""

WIDEST = 64


@dataclass(frozen=True)
class Widths:
    """The widths in bits of an accelerator's registers, by quantity.

    ``weight``, ``M``, ``R`` and ``S`` are stored parameters; ``mac`` is one weight times one input,
    ``acc`` their sum, ``product`` is ``acc * M + R``, ``shifted`` the same behind the shift and
    ``Z`` but before the clamp, ``value`` the layer's output. A register is signed (two's
    complement) if its quantity can be negative for some input of the layer's format; a weight of
    one bit is -1 or +1. Raises RangeError for a width outside 1 to 64.
    """

    weight: Bits = None
    M: Bits = None
    R: Bits = None
    S: Bits = None
    mac: Bits = None
    acc: Bits = None
    product: Bits = None
    shifted: Bits = None
    value: Bits = None

    def __post_init__(self) -> None:
        for name, bits in vars(self).items():
            for width in bits if isinstance(bits, Sequence) else (bits,):
                if width is not None and not 1 <= width <= WIDEST:
                    raise RangeError(
                        f"the width of {name} is {width}, but should be 1 to {WIDEST} bits"
                    )

    def check_layers(self, layers: int) -> None:
        """Raise ShapeError where widths are given per layer, but not one for each."""
        for name, bits in vars(self).items():
            if isinstance(bits, Sequence) and len(bits) != layers:
                raise ShapeError(
                    f"{len(bits)} widths of {name} for {layers} layers; give one, or one per layer"
                )

    def of(self, quantity: str, layer: int) -> int | None:
        """The width of ``quantity`` in ``layer``, or None."""
        bits: Bits = getattr(self, quantity)
        return bits[layer] if isinstance(bits, Sequence) else bits


@dataclass(frozen=True, eq=False)
class Counterexample:
    """An input, int64 (inputs,), that overflows a register in ``channel``.

    ``value`` is that of the golden model, ``kept`` what remains of it in the register. ``input`` is
    None if a stored parameter does not fit, whatever the input.
    """

    channel: int
    value: int
    kept: int
    input: Integers | None


@dataclass(frozen=True)
class Bound:
    """The range of one quantity of one layer: ``low`` (in ``low_channel``) to ``high``.

    ``low`` and ``high`` are over the inputs that the layers before can produce, ``format_low`` and
    ``format_high`` over all inputs of the layer's format. If ``exact``, inputs of the network reach
    ``low`` and ``high``. ``bipolar`` weights are -1 and +1 alone. ``partial_low`` and
    ``partial_high``, of ``acc`` only, are the range of every partial sum in any order of additions.
    ``register`` and ``verdict`` are None if no width is given; ``beyond`` is the number of channels
    whose ranges exceed the register.
    """

    layer: int
    quantity: str
    low: int
    high: int
    low_channel: int
    high_channel: int
    format_low: int
    format_high: int
    exact: bool
    bipolar: bool = False
    partial_low: int | None = None
    partial_high: int | None = None
    register: Register | None = None
    verdict: RegisterVerdict | None = None
    counterexample: Counterexample | None = None
    beyond: int = 0

    @property
    def signed(self) -> bool:
        """Whether its registers are in two's complement: it can be negative, or is a weight."""
        return self.format_low < 0 or self.quantity == "weight"

    @property
    def of_channels(self) -> bool:
        """Whether each channel has its own value here; otherwise one value serves all."""
        return self.quantity != "S"

    @property
    def needs(self) -> int:
        """Bits of the narrowest register that holds ``low`` to ``high``."""
        return 1 if self.bipolar else bits_needed(self.low, self.high, signed=self.signed)

    @property
    def format_needs(self) -> int:
        """Bits of the narrowest register that holds every input of the layer's format."""
        low, high = self.format_low, self.format_high
        return 1 if self.bipolar else bits_needed(low, high, signed=self.signed)

    @property
    def holds_format(self) -> bool | None:
        """Whether the register holds every input of the layer's format; None without one."""
        return None if self.register is None else self.format_needs <= self.register.bits

    @property
    def holds_partial_sums(self) -> bool | None:
        """Whether the accumulator holds every partial sum too; None for other quantities."""
        if self.register is None or self.partial_low is None or self.partial_high is None:
            return None
        return self.register.low <= self.partial_low and self.partial_high <= self.register.high


@dataclass(frozen=True)
class Certificate:
    """The bounds of every layer, in the order of the data path."""

    bounds: tuple[Bound, ...]

    @property
    def checked(self) -> int:
        """Number of registers whose widths were given."""
        return sum(bound.register is not None for bound in self.bounds)

    @property
    def proven(self) -> bool:
        """Whether no input can overflow any register whose width was given."""
        return self.first_failure is None

    @property
    def first_failure(self) -> Bound | None:
        """The first bound that does not hold, in the order of the data path, or None."""
        return next(
            (b for b in self.bounds if b.verdict not in (None, RegisterVerdict.HOLDS)), None
        )

    def layer(self, k: int) -> dict[str, Bound]:
        """The bounds of layer ``k`` by quantity."""
        return {bound.quantity: bound for bound in self.bounds if bound.layer == k}


def _judged(
    network: IntegerNetwork, bound: Bound, register: Register, inputs: Span, span: Span
) -> Bound:
    """``bound`` with the verdict on its register."""
    out = (span.low < register.low) | (span.high > register.high)
    if bound.bipolar or not out.any():
        return replace(bound, register=register, verdict=RegisterVerdict.HOLDS)
    example = None
    if bound.quantity in PARAMETERS:
        channel = int(out.argmax())
        high, low = int(span.high[channel]), int(span.low[channel])
        value = high if high > register.high else low
        example = Counterexample(channel, value, register.kept(value), None)
    else:
        found = overflow(
            network,
            bound.layer,
            bound.quantity,
            register,
            inputs=inputs,
            span=span,
            exact=bound.exact,
        )
        if found is not None:
            kept = register.kept(found.value)
            example = Counterexample(found.channel, found.value, kept, found.input)
    return replace(
        bound,
        register=register,
        verdict=RegisterVerdict.NOT_PROVEN if example is None else RegisterVerdict.BROKEN,
        counterexample=example,
        beyond=int(out.sum()),
    )


def _bound(layer: Layer, k: int, quantity: str, span: Span, whole: Span, partial: Span) -> Bound:
    """``span``: over the inputs that can be reached; ``whole``: over those of the format."""
    low_channel, high_channel = int(span.low.argmin()), int(span.high.argmax())
    return Bound(
        layer=k,
        quantity=quantity,
        low=int(span.low[low_channel]),
        high=int(span.high[high_channel]),
        low_channel=low_channel,
        high_channel=high_channel,
        format_low=int(whole.low.min()),
        format_high=int(whole.high.max()),
        exact=quantity in PARAMETERS or k == 0 or (quantity == "mac" and k == 1),
        bipolar=quantity == "weight" and bool((np.abs(layer.weight) == 1).all()),
        partial_low=int(partial.low.min()) if quantity == "acc" else None,
        partial_high=int(partial.high.max()) if quantity == "acc" else None,
    )


def prove(network: IntegerNetwork, widths: Widths = Widths()) -> Certificate:
    """The range of every quantity of every layer, compared with the registers of ``widths``.

    Raises ShapeError if widths are given per layer, but not one for each.
    """
    widths.check_layers(len(network.layers))
    bounds = []
    for k, (layer, inputs) in enumerate(zip(network.layers, reachable(network), strict=True)):
        lo, hi = (np.full(layer.inputs, end, np.int64) for end in network.value_range(k))
        whole = layer_spans(layer, lo, hi)
        partial = partial_sums(layer, inputs.low, inputs.high)
        for quantity, span in layer_spans(layer, inputs.low, inputs.high).items():
            bound = _bound(layer, k, quantity, span, whole[quantity], partial)
            bits = widths.of(quantity, k)
            if bits is not None:
                register = Register(f"{quantity}{k}", bits, bound.signed)
                bound = _judged(network, bound, register, inputs, span)
            bounds.append(bound)
    return Certificate(tuple(bounds))
