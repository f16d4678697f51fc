"""Training int8 networks from scratch; each forward pass uses the quantised values.

Weights, biases and hidden values are quantised as in ``quantization``, and hidden values are
truncated. Gradients and the range of hidden values are those of ``quantizing.fake_quant``.

Source: FANN (digital half): formats, straight-through gradients, AdamW. The recipe is ours.
"""

from __future__ import annotations

import math
import os
from dataclasses import asdict, dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from typing_extensions import override

from ohmbench.data import Split, split
from ohmbench.data.augmentation import Augmentation
from ohmbench.data.classifier import Own
from ohmbench.data.own import Dataset
from ohmbench.digital.configuration import Config
from ohmbench.digital.network import FANN_S, M_MAX, Int8Network, LayerScales
from ohmbench.digital.quantization import (
    ACTIVATION_MAX,
    IN_SCALE,
    WEIGHT_MAX,
    quantize_bias,
    quantize_weight,
    weight_scale,
)
from ohmbench.digital.quantizing.fake_quant import (
    FakeQuantLayers,
    FakeQuantTask,
    straight_through,
)
from ohmbench.digital.specs import INT8_SPECS, Int8Spec
from ohmbench.digital.store import save_int8
from ohmbench.errors import OperandError
from ohmbench.tensors import FLOAT32
from ohmbench.training import step_generator


@dataclass(frozen=True)
class Int8Recipe:
    """All settings of a training except the seed.

    ``range_memory`` is the fraction of the running largest hidden value that one update keeps;
    ``label_smoothing`` keeps the logits, and with them the hidden values, from growing without
    limit.
    """

    network: str
    steps: int
    batch: int
    learning_rate: float
    weight_decay: float = 0.01
    label_smoothing: float = 0.0
    augmentation: Augmentation | None = None
    range_memory: float = 0.98
    warm_up: int = 50
    history_every: int = 25


INT8_RECIPES = {
    recipe.network: recipe
    for recipe in (
        Int8Recipe(
            network="int8-digits",
            steps=5000,
            batch=128,
            learning_rate=0.01,
            weight_decay=0.1,
            label_smoothing=0.05,
            augmentation=Augmentation(
                rotation_deg=8.0, shift_px=0.7, scale=0.1, shear=0.1, contrast=1.15
            ),
        ),
        Int8Recipe(
            network="int8-mnist28",
            steps=10000,
            batch=256,
            learning_rate=0.005,
            augmentation=Augmentation(rotation_deg=5.0, shift_px=1.0, scale=0.05, shear=0.05),
            history_every=50,
        ),
    )
}
"""The recipes of ``ohmbench train`` for this family, by network."""

_INIT_STEP = 2**31  # random stream of the initial weights, distinct from those of the updates


