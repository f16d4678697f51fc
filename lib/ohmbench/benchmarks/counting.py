"""Bytes that a call allocates in torch, counted from the operations that it dispatches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class _Allocations(TorchDispatchMode):
    """Adds up the bytes of every storage that an operation creates."""

    observes_only = True  # see ``transforms``: the compiled paths stay in force

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.bytes = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        known = {_storage(x) for x in tree_leaves((args, kwargs)) if isinstance(x, torch.Tensor)}
        for tensor in tree_leaves(out):
            if isinstance(tensor, torch.Tensor) and _storage(tensor) not in known:
                known.add(_storage(tensor))
                self.bytes += tensor.untyped_storage().nbytes()
        return out


def _storage(tensor: torch.Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


def allocated_bytes(call: Callable[[], object]) -> int:
    """Bytes of all tensors that ``call`` creates, even if they do not exist at the same time."""
    found = _Allocations()
    with found:
        call()
    return found.bytes
