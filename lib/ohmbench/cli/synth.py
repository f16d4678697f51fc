"""``ohmbench synth`` and ``ohmbench synth sweep``."""

from __future__ import annotations

import re
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from enum import Enum
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ohmbench.cli.common import (
    Force,
    Json,
    check_figure,
    fail,
    print_json,
    say,
)
from ohmbench.cli.grouping import Command, Group
from ohmbench.cli.naming import PaperFann, complete_network
from ohmbench.eda.synthesis.defaults import IMAGES, LANES, SEEDS
from ohmbench.errors import OperandError

if TYPE_CHECKING:
    from ohmbench.digital import StoredInt8
    from ohmbench.digital.widths import Hardware
    from ohmbench.eda.synthesis.activity import Stimulus
    from ohmbench.eda.synthesis.defaults import FlowName

MHZ = 1e6
_SIZES = re.compile(r"(\d{1,6})-(\d{1,6})-(\d{1,6})")
_NUMBERS = re.compile(r"[\d-]+")
_DIGITS = "int8-digits"


class ToolFlow(str, Enum):
    """Whose tools."""

    ECP5 = "ecp5"
    VTR = "vtr"


class _ActivityFrom(str, Enum):
    """How often nets toggle, for power."""

    VECTORLESS = "vectorless"
    SIMULATED = "simulated"


class _RunByDefault(Group):
    """``synth DESIGN`` is short for ``synth run DESIGN``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """``args`` with ``run`` before them where they begin with no subcommand."""
        named = args[0] in ("--help", *self.commands) if args else ctx.resilient_parsing
        if not named:  # a shell completes the subcommand itself where there is no word yet
            args = ["run", *args]
        return super().parse_args(ctx, args)

    def shell_complete(self, ctx: Any, incomplete: str) -> list[Any]:
        """The subcommands, and what ``run`` takes: networks and its options."""
        run: Any = self.commands["run"]
        with run.make_context("run", [], parent=ctx, resilient_parsing=True) as inner:
            options = run.shell_complete(inner, incomplete)
            design = run.params[0].shell_complete(inner, incomplete)
        found = [*super().shell_complete(ctx, incomplete), *design, *options]
        return list({item.value: item for item in found}.values())


app = typer.Typer(
    cls=_RunByDefault,
    rich_markup_mode=None,
    help="Synthesise the accelerator for its clock speed, area, power and energy per inference. "
    "'ohmbench synth DESIGN' is 'ohmbench synth run DESIGN'.",
    epilog="Example: ohmbench synth 64-100-10 --seed 1",
)

DesignName = Annotated[
    str,
    typer.Argument(
        metavar="DESIGN",
        autocompletion=complete_network,
        help="An int8 network (stored weights or a file), of which the sizes are taken, or sizes "
        "as 64-100-10.",
    ),
]
FlowOption = Annotated[
    ToolFlow,
    typer.Option("--flow", help="ecp5: tools from pip. vtr: the paper's, from VTR_ROOT."),
]
Seed = Annotated[
    list[int] | None,
    typer.Option("--seed", min=0, metavar="N", help="Placement seed (may be repeated)."),
]
Seeds = Annotated[
    int | None,
    typer.Option(
        "--seeds",
        min=1,
        max=100,
        metavar="K",
        help="Seeds 1 to K. Default: " + ", ".join(f"{k} for {n}" for n, k in SEEDS.items()) + ".",
    ),
]

Jobs = Annotated[
    int, typer.Option("--jobs", "-j", min=1, max=64, metavar="N", help="Seeds at a time.")
]


def _sizes(design: str, paper_fann: str | None) -> Hardware:
    """The hardware as it is built for a network or for sizes. Raises FileError, RangeError."""
    from ohmbench.eda.hdl import hardware_for, usual_hardware
    from ohmbench.families import Papers, load_able

    sizes = _SIZES.fullmatch(design)
    if sizes:
        inputs, hidden, classes = map(int, sizes.groups())
        return usual_hardware(inputs, hidden, classes)
    if _NUMBERS.fullmatch(design):
        raise OperandError(
            f"{design}: not INPUTS-HIDDEN-CLASSES; write three sizes of up to six digits, like "
            "64-100-10"
        )
    data: StoredInt8 = load_able(design, Papers(paper_fann), "synth").network
    return hardware_for(data.network)


def _stimulus(design: str, hardware: Hardware, images: int, paper_fann: str | None) -> Stimulus:
    """The network's own images, or those of the stored digits for sizes. Raises OperandError."""
    from ohmbench.eda.synthesis.activity import Stimulus
    from ohmbench.families import Papers, load_able

    name = design if _SIZES.fullmatch(design) is None else _DIGITS
    data: StoredInt8 = load_able(name, Papers(paper_fann), "synth").network
    if data.network.sizes != (hardware.inputs, hardware.hidden, hardware.classes):
        sizes = "-".join(map(str, data.network.sizes))
        raise OperandError(
            f"--activity simulated: {design} are other sizes than those of {_DIGITS} ({sizes}); "
            "name a network"
        )
    return Stimulus(name, data.network, data.images().x, images)


