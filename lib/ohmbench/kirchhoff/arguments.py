"""The arguments of each topology, device and baseline that a configuration can name."""

from __future__ import annotations

from typing import Annotated, Generic, Literal, TypeAlias, TypeVar

from pydantic import AfterValidator, Field, model_validator

from ohmbench.fields import FROM_LIST, StrictModel, fault, one_of
from ohmbench.kirchhoff.devices import ACTIVATIONS
from ohmbench.kirchhoff.fields import MAX_NODES, Repeat, RepeatPair, Size


class _Topology(StrictModel):
    """Arguments of a generator in `ohmbench.kirchhoff.topologies`, and the sizes that follow from
    them.
    """

    @property
    def n_free(self) -> int:
        """Number of nodes without ground."""
        raise NotImplementedError

    @property
    def n_edges(self) -> int:
        raise NotImplementedError


class FullyConnect(_Topology):
    """Arguments of ``topologies.fully_connect``."""

    num_node: Annotated[int, Field(ge=2, le=MAX_NODES)]
    include_gnd: bool = True
    repeat: RepeatPair = (1, 1)

    @property
    def n_free(self) -> int:
        """Number of nodes without ground."""
        return self.num_node - 1 if self.include_gnd else self.num_node

    @property
    def n_edges(self) -> int:
        """Number of edges: ordered pairs of nodes, each repeated in both directions."""
        return self.num_node * (self.num_node - 1) * sum(self.repeat)


class _Image(_Topology):
    """An image and a square window that slides over it."""

    num_channel: Size
    width: Size
    height: Size
    neighbor_size: Size
    padding: bool = False

    @model_validator(mode="after")
    def _window_fits(self) -> _Image:
        if not self.padding and self.neighbor_size > min(self.width, self.height):
            raise fault(
                f"{self.neighbor_size}, but the image is {self.width} x {self.height}",
                "neighbor_size",
            )
        if self.grid > MAX_NODES:
            raise fault(f"an image of {self.grid} nodes, at most {MAX_NODES} are accepted", "width")
        if not self.pairs:
            raise fault(f"{self.neighbor_size}, a window that joins no two nodes", "neighbor_size")
        return self

    @property
    def grid(self) -> int:
        return self.num_channel * self.width * self.height

    @property
    def pairs(self) -> int:
        """Number of ordered pairs of different nodes that share a window, once per window."""
        rows, columns = self._sums(self.height), self._sums(self.width)
        squares = rows[1] * columns[1] * self.num_channel**2
        return squares - rows[0] * columns[0] * self.num_channel

    def _sums(self, length: int) -> tuple[int, int]:
        """Sizes of the window inside the image along one side, over all its places: their sum and
        the sum of their squares.
        """
        k = self.neighbor_size
        if not self.padding:
            return k * (length - k + 1), k * k * (length - k + 1)
        # The window grows 1, 2, ... up to the shorter side, stays there while it moves, and shrinks
        # again.
        most, stay = min(k, length), abs(length - k) + 1
        edges = (most - 1) * most
        return edges + most * stay, edges * (2 * most - 1) // 3 + most * most * stay


class NeighborIndex(_Image):
    """Arguments of ``topologies.neighbor_index``."""

    repeat: Repeat = 1
    sharing: bool = False
    parallel: Repeat = 1

    @property
    def n_free(self) -> int:
        """Number of nodes without ground."""
        return self.grid * self.parallel

    @property
    def n_edges(self) -> int:
        """Number of edges: pairs of nodes in a window, over its places and the parallel blocks."""
        return self.pairs * self.repeat * self.parallel


class MixConnect(_Image):
    """Arguments of ``topologies.mix_connect``."""

    fully_connect_node: Annotated[int, Field(ge=0, le=MAX_NODES)]
    repeat: RepeatPair = (1, 1)
    kernel_repeat: Repeat = 1

    @property
    def n_free(self) -> int:
        """Number of nodes without ground."""
        return self.grid + self.fully_connect_node

    @property
    def n_edges(self) -> int:
        """Number of edges: in the window, to ground, and from the extra nodes to ground and the
        image.
        """
        to_extra = self.fully_connect_node * (self.grid + 1)
        return self.pairs * self.kernel_repeat + (self.grid + to_extra) * sum(self.repeat)


