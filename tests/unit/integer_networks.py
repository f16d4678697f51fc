"""Integer networks of N layers for tests, random by seed."""

from itertools import pairwise

import numpy as np

from ohmbench.digital.integer import (
    Affine,
    InputFormat,
    IntegerNetwork,
    Layer,
    Meaning,
    Thresholds,
)
from ohmbench.digital.integer.network import acc_range, weight_range

INPUTS = ((0, 255), (-128, 127), (0, 1), (-1, 1), (-32768, 32767), (3, 17))
LEVELS = ((0, 255), (-128, 127), (-127, 127), (0, 1), (-1, 1), (0, 63), (-3, 4))


def random_weight(rng, channels, inputs, bits):
    """Weights of ``bits`` bits, int8 (channels, inputs), their extremes among them."""
    low, high = weight_range(bits)
    if bits == 1:
        return rng.choice(np.array([-1, 1], np.int8), (channels, inputs))
    weight = rng.integers(low, high + 1, (channels, inputs))
    weight[rng.random(weight.shape) < 0.1] = rng.choice([low, high])
    return weight.astype(np.int8)


def random_affine(rng, low, high, lo, hi):
    """A step whose values spread over ``lo`` to ``hi`` and beyond, some of them falling."""
    channels = len(low)
    S = int(rng.integers(0, 31))
    span = np.maximum(high - low, 1)
    slope = rng.uniform(0.5, 3, channels) * (hi - lo + 1) / span * 2.0**S
    M = np.maximum(np.rint(slope), 1).astype(np.int64) * rng.choice([-1, 1, 1, 1], channels)
    Z = int(rng.integers(-9, 10))
    middle = (low + high) // 2
    R = -middle * M + ((lo + hi) // 2 - Z) * 2**S + rng.integers(-(2**S), 2**S + 1, channels)
    return Affine(M, R, S, Z, lo, hi)


def random_thresholds(rng, low, high, lo, hi):
    """A table with thresholds inside the sums' range, at its ends and beyond, some equal."""
    width = np.maximum(high - low, 1)[:, None]
    table = low[:, None] + np.rint(rng.uniform(-0.1, 1.1, (len(low), hi - lo)) * width)
    sign = rng.choice(np.array([-1, 1], np.int8), len(low))
    return Thresholds(np.sort(table.astype(np.int64) * sign[:, None], axis=1), sign, lo)


def random_integer(seed, sizes=None, *, bits=None, kind=None, last=None, read=None):
    """A random ``IntegerNetwork``; ``kind`` "affine" or "thresholds" for all layers but the last,
    ``last`` "sums" or "clamped". What is not given is drawn.
    """
    rng = np.random.default_rng((seed, 16))
    if sizes is None:
        sizes = tuple(int(n) for n in rng.integers(1, 20, int(rng.integers(2, 7))))
    lo, hi = INPUTS[int(rng.integers(len(INPUTS)))] if read is None else read
    source = InputFormat(lo, hi, float(rng.uniform(0.01, 1)), int(rng.integers(lo, hi + 1)))
    layers = []
    for k, (inputs, channels) in enumerate(pairwise(sizes)):
        width = int(rng.integers(1, 9)) if bits is None else bits
        weight = random_weight(rng, channels, inputs, width)
        low, high = acc_range(weight, lo, hi)
        final = k + 2 == len(sizes)
        if final and (last or rng.choice(["sums", "clamped"])) == "sums":
            step = Affine.sums(rng.integers(-1000, 1001, channels))
        else:
            lo, hi = LEVELS[int(rng.integers(len(LEVELS)))]
            chosen = kind or rng.choice(["affine", "affine", "thresholds"])
            make = random_affine if chosen == "affine" else random_thresholds
            step = make(rng, low, high, lo, hi)
        meaning = Meaning.of(float(rng.uniform(0.01, 1)), int(rng.integers(-3, 4)))
        layers.append(Layer(weight, step, width, meaning if rng.random() < 0.7 else None))
    return IntegerNetwork(source, tuple(layers))


def random_inputs(network, n, seed=0):
    """Integers (n, inputs) of the network's format; the first rows are its extremes."""
    rng = np.random.default_rng((seed, 17))
    lo, hi = network.input.lo, network.input.hi
    x = rng.integers(lo, hi + 1, (n, network.inputs))
    x[0] = lo
    if n > 1:
        x[1] = hi
    return x
