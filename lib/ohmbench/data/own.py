"""The user's own data sets: a CSV or npz file, what to predict, and how to split it.

A ``DataReference`` is the key ``data`` of a network's YAML file; ``load_data`` turns it into a
``Dataset``: features and targets, scaled and split.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator
from sklearn.model_selection import train_test_split

from ohmbench.errors import FileError
from ohmbench.fields import FROM_LIST, StrictModel, fault
from ohmbench.files import ArraySpec, npz_fields, read_npz
from ohmbench.files.csv_table import CsvTable, read_csv
from ohmbench.files.opening import sha256_file

Floats = NDArray[np.float64]
Targets = NDArray[Any]
"""int64 labels, float64 values, or empty."""
Task = Literal["classification", "regression", "density"]
Scale = Literal["minmax", "standard", "none"]

_NUMBERS = ("float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32")
_HELD_OUT = 0.25
_LARGEST = 1e30  # networks compute in float32, and spans are differences
MAX_CLASSES = 10_000
_MAX_NPZ_BYTES = 2**31  # MNIST as float32 has 220 MB


class DataReference(StrictModel):
    """Where the data are and how to read them.

    ``file`` is a CSV file with a header line, or an npz file with the arrays ``x`` and ``y`` (and
    ``x_test``, ``y_test`` if it is split already); a relative path starts at the folder of the YAML
    file. ``target`` is the column to predict; without it the data are samples of a density.
    ``features`` are the columns to predict from (default: all others). ``held_out`` is the fraction
    that judges the network, chosen by the seed, or a second file. ``scale`` maps each feature so
    that the training part spans [0, 1] ("minmax") or has mean 0 and standard deviation 1
    ("standard"), or leaves it unchanged ("none").
    """

    file: Annotated[str, Field(min_length=1)]
    target: str | None = None
    features: Annotated[tuple[str, ...] | None, FROM_LIST] = None
    held_out: Annotated[float, Field(gt=0, lt=1)] | Annotated[str, Field(min_length=1)] = _HELD_OUT
    scale: Scale = "minmax"

    @model_validator(mode="after")
    def _columns_differ(self) -> DataReference:
        names = self.features
        if names is None:
            return self
        if not names:
            raise fault("is empty: leave it out to take all columns", "features")
        seen: set[str] = set()
        for k, name in enumerate(names):
            if not name:
                raise fault("is empty: expected the name of a column", f"features[{k}]")
            if name in seen:
                raise fault(f"{name!r} is there already", f"features[{k}]")
            seen.add(name)
            if name == self.target:
                raise fault(f"{name!r} is the target", f"features[{k}]")
        return self


FILLED_IN = ("inputs", "outputs", "held_out_rows", "sha256")
"""Keys that training fills in; users leave them out."""

_Count = Annotated[int, Field(ge=1, le=10_000_000)]


class OwnData(DataReference):
    """The key ``data`` of a network's YAML file.

    Training fills in what it found in the files (``found_in``): ``inputs``, ``outputs`` (classes,
    or 1 for a regression), ``held_out_rows`` and ``sha256``.
    """

    inputs: _Count | None = None
    outputs: _Count | None = None
    held_out_rows: _Count | None = None
    sha256: Annotated[tuple[str, ...], FROM_LIST] = ()

    def files(self, folder: str | os.PathLike[str]) -> list[str]:
        """The files that are read, relative to ``folder``."""
        names = (self.file, self.held_out)
        return [os.path.join(folder, name) for name in names if isinstance(name, str)]


@dataclass(frozen=True)
class Scaling:
    """``scaled = (x - shift) / span``, column by column; ``shift`` and ``span`` (d,) float64."""

    shift: Floats
    span: Floats

    @classmethod
    def of(cls, kind: Scale, train: Floats) -> Scaling:
        """The scaling ``kind`` for the training part (n, d).

        A constant column keeps its span, so that it becomes 0.
        """
        if kind == "none":
            return cls(np.zeros(train.shape[1]), np.ones(train.shape[1]))
        with np.errstate(over="ignore", invalid="ignore"):  # the caller checks the result
            shift = train.min(0) if kind == "minmax" else train.mean(0)
            span = np.ptp(train, 0) if kind == "minmax" else train.std(0)
        return cls(shift, np.where(span > 0, span, 1.0))

    def __call__(self, x: Floats) -> Floats:
        """Scale the numbers ``x`` (n, d) from the file's units for the network."""
        return (x - self.shift) / self.span

    def back(self, scaled: Floats) -> Floats:
        """Convert ``scaled`` numbers (n, d) back to the file's units."""
        return scaled * self.span + self.shift


