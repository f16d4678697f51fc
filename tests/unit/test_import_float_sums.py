"""Sums in single precision: every order of additions stays within the ends, and reaches them."""

import numpy as np
import pytest

from ohmbench.digital.importing.float_sums import FloatSum, Operand

F = np.float32


def operand(lo, hi, zero, scale):
    levels = np.arange(lo, hi + 1)
    return Operand(lo, hi, float(scale), zero, ((levels - zero).astype(F) * F(scale)).astype(F))


def in_order(terms):
    total = F(0)
    for term in terms:
        total = F(total + term)
    return total


def in_pairs(terms):
    while len(terms) > 1:
        last = terms[-1:] if len(terms) % 2 else terms[:0]
        terms = np.concatenate([terms[:-1:2] + terms[1::2], last]).astype(F)
    return terms[0]


def fused(x, w):
    total = F(0)
    for a, b in zip(x, w, strict=True):  # the product of two float32 is exact in float64
        total = F(float(total) + float(a) * float(b))
    return total


def orders(x, w, added, rng):
    """One sum in several orders: as given, shuffled, sorted both ways, in pairs, fused."""
    terms = np.append(x * w, added).astype(F)
    yield in_order(terms)
    yield in_order(rng.permutation(terms))
    yield in_order(np.sort(terms))
    yield in_order(np.sort(terms)[::-1])
    yield in_pairs(terms)
    yield in_pairs(rng.permutation(terms))
    yield fused(np.append(x, added).astype(F), np.append(w, 1).astype(F))


SUMS = {
    "powers-of-two": (0, 255, 0, 0.125, 2.0**-7, 0.0, True),
    "any-scale": (0, 255, 0, 0.0373, 0.00921, 0.0, False),
    "zero-point": (-128, 127, -17, 0.0373, 0.00921, 0.0, False),
    "added": (0, 15, 3, 0.3, 0.7, 1.2345, False),
    "added-whole": (0, 15, 3, 0.25, 0.5, 1.25, True),
    "odd-scale": (0, 7, 0, 3.0, 5.0, 0.0, True),
    "too-many-bits": (0, 255, 0, 1023.0, 1025.0, 0.0, False),
}


def example(name, rng, n=40):
    lo, hi, zero, sx, sw, added, exact = SUMS[name]
    x = operand(lo, hi, zero, F(sx))
    q = rng.integers(-127, 128, (1, n))
    w = (q * F(sw)).astype(F)
    sums = FloatSum.of(x, q, np.array([float(F(sw))]), w, addend=np.array([float(F(added))]))
    assert bool(sums.exact[0]) == exact
    h = rng.integers(lo, hi + 1, n)
    return sums, x, q[0], w[0], h, F(added)


@pytest.mark.parametrize("name", SUMS)
def test_every_order_of_additions_stays_within_the_ends(name):
    rng = np.random.default_rng(3)
    for _ in range(30):
        sums, x, q, w, h, added = example(name, rng)
        low, high = (float(end[0, 0]) for end in sums.ends(np.array([[int(q @ h)]])))
        found = [float(value) for value in orders(x.values[h - x.lo], w, added, rng)]
        assert low <= min(found)
        assert max(found) <= high
        if sums.exact[0]:
            assert low == high


def test_a_bound_that_denies_the_roundings_is_left(monkeypatch):
    """The planted fault: the orders really differ, and some fall outside of a single value."""
    monkeypatch.setattr(FloatSum, "error", lambda self, total: np.zeros(total.shape))
    rng = np.random.default_rng(3)
    sums, x, q, w, h, added = example("any-scale", rng, 400)
    low, high = (float(end[0, 0]) for end in sums.ends(np.array([[int(q @ h)]])))
    found = [float(value) for value in orders(x.values[h - x.lo], w, added, rng)]
    assert len(set(found)) > 2
    assert not all(low <= value <= high for value in found)


def test_the_bound_is_no_wider_than_the_classical_one():
    """(n + 2) u sum |w| |x| for n terms, whatever the sum."""
    rng = np.random.default_rng(3)
    sums, x, q, w, h, _ = example("any-scale", rng, 400)
    total = np.array([[int(q @ h)]])
    low, high = (float(end[0, 0]) for end in sums.ends(total))
    classical = 402 * 2.0**-24 * float(np.abs(w).sum(dtype=np.float64)) * float(x.values.max())
    assert 0 < high - low < 2 * classical


def test_an_exact_sum_is_exact_up_to_2_to_24_and_no_further():
    for n, exact in ((2**16, True), (2**16 + 1, False)):
        q = np.full((1, n), 1)
        x = operand(0, 256, 0, F(0.5))
        sums = FloatSum.of(x, q, np.array([1.0]), q.astype(F))
        assert bool(sums.exact[0]) == exact
