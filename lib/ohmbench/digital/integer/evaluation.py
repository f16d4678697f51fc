"""Accuracy of an integer network of N layers, computed with its integers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64
from numpy.typing import NDArray

from ohmbench.digital.integer.golden import infer
from ohmbench.digital.integer.network import IntegerNetwork
from ohmbench.errors import RangeError, ShapeError
from ohmbench.stats import Interval, proportion_interval

# Inputs per batch, which bounds the memory of the intermediate values.
_CHUNK = 500


@dataclass(frozen=True)
class IntegerEvaluation:
    """The result of ``evaluate_integer``.

    ``classes``: int64 (n,). ``confusion[t, p]`` counts inputs of class t classified as p.
    ``acc_low`` and ``acc_high`` are the least and largest sum that an input reached, per layer.
    """

    classes: Int64[NDArray[np.int64], " n"]
    confusion: Int64[NDArray[np.int64], "classes classes"]
    acc_low: tuple[int, ...]
    acc_high: tuple[int, ...]

    @property
    def total(self) -> int:
        """Number of inputs."""
        return len(self.classes)

    @property
    def correct(self) -> int:
        """Number of correctly classified inputs."""
        return int(self.confusion.trace())

    @property
    def accuracy(self) -> Interval:
        """Fraction of correct answers with its 95 % Wilson interval."""
        return proportion_interval(self.correct, self.total)


def evaluate_integer(
    network: IntegerNetwork,
    x: Int64[NDArray[np.int64], "n inputs"],
    labels: Int64[NDArray[np.int64], " n"],
) -> IntegerEvaluation:
    """Run integers ``x`` (n, inputs) against ``labels`` (n,).

    Raises DtypeError, ShapeError or RangeError (a label outside the classes).
    """
    if labels.shape != (len(x),):
        raise ShapeError(f"labels have shape {labels.shape}, but should be ({len(x)},)")
    if len(labels) and (int(labels.min()) < 0 or int(labels.max()) >= network.classes):
        raise RangeError(
            f"labels run from {labels.min()} to {labels.max()}, but should be from 0 to "
            f"{network.classes - 1}"
        )
    # At least one batch: an empty one is refused.
    found = [_batch(network, x[at : at + _CHUNK]) for at in range(0, max(len(x), 1), _CHUNK)]
    answers = np.concatenate([classes for classes, _, _ in found])
    confusion = np.zeros((network.classes, network.classes), np.int64)
    np.add.at(confusion, (labels, answers), 1)
    return IntegerEvaluation(
        answers,
        confusion,
        tuple(min(ends) for ends in zip(*(low for _, low, _ in found), strict=True)),
        tuple(max(ends) for ends in zip(*(high for _, _, high in found), strict=True)),
    )


def _batch(
    network: IntegerNetwork, x: NDArray[np.int64]
) -> tuple[NDArray[np.int64], list[int], list[int]]:
    """The classes, and the least and the largest sum of each layer."""
    found = infer(network, x)
    return found.classes, [int(a.min()) for a in found.acc], [int(a.max()) for a in found.acc]
