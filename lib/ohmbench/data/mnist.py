"""The official MNIST files (IDX, gzip or plain), from a folder the user has or fetched.

Also under the names with a point (``train-images.idx3-ubyte``), and in ``MNIST/raw`` as torchvision
leaves them.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ohmbench.constants import DATA_VARIABLE
from ohmbench.data.folders import DataSet, Wanted
from ohmbench.errors import FileError
from ohmbench.files import read_idx

__all__ = ["DATA_VARIABLE", "missing_files", "mnist_folder", "read_mnist"]

MNIST = DataSet("mnist", "MNIST", below=("", "raw", "MNIST/raw", "MNIST"))


def _wanted(part: str) -> tuple[Wanted, Wanted]:
    """Images and labels of ``part``."""

    def file(kind: str, ndim: int) -> Wanted:
        stems = (f"{part}-{kind}-idx{ndim}-ubyte", f"{part}-{kind}.idx{ndim}-ubyte")
        names = tuple(name for stem in stems for name in (f"{stem}.gz", stem))
        return Wanted(names, lambda path: read_idx(path, ndim=ndim))

    return file("images", 3), file("labels", 1)


def _missing() -> list[tuple[Path, list[str]]]:
    """Each place with the files that it lacks, whatever they are; fewest first."""
    files = [file for part in ("train", "t10k") for file in _wanted(part)]
    places = [
        (place, [file.names[0] for file in files if not file.there(place)])
        for place in MNIST.places(*files)
    ]
    return sorted(places, key=lambda place: len(place[1]))


def mnist_folder() -> Path:
    """The folder that holds the IDX files, or the most of them.

    Raises FileError when the variable is unset or names no folder.
    """
    return _missing()[0][0]


def missing_files() -> list[str]:
    """Which of the four files are there under no name. Raises FileError as ``mnist_folder``."""
    return _missing()[0][1]


def read_mnist(part: str) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Images (n, 28, 28) and labels (n,) of ``part``, "train" or "t10k".

    Raises FileError for missing or damaged files and for a count or shape that does not fit.
    """
    (path, images), (_, labels) = MNIST.read(*_wanted(part))
    if images.shape[1:] != (28, 28) or len(images) != len(labels):
        raise FileError(
            path.parent,
            f"{part} has images {images.shape}, labels {labels.shape}",
            remedy="they should be (n, 28, 28) and (n,)",
        )
    if len(labels) and labels.max() > 9:
        raise FileError(
            path.parent, f"{part} holds label {labels.max()}", remedy="labels run from 0 to 9"
        )
    return images, labels
