"""What both tops must do, told once: each takes a running testbench and asserts.

Stimulus is drawn from seeds that a failure prints; every wait has a timeout (``tb.within``).
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from cocotb.triggers import ClockCycles
from numpy.typing import NDArray

from ohmbench.digital import Int8Network, load_int8
from ohmbench.digital.hostmap import (
    ID,
    Error,
    HostMemory,
    HostRegister,
    Region,
    memories,
    network_words,
)

from ..stimulus import random_network, steered
from .tb import IMAGES_VARIABLE, NETWORK_VARIABLE, RESULT_LIMIT, SIZES, Bench, within

INTERVAL = 64
LATENCY = 94
"""Clocks from the acceptance of an undisturbed image's last word to its result."""

BUSY, RESULT_WAITS, IMAGE_WAITS, TWO_OUTSTANDING = 1 << 0, 1 << 1, 1 << 2, 2 << 4


def network_and_images(seed: int, n: int) -> tuple[Int8Network, NDArray[np.uint8]]:
    """Steered onto the boundaries of the requantisation, with ties between classes."""
    return steered(np.random.default_rng(seed), SIZES, n)


def stored_network_and_images() -> tuple[Int8Network, NDArray[np.uint8]]:
    """The network and images that the environment names."""
    stored = load_int8(os.environ[NETWORK_VARIABLE])
    return stored.network, stored.images().x[: int(os.environ[IMAGES_VARIABLE])]


async def bit_exact(bench: Bench) -> None:
    """All images of a file back to back: every value of every one, and the rate."""
    network, images = stored_network_and_images()
    await bench.load(network)
    started, first = time.process_time(), bench.clock
    await bench.run(images)
    seconds, clocks = time.process_time() - started, bench.clock - first
    bench.dut._log.info(
        f"MEASURED {len(images)} images bit-exact in {seconds:.3f} s of CPU, {clocks} clocks"
    )
    if bench.pauses.name == "none":
        intervals = set(bench.clocks.intervals())
        assert intervals == {INTERVAL}, f"results come every {intervals} clocks, not {INTERVAL}"


async def latency(bench: Bench) -> None:
    """One image at a time: exactly the promised clocks, whatever the pauses within it."""
    network, images = network_and_images(2, 5)
    await bench.load(network)
    for image in images:
        await bench.run(image[None])
        await bench.idle()
    found = bench.clocks.latencies()
    assert found == [LATENCY] * len(images), f"latencies are {found}, but should be {LATENCY}"


async def networks_one_after_another(bench: Bench) -> None:
    """Loaded anew between runs; nothing of the one before is left."""
    rng = np.random.default_rng(10)
    network, images = network_and_images(10, 6)
    # No class gets a positive logit: the winner's sign is seen.
    low = rng.integers(-(2**31), -(2**30), network.classes).astype(np.int32)
    negative = replace(network, bias=(network.bias[0], low))
    for one in (network, negative, random_network(rng, SIZES)):
        await bench.load(one)
        await bench.run(images)
        await bench.idle()


async def wrong_lengths(bench: Bench) -> None:
    """Short and over-long images are dropped and flagged; those around them are correct."""
    network, images = network_and_images(3, 8)
    await bench.load(network)
    rng = random.Random(3)
    right = bench.packets(images)
    words = bench.hardware.words
    packets = []
    for packet in right:
        packets += [[rng.getrandbits(64) for _ in range(rng.randint(1, words - 1))], packet]
        packets += [[rng.getrandbits(64) for _ in range(rng.randint(words + 1, 3 * words))]]
    # The boundaries: one word, one too few, one too many, twice the length.
    packets += [[1], right[0][:-1], right[0] + [7], right[0] * 2, right[1]]
    sending = bench.send(packets)
    await bench.results(len(images) + 1)
    await within(RESULT_LIMIT, "the end of sending", sending)
    await bench.idle()
    bench.scoreboard.finish(len(images) + 1)
    assert bench.framing_errors == 2 * len(images) + 4
    await bench.expect_errors(Error.FRAMING)
    await bench.run_more(images[:2])


