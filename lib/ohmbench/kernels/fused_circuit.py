"""Circuits of any size in one pass over their edges, for single evaluations and for whole slices.

Gather and scatter move every edge's voltages and currents through memory several times; here they
stay in the cache (``edge_pass``). ``rk4`` takes a slice through all its steps, and its gradients
back, without leaving compiled code: small circuits spend most of their time between evaluations.
float32 on the CPU only; the plain right-hand side with torchdiffeq is the reference.

A batch is cut into the same parts whatever the number of threads, and the parts' gradients are
added in order: one seed, same bits.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeAlias

import numpy as np
import torch

from ohmbench.kernels.edge_pass import (
    KINDS,
    LANES,
    differentiate_batch,
    evaluate_batch,
    rk4,
    rk4_back,
)
from ohmbench.kirchhoff.circuit import Circuit
from ohmbench.kirchhoff.topologies import GROUND

_PARTS = 8


_pool: ThreadPoolExecutor | None = None


def _in_parts(batch: int, job: Callable[[int, int, int], None]) -> int:
    """Run ``job(part, first, last)`` over the batch; return the number of parts.

    Parts are whole rows of lanes and depend on the batch alone. Threads of Python, not of a
    compiler's runtime: the kernels let go of the interpreter, and a process that forks is not hung
    by them.
    """
    global _pool
    rows = -(-batch // LANES)
    parts = min(rows, _PARTS)
    bounds = [min(batch, LANES * (rows * p // parts)) for p in range(parts + 1)]
    threads = min(torch.get_num_threads(), parts)
    if threads == 1:
        for p in range(parts):
            job(p, bounds[p], bounds[p + 1])
        return parts
    if _pool is None or _pool._max_workers != threads:
        _pool = ThreadPoolExecutor(threads)
    list(_pool.map(lambda p: job(p, bounds[p], bounds[p + 1]), range(parts)))
    return parts


def _wanted(gradient: torch.Tensor, like: torch.Tensor) -> Any:
    """The gradient of an output as an array; an output that was not computed has none."""
    gradient = gradient if gradient.numel() else torch.zeros_like(like)
    return gradient.contiguous().numpy()


class _Evaluation(torch.autograd.Function):
    """``net`` (n_free, batch) and ``div`` (batch,) of ``table`` (5, edges) and ``v``."""

    @staticmethod
    def forward(
        ctx: Any, plan: tuple[Any, ...], table: torch.Tensor, v: torch.Tensor, with_div: bool
    ) -> tuple[torch.Tensor, torch.Tensor]:
        v = v.contiguous()
        net, div = torch.empty_like(v), v.new_empty(v.shape[1] if with_div else 0)
        arrays = (table.numpy(), v.numpy())
        out = (net.numpy(), div.numpy(), with_div)
        _in_parts(v.shape[1], lambda p, lo, hi: evaluate_batch(*plan, *arrays, lo, hi, *out))
        ctx.plan = plan
        ctx.save_for_backward(table, v)
        return net, div

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, of_net: torch.Tensor, of_div: torch.Tensor) -> Any:
        table, v = ctx.saved_tensors
        arrays = (table.numpy(), v.numpy(), _wanted(of_net, v), _wanted(of_div, v[0]))
        of_v = torch.empty_like(v)
        sums = np.zeros((_PARTS, *table.shape), np.float32)
        back = of_v.numpy()
        parts = _in_parts(
            v.shape[1],
            lambda p, lo, hi: differentiate_batch(*ctx.plan, *arrays, lo, hi, back, sums[p]),
        )
        return None, torch.from_numpy(sums[:parts].sum(0)), of_v, None


class _Rk4(torch.autograd.Function):
    """End voltages (n_free, batch) and the integral of the divergence (batch,) over steps ``h``."""

    @staticmethod
    def forward(
        ctx: Any,
        plan: tuple[Any, ...],
        table: torch.Tensor,
        v: torch.Tensor,
        h: torch.Tensor,
        with_div: bool,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        path = v.new_empty(len(h) + 1, *v.shape)
        path[0] = v
        div = v.new_empty(v.shape[1] if with_div else 0)
        arrays, out = (table.numpy(), h.numpy()), (path.numpy(), div.numpy(), with_div)
        _in_parts(v.shape[1], lambda p, lo, hi: rk4(*plan, *arrays, lo, hi, *out))
        ctx.plan, ctx.h = plan, h
        ctx.save_for_backward(table, path)
        return path[-1].clone(), div

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, of_end: torch.Tensor, of_div: torch.Tensor) -> Any:
        table, path = ctx.saved_tensors
        of_v = torch.empty_like(path[0])
        sums = np.zeros((_PARTS, *table.shape), np.float32)
        arrays = (table.numpy(), ctx.h.numpy())
        rest = (path.numpy(), _wanted(of_end, of_v), _wanted(of_div, of_v[0]), of_v.numpy())
        parts = _in_parts(
            of_v.shape[1],
            lambda p, lo, hi: rk4_back(*ctx.plan, *arrays, lo, hi, *rest, sums[p]),
        )
        return None, torch.from_numpy(sums[:parts].sum(0)), of_v, None, None


_Applied: TypeAlias = Callable[..., tuple[torch.Tensor, torch.Tensor]]
_evaluated: _Applied = _Evaluation.apply
_stepped: _Applied = _Rk4.apply


class FusedRightHandSide:
    """A ``RightHandSide`` for node-major float32 voltages (n_free, batch)."""

    node_major = True

    def __init__(self, circuit: Circuit) -> None:
        g, a, b, c = circuit.coefficients()
        w = g * (b * (circuit.destination != GROUND) - a * (circuit.source != GROUND))
        self._table = torch.stack([g, a, b, c, w]).contiguous()
        self.tensors: tuple[torch.Tensor, ...] = (self._table,)
        kind, low = KINDS[circuit.device.activation.name]
        nodes = circuit.topology.source, circuit.topology.destination
        self._plan = (kind, np.float32(low), *(n.astype(np.int32) for n in nodes))

    @staticmethod
    def takes(circuit: Circuit) -> bool:
        """Whether this path exists for the circuit: its activation, float32, on the CPU."""
        return (
            circuit.device.activation.name in KINDS
            and circuit.param.dtype == torch.float32
            and circuit.param.device.type == "cpu"
        )

    def derivative(self, t: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        net, _ = _evaluated(self._plan, self._table, v, False)
        return net

    def with_divergence(
        self, t: torch.Tensor, v: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        return _evaluated(self._plan, self._table, v, True)

    def rk4(
        self, v: torch.Tensor, h: torch.Tensor, *, divergence: bool
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """End voltages (n_free, batch) after steps ``h`` (steps,) of torchdiffeq's ``rk4``.

        Also the integral of the divergence (batch,); empty unless asked for.
        """
        return _stepped(self._plan, self._table, v, h.to(v.dtype), divergence)
