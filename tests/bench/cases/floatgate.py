"""Rows of floating-gate cells, 784 inputs and 64 outputs, float32 over the whole operating box."""

from __future__ import annotations

import math
from functools import partial

import torch

from ohmbench.floatgate import EKV, line_currents
from tests.bench.cases.case import SEED, Case, Done, Pair

INPUTS, OUTPUTS = 784, 64
V_RANGE_V = (1.7, 2.5)
W_RANGE_A = (1e-12, 1e-5)

BOUND = 1e-5
"""Row currents in float32: the bound that the kernel promises."""
GRADIENT_BOUND = 1e-4
"""Gradients are sums over the batch."""

FORWARD_OPERATIONS = 29
"""Operations for one cell: ``exp(a v) exp(-b)`` (1), its logarithm (23: 1 + z, reduction 3,
polynomial 14, the rest 5), square (1), two sums (4); a fused multiply-add counts twice.
"""
TRAINING_OPERATIONS = FORWARD_OPERATIONS + 36
"""The forward pass; backward the logarithm again (24), its slope (2), three sums of products."""


def _operands(batch: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """``v`` (batch, in) in volt, ``w`` (out, in) and ``bias`` (out,) in ampere, of both signs."""
    generator = torch.Generator().manual_seed(SEED)
    low, high = V_RANGE_V
    v = low + (high - low) * torch.rand(batch, INPUTS, generator=generator)
    low, high = map(math.log, W_RANGE_A)
    shape = (OUTPUTS, INPUTS + 1)
    magnitude = (low + (high - low) * torch.rand(shape, generator=generator)).exp()
    magnitude = magnitude.clamp(*W_RANGE_A)
    sign = torch.where(torch.rand(shape, generator=generator) < 0.5, -1.0, 1.0)
    drawn = magnitude * sign
    return v, drawn[:, :-1].contiguous(), drawn[:, -1].contiguous()


def _forward(batch: int) -> Pair:
    v, w, bias = _operands(batch)

    def run(path: str) -> Done:
        with torch.no_grad():
            found = line_currents(EKV, v, w, bias, path=path)
        return Done((found.pos, found.neg))

    cells = batch * w.numel()
    return Pair(partial(run, "plain"), partial(run, "auto"), BOUND, FORWARD_OPERATIONS * cells)


def _training(batch: int) -> Pair:
    v, w, bias = _operands(batch)
    for x in (v, w, bias):
        x.requires_grad_()
    generator = torch.Generator().manual_seed(SEED + 1)
    of_pos, of_neg = torch.randn(2, batch, OUTPUTS, generator=generator)

    def run(path: str) -> Done:
        found = line_currents(EKV, v, w, bias, path=path)
        loss = (of_pos * found.pos + of_neg * found.neg).sum()
        return Done(torch.autograd.grad(loss, (v, w, bias)))

    cells = batch * w.numel()
    return Pair(
        partial(run, "plain"), partial(run, "auto"), GRADIENT_BOUND, TRAINING_OPERATIONS * cells
    )


CASES = [
    Case(f"floatgate-{what}-{batch}", batch, "images", partial(make, batch))
    for what, make in (("forward", _forward), ("training", _training))
    for batch in (128, 1024)
]
