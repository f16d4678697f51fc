"""How loops are compiled, and where the compiled code is kept from one process to the next.

numba keeps it beside the source, else in the user's cache folder, and refuses to decorate a
function when it can write to neither. It also fails on a damaged file there and on a full disk.
None of that changes what a loop computes, so here each only costs time: the loop is compiled anew.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
from numba.core import caching

from ohmbench.errors import OperandError

_config: Any = numba.config
_FunctionCache: Any = caching.FunctionCache

COMPILER_ON = not _config.DISABLE_JIT
"""False where ``NUMBA_DISABLE_JIT`` made every loop plain Python, which no fast path is."""


def require_compiler() -> None:
    """Raise OperandError where there are no compiled loops."""
    if not COMPILER_ON:
        raise OperandError(
            "NUMBA_DISABLE_JIT is set, so there are no compiled loops; unset it, or use "
            "path='plain'"
        )


class _Cache(_FunctionCache):  # type: ignore[misc]
    """numba's cache of one loop, in which no file has to be whole or writable."""

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        try:
            return super().load_overload(sig, target_context)
        except Exception:  # pickle raises almost anything on a damaged file
            with contextlib.suppress(OSError):
                self.flush()
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        with contextlib.suppress(OSError):
            super().save_overload(sig, data)


def compiled(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """The decorator ``numba.njit(**options)``, with the code kept where there is a place for it."""

    def decorate(function: Callable[..., Any]) -> Any:
        loop = numba.njit(**options)(function)
        if COMPILER_ON:
            # numba says so where it finds no folder to write to.
            with contextlib.suppress(RuntimeError):
                loop._cache = _Cache(function)
        return loop

    return decorate


def kept_in(loop: Any) -> Path | None:
    """The folder that keeps the code of a ``compiled`` loop; None where none does."""
    path = loop.stats.cache_path if COMPILER_ON else None
    return None if path is None else Path(path)
