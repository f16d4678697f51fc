"""How a user names a network on the command line, and the folders of the papers' own."""

from __future__ import annotations

from typing import Annotated

import typer

from ohmbench.families import PAPER_INT8, PAPER_PREFIX, PAPER_SHORT, PAPER_V3
from ohmbench.kirchhoff.experiments import EXPERIMENTS
from ohmbench.paper import (
    FANN_OPTION,
    FANN_VARIABLE,
    KIRCHHOFF_CHECKPOINT,
    KIRCHHOFF_CONFIG,
    KIRCHHOFF_OPTION,
    KIRCHHOFF_VARIABLE,
)

Name = Annotated[
    str,
    typer.Argument(
        metavar="NAME|FILE",
        help=f"Stored weights (see 'ohmbench list'), {PAPER_SHORT}, an npz file, or a folder "
        f"with {KIRCHHOFF_CONFIG} and {KIRCHHOFF_CHECKPOINT}.",
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
