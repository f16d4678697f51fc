"""Verilator compiles Verilog into a shared library with a C interface (``harness.cpp``).

A build is kept in the cache folder under the hash of everything that goes into it (see
``cache.CacheEntry``). It is moved there complete: if two processes build the same thing, neither
sees half of it.

Verilator's makefiles cannot handle folders with spaces or other special characters. So everything
runs in the folder of the generated files and names other files by short relative paths, and
Verilator itself by a symbolic link.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ohmbench.digital.widths import Hardware
from ohmbench.eda import environment
from ohmbench.eda.cache import CacheEntry, cache_folder, content_key, file_digest
from ohmbench.eda.dependencies import of_compiler, of_verilator
from ohmbench.eda.hdl import parameters, sources
from ohmbench.eda.tools import TOOLS, ToolError, require, run_tool, verilator_root
from ohmbench.eda.verilog import read_verilog, staged

HARNESS = Path(__file__).with_name("harness.cpp")
BUILD_TIMEOUT_S = 600
COVERAGE_FLAGS = ("--coverage-line", "--coverage-toggle", "--coverage-expr")
"""Not ``--coverage``, which fails with an internal error in Verilator 5.48."""
COMPILE_FLAGS = "-fPIC -fno-gnu-unique"
_PREFIX = "Vaccelerator"


@dataclass(frozen=True)
class Build:
    """What to build: the hardware, its sources (default: the project's), and the options.

    ``mutants``: the top module has an input ``mutant_i`` that selects a fault. ``coverage``: count
    lines, expressions and toggles. ``top`` with its own ``harness``: another top module around the
    core, with the same parameters. ``netlist``: the sources are already of these sizes and have no
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
        """The sizes for which ``harness.cpp`` is compiled."""
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
        """Verilator's options for this build, except sources and folders."""
        fixed = self.mutants or self.netlist
        given = [] if fixed else [f"-G{k}={v}" for k, v in parameters(self.hardware).items()]
        # Unknown values are drawn anew at every start, so that no result can depend on them.
        options = ["--x-initial", "unique", "--x-assign", "unique", "-O3", *given]
        return options + (list(COVERAGE_FLAGS) if self.coverage else [])

    def compile_flags(self) -> str:
        """Flags for the C++ compiler. Coverage counters and netlists produce so much code that
        optimising it would take longer than running it without optimisation.
        """
        return f"{COMPILE_FLAGS} {'-O0' if self.coverage or self.netlist else '-O2'}"

    def entry(self) -> CacheEntry:
        """The library's place in the cache."""

        def inputs() -> list[str]:
            files = [str(file) for file in read_verilog(self.verilog)]
            return [*files, f"{self.harness.name}\0{file_digest(self.harness)}"]

        key = content_key(
            TOOLS["verilator"].version(),
            repr(self.verilator_options()),
            self.compile_flags(),
            repr(sorted(self.macros().items())),
            repr(environment.toolchain()),
            self.top,
        )
        return CacheEntry(
            cache_folder() / "verilator", key, inputs, (self.harness.parent.absolute(),)
        )

    def key(self) -> str:
        """The hash of all that goes into the library. Raises ToolError for an unreadable input."""
        return self.entry().name()


def tool_environment() -> dict[str, str]:
    """The environment for Verilator. Raises ToolError when Verilator or the compiler is missing."""
    require("verilator")
    require("compiler")
    return environment.tool_environment(VERILATOR_ROOT=str(verilator_root()))


class VerilatorBuild:
    """One run of Verilator in the new folder ``work / "objects"``, in which all its tools run.

    Raises ToolError when Verilator or the compiler is missing.
    """

    def __init__(self, work: Path, prefix: str) -> None:
        self.environment = environment.in_own_folder(tool_environment())
        self.root = Path(self.environment["VERILATOR_ROOT"])
        self.work, self.prefix, self.objects = work, prefix, work / "objects"
        self.objects.mkdir()
        self.environment["VERILATOR_ROOT"] = self.link("verilator", self.root)
        self._python = self.link("python", Path(sys.executable))

    def link(self, name: str, target: Path) -> str:
        """Make a symbolic link to ``target``; return its path relative to ``objects``."""
        (self.work / name).symlink_to(target)
        return f"../{name}"

    def run(self, *command: str, name: str | None = None) -> None:
        """Run a tool in the folder of the generated files. Raises as ``run_tool``."""
        given = self.environment
        try:
            run_tool(command, self.objects, timeout_s=BUILD_TIMEOUT_S, environment=given, name=name)
        except ToolError as error:
            if str(cache_folder()) not in str(error):
                raise
            hint = f"if the cache {cache_folder()} was damaged, delete it"
            raise ToolError(f"{error} ({hint})") from None

    def verilate(self, top: str, options: Sequence[str], verilog: Sequence[Path]) -> list[Path]:
        """Translate Verilog to C++ and a makefile; return the files read besides the given ones."""
        files = staged(read_verilog(verilog), self.work / "verilog")
        self.run(
            # As Verilator's own wrapper starts it: large designs need a large stack.
            *("/bin/sh", "-c", 'ulimit -s unlimited 2>/dev/null; exec "$0" "$@"'),
            f"{self.environment['VERILATOR_ROOT']}/bin/verilator_bin",
            *("--cc", "-Wno-fatal", "--top-module", top, "--prefix", self.prefix, "-Mdir", "."),
            *options,
            *map(str, files),
            name="verilator",
        )
        reads = of_verilator(self.objects / f"{self.prefix}__verFiles.dat")
        # The makefile would include this file, and fail on a path with a space.
        (self.objects / f"{self.prefix}__ver.d").unlink(missing_ok=True)
        return self.beyond(reads, *verilog)

    def beyond(self, reads: Sequence[Path], *given: Path) -> list[Path]:
        """Those of the files that are neither given, nor generated, nor part of Verilator."""
        ours = [folder.resolve() for folder in (self.work, self.root)]
        known = {path.resolve() for path in given}
        return [
            path
            for path in map(Path.resolve, reads)
            if path not in known and not any(path.is_relative_to(folder) for folder in ours)
        ]

    def make(self, *arguments: str) -> None:
        """Build targets of the generated makefile. Raises ToolError."""
        self.run(
            *("make", "-f", f"{self.prefix}.mk", "-j", "2", *arguments),
            *("CXX=g++", "LINK=g++", "AR=ar", f"PYTHON3={self._python}"),
            # The makefile refuses folders with spaces, but nothing here depends on CURDIR.
            "CURDIR=.",
            # The makefile of the Python package requests a precompiled header in a way that fails
            # on larger designs.
            "CFG_CXXFLAGS_PCH_I=-include",
        )


def build_library(
    build: Build, *, anew: bool = False, on_build: Callable[[], None] | None = None
) -> Path:
    """The shared library of ``build``, from the cache or made now (tens of seconds).

    ``anew``: ignore the cached library. ``on_build`` is called before anything is made. Raises
    ToolError when a tool is missing, fails or takes too long.
    """
    require("verilator")

    def make(work: Path) -> tuple[Path, list[Path]]:
        if on_build is not None:
            on_build()
        return _make(build, work)

    return build.entry().file(".so", make, anew=anew)


def _make(build: Build, work: Path) -> tuple[Path, list[Path]]:
    """Build the library; return it and the files read besides the inputs."""
    tool = VerilatorBuild(work, _PREFIX)
    options = ["-CFLAGS", build.compile_flags(), *build.verilator_options()]
    reads = tool.verilate(build.top, options, build.verilog)
    tool.make(f"lib{_PREFIX}.a")
    include = f"{tool.environment['VERILATOR_ROOT']}/include"
    tool.run(
        *("g++", "-std=c++17", "-shared", "-Wl,-Bsymbolic", *build.compile_flags().split()),
        *(f"-D{name}={value}" for name, value in build.macros().items()),
        *("-I", ".", "-I", include, "-I", f"{include}/vltstd"),
        *("-MMD", "-MF", "harness.d", "-MT", "harness"),
        *(str(build.harness.absolute()), f"lib{_PREFIX}.a"),
        *(str(_runtime(build, tool)), "-pthread", "-o", "library.so"),
    )
    reads += tool.beyond(of_compiler(tool.objects / "harness.d"), build.harness)
    return tool.objects / "library.so", reads


def _runtime(build: Build, tool: VerilatorBuild) -> Path:
    """Verilator's own part of a library. It is the same for every design and takes half of a
    build's time, so it is kept.
    """
    parts = (TOOLS["verilator"].version(), TOOLS["compiler"].version(), build.compile_flags())
    key = content_key(*parts, repr(build.coverage), repr(environment.toolchain()))
    kept = cache_folder() / "verilator" / f"runtime-{key}.a"
    if not kept.is_file():
        tool.make("libverilated.a")
        os.replace(tool.objects / "libverilated.a", kept)
    return kept
