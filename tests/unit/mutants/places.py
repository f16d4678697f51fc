"""What can be changed in a module's source: each mutant changes one place by one operator.

A mutant is named by its unit (a function or method with all that is defined in it, the body of a
class, or the module's own statements), its operator, the texts before and after, and a number where
the same change is possible in several places of the unit. So it keeps its name while other units
change. What computes nothing is left alone: docstrings, annotations, the texts of messages.
"""

from __future__ import annotations

import ast
import copy
import hashlib
import types
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

MODULE = "module"
"""The unit of a module's own statements."""
TEXT = 90
"""Characters of an expression that a mutant's name shows."""

_OPERATORS: dict[type[ast.AST], type[ast.AST]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Div,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.BitXor: ast.BitAnd,
}
_COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Gt: (ast.GtE, ast.Lt),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Lt: (ast.LtE, ast.Gt),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
}
_PAIRS = (
    ("min", "max"),
    ("minimum", "maximum"),
    ("amin", "amax"),
    ("argmin", "argmax"),
    ("any", "all"),
    ("floor", "ceil"),
    ("sin", "cos"),
    ("M", "S"),
    ("w0", "w1"),
    ("b0", "b1"),
    ("lower", "upper"),
)
_NAMES = {a: b for pair in _PAIRS for a, b in (pair, pair[::-1])} | {"float64": "float32"}
# What these arguments say is for readers, or is what Python does anyway on the machines it runs on.
_IDLE_KEYWORDS = {"encoding", "strict", "help", "metavar", "rich_help_panel", "stacklevel", "title"}
_SYMMETRIC = {"min", "max", "minimum", "maximum", "gcd", "lcm", "hypot", "zip", "swapaxes"}
_TYPING = {"cast", "TypeVar", "NewType", "ParamSpec"}


@dataclass(frozen=True)
class Mutant:
    """One change of one place. ``apply`` makes it in the tree that was walked."""

    module: str
    unit: str
    operator: str
    before: str
    after: str
    number: int
    line: int
    on_import: bool
    """Whether this place is computed, or compiled, when the module is imported."""
    apply: Callable[[], None] = field(compare=False, repr=False)

    @property
    def name(self) -> str:
        """What it is called within its unit."""
        again = f" #{self.number}" if self.number else ""
        return f"{self.operator}: {self.before} -> {self.after}{again}"

    @property
    def full_name(self) -> str:
        return f"{self.module}:{self.unit} {self.name}"

    def __str__(self) -> str:
        return f"{self.module}:{self.unit} (line {self.line}) {self.name}"


@dataclass(frozen=True)
class Unit:
    """A part of a module that is mutated, and listed, on its own."""

    module: str
    name: str
    digest: str
    mutants: tuple[Mutant, ...]
    lines: range | None
    """Of a function; None for what is spread over a class or the module."""


class _Messages(ast.NodeTransformer):
    """Formatted strings are written differently by different versions of Python."""

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.AST:
        return ast.Name("message")


def _text(node: ast.AST | None) -> str:
    if node is None:
        return ""
    if any(isinstance(n, ast.JoinedStr) for n in ast.walk(node)):
        node = _Messages().visit(copy.deepcopy(node))
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= TEXT else text[: TEXT - 1] + "…"


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.JoinedStr) or (
        isinstance(node, ast.Constant) and isinstance(node.value, str)
    )


def _called(node: ast.Call) -> str:
    function = node.func
    return getattr(function, "attr", getattr(function, "id", ""))


_Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
_Change = tuple[str, ast.AST, str, Callable[[], None]]
"""Operator, the place as it is, its text afterwards, what makes the change."""


def _set(node: ast.AST, name: str, value: object) -> Callable[[], None]:
    return lambda: setattr(node, name, value)


