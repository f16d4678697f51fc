"""Yosys on texts: files in, files out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ohmbench.eda.cache import cache_folder, work_folder
from ohmbench.eda.tools import require, run_tool

YOSYS_TIMEOUT_S = 600


def yosys(script: str, inputs: Mapping[str, str], outputs: Sequence[str]) -> dict[str, str]:
    """Run a script where ``inputs`` lie as files; the text of the files it leaves.

    The working folder is all that the sandboxed yosys sees, so everything happens in one. Raises
    ToolError when yosys is missing, fails or takes too long.
    """
    program = require("yosys")
    with work_folder(cache_folder() / "yosys") as work:
        for file, text in {**inputs, "script.ys": script}.items():
            (work / file).write_text(text, encoding="utf-8")
        run_tool(
            [program, "-q", "-l", "yosys.log", "script.ys"],
            work,
            timeout_s=YOSYS_TIMEOUT_S,
            name="yosys",
            error="ERROR",
        )
        return {file: (work / file).read_text(encoding="utf-8") for file in outputs}
