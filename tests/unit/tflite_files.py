"""Writes TFLite files, true and false ones: a small flatbuffer writer and chains of layers.

The format is that of flatbuffers (flatbuffers.dev/internals) with the field numbers of TFLite's
schema, version 3. Nothing here uses the library's own reader.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

FLOAT32, INT32, UINT8, INT64, INT16, INT8 = 0, 2, 3, 4, 7, 9
CONV_2D, DEQUANTIZE, FULLY_CONNECTED, RESHAPE, SOFTMAX, QUANTIZE = 3, 6, 9, 22, 25, 114
NONE, RELU, RELU_N1_TO_1, RELU6 = 0, 1, 2, 3
_DTYPES = {FLOAT32: "<f4", INT32: "<i4", UINT8: "u1", INT64: "<i8", INT16: "<i2", INT8: "i1"}


@dataclass
class Scalar:
    """One number of a table, as ``struct`` names its kind."""

    kind: str
    value: float


@dataclass
class Table:
    """A table: what stands in each of its fields, by number. None leaves a field out."""

    fields: dict[int, Any]


@dataclass
class Vector:
    """Numbers as bytes, ``count`` of them, aligned to ``align``."""

    data: bytes
    count: int
    align: int = 4


def numbers(kind: str, values: Any, align: int = 4) -> Vector:
    data = np.asarray(values, dtype=kind).tobytes()
    return Vector(data, len(data) // np.dtype(kind).itemsize, align)


class Writer:
    """Places a table, then what it points to, behind what is written already."""

    def __init__(self) -> None:
        self.out = bytearray(8)
        self.places: dict[str, int] = {}
        """Where named things are: tests change bytes there."""

    def _align(self, size: int, ahead: int = 0) -> None:
        self.out += bytes(-(len(self.out) + ahead) % size)

    def place(self, item: Any) -> int:
        if isinstance(item, Table):
            return self._table(item)
        if isinstance(item, list):
            return self._pointers(item)
        if isinstance(item, str):
            data = item.encode("utf-8", "surrogateescape")
            item = Vector(data + b"\0", len(data))
        self._align(max(4, item.align), ahead=4)
        position = len(self.out)
        self.out += struct.pack("<I", item.count) + item.data
        return position

    def _pointers(self, items: list[Any]) -> int:
        self._align(4)
        position = len(self.out)
        self.out += struct.pack("<I", len(items)) + bytes(4 * len(items))
        for k, item in enumerate(items):
            self._point(position + 4 + 4 * k, self.place(item))
        return position

    def _point(self, at: int, target: int) -> None:
        struct.pack_into("<I", self.out, at, target - at)

    def _table(self, table: Table) -> int:
        present = {n: v for n, v in table.fields.items() if v is not None}
        kinds = {n: v.kind if isinstance(v, Scalar) else "I" for n, v in present.items()}
        offsets, size = {}, 4
        for n in sorted(present, key=lambda n: -struct.calcsize(kinds[n])):
            width = struct.calcsize(kinds[n])
            size += -size % width
            offsets[n] = size
            size += width
        slots = max(present, default=-1) + 1
        vtable = struct.pack("<HH", 4 + 2 * slots, size)
        vtable += b"".join(struct.pack("<H", offsets.get(n, 0)) for n in range(slots))
        self._align(8, ahead=len(vtable))
        start = len(self.out)
        self.out += vtable
        position = len(self.out)
        self.out += struct.pack("<i", position - start) + bytes(size - 4)
        for n, value in present.items():
            if isinstance(value, Scalar):
                struct.pack_into("<" + value.kind, self.out, position + offsets[n], value.value)
        for n, value in present.items():
            if not isinstance(value, Scalar):
                self._point(position + offsets[n], self.place(value))
        return position


def flatbuffer(root: Table, identifier: bytes = b"TFL3") -> bytes:
    writer = Writer()
    writer.out[4:8] = identifier
    struct.pack_into("<I", writer.out, 0, writer.place(root))
    return bytes(writer.out)


@dataclass
class Tensor:
    """A tensor as the file states it; ``data`` of None is an activation."""

    name: str
    shape: Sequence[int]
    type: int = INT8
    scale: Sequence[float] | None = None
    zero: Sequence[int] | None = None
    dimension: int = 0
    data: bytes | None = None
    buffer: int | None = None
    variable: bool = False
    sparse: bool = False
    extra: dict[int, Any] = field(default_factory=dict)

    def table(self, buffer: int) -> Table:
        quantised = None
        if self.scale is not None or self.zero is not None:
            quantised = Table(
                {
                    2: None if self.scale is None else numbers("<f4", self.scale),
                    3: None if self.zero is None else numbers("<i8", self.zero, 8),
                    6: Scalar("i", self.dimension) if self.dimension else None,
                }
            )
        return Table(
            {
                0: numbers("<i4", self.shape),
                1: Scalar("b", self.type),
                2: Scalar("I", buffer if self.buffer is None else self.buffer),
                3: self.name,
                4: quantised,
                5: Scalar("B", 1) if self.variable else None,
                6: Table({}) if self.sparse else None,
                **self.extra,
            }
        )


@dataclass
class Operator:
    """An operator; ``options``: the number of its options' kind and their table."""

    code: int
    inputs: Sequence[int]
    outputs: Sequence[int]
    options: tuple[int, Table] | None = None
    version: int = 1
    custom: str | None = None

    def table(self, index: int) -> Table:
        kind, options = self.options or (None, None)
        return Table(
            {
                0: Scalar("I", index),
                1: numbers("<i4", self.inputs),
                2: numbers("<i4", self.outputs),
                3: None if kind is None else Scalar("B", kind),
                4: options,
            }
        )


