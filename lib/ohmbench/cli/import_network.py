"""``ohmbench import``."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from ohmbench.cli.common import (
    Force,
    Json,
    check_not_input,
    print_json,
    print_whole,
    say,
    say_whole,
    shown,
)
from ohmbench.errors import OperandError, one_line

if TYPE_CHECKING:
    from ohmbench.data.labelled import Samples
    from ohmbench.digital.importing.importer import NetworkImport
    from ohmbench.digital.integer.evaluation import IntegerEvaluation
    from ohmbench.digital.integer.network import IntegerNetwork, Layer, Step

    Checked: TypeAlias = tuple[str, int, IntegerEvaluation | None]


class Rounding(str, Enum):
    """How TFLite's kernels round: ``tflite_arithmetic.ROUNDINGS``."""

    FLOAT = "float"
    DOUBLE_UP = "double-up"
    FLOAT64 = "float64"
    DOUBLE = "double"
    SINGLE = "single"


def import_command(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="A quantised network: QONNX or QDQ ONNX (.onnx), or int8 TFLite (.tflite); or the "
            "name of a published one, such as ad01_int8.tflite (see 'ohmbench fetch models').",
        ),
    ],
    out: Annotated[
        str | None,
        typer.Option("--out", "-o", metavar="FILE", help="Write the integers there, as npz."),
    ] = None,
    check: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|NAME",
            help="Also measure the accuracy of the integers: a CSV file with a column of class "
            "numbers (y, or --target), an npz file with x and y, or mnist (pixels from 0 to 1), "
            "mnist-bytes (0 to 255), digits, digits-fann, circles.",
        ),
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN", help="--check of a CSV file: the column that holds the classes."
        ),
    ] = None,
    rounding: Annotated[
        Rounding | None,
        typer.Option(
            help="TFLite: the kernels that the integers should match: ai-edge-litert's by default "
            "(float), its builtin ones (double-up) or its reference (float64); older runtimes' and "
            "TFLite Micro's (double), or those built for single rounding (single).",
            show_default="float",
        ),
    ] = None,
    input_bits: Annotated[
        int | None,
        typer.Option(
            "--input-bits",
            min=2,
            max=16,
            metavar="N",
            help="ONNX with real inputs that it does not quantise: the bits of an input.",
        ),
    ] = None,
    input_step: Annotated[
        float | None,
        typer.Option(
            "--input-step",
            metavar="X",
            help="ONNX with real inputs that it does not quantise: the real value of one step.",
        ),
    ] = None,
    run: Annotated[
        bool, typer.Option("--run/--no-run", help="Run the format's own runtime beside it.")
    ] = True,
    random: Annotated[
        int,
        typer.Option(min=0, max=10_000_000, metavar="N", help="Random inputs of each kind."),
    ] = 10_000,
    seed: Annotated[int, typer.Option(min=0, max=2**31 - 1, help="Seed of the random inputs.")] = 0,
    as_json: Json = False,
    force: Force = False,
) -> None:
    """Import a quantised network, prove its integers exact, and run its own runtime beside them.

    The proof compares, for every channel, the step from each sum to the next layer's integer as
    the format's runtime computes it with that of the integers, over all sums that inputs can reach.
    Its result is one line: exact, or how many sums differ, by how much and which. Then the runtime
    (onnxruntime, qonnx or ai-edge-litert: pip install 'ohmbench[runtimes]') computes random inputs
    and inputs right beside the steps, and every value is compared. onnxruntime runs without graph
    optimisations, which is the arithmetic that the file states; a note says how many outputs its
    default optimisations change. Exit status 1 unless the integers are exact and nothing differs
    without them.

    Example: ohmbench import model.onnx -o model.npz

    Example: ohmbench import TFC_1W1A.onnx --check mnist

    Example: ohmbench import ad01_int8.tflite --rounding double-up --random 1000
    """
    from ohmbench.digital.importing.importer import import_network
    from ohmbench.digital.importing.reading import find_model
    from ohmbench.files import check_writable
    from ohmbench.progress import counted

    path = find_model(model)
    if out is not None:
        check_not_input(out, path, *([check] if check is not None else []))
        check_writable(out, overwrite=force)
    reading: dict[str, Any] = {
        "rounding": None if rounding is None else rounding.value,
        "input_bits": input_bits,
        "input_step": input_step,
    }
    if target is not None and check is None:
        raise OperandError("--target: names a column of --check; name that file too")
    samples = None if check is None else _samples(check, target, path, reading)
    with counted("running", _STEPS) as bar:
        found = import_network(
            path, **reading, run=run, random=random, seed=seed, advance=_in_steps(bar)
        )
    checked = None if samples is None else _checked(found.network, samples)
    if out is not None:
        found.save(out, overwrite=force)
    if as_json:
        print_json(_json(model, found, checked, out))
    else:
        _print(model, found, checked, out)
    if not found.exact:
        raise typer.Exit(1)


_STEPS = 1000


def _in_steps(bar: Callable[[int], None]) -> Callable[[float], None]:
    """Shares of the whole, as the steps of a bar."""
    done = 0.0

    def advance(share: float) -> None:
        nonlocal done
        before, done = done, done + share
        bar(int(done * _STEPS) - int(before * _STEPS))

    return advance


