"""A KirchhoffNet: a sequence of slices (circuits), with its input and output."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Float32
from torch import Tensor

from ohmbench.errors import ShapeError
from ohmbench.kirchhoff.circuit import Circuit, RightHandSide
from ohmbench.kirchhoff.configuration import Config, SimulationSettings
from ohmbench.kirchhoff.devices import Device, device
from ohmbench.kirchhoff.execution import ExecutionPath, right_hand_side
from ohmbench.kirchhoff.simulation import Result, Solver, durations, integrate
from ohmbench.kirchhoff.topologies import Topology, topology
from ohmbench.tensors import FLOAT32


def solver_of(simulation: SimulationSettings, *, adjoint: bool) -> Solver:
    """The solver that a configuration asks for."""
    return Solver(
        simulation.method,
        simulation.tol,
        simulation.first_step,
        simulation.min_step,
        simulation.step_size,
        adjoint,
    )


def initial_parameters(
    kind: str, device: Device, columns: int, generator: torch.Generator
) -> Float32[Tensor, "{device.rows} {columns}"]:
    """Parameters (device.rows, columns), float32, as torch.nn.init's function of that name makes
    them.

    ``kind``: ``uniform`` on [0, 1), ``zeros``, ``ones``, ``gauss`` standard normal, ``xavier`` and
    ``kaiming`` uniform for the array as a (rows, columns) matrix, so that more edges start with
    smaller values.
    """
    p = torch.empty(device.rows, columns, **FLOAT32)
    init = torch.nn.init
    if kind == "zeros":
        return init.zeros_(p)
    if kind == "ones":
        return init.ones_(p)
    if kind == "uniform":
        return init.uniform_(p, generator=generator)
    if kind == "gauss":
        return init.normal_(p, generator=generator)
    if kind == "xavier":
        return init.xavier_uniform_(p, generator=generator)
    return init.kaiming_uniform_(p, generator=generator)


def filled(x: Float[Tensor, "batch n"], width: int, how: str) -> Float[Tensor, "batch {width}"]:
    """``x`` (batch, n) widened to (batch, width), by ``zeros`` or ``repeat``.

    Raises ShapeError if it is wider already.
    """
    n = x.shape[1]
    if n > width:
        raise ShapeError(f"samples of {n} numbers, but the circuit has {width} nodes")
    if how == "repeat":
        return x.repeat(1, math.ceil(width / n))[:, :width]
    return torch.nn.functional.pad(x, (0, width - n))


def linear(inputs: int, outputs: int, generator: torch.Generator) -> torch.nn.Linear:
    """A linear layer with torch's default distribution, from ``generator``."""
    layer: torch.nn.Linear = torch.nn.utils.skip_init(torch.nn.Linear, inputs, outputs, **FLOAT32)
    bound = 1 / math.sqrt(inputs)
    with torch.no_grad():
        for p in (layer.weight, layer.bias):
            p.uniform_(-bound, bound, generator=generator)
    return layer


class KirchhoffNet(torch.nn.Module):
    """The network that ``config`` describes, with parameters from ``generator``.

    ``config.network`` must name slices (not a baseline); ``slices[i]`` is the circuit of slice i.
    """

    def __init__(self, config: Config, generator: torch.Generator) -> None:
        super().__init__()
        network = config.network
        self.config = config
        arguments = network.model.args.model_dump()
        kind = device(network.model.name, **arguments)
        made: dict[str, Topology] = {}  # slices mostly share one topology: its arrays are made once
        circuits = []
        for part in network.net_struct:
            key = repr(part)
            if key not in made:
                made[key] = topology(part.name, part.args.model_dump())
            shape = made[key]
            p = initial_parameters(network.initialization, kind, shape.n_parameters, generator)
            circuits.append(Circuit(shape, kind, p))
        self.slices = torch.nn.ModuleList(circuits)
        self.durations = durations(config.simulation.t_end)
        self.n_free = network.n_free
        self.dimension = config.inputs
        encoder, projector = network.encoder, network.projector
        self.encoder = (
            linear(encoder.inputs, encoder.outputs, generator) if encoder.kind == "mlp" else None
        )
        self.projector = (
            linear(projector.n, projector.outputs, generator) if projector.kind == "mlp" else None
        )

    @property
    def circuits(self) -> list[Circuit]:
        """The slices with their own type, which ModuleList loses."""
        return [c for c in self.slices if isinstance(c, Circuit)]

    @property
    def solver(self) -> Solver:
        """The configuration's solver."""
        return solver_of(self.config.simulation, adjoint=self.config.network.adjoint)

    def right_hand_sides(self, path: ExecutionPath = "auto") -> list[RightHandSide]:
        """The slices, prepared for a path; valid until a parameter changes."""
        return [right_hand_side(c, path) for c in self.circuits]

    def voltages(self, x: Float[Tensor, "batch inputs"]) -> Float[Tensor, "batch {self.n_free}"]:
        """Initial node voltages (batch, n_free) of samples ``x`` (batch, inputs)."""
        if self.encoder is not None:
            x = self.encoder(x)
        return filled(x, self.n_free, self.config.network.fill)

    def read_out(self, v: Float[Tensor, "batch n_free"]) -> Float[Tensor, "batch outputs"]:
        """Outputs (batch, n) of end voltages ``v`` (batch, n_free)."""
        projector = self.config.network.projector
        if self.projector is not None:
            out: Tensor = self.projector(v)
            return out
        if projector.kind == "last":
            return v[:, -projector.n :]
        if projector.kind == "first":
            return v[:, : projector.n]
        if projector.kind == "reshape":
            return v.reshape(len(v), projector.n, -1).mean(2)
        return v

    def run(
        self,
        x: Float[Tensor, "batch inputs"],
        *,
        solver: Solver | None = None,
        path: ExecutionPath = "auto",
        points: int = 0,
    ) -> Result:
        """Take samples ``x`` (batch, inputs) through all slices; ``points`` as in ``integrate``."""
        solver = self.solver if solver is None else solver
        v, sides = self.voltages(x), self.right_hand_sides(path)
        if not self.config.network.residual:
            return integrate(sides, self.durations, v, solver, points=points)
        nfe: tuple[int, ...] = ()
        path_parts = []
        for k, side in enumerate(sides):
            found = integrate([side], self.durations[k : k + 1], v, solver, points=points)
            v, nfe = v + found.v, nfe + found.nfe
            path_parts += [found.path] if found.path is not None else []
        return Result(v, None, nfe, torch.cat(path_parts) if path_parts else None)

    def forward(self, x: Float[Tensor, "batch inputs"]) -> Float[Tensor, "batch outputs"]:
        """Outputs (batch, n) for samples ``x`` (batch, inputs), by the configuration's solver."""
        return self.read_out(self.run(x).v)
