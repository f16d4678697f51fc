"""Small ONNX models for tests, and the runtimes that they are compared with.

``model`` puts nodes and constants together. ``qonnx_mlp`` and ``qdq_mlp`` are whole networks of
dense layers with random weights.
"""

import itertools
import warnings

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

BREVITAS, FINN, GENERAL = "onnx.brevitas", "finn.custom_op.general", "qonnx.custom_op.general"
DOMAINS = (BREVITAS, FINN, GENERAL)
_TYPES = {"float32": TensorProto.FLOAT, "uint8": TensorProto.UINT8, "int8": TensorProto.INT8}


def node(op, inputs, output, domain="", **attributes):
    """A node named after its output; ``inputs`` and ``output`` are names with spaces between."""
    outputs = output.split()
    return helper.make_node(
        op, inputs.split(), outputs, name=f"{op}_{outputs[0]}", domain=domain, **attributes
    )


def model(nodes, constants, shape, output="y", *, opset=13, dtype="float32", stored=None):
    """A model with the input "x" of ``shape`` and one float output; constants are arrays by name,
    or finished TensorProtos.
    """
    tensors = [
        value
        if isinstance(value, TensorProto)
        else numpy_helper.from_array(np.asarray(value), name)
        for name, value in constants.items()
    ]
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", _TYPES[dtype], shape)],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)],
        tensors,
    )
    domains = sorted({n.domain for n in nodes} - {""})
    built = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", opset)]
        + [helper.make_opsetid(d, 1) for d in domains],
        ir_version=10 if opset > 18 else 8,
    )
    if stored is not None:
        helper.set_model_props(built, {"ohmbench": stored})
    return built


def save(path, built):
    """Write a model (or raw bytes) and return the path as a string."""
    path.write_bytes(built if isinstance(built, bytes) else built.SerializeToString())
    return str(path)


def quant(inputs, output, *, narrow=0, signed=1, rounding="ROUND", op="Quant", domain=BREVITAS):
    """A QONNX quantiser."""
    return node(op, inputs, output, domain, narrow=narrow, signed=signed, rounding_mode=rounding)


def qonnx_mlp(seed=0, sizes=(6, 5, 4), *, bits=4, power_of_two=True, norm=True, domain=BREVITAS):
    """A QONNX network: 8-bit inputs, ``bits``-bit weights, 4-bit unsigned values between, real
    outputs. Scales are powers of two, or arbitrary.
    """
    rng = np.random.default_rng(seed)

    def scale(shape=()):
        drawn = 2.0 ** rng.integers(-6, -2, shape) * (
            1 if power_of_two else rng.uniform(1, 2, shape)
        )
        return np.array(drawn, np.float32)

    constants = {"zero": np.float32(0), "eight": np.float32(8), "four": np.float32(4)}
    constants |= {"sx": scale(), "bits": np.float32(bits)}
    nodes = [quant("x sx zero eight", "h0")]
    for k, (inputs, channels) in enumerate(itertools.pairwise(sizes)):
        last = k == len(sizes) - 2
        constants[f"w{k}"] = rng.normal(0, 0.2, (channels, inputs)).astype(np.float32)
        constants[f"sw{k}"] = scale((1, 1) if last else (channels, 1))
        nodes += [
            quant(f"w{k} sw{k} zero bits", f"q{k}", narrow=1, domain=domain),
            node("Transpose", f"q{k}", f"t{k}", perm=[1, 0]),
            node("MatMul", f"h{k} t{k}", "y" if last else f"a{k}"),
        ]
        if last:
            break
        at = f"a{k}"
        if norm:
            for name, low, high in (("g", 0.5, 2), ("b", -1, 1), ("m", -1, 1), ("v", 0.1, 4)):
                constants[f"{name}{k}"] = rng.uniform(low, high, channels).astype(np.float32)
            nodes.append(node("BatchNormalization", f"{at} g{k} b{k} m{k} v{k}", f"n{k}"))
            at = f"n{k}"
        constants[f"s{k}"] = scale()
        nodes += [
            node("Relu", at, f"r{k}"),
            quant(f"r{k} s{k} zero four", f"h{k + 1}", signed=0, domain=domain),
        ]
    return model(nodes, constants, (1, sizes[0]))


