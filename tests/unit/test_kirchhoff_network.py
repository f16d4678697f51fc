"""KirchhoffNets from configurations: what goes in, what is read out, where parameters start."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats
import torch

from ohmbench.errors import ShapeError
from ohmbench.kirchhoff.configuration import read_config
from ohmbench.kirchhoff.experiments import INPUTS, OUTPUTS
from ohmbench.kirchhoff.models import build, parameter_count
from ohmbench.kirchhoff.network import KirchhoffNet, filled, initial_parameters, linear, solver_of
from ohmbench.kirchhoff.simulation import Solver, integrate
from ohmbench.paper import KIRCHHOFF_CONFIG, kirchhoff_results
from tests.unit.circuits import (
    DEVICES,
    baseline_config,
    classifier_config,
    config,
    fully,
    plain,
    regression_config,
    voltages,
)
from tests.unit.kirchhoff_checks import assert_close


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def made(configuration) -> KirchhoffNet:
    model = build(configuration, seeded())
    assert isinstance(model, KirchhoffNet)
    return model


# ------------------------------------------------------------------------------------------------
# In and out


@pytest.mark.parametrize(
    ("how", "expected"),
    [("zeros", [1.0, 2.0, 3.0, 0, 0, 0, 0, 0]), ("repeat", [1.0, 2, 3, 1, 2, 3, 1, 2])],
)
def test_fill(how: str, expected: list[float]) -> None:
    x = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    found = filled(x, 8, how)
    assert found[0].tolist() == expected
    assert found[1, :3].tolist() == [4.0, 5.0, 6.0]
    assert torch.equal(filled(x, 3, how), x)
    with pytest.raises(ShapeError, match="samples of 3 numbers, but the circuit has 2 nodes"):
        filled(x, 2, how)


def regression(**changes) -> KirchhoffNet:
    """Five inputs, seven nodes."""
    return made(regression_config(**changes))


def test_last_reads_the_last_nodes() -> None:
    v = voltages(0, 4, 7).float()
    assert torch.equal(regression().read_out(v), v[:, 6:])


def test_first_reads_the_first_nodes() -> None:
    v = voltages(0, 4, 7).float()
    assert torch.equal(regression(network__projector="first1").read_out(v), v[:, :1])


def test_reshape_reads_the_mean_of_each_row() -> None:
    v = voltages(0, 4, 7).float()
    found = regression(network__projector="reshape1").read_out(v)
    assert_close(found, v.mean(1, keepdim=True), 1e-6, "mean voltage")
    changes = {"network__net_struct": [fully(785 + 6, (1, 0))], "network__projector": "reshape10"}
    net = made(classifier_config(**changes))
    v = torch.arange(790.0)[None]
    rows = [np.arange(79 * k, 79 * (k + 1)).mean() for k in range(10)]
    assert_close(net.read_out(v)[0], torch.tensor(rows), 1e-4, "means of rows of 79 nodes")


def test_mlp_reads_all_nodes_through_a_linear_layer() -> None:
    net = regression(network__projector="mlp_7_1")
    v = voltages(0, 4, 7).float()
    assert net.projector is not None
    expected = v @ net.projector.weight.T + net.projector.bias
    assert_close(net.read_out(v), expected, 1e-6, "output")


def test_none_reads_every_node() -> None:
    v = voltages(0, 4, 2).float()
    assert made(config()).read_out(v) is v


def test_encoder_is_a_linear_layer_before_the_fill() -> None:
    net = regression(network__encoder="mlp_5_6", network__fill="repeat")
    x = voltages(0, 4, 5).float()
    assert net.encoder is not None
    code = x @ net.encoder.weight.T + net.encoder.bias
    assert_close(net.voltages(x), torch.cat([code, code[:, :1]], 1), 1e-6, "initial voltages")


def test_a_sample_goes_through_fill_slices_and_readout() -> None:
    net = regression(
        network__net_struct=[fully(8, (1, 1)), fully(8, (2, 0))], simulation__t_end=[0.0, 1.0, 1.5]
    )
    x = voltages(1, 5, 5).float()
    v = torch.nn.functional.pad(x, (0, 2))
    found = integrate([plain(c) for c in net.circuits], [1.0, 0.5], v, net.solver)
    assert_close(net(x), found.v[:, -1:], 1e-5, "output")
    assert net.durations == (1.0, 0.5)


def test_residual_slices_add_what_they_were_given() -> None:
    net = regression(
        network__net_struct=[fully(8, (1, 1))] * 2,
        simulation__t_end=[0.0, 1.0, 1.5],
        network__residual=True,
    )
    x = voltages(1, 5, 5).float()
    v = net.voltages(x)
    for circuit, span in zip(net.circuits, net.durations, strict=True):
        v = v + integrate([plain(circuit)], [span], v, net.solver).v
    assert_close(net.run(x).v, v, 1e-5, "end of residual slices")
    found = net.run(x, points=4)
    assert found.path is not None
    assert len(found.nfe) == 2
    assert_close(found.v, v, 1e-5, "end of residual slices along a path")


@pytest.mark.parametrize("path", ["plain", "dense", "fused"])
def test_every_path_gives_the_same_network(path) -> None:
    net = regression()
    x = voltages(2, 5, 5).float()
    assert_close(net.run(x, path=path).v, net.run(x, path="plain").v, 1e-5, "v")


def test_solver_is_the_configurations() -> None:
    simulation = config(simulation__method="dopri5", network__adjoint=True).simulation
    assert solver_of(simulation, adjoint=True) == Solver("dopri5", 1e-4, 1e-2, 1e-6, 0.25, True)
    assert made(config(network__adjoint=True)).solver.adjoint


# ------------------------------------------------------------------------------------------------
# Where parameters start


def bounds(kind: str, rows: int, columns: int) -> tuple[float, float]:
    """Of the uniform initialisations, as Glorot and He have them, for fan in and out of a matrix
    (rows, columns)."""
    return {
        "uniform": (0.0, 1.0),
        "xavier": (-math.sqrt(6 / (rows + columns)), math.sqrt(6 / (rows + columns))),
        "kaiming": (-math.sqrt(6 / columns), math.sqrt(6 / columns)),
    }[kind]


@pytest.mark.parametrize("kind", ["uniform", "xavier", "kaiming"])
@pytest.mark.parametrize(("device", "rows"), [("ShiftRelu1", 2), ("ShiftTanh2", 3)])
def test_uniform_initialisations(kind: str, device: str, rows: int) -> None:
    p = initial_parameters(kind, DEVICES[device], 5000, seeded())
    assert p.shape == (rows, 5000)
    assert p.dtype == torch.float32
    low, high = bounds(kind, rows, 5000)
    law = scipy.stats.uniform(low, high - low)
    assert low <= float(p.min())
    assert float(p.max()) <= high
    assert scipy.stats.kstest(p.ravel().numpy(), law.cdf).pvalue > 1e-4
    assert not scipy.stats.kstest(p.ravel().numpy() * 1.05, law.cdf).pvalue > 1e-4


def test_other_initialisations() -> None:
    device = DEVICES["ShiftTanh2"]
    assert initial_parameters("zeros", device, 7, seeded()).tolist() == [[0.0] * 7] * 3
    assert initial_parameters("ones", device, 7, seeded()).tolist() == [[1.0] * 7] * 3
    p = initial_parameters("gauss", device, 5000, seeded())
    assert scipy.stats.kstest(p.ravel().numpy(), "norm").pvalue > 1e-4


@pytest.mark.parametrize("kind", ["uniform", "xavier", "kaiming", "gauss"])
def test_initialisation_is_that_of_the_generator(kind: str) -> None:
    device = DEVICES["ShiftTanh2"]
    one, two, other = (initial_parameters(kind, device, 9, seeded(s)) for s in (0, 0, 1))
    assert torch.equal(one, two)
    assert not torch.equal(one, other)


def test_linear_layers_start_as_torchs() -> None:
    layer = linear(16, 500, seeded())
    for p in (layer.weight, layer.bias):
        values = p.detach().ravel().numpy()
        assert np.abs(values).max() <= 0.25
        assert scipy.stats.kstest(values, scipy.stats.uniform(-0.25, 0.5).cdf).pvalue > 1e-4


@pytest.mark.parametrize("kind", ["uniform", "zeros", "ones", "xavier", "gauss", "kaiming"])
def test_networks_start_as_their_configuration_says(kind: str) -> None:
    net = made(config(network__initialization=kind))
    generator = seeded()
    for circuit in net.circuits:
        expected = initial_parameters(kind, circuit.device, circuit.topology.n_edges, generator)
        assert torch.equal(circuit.param.detach(), expected)


def test_global_random_numbers_are_left_alone() -> None:
    torch.manual_seed(5)
    build(regression_config(network__projector="mlp_7_1"), seeded())
    after = torch.rand(3)
    torch.manual_seed(5)
    assert torch.equal(after, torch.rand(3))


# ------------------------------------------------------------------------------------------------
# Whole configurations


def test_slices_of_one_kind_share_their_topology() -> None:
    net = made(config(network__net_struct=[fully(3), fully(3, (1, 2)), fully(3)],
                      simulation__t_end=[0.0, 1.0, 2.0, 3.0]))  # fmt: skip
    one, two, three = (c.topology for c in net.circuits)
    assert one is three
    assert (one.n_edges, two.n_edges) == (48, 18)


@pytest.mark.parametrize("name", [n for n in DEVICES if "-" not in n])
def test_every_device_makes_a_network(name: str) -> None:
    net = made(config(network__model={"name": name, "args": {}}))
    assert net(voltages(0, 3, 2).float()).shape == (3, 2)
    assert {c.device.name for c in net.circuits} == {name}


def test_the_general_device_makes_a_network() -> None:
    args = {"activation": "sigmoid", "difference": False}
    net = made(config(network__model={"name": "Device", "args": args}))
    assert net.circuits[0].device == DEVICES["Device-sigmoid-two-voltages"]


@pytest.mark.parametrize(
    ("configuration", "parameters"),
    [
        # rows x edges of each slice: 3 x (6 pairs x 8 repeats) twice.
        (config(), 2 * 3 * 48),
        (regression_config(), 3 * 8 * 7 * 2),
        (regression_config(network__projector="mlp_7_1"), 3 * 8 * 7 * 2 + 8),
        # 27 x 27 windows x 4 x 3, 784 x 2 to ground, 10 x 785 x 2 to the extra nodes.
        (classifier_config(), 2 * (27 * 27 * 12 + 784 * 2 + 10 * 785 * 2)),
        (baseline_config("toyregress"), (5 + 1) * 8 + (8 + 1) * 6 + 7),
        # 1-8-8-6(3 x 2 + 1)
        (baseline_config(), 2 * 8 + 9 * 8 + 9 * 42),
    ],
    ids=["flow", "regression", "mlp", "classifier", "feed-forward", "hyper-network"],
)
def test_parameters_are_counted(configuration, parameters: int) -> None:
    assert parameter_count(build(configuration)) == parameters


PARAMETERS = {
    "twomoon": 2 * 3 * 300,
    "8gaussians": 4 * 3 * 300,
    "potential1": 16 * 3 * 120,
    "genmnist": 2 * 3 * 50_240,
    "mnist": 920_272,
}


@pytest.mark.needs("paper-kirchhoffnet")
def test_the_papers_configurations_make_networks() -> None:
    paths = sorted(kirchhoff_results().glob(f"*/{KIRCHHOFF_CONFIG}"))
    assert paths
    for path in paths:
        configuration = read_config(path)
        net = made(configuration)
        bench = configuration.test_bench
        expected = PARAMETERS.get(bench)
        assert expected is None or parameter_count(net) == expected
        if bench in ("mnist", "genmnist"):
            continue  # their run is a claim's
        with torch.no_grad():
            out = net(voltages(0, 2, INPUTS[bench]).float())
        assert out.shape == (2, OUTPUTS.get(bench, INPUTS[bench]))
