"""``ohmbench plot``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ohmbench.cli.common import Force, say
from ohmbench.cli.naming import Name, PaperFann, PaperKirchhoff
from ohmbench.errors import FileError, OperandError, one_line
from ohmbench.families import Papers, load
from ohmbench.family import DrawOptions, Figures
from ohmbench.files import check_writable
from ohmbench.report.figures import save_figure
from ohmbench.report.style import plain_text


def plot_command(
    name: Name,
    out: Annotated[
        str | None, typer.Option(metavar="FOLDER", help="Default: NAME-plots here.")
    ] = None,
    samples: Annotated[
        int,
        typer.Option(min=2, max=1_000_000, metavar="N", help="KirchhoffNets: drawn from a flow."),
    ] = DrawOptions.samples,
    images: Annotated[
        int, typer.Option(min=2, metavar="N", help="KirchhoffNets: of a classification, the first.")
    ] = DrawOptions.images,
    seed: Annotated[
        int, typer.Option(min=0, max=2**31 - 1, help="KirchhoffNets: of what is drawn at random.")
    ] = 0,
    force: Force = False,
    paper_fann: PaperFann = None,
    paper_kirchhoffnet: PaperKirchhoff = None,
) -> None:
    """Draw a network: what it does, its training history, and what its weights are.

    Floating-gate networks: confusion matrix, programmed currents, device curves. Int8 networks:
    confusion matrix, weights. KirchhoffNets: samples and density beside the true one, samples on
    their potential, predictions or confusion matrix, and node voltages over time.

    Example: ohmbench plot floatgate-digits --out figures
    """
    if out == "":
        raise OperandError("--out is empty: name a folder, or leave it out")
    folder = Path(out if out is not None else f"{Path(name).stem}-plots")
    _check_folder(folder)
    family, network = load(name, Papers(paper_fann, paper_kirchhoffnet))
    options = DrawOptions(samples, images, seed)
    _save(family.figures(network, plain_text(one_line(name)), options), folder, force)


def _check_folder(folder: Path) -> None:
    """Find out before minutes of drawing that there can be no such folder."""
    if folder.exists() and not folder.is_dir():
        raise FileError(folder, "is not a folder", remedy="choose another --out")


def _save(figures: Figures, folder: Path, force: bool) -> None:
    """Draw all, then write all: where one cannot be drawn or written, nothing is."""
    for file in figures if folder.is_dir() else ():
        check_writable(folder / file, overwrite=force)
    drawn = {file: draw() for file, draw in figures.items()}
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(
            folder, f"cannot make the folder: {error.strerror}", remedy="choose another --out"
        ) from None
    for file, figure in drawn.items():
        save_figure(figure, folder / file, overwrite=force)
        say(f"wrote {folder / file}")
