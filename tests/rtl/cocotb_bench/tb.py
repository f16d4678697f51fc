"""What every testbench is made of: clock, pauses, stream driver and monitors, scoreboard.

One coroutine samples all monitors at every rising edge, before the edge takes effect: what they see
is what the design sees. The golden model is fed by what the monitor saw the design accept, never by
what a driver meant to send.
"""

from __future__ import annotations

import math
import os
import random
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.simtime import get_sim_time
from cocotb.task import Task
from cocotb.triggers import ClockCycles, Event, RisingEdge, SimTimeoutError, with_timeout
from numpy.typing import NDArray

from ohmbench.digital import Hardware, Int8Network, infer
from ohmbench.digital.hostmap import Error, HostRegister, image_words, network_words

T = TypeVar("T")

PERIOD_NS = 10
NETWORK_VARIABLE = "OHMBENCH_BENCH_NETWORK"
PAUSES_VARIABLE = "OHMBENCH_BENCH_PAUSES"
IMAGES_VARIABLE = "OHMBENCH_BENCH_IMAGES"
SIZES = (64, 100, 10)
RESULT_LIMIT = 2000
"""Clocks within which a result must come, whatever the pauses: some times the longest drawn."""


@dataclass(frozen=True)
class Pauses:
    """How often each side pauses before a transfer, and for how many clocks at most."""

    name: str
    source_chance: float = 0.0
    source_clocks: int = 1
    sink_chance: float = 0.0
    sink_clocks: int = 1

    def of_source(self, rng: random.Random) -> int:
        return rng.randint(1, self.source_clocks) if rng.random() < self.source_chance else 0

    def of_sink(self, rng: random.Random) -> int:
        return rng.randint(1, self.sink_clocks) if rng.random() < self.sink_chance else 0


NO_PAUSE = Pauses("none")
PAUSES = {
    "none": NO_PAUSE,
    "idle": Pauses("idle", source_chance=0.3, source_clocks=12),
    # Results wait so long that images must: the sink holds back the source.
    "backpressure": Pauses(
        "backpressure", source_chance=0.1, source_clocks=3, sink_chance=0.6, sink_clocks=250
    ),
}
LONG_PACKET_PAUSES = {
    **PAUSES,
    # As above, but a result is a packet of many beats.
    "backpressure": Pauses(
        "backpressure", source_chance=0.1, source_clocks=3, sink_chance=0.5, sink_clocks=25
    ),
}


def chosen_pauses() -> str:
    """The pauses of this run, from the environment."""
    return os.environ.get(PAUSES_VARIABLE, "none")


def signed(value: int, bits: int) -> int:
    """Two's complement of ``bits`` bits as an integer."""
    return value - (1 << bits) if value >> (bits - 1) else value


async def within(clocks: int, what: str, awaitable: Awaitable[T]) -> T:
    """Wait for something, but not for ever."""
    try:
        return await with_timeout(awaitable, clocks * PERIOD_NS, "ns")  # type: ignore[arg-type]
    except SimTimeoutError:
        raise AssertionError(f"timeout: {what} did not come within {clocks} clocks") from None


class StreamSource:
    """Drives valid and payload of a stream; what is offered stays until it is taken."""

    def __init__(
        self, clock: Any, valid: Any, ready: Any, payload: Sequence[Any], pauses: Pauses, seed: int
    ) -> None:
        self._clock, self._edge = clock, RisingEdge(clock)
        self._ready_rises = RisingEdge(ready)
        self._valid, self._ready, self._payload = valid, ready, tuple(payload)
        self._pauses, self._rng = pauses, random.Random(seed)
        self.stop()

    def stop(self) -> None:
        """Offer nothing."""
        self._valid.value = 0

    async def send(self, words: Iterable[Sequence[int]]) -> None:
        """Offer words one after the other; returns when the last one has been taken."""
        for word in words:
            if gap := self._pauses.of_source(self._rng):
                self.stop()
                await ClockCycles(self._clock, gap)
            for part, value in zip(self._payload, word, strict=True):
                part.value = value
            self._valid.value = 1
            await self._edge
            while not self._ready.value:
                await self._ready_rises
                await self._edge
        self.stop()


