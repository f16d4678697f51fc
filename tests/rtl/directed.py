"""Stimulus for hardware of any size and format, clock by clock.

It reaches each register and every word of every memory, the addresses just beyond them, sums at
both ends of their widths, each bit of the requantisation's product, and each class on top. The
cycle model says what the outputs should be.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from math import log2

import numpy as np
from numpy.typing import NDArray

from ohmbench.digital.hostmap import HostRegister, Region

from .configurations import HOST_BITS, Configuration
from .cycle_model import INPUTS

READ_ALL = 400
"""A region of more words is read back at its ends and around powers of two only."""
DECIDED, ANSWER_CLOCKS = 2, 3
"""Clocks from a request of the host to its decision, and to its answer."""
_COLUMN = {name: k for k, name in enumerate(INPUTS)}
_U64 = (1 << 64) - 1


class Script:
    """Rows of inputs, one a clock, in the columns of ``cycle_model.INPUTS``."""

    def __init__(self, configuration: Configuration) -> None:
        self.configuration = configuration
        self.layout = configuration.layout()
        self.rows: list[dict[str, int]] = []
        self.images = 0

    def inputs(self) -> NDArray[np.uint64]:
        found = np.zeros((len(self.rows), len(INPUTS)), np.uint64)
        for k, row in enumerate(self.rows):
            for name, value in row.items():
                found[k, _COLUMN[name]] = value
        return found

    def idle(self, clocks: int) -> None:
        self.rows += [{"result_ready": 1}] * clocks

    def write(self, address: int, data: int, *, malformed: bool = False) -> None:
        row = {"host_request": 1, "host_we": 1, "host_addr": address, "host_wdata": data & _U64}
        self.rows.append(row | {"host_malformed": int(malformed)})

    def read(self, address: int) -> None:
        """Asked for in the first clock in which it can be."""
        self.rows.append({"host_request": 1, "host_addr": address})
        memory = self.layout.get(Region(address >> 16)) if address >> 16 <= 4 else None
        is_word = memory is not None and address in memory
        clocks = self.configuration.read_clocks(memory.region) if memory and is_word else 0
        self.idle(ANSWER_CLOCKS + clocks - 1)

    def send(self, images: Iterable[Sequence[int]], *, pause: int = 0) -> None:
        """Two images at a time without a pause; their results are taken at once, or after one.

        A few clocks later, or the last write would be decided when the first image has started.
        """
        self.idle(ANSWER_CLOCKS)
        c = self.configuration
        undisturbed = c.groups * c.words + c.steps + c.pairs + 22
        for k, image in enumerate(images):
            padded = [*image, *[0] * (c.words * c.elements - len(image))]
            for w in range(c.words):
                word = 0
                for e, x in enumerate(padded[w * c.elements : (w + 1) * c.elements]):
                    word |= x << (e * c.activation_bits)
                self.rows.append(
                    {
                        "image_valid": 1,
                        "image_data": word,
                        "image_last": int(w == c.words - 1),
                        "result_ready": int(pause == 0),
                    }
                )
            self.images += 1
            if k % 2:
                self.rows += [{}] * pause
                self.idle(2 * undisturbed)
        self.idle(undisturbed)

    # What the host can see.

    def settings(self, scale: int, shift: int) -> None:
        self.write(HostRegister.SCALE, scale)
        self.write(HostRegister.SHIFT, shift)

    def registers(self) -> None:
        c = self.configuration
        for register in HostRegister:
            self.read(register)
        settings = {
            HostRegister.CONTROL: 1,
            HostRegister.ERRORS: 5,
            HostRegister.SCALE: c.scale_bits,
            HostRegister.SHIFT: c.shift_bits,
        }
        for register, bits in settings.items():
            # Each bit alone; those that the register lacks are refused.
            for bit in range(HOST_BITS):
                self.write(register, 1 << bit)
                if bit <= bits:
                    self.read(register)
            self.write(register, (1 << bits) - 1)
            self.read(register)
            self.write(register, 0, malformed=True)
        for register in (*HostRegister, len(HostRegister)):
            self.write(register, 1)
            self.read(register)
        self.write(HostRegister.CONTROL, 0)
        self.write(HostRegister.ERRORS, 31)
        self.read(HostRegister.ERRORS)

    def memories(self, rng: np.random.Generator) -> None:
        """Every word written, then read; nothing is changed by accesses to what is beyond."""
        for memory in self.layout.values():
            for address in memory.addresses().reshape(-1).tolist():
                self.write(address, int(rng.integers(1 << 64, dtype=np.uint64)))
        self.read_back()
        beyond = list(self.beyond())
        for address in beyond:
            self.read(address)
            self.write(address, _U64)
        self.idle(3)
        self.read(HostRegister.ERRORS)
        self.write(HostRegister.ERRORS, 31)
        self.read_back()

    def resets(self) -> None:
        """A write is done, however soon a reset comes after the clock that grants it."""
        for clocks in range(DECIDED, DECIDED + 4):
            for memory in self.layout.values():
                last = int(memory.addresses()[-1, -1])
                self.write(last, 0)
                self.idle(8)
                self.write(last, _U64)
                self.idle(clocks - 1)
                self.rows += [{"rst": 1}]
                self.read(last)

    def read_back(self) -> None:
        for memory in self.layout.values():
            addresses = memory.addresses()
            if addresses.size > READ_ALL:
                words = sorted(_ends(memory.depth))
                banks = sorted(_ends(memory.banks))
                addresses = addresses[np.ix_(banks, words)]
            for address in addresses.reshape(-1).tolist():
                self.read(address)

    def beyond(self) -> Iterator[int]:
        """Addresses that nothing has, next to those that something has."""
        found = set()
        for memory in self.layout.values():
            base = memory.region << 16
            for bank in (memory.banks, 2 * memory.banks, 63):
                found |= {base | (bank & 63) << 10 | word for word in (0, memory.depth - 1)}
            for word in (memory.depth, memory.depth + 1, 2 * memory.depth, 1023):
                found |= {base | (bank & 63) << 10 | word & 1023 for bank in (0, memory.banks - 1)}
            last = base | (memory.banks - 1) << 10 | memory.depth - 1
            found |= {last ^ 1 << bit for bit in range(19)}
        found |= {region << 16 for region in (5, 6, 7)} | {1 << bit for bit in range(3, 16)}
        for address in sorted(found):
            region = address >> 16
            known = region in self.layout and address in self.layout[Region(region)]
            if not known and not address < len(HostRegister):
                yield address

    # Networks, padding included: every number of every memory.

    def load(self, **numbers: NDArray[np.int64]) -> None:
        """``w0`` (lanes, depth, elements), ``b0`` (depth, requants), ``w1`` (depth, classes,
        requants), ``b1`` (pairs, 2): the words of those given."""
        c = self.configuration
        if "w0" in numbers:
            self.fill(Region.W0, [*numbers["w0"].swapaxes(0, 1)], c.weight_bits)
        if "b0" in numbers:
            self.fill(Region.B0, [*numbers["b0"]], c.bias_bits)
        if "w1" in numbers:
            self.fill(Region.W1, [*numbers["w1"]], c.weight_bits)
        if "b1" in numbers:
            self.fill(Region.B1, [*numbers["b1"]], c.bias_bits)

    def fill(self, region: Region, rows: Sequence[NDArray[np.int64]], bits: int) -> None:
        """A row of numbers a word, side by side over all memories of the region."""
        memory = self.layout[region]
        for word, row in enumerate(rows):
            whole = 0
            for k, x in enumerate(row.reshape(-1).tolist()):
                whole |= (x & (1 << bits) - 1) << k * bits
            for bank in range(memory.banks):
                part = whole >> bank * memory.bits & (1 << memory.bits) - 1
                self.write(region << 16 | bank << 10 | word, part)


def _ends(n: int) -> set[int]:
    """Of 0 to n - 1: both ends, and those around every power of two."""
    powers = {1 << k for k in range(n.bit_length())}
    return {k for p in powers for k in (p - 1, p)} & set(range(n)) | {0, n - 1}


class Numbers:
    """Draws the numbers of a network of a configuration's sizes and formats."""

    def __init__(self, configuration: Configuration, rng: np.random.Generator) -> None:
        self.c, self.rng = configuration, rng
        c = configuration
        self.shapes = {
            "w0": (c.lanes, c.groups * c.words, c.elements),
            "b0": (c.groups * c.steps, c.requants),
            "w1": (c.groups * c.steps, c.classes, c.requants),
            "b1": (c.pairs, 2),
        }

    def least(self, name: str) -> int:
        return -(1 << (self.c.weight_bits if name[0] == "w" else self.c.bias_bits) - 1)

    def drawn(self, name: str, spread: float | None = None) -> NDArray[np.int64]:
        low = self.least(name)
        if spread is not None:
            low = -int(min(-low, max(spread, 1)))
        return self.rng.integers(low, -low, self.shapes[name], dtype=np.int64)

    def ends(self, name: str, high: NDArray[np.bool_] | bool) -> NDArray[np.int64]:
        low = self.least(name)
        return np.where(np.broadcast_to(high, self.shapes[name]), ~low, low)

    def images(self, n: int) -> NDArray[np.int64]:
        c = self.c
        found = self.rng.integers(0, 1 << c.activation_bits, (n, c.words * c.elements))
        if n > 2:
            found[-1] *= self.rng.random(found.shape[1]) < 0.2
        return found

    def between(self) -> tuple[dict[str, NDArray[np.int64]], int, int]:
        """A network most of whose hidden bytes are neither 0 nor the largest; M and S."""
        c = self.c
        typical = 0.2 * 2 ** (c.weight_bits + c.activation_bits) * (c.words * c.elements) ** 0.5
        spread = min(2 * typical, 2 ** (c.bias_bits - 1))
        r = typical + spread
        scale = int(self.rng.integers(1 << c.scale_bits - 1, 1 << c.scale_bits))
        shift = round(log2(r * scale)) - c.activation_bits
        if shift >= 1 << c.shift_bits:
            shift = (1 << c.shift_bits) - 1
            scale = max(int(2 ** (shift + c.activation_bits) / r), 1)
        numbers = {
            name: self.drawn(name, None if name[0] == "w" else spread) for name in self.shapes
        }
        return numbers, scale, max(shift, 0)


