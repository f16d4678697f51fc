"""Reading a TFLite file: its tensors and operators as plain values, nothing executed.

The format is a flatbuffer (``flatbuffer``) with TFLite's schema, version 3. The walk has a fixed
depth and the counts of tensors and operators are limited, so that reading takes bounded time and
memory; data are views of the file's bytes.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int64
from numpy.typing import NDArray

from ohmbench.digital.importing.flatbuffer import Buffer, Table
from ohmbench.errors import FileError
from ohmbench.files import read_bytes

MAX_BYTES = 16 * 2**20
MAX_TENSORS = 1024
MAX_OPERATORS = 512
MAX_DIMENSIONS = 8
_TYPES = (
    *("FLOAT32", "FLOAT16", "INT32", "UINT8", "INT64", "STRING", "BOOL", "INT16", "COMPLEX64"),
    *("INT8", "FLOAT64", "COMPLEX128", "UINT64", "RESOURCE", "VARIANT", "UINT32", "UINT16", "INT4"),
)
_ACTIVATIONS = ("NONE", "RELU", "RELU_N1_TO_1", "RELU6", "TANH", "SIGN_BIT")
_FULLY_CONNECTED_OPTIONS = 8
CUSTOM = 32
# Operators by their number in the schema; the importer reads six of them, the others are here so
# that it can refuse them by name.
_NAMES = (
    "ADD AVERAGE_POOL_2D CONCATENATION CONV_2D DEPTHWISE_CONV_2D DEPTH_TO_SPACE DEQUANTIZE "
    "EMBEDDING_LOOKUP FLOOR FULLY_CONNECTED HASHTABLE_LOOKUP L2_NORMALIZATION L2_POOL_2D "
    "LOCAL_RESPONSE_NORMALIZATION LOGISTIC LSH_PROJECTION LSTM MAX_POOL_2D MUL RELU RELU_N1_TO_1 "
    "RELU6 RESHAPE RESIZE_BILINEAR RNN SOFTMAX SPACE_TO_DEPTH SVDF TANH CONCAT_EMBEDDINGS "
    "SKIP_GRAM CALL CUSTOM EMBEDDING_LOOKUP_SPARSE PAD UNIDIRECTIONAL_SEQUENCE_RNN GATHER "
    "BATCH_TO_SPACE_ND SPACE_TO_BATCH_ND TRANSPOSE MEAN SUB DIV SQUEEZE "
    "UNIDIRECTIONAL_SEQUENCE_LSTM STRIDED_SLICE BIDIRECTIONAL_SEQUENCE_RNN EXP TOPK_V2 SPLIT "
    "LOG_SOFTMAX DELEGATE BIDIRECTIONAL_SEQUENCE_LSTM CAST PRELU MAXIMUM ARG_MAX MINIMUM LESS "
    "NEG PADV2 GREATER GREATER_EQUAL LESS_EQUAL SELECT SLICE SIN TRANSPOSE_CONV SPARSE_TO_DENSE "
    "TILE EXPAND_DIMS EQUAL NOT_EQUAL LOG SUM SQRT RSQRT SHAPE POW ARG_MIN FAKE_QUANT "
    "REDUCE_PROD REDUCE_MAX PACK LOGICAL_OR ONE_HOT LOGICAL_AND LOGICAL_NOT UNPACK REDUCE_MIN "
    "FLOOR_DIV REDUCE_ANY SQUARE ZEROS_LIKE FILL FLOOR_MOD RANGE RESIZE_NEAREST_NEIGHBOR "
    "LEAKY_RELU SQUARED_DIFFERENCE MIRROR_PAD ABS SPLIT_V UNIQUE CEIL REVERSE_V2 ADD_N GATHER_ND "
    "COS WHERE RANK ELU REVERSE_SEQUENCE MATRIX_DIAG QUANTIZE MATRIX_SET_DIAG ROUND HARD_SWISH "
    "IF WHILE"
)
_OPERATORS = tuple(_NAMES.split())


@dataclass(frozen=True, eq=False)
class Quantisation:
    """``real = scale * (q - zero)``: one scale and zero point, or one per index of ``dimension``.

    The numbers are as they stand in the file: nothing says that they make sense.
    """

    scale: Float32[NDArray[np.float32], " scales"]
    zero: Int64[NDArray[np.int64], " zeros"]
    dimension: int


@dataclass(frozen=True, eq=False)
class Tensor:
    """A tensor: ``data`` are its bytes if it is a constant, exactly as many as its shape needs."""

    index: int
    name: str
    shape: tuple[int, ...]
    type: str
    data: memoryview | None
    quantisation: Quantisation | None
    sparse: bool

    @property
    def label(self) -> str:
        """How errors name the tensor."""
        return f"tensor {self.index} '{self.name}'" if self.name else f"tensor {self.index}"

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)


@dataclass(frozen=True)
class FullyConnectedOptions:
    """The options of a FULLY_CONNECTED operator; ``weights_format`` is 0 for plain rows."""

    activation: str = "NONE"
    weights_format: int = 0
    keep_num_dims: bool = False
    asymmetric_quantize_inputs: bool = False


@dataclass(frozen=True)
class Operator:
    """An operator: numbers of the tensors that it takes (-1: left out) and gives."""

    index: int
    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: FullyConnectedOptions | None

    @property
    def label(self) -> str:
        """How errors name the operator."""
        return f"operator {self.index} ({self.name})"


@dataclass(frozen=True, eq=False)
class TFLiteFile:
    """The one subgraph of a file: every number of a tensor is one of ``tensors``."""

    path: str
    tensors: tuple[Tensor, ...]
    operators: tuple[Operator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


def _root(buffer: Buffer) -> Table:
    if bytes(buffer.data[4:8]) != b"TFL3":
        raise FileError(
            buffer.path, "not a TFLite file", field="header", remedy="name a file of TFLite"
        )
    root = Table(buffer, buffer.follow(0, "header"), "header")
    version = root.number(0, "I")
    if version != 3:
        raise FileError(buffer.path, f"version {version}, but should be 3", field="header")
    return root


def _operator_names(root: Table) -> list[str]:
    names = []
    for code in root.tables(1, "operator code", MAX_OPERATORS):
        # Old files have the number in a byte, which new ones fill with at most 127.
        number = max(code.number(0, "b"), code.number(3, "i"))
        known = 0 <= number < len(_OPERATORS)
        name = _OPERATORS[number] if known else f"operator code {number}"
        names.append(f"{name} '{code.text(1, 'characters')}'" if number == CUSTOM else name)
    return names


def _constants(root: Table) -> list[memoryview | str]:
    """The bytes of each buffer, or why they cannot be had."""
    constants: list[memoryview | str] = []
    for table in root.tables(4, "buffer", 2 * MAX_TENSORS):
        outside = table.number(1, "Q") > 1 or table.number(2, "Q") > 1
        constants.append("keeps its data behind the model" if outside else table.bytes(0, "bytes"))
    return constants


def _quantisation(table: Table) -> Quantisation | None:
    inner = table.child(4)
    if inner is None:
        return None
    scale, zero = inner.array(2, "<f4", "scales"), inner.array(3, "<i8", "zero points")
    if inner.number(4, "B") != 0:
        raise FileError(table.buffer.path, "has a quantisation of its own kind", field=table.where)
    if not len(scale) and not len(zero):
        return None
    return Quantisation(scale, zero, inner.number(6, "i"))


def _tensor(k: int, table: Table, constants: list[memoryview | str]) -> Tensor:
    path = table.buffer.path
    name = table.text(3, "characters")
    table.where = f"tensor {k} '{name}'" if name else f"tensor {k}"
    number = table.number(1, "b")
    kind = _TYPES[number] if 0 <= number < len(_TYPES) else f"type {number}"
    shape = table.integers(0, "dimensions", MAX_DIMENSIONS)
    if any(size < 0 for size in shape):
        raise FileError(path, f"shape {shape} has a negative size", field=table.where)
    buffer = table.number(2, "I")
    if buffer >= max(len(constants), 1):
        raise table.buffer.damaged(
            table.where, f"its buffer is {buffer}, but the file has {len(constants)}"
        )
    found = constants[buffer] if constants else memoryview(b"")
    if isinstance(found, str) or table.number(10, "I"):
        raise FileError(path, "keeps its data outside the model", field=table.where)
    data = None
    # Buffer 0 is empty by agreement: it belongs to all tensors that are computed.
    if len(found):
        width = np.dtype(kind.lower()).itemsize if kind in ("INT8", "INT32", "FLOAT32") else None
        if width is not None and math.prod(shape) * width != len(found):
            raise FileError(
                path,
                f"its shape {shape} needs {math.prod(shape) * width} bytes, but its buffer "
                f"holds {len(found)}",
                field=table.where,
            )
        data = found
    if table.number(5, "B"):
        raise FileError(path, "is a variable, which keeps its state", field=table.where)
    return Tensor(k, name, shape, kind, data, _quantisation(table), table.child(6) is not None)


def _options(table: Table) -> FullyConnectedOptions:
    if table.number(3, "B") != _FULLY_CONNECTED_OPTIONS:
        return FullyConnectedOptions()
    options = table.child(4)
    if options is None:
        return FullyConnectedOptions()
    number = options.number(0, "b")
    known = 0 <= number < len(_ACTIVATIONS)
    return FullyConnectedOptions(
        _ACTIVATIONS[number] if known else f"activation {number}",
        options.number(1, "b"),
        bool(options.number(2, "B")),
        bool(options.number(3, "B")),
    )


def _operator(k: int, table: Table, names: list[str], tensors: int) -> Operator:
    code = table.number(0, "I")
    if code >= len(names):
        raise table.buffer.damaged(table.where, f"its code is {code}, but there are {len(names)}")
    table.where = f"operator {k} ({names[code]})"
    inputs = table.integers(1, "inputs", MAX_TENSORS)
    outputs = table.integers(2, "outputs", MAX_TENSORS)
    for number in (*inputs, *outputs):
        if not -1 <= number < tensors:
            raise table.buffer.damaged(table.where, f"names tensor {number} of {tensors}")
    options = _options(table) if names[code] == "FULLY_CONNECTED" else None
    return Operator(k, names[code], inputs, outputs, options)


def read_tflite_file(path: str | os.PathLike[str]) -> TFLiteFile:
    """The tensors and operators of a TFLite file of one subgraph; nothing in it is executed.

    Raises FileError naming the file, the tensor or operator, and the reason: the file is missing,
    damaged or too large, or holds something that no network here has (several subgraphs, data
    outside the model, variables).
    """
    path = os.fspath(path)
    root = _root(Buffer(path, read_bytes(path, max_bytes=MAX_BYTES)))
    names = _operator_names(root)
    graphs = list(root.tables(2, "subgraph", 64))
    if len(graphs) != 1:
        raise FileError(
            path, f"holds {len(graphs)} subgraphs, but should hold 1", field="subgraphs"
        )
    constants = _constants(root)
    graph = graphs[0]
    tensors = tuple(
        _tensor(k, table, constants)
        for k, table in enumerate(graph.tables(0, "tensor", MAX_TENSORS))
    )
    ends = graph.integers(1, "inputs", 64), graph.integers(2, "outputs", 64)
    for number in (*ends[0], *ends[1]):
        if not 0 <= number < len(tensors):
            raise root.buffer.damaged("subgraph 0", f"names tensor {number} of {len(tensors)}")
    operators = tuple(
        _operator(k, table, names, len(tensors))
        for k, table in enumerate(graph.tables(3, "operator", MAX_OPERATORS))
    )
    return TFLiteFile(path, tensors, operators, *ends)
