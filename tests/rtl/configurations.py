"""The parameters with which the RTL is tested, and the reasons for them.

A fault that shows only at a few sizes (in a comparison, a ``$clog2``, a bound, a parameter that is
not passed on) needs a configuration at, below and above the turning point. The rows here satisfy
two conditions: a change of any constant expression of ``hdl`` gives it another value in one of
them, unless no admissible parameters do; and any two properties of sizes and formats that can occur
together do so in one of them. ``test_configurations.py`` runs all rows; mutants show that they
suffice (``test_elaboration.py``).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from random import Random

from ohmbench.digital.hostmap import HostMemory, Region
from ohmbench.digital.widths import Hardware

PARAMETERS = {
    "INPUTS": "inputs",
    "HIDDEN": "hidden",
    "CLASSES": "classes",
    "LANES": "lanes",
    "REQUANTS": "requants",
    "ELEMENTS": "elements",
    "WEIGHT_W": "weight_bits",
    "ACT_W": "activation_bits",
    "BIAS_W": "bias_bits",
    "SCALE_W": "scale_bits",
    "SHIFT_W": "shift_bits",
}
"""Parameters of ``accelerator`` -> attributes of ``Configuration``. The first five are also the
parameters of ``accelerator_axi`` and those that the library sets.
"""
SIZES = tuple(PARAMETERS)[:5]
HOST_BITS = 64


@dataclass(frozen=True)
class Words(HostMemory):
    """A region whose memories have ``bits`` bits per word; the last memory may have fewer."""

    bits: int

    @property
    def words(self) -> int:
        return self.banks * self.depth

    def __contains__(self, address: int) -> bool:
        bank, word = address >> 10 & 63, address & 1023
        return address >> 16 == self.region and bank < self.banks and word < self.depth


@dataclass(frozen=True)
class Configuration(Hardware):
    """Any parameters of ``accelerator.v``, with ``elements`` inputs per word."""

    elements: int = 8

    @classmethod
    def of(cls, hardware: Hardware) -> Configuration:
        return hardware if isinstance(hardware, cls) else cls(**vars(hardware))

    @classmethod
    def from_parameters(cls, **given: int) -> Configuration:
        return cls(**{PARAMETERS[name]: value for name, value in given.items()})

    def parameters(self) -> dict[str, int]:
        return {name: getattr(self, attribute) for name, attribute in PARAMETERS.items()}

    def sizes(self) -> dict[str, int]:
        """The parameters that ``accelerator_axi`` also has."""
        return {name: getattr(self, PARAMETERS[name]) for name in SIZES}

    @property
    def name(self) -> str:
        """The parameters; those of the formats only if one differs from the default."""
        sizes, formats = self._numbers(self), self._numbers(Configuration(1, 1, 1))
        usual = sizes[len(SIZES) :] == formats[len(SIZES) :]
        return "-".join(map(str, sizes[: len(SIZES)] if usual else sizes))

    @staticmethod
    def _numbers(of: Configuration) -> list[int]:
        return list(of.parameters().values())

    @property
    def is_usual(self) -> bool:
        """Whether the formats are those of the library's networks."""
        return self.name.count("-") < len(SIZES)

    @property
    def padded_inputs(self) -> int:
        return self.words * self.elements

    @property
    def words(self) -> int:
        return -(-self.inputs // self.elements)

    @property
    def pairs(self) -> int:
        """Number of words in the memory of layer 1's biases."""
        return -(-self.classes // 2)

    @property
    def class_bits(self) -> int:
        return max((self.classes - 1).bit_length(), 1)

    def layout(self) -> dict[Region, Words]:
        """The host's memories: ``hostmap.memories`` extended to all formats."""
        word, row = self.elements * self.weight_bits, self.requants * self.weight_bits
        depth1 = self.groups * self.steps
        shapes = {
            Region.W0: (self.lanes * word, word, self.groups * self.words),
            Region.B0: (self.requants * self.bias_bits, HOST_BITS, depth1),
            Region.W1: (self.classes * row, 2 * row if 2 * row <= HOST_BITS else row, depth1),
            Region.B1: (2 * self.bias_bits, HOST_BITS, self.pairs),
        }
        return {
            region: Words(region, -(-total // bits), depth, bits)
            for region, (total, bits, depth) in shapes.items()
        }

    def read_clocks(self, region: Region) -> int:
        """How many clocks later than a register's value a memory's word is answered."""
        if region in (Region.B0, Region.B1):
            return 2
        if region is Region.W0:
            return 3 + self.steps - 1
        places, skew = (4, 2) if self.steps < self.words else (2, 1)
        return 3 + skew * (-(-self.classes // places) - 1)

    def properties(self) -> dict[str, object]:
        """Properties of sizes and formats that the RTL's conditions depend on, each in a few
        classes.
        """
        usual = Configuration(1, 1, 1)
        found: dict[str, object] = {
            "words": _class_of(self.words),
            "groups": _class_of(self.groups),
            "lanes": _class_of(self.lanes),
            "classes": self.classes
            if self.classes < 3
            else (self.classes % 2, _class_of(self.classes)),
            "requants": min(self.requants, 8),
            "elements": min(self.elements, 16),
            "segments of layer 0": "one" if self.steps == 1 else "several",
            "steps fill the words": self.steps == self.words,
            "last word full": self.inputs % self.elements == 0,
            "last group full": self.hidden % self.lanes == 0,
            "last step full": self.lanes % self.requants == 0,
        }
        for name in tuple(PARAMETERS)[6:]:
            bits, default = (getattr(c, PARAMETERS[name]) for c in (self, usual))
            found[name] = (bits > default) - (bits < default)
        return found

    def pairs_of_properties(self, *, usual: bool) -> set[tuple[object, ...]]:
        """Pairs of properties. ``usual``: only those of the sizes."""
        found = [(k, v) for k, v in self.properties().items() if not (usual and k.endswith("_W"))]
        return set(combinations(found, 2))


def _class_of(n: int) -> str:
    return "one" if n == 1 else "a power of two" if n & (n - 1) == 0 else "another number"


def drawn(rng: Random, *, usual: bool) -> Configuration:
    """Small parameters, not always admissible."""
    pick = lambda *choices: rng.choice(choices)  # noqa: E731
    formats = (
        {}
        if usual
        else {
            "ELEMENTS": pick(1, 2, 4, 8, 16),
            "WEIGHT_W": pick(1, 2, 3, 4, 5, 7, 8, 8, 10, 12, 16),
            "ACT_W": pick(1, 2, 3, 4, 6, 8, 8, 9, 10, 12),
            "BIAS_W": pick(4, 8, 11, 12, 16, 17, 24, 30, 31, 32, 32, 33, 35, 36, 40, 48, 62),
            "SCALE_W": pick(1, 2, 4, 8, 12, 15, 16, 16, 17, 20),
            "SHIFT_W": pick(1, 2, 3, 4, 5, 5, 6),
        }
    )
    lanes = rng.randint(1, 7) if rng.random() < 0.97 else rng.randint(8, 64)
    hidden = rng.randint(1, 20) if rng.random() < 0.5 else lanes * rng.randint(1, 4)
    if rng.random() < 0.03:
        hidden = rng.randint(20, 300)
    classes = rng.randint(1, 9) if rng.random() < 0.97 else pick(15, 16, 17, 31, 32, 33, 63, 64)
    return Configuration.from_parameters(
        INPUTS=max(1, rng.randint(1, 40) * formats.get("ELEMENTS", 8) // 8),
        HIDDEN=hidden,
        CLASSES=classes,
        LANES=lanes,
        REQUANTS=pick(1, 2, 4, 8),
        **formats,
    )


def is_admissible(c: Configuration) -> bool:
    """Whether ``accelerator.v`` accepts it, and the tests' 64 bits can hold a word of an image, the
    hidden bytes of a clock, and a logit.
    """
    layout = c.layout()
    return (
        c.steps <= c.words
        and all(memory.depth <= 1024 and memory.banks <= 64 for memory in layout.values())
        and max(c.elements, c.requants) * max(c.weight_bits, c.activation_bits) <= HOST_BITS
        and not any(n & (n - 1) for n in (c.elements, c.requants))
        and c.registers()["logit"].bits < HOST_BITS
    )


def drawn_admissible(seed: int, n: int, *, usual: bool) -> Iterator[Configuration]:
    rng = Random(seed)
    for _ in range(n):
        found = drawn(rng, usual=usual)
        if is_admissible(found):
            yield found


def possible_pairs(*, usual: bool) -> set[tuple[object, ...]]:
    """Pairs of properties that occur together in a drawn configuration."""
    found: set[tuple[object, ...]] = set()
    for c in drawn_admissible(5, 2000, usual=usual):
        found |= c.pairs_of_properties(usual=usual)
    return found


def _rows(text: str) -> list[Configuration]:
    return [
        Configuration.from_parameters(**dict(zip(PARAMETERS, map(int, line.split()), strict=False)))
        for line in filter(str.strip, text.splitlines())
    ]


LIMITS = _rows(
    """
    8 1024 1 1 1
    1023 1 2 1 1 1
    8 64 1 64 8 1 8 8 32 16 5
    8 64 1 64 8 1 4 8 24 16 5
    1 1 128 1 1 1
    1 1 127 1 1 1 8 8 8 4 3
    1 1 64 1 8 1
    65535 1 1 1 1 64 1 1 32 16 5
    1 65535 1 64 64 1 1 1 4 1 1
    """
)
"""Sizes at the limits, which random draws never reach."""
USUAL_ROWS = _rows(
    """
    22 9 1 1 1
    8 1 3 1 2
    27 15 2 2 2
    24 19 3 3 1
    14 3 4 3 4
    16 8 6 2 1
    8 11 1 2 4
    2 1 2 1 1
    40 4 4 2 8
    33 13 6 3 2
    30 4 3 1 4
    7 8 1 5 8
    5 20 8 1 1
    38 2 2 3 4
    10 2 1 2 2
    30 1 6 1 8
    32 16 2 3 1
    2 11 6 4 4
    21 12 3 2 8
    14 11 4 2 2
    1 1 2 1 8
    1 1 1 1 1
    16 16 3 16 8
    30 20 1 9 8
    16 9 4 5 4
    """
)
ROWS = _rows(
    """
    1 2 1 1 1 4 5 6 36 17 6
    4 1 1 1 2 1 3 3 4 1 4
    2 7 1 1 1 2 10 9 35 8 2
    9 10 3 3 4 2 12 9 8 2 2
    2 12 2 2 1 1 7 12 8 17 5
    3 17 6 3 2 1 16 8 40 20 6
    4 2 6 2 1 2 16 2 36 4 5
    11 7 2 2 1 4 7 4 32 15 1
    64 15 1 1 1 16 1 1 24 16 4
    17 4 4 5 2 4 16 10 17 16 6
    5 12 4 3 1 1 8 1 62 1 1
    4 5 6 1 4 4 2 8 8 12 3
    6 16 5 1 1 2 8 10 32 17 6
    48 1 3 1 4 16 4 1 35 4 5
    34 2 2 1 1 8 1 1 33 8 6
    6 16 2 3 8 2 5 8 17 2 4
    16 14 3 3 1 4 8 6 17 20 5
    54 2 3 2 8 16 3 3 32 17 6
    8 2 4 2 2 8 3 1 11 17 2
    1 1 3 3 4 1 12 3 36 16 6
    7 284 4 3 2 2 16 9 32 16 5
    16 12 6 1 2 16 2 3 12 8 6
    8 1024 1 1 1
    1 3 1 1 1 1 1 2 32 4 2
    60 5 5 3 1 16 4 1 40 16 4
    1 5 2 4 8 1 2 8 35 8 2
    6 10 2 2 4 2 10 9 40 20 3
    1 1 127 1 1 1 8 8 8 4 3
    1 65535 1 64 64 1 1 1 4 1 1
    3 1 6 1 1 1 4 9 4 15 5
    46 6 2 2 1 16 2 2 12 8 5
    16 18 1 2 8 4 5 6 11 1 3
    24 6 4 2 1 16 4 2 33 1 5
    65535 1 1 1 1 64 1 1 32 16 5
    """
)
AXI_ROWS = _rows(
    """
    33 5 2 1 1
    13 4 1 2 1
    16 4 3 2 2
    14 3 4 3 4
    5 9 8 1 1
    20 7 7 3 8
    1 1 1 1 1
    """
)
LINT_ROWS = _rows(
    """
    30 4 3 1 4
    9 10 3 3 4 2 12 9 8 2 2
    3 17 6 3 2 1 16 8 40 20 6
    16 12 6 1 2 16 2 3 12 8 6
    1 5 2 4 8 1 2 8 35 8 2
    8 2 4 2 2 8 3 1 11 17 2
    17 4 4 5 2 4 16 10 17 16 6
    """
)
"""Rows that Verilator's lint checks as well: biases that take less than a word of the host and
several of them, inputs narrower and wider than weights, one and two classes in a memory, two and
four in a segment, and incomplete ones of these.
"""
AXI_LINT_ROWS = [
    *(row for row in AXI_ROWS if row.classes in (3, 4, 8) or row.hidden == 1),
    *_rows("64 1100 1 64 8"),
    *_rows("256 32 1 32 1"),
]
"""Rows with the AXI bus: the class's width around powers of two; hidden layers so small and so
large that a wrong number of groups changes the logits' width, which elsewhere is nearly always
that of the biases; and so many steps that using their number as a width shows.
"""

BEYOND = {
    "a step too many for the words": (8, 4, 2, 2, 1),
    "steps too many for the words": (16, 100, 10, 13, 2),
    "a word too many a lane": (8, 1025, 1, 1, 1),
    "words too many a lane": (8 * 257, 100, 10, 13, 2),
    "an image a word too long": (8 * 1025, 1, 1, 1, 1),
    "a lane too many": (65, 65, 1, 65, 1, 1),
    "lanes too many": (784, 100, 10, 66, 2),
    "a class too many for shared memories": (8, 2, 129, 1, 1),
    "a class too many for memories of their own": (8, 2, 65, 1, 8),
    "classes too many": (64, 100, 2050, 13, 2),
    "three elements": (9, 2, 2, 1, 1, 3),
    "six elements": (12, 2, 2, 1, 1, 6),
    "three requants": (64, 100, 10, 13, 3),
    "six requants": (64, 100, 10, 13, 6),
    "a weight a bit wider than the host": (8, 2, 2, 1, 1, 1, 65),
    "weights wider than the host": (64, 100, 10, 13, 2, 8, 9),
    "hidden bytes wider than the host": (784, 100, 10, 13, 16),
    "weights of a row wider than the host": (8, 2, 2, 1, 4, 2, 17),
}
"""Parameters that ``accelerator.v`` must refuse: the first beyond each limit, and some others."""
BEYOND_ROWS = {
    name: Configuration.from_parameters(**dict(zip(PARAMETERS, numbers, strict=False)))
    for name, numbers in BEYOND.items()
}