class FakeQuantNetwork(FakeQuantLayers):
    """The two-layer network in training: real float32 parameters, quantised in each forward pass.

    ``weight_k`` (out, in), ``bias_k`` (out,), and ``hidden_max`` (1,), the running mean of the
    batches' largest hidden value before clamping. Inputs are pixels, integers 0 to 255.
    """

    in_scale = IN_SCALE
    activation_max = ACTIVATION_MAX

    def __init__(self, sizes: tuple[int, int, int], generator: torch.Generator) -> None:
        layers = []
        for k in range(2):
            # Kaiming: a variance of 2 / inputs keeps signals through a ReLU from fading.
            std = math.sqrt(2 / sizes[k])
            weight = std * torch.randn(sizes[k + 1], sizes[k], generator=generator, **FLOAT32)
            layers.append((weight, torch.zeros(sizes[k + 1], **FLOAT32)))
        super().__init__(layers)

    def weight_scale(self, layer: int) -> torch.Tensor:
        """Scale of a layer's weights: the largest magnitude / 127."""
        return self.get_parameter(f"weight_{layer}").detach().abs().max() / WEIGHT_MAX

    @override
    def out_scale(self, layer: int = 0) -> torch.Tensor:
        """Scale of the hidden values: from their range, but large enough that M fits 16 bits."""
        smallest = IN_SCALE * self.weight_scale(layer) * 2**FANN_S / M_MAX
        return torch.maximum(self.hidden_max[layer] / ACTIVATION_MAX, smallest)

    @override
    def quantised(
        self, layer: int, in_scale: torch.Tensor | float
    ) -> tuple[torch.Tensor, torch.Tensor]:
        weight, bias = self.get_parameter(f"weight_{layer}"), self.get_parameter(f"bias_{layer}")
        scale = self.weight_scale(layer)
        bias_scale = scale * in_scale
        return (
            straight_through(weight, scale * (weight / scale).round()),
            straight_through(bias, bias_scale * (bias / bias_scale).round()),
        )

    @override
    def rounded(
        self,
        layer: int,
        sums: torch.Tensor,
        clamped: torch.Tensor,
        in_scale: torch.Tensor | float,
        out_scale: torch.Tensor | float,
    ) -> torch.Tensor:
        return clamped.floor()

    def integers(self) -> Int8Network:
        """The current network, quantised. Raises OperandError if it cannot be."""
        weight = [self.get_parameter(f"weight_{k}").detach().numpy() for k in range(2)]
        bias = [self.get_parameter(f"bias_{k}").detach().numpy() for k in range(2)]
        w_scale = [weight_scale(w) for w in weight]
        out_scale = float(self.out_scale())
        in_scale = (IN_SCALE, out_scale)
        b_scale = [float(np.float32(i * w)) for i, w in zip(in_scale, w_scale, strict=True)]
        return Int8Network.from_scales(
            (quantize_weight(weight[0], w_scale[0]), quantize_weight(weight[1], w_scale[1])),
            (quantize_bias(bias[0], b_scale[0]), quantize_bias(bias[1], b_scale[1])),
            (
                LayerScales(w_scale[0], b_scale[0], in_scale[0], out_scale),
                LayerScales(w_scale[1], b_scale[1], in_scale[1]),
            ),
        )


class Int8Task(FakeQuantTask[Int8Network]):
    """One training of ``recipe``; ``seed`` fixes initial weights, batches and distortions.

    ``parts`` replaces the data set's own split, to compare recipes without its held-out part.
    ``own`` holds configuration and data of a user's own network.
    """

    recipe: Int8Recipe
    own: Own[Config] | None
    network: FakeQuantNetwork

    def __init__(
        self,
        recipe: Int8Recipe,
        seed: int,
        parts: Split | Dataset | None = None,
        own: Own[Config] | None = None,
    ) -> None:
        super().__init__(recipe, seed, own)
        self.spec: Int8Spec = INT8_SPECS[recipe.network] if own is None else own.config.spec
        if own is not None:
            parts = own.data
        elif parts is None:
            parts = split(self.spec.dataset, seed)
        self.features = torch.from_numpy(parts.train_x).float()
        self.labels = torch.from_numpy(parts.train_y)
        self.start(FakeQuantNetwork(self.spec.sizes, step_generator(seed, _INIT_STEP)))

    @override
    def inputs(self, features: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        augmentation = self.recipe.augmentation
        if augmentation is not None:
            features = augmentation(features, generator)
        return (features / IN_SCALE).round()

    @override
    def write(
        self, out: str | os.PathLike[str], history: NDArray[np.float64], *, overwrite: bool
    ) -> Int8Network:
        network = self.network.integers()
        save_int8(
            out,
            network,
            spec=self.spec,
            seed=self.seed,
            recipe=self.recipe_text(asdict(self.recipe), history),
            history=history,
            own=self.own,
            overwrite=overwrite,
        )
        return network


def named_task(name: str, seed: int) -> Int8Task:
    """The training of the network called ``name``. Raises OperandError for an unknown name."""
    if name not in INT8_RECIPES:
        raise OperandError(f"unknown training {name!r}; choose one of {', '.join(INT8_RECIPES)}")
    return Int8Task(INT8_RECIPES[name], seed)


def own_task(own: Own[Config], seed: int) -> Int8Task:
    """The training of a user's own network."""
    train = own.config.train
    recipe = Int8Recipe(
        network=own.config.spec.name,
        steps=train.steps,
        batch=train.batch,
        learning_rate=train.learning_rate,
        weight_decay=train.weight_decay,
        label_smoothing=train.label_smoothing,
    )
    return Int8Task(recipe, seed, own=own)
