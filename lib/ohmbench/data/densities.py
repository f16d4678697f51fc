"""The two-dimensional densities of the generation experiments, to sample and to know exactly.

The definitions are those of the KirchhoffNet paper's artifacts, which take them from scikit-learn
(moons, circles, Swiss roll) and from the toy data of Grathwohl et al., "FFJORD", ICLR 2019 (the
rest). Differences, none of which changes the density:

- Points are independent. The originals give each arm exactly its share of the points, and
  `make_moons` and `make_circles` put the angles on an even grid: the same density in the limit, but
  less scatter between samples than independent points have.
- Columns, scales and centres are built in, where the artifacts transform a finished sample.

Coordinates and noise are plain numbers without a unit; log-densities and entropies are in nats.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import erfcx, i0e, logsumexp

from ohmbench.data.pinwheel import preimages
from ohmbench.errors import NonFiniteError, ShapeError
from ohmbench.stats import Interval, mean_interval

TRAINING_POINTS = 4096
"""Points that the paper trains on, drawn once."""

_Floats = NDArray[np.float64]
_CHUNK = 1024  # points evaluated at once: some 20 MB of intermediate arrays at 1024 nodes
_LOG_2PI = float(np.log(2 * np.pi))
_NEGLIGIBLE = 50.0  # nats below the largest of some hundred terms: less than the sum's rounding


@dataclass(frozen=True)
class Density(ABC):
    """A density in the plane: samples and the logarithm of the very same density."""

    name: str

    @abstractmethod
    def _sample(self, n: int, rng: np.random.Generator) -> _Floats: ...

    @abstractmethod
    def _log_density(self, x: _Floats) -> _Floats: ...

    def sample(self, n: int, rng: np.random.Generator) -> _Floats:
        """``n`` independent points, float64 (n, 2)."""
        return self._sample(n, rng)

    def log_density(self, x: _Floats) -> _Floats:
        """Logarithm of the density, in nats, float64 (n,), at the points ``x`` (n, 2).

        Memory does not grow with n beyond the result. Raises ShapeError for any other shape and
        NonFiniteError for NaN and infinities.
        """
        x = np.asarray(x, dtype=np.float64)
        if x.ndim != 2 or x.shape[1] != 2:
            raise ShapeError(f"points of shape {x.shape}, but should be (n, 2)")
        if not np.isfinite(x).all():
            raise NonFiniteError("points are not finite")
        parts = [self._log_density(x[k : k + _CHUNK]) for k in range(0, len(x), _CHUNK)]
        return np.concatenate(parts) if parts else np.empty(0)

    def entropy(self, n: int, seed: int) -> Interval:
        """Differential entropy in nats with its 95 % interval, from ``n`` points drawn by ``seed``.

        The interval has no width where the entropy has a closed form.
        """
        x = self.sample(n, np.random.default_rng(seed))
        return mean_interval((-self.log_density(x)).tolist())


@dataclass(frozen=True)
class Gaussian(Density):
    """One normal distribution: ``mean`` (2,) and the lower Cholesky factor of its covariance."""

    mean: tuple[float, float]
    cholesky: tuple[tuple[float, float], tuple[float, float]]

    def _sample(self, n: int, rng: np.random.Generator) -> _Floats:
        return np.asarray(self.mean + rng.standard_normal((n, 2)) @ np.array(self.cholesky).T)

    def _log_density(self, x: _Floats) -> _Floats:
        whitened = np.linalg.solve(np.array(self.cholesky), (x - self.mean).T)
        return np.asarray(-0.5 * (whitened**2).sum(0) - _LOG_2PI - self._log_root())

    def _log_root(self) -> float:
        """Half the logarithm of the covariance's determinant."""
        return float(np.log(self.cholesky[0][0]) + np.log(self.cholesky[1][1]))

    def entropy(self, n: int, seed: int) -> Interval:
        """The closed form 1 + ln 2 pi + ln(det C) / 2; ``n`` and ``seed`` play no part."""
        value = 1 + _LOG_2PI + self._log_root()
        return Interval(value, value, value)


def _log_mixture(x: _Floats, centres: _Floats, log_weights: _Floats, std: float) -> _Floats:
    """Round Gaussians of one ``std`` at ``centres`` (m, 2), weights exp(``log_weights``)."""
    squares = (x**2).sum(1)[:, None] - 2 * x @ centres.T + (centres**2).sum(1)
    exponents = log_weights - squares / (2 * std * std)
    return np.asarray(logsumexp(exponents, axis=1) - _LOG_2PI - 2 * np.log(std))


@dataclass(frozen=True)
class RoundMixture(Density):
    """``count`` equally likely round Gaussians, evenly on a circle, the first at angle 0."""

    count: int
    radius: float
    std: float

    def _centres(self) -> _Floats:
        angle = 2 * np.pi * np.arange(self.count) / self.count
        return self.radius * np.stack([np.cos(angle), np.sin(angle)], 1)

    def _sample(self, n: int, rng: np.random.Generator) -> _Floats:
        chosen = self._centres()[rng.integers(self.count, size=n)]
        return chosen + self.std * rng.standard_normal((n, 2))

    def _log_density(self, x: _Floats) -> _Floats:
        weights = np.full(self.count, -np.log(self.count))
        return _log_mixture(x, self._centres(), weights, self.std)