def directed(configuration: Configuration, seed: int = 1) -> Script:
    """The whole of it, from the clock after a reset on."""
    c, rng = configuration, np.random.default_rng(seed)
    script, draw = Script(c), Numbers(c, rng)
    most_scale, most_shift = (1 << c.scale_bits) - 1, (1 << c.shift_bits) - 1
    big = sum(memory.words for memory in script.layout.values()) > 1500
    script.registers()
    script.memories(rng)
    for k in range(1 if big else 2):
        numbers, scale, shift = draw.between()
        script.load(**numbers)
        script.settings(scale, shift)
        script.send(draw.images(2 if big else 4), pause=(0, 7)[k])
    # Biases over their whole range: sums and logits of all sizes.
    script.load(b0=draw.drawn("b0"), b1=draw.drawn("b1"))
    script.settings(most_scale, min(most_shift, c.bias_bits + c.scale_bits - c.activation_bits - 1))
    script.send(draw.images(2))
    # Every sum at an end of what it can be, neighbours at opposite ones.
    full = np.full((2, c.words * c.elements), (1 << c.activation_bits) - 1, np.int64)
    full[1] = 0
    for k in range(0 if big else 2):
        of_lane = (np.arange(c.lanes) + k) % 2 == 0
        of_class = (np.arange(2 * c.pairs) + k) % 2 == 0
        place = np.arange(c.steps * c.requants).reshape(c.steps, c.requants)
        of_place = np.tile((place + k) % 2 == 0, (c.groups, 1))
        script.load(
            w0=draw.ends("w0", of_lane[:, None, None]),
            w1=draw.ends("w1", of_class[None, : c.classes, None]),
            b0=draw.ends("b0", of_place),
            b1=draw.ends("b1", of_class.reshape(c.pairs, 2)),
        )
        script.settings(most_scale, 0)
        script.send(full)
        script.load(b0=draw.ends("b0", True))
        script.settings(most_scale, most_shift)
        script.send(full[:1])
    # One bit of each sum alone, and of each product.
    nothing = np.zeros((1, c.words * c.elements), np.int64)
    at = np.arange(c.groups * c.steps * c.requants).reshape(-1, c.requants)
    script.load(w0=np.zeros(draw.shapes["w0"], np.int64))
    for k in range(1 if big else 3):
        script.load(b0=np.left_shift(1, (at + k * at.size) % (c.bias_bits - 1)))
        for scale, shift in (
            (1 << c.scale_bits - 1, most_shift),
            (1, 0),
            (most_scale, most_shift // 2),
        ):
            script.settings(scale, shift)
            script.send(nothing)
    # Each class on top by itself; then all alike.
    script.load(w1=np.zeros(draw.shapes["w1"], np.int64))
    for top in sorted(_ends(c.classes)):
        of_class = np.arange(2 * c.pairs).reshape(c.pairs, 2) == top
        script.load(b1=draw.ends("b1", of_class))
        script.send(nothing)
    script.load(b1=np.zeros(draw.shapes["b1"], np.int64))
    script.send(nothing)
    script.read(HostRegister.ERRORS)
    script.read(HostRegister.STATUS)
    script.resets()
    return script
