"""One FULLY_CONNECTED operator of a TFLite file as a layer of a ``Source``."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64
from numpy.typing import NDArray

from ohmbench.digital.importing.source import SourceLayer
from ohmbench.digital.importing.tflite_arithmetic import (
    Rounding,
    activation_range,
    requantisation,
)
from ohmbench.digital.importing.tflite_file import FullyConnectedOptions, Operator, Tensor
from ohmbench.digital.importing.tflite_tensors import (
    INT8_REMEDY,
    activation_scale,
    bias_of,
    weights_of,
)
from ohmbench.digital.integer.network import MAX_BITS, Meaning, acc_range
from ohmbench.errors import FileError, RangeError

_ROWS = 2**18
"""Weights whose sums are bounded at a time: the bounds need many bytes per weight."""
_OTHER_KINDS = {
    ("FLOAT32", "FLOAT32"): "is not quantised",
    ("FLOAT32", "INT8"): "quantises its inputs as it runs (dynamic range)",
    ("FLOAT32", "UINT8"): "quantises its inputs as it runs (dynamic range)",
    ("UINT8", "UINT8"): "uses the older uint8 quantisation",
    ("INT16", "INT8"): "has int16 activations",
}
"""By the types of the inputs and of the weights."""


@dataclass(frozen=True)
class Values:
    """The integers that a layer takes: their scale, zero point, and range."""

    scale: float
    zero: int
    lo: int
    hi: int


@dataclass(frozen=True)
class LayerTensors:
    """The tensors of a FULLY_CONNECTED operator."""

    taken: Tensor
    weights: Tensor
    bias: Tensor | None
    result: Tensor


def check_kind(path: str, operator: Operator, tensors: LayerTensors) -> None:
    """Raise FileError, naming the kind of quantisation, for any but int8 in full."""
    kinds = (tensors.taken.type, tensors.weights.type)
    if kinds != ("INT8", "INT8"):
        reason = _OTHER_KINDS.get(kinds, f"takes {kinds[0]} and weights of {kinds[1]}")
        raise FileError(path, reason, field=operator.label, remedy=INT8_REMEDY)


def read_layer(
    path: str, rounding: Rounding, operator: Operator, tensors: LayerTensors, takes: Values
) -> SourceLayer:
    """The layer of ``operator``, whose inputs are the integers ``takes``.

    Raises FileError naming the operator or tensor and the reason: tensors that do not fit each
    other, options that the importer does not read, numbers that the runtime's registers do not
    hold.
    """
    check_kind(path, operator, tensors)
    result = tensors.result
    out_scale, out_zero = activation_scale(path, result)
    weight, weight_scale = weights_of(path, tensors.weights)
    options = operator.options or FullyConnectedOptions()
    if options.weights_format != 0:
        raise FileError(path, "has weights in shuffled order", field=operator.label)
    _check_sizes(path, operator, tensors, weight)
    bias = -takes.zero * weight.sum(axis=1, dtype=np.int64)
    if tensors.bias is not None:
        unit = np.float64(takes.scale) * weight_scale.astype(np.float64)
        bias += bias_of(path, tensors.bias, unit, len(weight))
    ends = _ends(path, rounding, operator, out_scale, out_zero)
    scales = (takes.scale, weight_scale, out_scale)
    reach = _reach(weight, bias, takes)
    try:
        step = requantisation(rounding, scales, bias, out_zero, ends, reach)
    except RangeError as error:
        raise FileError(path, str(error), field=operator.label) from None
    return SourceLayer(
        name=operator.label,
        tensor=result.name,
        weight=weight,
        bits=MAX_BITS,
        step=step,
        lo=step.lo,
        hi=step.hi,
        meaning=Meaning.of(out_scale, out_zero),
        bias=bias,
    )


def _check_sizes(
    path: str, operator: Operator, tensors: LayerTensors, weight: NDArray[np.int8]
) -> None:
    channels, inputs = weight.shape
    ends = (("input", tensors.taken, inputs), ("output", tensors.result, channels))
    for what, tensor, size in ends:
        if tensor.size != size:
            raise FileError(
                path,
                f"its {what} has {tensor.size} values, but the weights have {size}",
                field=operator.label,
                remedy="convert the network with a batch of 1",
            )


def _ends(
    path: str, rounding: Rounding, operator: Operator, scale: float, zero: int
) -> tuple[int, int]:
    """The smallest and largest output."""
    activation = (operator.options or FullyConnectedOptions()).activation
    try:
        lo, hi = activation_range(rounding, activation, scale, zero)
    except KeyError:
        raise FileError(
            path, f"its activation {activation} cannot be read", field=operator.label
        ) from None
    if lo >= hi:
        raise FileError(
            path,
            f"its activation {activation} leaves the single value {lo}",
            field=operator.label,
            remedy="check the scale and zero point of its output",
        )
    return lo, hi


def _reach(
    weight: NDArray[np.int8], bias: NDArray[np.int64], takes: Values
) -> Int64[NDArray[np.int64], " channels"]:
    """The largest ``|weight @ x + bias|`` per channel over all inputs."""
    rows = max(1, _ROWS // weight.shape[1])
    parts = [
        acc_range(weight[k : k + rows], takes.lo, takes.hi) for k in range(0, len(weight), rows)
    ]
    low, high = (np.concatenate(part) + bias for part in zip(*parts, strict=True))
    found: NDArray[np.int64] = np.maximum(np.abs(low), np.abs(high))
    return found
