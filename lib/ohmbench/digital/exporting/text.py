"""The integers of a network as JSON text beside its weights.

An exported file carries it, so that reading the file back gives the same ``M``, ``R`` and ``S``
and not others that compute the same. It is a hint: whoever reads it proves it against the graph.

One object: ``version``; ``input`` with ``lo``, ``hi``, ``scale``, ``zero`` and perhaps
``thresholds`` (the bits of float32 numbers); ``layers``, a list of objects with ``bits``, and
either ``M``, ``R``, ``S``, ``Z``, ``lo`` and ``hi`` (null: not clamped) or ``table``, ``sign`` and
``lo``, and perhaps ``scale`` and ``offset``. Names are those of ``digital.integer.network``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from ohmbench.digital.integer.network import (
    MAX_LAYERS,
    Affine,
    InputFormat,
    IntegerNetwork,
    Layer,
    Meaning,
    Step,
    Thresholds,
)
from ohmbench.errors import FileError, OperandError
from ohmbench.files import parse_json

KEY = "ohmbench"
"""The key of an ONNX file's metadata that has the text."""
MAX_TEXT = 2 * 2**20
"""Most characters: about 400 000 thresholds."""
_VERSION = 1
_FIELD = f"metadata {KEY}"
_AFFINE = frozenset({"bits", "M", "R", "S", "Z", "lo", "hi"})
_TABLE = frozenset({"bits", "table", "sign", "lo"})
_MEANING = frozenset({"scale", "offset"})
_INPUT = frozenset({"lo", "hi", "scale", "zero"})


def to_text(network: IntegerNetwork) -> str:
    """Everything of ``network`` but its weights."""
    read = network.input
    source: dict[str, Any] = {
        "lo": read.lo, "hi": read.hi, "scale": read.scale, "zero": read.zero
    }  # fmt: skip
    if read.thresholds is not None:
        source["thresholds"] = read.thresholds.view(np.uint32).tolist()
    value = {"version": _VERSION, "input": source, "layers": [_plain(k) for k in network.layers]}
    return json.dumps(value, separators=(",", ":"), allow_nan=False)


def _plain(layer: Layer) -> dict[str, Any]:
    step = layer.step
    found: dict[str, Any] = {"bits": layer.bits}
    if isinstance(step, Affine):
        found |= {"M": step.M.tolist(), "R": step.R.tolist(), "S": step.S, "Z": step.Z}
        found |= {"lo": step.lo, "hi": step.hi}
    else:
        found |= {"table": step.table.tolist(), "sign": step.sign.tolist(), "lo": step.lo}
    if layer.meaning is not None:
        found |= {name: getattr(layer.meaning, name).tolist() for name in ("scale", "offset")}
    return found


def from_text(text: str, weights: Sequence[NDArray[np.int8]], path: str) -> IntegerNetwork:
    """The network of a text and its ``weights``, int8 (channels, inputs) of each layer.

    ``path`` is the file that held it, for messages. Raises FileError for a text that is too long,
    is not JSON or of another layout, or whose numbers do not fit the weights or each other.
    """
    reader = _Reader(path)
    value = reader.mapping(
        parse_json(path, text.encode("utf-8", "replace"), max_bytes=MAX_TEXT, field=_FIELD),
        frozenset({"version", "input", "layers"}),
    )
    if value["version"] != _VERSION:
        reader.refuse(f"has version {value['version']!r}; this ohmbench reads {_VERSION}")
    layers = value["layers"]
    if not isinstance(layers, list) or len(layers) != len(weights) or len(layers) > MAX_LAYERS:
        reader.refuse(f"does not have one entry for each of the {len(weights)} layers")
    try:
        return IntegerNetwork(
            reader.input(value["input"]),
            tuple(reader.layer(k, w) for k, w in zip(layers, weights, strict=True)),
        )
    except OperandError as error:
        reader.refuse(str(error))


class _Reader:
    """Plain JSON values of known types. Every method raises FileError for others."""

    def __init__(self, path: str) -> None:
        self.path = path

    def refuse(self, reason: str) -> NoReturn:
        """Raise FileError."""
        raise FileError(self.path, reason, field=_FIELD, remedy="export it again")

    def mapping(
        self, value: Any, keys: frozenset[str], optional: frozenset[str] = frozenset()
    ) -> Mapping[str, Any]:
        """An object with ``keys``, and perhaps all of ``optional``."""
        if not isinstance(value, dict) or set(value) not in (keys, keys | optional):
            self.refuse(f"is not an object of {', '.join(sorted(keys))}")
        return value

    def integer(self, value: Any) -> int:
        """An integer of 64 bits."""
        if type(value) is not int or not -(2**63) <= value < 2**63:
            self.refuse("holds something else where an integer belongs")
        return int(value)

    def number(self, value: Any) -> float:
        """A finite number."""
        if type(value) not in (int, float) or abs(value) > 2.0**1000:
            self.refuse("holds something else where a number belongs")
        return float(value)

    def integers(self, value: Any) -> NDArray[np.int64]:
        """A list of integers."""
        if not isinstance(value, list):
            self.refuse("holds something else where a list belongs")
        return np.array([self.integer(item) for item in value], np.int64)

    def numbers(self, value: Any) -> NDArray[np.float64]:
        """A list of finite numbers."""
        if not isinstance(value, list):
            self.refuse("holds something else where a list belongs")
        return np.array([self.number(item) for item in value], np.float64)

    def input(self, value: Any) -> InputFormat:
        """The input format."""
        found = self.mapping(value, _INPUT, frozenset({"thresholds"}))
        table = None
        if "thresholds" in found:
            bits = self.integers(found["thresholds"])
            if ((bits < 0) | (bits >= 2**32)).any():
                self.refuse("holds something else where the bits of float32 belong")
            table = bits.astype(np.uint32).view(np.float32)
        lo, hi, zero = (self.integer(found[key]) for key in ("lo", "hi", "zero"))
        return InputFormat(lo, hi, self.number(found["scale"]), zero, table)

    def layer(self, value: Any, weight: NDArray[np.int8]) -> Layer:
        """One layer."""
        keys = _TABLE if isinstance(value, dict) and "table" in value else _AFFINE
        found = self.mapping(value, keys, _MEANING)
        meaning = None
        if "scale" in found:
            meaning = Meaning(self.numbers(found["scale"]), self.numbers(found["offset"]))
        return Layer(weight, self.step(found), self.integer(found["bits"]), meaning)

    def step(self, found: Mapping[str, Any]) -> Step:
        """The step of a layer."""
        if "table" not in found:
            lo, hi = (None if found[k] is None else self.integer(found[k]) for k in ("lo", "hi"))
            M, R = self.integers(found["M"]), self.integers(found["R"])
            return Affine(M, R, self.integer(found["S"]), self.integer(found["Z"]), lo, hi)
        rows = found["table"]
        if (
            not isinstance(rows, list)
            or len({len(r) if isinstance(r, list) else -1 for r in rows}) != 1
        ):
            self.refuse("holds a table whose rows have several lengths")
        sign = self.integers(found["sign"])
        if not np.isin(sign, (-1, 1)).all():
            self.refuse("holds a sign that is not 1 or -1")
        table = np.array([self.integers(row) for row in rows], np.int64)
        return Thresholds(table, sign.astype(np.int8), self.integer(found["lo"]))
