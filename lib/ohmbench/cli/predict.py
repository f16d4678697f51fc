"""``ohmbench predict``."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import torch
import typer
from rich.markup import escape
from rich.table import Table

from ohmbench.cli.common import (
    Force,
    Json,
    check_figure,
    console_out,
    print_json,
    say,
)
from ohmbench.cli.finding import Name, PaperFann, Papers, load_only
from ohmbench.digital import StoredInt8, infer
from ohmbench.errors import OperandError, one_line
from ohmbench.floatgate import StoredNetwork
from ohmbench.report import digital_figures, figures
from ohmbench.report.style import plain_text


def predict(
    name: Name,
    index: Annotated[int, typer.Option(metavar="I", help="Which held-out image, from 0.")],
    plot: Annotated[
        str | None, typer.Option(metavar="FILE", help="Also draw it: png, pdf or svg.")
    ] = None,
    force: Force = False,
    as_json: Json = False,
    paper_fann: PaperFann = None,
) -> None:
    """What the network answers to one held-out image, and how sure its outputs are.

    Example: ohmbench predict floatgate-digits --index 7 --plot seven.png
    """
    if plot is not None:
        check_figure(plot, force)
    data = load_only(name, Papers(paper_fann), "predict", StoredNetwork, StoredInt8)
    if isinstance(data, StoredInt8):
        _predict_int8(name, data, index, plot, force, as_json)
    else:
        _predict_floatgate(name, data, index, plot, force, as_json)


def check_index(index: int, images: int) -> None:
    """Raise OperandError unless ``index`` is one of ``images`` images."""
    if not 0 <= index < images:
        raise OperandError(f"--index {index}: there are images 0 to {images - 1}")


def _say_answer(name: str, index: int, answer: str, label: str) -> None:
    verdict = "right" if answer == label else "wrong"
    say(f"{name}, image {index}: answers {answer}, true {label}: {verdict}")


def _predict_floatgate(
    name: str, data: StoredNetwork, index: int, plot: str | None, force: bool, as_json: bool
) -> None:
    check_index(index, len(data.v))
    label = int(data.labels[index])
    with torch.no_grad():
        trace = data.network.trace(data.v[index])
        probabilities = data.network.logits(trace[-1].out).softmax(-1)
    answer = int(np.argmax(trace[-1].out.numpy()))
    if as_json:
        report = {
            "name": name,
            "index": index,
            "label": label,
            "answer": answer,
            "outputs": trace[-1].out.tolist(),
            "softmax": probabilities.tolist(),
        }
        print_json(report | data.class_names_json())
    else:
        _say_answer(name, index, data.class_name(answer), data.class_name(label))
        table = Table("class", "output", "softmax")
        for c, (output, p) in enumerate(
            zip(trace[-1].out.tolist(), probabilities.tolist(), strict=True)
        ):
            table.add_row(escape(data.class_name(c)), f"{output:.4f}", f"{p:.4f}")
        console_out().print(table)
    if plot is not None:
        figure = figures.prediction_figure(
            data.v[index], trace, label, f"{plain_text(one_line(name))}, image {index}"
        )
        figures.save_figure(figure, plot, overwrite=force)


def _predict_int8(
    name: str, data: StoredInt8, index: int, plot: str | None, force: bool, as_json: bool
) -> None:
    images = data.images()
    check_index(index, len(images.x))
    label = int(images.labels[index])
    found = infer(data.network, images.x[index : index + 1])
    answer, logits = int(found.classes[0]), found.logits[0].tolist()
    if as_json:
        report = {
            "name": name,
            "index": index,
            "label": label,
            "answer": answer,
            "value": int(found.values[0]),
            "hidden": found.hidden[0].tolist(),
            "logits": logits,
        }
        print_json(report | data.class_names_json())
    else:
        _say_answer(name, index, data.class_name(answer), data.class_name(label))
        table = Table("class", "logit", "behind the answer")
        for c, logit in enumerate(logits):
            named = escape(data.class_name(c))
            table.add_row(named, str(logit), str(logits[answer] - logit))
        console_out().print(table)
    if plot is not None:
        figure = digital_figures.prediction_figure(
            images.x[index], found, label, f"{plain_text(one_line(name))}, image {index}"
        )
        figures.save_figure(figure, plot, overwrite=force)
