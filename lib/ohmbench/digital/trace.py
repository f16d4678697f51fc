"""Find the stage at which a network's values depart: float, fake-quantised, integers, hardware.

Each stage is compared with the one before it. Its tolerance follows from the approximation it adds:

- *float*: real weights and unquantised hidden values; the ReLU is clamped where the integers are;
- *fake-quantised* (FANN's term): the same reals, but hidden values are truncated to whole LSBs, and
  weights of a separate float file are rounded to their LSBs;
- *integers*: ``golden``. It differs from fake-quantised only because ``M / 2**S`` is a rounded
  ``in_scale * weight_scale / out_scale`` and the float32 ``bias_scale`` is a rounded product;
- *hardware*: the values returned by ``simulate``; every bit must agree.

The LSB of a hidden value is ``out_scale``, that of a logit the last layer's ``bias_scale``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ohmbench.digital.evaluation import infer_all
from ohmbench.digital.golden import ACTIVATION_MAX, Inference
from ohmbench.digital.network import FloatNetwork, Int8Network
from ohmbench.digital.stages import (
    LARGEST_TOLERANCE,
    Compared,
    Departure,
    Part,
    Reals,
    Stage,
    check_tolerance,
    compare,
    within,
)
from ohmbench.errors import HardwareFailure, OperandError, RangeError, ShapeError

__all__ = [
    "LARGEST_TOLERANCE",
    "Departure",
    "HardwareResult",
    "Part",
    "Simulate",
    "Stage",
    "dequantised",
    "hardware_stage",
    "trace",
]

_HARDWARE = "integers -> hardware"
_ROUNDING = 1e-9  # error of float64 sums, relative to the largest sum


class HardwareResult(Protocol):
    """The results of a simulation; shapes and dtypes as in ``golden.Inference``."""

    @property
    def hidden(self) -> NDArray[np.uint8]:
        """Requantised values of layer 0, uint8 (n, hidden)."""

    @property
    def logits(self) -> NDArray[np.int64]:
        """Sums of layer 1, int64 (n, classes)."""

    @property
    def classes(self) -> NDArray[np.int64]:
        """Predicted classes, int64 (n,)."""

    @property
    def values(self) -> NDArray[np.int64]:
        """The logit of each predicted class, int64 (n,)."""


Simulate = Callable[[Int8Network, NDArray[np.uint8]], HardwareResult]


def dequantised(network: Int8Network) -> FloatNetwork:
    """The real weights and biases of the integers. Raises RangeError if there are no scales."""
    if network.scales is None:
        raise RangeError("the network has no scales, so its integers have no real values")
    first, last = network.scales
    w0, w1 = (w.astype(np.float64) for w in network.weight)
    b0, b1 = (b.astype(np.float64) for b in network.bias)
    return FloatNetwork(
        (w0 * first.weight_scale, w1 * last.weight_scale),
        (b0 * first.bias_scale, b1 * last.bias_scale),
    )


class _Reals:
    """The real-valued stages of one network for one batch; all values are in LSBs."""

    def __init__(
        self, network: Int8Network, images: NDArray[np.uint8], real: FloatNetwork | None
    ) -> None:
        own = dequantised(network)
        assert network.scales is not None
        first, last = network.scales
        assert first.out_scale is not None
        self.network = network
        self.bias_scale = last.bias_scale
        self.out_scale = first.out_scale
        self.x = images * first.in_scale
        self.real = own if real is None else real
        for k in range(2):
            for name in ("weight", "bias"):
                has = getattr(self.real, name)[k].shape
                wanted = getattr(network, name)[k].shape
                if has != wanted:
                    raise ShapeError(f"float {name}[{k}] has shape {has}, but should be {wanted}")
        self.separate = real is not None
        z = self.x @ own.weight[0].T + own.bias[0]
        self.z = z / self.out_scale
        self.fake_hidden = np.floor(np.clip(self.z, 0, ACTIVATION_MAX))
        self.fake_logits = self._logits(own, self.fake_hidden)
        zf = (self.x @ self.real.weight[0].T + self.real.bias[0]) / self.out_scale
        # Values that truncate to 256 or more in both; values in between are 255 without a clamp.
        over = ACTIVATION_MAX + 1
        self.saturated = int(((zf >= over) & (self.z >= over)).sum())
        self.float_hidden = np.clip(zf, 0, ACTIVATION_MAX)
        self.float_logits = self._logits(self.real, self.float_hidden)
        self.eps = _ROUNDING * (1 + np.abs(self.z).max())
        self.logit_eps = _ROUNDING * (1 + np.abs(self.float_logits).max())

    def _logits(self, net: FloatNetwork, hidden: Reals) -> Reals:
        logits: Reals = (hidden * self.out_scale @ net.weight[1].T + net.bias[1]) / self.bias_scale
        return logits

    def float_stage(self, factor: float) -> Stage:
        """Fake-quantised against float; each tolerance times ``factor``."""
        assert self.network.scales is not None
        first = self.network.scales[0]
        w1 = np.abs(self.real.weight[1]) * self.out_scale / self.bias_scale
        # Truncation reduces a hidden value by less than one LSB.
        hidden_tol = np.ones_like(self.float_hidden) + self.eps
        logit_extra: Reals = np.zeros_like(self.float_logits)
        if self.separate:
            # Rounding changes each weight and the bias by up to half an LSB.
            sums = self.x.sum(axis=1, keepdims=True) * first.weight_scale + first.bias_scale
            hidden_tol = hidden_tol + 0.5 * sums / self.out_scale
            seen = self.fake_hidden.sum(axis=1, keepdims=True)
            logit_extra = logit_extra + 0.5 * (seen + 1)
        logit_tol = hidden_tol @ w1.T + logit_extra + self.logit_eps
        note = "hidden values are truncated"
        if self.separate:
            note += ", weights and biases rounded"
        if self.saturated:
            note += f"; {self.saturated} of {self.z.size} hidden values are clamped at 255 in both"
        return compare(
            "float -> fake-quantised",
            note,
            [
                within(0, "hidden", self.fake_hidden, self.float_hidden, factor * hidden_tol),
                within(1, "logits", self.fake_logits, self.float_logits, factor * logit_tol),
            ],
        )

    def integer_stage(self, found: Inference) -> Stage:
        """Integers against fake-quantised; only the rounding of M and of bias scales differs."""
        assert self.network.scales is not None
        first, last = self.network.scales
        ratio = first.in_scale * first.weight_scale / self.out_scale
        # Half a step of M, the most that rounding costs. The actual distance between M and the
        # scales would accept any M.
        rounded_M = 0.5 / 2**self.network.S
        off_bias = np.abs(self.network.bias[0].astype(np.float64)) * abs(
            first.bias_scale / self.out_scale - ratio
        )
        error = found.r * rounded_M + off_bias + self.eps
        low, high = (
            np.floor(np.clip(self.z + sign * error, 0, ACTIVATION_MAX)) for sign in (-1, 1)
        )
        w1 = np.abs(self.network.weight[1].astype(np.float64))
        # The LSB is bias_scale, which is only nearly the scale of the products.
        ratio_1 = last.in_scale * last.weight_scale / self.bias_scale
        off_product = abs(ratio_1 - 1) * ACTIVATION_MAX * w1.sum(axis=1)
        logit_tol = (high - low) @ w1.T + off_product + self.logit_eps
        hidden = found.hidden.astype(np.float64)
        return compare(
            "fake-quantised -> integers",
            f"M / 2^S is {self.network.M / 2**self.network.S / ratio - 1:+.2e} off the scales",
            [
                Compared(0, "hidden", hidden, self.fake_hidden, low, high),
                within(1, "logits", found.logits.astype(np.float64), self.fake_logits, logit_tol),
            ],
        )


def _compared(found: HardwareResult, hardware: HardwareResult) -> Stage:
    quantities = []
    for layer, name in ((0, "hidden"), (1, "logits"), (1, "classes"), (1, "values")):
        expected, given = getattr(found, name), np.asarray(getattr(hardware, name))
        if given.shape != expected.shape:
            raise ShapeError(
                f"the hardware gave {name} of shape {given.shape}, but should be {expected.shape}"
            )
        # Every integer here is below 2^53, so float64 represents it exactly.
        e, g = expected.astype(np.float64), given.astype(np.float64)
        quantities.append(Compared(layer, name, g, e, e, e))
    return compare(_HARDWARE, "every bit agrees or it is wrong", quantities)


def hardware_stage(
    network: Int8Network, images: NDArray[np.uint8], found: HardwareResult, simulate: Simulate
) -> Stage:
    """The hardware, run by ``simulate``, against the integers ``found``.

    A HardwareFailure becomes the ``failure`` of the stage. Raises ShapeError for results of other
    shapes, and the errors of ``simulate``.
    """
    try:
        return _compared(found, simulate(network, images))
    except HardwareFailure as error:
        return Stage(_HARDWARE, "nothing to compare", (), failure=str(error))


def trace(
    network: Int8Network,
    images: NDArray[np.uint8],
    *,
    real: FloatNetwork | None = None,
    simulate: Simulate | None = None,
    tolerance: float = 1.0,
) -> list[Stage]:
    """Follow ``images``, uint8 (n, inputs), through all available stages.

    A network without scales has no real-valued stages. ``real`` replaces the dequantised weights in
    the float stage, and ``tolerance`` multiplies the tolerances against that stage. ``simulate``
    adds the hardware stage. Raises OperandError and the errors of ``simulate``, except
    HardwareFailure, which becomes the ``failure`` of the stage.
    """
    check_tolerance(tolerance)
    if network.scales is None and simulate is None:
        raise OperandError(
            "the network has no scales, so without the hardware there is nothing to compare"
        )
    found = infer_all(network, images)
    stages = []
    if network.scales is not None:
        reals = _Reals(network, images, real)
        stages += [reals.float_stage(tolerance), reals.integer_stage(found)]
    elif real is not None:
        raise OperandError("the network has no scales to compare float weights by")
    if simulate is not None:
        stages.append(hardware_stage(network, images, found, simulate))
    return stages
