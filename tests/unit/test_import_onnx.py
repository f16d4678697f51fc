"""Reading ONNX files: the published networks, what is refused and why, files from strangers."""

import sys
import time
import tracemalloc

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from ohmbench.digital.exporting.text import MAX_TEXT
from ohmbench.digital.importing.onnx_file import MAX_BYTES
from ohmbench.digital.importing.onnx_reader import read_onnx
from ohmbench.errors import FileError, RangeError
from ohmbench.fetching import model_file
from tests.unit.onnx_files import (
    BREVITAS,
    FINN,
    differences,
    model,
    mutated,
    node,
    qdq_mlp,
    qonnx_mlp,
    quant,
    run_onnxruntime,
    run_qonnx,
    save,
)

F = np.float32

# Layers (outputs x inputs, bits, lo, hi) as the tables of the published files give them.
PUBLISHED = {
    "qkeras_jettagging.onnx": (
        [(64, 16, 6, 0, 63), (32, 64, 6, 0, 63), (32, 32, 6, 0, 63), (5, 32, 6, None, None)],
        (-(2**15), 2**15 - 1),
    ),
    "TFC_1W1A.onnx": (
        [(64, 784, 1, -1, 1), (64, 64, 1, -1, 1), (64, 64, 1, -1, 1), (10, 64, 1, None, None)],
        (-1, 1),
    ),
    "TFC_1W2A.onnx": (
        [(64, 784, 1, -1, 1), (64, 64, 1, -1, 1), (64, 64, 1, -1, 1), (10, 64, 1, None, None)],
        (-1, 1),
    ),
    "kwsmlp_w3a3.onnx": (
        [(256, 490, 3, 0, 7), (256, 256, 3, 0, 7), (256, 256, 3, 0, 7), (12, 256, 3, None, None)],
        (-127, 127),
    ),
    "finn_tfc/model.onnx": (
        [(64, 784, 1, -1, 1), (64, 64, 1, -1, 1), (64, 64, 1, -1, 1), (10, 64, 1, None, None)],
        (-1, 1),
    ),
}


@pytest.mark.needs("models")
@pytest.mark.parametrize("name", PUBLISHED)
def test_published_networks_read_as_published(name):
    source = read_onnx(model_file(name))
    layers, (lo, hi) = PUBLISHED[name]
    found = [(*layer.weight.shape, layer.bits, layer.lo, layer.hi) for layer in source.layers]
    assert found == layers
    assert (source.input.lo, source.input.hi, source.format) == (lo, hi, "QONNX")


@pytest.mark.needs("models", "qonnx")
@pytest.mark.parametrize("name", PUBLISHED)
def test_published_networks_give_what_qonnx_gives(name):
    """Every value of every layer, on random inputs around the range that is quantised."""
    path = model_file(name)
    source, built = read_onnx(path), onnx.load(path)
    rng = np.random.default_rng(4)
    span = source.input.real(np.array([source.input.lo, source.input.hi]))
    for _ in range(3):
        x = rng.uniform(*span, source.input_shape).astype(F)
        if name.startswith("finn"):  # declared as whole numbers, which qonnx insists on
            x = np.rint(x)
        if source.input.thresholds is None:  # the runtime gets the same fixed-point inputs
            x = source.input.real(source.input.quantise(x)).astype(F)
        wrong, opened = differences(source, run_qonnx(built, x), x)
        assert wrong == 0
        assert (opened > 0) == name.startswith("kws")


def test_the_output_before_a_dropped_node_is_kept(tmp_path):
    built = qonnx_mlp()
    built.graph.node.append(node("Softmax", "y", "p", axis=1))
    built.graph.output[0].name = "p"
    source = read_onnx(save(tmp_path / "m.onnx", built))
    assert (source.layers[-1].tensor, source.output_tensor) == ("y", "p")
    assert source.notes == ("Softmax Softmax_p is left out: the order of the outputs is the same",)


def test_the_text_of_an_export_is_kept(tmp_path):
    assert read_onnx(save(tmp_path / "m.onnx", qdq_mlp())).stored is None
    built = qdq_mlp()
    helper.set_model_props(built, {"ohmbench": "text", "other": "x"})
    assert read_onnx(save(tmp_path / "m.onnx", built)).stored == "text"


def plain(nodes, constants, shape=(1, 3), **options):
    """A model whose real input goes straight to the weights "w"."""
    constants = {"w": np.array([[1, -1], [0, 2], [3, 1]], F), **constants}
    return model(nodes, constants, shape, **options)


def test_inputs_that_no_quantiser_reads_are_fixed_point(tmp_path):
    built = plain([node("MatMul", "x w", "y")], {})
    path = save(tmp_path / "m.onnx", built)
    source = read_onnx(path)
    assert (source.input.lo, source.input.hi, source.input.scale) == (-(2**15), 2**15 - 1, 2.0**-10)
    assert "signed 16-bit multiples of 0.000976562" in source.notes[0]
    other = read_onnx(path, input_bits=8, input_step=0.25)
    assert (other.input.lo, other.input.hi, other.input.scale) == (-128, 127, 0.25)
    x = (np.random.default_rng(0).integers(-128, 128, (50, 3)) * 0.25).astype(F)
    rows = [run_onnxruntime(built, row[None])["y"] for row in x]
    assert differences(other, {"y": np.concatenate(rows)}, x) == (0, 0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"input_bits": 1}, "input_bits is 1, but should be 2 to 16"),
        ({"input_bits": 17}, "input_bits is 17"),
        ({"input_step": 0.3}, "input_step is 0.3, but should be a power of two"),
        ({"input_step": 0.0}, "input_step is 0,"),
        ({"input_step": -0.5}, "input_step is -0.5"),
        ({"input_step": float("nan")}, "input_step is nan"),
        ({"input_step": 2.0**-61}, "input_step is"),
    ],
    ids=str,
)
def test_fixed_point_inputs_outside_their_range_are_refused(options, message):
    with pytest.raises(RangeError, match=message):
        read_onnx("missing.onnx", **options)


def test_integer_inputs_are_taken_as_they_are(tmp_path):
    built = model(
        [node("DequantizeLinear", "x s z", "h"), node("MatMul", "h w", "y")],
        {"w": np.array([[1, -1], [0, 2], [3, 1]], F), "s": F(0.5), "z": np.uint8(7)},
        ("n", 3),
        dtype="uint8",
    )
    source = read_onnx(save(tmp_path / "m.onnx", built))
    assert source.takes_integers
    assert (source.input.lo, source.input.hi, source.input.scale, source.input.zero) == (
        0,
        255,
        0.5,
        7,
    )
    x = np.random.default_rng(0).integers(0, 256, (50, 3)).astype(np.uint8)
    assert differences(source, run_onnxruntime(built, x), x) == (0, 0)


