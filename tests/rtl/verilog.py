"""The modules of ``hdl``, parsed: their constant expressions, and where each of them stands.

``read`` knows the subset of Verilog that ``hdl`` keeps to and raises ValueError for anything else,
so a new construct has to be added here. It lists parameters and localparams, conditions and bounds
of ``generate``, parameters handed to instances, ranges, replications, and every other part of an
expression that is known before the first clock. ``elaborate.py`` evaluates them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_TOKEN = re.compile(
    r"(?P<space>\s+|//[^\n]*|`\w+[^\n]*)"
    r"|(?P<number>\d*'[bodhBODH][0-9a-fA-F_xXzZ]+|\d+)"
    r"|(?P<name>\$?[A-Za-z_]\w*)"
    r"|(?P<op><<|>>|<=|>=|==|!=|&&|\|\||\+:|[-+*/%<>!~&|^?:=(){}\[\],;.#@])"
)
_BINARY = {
    op: level
    for level, ops in enumerate(
        ("||", "&&", "|", "^", "&", "== !=", "< <= > >=", "<< >>", "+ -", "* / %")
    )
    for op in ops.split()
}
_UNARY = ("-", "+", "!", "~", "&", "|", "^")


@dataclass(frozen=True)
class Token:
    kind: str
    text: str
    start: int

    @property
    def end(self) -> int:
        return self.start + len(self.text)


def tokens(text: str) -> list[Token]:
    found, at = [], 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise ValueError(f"no token at {text[at : at + 40]!r}")
        if match.lastgroup != "space":
            found.append(Token(str(match.lastgroup), match.group(), at))
        at = match.end()
    return found


@dataclass(frozen=True)
class Expression:
    """``kind``: number, name, call, unary, binary, choice (``?:``), bits ([a:b], [a], [a +: b]),
    concat or repeat. ``text`` is the operator, name or number; ``at`` where it stands."""

    kind: str
    text: str
    parts: tuple[Expression, ...]
    start: int
    end: int
    at: int

    def walk(self) -> Iterator[Expression]:
        yield self
        for part in self.parts:
            yield from part.walk()

    def names(self) -> set[str]:
        return {e.text for e in self.walk() if e.kind == "name"}


@dataclass(frozen=True)
class Site:
    """A constant expression of a module: the role it has there, and under which conditions.

    ``role`` says where, by structure: ``localparam ADDR0_W``, ``instance core .LANES``. ``scope``
    is the generate block that holds it (its key in ``Module.blocks``).
    """

    module: str
    role: str
    expression: Expression
    scope: int
    kind: str


@dataclass(frozen=True)
class Block:
    """The module, or what a generate condition or loop guards. ``condition`` with ``taken``: an
    if; ``loop``: genvar, first value, condition, next value."""

    parent: int | None
    condition: Expression | None = None
    taken: bool = True
    loop: tuple[str, Expression, Expression, Expression] | None = None


@dataclass(frozen=True)
class Constant:
    """A parameter or localparam; ``width`` is the expression of its highest bit, if it has one."""

    name: str
    value: Expression
    scope: int
    high: Expression | None = None


@dataclass(frozen=True)
class Instance:
    module: str
    name: str
    given: dict[str, Expression]
    scope: int
    spans: dict[str, tuple[int, int]]
    """Where each handing-over stands, with its comma where there is one."""


@dataclass
class Module:
    name: str
    text: str
    parameters: list[Constant] = field(default_factory=list)
    constants: list[Constant] = field(default_factory=list)
    instances: list[Instance] = field(default_factory=list)
    blocks: list[Block] = field(default_factory=list)
    sites: list[Site] = field(default_factory=list)

    def names(self, scope: int) -> list[str]:
        """Parameters and localparams that a block can use, in the order of the text."""
        outer: set[int | None] = set()
        at: int | None = scope
        while at is not None:
            outer.add(at)
            at = self.blocks[at].parent
        return [c.name for c in (*self.parameters, *self.constants) if c.scope in outer]


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = tokens(text)
        self.at = 0
        self.block = 0
        self.constant_names: set[str] = set()
        self.counts: dict[str, int] = {}

    # Tokens.
    def peek(self, ahead: int = 0) -> str:
        k = self.at + ahead
        return self.tokens[k].text if k < len(self.tokens) else ""

    def take(self, *wanted: str) -> Token:
        token = self.tokens[self.at]
        if wanted and token.text not in wanted:
            line = self.text.count("\n", 0, token.start) + 1
            raise ValueError(f"line {line}: {token.text!r} stands where {wanted} should")
        self.at += 1
        return token

    def took(self, text: str) -> bool:
        if self.peek() == text:
            self.at += 1
            return True
        return False

    # Expressions.
    def expression(self, level: int = -1) -> Expression:
        left = self.unary()
        while True:
            op = self.peek()
            if level < 0 and op == "?":
                at = self.take().start
                yes = self.expression()
                self.take(":")
                no = self.expression()
                left = Expression("choice", "?", (left, yes, no), left.start, no.end, at)
            elif op in _BINARY and _BINARY[op] > level:
                at = self.take().start
                right = self.expression(_BINARY[op])
                left = Expression("binary", op, (left, right), left.start, right.end, at)
            else:
                return left

    def unary(self) -> Expression:
        token = self.take()
        if token.text in _UNARY:
            inner = self.unary()
            return Expression("unary", token.text, (inner,), token.start, inner.end, token.start)
        if token.text == "(":
            inner = self.expression()
            end = self.take(")").end
            return Expression(inner.kind, inner.text, inner.parts, token.start, end, inner.at)
        if token.text == "{":
            return self.concatenation(token.start)
        if token.kind == "number":
            return Expression("number", token.text, (), token.start, token.end, token.start)
        if token.kind != "name":
            self.at -= 1
            self.take("an expression")
        if token.text.startswith("$"):
            self.take("(")
            inner = self.expression()
            end = self.take(")").end
            return Expression("call", token.text, (inner,), token.start, end, token.start)
        found = Expression("name", token.text, (), token.start, token.end, token.start)
        while self.peek() == "[":
            found = self.bits(found)
        return found

    def bits(self, base: Expression) -> Expression:
        at = self.take("[").start
        first = self.expression()
        kind = self.take("]", ":", "+:").text
        parts = [base, first]
        if kind != "]":
            parts.append(self.expression())
            self.take("]")
        return Expression("bits", kind, tuple(parts), base.start, self.tokens[self.at - 1].end, at)

    def concatenation(self, start: int) -> Expression:
        first = self.expression()
        if self.peek() == "{":
            self.take("{")
            inner = self.concatenation(first.end)
            end = self.take("}").end
            return Expression("repeat", "{{", (first, inner), start, end, start)
        parts = [first]
        while self.took(","):
            parts.append(self.expression())
        end = self.take("}").end
        return Expression("concat", "{", tuple(parts), start, end, start)


class _Reader(_Parser):
    def module(self) -> Module:
        self.take("module")
        self.module_ = Module(self.take().text, self.text)
        self.module_.blocks.append(Block(None))
        if self.took("#"):
            self.take("(")
            while True:
                self.take("parameter")
                self.constant("parameter", self.module_.parameters)
                if not self.took(","):
                    break
            self.take(")")
        self.take("(")
        while not self.took(")"):
            self.take("input", "output")
            self.take("wire")
            self.declared("port")
            self.took(",")
        self.take(";")
        while not self.took("endmodule"):
            self.item()
        return self.module_

    # Sites.
    def site(self, role: str, kind: str, expression: Expression) -> None:
        n = self.counts[role] = self.counts.get(role, 0) + 1
        name = role if n == 1 else f"{role} ({n})"
        self.module_.sites.append(Site(self.module_.name, name, expression, self.block, kind))

    def is_constant(self, expression: Expression) -> bool:
        return expression.names() <= self.constant_names and not any(
            e.kind == "call" and e.text != "$clog2" for e in expression.walk()
        )

    def runtime(self, role: str, expression: Expression) -> None:
        """The largest constant parts of an expression; what has no name in it is none."""
        if self.is_constant(expression):
            if expression.names():
                self.site(role, "value", expression)
            return
        kinds = {"bits": ("", "index", "index"), "repeat": ("count", "")}.get(expression.kind, ())
        for k, part in enumerate(expression.parts):
            kind = kinds[k] if k < len(kinds) else ""
            if kind and self.is_constant(part):
                if part.names():
                    width = expression.text == "+:" and k == 2
                    self.site(role, "width" if width else kind, part)
            else:
                self.runtime(role, part)

    # Items.
    def constant(self, what: str, into: list[Constant]) -> None:
        high = None
        if self.peek() == "[":
            high = self.range(None)
        name = self.take().text
        self.take("=")
        value = self.expression()
        into.append(Constant(name, value, self.block, high))
        self.constant_names.add(name)
        if high is not None and high.names():
            self.site(f"{what} {name} range", "range", high)
        if value.names():
            self.site(f"{what} {name}", what, value)

    def range(self, role: str | None) -> Expression:
        self.take("[")
        high = self.expression()
        self.take(":")
        low = self.expression()
        self.take("]")
        if low.text != "0":
            raise ValueError(f"{self.module_.name}: a range that does not end at 0")
        if role is not None and high.names():
            self.site(role, "range", high)
        return high

    def declared(self, what: str) -> list[str]:
        """Names after ``wire`` or ``reg``, with range, array or value."""
        high = None
        if self.peek() == "[":
            high = self.range(None)
        names = []
        while True:
            name = self.take().text
            names.append(name)
            if high is not None and len(names) == 1 and high.names():
                self.site(f"{what} {name} range", "range", high)
            if self.peek() == "[":
                self.take("[")
                self.take("0")
                self.take(":")
                last = self.expression()
                self.take("]")
                if last.names():
                    self.site(f"{what} {name} words", "words", last)
            if self.took("="):
                self.runtime(f"{what} {name}", self.expression())
            if what == "port" or not self.took(","):
                return names

    def item(self) -> None:
        word = self.peek()
        if word in ("generate", "endgenerate"):
            self.take()
        elif word == "localparam":
            self.take()
            self.constant("localparam", self.module_.constants)
            self.take(";")
        elif word in ("wire", "reg"):
            self.take()
            self.declared(word)
            self.take(";")
        elif word == "genvar":
            self.take()
            self.constant_names.add(self.take().text)
            while self.took(","):
                self.constant_names.add(self.take().text)
            self.take(";")
        elif word == "assign":
            self.take()
            target = self.unary()
            self.take("=")
            name = f"assign {next(iter(target.walk())).text}"
            while target.kind == "bits":
                name, base = f"assign {target.parts[0].text}", target
                target = target.parts[0]
                self.runtime(f"{name} target", base)
            self.runtime(name, self.expression())
            self.take(";")
        elif word == "always":
            self.take()
            self.take("@")
            self.take("(")
            self.take("posedge")
            self.take("clk_i")
            self.take(")")
            self.statement()
        elif word == "for":
            self.loop()
        elif word == "if":
            self.condition()
        else:
            self.instance()

    def statement(self) -> None:
        if self.took("begin"):
            while not self.took("end"):
                self.statement()
            return
        if self.took("if"):
            self.take("(")
            self.runtime("if", self.expression())
            self.take(")")
            self.statement()
            if self.took("else"):
                self.statement()
            return
        target = self.unary()
        self.take("<=")
        name = target.text
        for part in target.walk():
            if part.kind == "name":
                name = part.text
                break
        self.runtime(f"{name} target", target)
        self.runtime(name, self.expression())
        self.take(";")

    def body(self, block: Block) -> None:
        outer = self.block
        self.module_.blocks.append(block)
        self.block = len(self.module_.blocks) - 1
        self.take("begin")
        self.take(":")
        self.take()
        while not self.took("end"):
            self.item()
        self.block = outer

    def loop(self) -> None:
        self.take("for")
        self.take("(")
        name = self.take().text
        self.take("=")
        first = self.expression()
        self.take(";")
        condition = self.expression()
        self.take(";")
        self.take(name)
        self.take("=")
        following = self.expression()
        self.take(")")
        label = self.peek(2)
        self.body(Block(self.block, loop=(name, first, condition, following)))
        self.site(f"for {label} bound", "bound", condition.parts[1])

    def condition(self) -> None:
        self.take("if")
        self.take("(")
        condition = self.expression()
        self.take(")")
        label = self.peek(2)
        self.site(f"if {label}", "condition", condition)
        self.body(Block(self.block, condition))
        if self.took("else"):
            no = Block(self.block, condition, taken=False)
            if self.peek() == "if":
                outer = self.block
                self.module_.blocks.append(no)
                self.block = len(self.module_.blocks) - 1
                self.condition()
                self.block = outer
            else:
                self.body(no)

    def instance(self) -> None:
        module = self.take().text
        given: dict[str, Expression] = {}
        spans: dict[str, tuple[int, int]] = {}
        if self.took("#"):
            self.take("(")
            while True:
                start = self.take(".").start
                name = self.take().text
                self.take("(")
                given[name] = self.expression()
                end = self.take(")").end
                more = self.peek() == ","
                spans[name] = (start, self.tokens[self.at].end if more else end)
                if not self.took(","):
                    break
            self.take(")")
        name = self.take().text
        self.module_.instances.append(Instance(module, name, given, self.block, spans))
        for parameter, value in given.items():
            self.site(f"instance {name} .{parameter}", "given", value)
        self.take("(")
        while not self.took(")"):
            self.take(".")
            port = self.take().text
            self.take("(")
            self.runtime(f"instance {name} {port}", self.expression())
            self.take(")")
            self.took(",")
        self.take(";")


def expression(text: str) -> Expression:
    """One expression."""
    parser = _Parser(text)
    found = parser.expression()
    if parser.at != len(parser.tokens):
        raise ValueError(f"{text!r} is more than an expression")
    return found


def read(text: str) -> Module:
    """The one module of a file's text. Raises ValueError for what ``hdl`` does not use."""
    return _Reader(text).module()
