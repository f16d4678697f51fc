"""Run images through the compiled accelerator, thousands of them in a few calls."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ohmbench.digital.golden import check_images
from ohmbench.digital.hostmap import hidden_order, image_words, network_words
from ohmbench.digital.network import Int8Network
from ohmbench.digital.prove import check_fits
from ohmbench.eda.hdl import check_buildable, hardware_for
from ohmbench.eda.libraries import load, load_kept
from ohmbench.eda.tools import ToolError
from ohmbench.eda.verilator import Build, build_library
from ohmbench.errors import HardwareFailure

CLOCKS_PER_IMAGE_LIMIT = 100
"""Clocks to wait for a result before giving up, as a multiple of an undisturbed image's clocks."""


@dataclass(frozen=True)
class RtlInference:
    """The hardware's outputs, one row per image.

    ``hidden`` uint8 (n, hidden), ``logits`` int64 (n, classes), ``classes`` and ``values`` int64
    (n,). Clock numbers int64 (n,): ``accepted``, when the image's last word is accepted; ``valid``,
    the first clock of the result; ``taken``, when the result is accepted. ``padding`` uint8 (n,
    bytes): hidden bytes that belong to no neuron.
    """

    hidden: NDArray[np.uint8]
    logits: NDArray[np.int64]
    classes: NDArray[np.int64]
    values: NDArray[np.int64]
    accepted: NDArray[np.int64]
    valid: NDArray[np.int64]
    taken: NDArray[np.int64]
    padding: NDArray[np.uint8]

    @property
    def latency(self) -> NDArray[np.int64]:
        """Clocks from the acceptance of an image's last word to its result, int64 (n,)."""
        return self.valid - self.accepted


def _pointers(*arrays: NDArray[Any]) -> list[ctypes.c_void_p]:
    return [array.ctypes.data_as(ctypes.c_void_p) for array in arrays]


def _open(build: Build, on_build: Callable[[], None] | None = None) -> ctypes.CDLL:
    return load_kept(lambda anew: build_library(build, anew=anew, on_build=on_build))


