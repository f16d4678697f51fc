"""Testbench of ``accelerator``: its image and result streams, hidden tap and host port."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ohmbench.digital.hostmap import Region, hidden_order, memories

from .tb import PAUSES, Bench, Pauses, Result, StreamMonitor, StreamSink, StreamSource, signed

HOST_LATENCY = 3
"""Clocks from a request that is taken to its answer, but of a word of a memory."""
WORD_LATENCY = {Region.W0: 12, Region.B0: 5, Region.W1: 10, Region.B1: 5}
"""Clocks to the answer with a word: it passes its layer's segments (7, and 3 of two clocks)."""


@dataclass(frozen=True)
class Access:
    """One access of the host: a write if there is data."""

    address: int
    data: int | None = None
    malformed: bool = False


class CoreBench(Bench):
    """Drives and watches ``accelerator``."""

    def __init__(self, dut: Any, pauses: Pauses, seed: int = 1) -> None:
        super().__init__(dut, dut.clk_i, pauses)
        self.source = StreamSource(
            dut.clk_i,
            dut.image_valid_i,
            dut.image_ready_o,
            (dut.image_data_i, dut.image_last_i),
            pauses,
            seed,
        )
        self.sources = [self.source]
        self.sink = StreamSink(dut.clk_i, dut.result_valid_o, dut.result_ready_i, pauses, seed + 1)
        result = (dut.result_class_o, dut.result_value_o, dut.result_logits_o)
        self.monitors = [
            StreamMonitor(
                "image",
                dut.image_valid_i,
                dut.image_ready_o,
                (dut.image_data_i, dut.image_last_i),
                self.image_word,
            ),
            StreamMonitor(
                "result",
                dut.result_valid_o,
                dut.result_ready_i,
                result,
                self._result,
                self.result_appeared,
            ),
        ]
        names = (
            *("image_ready_o", "result_valid_o", "result_class_o", "result_value_o"),
            *("result_logits_o", "hidden_valid_o", "host_ready_o", "host_ack_o", "host_error_o"),
        )
        self.outputs = {name: getattr(dut, name) for name in names}
        # Hidden bytes are what they are while nothing has been computed; they count while valid.
        self.outputs_after_load = {"host_rdata_o": dut.host_rdata_o}
        self._order = hidden_order(self.hardware).reshape(-1).tolist()
        self._bytes: list[int] = []
        self._hidden: deque[tuple[int, ...]] = deque()
        self._memory_words = {
            address
            for memory in memories(self.hardware).values()
            for address in memory.addresses().reshape(-1).tolist()
        }
        self._logit_bits = self.hardware.registers()["logit"].bits
        for name in ("host_request_i", "host_we_i", "host_malformed_i"):
            getattr(dut, name).value = 0

    def set_reset(self, active: bool) -> None:
        self.dut.rst_i.value = active

    def forget(self) -> None:
        self._bytes.clear()
        self._hidden.clear()

    def sample(self, clock: int) -> None:
        """The hidden bytes, as they pass."""
        if not self.dut.hidden_valid_o.value:
            return
        hidden = self.dut.hidden_o.value
        assert hidden.is_resolvable, f"hidden_o is {hidden}, clock {clock}"
        at_once = int(hidden)
        for r in range(self.hardware.requants):
            self._bytes.append(at_once >> (8 * r) & 0xFF)
        if len(self._bytes) == len(self._order):
            neurons = [0] * self.hardware.hidden
            for neuron, byte in zip(self._order, self._bytes, strict=True):
                if neuron >= 0:
                    neurons[neuron] = byte
                else:
                    assert byte == 0, f"a hidden byte of no neuron is {byte}, clock {clock}"
            self._hidden.append(tuple(neurons))
            self._bytes.clear()

    def _result(self, clock: int, payload: tuple[int, ...]) -> None:
        class_, value, packed = payload
        bits = self._logit_bits
        logits = tuple(
            signed(packed >> (c * bits) & ((1 << bits) - 1), bits)
            for c in range(self.hardware.classes)
        )
        assert self._hidden, f"a result without hidden bytes before it, clock {clock}"
        self.receive(Result(class_, signed(value, bits), logits, self._hidden.popleft()))

    async def host(self, accesses: Sequence[Access]) -> list[tuple[int, bool]]:
        """Accesses as fast as they are taken; data and error of each. Writes are taken in every
        clock, after a read nothing until its answer; each answer comes exactly when it should."""
        dut, answers = self.dut, []
        n, asked, clock, free = len(accesses), 0, 0, 0
        due: deque[tuple[int, Access]] = deque()
        while asked < n or due:
            dut.host_request_i.value = asked < n
            if asked < n:
                access = accesses[asked]
                dut.host_we_i.value = access.data is not None
                dut.host_malformed_i.value = access.malformed
                dut.host_addr_i.value = access.address
                dut.host_wdata_i.value = access.data or 0
            await self.edge
            acknowledged = bool(dut.host_ack_o.value)
            error = bool(dut.host_error_o.value)
            if due and due[0][0] == clock and not acknowledged and self._is_word(due[0][1]):
                # Not refused, so its word is under way; it cannot be refused any more.
                free = clock - HOST_LATENCY + WORD_LATENCY[Region(due[0][1].address >> 16)]
                due[0] = (free, Access(due[0][1].address, malformed=True))
            ready = bool(dut.host_ready_o.value)
            assert ready == (clock >= free), f"host_ready_o is {ready:d} in clock {clock} of {n}"
            assert acknowledged == bool(due and due[0][0] == clock), (
                f"host_ack_o is {acknowledged:d} {clock} clocks after the first of {n} requests"
            )
            if acknowledged:
                answered = due.popleft()[1]
                answers.append((int(dut.host_rdata_o.value), error))
                if error or answered.data is not None:
                    assert answers[-1][0] == 0, "host_rdata_o is not 0 after a write or an error"
            if asked < n and ready:
                due.append((clock + HOST_LATENCY, access))
                if access.data is None:
                    free = clock + HOST_LATENCY
                asked += 1
            clock += 1
        return answers

    def _is_word(self, access: Access) -> bool:
        """A read of a word of a memory."""
        return access.data is None and not access.malformed and access.address in self._memory_words

    async def host_write(self, addresses: Sequence[int], data: Sequence[int]) -> list[bool]:
        answers = await self.host(
            [Access(int(a), int(d)) for a, d in zip(addresses, data, strict=True)]
        )
        return [error for _, error in answers]

    async def host_read(self, addresses: Sequence[int]) -> list[tuple[int, bool]]:
        return await self.host([Access(int(a)) for a in addresses])


async def core_bench(dut: Any, pauses: str = "none", seed: int = 1) -> CoreBench:
    """The testbench, reset and running."""
    bench = CoreBench(dut, PAUSES[pauses], seed)
    await bench.start()
    return bench
