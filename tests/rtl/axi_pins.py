"""The AXI side of the accelerator in a compiled simulation: random pauses on every channel.

The protocol itself is tested with cocotb and an independent AXI model; this drives enough traffic
for coverage and checks what comes back: responses in order, and result packets.
"""

from __future__ import annotations

import ctypes
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from ohmbench.digital import Inference, Int8Network
from ohmbench.digital.hostmap import network_words
from ohmbench.digital.widths import Hardware
from ohmbench.eda.verilator import Build, build_library

INPUTS = (
    *("aresetn", "s_axis_tdata", "s_axis_tvalid", "s_axis_tlast", "m_axis_tready"),
    *("awaddr", "awprot", "awvalid", "wdata", "wstrb", "wvalid", "bready"),
    *("araddr", "arprot", "arvalid", "rready"),
)
OUTPUTS = (
    *("s_axis_tready", "m_axis_tdata", "m_axis_tvalid", "m_axis_tlast", "awready", "wready"),
    *("bresp", "bvalid", "arready", "rdata", "rresp", "rvalid"),
)
LIMIT_CLOCKS = 200_000
OKAY, SLVERR = 0, 2


def axi_build(hardware: Hardware, *, coverage: bool = False) -> Build:
    harness = Path(__file__).with_name("harness_axi.cpp")
    return Build(hardware, coverage=coverage, top="accelerator_axi", harness=harness)


@dataclass
class Traffic:
    """What is to be sent, and what came back: beats with tlast, write responses, read answers."""

    image_beats: deque[tuple[int, bool]] = field(default_factory=deque)
    write_addresses: deque[int] = field(default_factory=deque)
    write_data: deque[tuple[int, int]] = field(default_factory=deque)
    reads: deque[int] = field(default_factory=deque)
    result_beats: list[tuple[int, bool]] = field(default_factory=list)
    responses: list[int] = field(default_factory=list)
    answers: list[tuple[int, int]] = field(default_factory=list)

    def write(self, address: int, data: int, strobes: int = 0xFF) -> None:
        self.write_addresses.append(address)
        self.write_data.append((data, strobes))


