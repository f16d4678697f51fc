"""``python -m tests.bench.fresh``: measurements of a case in a process of its own.

``peak CASE``: peak memory in bytes during a call of each side, and bytes of the tensors that the
fast path allocates. The fast path has run before its peak is measured, so that no compilation is
included. ``rounds CASE N [PLANT]``: N more rounds. Each prints one line of JSON.
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
    """Floating-point operations per second of a float32 matrix product, the best of several.

    After these 16 MiB arrays are freed, the C library keeps arrays up to that size for reuse, so
    every run of benchmarks starts with the allocator in the same state, whichever are selected.
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
    """Peak memory of the case of that name. Raises CalledProcessError."""
    found: dict[str, int] = _child("peak", name)
    return found


def rounds(name: str, number: int, plant: str | None) -> list[Round]:
    """``number`` rounds of the case of that name. Raises CalledProcessError."""
    found = _child("rounds", name, str(number), *([plant] if plant else []))
    return [Round(**one) for one in found]


def _peak(name: str) -> dict[str, int]:
    pair = CASES[name].make()
    pair.ours()
    allocated = allocated_bytes(pair.ours)
    return {
        # The minimum of several: memory that the allocator happens to keep adds megabytes.
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
    matrix_flops()  # to put the allocator in the same state
    verb, *rest = sys.argv[1:]
    found = _peak(*rest) if verb == "peak" else _rounds(*rest)
    sys.stdout.write(json.dumps(found) + "\n")
