"""The result of a synthesis run, one frozen record for every flow, and figures derived from it.

All quantities are in SI units (Hz, s, W, J) unless the field's name says otherwise. Records are
written to JSON and read back strictly: a missing field, an extra field or a wrong type is an error.
"""

from __future__ import annotations

import json
import math
import os
import statistics
from collections.abc import Callable, Sequence
from typing import Annotated, Literal, TypeVar

from pydantic import Field, ValidationError, model_validator

from ohmbench.digital.widths import Hardware
from ohmbench.eda.synthesis.defaults import FlowName
from ohmbench.errors import FileError, RangeError
from ohmbench.fields import Record
from ohmbench.files import read_json, write_json

Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]

SUMS_AGREE = 0.01
"""Fraction of a total by which its rounded parts (reports print four digits) may miss it."""

R = TypeVar("R", bound="Record")


class Design(Record):
    """What was synthesised: the accelerator of these sizes, with a hash of its sources."""

    inputs: int
    hidden: int
    classes: int
    lanes: int
    requants: int
    sources_sha256: str

    @property
    def sizes(self) -> str:
        """The network's sizes, as in ``64-100-10``."""
        return f"{self.inputs}-{self.hidden}-{self.classes}"

    @property
    def name(self) -> str:
        """Sizes, lanes and requantisers in words: the design's name in messages and figures."""
        return f"{self.sizes} lanes {self.lanes} requants {self.requants}"

    @property
    def hardware(self) -> Hardware:
        """The accelerator of these sizes, with all widths derived from them."""
        return Hardware(self.inputs, self.hidden, self.classes, self.lanes, self.requants)


class Versions(Record):
    """Version of each tool by name, and SHA-256 of each target file by name."""

    tools: dict[str, str]
    files: dict[str, str]

    @property
    def text(self) -> str:
        """The tools and their versions in one line."""
        return ", ".join(f"{name} {version}" for name, version in sorted(self.tools.items()))


class PathElement(Record):
    """One step of a path: the pin or net, its kind (cell type, "routing"), and its delay."""

    at: str
    kind: str
    delay_s: float


class CriticalPath(Record):
    """The slowest register-to-register path, from a pin to a pin; ``delay_s`` is the period."""

    start: str
    end: str
    delay_s: Positive
    elements: Annotated[tuple[PathElement, ...], Field(min_length=1)]


class Area(Record):
    """The parts of the device that the netlist uses.

    ``logic_blocks``: clusters of ten LUTs and flip-flops (VTR), or sites of one LUT4 (ECP5).
    ``luts``: LUTs of six inputs (VTR) or four (ECP5, including carry chains and LUT memories).
    ``multipliers`` and ``memories``: number of blocks by mode. ``wire_length`` in ``wire_unit``.
    VTR's ``grid`` is as large as the design needs, and ``grid_limited_by`` is the block type that
    determines it; both are None for ECP5.
    """

    logic_blocks: Count
    luts: Count
    flip_flops: Count
    multiplier_blocks: Count
    multipliers: dict[str, Count]
    memory_blocks: Count
    memories: dict[str, Count]
    grid: tuple[int, int] | None
    grid_limited_by: str | None
    wire_length: Positive
    wire_unit: str


class PowerRow(Record):
    """One line of VPR's power tables: a component at its depth in the tree; ``dynamic`` is the
    dynamic fraction (None for a component that draws nothing).
    """

    component: str
    depth: Count
    total_W: NotNegative
    dynamic: Fraction | None


class Power(Record):
    """Power at Fmax, and its parts. ``activity`` is the source of the toggle rates: the netlist
    alone ("vectorless") or simulated images ("simulated").
    """

    activity: Literal["vectorless", "simulated"]
    temperature_C: float
    voltage_V: Positive
    total_W: Positive
    dynamic_W: NotNegative
    static_W: NotNegative
    routing_W: NotNegative
    clock_W: NotNegative
    logic_W: NotNegative
    memory_W: NotNegative
    multipliers_W: NotNegative
    other_W: NotNegative
    table: tuple[PowerRow, ...]
    table_by_block: tuple[PowerRow, ...]

    @model_validator(mode="after")
    def _adds_up(self) -> Power:
        for what, parts in (
            ("dynamic and static", (self.dynamic_W, self.static_W)),
            (
                "the components",
                (
                    *(self.routing_W, self.clock_W, self.logic_W),
                    *(self.memory_W, self.multipliers_W, self.other_W),
                ),
            ),
        ):
            if not math.isclose(sum(parts), self.total_W, rel_tol=SUMS_AGREE):
                raise ValueError(f"{what} add up to {sum(parts):g} W, not to {self.total_W:g} W")
        return self

    def at(self, clock_Hz: float, fmax_Hz: float) -> float:
        """Power in W at a clock up to Fmax: dynamic power scales with it, static power does not."""
        return self.static_W + self.dynamic_W * clock_Hz / fmax_Hz


