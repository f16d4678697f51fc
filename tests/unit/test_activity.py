"""Simulated activity without VTR: files, matching, and netlists that are no good accelerator."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ohmbench.digital.network import Int8Network
from ohmbench.digital.widths import Hardware
from ohmbench.eda.synthesis import activity
from ohmbench.eda.synthesis.activity import (
    WARM_UP,
    Counts,
    Stimulus,
    activity_text,
    check_nets,
    count,
    read_activity,
)
from ohmbench.eda.synthesis.blif import Netlist, NetlistError, read_blif
from ohmbench.eda.synthesis.reports import ReportError, ReportText
from ohmbench.eda.tools import ToolError
from ohmbench.errors import HardwareFailure, OperandError, ShapeError

ACE = "a 0.512000 0.200000\nn~1 0.250000 0.013000\nclk 0.500000 2.000000\ngnd 0.000000 0.000000\n"
BLIF = """.model m
.inputs clk a
.outputs q
.names a n~1
1 1
.latch n~1 q re clk 2
.names gnd
.names unconn
.end
"""

TINY = Hardware(8, 1, 1, lanes=1, requants=1)
NETWORK = Int8Network(
    (np.ones((1, 8), np.int8), np.ones((1, 1), np.int8)),
    (np.zeros(1, np.int32), np.zeros(1, np.int32)),
    M=1,
    S=0,
)
CHOICE = np.arange(80, dtype=np.uint8).reshape(10, 8)


class TestFile:
    def test_as_ace_writes_it(self) -> None:
        found = read_activity(ReportText("x.act", ACE))
        assert found["n~1"] == ("0.250000", "0.013000")
        assert list(found) == ["a", "n~1", "clk", "gnd"]

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            (ACE + "a 0.1 0.1\n", "found twice"),
            (ACE + "b 0.1\n", "no line of an activity file"),
            (ACE + "b 0.1 nan\n", "no line of an activity file"),
            (ACE + "b 0.1 -0.1\n", "no line of an activity file"),
            (ACE + "b 0.1 0.1 0.1\n", "no line of an activity file"),
        ],
    )
    def test_anything_else_is_refused(self, text: str, words: str) -> None:
        with pytest.raises(ReportError, match=rf"x\.act: .*{words}"):
            read_activity(ReportText("x.act", text))

    def test_probability_and_density_of_counts(self) -> None:
        nets = ("gnd", "clk", "a", "n~1")
        counts = Counts(
            nets, np.array([0, 0, 3, 8], np.uint32), np.array([0, 0, 6, 1], np.uint32), 8, 1, 0
        )
        text = activity_text(counts, read_activity(ReportText("x", ACE)), "clk")
        assert text == (
            "a 0.375000 0.750000\nn~1 1.000000 0.125000\n"
            "clk 0.500000 2.000000\ngnd 0.000000 0.000000\n"
        )


class TestMatch:
    @pytest.fixture
    def circuit(self) -> Netlist:
        return read_blif(BLIF, "m.blif")

    def test_every_net_and_no_other(self, circuit: Netlist) -> None:
        check_nets(["a", "n~1", "clk", "gnd", "q"], circuit, "m.act")

    @pytest.mark.parametrize(
        ("named", "words"),
        [
            (["a", "n~1", "clk", "gnd"], r"^1 nets of m\.blif are not in m\.act: q$"),
            (
                ["a", "n~1", "clk", "gnd", "q", "r"],
                r"^1 nets of m\.act are not in m\.blif: r$",
            ),
            (["clk"], r"^4 nets of m\.blif are not in m\.act: a, gnd, n~1, \.\.\.$"),
            (["a", "n~1", "clk", "gnd", "q", "unconn"], r"not in m\.blif: unconn$"),
        ],
    )
    def test_an_unmatched_net_is_an_error(
        self, circuit: Netlist, named: list[str], words: str
    ) -> None:
        with pytest.raises(ToolError, match=words):
            check_nets(named, circuit, "m.act")


class TestStimulus:
    def test_drawn_once_each_by_the_seed(self) -> None:
        first = [Stimulus("x", NETWORK, CHOICE, 5, seed).drawn for seed in (1, 1, 2)]
        assert len(first[0]) == 5 + WARM_UP + 1
        assert len(np.unique(first[0], axis=0)) == len(first[0])
        assert np.array_equal(first[0], first[1])
        assert not np.array_equal(first[0], first[2])

    @pytest.mark.parametrize("images", [0, -1, 6])
    def test_no_more_than_there_are(self, images: int) -> None:
        with pytest.raises(OperandError, match=rf"{images} images: from 1 to 5"):
            Stimulus("x", NETWORK, CHOICE, images)

    def test_the_key_is_of_everything(self) -> None:
        def made(**changes: Any) -> Int8Network:
            numbers = {"weight": NETWORK.weight, "bias": NETWORK.bias, "M": 1, "S": 0}
            return Int8Network(**{**numbers, **changes})

        (w0, w1), (b0, b1) = NETWORK.weight, NETWORK.bias
        others = [
            *(made(weight=weight) for weight in ((-w0, w1), (w0, -w1))),
            *(made(bias=bias) for bias in ((b0 + 1, b1), (b0, b1 + 1))),
            made(M=2),
            made(S=1),
        ]
        base = Stimulus("x", NETWORK, CHOICE, 5)
        changed = [
            *(Stimulus("x", other, CHOICE, 5) for other in others),
            Stimulus("y", NETWORK, CHOICE, 5),
            Stimulus("x", NETWORK, CHOICE + 1, 5),
            Stimulus("x", NETWORK, CHOICE, 4),
            Stimulus("x", NETWORK, CHOICE, 5, seed=2),
        ]
        keys = [one.key() for one in (base, *changed)]
        assert len(set(keys)) == len(keys) == 11
        assert base.key() == Stimulus("x", made(), CHOICE.copy(), 5).key()


@given(st.lists(st.integers(-(2**32), 2**32 - 1), min_size=1, max_size=9))
def test_twos_complement(values: list[int]) -> None:
    bits = np.array([[v >> k & 1 for k in range(33)] for v in values], np.uint8)
    assert activity._signed(bits).tolist() == values


def accelerator(constants: dict[str, int], *, drop: str = "", extra: str = "") -> Netlist:
    """All ports of an accelerator, every output a constant, 0 unless given."""

    def bits(ports: dict[str, int]) -> list[str]:
        names = [[p] if n == 1 else [f"{p}~{k}" for k in range(n)] for p, n in ports.items()]
        return [name for vector in names for name in vector if name != drop]

    inputs, outputs = activity._ports(TINY)
    driven = "".join(
        f".names {name}\n{'1' if constants.get(name) else ''}\n" for name in bits(outputs)
    )
    text = (
        f".model accelerator\n.inputs {' '.join(bits(inputs))} {extra}\n"
        f".outputs {' '.join(bits(outputs))}\n{driven}.latch rst_i reset re clk_i 2\n.end\n"
    )
    return read_blif(text, "acc.blif")


@pytest.mark.needs("compiler")
class TestNoGoodAccelerator:
    STIMULUS = Stimulus("ones", NETWORK, CHOICE, 2)

    @pytest.mark.parametrize(
        ("constants", "words"),
        [
            ({}, r"the host port answered 0 of 6 writes"),
            ({"host_ack_o": 1, "host_error_o": 1}, r"the host port refused 6 of 6 words"),
            ({"host_ack_o": 1}, r"0 of 7 results came"),
            (
                {"host_ack_o": 1, "result_valid_o": 1, "image_ready_o": 1},
                r"departs from the golden model of ones: image 0 of 7: logits \[0\], not \[\d+\]",
            ),
        ],
    )
    def test_says_what_it_does(self, constants: dict[str, int], words: str) -> None:
        with pytest.raises(HardwareFailure, match=words):
            count(accelerator(constants), TINY, self.STIMULUS)

    def test_ports_are_those_of_the_accelerator(self) -> None:
        for drop, extra, words in (
            ("host_addr_i~18", "", r"no port host_addr_i~18"),
            ("result_valid_o", "", r"no port result_valid_o"),
            ("", "test_i", r"input test_i is not an input of the accelerator"),
        ):
            with pytest.raises(NetlistError, match=words):
                count(accelerator({}, drop=drop, extra=extra), TINY, self.STIMULUS)

    def test_a_network_of_other_sizes(self) -> None:
        with pytest.raises(ShapeError, match="ones is 8-1-1, but the hardware is built for 8-2-1"):
            count(accelerator({}), Hardware(8, 2, 1, lanes=1, requants=1), self.STIMULUS)
