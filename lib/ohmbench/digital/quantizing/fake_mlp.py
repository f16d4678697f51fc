"""The arithmetic of ``scales`` in training: each forward pass computes the integers themselves.

In float64, sums of integers times scales give back these integers by rounding, so that the forward
pass applies ``M``, ``R`` and ``S`` of the current weights exactly as the integer network does. Its
outputs are the integers' real values, without any deviation.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from typing_extensions import override

from ohmbench.digital.integer.network import InputFormat, IntegerNetwork
from ohmbench.digital.quantizing.calibration import Formats, integer_network
from ohmbench.digital.quantizing.fake_quant import FakeQuantLayers, straight_through
from ohmbench.digital.quantizing.float_models import FloatMLP
from ohmbench.digital.quantizing.scales import as_scale, half, multipliers, weight_scales


class FakeQuantMLP(FakeQuantLayers):
    """``model`` in training, in ``formats``, with inputs in the format ``read``.

    ``scales`` are those of the hidden layers' outputs at the start. Parameters are float64.
    """

    def __init__(
        self, model: FloatMLP, read: InputFormat, scales: Sequence[float], formats: Formats
    ) -> None:
        super().__init__(
            [
                (torch.from_numpy(weight.copy()), torch.from_numpy(bias.copy()))
                for weight, bias in zip(model.weights, model.biases, strict=True)
            ]
        )
        self.names, self.read, self.formats = model.names, read, formats
        self.in_scale = read.scale
        self.activation_max = 2**formats.activation_bits - 1
        with torch.no_grad():
            for k, scale in enumerate(scales):
                self.hidden_max[k] = scale * self.activation_max

    def weight_scale(self, layer: int) -> torch.Tensor:
        """Scale of each channel's weights (outputs,)."""
        weight = self.get_parameter(f"weight_{layer}").detach().numpy()
        per = "tensor" if layer + 1 == self.depth else self.formats.per
        return torch.from_numpy(weight_scales(weight, self.formats.weight_bits, per))

    @override
    def out_scale(self, layer: int) -> float:
        largest = float(self.hidden_max[layer])
        return as_scale(largest / self.activation_max, f"{self.names[layer]}: its scale")

    @override
    def quantised(
        self, layer: int, in_scale: torch.Tensor | float
    ) -> tuple[torch.Tensor, torch.Tensor]:
        weight, bias = self.get_parameter(f"weight_{layer}"), self.get_parameter(f"bias_{layer}")
        scale = self.weight_scale(layer)
        unit = in_scale * scale
        return (
            straight_through(weight, scale[:, None] * (weight / scale[:, None]).round()),
            straight_through(bias, unit * (bias / unit).round()),
        )

    @override
    def rounded(
        self,
        layer: int,
        sums: torch.Tensor,
        clamped: torch.Tensor,
        in_scale: torch.Tensor | float,
        out_scale: torch.Tensor | float,
    ) -> torch.Tensor:
        unit = in_scale * self.weight_scale(layer)
        M, S = multipliers((unit / out_scale).numpy())
        biased = (sums.detach() / unit).round().to(torch.int64)  # acc + b_q, or 0 if negative
        h = (biased * torch.from_numpy(M) + half(S)) >> S
        return h.clamp(max=self.activation_max).to(sums.dtype)

    def model(self) -> FloatMLP:
        """The current real weights."""
        parameters = [
            [self.get_parameter(f"{kind}_{k}").detach().numpy() for k in range(self.depth)]
            for kind in ("weight", "bias")
        ]
        return FloatMLP(tuple(parameters[0]), tuple(parameters[1]), self.names)

    def integers(self) -> IntegerNetwork:
        """The current network in integers. Raises RangeError, naming the layer, if it cannot be."""
        scales = [self.out_scale(k) for k in range(self.depth - 1)]
        return integer_network(self.model(), self.read, scales, self.formats)
