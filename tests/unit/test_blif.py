"""The strict reader of BLIF: every table's meaning, and what it refuses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ohmbench.eda.synthesis.blif import LUT_INPUTS, NetlistError, read_blif

BOX = """
.model multiply
.inputs a[0] b[0]
.outputs out[0] out[1]
.blackbox
.end
"""
GOOD = f""".model top  # a comment
.inputs clk a \\
 b
.outputs q
.names a b n
11 1
.subckt multiply a[0]=a b[0]=b out[0]=p
.latch n q re clk 2
.end
{BOX}"""


def test_reads_all_of_it() -> None:
    found = read_blif(GOOD, "good.blif")
    assert (found.name, found.inputs, found.outputs) == ("top", ["clk", "a", "b"], ["q"])
    assert [(t.inputs, t.output, t.bits, t.line) for t in found.tables] == [
        (("a", "b"), "n", 0b1000, 5)
    ]
    assert [(x.data, x.output, x.clock, x.initial) for x in found.latches] == [
        ("n", "q", "clk", None)
    ]
    assert found.instances[0].pins == {"a[0]": "a", "b[0]": "b", "out[0]": "p"}
    assert found.models["multiply"].outputs == ("out[0]", "out[1]")
    assert set(found.drivers()) == {"clk", "a", "b", "n", "p", "q"}


@given(st.data(), st.integers(0, LUT_INPUTS))
def test_a_table_is_the_union_of_its_rows(data: st.DataObject, inputs: int) -> None:
    cube = st.text("01-", min_size=inputs, max_size=inputs)
    rows = data.draw(st.lists(cube, max_size=5))
    value = data.draw(st.sampled_from("01"))
    names = [f"i{k}" for k in range(inputs)]
    text = "\n".join(
        (".model m", f".inputs {' '.join(names)}", ".outputs o", f".names {' '.join(names)} o")
    )
    text += "".join(f"\n{row} {value}" for row in rows) + "\n.end\n"
    found = read_blif(text, "x").tables[0].bits
    for n in range(1 << inputs):
        bits = [str(n >> k & 1) for k in range(inputs)]
        fits = any(all(c in ("-", b) for c, b in zip(row, bits, strict=True)) for row in rows)
        # Without rows a table is 0.
        expected = fits == (value == "1") if rows else False
        assert (found >> n & 1) == expected


def change(old: str, new: str) -> str:
    assert old in GOOD
    return GOOD.replace(old, new, 1)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", r"x:1: no \.model"),
        (change(".model top", ".name top"), r"x:1: no \.model"),
        (change("\n.end\n", "\n"), r"no \.end"),
        (change("11 1", "11 1\n00 0"), r"x:5: net n: rows for 0 and for 1"),
        (change("11 1", "1 1"), r"x:6: net n: a row of other than 2 inputs"),
        (change(".names a b n\n11 1", ".names n\n1 1 1"), r"n: a row of other than 0 inputs"),
        (change("11 1", "1x 1"), r"x:6: net n: x is not a value of an input"),
        (change("11 1", "11 2"), r"x:6: net n: 2 is not a value"),
        (change(".names a b n", ".names a a a a a a a n"), r"net n: a table of 7, not 6 inputs"),
        (change("re clk 2", "fe clk 2"), r"x:8: a \.latch of another form"),
        (change("re clk 2", "re clk"), r"x:8: a \.latch of another form"),
        (change(".latch n", ".gate n"), r"x:8: not understood: \.gate"),
        # A line that goes on is at its first.
        (change("q re clk 2", "q \\\n fe clk 2"), r"x:8: a \.latch of another form"),
        (change("b n\n11", "b \\\n\\\n n\n1x"), r"x:8: net n: x is not a value of an input"),
        (change("out[0]=p", "out[0]=a"), r"x:7: net a is driven twice"),
        (change(".names a b n", ".names a lost n"), r"x:5: net lost is driven by nothing"),
        (change(".outputs q", ".outputs q lost"), r"net lost is driven by nothing"),
        (change("out[0]=p", "sum=p"), r"x:7: multiply has no pin sum"),
        (change("out[0]=p", "out[0]="), r"x:7: multiply: not one net at one pin"),
        (change("out[0]=p", "a[0]=p"), r"x:7: multiply: not one net at one pin"),
        (change(" b[0]=b", ""), r"x:7: multiply: nothing at pin b\[0\]"),
        (change(".subckt multiply", ".subckt divide"), r"x:7: no model divide"),
        (change(".blackbox\n", ""), r"not a single \.blackbox"),
        (GOOD + BOX, r"not a single \.blackbox"),
        (change(".inputs clk a", ".inputs clk a a"), r"an input occurs twice"),
    ],
)
def test_anything_else_is_refused(text: str, words: str) -> None:
    with pytest.raises(NetlistError, match=words):
        read_blif(text, "x")
