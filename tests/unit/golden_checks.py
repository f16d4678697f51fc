"""Checks that every implementation of the golden model must pass.

Each takes ``infer(network, images)`` and raises AssertionError. They have different foundations:
worked examples, the model in unbounded Python integers, exact fractions, and symmetries of the
mathematics.
"""

from dataclasses import replace
from fractions import Fraction

import numpy as np

from ohmbench.digital import Inference, Int8Network, infer_plain
from tests.unit.asserts import assert_same_integers
from tests.unit.int8_networks import INT32, random_int8, steered, zeros


def plain(network, images):
    """``infer_plain`` for every image, with the fields and dtypes of ``infer``."""
    return rows_of(infer_plain, network, images)


def rows_of(infer_one, network, images):
    """A one-image model applied to every image, with the fields and dtypes of ``infer``."""
    rows = [infer_one(network, image) for image in images]

    def column(name, dtype=np.int64):
        return np.array([getattr(row, name) for row in rows], dtype)

    return Inference(
        column("acc0"),
        column("r"),
        column("product"),
        column("hidden", np.uint8),
        column("logits"),
        column("class_"),
        column("value"),
    )


# ------------------------------------------------------------------------------------------------
# Worked by hand. The letters are the names of the published design's faults.

BLANK = np.zeros((1, 64), np.uint8)
WHITE = np.full((1, 64), 255, np.uint8)

EXAMPLES = {
    # name: (network, images, quantity, index, value)
    "B1-last-hidden-counts": (
        zeros(b0={99: 1}, w1={(3, 99): 1}), BLANK, "logits", (0, 3), 1,
    ),
    "B2-product-past-31-bits": (
        zeros(M=32768, S=24, b0={0: 65536}), BLANK, "hidden", (0, 0), 128,
    ),
    "B3-value-of-the-last-class": (zeros(b1={9: 7}), BLANK, "values", (0,), 7),
    "B4-sum-past-32-bits": (
        zeros(M=1, S=24, w0={(0, 0): 127}, b0={0: INT32[1]}), WHITE, "acc0", (0, 0),
        INT32[1] + 127 * 255,
    ),
    "B4-logit-past-32-bits": (
        zeros(b0={0: 255}, w1={(2, 0): -128}, b1={2: INT32[0]}), BLANK, "logits", (0, 2),
        INT32[0] - 128 * 255,
    ),
    "truncates": (zeros(M=3, S=2, b0={0: 1}), BLANK, "hidden", (0, 0), 0),
    "truncates-large": (zeros(M=1, S=31, b0={0: INT32[1]}), BLANK, "hidden", (0, 0), 0),
    "clamps-from-256": (zeros(b0={5: 256}), BLANK, "hidden", (0, 5), 255),
    "keeps-255": (zeros(b0={5: 255}), BLANK, "hidden", (0, 5), 255),
    "first-of-equals": (zeros(b1={4: 5, 6: 5}), BLANK, "classes", (0,), 4),
    "all-equal": (zeros(), BLANK, "classes", (0,), 0),
    "all-negative": (zeros(b1=dict.fromkeys(range(10), -3)), BLANK, "values", (0,), -3),
    "negative-sum": (zeros(b0={0: -1}, w1={(0, 0): 1}), BLANK, "logits", (0, 0), 0),
    "pixel-is-unsigned": (zeros(w0={(0, 63): 1}), WHITE, "acc0", (0, 0), 255),
    "hidden-is-unsigned": (
        zeros(b0={7: 200}, w1={(1, 7): 1}), BLANK, "logits", (0, 1), 200,
    ),
    "weight-reaches-minus-128": (zeros(w0={(0, 0): -128}), WHITE, "acc0", (0, 0), -32640),
    "most-bits": (
        zeros(
            M=65535,
            S=31,
            w0={(0, i): 127 for i in range(64)},
            b0={0: INT32[1]},
        ),
        WHITE,
        "product",
        (0, 0),
        (INT32[1] + 64 * 127 * 255) * 65535,
    ),
}  # fmt: skip


def check_worked_examples(infer):
    """Numbers worked out by hand."""
    for name, (network, images, quantity, index, value) in EXAMPLES.items():
        result = infer(network, images)
        assert result.hidden.dtype == np.uint8
        found = int(np.asarray(getattr(result, quantity))[index])
        assert found == value, f"{name}: {quantity}{list(index)} = {found}, but should be {value}"


# ------------------------------------------------------------------------------------------------
# Against other implementations


def check_against_plain(infer):
    """Unbounded Python integers on random networks, both usual and wide ones."""
    for seed, options in (
        (0, {}),
        (1, {"S": 20}),
        (2, {"bias": INT32[1], "M": 65535, "S": 31}),
        (3, {"bias": INT32[1], "M": 12345, "S": 30}),
    ):
        network, images = random_int8(seed, (24, 20, 7), images=12, **options)
        assert_same_integers(infer(network, images), plain(network, images), f"seed {seed}")
    for seed in (10, 11, 12):
        network, images = at_the_ends(seed)
        assert_same_integers(infer(network, images), plain(network, images), f"ends, seed {seed}")
        # Every class occurs twice, so every image is a tie.
        twice = replace(
            network,
            weight=(network.weight[0], np.repeat(network.weight[1], 2, axis=0)),
            bias=(network.bias[0], np.repeat(network.bias[1], 2)),
        )
        assert_same_integers(infer(twice, images), plain(twice, images), f"ties, seed {seed}")