async def images_wait_when_results_do(bench: Bench) -> None:
    """Nothing is taken: two images under way, two more accepted, none after that, none lost."""
    network, images = network_and_images(4, 7)
    await bench.load(network)
    bench.sink.block()
    sending = bench.send(bench.packets(images))
    await ClockCycles(bench.clk, 10 * INTERVAL)
    assert bench.scoreboard.expected == 4, f"{bench.scoreboard.expected} images accepted, not 4"
    assert bench.scoreboard.received == 0, "a result was taken without ready"
    status = await bench.read(HostRegister.STATUS)
    should = BUSY | RESULT_WAITS | IMAGE_WAITS | TWO_OUTSTANDING
    assert status == should, f"STATUS is {status:#09b}, but should be {should:#09b}"
    bench.sink.unblock()
    await bench.results(len(images))
    await within(RESULT_LIMIT, "the end of sending", sending)
    bench.scoreboard.finish(len(images))
    await bench.idle()


def all_words(bench: Bench) -> list[int]:
    """Addresses of all words of all memories."""
    return [
        address
        for memory in memories(bench.hardware).values()
        for address in memory.addresses().reshape(-1).tolist()
    ]


async def assert_holds(bench: Bench, network: Int8Network) -> None:
    """All memories and both settings read back as ``network``."""
    addresses, data = (part.tolist() for part in network_words(bench.hardware, network))
    answers = await bench.host_read(addresses)
    for address, should, (found, error) in zip(addresses, data, answers, strict=True):
        assert not error, f"reading {address:#x} was refused"
        assert found == should, f"word {address:#x} is {found:#x}, but should be {should:#x}"


async def host_while_busy(bench: Bench) -> None:
    """Reads and writes of memories, writes of settings: refused, flagged, without any effect."""
    network, images = network_and_images(5, 6)
    await bench.load(network)
    rng = random.Random(5)
    bench.sink.block()  # so that it stays busy
    sending = bench.send(bench.packets(images))
    while not await bench.read(HostRegister.STATUS) & BUSY:
        pass
    for _ in range(3):
        some = rng.sample(all_words(bench), 40)
        refused = await bench.host_write(
            [*some, HostRegister.SCALE, HostRegister.SHIFT],
            [*(rng.getrandbits(64) for _ in some), rng.getrandbits(16), rng.getrandbits(5)],
        )
        assert all(refused), f"{refused.count(False)} of {len(refused)} writes were not refused"
    await bench.expect_errors(Error.WRITE_REFUSED)
    answers = await bench.host_read(rng.sample(all_words(bench), 40))
    assert all(error for _, error in answers), "a read of a memory was not refused"
    await bench.expect_errors(Error.READ_REFUSED)
    # Registers may be read, and the others written.
    assert await bench.read(HostRegister.ID) == ID
    assert await bench.read(HostRegister.SCALE) == network.M
    assert await bench.read(HostRegister.SHIFT) == network.S
    bench.sink.unblock()
    await bench.results(len(images))
    await within(RESULT_LIMIT, "the end of sending", sending)
    bench.scoreboard.finish(len(images))
    await bench.idle()
    await assert_holds(bench, network)
    await bench.run_more(images)


async def hold(bench: Bench) -> None:
    """What is under way ends, the rest waits; another network can be loaded meanwhile."""
    first, images = network_and_images(6, 9)
    second, _ = network_and_images(7, 1)
    await bench.load(first)
    sending = bench.send(bench.packets(images))
    await bench.results(2)
    assert not await bench.write(HostRegister.CONTROL, 1), "setting hold was refused"
    for _ in range(RESULT_LIMIT):
        if await bench.read(HostRegister.STATUS) & (BUSY | IMAGE_WAITS) == IMAGE_WAITS:
            break
    else:
        raise AssertionError("timeout: did not come to rest with hold set")
    received = bench.scoreboard.received
    await ClockCycles(bench.clk, 5 * INTERVAL)
    assert bench.scoreboard.received == received < len(images), "an image started in spite of hold"
    assert await bench.read(HostRegister.CONTROL) == 1
    await bench.load(second)
    assert not await bench.write(HostRegister.CONTROL, 0), "clearing hold was refused"
    await bench.results(len(images))
    await within(RESULT_LIMIT, "the end of sending", sending)
    bench.scoreboard.finish(len(images))
    await bench.idle()


