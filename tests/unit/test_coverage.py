"""Verilog coverage as counted and waived, on points made by hand; real runs are in tests/rtl."""

from __future__ import annotations

from pathlib import Path

import pytest

from ohmbench.errors import FileError
from tests.eda.coverage import Coverage, Point, read_waivers


def test_points_are_counted_by_kind_and_module() -> None:
    line, idle, other = Point("a", "line", 1, 1, "x"), Point("a", "line", 2, 1, "y"), "b"
    waived, toggle = Point("a", "line", 3, 1, "z"), Point("a", "toggle", 1, 1, "x:0->1")
    far = Point(other, "line", 1, 1, "x")
    found = Coverage(
        {line: 7, idle: 0, waived: 0, toggle: 0, far: 1}, frozenset({waived}), (idle, toggle), ()
    )
    assert found.count("line") == (2, 1, 4)
    assert found.count("line", "a") == (1, 1, 3)
    assert found.count("toggle", "a") == (0, 0, 1)
    assert found.count("toggle", "b") == (0, 0, 0)


@pytest.mark.parametrize("content", [None, b"\xff\xfe", b"- module: [a\n"])
def test_waivers_that_cannot_be_read_are_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "waivers.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(FileError, match=r"waivers\.yaml"):
        read_waivers(path)
