"""Register widths: what fits, what wraps, and how the RTL's parameters give them."""

import math
import re
from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ohmbench.digital import PUBLISHED_HARDWARE, Hardware, Register
from ohmbench.digital.widths import bits_needed, clog2
from ohmbench.eda.hdl import sources
from ohmbench.errors import RangeError

registers = st.builds(Register, st.just("r"), st.integers(1, 64), st.booleans())


@given(registers)
def test_a_register_holds_two_to_the_bits_numbers(register):
    assert register.high - register.low + 1 == 2**register.bits
    assert (register.low < 0) == register.signed


@given(registers, st.integers(-(2**70), 2**70))
def test_what_is_kept_is_congruent_and_held(register, value):
    kept = register.kept(value)
    assert register.low <= kept <= register.high
    assert (value - kept) % 2**register.bits == 0
    assert (kept == value) == (register.low <= value <= register.high)


@given(st.integers(-(2**60), 2**60), st.integers(-(2**60), 2**60), st.booleans())
def test_the_width_that_is_needed_is_the_least(a, b, signed):
    low, high = sorted((a, b) if signed else (abs(a), abs(b)))
    needed = Register("r", bits_needed(low, high, signed=signed), signed)
    assert needed.low <= low <= high <= needed.high
    if needed.bits > 1:
        narrower = Register("r", needed.bits - 1, signed)
        assert low < narrower.low or high > narrower.high


@pytest.mark.parametrize(
    ("low", "high", "bits"),
    [(0, 0, 1), (-1, -1, 1), (-1, 0, 1), (-1, 1, 2), (-2, 1, 2), (-2, 2, 3), (-9, -8, 5)],
)
def test_small_signed_widths(low, high, bits):
    assert bits_needed(low, high, signed=True) == bits


def test_clog2_is_verilogs():
    assert [clog2(n) for n in (1, 2, 3, 4, 5, 64, 65, 784, 1024, 1025)] == [
        0, 1, 2, 2, 3, 6, 7, 10, 10, 11
    ]  # fmt: skip


@given(st.integers(1, 2000), st.integers(1, 300), st.integers(1, 20), st.integers(1, 32))
def test_our_sums_and_products_cannot_overflow(inputs, hidden, classes, lanes):
    """By the formats alone, whatever the weights: the widths are derived to hold the worst."""
    hw = Hardware(inputs, hidden, classes, lanes=lanes)
    reg = hw.registers()
    ends = {"signed8": (-128, 127), "bias": (-(2**31), 2**31 - 1)}
    for layer, terms in (("0", hw.padded_inputs), ("1", hw.padded_hidden)):
        low, high = (255 * terms * w for w in ends["signed8"])
        acc, total = reg[f"acc{layer}"], reg["sum0" if layer == "0" else "logit"]
        # What is added up has 128 added to each weight, and cannot be negative.
        assert acc.low == 0
        assert high + 255 * terms * 128 <= acc.high
        assert reg[f"mac{layer}"].high >= 255 * 255
        assert total.low <= low + ends["bias"][0]
        assert high + ends["bias"][1] <= total.high
    assert reg["r"].high >= reg["sum0"].high
    assert reg["product"].high >= reg["r"].high * 65535


def test_the_digits_hardware():
    bits = {name: str(r) for name, r in Hardware(64, 100, 10).registers().items()}
    assert bits["mac0"] == "16 bits unsigned"
    assert str(Register("S", 1, False)) == "1 bit unsigned"
    assert bits["acc0"] == "22 bits unsigned"
    assert bits["sum0"] == "33 bits signed"
    assert bits["r"] == "32 bits unsigned"
    assert bits["product"] == "48 bits unsigned"
    assert bits["logit"] == "33 bits signed"


sizes = st.integers(1, 40)
widths = st.one_of(st.none(), st.integers(1, 60))


