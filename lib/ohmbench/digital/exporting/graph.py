"""The ONNX graph of a plan: QuantizeLinear, DequantizeLinear, Gemm and what is between.

Per layer:

    DequantizeLinear(inputs), DequantizeLinear(weight) -> Gemm with a bias -> Mul -> Add
    -> QuantizeLinear [-> Clip where values do not fill their type]

``Gemm`` has a bias in floating point even where it is 0: onnxruntime then computes it in floating
point, which is exact here. It would replace a MatMul of two dequantised tensors by its own integer
kernel, which saturates inside on some processors. What is in float64 has ``Cast`` around it. Some
layers have ``Floor`` after the Add. A layer that compares with its thresholds has ``Unsqueeze``,
``GreaterOrEqual``, ``Cast`` and ``ReduceSum`` for the Mul.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ohmbench.digital.exporting.plan import Count, LayerPlan, Line, Plan, Tensor

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, TensorProto

OPSET = 13
"""The first with scales per channel; its integers have 8 bits."""
WIDE_OPSET = 21
"""The first whose QuantizeLinear has 16 bits."""
_IR = {OPSET: 7, WIDE_OPSET: 10}
INPUT, OUTPUT = "input", "output"


_Constant: TypeAlias = tuple[str, str, NDArray[Any], int]
"""A node's kind, its constant's name and values, and the value that changes nothing."""


class _Graph:
    """Nodes and initialisers as they are added; each tensor is named after its layer and role."""

    def __init__(self) -> None:
        self.nodes: list[NodeProto] = []
        self.constants: dict[str, NDArray[Any]] = {}

    def constant(self, name: str, value: NDArray[Any] | np.generic) -> str:
        """The name of a constant."""
        self.constants[name] = np.asarray(value)
        return name

    def add(self, kind: str, inputs: list[str], output: str, **attributes: Any) -> str:
        """Append a node that makes ``output``; return its name."""
        from onnx import helper

        self.nodes.append(helper.make_node(kind, inputs, [output], output, **attributes))
        return output

    def scales(self, tensor: Tensor, name: str, scale: Any) -> list[str]:
        """The constants for scale and zero point of a quantised tensor."""
        return [
            self.constant(f"{name}.scale", np.asarray(scale, np.float32)),
            self.constant(f"{name}.zero", np.asarray(tensor.zero, tensor.kind)),
        ]

    def quantised(self, x: str, tensor: Tensor, name: str, scale: float, out: str) -> str:
        """QuantizeLinear, and Clip where the type holds more values; the result is ``out``."""
        before = f"{name}.unclipped" if tensor.clips else out
        self.add("QuantizeLinear", [x, *self.scales(tensor, f"{name}.quantised", scale)], before)
        return self.clipped(before, tensor, name, out) if tensor.clips else out

    def clipped(self, x: str, tensor: Tensor, name: str, out: str) -> str:
        """The integers of ``tensor`` within its range; the result is ``out``."""
        ends = [
            self.constant(f"{name}.{end}", np.asarray(value + tensor.shift, tensor.kind))
            for end, value in (("lo", tensor.lo), ("hi", tensor.hi))
        ]
        return self.add("Clip", [x, *ends], out)

    def dequantised(self, x: str, tensor: Tensor, name: str) -> str:
        """The integers of ``tensor`` in units, as floats."""
        inputs = self.scales(tensor, f"{name}.dequantised", tensor.unit)
        # onnxruntime takes no zero point of 32 bits.
        inputs = inputs[:1] if tensor.kind == "int32" else inputs
        return self.add("DequantizeLinear", [x, *inputs], f"{name}.value")

    def layer(self, name: str, layer: LayerPlan, x: str, out: str) -> str:
        """One layer up to its reals or, if it is quantised, its integers; the result is ``out``."""
        wide = layer.bias.dtype == np.float64
        unit = self.constant("one", np.float32(1))
        stored = self.constant(f"{name}.weight", layer.weight)
        weight = self.add(
            "DequantizeLinear", [stored, unit, self.constant("none", np.int8(0))], f"{name}.weights"
        )
        if wide:
            x, weight = (
                self.add("Cast", [part], f"{part}.wide", to=_type(np.float64))
                for part in (x, weight)
            )
        bias = self.constant(f"{name}.bias", layer.bias)
        found = self.add("Gemm", [x, weight, bias], f"{name}.sum", transB=1)
        found = self.form(name, layer, found)
        if layer.out is None:
            return self.add("Identity", [found], out)
        if _result(layer) == np.float64:
            found = self.add("Cast", [found], f"{name}.narrow", to=_type(np.float32))
        return self.quantised(found, layer.out, name, layer.out.unit, out)

    def form(self, name: str, layer: LayerPlan, x: str) -> str:
        """Mul and Add, each only where it changes something, or the comparison."""
        form = layer.form
        if isinstance(form, Count):
            if (form.sign != 1).any():
                x = self.add("Mul", [x, self.constant(f"{name}.sign", form.sign)], f"{name}.signed")
            axis = self.constant("last", np.array([2], np.int64))
            x = self.add("Unsqueeze", [x, axis], f"{name}.column")
            table = self.constant(f"{name}.thresholds", form.table)
            x = self.add("GreaterOrEqual", [x, table], f"{name}.reached")
            x = self.add("Cast", [x], f"{name}.ones", to=_type(np.float32))
            x = self.add("ReduceSum", [x, axis], f"{name}.count", keepdims=0)
            offset = np.full(len(layer.weight), form.offset, np.float32)
            constants: tuple[_Constant, ...] = (("Add", "offset", offset, 0),)
        else:
            if form.multiplier.dtype != layer.bias.dtype:
                x = self.add("Cast", [x], f"{x}.wide", to=_type(form.multiplier.dtype))
            constants = (
                ("Mul", "multiplier", form.multiplier, 1),
                ("Add", "offset", form.offset, 0),
            )
        for kind, role, value, neutral in constants:
            if (value != neutral).any():
                x = self.add(kind, [x, self.constant(f"{name}.{role}", value)], f"{name}.{kind}")
        if isinstance(form, Line) and form.floor:
            x = self.add("Floor", [x], f"{name}.Floor")
        return x


def _result(layer: LayerPlan) -> Any:
    """The type of a layer's values before they are quantised."""
    return np.float32 if isinstance(layer.form, Count) else layer.form.multiplier.dtype


