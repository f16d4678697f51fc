"""``ohmbench trace``."""

from __future__ import annotations

import importlib
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ohmbench.cli.common import (
    Json,
    console_out,
    print_json,
    say,
)
from ohmbench.cli.naming import Name, PaperFann
from ohmbench.errors import OperandError

if TYPE_CHECKING:
    from ohmbench.digital import StoredInt8
    from ohmbench.digital.trace import Simulate, Stage

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
    as_json: Json = False,
    paper_fann: PaperFann = None,
) -> None:
    """Follow images from float through fake-quantised and integers to the hardware.

    Each stage is compared with the one before; its tolerance follows from what it adds (truncation,
    a rounded multiplier, nothing). The first layer, neuron and value that leaves it is named. Exit
    status 1 if one does.

    The hardware is the Verilog that comes with ohmbench, or that in the folder which OHMBENCH_HDL
    names. Simulations are kept in the folder that OHMBENCH_CACHE names (default: ohmbench in the
    user's cache).

    Example: ohmbench trace int8-digits --image 7 --no-rtl
    """
    from ohmbench.digital import load_float
    from ohmbench.digital.trace import trace as trace_network
    from ohmbench.families import Papers, load_able

    if every and image is not None:
        raise OperandError("--image and --all: exclude each other; give one of them")
    image = image or 0
    data: StoredInt8 = load_able(name, Papers(paper_fann), "trace").network
    images = data.images()
    if not every and not 0 <= image < len(images.x):
        raise OperandError(f"--image {image}: not in these data; choose 0 to {len(images.x) - 1}")
    first = 0 if every else image
    x = images.x if every else images.x[image : image + 1]
    stages = trace_network(
        data.network,
        x,
        real=None if float_file is None else load_float(float_file),
        simulate=simulator() if rtl else None,
        tolerance=tolerance,
    )
    if as_json:
        print_json(_json(name, first, len(x), stages))
    else:
        _print(name, first, len(x), stages)
    if not all(stage.passed for stage in stages):
        raise typer.Exit(1)


def _print(name: str, first: int, images: int, stages: list[Stage]) -> None:
    from rich.table import Table

    which = f"image {first}" if images == 1 else f"{images} images"
    table = Table("stage", "layer", "quantity", "values", "largest difference", "tolerance")
    for stage in stages:
        for part in stage.parts:
            table.add_row(
                stage.name,
                str(part.layer),
                part.quantity,
                str(part.compared),
                f"{part.largest:.6g} LSB",
                f"at most {part.tolerance:.6g} LSB" if part.tolerance else "exact",
            )
    console_out().print(table)
    for stage in stages:
        verdict = "within tolerance" if stage.passed else "DEPARTS"
        say(f"{stage.name}: {verdict}; {stage.note}")
    for stage in stages:
        if stage.departure is not None:
            say(f"{name}: {stage.name}: {stage.departure.describe(first)}")
            return
        if stage.failure is not None:
            say(f"{name}, {which}: {stage.name}: {stage.failure}")
            return
    say(f"{name}, {which}: every stage within its tolerance")


def _json(name: str, first: int, images: int, stages: list[Stage]) -> dict[str, Any]:
    return {
        "name": name,
        "images": images,
        "stages": [
            {
                "name": stage.name,
                "note": stage.note,
                "failure": stage.failure,
                "parts": [vars(part) for part in stage.parts],
                "departure": None
                if stage.departure is None
                else vars(stage.departure) | {"image": first + stage.departure.image},
            }
            for stage in stages
        ],
    }
