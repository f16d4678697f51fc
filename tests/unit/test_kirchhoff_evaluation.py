"""Judging: closed forms of divergences, sample sizes, errors and accuracies."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from ohmbench.data.energies import ENERGIES, PUBLISHED, Energy
from ohmbench.kirchhoff.evaluation import (
    JUDGE_TOL,
    Samples,
    draw,
    fields,
    judge_classification,
    judge_density,
    judge_matching,
    judge_regression,
    judge_solver,
    log_density,
    outputs,
)
from ohmbench.kirchhoff.flows import pull_back, push_forward
from ohmbench.kirchhoff.simulation import Solver, SolverError
from ohmbench.stats import mean_interval, proportion_interval
from tests.unit import evaluation_checks as checks
from tests.unit.circuits import MadeFlow, as_dtype, random_circuit, rc
from tests.unit.kirchhoff_checks import assert_close


@pytest.mark.parametrize("check", checks.CHECKS.values(), ids=checks.CHECKS)
def test_judgements_in_closed_form(check) -> None:
    check()


def test_published_potential_without_a_normaliser_is_judged_by_its_objective() -> None:
    """potential2 is improper along z1: the divergence is that from the walled one."""
    z = torch.randn(2000, 2, generator=torch.Generator().manual_seed(0))
    log_q = -0.5 * (z * z).sum(1) - math.log(2 * math.pi)
    found = judge_matching(
        Samples(z, z, log_q, (4,)), ENERGIES["potential2"], PUBLISHED["potential2"]
    )
    assert found.published_objective.value <= found.objective.value
    assert found.kl.value == pytest.approx(
        found.objective.value + ENERGIES["potential2"].log_normaliser(), abs=1e-9
    )
    assert (found.samples, found.nfe) == (2000, (4,))


def test_bootstrap_is_that_of_its_seed() -> None:
    z = torch.randn(500, 2, generator=torch.Generator().manual_seed(0))
    found = Samples(z, z, -0.5 * (z * z).sum(1), (4,))
    one, two, other = (
        judge_matching(found, ENERGIES["potential1"], PUBLISHED["potential1"], seed=seed)
        for seed in (0, 0, 1)
    )
    assert one == two
    assert one.ess.value == other.ess.value
    assert one.ess != other.ess
    assert one.ess.low < one.ess.value < one.ess.high


# ------------------------------------------------------------------------------------------------
# Intervals: of what, and of which level


def test_every_interval_is_that_of_its_samples() -> None:
    """Students of the per-sample values in plain floats, Wilson's of the counts."""
    rng = np.random.default_rng(2)
    log_q, log_p = rng.normal(-3, 1, 40), rng.normal(-2, 1, 40)
    x = torch.from_numpy(rng.normal(0, 1, (40, 2)))
    found = Samples(x, x, torch.from_numpy(log_q), (4,))
    fit = judge_density(found, log_p)
    assert fit.nll == mean_interval([-q for q in log_q])
    assert fit.gap == mean_interval([p - q for p, q in zip(log_p, log_q, strict=True)])

    energy, published = ENERGIES["potential2"], PUBLISHED["potential2"]
    u, as_published = energy(x).tolist(), published(x).tolist()
    matching = judge_matching(found, energy, published)
    log_z = energy.log_normaliser()
    for interval, values in (
        (matching.kl, [q + e + log_z for q, e in zip(log_q, u, strict=True)]),
        (matching.objective, [q + e for q, e in zip(log_q, u, strict=True)]),
        (matching.published_objective, [q + e for q, e in zip(log_q, as_published, strict=True)]),
    ):
        expected = mean_interval(values)
        assert vars(interval) == pytest.approx(vars(expected), rel=1e-12)

    y, predicted = rng.random(40), rng.random(40)
    regression = judge_regression(torch.from_numpy(predicted)[:, None], torch.from_numpy(y))
    errors = [(a - b) ** 2 for a, b in zip(predicted, y, strict=True)]
    assert vars(regression.mse) == pytest.approx(vars(mean_interval(errors)), rel=1e-12)

    logits, labels = torch.from_numpy(rng.normal(0, 1, (40, 10))), torch.arange(40) % 10
    judged = judge_classification(logits, labels)
    places = [int((row > row[label]).sum()) for row, label in zip(logits, labels, strict=True)]
    assert judged.accuracy == proportion_interval(sum(k == 0 for k in places), 40)
    assert judged.top5 == proportion_interval(sum(k < 5 for k in places), 40)
    losses = [float(row.logsumexp(0) - row[k]) for row, k in zip(logits, labels, strict=True)]
    assert vars(judged.loss) == pytest.approx(vars(mean_interval(losses)), rel=1e-9)