class StreamSink:
    """Drives ready of a stream: takes whatever comes, with pauses, unless it is blocked."""

    def __init__(self, clock: Any, valid: Any, ready: Any, pauses: Pauses, seed: int) -> None:
        self._clock, self._edge = clock, RisingEdge(clock)
        self._valid, self._ready = valid, ready
        self._valid_rises = RisingEdge(valid)
        self._pauses, self._rng = pauses, random.Random(seed)
        self._task: Task[None] | None = None
        ready.value = 0

    def block(self) -> None:
        """Take nothing more."""
        if self._task is not None:
            self._task.cancel()
        self._ready.value = 0

    def unblock(self) -> None:
        """Take what comes."""
        self._task = cocotb.start_soon(self._run())

    async def _run(self) -> None:
        if not self._pauses.sink_chance:
            self._ready.value = 1
            return
        while True:
            if gap := self._pauses.of_sink(self._rng):
                self._ready.value = 0
                await ClockCycles(self._clock, gap)
            self._ready.value = 1
            await self._edge
            while not self._valid.value:
                await self._valid_rises
                await self._edge


class StreamMonitor:
    """Hands every transfer to ``taken(clock, payload)``; what is offered must stay as it is.

    ``appeared(clock)`` is told the first clock in which a word is offered.
    """

    def __init__(
        self,
        name: str,
        valid: Any,
        ready: Any,
        payload: Sequence[Any],
        taken: Callable[[int, tuple[int, ...]], None],
        appeared: Callable[[int], None] | None = None,
    ) -> None:
        self.name = name
        self._valid, self._ready, self._payload = valid, ready, tuple(payload)
        self._taken, self._appeared = taken, appeared
        self._held: tuple[int, ...] | None = None

    def reset(self) -> None:
        self._held = None

    def sample(self, clock: int) -> None:
        if not self._valid.value:
            assert self._held is None, f"{self.name}: valid fell before ready, clock {clock}"
            return
        payload = tuple(int(part.value) for part in self._payload)
        if self._held is None and self._appeared is not None:
            self._appeared(clock)
        assert self._held in (None, payload), (
            f"{self.name}: payload changed before ready, clock {clock}: {self._held} -> {payload}"
        )
        self._held = payload
        if self._ready.value:
            self._held = None
            self._taken(clock, payload)


@dataclass(frozen=True)
class Result:
    """Everything the hardware says about one image; hidden bytes where they can be seen."""

    class_: int
    value: int
    logits: tuple[int, ...]
    hidden: tuple[int, ...] | None = None


class Scoreboard:
    """Expected against received, in order, value by value.

    ``expect`` gets the images that the design accepted, uint8 (1, inputs); ``model`` says what
    should come of them, at the time when it came: a network changes only while nothing runs.
    """

    def __init__(self, model: Callable[[NDArray[np.uint8]], Result]) -> None:
        self.model = model
        self.expected = 0
        self.received = 0
        self._waiting: deque[NDArray[np.uint8]] = deque()

    def reset(self) -> None:
        """Forget what is under way; a reset of the design does the same."""
        self.expected = self.received = 0
        self._waiting.clear()

    def expect(self, image: NDArray[np.uint8]) -> None:
        self.expected += 1
        self._waiting.append(image)

    def receive(self, result: Result) -> None:
        image = self.received
        self.received += 1
        assert self._waiting, f"result {image} came, but only {self.expected} images were accepted"
        golden = self.model(self._waiting.popleft())
        if result == golden:
            return
        pairs = [("class", result.class_, golden.class_), ("value", result.value, golden.value)]
        for name in ("hidden", "logits"):
            found, should = getattr(result, name), getattr(golden, name)
            if found is not None:
                assert len(found) == len(should), (
                    f"{len(found)} {name}, but should be {len(should)}"
                )
                numbers = enumerate(zip(found, should, strict=True))
                pairs += [(f"{name}[{k}]", a, b) for k, (a, b) in numbers]
        for name, a, b in pairs:
            assert a == b, f"{name} = {a}, but should be {b} [image {image}]"

    def finish(self, n: int) -> None:
        """The end of a test: everything that was expected came, and it was something."""
        assert self.expected == self.received == n > 0, (
            f"{self.expected} images accepted, {self.received} results received, "
            f"but should both be {n} > 0"
        )


