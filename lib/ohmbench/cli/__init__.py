"""The ``ohmbench`` command: one subcommand a deed, one line and exit status 2 for bad input."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import re
import sys
from pathlib import Path
from typing import Annotated, Any, NoReturn

import numpy as np
import torch
import typer
from rich.console import Console
from rich.table import Table

from ohmbench import __version__
from ohmbench.errors import FileError, OhmbenchError, OperandError, RangeError, one_line
from ohmbench.files import check_writable, read_npz, write_npz
from ohmbench.floatgate import (
    Evaluation,
    StoredNetwork,
    energy_per_inference,
    evaluate,
    load_network,
    max_power,
    mean_power_per_class,
    power_of_first_image_per_class,
    power_per_image,
)
from ohmbench.floatgate.store import FLOATGATE_SCHEMA
from ohmbench.floatgate.training import RECIPES, train_network
from ohmbench.needs import NEEDS
from ohmbench.paper import FANN_OPTION, FANN_VARIABLE, read_fann_v3
from ohmbench.report import figures
from ohmbench.train import checkpoint_path
from ohmbench.weights import WEIGHTS_FOLDER, describe, read_manifest, register, stored

PAPER_V3 = "paper-v3"

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Verify and benchmark neural networks that live in analog and digital hardware.",
    epilog="Start with 'ohmbench list' and 'ohmbench evaluate floatgate-digits'.",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"ohmbench {__version__}\n")
        raise typer.Exit


@app.callback()
def common(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print it and end."),
    ] = False,
) -> None:
    """Verify and benchmark neural networks that live in analog and digital hardware."""


Name = Annotated[
    str,
    typer.Argument(
        metavar="NAME|FILE",
        help=f"Stored weights (see 'ohmbench list'), {PAPER_V3}, or an npz file.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")]
Force = Annotated[bool, typer.Option("--force", help="Overwrite what is already there.")]
PaperFann = Annotated[
    str | None,
    typer.Option(
        FANN_OPTION,
        metavar="FOLDER",
        help=f"Checkout of the paper's artifacts, for {PAPER_V3}. Default: ${FANN_VARIABLE}.",
    ),
]


def _out() -> Console:
    # A pipe has no width: tables are not folded there.
    return Console(width=None if sys.stdout.isatty() else 160, soft_wrap=not sys.stdout.isatty())


def _say(line: str) -> None:
    """One line, whatever characters a file's name brings along."""
    _out().print(one_line(line), markup=False, highlight=False)


def _load(name: str, paper_fann: str | None) -> StoredNetwork:
    """The network called ``name``: the paper's, ours, or a file's."""
    if name == PAPER_V3:
        return read_fann_v3(paper_fann)
    path = stored(name)
    if path is not None:
        return load_network(path)
    if not os.path.splitext(name)[1] and not os.path.exists(name):
        known = [n for n in read_manifest() if "-seed" not in n]
        raise FileError(
            name,
            "neither stored weights nor a file",
            remedy=f"there are {', '.join([*known, PAPER_V3])}, and more in 'ohmbench list'",
        )
    return load_network(name)


def _print_json(value: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(value, indent=2, allow_nan=False) + "\n")


def _evaluation_json(name: str, data: StoredNetwork, found: Evaluation) -> dict[str, Any]:
    return {
        "name": name,
        "network": data.network.spec.name,
        "images": data.images,
        "correct": found.correct,
        "total": found.total,
        "accuracy": found.accuracy.value,
        "accuracy_95": [found.accuracy.low, found.accuracy.high],
        "confusion": found.confusion.tolist(),
        "out_of_range": {
            c.fitted.label: {"evaluations": c.seen, "below": c.below, "above": c.above}
            for c in found.ranges
        },
        "not_programmable": {k: vars(v) for k, v in found.violations.items()},
    }


@app.command("list")
def list_weights() -> None:
    """List the stored weights, with what their manifest says of them."""
    table = Table("name", "metrics", "trained by")
    for name, entry in read_manifest().items():
        metrics = ", ".join(f"{k} {v:.5g}" for k, v in entry.metrics.items())
        table.add_row(name, metrics, entry.command)
    _out().print(table)


