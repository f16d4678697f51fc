"""``python -m tests.unit.mutants [MODULE ...]``: bring the list of mutants along.

Tests are run against the mutants of functions whose text has changed, and against those that live
without a reason. A mutant that lives is listed with ``?``: kill it with a test, or write in its
place why no test can. Reasons stay while mutant and text stay. ``--again`` runs all of them, each
against the test that killed it before and then others. ``--check`` runs each only against the test
that kills it by the list, and ``--sample`` does so for the mutants of the default tests; both fail
if one lives. ``--draw`` draws the mutants of the default tests anew.
"""

from __future__ import annotations

import argparse
import fnmatch
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator

import pytest

from . import lists
from .hunting import OPTIONS, ROOT, Fresh, Hunt, Hunter, Job, Source, Verdict
from .lists import Block, Count, Entry
from .places import Mutant, Unit
from .reach import Reach, measure, own_files

BUDGET_S = 45.0
"""What the tests that are run against one mutant may take together."""
LONGEST_S = 12.0
FRESH_FILES = 3
TEST_FILES = ("tests/unit", "tests/synth/test_reports.py")
SELF = "tests/unit/test_mutants.py"
SAMPLE_SIZE = 100
SAMPLE_S = 0.15


class Candidates:
    """Which tests to run against a mutant, the most promising first."""

    def __init__(self, reach: Reach, budget_s: float) -> None:
        self._reach, self._budget_s = reach, budget_s
        self._kills: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)

    def killed(self, mutant: Mutant, test: str) -> None:
        self._kills[mutant.module, mutant.unit][test] += 1

    def of(self, mutant: Mutant, unit: Unit, known: str | None) -> Job:
        module = mutant.module
        own, kills = own_files(module), self._kills[module, mutant.unit]
        seconds = self._reach.seconds
        if mutant.on_import:
            calling = set(self._reach.touching(module))
        else:
            calling = set(self._reach.calling(module, unit.name))
        # A test may see what a fixture has called, for it or for a test before.
        tests = calling | {t for t in self._reach.tests if t.startswith(own)}

        def rank(test: str) -> tuple[object, ...]:
            of_module = test.endswith(f"[{module}]")  # a rule for all modules, held against this
            strange = test not in calling and not of_module
            return (
                -kills[test],
                strange,
                not of_module,
                not test.startswith(own),
                seconds(test),
                test,
            )

        chosen, spent = [], 0.0
        files: set[str] = set()
        fresh = mutant.on_import
        first = [known] if known in self._reach.tests else []
        for test in [*first, *sorted(tests, key=rank)]:
            file = test.partition("::")[0]
            if test in chosen or seconds(test) > LONGEST_S:
                continue
            if fresh and file not in files and len(files) == FRESH_FILES:
                continue
            spent += seconds(test)
            if chosen and spent > self._budget_s:
                break
            chosen.append(test)
            files.add(file)
        return Job(mutant, chosen)


