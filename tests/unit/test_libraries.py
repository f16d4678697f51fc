"""Compiled libraries: rebuilt when what they read changes, and one line when none can be loaded."""

from __future__ import annotations

import ctypes
from pathlib import Path

import pytest

from ohmbench import cli
from ohmbench.eda import simulation
from ohmbench.eda.cache import CACHE_VARIABLE
from ohmbench.eda.libraries import compile_library, load, load_kept
from ohmbench.eda.tools import ToolError


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))


def answer(source: Path, *flags: str) -> int:
    library = load(compile_library(source, ["-O0", *flags], "answers"))
    return int(ctypes.c_int.in_dll(library, "answer").value)


@pytest.mark.needs("compiler")
def test_headers_are_part_of_a_library(tmp_path: Path) -> None:
    """One that changes, and one that appears where the compiler looks first."""
    other = tmp_path / "other"
    for folder in (tmp_path / "own", other):
        folder.mkdir()
    source = tmp_path / "own" / "a.cpp"
    source.write_text('#include "value.h"\nextern "C" { int answer = VALUE; }\n')
    (other / "value.h").write_text("#define VALUE 1\n")
    assert answer(source, "-I", str(other)) == 1
    (other / "value.h").write_text("#define VALUE 2\n")
    assert answer(source, "-I", str(other)) == 2
    (source.parent / "value.h").write_text("#define VALUE 3\n")
    assert answer(source, "-I", str(other)) == 3


def test_a_damaged_library_is_made_anew_once(tmp_path: Path) -> None:
    asked: list[bool] = []

    def build(anew: bool) -> Path:
        asked.append(anew)
        (tmp_path / "x.so").write_bytes(b"no library")
        return tmp_path / "x.so"

    with pytest.raises(ToolError, match=rf"cannot be loaded: .*x\.so.*set {CACHE_VARIABLE}"):
        load_kept(build)
    assert asked == [False, True]


def test_a_simulation_that_cannot_be_loaded_is_what_the_command_says(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Exit status 2, and nothing else is blamed."""
    (tmp_path / "x.so").write_bytes(b"\x7fELF but no more")
    monkeypatch.setattr(simulation, "build_library", lambda *_, **__: tmp_path / "x.so")
    monkeypatch.setattr("sys.argv", ["ohmbench", "trace", "int8-digits"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    said = capfd.readouterr().err
    assert ended.value.code == 2
    assert said.startswith("ohmbench: a compiled library cannot be loaded: ")
    assert "standard output" not in said
    assert str(tmp_path / "x.so") in said
    assert said.count("\n") == 1
