"""Defaults of a synthesis. This module imports nothing heavy, so the command's help can use it."""

from __future__ import annotations

from typing import Literal

FlowName = Literal["ecp5", "vtr"]

SEEDS: dict[FlowName, int] = {"ecp5": 3, "vtr": 5}
"""Default number of placement seeds of a figure: the seeds are 1 to this number."""

LANES = (4, 7, 13, 25, 50)
"""For 100 hidden neurons: 25, 15, 8, 4 and 2 groups, the last group almost full in each case."""

IMAGES = 64
"""Images in a simulated activity."""
