"""What a run can say of a claim. Light, for the command's help."""

from __future__ import annotations

from enum import Enum


class ClaimStatus(str, Enum):
    """What is known of a claim after a run."""

    REPRODUCED = "reproduced"
    DIFFERS = "differs"
    MET = "met"
    MISSED = "missed"
    NOT_CHECKABLE = "not checkable"
    NOT_RUN = "not run"
    FAILED = "FAILED"
