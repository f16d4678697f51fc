"""``python -m tests.bench.drill CASE [RUNS]``: measure the gate's false alarms and misses.

Runs the gate of one case RUNS times (default 20) unchanged, and as often with the fast path made a
tenth slower, each in its own process, against this machine's stored baseline. The exit status is 1
unless no run failed without the fault and every run failed with it. A run in which the machine was
too busy to judge such a change says so, and does not count as failed.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
_RATIO = re.compile(r"^\S+: ratio (.*)$", flags=re.M)


def gate(case: str, *options: str) -> tuple[bool, str]:
    """Whether one run of the gate failed, and what it printed about the ratio."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", f"tests/bench/test_speed.py::test_speed[{case}]",
         "--slow", "--benchmark-quiet", "-p", "no:cacheprovider", *options],
        cwd=ROOT, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    said = _RATIO.findall(done.stdout)
    if done.returncode not in (0, 1) or not said:
        raise SystemExit(done.stdout)
    return done.returncode == 1, said[-1]


def drill(case: str, runs: int) -> bool:
    """Run both series alternately; return whether every run ended as it should."""
    red = {"as it is": 0, "a tenth slower": 0}
    for run in range(1, runs + 1):
        for kind, options in (("as it is", ()), ("a tenth slower", ("--plant", "slow"))):
            was_red, said = gate(case, *options)
            red[kind] += was_red
            sys.stdout.write(f"{run:3} {kind}: {'RED' if was_red else 'green'}, {said[:90]}\n")
            sys.stdout.flush()
    for kind, count in red.items():
        sys.stdout.write(f"{case} {kind}: {count} of {runs} red\n")
    return red == {"as it is": 0, "a tenth slower": runs}


if __name__ == "__main__":
    name, *number = sys.argv[1:]
    raise SystemExit(0 if drill(name, int(number[0]) if number else 20) else 1)
