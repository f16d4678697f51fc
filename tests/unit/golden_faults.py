"""Golden models with one fault each, written from the formulas and not from the library's code."""

import numpy as np

from ohmbench.digital import Inference


def wrapped(x, bits):
    """The value that a signed register of ``bits`` keeps, by remainders."""
    return (x + 2 ** (bits - 1)) % 2**bits - 2 ** (bits - 1)


def signed_bytes(x):
    """Bytes read as if they had a sign."""
    return np.where(x > 127, x - 256, x)


STAGES = {
    "pixels": lambda x: x,
    "weight0": lambda w: w,
    "bias0": lambda b: b,
    "acc0": lambda a, b: a + b,
    "r": lambda a, b: np.where(a > 0, a, 0),
    "M": lambda M, S: M,
    "S": lambda M, S: S,
    "product": lambda r, M: r * M,
    "shift": lambda p, S: p >> S,
    "clamp": lambda s: np.where(s > 255, 255, s),
    "seen": lambda h: h,
    "weight1": lambda w: w,
    "logits": lambda a, b: a + b,
    "class": lambda z: np.array([row.tolist().index(max(row)) for row in z]),
    "value": lambda z, c: z[np.arange(len(z)), c],
}


def build(**changes):
    """A model of the formulas with some stages exchanged; none: the formulas themselves."""
    stage = STAGES | changes

    def infer(network, images):
        w0, w1 = (w.astype(np.int64) for w in network.weight)
        b0, b1 = (b.astype(np.int64) for b in network.bias)
        x = stage["pixels"](images.astype(np.int64))
        acc0 = stage["acc0"](np.einsum("hi,ni->nh", stage["weight0"](w0), x), stage["bias0"](b0))
        r = stage["r"](acc0, b0)
        M, S = stage["M"](network.M, network.S), stage["S"](network.M, network.S)
        product = stage["product"](r, M)
        hidden = (stage["clamp"](stage["shift"](product, S)) % 256).astype(np.uint8)
        seen = stage["seen"](hidden.astype(np.int64))
        logits = stage["logits"](np.einsum("ch,nh->nc", stage["weight1"](w1), seen), b1)
        classes = stage["class"](logits).astype(np.int64)
        values = stage["value"](logits, classes)
        return Inference(acc0, r, product, hidden, logits, classes, values)

    return infer


def without_last(x):
    kept = x.copy()
    kept[:, -1] = 0
    return kept


def stale(z, c):
    values = z[np.arange(len(z)), c]
    if z.shape[1] == 1:
        return values
    return np.where(c == z.shape[1] - 1, z[:, :-1].max(axis=1), values)


FAULTS = {
    "rounds-half-up": {"shift": lambda p, S: (p + ((1 << S) >> 1)) >> S},
    "rounds-up": {"shift": lambda p, S: -(-p >> S)},
    "clamps-at-254": {"clamp": lambda s: np.where(s > 254, 254, s)},
    "clamps-at-256": {"clamp": lambda s: np.where(s > 256, 256, s)},
    "never-clamps": {"clamp": lambda s: s},
    "no-relu": {"r": lambda a, b: a},
    "relu-is-abs": {"r": lambda a, b: np.abs(a)},
    "bias-after-relu": {
        "acc0": lambda a, b: a,
        "r": lambda a, b: np.where(a > 0, a, 0) + b,
    },
    "no-bias-0": {"bias0": lambda b: 0 * b},
    "bias-0-as-16-bits": {"bias0": lambda b: wrapped(b, 16)},
    "sum-0-wraps-at-32": {"acc0": lambda a, b: wrapped(a + b, 32)},
    "product-wraps-at-32": {"product": lambda r, M: wrapped(r * M, 32)},
    "product-wraps-at-40": {"product": lambda r, M: wrapped(r * M, 40)},
    "product-wraps-at-48": {"product": lambda r, M: wrapped(r * M, 48)},
    "M-plus-1": {"M": lambda M, S: M + 1},
    "M-minus-1": {"M": lambda M, S: M - 1},
    "M-as-15-bits": {"M": lambda M, S: M & 0x7FFF},
    "S-plus-1": {"S": lambda M, S: S + 1},
    "S-minus-1": {"S": lambda M, S: max(S - 1, 0)},
    "S-as-4-bits": {"S": lambda M, S: S & 15},
    "M-and-S-swapped": {"M": lambda M, S: S, "S": lambda M, S: M & 31},
    "drops-last-input": {"pixels": without_last},
    "pixels-signed": {"pixels": signed_bytes},
    "inputs-rotated": {"pixels": lambda x: np.roll(x, 1, axis=1)},
    "hidden-signed": {"seen": signed_bytes},
    "drops-last-hidden": {"seen": without_last},
    "weight-0-unsigned": {"weight0": lambda w: w % 256},
    "weight-0-stops-at-minus-127": {"weight0": lambda w: np.maximum(w, -127)},
    "weight-1-stops-at-minus-127": {"weight1": lambda w: np.maximum(w, -127)},
    "no-bias-1": {"logits": lambda a, b: a},
    "logits-wrap-at-16": {"logits": lambda a, b: wrapped(a + b, 16)},
    "logits-wrap-at-32": {"logits": lambda a, b: wrapped(a + b, 32)},
    "relu-on-logits": {"logits": lambda a, b: np.maximum(a + b, 0)},
    "last-of-equals": {
        "class": lambda z: z.shape[1] - 1 - np.array([r.argmax() for r in z[:, ::-1]])
    },
    "smallest-wins": {"class": lambda z: np.array([row.argmin() for row in z])},
    "largest-magnitude-wins": {"class": lambda z: np.array([np.abs(r).argmax() for r in z])},
    "last-class-never-wins": {
        "class": lambda z: np.array([r[: max(1, len(r) - 1)].argmax() for r in z])
    },
    "value-stale-for-last-class": {"value": stale},
    "value-is-the-class": {"value": lambda z, c: c},
}
