"""Files of data sets under every name and in every folder that others' programs leave them in."""

from __future__ import annotations

import gzip
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ohmbench.data.folders import DATA_VARIABLE
from ohmbench.data.images import image_split
from ohmbench.data.mnist import missing_files, mnist_folder, read_mnist
from ohmbench.data.regression import REGRESSIONS, housing_file
from ohmbench.errors import FileError
from ohmbench.needs import NEEDS
from tests.unit import hostile
from tests.unit.hostile import gz_members
from tests.unit.test_images import ONE, PUT, SET, TRAIN, idx, judge_images, labels, pixels
from tests.unit.test_regression_data import field, table, text, tgz

NAMES = {
    "official": ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"),
    "unpacked": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "point": ("train-images.idx3-ubyte", "train-labels.idx1-ubyte"),
    "point-packed": ("train-images.idx3-ubyte.gz", "train-labels.idx1-ubyte.gz"),
}
PLACES = ("", "mnist", "raw", "MNIST/raw", "MNIST", "mnist/MNIST/raw", "mnist/raw")


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path))
    return tmp_path


def mnist(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    return pixels(TRAIN, 28, 28, seed=seed), (labels(TRAIN, 10) + seed) % 10


def put(path: Path, array: np.ndarray, pack: Callable[[bytes], bytes] = gzip.compress) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    data = idx(array)
    path.write_bytes(pack(data) if path.suffix == ".gz" else data)


def put_both(folder: Path, way: str = "official", seed: int = 0) -> tuple[Path, Path]:
    images, label = (folder / name for name in NAMES[way])
    for path, array in zip((images, label), mnist(seed), strict=True):
        put(path, array)
    return images, label


def assert_read(seed: int = 0) -> None:
    found, wanted = read_mnist("train"), mnist(seed)
    assert found[0].tolist() == wanted[0].tolist()
    assert found[1].tolist() == wanted[1].tolist()


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("way", NAMES)
def test_mnist_under_each_name_in_each_folder(root: Path, way: str, place: str) -> None:
    put_both(root / place, way)
    assert_read()


def test_torchvisions_folder_is_what_the_doctor_finds(root: Path) -> None:
    for part in ("train", "t10k"):
        for name in NAMES["unpacked"]:
            put(root / "MNIST" / "raw" / name.replace("train", part), mnist()[0])
    assert NEEDS["mnist"].look().where == str(root / "MNIST" / "raw")
    (root / "MNIST" / "raw" / "t10k-labels-idx1-ubyte").unlink()
    assert missing_files() == ["t10k-labels-idx1-ubyte.gz"]
    assert "lacks t10k-labels-idx1-ubyte.gz" in NEEDS["mnist"].look().reason


@pytest.mark.parametrize("cuts", [(5,), (16, 16, 16), (1, 2, 3, 400), tuple(range(100, 5000, 100))])
def test_mnist_in_several_gzip_members(root: Path, cuts: tuple[int, ...]) -> None:
    images, label = put_both(root)
    for path, array in zip((images, label), mnist(), strict=True):
        put(path, array, lambda data: gz_members(data, *(min(c, len(data)) for c in cuts)))
    assert_read()


BAD: dict[str, Callable[[Path], object]] = {
    "empty": Path.touch,
    "folder": Path.mkdir,
    "link-to-nothing": lambda path: path.symlink_to("nothing"),
    "pipe": os.mkfifo,
    "cut": lambda path: path.write_bytes(gzip.compress(idx(mnist()[0]))[:-100]),
    "noise": lambda path: path.write_bytes(hostile.noise(3, 5000)),
    "labels-for-images": lambda path: path.write_bytes(idx(mnist()[1])),
}


@pytest.mark.parametrize("bad_way", NAMES)
@pytest.mark.parametrize("bad", BAD)
def test_what_cannot_be_read_hides_nothing(root: Path, bad: str, bad_way: str) -> None:
    good_way = next(way for way in ("unpacked", "official") if way != bad_way)
    put_both(root, good_way)
    BAD[bad](root / NAMES[bad_way][0])
    assert_read()
    # Alone it is what the error is about.
    (root / NAMES[good_way][0]).unlink()
    with pytest.raises(FileError) as caught:
        read_mnist("train")
    assert caught.value.path == str(root / NAMES[bad_way][0])


def test_two_good_files_hold_the_same_data_or_are_refused(root: Path) -> None:
    put_both(root, "official")
    put_both(root, "unpacked")  # as torchvision leaves them
    assert_read()
    (root / NAMES["point"][0]).symlink_to(NAMES["unpacked"][0])
    assert_read()
    images, _ = put_both(root, "unpacked", seed=1)
    with pytest.raises(FileError) as caught:
        read_mnist("train")
    assert str(caught.value) == (
        f"{images}: holds other data than {root / NAMES['official'][0]}; "
        "remove the one that is not the original"
    )


def test_images_and_labels_come_from_one_folder(root: Path) -> None:
    """The more special one where it is whole, and never labels of one with images of the other."""
    put_both(root, seed=0)
    images, label = put_both(root / "mnist", seed=1)
    assert_read(seed=1)
    assert mnist_folder() == root / "mnist"
    for path in (images, label):
        kept = path.read_bytes()
        for spoil in (Path.unlink, lambda path: path.write_bytes(b"")):
            spoil(path)
            assert_read(seed=0)
            path.write_bytes(kept)
    assert_read(seed=1)
    for path in root.glob("*.gz"):
        path.unlink()
    label.write_bytes(b"")
    with pytest.raises(FileError) as caught:
        read_mnist("train")
    assert caught.value.path == str(label)


# What is read later than the file that tells the folder is not looked for elsewhere.
FIRST = [key for key in ONE if key not in ("annotations", "picture")]


@pytest.mark.parametrize("spoil", ["empty-folder", "empty-file", "file-missing"])
@pytest.mark.parametrize("key", FIRST)
def test_a_spoilt_copy_of_a_set_hides_no_good_one(root: Path, key: str, spoil: str) -> None:
    name = SET.get(key, key)
    PUT[name](root)
    below = root / name
    below.mkdir()
    if spoil != "empty-folder":
        PUT[name](below)
        (below / ONE[key]).unlink()
        if spoil == "empty-file":
            (below / ONE[key]).touch()
    judge_images(image_split(name), name)


@pytest.mark.parametrize("key", FIRST)
def test_a_whole_set_in_its_own_folder_goes_first(root: Path, key: str) -> None:
    name = SET.get(key, key)
    PUT[name](root)
    below = root / name
    below.mkdir()
    PUT[name](below)
    (root / ONE[key]).write_bytes(b"")
    judge_images(image_split(name), name)


def test_cifar_files_twice(root: Path) -> None:
    """In the archive's folder and beside it."""
    PUT["cifar10"](root)
    inner = root / "cifar-10-batches-bin"
    shutil.copy(inner / "data_batch_2.bin", root)
    (inner / "data_batch_2.bin").write_bytes(b"")
    judge_images(image_split("cifar10"), "cifar10")
    shutil.copy(inner / "data_batch_1.bin", root / "data_batch_2.bin")
    shutil.copy(inner / "data_batch_3.bin", inner / "data_batch_2.bin")
    with pytest.raises(FileError, match=r"data_batch_2.bin: holds other data than .*-bin/data_ba"):
        image_split("cifar10")


def assert_housing() -> None:
    _, y = REGRESSIONS["housing"](0)
    assert y.tolist() == (table()[:, 8] / 100_000).tolist()


def test_housing_twice(root: Path) -> None:
    (root / "cal_housing.data").touch()
    (root / "cal_housing.tgz").write_bytes(tgz(text()))
    assert_housing()
    assert housing_file() == root / "cal_housing.tgz"
    assert NEEDS["housing"].look().where == str(root / "cal_housing.tgz")
    (root / "cal_housing.data").write_bytes(text())
    assert_housing()
    (root / "cal_housing.data").write_bytes(field(7, b"1.5"))
    with pytest.raises(FileError, match=r"\.tgz: holds other data than .*\.data; remove"):
        REGRESSIONS["housing"](0)


def test_scikit_learns_pickle_of_housing_is_never_opened(root: Path) -> None:
    path = root / "cal_housing_py3.pkz"
    path.write_bytes(hostile.pickled(path))
    with pytest.raises(FileError) as caught:
        REGRESSIONS["housing"](0)
    assert str(caught.value) == (
        f"{path}: is scikit-learn's own copy, whose pickles are never opened; "
        "put StatLib's cal_housing.tgz beside it"
    )
    assert not hostile.canary(path).exists()
    (root / "cal_housing.tgz").write_bytes(tgz(text()))
    assert_housing()


def test_of_several_places_that_are_wrong_the_first_is_told(root: Path) -> None:
    """A damaged file where others look first, and one alone in the next place."""
    damaged, _ = put_both(root / "mnist")
    damaged.write_bytes(b"damaged")
    _, alone = put_both(root)
    (root / NAMES["official"][0]).unlink()
    assert alone.exists()
    with pytest.raises(FileError) as caught:
        read_mnist("train")
    assert str(caught.value).startswith(os.fspath(damaged))
