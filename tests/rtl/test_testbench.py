"""The testbench itself: what must fail does, and for the reason given; nothing passes idly."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ohmbench.eda.cache import CACHE_VARIABLE
from ohmbench.eda.tools import ToolError
from tests.eda.cocotb_runner import Bench, Run, build_bench, run_bench
from tests.unit.hostile_environment import IGNORED, ODD

from .cocotb_runs import NEEDS, assert_passed, start

FAULTY = {
    "nothing_received": "0 images accepted, 0 results received, but should both be 0 > 0",
    "fewer_than_meant": "2 images accepted, 2 results received, but should both be 3 > 0",
    "flipped_golden_logit": r"logits\[3\] = -?\d+, but should be -?\d+ \[image 2\]",
    "flipped_golden_hidden": r"hidden\[99\] = \d+, but should be \d+ \[image 3\]",
    "flipped_golden_class": r"class = \d, but should be \d \[image 0\]",
    "flipped_golden_value": r"value = -?\d+, but should be -?\d+ \[image 1\]",
    "lost_last_result": "timeout: result 3 of 4 did not come within 2000 clocks",
    "lost_first_result": r"= -?\d+, but should be -?\d+ \[image 0\]",
    "result_of_no_image": "result 4 came, but only 4 images were accepted",
    "no_result": "timeout: result 0 of 1 did not come within 2000 clocks",
    "wait_without_end": "timeout: an event did not come within 100 clocks",
    "test_without_end": "",
    "payload_changes_while_waiting": r"image: payload changed before ready, clock \d+",
    "valid_falls_while_waiting": r"image: valid fell before ready, clock \d+",
    "load_while_busy": r"\d+ of \d+ words were refused",
    "error_flag_unexpected": "ERRORS is 0b00100, but should be 0b00000",
    "refused_read": "reading address 0x7 was refused",
}
"""Test of ``cocotb_bench.faulty`` -> the reason why it must fail."""


def faulty(simulator: str, *tests: str, timeout_s: float = 600) -> Run:
    return start(simulator, "accelerator", "faulty", tests, timeout_s=timeout_s)


@pytest.mark.needs(*NEEDS["verilator"])
def test_what_must_fail_does() -> None:
    run = faulty("verilator", *FAULTY)
    failures = run.failures()
    assert set(failures) == set(FAULTY), f"{set(FAULTY) - set(failures)} passed"
    for name, reason in FAULTY.items():
        assert re.search(reason, failures[name]), f"{name} failed for {failures[name]!r}"
    with pytest.raises(AssertionError, match=f"{len(FAULTY)} of {len(FAULTY)} failed\n") as told:
        assert_passed(run)
    assert all(f"\n{name}: " in str(told.value) for name in FAULTY)


@pytest.mark.needs(*NEEDS["icarus"])
def test_unknown_outputs_fail() -> None:
    failures = faulty("icarus", "unknown_output").failures()
    assert re.search(r"hidden_o is X{16}, clock \d+", failures["unknown_output"])


@pytest.mark.needs(*NEEDS["verilator"])
def test_a_test_that_did_not_run_is_an_error() -> None:
    with pytest.raises(ToolError, match="ran, but should be"):
        faulty("verilator", "nothing_received", "no_such_test")


@pytest.mark.slow
@pytest.mark.needs(*NEEDS["verilator"])
def test_a_simulation_that_hangs_is_killed() -> None:
    with pytest.raises(ToolError, match="took over 15 s"):
        faulty("verilator", "endless_loop", timeout_s=15)


@pytest.mark.needs(*NEEDS["verilator"])
def test_variables_that_are_set_for_something_else_change_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Not which tests run, nor what they find."""
    for name, value in IGNORED.items():
        monkeypatch.setenv(name, value)
    assert set(faulty("verilator", "nothing_received").failures()) == {"nothing_received"}


VALUE_BENCH = """
import cocotb
from cocotb.triggers import Timer

@cocotb.test()
async def value(dut):
    await Timer(1, "ns")
    assert int(dut.q_o.value) == 3
"""


@pytest.mark.parametrize(
    "simulator",
    [
        pytest.param("icarus", marks=pytest.mark.needs(*NEEDS["icarus"])),
        pytest.param("verilator", marks=[pytest.mark.slow, pytest.mark.needs(*NEEDS["verilator"])]),
    ],
)
def test_a_simulation_is_of_all_that_was_read_in_any_folder(
    simulator: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Also of a file that only the simulator resolves, whose include is by a macro."""
    folder = tmp_path / ODD
    folder.mkdir()
    monkeypatch.setenv(CACHE_VARIABLE, str(folder / "cache"))
    value = folder / "value.vh"
    design = folder / "tiny.v"
    design.write_text(
        f'`define FILE "{value}"\nmodule tiny (output wire [7:0] q_o);\n'
        "`include `FILE\n  assign q_o = VALUE;\nendmodule\n"
    )
    (folder / "value_bench.py").write_text(VALUE_BENCH)
    bench = Bench(simulator, "tiny", verilog=[design])
    for number, failures in ((3, set()), (4, {"value"}), (3, set())):
        value.write_text(f"localparam VALUE = {number};\n")
        found = run_bench(bench, "value_bench", tests=["value"], search=[folder])
        assert set(found.failures()) == failures, found.log


@pytest.mark.parametrize(
    "simulator", [pytest.param(name, marks=pytest.mark.needs(*NEEDS[name])) for name in NEEDS]
)
def test_a_design_with_an_error_is_not_built(simulator: str, tmp_path: Path) -> None:
    source = tmp_path / "broken.v"
    source.write_text("module broken (input wire a, output wire y);\n  assign y = ;\nendmodule\n")
    with pytest.raises(ToolError, match=f"{simulator}: broken cannot be built: .*broken.v:2"):
        build_bench(Bench(simulator, "broken", verilog=[source]))
