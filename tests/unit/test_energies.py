"""Potentials: the published formulas, their gradients, and normalisers against a plain grid."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from ohmbench.data.energies import ENERGIES, PUBLISHED, WALL, Energy, _ring_log_integral
from ohmbench.errors import OperandError, ShapeError

ALL = {**{f"{name}-published": e for name, e in PUBLISHED.items()}, **ENERGIES}
every_energy = pytest.mark.parametrize("energy", ALL.values(), ids=ALL)
every_proper = pytest.mark.parametrize("energy", ENERGIES.values(), ids=ENERGIES)


def points(n: int = 200, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).uniform(-5, 5, (n, 2)))


def formula(name: str, z1: float, z2: float) -> float:
    """In plain floats, as the paper prints it."""
    if name == "potential1":
        ring = 0.5 * ((math.hypot(z1, z2) - 2) / 0.4) ** 2
        bands = math.exp(-0.5 * ((z1 - 2) / 0.6) ** 2) + math.exp(-0.5 * ((z1 + 2) / 0.6) ** 2)
        return ring - math.log(bands)
    return 0.5 * ((z2 - math.sin(2 * math.pi * z1 / 4)) / 0.4) ** 2


# ------------------------------------------------------------------------------------------------
# Judges


def judge_gradient(energy: Energy, z: torch.Tensor, h: float = 1e-5) -> None:
    """Autograd against central differences along both coordinates, float64."""
    leaf = z.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(energy(leaf).sum(), leaf)
    for k in range(2):
        step = torch.zeros(2, dtype=torch.float64)
        step[k] = h
        difference = (energy(z + step) - energy(z - step)) / (2 * h)
        worst = float((gradient[:, k] - difference).abs().max())
        assert worst < 1e-6 * (1 + float(difference.abs().max())), f"d/dz{k + 1} is off by {worst}"


def composite(edges: tuple[float, ...], panels: int) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights of Gauss's rule, ``panels`` of 16 nodes between each two ``edges``."""
    t, w = np.polynomial.legendre.leggauss(16)
    ends = np.concatenate(
        [np.linspace(a, b, panels + 1)[:-1] for a, b in itertools.pairwise(edges)]
    )
    half = np.diff(ends, append=edges[-1])[:, None] / 2
    return (ends[:, None] + half * (1 + t)).ravel(), (half * w).ravel()


def judge_normaliser(energy: Energy) -> None:
    """ln Z to 1e-10, against Gauss's rule on a plain grid, which knows nothing of rings.

    It has an edge wherever a derivative jumps, and leaves out nothing above 1e-30.
    """
    (x, of_x), (y, of_y) = composite((-9, -WALL, 0, WALL, 9), 12), composite((-9, 0, 9), 20)
    points = torch.from_numpy(np.stack(np.meshgrid(x, y, indexing="ij"), -1))
    total = float(of_x @ torch.exp(-energy(points)).numpy() @ of_y)
    assert energy.log_normaliser() == pytest.approx(math.log(total), abs=1e-10)


# ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("energy", PUBLISHED.values(), ids=PUBLISHED)
def test_published_formulas(energy: Energy) -> None:
    z = points()
    expected = [formula(energy.name, *row) for row in z.tolist()]
    assert energy(z).tolist() == pytest.approx(expected, rel=1e-12)


@every_energy
def test_gradients(energy: Energy) -> None:
    judge_gradient(energy, points(seed=1))


@every_energy
def test_shapes_and_dtypes_follow_the_points(energy: Energy) -> None:
    z = points(24).to(torch.float32)
    u = energy(z)
    assert (u.shape, u.dtype) == ((24,), torch.float32)
    assert torch.equal(energy(z.view(2, 3, 4, 2)), u.view(2, 3, 4))
    assert energy(z[0]).shape == ()
    assert torch.allclose(energy(z.double()).float(), u, rtol=1e-4, atol=1e-5)


