"""What a family of networks is: the one interface through which commands use all of them.

A family recognises its files, reads configurations, trains, loads, saves, judges and draws. What
only some can do beyond (``Ability``) a command asks for by name. Nothing here knows a family;
``ohmbench.families`` lists them.
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

Ability: TypeAlias = Literal["power", "predict", "prove", "sample", "synth", "trace"]
"""The commands that only some families' networks have an answer to."""


@dataclass(frozen=True)
class Table:
    """Columns and rows of text."""

    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    title: str | None = None


@dataclass(frozen=True)
class JudgeOptions:
    """What a user may say of a judgement; None: the default of the network at hand.

    ``samples`` and ``seed`` are those of the samples that are drawn, ``tol`` is the solver's
    tolerance in volt, ``images`` the number of held-out samples.
    """

    samples: int | None = None
    seed: int | None = None
    tol: float | None = None
    images: int | None = None

    def given(self) -> list[str]:
        """The options that were given, as they are written on the command line."""
        return [f"--{name}" for name, value in vars(self).items() if value is not None]


@dataclass(frozen=True)
class DrawOptions:
    """What a user may say of figures: numbers of samples and images drawn, and their seed."""

    samples: int = SAMPLES_DRAWN
    images: int = IMAGES_DRAWN
    seed: int = 0


@dataclass(frozen=True)
class Judgement:
    """How good a network is on data that its training has not seen.

    ``line`` says it in one line, ``heading`` stands above ``tables`` and ``remarks`` below them.
    ``metrics`` are for a manifest, ``values`` is everything as JSON values, ``found`` the family's
    own result. ``data`` says what it was judged on.
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
    """What a network answers to one sample: numbers and names of classes, and how sure it is."""

    answer: int
    label: int
    class_name: Callable[[int], str]
    table: Table
    values: dict[str, Any]
    draw: Callable[[str], Figure]
    """From a title to the figure."""


@dataclass(frozen=True)
class Training:
    """A training that can begin.

    ``task`` makes its task. ``reads`` are the user's files, which nothing may overwrite.
    ``options`` are those of judging what comes out.
    """

    task: Callable[[], Task[Any]]
    reads: Sequence[str] = ()
    options: JudgeOptions = JudgeOptions()


@dataclass(frozen=True)
class Origin:
    """How stored weights came about: the command that makes them again, and ``copy`` to a file."""

    command: str
    seed: int
    recipe: dict[str, Any]
    judgement: Judgement
    copy: Callable[[Path, bool], None]


Net = TypeVar("Net")
"""A family's network as its file holds it."""
Value = TypeVar("Value")


class Family(ABC, Generic[Net]):
    """One kind of networks.

    ``one`` and ``many`` are what to call them. ``key`` is the value of ``family`` in their
    configurations, None where these have no such key. ``trainings`` are the names that ``training``
    knows. ``judge_options`` and ``takes_samples`` say which options there are.
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
        """Whether an npz file with these fields is one of this family's."""

    @abstractmethod
    def load(self, path: str | os.PathLike[str]) -> Net:
        """The network in a file. Raises FileError naming file, field and reason."""

    @abstractmethod
    def training(self, name: str, seed: int, samples: int | None) -> Training:
        """The training called ``name``, one of ``trainings``.

        ``samples`` uses only that many of the training samples, where ``takes_samples``.
        """

    @abstractmethod
    def training_of(self, value: Any, file: str, seed: int, samples: int | None) -> Training:
        """The training of the configuration in a YAML file's ``value``.

        Raises FileError naming the key at fault, or where its data or card are not there.
        """

    @abstractmethod
    def judge(self, network: Net, options: JudgeOptions) -> Judgement:
        """How good the network is. Raises FileError where its data set is missing.

        Raises OperandError for an option that says nothing for it, SolverError where a solver
        cannot go on.
        """

    @abstractmethod
    def figures(self, network: Net, title: str, options: DrawOptions) -> Figures:
        """All that there is to draw of the network. Drawing raises as ``judge`` does."""

    @abstractmethod
    def origin(self, network: Net, file: Path) -> Origin:
        """How the network in ``file`` came about.

        Raises FileError unless a command of this project makes it again.
        """

    def predict(self, network: Net, index: int) -> Prediction:
        """What the network answers to held-out sample ``index``, where ``abilities`` has it.

        Raises OperandError for an index that there is not.
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
    """Accuracy as a manifest has it."""
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
    """``value``. Raises FileError where a file that is to be stored does not hold it."""
    if value is None:
        raise FileError(
            file, "missing", field=name, remedy="store only what 'ohmbench train' wrote"
        )
    return value


def check_finished(file: Path, reached: int | None) -> None:
    """Raise FileError for a training that ended early, ``reached`` steps after its beginning."""
    if reached is not None:
        raise FileError(
            file,
            f"its training ended early, after step {reached}",
            field="recipe",
            remedy="finish it ('ohmbench train' with --resume): its command has to make it again",
        )


def recipe_of(file: Path, text: str) -> dict[str, Any]:
    """The recipe that training wrote into ``file``. Raises FileError for what is none."""
    try:
        value = json.loads(text)
        # NaN is read but is no JSON: find out before anything is written.
        json.dumps(value, allow_nan=False)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise FileError(
            file, "is no JSON object", field="recipe", remedy="store what 'ohmbench train' wrote"
        )
    return value


class FromRecipe(Protocol):
    """A network that a recipe of this package made, or one of the user's ``own``."""

    @property
    def own(self) -> object | None:
        """What makes it the user's own."""

    @property
    def seed(self) -> int | None:
        """The seed of its training, if there was one."""

    @property
    def recipe(self) -> str | None:
        """The recipe of its training, as JSON."""


def seed_and_recipe(file: Path, network: FromRecipe) -> tuple[int, dict[str, Any]]:
    """Seed and recipe of the network in ``file``.

    Raises FileError for a network of the user's own, which no command of this project makes again,
    for a file that training did not write, and for one of a training that ended early.
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
