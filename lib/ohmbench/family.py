"""The interface of a family of networks, through which commands use all families alike.

A family recognises its files, reads configurations, trains, loads, saves, judges and draws. Further
abilities that only some families have (``Ability``) are requested by name. This module knows no
family; ``ohmbench.families`` lists them.
"""

from __future__ import annotations

import json
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Literal, Protocol, TypeAlias, TypeVar

import numpy as np

from ohmbench.constants import IMAGES_DRAWN, SAMPLES_DRAWN
from ohmbench.errors import FileError, OperandError
from ohmbench.report.figures import Figures, Judged
from ohmbench.stats import Interval
from ohmbench.training import Task

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Ability: TypeAlias = Literal["export", "power", "predict", "prove", "sample", "synth", "trace"]
"""Commands that only some families support."""


@dataclass(frozen=True)
class Table:
    """Columns and rows of text."""

    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    title: str | None = None


@dataclass(frozen=True)
class JudgeOptions:
    """Options of a judgement; None means the network's default.

    ``samples`` and ``seed`` control the samples that are drawn, ``tol`` is the solver's
    tolerance in volt, ``images`` the number of held-out samples.
    """

    samples: int | None = None
    seed: int | None = None
    tol: float | None = None
    images: int | None = None

    def given(self) -> list[str]:
        """The options that were given, as written on the command line."""
        return [f"--{name}" for name, value in vars(self).items() if value is not None]


@dataclass(frozen=True)
class DrawOptions:
    """Options of figures: numbers of samples and images to draw, and their seed."""

    samples: int = SAMPLES_DRAWN
    images: int = IMAGES_DRAWN
    seed: int = 0


@dataclass(frozen=True)
class Judgement:
    """How good a network is on data that its training has not seen.

    ``line`` is a one-line summary; ``heading`` is printed above ``tables``, ``remarks`` below them.
    ``metrics`` go into a manifest, ``values`` holds everything as JSON values, ``found`` is the
    family's own result, and ``data`` describes the data that were used.
    """

    line: str
    heading: str
    tables: list[Table]
    metrics: dict[str, float]
    values: dict[str, Any]
    found: Any
    data: str
    remarks: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Prediction:
    """A network's answer to one sample: class numbers and names, and how certain it is."""

    answer: int
    label: int
    class_name: Callable[[int], str]
    table: Table
    values: dict[str, Any]
    draw: Callable[[str], Figure]
    """Maps a title to its figure."""


@dataclass(frozen=True)
class Training:
    """A training that is ready to start.

    ``task`` creates its task. ``reads`` lists the user's files, which nothing may overwrite.
    ``options`` are used to judge the result.
    """

    task: Callable[[], Task[Any]]
    reads: Sequence[str] = ()
    options: JudgeOptions = JudgeOptions()


@dataclass(frozen=True)
class Origin:
    """Where stored weights come from: the command that reproduces them, and ``copy``, which writes
    them to a file.
    """

    command: str
    seed: int
    recipe: dict[str, Any]
    judgement: Judgement
    copy: Callable[[Path, bool], None]


Net = TypeVar("Net")
"""A family's network as its file holds it."""
Value = TypeVar("Value")


class Family(ABC, Generic[Net]):
    """One kind of network.

    ``one`` and ``many`` are its singular and plural names in messages. ``key`` is the value of
    ``family`` in its configurations, or None if these have no such key. ``trainings`` are the names
    that ``training`` accepts. ``judge_options`` and ``takes_samples`` say which options apply.
    """

    one: str
    many: str
    key: str | None
    trainings: tuple[str, ...]
    abilities: frozenset[Ability]
    judge_options: tuple[str, ...] = ()
    takes_samples: bool = False

    @abstractmethod
    def recognises(self, fields: Collection[str]) -> bool:
        """Return whether an npz file with these fields belongs to this family."""

    @abstractmethod
    def load(self, path: str | os.PathLike[str]) -> Net:
        """Load the network in a file. Raises FileError naming file, field and reason."""

    @abstractmethod
    def training(self, name: str, seed: int, samples: int | None) -> Training:
        """The training called ``name``, one of ``trainings``.

        ``samples`` limits the number of training samples if ``takes_samples`` is true.
        """

    @abstractmethod
    def training_of(self, value: Any, file: str, seed: int, samples: int | None) -> Training:
        """The training that the configuration in a YAML file's ``value`` describes.

        Raises FileError naming the key at fault, or if its data or card are missing.
        """

    @abstractmethod
    def judge(self, network: Net, options: JudgeOptions) -> Judgement:
        """Measure how good the network is.

        Raises FileError if its data set is missing, OperandError for an option that does not apply,
        SolverError if a solver cannot continue.
        """

    @abstractmethod
    def figures(self, network: Net, title: str, options: DrawOptions) -> Figures:
        """Every figure of the network. Drawing raises the same errors as ``judge``."""

    @abstractmethod
    def origin(self, network: Net, file: Path) -> Origin:
        """How to reproduce the network in ``file``.

        Raises FileError unless a command of this project can make it again.
        """

    def predict(self, network: Net, index: int) -> Prediction:
        """The network's answer to held-out sample ``index``, if ``abilities`` contains "predict".

        Raises OperandError if there is no such sample.
        """
        raise NotImplementedError(f"{self.many} do not predict")


