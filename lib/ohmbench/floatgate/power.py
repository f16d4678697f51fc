"""Static power of a floating-gate network and, given a settling time, energy per inference.

``P = V_dd (N (2 * 570 nA + 400 nA) + 100 nA + sum of |line currents| of all layers)`` (FANN, power
script), where N is the number of neurons of the network. Bias currents and supply are taken from
the card. The published script uses N = 110 for every network, which is right for 64-100-10 only:
784-64-10 has 74.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor

from ohmbench.errors import RangeError
from ohmbench.floatgate.evaluation import in_chunks
from ohmbench.floatgate.networks import FGNetwork
from ohmbench.transforms import followed, outside_graph


@outside_graph
def power_per_image(
    network: FGNetwork, v: Float[Tensor, "images inputs"]
) -> Float64[Tensor, " images"]:
    """Static power in watt, float64 (images,), for gate voltages ``v`` (images, inputs) in volt.

    Differentiable if ``v`` requires gradients, and under torch.func. Without gradients, many images
    are computed in batches and take little memory.
    """

    def array_current(chunk: torch.Tensor) -> torch.Tensor:
        currents = [step.currents for step in network.trace(chunk)]
        return torch.stack([(i.pos.double() - i.neg.double()).sum(-1) for i in currents]).sum(0)

    with torch.set_grad_enabled(torch.is_grad_enabled() and (v.requires_grad or followed())):
        i = in_chunks(network, v, array_current)
    circuits = network.spec.circuits
    return circuits.overhead_W(network.spec.neurons) + circuits.v_dd_V * i


def power_of_first_image_per_class(
    power_W: Float[Tensor, " images"], labels: Int[Tensor, " images"], classes: int
) -> Float[Tensor, " {classes}"]:
    """Power (classes,) in watt for the first image of each class, as in the published figures.

    NaN for a class without images.
    """
    of_class = _of_class(labels, classes)
    first = of_class.int().argmax(0)  # the first of the largest
    return torch.where(of_class.any(0), power_W[first], math.nan)


def mean_power_per_class(
    power_W: Float[Tensor, " images"], labels: Int[Tensor, " images"], classes: int
) -> Float64[Tensor, " {classes}"]:
    """Mean power (classes,) in watt over the images of each class; NaN for a class without any."""
    of_class = _of_class(labels, classes).double()
    return (power_W.double() @ of_class) / of_class.sum(0)


def _of_class(labels: torch.Tensor, classes: int) -> torch.Tensor:
    """Whether each image belongs to each class, bool (images, classes)."""
    return labels[:, None] == torch.arange(classes, dtype=torch.int64, device=labels.device)


def max_power(network: FGNetwork) -> float:
    """Power in watt if every cell carries its programmed current (sum of |w| and |bias|)."""
    with torch.no_grad():
        programmed = sum(
            float(layer.weight.double().abs().sum() + layer.bias.double().abs().sum())
            for layer in network.fg_layers
        )
    circuits = network.spec.circuits
    return circuits.overhead_W(network.spec.neurons) + circuits.v_dd_V * programmed


def energy_per_inference(
    power_W: Float[Tensor, "*images"], settling_time_s: float
) -> Float[Tensor, "*images"]:
    """Static energy in joule: power times ``settling_time_s``, which the user must supply.

    The artifacts give no settling time. Raises RangeError unless it is positive and finite.
    """
    if not 0 < settling_time_s < float("inf"):
        raise RangeError(f"settling time {settling_time_s:g} s should be positive and finite")
    return power_W * settling_time_s
