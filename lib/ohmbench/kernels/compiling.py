"""Compiling of loops, and a cache of the compiled code that tolerates damage.

numba keeps compiled code beside the source, or else in the user's cache folder. It raises an error
if it can write to neither, if a file there is damaged, and if the disk is full. None of this
changes what a loop computes, so here the loop is compiled again instead, which only costs time.
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
"""False if ``NUMBA_DISABLE_JIT`` makes every loop plain Python; then there are no fast paths."""


def require_compiler() -> None:
    """Raise OperandError if compiling is switched off."""
    if not COMPILER_ON:
        raise OperandError(
            "NUMBA_DISABLE_JIT is set, so there are no compiled loops; unset it, or use "
            "path='plain'"
        )


class _Cache(_FunctionCache):  # type: ignore[misc]
    """numba's cache of one loop, which tolerates damaged and unwritable files."""

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        try:
            return super().load_overload(sig, target_context)
        except Exception:  # pickle can raise almost any exception for a damaged file
            with contextlib.suppress(OSError):
                self.flush()
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        with contextlib.suppress(OSError):
            super().save_overload(sig, data)


def compiled(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """The decorator ``numba.njit(**options)``, with a cache if a folder can hold it."""

    def decorate(function: Callable[..., Any]) -> Any:
        loop = numba.njit(**options)(function)
        if COMPILER_ON:
            # numba raises this if it finds no folder to write to.
            with contextlib.suppress(RuntimeError):
                loop._cache = _Cache(function)
        return loop

    return decorate


def kept_in(loop: Any) -> Path | None:
    """The cache folder of a ``compiled`` loop, or None if it has no cache."""
    path = loop.stats.cache_path if COMPILER_ON else None
    return None if path is None else Path(path)
