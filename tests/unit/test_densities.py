"""Densities of the plane: normalised, converged, and the density of the samples they come with."""

from __future__ import annotations

import math
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pytest
import scipy.stats
from scipy.special import log_ndtr, logsumexp
from sklearn.datasets import make_circles, make_moons, make_swiss_roll

from ohmbench.data.densities import (
    DENSITIES,
    Density,
    NoisyCircles,
    NoisyCurve,
    Pinwheel,
    RoundMixture,
    TwoSpirals,
    _moons,
)
from ohmbench.data.pinwheel import preimages
from ohmbench.errors import NonFiniteError, ShapeError
from ohmbench.stats import Interval
from tests.unit.interval_checks import assert_rate

every_density = pytest.mark.parametrize("density", DENSITIES.values(), ids=DENSITIES)
SAMPLES = 50_000


def drawn(density: Density, n: int = SAMPLES, seed: int = 0) -> np.ndarray:
    return density.sample(n, np.random.default_rng(seed))


@dataclass(frozen=True)
class Grid:
    """A density on a grid that holds all of its mass: points (n, 2), log-density (n,).

    ``cells`` (2,) counts cells of 5 x 5 points from the corner ``low`` (2,) on.
    """

    low: np.ndarray
    step: float
    cells: tuple[int, int]
    points: np.ndarray
    log_p: np.ndarray

    @property
    def mass(self) -> np.ndarray:
        return np.exp(self.log_p) * self.step**2


# Seven widths of the noise beyond all curves and centres: what is left out is below 1e-11.
BOXES = {
    "twomoon": ((-1.8, -1.3), (2.8, 1.8)),
    "circle": ((-1.5, -1.5), (1.5, 1.5)),
    "8gaussians": ((-5.5, -5.5), (5.5, 5.5)),
    "2spirals": ((-4.2, -4.2), (4.2, 4.2)),
    "pinwheel": ((-6.2, -6.2), (6.2, 6.2)),
    "swissroll": ((-4.3, -4.3), (4.3, 4.3)),
    "gauss": ((-6.0, -4.0), (8.0, 3.0)),
}
STEPS = {"twomoon": 0.025, "circle": 0.02}


@cache
def grid(density: Density) -> Grid:
    # Sums of smooth functions over a grid converge like exp(-2 (pi std / step)^2).
    low, high = np.array(BOXES[density.name])
    step = STEPS.get(density.name, 0.05)
    cells = tuple(np.ceil((high - low) / (5 * step)).astype(int).tolist())
    axes = [a + step * (np.arange(5 * n) + 0.5) for a, n in zip(low, cells, strict=True)]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 2)
    return Grid(low, step, cells, points, density.log_density(points))


def exact_entropy(density: Density) -> float:
    """The integral of -p ln p, in nats."""
    g = grid(density)
    return -float((g.mass * np.where(g.mass > 0, g.log_p, 0)).sum())


# ------------------------------------------------------------------------------------------------
# Judges


def judge_integral(density: Density) -> None:
    total = grid(density).mass.sum()
    assert abs(total - 1) < 1e-9, f"{density.name} integrates to {total!r}"


def judge_entropy(density: Density, x: np.ndarray) -> None:
    """-ln p averaged over samples against the entropy integral: they differ by KL(sample||p)."""
    expected = exact_entropy(density)
    surprise = -density.log_density(x)
    error = 4.5 * surprise.std() / math.sqrt(len(x))
    found = surprise.mean()
    assert abs(found - expected) < error, (
        f"{density.name}: {found} nats on samples, but should be {expected} within {error}"
    )


def judge_moments(density: Density, x: np.ndarray) -> None:
    """Means and products of the samples against the integrals, within 5 standard errors."""
    g = grid(density)
    for powers in ((1, 0), (0, 1), (2, 0), (1, 1), (0, 2)):
        f = (x**powers).prod(1)
        expected = float((g.mass * (g.points**powers).prod(1)).sum())
        error = 5 * f.std() / math.sqrt(len(x))
        assert abs(f.mean() - expected) < error, (
            f"{density.name}: moment {powers} is {f.mean()}, but should be {expected}"
        )


