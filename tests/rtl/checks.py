"""Named checks of a simulated accelerator, which are run on every mutant and fault.

A check gets a simulation that has just been reset, drives it, and raises AssertionError (or the
simulation's HardwareFailure: no answer, a refused word) at the first definite difference from the
golden model or from the protocol of ``hdl/accelerator.v`` and ``hdl/host_port.v``. Each check loads
what it needs and does not rely on another. Stimuli and expectations are computed once per hardware.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ohmbench.digital import Inference, Int8Network, infer
from ohmbench.digital.clocks import image_clocks
from ohmbench.digital.hostmap import (
    ID,
    Error,
    HostMemory,
    HostRegister,
    Region,
    hidden_order,
    image_words,
    memories,
    network_words,
)
from ohmbench.digital.widths import Hardware
from ohmbench.eda.simulation import Simulation
from ohmbench.errors import HardwareFailure

from .asserts import assert_exact
from .cycle_model import Clocks, CycleModel
from .stimulus import INT32, random_images, random_network, steered
from .test_exactness import latency

# Columns of Simulation.clocks.
RST, VALID, DATA, LAST, READY, REQUEST, WE, MALFORMED, ADDR, WDATA = range(10)
IMAGE_READY, RESULT_VALID, CLASS, VALUE, HIDDEN_VALID, HIDDEN = range(6)
HOST_READY, ACK, ERROR, RDATA, LOGITS = range(6, 11)
DECIDED = 2
"""Clocks from the one that takes a host request to the one that grants or refuses it."""
ANSWER_CLOCKS = 3
"""Clocks to the answer, except for a word of a memory. A read keeps all other requests waiting
until its answer.
"""
U64 = (1 << 64) - 1


# ------------------------------------------------------------------------------------------------
# Stimuli, once per hardware


@dataclass(frozen=True)
class Case:
    """A network, images for it, and everything that is derived from them."""

    name: str
    network: Int8Network
    images: NDArray[np.uint8]
    golden: Inference
    addresses: NDArray[np.uint32]
    words: NDArray[np.uint64]


def case(hardware: Hardware, name: str, network: Int8Network, images: NDArray[np.uint8]) -> Case:
    golden = infer(network, images)
    return Case(name, network, images, golden, *network_words(hardware, network))


def sizes(hardware: Hardware) -> tuple[int, int, int]:
    return hardware.inputs, hardware.hidden, hardware.classes


def interval(hardware: Hardware) -> int:
    return image_clocks(hardware).interval


def generator(hardware: Hardware, seed: int) -> np.random.Generator:
    return np.random.default_rng([seed, *sizes(hardware)])


def mixed_network(rng: np.random.Generator, hardware: Hardware) -> Int8Network:
    """Random weights that give hidden bytes neither all 0 nor all 255."""
    inputs, hidden, classes = sizes(hardware)
    return Int8Network(
        (
            rng.integers(-128, 128, (hidden, inputs), dtype=np.int8),
            rng.integers(-128, 128, (classes, hidden), dtype=np.int8),
        ),
        (
            rng.integers(-20000, 60000, hidden).astype(np.int32),
            rng.integers(-(2**31), 2**31, classes).astype(np.int32),
        ),
        int(rng.integers(30000, 65536)),
        24,
    )


def load(simulation: Simulation, case: Case) -> None:
    _, errors = simulation.host(case.addresses, case.words)
    assert not errors.any(), f"{int(errors.sum())} words of {case.name} were refused"
    simulation.network = case.network


def change(simulation: Simulation, before: Case, after: Case) -> None:
    """Write only the words in which two networks differ."""
    differs = before.words != after.words
    if differs.any():
        _, errors = simulation.host(after.addresses[differs], after.words[differs])
        assert not errors.any(), f"{int(errors.sum())} words of {after.name} were refused"
    simulation.network = after.network


def run(simulation: Simulation, case: Case, **gaps: int) -> None:
    """Check that all values of all images are the golden model's; without gaps, the clocks too."""
    hardware = simulation.hardware
    slack = 20 if gaps else 2
    found = simulation.infer(
        case.images,
        max_clocks=slack * (len(case.images) + 3) * (interval(hardware) + hardware.words),
        **gaps,
    )
    assert_exact(case.golden, found, case.name)
    if not gaps:
        took = int(found.latency[0])
        assert took == latency(hardware), f"latency {took} [{case.name}]"
        apart = np.diff(found.valid)
        assert (apart == interval(hardware)).all(), f"results {apart} clocks apart [{case.name}]"


def in_turn(simulation: Simulation, cases: Sequence[Case]) -> None:
    """Run the cases in order, writing only what changes from one to the next."""
    load(simulation, cases[0])
    for before, after in zip([cases[0], *cases], cases, strict=False):
        change(simulation, before, after)
        run(simulation, after)


# ------------------------------------------------------------------------------------------------
# Values


@cache
def dense_cases(hardware: Hardware) -> list[Case]:
    rng = generator(hardware, 1)
    return [
        case(hardware, f"dense {k}", network, random_images(rng, 6, hardware.inputs))
        for k, network in enumerate(mixed_network(rng, hardware) for _ in range(2))
    ]


def dense(simulation: Simulation) -> None:
    """Random networks, images back to back: all values, latency and interval."""
    for each in dense_cases(simulation.hardware):
        load(simulation, each)
        run(simulation, each)


@cache
def extreme_cases(hardware: Hardware) -> list[Case]:
    """Rows and classes alternate between the smallest and the largest possible sum."""
    inputs, hidden, classes = sizes(hardware)
    images = np.stack([np.full(inputs, v, np.uint8) for v in (255, 0)])
    found = []
    for k in range(2):
        ends0, ends1 = (np.arange(hidden) + k) % 2, (np.arange(classes) + k) % 2
        w0 = np.where(ends0, 127, -128)[:, None].repeat(inputs, 1)
        w1 = np.where(ends1, 127, -128)[:, None].repeat(hidden, 1)
        for b0_high in (False, True):
            network = Int8Network(
                (w0.astype(np.int8), w1.astype(np.int8)),
                (
                    # Once with the sum at its end and 255 from all neurons, once with 0 from all of
                    # them.
                    np.where(ends0 | b0_high, INT32.max, INT32.min).astype(np.int32),
                    np.where(ends1, INT32.max, INT32.min).astype(np.int32),
                ),
                65535,
                31 if k else 0,
            )
            found.append(case(hardware, f"extreme {k} {b0_high}", network, images))
    return found


def extremes(simulation: Simulation) -> None:
    """Sums at both ends of every register: weights -128 and 127, inputs 255, int32's ends."""
    for each in extreme_cases(simulation.hardware):
        load(simulation, each)
        run(simulation, each)


