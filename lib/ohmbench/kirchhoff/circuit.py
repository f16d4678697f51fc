"""One time slice of a KirchhoffNet: a circuit of devices with unit capacitance on every node.

Kirchhoff's current law makes it a differential equation in the node voltages (KIRCHHOFF):
``dv_n/dt = sum of currents into n - sum of currents out of n``, in normalised units (1 F, 1 V, 1 A,
1 s).
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from ohmbench.errors import OperandError, ShapeError
from ohmbench.kirchhoff.devices import Coefficients, Device
from ohmbench.kirchhoff.step_control import StepControl
from ohmbench.kirchhoff.topologies import GROUND, Topology


class Circuit(torch.nn.Module):
    """Topology, device and parameters of one slice.

    ``param`` (device.rows, topology.n_parameters), float32 or float64, trainable. Raises ShapeError
    when it does not fit.
    """

    source: Int64[Tensor, " edges"]
    destination: Int64[Tensor, " edges"]
    column: Int64[Tensor, " edges"]

    def __init__(
        self, topology: Topology, device: Device, param: Float[Tensor, "rows parameters"]
    ) -> None:
        super().__init__()
        shape = (device.rows, topology.n_parameters)
        if tuple(param.shape) != shape:
            raise ShapeError(
                f"{device.name}: parameters of shape {tuple(param.shape)}, but should be {shape}"
            )
        self.topology, self.device = topology, device
        self.param = torch.nn.Parameter(param)
        for name, nodes in (
            ("source", topology.source),
            ("destination", topology.destination),
            ("column", topology.parameter),
        ):
            # Not part of a checkpoint: the configuration determines them.
            self.register_buffer(name, torch.from_numpy(nodes), persistent=False)

    def coefficients(self) -> Coefficients:
        """``g, a, b, c`` of every edge, each (edges,)."""
        p = self.param
        return self.device.coefficients(p[:, self.column] if self.topology.shared else p)


@runtime_checkable  # tests check annotations at run time
class RightHandSide(Protocol):
    """A circuit prepared for many evaluations with the same parameters.

    ``v`` is (batch, n_free), or (n_free, batch) if ``node_major``; ``t`` is the time since the
    slice began, on which a circuit does not depend. ``tensors`` carry gradients to the parameters.
    """

    node_major: bool
    tensors: tuple[torch.Tensor, ...]

    def derivative(
        self, t: Float[Tensor, ""], v: Float[Tensor, "rows columns"]
    ) -> Float[Tensor, "rows columns"]:
        """dv/dt in V/s, in the shape of ``v``."""
        ...

    def with_divergence(
        self, t: Float[Tensor, ""], v: Float[Tensor, "rows columns"]
    ) -> tuple[Float[Tensor, "rows columns"], Float[Tensor, " batch"]]:
        """dv/dt, and its divergence (trace of its Jacobian) per sample (batch,)."""
        ...


@runtime_checkable
class Stepper(Protocol):
    """A right-hand side that can integrate a whole slice itself, faster than step by step.

    Both methods return the end voltages, in the shape of ``v``, and the integral of the divergence
    (batch,), which is empty unless requested.
    """

    def rk4(
        self, v: Float[Tensor, "rows columns"], h: Float[Tensor, " steps"], *, divergence: bool
    ) -> tuple[Float[Tensor, "rows columns"], Float[Tensor, " batch"]]:
        """Take the steps ``h`` (steps,) of torchdiffeq's fourth-order method."""
        ...

    def dopri5(
        self, v: Float[Tensor, "rows columns"], control: StepControl, *, divergence: bool
    ) -> tuple[Float[Tensor, "rows columns"], Float[Tensor, " batch"]]:
        """Take steps of Dormand and Prince's method, whose sizes ``control`` chooses from their
        errors.

        Gradients treat the step sizes as constants. Raises what ``control`` raises.
        """
        ...


