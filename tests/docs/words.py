"""Commands, options and tests that pages name, and whether they exist."""

from __future__ import annotations

import importlib.util
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import typer

from ohmbench import cli

from .pages import ROOT

_TEST = re.compile(r"`(tests/[\w/]+\.py(?:::\w+)*)`")
_LINE = re.compile(r"^(?: {4,}|\$ |> )((?:ohmbench|pytest|tox|python -m) .*?)(?:\s+#.*)?$", re.M)
# Names that stand for any: `lib/ohmbench/x/y.py`, `test_y.py`.
_STAND_IN = re.compile(r"(?:^|[/_])[xy](?:/|\.py|$)")
_INLINE = re.compile(r"(?<!`)`((?:ohmbench|pytest|tox|python -m)\s[^`]+)`(?!`)")
_OPTION = re.compile(r"^--?[A-Za-z][\w-]*")


def named_tests(text: str) -> list[str]:
    """The tests that a page names, each once."""
    return sorted({test for test in _TEST.findall(text) if not _STAND_IN.search(test)})


def test_exists(test: str) -> bool:
    """Whether a file has the class and function of a test's name."""
    file, *names = test.split("::")
    if not (ROOT / file).is_file():
        return False
    text = (ROOT / file).read_text(encoding="utf-8")
    return all(re.search(rf"^\s*(?:def|class) {name}\b", text, flags=re.M) for name in names)


def named_commands(text: str) -> list[str]:
    """The commands that a page names: in lines of their own, after ``$``, and between backticks."""
    found = [*_LINE.findall(text), *_INLINE.findall(text)]
    return sorted({" ".join(command.split()) for command in found})


def fault(command: str) -> str | None:
    """What of a command does not exist, or None."""
    try:
        words = shlex.split(command.split(" | ")[0].split(" && ")[0], comments=True)
    except ValueError as error:
        return str(error)
    program, *rest = words
    if program == "ohmbench":
        return _ohmbench(rest)
    if program == "tox":
        return _tox(rest)
    if program == "pytest":
        return _unknown(rest, _pytest_options())
    module = rest[1] if rest[:1] == ["-m"] and len(rest) > 1 else ""
    if module == "pytest":
        return _unknown(rest[2:], _pytest_options())
    return None if importlib.util.find_spec(module) else f"no module {module}"


def _ohmbench(words: list[str]) -> str | None:
    command = typer.main.get_command(cli.app)
    path = ["ohmbench"]
    while hasattr(command, "get_command"):
        options = _options(command)
        if not words or words[0].startswith("-") or words[0].isupper():
            return _unknown(words, options)
        with typer.Context(command) as context:
            following = command.get_command(context, words[0])
            # 'synth DESIGN' is short for 'synth run DESIGN'.
            default = None if following else command.get_command(context, "run")
        if following is None and default is None:
            return f"{' '.join(path)} has no command {words[0]}"
        if following is not None:
            path, words = [*path, words[0]], words[1:]
        command = following or default
    return _unknown(words, _options(command))


def _options(command: object) -> set[str]:
    params = getattr(command, "params", ())
    named = {name for p in params for name in (*p.opts, *p.secondary_opts)}
    return {name for name in named if name.startswith("-")} | {"--help"}


def _unknown(words: list[str], options: set[str]) -> str | None:
    given = [word.partition("=")[0] for word in words if _OPTION.match(word)]
    missing = [word for word in given if word not in options and not _stacked(word, options)]
    return f"no option {', '.join(missing)}" if missing else None


def _stacked(word: str, options: set[str]) -> bool:
    """Whether it is short options written together, or one with its value: ``-n2``."""
    return not word.startswith("--") and word[:2] in options


def _tox(words: list[str]) -> str | None:
    text = (ROOT / "tox.ini").read_text(encoding="utf-8")
    own, _, passed = " ".join(words).partition(" -- ")
    for names in re.findall(r"-e ([\w,]+)", own):
        for name in names.split(","):
            if f"[testenv:{name}]" not in text:
                return f"tox.ini has no environment {name}"
    return _unknown(passed.split(), _pytest_options())


@cache
def _pytest_options() -> set[str]:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--help"],
        cwd=ROOT, capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    return {*re.findall(r"(?<![\w-])--?[A-Za-z][\w-]*", done.stdout), "--help"}


def all_faults(text: str) -> Iterator[str]:
    """One line for each command or test of a page that does not exist."""
    for command in named_commands(text):
        found = fault(command)
        if found is not None:
            yield f"{command}: {found}"
    for test in named_tests(text):
        if not test_exists(test):
            yield f"{test}: there is no such test"


def files_exist(text: str, page: Path) -> Iterator[str]:
    """One line for each path of the repository between backticks that is not there."""
    for path in re.findall(r"`((?:lib|tests|docs|hdl)/[\w./-]+)`", text):
        if _STAND_IN.search(path):
            continue
        if not (ROOT / path).exists() and not (page.parent / path).exists():
            yield f"{path}: there is no such file"
