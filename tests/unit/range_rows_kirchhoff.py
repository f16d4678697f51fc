"""Ranges of circuits and of their configurations as rows: see ``range_rows.py``."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from pydantic import ValidationError
from pydantic_core import PydanticCustomError

from ohmbench.errors import ShapeError
from ohmbench.kirchhoff.grammars import parse_projector, parse_scheduler
from ohmbench.kirchhoff.network import filled
from ohmbench.kirchhoff.simulation import integrate_noisy
from ohmbench.kirchhoff.topologies import (
    Topology,
    fully_connect,
    mix_connect,
    neighbor_index,
    pregiven,
    simple_connect,
)
from tests.unit.circuits import config, plain, rc
from tests.unit.range_rows import NO_NUMBERS, TINY, Row, above, below

# ------------------------------------------------------------------------------------------------
# Circuits


def noisy(step_size: float = 0.1, noise: float = 0.0) -> object:
    circuit = rc(1.0)
    return integrate_noisy(
        [plain(circuit)],
        [0.2],
        torch.ones(1, 1, dtype=torch.float64),
        step_size=step_size,
        noise=noise,
        generator=torch.Generator(),
    )


def graph(source: int = 1, destination: int = 2, parameter: int = 1, n_free: int = 2) -> Topology:
    ends = ((1, source), (2, destination), (0, parameter))
    return Topology(n_free, *(np.array(pair, np.int64) for pair in ends))


REPEATS = ((0, 1), (1, 0), (2, 3)), ((0, 0), (-1, 2), (2, -1), (1,), (1, 1, 1), ())
IMAGE = {"num_channel": 1, "width": 3, "height": 4, "neighbor_size": 2}

CIRCUITS = [
    Row(
        "noise-step",
        "kirchhoff/simulation.py:integrate_noisy",
        lambda x: noisy(step_size=x),
        (0.01, 1e300),
        (0.0, -0.1, *NO_NUMBERS),
        ValueError,
    ),
    Row(
        "noise",
        "kirchhoff/simulation.py:integrate_noisy",
        lambda x: noisy(noise=x),
        (0.0, 1.0),
        (-1e-9, *NO_NUMBERS),
        ValueError,
    ),
    Row(
        "source",
        "kirchhoff/topologies.py:Topology.__post_init__",
        lambda n: graph(source=n, destination=1 if n != 1 else 2),
        (0, 2),
        (-1, 3),
    ),
    Row(
        "destination",
        "kirchhoff/topologies.py:Topology.__post_init__",
        lambda n: graph(source=1, destination=n),
        (0, 2),
        (-1, 3),
    ),
    Row(
        "parameter",
        "kirchhoff/topologies.py:Topology.__post_init__",
        lambda n: graph(parameter=n),
        (0, 1),
        (-1,),
    ),
    Row(
        "free-nodes",
        "kirchhoff/topologies.py:Topology.__post_init__",
        lambda n: graph(n_free=n),
        (2,),
        (0, -1),
    ),
    *(
        Row(
            f"repeat-of-{make.__name__}",
            "kirchhoff/topologies.py:_pair",
            lambda pair, make=make, more=more: make(**more, repeat=pair),
            *REPEATS,
        )
        for make, more in (
            (fully_connect, {"num_node": 3}),
            (mix_connect, {**IMAGE, "fully_connect_node": 1}),
            (simple_connect, {"num_node": 3}),
            (pregiven, {"edges": [[1, 2]]}),
        )
    ),
    *(
        Row(
            f"{name}-of-{make.__name__}",
            "kirchhoff/topologies.py:_at_least",
            lambda n, make=make, more=more, name=name: make(**{**more, name: n}),
            (least, least + 1),
            (least - 1, -1),
        )
        for make, more, name, least in (
            (fully_connect, {}, "num_node", 2),
            (simple_connect, {}, "num_node", 2),
            (neighbor_index, IMAGE, "num_channel", 1),
            (neighbor_index, IMAGE, "repeat", 1),
            (neighbor_index, IMAGE, "parallel", 1),
            (mix_connect, IMAGE, "fully_connect_node", 0),
            (mix_connect, {**IMAGE, "fully_connect_node": 1}, "kernel_repeat", 1),
            (pregiven, {"edges": [[1, 2]]}, "num_feature", 1),
        )
    ),
    Row(
        "window",
        "kirchhoff/topologies.py:neighbor_index",
        lambda n: neighbor_index(2, 3, 4, n),
        (1, 3),
        (0, -1, 4),
    ),
    Row(
        "window-of-one-channel",
        "kirchhoff/topologies.py:neighbor_index",
        lambda n: neighbor_index(1, 4, 3, n),
        (2, 3),
        (0, -1, 4),
    ),
    # Padding of one less than the window on each side lets any window see some cell.
    Row(
        "padded-window",
        "kirchhoff/topologies.py:neighbor_index",
        lambda n: neighbor_index(1, 3, 4, n, padding=True),
        (2, 4, 9),
        (0, -1),
    ),
    Row(
        "vertex",
        "kirchhoff/topologies.py:pregiven",
        lambda n: pregiven([[n, 2], [2, 3], [1, 3]]),
        (1, 3),
        (0, -1),
    ),
    Row(
        "width",
        "kirchhoff/network.py:filled",
        lambda n: filled(torch.ones(2, 3), n, "zeros"),
        (3, 4),
        (2, 0),
        ShapeError,
    ),
    Row(
        "factor",
        "kirchhoff/grammars.py:parse_scheduler",
        lambda x: parse_scheduler(f"steplr_1_{x}"),
        ("1", "1.0", "0.5", "1e-9"),
        ("0", "0.0", "1.1", "2", "-1", "nan", "inf"),
        PydanticCustomError,
    ),
    Row(
        "epochs",
        "kirchhoff/grammars.py:parse_scheduler",
        lambda n: parse_scheduler(f"cosinelr_{n}_0"),
        (1, 9_999_999),
        (0, -1, 10_000_000),
        PydanticCustomError,
    ),
    Row(
        "projector",
        "kirchhoff/grammars.py:parse_projector",
        lambda n: parse_projector(f"last{n}"),
        (1, 999_999),
        (0, -1, 1_000_000),
        PydanticCustomError,
    ),
]


def changed(path: str, **others: Any) -> Callable[[Any], object]:
    return lambda value: config(**{**others, path: value})


def image_slice(**changes: Any) -> Callable[[Any], object]:
    """A circuit over an image; the experiment is one that any number of nodes serves."""
    (name,) = changes

    def make(value: Any) -> object:
        args = {**IMAGE, "fully_connect_node": 10, name: value}
        made = {"name": "_mix_connect", "args": args}
        return config(
            "toyregress",
            network__net_struct=[made],
            network__projector="last1",
            simulation__t_end=[0.0, 1.0],
        )

    return make


def many_nodes(nodes: int) -> object:
    chain = {"name": "_simple_connect", "args": {"num_node": nodes + 1}}
    return config(
        "toyregress",
        network__net_struct=[chain],
        network__projector="last1",
        simulation__t_end=[0.0, 1.0],
    )


def many_edges(last: int) -> object:
    """Two slices of 50 nodes and ground with 24 990 000 edges, and a chain with ``last`` a pair."""
    full = {"name": "_fully_connect", "args": {"num_node": 51, "repeat": [9800, 0]}}
    chain = {"name": "_simple_connect", "args": {"num_node": 51, "repeat": [last, 0]}}
    return config(
        "toyregress",
        network__net_struct=[full, full, chain],
        network__projector="last1",
        simulation__t_end=[0.0, 1.0, 2.0, 3.0],
    )


ADAPTIVE = {"simulation__method": "dopri5"}
CONFIGURATION = [
    Row(
        f"config-{path}",
        "kirchhoff/configuration.py:bounded",
        changed(path, **others),
        inside,
        outside,
        ValidationError,
    )
    for path, others, inside, outside in (
        ("batch_size", {}, (1, 1_000_000), (0, -1, 1_000_001, 1.5, True)),
        ("num_worker", {}, (0, 1024), (-1, 1025)),
        ("train__num_epoch", {}, (1, 10_000_000), (0, -1, 10_000_001)),
        ("train__save_epoch", {}, (1, 10_000_000), (0, -1, 10_000_001)),
        ("train__lr", {}, (TINY, 1000.0, 1), (0.0, -1.0, above(1000.0), *NO_NUMBERS)),
        ("simulation__tol", {}, (TINY, 1.0), (0.0, -1.0, above(1.0), *NO_NUMBERS)),
        (
            "simulation__step_size",
            ADAPTIVE,
            (1e-12, 1e4),
            (below(1e-12), 0.0, -1.0, above(1e4), *NO_NUMBERS),
        ),
        (
            "simulation__min_step",
            {"simulation__first_step": 1e4},
            (1e-12, 1e4),
            (below(1e-12), 0.0, -1.0, above(1e4), *NO_NUMBERS),
        ),
        (
            "simulation__first_step",
            {"simulation__min_step": 1e-12},
            (1e-12, 1e4),
            (below(1e-12), 0.0, -1.0, above(1e4), *NO_NUMBERS),
        ),
        (
            "visualization",
            {},
            ({"num_sample": 1}, {"num_sample": 10_000_000}),
            ({"num_sample": 0}, {"num_sample": -1}, {"num_sample": 10_000_001}),
        ),
        (
            "test",
            {},
            ({"metric": ["top1", "top999", "mse"]},),
            ({"metric": ["top0"]}, {"metric": ["top1000"]}, {"metric": ["top-1"]}),
        ),
    )
] + [
    Row(
        "config-end-times",
        "kirchhoff/configuration.py:SimulationSettings._steps_fit",
        changed("simulation__t_end", **ADAPTIVE),
        ([0.0, TINY, 1e4], [0, 1, 2]),
        (
            [TINY, 1.0, 2.0],
            [-1.0, 1.0, 2.0],
            [0.0, 1.0, 1.0],
            [0.0, 1.0, below(1.0)],
            [0.0, 0.0, 1.0],
            [0.0, 1.0, above(1e4)],
            [0.0, 1.0, math.inf],
            [0.0, math.nan, 1.0],
        ),
        ValidationError,
    ),
    # 1 000 000 steps of a fixed-step method in all slices together.
    Row(
        "config-steps",
        "kirchhoff/configuration.py:SimulationSettings._steps_fit",
        lambda x: config(simulation__t_end=[0.0, 1.0, x], simulation__step_size=0.25),
        (250_000.0 / 100,),
        (1e4 + 1,),
        ValidationError,
    ),
    Row(
        "config-many-steps",
        "kirchhoff/configuration.py:SimulationSettings._steps_fit",
        lambda x: config(simulation__t_end=[0.0, 512.0, x], simulation__step_size=2.0**-10),
        (976.5625,),
        (976.5625 + 2.0**-10,),
        ValidationError,
    ),
    Row(
        "config-least-step",
        "kirchhoff/configuration.py:SimulationSettings._steps_fit",
        lambda x: config(simulation__min_step=x, simulation__first_step=0.01),
        (0.01, below(0.01)),
        (above(0.01),),
        ValidationError,
    ),
    Row(
        "config-nodes",
        "kirchhoff/configuration.py:Network._slices_fit",
        many_nodes,
        (5, 99_999),
        (0, 4, 100_000),
        ValidationError,
    ),
    Row(
        "config-edges",
        "kirchhoff/configuration.py:Network._slices_fit",
        many_edges,
        (1, 400),
        (401,),
        ValidationError,
    ),
    Row(
        "config-window",
        "kirchhoff/arguments.py:_Image._window_fits",
        image_slice(neighbor_size=0),
        (2, 3),
        (0, 1, 4),
        ValidationError,
    ),
    Row(
        "config-image-nodes",
        "kirchhoff/arguments.py:_Image._window_fits",
        image_slice(width=0),
        (2, 24_997),
        (0, 25_001, 100_001),
        ValidationError,
    ),
    Row(
        "config-read-nodes",
        "kirchhoff/configuration.py:Config._check_readout",
        lambda n: config(
            "toyregress",
            network__net_struct=[{"name": "_fully_connect", "args": {"num_node": n}}],
            network__projector="last1",
            simulation__t_end=[0.0, 1.0],
        ),
        (6, 7),
        (5, 2),
        ValidationError,
    ),
]

KIRCHHOFF_ROWS = [*CIRCUITS, *CONFIGURATION]
