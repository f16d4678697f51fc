"""What judges the hardware's outputs: every value of every image, and a message that says which."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ohmbench.digital import Inference, Int8Network, infer
from ohmbench.eda.simulation import RtlInference, Simulation

from ..unit.asserts import assert_same_integers

VALUES = ("hidden", "logits", "classes", "values")


def assert_exact(golden: Inference, found: RtlInference, where: str) -> None:
    """All hidden bytes, logits, classes and values of all images are the golden model's."""
    assert_same_integers(found, golden, where, VALUES)
    assert not found.padding.any(), f"a hidden byte that belongs to no neuron is not 0 [{where}]"


def assert_bit_exact(
    simulation: Simulation,
    network: Int8Network,
    images: NDArray[np.uint8],
    where: str,
    **gaps: int,
) -> RtlInference:
    """Load ``network``, run ``images``, compare everything; the hardware's answer."""
    simulation.load(network)
    found = simulation.infer(images, **gaps)
    assert len(found.classes) == len(images) > 0
    assert_exact(infer(network, images), found, where)
    return found