@dataclass(frozen=True)
class NoisyCircles(Density):
    """Circles about the origin, equally likely, uniform angle, normal noise on both coordinates.

    The angle integrates to a Bessel function: with s the noise, each circle of radius R has
    density exp(-(|x| - R)^2 / 2s^2) * i0e(|x| R / s^2) / (2 pi s^2), i0e(z) = exp(-z) I0(z).
    """

    radii: tuple[float, ...]
    noise: float

    def _sample(self, n: int, rng: np.random.Generator) -> _Floats:
        angle = rng.uniform(0, 2 * np.pi, n)
        radius = np.array(self.radii)[rng.integers(len(self.radii), size=n)]
        curve = np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1)
        return np.asarray(curve + self.noise * rng.standard_normal((n, 2)))

    def _log_density(self, x: _Floats) -> _Floats:
        r, variance = np.hypot(x[:, 0], x[:, 1])[:, None], self.noise**2
        radii = np.array(self.radii)
        terms = np.log(i0e(r * radii / variance)) - (r - radii) ** 2 / (2 * variance)
        log_scale = _LOG_2PI + np.log(variance) + np.log(len(radii))
        return np.asarray(logsumexp(terms, axis=1) - log_scale)


_PANEL = 16


def _gauss_legendre(start: float, stop: float, nodes: int) -> tuple[_Floats, _Floats]:
    """Nodes and weights of the composite rule on [start, stop]: panels of 16 nodes each."""
    panels = nodes // _PANEL
    t, w = np.polynomial.legendre.leggauss(_PANEL)
    half = (stop - start) / (2 * panels)
    middle = start + half * (2 * np.arange(panels) + 1)
    return (middle[:, None] + half * t).ravel(), np.tile(half * w, panels)


@dataclass(frozen=True)
class NoisyCurve(Density):
    """Curves with a parameter t uniform on [start, stop] and normal noise on both coordinates.

    ``curve`` maps t (n,) to (arms, n, 2); arms are equally likely. The density is an integral over
    t, by the Gauss-Legendre rule with ``nodes`` nodes for each arm: the nodes lie closer together
    than the noise is wide, and then the rule converges faster than any power of their number.
    """

    curve: Callable[[_Floats], _Floats]
    start: float
    stop: float
    noise: float
    nodes: int

    def _sample(self, n: int, rng: np.random.Generator) -> _Floats:
        points = self.curve(rng.uniform(self.start, self.stop, n))
        arm = rng.integers(len(points), size=n)
        return points[arm, np.arange(n)] + self.noise * rng.standard_normal((n, 2))

    def _log_density(self, x: _Floats) -> _Floats:
        t, w = _gauss_legendre(self.start, self.stop, self.nodes)
        arms = self.curve(t)
        weights = np.tile(w / ((self.stop - self.start) * len(arms)), len(arms))
        return _log_mixture(x, arms.reshape(-1, 2), np.log(weights), self.noise)


def _moons(t: _Floats) -> _Floats:
    """Half circles as `sklearn.datasets.make_moons` has them, t from 0 to pi."""
    cos, sin = np.cos(t), np.sin(t)
    return np.stack([np.stack([cos, sin], 1), np.stack([1 - cos, 0.5 - sin], 1)])


def _roll(t: _Floats) -> _Floats:
    """Columns 0 and 2 of `sklearn.datasets.make_swiss_roll`, a fifth of their size."""
    return np.stack([t * np.cos(t), t * np.sin(t)], 1)[None] / 5


@dataclass(frozen=True)
class TwoSpirals(Density):
    """Two spiral arms, the second the first mirrored at the origin, with two kinds of noise.

    A point of the first arm is (-t cos t, t sin t) with t = turns * 2 pi * sqrt(u), u uniform on
    [0, 1], plus for each coordinate a uniform number of [0, box]. This sum is mirrored or not,
    divided by ``scale``, and only then normal noise is added. So one coordinate at a given t is a
    box of width w = box / scale convolved with the noise s: the difference of two normal
    distribution functions, over w. What is left is an integral over t, as in `NoisyCurve`.
    """

    turns: float
    box: float
    scale: float
    noise: float
    nodes: int

    def _sample(self, n: int, rng: np.random.Generator) -> _Floats:
        t = self.turns * 2 * np.pi * np.sqrt(rng.random(n))
        arm = _spiral(t) + self.box * rng.random((n, 2))
        sign = rng.choice((-1.0, 1.0), size=(n, 1))
        return np.asarray(sign * arm / self.scale + self.noise * rng.standard_normal((n, 2)))

    def _log_density(self, x: _Floats) -> _Floats:
        arms = np.stack([self._log_arm(x), self._log_arm(-x)])
        return np.asarray(np.logaddexp(*arms) - np.log(2))

    def _log_arm(self, x: _Floats) -> _Floats:
        stop = self.turns * 2 * np.pi
        t, w = _gauss_legendre(0, stop, self.nodes)
        half = 0.5 * self.box / (self.scale * self.noise)  # of the box, in units of the noise
        middle = _spiral(t) / (self.scale * self.noise) + half
        z = [np.abs(x[:, k, None] / self.noise - middle[:, k]) for k in range(2)]
        exponents = np.log(2 * t / stop**2 * w) - 0.5 * ((z[0] - half) ** 2 + (z[1] - half) ** 2)
        largest = exponents.max(1, keepdims=True)
        exponents -= largest
        # Most nodes are far from most points: nine tenths of the costly factors would not count.
        near = np.nonzero(exponents > -_NEGLIGIBLE)
        terms = np.exp(exponents[near])
        for k in range(2):
            terms *= _box_factor(z[k][near], half)
        total = np.bincount(near[0], terms, minlength=len(x))
        log_width = np.log(self.box / self.scale)
        return np.asarray(np.log(total) + largest[:, 0] - 2 * log_width)


