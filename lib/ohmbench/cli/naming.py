"""How a user names a network, the folders of the papers' own, and a ledger of claims."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from ohmbench.constants import (
    EXPERIMENTS,
    FANN_OPTION,
    FANN_VARIABLE,
    KIRCHHOFF_CHECKPOINT,
    KIRCHHOFF_CONFIG,
    KIRCHHOFF_OPTION,
    KIRCHHOFF_VARIABLE,
    MANIFEST,
    PAPER_INT8,
    PAPER_NAMES,
    PAPER_PREFIX,
    PAPER_SHORT,
    PAPER_V3,
    TRAININGS,
)


def complete_network(incomplete: str) -> list[str]:
    """The stored and the papers' networks whose names begin so. A shell then offers files, too."""
    try:
        stored = list(json.loads(MANIFEST.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        stored = []  # a completion has nowhere to say so; 'ohmbench list' does
    return [name for name in (*stored, *PAPER_NAMES) if name.startswith(incomplete)]


def complete_training(incomplete: str) -> list[str]:
    """The trainings whose names begin so."""
    return [name for name in TRAININGS if name.startswith(incomplete)]


Name = Annotated[
    str,
    typer.Argument(
        metavar="NAME|FILE",
        autocompletion=complete_network,
        help=f"Stored weights (see 'ohmbench list'), {PAPER_SHORT}, an npz file, or a folder "
        f"with {KIRCHHOFF_CONFIG} and {KIRCHHOFF_CHECKPOINT}.",
    ),
]
Data = Annotated[
    str | None,
    typer.Option(
        "--data",
        metavar="NAME|FILE",
        help="N-layer integer networks: what to run them on. A data set (mnist, mnist-bytes, "
        "digits), an npz file with x and y, or a CSV file (see --target). Data that the network "
        "was made on are scaled and split as then.",
    ),
]
Target = Annotated[
    str | None,
    typer.Option(
        metavar="COLUMN",
        help="CSV: the column that holds the classes. Default: the one that 'ohmbench quantize' "
        "read, or else y.",
        show_default=False,
    ),
]
PaperFann = Annotated[
    str | None,
    typer.Option(
        FANN_OPTION,
        metavar="FOLDER",
        help=f"Checkout of the paper's artifacts, for {PAPER_V3} and {PAPER_INT8}. "
        f"Default: ${FANN_VARIABLE}.",
    ),
]
PaperKirchhoff = Annotated[
    str | None,
    typer.Option(
        KIRCHHOFF_OPTION,
        metavar="FOLDER",
        help=f"Checkout of that paper's artifacts, for {PAPER_PREFIX}EXPERIMENT: "
        f"{', '.join(EXPERIMENTS)}. Default: ${KIRCHHOFF_VARIABLE}.",
    ),
]
Ledger = Annotated[
    str | None,
    typer.Argument(
        metavar="[FOLDER|FILE]",
        help="A ledger, or a folder with a claims.yaml in it or below. Default: ohmbench's own "
        "ledger of the two papers and its own networks.",
        show_default=False,
    ),
]
