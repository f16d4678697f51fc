"""``ohmbench trace``."""

from __future__ import annotations

import importlib
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from ohmbench.cli.common import Json, console_out, print_json, say, shown
from ohmbench.cli.naming import Data, Name, PaperFann, Target
from ohmbench.errors import OperandError

if TYPE_CHECKING:
    from ohmbench.digital.trace import Simulate

SIMULATION = "ohmbench.eda.simulation"


def simulator() -> Simulate:
    """The function that runs the RTL. Only here does the command know of external tools."""
    try:
        module = importlib.import_module(SIMULATION)
    except ModuleNotFoundError as error:
        if error.name not in (SIMULATION, SIMULATION.rpartition(".")[0]):
            raise
        raise OperandError(
            f"{SIMULATION}: not installed, so there is no hardware to run; leave it out by --no-rtl"
        ) from None
    return partial(module.simulate, on_build=_say_that_it_takes_time)


def _say_that_it_takes_time() -> None:
    typer.echo("building the simulation, which takes a minute the first time", err=True)


def trace(
    name: Name,
    image: Annotated[
        int | None,
        typer.Option(metavar="K", help="Which held-out image, from 0.", show_default="0"),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Every held-out image.")] = False,
    float_file: Annotated[
        str | None,
        typer.Option(
            "--float",
            metavar="FILE",
            help="npz with the real weights: mlp_k.weight, mlp_k.bias. "
            "Default: the integers, dequantised.",
        ),
    ] = None,
    rtl: Annotated[bool, typer.Option("--rtl/--no-rtl", help="Simulate the hardware too.")] = True,
    tolerance: Annotated[
        float, typer.Option(metavar="FACTOR", help="Of the float stage's derived tolerance.")
    ] = 1.0,
    source: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL",
            help="N layers: also run the file that the network was imported from.",
        ),
    ] = None,
    data: Data = None,
    target: Target = None,
    as_json: Json = False,
    paper_fann: PaperFann = None,
) -> None:
    """Follow images from float through fake-quantised and integers to the hardware.

    Each stage is compared with the one before; its tolerance follows from what it adds (truncation,
    a rounded multiplier, nothing). The first layer, neuron and value that leaves it is named. Exit
    status 1 if one does.

    Networks of N layers: from the source's own runtime through real numbers and integers to the
    hardware, if it has two layers that the hardware can hold; layer by layer. Without --data, 100
    random inputs of its format.

    The hardware is the Verilog that comes with ohmbench, or that in the folder which OHMBENCH_HDL
    names. Simulations are kept in the folder that OHMBENCH_CACHE names (default: ohmbench in the
    user's cache).

    Example: ohmbench trace int8-digits --image 7 --no-rtl
    """
    from ohmbench.families import Papers, load_able
    from ohmbench.family import TraceOptions

    family, network = load_able(name, Papers(paper_fann), "trace", data, target)
    options = TraceOptions(
        image=image,
        every=every,
        float_file=float_file,
        simulate=simulator() if rtl else None,
        source=source,
        tolerance=tolerance,
    )
    found = family.trace(network, name, options)
    if as_json:
        print_json(found.values)
    else:
        for table in found.tables:
            console_out().print(shown(table))
        for line in found.lines:
            say(line)
    if not found.holds:
        raise typer.Exit(1)
