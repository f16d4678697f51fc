"""The host's view of the accelerator, read back word by word as ``hdl/README.md`` has it."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ohmbench.digital import Int8Network
from ohmbench.digital.hostmap import (
    ID,
    Error,
    HostRegister,
    Region,
    hidden_order,
    image_words,
    memories,
    network_words,
)
from ohmbench.digital.widths import Hardware
from ohmbench.eda.hdl import sources


def signed(value: int, bits: int) -> int:
    return value - (1 << bits) if value >> (bits - 1) else value


def byte(word: int, k: int) -> int:
    return word >> (8 * k) & 0xFF


def decode(hardware: Hardware, words: dict[tuple[int, int, int], int]) -> Int8Network:
    """The network that the words mean, one integer at a time, by the address map's prose."""
    n, h, c = hardware.inputs, hardware.hidden, hardware.classes
    lanes, requants = hardware.lanes, hardware.requants
    steps = -(-lanes // requants)
    w0 = np.zeros((h, n), np.int8)
    w1 = np.zeros((c, h), np.int8)
    b0, b1 = np.zeros(h, np.int32), np.zeros(c, np.int32)
    image_size = -(-n // 8)
    for neuron in range(h):
        group, lane = divmod(neuron, lanes)
        for i in range(n):
            word = words[1, lane, group * image_size + i // 8]
            w0[neuron, i] = signed(byte(word, i % 8), 8)
        step, r = group * steps + lane // requants, lane % requants
        b0[neuron] = signed(words[2, r // 2, step] >> (32 * (r % 2)) & 0xFFFF_FFFF, 32)
        together = 2 if 2 * requants <= 8 else 1  # classes in a word
        for k in range(c):
            place = k % together * requants + r
            w1[k, neuron] = signed(byte(words[3, k // together, step], place), 8)
    for k in range(c):
        b1[k] = signed(words[4, 0, k // 2] >> (32 * (k % 2)) & 0xFFFF_FFFF, 32)
    return Int8Network(
        (w0, w1), (b0, b1), words[0, 0, HostRegister.SCALE], words[0, 0, HostRegister.SHIFT]
    )


@st.composite
def hardware_and_network(draw: st.DrawFn) -> tuple[Hardware, Int8Network]:
    sizes = tuple(draw(st.integers(1, most)) for most in (20, 12, 11))
    hardware = Hardware(
        *sizes, lanes=draw(st.integers(1, 9)), requants=draw(st.sampled_from([1, 2, 4, 8]))
    )
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n, h, c = sizes
    network = Int8Network(
        (
            rng.integers(-128, 128, (h, n), dtype=np.int8),
            rng.integers(-128, 128, (c, h), dtype=np.int8),
        ),
        (
            rng.integers(-(2**31), 2**31, h, dtype=np.int32),
            rng.integers(-(2**31), 2**31, c, dtype=np.int32),
        ),
        int(rng.integers(2**16)),
        int(rng.integers(32)),
    )
    return hardware, network


def as_fields(addresses: np.ndarray, data: np.ndarray) -> dict[tuple[int, int, int], int]:
    return {
        (int(a) >> 16, int(a) >> 10 & 63, int(a) & 1023): int(d)
        for a, d in zip(addresses, data, strict=True)
    }


@given(hardware_and_network())
def test_words_mean_the_network(case: tuple[Hardware, Int8Network]) -> None:
    hardware, network = case
    addresses, data = network_words(hardware, network)
    assert addresses.dtype == np.uint32
    assert data.dtype == np.uint64
    assert decode(hardware, as_fields(addresses, data)) == network


@given(hardware_and_network())
def test_every_word_of_every_memory_is_written_once(case: tuple[Hardware, Int8Network]) -> None:
    hardware, network = case
    addresses, _ = network_words(hardware, network)
    listed = np.concatenate([m.addresses().reshape(-1) for m in memories(hardware).values()])
    settings = [HostRegister.SCALE, HostRegister.SHIFT]
    assert sorted(addresses.tolist()) == sorted([*listed.tolist(), *settings])
    assert len(set(addresses.tolist())) == len(addresses)


@given(hardware_and_network())
def test_padding_is_zero(case: tuple[Hardware, Int8Network]) -> None:
    """All bits that are not of the network: with all of it at -1, the bits set are counted."""
    hardware, network = case
    n, h, c = network.sizes
    ones = Int8Network(
        (np.full((h, n), -1, np.int8), np.full((c, h), -1, np.int8)),
        (np.full(h, -1, np.int32), np.full(c, -1, np.int32)),
        0,
        0,
    )
    _, data = network_words(hardware, ones)
    bits = int(np.unpackbits(np.ascontiguousarray(data).view(np.uint8)).sum())
    assert bits == 8 * (h * n + c * h) + 32 * (h + c)


@given(hardware_and_network())
def test_hidden_order_has_each_neuron_once(case: tuple[Hardware, Int8Network]) -> None:
    hardware, _ = case
    order = hidden_order(hardware)
    assert order.shape == (hardware.groups * hardware.steps, hardware.requants)
    real = order[order >= 0]
    assert real.tolist() == list(range(hardware.hidden))
    assert set(order[order < 0].tolist()) <= {-1}


@pytest.mark.parametrize("inputs", [1, 7, 8, 9, 64, 784])
def test_image_words_are_little_endian_and_padded_with_zero(inputs: int) -> None:
    rng = np.random.default_rng(inputs)
    images = rng.integers(1, 256, (3, inputs), dtype=np.uint8)
    words = image_words(Hardware(inputs, 100, 10), images)
    assert words.shape == (3, -(-inputs // 8))
    for image, row in zip(images, words, strict=True):
        unpacked = [byte(int(word), k) for word in row for k in range(8)]
        assert unpacked == [*image.tolist(), *[0] * (len(unpacked) - inputs)]


def test_the_published_size_in_words() -> None:
    """64-100-10: 13 memories of 64 words, and what the README of hdl says of the others."""
    found = {m.region: (m.banks, m.depth) for m in memories(Hardware(64, 100, 10)).values()}
    assert found == {
        Region.W0: (13, 64),
        Region.B0: (1, 56),
        Region.W1: (5, 56),
        Region.B1: (1, 5),
    }


def test_names_and_numbers_are_those_of_the_verilog() -> None:
    """Registers by the header of ``host_port.v``; errors by the bits that it lists."""
    (host_port,) = (path for path in sources() if path.name == "host_port.v")
    header = host_port.read_text(encoding="utf-8").partition("`default_nettype")[0]
    registers = re.findall(r"\b(\d) ([A-Z]+) +r[ow]\b", header)
    assert {name: int(number) for number, name in registers} == {
        r.name: int(r) for r in HostRegister
    }
    listed = " ".join(re.sub(r"\n//", " ", header).split())
    errors = {
        Error.WRITE_REFUSED: "0 write refused while busy",
        Error.READ_REFUSED: "1 read refused while busy",
        Error.ADDRESS: "2 no such address",
        Error.VALUE: "3 value does not fit",
        Error.FRAMING: "4 image of wrong length",
    }
    assert set(errors) == set(Error)
    for bit, words in errors.items():
        assert bit == 1 << int(words[0])
        assert words in listed
    regions = re.findall(r"region (\d) +(registers|\w+ of layer \d)", header)
    names = {
        "registers": Region.REGISTERS, "weights of layer 0": Region.W0,
        "biases of layer 0": Region.B0, "weights of layer 1": Region.W1,
        "biases of layer 1": Region.B1,
    }  # fmt: skip
    assert {names[words]: int(number) for number, words in regions} == {r: int(r) for r in Region}
    assert ID.to_bytes(8, "big")[:4] == b"OHMB"