def fully_connected(
    activation: int = NONE, weights_format: int = 0, **more: int
) -> tuple[int, Table]:
    fields: dict[int, Any] = {0: Scalar("b", activation), 1: Scalar("b", weights_format)}
    for name, n in (("keep_num_dims", 2), ("asymmetric_quantize_inputs", 3)):
        if name in more:
            fields[n] = Scalar("B", more[name])
    return 8, Table(fields)


@dataclass
class Model:
    """A file of one subgraph, or of ``subgraphs`` copies of it."""

    tensors: list[Tensor]
    operators: list[Operator]
    inputs: Sequence[int]
    outputs: Sequence[int]
    version: int = 3
    subgraphs: int = 1
    identifier: bytes = b"TFL3"
    extra: dict[int, Any] = field(default_factory=dict)

    def data(self) -> bytes:
        codes: list[tuple[int, int, str | None]] = []
        for operator in self.operators:
            code = (operator.code, operator.version, operator.custom)
            if code not in codes:
                codes.append(code)
        buffers = [Table({})]
        tensors = []
        for tensor in self.tensors:
            buffer = 0
            if tensor.data is not None:
                buffer = len(buffers)
                buffers.append(Table({0: Vector(tensor.data, len(tensor.data), 16)}))
            tensors.append(tensor.table(buffer))
        graph = Table(
            {
                0: tensors,
                1: numbers("<i4", self.inputs),
                2: numbers("<i4", self.outputs),
                3: [o.table(codes.index((o.code, o.version, o.custom))) for o in self.operators],
                4: "main",
            }
        )
        root = Table(
            {
                0: Scalar("I", self.version),
                1: [
                    Table(
                        {
                            0: Scalar("b", min(code, 127)),
                            1: custom,
                            2: Scalar("i", version),
                            3: Scalar("i", code),
                        }
                    )
                    for code, version, custom in codes
                ],
                2: [graph] * self.subgraphs,
                3: "a test's network",
                4: buffers,
                **self.extra,
            }
        )
        return flatbuffer(root, self.identifier)


@dataclass
class Dense:
    """One FULLY_CONNECTED: int8 weights (channels, inputs), int32 bias or none."""

    weight: np.ndarray
    bias: np.ndarray | None
    weight_scale: Sequence[float]
    out_scale: float
    out_zero: int = 0
    activation: int = NONE


def chain(layers: Sequence[Dense], in_scale: float, in_zero: int = 0) -> Model:
    """A chain of int8 layers: tensors in0, w0, b0, out0, w1, ... and their operators."""
    inputs = int(layers[0].weight.shape[1])
    tensors = [Tensor("in0", [1, inputs], INT8, [in_scale], [in_zero])]
    operators = []
    last, scale = 0, in_scale
    for k, layer in enumerate(layers):
        channels = len(layer.weight)
        count = len(layer.weight_scale)
        takes = [last, len(tensors)]
        tensors.append(
            Tensor(
                f"w{k}",
                layer.weight.shape,
                INT8,
                layer.weight_scale,
                [0] * count,
                data=layer.weight.astype(np.int8).tobytes(),
            )
        )
        if layer.bias is not None:
            takes.append(len(tensors))
            tensors.append(
                Tensor(
                    f"b{k}",
                    [channels],
                    INT32,
                    (np.float32(scale) * np.asarray(layer.weight_scale, np.float32)).tolist(),
                    [0] * count,
                    data=layer.bias.astype("<i4").tobytes(),
                )
            )
        else:
            takes.append(-1)
        last, scale = len(tensors), layer.out_scale
        tensors.append(Tensor(f"out{k}", [1, channels], INT8, [layer.out_scale], [layer.out_zero]))
        operators.append(
            Operator(FULLY_CONNECTED, takes, [last], fully_connected(layer.activation))
        )
    return Model(tensors, operators, [0], [last])
