"""Checks of the fast paths of floating-gate rows, against the formulas in float64.

A path is ``currents(cell, v, w, bias)``. Line currents are sums of terms of one sign, so their
bound is relative. Gradients are sums of both signs, so their bound is relative to the sum of
magnitudes, computed by the formulas written out here.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch.nn.functional import softplus

from ohmbench.floatgate import EKV, SUBTHRESHOLD, WTA_CELL, LineCurrents, synapse
from ohmbench.floatgate.fast.fused_cells import bound, row_error
from ohmbench.floatgate.synapse import V_DD_V, Cell, EKVCell, SubthresholdCell

Currents = Callable[[Cell, torch.Tensor, torch.Tensor, torch.Tensor], LineCurrents]

CELLS = (EKV, SUBTHRESHOLD, WTA_CELL)
DTYPES = (torch.float32, torch.float64)
OPERATING_V = (1.7, V_DD_V)
OPERATING_A = (1e-12, 1e-5)
F64 = torch.float64


class Operands(NamedTuple):
    cell: Cell
    v: torch.Tensor
    w: torch.Tensor
    bias: torch.Tensor

    def to(self, dtype: torch.dtype) -> Operands:
        return Operands(self.cell, self.v.to(dtype), self.w.to(dtype), self.bias.to(dtype))


def operands(
    cell: Cell, seed: int, *, batch: int, out: int, inputs: int, dtype: torch.dtype
) -> Operands:
    """Inputs anywhere in the operating box, including its corners and voltages above the supply."""
    g = torch.Generator().manual_seed(seed)

    def uniform(low: float, high: float, *shape: int) -> torch.Tensor:
        return low + (high - low) * torch.rand(*shape, generator=g, dtype=F64)

    def some(x: torch.Tensor, value: float | torch.Tensor) -> torch.Tensor:
        return torch.where(torch.rand(x.shape, generator=g) < 0.1, value, x)

    v = uniform(*OPERATING_V, batch, inputs)
    for corner in (*OPERATING_V, 3.0):
        v = some(v, corner)
    if cell is WTA_CELL:
        w = some(some(uniform(0, 7.6e-6, out, inputs), 0.0), 7.6e-6)
        w = some(w, torch.exp(uniform(math.log(1e-12), math.log(7e-6), out, inputs)))
    else:
        w = torch.exp(uniform(*map(math.log, OPERATING_A), out, inputs))
        for corner in OPERATING_A:
            w = some(w, corner)
        if seed % 3 == 0:  # all cells as small, all voltages as low as possible
            w[0], v[:1] = OPERATING_A[0], OPERATING_V[0]
        w = torch.where(torch.rand(w.shape, generator=g) < 0.5, -w, w)
    bias = 1e-8 * torch.randn(out, generator=g, dtype=F64)
    found = Operands(cell, v, w, bias).to(dtype)
    found_bound = bound(cell)
    assert found_bound is not None
    box = found_bound.box
    # A bound such as 1.7 V is not representable in every type: the nearest number inside.
    magnitude = found.w.abs().clamp(box.w_low_A, box.w_high_A)
    inside = torch.where(magnitude < box.w_low_A, magnitude * (1 + 1e-6), magnitude)
    inside = torch.where(inside > box.w_high_A, inside * (1 - 1e-6), inside)
    v = torch.where(found.v < box.v_low_V, found.v * (1 + 1e-6), found.v)
    return found._replace(v=v, w=torch.where(found.w < 0, -inside, inside))


def error_of_currents(path: Currents, ops: Operands) -> float:
    """Largest relative error of a line current without its bias, in units of its bound."""
    none = torch.zeros_like(ops.bias)
    found = path(ops.cell, ops.v, ops.w, none)
    exact = synapse.line_currents(*ops.to(F64)._replace(bias=none.double()))
    bound = row_error(ops.cell, ops.v.dtype, ops.w.shape[1])
    worst = 0.0
    for name, x, y in zip(found._fields, found, exact, strict=True):
        assert x.dtype == ops.v.dtype, name
        assert x.shape == y.shape, name
        error = (x.double() - y).abs()
        assert bool((error[y == 0] == 0).all()), f"{name}: a line without cells carries current"
        relative = torch.where(y == 0, 0, error / y.abs().clamp(min=1e-300))
        worst = max([worst, *relative.flatten().tolist()])
    return worst / bound


class _Parts(NamedTuple):
    """Per cell, (batch, out, in): d|I|/dv, and the magnitudes that d|I|/d|w| is made of."""

    of_v: torch.Tensor
    of_w: torch.Tensor
    size_of_w: torch.Tensor


def _parts(cell: Any, v: torch.Tensor, w: torch.Tensor) -> _Parts:
    """The derivatives of the published formulas, written out (float64)."""
    m = w.abs()
    x_v = v.clamp(max=cell.v_dd_V).unsqueeze(-2)
    passes = (v <= cell.v_dd_V).unsqueeze(-2)
    if isinstance(cell, SubthresholdCell):
        slope = cell.k1 * m.log10() + cell.k0
        e = ((x_v - cell.v_dd_V) * slope).exp()
        bend = (x_v - cell.v_dd_V) * cell.k1 / math.log(10)
        return _Parts(m * e * slope * passes, e * (1 + bend), e * (1 + bend.abs()))
    if isinstance(cell, EKVCell):
        ln_w = m.log()
        i_s, of_i_s = cell.is1 * ln_w + cell.is0, cell.is1 / m
        x, of_x, a = cell.a * x_v - (cell.b1 * ln_w + cell.b0), -cell.b1 / m, cell.a
    else:
        i_s, of_i_s = cell.is1 * m + cell.is0, torch.full_like(m, cell.is1)
        a = cell.a1 * m + cell.a0
        x, of_x = a * x_v - (cell.b1 * m + cell.b0), cell.a1 * x_v - cell.b1
    y, s = softplus(x, threshold=50.0), torch.sigmoid(x)
    first, second = of_i_s * y**2, 2 * i_s * y * s * of_x
    of_v = 2 * i_s * y * s * a * passes
    return _Parts(of_v, first + second, first.abs() + second.abs())


def error_of_gradients(path: Currents, ops: Operands, seed: int) -> float:
    """Largest error of a gradient by ``v`` or ``w``, in units of its bound.

    A sum over ``n`` cells in one type adds at most ``n`` roundings of the sum of magnitudes.
    """
    g = torch.Generator().manual_seed(seed)
    v, w = ops.v.clone().requires_grad_(), ops.w.clone().requires_grad_()
    found = path(ops.cell, v, w, ops.bias)
    want_pos, want_neg = (torch.randn(x.shape, generator=g, dtype=F64) for x in found)
    (found.pos * want_pos.to(ops.v.dtype)).sum().backward(retain_graph=True)
    if not ops.cell.positive_only:
        (found.neg * want_neg.to(ops.v.dtype)).sum().backward()
    v64, w64 = ops.v.double(), ops.w.double()
    p = _parts(ops.cell, v64, w64)
    # The gradient of the signed current of each cell, (batch, out, in).
    wanted = torch.where(w64 >= 0, want_pos.unsqueeze(-1), want_neg.unsqueeze(-1))
    sign = torch.where(w64 >= 0, 1.0, -1.0)
    exact = {"v": (wanted * sign * p.of_v).sum(-2), "w": (wanted * p.of_w).sum(0) * (w64 != 0)}
    sizes = {"v": (wanted * p.of_v).abs().sum(-2), "w": (wanted.abs() * p.size_of_w).sum(0)}
    half = torch.finfo(ops.v.dtype).eps / 2
    cell_error = 2 * row_error(ops.cell, ops.v.dtype, 1)
    worst = 0.0
    for name, gradient, terms in (("v", v.grad, len(w)), ("w", w.grad, len(v))):
        assert gradient is not None, name
        assert gradient.dtype == ops.v.dtype, name
        error = (gradient.double() - exact[name]).abs()
        size = sizes[name] * (cell_error + (terms + 4) * half)
        # Below the smallest normal number, relative accuracy is lost.
        floor = torch.finfo(ops.v.dtype).tiny
        assert bool((error[size == 0] <= floor).all()), f"{name}: a gradient where there is none"
        worst = max([worst, *(error / size.clamp(min=1e-300)).flatten().tolist()])
    return worst
