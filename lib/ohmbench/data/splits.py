"""One seed, one split: which samples train a network and which judge it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits, make_circles
from sklearn.model_selection import train_test_split

from ohmbench.data.mnist import read_mnist

HELD_OUT_FRACTION = 0.25


@dataclass(frozen=True)
class Split:
    """Features float64 (n, d) in [0, 1] and labels int64 (n,), for training and held out."""

    train_x: NDArray[np.float64]
    train_y: NDArray[np.int64]
    test_x: NDArray[np.float64]
    test_y: NDArray[np.int64]


def _stratified(
    x: NDArray[np.float64],
    y: NDArray[np.int64],
    seed: int,
    fraction: float = HELD_OUT_FRACTION,
) -> Split:
    train_x, test_x, train_y, test_y = train_test_split(
        x, y, test_size=fraction, stratify=y, random_state=seed
    )
    return Split(train_x, train_y, test_x, test_y)


def _digits(seed: int) -> Split:
    """scikit-learn's 1 797 digits of 8x8 pixels with 17 grey levels."""
    pixels, y = load_digits(return_X_y=True)
    return _stratified(pixels / 16.0, y.astype(np.int64), seed)


FANN_FRACTION, FANN_SEED = 0.2, 42


def _digits_fann(seed: int) -> Split:
    """The digits in the FANN paper's split of its int8 network, whatever the seed: 360 held out."""
    pixels, y = load_digits(return_X_y=True)
    return _stratified(pixels / 16.0, y.astype(np.int64), FANN_SEED, FANN_FRACTION)


CIRCLES_SAMPLES = 2000
_CIRCLES_HALF_WIDTH = 1.3  # five standard deviations outside the outer circle


def _circles(seed: int) -> Split:
    """Two concentric circles, radii 1 and 0.5, noise 0.06; class 1 is the inner one."""
    x, y = make_circles(CIRCLES_SAMPLES, noise=0.06, factor=0.5, random_state=seed)
    x = np.clip((x / _CIRCLES_HALF_WIDTH + 1.0) / 2.0, 0.0, 1.0)
    return _stratified(x, y.astype(np.int64), seed)


def _mnist(seed: int) -> Split:
    """The official split, whatever the seed."""
    train_x, train_y = read_mnist("train")
    test_x, test_y = read_mnist("t10k")
    return Split(
        train_x.reshape(len(train_x), -1) / 255.0,
        train_y.astype(np.int64),
        test_x.reshape(len(test_x), -1) / 255.0,
        test_y.astype(np.int64),
    )


DATASETS: dict[str, Callable[[int], Split]] = {
    "digits": _digits,
    "digits-fann": _digits_fann,
    "circles": _circles,
    "mnist": _mnist,
}


def split(dataset: str, seed: int) -> Split:
    """The split of ``dataset`` by ``seed``: stratified, a quarter held out; MNIST's is official
    and that of "digits-fann" the paper's.

    Raises KeyError for an unknown data set and FileError when MNIST's files are not found.
    """
    return DATASETS[dataset](seed)


def held_out(dataset: str, seed: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Features (n, d) in [0, 1] and labels (n,) of the held-out part."""
    parts = split(dataset, seed)
    return parts.test_x, parts.test_y