def qdq_mlp(seed=0, sizes=(6, 5, 4), *, power_of_two=True, per_channel=True, narrow=None, opset=13):
    """A QDQ network: uint8 inputs with an odd zero point, int8 weights, int32 biases, uint8 values
    between, real outputs; with ``narrow`` a Clip to that range behind every QuantizeLinear.
    """
    rng = np.random.default_rng(seed)

    def scale(shape=()):
        drawn = 2.0 ** rng.integers(-8, -5, shape) * (
            1 if power_of_two else rng.uniform(1, 2, shape)
        )
        return np.array(drawn, np.float32)

    constants = {"sh0": scale(), "zh0": np.uint8(rng.integers(1, 128) | 1)}
    if narrow is not None:
        constants |= {"low": np.uint8(narrow[0]), "high": np.uint8(narrow[1])}
    nodes = []

    def both(name, into, k):
        nodes.append(node("QuantizeLinear", f"{name} sh{k} zh{k}", f"i{k}"))
        held = f"i{k}"
        if narrow is not None:
            nodes.append(node("Clip", f"{held} low high", f"c{k}"))
            held = f"c{k}"
        nodes.append(node("DequantizeLinear", f"{held} sh{k} zh{k}", into))

    both("x", "h0", 0)
    for k, (inputs, channels) in enumerate(itertools.pairwise(sizes)):
        last = k == len(sizes) - 2
        axis = {"axis": 0} if per_channel else {}
        sw = scale((channels,) if per_channel else ())
        constants |= {
            f"w{k}": rng.integers(-127, 128, (channels, inputs)).astype(np.int8),
            f"sw{k}": sw,
            f"zw{k}": np.zeros(sw.shape, np.int8),
            f"b{k}": rng.integers(-2000, 2000, channels).astype(np.int32),
            f"sb{k}": (np.broadcast_to(sw, channels) * constants[f"sh{k}"]).astype(np.float32),
        }
        nodes += [
            node("DequantizeLinear", f"w{k} sw{k} zw{k}", f"d{k}", **axis),
            node("DequantizeLinear", f"b{k} sb{k}", f"e{k}", axis=0),
            node("Gemm", f"h{k} d{k} e{k}", "y" if last else f"a{k}", transB=1),
        ]
        if not last:
            constants |= {f"sh{k + 1}": scale(), f"zh{k + 1}": np.uint8(rng.integers(0, 32))}
            nodes.append(node("Relu", f"a{k}", f"r{k}"))
            both(f"r{k}", f"h{k + 1}", k + 1)
    return model(nodes, constants, ("batch", sizes[0]), opset=opset)


def run_onnxruntime(built, x, names=None):
    """The tensors of a model by name, all or some, from onnxruntime without optimisations."""
    import onnxruntime

    full = onnx.ModelProto.FromString(built.SerializeToString())
    outputs = names or {name for n in full.graph.node for name in n.output if name}
    del full.graph.output[:]
    full.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in sorted(outputs))
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(full.SerializeToString(), options)
    names = [entry.name for entry in session.get_outputs()]
    return dict(zip(names, session.run(names, {full.graph.input[0].name: x}), strict=True))


def run_qonnx(built, x):
    """Every tensor of a model by name, from qonnx."""
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.core.onnx_exec import execute_onnx
    from qonnx.transformation.infer_shapes import InferShapes

    full = onnx.ModelProto.FromString(built.SerializeToString())
    entry = full.graph.input[0]
    name = entry.name
    entry.CopyFrom(helper.make_tensor_value_info(name, TensorProto.FLOAT, x.shape))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wrapped = ModelWrapper(full).transform(InferShapes())
        found = execute_onnx(wrapped, {name: x}, return_full_exec_context=True)
    return dict(found)


def differences(source, tensors, x):
    """How many values of a runtime's ``tensors`` at inputs ``x`` lie outside what ``source`` says,
    and at how many the source leaves the order of additions open.
    """
    flat = x.reshape(len(x), -1)
    h = flat.astype(np.int64) if source.takes_integers else source.input.quantise(flat)
    wrong = opened = 0
    for layer in source.layers:
        lower, upper = layer.step.bounds(h @ layer.weight.T.astype(np.int64))
        found = tensors[layer.tensor].reshape(lower.shape)
        if layer.lo is not None and found.dtype.kind == "f":
            found = np.rint((found - layer.meaning.offset) / layer.meaning.scale)
        wrong += int(((found < lower) | (found > upper)).sum())
        opened += int((lower != upper).sum())
        h = found.astype(np.int64)
    return wrong, opened


