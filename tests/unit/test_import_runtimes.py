"""The formats' own runtimes beside the integers: what is observed, and which faults it shows."""

from __future__ import annotations

import dataclasses
import importlib
import itertools
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ohmbench.digital.importing import importer, runtimes
from ohmbench.digital.importing.comparing import Comparison, compare
from ohmbench.digital.importing.imported import import_source
from ohmbench.digital.importing.importer import import_network
from ohmbench.digital.importing.input_reals import InputReals
from ohmbench.digital.importing.onnx_runtimes import OnnxRuntime, with_batch
from ohmbench.digital.importing.proof import prove_import
from ohmbench.digital.importing.reading import read_source
from ohmbench.digital.importing.running import RUNNERS, runner_for
from ohmbench.digital.importing.runtimes import RUNTIMES, MissingRuntime, in_integers, quiet
from ohmbench.digital.importing.source import Source
from ohmbench.digital.importing.tflite_arithmetic import KERNELS, ROUNDINGS
from ohmbench.digital.integer import InputFormat, IntegerNetwork, infer
from ohmbench.digital.integer.network import Layer, Thresholds, acc_range
from ohmbench.errors import FileError
from ohmbench.needs import NEEDS
from tests.unit.import_sources import Formula
from tests.unit.onnx_files import DOMAINS, model, node, qdq_mlp, qonnx_mlp, quant, save
from tests.unit.tflite_files import Dense, chain

needs_onnxruntime = pytest.mark.needs("onnxruntime")
needs_qonnx = pytest.mark.needs("qonnx")
needs_litert = pytest.mark.needs("ai-edge-litert")

# ------------------------------------------------------------------------------------------------
# One layer in each format. The scales are powers of two, so that reals here are exact.

WEIGHT = np.array([[1, 2, -1], [3, 1, 0], [1, -2, 2], [2, 2, 1]], np.int8)
BIAS = np.array([1, -2, 0, 5])
SCALE = np.array([0.25, 0.5, 0.25, 0.125], np.float32)
ZERO = 3


def qdq(folder: Path, *, narrow: bool = False) -> str:
    """int8 inputs with scale 1, per-channel weights, int8 outputs with the zero point 3."""
    constants = {
        "sx": np.float32(1), "zx": np.int8(0), "w": WEIGHT, "sw": SCALE, "b": BIAS.astype(np.int32),
        "sy": np.float32(1), "zy": np.int8(ZERO), "low": np.int8(-127), "high": np.int8(127),
        "zw": np.zeros(4, np.int8),
    }  # fmt: skip
    nodes = [
        node("QuantizeLinear", "x sx zx", "i0"),
        node("DequantizeLinear", "i0 sx zx", "h0"),
        node("DequantizeLinear", "w sw zw", "d0", axis=0),
        node("DequantizeLinear", "b sw", "e0", axis=0),
        node("Gemm", "h0 d0 e0", "a0", transB=1),
        node("QuantizeLinear", "a0 sy zy", "i1"),
    ]
    if narrow:
        nodes.append(node("Clip", "i1 low high", "c1"))
    nodes.append(node("DequantizeLinear", f"{'c1' if narrow else 'i1'} sy zy", "y"))
    return save(folder / "net.onnx", model(nodes, constants, (1, 3)))


def qonnx(folder: Path, *, zero: int = ZERO, narrow: bool = False) -> str:
    """The same in QONNX, which clamps before it rounds."""
    constants = {
        "one": np.float32(1), "zero": np.float32(0), "eight": np.float32(8), "z": np.float32(zero),
        "w": (WEIGHT * SCALE[:, None]).astype(np.float32), "sw": SCALE[:, None],
        "b": (BIAS * SCALE).astype(np.float32), "sb": SCALE, "many": np.float32(16),
    }  # fmt: skip
    nodes = [
        quant("x one zero eight", "h0"),
        quant("w sw zero eight", "q0", narrow=1),
        node("Transpose", "q0", "t0", perm=[1, 0]),
        node("MatMul", "h0 t0", "m0"),
        quant("b sb zero many", "e0"),
        node("Add", "m0 e0", "a0"),
        quant("a0 one z eight", "y", narrow=int(narrow)),
    ]
    return save(folder / "net.onnx", model(nodes, constants, (1, 3)))


