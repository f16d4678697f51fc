"""Sums in single precision: every order of additions stays within the ends, and reaches them."""

from dataclasses import replace

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


def scaled_sum(sx, sw, alpha, *, rounded=0.0):
    """Ten weights 1 to 10 of scale ``sw`` with alpha; the inputs are off by ``rounded``."""
    x = operand(0, 255, 0, F(sx))
    x = replace(x, values=(x.values * F(1 + rounded)).astype(F))
    q = np.arange(1, 11)[None]
    return FloatSum.of(x, q, np.array([sw]), (q * F(sw)).astype(F), alpha)


ALPHAS = {
    "plain": (2.0**-5, 2.0**-7, 0.3, True),
    "sums-underflow": (2.0**-100, 2.0**-100, 2.0**90, False),
    "sums-overflow": (2.0**64, 2.0**64, 2.0**-99, False),
    "inputs-underflow": (2.0**-60, 2.0**60, 2.0**-90, False),
    "inputs-overflow": (2.0**60, 2.0**-60, 2.0**70, False),
    "weights-underflow": (2.0**60, 2.0**-60, 2.0**-90, False),
    "weights-overflow": (2.0**-60, 2.0**60, 2.0**70, False),
    "results-underflow": (2.0**-40, 2.0**-40, 2.0**-60, False),
}


@pytest.mark.parametrize("name", ALPHAS)
def test_alpha_is_taken_where_nothing_before_or_behind_it_can_underflow_or_overflow(name):
    sx, sw, alpha, taken = ALPHAS[name]
    problem = scaled_sum(sx, sw, alpha).problem()
    assert problem is None if taken else "before or after alpha" in problem


@pytest.mark.parametrize("alpha", [0.3, 2.0**20, 2.0**-20, -7.0])
@pytest.mark.parametrize("place", ["inputs", "weights", "products", "halves", "sum"])
def test_alpha_stays_within_the_ends_wherever_it_is_applied(alpha, place):
    rng = np.random.default_rng(3)
    sx, sw, a = float(F(0.0373)), float(F(0.00921)), F(alpha)
    sums = scaled_sum(sx, sw, float(a))
    assert sums.problem() is None
    w = (np.arange(1, 11) * F(sw)).astype(F)
    for _ in range(30):
        h = rng.integers(0, 256, 10)
        x = h.astype(F) * F(sx)
        terms = {
            "inputs": (x * a) * w,
            "weights": x * (w * a),
            "products": (x * w) * a,
            "halves": np.array([in_order((x * w)[:5]) * a, in_order((x * w)[5:]) * a], F),
            "sum": np.array([in_order(x * w) * a], F),
        }[place]
        low, high = (float(e[0, 0]) for e in sums.ends(np.array([[int(h @ np.arange(1, 11))]])))
        assert low <= float(in_order(terms.astype(F))) <= high


def test_a_sum_before_alpha_that_underflows_leaves_the_ends():
    """Why such sums are refused: the planted fault is to look only at the scale behind alpha."""
    sums = scaled_sum(2.0**-100, 2.0**-100, 2.0**90)
    low, _ = (float(end[0, 0]) for end in sums.ends(np.array([[1]])))
    assert F(2.0**-100) * F(2.0**-100) * F(2.0**90) < low


def test_values_far_from_their_scale_are_refused():
    """Beyond a small relative error the ends would not rise with the sum."""
    assert scaled_sum(0.5, 0.25, 1.0, rounded=2.0**-11).problem() is None
    assert "too coarsely" in scaled_sum(0.5, 0.25, 1.0, rounded=2.0**-9).problem()