async def reset_in_a_run(bench: Bench, seed: int, lengths: Sequence[int] = (1, 2, 3)) -> None:
    """At some clock of a run; registers start anew, memories keep theirs, results are correct."""
    network, images = network_and_images(seed, 6)
    rng = random.Random(seed)
    await bench.load(network)
    for length in lengths:
        await bench.write(HostRegister.CONTROL, rng.getrandbits(1))
        bench.send([[1, 2, 3], *bench.packets(images)])
        await ClockCycles(bench.clk, rng.randint(1, 6 * INTERVAL))
        await bench.reset(length)
        for register in (HostRegister.STATUS, HostRegister.CONTROL, HostRegister.ERRORS):
            found = await bench.read(register)
            assert found == 0, f"{register.name} is {found:#x} after reset, but should be 0"
        for register, value in ((HostRegister.SCALE, network.M), (HostRegister.SHIFT, network.S)):
            assert await bench.read(register) == 0, f"{register.name} is not 0 after reset"
            assert not await bench.write(register, value)
        await assert_holds(bench, network)
        await bench.run(images)
        await bench.idle()


# The host's side, without images.


def memory_mask(bench: Bench, memory: HostMemory, bank: int) -> int:
    """The bits that a word of this memory has."""
    hardware = bench.hardware
    a_class = 8 * hardware.requants
    at_once, each = {
        Region.W0: (64 * memory.banks, 64),
        Region.B0: (32 * hardware.requants, 64),
        Region.W1: (a_class * hardware.classes, 2 * a_class if 2 * a_class <= 64 else a_class),
        Region.B1: (64, 64),
    }[memory.region]
    return (1 << min(each, at_once - each * bank)) - 1


async def every_word_is_its_own(bench: Bench) -> dict[int, int]:
    """Each word of each memory is written with a value of its own; all read back. The values."""
    rng = random.Random(8)
    values, masks = {}, {}
    for memory in memories(bench.hardware).values():
        for bank, row in enumerate(memory.addresses().tolist()):
            for address in row:
                values[address] = rng.getrandbits(64)
                masks[address] = memory_mask(bench, memory, bank)
    order = list(values)
    rng.shuffle(order)
    refused = await bench.host_write(order, [values[a] for a in order])
    assert not any(refused), f"{sum(refused)} words of memories were refused"
    kept = {a: values[a] & masks[a] for a in order}
    await assert_words(bench, kept)
    return kept


async def assert_words(bench: Bench, values: dict[int, int]) -> None:
    answers = await bench.host_read(list(values))
    for (address, should), (found, error) in zip(values.items(), answers, strict=True):
        assert not error, f"reading {address:#x} was refused"
        assert found == should, f"word {address:#x} is {found:#x}, but should be {should:#x}"


def unlisted_addresses(bench: Bench, rng: random.Random, extra: int) -> list[int]:
    """Addresses of nothing: beside every end, one bit away from a listed one, and at random."""
    listed = {*all_words(bench), *HostRegister}
    candidates: set[int] = set()
    for memory in memories(bench.hardware).values():
        base = memory.region << 16
        for bank in range(memory.banks + 1):
            candidates |= {base | bank << 10 | word for word in (0, memory.depth, 1023)}
        candidates |= {base | 63 << 10, base | 63 << 10 | 1023}
    for address in [*rng.sample(sorted(listed), 40), *HostRegister]:
        candidates |= {address ^ 1 << bit for bit in range(19)}
    for region in (5, 6, 7):
        candidates |= {region << 16 | low for low in (0, 1, 5, 6, 1023, 1024, 65535)}
    candidates |= {7, 8, 1023, 1024, 65535}
    candidates |= {rng.getrandbits(19) for _ in range(extra)}
    return sorted(candidates - listed)