@app.command()
def train(
    name: Annotated[str, typer.Argument(metavar="NAME", help="One of: " + ", ".join(RECIPES))],
    seed: Annotated[int, typer.Option(min=0, max=2**31 - 1, help="Split, start and noise.")] = 0,
    out: Annotated[
        str | None, typer.Option(metavar="FILE", help="Default: NAME-seedN.npz here.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue an unfinished training of the same output.")
    ] = False,
    force: Force = False,
) -> None:
    """Train a network from nothing, under its device's constraints.

    A progress bar shows the time left. The state is saved every few seconds beside the output
    (FILE.checkpoint.npz); a training that was killed continues with --resume and ends in the same
    bits as one that was not.

    Example: ohmbench train floatgate-digits --seed 3 --out digits3.npz
    """
    if resume and force:
        raise OperandError("--resume continues and --force starts over: give one of them")
    path = out if out is not None else f"{name}-seed{seed}.npz"
    if resume and not os.path.lexists(checkpoint_path(path)):
        sys.stderr.write(f"{one_line(path)}: nothing to resume, starting at the beginning\n")
    try:
        train_network(name, seed, path, resume=resume, force=force, console=Console(stderr=True))
    except KeyboardInterrupt:
        _fail(f"interrupted; continue with --resume ({one_line(str(checkpoint_path(path)))})", 130)
    data = load_network(path)
    found = evaluate(data.network, data.v, data.labels)
    _say(f"wrote {path}: {_summary(data, found)}")


def _summary(data: StoredNetwork, found: Evaluation) -> str:
    ci = found.accuracy
    return (
        f"{found.correct} of {found.total} correct, {100 * ci.value:.2f} % "
        f"[{100 * ci.low:.2f}, {100 * ci.high:.2f}] on {data.images}"
    )


@app.command("evaluate")
def evaluate_command(name: Name, as_json: Json = False, paper_fann: PaperFann = None) -> None:
    """Accuracy on held-out images, evaluations outside the fits, currents no array could hold.

    Example: ohmbench evaluate floatgate-digits
    """
    data = _load(name, paper_fann)
    found = evaluate(data.network, data.v, data.labels)
    if as_json:
        _print_json(_evaluation_json(name, data, found))
        return
    console = _out()
    _say(f"{name}: {_summary(data, found)}")
    ranges = Table("curve", "fitted range", "evaluations", "below", "above", title="Fitted ranges")
    for c in found.ranges:
        ranges.add_row(
            c.fitted.label,
            f"{c.fitted.low:.4g} to {c.fitted.high:.4g} {c.fitted.unit}",
            str(c.seen),
            str(c.below),
            str(c.above),
        )
    console.print(ranges)
    held = Table(
        "array",
        "currents",
        "too small",
        "too large",
        "wrong sign",
        "between levels",
        title="Programmability",
    )
    for array, v in found.violations.items():
        row = (v.total, v.too_small, v.too_large, v.negative, v.off_level)
        held.add_row(array, *map(str, row))
    console.print(held)


@app.command()
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
    """Static power at 2.5 V, over the test images.

    The paper averages the first image of each class; the mean over all images is printed beside it.

    Example: ohmbench power floatgate-digits --per-class --settling-time 1e-6
    """
    if settling_time is not None and not 0 < settling_time < float("inf"):
        raise OperandError(f"--settling-time {settling_time:g}: should be positive, finite seconds")
    data = _load(name, paper_fann)
    classes = data.network.spec.sizes[-1]
    watts = power_per_image(data.network, data.v)
    try:
        first = power_of_first_image_per_class(watts, data.labels, classes)
    except RangeError as error:
        raise FileError(
            name,
            str(error),
            field="labels",
            remedy="the paper's figure needs one image of each class",
        ) from None
    means = mean_power_per_class(watts, data.labels, classes)
    report: dict[str, Any] = {
        "name": name,
        "neurons": data.network.spec.neurons,
        "images": data.images,
        "mean_W": float(watts.mean()),
        "min_W": float(watts.min()),
        "max_W": float(watts.max()),
        "first_of_class_mean_W": float(first.mean()),
    }
    if settling_time is not None:
        joules = energy_per_inference(watts, settling_time)
        report |= {"settling_time_s": settling_time, "mean_energy_J": float(joules.mean())}
    if maximum:
        report["all_cells_on_W"] = max_power(data.network)
    if per_class:
        report["per_class_W"] = {"first_image": first.tolist(), "mean": means.tolist()}
    if every:
        report["per_image_W"] = watts.tolist()
    if as_json:
        _print_json(report)
        return
    console = _out()
    labels = {
        "mean_W": "mean over all images",
        "min_W": "smallest image",
        "max_W": "largest image",
        "first_of_class_mean_W": "mean of each class's first image (the paper's figure)",
        "all_cells_on_W": "maximum: every cell at its programmed current",
    }
    table = Table(
        "power", "mW", title=f"{one_line(name)}: {report['neurons']} neurons, {data.images}"
    )
    for key, label in labels.items():
        if key in report:
            table.add_row(label, f"{1e3 * report[key]:.4f}")
    console.print(table)
    if settling_time is not None:
        console.print(
            f"static energy per inference: {report['mean_energy_J']:.4g} J, settled for "
            f"{settling_time:g} s",
            highlight=False,
        )
    if per_class:
        table = Table("class", "first image, mW", "mean, mW")
        for c in range(classes):
            table.add_row(str(c), f"{1e3 * float(first[c]):.4f}", f"{1e3 * float(means[c]):.4f}")
        console.print(table)
    if every:
        table = Table("image", "class", "mW")
        for i, (label, p) in enumerate(zip(data.labels.tolist(), watts.tolist(), strict=True)):
            table.add_row(str(i), str(label), f"{1e3 * p:.4f}")
        console.print(table)