GEMMS = {
    "plain": ({}, (2,), True),
    "no-bias": ({}, None, True),
    "alpha-power-of-two": ({"alpha": 0.25}, (2,), True),
    "alpha-any": ({"alpha": 0.3}, (2,), False),
    "beta": ({"beta": 3.0}, (2,), True),
    "beta-0": ({"beta": 0.0}, (2,), True),
    "bias-scalar": ({}, (), True),
    "bias-row": ({}, (1, 2), True),
    "bias-one": ({}, (1,), True),
}


@pytest.mark.needs("onnxruntime")
@pytest.mark.parametrize("name", GEMMS)
@pytest.mark.parametrize("trans", [0, 1])
def test_gemm_gives_what_onnxruntime_gives(name, trans, tmp_path):
    attributes, shape, exact = GEMMS[name]
    w = np.array([[1, -1], [0, 2], [3, 1]], F)
    constants = {"w": w.T.copy() if trans else w, "s": F(0.25), "z": np.uint8(7)}
    if shape is not None:
        constants["c"] = np.full(shape, 1.25, F)
    nodes = [
        node("QuantizeLinear", "x s z", "i"),
        node("DequantizeLinear", "i s z", "h"),
        node("Gemm", "h w" + " c" * (shape is not None), "y", transB=trans, **attributes),
    ]
    built = model(nodes, constants, ("n", 3))
    source = read_onnx(save(tmp_path / "m.onnx", built))
    x = np.random.default_rng(0).uniform(-5, 60, (200, 3)).astype(F)
    wrong, opened = differences(source, run_onnxruntime(built, x), x)
    assert wrong == 0
    assert (opened == 0) == exact


def test_weight_scales_along_the_inputs_are_refused_and_along_the_channels_are_kept(tmp_path):
    def built(scales):
        w = np.array([[1, -2, 3], [4, 5, -6], [7, 1, 1]], np.int8)
        nodes = [
            node("DequantizeLinear", "w8 s z", "d", axis=1),
            node("MatMul", "x d", "y"),
        ]
        constants = {"w8": w, "s": np.array(scales, F), "z": np.zeros(3, np.int8)}
        return save(tmp_path / "m.onnx", model(nodes, constants, (1, 3)))

    layer = read_onnx(built([0.5, 1, 2])).layers[0]
    assert np.array_equal(layer.meaning.scale, np.array([0.5, 1, 2]) * 2.0**-10)
    assert layer.weight.tolist() == [[1, 4, 7], [-2, 5, 1], [3, -6, 1]]


def quantised(*after, constants=(), weight="w", opset=13):
    """8-bit inputs, ``weight`` and what follows its sums "a"."""
    return model(
        [quant("x one zero eight", "h"), node("MatMul", f"h {weight}", "a"), *after],
        {
            "w": np.array([[1, -1], [0, 2], [3, 1]], F),
            "one": F(1),
            "zero": F(0),
            "eight": F(8),
            "c": np.array([[1.5, 2]], F),
            **dict(constants),
        },
        (1, 3),
        "y" if after else "a",
        opset=opset,
    )


def with_scale(value):
    return quantised(quant("a s zero eight", "y"), constants={"s": F(value)})


def unary(op, **attributes):
    return quantised(node(op, "a", "y", **attributes))


def scaled(alpha, sx, sw):
    """A Gemm with alpha behind inputs of scale ``sx`` and weights of scale ``sw``."""
    return plain(
        [
            node("QuantizeLinear", "x sx z", "i"),
            node("DequantizeLinear", "i sx z", "h"),
            node("DequantizeLinear", "w8 sw z", "d"),
            node("Gemm", "h d", "y", alpha=alpha),
        ],
        {"w8": np.ones((3, 2), np.int8), "z": np.int8(0), "sx": F(sx), "sw": F(sw)},
    )


def four_bits(*nodes, constants=(), named="z"):
    """A quantiser whose zero point ``named`` comes from ``nodes``."""
    return plain(
        [
            *nodes,
            node("QuantizeLinear", f"x one {named}", "i"),
            node("DequantizeLinear", f"i one {named}", "h"),
            node("MatMul", "h w", "y"),
        ],
        {"one": F(1), **dict(constants)},
        opset=21,
    )


NIBBLE = helper.make_tensor("z4", TensorProto.INT4, [1], [0])
NIBBLES_READ = "it reads 4-bit integers; only QuantizeLinear and DequantizeLinear may"


def takes_integers(*nodes, kind="uint8"):
    """A network of integers "x" of ``kind``; ``nodes`` lead from "x" to "h"."""
    kind = np.dtype(kind)
    constants = {"w": np.ones((3, 2), F), "s": F(1), "z": kind.type(0), "two": F(2)}
    constants |= {"m": kind.type(100)}
    return model([*nodes, node("MatMul", "h w", "y")], constants, ("n", 3), dtype=kind.name)


def declared(built, **types):
    for name, kind in types.items():
        entry = built.graph.quantization_annotation.add()
        entry.tensor_name = name
        pair = entry.quant_parameter_tensor_names.add()
        pair.key, pair.value = "finn_datatype", kind
    return built


def test_tensors_that_are_declared_integers_and_are_stay_as_they_are(tmp_path):
    built = quantised(node("Mul", "a two", "y"), constants={"two": F(2)})
    declared(built, x="UINT8", h="INT8", a="INT32", y="INT9")
    assert len(read_onnx(save(tmp_path / "m.onnx", built)).layers) == 1


CLAMPED = {
    "relu": ([node("DequantizeLinear", "x s z", "d"), node("Relu", "d", "h")], "int8", (0, 127)),
    "clip": (
        [node("Clip", "x z m", "c"), node("DequantizeLinear", "c s z", "h")],
        "uint8",
        (0, 100),
    ),
    "none": ([node("DequantizeLinear", "x s z", "d"), node("Relu", "d", "h")], "uint8", (0, 255)),
}


