"""Runs tests against mutants, each in a forked child of a process that has imported everything.

Most mutants change the body of a function: the child of a process that has collected the tests
exchanges the code of the living functions and runs the tests at hand, within tenths of a second.
What is computed on import (defaults, constants, the bodies of classes) and compiled code need an
import of their own: there the child of a process without ``ohmbench`` imports the mutant in place
of the module. No child may signal other processes or change files of this checkout.
"""

from __future__ import annotations

import ast
import contextlib
import dataclasses
import functools
import gc
import importlib.machinery
import importlib.util
import json
import os
import resource
import selectors
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
import types
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from .places import Mutant, Unit, is_compiled, units

ROOT = Path(__file__).parents[3]
LIBRARY = ROOT / "lib"
PROFILE = "mutants"
TEST_S = 10.0
"""How long a test may take at least before it counts as failed: a mutant may never end."""
IMPORT_S = 120.0
PRELOADED = (
    "torch", "numba", "scipy.stats", "sklearn", "matplotlib.pyplot", "pydantic", "typer",
    "rich.console", "ruamel.yaml",
)  # fmt: skip
"""What children that import the library anew have at hand."""
MORE_BYTES = 4 << 30
"""What a child may take beyond what it starts with."""


# ------------------------------------------------------------------------------------------------
# Sources


class Source:
    """A module's text, its tree and its units."""

    def __init__(self, module: str) -> None:
        self.module = module
        self.path = path_of(module)
        self.text = self.path.read_text(encoding="utf-8")
        self.tree = ast.parse(self.text)
        self.units = {unit.name: unit for unit in units(module, self.tree)}
        self._by_name = {m.full_name: m for unit in self.units.values() for m in unit.mutants}
        self.compiled = is_compiled(self.tree)

    def unit_of_line(self, line: int) -> Unit | None:
        """The function in which a code object begins."""
        for unit in self.units.values():
            if unit.lines is not None and line in unit.lines:
                return unit
        return None

    def code(self) -> types.CodeType:
        """Of the tree as it is now."""
        return compile(ast.fix_missing_locations(self.tree), str(self.path), "exec")

    @functools.cached_property
    def functions(self) -> list[types.CodeType]:
        """The code of all functions, as it is before any mutant is made."""
        return list(_nested(self.code()))

    def find(self, full_name: str) -> Mutant:
        return self._by_name[full_name]


def path_of(module: str) -> Path:
    """The file of a module of the library or of the tests, without importing it."""
    top = LIBRARY if module.partition(".")[0] == "ohmbench" else ROOT
    path = top.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _nested(code: types.CodeType) -> Iterator[types.CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield constant
            yield from _nested(constant)


Exchange = dict[types.CodeType, list[types.FunctionType]]


def living_functions() -> Exchange:
    """The functions of this repository that exist in this process, by their code."""
    found: Exchange = defaultdict(list)
    for each in gc.get_objects():
        if type(each) is types.FunctionType and each.__code__.co_filename.startswith(str(ROOT)):
            found[each.__code__].append(each)
    return found


class NotExchangeable(Exception):
    """The mutant needs an import of its own."""


def exchange(source: Source, mutant: Mutant, living: Exchange) -> None:
    """Make the living functions what they would be if the mutant had been imported.

    Raises NotExchangeable where that is not possible.
    """
    lines = source.units[mutant.unit].lines
    if mutant.on_import or lines is None:
        raise NotExchangeable
    before = [code for code in source.functions if code.co_firstlineno in lines]
    mutant.apply()
    after = [code for code in _nested(source.code()) if code.co_firstlineno in lines]
    pairs = [(before[0], after[0])]
    if len(before) == len(after):
        pairs = list(zip(before, after, strict=True))
    done = 0
    for old, new in pairs:
        for function in living.get(old, ()):
            try:
                function.__code__ = new
            except ValueError as error:  # other free variables
                raise NotExchangeable from error
            done += 1
    if not done:
        raise NotExchangeable


class _Loader(importlib.machinery.SourceFileLoader):
    def __init__(self, source: Source) -> None:
        super().__init__(source.module, str(source.path))
        self._code = source.code()

    def get_code(self, fullname: str) -> types.CodeType:
        return self._code


class Finder:
    """Imports a mutant in place of its module."""

    def __init__(self, source: Source, mutant: Mutant) -> None:
        mutant.apply()
        self._module = source.module
        self._loader = _Loader(source)
        self._path = source.path

    def find_spec(self, name: str, path: object = None, target: object = None) -> Any:
        if name != self._module:
            return None
        package = self._path.name == "__init__.py"
        locations = [str(self._path.parent)] if package else None
        return importlib.util.spec_from_file_location(
            name, self._path, loader=self._loader, submodule_search_locations=locations
        )


# ------------------------------------------------------------------------------------------------
# Children


class Refused(BaseException):
    """What a mutant must not do to the machine; it has then been noticed."""


def _guard() -> None:
    """Let no mutant signal strangers, or change files of this checkout."""
    me, checkout = os.getpid(), str(ROOT) + os.sep
    writing = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC

    def is_descendant(pid: int) -> bool:
        while pid > 1:
            if pid == me:
                return True
            try:
                pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, ValueError):
                return True  # nobody is there to be signalled
        return False

    def check(event: str, arguments: tuple[Any, ...]) -> None:
        if event in ("os.kill", "os.killpg"):
            pid, number = arguments
            if number and (pid <= 1 or not is_descendant(pid)):
                raise Refused(f"{event} {pid}")
        elif event in ("os.remove", "os.rmdir", "shutil.rmtree"):
            refuse_path(event, *arguments[:2])
        elif event == "os.truncate":
            refuse_path(event, arguments[0])
        elif event == "os.rename":
            source, target, of_source, of_target = arguments
            refuse_path(event, source, of_source)
            refuse_path(event, target, of_target)
        elif event == "open" and isinstance(arguments[2], int) and arguments[2] & writing:
            refuse_path(event, arguments[0])

    def refuse_path(event: str, name: object, folder: int | None = None) -> None:
        """``name`` in the folder of that handle, if there is one."""
        if not isinstance(name, str | bytes | os.PathLike):
            return
        path = os.fsdecode(name)
        if folder not in (None, -1):
            path = os.path.join(os.readlink(f"/proc/self/fd/{folder}"), path)
        path = os.path.abspath(path)
        if path.startswith(checkout) and "__pycache__" not in path and "/.tox/" not in path:
            raise Refused(f"{event} {path}")
        if event == "shutil.rmtree" and (checkout.startswith(path + os.sep) or path == "/"):
            raise Refused(f"{event} {path}")

    sys.addaudithook(check)


