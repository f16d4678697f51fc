"""The list of families, and the way from a name or a file to a network of any of them."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

from ohmbench.constants import (
    CONFIG_NAMES,
    KIRCHHOFF_CHECKPOINT,
    KIRCHHOFF_CONFIG,
    PAPER_INT8,
    PAPER_NAMES,
    PAPER_PREFIX,
    PAPER_SHORT,
    PAPER_V3,
    TRAININGS,
)
from ohmbench.data.own import FILLED_IN
from ohmbench.digital.family import Int8Family
from ohmbench.digital.integer_family import IntegerFamily
from ohmbench.digital.quantizing.tuning import tuning_of
from ohmbench.errors import FileError, OperandError, one_line
from ohmbench.family import Ability, Family, Training
from ohmbench.fields import found
from ohmbench.files import npz_fields, read_yaml
from ohmbench.floatgate.family import FloatgateFamily
from ohmbench.kirchhoff.family import KirchhoffFamily
from ohmbench.paper import (
    read_fann_int8,
    read_fann_v3,
    read_kirchhoff,
    read_kirchhoff_folder,
)
from ohmbench.weights import read_manifest, stored

Path: TypeAlias = str | os.PathLike[str]

INT8, INTEGER = Int8Family(), IntegerFamily()
KIRCHHOFF, FLOATGATE = KirchhoffFamily(), FloatgateFamily()
FAMILIES: tuple[Family[Any], ...] = (INT8, INTEGER, KIRCHHOFF, FLOATGATE)
"""The order in which families are asked whether a file is theirs. The last one accepts any file and
reports what is wrong with it.
"""


def takers(takes: Callable[[Family[Any]], object]) -> str:
    """Names of the families for which ``takes`` is true, as one phrase."""
    names = [family.many for family in FAMILIES if takes(family)]
    return " and ".join(part for part in (", ".join(names[:-1]), *names[-1:]) if part)


@dataclass(frozen=True)
class Papers:
    """Folders of the papers' own artifacts; None means the environment's."""

    fann: str | None = None
    kirchhoffnet: str | None = None


class Loaded(NamedTuple):
    """A network as its file holds it, with the family that handles it."""

    family: Family[Any]
    network: Any


@dataclass(frozen=True)
class _Found:
    """A network that was found but has not been read."""

    family: Family[Any]
    read: Callable[[], Any]


def _in_npz(path: Path) -> _Found:
    fields = npz_fields(path)
    family = next(f for f in FAMILIES if f.recognises(fields))
    return _Found(family, lambda: family.load(path))


def load_file(path: Path) -> Loaded:
    """Load an npz file by the family whose layout it has. Raises FileError."""
    there = _in_npz(path)
    return Loaded(there.family, there.read())


def _paper(name: str, papers: Papers) -> _Found:
    if name == PAPER_V3:
        return _Found(FLOATGATE, lambda: read_fann_v3(papers.fann))
    if name == PAPER_INT8:
        return _Found(INT8, lambda: read_fann_int8(papers.fann))
    experiment = name.removeprefix(PAPER_PREFIX)
    return _Found(KIRCHHOFF, lambda: read_kirchhoff(experiment, papers.kirchhoffnet))


def _in_paper_layout(name: str) -> _Found | None:
    """A folder with the two files, or one of the two; None if ``name`` is neither."""
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
            name,
            "no weights of that name are stored",
            remedy=f"train some with 'ohmbench train {name}'",
        )
    known = [n for n in read_manifest() if "-seed" not in n]
    listed = ", ".join([*known[:8], PAPER_SHORT])
    return FileError(
        name,
        "neither stored weights nor a file",
        remedy=f"choose from {listed} and more in 'ohmbench list'",
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
    there = _in_paper_layout(name)
    if there is not None:
        return there
    a_word = os.path.basename(name) == name and not os.path.splitext(name)[1]
    if a_word and not os.path.lexists(name):
        raise _unknown(name)
    return _in_npz(name)


def load(
    name: Path,
    papers: Papers = Papers(),
    data: str | None = None,
    target: str | None = None,
) -> Loaded:
    """Load the network called ``name``: a paper's, one of ours, or a file.

    ``data`` names the data to run, for families whose networks come without, and ``target`` the
    column of a CSV file that holds the classes. Raises FileError, and OperandError if the family
    takes no data or ``target`` comes without ``data``.
    """
    return _read(_find(os.fspath(name), papers), data, target)


def _read(there: _Found, data: str | None, target: str | None) -> Loaded:
    if target is not None and data is None:
        raise OperandError("--target: names a column of --data; name that file too")
    network = there.read()
    if data is not None:
        network = there.family.with_data(network, data, target)
    return Loaded(there.family, network)


def load_able(
    name: str,
    papers: Papers,
    ability: Ability,
    data: str | None = None,
    target: str | None = None,
) -> Loaded:
    """Like ``load``, for a command that only some families support.

    Networks of other families are refused before they are read.
    """
    there = _find(name, papers)
    if ability not in there.family.abilities:
        raise FileError(
            name,
            f"is {there.family.one}",
            remedy=f"'{ability}' takes {takers(lambda f: ability in f.abilities)}",
        )
    return _read(there, data, target)


def _is_path(name: str) -> bool:
    return os.path.splitext(name)[1].lower() in (".yaml", ".yml") or os.path.exists(name)


def find_training(name: str, seed: int, samples: int | None = None) -> tuple[Family[Any], Training]:
    """The training that ``name`` describes: one of ``TRAININGS``, or a configuration file.

    ``samples`` limits the number of training samples. Raises OperandError for an unknown name,
    FileError for a file that is not a configuration or whose data are missing.
    """
    family = next((f for f in FAMILIES if name in f.trainings), None)
    if family is not None:
        return family, family.training(name, seed, samples)
    if not _is_path(name):
        raise OperandError(
            f"{one_line(name)}: no training for this name; choose from {', '.join(TRAININGS)}, "
            "or name a configuration (FILE.yaml)"
        )
    if name.lower().endswith(".npz"):
        raise FileError(
            name, "is not a configuration", remedy="name the YAML file that it was trained from"
        )
    file = os.path.join(name, KIRCHHOFF_CONFIG) if os.path.isdir(name) else name
    value = read_yaml(file)
    family = _named_in(value, file)
    _check_not_filled_in(value, file)
    return family, family.training_of(value, file, seed, samples)


def find_tuning(path: str, seed: int, **options: Any) -> Training:
    """The fine-tuning of the network in the file ``path``; ``options`` are those of ``tuning_of``.

    Raises FileError and OperandError as it does.
    """
    return tuning_of(path, seed, **options)


def _check_not_filled_in(value: object, file: str) -> None:
    """Raise FileError if a user's configuration has keys that only training may write."""
    if not isinstance(value, dict):
        return
    data = value.get("data")
    given = [f"data.{key}" for key in FILLED_IN if isinstance(data, dict) and key in data]
    given += ["device"] if "device" in value else []
    if given:
        raise FileError(file, "is filled in by training", field=given[0], remedy="leave it out")


def _named_in(value: object, file: str) -> Family[Any]:
    """The family that a configuration names. The paper's own configurations name none."""
    if not isinstance(value, dict) or "family" not in value:
        return KIRCHHOFF
    by_key = {family.key: family for family in FAMILIES if family.key is not None}
    key = value["family"]
    if not isinstance(key, str) or key not in by_key:
        raise FileError(
            file,
            f"expected {' or '.join(sorted(by_key))}, found {found(key)}",
            field="family",
            remedy="leave it out for a KirchhoffNet",
        )
    return by_key[key]
