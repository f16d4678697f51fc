"""The simulation of netlists, on small ones whose every clock is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ohmbench.eda.synthesis.blif import NetlistError, read_blif
from ohmbench.eda.synthesis.netlist import NetlistSimulation

pytestmark = pytest.mark.needs("compiler")

WIDTH, ADDRESS = 4, 3


def pins(name: str, n: int) -> list[str]:
    return [f"{name}[{k}]" for k in range(n)]


BOXES = f"""
.model multiply
.inputs {" ".join(pins("a", WIDTH) + pins("b", WIDTH))}
.outputs {" ".join(pins("out", 2 * WIDTH))}
.blackbox
.end
.model single_port_ram
.inputs clk data we {" ".join(pins("addr", ADDRESS))}
.outputs out
.blackbox
.end
.model dual_port_ram
.inputs clk data1 we1 data2 we2 {" ".join(pins("addr1", ADDRESS) + pins("addr2", ADDRESS))}
.outputs out1 out2
.blackbox
.end
"""


def simulation(
    body: str, inputs: Sequence[str], outputs: Sequence[str] = (), *, seed: int = 1
) -> NetlistSimulation:
    head = f".model m\n.inputs {' '.join(inputs)}\n.outputs {' '.join(outputs)}\n"
    return NetlistSimulation(read_blif(f"{head}{body}\n.end\n{BOXES}", "m.blif"), seed=seed)


def put(sim: NetlistSimulation, name: str, value: int, width: int = 0) -> None:
    for k in range(width or 1):
        sim.values[sim.index[f"{name}{k}" if width else name]] = value >> k & 1


def get(sim: NetlistSimulation, name: str, width: int = 0) -> int:
    at = [sim.index[f"{name}{k}" if width else name] for k in range(width or 1)]
    return sum(int(sim.values[k]) << n for n, k in enumerate(at))


def clock(sim: NetlistSimulation, **inputs: int) -> Mapping[str, int]:
    """One clock that counts: the nets before its edge."""
    for name, value in inputs.items():
        put(sim, name, value)
    sim.settle()
    sim.count()
    seen = {net: int(sim.values[k]) for k, net in enumerate(sim.nets)}
    sim.edge()
    return seen


class TestLogic:
    GATES = ".names a b and\n11 1\n.names a b or\n00 0\n.names and or xor\n01 1\n.names one\n1"

    @pytest.mark.parametrize(("a", "b"), [(0, 0), (0, 1), (1, 0), (1, 1)])
    def test_gates_in_any_order(self, a: int, b: int) -> None:
        lines = self.GATES.replace("\n.names", "|.names").split("|")
        for order in (lines, lines[::-1]):
            seen = clock(simulation("\n".join(order), ["a", "b"]), a=a, b=b)
            found = [seen[net] for net in ("and", "or", "xor", "one")]
            assert found == [a & b, a | b, a ^ b, 1]

    def test_counts_are_exact(self) -> None:
        sim = simulation(".names a b n\n11 1\n.latch n q re clk 0", ["clk", "a", "b"], ["q"])
        sequence = [(0, 1), (1, 1), (1, 1), (1, 0), (0, 1), (1, 1)]
        n = [a & b for a, b in sequence]
        seen = [clock(sim, a=a, b=b) for a, b in sequence]
        assert [s["n"] for s in seen] == n
        assert [s["q"] for s in seen] == [0, *n[:-1]]
        for net, values in (("n", n), ("q", [0, *n[:-1]]), ("a", [a for a, _ in sequence])):
            k = sim.index[net]
            assert sim.ones[k] == sum(values)
            # All were 0 before the first clock.
            assert sim.toggles[k] == sum(x != y for x, y in zip([0, *values], values, strict=False))

    def test_what_is_not_counted_still_comes_before(self) -> None:
        """A toggle is one against the clock before, whether that counted or not."""
        sim = simulation(".names a n\n1 1", ["a"])
        for value in (0, 1):
            put(sim, "a", value)
            sim.settle()
            sim.edge()
        clock(sim, a=1)
        clock(sim, a=0)
        assert (sim.ones[sim.index["n"]], sim.toggles[sim.index["n"]]) == (1, 1)

    def test_registers_take_what_was_before_the_edge(self) -> None:
        """A ring of two exchanges its values; neither sees the other's new one."""
        sim = simulation(".latch y x re clk 1\n.latch x y re clk 0", ["clk"])
        found = [(s["x"], s["y"]) for s in (clock(sim) for _ in range(4))]
        assert found == [(1, 0), (0, 1), (1, 0), (0, 1)]

    def test_unknown_starts_are_drawn_by_the_seed(self) -> None:
        body = "\n".join(f".latch q{k} q{k} re clk {2 + k % 2}" for k in range(32))
        first = [get(simulation(body, ["clk"], seed=seed), "q", 32) for seed in (1, 1, 2)]
        assert first[0] == first[1] != first[2]
        assert 0 < first[0] < 2**32 - 1


