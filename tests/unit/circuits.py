"""What builds circuits, flows and configurations for the tests of KirchhoffNet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from hypothesis import strategies as st

from ohmbench.kirchhoff.circuit import Circuit, PlainRightHandSide, RightHandSide
from ohmbench.kirchhoff.configuration import Config
from ohmbench.kirchhoff.devices import ACTIVATIONS, DEVICE_NAMES, Device, device
from ohmbench.kirchhoff.execution import ExecutionPath, right_hand_side
from ohmbench.kirchhoff.simulation import Solver
from ohmbench.kirchhoff.topologies import Topology

DEVICES: dict[str, Device] = {
    **{name: device(name) for name in DEVICE_NAMES if name != "Device"},
    **{
        f"Device-{activation}-{form}": device(
            "Device", activation=activation, difference=form == "difference"
        )
        for activation in ACTIVATIONS
        for form in ("difference", "two-voltages")
    },
}
"""Every device there is, the general one with each activation and in both forms."""

SMOOTH = [n for n, d in DEVICES.items() if "relu" not in d.activation.name]
"""Devices without a kink."""

FUSED = [n for n, d in DEVICES.items() if d.activation.name not in ("sigmoid", "softplus")]
"""Devices that the fused kernels know."""

T0 = torch.zeros(())
TIGHT = Solver("dopri8", tol=1e-11)
"""As exact as float64 circuits need to be told apart at 1e-9."""


def random_topology(seed: int, n_free: int, edges: int, *, shared: bool = False) -> Topology:
    """A graph in which every free node has an edge; some edges parallel, some with ground."""
    rng = np.random.default_rng(seed)
    here = np.concatenate([np.arange(1, n_free + 1), rng.integers(0, n_free + 1, edges)])
    there = (here + rng.integers(1, n_free + 1, len(here))) % (n_free + 1)
    swap = rng.random(len(here)) < 0.5
    source, destination = np.where(swap, there, here), np.where(swap, here, there)
    parameter = np.arange(len(here))
    if shared:
        columns = max(1, len(here) // 2)
        parameter = rng.permutation(np.arange(len(here)) % columns)
    return Topology(n_free, *(x.astype(np.int64) for x in (source, destination, parameter)))


def random_circuit(
    seed: int,
    n_free: int = 4,
    edges: int = 12,
    kind: str = "ShiftTanh2",
    *,
    shared: bool = False,
    dtype: torch.dtype = torch.float64,
    scale: float = 1.0,
) -> Circuit:
    """``edges`` besides one at every node; parameters normal with standard deviation ``scale``."""
    topology = random_topology(seed, n_free, edges, shared=shared)
    generator = torch.Generator().manual_seed(seed)
    p = torch.randn(DEVICES[kind].rows, topology.n_parameters, generator=generator)
    return Circuit(topology, DEVICES[kind], (scale * p).to(dtype))


def as_dtype(circuit: Circuit, dtype: torch.dtype) -> Circuit:
    """The same circuit with the same values in another type."""
    return Circuit(circuit.topology, circuit.device, circuit.param.detach().to(dtype))


def voltages(
    seed: int, batch: int, n_free: int, dtype: torch.dtype = torch.float64
) -> torch.Tensor:
    """(batch, n_free) normal voltages."""
    generator = torch.Generator().manual_seed(seed)
    return (1.5 * torch.randn(batch, n_free, generator=generator)).to(dtype)


@st.composite
def circuits(draw: st.DrawFn, kinds: Sequence[str] = tuple(DEVICES)) -> Circuit:
    """float64 circuits of any device, up to 6 free nodes, with and without shared parameters."""
    return random_circuit(
        draw(st.integers(0, 10_000)),
        draw(st.integers(1, 6)),
        draw(st.integers(0, 20)),
        draw(st.sampled_from(list(kinds))),
        shared=draw(st.booleans()),
    )


def rc(conductance: float, v_nodes: int = 1) -> Circuit:
    """``v_nodes`` free nodes, each with a conductance to ground and nothing else: RC circuits."""
    nodes = np.arange(1, v_nodes + 1, dtype=np.int64)
    p = torch.zeros(3, v_nodes, dtype=torch.float64)
    p[0] = conductance
    return Circuit(Topology(v_nodes, nodes, np.zeros_like(nodes)), DEVICES["Conductance"], p)


@dataclass
class MadeFlow:
    """The least that ``flows`` asks of a network."""

    circuits: Sequence[Circuit]
    durations: Sequence[float]
    solver: Solver = field(default_factory=lambda: TIGHT)
    dimension: int = 2

    def right_hand_sides(self, path: ExecutionPath = "auto") -> list[RightHandSide]:
        return [right_hand_side(c, path) for c in self.circuits]


def random_flow(seed: int, kind: str = "ShiftTanh2", slices: int = 2, **options: Any) -> MadeFlow:
    """A flow of the plane whose density is wide enough to be seen on a grid."""
    made = [random_circuit(seed + k, 2, 8, kind, scale=0.5) for k in range(slices)]
    return MadeFlow(made, [0.4 + 0.3 * k for k in range(slices)], **options)


def plain(circuit: Circuit) -> PlainRightHandSide:
    return PlainRightHandSide(circuit)


# ------------------------------------------------------------------------------------------------
# Configurations


def config(bench: str = "gauss", **changes: Any) -> Config:
    """A tiny configuration of ``bench``; ``a__b=value`` replaces the value at ``a.b``."""
    made: dict[str, Any] = {
        "test_bench": bench,
        "batch_size": 64,
        "network": {
            "model": {"name": "ShiftTanh2", "args": {}},
            "net_struct": [fully(3), fully(3)],
            "initialization": "kaiming",
            "adjoint": False,
        },
        "simulation": {
            "method": "rk4",
            "t_end": [0.0, 0.5, 1.0],
            "tol": 1e-4,
            "first_step": 1e-2,
            "min_step": 1e-6,
            "step_size": 0.25,
        },
        "train": {"lr": 0.01, "num_epoch": 1},
    }
    for path, value in changes.items():
        *way, last = path.split("__")
        place = made
        for step in way:
            place = place[step]
        place[last] = value
    return Config.model_validate(made)


def fully(num_node: int, repeat: Sequence[int] = (4, 4), **args: Any) -> dict[str, Any]:
    return {"name": "_fully_connect", "args": {"num_node": num_node, "repeat": [*repeat], **args}}


def mixed(side: int, window: int, extra: int) -> dict[str, Any]:
    image = {"num_channel": 1, "width": side, "height": side, "neighbor_size": window}
    return {"name": "_mix_connect", "args": {**image, "fully_connect_node": extra}}


def regression_config(bench: str = "toyregress", **changes: Any) -> Config:
    """Regression on ``nodes`` voltages, the last of which is read."""
    inputs = {"toyregress": 5, "diabete": 10, "housing": 8}[bench]
    changes = {
        "network__net_struct": [fully(inputs + 3, (1, 1))],
        "network__projector": "last1",
        "simulation__t_end": [0.0, 1.0],
        **changes,
    }
    return config(bench, **changes)


def classifier_config(**changes: Any) -> Config:
    """The smallest classifier of MNIST's images: a window of 2 and ten nodes to be read."""
    changes = {
        "batch_size": 32,
        "network__model": {"name": "ShiftRelu1", "args": {}},
        "network__net_struct": [mixed(28, 2, 10)],
        "network__projector": "last10",
        "simulation__t_end": [0.0, 1.0],
        "simulation__step_size": 0.5,
        **changes,
    }
    return config("mnist", **changes)


def baseline_config(bench: str = "gauss", **changes: Any) -> Config:
    """The baseline for ``bench``: a hyper-network's flow, or a feed-forward network."""
    flow = bench not in ("toyregress", "diabete", "housing", "mnist")
    hyper = {"name": "HyperNetwork", "args": {"hidden": 8, "width": 6}}
    forward = {"name": "FeedForward", "args": {"hidden": [8, 6]}}
    changes = {
        "network__model": hyper if flow else forward,
        "network__net_struct": [],
        "simulation__t_end": [0.0, 1.0],
        **changes,
    }
    return config(bench, **changes)
