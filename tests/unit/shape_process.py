"""The library with every shape that it states checked, in a process of its own.

``python -m tests.unit.shape_process FOLDER``: jaxtyping's import hook puts beartype around the
functions of the modules that state shapes, so it has to be there before any of them is imported.
Prints JSON: the modules, the functions with shapes, those that ``shape_runs`` never called, and
what became of its calls with a wrong shape and of wrong annotations, planted in FOLDER.
"""

from __future__ import annotations

import ast
import importlib
import json
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FrameType

import jaxtyping

LIBRARY = Path(__file__).parents[2] / "lib"

PLANTED = '''
"""A module with wrong annotations."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor


def right(x: Float[Tensor, "batch inputs"]) -> Float[Tensor, " batch"]:
    return x.sum(1)


def wrong_shape(x: Float[Tensor, "batch inputs"]) -> Float[Tensor, " batch"]:
    return x.sum(0)


def wrong_rank(x: Float[Tensor, "batch inputs"]) -> Float[Tensor, "batch 1"]:
    return x.sum(1)


def wrong_dtype(x: Float[Tensor, "batch inputs"]) -> Float[Tensor, " batch"]:
    return x.sum(1).long()
'''


def stating() -> dict[str, Path]:
    """The modules that state shapes."""
    return {
        ".".join(file.relative_to(LIBRARY).with_suffix("").parts): file
        for file in sorted(LIBRARY.glob("ohmbench/**/*.py"))
        if "from jaxtyping import" in file.read_text(encoding="utf-8")
    }


@dataclass(frozen=True)
class Function:
    """One that states a shape; ``lines`` are those at which its code may begin."""

    name: str
    file: str
    lines: range


def functions(module: str, file: Path) -> Iterator[Function]:
    """The functions of a module that state a shape, those without a body left out."""
    yield from _inside(ast.parse(file.read_text(encoding="utf-8")), module, str(file))


def _inside(node: ast.AST, name: str, file: str) -> Iterator[Function]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef):
            if not any("Protocol" in ast.unparse(base) for base in child.bases):
                yield from _inside(child, f"{name}.{child.name}", file)
        elif isinstance(child, ast.FunctionDef):
            decorators = [ast.unparse(d) for d in child.decorator_list]
            hints = [a.annotation for a in (*child.args.args, *child.args.kwonlyargs)]
            text = " ".join(ast.unparse(h) for h in (*hints, child.returns) if h is not None)
            if re.search(r"\b(Float|U?Int)\d*\[", text) and "abstractmethod" not in decorators:
                first = min([child.lineno, *(d.lineno for d in child.decorator_list)])
                yield Function(f"{name}.{child.name}", file, range(first, child.lineno + 1))


@dataclass
class Calls:
    """A profiler that keeps which code was called."""

    code: set[CodeType] = field(default_factory=set)

    def __call__(self, frame: FrameType, event: str, _: object) -> None:
        if event == "call":
            self.code.add(frame.f_code)

    def places(self) -> set[tuple[str, int]]:
        return {(code.co_filename, code.co_firstlineno) for code in self.code}


def outcome(call: Callable[[], object]) -> str:
    """What becomes of a call: the name of the error that it ends in, or "taken"."""
    try:
        call()
    except Exception as error:
        return type(error).__name__
    return "taken"


def main(folder: str) -> None:
    modules = stating()
    (Path(folder) / "planted_shapes.py").write_text(PLANTED, encoding="utf-8")
    sys.path.insert(0, folder)
    hooked = [*modules, "planted_shapes"]
    jaxtyping.install_import_hook(hooked, "beartype.beartype")
    runs = importlib.import_module("tests.unit.shape_runs")
    calls = Calls()
    sys.setprofile(calls)
    runs.every_case()
    sys.setprofile(None)
    places = calls.places()
    stated = [f for module, file in modules.items() for f in functions(module, file)]
    planted = importlib.import_module("planted_shapes")
    result = {
        "modules": [*modules],
        "stated": [f.name for f in stated],
        "uncalled": [
            f.name for f in stated if not any((f.file, line) in places for line in f.lines)
        ],
        "wrong": {name: outcome(call) for name, call in runs.WRONG.items()},
        "planted": {
            name: outcome(lambda f=f: f(runs.MATRIX))
            for name, f in vars(planted).items()
            if name.startswith(("right", "wrong"))
        },
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main(sys.argv[1])
