"""Clock counts of a design, measured in its compiled simulation.

``ohmbench.digital.clocks`` says how many clocks ohmbench's own Verilog should take. The Verilog
that ``OHMBENCH_HDL`` names may take another number.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ohmbench.digital.network import Int8Network
from ohmbench.digital.widths import Hardware
from ohmbench.eda.hdl import check_buildable
from ohmbench.eda.simulation import Simulation
from ohmbench.eda.synthesis.design import core_sources
from ohmbench.eda.synthesis.result import Clocks
from ohmbench.eda.tools import TOOLS
from ohmbench.eda.verilator import Build
from ohmbench.errors import HardwareFailure

IMAGES = 24
"""Images streamed without a pause; the first ones fill the pipeline."""
_FILLING = 8
_LONGEST_PATTERN = 4
"""Longest pattern of intervals. At most two images are processed at once, so two would do."""


def _network(hardware: Hardware) -> Int8Network:
    """A network of these sizes. Its weights do not matter: no clock count depends on the data."""
    return Int8Network(
        (
            np.ones((hardware.hidden, hardware.inputs), np.int8),
            np.ones((hardware.classes, hardware.hidden), np.int8),
        ),
        (np.zeros(hardware.hidden, np.int32), np.zeros(hardware.classes, np.int32)),
        M=1,
        S=0,
    )


def count_clocks(
    hardware: Hardware,
    files: Sequence[Path] | None = None,
    *,
    on_build: Callable[[], None] | None = None,
) -> Clocks:
    """Measure the latency of a single image, and the intervals between streamed images.

    ``files``: the core's sources, default the project's. The simulation is built (a minute) unless
    it is in the cache. Raises HardwareFailure when the intervals do not repeat, ToolError when a
    tool is missing or fails.
    """
    check_buildable(hardware)
    build = Build(hardware, verilog=core_sources(files))
    images = np.zeros((IMAGES, hardware.inputs), np.uint8)
    with Simulation(build, on_build=on_build) as simulation:
        simulation.load(_network(hardware))
        alone = [int(simulation.infer(images[:1]).latency[0]) for _ in range(2)]
        streamed = simulation.infer(images)
    if len(set(alone)) != 1:
        raise HardwareFailure(f"two images that came alone took {alone[0]} and {alone[1]} clocks")
    pattern = _pattern(np.diff(streamed.valid)[_FILLING:])
    return Clocks(
        load=hardware.words,
        latency=alone[0],
        interval=int(pattern.max()),
        mean_interval=float(pattern.mean()),
        simulator=f"verilator {TOOLS['verilator'].version()}",
    )


def _pattern(intervals: NDArray[np.int64]) -> NDArray[np.int64]:
    """The shortest sequence that ``intervals`` repeats. Raises HardwareFailure if there is none."""
    for n in range(1, _LONGEST_PATTERN + 1):
        if np.array_equal(intervals[n:], intervals[:-n]):
            return intervals[:n]
    raise HardwareFailure(
        f"results come {intervals.min()} to {intervals.max()} clocks apart, in no pattern"
    )
