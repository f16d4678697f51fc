"""Outputs behind the last quantiser of an ONNX file: their bits, and what they do to the class."""

import numpy as np
import pytest

from ohmbench.digital.importing.imported import import_source
from ohmbench.digital.importing.reading import read_source
from ohmbench.digital.integer import infer
from tests.unit.onnx_files import model, node, run_onnxruntime, save

SCALES = np.array([0.017015649, 0.014066271], np.float32)
"""62 times the first and 75 times the second are one float32, but two float64."""


def quantised(scale, *behind, **constants):
    """Two inputs, quantised with scale 1, times ``scale``, quantised with ``scale``, and nodes."""
    single = np.float32(1)
    constants |= {"one": single, "z": np.int8(0), "w": np.eye(2, dtype=np.int8)}
    constants |= {"s": np.float32(scale), "zs": np.zeros(np.shape(scale), np.int8)}
    constants |= {"k": np.float32(scale)}
    nodes = [
        node("QuantizeLinear", "x one z", "xq"),
        node("DequantizeLinear", "xq one z", "xd"),
        node("DequantizeLinear", "w one z", "wd"),
        node("MatMul", "xd wd", "a"),
        node("Mul", "a k", "b"),
        node("QuantizeLinear", "b s zs", "q", axis=1),
        node("DequantizeLinear", "q s zs", "c" if behind else "y", axis=1),
        *behind,
    ]
    return model(nodes, constants, ("batch", 2))


CASES = {
    "an addition that swallows them": (
        lambda: quantised(1, node("Add", "c big", "y"), big=np.array([2.0**30], np.float32)),
        (3, 5),
    ),
    "scales of which two multiples tie": (lambda: quantised(SCALES), (62, 75)),
}


def run(built, x):
    return run_onnxruntime(built, np.float32(x), ["y"])["y"]


@pytest.mark.needs("onnxruntime")
@pytest.mark.parametrize("name", CASES)
def test_a_class_that_changes_behind_the_last_quantiser(name, tmp_path):
    build, x = CASES[name]
    built = build()
    found = import_source(read_source(save(tmp_path / "net.onnx", built)))
    assert found.verdict.differs
    assert found.verdict.line.startswith("not exact: the larger of two outputs of layer 0 differs")
    inputs = np.array([x])
    assert run(built, inputs).argmax(axis=1) == [0]
    assert infer(found.network, inputs).classes == [1]


@pytest.mark.needs("onnxruntime")
@pytest.mark.parametrize("name", CASES)
def test_outputs_have_the_bits_of_the_runtime(name, tmp_path):
    built = CASES[name][0]()
    outputs = read_source(save(tmp_path / "net.onnx", built)).layers[-1].outputs
    levels = np.arange(-128, 128)[:, None] + np.zeros(2, np.int64)
    assert np.array_equal(outputs(levels), run(built, levels))


def test_integers_without_a_step_behind_them_are_exact(tmp_path):
    found = import_source(read_source(save(tmp_path / "net.onnx", quantised(0.25))))
    assert found.verdict.exact


def test_real_outputs_state_no_others(tmp_path):
    nodes = [
        node("QuantizeLinear", "x one z", "xq"),
        node("DequantizeLinear", "xq one z", "xd"),
        node("DequantizeLinear", "w one z", "wd"),
        node("MatMul", "xd wd", "y"),
    ]
    constants = {"one": np.float32(1), "z": np.int8(0), "w": np.eye(2, dtype=np.int8)}
    path = save(tmp_path / "net.onnx", model(nodes, constants, ("batch", 2)))
    assert read_source(path).layers[-1].outputs is None
