"""``ohmbench synth`` and ``ohmbench synth sweep``."""

from __future__ import annotations

import json
import re
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from enum import Enum
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table
from typer.core import TyperGroup

from ohmbench.cli.common import (
    Force,
    Json,
    check_figure,
    fail,
    print_json,
    print_whole,
    say,
)
from ohmbench.cli.naming import PaperFann
from ohmbench.digital import StoredInt8
from ohmbench.digital.clocks import image_clocks
from ohmbench.digital.widths import Hardware
from ohmbench.eda.hdl import check_buildable, hardware_for, usual_hardware
from ohmbench.eda.synthesis.activity import IMAGES, Stimulus
from ohmbench.eda.synthesis.flows import SEEDS, check_out, check_tools, least_requants, save
from ohmbench.eda.synthesis.flows import synthesise as run_flow
from ohmbench.eda.synthesis.result import (
    FlowName,
    Performance,
    Power,
    Report,
    Spread,
    Synthesis,
    median_run,
    spread,
)
from ohmbench.eda.synthesis.sweep import LANES, Point, candidates
from ohmbench.eda.synthesis.sweep import sweep as run_sweep
from ohmbench.errors import OperandError
from ohmbench.families import Papers, load_able
from ohmbench.progress import progress_bar
from ohmbench.report.figures import save_figure
from ohmbench.report.synthesis_figures import Curve, sweep_figure

MHZ = 1e6
_SIZES = re.compile(r"(\d{1,6})-(\d{1,6})-(\d{1,6})")
_DIGITS = "int8-digits"
_LONGEST_PATH = 12
"""Elements of a critical path that are shown; all are in the JSON."""


class ToolFlow(str, Enum):
    """Whose tools."""

    ECP5 = "ecp5"
    VTR = "vtr"


class _ActivityFrom(str, Enum):
    """How often nets toggle, for power."""

    VECTORLESS = "vectorless"
    SIMULATED = "simulated"


class _RunByDefault(TyperGroup):
    """``synth DESIGN`` is short for ``synth run DESIGN``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """``args`` with ``run`` before them where they begin with no subcommand."""
        if not args or (args[0] not in self.commands and args[0] != "--help"):
            args = ["run", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_RunByDefault,
    rich_markup_mode=None,
    help="Synthesise the accelerator: clock speed, area, power, energy per inference. "
    "'ohmbench synth DESIGN' is 'ohmbench synth run DESIGN'.",
    epilog="Example: ohmbench synth 64-100-10 --seed 1",
)

DesignName = Annotated[
    str,
    typer.Argument(
        metavar="DESIGN",
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
    sizes = _SIZES.fullmatch(design)
    if sizes:
        inputs, hidden, classes = map(int, sizes.groups())
        return usual_hardware(inputs, hidden, classes)
    data: StoredInt8 = load_able(design, Papers(paper_fann), "synth").network
    return hardware_for(data.network)


def _stimulus(design: str, hardware: Hardware, images: int, paper_fann: str | None) -> Stimulus:
    """The network's own images, or those of the stored digits for sizes. Raises OperandError."""
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
        raise OperandError("--seed and --seeds: give one of them")
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


@app.command("run")
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
    """Place and route the accelerator; clock speed, area, power, energy per inference.

    Several placement seeds give a median and a spread. Clock counts come from simulation;
    inferences per second are what is sustained, also where results come unevenly. All of it is kept
    in the folder that OHMBENCH_CACHE names (default: ohmbench in the user's cache), and not made
    twice. Only VTR knows power: that at Fmax, with activities that VTR estimates, and with
    --activity simulated also with those of the network's own images (the stored digits for sizes),
    streamed without a pause through the netlist, each result checked; glitches are not in those.

    Example: ohmbench synth 64-100-10 --flow ecp5 --seed 1
    """
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
        raise OperandError(f"--clock {clock:g}: a positive number of MHz")
    chosen = _seeds(name, seed, seeds)
    if out == "":
        raise OperandError("--out is empty: name a folder, or leave it out")
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
        print_json(_json(report, clock_Hz))
    else:
        _print(report, clock_Hz)
        if out is not None:
            say(f"wrote {out}")


