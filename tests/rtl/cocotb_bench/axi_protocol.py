"""The AXI4-Lite of ``accelerator_axi``: orders, strobes, alignment, turns, and its clocks."""

from __future__ import annotations

import random
from itertools import pairwise
from typing import Any

import cocotb
from cocotb.triggers import ClockCycles

from ohmbench.digital.hostmap import ID, Error, HostRegister, Region

from . import scenarios
from .axi_tb import ALL_BYTES, HOST_BYTES, OKAY, SLVERR, axi_bench
from .core_tb import HOST_LATENCY, WORD_LATENCY
from .tb import chosen_pauses

LIMIT = {"timeout_time": 10, "timeout_unit": "ms"}
ACCESS_LATENCY = 5
SAME_KIND_INTERVAL = 5
TURNS_INTERVAL = 4
SCALE = HOST_BYTES * HostRegister.SCALE


@cocotb.test(**LIMIT)
async def registers(dut: Any) -> None:
    await scenarios.registers(await axi_bench(dut, chosen_pauses()))


@cocotb.test(**LIMIT)
async def address_map(dut: Any) -> None:
    await scenarios.address_map(await axi_bench(dut, chosen_pauses()), 0)


@cocotb.test(**LIMIT)
async def errors_clear_by_one(dut: Any) -> None:
    await scenarios.errors_clear_by_one(await axi_bench(dut, chosen_pauses()))


@cocotb.test(**LIMIT)
async def address_and_data_in_any_order(dut: Any) -> None:
    """AW first, W first, or both at once, some clocks apart; nothing is written by one alone."""
    bench = await axi_bench(dut)
    rng = random.Random(1)
    for first, second in (("aw", "w"), ("w", "aw")):
        for gap in (0, 1, 2, 3, 7, 40):
            value, before = rng.getrandbits(16), await bench.read(HostRegister.SCALE)
            words = {"aw": (SCALE,), "w": (value, ALL_BYTES)}
            done = len(bench.seen["b"])
            early = cocotb.start_soon(getattr(bench, first).send([words[first]]))
            if gap:
                await ClockCycles(bench.clk, gap)
                # Reads go on meanwhile, and see no write.
                assert await bench.read(HostRegister.SCALE) == before, f"{first} alone wrote"
                assert len(bench.seen["b"]) == done, f"a response for {first} alone"
            await getattr(bench, second).send([words[second]])
            await early
            await bench.responses("b", done + 1)
            late = max(bench.seen[channel][-1][0] for channel in ("aw", "w"))
            latency = bench.offered["b"][-1] - late
            assert latency == ACCESS_LATENCY, f"bvalid after {latency} clocks"
            assert bench.seen["b"][-1][1] == (OKAY,)
            assert await bench.read(HostRegister.SCALE) == value, f"{first} {gap} clocks earlier"
            latency = bench.offered["r"][-1] - bench.seen["ar"][-1][0]
            assert latency == ACCESS_LATENCY, f"rvalid after {latency} clocks"


@cocotb.test(**LIMIT)
async def words_come_when_they_should(dut: Any) -> None:
    """A read of a memory takes as many clocks more as the core takes to bring the word."""
    bench = await axi_bench(dut)
    for region, clocks in WORD_LATENCY.items():
        assert not (await bench.host_write([region << 16], [0x0102030405060708]))[0]
        await bench.read(region << 16)
        latency = bench.offered["r"][-1] - bench.seen["ar"][-1][0]
        should = ACCESS_LATENCY + clocks - HOST_LATENCY
        assert latency == should, f"rvalid after {latency} clocks, not {should}: {region.name}"


@cocotb.test(**LIMIT)
async def partial_strobes(dut: Any) -> None:
    """Only a whole word is one: SLVERR for all other strobes, flagged, nothing written."""
    bench = await axi_bench(dut, chosen_pauses())
    word = Region.W0 << 16
    assert await bench.writes([(HOST_BYTES * word, 0x1122334455667788, ALL_BYTES)]) == [OKAY]
    strobes = [0x00, 0x01, 0x0F, 0xF0, *(0xFF ^ 1 << k for k in range(8))]
    for byte_address in (HOST_BYTES * word, SCALE):
        answers = await bench.writes([(byte_address, 0, strobe) for strobe in strobes])
        assert answers == [SLVERR] * len(strobes), f"responses {answers} to partial strobes"
        await bench.expect_errors(Error.VALUE)
    assert await bench.read(word) == 0x1122334455667788, "a partial strobe wrote"
    # A read does not look at the strobe of a write that waits.
    late = cocotb.start_soon(bench.w.send([(0, 0x0F)]))
    assert await bench.read(HostRegister.ID) == ID
    await late
    await bench.aw.send([(SCALE,)])
    answers = await bench.responses("b", len(bench.seen["b"]) + 1)
    assert answers[-1] == (SLVERR,)
    await bench.expect_errors(Error.VALUE)


