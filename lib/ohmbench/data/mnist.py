"""The official MNIST files (IDX, gzip or plain), from a folder the user has."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ohmbench.data.folders import DATA_VARIABLE, data_folder
from ohmbench.errors import FileError
from ohmbench.files import read_idx

__all__ = ["DATA_VARIABLE", "missing_files", "mnist_folder", "read_mnist"]


def mnist_folder() -> Path:
    """The folder of the IDX files: ``$OHMBENCH_DATA/mnist`` or ``$OHMBENCH_DATA`` itself.

    Raises FileError when the variable is unset or names no folder.
    """
    return data_folder("mnist", "MNIST", "the IDX files")


def missing_files() -> list[str]:
    """Which of the four files are not there, plain or gz. Raises FileError as ``mnist_folder``."""
    folder = mnist_folder()
    stems = (stem for part in ("train", "t10k") for stem in _stems(part))
    return [s for s in stems if not any((folder / n).exists() for n in (f"{s}.gz", s))]


def _stems(part: str) -> tuple[str, str]:
    return f"{part}-images-idx3-ubyte", f"{part}-labels-idx1-ubyte"


def _idx(stem: str, ndim: int) -> NDArray[np.uint8]:
    folder = mnist_folder()
    for name in (f"{stem}.gz", stem):
        if (folder / name).exists():
            return read_idx(folder / name, ndim=ndim)
    raise FileError(folder / f"{stem}.gz", "not found", remedy=f"{DATA_VARIABLE} should hold it")


def read_mnist(part: str) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Images (n, 28, 28) and labels (n,) of ``part``, "train" or "t10k".

    Raises FileError for missing or damaged files and for a count or shape that does not fit.
    """
    images, labels = (_idx(stem, ndim) for stem, ndim in zip(_stems(part), (3, 1), strict=True))
    if images.shape[1:] != (28, 28) or len(images) != len(labels):
        raise FileError(
            mnist_folder(),
            f"{part} has images {images.shape}, labels {labels.shape}",
            remedy="they should be (n, 28, 28) and (n,)",
        )
    if len(labels) and labels.max() > 9:
        raise FileError(
            mnist_folder(), f"{part} holds label {labels.max()}", remedy="labels run from 0 to 9"
        )
    return images, labels
