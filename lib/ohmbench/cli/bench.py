"""``ohmbench bench show``, ``compare`` and ``plot``: what benchmark runs left behind."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ohmbench.cli.common import (
    Force,
    Json,
    check_figure,
    check_not_input,
    json_files,
    print_json,
    print_whole,
    say,
)
from ohmbench.cli.grouping import Command, Group
from ohmbench.errors import FileError, OperandError

if TYPE_CHECKING:
    from ohmbench.benchmarks.judging import Verdict
    from ohmbench.benchmarks.records import Baseline, Run

app = typer.Typer(
    cls=Group,
    rich_markup_mode=None,
    help="Show, compare and plot runs of the benchmarks ('tox -e bench').",
    epilog="Example: ohmbench bench compare before.json after.json",
)

RunFile = Annotated[
    str, typer.Argument(metavar="FILE", help="What 'pytest tests/bench --benchmark-json' wrote.")
]


def _title(run: Run | Baseline) -> str:
    from ohmbench.benchmarks.records import Baseline

    if isinstance(run, Baseline):
        return "baseline"
    return f"{run.commit[:10]}{'+' if run.dirty else ''}"


def _circumstances(run: Run | Baseline) -> str:
    from ohmbench.benchmarks.records import Baseline

    if isinstance(run, Baseline):
        return _title(run)
    at = run.circumstances
    found = ", ".join(f"{name} {number}" for name, number in at.versions.items())
    commit = f"commit {_title(run)}, {run.when.isoformat()}"
    return f"{commit}; {at.machine.key}, {at.threads} threads; {found}"


@app.command("show", cls=Command)
def show(
    file: RunFile,
    markdown: Annotated[bool, typer.Option("--markdown", help="As a table in Markdown.")] = False,
) -> None:
    """Show the times, ratios and goals of one run.

    Each row has the reference, ours, the machine's bound, the ratio, its noise floor and the goal.
    The bound is what a call's floating-point operations would take at the rate of a large matrix
    product on the same machine, in the same run. Memory is the reference's peak over ours.

    Example: ohmbench bench show run.json
    """
    from ohmbench.benchmarks.records import read_run
    from ohmbench.report.benchmark_tables import measurements_markdown, measurements_table

    run = read_run(file)
    if markdown:
        sys.stdout.write(measurements_markdown(run.measurements))
        return
    say(_circumstances(run))
    print_whole(measurements_table(run.measurements))


@app.command("compare", cls=Command)
def compare_command(
    before: Annotated[
        str, typer.Argument(metavar="A", help="An earlier run's file, or a baseline.json.")
    ],
    after: Annotated[str, typer.Argument(metavar="B", help="The later run's file.")],
    as_json: Json = False,
    markdown: Annotated[
        bool,
        typer.Option("--markdown", help="As a Markdown table, for a comment on a pull request."),
    ] = False,
) -> None:
    """Compare two runs and say which figures got worse by more than their bands.

    Ratios that changed by less than the noise of both runs are not judged; those of two machines
    are held against a wider band. Exit status 1 when a figure got worse or is missing on one side.

    Example: ohmbench bench compare tests/bench/baseline.json run.json --markdown
    """
    from ohmbench.benchmarks.judging import compare
    from ohmbench.benchmarks.records import read_run, read_stored
    from ohmbench.report.benchmark_tables import comparison_markdown, tally, verdicts_table

    if as_json and markdown:
        raise OperandError("--json and --markdown: choose one of them")
    old, new = read_stored(before), read_run(after)
    verdicts = compare(old, new)
    if as_json:
        print_json({"verdicts": [_plain(v) for v in verdicts]})
    elif markdown:
        about = (_circumstances(old), _circumstances(new))
        sys.stdout.write(comparison_markdown(verdicts, new.measurements, about))
    else:
        print_whole(verdicts_table(verdicts, (_title(old), _title(new))))
        for verdict in verdicts:
            if verdict.status.red:
                say(verdict.line)
        say(tally(verdicts))
    if any(v.status.red for v in verdicts):
        raise typer.Exit(1)


def _plain(v: Verdict) -> dict[str, Any]:
    return {
        "benchmark": v.name,
        "figure": v.figure,
        "before": v.before,
        "now": v.now,
        "verdict": v.status.value,
        "line": v.line,
    }


@app.command("plot", cls=Command)
def plot(
    paths: Annotated[
        list[str],
        typer.Argument(metavar="FILES", help="Files of runs, or folders that hold them."),
    ],
    out: Annotated[
        str, typer.Option("--out", metavar="FILE", help="Figure: png, pdf or svg.")
    ] = "history.png",
    only: Annotated[
        list[str] | None,
        typer.Option("--only", metavar="NAME", help="This benchmark (may be repeated)."),
    ] = None,
    force: Force = False,
) -> None:
    """Plot ratios over commits, with band and goal.

    Commits are in the order of their times, runs of one commit in that of their measurements.
    The band is the one below the latest run's value.

    Example: ohmbench bench plot runs/ --out history.png
    """
    from ohmbench.benchmarks.records import read_run
    from ohmbench.report.benchmark_figures import histories_of, history_figure
    from ohmbench.report.figures import save_figure

    files = json_files(paths)
    check_figure(out, force)
    check_not_input(out, *files)
    runs = sorted((read_run(file) for file in files), key=lambda run: (run.when, run.measured))
    histories = histories_of(runs)
    unknown = sorted(set(only or []) - {h.name for h in histories})
    if unknown:
        there = ", ".join(h.name for h in histories)
        raise OperandError(f"--only {unknown[0]}: not in these runs; choose from {there}")
    chosen = [h for h in histories if not only or h.name in only]
    if not chosen:
        raise FileError(files[0], "holds no benchmark with a ratio")
    save_figure(history_figure([_title(run) for run in runs], chosen), out, overwrite=force)
    say(f"wrote {out}")