class Activity(Record):
    """How a simulated activity was made: ``images`` images of ``network``, streamed without a pause
    after ``warm_up`` images, over ``clocks`` clocks. ``seed`` drew the images and the initial
    contents of the memories.

    ``checked``: results compared with the golden model, all equal. ``nets``: number of nets
    counted. ``collisions``: how often, in those clocks, both ports of a 1-bit memory slice accessed
    the same word while at least one of them wrote; the word read is then undefined, and drawn at
    random. ``mean_density``: toggles per clock, averaged over all nets but the clock, without
    glitches; ``mean_density_vectorless``: ACE's estimate of it, with glitches.
    """

    network: str
    images: Annotated[int, Field(gt=0)]
    warm_up: Count
    clocks: Annotated[int, Field(gt=0)]
    seed: Count
    checked: Count
    nets: Count
    collisions: Count
    mean_density: NotNegative
    mean_density_vectorless: NotNegative


class Compared(Record):
    """One figure of an installed tool and its golden value. The ratio may be from ``low`` to
    ``high``, for the reason ``why``.
    """

    what: str
    golden: Positive
    here: Positive
    low: Positive
    high: Positive
    why: str

    @property
    def ratio(self) -> float:
        """The figure divided by the golden value."""
        return self.here / self.golden

    @property
    def within(self) -> bool:
        """Whether the ratio is in its band, ends included."""
        return self.low <= self.ratio <= self.high


class Calibration(Record):
    """The installed VTR on VTR's own circuit, compared with VTR's golden results."""

    circuit: str
    task: str
    golden_version: str
    version: str
    conditions: str
    compared: Annotated[tuple[Compared, ...], Field(min_length=1)]


class Cost(Record):
    """Time and memory of the run: the only part of a result that may differ from run to run."""

    wall_s: NotNegative
    peak_memory_MiB: Positive


class Synthesis(Record):
    """One run: a design through a flow with one seed."""

    flow: FlowName
    device: str
    design: Design
    seed: Count
    options: tuple[str, ...]
    versions: Versions
    fmax_Hz: Positive
    critical_path: CriticalPath
    area: Area
    power: Power | None = None
    power_simulated: Power | None = None
    activity: Activity | None = None
    calibration: Calibration | None = None
    cost: Cost

    @model_validator(mode="after")
    def _says_what_was_simulated(self) -> Synthesis:
        if (self.power_simulated is None) != (self.activity is None):
            raise ValueError("power_simulated without activity, or activity without it")
        for power, expected in ((self.power, "vectorless"), (self.power_simulated, "simulated")):
            if power is not None and power.activity != expected:
                raise ValueError(f"power is {power.activity}, not {expected}")
        return self

    def identity(self) -> str:
        """Everything but the cost, as text. Equal seeds, sources and tools give equal texts."""
        return json.dumps(self.model_dump(mode="json", exclude={"cost"}), sort_keys=True)


class Clocks(Record):
    """Clock counts of a design, measured in simulation by ``simulator``.

    ``load``: clocks in which an image's words come. ``latency``: from the clock that takes the last
    word to the clock of the result. ``interval``: the longest time between two results while images
    come without a pause; ``mean_interval``: the mean of that time.
    """

    load: Annotated[int, Field(gt=0)]
    latency: Annotated[int, Field(gt=0)]
    interval: Annotated[int, Field(gt=0)]
    mean_interval: Positive
    simulator: str

    @model_validator(mode="after")
    def _at_most_and_on_average(self) -> Clocks:
        if self.mean_interval > self.interval:
            raise ValueError("mean_interval above interval")
        return self