class TestBlocks:
    @given(a=st.integers(0, 2**WIDTH - 1), b=st.integers(0, 2**WIDTH - 1))
    @settings(max_examples=20)
    def test_multiply_is_unsigned(self, a: int, b: int) -> None:
        ports = " ".join(f"{p}[{k}]={p}{k}" for p in "ab" for k in range(WIDTH))
        outs = " ".join(f"out[{k}]=p{k}" for k in range(2 * WIDTH))
        names = [f"{p}{k}" for p in "ab" for k in range(WIDTH)]
        sim = simulation(f".subckt multiply {ports} {outs}", names)
        put(sim, "a", a, WIDTH)
        put(sim, "b", b, WIDTH)
        sim.settle()
        assert get(sim, "p", 2 * WIDTH) == a * b

    def test_multiply_without_all_its_pins(self) -> None:
        """Outputs may be left out; inputs that nothing drives are VTR's constant 0."""
        ports = "a[0]=x a[1]=x a[2]=gnd a[3]=gnd b[0]=gnd b[1]=x b[2]=gnd b[3]=gnd"
        sim = simulation(f".names gnd\n.subckt multiply {ports} out[1]=p1 out[2]=p2", ["x"])
        seen = clock(sim, x=1)  # 3 * 2
        assert (seen["p1"], seen["p2"]) == (1, 1)

    @given(st.data())
    @settings(max_examples=20)
    def test_single_port_ram(self, data: st.DataObject) -> None:
        """Against a list: what is written is read in the same clock, nothing else changes."""
        ports = " ".join(f"addr[{k}]=a{k}" for k in range(ADDRESS))
        names = ["clk", "d", "w", *(f"a{k}" for k in range(ADDRESS))]
        sim = simulation(f".subckt single_port_ram clk=clk data=d we=w {ports} out=q", names)
        words: list[int | None] = [None] * 2**ADDRESS
        expected: int | None = None
        bit = st.integers(0, 1)
        for _ in range(30):
            a, d, w = data.draw(st.tuples(st.integers(0, 2**ADDRESS - 1), bit, bit))
            put(sim, "a", a, ADDRESS)
            seen = clock(sim, d=d, w=w)
            if expected is not None:
                assert seen["q"] == expected
            if w:
                words[a] = d
            expected = words[a]

    DUAL = ".subckt dual_port_ram clk=clk data1=d1 we1=w1 data2=d2 we2=w2 out1=q1 out2=q2 "
    DUAL += " ".join(f"addr{p}[{k}]=a{p}_{k}" for p in (1, 2) for k in range(ADDRESS))
    DUAL_INPUTS = (
        *("clk", "d1", "d2", "w1", "w2"),
        *(f"a1_{k}" for k in range(ADDRESS)),
        *(f"a2_{k}" for k in range(ADDRESS)),
    )

    def test_dual_port_ram(self) -> None:
        sim = simulation(self.DUAL, self.DUAL_INPUTS)
        for a in range(2**ADDRESS):
            put(sim, "a1_", a, ADDRESS)
            put(sim, "a2_", 2**ADDRESS - 1 - a, ADDRESS)
            clock(sim, d1=a & 1, w1=1, d2=0, w2=0)
        for a in range(2**ADDRESS):
            put(sim, "a1_", a, ADDRESS)
            put(sim, "a2_", a ^ 1, ADDRESS)
            clock(sim, w1=0, w2=0)
            assert (get(sim, "q1"), get(sim, "q2")) == (a & 1, ~a & 1)
        assert sim.collisions == 0

    def test_both_ports_at_one_word_is_chance(self) -> None:
        """What VTR does not define is not taken for defined: over many clocks both values come."""
        sim = simulation(self.DUAL, self.DUAL_INPUTS)
        found = set()
        for _ in range(64):
            clock(sim, d1=1, w1=1, w2=0)
            assert get(sim, "q1") == 1
            found.add(get(sim, "q2"))
        assert found == {0, 1}
        assert sim.collisions == 64

    def test_addresses_that_cannot_be_take_no_memory(self) -> None:
        """VTR's slices have 15 address pins, most of them at a constant 0."""
        ports = f"addr[0]=gnd addr[{ADDRESS - 1}]=a " + " ".join(
            f"addr[{k}]=gnd" for k in range(1, ADDRESS - 1)
        )
        slice_ = f".names gnd\n.subckt single_port_ram clk=clk data=d we=w {ports} out=q"
        sim = simulation(slice_, ["clk", "a", "d", "w"])
        clock(sim, a=1, d=1, w=1)
        clock(sim, a=0, d=0, w=1)
        clock(sim, a=1, w=0)
        assert get(sim, "q") == 1
        assert len(sim._arrays["memory"]) == 2


