"""Images to classify, from files the user has, all in one form: uint8 (n, channels, rows, columns).

Each data set is read as its authors distribute it, from ``$OHMBENCH_DATA/NAME`` or
``$OHMBENCH_DATA`` itself (`ohmbench.data.folders`):

- ``mnist``: the IDX files of `ohmbench.data.mnist`.
- ``svhn`` (Netzer et al., 2011): ``train_32x32.mat`` and ``test_32x32.mat``.
- ``cifar10``, ``cifar100`` (Krizhevsky, 2009): the *binary* version. The Python version is pickled,
  and unpickling a stranger's file runs what is in it: it is refused.
- ``tinyimage``: the folder ``tiny-imagenet-200`` of Stanford's CS231n. Its test pictures have no
  labels, so the validation part is held out.

Splits are the official ones and independent of any seed.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ohmbench.data.folders import DataSet, Pickled, Wanted
from ohmbench.data.mnist import mnist_folder, read_mnist
from ohmbench.errors import FileError
from ohmbench.files.mat import read_mat
from ohmbench.files.opening import only_file_errors, open_bounded
from ohmbench.files.pictures import read_jpeg
from ohmbench.files.records import read_records

_Bytes = NDArray[np.uint8]
_Labels = NDArray[np.int64]
_Labelled = tuple[_Bytes, _Labels]


@dataclass(frozen=True)
class ImageSplit:
    """Images uint8 (n, channels, rows, columns) and labels int64 (n,), all below ``classes``."""

    train_x: _Bytes
    train_y: _Labels
    test_x: _Bytes
    test_y: _Labels
    classes: int


def _checked(path: Path, labels: _Bytes, classes: int, first: int = 0) -> _Labels:
    """Labels as int64, all from ``first`` to ``first + classes - 1``."""
    wrong = (labels < first) | (labels >= first + classes)
    if wrong.any():
        place = int(wrong.argmax())
        raise FileError(
            path,
            f"image {place} has label {labels[place]}",
            field="labels",
            remedy=f"labels run from {first} to {first + classes - 1}: use the original file",
        )
    return labels.astype(np.int64)


# ------------------------------------------------------------------------------------------------
# MNIST


def _mnist() -> ImageSplit:
    (train_x, train_y), (test_x, test_y) = read_mnist("train"), read_mnist("t10k")
    return ImageSplit(
        train_x[:, None], train_y.astype(np.int64), test_x[:, None], test_y.astype(np.int64), 10
    )


def digit_images(digit: int) -> NDArray[np.float64]:
    """MNIST's training images of ``digit``, flattened: float64 (n, 784) in [0, 1].

    The data of ``genmnist`` are the images of digit 2. How the artifacts preprocess them is not
    known: here a grey level is divided by 255 and nothing is added. Raises ValueError for what is
    no digit and FileError as `read_mnist`, or where there is no image of it.
    """
    return _of_digit("train", digit, least=1)


def held_out_digit_images(digit: int) -> NDArray[np.float64]:
    """The official test images of ``digit`` as `digit_images` has those for training.

    Raises the same, and FileError for one image alone: nothing estimated from it has an interval.
    """
    return _of_digit("t10k", digit, least=2)


def _of_digit(part: str, digit: int, *, least: int) -> NDArray[np.float64]:
    if digit not in range(10):
        raise ValueError(f"{digit} is not a digit")
    images, labels = read_mnist(part)
    chosen = images[labels == digit]
    if len(chosen) < least:
        raise FileError(
            mnist_folder(),
            f"{part} has {len(chosen)} images of the digit {digit}, at least {least} needed",
            field="labels",
            remedy="use the original files",
        )
    return np.asarray(chosen.reshape(len(chosen), 784) / 255.0)


# ------------------------------------------------------------------------------------------------
# SVHN


_SVHN = DataSet("svhn", "SVHN")


def _svhn_part(path: Path) -> _Labelled:
    arrays = read_mat(path, {"X": 4, "y": 2})
    x, y = arrays["X"], arrays["y"]
    if x.shape[:3] != (32, 32, 3) or y.shape != (x.shape[3], 1):
        raise FileError(
            path,
            f"X has shape {x.shape} and y {y.shape}",
            remedy="they should be (32, 32, 3, n) and (n, 1): use the original file",
        )
    labels = _checked(path, y[:, 0], 10, first=1) % 10  # MATLAB counts from 1: label 10 is digit 0
    return np.ascontiguousarray(x.transpose(3, 2, 0, 1)), labels


def _svhn() -> ImageSplit:
    files = (Wanted((f"{part}_32x32.mat",), _svhn_part) for part in ("train", "test"))
    (train_x, train_y), (test_x, test_y) = (found.value for found in _SVHN.read(*files))
    return ImageSplit(train_x, train_y, test_x, test_y, 10)


# ------------------------------------------------------------------------------------------------
# CIFAR


@dataclass(frozen=True)
class _Cifar:
    """One of the two binary CIFAR sets: each record is ``label_bytes`` labels, then 3 x 32 x 32.

    CIFAR-100 has a coarse label first and the fine one, which counts, after it.
    """

    name: str
    title: str
    folder: str
    pickled: str
    train: tuple[str, ...]
    test: str
    label_bytes: int
    classes: int

    @property
    def _python(self) -> Pickled:
        """What someone who has the other version should hear, not that nothing is there."""
        remedy = f"get the binary version of {self.title} ({self.folder})"
        return Pickled(self.pickled, "the Python version", remedy)

    def _read(self, path: Path) -> _Labelled:
        name, stream, _ = open_bounded(path, 256 * 2**20)
        with stream, only_file_errors(name):
            if stream.read(1) == b"\x80":  # opens every pickle since protocol 2, and is no label
                raise self._python.refusal(path)
        records = read_records(path, self.label_bytes + 3 * 32 * 32)
        labels = _checked(path, records[:, self.label_bytes - 1], self.classes)
        planes = np.ascontiguousarray(records[:, self.label_bytes :])
        return planes.reshape(-1, 3, 32, 32), labels

    def __call__(self) -> ImageSplit:
        names = ((f"{self.folder}/{file}", file) for file in (*self.train, self.test))
        data = DataSet(self.name, self.title, pickled=self._python)
        found = data.read(*(Wanted(name, self._read) for name in names))
        *parts, (test_x, test_y) = (file.value for file in found)
        images, labels = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
        return ImageSplit(images, labels, test_x, test_y, self.classes)


_CIFAR10 = _Cifar(
    name="cifar10",
    title="CIFAR-10",
    folder="cifar-10-batches-bin",
    pickled="cifar-10-batches-py",
    train=tuple(f"data_batch_{k}.bin" for k in range(1, 6)),
    test="test_batch.bin",
    label_bytes=1,
    classes=10,
)
_CIFAR100 = _Cifar(
    name="cifar100",
    title="CIFAR-100",
    folder="cifar-100-binary",
    pickled="cifar-100-python",
    train=("train.bin",),
    test="test.bin",
    label_bytes=2,
    classes=100,
)


# ------------------------------------------------------------------------------------------------
# Tiny ImageNet

_TINY = DataSet("tinyimage", "Tiny ImageNet")
_WNID = re.compile(r"n\d{8}", re.ASCII)
_PICTURE = re.compile(r"[A-Za-z0-9_]{1,64}\.JPEG", re.ASCII)
_SIDE = 64
_MAX_TEXT = 4 * 2**20
_MAX_PICTURES = 200_000  # twice the original


def _lines(path: Path) -> list[str]:
    name, file, _ = open_bounded(path, _MAX_TEXT)
    with file, only_file_errors(name):
        return file.read().decode("ascii").splitlines()


def _tiny_classes(path: Path) -> dict[str, int]:
    """Label by WordNet id; labels count the ids in alphabetical order."""
    ids = [line.strip() for line in _lines(path)]
    for number, wnid in enumerate(ids, 1):
        if not _WNID.fullmatch(wnid):
            raise FileError(path, f"line {number} is {wnid[:20]!r}, not a WordNet id")
    if len(set(ids)) != len(ids) or not 2 <= len(ids) <= 1000:
        raise FileError(path, f"holds {len(set(ids))} different ids on {len(ids)} lines")
    return {wnid: label for label, wnid in enumerate(sorted(ids))}


def _pictures(paths: list[Path], folder: Path) -> _Bytes:
    if not 0 < len(paths) <= _MAX_PICTURES:
        raise FileError(
            folder,
            f"{len(paths)} pictures (*.JPEG), between 1 and {_MAX_PICTURES} are accepted",
            remedy="unpack the original archive again",
        )
    images = np.empty((len(paths), 3, _SIDE, _SIDE), np.uint8)
    for image, path in zip(images, paths, strict=True):
        image[:] = read_jpeg(path, side=_SIDE)
    return images


def _tiny_train(root: Path, classes: dict[str, int]) -> _Labelled:
    paths, labels = [], []
    for wnid, label in classes.items():
        folder = root / "train" / wnid / "images"
        found = sorted(folder.glob("*.JPEG"))
        if not found:
            raise FileError(folder, "no pictures (*.JPEG)", remedy="unpack the archive again")
        paths += found
        labels += [label] * len(found)
    return _pictures(paths, root / "train"), np.array(labels, np.int64)


def _tiny_held_out(root: Path, classes: dict[str, int]) -> _Labelled:
    table = root / "val" / "val_annotations.txt"
    paths, labels = [], []
    for number, line in enumerate(_lines(table), 1):
        picture, wnid, *_ = [*line.split("\t"), "", ""]
        if not _PICTURE.fullmatch(picture) or wnid not in classes:
            raise FileError(
                table,
                f"line {number} names picture {picture[:40]!r} of class {wnid[:20]!r}",
                remedy="expected NAME.JPEG, a tab and an id of wnids.txt",
            )
        paths.append(root / "val" / "images" / picture)
        labels.append(classes[wnid])
    return _pictures(paths, root / "val"), np.array(labels, np.int64)


def _tiny() -> ImageSplit:
    ((ids, classes),) = _TINY.read(
        Wanted(("tiny-imagenet-200/wnids.txt", "wnids.txt"), _tiny_classes)
    )
    train, held_out = _tiny_train(ids.parent, classes), _tiny_held_out(ids.parent, classes)
    return ImageSplit(*train, *held_out, len(classes))


IMAGE_SETS: dict[str, Callable[[], ImageSplit]] = {
    "mnist": _mnist,
    "svhn": _svhn,
    "cifar10": _CIFAR10,
    "cifar100": _CIFAR100,
    "tinyimage": _tiny,
}


def image_split(name: str) -> ImageSplit:
    """The official split of the data set ``name``.

    Raises KeyError for an unknown data set and FileError, which names the file and what is wrong
    with it or where to put it, when a file is missing, damaged, or not what it should be.
    """
    return IMAGE_SETS[name]()