def judge_histogram(density: Density, x: np.ndarray) -> None:
    """Chi-squared test of counts in cells of 5 x 5 grid points; rare cells are taken together."""
    g = grid(density)
    rows, columns = g.cells
    expected = len(x) * g.mass.reshape(rows, 5, columns, 5).sum((1, 3)).ravel()
    index = np.floor((x - g.low) / (5 * g.step)).astype(int)
    inside = ((index >= 0) & (index < g.cells)).all(1)
    flat = index[inside, 0] * columns + index[inside, 1]
    counts = np.bincount(flat, minlength=rows * columns)
    often = expected > 20
    rest, rest_counts = len(x) - expected[often].sum(), len(x) - counts[often].sum()
    expected, counts = np.append(expected[often], rest + 1), np.append(counts[often], rest_counts)
    statistic = float(((counts - expected) ** 2 / expected).sum())
    p = scipy.stats.chi2.sf(statistic, len(counts) - 1)
    assert p > 1e-5, (
        f"{density.name}: chi-squared {statistic:.0f} over {len(counts)} cells, p = {p:.2g}"
    )


def judge_convergence(density: Density) -> None:
    """Twice the quadrature's nodes change nothing, at samples and around them."""
    finer = replace(density, nodes=2 * density.nodes)  # type: ignore[call-arg, attr-defined]
    rng = np.random.default_rng(1)
    x = drawn(density, 1000)
    x = np.concatenate([x, x + 0.3 * rng.standard_normal(x.shape)])
    error = np.abs(density.log_density(x) - finer.log_density(x)).max()
    assert error < 1e-9, f"{density.name} changes by {error} with twice the nodes"


# ------------------------------------------------------------------------------------------------
# Each density is one, and that of its samples


@every_density
def test_the_density_integrates_to_one(density: Density) -> None:
    judge_integral(density)


@every_density
def test_samples_have_the_entropy_of_the_density(density: Density) -> None:
    judge_entropy(density, drawn(density))


@every_density
def test_samples_have_the_moments_of_the_density(density: Density) -> None:
    judge_moments(density, drawn(density, seed=1))


@every_density
def test_samples_fall_where_the_density_is(density: Density) -> None:
    judge_histogram(density, drawn(density, seed=2))


BY_QUADRATURE = [name for name, d in DENSITIES.items() if hasattr(d, "nodes")]


@pytest.mark.parametrize("name", BY_QUADRATURE)
def test_quadrature_has_converged(name: str) -> None:
    judge_convergence(DENSITIES[name])


def slow_spiral(x: np.ndarray, panels: int, nodes: int) -> float:
    """ln p of one point by the definition: both arms, differences of normal distributions."""
    density = DENSITIES["2spirals"]
    assert isinstance(density, TwoSpirals)
    scale, noise = density.scale, density.noise
    stop, width = 2 * math.pi * density.turns, density.box / scale
    points, weights = np.polynomial.legendre.leggauss(nodes)
    half = stop / (2 * panels)
    t = (half * (2 * np.arange(panels)[:, None] + 1 + points)).ravel()
    arms = []
    for sign in (1, -1):
        log_p = np.log(2 * t / stop**2 * np.tile(half * weights, panels))
        for k, curve in enumerate((-t * np.cos(t), t * np.sin(t))):
            # The coordinate lies by low to high above the noise, or by -high to -low below it.
            high = (sign * x[k] - curve / scale) / noise
            low = high - width / noise
            swap = low > 0
            low, high = np.where(swap, -high, low), np.where(swap, -low, high)
            a, b = log_ndtr(high), log_ndtr(low)
            log_p = log_p + a + np.log1p(-np.exp(b - a)) - math.log(width)
        arms.append(logsumexp(log_p))
    return float(np.logaddexp(*arms) - math.log(2))


