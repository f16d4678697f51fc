"""Float MLPs in ONNX: read as the standard's own reference evaluator computes them, or refused."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ohmbench.digital.quantizing import onnx_mlp
from ohmbench.digital.quantizing.reading import read_float_model
from ohmbench.errors import FileError
from tests.unit.test_quantizing import refusals_of_damage

onnx = pytest.importorskip("onnx")
helper = onnx.helper
RNG = np.random.default_rng(0)
CONSTANTS = {
    "W": RNG.normal(size=(5, 7)), "Wt": RNG.normal(size=(7, 5)), "V": RNG.normal(size=(7, 3)),
    "b": RNG.normal(size=7), "row": RNG.normal(size=(1, 7)), "c": RNG.normal(size=3),
    "one": RNG.normal(size=1), "wide": RNG.normal(size=(7, 7)),
    "scale": RNG.normal(size=7), "shift": RNG.normal(size=7), "mean": RNG.normal(size=7),
    "var": RNG.random(7) + 0.1, "in_mean": RNG.normal(size=5), "in_std": RNG.random(5) + 0.5,
    "negative": -np.ones(7), "zero": np.zeros(1), "scalar": np.array(2.5),
}  # fmt: skip
SHAPES = {"flat": [0, 5], "rest": [-1, 5], "cube": [1, 5, 1]}


def node(op: str, inputs: Sequence[str], out: str, **attributes: Any) -> Any:
    return helper.make_node(op, list(inputs), [out], name=out, **attributes)


def written(path: Path, nodes: Sequence[Any], **more: Any) -> Path:
    """A model of ``nodes`` from "x" to the last node's output."""
    arrays = {k: np.asarray(v, np.float32) for k, v in CONSTANTS.items()}
    arrays |= {k: np.asarray(v, np.int64) for k, v in SHAPES.items()}
    arrays |= {k: np.asarray(v) for k, v in more.get("arrays", {}).items()}
    used = {name for each in nodes for name in each.input}
    graph = helper.make_graph(
        list(nodes),
        "mlp",
        [helper.make_tensor_value_info(name, 1, ["n", 5]) for name in more.get("inputs", ["x"])],
        [helper.make_tensor_value_info(nodes[-1].output[0], 1, None)],
        [onnx.numpy_helper.from_array(v, k) for k, v in arrays.items() if k in used],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), path)
    return path


TAIL = [node("Relu", ["h"], "r"), node("Gemm", ["r", "V", "c"], "y")]
GRAPHS: dict[str, list[Any]] = {
    "Gemm": [node("Gemm", ["x", "W", "b"], "h"), *TAIL],
    "Gemm transposed": [node("Gemm", ["x", "Wt", "b"], "h", transB=1), *TAIL],
    "Gemm with factors": [node("Gemm", ["x", "W", "b"], "h", alpha=0.5, beta=-2.0), *TAIL],
    "Gemm without bias": [node("Gemm", ["x", "W"], "h"), *TAIL],
    "Gemm with one bias": [node("Gemm", ["x", "W", "one"], "h"), *TAIL],
    "MatMul": [node("MatMul", ["x", "W"], "h"), *TAIL],
    "MatMul and Add": [node("MatMul", ["x", "W"], "m"), node("Add", ["row", "m"], "h"), *TAIL],
    "a transposed constant": [
        node("Transpose", ["Wt"], "t"), node("MatMul", ["x", "t"], "h"), *TAIL],
    "a Constant": [
        node("Constant", [], "k", value=onnx.numpy_helper.from_array(np.float32(CONSTANTS["W"]))),
        node("Identity", ["k"], "i"), node("MatMul", ["x", "i"], "h"), *TAIL],
    "Flatten": [node("Flatten", ["x"], "f"), node("Gemm", ["f", "W", "b"], "h"), *TAIL],
    "Reshape": [node("Reshape", ["x", "rest"], "f"), node("Gemm", ["f", "W", "b"], "h"), *TAIL],
    "Reshape with 0": [node("Reshape", ["x", "flat"], "f"), node("Gemm", ["f", "W"], "h"), *TAIL],
    "standardised inputs": [
        node("Sub", ["x", "in_mean"], "s"), node("Div", ["s", "in_std"], "d"),
        node("Gemm", ["d", "W", "b"], "h"), *TAIL],
    "arithmetic": [
        node("Sub", ["in_mean", "x"], "s"), node("Mul", ["scalar", "s"], "d"),
        node("Gemm", ["d", "W", "b"], "h0"), node("Sub", ["h0", "b"], "h"), *TAIL],
    "normalised before": [
        node("Gemm", ["x", "W", "b"], "g"),
        node("BatchNormalization", ["g", "scale", "shift", "mean", "var"], "h", epsilon=0.01),
        *TAIL],
    "normalised after": [
        node("Gemm", ["x", "W", "b"], "g"), node("Relu", ["g"], "r0"),
        node("BatchNormalization", ["r0", "scale", "shift", "mean", "var"], "r"),
        node("Gemm", ["r", "V", "c"], "y")],
    "Dropout": [node("Gemm", ["x", "W"], "g"), node("Dropout", ["g"], "h"), *TAIL],
    "one layer": [node("Gemm", ["x", "W", "b"], "y")],
}  # fmt: skip


