"""Batches in parts on several threads: every part once, and no error of any part is lost."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
import torch

from ohmbench.kernels.parallel import SERIAL_BELOW, in_parts, part_bounds


@pytest.fixture(autouse=True)
def _two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("work", [SERIAL_BELOW - 1, SERIAL_BELOW])
def test_every_part_is_done_once(work: int) -> None:
    bounds = part_bounds(100, 7)
    done = []
    in_parts(bounds, lambda *part: done.append(part), work=work)
    assert sorted(done) == [(p, bounds[p], bounds[p + 1]) for p in range(len(bounds) - 1)]


@pytest.mark.parametrize("calling", [True, False], ids=["calling-thread", "other-thread"])
def test_an_error_in_any_thread_reaches_the_caller(calling: bool) -> None:
    """Both threads take a part before either goes on; one of them then fails."""
    caller, both = threading.current_thread(), threading.Barrier(2, timeout=60)

    def job(part: int, first: int, last: int) -> None:
        both.wait()
        if (threading.current_thread() is caller) is calling:
            raise ArithmeticError("lost")

    with pytest.raises(ArithmeticError, match="lost"):
        in_parts([0, 1, 2], job, work=SERIAL_BELOW)