def _become_child(scratch: Path) -> None:
    os.setsid()
    quiet = os.open(os.devnull, os.O_RDWR)
    for handle in (0, 1, 2):
        os.dup2(quiet, handle)
    scratch.mkdir(parents=True, exist_ok=True)
    tempfile.tempdir = None
    os.environ["TMPDIR"] = str(scratch)
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + MORE_BYTES,) * 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _guard()


class Failures:
    """A pytest plugin that notes whether something failed, and what."""

    def __init__(self) -> None:
        self.failed = False

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.failed = self.failed or report.failed


class _Voice:
    """What a child tells: lines of JSON, each in one write."""

    def __init__(self, handle: int) -> None:
        self._handle = handle

    def __call__(self, **message: Any) -> None:
        os.write(self._handle, (json.dumps(message) + "\n").encode())


def _run(items: Sequence[pytest.Item], failures: Failures, say: _Voice) -> bool:
    """Whether one of the tests failed; says which begins and which did."""
    for index, item in enumerate(items):
        say(begin=item.nodeid)
        following = items[index + 1] if index + 1 < len(items) else None
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        if failures.failed:
            say(killer=item.nodeid)
            return True
    return False


def _child(handle: int, scratch: Path, work: Callable[[_Voice], None]) -> None:
    """The whole life of a forked child."""
    say = _Voice(handle)
    try:
        _become_child(scratch)
        say(pid=os.getpid())
        work(say)
        say(end="")
    except BaseException as error:
        say(end=f"{type(error).__name__}: {error}"[:200])
    finally:
        os._exit(0)


class Hunter:
    """The pytest plugin in whose process the tests are collected, once for all mutants."""

    def __init__(self, main: Callable[[Hunter], None]) -> None:
        self._main = main
        self.items: dict[str, pytest.Item] = {}
        self.failures = Failures()

    @pytest.hookimpl(trylast=True)
    def pytest_configure(self, config: pytest.Config) -> None:
        load_profile()
        config.pluginmanager.register(self.failures, "mutant-failures")

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        if session.testsfailed:
            raise pytest.UsageError("tests cannot be collected")
        self.items = {item.nodeid: item for item in session.items}
        self.living = living_functions()
        gc.collect()
        gc.freeze()
        self._main(self)
        return True

    def fork(self, handle: int, scratch: Path, work: Callable[[_Voice], None]) -> None:
        """A child that has the tests collected."""
        if os.fork() == 0:

            def in_scratch(say: _Voice) -> None:
                factory = next(iter(self.items.values())).config._tmp_path_factory  # type: ignore
                factory._given_basetemp, factory._basetemp = scratch / "pytest", None
                work(say)

            _child(handle, scratch, in_scratch)