class Renewal:
    """Runs what is to be run and writes what comes out."""

    def __init__(self, arguments: argparse.Namespace, fresh: Fresh) -> None:
        self._arguments, self._fresh = arguments, fresh
        names = arguments.modules or lists.modules()
        patterns = [n if n.startswith("tests.") else f"ohmbench.{n.removeprefix('ohmbench.')}"
                    for n in names]  # fmt: skip
        self.sources = [
            Source(m) for m in lists.modules() if any(fnmatch.fnmatch(m, p) for p in patterns)
        ]
        self._known = {s.module: lists.read(s.module) for s in self.sources}
        self.blocks: dict[str, dict[str, Block]] = {}

    def test_files(self) -> list[str]:
        """The modules' own tests and those that have killed their mutants, or all there are."""
        if not self._arguments.modules:
            return list(TEST_FILES)
        files = {file for source in self.sources for file in own_files(source.module)}
        for blocks in self._known.values():
            for block in blocks.values():
                files |= {e.killer.partition("::")[0] for e in block.entries.values() if e.killer}
        return sorted(file for file in files if (ROOT / file).is_file())

    def __call__(self, hunter: Hunter) -> None:
        self.reach = reach = measure(hunter, lists.modules(), self._arguments.jobs)
        self.candidates = Candidates(reach, self._arguments.budget)
        for source in self.sources:
            self._prepare(source)
        hunt = Hunt(hunter, self._fresh, reach.seconds, self._arguments.jobs)
        begun = saved = time.monotonic()
        done = 0
        for job, verdict in hunt.run(self._jobs()):
            self._note(job, verdict)
            done += 1
            if time.monotonic() > saved + 60:
                saved = time.monotonic()
                print(f"{done} mutants in {saved - begun:.0f} s, at {job.mutant.module}",
                      file=sys.stderr, flush=True)  # fmt: skip
                self._write()
        self._write()
        print(f"{done} mutants in {time.monotonic() - begun:.0f} s", file=sys.stderr)

    def _prepare(self, source: Source) -> None:
        """Blocks for the units as they are, with what is known of mutants of the same name."""
        old = self._known[source.module]
        new: dict[str, Block] = {}
        for unit in source.units.values():
            names = {m.name for m in lists.listed(unit)}
            if not names:
                continue
            block = old.get(unit.name)
            new[unit.name] = Block(unit.digest)
            if block is None:
                continue
            for mutant in lists.listed(unit):
                entry = block.entries.get(mutant.name)
                if entry is None:
                    continue
                if block.digest == unit.digest:
                    new[unit.name].entries[mutant.name] = entry
                if entry.killer is not None:
                    self.candidates.killed(mutant, entry.killer)
        self.blocks[source.module] = new

    def _jobs(self) -> Iterator[Job]:
        """Those that need an import of their own come last: they take longest."""
        for fresh in (False, True):
            for source in self.sources:
                yield from self._jobs_of(source, fresh)

    def _jobs_of(self, source: Source, fresh: bool) -> Iterator[Job]:
        for unit in source.units.values():
            for mutant in lists.listed(unit):
                if mutant.on_import is not fresh:
                    continue
                entry = self.blocks[source.module][unit.name].entries.get(mutant.name)
                settled = entry is not None and (entry.killer is not None or entry.argued)
                if settled and not self._arguments.again:
                    continue
                before = self._known[source.module].get(unit.name)
                known = before.entries.get(mutant.name) if before else None
                killer = known.killer if known else None
                yield self.candidates.of(mutant, unit, killer)

    def _note(self, job: Job, verdict: Verdict) -> None:
        mutant = job.mutant
        entries = self.blocks[mutant.module][mutant.unit].entries
        old = self._known[mutant.module].get(mutant.unit)
        before = old.entries.get(mutant.name) if old else None
        if verdict.killer is None:
            reason = before.reason if before is not None and before.killer is None else ""
            entries[mutant.name] = Entry(None, reason or lists.UNKNOWN)
        else:
            entries[mutant.name] = Entry(verdict.killer)
            self.candidates.killed(mutant, verdict.killer)
        if self._arguments.verbose:
            print(f"{verdict.took_s:5.1f} s {verdict.killer} {verdict.how}: {mutant}",
                  file=sys.stderr, flush=True)  # fmt: skip

    def _write(self) -> None:
        for source in self.sources:
            blocks = dict(self._known[source.module])
            for name, block in self.blocks[source.module].items():
                if block.entries:
                    blocks[name] = block
            lists.write(source, blocks)


class Recheck:
    """Runs mutants against the tests that kill them by the list."""

    def __init__(self, names: list[str], fresh: Fresh, jobs: int) -> None:
        self._fresh, self._workers = fresh, jobs
        self.jobs: list[Job] = []
        self.lives: list[str] = []
        wanted = set(names)
        sources = [Source(m) for m in sorted({name.partition(":")[0] for name in names})]
        for source in sources:
            blocks = lists.read(source.module)
            for unit in source.units.values():
                block = blocks.get(unit.name)
                if block is None or block.digest != unit.digest:
                    continue  # stale, which the list's own test says
                for mutant in unit.mutants:
                    entry = block.entries.get(mutant.name)
                    if mutant.full_name in wanted and entry is not None and entry.killer:
                        self.jobs.append(Job(mutant, [entry.killer]))

    @property
    def files(self) -> list[str]:
        return sorted({job.tests[0].partition("::")[0] for job in self.jobs})

    def __call__(self, hunter: Hunter) -> None:
        known, unknown = [], []
        for job in self.jobs:
            (known if job.tests[0] in hunter.items else unknown).append(job)
        self.lives += [f"{job.mutant}: no test {job.tests[0]}" for job in unknown]
        hunt = Hunt(hunter, self._fresh, lambda test: 1.0, self._workers)
        for job, verdict in hunt.run(known):
            if verdict.killer is None:
                self.lives.append(f"{job.mutant}: lives through {job.tests[0]}")


