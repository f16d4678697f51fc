"""What the subcommands share: options, output, and finding the network that a name stands for."""

from __future__ import annotations

import json
import os
import sys
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

from ohmbench.digital import StoredInt8, load_int8
from ohmbench.errors import FileError, one_line
from ohmbench.files import check_writable, npz_fields
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


def print_whole(table: Table) -> None:
    """A table whose numbers are the point: wider than the terminal rather than cut."""
    console = console_out()
    natural = Measurement.get(console, console.options.update(max_width=1000), table).maximum
    console.width = max(console.width, natural)
    console.print(table)


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


# What tells the families' files apart: floating-gate layers are called mlp_0_weights and so on.
_INT8_LAYERS = ("mlp_0.", "mlp_1.")


def load_file(path: str | os.PathLike[str]) -> StoredNetwork | StoredInt8:
    """The network in a file, of the family whose layout the file has. Raises FileError."""
    if any(field.startswith(_INT8_LAYERS) for field in npz_fields(path)):
        return load_int8(path)
    return load_network(path)


def load(name: str, paper_fann: str | None) -> StoredNetwork | StoredInt8:
    """The network called ``name``: the paper's, ours, or a file's. Raises FileError."""
    if not name:
        raise FileError(
            "NAME", "is empty", remedy="name stored weights (see 'ohmbench list') or a file"
        )
    if name == PAPER_V3:
        return read_fann_v3(paper_fann)
    if name == PAPER_INT8:
        return read_fann_int8(paper_fann)
    path = stored(name)
    if path is not None:
        return load_file(path)
    a_word = os.path.basename(name) == name and not os.path.splitext(name)[1]
    if a_word and not os.path.exists(name):
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