class TestRefused:
    @pytest.mark.parametrize(
        ("body", "words"),
        [
            (".names b x\n1 1\n.names a x b\n11 1", r"m\.blif:\d+: combinational loop: (b|x) -> "),
            (".names x x\n1 1", r"combinational loop: x -> x"),
            (
                ".subckt multiply a[0]=p0 a[1]=a a[2]=a a[3]=a b[0]=a b[1]=a b[2]=a b[3]=a "
                "out[0]=p0",
                r"combinational loop: p0 -> p0",
            ),
            (".latch a x re clk 2\n.latch a y re b 2", r"more than one clock: b, clk"),
            (".names a g\n1 1\n.latch a x re g 2", r"the clock g is not an input"),
            (".names clk g\n1 1\n.latch a x re clk 2", r"the clock clk is read as data"),
            (".subckt adder a=a sum=s", r"no simulation of adder"),
        ],
    )
    def test_named(self, body: str, words: str) -> None:
        adder = "\n.model adder\n.inputs a\n.outputs sum\n.blackbox\n.end\n"
        text = f".model m\n.inputs clk a b0\n.outputs\n{body}\n.end\n{BOXES}{adder}"
        text = text.replace(" b0\n", " b\n" if " b 2" in body else "\n", 1)
        with pytest.raises(NetlistError, match=words):
            NetlistSimulation(read_blif(text, "m.blif"))

    def test_a_loop_through_a_register_is_none(self) -> None:
        sim = simulation(".names q n\n0 1\n.latch n q re clk 0", ["clk"])
        assert [clock(sim)["q"] for _ in range(4)] == [0, 1, 0, 1]

    @pytest.mark.parametrize("address", [" addr[1]", ""])
    def test_another_memory_is_refused(self, address: str) -> None:
        pins = f".inputs clk we data{address}"
        box = f".model single_port_ram\n{pins}\n.outputs out\n.blackbox\n.end\n"
        given = f"{address}=a" if address else ""
        body = f".subckt single_port_ram clk=clk we=a data=a{given} out=q"
        text = f".model m\n.inputs clk a\n.outputs q\n{body}\n.end\n{box}"
        with pytest.raises(NetlistError, match=r"no pins addr\[0\] to addr\[n\]"):
            NetlistSimulation(read_blif(text, "m.blif"))


def test_the_seed_draws_the_memories() -> None:
    ports = " ".join(f"addr[{k}]=a{k}" for k in range(ADDRESS))
    names = ["clk", "d", "w", *(f"a{k}" for k in range(ADDRESS))]
    body = f".subckt single_port_ram clk=clk data=d we=w {ports} out=q"
    memories = [simulation(body, names, seed=s)._arrays["memory"] for s in range(8)]
    assert len({memory.tobytes() for memory in memories}) > 1
    assert all(set(np.unique(memory)) <= {0, 1} for memory in memories)
