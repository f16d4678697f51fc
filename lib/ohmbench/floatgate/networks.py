"""The published floating-gate networks as data, and the module that runs a network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from ohmbench.errors import OperandError, ShapeError
from ohmbench.floatgate.circuits import PAPER_CIRCUITS, Activation, Circuits
from ohmbench.floatgate.layers import FGLayer
from ohmbench.floatgate.programming import ProgrammableSet, Violations
from ohmbench.floatgate.rows import RowExecutionPath
from ohmbench.floatgate.synapse import LineCurrents


@dataclass(frozen=True)
class NetworkSpec:
    """Shape, circuits and voltage encoding of one network.

    ``sizes`` counts inputs and then the neurons of each layer. A feature in [0, 1] becomes the gate
    voltage ``v_low_V + v_span_V * feature``. ``dataset`` names the source of the features;
    ``circuits`` are those of the device. Raises OperandError if the device lacks the circuit of an
    activation.
    """

    name: str
    sizes: tuple[int, ...]
    activations: tuple[Activation, ...]
    v_low_V: float
    v_span_V: float
    dataset: str
    circuits: Circuits = PAPER_CIRCUITS

    def __post_init__(self) -> None:
        if len(self.activations) != len(self.sizes) - 1:
            raise ValueError(f"{self.name}: needs one activation per layer")
        for activation in self.activations:
            self.circuits.cell(activation)

    @property
    def neurons(self) -> int:
        """Number of rows with an activation circuit, over all layers; used by the power model."""
        return sum(self.sizes[1:])

    def encode(self, features: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """Gate voltages in volt of features in [0, 1], any shape."""
        return self.v_low_V + self.v_span_V * features

    def programmable(self, layer: int) -> ProgrammableSet:
        """The currents that the array of ``layer`` can be programmed to."""
        return self.circuits.programmable(self.activations[layer])


_S, _W = Activation.SIGMOID, Activation.WTA

SPECS = {
    spec.name: spec
    for spec in (
        NetworkSpec("floatgate-digits", (64, 100, 10), (_S, _S), 1.8, 0.7, "digits"),
        # The paper's second snapshot (its 8x8 file) spans 0.6 V instead of 0.7 V.
        NetworkSpec("floatgate-digits-2V4", (64, 100, 10), (_S, _S), 1.8, 0.6, "digits"),
        NetworkSpec("floatgate-mnist28", (784, 64, 10), (_S, _S), 1.8, 0.6, "mnist"),
        # The artifacts do not give the encoding of circle coordinates; the range of the digits is
        # used.
        NetworkSpec("floatgate-circles", (2, 5, 2), (_S, _W), 1.8, 0.7, "circles"),
        NetworkSpec("floatgate-circles-sigmoid", (2, 4, 2), (_S, _S), 1.8, 0.7, "circles"),
        NetworkSpec("floatgate-circles-single", (2, 1, 2), (_S, _W), 1.8, 0.7, "circles"),
    )
}
"""Name -> network (FANN, networks and training)."""


def network_spec(name: str) -> NetworkSpec:
    """The spec called ``name``; raises OperandError listing the known names."""
    try:
        return SPECS[name]
    except KeyError:
        raise OperandError(f"unknown network {name!r}; choose one of {', '.join(SPECS)}") from None


class LayerTrace(NamedTuple):
    """One layer of a forward pass: gate voltages in, line currents, outputs."""

    v: Float[Tensor, "*batch inputs"]
    currents: LineCurrents
    out: Float[Tensor, "*batch outputs"]


class FGNetwork(torch.nn.Module):
    """A network with its programmed currents.

    ``weights[k]`` (sizes[k+1], sizes[k]) and ``biases[k]`` (sizes[k+1],) in ampere, float32 or
    float64. Raises ShapeError when they do not fit ``spec``.
    """

    def __init__(
        self,
        spec: NetworkSpec,
        weights: list[Float[Tensor, "_outputs _inputs"]],
        biases: list[Float[Tensor, " _outputs"]],
    ) -> None:
        super().__init__()
        self.spec = spec
        layers = []
        for k, activation in enumerate(spec.activations):
            shape = (spec.sizes[k + 1], spec.sizes[k])
            if tuple(weights[k].shape) != shape or tuple(biases[k].shape) != shape[:1]:
                raise ShapeError(
                    f"{spec.name}: layer {k} has weight {tuple(weights[k].shape)} and bias "
                    f"{tuple(biases[k].shape)}, but should have {shape} and {shape[:1]}"
                )
            layers.append(FGLayer(weights[k], biases[k], activation, circuits=spec.circuits))
        self.layers = torch.nn.ModuleList(layers)

    @property
    def fg_layers(self) -> list[FGLayer]:
        """The layers, typed as FGLayer (ModuleList loses the type)."""
        return [layer for layer in self.layers if isinstance(layer, FGLayer)]

    def trace(
        self, v: Float[Tensor, "*batch inputs"], *, path: RowExecutionPath = "auto"
    ) -> list[LayerTrace]:
        """Every layer's voltages and currents for gate voltages ``v`` (..., inputs) in volt.

        ``path`` is explained in ``rows``; "plain" is the reference.
        """
        steps = []
        for layer in self.fg_layers:
            currents = layer.currents(v, path=path)
            out = layer.output(currents)
            steps.append(LayerTrace(v, currents, out))
            v = out
        return steps

    def forward(self, v: Float[Tensor, "*batch inputs"]) -> Float[Tensor, "*batch classes"]:
        """Outputs (..., classes) for gate voltages ``v`` (..., inputs) in volt."""
        for layer in self.layers:
            v = layer(v)
        return v

    def logits(self, out: Float[Tensor, "*batch classes"]) -> Float[Tensor, "*batch classes"]:
        """Dimensionless logits of the outputs, scaled by the card; WTA outputs are unchanged."""
        return self.spec.circuits.logits(self.spec.activations[-1], out)

    def violations(self) -> dict[str, Violations]:
        """Unprogrammable currents of each array ("layer 0 weight", ...): how many, and why."""
        found = {}
        for k, layer in enumerate(self.fg_layers):
            programmable = self.spec.programmable(k)
            for kind, currents in (("weight", layer.weight), ("bias", layer.bias)):
                found[f"layer {k} {kind}"] = programmable.violations(currents)
        return found
