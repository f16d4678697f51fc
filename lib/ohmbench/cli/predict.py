"""``ohmbench predict``."""

from __future__ import annotations

from typing import Annotated

import typer

from ohmbench.cli.common import (
    Force,
    Json,
    check_figure,
    console_out,
    print_json,
    say,
    shown,
)
from ohmbench.cli.naming import Data, Name, PaperFann, Target
from ohmbench.errors import one_line


def predict(
    name: Name,
    image: Annotated[int, typer.Option(metavar="K", help="Which held-out image, from 0.")],
    plot: Annotated[
        str | None, typer.Option(metavar="FILE", help="Also draw it: png, pdf or svg.")
    ] = None,
    data: Data = None,
    target: Target = None,
    force: Force = False,
    as_json: Json = False,
    paper_fann: PaperFann = None,
) -> None:
    """Show what a network answers to one held-out image and how sure its outputs are.

    Example: ohmbench predict floatgate-digits --image 7 --plot seven.png
    """
    from ohmbench.families import Papers, load_able
    from ohmbench.report.figures import save_figure
    from ohmbench.report.style import plain_text

    if plot is not None:
        check_figure(plot, force)
    family, network = load_able(name, Papers(paper_fann), "predict", data, target)
    found = family.predict(network, image)
    if as_json:
        numbers = {"name": name, "index": image, "label": found.label, "answer": found.answer}
        print_json({**numbers, **found.values})
    else:
        verdict = "right" if found.answer == found.label else "wrong"
        answer, label = found.class_name(found.answer), found.class_name(found.label)
        say(f"{name}, image {image}: answers {answer}, true {label}: {verdict}")
        console_out().print(shown(found.table))
    if plot is not None:
        figure = found.draw(f"{plain_text(one_line(name))}, image {image}")
        save_figure(figure, plot, overwrite=force)
