"""What this project says of the circuits it trained itself, on data that they never saw."""

import numpy as np
import pytest

from ohmbench.data.densities import DENSITIES
from ohmbench.data.energies import ENERGIES, PUBLISHED
from ohmbench.kirchhoff.evaluation import (
    draw,
    judge_density,
    judge_matching,
    judge_regression,
    log_density,
    outputs,
)
from ohmbench.kirchhoff.samples import fresh_points, labelled
from ohmbench.kirchhoff.store import load_kirchhoff
from ohmbench.paper import read_kirchhoff
from ohmbench.weights import stored

POINTS = 20_000
SAMPLES = 50_000
ENTROPY_POINTS = 100_000


def own(name):
    return load_kirchhoff(stored(name))


def judged(model, name):
    x = fresh_points(name, POINTS)
    return judge_density(log_density(model, x), DENSITIES[name].log_density(x.double().numpy()))


@pytest.mark.parametrize("name", sorted(DENSITIES))
def test_density(claim, name):
    """Held-out likelihood, and its gap to the true density on the very same points."""
    found = judged(own(name).model, name)
    nll, gap = found.nll, found.gap
    if name != "gauss":
        # Entropy plus gap: the plain mean of -log q has ten times the scatter, the points' own.
        entropy = DENSITIES[name].entropy(ENTROPY_POINTS, 0)
        claim(
            f"ohmbench.{name}-nll",
            entropy.value + gap.value,
            f"entropy {entropy:.3f} + gap; plain mean over 20 000 points {nll:.3f}",
        )
    claim(f"ohmbench.{name}-gap", gap.value, f"95 % {gap.low:.4f} to {gap.high:.4f}")


@pytest.mark.needs("paper-kirchhoffnet")
@pytest.mark.parametrize("name", ["twomoon", "8gaussians"])
def test_density_beats_the_papers(claim, name):
    """The same 20 000 points through both circuits: the difference has little scatter."""
    x = fresh_points(name, POINTS)
    ours = log_density(own(name).model, x).log_density.double().numpy()
    papers = log_density(read_kirchhoff(name).model, x).log_density.double().numpy()
    difference = papers - ours
    half = 1.96 * difference.std() / np.sqrt(POINTS)
    claim(
        f"ohmbench.{name}-against-paper",
        difference.mean() + half,
        f"mean {difference.mean():.4f} +- {half:.4f} nats, point by point",
    )


@pytest.mark.parametrize("name", ["potential1", "potential2"])
def test_matching(claim, name):
    found = judge_matching(draw(own(name).model, SAMPLES, 0), ENERGIES[name], PUBLISHED[name])
    kl, ess = found.kl, found.ess
    claim(f"ohmbench.{name}-kl", kl.value, f"50 000 samples, 95 % {kl.low:.4f} to {kl.high:.4f}")
    claim(
        f"ohmbench.{name}-ess",
        100 * ess.value,
        f"95 % {100 * ess.low:.2f} to {100 * ess.high:.2f}",
    )


@pytest.mark.parametrize(
    "name", ["toyregress", "diabete", pytest.param("housing", marks=pytest.mark.needs("housing"))]
)
def test_regression(claim, name):
    """Held-out error, beside a feed-forward network of as many parameters."""
    found = {}
    for which in (name, f"{name}-mlp"):
        network = own(which)
        data = labelled(name, network.seed)
        found[which] = judge_regression(outputs(network.model, data.test_x), data.test_y)
    ci, other = found[name].mse, found[f"{name}-mlp"].mse
    claim(
        f"ohmbench.{name}-mse",
        ci.value,
        f"95 % {ci.low:.3g} to {ci.high:.3g}, R2 {found[name].r2:.4f}; feed-forward "
        f"{other.value:.3g} [{other.low:.3g}, {other.high:.3g}]",
    )


@pytest.mark.needs("mnist")
def test_genmnist(claim):
    x = fresh_points("genmnist", 200)
    found = judge_density(log_density(own("genmnist").model, x), None)
    bits = [
        (v / x.shape[1] + np.log(256)) / np.log(2)
        for v in (found.nll.value, found.nll.low, found.nll.high)
    ]
    claim(
        "ohmbench.genmnist-bits",
        bits[0],
        f"200 held-out images, 95 % {bits[1]:.3f} to {bits[2]:.3f}",
    )
