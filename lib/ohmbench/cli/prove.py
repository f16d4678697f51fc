"""``ohmbench prove``."""

from __future__ import annotations

from enum import Enum
from typing import Annotated, Any

import typer

from ohmbench.cli.common import Json, console_out, print_json, print_whole, shown
from ohmbench.cli.naming import Name, PaperFann


class Base(str, Enum):
    """Whose hardware the widths start from."""

    OURS = "ours"
    PUBLISHED = "published"


def _size(published: int) -> Any:
    text = f"Default: the network's, or {published} with '--hardware published'."
    return typer.Option(min=1, help=text)


_WIDEST = 64


def _bits(text: str) -> int | tuple[int, ...]:
    """One width, or one per layer: ``20`` or ``20,18,16``. Raises typer.BadParameter."""
    widths = []
    for word in text.split(","):
        try:
            bits = int(word)
        except ValueError:
            raise typer.BadParameter(f"{word!r} is not a valid integer") from None
        if not 1 <= bits <= _WIDEST:
            raise typer.BadParameter(f"{bits} is not in the range 1<=x<={_WIDEST}")
        widths.append(bits)
    return widths[0] if len(widths) == 1 else tuple(widths)


def _width(text: str) -> Any:
    return typer.Option(parser=_bits, metavar="N[,N...]", help=text)


def prove(
    name: Name,
    hardware: Annotated[
        Base | None,
        typer.Option(
            help="Start from this project's register widths, or the paper's.",
            show_default="ours",
        ),
    ] = None,
    inputs: Annotated[int | None, _size(64)] = None,
    hidden: Annotated[int | None, _size(100)] = None,
    classes: Annotated[int | None, _size(10)] = None,
    lanes: Annotated[int | None, typer.Option(min=1, help="Neurons side by side.")] = None,
    acc_bits: Annotated[Any, _width("Sums without bias.")] = None,
    sum_bits: Annotated[Any, _width("Sums with bias, both layers.")] = None,
    r_bits: Annotated[Any, _width("After the ReLU.")] = None,
    product_bits: Annotated[
        Any, _width("Requantisation product: r * M, or acc * M + R of N layers.")
    ] = None,
    bias_bits: Annotated[Any, _width("Biases, or R of N layers.")] = None,
    scale_bits: Annotated[Any, _width("The multiplier M.")] = None,
    shift_bits: Annotated[Any, _width("The shift S.")] = None,
    weight_bits: Annotated[Any, _width("N layers: the weights.")] = None,
    mac_bits: Annotated[Any, _width("N layers: one weight times one input.")] = None,
    shifted_bits: Annotated[Any, _width("N layers: behind shift and zero point.")] = None,
    value_bits: Annotated[Any, _width("N layers: the outputs of a layer.")] = None,
    as_json: Json = False,
    paper_fann: PaperFann = None,
) -> None:
    """Prove that no input can overflow a register of the hardware, or show one that does.

    For these weights and every possible input: the range of each sum, product and value against the
    width of its register. A register that is too narrow is named with its neuron and an input, run
    through the golden model, that breaks it. Exit status 1 unless all is proven.

    Networks of N layers: the widths that all registers need. Those whose widths are given, for all
    layers or one per layer, are proven.

    Example: ohmbench prove int8-digits --product-bits 32

    Example: ohmbench prove net.npz --acc-bits 20 --value-bits 8,8,4
    """
    from ohmbench.eda import hdl
    from ohmbench.families import Papers, load_able

    family, network = load_able(name, Papers(paper_fann), "prove")
    options: dict[str, Any] = {
        "hardware": None if hardware is None else hardware.value,
        "inputs": inputs,
        "hidden": hidden,
        "classes": classes,
        "lanes": lanes,
        "acc-bits": acc_bits,
        "sum-bits": sum_bits,
        "r-bits": r_bits,
        "product-bits": product_bits,
        "bias-bits": bias_bits,
        "scale-bits": scale_bits,
        "shift-bits": shift_bits,
        "weight-bits": weight_bits,
        "mac-bits": mac_bits,
        "shifted-bits": shifted_bits,
        "value-bits": value_bits,
    }
    given = {option: value for option, value in options.items() if value is not None}
    found = family.prove(network, name, given, hdl)
    if as_json:
        print_json(found.values)
    else:
        for table in found.tables:
            print_whole(shown(table))
        for line in found.lines:  # whole, however long: a line may be an input
            console_out().print(line, markup=False, highlight=False)
    if not found.holds:
        raise typer.Exit(1)
