"""Int8 networks for tests: random by seed, drawn with the extremes, and smallest examples."""

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ohmbench.digital import Int8Network, LayerScales

INT32 = (-(2**31), 2**31 - 1)
M_VALUES = (0, 1, 2, 255, 256, 32767, 32768, 65534, 65535)


def zeros(inputs=64, hidden=100, classes=10, *, M=1, S=0, scales=None, **values):
    """A network of zeros but for ``w0``, ``b0``, ``w1``, ``b1``: dicts of index -> value."""
    arrays = {
        "w0": np.zeros((hidden, inputs), np.int8),
        "b0": np.zeros(hidden, np.int32),
        "w1": np.zeros((classes, hidden), np.int8),
        "b1": np.zeros(classes, np.int32),
    }
    for name, entries in values.items():
        for index, value in entries.items():
            arrays[name][index] = value
    return Int8Network((arrays["w0"], arrays["w1"]), (arrays["b0"], arrays["b1"]), M, S, scales)


def random_int8(seed, sizes=(64, 100, 10), *, M=None, S=24, bias=20000, images=10):
    """A network and images, ``M`` such that its hidden values spread over 0 to 255 and beyond."""
    rng = np.random.default_rng(seed)
    inputs, hidden, classes = sizes
    weight = (
        rng.integers(-128, 128, (hidden, inputs)).astype(np.int8),
        rng.integers(-128, 128, (classes, hidden)).astype(np.int8),
    )
    biases = tuple(rng.integers(-bias, bias + 1, n).astype(np.int32) for n in (hidden, classes))
    x = rng.integers(0, 256, (images, inputs)).astype(np.uint8)
    if M is None:
        sums = x.astype(np.int64) @ weight[0].T.astype(np.int64) + biases[0]
        M = int(np.clip(round(2**S * 200 / max(1, sums.max())), 1, 65535))
    return Int8Network(weight, biases, M, S), x


def random_scaled(seed, sizes=(16, 12, 4), images=20):
    """As ``random_int8``, with scales that ``M`` follows from."""
    bare, x = random_int8(seed, sizes, images=images)
    rng = np.random.default_rng((seed, 1))
    in_scale, w0, w1 = (float(np.float32(s)) for s in rng.uniform(0.002, 0.02, 3))
    out = float(np.float32(in_scale * w0 * 2**24 / bare.M))
    scales = (
        LayerScales(w0, float(np.float32(in_scale * w0)), in_scale, out),
        LayerScales(w1, float(np.float32(out * w1)), out),
    )
    return Int8Network.from_scales(bare.weight, bare.bias, scales), x


def _with_extremes(low, high, dtype):
    values = st.one_of(st.sampled_from((low, low + 1, 0, high - 1, high)), st.integers(low, high))
    return values.map(lambda v: int(np.array(v, dtype)))


@st.composite
def int8_networks(draw, largest=6):
    """Networks of at most ``largest`` neurons a layer with up to 4 images, extremes preferred."""
    inputs, hidden, classes = (draw(st.integers(1, largest)) for _ in range(3))

    def array(dtype, shape):
        info = np.iinfo(dtype)
        return draw(hnp.arrays(dtype, shape, elements=_with_extremes(info.min, info.max, dtype)))

    network = Int8Network(
        (array(np.int8, (hidden, inputs)), array(np.int8, (classes, hidden))),
        (array(np.int32, hidden), array(np.int32, classes)),
        draw(st.one_of(st.sampled_from(M_VALUES), st.integers(0, 65535))),
        draw(st.integers(0, 31)),
    )
    return network, array(np.uint8, (draw(st.integers(1, 4)), inputs))


def steered(seed, count=40):
    """Networks of one hidden neuron whose ``r * M`` lies on, just under or just over a boundary.

    Boundaries: multiples of 2**S, the last value before clamping, the first clamped one.
    """
    rng = np.random.default_rng(seed)
    for _ in range(count):
        S, M = int(rng.integers(0, 32)), int(rng.integers(1, 65536))
        step = int(rng.choice([1, 2, 127, 128, 254, 255, 256, int(rng.integers(1, 300))]))
        # The r whose product is at the boundary or just beyond, and its neighbours.
        for r in {-(-(step << S) // M) + d for d in (-1, 0, 1)}:
            if 0 <= r <= INT32[1]:
                yield zeros(1, 1, 2, M=M, S=S, b0={0: r}, w1={(1, 0): 1}), r
