"""Saving survives a kill at any instant, a crash at every step, a failing and a full disk.

The writers that get killed are jobs of a fork server (``forkserver``), which is this module run
with ``-m``.
"""

from __future__ import annotations

import contextlib
import errno
import importlib
import io
import os
import pkgutil
import random
import resource
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from ohmbench import files
from ohmbench.errors import FileError
from ohmbench.files import ArraySpec, atomic_write, npz_writing, read_npz, saving, write_npz
from tests.unit.forkserver import Server, say, serve

SCHEMA = (ArraySpec("version", (), ("int64",)), ArraySpec("data", ("n",), ("float64",)))
SIZE = 40_000  # 320 kB: several writes, so that a kill can fall between them
STEP_EXIT = 77
# All of them, so that no step escapes the injector by moving from one module to another.
FILES_MODULES = [
    importlib.import_module(f"{files.__name__}.{found.name}")
    for found in pkgutil.iter_modules(files.__path__)
]


def arrays_of(version: int) -> dict[str, np.ndarray]:
    return {"version": np.array(version), "data": np.arange(SIZE) + float(version)}


# ------------------------------------------------------------------------------------------------
# Faults


class Injector:
    """Stands in for the modules through which ohmbench.files reaches the system; counts and fails.

    ``fail`` is called with the name of the step at which number ``at`` is reached.
    """

    CALLS = ("open", "fsync", "close", "link", "replace", "unlink", "scandir", "chmod", "lstat")

    def __init__(self, at: int, fail: Callable[[str], None]) -> None:
        self.steps: list[str] = []
        self._at = at
        self._fail = fail

    def step(self, name: str) -> bool:
        self.steps.append(name)
        if len(self.steps) - 1 == self._at:
            self._fail(name)
            return True
        return False

    def os(self) -> Any:
        def wrap(name: str) -> Callable[..., Any]:
            def call(*args: Any, **options: Any) -> Any:
                self.step(name)
                return getattr(os, name)(*args, **options)

            return call

        public = {name: getattr(os, name) for name in dir(os) if not name.startswith("__")}
        return SimpleNamespace(**{**public, **{name: wrap(name) for name in self.CALLS}})

    def io(self) -> Any:
        injector = self

        class File(io.FileIO):
            def write(self, data: Any) -> int:
                # The kernel may take a part only; the crash then falls after that part.
                half = memoryview(data)[: max(1, len(data) // 2)]
                written = super().write(half)
                injector.step("write")
                return written

        public = {name: getattr(io, name) for name in io.__all__}
        return SimpleNamespace(**{**public, "FileIO": File})


@contextlib.contextmanager
def injected(at: int, fail: Callable[[str], None]) -> Iterator[Injector]:
    injector = Injector(at, fail)
    with pytest.MonkeyPatch.context() as patch:
        for module in FILES_MODULES:
            for name, stand_in in (("os", injector.os()), ("io", injector.io())):
                if hasattr(module, name):
                    patch.setattr(module, name, stand_in)
        yield injector


def failing_with(code: int) -> Callable[[str], None]:
    def fail(step: str) -> None:
        raise OSError(code, os.strerror(code))

    return fail


# ------------------------------------------------------------------------------------------------
# Writers: the one under test and two with a planted fault


def naive_writer(path: str, version: int, overwrite: bool) -> None:
    """Straight to the target; the same bits as the good one, so only the kill can tell."""
    data = bytes_of(version)
    with open(path, "wb", buffering=0) as file:
        for start in range(0, len(data), 1 << 13):
            file.write(data[start : start + (1 << 13)])


def lazy_writer(path: str, version: int, overwrite: bool) -> None:
    """Acknowledges what it has not saved."""
    if version % 5 == 0:
        good_writer(path, version, overwrite)


def good_writer(path: str, version: int, overwrite: bool) -> None:
    write_npz(path, arrays_of(version), overwrite=overwrite)


WRITERS = {"good": good_writer, "naive": naive_writer, "lazy": lazy_writer}


# ------------------------------------------------------------------------------------------------
# The jobs


def do_loop(path: str, first: int, writer: str) -> None:
    for version in range(first, first + 1_000_000):
        WRITERS[writer](path, version, True)
        say(saved=version)


def do_step(path: str, version: int, overwrite: bool, at: int) -> None:
    def crash(step: str) -> None:
        os._exit(STEP_EXIT)

    with injected(at, crash):
        good_writer(path, version, overwrite)


def do_limit(path: str, version: int, limit: int) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    try:
        good_writer(path, version, True)
    except FileError as error:
        say(error=str(error))


JOBS: dict[str, Callable[..., None]] = {"loop": do_loop, "step": do_step, "limit": do_limit}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server(__name__) as running:
        yield running


# ------------------------------------------------------------------------------------------------
# Judges


def leftovers(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir() if entry.name.startswith(".ohmbench-"))


def bytes_of(version: int) -> bytes:
    """What an undisturbed save of this version holds (that it does: test_the_reference_bytes)."""
    stream = io.BytesIO()
    portable = {
        name: npz_writing._portable(name, array) for name, array in arrays_of(version).items()
    }
    npz_writing._write_members(stream, portable)
    return stream.getvalue()


def judge_saved(target: Path, lowest: int, highest: int) -> int:
    """The target is one complete version, bit for bit, between these; return which."""
    try:
        version = int(read_npz(target, SCHEMA)["version"])
    except FileError as error:
        raise AssertionError(f"not complete: {error}") from error
    assert lowest <= version <= highest, (
        f"holds version {version}, but should hold one of {lowest} to {highest}"
    )
    same = target.read_bytes() == bytes_of(version)  # pytest would explain 320 kB for minutes
    assert same, f"version {version}: other bits"
    return version


def judge_kills(server: Server, target: Path, writer: str, kills: int, seed: int) -> int:
    """Kill a writer again and again at random instants; return the last version."""
    rng = random.Random(seed)
    good_writer(str(target), 0, True)
    version = 0
    for number in range(kills):
        pid = server.send("loop", path=str(target), first=version + 1, writer=writer)
        acknowledged = version
        if rng.random() < 0.8:  # else also before the first save ends
            acknowledged = server.hear()["saved"]
        time.sleep(rng.uniform(0.0, 0.012))
        os.kill(pid, signal.SIGKILL)
        status, said = server.until_end()
        assert status == -signal.SIGKILL, f"kill {number}: the writer ended by itself ({status})"
        acknowledged = max([acknowledged, *(message["saved"] for message in said)])
        try:
            version = judge_saved(target, acknowledged, acknowledged + 1)
        except AssertionError as error:
            raise AssertionError(f"kill {number} [seed={seed}]: {error}") from error
        assert len(leftovers(target.parent)) <= 1, "leftovers of killed writers pile up"
    return version


# ------------------------------------------------------------------------------------------------
# Kills


@pytest.mark.parametrize(
    ("kills", "seed"),
    [
        pytest.param(60, 30, id="seed=30-60"),
        pytest.param(1000, 31, id="seed=31-1000", marks=pytest.mark.slow),
    ],
)
def test_killed_at_any_instant(server: Server, tmp_path: Path, kills: int, seed: int) -> None:
    target = tmp_path / "result.npz"
    version = judge_kills(server, target, "good", kills, seed)
    good_writer(str(target), version + 1, True)
    assert leftovers(tmp_path) == []
    assert judge_saved(target, version + 1, version + 1) >= kills // 2


@pytest.mark.parametrize(
    ("writer", "complaint"),
    [
        pytest.param("naive", "not complete", id="in-place"),
        pytest.param("lazy", "holds version", id="acknowledges-early"),
    ],
)
def test_planted_writer_faults_are_caught(
    server: Server, tmp_path: Path, writer: str, complaint: str
) -> None:
    with pytest.raises(AssertionError, match=complaint):
        judge_kills(server, tmp_path / "result.npz", writer, 200, seed=32)


def test_the_reference_bytes(tmp_path: Path) -> None:
    good_writer(str(tmp_path / "result.npz"), 7, False)
    assert (tmp_path / "result.npz").read_bytes() == bytes_of(7)


def test_other_bits_are_caught(tmp_path: Path) -> None:
    target = tmp_path / "result.npz"
    np.savez(target, version=np.array(3), data=np.zeros(SIZE))
    with pytest.raises(AssertionError, match="other bits"):
        judge_saved(target, 3, 3)


# ------------------------------------------------------------------------------------------------
# Every step


def steps_of_a_save(target: Path, overwrite: bool) -> list[str]:
    with injected(-1, failing_with(errno.EIO)) as injector:
        good_writer(str(target), 1, overwrite)
    return injector.steps


def expect_steps(steps: list[str], overwrite: bool) -> None:
    # The injector must sit where the saving happens, or nothing would be tested.
    publish = "replace" if overwrite else "link"
    order = ["lstat", "open", "scandir", "open", "write", "fsync", publish, "fsync", "close"]
    place = -1
    for name in order:
        assert name in steps[place + 1 :], f"no step {name!r} after {steps[: place + 1]} in {steps}"
        place = steps.index(name, place + 1)


@pytest.mark.parametrize("overwrite", [True, False], ids=["overwrite", "new"])
def test_crash_at_every_step(server: Server, tmp_path: Path, overwrite: bool) -> None:
    steps = steps_of_a_save(tmp_path / "count", overwrite)
    expect_steps(steps, overwrite)
    for at, step in enumerate(steps):
        folder = tmp_path / str(at)
        folder.mkdir()
        target = folder / "result.npz"
        if overwrite:
            good_writer(str(target), 1, False)
        server.send("step", path=str(target), version=2, overwrite=overwrite, at=at)
        status, _ = server.until_end()
        assert status == STEP_EXIT, f"step {at} ({step}) was not reached"
        if overwrite or target.exists():
            judge_saved(target, 1, 2)
        good_writer(str(target), 3, True)
        judge_saved(target, 3, 3)
        assert leftovers(folder) == [], f"after a crash at step {at} ({step})"


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO], ids=["ENOSPC", "EIO"])
@pytest.mark.parametrize("overwrite", [True, False], ids=["overwrite", "new"])
def test_error_at_every_step(tmp_path: Path, overwrite: bool, code: int) -> None:
    steps = steps_of_a_save(tmp_path / "count", overwrite)
    expect_steps(steps, overwrite)
    published = steps.index("replace" if overwrite else "link")
    for at, step in enumerate(steps):
        folder = tmp_path / str(at)
        folder.mkdir()
        target = folder / "result.npz"
        if overwrite:
            good_writer(str(target), 1, False)
        with pytest.raises(FileError, match=r"result\.npz: "), injected(at, failing_with(code)):
            good_writer(str(target), 2, overwrite)
        assert leftovers(folder) == [], f"after {errno.errorcode[code]} at step {at} ({step})"
        if at > published:  # too late to keep the old file; the new one must be complete
            judge_saved(target, 2, 2)
        elif overwrite:
            judge_saved(target, 1, 1)
        else:
            assert not target.exists(), f"half a save is visible after step {at} ({step})"


