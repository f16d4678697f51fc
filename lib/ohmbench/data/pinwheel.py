"""The pinwheel map inverted: every feature pair that lands on a point, and how it is stretched.

Features (f0, f1) are turned clockwise by ``rate * exp(f0)`` plus a multiple of 2 pi / arms. Turning
keeps the radius, so what is left to find is one angle ``beta`` with f = r (cos beta, sin beta) and

    G(beta) = beta - rate * exp(r cos beta) = psi + 2 pi j / arms     for any whole j,

psi being the polar angle of the point. G rises except between the two angles where the map folds
(the Jacobian 1 + rate * exp(f0) * f1 is negative there), so each root is alone on a monotone piece
and bisection finds it to the last bits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

_Floats = NDArray[np.float64]
_HALVINGS = 56  # of an interval of at most 2 pi: to the resolution of a float64 near 1


@dataclass(frozen=True)
class Preimages:
    """Roots of all points together: ``point`` (m,) is the row of x that root m belongs to.

    ``features`` (m, 2) float64; ``jacobian`` (m,) is |det dx/df| of the turning alone.
    """

    point: NDArray[np.int64]
    features: _Floats
    jacobian: _Floats


def _bisect(
    f: Callable[[_Floats], _Floats], target: _Floats | float, low: _Floats, high: _Floats
) -> _Floats:
    """Where ``f`` is ``target``, elementwise, f(low) <= target <= f(high).

    ``low`` may be above ``high``, for a falling f.
    """
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        below = f(middle) < target
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return 0.5 * (low + high)


def _folds(r: _Floats, rate: float) -> tuple[_Floats, _Floats]:
    """Where G starts and stops falling, angles in [-pi, 0]; equal where it never falls.

    The slope of G is 1 + rate * r sin(beta) exp(r cos(beta)). Its only minimum over (-pi, 0) is
    where r cos(beta)^2 + cos(beta) = r.
    """

    def slope(beta: _Floats) -> _Floats:
        return 1 + rate * r * np.sin(beta) * np.exp(r * np.cos(beta))

    steepest = -np.arccos(2 * r / (1 + np.sqrt(1 + 4 * r * r)))
    falls = slope(steepest) < 0
    start = _bisect(slope, 0.0, steepest, np.full_like(r, -np.pi))
    stop = _bisect(slope, 0.0, steepest, np.zeros_like(r))
    return np.where(falls, start, steepest), np.where(falls, stop, steepest)


def preimages(x: _Floats, rate: float, arms: int) -> Preimages:
    """All features that the ``arms`` arms turn onto the points ``x`` (n, 2) float64.

    There are about ``arms`` roots within radius 1.7 and more beyond (their number grows as
    exp(radius)): the caller bounds the radius.
    """
    r, psi = np.hypot(x[:, 0], x[:, 1]), np.arctan2(x[:, 1], x[:, 0])
    step = 2 * np.pi / arms

    def g(r: _Floats, beta: _Floats) -> _Floats:
        return beta - rate * np.exp(r * np.cos(beta))

    start, stop = _folds(r, rate)
    edges = (np.full_like(r, -np.pi), start, stop, np.full_like(r, np.pi))
    rows, roots = [], []
    for left, right, rising in zip(edges, edges[1:], (True, False, True), strict=False):
        low, high = (left, right) if rising else (right, left)
        first = np.floor((g(r, low) - psi) / step) + 1
        count = np.floor((g(r, high) - psi) / step) + 1 - first
        count = np.maximum(count, 0).astype(np.int64)
        row = np.repeat(np.arange(len(x)), count)
        nth = np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count)
        target = psi[row] + step * (first[row] + nth)
        roots.append(_bisect(partial(g, r[row]), target, low[row], high[row]))
        rows.append(row)
    point, beta = np.concatenate(rows), np.concatenate(roots)
    features = r[point, None] * np.stack([np.cos(beta), np.sin(beta)], 1)
    jacobian = np.abs(1 + rate * np.exp(features[:, 0]) * features[:, 1])
    return Preimages(point, features, jacobian)
