"""Splits, distortions and MNIST files: deterministic by seed, in range, and refused when wrong."""

from __future__ import annotations

import gzip
import itertools
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from ohmbench.data import DATASETS, held_out, split
from ohmbench.data.augmentation import Augmentation
from ohmbench.data.mnist import DATA_VARIABLE, mnist_folder, read_mnist
from ohmbench.data.splits import HELD_OUT_FRACTION, Split
from ohmbench.errors import FileError

# ------------------------------------------------------------------------------------------------
# Splits

SEEDED = {"digits": (1797, 64, 10), "circles": (2000, 2, 2)}
every_dataset = pytest.mark.parametrize("name", SEEDED)


def rows(x: np.ndarray) -> set[bytes]:
    return {row.tobytes() for row in x}


@every_dataset
@pytest.mark.parametrize("seed", [0, 1, 7])
def test_splits_are_whole_disjoint_and_stratified(name: str, seed: int) -> None:
    samples, features, classes = SEEDED[name]
    parts = split(name, seed)
    assert parts.train_x.shape[1] == parts.test_x.shape[1] == features
    assert len(parts.train_x) + len(parts.test_x) == samples
    assert (len(parts.train_x), len(parts.test_x)) == (len(parts.train_y), len(parts.test_y))
    assert len(parts.test_x) == pytest.approx(HELD_OUT_FRACTION * samples, abs=1)
    assert rows(parts.train_x).isdisjoint(rows(parts.test_x))
    assert len(rows(parts.train_x)) + len(rows(parts.test_x)) == samples, "a sample stands twice"
    train, test = (np.bincount(y, minlength=classes) for y in (parts.train_y, parts.test_y))
    assert len(train) == len(test) == classes
    assert np.abs(test - HELD_OUT_FRACTION * (train + test)).max() <= 1


def test_the_papers_split_is_scikit_learns_of_its_seed() -> None:
    """A fifth held out, stratified, by seed 42, whatever seed is asked for."""
    pixels, y = load_digits(return_X_y=True)
    expected = train_test_split(pixels / 16, y, test_size=0.2, stratify=y, random_state=42)
    for seed in (0, 7):
        parts = split("digits-fann", seed)
        found = parts.train_x, parts.test_x, parts.train_y, parts.test_y
        assert all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True))
    assert len(expected[1]) == 360


def test_circles_have_the_radii_and_the_noise_that_they_should() -> None:
    """Squared distances from the circles' middle are those of a Gaussian about each circle.

    E|x|^2 = R^2 + 2 s^2 and Var |x|^2 = 4 R^2 s^2 + 4 s^4, in units of the outer radius: class 1
    has R = 0.5. A thousand points each tell s = 0.06 to some 3 %.
    """
    parts = split("circles", 0)
    x = 2.6 * (np.concatenate([parts.train_x, parts.test_x]) - 0.5)
    y = np.concatenate([parts.train_y, parts.test_y])
    s2 = 0.06**2
    for label, radius in ((0, 1.0), (1, 0.5)):
        squares = (x[y == label] ** 2).sum(1)
        assert len(squares) == 1000
        variance = 4 * radius**2 * s2 + 4 * s2**2
        assert abs(squares.mean() - radius**2 - 2 * s2) < 5 * math.sqrt(variance / 1000)
        assert abs(squares.var() / variance - 1) < 5 * math.sqrt(2 / 1000)


@every_dataset
def test_features_and_labels_have_the_promised_types(name: str) -> None:
    parts = split(name, 0)
    for x in (parts.train_x, parts.test_x):
        assert x.dtype == np.float64
        assert x.min() >= 0.0
        assert x.max() <= 1.0
        assert x.max() - x.min() > 0.8, "features do not use their range"
    assert parts.train_y.dtype == parts.test_y.dtype == np.int64


def arrays(parts: Split) -> list[bytes]:
    return [array.tobytes() for array in vars(parts).values()]


@every_dataset
def test_the_seed_decides_the_split(name: str) -> None:
    assert arrays(split(name, 5)) == arrays(split(name, 5))
    seen = {split(name, seed).test_x.tobytes() for seed in range(6)}
    assert len(seen) == 6
    x, y = held_out(name, 5)
    assert (x.tobytes(), y.tobytes()) == tuple(arrays(split(name, 5))[2:])