class Simulation:
    """One simulated accelerator, reset and idle. ``seed`` draws the registers' initial values.

    A context manager; ``close`` frees it.
    """

    def __init__(
        self,
        build: Build,
        *,
        seed: int = 1,
        library: Path | None = None,
        on_build: Callable[[], None] | None = None,
    ) -> None:
        self.hardware = build.hardware
        self.network: Int8Network | None = None
        self._lib = _open(build, on_build) if library is None else load(library)
        self._lib.ohm_new.restype = ctypes.c_void_p
        for name in ("ohm_host", "ohm_infer", "ohm_clock"):
            getattr(self._lib, name).restype = ctypes.c_int64
        self._sim: ctypes.c_void_p | None = ctypes.c_void_p(self._lib.ohm_new(ctypes.c_int(seed)))
        self.reset()

    def __enter__(self) -> Simulation:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Free the simulation; it cannot be used afterwards."""
        if self._sim is not None:
            self._lib.ohm_free(self._sim)
            self._sim = None

    def reset(self) -> None:
        """Hold reset for two clocks. The memories keep their contents."""
        self._lib.ohm_reset(self._sim)

    def select_mutant(self, mutant: int) -> None:
        """Switch on one fault of a build with mutants; 0 switches all off."""
        self._lib.ohm_select_mutant(self._sim, ctypes.c_int(mutant))

    @property
    def clock(self) -> int:
        """Clocks since the start."""
        return int(self._lib.ohm_clock(self._sim))

    def host(
        self,
        addresses: NDArray[np.uint32],
        data: NDArray[np.uint64] | None = None,
    ) -> tuple[NDArray[np.uint64], NDArray[np.bool_]]:
        """Make host accesses as fast as the port takes them: writes of ``data``, or reads. Return
        the data read and the errors.

        Raises HardwareFailure when an answer does not come in time.
        """
        n = len(addresses)
        addresses = np.ascontiguousarray(addresses, dtype=np.uint32)
        write = np.full(n, data is not None, dtype=np.uint8)
        wdata = np.zeros(n, np.uint64) if data is None else np.ascontiguousarray(data, np.uint64)
        rdata, errors = np.zeros(n, np.uint64), np.zeros(n, np.uint8)
        answered = self._lib.ohm_host(
            self._sim,
            ctypes.c_int64(n),
            *_pointers(addresses, write, wdata, rdata, errors),
        )
        if answered != n:
            raise HardwareFailure(f"the host port answered {answered} of {n} accesses")
        return rdata, errors.astype(bool)

    def load(self, network: Int8Network) -> None:
        """Write a network into the memories. Raises OperandError when it does not fit,
        HardwareFailure when the hardware refuses a word.
        """
        check_fits(network, self.hardware)
        _, errors = self.host(*network_words(self.hardware, network))
        if errors.any():
            raise HardwareFailure(
                f"the hardware refused {int(errors.sum())} of {len(errors)} words"
            )
        self.network = network

    def infer(
        self,
        images: NDArray[np.uint8],
        *,
        input_gap: int = 0,
        output_gap: int = 0,
        seed: int = 1,
        max_clocks: int | None = None,
    ) -> RtlInference:
        """Stream images uint8 (n, inputs) through the loaded network.

        ``input_gap`` and ``output_gap``: percentage of clocks in which the source offers no word
        and the sink takes no result, drawn from ``seed``. Raises HardwareFailure when a result does
        not come in time.
        """
        if self.network is None:
            raise ToolError("no network is loaded")
        check_images(self.network, images)
        hw, n = self.hardware, len(images)
        words = image_words(hw, images)
        hidden = np.zeros((n, hw.padded_hidden), np.uint8)
        logits = np.zeros((n, hw.classes), np.int64)
        classes, values = np.zeros(n, np.int64), np.zeros(n, np.int64)
        clocks = np.zeros((n, 3), np.int64)
        if max_clocks is None:
            max_clocks = CLOCKS_PER_IMAGE_LIMIT * (n + 2) * (hw.words * hw.groups + hw.words)
        came = self._lib.ohm_infer(
            self._sim,
            ctypes.c_int64(n),
            *_pointers(words),
            ctypes.c_int(input_gap),
            ctypes.c_int(output_gap),
            ctypes.c_uint64(seed),
            ctypes.c_int64(max_clocks),
            *_pointers(hidden, logits, classes, values, clocks),
        )
        if came != n:
            raise HardwareFailure(f"{came} of {n} results came within {max_clocks} clocks")
        order = hidden_order(hw).reshape(-1)
        neurons = np.zeros((n, hw.hidden), np.uint8)
        neurons[:, order[order >= 0]] = hidden[:, order >= 0]
        accepted, valid, taken = clocks.T.copy()
        return RtlInference(
            neurons, logits, classes, values, accepted, valid, taken, hidden[:, order < 0]
        )

    def clocks(self, inputs: NDArray[np.uint64]) -> NDArray[np.uint64]:
        """Drive every input in every clock; columns as in ``ohm_clocks`` of ``harness.cpp``.

        Returns the outputs just before each clock edge, uint64 (n, 10 + classes).
        """
        inputs = np.ascontiguousarray(inputs, np.uint64)
        outputs = np.zeros((len(inputs), 10 + self.hardware.classes), np.uint64)
        self._lib.ohm_clocks(self._sim, ctypes.c_int64(len(inputs)), *_pointers(inputs, outputs))
        return outputs

    def write_coverage(self, path: Path) -> None:
        """Write the counters of a build with coverage, for ``eda.coverage`` to read."""
        self._lib.ohm_write_coverage(self._sim, str(path).encode())


def simulate(
    network: Int8Network,
    images: NDArray[np.uint8],
    *,
    on_build: Callable[[], None] | None = None,
) -> RtlInference:
    """Run images uint8 (n, inputs) through the project's RTL, built for ``network``.

    ``on_build`` is called when the simulation is not in the cache and must be built first. Raises
    OperandError when the network does not fit, ToolError when a tool is missing or fails,
    HardwareFailure when the hardware does not answer.
    """
    hardware = hardware_for(network)
    check_buildable(hardware)
    check_fits(network, hardware)
    check_images(network, images)
    with Simulation(Build(hardware), on_build=on_build) as simulation:
        simulation.load(network)
        return simulation.infer(images)
