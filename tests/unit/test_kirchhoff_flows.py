"""Flows: densities that integrate to one, and agree with closed forms and with their samples."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.linalg
import scipy.stats
import torch

from ohmbench.errors import ShapeError
from ohmbench.kirchhoff.flows import log_normal, noise, pull_back, push_forward
from ohmbench.kirchhoff.simulation import Solver, SolverError
from tests.unit import kirchhoff_checks as checks
from tests.unit.circuits import TIGHT, MadeFlow, random_circuit, random_flow, rc, voltages
from tests.unit.kirchhoff_checks import assert_close


def test_density_integrates_to_one() -> None:
    checks.check_integral()


def test_samples_have_the_same_density_there_and_back() -> None:
    checks.check_both_ways()


def test_conductances_make_the_gaussian_of_their_exponential() -> None:
    checks.check_gaussian()


def test_density_is_the_change_of_variables() -> None:
    checks.check_change_of_variables()


@pytest.mark.parametrize("path", ["plain", "dense", "auto"])
def test_samples_of_a_linear_circuit_have_its_covariance(path) -> None:
    circuit = random_circuit(30, 2, 5, "Conductance", scale=0.4)
    flow = MadeFlow([circuit], [0.9], Solver("dopri5", tol=1e-6))
    m = scipy.linalg.expm(checks.linear_matrix(circuit) * 0.9)
    with torch.no_grad():
        x = push_forward(flow, noise(flow, 20_000, torch.Generator().manual_seed(0)).double(),
                         path=path).x.numpy()  # fmt: skip
    white = np.linalg.solve(m, x.T)
    # n S of white vectors is Wishart: each entry of S is off by at most a few sqrt(2 / n).
    assert np.abs(white @ white.T / len(x) - np.eye(2)).max() < 4.5 * math.sqrt(2 / len(x))
    assert np.abs(white.mean(1)).max() < 4.5 / math.sqrt(len(x))


def test_an_rc_circuit_narrows_the_noise() -> None:
    """Both ways by hand: x = z e^(-g t), log q = log N(z) + n g t."""
    flow = MadeFlow([rc(0.6, 2)], [1.5], TIGHT)
    z = voltages(0, 30, 2)
    found = push_forward(flow, z)
    assert_close(found.x, z * math.exp(-0.9), 1e-9, "x")
    assert_close(found.log_density, log_normal(z) + 1.8, 1e-9, "log q of samples")
    back = pull_back(flow, z)
    assert_close(back.z, z * math.exp(0.9), 1e-8, "z")
    assert_close(back.log_density, log_normal(z * math.exp(0.9)) + 1.8, 1e-7, "log q of points")


@pytest.mark.parametrize("path", ["plain", "dense", "fused"])
@pytest.mark.parametrize("shape", [(40, 1), (40, 3), (40, 0), (2,), (4, 2, 2)], ids=str)
def test_points_of_another_dimension_are_refused(shape, path) -> None:
    circuit = random_circuit(0, 2, 5, "ShiftTanh2", dtype=torch.float32)
    flow = MadeFlow([circuit], [0.5], Solver("rk4", step_size=0.1))
    for carry in (push_forward, pull_back):
        with pytest.raises(ShapeError, match=r"should be \(n, 2\)"):
            carry(flow, torch.zeros(shape), path=path)


@pytest.mark.parametrize("dimension", [1, 2, 7])
def test_log_normal_is_scipys(dimension: int) -> None:
    z = voltages(1, 50, dimension)
    law = scipy.stats.multivariate_normal(np.zeros(dimension))
    assert_close(log_normal(z), torch.from_numpy(law.logpdf(z.numpy())), 1e-12, "log N")


def test_mean_log_ratio_under_the_flow_is_a_divergence() -> None:
    """E_q[log q - log p] is never negative, and 0 only for p = q (Gibbs): both by samples."""
    flow = random_flow(70, solver=Solver("dopri5", tol=1e-6))
    with torch.no_grad():
        found = push_forward(flow, voltages(2, 4000, 2) / 1.5, path="plain")
    law = torch.distributions.MultivariateNormal(found.x.mean(0), torch.cov(found.x.T))
    ratio = found.log_density - law.log_prob(found.x)
    assert float(ratio.mean()) > -4 * float(ratio.std()) / math.sqrt(4000)


def test_slices_are_passed_back_in_reverse_order() -> None:
    flow = random_flow(80, slices=3)
    x = voltages(3, 10, 2)
    one = pull_back(flow, x, path="plain")
    two = push_forward(flow, one.z, path="plain")
    assert_close(two.x, x, 1e-8, "points there and back")
    assert torch.equal(one.x, x)
    other = MadeFlow(flow.circuits[::-1], flow.durations[::-1], flow.solver)
    assert float((pull_back(other, x, path="plain").z - one.z).detach().abs().max()) > 0.01


def test_noise_is_standard_normal_and_that_of_the_generator() -> None:
    flow = random_flow(0)
    z = noise(flow, 5000, torch.Generator().manual_seed(3))
    assert z.shape == (5000, 2)
    assert z.dtype == torch.float32
    assert torch.equal(z, noise(flow, 5000, torch.Generator().manual_seed(3)))
    assert scipy.stats.kstest(z.ravel().numpy(), "norm").pvalue > 1e-4


def test_evaluations_are_reported_slice_by_slice() -> None:
    flow = random_flow(0, solver=Solver("rk4", step_size=0.1))
    for found in (push_forward(flow, voltages(0, 3, 2)), pull_back(flow, voltages(0, 3, 2))):
        assert found.nfe == (16, 28)


def test_a_flow_that_cannot_be_followed_says_so() -> None:
    flow = MadeFlow([rc(1.0, 2), rc(-1e4, 2)], [0.5, 1.0], Solver("dopri5", tol=1e-3))
    with pytest.raises(SolverError, match="slice 1: "):
        push_forward(flow, voltages(0, 3, 2), path="plain")