def at_the_ends(seed):
    """A network and images in which every integer is at one end of its format's range."""
    rng = np.random.default_rng(seed)

    def either(ends, shape, dtype):
        return rng.choice(ends, shape).astype(dtype)

    network = Int8Network(
        (either((-128, 127), (20, 24), np.int8), either((-128, 127), (5, 20), np.int8)),
        (either(INT32, 20, np.int32), either(INT32, 5, np.int32)),
        65535,
        31,
    )
    return network, either((0, 255), (12, 24), np.uint8)


def check_against_fractions(infer):
    """h is the integer part of ``r M / 2^S``, at most 255: on and beside boundaries."""
    for network, r in steered(seed=4):
        image = np.zeros((1, 1), np.uint8)
        exact = Fraction(r * network.M, 2**network.S)
        h = int(infer(network, image).hidden[0, 0])
        ok = h <= exact < h + 1 if exact < 256 else h == 255
        assert ok, f"r = {r}, M = {network.M}, S = {network.S}: hidden is {h}, r M / 2^S {exact}"


def check_real_relations(infer):
    """Sums against float64 matrix products, and each step against the one before it."""
    for seed in (5, 6):
        network, images = random_int8(seed, (31, 17, 5), images=25)
        found = infer(network, images)
        dtypes = {name: array.dtype.name for name, array in vars(found).items()}
        assert dtypes.pop("hidden") == "uint8"
        assert set(dtypes.values()) == {"int64"}
        w0, w1 = (w.astype(np.float64) for w in network.weight)
        b0, b1 = (b.astype(np.float64) for b in network.bias)
        np.testing.assert_array_equal(found.acc0, images.astype(np.float64) @ w0.T + b0)
        np.testing.assert_array_equal(found.r, (found.acc0 + np.abs(found.acc0)) // 2)
        real = found.r * (network.M / 2.0**network.S)
        low, high = np.minimum(real, 255) - 1, np.minimum(real, 255)
        assert ((low < found.hidden) & (found.hidden <= high)).all(), "hidden left its LSB"
        np.testing.assert_array_equal(found.logits, found.hidden.astype(np.float64) @ w1.T + b1)
        order = np.argsort(-found.logits, axis=1, kind="stable")
        np.testing.assert_array_equal(found.classes, order[:, 0])
        np.testing.assert_array_equal(found.values, found.logits.max(axis=1))


# ------------------------------------------------------------------------------------------------
# Symmetries


def _permuted(network, inputs=None, hidden=None):
    (w0, w1), (b0, b1) = network.weight, network.bias
    if inputs is not None:
        w0 = w0[:, inputs]
    if hidden is not None:
        w0, b0, w1 = w0[hidden], b0[hidden], w1[:, hidden]
    return Int8Network((w0, w1), (b0, b1), network.M, network.S)


def check_symmetries(infer):
    """The order of inputs and hidden neurons is irrelevant; constants and doublings have known
    effects.
    """
    for seed in (7, 8, 9):
        rng = np.random.default_rng(seed)
        # Sums stay below 2^31 - 1, so that doubling r changes no width.
        network, images = random_int8(seed, (24, 20, 7), images=12)
        found = infer(network, images)
        order = np.roll(np.arange(network.inputs), 1 + int(rng.integers(20)))
        other = infer(_permuted(network, inputs=order), images[:, order])
        assert_same_integers(other, found, f"inputs permuted, seed {seed}")
        order = np.roll(np.arange(network.hidden), 1 + int(rng.integers(15)))
        other = infer(_permuted(network, hidden=order), images)
        assert_same_integers(
            other, found, f"hidden permuted, seed {seed}", ("logits", "classes", "values")
        )
        # A neuron's bias is equivalent to one more input that is always 1.
        one = network.bias[0] * 0 + 100
        wide = np.concatenate([network.weight[0], one.astype(np.int8)[:, None]], axis=1)
        shifted = Int8Network(
            (wide, network.weight[1]),
            ((network.bias[0] - 100).astype(np.int32), network.bias[1]),
            network.M,
            network.S,
        )
        white = np.concatenate([images, np.ones((len(images), 1), np.uint8)], axis=1)
        assert_same_integers(infer(shifted, white), found, f"bias as an input, seed {seed}")
        # The same bias added to all classes shifts the value but not the class.
        raised = replace(network, bias=(network.bias[0], network.bias[1] + np.int32(999)))
        other = infer(raised, images)
        np.testing.assert_array_equal(other.classes, found.classes)
        np.testing.assert_array_equal(other.values, found.values + 999)
        # Reversing the classes reverses the answer, where no two logits are equal.
        turned = replace(
            network,
            weight=(network.weight[0], network.weight[1][::-1]),
            bias=(network.bias[0], network.bias[1][::-1]),
        )
        top = np.sort(found.logits, axis=1)
        clear = top[:, -1] > top[:, -2]
        other = infer(turned, images)
        np.testing.assert_array_equal(
            other.classes[clear], network.classes - 1 - found.classes[clear]
        )
        np.testing.assert_array_equal(other.values, found.values)
        # Only M / 2^S matters: 2 M with S + 1 gives the same result.
        if network.M <= 32767:
            doubled = replace(network, M=2 * network.M, S=network.S + 1)
            assert_same_integers(
                infer(doubled, images), found, f"M doubled, seed {seed}", ("hidden", "logits")
            )


CHECKS = {
    "worked-examples": check_worked_examples,
    "plain-integers": check_against_plain,
    "fractions": check_against_fractions,
    "real-relations": check_real_relations,
    "symmetries": check_symmetries,
}
