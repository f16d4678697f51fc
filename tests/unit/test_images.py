"""Image sets: small files in the true formats are read as they are, strangers' are refused."""

from __future__ import annotations

import gzip
import io
import pickle
import random
import struct
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io
from PIL import Image

from ohmbench.data import images as module
from ohmbench.data.folders import DATA_VARIABLE
from ohmbench.data.images import (
    IMAGE_SETS,
    ImageSplit,
    digit_images,
    held_out_digit_images,
    image_split,
)
from ohmbench.errors import FileError
from ohmbench.files.mat import read_mat
from ohmbench.files.pictures import read_jpeg
from tests.unit import hostile
from tests.unit.hostile import Kind
from tests.unit.test_files_hostile import fuzz_outcomes, judge_outcome, judge_refusal

TRAIN, TEST = 14, 12  # images of each small set


def pixels(n: int, *shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, *shape), np.uint8)


def labels(n: int, classes: int) -> np.ndarray:
    return (np.arange(n) * 7 % classes).astype(np.uint8)


# ------------------------------------------------------------------------------------------------
# MATLAB files, packed by hand so that every size in them can lie


def element(kind: int, data: bytes, size: int | None = None) -> bytes:
    return (
        struct.pack("<II", kind, len(data) if size is None else size) + data + bytes(-len(data) % 8)
    )


def matrix(
    name: bytes,
    sizes: tuple[int, ...],
    data: bytes,
    *,
    matlab_class: int = 9,
    flags: int = 0,
    kind: int = 2,
    data_size: int | None = None,
    tail: bytes = b"",
) -> bytes:
    parts = (
        element(6, struct.pack("<II", matlab_class | flags, 0)),
        element(5, struct.pack(f"<{len(sizes)}i", *sizes)),
        element(1, name),
        element(kind, data, data_size),
    )
    return element(14, b"".join(parts) + tail)


def packed(variable: bytes, level: int = 6) -> bytes:
    data = zlib.compress(variable, level)
    return struct.pack("<II", 15, len(data)) + data


MAT_HEADER = b"MATLAB 5.0 MAT-file, by hand".ljust(124) + b"\0\1IM"


def mat(*variables: bytes, header: bytes = MAT_HEADER) -> bytes:
    return header + b"".join(variables)