class SimpleConnect(_Topology):
    """Arguments of ``topologies.simple_connect``."""

    num_node: Annotated[int, Field(ge=2, le=MAX_NODES)]
    repeat: RepeatPair = (1, 1)

    @property
    def n_free(self) -> int:
        """Number of nodes without ground."""
        return self.num_node - 1

    @property
    def n_edges(self) -> int:
        """Number of edges: neighbours in the chain, each repeated in both directions."""
        return (self.num_node - 1) * sum(self.repeat)


def _different(pair: tuple[int, int]) -> tuple[int, int]:
    if pair[0] == pair[1]:
        raise fault(f"joins vertex {pair[0]} to itself")
    return pair


class Pregiven(_Topology):
    """Arguments of ``topologies.pregiven``."""

    edges: Annotated[
        tuple[Annotated[tuple[Size, Size], FROM_LIST, AfterValidator(_different)], ...],
        Field(min_length=1),
        FROM_LIST,
    ]
    repeat: RepeatPair = (1, 1)
    num_feature: Repeat = 1

    @property
    def n_free(self) -> int:
        """Number of nodes without ground: one node per feature of a vertex."""
        return max(map(max, self.edges)) * self.num_feature

    @property
    def n_edges(self) -> int:
        """Number of edges: of the graph for each feature, between features, and to ground."""
        vertices, features = max(map(max, self.edges)), self.num_feature
        pairs = len(self.edges) * features + vertices * features * (features - 1) // 2
        return (pairs + vertices * features) * sum(self.repeat)


class NoArguments(StrictModel):
    """Arguments of a device that takes none."""


class GeneralDevice(StrictModel):
    """Arguments of ``Device``: an activation of ``(s-d) p1 + p0``, or of ``s p0 + d p1 + p2``."""

    activation: Annotated[str, one_of(ACTIVATIONS)]
    difference: bool = True


Widths = Annotated[tuple[Size, ...], Field(min_length=1, max_length=100), FROM_LIST]


class FeedForwardArguments(StrictModel):
    """Arguments of the feed-forward baseline: widths of its hidden layers."""

    hidden: Widths


class HyperNetwork(StrictModel):
    """Arguments of the neural-ODE flow whose weights a network makes from the time.

    ``hidden`` is the width of that network, ``width`` the number of units whose sum is the flow.
    """

    hidden: Size
    width: Size


Name = TypeVar("Name")
Arguments = TypeVar("Arguments")


class NamedArgs(StrictModel, Generic[Name, Arguments]):
    """A name with its arguments; ``args.model_dump()`` gives keyword arguments."""

    name: Name
    args: Arguments


class PlainDevice(StrictModel):
    """A device without arguments, whose ``args`` may be left out."""

    name: Literal[
        "ShiftRelu1",
        "ShiftRelu2",
        "ShiftLeakyRelu1",
        "ShiftLeakyRelu2",
        "ShiftTanh1",
        "ShiftTanh2",
        "Conductance",
    ]
    args: NoArguments = NoArguments()


Slice: TypeAlias = (
    NamedArgs[Literal["_fully_connect"], FullyConnect]
    | NamedArgs[Literal["_neighbor_index"], NeighborIndex]
    | NamedArgs[Literal["_mix_connect"], MixConnect]
    | NamedArgs[Literal["_simple_connect"], SimpleConnect]
    | NamedArgs[Literal["_pregiven"], Pregiven]
)
"""The topology of one time slice."""

Model: TypeAlias = (
    PlainDevice
    | NamedArgs[Literal["Device"], GeneralDevice]
    | NamedArgs[Literal["FeedForward"], FeedForwardArguments]
    | NamedArgs[Literal["HyperNetwork"], HyperNetwork]
)
"""The device on every edge, or a baseline in place of the circuit."""

BASELINES = ("FeedForward", "HyperNetwork")
