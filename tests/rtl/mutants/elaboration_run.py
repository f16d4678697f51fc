"""Runs the mutants of ``elaboration.py`` and keeps the list of what kills each.

A mutant is run in rows of ``configurations.py`` that tell it apart. It is killed when it cannot be
built there, or when an output differs from what is recorded for the row in some clock
(``test_configurations.py`` demands the same outputs of the same rows). Verilator's lint kills a
range that is longer than it should be, which changes nothing in simulation. A condition that
refuses other parameters is killed by its comparison with the library's. Where no row tells a
mutant apart, thousands of drawn parameters do not either: it is the same.

``python -m tests.rtl.mutants.elaboration_run`` runs all of them and writes ``elaboration.txt``
(about an hour on two idle cores). A survivor needs its reason, written by a person in place of the
``?``; reasons carry over.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from pathlib import Path
from shutil import copyfile
from tempfile import TemporaryDirectory
from threading import Lock

import numpy as np

from ohmbench.eda.hdl import sources

from ..axi_runs import axi_clocks
from ..configurations import (
    AXI_ROWS,
    BEYOND_ROWS,
    LINT_ROWS,
    ROWS,
    USUAL_ROWS,
    Configuration,
    drawn_admissible,
)
from ..cycle_model import INPUTS, Clocks, CycleModel
from ..directed import directed
from ..elaborate import Design
from ..linting import DIGITS, UNUSED, verilator
from ..replay import Recording, record_axi, record_core
from .elaboration import Mutant, Telling, mutants_of, told

LIST = Path(__file__).with_name("elaboration.txt")
SEED = 1
RANDOM_CLOCKS = 1500
MOST_CLOCKS = 12_000
"""Of what the largest rows are put through here; their registers come first."""
FIRST_ROWS = 3
"""The rows in which a mutant is run before lint is asked, which is slower; the others come last."""
SAME = "same"
REFUSES = "refuses otherwise"
LINT = "lint"
SURVIVES = "survives: "
DRAWN = 4000


class Mutants:
    """All mutants of ``hdl`` as it is, by name, and the rows that tell them apart."""

    def __init__(self) -> None:
        self.files = {path.stem: path for path in sources()}
        self.design = Design(path.read_text(encoding="utf-8") for path in self.files.values())
        found = [m for module in self.design.modules.values() for m in mutants_of(module)]
        self.by_id = {mutant.id: mutant for mutant in found}
        assert len(self.by_id) == len(found), "two mutants have one name"
        self.core_rows = sorted([*USUAL_ROWS, *ROWS], key=effort)
        self.axi_rows = sorted(AXI_ROWS, key=effort)
        self._core, self._axi = Telling(self.design), Telling(self.design)
        for row in self.core_rows:
            self._core.add("accelerator", row)
        for row in self.axi_rows:
            self._axi.add("accelerator_axi", row)

    def rows(self, mutant: Mutant) -> Iterable[Configuration]:
        """Those that tell it apart, the cheapest first."""
        rows = self.axi_rows if mutant.is_around else self.core_rows
        return (rows[k] for k in self._telling(mutant).rows(mutant))

    def is_told(self, mutant: Mutant) -> bool:
        if mutant.is_refusal and self.refuses_otherwise(mutant):
            return True
        return self._telling(mutant).tells(mutant)

    def is_longer(self, mutant: Mutant) -> bool:
        return self._telling(mutant).is_longer(mutant)

    def refuses_otherwise(self, mutant: Mutant) -> bool:
        """A row, or one that is beyond a limit."""
        changed = Design([mutant.apply(self.design.modules[mutant.site.module])])
        changed.modules = {**self.design.modules, **changed.modules}
        return any(
            bool(changed.refusals("accelerator", row.parameters())) != (row in BEYOND_ROWS.values())
            for row in (*self.core_rows, *BEYOND_ROWS.values())
        )

    def _telling(self, mutant: Mutant) -> Telling:
        return self._axi if mutant.is_around else self._core


def effort(c: Configuration) -> float:
    """About in proportion to what a clock costs in an interpreted simulation, times the clocks."""
    words = sum(memory.words for memory in c.layout().values())
    return (c.lanes * c.elements + c.classes * c.requants + 20 * c.requants + 30) * (words + 500)


def told_by_drawn(mutants: Sequence[Mutant], design: Design, n: int = DRAWN) -> list[str]:
    """Those that some drawn parameters tell apart, sorted."""
    found: set[str] = set()
    core = [m for m in mutants if not (m.is_around or m.is_refusal)]
    around = [m for m in mutants if m.is_around]
    for usual in (True, False):
        for c in drawn_admissible(11, n, usual=usual):
            found |= told(design, "accelerator", c, core)
            if usual:
                found |= told(design, "accelerator_axi", c, around)
    return sorted(found)


# ------------------------------------------------------------------------------------------------
# Running them


def core_clocks(c: Configuration) -> Clocks:
    """What a core is put through: everything once, a reset, and random clocks."""
    model = CycleModel(c, seed=SEED)
    script = model.given(directed(c, SEED).inputs()[:MOST_CLOCKS])
    reset = np.zeros((2, len(INPUTS)), np.uint64)
    reset[:, INPUTS.index("rst")] = 1
    parts = [script, model.given(reset), model.draw(RANDOM_CLOCKS)]
    return Clocks(
        *(np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(Clocks))
    )


class Hunt:
    """Runs mutants, in ``work``, a folder for files.

    Raises AssertionError when ``hdl`` as it is differs from what is recorded for a row.
    """

    def __init__(self, mutants: Mutants, work: Path) -> None:
        self.mutants, self.work = mutants, work
        self._recordings: dict[str, Recording] = {}
        self._lock = Lock()

    def verdict(self, mutant: Mutant) -> str:
        """What kills it, or that it is the same or survives."""
        if mutant.is_refusal:
            return REFUSES if self.mutants.refuses_otherwise(mutant) else SAME
        if not self.mutants.is_told(mutant):
            return SAME
        rows = list(self.mutants.rows(mutant))
        ways = [
            self._simulations(mutant, rows[:FIRST_ROWS]),
            self._lints(mutant),
            self._simulations(mutant, rows[FIRST_ROWS:]),
        ]
        if self.mutants.is_longer(mutant):
            ways[:2] = ways[1::-1]
        return next((found for way in ways for found in way), SURVIVES + "?")

    def confirms(self, mutant: Mutant, verdict: str) -> bool:
        """Whether that is what kills it."""
        if verdict in (REFUSES, SAME):
            return self.verdict(mutant) == verdict
        if verdict.endswith(LINT):
            return verdict in self._lints(mutant)
        rows = [row for row in self.mutants.rows(mutant) if row.name == verdict.split()[0]]
        return verdict in self._simulations(mutant, rows)

    def _simulations(self, mutant: Mutant, rows: Iterable[Configuration]) -> Iterable[str]:
        for row in rows:
            recording = self._recording(row, around=mutant.is_around)
            with TemporaryDirectory(dir=self.work) as folder:
                verilog = [
                    path
                    for path in self._changed(mutant, Path(folder))
                    if mutant.is_around or "axi" not in path.stem
                ]
                found = recording.difference(verilog, Path(folder) / "mutant.vvp")
            if found is not None:
                how = "differs" if found.startswith("clock") else found.partition(":")[0]
                yield f"{row.name} {how}"

    def _lints(self, mutant: Mutant) -> Iterable[str]:
        with TemporaryDirectory(dir=self.work) as folder:
            self._changed(mutant, Path(folder))
            if mutant.is_around:
                if verilator(Path(folder), "accelerator_axi", DIGITS):
                    yield f"64-100-10 {LINT}"
                return
            if verilator(Path(folder), "accelerator", DIGITS):
                yield f"64-100-10 {LINT}"
            for row in self.mutants.rows(mutant):
                given = row.parameters()
                if row in LINT_ROWS and verilator(
                    Path(folder), "accelerator", given, waived=UNUSED
                ):
                    yield f"{row.name} {LINT}"

    def _changed(self, mutant: Mutant, folder: Path) -> list[Path]:
        for stem, path in self.mutants.files.items():
            copyfile(path, folder / path.name)
            if stem == mutant.site.module:
                module = self.mutants.design.modules[stem]
                (folder / path.name).write_text(mutant.apply(module), encoding="utf-8")
        return sources(folder)

    def _recording(self, row: Configuration, *, around: bool) -> Recording:
        name = f"{'axi' if around else 'core'} {row.name}"
        with self._lock:
            if name not in self._recordings:
                folder = self.work / name
                if around:
                    made = record_axi(folder, row, axi_clocks(row, SEED))
                else:
                    made = record_core(folder, row, core_clocks(row))
                right = [p for s, p in self.mutants.files.items() if around or "axi" not in s]
                found = made.difference(right, folder / "right.vvp")
                assert found is None, f"without a mutant, {name}: {found}"
                self._recordings[name] = made
            return self._recordings[name]


# ------------------------------------------------------------------------------------------------
# The list


def read_list(path: Path = LIST) -> dict[str, str]:
    """Verdicts by name; a line is ``name => verdict``."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return dict(line.split(" => ", 1) for line in lines if not line.startswith("#"))


