"""What quantisation costs: errors of every layer, and both networks' held-out accuracies."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ohmbench.digital.integer.golden import Inference, infer
from ohmbench.digital.integer.network import Affine, IntegerNetwork
from ohmbench.digital.quantizing.calibration import check_features
from ohmbench.digital.quantizing.float_models import FloatMLP
from ohmbench.digital.quantizing.scales import Per, weight_scales
from ohmbench.errors import RangeError, ShapeError
from ohmbench.stats import Interval, proportion_interval

_ROWS = 1000
"""Samples at a time: every value of every layer is in memory."""


@dataclass(frozen=True)
class LayerLoss:
    """What one layer loses, on the samples it was judged by.

    ``clamped`` of ``values`` outputs were above the largest integer. ``signal`` and ``noise`` are
    the sums of squares of the float model's outputs and of the integers' deviations from them, in
    which the errors of the layers before add up.
    """

    name: str
    channels: int
    inputs: int
    S: int
    clamped: int
    values: int
    signal: float
    noise: float

    @property
    def sqnr_dB(self) -> float | None:
        """Signal to quantisation noise ratio, 10 log10(signal / noise); None without noise."""
        if self.noise == 0 or self.signal == 0:
            return None
        return 10 * math.log10(self.signal / self.noise)


@dataclass(frozen=True)
class Comparison:
    """A float model and its integers on the same held-out samples.

    ``right_float``, ``right_integers`` and ``same`` count samples: right classes, and the same
    class from both. ``clamped_inputs`` of ``inputs`` numbers were outside the input's range.
    ``majority`` is the share of the most frequent class.
    """

    samples: int
    right_float: int
    right_integers: int
    same: int
    clamped_inputs: int
    inputs: int
    majority: float
    layers: tuple[LayerLoss, ...]

    @property
    def float_accuracy(self) -> Interval:
        """Accuracy of the float model, with its 95 % interval."""
        return proportion_interval(self.right_float, self.samples)

    @property
    def accuracy(self) -> Interval:
        """Accuracy of the integers, with its 95 % interval."""
        return proportion_interval(self.right_integers, self.samples)

    @property
    def agreement(self) -> Interval:
        """Share of samples with the same class from both, with its 95 % interval."""
        return proportion_interval(self.same, self.samples)

    @property
    def reads_other_features(self) -> bool:
        """Whether the float model is no better than always answering the most frequent class."""
        return self.float_accuracy.low <= self.majority

    @property
    def clearly_worse(self) -> bool:
        """Whether the integers' 95 % interval lies below that of the float model."""
        return self.accuracy.high < self.float_accuracy.low


def weight_errors(model: FloatMLP, network: IntegerNetwork, per: Per) -> list[float]:
    """For each layer, the norm of the weights' rounding errors relative to that of the weights.

    ``network`` are the integers of ``model``, quantised per tensor or ``per`` channel.
    """
    found = []
    for k, (weight, layer) in enumerate(zip(model.weights, network.layers, strict=True)):
        its = per if k + 1 < len(network.layers) else "tensor"
        error = weight - layer.weight * weight_scales(weight, layer.bits, its)[:, None]
        found.append(float(np.linalg.norm(error) / np.linalg.norm(weight)))
    return found


def _clamped(network: IntegerNetwork, found: Inference, k: int) -> int:
    """Outputs of layer ``k`` above its largest integer before they were clamped."""
    step, product = network.layers[k].step, found.product[k]
    if not isinstance(step, Affine) or step.hi is None or product is None:
        return 0
    return int(((product >> np.int64(step.S)) + step.Z > step.hi).sum())


def compare(
    model: FloatMLP,
    network: IntegerNetwork,
    x: NDArray[Any],
    labels: NDArray[np.int64],
) -> Comparison:
    """Run ``model`` and ``network`` on features ``x`` (n, inputs) with ``labels`` (n,).

    Raises ShapeError, NonFiniteError, or RangeError for labels that are not outputs of the model.
    """
    check_features(model, x)
    if labels.shape != (len(x),):
        raise ShapeError(f"labels have shape {labels.shape}, but should be ({len(x)},)")
    if int(labels.min()) < 0 or int(labels.max()) >= model.sizes[-1]:
        raise RangeError(
            f"labels run from {labels.min()} to {labels.max()}, but the model has "
            f"{model.sizes[-1]} outputs"
        )
    depth = len(network.layers)
    clamped, signal, noise = np.zeros(depth, np.int64), np.zeros(depth), np.zeros(depth)
    right_float = right_integers = same = clamped_inputs = 0
    low, high = network.input.real(np.array([network.input.lo, network.input.hi])).tolist()
    margin = network.input.scale / 2
    for start in range(0, len(x), _ROWS):
        part, y = x[start : start + _ROWS], labels[start : start + _ROWS]
        outputs = model.outputs(part)
        found = infer(network, network.input.quantise(part))
        for k, layer in enumerate(network.layers):
            assert layer.meaning is not None
            clamped[k] += _clamped(network, found, k)
            signal[k] += (outputs[k] ** 2).sum()
            noise[k] += ((layer.meaning.real(found.h[k]) - outputs[k]) ** 2).sum()
        answers = outputs[-1].argmax(axis=1)
        right_float += int((answers == y).sum())
        right_integers += int((found.classes == y).sum())
        same += int((answers == found.classes).sum())
        clamped_inputs += int(((part < low - margin) | (part > high + margin)).sum())
    losses = []
    for k, layer in enumerate(network.layers):
        losses.append(
            LayerLoss(
                model.names[k],
                layer.channels,
                layer.inputs,
                layer.step.S if isinstance(layer.step, Affine) else 0,
                int(clamped[k]),
                len(x) * layer.channels,
                float(signal[k]),
                float(noise[k]),
            )
        )
    majority = float(np.bincount(labels).max() / len(labels))
    return Comparison(
        len(x), right_float, right_integers, same, clamped_inputs, x.size, majority, tuple(losses)
    )
