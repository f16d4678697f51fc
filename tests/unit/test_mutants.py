"""Every listed mutant of the library is killed by a test or argued; the tool that says so works.

``mutants/lists`` belongs to the text of each function as it is; ``python -m tests.unit.mutants``
brings it along. The list is checked by the tests marked slow, because a change of the library makes
a part of it stale and bringing it along takes minutes. By default a fixed sample of the mutants is
run against the tests that kill them, and the tool itself is tested.
"""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from .mutants import lists, places
from .mutants.hunting import ROOT, Source

ANEW = "python -m tests.unit.mutants"
LEAST_NOTICED = 0.90
"""Of the sample of the whole package, killed or argued: the lower end of its interval."""
MOST_ARGUED = 0.08
"""Of the listed mutants of a module: more would say that the argument is used in place of tests."""


@pytest.fixture(scope="module")
def sources() -> list[Source]:
    return [Source(module) for module in lists.modules()]


# ------------------------------------------------------------------------------------------------
# The list


@pytest.mark.slow
def test_the_list_is_of_these_sources(sources: list[Source]) -> None:
    stale = []
    for source in sources:
        blocks = lists.read(source.module)
        for unit in source.units.values():
            block = blocks.get(unit.name, lists.Block(""))
            if lists.listed(unit) and not block.is_of(unit):
                stale.append(f"{source.module}:{unit.name}")
    modules = " ".join(sorted({name.partition(":")[0] for name in stale}))
    assert not stale, f"changed, and the list not brought along: {stale}; {ANEW} {modules}"


@pytest.mark.slow
def test_what_lives_has_its_reason(sources: list[Source]) -> None:
    for source in sources:
        entries = {
            f"{unit}: {name}": entry
            for unit, block in lists.read(source.module).items()
            for name, entry in block.entries.items()
        }
        alive = [n for n, entry in entries.items() if entry.killer is None and not entry.argued]
        if lists.is_complete(source.module):
            assert not alive, f"{source.module}: kill these, or say why no test can: {alive}"
        argued = sum(entry.argued for entry in entries.values())
        assert argued <= max(3, MOST_ARGUED * len(entries)), source.module


@pytest.mark.slow
def test_most_of_the_package_is_noticed(
    sources: list[Source], report: Callable[[str], None]
) -> None:
    from ohmbench.stats import proportion_interval

    count = lists.Count()
    for entry in lists.sample_entries(sources):
        count.add(entry)
    share = proportion_interval(count.killed + count.argued, count.total)
    report(f"sample of the package: {count}; {share:.1%} killed or argued")
    assert share.low >= LEAST_NOTICED


def run(*options: str) -> str:
    """The command's output; fails where it does."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")}
    done = subprocess.run(
        [sys.executable, "-m", "tests.unit.mutants", *options],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=3000, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    return done.stdout


def test_sample_of_mutants(report: Callable[[str], None]) -> None:
    names = lists.sampled_names()
    said = run("--sample").splitlines()[-1]
    report(said)
    assert len(names) >= 100
    # Those of a function that was changed are left out until the list is brought along.
    assert int(said.split()[0]) >= len(names) / 2, f"{said}; {ANEW} --draw"


@pytest.mark.slow
def test_all_mutants(report: Callable[[str], None]) -> None:
    report(run("--check").splitlines()[-1])


# ------------------------------------------------------------------------------------------------
# What is changed

TEXT = '''
"""A module."""
import math

LIMIT = 3


class Box:
    """A class."""

    size: int = 4

    def holds(self, x: int, spare: int = 2) -> bool:
        """Whether it fits."""
        if not 0 <= x < self.size:
            raise ValueError(f"{x + 1} is not in {self.size}")
        return x + spare > LIMIT and bool(spare)


def clipped(x, low=0.5):
    total = 0
    for k in range(x):
        if k == 2:
            continue
        total += max(k, low)
    return -total[1:]
'''


def changes(text: str) -> dict[str, list[str]]:
    return {u.name: [m.name for m in u.mutants] for u in places.units("a.b", ast.parse(text))}


def test_what_is_changed() -> None:
    assert changes(TEXT) == {
        "module": ["constant: 3 -> 4", "constant: 3 -> 2"],
        "Box": ["constant: 4 -> 5", "constant: 4 -> 3"],
        "Box.holds": [
            "constant: 2 -> 3",
            "constant: 2 -> 1",
            "not: not 0 <= x < self.size -> 0 <= x < self.size",
            "compare: 0 <= x < self.size -> 0 < x < self.size",
            "compare: 0 <= x < self.size -> 0 > x < self.size",
            "compare: 0 <= x < self.size -> 0 <= x <= self.size",
            "compare: 0 <= x < self.size -> 0 <= x > self.size",
            "chain: 0 <= x < self.size -> 0 <= x",
            "chain: 0 <= x < self.size -> x < self.size",
            "constant: 0 -> 1",
            "constant: 0 -> -1",
            "remove: raise ValueError(message) -> pass",
            "return: return x + spare > LIMIT and bool(spare) -> return None",
            "drop: x + spare > LIMIT and bool(spare) -> bool(spare)",
            "drop: x + spare > LIMIT and bool(spare) -> x + spare > LIMIT",
            "compare: x + spare > LIMIT -> x + spare >= LIMIT",
            "compare: x + spare > LIMIT -> x + spare < LIMIT",
            "operator: x + spare -> x - spare",
        ],
        "clipped": [
            "constant: 0.5 -> 0.505",
            f"constant: 0.5 -> {0.5 / 1.01!r}",
            "constant: 0 -> 1",
            "constant: 0 -> -1",
            "compare: k == 2 -> k != 2",
            "constant: 2 -> 3",
            "constant: 2 -> 1",
            "remove: continue -> pass",
            "remove: total += max(k, low) -> pass",
            "operator: total += max(k, low) -> total -= max(k, low)",
            "name: max -> min",
            "return: return -total[1:] -> return None",
            "sign: -total[1:] -> +total[1:]",
            "slice: 1: -> :",
            "constant: 1 -> 2",
            "constant: 1 -> 0",
        ],
    }


def test_a_unit_keeps_names_and_digest_while_others_change() -> None:
    def by_name(text: str) -> dict[str, places.Unit]:
        return {unit.name: unit for unit in places.units("a.b", ast.parse(text))}

    before = by_name(TEXT)
    after = by_name(TEXT.replace("k == 2", "k == 5").replace('"""A class."""', "# no class\n"))
    assert [m.full_name for m in after["Box.holds"].mutants] == [
        m.full_name for m in before["Box.holds"].mutants
    ]
    same = {name for name in before if after[name].digest == before[name].digest}
    assert same == {"module", "Box", "Box.holds"}


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ('"too small"', '"below the smallest"', True),
        ('f"is {n}"', 'f"was {n}"', True),
        ('help="Ends it."', 'help="Stops."', True),
        ('"a" in n', '"b" in n', False),
        ("n, 3", "n, 4", False),
        ("ValueError(", "TypeError(", False),
        ("count=1", "count=2", False),
    ],
)
def test_digest_is_of_all_but_the_words_said_to_people(old: str, new: str, same: bool) -> None:
    text = """
