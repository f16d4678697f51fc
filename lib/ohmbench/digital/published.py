"""The faulty arithmetic of the paper's published accelerator, used only to explain its figures.

Its faults, each of which can be switched off:

- the requantisation product is 32 bits, signed: from 2**31 on it wraps, mostly to a negative
  number, and the hidden value becomes 0 or another wrong value;
- the sums of both layers are 32 bits, signed, and wrap as well;
- layer 1 leaves out the last hidden neuron;
- the value reported with the class is stale if the last class wins: it is the largest of the other
  logits.

Source: FANN (digital half), the published RTL and its 32-bit reference. No other part of ohmbench
computes like this; ``golden`` is the specification.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64, UInt8
from numpy.typing import NDArray

from ohmbench.digital.golden import ACTIVATION_MAX, Inference, check_images
from ohmbench.digital.network import Int8Network


@dataclass(frozen=True)
class Faults:
    """The published faults of an emulation; widths are in bits, of signed registers."""

    product_bits: int = 32
    sum_bits: int = 32
    drops_last_hidden: bool = True
    stale_last_value: bool = True


PUBLISHED_RTL = Faults()
PUBLISHED_REFERENCE = Faults(drops_last_hidden=False, stale_last_value=False)
"""The faults of the 32-bit reference in the published testbench."""


def wrap(x: Int64[NDArray[np.int64], "*shape"], bits: int) -> Int64[NDArray[np.int64], "*shape"]:
    """``x`` wrapped to a signed register of ``bits`` bits, 1 to 63 (two's complement)."""
    half = np.int64(1) << np.int64(bits - 1)
    mask = np.int64((1 << bits) - 1)
    kept: NDArray[np.int64] = ((x + half) & mask) - half
    return kept


def infer_published(
    network: Int8Network,
    images: UInt8[NDArray[np.uint8], "n inputs"],
    faults: Faults = PUBLISHED_RTL,
) -> Inference:
    """``golden.infer`` with ``faults``: uint8 (n, inputs); ``product`` is the register's value.

    Raises DtypeError or ShapeError.
    """
    check_images(network, images)
    (w0, w1), (b0, b1) = network.weight, network.bias
    acc0 = wrap(images.astype(np.int64) @ w0.T.astype(np.int64) + b0, faults.sum_bits)
    r = np.maximum(acc0, 0)
    product = wrap(r * network.M, faults.product_bits)
    hidden = np.clip(product >> network.S, 0, ACTIVATION_MAX).astype(np.uint8)
    seen = hidden.astype(np.int64)
    if faults.drops_last_hidden:
        seen[:, -1] = 0
    logits = wrap(seen @ w1.T.astype(np.int64) + b1, faults.sum_bits)
    classes = logits.argmax(axis=1)
    values = np.take_along_axis(logits, classes[:, None], axis=1)[:, 0]
    last = network.classes - 1
    if faults.stale_last_value and last > 0:
        values = np.where(classes == last, logits[:, :last].max(axis=1), values)
    return Inference(acc0, r, product, hidden, logits, classes, values)
