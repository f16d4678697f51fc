"""``ohmbench store``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from ohmbench.cli.common import Force, say
from ohmbench.constants import PAPER_NAMES, WEIGHTS_FOLDER
from ohmbench.errors import OperandError


def store(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What 'ohmbench train' wrote.")],
    name: Annotated[str, typer.Option(metavar="NAME", help="Under which name to store it.")],
    force: Force = False,
) -> None:
    """Put trained weights into this checkout's store (for maintainers).

    The manifest entry holds SHA-256, the training command, seed, versions and the metrics
    measured now.

    Example: ohmbench store floatgate-digits-seed0.npz --name floatgate-digits
    """
    from ohmbench.families import load_file
    from ohmbench.files import check_writable
    from ohmbench.weights import describe, register

    if not re.fullmatch(r"[A-Za-z0-9_.-]+", name):
        raise OperandError(f"--name {name}: use letters, digits, '.', '_' and '-' only")
    if name in PAPER_NAMES:
        raise OperandError(f"--name {name}: stands for the paper's own file")
    target = WEIGHTS_FOLDER / f"{name}.npz"
    check_writable(target, overwrite=force)
    family, network = load_file(file)
    origin = family.origin(network, file)
    origin.copy(target, force)
    entry = describe(
        target,
        command=origin.command,
        seed=origin.seed,
        recipe=origin.recipe,
        metrics=origin.judgement.metrics,
    )
    register(name, entry)
    say(f"stored {name}: {origin.judgement.line}")
