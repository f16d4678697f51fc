"""Judging KirchhoffNets and their baselines on data that no training has seen.

Densities are judged with a tight adaptive solver, whatever the training used: the circuit is the
differential equation, and training can exploit the errors of a coarse solver. Every estimate has a
95 % interval.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from ohmbench.constants import JUDGE_TOL
from ohmbench.data.energies import Energy
from ohmbench.kirchhoff.flows import Flow, Samples, noise, pull_back, push_forward
from ohmbench.kirchhoff.simulation import Solver
from ohmbench.stats import Interval, mean_interval, proportion_interval
from ohmbench.transforms import refuse_transforms

_CHUNK = 2000  # samples integrated together

_Floats = NDArray[np.float64]
Advance = Callable[[int], None]


def _nothing(done: int) -> None:
    pass


def _chunks(x: torch.Tensor, size: int, advance: Advance) -> Iterator[torch.Tensor]:
    for start in range(0, len(x), size):
        part = x[start : start + size]
        yield part
        advance(len(part))


def _joined(parts: Sequence[Samples]) -> Samples:
    nfe = tuple(sum(p.nfe[k] for p in parts) for k in range(len(parts[0].nfe)))
    return Samples(
        torch.cat([p.x for p in parts]),
        torch.cat([p.z for p in parts]),
        torch.cat([p.log_density for p in parts]),
        nfe,
    )


def judge_solver(flow: Flow, tol: float = JUDGE_TOL) -> Solver:
    """The network's own solver if it is as tight as ``tol``, else dopri5 at ``tol``."""
    return flow.solver.tightened(tol)


def log_density(
    flow: Flow,
    x: Float[Tensor, "n dimension"],
    *,
    solver: Solver | None = None,
    advance: Advance = _nothing,
) -> Samples:
    """``pull_back`` for many points (n, dimension) in bounded memory; calls ``advance(points)`` as
    it goes.

    Raises SolverError if the solver cannot continue, OperandError under torch.func.
    """
    refuse_transforms("log_density has no gradients and", "transform pull_back")
    solver = judge_solver(flow) if solver is None else solver
    with torch.no_grad():
        return _joined(
            [pull_back(flow, part, solver=solver) for part in _chunks(x, _CHUNK, advance)]
        )


def draw(
    flow: Flow, n: int, seed: int, *, solver: Solver | None = None, advance: Advance = _nothing
) -> Samples:
    """``n`` samples with their log-density; ``seed`` determines the noise.

    Raises SolverError if the solver cannot continue, OperandError under torch.func.
    """
    refuse_transforms("draw has no gradients and", "transform push_forward")
    solver = judge_solver(flow) if solver is None else solver
    z = noise(flow, n, torch.Generator().manual_seed(seed))
    with torch.no_grad():
        return _joined(
            [push_forward(flow, part, solver=solver) for part in _chunks(z, _CHUNK, advance)]
        )


@dataclass(frozen=True)
class DensityFit:
    """How well a flow models the density of points: nats, each with its 95 % interval.

    ``nll`` is the mean negative log-likelihood. ``gap`` estimates KL(p||q), the mean
    of ``log p - log q`` over the same points, if the true density p is known.
    """

    points: int
    nll: Interval
    gap: Interval | None
    nfe: tuple[int, ...]


def judge_density(found: Samples, true_log_density: _Floats | None) -> DensityFit:
    """Judge a flow's ``log_density`` of fresh points, and their true log-density (n,), if known."""
    log_q = found.log_density.double().numpy()
    gap = None if true_log_density is None else mean_interval((true_log_density - log_q).tolist())
    return DensityFit(len(log_q), mean_interval((-log_q).tolist()), gap, found.nfe)


@dataclass(frozen=True)
class Matching:
    """How well a flow's samples follow a potential: nats, and a fraction for ``ess``.

    ``kl`` is KL(q||p) with p = exp(-U)/Z. ``ess`` is the effective sample size of importance
    weights p/q divided by the number of samples: (sum w)^2 / (n sum w^2). ``objective`` is what
    training minimises, E[log q + U] = kl - ln Z, and ``published_objective`` is the same for the
    potential as published.
    """

    samples: int
    kl: Interval
    ess: Interval
    objective: Interval
    published_objective: Interval
    nfe: tuple[int, ...]