def test_the_spirals_are_their_definition() -> None:
    """At samples and seven widths of the noise beside them, by five times the nodes."""
    x = drawn(DENSITIES["2spirals"], 12, 4)
    x = np.concatenate([x, x + 0.5])
    expected = [slow_spiral(point, 150, 20) for point in x]
    assert DENSITIES["2spirals"].log_density(x) == pytest.approx(expected, abs=1e-9)


def test_terms_that_the_spirals_leave_out_are_below_rounding() -> None:
    """The same rule with all of its terms: also where no node is near."""
    x = drawn(DENSITIES["2spirals"], 12, 5)
    x = np.concatenate([x, x + 0.5, 2 * x, 10 * x])
    expected = [slow_spiral(point, 640 // 16, 16) for point in x]
    assert min(expected) < -1000
    assert DENSITIES["2spirals"].log_density(x) == pytest.approx(expected, rel=1e-12, abs=1e-12)


def pinwheel_edge(radial_deviations: float, points: int = 720) -> np.ndarray:
    """Points all around, at so many radial standard deviations beyond the middle of the blades."""
    density = DENSITIES["pinwheel"]
    assert isinstance(density, Pinwheel)
    radius = density.scale * (1 + radial_deviations * density.radial)
    angle = 2 * np.pi * np.arange(points) / points
    return radius * np.stack([np.cos(angle), np.sin(angle)], 1)


def test_the_pinwheel_ends_where_it_is_below_1e_30_and_not_before() -> None:
    density = DENSITIES["pinwheel"]
    for deviations in (5, 8, 10, 11, 11.99):
        log_p = density.log_density(pinwheel_edge(deviations))
        assert np.isfinite(log_p).all(), f"cut off at {deviations} deviations"
        # The likeliest features that get there are those of a blade's own middle line.
        bound = -0.5 * deviations**2 - math.log(2 * math.pi * 0.3 * 0.1 * 4)
        assert log_p.max() < bound + math.log(200), "more than a blade and its neighbours have"
    assert log_p.max() < math.log(1e-30)
    assert (density.log_density(pinwheel_edge(12.01)) == -np.inf).all()


def test_the_bessel_function_is_the_integral_over_the_angle() -> None:
    closed = DENSITIES["circle"]
    assert isinstance(closed, NoisyCircles)

    def circles(t: np.ndarray) -> np.ndarray:
        unit = np.stack([np.cos(t), np.sin(t)], 1)
        return np.stack([radius * unit for radius in closed.radii])

    integral = NoisyCurve("circle", circles, 0, 2 * np.pi, closed.noise, nodes=960)
    x = drawn(closed, 500)
    for scale in (1.1, 3):  # noise of the curve's narrowest width, and where it is far away
        expected = integral.log_density(scale * x)
        assert closed.log_density(scale * x) == pytest.approx(expected, rel=1e-12, abs=1e-9)


# ------------------------------------------------------------------------------------------------
# The originals, from scikit-learn or point by point as the artifacts define them


def _eight_gaussians(rng: np.random.Generator) -> tuple[float, float]:
    k = rng.integers(8)
    x = 4 * math.cos(math.pi * k / 4) + 0.5 * rng.standard_normal()
    y = 4 * math.sin(math.pi * k / 4) + 0.5 * rng.standard_normal()
    return x / 1.414, y / 1.414


def _two_spirals(rng: np.random.Generator) -> tuple[float, float]:
    n = math.sqrt(rng.random()) * 3 * math.pi
    x, y = -math.cos(n) * n + 0.5 * rng.random(), math.sin(n) * n + 0.5 * rng.random()
    sign = 1 if rng.random() < 0.5 else -1
    return tuple(sign * v / 3 + 0.1 * rng.standard_normal() for v in (x, y))  # type: ignore[return-value]


def _pinwheel(rng: np.random.Generator) -> tuple[float, float]:
    f = np.array([1 + 0.3 * rng.standard_normal(), 0.1 * rng.standard_normal()])
    angle = 2 * math.pi * rng.integers(5) / 5 + 0.25 * math.exp(f[0])
    cos, sin = math.cos(angle), math.sin(angle)
    x, y = f @ np.array([[cos, -sin], [sin, cos]])  # a row vector: this turns it clockwise
    return 2 * x, 2 * y


def _one_by_one(f: Callable[[np.random.Generator], tuple[float, float]]) -> np.ndarray:
    rng = np.random.default_rng(3)
    return np.array([f(rng) for _ in range(SAMPLES)])


ORIGINALS: dict[str, Callable[[], np.ndarray]] = {
    "twomoon": lambda: make_moons(SAMPLES, noise=0.1, random_state=0)[0],
    "circle": lambda: make_circles(SAMPLES, noise=0.06, factor=0.5, random_state=0)[0],
    "swissroll": lambda: make_swiss_roll(SAMPLES, noise=1.0, random_state=0)[0][:, [0, 2]] / 5,
    "8gaussians": lambda: _one_by_one(_eight_gaussians),
    "2spirals": lambda: _one_by_one(_two_spirals),
    "pinwheel": lambda: _one_by_one(_pinwheel),
}


def test_moons_are_the_librarys_point_for_point() -> None:
    moons = _moons(np.linspace(0, np.pi, 7))
    points, _ = make_moons(14, shuffle=False)
    np.testing.assert_allclose(moons.reshape(14, 2), points, atol=1e-12)


@pytest.mark.parametrize("name", ORIGINALS)
def test_the_original_definition_has_this_density(name: str) -> None:
    x = ORIGINALS[name]()
    judge_histogram(DENSITIES[name], x)
    judge_entropy(DENSITIES[name], x)


def test_every_density_is_here_and_is_the_papers_or_ours() -> None:
    assert set(DENSITIES) == {*ORIGINALS, "gauss"}
    assert all(name == density.name for name, density in DENSITIES.items())


# ------------------------------------------------------------------------------------------------
# Entropies


def test_the_gaussians_entropy_is_exact() -> None:
    covariance = np.array([[1, 0.4], [0.4, 0.25]])
    expected = scipy.stats.multivariate_normal((1, -0.5), covariance)
    value = float(expected.entropy())
    found = DENSITIES["gauss"].entropy(10, 0)
    assert (found.low, found.high) == (found.value, found.value)
    assert found.value == pytest.approx(value, rel=1e-12)
    x = drawn(DENSITIES["gauss"], 100)
    assert DENSITIES["gauss"].log_density(x) == pytest.approx(expected.logpdf(x), rel=1e-10)


def test_entropies_come_with_honest_intervals() -> None:
    density, seeds = DENSITIES["8gaussians"], 1000
    assert density.entropy(1000, 3) == density.entropy(1000, 3)
    intervals: list[Interval] = [density.entropy(300, seed) for seed in range(seeds)]
    truth = exact_entropy(density)
    covered = sum(i.low <= truth <= i.high for i in intervals)
    assert_rate(covered, seeds, 0.95, "entropies")


@every_density
def test_entropies_are_those_of_the_densities(density: Density) -> None:
    """Within two and a half of its 95 % intervals' half-widths, which is one in a million."""
    found = density.entropy(4000, 11)
    truth, half = exact_entropy(density), (found.high - found.low) / 2
    assert abs(found.value - truth) <= 2.5 * half + 1e-8
    assert half < 0.05


# ------------------------------------------------------------------------------------------------
# Sampling and the contract of the arrays


@every_density
def test_the_generator_decides_the_samples(density: Density) -> None:
    x = drawn(density, 100, 5)
    assert (x.shape, x.dtype) == ((100, 2), np.float64)
    assert x.tobytes() == drawn(density, 100, 5).tobytes()
    assert x.tobytes() != drawn(density, 100, 6).tobytes()
    assert len(np.unique(x, axis=0)) == 100
    assert density.sample(0, np.random.default_rng(0)).shape == (0, 2)


@every_density
def test_log_densities_do_not_depend_on_their_company(density: Density) -> None:
    x = drawn(density, 3000)
    whole = density.log_density(x)
    assert (whole.shape, whole.dtype) == ((3000,), np.float64)
    parts = [density.log_density(x[a : a + 700]) for a in range(0, 3000, 700)]
    assert np.concatenate(parts) == pytest.approx(whole, abs=1e-10)
    for n in (0, 1, 1023, 1024, 1025, 2047, 2048, 2049):  # about whole parts of 1024
        found = density.log_density(x[:n])
        assert found.shape == (n,)
        assert found == pytest.approx(whole[:n], abs=1e-10)


@every_density
def test_far_points_are_unlikely_and_no_error(density: Density) -> None:
    x = np.array([[0, 0], [9.0, 9.0], [-40.0, 3.0], [0, 1e3]])
    log_p = density.log_density(x)
    assert not np.isnan(log_p).any()
    assert (log_p[1:] < -30).all()
    if density.name != "pinwheel":
        assert np.isfinite(log_p).all()


@every_density
@pytest.mark.parametrize("shape", [(2,), (3, 1), (2, 2, 2)], ids=str)
def test_other_shapes_are_refused(density: Density, shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match=r"should be \(n, 2\)"):
        density.log_density(np.zeros(shape))


@every_density
def test_points_that_are_no_numbers_are_refused(density: Density) -> None:
    for bad in (np.nan, np.inf):
        with pytest.raises(NonFiniteError, match="points are not finite"):
            density.log_density(np.array([[0.0, bad]]))


@every_density
def test_twenty_thousand_points_take_seconds_and_little_memory(density: Density) -> None:
    x = drawn(density, 20_000)
    start = time.process_time()
    density.log_density(x)
    assert time.process_time() - start < 5
    tracemalloc.start()
    try:
        density.log_density(x)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 100 * 2**20, f"{peak / 2**20:.0f} MiB"


# ------------------------------------------------------------------------------------------------
# The pinwheel's roots


def _turn(f: np.ndarray, angle: np.ndarray) -> np.ndarray:
    cos, sin = np.cos(angle), np.sin(angle)
    return np.stack([cos * f[:, 0] + sin * f[:, 1], cos * f[:, 1] - sin * f[:, 0]], 1)


RATE, ARMS = 0.25, 5


def _points(n: int, radius: float, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    r, angle = radius * np.sqrt(rng.random(n)), rng.uniform(-np.pi, np.pi, n)
    return np.stack([r * np.cos(angle), r * np.sin(angle)], 1)


def test_every_root_lands_on_its_point() -> None:
    x = _points(500, 4.5)
    found = preimages(x, RATE, ARMS)
    f = found.features
    images = [_turn(f, RATE * np.exp(f[:, 0]) + 2 * np.pi * k / ARMS) for k in range(ARMS)]
    distance = np.stack([np.abs(image - x[found.point]).max(1) for image in images])
    assert distance.min(0).max() < 1e-9
    assert set(found.point.tolist()) == set(range(500)), "a point without a root"


def test_no_root_is_missed_or_found_twice() -> None:
    x = _points(60, 3.5, 1)
    found = preimages(x, RATE, ARMS)
    beta = np.linspace(-np.pi, np.pi, 200_001)
    folded = 0
    for k, (r, psi) in enumerate(zip(np.hypot(*x.T), np.arctan2(x[:, 1], x[:, 0]), strict=True)):
        turns = (beta - RATE * np.exp(r * np.cos(beta)) - psi) / (2 * np.pi / ARMS)
        # Crossings of whole numbers, each way: what bisection on monotone pieces should find.
        crossings = int(np.abs(np.diff(np.floor(turns))).sum())
        roots = found.features[found.point == k]
        assert len(roots) == crossings
        assert len(np.unique(np.round(roots, 9), axis=0)) == crossings
        folded += crossings > ARMS
    assert folded > 10, "no point with more roots than arms was tried"


def test_the_jacobian_is_that_of_the_map() -> None:
    f, h = _points(200, 2.5, 2), 1e-6
    columns = []
    for step in ((h, 0), (0, h)):
        ahead, behind = f + step, f - step
        columns.append(
            (_turn(ahead, RATE * np.exp(ahead[:, 0])) - _turn(behind, RATE * np.exp(behind[:, 0])))
            / (2 * h)
        )
    a, b = columns
    determinant = np.abs(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0])
    found = preimages(_turn(f, RATE * np.exp(f[:, 0])), RATE, ARMS)
    distance = np.abs(found.features - f[found.point]).max(1)
    own = distance < 1e-7
    assert own.sum() == 200
    assert found.jacobian[own] == pytest.approx(determinant[found.point[own]], abs=1e-5)


# ------------------------------------------------------------------------------------------------
# The judges go red: the true samples with a density that is a little wrong


class _Unnormalised(RoundMixture):
    def _log_density(self, x: np.ndarray) -> np.ndarray:
        return super()._log_density(x) + 0.01


FAULTS: dict[str, tuple[Density, tuple[str, ...]]] = {
    "twomoon-wider": (replace(DENSITIES["twomoon"], noise=0.11), ("entropy", "histogram")),
    "circle-wider": (replace(DENSITIES["circle"], noise=0.065), ("entropy", "histogram")),
    "circle-factor": (replace(DENSITIES["circle"], radii=(1.0, 0.55)), ("moments", "histogram")),
    "8gaussians-variance": (replace(DENSITIES["8gaussians"], std=0.25), ("entropy", "histogram")),
    "8gaussians-7": (replace(DENSITIES["8gaussians"], count=7), ("entropy", "histogram")),
    "8gaussians-unnormalised": (_Unnormalised(**vars(DENSITIES["8gaussians"])), ("integral",)),
    "2spirals-box": (replace(DENSITIES["2spirals"], box=0.4), ("histogram",)),
    "2spirals-noise-before-scale": (replace(DENSITIES["2spirals"], noise=0.1 / 3), ("entropy",)),
    "2spirals-few-nodes": (replace(DENSITIES["2spirals"], nodes=96), ("convergence",)),
    "pinwheel-rate": (replace(DENSITIES["pinwheel"], rate=0.24), ("entropy", "histogram")),
    "pinwheel-other-way": (replace(DENSITIES["pinwheel"], rate=-0.25), ("entropy", "histogram")),
    "swissroll-noise": (replace(DENSITIES["swissroll"], noise=0.22), ("entropy", "histogram")),
    "swissroll-few-nodes": (replace(DENSITIES["swissroll"], nodes=80), ("convergence",)),
    "gauss-shift": (replace(DENSITIES["gauss"], mean=(1.05, -0.5)), ("moments",)),
    "gauss-uncorrelated": (
        replace(DENSITIES["gauss"], cholesky=((1.0, 0.0), (0.0, 0.5))),
        ("moments", "histogram"),
    ),
}
JUDGES: dict[str, Callable[[Density], None]] = {
    "integral": judge_integral,
    "convergence": judge_convergence,
    "entropy": lambda density: judge_entropy(density, drawn(DENSITIES[density.name])),
    "moments": lambda density: judge_moments(density, drawn(DENSITIES[density.name])),
    "histogram": lambda density: judge_histogram(density, drawn(DENSITIES[density.name])),
}


@pytest.mark.parametrize(
    ("fault", "judge"),
    [(fault, judge) for fault, (_, judges) in FAULTS.items() for judge in judges],
)
def test_a_wrong_density_is_caught(fault: str, judge: str) -> None:
    with pytest.raises(AssertionError):
        JUDGES[judge](FAULTS[fault][0])


def test_each_judge_has_seen_a_fault() -> None:
    assert {judge for _, judges in FAULTS.values() for judge in judges} == set(JUDGES)
    assert {fault.split("-")[0] for fault in FAULTS} == set(DENSITIES)
