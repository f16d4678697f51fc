"""The ``ohmbench`` command: one subcommand per task; bad input gives one line and exit status 2.

Each subcommand has a module with its options and its text. What computes is imported inside the
function that needs it, so that help and completion are there at once: a test counts the modules.
``common`` holds what subcommands share, ``naming`` the options that name a network, ``grouping``
the layout of the help and ``refusals`` the form of error lines.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer

from ohmbench.cli.bench import app as bench_app
from ohmbench.cli.claims import claims
from ohmbench.cli.common import fail, told
from ohmbench.cli.doctor import doctor
from ohmbench.cli.evaluation import evaluate_command
from ohmbench.cli.export import export
from ohmbench.cli.fetch import fetch
from ohmbench.cli.grouping import Command, Group
from ohmbench.cli.import_network import import_command
from ohmbench.cli.listing import list_weights
from ohmbench.cli.plot import plot_command
from ohmbench.cli.power import power
from ohmbench.cli.predict import predict
from ohmbench.cli.prove import prove
from ohmbench.cli.quantize import quantize
from ohmbench.cli.refusals import line_of, system_line, usage_line
from ohmbench.cli.report import report
from ohmbench.cli.sampling import sample
from ohmbench.cli.storing import store
from ohmbench.cli.synth import app as synth_app
from ohmbench.cli.trace import trace
from ohmbench.cli.training import train
from ohmbench.errors import OhmbenchError
from ohmbench.streams import lossy

__all__ = ["app", "main"]

app = typer.Typer(
    cls=Group,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Verify and benchmark neural networks that live in analog and digital hardware.",
    epilog="Start with 'ohmbench list' and 'ohmbench evaluate floatgate-digits'.",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from ohmbench import __version__

        sys.stdout.write(f"ohmbench {__version__}\n")
        raise typer.Exit


@app.callback()
def common_options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """Verify and benchmark neural networks that live in analog and digital hardware."""


COMMANDS: tuple[tuple[str, str, Callable[..., Any] | typer.Typer], ...] = (
    # Panel of the help, name, function or group of further commands.
    ("Networks", "list", list_weights),
    ("Networks", "train", train),
    ("Networks", "evaluate", evaluate_command),
    ("Networks", "predict", predict),
    ("Networks", "plot", plot_command),
    ("Networks", "sample", sample),
    ("Networks", "power", power),
    ("Networks", "import", import_command),
    ("Networks", "quantize", quantize),
    ("Networks", "export", export),
    ("Hardware", "prove", prove),
    ("Hardware", "trace", trace),
    ("Hardware", "synth", synth_app),
    ("Papers", "claims", claims),
    ("Papers", "report", report),
    ("Papers", "fetch", fetch),
    ("Maintenance", "doctor", doctor),
    ("Maintenance", "bench", bench_app),
    ("Maintenance", "store", store),
)

for _panel, _name, _command in COMMANDS:
    if isinstance(_command, typer.Typer):
        app.add_typer(_command, name=_name, rich_help_panel=_panel)
    else:
        app.command(_name, cls=Command, rich_help_panel=_panel)(_command)


_INTERRUPTED = 130


def main() -> None:
    """Run the command. Exit status: 0 done, 1 a proof, trace or benchmark that fails, 2 bad input
    (one line), 130 interrupted (``synth``: 143 and 129 by SIGTERM and SIGHUP).

    A reader that leaves early (``| head``) changes neither what is done nor the status.
    """
    if sys.stdout is None:
        fail("standard output: is closed; redirect it somewhere", 2)
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
        return told(line_of(error, _command_asked()), 2)
    except typer.TyperException as error:
        context = getattr(error, "ctx", None)
        command = context.command_path if context else _command_asked()
        return told(usage_line(error, command), 2)
    except (KeyboardInterrupt, typer.Abort):
        return told("interrupted", _INTERRUPTED)
    except OSError as error:
        return told(system_line(error, _command_asked()), 2)
    except (MemoryError, RuntimeError) as error:
        if not _out_of_memory(error):
            raise
        return told("memory: not enough for what was asked; ask for less", 2)
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


def _out_of_memory(error: Exception) -> bool:
    if isinstance(error, MemoryError) or "DefaultCPUAllocator" in str(error):
        return True  # on the CPU torch has no class of its own for it
    torch = sys.modules.get("torch")  # what was never loaded has not run out
    return torch is not None and isinstance(error, torch.cuda.OutOfMemoryError)
