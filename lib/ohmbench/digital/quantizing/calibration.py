"""Quantisation of a trained float MLP by calibration data, without further training.

The scale of a hidden layer comes from the outputs of the float model on these data: from the
largest, or from a percentile of them if the largest are rare. Larger ones are clamped. Inputs have
8 bits, unsigned if no calibration value is negative, and their scale comes from the largest
magnitude. The formulas are in ``scales``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ohmbench.digital.integer.network import InputFormat, IntegerNetwork
from ohmbench.digital.quantizing.float_models import FloatMLP
from ohmbench.digital.quantizing.scales import Per, as_scale, check_bits, integer_layer
from ohmbench.errors import NonFiniteError, RangeError, ShapeError

MAX_SAMPLES = 10_000
"""Calibration samples: of more, so many are drawn."""


@dataclass(frozen=True)
class Formats:
    """Bits of weights (2 to 8) and activations (1 to 8), one weight scale per tensor or channel,
    and the percentile of a layer's outputs (above 0, at most 100) that becomes its largest integer;
    100 is the maximum. Raises RangeError.
    """

    weight_bits: int = 8
    activation_bits: int = 8
    per: Per = "tensor"
    percentile: float = 100.0

    def __post_init__(self) -> None:
        check_bits(self.weight_bits, self.activation_bits)
        if self.per not in ("tensor", "channel"):
            raise RangeError(f"per is {self.per!r}, but should be 'tensor' or 'channel'")
        if not 0 < self.percentile <= 100:
            raise RangeError(
                f"percentile is {self.percentile:g}, but should be above 0 and at most 100"
            )


def calibration_samples(x: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    """``x`` (n, inputs), or ``MAX_SAMPLES`` rows of it that ``seed`` draws, in their order."""
    if len(x) <= MAX_SAMPLES:
        return x
    chosen = np.random.default_rng(seed).choice(len(x), MAX_SAMPLES, replace=False)
    return x[np.sort(chosen)]


def input_format(x: NDArray[np.float64]) -> InputFormat:
    """8 bits for values like ``x``: uint8 with the scale max / 255 if none is negative, else int8
    with the scale max|x| / 127. The zero point is 0.

    Raises RangeError if all are 0, or too small or too large for float32.
    """
    low, high = float(x.min()), float(x.max())
    if low >= 0:
        return InputFormat(0, 255, as_scale(high / 255, "the inputs' scale"))
    return InputFormat(-128, 127, as_scale(max(-low, high) / 127, "the inputs' scale"))


def output_scales(
    model: FloatMLP, x: NDArray[np.float64], formats: Formats = Formats()
) -> list[float]:
    """The scale of every hidden layer's outputs, from those of ``model`` on ``x`` (n, inputs).

    Raises RangeError for a layer whose outputs are all 0 there.
    """
    found = []
    for name, h in zip(model.names, model.outputs(x)[:-1], strict=False):
        largest = float(h.max())
        if formats.percentile < 100 and math.isfinite(largest):
            largest = float(np.percentile(h, formats.percentile))
        if largest == 0:
            which = "all outputs are" if not h.any() else f"percentile {formats.percentile:g} is"
            raise RangeError(f"{name}: {which} 0 on the calibration data, so there is no scale")
        found.append(as_scale(largest / (2**formats.activation_bits - 1), f"{name}: its scale"))
    return found


def check_features(model: FloatMLP, x: NDArray[Any]) -> None:
    """Raise ShapeError unless ``x`` is (n, inputs) with n >= 1, NonFiniteError for NaN."""
    if x.ndim != 2 or x.shape[1] != model.sizes[0] or len(x) == 0:
        raise ShapeError(
            f"features have shape {x.shape}, but the model reads (n, {model.sizes[0]}), n >= 1"
        )
    if not np.isfinite(x).all():
        raise NonFiniteError("features hold NaN or infinity")


def integer_network(
    model: FloatMLP, read: InputFormat, scales: list[float], formats: Formats
) -> IntegerNetwork:
    """``model`` in integers, with ``scales`` of the hidden layers' outputs.

    Raises RangeError, naming the layer, for numbers that do not fit.
    """
    layers = []
    in_scale = read.scale
    parts = zip(model.names, model.weights, model.biases, [*scales, None], strict=True)
    for name, weight, bias, out_scale in parts:
        try:
            layer = integer_layer(
                weight,
                bias,
                in_scale,
                out_scale,
                weight_bits=formats.weight_bits,
                activation_bits=formats.activation_bits,
                per=formats.per,
            )
        except RangeError as error:
            raise RangeError(f"{name}: {error}") from None
        layers.append(layer)
        in_scale = out_scale if out_scale is not None else in_scale
    return IntegerNetwork(read, tuple(layers))


def quantize(
    model: FloatMLP, x: NDArray[Any], formats: Formats = Formats(), read: InputFormat | None = None
) -> IntegerNetwork:
    """``model`` in integers, calibrated on the features ``x`` (n, inputs).

    ``read`` is the format of the inputs (default: ``input_format(x)``). Raises ShapeError or
    NonFiniteError for ``x``, and RangeError, naming the layer, where no scale can be found.
    """
    x = np.asarray(x, np.float64)
    check_features(model, x)
    read = input_format(x) if read is None else read
    return integer_network(model, read, output_scales(model, x, formats), formats)
