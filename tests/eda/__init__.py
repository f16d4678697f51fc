"""Tools that only the tests of the Verilog use.

``cocotb_runner`` (protocol tests, in Verilator or Icarus), ``mutation`` (mutants of the netlist),
``formal`` (proofs with sby, and ``bitwuzla_shell`` for it), ``coverage``. What the product uses too
is in ``ohmbench.eda``.
"""
