"""Every public function of torch tensors, each with operands to be transformed at.

A case is a function of one sample and samples for it: what torch.func's vmap makes of all of them
is what the function gives of each. All is float64, where central differences tell derivatives.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch.func import functional_call

from ohmbench import digital, floatgate, kirchhoff
from ohmbench.data.energies import ENERGIES, PUBLISHED
from ohmbench.digital.training import FakeQuantNetwork
from ohmbench.floatgate import (
    EKV,
    FG_ARRAY,
    FG_ARRAY_WTA,
    SPECS,
    SUBTHRESHOLD,
    WTA_CELL,
    Activation,
    FGLayer,
    Line,
    current_to_voltage,
    energy_per_inference,
    line_currents,
    mean_power_per_class,
    power_of_first_image_per_class,
    power_per_image,
    relu,
    relu_smooth,
    sigmoid,
    wta,
    wta_transistor,
)
from ohmbench.floatgate.scales import AsinhOptions, OnCurrentOptions
from ohmbench.kirchhoff.circuit import AutogradDivergence, PlainRightHandSide
from ohmbench.kirchhoff.execution import right_hand_side
from ohmbench.kirchhoff.flows import log_normal, pull_back, push_forward
from ohmbench.kirchhoff.models import build
from ohmbench.kirchhoff.simulation import FIXED_STEP, Solver, integrate, integrate_noisy
from tests.unit.circuits import (
    DEVICES,
    T0,
    baseline_config,
    config,
    random_circuit,
    random_flow,
    regression_config,
    voltages,
)
from tests.unit.networks import random_network

Tensor = torch.Tensor
F64 = torch.float64


@dataclass(frozen=True)
class Case:
    """``f`` of one sample, and samples (n, ...) at which it is smooth.

    ``straight_through``: gradients are not those of the values, but of what is rounded.
    """

    f: Callable[[Tensor], Tensor]
    x: Tensor
    straight_through: bool = False


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def uniform(low: float, high: float, *shape: int, seed: int = 0) -> Tensor:
    return low + (high - low) * torch.rand(*shape, generator=generator(seed), dtype=F64)


def log_uniform(low: float, high: float, *shape: int, seed: int = 0) -> Tensor:
    return torch.exp(uniform(math.log(low), math.log(high), *shape, seed=seed))


def signed(x: Tensor, seed: int = 9) -> Tensor:
    return torch.where(torch.rand(x.shape, generator=generator(seed)) < 0.5, -x, x)


def joined(found: tuple[Tensor, ...]) -> Tensor:
    return torch.cat([x.reshape(-1) for x in found])


# ------------------------------------------------------------------------------------------------
# Floating-gate networks

_V = uniform(1.75, 2.45, 3, 4)
_W = {
    "ekv": signed(log_uniform(1e-11, 1e-6, 3, 4, seed=1)),
    "subthreshold": signed(log_uniform(1e-11, 1e-7, 3, 4, seed=1)),
    "wta_cell": log_uniform(1e-9, 5e-6, 3, 4, seed=1),
}
_ROWS = {
    "ekv": signed(log_uniform(1e-11, 1e-6, 3, 2, 4, seed=2)),
    "subthreshold": signed(log_uniform(1e-11, 1e-7, 3, 2, 4, seed=2)),
    "wta_cell": log_uniform(1e-9, 5e-6, 3, 2, 4, seed=2),
}
_BIAS = 1e-8 * uniform(0.2, 1.0, 2, seed=3) * torch.tensor([1.0, -1.0], dtype=F64)


def _cells() -> dict[str, Case]:
    cases = {}
    for cell in (EKV, SUBTHRESHOLD, WTA_CELL):
        w, rows = _W[cell.name], _ROWS[cell.name]
        cases[f"{cell.name}.current-v"] = Case(lambda v, c=cell, w=w: c.current(v, w[0]), _V)
        cases[f"{cell.name}.current-w"] = Case(lambda w, c=cell: c.current(_V[0], w), w)
        for path in ("auto", "plain"):
            cases[f"line_currents-{cell.name}-{path}-v"] = Case(
                lambda v, c=cell, w=rows, p=path: joined(line_currents(c, v, w[0], _BIAS, path=p)),
                _V,
            )
        cases[f"line_currents-{cell.name}-w"] = Case(
            lambda w, c=cell: joined(line_currents(c, _V, w, _BIAS)), rows
        )
        cases[f"line_currents-{cell.name}-bias"] = Case(
            lambda b, c=cell, w=rows: joined(line_currents(c, _V, w[0], b)),
            torch.stack([_BIAS, 2 * _BIAS]),
        )
    return cases


def _curves() -> dict[str, Case]:
    # In every region, and far from each boundary compared with the differences that judge.
    amperes = torch.tensor(
        [[1e-12, 5e-11, 3e-9], [4e-8, 8e-8, 4e-7], [1e-6, 3e-6, 5.5e-6]], dtype=F64
    )
    both = torch.cat([amperes, -amperes])
    p = torch.tensor([[0.2, 0.7, 1.2], [1.5, 1.7, 1.9]], dtype=F64)
    n = torch.tensor([[0.1, 0.8, 1.25], [1.4, 1.75, 2.0]], dtype=F64)
    return {
        **{
            f"current_to_voltage-{line.label}": Case(
                lambda i, line=line: current_to_voltage(i, line), amperes
            )
            for line in Line
        },
        "both-lines": Case(
            lambda i: joined((current_to_voltage(i, Line.POS), current_to_voltage(i, Line.NEG))),
            torch.tensor([[3e-6], [1e-7]], dtype=F64),
        ),
        "relu": Case(relu, both),
        "relu_smooth": Case(relu_smooth, both),
        "wta": Case(wta, amperes),
        "wta_transistor": Case(wta_transistor, amperes),
        "sigmoid-p": Case(lambda p: sigmoid(p, n[0]), p),
        "sigmoid-n": Case(lambda n: sigmoid(p[0], n), n),
    }


def _networks() -> dict[str, Case]:
    cases = {}
    for activation in Activation:
        w = (_ROWS["wta_cell"] if activation is Activation.WTA else _ROWS["ekv"])[0]
        layer = FGLayer(w.clone(), _BIAS.clone(), activation)
        cases[f"FGLayer-{activation.label}"] = Case(layer, _V)
    v = uniform(1.9, 2.4, 3, 2, seed=6)
    wta_network = random_network(SPECS["floatgate-circles"], seed=5, dtype=F64)
    network = random_network(SPECS["floatgate-circles-sigmoid"], seed=5, dtype=F64)
    first = network.layers[0].weight.detach()
    cases |= {
        "FGNetwork-wta": Case(wta_network, v),
        "FGNetwork.logits": Case(lambda v: network.logits(network(v)), v),
        "FGNetwork.trace": Case(lambda v: joined(network.trace(v)[0].currents), v),
        "FGNetwork-weights": Case(
            lambda w: functional_call(network, {"layers.0.weight": w}, (v,)),
            torch.stack([first, 1.3 * first]),
        ),
        "power_per_image": Case(lambda v: power_per_image(network, v), torch.stack([v, v.flip(0)])),
    }
    watts = uniform(1e-4, 1e-3, 2, 5)
    labels = torch.tensor([1, 0, 1, 2, 0])
    cases |= {
        "NetworkSpec.encode": Case(SPECS["floatgate-digits"].encode, uniform(0, 1, 2, 3)),
        "mean_power_per_class": Case(lambda p: mean_power_per_class(p, labels, 3), watts),
        "power_of_first_image_per_class": Case(
            lambda p: power_of_first_image_per_class(p, labels, 3), watts
        ),
        "energy_per_inference": Case(lambda p: energy_per_inference(p, 1e-6), watts),
    }
    currents, thetas = _ROWS["ekv"][:, 0], signed(uniform(0.5, 4, 2, 3))
    for programmable in (FG_ARRAY, FG_ARRAY_WTA):
        kind = "wta" if programmable.positive_only else "ekv"
        cases[f"project-{kind}"] = Case(programmable.project, currents, straight_through=True)
        cases[f"level_index-{kind}"] = Case(
            lambda w, p=programmable: p.level_index(w).double(), currents, straight_through=True
        )
        cases[f"straight_through-{kind}"] = Case(
            programmable.straight_through, currents, straight_through=True
        )
        for options in (AsinhOptions(1e-8), OnCurrentOptions(2.44, 1e-8)):
            scale = options.scale(programmable)
            cases[f"{type(scale).__name__}-{kind}"] = Case(scale, thetas, straight_through=True)
    return cases


# ------------------------------------------------------------------------------------------------
# Circuits


def _devices() -> dict[str, Case]:
    cases, v = {}, voltages(1, 3, 4)
    for name, device in DEVICES.items():
        p = torch.randn(2, device.rows, 4, generator=generator(2), dtype=F64)
        cases[f"{name}.current-p"] = Case(lambda p, d=device: d.current(p, v[0], v[1]), p)
        cases[f"{name}.current-v"] = Case(lambda v, d=device, p=p: d.current(p[0], v, v.flip(0)), v)
    return cases


def _circuits() -> dict[str, Case]:
    cases, v = {}, voltages(4, 6, 3).reshape(2, 3, 3)
    circuit = random_circuit(3, 3, 6, "ShiftTanh2")
    cases["right_hand_side"] = Case(lambda v: right_hand_side(circuit).derivative(T0, v), v)
    cases["PlainRightHandSide"] = Case(PlainRightHandSide(circuit).edge_currents, v)
    for kind in ("ShiftTanh2", "ShiftLeakyRelu1", "Conductance"):
        circuit = random_circuit(3, 3, 6, kind)
        for path in ("plain", "dense", "auto"):

            def rates(v: Tensor, c=circuit, p=path) -> Tensor:
                return joined(right_hand_side(c, p).with_divergence(T0, v))

            def by_parameters(p: Tensor, c=circuit, path=path) -> Tensor:
                return functional_call(_Rates(c, path), {"circuit.param": p}, (v[0],))

            cases[f"with_divergence-{kind}-{path}-v"] = Case(rates, v)
            cases[f"with_divergence-{kind}-{path}-param"] = Case(
                by_parameters, torch.stack([circuit.param.detach(), 1.2 * circuit.param.detach()])
            )
        if kind != "ShiftLeakyRelu1":
            rhs = AutogradDivergence(PlainRightHandSide(circuit))
            cases[f"AutogradDivergence-{kind}"] = Case(
                lambda v, r=rhs: joined(r.with_divergence(T0, v)), v
            )
    return cases


class _Rates(torch.nn.Module):
    def __init__(self, circuit, path) -> None:
        super().__init__()
        self.circuit, self.path = circuit, path

    def forward(self, v: Tensor) -> Tensor:
        return right_hand_side(self.circuit, self.path).derivative(T0, v)


def _integrals() -> dict[str, Case]:
    cases = {}
    circuits = [random_circuit(7 + k, 2, 5, "ShiftTanh2", scale=0.5) for k in range(2)]
    v = voltages(8, 4, 2).reshape(2, 2, 2)
    for method in FIXED_STEP:
        for reverse in (False, True):

            def end(v: Tensor, m=method, r=reverse) -> Tensor:
                sides = [right_hand_side(c) for c in circuits]
                found = integrate(
                    sides, [0.4, 0.3], v, Solver(m, step_size=0.15), divergence=True, reverse=r
                )
                return joined((found.v, found.delta))

            cases[f"integrate-{method}{'-reverse' if reverse else ''}"] = Case(end, v)

    def noisy(v: Tensor) -> Tensor:
        sides = [right_hand_side(c) for c in circuits]
        # Without noise: that of a generator is another at every call.
        return integrate_noisy(
            sides, [0.4, 0.3], v, step_size=0.15, noise=0.0, generator=generator()
        ).v

    cases["integrate_noisy"] = Case(noisy, v)
    flow = random_flow(9, solver=Solver("rk4", step_size=0.2))
    x = voltages(10, 2, 2)
    cases |= {
        "log_normal": Case(lambda z: log_normal(z[None])[0], x),
        "push_forward": Case(lambda z: joined(push_forward(flow, z[None])[::2]), x),
        "pull_back": Case(lambda z: joined(pull_back(flow, z[None])[1:3]), x),
    }
    return cases


def _models() -> dict[str, Case]:
    cases = {}
    makers = {
        "KirchhoffNet": regression_config(),
        "KirchhoffNet-residual": regression_config(network__residual=True),
        "KirchhoffNet-repeat": regression_config(network__fill="repeat"),
        "KirchhoffNet-mlp": regression_config(
            network__encoder="mlp_5_7", network__projector="mlp_7_1"
        ),
        "FeedForward": baseline_config("toyregress"),
    }
    for name, made in makers.items():
        model = build(made).double()
        cases[name] = Case(lambda x, m=model: m(x[None])[0], uniform(0.1, 0.9, 2, 5, seed=11))
    net, x = build(regression_config()).double(), uniform(0.1, 0.9, 2, 5, seed=11)
    p = net.slices[0].param.detach()
    cases["KirchhoffNet-param"] = Case(
        lambda p: functional_call(net, {"slices.0.param": p}, (x,)),
        torch.stack([p, 1.1 * p]),
    )
    for name, made in (("KirchhoffNet-flow", config()), ("HyperFlow", baseline_config())):
        flow = build(made).double()
        cases[name] = Case(
            lambda x, f=flow: pull_back(f, x[None]).log_density[0], voltages(12, 2, 2)
        )
    return cases


def _others() -> dict[str, Case]:
    z = torch.tensor([[1.3, 0.4], [-2.1, 0.9], [4.5, -0.3]], dtype=F64)
    quantised = FakeQuantNetwork((4, 5, 3), generator(1)).double()
    with torch.no_grad():
        quantised(uniform(0, 255, 6, 4).round(), 0.9)
    return {
        **{f"energy-{name}": Case(energy, z) for name, energy in ENERGIES.items()},
        "energy-potential2-published": Case(PUBLISHED["potential2"], z),
        "FakeQuantNetwork": Case(
            lambda x: quantised(x[None])[0],
            uniform(0, 255, 2, 4, seed=3).round(),
            straight_through=True,
        ),
    }


GROUPS: dict[str, dict[str, Case]] = {
    "cells": _cells(),
    "curves": _curves(),
    "networks": _networks(),
    "devices": _devices(),
    "circuits": _circuits(),
    "integrals": _integrals(),
    "models": _models(),
    "others": _others(),
}
CASES: dict[str, Case] = {name: case for group in GROUPS.values() for name, case in group.items()}

NOT_OF_TENSORS = {
    floatgate: (
        *("SPECS", "FGNetwork", "FGLayer", "NetworkSpec", "network_spec", "Activation", "Line"),
        *("Card", "Circuits", "load_card"),
        *("EKV", "SUBTHRESHOLD", "WTA_CELL", "FG_ARRAY", "FG_ARRAY_WTA", "LineCurrents"),
        *("ProgrammableSet", "StoredNetwork", "load_network", "save_network", "Evaluation"),
        *("count_out_of_range", "evaluate", "max_power"),
    ),
    digital: tuple(digital.__all__),  # numpy's arrays; what training does with tensors is a case
    kirchhoff: (
        *("ACTIVATIONS", "ADAPTIVE", "CONFIG_NAMES", "DEVICE_NAMES", "FIXED_STEP", "GROUND"),
        *("TOPOLOGIES", "Topology", "fully_connect", "mix_connect", "neighbor_index", "pregiven"),
        *("simple_connect", "topology", "DeviceActivation", "Circuit", "Device", "device"),
        *("ExecutionPath", "RightHandSide", "Flow", "Result", "Samples", "Solver", "SolverError"),
        *("Config", "config_text", "own_config", "parse_config", "read_config", "Model", "build"),
        *("StoredKirchhoff", "load_checkpoint", "load_kirchhoff", "save_kirchhoff"),
        *("draw", "log_density", "noise"),  # without gradients, or without an operand
    ),
}
"""Names that have methods among the cases, or no tensor as their result."""
