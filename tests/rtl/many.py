"""Accelerators of many configurations side by side in one compiled simulation.

One build for twenty costs what five alone do, and each is driven by itself: only its clock runs.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ohmbench.eda.cache import cache_folder, content_key, keep_text
from ohmbench.eda.hdl import sources
from ohmbench.eda.verilator import Build, build_library

from .configurations import SIZES, Configuration
from .cycle_model import INPUTS, OUTPUTS

_WIDEST = {"image_data_i": 64, "result_class_o": 16, "result_value_o": 64, "hidden_o": 64}


def _core_ports(c: Configuration) -> dict[str, int]:
    logit = c.registers()["logit"].bits
    return {
        **dict.fromkeys(("rst_i", "image_valid_i", "image_last_i", "result_ready_i"), 1),
        "image_data_i": c.elements * c.activation_bits,
        **dict.fromkeys(("host_request_i", "host_we_i", "host_malformed_i"), 1),
        **{"host_addr_i": 19, "host_wdata_i": 64},
        **dict.fromkeys(("image_ready_o", "result_valid_o", "hidden_valid_o"), 1),
        **{"result_class_o": c.class_bits, "result_value_o": logit},
        **{"result_logits_o": c.classes * logit, "hidden_o": c.requants * c.activation_bits},
        **dict.fromkeys(("host_ready_o", "host_ack_o", "host_error_o"), 1),
        "host_rdata_o": 64,
    }


_AXI_INPUTS = {
    **{"aresetn": 1, "s_axis_tdata": 64, "s_axis_tvalid": 1, "s_axis_tlast": 1},
    **{"m_axis_tready": 1, "s_axi_awaddr": 22, "s_axi_awprot": 3, "s_axi_awvalid": 1},
    **{"s_axi_wdata": 64, "s_axi_wstrb": 8, "s_axi_wvalid": 1, "s_axi_bready": 1},
    **{"s_axi_araddr": 22, "s_axi_arprot": 3, "s_axi_arvalid": 1, "s_axi_rready": 1},
}
_AXI_OUTPUTS = {
    **{"s_axis_tready": 1, "m_axis_tdata": 64, "m_axis_tvalid": 1, "m_axis_tlast": 1},
    **{"s_axi_awready": 1, "s_axi_wready": 1, "s_axi_bresp": 2, "s_axi_bvalid": 1},
    **{"s_axi_arready": 1, "s_axi_rdata": 64, "s_axi_rresp": 2, "s_axi_rvalid": 1},
}


@dataclass(frozen=True)
class Top:
    """What stands there many times: its clock, its other ports with their bits, its parameters."""

    module: str
    clock: str
    ports: Callable[[Configuration], Mapping[str, int]]
    parameters: Sequence[str] | None
    is_output: Callable[[str], bool]
    harness: str


CORE = Top("accelerator", "clk_i", _core_ports, None, lambda n: n.endswith("_o"), "many")
AXI = Top(
    "accelerator_axi",
    "aclk",
    lambda _: {**_AXI_INPUTS, **_AXI_OUTPUTS},
    SIZES,
    lambda name: name in _AXI_OUTPUTS,
    "axi",
)


def top_module(top: Top, configurations: Sequence[Configuration]) -> str:
    """Module ``many``: the ports of ``top``, as wide as any has them, and ``which_i``."""
    ports = [top.ports(c) for c in configurations]
    bits = {
        name: max(_WIDEST.get(name, 0), *(each[name] for each in ports), 65 * ("logits" in name))
        for name in ports[0]
    }
    header = [f"  input wire {top.clock},", "  input wire [15:0] which_i"]
    body, choices = [], []
    for name, width in bits.items():
        kind = "output reg " if top.is_output(name) else "input wire"
        header[-1] += ","
        header.append(f"  {kind} [{width - 1}:0] {name}")
    for k, (c, each) in enumerate(zip(configurations, ports, strict=True)):
        given = c.parameters()
        handed = ", ".join(f".{n}({given[n]})" for n in top.parameters or given)
        connected = [f".{top.clock}({top.clock} & (which_i == 16'd{k}))"]
        chosen = []
        for name, width in each.items():
            if not top.is_output(name):
                connected.append(f".{name}({name}[{width - 1}:0])")
                continue
            body.append(f"  wire [{width - 1}:0] {name}_{k};")
            connected.append(f".{name}({name}_{k})")
            zeros = bits[name] - width
            value = f"{{{zeros}'d0, {name}_{k}}}" if zeros else f"{name}_{k}"
            chosen.append(f"      {name} = {value};")
        body.append(f"  {top.module} #({handed}) number_{k} (\n      {', '.join(connected)}\n  );")
        choices += [f"    if (which_i == 16'd{k}) begin", *chosen, "    end"]
    nothing = [f"    {name} = {width}'d0;" for name, width in bits.items() if top.is_output(name)]
    lines = ["`default_nettype none", "module many (", *header, ");", *body]
    lines += ["  always @* begin", *nothing, *choices, "  end", "endmodule"]
    return "\n".join([*lines, "`default_nettype wire", ""])


def many_build(top: Top, configurations: Sequence[Configuration]) -> Build:
    text = top_module(top, configurations)
    path = cache_folder() / "configurations" / content_key(text) / "many.v"
    if not path.is_file():
        keep_text(path, text)
    harness = Path(__file__).with_name(f"harness_{top.harness}.cpp")
    verilog = [path, *sources()]
    return Build(configurations[0], verilog=verilog, top="many", harness=harness, netlist=True)


class Many:
    """Cores side by side. ``seed`` draws what registers and memories start with."""

    def __init__(self, configurations: Sequence[Configuration], *, seed: int = 1) -> None:
        self.configurations = list(configurations)
        self._lib = ctypes.CDLL(str(build_library(many_build(CORE, configurations))))
        self._lib.many_new.restype = ctypes.c_void_p
        self._sim = ctypes.c_void_p(self._lib.many_new(ctypes.c_int(seed)))

    def close(self) -> None:
        self._lib.many_free(self._sim)

    def reset(self, which: int) -> None:
        inputs = np.zeros((2, len(INPUTS)), np.uint64)
        inputs[:, INPUTS.index("rst")] = 1
        self.clocks(which, inputs)

    def clocks(self, which: int, inputs: NDArray[np.uint64]) -> NDArray[np.uint64]:
        """Drive one of them; columns of inputs and outputs as in ``cycle_model.py``."""
        c = self.configurations[which]
        inputs = np.ascontiguousarray(inputs, np.uint64)
        outputs = np.zeros((len(inputs), len(OUTPUTS) + c.classes), np.uint64)
        self._lib.many_clocks(
            self._sim,
            ctypes.c_int(which),
            ctypes.c_int64(len(inputs)),
            *(array.ctypes.data_as(ctypes.c_void_p) for array in (inputs, outputs)),
            ctypes.c_int(c.classes),
            ctypes.c_int(c.registers()["logit"].bits),
        )
        return outputs