@app.command()
def predict(
    name: Name,
    index: Annotated[int, typer.Option(metavar="I", help="Which held-out image, from 0.")],
    plot: Annotated[
        str | None, typer.Option(metavar="FILE", help="Also draw it: png, pdf or svg.")
    ] = None,
    force: Force = False,
    as_json: Json = False,
    paper_fann: PaperFann = None,
) -> None:
    """What the network answers to one held-out image, and how sure its outputs are.

    Example: ohmbench predict floatgate-digits --index 7 --plot seven.png
    """
    if plot is not None:
        _check_figure(plot, force)
    data = _load(name, paper_fann)
    if not 0 <= index < len(data.v):
        raise OperandError(f"--index {index}: there are images 0 to {len(data.v) - 1}")
    label = int(data.labels[index])
    with torch.no_grad():
        trace = data.network.trace(data.v[index])
        probabilities = data.network.logits(trace[-1].out).softmax(-1)
    answer = int(np.argmax(trace[-1].out.numpy()))
    if as_json:
        _print_json(
            {
                "name": name,
                "index": index,
                "label": label,
                "answer": answer,
                "outputs": trace[-1].out.tolist(),
                "softmax": probabilities.tolist(),
            }
        )
    else:
        console = _out()
        verdict = "right" if answer == label else "wrong"
        _say(f"{name}, image {index}: answers {answer}, true {label}: {verdict}")
        table = Table("class", "output", "softmax")
        for c, (output, p) in enumerate(
            zip(trace[-1].out.tolist(), probabilities.tolist(), strict=True)
        ):
            table.add_row(str(c), f"{output:.4f}", f"{p:.4f}")
        console.print(table)
    if plot is not None:
        figure = figures.prediction_figure(
            data.v[index], trace, label, f"{one_line(name)}, image {index}"
        )
        figures.save_figure(figure, plot, overwrite=force)


def _check_figure(path: str, force: bool) -> None:
    if os.path.splitext(path)[1].lower() not in (".png", ".pdf", ".svg"):
        raise FileError(path, "not a figure format", remedy="end the name in .png, .pdf or .svg")
    check_writable(path, overwrite=force)


@app.command("plot")
def plot_command(
    name: Name,
    out: Annotated[
        str | None, typer.Option(metavar="FOLDER", help="Default: NAME-plots here.")
    ] = None,
    force: Force = False,
    paper_fann: PaperFann = None,
) -> None:
    """Draw a network: confusion matrix, programmed currents, device curves, training history.

    Example: ohmbench plot floatgate-digits --out figures
    """
    if out == "":
        raise OperandError("--out is empty: name a folder, or leave it out")
    data = _load(name, paper_fann)
    folder = Path(out if out is not None else f"{Path(name).stem}-plots")
    found = evaluate(data.network, data.v, data.labels)
    drawn = {
        "confusion.png": figures.confusion_figure(found, one_line(name)),
        "currents.png": figures.currents_figure(data.network, one_line(name)),
        "curves.png": figures.curves_figure(),
    }
    if data.history is not None:
        drawn["history.png"] = figures.history_figure(data.history, one_line(name))
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(
            folder, f"cannot make the folder: {error.strerror}", remedy="choose another --out"
        ) from None
    for file in drawn:
        check_writable(folder / file, overwrite=force)
    for file, figure in drawn.items():
        figures.save_figure(figure, folder / file, overwrite=force)
        _say(f"wrote {folder / file}")


