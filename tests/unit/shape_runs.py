"""Calls of everything that states a shape, and calls with a wrong one."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

import ohmbench
from ohmbench import digital, floatgate, kirchhoff
from ohmbench.data.labelled import Samples
from ohmbench.digital import integer_product, published, quantization
from ohmbench.digital.exporting import export_network, run_exported
from ohmbench.digital.importing.source_run import run_source
from ohmbench.digital.importing.tflite import read_tflite
from ohmbench.digital.importing.tflite_arithmetic import ROUNDINGS
from ohmbench.digital.importing.tflite_roundings import differences, truncated
from ohmbench.digital.integer import (
    Affine,
    InputFormat,
    IntegerNetwork,
    Layer,
    Meaning,
    infer,
)
from ohmbench.digital.integer.evaluation import evaluate_integer
from ohmbench.digital.integer.fast import classify
from ohmbench.digital.integer.golden import classes_of
from ohmbench.digital.integer.store import StoredInteger
from ohmbench.digital.integer_with_data import IntegerWithData
from ohmbench.digital.quantizing.calibration import Formats, quantize
from ohmbench.digital.quantizing.float_models import FloatMLP
from ohmbench.families import INTEGER
from ohmbench.family import TraceOptions
from ohmbench.floatgate import EKV, FG_ARRAY, SPECS, Activation, FGLayer, Line
from ohmbench.floatgate.scales import AsinhOptions, OnCurrentOptions
from ohmbench.kirchhoff import AutogradDivergence, PlainRightHandSide, Solver
from tests.unit import hostile_tflite
from tests.unit.circuits import T0, config, random_circuit, random_flow, voltages
from tests.unit.int8_networks import random_int8, random_scaled
from tests.unit.integer_networks import random_inputs, random_integer
from tests.unit.networks import random_network
from tests.unit.onnx_files import qonnx_mlp, save
from tests.unit.transform_cases import CASES, generator

F64 = torch.float64
MATRIX = torch.ones(2, 3, dtype=F64)
VECTOR = torch.ones(3, dtype=F64)
NETWORK = random_network(SPECS["floatgate-circles"], seed=0, dtype=F64)
INT8, IMAGES = random_int8(0, (6, 5, 4))
CIRCUIT = random_circuit(3, 2, 5, "ShiftTanh2")
FLOW = random_flow(0, solver=Solver("rk4", step_size=0.5))


def every_case() -> None:
    """Each function with operands that it takes."""
    for case in CASES.values():
        case.f(case.x[0])
    _floatgate()
    _kirchhoff()
    _integer()
    _digital()
    _importing_tflite()
    _importing_onnx()


def _floatgate() -> None:
    v = 1.9 + 0.3 * MATRIX[:, :2]
    found = floatgate.evaluate(NETWORK, v, torch.tensor([0, 1]))
    assert found.outputs.shape == (2, 2)
    assert floatgate.max_power(NETWORK) > 0
    assert FG_ARRAY.violations(1e-8 * MATRIX).total == 6
    assert len(floatgate.ProgrammableSet(bits=3).levels) == 8
    network = random_network(SPECS["floatgate-circles"], seed=1)
    assert [len(layer.bias) for layer in network.fg_layers] == [5, 2]
    for options in (AsinhOptions(1e-8), OnCurrentOptions(2.44, 1e-8)):
        scale = options.scale(FG_ARRAY)
        assert scale.right_inverse(1e-8 * MATRIX).shape == (2, 3)


def _kirchhoff() -> None:
    plain = PlainRightHandSide(CIRCUIT)
    assert plain.node_currents(voltages(0, 3, 2)).shape == (3, 3)
    assert AutogradDivergence(plain).derivative(T0, voltages(0, 3, 2)).shape == (3, 2)
    z = kirchhoff.noise(FLOW, 3, generator())
    assert kirchhoff.log_density(FLOW, z.double()).x.shape == (3, 2)
    assert kirchhoff.draw(kirchhoff.build(config()), 3, 0).x.shape == (3, 2)


def _integer() -> None:
    network = random_integer(8, (6, 5, 4, 3), kind="affine", last="sums")
    tables = random_integer(8, (6, 5, 3), kind="thresholds")
    assert tuple(weight.shape for weight in network.weight) == ((5, 6), (4, 5), (3, 4))
    for one in (network, tables):
        x = random_inputs(one, 7)
        assert infer(one, x).outputs.shape == (7, 3)
        assert classes_of(infer(one, x).outputs, None)[0].shape == (7,)
        assert evaluate_integer(one, x, np.zeros(7, np.int64)).total == 7
        assert classify(one, x).classes.shape == (7,)
        real = one.input.real(x)
        assert one.input.quantise(real).shape == Meaning.of(0.5).real(x).shape == (7, 6)
    samples = Samples("some", np.zeros((7, 6)), np.zeros(7, np.int64))
    stored = StoredInteger("net.npz", network, {})
    given = IntegerWithData(stored, samples)
    assert given.integers().shape == (7, 6)
    assert given.labels().shape == (7,)
    every = TraceOptions(every=True)
    for one in (given, IntegerWithData(stored)):
        INTEGER.stages(one, every)


def _digital() -> None:
    labels = np.zeros(len(IMAGES), np.int64)
    assert digital.evaluate_int8(INT8, IMAGES, labels).total == len(IMAGES)
    for path in ("auto", "plain"):
        digital.infer(INT8, IMAGES, path=path)
        digital.infer_all(INT8, IMAGES, path=path)
    assert random_scaled(1)[0].scales is not None
    digital.infer_plain(INT8, IMAGES[0])
    digital.infer_plain(INT8, IMAGES[0].tolist())
    published.infer_published(INT8, IMAGES)
    integer_product.integer_product(IMAGES, INT8.weight[0])
    weight = np.linspace(-1, 1, 6).reshape(2, 3)
    scale = quantization.weight_scale(weight)
    quantization.quantize_weight(weight, scale)
    quantization.quantize_bias(weight[0], scale)
    digital.quantize_pixels(abs(weight))
    digital.FloatNetwork((weight, weight[:, :2]), (weight[:, 0], weight[:, 0]))
    model = FloatMLP((weight, weight[:, :2]), (weight[:, 0], weight[:, 0]))
    assert quantize(model, abs(weight), Formats(per="channel")).sizes == (3, 2, 2)


def _importing_tflite() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.tflite"
        for data in hostile_tflite.templates("tflite"):
            path.write_bytes(data)
            sources = [read_tflite(path, rounding=rounding) for rounding in ROUNDINGS]
            x = np.ones((2, 3), np.int64)
            for source in sources:
                assert len(differences(source, truncated(source), x)) == 2


def _importing_onnx() -> None:
    """Files of both ONNX formats, imported beside their runtimes, and what export makes of them."""
    with tempfile.TemporaryDirectory() as folder:
        for number, power_of_two in enumerate((True, False)):
            path = Path(folder) / f"network{number}.onnx"
            save(path, qonnx_mlp(power_of_two=power_of_two))
            found = ohmbench.import_network(path, random=3)
            assert found.verdict.exact is power_of_two
            exported = Path(folder) / f"exported{number}.onnx"
            export_network(found.network, exported)
            x = np.zeros((2, found.network.inputs), np.int64) + found.network.input.lo
            again = ohmbench.import_network(exported, random=3)
            assert again.network == found.network
            assert len(run_exported(exported, found.network, x).outputs) == 2
            assert len(run_source(path, found.network, found.origin())(x)) == 2
        # Sums beyond what float32 holds exactly, and steps that no slope of the network's own fits.
        wide = Layer(
            np.full((2, 700), 127, np.int8), Affine(np.ones(2, np.int64), np.arange(2), 17)
        )
        last = Layer(np.ones((1, 2), np.int8), Affine.sums(np.zeros(1, np.int64)))
        path = Path(folder) / "wide.onnx"
        export_network(IntegerNetwork(InputFormat(0, 255), (wide, last)), path)
        assert ohmbench.import_network(path, run=False).network.sizes == (700, 2, 1)
        for seed in range(8):
            export_network(random_integer(seed), Path(folder) / f"random{seed}.onnx")


def _confusion(classes: int) -> object:
    found = floatgate.evaluate(NETWORK, 2 * MATRIX[:, :2], torch.tensor([0, 1]))
    wrong = torch.zeros(2, classes, dtype=torch.int64)
    return floatgate.Evaluation(
        found.outputs, found.predictions, wrong, found.ranges, found.violations
    )


WRONG: dict[str, Callable[[], object]] = {
    "line_currents: inputs": lambda: floatgate.line_currents(
        EKV, MATRIX, 1e-8 * MATRIX[:, :2], 1e-8 * VECTOR[:2]
    ),
    "line_currents: bias": lambda: floatgate.line_currents(
        EKV, MATRIX, 1e-8 * MATRIX, 1e-8 * VECTOR
    ),
    "FGLayer": lambda: FGLayer(1e-8 * MATRIX, 1e-8 * VECTOR, Activation.SIGMOID),
    "FGNetwork: integers": lambda: NETWORK(torch.ones(3, 2, dtype=torch.int64)),
    "sigmoid": lambda: floatgate.sigmoid(MATRIX, MATRIX[:, :2]),
    "relu: integers": lambda: floatgate.relu(torch.tensor([1])),
    "current_to_voltage: numpy": lambda: floatgate.current_to_voltage(np.ones(3), Line.POS),
    "evaluate: labels": lambda: floatgate.evaluate(NETWORK, MATRIX[:, :2], torch.tensor([0])),
    "power_per_image: one image": lambda: floatgate.power_per_image(NETWORK, VECTOR[:2]),
    "mean_power_per_class: labels": lambda: floatgate.mean_power_per_class(
        VECTOR, torch.tensor([0, 1]), 2
    ),
    "project: integers": lambda: FG_ARRAY.project(torch.tensor([1])),
    "Evaluation: confusion": lambda: _confusion(3),
    "Circuit": lambda: kirchhoff.Circuit(CIRCUIT.topology, CIRCUIT.device, VECTOR),
    "derivative: one sample": lambda: PlainRightHandSide(CIRCUIT).derivative(T0, VECTOR[:2]),
    "derivative: times": lambda: PlainRightHandSide(CIRCUIT).derivative(VECTOR, MATRIX[:, :2]),
    "integrate: one sample": lambda: kirchhoff.integrate(
        [PlainRightHandSide(CIRCUIT)], [0.5], VECTOR[:2], Solver("rk4")
    ),
    "pull_back: one point": lambda: kirchhoff.pull_back(FLOW, VECTOR[:2]),
    "log_normal: one point": lambda: kirchhoff.log_normal(VECTOR),
    "Device.current": lambda: CIRCUIT.device.current(MATRIX, VECTOR[:2], VECTOR[:2]),
    "infer: one image": lambda: digital.infer(INT8, IMAGES[0]),
    "infer: int64": lambda: digital.infer(INT8, IMAGES.astype(np.int64)),
    "infer_plain: images": lambda: digital.infer_plain(INT8, IMAGES),
    "evaluate_int8: labels": lambda: digital.evaluate_int8(INT8, IMAGES, np.zeros(1, np.int64)),
    "quantize_pixels: integers": lambda: digital.quantize_pixels(np.ones(3, np.int64)),
    "Int8Network: hidden": lambda: digital.Int8Network(
        (INT8.weight[0], INT8.weight[1][:, :-1].copy()), INT8.bias, 1, 0
    ),
}
