"""Samples that judge an imported network: a data set by name, or the user's own file."""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64
from numpy.typing import NDArray

from ohmbench.data import DATASETS, held_out
from ohmbench.errors import FileError
from ohmbench.files import ArraySpec, npz_fields, read_npz
from ohmbench.files.csv_table import read_csv

BYTES = "mnist-bytes"
"""MNIST with pixels from 0 to 255, as they are in its files; all named sets else are in [0, 1]."""
NAMES = (*DATASETS, BYTES)
LABELS = "y"
"""The column of a CSV file, or the array of an npz file, that holds the classes."""
_NUMBERS = ("float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32")
_MAX_NPZ_BYTES = 2**31


@dataclass(frozen=True, eq=False)
class Samples:
    """Features ``x`` (n, inputs) and classes ``y`` (n,), or None where none are known."""

    name: str
    x: Float64[NDArray[np.float64], "n inputs"]
    y: Int64[NDArray[np.int64], " n"] | None


def read_samples(data: str, inputs: int, classes: int) -> Samples:
    """The held-out part of the data set called ``data``, or all samples of a CSV or npz file.

    A CSV file has a header line and, if its samples are labelled, a column ``y`` of class numbers
    from 0; all others are features. An npz file has ``x`` (n, inputs) and perhaps ``y`` (n,), or
    ``x_test`` and ``y_test``, which come first. Raises FileError, also for samples that do not have
    ``inputs`` features or whose classes are not 0 to ``classes - 1``.
    """
    if data == BYTES:
        x, y = held_out("mnist", 0)
        found = Samples(data, np.rint(x * 255), y)
    elif data in DATASETS:
        found = Samples(data, *held_out(data, 0))
    elif not os.path.lexists(data):
        raise FileError(
            data,
            "neither a data set nor a file",
            remedy=f"choose from {', '.join(NAMES)}, or name a CSV or npz file",
        )
    elif os.path.splitext(data)[1].lower() == ".npz":
        found = _npz(data)
    else:
        found = _csv(data)
    if found.x.shape[1] != inputs:
        raise FileError(
            data,
            f"has {found.x.shape[1]} features, but the network has {inputs} inputs",
            remedy="name the data that the network was made for",
        )
    if found.y is not None and (found.y.min() < 0 or found.y.max() >= classes):
        raise FileError(
            data,
            f"has classes from {found.y.min()} to {found.y.max()}, but the network has "
            f"{classes} outputs",
            remedy=f"number them from 0 to {classes - 1}",
        )
    return found


def _csv(path: str) -> Samples:
    def choose(names: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        return names, ()

    table = read_csv(path, choose)
    if LABELS not in table.number_names:
        return Samples(path, table.numbers, None)
    column = table.number_names.index(LABELS)
    y = table.numbers[:, column]
    wrong = np.flatnonzero(y != np.rint(y))
    if len(wrong):
        raise table.fault(int(wrong[0]), LABELS, "is not a class number", "number them from 0")
    return Samples(path, np.delete(table.numbers, column, axis=1), y.astype(np.int64))


def _npz(path: str) -> Samples:
    end = "_test" if "x_test" in npz_fields(path) else ""
    schema = tuple(
        ArraySpec(name, shape, kinds, optional=name != f"x{end}")
        for part in ("", "_test")
        for name, shape, kinds in (
            (f"x{part}", (f"samples{part}", "features"), _NUMBERS),
            (f"y{part}", (f"samples{part}",), _NUMBERS[2:]),
        )
    )
    arrays = read_npz(path, schema, max_bytes=_MAX_NPZ_BYTES)
    y = arrays.get(f"y{end}")
    x = arrays[f"x{end}"].astype(np.float64)
    return Samples(path, x, None if y is None else y.astype(np.int64))