class Performance(Record):
    """A design's performance at one clock. ``latency_s`` is from an image's last word to its
    result, ``whole_latency_s`` from its first word. ``inferences_per_s`` is the sustained rate:
    one per mean interval. Energy is that of a busy accelerator: power times mean interval; None
    for a flow that does not report power.
    """

    clock_Hz: Positive
    latency_s: Positive
    whole_latency_s: Positive
    inferences_per_s: Positive
    power_W: Positive | None
    energy_J: Positive | None


def performance(
    run: Synthesis, clocks: Clocks, clock_Hz: float | None = None, *, simulated: bool = False
) -> Performance:
    """Latency, throughput and energy per inference at ``clock_Hz``, default Fmax.

    ``simulated``: use the power from simulated activity. Raises RangeError for a clock that is not
    positive or is above Fmax.
    """
    f = run.fmax_Hz if clock_Hz is None else clock_Hz
    if not (math.isfinite(f) and 0 < f <= run.fmax_Hz):
        raise RangeError(
            f"a clock of {f / 1e6:g} MHz, but seed {run.seed} runs at more than 0 and at most "
            f"{run.fmax_Hz / 1e6:.2f} MHz"
        )
    power = run.power_simulated if simulated else run.power
    watts = None if power is None else power.at(f, run.fmax_Hz)
    return Performance(
        clock_Hz=f,
        latency_s=clocks.latency / f,
        whole_latency_s=(clocks.load - 1 + clocks.latency) / f,
        inferences_per_s=f / clocks.mean_interval,
        power_W=watts,
        energy_J=None if watts is None else watts * clocks.mean_interval / f,
    )


class Spread(Record):
    """Median, minimum and maximum of a figure over seeds."""

    median: float
    low: float
    high: float

    @property
    def relative(self) -> float:
        """Half of the range, divided by the median."""
        return (self.high - self.low) / 2 / self.median


def spread(values: Sequence[float]) -> Spread:
    """Median and range of a figure over several seeds."""
    return Spread(median=statistics.median(values), low=min(values), high=max(values))


class Report(Record):
    """A design's runs through a flow with several seeds, and its clock counts. It can be saved."""

    runs: Annotated[tuple[Synthesis, ...], Field(min_length=1)]
    clocks: Clocks

    @model_validator(mode="after")
    def _one_design(self) -> Report:
        first = self.runs[0]
        for run in self.runs[1:]:
            if (run.flow, run.device, run.design) != (first.flow, first.device, first.design):
                raise ValueError("runs of different designs or flows")
        if len({run.seed for run in self.runs}) != len(self.runs):
            raise ValueError("a seed occurs twice")
        return self

    @property
    def design(self) -> Design:
        """The design of all runs."""
        return self.runs[0].design

    def over_seeds(self, figure: Callable[[Synthesis], float]) -> Spread:
        """Median and range of ``figure`` over the runs."""
        return spread([figure(run) for run in self.runs])

    def at(
        self, clock_Hz: float | None = None, *, simulated: bool = False
    ) -> tuple[Performance, ...]:
        """The ``performance`` of each run."""
        return tuple(performance(r, self.clocks, clock_Hz, simulated=simulated) for r in self.runs)


def median_run(runs: Sequence[Synthesis]) -> Synthesis:
    """The run with the median Fmax (the slower of the middle two if the number of runs is even)."""
    return sorted(runs, key=lambda run: (run.fmax_Hz, run.seed))[(len(runs) - 1) // 2]


def write_record(path: str | os.PathLike[str], record: Record, *, overwrite: bool = False) -> None:
    """Save a record as JSON, completely or not at all. Raises FileError."""
    write_json(path, json.loads(record.model_dump_json()), overwrite=overwrite)


def read_record(path: str | os.PathLike[str], kind: type[R]) -> R:
    """Read a record back. Raises FileError for anything that ``write_record`` would not write."""
    value = read_json(path)
    try:
        return kind.model_validate_json(json.dumps(value))
    except ValidationError as error:
        first = error.errors()[0]
        raise FileError(
            path,
            f"not a {kind.__name__}: {first['msg']}",
            field=".".join(map(str, first["loc"])) or None,
            remedy="remove the file, and it is made anew",
        ) from None
