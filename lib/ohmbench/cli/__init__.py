"""The ``ohmbench`` command: one subcommand a deed, one line and exit status 2 for bad input.

One module a subcommand; ``common`` holds their options and their output, ``finding`` the way from a
name to a network of any family.
"""

from __future__ import annotations

import errno
import os
import sys
from typing import Annotated, Any

import torch
import typer

from ohmbench import __version__
from ohmbench.cli.bench import app as bench_app
from ohmbench.cli.claims import claims
from ohmbench.cli.common import fail, told
from ohmbench.cli.doctor import doctor
from ohmbench.cli.evaluation import evaluate_command
from ohmbench.cli.listing import list_weights
from ohmbench.cli.plot import plot_command
from ohmbench.cli.power import power
from ohmbench.cli.predict import predict
from ohmbench.cli.prove import prove
from ohmbench.cli.report import report
from ohmbench.cli.sampling import sample
from ohmbench.cli.storing import store
from ohmbench.cli.synth import app as synth_app
from ohmbench.cli.trace import trace
from ohmbench.cli.training import train
from ohmbench.errors import OhmbenchError, one_line
from ohmbench.streams import lossy

__all__ = ["app", "main"]

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Verify and benchmark neural networks that live in analog and digital hardware.",
    epilog="Start with 'ohmbench list' and 'ohmbench evaluate floatgate-digits'.",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"ohmbench {__version__}\n")
        raise typer.Exit


@app.callback()
def common_options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print it and end."),
    ] = False,
) -> None:
    """Verify and benchmark neural networks that live in analog and digital hardware."""


app.command("list")(list_weights)
app.command()(train)
app.command("evaluate")(evaluate_command)
app.command()(claims)
app.command()(report)
app.command()(power)
app.command()(predict)
app.command("plot")(plot_command)
app.command()(sample)
app.command()(prove)
app.command()(trace)
app.add_typer(synth_app, name="synth")
app.add_typer(bench_app, name="bench")
app.command()(store)
app.command()(doctor)


_INTERRUPTED = 130


def main() -> None:
    """Run the command. Exit status: 0 done, 1 a proof, trace or benchmark that fails, 2 bad input
    (one line), 130 interrupted (``synth``: 143 and 129 by SIGTERM and SIGHUP).

    A reader that leaves early (``| head``) changes neither what is done nor the status.
    """
    if sys.stdout is None:
        fail("standard output is closed; redirect it somewhere", 2)
    with lossy() as output:
        status = _run()
        output.flush()
        if output.error is not None and status == 0:
            reason = output.error.strerror or output.error
            fail(f"standard output: {reason}; nothing was lost but what it prints", 2)
    raise SystemExit(status)


def _run() -> int:
    """The status of the command, for which ``sys.argv`` has the words; says what is wrong."""
    try:
        result = app(sys.argv[1:] or ["--help"], prog_name="ohmbench", standalone_mode=False)
    except OhmbenchError as error:
        return told(str(error), 2)
    except typer.TyperException as error:
        context = getattr(error, "ctx", None)
        command = context.command_path if context else _command_asked()
        return told(f"{one_line(error.format_message())} (see '{command} --help')", 2)
    except (KeyboardInterrupt, typer.Abort):
        return told("interrupted", _INTERRUPTED)
    except OSError as error:
        return told(_refusal(error), 2)
    except (MemoryError, RuntimeError) as error:
        if not _out_of_memory(error):
            raise
        return told("not enough memory for what was asked; ask for less", 2)
    if result == _INTERRUPTED:  # typer's way of passing Ctrl-C on where nobody else takes it
        return told("interrupted", _INTERRUPTED)
    return result if isinstance(result, int) else 0


def _command_asked() -> str:
    """The command that the words begin with: where the parser fails, typer does not say."""
    command: Any = typer.main.get_command(app)
    path = ["ohmbench"]
    for word in sys.argv[1:]:
        if word not in getattr(command, "commands", {}):
            break
        command = command.commands[word]
        path.append(word)
    return " ".join(path)


def _refusal(error: OSError) -> str:
    """What the system refused, and of which file, in one line."""
    if error.filename is None and error.errno == errno.ENOENT:
        try:
            os.getcwd()
        except FileNotFoundError:
            return "the current folder no longer exists; change to another one"
    where = "" if error.filename is None else f"{error.filename}: "
    return one_line(f"{where}{error.strerror or error}")


def _out_of_memory(error: Exception) -> bool:
    # On the CPU torch has no class of its own for it.
    kinds = (MemoryError, torch.cuda.OutOfMemoryError)
    return isinstance(error, kinds) or "DefaultCPUAllocator" in str(error)