@dataclass
class Clocks:
    """When things happened, by clock number."""

    last_word: list[int] = field(default_factory=list)
    result: list[int] = field(default_factory=list)

    def latencies(self) -> list[int]:
        return [r - w for w, r in zip(self.last_word, self.result, strict=True)]

    def intervals(self) -> list[int]:
        return np.diff(self.result).tolist()


class Bench:
    """What the two testbenches share. A subclass drives the host and knows its top's signals.

    It sets ``source`` and ``sink`` (of images and results), ``sources`` (all that a reset stops),
    ``monitors``, and the outputs that must be known from the reset on or from the loading on.
    """

    source: StreamSource
    sources: Sequence[StreamSource]
    sink: StreamSink
    monitors: list[StreamMonitor]
    outputs: dict[str, Any]
    outputs_after_load: dict[str, Any]

    def __init__(self, dut: Any, clock: Any, pauses: Pauses) -> None:
        self.dut, self.clk, self.pauses = dut, clock, pauses
        self.hardware = Hardware(*SIZES)
        self.network: Int8Network | None = None
        self.scoreboard = Scoreboard(self.golden)
        self.clocks = Clocks()
        self.framing_errors = 0
        self.edge = RisingEdge(clock)
        self.has_unknown = "icarus" in cocotb.SIM_NAME.lower()
        self._words: list[int] = []
        self._tasks: list[Task[Any]] = []
        self._done = Event()
        self._sending: Task[None] | None = None
        self._live_from = math.inf
        self.watched: dict[str, Any] = {}

    @property
    def clock(self) -> int:
        """The number of the clock that the next rising edge ends."""
        return int(get_sim_time("ns") + 0.5) // PERIOD_NS

    # What each subclass knows how to do.
    def set_reset(self, active: bool) -> None:
        raise NotImplementedError

    async def host_write(self, addresses: Sequence[int], data: Sequence[int]) -> list[bool]:
        """Write words; which of them were refused."""
        raise NotImplementedError

    async def host_read(self, addresses: Sequence[int]) -> list[tuple[int, bool]]:
        """Read words; each with whether it was refused."""
        raise NotImplementedError

    async def start(self) -> None:
        """Clock, reset, monitors, sink."""
        self._tasks.append(Clock(self.clk, PERIOD_NS, "ns", impl="gpi").start())
        await self.reset()
        self._tasks.append(cocotb.start_soon(self._sample()))
        self.sink.unblock()

    async def reset(self, clocks: int = 2) -> None:
        """Reset the design, whatever goes on, and forget what was under way."""
        self._live_from = math.inf
        self.set_reset(True)
        if self._sending is not None:
            self._sending.cancel()
        for source in self.sources:
            source.stop()
        await ClockCycles(self.clk, clocks)
        self.scoreboard.reset()
        self.clocks = Clocks()
        self.framing_errors = 0
        self._words.clear()
        for monitor in self.monitors:
            monitor.reset()
        self.forget()
        self.set_reset(False)
        self._live_from = self.clock + 1  # this clock still belongs to the reset
        self.watched = dict(self.outputs)
        if self.network is not None:
            self.watched.update(self.outputs_after_load)

    def forget(self) -> None:
        """More to forget at a reset, a subclass's own."""

    async def _sample(self) -> None:
        while True:
            await self.edge
            clock = self.clock
            if clock < self._live_from:
                continue
            for monitor in self.monitors:
                monitor.sample(clock)
            self.sample(clock)
            if self.has_unknown:
                for name, signal in self.watched.items():
                    value = signal.value
                    assert value.is_resolvable, f"{name} is {value}, clock {clock}"

    def sample(self, clock: int) -> None:
        """More to sample, a subclass's own."""

    # Images in, results out.
    def image_word(self, clock: int, payload: tuple[int, ...]) -> None:
        word, last = payload
        self._words.append(word)
        if not last:
            return
        words, self._words = self._words, []
        if len(words) != self.hardware.words:
            self.framing_errors += 1
            return
        self.clocks.last_word.append(clock)
        pixels = np.array([words], "<u8").view(np.uint8)[:, : self.hardware.inputs]
        self.scoreboard.expect(np.ascontiguousarray(pixels))

    def golden(self, image: NDArray[np.uint8]) -> Result:
        assert self.network is not None
        known = infer(self.network, image)
        return Result(
            int(known.classes[0]),
            int(known.values[0]),
            tuple(known.logits[0].tolist()),
            tuple(known.hidden[0].tolist()),
        )

    def result_appeared(self, clock: int) -> None:
        self.clocks.result.append(clock)

    def receive(self, result: Result) -> None:
        self.scoreboard.receive(result)
        self._done.set()

    async def load(self, network: Int8Network) -> None:
        """Write a network into the memories; nothing may be refused."""
        addresses, data = network_words(self.hardware, network)
        refused = await self.host_write(addresses.tolist(), data.tolist())
        assert not any(refused), f"{sum(refused)} of {len(refused)} words were refused"
        if self.network is None:
            # The memories were unknown until now, and so was what had been read of them.
            await ClockCycles(self.clk, 20)
            self.watched.update(self.outputs_after_load)
        self.network = network

    def packets(self, images: NDArray[np.uint8]) -> list[list[int]]:
        """Images as packets of the stream."""
        packets: list[list[int]] = image_words(self.hardware, images).tolist()
        return packets

    async def results(self, n: int) -> None:
        """Until ``n`` results have come since the reset, each within the limit."""
        while self.scoreboard.received < n:
            self._done.clear()
            await within(
                RESULT_LIMIT, f"result {self.scoreboard.received} of {n}", self._done.wait()
            )

    def send(self, packets: Sequence[Sequence[int]]) -> Task[None]:
        """Begin to send packets; the task ends when the last word has been taken."""
        words = [(word, k == len(p) - 1) for p in packets for k, word in enumerate(p)]
        self._sending = cocotb.start_soon(self.source.send(words))
        return self._sending

    async def run(self, images: NDArray[np.uint8]) -> None:
        """Stream images, and wait for all of their results."""
        before = self.scoreboard.received
        sending = self.send(self.packets(images))
        await self.results(before + len(images))
        await within(RESULT_LIMIT, "the end of sending", sending)
        self.scoreboard.finish(before + len(images))

    async def run_more(self, images: NDArray[np.uint8]) -> None:
        """Once more, after a run that has been judged; no error flag may rise."""
        await self.run(images)
        assert await self.read(HostRegister.ERRORS) == 0, (
            "an error flag rose in a run without errors"
        )

    async def write(self, register: HostRegister, value: int) -> bool:
        """One register; whether it was refused."""
        return (await self.host_write([register], [value]))[0]

    async def read_error(self, address: int) -> bool:
        """Read one word; whether it was refused."""
        return (await self.host_read([address]))[0][1]

    async def read(self, address: int) -> int:
        """One word, which must not be refused."""
        value, refused = (await self.host_read([address]))[0]
        assert not refused, f"reading address {address:#x} was refused"
        return value

    async def expect_errors(self, flags: int) -> None:
        """ERRORS holds exactly these flags; clear them."""
        found = await self.read(HostRegister.ERRORS)
        assert found == flags, f"ERRORS is {found:#07b}, but should be {flags:#07b}"
        assert not await self.write(HostRegister.ERRORS, flags), "clearing ERRORS was refused"
        found = await self.read(HostRegister.ERRORS)
        assert found == 0, f"ERRORS is {found:#07b} after it was cleared"

    async def idle(self) -> None:
        """Until nothing is under way."""
        for _ in range(RESULT_LIMIT):
            if await self.read(HostRegister.STATUS) == 0:
                return
        raise AssertionError("timeout: STATUS did not become 0")


ALL_ERRORS = sum(Error)
