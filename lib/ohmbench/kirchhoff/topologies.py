"""Which nodes the edges of a circuit join, in the order in which checkpoints store them.

Node 0 is ground; the free nodes are 1..n_free. The generators follow the published topologies
(KIRCHHOFF) edge by edge: column e of a checkpoint's parameters belongs to edge e. They are array
expressions instead of loops over edges: the MNIST circuit has 230 068.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Int64
from numpy.typing import NDArray

from ohmbench.errors import OperandError, RangeError, ShapeError

Nodes = NDArray[np.int64]
GROUND = 0


@dataclass(frozen=True)
class Topology:
    """Edges from ``source`` to ``destination`` node, int64 (edges,), over ground and ``n_free``
    nodes.

    ``parameter`` int64 (edges,) gives each edge's column of parameters; several edges may share
    one. Validated on construction: raises ShapeError for arrays that do not fit, RangeError for a
    node or parameter that does not exist, OperandError for an edge from a node to itself, a node
    without edges and an unused parameter.
    """

    n_free: int
    source: Int64[Nodes, " edges"]
    destination: Int64[Nodes, " edges"]
    parameter: Int64[Nodes, " edges"] = field(default=None)  # type: ignore[arg-type]

    def __post_init__(self) -> None:
        if self.parameter is None:
            object.__setattr__(self, "parameter", np.arange(len(self.source), dtype=np.int64))
        arrays = (self.source, self.destination, self.parameter)
        if any(a.ndim != 1 or a.dtype != np.int64 for a in arrays):
            raise ShapeError("a topology takes one-dimensional int64 arrays")
        if len({len(a) for a in arrays}) != 1:
            raise ShapeError(f"a topology's arrays differ in length: {[len(a) for a in arrays]}")
        if self.n_free < 1 or len(self.source) < 1:
            raise RangeError(f"{self.n_free} free nodes and {len(self.source)} edges: no circuit")
        for name, nodes in (("source", self.source), ("destination", self.destination)):
            bad = (nodes < 0) | (nodes > self.n_free)
            if bad.any():
                e = int(np.argmax(bad))
                raise RangeError(
                    f"edge {e}: {name} node {nodes[e]}, but nodes are 0..{self.n_free}"
                )
        loops = self.source == self.destination
        if loops.any():
            e = int(np.argmax(loops))
            raise OperandError(f"edge {e} joins node {self.source[e]} to itself")
        joined = np.zeros(self.n_free + 1, dtype=bool)
        joined[self.source] = joined[self.destination] = True
        joined[GROUND] = True  # a circuit may have no edge to ground
        if not joined.all():
            raise OperandError(f"node {int(np.argmin(joined))} has no edge")
        if self.parameter.min() < 0:
            raise RangeError(f"parameter {self.parameter.min()}, but they are counted from 0")
        used = np.zeros(int(self.parameter.max()) + 1, dtype=bool)
        used[self.parameter] = True
        if not used.all():
            raise OperandError(f"parameter {int(np.argmin(used))} belongs to no edge")

    @property
    def n_edges(self) -> int:
        """Number of edges."""
        return len(self.source)

    @property
    def n_parameters(self) -> int:
        """Columns of the parameter array: the number of edges, or fewer if edges share."""
        return int(self.parameter.max()) + 1

    @cached_property
    def shared(self) -> bool:
        """Whether some edges share a parameter, or are numbered in another order."""
        # Cached: every update of a training asks, for up to millions of edges.
        return not np.array_equal(self.parameter, np.arange(self.n_edges))


def _nodes(values: Any) -> Nodes:
    return np.asarray(values, dtype=np.int64).reshape(-1)


def _there_and_back(x: Nodes, y: Nodes, repeat: Sequence[int]) -> tuple[Nodes, Nodes]:
    """For each pair (x, y) in turn: repeat[0] edges x->y, then repeat[1] edges y->x."""
    there, back = _pair(repeat)
    forward = np.repeat([True, False], [there, back])
    source = np.where(forward, x[:, None], y[:, None])
    destination = np.where(forward, y[:, None], x[:, None])
    return _nodes(source), _nodes(destination)


def _pair(repeat: Sequence[int]) -> tuple[int, int]:
    if len(repeat) != 2 or min(repeat) < 0 or sum(repeat) < 1:
        raise RangeError(f"repeat {list(repeat)}, but should be two counts, not both 0")
    return int(repeat[0]), int(repeat[1])


def _at_least(name: str, value: int, low: int) -> int:
    if value < low:
        raise RangeError(f"{name} is {value}, but should be at least {low}")
    return value


def fully_connect(
    num_node: int, include_gnd: bool = True, repeat: Sequence[int] = (1, 1)
) -> Topology:
    """Every ordered pair i, j of nodes: ``repeat[0]`` edges i->j, then ``repeat[1]`` edges j->i.

    Nodes 0..num_node-1, so that ``num_node=3`` is ground and two free nodes; without ground nodes
    1..num_node. Published as ``_fully_connect``. Raises RangeError for too few nodes.
    """
    _at_least("num_node", num_node, 2)
    first = 0 if include_gnd else 1
    i, j = np.divmod(np.arange(num_node * num_node, dtype=np.int64), num_node)
    different = i != j
    source, destination = _there_and_back(i[different] + first, j[different] + first, repeat)
    return Topology(num_node - 1 if include_gnd else num_node, source, destination)


def neighbor_index(
    num_channel: int,
    width: int,
    height: int,
    neighbor_size: int,
    padding: bool = False,
    repeat: int = 1,
    sharing: bool = False,
    parallel: int = 1,
) -> Topology:
    """A square window slid over an image; inside it ``repeat`` edges for every ordered pair of
    cells.

    Free nodes are laid out (channel, row, column) from 1. The window moves with stride 1 in
    row-major order and holds all channels; its cells are ordered (channel, row, column). With
    ``padding`` the image is surrounded by ``neighbor_size - 1`` cells that are no nodes. With
    ``sharing`` edges of the same pair of cells, whatever the window's place, have one parameter.
    ``parallel`` repeats the whole block on nodes of its own. Published as ``_neighbor_index``.
    Raises RangeError for a window larger than the image, or sizes below 1.
    """
    for name, value in (
        ("num_channel", num_channel),
        ("width", width),
        ("height", height),
        ("repeat", repeat),
        ("parallel", parallel),
    ):
        _at_least(name, value, 1)
    _at_least("neighbor_size", neighbor_size, 1)
    pad = neighbor_size - 1 if padding else 0
    if neighbor_size > min(width, height) + 2 * pad:
        raise RangeError(f"neighbor_size is {neighbor_size}, but the image is {width}x{height}")
    grid = np.zeros((num_channel, height + 2 * pad, width + 2 * pad), dtype=np.int64)
    numbers = np.arange(1, num_channel * height * width + 1, dtype=np.int64)
    grid[:, pad : pad + height, pad : pad + width] = numbers.reshape(num_channel, height, width)
    windows = np.lib.stride_tricks.sliding_window_view(grid, (neighbor_size, neighbor_size), (1, 2))
    # (channel, row, column, k, k) -> one row of cells for each place of the window
    cells = windows.transpose(1, 2, 0, 3, 4).reshape(-1, num_channel * neighbor_size**2)
    j, k = np.divmod(np.arange(cells.shape[1] ** 2, dtype=np.int64), cells.shape[1])
    j, k = j[j != k], k[j != k]
    source, destination = cells[:, j].ravel(), cells[:, k].ravel()
    real = (source != 0) & (destination != 0)  # 0 in the grid is padding, never ground
    number = np.tile(np.arange(len(j), dtype=np.int64), len(cells))[real]
    source = np.repeat(source[real], repeat)
    destination = np.repeat(destination[real], repeat)
    copies = np.arange(parallel, dtype=np.int64)[:, None]
    shift = copies * len(numbers)
    if sharing:
        shared = number[:, None] * repeat + np.arange(repeat)
        # A padded window may never put two nodes into some pair of cells: number those that occur.
        shared = np.unique(shared.ravel(), return_inverse=True)[1].astype(np.int64)
        parameter = _nodes(shared + copies * (int(shared.max()) + 1))
    else:
        parameter = np.arange(parallel * len(source), dtype=np.int64)
    return Topology(
        parallel * len(numbers), _nodes(source + shift), _nodes(destination + shift), parameter
    )


def mix_connect(
    num_channel: int,
    width: int,
    height: int,
    neighbor_size: int,
    fully_connect_node: int,
    repeat: Sequence[int] = (1, 1),
    kernel_repeat: int = 1,
    padding: bool = False,
) -> Topology:
    """A window block over an image, edges to ground, and nodes joined to every node of the image.

    First ``neighbor_index`` with ``kernel_repeat`` edges a pair; then for every grid node n
    ``repeat[0]`` edges n->ground and ``repeat[1]`` back; then for each of ``fully_connect_node``
    extra nodes m, numbered after the grid, and for i from ground to the last grid node,
    ``repeat[0]`` edges i->m and ``repeat[1]`` back. Published as ``_mix_connect``.
    """
    _at_least("fully_connect_node", fully_connect_node, 0)
    block = neighbor_index(num_channel, width, height, neighbor_size, padding, kernel_repeat)
    n = block.n_free
    grid = np.arange(1, n + 1, dtype=np.int64)
    ground = _there_and_back(grid, np.zeros_like(grid), repeat)
    m, i = np.divmod(np.arange(fully_connect_node * (n + 1), dtype=np.int64), n + 1)
    extra = _there_and_back(i, m + n + 1, repeat)
    return Topology(
        n + fully_connect_node,
        np.concatenate([block.source, ground[0], extra[0]]),
        np.concatenate([block.destination, ground[1], extra[1]]),
    )


def simple_connect(num_node: int, repeat: Sequence[int] = (1, 1)) -> Topology:
    """A chain ground-1-2-...: ``repeat[0]`` edges from each node to the next, ``repeat[1]`` back.

    The artifacts name ``_simple_connect`` but no published configuration uses it. That it is a
    chain of ``num_node`` nodes, including ground, is this project's reading.
    """
    _at_least("num_node", num_node, 2)
    low = np.arange(num_node - 1, dtype=np.int64)
    return Topology(num_node - 1, *_there_and_back(low, low + 1, repeat))


def pregiven(
    edges: Sequence[Sequence[int]],
    repeat: Sequence[int] = (1, 1),
    num_feature: int = 1,
) -> Topology:
    """A given graph: its edges in both directions, one copy per feature of a node, features joined.

    ``edges`` are pairs of vertices counted from 1. Feature f of vertex x is node ``f * vertices +
    x``. Order: for each feature the edges, ``repeat[0]`` x->y then ``repeat[1]`` y->x; for each
    vertex the pairs of its features in the same way; for each node ``repeat[0]`` edges to ground
    and ``repeat[1]`` back. Published as ``_pregiven``; no published configuration uses it, and the
    order beyond "both directions, repeated, copies, cross-feature, ground" is this project's.
    """
    pairs = np.asarray(edges, dtype=np.int64)
    if pairs.ndim != 2 or pairs.shape[1] != 2 or not len(pairs):
        raise ShapeError(f"edges have shape {pairs.shape}, but should be pairs (n, 2)")
    if pairs.min() < 1:
        raise RangeError(f"vertex {pairs.min()}, but vertices are counted from 1")
    _at_least("num_feature", num_feature, 1)
    vertices = int(pairs.max())
    copies = (np.arange(num_feature, dtype=np.int64) * vertices)[:, None]
    parts = [_there_and_back(_nodes(pairs[:, 0] + copies), _nodes(pairs[:, 1] + copies), repeat)]
    f, h = np.triu_indices(num_feature, 1)
    vertex = np.arange(1, vertices + 1, dtype=np.int64)[:, None]
    if len(f):
        parts.append(
            _there_and_back(_nodes(vertex + f * vertices), _nodes(vertex + h * vertices), repeat)
        )
    nodes = np.arange(1, num_feature * vertices + 1, dtype=np.int64)
    parts.append(_there_and_back(nodes, np.zeros_like(nodes), repeat))
    source, destination = (np.concatenate(side) for side in zip(*parts, strict=True))
    return Topology(len(nodes), source, destination)


TOPOLOGIES: dict[str, Callable[..., Topology]] = {
    "_fully_connect": fully_connect,
    "_neighbor_index": neighbor_index,
    "_mix_connect": mix_connect,
    "_simple_connect": simple_connect,
    "_pregiven": pregiven,
}
"""Name in a configuration -> generator."""


def topology(name: str, args: dict[str, Any]) -> Topology:
    """The topology that a configuration's ``net_struct`` entry describes.

    Raises OperandError for an unknown name or arguments, and as the generators do.
    """
    if name not in TOPOLOGIES:
        raise OperandError(f"unknown topology {name!r}; choose one of {', '.join(TOPOLOGIES)}")
    try:
        return TOPOLOGIES[name](**args)
    except TypeError as error:
        raise OperandError(f"{name}: {error}") from None
