"""Tools that only the tests of the Verilog use.

``cocotb_runner`` (protocol tests, in Verilator or Icarus), ``mutation`` (mutants of the netlist),
``formal`` (proofs with sby; ``bitwuzla_shell`` is one of its solvers), ``coverage``. Tools that the
product also uses are in ``ohmbench.eda``.
"""
