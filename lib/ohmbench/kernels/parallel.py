"""Running a batch in parallel parts that do not depend on the number of threads.

Sums over a batch are added part by part in order, so that a seed always gives the same bits.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait

import torch

PARTS = 8
"""The largest number of parts."""

SERIAL_BELOW = 1 << 16
"""Work that one thread finishes before a second one is awake."""

_pool: ThreadPoolExecutor | None = None


def _forget_pool() -> None:
    global _pool
    _pool = None


# A child process inherits the pool without its threads, and would wait for them forever.
os.register_at_fork(after_in_child=_forget_pool)


def part_bounds(count: int, grain: int) -> list[int]:
    """First item of each part of ``count`` items, a multiple of ``grain``; ``count`` at the end."""
    grains = -(-count // grain)
    parts = min(grains, PARTS)
    return [min(count, grain * (grains * p // parts)) for p in range(parts)] + [count]


def in_parts(bounds: list[int], job: Callable[[int, int, int], None], *, work: int) -> None:
    """Run ``job(part, first, last)`` for each part, on as many threads as torch uses.

    ``work`` is the number of cells, edges or products in all parts; little work is done in the
    calling thread alone. The threads are Python's, since compiled kernels release the interpreter
    lock.
    """
    global _pool
    parts = len(bounds) - 1
    threads = min(torch.get_num_threads(), parts)
    if work < SERIAL_BELOW or threads <= 1:
        for p in range(parts):
            job(p, bounds[p], bounds[p + 1])
        return
    if _pool is None:
        _pool = ThreadPoolExecutor(PARTS - 1)  # the pool starts threads only as needed
    left = deque(range(parts))

    def take_parts() -> None:
        while True:
            try:
                p = left.popleft()
            except IndexError:
                return
            job(p, bounds[p], bounds[p + 1])

    # The calling thread works too: it would wait otherwise, and waking a thread costs as much as a
    # small part.
    others = [_pool.submit(take_parts) for _ in range(threads - 1)]
    try:
        take_parts()
    finally:
        left.clear()  # after an error no thread begins another part
        wait(others)
    for other in others:
        other.result()
