"""``python -m tests.bench.drill CASE [RUNS]``: does the gate cry wolf, and does it see the wolf?

Runs the gate of one case RUNS times (default 20) as it is, and as often with ours made a tenth
slower, each in a process of its own, against the stored baseline of this machine. Exit status 1
unless no run was red without the fault and every one with it. A run in which the machine was too
busy to judge a change of that size says so, and counts as not red.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
_RATIO = re.compile(r"^\S+: ratio (.*)$", flags=re.M)


def gate(case: str, *options: str) -> tuple[bool, str]:
    """Whether one run of the gate was red, and what it said of the ratio."""
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
    """Both series, in turns; whether all of them ended as they should."""
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
