"""Variables that name paths: what a shell leaves in them is understood or refused, in one place."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ohmbench.environment import path_variable
from ohmbench.errors import FileError

VARIABLE = "OHMBENCH_TEST_FOLDER"


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_unset_and_empty_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert path_variable(VARIABLE) is None
    monkeypatch.setenv(VARIABLE, "")
    assert path_variable(VARIABLE) is None


def test_the_tilde_is_the_home_folder(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    monkeypatch.setenv(VARIABLE, "~/my files")
    assert path_variable(VARIABLE) == home / "my files"
    monkeypatch.setenv(VARIABLE, "~")
    assert path_variable(VARIABLE) == home


def test_a_tilde_elsewhere_is_a_character(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "~" / "x~"))
    assert path_variable(VARIABLE) == tmp_path / "~" / "x~"


def test_a_relative_path_is_of_the_current_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(VARIABLE, "here/there")
    assert path_variable(VARIABLE) == tmp_path / "here" / "there"


def test_the_home_of_nobody_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "~no-such-user/files")
    with pytest.raises(FileError, match=f"{VARIABLE}: there is no user no-such-user"):
        path_variable(VARIABLE)


def test_a_relative_path_without_a_current_folder_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    os.rmdir(gone)
    monkeypatch.setenv(VARIABLE, "here")
    with pytest.raises(FileError, match=f"{VARIABLE}: .*current folder"):
        path_variable(VARIABLE)