SPECIAL = np.array(
    [0, -0.0, 1, -1, 0.5, 1e-45, 1e-38, 3e38, -3e38, np.inf, np.nan, 255, 2**31, 2.5], np.float32
)
INTEGERS = (0, 1, -1, 2, 3, 7, 13, 255, -(2**31), 2**31, 2**62, -(2**63), 2**63 - 1)
# fmt: off
OPS = (
    "Quant", "BipolarQuant", "MultiThreshold", "QuantizeLinear", "DequantizeLinear", "Clip",
    "Gemm", "MatMul", "Add", "Sub", "Mul", "Div", "Pow", "Sqrt", "Transpose", "Flatten", "Reshape",
    "Shape", "Gather", "Unsqueeze", "Squeeze", "Concat", "Identity", "Cast", "BatchNormalization",
    "Relu", "Softmax", "LogSoftmax", "TopK", "ArgMax", "Dropout", "Constant", "Conv",
)
# fmt: on


def mutated(built, rng):
    """A copy of a model with a few of its parts changed: still a message, seldom a network."""
    model_ = onnx.ModelProto.FromString(built.SerializeToString())
    graph = model_.graph

    def pick(items):
        return items[int(rng.integers(len(items)))]

    def tensor():
        one = pick(graph.initializer)
        kind = rng.integers(4)
        if kind == 0 and one.data_type == TensorProto.FLOAT:
            values = np.frombuffer(one.raw_data, np.float32).copy()
            values[rng.integers(len(values))] = pick(SPECIAL)
            one.raw_data = values.tobytes()
        elif kind == 1:
            dims = [d for d in one.dims if d != 1]
            del one.dims[:]
            one.dims.extend(rng.permutation([*dims, *[1] * rng.integers(3)]).astype(int).tolist())
        elif kind == 2:
            one.data_type = int(rng.integers(0, 24))
        else:
            one.CopyFrom(pick(graph.initializer))

    def attribute():
        entry = pick(graph.node)
        if rng.random() < 0.5 and len(entry.attribute):
            one = pick(entry.attribute)
            one.i = pick(INTEGERS)
            if len(one.ints):
                one.ints[0] = pick(INTEGERS)
            one.type = pick((one.type, one.type, 1, 2, 3, 4, 6, 7))
        else:
            name = pick(
                ("axis", "axes", "perm", "to", "alpha", "transA", "epsilon", "value", "min")
            )
            value = pick((pick(INTEGERS), float(pick(SPECIAL)), [0, 1], [1, 0], "text"))
            entry.attribute.append(helper.make_attribute(name, value))

    def names():
        entry = pick(graph.node)
        if not len(entry.input) or rng.random() < 0.2:
            entry.input.append(pick(graph.initializer).name)
        elif rng.random() < 0.2:
            entry.input.pop()
        else:
            other = pick(graph.node)
            all_names = [*other.input, *other.output, pick(graph.initializer).name, ""]
            entry.input[int(rng.integers(len(entry.input)))] = pick(all_names)

    def insert():
        at = int(rng.integers(len(graph.node)))
        before = pick(graph.node[at].input) if len(graph.node[at].input) else "x"
        more = [pick(graph.initializer).name for _ in range(rng.integers(0, 4))]
        added = helper.make_node(
            pick(OPS), [before, *more], [f"new{at}"], domain=pick(("", "", BREVITAS))
        )
        for k, name in enumerate(graph.node[at].input):
            if name == before:
                graph.node[at].input[k] = added.output[0]
        graph.node.insert(at, added)

    def other():
        kind = rng.integers(5)
        if kind == 0:
            pick(graph.node).op_type = pick(OPS)
        elif kind == 1:
            model_.opset_import[0].version = int(rng.integers(5, 27))
        elif kind == 2:
            graph.node.pop(int(rng.integers(len(graph.node))))
        elif kind == 3:
            graph.output[0].name = pick(pick(graph.node).output)
        else:
            dims = graph.input[0].type.tensor_type.shape.dim
            pick(dims).dim_value = pick(INTEGERS)

    for _ in range(rng.integers(1, 4)):
        pick((tensor, attribute, names, insert, insert, other))()
    return model_
