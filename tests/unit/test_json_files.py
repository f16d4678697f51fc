"""Which files of runs a command reads where folders are named."""

from __future__ import annotations

from pathlib import Path

import pytest

from ohmbench.cli.common import json_files
from ohmbench.errors import FileError


def test_files_as_named_and_those_in_folders_at_any_depth(tmp_path: Path) -> None:
    inside = [tmp_path / "runs" / name for name in ("b.json", "a/deep/c.json", "a/note.txt")]
    for file in (*inside, tmp_path / "one.txt"):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("{}")
    named = [str(tmp_path / "one.txt"), str(tmp_path / "runs"), str(tmp_path / "absent.json")]
    assert json_files(named) == [
        named[0],
        *sorted(str(file) for file in inside if file.suffix == ".json"),
        named[2],
    ]


def test_a_folder_without_any_is_refused(tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("{}")
    with pytest.raises(FileError, match="holds no JSON files"):
        json_files([str(tmp_path)])
