"""Workflows, pre-commit and tox run the same checks, and every name in them exists."""

from __future__ import annotations

import copy
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.unit.workflows import ToxFile, environments, faults, read_yaml, workflows

ROOT = Path(__file__).parents[2]
TOX = ToxFile.read(ROOT / "tox.ini")
FOUND = workflows(ROOT)
ACTIONLINT = Path(sys.executable).parent / "actionlint"
"""Comes with the extra ``lint``, as ruff does."""


def actionlint(folder: Path) -> subprocess.CompletedProcess[str]:
    words = next(line.split() for line in TOX.lint if line.startswith("actionlint"))
    return subprocess.run(
        [ACTIONLINT, *words[1:]], cwd=folder, capture_output=True, text=True, timeout=60
    )


def test_every_name_in_the_workflows_exists() -> None:
    assert faults(FOUND, TOX, ROOT) == []
    assert "unit" in environments(FOUND)


def _jobs(found: dict[str, Any]) -> dict[str, Any]:
    return found["checks.yml"]["jobs"]


def _rows(found: dict[str, Any]) -> list[dict[str, Any]]:
    return _jobs(found)["tox"]["strategy"]["matrix"]["include"]


def _write_token(found: dict[str, Any]) -> None:
    _jobs(found)["tox"]["permissions"] = {"contents": "write"}


def _step(found: dict[str, Any], word: str) -> dict[str, Any]:
    return next(s for s in _jobs(found)["tox"]["steps"] if word in s.get("uses", s.get("run", "")))


PLANTS: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "unknown environment in a matrix": (
        lambda found: _rows(found).append({"environment": "unti", "python": "3.11"}),
        "tox.ini has no environment unti",
    ),
    "unknown environment in a command": (
        lambda found: _step(found, "tox -e").update(run="tox -e everything"),
        "tox.ini has no environment everything",
    ),
    "environment without a workflow": (
        lambda found: _rows(found).remove(next(r for r in _rows(found) if "rtl" in r.values())),
        "no workflow runs tox -e rtl",
    ),
    "file that is not there": (
        lambda found: _step(found, "pip install").update(run="pip install -c constraint.txt tox"),
        "names constraint.txt, which is not there",
    ),
    "key of a cache that names no file": (
        lambda found: _step(found, "cache@")["with"].update(key="${{ hashFiles('rtl/**') }}"),
        "names rtl/**, which is not there",
    ),
    "lock file that is not there": (
        lambda found: _step(found, "setup-python")["with"].update(
            {"cache-dependency-path": "requirements.txt"}
        ),
        "names requirements.txt, which is not there",
    ),
    "not on pull requests": (
        lambda found: found["checks.yml"]["on"].pop("pull_request"),
        "should run on push and pull_request",
    ),
    "default permissions": (
        lambda found: found["checks.yml"].pop("permissions"),
        "permissions should be contents: read",
    ),
    "code with a token that writes": (_write_token, "with a token that writes"),
    "token in the checkout": (
        lambda found: _step(found, "checkout").pop("with"),
        "leaves the token in the checkout",
    ),
    "no concurrency group": (
        lambda found: found["checks.yml"].pop("concurrency"),
        "no concurrency group",
    ),
    "no time limit": (
        lambda found: _jobs(found)["tox"].pop("timeout-minutes"),
        "tox has no time limit",
    ),
    "action of any version": (
        lambda found: _step(found, "checkout").update(uses="actions/checkout@main"),
        "uses actions/checkout@main without a version",
    ),
}


@pytest.mark.parametrize(("plant", "words"), PLANTS.values(), ids=PLANTS.keys())
def test_planted_faults_are_named(plant: Callable[[dict[str, Any]], Any], words: str) -> None:
    found = copy.deepcopy(FOUND)
    plant(found)
    new = [line for line in faults(found, TOX, ROOT) if line not in faults(FOUND, TOX, ROOT)]
    assert any(words in line for line in new), new


def test_actionlint_finds_nothing() -> None:
    done = actionlint(ROOT)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("timeout-minutes: 60", "timeout-minuts: 60", 'unexpected key "timeout-minuts"'),
        ("matrix.minutes", "matrix.minute", 'property "minute" is not defined'),
        ("python-version:", "python-verison:", 'input "python-verison" is not defined'),
    ],
    ids=["key", "expression", "input"],
)
def test_actionlint_finds_planted_faults(tmp_path: Path, old: str, new: str, words: str) -> None:
    shutil.copytree(ROOT / ".github", tmp_path / ".github")
    (tmp_path / ".git").mkdir()
    path = tmp_path / ".github/workflows/checks.yml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    done = actionlint(tmp_path)
    assert done.returncode == 1
    assert words in done.stdout


def hooks(config: dict[str, Any]) -> list[str]:
    """The commands of a pre-commit configuration, as they are in tox's environment."""
    (repository,) = config["repos"]
    assert repository["repo"] == "local"
    for hook in repository["hooks"]:
        assert hook["language"] == "system", hook
        assert hook["pass_filenames"] is False, hook
        assert hook["always_run"] is True, hook
    return [hook["entry"].removeprefix(".tox/shared/bin/") for hook in repository["hooks"]]


def test_pre_commit_runs_what_tox_runs() -> None:
    """In its environment, and so at its versions."""
    config = read_yaml(ROOT / ".pre-commit-config.yaml")
    assert hooks(config) == TOX.lint
    entries = [hook["entry"] for hook in config["repos"][0]["hooks"]]
    assert all(entry.startswith(".tox/shared/bin/") for entry in entries)
    assert TOX.lint[0] == "ruff check ."


def test_a_planted_hook_of_another_form_is_noticed() -> None:
    config = read_yaml(ROOT / ".pre-commit-config.yaml")
    fewer = copy.deepcopy(config)
    fewer["repos"][0]["hooks"].pop()
    assert hooks(fewer) != TOX.lint
    config["repos"][0]["hooks"][0]["pass_filenames"] = True
    with pytest.raises(AssertionError):
        hooks(config)
