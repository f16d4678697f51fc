"""Two-terminal devices of KirchhoffNet: the current from a source node to a destination node.

Every published device has the form ``i = g phi(a v_s + b v_d + c)``, whose four coefficients follow
from the edge's parameters ``p`` (KIRCHHOFF, names as in its configuration files). The circuit, its
divergence and its fast paths only know this form; a device is the activation ``phi`` and the map
from ``p`` to ``(g, a, b, c)``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from ohmbench.errors import OperandError

LEAKY_SLOPE = 0.01
"""Slope of the leaky ReLU below its threshold (KIRCHHOFF)."""


@dataclass(frozen=True)
class DeviceActivation:
    """``phi`` and its derivative, elementwise; ``slope(u, y)`` also receives ``y = phi(u)``."""

    name: str
    phi: Callable[[torch.Tensor], torch.Tensor]
    slope: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def _step(u: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return (u > 0).to(u.dtype)


def _softplus(u: torch.Tensor) -> torch.Tensor:
    # torch's default threshold of 20 leaves a jump of 2e-9, which is visible in double precision.
    return torch.nn.functional.softplus(u, threshold=40)


# Named functions instead of lambdas, so that models can be pickled and sent to worker processes.
def _leaky_relu(u: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.leaky_relu(u, LEAKY_SLOPE)


def _identity(u: torch.Tensor) -> torch.Tensor:
    return u


def _tanh_slope(u: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return 1 - y * y


def _sigmoid_slope(u: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return y * (1 - y)


def _softplus_slope(u: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return torch.sigmoid(u)


def _constant_slope(u: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return torch.ones_like(u)


def _leaky_step(u: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    # Filled in the dtype of u: torch.where would convert two plain numbers to float32.
    return torch.ones_like(u).masked_fill(u <= 0, LEAKY_SLOPE)


ACTIVATIONS = {
    a.name: a
    for a in (
        DeviceActivation("relu", torch.relu, _step),
        DeviceActivation(
            "leaky_relu",
            _leaky_relu,
            _leaky_step,
        ),
        DeviceActivation("tanh", torch.tanh, _tanh_slope),
        DeviceActivation("sigmoid", torch.sigmoid, _sigmoid_slope),
        DeviceActivation("softplus", _softplus, _softplus_slope),
        DeviceActivation("identity", _identity, _constant_slope),
    )
}
"""Name -> activation. At a kink the slope is the one below it, as in torch."""


class Coefficients(NamedTuple):
    """``g, a, b, c`` of ``i = g phi(a v_s + b v_d + c)``, each (edges,)."""

    g: Float[Tensor, " edges"]
    a: Float[Tensor, " edges"]
    b: Float[Tensor, " edges"]
    c: Float[Tensor, " edges"]


@dataclass(frozen=True)
class Device:
    """A kind of edge: its name, activation, number of stored parameter rows, and their meaning.

    ``coefficients(p)`` takes ``p`` (rows, edges); ``used`` counts the leading rows that it depends
    on. ``difference`` says whether the current depends on ``v_s - v_d`` alone, that is, b is -a for
    any ``p``.
    """

    name: str
    activation: DeviceActivation
    rows: int
    used: int
    coefficients: Callable[[torch.Tensor], Coefficients]
    difference: bool

    def current(
        self,
        p: Float[Tensor, "rows edges"],
        v_s: Float[Tensor, "*#batch edges"],
        v_d: Float[Tensor, "*#batch edges"],
    ) -> Float[Tensor, "*batch edges"]:
        """Current from source to destination, (..., edges), for voltages (..., edges)."""
        g, a, b, c = self.coefficients(p)
        return g * self.activation.phi(a * v_s + b * v_d + c)


def _difference_threshold(p: torch.Tensor) -> Coefficients:
    """``p1 phi((s - d) - p0)``."""
    one = torch.ones_like(p[0])
    return Coefficients(p[1], one, -one, -p[0])


def _difference_gain(p: torch.Tensor) -> Coefficients:
    """``phi((s - d) p1 + p0)``."""
    return Coefficients(torch.ones_like(p[0]), p[1], -p[1], p[0])


def _two_voltages(p: torch.Tensor) -> Coefficients:
    """``phi(s p0 + d p1 + p2)``."""
    return Coefficients(torch.ones_like(p[0]), p[0], p[1], p[2])


def _conductance(p: torch.Tensor) -> Coefficients:
    """``p0 (s - d)``."""
    one = torch.ones_like(p[0])
    return Coefficients(p[0], one, -one, torch.zeros_like(p[0]))


_A = ACTIVATIONS
# ShiftTanh1 and Conductance store three rows in the published checkpoints but do not use all of
# them.
_NAMED = {
    d.name: d
    for d in (
        Device("ShiftRelu1", _A["relu"], 2, 2, _difference_threshold, True),
        Device("ShiftRelu2", _A["relu"], 3, 3, _two_voltages, False),
        Device("ShiftLeakyRelu1", _A["leaky_relu"], 2, 2, _difference_threshold, True),
        Device("ShiftLeakyRelu2", _A["leaky_relu"], 3, 3, _two_voltages, False),
        Device("ShiftTanh1", _A["tanh"], 3, 2, _difference_gain, True),
        Device("ShiftTanh2", _A["tanh"], 3, 3, _two_voltages, False),
        Device("Conductance", _A["identity"], 3, 1, _conductance, True),
    )
}

DEVICE_NAMES = (*_NAMED, "Device")


def device(name: str, *, activation: str | None = None, difference: bool = True) -> Device:
    """The device called ``name`` in a configuration.

    "Device" is the general one: ``activation`` (a name in ``ACTIVATIONS``) of ``(s-d) p1 + p0``, or
    of ``s p0 + d p1 + p2`` without ``difference``; it stores three rows either way. The others take
    no arguments. Raises OperandError for an unknown name or activation, or arguments out of place.
    """
    if name == "Device":
        if activation not in ACTIVATIONS:
            raise OperandError(
                f"Device: activation {activation!r}, but should be one of {', '.join(ACTIVATIONS)}"
            )
        form, used = (_difference_gain, 2) if difference else (_two_voltages, 3)
        return Device(name, ACTIVATIONS[activation], 3, used, form, difference)
    if name not in _NAMED:
        raise OperandError(f"unknown device {name!r}; choose one of {', '.join(DEVICE_NAMES)}")
    if activation is not None:
        raise OperandError(f"{name}: takes no activation, only Device does")
    return _NAMED[name]