FLAT = Energy("flat", lambda z1, z2: 0 * z1, lambda: 0.0)
_WEIGHTS = np.sort(np.random.default_rng(5).lognormal(0, 1, 30))[::-1]
# The largest weights stand at both ends: none of the samples may be left out.
WEIGHTS = np.concatenate([_WEIGHTS[::2], _WEIGHTS[1::2][::-1]])


def resampled_ess(draws: int, size: int, seed: int) -> np.ndarray:
    """Effective sample sizes of ``size`` weights drawn with replacement, sorted (draws,)."""
    times = np.random.default_rng(seed).multinomial(size, np.full(30, 1 / 30), draws)
    return np.sort((times @ WEIGHTS) ** 2 / (size * (times @ WEIGHTS**2)))


def tails(reference: np.ndarray, seeds: int = 24) -> tuple[float, float]:
    """What part of ``reference`` lies below and above the judged interval, mean over seeds."""
    x, log_q = torch.zeros(30, 2), torch.from_numpy(-np.log(WEIGHTS))
    below = above = 0.0
    for seed in range(seeds):
        found = judge_matching(Samples(x, x, log_q, (4,)), FLAT, FLAT, seed=seed).ess
        below += np.searchsorted(reference, found.low) / len(reference)
        above += 1 - np.searchsorted(reference, found.high) / len(reference)
    return below / seeds, above / seeds


# The 2.5 % point of 400 draws is between the 10th and the 11th: it leaves 10.975 / 401 below, give
# or take 0.81 % (a beta distribution), of which 24 seeds leave 0.17 %.
EXPECTED_TAIL, ALLOWED = 10.975 / 401, 5 * 0.0081 / math.sqrt(24)


def test_the_interval_of_a_sample_size_holds_95_percent_of_the_bootstrap() -> None:
    for tail in tails(resampled_ess(30_000, 30, 0)):
        assert tail == pytest.approx(EXPECTED_TAIL, abs=ALLOWED)


def test_an_interval_of_half_the_draws_would_be_noticed() -> None:
    below, above = tails(resampled_ess(30_000, 15, 0), seeds=6)
    assert min(below, above) > EXPECTED_TAIL + 2 * ALLOWED


@pytest.mark.parametrize("level", [0.90, 0.99])
def test_another_level_would_be_noticed(level) -> None:
    assert abs((1 - level) / 2 - EXPECTED_TAIL) > 2 * ALLOWED


# ------------------------------------------------------------------------------------------------
# Many points, in parts


def flow(**options) -> MadeFlow:
    made = random_circuit(3, 2, 6, dtype=torch.float32, scale=0.4)
    return MadeFlow([made, made], [0.3, 0.2], **{"solver": Solver("rk4", step_size=0.1), **options})


def test_points_are_judged_in_parts() -> None:
    x = torch.randn(4500, 2, generator=torch.Generator().manual_seed(1))
    done: list[int] = []
    found = log_density(flow(), x, advance=done.append)
    assert done == [2000, 2000, 500]
    assert torch.equal(found.x, x)
    whole = pull_back(flow(), x, solver=Solver("dopri5", tol=1e-7))
    assert_close(found.log_density, whole.log_density, 2e-4, "log q")
    assert_close(found.z, whole.z, 2e-4, "z")
    assert len(found.nfe) == 2
    assert not found.log_density.requires_grad
    parts = [
        pull_back(flow(), x[s : s + 2000], solver=judge_solver(flow())).nfe for s in (0, 2000, 4000)
    ]
    assert found.nfe == tuple(np.sum(parts, axis=0))