def _seeds(flow: FlowName, seed: list[int] | None, seeds: int | None) -> list[int]:
    if seed and seeds:
        raise OperandError("--seed and --seeds: exclude each other; give one of them")
    return seed or list(range(1, (seeds or SEEDS[flow]) + 1))


class _Ended(KeyboardInterrupt):
    """A signal that asks for an end; ``number`` says which. It unwinds as Ctrl-C does."""

    def __init__(self, number: int) -> None:
        self.number = number
        super().__init__()


def _end(number: int, frame: FrameType | None) -> None:
    raise _Ended(number)


@contextmanager
def _ending_tools() -> Iterator[None]:
    """SIGTERM and SIGHUP unwind the stack inside, so that tools under way end and half a run goes.

    One that something else handles, or that is ignored (nohup), stays as it is.
    """
    ours: list[signal.Signals] = []
    if threading.current_thread() is threading.main_thread():  # no other may set them
        wanted = (signal.SIGTERM, signal.SIGHUP)
        ours = [number for number in wanted if signal.getsignal(number) is signal.SIG_DFL]
    for number in ours:
        signal.signal(number, _end)
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)


@contextmanager
def _progress(steps: int) -> Iterator[Callable[[str], None]]:
    """A bar on the terminal's error stream; the function is told what begins. A signal that ends
    the command inside ends the tools it runs, too."""
    from ohmbench.progress import progress_bar

    progress = progress_bar()
    lock = threading.Lock()  # seeds may begin in several threads
    begun = 0
    try:
        with progress, _ending_tools():
            bar = progress.add_task("starting", total=steps)

            def step(what: str) -> None:
                nonlocal begun
                with lock:
                    progress.update(bar, description=what, completed=begun)
                    begun += 1

            yield step
    except KeyboardInterrupt as error:
        number = error.number if isinstance(error, _Ended) else signal.SIGINT
        fail(
            "interrupted; what is finished is kept, the same command goes on from there",
            128 + number,
        )


