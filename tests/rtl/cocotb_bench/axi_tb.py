"""Testbench of ``accelerator_axi``: its two streams and the manager of its AXI4-Lite."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cocotb
from cocotb.triggers import Event

from .tb import (
    LONG_PACKET_PAUSES,
    RESULT_LIMIT,
    Bench,
    Pauses,
    Result,
    StreamMonitor,
    StreamSink,
    StreamSource,
    signed,
    within,
)

OKAY, SLVERR = 0, 2
ALL_BYTES = 0xFF
HOST_BYTES = 8


class AxiBench(Bench):
    """Drives and watches ``accelerator_axi``; the channels pause as the streams do."""

    def __init__(self, dut: Any, pauses: Pauses, seed: int = 1) -> None:
        super().__init__(dut, dut.aclk, pauses)

        def signals(prefix: str, *names: str) -> tuple[Any, ...]:
            return tuple(getattr(dut, prefix + name) for name in names)

        def source(prefix: str, channel: str, seed: int, *payload: str) -> StreamSource:
            handshake = signals(prefix + channel, "valid", "ready")
            return StreamSource(dut.aclk, *handshake, signals(prefix, *payload), pauses, seed)

        def sink(prefix: str, channel: str, seed: int) -> StreamSink:
            return StreamSink(dut.aclk, *signals(prefix + channel, "valid", "ready"), pauses, seed)

        def monitor(prefix: str, channel: str, payload: Sequence[str], *tell: Any) -> StreamMonitor:
            handshake = signals(prefix + channel, "valid", "ready")
            return StreamMonitor(f"{prefix}{channel}", *handshake, signals(prefix, *payload), *tell)

        self.source = source("s_axis_", "t", seed, "tdata", "tlast")
        self.sink = sink("m_axis_", "t", seed + 1)
        self.aw = source("s_axi_", "aw", seed + 2, "awaddr")
        self.w = source("s_axi_", "w", seed + 3, "wdata", "wstrb")
        self.ar = source("s_axi_", "ar", seed + 4, "araddr")
        self.b = sink("s_axi_", "b", seed + 5)
        self.r = sink("s_axi_", "r", seed + 6)
        self.sources = [self.source, self.aw, self.w, self.ar]

        # Clock and payload of every transfer on each channel.
        self.seen: dict[str, list[tuple[int, tuple[int, ...]]]] = {}
        self.offered: dict[str, list[int]] = {"b": [], "r": []}

        def record(channel: str) -> Any:
            return lambda clock, payload: self._record(channel, clock, payload)

        self.monitors = [
            monitor("s_axis_", "t", ("tdata", "tlast"), self.image_word),
            monitor("m_axis_", "t", ("tdata", "tlast"), self._beat, self._beat_appeared),
            monitor("s_axi_", "aw", ("awaddr",), record("aw")),
            monitor("s_axi_", "w", ("wdata", "wstrb"), record("w")),
            monitor("s_axi_", "ar", ("araddr",), record("ar")),
            monitor("s_axi_", "b", ("bresp",), record("b"), self._response_appeared("b")),
            monitor("s_axi_", "r", ("rdata", "rresp"), record("r"), self._response_appeared("r")),
        ]
        self.outputs = {
            name: getattr(dut, name)
            for name in (
                *("s_axis_tready", "m_axis_tvalid", "m_axis_tdata", "m_axis_tlast"),
                *("s_axi_awready", "s_axi_wready", "s_axi_bvalid", "s_axi_bresp"),
                *("s_axi_arready", "s_axi_rvalid", "s_axi_rdata", "s_axi_rresp"),
            )
        }
        self.outputs_after_load = {}
        self._beats: list[int] = []
        self._response = Event()
        self.forget()
        dut.s_axi_awprot.value = 0b010
        dut.s_axi_arprot.value = 0b101

    def set_reset(self, active: bool) -> None:
        self.dut.aresetn.value = not active

    def forget(self) -> None:
        self._beats.clear()
        for channel in ("aw", "w", "ar", "b", "r"):
            self.seen[channel] = []
        self.offered = {"b": [], "r": []}

    def _record(self, channel: str, clock: int, payload: tuple[int, ...]) -> None:
        self.seen[channel].append((clock, payload))
        if channel in "br":
            self._response.set()

    def _response_appeared(self, channel: str) -> Any:
        asked = ("aw", "w") if channel == "b" else ("ar",)

        def appeared(clock: int) -> None:
            # Not in the clock of the request, nor without one.
            requests = min(sum(c < clock for c, _ in self.seen[a]) for a in asked)
            self.offered[channel].append(clock)
            assert len(self.offered[channel]) <= requests, (
                f"{channel}valid rose for response {len(self.offered[channel])}, "
                f"but only {requests} were asked for, clock {clock}"
            )

        return appeared

    def _beat_appeared(self, clock: int) -> None:
        if not self._beats:
            self.result_appeared(clock)

    def _beat(self, clock: int, payload: tuple[int, ...]) -> None:
        data, last = payload
        self._beats.append(data)
        wanted = self.hardware.classes + 1
        assert bool(last) == (len(self._beats) == wanted), (
            f"m_axis_tlast is {last} in beat {len(self._beats)} of {wanted}, clock {clock}"
        )
        if last:
            head, *logits = self._beats
            self._beats = []
            self.receive(
                Result(
                    head >> 48,
                    signed(head & (1 << 48) - 1, 48),
                    tuple(signed(logit, 64) for logit in logits),
                )
            )

    async def start(self) -> None:
        await super().start()
        self.b.unblock()
        self.r.unblock()

    async def responses(self, channel: str, n: int) -> list[tuple[int, ...]]:
        """Wait until ``n`` responses were taken since the reset; what they were."""
        while len(self.seen[channel]) < n:
            self._response.clear()
            what = f"{channel} response {len(self.seen[channel])} of {n}"
            await within(RESULT_LIMIT, what, self._response.wait())
        return [payload for _, payload in self.seen[channel][:n]]

    async def writes(self, accesses: Sequence[tuple[int, int, int]]) -> list[int]:
        """Byte addresses, data, strobes; addresses and data each as fast as their channel goes.

        Returns the responses.
        """
        before = len(self.seen["b"])
        sending = [
            cocotb.start_soon(self.aw.send([(address,) for address, _, _ in accesses])),
            cocotb.start_soon(self.w.send([(data, strobe) for _, data, strobe in accesses])),
        ]
        answers = await self.responses("b", before + len(accesses))
        for task in sending:
            await within(RESULT_LIMIT, "the end of writing", task)
        return [response for (response,) in answers[before:]]

    async def reads(self, addresses: Sequence[int]) -> list[tuple[int, int]]:
        """Byte addresses; data and response of each."""
        before = len(self.seen["r"])
        sending = cocotb.start_soon(self.ar.send([(address,) for address in addresses]))
        answers = await self.responses("r", before + len(addresses))
        await within(RESULT_LIMIT, "the end of reading", sending)
        return [(data, response) for data, response in answers[before:]]

    async def host_write(self, addresses: Sequence[int], data: Sequence[int]) -> list[bool]:
        accesses = [
            (HOST_BYTES * int(a), int(d), ALL_BYTES) for a, d in zip(addresses, data, strict=True)
        ]
        return [refused(response) for response in await self.writes(accesses)]

    async def host_read(self, addresses: Sequence[int]) -> list[tuple[int, bool]]:
        answers = await self.reads([HOST_BYTES * int(a) for a in addresses])
        for data, response in answers:
            assert response == OKAY or data == 0, f"s_axi_rdata is {data:#x} after an error"
        return [(data, refused(response)) for data, response in answers]


def refused(response: int) -> bool:
    """SLVERR or OKAY; nothing else may come."""
    assert response in (OKAY, SLVERR), f"response is {response:#04b}, but should be OKAY or SLVERR"
    return response == SLVERR


async def axi_bench(dut: Any, pauses: str = "none", seed: int = 1) -> AxiBench:
    """The testbench, reset and running."""
    bench = AxiBench(dut, LONG_PACKET_PAUSES[pauses], seed)
    await bench.start()
    return bench
