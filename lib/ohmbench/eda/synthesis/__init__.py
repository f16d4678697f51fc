"""From Verilog to a placed and routed FPGA: clock speed, area, power, energy per inference.

There are two flows with one form of result. ``ecp5`` needs only Python packages (Yosys and nextpnr
for Lattice ECP5) and runs everywhere. ``vtr`` is the paper's flow (VTR with an academic 130 nm
architecture, including power) and needs a VTR that ``VTR_ROOT`` names.

Reading order: ``result`` (the record of a run), ``reports`` (strict reading of text), ``design``
(what is synthesised), ``runs`` (running one program and measuring it; keeping runs by content),
``reports_nextpnr`` and ``ecp5``, ``reports_vpr``, ``calibration`` and ``vtr``, ``clocks`` (clock
counts from simulation), ``blif`` and ``netlist`` (simulation of the netlist that VPR placed),
``activity`` (power from real images), ``flows`` (both flows by name, several seeds), ``sweep``.
"""