@every_energy
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_far_points_and_the_origin_stay_finite(energy: Energy, dtype: torch.dtype) -> None:
    # A bare exp of potential1's bands underflows from |z1| = 24 on, and its logarithm is -inf.
    z = torch.tensor([[0, 0], [60, 0], [-60, 3], [0, 500], [1e4, -1e4]], dtype=dtype)
    z.requires_grad_()
    u = energy(z)
    (gradient,) = torch.autograd.grad(u.sum(), z)
    assert bool(torch.isfinite(u).all())
    assert bool(torch.isfinite(gradient).all())


@every_energy
@pytest.mark.parametrize("shape", [(), (2, 3), (5, 1)], ids=str)
def test_other_shapes_are_refused(energy: Energy, shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match=r"should be \(\.\.\., 2\)"):
        energy(torch.zeros(shape))


@every_proper
def test_normalisers(energy: Energy) -> None:
    assert energy.proper
    judge_normaliser(energy)


def test_the_valley_has_its_integral_in_closed_form() -> None:
    """A valley of width 0.4 over 8 and over the two halves of a Gaussian as wide."""
    gaussian = 0.4 * math.sqrt(2 * math.pi)
    expected = math.log(gaussian) + math.log(8 + gaussian)
    assert ENERGIES["potential2"].log_normaliser() == pytest.approx(expected, abs=1e-14)


def test_nothing_of_the_ring_is_left_out() -> None:
    """Beyond the radius at which its quadrature ends, exp(-U) is below 1e-21 everywhere."""
    angle = torch.linspace(0, 2 * math.pi, 200, dtype=torch.float64)
    for radius in (6.0, 6.5, 8.0):
        points = radius * torch.stack([angle.cos(), angle.sin()], 1)
        assert float(torch.exp(-ENERGIES["potential1"](points)).max()) < 1e-21


def test_the_rings_quadrature_has_converged() -> None:
    value = ENERGIES["potential1"].log_normaliser()
    assert value == pytest.approx(_ring_log_integral(400, 512), abs=1e-12)


def test_the_wall_stands_beyond_four_and_nowhere_else() -> None:
    plain, walled = PUBLISHED["potential2"], ENERGIES["potential2"]
    z = points(1000, seed=2)
    inside = z[:, 0].abs() <= WALL
    assert torch.equal(plain(z[inside]), walled(z[inside]))
    beyond = z[~inside]
    wall = (0.5 * ((beyond[:, 0].abs() - 4) / 0.4) ** 2).tolist()
    assert (walled(beyond) - plain(beyond)).tolist() == pytest.approx(wall, abs=1e-9)
    assert min(wall) >= 0
    assert len(beyond) > 100


def test_the_published_potential2_has_no_normaliser() -> None:
    plain = PUBLISHED["potential2"]
    assert not plain.proper
    with pytest.raises(OperandError, match="potential2 has no normaliser"):
        plain.log_normaliser()
    z = points(50)
    assert torch.allclose(plain(z), plain(z + torch.tensor([4.0, 0.0])))  # periodic: no decay


# ------------------------------------------------------------------------------------------------
# The judges go red


def _narrow_ring(z1: torch.Tensor, z2: torch.Tensor) -> torch.Tensor:
    return PUBLISHED["potential1"].potential(z1, 0.99 * z2)


FAULTS = {
    "narrow-ring": replace(ENERGIES["potential1"], potential=_narrow_ring),
    "no-wall": replace(ENERGIES["potential2"], potential=PUBLISHED["potential2"].potential),
    "wrong-constant": replace(ENERGIES["potential2"], log_integral=lambda: 2.20016692626),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_normaliser_of_something_else_is_caught(name: str) -> None:
    with pytest.raises(AssertionError):
        judge_normaliser(FAULTS[name])


def test_a_detached_gradient_is_caught() -> None:
    def detached(z1: torch.Tensor, z2: torch.Tensor) -> torch.Tensor:
        return PUBLISHED["potential2"].potential(z1.detach(), z2)

    with pytest.raises(AssertionError, match="d/dz1 is off"):
        judge_gradient(Energy("detached", detached, None), points())