@dataclass(frozen=True)
class Dataset:
    """Features (n, d) float64, scaled, and targets (n,): int64 labels, float64 values or empty.

    ``classes`` are the labels as the file spells them, in the order of the label numbers; empty
    for a regression and a density. Targets of a regression are scaled as the features are;
    ``target_scaling`` goes back to the file's own unit. ``sha256`` identifies the files read.
    """

    name: str
    task: Task
    features: tuple[str, ...]
    classes: tuple[str, ...]
    train_x: Floats
    train_y: Targets
    test_x: Floats
    test_y: Targets
    scaling: Scaling
    target_scaling: Scaling
    sha256: tuple[str, ...]


def found_in(dataset: Dataset) -> dict[str, Any]:
    """The keys of ``OwnData`` that were found in the data."""
    found = {
        "inputs": dataset.train_x.shape[1],
        "held_out_rows": len(dataset.test_x),
        "outputs": {"classification": len(dataset.classes), "regression": 1}.get(dataset.task),
        "sha256": dataset.sha256,
    }
    return {key: value for key, value in found.items() if value is not None}


@dataclass(frozen=True)
class _Raw:
    """One file as read: features (n, d), targets (n,) as numbers or texts, None for a density."""

    path: str
    names: tuple[str, ...]
    x: Floats
    y: Floats | list[str] | None
    table: CsvTable | None = None


def load_data(
    reference: DataReference, task: Task, seed: int, *, folder: str | os.PathLike[str] = "."
) -> Dataset:
    """Read the data of ``reference``, relative to ``folder``, and split them by ``seed``.

    A classification is split with the same share of each class in both parts. Raises FileError
    naming the file and, for CSV, line and column of what is wrong; a class with a single sample, a
    label of the held-out file that the training part does not have, and a target where the task
    has none are wrong too.
    """
    path = Path(folder, reference.file)
    raw, already = _read(path, reference, task)
    held_out = already
    hashes = [sha256_file(path)]
    if already is not None and "held_out" in reference.model_fields_set:
        raise FileError(path, "has x_test already", remedy="leave held_out away")
    if isinstance(reference.held_out, str):
        second = Path(folder, reference.held_out)
        held_out, _ = _read(second, reference, task)
        hashes.append(sha256_file(second))
        if hashes[0] == hashes[1]:
            raise FileError(
                second,
                f"holds the same as {path}: a network is judged by data it has not seen",
                field="data.held_out",
                remedy="name another file, or a fraction",
            )
        if held_out.names != raw.names:
            raise FileError(
                second,
                f"has the features {', '.join(held_out.names)}, but {path} has "
                f"{', '.join(raw.names)}",
            )
    classes = _classes(raw) if task == "classification" else ()
    targets = [_targets(part, task, classes) for part in (raw, held_out) if part is not None]
    if held_out is None:
        fraction = reference.held_out
        assert isinstance(fraction, float)
        train_x, train_y, test_x, test_y = _split(raw, targets[0], task, fraction, seed)
    else:
        train_x, test_x = raw.x, held_out.x
        train_y, test_y = targets
    if task == "density":
        _check_varies(raw, train_x)
    scaling = Scaling.of(reference.scale, train_x)
    largest = max(float(np.abs(x).max()) for x in (train_x, test_x))
    if largest > _LARGEST:
        raise FileError(
            path,
            f"holds a number as large as {largest:.3g}, at most {_LARGEST:g} is accepted",
            remedy="give it in another unit",
        )
    target_scaling = Scaling(np.zeros(1), np.ones(1))
    if task == "regression":
        target_scaling = Scaling.of(reference.scale, train_y[:, None])
        train_y, test_y = (target_scaling(y[:, None])[:, 0] for y in (train_y, test_y))
    return Dataset(
        path.stem,
        task,
        raw.names,
        classes,
        scaling(train_x),
        train_y,
        scaling(test_x),
        test_y,
        scaling,
        target_scaling,
        tuple(hashes),
    )


def _check_varies(raw: _Raw, train_x: Floats) -> None:
    """Raise FileError for a constant feature, at which a density would be infinite."""
    for name, span in zip(raw.names, np.ptp(train_x, 0), strict=True):
        if span == 0:
            raise FileError(
                raw.path,
                f"feature {name!r} is the same in every sample, so its density has no bound",
                remedy="leave the column out (data.features)",
            )


def _read(path: Path, reference: DataReference, task: Task) -> tuple[_Raw, _Raw | None]:
    """The file's samples, and the samples that the file itself holds out."""
    if (task == "density") != (reference.target is None) and path.suffix.lower() != ".npz":
        if task == "density":
            reason, remedy = "a density has no target", "leave target away"
        else:
            reason, remedy = f"no target named for a {task}", "say which column under target"
        raise FileError(path, reason, field="target", remedy=remedy)
    if path.suffix.lower() == ".npz":
        return _read_npz(path, reference, task)
    return _read_csv(path, reference, task), None


