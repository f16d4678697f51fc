"""The host's address map of the accelerator in ``hdl``, and the words that load a network.

Addresses count 64-bit words: region [18:16], memory [15:10], word [9:0], as decoded by
``hdl/host_port.v``. A byte address, as on a bus, is eight times the word address.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from ohmbench.digital.network import Int8Network
from ohmbench.digital.widths import Hardware

HOST_BYTES = 8
ID = 0x4F48_4D42_0001_0000
"""Value of the register ``ID``: "OHMB", then the version."""


class Region(IntEnum):
    """The region selected by address bits [18:16]."""

    REGISTERS = 0
    W0 = 1
    B0 = 2
    W1 = 3
    B1 = 4


class HostRegister(IntEnum):
    """Word addresses of the registers; see ``hdl/host_port.v`` for their bits."""

    ID = 0
    SHAPE = 1
    STATUS = 2
    CONTROL = 3
    ERRORS = 4
    SCALE = 5
    SHIFT = 6


class Error(IntEnum):
    """Bits of the register ``ERRORS``."""

    WRITE_REFUSED = 1 << 0
    READ_REFUSED = 1 << 1
    ADDRESS = 1 << 2
    VALUE = 1 << 3
    FRAMING = 1 << 4


@dataclass(frozen=True)
class HostMemory:
    """One region: the number of its memories, and the words of each."""

    region: Region
    banks: int
    depth: int

    def addresses(self) -> NDArray[np.uint32]:
        """All word addresses, uint32 (banks, depth)."""
        bank = np.arange(self.banks, dtype=np.uint32)[:, None]
        word = np.arange(self.depth, dtype=np.uint32)[None, :]
        return (np.uint32(self.region << 16) | bank << np.uint32(10) | word).astype(np.uint32)


def memories(hardware: Hardware) -> dict[Region, HostMemory]:
    """The memories of an accelerator that the host can reach, by region."""
    depth1 = hardware.groups * hardware.steps
    shapes = {
        Region.W0: (hardware.lanes, hardware.groups * hardware.words),
        Region.B0: (_banks(4 * hardware.requants), depth1),
        Region.W1: (-(-hardware.classes // _classes_a_memory(hardware)), depth1),
        Region.B1: (1, (hardware.classes + 1) // 2),
    }
    return {region: HostMemory(region, *shape) for region, shape in shapes.items()}


def _banks(bytes_at_once: int) -> int:
    return -(-bytes_at_once // HOST_BYTES)


def _classes_a_memory(hardware: Hardware) -> int:
    """Two classes of layer 1 share a memory if their weights of one step fit a word."""
    return 2 if 2 * hardware.requants <= HOST_BYTES else 1


def _as_words(
    rows: NDArray[np.uint8], banks: int, bytes_a_word: int = HOST_BYTES
) -> NDArray[np.uint64]:
    """Bytes (words, bytes per word) as uint64 (banks, words), the first byte in the low bits."""
    padded = np.zeros((len(rows), banks * bytes_a_word), dtype=np.uint8)
    padded[:, : rows.shape[1]] = rows
    words = np.zeros((len(rows), banks, HOST_BYTES), dtype=np.uint8)
    words[:, :, :bytes_a_word] = padded.reshape(len(rows), banks, bytes_a_word)
    return words.view("<u8")[:, :, 0].T.astype(np.uint64)


def image_words(hardware: Hardware, images: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Images uint8 (n, inputs) as the words of the image stream, uint64 (n, words)."""
    padded = np.zeros((len(images), hardware.words * HOST_BYTES), dtype=np.uint8)
    padded[:, : images.shape[1]] = images
    return padded.view("<u8").astype(np.uint64)


def hidden_order(hardware: Hardware) -> NDArray[np.int64]:
    """The neuron of each hidden byte, in the order of the requantisers' outputs: (steps, requants).

    -1 marks padding: a group may have fewer lanes than its steps have places, and the network fewer
    neurons than its groups have lanes.
    """
    place = np.arange(hardware.steps * hardware.requants)
    neuron = np.arange(hardware.groups)[:, None] * hardware.lanes + place[None, :]
    real = (place[None, :] < hardware.lanes) & (neuron < hardware.hidden)
    return np.where(real, neuron, -1).reshape(-1, hardware.requants)


def network_words(
    hardware: Hardware, network: Int8Network
) -> tuple[NDArray[np.uint32], NDArray[np.uint64]]:
    """The host's writes that load ``network``: word addresses uint32 and data uint64, both (n,).

    Every word of every memory is written, padding as zero, so earlier contents have no effect. The
    network must have the sizes of ``hardware`` (``prove.check_fits``).
    """
    layout = memories(hardware)
    (w0, w1), (b0, b1) = network.weight, network.bias
    order = hidden_order(hardware)
    real = order >= 0

    rows = np.zeros((hardware.groups * hardware.lanes, hardware.words * HOST_BYTES), dtype=np.uint8)
    rows[: network.hidden, : network.inputs] = w0.view(np.uint8)
    by_lane = rows.reshape(hardware.groups, hardware.lanes, -1).swapaxes(0, 1)
    data = {Region.W0: np.ascontiguousarray(by_lane).view("<u8").astype(np.uint64)}

    biases = np.where(real, b0[order], 0).astype("<i4").view(np.uint8)
    data[Region.B0] = _as_words(biases, layout[Region.B0].banks)

    columns = np.where(real, w1[:, order], 0).astype(np.int8)  # (classes, steps, requants)
    lanes = np.ascontiguousarray(columns.swapaxes(0, 1)).view(np.uint8)
    data[Region.W1] = _as_words(
        lanes.reshape(len(order), -1),
        layout[Region.W1].banks,
        _classes_a_memory(hardware) * hardware.requants,
    )

    pairs = np.zeros((layout[Region.B1].depth, 2), dtype="<i4")
    pairs.reshape(-1)[: network.classes] = b1
    data[Region.B1] = _as_words(pairs.view(np.uint8), layout[Region.B1].banks)

    addresses = [layout[region].addresses().reshape(-1) for region in data]
    words = [block.reshape(-1) for block in data.values()]
    settings = np.array([HostRegister.SCALE, HostRegister.SHIFT], dtype=np.uint32)
    return (
        np.concatenate([*addresses, settings]),
        np.concatenate([*words, np.array([network.M, network.S], dtype=np.uint64)]),
    )
