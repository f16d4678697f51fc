"""Float MLPs from ONNX: one chain of nodes from the input to the output, constants folded.

Read are Gemm, MatMul, Relu, BatchNormalization, Add, Sub, Mul and Div with constants, Flatten,
Reshape to a matrix, Identity and Dropout (which does nothing here), Transpose of constants, and a
final Softmax or LogSoftmax, which is dropped: it does not change the class. Every other node is
refused by its name.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ohmbench.digital.importing.onnx_file import Node, OnnxFile, load_onnx
from ohmbench.digital.quantizing.float_models import Block, FloatMLP, Linear, Relu, Scaling, fold
from ohmbench.errors import FileError, OperandError

_QUANTISED = ("QuantizeLinear", "DequantizeLinear", "Quant", "IntQuant", "BipolarQuant",
              "MultiThreshold", "DynamicQuantizeLinear")  # fmt: skip
_SAME = ("Identity", "Dropout", "Flatten")
_ARITHMETIC = ("Add", "Sub", "Mul", "Div")
_FINAL = ("Softmax", "LogSoftmax")


class _Graph:
    """The nodes of a file, with every tensor that is constant."""

    def __init__(self, file: OnnxFile) -> None:
        self.file = file
        self.constants: dict[str, NDArray[Any]] = dict(file.initialisers)
        self.readers: dict[str, list[Node]] = {}
        for node in file.nodes:
            value = self._constant(node)
            if value is not None:
                self.constants[node.outputs[0]] = value
                continue
            for name in dict.fromkeys(node.inputs):
                self.readers.setdefault(name, []).append(node)

    def _constant(self, node: Node) -> NDArray[Any] | None:
        """The value of a node that reads constants alone, or None."""
        attributes = node.attributes
        if node.op == "Constant":
            values = [attributes[key] for key in ("value", "value_float", "value_int",
                      "value_floats", "value_ints") if key in attributes]  # fmt: skip
            return np.asarray(values[0]) if values else None
        if node.op not in ("Identity", "Transpose") or node.inputs[:1] == ():
            return None
        value = self.constants.get(node.inputs[0])
        if value is None or node.op == "Identity":
            return value
        order = attributes.get("perm", tuple(reversed(range(value.ndim))))
        if sorted(order) != list(range(value.ndim)):
            raise self.file.refuse(node, f"perm is {order}, but the tensor has {value.ndim} axes")
        return np.transpose(value, order)

    def constant(self, node: Node, k: int, what: str) -> NDArray[np.float64]:
        """Input ``k`` of ``node``, float64. Raises FileError unless it is a constant of floats."""
        name = node.inputs[k] if k < len(node.inputs) else ""
        if name not in self.constants:
            raise self.file.refuse(node, f"{what} is not a constant")
        value = self.constants[name]
        if value.dtype.kind != "f":
            raise self.file.refuse(node, f"{what} is {value.dtype}, but should be floating point")
        return value.astype(np.float64)

    def vector(self, node: Node, k: int, what: str) -> NDArray[np.float64]:
        """The same as a vector or a single number: (features,) or ()."""
        value = self.constant(node, k, what)
        if value.size == 1:
            return value.reshape(())
        if value.ndim > 2 or value.size != value.shape[-1]:
            raise self.file.refuse(node, f"{what} has shape {value.shape}, but should be a vector")
        return value.reshape(-1)


def _linear(graph: _Graph, node: Node, current: str) -> Linear:
    """A Gemm or MatMul."""
    if node.inputs[0] != current:
        raise graph.file.refuse(node, "its first input is not the values, but the weights")
    weight = graph.constant(node, 1, "its weight")
    if weight.ndim != 2:
        raise graph.file.refuse(node, f"its weight has shape {weight.shape}, not a matrix")
    a = node.attributes
    if node.op == "MatMul":
        return Linear(node.label, weight.T, np.zeros(weight.shape[1]))
    if a.get("transA", 0):
        raise graph.file.refuse(node, "transA is set; only rows of samples can be read")
    weight = a.get("alpha", 1.0) * (weight if a.get("transB", 0) else weight.T)
    bias = np.zeros(len(weight))
    if len(node.inputs) > 2 and node.inputs[2]:
        found = a.get("beta", 1.0) * graph.vector(node, 2, "its bias")
        if found.size not in (1, len(bias)):
            raise graph.file.refuse(node, f"its bias has {found.size} values, not {len(bias)}")
        bias = bias + found
    return Linear(node.label, weight, bias)


def _arithmetic(graph: _Graph, node: Node, current: str) -> Scaling:
    """Add, Sub, Mul or Div with a constant."""
    if len(node.inputs) != 2 or node.inputs[0] == node.inputs[1]:
        raise graph.file.refuse(node, "it does not combine the values with one constant")
    first = node.inputs[0] == current
    c = graph.vector(node, 1 if first else 0, "its other input")
    one, zero = np.ones_like(c), np.zeros_like(c)
    if node.op == "Add":
        return Scaling(node.label, one, c)
    if node.op == "Mul":
        return Scaling(node.label, c, zero)
    if node.op == "Sub":
        return Scaling(node.label, one, -c) if first else Scaling(node.label, -one, c)
    if not first or not c.all():
        raise graph.file.refuse(node, "it divides by the values, or by 0")
    return Scaling(node.label, 1 / c, zero)


def _normalisation(graph: _Graph, node: Node, current: str) -> Scaling:
    """BatchNormalization as one factor and one shift per feature."""
    if node.inputs[0] != current or node.attributes.get("training_mode", 0):
        raise graph.file.refuse(node, "it is in training mode, or reads its values as constants")
    names = ("scale", "bias", "mean", "variance")
    scale, bias, mean, var = (graph.vector(node, k + 1, name) for k, name in enumerate(names))
    if len({value.size for value in (scale, bias, mean, var)}) != 1:
        raise graph.file.refuse(node, "scale, bias, mean and variance differ in size")
    spread = var + node.attributes.get("epsilon", 1e-5)
    if not (var >= 0).all() or not (spread > 0).all():
        raise graph.file.refuse(node, f"a variance is {var.min():g}, but should be positive")
    factor = scale / np.sqrt(spread)
    return Scaling(node.label, factor, bias - mean * factor)


def _relu(graph: _Graph, node: Node, current: str) -> Relu:
    return Relu(node.label)


_BLOCKS: Mapping[str, Callable[[_Graph, Node, str], Block]] = {
    "Gemm": _linear,
    "MatMul": _linear,
    "Relu": _relu,
    "BatchNormalization": _normalisation,
    **dict.fromkeys(_ARITHMETIC, _arithmetic),
}


def _changes_nothing(graph: _Graph, node: Node) -> bool:
    """Whether a node passes its values on as they are, as one row per sample."""
    if node.op == "Reshape":
        shape = graph.constants.get(node.inputs[1]) if len(node.inputs) > 1 else None
        if shape is None or shape.size != 2:
            raise graph.file.refuse(node, "it does not reshape to one row per sample")
        return True
    if node.op == "Flatten" and node.attributes.get("axis", 1) != 1:
        raise graph.file.refuse(node, "it does not flatten to one row per sample")
    return node.op in _SAME


def _unknown(graph: _Graph, node: Node) -> FileError:
    if node.op in _QUANTISED:
        remedy = "'ohmbench import' reads quantised networks"
    else:
        remedy = "only MLPs of Gemm, MatMul, Relu and BatchNormalization are read"
    return graph.file.refuse(node, "not part of a float MLP", remedy)


def read_onnx_mlp(path: str | os.PathLike[str]) -> FloatMLP:
    """The float MLP of an ONNX file, as the module says.

    Raises FileError as ``load_onnx`` does, and naming the node that is not part of an MLP.
    """
    file = load_onnx(os.fspath(path))
    if len(file.inputs) != 1 or len(file.outputs) != 1:
        raise FileError(
            path,
            f"has {len(file.inputs)} inputs and {len(file.outputs)} outputs",
            field="graph",
            remedy="a float MLP has one of each",
        )
    graph, blocks, notes = _Graph(file), [], []
    current, end = file.inputs[0].name, file.outputs[0].name
    while current != end:
        following = graph.readers.get(current, [])
        if len(following) != 1:
            names = " and ".join(node.label for node in following[:2]) or "no node"
            raise FileError(
                path,
                f"is read by {names}",
                field=f"tensor {current}",
                remedy="an MLP is one chain of nodes from its input to its output",
            )
        node = following[0]
        del graph.readers[current]
        if node.op in _BLOCKS and not node.domain:
            blocks.append(_BLOCKS[node.op](graph, node, current))
        elif node.op in _FINAL and node.outputs[0] == end:
            notes.append(f"{node.label} dropped: it does not change the class")
        elif node.domain or not _changes_nothing(graph, node):
            raise _unknown(graph, node)
        current = node.outputs[0]
    try:
        return fold(blocks, notes)
    except OperandError as error:
        raise FileError(path, str(error)) from None
