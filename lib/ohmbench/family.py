"""The interface of a family of networks, through which commands use all families alike.

A family recognises its files, reads configurations, trains, loads, saves, judges and draws. Further
abilities that only some families have (``Ability``) are requested by name. This module knows no
family; ``ohmbench.families`` lists them.
"""

from __future__ import annotations

import json
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import (
    TYPE_CHECKING,
    Any,
    Generic,
    Literal,
    Protocol,
    TypeAlias,
    TypeVar,
    runtime_checkable,
)

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
class Outcome:
    """What a proof or a trace says about a network, for people and as JSON values.

    ``holds`` decides the exit status. ``lines`` follow the ``tables``; each is one line of text.
    ``found`` is the family's own result.
    """

    holds: bool
    tables: list[Table]
    lines: list[str]
    values: dict[str, Any]
    found: Any


@runtime_checkable
class Accelerators(Protocol):
    """What accelerators can be built (``ohmbench.eda.hdl``), for families that have one."""

    def hardware_for(self, network: Any, /) -> Any:
        """The usual accelerator for a network."""

    def check_buildable(self, hardware: Any, /) -> None:
        """Raise RangeError, with the reason, for an accelerator that cannot be built."""


@dataclass(frozen=True)
class TraceOptions:
    """Which inputs to trace, and through what.

    ``image`` is the number of one input, ``every`` takes all, or the ``first`` so many.
    ``float_file`` holds real weights; ``simulate`` runs the hardware, and ``source`` is the file
    that the network was imported from. ``tolerance`` multiplies the tolerances against real
    numbers.
    """

    image: int | None = None
    every: bool = False
    first: int | None = None
    float_file: str | None = None
    simulate: Callable[..., Any] | None = None
    source: str | None = None
    tolerance: float = 1.0

    def chosen(self, inputs: int) -> range:
        """The numbers of the inputs to trace, out of ``inputs``.

        Raises OperandError for an image that is not there, or together with ``every``.
        """
        if self.every and self.image is not None:
            raise OperandError("--image and --all: exclude each other; give one of them")
        if self.every:
            return range(inputs)[: self.first]
        image = self.image or 0
        check_index(image, inputs)
        return range(image, image + 1)


@dataclass(frozen=True)
class Training:
    """A training that is ready to start.

    ``task`` creates its task. ``reads`` lists the user's files, which nothing may overwrite.
    ``options`` are used to judge the result, unless ``line`` says how good it is from what the
    task wrote.
    """

    task: Callable[[], Task[Any]]
    reads: Sequence[str] = ()
    options: JudgeOptions = JudgeOptions()
    line: Callable[[Any], str] | None = None


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

    def with_data(self, network: Net, data: str, target: str | None = None) -> Net:
        """``network`` with the data that the user names: a data set of ours, or a file.

        ``target`` is the column of a CSV file that holds the classes. Raises OperandError for a
        family whose networks come with their data, else FileError.
        """
        raise OperandError(f"--data: does not apply to {self.one}; leave it out")

    def certify(self, network: Net, hardware: Any, accelerators: Accelerators) -> Any:
        """The family's own proof that no input overflows a register of ``hardware``.

        None stands for the family's default. For families whose ``abilities`` contain "prove".
        """
        raise NotImplementedError(f"{self.many} have no registers")

    def prove(
        self, network: Net, name: str, given: Mapping[str, Any], accelerators: Accelerators
    ) -> Outcome:
        """The proof for the hardware that the options describe: ``given``, by their names.

        Raises OperandError for an option that does not apply or does not fit the network.
        """
        raise NotImplementedError(f"{self.many} have no registers")

    def stages(self, network: Net, options: TraceOptions) -> Any:
        """The family's own stages, each compared with the one before it.

        For families whose ``abilities`` contain "trace". Raises OperandError for an option that
        does not apply.
        """
        raise NotImplementedError(f"{self.many} have no stages")

    def trace(self, network: Net, name: str, options: TraceOptions) -> Outcome:
        """The trace of the inputs that the options choose. Raises as ``stages`` does."""
        raise NotImplementedError(f"{self.many} have no stages")


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


def check_taken(given: Collection[str], taken: Collection[str], one: str) -> None:
    """Raise OperandError for the first option of ``given`` that ``one`` network does not take."""
    for name in given:
        if name not in taken:
            options = ", ".join(f"--{option}" for option in taken)
            raise OperandError(f"--{name}: does not apply to {one}; choose from {options}")


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
