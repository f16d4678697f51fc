"""The project's own Verilog: where it is, and how a ``Hardware`` becomes its parameters."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import ohmbench
from ohmbench.digital.hostmap import HOST_BYTES, Region, memories
from ohmbench.digital.network import Int8Network
from ohmbench.digital.widths import Hardware
from ohmbench.eda.tools import ToolError
from ohmbench.environment import path_variable
from ohmbench.errors import RangeError

HDL_VARIABLE = "OHMBENCH_HDL"


def hdl_folder() -> Path:
    """``$OHMBENCH_HDL``, else the package's own folder ``hdl``, else the checkout's.

    Raises ToolError when the folder has no ``accelerator.v``, and whatever ``path_variable``
    raises.
    """
    named = path_variable(HDL_VARIABLE)
    package = Path(ohmbench.__file__).parent
    candidates = [package / "hdl", package.parents[1] / "hdl"] if named is None else [named]
    for folder in candidates:
        if (folder / "accelerator.v").is_file():
            return folder
    raise ToolError(f"{candidates[-1]}: no accelerator.v; set {HDL_VARIABLE} to the folder with it")


def sources(folder: Path | None = None) -> list[Path]:
    """All Verilog files of the folder (default ``hdl_folder()``), sorted by name.

    Hidden files are left out: editors and file managers put locks and notes beside a file under its
    name. Raises ToolError for a folder that cannot be read.
    """
    folder = folder or hdl_folder()
    try:
        names = sorted(os.listdir(folder))
    except OSError as error:
        raise ToolError(f"{folder}: {error.strerror}") from None
    return [folder / n for n in names if n.endswith(".v") and not n.startswith(".")]


_SIZES = ("inputs", "hidden", "classes", "lanes", "requants")
MEMORY_WORDS = 1024
LANES = 64
"""Limits of the host's address format: words in a memory, memories in a region."""


def hardware_for(network: Int8Network) -> Hardware:
    """The default accelerator for this network; see ``usual_hardware``."""
    return usual_hardware(*network.sizes)


def usual_hardware(inputs: int, hidden: int, classes: int) -> Hardware:
    """The default accelerator for these sizes: 13 lanes unless the sizes require another number.

    Fewer lanes where a group's sums could not leave within one image's time, more where a lane's
    memory would not hold its share of the weights. ``check_buildable`` refuses sizes that no number
    of lanes can serve.
    """
    usual = Hardware(inputs, hidden, classes)
    most = min(LANES, hidden, usual.words * usual.requants)
    groups = max(MEMORY_WORDS // usual.words, 1)
    return replace(usual, lanes=min(most, max(usual.lanes, -(-hidden // groups))))


def check_buildable(hardware: Hardware) -> None:
    """Raise RangeError, with the reason, for hardware that ``accelerator.v`` refuses."""
    reason = _refusal(hardware)
    if reason is not None:
        sizes = f"{hardware.inputs}-{hardware.hidden}-{hardware.classes}"
        raise RangeError(f"the accelerator cannot be built for {sizes}: {reason}")


def parameters(hardware: Hardware) -> dict[str, int]:
    """The parameters of ``accelerator`` that give this hardware.

    Raises whatever ``check_buildable`` raises, and RangeError for formats or register widths other
    than the RTL's, which these parameters cannot change.
    """
    check_buildable(hardware)
    sizes = {name: getattr(hardware, name) for name in _SIZES}
    for name, usual in vars(Hardware(**sizes)).items():
        if getattr(hardware, name) != usual:
            raise RangeError(
                f"the accelerator cannot be built with {name} = {getattr(hardware, name)}: only "
                f"{', '.join(_SIZES)} can be chosen"
            )
    return {name.upper(): value for name, value in sizes.items()}


def _refusal(hardware: Hardware) -> str | None:
    """Why ``accelerator.v`` would not elaborate, or None; its own conditions, written again."""
    words = hardware.words * hardware.groups
    banks1 = memories(hardware)[Region.W1].banks
    most = 8 * HOST_BYTES // hardware.weight_bits
    if hardware.requants & (hardware.requants - 1):
        return f"{hardware.requants} requantisers are not a power of two"
    if hardware.requants > most:
        return f"a word of the host has {most} weights, but {hardware.requants} would be needed"
    if hardware.steps > hardware.words:
        return (
            f"{hardware.lanes} sums take {hardware.steps} clocks to leave {hardware.requants} at a "
            f"time, but the next ones come after {hardware.words}"
        )
    if hardware.lanes > LANES or banks1 > LANES:
        needed = max(hardware.lanes, banks1)
        return f"a layer has room for {LANES} memories, but {needed} would be needed"
    if max(words, (hardware.classes + 1) // 2) > MEMORY_WORDS:
        return f"a memory has {MEMORY_WORDS} words, but layer 0 needs {words} in each lane"
    return None
