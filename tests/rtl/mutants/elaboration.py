"""Mutants of ``hdl``'s constant expressions, and the parameters that tell them apart.

Each constant expression is changed in the ways in which people get it wrong: a comparison's
direction or turning point, one more or less, a term left out, the branches of a choice, a
rounding, another parameter of the module, a parameter not handed on. A mutant is named after its
place in the module's structure, not after the text around it.

Parameters *tell* a mutant apart when its expression has another value than the original in some
instance. That is computed from the text alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from random import Random
from typing import Any

from ..configurations import Configuration
from ..elaborate import Design, Scope, Undefined, value
from ..verilog import Expression, Instance, Module, Site, expression

_COMPARISONS = {
    "<": ("<=", "!=", ">="),
    ">": (">=", "!=", "<="),
    "<=": ("<", "==", ">"),
    ">=": (">", "==", "<"),
    "==": ("!=", "<=", ">="),
    "!=": ("==", "<", ">"),
}
_OTHERS = {
    "+": ("-",),
    "-": ("+",),
    "*": ("+",),
    "/": ("%",),
    "%": ("/",),
    "&&": ("||",),
    "||": ("&&",),
    "&": ("|",),
    "|": ("&",),
    "<<": (">>",),
}


@dataclass(frozen=True)
class Mutant:
    """``text`` in place of a site's expression; ``instance`` where it is a parameter left out."""

    site: Site
    what: str
    text: str
    instance: Instance | None = None

    @property
    def id(self) -> str:
        return f"{self.site.module} | {self.site.role} | {self.what}"

    @property
    def is_around(self) -> bool:
        """In what stands around the core."""
        return "axi" in self.site.module

    @property
    def is_refusal(self) -> bool:
        """In a condition under which parameters are refused."""
        return self.site.role.startswith("if check_")

    @cached_property
    def expression(self) -> Expression | None:
        return expression(self.text) if self.instance is None else None

    def apply(self, module: Module) -> str:
        """The module's file with the mutant in it."""
        e = self.site.expression
        return module.text[: e.start] + self.text + module.text[e.end :]


def mutants_of(module: Module) -> Iterator[Mutant]:
    instances = {instance.name: instance for instance in module.instances}
    for site in module.sites:
        whole = module.text[site.expression.start : site.expression.end]
        seen: set[object] = {whole}
        for what, text in _variants(module, site):
            mutant = Mutant(site, what, text)
            signature = text if text in seen else _signature(mutant)
            if signature not in seen:
                seen |= {text, signature}
                yield mutant
        if site.kind == "given":
            yield Mutant(site, "left out", "", instances[site.role.split()[1]])


def _signature(mutant: Mutant) -> tuple[Any, ...]:
    """Its values for some values of its names: of two ways to the same value, one is enough."""
    assert mutant.expression is not None
    rng = Random(1)
    names = sorted(mutant.site.expression.names() | mutant.expression.names())
    found = []
    for _ in range(24):
        values = {
            name: rng.choice((0, 1, 1, 2, 2, 3, 3, 4, 5, 7, 8, 9, 16, 33, 64)) for name in names
        }
        try:
            found.append(value(mutant.expression, values))
        except (Undefined, TypeError):
            found.append(None)
    return tuple(found)


