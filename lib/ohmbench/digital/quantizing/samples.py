"""Labelled samples to calibrate and judge a user's network: a data set by name, or a file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ohmbench.data import DATASETS, split
from ohmbench.data.own import DataReference, load_data
from ohmbench.errors import FileError, OperandError
from ohmbench.fields import checked


@dataclass(frozen=True)
class Samples:
    """Features float64 (n, inputs) and labels int64 (n,), for calibration and held out.

    ``name`` is how the user called them, ``files`` what was read, ``seed`` what split them,
    ``classes`` how many there are, ``origin`` what a network's file says of them: enough to call
    ``load_samples`` again.
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


def load_samples(
    data: str,
    seed: int,
    *,
    target: str | None = None,
    scale: str | None = None,
    held_out: str | None = None,
) -> Samples:
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
    if reference.scale != "none":
        origin |= {"shift": found.scaling.shift.tolist(), "span": found.scaling.span.tolist()}
    return Samples(
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


def _named(name: str, seed: int, options: Mapping[str, str | None]) -> Samples:
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
    return Samples(
        name, (), seed, parts.train_x, parts.train_y, parts.test_x, parts.test_y, classes, origin
    )
