"""``ohmbench power``."""

from __future__ import annotations

import math
from statistics import fmean
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ohmbench.cli.common import Json, console_out, print_json, say
from ohmbench.cli.naming import Name, PaperFann
from ohmbench.errors import OperandError, one_line

if TYPE_CHECKING:
    import torch

    from ohmbench.floatgate import StoredNetwork


def _known(watts: torch.Tensor) -> list[float | None]:
    """Power of each class; None for one without images."""
    return [None if math.isnan(watt) else watt for watt in watts.tolist()]


def _milliwatts(watt: float | None) -> str:
    return "-" if watt is None else f"{1e3 * watt:.4f}"


def power(
    name: Name,
    per_class: Annotated[
        bool, typer.Option("--per-class", help="First image of each class, and class means.")
    ] = False,
    maximum: Annotated[
        bool, typer.Option("--max", help="Every cell carrying its programmed current.")
    ] = False,
    every: Annotated[bool, typer.Option("--all", help="Every image.")] = False,
    settling_time: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", help="Gives static energy per inference; never assumed."),
    ] = None,
    as_json: Json = False,
    paper_fann: PaperFann = None,
) -> None:
    """Compute the static power of a floating-gate network over the test images.

    The paper averages the first image of each class; the mean over all images is printed beside it.
    A class without images has no power: '-', or null in JSON.

    Example: ohmbench power floatgate-digits --per-class --settling-time 1e-6
    """
    from rich.markup import escape
    from rich.table import Table

    from ohmbench.families import Papers, load_able
    from ohmbench.floatgate import (
        energy_per_inference,
        max_power,
        mean_power_per_class,
        power_of_first_image_per_class,
        power_per_image,
    )

    if settling_time is not None and not 0 < settling_time < float("inf"):
        raise OperandError(f"--settling-time {settling_time:g}: should be positive, finite seconds")
    data: StoredNetwork = load_able(name, Papers(paper_fann), "power").network
    classes = data.network.spec.sizes[-1]
    watts = power_per_image(data.network, data.v)
    first = _known(power_of_first_image_per_class(watts, data.labels, classes))
    means = _known(mean_power_per_class(watts, data.labels, classes))
    without = [c for c, watt in enumerate(first) if watt is None]
    report: dict[str, Any] = {
        "name": name,
        "neurons": data.network.spec.neurons,
        "images": data.images,
        "mean_W": float(watts.mean()),
        "min_W": float(watts.min()),
        "max_W": float(watts.max()),
        # The paper's figure is one of all classes.
        "first_of_class_mean_W": None if without else fmean(w for w in first if w is not None),
        "classes_without_images": without,
    }
    if settling_time is not None:
        joules = energy_per_inference(watts, settling_time)
        report |= {"settling_time_s": settling_time, "mean_energy_J": float(joules.mean())}
    if maximum:
        report["all_cells_on_W"] = max_power(data.network)
    if per_class:
        report["per_class_W"] = {"first_image": first, "mean": means}
    if every:
        report["per_image_W"] = watts.tolist()
    if as_json:
        print_json(report)
        return
    console = console_out()
    labels = {
        "mean_W": "mean over all images",
        "min_W": "smallest image",
        "max_W": "largest image",
        "first_of_class_mean_W": "mean of each class's first image (the paper's figure)",
        "all_cells_on_W": "maximum: every cell at its programmed current",
    }
    title = f"{one_line(name)}: {report['neurons']} neurons, {data.images}"
    table = Table("power", "mW", title=escape(title))
    for key, label in labels.items():
        if key in report:
            table.add_row(label, _milliwatts(report[key]))
    console.print(table)
    if without:
        say(
            f"no image of class {', '.join(map(str, without))}: the paper's figure needs one of "
            "each class"
        )
    if settling_time is not None:
        console.print(
            f"static energy per inference: {report['mean_energy_J']:.4g} J, settled for "
            f"{settling_time:g} s",
            highlight=False,
        )
    if per_class:
        table = Table("class", "first image, mW", "mean, mW")
        for c in range(classes):
            table.add_row(escape(data.class_name(c)), _milliwatts(first[c]), _milliwatts(means[c]))
        console.print(table)
    if every:
        table = Table("image", "class", "mW")
        for i, (label, p) in enumerate(zip(data.labels.tolist(), watts.tolist(), strict=True)):
            table.add_row(str(i), escape(data.class_name(label)), f"{1e3 * p:.4f}")
        console.print(table)
