"""Data of the user's own: what a CSV or npz file may hold, how it is split, and what is refused."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import load_wine

from ohmbench.data.own import DataReference, Dataset, Scaling, Task, load_data
from ohmbench.digital.configuration import config_of
from ohmbench.errors import FileError
from ohmbench.families import find_training
from ohmbench.files.csv_table import CsvTable, read_csv

CSV = """height,weight,kind
1.5,10,oak
2.5,30,elm
3.5,20,oak
4.5,50,elm
"""

Write = Callable[[str | bytes], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def put(content: str | bytes, name: str = "data.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return put


def table(path: Path) -> CsvTable:
    return read_csv(path, lambda names: (names[:-1], names[-1:]))


# ------------------------------------------------------------------------------------------------
# CSV


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(CSV, id="plain"),
        pytest.param(CSV.replace("\n", "\r\n"), id="dos"),
        pytest.param("\ufeff" + CSV, id="byte-order-mark"),
        pytest.param(CSV.replace(",", ";"), id="semicolons"),
        pytest.param("\n \t\n" + CSV.replace(",", ";"), id="semicolons-below-blank-lines"),
        pytest.param(CSV.replace(",", "\t"), id="tabs"),
        pytest.param(CSV.replace(",", " , "), id="spaces"),
        pytest.param(CSV.replace("oak", '"oak"').replace("height", '"height"'), id="quoted"),
        pytest.param("\n" + CSV.replace("\n", "\n\n"), id="empty-lines"),
        pytest.param(CSV.rstrip("\n"), id="no-last-line-end"),
        pytest.param(CSV.replace("10", "+1.0e1"), id="exponent"),
    ],
)
def test_the_usual_spellings_of_a_table_are_one_table(write: Write, text: str) -> None:
    found = table(write(text))
    assert found.number_names == ("height", "weight")
    assert found.numbers.tolist() == [[1.5, 10], [2.5, 30], [3.5, 20], [4.5, 50]]
    assert found.texts == {"kind": ["oak", "elm", "oak", "elm"]}


@given(
    st.lists(
        st.tuples(
            st.floats(allow_nan=False, allow_infinity=False),
            st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=20),
        ),
        min_size=1,
        max_size=20,
    )
)
def test_what_python_writes_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[float, str]]
) -> None:
    import csv

    path = tmp_path_factory.mktemp("csv") / "t.csv"
    with open(path, "w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("number", "text"), *rows])
    found = table(path)
    assert found.numbers[:, 0].tolist() == [number for number, _ in rows]
    assert found.texts["text"] == [text.strip() for _, text in rows]


def test_columns_that_are_not_chosen_may_hold_anything(write: Write) -> None:
    path = write("a,b,c\n1,what,x\n2,,y\n")
    found = read_csv(path, lambda names: (("a",), ("c",)))
    assert found.numbers.tolist() == [[1], [2]]


LINE = "line 4, column 'weight'"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        pytest.param(CSV.replace("20", "high"), f"{LINE}: holds 'high', not a finite", id="word"),
        pytest.param(CSV.replace("20", ""), f"{LINE}: has no value", id="missing"),
        pytest.param(CSV.replace("20", "NaN"), f"{LINE}: has no value", id="nan"),
        pytest.param(CSV.replace("20", "inf"), f"{LINE}: holds 'inf'", id="infinite"),
        pytest.param(CSV.replace("20", "1e999"), f"{LINE}: holds '1e999'", id="overflow"),
        pytest.param(CSV.replace("20", "2_0"), f"{LINE}: holds '2_0'", id="underscore"),
        pytest.param(CSV.replace("20", "२०"), f"{LINE}: holds '२०'", id="other-script"),
        pytest.param(CSV.replace("20", "2,0"), "line 4: has 4 cells, but the", id="more"),
        pytest.param(CSV.replace(",20", ""), "line 4: has 2 cells, but", id="fewer"),
        pytest.param(CSV.replace("3.5", '"3.5'), "line 4: is not CSV", id="open-quote"),
        pytest.param(CSV.replace("height,", "weight,"), "names column 'weight' twice", id="twice"),
        pytest.param(CSV.replace("weight", ""), "has no name for column 2", id="unnamed"),
        pytest.param("1,2,3\n4,5,6\n", "has numbers in its first line", id="no-header"),
        pytest.param("height,weight,kind\n", "has a header but no rows", id="no-rows"),
        pytest.param("\n\n", "holds no rows", id="blank"),
        pytest.param("", "is empty", id="empty"),
        pytest.param(CSV.replace("oak", "o\0k"), "zero bytes", id="zero-byte"),
        pytest.param(CSV.encode().replace(b"oak", b"\xe9lan"), "has a byte 0xe9", id="latin-1"),
        pytest.param(CSV.replace("oak", "o" * 2000), "line 2: has a cell of more than", id="long"),
        pytest.param("a," * 20_000 + "b\n", "more than 10000 columns", id="wide"),
        pytest.param(b"PK\x03\x04" + bytes(100), "zero bytes", id="zip"),
    ],
)  # fmt: skip
def test_what_is_no_table_is_refused_by_line_and_column(
    write: Write, text: str | bytes, complaint: str
) -> None:
    path = write(text)
    with pytest.raises(FileError) as caught:
        table(path)
    assert complaint in str(caught.value)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_a_row_of_several_lines_is_at_its_first(write: Write) -> None:
    def written(first: str, second: str) -> Path:
        return write(f'value,name\n1,x\n{first},"a\n\nb"\n{second},"c\nd"\n')

    assert table(written("2", "3")).lines.tolist() == [2, 3, 6]
    for bad in ("wrong", "", "3,4", '"3', "3" * 2000):
        for cells, line in (((bad, "3"), 3), (("2", bad), 6)):
            with pytest.raises(FileError, match=f"line {line}[,:] "):
                table(written(*cells))


def test_a_line_number_counts_every_line_of_the_file(write: Write) -> None:
    path = write('a,b\n"1\n",x\n\nwrong,y\n')
    with pytest.raises(FileError, match="line 5, column 'a': holds 'wrong'"):
        table(path)
    for header in ("a,a", "a,"):
        for above in (0, 2):
            with pytest.raises(FileError, match=f"line {above + 1}: "):
                table(write("\n" * above + f"{header}\n1,x\n"))


# ------------------------------------------------------------------------------------------------
# Splitting and scaling


def wine_csv(path: Path) -> tuple[np.ndarray, np.ndarray]:
    wine = load_wine()
    names = [name.replace(",", "") for name in wine.feature_names]
    rows = [",".join([*names, "cultivar"])]
    for x, y in zip(wine.data, wine.target, strict=True):
        rows.append(",".join([*map(repr, x.tolist()), f"kind {y}"]))
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return wine.data, wine.target


def load(path: Path, task: Task, seed: int = 0, **keys: Any) -> Dataset:
    reference = DataReference.model_validate({"file": path.name, **keys})
    return load_data(reference, task, seed, folder=path.parent)


def test_every_row_is_in_one_part(tmp_path: Path) -> None:
    x, y = wine_csv(tmp_path / "wine.csv")
    found = load(tmp_path / "wine.csv", "classification", target="cultivar", scale="none")
    assert found.classes == ("kind 0", "kind 1", "kind 2")
    parts = [np.column_stack(part) for part in
             ((found.train_x, found.train_y), (found.test_x, found.test_y))]  # fmt: skip
    together = np.concatenate(parts)
    whole = np.column_stack([x, y])
    assert np.array_equal(together[np.lexsort(together.T)], whole[np.lexsort(whole.T)])
    # A quarter of each class is held out, to a row.
    for k in range(3):
        assert abs(np.sum(found.test_y == k) - np.sum(y == k) / 4) <= 1


def test_the_seed_decides_the_split(tmp_path: Path) -> None:
    wine_csv(tmp_path / "wine.csv")
    first, again, other = (
        load(tmp_path / "wine.csv", "classification", seed, target="cultivar") for seed in (1, 1, 2)
    )
    assert np.array_equal(first.test_x, again.test_x)
    assert not np.array_equal(first.test_x, other.test_x)


@pytest.mark.parametrize("scale", ["minmax", "standard", "none"])
def test_the_training_part_alone_decides_the_scaling(tmp_path: Path, scale: str) -> None:
    wine_csv(tmp_path / "wine.csv")
    found = load(tmp_path / "wine.csv", "classification", target="cultivar", scale=scale)
    train = found.train_x
    if scale == "minmax":
        np.testing.assert_allclose([train.min(0), train.max(0)], [[0] * 13, [1] * 13], atol=1e-12)
        assert found.test_x.max() > 1  # a held-out value may lie outside
    if scale == "standard":
        np.testing.assert_allclose(train.mean(0), 0, atol=1e-12)
        np.testing.assert_allclose(train.std(0), 1, rtol=1e-12)
    original = load(tmp_path / "wine.csv", "classification", target="cultivar", scale="none")
    np.testing.assert_allclose(found.scaling.back(found.test_x), original.test_x, rtol=1e-12)


def test_a_column_that_does_not_vary_becomes_zero() -> None:
    scaling = Scaling.of("minmax", np.array([[3.0, 1.0], [3.0, 2.0]]))
    assert scaling(np.array([[3.0, 1.5]])).tolist() == [[0.0, 0.5]]


def test_targets_of_a_regression_are_scaled_and_come_back(write: Write) -> None:
    path = write("a,price\n" + "".join(f"{k},{100 + 7 * k}\n" for k in range(40)))
    found = load(path, "regression", target="price")
    assert (found.train_y.min(), found.train_y.max()) == (0, 1)
    back = found.target_scaling.back(found.test_y[:, None])[:, 0]
    a = found.scaling.back(found.test_x)[:, 0]
    np.testing.assert_allclose(back, 100 + 7 * a, rtol=1e-12)


@pytest.mark.parametrize("held_out", [0.25, "test.csv"])
@pytest.mark.parametrize("scale", ["minmax", "standard", "none"])
def test_the_training_targets_alone_decide_their_scaling(
    write: Write, scale: str, held_out: float | str
) -> None:
    """However far away those held out are: a price in the millions is, by some of the seeds."""
    rows = [f"{k},{100 + 7 * k}\n" for k in range(12)]
    path = write("a,price\n" + "".join(rows) + "12,9e6\n" * (held_out == 0.25))
    write("a,price\n12,9e6\n", "test.csv")
    away = 0
    for seed in range(6):
        found = load(path, "regression", seed, target="price", scale=scale, held_out=held_out)
        y, back = found.train_y, found.target_scaling.back
        if scale == "minmax":
            assert (y.min(), y.max()) == (0, 1)
        if scale == "standard":
            assert (y.mean(), y.std()) == pytest.approx((0, 1), abs=1e-9)
        prices = [*back(y[:, None])[:, 0], *back(found.test_y[:, None])[:, 0]]
        assert sorted(prices) == pytest.approx([*range(100, 184, 7), 9e6], rel=1e-9)
        away += max(prices[len(y) :]) > 8e6
    assert away >= 1


def test_a_second_file_is_held_out(write: Write, tmp_path: Path) -> None:
    path = write(CSV)
    (tmp_path / "test.csv").write_text(CSV.replace("1.5", "9.5"), encoding="utf-8")
    found = load(path, "classification", target="kind", held_out="test.csv", scale="none")
    assert found.train_x[:, 0].tolist() == [1.5, 2.5, 3.5, 4.5]
    assert found.test_x[:, 0].tolist() == [9.5, 2.5, 3.5, 4.5]
    assert len(found.sha256) == 2


def test_an_npz_file_with_its_own_split(tmp_path: Path) -> None:
    x, y = np.arange(12.0).reshape(6, 2), np.array([7, 9, 7, 9, 11, 11])
    np.savez(tmp_path / "d.npz", x=x, y=y, x_test=x[:3] + 0.5, y_test=y[:3])
    found = load(tmp_path / "d.npz", "classification", scale="none")
    assert found.classes == ("7", "9", "11")
    assert found.train_y.tolist() == [0, 1, 0, 1, 2, 2]
    assert found.test_x.tolist() == (x[:3] + 0.5).tolist()


def test_a_density_has_no_target(write: Write) -> None:
    found = load(write(CSV.replace(",kind", "").replace(",oak", "").replace(",elm", "")), "density")
    assert found.train_x.shape[1] == 2
    assert len(found.train_x) + len(found.test_x) == 4


def test_chosen_features_keep_their_order(write: Write) -> None:
    found = load(write(CSV * 1), "classification", target="kind", features=["weight", "height"],
                 held_out=0.5, scale="none")  # fmt: skip
    assert found.features == ("weight", "height")
    assert set(found.train_x[:, 0]) | set(found.test_x[:, 0]) == {10, 20, 30, 50}


KIND = {"target": "kind"}
NO_COLUMN = "has no column 'sort'; its columns are height, weight, kind"
UNFIT: dict[str, tuple[str, Task, dict[str, Any], str]] = {
    "no-column": (CSV, "classification", {"target": "sort"}, NO_COLUMN),
    "no-target": (CSV, "classification", {}, "target: no target named for a classification"),
    "density-target": (CSV, "density", KIND, "target: a density has no target"),
    "text-target": (CSV, "regression", KIND, "line 2, column 'kind': holds 'oak'"),
    "text-feature": (CSV, "regression", {"target": "height"}, "line 2, column 'kind': holds 'oak'"),
    "no-label": (
        CSV.replace("3.5,20,oak", "3.5,20,"),
        "classification",
        KIND,
        "line 4, column 'kind': has no label",
    ),
    "one-class": (CSV.replace("elm", "oak"), "classification", KIND, "has one class only, 'oak'"),
    "single": (
        CSV.replace("50,elm", "50,ash"),
        "classification",
        KIND,
        "line 5, column 'kind': is the only row of its class",
    ),
    "few": (CSV, "classification", {**KIND, "held_out": 0.01}, "too few to hold out 0.01"),
    "no-second": (
        CSV,
        "classification",
        {**KIND, "held_out": "none.csv"},
        "none.csv: cannot open",
    ),
    "no-features": (
        "kind\noak\nelm\n",
        "classification",
        KIND,
        "has no column besides the target",
    ),
}


@pytest.mark.parametrize(("text", "task", "keys", "complaint"), UNFIT.values(), ids=UNFIT)
def test_data_that_do_not_fit_the_task_are_refused(
    write: Write, text: str, task: Task, keys: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(FileError) as caught:
        load(write(text), task, **keys)
    assert complaint in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_label_that_training_does_not_know_is_refused(write: Write, tmp_path: Path) -> None:
    path = write(CSV)
    (tmp_path / "test.csv").write_text(CSV.replace("50,elm", "50,ash"), encoding="utf-8")
    with pytest.raises(FileError, match=r"test\.csv: line 5, column 'kind': holds 'ash', not a "):
        load(path, "classification", target="kind", held_out="test.csv")


def test_a_second_file_with_other_features_is_refused(write: Write, tmp_path: Path) -> None:
    path = write(CSV)
    (tmp_path / "test.csv").write_text(CSV.replace("weight", "mass"), encoding="utf-8")
    with pytest.raises(FileError, match="has the features height, mass, but"):
        load(path, "classification", target="kind", held_out="test.csv")


def test_an_npz_file_has_no_columns(tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", x=np.zeros((4, 2)), y=np.array([0, 1, 0, 1]))
    with pytest.raises(FileError, match="target: an npz file has no columns by name"):
        load(tmp_path / "d.npz", "classification", target="y")


def test_a_second_file_has_its_columns_in_the_same_order(write: Write) -> None:
    """Another order would exchange features without a word: values have no names after that."""
    path = write(CSV)
    rows = [line.split(",") for line in CSV.split()]
    write("\n".join(",".join((b, a, kind)) for a, b, kind in rows), "test.csv")
    with pytest.raises(FileError, match=r"test\.csv: has the features weight, height"):
        load(path, "classification", target="kind", held_out="test.csv")


@pytest.mark.parametrize("held_out", [0.1, 0.9])
def test_either_part_has_room_for_every_class(write: Write, held_out: float) -> None:
    """Ten rows of two classes, five each: a part of one row cannot hold both."""
    path = write("x,kind\n" + "".join(f"{k},{'ab'[k % 2]}\n" for k in range(10)))
    with pytest.raises(FileError, match="too few to hold out"):
        load(path, "classification", target="kind", held_out=held_out)
    for enough in (0.2, 0.8):
        found = load(path, "classification", target="kind", held_out=enough)
        assert {*found.train_y} == {*found.test_y} == {0, 1}


@pytest.mark.parametrize("number", ["1_000", "\uff11000"])
def test_a_number_of_another_spelling_in_a_row_of_several_lines(write: Write, number: str) -> None:
    """Python takes both for 1000; no CSV writer means that. The suspicion outlives the line."""
    path = write(f'x,kind\n1,a\n{number},"two\nlines"\n3,a\n4,"two\nlines"\n')
    with pytest.raises(FileError, match="line 3, column 'x'"):
        load(path, "classification", target="kind")


@pytest.mark.parametrize("scale", ["minmax", "standard", "none"])
@pytest.mark.filterwarnings("error")
def test_numbers_too_large_to_compute_with_are_refused(write: Write, scale: str) -> None:
    path = write("x,kind\n1,a\n2,b\n1.7e308,a\n-1.7e308,b\n" + "3,a\n4,b\n" * 4)
    with pytest.raises(FileError, match="at most 1e\\+30 is accepted"):
        load(path, "classification", target="kind", scale=scale)
    fits = write("x,kind\n1,a\n2,b\n1e30,a\n-1e30,b\n" + "3,a\n4,b\n" * 4)
    assert np.isfinite(load(fits, "classification", target="kind", scale=scale).train_x).all()


def test_a_file_that_is_split_already_takes_no_held_out(tmp_path: Path) -> None:
    """Also no fraction, which would have no effect."""
    x, y = np.arange(8.0).reshape(4, 2), np.array([0, 1, 0, 1])
    np.savez(tmp_path / "d.npz", x=x, y=y, x_test=x + 1, y_test=y)
    assert len(load(tmp_path / "d.npz", "classification").test_x) == 4
    for held_out in (0.25, 0.5, "other.npz"):
        with pytest.raises(FileError, match="has x_test already"):
            load(tmp_path / "d.npz", "classification", held_out=held_out)


def test_the_training_data_do_not_judge(write: Write, tmp_path: Path) -> None:
    path = write(CSV)
    for name in ("copy.csv", path.name):
        (tmp_path / name).write_bytes(path.read_bytes())
        with pytest.raises(FileError, match=r"data\.held_out: holds the same as"):
            load(path, "classification", target="kind", held_out=name)


@pytest.mark.parametrize("scale", ["minmax", "standard", "none"])
def test_a_density_of_one_value_has_no_bound(tmp_path: Path, scale: str) -> None:
    x = np.random.default_rng(0).normal(size=(20, 3))
    np.savez(tmp_path / "all.npz", x=x)
    assert load(tmp_path / "all.npz", "density", scale=scale).train_x.shape == (15, 3)
    x[:, 1] = 7.0
    np.savez(tmp_path / "one.npz", x=x)
    with pytest.raises(FileError, match="feature 'x1' is the same in every sample"):
        load(tmp_path / "one.npz", "density", scale=scale)


@pytest.mark.parametrize(
    ("features", "complaint"),
    [
        ([], r"^data\.features: is empty"),
        (["weight", ""], r"^data\.features\[1\]: is empty"),
        (["weight", "height", "weight"], r"^data\.features\[2\]: 'weight' is there already"),
        (["weight", "kind"], r"^data\.features\[1\]: 'kind' is the target"),
    ],
)
def test_features_are_different_columns(features: list[str], complaint: str) -> None:
    value = {"family": "int8", "hidden": 3}
    data = {"file": "d.csv", "target": "kind", "features": features}
    with pytest.raises(FileError) as caught:
        config_of({**value, "data": data}, "net.yaml")
    assert re.search(complaint, str(caught.value).removeprefix("net.yaml: "))


@pytest.mark.parametrize(
    "keys",
    [
        "data: {file: d.csv, target: kind, inputs: 2}",
        "data: {file: d.csv, target: kind, outputs: 2}",
        "data: {file: d.csv, target: kind, held_out_rows: 2}",
        "data: {file: d.csv, target: kind, sha256: []}",
        "device: {}\ndata: {file: d.csv, target: kind}",
    ],
)
def test_what_training_finds_is_not_for_the_user_to_say(tmp_path: Path, keys: str) -> None:
    (tmp_path / "net.yaml").write_text(f"family: int8\nhidden: 3\n{keys}\n", encoding="utf-8")
    with pytest.raises(FileError, match=r"(data\.\w+|device): is filled in by training"):
        find_training(str(tmp_path / "net.yaml"), 0)