@cache
def requantisation_cases(hardware: Hardware) -> list[Case]:
    """One network per shift; the image is all zeros, so the sums are the biases."""
    rng = generator(hardware, 2)
    start = mixed_network(rng, hardware)
    none = np.zeros((1, hardware.inputs), np.uint8)
    found = []
    for S in range(32):
        M = int((1, 65535, 2, 32768, 0)[S % 5] if S % 3 == 0 else rng.integers(1, 2**16))
        biases = []
        for _ in range(hardware.hidden):
            k = int(rng.choice([1, 128, 255, 256, 1 << int(rng.integers(0, 9)), rng.integers(257)]))
            r = -(-(k << S) // M) if M else int(rng.integers(0, 2**31))
            if rng.random() < 0.2:  # a sum with only one bit set
                r = 1 << int(rng.integers(0, 31))
            biases.append(r - int(rng.integers(0, 2)))
        b0 = np.clip(biases, INT32.min, INT32.max).astype(np.int32)
        b0[rng.random(len(b0)) < 0.1] = rng.choice([INT32.min, -1, 0, INT32.max])
        network = Int8Network(start.weight, (b0, start.bias[1]), M, S)
        found.append(case(hardware, f"requantisation M={M} S={S}", network, none))
    return found


@cache
def product_bit_cases(hardware: Hardware) -> list[Case]:
    """Products with one bit set: each bit in each requantiser, with every shift."""
    rng = generator(hardware, 11)
    start = mixed_network(rng, hardware)
    none = np.zeros((1, hardware.inputs), np.uint8)
    order = hidden_order(hardware)
    found = []
    for M, shifts in ((32768, range(32)), (1, (*range(8), 16, 24))):
        for S in shifts:
            b0 = np.zeros(hardware.hidden, np.int64)
            for unit in range(hardware.requants):
                neurons = order[order[:, unit] >= 0, unit]
                b0[neurons] = 1 << (np.arange(len(neurons)) % 31)
            network = Int8Network(start.weight, (b0.astype(np.int32), start.bias[1]), M, S)
            found.append(case(hardware, f"one bit M={M} S={S}", network, none))
    return found


def product_bits(simulation: Simulation) -> None:
    """Each bit of the requantisation product alone, in each requantiser, with every shift."""
    in_turn(simulation, product_bit_cases(simulation.hardware))


def requantisation(simulation: Simulation) -> None:
    """Every shift, M at the ends of its range, sums on either side of every step of the result."""
    in_turn(simulation, requantisation_cases(simulation.hardware))


@cache
def carry_cases(hardware: Hardware) -> list[Case]:
    """Sums below 2^(S+8), which M = 1 shows from bit S on, and logits of all sizes. The biases vary
    so that carries begin, pass and end at every bit.
    """
    rng = generator(hardware, 13)
    start = mixed_network(rng, hardware)
    image = random_images(rng, 1, hardware.inputs)
    acc0 = start.weight[0].astype(np.int64) @ image[0].astype(np.int64)
    found = []
    for S in (0, 4, 8, 12, 16, 20, 23):
        for k in range(30):
            r = rng.integers(-(1 << S), 1 << (S + 8), hardware.hidden)
            b0 = np.clip(r - acc0, INT32.min, INT32.max).astype(np.int32)
            low = int(rng.integers(1, 32))
            b1 = rng.integers(-(1 << low), 1 << low, hardware.classes).astype(np.int32)
            network = Int8Network(start.weight, (b0, b1), 1, S)
            found.append(case(hardware, f"carries S={S} {k}", network, image))
    return found


def carries(simulation: Simulation) -> None:
    """Every window of eight bits of the sums, with random bits in the summands."""
    in_turn(simulation, carry_cases(simulation.hardware))


@cache
def choice_cases(hardware: Hardware) -> list[Case]:
    """Each image activates one hidden neuron, whose weights are the logits: ties of every kind."""
    inputs, hidden, classes = sizes(hardware)
    rng = generator(hardware, 3)
    shown = min(inputs, hidden)
    w0 = np.zeros((hidden, inputs), np.int8)
    w0[np.arange(shown), np.arange(shown)] = 1
    found = []
    for values in ((-1, 0, 1), (-128, 127), tuple(range(-128, 128))):
        w1 = rng.choice(values, (classes, hidden)).astype(np.int8)
        zero = np.zeros(hidden, np.int32), np.zeros(classes, np.int32)
        images = np.eye(shown, inputs, dtype=np.uint8)
        network = Int8Network((w0, w1), zero, 1, 0)
        found.append(case(hardware, f"choice of {len(values)}", network, images))
    return found


def choice(simulation: Simulation) -> None:
    """Ties between any classes, every class first, last or alone at the maximum."""
    for each in choice_cases(simulation.hardware):
        load(simulation, each)
        run(simulation, each)


@cache
def comparison_cases(hardware: Hardware) -> list[Case]:
    """The logits are the biases: all equal but for one bit, then all but one at the low end."""
    inputs, hidden, classes = sizes(hardware)
    rng = generator(hardware, 4)
    none = np.zeros((1, inputs), np.uint8)
    weight = (np.zeros((hidden, inputs), np.int8), np.zeros((classes, hidden), np.int8))
    biases = []
    for bit in range(32):
        base = int(rng.integers(-(2**31), 2**31)) & ~(1 << bit)
        for flips in (rng.random(classes) < 0.5, np.arange(classes) % 4 < 2):
            words = np.where(flips, base ^ (1 << bit), base) & 0xFFFFFFFF
            biases.append(words.astype(np.uint32).view(np.int32))
    for c in range(classes):
        for low, high in ((INT32.min, INT32.max), (-1, 0), (INT32.min, INT32.min + 1)):
            biases.append(np.where(np.arange(classes) == c, high, low).astype(np.int32))
    return [
        case(
            hardware,
            f"comparison of {b1.tolist()}",
            Int8Network(weight, (np.zeros(hidden, np.int32), b1), 1, 0),
            none,
        )
        for b1 in biases
    ]


def comparison(simulation: Simulation) -> None:
    """Logits that differ in one bit, at every bit and every place; each class alone on top."""
    in_turn(simulation, comparison_cases(simulation.hardware))


@cache
def boundary_cases(hardware: Hardware) -> list[Case]:
    found = []
    for k in range(6):
        rng = generator(hardware, 100 + k)
        network, images = steered(rng, sizes(hardware), 4)
        found.append(case(hardware, f"steered {k}", network, images))
        network = random_network(rng, sizes(hardware))
        images = random_images(rng, 4, hardware.inputs)
        found.append(case(hardware, f"random {k}", network, images))
    return found


def boundaries(simulation: Simulation) -> None:
    """The networks of the exactness tests, with idle clocks and backpressure."""
    for k, each in enumerate(boundary_cases(simulation.hardware)):
        load(simulation, each)
        run(simulation, each, input_gap=(0, 30)[k % 2], output_gap=(0, 60)[k // 2 % 2], seed=k + 1)


@cache
def published_cases(hardware: Hardware) -> list[Case]:
    """The smallest inputs on which the published design fails; everything else is zero."""
    inputs, hidden, classes = sizes(hardware)
    images = np.full((1, inputs), 255, np.uint8)

    def zeros() -> tuple[Any, ...]:
        return (
            np.zeros((hidden, inputs), np.int8),
            np.zeros((classes, hidden), np.int8),
            np.zeros(hidden, np.int32),
            np.zeros(classes, np.int32),
        )

    def made(name: str, arrays: tuple[Any, ...], M: int, S: int) -> Case:
        w0, w1, b0, b1 = arrays
        return case(hardware, f"published {name}", Int8Network((w0, w1), (b0, b1), M, S), images)

    found = []
    for j in range(hidden - 3, hidden):
        w0, w1, b0, b1 = zeros()
        b0[j] = w1[3 % classes, j] = 1
        found.append(made(f"B1 {j}", (w0, w1, b0, b1), 1, 0))
    for r in (65536, 131072):  # the product's bit 31, then bit 32
        w0, w1, b0, b1 = zeros()
        b0[0] = r
        found.append(made(f"B2 {r}", (w0, w1, b0, b1), 32768, 24))
    for c in range(classes):
        w0, w1, b0, b1 = zeros()
        b1[c] = 7
        found.append(made(f"B3 {c}", (w0, w1, b0, b1), 1, 0))
    for end, step in ((INT32.max, 1), (INT32.min, -1)):
        w0, w1, b0, b1 = zeros()
        b0[:], w0[:] = end, step
        found.append(made(f"B4 sums {end}", (w0, w1, b0, b1), 1, 31))
        w0, w1, b0, b1 = zeros()
        b0[:], b1[:], w1[:, 0] = 1, end, step
        found.append(made(f"B4 logits {end}", (w0, w1, b0, b1), 1, 0))
    return found


def published(simulation: Simulation) -> None:
    """The smallest inputs of the published faults B1 to B4."""
    in_turn(simulation, published_cases(simulation.hardware))


def pauses(simulation: Simulation) -> None:
    """A stream of images with every mixture of idle clocks and backpressure."""
    each = stream_case(simulation.hardware)
    load(simulation, each)
    for k, (source, sink) in enumerate([(50, 0), (0, 50), (85, 85), (0, 98), (95, 20)]):
        run(simulation, each, input_gap=source, output_gap=sink, seed=k + 1)


@cache
def stream_case(hardware: Hardware) -> Case:
    rng = generator(hardware, 5)
    network = mixed_network(rng, hardware)
    return case(hardware, "stream", network, random_images(rng, 6, hardware.inputs))


# ------------------------------------------------------------------------------------------------
# The host's side, with no image in progress


def write(simulation: Simulation, address: int, value: int) -> bool:
    """One write. Return whether it was refused."""
    _, errors = simulation.host(np.array([address], np.uint32), np.array([value], np.uint64))
    return bool(errors[0])


def read(simulation: Simulation, address: int) -> int:
    rdata, errors = simulation.host(np.array([address], np.uint32))
    assert not errors[0], f"read of {address:#x} is an error"
    return int(rdata[0])


def expect(simulation: Simulation, register: HostRegister, value: int, when: str) -> None:
    found = read(simulation, register)
    assert found == value, f"{register.name} is {found:#x}, but should be {value:#x} {when}"


def word_bits(hardware: Hardware, memory: HostMemory) -> list[int]:
    """Bits per word of each memory in a region; the last one may be narrower than the host."""
    a_class = hardware.requants * hardware.weight_bits
    total, each = {
        Region.W0: (64 * hardware.lanes, 64),
        Region.B0: (hardware.requants * hardware.bias_bits, 64),
        Region.W1: (hardware.classes * a_class, 2 * a_class if 2 * a_class <= 64 else a_class),
        Region.B1: (2 * hardware.bias_bits, 64),
    }[memory.region]
    return [min(each, total - each * bank) for bank in range(memory.banks)]


@cache
def all_words(hardware: Hardware) -> tuple[NDArray[np.uint32], NDArray[np.uint64]]:
    """The address of every word of every memory, and a mask of the bits that exist."""
    addresses, masks = [], []
    for memory in memories(hardware).values():
        addresses.append(memory.addresses().reshape(-1))
        for bits in word_bits(hardware, memory):
            masks.append(np.full(memory.depth, U64 >> (64 - bits), np.uint64))
    return np.concatenate(addresses), np.concatenate(masks)


def compare_words(
    addresses: NDArray[np.uint32], found: NDArray[np.uint64], wanted: NDArray[np.uint64], why: str
) -> None:
    wrong = np.flatnonzero(found != wanted)
    assert len(wrong) == 0, (
        f"word {addresses[wrong[0]]:#x} is {int(found[wrong[0]]):#x}, but should be "
        f"{int(wanted[wrong[0]]):#x} [{why}]"
    )


@cache
def readback_words(hardware: Hardware) -> list[tuple[NDArray[np.int64], NDArray[np.uint64]]]:
    rng = generator(hardware, 6)
    n = len(all_words(hardware)[0])
    data = rng.integers(0, 2**64, n, dtype=np.uint64)
    return [(rng.permutation(n), data), (rng.permutation(n), ~data)]


def readback(simulation: Simulation) -> None:
    """Every word of every memory keeps what was written, for any order and any neighbours."""
    addresses, masks = all_words(simulation.hardware)
    for order, data in readback_words(simulation.hardware):
        _, errors = simulation.host(addresses, data)
        assert not errors.any(), "a write was refused while nothing ran"
        found, errors = simulation.host(addresses[order])
        assert not errors.any(), "a read was refused while nothing ran"
        compare_words(addresses[order], found, (data & masks)[order], "readback")
    expect(simulation, HostRegister.ERRORS, 0, "after accesses that are all right")


def one_bits(width: int) -> Iterator[int]:
    return (1 << bit for bit in range(width))


def registers(simulation: Simulation) -> None:
    """Each register: its value after reset, what it accepts and refuses, and what it keeps."""
    hardware = simulation.hardware
    shape = hardware.inputs | hardware.hidden << 16 | hardware.classes << 32
    shape |= hardware.lanes << 48 | hardware.requants << 56
    for register, value in (
        (HostRegister.ID, ID),
        (HostRegister.SHAPE, shape),
        (HostRegister.STATUS, 0),
    ):
        expect(simulation, register, value, "after reset")
        for data in (0, U64):
            assert write(simulation, register, data), f"{register.name} accepted a write"
        expect(simulation, register, value, "after refused writes")
    expect(simulation, HostRegister.ERRORS, Error.ADDRESS, "after writes to read-only registers")
    assert not write(simulation, HostRegister.ERRORS, Error.ADDRESS)
    expect(simulation, HostRegister.ERRORS, 0, "after clearing")
    for register, width in (
        (HostRegister.CONTROL, 1),
        (HostRegister.SCALE, hardware.scale_bits),
        (HostRegister.SHIFT, hardware.shift_bits),
    ):
        expect(simulation, register, 0, "after reset")
        for value in (*one_bits(width), (1 << width) - 1, 0, (1 << width) - 1):
            assert not write(simulation, register, value), f"{register.name} refused {value:#x}"
            expect(simulation, register, value, "after a write")
        expect(simulation, HostRegister.ERRORS, 0, f"after good values for {register.name}")
        for bit in range(width, 64):
            assert write(simulation, register, 1 << bit), f"{register.name} took bit {bit}"
        expect(simulation, register, (1 << width) - 1, "after values that do not fit")
        expect(simulation, HostRegister.ERRORS, Error.VALUE, "after a value that does not fit")
        assert not write(simulation, HostRegister.ERRORS, Error.VALUE)
        expect(simulation, HostRegister.ERRORS, 0, "after clearing")


def errors_stick(simulation: Simulation) -> None:
    """Each bit of ERRORS is set only by its cause, stays set, and is cleared only by itself."""
    hardware = simulation.hardware
    short_image = clocks(1)
    short_image[0, [VALID, LAST]] = 1

    def while_busy(address: int, data: int | None) -> NDArray[np.uint64]:
        inputs = clocks(first_after_image(hardware)[1] + 2)
        stream(inputs, hardware, stream_case(hardware).images[:1])
        access(inputs[-20], address, data)
        inputs[:, READY] = 1
        return inputs

    busy_write = while_busy(Region.W0 << 16, 1)
    busy_read = while_busy(Region.B1 << 16, None)
    causes: dict[Error, Callable[[], Any]] = {
        Error.WRITE_REFUSED: lambda: simulation.clocks(busy_write),
        Error.READ_REFUSED: lambda: simulation.clocks(busy_read),
        Error.ADDRESS: lambda: write(simulation, 0x7FFFF, 0),
        Error.VALUE: lambda: write(simulation, HostRegister.SHIFT, 1 << 40),
        Error.FRAMING: lambda: simulation.clocks(short_image),
    }
    every = (1 << len(Error)) - 1
    for error, cause in causes.items():
        expect(simulation, HostRegister.ERRORS, 0, "before anything went wrong")
        cause()
        simulation.clocks(clocks(1))
        expect(simulation, HostRegister.ERRORS, error, "after its cause")
        assert not write(simulation, HostRegister.ERRORS, every & ~error)
        expect(simulation, HostRegister.ERRORS, error, "after clearing all others")
        assert not write(simulation, HostRegister.ERRORS, 0)
        expect(simulation, HostRegister.ERRORS, error, "after clearing none")
        assert not write(simulation, HostRegister.ERRORS, error)
    for cause in causes.values():
        cause()
    simulation.clocks(clocks(1))
    expect(simulation, HostRegister.ERRORS, sum(causes), "after all of them")
    for bit in range(len(Error), 64):
        assert write(simulation, HostRegister.ERRORS, every | 1 << bit), f"ERRORS took bit {bit}"
    expect(simulation, HostRegister.ERRORS, sum(causes), "after words that do not fit")
    assert not write(simulation, HostRegister.ERRORS, every)
    expect(simulation, HostRegister.ERRORS, 0, "after clearing all")


def malformed(simulation: Simulation) -> None:
    """A partial word is refused at every address, and sets only the VALUE bit of ERRORS."""
    hardware = simulation.hardware
    listed = [int(memory.addresses()[0, 0]) for memory in memories(hardware).values()]
    targets = [
        *map(int, HostRegister),
        *listed,
        *unlisted_addresses(hardware)[:8].tolist(),
        0x7FFFF,
    ]
    for data in (None, 0, U64):
        inputs = clocks(ANSWER_CLOCKS * len(targets) + 1)
        for row, target in zip(every(inputs, 0), targets, strict=True):
            access(row, target, data, malformed=True)
        said = answers(hardware, inputs, simulation.clocks(inputs))
        assert len(said.error) == len(targets)
        assert said.error.all(), "a partial word was accepted"
        assert not said.data.any(), "a refused access shows data"
        expect(simulation, HostRegister.ERRORS, Error.VALUE, "after partial words")
        write(simulation, HostRegister.ERRORS, Error.VALUE)
    for register in (HostRegister.CONTROL, HostRegister.SCALE, HostRegister.SHIFT):
        expect(simulation, register, 0, "after partial words")


@cache
def unlisted_addresses(hardware: Hardware) -> NDArray[np.uint32]:
    """Addresses with nothing there: one bit away from each kind of listed one, and every edge."""
    listed = set(all_words(hardware)[0].tolist()) | set(map(int, HostRegister))
    near = {address ^ flip for address in (0, 4, 6) for flip in one_bits(19)}
    near |= {0x50000, 0x60000, 0x70000, 0x7FFFF, len(HostRegister), 1 << 10, 63 << 10}
    for memory in memories(hardware).values():
        at = memory.addresses()
        near |= {int(at[0, 0]) ^ flip for flip in one_bits(19)}
        near |= {int(at[-1, -1]) ^ flip for flip in one_bits(19)}
        base = int(memory.region) << 16
        near |= {base | bank << 10 for bank in range(memory.banks, 64)}
        near |= {base | word for word in (memory.depth, memory.depth + 1, 1023)}
    return np.array(sorted(near - listed), np.uint32)


def unlisted(simulation: Simulation) -> None:
    """Addresses at which there is nothing: reads and writes are errors and change nothing."""
    hardware = simulation.hardware
    addresses, masks = all_words(hardware)
    data = readback_words(hardware)[0][1]
    simulation.host(addresses, data)
    nowhere = unlisted_addresses(hardware)
    for values in (None, np.full(len(nowhere), U64, np.uint64)):
        found, errors = simulation.host(nowhere, values)
        wrong = np.flatnonzero(~errors)
        assert len(wrong) == 0, f"{nowhere[wrong[0]]:#x} is not refused"
        assert not found.any(), "an error shows data"
        expect(simulation, HostRegister.ERRORS, Error.ADDRESS, "after unlisted addresses")
        write(simulation, HostRegister.ERRORS, Error.ADDRESS)
    found, _ = simulation.host(addresses)
    compare_words(addresses, found, data & masks, "after writes to unlisted addresses")


@cache
def random_addresses(hardware: Hardware) -> tuple[NDArray[np.uint32], NDArray[np.bool_]]:
    """Addresses from the whole space, and whether something is there."""
    addresses = generator(hardware, 12).integers(2**19, size=4000).astype(np.uint32)
    listed = [*all_words(hardware)[0].tolist(), *map(int, HostRegister)]
    return addresses, np.isin(addresses, listed)


def address_space(simulation: Simulation) -> None:
    """Random addresses from the whole space: an access fails exactly where there is nothing."""
    addresses, listed = random_addresses(simulation.hardware)
    _, errors = simulation.host(addresses)
    wrong = np.flatnonzero(errors == listed)
    assert len(wrong) == 0, f"{addresses[wrong[0]]:#x}: error is {errors[wrong[0]]}"


# ------------------------------------------------------------------------------------------------
# Clock by clock


def clocks(n: int) -> NDArray[np.uint64]:
    """``n`` clocks without any request; columns as in ``Simulation.clocks``."""
    return np.zeros((n, 10), np.uint64)


def access(
    row: NDArray[np.uint64], address: int, data: int | None = None, *, malformed: bool = False
) -> None:
    """A host access in one clock: a read, or a write of ``data``."""
    row[REQUEST], row[ADDR], row[MALFORMED] = 1, address, malformed
    row[WE], row[WDATA] = data is not None, data or 0


def stream(rows: NDArray[np.uint64], hardware: Hardware, images: NDArray[np.uint8]) -> None:
    """Offer whole images from the first row on, one word per clock (only where all are taken)."""
    words = image_words(hardware, images).reshape(-1)
    rows[: len(words), VALID], rows[: len(words), DATA] = 1, words
    rows[: len(words), LAST] = np.arange(len(words)) % hardware.words == hardware.words - 1


def read_clocks(hardware: Hardware) -> dict[int, int]:
    """Clocks from the request to the word of a memory, by region. The word passes through all
    segments of its layer; a word of a bias memory takes two extra clocks.
    """
    shared = hardware.steps < hardware.words  # two pairs in a segment of layer 1
    segments0 = hardware.steps
    segments1 = -(-hardware.classes // (4 if shared else 2))
    return {
        Region.W0: ANSWER_CLOCKS + 3 + segments0 - 1,
        Region.B0: ANSWER_CLOCKS + 2,
        Region.W1: ANSWER_CLOCKS + 3 + (2 if shared else 1) * (segments1 - 1),
        Region.B1: ANSWER_CLOCKS + 2,
    }


@cache
def listed_words(hardware: Hardware) -> frozenset[int]:
    return frozenset(all_words(hardware)[0].tolist())


@dataclass(frozen=True)
class Answers:
    """The accesses that were taken and answered: clocks of request and answer, error, data."""

    asked: NDArray[np.int64]
    clock: NDArray[np.int64]
    error: NDArray[np.bool_]
    data: NDArray[np.uint64]


def answers(hardware: Hardware, inputs: NDArray[np.uint64], found: NDArray[np.uint64]) -> Answers:
    """The answer to every access that was taken. Asserts that ready and answers come when they
    should, and only then. A refusal shows in which of two possible clocks the answer is due.
    """
    asked, clock = [], []
    free = 0  # first clock in which the host port is ready
    latency, words = read_clocks(hardware), listed_words(hardware)
    ready, due = np.zeros((2, len(inputs)), np.uint64)
    for at, row in enumerate(inputs.tolist()):
        ready[at] = at >= free
        if not row[REQUEST] or at < free:
            continue
        answer = at + ANSWER_CLOCKS
        if not row[WE]:
            if row[ADDR] in words and not row[MALFORMED]:
                refused = answer < len(found) and found[answer, ACK] and found[answer, ERROR]
                answer = answer if refused else at + latency[row[ADDR] >> 16]
            free = answer
        if answer < len(inputs):
            asked.append(at)
            clock.append(answer)
            due[answer] = 1
    assert len(asked) > 0
    for name, column, wanted in (("host_ready", HOST_READY, ready), ("host_ack", ACK, due)):
        wrong = np.flatnonzero(found[:, column] != wanted)
        assert len(wrong) == 0, f"{name} is {found[wrong[0], column]} in clock {wrong[0]}"
    assert not found[due == 0][:, [ERROR, RDATA]].any(), "error or data without an answer"
    at = np.array(clock)
    return Answers(np.array(asked), at, found[at, ERROR] != 0, found[at, RDATA])


def every(inputs: NDArray[np.uint64], phase: int) -> Iterator[NDArray[np.uint64]]:
    """Rows for reads that are answered in ANSWER_CLOCKS, issued as fast as they are taken, in one
    of the ANSWER_CLOCKS phases. The last one is still answered.
    """
    return iter(inputs[phase : len(inputs) - ANSWER_CLOCKS : ANSWER_CLOCKS])


@cache
def host_traffic(hardware: Hardware) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Random accesses while nothing runs, at all distances at which they are taken, with others in
    between that are not taken; and their answers from a dictionary of words: error and data.
    """
    rng = generator(hardware, 7)
    addresses, masks = all_words(hardware)
    keep: dict[int, int] = {HostRegister.CONTROL: 0, HostRegister.SCALE: 0, HostRegister.SHIFT: 0}
    width = {HostRegister.CONTROL: 1, HostRegister.SCALE: 16, HostRegister.SHIFT: 5}
    memory = dict(zip(addresses.tolist(), masks.tolist(), strict=True))
    latency = read_clocks(hardware)
    inputs, due, free = clocks(4000), [], 0
    for at, row in enumerate(inputs):
        row[ADDR], row[WDATA] = rng.integers(2**19), rng.integers(2**64, dtype=np.uint64)
        row[WE], row[MALFORMED] = rng.integers(2), rng.integers(2)
        if at < free:
            row[REQUEST] = rng.random() < 0.5
            continue
        if rng.random() < 0.3 or at >= len(inputs) - max(latency.values()):
            continue
        kind = rng.random()
        known = [a for a in keep if a in memory]
        if kind < 0.4 and known:
            address = int(rng.choice(known))
        elif kind < 0.8:
            address = int(rng.choice(addresses))
        else:
            address = int(rng.choice(list(width)))
        data = int(rng.integers(2**64, dtype=np.uint64))
        bits = width.get(HostRegister(address)) if address < len(HostRegister) else None
        if bits is not None and rng.random() < 0.7:
            data &= (1 << bits) - 1
        malformed = bool(rng.random() < 0.1)
        wants_write = address not in keep or rng.random() < 0.4
        access(row, address, data if wants_write else None, malformed=malformed)
        if not wants_write:
            slow = address in memory and not malformed
            free = at + (latency[address >> 16] if slow else ANSWER_CLOCKS)
        fits = bits is None or data >> bits == 0
        if malformed or (wants_write and not fits):
            due.append((1, 0))
        elif wants_write:
            keep[address] = data & memory.get(address, U64)
            due.append((0, 0))
        else:
            due.append((0, keep[address]))
    return inputs, np.array(due, np.uint64)


def host_timing(simulation: Simulation) -> None:
    """Reads, writes and malformed accesses in any order and distance: each is answered in time."""
    inputs, due = host_traffic(simulation.hardware)
    said = answers(simulation.hardware, inputs, simulation.clocks(inputs))
    found = np.stack([said.error.astype(np.uint64), said.data], axis=1)
    assert len(found) == len(due), f"{len(found)} answers, but should be {len(due)}"
    wrong = np.flatnonzero((found != due).any(axis=1))
    assert len(wrong) == 0, f"answer {wrong[0]} is {found[wrong[0]]}, but should be {due[wrong[0]]}"


def first_after_image(hardware: Hardware) -> tuple[int, int]:
    """First clock of the run and clock of the result, if the image's words come from clock 0 on."""
    return hardware.words, hardware.words - 1 + latency(hardware)


@cache
def busy_inputs(hardware: Hardware, kind: str) -> tuple[NDArray[np.uint64], int]:
    """One image, with accesses that must be refused from before its run to its end, as fast as they
    are taken: writes in every clock, reads in every third.
    """
    start, valid = first_after_image(hardware)
    taken = valid + 6
    inputs = clocks(taken + 8)
    stream(inputs, hardware, stream_case(hardware).images[:1])
    inputs[taken, READY] = 1
    rng = generator(hardware, 8)
    addresses, _ = all_words(hardware)
    # These are decided in the clocks from start to taken.
    for row in inputs[start - DECIDED : taken - DECIDED + 1]:
        if kind == "settings":
            address = int(rng.choice([HostRegister.SCALE, HostRegister.SHIFT]))
            access(row, address, int(rng.integers(32)))
        else:
            address = int(rng.choice(addresses))
            access(row, address, None if kind == "reads" else int(rng.integers(2**63)))
    return inputs, taken


def _busy(simulation: Simulation, kind: str, error: Error) -> None:
    hardware, each = simulation.hardware, stream_case(simulation.hardware)
    load(simulation, each)
    inputs, taken = busy_inputs(hardware, kind)
    found = simulation.clocks(inputs)
    said = answers(hardware, inputs, found)
    assert said.error.all(), f"{kind}: access {int(said.error.argmin())} is not refused"
    assert not said.data.any(), "a refused access shows data"
    same_result(hardware, found[taken], each.golden, 0)
    expect(simulation, HostRegister.ERRORS, error, f"after {kind} while busy")
    again, errors = simulation.host(each.addresses)
    assert not errors.any()
    compare_words(each.addresses, again, each.words, f"after {kind} while busy")


def busy_memories(simulation: Simulation) -> None:
    """Weights and biases written in every clock of a run: all are refused, nothing changes."""
    _busy(simulation, "writes", Error.WRITE_REFUSED)


def busy_settings(simulation: Simulation) -> None:
    """M and S written in every clock of a run: all are refused, nothing changes."""
    _busy(simulation, "settings", Error.WRITE_REFUSED)


def busy_reads(simulation: Simulation) -> None:
    """Memories read in every clock of a run: all are refused, no data, and the result is right."""
    _busy(simulation, "reads", Error.READ_REFUSED)


def same_result(hardware: Hardware, row: NDArray[np.uint64], golden: Inference, image: int) -> None:
    """Assert that there is a valid result in this clock, and that it is that of ``image``."""
    assert row[RESULT_VALID], f"no result for image {image}"
    mask = (1 << hardware.registers()["logit"].bits) - 1
    logits = [int(v) & mask for v in golden.logits[image]]
    assert row[LOGITS:].tolist() == logits, f"logits of image {image}"
    assert row[CLASS] == golden.classes[image], f"class of image {image}"
    assert row[VALUE] == int(golden.values[image]) & mask, f"value of image {image}"


def settle_run(simulation: Simulation, each: Case, image: int) -> None:
    """One image through hardware that should be idle: value and latency."""
    hardware = simulation.hardware
    valid = first_after_image(hardware)[1]
    inputs = clocks(valid + 2)
    stream(inputs, hardware, each.images[image : image + 1])
    inputs[valid, READY] = 1
    found = simulation.clocks(inputs)
    early = np.flatnonzero(found[:, RESULT_VALID])
    assert early.tolist() == [valid], f"results in clocks {early}, not {valid}"
    same_result(hardware, found[valid], each.golden, image)


def stall(simulation: Simulation) -> None:
    """The sink takes nothing: two images are computed, two are buffered, the result stays."""
    hardware, each = simulation.hardware, stream_case(simulation.hardware)
    load(simulation, each)
    words = image_words(hardware, each.images).reshape(-1)
    n, per_image = len(each.images), hardware.words
    inputs = clocks(8 * interval(hardware))
    taken, at, results, row = 0, 0, 0, 0
    # Each word is offered until it is taken, so inputs depend on outputs: one clock at a time.
    valid_from = first_after_image(hardware)[1]
    held_until = valid_from + 4 * interval(hardware)
    kept: list[int] | None = None
    while results < n and row < 40 * interval(hardware):
        inputs[0] = 0
        if taken < len(words):
            inputs[0, VALID], inputs[0, DATA] = 1, words[taken]
            inputs[0, LAST] = taken % per_image == per_image - 1
        inputs[0, READY] = row >= held_until
        found = simulation.clocks(inputs[:1])[0]
        if found[RESULT_VALID]:
            assert row >= valid_from, "a result before its time"
            if row < held_until:
                assert kept in (None, found[1:4].tolist()), "the waiting result changed"
                kept = found[1:4].tolist()
            same_result(hardware, found, each.golden, results)
            results += int(row >= held_until)
        else:
            assert row < valid_from or row >= held_until, "the waiting result went away"
        taken += int(found[IMAGE_READY] and taken < len(words))
        if row == held_until - 1:
            at = taken
        row += 1
    assert results == n, f"{results} of {n} results"
    assert at == 4 * per_image, f"{at} words were taken while the sink took nothing"


@cache
def framing_inputs(hardware: Hardware) -> tuple[NDArray[np.uint64], list[int], int]:
    """Images of every wrong length between right ones, slow enough to be taken at once; the clocks
    in which a length becomes wrong; the number of right ones.
    """
    each, rng = stream_case(hardware), generator(hardware, 9)
    per_image = hardware.words
    lengths = [per_image, 1, per_image - 1, per_image + 1, per_image, 2 * per_image, per_image]
    lengths += [3, 3 * per_image, 1, 1, per_image, 2 * per_image + 1, per_image]
    rows, wrong, good = [], [], 0
    for length in lengths:
        if length == per_image:
            words = image_words(hardware, each.images[good % len(each.images)][None])[0]
            good += 1
        else:
            words = rng.integers(0, 2**64, length, dtype=np.uint64)
        block = clocks(length)
        block[:, VALID], block[:, DATA], block[-1, LAST] = 1, words, 1
        if length != per_image:
            wrong.append(sum(map(len, rows)) + min(length, per_image) - 1)
        rows.append(block)
        rows.append(clocks(latency(hardware) if length == per_image else 8))
    inputs = np.concatenate(rows)
    inputs[:, READY] = 1
    return inputs, wrong, good


def framing(simulation: Simulation) -> None:
    """Images of wrong length are dropped and flagged at once; the right ones around them work."""
    hardware, each = simulation.hardware, stream_case(simulation.hardware)
    load(simulation, each)
    inputs, wrong, right = framing_inputs(hardware)
    found = simulation.clocks(inputs)
    assert found[:, IMAGE_READY].all(), "a word was not taken"
    results = np.flatnonzero(found[:, RESULT_VALID])
    assert len(results) == right, f"{len(results)} results, but should be {right}"
    for k, at in enumerate(results):
        same_result(hardware, found[at], each.golden, k % len(each.images))
    simulation.reset()
    load(simulation, each)
    # The flag is set from the clock after the first wrong word on.
    flags = np.where(np.arange(len(inputs)) > wrong[0], int(Error.FRAMING), 0)
    _errors_are(simulation, inputs, flags, 0)
    # Each wrong image sets the flag by itself, and no right one does: it is cleared each time.
    cleared = inputs.copy()
    flags = np.zeros(len(inputs), np.int64)
    flags[: wrong[0] + 1] = int(Error.FRAMING)  # left over from the first pass
    for at in wrong:
        flags[at + 1 : at + 7] = int(Error.FRAMING)
        access(cleared[at + 6 - DECIDED], HostRegister.ERRORS, int(Error.FRAMING))
    for phase in range(ANSWER_CLOCKS):
        _errors_are(simulation, cleared, flags, phase)
        flags[: wrong[0] + 1] = 0
    # If it is cleared in the clock that raises it, it stays set.
    both = clocks(12)
    both[4, [VALID, LAST]] = 1
    access(both[4 - DECIDED], HostRegister.ERRORS, int(Error.FRAMING))
    simulation.clocks(both)
    expect(simulation, HostRegister.ERRORS, Error.FRAMING, "cleared in the clock that raises it")


def _errors_are(
    simulation: Simulation, inputs: NDArray[np.uint64], flags: NDArray[np.int64], phase: int
) -> None:
    """ERRORS, read as often as other accesses permit, has these flags in each clock."""
    inputs, at = inputs.copy(), phase
    while at < len(inputs) - ANSWER_CLOCKS:
        is_free = not inputs[at : at + ANSWER_CLOCKS, REQUEST].any()
        if is_free:
            access(inputs[at], HostRegister.ERRORS)
        at += ANSWER_CLOCKS if is_free else 1
    said = answers(simulation.hardware, inputs, simulation.clocks(inputs))
    reads = inputs[said.asked, WE] == 0
    at, found = (said.asked + DECIDED)[reads], said.data[reads]
    differs = np.flatnonzero(found != flags[at].astype(np.uint64))
    assert len(differs) == 0, f"ERRORS is {found[differs[0]]} in clock {at[differs[0]]}"


def hold(simulation: Simulation) -> None:
    """Hold keeps images waiting while the host works; the running one finishes; then they run."""
    hardware, each = simulation.hardware, stream_case(simulation.hardware)
    load(simulation, each)
    write(simulation, HostRegister.CONTROL, 1)
    inputs = clocks(2 * hardware.words + 2 * latency(hardware))
    stream(inputs, hardware, each.images[:2])
    inputs[:, READY] = 1
    found = simulation.clocks(inputs)
    assert not found[:, [RESULT_VALID, HIDDEN_VALID]].any(), "an image was started while held"
    assert found[: 2 * hardware.words, IMAGE_READY].all(), "no room for two images"
    assert not found[2 * hardware.words :, IMAGE_READY].any(), "room for a third image"
    expect(simulation, HostRegister.STATUS, 0b100, "with two images held")
    load(simulation, each)
    write(simulation, HostRegister.CONTROL, 0)
    inputs = clocks(4 * interval(hardware) + latency(hardware))
    access(inputs[4], HostRegister.CONTROL, 1)
    inputs[:, READY] = 1
    found = simulation.clocks(inputs)
    results = np.flatnonzero(found[:, RESULT_VALID])
    assert len(results) == 1, f"{len(results)} results, but one image was running, one held"
    same_result(hardware, found[results[0]], each.golden, 0)
    expect(simulation, HostRegister.STATUS, 0b100, "with one image held")
    write(simulation, HostRegister.CONTROL, 0)
    found = simulation.clocks(inputs[: 2 * interval(hardware)] * (np.arange(10) == READY))
    results = np.flatnonzero(found[:, RESULT_VALID])
    assert len(results) == 1, "the held image did not come"
    same_result(hardware, found[results[0]], each.golden, 1)
    expect(simulation, HostRegister.STATUS, 0, "at the end")


@cache
def status_case(hardware: Hardware) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Three images at once, and what STATUS must be in each clock, derived from latencies."""
    each = stream_case(hardware)
    per_image, apart = hardware.words, interval(hardware)
    start, valid = first_after_image(hardware)
    inputs = clocks(valid + 8 * apart + 2 * per_image)
    stream(inputs, hardware, each.images[:2])
    # The first result is taken late, so that the second image's result waits. A third image comes
    # last.
    first_taken = valid + apart + 20
    second_valid = first_taken + (hardware.classes + 1) // 2 + 6
    second_taken = second_valid + 3
    third_from = second_taken + 9
    stream(inputs[third_from:], hardware, each.images[2:3])
    third_valid = third_from + valid
    third_taken = third_valid
    inputs[[first_taken, second_taken, third_taken], READY] = 1
    at = np.arange(len(inputs))

    def during(first: int, last: int) -> NDArray[np.bool_]:
        return (at >= first) & (at <= last)

    third_start = third_from + start
    # Complete images in the buffer: from the clock after the last word to the last clock of
    # reading.
    waits = during(start, start + 2 * apart - 1) | during(third_start, third_start + apart - 1)
    result = during(valid, first_taken) | during(second_valid, second_taken)
    result |= during(third_valid, third_taken)
    under_way = (
        during(start + 1, first_taken).astype(np.int64)
        + during(start + apart + 1, second_taken)
        + during(third_start + 1, third_taken)
    )
    busy = during(start, second_taken) | during(third_start, third_taken)
    status = busy | result << 1 | waits << 2 | under_way << 4
    return inputs, status.astype(np.uint64)


def status(simulation: Simulation) -> None:
    """STATUS in every clock (busy, result waits, image waits, images in progress); the results."""
    hardware, each = simulation.hardware, stream_case(simulation.hardware)
    load(simulation, each)
    for phase in range(ANSWER_CLOCKS):
        inputs, due = status_case(hardware)
        inputs = inputs.copy()
        for row in every(inputs, phase):
            access(row, HostRegister.STATUS)
        found = simulation.clocks(inputs)
        said = answers(hardware, inputs, found)
        assert not said.error.any(), "a read of STATUS was refused"
        at = said.asked + DECIDED
        wrong = np.flatnonzero(said.data != due[at])
        assert len(wrong) == 0, (
            f"STATUS is {int(said.data[wrong[0]]):#b} in clock {at[wrong[0]]}, but should be "
            f"{int(due[at[wrong[0]]]):#b}"
        )
        for k, taken in enumerate(np.flatnonzero(inputs[:, READY])):
            same_result(hardware, found[taken], each.golden, k)
        passed = int(found[:, HIDDEN_VALID].sum())
        assert passed == 3 * len(hidden_order(hardware)), f"{passed} clocks with hidden bytes"


def handover(simulation: Simulation) -> None:
    """An image starts just before, in, and just after the clock that takes the previous result."""
    hardware, each = simulation.hardware, stream_case(simulation.hardware)
    load(simulation, each)
    start, valid = first_after_image(hardware)
    for offset in (-1, 0, 1):
        inputs = clocks(2 * valid + 30)
        stream(inputs, hardware, each.images[:1])
        taken = valid + 4
        second = taken + offset - start  # its first word; it starts in taken + offset
        stream(inputs[second:], hardware, each.images[1:2])
        inputs[[taken, second + valid], READY] = 1
        access(inputs[taken + 5], HostRegister.STATUS)
        access(inputs[-ANSWER_CLOCKS - 1], HostRegister.STATUS)
        found = simulation.clocks(inputs)
        results = np.flatnonzero(found[:, RESULT_VALID])
        assert results.tolist() == [*range(valid, taken + 1), second + valid], f"results {results}"
        same_result(hardware, found[taken], each.golden, 0)
        same_result(hardware, found[second + valid], each.golden, 1)
        said = answers(hardware, inputs, found).data.tolist()
        assert said == [0b10101, 0], f"STATUS is {said[0]:#b}, then {said[1]:#b}"


def sweep(simulation: Simulation) -> None:
    """Results taken at once, each image a clock later against the previous result; then idle."""
    hardware, each = simulation.hardware, stream_case(simulation.hardware)
    load(simulation, each)
    start, valid = first_after_image(hardware)
    firsts, n = [0], len(each.images)
    for offset in range(-4, 5):
        firsts.append(firsts[-1] + valid - start + offset)
    inputs = clocks(firsts[-1] + valid + 8)
    for k, first in enumerate(firsts):
        stream(inputs[first:], hardware, each.images[k % n][None])
    inputs[:, READY] = 1
    access(inputs[-ANSWER_CLOCKS - 2], HostRegister.STATUS)
    found = simulation.clocks(inputs)
    results = np.flatnonzero(found[:, RESULT_VALID])
    assert results.tolist() == [first + valid for first in firsts], f"results in clocks {results}"
    for k, at in enumerate(results):
        same_result(hardware, found[at], each.golden, k % n)
    said = answers(hardware, inputs, found)
    assert (said.error.tolist(), said.data.tolist()) == ([False], [0]), "STATUS is not 0 at the end"


def edges(simulation: Simulation) -> None:
    """Busy and refusing coincide: from the first clock of a run to the last, and only then."""
    hardware, each = simulation.hardware, stream_case(simulation.hardware)
    load(simulation, each)
    start, valid = first_after_image(hardware)
    taken = valid + 2
    last_word = int(each.addresses[-3])
    words = dict(zip(each.addresses.tolist(), each.words.tolist(), strict=True))
    slowest = max(read_clocks(hardware).values())
    for address in (int(HostRegister.STATUS), int(each.addresses[0]), last_word):
        for offset in range(-6, 7):
            inputs = clocks(taken + 8 + slowest)
            stream(inputs, hardware, each.images[:1])
            inputs[taken, READY] = 1
            window = [start + offset, taken + offset]  # clocks in which a read is decided
            for at in window:
                access(inputs[at - DECIDED], address)
            found = simulation.clocks(inputs)
            said = answers(hardware, inputs, found)
            if address == HostRegister.STATUS:
                busy = (said.data % 2 == 1).tolist()
            else:
                busy = said.error.tolist()
                granted = said.data[~said.error].tolist()
                assert granted == [words[address]] * len(granted), f"{address:#x} is {granted}"
            wanted = [start <= at <= taken for at in window]
            assert busy == wanted, f"busy in clocks {window}: {busy}, not {wanted} [{address:#x}]"
            same_result(hardware, found[taken], each.golden, 0)
    # An image that is held does not block host accesses.
    write(simulation, HostRegister.CONTROL, 1)
    inputs = clocks(start + 10 * slowest)
    stream(inputs, hardware, each.images[:1])
    for k in range(8):
        access(inputs[start + k * slowest], (int(HostRegister.STATUS), last_word)[k % 2])
    said = answers(hardware, inputs, simulation.clocks(inputs))
    assert not said.error.any(), "a read was refused though the image is held"
    states = said.data[::2]
    assert (states == 0b100).all(), f"STATUS is {states} with an image held"


def lengths(simulation: Simulation) -> None:
    """Images of each wrong length, one at a time: dropped and flagged, and the next one works."""
    hardware, each = simulation.hardware, stream_case(simulation.hardware)
    load(simulation, each)
    for length in range(1, 2 * hardware.words + 2):
        if length == hardware.words:
            continue
        wrong = clocks(length + 1)
        wrong[:length, VALID] = wrong[length - 1, LAST] = 1
        found = simulation.clocks(wrong)
        assert found[:, IMAGE_READY].all(), f"not all of {length} words were taken"
        expect(simulation, HostRegister.ERRORS, Error.FRAMING, f"after {length} words")
        expect(simulation, HostRegister.STATUS, 0, f"after {length} words")
        assert not write(simulation, HostRegister.ERRORS, Error.FRAMING)
        settle_run(simulation, each, length % len(each.images))
        expect(simulation, HostRegister.ERRORS, 0, "after an image of the right length")


def resets(simulation: Simulation) -> None:
    """A reset in many clocks of a busy stream: outputs and registers zero, the next run works."""
    hardware, each = simulation.hardware, stream_case(simulation.hardware)
    load(simulation, each)
    rng = generator(hardware, 10)
    zero = np.zeros(LOGITS + hardware.classes, np.uint64)
    zero[[IMAGE_READY, HOST_READY]] = 1
    readout = first_after_image(hardware)[1] + np.arange(-12, 3)
    anywhere = rng.integers(1, 3 * interval(hardware), 16)
    for trial, after_clocks in enumerate([*anywhere.tolist(), *readout.tolist()]):
        before = clocks(after_clocks)
        stream_forever = np.resize(image_words(hardware, each.images).reshape(-1), len(before))
        pausing = rng.random(len(before)) < (0.1 if trial < len(anywhere) else 0)
        before[:, VALID], before[:, DATA] = ~pausing, stream_forever
        before[:, LAST] = rng.random(len(before)) < 0.02
        before[:, READY] = rng.random(len(before)) < 0.1
        if trial % 4 or trial >= len(anywhere):
            taken = np.cumsum(before[:, VALID]).astype(np.int64) - 1
            before[:, LAST] = taken % hardware.words == hardware.words - 1
            before[:, DATA] = stream_forever[taken]
        access(before[0], HostRegister.CONTROL, int(trial % 5 == 0 and trial < len(anywhere)))
        access(before[-1], int(rng.integers(1 << 19)))
        reset = clocks(1)
        reset[0, RST], reset[0, VALID], reset[0, READY] = 1, rng.integers(2), rng.integers(2)
        access(reset[0], HostRegister.ID)
        after = simulation.clocks(np.concatenate([before, reset, clocks(4)]))[-4:]
        after[:, HIDDEN] = 0  # not valid, so not promised
        for at, row in enumerate(after):
            assert (row == zero).all(), f"outputs {row} {at + 1} clocks after a reset"
        for register in list(HostRegister)[2:]:
            expect(simulation, register, 0, "after a reset")
        _, errors = simulation.host(each.addresses[-2:], each.words[-2:])
        assert not errors.any(), "M and S were refused after a reset"
        settle_run(simulation, each, trial % len(each.images))


@cache
def drawn_clocks(hardware: Hardware, seed: int) -> Clocks:
    return CycleModel(hardware, seed=seed).draw(7000)


def random_clocks(simulation: Simulation) -> None:
    """All inputs random; all promised outputs equal the cycle model's."""
    for seed in (1, 2, 3):
        simulation.reset()
        drawn = drawn_clocks(simulation.hardware, seed)
        found = drawn.mismatch(simulation.clocks(drawn.inputs))
        assert found is None, f"{found} [seed {seed}]"


CHECKS: dict[str, Callable[[Simulation], None]] = {
    check.__name__: check
    for check in (
        dense,
        registers,
        status,
        handover,
        sweep,
        edges,
        host_timing,
        readback,
        resets,
        framing,
        lengths,
        hold,
        errors_stick,
        malformed,
        unlisted,
        address_space,
        busy_memories,
        busy_settings,
        busy_reads,
        published,
        extremes,
        requantisation,
        product_bits,
        carries,
        choice,
        comparison,
        stall,
        pauses,
        boundaries,
        random_clocks,
    )
}
"""Name -> check, in the order in which they run on mutants."""


def rejected(simulation: Simulation, check: Callable[[Simulation], None]) -> str | None:
    """The difference that a check finds in freshly reset hardware, or None."""
    simulation.reset()
    try:
        check(simulation)
    except (AssertionError, HardwareFailure) as error:
        return str(error).partition("\n")[0] or type(error).__name__
    return None