async def address_map(bench: Bench, extra: int) -> None:
    """Listed words are there and no alias of one another; unlisted ones are errors, no effect."""
    kept = await every_word_is_its_own(bench)
    settings = {HostRegister.SCALE: 0xBEEF, HostRegister.SHIFT: 0x15, HostRegister.CONTROL: 1}
    for register, value in settings.items():
        assert not await bench.write(register, value), f"{register.name} was refused"
    rng = random.Random(9)
    unlisted = unlisted_addresses(bench, rng, extra)
    answers = await bench.host_read(unlisted)
    open_ones = [hex(a) for a, (_, error) in zip(unlisted, answers, strict=True) if not error]
    assert not open_ones, f"reading unlisted {open_ones[:5]} was not refused"
    await bench.expect_errors(Error.ADDRESS)
    refused = await bench.host_write(unlisted, [0] * len(unlisted))
    open_ones = [hex(a) for a, error in zip(unlisted, refused, strict=True) if not error]
    assert not open_ones, f"writing unlisted {open_ones[:5]} was not refused"
    await bench.expect_errors(Error.ADDRESS)
    await assert_words(bench, {**kept, **{int(r): v for r, v in settings.items()}})


async def registers(bench: Bench) -> None:
    """Each register's bits, which values it takes, and which it refuses."""
    hardware = bench.hardware
    inputs, hidden, classes = SIZES
    shape = inputs | hidden << 16 | classes << 32 | hardware.lanes << 48 | hardware.requants << 56
    for register, should in (
        (HostRegister.ID, ID),
        (HostRegister.SHAPE, shape),
        (HostRegister.STATUS, 0),
    ):
        found = await bench.read(register)
        assert found == should, f"{register.name} is {found:#x}, but should be {should:#x}"
        assert await bench.write(register, should), f"writing {register.name} was not refused"
        await bench.expect_errors(Error.ADDRESS)
    bits = {HostRegister.CONTROL: 1, HostRegister.SCALE: 16, HostRegister.SHIFT: 5}
    rng = random.Random(11)
    for register, width in bits.items():
        held = 0
        for value in [(1 << width) - 1, *(1 << k for k in range(width)), rng.getrandbits(width)]:
            assert not await bench.write(register, value), f"{register.name} = {value} was refused"
            held = await bench.read(register)
            assert held == value, f"{register.name} is {held:#x}, but should be {value:#x}"
        too_wide = [1 << k for k in range(width, 64)]
        refused = await bench.host_write([register] * len(too_wide), too_wide)
        assert all(refused), f"{register.name} took a value of more than {width} bits"
        await bench.expect_errors(Error.VALUE)
        assert await bench.read(register) == held, f"a refused write changed {register.name}"
    refused = await bench.host_write([HostRegister.ERRORS] * 59, [1 << k for k in range(5, 64)])
    assert all(refused), "ERRORS took a value of more than 5 bits"
    await bench.expect_errors(Error.VALUE)


async def errors_clear_by_one(bench: Bench) -> None:
    """Each flag is raised by its cause alone, stays, and is cleared by a one and only its own."""
    network, images = network_and_images(12, 3)
    await bench.load(network)
    bench.sink.block()
    bench.send([[1], *bench.packets(images)])
    while not await bench.read(HostRegister.STATUS) & BUSY:
        pass
    raised = Error.FRAMING
    found = await bench.read(HostRegister.ERRORS)
    assert found == raised, f"ERRORS is {found:#07b}, but should be {raised:#07b}"
    for cause, flag in (
        (bench.write(HostRegister.SCALE, 1), Error.WRITE_REFUSED),
        (bench.read_error(Region.W0 << 16), Error.READ_REFUSED),
        (bench.read_error(7), Error.ADDRESS),
        (bench.write(HostRegister.CONTROL, 2), Error.VALUE),
    ):
        assert await cause, f"the cause of {flag.name} was not refused"
        raised |= flag
        found = await bench.read(HostRegister.ERRORS)
        assert found == raised, f"ERRORS is {found:#07b}, but should be {raised:#07b}"
    assert not await bench.write(HostRegister.ERRORS, 0)
    assert await bench.read(HostRegister.ERRORS) == raised, "writing 0 cleared a flag"
    for flag in (Error.ADDRESS, Error.WRITE_REFUSED, Error.FRAMING, Error.VALUE):
        assert not await bench.write(HostRegister.ERRORS, flag)
        raised &= ~flag
        found = await bench.read(HostRegister.ERRORS)
        assert found == raised, f"ERRORS is {found:#07b}, but should be {raised:#07b}"
    await bench.expect_errors(Error.READ_REFUSED)
    bench.sink.unblock()
    await bench.results(len(images))
    bench.scoreboard.finish(len(images))
