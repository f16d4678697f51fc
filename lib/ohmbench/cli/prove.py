"""``ohmbench prove``."""

from __future__ import annotations

from dataclasses import replace
from enum import Enum
from typing import Annotated, Any

import typer
from rich.table import Table

from ohmbench.cli.common import (
    Json,
    Name,
    PaperFann,
    console_out,
    load_digital,
    print_json,
    say,
)
from ohmbench.digital.network import Int8Network
from ohmbench.digital.prove import Bound, Certificate, Verdict
from ohmbench.digital.prove import prove as prove_network
from ohmbench.digital.widths import PUBLISHED_HARDWARE, Hardware
from ohmbench.eda.hdl import hardware_for


class Base(str, Enum):
    """Whose hardware the widths start from."""

    OURS = "ours"
    PUBLISHED = "published"


Size = Annotated[int | None, typer.Option(min=1, help="Default: the network's.")]
Bits = Annotated[int | None, typer.Option(min=1, max=64, metavar="N")]


def prove(
    name: Name,
    hardware: Annotated[
        Base, typer.Option(help="Start from this project's register widths, or the paper's.")
    ] = Base.OURS,
    inputs: Size = None,
    hidden: Size = None,
    classes: Size = None,
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
    data = load_digital(name, paper_fann, "prove")
    chosen = _hardware(data.network, hardware)
    given: dict[str, Any] = {
        "inputs": inputs,
        "hidden": hidden,
        "classes": classes,
        "lanes": lanes,
        "acc1_bits": acc_bits,
        "acc2_bits": acc_bits,
        "sum1_bits": sum_bits,
        "logit_bits": sum_bits,
        "r_bits": r_bits,
        "product_bits": product_bits,
        "bias_bits": bias_bits,
        "scale_bits": scale_bits,
        "shift_bits": shift_bits,
    }
    changed = replace(chosen, **{k: v for k, v in given.items() if v is not None})
    certificate = prove_network(data.network, changed)
    if as_json:
        print_json(_json(name, data.network, certificate))
    else:
        _print(name, data.network, certificate)
    if not certificate.proven:
        raise typer.Exit(1)


def _hardware(network: Int8Network, base: Base) -> Hardware:
    return PUBLISHED_HARDWARE if base is Base.PUBLISHED else hardware_for(network)


def _broken_line(bound: Bound) -> str:
    """What is wrong with one register, in one line."""
    register, example = bound.register, bound.counterexample
    if example is None:
        return (
            f"{register.name} ({register}): not proven; bounds {bound.low} to {bound.high} need "
            f"{bound.needs} bits, but no image was found that leaves it"
        )
    how = "is stored" if example.image is None else "is reached"
    return (
        f"{register.name} ({register}), neuron {example.neuron}: {example.value} {how}, "
        f"{example.kept} is left of it; needs {bound.needs} bits"
    )


def _print(name: str, network: Int8Network, certificate: Certificate) -> None:
    sizes = "-".join(map(str, network.sizes))
    table = Table(
        "register",
        "has",
        "holds",
        "smallest, neuron",
        "largest, neuron",
        "needs",
        "verdict",
        title=f"Every image of {network.inputs} bytes, {sizes}",
    )
    for b in certificate.bounds:
        about = "" if b.exact else "bound "
        table.add_row(
            b.register.name,
            str(b.register),
            f"{b.register.low} to {b.register.high}",
            f"{about}{b.low}, {b.low_neuron}",
            f"{about}{b.high}, {b.high_neuron}",
            str(b.needs),
            b.verdict.value,
        )
    console_out().print(table)
    for b in certificate.bounds:
        if b.verdict is not Verdict.HOLDS:
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
        "low_neuron": bound.low_neuron,
        "high": bound.high,
        "high_neuron": bound.high_neuron,
        "exact": bound.exact,
        "needs_bits": bound.needs,
        "verdict": bound.verdict.value,
        "counterexample": None
        if example is None
        else {
            "neuron": example.neuron,
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
