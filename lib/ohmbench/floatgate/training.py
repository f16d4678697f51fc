"""Training floating-gate networks from scratch, under their programming constraints.

Each forward pass uses the programmed currents (``scales``); gradients are straight-through (they
ignore the rounding). Noise on the gate voltages widens the cells' steep response (a factor e every
29 mV), so that every cell gets a gradient. Adam's epsilon must be far below the gradients of a pA
cell.
"""

from __future__ import annotations

import math
import os
from dataclasses import asdict, dataclass
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import cross_entropy
from torch.nn.utils import parametrize
from typing_extensions import override

from ohmbench.data import split
from ohmbench.data.augmentation import Augmentation
from ohmbench.data.classifier import Own
from ohmbench.errors import OperandError
from ohmbench.floatgate.circuits import Activation
from ohmbench.floatgate.configuration import Config
from ohmbench.floatgate.networks import SPECS, FGNetwork, NetworkSpec
from ohmbench.floatgate.scales import AsinhOptions, OnCurrentOptions
from ohmbench.floatgate.store import save_network
from ohmbench.kernels.parallel import SERIAL_BELOW
from ohmbench.tensors import FLOAT32, INT64
from ohmbench.training import RecipeTask, step_generator


@dataclass(frozen=True)
class LayerStart:
    """Initial weights of one layer: theta ~ N(mean, std) on ``scale``; biases N(0, bias_std)."""

    scale: AsinhOptions | OnCurrentOptions
    theta_mean: float
    theta_std: float
    bias_std: float


@dataclass(frozen=True)
class Recipe:
    """All settings of a training except the seed.

    The loss has two terms. The first is the cross entropy of ``logit_gain`` times the network's
    logits, whose own range (-1.5 to 3) is too narrow for a confident softmax. The second is
    ``margin_weight`` times the cross entropy of ``margin_gain (p - n)``, the line voltages of the
    output layer, which still separate classes where the sigmoid is saturated and has no gradient.
    Neither changes the predicted class.

    ``population`` networks start differently and train side by side on the same batches; the one
    that fits the training data best is kept. Small networks need this: if all five neurons start on
    the same side of a circle, they never find the other side.
    """

    network: str
    steps: int
    batch: int
    learning_rate: float
    layers: tuple[LayerStart, ...]
    noise_V: float
    logit_gain: float
    margin_weight: float = 0.0
    margin_gain: float = 20.0
    augmentation: Augmentation | None = None
    population: int = 1
    warm_up: int = 50
    history_every: int = 25


_ON_V = 2.44
"""Upper end (V) of a sigmoid's output, at which the cells of the next layer are on."""

_CIRCLES_HIDDEN = LayerStart(AsinhOptions(1e-8), theta_mean=0.0, theta_std=3.5, bias_std=4.0)

RECIPES = {
    recipe.network: recipe
    for recipe in (
        Recipe(
            network="floatgate-digits",
            steps=3000,
            batch=128,
            learning_rate=0.1,
            layers=(
                LayerStart(AsinhOptions(1e-8), theta_mean=0.0, theta_std=2.0, bias_std=0.0),
                LayerStart(
                    OnCurrentOptions(_ON_V, 1e-8), theta_mean=0.0, theta_std=1.0, bias_std=0.0
                ),
            ),
            noise_V=0.06,
            logit_gain=2.0,
            margin_weight=1.0,
            augmentation=Augmentation(
                rotation_deg=6.0, shift_px=0.5, scale=0.07, shear=0.07, contrast=1.15
            ),
        ),
        Recipe(
            network="floatgate-circles",
            steps=500,
            population=24,
            batch=64,
            learning_rate=0.3,
            layers=(
                _CIRCLES_HIDDEN,
                LayerStart(AsinhOptions(1e-7), theta_mean=3.7, theta_std=0.5, bias_std=2.0),
            ),
            noise_V=0.02,
            logit_gain=2.0,
        ),
    )
}
"""The recipes of ``ohmbench train``, by network."""


def own_recipe(config: Config) -> Recipe:
    """The recipe of a user's own network: the settings of ``config``, and suitable initial weights.

    Cells that read encoded features are trained on an asinh scale, cells that read a sigmoid on the
    scale of their on-current. Cells of a WTA row start in the middle of their range. This follows
    the recipes of the published networks, scaled to the programmable range of the device.
    """
    spec, train = config.spec, config.train
    starts = []
    for k, activation in enumerate(spec.activations):
        w_max_A = spec.programmable(k).w_max_A
        before = spec.activations[k - 1] if k else None
        sigmoid = spec.circuits.sigmoid
        if activation is Activation.WTA:
            start = LayerStart(
                AsinhOptions(w_max_A / 70), theta_mean=3.7, theta_std=0.5, bias_std=2.0
            )
        elif before is Activation.SIGMOID and sigmoid is not None:
            start = LayerStart(
                OnCurrentOptions(sigmoid.highest_V, w_max_A / 1000),
                theta_mean=0.0,
                theta_std=1.0,
                bias_std=0.0,
            )
        else:
            start = LayerStart(
                AsinhOptions(w_max_A / 1000), theta_mean=0.0, theta_std=2.0, bias_std=2.0
            )
        starts.append(start)
    # The line voltages of the output layer still separate classes where its sigmoids are saturated.
    saturates = spec.activations[-1] is Activation.SIGMOID
    return Recipe(
        network=spec.name,
        steps=train.steps,
        batch=train.batch,
        learning_rate=train.learning_rate,
        layers=tuple(starts),
        noise_V=train.noise_V,
        logit_gain=train.logit_gain,
        margin_weight=1.0 if saturates else 0.0,
        population=train.population,
    )