def _variants(module: Module, site: Site) -> Iterator[tuple[str, str]]:
    root, names = site.expression, module.names(site.scope)
    for n, e in enumerate(root.walk(), 1):
        here, *parts = (module.text[x.start : x.end] for x in (e, *e.parts))

        def put(new: str, e: Expression = e) -> str:
            return module.text[root.start : e.start] + new + module.text[e.end : root.end]

        place = f"{n} {e.text}"
        if e.kind == "number":
            if e.text == "1'b1":
                yield f"{place} -> 0", put("1'b0")
            elif "'" not in e.text:
                yield f"{place} + 1", put(str(int(e.text) + 1))
                if int(e.text) > 0:
                    yield f"{place} - 1", put(str(int(e.text) - 1))
        elif e.kind == "name" and e.text in names and len(names) > 1:
            k = names.index(e.text)
            yield f"{place} -> its neighbour", put(names[k - 1] if k else names[1])
        elif e.kind == "binary":
            for op in (*_COMPARISONS.get(e.text, ()), *_OTHERS.get(e.text, ())):
                if e.text == "-" and parts[1] == "1":
                    continue  # a range is made longer by one below, which is enough
                yield f"{place} -> {op}", put(f"({parts[0]} {op} {parts[1]})")
            if e.text in ("+", "-", "&&", "||"):
                yield f"{place} left only", put(parts[0])
            if e.text in ("&&", "||"):
                yield f"{place} right only", put(parts[1])
            if e.text == "/":
                yield f"{place} rounded up", put(f"(({parts[0]} + {parts[1]} - 1) / {parts[1]})")
            if e.text in _COMPARISONS:
                yield f"{place} of one more", put(f"({parts[0]} {e.text} {parts[1]} + 1)")
                yield f"{place} of one less", put(f"({parts[0]} {e.text} {parts[1]} - 1)")
        elif e.kind == "choice":
            yield f"{place} swapped", put(f"({parts[0]} ? {parts[2]} : {parts[1]})")
            yield f"{place} always first", put(f"({parts[1]})")
            yield f"{place} always second", put(f"({parts[2]})")
        elif e.kind == "call":
            for d in ("+ 1", "- 1"):
                yield f"{place} of {d}", put(f"$clog2({parts[0]} {d})")
                yield f"{place} {d}", put(f"({here} {d})")
        elif e.kind == "repeat":
            count = e.parts[0]
            for d in ("+ 1", "- 1"):
                before = module.text[e.start : count.start]
                yield (
                    f"{place} count {d}",
                    put(f"{before}({parts[0]} {d}){module.text[count.end : e.end]}"),
                )
    if site.kind == "condition":
        yield "always", "1"
        yield "never", "0"
    elif root.kind not in ("repeat", "concat"):
        whole = module.text[root.start : root.end]
        yield "all + 1", f"({whole} + 1)"
        yield "all - 1", f"({whole} - 1)"


class Telling:
    """Which mutants which choices of parameters tell apart."""

    def __init__(self, design: Design) -> None:
        self.design = design
        self._rows: list[dict[tuple[str, int], list[Scope]]] = []

    def add(self, top: str, row: Configuration) -> None:
        """One more row."""
        parameters = row.sizes() if top == "accelerator_axi" else row.parameters()
        by_place: dict[tuple[str, int], list[Scope]] = defaultdict(list)
        for scope in self.design.scopes(top, parameters, refuse=False):
            by_place[scope.module, scope.block].append(scope)
        self._rows.append(by_place)

    def rows(self, mutant: Mutant) -> Iterator[int]:
        """The numbers of the rows that tell it apart."""
        place = mutant.site.module, mutant.site.scope
        names = self._names(mutant)
        default = mutant.site.role.split()[1] if mutant.site.kind == "parameter" else ""
        known: dict[tuple[int, ...], bool] = {}
        for row, by_place in enumerate(self._rows):
            for scope in by_place.get(place, ()):
                if default in scope.given:
                    continue
                key = tuple(scope.values[name] for name in names)
                if key not in known:
                    known[key] = self._differs(mutant, scope.values)
                if known[key]:
                    yield row
                    break

    def tells(self, mutant: Mutant) -> bool:
        return next(self.rows(mutant), None) is not None

    def is_longer(self, mutant: Mutant) -> bool:
        """Whether it makes a range, or a selection of bits, longer."""
        if mutant.site.kind not in ("range", "index", "width", "count"):
            return False
        for row in self.rows(mutant):
            for scope in self._rows[row].get((mutant.site.module, mutant.site.scope), ()):
                if self._differs(mutant, scope.values):
                    assert mutant.expression is not None
                    right = value(mutant.site.expression, scope.values)
                    try:
                        return bool(value(mutant.expression, scope.values) > right)
                    except (Undefined, TypeError):
                        return False
        return False

    def _names(self, mutant: Mutant) -> list[str]:
        names = mutant.site.expression.names()
        if mutant.instance is not None:
            for given in mutant.instance.given.values():
                names |= given.names()
        elif mutant.expression is not None:
            names |= mutant.expression.names()
        return sorted(names)

    def _differs(self, mutant: Mutant, values: Mapping[str, int]) -> bool:
        if mutant.instance is not None:
            parameter = mutant.site.role.partition(".")[2]
            given = {n: value(e, values) for n, e in mutant.instance.given.items()}
            return self.design.default(mutant.instance.module, parameter, given) != given[parameter]
        assert mutant.expression is not None
        right = value(mutant.site.expression, values)
        try:
            return value(mutant.expression, values) != right
        except (Undefined, KeyError, TypeError):
            return True


def told(design: Design, top: str, row: Configuration, mutants: Iterable[Mutant]) -> set[str]:
    """Those that one choice of parameters tells apart."""
    telling = Telling(design)
    telling.add(top, row)
    return {mutant.id for mutant in mutants if telling.tells(mutant)}