def svhn_arrays(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Images (n, 3, 32, 32) and digits, 0 among them."""
    return pixels(n, 3, 32, 32, seed=seed), labels(n, 10)


def svhn_x(n: int = 2, **changes: object) -> bytes:
    x = svhn_arrays(n, 0)[0].transpose(2, 3, 1, 0)
    return matrix(b"X", x.shape, x.tobytes(order="F"), **changes)  # type: ignore[arg-type]


def svhn_y(values: bytes = b"\1\n", **changes: object) -> bytes:
    return matrix(b"y", (len(values), 1), values, **changes)  # type: ignore[arg-type]


# ------------------------------------------------------------------------------------------------
# Small sets in the true formats: each writer puts its files into a folder


def idx(array: np.ndarray) -> bytes:
    return (
        bytes([0, 0, 8, array.ndim])
        + struct.pack(f">{array.ndim}I", *array.shape)
        + array.tobytes()
    )


def put_mnist(folder: Path) -> None:
    for part, n in (("train", TRAIN), ("t10k", TEST)):
        x, y = pixels(n, 28, 28, seed=n), labels(n, 10)
        (folder / f"{part}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(x)))
        (folder / f"{part}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(y)))


def put_svhn(folder: Path) -> None:
    for part, n in (("train", TRAIN), ("test", TEST)):
        x, y = svhn_arrays(n, n)
        variables = {"X": x.transpose(2, 3, 1, 0), "y": np.where(y == 0, 10, y)[:, None]}
        scipy.io.savemat(folder / f"{part}_32x32.mat", variables, do_compression=True)


def cifar_records(n: int, classes: int, label_bytes: int, seed: int) -> bytes:
    x, y = pixels(n, 3072, seed=seed), labels(n, classes)
    coarse = np.full((n, label_bytes - 1), 3, np.uint8)
    return np.concatenate([coarse, y[:, None], x], 1).tobytes()


def put_cifar10(folder: Path) -> None:
    below = folder / "cifar-10-batches-bin"
    below.mkdir()
    for k in range(1, 6):
        (below / f"data_batch_{k}.bin").write_bytes(cifar_records(TRAIN, 10, 1, k))
    (below / "test_batch.bin").write_bytes(cifar_records(TEST, 10, 1, 6))


def put_cifar100(folder: Path) -> None:
    below = folder / "cifar-100-binary"
    below.mkdir()
    (below / "train.bin").write_bytes(cifar_records(TRAIN, 100, 2, 7))
    (below / "test.bin").write_bytes(cifar_records(TEST, 100, 2, 8))


WNIDS = ("n03444034", "n02124075", "n04067472")  # the original's list is not in order either


def jpeg(
    seed: int = 0, size: tuple[int, int] = (64, 64), mode: str = "RGB", kind: str = "JPEG"
) -> bytes:
    rng = np.random.default_rng(seed)
    # Smooth, so that the compression's losses stay small.
    small = rng.integers(0, 256, (4, 4, len(mode)), np.uint8).squeeze()
    stream = io.BytesIO()
    Image.fromarray(small).resize(size, Image.Resampling.BILINEAR).save(stream, kind, quality=95)
    return stream.getvalue()


def put_tinyimage(folder: Path) -> None:
    root = folder / "tiny-imagenet-200"
    (root / "val" / "images").mkdir(parents=True)
    (root / "wnids.txt").write_text("".join(f"{wnid}\n" for wnid in WNIDS))
    for c, wnid in enumerate(WNIDS):
        pictures = root / "train" / wnid / "images"
        pictures.mkdir(parents=True)
        (pictures.parent / f"{wnid}_boxes.txt").write_text(f"{wnid}_0.JPEG\t0\t10\t63\t58\n")
        for k in range(2):
            (pictures / f"{wnid}_{k}.JPEG").write_bytes(jpeg(10 * c + k))
    lines = []
    for k in range(TEST):
        grey = k == 0
        (root / "val" / "images" / f"val_{k}.JPEG").write_bytes(
            jpeg(100 + k, mode="L" if grey else "RGB")
        )
        lines.append(f"val_{k}.JPEG\t{WNIDS[k % 3]}\t0\t32\t44\t62\n")
    (root / "val" / "val_annotations.txt").write_text("".join(lines))


PUT: dict[str, Callable[[Path], None]] = {
    "mnist": put_mnist,
    "svhn": put_svhn,
    "cifar10": put_cifar10,
    "cifar100": put_cifar100,
    "tinyimage": put_tinyimage,
}
every_set = pytest.mark.parametrize("name", PUT)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path))
    return tmp_path


# ------------------------------------------------------------------------------------------------
# Judges: what each small set must be read as


def decoded(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).transpose(2, 0, 1)


def expected(name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, int]:
    if name == "mnist":
        train, test = (pixels(n, 28, 28, seed=n)[:, None] for n in (TRAIN, TEST))
        return train, labels(TRAIN, 10), test, labels(TEST, 10), 10
    if name == "svhn":
        (train, y), (test, test_y) = (svhn_arrays(n, n) for n in (TRAIN, TEST))
        return train, y, test, test_y, 10
    if name == "cifar10":
        batches = [pixels(TRAIN, 3072, seed=k).reshape(-1, 3, 32, 32) for k in range(1, 6)]
        test = pixels(TEST, 3072, seed=6).reshape(-1, 3, 32, 32)
        return np.concatenate(batches), np.tile(labels(TRAIN, 10), 5), test, labels(TEST, 10), 10
    if name == "cifar100":
        train, test = (
            pixels(n, 3072, seed=seed).reshape(-1, 3, 32, 32) for n, seed in ((TRAIN, 7), (TEST, 8))
        )
        return train, labels(TRAIN, 100), test, labels(TEST, 100), 100
    order = [sorted(WNIDS).index(wnid) for wnid in WNIDS]
    by_label = [WNIDS.index(wnid) for wnid in sorted(WNIDS)]
    train = np.stack([decoded(jpeg(10 * c + k)) for c in by_label for k in range(2)])
    test = [decoded(jpeg(100 + k, mode="L" if k == 0 else "RGB")) for k in range(TEST)]
    test_y = np.array([order[k % 3] for k in range(TEST)])
    return train, np.repeat(np.arange(3), 2), np.stack(test), test_y, 3


def judge_images(found: ImageSplit, name: str) -> None:
    train_x, train_y, test_x, test_y, classes = expected(name)
    for part, array, wanted in (
        ("train_x", found.train_x, train_x),
        ("test_x", found.test_x, test_x),
    ):
        assert array.dtype == np.uint8
        assert array.shape == wanted.shape, f"{part} has shape {array.shape}"
        assert array.flags.c_contiguous, f"{part} is not C-contiguous"
        wrong = np.argwhere(array != wanted)
        assert not len(wrong), f"{part}{wrong[0].tolist()} differs, and {len(wrong) - 1} more"
    for part, array, wanted in (
        ("train_y", found.train_y, train_y),
        ("test_y", found.test_y, test_y),
    ):
        assert array.dtype == np.int64
        assert array.tolist() == wanted.tolist(), f"{part} is {array.tolist()}"
    assert found.classes == classes


@every_set
@pytest.mark.parametrize("below", [False, True], ids=["itself", "below"])
def test_sets_are_read_as_they_are(folder: Path, name: str, below: bool) -> None:
    place = folder / name if below else folder
    place.mkdir(exist_ok=True)
    PUT[name](place)
    judge_images(image_split(name), name)
    assert set(PUT) == set(IMAGE_SETS)


@pytest.mark.parametrize("name", ["cifar10", "cifar100", "tinyimage"])
def test_the_archives_own_folder_may_be_named(
    folder: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    PUT[name](folder)
    (inner,) = folder.iterdir()
    monkeypatch.setenv(DATA_VARIABLE, str(inner))
    judge_images(image_split(name), name)


def test_grey_pictures_have_three_equal_planes(folder: Path) -> None:
    put_tinyimage(folder)
    grey = image_split("tinyimage").test_x[0]
    assert (grey[0] == grey[1]).all()
    assert (grey[0] == grey[2]).all()


FAULTS: dict[str, tuple[str, Callable[[ImageSplit], ImageSplit]]] = {
    "planes-exchanged": (
        "cifar10",
        lambda s: ImageSplit(s.train_x[:, ::-1].copy(), s.train_y, s.test_x, s.test_y, 10),
    ),
    "rows-for-columns": (
        "svhn",
        lambda s: ImageSplit(s.train_x.swapaxes(2, 3).copy(), s.train_y, s.test_x, s.test_y, 10),
    ),
    "label-10-kept": (
        "svhn",
        lambda s: ImageSplit(
            s.train_x, np.where(s.train_y == 0, 10, s.train_y), s.test_x, s.test_y, 10
        ),
    ),
    "coarse-labels": (
        "cifar100",
        lambda s: ImageSplit(s.train_x, s.train_y * 0 + 3, s.test_x, s.test_y, 100),
    ),
    "held-out-order": (
        "tinyimage",
        lambda s: ImageSplit(s.train_x, s.train_y, s.test_x, s.test_y[::-1], 3),
    ),
    "no-channel": (
        "mnist",
        lambda s: ImageSplit(s.train_x[:, 0], s.train_y, s.test_x, s.test_y, 10),
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_loader_that_reads_otherwise_is_caught(folder: Path, fault: str) -> None:
    name, plant = FAULTS[fault]
    PUT[name](folder)
    with pytest.raises(AssertionError):
        judge_images(plant(image_split(name)), name)


def test_unknown_sets_are_errors() -> None:
    with pytest.raises(KeyError, match="cifar11"):
        image_split("cifar11")


# ------------------------------------------------------------------------------------------------
# Digits


def test_digits_are_the_training_images_of_one_label(folder: Path) -> None:
    put_mnist(folder)
    x, y = pixels(TRAIN, 28, 28, seed=TRAIN), labels(TRAIN, 10)
    found = digit_images(2)
    assert (found.dtype, found.shape) == (np.float64, (int((y == 2).sum()), 784))
    assert len(found) > 0
    assert found.tolist() == (x[y == 2].reshape(-1, 784) / 255).tolist()
    with pytest.raises(ValueError, match="10 is not a digit"):
        digit_images(10)


def test_a_digit_without_images_is_named(folder: Path) -> None:
    """Two held-out images at least: of one alone nothing has an interval."""
    put_mnist(folder)
    x, y = pixels(TEST, 28, 28, seed=TEST), labels(TEST, 10)
    twice = [digit for digit in range(10) if (y == digit).sum() >= 2]
    for digit in range(10):
        if digit in twice:
            found = held_out_digit_images(digit)
            assert found.tolist() == (x[y == digit].reshape(-1, 784) / 255).tolist()
        else:
            with pytest.raises(
                FileError, match=f"t10k has 1 images of the digit {digit}, at least"
            ):
                held_out_digit_images(digit)
    assert 0 < len(twice) < 10
    (folder / "train-labels-idx1-ubyte.gz").write_bytes(
        gzip.compress(idx(np.zeros(TRAIN, np.uint8)))
    )
    with pytest.raises(FileError, match="train has 0 images of the digit 2, at least 1 needed"):
        digit_images(2)


# ------------------------------------------------------------------------------------------------
# Missing files


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mnist", "train-images-idx3-ubyte.gz: not found"),
        ("svhn", "train_32x32.mat: not found; put train_32x32.mat of SVHN into that folder or "),
        ("cifar10", "cifar-10-batches-bin/data_batch_1.bin: not found; put cifar-10-batches-bin/"),
        ("cifar100", "cifar-100-binary/train.bin: not found; put cifar-100-binary/train.bin or "),
        ("tinyimage", "tiny-imagenet-200/wnids.txt: not found; put tiny-imagenet-200/wnids.txt"),
    ],
)
def test_missing_files_say_what_to_put_where(
    folder: Path, name: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(FileError) as caught:
        image_split(name)
    assert str(caught.value).startswith(f"{folder}/{message}")
    monkeypatch.delenv(DATA_VARIABLE)
    with pytest.raises(FileError, match=rf": {DATA_VARIABLE} is not set; .*point it at the folder"):
        image_split(name)


@pytest.mark.parametrize(
    ("name", "place"), [("cifar10", "cifar-10-batches-py"), ("cifar100", "cifar-100-python")]
)
@pytest.mark.parametrize("below", [False, True], ids=["itself", "below"])
def test_pickled_cifar_is_refused_and_never_opened(
    folder: Path, name: str, place: str, below: bool
) -> None:
    pickles = (folder / name if below else folder) / place
    pickles.mkdir(parents=True)
    for file in ("data_batch_1", "train"):
        (pickles / file).write_bytes(hostile.pickled(pickles / file))
    error = judge_refusal(lambda path: image_split(name), pickles)
    assert "pickles are never opened; get the binary version" in str(error)
    assert not hostile.canary(pickles / "train").exists()


# ------------------------------------------------------------------------------------------------
# Hostile files: one file of a good set is replaced

ONE: dict[str, str] = {
    "mnist": "train-labels-idx1-ubyte.gz",
    "svhn": "train_32x32.mat",
    "cifar10": "cifar-10-batches-bin/data_batch_3.bin",
    "cifar100": "cifar-100-binary/train.bin",
    "wnids": "tiny-imagenet-200/wnids.txt",
    "annotations": "tiny-imagenet-200/val/val_annotations.txt",
    "picture": f"tiny-imagenet-200/train/{WNIDS[1]}/images/{WNIDS[1]}_1.JPEG",
}
SET = {"wnids": "tinyimage", "annotations": "tinyimage", "picture": "tinyimage"}


def wrong_label(classes: int, label_bytes: int, value: int, image: int = 5) -> bytes:
    data = bytearray(cifar_records(TRAIN, classes, label_bytes, 3))
    data[image * (label_bytes + 3072) + label_bytes - 1] = value
    return bytes(data)


def bomb() -> bytes:
    """X of 100 000 black images, 307 MB, that deflate to a thousandth."""
    n = 100_000
    header = matrix(b"X", (32, 32, 3, n), b"", data_size=3072 * n)
    packer = zlib.compressobj(1)
    parts = [packer.compress(header)] + [
        packer.compress(bytes(3072 * 100)) for _ in range(n // 100)
    ]
    data = b"".join([*parts, packer.flush()])
    return mat(struct.pack("<II", 15, len(data)) + data, packed(svhn_y()))


def huge_jpeg() -> bytes:
    """A good picture whose header says 65 500 x 65 500."""
    data = jpeg()
    start = data.index(b"\xff\xc0") + 5
    return data[:start] + struct.pack(">HH", 65_500, 65_500) + data[start + 4 :]


GOOD_X, GOOD_Y = packed(svhn_x()), packed(svhn_y())
HOSTILE: dict[str, dict[str, tuple[Callable[[], bytes], str | None]]] = {
    "svhn": {
        "header-cut": (lambda: MAT_HEADER[:100], "header"),
        "header-only": (lambda: MAT_HEADER, "X"),
        "magic": (lambda: mat(GOOD_X, GOOD_Y, header=MAT_HEADER[:126] + b"XX"), "header"),
        "big-endian": (lambda: mat(GOOD_X, GOOD_Y, header=MAT_HEADER[:124] + b"\1\0MI"), "header"),
        "version-7.3": (
            lambda: (
                b"MATLAB 7.3 MAT-file, HDF5 schema 1.00 .".ljust(124)
                + b"\0\2IM"
                + bytes(384)
                + b"\x89HDF\r\n\x1a\n"
            ),
            "header",
        ),
        "hdf5": (lambda: b"\x89HDF\r\n\x1a\n" + bytes(600), "header"),
        "version-4": (
            lambda: struct.pack("<5i", 50, 2, 1, 0, 2) + b"y\0\1\2" + bytes(200),
            "header",
        ),
        "cut-in-y": (lambda: mat(GOOD_X, GOOD_Y)[:-5], None),
        "cut-in-x": (lambda: mat(GOOD_X)[:-500], None),
        "x-missing": (lambda: mat(GOOD_Y), "X"),
        "y-missing": (lambda: mat(GOOD_X), "y"),
        "x-twice": (lambda: mat(GOOD_X, GOOD_X, GOOD_Y), "X"),
        "junk-appended": (lambda: mat(GOOD_X, GOOD_Y) + bytes(64), None),
        "element-0-bytes": (lambda: mat(GOOD_X, struct.pack("<II", 15, 0), GOOD_Y), None),
        "element-4GB": (lambda: mat(struct.pack("<II", 15, 2**32 - 1) + GOOD_X[8:]), None),
        "element-unknown": (lambda: mat(element(77, bytes(64)), GOOD_X, GOOD_Y), None),
        "deflate-damaged": (lambda: mat(GOOD_X[:40] + b"\xff" * 200 + GOOD_X[240:], GOOD_Y), None),
        "deflate-noise": (lambda: mat(struct.pack("<II", 15, 64) + hostile.noise(3, 64)), None),
        "checksum": (lambda: mat(GOOD_X[:-4] + b"\0\0\0\0", GOOD_Y), "X"),
        "compressed-twice": (lambda: mat(packed(packed(svhn_x())), GOOD_Y), None),
        "not-a-matrix-inside": (lambda: mat(packed(element(2, bytes(64))), GOOD_Y), None),
        "flags-long": (lambda: mat(element(14, element(6, bytes(4096)) + bytes(64))), None),
        "forty-dimensions": (lambda: mat(matrix(b"X", (1,) * 40, b"\1"), GOOD_Y), None),
        "long-name": (lambda: mat(matrix(b"X" * 5000, (1, 1), b"\1"), GOOD_X, GOOD_Y), None),
        "name-latin-1": (lambda: mat(matrix(b"\xb5", (1, 1), b"\1"), GOOD_X, GOOD_Y), None),
        "x-two-dimensions": (
            lambda: mat(packed(matrix(b"X", (3072, 2), bytes(6144))), GOOD_Y),
            "X",
        ),
        "x-negative": (
            lambda: mat(packed(matrix(b"X", (-32, -32, 3, 2), bytes(6144))), GOOD_Y),
            "X",
        ),
        "x-no-images": (lambda: mat(packed(matrix(b"X", (32, 32, 3, 0), b"")), GOOD_Y), "X"),
        "x-2^62": (
            lambda: mat(packed(matrix(b"X", (2**15, 2**15, 2**16, 2**16), bytes(64))), GOOD_Y),
            "X",
        ),
        "x-200MB-promised": (
            lambda: mat(
                packed(matrix(b"X", (32, 32, 3, 65_104), bytes(64), data_size=3072 * 65_104)),
                GOOD_Y,
            ),
            "X",
        ),
        "x-promises-more": (
            lambda: mat(packed(matrix(b"X", (32, 32, 3, 3), bytes(6144))), GOOD_Y),
            "X",
        ),
        "x-data-cut": (
            lambda: mat(packed(matrix(b"X", (32, 32, 3, 2), bytes(6000), data_size=6144)), GOOD_Y),
            "X",
        ),
        "x-data-too-long": (lambda: mat(packed(svhn_x(tail=bytes(16))), GOOD_Y), "X"),
        "x-doubles": (lambda: mat(packed(svhn_x(matlab_class=6, kind=9)), GOOD_Y), "X"),
        "x-int8": (lambda: mat(packed(svhn_x(matlab_class=8, kind=1)), GOOD_Y), "X"),
        "x-cell": (lambda: mat(packed(svhn_x(matlab_class=1)), GOOD_Y), "X"),
        "x-object": (lambda: mat(packed(svhn_x(matlab_class=3)), GOOD_Y), "X"),
        "x-complex": (lambda: mat(packed(svhn_x(flags=0x800)), GOOD_Y), "X"),
        "x-28-pixels": (
            lambda: mat(packed(matrix(b"X", (28, 28, 3, 2), bytes(4704))), GOOD_Y),
            None,
        ),
        "x-planes-first": (
            lambda: mat(packed(matrix(b"X", (3, 32, 32, 2), bytes(6144))), GOOD_Y),
            None,
        ),
        "y-too-many": (lambda: mat(GOOD_X, packed(svhn_y(b"\1\2\3"))), None),
        "y-row": (lambda: mat(GOOD_X, packed(matrix(b"y", (1, 2), b"\1\2"))), None),
        "y-label-0": (lambda: mat(GOOD_X, packed(svhn_y(b"\1\0"))), "labels"),
        "y-label-11": (lambda: mat(GOOD_X, packed(svhn_y(b"\1\x0b"))), "labels"),
        "y-nan": (
            lambda: mat(
                GOOD_X,
                packed(
                    matrix(
                        b"y", (2, 1), struct.pack("<2d", 1, float("nan")), matlab_class=6, kind=9
                    )
                ),
            ),
            "y",
        ),
        "uncompressed-cut": (lambda: mat(svhn_x()[:-8], svhn_y()), None),
        "uncompressed-data-size": (lambda: mat(svhn_x(data_size=2**31), svhn_y()), "X"),
        "bomb": (bomb, "X"),
    },
    "cifar10": {
        "one-byte-short": (lambda: cifar_records(TRAIN, 10, 1, 3)[:-1], None),
        "one-byte-long": (lambda: cifar_records(TRAIN, 10, 1, 3) + b"\0", None),
        "cifar-100": (lambda: cifar_records(TRAIN, 100, 2, 3), None),
        "label-10": (lambda: wrong_label(10, 1, 10), "labels"),
        "label-255": (lambda: wrong_label(10, 1, 255), "labels"),
        "pickle-0": (lambda: (pickle.dumps([bytes(9)], 0) * 999)[: 3073 * 2], "labels"),
        "pickle-2": (lambda: pickle.dumps({"data": bytes(3073)}, 2), None),
        "gzip": (lambda: gzip.compress(cifar_records(TRAIN, 10, 1, 3)), None),
    },
    "cifar100": {
        "one-byte-short": (lambda: cifar_records(TRAIN, 100, 2, 3)[:-1], None),
        "cifar-10": (lambda: cifar_records(TRAIN, 10, 1, 3), None),
        "label-100": (lambda: wrong_label(100, 2, 100), "labels"),
        "pickle-2": (lambda: pickle.dumps({"data": bytes(3074)}, 2), None),
    },
    "wnids": {
        "no-id": (lambda: b"n02124075\nn03444034\ncat\n", None),
        "twice": (lambda: b"n02124075\nn02124075\n", None),
        "one": (lambda: b"n02124075\n", None),
        "parent": (lambda: b"n02124075\n../../etc\n", None),
        "latin-1": (lambda: b"n02124075\n\xb5\n", None),
        "too-many": (lambda: b"".join(b"n%08d\n" % k for k in range(1001)), None),
    },
    "annotations": {
        "no-tab": (lambda: b"val_0.JPEG n02124075\n", None),
        "unknown-class": (lambda: b"val_0.JPEG\tn99999999\t0\t0\t63\t63\n", None),
        "no-class": (lambda: b"val_0.JPEG\n", None),
        "parent": (lambda: b"../val_0.JPEG\tn02124075\n", None),
        "absolute": (lambda: b"/etc/passwd\tn02124075\n", None),
        "escape-codes": (lambda: b"\x1b[31m.JPEG\tn02124075\n", None),
        "empty-line": (lambda: b"val_0.JPEG\tn02124075\n\n", None),
        "latin-1": (lambda: b"val_\xb5.JPEG\tn02124075\n", None),
    },
    "picture": {
        "half-size": (lambda: jpeg(size=(32, 32)), None),
        "not-square": (lambda: jpeg(size=(64, 63)), None),
        "png": (lambda: jpeg(kind="PNG"), None),
        "gif": (lambda: jpeg(kind="GIF"), None),
        "cut-in-header": (lambda: jpeg()[:30], None),
        "cut-in-half": (lambda: jpeg()[: len(jpeg()) // 2], None),
        "huge": (huge_jpeg, None),
        "postscript": (lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 64\n", None),
        "two-megabytes": (lambda: jpeg() + bytes(2**21), None),
    },
}
KINDS = [
    (loader, kind)
    for loader in ONE
    for kind in (
        *hostile.not_files(loader),
        *(
            Kind(f"{loader}-{name}", lambda path, make=make: path.write_bytes(make()), field)  # type: ignore[misc]
            for name, (make, field) in HOSTILE.get(loader, {}).items()
        ),
    )
]
# What is missing from a folder whose files are listed is simply not in the set.
NOT_THERE = {"picture-missing"}


@pytest.mark.parametrize(
    ("loader", "kind"),
    [pytest.param(*case, id=case[1].name) for case in KINDS if case[1].name not in NOT_THERE],
)
def test_hostile_files_are_refused(folder: Path, loader: str, kind: Kind) -> None:
    name = SET.get(loader, loader)
    PUT[name](folder)
    path = folder / ONE[loader]
    path.unlink()
    kind.build(path)
    judge_refusal(lambda path: image_split(name), path, kind.field)


def test_there_are_enough_kinds_and_each_name_is_one_kind() -> None:
    names = [kind.name for _, kind in KINDS]
    assert len(set(names)) == len(names)
    assert len(names) > 150


@pytest.mark.parametrize("name", ["x-200MB-promised", "x-2^62", "deflate-noise", "flags-long"])
def test_promises_cost_no_memory(tmp_path: Path, name: str) -> None:
    path = tmp_path / "f.mat"
    path.write_bytes(HOSTILE["svhn"][name][0]())
    tracemalloc.start()
    try:
        with pytest.raises(FileError):
            read_mat(path, {"X": 4, "y": 2})
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 4 * 2**20, f"{peak / 2**20:.1f} MiB"


def test_a_class_without_pictures_is_refused(folder: Path) -> None:
    put_tinyimage(folder)
    pictures = folder / "tiny-imagenet-200" / "train" / WNIDS[2] / "images"
    for path in pictures.iterdir():
        path.unlink()
    judge_refusal(lambda path: image_split("tinyimage"), pictures)


@pytest.mark.parametrize("name", ["cifar10", "svhn", "tinyimage"])
def test_a_lenient_loader_is_caught(
    folder: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    loader, hostile_kind = {
        "cifar10": ("cifar10", "label-10"),
        "svhn": ("svhn", "y-label-11"),
        "tinyimage": ("picture", "half-size"),
    }[name]
    PUT[name](folder)
    path = folder / ONE[loader]
    path.write_bytes(HOSTILE[loader][hostile_kind][0]())
    monkeypatch.setattr(module, "_checked", lambda path, labels, *rest, **more: labels)
    monkeypatch.setattr(module, "read_jpeg", lambda path, side: np.zeros((3, side, side), np.uint8))
    with pytest.raises(AssertionError, match="accepted, and returned"):
        judge_refusal(lambda path: image_split(name), path)


# ------------------------------------------------------------------------------------------------
# Fuzzing: damaged files are refused or read as something right


def small_mat(*variables: bytes) -> bytes:
    return mat(*variables, packed(matrix(b"other", (2, 1), b"ab")))


def mat_templates() -> list[bytes]:
    x, y = matrix(b"X", (2, 2, 3, 2), bytes(range(24))), matrix(b"y", (2, 1), b"\1\2")
    return [small_mat(packed(x), packed(y)), small_mat(x, y)]


def repacked(rng: random.Random) -> bytes:
    """Damage below the compression, which its checksum would otherwise find."""
    x, y = matrix(b"X", (2, 2, 3, 2), bytes(range(24))), matrix(b"y", (2, 1), b"\1\2")
    return small_mat(packed(hostile.damage(rng, x)), packed(y))


def judge_mat(value: dict[str, np.ndarray]) -> None:
    assert set(value) == {"X", "y"}
    for name, ndim in (("X", 4), ("y", 2)):
        assert value[name].dtype == np.uint8
        assert value[name].ndim == ndim
        assert value[name].size > 0


def judge_picture(value: np.ndarray) -> None:
    assert value.dtype == np.uint8
    assert value.shape == (3, 64, 64)


FUZZED: dict[str, tuple[Callable[[Path], Any], Callable[[Any], None], list[bytes]]] = {
    "mat": (lambda path: read_mat(path, {"X": 4, "y": 2}), judge_mat, mat_templates()),
    "jpeg": (lambda path: read_jpeg(path, side=64), judge_picture, [jpeg(1), jpeg(2, mode="L")]),
}


@pytest.mark.parametrize("loader", FUZZED)
@pytest.mark.parametrize(
    ("seed", "count"),
    [
        pytest.param(30, 1_000, id="seed=30-1000"),
        pytest.param(31, 20_000, id="seed=31-20000", marks=pytest.mark.slow),
    ],
)
def test_damaged_files_are_refused_or_right(
    tmp_path: Path, loader: str, seed: int, count: int
) -> None:
    rng = random.Random(f"{loader}-{seed}")
    read, judge, templates = FUZZED[loader]
    path = tmp_path / "f"
    for original in templates:
        path.write_bytes(original)
        assert judge_outcome(read, judge, path) == "accepted"

    def damaged() -> bytes:
        below = loader == "mat" and rng.random() < 0.5
        return repacked(rng) if below else hostile.damage(rng, rng.choice(templates))

    files = (damaged() for _ in range(count))
    outcomes = fuzz_outcomes(f"{loader}-{seed}", path, files, read, judge)
    assert len(outcomes) > 4, f"only {dict(outcomes)}"
    assert outcomes["accepted"] < 0.9 * count


# ------------------------------------------------------------------------------------------------
# MATLAB files that are right


@pytest.mark.parametrize("compressed", [False, True], ids=["plain", "compressed"])
def test_arrays_are_those_that_scipy_reads(tmp_path: Path, compressed: bool) -> None:
    path = tmp_path / "f.mat"
    x = pixels(3, 5, 2, 7)
    others = {"name": "digits", "cell": np.array([[1, "a"]], object), "z": np.eye(50) * 1j}
    variables = {"a": np.ones((200, 200)), "X": x, **others, "y": np.array([[3], [2]], np.uint8)}
    scipy.io.savemat(path, variables, do_compression=compressed)
    found = read_mat(path, {"X": 4, "y": 2})
    oracle = scipy.io.loadmat(path)
    assert set(found) == {"X", "y"}
    for name, array in found.items():
        assert array.dtype == np.uint8
        assert array.tolist() == oracle[name].tolist()


@pytest.mark.parametrize("count", [1, 3, 4, 5, 8, 9])
@pytest.mark.parametrize("compressed", [False, True], ids=["plain", "compressed"])
def test_arrays_of_any_padding(tmp_path: Path, count: int, compressed: bool) -> None:
    path = tmp_path / "f.mat"
    y = np.arange(count, dtype=np.uint8)[:, None]
    scipy.io.savemat(path, {"y": y, "after": np.ones(3)}, do_compression=compressed)
    assert read_mat(path, {"y": 2})["y"].tolist() == y.tolist()


def test_whole_numbers_of_class_double_are_uint8_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "f.mat"
    path.write_bytes(mat(packed(svhn_y(matlab_class=6))))  # as MATLAB itself writes [1; 10]
    assert read_mat(path, {"y": 2})["y"].tolist() == [[1], [10]]
