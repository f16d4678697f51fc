"""The compiled loops of the fused circuit path: passes over all edges for ``LANES`` samples.

Voltages and currents are node-major float32 (n_free + 1, LANES), ground first. Edges are grouped by
the pair of nodes they join (``pairs``): a pair's voltages and current stay in registers while its
edges are processed, in a few vector instructions each. Nothing of size (edges, batch) is ever
stored; the backward pass recomputes an edge's drive.

``circuit`` is (kind, low, two, edges): ``kind`` and ``low`` from ``KINDS``; ``two`` says whether
both voltages have their own coefficients. ``edges`` is (runs, first, others, free, table): the
arrays of ``Pairs``, and ``table`` (edges, 3 or 4) with ``g, a, c`` and, if ``two``, ``b`` of each
edge, read from the lower node i to the upper node j. Its current is ``g phi(a (v_i - v_j) + c)`` or
``g phi(a v_i + b v_j + c)``.

Everything that a compiled function calls is in this file, except single instructions (``lanes``):
numba's cache notices changes in a function's own file but not in others.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from ohmbench.kernels.compiling import compiled
from ohmbench.kernels.lanes import (
    LANES,
    add_totals,
    clamped,
    load,
    positive,
    splat,
    store,
    total,
    where_above,
)
from ohmbench.kirchhoff.devices import LEAKY_SLOPE

TANH, RELU, PIECEWISE = 0, 1, 2
KINDS = {
    "tanh": (TANH, 0.0),
    "relu": (RELU, 0.0),
    "leaky_relu": (PIECEWISE, LEAKY_SLOPE),
    "identity": (PIECEWISE, 1.0),
}
"""Activation -> kind and, for piecewise linear ones, the slope below 0."""

JIT: dict[str, Any] = {"nogil": True, "error_model": "numpy"}

# tanh(u)/u as a ratio of two polynomials in u^2, fitted for the smallest relative error (1.2e-8
# before rounding) on |u| <= 8.5. Beyond that range the ratio at its end times u exceeds 1 by more
# than its rounding errors before float32 tanh is 1 (9.02), and is clipped at 1: the slope of a
# saturated edge is exactly 0, however large its parameters.
_TANH_END = np.float32(9.25**2)
_P0, _P1, _P2, _P3, _P4 = (
    np.float32(x)
    for x in (
        0.9999999882128278,
        0.1341327100804754,
        0.003534054777462932,
        2.12514744285228e-05,
        1.4269763735482831e-08,
    )
)
_Q1, _Q2, _Q3, _Q4 = (
    np.float32(x)
    for x in (
        0.4674659376672085,
        0.026022859353654854,
        0.0003348909224810501,
        8.145355754983494e-07,
    )
)
_ONE, _TWO, _ZERO = np.float32(1.0), np.float32(2.0), np.float32(0.0)
# Unsigned: numba would check a signed index for counting from the end.
_0, _1, _2, _3, _4 = np.uintp(0), np.uintp(1), np.uintp(2), np.uintp(3), np.uintp(4)


@njit(inline="always", error_model="numpy")
def tanh32(u):  # type: ignore[no-untyped-def]
    """float32 tanh of all lanes; its error is at most 4e-7, and it never exceeds 1."""
    z = u * u
    z = where_above(z, _TANH_END, splat(_TANH_END), z)
    p = (((_P4 * z + _P3) * z + _P2) * z + _P1) * z + _P0
    q = (((_Q4 * z + _Q3) * z + _Q2) * z + _Q1) * z + _ONE
    return clamped(u * p / q, _ONE)


# The loops of image circuits are compiled again for their kind and form: testing per edge would
# double their cost. Beside a tanh the test costs nothing.
@njit(inline="always", error_model="numpy")
def _evaluate(kind, low, two, edges, volts, net, div, with_div):  # type: ignore[no-untyped-def]
    runs, first, others, free, table = edges
    for i in range(np.uintp(len(net))):
        store(net[i], splat(_ZERO))
    divergence = splat(_ZERO)
    for i in range(np.uintp(len(net))):
        v_i, leaves = load(volts[i]), splat(_ZERO)
        for p in range(runs[i], runs[i + _1]):
            j = others[p]
            v_j, current = load(volts[j]), splat(_ZERO)
            x = v_i if two else v_i - v_j
            for e in range(first[p], first[p + _1]):
                g, a, c = table[e, _0], table[e, _1], table[e, _2]
                b = table[e, _3] if two else -a
                u = a * x + c
                if two:
                    u = u + b * v_j
                if kind == TANH:
                    y = tanh32(u)
                elif kind == RELU:
                    y = positive(u)
                else:
                    y = where_above(u, _ZERO, u, low * u)
                current = current + g * y
                if with_div:
                    weight = g * (b - a * free[e])
                    if kind == TANH:
                        slope = _ONE - y * y
                    else:
                        slope = where_above(u, _ZERO, splat(_ONE), splat(low))
                    divergence = divergence + weight * slope
            store(net[j], load(net[j]) + current)
            leaves = leaves + current
        store(net[i], load(net[i]) - leaves)
    store(div, divergence)


@compiled(**JIT)
def evaluate(circuit, volts, net, div, with_div):  # type: ignore[no-untyped-def]
    """Net currents ``net`` into every node and, if ``with_div``, the divergence ``div`` (LANES,).

    An edge adds its ``g (b - a)`` times the activation's slope to the divergence, leaving out an
    end that is ground.
    """
    kind, low, two, edges = circuit
    if kind == RELU and not two and not with_div:
        _evaluate(RELU, low, False, edges, volts, net, div, False)
    else:
        _evaluate(kind, low, two, edges, volts, net, div, with_div)


@njit(inline="always", error_model="numpy")
def _differentiate(kind, low, two, edges, volts, of_net, of_div, with_div, of_volts, sums):  # type: ignore[no-untyped-def]
    runs, first, others, free, table = edges
    for i in range(np.uintp(len(volts))):
        store(of_volts[i], splat(_ZERO))
    want_div = load(of_div)
    for i in range(np.uintp(len(volts))):
        v_i, want_i, of_i = load(volts[i]), load(of_net[i]), splat(_ZERO)
        for p in range(runs[i], runs[i + _1]):
            j = others[p]
            v_j = load(volts[j])
            x = v_i if two else v_i - v_j
            want = load(of_net[j]) - want_i
            of_x, of_j = splat(_ZERO), splat(_ZERO)
            for e in range(first[p], first[p + _1]):
                g, a, c = table[e, _0], table[e, _1], table[e, _2]
                b = table[e, _3] if two else -a
                u = a * x + c
                if two:
                    u = u + b * v_j
                if kind == TANH:
                    y = tanh32(u)
                    slope = _ONE - y * y
                    m = want * slope
                    sums[e, _3] += total(want * y)
                    if with_div:
                        m = m - (_TWO * (b - a * free[e])) * (slope * y * want_div)
                        sums[e, _4] += total(slope * want_div)
                else:
                    m = where_above(u, _ZERO, want, low * want)
                    if with_div:
                        seen = where_above(u, _ZERO, want_div, low * want_div)
                        sums[e, _4] += total(seen)
                add_totals(sums[e], m, m * x)
                of_x = of_x + (g * a) * m
                if two:
                    sums[e, _2] += total(m * v_j)
                    of_j = of_j + (g * b) * m
            store(of_volts[j], load(of_volts[j]) + (of_j if two else of_j - of_x))
            of_i = of_i + of_x
        store(of_volts[i], load(of_volts[i]) + of_i)


@compiled(**JIT)
def differentiate(circuit, volts, of_net, of_div, with_div, of_volts, sums):  # type: ignore[no-untyped-def]
    """Turn gradients of ``net`` and, if ``with_div``, of ``div`` into those of ``volts`` and
    ``sums``.

    With ``m`` the gradient of an edge's drive over its ``g``, this adds to ``sums`` (edges, 5) the
    sums over samples of ``m, m x, m v_j, (gradient of the current) y, (gradient of the divergence)
    slope``, where x is the voltage that ``a`` multiplies. The last three are only added if they
    exist (``sums`` (edges, 2) has no room for them). ``edge_plan`` turns them into gradients. Lanes
    beyond the batch have zero gradients and add nothing. ``of_net[0]`` must be 0, because no result
    depends on ground's net current.
    """
    kind, low, two, edges = circuit
    if kind == RELU and not two and not with_div:
        _differentiate(RELU, low, False, edges, volts, of_net, of_div, False, of_volts, sums)
    else:
        _differentiate(kind, low, two, edges, volts, of_net, of_div, with_div, of_volts, sums)


@compiled(**JIT)
def evaluate_rows(circuit, first, last, volts, net, div, with_div):  # type: ignore[no-untyped-def]
    """``evaluate`` of rows first..last-1 of (rows, n_free + 1, LANES); ground's ``net`` is 0."""
    for row in range(first, last):
        evaluate(circuit, volts[row], net[row], div[row], with_div)
        net[row, 0] = 0