def _effective(log_w: _Floats) -> float:
    w = np.exp(log_w - log_w.max())
    return float(w.sum() ** 2 / (len(w) * (w * w).sum()))


def judge_matching(found: Samples, energy: Energy, published: Energy, *, seed: int = 0) -> Matching:
    """Judge how samples of a flow follow ``energy``; ``seed`` is that of the bootstrap."""
    with np.errstate(under="ignore"):
        x = found.x.double()
        log_q = found.log_density.double().numpy()
        objective = log_q + energy(x).numpy()
        log_z = energy.log_normaliser()
        log_w = -objective - log_z
        rng = np.random.default_rng(seed)
        again = [_effective(log_w[rng.integers(0, len(log_w), len(log_w))]) for _ in range(400)]
        low, high = np.percentile(again, [2.5, 97.5])
    kl = mean_interval((-log_w).tolist())
    return Matching(
        len(log_q),
        kl,
        Interval(_effective(log_w), float(low), float(high)),
        mean_interval(objective.tolist()),
        mean_interval((log_q + published(x).numpy()).tolist()),
        found.nfe,
    )


@dataclass(frozen=True)
class Regression:
    """Errors on held-out samples; targets scaled to [0, 1] as in training.

    ``mse`` is the mean squared error, ``r2`` the explained share of the held-out targets' variance;
    NaN if they have none.
    """

    samples: int
    mse: Interval
    r2: float


def outputs(
    model: Callable[[torch.Tensor], torch.Tensor],
    x: torch.Tensor,
    *,
    chunk: int = 500,
    advance: Advance = _nothing,
) -> torch.Tensor:
    """Apply ``model`` to many samples (n, inputs), ``chunk`` at a time, without gradients.

    An adaptive solver chooses its steps for a whole chunk, so outputs depend on ``chunk`` within
    the solver's tolerance. Raises OperandError under torch.func.
    """
    refuse_transforms("outputs have no gradients and", "transform the model itself")
    with torch.no_grad():
        return torch.cat([model(part) for part in _chunks(x, chunk, advance)])


def judge_regression(predicted: torch.Tensor, y: torch.Tensor) -> Regression:
    """Judge outputs (n, 1) against targets (n,)."""
    errors = ((predicted[:, 0].double() - y.double()) ** 2).numpy()
    variance = float(y.double().var(correction=0))
    r2 = 1 - float(errors.mean()) / variance if variance > 0 else math.nan
    return Regression(len(errors), mean_interval(errors.tolist()), r2)


@dataclass(frozen=True)
class Classification:
    """Number correct, top-1 and top-5 accuracy, and mean cross entropy in nats on held-out samples.

    ``confusion`` (classes, classes); rows are the true class.
    """

    correct: int
    total: int
    accuracy: Interval
    top5: Interval
    loss: Interval
    confusion: NDArray[np.int64]


def judge_classification(logits: torch.Tensor, labels: torch.Tensor) -> Classification:
    """Judge outputs (n, classes) against labels (n,)."""
    n, classes = logits.shape
    ranked = logits.topk(min(5, classes)).indices
    right = ranked == labels[:, None]
    loss = torch.nn.functional.cross_entropy(logits.double(), labels, reduction="none")
    confusion = np.zeros((classes, classes), dtype=np.int64)
    np.add.at(confusion, (labels.numpy(), ranked[:, 0].numpy()), 1)
    correct = int(right[:, 0].sum())
    return Classification(
        correct,
        n,
        proportion_interval(correct, n),
        proportion_interval(int(right.any(1).sum()), n),
        mean_interval(loss.tolist()),
        confusion,
    )


def fields(found: Any) -> dict[str, Any]:
    """A judgement as JSON values: intervals become [value, low, high], NaN becomes None."""
    plain: dict[str, Any] = {}
    for name, value in vars(found).items():
        if isinstance(value, Interval):
            plain[name], plain[f"{name}_95"] = value.value, [value.low, value.high]
        elif isinstance(value, np.ndarray):
            plain[name] = value.tolist()
        elif isinstance(value, tuple):
            plain[name] = list(value)
        elif isinstance(value, float) and math.isnan(value):
            plain[name] = None
        else:
            plain[name] = value
    return plain