def test_samples_are_those_of_the_seed() -> None:
    one, two, other = (draw(flow(), 2300, seed) for seed in (0, 0, 1))
    assert torch.equal(one.x, two.x)
    assert torch.equal(one.log_density, two.log_density)
    assert not torch.equal(one.x, other.x)
    assert one.x.shape == (2300, 2)
    with torch.no_grad():
        exact = push_forward(flow(), one.z, solver=Solver("dopri5", tol=1e-7))
    assert_close(one.x, exact.x, 2e-4, "samples")


def test_the_judges_solver_is_tight_whatever_the_networks() -> None:
    assert judge_solver(flow()) == Solver("dopri5", tol=JUDGE_TOL, step_size=0.1)
    tight = Solver("dopri8", tol=1e-9)
    assert judge_solver(flow(solver=tight)) == tight
    coarse = Solver("rk4", step_size=1e-3)
    x = torch.zeros(3, 2)
    found = log_density(flow(), x, solver=coarse)
    assert found.nfe == (4 * 300, 4 * 200)


def test_a_coarse_solver_fools_no_judge() -> None:
    """One Euler step of 1 s: what it says of a steep RC circuit is wrong, what is judged is not."""
    steep = rc(1.9, 2)
    coarse = MadeFlow([steep], [1.0], Solver("euler", step_size=1.0))
    x = torch.ones(5, 2, dtype=torch.float64)
    exact = -math.exp(3.8) - math.log(2 * math.pi) + 3.8
    fooled = pull_back(coarse, x).log_density
    assert abs(float(fooled[0].detach()) - exact) > 1
    assert_close(
        log_density(coarse, x).log_density, torch.full((5,), exact).double(), 5e-3, "log q"
    )


def test_a_flow_that_cannot_be_followed_is_no_figure() -> None:
    runaway = as_dtype(rc(-1e4, 2), torch.float32)
    broken = MadeFlow([runaway], [1.0], Solver("rk4", step_size=0.1))
    with pytest.raises(SolverError, match="slice 0"):
        draw(broken, 10, 0)


def test_outputs_are_taken_in_parts() -> None:
    done: list[int] = []
    x = torch.arange(24.0).view(12, 2)
    found = outputs(lambda part: part.sum(1, keepdim=True), x, chunk=5, advance=done.append)
    assert torch.equal(found, x.sum(1, keepdim=True))
    assert done == [5, 5, 2]
    layer = torch.nn.Linear(2, 1)
    assert not outputs(layer, x).requires_grad


def test_fewer_than_five_classes() -> None:
    found = judge_classification(torch.eye(3), torch.tensor([0, 1, 0]))
    assert (found.correct, found.total, found.top5.value) == (2, 3, 1.0)


def test_fields_are_json() -> None:
    logits = torch.eye(4).repeat(3, 1)
    found = fields(judge_classification(logits, torch.arange(4).repeat(3)))
    assert found["accuracy"] == 1.0
    assert found["accuracy_95"][0] < 1.0 == found["accuracy_95"][1]
    assert found["confusion"] == (3 * np.eye(4, dtype=int)).tolist()
    points = Samples(torch.zeros(3, 2), torch.zeros(3, 2), torch.tensor([0.0, 1.0, 2.0]), (8,))
    plain = fields(judge_density(points, None))
    assert plain["nll"] == -1.0
    assert plain["gap"] is None
    assert plain["nfe"] == [8]


def test_regression_of_one_column() -> None:
    y = torch.tensor([0.0, 0.5, 1.0])
    found = judge_regression(y[:, None] + 0.1, y)
    assert found.mse.value == pytest.approx(0.01, rel=1e-5)
    assert found.samples == 3


def test_targets_without_variance_have_no_r2() -> None:
    found = judge_regression(torch.tensor([[0.1], [0.3]]), torch.tensor([0.2, 0.2]))
    assert found.mse.value == pytest.approx(0.01)
    assert math.isnan(found.r2)
    assert fields(found)["r2"] is None
