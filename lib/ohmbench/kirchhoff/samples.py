"""Training and test data of the experiments, as tensors.

A ``Source`` is where the samples of one experiment come from: the paper's data under the name that
its files use (``PaperSource``), or the user's own (``OwnSource``).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ohmbench.constants import Kind
from ohmbench.data.densities import DENSITIES, TRAINING_POINTS, Density
from ohmbench.data.images import digit_images, held_out_digit_images, image_split
from ohmbench.data.own import Dataset
from ohmbench.data.own import Task as DataTask
from ohmbench.data.regression import regression_split
from ohmbench.kirchhoff.flows import Samples
from ohmbench.tensors import FLOAT32, INT64

GENERATED_DIGIT = 2
"""The digit whose images ``genmnist`` generates."""

UNITS = {"toyregress": "", "diabete": "disease progression", "housing": "100 000 dollars"}
"""Unit of a regression's targets before scaling; empty if they have none."""

DATA_TASKS: dict[Kind, DataTask] = {
    "generation": "density",
    "regression": "regression",
    "classification": "classification",
}
"""Purpose of a network on the user's own data -> task of these data."""

_LEVELS = 256

FRESH_SEED = 20_000_000
"""Seed of the points that judge densities, far from the random stream of every training seed."""


@dataclass(frozen=True)
class Labelled:
    """Samples for training and held out: float32 (n, inputs) and targets (n,), float32 or int64.

    A regression's targets are scaled: ``y_shift + y_span * y`` is in the data's own ``unit``.
    """

    train_x: torch.Tensor
    train_y: torch.Tensor
    test_x: torch.Tensor
    test_y: torch.Tensor
    y_shift: float = 0.0
    y_span: float = 1.0
    unit: str = ""


def _floats(x: NDArray[np.generic]) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(x, dtype=np.float32))


def training_points(test_bench: str, seed: int) -> torch.Tensor:
    """The paper's fixed set of a density: float32 (4096, 2); of ``genmnist``, images in [0, 1]."""
    if test_bench == "genmnist":
        return _floats(digit_images(GENERATED_DIGIT))
    return _floats(DENSITIES[test_bench].sample(TRAINING_POINTS, np.random.default_rng(seed)))


def resampled(test_bench: str, n: int, generator: torch.Generator) -> torch.Tensor:
    """``n`` fresh points (n, 2) of the density called ``test_bench``."""
    seed = int(torch.randint(2**63 - 1, (1,), generator=generator, **INT64))
    return _floats(DENSITIES[test_bench].sample(n, np.random.default_rng(seed)))


