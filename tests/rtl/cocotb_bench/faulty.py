"""Tests that must fail, each for one reason: what the testbench would otherwise let pass.

The pytest side demands their names and reasons; here they are plain tests of ``accelerator``.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import cocotb
from cocotb.triggers import ClockCycles, Event

from ohmbench.digital.hostmap import HostRegister, Region

from .core_tb import CoreBench, core_bench
from .scenarios import network_and_images
from .tb import Result, within

LIMIT = {"timeout_time": 100, "timeout_unit": "us"}
IMAGES = 4


async def loaded(dut: Any) -> tuple[CoreBench, Any]:
    bench = await core_bench(dut)
    network, images = network_and_images(1, IMAGES)
    await bench.load(network)
    return bench, images


def spoil(bench: CoreBench, at: int, **change: Any) -> None:
    """The golden model is wrong about image ``at``."""
    right, calls = bench.golden, iter(range(IMAGES))

    def wrong(image: Any) -> Result:
        result = right(image)
        if next(calls) != at:
            return result
        return replace(result, **{name: f(getattr(result, name)) for name, f in change.items()})

    bench.scoreboard.model = wrong


@cocotb.test(**LIMIT)
async def nothing_received(dut: Any) -> None:
    bench, _ = await loaded(dut)
    bench.scoreboard.finish(0)


@cocotb.test(**LIMIT)
async def fewer_than_meant(dut: Any) -> None:
    bench, images = await loaded(dut)
    await bench.run(images[:2])
    bench.scoreboard.finish(3)


@cocotb.test(**LIMIT)
async def flipped_golden_logit(dut: Any) -> None:
    bench, images = await loaded(dut)
    spoil(bench, 2, logits=lambda logits: (*logits[:3], logits[3] ^ 1, *logits[4:]))
    await bench.run(images)


@cocotb.test(**LIMIT)
async def flipped_golden_hidden(dut: Any) -> None:
    bench, images = await loaded(dut)
    spoil(bench, 3, hidden=lambda hidden: (*hidden[:99], hidden[99] ^ 128))
    await bench.run(images)


@cocotb.test(**LIMIT)
async def flipped_golden_class(dut: Any) -> None:
    bench, images = await loaded(dut)
    spoil(bench, 0, class_=lambda class_: class_ ^ 1)
    await bench.run(images)


@cocotb.test(**LIMIT)
async def flipped_golden_value(dut: Any) -> None:
    bench, images = await loaded(dut)
    spoil(bench, 1, value=lambda value: value + 1)
    await bench.run(images)


@cocotb.test(**LIMIT)
async def lost_last_result(dut: Any) -> None:
    bench, images = await loaded(dut)
    right = bench.scoreboard.receive

    def lossy(result: Result) -> None:
        if bench.scoreboard.received < IMAGES - 1:
            right(result)

    bench.scoreboard.receive = lossy  # type: ignore[method-assign]
    await bench.run(images)


@cocotb.test(**LIMIT)
async def lost_first_result(dut: Any) -> None:
    bench, images = await loaded(dut)
    right, seen = bench.scoreboard.receive, []

    def lossy(result: Result) -> None:
        seen.append(result)
        if len(seen) > 1:
            right(result)

    bench.scoreboard.receive = lossy  # type: ignore[method-assign]
    await bench.run(images)


@cocotb.test(**LIMIT)
async def result_of_no_image(dut: Any) -> None:
    bench, images = await loaded(dut)
    await bench.run(images)
    bench.scoreboard.receive(bench.golden(images[:1]))


@cocotb.test(**LIMIT)
async def no_result(dut: Any) -> None:
    bench, _ = await loaded(dut)
    await bench.results(1)


@cocotb.test(**LIMIT)
async def wait_without_end(dut: Any) -> None:
    await core_bench(dut)
    await within(100, "an event", Event().wait())


@cocotb.test(**LIMIT)
async def test_without_end(dut: Any) -> None:
    await core_bench(dut)
    await Event().wait()


@cocotb.test(**LIMIT)
async def payload_changes_while_waiting(dut: Any) -> None:
    bench, images = await loaded(dut)
    bench.sink.block()
    bench.send(bench.packets(images))
    await ClockCycles(bench.clk, 200)
    dut.image_valid_i.value = 1
    await ClockCycles(bench.clk, 2)
    dut.image_data_i.value = 12345
    await ClockCycles(bench.clk, 2)


@cocotb.test(**LIMIT)
async def valid_falls_while_waiting(dut: Any) -> None:
    bench, images = await loaded(dut)
    bench.sink.block()
    bench.send(bench.packets(images))
    await ClockCycles(bench.clk, 200)
    dut.image_valid_i.value = 1
    await ClockCycles(bench.clk, 2)
    dut.image_valid_i.value = 0
    await ClockCycles(bench.clk, 2)


@cocotb.test(**LIMIT)
async def load_while_busy(dut: Any) -> None:
    bench, images = await loaded(dut)
    bench.sink.block()
    bench.send(bench.packets(images))
    await ClockCycles(bench.clk, 200)
    assert bench.network is not None
    await bench.load(bench.network)


@cocotb.test(**LIMIT)
async def error_flag_unexpected(dut: Any) -> None:
    bench = await core_bench(dut)
    await bench.read_error(Region.W0 << 16 | 1023)
    await bench.expect_errors(0)


@cocotb.test(**LIMIT)
async def refused_read(dut: Any) -> None:
    bench = await core_bench(dut)
    await bench.read(max(HostRegister) + 1)


@cocotb.test(**LIMIT)
async def unknown_output(dut: Any) -> None:
    """Fails where the simulator has unknown values: the memories have not been written yet."""
    bench = await core_bench(dut)
    bench.watched["hidden_o"] = dut.hidden_o
    await ClockCycles(bench.clk, 20)


@cocotb.test(**LIMIT)
async def endless_loop(dut: Any) -> None:
    """Simulated time stands still: only the runner's timeout ends it."""
    await core_bench(dut)
    while True:
        pass