@app.command("run", cls=Command)
def synth(
    design: DesignName,
    flow: FlowOption = ToolFlow.ECP5,
    seed: Seed = None,
    seeds: Seeds = None,
    jobs: Jobs = 1,
    lanes: Annotated[int | None, typer.Option(min=1, help="Neurons side by side.")] = None,
    requants: Annotated[
        int | None,
        typer.Option(min=1, help="Requantisers, a power of two. Default: the fewest allowed."),
    ] = None,
    out: Annotated[
        str | None,
        typer.Option(metavar="FOLDER", help="Keep reports and result.json there."),
    ] = None,
    clock: Annotated[
        float | None, typer.Option(metavar="MHZ", help="Latency, power, energy at this clock too.")
    ] = None,
    activity: Annotated[
        _ActivityFrom,
        typer.Option(
            "--activity",
            help="Of vtr's power. simulated: also from real images in the netlist that VPR placed.",
        ),
    ] = _ActivityFrom.VECTORLESS,
    images: Annotated[
        int, typer.Option(min=1, metavar="N", help="Images of a simulated activity.")
    ] = IMAGES,
    force: Force = False,
    as_json: Json = False,
    paper_fann: PaperFann = None,
) -> None:
    """Place and route the accelerator and report clock speed, area, power and energy.

    Several placement seeds give a median and a spread. Clock counts come from simulation;
    inferences per second are what is sustained, also where results come unevenly. All of it is kept
    in the folder that OHMBENCH_CACHE names (default: ohmbench in the user's cache), and not made
    twice. Only VTR knows power: that at Fmax, with activities that VTR estimates, and with
    --activity simulated also with those of the network's own images (the stored digits for sizes),
    streamed without a pause through the netlist, each result checked; glitches are not in those.

    Example: ohmbench synth 64-100-10 --flow ecp5 --seed 1
    """
    from ohmbench.cli.synth_output import print_report, report_json
    from ohmbench.eda.hdl import check_buildable
    from ohmbench.eda.synthesis.flows import check_out, check_tools, least_requants, save
    from ohmbench.eda.synthesis.flows import synthesise as run_flow

    name: FlowName = flow.value
    hardware = _sizes(design, paper_fann)
    if lanes is not None:
        hardware = replace(hardware, lanes=lanes)
    hardware = (
        least_requants(hardware)
        if requants is None and lanes is not None
        else replace(hardware, requants=requants or hardware.requants)
    )
    check_buildable(hardware)
    if clock is not None and not 0 < clock < 1e6:
        raise OperandError(f"--clock {clock:g}: not a clock; give a positive number of MHz")
    chosen = _seeds(name, seed, seeds)
    if out == "":
        raise OperandError("--out: is empty; name a folder, or leave it out")
    check_tools(name)
    if out is not None:
        check_out(Path(out), force=force)
    stimulus = None
    if activity is _ActivityFrom.SIMULATED:
        if name != "vtr":
            raise OperandError(f"--activity simulated: only --flow vtr knows power, not {name}")
        stimulus = _stimulus(design, hardware, images, paper_fann)
    with _progress(1 + len(chosen)) as step:
        finished = run_flow(name, hardware, chosen, jobs=jobs, stimulus=stimulus, on_step=step)
    report = finished.report
    if out is not None:
        save(finished, Path(out), force=force)
    # Whether the design reaches the clock is known only now; what was found is safe by then.
    clock_Hz = None if clock is None else clock * MHZ
    if clock_Hz is not None:
        report.at(clock_Hz)
    if as_json:
        print_json(report_json(report, clock_Hz))
    else:
        print_report(report, clock_Hz)
        if out is not None:
            say(f"wrote {out}")


@app.command("sweep", cls=Command)
def sweep(
    design: Annotated[
        str, typer.Argument(metavar="[DESIGN]", help="As for 'ohmbench synth'.")
    ] = "64-100-10",
    flow: FlowOption = ToolFlow.ECP5,
    lanes: Annotated[
        list[int] | None,
        typer.Option(min=1, help="May be repeated. Default: " + ", ".join(map(str, LANES)) + "."),
    ] = None,
    seed: Seed = None,
    seeds: Seeds = None,
    jobs: Jobs = 1,
    plot: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Figure: png, pdf or svg. Default: none."),
    ] = None,
    force: Force = False,
    as_json: Json = False,
    paper_fann: PaperFann = None,
) -> None:
    """Synthesise the same network with more and fewer lanes.

    Each has the fewest requantisers that it can have. A table, and with --plot a
    figure over latency: energy per inference (vtr), or LUTs and Fmax (ecp5). An interrupted sweep
    goes on where it was when the command is given again.

    Example: ohmbench synth sweep 64-100-10 --flow vtr --seeds 5 --plot sweep.png
    """
    from ohmbench.cli.synth_output import figure_of_sweep, point_json, print_sweep
    from ohmbench.eda.synthesis.flows import check_tools
    from ohmbench.eda.synthesis.sweep import candidates
    from ohmbench.eda.synthesis.sweep import sweep as run_sweep
    from ohmbench.report.figures import save_figure

    name: FlowName = flow.value
    base = _sizes(design, paper_fann)
    # The usual ones; more lanes than neurons would only idle.
    usual = [n for n in LANES if n <= base.hidden] or [base.hidden]
    chosen = candidates(base, lanes or usual)
    over = _seeds(name, seed, seeds)
    if plot is not None:
        check_figure(plot, force)
    check_tools(name)
    with _progress(len(chosen) * (1 + len(over))) as step:
        points = run_sweep(name, chosen, over, jobs=jobs, on_step=step)
    if plot is not None:
        save_figure(figure_of_sweep(points), plot, overwrite=force)
    if as_json:
        print_json({"points": [point_json(point) for point in points]})
    else:
        print_sweep(points)
        if plot is not None:
            say(f"wrote {plot}")
