"""ONNX files from strangers: what one holds, in plain Python and numpy, every claim checked.

Nothing is executed and nothing outside the file is read. An initialiser becomes an array only
after its dimensions were compared with the data that are there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ohmbench.digital.exporting.text import KEY, MAX_TEXT
from ohmbench.digital.importing.onnx_tensors import (
    MAX_RANK,
    NIBBLES,
    numpy_type,
    tensor_array,
)
from ohmbench.digital.importing.onnx_wire import check_wire
from ohmbench.errors import FileError
from ohmbench.files import read_bytes

MAX_BYTES = 64 * 2**20
MAX_NODES = 10_000
MAX_INPUTS = 64
"""Tensors that one node may read or write, and entries of a list in an attribute."""
OLDEST_OPSET, NEWEST_OPSET = 7, 25
STANDARD = ""
_FINN_KEY = "finn_datatype"
_INTEGERS = re.compile(r"U?INT\d+|BIPOLAR|BINARY|TERNARY")
QONNX_DOMAINS = ("onnx.brevitas", "finn.custom_op.general", "qonnx.custom_op.general")
_DOMAINS = (STANDARD, *QONNX_DOMAINS)
_REMEDY = "only networks of dense layers can be read"


@dataclass(frozen=True, eq=False)
class Node:
    """One node: ``op`` of ``domain`` ("" is the standard), tensor names, attributes.

    Attributes are int, float, str, tuples of int, or arrays. An absent optional input is "".
    """

    name: str
    op: str
    domain: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]

    @property
    def label(self) -> str:
        """How messages name it."""
        return f"{self.op} {self.name or '-> ' + self.outputs[0]}"


@dataclass(frozen=True, eq=False)
class TensorType:
    """A declared input or output: element type of numpy, or None, and its sizes (None: open)."""

    name: str
    dtype: np.dtype[Any] | None
    shape: tuple[int | None, ...] | None


@dataclass(frozen=True, eq=False)
class OnnxFile:
    """The content of a file. ``opset`` is the standard's version.

    ``nibbles``: the names of the initialisers whose integers have 4 bits. ``declared``: the names
    of tensors of which the file says that they hold integers (FINN's annotation), and which.
    """

    path: str
    opset: int
    nodes: tuple[Node, ...]
    initialisers: Mapping[str, NDArray[Any]]
    inputs: tuple[TensorType, ...]
    outputs: tuple[TensorType, ...]
    stored: str | None
    nibbles: frozenset[str]
    declared: Mapping[str, str]

    def refuse(self, node: Node, reason: str, remedy: str | None = None) -> FileError:
        """The error for a node that cannot be read."""
        return FileError(self.path, reason, field=f"node {node.label}", remedy=remedy)


class _Reader:
    """Turns one parsed message into plain values."""

    def __init__(self, path: str) -> None:
        self.path = path

    def bad(self, reason: str, field: str | None = None, remedy: str | None = None) -> FileError:
        return FileError(self.path, reason, field=field, remedy=remedy)

    def text(self, value: Any) -> str:
        """A name. The library gives bytes for one that is not UTF-8."""
        if not isinstance(value, str):
            raise self.bad("a name in it is not UTF-8", remedy="name an ONNX file")
        return value

    def attribute(self, proto: Any, field: str) -> Any:
        """The value of an attribute."""
        kind = proto.type
        self.text(proto.name)
        if kind in (5, 10) or proto.HasField("g") or len(proto.graphs):
            raise self.bad(f"attribute {proto.name} is a graph of its own", field, _REMEDY)
        if proto.ref_attr_name:
            raise self.bad(f"attribute {proto.name} refers to a function", field)
        if kind == 1 and proto.HasField("f"):
            return float(proto.f)
        if kind == 2 and proto.HasField("i"):
            return int(proto.i)
        if kind == 3 and proto.HasField("s"):
            return proto.s.decode("utf-8")
        if kind == 4 and proto.HasField("t"):
            if proto.t.data_type in NIBBLES:
                raise self.bad(f"attribute {proto.name} has 4-bit integers", field)
            return tensor_array(self.path, proto.t, f"{field}: attribute {proto.name}")
        if kind in (6, 7):
            values = proto.floats if kind == 6 else proto.ints
            if len(values) > MAX_INPUTS:
                raise self.bad(f"attribute {proto.name} has {len(values)} values", field)
            return tuple(values)
        raise self.bad(f"attribute {proto.name} has a type that cannot be read", field)

    def node(self, proto: Any) -> Node:
        """One node."""
        domain = STANDARD if proto.domain == "ai.onnx" else self.text(proto.domain)
        name, op = self.text(proto.name), self.text(proto.op_type)
        for tensor in (*proto.input, *proto.output):
            self.text(tensor)
        if not len(proto.output) or not proto.output[0]:
            raise self.bad("it writes nothing", f"node {op} {name}")
        field = f"node {op} {name or '-> ' + proto.output[0]}"
        if domain not in _DOMAINS:
            raise self.bad(f"its domain {domain} is unknown", field)
        if max(len(proto.input), len(proto.output), len(proto.attribute)) > MAX_INPUTS:
            raise self.bad(f"it has more than {MAX_INPUTS} inputs, outputs or attributes", field)
        attributes: dict[str, Any] = {}
        for entry in proto.attribute:
            if entry.name in attributes:
                raise self.bad(f"attribute {entry.name} is given twice", field)
            attributes[entry.name] = self.attribute(entry, field)
        return Node(
            name,
            op,
            domain,
            tuple(proto.input),
            tuple(proto.output),
            MappingProxyType(attributes),
        )

    def declared(self, proto: Any) -> TensorType:
        """A declared input or output of the graph."""
        kind = proto.type
        self.text(proto.name)
        if not kind.HasField("tensor_type"):
            raise self.bad("it is not a tensor", f"tensor {proto.name}")
        shape: tuple[int | None, ...] | None = None
        if kind.tensor_type.HasField("shape"):
            dims = kind.tensor_type.shape.dim
            if len(dims) > MAX_RANK:
                raise self.bad(f"it has {len(dims)} dimensions", f"tensor {proto.name}")
            shape = tuple(d.dim_value if d.HasField("dim_value") else None for d in dims)
        code = kind.tensor_type.elem_type
        dtype = None if code in NIBBLES else numpy_type(code)  # numpy has no 4-bit integers
        return TensorType(proto.name, dtype, shape)

    def opset(self, model: Any) -> int:
        """The version of the standard."""
        versions: dict[str, int] = {}
        for entry in model.opset_import:
            domain = STANDARD if entry.domain == "ai.onnx" else self.text(entry.domain)
            if domain in versions:
                raise self.bad(f"the version of domain '{domain}' is given twice", "opset_import")
            versions[domain] = entry.version
        if STANDARD not in versions:
            raise self.bad("no opset version of the ONNX standard", "opset_import")
        version = versions[STANDARD]
        if not OLDEST_OPSET <= version <= NEWEST_OPSET:
            raise self.bad(
                f"opset {version}, but only {OLDEST_OPSET} to {NEWEST_OPSET} can be read",
                "opset_import",
                "convert the model with onnx.version_converter",
            )
        return version

    def stored(self, model: Any) -> str | None:
        """The text that this project's export left."""
        found = [entry.value for entry in model.metadata_props if entry.key == KEY]
        if not found:
            return None
        if len(found) > 1 or len(found[0]) > MAX_TEXT:
            raise self.bad("given twice or too long", f"metadata {KEY}")
        return self.text(found[0])

    def integers(self, graph: Any) -> Mapping[str, str]:
        """The tensors that are declared to hold integers."""
        found = {}
        for entry in graph.quantization_annotation:
            for pair in entry.quant_parameter_tensor_names:
                if self.text(pair.key) == _FINN_KEY and _INTEGERS.fullmatch(self.text(pair.value)):
                    found[self.text(entry.tensor_name)] = pair.value
        return MappingProxyType(found)

    def file(self, model: Any) -> OnnxFile:
        """The whole content."""
        graph = model.graph
        if not len(graph.node):
            raise self.bad("no ONNX model with nodes", None, "name an ONNX file")
        if len(graph.node) > MAX_NODES:
            raise self.bad(f"{len(graph.node)} nodes, more than {MAX_NODES}", "graph")
        if len(model.functions):
            name = self.text(model.functions[0].name)
            raise self.bad("functions of its own cannot be read", f"function {name}")
        if len(graph.sparse_initializer):
            raise self.bad("sparse tensors cannot be read", "graph")
        opset = self.opset(model)
        initialisers: dict[str, NDArray[Any]] = {}
        for proto in graph.initializer:
            field = f"tensor {self.text(proto.name)}"
            if not proto.name or proto.name in initialisers:
                raise self.bad("its name is empty or was given before", field)
            initialisers[proto.name] = tensor_array(self.path, proto, field)
        inputs = [self.declared(entry) for entry in graph.input if entry.name not in initialisers]
        nodes = tuple(self.node(entry) for entry in graph.node)
        names = set(initialisers)
        written = [entry.name for entry in inputs]
        written += [name for node in nodes for name in node.outputs if name]
        for name in written:
            if name in names:
                raise self.bad("its name was given before", f"tensor {name}")
            names.add(name)
        return OnnxFile(
            self.path,
            opset,
            nodes,
            MappingProxyType(initialisers),
            tuple(inputs),
            tuple(self.declared(entry) for entry in graph.output),
            self.stored(model),
            frozenset(p.name for p in graph.initializer if p.data_type in NIBBLES),
            self.integers(graph),
        )


def load_onnx(path: str) -> OnnxFile:
    """Read an ONNX file of at most 64 MiB. Raises FileError, also where ``onnx`` is missing."""
    data = read_bytes(path, max_bytes=MAX_BYTES)
    check_wire(path, data)
    try:
        import onnx
        from google.protobuf.message import DecodeError
    except ImportError:
        raise FileError(
            path, "reading ONNX needs the package onnx", remedy="pip install 'ohmbench[onnx]'"
        ) from None
    try:
        model = onnx.ModelProto.FromString(data)
    except (DecodeError, ValueError, RuntimeError):
        raise FileError(path, "damaged, or no ONNX file", remedy="name an ONNX file") from None
    try:
        return _Reader(path).file(model)
    except UnicodeDecodeError:
        raise FileError(path, "a name in it is not UTF-8", remedy="name an ONNX file") from None