def test_the_papers_split_is_the_same_for_every_seed() -> None:
    parts = split("digits-fann", 0)
    assert arrays(parts) == arrays(split("digits-fann", 1))
    assert (len(parts.train_x), len(parts.test_x)) == (1437, 360)
    assert rows(parts.train_x).isdisjoint(rows(parts.test_x))
    whole = split("digits", 0)
    digits = rows(whole.train_x) | rows(whole.test_x)
    assert rows(parts.train_x) | rows(parts.test_x) == digits
    train, test = (np.bincount(y, minlength=10) for y in (parts.train_y, parts.test_y))
    assert np.abs(test - 0.2 * (train + test)).max() <= 1


def test_circles_are_where_they_should_be() -> None:
    parts = split("circles", 0)
    radius = np.linalg.norm((parts.train_x * 2 - 1) * 1.3, axis=1)
    for label, expected in ((0, 1.0), (1, 0.5)):
        mean = radius[parts.train_y == label].mean()
        # 750 radii with noise 0.06; the noise across the circle adds 0.06^2 / (2 radius).
        assert mean == pytest.approx(expected, abs=0.012)


def test_unknown_data_sets_are_errors() -> None:
    with pytest.raises(KeyError, match="digts"):
        split("digts", 0)


# ------------------------------------------------------------------------------------------------
# Distortions


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def images(n: int, side: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(n, side * side, generator=generator(seed), dtype=torch.float64)


@given(side=st.integers(1, 12), seed=st.integers(0, 2**31))
def test_no_distortion_is_the_identity(side: int, seed: int) -> None:
    x = images(3, side, seed)
    found = Augmentation(0.0, 0.0, 0.0, 0.0)(x, generator(seed))
    assert torch.allclose(found, x, rtol=0, atol=1e-12)


def drawn(monkeypatch: pytest.MonkeyPatch, *directions: float) -> None:
    """Make the next draw (n, 5) the given one in [-1, 1] for every image."""
    values = (torch.tensor(directions, dtype=torch.float64) + 1) / 2

    def rand(n: int, count: int, **options: Any) -> torch.Tensor:
        assert count == len(values)
        return values.expand(n, count)

    monkeypatch.setattr(torch, "rand", rand)


@pytest.mark.parametrize(("dx", "dy"), [(1, 0), (-1, 0), (0, 1), (0, -1), (1, -1)])
def test_a_shift_by_whole_pixels_moves_pixels(
    monkeypatch: pytest.MonkeyPatch, dx: int, dy: int
) -> None:
    x = images(2, 8)
    drawn(monkeypatch, 0, 0, 0, dx, dy)
    found = Augmentation(0.0, 2.0, 0.0, 0.0)(x, generator()).view(2, 8, 8)
    padded = torch.nn.functional.pad(x.view(2, 8, 8), (2, 2, 2, 2))
    rows, columns = slice(2 + 2 * dy, 10 + 2 * dy), slice(2 + 2 * dx, 10 + 2 * dx)
    # Sampling two pixels further on is the image moved by two pixels, zeros following.
    assert torch.allclose(found, padded[:, rows, columns], rtol=0, atol=1e-12)


@pytest.mark.parametrize(("turn", "quarters"), [(1, 1), (-1, -1)])
def test_a_quarter_turn_is_a_rotation(
    monkeypatch: pytest.MonkeyPatch, turn: int, quarters: int
) -> None:
    x = images(2, 6)
    drawn(monkeypatch, turn, 0, 0, 0, 0)
    found = Augmentation(90.0, 0.0, 0.0, 0.0)(x, generator()).view(2, 6, 6)
    assert torch.allclose(found, torch.rot90(x.view(2, 6, 6), quarters, (1, 2)), atol=1e-12)


def test_scale_and_shear_move_the_corner_where_they_should(monkeypatch: pytest.MonkeyPatch) -> None:
    ramp = torch.linspace(-0.7, 0.7, 8, dtype=torch.float64).expand(1, 8, 8)  # 0.8 x, |x| <= 7/8
    drawn(monkeypatch, 0, -1, 0, 0, 0)
    found = Augmentation(0.0, 0.0, 0.5, 0.0)(ramp.reshape(1, 64), generator()).view(8, 8)
    assert torch.allclose(found, 0.5 * ramp[0], atol=1e-12)
    drawn(monkeypatch, 0, -1, 1, 0, 0)
    found = Augmentation(0.0, 0.0, 0.5, 0.25)(ramp.reshape(1, 64), generator()).view(8, 8)
    assert torch.allclose(found, 0.5 * ramp[0] + 0.25 * ramp[0].T, atol=1e-12)


def sampled(image: np.ndarray, x: float, y: float) -> float:
    """``image`` at pixel coordinates, bilinear between the middles of pixels, 0 outside."""
    total, (left, top) = 0.0, (math.floor(x), math.floor(y))
    for row, column in itertools.product((top, top + 1), (left, left + 1)):
        if 0 <= row < len(image) and 0 <= column < len(image):
            total += image[row, column] * (1 - abs(y - row)) * (1 - abs(x - column))
    return total


def test_all_distortions_together_are_one_affine_map() -> None:
    """Pixel by pixel: turned and scaled, sheared along x, then shifted, about the middle."""
    side, most = 5, Augmentation(80.0, 1.5, 0.4, 0.3, contrast=1.2)
    x = images(6, side)
    found = most(x, generator(4)).view(6, side, side)
    drawn = 2 * torch.rand(6, 5, generator=generator(4), dtype=torch.float64) - 1
    for image, (turn, scale, shear, dx, dy), result in zip(
        x.view(6, side, side).numpy(), drawn.tolist(), found.numpy(), strict=True
    ):
        angle, size = math.radians(80 * turn), 1 + 0.4 * scale
        cos, sin = size * math.cos(angle), size * math.sin(angle)
        middle = (side - 1) / 2
        for row, column in itertools.product(range(side), repeat=2):
            u, v = column - middle, row - middle
            at_x = cos * u + (0.3 * shear - sin) * v + 1.5 * dx + middle
            at_y = sin * u + cos * v + 1.5 * dy + middle
            expected = min(1.0, 1.2 * sampled(image, at_x, at_y))
            assert result[row, column] == pytest.approx(expected, abs=1e-9)


def test_the_generator_decides_the_distortion() -> None:
    x, distort = images(5, 8), Augmentation(10.0, 1.0, 0.1, 0.1)
    found = distort(x, generator(3))
    assert torch.equal(found, distort(x, generator(3)))
    assert not torch.equal(found, distort(x, generator(4)))
    each = distort(x[:1].expand(5, -1), generator(3))
    assert len({image.numpy().tobytes() for image in each}) == 5, "images share one distortion"
    assert found.shape == x.shape
    assert 0.0 <= float(found.min()) <= float(found.max()) <= 1.0


def test_contrast_multiplies_and_clips_at_one() -> None:
    x = torch.tensor([[0.0, 0.5, 0.8, 1.0]])
    found = Augmentation(0.0, 0.0, 0.0, 0.0, contrast=1.5)(x, generator())
    assert torch.allclose(found, torch.tensor([[0.0, 0.75, 1.0, 1.0]]), atol=1e-6)


def test_all_channels_follow_the_same_map() -> None:
    x, distort = images(4, 8), Augmentation(15.0, 0.8, 0.1, 0.1)
    colour = torch.stack([x, 0.5 * x, 1 - x], 1).view(4, 3, 8, 8)
    found = distort(colour, generator(3))
    assert found.shape == colour.shape
    for k in range(3):
        # Exactly what the same draw makes of the channel alone.
        alone = distort(colour[:, k].reshape(4, 64), generator(3))
        assert torch.equal(found[:, k].reshape(4, 64), alone)


def test_only_squares_are_distorted() -> None:
    with pytest.raises(ValueError, match="60 pixels do not make a square image"):
        Augmentation(0.0, 0.0, 0.0, 0.0)(torch.zeros(1, 60), generator())
    with pytest.raises(ValueError, match="4 x 6 pixels do not make a square image"):
        Augmentation(0.0, 0.0, 0.0, 0.0)(torch.zeros(1, 3, 4, 6), generator())


# ------------------------------------------------------------------------------------------------
# MNIST


def idx(array: np.ndarray) -> bytes:
    sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    return bytes([0, 0, 8, array.ndim]) + sizes + array.astype(np.uint8).tobytes()


def put(
    folder: Path, part: str, pixels: np.ndarray, labels: np.ndarray, *, gz: bool = True
) -> None:
    folder.mkdir(exist_ok=True)
    for kind, ndim, array in (("images", 3, pixels), ("labels", 1, labels)):
        name = f"{part}-{kind}-idx{ndim}-ubyte"
        data = idx(array)
        (folder / (f"{name}.gz" if gz else name)).write_bytes(gzip.compress(data) if gz else data)


def some(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (n, 28, 28)), np.arange(n) % 10


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with both parts, named by the variable."""
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path))
    put(tmp_path, "train", *some(12, 0))
    put(tmp_path, "t10k", *some(11, 1))
    return tmp_path


@pytest.mark.parametrize("gz", [True, False], ids=["gzip", "plain"])
@pytest.mark.parametrize("below", ["", "mnist"], ids=["itself", "below"])
def test_mnist_is_read_as_it_is(folder: Path, gz: bool, below: str) -> None:
    for path in folder.iterdir():
        path.unlink()
    pixels, labels = some(13, 2)
    put(folder / below, "train", pixels, labels, gz=gz)
    found = read_mnist("train")
    assert found[0].tolist() == pixels.tolist()
    assert found[1].tolist() == labels.tolist()


def test_mnist_split_is_the_official_one(folder: Path) -> None:
    parts = split("mnist", 0)
    assert (parts.train_x.shape, parts.test_x.shape) == ((12, 784), (11, 784))
    assert parts.train_x.tobytes() == (some(12, 0)[0].reshape(12, 784) / 255.0).tobytes()
    assert parts.test_y.tolist() == some(11, 1)[1].tolist()
    assert parts.train_x.dtype == np.float64
    assert parts.train_y.dtype == np.int64
    assert arrays(parts) == arrays(split("mnist", 1)), "the seed must not matter"
    assert set(DATASETS) == {*SEEDED, "digits-fann", "mnist"}


def refusal() -> str:
    with pytest.raises(FileError) as caught:
        read_mnist("train")
    return str(caught.value)


def test_unset_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(DATA_VARIABLE, raising=False)
    assert refusal().startswith(
        f"MNIST: {DATA_VARIABLE} is not set; run 'ohmbench fetch mnist', or point it at"
    )
    monkeypatch.setenv(DATA_VARIABLE, "")
    with pytest.raises(FileError, match="is not set"):
        mnist_folder()


def test_no_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(DATA_VARIABLE, str(folder / "none"))
    assert f"none: {DATA_VARIABLE}: is not a folder" in refusal()


@pytest.mark.parametrize("kind", ["images-idx3", "labels-idx1"])
def test_missing_files(folder: Path, kind: str) -> None:
    (folder / f"train-{kind}-ubyte.gz").unlink()
    message = refusal()
    assert message.startswith(
        f"{folder}/train-{kind}-ubyte.gz: not found; run 'ohmbench fetch mnist'"
    )
    assert f", or put train-{kind.split('-')[0]}" in message


@pytest.mark.parametrize(
    ("pixels", "labels", "complaint"),
    [
        pytest.param(np.zeros((3, 8, 8)), np.zeros(3), "images (3, 8, 8), labels (3,)", id="size"),
        pytest.param(np.zeros((3, 28, 28)), np.zeros(4), "labels (4,)", id="counts"),
        pytest.param(np.zeros((2, 28, 28)), np.array([0, 10]), "holds label 10", id="label"),
        pytest.param(np.zeros((3, 784)), np.zeros(3), "2 dimensions, expected 3", id="flat"),
        pytest.param(np.zeros((0, 28, 28)), np.zeros(0), "elements are accepted", id="none"),
    ],
)
def test_files_that_do_not_fit(
    folder: Path, pixels: np.ndarray, labels: np.ndarray, complaint: str
) -> None:
    put(folder, "train", pixels, labels)
    assert complaint in refusal()


def test_damaged_files(folder: Path) -> None:
    path = folder / "train-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-20])
    assert "train-images-idx3-ubyte.gz: damaged" in refusal()
