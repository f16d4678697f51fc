"""Strict reading of the BLIF that VPR reads: truth tables, latches, instances of hard blocks.

Anything that is not fully understood is an error that names file and line; nothing is skipped. The
subset is what VTR writes: one model with logic, then the models of the hard blocks, which are
``.blackbox``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from ohmbench.eda.tools import ToolError
from ohmbench.errors import one_line

LUT_INPUTS = 6
"""Most inputs of a truth table: the LUTs of the paper's architecture have six."""
_CLOCKED = "re"
_INITIAL = ("0", "1", "2", "3")
"""Initial values of a latch: 0, 1, don't care, unknown."""


class NetlistError(ToolError):
    """A netlist that is not understood or cannot be simulated."""


@dataclass(frozen=True)
class Table:
    """``.names``: bit n of ``bits`` is the output when the inputs, read as a binary number whose
    lowest bit is the first input, are n.
    """

    inputs: tuple[str, ...]
    output: str
    bits: int
    line: int


@dataclass(frozen=True)
class Latch:
    """``.latch`` on a rising edge; ``initial`` is 0, 1 or None."""

    data: str
    output: str
    clock: str
    initial: int | None
    line: int


@dataclass(frozen=True)
class Instance:
    """``.subckt``: an instance of a hard block, with the net at each pin."""

    model: str
    pins: dict[str, str]
    line: int


