"""The golden model: exactly what an int8 network computes, and the specification of ``hdl``.

    acc0   = W0 x + b0                          exact
    r      = max(acc0, 0)
    h      = min((r * M) >> S, 255)             uint8; the shift truncates, nothing is rounded
    logits = W1 h + b1                          exact
    class  = the first index of the largest logit;  value = its logit

The inputs ``x`` are uint8. There are two implementations that check each other: ``infer`` uses
int64 arrays and keeps every intermediate value; ``infer_plain`` uses Python's unbounded integers,
one step at a time. ``infer`` takes its products from floating-point units, without rounding errors
(``integer_product``), unless its path is "plain".

Source: FANN (digital half). Its documentation says that the requantisation rounds, but its RTL
truncates. This model truncates.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np
from jaxtyping import Int64, UInt8
from numpy.typing import NDArray

from ohmbench.digital.integer_product import integer_product
from ohmbench.digital.network import Int8Network
from ohmbench.errors import DtypeError, RangeError, ShapeError
from ohmbench.kernels.choice import check_path, plain_preferred

ACTIVATION_MAX = 255

GoldenExecutionPath: TypeAlias = Literal["auto", "plain"]


@dataclass(frozen=True)
class Inference:
    """Every intermediate value from images to classes, one row per image.

    ``acc0``, ``r``, ``product`` (``r * M``): int64 (n, hidden); ``hidden``: uint8 (n, hidden);
    ``logits``: int64 (n, classes); ``classes``, ``values``: int64 (n,).
    """

    acc0: Int64[NDArray[np.int64], "n hidden"]
    r: Int64[NDArray[np.int64], "n hidden"]
    product: Int64[NDArray[np.int64], "n hidden"]
    hidden: UInt8[NDArray[np.uint8], "n hidden"]
    logits: Int64[NDArray[np.int64], "n classes"]
    classes: Int64[NDArray[np.int64], " n"]
    values: Int64[NDArray[np.int64], " n"]


def check_images(network: Int8Network, images: UInt8[NDArray[np.uint8], "n inputs"]) -> None:
    """Raise DtypeError unless ``images`` is uint8, ShapeError unless (n, inputs) with n >= 1."""
    if not isinstance(images, np.ndarray) or images.dtype != np.uint8:
        found = images.dtype if isinstance(images, np.ndarray) else type(images).__name__
        raise DtypeError(f"images are {found}, but should be uint8")
    if images.ndim != 2 or images.shape[1] != network.inputs or len(images) == 0:
        raise ShapeError(
            f"images have shape {images.shape}, but should be (n, {network.inputs}), n >= 1"
        )


def _plain_product(x: NDArray[np.uint8], w: NDArray[np.int8]) -> NDArray[np.int64]:
    return x.astype(np.int64) @ w.T.astype(np.int64)


def _product(
    path: GoldenExecutionPath,
) -> Callable[[NDArray[np.uint8], NDArray[np.int8]], NDArray[np.int64]]:
    check_path(path, get_args(GoldenExecutionPath))
    return _plain_product if path == "plain" or plain_preferred() else integer_product


def infer(
    network: Int8Network,
    images: UInt8[NDArray[np.uint8], "n inputs"],
    *,
    path: GoldenExecutionPath = "auto",
) -> Inference:
    """Run ``images``, uint8 (n, inputs). Raises DtypeError or ShapeError.

    No int64 can wrap: with the sizes that ``Int8Network`` admits, every number is below 2**48.
    """
    check_images(network, images)
    (w0, w1), (b0, b1) = network.weight, network.bias
    product_of = _product(path)
    acc0 = product_of(images, w0) + b0
    r = np.maximum(acc0, 0)
    product = r * network.M
    hidden = np.minimum(product >> network.S, ACTIVATION_MAX).astype(np.uint8)
    logits = product_of(hidden, w1) + b1
    classes = logits.argmax(axis=1)  # numpy's argmax is documented to return the first index
    values = np.take_along_axis(logits, classes[:, None], axis=1)[:, 0]
    return Inference(acc0, r, product, hidden, logits, classes, values)


@dataclass(frozen=True)
class PlainInference:
    """The values of one image as Python integers; names as in ``Inference``."""

    acc0: list[int]
    r: list[int]
    product: list[int]
    hidden: list[int]
    logits: list[int]
    class_: int
    value: int


def infer_plain(
    network: Int8Network, image: Sequence[int] | UInt8[NDArray[np.uint8], " inputs"]
) -> PlainInference:
    """Run one image of ``inputs`` integers from 0 to 255, without numpy, in unbounded integers.

    Raises ShapeError or RangeError.
    """
    pixels = [int(pixel) for pixel in image]
    if len(pixels) != network.inputs:
        raise ShapeError(f"image has {len(pixels)} pixels, but should have {network.inputs}")
    for i, pixel in enumerate(pixels):
        if pixel < 0 or pixel > 255:
            raise RangeError(f"image[{i}] is {pixel}, but should be from 0 to 255")
    acc0, r, product, hidden = [], [], [], []
    for row, bias in zip(network.weight[0].tolist(), network.bias[0].tolist(), strict=True):
        total = bias
        for weight, pixel in zip(row, pixels, strict=True):
            total += weight * pixel
        rectified = total if total > 0 else 0
        scaled = rectified * network.M
        shifted = scaled // 2**network.S
        acc0.append(total)
        r.append(rectified)
        product.append(scaled)
        hidden.append(255 if shifted > 255 else shifted)
    logits = []
    for row, bias in zip(network.weight[1].tolist(), network.bias[1].tolist(), strict=True):
        total = bias
        for weight, activation in zip(row, hidden, strict=True):
            total += weight * activation
        logits.append(total)
    winner = 0
    for c in range(1, len(logits)):
        if logits[c] > logits[winner]:
            winner = c
    return PlainInference(acc0, r, product, hidden, logits, winner, logits[winner])
