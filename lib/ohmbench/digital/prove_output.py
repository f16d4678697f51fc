"""What a proof says about a two-layer network: its hardware by the options, a table, JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ohmbench.digital.network import Int8Network
from ohmbench.digital.prove import Bound, Certificate, RegisterVerdict, check_sizes
from ohmbench.digital.widths import PUBLISHED_HARDWARE, Hardware
from ohmbench.errors import OperandError, ShapeError, one_line
from ohmbench.family import Accelerators, Outcome, Table

SIZES = ("inputs", "hidden", "classes")
PUBLISHED = "published"
"""The value of ``hardware`` for the paper's registers."""
_WIDTHS = {
    "acc-bits": ("acc0_bits", "acc1_bits"),
    "sum-bits": ("sum0_bits", "logit_bits"),
    "r-bits": ("r_bits",),
    "product-bits": ("product_bits",),
    "bias-bits": ("bias_bits",),
    "scale-bits": ("scale_bits",),
    "shift-bits": ("shift_bits",),
}
OPTIONS = ("hardware", *SIZES, "lanes", *_WIDTHS)
"""Options of ``prove`` that describe the hardware of a two-layer network."""


def described_hardware(
    network: Int8Network, given: Mapping[str, Any], accelerators: Accelerators
) -> Hardware:
    """The hardware that the options ``given`` describe.

    Raises ShapeError or RangeError for what is too small, or what our Verilog refuses, and
    OperandError for widths per layer.
    """
    published = given.get("hardware") == PUBLISHED
    base = PUBLISHED_HARDWARE if published else accelerators.hardware_for(network)
    changes = {name: given[name] for name in (*SIZES, "lanes") if name in given}
    for option, names in _WIDTHS.items():
        if option in given:
            changes |= dict.fromkeys(names, _one_width(option, given[option]))
    changed: Hardware = replace(base, **changes)
    try:
        check_sizes(network, changed)
    except ShapeError as error:
        small = [n for n in SIZES if getattr(network, n) > getattr(changed, n)]
        options = " ".join(f"--{n} {getattr(network, n)}" for n in small)
        raise ShapeError(f"{error}; make it larger with {options}") from None
    if not published:
        accelerators.check_buildable(changed)
    return changed


def _one_width(option: str, bits: int | tuple[int, ...]) -> int:
    if isinstance(bits, int):
        return bits
    raise OperandError(
        f"--{option}: has {len(bits)} widths, but int8 networks have one; give one number"
    )


def bits_text(count: int) -> str:
    """``1 bit``, ``2 bits``."""
    return f"{count} bit{'s' * (count != 1)}"


def sizes_text(sizes: tuple[int, ...]) -> str:
    """``64-100-10``."""
    return "-".join(map(str, sizes))


def _broken_line(bound: Bound) -> str:
    """What is wrong with one register, in one line."""
    register, example = bound.register, bound.counterexample
    if example is None:
        return (
            f"{register.name} ({register}): not proven; bounds {bound.low} to {bound.high} need "
            f"{bits_text(bound.needs)}, but no image was found that leaves it"
        )
    how = "is stored" if example.image is None else "is reached"
    which = f", neuron {example.neuron}" if bound.of_neurons else ""
    if bound.beyond > 1:
        count = f"of {bound.beyond} that"
        which += f" (first {count} leave it)" if bound.exact else f" (one {count} may leave it)"
    return (
        f"{register.name} ({register}){which}: {example.value} {how}, "
        f"{example.kept} is left of it; needs {bits_text(bound.needs)}"
    )


def _cell(bound: Bound, value: int, neuron: int) -> str:
    return f"{value} ({neuron})" if bound.of_neurons else str(value)


def _table(network: Int8Network, certificate: Certificate) -> Table:
    title = f"Every image of {network.inputs} bytes, {sizes_text(network.sizes)}"
    built = tuple(getattr(certificate.hardware, n) for n in SIZES)
    if built != network.sizes:
        title += f" on hardware for {sizes_text(built)}"
    # The bits stand for the range: that of 33 bits alone is as wide as the rest.
    columns = ("register", "bits", "smallest\n(neuron)", "largest\n(neuron)", "needs", "verdict")
    rows = [
        (
            b.register.name,
            f"{b.register.bits} {'signed' if b.register.signed else 'unsigned'}",
            _cell(b, b.low, b.low_neuron),
            _cell(b, b.high, b.high_neuron),
            str(b.needs),
            b.verdict.value,
        )
        for b in certificate.bounds
    ]
    return Table(columns, rows, title)


def _lines(name: str, certificate: Certificate) -> list[str]:
    bounds = [b.register.name for b in certificate.bounds if not b.exact]
    lines = [f"{', '.join(bounds)}: bounds, which perhaps no image reaches"]
    for b in certificate.bounds:
        if b.verdict is not RegisterVerdict.HOLDS:
            lines.append(_broken_line(b))
            if b.counterexample is not None and b.counterexample.image is not None:
                lines.append(f"image: {b.counterexample.image.tolist()}")
    if certificate.proven:
        lines.append(one_line(f"{name}: proven; no image overflows a register"))
    return lines


def _bound_json(bound: Bound) -> dict[str, Any]:
    example = bound.counterexample
    return {
        "bits": bound.register.bits,
        "signed": bound.register.signed,
        "low": bound.low,
        "low_neuron": bound.low_neuron if bound.of_neurons else None,
        "high": bound.high,
        "high_neuron": bound.high_neuron if bound.of_neurons else None,
        "exact": bound.exact,
        "needs_bits": bound.needs,
        "verdict": bound.verdict.value,
        "counterexample": None
        if example is None
        else {
            "neuron": example.neuron if bound.of_neurons else None,
            "value": example.value,
            "kept": example.kept,
            "image": None if example.image is None else example.image.tolist(),
        },
    }


def outcome(name: str, network: Int8Network, certificate: Certificate) -> Outcome:
    """The certificate of the network called ``name`` as table, lines and JSON values."""
    return Outcome(
        holds=certificate.proven,
        tables=[_table(network, certificate)],
        lines=_lines(name, certificate),
        values={
            "name": name,
            "sizes": list(network.sizes),
            "proven": certificate.proven,
            "registers": {b.register.name: _bound_json(b) for b in certificate.bounds},
        },
        found=certificate,
    )