def load_profile() -> None:
    """Hypothesis with the same examples every time, and without a search for small ones."""
    import hypothesis  # only now: pytest rewrites its plugins when it imports them

    phases = [hypothesis.Phase.explicit, hypothesis.Phase.generate]
    hypothesis.settings.register_profile(
        PROFILE, max_examples=50, deadline=None, derandomize=True, database=None, phases=phases
    )
    hypothesis.settings.load_profile(PROFILE)


OPTIONS = ["-q", "--capture=no", "-p", "no:cacheprovider", "-p", "no:benchmark"]


class Fresh:
    """A process that forks children which have not imported ``ohmbench``."""

    def __init__(self) -> None:
        self._socket, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        sys.stdout.flush()
        if os.fork() == 0:
            self._socket.close()
            try:
                self._serve(other)
            finally:
                os._exit(0)
        other.close()

    def fork(self, handle: int, scratch: Path, job: dict[str, Any]) -> None:
        scratch.mkdir(parents=True, exist_ok=True)
        file = scratch / "job.json"
        file.write_text(json.dumps(job | {"scratch": str(scratch)}), encoding="utf-8")
        socket.send_fds(self._socket, [str(file).encode()], [handle])

    def close(self) -> None:
        self._socket.close()

    def _serve(self, requests: socket.socket) -> None:
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        for name in PRELOADED:
            importlib.import_module(name)
        gc.collect()
        gc.freeze()
        while True:
            message, handles, _, _ = socket.recv_fds(requests, 1 << 12, 1)
            if not message:
                return
            job = json.loads(Path(message.decode()).read_text(encoding="utf-8"))
            if os.fork() == 0:
                requests.close()
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                _child(handles[0], Path(job["scratch"]), lambda say: _imported(job, say))  # noqa: B023
            os.close(handles[0])


def _imported(job: dict[str, Any], say: _Voice) -> None:
    """Run tests on a mutant that is imported."""
    source = Source(job["module"])
    sys.meta_path.insert(0, Finder(source, source.find(job["mutant"])))  # type: ignore[arg-type]
    if source.compiled:
        os.environ["NUMBA_CACHE_DIR"] = str(Path(job["scratch"]) / "numba")
    wanted: dict[str, int] = {test: k for k, test in enumerate(job["tests"])}
    failures = Failures()

    class Select:
        @pytest.hookimpl(trylast=True)
        def pytest_configure(self, config: pytest.Config) -> None:
            load_profile()

        @pytest.hookimpl(trylast=True)
        def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
            items[:] = sorted(
                (i for i in items if i.nodeid in wanted), key=lambda i: wanted[i.nodeid]
            )

        @pytest.hookimpl(tryfirst=True)
        def pytest_runtestloop(self, session: pytest.Session) -> bool:
            if session.testsfailed:
                say(collection=False)
                raise SystemExit
            if _run(session.items, failures, say):
                raise SystemExit
            say(alive=True)
            return True

    files = sorted({test.partition("::")[0] for test in wanted})
    temporary = f"--basetemp={job['scratch']}/pytest"
    status = pytest.main([*OPTIONS, temporary, *files], plugins=[Select(), failures])
    if status not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        say(collection=False)


# ------------------------------------------------------------------------------------------------
# The hunt


@dataclasses.dataclass
class Job:
    """A mutant and the tests that are to kill it, in their order."""

    mutant: Mutant
    tests: Sequence[str]
    fresh: bool = False


@dataclasses.dataclass
class Verdict:
    """Who killed a mutant: a test, or None."""

    killer: str | None
    how: str = ""
    took_s: float = 0.0


@dataclasses.dataclass
class _Running:
    job: Job
    scratch: Path
    begun: float
    until: float
    at: str
    """The test that runs; before the first has begun, that one."""
    pid: int = 0
    rest: bytes = b""
    verdict: Verdict | None = None
    again: bool = False