class AxiPins:
    """One accelerator_axi; ``run`` sends all of a ``Traffic`` and waits for what must come back.

    ``which`` of several in one build (``many.py``). ``clocks`` keeps the pins of every clock since
    the reset, inputs and outputs in their orders.
    """

    def __init__(self, build: Build, *, seed: int, which: int = 0) -> None:
        self._lib = ctypes.CDLL(str(build_library(build)))
        self._lib.axi_new.restype = ctypes.c_void_p
        self._sim = ctypes.c_void_p(self._lib.axi_new(ctypes.c_int(seed)))
        self._in = (ctypes.c_uint64 * len(INPUTS))()
        self._out = (ctypes.c_uint64 * len(OUTPUTS))()
        self._random = Random(seed)
        self.clocks: list[tuple[tuple[int, ...], tuple[int, ...]]] = []
        self._lib.axi_choose(self._sim, ctypes.c_int(which))
        self.reset()

    def close(self) -> None:
        self._lib.axi_free(self._sim)

    def write_coverage(self, path: Path) -> None:
        self._lib.axi_write_coverage(self._sim, str(path).encode())

    def clock(self, **pins: int) -> dict[str, int]:
        """One clock; pins that are not named are 0, ``aresetn`` is 1."""
        for k, name in enumerate(INPUTS):
            self._in[k] = pins.get(name, int(name == "aresetn"))
        self._lib.axi_clock(self._sim, self._in, self._out)
        self.clocks.append((tuple(self._in), tuple(self._out)))
        return dict(zip(OUTPUTS, self._out, strict=True))

    def reset(self) -> None:
        for _ in range(2):
            self.clock(aresetn=0)
        self.clocks.clear()

    def run(self, traffic: Traffic, *, packets: int = 0, pause: int = 0) -> None:
        """Send everything with ``pause`` percent of clocks idle on each channel, until every access
        is answered and ``packets`` results came."""
        chance = lambda: self._random.randrange(100) >= pause  # noqa: E731
        n_writes = len(traffic.responses) + len(traffic.write_addresses)
        n_reads = len(traffic.answers) + len(traffic.reads)
        image = aw = w = ar = False
        for _ in range(LIMIT_CLOCKS):
            done = sum(last for _, last in traffic.result_beats) >= packets
            if (
                done
                and len(traffic.responses) == n_writes
                and len(traffic.answers) == n_reads
                and not traffic.image_beats
            ):
                return
            # What is offered stays until it is taken.
            image = bool(traffic.image_beats) and (image or chance())
            aw = bool(traffic.write_addresses) and (aw or chance())
            w = bool(traffic.write_data) and (w or chance())
            ar = bool(traffic.reads) and (ar or chance())
            beat = traffic.image_beats[0] if image else (self._random.getrandbits(64), False)
            word = traffic.write_data[0] if w else (0, 0)
            pins = {
                "s_axis_tvalid": image,
                "s_axis_tdata": beat[0],
                "s_axis_tlast": beat[1],
                "m_axis_tready": chance(),
                "awvalid": aw,
                "awaddr": traffic.write_addresses[0] if aw else 0,
                "awprot": self._random.getrandbits(3),
                "wvalid": w,
                "wdata": word[0],
                "wstrb": word[1],
                "bready": chance(),
                "arvalid": ar,
                "araddr": traffic.reads[0] if ar else 0,
                "arprot": self._random.getrandbits(3),
                "rready": chance(),
            }
            out = self.clock(**pins)
            if image and out["s_axis_tready"]:
                traffic.image_beats.popleft()
                image = False
            if aw and out["awready"]:
                traffic.write_addresses.popleft()
                aw = False
            if w and out["wready"]:
                traffic.write_data.popleft()
                w = False
            if ar and out["arready"]:
                traffic.reads.popleft()
                ar = False
            if out["m_axis_tvalid"] and pins["m_axis_tready"]:
                traffic.result_beats.append((out["m_axis_tdata"], bool(out["m_axis_tlast"])))
            if out["bvalid"] and pins["bready"]:
                traffic.responses.append(out["bresp"])
            if out["rvalid"] and pins["rready"]:
                traffic.answers.append((out["rdata"], out["rresp"]))
        raise AssertionError(f"not all answers within {LIMIT_CLOCKS} clocks")


def image_beats(words: Iterable[Iterable[int]]) -> deque[tuple[int, bool]]:
    """Images as beats with tlast on the final one."""
    beats: deque[tuple[int, bool]] = deque()
    for image in words:
        row = [int(word) for word in image]
        beats.extend((word, k == len(row) - 1) for k, word in enumerate(row))
    return beats


def load_and_read_back(
    pins: AxiPins, hardware: Hardware, network: Int8Network, *, pause: int = 0
) -> None:
    """Write every word of a network, all accepted; read every one, all as written."""
    addresses, words = network_words(hardware, network)
    load = Traffic()
    for address, word in zip(addresses.tolist(), words.tolist(), strict=True):
        load.write(8 * address, word)
    pins.run(load, pause=pause)
    assert load.responses == [OKAY] * len(addresses)
    back = Traffic()
    back.reads.extend(8 * address for address in addresses.tolist())
    pins.run(back, pause=pause)
    assert back.answers == [(word, OKAY) for word in words.tolist()]


def check_packets(hardware: Hardware, beats: list[tuple[int, bool]], golden: Inference) -> None:
    """Class and value, then the logits, tlast on the last beat of each packet."""
    length = hardware.classes + 1
    expected = []
    for winner, value, logits in zip(golden.classes, golden.values, golden.logits, strict=True):
        expected.append((int(winner) << 48 | int(value) % 2**48, False))
        for c, logit in enumerate(logits.tolist()):
            expected.append((logit % 2**64, c == length - 2))
    assert beats == expected
