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
from numba import njit

from ohmbench.kernels.edge_pass import JIT, KINDS, LANES, differentiate, evaluate, load, store
from ohmbench.kirchhoff.circuit import Circuit
from ohmbench.kirchhoff.topologies import GROUND

_PARTS = 8
_THIRD, _EIGHTH, _THREE = np.float32(1 / 3), np.float32(1 / 8), np.float32(3)


@njit(**JIT)
def _evaluate(kind, low, source, destination, table, v, first, last, net, div, with_div):  # type: ignore[no-untyped-def]
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
def _differentiate(  # type: ignore[no-untyped-def]
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
def _rk4(kind, low, source, destination, table, h, first, last, path, div, with_div):  # type: ignore[no-untyped-def]
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
def _rk4_back(  # type: ignore[no-untyped-def]
    kind, low, source, destination, table, h, first, last, path, of_end, of_div, of_v, of_table
):
    """Gradients of ``path[0]`` and ``table`` from those of ``path[-1]`` and ``div``.

    The discrete adjoint: exactly the derivative of what ``_rk4`` computes, stage by stage.
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
        _in_parts(v.shape[1], lambda p, lo, hi: _evaluate(*plan, *arrays, lo, hi, *out))
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
            lambda p, lo, hi: _differentiate(*ctx.plan, *arrays, lo, hi, back, sums[p]),
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
        _in_parts(v.shape[1], lambda p, lo, hi: _rk4(*plan, *arrays, lo, hi, *out))
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
            lambda p, lo, hi: _rk4_back(*ctx.plan, *arrays, lo, hi, *rest, sums[p]),
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