@cocotb.test(**LIMIT)
async def addresses_inside_a_word(dut: Any) -> None:
    """SLVERR and the flag for each of the seven, reads and writes; nothing written."""
    bench = await axi_bench(dut, chosen_pauses())
    word = HOST_BYTES * (Region.B1 << 16)
    assert await bench.writes([(word, 0x0102030405060708, ALL_BYTES)]) == [OKAY]
    for base in (word, SCALE):
        inside = [base + k for k in range(1, HOST_BYTES)]
        answers = await bench.writes([(address, 0, ALL_BYTES) for address in inside])
        assert answers == [SLVERR] * 7, f"responses {answers} to writes inside a word"
        await bench.expect_errors(Error.VALUE)
        assert await bench.reads(inside) == [(0, SLVERR)] * 7, "reads inside a word"
        await bench.expect_errors(Error.VALUE)
    assert await bench.reads([word]) == [(0x0102030405060708, OKAY)]


@cocotb.test(**LIMIT)
async def reads_and_writes_take_turns(dut: Any) -> None:
    """While both wait they alternate; the promised clocks, together and alone."""
    bench = await axi_bench(dut)
    n = 20
    writes = [(SCALE, 1000 + k, ALL_BYTES) for k in range(n)]
    writing = cocotb.start_soon(bench.writes(writes))
    answers = await bench.reads([SCALE] * n)
    assert await writing == [OKAY] * n
    clocks = sorted([(c, "b") for c in bench.offered["b"]] + [(c, "r") for c in bench.offered["r"]])
    kinds = "".join(kind for _, kind in clocks)
    assert kinds in ("br" * n, "rb" * n), f"responses come in the order {kinds}"
    gaps = {b - a for (a, _), (b, _) in pairwise(clocks)}
    assert gaps == {TURNS_INTERVAL}, f"in turns one every {gaps} clocks"
    # Each read comes between two writes, and sees the one before it.
    first = 1000 if kinds[0] == "b" else 0
    should = [first] + [1000 + k + (first == 1000) for k in range(n - 1)]
    found = [data for data, _ in answers]
    assert found == should, f"reads see {found}, but should see {should}"
    for channel, run in (("b", bench.writes(writes)), ("r", bench.reads([SCALE] * n))):
        before = len(bench.offered[channel])
        await run
        alone = bench.offered[channel][before:]
        gaps = {b - a for a, b in pairwise(alone)}
        assert gaps == {SAME_KIND_INTERVAL}, f"{channel} alone one every {gaps} clocks"


@cocotb.test(**LIMIT)
async def a_response_that_waits_blocks_only_its_kind(dut: Any) -> None:
    """bready or rready low for long: the response stays, the other channel goes on."""
    bench = await axi_bench(dut)
    assert await bench.writes([(SCALE, 5, ALL_BYTES)]) == [OKAY]
    bench.b.block()
    writing = cocotb.start_soon(bench.writes([(SCALE, 6, ALL_BYTES), (SCALE, 7, 0x01)]))
    await ClockCycles(bench.clk, 50)
    assert await bench.reads([SCALE] * 5) == [(6, OKAY)] * 5
    assert len(bench.offered["b"]) == 2, "bvalid does not wait"
    assert len(bench.seen["b"]) == 1, "a response was taken without bready"
    bench.b.unblock()
    assert await writing == [OKAY, SLVERR]

    bench.r.block()
    reading = cocotb.start_soon(bench.reads([SCALE, SCALE, HOST_BYTES * 7]))
    await ClockCycles(bench.clk, 50)
    assert await bench.writes([(SCALE, 8, ALL_BYTES)] * 5) == [OKAY] * 5
    bench.r.unblock()
    # The first had been read before it was left to wait.
    assert await reading == [(6, OKAY), (8, OKAY), (0, SLVERR)]
    await bench.expect_errors(Error.VALUE | Error.ADDRESS)


@cocotb.test(**LIMIT)
async def random_traffic(dut: Any) -> None:
    """Reads and writes at once on all channels, at all paces: every response is the right one."""
    bench = await axi_bench(dut, chosen_pauses())
    rng = random.Random(3)
    own = HOST_BYTES * (Region.W0 << 16)
    kept = {own + HOST_BYTES * k: rng.getrandbits(64) for k in range(16)}
    assert await bench.writes([(a, d, ALL_BYTES) for a, d in kept.items()]) == [OKAY] * 16
    other = own + HOST_BYTES * 16
    writes, write_answers, reads, read_answers = [], [], [], []
    for _ in range(150):
        kind = rng.randrange(4)
        strobe = ALL_BYTES if kind else rng.randrange(ALL_BYTES)
        address = other + HOST_BYTES * rng.randrange(16) + (rng.randrange(1, 8) if kind == 1 else 0)
        writes.append((address, rng.getrandbits(64), strobe))
        write_answers.append(OKAY if kind >= 2 else SLVERR)
        address = rng.choice(list(kept))
        bad = rng.randrange(1, 8) if rng.random() < 0.2 else 0
        reads.append(address + bad)
        read_answers.append((0, SLVERR) if bad else (kept[address], OKAY))
    writing = cocotb.start_soon(bench.writes(writes))
    assert await bench.reads(reads) == read_answers, "a read's answer is wrong"
    assert await writing == write_answers, "a write's response is wrong"
    last = {}
    for (address, data, _), answer in zip(writes, write_answers, strict=True):
        if answer == OKAY:
            last[address] = data
    assert await bench.reads(list(last)) == [(data, OKAY) for data in last.values()]
    await bench.expect_errors(Error.VALUE)
