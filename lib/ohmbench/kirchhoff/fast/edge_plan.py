"""A circuit's arrays for the compiled loops over edges, and gradients from their results."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ohmbench.kernels.lane_rows import Floats
from ohmbench.kernels.lanes import LANES
from ohmbench.kernels.parallel import in_parts, part_bounds
from ohmbench.kirchhoff.circuit import Circuit
from ohmbench.kirchhoff.fast.edge_pass import KINDS, TANH
from ohmbench.kirchhoff.fast.pairs import Pairs, pairs_of


def table_of(circuit: Circuit) -> torch.Tensor:
    """The coefficients (edges, 3 or 4) in the form of ``edge_pass``, with gradients attached."""
    pairs = pairs_of(circuit.topology)
    g, a, b, c = (x[pairs.order] for x in circuit.coefficients())
    # Each name is reused at once: these are the largest arrays.
    g = torch.where(pairs.turned, -g, g)
    if circuit.device.difference:
        del b
        a = torch.where(pairs.turned, -a, a)
        return torch.stack([g, a, c], 1)
    a, b = torch.where(pairs.turned, b, a), torch.where(pairs.turned, a, b)
    return torch.stack([g, a, c, b], 1)


@dataclass(frozen=True)
class Plan:
    """A circuit without its coefficients: activation, form and edges."""

    kind: int
    low: float
    two: bool
    pairs: Pairs

    @classmethod
    def of(cls, circuit: Circuit) -> Plan:
        """The plan of ``circuit``, whatever its parameters."""
        device = circuit.device
        return cls(
            *KINDS[device.activation.name], not device.difference, pairs_of(circuit.topology)
        )

    def circuit(self, table: torch.Tensor) -> tuple[Any, ...]:
        """The first argument of the compiled loops."""
        p, coefficients = self.pairs, table.detach().numpy()
        edges = p.runs, p.first, p.others, p.free, coefficients
        return self.kind, np.float32(self.low), self.two, edges

    def in_parts(self, batch: int, job: Callable[[int, int, int], None]) -> None:
        """Run ``job(part, first, last)`` over the rows of a batch."""
        in_parts(part_bounds(-(-batch // LANES), 1), job, work=batch * len(self.pairs.free))

    def table_gradient(
        self,
        batch: int,
        table: torch.Tensor,
        with_div: bool,
        job: Callable[[int, int, Floats], None],
    ) -> torch.Tensor:
        """The gradient of ``table`` from what ``job(first, last, sums)`` adds to ``sums``.

        Each part has its own sums (``edge_pass.differentiate``).
        """
        few = self.kind != TANH and not self.two and not with_div
        parts = len(part_bounds(-(-batch // LANES), 1)) - 1
        sums = np.zeros((parts, len(self.pairs.free), 2 if few else 5), np.float32)
        self.in_parts(batch, lambda p, first, last: job(first, last, sums[p]))
        m, x, *more = sums.sum(0).T
        v_j, y, slope = more or np.zeros((3, len(m)), np.float32)
        g, a, c, *other = table.detach().numpy().T
        b = other[0] if self.two else -a
        if self.kind != TANH:
            y = a * x + c * m + (b * v_j if self.two else 0)
        free = self.pairs.free
        of_g = y + (b - a * free) * slope
        if self.two:
            of = [of_g, g * (x - free * slope), g * m, g * (v_j + slope)]
        else:
            of = [of_g, g * (x - (1 + free) * slope), g * m]
        return torch.from_numpy(np.stack(of, 1))
