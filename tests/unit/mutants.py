"""Mutants of a module's source: one operator, constant or attribute changed in each."""

import ast
import copy
import types

_OPERATORS = {
    ast.Add: (ast.Sub,),
    ast.Sub: (ast.Add,),
    ast.Mult: (ast.Add,),
    ast.FloorDiv: (ast.Mult, ast.Div),
    ast.RShift: (ast.LShift,),
    ast.LShift: (ast.RShift,),
    ast.Pow: (ast.Mult,),
    ast.Gt: (ast.GtE, ast.Lt),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Lt: (ast.LtE, ast.Gt),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Or: (ast.And,),
    ast.And: (ast.Or,),
}
_NAMES = {
    "M": "S",
    "S": "M",
    "maximum": "minimum",
    "minimum": "maximum",
    "max": "min",
    "min": "max",
    "argmax": "argmin",
    "int64": "int32",
    "uint8": "uint16",
    "w1": "w2",
    "b1": "b2",
}


def _changes(node):
    """What may become of one node: (attribute, new value) pairs."""
    if isinstance(node, ast.BinOp | ast.BoolOp | ast.AugAssign):
        yield from (("op", new()) for new in _OPERATORS.get(type(node.op), ()))
    if isinstance(node, ast.Compare):
        for new in _OPERATORS.get(type(node.ops[0]), ()):
            yield "ops", [new(), *node.ops[1:]]
    if isinstance(node, ast.Constant) and type(node.value) is int:
        yield from (("value", node.value + d) for d in (-1, 1))
    if isinstance(node, ast.Attribute) and node.attr in _NAMES:
        yield "attr", _NAMES[node.attr]
    if isinstance(node, ast.Name) and node.id in _NAMES and isinstance(node.ctx, ast.Load):
        yield "id", _NAMES[node.id]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        yield "op", ast.UAdd()


def _places(tree, functions):
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef) and function.name in functions:
            # Annotations and docstrings compute nothing.
            for statement in function.body:
                if not (
                    isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
                ):
                    for node in ast.walk(statement):
                        if not isinstance(node, ast.JoinedStr | ast.FormattedValue):
                            yield node


def mutants(module, functions):
    """(description, module) of each mutant of the named functions of ``module``.

    Loaded beside the module, never in its place. The numbering follows the source.
    """
    with open(module.__file__, encoding="utf-8") as file:
        tree = ast.parse(file.read())
    places = list(_places(tree, functions))
    for number, node in enumerate(places):
        for attribute, value in _changes(node):
            changed = copy.deepcopy(tree)
            target = list(_places(changed, functions))[number]
            before = ast.unparse(target)
            setattr(target, attribute, value)
            loaded = types.ModuleType(module.__name__)
            loaded.__file__ = module.__file__
            code = compile(ast.fix_missing_locations(changed), module.__file__, "exec")
            exec(code, loaded.__dict__)  # noqa: S102 - our own source
            yield f"line {target.lineno}: {before} -> {ast.unparse(target)}", loaded