def _accumulator(network: IntegerNetwork, k: int) -> tuple[int, int, int]:
    """The smallest and largest sum of layer ``k``, and the bits of a signed register for both."""
    from ohmbench.digital.integer.network import acc_range

    low, high = acc_range(network.layers[k].weight, *network.value_range(k))
    smallest, largest = int(low.min()), int(high.max())
    return smallest, largest, max(largest.bit_length(), (~smallest).bit_length()) + 1


def _step(step: Step) -> str:
    """A step in a few words."""
    from ohmbench.digital.integer.network import Affine

    if not isinstance(step, Affine):
        count = step.table.shape[1]
        return f"{count} threshold{'s' * (count != 1)} a channel"
    if step.lo is None:
        return "sums, unclamped"
    return f"S {step.S}, M {step.M.min()} to {step.M.max()}"


def _values_of(layer: Layer) -> str:
    step = layer.step
    return "any" if step.lo is None else f"{step.lo} to {step.hi}"


def _print(model: str, found: NetworkImport, checked: Checked | None, out: str | None) -> None:
    from ohmbench.family import Table

    network, source = found.network, found.source
    weights = sum(layer.weight.size for layer in network.layers)
    kind = source.format + (f", {source.rounding} rounding" if source.rounding else "")
    say(
        f"{one_line(model)}: {kind}; {'-'.join(map(str, network.sizes))}, {weights} weights; "
        f"inputs {network.input.lo} to {network.input.hi}"
    )
    rows = []
    for k, (layer, stated) in enumerate(zip(network.layers, source.layers, strict=True)):
        low, high, bits = _accumulator(network, k)
        sums = f"{low} to {high}"
        row = (str(k), one_line(stated.name), str(layer.bits), sums, str(bits), _step(layer.step))
        rows.append((*row, _values_of(layer)))
    columns = ("layer", "node", "weight bits", "sums", "bits", "step", "values")
    print_whole(shown(Table(columns, tuple(rows))))
    for note in source.notes:
        say(f"note: {note}")
    say_whole(f"proof: {found.verdict.line}")
    _print_run(found)
    if checked is not None:
        say(_accuracy(checked))
    if out is not None:
        say(f"wrote {one_line(out)}")


def _print_run(found: NetworkImport) -> None:
    comparison = found.comparison
    if comparison is None:
        say(f"run: left out ({found.not_run})")
        return
    say_whole(f"run: {comparison.line}")
    inputs = ", ".join(f"{count} {kind}" for kind, count in comparison.inputs.items())
    reached = ", ".join(f"{a} of {b}" for a, b in comparison.boundaries)
    say_whole(
        f"inputs: {inputs}; accumulators next to a step that were reached, per layer: {reached}"
    )
    if comparison.remark is not None:
        say(f"note: {comparison.remark}")
    if comparison.optimised_line is not None:
        say_whole(f"note: {comparison.optimised_line}")


def _samples(check: str, target: str | None, path: str, reading: dict[str, Any]) -> Samples:
    """The samples, before the work begins. Raises FileError where they do not fit the network."""
    from ohmbench.data.labelled import read_samples
    from ohmbench.digital.importing.reading import read_source

    layers = read_source(path, **reading).layers
    return read_samples(check, layers[0].weight.shape[1], len(layers[-1].weight), target=target)


def _checked(network: IntegerNetwork, data: Samples) -> Checked:
    """The data's name, how many samples it has and, if they are labelled, how many are right."""
    from ohmbench.digital.integer.evaluation import evaluate_integer

    if data.y is None:
        return data.name, len(data.x), None
    return data.name, len(data.x), evaluate_integer(network, network.input.quantise(data.x), data.y)


def _accuracy(checked: Checked) -> str:
    name, total, found = checked
    if found is None:
        return f"{one_line(name)}: {total} samples without labels; no accuracy"
    value, low, high = (
        100 * part for part in (found.accuracy.value, found.accuracy.low, found.accuracy.high)
    )
    return (
        f"{one_line(name)}: {found.correct} of {total} right in integers, {value:.2f} % "
        f"[{low:.2f}, {high:.2f}]"
    )


def _json(
    model: str, found: NetworkImport, checked: Checked | None, out: str | None
) -> dict[str, Any]:
    network, source = found.network, found.source
    layers = []
    for k, (layer, stated) in enumerate(zip(network.layers, source.layers, strict=True)):
        low, high, bits = _accumulator(network, k)
        layers.append(
            {
                "name": stated.name,
                "tensor": stated.tensor,
                "weight_bits": layer.bits,
                "sums": [low, high],
                "sum_bits": bits,
                "step": _step(layer.step),
                "values": None if layer.step.lo is None else [layer.step.lo, layer.step.hi],
            }
        )
    return {
        "model": model,
        **found.origin(),
        "sizes": list(network.sizes),
        "input": {"lo": network.input.lo, "hi": network.input.hi, "scale": network.input.scale},
        "layers": layers,
        "proof": found.verdict.values(),
        "run": None if found.comparison is None else found.comparison.values(),
        "not_run": found.not_run,
        "check": None if checked is None else _judged(checked),
        "out": out,
    }


def _judged(checked: Checked) -> dict[str, Any]:
    name, total, found = checked
    return {
        "data": name,
        "total": total,
        "correct": None if found is None else found.correct,
        "accuracy": None if found is None else found.accuracy.value,
        "accuracy_95": None if found is None else [found.accuracy.low, found.accuracy.high],
    }