@app.command("sweep")
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
    """The same network with more and fewer lanes, each with the fewest requantisers it can have.

    A table, and with --plot a figure over latency: energy per inference (vtr), or LUTs and Fmax
    (ecp5). An interrupted sweep goes on where it was when the command is given again.

    Example: ohmbench synth sweep 64-100-10 --flow vtr --seeds 5 --plot sweep.png
    """
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
        save_figure(_figure(points), plot, overwrite=force)
    if as_json:
        print_json({"points": [_point_json(point) for point in points]})
    else:
        _print_sweep(points)
        if plot is not None:
            say(f"wrote {plot}")


# ------------------------------------------------------------------------------------------------
# Output


def _spread(found: Spread, scale: float, digits: int) -> str:
    text = f"{found.median * scale:.{digits}f}"
    if found.low == found.high:
        return text
    return f"{text} [{found.low * scale:.{digits}f}, {found.high * scale:.{digits}f}]"


def _over(rows: tuple[Performance, ...], figure: Callable[[Performance], float | None]) -> Spread:
    values = [v for v in map(figure, rows) if v is not None]
    return spread(values)


def _print(report: Report, clock_Hz: float | None) -> None:
    run, design = median_run(report.runs), report.design
    seeds = ", ".join(str(r.seed) for r in report.runs)
    several = len(report.runs) > 1
    how = f"median [least, most] of seeds {seeds}" if several else f"seed {seeds}"
    area = run.area
    table = Table("figure", "value", title=escape(f"{design.name} on {run.device}, {how}"))
    table.add_row("Fmax, MHz", _spread(report.over_seeds(lambda r: r.fmax_Hz), 1e-6, 2))
    _performance_rows(table, report, None, "at Fmax")
    if clock_Hz is not None:
        _performance_rows(table, report, clock_Hz, f"at {clock_Hz / MHZ:g} MHz")
    for name, value in (
        ("logic blocks", area.logic_blocks),
        ("LUTs", area.luts),
        ("flip-flops", area.flip_flops),
        ("multipliers", _modes(area.multiplier_blocks, area.multipliers)),
        ("memories", _modes(area.memory_blocks, area.memories)),
        ("grid", "-" if area.grid is None else "{} x {}".format(*area.grid)),
        ("grid limited by", area.grid_limited_by or "-"),
    ):
        table.add_row(name, str(value))
    wires = report.over_seeds(lambda r: r.area.wire_length)
    table.add_row(f"wire length, {area.wire_unit}", _spread(wires, 1, 0))
    table.add_row("run time, s", _spread(report.over_seeds(lambda r: r.cost.wall_s), 1, 0))
    memory = report.over_seeds(lambda r: r.cost.peak_memory_MiB)
    table.add_row("peak memory, MiB", _spread(memory, 1, 0))
    table.add_row("clocks", f"{report.clocks.latency} latency, {_intervals(report)} between images")
    print_whole(table)
    _print_power(run)
    _print_path(run)
    if run.calibration is not None:
        for c in run.calibration.compared:
            say(
                f"calibration on {run.calibration.circuit}: {c.what}: {c.here:.4g} here, "
                f"{c.golden:.4g} in VTR's golden results ({c.low} to {c.high} times it is allowed)"
            )
    clocks, own = report.clocks, image_clocks(design.hardware)
    if clocks.mean_interval < clocks.interval:
        say(
            "results come unevenly: inferences per second and energy are those of the mean interval"
        )
    counted = (clocks.latency, clocks.interval, clocks.mean_interval)
    if counted != (own.latency, own.interval, own.mean_interval):
        say(
            f"this Verilog differs in its clocks from ohmbench's own, which has {own.latency} "
            f"latency, {own.mean_interval:g} between images"
        )
    say(f"tools: {run.versions.text}; {clocks.simulator}")


