"""Fine-tuning of a quantised network: training whose forward pass computes the integers.

It starts from the float model and the ranges that calibration found, on the training part of the
same data.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from typing_extensions import override

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
from ohmbench.digital.quantizing.samples import Samples, load_samples
from ohmbench.errors import FileError, OperandError
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
            f"{accuracy_line(c.right_integers, c.samples, c.accuracy)} on held-out samples; the "
            f"float model: {c.right_float}"
        )


class TuneTask(FakeQuantTask[Tuned]):
    """The fine-tuning of the float ``model`` in ``path`` on the training part of ``samples``."""

    recipe: TuneRecipe
    network: FakeQuantMLP

    def __init__(
        self, recipe: TuneRecipe, seed: int, path: str, model: FloatMLP, samples: Samples
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


def _named(origin: Mapping[str, Any], path: str) -> tuple[str, str, Mapping[str, Any], Formats]:
    """Model, its SHA-256, data and formats that ``quantize`` wrote into the file ``path``.

    Raises FileError for a file of another origin.
    """
    try:
        data = origin["data"]
        formats = Formats(**origin["formats"])
        model, digest = origin["file"], origin["sha256"]
        if not all(isinstance(text, str) for text in (model, digest, data["called"])):
            raise TypeError
        if not isinstance(data["seed"], int):
            raise TypeError
    except (KeyError, TypeError, OperandError):
        raise FileError(
            path,
            "does not say which float model it was made from",
            field="origin",
            remedy="give a network that 'ohmbench quantize' wrote",
        ) from None
    return model, digest, data, formats


def tuning_of(path: str, seed: int, steps: int, learning_rate: float) -> Training:
    """The fine-tuning of the network in the npz file ``path``, which ``quantize`` wrote.

    Its float model and data are read again, from where they were then. ``seed`` chooses the
    batches. Raises FileError if they are not there or have changed.
    """
    if os.path.splitext(path)[1].lower() in READERS:
        raise FileError(
            path,
            "is a float model",
            remedy="'ohmbench quantize' makes the network of it that can be fine-tuned",
        )
    stored = load_integer(path)
    file, digest, data, formats = _named(stored.origin, path)
    if sha256_file(file) != digest:
        raise FileError(
            file,
            f"is not the model that {path} was made from (SHA-256 differs)",
            remedy="quantize it again",
        )
    samples = load_samples(
        data["called"],
        data["seed"],
        target=data.get("target"),
        scale=data.get("scale"),
        held_out=data.get("held_out"),
    )
    if list(samples.origin.get("sha256", [])) != list(data.get("sha256", [])):
        raise FileError(
            samples.name,
            f"are not the data that {path} was made from (SHA-256 differs)",
            remedy="quantize the model again",
        )
    model = read_for(file, samples)
    recipe = TuneRecipe(
        network=os.path.splitext(os.path.basename(path))[0],
        sha256=(digest, *data.get("sha256", [])),
        data=json.dumps(dict(data), sort_keys=True),
        formats=formats,
        steps=steps,
        learning_rate=learning_rate,
    )
    return Training(
        lambda: TuneTask(recipe, seed, file, model, samples),
        [path, file, *samples.files],
        line=lambda made: made.line,
    )