def deviation(path: Path) -> float:
    from onnx.reference import ReferenceEvaluator

    x = np.random.default_rng(1).normal(size=(20, 5)).astype(np.float32)
    wanted = np.asarray(ReferenceEvaluator(str(path)).run(None, {"x": x})[0])
    found = read_float_model(path).outputs(x)[-1]
    return float(np.abs(found - wanted).max() / np.abs(wanted).max())


@pytest.mark.parametrize("name", GRAPHS)
def test_a_graph_is_read_as_the_standard_computes(name: str, tmp_path: Path) -> None:
    assert deviation(written(tmp_path / "m.onnx", GRAPHS[name])) < 1e-5


@pytest.mark.parametrize("op", ["Softmax", "LogSoftmax"])
def test_a_final_softmax_is_dropped_and_it_is_said(op: str, tmp_path: Path) -> None:
    plain = read_float_model(written(tmp_path / "a.onnx", GRAPHS["Gemm"]))
    nodes = [*GRAPHS["Gemm"], node(op, ["y"], "p")]
    found = read_float_model(written(tmp_path / "b.onnx", nodes))
    x = np.ones((1, 5))
    assert np.array_equal(plain.outputs(x)[-1], found.outputs(x)[-1])
    assert found.notes == (f"{op} p dropped: it does not change the class",)


