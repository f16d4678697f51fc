"""Clock counts of a design, measured in its compiled simulation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from ohmbench.digital.network import Int8Network
from ohmbench.digital.widths import Hardware
from ohmbench.eda.cache import cache_folder, content_key, keep_text
from ohmbench.eda.hdl import check_buildable
from ohmbench.eda.simulation import Simulation
from ohmbench.eda.synthesis.design import core_sources
from ohmbench.eda.synthesis.result import Clocks, read_record
from ohmbench.eda.tools import TOOLS
from ohmbench.eda.verilator import Build
from ohmbench.errors import FileError, HardwareFailure

IMAGES = 24
"""Streamed without a pause; the first ones fill the pipeline."""
_FILLING = 8


def _network(hardware: Hardware) -> Int8Network:
    """Any network does: no clock count depends on the data."""
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
    """Latency of an image that comes alone, and the interval of images that never pause.

    ``files``: the core's sources, default the project's. Kept by content, else the simulation is
    built (a minute) and run. Raises HardwareFailure when images do not come out evenly, ToolError
    when a tool is missing or fails.
    """
    check_buildable(hardware)
    build = Build(hardware, verilog=core_sources(files))
    path = cache_folder() / "clocks" / f"{content_key(build.key(), str(IMAGES))}.json"
    if path.is_file():
        try:
            return read_record(path, Clocks)
        except FileError:
            path.unlink(missing_ok=True)
    network = _network(hardware)
    images = np.zeros((IMAGES, hardware.inputs), np.uint8)
    with Simulation(build, on_build=on_build) as simulation:
        simulation.load(network)
        alone = [int(simulation.infer(images[:1]).latency[0]) for _ in range(2)]
        streamed = simulation.infer(images)
    if len(set(alone)) != 1:
        raise HardwareFailure(f"two images that came alone took {alone[0]} and {alone[1]} clocks")
    intervals = np.diff(streamed.valid)[_FILLING:]
    if len(set(intervals.tolist())) != 1:
        raise HardwareFailure(
            f"results come {intervals.min()} to {intervals.max()} clocks apart, not evenly"
        )
    clocks = Clocks(
        load=hardware.words,
        latency=alone[0],
        interval=int(intervals[0]),
        simulator=f"verilator {TOOLS['verilator'].version()}",
    )
    keep_text(path, clocks.model_dump_json() + "\n")
    return clocks
