"""From Verilog to a placed and routed FPGA: clock speed, area, power, energy per inference.

Two flows, one result. ``ecp5`` needs only pip's packages (Yosys and nextpnr for Lattice ECP5) and
runs everywhere; ``vtr`` is the paper's (VTR, the academic 130 nm architecture, with power) and
needs a VTR that ``VTR_ROOT`` names.

Reading order: ``result`` (what a run found), ``reports`` (strict reading of text), ``design`` (what
is synthesised), ``runs`` (one program, measured; runs kept by content), ``reports_nextpnr`` and
``ecp5``, ``reports_vpr``, ``calibration`` and ``vtr``, ``clocks`` (counted in simulation),
``blif`` and ``netlist`` (what VPR placed, simulated), ``activity`` (power from real images),
``flows`` (both by name, several seeds), ``sweep``.
"""
