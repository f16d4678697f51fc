"""The cache of builds: names by everything that was read, nothing half made, no race lost."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ohmbench.eda import cache
from ohmbench.eda.cache import (
    CACHE_VARIABLE,
    CacheEntry,
    cache_folder,
    content_key,
    keep_text,
    remove_abandoned,
    work_folder,
)
from ohmbench.eda.tools import ToolError
from ohmbench.errors import FileError

# ------------------------------------------------------------------------------------------------
# Where it is


@pytest.mark.parametrize("variable", ["XDG_CACHE_HOME", CACHE_VARIABLE])
def test_the_cache_is_where_the_user_says(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str
) -> None:
    monkeypatch.delenv(CACHE_VARIABLE, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    for value in (str(tmp_path / "mine"), "~/mine"):
        monkeypatch.setenv(variable, value)
        assert cache_folder().is_relative_to(tmp_path / "mine")


def test_without_a_home_folder_it_has_to_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in (CACHE_VARIABLE, "XDG_CACHE_HOME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    with pytest.raises(FileError, match=f"no home folder; set {CACHE_VARIABLE}"):
        cache_folder()


# ------------------------------------------------------------------------------------------------
# Names


def test_the_key_is_of_contents_in_any_encoding(tmp_path: Path) -> None:
    file = tmp_path / "a.v"
    keys = set()
    for content in (b"// caf\xe9", b"// caf\xe8", b"// caf\xc3\xa9"):
        file.write_bytes(content)
        keys.add(content_key("x", files=[file]))
    keys |= {content_key("// caf\udce9"), content_key("// caf\udce8")}
    assert len(keys) == 5


def test_an_input_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match=r"gone\.v: No such file"):
        content_key(files=[tmp_path / "gone.v"])


class Tool:
    """A build that copies its input and the file that the input names, as a compiler includes it:
    from the first of its folders that has it."""

    def __init__(self, tmp_path: Path) -> None:
        self.folders = [tmp_path / name for name in ("first", "second")]
        for folder in self.folders:
            folder.mkdir()
        self.input = self.folders[0] / "input"
        self.runs = 0
        self.meanwhile: Callable[[], object] = lambda: None

    @property
    def entry(self) -> CacheEntry:
        def inputs() -> list[str]:
            return [self.input.read_text()]

        return CacheEntry(self.folders[0].parent / "cache", "tool", inputs, tuple(self.folders))

    def make(self, work: Path) -> tuple[Path, list[Path]]:
        self.runs += 1
        text, reads = self.input.read_text(), []
        while "include " in text:
            before, _, name = text.partition("include ")
            found = next(f / name for f in self.folders if (f / name).is_file())
            reads.append(found)
            text = before + found.read_text()
        self.meanwhile()
        (work / "product").write_text(text)
        return work / "product", reads

    def build(self) -> str:
        return self.entry.file(".out", self.make).read_text()


@pytest.fixture
def tool(tmp_path: Path) -> Tool:
    return Tool(tmp_path)


_touched = cache._touched


def test_a_file_is_touched_by_its_place_in_the_folder_too(tmp_path: Path) -> None:
    """A copy that kept an old time of its contents, moved here just now, is another file."""
    since = time.time()
    made, link = tmp_path / "made", tmp_path / "link"
    made.write_text("other")
    os.utime(made, (0, 0))
    link.symlink_to(made)
    assert _touched(str(made), since)
    assert _touched(str(link), since)
    later = since + 3600
    assert not _touched(str(made), later)
    assert not _touched(str(link), later)
    assert not _touched(str(tmp_path / "absent"), since)


@pytest.fixture(autouse=True)
def _files_are_old(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests write files the moment before; only those about that want it noticed."""
    monkeypatch.setattr(cache, "_touched", lambda path, since: False)


def test_what_was_read_is_read_again_when_it_changes(tool: Tool) -> None:
    one, two = (tool.folders[1] / name for name in ("one", "two"))
    tool.input.write_text("a include one")
    one.write_text("b include two")
    two.write_text("c")
    assert (tool.build(), tool.build(), tool.runs) == ("a b c", "a b c", 1)
    two.write_text("d")
    assert (tool.build(), tool.build(), tool.runs) == ("a b d", "a b d", 2)
    two.write_text("c")  # what was built of it is still there
    assert (tool.build(), tool.runs) == ("a b c", 2)
    one.write_text("e")
    assert (tool.build(), tool.runs) == ("a e", 3)
    two.unlink()  # no longer read
    assert (tool.build(), tool.runs) == ("a e", 3)
    tool.input.write_text("f")
    assert (tool.build(), tool.build(), tool.runs) == ("f", "f", 4)


