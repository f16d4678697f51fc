"""Accuracy of a floating-gate network, and how often it left the fitted ranges."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int, Int64
from torch import Tensor

from ohmbench.errors import RangeError, ShapeError
from ohmbench.floatgate.networks import FGNetwork
from ohmbench.floatgate.programming import Violations
from ohmbench.floatgate.ranges import RangeCounts, count_out_of_range
from ohmbench.stats import Interval, proportion_interval
from ohmbench.tensors import INT64
from ohmbench.transforms import refuse_transforms

# Elements of the (image, out, in) broadcast in memory at once: 64 MB in float32 per temporary.
_CHUNK_ELEMENTS = 2**24


def in_chunks(
    network: FGNetwork, v: torch.Tensor, f: Callable[[torch.Tensor], torch.Tensor]
) -> torch.Tensor:
    """``f(v)`` for ``v`` (images, inputs), computed in batches small enough to broadcast."""
    cells = max(layer.weight.numel() for layer in network.fg_layers)
    return torch.cat([f(chunk) for chunk in torch.split(v, max(1, _CHUNK_ELEMENTS // cells))])


@dataclass(frozen=True)
class Evaluation:
    """The result of ``evaluate``. ``confusion[t, p]`` counts images of class t classified as p."""

    outputs: Float[Tensor, "images classes"]
    predictions: Int64[Tensor, " images"]
    confusion: Int64[Tensor, "classes classes"]
    ranges: RangeCounts
    violations: dict[str, Violations]

    @property
    def total(self) -> int:
        """Number of images."""
        return len(self.predictions)

    @property
    def correct(self) -> int:
        """Number of correctly classified images."""
        return int(self.confusion.trace())

    @property
    def accuracy(self) -> Interval:
        """Fraction of correct answers with its 95 % Wilson interval."""
        return proportion_interval(self.correct, self.total)


def evaluate(
    network: FGNetwork, v: Float[Tensor, "images inputs"], labels: Int[Tensor, " images"]
) -> Evaluation:
    """Run gate voltages ``v`` (images, inputs) in volt against ``labels`` (images,).

    The predicted class is the first index of the largest output. Raises ShapeError, RangeError (no
    images, or a label outside the classes), the errors of the network's own checks, and
    OperandError under torch.func.
    """
    refuse_transforms("an evaluation", "transform the network")
    if v.ndim != 2 or labels.ndim != 1 or len(v) != len(labels):
        raise ShapeError(
            f"images {tuple(v.shape)} and labels {tuple(labels.shape)} should be (n, inputs), (n,)"
        )
    classes = network.spec.sizes[-1]
    if len(v) == 0:
        raise RangeError("no images to evaluate")
    if int(labels.min()) < 0 or int(labels.max()) >= classes:
        raise RangeError(
            f"labels run from {int(labels.min())} to {int(labels.max())}, "
            f"but should be from 0 to {classes - 1}"
        )
    with torch.no_grad(), count_out_of_range() as ranges:
        outputs = in_chunks(network, v, network)
    # numpy's argmax is documented to return the first index, torch's is not.
    predictions = torch.from_numpy(outputs.numpy().argmax(-1))
    confusion = torch.zeros(classes, classes, **INT64)
    confusion.index_put_((labels.long(), predictions), torch.tensor(1, **INT64), accumulate=True)
    return Evaluation(outputs, predictions, confusion, ranges, network.violations())
