"""The widths of an int8 accelerator's registers, and the ranges of numbers they can hold.

``Hardware`` gives the widths of this project's RTL, derived from its parameters as the RTL derives
them. Any width can be set to describe narrower hardware; ``prove`` says whether it suffices.
"""

from __future__ import annotations

from dataclasses import dataclass

from ohmbench.errors import RangeError

_INPUT_WORD = 8  # inputs are stored and read eight at a time


def clog2(n: int) -> int:
    """Bits needed to number ``n`` things, as Verilog's ``$clog2``: the least k with 2**k >= n."""
    return (n - 1).bit_length()


@dataclass(frozen=True)
class Register:
    """A register: its name and its width in bits (signed: two's complement)."""

    name: str
    bits: int
    signed: bool

    @property
    def low(self) -> int:
        """The smallest number that it can hold."""
        return -(1 << (self.bits - 1)) if self.signed else 0

    @property
    def high(self) -> int:
        """The largest number that it can hold."""
        return (1 << (self.bits - 1 if self.signed else self.bits)) - 1

    def kept(self, value: int) -> int:
        """The value that remains of ``value`` in the register: itself, or wrapped."""
        return (value - self.low) % (1 << self.bits) + self.low

    def __str__(self) -> str:
        return f"{self.bits} bit{'s' * (self.bits != 1)} {'signed' if self.signed else 'unsigned'}"


def bits_needed(low: int, high: int, *, signed: bool) -> int:
    """The least width in bits that holds ``low`` to ``high`` (``low`` >= 0 unless ``signed``)."""
    if signed:
        return max((~low if low < 0 else low).bit_length(), max(high, 0).bit_length()) + 1
    return max(high.bit_length(), 1)


_WIDTHS = ("acc0_bits", "sum0_bits", "r_bits", "product_bits", "acc1_bits", "logit_bits")


@dataclass(frozen=True)
class Hardware:
    """An accelerator's parameters: largest network, parallelism, formats, register widths.

    ``lanes`` neurons are computed in parallel, ``requants`` sums are requantised in parallel. A
    register width of None means the width in the RTL:

    - ``mac`` one weight times one activation: ``weight_bits + activation_bits``;
    - ``acc0`` sum of a layer-0 row without its bias: ``mac`` + clog2(inputs, padded to eights);
    - ``sum0`` with the bias, signed: one bit more than the wider of the two;
    - ``r`` after the ReLU, unsigned: one bit less;
    - ``product`` ``r * M``, unsigned (signed if ``product_signed``): ``r`` + ``scale_bits``;
    - ``acc1`` sum of a layer-1 row without its bias: ``mac`` + clog2(hidden, padded to whole groups
      and steps);
    - ``logit`` with the bias, signed: one bit more than the wider of the two.

    With ``weight_offset``, 2**(weight_bits - 1) is added to each weight, so that ``mac`` and the
    sums are unsigned: the numbers of the network plus that multiple of the activations, which is
    subtracted again where the bias is added. Without it they are signed. Raises RangeError for a
    size, count or width under 1.
    """

    inputs: int
    hidden: int
    classes: int
    lanes: int = 13
    requants: int = 2
    weight_bits: int = 8
    activation_bits: int = 8
    bias_bits: int = 32
    scale_bits: int = 16
    shift_bits: int = 5
    acc0_bits: int | None = None
    sum0_bits: int | None = None
    r_bits: int | None = None
    product_bits: int | None = None
    acc1_bits: int | None = None
    logit_bits: int | None = None
    product_signed: bool = False
    weight_offset: bool = True

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value is not None and not isinstance(value, bool) and value < 1:
                raise RangeError(f"{name} is {value}, but should be at least 1")

    @property
    def padded_inputs(self) -> int:
        """Pixels of an image, including the padding of its last word."""
        return -(-self.inputs // _INPUT_WORD) * _INPUT_WORD

    @property
    def words(self) -> int:
        """Words per image."""
        return -(-self.inputs // _INPUT_WORD)

    @property
    def groups(self) -> int:
        """Groups of ``lanes`` neurons, computed one after the other."""
        return -(-self.hidden // self.lanes)

    @property
    def steps(self) -> int:
        """Clocks in which the sums of a group leave, ``requants`` per clock."""
        return -(-self.lanes // self.requants)

    @property
    def offset(self) -> int:
        """The offset added to each weight before the multiplication."""
        return 1 << (self.weight_bits - 1) if self.weight_offset else 0

    @property
    def padded_hidden(self) -> int:
        """Hidden values, including the padding of the last group and of each group's last clock."""
        return self.groups * self.steps * self.requants

    def registers(self) -> dict[str, Register]:
        """Every register for numbers of the network, by name, in the order of the data path."""
        mac = self.weight_bits + self.activation_bits
        acc0 = self.acc0_bits or mac + clog2(self.padded_inputs)
        sum0 = self.sum0_bits or max(acc0, self.bias_bits) + 1
        r = self.r_bits or sum0 - 1
        product = self.product_bits or r + self.scale_bits
        acc1 = self.acc1_bits or mac + clog2(self.padded_hidden)
        logit = self.logit_bits or max(acc1, self.bias_bits) + 1
        signed = not self.weight_offset
        table = (
            Register("weight0", self.weight_bits, True),
            Register("weight1", self.weight_bits, True),
            Register("bias0", self.bias_bits, True),
            Register("bias1", self.bias_bits, True),
            Register("M", self.scale_bits, False),
            Register("S", self.shift_bits, False),
            Register("mac0", mac, signed),
            Register("acc0", acc0, signed),
            Register("sum0", sum0, True),
            Register("r", r, False),
            Register("product", product, self.product_signed),
            Register("hidden", self.activation_bits, False),
            Register("mac1", mac, signed),
            Register("acc1", acc1, signed),
            Register("logit", logit, True),
        )
        return {register.name: register for register in table}


PUBLISHED_HARDWARE = Hardware(
    inputs=64,
    hidden=100,
    classes=10,
    lanes=10,
    requants=1,
    acc0_bits=32,
    sum0_bits=32,
    r_bits=31,
    product_bits=32,
    acc1_bits=32,
    logit_bits=32,
    product_signed=True,
    weight_offset=False,
)
"""The published accelerator of the FANN paper: signed 32-bit sums and requantisation product."""
