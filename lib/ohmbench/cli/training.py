"""``ohmbench train``."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer
from rich.console import Console

from ohmbench.cli.common import Force, fail, load_file, say
from ohmbench.cli.evaluation import judged
from ohmbench.digital.training import INT8_RECIPES, train_int8
from ohmbench.errors import OperandError, one_line
from ohmbench.floatgate.training import RECIPES, train_network
from ohmbench.train import checkpoint_path

TRAINABLE = (*RECIPES, *INT8_RECIPES)


def train(
    name: Annotated[str, typer.Argument(metavar="NAME", help="One of: " + ", ".join(TRAINABLE))],
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
    if name not in TRAINABLE:
        raise OperandError(f"no training for {name!r}; there is one for: {', '.join(TRAINABLE)}")
    path = out if out is not None else f"{name}-seed{seed}.npz"
    if resume and not os.path.lexists(checkpoint_path(path)):
        sys.stderr.write(f"{one_line(path)}: nothing to resume, starting at the beginning\n")
    console = Console(stderr=True)
    try:
        if name in INT8_RECIPES:
            train_int8(name, seed, path, resume=resume, force=force, console=console)
        else:
            train_network(name, seed, path, resume=resume, force=force, console=console)
    except KeyboardInterrupt:
        fail(f"interrupted; continue with --resume ({one_line(str(checkpoint_path(path)))})", 130)
    say(f"wrote {path}: {judged(load_file(path))[1]}")
