"""The inner loops of the fused circuit paths: one pass over all edges for ``LANES`` samples.

Arrays are node-major float32 of shape (n_free + 1, LANES), ground first, so that an edge is a few
vector instructions on two rows that stay in the cache. Nothing of size (edges, batch) is ever
stored; on the way back an edge's drive is computed anew. A NaN that goes in comes out.
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
