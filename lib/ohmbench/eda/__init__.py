"""External tools: the table of them (``tools``), and the modules that run them.

Reading order: ``environment`` (which of the user's variables reach a tool), ``tools``, ``cache``
(builds are made once and kept), ``dependencies`` (which files a build read), ``hdl`` (the sources
and their parameters), ``verilog`` (the sources with their includes), ``verilator`` (compiles
sources to a library), ``libraries``, ``simulation`` (runs images through the library), ``yosys``,
``synthesis``.
"""