class _Walk:
    """Yields the changes of one unit in the order of the source."""

    def __init__(self) -> None:
        self.assigned: set[str] = set()

    def statements(self, body: list[ast.stmt]) -> Iterator[_Change]:
        for index, statement in enumerate(body):
            yield from self.removal(statement, body, index)
            yield from self.statement(statement)

    def removal(self, node: ast.stmt, body: list[ast.stmt], index: int) -> Iterator[_Change]:
        if isinstance(node, ast.Expr):
            removable = isinstance(node.value, ast.Call | ast.Await)
        elif isinstance(node, ast.Assign | ast.AugAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            removable = isinstance(node, ast.AugAssign) or all(
                isinstance(t, ast.Attribute | ast.Subscript)
                or (isinstance(t, ast.Name) and t.id in self.assigned)
                for t in targets
            )
        elif isinstance(node, ast.Return):
            removable = node.value is None
        else:
            removable = isinstance(node, ast.Raise | ast.Continue | ast.Break | ast.Delete)
        if removable:
            gone = ast.copy_location(ast.Pass(), node)
            yield "remove", node, "pass", lambda: body.__setitem__(index, gone)

    def statement(self, node: ast.stmt) -> Iterator[_Change]:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                yield from self.definition(node)
                yield from self.statements(node.body)
            case ast.ClassDef():
                yield from self.definition(node)
                yield from self.statements(node.body)
            case ast.Raise() | ast.Import() | ast.ImportFrom() | ast.Assert():
                return
            case ast.Return() if node.value is not None:
                if not (isinstance(node.value, ast.Constant) and node.value.value is None):
                    none = ast.copy_location(ast.Constant(None), node.value)
                    if not isinstance(node.value, ast.Constant):
                        yield "return", node, "return None", _set(node, "value", none)
                yield from self.expression(node.value)
            case ast.If():
                if _text(node.test) == "TYPE_CHECKING":
                    return
                yield from self.condition(node, "test")
                yield from self.statements(node.body)
                yield from self.statements(node.orelse)
            case ast.While():
                yield from self.condition(node, "test")
                yield from self.statements(node.body)
                yield from self.statements(node.orelse)
            case ast.For() | ast.AsyncFor():
                yield from self.expression(node.iter)
                self.target(node.target)
                yield from self.statements(node.body)
                yield from self.statements(node.orelse)
            case ast.Try():
                yield from self.statements(node.body)
                for handler in node.handlers:
                    yield from self.handler(handler)
                yield from self.statements(node.orelse)
                yield from self.statements(node.finalbody)
            case ast.With() | ast.AsyncWith():
                for item in node.items:
                    yield from self.expression(item.context_expr)
                    if item.optional_vars is not None:
                        self.target(item.optional_vars)
                yield from self.statements(node.body)
            case ast.Match():
                yield from self.expression(node.subject)
                for case in node.cases:
                    if case.guard is not None:
                        yield from self.condition(case, "guard")
                    yield from self.statements(case.body)
            case ast.AugAssign():
                new = _OPERATORS.get(type(node.op))
                if new is not None and not _is_text(node.value):
                    yield self._operator(node, new())
                yield from self.expression(node.value)
            case ast.Assign():
                if [_text(t) for t in node.targets] == ["__all__"]:
                    return
                yield from self.expression(node.value)
                for target in node.targets:
                    yield from self.expression(target)
                    self.target(target)
            case ast.AnnAssign():
                if node.value is not None:
                    yield from self.expression(node.value)
                self.target(node.target)
            case _:
                for child in ast.iter_child_nodes(node):
                    if isinstance(child, ast.expr):
                        yield from self.expression(child)

    def definition(self, node: _Definition) -> Iterator[_Change]:
        """What is computed where a function or a class is defined."""
        for decorator in node.decorator_list:
            yield from self.expression(decorator)
        if isinstance(node, ast.ClassDef):
            for keyword in node.keywords:
                yield from self.expression(keyword.value)
            return
        arguments = node.args
        for argument in [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]:
            self.assigned.add(argument.arg)
        for default in [*arguments.defaults, *arguments.kw_defaults]:
            yield from self.expression(default)

    def target(self, node: ast.AST) -> None:
        self.assigned |= {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}

    def handler(self, node: ast.ExceptHandler) -> Iterator[_Change]:
        if isinstance(node.type, ast.Tuple) and len(node.type.elts) > 1:
            for kept in _without_one(node.type.elts):
                new = ast.copy_location(ast.Tuple(kept, ast.Load()), node.type)
                yield "except", node.type, _text(new), _set(node, "type", new)
        yield from self.statements(node.body)

    def condition(self, owner: ast.AST, name: str) -> Iterator[_Change]:
        """The condition of an if, while, conditional expression or filter."""
        node = getattr(owner, name)
        if not isinstance(node, ast.Compare | ast.BoolOp) and not (
            isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not)
        ):
            new = ast.copy_location(ast.UnaryOp(ast.Not(), node), node)
            yield "negate", node, _text(new), _set(owner, name, new)
        yield from self.expression(node, owner, name)

    def expression(
        self, node: ast.AST | None, owner: ast.AST | None = None, name: str = ""
    ) -> Iterator[_Change]:
        if node is None or isinstance(node, ast.JoinedStr):
            return
        match node:
            case ast.BinOp():
                new = _OPERATORS.get(type(node.op))
                if new is not None and not _is_text(node.left) and not _is_text(node.right):
                    yield self._operator(node, new())
            case ast.BoolOp():
                for kept in _without_one(node.values):
                    if len(kept) > 1:
                        yield self._field("drop", node, "values", kept)
                    else:  # the other operand alone: True and x, False or x
                        other = ast.copy_location(
                            ast.Constant(isinstance(node.op, ast.And)), node.values[0]
                        )
                        change = _set(node, "values", [other, *kept])
                        yield "drop", node, _text(kept[0]), change
            case ast.Compare():
                for index, operator in enumerate(node.ops):
                    for comparison in _COMPARISONS.get(type(operator), ()):
                        ops = [*node.ops[:index], comparison(), *node.ops[index + 1 :]]
                        yield self._field("compare", node, "ops", ops)
                if len(node.ops) > 1:
                    yield self._chain(node, slice(0, -1))
                    yield self._chain(node, slice(1, None))
            case ast.UnaryOp(op=ast.Not()):
                twice = ast.copy_location(ast.UnaryOp(ast.Not(), node.operand), node.operand)
                yield "not", node, _text(node.operand), _set(node, "operand", twice)
            case ast.UnaryOp(op=ast.USub()):
                yield self._field("sign", node, "op", ast.UAdd())
            case ast.Constant():
                yield from self.constant(node)
            case ast.Attribute() if node.attr in _NAMES and isinstance(node.ctx, ast.Load):
                yield self._field("name", node, "attr", _NAMES[node.attr])
            case ast.Name() if node.id in _NAMES and isinstance(node.ctx, ast.Load):
                yield self._field("name", node, "id", _NAMES[node.id])
            case ast.IfExp():
                yield from self.condition(node, "test")
                yield from self.expression(node.body)
                yield from self.expression(node.orelse)
                return
            case ast.Slice():
                for bound in ("lower", "upper"):
                    if getattr(node, bound) is not None:
                        yield self._field("slice", node, bound, None)
            case ast.comprehension():
                yield from self.expression(node.iter)
                for index, test in enumerate(node.ifs):
                    rest = [*node.ifs[:index], *node.ifs[index + 1 :]]
                    yield "filter", test, "", _set(node, "ifs", rest)
                    yield from self.expression(test)
                return
            case ast.Call():
                if _called(node) in _TYPING:
                    return
                yield from self.call(node)
                return
            case ast.Lambda():
                for default in [*node.args.defaults, *node.args.kw_defaults]:
                    yield from self.expression(default)
                yield from self.expression(node.body)
                return
        for child in ast.iter_child_nodes(node):
            yield from self.expression(child)

    def call(self, node: ast.Call) -> Iterator[_Change]:
        for index in range(len(node.args) - 1):
            a, b = node.args[index : index + 2]
            if isinstance(a, ast.Starred) or isinstance(b, ast.Starred):
                continue
            if _called(node) == "clip" and (index, len(node.args)) == (0, 3):
                continue  # the lower bound clipped by the value is the value clipped by it
            if ast.dump(a) != ast.dump(b) and _called(node) not in _SYMMETRIC:
                args = [*node.args[:index], b, a, *node.args[index + 2 :]]
                yield self._field("swap", node, "args", args)
        for index, keyword in enumerate(node.keywords):
            if keyword.arg is not None and keyword.arg not in _IDLE_KEYWORDS:
                rest = [*node.keywords[:index], *node.keywords[index + 1 :]]
                yield self._field("keyword", node, "keywords", rest)
        yield from self.expression(node.func)
        for argument in node.args:
            yield from self.expression(argument)
        for keyword in node.keywords:
            if keyword.arg not in _IDLE_KEYWORDS:
                yield from self.expression(keyword.value)

    def constant(self, node: ast.Constant) -> Iterator[_Change]:
        value = node.value
        new: list[object] = []
        if isinstance(value, bool):
            new = [not value]
        elif isinstance(value, int):
            new = [value + 1, value - 1]
        elif isinstance(value, float) and value == 0:
            new = [1.0]
        elif isinstance(value, float) and abs(value) < 1e-3:
            new = [value * 10, value / 10]  # a tolerance: near it, nothing differs
        elif isinstance(value, float):
            new = [value * 1.01, value / 1.01]
        for each in new:
            yield self._field("constant", node, "value", each)

    def _field(self, operator: str, node: ast.AST, name: str, value: object) -> _Change:
        new = copy.copy(node)
        setattr(new, name, value)
        return operator, node, _text(new), _set(node, name, value)

    def _operator(self, node: ast.BinOp | ast.AugAssign, new: ast.AST) -> _Change:
        return self._field("operator", node, "op", new)

    def _chain(self, node: ast.Compare, part: slice) -> _Change:
        values = [node.left, *node.comparators]
        kept = values[:-1] if part == slice(0, -1) else values[1:]
        new = ast.Compare(kept[0], node.ops[part], kept[1:])

        def apply() -> None:
            node.left, node.ops, node.comparators = new.left, new.ops, new.comparators

        return "chain", node, _text(new), apply


