"""Splits of data of the user's own, for each task: whole, disjoint, by the seed, scaled as said."""

from __future__ import annotations

import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ohmbench.data.own import DataReference, Dataset, Task, load_data
from ohmbench.errors import FileError

ROWS = 53
KEYS: dict[Task, dict[str, Any]] = {
    "classification": {"target": "kind", "features": ["a", "b"]},
    "regression": {"target": "y", "features": ["a", "b"]},
    "density": {"features": ["a", "b"]},
}
every_task = pytest.mark.parametrize("task", KEYS)


def values(k: int) -> tuple[float, float, float, str]:
    """Row ``k``: two features that tell which it is, and targets that follow from it."""
    return 3.0 + 0.5 * k, -7.0 * ((5 * k) % ROWS), 100.0 - k * k, "uvw"[k % 3]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    here = tmp_path_factory.mktemp("splits")
    for name, rows in (("all", range(ROWS)), ("first", range(30)), ("rest", range(30, ROWS))):
        lines = ["y,b,kind,a"]  # no column where the features stand in order
        for k in rows:
            a, b, y, kind = values(k)
            lines.append(f"{y!r},{b!r},{kind},{a!r}")
        (here / f"{name}.csv").write_text("\n".join(lines), encoding="utf-8")
    return here


def load(folder: Path, task: Task, seed: int = 0, **keys: Any) -> Dataset:
    value = {"file": "all.csv", **KEYS[task], **keys}
    return load_data(DataReference.model_validate(value), task, seed, folder=folder)


def rows_of(data: Dataset) -> tuple[list[int], list[int]]:
    """The rows of the file in either part; features and target of each have to be its own."""
    found = []
    for x, y in ((data.train_x, data.train_y), (data.test_x, data.test_y)):
        back, rows = data.scaling.back(x), []
        for place, (a, b) in enumerate(back.tolist()):
            k = round((a - 3.0) / 0.5)
            assert (a, b) == pytest.approx(values(k)[:2], abs=1e-9)
            if data.task == "classification":
                assert data.classes[y[place]] == values(k)[3]
            if data.task == "regression":
                own = data.target_scaling.back(y[place : place + 1, None])[0, 0]
                assert own == pytest.approx(values(k)[2], abs=1e-9)
            rows.append(k)
        found.append(rows)
    return found[0], found[1]


@every_task
@pytest.mark.parametrize("held_out", [0.25, 0.4, 0.1])
def test_every_row_is_in_one_part_with_its_own_target(
    folder: Path, task: Task, held_out: float
) -> None:
    train, test = rows_of(load(folder, task, 3, held_out=held_out))
    assert sorted(train + test) == list(range(ROWS))
    assert len(test) == math.ceil(held_out * ROWS)
    if task == "classification":
        for kind in range(3):
            of_kind = sum(k % 3 == kind for k in range(ROWS))
            assert abs(sum(k % 3 == kind for k in test) - held_out * of_kind) <= 1


@every_task
def test_the_seed_and_nothing_else_decides_the_split(folder: Path, task: Task) -> None:
    parts = [rows_of(load(folder, task, seed)) for seed in (0, 1, 2, 3, 4, 2**31 - 1)]
    assert len({tuple(sorted(test)) for _, test in parts}) == 6
    assert len({tuple(train) for train, _ in parts}) == 6
    np.random.seed(1)  # noqa: NPY002 - whatever a program has done to it
    assert rows_of(load(folder, task, 2)) == parts[2]
    assert rows_of(load(folder, task, 2, scale="none")) == parts[2]


@every_task
@pytest.mark.parametrize("scale", ["minmax", "standard", "none"])
def test_the_training_part_decides_the_scale_of_both(folder: Path, task: Task, scale: str) -> None:
    """In a file of its own, whose held-out part lies beyond all that training has seen."""
    data = load(folder, task, file="first.csv", held_out="rest.csv", scale=scale)
    train, test = rows_of(data)
    assert (train, test) == (list(range(30)), list(range(30, ROWS)))
    x = np.array([values(k)[:2] for k in train])
    shift, span = {
        "minmax": (x.min(0), x.max(0) - x.min(0)),
        "standard": (x.mean(0), np.sqrt(((x - x.mean(0)) ** 2).mean(0))),
        "none": (np.zeros(2), np.ones(2)),
    }[scale]
    np.testing.assert_allclose(data.scaling.shift, shift, rtol=1e-12)
    np.testing.assert_allclose(data.scaling.span, span, rtol=1e-12)
    np.testing.assert_allclose(data.train_x, (x - shift) / span, rtol=1e-12, atol=1e-12)
    held = np.array([values(k)[:2] for k in test])
    np.testing.assert_allclose(data.test_x, (held - shift) / span, rtol=1e-12, atol=1e-12)
    assert len(data.sha256) == len(set(data.sha256)) == 2


def test_both_files_are_looked_for_from_the_same_folder(folder: Path, tmp_path: Path) -> None:
    """That of the YAML file, wherever the first of them lies."""
    (tmp_path / "inner").mkdir()
    for name, place in (("first.csv", "inner"), ("rest.csv", ".")):
        shutil.copy(folder / name, tmp_path / place / name)
    data = load(tmp_path, "density", file="inner/first.csv", held_out="rest.csv")
    assert rows_of(data)[1] == list(range(30, ROWS))


@pytest.mark.parametrize("part", ["all", "first", "rest"])
def test_a_number_too_large_is_refused_in_either_part(folder: Path, part: str) -> None:
    """1e30 is accepted, of either sign; the next number is not, wherever it stands."""
    text = (folder / f"{part}.csv").read_text(encoding="utf-8")
    files = {"file": "first.csv", "held_out": "rest.csv"} if part != "all" else {"file": "all.csv"}
    which = "held_out" if part == "rest" else "file"
    for number, fits in (("1e30", True), ("-1e30", True), ("1.0000001e30", False),
                         ("-1.0000001e30", False)):  # fmt: skip
        lines = text.splitlines()
        cells = lines[-1].split(",")
        lines[-1] = ",".join([*cells[:3], number])
        (folder / "large.csv").write_text("\n".join(lines), encoding="utf-8")
        keys = files | {which: "large.csv"}
        if fits:
            load(folder, "regression", **keys)
        else:
            with pytest.raises(FileError, match=r"at most 1e\+30 is accepted"):
                load(folder, "regression", **keys)
