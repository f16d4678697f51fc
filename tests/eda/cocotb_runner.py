"""cocotb tests of a design: built once per simulator and top module, then run in a new process.

Builds are kept in the cache folder under the hash of their inputs, as in ``verilator``; a run only
starts the simulation. cocotb's own runner passes the whole environment on and puts paths into
makefiles, so the simulators are called directly here.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

from ohmbench.eda.cache import CacheEntry, cache_folder, content_key
from ohmbench.eda.dependencies import of_icarus
from ohmbench.eda.environment import in_own_folder, search_path, tool_environment, toolchain
from ohmbench.eda.hdl import sources
from ohmbench.eda.tools import TOOLS, ToolError, require, run_group, run_tool
from ohmbench.eda.verilator import BUILD_TIMEOUT_S, VerilatorBuild
from ohmbench.eda.verilog import SIMPLE_PATH, read_verilog, staged

SIMULATORS = ("verilator", "icarus")
RUN_TIMEOUT_S = 600
_TIME = "1ns/1ps"
_ASK_TIMEOUT_S = 60


@dataclass(frozen=True)
class Bench:
    """A design to test: its top module, and the one of ``SIMULATORS`` that builds it.

    ``parameters``: of the top module, default its own. ``verilog``: the sources, default the
    project's.
    """

    simulator: str
    top: str
    parameters: Mapping[str, int] = field(default_factory=dict)
    verilog: Sequence[Path] = field(default_factory=sources)

    def compile_options(self) -> list[str]:
        if self.simulator == "icarus":
            given = [f"-P{self.top}.{name}={value}" for name, value in self.parameters.items()]
            return ["-g2005", "-Wall", *given]
        # The run's seed draws the initial contents of registers and memories. Only the top module's
        # own signals are visible: with all signals visible the model is several times slower.
        visible = ["--vpi", "--no-public-flat-rw", "--public-depth", "1", "--timescale", _TIME]
        given = [f"-G{name}={value}" for name, value in self.parameters.items()]
        return [*visible, "--x-initial", "unique", "--x-assign", "unique", "-O3", *given]

    def entry(self) -> CacheEntry:
        """The simulation's place in the cache."""
        key = content_key(
            self.simulator,
            TOOLS[self.simulator].version(),
            TOOLS["cocotb"].version(),
            repr(toolchain()),
            self.top,
            repr(self.compile_options()),
        )
        folder = cache_folder() / "cocotb"
        return CacheEntry(folder, key, lambda: [str(file) for file in read_verilog(self.verilog)])


@dataclass(frozen=True)
class Outcome:
    """One cocotb test: its name, how long it ran, and why it failed (None when it passed)."""

    name: str
    seconds: float
    simulated_ns: float
    failure: str | None


@dataclass(frozen=True)
class Run:
    """All tests of one run, by name, and the simulation's output."""

    outcomes: dict[str, Outcome]
    log: str

    def failures(self) -> dict[str, str]:
        """Failed tests: name -> reason."""
        return {o.name: o.failure for o in self.outcomes.values() if o.failure is not None}


@dataclass(frozen=True)
class _Cocotb:
    """The files of cocotb that simulators need: its C++ main program, its libraries, and the
    library for Icarus; and the environment variables with which these find this Python.
    """

    main: Path
    libraries: Path
    icarus: Path
    variables: Mapping[str, str]


_ASK = """
import json, find_libpython
from cocotb_tools import config
libpython, entry = find_libpython.find_libpython(), getattr(config, "pygpi_entry_point", None)
print(json.dumps([
    str(config.share_dir), str(config.libs_dir), str(config.lib_name_path("vpi", "icarus")),
    libpython, entry and entry(),
]))
"""


def _cocotb() -> _Cocotb:
    """Ask cocotb in a process of its own, because importing it changes the importing process."""
    require("cocotb")
    done = subprocess.run(
        [sys.executable, "-c", _ASK],
        env=tool_environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=_ASK_TIMEOUT_S,
    )
    if done.returncode != 0:
        raise ToolError(f"cocotb: {(done.stderr.strip().splitlines() or ['it fails'])[-1]}")
    share, libraries, icarus, libpython, entry = json.loads(done.stdout)
    if libpython is None:
        raise ToolError("cocotb needs Python as a shared library, which this Python lacks")
    variables = {"LIBPYTHON_LOC": libpython, "PYGPI_PYTHON_BIN": sys.executable}
    if entry is not None:  # from cocotb 2.1 on
        variables["GPI_USERS"] = f"{libpython};{entry}"
    main = Path(share) / "lib" / "verilator" / "verilator.cpp"
    return _Cocotb(main, Path(libraries), Path(icarus), variables)


def build_bench(bench: Bench) -> Path:
    """The simulation of ``bench``, from the cache or made now (tens of seconds).

    Raises ToolError when a tool is missing, fails or takes too long.
    """
    require("cocotb")
    require(bench.simulator)

    def make(work: Path) -> tuple[Path, list[Path]]:
        try:
            return (_icarus if bench.simulator == "icarus" else _verilator)(bench, work)
        except ToolError as error:
            reason = str(error)
            raise ToolError(f"{bench.simulator}: {bench.top} cannot be built: {reason}") from None

    return bench.entry().file(".vvp" if bench.simulator == "icarus" else "", make)


