"""Three tools accept hdl/ as Verilog-2005 without a word, refuse what it refuses, and see faults.

Each kind of fault is planted in a copy of one module to show that the tool named sees it.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from ohmbench.eda.hdl import sources

from .configurations import AXI_LINT_ROWS, BEYOND_ROWS, LINT_ROWS, Configuration
from .linting import DIGITS, MNIST, UNUSED, icarus, verilator, yosys

TOPS = ("accelerator", "accelerator_axi")
NEEDS = {
    "verilator": pytest.mark.needs("verilator", "compiler"),
    "yosys": pytest.mark.needs("yosys"),
    "icarus": pytest.mark.needs("icarus"),
}
every_tool = pytest.mark.parametrize("tool", [pytest.param(t, marks=m) for t, m in NEEDS.items()])


TOOLS: dict[str, Callable[..., str]] = {"verilator": verilator, "yosys": yosys, "icarus": icarus}


@pytest.fixture
def hdl(tmp_path: Path) -> Path:
    """A copy of hdl/, in which tools may write and faults be planted."""
    for path in sources():
        shutil.copy(path, tmp_path)
    return tmp_path


@every_tool
@pytest.mark.parametrize("top", TOPS)
def test_tool_accepts_without_a_word(tool: str, top: str, hdl: Path) -> None:
    assert TOOLS[tool](hdl, top, DIGITS, MNIST) == ""


@NEEDS["verilator"]
@pytest.mark.parametrize("row", LINT_ROWS, ids=lambda row: row.name)
def test_no_width_is_wrong_at_odd_parameters(row: Configuration, hdl: Path) -> None:
    """Bits that such sizes leave unused are all right."""
    assert verilator(hdl, "accelerator", row.parameters(), waived=UNUSED) == ""


@NEEDS["verilator"]
@pytest.mark.parametrize("row", AXI_LINT_ROWS, ids=lambda row: row.name)
def test_no_width_is_wrong_at_odd_sizes_behind_axi(row: Configuration, hdl: Path) -> None:
    assert verilator(hdl, "accelerator_axi", row.sizes(), waived=UNUSED) == ""


# ------------------------------------------------------------------------------------------------
# Faults

# In argmax.v: what replaces what, and which tools see it.
FAULTS = {
    "undeclared wire": ("assign index_o = index_q;", "assign index_o = index_r;", "viy"),
    "width mismatch": ("pair_valid_q <= 1'b0;", "pair_valid_q <= 2'b00;", "v"),
    "latch": (
        "wire b_wins = ~single_i & ($signed(value_b_i) > $signed(value_a_i));",
        "reg b_wins;\n  always @* if (~single_i) b_wins = $signed(value_b_i) > $signed(value_a_i);",
        "vy",
    ),
    "SystemVerilog keyword": ("reg               pair_valid_q;", "logic pair_valid_q;", "vy"),
    "unused signal": ("assign index_o = index_q;", "assign index_o = pair_index_q;", "v"),
    "driven twice": (
        "assign index_o = index_q;",
        "assign index_o = index_q; assign value_o = pair_value_q;",
        "y",
    ),
    "unknown module": (
        "assign index_o = index_q;",
        "missing it (clk_i); assign index_o = index_q;",
        "viy",
    ),
    "unknown port": (
        "assign index_o = index_q;",
        "ram it (.nothing(clk_i)); assign index_o = index_q;",
        "viy",
    ),
}


@pytest.mark.parametrize(
    ("fault", "tool"),
    [
        pytest.param(fault, tool, marks=NEEDS[tool], id=f"{fault}-{tool}")
        for fault, (_, _, tools) in FAULTS.items()
        for tool in NEEDS
        if tool[0] in tools
    ],
)
def test_tool_sees_a_fault(fault: str, tool: str, hdl: Path) -> None:
    right, wrong, _ = FAULTS[fault]
    for path in sources(hdl):
        if path.name not in ("argmax.v", "ram.v"):
            path.unlink()
    path = hdl / "argmax.v"
    assert TOOLS[tool](hdl, "argmax", {}) == ""
    assert path.read_text().count(right) == 1
    path.write_text(path.read_text().replace(right, wrong))
    assert TOOLS[tool](hdl, "argmax", {}) != ""


# ------------------------------------------------------------------------------------------------
# Parameters that cannot work


@every_tool
@pytest.mark.parametrize("beyond", BEYOND_ROWS.values(), ids=BEYOND_ROWS)
def test_illegal_parameters_are_refused(tool: str, beyond: Configuration, hdl: Path) -> None:
    """By instantiating a module that does not exist, whose name says what is wrong."""
    said = TOOLS[tool](hdl, "accelerator", beyond.parameters())
    assert "FAILED" in said
    # Verilator stops at a width below zero, or at a tree of adders that never ends, before it looks
    # for the module.
    assert re.search(r"\berror_[a-z_]+|Replication value of < 0|Identically recursive", said), said


def test_every_refusal_is_tested() -> None:
    """Each check of accelerator.v has a row above."""
    text = (sources()[0].parent / "accelerator.v").read_text()
    assert re.findall(r"^\s*(error_\w+) check", text, re.M) == [
        "error_requants_too_few_for_lanes",
        "error_network_too_large_for_address",
        "error_not_a_power_of_two",
        "error_word_wider_than_host",
    ]


# ------------------------------------------------------------------------------------------------
# Habits of the files

KEYWORDS = "logic|bit|byte|int|always_ff|always_comb|always_latch|interface|package|typedef|enum"


def complaints(path: Path) -> list[str]:
    """What a file of hdl/ lacks."""
    text = path.read_text(encoding="utf-8")
    code = re.sub(r"//.*", "", text)
    header = text[: text.find("`default_nettype none")]
    checks = {
        "one module, with the file's name": re.findall(r"^\s*module\s+(\w+)", code, re.M)
        == [path.stem],
        "`default_nettype none before it": re.match(r"\s*`default_nettype none\s+module\b", code),
        "`default_nettype wire after it": re.search(
            r"endmodule\s+`default_nettype wire\s+\Z", code
        ),
        "a header with its latency": header.startswith("// ") and "\n// Latency: " in header,
        "no SystemVerilog": not re.search(rf"\b({KEYWORDS})\b", code),
        "no tab and no trailing space": not re.search(r"\t|[ ]$", text, re.M),
        "at most 320 lines": text.count("\n") <= 320,
        "no translate_off, lint_off or initial": not re.search(
            r"translate_off|lint_off|\binitial\b", text
        ),
    }
    return [f"{path.name}: should have {name}" for name, kept in checks.items() if not kept]


@pytest.mark.parametrize("path", sources(), ids=lambda path: path.name)
def test_file_keeps_the_habits(path: Path) -> None:
    assert complaints(path) == []


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("module argmax", "module arg_max"),
        ("endmodule", "endmodule\nmodule another;\nendmodule"),
        ("`default_nettype none", ""),
        ("`default_nettype wire", ""),
        ("// Latency:", "// Delay:"),
        ("reg               pair_first_q", "logic pair_first_q"),
        ("assign index_o", "\tassign index_o"),
        ("assign index_o", "initial index_q = 0;\nassign index_o"),
        ("assign index_o", "\n" * 320 + "assign index_o"),
    ],
)
def test_a_broken_habit_is_seen(right: str, wrong: str, hdl: Path) -> None:
    path = hdl / "argmax.v"
    assert right in path.read_text()
    path.write_text(path.read_text().replace(right, wrong))
    assert complaints(path) != []
