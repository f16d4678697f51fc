"""Data sets, each a fixed split by seed: features in [0, 1] and integer labels."""

from ohmbench.data.splits import DATASETS, Split, held_out, split

__all__ = ["DATASETS", "Split", "held_out", "split"]
