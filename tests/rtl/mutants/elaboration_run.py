"""Runs a sample of the mutants of ``elaboration.py`` and keeps the list of what kills each.

There are thousands, and a run of all takes more than an hour. Which are in the sample is drawn by
their names, so that a change of ``hdl`` adds and removes its own mutants only.

A mutant is run in rows of ``configurations.py`` that tell it apart. It is killed when it cannot be
built there, or when an output differs from what is recorded for the row in some clock
(``test_configurations.py`` demands the same outputs of the same rows). Verilator's lint kills a
mutant of a width that nothing else shows. One of a refusal is killed by parameters that it refuses
otherwise. One that no row tells apart is the same if thousands of drawn parameters do not either.

``python -m tests.rtl.mutants.elaboration_run`` runs the sample and writes ``elaboration.txt``
(a quarter of an hour). A survivor needs its reason, written by a person in place of the ``?``;
reasons carry over.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from hashlib import sha256
from pathlib import Path
from shutil import copyfile
from tempfile import TemporaryDirectory

import numpy as np

from ohmbench.eda.hdl import sources
from ohmbench.stats import proportion_interval

from ..axi_runs import axi_clocks
from ..configurations import (
    AXI_LINT_ROWS,
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
"""Of the directed ones, with up to 8 inputs in a word; fewer with more, which are slow here."""
FIRST_ROWS, MORE_ROWS = 3, 12
"""Rows in which a mutant is run before lint, which is slower, is asked; and rows after that, from
the cheapest to the dearest that tell it apart."""
SAME = "same"
REFUSES = "refuses otherwise"
LINT = "lint"
SURVIVES = "survives: "
FATES = {
    "killed": "a test fails",
    "same": "no admissible parameters give the expression another value",
    "argued": "another value that nothing promised depends on, for the reason given",
    "alive": "nothing is known",
}
DRAWN = 4000
ONE_IN = 5
"""How many mutants there are to one of the sample."""


def rank(name: str) -> float:
    """At random in 0 to 1, always the same of a name."""
    return int.from_bytes(sha256(f"{SEED} {name}".encode()).digest()[:6], "big") / 2**48


def sample(names: Iterable[str], one_in: int = ONE_IN) -> list[str]:
    """In the order in which they are drawn: any first part of it is a sample too."""
    return sorted((name for name in names if rank(name) * one_in < 1), key=rank)


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
        """Whether one of them does; not for what is told by refusals."""
        return mutant.is_refusal or self._telling(mutant).tells(mutant)

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
    script = model.given(directed(c, SEED).inputs()[: MOST_CLOCKS * 8 // max(c.elements, 8)])
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

    def verdict(self, mutant: Mutant) -> str:
        """What kills it, or that it is the same or survives."""
        if mutant.is_refusal:
            return REFUSES if self.mutants.refuses_otherwise(mutant) else SURVIVES + "?"
        if not self.mutants.is_told(mutant):
            return SAME
        rows = list(self.mutants.rows(mutant))
        ways = [
            self._simulations(mutant, rows[:FIRST_ROWS]),
            self._lints(mutant),
            self._simulations(mutant, rows[FIRST_ROWS :: len(rows) // MORE_ROWS + 1]),
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
            top = "accelerator_axi" if mutant.is_around else "accelerator"
            lint_rows = AXI_LINT_ROWS if mutant.is_around else LINT_ROWS
            if verilator(Path(folder), top, DIGITS):
                yield f"64-100-10 {LINT}"
            for row in lint_rows:
                given = row.sizes() if mutant.is_around else row.parameters()
                if verilator(Path(folder), top, given, waived=UNUSED):
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


def write_list(verdicts: Mapping[str, str], total: int, path: Path = LIST) -> None:
    lines = [*head(verdicts, total), *(f"{k} => {v}" for k, v in verdicts.items())]
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def head(verdicts: Mapping[str, str], total: int) -> list[str]:
    """The list's first lines: what the sample says of all ``total`` mutants."""
    n, counts = len(verdicts), Counter(map(fate, verdicts.values()))
    lines = [
        f"# {n} of {total} mutants of constant expressions of hdl/, drawn by name, seed {SEED}.",
        "# How many, and the share of all with its 95 % Wilson interval:",
    ]
    for name, meaning in FATES.items():
        share = proportion_interval(counts[name], n)
        lines.append(f"# {name:6} {counts[name]:4}  {share:.3f}  {meaning}")
    return lines


def fate(verdict: str) -> str:
    if verdict == SURVIVES + "?":
        return "alive"
    if verdict == SAME:
        return "same"
    return "argued" if verdict.startswith(SURVIVES) else "killed"


def rates(verdicts: Mapping[str, str]) -> str:
    """How many of each fate, by module."""
    by_module: dict[str, Counter[str]] = defaultdict(Counter)
    for name, verdict in verdicts.items():
        for module in (name.partition(" | ")[0], "all"):
            by_module[module][fate(verdict)] += 1
    return "\n".join(
        f"{module:18} " + ", ".join(f"{found[name]:3} {name}" for name in FATES)
        for module, found in sorted(by_module.items(), key=lambda item: (item[0] == "all", item[0]))
    )


def main() -> None:
    reasons = {}
    if LIST.is_file():
        reasons = {k: v for k, v in read_list().items() if v.startswith(SURVIVES)}
    mutants = Mutants()
    with TemporaryDirectory() as work:
        hunt = Hunt(mutants, Path(work))
        verdicts = {name: hunt.verdict(mutants.by_id[name]) for name in sample(mutants.by_id)}
    for name, verdict in verdicts.items():
        if verdict == SURVIVES + "?":
            verdicts[name] = reasons.get(name, verdict)
    same = [mutants.by_id[name] for name, verdict in verdicts.items() if verdict == SAME]
    write_list(verdicts, len(mutants.by_id))
    print(rates(verdicts))
    for name in told_by_drawn(same, mutants.design):
        print(f"{name}: other parameters tell it apart; configurations.py lacks a row")
    for name, verdict in verdicts.items():
        if fate(verdict) == "alive":
            print(f"{name}: kill it, or say why")


if __name__ == "__main__":
    main()
