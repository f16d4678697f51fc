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


def _stem(name: str) -> str:
    """What the output is called after: a folder's configuration all bear the same name."""
    path = os.path.normpath(name)
    stem, ending = os.path.splitext(os.path.basename(path))
    return stem if ending.lower() in (".yaml", ".yml") else os.path.basename(path)


def train(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME|CONFIG",
            autocompletion=complete_training,
            help=f"One of: {', '.join(TRAININGS)}. Or a network of your own (YAML).",
        ),
    ],
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
) -> None:
    """Train a network from scratch, under its device's constraints or by its configuration.

    A progress bar shows the time left. The state is saved every few seconds beside the output
    (FILE.checkpoint.npz); a training that was killed, or ended by --max-minutes, continues with
    --resume and ends in the same bits as one that was not.

    A YAML file is a network of your own: with family: floatgate or family: int8 of these, without
    that key a KirchhoffNet in the paper's own schema. The key data names a CSV or npz file of your
    own (see docs/howto/bring-your-data.md). The last line says what 'ohmbench evaluate' finds.

    Example: ohmbench train floatgate-digits --seed 3 --out digits3.npz

    Example: ohmbench train twomoon --max-minutes 15
    """
    from rich.console import Console

    from ohmbench.families import find_training, takers
    from ohmbench.training import checkpoint_path, train_to_file

    if resume and force:
        raise OperandError("--resume and --force: exclude each other; give one of them")
    if max_minutes is not None and not 0 < max_minutes < float("inf"):
        raise OperandError(f"--max-minutes {max_minutes:g}: should be positive and finite")
    family, training = find_training(name, seed, samples)
    if samples is not None and not family.takes_samples:
        able = takers(lambda f: f.takes_samples)
        raise OperandError(f"--samples: not for {name}; it is for {able}")
    path = out if out is not None else f"{_stem(name)}-seed{seed}.npz"
    check_not_input(path, *training.reads)
    check_not_input(os.fspath(checkpoint_path(path)), *training.reads)
    if resume and not (os.path.lexists(checkpoint_path(path)) or os.path.lexists(path)):
        sys.stderr.write(f"{one_line(path)}: nothing to resume, starting at the beginning\n")
    try:
        train_to_file(
            training.task(),
            path,
            resume=resume,
            force=force,
            console=Console(stderr=True),
            max_minutes=max_minutes,
        )
    except KeyboardInterrupt:
        fail(f"interrupted; continue with --resume ({one_line(str(checkpoint_path(path)))})", 130)
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
