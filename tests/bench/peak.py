"""``python -m tests.bench.peak CASE``: what a fresh process finds of a case beside its time.

Prints one line of JSON: bytes at the peak of a call of each side, and bytes of the tensors that
ours makes. Ours has run before its peak is taken, so that nothing is compiled in it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import torch

from ohmbench.benchmarks.counting import allocated_bytes
from ohmbench.benchmarks.memory import peak_bytes
from tests.bench.cases import CASES

THREADS = 2
_CALLS = 5
ROOT = Path(__file__).parents[2]


def peak(name: str) -> dict[str, int]:
    """Of the case of that name, in a process of its own. Raises CalledProcessError."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.peak", name],
        cwd=ROOT, stdout=subprocess.PIPE, check=True, text=True,
    )  # fmt: skip
    found: dict[str, int] = json.loads(done.stdout)
    return found


def _measured(name: str) -> dict[str, int]:
    torch.set_num_threads(THREADS)
    pair = CASES[name].make()
    pair.ours()
    allocated = allocated_bytes(pair.ours)
    return {
        # The least of some: what the allocator happens to keep comes on top, and is megabytes.
        "ours_bytes": min(peak_bytes(pair.ours) for _ in range(_CALLS)),
        "reference_bytes": peak_bytes(pair.reference),
        "allocated_bytes": allocated,
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_measured(sys.argv[1])) + "\n")