class PlainRightHandSide:
    """Kirchhoff's current law written out: gather, device, scatter. The reference path."""

    node_major = False

    def __init__(self, circuit: Circuit) -> None:
        self._c = circuit
        self._coefficients = circuit.coefficients()
        self.tensors: tuple[torch.Tensor, ...] = tuple(self._coefficients)
        g, a, b, _ = self._coefficients
        # d(out of s)/dv_s and d(into d)/dv_d of one edge per unit of phi'; ground's voltage is
        # fixed.
        self._trace = g * (
            torch.where(circuit.destination != GROUND, b, 0.0)
            - torch.where(circuit.source != GROUND, a, 0.0)
        )

    def node_currents(self, v: Float[Tensor, "batch n_free"]) -> Float[Tensor, "batch n_free+1"]:
        """Net current into every node, ground first, (batch, n_free + 1); it sums to zero."""
        return self._scatter(self.edge_currents(v))

    def edge_currents(self, v: Float[Tensor, "batch n_free"]) -> Float[Tensor, "batch edges"]:
        """Current of every edge from source to destination, (batch, edges)."""
        return self._coefficients.g * self._c.device.activation.phi(self._drive(v))

    def _drive(self, v: torch.Tensor) -> torch.Tensor:
        _, a, b, c = self._coefficients
        with_ground = torch.nn.functional.pad(v, (1, 0))
        return a * with_ground[:, self._c.source] + b * with_ground[:, self._c.destination] + c

    def _scatter(self, i: torch.Tensor) -> torch.Tensor:
        net = i.new_zeros(len(i), self._c.topology.n_free + 1)
        return net.index_add(1, self._c.destination, i).index_add(1, self._c.source, -i)

    def derivative(
        self, t: Float[Tensor, ""], v: Float[Tensor, "batch n_free"]
    ) -> Float[Tensor, "batch n_free"]:
        """dv/dt (batch, n_free), V/s, of ``v`` (batch, n_free)."""
        return self.node_currents(v)[:, 1:]

    def with_divergence(
        self, t: Float[Tensor, ""], v: Float[Tensor, "batch n_free"]
    ) -> tuple[Float[Tensor, "batch n_free"], Float[Tensor, " batch"]]:
        """dv/dt (batch, n_free) and its divergence (batch,), in closed form."""
        activation = self._c.device.activation
        u = self._drive(v)
        y = activation.phi(u)
        net = self._scatter(self._coefficients.g * y)[:, 1:]
        return net, activation.slope(u, y) @ self._trace


class AutogradDivergence:
    """A right-hand side for (batch, n_free) voltages whose divergence comes from automatic
    differentiation.

    It is the way of the published code, and the reference for the closed form. Raises OperandError
    for a node-major right-hand side.
    """

    node_major = False

    def __init__(self, rhs: RightHandSide) -> None:
        if rhs.node_major:
            raise OperandError("divergence by autograd takes a right-hand side of (batch, n_free)")
        self._rhs = rhs
        self.tensors = rhs.tensors

    def derivative(
        self, t: Float[Tensor, ""], v: Float[Tensor, "batch n_free"]
    ) -> Float[Tensor, "batch n_free"]:
        """dv/dt of the given right-hand side."""
        return self._rhs.derivative(t, v)

    def with_divergence(
        self, t: Float[Tensor, ""], v: Float[Tensor, "batch n_free"]
    ) -> tuple[Float[Tensor, "batch n_free"], Float[Tensor, " batch"]]:
        """dv/dt (batch, n_free) and its divergence (batch,), with one reverse pass per node."""
        # torch.func's gradient, so that the result can itself be transformed.
        net, pull_back = torch.func.vjp(lambda v: self._rhs.derivative(t, v), v)[:2]
        trace = torch.zeros_like(v[:, 0])
        for n in range(v.shape[1]):
            wanted = torch.zeros_like(v)
            wanted[:, n] = 1
            trace = trace + pull_back(wanted)[0][:, n]
        return net, trace