def _without_one(values: list[ast.expr]) -> Iterator[list[ast.expr]]:
    for index in range(len(values)):
        yield [*values[:index], *values[index + 1 :]]


def _is_function(node: ast.AST) -> bool:
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)


def _is_docstring(node: object) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _parts(tree: ast.Module) -> Iterator[tuple[str, ast.AST, list[ast.stmt]]]:
    """The units: name, the node that holds the statements, and which of them belong to it."""
    own: list[ast.stmt] = []
    for statement in tree.body:
        if _is_function(statement):
            yield statement.name, statement, [statement]  # type: ignore[attr-defined]
        elif isinstance(statement, ast.ClassDef):
            yield from _class_parts(statement, "")
        else:
            own.append(statement)
    yield MODULE, tree, own


def _class_parts(node: ast.ClassDef, prefix: str) -> Iterator[tuple[str, ast.AST, list[ast.stmt]]]:
    name = f"{prefix}{node.name}"
    own: list[ast.stmt] = []
    for statement in node.body:
        if _is_function(statement):
            yield f"{name}.{statement.name}", statement, [statement]  # type: ignore[attr-defined]
        elif isinstance(statement, ast.ClassDef):
            yield from _class_parts(statement, f"{name}.")
        else:
            own.append(statement)
    yield name, node, own


