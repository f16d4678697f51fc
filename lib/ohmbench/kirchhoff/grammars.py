"""The small languages inside a configuration: projector, encoder and scheduler."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal

from ohmbench.fields import fault, found


@dataclass(frozen=True)
class Projector:
    """How end voltages become outputs: ``none|lastN|firstN|mlp_A_B|reshapeN``.

    ``none`` reads all nodes, ``last`` and ``first`` read ``n`` of them, ``mlp`` maps all ``n`` of
    them to ``outputs`` numbers, and ``reshape`` folds them into ``n`` rows and reads the mean of
    each (no published file uses it; this reading is ours).
    """

    kind: Literal["none", "last", "first", "mlp", "reshape"] = "none"
    n: int = 0
    outputs: int = 0

    def __str__(self) -> str:
        if self.kind == "none":
            return "none"
        return f"mlp_{self.n}_{self.outputs}" if self.kind == "mlp" else f"{self.kind}{self.n}"


@dataclass(frozen=True)
class Encoder:
    """How a sample is transformed before it becomes voltages: ``none|mlp_A_B``, A inputs to B
    nodes.

    The artifacts name an encoder but never use one.
    """

    kind: Literal["none", "mlp"] = "none"
    inputs: int = 0
    outputs: int = 0

    def __str__(self) -> str:
        return "none" if self.kind == "none" else f"mlp_{self.inputs}_{self.outputs}"


@dataclass(frozen=True)
class Scheduler:
    """Learning rate over epochs: ``none|steplr_K_G|cosinelr_T_eta``.

    ``steplr`` multiplies it by ``gamma`` every ``epochs`` epochs; ``cosinelr`` moves it along
    half a cosine to ``eta`` in ``epochs`` epochs, and back, as torch's CosineAnnealingLR does.
    """

    kind: Literal["none", "steplr", "cosinelr"] = "none"
    epochs: int = 0
    gamma: float = 1.0
    eta: float = 0.0

    def __str__(self) -> str:
        if self.kind == "none":
            return "none"
        return f"{self.kind}_{self.epochs}_{self.gamma if self.kind == 'steplr' else self.eta!r}"


_N = r"[1-9][0-9]{0,5}"
_PROJECTOR = re.compile(rf"(last|first|reshape)({_N})|mlp_({_N})_({_N})")
_ENCODER = re.compile(rf"mlp_({_N})_({_N})")
_SCHEDULER = re.compile(
    r"(steplr|cosinelr)_([1-9][0-9]{0,6})_([0-9]{1,20}(?:\.[0-9]{0,40})?(?:e[-+]?[0-9]{1,2})?)"
)


def _is_none(value: Any) -> bool:
    return value is None or value == "none"


def parse_projector(value: Any) -> Any:
    """A `Projector` from its text or null."""
    if isinstance(value, Projector):
        return value
    if _is_none(value):
        return Projector()
    match = _PROJECTOR.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise fault(f"expected none, lastN, firstN, mlp_A_B or reshapeN, found {found(value)}")
    if match[1]:
        return Projector(match[1], int(match[2]))  # type: ignore[arg-type]
    return Projector("mlp", int(match[3]), int(match[4]))


def parse_encoder(value: Any) -> Any:
    """An `Encoder` from its text or null."""
    if isinstance(value, Encoder):
        return value
    if _is_none(value):
        return Encoder()
    match = _ENCODER.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise fault(f"expected none or mlp_A_B, found {found(value)}")
    return Encoder("mlp", int(match[1]), int(match[2]))


def parse_scheduler(value: Any) -> Any:
    """A `Scheduler` from its text or null."""
    if isinstance(value, Scheduler):
        return value
    if _is_none(value):
        return Scheduler()
    match = _SCHEDULER.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise fault(f"expected none, steplr_K_G or cosinelr_T_eta, found {found(value)}")
    epochs, number = int(match[2]), float(match[3])
    if match[1] == "cosinelr":
        return Scheduler("cosinelr", epochs, eta=number)
    if not 0 < number <= 1:
        raise fault(f"expected a factor above 0 and at most 1, found {found(value)}")
    return Scheduler("steplr", epochs, gamma=number)


def parse_residual(value: Any) -> Any:
    """A switch that the artifacts always leave null."""
    return False if _is_none(value) else value