def test_a_file_behind_the_one_that_was_read_does_not_count(tool: Tool) -> None:
    """Of the same name, in a folder where the tool looks later."""
    tool.input.write_text("a include one")
    read, behind = (folder / "one" for folder in tool.folders)
    read.write_text("b")
    behind.write_text("c")
    assert tool.build() == "a b"
    behind.write_text("d")
    assert (tool.build(), tool.runs) == ("a b", 1)


def test_a_file_that_appears_where_the_tool_looks_first_is_read(tool: Tool) -> None:
    tool.input.write_text("include one")
    (tool.folders[1] / "one").write_text("second")
    assert (tool.build(), tool.build(), tool.runs) == ("second", "second", 1)
    (tool.folders[0] / "one").write_text("first")
    assert (tool.build(), tool.build(), tool.runs) == ("first", "first", 2)
    (tool.folders[0] / "one").unlink()
    assert tool.build() == "second"


texts = st.sampled_from(["x", "y", "include one", "include two", "z include two"])
files = st.sampled_from([("first", "one"), ("second", "one"), ("first", "two"), ("second", "two")])
edits = st.lists(st.tuples(files, st.none() | texts), max_size=8)


@given(st.lists(edits, max_size=6))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_it_is_always_what_a_build_from_nothing_gives(
    tmp_path_factory: pytest.TempPathFactory, steps: list
) -> None:
    """Whatever changes, appears and vanishes between builds; includes of itself aside."""
    base = tmp_path_factory.mktemp("tool")
    tool = Tool(base)
    tool.input.write_text("include one")
    for name in ("one", "two"):
        (tool.folders[1] / name).write_text(name)
    for step in [[], *steps]:
        for (folder, name), text in step:
            path = base / folder / name
            if text is None:
                if folder == "first":  # one of each name always stays
                    path.unlink(missing_ok=True)
            elif name == "one" or "include" not in text:  # nothing includes itself
                path.write_text(text.replace("include one", "include two"))
        fresh = base / "fresh"
        fresh.mkdir(exist_ok=True)
        product, _ = tool.make(fresh)
        assert tool.build() == product.read_text()


def test_the_same_files_in_another_checkout_are_the_same_build(tmp_path: Path) -> None:
    names = []
    for checkout in ("one", "two"):
        (tmp_path / checkout).mkdir()
        tool = Tool(tmp_path / checkout)
        tool.input.write_text("include sub")
        (tool.folders[1] / "sub").write_text("same")
        tool.build()
        names.append(tool.entry.name())
    assert names[0] == names[1]


@pytest.mark.parametrize("damage", ["", "not JSON", "{}", "[1]"])
def test_a_damaged_list_of_reads_costs_a_build_and_no_more(tool: Tool, damage: str) -> None:
    tool.input.write_text("include one")
    (tool.folders[0] / "one").write_text("a")
    tool.build()
    (reads,) = (tool.folders[0].parent / "cache").glob("*.reads.json")
    reads.write_text(damage)
    (tool.folders[0] / "one").write_text("b")
    assert (tool.build(), tool.build()) == ("b", "b")


def test_a_file_that_changes_during_the_build_is_built_as_it_is_afterwards(tool: Tool) -> None:
    one = tool.folders[0] / "one"
    tool.input.write_text("include one")
    one.write_text("before")
    tool.build()
    one.write_text("during")

    def save() -> None:
        tool.meanwhile = lambda: None
        one.write_text("after")

    tool.meanwhile = save
    assert tool.build() == "after"
    one.write_text("during")
    assert tool.build() == "during"


def test_an_input_that_changes_during_the_build_is_built_as_it_is_afterwards(tool: Tool) -> None:
    tool.input.write_text("before")

    def save() -> None:
        tool.meanwhile = lambda: None
        tool.input.write_text("after")

    tool.meanwhile = save
    assert tool.build() == "after"
    tool.input.write_text("before")
    assert tool.build() == "before"


