"""Faults to plant in a fast path, to show that the gate can fail."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from tests.bench.cases import Done, Pair


def slowed(call: Callable[[], Done], part: float = 0.1) -> Callable[[], Done]:
    """``call`` followed by busy waiting for ``part`` of the time it took."""

    def slow() -> Done:
        start = time.perf_counter()
        found = call()
        end = time.perf_counter()
        while time.perf_counter() - end < part * (end - start):
            pass
        return found

    return slow


def doubled(call: Callable[[], Done]) -> Callable[[], Done]:
    """``call`` that evaluates everything twice, and counts both."""

    def twice() -> Done:
        first, second = call(), call()
        counts = {k: n + second.counts[k] for k, n in first.counts.items()}
        return Done(second.values, counts)

    return twice


def wrong(call: Callable[[], Done]) -> Callable[[], Done]:
    """``call`` whose first result is wrong by one percent."""

    def off() -> Done:
        found = call()
        return Done((1.01 * found.values[0], *found.values[1:]), found.counts)

    return off


PLANTS = {"slow": slowed, "evaluations": doubled, "wrong": wrong}


def planted(pair: Pair, plant: str | None) -> Pair:
    return pair if plant is None else replace(pair, ours=PLANTS[plant](pair.ours))