@compiled(**JIT)
def differentiate_rows(circuit, first, last, volts, of_net, of_div, with_div, of_volts, sums):  # type: ignore[no-untyped-def]
    """``differentiate`` of rows first..last-1."""
    for row in range(first, last):
        differentiate(circuit, volts[row], of_net[row], of_div[row], with_div, of_volts[row], sums)


# Runge-Kutta methods: node s of a step is y + h (sum over r < s of beta[s, r] k[r]), where k[r] is
# the slope at node r. Arrays ``h_beta`` hold the products, nodes ``y`` and slopes ``k`` (stages,
# n_free + 1, LANES), divergences ``div`` (stages, LANES).
@compiled(**JIT)
def _add(y, weights, count, k, out):  # type: ignore[no-untyped-def]
    """``out = y + sum of weights[r] k[r]`` over the first ``count`` slopes."""
    for n in range(len(y)):
        x = load(y[n])
        for r in range(count):
            x = x + weights[r] * load(k[r, n])
        store(out[n], x)


@compiled(**JIT)
def _nodes(circuit, h_beta, given, slopes, y, k, div, with_div):  # type: ignore[no-untyped-def]
    """Compute the nodes after ``y[0]`` and the first ``slopes`` slopes, of which ``given`` are
    known.
    """
    for s in range(len(h_beta)):
        if s > 0:
            _add(y[0], h_beta[s], s, k, y[s])
        if given <= s < slopes:
            evaluate(circuit, y[s], k[s], div[s], with_div)
            k[s, 0] = 0  # ground stays fixed


