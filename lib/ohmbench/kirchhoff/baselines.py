"""What KirchhoffNet is compared with: feed-forward networks, and a neural-ODE flow."""

from __future__ import annotations

import itertools
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from ohmbench.kirchhoff.circuit import RightHandSide
from ohmbench.kirchhoff.configuration import Config
from ohmbench.kirchhoff.execution import ExecutionPath
from ohmbench.kirchhoff.network import linear, solver_of
from ohmbench.kirchhoff.simulation import Solver, durations


class FeedForward(torch.nn.Module):
    """Linear layers with ReLU between them, ``hidden`` widths, for regression or classification."""

    def __init__(self, config: Config, generator: torch.Generator) -> None:
        super().__init__()
        self.config = config
        hidden = config.network.model.args.model_dump()["hidden"]
        widths = (config.inputs, *hidden, config.outputs)
        self.layers = torch.nn.ModuleList(
            linear(a, b, generator) for a, b in itertools.pairwise(widths)
        )

    def forward(self, x: Float[Tensor, "batch inputs"]) -> Float[Tensor, "batch outputs"]:
        """Outputs (batch, n) of samples ``x`` (batch, inputs)."""
        for k, layer in enumerate(self.layers):
            x = layer(torch.relu(x) if k else x)
        return x


class _HyperRightHandSide:
    """``dz/dt = 1/width sum_k u_k tanh(w_k z + b_k)``, weights from a network of the time."""

    node_major = False

    def __init__(self, flow: HyperFlow) -> None:
        self._flow = flow
        self.tensors: tuple[torch.Tensor, ...] = tuple(flow.parameters())

    def derivative(self, t: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        w, b, u = self._flow.weights(t)
        return torch.tanh(v @ w.t() + b) @ u / len(w)

    def with_divergence(
        self, t: torch.Tensor, v: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        w, b, u = self._flow.weights(t)
        y = torch.tanh(v @ w.t() + b)
        # d/dz of unit k is u_k w_k^T (1 - tanh^2), so its trace is one dot product.
        return y @ u / len(w), (1 - y * y) @ (w * u).sum(1) / len(w)


class HyperFlow(torch.nn.Module):
    """A continuous normalizing flow whose weights come from a hyper-network of the time.

    Chen et al., "Neural ordinary differential equations", NeurIPS 2018, section 4: a sum of gated
    units of rank one, which makes the trace cheap. ``hidden`` is the hyper-network's width.
    """

    def __init__(self, config: Config, generator: torch.Generator) -> None:
        super().__init__()
        arguments: dict[str, Any] = config.network.model.args.model_dump()
        self.config = config
        self.n_free = self.dimension = config.inputs
        self.width, hidden = arguments["width"], arguments["hidden"]
        self.durations = durations(config.simulation.t_end)
        outputs = self.width * (3 * self.dimension + 1)
        self.layers = torch.nn.ModuleList(
            linear(a, b, generator) for a, b in itertools.pairwise((1, hidden, hidden, outputs))
        )

    @property
    def solver(self) -> Solver:
        """The configuration's solver."""
        return solver_of(self.config.simulation, adjoint=self.config.network.adjoint)

    def weights(
        self, t: Float[Tensor, ""]
    ) -> tuple[
        Float[Tensor, "width dimension"], Float[Tensor, " width"], Float[Tensor, "width dimension"]
    ]:
        """``w`` and ``u`` (width, dimension) and ``b`` (width,) at time ``t``; ``u`` is gated."""
        x = t.reshape(1).to(next(self.parameters()).dtype)
        for k, layer in enumerate(self.layers):
            x = layer(torch.tanh(x) if k else x)
        n = self.width * self.dimension
        w, u, gate, b = torch.split(x, [n, n, n, self.width])
        shape = (self.width, self.dimension)
        return w.view(shape), b, (u * torch.sigmoid(gate)).view(shape)

    def right_hand_sides(self, path: ExecutionPath = "auto") -> list[RightHandSide]:
        """The single slice of this flow, which has only one path."""
        return [_HyperRightHandSide(self)]
