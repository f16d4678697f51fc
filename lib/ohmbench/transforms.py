"""How models stay correct under torch.func, forward-mode differentiation and torch.compile.

These transformations follow torch's operations one by one. They cannot see what compiled loops and
value checks do with numbers. Three rules keep every model correct:

- ``followed`` chooses the path: operations that torch follows take the plain formulas.
- Checks read the numbers behind a transformed operand (``numbers``): torch.func hides these but
  keeps them.
- torch.compile has no numbers while it traces. A function that needs some is one it does not trace
  (``outside_graph``), which runs unchanged in a graph break.

Where torch.compile and torch.func are combined, no such call is possible; formulas are then traced
without their value checks.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ParamSpec, TypeVar

import torch
from numpy.typing import NDArray
from torch.autograd import forward_ad
from torch.utils._python_dispatch import _get_current_dispatch_mode_stack

from ohmbench.errors import OperandError

P = ParamSpec("P")
R = TypeVar("R")


def _transformed() -> bool:
    active: bool = torch._C._are_functorch_transforms_active()
    return active


def _rewritten() -> bool:
    """Return whether a dispatch mode may replace torch's operations.

    A mode that only watches says so by ``observes_only``; it must see the path that is taken
    without it.
    """
    modes = _get_current_dispatch_mode_stack()
    return not all(getattr(mode, "observes_only", False) for mode in modes)


def followed() -> bool:
    """Return whether torch currently follows operations, to transform or record them."""
    return (
        torch.compiler.is_compiling()
        or _transformed()
        or torch._C._is_tracing()
        or forward_ad._current_level >= 0
        or (torch._C._len_torch_dispatch_stack() > 0 and _rewritten())
    )


@contextmanager
def untransformed() -> Iterator[None]:
    """A block whose operations torch.func does not see. Do not use it on tensors that torch.func
    has wrapped.

    It is for values that are kept: a tensor made inside a transformation is useless after it.
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
    """The ``numbers`` of a tensor on the CPU, sharing its memory where possible."""
    found: NDArray[Any]
    if not _transformed():
        found = x.detach().resolve_neg().numpy()
        return found
    with untransformed():
        found = numbers(x).numpy()
    return found


def batched(x: torch.Tensor) -> bool:
    """Return whether ``x`` stands for one sample of a torch.func.vmap."""
    while torch._C._functorch.is_functorch_wrapped_tensor(x):
        if torch._C._functorch.is_batchedtensor(x):
            return True
        x = torch._C._functorch.get_unwrapped(x)
    return False


def many_gradients(*of: torch.Tensor) -> bool:
    """Return whether gradients ``of`` results are batched, as
    ``torch.autograd.grad(is_grads_batched=True)`` does with an older vmap that is not
    torch.func's.
    """
    return any(map(torch._C._functorch.is_legacy_batchedtensor, of))


def refuse_transforms(what: str, remedy: str) -> None:
    """Raise OperandError inside torch.func if a function has no derivative or per-sample answer."""
    if _transformed():
        raise OperandError(f"{what} cannot be transformed by torch.func; {remedy}")


def outside_graph(function: Callable[P, R]) -> Callable[P, R]:
    """Wrap ``function`` so that torch.compile does not trace into it."""

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        # Not while torch.func is being traced: torch cannot break its graph there.
        if torch.compiler.is_compiling() and not _transformed():
            opaque: Callable[P, R] = torch.compiler.disable(function)
            return opaque(*args, **kwargs)
        return function(*args, **kwargs)

    return call