def _changes(node: ast.AST, own: list[ast.stmt]) -> Iterator[tuple[bool, _Change]]:
    """Whether the place is computed on import, and the change."""
    walk = _Walk()
    if isinstance(node, _Definition):
        yield from ((True, change) for change in walk.definition(node))
    if isinstance(node, ast.Module | ast.ClassDef):
        for index, statement in enumerate(node.body):
            if any(statement is s for s in own):
                yield from ((True, c) for c in walk.removal(statement, node.body, index))
                yield from ((True, c) for c in walk.statement(statement))
    else:
        yield from ((False, change) for change in walk.statements(node.body))


class _WithoutWords(ast.NodeTransformer):
    """What is said to people: texts of errors, and help of options."""

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        return _Words().visit(self.generic_visit(node))

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        node.keywords = [k for k in node.keywords if k.arg not in _IDLE_KEYWORDS]
        return node


class _Words(_Messages):
    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        return ast.Name("message") if isinstance(node.value, str) else node


def _dump(node: object) -> str:
    """The same in every version of Python, unlike ``ast.dump``; docstrings left out."""
    if isinstance(node, list):
        return "[" + ",".join(_dump(n) for n in node if not _is_docstring(n)) + "]"
    if not isinstance(node, ast.AST):
        return repr(node)
    values = [(name, getattr(node, name, None)) for name in node._fields]
    named = (f"{name}={_dump(value)}" for name, value in values if value not in (None, []))
    return f"{type(node).__name__}({','.join(named)})"


