"""The tensors of a TFLite file as numbers: scales, weights and biases, checked.

Each function raises FileError naming the file, the tensor or operator, and the reason.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32, Float64, Int8, Int64
from numpy.typing import NDArray

from ohmbench.digital.importing.tflite_file import Tensor
from ohmbench.digital.network import LARGEST_SIZE
from ohmbench.errors import FileError

INT8_REMEDY = "convert the network to int8 in full (inputs, weights and outputs)"
LEVELS = {"INT8": (-128, 127), "UINT8": (0, 255)}
_BIAS_TOLERANCE = 1e-4
"""Relative: a bias's scale is a float32 product that converters round in several ways."""


def _scales(
    path: str, tensor: Tensor
) -> tuple[Float32[NDArray[np.float32], " scales"], Int64[NDArray[np.int64], " scales"]]:
    """Scales, all positive, and as many zero points."""
    if tensor.sparse:
        raise FileError(path, "is sparse", field=tensor.label, remedy=INT8_REMEDY)
    stated = tensor.quantisation
    if stated is None or not len(stated.scale):
        raise FileError(path, "has no scale", field=tensor.label, remedy=INT8_REMEDY)
    if len(stated.zero) != len(stated.scale):
        raise FileError(
            path,
            f"has {len(stated.scale)} scales, but {len(stated.zero)} zero points",
            field=tensor.label,
        )
    good = np.isfinite(stated.scale) & (stated.scale > 0)
    if not good.all():
        value = float(stated.scale[int(good.argmin())])
        raise FileError(
            path, f"a scale is {value:g}, but should be positive and finite", field=tensor.label
        )
    return stated.scale, stated.zero


def activation_scale(path: str, tensor: Tensor, kind: str = "INT8") -> tuple[float, int]:
    """Scale and zero point of activations of ``kind``, INT8 or UINT8."""
    if tensor.type != kind:
        raise FileError(
            path,
            f"is {tensor.type}, but should be {kind}",
            field=tensor.label,
            remedy=INT8_REMEDY,
        )
    scale, zero = _scales(path, tensor)
    if len(scale) != 1:
        raise FileError(path, f"has {len(scale)} scales, but should have 1", field=tensor.label)
    low, high = LEVELS[kind]
    if not low <= int(zero[0]) <= high:
        raise FileError(
            path,
            f"its zero point is {zero[0]}, but should be from {low} to {high}",
            field=tensor.label,
        )
    return float(scale[0]), int(zero[0])


def weights_of(
    path: str, tensor: Tensor
) -> tuple[Int8[NDArray[np.int8], "channels inputs"], Float32[NDArray[np.float32], " scales"]]:
    """Weights of a FULLY_CONNECTED and their scales, one or one per channel."""
    shape = tensor.shape
    if len(shape) != 2 or not all(1 <= size <= LARGEST_SIZE for size in shape):
        raise FileError(
            path,
            f"has shape {shape}, but weights have 2 dimensions of 1 to {LARGEST_SIZE}",
            field=tensor.label,
        )
    if tensor.data is None:
        raise FileError(path, "has no data, but weights should be constant", field=tensor.label)
    scale, zero = _scales(path, tensor)
    assert tensor.quantisation is not None
    dimension = tensor.quantisation.dimension
    if len(scale) > 1 and (len(scale) != shape[0] or dimension != 0):
        raise FileError(
            path,
            f"has {len(scale)} scales along dimension {dimension}, but should have {shape[0]} "
            "along dimension 0",
            field=tensor.label,
        )
    if zero.any():
        raise FileError(
            path, "has a zero point, but int8 weights should have 0", field=tensor.label
        )
    return np.frombuffer(tensor.data, np.int8).reshape(shape), scale


def bias_of(
    path: str,
    tensor: Tensor,
    unit: Float64[NDArray[np.float64], " scales"],
    channels: int,
) -> Int64[NDArray[np.int64], " channels"]:
    """The bias of a layer whose sums have the ``unit``, input scale times weight scale(s)."""
    if tensor.type != "INT32":
        raise FileError(path, f"is {tensor.type}, but a bias should be INT32", field=tensor.label)
    if tensor.data is None:
        raise FileError(path, "has no data, but a bias should be constant", field=tensor.label)
    if tensor.size != channels:
        raise FileError(
            path, f"has {tensor.size} values for {channels} channels", field=tensor.label
        )
    scale, zero = _scales(path, tensor)
    if zero.any():
        raise FileError(path, "has a zero point, but should have 0", field=tensor.label)
    if len(scale) not in (1, len(unit)):
        raise FileError(
            path, f"has {len(scale)} scales, but the weights have {len(unit)}", field=tensor.label
        )
    wrong = np.abs(scale.astype(np.float64) - unit) > _BIAS_TOLERANCE * unit
    if wrong.any():
        c = int(wrong.argmax())
        raise FileError(
            path,
            f"its scale is {np.broadcast_to(scale, unit.shape)[c]:g}, but input scale * weight "
            f"scale is {unit[c]:g}",
            field=tensor.label,
        )
    return np.frombuffer(tensor.data, "<i4").astype(np.int64)
