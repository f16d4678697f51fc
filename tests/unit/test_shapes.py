"""Shapes are what the library's annotations say.

Nothing checks them anywhere but here: see ``test_package``.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
FAMILIES = {"digital", "floatgate", "kirchhoff"}


@pytest.fixture(scope="module")
def checked(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What ``shape_process`` prints."""
    folder = tmp_path_factory.mktemp("planted")
    done = subprocess.run(
        [sys.executable, "-m", "tests.unit.shape_process", str(folder)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_every_shape_that_is_stated_holds(checked: dict[str, Any]) -> None:
    """Of each function that states one, in a call at least."""
    assert {name.split(".")[1] for name in checked["modules"]} >= FAMILIES
    assert len(checked["stated"]) >= 75
    assert checked["uncalled"] == []


def test_wrong_shapes_are_refused(checked: dict[str, Any]) -> None:
    outcomes = checked["wrong"]
    assert len(outcomes) >= 25
    assert {name: got for name, got in outcomes.items() if got != "TypeCheckError"} == {}


def test_wrong_annotations_are_noticed(checked: dict[str, Any]) -> None:
    outcomes = checked["planted"]
    assert outcomes.pop("right") == "taken"
    assert set(outcomes.values()) == {"TypeCheckError"}, outcomes
