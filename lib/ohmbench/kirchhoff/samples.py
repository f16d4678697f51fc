"""What the experiments train on and are judged on, as tensors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ohmbench.data.densities import DENSITIES, TRAINING_POINTS
from ohmbench.data.images import digit_images, held_out_digit_images, image_split
from ohmbench.data.regression import regression_split

GENERATED_DIGIT = 2
"""The digit whose images ``genmnist`` generates."""

_LEVELS = 256

FRESH_SEED = 20_000_000
"""Seed of the points that densities are judged on: far from every training seed's stream."""


@dataclass(frozen=True)
class Labelled:
    """Samples for training and held out: float32 (n, inputs) and targets (n,), float32 or int64."""

    train_x: torch.Tensor
    train_y: torch.Tensor
    test_x: torch.Tensor
    test_y: torch.Tensor


def _floats(x: NDArray[np.generic]) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(x, dtype=np.float32))


def training_points(test_bench: str, seed: int) -> torch.Tensor:
    """The paper's fixed set of a density: float32 (4096, 2); of ``genmnist``, images in [0, 1]."""
    if test_bench == "genmnist":
        return _floats(digit_images(GENERATED_DIGIT))
    return _floats(DENSITIES[test_bench].sample(TRAINING_POINTS, np.random.default_rng(seed)))


def resampled(test_bench: str, n: int, generator: torch.Generator) -> torch.Tensor:
    """``n`` fresh points (n, 2) of the density called ``test_bench``."""
    seed = int(torch.randint(2**63 - 1, (1,), generator=generator))
    return _floats(DENSITIES[test_bench].sample(n, np.random.default_rng(seed)))


def dequantised(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Grey levels k/255 as uniform numbers in [k, k+1)/256: images with a density.

    The likelihood of a continuous model of the levels themselves has no upper bound, as most
    pixels are always exactly 0.
    """
    u = torch.rand(images.shape, generator=generator)
    return ((images * (_LEVELS - 1)).round() + u) / _LEVELS


def held_out_digits() -> NDArray[np.float64]:
    """The official test images of the generated digit, (n, 784) in [0, 1], two at least.

    Raises FileError.
    """
    return held_out_digit_images(GENERATED_DIGIT)


def fresh_points(test_bench: str, n: int, seed: int = FRESH_SEED) -> torch.Tensor:
    """``n`` points (n, dimension) that judge a density; of ``genmnist`` the held-out images.

    Those are dequantised by ``seed``, and at most as many as there are.
    """
    generator = torch.Generator().manual_seed(seed)
    if test_bench == "genmnist":
        return dequantised(_floats(held_out_digits()), generator)[:n]
    return resampled(test_bench, n, generator)


def labelled(test_bench: str, seed: int) -> Labelled:
    """The data of a regression, split by ``seed``, or of a classification (official split).

    Raises FileError where the data set has to come from the user and is not there.
    """
    if test_bench in ("toyregress", "diabete", "housing"):
        r = regression_split(test_bench, seed)
        return Labelled(*map(_floats, (r.train_x, r.train_y, r.test_x, r.test_y)))
    s = image_split(test_bench)
    train_x, test_x = (
        _floats(x.reshape(len(x), -1) / np.float32(255)) for x in (s.train_x, s.test_x)
    )
    return Labelled(train_x, torch.from_numpy(s.train_y), test_x, torch.from_numpy(s.test_y))
