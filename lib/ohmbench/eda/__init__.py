"""External tools: one table of them (``tools``), and what this project runs them for.

Reading order: ``tools``, ``cache`` (what is built once and kept), ``hdl`` (the sources and their
parameters), ``verilator`` (from sources to a library), ``simulation`` (images through it),
``cocotb_runner`` (protocol tests, in Verilator or Icarus), ``yosys``, ``mutation``, ``formal``,
``coverage``.
"""
