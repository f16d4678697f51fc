"""The README tells the truth: its commands exist, its tests exist, its code runs."""

import itertools
import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ohmbench import cli
from ohmbench.constants import FANN_VARIABLE
from ohmbench.needs import NEEDS

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
TESTS = sorted(set(re.findall(r"`(tests/[\w/]+\.py(?:::\w+)*)`", README)))
COMMANDS = re.findall(r"^    (ohmbench .*?)(?:\s+#.*)?$", README, flags=re.M)
BLOCKS = re.findall(r"^```python\n(.*?)^```", README, flags=re.M | re.S)


def exists(test: str) -> bool:
    file, *names = test.split("::")
    if not (ROOT / file).is_file():
        return False
    text = (ROOT / file).read_text()
    return all(re.search(rf"^\s*(?:def|class) {name}\b", text, flags=re.M) for name in names)


@pytest.mark.parametrize("test", TESTS)
def test_named_tests_exist(test):
    assert exists(test)


def test_a_missing_test_is_noticed():
    assert not exists("tests/unit/test_readme.py::test_of_nothing")
    assert not exists("tests/unit/test_nothing.py")


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_exist(command):
    """Each example names a command, and options that this command's help lists."""
    _, name, *rest = shlex.split(command)
    commands = {c.name or c.callback.__name__ for c in cli.app.registered_commands}
    assert name in commands | {group.name for group in cli.app.registered_groups}
    # The words before the first option: a group of commands needs them to know whose help is asked.
    words = list(itertools.takewhile(lambda word: not word.startswith("--"), rest))
    help_text = CliRunner().invoke(cli.app, [name, *words, "--help"]).output
    for option in (word for word in rest if word.startswith("--")):
        assert option in help_text


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_python_runs(block, capsys):
    exec(compile(block, "README.md", "exec"), {})  # noqa: S102 - our own README


def test_the_two_commands_are_single_lines_and_known_to_tox():
    commands = re.findall(r"^    (python3 -m venv .*)$", README, flags=re.M)
    assert len(commands) == 2
    tox = (ROOT / "tox.ini").read_text()
    for command in commands:
        for env in re.findall(r"tox -e (\w+)", command):
            assert f"[testenv:{env}]" in tox
    for env in set(re.findall(r"tox -e (\w+)", README)):
        assert f"[testenv:{env}]" in tox


def test_every_need_is_explained():
    assert "paper-fann" in NEEDS
    assert FANN_VARIABLE in README
