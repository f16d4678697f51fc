"""The pages name commands, options, tests and files that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ohmbench.constants import FANN_VARIABLE
from ohmbench.needs import NEEDS

from . import words
from .pages import README, ROOT, name, pages

MOST_LINES = 150
PAGES = [page for page in pages() if page.name != "CHANGELOG.md"]
"""The changelog names what has been, too."""


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_what_is_named_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    found = [*words.all_faults(text), *words.files_exist(text, page)]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("    ohmbench nonsense", "has no command nonsense"),
        ("    ohmbench evaluate circle --nonsense   # why", "no option --nonsense"),
        ("$ ohmbench bench nonsense", "ohmbench bench has no command nonsense"),
        ("use `ohmbench bench show --nonsense` then", "no option --nonsense"),
        ("`tox -e nonsense`", "no environment nonsense"),
        ("`tox -e unit -- --nonsense`", "no option --nonsense"),
        ("`pytest tests --nonsense`", "no option --nonsense"),
        ("`python -m tests.docs.nonsense`", "no module tests.docs.nonsense"),
        ("`tests/docs/test_words.py::test_of_nothing`", "no such test"),
        ("`tests/docs/test_nothing.py`", "no such test"),
    ],
)
def test_what_does_not_exist_is_noticed(text: str, fault: str) -> None:
    (found,) = words.all_faults(text)
    assert fault in found


@pytest.mark.parametrize(
    "text",
    [
        "    ohmbench evaluate circle --json  # why",
        "`ohmbench train NAME --seed 0`",
        "`ohmbench bench compare --json`",
        "`ohmbench --version`",
        "`tox -e unit -- --slow`, `tox -e unit,rtl`",
        "`pytest tests -n 2 -k name`",
        "`python -m tests.docs.generate --check`",
        "`tests/docs/test_words.py::test_what_is_named_exists`",
        "no command: ohmbench nonsense",
    ],
)
def test_what_exists_is_not_noticed(text: str) -> None:
    assert list(words.all_faults(text)) == []


def test_a_missing_file_is_noticed() -> None:
    text = "`tests/docs/nowhere.py`, `lib/ohmbench/start.py`"
    assert list(words.files_exist(text, README)) == ["tests/docs/nowhere.py: there is no such file"]


def test_the_readme_is_short() -> None:
    assert len(README.read_text(encoding="utf-8").splitlines()) <= MOST_LINES


def test_the_two_commands_are_single_lines_and_known_to_tox() -> None:
    text = README.read_text(encoding="utf-8")
    commands = re.findall(r"^    (python3 -m venv .*)$", text, flags=re.M)
    assert len(commands) == 2
    # What continuous integration runs: the one that ends in tox alone.
    assert sum(command.endswith("tox") for command in commands) == 1
    tox = (ROOT / "tox.ini").read_text(encoding="utf-8")
    for command in commands:
        for environment in re.findall(r"tox -e (\w+)", command):
            assert f"[testenv:{environment}]" in tox


def test_every_need_is_explained() -> None:
    assert "paper-fann" in NEEDS
    assert FANN_VARIABLE in README.read_text(encoding="utf-8")
