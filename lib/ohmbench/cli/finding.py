"""From a name on the command line to the network it stands for, of whichever family."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Annotated, Any, TypeAlias, TypeVar, overload

import typer

from ohmbench.digital import StoredInt8, load_int8
from ohmbench.errors import FileError
from ohmbench.files import npz_fields
from ohmbench.floatgate import StoredNetwork, load_network
from ohmbench.kirchhoff.experiments import EXPERIMENTS
from ohmbench.kirchhoff.recipes import CONFIG_NAMES
from ohmbench.kirchhoff.store import StoredKirchhoff, load_kirchhoff
from ohmbench.paper import (
    FANN_OPTION,
    FANN_VARIABLE,
    KIRCHHOFF_CHECKPOINT,
    KIRCHHOFF_CONFIG,
    KIRCHHOFF_OPTION,
    KIRCHHOFF_VARIABLE,
    read_fann_int8,
    read_fann_v3,
    read_kirchhoff,
    read_kirchhoff_folder,
)
from ohmbench.weights import read_manifest, stored

Stored: TypeAlias = StoredNetwork | StoredInt8 | StoredKirchhoff
One = TypeVar("One", bound=Stored)
Other = TypeVar("Other", bound=Stored)
Path: TypeAlias = str | os.PathLike[str]

PAPER_V3 = "paper-v3"
PAPER_INT8 = "paper-int8"
PAPER_PREFIX = "paper-"
PAPER_NAMES = (PAPER_V3, PAPER_INT8, *(PAPER_PREFIX + name for name in EXPERIMENTS))
_PAPER_SHORT = f"{PAPER_V3}, {PAPER_INT8}, {PAPER_PREFIX}EXPERIMENT"  # seventeen names fill a page

Name = Annotated[
    str,
    typer.Argument(
        metavar="NAME|FILE",
        help=f"Stored weights (see 'ohmbench list'), {_PAPER_SHORT}, an npz file, or a folder "
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


@dataclass(frozen=True)
class Family:
    """One kind of network: what to call it, how to read its npz files and how to tell them."""

    one: str
    many: str
    kind: type[StoredNetwork] | type[StoredInt8] | type[StoredKirchhoff]
    read: Callable[[Path], Stored]
    owns: Callable[[Collection[str]], bool]


def _some(*prefixes: str) -> Callable[[Collection[str]], bool]:
    return lambda fields: any(field.startswith(prefixes) for field in fields)


_CONFIG = _some("config", "circuit.")
INT8 = Family("an int8 network", "int8 networks", StoredInt8, load_int8, _some("mlp_0.", "mlp_1."))
KIRCHHOFF = Family(
    "a KirchhoffNet",
    "KirchhoffNets",
    StoredKirchhoff,
    load_kirchhoff,
    # A floating-gate network of the user's own has a configuration too.
    lambda fields: _CONFIG(fields) and not _some("mlp_")(fields),
)
FLOATGATE = Family(
    "a floating-gate network",
    "floating-gate networks",
    StoredNetwork,
    load_network,
    lambda fields: True,  # the last to be asked: its reader says what a floating-gate file holds
)
FAMILIES = (INT8, KIRCHHOFF, FLOATGATE)


@dataclass(frozen=True)
class Papers:
    """The folders named for the papers' own artifacts; None: the environment's."""

    fann: str | None = None
    kirchhoffnet: str | None = None


@dataclass(frozen=True)
class _Found:
    """A network that was found and not yet read."""

    family: Family
    read: Callable[[], Stored]


def _in_npz(path: Path) -> _Found:
    fields = npz_fields(path)
    family = next(f for f in FAMILIES if f.owns(fields))
    return _Found(family, lambda: family.read(path))


def load_file(path: Path) -> Stored:
    """The network in an npz file, of the family whose layout it has. Raises FileError."""
    return _in_npz(path).read()


def _paper(name: str, papers: Papers) -> _Found:
    if name == PAPER_V3:
        return _Found(FLOATGATE, lambda: read_fann_v3(papers.fann))
    if name == PAPER_INT8:
        return _Found(INT8, lambda: read_fann_int8(papers.fann))
    experiment = name.removeprefix(PAPER_PREFIX)
    return _Found(KIRCHHOFF, lambda: read_kirchhoff(experiment, papers.kirchhoffnet))


def _in_paper_layout(name: str) -> _Found | None:
    """A folder with the two files, or one of them; None when ``name`` is neither."""
    folder, file = os.path.split(name)
    if os.path.isdir(name):
        return _Found(KIRCHHOFF, lambda: read_kirchhoff_folder(name))
    if file in (KIRCHHOFF_CONFIG, KIRCHHOFF_CHECKPOINT):
        return _Found(KIRCHHOFF, lambda: read_kirchhoff_folder(folder))
    ending = os.path.splitext(file)[1].lower()
    if ending in (".yaml", ".yml"):
        raise FileError(
            name,
            "is a configuration, not a network",
            remedy="'ohmbench train' with it makes one; the paper's own is named "
            f"{KIRCHHOFF_CONFIG}, with {KIRCHHOFF_CHECKPOINT} beside it",
        )
    if ending == ".pth":
        raise FileError(
            name,
            "its configuration is not known",
            remedy=f"call it {KIRCHHOFF_CHECKPOINT} and put its {KIRCHHOFF_CONFIG} beside it",
        )
    return None


def _unknown(name: str) -> FileError:
    if name in CONFIG_NAMES:
        return FileError(
            name, "no weights of that name are stored", remedy=f"'ohmbench train {name}' makes some"
        )
    known = [n for n in read_manifest() if "-seed" not in n]
    listed = ", ".join([*known[:8], _PAPER_SHORT])
    return FileError(
        name,
        "neither stored weights nor a file",
        remedy=f"there are {listed}, and more in 'ohmbench list'",
    )


def _find(name: str, papers: Papers) -> _Found:
    if not name:
        raise FileError(
            "NAME", "is empty", remedy="name stored weights (see 'ohmbench list') or a file"
        )
    if name in PAPER_NAMES:
        return _paper(name, papers)
    path = stored(name)
    if path is not None:
        return _in_npz(path)
    found = _in_paper_layout(name)
    if found is not None:
        return found
    a_word = os.path.basename(name) == name and not os.path.splitext(name)[1]
    if a_word and not os.path.lexists(name):
        raise _unknown(name)
    return _in_npz(name)


def load(name: str, papers: Papers) -> Stored:
    """The network called ``name``: a paper's, ours, or a file's. Raises FileError."""
    return _find(name, papers).read()


@overload
def load_only(name: str, papers: Papers, command: str, one: type[One], /) -> One: ...
@overload
def load_only(
    name: str, papers: Papers, command: str, one: type[One], other: type[Other], /
) -> One | Other: ...
def load_only(name: str, papers: Papers, command: str, /, *kinds: type[Any]) -> Any:
    """As ``load``, for a command that only some families' networks have an answer to.

    Refuses the others before it reads them.
    """
    found = _find(name, papers)
    if found.family.kind not in kinds:
        takers = " and ".join(f.many for f in FAMILIES if f.kind in kinds)
        raise FileError(name, f"is {found.family.one}", remedy=f"'{command}' takes {takers}")
    data = found.read()
    assert isinstance(data, kinds)
    return data
