"""The values of ``hdl``'s constant expressions for a choice of parameters, as in a simulator.

It takes milliseconds, so that thousands of choices and of changed expressions can be looked at.
``test_elaboration.py`` compares it with a simulator.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .verilog import Block, Expression, Module, read

Values = Mapping[str, Any]
"""Names of parameters, localparams and genvars, and what they are."""


class Refused(ValueError):
    """A module that does not exist is instantiated."""


class Undefined(ArithmeticError):
    """An expression that no simulator gives a value: a division by zero, a negative count."""


def clog2(n: int) -> int:
    """Verilog's: of the 32 bits, unsigned."""
    return max(n % (1 << 32) - 1, 0).bit_length()


def _number(text: str) -> int:
    if "'" not in text:
        return int(text)
    base, digits = text.partition("'")[2][0].lower(), text.partition("'")[2][1:]
    return int(digits.replace("_", ""), {"b": 2, "o": 8, "d": 10, "h": 16}[base])


def _divided(a: int, b: int) -> int:
    if b == 0:
        raise Undefined("a division by zero")
    return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)


_OPERATORS = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": _divided,
    "%": lambda a, b: a - b * _divided(a, b),
    "<": lambda a, b: int(a < b),
    "<=": lambda a, b: int(a <= b),
    ">": lambda a, b: int(a > b),
    ">=": lambda a, b: int(a >= b),
    "==": lambda a, b: int(a == b),
    "!=": lambda a, b: int(a != b),
    "&&": lambda a, b: int(bool(a) and bool(b)),
    "||": lambda a, b: int(bool(a) or bool(b)),
    "&": lambda a, b: a & b,
    "|": lambda a, b: a | b,
    "^": lambda a, b: a ^ b,
}


def _width(expression: Expression, values: Values) -> int | None:
    """Of selected bits; others keep theirs, whatever their value."""
    e = expression
    if e.kind != "bits" or e.text == "]":
        return 1 if e.kind == "bits" else None
    first, last = (value(part, values) for part in e.parts[1:])
    return first - last + 1 if e.text == ":" else last


def value(expression: Expression, values: Values) -> Any:
    """What a constant expression is: an int, or a tuple for bits side by side, of which nothing but
    equality is asked. Raises Undefined."""
    e = expression
    if e.kind == "number":
        return _number(e.text)
    if e.kind == "name":
        return values[e.text]
    if e.kind == "choice":
        return value(e.parts[1 if value(e.parts[0], values) else 2], values)
    if e.kind == "bits":
        whole, first, *rest = (value(p, values) for p in e.parts)
        if e.text == "]":
            return whole >> first & 1
        low, width = (rest[0], first - rest[0] + 1) if e.text == ":" else (first, rest[0])
        if width < 1 or low < 0:
            raise Undefined("no bits")
        return whole >> low & ((1 << width) - 1)
    if e.kind == "repeat":
        count = value(e.parts[0], values)
        if count < 0:
            raise Undefined("a negative count")
        return ("repeat", count, value(e.parts[1], values))
    parts = [value(part, values) for part in e.parts]
    if e.kind == "concat":
        return ("concat", *parts, *(_width(part, values) for part in e.parts))
    if e.kind == "call":
        return clog2(parts[0])
    if e.kind == "unary":
        return {"-": -parts[0], "+": parts[0], "!": int(not parts[0]), "~": ~parts[0]}[e.text]
    if e.text in ("<<", ">>"):
        if not 0 <= parts[1] < 4096:
            raise Undefined("a shift that far")
        return parts[0] << parts[1] if e.text == "<<" else parts[0] >> parts[1]
    return _OPERATORS[e.text](*parts)


@dataclass(frozen=True)
class Scope:
    """A block of a module as it is elaborated: the names that its expressions can use."""

    module: str
    block: int
    values: dict[str, int]
    given: frozenset[str]
    """The parameters that the module did not take from itself."""


class Design:
    """The modules of ``hdl`` by name, and what becomes of them for given parameters."""

    def __init__(self, texts: Iterable[str]) -> None:
        self.modules = {module.name: module for module in map(read, texts)}

    def scopes(self, top: str, parameters: Values, *, refuse: bool = True) -> list[Scope]:
        """Every block of every module that is instantiated, each different one once.

        Raises Refused where a module is instantiated that does not exist; without ``refuse``, that
        goes no further, and the other modules are those of the top alone.
        """
        found: dict[tuple[Any, ...], Scope] = {}
        try:
            self._visit(top, dict(parameters), found)
        except Refused:
            if refuse:
                raise
        return list(found.values())

    def refusals(self, top: str, parameters: Values) -> list[str]:
        """The modules that do not exist, with which the top refuses these parameters."""
        found = []
        module, inside = self._blocks(top, parameters)
        for instance in module.instances:
            if inside[instance.scope] and instance.module not in self.modules:
                found.append(instance.module)
        return found

    def default(self, name: str, parameter: str, given: Values) -> Any:
        """What a module takes for a parameter that it is not given."""
        values: dict[str, Any] = {}
        for constant in self.modules[name].parameters:
            found = value(constant.value, values)
            if constant.name == parameter:
                return found
            values[constant.name] = given.get(constant.name, found)
        raise KeyError(parameter)

    def _blocks(self, name: str, given: Values) -> tuple[Module, dict[int, list[dict[str, int]]]]:
        """A module, and for each of its blocks the values in it, once for each time it is there."""
        module = self.modules[name]
        values: dict[str, int] = {}
        for parameter in module.parameters:
            default = value(parameter.value, values)
            values[parameter.name] = given.get(parameter.name, default)
        inside = {0: [values]}
        for k, block in enumerate(module.blocks):
            if block.parent is not None:
                inside[k] = list(self._entered(block, inside[block.parent]))
            for here in inside[k]:
                self._define(module, k, here)
        return module, inside

    def _visit(self, name: str, given: Values, found: dict[tuple[Any, ...], Scope]) -> None:
        if name not in self.modules:
            raise Refused(name)
        module, inside = self._blocks(name, given)
        names = frozenset(given)
        if (name, 0, names, *inside[0][0].items()) in found:
            return
        for k, blocks in inside.items():
            for here in blocks:
                found[(name, k, names, *here.items())] = Scope(name, k, here, names)
        for instance in module.instances:
            for here in inside[instance.scope]:
                handed = {n: value(e, here) for n, e in instance.given.items()}
                self._visit(instance.module, handed, found)

    @staticmethod
    def _define(module: Module, block: int, values: dict[str, int]) -> None:
        for constant in module.constants:
            if constant.scope == block:
                result = value(constant.value, values)
                if constant.high is not None and isinstance(result, int):
                    result %= 1 << (value(constant.high, values) + 1)
                values[constant.name] = result

    @staticmethod
    def _entered(block: Block, outer: list[dict[str, int]]) -> Iterator[dict[str, int]]:
        for values in outer:
            if block.loop is None:
                assert block.condition is not None
                if bool(value(block.condition, values)) == block.taken:
                    yield dict(values)
                continue
            name, first, condition, following = block.loop
            here = {**values, name: value(first, values)}
            while value(condition, here):
                yield dict(here)
                here[name] = value(following, here)
