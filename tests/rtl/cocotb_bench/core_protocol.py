"""The host port of ``accelerator``, without pauses: its accesses have none."""

from __future__ import annotations

import random
from typing import Any

import cocotb
from cocotb.triggers import ClockCycles

from ohmbench.digital.hostmap import Error, HostRegister, Region

from . import scenarios
from .core_tb import Access, core_bench

LIMIT = {"timeout_time": 10, "timeout_unit": "ms"}


@cocotb.test(**LIMIT)
async def registers(dut: Any) -> None:
    await scenarios.registers(await core_bench(dut))


@cocotb.test(**LIMIT)
async def address_map(dut: Any) -> None:
    await scenarios.address_map(await core_bench(dut), 500)


@cocotb.test(**LIMIT)
async def errors_clear_by_one(dut: Any) -> None:
    await scenarios.errors_clear_by_one(await core_bench(dut))


@cocotb.test(**LIMIT)
async def malformed_accesses(dut: Any) -> None:
    """Refused wherever they go, with one flag, and without effect."""
    bench = await core_bench(dut)
    kept = await scenarios.every_word_is_its_own(bench)
    assert not await bench.write(HostRegister.SHIFT, 21)
    some = [*random.Random(1).sample(list(kept), 100), *HostRegister, 7, 5 << 16]
    for data in (None, 0):
        answers = await bench.host([Access(address, data, malformed=True) for address in some])
        assert all(error for _, error in answers), "a malformed access was not refused"
        await bench.expect_errors(Error.VALUE)
    assert await bench.read(HostRegister.SHIFT) == 21
    await scenarios.assert_words(bench, kept)


@cocotb.test(**LIMIT)
async def mixed_accesses(dut: Any) -> None:
    """Reads and writes in any order, as fast as they are taken: each has its own answer."""
    bench = await core_bench(dut)
    kept = await scenarios.every_word_is_its_own(bench)
    full = [a for a in kept if a >> 16 == Region.W0]
    rng = random.Random(2)
    accesses, should = [], []
    for _ in range(1500):
        address = rng.choice(full[:20])
        if rng.random() < 0.1:
            accesses.append(Access(7))
            should.append((0, True))
        elif rng.random() < 0.5:
            kept[address] = rng.getrandbits(64)
            accesses.append(Access(address, kept[address]))
            should.append((0, False))
        else:
            accesses.append(Access(address))
            should.append((kept[address], False))
    answers = await bench.host(accesses)
    wrong = [k for k, (a, b) in enumerate(zip(answers, should, strict=True)) if a != b]
    assert not wrong, f"answer {wrong[0]} is {answers[wrong[0]]}, but should be {should[wrong[0]]}"


@cocotb.test(**LIMIT)
async def an_error_outlives_its_clearing(dut: Any) -> None:
    """A flag that is raised in the clock in which a one clears it stays."""
    bench = await core_bench(dut)
    raised_later = []
    for offset in range(6):
        assert not await bench.write(HostRegister.ERRORS, Error.FRAMING)
        clearing = cocotb.start_soon(bench.write(HostRegister.ERRORS, Error.FRAMING))
        asked = bench.clock + 1
        if offset:
            await ClockCycles(bench.clk, offset)
        offered = bench.clock + 1
        await bench.send([[1]])
        await clearing
        raised_later.append(offered > asked)
        # The access is two clocks after its request.
        should = Error.FRAMING if offered >= asked + 2 else 0
        found = await bench.read(HostRegister.ERRORS)
        assert found == should, f"offset {offset}: ERRORS is {found:#07b}, not {should:#07b}"
    assert len(set(raised_later)) == 2, "the offsets do not straddle the clearing"


@cocotb.test(**LIMIT)
async def whole_address_space(dut: Any) -> None:
    """Every one of the 2^19 addresses, read: a listed word, or an error."""
    bench = await core_bench(dut)
    kept = await scenarios.every_word_is_its_own(bench)
    answers = await bench.host_read(range(1 << 19))
    listed = {*kept, *HostRegister}
    for address, (found, error) in enumerate(answers):
        assert error == (address not in listed), f"address {address:#x}: error is {error:d}"
        assert found == kept.get(address, found), f"word {address:#x} is {found:#x}"
    await bench.expect_errors(Error.ADDRESS)
