"""What is kept of the mutants: who kills each, or why it may live.

One file per module in ``lists``. A block per unit begins with ``= UNIT DIGEST``; the digest is that
of the unit's text, so a change makes its own block stale and no other. Below, one line per mutant:
its name, a tab, and the test that kills it, or ``-``, a tab, and the reason why none can.
Of the modules in ``COMPLETE`` every mutant is listed, of others those that ``is_sampled`` draws;
of either only what needs no import of its own unless ``IMPORTS`` says so.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from .hunting import LIBRARY, ROOT, Source
from .places import Mutant, Unit

FOLDER = Path(__file__).with_name("lists")
SAMPLE = FOLDER / "sample.txt"
"""The mutants of the default tests, by their full names."""
SEED = 1
SHARE = 1 / 40
"""The part of the other modules' mutants that is listed."""
TESTS = "tests/unit/"
"""What the list leaves out of the names of tests."""
IMPORTS = False
"""Whether mutants that need an import of their own are listed: defaults, constants, bodies of
classes, compiled code. Each takes seconds (compiled ones a minute) where others take tenths."""
UNKNOWN = "?"
"""The reason of a mutant that lives and has none yet."""

COMPLETE = (
    "ohmbench.claims.ledger",
    "ohmbench.claims.needs_marker",
    "ohmbench.claims.outcomes",
    "ohmbench.claims.planting",
    "ohmbench.claims.plugin",
    "ohmbench.claims.running",
    "ohmbench.digital.evaluation",
    "ohmbench.digital.golden",
    "ohmbench.digital.hostmap",
    "ohmbench.digital.importing.fitting",
    "ohmbench.digital.importing.proof",
    "ohmbench.digital.importing.reachable",
    "ohmbench.digital.importing.verdict",
    "ohmbench.digital.integer.evaluation",
    "ohmbench.digital.integer.golden",
    "ohmbench.digital.integer.prove",
    "ohmbench.digital.integer.ranges",
    "ohmbench.digital.integer.search",
    "ohmbench.digital.integer.trace",
    "ohmbench.digital.integer.two_layers",
    "ohmbench.digital.prove",
    "ohmbench.digital.published",
    "ohmbench.digital.stages",
    "ohmbench.digital.trace",
    "ohmbench.digital.widths",
    "ohmbench.floatgate.evaluation",
    "ohmbench.floatgate.piecewise",
    "ohmbench.floatgate.power",
    "ohmbench.floatgate.programming",
    "ohmbench.floatgate.ranges",
    "ohmbench.stats",
    "tests.unit.asserts",
)
"""Modules of golden models, checkers and statistics; ``.*``: all modules of a package."""


def modules() -> list[str]:
    """Every module of the library, and the helpers of tests that are listed."""
    files = sorted((LIBRARY / "ohmbench").rglob("*.py"))
    found = [".".join(f.relative_to(LIBRARY).with_suffix("").parts) for f in files]
    others = [name for name in COMPLETE if not name.startswith("ohmbench.")]
    return [name.removesuffix(".__init__") for name in found] + others


def is_complete(module: str) -> bool:
    return module in COMPLETE or f"{module.rpartition('.')[0]}.*" in COMPLETE


def draw(mutant: Mutant) -> float:
    """A number from 0 to 1 that belongs to the mutant, whatever else there is."""
    return draw_name(mutant.full_name)


def draw_name(full_name: str) -> float:
    """The same by the mutant's full name."""
    digest = hashlib.sha256(f"{SEED} {full_name}".encode()).digest()
    return int.from_bytes(digest[:6], "big") / 2**48


def is_sampled(mutant: Mutant) -> bool:
    return draw(mutant) < SHARE


def listed(unit: Unit) -> list[Mutant]:
    """The mutants of a unit that belong on the list."""
    complete = is_complete(unit.module)
    return [
        mutant
        for mutant in unit.mutants
        if (IMPORTS or not mutant.on_import) and (complete or is_sampled(mutant))
    ]


@dataclass
class Entry:
    """What became of a mutant."""

    killer: str | None
    reason: str = ""

    @property
    def argued(self) -> bool:
        return self.killer is None and self.reason != UNKNOWN


@dataclass
class Block:
    """The entries of a unit, by the mutants' names, and the digest of the text they belong to."""

    digest: str
    entries: dict[str, Entry] = field(default_factory=dict)

    def is_of(self, unit: Unit) -> bool:
        return self.digest == unit.digest and set(self.entries) == {m.name for m in listed(unit)}


def _file(module: str) -> Path:
    return FOLDER / f"{module.removeprefix('ohmbench.')}.txt"


def read(module: str) -> dict[str, Block]:
    """The blocks of a module; none where it has no list."""
    blocks: dict[str, Block] = {}
    if not _file(module).is_file():
        return blocks
    for line in _file(module).read_text(encoding="utf-8").splitlines():
        if line.startswith("= "):
            name, _, digest = line[2:].rpartition(" ")
            block = blocks[name] = Block(digest)
        elif line and not line.startswith("#"):
            mutant, killer, *reason = line.split("\t")
            block.entries[mutant] = (
                Entry(None, reason[0]) if killer == "-" else Entry(_long(killer))
            )
    return blocks


def write(source: Source, blocks: dict[str, Block]) -> None:
    """In the order of the source; what is no longer there goes."""
    which = "all" if is_complete(source.module) else "a sample"
    lines = [f"# {source.module}: {which} of its mutants"]
    for unit in source.units.values():
        block = blocks.get(unit.name)
        names = [mutant.name for mutant in listed(unit)]
        if block is None or not names:
            continue
        lines.append(f"= {unit.name} {block.digest}")
        order = {name: k for k, name in enumerate(names)}
        for name, entry in sorted(block.entries.items(), key=lambda e: order.get(e[0], -1)):
            end = f"-\t{entry.reason}" if entry.killer is None else _short(entry.killer)
            lines.append(f"{name}\t{end}")
    if len(lines) > 1:
        FOLDER.mkdir(exist_ok=True)
        _file(source.module).write_text("\n".join(lines) + "\n", encoding="utf-8")
    else:
        _file(source.module).unlink(missing_ok=True)


def _short(test: str) -> str:
    return test.removeprefix(TESTS)


def _long(test: str) -> str:
    return test if (ROOT / test.partition("::")[0]).is_file() else TESTS + test


def sampled_names() -> list[str]:
    """The full names of the mutants of the default tests."""
    return [line for line in SAMPLE.read_text(encoding="utf-8").splitlines() if line]


@dataclass
class Count:
    """How many mutants were killed, are argued, or live without a reason."""

    killed: int = 0
    argued: int = 0
    alive: int = 0

    def add(self, entry: Entry) -> None:
        if entry.killer is not None:
            self.killed += 1
        elif entry.argued:
            self.argued += 1
        else:
            self.alive += 1

    @property
    def total(self) -> int:
        return self.killed + self.argued + self.alive

    def __str__(self) -> str:
        return (
            f"{self.total:5} mutants, {self.killed:5} killed, {self.argued:3} argued, "
            f"{self.alive:3} alive"
        )


def sample_entries(sources: Iterable[Source]) -> Iterator[Entry]:
    """What became of the sample of the whole package: of complete modules the same share."""
    for source in sources:
        if source.module.startswith("ohmbench."):
            blocks = read(source.module)
            for unit in source.units.values():
                for mutant in filter(is_sampled, listed(unit)):
                    block = blocks.get(unit.name, Block(""))
                    yield block.entries.get(mutant.name, Entry(None, UNKNOWN))