def _verilator(bench: Bench, work: Path) -> tuple[Path, list[Path]]:
    cocotb, tool = _cocotb(), VerilatorBuild(work, "Vtop")
    main, libraries = tool.link("main", cocotb.main.parent), tool.link("cocotb", cocotb.libraries)
    reads = tool.verilate(
        bench.top,
        [
            *("--exe", "-DCOCOTB_SIM=1", "-o", bench.top, *bench.compile_options()),
            # The libraries are found at run time through LD_LIBRARY_PATH.
            *("-LDFLAGS", f"-L{libraries} -lcocotbvpi_verilator", f"{main}/{cocotb.main.name}"),
        ],
        bench.verilog,
    )
    tool.make("OPT_FAST=-O1")
    return tool.objects / bench.top, reads


def _icarus(bench: Bench, work: Path) -> tuple[Path, list[Path]]:
    # Icarus passes paths to a shell, with its own quoting.
    files = staged(read_verilog(bench.verilog), work / "verilog", SIMPLE_PATH)
    (work / "timescale.f").write_text(f"+timescale+{_TIME}\n")
    names = [os.path.relpath(file, work) for file in files if file.is_relative_to(work)]
    names += [str(file) for file in files if not file.is_relative_to(work)]
    command = ["iverilog", "-o", "top.vvp", "-Mall=reads", "-DCOCOTB_SIM=1", "-f", "timescale.f"]
    command += ["-s", bench.top, *bench.compile_options(), *names]
    here = in_own_folder(tool_environment())
    run_tool(command, work, timeout_s=BUILD_TIMEOUT_S, environment=here)
    given = {path.resolve() for path in bench.verilog}
    reads = [path.resolve() for path in of_icarus(work / "reads")]
    return work / "top.vvp", [
        path for path in reads if path not in given and not path.is_relative_to(work.resolve())
    ]


def run_bench(
    bench: Bench,
    module: str,
    *,
    tests: Sequence[str] = (),
    seed: int = 1,
    environment: Mapping[str, str] | None = None,
    search: Sequence[Path] = (),
    timeout_s: float = RUN_TIMEOUT_S,
) -> Run:
    """Run the cocotb tests of ``module`` (all, or the named ``tests``) on ``bench``.

    ``seed`` is cocotb's seed and, with Verilator, that of the initial contents of registers and
    memories. ``search``: folders to import ``module`` from. ``environment``: further variables.
    Raises ToolError when the simulation cannot be built or run, when it takes too long, or when
    other tests than the named ones (or none at all) ran.
    """
    program, cocotb = build_bench(bench), _cocotb()
    with tempfile.TemporaryDirectory(prefix="ohmbench-cocotb-") as scratch:
        results = Path(scratch) / "results.xml"
        given = {
            **cocotb.variables,
            "PYTHONHOME": sys.base_prefix,
            "PYTHONPATH": _python_path([*sys.path, *map(str, search)], Path(scratch)),
            "COCOTB_TOPLEVEL": bench.top,
            "COCOTB_TEST_MODULES": module,
            "COCOTB_RANDOM_SEED": str(seed),
            "COCOTB_RESULTS_FILE": str(results),
            "COCOTB_REWRITE_ASSERTION_FILES": "",
            "COCOTB_ANSI_OUTPUT": "0",
            "OMP_NUM_THREADS": "1",  # the tests compute little
        }
        if tests:
            given["COCOTB_TEST_FILTER"] = "|".join(rf"\.{re.escape(name)}$" for name in tests)
        if bench.simulator == "verilator":
            # Writes then take effect directly after the clock edge that they follow.
            given["COCOTB_TRUST_INERTIAL_WRITES"] = "1"
            command = [str(program), f"+verilator+seed+{seed}", "+verilator+rand+reset+2"]
        else:
            command = ["vvp", "-m", str(cocotb.icarus), str(program)]
        base = tool_environment(**{**given, **(environment or {})})
        for name in ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"):
            inherited = base.get(name)
            base[name] = search_path(str(cocotb.libraries), *([inherited] if inherited else []))
        log, status = run_group(command, Path(scratch), environment=base, timeout_s=timeout_s)
        if status is None:
            raise ToolError(f"{bench.simulator}: {bench.top} took over {timeout_s:g} s")
        outcomes = _outcomes(results, log)
    if not outcomes or (tests and set(outcomes) != set(tests)):
        raise ToolError(f"{module}: {sorted(outcomes)} ran, but should be {sorted(tests) or 'any'}")
    return Run(outcomes, log)


def _python_path(folders: Sequence[str], scratch: Path) -> str:
    """A PYTHONPATH of these folders; folders that it cannot represent get a link in ``scratch``."""
    found = []
    for k, folder in enumerate(map(os.path.abspath, folders)):
        if os.pathsep in folder:
            link = scratch / f"import{k}"
            link.symlink_to(folder)
            folder = str(link)
        found.append(folder)
    return search_path(*found)


def _outcomes(results: Path, log: str) -> dict[str, Outcome]:
    try:
        tree = ElementTree.parse(results)  # noqa: S314 - written by cocotb a moment ago
    except (OSError, ElementTree.ParseError):
        tail = "\n".join(log.splitlines()[-20:])
        raise ToolError(f"the simulation left no results:\n{tail}") from None
    found = {}
    for case in tree.iter("testcase"):
        broken = [part for part in case if part.tag in ("failure", "error", "skipped")]
        reason = (broken[0].get("message") or broken[0].tag) if broken else None
        properties = {p.get("name"): p.get("value", "") for p in case.iter("property")}
        simulated = float(properties.get("sim_time_duration") or 0)
        name = case.get("name", "")
        found[name] = Outcome(name, float(case.get("time", 0)), simulated, reason)
    return found
