"""Integer networks that are the paper's two-layer network, which the hardware computes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ohmbench.digital.golden import ACTIVATION_MAX
from ohmbench.digital.integer.network import Affine, IntegerNetwork, Layer
from ohmbench.digital.network import Int8Network
from ohmbench.errors import OperandError, RangeError


def to_int8(network: IntegerNetwork) -> Int8Network:
    """The two-layer network with the same values and classes: the inverse of ``from_int8``.

    Its scales are not kept. Raises RangeError with the reason if there is none.
    """
    first, last = _layers(network)
    M = int(first.M[0])
    bias = np.zeros_like(first.R) if M == 0 else first.R // M
    if not np.array_equal(bias * M, first.R):
        raise RangeError("R of layer 0 is not a multiple of M, as a bias is")
    try:
        return Int8Network(
            (network.layers[0].weight, network.layers[1].weight),
            (_bias(0, bias), _bias(1, last.R)),
            M,
            first.S,
        )
    except OperandError as error:
        raise RangeError(str(error)) from None


def _bias(layer: int, bias: NDArray[np.int64]) -> NDArray[np.int32]:
    narrow = bias.astype(np.int32)
    if not np.array_equal(narrow, bias):
        raise RangeError(f"a bias of layer {layer} does not fit 32 bits")
    return narrow


def _layers(network: IntegerNetwork) -> tuple[Affine, Affine]:
    """The steps of both layers, if they are of the forms that the hardware has."""
    if len(network.layers) != 2:
        raise RangeError(f"it has {len(network.layers)} layers, but the hardware computes 2")
    if (network.input.lo, network.input.hi) != (0, ACTIVATION_MAX):
        raise RangeError(
            f"its inputs run from {network.input.lo} to {network.input.hi}, but those of the "
            f"hardware from 0 to {ACTIVATION_MAX}"
        )
    first, last = (_affine(k, layer) for k, layer in enumerate(network.layers))
    if len(np.unique(first.M)) > 1:
        raise RangeError("layer 0 has one multiplier per channel, but the hardware has one")
    if (first.Z, first.lo, first.hi) != (0, 0, ACTIVATION_MAX):
        raise RangeError(
            f"values of layer 0 have the zero point {first.Z} and run from {first.lo} to "
            f"{first.hi}, but those of the hardware have 0 and run to {ACTIVATION_MAX}"
        )
    if not (last.M == 1).all() or (last.S, last.Z, last.lo) != (0, 0, None):
        raise RangeError("layer 1 requantises its sums, which the hardware does not")
    meaning = network.layers[1].meaning
    if meaning is not None and not (meaning.shared and meaning.scale[0] > 0):
        raise RangeError("outputs have different scales, but the hardware compares their integers")
    return first, last


def _affine(k: int, layer: Layer) -> Affine:
    if not isinstance(layer.step, Affine):
        raise RangeError(f"layer {k} has a table of thresholds, but the hardware has none")
    return layer.step