def _json_object(file: Path, text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
        # NaN is read but is no JSON: find out before anything is written.
        json.dumps(value, allow_nan=False)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise FileError(
            file, "is no JSON object", field="recipe", remedy="store what 'ohmbench train' wrote"
        )
    return value


@app.command()
def store(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What 'ohmbench train' wrote.")],
    name: Annotated[str, typer.Option(metavar="NAME", help="Under which name to store it.")],
    force: Force = False,
) -> None:
    """Put trained weights into this checkout's store, with their manifest entry (maintainers).

    The entry holds SHA-256, the training command, seed, versions and the metrics measured now.

    Example: ohmbench store floatgate-digits-seed0.npz --name floatgate-digits
    """
    if not re.fullmatch(r"[A-Za-z0-9_.-]+", name):
        raise OperandError(f"--name {name}: use letters, digits, '.', '_' and '-' only")
    if name == PAPER_V3:
        raise OperandError(f"--name {name}: stands for the paper's own file")
    data = load_network(file)
    if data.seed is None or data.recipe is None:
        lacking = "seed" if data.seed is None else "recipe"
        raise FileError(
            file, "missing", field=lacking, remedy="store only what 'ohmbench train' wrote"
        )
    recipe = _json_object(file, data.recipe)
    target = WEIGHTS_FOLDER / f"{name}.npz"
    check_writable(target, overwrite=force)
    found = evaluate(data.network, data.v, data.labels)
    watts = power_per_image(data.network, data.v)
    write_npz(target, read_npz(file, FLOATGATE_SCHEMA), overwrite=force)
    entry = describe(
        target,
        command=f"ohmbench train {data.network.spec.name} --seed {data.seed}",
        seed=data.seed,
        recipe=recipe,
        metrics={
            "accuracy": found.accuracy.value,
            "correct": found.correct,
            "total": found.total,
            "mean_power_W": float(watts.mean()),
        },
    )
    register(name, entry)
    _say(f"stored {name}: {_summary(data, found)}")


@app.command()
def doctor() -> None:
    """Tools, versions and data found here, what would be skipped without them, and why."""
    console = _out()
    console.print(
        f"ohmbench {__version__}, Python {platform.python_version()}, "
        f"{platform.system()} {platform.machine()}, torch threads "
        f"{torch.get_num_threads()}",
        highlight=False,
    )
    table = Table("package", "version", title="Python packages")
    for requirement in importlib.metadata.requires("ohmbench") or []:
        package = re.split(r"[^A-Za-z0-9_.-]", requirement, maxsplit=1)[0]
        if "extra ==" not in requirement:
            table.add_row(package, importlib.metadata.version(package))
    console.print(table)
    table = Table("need", "what", "found", "without it, skipped", title="Tools and data")
    for need in NEEDS.values():
        found = need.look()
        where = found.where or f"no: {found.reason}; {need.hint}"
        table.add_row(need.name, need.what, where, "-" if found.where else need.used_by)
    console.print(table)
    manifest = read_manifest()
    for name in manifest:
        stored(name)
    console.print(f"{len(manifest)} stored weights match their manifest", highlight=False)


def main() -> None:
    """Console entry point. Exit status: 0 done, 2 bad input (one line), 130 interrupted."""
    if sys.stdout is None:
        _fail("standard output is closed; redirect it somewhere", 2)
    try:
        result = app(sys.argv[1:] or ["--help"], standalone_mode=False)
        sys.stdout.flush()
    except OhmbenchError as error:
        _fail(str(error), 2)
    except typer.TyperException as error:
        context = getattr(error, "ctx", None)
        command = context.command_path if context else "ohmbench"
        _fail(f"{one_line(error.format_message())} (see '{command} --help')", 2)
    except (KeyboardInterrupt, typer.Abort):
        _fail("interrupted", 130)
    except BrokenPipeError:
        # The reader of a pipe has seen enough; keep the interpreter from complaining at exit.
        _drop_stdout()
        raise SystemExit(0) from None
    except OSError as error:
        _drop_stdout()
        _fail(f"standard output: {error.strerror or error}; nothing was lost but what it prints", 2)
    raise SystemExit(result if isinstance(result, int) else 0)


def _drop_stdout() -> None:
    """Send what is still buffered nowhere: flushing it at exit would fail once more."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _fail(line: str, status: int) -> NoReturn:
    sys.stderr.write(f"ohmbench: {line}\n")
    raise SystemExit(status) from None
