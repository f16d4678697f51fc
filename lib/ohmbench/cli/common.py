"""What the subcommands share: options, output, and finding the network that a name stands for."""

from __future__ import annotations

import json
import os
import sys
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console

from ohmbench.digital import StoredInt8, load_int8
from ohmbench.errors import FileError, one_line
from ohmbench.files import ArraySpec, check_writable, read_npz
from ohmbench.floatgate import StoredNetwork, load_network
from ohmbench.paper import FANN_OPTION, FANN_VARIABLE, read_fann_int8, read_fann_v3
from ohmbench.stats import Interval
from ohmbench.weights import read_manifest, stored

PAPER_V3 = "paper-v3"
PAPER_INT8 = "paper-int8"
PAPER_NAMES = (PAPER_V3, PAPER_INT8)

Name = Annotated[
    str,
    typer.Argument(
        metavar="NAME|FILE",
        help=f"Stored weights (see 'ohmbench list'), {', '.join(PAPER_NAMES)}, or an npz file.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")]
Force = Annotated[bool, typer.Option("--force", help="Overwrite what is already there.")]
PaperFann = Annotated[
    str | None,
    typer.Option(
        FANN_OPTION,
        metavar="FOLDER",
        help=f"Checkout of the paper's artifacts, for {' and '.join(PAPER_NAMES)}. "
        f"Default: ${FANN_VARIABLE}.",
    ),
]


def console_out() -> Console:
    # A pipe has no width: tables are not folded there.
    return Console(width=None if sys.stdout.isatty() else 160, soft_wrap=not sys.stdout.isatty())


def say(line: str) -> None:
    """One line, whatever characters a file's name brings along."""
    console_out().print(one_line(line), markup=False, highlight=False)


def print_json(value: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(value, indent=2, allow_nan=False) + "\n")


def fail(line: str, status: int) -> NoReturn:
    sys.stderr.write(f"ohmbench: {line}\n")
    raise SystemExit(status) from None


def summary(correct: int, total: int, accuracy: Interval, images: str) -> str:
    """Accuracy with its interval and the images it was measured on."""
    return (
        f"{correct} of {total} correct, {100 * accuracy.value:.2f} % "
        f"[{100 * accuracy.low:.2f}, {100 * accuracy.high:.2f}] on {images}"
    )


# The field that tells the families' files apart; nothing else of the file is looked at.
_INT8_FIELD = ArraySpec("mlp_0.weight_q", ("hidden", "inputs"), ("int8",), optional=True)


def load_file(path: str | os.PathLike[str]) -> StoredNetwork | StoredInt8:
    """The network in a file, of the family whose layout the file has. Raises FileError."""
    if _INT8_FIELD.name in read_npz(path, [_INT8_FIELD], allow_extra=True):
        return load_int8(path)
    return load_network(path)


def load(name: str, paper_fann: str | None) -> StoredNetwork | StoredInt8:
    """The network called ``name``: the paper's, ours, or a file's. Raises FileError."""
    if name == PAPER_V3:
        return read_fann_v3(paper_fann)
    if name == PAPER_INT8:
        return read_fann_int8(paper_fann)
    path = stored(name)
    if path is not None:
        return load_file(path)
    if not os.path.splitext(name)[1] and not os.path.exists(name):
        known = [n for n in read_manifest() if "-seed" not in n]
        raise FileError(
            name,
            "neither stored weights nor a file",
            remedy=f"there are {', '.join([*known, *PAPER_NAMES])}, and more in 'ohmbench list'",
        )
    return load_file(name)


def load_floatgate(name: str, paper_fann: str | None, command: str) -> StoredNetwork:
    """As ``load``, for a command that only floating-gate networks have an answer to."""
    data = load(name, paper_fann)
    if not isinstance(data, StoredNetwork):
        raise FileError(
            name, "is an int8 network", remedy=f"'{command}' takes floating-gate networks"
        )
    return data


def load_digital(name: str, paper_fann: str | None, command: str) -> StoredInt8:
    """As ``load``, for a command that only int8 networks have an answer to."""
    data = load(name, paper_fann)
    if not isinstance(data, StoredInt8):
        raise FileError(
            name, "is a floating-gate network", remedy=f"'{command}' takes int8 networks"
        )
    return data


def check_figure(path: str, force: bool) -> None:
    if os.path.splitext(path)[1].lower() not in (".png", ".pdf", ".svg"):
        raise FileError(path, "not a figure format", remedy="end the name in .png, .pdf or .svg")
    check_writable(path, overwrite=force)
