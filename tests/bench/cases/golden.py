"""The integer golden model of the stored 64-100-10 network, on random images."""

from __future__ import annotations

from functools import partial

import numpy as np

from ohmbench.digital import infer, load_int8
from ohmbench.weights import stored
from tests.bench.cases.case import SEED, Case, Done, Pair

NETWORK = "int8-digits"
IMAGES = 2_000
"""Few enough for the allocator to keep the arrays. With ten times as many, half of the time is
spent in the system on fresh pages, and it differs by a tenth from process to process.
"""

EXACT = 1e-300
"""Integers must be equal."""


def _inference() -> Pair:
    path = stored(NETWORK)
    assert path is not None
    network = load_int8(path).network
    generator = np.random.default_rng(SEED)
    images = generator.integers(0, 256, (IMAGES, network.inputs), dtype=np.uint8)

    def run(path: str) -> Done:
        found = infer(network, images, path=path)
        return Done((found.acc0, found.hidden, found.logits, found.classes, found.values))

    products = sum(w.size for w in network.weight)
    return Pair(partial(run, "plain"), partial(run, "auto"), EXACT, 2 * IMAGES * products)


CASES = [Case("golden-inference", IMAGES, "images", _inference)]
