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
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ohmbench.digital.evaluation import infer_all
from ohmbench.digital.golden import ACTIVATION_MAX, Inference
from ohmbench.digital.network import FloatNetwork, Int8Network
from ohmbench.errors import HardwareFailure, OperandError, RangeError, ShapeError

Reals = NDArray[np.float64]

LARGEST_TOLERANCE = 1e6
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


@dataclass(frozen=True)
class Departure:
    """The first value beyond its tolerance, with its ``image``, ``layer`` and ``neuron``.

    ``quantity`` is "hidden", "logits", "classes" or "values" (``neuron`` is -1 for the last two).
    """

    image: int
    layer: int
    neuron: int
    quantity: str
    found: float
    expected: float
    allowed: float

    def describe(self, first_image: int = 0) -> str:
        """Describe it in one line; ``first_image`` is the number of the batch's image 0."""
        place = f"[{self.neuron}]" if self.neuron >= 0 else ""
        bound = f" within {self.allowed:.6g}" if self.allowed else ""
        return (
            f"image {first_image + self.image}, layer {self.layer}: {self.quantity}{place} = "
            f"{self.found:.9g}, but should be {self.expected:.9g}{bound}"
        )


@dataclass(frozen=True)
class Part:
    """One quantity of a stage: number of values, largest difference and largest tolerance.

    Differences and tolerances are in LSBs of the quantity. The tolerance of a single value may be
    far below the largest.
    """

    layer: int
    quantity: str
    compared: int
    largest: float
    tolerance: float


@dataclass(frozen=True)
class Stage:
    """One comparison of two stages, by quantity, and the first value beyond its tolerance, if any.

    ``note`` says why the stages may differ; ``failure`` says why there is nothing to compare.
    """

    name: str
    note: str
    parts: tuple[Part, ...]
    departure: Departure | None = None
    failure: str | None = None

    @property
    def passed(self) -> bool:
        """Whether the stage was compared and is within tolerance."""
        return self.departure is None and self.failure is None


@dataclass(frozen=True)
class _Compared:
    """One quantity of one stage, (n, neurons) or (n,); ``low`` and ``high`` bound ``found``."""

    layer: int
    quantity: str
    found: Reals
    expected: Reals
    low: Reals
    high: Reals


def _stage(name: str, note: str, quantities: list[_Compared]) -> Stage:
    """Search by layer, then image, then neuron: the first is nearest to the cause."""
    departure = None
    for q in quantities:
        bad = (q.found < q.low) | (q.found > q.high)
        if departure is None and bad.any():
            place = np.unravel_index(int(bad.argmax()), bad.shape)
            allowed = max(q.high[place] - q.expected[place], q.expected[place] - q.low[place])
            neuron = int(place[1]) if len(place) > 1 else -1
            departure = Departure(
                image=int(place[0]),
                layer=q.layer,
                neuron=neuron,
                quantity=q.quantity,
                found=float(q.found[place]),
                expected=float(q.expected[place]),
                allowed=float(allowed),
            )
    parts = tuple(
        Part(
            q.layer,
            q.quantity,
            q.found.size,
            float(np.abs(q.found - q.expected).max()),
            float(np.maximum(q.high - q.expected, q.expected - q.low).max()),
        )
        for q in quantities
    )
    return Stage(name, note, parts, departure)


def _within(layer: int, quantity: str, found: Reals, expected: Reals, tol: Reals) -> _Compared:
    return _Compared(layer, quantity, found, expected, expected - tol, expected + tol)


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
        return _stage(
            "float -> fake-quantised",
            note,
            [
                _within(0, "hidden", self.fake_hidden, self.float_hidden, factor * hidden_tol),
                _within(1, "logits", self.fake_logits, self.float_logits, factor * logit_tol),
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
        return _stage(
            "fake-quantised -> integers",
            f"M / 2^S is {self.network.M / 2**self.network.S / ratio - 1:+.2e} off the scales",
            [
                _Compared(0, "hidden", hidden, self.fake_hidden, low, high),
                _within(1, "logits", found.logits.astype(np.float64), self.fake_logits, logit_tol),
            ],
        )


def _hardware_stage(found: Inference, hardware: HardwareResult) -> Stage:
    quantities = []
    for layer, name in ((0, "hidden"), (1, "logits"), (1, "classes"), (1, "values")):
        expected, given = getattr(found, name), np.asarray(getattr(hardware, name))
        if given.shape != expected.shape:
            raise ShapeError(
                f"the hardware gave {name} of shape {given.shape}, but should be {expected.shape}"
            )
        # Every integer here is below 2^53, so float64 represents it exactly.
        e, g = expected.astype(np.float64), given.astype(np.float64)
        quantities.append(_Compared(layer, name, g, e, e, e))
    return _stage(_HARDWARE, "every bit agrees or it is wrong", quantities)


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
    if not 0 < tolerance <= LARGEST_TOLERANCE:
        raise RangeError(
            f"tolerance is {tolerance:g}, but should be above 0 and at most {LARGEST_TOLERANCE:g}"
        )
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
        try:
            stages.append(_hardware_stage(found, simulate(network, images)))
        except HardwareFailure as error:
            stages.append(Stage(_HARDWARE, "nothing to compare", (), failure=str(error)))
    return stages
