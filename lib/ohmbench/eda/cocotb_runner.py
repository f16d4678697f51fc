"""cocotb tests on a design: built once per simulator and top module, then run in their own process.

Builds are kept in the cache folder under the hash of what goes into them, as in ``verilator``; a
run only starts the simulation. Through cocotb-test, which ``cocotb_child`` keeps at arm's length.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

from ohmbench.eda.cache import cache_folder, content_key, work_folder
from ohmbench.eda.hdl import sources
from ohmbench.eda.tools import TOOLS, ToolError, require, verilator_root
from ohmbench.eda.verilator import BUILD_TIMEOUT_S, tool_environment

SIMULATORS = {"verilator": "Verilator", "icarus": "Icarus"}
"""Name -> cocotb-test's class."""

RUN_TIMEOUT_S = 600


@dataclass(frozen=True)
class Bench:
    """A design to be tested: its top module, built by one of ``SIMULATORS``.

    ``parameters`` of the top module, default its own; ``verilog`` the sources, default the
    project's.
    """

    simulator: str
    top: str
    parameters: Mapping[str, int] = field(default_factory=dict)
    verilog: Sequence[Path] = field(default_factory=sources)

    def compile_options(self) -> list[str]:
        if self.simulator == "icarus":
            return ["-g2005", "-Wall"]
        # Registers and memories start with what the run's seed draws. Only the top module's own
        # signals are visible: with all of them visible the model is some times slower.
        visible = ["--no-public-flat-rw", "--public-depth", "1"]
        return [*visible, "--x-initial", "unique", "--x-assign", "unique", "-O3", "-Wno-fatal"]

    def key(self) -> str:
        """Hash of everything that goes into the build."""
        return content_key(
            self.simulator,
            TOOLS[self.simulator].version(),
            TOOLS["cocotb"].version(),
            str(TOOLS["cocotb"].path()),  # the simulation finds cocotb's libraries where they were
            self.top,
            repr(self.compile_options()),
            repr(sorted(self.parameters.items())),
            files=self.verilog,
        )


@dataclass(frozen=True)
class Outcome:
    """One cocotb test: its name, how long it ran, and why it failed (None when it passed)."""

    name: str
    seconds: float
    simulated_ns: float
    failure: str | None


@dataclass(frozen=True)
class Run:
    """All tests of one run, by name, and what the simulation printed."""

    outcomes: dict[str, Outcome]
    log: str

    def failures(self) -> dict[str, str]:
        """Name -> reason of those that failed."""
        return {o.name: o.failure for o in self.outcomes.values() if o.failure is not None}


def _child(
    bench: Bench,
    options: dict[str, object],
    environment: Mapping[str, str],
    timeout_s: float,
    *,
    run_only: bool,
) -> tuple[int, str]:
    """Exit status and output of one ``cocotb_child``; nothing of it outlives the call."""
    order = {
        "simulator": SIMULATORS[bench.simulator],
        "run_only": run_only,
        "options": {
            "toplevel": bench.top,
            "verilog_sources": [str(path.resolve()) for path in bench.verilog],
            "parameters": dict(bench.parameters),
            "compile_args": bench.compile_options(),
            "timescale": "1ns/1ps",
            **options,
        },
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "ohmbench.eda.cocotb_child"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=dict(environment),
        start_new_session=True,
    )
    try:
        log, _ = process.communicate(json.dumps(order), timeout=timeout_s)
    except BaseException as error:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        if isinstance(error, subprocess.TimeoutExpired):
            raise ToolError(f"{bench.simulator}: {bench.top} took over {timeout_s:g} s") from None
        raise
    return process.returncode, log


def _environment(bench: Bench) -> dict[str, str]:
    require("cocotb")
    require(bench.simulator)
    if bench.simulator != "verilator":
        return dict(os.environ)
    environment = tool_environment()
    path = os.environ.get("PATH", os.defpath)
    return {
        **environment,
        "PATH": f"{verilator_root()}/bin{os.pathsep}{path}",
        # Writes then take effect after the clock edge that they follow, without a detour.
        "COCOTB_TRUST_INERTIAL_WRITES": "1",
    }


def _program(bench: Bench) -> str:
    return bench.top + (".vvp" if bench.simulator == "icarus" else "")


def build_bench(bench: Bench) -> Path:
    """The folder with the simulation of ``bench``, from the cache or made now (tens of seconds).

    Raises ToolError when a tool is missing, fails or takes too long.
    """
    environment = _environment(bench)
    folder = cache_folder() / "cocotb" / bench.key()
    if (folder / _program(bench)).is_file():
        return folder
    with work_folder(folder) as work:
        options: dict[str, object] = {"module": "", "sim_build": str(work), "compile_only": True}
        if bench.simulator == "verilator":
            options["make_args"] = ["-j2", "OPT_FAST=-O1"]
        status, log = _child(bench, options, environment, BUILD_TIMEOUT_S, run_only=False)
        if status != 0 or not (work / _program(bench)).is_file():
            # What a tool writes to its standard error, cocotb-test logs as an error of its own.
            lines = [line.removeprefix("ERROR cocotb: ") for line in log.splitlines()]
            told = [line for line in lines if not line.startswith("INFO ")] or ["no message"]
            errors = [line for line in told if "error" in line.lower()] or told
            raise ToolError(f"{bench.simulator}: {bench.top} cannot be built: {errors[0]}")
        os.replace(work / _program(bench), folder / _program(bench))
    return folder


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
    """Run the cocotb tests of ``module`` (all, or those named) on ``bench``.

    ``seed`` is cocotb's and, with Verilator, that of the contents of registers and memories at the
    start. ``search`` are folders to import ``module`` from, ``environment`` variables for it.
    Raises ToolError when the simulation cannot be built or run, when it takes too long, or when
    not exactly the named tests (or none at all) ran.
    """
    folder = build_bench(bench)
    with tempfile.TemporaryDirectory(prefix="ohmbench-cocotb-") as scratch:
        results = Path(scratch) / "results.xml"
        variables = {
            **_environment(bench),
            **(environment or {}),
            "COCOTB_RESULTS_FILE": str(results),
            "COCOTB_REWRITE_ASSERTION_FILES": "",
            "COCOTB_ANSI_OUTPUT": "0",
        }
        options: dict[str, object] = {
            "module": module,
            "sim_build": str(folder),
            "work_dir": scratch,
            "seed": seed,
            "python_search": [str(path) for path in search],
        }
        if tests:
            options["testcase"] = "|".join(rf"\.{re.escape(name)}$" for name in tests)
        if bench.simulator == "verilator":
            options["plus_args"] = [f"+verilator+seed+{seed}", "+verilator+rand+reset+2"]
        _, log = _child(bench, options, variables, timeout_s, run_only=True)
        outcomes = _outcomes(results, log)
    if not outcomes or (tests and set(outcomes) != set(tests)):
        raise ToolError(f"{module}: {sorted(outcomes)} ran, but should be {sorted(tests) or 'any'}")
    return Run(outcomes, log)


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