def f(n, option=Option(help="Ends it.", count=1)):
    if "a" in n:
        raise ValueError("too small", n, 3)
    raise KeyError(f"is {n}")
"""
    assert text.count(old) == 1
    digests = [
        unit.digest
        for each in (text, text.replace(old, new))
        for unit in places.units("a.b", ast.parse(each))
        if unit.name == "f"
    ]
    assert (digests[0] == digests[1]) is same


def test_each_change_is_one_change_that_python_takes() -> None:
    count = sum(map(len, changes(TEXT).values()))
    seen = set()
    for number in range(count):
        tree = ast.parse(TEXT)
        mutants = [m for unit in places.units("a.b", tree) for m in unit.mutants]
        mutants[number].apply()
        compile(ast.fix_missing_locations(tree), "a.b", "exec")
        seen.add(ast.unparse(tree))
    assert len(seen) == count
    assert ast.unparse(ast.parse(TEXT)) not in seen


# ------------------------------------------------------------------------------------------------
# The hunt: in a small project beside this one, with the same tool

MODULE = """
import os

LIMIT = 3


def small(x):
    return x < LIMIT


def waits(x):
    while x > 0:
        x = x - 1
    return x


def asks(pid):
    os.kill(pid, 0)
"""
TESTS = """
import os
from ohmbench.boxes import LIMIT, asks, small, waits

def test_small():
    assert small(2)
    assert not small(4)

def test_limit():
    assert LIMIT < 5

def test_waits():
    assert waits(2) == 0

def test_asks():
    asks(os.getppid())
"""
SCRIPT = """
import sys
from tests.unit.mutants import __main__ as command, hunting, lists
hunting.PRELOADED, hunting.TEST_S = (), 2.0
lists.COMPLETE, lists.IMPORTS = ("ohmbench.boxes",), True
sys.exit(command.main())
"""


class Project:
    """A library of one module, its tests, and a copy of the tool."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        shutil.copytree(
            ROOT / "tests/unit/mutants", folder / "tests/unit/mutants",
            ignore=shutil.ignore_patterns("lists", "__pycache__"),
        )  # fmt: skip
        for name in ("tests/__init__.py", "tests/unit/__init__.py", "lib/ohmbench/__init__.py"):
            self.write(name, "")
        for name in ("stats.py", "errors.py"):
            self.write(f"lib/ohmbench/{name}", (ROOT / "lib/ohmbench" / name).read_text())
        self.write("conftest.py", 'def pytest_addoption(parser): parser.addoption("--slow")\n')
        self.write("lib/ohmbench/boxes.py", MODULE)
        self.write("tests/unit/test_boxes.py", TESTS)
        self.list = folder / "tests/unit/mutants/lists/boxes.txt"

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def run(self, *options: str) -> tuple[int, str]:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")}
        environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # that of ohmbench is not copied
        environment["PYTHONPATH"] = os.pathsep.join(map(str, (self.folder, self.folder / "lib")))
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, *options, "--tests", "tests/unit/test_boxes.py"],
            cwd=self.folder, env=environment, capture_output=True, text=True, timeout=300,
            check=False,
        )  # fmt: skip
        return done.returncode, done.stdout + done.stderr

    def killers(self) -> dict[str, str]:
        """By the mutants' units and names: what follows them in the list."""
        found, unit = {}, ""
        for line in self.list.read_text(encoding="utf-8").splitlines():
            if line.startswith("= "):
                unit = line.split()[1]
            elif "\t" in line:
                name, rest = line.split("\t", 1)
                found[f"{unit} {name}"] = rest.removeprefix("test_boxes.py::")
        return found


