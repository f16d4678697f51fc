"""Training KirchhoffNets and their baselines as their configurations say."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import cross_entropy, mse_loss
from typing_extensions import override

from ohmbench.data.augmentation import Augmentation
from ohmbench.data.densities import TRAINING_POINTS
from ohmbench.data.energies import ENERGIES
from ohmbench.data.own import Dataset, load_data
from ohmbench.errors import OperandError
from ohmbench.kirchhoff.baselines import FeedForward
from ohmbench.kirchhoff.configuration import Config, bound
from ohmbench.kirchhoff.flows import noise, pull_back, push_forward
from ohmbench.kirchhoff.models import build
from ohmbench.kirchhoff.samples import DATA_TASKS, PaperSource, Source, dequantised
from ohmbench.kirchhoff.store import StoredKirchhoff, save_kirchhoff
from ohmbench.tensors import INT64
from ohmbench.training import Task, step_generator

# Random streams besides those of the steps, which count from 0.
_INIT_STREAM = 1 << 40
_ORDER_STREAM = 1 << 41

_SMALL = 1 << 17  # nodes times edges; below it a second thread costs more than it gains
_HISTORY_ROWS = 200

Loss = Callable[[int, torch.Generator], torch.Tensor]


def _augmentation(side: int) -> Augmentation:
    """Rotation by 15 degrees and shift by 10 % (KIRCHHOFF)."""
    return Augmentation(rotation_deg=15, shift_px=0.1 * side, scale=0.0, shear=0.0)


def _planes(pixels: int) -> tuple[int, int, int] | None:
    """Channels (grey or RGB), rows and columns of square images with this many values; None if
    there are no such images.
    """
    sides = ((channels, math.isqrt(pixels // channels)) for channels in (1, 3))
    return next(((c, side, side) for c, side in sides if c * side * side == pixels), None)


class KirchhoffTask(Task[StoredKirchhoff]):
    """One training of ``config`` from ``seed``, which determines data, initial values, batches and
    noise.

    ``samples`` limits the number of training samples (default: all). An epoch is one pass over
    them; for densities and potentials with fresh points it is 4096 points. ``source`` provides the
    data (default: those of the paper's experiment).
    """

    def __init__(
        self, config: Config, seed: int, samples: int | None = None, source: Source | None = None
    ) -> None:
        self.config, self.seed = config, seed
        self.source = PaperSource(config.test_bench) if source is None else source
        self.name = self.source.name
        self._samples = samples
        self.model = self.module = build(config, step_generator(seed, _INIT_STREAM))
        self.optimizer = torch.optim.AdamW(self.model.parameters(), weight_decay=0.0)
        self._loss, count = self._prepare()
        self._count = count if samples is None else min(samples, count)
        self._steps_per_epoch = math.ceil(self._count / config.batch_size)
        self.steps = config.train.num_epoch * self._steps_per_epoch
        self.history_every = max(1, self.steps // _HISTORY_ROWS)
        network = config.network
        self.threads = 1 if network.n_free * network.n_edges <= _SMALL else None
        self._epoch, self._order = -1, torch.empty(0, **INT64)

    @property
    @override
    def settings(self) -> dict[str, Any]:
        return {
            "seed": self.seed,
            "samples": self._samples,
            "config": self.config.model_dump(mode="json"),
        }

    @override
    def learning_rate(self, step: int) -> float:
        """The learning rate of the configuration's scheduler, epoch by epoch."""
        epoch, train = step // self._steps_per_epoch, self.config.train
        s = train.scheduler
        if s.kind == "steplr":
            return float(train.lr * s.gamma ** (epoch // s.epochs))
        if s.kind == "cosinelr":
            return s.eta + (train.lr - s.eta) * (1 + math.cos(math.pi * epoch / s.epochs)) / 2
        return train.lr

    @override
    def update(self, step: int, generator: torch.Generator) -> float:
        loss = self._loss(step, generator)
        if not bool(torch.isfinite(loss)):
            # Check before it reaches a parameter: the checkpoint then keeps the last sound update.
            raise OperandError(
                f"{self.name}: the loss of update {step} is {float(loss.detach())}; "
                "lower train.lr, or check the data"
            )
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss.item()

    @override
    def write(
        self, out: str | os.PathLike[str], history: NDArray[np.float64], *, overwrite: bool
    ) -> StoredKirchhoff:
        recipe = json.dumps({**self.settings, "steps": int(history[-1, 0])}, sort_keys=True)
        save_kirchhoff(
            out,
            self.model,
            seed=self.seed,
            recipe=recipe,
            history=history,
            data=self.source.own,
            overwrite=overwrite,
        )
        return StoredKirchhoff(
            os.fspath(out), self.config, self.model, self.source, self.seed, recipe, history
        )

    def _batch(self, step: int) -> torch.Tensor:
        """Indices of the samples of update ``step``: each sample once per epoch, in the epoch's
        order.
        """
        epoch, place = divmod(step, self._steps_per_epoch)
        if epoch != self._epoch:
            order = step_generator(self.seed, _ORDER_STREAM + epoch)
            self._epoch = epoch
            self._order = torch.randperm(self._count, generator=order, **INT64)
        size = self.config.batch_size
        return self._order[place * size : (place + 1) * size]

    def _prepare(self) -> tuple[Loss, int]:
        """The loss of one update, and the number of training samples."""
        kind = self.config.kind
        if kind == "matching":
            return self._matching, TRAINING_POINTS
        if kind == "generation":
            if self.source.density is not None and self.config.train.resample:
                return self._fresh_likelihood, TRAINING_POINTS
            self._x = self.source.training_points(self.seed)
            return self._likelihood, len(self._x)
        data = self.source.labelled(self.seed)
        self._x, self._y = data.train_x, data.train_y
        if kind == "regression":
            return self._squared_error, len(self._x)
        # Rows of a table are not images, whatever their number of columns.
        pictures = self.config.data is None
        self._planes = _planes(self._x.shape[1]) if pictures else None
        return self._cross_entropy, len(self._x)

    def _flow(self) -> Any:
        assert not isinstance(self.model, FeedForward)  # the configuration refuses anything else
        return self.model

    def _fresh_likelihood(self, step: int, generator: torch.Generator) -> torch.Tensor:
        x = self.source.resampled(self.config.batch_size, generator)
        assert x is not None  # guaranteed by _prepare
        return -pull_back(self._flow(), x).log_density.mean()

    def _likelihood(self, step: int, generator: torch.Generator) -> torch.Tensor:
        x = self._x[self._batch(step)]
        if self.source.pixels:
            x = dequantised(x, generator)
        return -pull_back(self._flow(), x).log_density.mean()

    def _matching(self, step: int, generator: torch.Generator) -> torch.Tensor:
        flow = self._flow()
        found = push_forward(flow, noise(flow, self.config.batch_size, generator))
        return (found.log_density + ENERGIES[self.config.test_bench](found.x)).mean()

    def _squared_error(self, step: int, generator: torch.Generator) -> torch.Tensor:
        chosen = self._batch(step)
        return mse_loss(self.model(self._x[chosen])[:, 0], self._y[chosen])

    def _cross_entropy(self, step: int, generator: torch.Generator) -> torch.Tensor:
        chosen = self._batch(step)
        x = self._x[chosen]
        if self._planes is not None:
            images = x.view(-1, *self._planes)
            x = _augmentation(self._planes[-1])(images, generator).view(x.shape)
        return cross_entropy(self.model(x), self._y[chosen])


def with_data(
    config: Config, seed: int, *, folder: str | os.PathLike[str] = ".", source: str = "data"
) -> tuple[Config, Dataset | None]:
    """Bind ``config`` to the data that it names; return it with these data, split by ``seed``.

    Relative paths start at ``folder``; errors call the configuration ``source``. Without own data,
    returns ``config`` itself and None. Raises FileError as ``load_data`` does, and if the network
    does not fit the data.
    """
    if config.data is None:
        return config, None
    dataset = load_data(config.data, DATA_TASKS[config.kind], seed, folder=folder)
    return bound(config, dataset, source), dataset
