"""Small circuits as two matrix products and one activation.

With few nodes the gathers and scatters of Kirchhoff's current law cost more than products with
(nodes, edges) matrices: ``u = v A + c``, ``dv/dt = phi(u) B`` with ``g`` folded into ``B``. The
divergence is one more product, ``phi'(u) w``, in the same pass.
"""

from __future__ import annotations

import torch

from ohmbench.kirchhoff.circuit import Circuit

DENSE_LIMIT = 1 << 16
"""Nodes times edges up to which the matrices are faster."""


class DenseRightHandSide:
    """A ``RightHandSide`` for (batch, n_free) voltages of a circuit with few nodes."""

    node_major = False

    def __init__(self, circuit: Circuit) -> None:
        g, a, b, c = circuit.coefficients()
        nodes = torch.arange(1, circuit.topology.n_free + 1, dtype=torch.int64, device=g.device)[
            :, None
        ]
        leaves = (circuit.source == nodes).to(g.dtype)  # (n_free, edges); without ground's row
        enters = (circuit.destination == nodes).to(g.dtype)
        self._activation = circuit.device.activation
        self._c = c
        self._A = a * leaves + b * enters
        self._B = (g * (enters - leaves)).t()
        self._w = g * (b * enters.sum(0) - a * leaves.sum(0))
        self.tensors: tuple[torch.Tensor, ...] = (self._A, self._B, self._c, self._w)

    def derivative(self, t: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        """dv/dt (batch, n_free), V/s, of ``v`` (batch, n_free)."""
        return self._activation.phi(torch.addmm(self._c, v, self._A)) @ self._B

    def with_divergence(
        self, t: torch.Tensor, v: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """dv/dt (batch, n_free) and its divergence (batch,)."""
        u = torch.addmm(self._c, v, self._A)
        y = self._activation.phi(u)
        return y @ self._B, self._activation.slope(u, y) @ self._w
