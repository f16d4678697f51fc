"""What a proof says about a network of N layers: its widths by the options, a table, JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ohmbench.digital.integer.network import IntegerNetwork
from ohmbench.digital.integer.prove import Bound, Certificate, Widths
from ohmbench.digital.prove import RegisterVerdict
from ohmbench.digital.prove_output import bits_text, sizes_text
from ohmbench.errors import OperandError, one_line
from ohmbench.family import Outcome, Table

_QUANTITIES = {
    "acc-bits": "acc",
    "product-bits": "product",
    "bias-bits": "R",
    "scale-bits": "M",
    "shift-bits": "S",
    "weight-bits": "weight",
    "mac-bits": "mac",
    "shifted-bits": "shifted",
    "value-bits": "value",
}
OPTIONS = tuple(_QUANTITIES)
"""Options of ``prove`` that describe the registers of a network of N layers."""


def described_widths(network: IntegerNetwork, given: Mapping[str, Any]) -> Widths:
    """The widths that the options ``given`` describe, for all layers or one per layer.

    Raises OperandError where they are not one per layer.
    """
    layers = len(network.layers)
    for option, bits in given.items():
        if not isinstance(bits, int) and len(bits) != layers:
            raise OperandError(
                f"--{option}: has {len(bits)} widths, but the network has {layers} layers; give "
                "one, or one per layer"
            )
    return Widths(**{_QUANTITIES[option]: bits for option, bits in given.items()})


def _broken_line(bound: Bound) -> str:
    """What is wrong with one register, in one line."""
    register, example = bound.register, bound.counterexample
    place = f"layer {bound.layer}, {bound.quantity} ({register})"
    if example is None:
        return (
            f"{place}: not proven; bounds {bound.low} to {bound.high} need "
            f"{bits_text(bound.needs)}, but no input was found that leaves it"
        )
    how = "is stored" if example.input is None else "is reached"
    which = f", channel {example.channel}" if bound.of_channels else ""
    if bound.beyond > 1:
        count = f"of {bound.beyond} that"
        which += f" (first {count} leave it)" if bound.exact else f" (one {count} may leave it)"
    return (
        f"{place}{which}: {example.value} {how}, {example.kept} is left of it; needs "
        f"{bits_text(bound.needs)}"
    )


def _cell(bound: Bound, value: int, channel: int) -> str:
    return f"{value} ({channel})" if bound.of_channels else str(value)


def _table(network: IntegerNetwork, certificate: Certificate) -> Table:
    title = (
        f"Every input of {network.inputs} integers from {network.input.lo} to {network.input.hi}, "
        f"{sizes_text(network.sizes)}"
    )
    columns = (
        "layer",
        "quantity",
        "smallest\n(channel)",
        "largest\n(channel)",
        "needs",
        "any\ninput",
        "bits",
        "verdict",
    )
    rows = [
        (
            str(b.layer),
            b.quantity,
            _cell(b, b.low, b.low_channel),
            _cell(b, b.high, b.high_channel),
            f"{b.needs} {'signed' if b.signed else 'unsigned'}",
            str(b.format_needs),
            "-" if b.register is None else str(b.register.bits),
            "-" if b.verdict is None else b.verdict.value,
        )
        for b in certificate.bounds
    ]
    return Table(columns, rows, title)


def _partial_line(certificate: Certificate) -> list[str]:
    """What accumulators hold besides the final sums."""
    held = [b for b in certificate.bounds if b.holds_partial_sums is not None]
    if not held:
        return []
    lacking = [str(b.layer) for b in held if not b.holds_partial_sums]
    if not lacking:
        return ["acc: holds every partial sum too, in any order of additions"]
    return [
        f"acc of layer {', '.join(lacking)}: holds the sum, but in some order of additions an "
        "intermediate sum overflows"
    ]


def _absent_lines(certificate: Certificate) -> list[str]:
    """Registers that were asked for and that a layer does not have."""
    asked = dict.fromkeys(b.quantity for b in certificate.bounds if b.register is not None)
    lines = []
    for k in sorted({b.layer for b in certificate.bounds}):
        absent = [quantity for quantity in asked if quantity not in certificate.layer(k)]
        if absent:
            lines.append(f"layer {k}: a table of thresholds, without {', '.join(absent)}")
    return lines


def _lines(name: str, certificate: Certificate) -> list[str]:
    lines = []
    if any(not b.exact for b in certificate.bounds):
        lines.append(
            "layer 0 (mac: also layer 1) is exact; later rows are bounds that perhaps no input "
            "reaches"
        )
    lines.append(
        "needs: bits for the values that the layers before can produce; any input: for all values "
        "of their formats"
    )
    lines += _partial_line(certificate) + _absent_lines(certificate)
    for b in certificate.bounds:
        if b.verdict not in (None, RegisterVerdict.HOLDS):
            lines.append(_broken_line(b))
            if b.counterexample is not None and b.counterexample.input is not None:
                lines.append(f"input: {b.counterexample.input.tolist()}")
    if not certificate.checked:
        verdict = "no widths given, so there is nothing to prove; see --acc-bits and others"
    elif certificate.proven:
        count = certificate.checked
        verdict = f"proven; no input overflows any of {count} register{'s' * (count != 1)}"
    else:
        return lines
    return [*lines, one_line(f"{name}: {verdict}")]


def _bound_json(bound: Bound) -> dict[str, Any]:
    example, register = bound.counterexample, bound.register
    shared = not bound.of_channels
    return {
        "low": bound.low,
        "low_channel": None if shared else bound.low_channel,
        "high": bound.high,
        "high_channel": None if shared else bound.high_channel,
        "exact": bound.exact,
        "signed": bound.signed,
        "needs_bits": bound.needs,
        "format_low": bound.format_low,
        "format_high": bound.format_high,
        "format_needs_bits": bound.format_needs,
        "partial_low": bound.partial_low,
        "partial_high": bound.partial_high,
        "bits": None if register is None else register.bits,
        "verdict": None if bound.verdict is None else bound.verdict.value,
        "holds_format": bound.holds_format,
        "holds_partial_sums": bound.holds_partial_sums,
        "counterexample": None
        if example is None
        else {
            "channel": None if shared else example.channel,
            "value": example.value,
            "kept": example.kept,
            "input": None if example.input is None else example.input.tolist(),
        },
    }


def outcome(name: str, network: IntegerNetwork, certificate: Certificate) -> Outcome:
    """The certificate of the network called ``name`` as table, lines and JSON values."""
    layers = [certificate.layer(k) for k in range(len(network.layers))]
    return Outcome(
        holds=certificate.proven,
        tables=[_table(network, certificate)],
        lines=_lines(name, certificate),
        values={
            "name": name,
            "sizes": list(network.sizes),
            "proven": certificate.proven if certificate.checked else None,
            "layers": [{q: _bound_json(b) for q, b in bounds.items()} for bounds in layers],
        },
        found=certificate,
    )
