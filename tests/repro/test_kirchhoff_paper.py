"""What the KirchhoffNet paper says of its own circuits, on its own checkpoints."""

import numpy as np
import pytest
import torch

from ohmbench.data.densities import DENSITIES
from ohmbench.data.energies import ENERGIES, PUBLISHED
from ohmbench.kirchhoff.evaluation import (
    draw,
    judge_classification,
    judge_density,
    judge_matching,
    log_density,
    outputs,
)
from ohmbench.kirchhoff.models import parameter_count
from ohmbench.kirchhoff.samples import fresh_points, labelled
from ohmbench.paper import read_kirchhoff

needs_paper = pytest.mark.needs("paper-kirchhoffnet")

POINTS = 20_000
SAMPLES = 10_000


@pytest.fixture(scope="module")
def mnist_classification():
    """All 10 000 official test images through the paper's circuit, as it is configured."""
    threads = torch.get_num_threads()
    torch.set_num_threads(2)  # a minute on two cores, two on one: the longest test of its kind
    try:
        data = labelled("mnist", 0)
        return judge_classification(
            outputs(read_kirchhoff("mnist").model, data.test_x), data.test_y
        )
    finally:
        torch.set_num_threads(threads)


@needs_paper
def test_mnist_parameters(claim):
    claim("kirchhoff.mnist-parameters", parameter_count(read_kirchhoff("mnist").model))


@needs_paper
@pytest.mark.needs("mnist")
def test_mnist_top1(claim, mnist_classification):
    found = mnist_classification
    ci = found.accuracy
    claim(
        "kirchhoff.mnist-top1",
        100 * ci.value,
        f"{found.correct}/{found.total}, 95 % {100 * ci.low:.2f} to {100 * ci.high:.2f}",
    )


@needs_paper
@pytest.mark.needs("mnist")
def test_mnist_top5(claim, mnist_classification):
    ci = mnist_classification.top5
    claim(
        "kirchhoff.mnist-top5",
        100 * ci.value,
        f"95 % {100 * ci.low:.2f} to {100 * ci.high:.2f}",
    )


@needs_paper
@pytest.mark.needs("mnist")
def test_mnist_loss(claim, mnist_classification):
    ci = mnist_classification.loss
    claim("kirchhoff.mnist-loss", ci.value, f"95 % {ci.low:.5f} to {ci.high:.5f}")


def judged(name):
    x = fresh_points(name, POINTS)
    found = log_density(read_kirchhoff(name).model, x)
    return judge_density(found, DENSITIES[name].log_density(x.double().numpy()))


@needs_paper
@pytest.mark.parametrize("name", ["twomoon", "8gaussians"])
def test_training_loss(claim, name):
    # The set of 4096 points it was trained on is not part of the artifacts: fresh points.
    found = judged(name)
    claim(
        f"kirchhoff.{name}-loss",
        found.nll.value,
        f"20 000 fresh points, 95 % {found.nll.low:.3f} to {found.nll.high:.3f}; "
        f"gap to the true density {found.gap.value:.4f} "
        f"[{found.gap.low:.4f}, {found.gap.high:.4f}]",
    )


@needs_paper
def test_potential1_matching(claim):
    model = read_kirchhoff("potential1").model
    found = judge_matching(draw(model, SAMPLES, 0), ENERGIES["potential1"], PUBLISHED["potential1"])
    claim(
        "kirchhoff.potential1-matching",
        found.kl.value,
        f"95 % {found.kl.low:.4f} to {found.kl.high:.4f}, 10 000 samples; effective sample size "
        f"{100 * found.ess.value:.2f} % [{100 * found.ess.low:.2f}, {100 * found.ess.high:.2f}]",
    )


@needs_paper
@pytest.mark.needs("mnist")
def test_genmnist_has_no_bounded_likelihood(claim):
    """The published data are grey levels: the more a flow learns that most are exactly 0, the
    higher its likelihood, without end. Dequantised images have a density, and it is no good."""
    model = read_kirchhoff("genmnist").model
    x = fresh_points("genmnist", 64)
    raw = (x * 256).floor() / 255
    on_raw = -float(log_density(model, raw).log_density.mean())
    dequantised = -float(log_density(model, x).log_density.mean())
    bits = (dequantised / x.shape[1] + np.log(256)) / np.log(2)
    claim(
        "kirchhoff.genmnist-bits",
        bits,
        f"64 held-out images; {on_raw:.0f} nats an image on raw grey levels, "
        f"{dequantised:.0f} dequantised",
    )
    assert on_raw < -1500
