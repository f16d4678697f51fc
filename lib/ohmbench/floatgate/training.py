"""Training floating-gate networks from nothing, under their programming constraints.

Currents are trained on an asinh scale, ``w = w0 sinh(theta)``: even in log current where cells
differ by decades, and through zero where a cell changes lines; steps in raw ampere crawl. Each
forward pass sees the programmed currents, gradients pass straight through the rounding. Noise on
the gate voltages widens the cells' steep response (a factor e every 29 mV), so that every cell
gets a gradient; Adam's epsilon has to be far below the gradients of a pA cell.
"""

from __future__ import annotations

import math
import os
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from rich.console import Console
from torch.nn.functional import cross_entropy
from torch.nn.utils import parametrize

from ohmbench.data import split
from ohmbench.data.augmentation import Augmentation
from ohmbench.errors import OperandError
from ohmbench.floatgate.networks import SPECS, FGNetwork, NetworkSpec
from ohmbench.floatgate.programming import ProgrammableSet
from ohmbench.floatgate.store import save_network
from ohmbench.train import Task, discard_checkpoint, fit, step_generator


class SignedLogScale(torch.nn.Module):
    """``theta -> programmed current``, value exactly programmable, gradient that of w0 sinh."""

    def __init__(self, programmable: ProgrammableSet, w0_A: float) -> None:
        super().__init__()
        self.programmable = programmable
        self.w0_A = w0_A

    @property
    def largest_theta(self) -> float:
        return math.asinh(self.programmable.w_max_A / self.w0_A)

    def forward(self, theta: torch.Tensor) -> torch.Tensor:
        return self.programmable.straight_through(self.w0_A * theta.sinh())

    def right_inverse(self, w: torch.Tensor) -> torch.Tensor:
        return (w / self.w0_A).asinh()


@dataclass(frozen=True)
class Recipe:
    """Everything that decides a training besides the seed.

    Per layer: ``w0_A``, mean and spread of the weights' initial theta, spread of the biases'.
    ``logit_gain`` scales the network's own logits in the loss, whose range is too narrow for a
    confident softmax (the answer does not depend on it).
    """

    network: str
    steps: int
    batch: int
    learning_rate: float
    w0_A: tuple[float, ...]
    theta_mean: tuple[float, ...]
    theta_std: tuple[float, ...]
    bias_std: tuple[float, ...]
    noise_V: float
    logit_gain: float
    augmentation: Augmentation | None = None
    warm_up: int = 50
    history_every: int = 25


RECIPES = {
    recipe.network: recipe
    for recipe in (
        Recipe(
            network="floatgate-digits",
            steps=3000,
            batch=64,
            learning_rate=0.1,
            w0_A=(1e-8, 1e-8),
            theta_mean=(0.0, 0.0),
            theta_std=(2.0, 1.0),
            bias_std=(0.0, 0.0),
            noise_V=0.11,
            logit_gain=2.0,
            augmentation=Augmentation(rotation_deg=6.0, shift_px=0.5, scale=0.07, shear=0.07),
        ),
    )
}
"""What ``ohmbench train`` can train, by network."""

_INIT_STEP = 2**31  # the stream of the initial currents, apart from every update's


def initial_network(
    spec: NetworkSpec, recipe: Recipe, seed: int
) -> tuple[FGNetwork, list[tuple[torch.nn.Parameter, float]]]:
    """The untrained network, float32, on the recipe's scale; each theta with its largest value."""
    generator = step_generator(seed, _INIT_STEP)
    weights, biases = [], []
    for k in range(len(spec.activations)):
        shape = (spec.sizes[k + 1], spec.sizes[k])
        theta = recipe.theta_mean[k] + recipe.theta_std[k] * torch.randn(shape, generator=generator)
        bias_theta = recipe.bias_std[k] * torch.randn(shape[0], generator=generator)
        weights.append(recipe.w0_A[k] * theta.sinh())
        biases.append(recipe.w0_A[k] * bias_theta.sinh())
    network = FGNetwork(spec, weights, biases)
    thetas = []
    for k, layer in enumerate(network.fg_layers):
        for name in ("weight", "bias"):
            scale = SignedLogScale(spec.programmable(k), recipe.w0_A[k])
            parametrize.register_parametrization(layer, name, scale)
            theta = layer.get_parameter(f"parametrizations.{name}.original")
            thetas.append((theta, scale.largest_theta))
    return network, thetas


class FloatgateTask(Task):
    """One training of ``recipe`` from ``seed``, which fixes split, start, batches and noise."""

    def __init__(self, recipe: Recipe, seed: int) -> None:
        self.recipe = recipe
        self.name = recipe.network
        self.seed = seed
        self.steps = recipe.steps
        self.history_every = recipe.history_every
        spec = SPECS[recipe.network]
        parts = split(spec.dataset, seed)
        self.features = torch.from_numpy(parts.train_x).float()
        self.labels = torch.from_numpy(parts.train_y)
        self.network, self.thetas = initial_network(spec, recipe, seed)
        self.module = self.network
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(), weight_decay=0.0, eps=1e-12, betas=(0.9, 0.999)
        )

    @property
    def settings(self) -> dict[str, Any]:
        return {"seed": self.seed, "recipe": asdict(self.recipe)}

    def learning_rate(self, step: int) -> float:
        """Linear warm-up times a cosine to zero."""
        r = self.recipe
        warm = min(1.0, (step + 1) / r.warm_up)
        return r.learning_rate * warm * 0.5 * (1 + math.cos(math.pi * step / r.steps))

    def update(self, step: int, generator: torch.Generator) -> float:
        r = self.recipe
        chosen = torch.randint(len(self.features), (r.batch,), generator=generator)
        features = self.features[chosen]
        if r.augmentation is not None:
            features = r.augmentation(features, generator)
        v = self.network.spec.encode(features)
        v = v + r.noise_V * torch.randn(v.shape, generator=generator)
        logits = r.logit_gain * self.network.logits(self.network(v))
        loss = cross_entropy(logits, self.labels[chosen])
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self._clamp()
        return loss.item()

    def _clamp(self) -> None:
        # Straight through the rounding, theta would drift beyond what can be programmed and be
        # late to come back.
        with torch.no_grad():
            for theta, limit in self.thetas:
                theta.clamp_(-limit, limit)

    def programmed(self) -> FGNetwork:
        """The network as it would be programmed now, without its training scale."""
        layers = self.network.fg_layers
        return FGNetwork(
            self.network.spec,
            [layer.weight.detach().clone() for layer in layers],
            [layer.bias.detach().clone() for layer in layers],
        )


def train_network(
    name: str,
    seed: int,
    out: str | os.PathLike[str],
    *,
    resume: bool = False,
    force: bool = False,
    console: Console | None = None,
) -> FGNetwork:
    """Train the network called ``name`` and write it to ``out``; return it.

    Raises OperandError for an unknown name, FileError as ``train.fit`` does.
    """
    if name not in RECIPES:
        raise OperandError(f"no training for {name!r}; there is one for: {', '.join(RECIPES)}")
    task = FloatgateTask(RECIPES[name], seed)
    history = fit(task, out, resume=resume, force=force, console=console)
    network = task.programmed()
    save_network(out, network, seed=seed, history=np.asarray(history), overwrite=force)
    discard_checkpoint(out)
    return network
