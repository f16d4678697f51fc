"""What is synthesised: the core ``accelerator`` with its parameters set, without its bus.

The paper's figures are those of a core. VTR takes one Verilog file and selects the top module
itself. So both flows get the same text, in which the parameters' defaults are set to the design's
values.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ohmbench.digital.widths import Hardware
from ohmbench.eda import verilog
from ohmbench.eda.hdl import parameters, sources
from ohmbench.eda.synthesis.result import Design
from ohmbench.eda.tools import ToolError

TOP = "accelerator"
BUSES = ("accelerator_axi.v", "axi_lite_port.v", "axi_result_stream.v")
"""Files of the bus around the core, which are left out."""


@dataclass(frozen=True)
class VerilogSource:
    """One Verilog text with the design's parameters set in it."""

    design: Design
    verilog: str


def core_sources(files: Sequence[Path] | None = None) -> list[Path]:
    """The core's files, default the project's. Raises ToolError if ``accelerator.v`` is missing."""
    found = [path for path in (sources() if files is None else files) if path.name not in BUSES]
    if f"{TOP}.v" not in {path.name for path in found}:
        raise ToolError(f"no file {TOP}.v to synthesise")
    return found


def source(hardware: Hardware, files: Sequence[Path] | None = None) -> VerilogSource:
    """The core's files as one text, with the parameters that give ``hardware``.

    Raises RangeError for hardware that cannot be built, ToolError for a header of ``accelerator``
    in which a parameter is not declared exactly once.
    """
    chosen = core_sources(files)
    given = parameters(hardware)
    texts = verilog.texts(chosen)
    texts[f"{TOP}.v"] = with_parameters(texts[f"{TOP}.v"], given)
    text = "\n".join(texts[path.name] for path in chosen)
    design = Design(
        inputs=hardware.inputs,
        hidden=hardware.hidden,
        classes=hardware.classes,
        lanes=hardware.lanes,
        requants=hardware.requants,
        sources_sha256=hashlib.sha256(verilog.encoded(text)).hexdigest(),
    )
    return VerilogSource(design, text)


def with_parameters(text: str, given: dict[str, int]) -> str:
    """The text of ``accelerator.v`` with other defaults of its parameters. Raises ToolError."""
    head = re.search(rf"^module\s+{TOP}\s*#\s*\(.*?^\)\s*\(", text, flags=re.MULTILINE | re.DOTALL)
    if head is None:
        raise ToolError(f"{TOP}.v: no 'module {TOP} #(...) ('")
    header = head[0]
    for name, value in given.items():
        header, n = re.subn(
            rf"^(\s*parameter\s+{name}\s*=\s*)\d+(?=\s*,)",
            rf"\g<1>{value}",
            header,
            flags=re.MULTILINE,
        )
        if n != 1:
            raise ToolError(f"{TOP}.v: 'parameter {name} = <number>,' is there {n} times, not once")
    return text[: head.start()] + header + text[head.end() :]