class Hunt:
    """Runs jobs, some at a time."""

    def __init__(
        self, hunter: Hunter, fresh: Fresh, seconds: Callable[[str], float], workers: int = 2
    ) -> None:
        self._hunter, self._fresh, self._seconds, self._workers = hunter, fresh, seconds, workers
        self._sources: dict[str, Source] = {}
        self._scratch = Path(tempfile.mkdtemp(prefix="mutants-"))
        self._number = 0
        self._selector = selectors.DefaultSelector()

    def source(self, module: str) -> Source:
        if module not in self._sources:
            self._sources[module] = Source(module)
        return self._sources[module]

    def run(self, jobs: Iterable[Job]) -> Iterator[tuple[Job, Verdict]]:
        """Yields each job with its verdict, in the order in which they end."""
        waiting = iter(jobs)
        again: list[Job] = []
        more = True
        try:
            while True:
                while len(self._selector.get_map()) < self._workers and (more or again):
                    job = again.pop() if again else next(waiting, None)
                    if job is None:
                        more = False
                    elif not job.tests:
                        yield job, Verdict(None)
                    else:
                        self._start(job)
                if not self._selector.get_map():
                    return
                for running in self._wait():
                    if running.again:
                        again.append(dataclasses.replace(running.job, fresh=True))
                    else:
                        assert running.verdict is not None
                        verdict = running.verdict
                        verdict.took_s = time.monotonic() - running.begun
                        yield running.job, verdict
        finally:
            shutil.rmtree(self._scratch, ignore_errors=True)

    def _start(self, job: Job) -> None:
        self._number += 1
        scratch = self._scratch / str(self._number)
        read, write = os.pipe()
        source = self.source(job.mutant.module)
        _ = source.functions  # for all children
        mutant = source.find(job.mutant.full_name)  # whose change is made in this tree
        now = time.monotonic()
        running = _Running(job, scratch, now, now + IMPORT_S, job.tests[0])
        if job.fresh or mutant.on_import:
            request = {"module": mutant.module, "mutant": mutant.full_name, "tests": job.tests}
            self._fresh.fork(write, scratch, request)
        else:
            items = [self._hunter.items[t] for t in job.tests]

            def work(say: _Voice) -> None:
                try:
                    exchange(source, mutant, self._hunter.living)
                except NotExchangeable:
                    say(again=True)
                    return
                if not _run(items, self._hunter.failures, say):
                    say(alive=True)

            self._hunter.fork(write, scratch, work)
        os.close(write)
        self._selector.register(read, selectors.EVENT_READ, running)

    def _wait(self) -> list[_Running]:
        """Those that have ended."""
        soonest = min(key.data.until for key in self._selector.get_map().values())
        ready = self._selector.select(max(0.0, soonest - time.monotonic()))
        for key, _ in ready:
            self._hear(key.fd, key.data)
        ended = []
        for key in list(self._selector.get_map().values()):
            running = key.data
            if running.verdict is None and time.monotonic() > running.until:
                running.verdict = Verdict(running.at, "time")
            if running.verdict is not None or running.again:
                self._end(key.fd, running)
                ended.append(running)
        return ended

    def _hear(self, handle: int, running: _Running) -> None:
        more = os.read(handle, 1 << 16)
        *lines, running.rest = (running.rest + more).split(b"\n")
        for line in lines:
            message = json.loads(line)
            if "pid" in message:
                running.pid = message["pid"]
            elif "begin" in message:
                running.at = message["begin"]
                running.until = time.monotonic() + max(TEST_S, 10 * self._seconds(running.at))
                if self.source(running.job.mutant.module).compiled:
                    running.until += IMPORT_S
            elif "killer" in message:
                running.verdict = Verdict(message["killer"], "failed")
            elif "collection" in message:  # no test can be imported: any notices that
                running.verdict = Verdict(running.job.tests[0], "could not be imported")
            elif "alive" in message:
                running.verdict = Verdict(None)
            elif "again" in message:
                running.again = True
            elif message.get("end"):
                running.verdict = running.verdict or Verdict(running.at, message["end"])
        if not more and running.verdict is None and not running.again:
            running.verdict = Verdict(running.at, "died")

    def _end(self, handle: int, running: _Running) -> None:
        self._selector.unregister(handle)
        os.close(handle)
        if running.pid:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(running.pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        shutil.rmtree(running.scratch, ignore_errors=True)


# ------------------------------------------------------------------------------------------------
# Which test runs what


class Tracer:
    """Notes the functions that are called, of the modules whose files it knows."""

    def __init__(self, files: Iterable[str]) -> None:
        self._files = frozenset(files)
        self.seen: set[tuple[str, int]] = set()

    def __call__(self, frame: types.FrameType, event: str, argument: object) -> None:
        code = frame.f_code
        if code.co_filename in self._files:
            self.seen.add((code.co_filename, code.co_firstlineno))

    def run(self, item: pytest.Item, following: pytest.Item | None) -> float:
        self.seen = set()
        begun = time.perf_counter()
        threading.settrace(self)
        sys.settrace(self)
        try:
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        finally:
            sys.settrace(None)
            threading.settrace(None)  # type: ignore[arg-type]
        return time.perf_counter() - begun
