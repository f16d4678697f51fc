"""What judges outputs; each helper is itself shown to go red in ``test_asserts.py``."""

from collections.abc import Callable

import torch


def assert_monotone(y: torch.Tensor, what: str, *, slack: float = 0.0) -> None:
    """Non-decreasing along the last axis, up to a relative ``slack`` for rounding."""
    drop = y[..., :-1] - y[..., 1:]
    worst = int(drop.argmax())
    allowed = slack * float(y.abs().max())
    assert float(drop.flatten()[worst]) <= allowed, (
        f"{what} falls at index {worst} of {y.shape[-1]}: "
        f"{float(y[..., :-1].flatten()[worst])!r} -> {float(y[..., 1:].flatten()[worst])!r}"
    )


def assert_odd(f: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor) -> None:
    """``f(-x) == -f(x)``, to the last bit: the sign only picks the line."""
    plus, minus = f(x), f(-x)
    assert torch.equal(minus, -plus), f"f(-x) = {minus}, but should be {-plus}"


def assert_gradient(
    f: Callable[[torch.Tensor], torch.Tensor],
    x: torch.Tensor,
    *,
    h: float = 1e-5,
    rel: float = 1e-6,
) -> None:
    """Autograd's derivative of elementwise ``f`` against a central difference, float64.

    The difference has an error of h^2 f'''/6, which Richardson's combination with 2h removes;
    what is left is rounding, of the order of 100 eps |f| / h (exponents of up to 60 lose digits).
    """
    assert x.dtype == torch.float64
    leaf = x.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(f(leaf).sum(), leaf)
    near = (f(x + h) - f(x - h)) / (2 * h)
    far = (f(x + 2 * h) - f(x - 2 * h)) / (4 * h)
    difference = (4 * near - far) / 3
    rounding = 2e-14 * f(x).abs().max() / h
    error = (gradient - difference).abs()
    allowed = rel * difference.abs() + rounding
    assert bool((error <= allowed).all()), (
        f"gradient {gradient}, but central differences give {difference} at {x}"
    )
