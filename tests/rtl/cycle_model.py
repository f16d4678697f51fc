"""Python side of ``cycle_model.cpp``: expected outputs in every clock, and random stimulus."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ohmbench.digital.widths import Hardware
from ohmbench.eda.libraries import compile_library, load
from ohmbench.eda.simulation import Simulation

from .configurations import Configuration

SOURCE = Path(__file__).with_suffix(".cpp")
FLAGS = ("-std=c++17", "-O2", "-Wall", "-Werror")
INPUTS = (
    "rst",
    "image_valid",
    "image_data",
    "image_last",
    "result_ready",
    "host_request",
    "host_we",
    "host_malformed",
    "host_addr",
    "host_wdata",
)
OUTPUTS = (
    "image_ready",
    "result_valid",
    "class",
    "value",
    "hidden_valid",
    "hidden",
    "host_ready",
    "host_ack",
    "host_error",
    "host_rdata",
)
FAULTS = (
    "three images under way",
    "rounds instead of truncating",
    "busy only in the clock after an image starts",
    "last maximum instead of first",
    "a one clears an error of the same clock",
    "an image that is too long is kept",
    "hold survives a reset",
    "the last memory of a region takes half a word",
    "a refused read shows data",
    "results a clock early",
    "the host is ready while a read is not answered",
    "the host's accesses decided a clock early",
    "words of W0 come a clock late",
)
"""Faults that can be planted in the model: ``CycleModel(fault=k)`` has FAULTS[k - 1]."""
COUNTS = (
    "clocks",
    "resets",
    "images",
    "results",
    "busy_resets",
    "backpressured",
    "stalled_source",
    "too_short",
    "too_long",
    "writes",
    "reads",
    "writes_refused",
    "reads_refused",
    "address_errors",
    "value_errors",
    "refused_at_start",
    "cleared_while_set",
    "ties",
    "clamped_low",
    "clamped_high",
    "between",
    "held_back",
    "full_credit",
    "reset_during_write",
    "host_waits",
    "reset_during_read",
)


@dataclass(frozen=True)
class Mismatch:
    """The first output that differs from the expected value."""

    clock: int
    signal: str
    got: int
    expected: int

    def __str__(self) -> str:
        return (
            f"clock {self.clock}: {self.signal} = {self.got:#x}, but should be {self.expected:#x}"
        )


class CycleModel:
    """The model after reset; with ``seed``, also a source of random stimulus for it."""

    def __init__(self, hardware: Hardware, *, seed: int | None = None, fault: int = 0) -> None:
        self._lib = lib = load(compile_library(SOURCE, FLAGS, "cycle_model"))
        lib.cm_new.restype = lib.cm_stimulus.restype = ctypes.c_void_p
        self.hardware = hardware
        sizes = np.array(list(Configuration.of(hardware).parameters().values()), np.int64)
        self._model = ctypes.c_void_p(lib.cm_new(_pointer(sizes), ctypes.c_int(fault)))
        self._stimulus = (
            None if seed is None else ctypes.c_void_p(lib.cm_stimulus(ctypes.c_uint64(seed)))
        )

    def __del__(self) -> None:
        self._lib.cm_free(self._model)
        if self._stimulus is not None:
            self._lib.cm_free_stimulus(self._stimulus)

    def only_stream(self, *, ready: int, reset_after: int | None = None) -> None:
        """From now on, stream only right images without a pause. The sink takes in ``ready``
        percent of clocks, and there is one clock of reset ``reset_after`` clocks from now.
        """
        self._lib.cm_only_stream(
            self._model,
            self._stimulus,
            ctypes.c_int(ready),
            ctypes.c_int64(-1 if reset_after is None else reset_after),
        )

    @property
    def counts(self) -> dict[str, int]:
        """What has happened so far; see ``COUNTS``."""
        found = np.zeros(len(COUNTS), np.int64)
        self._lib.cm_counts(self._model, _pointer(found))
        return dict(zip(COUNTS, found.tolist(), strict=True))

    def draw(self, n: int) -> Clocks:
        """``n`` clocks of random stimulus and the expected outputs."""
        assert self._stimulus is not None, "a model without a seed draws nothing"
        return self._clocks(np.zeros((n, len(INPUTS)), np.uint64), self._stimulus)

    def given(self, inputs: NDArray[np.uint64]) -> Clocks:
        """The expected outputs for these inputs."""
        return self._clocks(np.ascontiguousarray(inputs, np.uint64), None)

    def _clocks(self, inputs: NDArray[np.uint64], stimulus: ctypes.c_void_p | None) -> Clocks:
        n, outputs = len(inputs), len(OUTPUTS) + self.hardware.classes
        expected, care = np.zeros((n, outputs), np.uint64), np.zeros((n, outputs), np.uint8)
        self._lib.cm_clocks(
            self._model, stimulus, ctypes.c_int64(n), *map(_pointer, (inputs, expected, care))
        )
        return Clocks(inputs, expected, care.view(bool))


@dataclass(frozen=True)
class Clocks:
    """Inputs, the expected outputs (before each clock's edge), and which of them are promised."""

    inputs: NDArray[np.uint64]
    expected: NDArray[np.uint64]
    care: NDArray[np.bool_]

    def mismatch(self, got: NDArray[np.uint64], first_clock: int = 0) -> Mismatch | None:
        """Where ``got`` first differs in a promised output; clocks count from ``first_clock``."""
        wrong = (got != self.expected) & self.care
        if not wrong.any():
            return None
        clock, k = np.argwhere(wrong)[0].tolist()
        signal = OUTPUTS[k] if k < len(OUTPUTS) else f"logits[{k - len(OUTPUTS)}]"
        return Mismatch(
            first_clock + clock, signal, int(got[clock, k]), int(self.expected[clock, k])
        )


def _pointer(array: NDArray[Any]) -> ctypes.c_void_p:
    return array.ctypes.data_as(ctypes.c_void_p)


def fuzz(
    simulation: Simulation, model: CycleModel, clocks: int, *, batch: int = 20_000
) -> Mismatch | None:
    """The first difference in random clocks through both, or None. Both must be freshly reset."""
    for done in range(0, clocks, batch):
        drawn = model.draw(min(batch, clocks - done))
        found = drawn.mismatch(simulation.clocks(drawn.inputs), done)
        if found is not None:
            return found
    return None
