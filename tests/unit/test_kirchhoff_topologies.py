"""Topologies: every generator is its loop, documented sizes and ends, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ohmbench.errors import OhmbenchError, OperandError, RangeError, ShapeError
from ohmbench.kirchhoff.topologies import TOPOLOGIES, Topology, topology
from tests.unit import kirchhoff_checks as checks
from tests.unit.kirchhoff_checks import assert_edges

counts = st.tuples(st.integers(0, 3), st.integers(0, 3)).filter(any)
small = st.integers(1, 4)


@given(num_node=st.integers(2, 7), include_gnd=st.booleans(), repeat=counts)
def test_fully_connect_is_its_loop(num_node: int, include_gnd: bool, repeat: Any) -> None:
    found = topology(
        "_fully_connect", {"num_node": num_node, "include_gnd": include_gnd, "repeat": repeat}
    )
    assert found.n_free == num_node - include_gnd
    assert_edges(found, checks.looped_fully_connect(num_node, include_gnd, repeat))


def pairs_exist(size: dict[str, int]) -> bool:
    return size["num_channel"] * size["neighbor_size"] ** 2 > 1


@st.composite
def images(draw: st.DrawFn) -> dict[str, Any]:
    """An image and a window in which some pair of cells is joined."""
    padding = draw(st.booleans())
    width, height, channels = draw(small), draw(small), draw(st.integers(1, 2))
    # A padded window may be larger than the image.
    window = draw(st.integers(1, 3 if padding else min(3, width, height)))
    if channels * window**2 == 1 or channels * width * height == 1:
        channels = 2
    return {
        "num_channel": channels,
        "width": width,
        "height": height,
        "neighbor_size": window,
        "padding": padding,
    }


@given(image=images(), repeat=small, sharing=st.booleans(), parallel=st.integers(1, 3))
def test_neighbor_index_is_its_loop(
    image: dict[str, Any], repeat: int, sharing: bool, parallel: int
) -> None:
    args = {**image, "repeat": repeat, "sharing": sharing, "parallel": parallel}
    found = topology("_neighbor_index", args)
    grid = image["num_channel"] * image["width"] * image["height"]
    assert found.n_free == parallel * grid
    assert_edges(found, *checks.looped_neighbor_index(*args.values()))


@given(image=images(), extra=st.integers(0, 3), repeat=counts, kernel_repeat=st.integers(1, 2))
def test_mix_connect_is_its_loop(
    image: dict[str, Any], extra: int, repeat: Any, kernel_repeat: int
) -> None:
    found = topology(
        "_mix_connect",
        {**image, "fully_connect_node": extra, "repeat": repeat, "kernel_repeat": kernel_repeat},
    )
    size = [image[k] for k in ("num_channel", "width", "height", "neighbor_size")]
    edges = checks.looped_mix_connect(*size, extra, repeat, kernel_repeat, image["padding"])
    assert found.n_free == image["num_channel"] * image["width"] * image["height"] + extra
    assert_edges(found, edges)


@given(num_node=st.integers(2, 7), repeat=counts)
def test_simple_connect_is_a_chain(num_node: int, repeat: Any) -> None:
    found = topology("_simple_connect", {"num_node": num_node, "repeat": repeat})
    assert found.n_free == num_node - 1
    assert_edges(found, checks.looped_simple_connect(num_node, repeat))


@given(
    edges=st.lists(
        st.tuples(st.integers(1, 4), st.integers(1, 4)).filter(lambda pair: pair[0] != pair[1]),
        min_size=1,
        max_size=6,
    ),
    repeat=counts,
    features=st.integers(1, 3),
)
def test_pregiven_is_its_loop(edges: list[tuple[int, int]], repeat: Any, features: int) -> None:
    found = topology("_pregiven", {"edges": edges, "repeat": repeat, "num_feature": features})
    assert found.n_free == features * max(max(pair) for pair in edges)
    assert_edges(found, checks.looped_pregiven(edges, repeat, features))


def test_the_loops_over_all_small_sizes() -> None:
    """What planted faults are held against: the same without hypothesis."""
    checks.check_fully_connect()
    checks.check_neighbor_index()
    checks.check_mix_connect()


IMAGE = {"num_channel": 1, "width": 28, "height": 28}
DOCUMENTED = {
    # name: topology, arguments, free nodes, edges, first edge, last edge
    "twomoon": ("_fully_connect", {"num_node": 3, "repeat": [25, 25]}, 2, 300, (0, 1), (1, 2)),
    "potential1": ("_fully_connect", {"num_node": 3, "repeat": [10, 10]}, 2, 120, (0, 1), (1, 2)),
    # 26 x 26 windows of 9 x 8 pairs, then 784 edges each way to ground.
    "genmnist": (
        "_mix_connect",
        {**IMAGE, "neighbor_size": 3, "fully_connect_node": 0},
        784,
        50_240,
        (1, 2),
        (0, 784),
    ),
    # 25 x 25 windows of 16 x 15 pairs, 784 x 2 to ground, 50 extra nodes x 785 x 2.
    "mnist": (
        "_mix_connect",
        {**IMAGE, "neighbor_size": 4, "fully_connect_node": 50, "repeat": [1, 1]},
        834,
        230_068,
        (1, 2),
        (834, 784),
    ),
}


@pytest.mark.parametrize("case", DOCUMENTED.values(), ids=DOCUMENTED)
def test_documented_sizes_and_ends(case: Any) -> None:
    name, args, n_free, edges, first, last = case
    found = topology(name, args)
    assert (found.n_free, found.n_edges, found.n_parameters) == (n_free, edges, edges)
    assert (found.source[0], found.destination[0]) == first
    assert (found.source[-1], found.destination[-1]) == last
    assert not found.shared


def test_repeated_edges_stand_together() -> None:
    """300 edges of the plane's circuit: for i, for j: 25 there, then 25 back."""
    found = topology("_fully_connect", {"num_node": 3, "repeat": [25, 25]})
    blocks = list(zip(found.source[::25].tolist(), found.destination[::25].tolist(), strict=True))
    assert blocks == [
        *((0, 1), (1, 0), (0, 2), (2, 0)),
        *((1, 0), (0, 1), (1, 2), (2, 1)),
        *((2, 0), (0, 2), (2, 1), (1, 2)),
    ]
    assert np.array_equal(found.source, np.repeat(found.source[::25], 25))


