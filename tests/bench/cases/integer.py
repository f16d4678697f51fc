"""A published integer network (jet tagging, 16-64-32-32-5, 6 bits) and onnxruntime on one thread.

The reference is the fastest form that onnxruntime has of the same integers: QDQ operators that it
fuses to integer matrix products, each with its requantisation, and a Clip to 6 bits behind it.
Scales are powers of 2, so its float32 outputs are exact.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ohmbench.digital.importing.fitting import fit_network
from ohmbench.digital.importing.reading import read_source
from ohmbench.digital.integer import Affine, IntegerNetwork, Thresholds
from ohmbench.digital.integer.fast import compiled_network
from ohmbench.fetching.copies import model_file
from tests.bench.cases.case import SEED, Case, Done, Pair
from tests.bench.cases.golden import EXACT

MODEL = "qkeras_jettagging.onnx"
INPUT_BITS, INPUT_STEP = 8, 1 / 16
"""The file leaves its inputs unquantised. Integer products of onnxruntime take 8 bits."""
BATCH = 1_000


def _rounded_shift(step: Thresholds) -> tuple[NDArray[Any], int]:
    """``bias`` and ``S`` of a table that rounds (acc + bias) / 2^S to nearest, ties to even."""
    size = int(step.table[0, 2] - step.table[0, 0]) // 2
    return size // 2 + 1 - step.table[:, 0], size.bit_length() - 1


def qdq_model(network: IntegerNetwork) -> bytes:
    """``network`` in QDQ form, for inputs uint8 with the zero point 128."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    nodes, constants = [], []

    def constant(name: str, value: Any) -> str:
        constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def node(kind: str, *inputs: str) -> str:
        nodes.append(helper.make_node(kind, inputs, [f"{kind}{len(nodes)}"]))
        return str(nodes[-1].output[0])

    scale = 1.0
    x = node(
        "DequantizeLinear",
        "x", constant("scale", np.float32(scale)), constant("zero", np.uint8(128)),
    )  # fmt: skip
    for k, layer in enumerate(network.layers):
        step = layer.step
        if isinstance(step, Thresholds):
            bias, shift = _rounded_shift(step)
            unit = 1.0
        else:
            assert isinstance(step, Affine)
            bias, shift = step.R, 0
            unit = 1 / scale  # the outputs are the sums themselves
        w = node(
            "DequantizeLinear",
            constant(f"weight{k}", layer.weight.T.copy()),
            constant(f"unit{k}", np.float32(unit)),
            constant(f"none{k}", np.int8(0)),
        )
        b = node(
            "DequantizeLinear",
            constant(f"bias{k}", bias.astype(np.int32)),
            constant(f"step{k}", np.float32(scale * unit)),
            constant(f"nothing{k}", np.int32(0)),
        )
        x = node("Add", node("MatMul", x, w), b)
        if isinstance(step, Thresholds):
            scale *= 2**shift
            to = constant(f"scale{k}", np.float32(scale)), constant(f"zero{k}", np.uint8(0))
            low, high = (
                constant(f"{name}{k}", np.uint8(value))
                for name, value in (("low", step.lo), ("high", step.hi))
            )
            x = node("Clip", node("QuantizeLinear", x, *to), low, high)
            x = node("DequantizeLinear", x, *to)
    graph = helper.make_graph(
        nodes,
        "jet-tagging",
        [helper.make_tensor_value_info("x", TensorProto.UINT8, ["n", network.inputs])],
        [helper.make_tensor_value_info(x, TensorProto.FLOAT, ["n", network.classes])],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model)
    found: bytes = model.SerializeToString()
    return found


def session(model: bytes) -> Any:
    """onnxruntime with all its optimisations, on one thread."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def jet_tagging() -> IntegerNetwork:
    """The published network, its inputs of 8 bits."""
    source = read_source(model_file(MODEL), input_bits=INPUT_BITS, input_step=INPUT_STEP)
    return fit_network(source)


def _inference() -> Pair:
    network = jet_tagging()
    fast, slow = compiled_network(network), session(qdq_model(network))
    x = np.random.default_rng(SEED).integers(-128, 128, (BATCH, network.inputs), dtype=np.int8)
    feed = {"x": (x.astype(np.int16) + 128).astype(np.uint8)}
    products = sum(layer.weight.size for layer in network.layers)
    return Pair(
        lambda: Done((slow.run(None, feed)[0],)),
        lambda: Done((fast(x).values,)),
        EXACT,
        2 * BATCH * products,
    )


CASES = [
    Case("jet-tagging-inference", BATCH, "inputs", _inference, needs=("models", "onnxruntime"))
]
