"""How to pay amounts with coins of given sizes, of each of which there are only so many."""

from __future__ import annotations

import numpy as np
from jaxtyping import Int64
from numpy.typing import NDArray

ATTEMPTS = 6
"""How often an amount that was missed is paid anew, each time after a random part of it."""
MOST_CELLS = 2**22
"""Sizes times amounts for which a table is made that finds every amount that can be paid."""


def change(
    amounts: Int64[NDArray[np.int64], " n"],
    sizes: Int64[NDArray[np.int64], " sizes"],
    available: Int64[NDArray[np.int64], " sizes"],
    rng: np.random.Generator,
) -> Int64[NDArray[np.int64], "n sizes"]:
    """How many coins of each size pay each amount, at most ``available`` of each.

    ``sizes`` ascend and are 0 or more. The largest coins go first, as a till gives change; this
    misses few amounts where there are many small coins. Amounts that are missed are looked up in a
    table of all sums, if that is small. A row whose amount cannot be paid pays another one.
    """
    paid = np.zeros((len(amounts), len(sizes)), np.int64)
    whole = int((sizes * available).sum())
    missed = np.arange(len(amounts))
    for attempt in range(ATTEMPTS):
        spent = np.zeros((len(missed), len(sizes)), np.int64)
        if attempt and whole:
            share = np.clip(amounts[missed] / whole, 0, 1)[:, None]
            spent = (available * share * rng.random(spent.shape)).astype(np.int64)
        rest = amounts[missed] - spent @ sizes
        for k in range(len(sizes) - 1, -1, -1):
            if sizes[k] > 0:
                more = np.clip(rest // sizes[k], 0, available[k] - spent[:, k])
                spent[:, k] += more
                rest -= more * sizes[k]
        paid[missed] = spent
        missed = missed[rest != 0]
        if not len(missed):
            return paid
    possible = missed[(amounts[missed] >= 0) & (amounts[missed] <= whole)]
    if len(possible) and len(sizes) * (whole + 1) <= MOST_CELLS:
        paid[possible] = _by_table(amounts[possible], sizes, available, whole)
    return paid


def _by_table(
    amounts: NDArray[np.int64], sizes: NDArray[np.int64], available: NDArray[np.int64], whole: int
) -> NDArray[np.int64]:
    """As ``change``, by the sums that the first k sizes can pay, for every k."""
    can = np.zeros(whole + 1, bool)
    can[0] = True
    used = []  # by size: how many of its coins a sum needs at least; too many where it cannot be
    for size, count in zip(sizes.tolist(), available.tolist(), strict=True):
        if size == 0:
            used.append(np.zeros(whole + 1, np.int64))
            continue
        rows = -(-(whole + 1) // size)
        before = np.zeros(rows * size, bool)
        before[: whole + 1] = can
        row = np.arange(rows)[:, None]
        # In a column sums differ by whole coins: the last one above that can be paid without them.
        last = np.maximum.accumulate(
            np.where(before.reshape(rows, size), row, -(whole + 2)), axis=0
        )
        coins = (row - last).reshape(-1)[: whole + 1]
        can = coins <= count
        used.append(coins)
    paid = np.zeros((len(amounts), len(sizes)), np.int64)
    rest = amounts.copy()
    payable = can[amounts]
    for k in range(len(sizes) - 1, -1, -1):
        paid[payable, k] = used[k][rest[payable]]
        rest -= paid[:, k] * sizes[k]
    return paid
