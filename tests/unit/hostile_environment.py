"""Environment variables and paths that users really have, but tools cannot handle."""

from __future__ import annotations

IGNORED = {
    "CXX": "false",
    "CXXFLAGS": "-DNDEBUG -Wnonsense",
    "CPPFLAGS": "-Wnonsense",
    "LDFLAGS": "-lnothing",
    "OPT_FAST": "-Wnonsense",
    "MAKEFLAGS": "-n -e",
    "MFLAGS": "-n",
    "MAKEFILES": "/nowhere/makefile",
    "OBJCACHE": "false",
    "GCC_EXEC_PREFIX": "/nowhere/",
    "COMPILER_PATH": "/nowhere",
    "DEPENDENCIES_OUTPUT": "/nowhere/rules.d",
    "GCC_COLORS": "error=31",
    "VERILATOR_ROOT": "/nowhere",
    "VERILATOR_BIN": "false",
    "VERILATOR_TEST_FLAGS": "--nonsense",
    "LD_PRELOAD": "/nowhere/preloaded.so",
    "COCOTB_TESTCASE": "nothing",
    "COCOTB_TEST_FILTER": "nothing",
    "COCOTB_TEST_MODULES": "nothing",
    "COCOTB_LIST_TESTS": "1",
    "COCOTB_RANDOM_SEED": "7",
    "COCOTB_MAX_FAILURES": "1",
    "TESTCASE": "nothing",
    "MODULE": "nothing",
    "TOPLEVEL": "nothing",
    "RANDOM_SEED": "7",
    "GPI_EXTRA": "/nowhere/gpi.so",
    "GPI_USERS": "/nowhere/gpi.so",
    "PYGPI_PYTHON_BIN": "/nowhere/python",
    "YOWASP_MOUNT": "/=/nowhere",
    "PYTHONINSPECT": "1",
    "PYTHONWARNINGS": "error",
    "PYTHONSTARTUP": "/nowhere/start.py",
    "PYTHONOPTIMIZE": "2",
    "LC_MESSAGES": "de_DE.UTF-8",
    "LANGUAGE": "de",
}
"""Each of these variables changes what some tool does or prints."""

ODD = "a b#c:d$e'f&g;h(i)%j"
"""A folder name full of characters that are special to makefiles and shells."""