def test_a_file_that_never_rests_is_given_up(tool: Tool, tmp_path: Path) -> None:
    one = tool.folders[0] / "one"
    tool.input.write_text("include one")
    one.write_text("0")
    tool.build()
    one.write_text("1")
    tool.meanwhile = lambda: one.write_text(one.read_text() + "1")
    with pytest.raises(ToolError, match="one changes while it is read"):
        tool.build()
    assert tool.runs == 1 + cache._ATTEMPTS


def test_a_file_first_found_in_the_build_may_have_changed_since_it_began(
    tool: Tool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody knows what it was when it was read: the build is made again, with an eye on it."""
    monkeypatch.undo()
    one = tool.folders[0] / "one"
    tool.input.write_text("include one")
    one.write_text("before")

    def save() -> None:
        tool.meanwhile = lambda: None
        one.write_text("after")

    tool.meanwhile = save
    assert (tool.build(), tool.runs) == ("after", 2)


# ------------------------------------------------------------------------------------------------
# Work folders


def test_builds_that_were_killed_are_removed(tmp_path: Path) -> None:
    for name, age_s in (("build-old", 1e6), ("build-new", 10.0), ("other", 1e6)):
        (tmp_path / name).mkdir()
        then = time.time() - age_s
        os.utime(tmp_path / name, (then, then))
    remove_abandoned(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["build-new", "other"]


def test_a_killed_build_that_cannot_be_removed_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "build-old").mkdir()
    os.utime(tmp_path / "build-old", (0, 0))

    def refuses(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patched:
        patched.setattr(os, "rmdir", refuses)
        remove_abandoned(tmp_path)
    assert (tmp_path / "build-old").is_dir()


def test_what_the_file_system_refuses_is_one_line_that_names_it(tmp_path: Path) -> None:
    source = tmp_path / "elsewhere" / "source.v"
    with pytest.raises(ToolError) as caught, work_folder(tmp_path / "cache"):
        source.read_text()
    assert str(caught.value) == f"{source}: No such file or directory"
    (tmp_path / "file").touch()
    with (
        pytest.raises(ToolError, match=rf"file.*; set {CACHE_VARIABLE}$"),
        work_folder(tmp_path / "file" / "cache"),
    ):
        pass


PROCESSES = 4
ROUNDS = 25
CONTENDERS = r"""
import os, sys, traceback
from contextlib import suppress
from pathlib import Path
from ohmbench.eda.cache import CacheEntry, keep_text, work_folder
from ohmbench.eda.synthesis.result import Cost
from ohmbench.eda.synthesis.runs import kept_run

cache, processes, rounds = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
cost = Cost(wall_s=1.0, peak_memory_MiB=1.0)

def make(work):
    (work / "out").write_text("made " * 100)
    return work / "out", ()

def contend():
    for k in range(rounds):
        for _ in range(4):
            with work_folder(cache) as work:
                (work / "x").touch()
        assert CacheEntry(cache, f"entry {k}").file(".out", make).read_text() == "made " * 100
        if k % 5 == 0:
            keep_text(cache / "text", f"{k} " * 100)
            found, folder = kept_run(f"run-{k}", Cost, lambda work: (cost, ()))
            assert found == cost
            # Damage, unless another process saw it first and is just making the run anew.
            with suppress(FileNotFoundError):
                (folder / "result.json").write_text("")

go, started = os.pipe()
for _ in range(processes):
    if os.fork() == 0:
        os.close(started)
        os.read(go, 1)  # until all are there
        try:
            contend()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
os.close(started)
print(sum(os.waitpid(-1, 0)[1] == 0 for _ in range(processes)))
"""


def test_processes_on_one_cache_do_not_get_in_each_others_way(tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", CONTENDERS, tmp_path / "cache", str(PROCESSES), str(ROUNDS)],
        capture_output=True,
        text=True,
        timeout=300,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(sys.path),
            CACHE_VARIABLE: str(tmp_path / "cache"),
            "OPENBLAS_NUM_THREADS": "1",  # a fork takes no threads along
        },
    )
    assert done.stdout.strip() == str(PROCESSES), done.stderr
    assert not list((tmp_path / "cache").rglob("build-*"))
    assert len(set((tmp_path / "cache" / "text").read_text().split())) == 1


def test_text_is_kept_whole_in_any_encoding(tmp_path: Path) -> None:
    keep_text(tmp_path / "new" / "a.v", "// caf\udce9\n")
    assert (tmp_path / "new" / "a.v").read_bytes() == b"// caf\xe9\n"