FAULTS: dict[str, tuple[str, str, Callable[[Any, Any], Any]]] = {
    "Sub the other way": ("arithmetic", "shift", lambda a, b: -b),
    "no factor": ("arithmetic", "factor", lambda a, b: np.ones_like(a)),
    "no shift": ("normalised after", "shift", lambda a, b: np.zeros_like(b)),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_reader_that_is_wrong_is_noticed(
    fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, which, change = FAULTS[fault]
    right = onnx_mlp.Scaling

    def wrong(label: str, factor: Any, shift: Any) -> Any:
        changed = change(factor, shift)
        return right(label, changed if which == "factor" else factor,
                     changed if which == "shift" else shift)  # fmt: skip

    monkeypatch.setattr(onnx_mlp, "Scaling", wrong)
    assert deviation(written(tmp_path / "m.onnx", GRAPHS[name])) > 1e-3


GEMM = node("Gemm", ["x", "W", "b"], "h")
REFUSED: dict[str, tuple[list[Any], str]] = {
    "a convolution": ([node("Conv", ["x", "W"], "conv1"), *TAIL], "Conv conv1"),
    "another activation": ([GEMM, node("Sigmoid", ["h"], "s")], "Sigmoid s"),
    "a quantised network": (
        [GEMM, node("QuantizeLinear", ["h", "scalar"], "q")], "'ohmbench import' reads"),
    "two branches": (
        [GEMM, node("Relu", ["h"], "r"), node("Add", ["r", "h"], "y")],
        "is read by Relu r and Add y"),
    "twice the values": ([GEMM, node("Add", ["h", "h"], "y")], "does not combine"),
    "weights times values": ([node("MatMul", ["wide", "x"], "y")], "its first input is not"),
    "values times values": ([node("MatMul", ["x", "x"], "y")], "its weight is not a constant"),
    "integer weights": (
        [node("MatMul", ["x", "flat"], "y")], "its weight is int64"),
    "a vector of weights": ([node("MatMul", ["x", "in_mean"], "y")], "not a matrix"),
    "a transposed input": ([node("Gemm", ["x", "W"], "y", transA=1)], "transA is set"),
    "a bias of another size": ([node("Gemm", ["x", "W", "c"], "y")], "its bias has 3 values"),
    "a bias of rows": ([node("Gemm", ["x", "W", "wide"], "y")], "should be a vector"),
    "a division by values": ([node("Div", ["scalar", "x"], "y")], "it divides by"),
    "a division by 0": ([node("Div", ["x", "zero"], "y")], "it divides by"),
    "a shape in three": ([node("Reshape", ["x", "cube"], "y")], "one row per sample"),
    "another axis": ([node("Flatten", ["x"], "y", axis=0)], "one row per sample"),
    "a negative variance": (
        [GEMM, node("BatchNormalization", ["h", "scale", "shift", "mean", "negative"], "y")],
        "a variance is -1"),
    "sizes of a norm": (
        [GEMM, node("BatchNormalization", ["h", "c", "shift", "mean", "var"], "y")],
        "differ in size"),
    "no ReLU": ([GEMM, node("Gemm", ["h", "V"], "y")], "without a Relu"),
    "a ReLU at the end": ([GEMM, node("Relu", ["h"], "y")], "after the last linear layer"),
    "a softmax inside": (
        [node("Softmax", ["x"], "s"), node("Gemm", ["s", "W"], "y")], "Softmax s"),
    "sizes": ([GEMM, node("Relu", ["h"], "r"), node("MatMul", ["r", "W"], "y")], "has 5 inputs"),
    "a wrong order of axes": (
        [node("Transpose", ["b"], "t", perm=[1, 0]), node("MatMul", ["x", "t"], "y")], "perm is"),
}  # fmt: skip


@pytest.mark.parametrize("kind", REFUSED)
def test_a_graph_of_another_kind_is_refused(kind: str, tmp_path: Path) -> None:
    nodes, says = REFUSED[kind]
    path = written(tmp_path / "m.onnx", nodes)
    with pytest.raises(FileError) as refused:
        read_float_model(path)
    assert says in str(refused.value)
    assert str(path) in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", ["arithmetic", "normalised before", "a Constant", "Reshape"])
def test_a_damaged_file_is_one_line(name: str, tmp_path: Path) -> None:
    good = written(tmp_path / "m.onnx", GRAPHS[name]).read_bytes()
    assert refusals_of_damage(good, tmp_path / "x.onnx", 150) > 50


def test_data_in_another_file_are_refused_with_the_way_out(tmp_path: Path) -> None:
    """As PyTorch's exporter writes them unless it is told otherwise."""
    model = onnx.load(written(tmp_path / "m.onnx", GRAPHS["one layer"]))
    onnx.save(model, tmp_path / "m.onnx", save_as_external_data=True, size_threshold=0)
    with pytest.raises(FileError, match="external_data=False"):
        read_float_model(tmp_path / "m.onnx")


def test_two_inputs_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "m.onnx", GRAPHS["one layer"], inputs=["x", "z"])
    with pytest.raises(FileError, match="has 2 inputs and 1 outputs"):
        read_float_model(path)