_BIAS_SCALE = AsinhOptions(1e-8)
_INIT_STEP = 2**31  # random streams of the initial currents, distinct from those of the updates


def initial_network(
    spec: NetworkSpec, recipe: Recipe, generator: torch.Generator
) -> tuple[FGNetwork, list[tuple[torch.nn.Parameter, float]]]:
    """The untrained float32 network on the recipe's scales; each theta with its largest value."""
    shapes = [(out, n_in) for n_in, out in pairwise(spec.sizes)]
    least_A = spec.programmable(0).w_min_A
    weights = [torch.full(shape, least_A, **FLOAT32) for shape in shapes]
    biases = [torch.full(shape[:1], least_A, **FLOAT32) for shape in shapes]
    network = FGNetwork(spec, weights, biases)
    thetas = []
    for k, (layer, start) in enumerate(zip(network.fg_layers, recipe.layers, strict=True)):
        for name, options, mean, std in (
            ("weight", start.scale, start.theta_mean, start.theta_std),
            ("bias", _BIAS_SCALE, 0.0, start.bias_std),
        ):
            scale = options.scale(spec.programmable(k), layer.cell)
            parametrize.register_parametrization(layer, name, scale)
            theta = layer.get_parameter(f"parametrizations.{name}.original")
            with torch.no_grad():
                theta.copy_(mean + std * torch.randn(theta.shape, generator=generator, **FLOAT32))
            thetas.append((theta, scale.largest_theta))
    return network, thetas


class FloatgateTask(RecipeTask[FGNetwork]):
    """One training of ``recipe``; ``seed`` fixes split, initial weights, batches and noise.

    ``own`` holds configuration and data of a user's own network; without it the recipe names one of
    ``SPECS``.
    """

    recipe: Recipe
    own: Own[Config] | None

    def __init__(self, recipe: Recipe, seed: int, own: Own[Config] | None = None) -> None:
        super().__init__(recipe, seed, own)
        spec = SPECS[recipe.network] if own is None else own.config.spec
        cells = max(math.prod(pair) for pair in pairwise(spec.sizes))
        self.threads = 1 if recipe.batch * cells < SERIAL_BELOW else None
        parts = split(spec.dataset, seed) if own is None else own.data
        self.features = torch.from_numpy(parts.train_x).float()
        self.labels = torch.from_numpy(parts.train_y)
        self.spec = spec
        self.networks = []
        self.thetas: list[tuple[torch.nn.Parameter, float]] = []
        for member in range(recipe.population):
            generator = step_generator(seed, _INIT_STEP + member)
            network, thetas = initial_network(spec, recipe, generator)
            self.networks.append(network)
            self.thetas += thetas
        self.module = torch.nn.ModuleList(self.networks)
        self.optimizer = torch.optim.AdamW(
            self.module.parameters(), weight_decay=0.0, eps=1e-12, betas=(0.9, 0.999)
        )

    @override
    def update(self, step: int, generator: torch.Generator) -> float:
        r = self.recipe
        chosen = torch.randint(len(self.features), (r.batch,), generator=generator, **INT64)
        features = self.features[chosen]
        if r.augmentation is not None:
            features = r.augmentation(features, generator)
        v = self.spec.encode(features)
        v = v + r.noise_V * torch.randn(v.shape, generator=generator, **FLOAT32)
        labels = self.labels[chosen]
        # Members share no parameters, so each gets the gradient of its own loss.
        loss = torch.stack([self._loss(network, v, labels) for network in self.networks]).sum()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self._clamp()
        return loss.item() / r.population

    def _loss(self, network: FGNetwork, v: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        r = self.recipe
        *_, last = network.trace(v)
        loss = cross_entropy(r.logit_gain * network.logits(last.out), labels)
        if r.margin_weight:
            p, n = network.spec.circuits.line_voltages(last.currents)
            loss = loss + r.margin_weight * cross_entropy(r.margin_gain * (p - n), labels)
        return loss

    def _clamp(self) -> None:
        # With straight-through gradients theta could drift far beyond the programmable range, and
        # would take many steps to return.
        with torch.no_grad():
            for theta, limit in self.thetas:
                theta.clamp_(-limit, limit)

    def programmed(self) -> FGNetwork:
        """The best member with its current programmed values, without the training scales."""
        v = self.spec.encode(self.features)
        with torch.no_grad():
            losses = [float(self._loss(network, v, self.labels)) for network in self.networks]
        layers = self.networks[losses.index(min(losses))].fg_layers
        return FGNetwork(
            self.spec,
            [layer.weight.detach().clone() for layer in layers],
            [layer.bias.detach().clone() for layer in layers],
        )

    @override
    def write(
        self, out: str | os.PathLike[str], history: NDArray[np.float64], *, overwrite: bool
    ) -> FGNetwork:
        network = self.programmed()
        save_network(
            out,
            network,
            seed=self.seed,
            recipe=self.recipe_text(asdict(self.recipe), history),
            history=history,
            own=self.own,
            overwrite=overwrite,
        )
        return network


def named_task(name: str, seed: int) -> FloatgateTask:
    """The training of the network called ``name``. Raises OperandError for an unknown name."""
    if name not in RECIPES:
        raise OperandError(f"unknown training {name!r}; choose one of {', '.join(RECIPES)}")
    return FloatgateTask(RECIPES[name], seed)


def own_task(own: Own[Config], seed: int) -> FloatgateTask:
    """The training of a user's own network."""
    return FloatgateTask(own_recipe(own.config), seed, own)
