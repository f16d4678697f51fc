"""Designs with a planted fault that a gate must see, whatever the accelerator contains.

The core is renamed and put into a new ``accelerator`` with the same parameters and ports, which
contains the fault.
"""

from __future__ import annotations

import re
from pathlib import Path

from ohmbench.eda.synthesis.design import core_sources

_INNER = "accelerator_without_fault"

BUBBLE = """
  // After an image's last word, no word passes until {clocks} clocks after its first.
  reg [31:0] age;
  reg midway;
  wire open = (age == 0) || (age >= {clocks}) || midway;
  wire taken = image_valid_i && image_ready_o;
  always @(posedge clk_i)
    if (rst_i) begin
      age <= 0;
      midway <= 0;
    end else begin
      if (taken && !midway) age <= 1;
      else if (age != 0 && age < {clocks}) age <= age + 1;
      if (taken) midway <= !image_last_i;
    end
"""
MULTIPLIER = """
  // One product twice: the second one of inputs that the first has already multiplied.
  reg [15:0] again;
  always @(posedge clk_i) again <= image_data_i[7:0] * image_data_i[15:8];
"""


def _around(core: str, fault: str, instead: dict[str, str], extra: str = "") -> str:
    head = re.search(r"^module\s+accelerator\b.*?^\);", core, flags=re.MULTILINE | re.DOTALL)
    assert head is not None, "accelerator.v has no header as expected"
    names = re.findall(r"^\s*(?:input|output)\s+wire\s+(?:\[.*?\]\s+)?(\w+)", head[0], re.MULTILINE)
    given = re.findall(r"^\s*parameter\s+(\w+)", head[0], flags=re.MULTILINE)
    assert set(instead) <= set(names), f"ports {sorted(set(instead) - set(names))} are gone"
    ports = ", ".join(f".{n}({instead.get(n, n)})" for n in names)
    parameters = ", ".join(f".{n}({n})" for n in given)
    inner = core.replace(head[0], head[0].replace("module accelerator", f"module {_INNER}", 1), 1)
    wrapper = (
        f"{head[0]}\n{fault}\n  {_INNER} #({parameters}) inner ({ports});\n{extra}\nendmodule\n"
    )
    return f"{inner}\n`default_nettype none\n{wrapper}`default_nettype wire\n"


def _write(folder: Path, changed: str) -> list[Path]:
    files = []
    for path in core_sources():
        text = changed if path.name == "accelerator.v" else path.read_text(encoding="utf-8")
        (folder / path.name).write_text(text, encoding="utf-8")
        files.append(folder / path.name)
    return files


def _core() -> str:
    return next(p for p in core_sources() if p.name == "accelerator.v").read_text(encoding="utf-8")


def bubble(folder: Path, interval: int) -> list[Path]:
    """Sources of an accelerator that takes one image every ``interval`` + 1 clocks."""
    fault = BUBBLE.format(clocks=interval + 1)
    instead = {"image_valid_i": "image_valid_i && open", "image_ready_o": "ready"}
    fault = "  wire ready;\n  assign image_ready_o = ready && open;\n" + fault
    return _write(folder, _around(_core(), fault, instead))


def doubled_multiplier(folder: Path) -> list[Path]:
    """Sources of an accelerator with one multiplier more than it needs."""
    instead = {"hidden_o": "hidden"}
    fault = MULTIPLIER + "  wire [REQUANTS*ACT_W-1:0] hidden;\n"
    return _write(folder, _around(_core(), fault, instead, "  assign hidden_o = hidden ^ again;"))
