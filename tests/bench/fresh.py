"""``python -m tests.bench.fresh``: what a process of its own finds of a case.

``peak CASE``: bytes at the peak of a call of each side, and bytes of the tensors that ours makes.
Ours has run before its peak is taken, so that nothing is compiled in it. ``rounds CASE N [PLANT]``:
N more rounds. Each prints one line of JSON.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from ohmbench.benchmarks.counting import allocated_bytes
from ohmbench.benchmarks.memory import peak_bytes
from ohmbench.benchmarks.timing import Race, Round
from tests.bench.cases import CASES
from tests.bench.plants import planted

THREADS = 2
ROOT = Path(__file__).parents[2]
_CALLS = 5


_SIDE = 2048
_PRODUCTS = 6


def matrix_flops() -> float:
    """Floating-point operations per second of a float32 matrix product, the best of some.

    Once its 16 MiB were freed, the C library keeps arrays up to that size for the next ones: every
    run of benchmarks begins with the same allocator, whichever of them are selected.
    """
    a = torch.ones(_SIDE, _SIDE)
    best = float("inf")
    for _ in range(_PRODUCTS):
        start = time.perf_counter()
        a @ a
        best = min(best, time.perf_counter() - start)
    return 2 * _SIDE**3 / best


def _child(*arguments: str) -> Any:
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.fresh", *arguments],
        cwd=ROOT, stdout=subprocess.PIPE, check=True, text=True,
    )  # fmt: skip
    return json.loads(done.stdout)


def peak(name: str) -> dict[str, int]:
    """Of the case of that name. Raises CalledProcessError."""
    found: dict[str, int] = _child("peak", name)
    return found


def rounds(name: str, number: int, plant: str | None) -> list[Round]:
    """So many of the case of that name. Raises CalledProcessError."""
    found = _child("rounds", name, str(number), *([plant] if plant else []))
    return [Round(**one) for one in found]


def _peak(name: str) -> dict[str, int]:
    pair = CASES[name].make()
    pair.ours()
    allocated = allocated_bytes(pair.ours)
    return {
        # The least of some: what the allocator happens to keep comes on top, and is megabytes.
        "ours_bytes": min(peak_bytes(pair.ours) for _ in range(_CALLS)),
        "reference_bytes": peak_bytes(pair.reference),
        "allocated_bytes": allocated,
    }


def _rounds(name: str, number: str, plant: str | None = None) -> list[dict[str, float]]:
    pair = planted(CASES[name].make(), plant)
    race = Race(pair.reference, pair.ours)
    race.warm_up()
    for _ in range(int(number)):
        race.round()
    return [asdict(one) for one in race.rounds]


if __name__ == "__main__":
    torch.set_num_threads(THREADS)
    matrix_flops()  # for the allocator's sake
    verb, *rest = sys.argv[1:]
    found = _peak(*rest) if verb == "peak" else _rounds(*rest)
    sys.stdout.write(json.dumps(found) + "\n")
