"""From a configuration to its network, a circuit or a baseline."""

from __future__ import annotations

from itertools import pairwise
from typing import TypeAlias

import torch

from ohmbench.kirchhoff.baselines import FeedForward, HyperFlow
from ohmbench.kirchhoff.configuration import Config
from ohmbench.kirchhoff.network import KirchhoffNet

Model: TypeAlias = KirchhoffNet | FeedForward | HyperFlow


def build(config: Config, generator: torch.Generator | None = None) -> Model:
    """The network of ``config``, with parameters drawn from ``generator`` (default: seed 0)."""
    generator = torch.Generator().manual_seed(0) if generator is None else generator
    if config.network.model.name == "FeedForward":
        return FeedForward(config, generator)
    if config.network.model.name == "HyperNetwork":
        return HyperFlow(config, generator)
    return KirchhoffNet(config, generator)


def fewest_parameters(config: Config) -> int:
    """A lower bound of the number of parameters of the network of ``config``, known before it is
    made.

    Edges that share their parameters do not count.
    """
    network = config.network
    arguments = network.model.args.model_dump()
    widths: list[tuple[int, ...]] = []
    if network.model.name == "FeedForward":
        widths.append((config.inputs, *arguments["hidden"], config.outputs))
    elif network.model.name == "HyperNetwork":
        hidden, width = arguments["hidden"], arguments["width"]
        widths.append((1, hidden, hidden, width * (3 * config.inputs + 1)))
    if network.encoder.kind == "mlp":
        widths.append((network.encoder.inputs, network.encoder.outputs))
    if network.projector.kind == "mlp":
        widths.append((network.projector.n, network.projector.outputs))
    layers = sum((a + 1) * b for chain in widths for a, b in pairwise(chain))
    own = [part.args for part in network.net_struct if not getattr(part.args, "sharing", False)]
    return layers + sum(part.n_edges for part in own)


def parameter_count(model: torch.nn.Module) -> int:
    """Number of parameters, trainable or frozen."""
    return sum(p.numel() for p in model.parameters())
