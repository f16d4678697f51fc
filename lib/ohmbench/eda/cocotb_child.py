"""Runs cocotb-test in a process of its own: ``python -m ohmbench.eda.cocotb_child < order.json``.

cocotb-test changes signal handlers, warning filters and logging of the process that uses it, and
looks for Verilator on that process's PATH. Here it may. The order names one of its simulator
classes, the keyword arguments for it, and whether its build commands are to be left out.
"""

from __future__ import annotations

import json
import sys


def main() -> None:
    """Build, or run what is built; exit status 1 when a command or a test failed."""
    from cocotb_test import simulator  # type: ignore[import-untyped]

    order = json.load(sys.stdin)
    work = getattr(simulator, order["simulator"])(**order["options"])
    if order["run_only"]:
        commands = work.build_command
        work.build_command = lambda: commands()[-1:]  # the last one starts the simulation
    work.run()


if __name__ == "__main__":
    main()
