"""How models stay right under torch.func, forward-mode differentiation and torch.compile.

These follow torch's own operations, one by one, and cannot see what compiled loops and checks of
values do with numbers. Three rules keep every model right there:

- A path is chosen by ``followed``: what torch follows takes the plain formulas.
- Checks read the numbers behind a transformed operand (``numbers``): torch.func hides, but has
  them.
- torch.compile has no numbers while it traces. What needs some is a call that it does not look
  into (``outside_graph``) and runs as it is, in a break of its graph. Only where torch.compile and
  torch.func are combined no such call is possible: there formulas are traced without their checks
  of values.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ParamSpec, TypeVar

import torch
from numpy.typing import NDArray
from torch.autograd import forward_ad

from ohmbench.errors import OperandError

P = ParamSpec("P")
R = TypeVar("R")


def _transformed() -> bool:
    active: bool = torch._C._are_functorch_transforms_active()
    return active


def followed() -> bool:
    """Whether torch follows the operations done now, to transform or to record them."""
    return (
        torch.compiler.is_compiling()
        or _transformed()
        or torch._C._is_tracing()
        or forward_ad._current_level >= 0
        or torch._C._len_torch_dispatch_stack() > 0
    )


@contextmanager
def untransformed() -> Iterator[None]:
    """What is done with numbers here torch.func does not see; what it wraps it cannot be done to.

    For what is kept: a tensor made inside a transformation is of no use after it.
    """
    guard = torch._C._DisableFuncTorch() if _transformed() else None
    try:
        yield
    finally:
        del guard


def numbers(x: torch.Tensor) -> torch.Tensor:
    """The numbers behind ``x``, of all samples of a vmap together, without gradients."""
    if not _transformed():
        return x.detach().resolve_neg()
    with untransformed():
        while torch._C._functorch.is_functorch_wrapped_tensor(x):
            x = torch._C._functorch.get_unwrapped(x)
        return x.detach().resolve_neg()


def array(x: torch.Tensor) -> NDArray[Any]:
    """The ``numbers`` of a tensor on the CPU, in the same memory where they can be."""
    found: NDArray[Any]
    if not _transformed():
        found = x.detach().resolve_neg().numpy()
        return found
    with untransformed():
        found = numbers(x).numpy()
    return found


def batched(x: torch.Tensor) -> bool:
    """Whether ``x`` stands for one sample of a torch.func.vmap."""
    while torch._C._functorch.is_functorch_wrapped_tensor(x):
        if torch._C._functorch.is_batchedtensor(x):
            return True
        x = torch._C._functorch.get_unwrapped(x)
    return False


def many_gradients(*of: torch.Tensor) -> bool:
    """Whether gradients ``of`` results are many at once, as torch.autograd.grad can be asked for
    (``is_grads_batched``): by an older vmap, which is none of torch.func."""
    return any(map(torch._C._functorch.is_legacy_batchedtensor, of))


def refuse_transforms(what: str, remedy: str) -> None:
    """Raise OperandError inside torch.func, for what has no derivative or no answer a sample."""
    if _transformed():
        raise OperandError(f"{what} cannot be transformed by torch.func; {remedy}")


def outside_graph(function: Callable[P, R]) -> Callable[P, R]:
    """``function`` as a call that torch.compile does not look into."""

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        # Not where torch.func is being traced: torch cannot leave its graph there.
        if torch.compiler.is_compiling() and not _transformed():
            opaque: Callable[P, R] = torch.compiler.disable(function)
            return opaque(*args, **kwargs)
        return function(*args, **kwargs)

    return call
