"""Cutting a batch into parts that run side by side, the same parts whatever the number of threads.

Sums over a batch are added part by part in order: one seed, same bits.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait

import torch

PARTS = 8
"""At most so many parts."""

SERIAL_BELOW = 1 << 16
"""Work that is done before a second thread is awake."""

_pool: ThreadPoolExecutor | None = None


def _forget_pool() -> None:
    global _pool
    _pool = None


# A child process inherits the pool without its threads, and would wait for them for ever.
os.register_at_fork(after_in_child=_forget_pool)


def part_bounds(count: int, grain: int) -> list[int]:
    """First item of each part of ``count`` items, a multiple of ``grain``; ``count`` at the end."""
    grains = -(-count // grain)
    parts = min(grains, PARTS)
    return [min(count, grain * (grains * p // parts)) for p in range(parts)] + [count]


def in_parts(bounds: list[int], job: Callable[[int, int, int], None], *, work: int) -> None:
    """Run ``job(part, first, last)`` for each part, in torch's number of threads.

    ``work`` counts cells, edges or products of all parts together: little is done in this thread.

    Threads of Python, not of a compiler's runtime: compiled kernels let go of the interpreter.
    """
    global _pool
    parts = len(bounds) - 1
    threads = min(torch.get_num_threads(), parts)
    if work < SERIAL_BELOW or threads <= 1:
        for p in range(parts):
            job(p, bounds[p], bounds[p + 1])
        return
    if _pool is None:
        _pool = ThreadPoolExecutor(PARTS - 1)  # it starts no more threads than it is asked for
    left = deque(range(parts))

    def take_parts() -> None:
        while True:
            try:
                p = left.popleft()
            except IndexError:
                return
            job(p, bounds[p], bounds[p + 1])

    # This thread works too: it would wait otherwise, and waking one costs as much as a small part.
    others = [_pool.submit(take_parts) for _ in range(threads - 1)]
    try:
        take_parts()
    finally:
        left.clear()  # after an error nobody begins another part
        wait(others)
    for other in others:
        other.result()