@dataclass(frozen=True)
class Model:
    """A hard block's model: the names of its pins."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


@dataclass
class Netlist:
    """A netlist; ``file`` is its name in error messages."""

    file: str
    name: str = ""
    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    latches: list[Latch] = field(default_factory=list)
    instances: list[Instance] = field(default_factory=list)
    models: dict[str, Model] = field(default_factory=dict)

    def fail(self, line: int, problem: str) -> NetlistError:
        """The error for a problem in line ``line`` of this file."""
        return NetlistError(f"{self.file}:{line}: {problem}")

    def drivers(self) -> dict[str, int]:
        """Net -> the line that drives it, 0 for inputs. Raises NetlistError for a net that is
        driven twice, or that is read but never driven.
        """
        found = dict.fromkeys(self.inputs, 0)
        for net, line in self._driven():
            if net in found:
                raise self.fail(line, f"net {net} is driven twice")
            found[net] = line
        for net, line in self._read():
            if net not in found:
                raise self.fail(line, f"net {net} is driven by nothing")
        return found

    def _driven(self) -> Iterator[tuple[str, int]]:
        yield from ((table.output, table.line) for table in self.tables)
        yield from ((latch.output, latch.line) for latch in self.latches)
        for one in self.instances:
            for pin in self.models[one.model].outputs:
                if pin in one.pins:
                    yield one.pins[pin], one.line

    def _read(self) -> Iterator[tuple[str, int]]:
        yield from ((net, 0) for net in self.outputs)
        for table in self.tables:
            yield from ((net, table.line) for net in table.inputs)
        for latch in self.latches:
            yield from ((latch.data, latch.line), (latch.clock, latch.line))
        for one in self.instances:
            for pin in self.models[one.model].inputs:
                yield one.pins[pin], one.line


def read_blif(text: str, file: str) -> Netlist:
    """Parse BLIF; the netlist is its first model. Raises NetlistError."""
    found = Netlist(file)
    lines = list(_logical_lines(text))
    begins = [k for k, (_, words) in enumerate(lines) if words[0] == ".model"]
    if not begins or begins[0] != 0:
        raise found.fail(lines[0][0] if lines else 1, "no .model")
    for first, end in zip(begins, [*begins[1:], len(lines)], strict=True):
        block = lines[first:end]
        if block[-1][1] != [".end"]:
            raise found.fail(block[-1][0], "no .end of the model")
        if first == 0:
            _read_top(found, block[:-1])
        else:
            _read_black_box(found, block[:-1])
    _check_instances(found)
    found.drivers()
    return found


def _logical_lines(text: str) -> Iterator[tuple[int, list[str]]]:
    """Numbered lines, split into words, without comments, continuation lines joined."""
    words: list[str] = []
    start = 0
    for number, line in enumerate(text.splitlines(), 1):
        plain = line.partition("#")[0].rstrip()
        start = start if words else number
        words += plain.removesuffix("\\").split()
        if not plain.endswith("\\"):
            if words:
                yield start, words
            words = []
    if words:
        yield start, words


def _model_name(found: Netlist, line: int, words: list[str]) -> str:
    if len(words) != 2:
        raise found.fail(line, ".model with other than one name")
    return words[1]


def _read_top(found: Netlist, block: list[tuple[int, list[str]]]) -> None:
    found.name = _model_name(found, *block[0])
    k = 1
    while k < len(block):
        line, words = block[k]
        k += 1
        if words[0] == ".inputs":
            found.inputs += words[1:]
        elif words[0] == ".outputs":
            found.outputs += words[1:]
        elif words[0] == ".names":
            rows = []
            while k < len(block) and not block[k][1][0].startswith("."):
                rows.append(block[k])
                k += 1
            found.tables.append(_table(found, line, words, rows))
        elif words[0] == ".latch":
            found.latches.append(_latch(found, line, words))
        elif words[0] == ".subckt":
            found.instances.append(_instance(found, line, words))
        else:
            raise found.fail(line, f"not understood: {one_line(words[0])}")
    for what, names in (("input", found.inputs), ("output", found.outputs)):
        if len(set(names)) != len(names):
            raise found.fail(block[0][0], f"an {what} occurs twice")


def _table(found: Netlist, line: int, words: list[str], rows: list[tuple[int, list[str]]]) -> Table:
    if len(words) < 2:
        raise found.fail(line, ".names without a net")
    inputs, output = tuple(words[1:-1]), words[-1]
    if len(inputs) > LUT_INPUTS:
        raise found.fail(line, f"net {output}: a table of {len(inputs)}, not {LUT_INPUTS} inputs")
    size = 1 << len(inputs)
    everything = (1 << size) - 1
    covered, values = 0, set()
    for at, row in rows:
        cube = row[0] if len(row) == 2 else ""
        if len(row) != (2 if inputs else 1) or len(cube) != len(inputs):
            raise found.fail(at, f"net {output}: a row of other than {len(inputs)} inputs")
        if row[-1] not in ("0", "1"):
            raise found.fail(at, f"net {output}: {one_line(row[-1])} is not a value")
        values.add(row[-1])
        mask = everything
        for k, bit in enumerate(cube):
            if bit == "-":
                continue
            if bit not in "01":
                raise found.fail(at, f"net {output}: {one_line(bit)} is not a value of an input")
            # Bits of the table for which input k is 1: every other run of 2**k bits.
            ones = everything // ((1 << (1 << k)) + 1) << (1 << k)
            mask &= ones if bit == "1" else everything & ~ones
        covered |= mask
    if len(values) > 1:
        raise found.fail(line, f"net {output}: rows for 0 and for 1")
    return Table(inputs, output, everything & ~covered if values == {"0"} else covered, line)


def _latch(found: Netlist, line: int, words: list[str]) -> Latch:
    if len(words) != 6 or words[3] != _CLOCKED or words[5] not in _INITIAL:
        raise found.fail(line, "a .latch of another form than: data output re clock 0|1|2|3")
    initial = int(words[5])
    return Latch(words[1], words[2], words[4], initial if initial < 2 else None, line)


def _instance(found: Netlist, line: int, words: list[str]) -> Instance:
    if len(words) < 2:
        raise found.fail(line, ".subckt without a model")
    pins: dict[str, str] = {}
    for word in words[2:]:
        pin, equals, net = word.partition("=")
        if not (pin and equals and net) or pin in pins:
            raise found.fail(line, f"{words[1]}: not one net at one pin: {one_line(word)}")
        pins[pin] = net
    return Instance(words[1], pins, line)


def _read_black_box(found: Netlist, block: list[tuple[int, list[str]]]) -> None:
    line, words = block[0]
    name = _model_name(found, line, words)
    pins: dict[str, list[str]] = {".inputs": [], ".outputs": []}
    black = False
    for at, row in block[1:]:
        if row[0] in pins:
            pins[row[0]] += row[1:]
        elif row == [".blackbox"]:
            black = True
        else:
            raise found.fail(at, f"not understood in {name}: {one_line(row[0])}")
    every = pins[".inputs"] + pins[".outputs"]
    if not black or name in found.models or len(set(every)) != len(every):
        raise found.fail(line, f"{name} is not a single .blackbox with pins of different names")
    found.models[name] = Model(tuple(pins[".inputs"]), tuple(pins[".outputs"]))


def _check_instances(found: Netlist) -> None:
    for one in found.instances:
        model = found.models.get(one.model)
        if model is None:
            raise found.fail(one.line, f"no model {one.model}")
        unknown = set(one.pins) - set(model.inputs) - set(model.outputs)
        if unknown:
            raise found.fail(one.line, f"{one.model} has no pin {min(unknown)}")
        lacking = [pin for pin in model.inputs if pin not in one.pins]
        if lacking:
            raise found.fail(one.line, f"{one.model}: nothing at pin {lacking[0]}")