def _spiral(t: _Floats) -> _Floats:
    return np.stack([-t * np.cos(t), t * np.sin(t)], 1)


def _box_factor(z: _Floats, half: float) -> _Floats:
    """Phi(z + half) - Phi(z - half) for z >= 0, without its factor exp(-(z - half)^2 / 2).

    Through erfcx(y) = exp(y^2) erfc(y), so that neither the difference nor its size is lost in the
    tails, where both distribution functions are 1.
    """
    root = np.sqrt(0.5)
    near, far = erfcx((z - half) * root), erfcx((z + half) * root)
    return np.asarray(0.5 * (near - np.exp(-2 * z * half) * far))


@dataclass(frozen=True)
class Pinwheel(Density):
    """``arms`` bent blades: normal features, turned clockwise the further the longer they are.

    Features are (1 + radial * a, tangential * b), a and b standard normal; they are turned by
    2 pi k / arms + rate * exp(first feature), k the arm, and multiplied by ``scale``. Clockwise,
    because the original multiplies row vectors by rotation matrices (Johnson et al., "Composing
    graphical models with neural networks", NeurIPS 2016, whose data these are).

    The density is the sum over all features that land on a point, each divided by its Jacobian.
    More than 12 radial standard deviations outside the middle of the blades, where it is below
    1e-30, it is taken as 0 and its logarithm is -inf.
    """

    arms: int
    radial: float
    tangential: float
    rate: float
    scale: float

    def _sample(self, n: int, rng: np.random.Generator) -> _Floats:
        f = rng.standard_normal((n, 2)) * (self.radial, self.tangential) + (1, 0)
        angle = 2 * np.pi * rng.integers(self.arms, size=n) / self.arms
        angle += self.rate * np.exp(f[:, 0])
        cos, sin = np.cos(angle), np.sin(angle)
        turned = (cos * f[:, 0] + sin * f[:, 1], cos * f[:, 1] - sin * f[:, 0])
        return np.asarray(self.scale * np.stack(turned, 1))

    def _log_density(self, x: _Floats) -> _Floats:
        x = x / self.scale
        result = np.full(len(x), -np.inf)
        inside = np.flatnonzero(np.hypot(x[:, 0], x[:, 1]) < 1 + 12 * self.radial)
        found = preimages(x[inside], self.rate, self.arms)
        z = (found.features - (1, 0)) / (self.radial, self.tangential)
        terms = -0.5 * (z**2).sum(1) - np.log(np.maximum(found.jacobian, np.finfo(float).tiny))
        largest = np.full(len(inside), -np.inf)
        np.maximum.at(largest, found.point, terms)
        terms = np.exp(terms - largest[found.point])
        total = np.bincount(found.point, terms, minlength=len(inside))
        scale = np.log(self.arms * self.radial * self.tangential) + _LOG_2PI
        result[inside] = np.log(total) + largest - scale - 2 * np.log(self.scale)
        return result


_GAUSS = Gaussian("gauss", mean=(1.0, -0.5), cholesky=((1.0, 0.0), (0.4, 0.3)))
"""Covariance ((1, 0.4), (0.4, 0.25)): deviations 1 and 0.5, correlation 0.8. The artifacts name
this experiment without defining it; a shifted, correlated Gaussian is our choice, since the
standard normal is where every flow starts."""

DENSITIES: dict[str, Density] = {
    density.name: density
    for density in (
        NoisyCurve("twomoon", _moons, 0.0, np.pi, noise=0.1, nodes=160),
        NoisyCircles("circle", radii=(1.0, 0.5), noise=0.06),
        RoundMixture("8gaussians", count=8, radius=4 / 1.414, std=0.5 / 1.414),
        TwoSpirals("2spirals", turns=1.5, box=0.5, scale=3.0, noise=0.1, nodes=640),
        Pinwheel("pinwheel", arms=5, radial=0.3, tangential=0.1, rate=0.25, scale=2.0),
        NoisyCurve("swissroll", _roll, 1.5 * np.pi, 4.5 * np.pi, noise=0.2, nodes=480),
        _GAUSS,
    )
}
