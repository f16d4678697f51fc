"""The code of a claim's test, read and never run."""

from __future__ import annotations

import ast
import os
import textwrap
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ohmbench.errors import FileError
from ohmbench.files import read_text

_MAX_BYTES = 2**20


@dataclass(frozen=True)
class TestSource:
    """A test function with its decorators: its file, first line and text, or why there is none."""

    __test__ = False  # pytest: this is no test

    file: str
    line: int | None
    text: str
    missing: str = ""


def shown_path(path: str | os.PathLike[str]) -> str:
    """``path`` from the current folder where it is below, else as it is."""
    try:
        return Path(path).resolve().relative_to(Path.cwd().resolve()).as_posix()
    except (OSError, ValueError):
        return os.fspath(path)


def read_test(folder: Path, test: str) -> TestSource:
    """The source of the test with the node id ``test``, whose path is relative to ``folder``."""
    file, _, names = test.partition("::")
    path = folder / file
    name = shown_path(path)
    try:
        text = read_text(path, max_bytes=_MAX_BYTES)
    except FileError as error:
        return TestSource(name, None, "", error.reason)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of another's escapes and comparisons
            body: Sequence[ast.stmt] = ast.parse(text).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return TestSource(name, None, "", "is not Python that can be read")
    node = None
    for part in names.partition("[")[0].split("::"):
        node = _definition(body, part)
        if node is None:
            return TestSource(name, None, "", f"has no {part}")
        body = node.body
    if node is None or isinstance(node, ast.ClassDef):
        return TestSource(name, None, "", "no test function is named")
    first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
    lines = text.splitlines()[first - 1 : node.end_lineno]
    return TestSource(name, first, textwrap.dedent("\n".join(lines)))


def _definition(
    body: Sequence[ast.stmt], name: str
) -> ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | None:
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    # Of two definitions of one name Python keeps the last.
    found = [node for node in body if isinstance(node, kinds) and node.name == name]
    return found[-1] if found else None