@pytest.mark.needs("onnxruntime")
@pytest.mark.parametrize("name", CLAMPED)
def test_clamped_integer_inputs_are_clamped_as_the_runtime_does_and_the_report_says_so(
    name, tmp_path
):
    nodes, kind, ends = CLAMPED[name]
    built = takes_integers(*nodes, kind=kind)
    source = read_onnx(save(tmp_path / "m.onnx", built))
    limits = np.iinfo(kind)
    every = np.arange(limits.min, limits.max + 1)
    assert (source.input.lo, source.input.hi) == ends
    assert any("clamps its" in note for note in source.notes) == (name != "none")
    x = np.repeat(every[:, None], 3, axis=1).astype(kind)
    h = source.input.quantise(source.input.real(x))
    acc = h @ source.layers[0].weight.T.astype(np.int64)
    assert (run_onnxruntime(built, x)["y"] == acc).all()


def test_wide_integers_are_refused_before_anything_is_made_of_them(tmp_path):
    """A table of all 32-bit integers would need 32 GiB."""
    tracemalloc.start()
    try:
        with pytest.raises(FileError, match="32 bits"):
            read_onnx(save(tmp_path / "m.onnx", REFUSED["32-bit-inputs"][0]))
        assert tracemalloc.get_traced_memory()[1] < 2**28
    finally:
        tracemalloc.stop()


@pytest.mark.needs("qonnx")
def test_qonnx_rounds_what_is_declared_to_be_integers(tmp_path):
    """Why such files are refused: the declaration changes the runtime's numbers."""

    def built():
        return quantised(node("Add", "a d", "y"), constants={"d": F(0.0004)})

    x = np.ones((1, 3), F)
    rounded = run_qonnx(declared(built(), y="INT32"), x)["y"]
    assert (rounded != run_qonnx(built(), x)["y"]).all()


