"""``ohmbench prove``."""

from __future__ import annotations

from dataclasses import replace
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ohmbench.cli.common import (
    Json,
    console_out,
    print_json,
    print_whole,
    say,
)
from ohmbench.cli.naming import Name, PaperFann
from ohmbench.errors import ShapeError

if TYPE_CHECKING:
    from ohmbench.digital import StoredInt8
    from ohmbench.digital.network import Int8Network
    from ohmbench.digital.prove import Bound, Certificate
    from ohmbench.digital.widths import Hardware


class Base(str, Enum):
    """Whose hardware the widths start from."""

    OURS = "ours"
    PUBLISHED = "published"


_SIZES = ("inputs", "hidden", "classes")


def _size(published: int) -> Any:
    text = f"Default: the network's, or {published} with '--hardware published'."
    return typer.Option(min=1, help=text)


Bits = Annotated[int | None, typer.Option(min=1, max=64, metavar="N")]


def prove(
    name: Name,
    hardware: Annotated[
        Base, typer.Option(help="Start from this project's register widths, or the paper's.")
    ] = Base.OURS,
    inputs: Annotated[int | None, _size(64)] = None,
    hidden: Annotated[int | None, _size(100)] = None,
    classes: Annotated[int | None, _size(10)] = None,
    lanes: Annotated[int | None, typer.Option(min=1, help="Neurons side by side.")] = None,
    acc_bits: Annotated[
        int | None, typer.Option(min=1, max=64, metavar="N", help="Sums without bias, both layers.")
    ] = None,
    sum_bits: Annotated[
        int | None, typer.Option(min=1, max=64, metavar="N", help="Sums with bias, both layers.")
    ] = None,
    r_bits: Annotated[
        int | None, typer.Option(min=1, max=64, metavar="N", help="After the ReLU.")
    ] = None,
    product_bits: Annotated[
        int | None, typer.Option(min=1, max=64, metavar="N", help="Requantisation product r * M.")
    ] = None,
    bias_bits: Bits = None,
    scale_bits: Annotated[
        int | None, typer.Option(min=1, max=64, metavar="N", help="The multiplier M.")
    ] = None,
    shift_bits: Annotated[
        int | None, typer.Option(min=1, max=64, metavar="N", help="The shift S.")
    ] = None,
    as_json: Json = False,
    paper_fann: PaperFann = None,
) -> None:
    """Prove that no image can overflow a register of the hardware, or show one that does.

    For these weights and every possible image: the range of each sum, product and hidden value
    against the width of its register. A register that is too narrow is named with its neuron and an
    image, run through the golden model, that breaks it. Exit status 1 unless all is proven.

    Example: ohmbench prove int8-digits --product-bits 32
    """
    from ohmbench.digital.prove import prove as prove_network
    from ohmbench.families import Papers, load_able

    data: StoredInt8 = load_able(name, Papers(paper_fann), "prove").network
    chosen = _hardware(data.network, hardware)
    given: dict[str, Any] = {
        "inputs": inputs,
        "hidden": hidden,
        "classes": classes,
        "lanes": lanes,
        "acc0_bits": acc_bits,
        "acc1_bits": acc_bits,
        "sum0_bits": sum_bits,
        "logit_bits": sum_bits,
        "r_bits": r_bits,
        "product_bits": product_bits,
        "bias_bits": bias_bits,
        "scale_bits": scale_bits,
        "shift_bits": shift_bits,
    }
    changed = replace(chosen, **{k: v for k, v in given.items() if v is not None})
    _check_hardware(data.network, changed, hardware)
    certificate = prove_network(data.network, changed)
    if as_json:
        print_json(_json(name, data.network, certificate))
    else:
        _print(name, data.network, certificate)
    if not certificate.proven:
        raise typer.Exit(1)


def _hardware(network: Int8Network, base: Base) -> Hardware:
    from ohmbench.digital.widths import PUBLISHED_HARDWARE
    from ohmbench.eda.hdl import hardware_for

    return PUBLISHED_HARDWARE if base is Base.PUBLISHED else hardware_for(network)


def _check_hardware(network: Int8Network, hardware: Hardware, base: Base) -> None:
    """Raise ShapeError or RangeError for what is too small, or what Verilog of ours refuses."""
    from ohmbench.digital.prove import check_sizes
    from ohmbench.eda.hdl import check_buildable

    try:
        check_sizes(network, hardware)
    except ShapeError as error:
        small = [n for n in _SIZES if getattr(network, n) > getattr(hardware, n)]
        options = " ".join(f"--{n} {getattr(network, n)}" for n in small)
        raise ShapeError(f"{error}; make it larger with {options}") from None
    if base is Base.OURS:
        check_buildable(hardware)


def _bits(count: int) -> str:
    return f"{count} bit{'s' * (count != 1)}"


def _broken_line(bound: Bound) -> str:
    """What is wrong with one register, in one line."""
    register, example = bound.register, bound.counterexample
    if example is None:
        return (
            f"{register.name} ({register}): not proven; bounds {bound.low} to {bound.high} need "
            f"{_bits(bound.needs)}, but no image was found that leaves it"
        )
    how = "is stored" if example.image is None else "is reached"
    which = f", neuron {example.neuron}" if bound.of_neurons else ""
    if bound.beyond > 1:
        count = f"of {bound.beyond} that"
        which += f" (first {count} leave it)" if bound.exact else f" (one {count} may leave it)"
    return (
        f"{register.name} ({register}){which}: {example.value} {how}, "
        f"{example.kept} is left of it; needs {_bits(bound.needs)}"
    )


def _cell(bound: Bound, value: int, neuron: int) -> str:
    return f"{value} ({neuron})" if bound.of_neurons else str(value)


def _text(sizes: tuple[int, ...]) -> str:
    return "-".join(map(str, sizes))


def _print(name: str, network: Int8Network, certificate: Certificate) -> None:
    from rich.table import Table

    from ohmbench.digital.prove import RegisterVerdict

    title = f"Every image of {network.inputs} bytes, {_text(network.sizes)}"
    built = tuple(getattr(certificate.hardware, n) for n in _SIZES)
    if built != network.sizes:
        title += f" on hardware for {_text(built)}"
    table = Table(title=title)
    # The bits stand for the range: that of 33 bits alone is as wide as the rest.
    for header in (
        "register",
        "bits",
        "smallest\n(neuron)",
        "largest\n(neuron)",
        "needs",
        "verdict",
    ):
        table.add_column(header, no_wrap=True)
    for b in certificate.bounds:
        table.add_row(
            b.register.name,
            f"{b.register.bits} {'signed' if b.register.signed else 'unsigned'}",
            _cell(b, b.low, b.low_neuron),
            _cell(b, b.high, b.high_neuron),
            str(b.needs),
            b.verdict.value,
        )
    print_whole(table)
    bounds = [b.register.name for b in certificate.bounds if not b.exact]
    say(f"{', '.join(bounds)}: bounds, which perhaps no image reaches")
    for b in certificate.bounds:
        if b.verdict is not RegisterVerdict.HOLDS:
            say(_broken_line(b))
            if b.counterexample is not None and b.counterexample.image is not None:
                pixels = b.counterexample.image.tolist()
                console_out().print(f"image: {pixels}", markup=False, highlight=False)
    if certificate.proven:
        say(f"{name}: proven; no image overflows a register")


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


def _json(name: str, network: Int8Network, certificate: Certificate) -> dict[str, Any]:
    return {
        "name": name,
        "sizes": list(network.sizes),
        "proven": certificate.proven,
        "registers": {b.register.name: _bound_json(b) for b in certificate.bounds},
    }
