"""Assertions on outputs; ``test_asserts.py`` shows that each of them can fail."""

from collections.abc import Callable

import numpy as np
import torch


def assert_monotone(y: torch.Tensor, what: str, *, slack: float = 0.0) -> None:
    """Assert that ``y`` never falls along the last axis by more than a relative ``slack``."""
    drop = y[..., :-1] - y[..., 1:]
    worst = int(drop.argmax())
    allowed = slack * float(y.abs().max())
    assert float(drop.flatten()[worst]) <= allowed, (
        f"{what} falls at index {worst} of {y.shape[-1]}: "
        f"{float(y[..., :-1].flatten()[worst])!r} -> {float(y[..., 1:].flatten()[worst])!r}"
    )


def assert_odd(f: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor) -> None:
    """Assert ``f(-x) == -f(x)`` to the last bit: the sign only selects the line."""
    plus, minus = f(x), f(-x)
    assert torch.equal(minus, -plus), f"f(-x) = {minus}, but should be {-plus}"


def assert_gradient(
    f: Callable[[torch.Tensor], torch.Tensor],
    x: torch.Tensor,
    *,
    h: float = 1e-5,
    rel: float = 1e-6,
) -> None:
    """Compare autograd's derivative of elementwise ``f`` with a central difference, in float64.

    The difference has an error of h^2 f'''/6, which Richardson's combination with 2h removes. What
    remains is rounding, up to 200 eps |f| / h: four roundings of exponents up to 60, doubled by the
    square of a cell, times 3/2 by the combination.
    """
    assert x.dtype == torch.float64
    leaf = x.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(f(leaf).sum(), leaf)
    near = (f(x + h) - f(x - h)) / (2 * h)
    far = (f(x + 2 * h) - f(x - 2 * h)) / (4 * h)
    difference = (4 * near - far) / 3
    rounding = 4.5e-14 * f(x).abs().max() / h
    error = (gradient - difference).abs()
    allowed = rel * difference.abs() + rounding
    assert bool((error <= allowed).all()), (
        f"gradient {gradient}, but central differences give {difference} at {x}"
    )


def assert_same_integers(found, expected, what: str, names=None) -> None:
    """Assert that two inferences are equal to the bit; name the first layer that differs."""
    names = names or ("acc0", "r", "product", "hidden", "logits", "classes", "values")
    for name in names:
        a, b = np.asarray(getattr(found, name)), np.asarray(getattr(expected, name))
        assert a.shape == b.shape, f"{name} has shape {a.shape}, but should be {b.shape} [{what}]"
        wrong = a.astype(np.int64) != b.astype(np.int64)
        if wrong.any():
            image, *neuron = (int(i) for i in np.unravel_index(int(wrong.argmax()), wrong.shape))
            place = name + "".join(f"[{n}]" for n in neuron)
            place_value = (image, *neuron)
            raise AssertionError(
                f"{place} = {a[place_value]}, but should be {b[place_value]} "
                f"[{what}, image {image}; {int(wrong.sum())} of {wrong.size} differ]"
            )
