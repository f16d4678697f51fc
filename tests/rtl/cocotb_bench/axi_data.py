"""Images through ``accelerator_axi``, with the pauses that the environment names."""

from __future__ import annotations

from typing import Any

import cocotb

from . import scenarios
from .axi_tb import axi_bench
from .tb import chosen_pauses

LIMIT = {"timeout_time": 5, "timeout_unit": "ms"}


@cocotb.test(**LIMIT)
async def bit_exact(dut: Any) -> None:
    await scenarios.bit_exact(await axi_bench(dut, chosen_pauses()))


@cocotb.test(**LIMIT)
async def latency(dut: Any) -> None:
    await scenarios.latency(await axi_bench(dut, chosen_pauses(), 2))


@cocotb.test(**LIMIT)
async def networks_one_after_another(dut: Any) -> None:
    await scenarios.networks_one_after_another(await axi_bench(dut, chosen_pauses(), 3))


@cocotb.test(**LIMIT)
async def wrong_lengths(dut: Any) -> None:
    await scenarios.wrong_lengths(await axi_bench(dut, chosen_pauses(), 4))


@cocotb.test(**LIMIT)
async def images_wait_when_results_do(dut: Any) -> None:
    await scenarios.images_wait_when_results_do(await axi_bench(dut, chosen_pauses(), 5))


@cocotb.test(**LIMIT)
async def host_while_busy(dut: Any) -> None:
    await scenarios.host_while_busy(await axi_bench(dut, chosen_pauses(), 6))


@cocotb.test(**LIMIT)
async def hold(dut: Any) -> None:
    await scenarios.hold(await axi_bench(dut, chosen_pauses(), 7))


@cocotb.test(**LIMIT)
@cocotb.parametrize(seed=[20])
async def reset_in_a_run(dut: Any, seed: int) -> None:
    await scenarios.reset_in_a_run(await axi_bench(dut, chosen_pauses(), seed), seed, (1, 3))
