"""The edges of a topology grouped by the pair of nodes they join, for loops that read each pair
once.

An edge between nodes i < j is read from i to j, whichever way its current flows: an edge that
leaves j has ``-g`` for its ``g``, and ``a`` and ``b`` swapped.
"""

from __future__ import annotations

import weakref
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ohmbench.kirchhoff.topologies import GROUND, Topology

Index = NDArray[np.uintp]


@dataclass(frozen=True)
class Pairs:
    """Pairs ``runs[i]..runs[i + 1] - 1`` join node i to ``others`` (pairs,), all above i, and have
    edges ``first[p]..first[p + 1] - 1``.

    Edge e of these is edge ``order[e]`` of the topology. It is ``turned`` if it leaves the upper
    node, and ``free`` if its lower node is not ground (both (edges,)).
    """

    runs: Index
    first: Index
    others: Index
    order: torch.Tensor
    turned: torch.Tensor
    free: NDArray[np.float32]


def _arrange(topology: Topology) -> Pairs:
    low = np.minimum(topology.source, topology.destination)
    high = np.maximum(topology.source, topology.destination)
    order = np.lexsort((high, low))
    low, high = low[order], high[order]
    new = np.flatnonzero(np.diff(low, prepend=-1) | np.diff(high, prepend=-1))
    return Pairs(
        runs=np.searchsorted(low[new], np.arange(topology.n_free + 2)).astype(np.uintp),
        first=np.append(new, len(order)).astype(np.uintp),
        others=high[new].astype(np.uintp),
        order=torch.from_numpy(order),
        turned=torch.from_numpy(topology.source[order] > topology.destination[order]),
        free=(low != GROUND).astype(np.float32),
    )


_arranged: dict[int, Pairs] = {}


def pairs_of(topology: Topology) -> Pairs:
    """The arrangement of ``topology``, computed once and cached."""
    key = id(topology)
    if key not in _arranged:
        _arranged[key] = _arrange(topology)
        weakref.finalize(topology, _arranged.pop, key, None).atexit = False
    return _arranged[key]
