"""What the experiments train on and are judged on: levels, seeds, counts, and the law of points."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from ohmbench.data.densities import DENSITIES, TRAINING_POINTS
from ohmbench.kirchhoff import samples
from ohmbench.kirchhoff.samples import (
    FRESH_SEED,
    dequantised,
    fresh_points,
    held_out_digits,
    labelled,
    resampled,
    training_points,
)
from tests.unit.interval_checks import assert_counts

LEVELS = torch.arange(256, dtype=torch.float32)[:, None] / 255


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


# ------------------------------------------------------------------------------------------------
# Grey levels


def test_every_level_becomes_numbers_of_its_own_256th() -> None:
    x = dequantised(LEVELS.expand(256, 4000), seeded(0)).double()
    assert torch.equal((256 * x).floor(), torch.arange(256).double()[:, None].expand(256, 4000))
    # And fills it evenly.
    place = (256 * x - (256 * x).floor()).ravel()
    cells = torch.bincount((10 * place).long(), minlength=10).tolist()
    assert_counts(cells, [0.1] * 10, "places within a level")


@pytest.mark.parametrize("u", [0.0, 2.0**-24, 0.5, 1 - 2.0**-17, 1 - 2.0**-24])
def test_no_rounding_makes_the_next_level_of_one(u: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samples.torch, "rand", lambda shape, **_: torch.full(shape, u))
    x = dequantised(LEVELS, seeded(0)).double()
    assert torch.equal((256 * x).floor(), torch.arange(256).double()[:, None])
    assert float((256 * x - torch.arange(256).double()[:, None] - u).abs().max()) < 2e-5


# ------------------------------------------------------------------------------------------------
# Points


@pytest.mark.parametrize("name", DENSITIES)
def test_training_points_are_the_densitys_by_seed(name: str) -> None:
    x = training_points(name, 3)
    assert (x.dtype, x.shape) == (torch.float32, (TRAINING_POINTS, 2))
    expected = DENSITIES[name].sample(TRAINING_POINTS, np.random.default_rng(3))
    assert torch.equal(x, torch.from_numpy(expected).float())
    assert not torch.equal(x, training_points(name, 4))


def test_resampled_points_are_new_each_time_and_those_of_the_generator() -> None:
    one, two = seeded(1), seeded(1)
    first, second = resampled("gauss", 50, one), resampled("gauss", 50, one)
    assert (first.dtype, first.shape) == (torch.float32, (50, 2))
    assert not torch.equal(first, second)
    assert torch.equal(first, resampled("gauss", 50, two))
    assert torch.equal(second, resampled("gauss", 50, two))


def test_resampled_points_follow_the_density() -> None:
    """In quarters about the middle of a Gaussian that is turned: exactly known probabilities."""
    x = resampled("gauss", 20_000, seeded(0)).double() - torch.tensor([1.0, -0.5])
    white = torch.linalg.solve(torch.tensor([[1.0, 0.0], [0.4, 0.3]]).double(), x.T)
    quarters = (white[0] > 0).long() * 2 + (white[1] > 0).long()
    assert_counts(torch.bincount(quarters, minlength=4).tolist(), [0.25] * 4, "quarters")
    rings = torch.bincount((0.5 * (white**2).sum(0) > 1).long(), minlength=2).tolist()
    assert_counts(rings, [1 - np.exp(-1), np.exp(-1)], "rings")


def test_judging_points_are_far_from_every_trainings() -> None:
    """Their default seed is none that a training can have had with its points."""
    x = fresh_points("gauss", 100)
    assert torch.equal(x, fresh_points("gauss", 100, FRESH_SEED))
    assert not torch.equal(x, fresh_points("gauss", 100, 0))
    seen = {tuple(row) for row in training_points("gauss", 0).tolist()}
    assert not seen & {tuple(row) for row in fresh_points("gauss", 100, 0).tolist()}


# ------------------------------------------------------------------------------------------------
# Images


def idx(array: np.ndarray) -> bytes:
    sizes = b"".join(n.to_bytes(4, "big") for n in array.shape)
    return bytes([0, 0, 8, array.ndim]) + sizes + array.astype(np.uint8).tobytes()


@pytest.fixture
def mnist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, np.ndarray]:
    """Twenty images to train on and thirty others, labels 0 to 9 over and over."""
    rng, made = np.random.default_rng(0), {}
    for part, n in (("train", 20), ("t10k", 30)):
        made[part] = rng.integers(0, 256, (n, 28, 28), dtype=np.uint8)
        (tmp_path / f"{part}-images-idx3-ubyte").write_bytes(idx(made[part]))
        (tmp_path / f"{part}-labels-idx1-ubyte").write_bytes(idx(np.arange(n) % 10))
    monkeypatch.setenv("OHMBENCH_DATA", str(tmp_path))
    return made


def test_digits_train_on_the_training_images_and_are_judged_on_the_others(
    mnist: dict[str, np.ndarray],
) -> None:
    trained = training_points("genmnist", 0)
    assert torch.equal(
        (255 * trained).round().byte(), torch.from_numpy(mnist["train"][2::10]).view(2, -1)
    )
    assert np.array_equal(np.rint(255 * held_out_digits()), mnist["t10k"][2::10].reshape(3, -1))


@pytest.mark.parametrize(("asked", "given"), [(1, 1), (2, 2), (3, 3), (4, 3), (20_000, 3)])
def test_no_more_held_out_images_than_there_are(
    mnist: dict[str, np.ndarray], asked: int, given: int
) -> None:
    x = fresh_points("genmnist", asked, 5)
    assert x.shape == (given, 784)
    levels = torch.from_numpy(mnist["t10k"][2::10].reshape(3, -1)[:given])
    assert torch.equal((256 * x).floor().byte(), levels)
    assert torch.equal(x, fresh_points("genmnist", 3, 5)[:given])


def test_labelled_images_are_the_official_split_whatever_the_seed(
    mnist: dict[str, np.ndarray],
) -> None:
    one, other = labelled("mnist", 0), labelled("mnist", 7)
    for part, x in (("train", one.train_x), ("t10k", one.test_x)):
        assert x.dtype == torch.float32
        assert torch.equal((255 * x).round().byte(), torch.from_numpy(mnist[part]).view(len(x), -1))
    assert one.train_y.tolist() == [k % 10 for k in range(20)]
    parts = ("train_x", "train_y", "test_x", "test_y")
    assert all(torch.equal(getattr(one, k), getattr(other, k)) for k in parts)