def _intervals(report: Report) -> str:
    """The clocks between images: a number, or the mean and the most where they differ."""
    clocks = report.clocks
    if clocks.mean_interval == clocks.interval:
        return str(clocks.interval)
    return f"{clocks.mean_interval:g} (at most {clocks.interval})"


def _performance_rows(table: Table, report: Report, clock_Hz: float | None, where: str) -> None:
    rows = report.at(clock_Hz)
    latency, images = _over(rows, lambda p: p.latency_s), _over(rows, lambda p: p.inferences_per_s)
    table.add_row(f"latency {where}, us", _spread(latency, 1e6, 3))
    table.add_row(f"inferences per second {where}", _spread(images, 1, 0))
    simulated = report.at(clock_Hz, simulated=True)
    both = all(p.energy_J is not None for p in (*rows, *simulated))
    for kind, found in ((" (vectorless)" if both else "", rows), (" (simulated)", simulated)):
        if found[0].energy_J is not None:
            power, energy = _over(found, lambda p: p.power_W), _over(found, lambda p: p.energy_J)
            table.add_row(f"power {where}{kind}, mW", _spread(power, 1e3, 1))
            table.add_row(f"energy per inference {where}{kind}, uJ", _spread(energy, 1e6, 4))


def _modes(blocks: int, modes: dict[str, int]) -> str:
    inside = ", ".join(f"{n} {mode}" for mode, n in modes.items() if n)
    return f"{blocks} blocks" + (f" ({inside})" if inside else "")


def _print_power(run: Synthesis) -> None:
    """One activity beside the other."""
    powers = [power for power in (run.power, run.power_simulated) if power is not None]
    if not powers:
        return
    title = (
        f"Power at Fmax, seed {run.seed}, {powers[0].temperature_C:g} degrees C, "
        f"{powers[0].voltage_V:g} V"
    )
    headers = [text for power in powers for text in (f"{power.activity} activity, mW", "%")]
    table = Table("part", *headers, title=title)
    for part in (
        *("total", "dynamic", "static"),
        *("routing", "clock", "logic", "memory", "multipliers", "other"),
    ):
        cells = [cell for power in powers for cell in _watts(power, part)]
        table.add_row(part, *cells, end_section=part == "static")
    print_whole(table)
    found = run.activity
    if found is not None:
        say(
            f"simulated: {found.images} images of {found.network} (seed {found.seed}) in "
            f"{found.clocks} clocks after {found.warm_up}, {found.checked} results checked; "
            f"{found.mean_density:.3f} toggles a clock and net without glitches, "
            f"{found.mean_density_vectorless:.3f} in VTR's estimate"
        )


def _watts(power: Power, part: str) -> tuple[str, str]:
    watts = getattr(power, f"{part}_W")
    return f"{1e3 * watts:.1f}", f"{100 * watts / power.total_W:.0f}"


def _print_path(run: Synthesis) -> None:
    path = run.critical_path
    table = Table(
        *("ns", "what", "at"),
        title=f"Critical path, seed {run.seed}: {1e9 * path.delay_s:.3f} ns",
    )
    slowest = sorted(path.elements, key=lambda e: -e.delay_s)[:_LONGEST_PATH]
    shown = [e for e in path.elements if e in slowest and e.delay_s > 0]
    for element in shown:
        table.add_row(f"{1e9 * element.delay_s:.3f}", element.kind, element.at)
    print_whole(table)
    by_kind: dict[str, float] = {}
    for element in path.elements:
        by_kind[element.kind] = by_kind.get(element.kind, 0.0) + element.delay_s
    parts = ", ".join(f"{k} {1e9 * d:.2f}" for k, d in sorted(by_kind.items(), key=lambda i: -i[1]))
    say(f"from {path.start} to {path.end}; by kind, ns: {parts}")


def _json(report: Report, clock_Hz: float | None) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(report.model_dump_json())
    where: dict[str, float | None] = {"at_fmax": None}
    if clock_Hz is not None:
        where["at_clock"] = clock_Hz
    for name, at in where.items():
        value[name] = [json.loads(p.model_dump_json()) for p in report.at(at)]
        if all(run.power_simulated is not None for run in report.runs):
            rows = report.at(at, simulated=True)
            value[f"{name}_simulated"] = [json.loads(p.model_dump_json()) for p in rows]
    return value


