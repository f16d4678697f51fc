"""Running the code of a page: its blocks in order, in one folder and one namespace.

``ohmbench`` commands run in children of a server that imported everything once (``tests.unit.
forkserver``, which is this module run as a program); other commands run by bash.
"""

from __future__ import annotations

import contextlib
import io
import os
import shlex
import subprocess
import sys
import traceback
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ohmbench.needs import skip_reason
from tests.unit.forkserver import Server, serve

from .fences import Block, Command, FenceError, blocks, commands
from .outputs import difference

COMMAND_S = 240.0
"""Most that one command may take."""
ENVIRONMENT = {"COLUMNS": "100", "NO_COLOR": "1", "TERM": "dumb", "PYTHONUNBUFFERED": "1"}
OUTPUT = "output"
"""The language of a block with what the python block above it prints."""


@dataclass
class Ran:
    """What became of a page: its names, its folder, faults, and blocks that did not run."""

    folder: Path
    names: dict[str, Any] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    not_run: list[str] = field(default_factory=list)
    ran: int = 0


class Commands:
    """Runs commands of the pages; a context manager."""

    def __init__(self) -> None:
        self._server: Server | None = None

    def __enter__(self) -> Commands:
        return self

    def __exit__(self, *unused: object) -> None:
        if self._server is not None:
            self._server.close()

    def run(self, text: str, folder: Path) -> tuple[int, str]:
        """Exit status and output of a command; errors are part of the output."""
        try:
            words = shlex.split(text, comments=True)
        except ValueError as error:
            return 2, f"{text}: {error}"
        if words[:1] == ["ohmbench"] and not set(words) & set("|<>;&") and "$" not in text:
            return self._ohmbench(words, folder)
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        done = subprocess.run(
            ["bash", "-c", f"set -o pipefail; {text}"],  # noqa: S607
            cwd=folder, env={**os.environ, **ENVIRONMENT, "PATH": path}, text=True, check=False,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=COMMAND_S,
        )  # fmt: skip
        return done.returncode, done.stdout

    def _ohmbench(self, words: list[str], folder: Path) -> tuple[int, str]:
        if self._server is None:
            self._server = Server("tests.docs.running", reply_s=COMMAND_S)
        output = folder / ".output"
        self._server.send("ohmbench", words=words, folder=str(folder), output=str(output))
        status, _ = self._server.until_end()
        text = output.read_text(encoding="utf-8")
        output.unlink()
        return status, text


def run_page(text: str, folder: Path, runner: Commands, page: str = "page") -> Ran:
    """Run every block of a page that is code; a fault is one text, with the line it is of."""
    ran = Ran(folder)
    before = Path.cwd()
    os.chdir(folder)
    try:
        found = blocks(text)
        for block, following in zip(found, [*found[1:], None], strict=True):
            where = f"{page}:{block.line}"
            if block.title is not None and block.language not in ("python", "console"):
                (folder / block.title).parent.mkdir(parents=True, exist_ok=True)
                (folder / block.title).write_text(block.text, encoding="utf-8")
            elif block.language not in ("python", "console", "sh"):
                continue
            elif reason := _skipped(block):
                ran.not_run.append(f"{where}: {reason}")
            else:
                ran.ran += 1
                ran.faults += [f"{where}: {f}" for f in _run(block, following, ran, runner, where)]
    except FenceError as error:
        ran.faults.append(f"{page}: {error}")
    finally:
        os.chdir(before)
    return ran


def _skipped(block: Block) -> str | None:
    missing = [reason for name in block.needs if (reason := skip_reason(name))]
    return block.reason or "; ".join(missing) or None


def _run(
    block: Block, following: Block | None, ran: Ran, runner: Commands, where: str
) -> list[str]:
    if block.language == "python":
        return _python(block, following, ran.names, where)
    found = commands(block)
    faults = []
    for number, command in enumerate(found):
        expected = block.status if number == len(found) - 1 else 0
        faults += _command(command, expected, block.tolerance, ran.folder, runner)
    return faults


def _python(block: Block, following: Block | None, names: dict[str, Any], where: str) -> list[str]:
    out = io.StringIO()
    try:
        with contextlib.redirect_stdout(out):
            exec(compile(block.text, where, "exec"), names)  # noqa: S102 - our own pages
    except Exception:
        return [traceback.format_exc(limit=-3)]
    if following is None or following.language != OUTPUT:
        return []
    said = following.text.rstrip("\n").split("\n")
    found = difference(said, out.getvalue().split("\n"), block.tolerance)
    return [] if found is None else [f"prints something else\n{found}"]


def _command(
    command: Command, expected: int, tolerance: float, folder: Path, runner: Commands
) -> list[str]:
    status, printed = runner.run(command.text, folder)
    if status != expected:
        return [f"$ {command.text}\nexit status {status}, not {expected}:\n{printed}"]
    # A command that nothing follows in the page may print what it likes.
    if not command.printed:
        return []
    found = difference(command.printed, printed.split("\n"), tolerance)
    return [] if found is None else [f"$ {command.text}\nprints something else\n{found}"]


def _ohmbench(words: list[str], folder: str, output: str) -> None:
    """A job of the server: the command in this process, everything it says into one file."""
    os.chdir(folder)
    handle = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND)
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    sys.argv = words
    os.environ.update(ENVIRONMENT)
    status: object = 1
    try:
        from ohmbench.start import main

        main()
    except SystemExit as end:
        status = end.code
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status if isinstance(status, int) else int(bool(status)))


if __name__ == "__main__":
    from ohmbench import start

    start.order_environment()
    import matplotlib.figure  # noqa: F401 - once, for all children

    import ohmbench.api
    import ohmbench.digital
    import ohmbench.floatgate
    import ohmbench.kirchhoff  # noqa: F401

    serve({"ohmbench": _ohmbench})
