"""Integer networks in npz files.

``input``: int64 (3,), the smallest and largest input and the zero point; ``input_scale``:
float64 (); ``input_thresholds``: float32 (steps,), optional. Layer k, counted from 0, has
``layer_k.weight`` int8 (channels, inputs) and ``layer_k.bits``, then one of two steps:

- ``layer_k.M`` and ``.R`` int64 (channels,), ``.S``, ``.Z`` and, unless its values are unclamped,
  ``.range`` int64 (2,), the smallest and largest value;
- ``layer_k.table`` int64 (channels, steps), ``.sign`` int8 (channels,) and ``.lo``.

``layer_k.scale`` and ``.offset``, float64 (channels,) or (1,), are the real values of its outputs.
``origin`` is a JSON object on where the network came from, and ``integer_version`` the version of
this layout.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ohmbench.digital.integer.network import (
    MAX_LAYERS,
    MAX_STEPS,
    Affine,
    InputFormat,
    IntegerNetwork,
    Layer,
    Meaning,
    Step,
    Thresholds,
)
from ohmbench.errors import FileError, OperandError
from ohmbench.files import ArraySpec, npz_fields, parse_json, read_npz, write_npz

VERSION = 1
_WEIGHT = re.compile(r"layer_(\d{1,2})\.weight")
_AFFINE = ("M", "R", "S", "Z")
_TABLE = ("table", "sign", "lo")


@dataclass(frozen=True)
class StoredInteger:
    """A network from a file, and what the file says about where it came from."""

    path: str
    network: IntegerNetwork
    origin: Mapping[str, Any]


def is_integer_file(fields: Collection[str]) -> bool:
    """Whether an npz file with these fields holds an integer network of this layout."""
    return "integer_version" in fields or any(_WEIGHT.fullmatch(field) for field in fields)


def _layer_schema(k: int) -> tuple[ArraySpec, ...]:
    channels, inputs, steps, real = f"channels_{k}", f"channels_{k - 1}", f"steps_{k}", f"real_{k}"
    if k == 0:
        inputs = "inputs"

    def one(name: str, shape: tuple[int | str, ...], dtype: str, optional: bool) -> ArraySpec:
        return ArraySpec(f"layer_{k}.{name}", shape, (dtype,), optional=optional)

    return (
        one("weight", (channels, inputs), "int8", False),
        one("bits", (), "int64", False),
        one("M", (channels,), "int64", True),
        one("R", (channels,), "int64", True),
        one("S", (), "int64", True),
        one("Z", (), "int64", True),
        one("range", (2,), "int64", True),
        one("table", (channels, steps), "int64", True),
        one("sign", (channels,), "int8", True),
        one("lo", (), "int64", True),
        one("scale", (real,), "float64", True),
        one("offset", (real,), "float64", True),
    )


def _schema(layers: int) -> tuple[ArraySpec, ...]:
    return (
        ArraySpec("integer_version", (), ("int64",), low=1, high=VERSION),
        ArraySpec("input", (3,), ("int64",)),
        ArraySpec("input_scale", (), ("float64",)),
        # A value that no input reaches has an infinite threshold.
        ArraySpec("input_thresholds", ("levels",), ("float32",), finite=False, optional=True),
        ArraySpec("origin", (), ("U",), optional=True),
        *(spec for k in range(layers) for spec in _layer_schema(k)),
    )


def _layers_in(path: str, fields: Collection[str]) -> int:
    numbers = {int(match[1]) for field in fields if (match := _WEIGHT.fullmatch(field))}
    layers = max(numbers, default=-1) + 1
    if not 1 <= layers <= MAX_LAYERS:
        raise FileError(
            path,
            f"has {layers} layers",
            field="layer_0.weight",
            remedy=f"1 to {MAX_LAYERS} are possible",
        )
    return layers


def _either(path: str, arrays: Mapping[str, NDArray[Any]], k: int) -> tuple[str, ...]:
    """The names of the step that layer ``k`` has. Raises FileError if one of them is missing, or
    if there are names of both.
    """
    affine = [name for name in (*_AFFINE, "range") if f"layer_{k}.{name}" in arrays]
    table = [name for name in _TABLE if f"layer_{k}.{name}" in arrays]
    if affine and table:
        raise FileError(
            path,
            f"unexpected beside {table[0]}",
            field=f"layer_{k}.{affine[0]}",
            remedy="a layer has M, R, S and Z, or a table of thresholds",
        )
    wanted = _TABLE if table else _AFFINE
    for name in wanted:
        if f"layer_{k}.{name}" not in arrays:
            raise FileError(path, "is missing", field=f"layer_{k}.{name}")
    return wanted


def _step(path: str, arrays: Mapping[str, NDArray[Any]], k: int) -> Step:
    value = {name: arrays[f"layer_{k}.{name}"] for name in _either(path, arrays, k)}
    if "table" in value:
        if value["table"].shape[1] > MAX_STEPS:
            raise FileError(
                path,
                f"has {value['table'].shape[1]} thresholds per channel",
                field=f"layer_{k}.table",
                remedy=f"at most {MAX_STEPS} are possible",
            )
        return Thresholds(value["table"], value["sign"], int(value["lo"]))
    limits = arrays.get(f"layer_{k}.range")
    lo, hi = (None, None) if limits is None else (int(limits[0]), int(limits[1]))
    return Affine(value["M"], value["R"], int(value["S"]), int(value["Z"]), lo, hi)


def _meaning(path: str, arrays: Mapping[str, NDArray[Any]], k: int) -> Meaning | None:
    scale, offset = (arrays.get(f"layer_{k}.{name}") for name in ("scale", "offset"))
    if scale is None and offset is None:
        return None
    if scale is None or offset is None:
        absent = "scale" if scale is None else "offset"
        raise FileError(path, "is missing", field=f"layer_{k}.{absent}")
    return Meaning(scale, offset)


def _layer(path: str, arrays: Mapping[str, NDArray[Any]], k: int) -> Layer:
    try:
        step, meaning = _step(path, arrays, k), _meaning(path, arrays, k)
        weight, bits = arrays[f"layer_{k}.weight"], int(arrays[f"layer_{k}.bits"])
        return Layer(weight, step, bits, meaning)
    except OperandError as error:
        raise FileError(path, str(error), field=f"layer_{k}") from None


def _origin(path: str, arrays: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
    if "origin" not in arrays:
        return {}
    value = parse_json(path, str(arrays["origin"]).encode("utf-8", "replace"), field="origin")
    if not isinstance(value, dict):
        raise FileError(path, "is not a JSON object", field="origin")
    return value


def load_integer(path: str | os.PathLike[str]) -> StoredInteger:
    """Read an integer network; nothing in the file is executed.

    Raises FileError naming file, field and reason if the file is missing, damaged, of another
    layout or of a later version, or if its numbers do not fit together.
    """
    path = os.fspath(path)
    layers = _layers_in(path, npz_fields(path))
    arrays = read_npz(path, _schema(layers))
    lo, hi, zero = arrays["input"].tolist()
    try:
        read = InputFormat(
            lo, hi, float(arrays["input_scale"]), zero, arrays.get("input_thresholds")
        )
    except OperandError as error:
        raise FileError(path, str(error), field="input") from None
    parts = tuple(_layer(path, arrays, k) for k in range(layers))
    try:
        network = IntegerNetwork(read, parts)
    except OperandError as error:
        raise FileError(path, str(error), field="layer_0.weight") from None
    return StoredInteger(path, network, _origin(path, arrays))


def network_arrays(network: IntegerNetwork) -> dict[str, NDArray[Any]]:
    """The fields of ``network`` in a file."""
    read = network.input
    arrays: dict[str, NDArray[Any]] = {
        "integer_version": np.array(VERSION, np.int64),
        "input": np.array([read.lo, read.hi, read.zero], np.int64),
        "input_scale": np.array(read.scale, np.float64),
    }
    if read.thresholds is not None:
        arrays["input_thresholds"] = read.thresholds
    for k, layer in enumerate(network.layers):
        step, meaning = layer.step, layer.meaning
        parts: dict[str, Any] = {"weight": layer.weight, "bits": np.array(layer.bits, np.int64)}
        if isinstance(step, Affine):
            parts |= {"M": step.M, "R": step.R}
            parts |= {name: np.array(getattr(step, name), np.int64) for name in ("S", "Z")}
            if step.lo is not None:
                parts["range"] = np.array([step.lo, step.hi], np.int64)
        else:
            parts |= {"table": step.table, "sign": step.sign, "lo": np.array(step.lo, np.int64)}
        if meaning is not None:
            parts |= {"scale": meaning.scale, "offset": meaning.offset}
        arrays |= {f"layer_{k}.{name}": value for name, value in parts.items()}
    return arrays


def save_integer(
    path: str | os.PathLike[str],
    network: IntegerNetwork,
    *,
    origin: Mapping[str, Any] | None = None,
    overwrite: bool = False,
) -> None:
    """Write ``network``, as a whole file or not at all.

    ``origin`` is kept as JSON: where the network came from and what was proven. Raises FileError
    if the file cannot be written.
    """
    arrays = network_arrays(network)
    if origin is not None:
        arrays["origin"] = np.array(json.dumps(dict(origin), allow_nan=False, sort_keys=True))
    write_npz(path, arrays, overwrite=overwrite)