def _point_json(point: Point) -> dict[str, Any]:
    known = {"lanes": point.hardware.lanes, "requants": point.hardware.requants}
    if point.finished is None:
        return known | {"reason": point.reason}
    return known | _json(point.finished.report, None)


def _print_sweep(points: list[Point]) -> None:
    found = [p.finished.report for p in points if p.finished is not None]
    powered = bool(found) and found[0].runs[0].power is not None
    headers = ["lanes", "requants", "clocks", "interval", "Fmax, MHz", "latency, us", "1000/s"]
    headers += ["power, mW", "energy, uJ"] if powered else []
    headers += ["logic blocks", "LUTs", "flip-flops", "multipliers", "memories", "grid"]
    first = points[0].hardware
    title = f"{first.inputs}-{first.hidden}-{first.classes}"
    if found:
        several = len(found[0].runs)
        title += f" on {found[0].runs[0].device}, "
        title += f"median [least, most] of {several} seeds" if several > 1 else "one seed"
    table = Table(*headers, title=escape(title))
    for point in points:
        start = [str(point.hardware.lanes), str(point.hardware.requants)]
        table.add_row(*start, *(_sweep_cells(point.finished.report) if point.finished else ()))
    print_whole(table)
    for point in points:
        if point.reason:
            say(f"{point.hardware.lanes} lanes: {point.reason}")


def _sweep_cells(report: Report) -> list[str]:
    rows, area = report.at(), median_run(report.runs).area
    cells = [
        str(report.clocks.latency),
        _intervals(report),
        _spread(report.over_seeds(lambda r: r.fmax_Hz), 1e-6, 1),
        _spread(_over(rows, lambda p: p.latency_s), 1e6, 3),
        _spread(_over(rows, lambda p: p.inferences_per_s), 1e-3, 0),
    ]
    if rows[0].energy_J is not None:
        cells.append(_spread(_over(rows, lambda p: p.power_W), 1e3, 0))
        cells.append(_spread(_over(rows, lambda p: p.energy_J), 1e6, 3))
    grid = "-" if area.grid is None else "{} x {}".format(*area.grid)
    counts = (area.logic_blocks, area.luts, area.flip_flops)
    blocks = (area.multiplier_blocks, area.memory_blocks, grid)
    return cells + [str(n) for n in (*counts, *blocks)]


def _figure(points: list[Point]) -> Any:
    reports = [point.finished.report for point in points if point.finished is not None]
    if not reports:
        raise OperandError("no design of the sweep fits the device, so there is nothing to draw")
    reports.sort(key=lambda r: _over(r.at(), lambda p: p.latency_s).median)
    latency = [1e6 * _over(r.at(), lambda p: p.latency_s).median for r in reports]
    names = [str(r.design.lanes) for r in reports]
    if reports[0].runs[0].power is not None:
        energy = [_over(r.at(), lambda p: 1e6 * (p.energy_J or 0.0)) for r in reports]
        curves = [_curve("energy per inference, uJ", energy)]
    else:
        curves = [
            _curve("LUTs", [r.over_seeds(lambda s: s.area.luts) for r in reports]),
            _curve("Fmax, MHz", [r.over_seeds(lambda s: s.fmax_Hz / MHZ) for r in reports]),
        ]
    run = reports[0].runs[0]
    title = f"{run.design.sizes} on {run.device}, by lanes"
    missing = [str(point.hardware.lanes) for point in points if point.finished is None]
    if missing:
        title += f"\nwith {', '.join(missing)} lanes it does not fit"
    return sweep_figure(latency, names, curves, title)


def _curve(label: str, spreads: list[Spread]) -> Curve:
    return Curve(
        label, [s.median for s in spreads], [s.low for s in spreads], [s.high for s in spreads]
    )
