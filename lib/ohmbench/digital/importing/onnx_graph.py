"""From an ONNX file to a chain of layers: every node is evaluated once, symbolically, in order."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ohmbench.digital.importing.float_steps import Linear
from ohmbench.digital.importing.onnx_file import Node, OnnxFile
from ohmbench.digital.importing.onnx_tensors import MAX_ELEMENTS, MAX_RANK
from ohmbench.digital.importing.onnx_values import Chain, Constant, InputBase, SumBase, Value
from ohmbench.digital.integer.network import MAX_LAYERS
from ohmbench.digital.network import LARGEST_SIZE
from ohmbench.errors import FileError


class Graph:
    """The evaluation of one file."""

    def __init__(self, file: OnnxFile, input_bits: int, input_step: float) -> None:
        self.file = file
        self.input_bits, self.input_step = input_bits, input_step
        self.opset = file.opset
        self.notes: list[str] = []
        self.formats: set[str] = set()
        self.elements = 0
        self.asked: set[str] = set()  # the attributes that the present node's handler looked at
        self.values: dict[str, Value] = {}
        for name, array in file.initialisers.items():
            self._count(array.size, f"tensor {name}")
            self.values[name] = Constant(array, nibbles=name in file.nibbles)

    def _count(self, size: int, field: str) -> None:
        self.elements += size
        if self.elements > MAX_ELEMENTS:
            raise FileError(
                self.file.path, f"constants of more than {MAX_ELEMENTS} numbers", field=field
            )

    def refuse(self, node: Node, reason: str, remedy: str | None = None) -> FileError:
        """The error for a node."""
        return self.file.refuse(node, reason, remedy)

    def input(self) -> Chain:
        """The network's input."""
        if len(self.file.inputs) != 1:
            names = ", ".join(entry.name for entry in self.file.inputs) or "none"
            raise FileError(self.file.path, f"inputs are {names}, but there should be one")
        entry = self.file.inputs[0]
        field = f"input {entry.name}"
        integers = entry.dtype if entry.dtype in (np.uint8, np.int8) else None
        if entry.dtype != np.float32 and integers is None:
            raise FileError(
                self.file.path, "its elements should be float32, uint8 or int8", field=field
            )
        shape = entry.shape
        if shape is None or len(shape) < 2 or any(not d for d in shape[1:]):
            raise FileError(
                self.file.path, "its sizes behind the first should be known", field=field
            )
        sizes = (1, *(int(d or 1) for d in shape[1:]))
        if any(d < 1 for d in sizes) or np.prod([float(d) for d in sizes]) > LARGEST_SIZE:
            raise FileError(
                self.file.path, f"it should have 1 to {LARGEST_SIZE} numbers", field=field
            )
        chain = Chain(InputBase(entry.name, sizes), (), sizes, None, entry.name)
        if integers is None:
            return chain
        limits = np.iinfo(integers)
        same = Linear(np.ones(1, np.float32), np.zeros(1, np.int64), limits.min, limits.max)
        return replace(chain.then(same), integers=integers)

    def needed(self) -> list[Node]:
        """The nodes that the outputs depend on, in the file's order."""
        wanted = {entry.name for entry in self.file.outputs}
        found = []
        for node in reversed(self.file.nodes):
            if wanted.intersection(node.outputs):
                found.append(node)
                wanted.update(node.inputs)
        return found[::-1]

    def operands(self, node: Node) -> list[Value | None]:
        """The values that a node reads."""
        found: list[Value | None] = []
        for name in node.inputs:
            if name and name not in self.values:
                raise self.refuse(
                    node, f"it reads {name}, which nothing before it writes (a cycle, or no order)"
                )
            found.append(self.values[name] if name else None)
        return found

    def evaluate(self, handlers: Mapping[tuple[str, str], Handler]) -> Chain:
        """The chain that ends at the output. Raises FileError for a node that cannot be read."""
        chain = self.input()
        self.values[chain.tensor] = chain
        if len(self.file.outputs) != 1:
            raise FileError(
                self.file.path, f"{len(self.file.outputs)} outputs, but there should be one"
            )
        for node in self.needed():
            handler = handlers.get((node.domain, node.op))
            if handler is None:
                raise self.refuse(node, "this operation cannot be read")
            operands = self.operands(node)
            for value in operands:
                if isinstance(value, Constant) and value.nibbles and node.op not in _OF_NIBBLES:
                    raise self.refuse(node, f"it reads 4-bit integers; only {_NIBBLES_BY} may")
                if isinstance(value, Chain) and value.dropped and node.op not in _PASSING:
                    raise self.refuse(node, f"it follows {value.dropped}, which ends a network")
            self.asked = set(_WITHOUT_EFFECT)
            result = handler(self, node, operands)
            for name in node.attributes:
                if name not in self.asked:
                    raise self.refuse(node, f"attribute {name} cannot be read")
            self._keep(node, result)
        last = self.values.get(self.file.outputs[0].name)
        if not isinstance(last, Chain):
            raise FileError(
                self.file.path,
                "it does not depend on the input",
                field=f"output {self.file.outputs[0].name}",
            )
        return last

    def _keep(self, node: Node, result: Value) -> None:
        if isinstance(result, Constant):
            if not result.value.size:
                raise self.refuse(node, "its result is empty")
            if result.value.dtype.kind == "f" and not np.isfinite(result.value).all():
                raise self.refuse(node, "its result is not finite")
        # Operations with several results (TopK) give the same chain for each.
        for name in node.outputs:
            if not name:
                continue
            if isinstance(result, Constant):
                if result.value.base is None:  # a view needs no memory
                    self._count(result.value.size, f"node {node.label}")
                self.values[name] = result
            else:
                declared = self.file.declared.get(name)
                if declared and not result.dropped and not result.whole():
                    reason = f"{name} is declared {declared}, but may not hold integers"
                    raise self.refuse(node, reason)
                kept = result.tensor if result.dropped else name
                self.values[name] = replace(result, tensor=kept)

    # What handlers ask

    def arity(self, node: Node, operands: list[Value | None], least: int, most: int) -> None:
        """Refuse a node with another number of inputs."""
        given = len(operands)
        if not least <= given <= most or any(value is None for value in operands[:least]):
            wanted = f"{least}" if least == most else f"{least} to {most}"
            raise self.refuse(node, f"it has {given} inputs, but should have {wanted}")

    def attribute(self, node: Node, name: str, default: Any, kind: type) -> Any:
        """An attribute of type ``kind``, or ``default``."""
        self.asked.add(name)
        value = node.attributes.get(name, default)
        if value is not default and not isinstance(value, kind):
            raise self.refuse(node, f"attribute {name} should be {kind.__name__}")
        return value

    def constant(self, node: Node, value: Value | None, what: str) -> NDArray[Any]:
        """The array of a constant operand."""
        if not isinstance(value, Constant):
            raise self.refuse(node, f"its {what} should be a constant")
        return value.value

    def reals(self, node: Node, value: Value | None, what: str) -> NDArray[np.float32]:
        """The array of a constant operand, which has to be finite float32."""
        array = self.constant(node, value, what)
        if array.dtype != np.float32:
            raise self.refuse(node, f"its {what} is {array.dtype}, but should be float32")
        if not np.isfinite(array).all():
            raise self.refuse(node, f"its {what} is not finite")
        return array

    def whole(self, node: Node, value: Value | None, what: str) -> tuple[int, ...]:
        """A constant list of integers."""
        array = self.constant(node, value, what)
        if array.dtype.kind not in "iu" or array.ndim > 1 or array.size > MAX_RANK:
            raise self.refuse(node, f"its {what} should be a short list of integers")
        return tuple(int(v) for v in array.ravel())

    def one(self, node: Node, value: Value | None, what: str) -> float:
        """A constant single number."""
        array = self.constant(node, value, what)
        if array.size != 1 or array.dtype.kind not in "fiu":
            raise self.refuse(node, f"its {what} should be a single number")
        return float(array.ravel()[0])

    def chain(self, node: Node, value: Value | None) -> Chain:
        """An operand that depends on the input and holds reals."""
        if not isinstance(value, Chain):
            raise self.refuse(node, "its first input should depend on the network's input")
        if value.integers is not None:
            raise self.refuse(node, "it reads integers that were not dequantised")
        if value.dtype != np.float32 or value.ones is not None:
            raise self.refuse(node, "it reads float64 or comparisons")
        return value

    def per_channel(self, node: Node, chain: Chain, array: NDArray[Any], what: str) -> NDArray[Any]:
        """A constant that is broadcast to ``chain``, as (channels,) or (1,)."""
        try:
            wide = np.broadcast_to(array, chain.shape)
        except ValueError:
            raise self.refuse(
                node, f"its {what} has shape {array.shape}, which does not fit {chain.shape}"
            ) from None
        if array.size == 1:
            return array.reshape(1)
        if chain.axis is not None:
            return wide.reshape(-1).copy()
        flat = array.ravel()
        if not (flat == flat[0]).all():
            raise self.refuse(node, f"its {what} differs between inputs of the network")
        return flat[:1].copy()

    def layers(self, chain: Chain) -> list[Chain]:
        """The chains behind all sums up to ``chain``, first to last."""
        found: list[Chain] = []
        at = chain
        while isinstance(at.base, SumBase):
            found.append(at)
            at = at.base.source
            if len(found) > MAX_LAYERS:
                raise FileError(self.file.path, f"more than {MAX_LAYERS} layers")
        return found[::-1]


def check_scale(graph: Graph, node: Node, scale: NDArray[Any]) -> None:
    """Refuse scales that are no positive normal numbers."""
    bad = ~(np.isfinite(scale) & (scale >= np.finfo(np.float32).tiny))
    if bad.any():
        raise graph.refuse(node, f"its scale is {scale[bad].ravel()[0]:g}, but should be positive")


Handler: TypeAlias = Callable[[Graph, Node, list["Value | None"]], "Value"]
# Attributes without effect on what is computed here: of training, of the order or shape of indices,
# of types of 8-bit floats, annotations.
_WITHOUT_EFFECT = (
    "momentum",
    "ratio",
    "seed",
    "sorted",
    "keepdims",
    "saturate",
    "round_mode",
    "out_dtype",
)
_OF_NIBBLES = ("QuantizeLinear", "DequantizeLinear")
_NIBBLES_BY = " and ".join(_OF_NIBBLES)
_PASSING = ("Identity", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Cast")
