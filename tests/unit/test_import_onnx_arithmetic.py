"""The arithmetic of QONNX and QDQ files, step by step, against the runtimes of both.

Each probe has one input x from -128 to 127 and weights 1, -1, 3, so that every sum is reached.
"""

import numpy as np
import pytest

from ohmbench.digital.importing import float_sums, qonnx
from ohmbench.digital.importing.float_steps import BatchNormalisation, Linear
from ohmbench.digital.importing.onnx_graph import Graph
from ohmbench.digital.importing.onnx_reader import read_onnx
from ohmbench.errors import FileError
from tests.unit.onnx_files import (
    DOMAINS,
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
X = np.arange(-128, 128, dtype=F)[:, None]
WEIGHTS = np.array([[1, -1, 3]], F)


def probe(nodes, constants, opset=13):
    """A model that goes from the sums "a" of three channels to "y" by ``nodes``, for qonnx."""
    constants = {"w": WEIGHTS, "one": F(1), "zero": F(0), "eight": F(8), **constants}
    front = [quant("x one zero eight", "h"), node("MatMul", "h w", "a")]
    return model(front + nodes, constants, (len(X), 1), opset=opset)


def qdq_probe(nodes, constants, opset=13):
    """The same for onnxruntime alone."""
    constants = {"w": WEIGHTS, "one": F(1), "i0": np.int8(0), **constants}
    front = [
        node("QuantizeLinear", "x one i0", "i"),
        node("DequantizeLinear", "i one i0", "h"),
        node("MatMul", "h w", "a"),
    ]
    return model(front + nodes, constants, ("n", 1), opset=opset)


def check(tmp_path, built, run, x=X):
    """The number of differences; no value may be open."""
    wrong, opened = differences(read_onnx(save(tmp_path / "m.onnx", built)), run(built, x), x)
    assert opened == 0
    return wrong


def rows_of_quant():
    """Quantisers on multiples of 0.25: all ties of scales 0.5 and 1, both signs, clamped ends."""
    rows = {}
    for rounding in qonnx.ROUNDINGS:
        for signed, narrow, bits in ((1, 0, 4), (1, 1, 4), (0, 0, 3), (0, 1, 5)):
            for scale, zero in ((0.5, 0.0), (1.0, 1.0), (0.3, -3.0), (2.0, 2.0)):
                name = f"{rounding}-{'us'[signed]}{bits}{'n' * narrow}-{scale:g}-{zero:g}"
                rows[name] = (rounding, signed, narrow, bits, scale, F(zero))
    rows["int64-zero"] = ("ROUND", 1, 0, 8, 0.3, np.int64(3))
    rows["one-bit-signed"] = ("ROUND", 1, 0, 1, 0.5, F(0))
    rows["one-bit-unsigned"] = ("ROUND", 0, 0, 1, 0.5, F(0))
    rows["lower-case"] = ("half_down", 1, 0, 4, 0.5, F(0))
    return rows


QUANTS = rows_of_quant()


def quant_probe(row, domain=FINN, op="Quant"):
    rounding, signed, narrow, bits, scale, zero = row
    return probe(
        [
            node("Mul", "a quarter", "v"),
            quant(
                "v s z bits",
                "y",
                signed=signed,
                narrow=narrow,
                rounding=rounding,
                domain=domain,
                op=op,
            ),
        ],
        {"quarter": F(0.25), "s": F(scale), "z": zero, "bits": F(bits)},
    )


@pytest.mark.needs("onnxruntime", "qonnx")
@pytest.mark.parametrize("name", QUANTS)
def test_a_quantiser_gives_the_integers_of_qonnx(name, tmp_path):
    assert check(tmp_path, quant_probe(QUANTS[name]), run_qonnx) == 0


@pytest.mark.needs("onnxruntime", "qonnx")
@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize("op", ["Quant", "IntQuant"])
def test_the_domains_and_both_names_are_one_quantiser(domain, op, tmp_path):
    built = quant_probe(QUANTS["ROUND-s4n-0.3--3"], domain, op)
    assert check(tmp_path, built, run_qonnx) == 0


def rounds_first(self, x):
    """A quantiser that rounds before it adds the zero point, as QDQ does."""
    q = np.rint(x / self.scale) + self.zero
    return np.clip(q, self.lo, self.hi).astype(np.int64)


QUANT_FAULTS = {
    "rounds-before-the-zero-point": (qonnx.Quant, "integers", rounds_first, "ROUND-s4-1-1"),
    "half-away-from-zero": (
        qonnx,
        "ROUNDINGS",
        {**qonnx.ROUNDINGS, "ROUND": qonnx.ROUNDINGS["HALF_UP"]},
        "ROUND-s4-0.5-0",
    ),
    "narrow-off": (
        qonnx,
        "integer_range",
        lambda bits, signed, narrow: (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1),
        "ROUND-s4n-0.5-0",
    ),
    "unsigned-taken-as-signed": (
        qonnx,
        "integer_range",
        lambda bits, signed, narrow: (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1),
        "ROUND-u3-0.5-0",
    ),
    "another-scale": (
        qonnx,
        "_scale",
        lambda graph, node, value: value.value * F(2),
        "ROUND-s4-2-2",
    ),
}


@pytest.mark.needs("onnxruntime", "qonnx")
@pytest.mark.parametrize("name", QUANT_FAULTS)
def test_a_wrong_quantiser_differs_from_qonnx(name, tmp_path, monkeypatch):
    where, attribute, fault, row = QUANT_FAULTS[name]
    monkeypatch.setattr(where, attribute, fault)
    assert check(tmp_path, quant_probe(QUANTS[row]), run_qonnx) > 0


THRESHOLDS = np.array([[-7.5, -2, 0, 0, 3.25], [-100, -3, 1, 2, 90], [-9, -6, 0.5, 6, 9]], F)
STEPS = {
    "bipolar": ([node("BipolarQuant", "a half", "y", FINN)], {"half": F(0.5)}),
    "bipolar-per-channel": (
        [node("BipolarQuant", "a s", "y", FINN)],
        {"s": np.array([[0.5, 1, 2]], F)},
    ),
    "thresholds": (
        [node("MultiThreshold", "a t", "y", FINN, out_dtype="UINT4")],
        {"t": THRESHOLDS},
    ),
    "thresholds-shared": (
        [node("MultiThreshold", "a t", "y", FINN, out_dtype="INT4", out_bias=-2.0)],
        {"t": THRESHOLDS[:1]},
    ),
    "thresholds-unordered": (
        [node("MultiThreshold", "a t", "y", FINN, out_dtype="UINT4")],
        {"t": THRESHOLDS[:, ::-1]},
    ),
    "thresholds-odd-values": (
        [node("MultiThreshold", "a t", "y", FINN, out_dtype="INT4", out_scale=2.0, out_bias=-5.0)],
        {"t": THRESHOLDS},
    ),
    "thresholds-any-scale": (
        [node("MultiThreshold", "a t", "y", FINN, out_dtype="F", out_scale=0.3, out_bias=0.7)],
        {"t": THRESHOLDS},
    ),
    "two-quantisers": (
        [
            quant("a third zero eight", "b"),
            node("Mul", "b third", "c"),
            quant("c one zero four", "y"),
        ],
        {"third": F(1 / 3), "four": F(4)},
    ),
    "relu-of-integers": ([quant("a two zero eight", "b"), node("Relu", "b", "y")], {"two": F(2)}),
    "scaled-integers": (
        [quant("a two zero eight", "b"), node("Mul", "b third", "y")],
        {"two": F(2), "third": F(1 / 3)},
    ),
    "scale-per-channel": (
        [quant("a s zero eight", "y")],
        {"s": np.array([[0.7, 1.3, 2.1]], F)},
    ),
}


def arithmetic_rows():
    rng = np.random.default_rng(5)
    rows = {}
    for trial in range(8):
        constants = {name: rng.normal(0, 3, 3).astype(F) for name in "gbm"}
        constants["v"] = rng.uniform(0.01, 200, 3).astype(F)
        last = quant("n s zero eight", "y")
        constants["s"] = F(rng.uniform(0.01, 0.1))
        back = [node("BatchNormalization", "a g b m v", "n", epsilon=0.001)]
        rows[f"batch-norm-{trial}"] = ([*back, last], constants)
        rows[f"batch-norm-reals-{trial}"] = (
            [node("BatchNormalization", "a g b m v", "y")],
            constants,
        )
    c = np.array([[0.37, -1.9, 255]], F)
    for op in ("Add", "Sub", "Mul", "Div"):
        rows[op] = ([node(op, "a c", "y")], {"c": c})
        rows[f"{op}-scalar"] = ([node(op, "a c", "y")], {"c": F(0.7)})
    rows["Sub-from"] = ([node("Sub", "c a", "y")], {"c": c})
    rows["Add-first"] = ([node("Add", "c a", "y")], {"c": c[0]})
    rows["power"] = (
        [node("Pow", "c h2", "d"), node("Div", "a d", "y")],
        {"c": F(318.19666), "h2": F(0.5)},
    )
    rows["square-root"] = ([node("Sqrt", "c", "d"), node("Div", "a d", "y")], {"c": np.abs(c)})
    rows["square"] = ([node("Pow", "c t", "d"), node("Div", "a d", "y")], {"c": c, "t": F(2)})
    rows["cube"] = ([node("Pow", "c t", "d"), node("Div", "a d", "y")], {"c": c, "t": F(3)})
    rows["unsqueezed"] = (
        [
            node("Unsqueeze", "a axes", "u"),
            node("BatchNormalization", "u g b m v", "n"),
            node("Squeeze", "n axes", "y"),
        ],
        {**rows["batch-norm-0"][1], "axes": np.array([2])},
    )
    return rows


STEPS |= arithmetic_rows()
STEPS["bias-of-32-bits"] = (
    [
        quant("b quarter zero bits", "bq"),
        quant("a one zero eight", "h2"),
        node("Gemm", "h2 w2 bq", "y", transB=1),
    ],
    {
        "b": np.array([1.1, -300.9], F),
        "quarter": F(0.25),
        "bits": F(32),
        "w2": np.array([[1, 2, -3], [0, 1, 1]], F),
    },
)


@pytest.mark.needs("onnxruntime", "qonnx")
@pytest.mark.parametrize("name", STEPS)
def test_steps_give_the_bits_of_qonnx(name, tmp_path):
    assert check(tmp_path, probe(*STEPS[name]), run_qonnx) == 0


def fused(self, x):
    wide = x.astype(np.float64) * self.factor + self.offset
    return wide.astype(F)


def without_reciprocal(cls, scale, bias, mean, var, eps):
    factor = scale / np.sqrt(var + F(eps))
    return cls(factor, bias - mean * factor)


class OtherAxis:
    """Constants per channel, the channels in the other order."""

    original = Graph.per_channel

    def __get__(self, graph, kind):
        return lambda *args: OtherAxis.original(graph, *args)[::-1]


STEP_FAULTS = {
    "fused-multiply-add": (BatchNormalisation, "apply", fused, "batch-norm-reals-"),
    "one-division": (
        BatchNormalisation,
        "of",
        classmethod(without_reciprocal),
        "batch-norm-reals-",
    ),
    "another-axis": (Graph, "per_channel", OtherAxis(), "batch-norm-"),
    "strict-thresholds": (
        qonnx.np,
        "searchsorted",
        lambda row, x, side, f=np.searchsorted: f(row, x, side="left"),
        "thresholds",
    ),
}


@pytest.mark.needs("onnxruntime", "qonnx")
@pytest.mark.parametrize("name", STEP_FAULTS)
def test_a_wrong_step_differs_from_qonnx(name, tmp_path, monkeypatch):
    where, attribute, fault, start = STEP_FAULTS[name]
    monkeypatch.setattr(where, attribute, fault)
    names = [key for key in STEPS if key.startswith(start)]
    assert sum(check(tmp_path, probe(*STEPS[key]), run_qonnx) for key in names) > 0


def rows_of_qdq():
    rows = {}
    for kind, zeros in ((np.int8, (0, 3, -128)), (np.uint8, (0, 7, 128))):
        for zero in zeros:
            for scale in (0.5, 1.0, 0.3):
                rows[f"{np.dtype(kind)}-{scale:g}-{zero}"] = (scale, kind(zero), None, 13)
        rows[f"{np.dtype(kind)}-clipped"] = (0.5, kind(3), (kind(1), kind(17)), 13)
    for opset in (10, 11, 12, 19, 21, 23):
        rows[f"opset-{opset}"] = (0.5, np.uint8(7), None, opset)
    return rows


QDQS = rows_of_qdq()


def linear_probe(scale, zero, ends, opset):
    nodes = [node("Mul", "a quarter", "v"), node("QuantizeLinear", "v s z", "q")]
    constants = {"quarter": F(0.25), "s": F(scale), "z": zero}
    held = "q"
    if ends is not None:
        nodes.append(node("Clip", "q low high", "c"))
        constants |= {"low": ends[0], "high": ends[1]}
        held = "c"
    nodes.append(node("DequantizeLinear", f"{held} s z", "y"))
    return qdq_probe(nodes, constants, opset)


@pytest.mark.needs("onnxruntime", "qonnx")
@pytest.mark.parametrize("name", QDQS)
def test_quantize_linear_gives_the_integers_of_onnxruntime(name, tmp_path):
    assert check(tmp_path, linear_probe(*QDQS[name]), run_onnxruntime) == 0


def zero_inside(self, x):
    return np.clip(np.rint(x / self.scale + self.zero), self.lo, self.hi).astype(np.int64)


def half_away(self, x):
    y = x / self.scale
    rounded = np.sign(y) * np.floor(np.abs(y) + 0.5) + self.zero
    return np.clip(rounded, self.lo, self.hi).astype(np.int64)


def unclipped(self, x):
    return np.clip(np.rint(x / self.scale) + self.zero, 0, 255).astype(np.int64)


LINEAR_FAULTS = {
    "zero-point-before-rounding": (zero_inside, "uint8-1-7"),
    "half-away-from-zero": (half_away, "int8-0.5-0"),
    "clip-ignored": (unclipped, "uint8-clipped"),
}


@pytest.mark.needs("onnxruntime", "qonnx")
@pytest.mark.parametrize("name", LINEAR_FAULTS)
def test_a_wrong_quantize_linear_differs_from_onnxruntime(name, tmp_path, monkeypatch):
    fault, row = LINEAR_FAULTS[name]
    monkeypatch.setattr(Linear, "integers", fault)
    assert check(tmp_path, linear_probe(*QDQS[row]), run_onnxruntime) > 0


@pytest.mark.needs("onnxruntime", "qonnx")
def test_qdq_and_qonnx_differ_where_ties_meet_an_odd_zero_point(tmp_path):
    """The trap itself: the same numbers give other integers, in the runtimes and here."""
    qdq = linear_probe(1.0, np.uint8(7), None, 13)
    qonnx_ = probe(
        [node("Mul", "a quarter", "v"), quant("v one z eight", "y", signed=0)],
        {"quarter": F(0.25), "z": F(7)},
    )
    ours, theirs = [], []
    for built, run in ((qdq, run_onnxruntime), (qonnx_, run_qonnx)):
        layer = read_onnx(save(tmp_path / "m.onnx", built)).layers[0]
        ours.append(layer.step.bounds((X @ WEIGHTS).astype(np.int64))[0])
        theirs.append(run(built, X)["y"])
    assert (ours[0] != ours[1]).sum() == (theirs[0] != theirs[1]).sum() > 0


LINEAR_STEPS = {
    "per-axis": (
        [node("QuantizeLinear", "a s z", "q", axis=1), node("DequantizeLinear", "q s z", "y")],
        {"s": np.array([0.5, 1.3, 2], F), "z": np.array([3, 0, -7], np.int8)},
        13,
    ),
    "other-scale-back": (
        [node("QuantizeLinear", "a s z", "q"), node("DequantizeLinear", "q s2 z2", "y")],
        {"s": F(2), "z": np.uint8(9), "s2": F(3), "z2": np.uint8(10)},
        13,
    ),
    "integers-out": ([node("QuantizeLinear", "a s z", "y")], {"s": F(2), "z": np.uint8(9)}, 13),
    "no-zero-point": (
        [node("QuantizeLinear", "a s", "q"), node("DequantizeLinear", "q s", "y")],
        {"s": F(2)},
        13,
    ),
    "int8-by-output-dtype": (
        [node("QuantizeLinear", "a s", "q", output_dtype=3), node("DequantizeLinear", "q s", "y")],
        {"s": F(2)},
        21,
    ),
    "clip-reals": (
        [
            node("Clip", "a low high", "c"),
            node("QuantizeLinear", "c s z", "q"),
            node("DequantizeLinear", "q s z", "y"),
        ],
        {"s": F(0.7), "z": np.int8(1), "low": F(-20.3), "high": F(31)},
        13,
    ),
    "clip-attributes": (
        [
            node("Clip", "a", "c", min=-20.5, max=31.0),
            node("QuantizeLinear", "c s z", "q"),
            node("DequantizeLinear", "q s z", "y"),
        ],
        {"s": F(0.7), "z": np.int8(1)},
        10,
    ),
}


@pytest.mark.needs("onnxruntime", "qonnx")
@pytest.mark.parametrize("name", LINEAR_STEPS)
def test_steps_give_the_bits_of_onnxruntime(name, tmp_path):
    assert check(tmp_path, qdq_probe(*LINEAR_STEPS[name]), run_onnxruntime) == 0


@pytest.mark.needs("onnxruntime", "qonnx")
@pytest.mark.parametrize("kind", ["uint4", "int4"])
def test_four_bits_give_the_integers_of_onnxruntime(kind, tmp_path):
    from onnx import TensorProto, helper

    def run(built, x):  # numpy has no type for the tensor between
        return run_onnxruntime(built, x, ["y"])

    code = {"uint4": TensorProto.UINT4, "int4": TensorProto.INT4}[kind]
    zero = helper.make_tensor("z", code, (), [5])
    nodes = [node("QuantizeLinear", "a s z", "q"), node("DequantizeLinear", "q s z", "y")]
    built = qdq_probe(nodes, {"s": F(2), "z": zero}, 21)
    assert check(tmp_path, built, run) == 0
    weights = helper.make_tensor("w4", code, (1, 3), [1, 7, 3])
    nodes = [node("DequantizeLinear", "w4 s z", "d"), node("MatMul", "h d", "y")]
    built = qdq_probe(nodes, {"s": F(2), "z": zero, "w4": weights}, 21)
    assert check(tmp_path, built, run) == 0


NETWORKS = {
    "qonnx": lambda seed: (qonnx_mlp(seed), run_qonnx),
    "qonnx-plain": lambda seed: (qonnx_mlp(seed, norm=False), run_qonnx),
    "qdq": lambda seed: (qdq_mlp(seed), run_onnxruntime),
    "qdq-per-tensor": lambda seed: (qdq_mlp(seed, per_channel=False, opset=21), run_onnxruntime),
    "qcdq": lambda seed: (qdq_mlp(seed, narrow=(3, 200)), run_onnxruntime),
    "qonnx-any-scale": lambda seed: (qonnx_mlp(seed, power_of_two=False), run_qonnx),
    "qdq-any-scale": lambda seed: (
        qdq_mlp(seed, (64, 32, 10), power_of_two=False),
        run_onnxruntime,
    ),
}


@pytest.mark.needs("onnxruntime", "qonnx")
@pytest.mark.parametrize("name", NETWORKS)
def test_whole_networks_give_what_the_runtime_gives(name, tmp_path):
    rng = np.random.default_rng(8)
    for seed in range(4):
        built, run = NETWORKS[name](seed)
        size = built.graph.input[0].type.tensor_type.shape.dim[1].dim_value
        x = (rng.normal(0, 1, (60, size))).astype(F)
        source = read_onnx(save(tmp_path / "m.onnx", built))
        wrong, opened = differences(source, run(built, x), x)
        assert wrong == 0
        assert (opened > 0) == name.endswith("any-scale")
    assert source.format == ("QONNX" if name.startswith("qonnx") else "QDQ ONNX")


def compare_changed(tmp_path, seed, count):
    """Of ``count`` models with changed parts those that are read, against the runtime, if it runs
    them at all: how many ran, and the differences.
    """
    rng = np.random.default_rng(seed)
    built = [
        qonnx_mlp(),
        qdq_mlp(narrow=(3, 200)),
        qonnx_mlp(1, norm=False, power_of_two=False),
        qdq_mlp(2, per_channel=False, opset=21),
    ]
    ran = wrong = 0
    for k in range(count):
        changed = mutated(built[k % 4], rng)
        try:
            source = read_onnx(save(tmp_path / "m.onnx", changed))
        except FileError:
            continue
        x = rng.normal(0, 1, source.input_shape).astype(F)
        if source.input.thresholds is None:
            x = source.input.real(source.input.quantise(x)).astype(F)
        try:
            if source.format == "QONNX":
                tensors = run_qonnx(changed, x)
            else:
                tensors = run_onnxruntime(changed, x, [layer.tensor for layer in source.layers])
        except Exception:  # noqa: S112 - a runtime may refuse such a model in any way
            continue
        ran += 1
        wrong += differences(source, tensors, x)[0]
    return ran, wrong


@pytest.mark.needs("onnxruntime", "qonnx")
def test_models_with_changed_parts_give_what_the_runtime_gives(tmp_path):
    ran, wrong = compare_changed(tmp_path, 6, 200)
    assert ran > 5
    assert wrong == 0


@pytest.mark.slow
@pytest.mark.needs("onnxruntime", "qonnx")
def test_many_models_with_changed_parts_give_what_the_runtime_gives(tmp_path):
    ran, wrong = compare_changed(tmp_path, 7, 8000)
    assert ran > 300
    assert wrong == 0


@pytest.mark.needs("onnxruntime", "qonnx")
def test_a_bound_without_the_additions_is_too_narrow(tmp_path, monkeypatch):
    """The runtime's sums do round: a source that denies it differs from the runtime."""
    built = qdq_mlp(0, (256, 64, 10), power_of_two=False)
    x = np.random.default_rng(8).normal(0, 1, (60, 256)).astype(F)
    source = read_onnx(save(tmp_path / "m.onnx", built))
    tensors = run_onnxruntime(built, x)
    assert differences(source, tensors, x)[0] == 0
    monkeypatch.setattr(
        float_sums.FloatSum,
        "error",
        lambda self, total: np.zeros(np.broadcast(total, self.unit).shape),
    )
    assert differences(source, tensors, x)[0] > 0


def test_the_steps_are_monotone(tmp_path):
    """Both ends of every channel rise or fall, never both, over all sums."""
    for built in (qonnx_mlp(3, power_of_two=False), qdq_mlp(3, power_of_two=False)):
        for layer in read_onnx(save(tmp_path / "m.onnx", built)).layers:
            acc = np.arange(-3000, 3001)[:, None] + np.zeros(len(layer.weight), np.int64)
            for end in layer.step.bounds(acc):
                steps = np.diff(end, axis=0)
                assert ((steps >= 0).all(axis=0) | (steps <= 0).all(axis=0)).all()


INPUTS = {
    "bipolar": (
        [
            node("Mul", "x two", "b"),
            node("Sub", "b one", "c"),
            node("BipolarQuant", "c one", "h", FINN),
        ],
        {"two": F(2)},
    ),
    "two-bits": (
        [
            node("Mul", "x two", "b"),
            node("Sub", "b one", "c"),
            quant("c one zero two", "h", narrow=1),
        ],
        {"two": F(2)},
    ),
    "bytes": (
        [node("Div", "x c", "b"), quant("b s zero eight", "h", signed=0)],
        {"c": F(255), "s": F(1 / 255)},
    ),
    "odd-zero": (
        [node("QuantizeLinear", "x s z", "i"), node("DequantizeLinear", "i s z", "h")],
        {"s": F(0.031), "z": np.uint8(7)},
    ),
    "thresholds": (
        [node("MultiThreshold", "x t", "h", FINN, out_dtype="UINT4")],
        {"t": np.array([[-1, 0, 0, 0.1, 3e38]], F)},
    ),
    "steep": ([node("Mul", "x c", "b"), quant("b one zero eight", "h")], {"c": F(1e38)}),
    "flat": ([node("Mul", "x c", "b"), quant("b one zero eight", "h")], {"c": F(1e-38)}),
}


@pytest.mark.parametrize("name", INPUTS)
@pytest.mark.needs("onnxruntime", "qonnx")
def test_input_thresholds_hold_for_every_float(name, tmp_path):
    """At each threshold, just below it, and at random bit patterns: the runtime's integers."""
    nodes, constants = INPUTS[name]
    built = model(
        [*nodes, node("MatMul", "h w", "y")],
        {"w": np.ones((1, 1), F), "one": F(1), "zero": F(0), "eight": F(8), **constants},
        (1, 1),
    )
    source = read_onnx(save(tmp_path / "m.onnx", built))
    table = source.input.thresholds
    finite = table[np.isfinite(table)]
    patterns = np.random.default_rng(2).integers(0, 2**32, 200_000, np.uint32).view(F)
    x = np.concatenate(
        [finite, np.nextafter(finite, F(-np.inf)), patterns[np.isfinite(patterns)], [F(-0.0), F(0)]]
    ).astype(F)[:, None]
    with np.errstate(all="ignore"):
        y = run_qonnx(built, x)["y"]
    assert differences(source, {"y": y}, x)[0] == 0
    # A table one number too high is seen.
    shifted = np.nextafter(table, F(np.inf))
    wrong = np.searchsorted(shifted, x[:, 0], side="right") + source.input.lo
    assert (wrong != source.input.quantise(x)[:, 0]).any()
