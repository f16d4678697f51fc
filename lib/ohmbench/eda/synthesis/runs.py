"""Running one program and measuring it; keeping finished runs under the hash of their inputs.

A run's folder holds its ``result.json`` and its reports. Large files are compressed.
"""

from __future__ import annotations

import errno
import gzip
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from ohmbench.eda.cache import CACHE_VARIABLE, CacheEntry, cache_folder, work_folder
from ohmbench.eda.environment import tool_environment
from ohmbench.eda.synthesis.result import Cost, read_record, write_record
from ohmbench.eda.tools import ToolError
from ohmbench.errors import FileError
from ohmbench.fields import Record

RESULT = "result.json"
COMPRESSED_FROM_BYTES = 200_000

R = TypeVar("R", bound=Record)


class DoesNotFit(ToolError):
    """The design needs more cells or wires than the device has."""


class Refused(Record):
    """Why a design did not fit. Kept like a result, because finding out takes as long."""

    reason: str


_running: set[int] = set()
"""Process groups that are running, of all threads."""


def end_all() -> None:
    """Kill what ``run_measured`` runs in other threads, which an interrupt does not reach."""
    for group in tuple(_running):
        with suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)


class Failed(ToolError):
    """A program that ended with an exit status other than 0; ``output`` is what it printed."""

    def __init__(self, message: str, output: str) -> None:
        self.output = output
        super().__init__(message)


def run_measured(
    command: Sequence[str],
    folder: Path,
    *,
    log: str,
    name: str,
    timeout_s: float,
    error: str,
    environment: Mapping[str, str] | None = None,
) -> Cost:
    """Run a program in ``folder``, its output in the file ``log`` there; return time and memory.

    Memory is that of its largest process. The default environment is ``tool_environment()``. Raises
    Failed, with the first line of output that contains ``error``, and ToolError when the program
    takes longer than ``timeout_s`` seconds. However this call ends, the program and its children
    end with it.
    """
    started = time.monotonic()
    with (folder / log).open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - tools of the table, arguments of our own
            command,
            cwd=folder,
            env=tool_environment() if environment is None else environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    late = threading.Event()

    def end() -> None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)

    def too_late() -> None:
        late.set()
        end()

    timer = threading.Timer(timeout_s, too_late)
    timer.start()
    _running.add(process.pid)
    try:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    finally:
        timer.cancel()
        _running.discard(process.pid)
        if process.returncode is None:
            end()
            process.wait()
    if late.is_set():
        raise ToolError(f"{name} took more than {timeout_s} s")
    if process.returncode != 0:
        text = (folder / log).read_text(encoding="utf-8", errors="replace")
        lines = [line.strip() for line in text.splitlines() if line.strip()] or ["no message"]
        shown = next((line for line in lines if error in line), lines[-1])
        raise Failed(f"{name} failed: {shown}", text)
    unit = 1 if sys.platform == "darwin" else 1024  # unit of ru_maxrss in bytes
    return Cost(
        wall_s=round(time.monotonic() - started, 3),
        peak_memory_MiB=round(usage.ru_maxrss * unit / 2**20, 1),
    )


def runs_folder() -> Path:
    """The folder of finished runs."""
    return cache_folder() / "synthesis"


def _reads_nothing_else(work: Path) -> Iterable[Path]:
    return ()


def kept_run(
    key: str,
    kind: type[R],
    make: Callable[[Path], tuple[R, Iterable[str]]],
    *,
    reads: Callable[[Path], Iterable[Path]] = _reads_nothing_else,
    anew: bool = False,
) -> tuple[R, Path]:
    """The record of the run ``key`` and its folder, from the cache or made now by ``make``.

    ``make`` works in the folder that it is given and returns the record and the names of the files
    to keep. ``reads`` is then called with that folder and returns the files that were read but are
    not covered by ``key``. ``anew``: neither use the cache nor store the run. A cached run that
    cannot be read is made again. The refusal of a design that does not fit is cached too, and
    raised again.
    """
    entry = CacheEntry(runs_folder(), key)
    folder = runs_folder() / f"{key}-{entry.name()}"
    if not anew:
        found = _read(folder, kind)
        if found is not None:
            return found, folder
        refused = _read_record(_refused(folder), Refused)
        if refused is not None:
            raise DoesNotFit(refused.reason)
    with work_folder(runs_folder()) as work:
        made: list[tuple[R, Path]] = []

        def build() -> Iterable[Path]:
            attempt = work / f"attempt{len(made)}"
            attempt.mkdir()
            made.append(_made(attempt, make))
            return reads(attempt)

        try:
            folder = runs_folder() / f"{key}-{entry.make(build)}"
        except DoesNotFit as error:
            write_record(_refused(folder), Refused(reason=str(error)), overwrite=True)
            raise
        record, finished = made[-1]
        if not anew:
            _publish(finished, folder, kind)
    return record, folder


def _refused(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.refused.json")


def _made(work: Path, make: Callable[[Path], tuple[R, Iterable[str]]]) -> tuple[R, Path]:
    """Return the record, and a folder with it and the files to keep."""
    record, files = make(work)
    finished = work / "finished"
    finished.mkdir()
    for name in files:
        keep(work / name, finished)
    write_record(finished / RESULT, record)
    return record, finished


def _read(folder: Path, kind: type[R]) -> R | None:
    return _read_record(folder / RESULT, kind)


def _read_record(path: Path, kind: type[R]) -> R | None:
    """The record, or None when it does not exist or is damaged."""
    try:
        return read_record(path, kind)
    except FileError:
        return None


_PUBLISH_ATTEMPTS = 100


def _publish(finished: Path, folder: Path, kind: type[Record]) -> None:
    """Move a folder to its place, where another process may have put an equal one by now."""
    for _ in range(_PUBLISH_ATTEMPTS):
        try:
            os.rename(finished, folder)
            return
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
        if _read(folder, kind) is not None:
            return
        # The folder there cannot be read. Move it away first, since a folder cannot be exchanged in
        # one step; another process may have removed or replaced it by now.
        with work_folder(runs_folder()) as old, suppress(FileNotFoundError):
            os.rename(folder, old / "old")
    raise ToolError(f"{folder}: cannot be replaced; delete the cache, or set {CACHE_VARIABLE}")


def keep(path: Path, folder: Path) -> None:
    """Copy a file into ``folder``, compressed if it is large (its name then ends in .gz)."""
    if path.stat().st_size < COMPRESSED_FROM_BYTES:
        shutil.copyfile(path, folder / path.name)
        return
    with (
        path.open("rb") as plain,
        (folder / f"{path.name}.gz").open("wb") as out,
        # Without a time stamp, equal contents give equal files.
        gzip.GzipFile(filename="", mode="wb", fileobj=out, mtime=0, compresslevel=6) as packed,
    ):
        shutil.copyfileobj(plain, packed)


def take(folder: Path, name: str, target: Path) -> None:
    """Undo ``keep``. Raises ToolError when the file is missing from the cache."""
    plain, packed = folder / name, folder / f"{name}.gz"
    try:
        if plain.is_file():
            shutil.copyfile(plain, target)
            return
        with gzip.open(packed, "rb") as source, target.open("wb") as out:
            shutil.copyfileobj(source, out)
    except (OSError, EOFError) as error:
        raise ToolError(
            f"{packed}: {getattr(error, 'strerror', None) or error}; delete the folder {folder}"
        ) from None
