"""Checks of the evaluation of KirchhoffNets, against closed forms.

Each check looks up the function under test when it is called, so that a planted fault can replace
it.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch

from ohmbench.data.energies import Energy
from ohmbench.kirchhoff import evaluation
from ohmbench.kirchhoff.flows import Samples, log_normal
from ohmbench.stats import Interval
from tests.unit.circuits import TIGHT, MadeFlow, rc


def assert_covers(found: Interval, truth: float, what: str, *, within: float) -> None:
    """Assert that twice the 95 % interval holds the truth (99.99 %), and is narrow enough."""
    half = (found.high - found.low) / 2
    assert half > 0, f"{what} has no interval"
    assert abs(found.value - truth) < 2 * half, f"{what} is {found}, but should be {truth}"
    assert 2 * half < within, f"{what} {found} says little"


def _samples(x: torch.Tensor, log_q: torch.Tensor) -> Samples:
    return Samples(x, x, log_q, (4,))


def _normal(n: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def check_likelihood() -> None:
    """Negative log-likelihood of a Gaussian by an RC circuit, and KL(p||q) of two Gaussians.

    The circuit maps N(0, I) to N(0, s^2 I), s = exp(-g T). For x ~ N(0, I) the cross entropy is
    ln(2 pi s^2) + 1 / s^2 and the divergence is ln s^2 + 1 / s^2 - 1.
    """
    flow, x = MadeFlow([rc(0.3, 2)], [0.5], TIGHT), _normal(20_000)
    s2 = math.exp(-0.3)
    found = evaluation.judge_density(evaluation.log_density(flow, x), log_normal(x).numpy())
    assert found.points == 20_000
    assert_covers(found.nll, math.log(2 * math.pi * s2) + 1 / s2, "nll", within=0.1)
    assert found.gap is not None
    assert_covers(found.gap, math.log(s2) + 1 / s2 - 1, "gap", within=0.02)


def gaussian_energy(offset: float = 0.0) -> Energy:
    """The potential of N(0, I) plus a constant."""
    return Energy(
        "gaussian",
        lambda z1, z2: 0.5 * (z1**2 + z2**2) + offset,
        lambda: math.log(2 * math.pi) - offset,
    )


def check_matching() -> None:
    """KL(q||p) and effective sample size of q = N(0, s^2 I) for p = N(0, I), n = 2.

    KL = s^2 - 1 - ln s^2, and E_q[w]^2 / E_q[w^2] = ((2 s^2 - 1) / s^4)^(n / 2). A constant in the
    potential changes only the objective.
    """
    s2 = 1.3
    x = math.sqrt(s2) * _normal(20_000, 1)
    log_q = log_normal(x / math.sqrt(s2)) - math.log(s2)
    for offset in (0.0, 800.0, -800.0):
        found = evaluation.judge_matching(
            _samples(x, log_q), gaussian_energy(offset), gaussian_energy(5.0)
        )
        kl = s2 - 1 - math.log(s2)
        assert found.samples == 20_000
        assert_covers(found.kl, kl, "kl", within=0.02)
        assert_covers(found.ess, (2 * s2 - 1) / s2**2, "ess", within=0.02)
        log_z = math.log(2 * math.pi)
        assert_covers(found.objective, kl - log_z + offset, "objective", within=0.02)
        assert_covers(found.published_objective, kl - log_z + 5, "published", within=0.02)


def check_known_weights() -> None:
    """Effective sample sizes of known weights: (sum w)^2 / (n sum w^2)."""
    flat = Energy("flat", lambda z1, z2: 0 * z1, lambda: 0.0)
    rng = np.random.default_rng(0)
    for w in (np.ones(50), np.array([1.0, 2.0, 3.0, 4.0]), rng.random(300) + 1e-3,
              np.array([1.0] + [1e-300] * 99)):  # fmt: skip
        log_q = torch.from_numpy(-np.log(w) - 700.0)
        found = evaluation.judge_matching(_samples(torch.zeros(len(w), 2), log_q), flat, flat)
        with np.errstate(under="ignore"):
            expected = w.sum() ** 2 / (len(w) * (w**2).sum())
        assert math.isclose(found.ess.value, expected, rel_tol=1e-9), (
            f"effective sample size {found.ess.value}, but should be {expected}"
        )


def check_regression() -> None:
    """Mean squared error and R^2, in plain floats; R^2 is 1 if perfect, 0 for the mean."""
    rng = np.random.default_rng(0)
    y, noise = rng.random(400), 0.1 * rng.standard_normal(400)
    mean = float(y.mean())
    for predicted in (y, np.full(400, mean), y + noise, 1 - y):
        found = evaluation.judge_regression(
            torch.from_numpy(predicted)[:, None], torch.from_numpy(y)
        )
        errors = [(p - t) ** 2 for p, t in zip(predicted, y, strict=True)]
        r2 = 1 - sum(errors) / sum((t - mean) ** 2 for t in y)
        assert math.isclose(found.mse.value, sum(errors) / 400, rel_tol=1e-9, abs_tol=1e-15), (
            f"mse {found.mse.value}"
        )
        assert math.isclose(found.r2, r2, rel_tol=1e-9, abs_tol=1e-12), f"r2 {found.r2}"


def check_classification() -> None:
    """Top-1, top-5, cross entropy and confusion matrix, computed by loops."""
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (300, 10))
    labels = rng.integers(0, 10, 300)
    logits[np.arange(300), labels] += 2
    found = evaluation.judge_classification(torch.from_numpy(logits), torch.from_numpy(labels))
    first = fifth = 0
    loss = 0.0
    confusion = [[0] * 10 for _ in range(10)]
    for row, label in zip(logits.tolist(), labels.tolist(), strict=True):
        place = sum(other > row[label] for other in row)
        first, fifth = first + (place == 0), fifth + (place < 5)
        loss += math.log(sum(math.exp(x) for x in row)) - row[label]
        confusion[label][row.index(max(row))] += 1
    assert 100 < first < fifth < 300
    assert (found.correct, found.total) == (first, 300), f"{found.correct} correct"
    assert found.accuracy.value == first / 300
    assert found.top5.value == fifth / 300, f"top-5 {found.top5}"
    assert math.isclose(found.loss.value, loss / 300, rel_tol=1e-9), f"loss {found.loss}"
    assert found.confusion.tolist() == confusion, "confusion"


CHECKS: dict[str, Callable[[], None]] = {
    check.__name__.removeprefix("check_"): check
    for check in (
        check_likelihood,
        check_matching,
        check_known_weights,
        check_regression,
        check_classification,
    )
}