REFUSED = {
    "declared-integer": (
        declared(quantised(node("Add", "a d", "y"), constants={"d": F(0.0004)}), y="INT32"),
        "node Add Add_y: y is declared INT32, but may not hold integers",
    ),
    # 257 sums from end to end are even, and there are others between them.
    "declared-integer-halved": (
        declared(
            model(
                [
                    quant("x one zero two", "h", narrow=1),
                    node("MatMul", "h w", "a"),
                    node("Mul", "a half", "c"),
                    quant("c half zero eight", "y"),
                ],
                {
                    "one": F(1),
                    "zero": F(0),
                    "two": F(2),
                    "eight": F(8),
                    "half": F(0.5),
                    "w": np.ones((256, 2), F),
                },
                (1, 256),
            ),
            c="INT32",
        ),
        "node Mul Mul_c: c is declared INT32, but may not hold integers",
    ),
    "declared-integer-divided": (
        declared(quantised(node("Div", "a two", "y"), constants={"two": F(2)}), y="INT32"),
        "node Div Div_y: y is declared INT32, but may not hold integers",
    ),
    "alpha-after-underflow": (
        scaled(2.0**90, 2.0**-100, 2.0**-100),
        "Gemm_y: its sums before or after alpha can be too large or too small for float32",
    ),
    "alpha-after-overflow": (
        scaled(2.0**-99, 2.0**64, 2.0**64),
        "Gemm_y: its sums before or after alpha can be too large or too small for float32",
    ),
    "alpha-on-the-weights-overflows": (
        scaled(2.0**99, 2.0**-100, 2.0**30),
        "Gemm_y: its sums before or after alpha can be too large or too small for float32",
    ),
    "alpha-on-the-inputs-underflows": (
        scaled(2.0**-99, 2.0**-26, 2.0**26),
        "Gemm_y: its sums before or after alpha can be too large or too small for float32",
    ),
    "four-bits-of-a-constant": (
        four_bits(node("Constant", "", "zc", value=NIBBLE), named="zc"),
        "node Constant Constant_zc: attribute value has 4-bit integers",
    ),
    "four-bits-by-a-cast": (
        four_bits(node("Cast", "z8", "zc", to=22), constants={"z8": np.int8(0)}, named="zc"),
        "Cast_zc: its target type cannot be read",
    ),
    "four-bits-by-identity": (
        four_bits(node("Identity", "z4", "zc"), constants={"z4": NIBBLE}, named="zc"),
        "Identity_zc: " + NIBBLES_READ,
    ),
    "four-bits-by-reshape": (
        four_bits(
            node("Reshape", "z4 k", "zc"),
            constants={"z4": NIBBLE, "k": np.array([1, 1])},
            named="zc",
        ),
        "Reshape_zc: " + NIBBLES_READ,
    ),
    "four-bits-quantised": (
        four_bits(
            node("QuantizeLinear", "one one z4", "zq"),
            node("Identity", "zq", "zc"),
            constants={"z4": NIBBLE},
            named="zc",
        ),
        "Identity_zc: " + NIBBLES_READ,
    ),
    "integer-inputs-quantised-again": (
        takes_integers(
            node("DequantizeLinear", "x s z", "d"),
            node("QuantizeLinear", "d two z", "i"),
            node("DequantizeLinear", "i two z", "h"),
        ),
        "input x: its integers are quantised again in front of the first layer",
    ),
    "32-bit-inputs": (
        plain(
            [
                node("QuantizeLinear", "x one z", "i"),
                node("DequantizeLinear", "i one z", "h"),
                node("MatMul", "h w", "y"),
            ],
            {"one": F(1), "z": np.int32(0)},
        ),
        "QuantizeLinear_i: its integers have 32 bits, but should have at most 16",
    ),
    "step-between": (
        quantised(
            quant("a one zero eight", "b"),
            node("Clip", "b half top", "d"),
            node("MatMul", "d w2", "y"),
            constants={"w2": np.ones((2, 2), F), "half": F(0.5), "top": F(9.5)},
        ),
        "MatMul_y: a step that is not linear lies between the quantiser and this node",
    ),
    "Conv": (unary("Conv"), "node Conv Conv_y: this operation cannot be read"),
    "Sigmoid": (unary("Sigmoid"), "node Sigmoid Sigmoid_y: this operation"),
    "Tanh": (unary("Tanh"), "node Tanh Tanh_y: this operation"),
    "Trunc": (
        quantised(node("Trunc", "a one zero eight eight", "y", BREVITAS)),
        "node Trunc Trunc_y: this operation",
    ),
    "dynamic-scale": (
        quantised(quant("a a zero eight", "y")),
        "node Quant Quant_y: its scale should be a constant",
    ),
    "dynamic-zero": (
        quantised(quant("a one a eight", "y")),
        "its zero point should be a constant",
    ),
    "dynamic-bits": (quantised(quant("a one zero a", "y")), "its bit width should be a constant"),
    "dynamic-quantisation": (
        quantised(node("DynamicQuantizeLinear", "a", "y b d")),
        "DynamicQuantizeLinear_y: this op",
    ),
    "branch": (
        quantised(node("Relu", "a", "r"), node("Add", "a r", "y")),
        "node Add Add_y: both its inputs depend on the network's input",
    ),
    "weights-from-the-input": (
        model([node("MatMul", "x x", "y")], {}, (1, 1)),
        "MatMul_y: its weights are not constant",
    ),
    "weights-on-the-left": (
        quantised(node("MatMul", "w a", "y")),
        "MatMul_y: its weights are not constant",
    ),
    "weights-real": (
        quantised(constants={"w": np.full((3, 2), 0.3, F)}),
        "node MatMul MatMul_a: its weights are not quantised",
    ),
    "weights-of-9-bits": (
        plain(
            [node("DequantizeLinear", "w8 s z", "d"), node("MatMul", "x d", "y")],
            {"w8": np.array([[0, 255]] * 3, np.uint8), "s": F(1), "z": np.uint8(100)},
        ),
        "MatMul_y: its weights run from -100 to 155 without their zero point, more than 8 bits",
    ),
    "weights-double": (quantised(constants={"w": np.ones((3, 2))}), "weights are float64"),
    "weights-3d": (
        quantised(constants={"w": np.ones((1, 3, 2), F)}),
        "should be a float32 matrix",
    ),
    "weights-do-not-fit": (quantised(constants={"w": np.ones((4, 2), F)}), "do not fit"),
    "weight-scale-along-the-inputs": (
        plain(
            [node("DequantizeLinear", "w8 s z", "d", axis=0), node("MatMul", "x d", "y")],
            {
                "w8": np.ones((3, 2), np.int8),
                "s": np.array([1, 2, 3], F),
                "z": np.zeros(3, np.int8),
            },
        ),
        "the scale of its weights differs between inputs of a channel",
    ),
    "unquantised-between": (
        quantised(
            node("Relu", "a", "r"),
            node("MatMul", "r w2", "y"),
            constants={"w2": np.ones((2, 2), F)},
        ),
        "node MatMul MatMul_y: its input is not quantised",
    ),
    "scaled-unquantised-input": (
        plain([node("Mul", "x half", "v"), node("MatMul", "v w", "y")], {"half": F(0.5)}),
        "MatMul_y: its input is not quantised",
    ),
    "channels-of-different-scales": (
        quantised(
            quant("a c zero eight", "b"),
            node("MatMul", "b w2", "y"),
            constants={"w2": np.ones((2, 2), F)},
        ),
        "MatMul_y: the channels of its input have different scales",
    ),
    "zero-between-integers": (
        quantised(
            quant("a one zero eight", "b"),
            node("Add", "b half", "d"),
            node("MatMul", "d w2", "y"),
            constants={"w2": np.ones((2, 2), F), "half": F(0.5)},
        ),
        "MatMul_y: its input's zero point is not an integer",
    ),
    "zero-beyond-float64": (
        quantised(
            quant("a one zero eight", "m0"),
            *(node("Mul", f"m{k} tiny", f"m{k + 1}") for k in range(8)),
            node("Add", "m8 huge", "d"),
            node("MatMul", "d w2", "y"),
            constants={"w2": np.ones((2, 2), F), "tiny": F(1.2e-38), "huge": F(3e38)},
        ),
        "MatMul_y: its input's zero point is not an integer",
    ),
    "input-zero-beyond-float64": (
        plain(
            [
                *(node("Mul", f"{'x' if not k else f'm{k}'} huge", f"m{k + 1}") for k in range(8)),
                node("Add", "m8 huge", "d"),
                quant("d one zero eight", "h"),
                node("MatMul", "h w", "a"),
                node("Relu", "a", "y"),
            ],
            {"huge": F(3e38), "one": F(1), "zero": F(0), "eight": F(8)},
        ),
        "node MatMul_a: the steps behind it",
    ),
    "relu-at-the-end": (
        unary("Relu"),
        "node MatMul_a: the steps behind it have no quantiser, or bend its values",
    ),
    "divided": (
        quantised(node("Div", "c a", "y")),
        "node Div Div_y: it divides by a tensor that depends",
    ),
    "divided-by-0": (
        quantised(node("Div", "a zero", "y")),
        "node Div Div_y: it divides by 0",
    ),
    "times-0": (quantised(node("Mul", "a zero", "y")), "MatMul_a: the scale of its outputs is 0"),
    "constant-double": (
        quantised(node("Add", "a d", "y"), constants={"d": np.float64(1)}),
        "constant is float64",
    ),
    "constant-wide": (
        quantised(node("Add", "a d", "y"), constants={"d": np.ones((4, 2), F)}),
        r"node Add Add_y: its constant has shape \(4, 2\), which does not fit \(1, 2\)",
    ),
    "scale-0": (with_scale(0), "node Quant Quant_y: its scale is 0, but should be positive"),
    "scale-negative": (with_scale(-0.5), "its scale is -0.5, but should be positive"),
    "scale-subnormal": (with_scale(1e-40), "but should be positive"),
    "scale-infinite": (with_scale(np.inf), "its scale is not finite"),
    "scale-nan": (with_scale(np.nan), "tensor s: it holds a value that is not a number"),
    "zero-point-fraction": (
        quantised(quant("a one c eight", "y")),
        "its zero point should be an integer",
    ),
    "bits-9": (
        quantised(quant("a one zero b", "y"), constants={"b": F(9)}),
        "its bit width is 9, but should be 1 to 8",
    ),
    "bias-beyond-24-bits": (
        quantised(
            quant("b one zero bits", "bq"),
            node("Add", "a bq", "y"),
            constants={"b": np.array([1, 1e9], F), "bits": F(32)},
        ),
        "node Quant Quant_bq: a constant has an integer of more than 24 bits",
    ),
    "bits-fraction": (
        quantised(quant("a one zero b", "y"), constants={"b": F(2.5)}),
        "bit width is 2.5",
    ),
    "narrow-not-said": (
        quantised(node("Quant", "a one zero eight", "y", BREVITAS, signed=1)),
        "node Quant Quant_y: it does not say whether it is narrow",
    ),
    "rounding-unknown": (
        quantised(quant("a one zero eight", "y", rounding="SIDEWAYS")),
        "mode is SIDEWAYS, which",
    ),
    "rounding-number": (
        quantised(
            node("Quant", "a one zero eight", "y", BREVITAS, signed=1, narrow=0, rounding_mode=3)
        ),
        "attribute rounding_mode should be str",
    ),
    "one-value": (
        quantised(quant("a one zero one", "y", signed=0, narrow=1)),
        "its range holds one value",
    ),
    "thresholds-wrong-rows": (
        quantised(
            node("MultiThreshold", "a t", "y", FINN, out_dtype="UINT4"),
            constants={"t": np.ones((3, 4), F)},
        ),
        r"3 rows of thresholds do not fit \(1, 2\)",
    ),
    "norm-wrong-channels": (
        quantised(node("BatchNormalization", "a v v v v", "y"), constants={"v": np.ones(3, F)}),
        r"BatchNormalization_y: its scale has shape \(3,\), but should be \(2,\)",
    ),
    "norm-negative-variance": (
        quantised(
            node("BatchNormalization", "a v v v u", "y"),
            constants={"v": np.ones(2, F), "u": -np.ones(2, F)},
        ),
        "a scale or bias of it is not finite",
    ),
    "norm-training": (
        quantised(
            node("BatchNormalization", "a v v v v", "y", training_mode=1),
            opset=14,
            constants={"v": np.ones(2, F)},
        ),
        "training_mode",
    ),
    "attribute-unknown": (
        unary("Relu", axis=1),
        "node Relu Relu_y: attribute axis cannot be read",
    ),
    "part-of-a-shape": (
        plain([node("Shape", "x", "s", end=1), node("Reshape", "x s", "y")], {}, opset=15),
        "node Shape Shape_s: attribute end cannot be read",
    ),
    "scale-of-two-dimensions": (
        quantised(
            node("QuantizeLinear", "a s z", "q"),
            node("DequantizeLinear", "q s z", "y"),
            constants={"s": np.ones((1, 1), F), "z": np.zeros((1, 1), np.int8)},
        ),
        r"QuantizeLinear_q: scale \(1, 1\) on axis 1 does not fit",
    ),
    "transA": (
        quantised(node("Gemm", "a w", "y", transA=1)),
        "node Gemm Gemm_y: transA cannot be read",
    ),
    "softmax-over-the-batch": (
        unary("Softmax", axis=0),
        "Softmax_y: its axis 0 is not that of the channels",
    ),
    "after-softmax": (
        quantised(node("Softmax", "a", "p"), node("Mul", "p c", "y")),
        "node Mul Mul_y: it follows Softmax Softmax_p, which ends a network",
    ),
    "argmax-last": (
        unary("ArgMax", axis=1, select_last_index=1),
        "it takes the smallest or the last output",
    ),
    "transposed": (
        model(
            [node("Transpose", "x", "t", perm=[0, 2, 1]), node("Flatten", "t", "y")], {}, (1, 2, 3)
        ),
        "Transpose_t: it reorders a tensor that depends on the input",
    ),
    "batch-mixed": (
        quantised(node("Reshape", "a to", "y"), constants={"to": np.array([2, 1])}),
        r"Reshape_y: it turns \(1, 2\) into \(2, 1\), which mixes the batch",
    ),
    "input-normalised-by-pixel": (
        plain(
            [node("Add", "x d", "v"), quant("v one zero one", "h"), node("MatMul", "h w", "y")],
            {"d": np.array([1, 2, 3], F), "one": F(1), "zero": F(0)},
        ),
        "node Add Add_v: its constant differs between inputs of the network",
    ),
    "axis-before-opset-13": (
        quantised(
            node("QuantizeLinear", "a c2 z", "q"),
            node("DequantizeLinear", "q c2 z", "y"),
            constants={"c2": np.array([1, 2], F), "z": np.zeros(2, np.int8)},
            opset=12,
        ),
        "QuantizeLinear_q: opset 12 has no scale per channel",
    ),
    "blocks": (
        quantised(
            node("QuantizeLinear", "a one z", "q", block_size=2),
            node("Relu", "q", "y"),
            constants={"z": np.int8(0)},
            opset=21,
        ),
        "QuantizeLinear_q: blocks",
    ),
    "arithmetic-on-integers": (
        quantised(
            node("QuantizeLinear", "a one z", "q"),
            node("Relu", "q", "y"),
            constants={"z": np.int8(0)},
        ),
        "Relu_y: it reads integers that were not dequantised",
    ),
    "dequantised-reals": (
        quantised(node("DequantizeLinear", "a one z", "y"), constants={"z": np.int8(0)}),
        "DequantizeLinear_y: its input holds no integers",
    ),
    "zero-point-type": (
        quantised(
            node("QuantizeLinear", "a one z", "q"),
            node("DequantizeLinear", "q one u", "y"),
            constants={"z": np.int8(0), "u": np.uint8(0)},
        ),
        "its zero point is uint8, not int8",
    ),
    "clip-crossed": (
        quantised(node("Clip", "a one zero", "y")),
        "Clip_y: it clips to 1 to 0",
    ),
    "16-bit-values": (
        quantised(
            node("QuantizeLinear", "a one z", "q"),
            node("DequantizeLinear", "q one z", "y"),
            constants={"z": np.int16(0)},
            opset=21,
        ),
        "QuantizeLinear_q: its integers have 16 bits, but should have at most 8",
    ),
    "falling-input": (
        plain(
            [node("Mul", "x d", "v"), quant("v one zero eight", "h"), node("MatMul", "h w", "y")],
            {"d": F(-1), "one": F(1), "zero": F(0), "eight": F(8)},
        ),
        "input x: its integers do not rise with the input",
    ),
    "last-bit-of-a-power": (
        quantised(
            node("Pow", "base half", "d"),
            node("Mul", "a d", "y"),
            constants={"base": np.linspace(1, 9, 20_000, dtype=F)[None, :], "half": F(0.5)},
        ),
        "Pow_d: the last bit of its result depends on the C library",
    ),
    "root-of-a-negative": (
        quantised(
            node("Sqrt", "c", "d"), node("Mul", "a d", "y"), constants={"c": np.array([[1, -1]], F)}
        ),
        "Sqrt_d: its input is negative",
    ),
    "constants-do-not-fit": (
        quantised(node("Add", "c d", "e"), node("Mul", "a e", "y"), constants={"d": np.ones(3, F)}),
        r"Add_e: \(1, 2\) and \(3,\) do not fit",
    ),
    "constants-overflow": (
        quantised(node("Mul", "d d", "e"), node("Mul", "a e", "y"), constants={"d": F(1e30)}),
        "Mul_e: its result is not finite",
    ),
    "index-outside": (
        quantised(
            node("Gather", "c i", "d", axis=1),
            node("Mul", "a d", "y"),
            constants={"i": np.int64(2)},
        ),
        "Gather_d: an index is outside 2 entries",
    ),
    "axis-of-gather-outside": (
        quantised(
            node("Gather", "c i", "d", axis=2),
            node("Mul", "a d", "y"),
            constants={"i": np.int64(0)},
        ),
        "Gather_d: its indices or axis do not fit",
    ),
    "joined-of-two-types": (
        quantised(
            node("Concat", "c i", "d", axis=0),
            node("Mul", "a d", "y"),
            constants={"i": np.int64(0)},
        ),
        "Concat_d: its inputs do not fit",
    ),
    "flatten-outside": (unary("Flatten", axis=3), "Flatten_y: axis 3 is outside 2 dimensions"),
    "flatten-the-batch": (unary("Flatten", axis=0), "Flatten_y: it mixes the batch"),
    "squeeze-outside": (
        quantised(node("Squeeze", "a k", "y"), constants={"k": np.array([2])}),
        r"Squeeze_y: axes \(2,\) are outside 2 dimensions",
    ),
    "squeeze-of-2": (
        quantised(node("Squeeze", "a k", "y"), constants={"k": np.array([1])}),
        r"Squeeze_y: axes \(1,\) of \(1, 2\) cannot be removed",
    ),
    "squeeze-the-batch": (
        quantised(node("Squeeze", "a k", "y"), constants={"k": np.array([0])}),
        "Squeeze_y: axes",
    ),
    "unsqueeze-the-batch": (
        quantised(node("Unsqueeze", "a k", "y"), constants={"k": np.array([0])}),
        "Unsqueeze_y: it moves the batch",
    ),
    "shape-of-two-unknowns": (
        quantised(node("Reshape", "a k", "y"), constants={"k": np.array([-1, -1])}),
        "Reshape_y: its shape is",
    ),
    "shape-long": (
        quantised(node("Reshape", "a k", "y"), constants={"k": np.ones(9, np.int64)}),
        "Reshape_y: its shape should be a short list of integers",
    ),
    "channels-split": (
        quantised(
            node("Reshape", "a k", "y"),
            constants={"k": np.array([1, 2, 2]), "w": np.ones((3, 4), F)},
        ),
        "Reshape_y: it splits the channels",
    ),
    "integers-of-64-bits": (
        quantised(
            node("DequantizeLinear", "i one", "d"),
            node("Add", "a d", "y"),
            constants={"i": np.ones(2, np.int64)},
        ),
        "DequantizeLinear_d: its input is int64",
    ),
    "zero-point-real": (
        quantised(node("QuantizeLinear", "a one zero", "y")),
        "QuantizeLinear_y: its integers are float32",
    ),
    "quantised-by-opset-9": (
        quantised(node("QuantizeLinear", "a one z", "y"), constants={"z": np.int8(0)}, opset=9),
        "QuantizeLinear_y: opset 9 does not have it",
    ),
    "clip-to-one-value": (
        quantised(
            node("QuantizeLinear", "a one z", "q"),
            node("Clip", "q z z", "y"),
            constants={"z": np.int8(0)},
        ),
        "Clip_y: it leaves one value",
    ),
    "alpha-0": (quantised(node("Gemm", "h w", "y", alpha=0.0)), "Gemm_y: alpha is 0"),
    "bias-long": (
        quantised(node("Gemm", "h w d", "y"), constants={"d": np.ones(3, F)}),
        r"Gemm_y: its bias \(3,\) does not fit",
    ),
    "sums-overflow": (
        plain(
            [node("DequantizeLinear", "w8 s", "d"), node("MatMul", "x d", "y")],
            {"w8": np.ones((3, 2), np.uint8), "s": F(1e38)},
        ),
        "MatMul_y: its sums can be too large for float32",
    ),
    "bias-too-large": (
        quantised(node("Add", "a d", "y"), constants={"d": F(3e38)}),
        "MatMul_a: its bias is too large",
    ),
    "thresholds-scale-0": (
        quantised(
            node("MultiThreshold", "a t", "y", FINN, out_dtype="UINT4", out_scale=0.0),
            constants={"t": np.ones((1, 4), F)},
        ),
        "MultiThreshold_y: its scale is 0",
    ),
    "thresholds-too-many": (
        quantised(
            node("MultiThreshold", "a t", "y", FINN, out_dtype="UINT4"),
            constants={"t": np.ones((1, 256), F)},
        ),
        r"MultiThreshold_y: its thresholds have shape \(1, 256\), at most",
    ),
    "steps-descending": (
        quantised(
            node("Unsqueeze", "a k", "u"),
            node("GreaterOrEqual", "u t", "y"),
            constants={"k": np.array([2]), "t": np.array([[1, 0], [1, 2]], F)},
        ),
        "GreaterOrEqual_y: its thresholds should ascend",
    ),
    "zero-point-wide": (
        quantised(quant("a one big eight", "y"), constants={"big": F(1e6)}),
        "Quant_y: its zero point is outside 16 bits",
    ),
    "no-layer": (model([node("Relu", "x", "y")], {}, (1, 3)), "it has no layer of weights"),
    "33-layers": (
        model(
            [
                piece
                for k in range(33)
                for piece in (
                    quant(f"{'x' if not k else f'a{k}'} one zero eight", f"h{k}"),
                    node("MatMul", f"h{k} w", "y" if k == 32 else f"a{k + 1}"),
                )
            ],
            {"w": np.ones((1, 1), F), "one": F(1), "zero": F(0), "eight": F(8)},
            (1, 1),
        ),
        "more than 32 layers",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_read_is_refused_by_node_and_reason(name, tmp_path):
    built, message = REFUSED[name]
    path = save(tmp_path / "m.onnx", built)
    with pytest.raises(FileError, match=message) as caught:
        read_onnx(path)
    assert str(caught.value).startswith(path)
    assert "\n" not in str(caught.value)


def test_a_batch_norm_of_real_inputs_overflows_nowhere(tmp_path):
    """Numbers beyond float32 are seen when the file is read, not when it is used."""
    built = quantised(
        node("Mul", "a big", "b"),
        node("Mul", "b big", "d"),
        node("Mul", "d zero", "e"),
        quant("e one zero eight", "y"),
        constants={"big": F(1e30)},
    )
    with pytest.raises(
        FileError, match="node MatMul_a: the source's arithmetic gives a value that"
    ):
        read_onnx(save(tmp_path / "m.onnx", built))


# Files from strangers


def changed(change, built=None):
    built = qonnx_mlp() if built is None else built
    change(built)
    return built


def set_tensor(**fields):
    def change(built):
        tensor = built.graph.initializer[0]
        for name, value in fields.items():
            if name == "dims":
                del tensor.dims[:]
                tensor.dims.extend(value)
            elif name == "external":
                tensor.data_location = TensorProto.EXTERNAL
                entry = tensor.external_data.add()
                entry.key, entry.value = "location", value
            else:
                setattr(tensor, name, value)

    return change


def cyclic(built):
    for entry in built.graph.node:
        if entry.op_type == "MatMul":
            entry.input[0] = "y"
            return


def subgraph(op):
    def change(built):
        inner = helper.make_graph(
            [node("Identity", "y", "z")],
            "inner",
            [],
            [helper.make_tensor_value_info("z", TensorProto.FLOAT, None)],
        )
        names = {"If": ("then_branch", "else_branch"), "Loop": ("body",), "Scan": ("body",)}[op]
        built.graph.node.append(node(op, "y", "v", **dict.fromkeys(names, inner)))
        built.graph.output[0].name = "v"

    return change


def field(number, content):
    """A field of a message: its number, the length and the bytes."""
    size, length = b"", len(content)
    while length > 127:
        size, length = size + bytes([length & 127 | 128]), length >> 7
    return bytes([number << 3 | 2]) + size + bytes([length]) + content


def nested(depth):
    """A model whose graph holds a node with a graph with a node, and so on, as plain bytes."""
    graph = b""
    for _ in range(depth):  # GraphProto.node, NodeProto.attribute, AttributeProto.g
        graph = field(1, field(2, b"o") + field(5, field(1, b"a") + field(6, graph)))
    return field(8, field(2, b"") + bytes([16, 13])) + field(7, graph)


def function(built):
    built.functions.add().name = "mine"


def double_attribute(built):
    entry = built.graph.node[0]
    entry.attribute.append(entry.attribute[0])


def arity(built):
    for entry in built.graph.node:
        if entry.op_type == "Quant":
            entry.input.append("zero")
            return


HOSTILE = {
    "empty": (lambda: b"", "no ONNX model with nodes"),
    "text": (lambda: b"not a model at all", "damaged, or no ONNX file"),
    "npz": (lambda: b"PK\x03\x04" + bytes(100), "damaged, or no ONNX file"),
    "opset-missing": (
        lambda: changed(lambda m: m.opset_import.pop(0)),
        "opset_import: no opset version",
    ),
    "opset-old": (
        lambda: changed(lambda m: setattr(m.opset_import[0], "version", 6)),
        "opset 6, but only 7",
    ),
    "opset-new": (
        lambda: changed(lambda m: setattr(m.opset_import[0], "version", 99)),
        "opset 99, but only",
    ),
    "opset-negative": (
        lambda: changed(lambda m: setattr(m.opset_import[0], "version", -1)),
        "opset -1",
    ),
    "opset-twice": (
        lambda: changed(lambda m: m.opset_import.append(helper.make_opsetid("ai.onnx", 12))),
        "the version of domain '' is given twice",
    ),
    "domain-unknown": (
        lambda: changed(lambda m: setattr(m.graph.node[0], "domain", "com.example")),
        "its domain com.example is unknown",
    ),
    "cyclic": (
        lambda: changed(cyclic),
        r"it reads y, which nothing before it writes \(a cycle",
    ),
    "external-data": (
        lambda: changed(set_tensor(external="/etc/passwd")),
        "its data lie in another file",
    ),
    "external-data-above": (
        lambda: changed(set_tensor(external="../../secret")),
        "its data lie in another file",
    ),
    "shape-lies": (
        lambda: changed(set_tensor(dims=[3])),
        "tensor zero: 4 bytes of data, but 3 needs 12",
    ),
    "shape-huge": (
        lambda: changed(set_tensor(dims=[2**31, 2**31])),
        "2147483648x2147483648 is more than 33554432 numbers",
    ),
    "shape-overflows": (lambda: changed(set_tensor(dims=[2**62] * 8)), "is more than 33554432"),
    "shape-negative": (
        lambda: changed(set_tensor(dims=[-1])),
        "its dimensions are -1, but each should be at least 1",
    ),
    "shape-0": (
        lambda: changed(set_tensor(dims=[0])),
        "its dimensions are 0, but each should be at least 1",
    ),
    "shape-long": (lambda: changed(set_tensor(dims=[1] * 9)), "it has 9 dimensions, but at most 8"),
    "type-unknown": (
        lambda: changed(set_tensor(data_type=77)),
        r"its element type \(number 77\) cannot be read",
    ),
    "type-text": (lambda: changed(set_tensor(data_type=8)), "element type .number 8."),
    "tensor-twice": (
        lambda: changed(lambda m: m.graph.initializer.append(m.graph.initializer[0])),
        "tensor zero: its name is empty or was given before",
    ),
    "tensor-without-name": (
        lambda: changed(set_tensor(name="")),
        "its name is empty or was given before",
    ),
    "output-twice": (
        lambda: changed(lambda m: m.graph.node.append(m.graph.node[0])),
        "its name was given before",
    ),
    "output-is-the-input": (
        lambda: changed(lambda m: m.graph.node.append(node("Identity", "y", "x"))),
        "tensor x: its name was given before",
    ),
    "output-missing": (
        lambda: changed(lambda m: setattr(m.graph.output[0], "name", "nowhere")),
        "output nowhere: it does not depend on the input",
    ),
    "no-output": (
        lambda: changed(lambda m: m.graph.output.pop()),
        "0 outputs, but there should be",
    ),
    "two-inputs": (
        lambda: changed(
            lambda m: m.graph.input.append(
                helper.make_tensor_value_info("x2", TensorProto.FLOAT, (1, 2))
            )
        ),
        "inputs are x, x2, but there should be one",
    ),
    "no-input": (lambda: changed(lambda m: m.graph.input.pop()), "inputs are none"),
    "input-of-open-size": (
        lambda: model([node("Relu", "x", "y")], {}, (1, "n")),
        "sizes behind the first should be",
    ),
    "input-huge": (
        lambda: model([node("Relu", "x", "y")], {}, (1, 2**40, 2**40)),
        "1 to 65536 numbers",
    ),
    "input-double": (
        lambda: changed(
            lambda m: setattr(m.graph.input[0].type.tensor_type, "elem_type", TensorProto.DOUBLE)
        ),
        "input x: its elements should be float32",
    ),
    "if": (lambda: changed(subgraph("If")), "node If If_v: attribute .* is a graph of its own"),
    "loop": (lambda: changed(subgraph("Loop")), "is a graph of its own"),
    "scan": (lambda: changed(subgraph("Scan")), "is a graph of its own"),
    "nested-20": (lambda: nested(20), "is a graph of its own"),
    "nested-2000": (lambda: nested(2000), "damaged, or no ONNX file"),
    "million-empty-nodes": (
        lambda: field(7, field(1, b"") * 10**6),
        "more than 100000 entries in its tables",
    ),
    "million-empty-entries-of-a-tensor": (
        lambda: field(7, field(5, field(13, b"") * 10**6)),
        "more than 100000 entries in its table",
    ),
    "million-empty-inputs-of-nodes": (
        lambda: field(7, field(1, field(1, b"") * 10**6) * 5),
        "more than 4194304 bytes other than numbers",
    ),
    "varints": (
        lambda: field(7, field(5, field(7, b"\1" * 5_000_000))),
        "bytes other than numbers",
    ),
    "function": (lambda: changed(function), "function mine: functions of its own cannot be read"),
    "sparse": (
        lambda: changed(lambda m: m.graph.sparse_initializer.add()),
        "sparse tensors cannot be",
    ),
    "attribute-twice": (lambda: changed(double_attribute), "is given twice"),
    "arity": (lambda: changed(arity), "node Quant .*: it has 5 inputs, but should have 4"),
    "stored-twice": (
        lambda: changed(
            lambda m: m.metadata_props.extend(
                [onnx.StringStringEntryProto(key="ohmbench", value="a")] * 2
            )
        ),
        "metadata ohmbench: given twice or too long",
    ),
    "stored-long": (
        lambda: changed(lambda m: helper.set_model_props(m, {"ohmbench": "x" * (MAX_TEXT + 1)})),
        "metadata ohmbench: given twice or too long",
    ),
    "too-many-nodes": (
        lambda: model([node("Identity", "x", f"i{k}") for k in range(10_001)], {}, (1, 3)),
        "10001 nodes, more than 10000",
    ),
    "name-no-text": (
        lambda: qonnx_mlp().SerializeToString().replace(b"Quant_h0", b"Quant\xff\xfe0"),
        "a name in it is not UTF-8",
    ),
    "broadcast-bomb": (
        lambda: plain(
            [node("Add", "u v", "w2"), node("MatMul", "x w2", "y")],
            {"u": np.ones((60_000, 1), F), "v": np.ones((1, 60_000), F)},
        ),
        "Add_w2: its result is too large",
    ),
    "gather-bomb": (
        lambda: model(
            [node("Gather", "u i", "g"), node("MatMul", "x g", "y")],
            {"u": np.ones((1, 60_000), F), "i": np.zeros(60_000, np.int64)},
            (1, 3),
        ),
        "Gather_g: its result is too large",
    ),
    "many-copies": (
        lambda: model(
            [node("Add", f"c{k} one", f"c{k + 1}") for k in range(80)]
            + [node("MatMul", "x c80", "y")],
            {"c0": np.ones((600, 900), F), "one": F(1)},
            (1, 600),
        ),
        "constants of more than 33554432 numbers",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_refused_in_one_line(name, tmp_path):
    build, message = HOSTILE[name]
    path = save(tmp_path / "m.onnx", build())
    start = time.perf_counter()
    with pytest.raises(FileError, match=message) as caught:
        read_onnx(path)
    assert time.perf_counter() - start < 5
    assert str(caught.value).startswith(path)
    assert len(str(caught.value).splitlines()) == 1


def test_without_the_package_onnx_one_line_says_so(tmp_path, monkeypatch):
    path = save(tmp_path / "m.onnx", qonnx_mlp())
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(FileError, match=r"needs the package onnx; pip install 'ohmbench\[onnx\]'"):
        read_onnx(path)


def test_a_file_that_is_too_large_is_not_read(tmp_path):
    path = tmp_path / "m.onnx"
    with path.open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(FileError, match="more than 67108864 bytes"):
        read_onnx(path)


def outcome(path, data):
    """Read altered bytes: None if they are a network, else the error, which must be a FileError."""
    path.write_bytes(data)
    try:
        read_onnx(path)
    except FileError as error:
        return error
    return None


WHOLE = {"qonnx": lambda: qonnx_mlp(), "qdq": lambda: qdq_mlp(narrow=(3, 200))}


@pytest.mark.parametrize("name", WHOLE)
def test_truncated_files_are_refused(name, tmp_path):
    data = WHOLE[name]().SerializeToString()
    assert outcome(tmp_path / "m.onnx", data) is None
    refused = [outcome(tmp_path / "m.onnx", data[:end]) for end in range(0, len(data), 17)]
    assert all(refused)


def fuzz(data, path, seed, count):
    """``count`` files with one to four altered bytes; how many were refused."""
    rng = np.random.default_rng(seed)
    refused = 0
    for _ in range(count):
        altered = bytearray(data)
        for place in rng.integers(0, len(data), rng.integers(1, 5)):
            altered[place] = (
                rng.integers(0, 256)
                if rng.random() < 0.5
                else altered[place] ^ (1 << int(rng.integers(0, 8)))
            )
        refused += outcome(path, bytes(altered)) is not None
    return refused


@pytest.mark.parametrize("name", WHOLE)
def test_altered_files_are_read_or_refused(name, tmp_path):
    assert fuzz(WHOLE[name]().SerializeToString(), tmp_path / "m.onnx", 1, 250) > 80


@pytest.mark.slow
@pytest.mark.parametrize("name", WHOLE)
def test_many_altered_files_are_read_or_refused(name, tmp_path):
    assert fuzz(WHOLE[name]().SerializeToString(), tmp_path / "m.onnx", 2, 25_000) > 7500


def fuzz_parts(path, seed, count):
    """``count`` models with changed parts; how many were read."""
    rng = np.random.default_rng(seed)
    built = [
        qonnx_mlp(),
        qdq_mlp(narrow=(3, 200)),
        qonnx_mlp(1, norm=False, power_of_two=False),
        qdq_mlp(2, per_channel=False, opset=21),
    ]
    models = (mutated(built[k % 4], rng).SerializeToString() for k in range(count))
    return sum(outcome(path, data) is None for data in models)


def test_models_with_changed_parts_are_read_or_refused(tmp_path):
    assert 10 < fuzz_parts(tmp_path / "m.onnx", 3, 250) < 100


@pytest.mark.slow
def test_many_models_with_changed_parts_are_read_or_refused(tmp_path):
    assert 1000 < fuzz_parts(tmp_path / "m.onnx", 4, 25_000) < 10_000


def test_a_reader_that_lets_another_error_out_is_seen(tmp_path, monkeypatch):
    monkeypatch.setattr("ohmbench.digital.importing.onnx_reader.Graph.evaluate", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        fuzz(qonnx_mlp().SerializeToString(), tmp_path / "m.onnx", 1, 50)