def test_mnist_blocks_begin_where_they_should() -> None:
    args = DOCUMENTED["mnist"][1]
    found = topology("_mix_connect", args)
    edges = list(zip(found.source.tolist(), found.destination.tolist(), strict=True))
    # The first window's second row of cells: node 29 is the pixel below node 1.
    assert edges[3] == (1, 29)
    assert edges[150_000:150_003] == [(1, 0), (0, 1), (2, 0)]
    assert edges[151_568:151_571] == [(0, 785), (785, 0), (1, 785)]


def test_sharing_is_one_parameter_for_a_pair_of_cells() -> None:
    found = topology("_neighbor_index", {**IMAGE, "neighbor_size": 3, "sharing": True, "repeat": 2})
    assert found.shared
    assert found.n_parameters == 9 * 8 * 2
    assert np.bincount(found.parameter).tolist() == [26 * 26] * 144
    # Same parameter, same displacement.
    moved = found.destination - found.source
    for k in range(found.n_parameters):
        assert len(set(moved[found.parameter == k].tolist())) == 1


def test_parallel_copies_are_apart() -> None:
    args = {"num_channel": 2, "width": 3, "height": 2, "neighbor_size": 2}
    one = topology("_neighbor_index", args)
    three = topology("_neighbor_index", {**args, "parallel": 3})
    assert three.n_free == 3 * one.n_free
    copies = (three.source - 1) // one.n_free
    assert np.array_equal(copies, (three.destination - 1) // one.n_free)
    assert np.array_equal(copies, np.repeat([0, 1, 2], one.n_edges))


@pytest.mark.parametrize(
    ("name", "args", "error", "complaint"),
    [
        ("_ring", {}, OperandError, "unknown topology '_ring'; choose one of _fully_connect"),
        ("_fully_connect", {}, OperandError, "_fully_connect: .*num_node"),
        ("_fully_connect", {"num_node": 3, "ground": 1}, OperandError, "ground"),
        ("_fully_connect", {"num_node": 1}, RangeError, "num_node is 1, but should be at least 2"),
        ("_fully_connect", {"num_node": 3, "repeat": [0, 0]}, RangeError, "not both 0"),
        ("_fully_connect", {"num_node": 3, "repeat": [1, -1]}, RangeError, "two counts"),
        ("_fully_connect", {"num_node": 3, "repeat": [1]}, RangeError, "two counts"),
        ("_neighbor_index", {**IMAGE, "neighbor_size": 0}, RangeError, "neighbor_size is 0"),
        ("_neighbor_index", {**IMAGE, "neighbor_size": 29}, RangeError, "image is 28x28"),
        (
            "_neighbor_index",
            {**IMAGE, "num_channel": 0, "neighbor_size": 2},
            RangeError,
            "num_channel is 0",
        ),
        (
            "_neighbor_index",
            {**IMAGE, "neighbor_size": 2, "repeat": 0},
            RangeError,
            "repeat is 0",
        ),
        (
            "_neighbor_index",
            {**IMAGE, "neighbor_size": 2, "parallel": 0},
            RangeError,
            "parallel is 0",
        ),
        (
            "_mix_connect",
            {**IMAGE, "neighbor_size": 2, "fully_connect_node": -1},
            RangeError,
            "fully_connect_node is -1",
        ),
        ("_simple_connect", {"num_node": 1}, RangeError, "num_node is 1"),
        ("_pregiven", {"edges": [[0, 1]]}, RangeError, "vertex 0"),
        ("_pregiven", {"edges": []}, ShapeError, "pairs"),
        ("_pregiven", {"edges": [[1, 2, 3]]}, ShapeError, "pairs"),
        ("_pregiven", {"edges": [[1, 1]]}, OperandError, "edge 0 joins node 1 to itself"),
        ("_pregiven", {"edges": [[1, 2]], "num_feature": 0}, RangeError, "num_feature is 0"),
        (
            "_neighbor_index",
            {"num_channel": 1, "width": 3, "height": 3, "neighbor_size": 1},
            OhmbenchError,
            "no circuit",
        ),
    ],
)
def test_generators_refuse(name: str, args: Any, error: type[Exception], complaint: str) -> None:
    with pytest.raises(error, match=complaint):
        topology(name, args)


def ints(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int64)


@pytest.mark.parametrize(
    ("arguments", "error", "complaint"),
    [
        ((2, ints(1), ints(3)), RangeError, "edge 0: destination node 3, but nodes are 0..2"),
        ((2, ints(0, -1), ints(1, 2)), RangeError, "edge 1: source node -1"),
        ((2, ints(1, 2), ints(2, 2)), OperandError, "edge 1 joins node 2 to itself"),
        ((3, ints(1), ints(3)), OperandError, "node 2 has no edge"),
        ((2, ints(1), ints(2), ints(-1)), RangeError, "parameter -1"),
        ((2, ints(1), ints(2), ints(1)), OperandError, "parameter 0 belongs to no edge"),
        ((2, ints(1, 0), ints(2)), ShapeError, "differ in length"),
        ((2, ints(1).astype(np.int32), ints(2)), ShapeError, "int64"),
        ((2, ints(1)[None], ints(2)[None]), ShapeError, "one-dimensional"),
        ((0, ints(0), ints(0)), RangeError, "0 free nodes"),
        ((1, ints(), ints()), RangeError, "0 edges: no circuit"),
    ],
)
def test_graphs_that_are_no_circuit(arguments: Any, error: type[Exception], complaint: str) -> None:
    with pytest.raises(error, match=complaint):
        Topology(*arguments)


def test_a_circuit_may_float_and_edges_may_be_parallel() -> None:
    floating = Topology(2, ints(1, 1), ints(2, 2))
    assert floating.n_edges == floating.n_parameters == 2
    assert Topology(2, ints(1, 1), ints(2, 2), ints(0, 0)).n_parameters == 1


def test_every_published_generator_can_be_named() -> None:
    assert set(TOPOLOGIES) == {
        "_fully_connect",
        "_neighbor_index",
        "_mix_connect",
        "_simple_connect",
        "_pregiven",
    }
