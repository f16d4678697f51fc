"""``ohmbench plot``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ohmbench.cli.common import Force, say
from ohmbench.cli.naming import Data, Name, PaperFann, PaperKirchhoff, Target
from ohmbench.constants import IMAGES_DRAWN, SAMPLES_DRAWN
from ohmbench.errors import FileError, OperandError, one_line


def plot_command(
    name: Name,
    out: Annotated[
        str | None, typer.Option(metavar="FOLDER", help="Default: NAME-plots here.")
    ] = None,
    samples: Annotated[
        int,
        typer.Option(
            "--samples",
            "-n",
            min=2,
            max=1_000_000,
            metavar="N",
            help="KirchhoffNets: drawn from a flow.",
        ),
    ] = SAMPLES_DRAWN,
    images: Annotated[
        int, typer.Option(min=2, metavar="N", help="KirchhoffNets: of a classification, the first.")
    ] = IMAGES_DRAWN,
    seed: Annotated[
        int, typer.Option(min=0, max=2**31 - 1, help="KirchhoffNets: of what is drawn at random.")
    ] = 0,
    data: Data = None,
    target: Target = None,
    force: Force = False,
    paper_fann: PaperFann = None,
    paper_kirchhoffnet: PaperKirchhoff = None,
) -> None:
    """Draw what a network does, its training history and its weights.

    Floating-gate networks: confusion matrix, programmed currents, device curves. Int8 networks:
    confusion matrix, weights. N-layer integer networks: weights, the bits that each layer needs,
    and with --data the confusion matrix. KirchhoffNets: samples and density beside the true one,
    samples on their potential, predictions or confusion matrix, and node voltages over time.

    Example: ohmbench plot floatgate-digits --out figures
    """
    from ohmbench.families import Papers, load
    from ohmbench.family import DrawOptions
    from ohmbench.report.figures import save_figures
    from ohmbench.report.style import plain_text

    if out == "":
        raise OperandError("--out: is empty; name a folder, or leave it out")
    folder = Path(out if out is not None else f"{Path(name).stem}-plots")
    _check_folder(folder)
    family, network = load(name, Papers(paper_fann, paper_kirchhoffnet), data, target)
    options = DrawOptions(samples, images, seed)
    figures = family.figures(network, plain_text(one_line(name)), options)
    for file in save_figures(figures, folder, overwrite=force):
        say(f"wrote {file}")


def _check_folder(folder: Path) -> None:
    """Find out before minutes of drawing that there can be no such folder."""
    if folder.exists() and not folder.is_dir():
        raise FileError(folder, "is not a folder", remedy="choose another --out")
