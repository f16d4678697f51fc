"""``ohmbench plot``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from matplotlib.figure import Figure

from ohmbench.cli.common import Force, say
from ohmbench.cli.evaluation import judge_floatgate, judge_int8
from ohmbench.cli.finding import Name, PaperFann, Papers, load_only
from ohmbench.digital import StoredInt8
from ohmbench.errors import FileError, OperandError, one_line
from ohmbench.files import check_writable
from ohmbench.floatgate import StoredNetwork
from ohmbench.report import digital_figures, figures


def plot_command(
    name: Name,
    out: Annotated[
        str | None, typer.Option(metavar="FOLDER", help="Default: NAME-plots here.")
    ] = None,
    force: Force = False,
    paper_fann: PaperFann = None,
) -> None:
    """Draw a network: confusion matrix, training history, and what its weights are.

    Floating-gate networks: programmed currents and device curves. Int8 networks: weights.

    Example: ohmbench plot floatgate-digits --out figures
    """
    if out == "":
        raise OperandError("--out is empty: name a folder, or leave it out")
    data = load_only(name, Papers(paper_fann), "plot", StoredNetwork, StoredInt8)
    folder = Path(out if out is not None else f"{Path(name).stem}-plots")
    title = one_line(name)
    drawn: dict[str, Figure] = {
        "confusion.png": figures.confusion_figure(
            (judge_int8(data) if isinstance(data, StoredInt8) else judge_floatgate(data))[0], title
        ),
    }
    if isinstance(data, StoredInt8):
        drawn["weights.png"] = digital_figures.weights_figure(data.network, title)
    else:
        drawn["currents.png"] = figures.currents_figure(data.network, title)
        drawn["curves.png"] = figures.curves_figure()
    if data.history is not None:
        drawn["history.png"] = figures.history_figure(data.history, title)
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