@compiled(**JIT)
def march(circuit, h_beta, h_weights, first, last, path, div, with_div):  # type: ignore[no-untyped-def]
    """Steps from ``path[0]`` (rows, n_free + 1, LANES) to ``path[-1]``, for rows first..last-1.

    ``h_beta`` (steps, stages, stages), ``h_weights`` (steps, stages). Intermediate voltages are
    kept if ``path`` has room for them. The integral of the divergence is added to ``div`` (rows,
    LANES).
    """
    steps, stages = h_weights.shape
    y = np.zeros((stages, *path.shape[2:]), np.float32)
    k, stage_div = np.empty_like(y), np.empty((stages, LANES), np.float32)
    for row in range(first, last):
        y[0] = path[0, row]
        for step in range(steps):
            _nodes(circuit, h_beta[step], 0, stages, y, k, stage_div, with_div)
            _add(y[0], h_weights[step], stages, k, y[0])
            path[min(step + 1, len(path) - 1), row] = y[0]
            if with_div:
                for s in range(stages):
                    div[row] += h_weights[step, s] * stage_div[s]


@compiled(**JIT)
def march_back(circuit, h_beta, h_weights, first, last, path, of, of_div, with_div, sums):  # type: ignore[no-untyped-def]
    """Turn gradients ``of`` the end (rows, n_free + 1, LANES) into those of the start; add to
    ``sums``.

    This is the discrete adjoint, the exact derivative of what ``march`` computes, stage by stage,
    for steps that began at ``path[step]``.
    """
    steps, stages = h_weights.shape
    y = np.zeros((stages, *path.shape[2:]), np.float32)
    k, of_k, of_y = np.empty_like(y), np.empty_like(y), np.empty_like(y[0])
    stage_div, of_stage = np.empty((stages, LANES), np.float32), np.empty(LANES, np.float32)
    for row in range(first, last):
        for step in range(steps - 1, -1, -1):
            y[0] = path[step, row]
            _nodes(circuit, h_beta[step], 0, stages - 1, y, k, stage_div, False)
            for s in range(stages):
                of_k[s] = h_weights[step, s] * of[row]
            for s in range(stages - 1, -1, -1):
                of_stage[:] = h_weights[step, s] * of_div[row]
                differentiate(circuit, y[s], of_k[s], of_stage, with_div, of_y, sums)
                of_y[0] = 0
                of[row] += of_y
                for r in range(s):
                    of_k[r] += h_beta[step, s, r] * of_y


@compiled(**JIT)
def attempt(  # type: ignore[no-untyped-def]
    circuit, h_beta, h_error, tol, batch, first, last, start, end, with_div, squares
):
    """One step of an embedded method whose last slope is at its end, for rows first..last-1.

    ``start`` and ``end`` hold voltages, their slope (rows, n_free + 1, LANES), the integral of the
    divergence, and the divergence (rows, LANES); ``end`` is filled. ``squares`` (2,) float64
    receives the sums of squares of the error over ``tol (1 + the larger magnitude of both ends)``,
    for voltages and integrals of the ``batch`` samples.
    """
    v_0, k_0, d_0, div_0 = start
    v_1, k_1, d_1, div_1 = end
    stages = len(h_beta)
    y = np.zeros((stages, *v_0.shape[1:]), np.float32)
    k, div = np.zeros_like(y), np.zeros((stages, LANES), np.float32)
    off = np.empty_like(y[0])
    for row in range(first, last):
        count = min(LANES, batch - row * LANES)
        y[0], k[0], div[0] = v_0[row], k_0[row], div_0[row]
        _nodes(circuit, h_beta, 1, stages, y, k, div, with_div)
        v_1[row], k_1[row], div_1[row] = y[-1], k[-1], div[-1]
        off[:] = 0
        _add(off, h_error, stages, k, off)
        for n in range(1, len(off)):
            squares[0] += _error(off[n], v_0[row, n], v_1[row, n], tol, count)
        if with_div:
            off[0] = 0
            d_1[row] = d_0[row]
            for s in range(stages):
                d_1[row] += h_beta[-1, s] * div[s]
                off[0] += h_error[s] * div[s]
            squares[1] += _error(off[0], d_0[row], d_1[row], tol, count)


@compiled(**JIT)
def _error(off, before, after, tol, count):  # type: ignore[no-untyped-def]
    """Sum of squares of ``off`` over ``tol (1 + max(|before|, |after|))`` in ``count`` lanes."""
    squares = 0.0
    for lane in range(count):
        largest = max(abs(before[lane]), abs(after[lane]))
        ratio = off[lane] / (tol + tol * largest)
        squares += ratio * ratio
    return squares
