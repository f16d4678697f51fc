"""The compiled loops of floating-gate rows.

Each cell is visited once, and no (batch, out, in) array is stored. Inputs are the innermost loop,
so that gate terms (batch, in) and cell terms (out, in) are read in memory order, whole vectors at a
time. Three kinds of cells, by the term ``y`` of one cell:

- ``EKV``: ``y = ln(1 + gate p)``, current ``i y^2``. The cell's ``exp(a v - b(w))`` is the product
  of an exponential of the voltage and one of the weight, both computed beforehand. Only one
  logarithm per cell is left.
- ``SOFTPLUS``: ``y = ln(1 + 2^(p gate + q))``, current ``i y^2``.
- ``EXPONENTIAL``: ``y = 2^(p gate)``, current ``i y``.

All arrays have one dtype, float32 or float64. A row's sum over its inputs is kept in ``LANES``
partial sums, which are added up in float64, so there are few roundings in any order. Functions
called by compiled functions are in this file, except for single instructions (``vectors``), because
numba's cache notices changes of a function's own file only.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from llvmlite import ir
from numba.extending import intrinsic

from ohmbench.kernels.compiling import compiled
from ohmbench.kernels.vectors import FAST, widest

EKV, SOFTPLUS, EXPONENTIAL = 0, 1, 2
LANES = 128
_TILE = 16  # samples per block: their gate terms stay in the cache while all rows are computed

JIT: dict[str, Any] = {"nogil": True, "fastmath": set(FAST), "error_model": "numpy"}

# (ln(1 + f) - f) / f^2 on [sqrt(1/2) - 1, sqrt(2) - 1] and 2^f on [-1/2, 1/2], highest power first.
# The Chebyshev fits have as many terms as needed for errors of 5e-8 in float32 and 2e-13 in float64
# for ln(1 + f), and 2e-9 and 2e-16 for 2^f.
_LOG1P = {
    32: (
        0.08787265491105985, -0.14159647010229592, 0.1483478683882001, -0.16588488531898676,
        0.19972049709984188, -0.2500114767763388, 0.33333670610157023, -0.49999997132727997,
    ),
    64: (
        -0.0400426248803614, 0.07916289486071684, -0.08137980946754486, 0.07676910460622333,
        -0.08204655602492794, 0.09079050208283904, -0.10007813754033346, 0.11112122056218007,
        -0.12499759014556047, 0.1428568190138532, -0.16666670248494095, 0.200000004074504,
        -0.24999999979374973, 0.33333333331933895, -0.5000000000002044,
    ),
}  # fmt: skip
_EXP2 = {
    32: (
        0.0001546144469856913, 0.0013400428177615838, 0.009618056678524637, 0.05550326727066302,
        0.24022650922288757, 0.6931472067028326, 1.0,
    ),
    64: (
        7.072585949269223e-09, 1.0208690299958306e-07, 1.321544258792169e-06,
        1.5252657260200837e-05, 0.0001540353044173605, 0.0013333558230164974,
        0.009618129107606888, 0.05550410866444772, 0.24022650695910097, 0.69314718055995, 1.0,
    ),
}  # fmt: skip


class _Format:
    """The bit layout of a floating-point type, and constants for it."""

    def __init__(self, number: Any) -> None:
        self.bits = number.bitwidth
        self.mantissa, self.bias = (23, 127) if self.bits == 32 else (52, 1023)
        self.real = ir.FloatType() if self.bits == 32 else ir.DoubleType()
        self.word = ir.IntType(self.bits)

    def number(self, x: float) -> ir.Constant:
        return ir.Constant(self.real, x)

    def bits_of(self, x: float) -> int:
        scalar = np.float32(x).view(np.int32) if self.bits == 32 else np.float64(x).view(np.int64)
        return int(scalar)

    def horner(self, builder: Any, coefficients: tuple[float, ...], x: Any) -> Any:
        p = self.number(coefficients[0])
        for c in coefficients[1:]:
            p = builder.fma(p, x, self.number(c))
        return p


def _log1p(typing_context, z):  # type: ignore[no-untyped-def]
    """``ln(1 + z)`` for 0 <= z < 1e30, without division or branch.

    ``1 + z = 2^e (1 + f)`` with 1 + f in [sqrt(1/2), sqrt(2)). f is computed from z itself, so the
    result stays relatively accurate where z is far below the rounding of 1 + z.
    """
    form = _Format(z)

    def codegen(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        (z,) = arguments
        one = form.number(1.0)
        u = builder.bitcast(builder.fadd(z, one), form.word)
        i = builder.sub(u, ir.Constant(form.word, form.bits_of(0.5**0.5)))
        high = builder.and_(i, ir.Constant(form.word, -(1 << form.mantissa)))
        scale = builder.sub(ir.Constant(form.word, form.bits_of(1.0)), high)
        s = builder.bitcast(scale, form.real)  # 2^-e
        e = builder.sitofp(high, form.real)  # scaled by 2^mantissa, exactly; saves one shift
        f = builder.fma(z, s, builder.fsub(s, one))
        q = form.horner(builder, _LOG1P[form.bits], f)
        ln_f = builder.fma(builder.fmul(f, f), q, f)
        return builder.fma(e, form.number(math.ldexp(math.log(2), -form.mantissa)), ln_f)

    return z(z), codegen


log1p: Any = intrinsic(_log1p)


def _exp2(typing_context, p, x, q):  # type: ignore[no-untyped-def]
    """``2^(p x + q)`` for exponents from -126 to 127 (float64: -1022 to 1023).

    The integer part of the exponent is removed before ``p x`` is rounded.
    """
    form = _Format(p)

    def codegen(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        p, x, q = arguments
        rint = builder.module.declare_intrinsic("llvm.rint", [form.real])
        n = builder.call(rint, [builder.fma(p, x, q)])
        y = form.horner(builder, _EXP2[form.bits], builder.fma(p, x, builder.fsub(q, n)))
        exponent = builder.add(builder.fptosi(n, form.word), ir.Constant(form.word, form.bias))
        scale = builder.shl(exponent, ir.Constant(form.word, form.mantissa))
        return builder.fmul(y, builder.bitcast(scale, form.real))

    return p(p, x, q), codegen


exp2: Any = intrinsic(_exp2)


@compiled(**JIT)
def evaluate(kind, gate, p, q, i_pos, i_neg, leak, first, last, pos, neg):  # type: ignore[no-untyped-def]
    """Line currents of samples first..last-1, as magnitudes, into ``pos`` and ``neg`` (batch, out).

    ``gate`` (batch, in); ``p``, ``q``, ``i_pos``, ``i_neg`` (out, in), where the amplitudes
    ``i_pos`` and ``i_neg`` are zero for cells of the other line; ``leak`` (2, out) float64, the
    leakage of each row's lines.
    """
    widest()
    inputs = gate.shape[1]
    lanes = max(1, min(LANES, inputs))
    lane_pos, lane_neg = np.empty(lanes, gate.dtype), np.empty(lanes, gate.dtype)
    for tile in range(first, last, _TILE):
        for o in range(p.shape[0]):
            p_o, q_o, pos_o, neg_o = p[o], q[o], i_pos[o], i_neg[o]
            for b in range(tile, min(last, tile + _TILE)):
                gate_b = gate[b]
                lane_pos[:] = 0
                lane_neg[:] = 0
                for start in range(0, inputs, lanes):
                    count = min(lanes, inputs - start)
                    # Unsigned, because a signed index would be tested for negative (from the end)
                    # values.
                    at = np.uintp(start)
                    if kind == EKV:
                        for k in range(count):
                            n = at + np.uintp(k)
                            y = log1p(gate_b[n] * p_o[n])
                            lane_pos[k] += pos_o[n] * (y * y)
                            lane_neg[k] += neg_o[n] * (y * y)
                    elif kind == SOFTPLUS:
                        for k in range(count):
                            n = at + np.uintp(k)
                            y = log1p(exp2(p_o[n], gate_b[n], q_o[n]))
                            lane_pos[k] += pos_o[n] * (y * y)
                            lane_neg[k] += neg_o[n] * (y * y)
                    else:
                        for k in range(count):
                            n = at + np.uintp(k)
                            y = exp2(p_o[n], gate_b[n], q_o[n])
                            lane_pos[k] += pos_o[n] * y
                            lane_neg[k] += neg_o[n] * y
                total_pos, total_neg = leak[0, o], leak[1, o]
                for k in range(lanes):
                    total_pos += lane_pos[k]
                    total_neg += lane_neg[k]
                pos[b, o] = total_pos
                neg[b, o] = total_neg


@compiled(**JIT)
def differentiate(  # type: ignore[no-untyped-def]
    kind, gate, p, q, i, sign, of_pos, of_neg, first, last, of_gate, sums
):
    """Sums for the operands' gradients, given the gradients of ``pos`` and ``neg`` (magnitudes).

    ``i`` (out, in) amplitudes, ``sign`` (out, in) 1 for cells of the positive line and 0 for the
    others. With ``G`` the gradient of the cell's current and ``s = d ln(1 + z) / d ln z``:
    ``of_gate`` (batch, in) is the sum over rows of ``i G y s`` (EKV), ``i G y s p`` (SOFTPLUS) or
    ``i G y p`` (EXPONENTIAL); ``sums`` (2 or 3, out, in) gets the sums over samples of ``G y^2``
    and ``G y s`` (EKV), of ``G y^2``, ``G y s`` and ``G y s gate`` (SOFTPLUS), or of ``G y`` and
    ``G y gate`` (EXPONENTIAL).
    """
    widest()
    inputs = gate.shape[1]
    one = gate.dtype.type(1)
    for tile in range(first, last, _TILE):
        for o in range(p.shape[0]):
            p_o, q_o, i_o, sign_o = p[o], q[o], i[o], sign[o]
            sum_0, sum_1, last_sum = sums[0, o], sums[1, o], sums[len(sums) - 1, o]
            for b in range(tile, min(last, tile + _TILE)):
                gate_b, of_b = gate[b], of_gate[b]
                base, step = of_neg[b, o], of_pos[b, o] - of_neg[b, o]
                if kind == EKV:
                    for n in range(inputs):
                        z = gate_b[n] * p_o[n]
                        y = log1p(z)
                        wanted = (base + step * sign_o[n]) * y
                        sloped = wanted * (z / (one + z))
                        sum_0[n] += wanted * y
                        sum_1[n] += sloped
                        of_b[n] += i_o[n] * sloped
                elif kind == SOFTPLUS:
                    for n in range(inputs):
                        z = exp2(p_o[n], gate_b[n], q_o[n])
                        y = log1p(z)
                        wanted = (base + step * sign_o[n]) * y
                        sloped = wanted * (z / (one + z))
                        sum_0[n] += wanted * y
                        sum_1[n] += sloped
                        last_sum[n] += sloped * gate_b[n]
                        of_b[n] += i_o[n] * sloped * p_o[n]
                else:
                    for n in range(inputs):
                        wanted = (base + step * sign_o[n]) * exp2(p_o[n], gate_b[n], q_o[n])
                        sum_0[n] += wanted
                        last_sum[n] += wanted * gate_b[n]
                        of_b[n] += i_o[n] * wanted * p_o[n]
