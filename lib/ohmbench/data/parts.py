"""The data that a network is made on: a data set by name, or a file.

``load_parts`` reads and splits them, ``DataOrigin`` is what the network's file says of them, and
``parts_again`` reads them again.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from ohmbench.data.own import DataReference, load_data
from ohmbench.data.splits import DATASETS, split
from ohmbench.errors import FileError, OperandError
from ohmbench.fields import checked
from ohmbench.files import sha256_file


@dataclass(frozen=True)
class Parts:
    """Features float64 (n, inputs) and labels int64 (n,), for calibration and held out.

    ``name`` is how the user called them, ``files`` what was read, ``seed`` what split them,
    ``classes`` how many there are, ``origin`` what a network's file says of them: enough to call
    ``load_parts`` again.
    """

    name: str
    files: tuple[str, ...]
    seed: int
    train_x: NDArray[np.float64]
    train_y: NDArray[np.int64]
    test_x: NDArray[np.float64]
    test_y: NDArray[np.int64]
    classes: int
    origin: Mapping[str, Any]


def load_parts(
    data: str,
    seed: int,
    *,
    target: str | None = None,
    scale: str | None = None,
    held_out: str | None = None,
) -> Parts:
    """The data set called ``data``, or the samples in the CSV or npz file ``data``, split by
    ``seed``.

    A file is read as ``data.own.load_data`` does. ``target`` is the column of a CSV file that holds
    the classes. ``scale`` is "none" (the default: the model reads the features as they are),
    "minmax" or "standard". ``held_out`` is a fraction or a second file. Raises FileError as
    ``load_data`` does, OperandError for options that do not apply.
    """
    if data in DATASETS:
        return _named(data, seed, {"target": target, "scale": scale, "held-out": held_out})
    if not os.path.lexists(data):
        raise FileError(
            data,
            "neither a data set nor a file",
            remedy=f"choose from {', '.join(DATASETS)}, or name a CSV or npz file",
        )
    value: dict[str, Any] = {"file": data, "scale": scale if scale is not None else "none"}
    if target is not None:
        value["target"] = target
    elif os.path.splitext(data)[1].lower() != ".npz":
        raise OperandError("--target: is missing; name the column that holds the classes")
    if held_out is not None:
        value["held_out"] = _part(held_out)
    reference = checked(DataReference, value, data)
    found = load_data(reference, "classification", seed)
    files = [data, *([held_out] if isinstance(reference.held_out, str) and held_out else [])]
    origin = {
        "called": data,
        "seed": seed,
        "target": target,
        "scale": reference.scale,
        "held_out": held_out,
        "sha256": list(found.sha256),
        "classes": list(found.classes),
        "samples": [len(found.train_x), len(found.test_x)],
    }
    if target is not None:
        origin["features"] = list(found.features)
    if reference.scale != "none":
        origin |= {"shift": found.scaling.shift.tolist(), "span": found.scaling.span.tolist()}
    return Parts(
        data,
        tuple(files),
        seed,
        found.train_x,
        found.train_y,
        found.test_x,
        found.test_y,
        len(found.classes),
        origin,
    )


def _part(text: str) -> float | str:
    """``text`` as a fraction, if it is a number; else it names a file. Raises OperandError."""
    try:
        fraction = float(text)
    except ValueError:
        return text
    if not 0 < fraction < 1:
        raise OperandError(f"--held-out {fraction:g}: should be above 0 and below 1")
    return fraction


def _named(name: str, seed: int, options: Mapping[str, str | None]) -> Parts:
    for option, value in options.items():
        if value is not None:
            raise OperandError(f"--{option}: not for {name}; it is for a file of your own")
    parts = split(name, seed)
    origin = {
        "called": name,
        "seed": seed,
        "samples": [len(parts.train_x), len(parts.test_x)],
    }
    classes = int(parts.train_y.max()) + 1
    return Parts(
        name, (), seed, parts.train_x, parts.train_y, parts.test_x, parts.test_y, classes, origin
    )


# ------------------------------------------------------------------------------------------------
# The data that a network was made on, again.


class DataOrigin(BaseModel):
    """What a network's file says of the data that it was made on; see ``Parts.origin``."""

    model_config = ConfigDict(strict=True)

    called: str
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)]
    target: str | None = None
    scale: str | None = None
    held_out: str | None = None
    sha256: list[str] = []
    classes: list[str] = []
    features: list[str] | None = None
    shift: list[FiniteFloat] | None = None
    span: list[Annotated[FiniteFloat, Field(gt=0)]] | None = None

    @property
    def scaled(self) -> bool:
        """Whether the features were scaled."""
        return self.scale not in (None, "none")

    def names(self, data: str) -> bool:
        """Whether ``data`` is the name, the path or a copy of these data."""
        if not self.sha256 or data in DATASETS:
            return data == self.called
        if os.path.realpath(data) == os.path.realpath(self.called):
            return True
        return os.path.lexists(data) and sha256_file(data) == self.sha256[0]


def data_origin(path: str, origin: Mapping[str, Any]) -> DataOrigin | None:
    """What ``origin``, in the network's file ``path``, says of data; None if nothing.

    Raises FileError if that cannot be read.
    """
    if "data" not in origin:
        return None
    try:
        return DataOrigin.model_validate(origin["data"])
    except ValidationError:
        raise FileError(
            path,
            "does not say in a readable way which data it was made on",
            field="origin: data",
            remedy="quantize the model again",
        ) from None


def parts_again(was: DataOrigin, owner: str, remedy: str, called: str | None = None) -> Parts:
    """The data that the network in the file ``owner`` was made on, from where they were then.

    ``called`` is another path to the first file. Raises FileError, with ``remedy``, for a file that
    is missing or has changed.
    """
    path = was.called if called is None else called
    if path in DATASETS:
        if was.sha256:
            raise FileError(path, f"is not the data that {owner} was made from", remedy=remedy)
    elif was.sha256:
        part = None if was.held_out is None else _part(was.held_out)
        files = [path, *([part] if isinstance(part, str) else [])]
        if len(files) != len(was.sha256):
            raise FileError(owner, "has not one SHA-256 per file", field="origin: data: sha256")
        for file, sha256 in zip(files, was.sha256, strict=True):
            if not os.path.lexists(file):
                raise FileError(file, f"is missing, and {owner} was made on it", remedy=remedy)
            if sha256_file(file) != sha256:
                raise FileError(
                    file,
                    f"is not the data that {owner} was made from (SHA-256 differs)",
                    remedy=remedy,
                )
    else:
        raise FileError(owner, "does not identify its data", field="origin: data: sha256")
    return load_parts(path, was.seed, target=was.target, scale=was.scale, held_out=was.held_out)
