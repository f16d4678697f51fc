"""``ohmbench quantize``."""

from __future__ import annotations

import os
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ohmbench.cli.common import Force, Json, check_not_input, print_json, print_whole, say, shown
from ohmbench.errors import OperandError, one_line

if TYPE_CHECKING:
    from ohmbench.digital.quantizing.results import Result
    from ohmbench.stats import Interval


class Per(str, Enum):
    """What has a scale of its own."""

    TENSOR = "tensor"
    CHANNEL = "channel"


class Scale(str, Enum):
    """How features are scaled."""

    NONE = "none"
    MINMAX = "minmax"
    STANDARD = "standard"


def quantize(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="A float MLP: ONNX (.onnx), or a PyTorch state dict of Linear layers (.pth, .pt).",
        ),
    ],
    data: Annotated[
        str,
        typer.Option(
            metavar="FILE|NAME",
            help="Data for calibration and evaluation: a CSV file with a header line, an npz file "
            "with x and y (and x_test, y_test), or digits, digits-fann, circles, mnist.",
        ),
    ],
    out: Annotated[
        str | None,
        typer.Option("--out", "-o", metavar="FILE", help="Default: MODEL-w8a8.npz here."),
    ] = None,
    target: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="CSV: the column that holds the classes.")
    ] = None,
    scale: Annotated[
        Scale | None,
        typer.Option(
            help="How the model's training scaled the file's features. Default: none.",
            show_default=False,
        ),
    ] = None,
    held_out: Annotated[
        str | None,
        typer.Option(
            "--held-out",
            metavar="FRACTION|FILE",
            help="The part to evaluate on: a fraction of FILE, or a second file. Default: 0.25, "
            "or x_test.",
        ),
    ] = None,
    weight_bits: Annotated[
        int, typer.Option("--weight-bits", min=2, max=8, metavar="N", help="Bits of a weight.")
    ] = 8,
    activation_bits: Annotated[
        int,
        typer.Option(
            "--activation-bits", min=1, max=8, metavar="N", help="Bits of a hidden value."
        ),
    ] = 8,
    per: Annotated[
        Per,
        typer.Option(
            help="One scale for all weights of a layer, or one per channel. The last layer "
            "always has a single one, so that its integers compare.",
        ),
    ] = Per.TENSOR,
    percentile: Annotated[
        float,
        typer.Option(
            metavar="P",
            help="Which percentile of a layer's outputs becomes its largest integer; 100 is the "
            "maximum.",
        ),
    ] = 100.0,
    seed: Annotated[
        int,
        typer.Option(
            min=0,
            max=2**31 - 1,
            help="Seed of the split, and of the choice among more than 10 000 calibration samples.",
        ),
    ] = 0,
    as_json: Json = False,
    force: Force = False,
) -> None:
    """Turn a float MLP into an integer network, calibrated on data.

    Weights are symmetric; hidden values are unsigned, after a ReLU, and their scale comes from the
    training part of the data. Larger values are clamped. The table says per layer what is lost, on
    the held-out part: the weights' rounding errors relative to the weights, the share of clamped
    outputs, and the signal to noise ratio of the outputs. Then come both networks' accuracies with
    their 95 % intervals, and how often they agree.

    'ohmbench prove' and 'ohmbench trace' take the file that is written.

    Example: ohmbench quantize model.pth --data digits

    Example: ohmbench quantize model.onnx --data wine.csv --target kind --per channel -o wine.npz
    """
    from ohmbench.data.parts import load_parts
    from ohmbench.digital.integer.store import save_integer
    from ohmbench.digital.quantizing.calibration import Formats
    from ohmbench.digital.quantizing.results import quantize_file
    from ohmbench.files import check_writable

    if not 0 < percentile <= 100:
        raise OperandError(f"--percentile {percentile:g}: should be above 0, at most 100")
    formats = Formats(weight_bits, activation_bits, per.value, percentile)
    stem = os.path.splitext(os.path.basename(model))[0]
    path = out if out is not None else f"{stem}-w{weight_bits}a{activation_bits}.npz"
    check_not_input(path, model, data, *([held_out] if held_out is not None else []))
    check_writable(path, overwrite=force)
    kind = None if scale is None else scale.value
    samples = load_parts(data, seed, target=target, scale=kind, held_out=held_out)
    found = quantize_file(model, samples, formats)
    save_integer(path, found.network, origin=found.origin, overwrite=force)
    if as_json:
        print_json({**_values(found), "out": path})
    else:
        _print(path, found)


def _interval(found: Interval) -> list[float]:
    return [found.low, found.high]


def _values(found: Result) -> dict[str, Any]:
    """Everything as JSON values."""
    c, read = found.comparison, found.network.input
    return {
        **found.origin,
        "input": {"lo": read.lo, "hi": read.hi, "scale": read.scale},
        "accuracy": c.accuracy.value,
        "accuracy_95": _interval(c.accuracy),
        "float_accuracy": c.float_accuracy.value,
        "float_accuracy_95": _interval(c.float_accuracy),
        "agreement": c.agreement.value,
        "agreement_95": _interval(c.agreement),
        "clamped_inputs": c.clamped_inputs / c.inputs,
        "layers": [
            {
                "name": layer.name,
                "inputs": layer.inputs,
                "channels": layer.channels,
                "S": layer.S,
                "weight_error": error,
                "clamped": layer.clamped / layer.values,
                "sqnr_dB": layer.sqnr_dB,
            }
            for layer, error in zip(c.layers, found.weight_errors, strict=True)
        ],
    }


def _print(path: str, found: Result) -> None:
    from ohmbench.family import Table, accuracy_line

    c, network, formats = found.comparison, found.network, found.origin["formats"]
    say(
        f"wrote {path}: {'-'.join(map(str, network.sizes))}, weights of {formats['weight_bits']} "
        f"bits per {formats['per']}, activations of {formats['activation_bits']} bits, inputs "
        f"{network.input.lo} to {network.input.hi}"
    )
    rows = [
        (
            str(k),
            one_line(layer.name),
            f"{layer.inputs} x {layer.channels}",
            f"{100 * found.weight_errors[k]:.2f} %",
            "-" if k + 1 == len(c.layers) else f"{100 * layer.clamped / layer.values:.3f} %",
            "exact" if layer.sqnr_dB is None else f"{layer.sqnr_dB:.1f} dB",
        )
        for k, layer in enumerate(c.layers)
    ]
    columns = ("layer", "in the model", "weights", "weight error", "clamped", "signal to noise")
    print_whole(shown(Table(columns, rows)))
    if c.clamped_inputs:
        say(f"inputs outside the calibrated range: {c.clamped_inputs} of {c.inputs}, clamped")
    say(f"float model: {accuracy_line(c.right_float, c.samples, c.float_accuracy)}")
    say(f"integers:    {accuracy_line(c.right_integers, c.samples, c.accuracy)}")
    say(f"same class:  {c.same} of {c.samples} held-out samples")
    for note in found.model.notes:
        say(f"note: {note}")
    if c.clearly_worse and not c.reads_other_features:
        say(
            "note: the integers are clearly worse. All inputs share one scale, so features of very "
            "different size lose most: scale them (--scale) and train the model on scaled ones. "
            "For few bits, 'ohmbench train --from' fine-tunes"
        )
    if c.reads_other_features:
        say(
            "note: the float model is not better than always answering the most frequent class; "
            "were its features scaled another way (--scale), or its classes numbered otherwise?"
        )