def test_an_exception_of_the_callback_leaves_nothing(tmp_path: Path) -> None:
    target = tmp_path / "result.npz"
    good_writer(str(target), 1, False)

    def broken(file: Any) -> None:
        file.write(b"half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        atomic_write(target, broken, overwrite=True)
    judge_saved(target, 1, 1)
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize("code", sorted(saving._NO_LINKS), ids=lambda code: errno.errorcode[code])
def test_without_hard_links(tmp_path: Path, code: int) -> None:
    target = tmp_path / "result.npz"

    def no_links(step: str) -> None:
        raise OSError(code, os.strerror(code))

    steps = steps_of_a_save(tmp_path / "count", overwrite=False)
    with injected(steps.index("link"), no_links):
        good_writer(str(target), 1, False)
    judge_saved(target, 1, 1)
    assert leftovers(tmp_path) == []


def test_without_hard_links_a_racing_file_survives(tmp_path: Path) -> None:
    target = tmp_path / "result.npz"

    def appear(step: str) -> None:
        target.write_bytes(b"theirs")
        raise OSError(errno.EPERM, "no links here")

    steps = steps_of_a_save(tmp_path / "count", overwrite=False)
    with pytest.raises(FileError, match="exists already"), injected(steps.index("link"), appear):
        good_writer(str(target), 1, False)
    assert target.read_bytes() == b"theirs"
    assert leftovers(tmp_path) == []


# ------------------------------------------------------------------------------------------------
# A full disk


@pytest.mark.parametrize("limit", [0, 1, 4096, 300_000])
def test_file_size_limit(server: Server, tmp_path: Path, limit: int) -> None:
    target = tmp_path / "result.npz"
    good_writer(str(target), 1, False)
    server.send("limit", path=str(target), version=2, limit=limit)
    status, said = server.until_end()
    assert status == 0
    assert len(said) == 1, "saving beyond the limit was not refused"
    assert "larger than this system lets a file grow" in said[0]["error"]
    judge_saved(target, 1, 1)
    assert leftovers(tmp_path) == []


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    if os.geteuid() != 0:
        pytest.skip("only root can mount a disk of 512 kB; the size limit test covers the rest")
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(disk)]
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    except FileNotFoundError:
        pytest.skip("no mount program to make a disk of 512 kB")
    if result.returncode:
        pytest.skip(f"no disk of 512 kB can be mounted here: {result.stderr.strip()}")
    yield disk
    subprocess.run(["umount", str(disk)], check=True, timeout=30)  # noqa: S607 - mount worked


def test_full_disk(tiny_disk: Path) -> None:
    target = tiny_disk / "result.npz"
    good_writer(str(target), 1, False)
    for name, overwrite in (("result.npz", True), ("other.npz", False)):
        with pytest.raises(FileError, match="no space left on the disk"):
            good_writer(str(tiny_disk / name), 2, overwrite)
        judge_saved(target, 1, 1)
        assert [entry.name for entry in tiny_disk.iterdir()] == ["result.npz"]


if __name__ == "__main__":
    serve(JOBS)