def _type(dtype: Any) -> int:
    from onnx import helper

    return int(helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))


def build_model(plan: Plan, metadata: dict[str, str]) -> ModelProto:
    """The model of ``plan``; ``metadata`` goes into its properties.

    The input is ``input`` (batch, inputs), float32 or integers, the output ``output``
    (batch, channels). ``layer_k`` is the quantised tensor of layer k.
    """
    from onnx import helper, numpy_helper

    graph, reads = _Graph(), plan.input
    x = INPUT
    if plan.input_scale is not None:
        x = graph.quantised(INPUT, reads, "input", plan.input_scale, "input.integers")
    elif reads.clips and reads.kind in ("uint8", "int8"):  # onnxruntime clips no 16 bits
        x = graph.clipped(INPUT, reads, "input", "input.integers")
    for k, layer in enumerate(plan.layers):
        x = graph.dequantised(x, reads, "input" if k == 0 else f"layer_{k - 1}")
        x = graph.layer(f"layer_{k}", layer, x, f"layer_{k}" if layer.out else OUTPUT)
        reads = layer.out or reads
    last = plan.layers[-1]
    if last.out is not None:
        _dequantised_output(graph, plan, x, last.out)
    ports = [
        helper.make_tensor_value_info(name, _type(kind), ["batch", size])
        for name, kind, size in (
            (INPUT, np.float32 if plan.input_scale is not None else plan.input.kind,
             plan.layers[0].weight.shape[1]),
            (OUTPUT, np.float32 if last.out else _result(last), len(last.weight)),
        )
    ]  # fmt: skip
    constants: list[TensorProto] = [
        numpy_helper.from_array(value, name) for name, value in graph.constants.items()
    ]
    wide = plan.input.kind in ("uint16", "int16")
    opset = WIDE_OPSET if wide else OPSET
    made = helper.make_graph(graph.nodes, "integer_network", ports[:1], ports[1:], constants)
    model = helper.make_model(
        made,
        opset_imports=[helper.make_opsetid("", opset)],
        ir_version=_IR[opset],
        producer_name="ohmbench",
    )
    helper.set_model_props(model, metadata)
    return model


def _dequantised_output(graph: _Graph, plan: Plan, x: str, tensor: Tensor) -> None:
    scale, zero = plan.output.scale, plan.output.zero + tensor.shift
    one = len(scale) == 1
    inputs = [
        graph.constant("output.scale", scale[0] if one else scale),
        graph.constant("output.zero", np.asarray(zero[0] if one else zero, tensor.kind)),
    ]
    graph.add("DequantizeLinear", [x, *inputs], OUTPUT, axis=1)
