"""Cycle-by-cycle simulation of a netlist, counting the ones and toggles of every net.

This is the netlist that VPR places, not the Verilog it came from: it includes everything that the
front end did to the design. Values settle within a clock in one pass, so glitches do not occur.
Hard blocks are VTR's (``primitives.v``): ``multiply`` of unsigned numbers, and 1-bit slices of
memories, which read what is written in the same clock. What happens when two ports access one word
in the same clock, one of them writing, is undefined, so it is drawn at random. So are the initial
contents of registers and memories.
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ohmbench.eda.libraries import compile_library, load_kept
from ohmbench.eda.synthesis.blif import LUT_INPUTS, Instance, Netlist

SOURCE = Path(__file__).with_name("netlist.cpp")
_FLAGS = ("-std=c++17", "-O3")
_FACTOR, _PRODUCT, _ADDRESS, _PORTS = 64, 128, 16, 2
"""The same sizes as in ``netlist.cpp``."""

_MEMORIES = {
    "single_port_ram": (("addr", "data", "we", "out"),),
    "dual_port_ram": (("addr1", "data1", "we1", "out1"), ("addr2", "data2", "we2", "out2")),
}
"""The pins of each port."""
_MULTIPLY = "multiply"
_CLOCK_PIN = "clk"


def _library() -> ctypes.CDLL:
    """The compiled simulator, from the cache or compiled now (seconds). Raises ToolError."""
    return load_kept(lambda anew: compile_library(SOURCE, _FLAGS, "netlist", anew=anew))


_ARRAYS = (
    *("values", "before", "ones", "toggles", "operation", "table", "table_inputs", "table_output"),
    *("factor_a", "factor_b", "product", "latch_data", "latch_output", "latch_next"),
    *("memory_ports", "memory_start", "address", "data", "write", "output", "output_next"),
    "memory",
)


class _Struct(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_int64) for name in ("nets", "operations", "latches", "memories")),
        ("random", ctypes.c_uint64),
        ("collisions", ctypes.c_int64),
        *((name, ctypes.c_void_p) for name in _ARRAYS),
    )


@dataclass(frozen=True)
class _Cell:
    """A cell that computes nets from nets within a clock: table or multiplier ``index``."""

    operation: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


class NetlistSimulation:
    """One simulated netlist. ``nets`` holds the names of all its nets, in the order of ``values``,
    ``ones`` and ``toggles``.

    Per clock: write the inputs into ``values`` (uint8, 0 or 1), call ``settle``, read the outputs
    there, call ``count`` if the clock counts, call ``edge``. ``seed`` draws the initial contents of
    registers and memories. Raises NetlistError for a combinational loop, an unknown hard block,
    more than one clock, and a clock that is not an input.
    """

    def __init__(self, netlist: Netlist, *, seed: int = 1) -> None:
        self.netlist = netlist
        self.nets = tuple(netlist.drivers())
        self.index = {net: k for k, net in enumerate(self.nets)}
        self.clock_net = _clock(netlist)
        self._zero, self._sink = len(self.nets), len(self.nets) + 1
        self._constant_zero = {
            table.output for table in netlist.tables if not table.inputs and not table.bits
        }
        self._rng = np.random.default_rng(seed)
        arrays = {**self._tables(), **self._multipliers(), **self._latches(), **self._memories()}
        arrays["operation"] = np.array(self._order(), np.int32)
        self.values = np.zeros(len(self.nets) + 2, np.uint8)
        self.ones = np.zeros(len(self.nets), np.uint32)
        self.toggles = np.zeros(len(self.nets), np.uint32)
        arrays.update(values=self.values, ones=self.ones, toggles=self.toggles)
        arrays["before"] = np.zeros(len(self.nets), np.uint8)
        for latch in netlist.latches:
            drawn = int(self._rng.integers(2))
            self.values[self.index[latch.output]] = (
                drawn if latch.initial is None else latch.initial
            )
        self._arrays = arrays  # keeps alive the arrays that the structure points to
        self._struct = _Struct(
            nets=len(self.nets),
            operations=len(arrays["operation"]),
            latches=len(netlist.latches),
            memories=len(arrays["memory_ports"]),
            random=int(self._rng.integers(1, 2**63)),
            **{name: arrays[name].ctypes.data for name in _ARRAYS},
        )
        lib, this = _library(), ctypes.byref(self._struct)
        self.settle: Callable[[], None] = _call(lib.net_settle, this)
        self.count: Callable[[], None] = _call(lib.net_count, this)
        self.edge: Callable[[], None] = _call(lib.net_edge, this)

    @property
    def collisions(self) -> int:
        """How often one port of a memory slice wrote a word that the other port accessed."""
        return int(self._struct.collisions)

    def _places(self, nets: Sequence[str | None], size: int, missing: int) -> list[int]:
        """Indices of nets, padded with ``missing`` to ``size``."""
        found = [missing if net is None else self.index[net] for net in nets]
        return found + [missing] * (size - len(found))

    def _tables(self) -> dict[str, NDArray[Any]]:
        tables = self.netlist.tables
        inputs = [self._places(table.inputs, LUT_INPUTS, self._zero) for table in tables]
        return {
            "table": np.array([table.bits for table in tables], np.uint64),
            "table_inputs": np.array(inputs, np.int32).reshape(-1),
            "table_output": np.array([self.index[t.output] for t in tables], np.int32),
        }

    def _blocks(self, *models: str) -> list[Instance]:
        return [one for one in self.netlist.instances if one.model in models]

    def _vector(self, one: Instance, pin: str, most: int) -> list[str | None]:
        """The nets at ``pin[0]``, ``pin[1]``, ..."""
        known = self.netlist.models[one.model]
        width = len([p for p in (*known.inputs, *known.outputs) if re.match(rf"{pin}\[", p)])
        names = [f"{pin}[{k}]" for k in range(width)]
        if not 0 < width <= most or not set(names) <= {*known.inputs, *known.outputs}:
            raise self.netlist.fail(one.line, f"{one.model} has no pins {pin}[0] to {pin}[n]")
        return [one.pins.get(name) for name in names]

    def _multipliers(self) -> dict[str, NDArray[Any]]:
        sizes = {"a": (_FACTOR, self._zero), "b": (_FACTOR, self._zero)}
        sizes["out"] = (_PRODUCT, self._sink)
        found: dict[str, list[list[int]]] = {pin: [] for pin in sizes}
        for one in self._blocks(_MULTIPLY):
            self._check_pins(one, set(), set(sizes))
            for pin, (size, missing) in sizes.items():
                found[pin].append(self._places(self._vector(one, pin, size), size, missing))
        names = {"a": "factor_a", "b": "factor_b", "out": "product"}
        return {names[pin]: np.array(found[pin], np.int32).reshape(-1) for pin in sizes}

    def _latches(self) -> dict[str, NDArray[Any]]:
        latches = self.netlist.latches
        return {
            "latch_data": np.array([self.index[latch.data] for latch in latches], np.int32),
            "latch_output": np.array([self.index[latch.output] for latch in latches], np.int32),
            "latch_next": np.zeros(len(latches), np.uint8),
        }

    def _memories(self) -> dict[str, NDArray[Any]]:
        blocks = self._blocks(*_MEMORIES)
        shape = (len(blocks), _PORTS)
        pins = {name: np.full(shape, self._zero, np.int32) for name in ("data", "write", "output")}
        address = np.full((*shape, _ADDRESS), self._zero, np.int32)
        starts, end = [], 0
        for k, one in enumerate(blocks):
            ports = _MEMORIES[one.model]
            scalars = {_CLOCK_PIN, *(pin for port in ports for pin in port[1:])}
            self._check_pins(one, scalars, {port[0] for port in ports})
            vectors = [self._vector(one, port[0], _ADDRESS - 1) for port in ports]
            # Address bits that are 0 at every port are left out, which keeps the memories small.
            used = [
                bit
                for bit, nets in enumerate(zip(*vectors, strict=True))
                if not set(nets) <= self._constant_zero
            ]
            for p, (vector, (_, data, write, output)) in enumerate(
                zip(vectors, ports, strict=True)
            ):
                address[k, p] = self._places([vector[i] for i in used], _ADDRESS, self._zero)
                pins["data"][k, p] = self.index[one.pins[data]]
                pins["write"][k, p] = self.index[one.pins[write]]
                net = one.pins.get(output)
                pins["output"][k, p] = self._sink if net is None else self.index[net]
            starts.append(end)
            end += 1 << len(used)
        return {
            **pins,
            "address": address,
            "memory_ports": np.array([len(_MEMORIES[one.model]) for one in blocks], np.int32),
            "memory_start": np.array(starts, np.int64),
            "memory": self._rng.integers(2, size=end, dtype=np.uint8),
            "output_next": np.zeros(len(blocks) * _PORTS, np.uint8),
        }

    def _check_pins(self, one: Instance, scalars: set[str], vectors: set[str]) -> None:
        """Raise NetlistError for a pin that the models here do not have."""
        for pin in one.pins:
            if pin not in scalars and pin.partition("[")[0] not in vectors:
                raise self.netlist.fail(one.line, f"{one.model}: pin {pin} is not understood")

    def _cells(self) -> list[_Cell]:
        cells = [
            _Cell(k, tuple(self.index[net] for net in table.inputs), (self.index[table.output],))
            for k, table in enumerate(self.netlist.tables)
        ]
        for k, one in enumerate(self._blocks(_MULTIPLY)):
            model = self.netlist.models[one.model]
            inputs = tuple(self.index[one.pins[pin]] for pin in model.inputs)
            outputs = tuple(self.index[one.pins[p]] for p in model.outputs if p in one.pins)
            cells.append(_Cell(~k, inputs, outputs))
        return cells

    def _order(self) -> list[int]:
        """Tables and multipliers, each after those it reads. Raises NetlistError for a loop."""
        cells = self._cells()
        source = {net: k for k, cell in enumerate(cells) for net in cell.outputs}
        needs = [{source[net] for net in cell.inputs if net in source} for cell in cells]
        readers: list[list[int]] = [[] for _ in cells]
        for k, before in enumerate(needs):
            for b in before:
                readers[b].append(k)
        waits = [len(before) for before in needs]
        ready = [k for k, n in enumerate(waits) if n == 0]
        for k in ready:  # grows during the loop
            for reader in readers[k]:
                waits[reader] -= 1
                if waits[reader] == 0:
                    ready.append(reader)
        if len(ready) < len(cells):
            raise self._loop(cells, needs, {k for k, n in enumerate(waits) if n})
        return [cells[k].operation for k in ready]

    def _loop(self, cells: list[_Cell], needs: list[set[int]], stuck: set[int]) -> Exception:
        """The error for a loop. Every stuck cell waits for another stuck cell, so following them
        backwards leads around the loop.
        """
        path = [min(stuck)]
        while path.count(path[-1]) < 2:
            path.append(min(needs[path[-1]] & stuck))
        around = path[path.index(path[-1]) : -1][::-1]
        nets = [self.nets[cells[k].outputs[0]] for k in around]
        return self.netlist.fail(
            self.netlist.drivers()[nets[0]], f"combinational loop: {' -> '.join([*nets, nets[0]])}"
        )


def _call(function: Any, argument: Any) -> Callable[[], None]:
    def call() -> None:
        function(argument)

    return call


def _clock(netlist: Netlist) -> str | None:
    """The only clock of all latches and memories: an input that is used for nothing else."""
    clocks = {latch.clock: latch.line for latch in netlist.latches}
    for one in netlist.instances:
        if one.model in _MEMORIES:
            if _CLOCK_PIN not in one.pins:
                raise netlist.fail(one.line, f"{one.model} without a pin {_CLOCK_PIN}")
            clocks.setdefault(one.pins[_CLOCK_PIN], one.line)
        elif one.model != _MULTIPLY:
            raise netlist.fail(one.line, f"no simulation of {one.model}")
    if not clocks:
        return None
    name, line = next(iter(clocks.items()))
    if len(clocks) > 1:
        raise netlist.fail(line, f"more than one clock: {', '.join(sorted(clocks))}")
    if name not in netlist.inputs:
        raise netlist.fail(line, f"the clock {name} is not an input")
    read = {net for table in netlist.tables for net in table.inputs}
    read |= {latch.data for latch in netlist.latches}
    read |= {net for one in netlist.instances for pin, net in one.pins.items() if pin != _CLOCK_PIN}
    if name in read:
        raise netlist.fail(line, f"the clock {name} is read as data")
    return name