def litert(folder: Path) -> str:
    """An int8 layer whose sums are often halfway between two outputs."""
    layer = Dense(WEIGHT, BIAS, [0.5], 4.0, ZERO)
    path = folder / "net.tflite"
    path.write_bytes(chain([layer], 1.0).data())
    return str(path)


def real(acc: NDArray[np.int64]) -> NDArray[np.float64]:
    """The real value of a sum, exactly."""
    return (acc + BIAS) * SCALE.astype(np.float64)


def clamp(values: NDArray[Any], low: int = -128, high: int = 127) -> NDArray[np.int64]:
    found: NDArray[np.int64] = np.clip(values, low, high).astype(np.int64)
    return found


def half_away(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.sign(x) * np.floor(np.abs(x) + 0.5)


Rule = Callable[[NDArray[np.int64]], NDArray[np.int64]]


def with_rule(source: Source, rule: Rule) -> IntegerNetwork:
    """The integers of one layer that follows ``rule``, as a table of all its sums."""
    (layer,) = source.layers
    low, high = acc_range(layer.weight, source.input.lo, source.input.hi)
    acc = np.arange(int(low.min()), int(high.max()) + 1)[:, None].repeat(len(low), axis=1)
    values = rule(acc)
    lo, hi = int(values.min()), int(values.max())
    levels = np.arange(lo + 1, hi + 1)
    table = [np.append(acc[:, 0], 2**40)[np.searchsorted(v, levels)] for v in values.T]
    step = Thresholds(np.stack(table), np.ones(len(table), np.int8), lo)
    return IntegerNetwork(source.input, (Layer(layer.weight, step, 8, layer.meaning),))


def q_rule(acc: NDArray[np.int64]) -> NDArray[np.int64]:
    return clamp(np.rint(real(acc)) + ZERO)


def quant_rule(acc: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.rint(np.clip(real(acc) + ZERO, -128, 127)).astype(np.int64)


FAULTS: dict[str, tuple[Callable[[Path], str], Rule, Rule]] = {
    # name: the file, its rule, the faulty rule
    "QDQ: round after the zero point": (
        qdq, q_rule, lambda acc: clamp(np.rint(real(acc) + ZERO)),
    ),
    "QDQ: clamp before the zero point": (
        qdq, q_rule, lambda acc: clamp(np.rint(real(acc))) + ZERO,
    ),
    "QDQ: half away from zero": (
        qdq, q_rule, lambda acc: clamp(half_away(real(acc)) + ZERO),
    ),
    "QDQ: truncation": (
        qdq, q_rule, lambda acc: clamp(np.trunc(real(acc)) + ZERO),
    ),
    "QDQ: narrow off": (
        lambda folder: qdq(folder, narrow=True),
        lambda acc: clamp(np.rint(real(acc)) + ZERO, -127), q_rule,
    ),
    "QDQ: narrow on": (
        qdq, q_rule, lambda acc: clamp(np.rint(real(acc)) + ZERO, -127),
    ),
    "QDQ: wrong channel axis": (
        qdq, q_rule, lambda acc: clamp(np.rint((acc + BIAS) * float(SCALE[0])) + ZERO),
    ),
    "QDQ: bias scale": (
        qdq, q_rule, lambda acc: clamp(np.rint(acc * SCALE + BIAS) + ZERO),
    ),
    "QDQ: bias left out": (
        qdq, q_rule, lambda acc: clamp(np.rint(acc * SCALE) + ZERO),
    ),
    "QDQ: double rounding": (
        qdq, q_rule, lambda acc: clamp(np.rint(np.rint(real(acc) * 4) / 4 + 0.125) + ZERO),
    ),
    "QONNX: round before the zero point": (
        qonnx, quant_rule, q_rule,
    ),
    "QONNX: clamp before the zero point": (
        qonnx, quant_rule, lambda acc: np.rint(np.clip(real(acc), -128, 127) + ZERO).astype(int),
    ),
    "QONNX: half away from zero": (
        qonnx, quant_rule, lambda acc: clamp(half_away(np.clip(real(acc) + ZERO, -128, 127))),
    ),
    "QONNX: narrow off": (
        lambda folder: qonnx(folder, narrow=True),
        lambda acc: np.rint(np.clip(real(acc) + ZERO, -127, 127)).astype(int), quant_rule,
    ),
    "QONNX: wrong channel axis": (
        qonnx, quant_rule, lambda acc: clamp(np.rint((acc + BIAS) * float(SCALE[0]) + ZERO)),
    ),
    "QONNX: bias scale": (
        qonnx, quant_rule, lambda acc: clamp(np.rint(acc * SCALE + BIAS + ZERO)),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
@needs_onnxruntime
@needs_qonnx
def test_a_faulty_rule_shows_beside_the_runtime(name: str, tmp_path: Path) -> None:
    """Boundary inputs alone show it, and the proof's step of the source has expected it."""
    make, rule, faulty = FAULTS[name]
    source = read_source(make(tmp_path))
    runner = runner_for(source)
    network = with_rule(source, rule)
    agreeing = compare(source, network, runner, random=0)
    assert agreeing.agrees, agreeing.line
    assert prove_import(source, network).exact
    wrong = compare(source, with_rule(source, faulty), runner, random=0)
    assert not wrong.agrees
    assert wrong.layers[0].differing > 0
    assert wrong.layers[0].unforeseen == 0
    first = wrong.first
    assert first is not None
    assert (first.layer, first.kind, first.foreseen) == (0, "boundary", True)
    acc = np.full((1, 4), first.acc)
    assert int(WEIGHT[first.channel] @ np.array(first.x)) == first.acc
    assert first.value == rule(acc)[0, first.channel]
    assert first.expected == faulty(acc)[0, first.channel] != first.value


@needs_litert
@pytest.mark.parametrize(("right", "other"), [*itertools.permutations(KERNELS, 2)])
def test_another_rounding_shows_beside_litert(right: str, other: str, tmp_path: Path) -> None:
    path = litert(tmp_path)
    source = read_source(path, rounding=right)
    runner = runner_for(source)
    assert compare(source, import_source(source).network, runner, random=100).agrees
    network = import_source(read_source(path, rounding=other)).network
    wrong = compare(source, network, runner, random=100)
    assert not wrong.agrees
    assert wrong.layers[0].unforeseen == 0
    assert wrong.first is not None
    assert wrong.first.foreseen


@needs_litert
@pytest.mark.parametrize("rounding", sorted(set(ROUNDINGS) - set(KERNELS)))
def test_a_rounding_that_litert_does_not_have_is_not_run(rounding: str, tmp_path: Path) -> None:
    found = import_network(litert(tmp_path), rounding=rounding)
    assert found.exact
    assert found.comparison is None
    assert f"has no kernels with the rounding {rounding}" in str(found.not_run)


# ------------------------------------------------------------------------------------------------
# Whole networks


def assert_same(found: Comparison, source: Source, random: int) -> None:
    assert found.agrees, found.line
    assert found.first is None
    assert found.inputs["random integers"] == random
    total = sum(found.inputs.values())
    for layer, stated in zip(found.layers, source.layers, strict=True):
        assert layer.compared == total * len(stated.weight)
    assert found.boundaries[0][0] > 0


@needs_onnxruntime
@pytest.mark.parametrize("narrow", [None, (1, 254)])
def test_a_qdq_network_gives_its_integers(narrow: Any, tmp_path: Path) -> None:
    path = save(tmp_path / "net.onnx", qdq_mlp(3, (6, 5, 4), narrow=narrow))
    found = import_network(path, random=300)
    assert found.exact
    assert found.comparison is not None
    assert_same(found.comparison, found.source, 300)
    assert found.comparison.runtime == "onnxruntime"
    assert found.comparison.optimised is not None
    assert found.comparison.inputs["random reals"] == 300


def fused(folder: Path, scale: float) -> str:
    """A QDQ MatMul whose outputs have this scale; onnxruntime fuses it into one integer kernel."""
    constants = {
        "sx": np.float32(2.0**-4), "zx": np.int8(0), "sw": np.float32(2.0**-7), "zw": np.int8(0),
        "w": np.random.default_rng(0).integers(-127, 128, (8, 8)).astype(np.int8),
        "sy": np.float32(scale), "zy": np.int8(0),
    }  # fmt: skip
    nodes = [
        node("QuantizeLinear", "x sx zx", "i0"),
        node("DequantizeLinear", "i0 sx zx", "h0"),
        node("DequantizeLinear", "w sw zw", "d0"),
        node("MatMul", "h0 d0", "a0"),
        node("QuantizeLinear", "a0 sy zy", "i1"),
        node("DequantizeLinear", "i1 sy zy", "y"),
    ]
    return save(folder / "fused.onnx", model(nodes, constants, ("batch", 8)))


@needs_onnxruntime
def test_what_graph_optimisations_change_is_told_apart(tmp_path: Path, run: Any) -> None:
    """The file's own arithmetic is proven and run; the default session has another."""
    path = fused(tmp_path, 0.3)
    found = import_network(path, random=50)
    assert found.exact
    assert found.comparison is not None
    assert found.comparison.optimised is not None
    compared, differing = found.comparison.optimised
    assert compared == sum(found.comparison.inputs.values()) * 8
    assert 0 < differing < compared
    assert "onnxruntime" in found.comparison.line
    assert "without graph optimisations: 0 of" in found.comparison.line
    status, out, _ = run("import", path, "--random", 50)
    assert status == 0
    assert "without graph optimisations: 0 of" in out
    assert "note: with its default graph optimisations onnxruntime computes these layers" in out
    assert f"{differing} of " in out
    assert "(ORT_DISABLE_ALL) to get what was proven" in out
    status, out, _ = run("import", path, "--random", 50, "--json")
    counts = {"compared": compared, "differing": differing}
    assert status == 0
    assert json.loads(out)["run"]["optimised"] == json.loads(out)["optimised"] == counts
    assert found.origin()["optimised"] == counts


@needs_onnxruntime
def test_graph_optimisations_that_change_nothing(tmp_path: Path, run: Any) -> None:
    """With powers of two the fused kernel gives the same."""
    out = run("import", fused(tmp_path, 0.25), "--random", 50)[1]
    assert "note: with its default graph optimisations onnxruntime gives the same" in out
    assert "ORT_DISABLE_ALL" not in out


@needs_qonnx
@pytest.mark.parametrize("domain", DOMAINS)
def test_a_qonnx_network_gives_its_integers_in_every_domain(domain: str, tmp_path: Path) -> None:
    path = save(tmp_path / "net.onnx", qonnx_mlp(1, (6, 5, 4), domain=domain))
    found = import_network(path, random=300)
    assert found.exact
    assert found.comparison is not None
    assert_same(found.comparison, found.source, 300)
    assert found.comparison.optimised is None


@needs_litert
@pytest.mark.parametrize("rounding", KERNELS)
def test_a_tflite_network_gives_its_integers(rounding: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    layers = [
        Dense(
            rng.integers(-127, 128, (channels, inputs)).astype(np.int8),
            rng.integers(-2000, 2000, channels),
            [0.011],
            2.7,
            zero,
        )
        for inputs, channels, zero in ((6, 5, -9), (5, 4, 11))
    ]
    path = tmp_path / "net.tflite"
    path.write_bytes(chain(layers, 0.05, -3).data())
    found = import_network(path, rounding=rounding, random=300)
    assert found.exact
    assert found.comparison is not None
    assert_same(found.comparison, found.source, 300)
    assert "random reals" not in found.comparison.inputs


@needs_qonnx
def test_differences_that_the_proof_leaves_open_are_told_apart(tmp_path: Path) -> None:
    """A network whose values are off everywhere in layer 0: layer 1 inherits, and is not blamed."""
    path = save(tmp_path / "net.onnx", qonnx_mlp(1, (6, 5, 4)))
    source = read_source(path)
    network = import_source(source).network
    step = network.layers[0].step
    shifted = dataclasses.replace(step, **_one_off(step))
    layers = (dataclasses.replace(network.layers[0], step=shifted), *network.layers[1:])
    wrong = compare(source, IntegerNetwork(network.input, layers), runner_for(source), random=200)
    assert [layer.differing > 0 for layer in wrong.layers] == [True, True]
    assert [layer.unforeseen for layer in wrong.layers] == [0, 0]


def _one_off(step: Any) -> dict[str, Any]:
    if hasattr(step, "M"):
        return {"R": step.R + (1 << step.S)}
    return {"table": step.table - 1}


@needs_onnxruntime
def test_a_reader_that_is_wrong_about_the_runtime_shows(tmp_path: Path) -> None:
    """The proof may say exact of a wrong step of the source; the runtime rules it out."""
    source = read_source(qdq(tmp_path))
    layer = dataclasses.replace(
        source.layers[0], step=Formula(lambda acc: clamp(np.rint(real(acc) + ZERO)))
    )
    wrong = dataclasses.replace(source, layers=(layer,))
    imported = import_source(wrong)
    assert imported.verdict.exact
    found = compare(wrong, imported.network, runner_for(wrong), random=0)
    assert found.layers[0].unforeseen > 0
    assert found.first is not None
    assert not found.first.foreseen
    assert "ruled out by the proof" in found.line


@needs_onnxruntime
def test_the_same_seed_gives_the_same_comparison(tmp_path: Path) -> None:
    source = read_source(qdq(tmp_path))
    network = import_source(source).network
    runner = runner_for(source)
    runs = [compare(source, network, runner, random=50, seed=seed) for seed in (1, 1, 2)]
    assert runs[0] == runs[1]
    json.dumps(runs[0].values(), allow_nan=False)


@needs_onnxruntime
def test_shares_of_the_work_add_up_to_one(tmp_path: Path) -> None:
    shares: list[float] = []
    import_network(qdq(tmp_path), random=1500, advance=shares.append)
    assert sum(shares) == pytest.approx(1.0)


# ------------------------------------------------------------------------------------------------
# Batches


@needs_onnxruntime
@pytest.mark.parametrize(("values", "most"), [(2**22, 1000), (40, 10), (3, 1)])
def test_wide_layers_are_run_in_smaller_batches(
    values: int, most: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtimes, "MOST_VALUES", values)
    source = read_source(qdq(tmp_path))
    runner = runner_for(source)
    assert runner.most == most
    assert compare(source, import_source(source).network, runner, random=25).agrees


@needs_onnxruntime
def test_a_constant_shape_gets_the_batch_too(tmp_path: Path) -> None:
    built = qdq_mlp(0)
    from onnx import numpy_helper

    built.graph.initializer.append(numpy_helper.from_array(np.array([1, -1]), "shape"))
    built.graph.node.insert(0, node("Reshape", "x shape", "flat"))
    built.graph.node[1].input[0] = "flat"
    built.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    path = save(tmp_path / "net.onnx", built)
    found = import_network(path, random=50)
    assert found.comparison is not None
    assert found.comparison.remark is None
    assert found.comparison.agrees


@needs_onnxruntime
def test_where_a_batch_gives_other_integers_inputs_run_one_at_a_time(tmp_path: Path) -> None:
    """A batch that is wrong on purpose is noticed by the first block of inputs."""
    source = read_source(qdq(tmp_path))

    class Wrong(OnnxRuntime):
        def _many(self, x: NDArray[Any]) -> Any:
            return {name: value + 1 for name, value in super()._many(x).items()}

    runner = Wrong(source)
    found = compare(source, import_source(source).network, runner, random=20)
    assert found.agrees
    assert found.remark is not None
    assert "other integers" in found.remark


@needs_onnxruntime
def test_a_file_that_fixes_its_batch_runs_one_input_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = read_source(qdq(tmp_path))
    module = importlib.import_module("ohmbench.digital.importing.onnx_runtimes")

    def refuse(*_: Any) -> Any:
        raise FileError("net.onnx", "no batch")

    monkeypatch.setattr(module, "with_batch", refuse)
    runner = runner_for(source)
    found = compare(source, import_source(source).network, runner, random=20)
    assert found.agrees
    assert found.remark is not None
    assert "fixes its batch" in found.remark


@needs_onnxruntime
def test_a_batched_copy_leaves_the_model_as_it_is(tmp_path: Path) -> None:
    import onnx

    source = read_source(qdq(tmp_path))
    built = onnx.load(source.path)
    before = built.SerializeToString()
    copy = with_batch(built, source, 7)
    assert built.SerializeToString() == before
    assert copy.graph.input[0].type.tensor_type.shape.dim[0].dim_value == 7


@pytest.mark.needs("qonnx")
def test_a_node_of_a_foreign_domain_is_not_imported(tmp_path: Path) -> None:
    """qonnx imports the Python module that a domain names; nobody else's may be named."""
    path = qonnx(tmp_path)
    source = read_source(path)
    import onnx

    built = onnx.load(path)
    built.graph.node.append(node("Quant", "a0 one z eight", "z0", "antigravity"))
    Path(path).write_bytes(built.SerializeToString())
    sys.modules.pop("antigravity", None)
    with pytest.raises(FileError, match="unknown domain"):
        runner_for(source)
    assert "antigravity" not in sys.modules


# ------------------------------------------------------------------------------------------------
# Reals and integers


def test_reals_become_the_integers_that_they_are() -> None:
    scale, offset = np.array([0.1, 3.0]), np.array([-0.3, 0.0])
    h = np.array([[-128, 127], [0, 1], [255, -255]])
    y = (h * scale + offset).astype(np.float32)
    assert np.array_equal(in_integers(y, scale, offset), h)
    assert np.array_equal(in_integers(h.astype(np.int8), scale, offset), h.astype(np.int8))


def test_what_is_not_whole_stays_so() -> None:
    """A tensor that does not hold what the reader says must not be rounded into agreement."""
    found = in_integers(np.array([[0.55]], np.float32), np.array([0.1]), np.array([0.0]))
    assert found[0, 0] == pytest.approx(5.5)


def test_every_integer_has_a_real_that_is_quantised_to_it() -> None:
    rng = np.random.default_rng(0)
    edges = np.sort(rng.normal(size=15)).astype(np.float32)
    input_ = InputFormat(-8, 7, 0.3, 1, edges)
    reals = InputReals(input_)
    assert reals.values.present.all()
    q = rng.integers(-8, 8, (200, 9))
    x = reals.of(q, rng)
    assert x.dtype == np.float32
    assert np.array_equal(input_.quantise(x), q)
    assert np.isin(edges, x).any()


def test_an_integer_that_no_real_reaches_is_left_out() -> None:
    input_ = InputFormat(-1, 1, 0.5, 0, np.array([0.5, 0.5], np.float32))
    assert InputReals(input_).values.present.tolist() == [[True, False, True]]


def test_whole_reals_where_the_runtime_takes_nothing_else() -> None:
    rng = np.random.default_rng(0)
    input_ = InputFormat(0, 2, 80.0, 0, np.array([99.5, 200.25], np.float32))
    reals = InputReals(input_, (0.0, 255.0))
    q = rng.integers(0, 3, (50, 4))
    for x in (reals.of(q, rng), reals.random(50, 4, rng)):
        assert np.array_equal(x, np.rint(x))
        assert x.min() >= 0
        assert x.max() <= 255
    assert np.array_equal(input_.quantise(reals.of(q, rng)), q)


def test_random_reals_stand_at_and_beside_every_threshold() -> None:
    rng = np.random.default_rng(0)
    edges = np.array([-1.5, 0.25, 3.0], np.float32)
    x = InputReals(InputFormat(0, 3, 1.0, 0, edges)).random(500, 4, rng)
    for edge in edges:
        for wanted in (edge, np.nextafter(edge, np.float32(9)), np.nextafter(edge, np.float32(-9))):
            assert (x == wanted).any()
    assert x.min() < -1.5
    assert x.max() > 3.0


# ------------------------------------------------------------------------------------------------
# Runtimes that are missing, and what they print


def test_every_format_has_a_runtime_a_runner_and_a_need() -> None:
    assert set(RUNTIMES) == set(RUNNERS) == {"QDQ ONNX", "QONNX", "TFLite"}
    for runtime in RUNTIMES.values():
        need = NEEDS[runtime.package]
        assert "pip install 'ohmbench[runtimes]'" in need.hint
        assert runtime.format in need.what
        looked = need.look()
        if looked.where is not None:
            assert os.path.isdir(looked.where)
            assert need.version is not None
            assert need.version()[0].isdigit()


def test_a_missing_runtime_is_named_with_its_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = runtimes.Runtime("onnxruntime", "ohmbench_no_such_module", "QDQ ONNX")
    assert gone.folder() is None
    with pytest.raises(MissingRuntime, match="not installed; run 'pip install"):
        gone.version()
    monkeypatch.setitem(runtimes.RUNTIMES, "QDQ ONNX", gone)
    found = import_network(qdq(tmp_path), random=10)
    assert found.exact
    assert found.comparison is None
    assert found.not_run == "onnxruntime: not installed; run 'pip install 'ohmbench[runtimes]''"


def test_nothing_that_a_library_prints_is_seen(capfd: pytest.CaptureFixture[str]) -> None:
    with quiet():
        print("from Python")
        os.write(1, b"from C\n")
        os.write(2, b"to the error stream\n")
    os.write(1, b"afterwards\n")
    assert capfd.readouterr() == ("afterwards\n", "")


@needs_onnxruntime
@needs_qonnx
@needs_litert
@pytest.mark.parametrize("make", [qdq, qonnx, litert])
def test_runtimes_print_nothing(
    make: Callable[[Path], str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Not even XNNPACK, which says that it is there whenever it is set up."""
    found = import_network(make(tmp_path), random=10)
    assert found.comparison is not None
    assert capfd.readouterr() == ("", "")


@needs_litert
def test_a_file_that_the_runtime_refuses_is_named(tmp_path: Path) -> None:
    path = Path(litert(tmp_path))
    source = read_source(str(path))
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(FileError, match="ai-edge-litert refuses it"):
        runner_for(source)


def test_saved_integers_say_where_they_come_from(tmp_path: Path) -> None:
    from ohmbench.digital.integer.store import load_integer
    from ohmbench.files import sha256_file

    path = qdq(tmp_path)
    found = importer.import_network(path, random=10)
    found.save(tmp_path / "net.npz")
    stored = load_integer(tmp_path / "net.npz")
    assert stored.network == found.network
    assert stored.origin["sha256"] == sha256_file(path)
    assert stored.origin["proof"] == found.verdict.line
    assert stored.origin["format"] == "QDQ ONNX"
    x = np.random.default_rng(0).integers(-128, 128, (9, 3))
    assert np.array_equal(infer(stored.network, x).outputs, infer(found.network, x).outputs)


@pytest.mark.needs("qonnx")
def test_a_file_that_only_names_its_batch_runs(tmp_path: Path) -> None:
    """qonnx takes the shapes of a file literally; PyTorch's exporter names the batch."""
    built = qonnx_mlp()
    built.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "batch"
    found = import_network(save(tmp_path / "named.onnx", built), random=5)
    assert found.comparison is not None
    assert found.comparison.agrees
