"""Training N layers whose forward pass uses quantised values; the formats are a subclass's.

Gradients are straight-through: they ignore the rounding, and are zero where a value is clamped. The
largest value of each hidden layer, which sets its scale, is a running mean over batches.

Source: FANN (digital half), for two layers.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import torch
from torch.nn.functional import cross_entropy, linear
from typing_extensions import override

from ohmbench.tensors import INT64
from ohmbench.training import Made, RecipeTask


def straight_through(exact: torch.Tensor, rounded: torch.Tensor) -> torch.Tensor:
    """The value of ``rounded`` with the gradient of ``exact``."""
    return exact + (rounded - exact).detach()


class FakeQuantLayers(torch.nn.Module):
    """The network in training: real parameters, quantised in each forward pass.

    ``weight_k`` (outputs, inputs) and ``bias_k`` (outputs,) of layer k, and ``hidden_max``
    (layers - 1,), the running mean of the batches' largest hidden value before clamping.
    ``in_scale`` is the scale of the inputs, ``activation_max`` the largest hidden integer.
    """

    hidden_max: torch.Tensor
    in_scale: float
    activation_max: int

    def __init__(self, layers: Sequence[tuple[torch.Tensor, torch.Tensor]]) -> None:
        super().__init__()
        self.depth = len(layers)
        for k, (weight, bias) in enumerate(layers):
            self.register_parameter(f"weight_{k}", torch.nn.Parameter(weight))
            self.register_parameter(f"bias_{k}", torch.nn.Parameter(bias))
        self.register_buffer("hidden_max", layers[0][0].new_zeros(self.depth - 1))

    @abstractmethod
    def quantised(
        self, layer: int, in_scale: torch.Tensor | float
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Weight and bias of ``layer`` as their integers' real values, straight-through."""

    @abstractmethod
    def out_scale(self, layer: int) -> torch.Tensor | float:
        """Scale of the outputs of hidden ``layer``, by ``hidden_max``."""

    @abstractmethod
    def rounded(
        self,
        layer: int,
        sums: torch.Tensor,
        clamped: torch.Tensor,
        in_scale: torch.Tensor | float,
        out_scale: torch.Tensor | float,
    ) -> torch.Tensor:
        """The integers of hidden ``layer``'s outputs.

        ``sums`` are the real sums after the ReLU, ``clamped`` the same over ``out_scale`` and at
        most ``activation_max``.
        """

    def forward(self, x: torch.Tensor, memory: float | None = None) -> torch.Tensor:
        """Logits (n, classes) of ``x`` (n, inputs), the inputs' integers as floats.

        With ``memory`` (training only), ``hidden_max`` is updated by this batch.
        """
        scale: torch.Tensor | float = self.in_scale
        h = scale * x
        for k in range(self.depth - 1):
            sums = linear(h, *self.quantised(k, scale)).relu()
            if memory is not None:
                self._see(k, sums, memory)
            out = self.out_scale(k)
            clamped = (sums / out).clamp(max=self.activation_max)
            h = out * straight_through(clamped, self.rounded(k, sums, clamped, scale, out))
            scale = out
        return linear(h, *self.quantised(self.depth - 1, scale))

    def _see(self, layer: int, sums: torch.Tensor, memory: float) -> None:
        """Bring the running mean of the largest value along; the first batch starts it."""
        with torch.no_grad():
            before, largest = self.hidden_max[layer], sums.max()
            mean = memory * before + (1 - memory) * largest
            self.hidden_max[layer].copy_(torch.where(before > 0, mean, largest))


class FakeQuantTask(RecipeTask[Made]):
    """The training of a ``network`` of ``FakeQuantLayers`` on ``features`` and ``labels``.

    The recipe has ``batch``, ``label_smoothing`` and ``range_memory``, besides what ``RecipeTask``
    needs.
    """

    network: FakeQuantLayers
    features: torch.Tensor
    labels: torch.Tensor
    threads = 1

    def start(self, network: FakeQuantLayers) -> None:
        """Train ``network``, by AdamW."""
        self.network = network
        self.module = network
        self.optimizer = torch.optim.AdamW(
            network.parameters(), weight_decay=self.recipe.weight_decay
        )

    @abstractmethod
    def inputs(self, features: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """The integers, as floats, of some of the features."""

    @override
    def update(self, step: int, generator: torch.Generator) -> float:
        r = self.recipe
        chosen = torch.randint(len(self.features), (r.batch,), generator=generator, **INT64)
        x = self.inputs(self.features[chosen], generator)
        logits = self.network(x, r.range_memory)
        loss = cross_entropy(logits, self.labels[chosen], label_smoothing=r.label_smoothing)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss.item()
