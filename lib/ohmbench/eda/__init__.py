"""External tools: one table of them (``tools``), and what this project runs them for.

Reading order: ``environment`` (what of the user's reaches them), ``tools``, ``cache`` (what is
built once and kept), ``dependencies`` (what a build read), ``hdl`` (the sources and their
parameters), ``verilog`` (the sources with what they include), ``verilator`` (from sources to a
library), ``libraries``, ``simulation`` (images through it), ``yosys``, ``synthesis``.
"""
