"""The judges go red on what they must not let pass."""

from dataclasses import replace

import pytest
import torch

from ohmbench.digital import infer
from tests.unit.asserts import assert_gradient, assert_monotone, assert_odd, assert_same_integers
from tests.unit.int8_networks import random_int8


def test_monotone_rejects_a_dip():
    y = torch.tensor([0.0, 1.0, 0.999, 2.0])
    with pytest.raises(AssertionError, match="falls at index 1"):
        assert_monotone(y, "planted")


@pytest.mark.parametrize(("slack", "good"), [(0.0, False), (0.0004, False), (0.0006, True)])
def test_monotone_allows_the_slack_it_is_given_and_no_more(slack, good):
    """A dip of 0.001 where the largest magnitude is 2, also of negative numbers and in any row."""
    for y in ([0.0, 1.0, 0.999, 2.0], [-2.0, -1.0, -1.001, 0.0]):
        rows = torch.tensor([[0.0, 0.0, 0.0, 0.0], y], dtype=torch.float64)
        if good:
            assert_monotone(rows, "planted", slack=slack)
        else:
            with pytest.raises(AssertionError, match="planted falls"):
                assert_monotone(rows, "planted", slack=slack)


def test_monotone_accepts_what_stays_or_rises():
    assert_monotone(torch.tensor([0.0, 0.0, 1.0]), "planted")


def test_odd_accepts_the_odd():
    assert_odd(lambda x: x**3, torch.tensor([1.3, -2.0], dtype=torch.float64))


def test_odd_rejects_an_even_part():
    with pytest.raises(AssertionError, match="but should be"):
        assert_odd(lambda x: x + 1e-12, torch.tensor([1.0], dtype=torch.float64))


class _WrongBackward(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return grad * 3.0001 * x**2


def test_gradient_rejects_a_wrong_backward():
    with pytest.raises(AssertionError, match="central differences"):
        assert_gradient(_WrongBackward.apply, torch.tensor([1.3], dtype=torch.float64))


@pytest.mark.parametrize(("off", "good"), [(2e-6, False), (-2e-6, False), (2e-7, True)])
@pytest.mark.parametrize("f", [torch.exp, lambda x: 1e6 * torch.exp(-x)], ids=["rises", "falls"])
def test_gradient_allows_a_millionth(f, off, good):
    """The derivative of ``f``, wrong by a part of ``off`` in one of three places."""

    class Wrong(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return f(x)

        @staticmethod
        def backward(ctx, grad):
            (x,) = ctx.saved_tensors
            right = f(x) if f is torch.exp else -f(x)
            return grad * right * torch.tensor([1.0, 1.0 + off, 1.0], dtype=torch.float64)

    x = torch.tensor([0.3, 1.0, 2.0], dtype=torch.float64)
    if good:
        assert_gradient(Wrong.apply, x)
    else:
        with pytest.raises(AssertionError, match="central differences"):
            assert_gradient(Wrong.apply, x)


@pytest.mark.parametrize(
    ("values", "off", "good"),
    [
        ([1.0], 2e-9, True),
        ([1.0], 1e-8, False),
        ([1e3, 1.0], 2e-6, True),
        ([1e3, 1.0], 1e-5, False),
    ],
)
def test_gradient_allows_the_rounding_of_the_difference(values, off, good):
    """Of what is flat: 200 eps of the largest value, over the step."""
    level = torch.tensor(values, dtype=torch.float64)

    class Flat(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return level.clone()

        @staticmethod
        def backward(ctx, grad):
            return off * grad

    x = torch.ones(len(values), dtype=torch.float64)
    if good:
        assert_gradient(Flat.apply, x)
    else:
        with pytest.raises(AssertionError, match="central differences"):
            assert_gradient(Flat.apply, x)


def test_gradient_needs_float64():
    with pytest.raises(AssertionError):
        assert_gradient(lambda x: x**3, torch.tensor([1.3]))


def test_gradient_accepts_the_right_one():
    assert_gradient(lambda x: x**3, torch.tensor([1.3], dtype=torch.float64))


def test_differing_integers_are_named_with_their_place():
    network, images = random_int8(0, (5, 4, 3), images=6)
    found = infer(network, images)
    assert_same_integers(found, found, "itself")
    logits = found.logits.copy()
    logits[4, 1] += 1
    wrong = replace(found, logits=logits)
    with pytest.raises(AssertionError, match=r"logits\[1\] = .* \[seed 0, image 4; 1 of 18 differ"):
        assert_same_integers(wrong, found, "seed 0")
    with pytest.raises(AssertionError, match="shape"):
        assert_same_integers(replace(found, values=found.values[:3]), found, "seed 0")
    assert_same_integers(wrong, found, "seed 0", ("hidden", "classes"))