def _digest(node: ast.AST, own: list[ast.stmt]) -> str:
    """Of what the statements compute: comments, docstrings, messages and layout aside."""
    head = [*node.decorator_list, *node.keywords] if isinstance(node, ast.ClassDef) else []
    computed = [_WithoutWords().visit(copy.deepcopy(part)) for part in (*head, *own)]
    return hashlib.sha256(_dump(computed).encode()).hexdigest()[:12]


def is_compiled(tree: ast.Module) -> bool:
    """Whether functions of the module are compiled: their code alone then says nothing."""
    imports = (node.module or "" for node in tree.body if isinstance(node, ast.ImportFrom))
    return any(name.partition(".")[0] in ("numba", "llvmlite") for name in imports)


def units(module: str, tree: ast.Module) -> Iterator[Unit]:
    """The units of a module with their mutants, those without any too."""
    compiled = is_compiled(tree)
    seen: Counter[str] = Counter()
    for name, node, own in _parts(tree):
        seen[name] += 1  # overloads, and setters of properties
        unit = name if seen[name] == 1 else f"{name}({seen[name]})"
        times: Counter[tuple[str, str, str]] = Counter()
        found = []
        for on_import, (operator, place, after, apply) in _changes(node, own):
            key = (operator, _text(place), after)
            line = getattr(place, "lineno", 0)
            anew = on_import or compiled
            found.append(Mutant(module, unit, *key, times[key], line, anew, apply))
            times[key] += 1
        lines = None
        if _is_function(node):
            decorators = [d.lineno for d in node.decorator_list]  # type: ignore[attr-defined]
            lines = range(min([node.lineno, *decorators]), node.end_lineno + 1)  # type: ignore
        yield Unit(module, unit, _digest(node, own), tuple(found), lines)


def loaded_mutants(
    module: types.ModuleType, functions: Iterable[str]
) -> Iterator[tuple[str, types.ModuleType]]:
    """(name, module) of each mutant of functions of a module, loaded beside it.

    Of the function's body: what its definition computes (defaults) is left out.
    """
    assert module.__file__ is not None
    with open(module.__file__, encoding="utf-8") as file:
        text = file.read()

    def parsed() -> tuple[ast.Module, list[Mutant]]:
        tree = ast.parse(text)
        found = [m for u in units(module.__name__, tree) if u.name in functions for m in u.mutants]
        return tree, [m for m in found if not m.on_import]

    for number, mutant in enumerate(parsed()[1]):
        tree, again = parsed()
        again[number].apply()
        loaded = types.ModuleType(module.__name__)
        loaded.__file__ = module.__file__
        code = compile(ast.fix_missing_locations(tree), module.__file__, "exec")
        exec(code, loaded.__dict__)  # noqa: S102 - our own source
        yield mutant.name, loaded
