"""Run Yosys on texts: input files in, output files out.

The Yosys on PyPI is a WebAssembly program. It sees the machine's files except ``/tmp`` and
``/share``, where it has folders of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ohmbench.eda.cache import cache_folder, work_folder
from ohmbench.eda.dependencies import of_yosys
from ohmbench.eda.tools import ToolError, require, run_tool
from ohmbench.eda.verilog import decoded, write_verilog

YOSYS_TIMEOUT_S = 600
READS = "reads.d"
REPORTING = ("-E", READS)
"""Options that make Yosys report the files it read."""


def read_besides(work: Path) -> list[Path]:
    """Files that a Yosys in ``work`` read elsewhere. Raises ToolError if its report is missing."""
    return [path for path in of_yosys(work / READS) if not path.is_relative_to(work)]


def yosys(script: str, inputs: Mapping[str, str], outputs: Sequence[str]) -> dict[str, str]:
    """Run a script on the files ``inputs``; return the text of the files ``outputs``.

    Raises ToolError when yosys is missing, fails or takes too long, and when it reads any other
    file (``$readmemh``, an include without a plain name): callers cache the result by its inputs.
    """
    program = require("yosys")
    with work_folder(cache_folder() / "yosys") as work:
        for file, text in {**inputs, "script.ys": script}.items():
            write_verilog(work / file, text)
        run_tool(
            [program, "-q", "-l", "yosys.log", *REPORTING, "script.ys"],
            work,
            timeout_s=YOSYS_TIMEOUT_S,
            name="yosys",
            error="ERROR",
        )
        besides = read_besides(work)
        if besides:
            raise ToolError(f"yosys read {besides[0]}, which is not among its inputs")
        return {file: decoded((work / file).read_bytes()) for file in outputs}
