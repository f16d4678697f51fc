"""What a synthesis takes where the user says nothing. Light, for the command's help."""

from __future__ import annotations

from typing import Literal

FlowName = Literal["ecp5", "vtr"]

SEEDS: dict[FlowName, int] = {"ecp5": 3, "vtr": 5}
"""How many placement seeds a figure stands on unless the user says otherwise: 1 to this."""

LANES = (4, 7, 13, 25, 50)
"""For 100 hidden neurons: 25, 15, 8, 4 and 2 groups, the last one almost full in each."""

IMAGES = 64
"""Images of a simulated activity."""