@given(
    st.builds(
        Hardware, sizes, sizes, sizes, lanes=sizes, requants=sizes, weight_bits=sizes,
        activation_bits=sizes, bias_bits=sizes, scale_bits=sizes, shift_bits=sizes,
        acc0_bits=widths, sum0_bits=widths, r_bits=widths, product_bits=widths, acc1_bits=widths,
        logit_bits=widths, product_signed=st.booleans(), weight_offset=st.booleans(),
    )
)  # fmt: skip
def test_every_width_is_that_of_the_format(hw):
    """The sentences of the docstring, one by one: a given width, or the one that follows."""
    assert hw.words == math.ceil(hw.inputs / 8)
    assert hw.padded_inputs == 8 * hw.words
    assert hw.groups == math.ceil(hw.hidden / hw.lanes)
    assert hw.steps == math.ceil(hw.lanes / hw.requants)
    assert hw.padded_hidden == hw.groups * hw.steps * hw.requants
    assert hw.offset == (2 ** (hw.weight_bits - 1) if hw.weight_offset else 0)

    mac = hw.weight_bits + hw.activation_bits
    acc0 = hw.acc0_bits or mac + math.ceil(math.log2(hw.padded_inputs))
    acc1 = hw.acc1_bits or mac + math.ceil(math.log2(hw.padded_hidden))
    sum0 = hw.sum0_bits or 1 + max(acc0, hw.bias_bits)
    r = hw.r_bits or sum0 - 1
    expected = {
        "weight0": (hw.weight_bits, True), "weight1": (hw.weight_bits, True),
        "bias0": (hw.bias_bits, True), "bias1": (hw.bias_bits, True),
        "M": (hw.scale_bits, False), "S": (hw.shift_bits, False),
        "mac0": (mac, not hw.weight_offset), "mac1": (mac, not hw.weight_offset),
        "acc0": (acc0, not hw.weight_offset), "acc1": (acc1, not hw.weight_offset),
        "sum0": (sum0, True), "r": (r, False),
        "product": (hw.product_bits or r + hw.scale_bits, hw.product_signed),
        "hidden": (hw.activation_bits, False),
        "logit": (hw.logit_bits or 1 + max(acc1, hw.bias_bits), True),
    }  # fmt: skip
    found = hw.registers()
    assert {name: (r.bits, r.signed) for name, r in found.items()} == expected
    assert all(register.name == name for name, register in found.items())


def test_the_defaults_are_those_of_the_verilog():
    (top,) = (path for path in sources() if path.name == "accelerator.v")
    in_verilog = dict(re.findall(r"parameter (\w+)\s*=\s*(\d+)", top.read_text()))
    ours = {field.name.upper(): field.default for field in fields(Hardware)}
    assert {name: str(ours[name]) for name in ("LANES", "REQUANTS")} == {
        name: in_verilog[name] for name in ("LANES", "REQUANTS")
    }


def test_the_formats_of_the_verilog():
    """int8 weights, uint8 activations, int32 biases, M below 2**16 and S below 2**5."""
    register = Hardware(64, 100, 10).registers()
    assert {n: (r.low, r.high) for n, r in register.items() if n in "weight0 bias0 M S hidden"} == {
        "weight0": (-128, 127), "bias0": (-(2**31), 2**31 - 1), "M": (0, 65535), "S": (0, 31),
        "hidden": (0, 255),
    }  # fmt: skip


def test_the_published_hardware():
    assert (PUBLISHED_HARDWARE.inputs, PUBLISHED_HARDWARE.hidden) == (64, 100)
    assert (PUBLISHED_HARDWARE.classes, PUBLISHED_HARDWARE.lanes) == (10, 10)
    assert (PUBLISHED_HARDWARE.requants, PUBLISHED_HARDWARE.offset) == (1, 0)
    assert PUBLISHED_HARDWARE.registers()["r"] == Register("r", 31, False)
    reg = PUBLISHED_HARDWARE.registers()
    assert {str(reg[n]) for n in ("acc0", "sum0", "product", "acc1", "logit")} == {"32 bits signed"}


def test_what_may_be_zero_and_what_may_be_one():
    hw = Hardware(1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1)
    assert replace(hw, weight_offset=False, product_signed=False).offset == 0


@pytest.mark.parametrize("change", [{"inputs": 0}, {"lanes": 0}, {"product_bits": 0}])
def test_impossible_parameters(change):
    with pytest.raises(RangeError, match=f"{next(iter(change))} is 0"):
        Hardware(**({"inputs": 4, "hidden": 4, "classes": 2} | change))
