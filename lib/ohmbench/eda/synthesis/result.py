"""What a synthesis run found, as one frozen record for every flow, and what follows from it.

All quantities are in SI units (Hz, s, W, J) unless the field's name says otherwise. Records are
written to JSON and read back strictly: no field may be missing, added or of another type.
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
"""Of a total: how far its rounded parts (reports print four digits) may miss it."""

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
        """Sizes, lanes and requantisers in words; what messages and figures call the design."""
        return f"{self.sizes} lanes {self.lanes} requants {self.requants}"

    @property
    def hardware(self) -> Hardware:
        """The accelerator of these sizes with every width derived."""
        return Hardware(self.inputs, self.hidden, self.classes, self.lanes, self.requants)


class Versions(Record):
    """The tools by name, and the files of the target by name with their sha256."""

    tools: dict[str, str]
    files: dict[str, str]

    @property
    def text(self) -> str:
        """The tools and their versions in one line."""
        return ", ".join(f"{name} {version}" for name, version in sorted(self.tools.items()))


class PathElement(Record):
    """One step of a path: the pin or net, what it belongs to (cell type, "routing"), its delay."""

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
    """What the netlist takes of the device.

    ``logic_blocks``: clusters of ten LUTs and flip-flops (VTR), or places of one LUT4 (ECP5).
    ``luts``: LUTs of six inputs (VTR) or four (ECP5, carry chains and LUT memories included).
    ``multipliers`` and ``memories``: blocks by the mode they are used in. ``wire_length`` in
    ``wire_unit``. ``grid`` of VTR is as large as the design needs, limited by ``grid_limited_by``;
    ECP5's is the device's.
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
    """One line of VPR's power tables: component at its depth, ``dynamic`` the dynamic fraction
    (None where it draws nothing)."""

    component: str
    depth: Count
    total_W: NotNegative
    dynamic: Fraction | None


class Power(Record):
    """Power at Fmax, and where it goes. ``activity``: how often nets were taken to toggle, from the
    netlist alone ("vectorless") or from simulated images ("simulated")."""

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
        """Power in W at a clock up to Fmax: dynamic power scales with it, static does not."""
        return self.static_W + self.dynamic_W * clock_Hz / fmax_Hz


class Activity(Record):
    """Where simulated activity is from: ``images`` of ``network`` without a pause, after
    ``warm_up``, in so many ``clocks``; ``seed`` drew them, and what memories hold at the start.

    ``checked``: results held against the golden model, without a difference. ``nets``: how many
    were counted. ``collisions``: how often both ports of a 1-bit slice of memory met at a word, one
    of them writing, in those clocks: what the other one reads is then undefined, and drawn by
    chance. ``mean_density``: toggles a clock, over all nets but
    the clock, without glitches; ``mean_density_vectorless``: what ACE takes it for, with glitches.
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
    """One figure of an installed tool against the tool's own golden, allowed from ``low`` to
    ``high`` times it, and ``why``."""

    what: str
    golden: Positive
    here: Positive
    low: Positive
    high: Positive
    why: str

    @property
    def ratio(self) -> float:
        """The figure here over the golden one."""
        return self.here / self.golden

    @property
    def within(self) -> bool:
        """Whether the ratio is in its band, ends included."""
        return self.low <= self.ratio <= self.high


class Calibration(Record):
    """An installed VTR on VTR's own circuit, against VTR's own golden results."""

    circuit: str
    task: str
    golden_version: str
    version: str
    conditions: str
    compared: Annotated[tuple[Compared, ...], Field(min_length=1)]


class Cost(Record):
    """What the run itself took; the only part of a result that may differ from run to run."""

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
        """Everything but the cost, as text: the same for the same seed, sources and tools."""
        return json.dumps(self.model_dump(mode="json", exclude={"cost"}), sort_keys=True)


class Clocks(Record):
    """Clock counts of a design, measured in simulation by ``simulator``.

    ``load``: clocks in which an image's words come. ``latency``: from the clock that takes the last
    of them to the result's. ``interval``: between two results while images never pause, at most;
    ``mean_interval``: on average.
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
    """What a design does at one clock. ``latency_s`` from an image's last word to its result,
    ``whole_latency_s`` from its first. ``inferences_per_s`` is what it sustains: one in each mean
    interval. Energy is that of a busy accelerator: power times mean interval; None where the flow
    knows no power."""

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

    ``simulated``: with the power from simulated activity. Raises RangeError for a clock that is not
    positive or above Fmax.
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
    """Median, least and most of a figure over seeds."""

    median: float
    low: float
    high: float

    @property
    def relative(self) -> float:
        """Half of what lies between least and most, as a part of the median."""
        return (self.high - self.low) / 2 / self.median


def spread(values: Sequence[float]) -> Spread:
    """Median and range of a figure over several seeds."""
    return Spread(median=statistics.median(values), low=min(values), high=max(values))


class Report(Record):
    """A design through a flow with several seeds, and its clock counts: what is kept and shown."""

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
        """``performance`` of each run."""
        return tuple(performance(r, self.clocks, clock_Hz, simulated=simulated) for r in self.runs)


def median_run(runs: Sequence[Synthesis]) -> Synthesis:
    """The run of median Fmax (of an even number, the slower of the two in the middle)."""
    return sorted(runs, key=lambda run: (run.fmax_Hz, run.seed))[(len(runs) - 1) // 2]


def write_record(path: str | os.PathLike[str], record: Record, *, overwrite: bool = False) -> None:
    """Save a record as JSON, whole or not at all. Raises FileError."""
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