def _read_csv(path: Path, reference: DataReference, task: Task) -> _Raw:
    target = reference.target

    def choose(names: tuple[str, ...]) -> tuple[Sequence[str], Sequence[str]]:
        wanted = (*(reference.features or ()), *((target,) if target is not None else ()))
        for column in wanted:
            if column not in names:
                known = ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")
                raise FileError(
                    path, f"has no column {column!r}", remedy=f"its columns are {known}"
                )
        features = reference.features or tuple(n for n in names if n and n != target)
        if not features:
            raise FileError(path, "has no column besides the target", remedy="add the features")
        if target is None:
            return features, ()
        return ((*features, target), ()) if task == "regression" else (features, (target,))

    table = read_csv(path, choose)
    names = table.number_names
    if target is None:
        return _Raw(table.path, names, table.numbers, None, table)
    if task == "regression":
        return _Raw(table.path, names[:-1], table.numbers[:, :-1], table.numbers[:, -1], table)
    return _Raw(table.path, names, table.numbers, table.texts[target], table)


def _read_npz(path: Path, reference: DataReference, task: Task) -> tuple[_Raw, _Raw | None]:
    for key in ("target", "features"):
        if getattr(reference, key) is not None:
            raise FileError(
                path, "an npz file has no columns by name", field=key, remedy=f"leave {key} away"
            )
    targets = {"classification": ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32"),
               "regression": _NUMBERS, "density": ()}[task]  # fmt: skip
    schema = [ArraySpec("x", ("samples", "features"), _NUMBERS)]
    if targets:
        schema.append(ArraySpec("y", ("samples",), targets))
    if "x_test" in npz_fields(path):
        schema.append(ArraySpec("x_test", ("test samples", "features"), _NUMBERS))
        if targets:
            schema.append(ArraySpec("y_test", ("test samples",), targets))
    arrays = read_npz(path, schema, max_bytes=_MAX_NPZ_BYTES)
    parts = [
        _part(path, arrays, suffix, task) for suffix in ("", "_test") if f"x{suffix}" in arrays
    ]
    return parts[0], parts[1] if len(parts) > 1 else None


def _part(path: Path, arrays: Mapping[str, NDArray[np.generic]], suffix: str, task: Task) -> _Raw:
    x = arrays[f"x{suffix}"].astype(np.float64)
    names = tuple(f"x{k}" for k in range(x.shape[1]))
    if task == "density":
        return _Raw(os.fspath(path), names, x, None)
    y = arrays[f"y{suffix}"]
    if task == "regression":
        return _Raw(os.fspath(path), names, x, y.astype(np.float64))
    return _Raw(os.fspath(path), names, x, [str(label) for label in y.tolist()])


def _classes(raw: _Raw) -> tuple[str, ...]:
    """The labels as spelled in the file, in numeric order if all are integers."""
    assert isinstance(raw.y, list)
    for k, label in enumerate(raw.y):
        if not label:
            raise _label_fault(raw, k, "has no label", "fill it in or leave the row out")
    found = sorted(set(raw.y))
    if len(found) < 2:
        raise FileError(raw.path, f"has one class only, {found[0]!r}", remedy="add another class")
    if len(found) > MAX_CLASSES:
        raise FileError(
            raw.path,
            f"has {len(found)} different labels, at most {MAX_CLASSES} are accepted",
            remedy="name the column of the labels under target",
        )
    try:
        return tuple(sorted(found, key=int))
    except ValueError:
        return tuple(found)


def _label_fault(raw: _Raw, row: int, reason: str, remedy: str) -> FileError:
    if raw.table is None:
        return FileError(raw.path, reason, field=f"y[{row}]", remedy=remedy)
    (column,) = raw.table.texts
    return raw.table.fault(row, column, reason, remedy)


def _targets(raw: _Raw, task: Task, classes: tuple[str, ...]) -> Targets:
    if raw.y is None:
        return np.empty(0)
    if isinstance(raw.y, np.ndarray):
        return raw.y
    numbers = {label: k for k, label in enumerate(classes)}
    for k, label in enumerate(raw.y):
        if label not in numbers:
            known = ", ".join(classes[:10]) + (", ..." if len(classes) > 10 else "")
            raise _label_fault(
                raw, k, f"holds {label[:40]!r}, not a class of the training data",
                f"classes are {known}",
            )  # fmt: skip
    return np.array([numbers[label] for label in raw.y], np.int64)


