"""Fine-tuning of a quantised network: training whose forward pass computes the integers.

It starts from the float model and the ranges that calibration found, on the training part of the
same data.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError
from typing_extensions import override

from ohmbench.data.parts import DataOrigin, Parts, load_parts, parts_again
from ohmbench.digital.integer.network import IntegerNetwork
from ohmbench.digital.integer.store import load_integer, save_integer
from ohmbench.digital.quantizing.calibration import (
    Formats,
    calibration_samples,
    input_format,
    output_scales,
)
from ohmbench.digital.quantizing.fake_mlp import FakeQuantMLP
from ohmbench.digital.quantizing.fake_quant import FakeQuantTask
from ohmbench.digital.quantizing.float_models import FloatMLP
from ohmbench.digital.quantizing.judging import Comparison, compare
from ohmbench.digital.quantizing.reading import READERS
from ohmbench.digital.quantizing.results import origin_of, read_for
from ohmbench.errors import FileError, OperandError, one_line
from ohmbench.family import Training, accuracy_line
from ohmbench.files import sha256_file


@dataclass(frozen=True)
class TuneRecipe:
    """All settings of a fine-tuning except the seed; fields as in ``digital.training.Int8Recipe``.

    ``sha256`` are those of the model and of the data's files, ``data`` says which part trains.
    """

    network: str
    sha256: tuple[str, ...]
    data: str
    formats: Formats
    steps: int
    learning_rate: float
    batch: int = 64
    weight_decay: float = 0.0
    label_smoothing: float = 0.0
    range_memory: float = 0.98
    warm_up: int = 50
    history_every: int = 25


@dataclass(frozen=True)
class Tuned:
    """What a fine-tuning made, and how it compares with the float model that it started from."""

    network: IntegerNetwork
    comparison: Comparison

    @property
    def line(self) -> str:
        """Both accuracies on one line."""
        c = self.comparison
        return (
            f"{accuracy_line(c.right_integers, c.samples, c.accuracy)} on held-out samples; "
            f"float model: {c.right_float} of {c.samples}"
        )


class TuneTask(FakeQuantTask[Tuned]):
    """The fine-tuning of the float ``model`` in ``path`` on the training part of ``samples``."""

    recipe: TuneRecipe
    network: FakeQuantMLP

    def __init__(
        self, recipe: TuneRecipe, seed: int, path: str, model: FloatMLP, samples: Parts
    ) -> None:
        super().__init__(recipe, seed, None)
        self.path, self.model, self.samples = path, model, samples
        x = calibration_samples(samples.train_x, samples.seed)
        try:
            read, scales = input_format(x), output_scales(model, x, recipe.formats)
            self.start(FakeQuantMLP(model, read, scales, recipe.formats))
            self.network.integers()
        except OperandError as error:
            raise FileError(
                path, str(error), remedy="train it again, or calibrate otherwise"
            ) from None
        self.features = torch.from_numpy(read.quantise(samples.train_x)).double()
        self.labels = torch.from_numpy(samples.train_y)

    @override
    def inputs(self, features: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        return features

    @override
    def write(
        self, out: str | os.PathLike[str], history: NDArray[np.float64], *, overwrite: bool
    ) -> Tuned:
        network, samples, formats = self.network.integers(), self.samples, self.recipe.formats
        comparison = compare(self.model, network, samples.test_x, samples.test_y)
        origin = {
            **origin_of(self.path, self.model, samples, formats, comparison),
            "made_by": "ohmbench train",
            "recipe": json.loads(self.recipe_text(asdict(self.recipe), history)),
            "seed": self.seed,
            "history": history.tolist(),
        }
        save_integer(out, network, origin=origin, overwrite=overwrite)
        return Tuned(network, comparison)


class _Origin(BaseModel):
    """What ``quantize`` wrote into a network's file, as far as it is needed here."""

    model_config = ConfigDict(strict=True)

    file: str
    sha256: str
    data: DataOrigin
    formats: dict[str, int | float | str]


@dataclass(frozen=True)
class _Start:
    """From which model, in which formats and on which data a fine-tuning starts."""

    model: str
    formats: Formats
    samples: Parts


def _of_float(path: str, seed: int, data: str | None, target: str | None) -> _Start:
    if data is None:
        raise OperandError(f"--data: is missing; name the data that {one_line(path)} is for")
    return _Start(path, Formats(), load_parts(data, seed, target=target))


def _of_integers(path: str, data: str | None, target: str | None) -> _Start:
    """What the file of an integer network was made from, unchanged since. Raises FileError."""
    for option, value in (("--data", data), ("--target", target)):
        if value is not None:
            raise OperandError(f"{option}: not for {one_line(path)}, which names its data")
    stored = load_integer(path)
    try:
        origin = _Origin.model_validate(dict(stored.origin))
        formats = Formats(**origin.formats)  # type: ignore[arg-type]
    except (ValidationError, TypeError, OperandError):
        raise FileError(
            path,
            "does not say which float model it was made from",
            field="origin",
            remedy="give a network that 'ohmbench quantize' wrote",
        ) from None
    if sha256_file(origin.file) != origin.sha256:
        raise FileError(
            origin.file,
            f"is not the model that {path} was made from (SHA-256 differs)",
            remedy="quantize it again",
        )
    samples = parts_again(origin.data, path, "restore the file, or quantize the model again")
    return _Start(origin.file, formats, samples)


def tuning_of(
    path: str,
    seed: int,
    *,
    steps: int,
    learning_rate: float,
    data: str | None = None,
    target: str | None = None,
) -> Training:
    """The fine-tuning of the network in the file ``path``.

    For an integer network that ``quantize`` wrote, its float model and data are read again, from
    where they were then. For a float model, ``data`` names the data as in ``quantize`` and
    ``target`` the column of the classes; the formats are the usual ones. ``seed`` chooses the
    batches. Raises FileError if a file is not there, has changed or does not fit, OperandError for
    data that do not apply.
    """
    if os.path.splitext(path)[1].lower() in READERS:
        start = _of_float(path, seed, data, target)
    else:
        start = _of_integers(path, data, target)
    model, samples = read_for(start.model, start.samples), start.samples
    recipe = TuneRecipe(
        network=os.path.splitext(os.path.basename(path))[0],
        sha256=(sha256_file(start.model), *samples.origin.get("sha256", [])),
        data=json.dumps(dict(samples.origin), sort_keys=True),
        formats=start.formats,
        steps=steps,
        learning_rate=learning_rate,
    )
    return Training(
        lambda: TuneTask(recipe, seed, start.model, model, samples),
        [path, start.model, *samples.files],
        line=lambda made: made.line,
    )
