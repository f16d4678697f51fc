"""What three tools have to say of a folder of Verilog; nothing is a good sign."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from ohmbench.eda import verilator as verilators
from ohmbench.eda.environment import tool_environment
from ohmbench.eda.hdl import sources
from ohmbench.eda.tools import require

DIGITS = {"INPUTS": 64, "HIDDEN": 100, "CLASSES": 10}
MNIST = {"INPUTS": 784, "HIDDEN": 64, "CLASSES": 10}
UNUSED = ("UNUSEDSIGNAL",)
"""Verilator's warnings of bits that nothing reads, which some sizes leave by right."""
TIMEOUT_S = 300
LANGUAGE = "1364-2005"


def run(command: Sequence[str], folder: Path, environment: Mapping[str, str] | None = None) -> str:
    """What the tool had to say, and FAILED when it refused."""
    done = subprocess.run(
        command,
        cwd=folder,
        env=tool_environment() if environment is None else environment,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
    )
    return done.stdout + done.stderr + ("FAILED\n" if done.returncode else "")


def verilator(folder: Path, top: str, *sizes: Mapping[str, int], waived: Sequence[str] = ()) -> str:
    environment = verilators.tool_environment()
    said = ""
    for size in sizes:
        command = [
            f"{environment['VERILATOR_ROOT']}/bin/verilator",
            *("--lint-only", "-Wall", "--language", LANGUAGE, "--top-module", top),
            *(f"-Wno-{warning}" for warning in waived),
            *(f"-G{name}={value}" for name, value in size.items()),
            *(path.name for path in sources(folder)),
        ]
        said += run(command, folder, environment)
    # Its report of a run without complaint is three lines that begin so.
    return "".join(line + "\n" for line in said.splitlines() if not line.startswith("- "))


def yosys(folder: Path, top: str, *sizes: Mapping[str, int]) -> str:
    """No unknown module, no undriven or twice driven wire, no latch."""
    script = ""
    for size in sizes:
        parameters = "".join(f" -chparam {name} {value}" for name, value in size.items())
        script += f"""design -reset
            read_verilog {" ".join(path.name for path in sources(folder))}
            hierarchy -check -top {top}{parameters}
            proc
            check -assert
            select -assert-none t:$dlatch t:$_DLATCH_*
            """
    (folder / "lint.ys").write_text(script)
    return run([require("yosys"), "-q", "lint.ys"], folder)


def icarus(folder: Path, top: str, *sizes: Mapping[str, int]) -> str:
    require("icarus")
    said = ""
    for size in sizes:
        command = [
            *("iverilog", "-g2005", "-Wall", "-o", "lint.vvp", "-s", top),
            *(f"-P{top}.{name}={value}" for name, value in size.items()),
            *(path.name for path in sources(folder)),
        ]
        said += run(command, folder)
    return said
