"""Networks and images that reveal faults: random ones, and ones steered to every boundary.

Most faults are hidden by the argmax and by saturation: a random network gives hidden values of 0
and 255 and little else. ``steered`` instead solves for biases such that each hidden neuron's
product is beside a boundary of the requantisation for one image, and that the largest logits tie.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ohmbench.digital import Int8Network

INT32 = np.iinfo(np.int32)
EXTREME_M = (0, 1, 2, 32767, 32768, 65535)


def random_network(rng: np.random.Generator, sizes: tuple[int, int, int]) -> Int8Network:
    """Every integer uniform over its format, M and S included; biases within a random spread."""
    inputs, hidden, classes = sizes
    spread = int(rng.choice([1000, 100_000, 2**31 - 1]))
    return Int8Network(
        (_int8(rng, (hidden, inputs)), _int8(rng, (classes, hidden))),
        (_int32(rng, hidden, spread), _int32(rng, classes, spread)),
        int(rng.integers(0, 2**16)),
        int(rng.integers(0, 32)),
    )


def _int8(rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.int8]:
    return rng.integers(-128, 128, shape, dtype=np.int8)


def _int32(rng: np.random.Generator, n: int, spread: int) -> NDArray[np.int32]:
    return rng.integers(-spread - 1, spread, n, endpoint=True).astype(np.int32)


def random_images(rng: np.random.Generator, n: int, inputs: int) -> NDArray[np.uint8]:
    """Uint8 (n, inputs): uniform images, sparse images, and sometimes all 0 or all 255."""
    images = rng.integers(0, 256, (n, inputs), dtype=np.uint8)
    kind = rng.integers(0, 8, n)
    images[kind == 0] = 0
    images[kind == 1] = 255
    images[kind == 2] *= (rng.random((int((kind == 2).sum()), inputs)) < 0.1).astype(np.uint8)
    return images


def steered(
    rng: np.random.Generator, sizes: tuple[int, int, int], n: int
) -> tuple[Int8Network, NDArray[np.uint8]]:
    """A network and ``n`` images, of which the first hits the network's boundaries exactly.

    For each hidden neuron ``r`` is set to one below, exactly at, or one above the least r with
    ``(r * M) >> S`` = k, where k is from 1 to 256 (256 saturates) or half-way between two of these
    (where rounding would differ from truncation); or to -1, 0 or 1, where the ReLU begins. Two
    classes share weights and bias, so that the maximum is a tie.
    """
    inputs, hidden, classes = sizes
    w0, w1 = _int8(rng, (hidden, inputs)), _int8(rng, (classes, hidden))
    S = int(rng.integers(0, 32))
    # A step per r so small that neighbouring r are on different sides of a boundary, unless M is
    # extreme.
    M = int(rng.choice(EXTREME_M)) if rng.random() < 0.2 else int(rng.integers(1, 2**16))
    images = random_images(rng, n, inputs)
    images[0] = rng.integers(0, 256, inputs, dtype=np.uint8)
    dot = w0.astype(np.int64) @ images[0].astype(np.int64)
    b0 = np.zeros(hidden, np.int64)
    for j in range(hidden):
        # Odd values are half-way. A quarter is at 256, where saturation begins.
        twice_k = 512 if rng.random() < 0.25 else int(rng.integers(1, 512))
        if M and rng.random() < 0.9:
            r = -(-(twice_k << S) // (2 * M)) + int(rng.integers(-1, 2))
        else:
            r = int(rng.integers(-1, 2))
        b0[j] = r - dot[j]
    b1 = rng.integers(-1000, 1000, classes)
    if classes > 1:
        a, b = rng.choice(classes, 2, replace=False)
        w1[b], b1[b] = w1[a], b1[a]
        b1[[a, b]] += 2**20  # above all others, so the tie decides
    if rng.random() < 0.2:
        b1[int(rng.integers(classes))] = rng.choice([INT32.min, INT32.max])
    network = Int8Network(
        (w0, w1),
        (np.clip(b0, INT32.min, INT32.max).astype(np.int32), b1.astype(np.int32)),
        M,
        S,
    )
    return network, images


def corners(sizes: tuple[int, int, int]) -> list[tuple[str, Int8Network, NDArray[np.uint8]]]:
    """Named extremes: all weights at one end, biases at both ends of int32, M and S at theirs."""
    inputs, hidden, classes = sizes
    images = np.stack([np.full(inputs, v, np.uint8) for v in (0, 1, 128, 255)])
    found = []

    def add(name: str, w0: int, w1: int, b0: int, b1: int, M: int, S: int) -> None:
        network = Int8Network(
            (np.full((hidden, inputs), w0, np.int8), np.full((classes, hidden), w1, np.int8)),
            (np.full(hidden, b0, np.int32), np.full(classes, b1, np.int32)),
            M,
            S,
        )
        found.append((name, network, images))

    for weight in (-128, -1, 127):
        for bias in (INT32.min, INT32.max):
            add(f"w={weight} b={bias}", weight, weight, bias, bias, 65535, 24)
            add(f"w0={weight} w1={~weight} b={bias}", weight, ~weight, bias, ~bias, 65535, 31)
    for M in (0, 1, 65535):
        for S in range(32):
            add(f"M={M} S={S}", 127, -128, 1 << 20, 5, M, S)
            add(f"M={M} S={S} r=max", 127, 127, INT32.max, -5, M, S)
    return found
