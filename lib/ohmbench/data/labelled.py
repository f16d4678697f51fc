"""Labelled samples that judge a user's network: a data set by name, or a file.

They are read by the rules of ``parts``, by which the network's own data were read, if its file says
which these were.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float64, Int64
from numpy.typing import NDArray

from ohmbench.data.parts import DataOrigin, parts_again
from ohmbench.data.splits import DATASETS, held_out
from ohmbench.errors import FileError, OperandError, one_line
from ohmbench.files import ArraySpec, npz_fields, read_npz
from ohmbench.files.csv_table import CsvTable, read_csv

BYTES = "mnist-bytes"
"""MNIST with pixels from 0 to 255, as they are in its files; all named sets else are in [0, 1]."""
NAMES = (*DATASETS, BYTES)
LABELS = "y"
"""The array of an npz file and, unless another is named, the column of a CSV file with classes."""
_NUMBERS = ("float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32")
_MAX_NPZ_BYTES = 2**31


@dataclass(frozen=True, eq=False)
class Samples:
    """Features ``x`` (n, inputs) and classes ``y`` (n,), or None where none are known.

    ``classes`` are the names of the classes, if known; ``remarks`` say which part of the data
    these are and how they were scaled.
    """

    name: str
    x: Float64[NDArray[np.float64], "n inputs"]
    y: Int64[NDArray[np.int64], " n"] | None
    classes: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()

    def class_name(self, k: int) -> str:
        """The number of class ``k``, followed by its name if that is known and differs."""
        name = self.classes[k] if self.classes else str(k)
        return name if name == str(k) else f"{k} ({one_line(name)})"


def read_samples(
    data: str | None,
    inputs: int,
    classes: int,
    *,
    target: str | None = None,
    was: DataOrigin | None = None,
    owner: str = "",
) -> Samples:
    """Samples for a network of so many ``inputs`` and ``classes``, in the file ``owner``.

    ``was`` says on which data it was made, if that is known. These data (``data`` is None, or names
    them or a copy) are scaled and split as then; their held-out part is returned. Of other data:
    the held-out part of a named set; ``x_test`` and ``y_test`` of an npz file, or else ``x`` and
    ``y``; or all rows of a CSV file, whose classes are in the column ``target`` (default: that of
    ``was``, or else ``y``). They are scaled as the network's own data were, and a CSV file's
    features are found by their names if ``was`` has these. Labels are the names of classes that
    ``was`` has; without names, class numbers from 0.

    Raises FileError for files as ``parts_again`` does, for data that do not have ``inputs``
    features, and for labels that are not classes; OperandError for a ``target`` that does not
    apply.
    """
    if was is not None:
        for what, count in (("shift", was.shift), ("span", was.span)):
            if was.scaled and (count is None or len(count) != inputs):
                raise FileError(owner, "does not fit its inputs", field=f"origin: data: {what}")
        if was.classes and len(was.classes) != classes:
            raise FileError(owner, "does not fit its outputs", field="origin: data: classes")
        if data is None or (data != BYTES and was.names(data)):
            found = _held_out_again(was, owner, data, target)
            _check_fits(found, inputs, classes)
            return found
    assert data is not None, "there are no data"
    found = _read(data, target, was)
    _check_fits(found, inputs, classes)
    if was is not None and was.scaled:
        x = (found.x - np.array(was.shift)) / np.array(was.span)
        said = f"features: scaled ({was.scale}) as {one_line(was.called)} was"
        return replace(found, x=x, remarks=(said,))
    return found


def _held_out_again(was: DataOrigin, owner: str, data: str | None, target: str | None) -> Samples:
    if target is not None and target != was.target:
        column = "no column" if was.target is None else repr(was.target)
        raise OperandError(
            f"--target {one_line(target)}: {one_line(owner)} was made with {column}; leave it out"
        )
    same = data if was.sha256 else None
    parts = parts_again(was, owner, "restore the file, or name other data with --data", same)
    said = f"data: held-out part of {one_line(parts.name)}, split by seed {was.seed}"
    if was.scaled:
        said += f", features scaled ({was.scale})"
    return Samples(parts.name, parts.test_x, parts.test_y, tuple(was.classes), (said,))


def _check_fits(found: Samples, inputs: int, classes: int) -> None:
    if found.x.shape[1] != inputs:
        raise FileError(
            found.name,
            f"has {found.x.shape[1]} features, but the network has {inputs} inputs",
            remedy="name the data that the network was made for",
        )
    if found.y is not None and (found.y.min() < 0 or found.y.max() >= classes):
        raise FileError(
            found.name,
            f"has classes from {found.y.min()} to {found.y.max()}, but the network has "
            f"{classes} outputs",
            remedy=f"number them from 0 to {classes - 1}",
        )


def _read(data: str, target: str | None, was: DataOrigin | None) -> Samples:
    names = () if was is None else tuple(was.classes)
    is_npz = os.path.splitext(data)[1].lower() == ".npz"
    if target is not None and (data in NAMES or is_npz):
        raise OperandError(f"--target: not for {one_line(data)}; it is for a CSV file")
    if data == BYTES:
        x, y = held_out("mnist", 0)
        x = np.rint(x * 255)
    elif data in DATASETS:
        x, y = held_out(data, 0)
    elif not os.path.lexists(data):
        raise FileError(
            data,
            "neither a data set nor a file",
            remedy=f"choose from {', '.join(NAMES)}, or name a CSV or npz file",
        )
    elif is_npz:
        return _npz(data, names)
    else:
        return _csv(data, target, was, names)
    return Samples(data, x, _by_name(data, y, names), names)


def _by_name(path: str, y: NDArray[np.int64], names: tuple[str, ...]) -> NDArray[np.int64]:
    """Numbers of the classes that are called ``y``; ``y`` itself if classes have no names."""
    if not names:
        return y
    numbers = {name: k for k, name in enumerate(names)}
    values, places = np.unique(y, return_inverse=True)
    for value in values.tolist():
        if str(value) not in numbers:
            raise FileError(
                path,
                f"holds {value}, not a class of the network",
                field=LABELS,
                remedy=_known(names),
            )
    return np.array([numbers[str(value)] for value in values.tolist()], np.int64)[places]


def _known(names: tuple[str, ...]) -> str:
    return f"its classes are {', '.join(names[:10])}" + (", ..." if len(names) > 10 else "")


def _csv(path: str, target: str | None, was: DataOrigin | None, names: tuple[str, ...]) -> Samples:
    column = target or (was.target if was is not None and was.target else LABELS)
    features = None if was is None else was.features

    def choose(there: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        for name in (*(features or ()), *(() if target is None else (target,))):
            if name not in there:
                known = ", ".join(there[:20]) + (", ..." if len(there) > 20 else "")
                raise FileError(path, f"has no column {name!r}", remedy=f"its columns are {known}")
        found = tuple(n for n in there if n and n != column) if features is None else features
        return tuple(found), (column,) if column in there else ()

    table = read_csv(path, choose)
    if column not in table.texts:
        return Samples(path, table.numbers, None, names)
    labels = table.texts[column]
    if names:
        numbers = {name: k for k, name in enumerate(names)}
        for k, label in enumerate(labels):
            if label not in numbers:
                reason = f"holds {label[:40]!r}, not a class of the network"
                raise table.fault(k, column, reason, _known(names))
        y = [numbers[label] for label in labels]
    else:
        y = [_class_number(table, k, column) for k in range(len(labels))]
    return Samples(path, table.numbers, np.array(y, np.int64), names)


def _class_number(table: CsvTable, row: int, column: str) -> int:
    text = table.texts[column][row]
    if not re.fullmatch(r"[+-]?[0-9]{1,9}(\.0*)?", text):
        reason = f"holds {text[:40]!r}, which is not a class number"
        raise table.fault(row, column, reason, "number the classes from 0, in the network's order")
    return int(float(text))


def _npz(path: str, names: tuple[str, ...]) -> Samples:
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
    return Samples(path, x, None if y is None else _by_name(path, y.astype(np.int64), names), names)
