"""The project's own Verilog: where it lies, and how a ``Hardware`` becomes its parameters."""

from __future__ import annotations

import os
from pathlib import Path

import ohmbench
from ohmbench.digital.widths import Hardware
from ohmbench.eda.tools import ToolError

HDL_VARIABLE = "OHMBENCH_HDL"


def hdl_folder() -> Path:
    """``$OHMBENCH_HDL``, else the package's own folder ``hdl``, else that of the checkout.

    Raises ToolError when it is not there.
    """
    named = os.environ.get(HDL_VARIABLE)
    package = Path(ohmbench.__file__).parent
    candidates = [Path(named)] if named else [package / "hdl", package.parents[1] / "hdl"]
    for folder in candidates:
        if (folder / "accelerator.v").is_file():
            return folder
    raise ToolError(f"{candidates[-1]}: no accelerator.v; set {HDL_VARIABLE} to the folder with it")


def sources(folder: Path | None = None) -> list[Path]:
    """All Verilog files of the folder (default ``hdl_folder()``), in the order of their names."""
    return sorted((folder or hdl_folder()).glob("*.v"))


def parameters(hardware: Hardware) -> dict[str, int]:
    """The parameters of ``accelerator`` that give this hardware."""
    return {
        "INPUTS": hardware.inputs,
        "HIDDEN": hardware.hidden,
        "CLASSES": hardware.classes,
        "LANES": hardware.lanes,
        "REQUANTS": hardware.requants,
    }