def write_list(verdicts: dict[str, str], path: Path = LIST) -> None:
    text = "# Mutants of the constant expressions of hdl/, and what kills each.\n"
    path.write_text(text + "".join(f"{k} => {v}\n" for k, v in verdicts.items()), encoding="utf-8")


def is_killed(verdict: str) -> bool:
    return verdict != SAME and not verdict.startswith(SURVIVES)


def rates(verdicts: dict[str, str]) -> str:
    """How many are killed, and how, by module."""
    by_module: dict[str, Counter[str]] = {}
    for name, verdict in verdicts.items():
        how = "survives" if verdict.startswith(SURVIVES) else verdict.split()[-1]
        how = {"otherwise": "refusals", "end": "built", LINT: "width check"}.get(how, how)
        for module in (name.partition(" | ")[0], "all"):
            by_module.setdefault(module, Counter())[how] += 1
    lines = []
    for module, found in sorted(by_module.items(), key=lambda item: (item[0] == "all", item[0])):
        total = sum(found.values()) - found[SAME]
        killed = total - found["survives"]
        detail = ", ".join(f"{how} {n}" for how, n in sorted(found.items()))
        lines.append(f"{module:18} {killed:4} of {total:4} killed ({detail})")
    return "\n".join(lines)


def main() -> None:
    reasons = {}
    if LIST.is_file():
        reasons = {k: v for k, v in read_list().items() if v.startswith(SURVIVES)}
    mutants = Mutants()
    with TemporaryDirectory() as work, ThreadPoolExecutor(2) as pool:
        hunt = Hunt(mutants, Path(work))
        verdicts = dict(
            zip(mutants.by_id, pool.map(hunt.verdict, mutants.by_id.values()), strict=True)
        )
    for name, verdict in verdicts.items():
        if verdict == SURVIVES + "?":
            verdicts[name] = reasons.get(name, verdict)
    same = [mutants.by_id[name] for name, verdict in verdicts.items() if verdict == SAME]
    write_list(verdicts)
    print(rates(verdicts))
    for name in told_by_drawn(same, mutants.design):
        print(f"{name}: other parameters tell it apart (python -m tests.rtl.mutants.rows)")
    for name, verdict in verdicts.items():
        if verdict == SURVIVES + "?":
            print(f"{name}: kill it, or say why")


if __name__ == "__main__":
    main()
