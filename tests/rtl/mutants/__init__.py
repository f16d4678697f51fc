"""Mutants of ``hdl/``: their list, who kills which, and what is known of those that survive.

``python -m tests.rtl.mutants`` makes the list anew, which a change of ``hdl/`` makes necessary
(comments and blank lines aside): it draws the mutants, runs all of them, proves what it can of the
survivors and writes ``list.txt`` and ``survivors.txt``. A survivor that is not proven needs its
reason, written by a person in place of the ``?``; reasons carry over where the same place is
mutated in the same way again.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ohmbench.eda.simulation import Simulation
from ohmbench.eda.verilator import Build, build_library
from tests.eda.mutation import MutantList, netlist

from ..checks import CHECKS, rejected

NUMBER = 1000
SEED = 1
SAMPLE = range(5, NUMBER + 1, 10)
"""The mutants of the default tests."""
LIST = Path(__file__).with_name("list.txt")
SURVIVORS = Path(__file__).with_name("survivors.txt")
PROVEN = "proven"


def hunt(mutants: MutantList, numbers: Sequence[int]) -> dict[int, str | None]:
    """The first check that rejects each mutant, None for one that no check rejects.

    Raises AssertionError when a check rejects the netlist without a mutant.
    """
    build = Build(mutants.hardware, [netlist(mutants, numbers)], mutants=True)
    library = build_library(build)
    killers: dict[int, str | None] = {}
    for k in (0, *numbers):
        with Simulation(build, seed=k + 1, library=library) as simulation:
            simulation.select_mutant(k)
            killers[k] = next(
                (n for n, check in CHECKS.items() if rejected(simulation, check)), None
            )
    assert killers[0] is None, f"{killers[0]} rejects the netlist without a mutant"
    del killers[0]
    return killers


def describe(mutants: MutantList, mutant: int) -> str:
    """What is changed where, without the numbers that move when a line is inserted above."""
    command = mutants.commands[mutant - 1]
    options = dict(re.findall(r"-(\w+) (\S+)", command))
    cell = re.sub(r":\d+|\$\d+$", "", options["cell"].replace("$flatten", "").replace("\\", ""))
    by = f" by [{options['ctrlbit']}]" if "ctrlbit" in options else ""
    return f"{cell} {options['port']}[{options['portbit']}] {options['mode']}{by}"


@dataclass(frozen=True)
class Survivor:
    """Why a mutant that no check rejects is no gap: proven, or a person's reason."""

    mutant: int
    where: str
    reason: str


def read_survivors(path: Path = SURVIVORS) -> dict[int, Survivor]:
    """By number; a line is ``number | what is changed where | reason``."""
    found = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            number, where, reason = (part.strip() for part in line.split(" | ", 2))
            found[int(number)] = Survivor(int(number), where, reason)
    return found


def write_survivors(survivors: Iterable[Survivor], path: Path = SURVIVORS) -> None:
    lines = [
        "# Mutants of list.txt that no check rejects, and why: proven to change nothing, or ...\n"
    ]
    lines += [f"{s.mutant} | {s.where} | {s.reason}\n" for s in survivors]
    path.write_text("".join(lines), encoding="utf-8")


def rates(mutants: MutantList, killers: dict[int, str | None]) -> str:
    """Kill rates by module, and kills by the check that was first."""
    total, killed = Counter(), Counter()
    for k, killer in killers.items():
        for name in (mutants.module(k), "all"):
            total[name] += 1
            killed[name] += killer is not None
    lines = [
        f"{name:16} {killed[name]:4} of {n:4} killed, {100 * killed[name] / n:5.1f} %"
        for name, n in sorted(total.items(), key=lambda item: (item[0] == "all", item[0]))
    ]
    by_check = Counter(killer for killer in killers.values() if killer is not None)
    lines += [f"{name:16} {by_check[name]:4} first kills" for name in CHECKS]
    return "\n".join(lines)
