"""Operands laid out in memory in any way give the results of their contiguous copies."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from tests.unit.transform_cases import CASES, Case, Tensor

# ------------------------------------------------------------------------------------------------
# Layouts: each gives the values of a tensor another place in memory


def strided(x: Tensor) -> Tensor:
    """Every third element of a larger tensor along each dimension."""
    if x.ndim == 0:
        return torch.stack([x, x])[1]
    wide = x.new_full([3 * n + 1 for n in x.shape], float("nan") if x.is_floating_point() else 7)
    found = wide[tuple(slice(1, 3 * n + 1, 3) for n in x.shape)]
    found.copy_(x.detach())
    return found


def transposed(x: Tensor) -> Tensor:
    """The last dimension runs slowest."""
    return x.detach().permute(*range(x.ndim)[::-1]).contiguous().permute(*range(x.ndim)[::-1])


def negated(x: Tensor) -> Tensor:
    """A view that torch negates when it is read."""
    return torch._neg_view(-x.detach())


def asking(x: Tensor) -> Tensor:
    return x.detach().clone().requires_grad_()


def from_graph(x: Tensor) -> Tensor:
    """No leaf, but the result of something that is differentiated."""
    return asking(x) * 1


def offset(x: Tensor) -> Tensor:
    """Not at the beginning of its storage, nor at a multiple of a vector's width."""
    flat = torch.cat([x.new_zeros(3), x.detach().flatten()])
    return flat[3:].view(x.shape)


LAYOUTS = (strided, transposed, negated, asking, from_graph, offset)
each_layout = pytest.mark.parametrize("layout", LAYOUTS)


def expanded(x: Tensor) -> Tensor:
    """The first of each row for all of it, in one place of memory: stride 0."""
    return x.detach()[..., :1].clone().expand(x.shape)


def assert_equal(found: Tensor, expected: Tensor) -> None:
    assert found.dtype == expected.dtype
    assert torch.equal(found.detach(), expected.detach()), (
        f"off by {float((found - expected).detach().abs().max()):g}"
    )


@each_layout
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_public_functions(case: Case, layout: Callable[[Tensor], Tensor]) -> None:
    x = case.x[0]
    moved = layout(x)
    assert torch.equal(moved.detach(), x)
    assert_equal(case.f(moved), case.f(x))


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_public_functions_of_one_number_in_many_places(case: Case) -> None:
    x = case.x[0]
    if x.ndim == 0:
        pytest.skip("a sample of this function is one number")
    assert_equal(case.f(expanded(x)), case.f(expanded(x).contiguous()))
