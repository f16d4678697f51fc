"""``ohmbench plot``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ohmbench.cli import kirchhoff_drawing
from ohmbench.cli.common import Force, say
from ohmbench.cli.evaluation import judge_floatgate, judge_int8
from ohmbench.cli.finding import Name, PaperFann, PaperKirchhoff, Papers, load
from ohmbench.digital import StoredInt8
from ohmbench.errors import FileError, OperandError, one_line
from ohmbench.files import check_writable
from ohmbench.floatgate import StoredNetwork
from ohmbench.kirchhoff.store import StoredKirchhoff
from ohmbench.report import digital_figures, figures
from ohmbench.report.style import plain_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot_command(
    name: Name,
    out: Annotated[
        str | None, typer.Option(metavar="FOLDER", help="Default: NAME-plots here.")
    ] = None,
    samples: Annotated[
        int,
        typer.Option(min=2, max=1_000_000, metavar="N", help="KirchhoffNets: drawn from a flow."),
    ] = kirchhoff_drawing.PLOTTED_SAMPLES,
    images: Annotated[
        int, typer.Option(min=2, metavar="N", help="KirchhoffNets: of a classification, the first.")
    ] = kirchhoff_drawing.PLOTTED_IMAGES,
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
    data = load(name, Papers(paper_fann, paper_kirchhoffnet))
    title = plain_text(one_line(name))
    if isinstance(data, StoredKirchhoff):
        for file in kirchhoff_drawing.file_names(data) if folder.is_dir() else []:
            check_writable(folder / file, overwrite=force)
        drawn = kirchhoff_drawing.drawn(title, data, samples, images, seed)
    else:
        drawn = _drawn(title, data)
    _save(drawn, folder, force)


def _check_folder(folder: Path) -> None:
    """Find out before minutes of drawing that there can be no such folder."""
    if folder.exists() and not folder.is_dir():
        raise FileError(folder, "is not a folder", remedy="choose another --out")


def _drawn(title: str, data: StoredNetwork | StoredInt8) -> dict[str, Figure]:
    """The figures of an int8 or floating-gate network, by the names of their files."""
    if isinstance(data, StoredInt8):
        drawn = {
            "confusion.png": figures.confusion_figure(judge_int8(data)[0], title),
            "weights.png": digital_figures.weights_figure(data.network, title),
        }
    else:
        drawn = {
            "confusion.png": figures.confusion_figure(judge_floatgate(data)[0], title),
            "currents.png": figures.currents_figure(data.network, title),
            "curves.png": figures.curves_figure(data.network.spec.circuits),
        }
    if data.history is not None:
        drawn["history.png"] = figures.history_figure(data.history, title)
    return drawn


def _save(drawn: dict[str, Figure], folder: Path, force: bool) -> None:
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
        say(f"wrote {folder / file}")
