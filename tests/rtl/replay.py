"""Recorded clocks in Icarus Verilog: given inputs, and the outputs that must come of them.

A design is compiled in a tenth of a second and a difference is met in less, so that this is what
thousands of mutants of ``hdl`` are put through; and nothing promised may be unknown.
"""

from __future__ import annotations

import resource
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ohmbench.eda.environment import tool_environment
from ohmbench.eda.tools import require

from .axi_pins import INPUTS as PINS_IN
from .axi_pins import OUTPUTS as PINS_OUT
from .configurations import Configuration
from .cycle_model import INPUTS, OUTPUTS, Clocks

BENCHES = Path(__file__).parent
CPU_LIMIT_S = 60
MEMORY_LIMIT = 2 << 30
_PIN_BITS = {
    **{"s_axis_tdata": 64, "awaddr": 22, "awprot": 3, "wdata": 64, "wstrb": 8, "araddr": 22},
    **{"arprot": 3, "m_axis_tdata": 64, "bresp": 2, "rdata": 64, "rresp": 2},
}
# In the order of the concatenations in tb_clocks.v and tb_axi_clocks.v.
_CORE_IN = (
    *("rst", "image_valid", "image_last", "result_ready", "host_request", "host_we"),
    *("host_malformed", "image_data", "host_addr", "host_wdata"),
)
_CORE_OUT = (
    *("image_ready", "result_valid", "hidden_valid", "host_ready", "host_ack", "host_error"),
    *("host_rdata", "hidden", "class", "value"),
)


@dataclass(frozen=True)
class Recording:
    """``inputs.hex`` and ``outputs.hex`` in ``folder``, for ``bench`` with these parameters."""

    folder: Path
    bench: str
    parameters: Mapping[str, int]

    def difference(self, verilog: Sequence[Path], program: Path) -> str | None:
        """What a design does otherwise in the first clock in which it does, None if it does not;
        why it cannot be built or does not come to an end. ``program`` is written."""
        bench = BENCHES / f"{self.bench}.v"
        given = [f"-P{self.bench}.{name}={n}" for name, n in self.parameters.items()]
        files = map(str, (bench, *verilog))
        command = [
            *(require("icarus"), "-g2005", "-o", str(program), "-s", self.bench),
            *given,
            *files,
        ]
        status, said = run_limited(command, self.folder)
        if status:
            return f"cannot be built: {said.strip().partition(chr(10))[0]}"
        status, said = run_limited(["vvp", "-n", str(program)], self.folder)
        if status:
            return "does not come to an end"
        return None if said == f"SAME {self.parameters['CLOCKS']}\n" else said.partition("\n")[0]


def run_limited(command: Sequence[str], folder: Path) -> tuple[int, str]:
    def limits() -> None:
        resource.setrlimit(resource.RLIMIT_CPU, (CPU_LIMIT_S, CPU_LIMIT_S))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT, MEMORY_LIMIT))

    done = subprocess.run(
        command,
        cwd=folder,
        env=tool_environment(),
        capture_output=True,
        text=True,
        preexec_fn=limits,
        timeout=1800,
    )
    return done.returncode, done.stdout + done.stderr


def _write(path: Path, columns: Sequence[tuple[NDArray[Any], int]]) -> None:
    """Columns (values, bits), the first in the high bits, as one hexadecimal number a line."""
    rows = np.zeros(len(columns[0][0]), object)
    for values, bits in columns:
        rows = rows << bits | values.astype(object) & (1 << bits) - 1
    digits = -(-sum(bits for _, bits in columns) // 4)
    path.write_text("".join(f"{row:0{digits}x}\n" for row in rows))


def record_core(folder: Path, c: Configuration, clocks: Clocks) -> Recording:
    """From the clock after a reset on."""
    logit = c.registers()["logit"].bits
    bits = {"image_data": 64, "host_addr": 19, "host_wdata": 64, "host_rdata": 64}
    bits |= {"hidden": c.requants * c.activation_bits, "class": c.class_bits, "value": logit}
    given = [(clocks.inputs[:, INPUTS.index(n)], bits.get(n, 1)) for n in _CORE_IN]
    promised = [(clocks.care[:, OUTPUTS.index(n)], 1) for n in ("class", "hidden")]
    due = [(clocks.expected[:, OUTPUTS.index(n)], bits.get(n, 1)) for n in _CORE_OUT]
    logits = [(clocks.expected[:, len(OUTPUTS) + k], logit) for k in reversed(range(c.classes))]
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / "inputs.hex", given)
    _write(folder / "outputs.hex", [*promised, *due, *logits])
    sizes = {"CLASS_W": c.class_bits, "LOGIT_W": logit, "CLOCKS": len(clocks.inputs)}
    return Recording(folder, "tb_clocks", {**c.parameters(), **sizes})


def record_axi(
    folder: Path, c: Configuration, clocks: Sequence[tuple[tuple[int, ...], tuple[int, ...]]]
) -> Recording:
    """``AxiPins.clocks``. What is on a channel without its valid is not promised."""
    pins = [np.array(x, np.uint64).T for x in zip(*clocks, strict=True)]
    folder.mkdir(parents=True, exist_ok=True)
    for name, columns, names in zip(("inputs", "outputs"), pins, (PINS_IN, PINS_OUT), strict=True):
        table = zip(columns, names, strict=True)
        _write(folder / f"{name}.hex", [(x, _PIN_BITS.get(n, 1)) for x, n in table])
    return Recording(folder, "tb_axi_clocks", {**c.sizes(), "CLOCKS": len(clocks)})
