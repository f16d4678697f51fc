"""``ohmbench train``."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from ohmbench.cli.common import Force, check_not_input, fail, say
from ohmbench.cli.naming import complete_training
from ohmbench.constants import TRAININGS
from ohmbench.errors import OhmbenchError, OperandError, one_line

if TYPE_CHECKING:
    from ohmbench.family import JudgeOptions


_ENDINGS = (".yaml", ".yml", ".npz", ".onnx", ".pth", ".pt")
_STEPS, _LEARNING_RATE = 1000, 1e-3
"""Of a fine-tuning."""


def _stem(name: str) -> str:
    """What the output is called after: a folder's configurations all bear the same name."""
    path = os.path.normpath(name)
    stem, ending = os.path.splitext(os.path.basename(path))
    return stem if ending.lower() in _ENDINGS else os.path.basename(path)


def _one_of(name: str | None, start: str | None) -> str:
    """What is trained. Raises OperandError unless exactly one of the two is given."""
    if name is not None and start is not None:
        raise OperandError(f"{one_line(name)} and --from: exclude each other; give one of them")
    called = name if name is not None else start
    if called is None:
        raise OperandError("NAME|CONFIG: is missing; name a training, or a network by --from")
    return called


def _check_only_with_from(**options: object) -> None:
    """Raise OperandError for an option that was given: a configuration says the same."""
    for name, value in options.items():
        if value is not None:
            option = f"--{name.replace('_', '-')}"
            raise OperandError(f"{option}: only with --from; a configuration has its own")


def train(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME|CONFIG",
            autocompletion=complete_training,
            help=f"One of: {', '.join(TRAININGS)}. Or a network of your own (YAML).",
            show_default=False,
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**31 - 1, help="Split, start and noise.")] = 0,
    out: Annotated[
        str | None, typer.Option(metavar="FILE", help="Default: NAME-seedN.npz here.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue an unfinished training of the same output.")
    ] = False,
    force: Force = False,
    max_minutes: Annotated[
        float | None,
        typer.Option(
            "--max-minutes",
            metavar="M",
            help="End after M minutes and write what there is; --resume goes on from there.",
        ),
    ] = None,
    samples: Annotated[
        int | None,
        typer.Option(
            "--samples",
            "-n",
            min=1,
            metavar="N",
            help="KirchhoffNets: only the first N of the training samples.",
        ),
    ] = None,
    start: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="FILE",
            help="Instead of NAME|CONFIG: fine-tune a network that 'ohmbench quantize' wrote, or a "
            "float MLP (.onnx, .pth, .pt) with --data.",
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|NAME",
            help="With --from a float MLP: its data, as for 'ohmbench quantize'.",
        ),
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="With --data a CSV file: the column of the classes."),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=1_000_000,
            metavar="N",
            help="With --from: updates of 64 samples.",
            show_default="1000",
        ),
    ] = None,
    learning_rate: Annotated[
        float | None,
        typer.Option(
            "--learning-rate",
            metavar="R",
            help="With --from: the largest step of Adam.",
            show_default="0.001",
        ),
    ] = None,
) -> None:
    """Train a network from scratch, under its device's constraints or by its configuration.

    A progress bar shows the time left. The state is saved every few seconds beside the output
    (FILE.checkpoint.npz); a training that was killed, or ended by --max-minutes, continues with
    --resume and ends in the same bits as one that was not.

    A YAML file is a network of your own: with family: floatgate or family: int8 of these, without
    that key a KirchhoffNet in the paper's own schema. The key data names a CSV or npz file of your
    own (see docs/howto/bring-your-data.md). The last line says what 'ohmbench evaluate' finds.

    --from FILE fine-tunes (quantisation-aware training): in each update the forward pass computes
    the integers, so that training takes the rounding into account. It starts from the float
    model that FILE was quantised from, with the same data and formats; a float MLP itself gets 8
    bits per tensor.

    Example: ohmbench train floatgate-digits --seed 3 --out digits3.npz

    Example: ohmbench train twomoon --max-minutes 15

    Example: ohmbench train --from model-w4a4.npz --steps 2000
    """
    from rich.console import Console

    from ohmbench.families import find_training, find_tuning, takers
    from ohmbench.training import checkpoint_path, train_to_file

    if resume and force:
        raise OperandError("--resume and --force: exclude each other; give one of them")
    if max_minutes is not None and not 0 < max_minutes < float("inf"):
        raise OperandError(f"--max-minutes {max_minutes:g}: should be positive and finite")
    if learning_rate is not None and not 0 < learning_rate <= 10:
        raise OperandError(f"--learning-rate {learning_rate:g}: should be above 0, at most 10")
    called = _one_of(name, start)
    if start is None:
        _check_only_with_from(steps=steps, learning_rate=learning_rate, data=data, target=target)
        family, training = find_training(called, seed, samples)
        takes_samples = family.takes_samples
    else:
        training = find_tuning(
            start,
            seed,
            steps=steps or _STEPS,
            learning_rate=learning_rate or _LEARNING_RATE,
            data=data,
            target=target,
        )
        takes_samples = False
    if samples is not None and not takes_samples:
        able = takers(lambda f: f.takes_samples)
        raise OperandError(f"--samples: not for {called}; it is for {able}")
    path = out if out is not None else f"{_stem(called)}-seed{seed}.npz"
    check_not_input(path, *training.reads)
    check_not_input(os.fspath(checkpoint_path(path)), *training.reads)
    if resume and not (os.path.lexists(checkpoint_path(path)) or os.path.lexists(path)):
        sys.stderr.write(f"{one_line(path)}: nothing to resume, starting at the beginning\n")
    try:
        made = train_to_file(
            training.task(),
            path,
            resume=resume,
            force=force,
            console=Console(stderr=True),
            max_minutes=max_minutes,
        )
    except KeyboardInterrupt:
        fail(f"interrupted; continue with --resume ({one_line(str(checkpoint_path(path)))})", 130)
    if training.line is not None:
        say(f"wrote {path}: {training.line(made)}")
    else:
        _say_what_it_is(path, training.options)
    if os.path.lexists(checkpoint_path(path)):
        say(f"{path}: ended by --max-minutes; the same command with --resume goes on")


def _say_what_it_is(path: str, options: JudgeOptions) -> None:
    """Where the network went and how good it is; the first also where the second fails."""
    from ohmbench.families import load_file

    try:
        family, network = load_file(path)
        line = family.judge(network, options).line
    except OhmbenchError:
        say(f"wrote {path}")
        raise
    say(f"wrote {path}: {line}")