def dequantised(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Grey levels k/255 become uniform numbers in [k, k+1)/256: images with a density.

    The likelihood of a continuous model of the levels themselves has no upper bound, because most
    pixels are exactly 0.
    """
    level = (images * (_LEVELS - 1)).round()
    u = torch.rand(images.shape, generator=generator, **FLOAT32)
    # float32 rounds level + u up to the next level if u is close enough to 1.
    return torch.minimum(level + u, torch.nextafter(level + 1, level)) / _LEVELS


def held_out_digits() -> NDArray[np.float64]:
    """The official test images of the generated digit, (n, 784) in [0, 1], at least two.

    Raises FileError.
    """
    return held_out_digit_images(GENERATED_DIGIT)


def fresh_points(test_bench: str, n: int, seed: int = FRESH_SEED) -> torch.Tensor:
    """``n`` points (n, dimension) that judge a density; for ``genmnist`` the held-out images.

    Those are dequantised by ``seed``, and limited to their number.
    """
    generator = torch.Generator().manual_seed(seed)
    if test_bench == "genmnist":
        return dequantised(_floats(held_out_digits()), generator)[:n]
    return resampled(test_bench, n, generator)


def labelled(test_bench: str, seed: int) -> Labelled:
    """The data of a regression, split by ``seed``, or of a classification (official split).

    Raises FileError if the data set must come from the user and is missing.
    """
    if test_bench in ("toyregress", "diabete", "housing"):
        r = regression_split(test_bench, seed)
        train_x, train_y, test_x, test_y = map(_floats, (r.train_x, r.train_y, r.test_x, r.test_y))
        span, unit = r.y_max - r.y_min, UNITS[test_bench]
        return Labelled(train_x, train_y, test_x, test_y, r.y_min, span, unit)
    s = image_split(test_bench)
    train_x, test_x = (
        _floats(x.reshape(len(x), -1) / np.float32(255)) for x in (s.train_x, s.test_x)
    )
    return Labelled(train_x, torch.from_numpy(s.train_y), test_x, torch.from_numpy(s.test_y))


class Source(ABC):
    """The samples of one experiment; messages call it ``name``.

    ``density`` is the true density if known. ``pixels`` says that samples are images with
    dequantised grey levels. ``own`` are the user's own data, and ``log_volume`` the nats to add to
    a negative log-likelihood to express it in the units of their file.
    """

    name: str
    density: Density | None = None
    pixels: bool = False
    own: Dataset | None = None
    log_volume: float | None = None

    @abstractmethod
    def training_points(self, seed: int) -> torch.Tensor:
        """Training samples of a density, float32 (n, inputs)."""

    @abstractmethod
    def judging_points(self, n: int, seed: int) -> torch.Tensor:
        """At most ``n`` points that judge a density and that no training has seen."""

    @abstractmethod
    def labelled(self, seed: int) -> Labelled:
        """The samples of a regression or classification."""

    @abstractmethod
    def describe_points(self, n: int, seed: int) -> str:
        """Description of ``judging_points``."""

    @abstractmethod
    def describe_held_out(self, n: int, total: int, seed: int) -> str:
        """Description of the first ``n`` of ``total`` held-out samples."""

    def resampled(self, n: int, generator: torch.Generator) -> torch.Tensor | None:
        """``n`` fresh points of the density, or None if only a fixed set exists."""
        return None

    def in_own_unit(self, found: Samples) -> Samples:
        """Samples and log-density in the units of the data's file, if these were scaled."""
        return found


class PaperSource(Source):
    """The data of the paper's experiment ``test_bench``."""

    def __init__(self, test_bench: str) -> None:
        self.name = test_bench
        self.density = DENSITIES.get(test_bench)
        self.pixels = test_bench == "genmnist"

    def training_points(self, seed: int) -> torch.Tensor:
        """Training samples of the paper's density, float32 (n, inputs)."""
        return training_points(self.name, seed)

    def judging_points(self, n: int, seed: int) -> torch.Tensor:
        """``n`` fresh points, or at most ``n`` held-out images, float32 (n, inputs)."""
        return fresh_points(self.name, n, seed)

    def labelled(self, seed: int) -> Labelled:
        """The samples of the paper's regression or classification. Raises FileError if they are
        missing.
        """
        return labelled(self.name, seed)

    def describe_points(self, n: int, seed: int) -> str:
        """Description of ``judging_points``."""
        if self.pixels:
            return f"{n} held-out images of the digit, dequantised (seed {seed})"
        return f"{n} fresh points of {self.name} (seed {seed})"

    def describe_held_out(self, n: int, total: int, seed: int) -> str:
        """Description of the first ``n`` of ``total`` held-out samples."""
        if self.name in UNITS:
            return f"{n} held-out samples of {self.name} (split by seed {seed})"
        return f"{'the' if n == total else 'the first'} {n} test images of {self.name}"

    def resampled(self, n: int, generator: torch.Generator) -> torch.Tensor | None:
        """``n`` fresh points of the density, or None for images."""
        return None if self.density is None else resampled(self.name, n, generator)


class OwnSource(Source):
    """The user's own data, already split; a network's file does not hold their training part."""

    own: Dataset
    log_volume: float

    def __init__(self, data: Dataset) -> None:
        self.name = data.name
        self.own = data
        self.log_volume = float(np.log(data.scaling.span).sum())

    def training_points(self, seed: int) -> torch.Tensor:
        """All rows of the training part, float32 (n, inputs)."""
        return _floats(self.own.train_x)

    def judging_points(self, n: int, seed: int) -> torch.Tensor:
        """The first ``n`` held-out rows, float32 (n, inputs)."""
        return _floats(self.own.test_x[:n])

    def labelled(self, seed: int) -> Labelled:
        """Both parts with their targets: int64 classes, or float32 numbers."""
        d = self.own
        if d.task == "classification":
            targets = [torch.from_numpy(y) for y in (d.train_y, d.test_y)]
        else:
            targets = [_floats(y) for y in (d.train_y, d.test_y)]
        shift, span = float(d.target_scaling.shift[0]), float(d.target_scaling.span[0])
        return Labelled(_floats(d.train_x), targets[0], _floats(d.test_x), targets[1], shift, span)

    def in_own_unit(self, found: Samples) -> Samples:
        """Samples (float64) and log-density in the units of the data's file."""
        scaling = self.own.scaling
        x = found.x.double() * torch.from_numpy(scaling.span) + torch.from_numpy(scaling.shift)
        return found._replace(x=x, log_density=found.log_density - self.log_volume)

    def describe_points(self, n: int, seed: int) -> str:
        """Description of ``judging_points``."""
        return f"{n} held-out samples of {self.name}"

    def describe_held_out(self, n: int, total: int, seed: int) -> str:
        """Description of the first ``n`` of ``total`` held-out samples."""
        which = "the" if n == total else "the first"
        return f"{which} {n} held-out samples of {self.name}"
