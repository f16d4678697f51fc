"""Hostile TFLite files, in the style of ``hostile.py``: each breaks one thing of a network."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

from tests.unit import hostile
from tests.unit.hostile import Kind, not_files
from tests.unit.tflite_files import (
    DEQUANTIZE,
    FLOAT32,
    FULLY_CONNECTED,
    INT8,
    INT16,
    INT32,
    INT64,
    QUANTIZE,
    RELU,
    RESHAPE,
    SOFTMAX,
    UINT8,
    Dense,
    Model,
    Operator,
    Scalar,
    Table,
    Tensor,
    Vector,
    chain,
    flatbuffer,
    fully_connected,
    numbers,
)

W0, B0, OUT0, W1, B1, OUT1 = range(1, 7)
"""Numbers of the tensors of ``base``; 0 is its input."""


def base() -> Model:
    """A network 3-4-2 with a bias each, ReLU between, and zero points."""
    rng = np.random.default_rng(5)
    return chain(
        [
            Dense(
                rng.integers(-127, 128, (4, 3)),
                rng.integers(-500, 500, 4),
                [0.01],
                0.05,
                -128,
                RELU,
            ),
            Dense(
                rng.integers(-127, 128, (2, 4)), rng.integers(-99, 99, 2), [0.02, 0.003], 0.07, 9
            ),
        ],
        0.1,
        -7,
    )


@dataclass(frozen=True)
class Refusal:
    """A file that is refused: what the error names, and words that it says."""

    name: str
    data: bytes
    field: str | None
    words: str


def _tensor(k: int, **changes: Any) -> Model:
    model = base()
    model.tensors[k] = replace(model.tensors[k], **changes)
    return model


def _operator(k: int, **changes: Any) -> Model:
    model = base()
    model.operators[k] = replace(model.operators[k], **changes)
    return model


def _weights(count: int) -> bytes:
    return bytes(range(1, count + 1))


def _label(k: int) -> str:
    return f"tensor {k} '{base().tensors[k].name}'"


def _scale_kinds() -> Iterator[tuple[str, Model, str, str]]:
    bad = {
        "nan": (float("nan"), "positive"),
        "zero": (0.0, "positive"),
        "negative": (-0.01, "positive"),
        "infinite": (float("inf"), "positive"),
    }
    for which, k in (("input", 0), ("weight", W0), ("bias", B0), ("output", OUT0)):
        for name, (value, words) in bad.items():
            yield f"{which}-scale-{name}", _tensor(k, scale=[value]), _label(k), words
        no_zero = _tensor(k, zero=None)
        yield f"{which}-no-zero-point", no_zero, _label(k), "1 scales, but 0 zero points"
        yield f"{which}-not-quantised", _tensor(k, scale=None, zero=None), _label(k), "no scale"
        two = _tensor(k, scale=[0.01, 0.01], zero=[0, 0])
        yield f"{which}-two-scales", two, _label(k), "2 scales"
        yield f"{which}-sparse", _tensor(k, sparse=True), _label(k), "sparse"
    for k, zero in ((0, 128), (0, -129), (OUT1, 2**40), (OUT1, -(2**63))):
        yield f"zero-point-{k}-{zero}", _tensor(k, zero=[zero]), _label(k), f"is {zero}"
    yield "weight-zero-point", _tensor(W0, zero=[1]), _label(W0), "zero point"
    yield "bias-zero-point", _tensor(B0, zero=[-1]), _label(B0), "zero point"
    yield "bias-scale-off", _tensor(B0, scale=[0.00101]), _label(B0), "its scale is 0.00101"
    yield "weight-dimension-1", _tensor(W1, dimension=1), _label(W1), "along dimension 1"
    yield "weight-dimension-9", _tensor(W1, dimension=-9), _label(W1), "along dimension -9"
    # The scales that a bias has follow the others, so the layers here have none.
    for name, scales, words in (
        ("too-small", (1e-8, 1e-8, 1.0), "2^-32"),
        ("underflow", (1e-30, 1e-30, 1.0), "2^-32"),
        ("256", (16.0, 16.0, 1.0), "to 256"),
        ("overflow", (1e19, 1e19, 1e-37), "too large"),
    ):
        model = chain([Dense(np.ones((2, 2)), None, [scales[1]], scales[2])], scales[0])
        yield f"multiplier-{name}", model, "operator 0 (FULLY_CONNECTED)", words
    huge = _tensor(0, scale=[3e38])
    yield "input-scale-huge", huge, _label(0), "3e+38"
    wide = chain([Dense(np.ones((1, 2)), np.array([2**31 - 1]), [0.1], 1e6)], 0.1)
    yield "sums-of-33-bits", wide, "operator 0 (FULLY_CONNECTED)", "32 bits"
    flat = _tensor(OUT0, zero=[127])
    yield "activation-of-one-value", flat, "operator 0 (FULLY_CONNECTED)", "single value 127"


def _tensor_kinds() -> Iterator[tuple[str, Model, str, str]]:
    shape = {0: Vector(b"\1\0\0\0", 2**30)}
    yield "shape-count-lies", _tensor(W0, extra=shape), _label(W0), "do not fit the file"
    yield "shape-negative", _tensor(W0, shape=[-4, -3]), _label(W0), "negative"
    yield "shape-too-many", _tensor(W0, shape=[1] * 8 + [12]), _label(W0), "9 dimensions"
    yield "shape-lies", _tensor(W0, shape=[4, 4]), _label(W0), "needs 16 bytes"
    yield "shape-huge", _tensor(W0, shape=[2**31 - 1] * 7), _label(W0), "bytes, but its buffer"
    yield "shape-rank-3", _tensor(W0, shape=[4, 3, 1]), _label(W0), "2 dimensions"
    yield "shape-empty", _tensor(W0, shape=[0, 3], data=b""), _label(W0), "2 dimensions"
    yield "shape-bias", _tensor(B0, shape=[2], data=bytes(8)), _label(B0), "2 values for 4"
    yield "buffer-outside", _tensor(W0, buffer=99), _label(W0), "its buffer is 99"
    yield "buffer-2^32", _tensor(W0, buffer=2**32 - 1), _label(W0), "its buffer is 4294967295"
    yield "weights-no-data", _tensor(W0, data=None), _label(W0), "no data"
    yield "bias-no-data", _tensor(B0, data=None), _label(B0), "no data"
    yield "input-constant", _tensor(0, data=_weights(3)), _label(0), "data of its own"
    constant = _tensor(OUT0, data=_weights(4))
    yield "output-constant", constant, "operator 0 (FULLY_CONNECTED)", "has a value already"
    yield "variable", _tensor(OUT0, variable=True), _label(OUT0), "variable"
    yield "external", _tensor(W0, extra={10: Scalar("I", 1)}), _label(W0), "outside the model"
    yield "bias-float", _tensor(B0, type=FLOAT32), _label(B0), "FLOAT32"
    yield "bias-int64", _tensor(B0, type=INT64), _label(B0), "INT64"
    yield "type-unknown", _tensor(OUT0, type=99), _label(OUT0), "type 99"
    yield "type-negative", _tensor(OUT0, type=-1), _label(OUT0), "type -1"
    yield "name-twice", _tensor(OUT1, name="out0"), "tensor 6 'out0'", "occurs twice"
    yield "name-control", _tensor(0, name="a\x1b[2J\nb"), "tensor 0", "printable"
    yield "name-not-utf-8", _tensor(0, name="\udcff"), "tensor 0", "printable"
    yield "name-long", _tensor(0, name="n" * 5000), "tensor 0", "5000 characters"
    yield "batch", _tensor(0, shape=[8, 3]), "operator 0 (FULLY_CONNECTED)", "24 values"
    details = _tensor(OUT0, extra={4: Table({4: Scalar("B", 1)})})
    yield "quantisation-custom", details, _label(OUT0), "its own kind"
    for name, kinds, words in (
        ("float", (FLOAT32, FLOAT32), "not quantised"),
        ("dynamic-range", (FLOAT32, INT8), "dynamic range"),
        ("uint8", (UINT8, UINT8), "older uint8"),
        ("int16", (INT16, INT8), "int16 activations"),
        ("int32", (INT32, INT32), "takes INT32 and weights of INT32"),
    ):
        model = _tensor(0, type=kinds[0])
        width = 4 if kinds[1] in (FLOAT32, INT32) else 1
        model.tensors[W0] = replace(model.tensors[W0], type=kinds[1], data=bytes(12 * width))
        yield f"kind-{name}", model, "operator 0 (FULLY_CONNECTED)", words


def _operator_kinds() -> Iterator[tuple[str, Model, str, str]]:
    first, second = "operator 0 (FULLY_CONNECTED)", "operator 1 (FULLY_CONNECTED)"
    yield "input-negative", _operator(0, inputs=[-2, W0, B0]), first, "names tensor -2"
    yield "input-outside", _operator(0, inputs=[0, W0, 7]), first, "names tensor 7"
    yield "input-left-out", _operator(0, inputs=[-1, W0, B0]), first, "only chains"
    yield "weights-left-out", _operator(0, inputs=[0, -1, B0]), first, "weights"
    yield "inputs-none", _operator(0, inputs=[]), first, "only chains"
    yield "inputs-four", _operator(0, inputs=[0, W0, B0, B0]), first, "input, weights and a bias"
    yield "outputs-none", _operator(0, outputs=[]), first, "one output"
    yield "outputs-two", _operator(0, outputs=[OUT0, OUT1]), first, "one output"
    yield "output-left-out", _operator(0, outputs=[-1]), first, "one output"
    yield "output-is-input", _operator(0, outputs=[0]), first, "has a value already"
    yield "output-is-weight", _operator(0, outputs=[W0]), first, "has a value already"
    yield "output-twice", _operator(1, outputs=[OUT0]), second, "has a value already"
    yield "takes-its-own-output", _operator(1, inputs=[OUT1, W1, B1]), second, "only chains"
    yield "takes-the-input-again", _operator(1, inputs=[0, W1, B1]), second, "only chains"
    turned = replace(base(), operators=base().operators[::-1])
    yield "order-turned", turned, first, "only chains"
    for name, code, words in (
        ("conv", 3, "CONV_2D"),
        ("add", 0, "ADD"),
        ("unknown", 250, "operator code 250"),
    ):
        options = None
        model = _operator(1, code=code, options=options)
        yield f"operator-{name}", model, f"operator 1 ({words})", "cannot be read"
    custom = _operator(1, code=32, custom="Evil", options=None)
    yield "operator-custom", custom, "operator 1 (CUSTOM 'Evil')", "cannot be read"
    yield "activation-tanh", _operator(0, options=fully_connected(4)), first, "activation TANH"
    yield "activation-unknown", _operator(0, options=fully_connected(-3)), first, "activation -3"
    yield "shuffled", _operator(0, options=fully_connected(0, 1)), first, "shuffled"
    yield "inputs-two", replace(base(), inputs=[0, OUT0]), "inputs", "2 of them"
    yield "inputs-missing", replace(base(), inputs=[]), "inputs", "0 of them"
    yield "outputs-missing", replace(base(), outputs=[]), "outputs", "0 of them"
    yield "graph-input-negative", replace(base(), inputs=[-1]), "subgraph 0", "tensor -1"
    yield "graph-output-outside", replace(base(), outputs=[7]), "subgraph 0", "tensor 7"
    yield "output-not-the-end", replace(base(), outputs=[OUT0]), _label(OUT0), "chain ends in"
    yield "no-operators", replace(base(), operators=[]), "operators", "no FULLY_CONNECTED"
    yield "no-subgraph", replace(base(), subgraphs=0), "subgraphs", "0 subgraphs"
    yield "two-subgraphs", replace(base(), subgraphs=2), "subgraphs", "2 subgraphs"
    yield "65-subgraphs", replace(base(), subgraphs=65), "header", "65 subgraphs"
    square = Dense(np.eye(2, dtype=int), None, [0.1], 0.1)
    deep = chain([square] * 33, 0.1)
    yield "33-layers", deep, "operator 32 (FULLY_CONNECTED)", "more than 32"
    many = base()
    many.operators *= 300
    yield "600-operators", many, "subgraph 0", "600 operators"
    many = base()
    many.tensors += [many.tensors[0]] * 2000
    yield "2007-tensors", many, "subgraph 0", "2007 tensors"


def _end_kinds() -> Iterator[tuple[str, Model, str, str]]:
    """Operators around the chain, at the wrong place or with the wrong scale."""

    def behind(code: int, tensor: Tensor) -> Model:
        model = base()
        model.tensors.append(tensor)
        model.operators.append(Operator(code, [OUT1], [7]))
        return replace(model, outputs=[7])

    same = {"scale": [0.07], "zero": [9]}
    wrong = behind(RESHAPE, Tensor("r", [3], **same))
    yield "reshape-size", wrong, "operator 2 (RESHAPE)", "turns"
    wrong = behind(RESHAPE, Tensor("r", [2], scale=[0.07], zero=[8]))
    yield "reshape-zero-point", wrong, "operator 2 (RESHAPE)", "changes"
    wrong = behind(QUANTIZE, Tensor("q", [1, 2], INT8, [0.09], [9]))
    yield "requantise", wrong, "operator 2 (QUANTIZE)", "from INT8 to INT8"
    wrong = behind(QUANTIZE, Tensor("q", [1, 2], UINT8, [0.07], [136]))
    yield "uint8-zero-point", wrong, "operator 2 (QUANTIZE)", "more than"
    wrong = behind(DEQUANTIZE, Tensor("d", [1, 2], INT16))
    yield "dequantise-int16", wrong, "operator 2 (DEQUANTIZE)", "at the end"
    twice = behind(SOFTMAX, Tensor("s", [1, 2], INT8, [1 / 256], [-128]))
    twice.tensors.append(Tensor("t", [1, 2], INT8, [1.0], [0]))
    twice.operators.append(Operator(SOFTMAX, [7], [8]))
    yield "softmax-twice", replace(twice, outputs=[8]), "operator 3 (SOFTMAX)", "at the end"
    more = behind(SOFTMAX, Tensor("s", [1, 2], INT8, [1 / 256], [-128]))
    more.tensors += [
        Tensor("w", [2, 2], INT8, [0.1], [0], data=bytes(4)),
        Tensor("t", [1, 2], INT8, [1.0], [0]),
    ]
    more.operators.append(Operator(FULLY_CONNECTED, [7, 8, -1], [9], fully_connected()))
    more.outputs = [9]
    yield "layer-behind-softmax", more, "operator 3 (FULLY_CONNECTED)", "at the end"
    tiny = base()
    tiny.tensors[0] = replace(tiny.tensors[0], scale=[1e-45])
    tiny.tensors.append(Tensor("x", [1, 3], FLOAT32))
    tiny.operators.insert(0, Operator(QUANTIZE, [7], [0]))
    tiny.inputs = [7]
    yield "quantise-tiny-scale", tiny, _label(0), "no inverse"
    first = base()
    first.tensors.append(Tensor("early", [1, 3], FLOAT32))
    first.operators.insert(0, Operator(DEQUANTIZE, [0], [7]))
    yield "dequantise-first", first, "operator 0 (DEQUANTIZE)", "at the end"


def _byte_kinds() -> Iterator[tuple[str, bytes, str | None, str]]:
    good = base().data()

    def patched(at: int, kind: str, value: int) -> bytes:
        data = bytearray(good)
        struct.pack_into("<" + kind, data, at, value)
        return bytes(data)

    root = struct.unpack_from("<I", good)[0]
    (vtable,) = struct.unpack_from("<i", good, root)
    vtable = root - vtable
    yield "nothing", b"", "header", "not a TFLite file"
    yield "500-random-bytes", hostile.noise(3, 500), "header", "not a TFLite file"
    yield "magic-alone", bytes(4) + b"TFL3", "header", "fit the file"
    yield "identifier", good[:4] + b"TFL2" + good[8:], "header", "not a TFLite file"
    yield "version-2", replace(base(), version=2).data(), "header", "version 2"
    yield "root-outside", patched(0, "I", 2**32 - 1), "header", "outside"
    yield "root-itself", patched(0, "I", 0), "header", "fit the file"
    yield "vtable-itself", patched(root, "i", 0), "header", "fit the file"
    yield "vtable-before-the-file", patched(root, "i", 2**31 - 1), "header", "outside"
    yield "vtable-behind-the-file", patched(root, "i", -(2**31)), "header", "outside"
    yield "vtable-odd", patched(vtable, "H", 5), "header", "fit the file"
    yield "vtable-size-0", patched(vtable, "H", 0), "header", "fit the file"
    yield "vtable-size-65534", patched(vtable, "H", 65534), "header", "fit the file"
    yield "table-size-65535", patched(vtable + 2, "H", 65535), "header", "fit the file"
    yield "table-size-0", patched(vtable + 2, "H", 0), "header", "fit the file"
    yield "field-outside-its-table", patched(vtable + 8, "H", 60000), "header", "outside its table"
    yield "field-in-the-offset", patched(vtable + 8, "H", 2), "header", "outside its table"
    yield "no-fields", flatbuffer(Table({})), "header", "version 0"
    codes = Table({0: Scalar("I", 3), 1: Vector(b"", 2**32 - 1)})
    yield "codes-count-lies", flatbuffer(codes), "header", "do not fit the file"
    codes = Table({0: Scalar("I", 3), 1: [Table({})] * 513})
    yield "codes-too-many", flatbuffer(codes), "header", "513 operator codes"
    code = Table({0: Scalar("I", 3), 1: numbers("<u4", [2**31])})
    yield "code-outside", flatbuffer(code), "operator code 0", "outside"
    outside = Table({1: Scalar("Q", 4096), 2: Scalar("Q", 10)})
    model = replace(base(), extra={4: [outside] * 5})
    yield "buffer-behind-the-model", model.data(), _label(0), "outside the model"
    model = replace(base(), extra={4: [Table({})] * 2049})
    yield "buffers-too-many", model.data(), "header", "2049 buffers"
    model = replace(base(), extra={4: [Table({0: Vector(b"abcd", 2**31)})] * 7})
    yield "buffer-count-lies", model.data(), "buffer 0", "do not fit the file"
    model = replace(base(), extra={4: []})
    yield "no-buffers", model.data(), _label(W0), "its buffer is 1"
    model = replace(base(), extra={1: []})
    yield "no-codes", model.data(), "operator 0", "its code is 0"


@lru_cache(maxsize=1)
def refusals() -> list[Refusal]:
    """All of them but what is not a file."""
    made: list[Refusal] = [Refusal(*row) for row in _byte_kinds()]
    for rows in (_scale_kinds, _tensor_kinds, _operator_kinds, _end_kinds):
        made += [Refusal(name, model.data(), field, words) for name, model, field, words in rows()]
    return made


def _write(data: bytes) -> Callable[[Any], None]:
    return lambda path: path.write_bytes(data) and None


def tflite_kinds() -> list[Kind]:
    return not_files("tflite") + [
        Kind(f"tflite-{r.name}", _write(r.data), r.field) for r in refusals()
    ]


def templates(loader: str) -> list[bytes]:
    """Files that are read: the base, and one with an operator of each kind at its ends."""
    model = base()
    model.tensors += [
        Tensor("x", [1, 3, 1], FLOAT32),
        Tensor("q", [1, 3, 1], INT8, [0.1], [-7]),
        Tensor("s", [1, 2], INT8, [1 / 256], [-128]),
        Tensor("d", [1, 2], FLOAT32),
    ]
    model.operators = [
        Operator(QUANTIZE, [7], [8]),
        Operator(RESHAPE, [8], [0]),
        *model.operators,
        Operator(SOFTMAX, [OUT1], [9]),
        Operator(DEQUANTIZE, [9], [10]),
    ]
    return [base().data(), replace(model, inputs=[7], outputs=[10]).data()]


def mutate(rng: random.Random, loader: str, originals: Sequence[bytes]) -> bytes:
    """Flipped, cut, spliced bytes; half the time an aligned number instead."""
    original = rng.choice(originals)
    if rng.random() < 0.5:
        return hostile.damage(rng, original)
    data = bytearray(original)
    for _ in range(rng.choice((1, 1, 2, 3))):
        at = rng.randrange(len(data) // 4) * 4
        near = struct.unpack_from("<i", data, at)[0] + rng.choice((-4, -1, 1, 4, 8))
        value = rng.choice((0, 1, 4, 2**31 - 1, 2**32 - 1, near, rng.randrange(2**32)))
        struct.pack_into("<I", data, at, value & (2**32 - 1))
    return bytes(data)