@pytest.mark.slow  # it waits for time limits, which a busy machine exceeds
def test_a_hunt(tmp_path: Path) -> None:
    """Who kills what, also what never ends, is computed on import, or would harm a stranger."""
    project = Project(tmp_path)
    status, output = project.run("boxes", "-v")
    assert status == 0, output
    assert project.killers() == {
        "small return: return x < LIMIT -> return None": "test_small",
        "small compare: x < LIMIT -> x <= LIMIT": "-\t?",  # 3 is not tried
        "small compare: x < LIMIT -> x > LIMIT": "test_small",
        "waits compare: x > 0 -> x >= 0": "test_waits",
        "waits compare: x > 0 -> x < 0": "test_waits",
        "waits constant: 0 -> 1": "test_waits",
        "waits constant: 0 -> -1": "test_waits",
        "waits remove: x = x - 1 -> pass": "test_waits",
        "waits operator: x - 1 -> x + 1": "test_waits",
        "waits constant: 1 -> 2": "-\t?",  # 2 becomes 0 as well
        "waits constant: 1 -> 0": "test_waits",
        "waits return: return x -> return None": "test_waits",
        "asks remove: os.kill(pid, 0) -> pass": "-\t?",
        "asks swap: os.kill(pid, 0) -> os.kill(0, pid)": "test_asks",
        "asks constant: 0 -> 1": "test_asks",
        "asks constant: 0 -> -1": "test_asks",
        "module constant: 3 -> 4": "-\t?",
        "module constant: 3 -> 2": "test_small",
    }
    assert "test_waits time: ohmbench.boxes:waits (line 13) remove: x = x - 1 -> pass" in output

    # A reason stays, a better test kills, and what is not touched is not run again.
    text = project.list.read_text().replace("x <= LIMIT\t-\t?", "x <= LIMIT\t-\tcannot be")
    project.list.write_text(text)
    better = TESTS.replace("waits(2) == 0", "waits(2) == waits(1) == 0 and small(3) is False")
    project.write("tests/unit/test_boxes.py", better)
    status, output = project.run("boxes")
    assert status == 0, output
    assert "3 mutants in" in output
    killers = project.killers()
    assert killers["small compare: x < LIMIT -> x <= LIMIT"] == "-\tcannot be"
    assert killers["waits constant: 1 -> 2"] == "test_waits"

    # The list is held against the tests: one that does not kill is found.
    assert project.run("--check")[0] == 0
    text = project.list.read_text().replace("> LIMIT\ttest_boxes.py::test_small",
                                            "> LIMIT\ttest_boxes.py::test_limit")  # fmt: skip
    project.list.write_text(text)
    status, output = project.run("--check")
    assert status == 1
    assert "x < LIMIT -> x > LIMIT: lives through tests/unit/test_boxes.py::test_limit" in output


GUARDED = """
import os, tempfile
from tests.unit.mutants.hunting import ROOT, Refused, _guard

_guard()
with tempfile.TemporaryDirectory() as folder:
    open(os.path.join(folder, "pyproject.toml"), "w").close()
    os.remove("pyproject.toml", dir_fd=os.open(folder, os.O_RDONLY))
    os.rename(folder, folder + "-moved")
    os.rename(folder + "-moved", folder)
checkout = os.open(ROOT, os.O_RDONLY)
for harm in (
    lambda: os.remove("no-such-file", dir_fd=checkout),
    lambda: os.remove("no-such-file"),
    lambda: os.rename("no-such-file", "other", src_dir_fd=checkout, dst_dir_fd=checkout),
    lambda: open(ROOT / "no-such-file", "w"),
    lambda: os.kill(os.getppid(), 15),
):
    try:
        harm()
    except Refused:
        print("refused")
"""


def test_mutants_harm_neither_strangers_nor_this_checkout() -> None:
    """Folders of their own are theirs, also where they are named by a handle."""
    done = subprocess.run(
        [sys.executable, "-c", GUARDED],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout.split()) == (0, ["refused"] * 5), done.stderr