def recheck(names: list[str], fresh: Fresh, jobs: int) -> int:
    check = Recheck(names, fresh, jobs)
    begun = time.monotonic()
    status = pytest.main([*OPTIONS, "--slow", *check.files], plugins=[Hunter(check)])
    if status not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        return int(status)
    for line in check.lives:
        print(line)
    print(f"{len(check.jobs)} of {len(names)} mutants run in {time.monotonic() - begun:.0f} s, "
          f"{len(check.lives)} live")  # fmt: skip
    return 1 if check.lives else 0


def all_killed() -> dict[str, str]:
    """The test that kills each listed mutant, by the mutant's full name."""
    return {
        f"{module}:{unit} {name}": entry.killer
        for module in lists.modules()
        for unit, block in lists.read(module).items()
        for name, entry in block.entries.items()
        if entry.killer is not None
    }


def draw_sample(reach: Reach) -> list[str]:
    """Mutants whose killer is quick, without an import of their own, in the order of the draw."""
    quick = []
    for module in lists.modules():
        source, blocks = Source(module), lists.read(module)
        for unit in source.units.values():
            entries = blocks[unit.name].entries if unit.name in blocks else {}
            for mutant in unit.mutants:
                entry = entries.get(mutant.name)
                if entry is None or entry.killer is None or mutant.on_import:
                    continue
                if reach.seconds(entry.killer) <= SAMPLE_S:
                    quick.append((lists.draw(mutant), mutant.full_name))
    return sorted(name for _, name in sorted(quick)[:SAMPLE_SIZE])


def report(sources: list[Source]) -> None:
    """Counts by package, and the mutants that live without a reason."""
    counts: dict[str, Count] = defaultdict(Count)
    for source in sources:
        for unit in source.units.values():
            block = lists.read(source.module).get(unit.name)
            for mutant in lists.listed(unit):
                entry = block.entries.get(mutant.name) if block else None
                entry = entry or Entry(None, lists.UNKNOWN)
                counts[source.module].add(entry)
                if entry.killer is None and not entry.argued:
                    print(mutant)
    for name, count in counts.items():
        print(f"{name:40} {count}")
    sample = Count()
    for entry in lists.sample_entries(map(Source, lists.modules())):
        sample.add(entry)
    from ohmbench.stats import proportion_interval  # not before Fresh: its children import it

    noticed = sample.killed + sample.argued
    share = proportion_interval(noticed, sample.total)
    print(f"{'sample of the whole package':40} {sample}: {share:.1%} killed or argued")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.unit.mutants", description=__doc__)
    parser.add_argument("modules", nargs="*", help="digital.golden, files.*, ... (default: all)")
    parser.add_argument("--again", action="store_true", help="run all, not only what has changed")
    parser.add_argument("--check", action="store_true", help="run all against their killers")
    parser.add_argument("--sample", action="store_true", help="run the default tests' sample")
    parser.add_argument("--draw", action="store_true", help="draw the default tests' sample anew")
    parser.add_argument("--report", action="store_true", help="only say what the list says")
    parser.add_argument("--tests", nargs="+", help="files of tests to use instead")
    parser.add_argument("--budget", type=float, default=BUDGET_S, help="seconds of tests a mutant")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--verbose", "-v", action="store_true")
    arguments = parser.parse_args()
    fresh = Fresh()
    if arguments.sample or arguments.check:
        names = lists.sampled_names() if arguments.sample else list(all_killed())
        return recheck(names, fresh, arguments.jobs)
    renewal = Renewal(arguments, fresh)
    if not arguments.report:
        status = pytest.main(
            [*OPTIONS, f"--ignore={SELF}", *(arguments.tests or renewal.test_files())],
            plugins=[Hunter(renewal)],
        )
        if status not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
            return int(status)
    if arguments.draw:
        lists.SAMPLE.write_text("\n".join(draw_sample(renewal.reach)) + "\n", encoding="utf-8")
    report(renewal.sources)
    return 0


if __name__ == "__main__":
    sys.exit(main())
