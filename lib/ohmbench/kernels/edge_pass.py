"""The compiled loops of the fused circuit path: passes over all edges for ``LANES`` samples.

Arrays are node-major float32 of shape (n_free + 1, LANES), ground first, so that an edge is a few
vector instructions on two rows that stay in the cache. Nothing of size (edges, batch) is ever
stored; on the way back an edge's drive is computed anew. A NaN that goes in comes out.

All compiled functions stand in this one file: numba's cache notices that the file of a function has
changed, not that one it calls from another file has.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from ohmbench.kirchhoff.devices import LEAKY_SLOPE

LANES = 64
TANH = 0
PIECEWISE = 1
KINDS = {
    "tanh": (TANH, 0.0),
    "relu": (PIECEWISE, 0.0),
    "leaky_relu": (PIECEWISE, LEAKY_SLOPE),
    "identity": (PIECEWISE, 1.0),
}
"""Activation -> kind and, of piecewise linear ones, the slope below 0."""

# Sums over lanes may be reordered, differently on another processor, never from run to run.
FAST = {"reassoc", "contract", "nsz", "arcp"}
JIT: dict[str, Any] = {"nogil": True, "cache": True, "fastmath": FAST, "error_model": "numpy"}

# tanh(u)/u as a ratio of two polynomials in u^2, fitted for least relative error (1.2e-8 before
# rounding) on |u| <= 8.5, beyond which float32 tanh is 1.
_TANH_END = np.float32(8.5)
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
_THIRD, _EIGHTH, _THREE = np.float32(1 / 3), np.float32(1 / 8), np.float32(3)


@njit(inline="always", error_model="numpy")
def tanh32(u):  # type: ignore[no-untyped-def]
    """float32 tanh, off by at most 4e-7."""
    # Comparisons that are false for NaN: it has to come out again, not to be clamped.
    x = _TANH_END if u > _TANH_END else u
    x = -_TANH_END if x < -_TANH_END else x
    z = x * x
    p = (((_P4 * z + _P3) * z + _P2) * z + _P1) * z + _P0
    q = (((_Q4 * z + _Q3) * z + _Q2) * z + _Q1) * z + _ONE
    return x * p / q


@njit(**JIT)
def load(v, start, count, volts):  # type: ignore[no-untyped-def]
    """Samples start..start+count-1 of ``v`` (n_free, batch) into the rows below ground."""
    for n in range(v.shape[0]):
        for k in range(count):
            volts[n + 1, k] = v[n, start + k]


@njit(**JIT)
def store(rows, start, count, v):  # type: ignore[no-untyped-def]
    """The inverse of ``load``."""
    for n in range(v.shape[0]):
        for k in range(count):
            v[n, start + k] = rows[n + 1, k]


@njit(**JIT)
def evaluate(kind, low, source, destination, table, volts, net, div, with_div):  # type: ignore[no-untyped-def]
    """Net currents ``net`` into every node and, ``with_div``, the divergence ``div`` (LANES,).

    ``table`` (5, edges) has ``g, a, b, c`` of each edge and ``w``, its share of the divergence per
    unit of the activation's slope.
    """
    net[:, :] = _ZERO
    div[:] = _ZERO
    for e in range(len(source)):
        g, a, b, c, w = table[0, e], table[1, e], table[2, e], table[3, e], table[4, e]
        v_s, v_d = volts[source[e]], volts[destination[e]]
        out_s, in_d = net[source[e]], net[destination[e]]
        if kind == TANH:
            if with_div:
                for k in range(LANES):
                    y = tanh32(a * v_s[k] + b * v_d[k] + c)
                    i = g * y
                    in_d[k] += i
                    out_s[k] -= i
                    div[k] += w * (_ONE - y * y)
            else:
                for k in range(LANES):
                    i = g * tanh32(a * v_s[k] + b * v_d[k] + c)
                    in_d[k] += i
                    out_s[k] -= i
        elif with_div:
            for k in range(LANES):
                u = a * v_s[k] + b * v_d[k] + c
                slope = _ONE if u > _ZERO else low
                i = g * slope * u
                in_d[k] += i
                out_s[k] -= i
                div[k] += w * slope
        else:
            for k in range(LANES):
                u = a * v_s[k] + b * v_d[k] + c
                i = g * (u if u > _ZERO else low * u)
                in_d[k] += i
                out_s[k] -= i


@njit(**JIT)
def differentiate(  # type: ignore[no-untyped-def]
    kind, low, source, destination, table, volts, of_net, of_div, of_volts, of_table
):
    """Given gradients of ``net`` and ``div``, those of ``volts``, and of ``table`` added to it.

    Lanes past the end of a batch ask for nothing and so add nothing. ``of_net[0]`` has to be 0:
    what enters ground is nobody's result.
    """
    of_volts[:, :] = _ZERO
    # du apart from its use: two short loops vectorise where one with as many arrays does not.
    du = np.empty(LANES, np.float32)
    for e in range(len(source)):
        g, a, b, c, w = table[0, e], table[1, e], table[2, e], table[3, e], table[4, e]
        v_s, v_d = volts[source[e]], volts[destination[e]]
        want_s, want_d = of_net[source[e]], of_net[destination[e]]
        back_s, back_d = of_volts[source[e]], of_volts[destination[e]]
        of_g = of_a = of_b = of_c = of_w = _ZERO
        if kind == TANH:
            for k in range(LANES):
                y = tanh32(a * v_s[k] + b * v_d[k] + c)
                slope = _ONE - y * y
                i = want_d[k] - want_s[k]
                u = slope * (g * i - _TWO * w * y * of_div[k])
                du[k] = u
                of_g += i * y
                of_w += slope * of_div[k]
                of_a += u * v_s[k]
                of_b += u * v_d[k]
                of_c += u
        else:
            for k in range(LANES):
                drive = a * v_s[k] + b * v_d[k] + c
                slope = _ONE if drive > _ZERO else low
                i = want_d[k] - want_s[k]
                u = slope * g * i
                du[k] = u
                of_g += i * slope * drive
                of_w += slope * of_div[k]
                of_a += u * v_s[k]
                of_b += u * v_d[k]
                of_c += u
        for k in range(LANES):
            back_s[k] += a * du[k]
            back_d[k] += b * du[k]
        of_table[0, e] += of_g
        of_table[1, e] += of_a
        of_table[2, e] += of_b
        of_table[3, e] += of_c
        of_table[4, e] += of_w


@njit(**JIT)
def evaluate_batch(kind, low, source, destination, table, v, first, last, net, div, with_div):  # type: ignore[no-untyped-def]
    """``net`` and ``div`` of samples first..last-1; ``v`` and ``net`` (n_free, batch)."""
    volts = np.zeros((v.shape[0] + 1, LANES), np.float32)
    into = np.empty_like(volts)
    lane_div = np.empty(LANES, np.float32)
    for start in range(first, last, LANES):
        count = min(LANES, last - start)
        load(v, start, count, volts)
        evaluate(kind, low, source, destination, table, volts, into, lane_div, with_div)
        store(into, start, count, net)
        if with_div:
            div[start : start + count] = lane_div[:count]


@njit(**JIT)
def differentiate_batch(  # type: ignore[no-untyped-def]
    kind, low, source, destination, table, v, of_net, of_div, first, last, of_v, of_table
):
    """Gradients of ``v`` (n_free, batch) and, added to ``of_table``, of the coefficients."""
    volts = np.zeros((v.shape[0] + 1, LANES), np.float32)
    wanted, back = np.zeros_like(volts), np.empty_like(volts)
    wanted_div = np.zeros(LANES, np.float32)
    for start in range(first, last, LANES):
        count = min(LANES, last - start)
        wanted[:, :] = 0
        wanted_div[:] = 0
        load(v, start, count, volts)
        load(of_net, start, count, wanted)
        wanted_div[:count] = of_div[start : start + count]
        differentiate(
            kind, low, source, destination, table, volts, wanted, wanted_div, back, of_table
        )
        store(back, start, count, of_v)


# torchdiffeq's fourth-order method is the 3/8 rule; the nodes y1..y4 and their slopes k1..k4.
@njit(**JIT)
def _nodes(kind, low, source, destination, table, h, y, k, div, with_div):  # type: ignore[no-untyped-def]
    """The slopes ``k`` (4, n, LANES) and ``div`` (4, LANES) of a step of ``h`` from ``y[0]``."""
    for stage in range(4):
        if stage == 1:
            y[1] = y[0] + h * _THIRD * k[0]
        elif stage == 2:
            y[2] = y[0] + h * (k[1] - _THIRD * k[0])
        elif stage == 3:
            y[3] = y[0] + h * (k[0] - k[1] + k[2])
        evaluate(kind, low, source, destination, table, y[stage], k[stage], div[stage], with_div)
        k[stage, 0] = 0  # ground stays where it is


@njit(**JIT)
def rk4(kind, low, source, destination, table, h, first, last, path, div, with_div):  # type: ignore[no-untyped-def]
    """Steps ``h`` (steps,) from ``path[0]``; ``path`` (steps + 1, n_free, batch) is filled.

    ``div`` (batch,) is the integral of the divergence.
    """
    n = path.shape[1] + 1
    y, k = np.zeros((4, n, LANES), np.float32), np.empty((4, n, LANES), np.float32)
    lane_div, sums = np.empty((4, LANES), np.float32), np.empty(LANES, np.float32)
    for start in range(first, last, LANES):
        count = min(LANES, last - start)
        load(path[0], start, count, y[0])
        sums[:] = 0
        for step in range(len(h)):
            dt = h[step]
            _nodes(kind, low, source, destination, table, dt, y, k, lane_div, with_div)
            y[0] += dt * _EIGHTH * (k[0] + _THREE * (k[1] + k[2]) + k[3])
            store(y[0], start, count, path[step + 1])
            if with_div:
                sums += (
                    dt
                    * _EIGHTH
                    * (lane_div[0] + _THREE * (lane_div[1] + lane_div[2]) + lane_div[3])
                )
        if with_div:
            div[start : start + count] = sums[:count]


@njit(**JIT)
def rk4_back(  # type: ignore[no-untyped-def]
    kind, low, source, destination, table, h, first, last, path, of_end, of_div, of_v, of_table
):
    """Gradients of ``path[0]`` and ``table`` from those of ``path[-1]`` and ``div``.

    The discrete adjoint: exactly the derivative of what ``rk4`` computes, stage by stage.
    """
    n = path.shape[1] + 1
    y, k = np.zeros((4, n, LANES), np.float32), np.empty((4, n, LANES), np.float32)
    of_k, of_y = np.empty((4, n, LANES), np.float32), np.empty((n, LANES), np.float32)
    lane_div, of_stage = np.empty((4, LANES), np.float32), np.empty(LANES, np.float32)
    of, wanted_div = np.zeros((n, LANES), np.float32), np.zeros(LANES, np.float32)
    for start in range(first, last, LANES):
        count = min(LANES, last - start)
        of[:, :] = 0
        wanted_div[:] = 0
        load(of_end, start, count, of)
        wanted_div[:count] = of_div[start : start + count]
        for step in range(len(h) - 1, -1, -1):
            dt = h[step]
            load(path[step], start, count, y[0])
            _nodes(kind, low, source, destination, table, dt, y, k, lane_div, False)
            of_k[0] = of_k[3] = dt * _EIGHTH * of
            of_k[1] = of_k[2] = _THREE * of_k[0]
            for stage in range(3, -1, -1):
                weight = dt * _EIGHTH * (_THREE if stage == 1 or stage == 2 else np.float32(1))
                of_stage[:] = weight * wanted_div
                differentiate(
                    kind, low, source, destination, table,
                    y[stage], of_k[stage], of_stage, of_y, of_table,
                )  # fmt: skip
                of_y[0] = 0
                of += of_y
                if stage == 3:
                    of_k[0] += dt * of_y
                    of_k[1] -= dt * of_y
                    of_k[2] += dt * of_y
                elif stage == 2:
                    of_k[1] += dt * of_y
                    of_k[0] -= dt * _THIRD * of_y
                elif stage == 1:
                    of_k[0] += dt * _THIRD * of_y
        store(of, start, count, of_v)
