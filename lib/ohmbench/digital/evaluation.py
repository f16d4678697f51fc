"""Accuracy of an int8 network, computed with its integers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Int64, UInt8
from numpy.typing import NDArray

from ohmbench.digital.golden import ACTIVATION_MAX, GoldenExecutionPath, Inference, infer
from ohmbench.digital.network import Int8Network
from ohmbench.errors import RangeError, ShapeError
from ohmbench.kernels.parallel import in_parts, part_bounds
from ohmbench.stats import Interval, proportion_interval

# Images per batch: few enough that all intermediate values stay in the cache.
_CHUNK_IMAGES = 500


def infer_all(
    network: Int8Network,
    images: UInt8[NDArray[np.uint8], "n inputs"],
    *,
    path: GoldenExecutionPath = "auto",
) -> Inference:
    """``golden.infer`` for any number of images, in parallel parts. Raises as ``infer`` does."""
    first = infer(network, images[:_CHUNK_IMAGES], path=path)
    if len(images) <= _CHUNK_IMAGES:
        return first
    whole = Inference(*(np.empty((len(images), *x.shape[1:]), x.dtype) for x in _fields(first)))

    def run(_: int, begin: int, end: int) -> None:
        for start in range(begin, end, _CHUNK_IMAGES):
            chunk = slice(start, min(end, start + _CHUNK_IMAGES))
            found = infer(network, images[chunk], path=path)
            for into, part in zip(_fields(whole), _fields(found), strict=True):
                into[chunk] = part

    products = sum(w.size for w in network.weight)
    in_parts(part_bounds(len(images), _CHUNK_IMAGES), run, work=len(images) * products)
    return whole


def _fields(found: Inference) -> tuple[NDArray[Any], ...]:
    return tuple(vars(found).values())


@dataclass(frozen=True)
class Int8Evaluation:
    """The result of ``evaluate_int8``.

    ``confusion[t, p]`` counts images of class t classified as p. ``saturated`` counts hidden values
    that were clamped to 255; ``largest_product`` is the largest ``r * M`` that an image reached.
    """

    inference: Inference
    confusion: Int64[NDArray[np.int64], "classes classes"]
    saturated: int
    largest_product: int

    @property
    def total(self) -> int:
        """Number of images."""
        return len(self.inference.classes)

    @property
    def correct(self) -> int:
        """Number of correctly classified images."""
        return int(self.confusion.trace())

    @property
    def accuracy(self) -> Interval:
        """Fraction of correct answers with its 95 % Wilson interval."""
        return proportion_interval(self.correct, self.total)


def evaluate_int8(
    network: Int8Network,
    images: UInt8[NDArray[np.uint8], "n inputs"],
    labels: Int64[NDArray[np.int64], " n"],
) -> Int8Evaluation:
    """Run uint8 ``images`` (n, inputs) against ``labels`` (n,).

    Raises DtypeError, ShapeError or RangeError (no images, or a label outside the classes).
    """
    if labels.shape != (len(images),):
        raise ShapeError(f"labels have shape {labels.shape}, but should be ({len(images)},)")
    if len(images) == 0:
        raise RangeError("no images to evaluate")
    found = infer_all(network, images)
    if int(labels.min()) < 0 or int(labels.max()) >= network.classes:
        raise RangeError(
            f"labels run from {int(labels.min())} to {int(labels.max())}, "
            f"but should be from 0 to {network.classes - 1}"
        )
    confusion = np.zeros((network.classes, network.classes), np.int64)
    np.add.at(confusion, (labels, found.classes), 1)
    clamped = (found.product >> network.S) > ACTIVATION_MAX
    return Int8Evaluation(found, confusion, int(clamped.sum()), int(found.product.max()))
