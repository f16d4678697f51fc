"""The official MNIST files (IDX, gzip or plain), from a folder the user has."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ohmbench.errors import FileError
from ohmbench.files import read_idx

DATA_VARIABLE = "OHMBENCH_DATA"


def mnist_folder() -> Path:
    """The folder of the IDX files: ``$OHMBENCH_DATA/mnist`` or ``$OHMBENCH_DATA`` itself.

    Raises FileError when the variable is unset or names no folder.
    """
    named = os.environ.get(DATA_VARIABLE, "")
    if not named:
        raise FileError(
            "MNIST",
            f"{DATA_VARIABLE} is not set",
            remedy="point it at the folder that holds the IDX files",
        )
    folder = Path(named)
    if not os.path.isdir(folder):
        raise FileError(
            folder,
            "is not a folder",
            field=DATA_VARIABLE,
            remedy="point it at the folder that holds the IDX files",
        )
    return folder / "mnist" if (folder / "mnist").is_dir() else folder


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
