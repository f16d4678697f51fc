"""Which test runs which function, and how long it takes: measured once, kept while a test stays.

Kept under ``.tox``, per file of tests, and measured anew for a file whose text has changed.
"""

from __future__ import annotations

import hashlib
import json
import os
import selectors
import shutil
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from .hunting import ROOT, Hunter, Source, Tracer, path_of

KEPT = ROOT / ".tox" / "mutants" / "reach.json"
FILE_S = 900.0


@dataclass(frozen=True)
class Test:
    """A test that passes, how long it takes, and the units that it calls."""

    id: str
    seconds: float
    units: frozenset[str]

    @property
    def file(self) -> str:
        return self.id.partition("::")[0]


def _digest(file: str) -> str:
    return hashlib.sha256((ROOT / file).read_bytes()).hexdigest()[:16]


class Reach:
    """All tests that pass, by what they call."""

    def __init__(self, tests: Iterable[Test]) -> None:
        self.tests = {test.id: test for test in tests}
        self._by_unit: dict[str, list[str]] = defaultdict(list)
        for test in self.tests.values():
            for unit in test.units:
                self._by_unit[unit].append(test.id)

    def seconds(self, test: str) -> float:
        known = self.tests.get(test)
        return known.seconds if known else 1.0

    def calling(self, module: str, unit: str) -> list[str]:
        """The tests that call a function."""
        return self._by_unit.get(f"{module}:{unit}", [])

    def touching(self, module: str) -> list[str]:
        """The tests that call any function of a module."""
        found = {t for unit, tests in self._by_unit.items()
                 if unit.partition(":")[0] == module for t in tests}  # fmt: skip
        return sorted(found)


def _kept() -> dict[str, Any]:
    return json.loads(KEPT.read_text()) if KEPT.is_file() else {}


def own_files(module: str) -> tuple[str, ...]:
    """The files in which the tests of a module belong."""
    parts = module.split(".")[1:]
    names = {"_".join(parts[k:]) for k in range(len(parts))} | {parts[0]}
    names |= {"package"}  # what is said of every module
    return tuple(f"tests/unit/test_{name}.py" for name in sorted(names))


def measure(hunter: Hunter, modules: Sequence[str], workers: int = 2) -> Reach:
    """What is kept, brought up to date for the tests that the hunter has collected."""
    kept = _kept()
    by_file: dict[str, list[pytest.Item]] = defaultdict(list)
    for item in hunter.items.values():
        by_file[item.nodeid.partition("::")[0]].append(item)
    digests = {file: _digest(file) for file in by_file}  # of what has been collected
    stale = [f for f in by_file if kept.get(f, {}).get("digest") != digests[f]]
    if stale:
        sources = {str(path_of(m)): Source(m) for m in modules}
        for file, tests in _measured(hunter, {f: by_file[f] for f in stale}, sources, workers):
            kept = _kept() | {file: {"digest": digests[file], "tests": tests}}
            KEPT.parent.mkdir(parents=True, exist_ok=True)
            fresh = KEPT.with_suffix(f".{os.getpid()}")
            fresh.write_text(json.dumps(kept))
            os.replace(fresh, KEPT)
    return Reach(
        Test(test, seconds, frozenset(units))
        for file in by_file
        for test, seconds, units in kept[file]["tests"]
        if test in hunter.items
    )


def _measured(
    hunter: Hunter, files: dict[str, list[pytest.Item]], sources: dict[str, Source], workers: int
) -> Iterator[tuple[str, list[Any]]]:
    scratch = Path(tempfile.mkdtemp(prefix="mutants-"))
    selector = selectors.DefaultSelector()
    waiting = sorted(files, key=lambda f: -len(files[f]))
    found: dict[str, list[Any]] = {}
    try:
        while waiting or selector.get_map():
            while waiting and len(selector.get_map()) < workers:
                file = waiting.pop(0)
                read, write = os.pipe()
                found[file] = []
                _start(hunter, files[file], sources, write, scratch / str(len(found)))
                os.close(write)
                selector.register(read, selectors.EVENT_READ, [file, b"", time.monotonic()])
            for key, _ in selector.select():
                file, rest, begun = key.data
                more = os.read(key.fd, 1 << 20)
                *lines, key.data[1] = (rest + more).split(b"\n")
                found[file] += [m["test"] for line in lines if "test" in (m := json.loads(line))]
                if not more:
                    selector.unregister(key.fd)
                    os.close(key.fd)
                    print(f"{file}: {len(found[file])} of {len(files[file])} tests in "
                          f"{time.monotonic() - begun:.0f} s", file=sys.stderr)  # fmt: skip
                    yield file, found[file]
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _start(
    hunter: Hunter,
    items: Sequence[pytest.Item],
    sources: dict[str, Source],
    handle: int,
    scratch: Path,
) -> None:
    def work(say: Any) -> None:
        tracer = Tracer(sources)
        for index, item in enumerate(items):
            hunter.failures.failed = False
            following = items[index + 1] if index + 1 < len(items) else None
            seconds = tracer.run(item, following)
            called = set()
            for file, line in tracer.seen:
                unit = sources[file].unit_of_line(line)
                if unit is not None:
                    called.add(f"{unit.module}:{unit.name}")
            if not hunter.failures.failed:
                say(test=[item.nodeid, round(seconds, 4), sorted(called)])

    hunter.fork(handle, scratch, work)