def _split(
    raw: _Raw, y: Targets, task: Task, fraction: float, seed: int
) -> tuple[Floats, Targets, Floats, Targets]:
    """Training and held-out parts: x, y, x, y."""
    n = len(raw.x)
    if n < 2 or round(fraction * n) in (0, n):
        raise FileError(
            raw.path,
            f"has {n} rows, too few to hold out {fraction:g} of them",
            remedy="add rows or change held_out",
        )
    if task == "density":
        train_x, test_x = train_test_split(raw.x, test_size=fraction, random_state=seed)
        return train_x, y, test_x, y
    stratify = None
    if task == "classification":
        counts = np.bincount(y)
        if counts.min() < 2:
            single = int(np.flatnonzero(y == int(counts.argmin()))[0])
            raise _label_fault(
                raw, single, "is the only row of its class, which has to be in both parts",
                "add rows of it or leave it out",
            )  # fmt: skip
        stratify = y
        if min(round(fraction * n), n - round(fraction * n)) < len(counts):
            raise FileError(
                raw.path,
                f"has {n} rows, too few to hold out {fraction:g} of them with all "
                f"{len(counts)} classes in both parts",
                remedy="add rows or change held_out",
            )
    train_x, test_x, train_y, test_y = train_test_split(
        raw.x, y, test_size=fraction, stratify=stratify, random_state=seed
    )
    return train_x, train_y, test_x, test_y


# ------------------------------------------------------------------------------------------------
# The held-out part in a network's file, without the training part.

_TASKS: tuple[Task, ...] = ("classification", "regression", "density")
_FLOAT = ("float64",)


def data_schema(rows: int, inputs: int) -> tuple[ArraySpec, ...]:
    """The arrays of ``dataset_arrays`` for ``rows`` held-out samples of ``inputs`` features."""
    return (
        ArraySpec("data_name", (), ("U",)),
        ArraySpec("data_task", (), ("U",)),
        ArraySpec("data_features", (inputs,), ("U",)),
        ArraySpec("data_classes", ("classes",), ("U",), optional=True),
        ArraySpec("data_scaling", (2, inputs), _FLOAT),
        ArraySpec("data_target_scaling", (2, 1), _FLOAT),
        ArraySpec("data_sha256", ("files",), ("U",)),
        ArraySpec("test_x", (rows, inputs), _FLOAT),
        ArraySpec("test_y", (rows,), ("int64", "float64"), optional=True),
    )


def dataset_arrays(data: Dataset) -> dict[str, NDArray[np.generic]]:
    """The held-out part of ``data`` with names and scaling, for an npz file."""
    arrays: dict[str, NDArray[np.generic]] = {
        "data_name": np.array(data.name),
        "data_task": np.array(data.task),
        "data_features": np.array(data.features),
        "data_scaling": np.stack([data.scaling.shift, data.scaling.span]),
        "data_target_scaling": np.stack([data.target_scaling.shift, data.target_scaling.span]),
        "data_sha256": np.array(data.sha256),
        "test_x": data.test_x,
    }
    if data.classes:
        arrays["data_classes"] = np.array(data.classes)
    if data.task != "density":
        arrays["test_y"] = data.test_y
    return arrays


def dataset_of(path: str, arrays: Mapping[str, NDArray[Any]]) -> Dataset:
    """The data set that ``dataset_arrays`` stored in the file ``path``, training part empty.

    Raises FileError where the arrays contradict each other.
    """
    x = arrays["test_x"]
    task = next((task for task in _TASKS if task == str(arrays["data_task"])), None)
    remedy = "train it again"
    if task is None:
        raise FileError(
            path, f"{arrays['data_task']} is not a task", field="data_task", remedy=remedy
        )
    y = arrays.get("test_y", np.empty(0))
    classes = tuple(map(str, arrays.get("data_classes", ())))
    if (task == "density") != ("test_y" not in arrays):
        raise FileError(path, f"does not fit a {task}", field="test_y", remedy=remedy)
    if task == "classification" and not (
        y.dtype == np.int64 and classes and y.min() >= 0 and y.max() < len(classes)
    ):
        raise FileError(path, "holds labels that are not classes", field="test_y", remedy=remedy)
    for field in ("data_scaling", "data_target_scaling"):
        if not (arrays[field][1] > 0).all():
            raise FileError(path, "holds a span that is not positive", field=field, remedy=remedy)
    return Dataset(
        str(arrays["data_name"]),
        task,
        tuple(map(str, arrays["data_features"])),
        classes,
        x[:0],
        y[:0],
        x,
        y,
        Scaling(*arrays["data_scaling"]),
        Scaling(*arrays["data_target_scaling"]),
        tuple(map(str, arrays["data_sha256"])),
    )


def dataset_for(path: str, arrays: Mapping[str, NDArray[Any]], task: Task, classes: int) -> Dataset:
    """As ``dataset_of``, for a network of this task and number of classes (0 unless it classifies).

    Raises FileError where the data are for another.
    """
    data = dataset_of(path, arrays)
    if data.task != task or len(data.classes) != classes:
        raise FileError(
            path,
            f"data for a {data.task} with {len(data.classes)} classes do not fit the configuration",
            field="data_task",
            remedy="train it again",
        )
    return data