def accuracy_line(correct: int, total: int, accuracy: Interval) -> str:
    """Accuracy with its interval."""
    return (
        f"{correct} of {total} correct, {100 * accuracy.value:.2f} % "
        f"[{100 * accuracy.low:.2f}, {100 * accuracy.high:.2f}]"
    )


def accuracy_values(found: Judged) -> dict[str, Any]:
    """Accuracy and confusion matrix as JSON values."""
    return {
        "correct": found.correct,
        "total": found.total,
        "accuracy": found.accuracy.value,
        "accuracy_95": [found.accuracy.low, found.accuracy.high],
        "confusion": np.asarray(found.confusion).tolist(),
    }


def accuracy_metrics(found: Judged) -> dict[str, float]:
    """Accuracy in the form that a manifest stores."""
    return {
        "accuracy": found.accuracy.value,
        "correct": float(found.correct),
        "total": float(found.total),
    }


def check_index(index: int, images: int) -> None:
    """Raise OperandError unless ``index`` is one of ``images`` images."""
    if not 0 <= index < images:
        raise OperandError(f"--image {index}: not in these data; choose 0 to {images - 1}")


def present(file: Path, name: str, value: Value | None) -> Value:
    """Return ``value``. Raises FileError if it is missing from a file that is to be stored."""
    if value is None:
        raise FileError(
            file, "missing", field=name, remedy="store only what 'ohmbench train' wrote"
        )
    return value


def check_finished(file: Path, reached: int | None) -> None:
    """Raise FileError for a training that ended early, after ``reached`` steps."""
    if reached is not None:
        raise FileError(
            file,
            f"its training ended early, after step {reached}",
            field="recipe",
            remedy="finish it ('ohmbench train' with --resume): its command has to make it again",
        )


def recipe_of(file: Path, text: str) -> dict[str, Any]:
    """The recipe that training wrote into ``file``. Raises FileError if it is not valid JSON."""
    try:
        value = json.loads(text)
        # The reader accepts NaN, which JSON does not have: check before anything is written.
        json.dumps(value, allow_nan=False)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise FileError(
            file, "is not a JSON object", field="recipe", remedy="store what 'ohmbench train' wrote"
        )
    return value


class FromRecipe(Protocol):
    """A network trained by a recipe of this package, or on the user's ``own`` data."""

    @property
    def own(self) -> object | None:
        """The configuration of a network on the user's own data."""

    @property
    def seed(self) -> int | None:
        """The seed of its training, if it was trained."""

    @property
    def recipe(self) -> str | None:
        """The recipe of its training, as JSON."""


def seed_and_recipe(file: Path, network: FromRecipe) -> tuple[int, dict[str, Any]]:
    """Seed and recipe of the network in ``file``.

    Raises FileError for a network on the user's own data, which no command of this project can
    reproduce, for a file that training did not write, and for a training that ended early.
    """
    if network.own is not None:
        raise FileError(
            file,
            "is a network of data that are not ohmbench's",
            field="config",
            remedy="store what 'ohmbench train' wrote for one of its names",
        )
    seed = present(file, "seed", network.seed)
    recipe = recipe_of(file, present(file, "recipe", network.recipe))
    check_finished(file, recipe.get("ended_at"))
    return seed, recipe
