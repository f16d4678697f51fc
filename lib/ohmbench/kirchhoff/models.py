"""From a configuration to the network it describes, circuit or baseline."""

from __future__ import annotations

from typing import TypeAlias

import torch

from ohmbench.kirchhoff.baselines import FeedForward, HyperFlow
from ohmbench.kirchhoff.configuration import Config
from ohmbench.kirchhoff.network import KirchhoffNet

Model: TypeAlias = KirchhoffNet | FeedForward | HyperFlow


def build(config: Config, generator: torch.Generator | None = None) -> Model:
    """The network of ``config``, parameters drawn from ``generator`` (default: seed 0)."""
    generator = torch.Generator().manual_seed(0) if generator is None else generator
    if config.network.model.name == "FeedForward":
        return FeedForward(config, generator)
    if config.network.model.name == "HyperNetwork":
        return HyperFlow(config, generator)
    return KirchhoffNet(config, generator)


def parameter_count(model: torch.nn.Module) -> int:
    """Numbers that training changes, or could."""
    return sum(p.numel() for p in model.parameters())
