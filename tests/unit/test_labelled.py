"""The samples that judge an integer network are those, and are scaled as those, it was made on."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import ohmbench
from ohmbench.data import parts as data_parts
from ohmbench.digital.integer.store import load_integer, save_integer
from ohmbench.errors import FileError
from ohmbench.family import DrawOptions
from tests.unit.command_line import assert_refused

Run = Callable[..., tuple[int, str, str]]
NAMES = ("apple", "Birch", "cherry")
ROWS = 120


def rows() -> list[tuple[float, float, str]]:
    """Three classes on a line, far from [0, 1]: their order is not that of the letters."""
    rng = np.random.default_rng(0)
    found = []
    for k in range(ROWS):
        a = (k % 3) * 40 + 1000 + 14 * rng.normal()
        found.append((float(a), float(rng.normal()), NAMES[k % 3]))
    return found


def csv(some: list[tuple[float, float, str]], header: str = "a,b,kind") -> str:
    return "\n".join([header, *(f"{a!r},{b!r},{name}" for a, b, name in some), ""])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: data, a model of the standardised features, and its integers."""
    monkeypatch.chdir(tmp_path)
    Path("d.csv").write_text(csv(rows()))
    # Classes in sorted order: Birch (middle), apple (low), cherry (high).
    weight = torch.tensor([[0.0, 0.0], [-2.0, 0.0], [2.0, 0.0]])
    bias = torch.tensor([1.3, 0.0, 0.0])
    torch.save(OrderedDict(weight=weight, bias=bias), "m.pth")
    return tmp_path


QUANTIZE = ("quantize", "m.pth", "--data", "d.csv", "--target", "kind", "--scale", "standard")


def quantized(run: Run, *words: Any) -> dict[str, Any]:
    status, out, err = run(*QUANTIZE, "-o", "net.npz", "--force", "--json", *words)
    assert (status, err) == (0, "")
    return dict(json.loads(out))


def evaluated(run: Run, *words: Any) -> dict[str, Any]:
    status, out, err = run("evaluate", "net.npz", "--json", *words)
    assert (status, err) == (0, "")
    return dict(json.loads(out))


def test_the_same_data_give_the_accuracy_that_quantize_reported(folder: Path, run: Run) -> None:
    made = quantized(run, "--seed", 4)
    wanted = (made["held_out"]["correct"], made["held_out"]["samples"])
    assert wanted[1] == ROWS // 4
    assert wanted[0] > 0.7 * wanted[1]
    Path("copy.csv").write_text(Path("d.csv").read_text())
    for words in ((), ("--data", "d.csv"), ("--data", folder / "d.csv"), ("--data", "copy.csv"),
                  ("--data", "d.csv", "--target", "kind")):  # fmt: skip
        found = evaluated(run, *words)
        assert (found["correct"], found["total"]) == wanted
        assert found["classes"] == ["Birch", "apple", "cherry"]
    out = run("evaluate", "net.npz")[1]
    assert "held-out part of d.csv, split by seed 4, features scaled (standard)" in out
    assert "classes: 0 (Birch), 1 (apple), 2 (cherry)" in out
    judged = ohmbench.evaluate(ohmbench.load("net.npz"))
    assert judged.values["correct"] == wanted[0]


def test_features_that_are_not_scaled_are_another_accuracy(folder: Path, run: Run) -> None:
    """The planted fault: without its scale, the network is judged on what it never read."""
    wanted = quantized(run)["held_out"]["correct"]
    stored = load_integer("net.npz")
    data = {**stored.origin["data"], "scale": "none"}
    save_integer("net.npz", stored.network, origin={**stored.origin, "data": data}, overwrite=True)
    assert evaluated(run)["correct"] < 0.7 * wanted


def test_a_second_file_that_was_held_out_is_read_again(folder: Path, run: Run) -> None:
    Path("h.csv").write_text(csv(rows()[:31]))
    made = quantized(run, "--held-out", "h.csv")
    found = [evaluated(run, *words) for words in ((), ("--data", "h.csv"))]
    assert [f["total"] for f in found] == [31, 31]
    assert [f["correct"] for f in found] == 2 * [made["held_out"]["correct"]]
    Path("h.csv").write_text(csv(rows()[:30]))
    assert_refused(run("evaluate", "net.npz"), "h.csv", "is not the data that net.npz was made")


def test_another_file_is_scaled_and_its_columns_and_classes_are_found_by_name(
    folder: Path, run: Run
) -> None:
    """All rows are there, the columns in another order with one more, one class is missing."""
    quantized(run)
    some = [row for row in rows() if row[2] != "Birch"]
    lines = [f"{name},7,{b!r},{a!r}" for a, b, name in some]
    Path("other.csv").write_text("\n".join(["kind,more,b,a", *lines]))
    Path("named.csv").write_text("\n".join(["what,more,b,a", *lines]))
    found = evaluated(run, "--data", "other.csv")
    assert found["total"] == len(some)
    assert found["confusion"][0] == [0, 0, 0]
    assert found["correct"] > 0.7 * len(some)
    assert (
        evaluated(run, "--data", "named.csv", "--target", "what")["confusion"]
        == (found["confusion"])
    )
    assert "features: scaled (standard) as d.csv was" in (
        run("evaluate", "net.npz", "--data", "other.csv")[1].replace("\n", " ")
    )
    status, out, _ = run("predict", "net.npz", "--image", 0, "--data", "other.csv")
    assert status == 0
    assert "true 1 (apple)" in out
    assert "features: scaled (standard)" in out
    loaded = ohmbench.load("net.npz", data="other.csv")
    figure = loaded.family.figures(loaded.network, "net", DrawOptions())["confusion.png"]()
    assert "features: scaled (standard) as d.csv was" in figure.axes[0].get_title()
    traced = run("trace", "net.npz", "--data", "other.csv", "--no-rtl")
    assert traced[0] == 0
    assert "features: scaled (standard)" in traced[1].replace("\n", " ")


@pytest.mark.parametrize(
    ("text", "words", "said"),
    [
        ("a,b,kind\n1,2,plum\n", "", ("line 2, column 'kind'", "'plum'", "Birch, apple, cherry")),
        ("a,b,kind\n1,2,1\n", "", ("line 2, column 'kind'", "'1', not a class")),
        ("a,b,kind\n1,2,\n", "", ("line 2, column 'kind'",)),
        ("a,kind\n1,apple\n", "", ("has no column 'b'", "a, kind")),
        ("a,b,kind\n1,2,apple\n", "--target sort", ("has no column 'sort'", "a, b, kind")),
        ("a,b,y\n1,2,apple\n", "", ("has no classes", "--target")),
    ],
)
def test_another_file_that_does_not_fit(
    text: str, words: str, said: tuple[str, ...], folder: Path, run: Run
) -> None:
    quantized(run)
    Path("other.csv").write_text(text)
    assert_refused(
        run("evaluate", "net.npz", "--data", "other.csv", *words.split()), "other.csv", *said
    )


def test_data_that_changed_or_are_missing(folder: Path, run: Run) -> None:
    quantized(run)
    Path("d.csv").write_text(csv(rows()[1:]))
    for words in ((), ("--data", "d.csv")):
        refused = run("evaluate", "net.npz", *words)
        assert_refused(refused, "d.csv", "SHA-256 differs", "--data")
    Path("d.csv").unlink()
    assert_refused(run("evaluate", "net.npz"), "d.csv", "is missing", "net.npz was made on it")
    assert_refused(run("predict", "net.npz", "--image", 0), "d.csv", "is missing")


def test_options_that_do_not_apply(folder: Path, run: Run) -> None:
    quantized(run)
    refused = run("evaluate", "net.npz", "--data", "d.csv", "--target", "a")
    assert_refused(refused, "--target a", "'kind'")
    assert_refused(run("evaluate", "net.npz", "--target", "kind"), "--target", "--data")
    np.savez("x.npz", x=np.zeros((2, 2)), y=np.array([0, 1]))
    refused = run("evaluate", "net.npz", "--data", "x.npz", "--target", "kind")
    assert_refused(refused, "--target: not for x.npz")
    assert_refused(run("evaluate", "net.npz", "--data", "x.npz"), "x.npz: y", "holds 0")
    np.savez("x.npz", x=np.zeros((2, 3)))
    assert_refused(run("evaluate", "net.npz", "--data", "x.npz"), "3 features", "2 inputs")


def test_a_network_that_does_not_say_its_data(folder: Path, run: Run) -> None:
    """Its features are read as they are, and its classes are numbers."""
    quantized(run)
    save_integer("net.npz", load_integer("net.npz").network, origin={}, overwrite=True)
    assert_refused(run("evaluate", "net.npz"), "net.npz", "holds no data")
    numbers = [(a, b, str(sorted(NAMES).index(name))) for a, b, name in rows()]
    for name, header in (("y.csv", "a,b,y"), ("k.csv", "a,b,kind")):
        Path(name).write_text(csv(numbers, header))
    found = evaluated(run, "--data", "y.csv")
    assert found["total"] == ROWS
    assert found["remarks"] == found["classes"] == []
    assert evaluated(run, "--data", "k.csv", "--target", "kind")["correct"] == found["correct"]
    refused = run("evaluate", "net.npz", "--data", "d.csv", "--target", "kind")
    assert_refused(refused, "line 2, column 'kind'", "'apple'", "not a class number")
    Path("k.csv").write_text("a,b,kind\n1,2,3\n")
    refused = run("evaluate", "net.npz", "--data", "k.csv", "--target", "kind")
    assert_refused(refused, "classes from 3 to 3", "3 outputs")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"seed": -1}, "origin: data"),
        ({"span": [1.0, 0.0]}, "origin: data"),
        ({"span": [1.0]}, "origin: data: span"),
        ({"shift": None}, "origin: data: shift"),
        ({"classes": ["apple"]}, "origin: data: classes"),
        ({"sha256": []}, "origin: data: sha256"),
        ({"sha256": ["0", "1"]}, "origin: data: sha256"),
    ],
)
def test_a_file_that_says_otherwise_of_its_data(
    change: dict[str, Any], field: str, folder: Path, run: Run
) -> None:
    quantized(run)
    stored = load_integer("net.npz")
    data = {**stored.origin["data"], **change}
    save_integer("net.npz", stored.network, origin={**stored.origin, "data": data}, overwrite=True)
    assert_refused(run("evaluate", "net.npz"), "net.npz", field)


def test_a_named_set_is_split_as_then(folder: Path, run: Run) -> None:
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(10, 64, generator=generator)
    torch.save(OrderedDict(weight=weight, bias=torch.zeros(10)), "m.pth")
    status, out, _ = run("quantize", "m.pth", "--data", "digits", "--seed", 3, "-o", "net.npz",
                         "--json")  # fmt: skip
    assert status == 0
    for words in ((), ("--data", "digits")):
        found = evaluated(run, *words)
        assert found["correct"] == json.loads(out)["held_out"]["correct"]
        assert found["remarks"] == ["data: held-out part of digits, split by seed 3"]


def test_what_is_read_again_is_what_was_read(folder: Path) -> None:
    one = data_parts.load_parts("d.csv", 2, target="kind", scale="minmax")
    was = data_parts.data_origin("net.npz", {"data": dict(one.origin)})
    assert was is not None
    again = data_parts.parts_again(was, "net.npz", "restore it")
    for name in ("train_x", "train_y", "test_x", "test_y"):
        assert np.array_equal(getattr(one, name), getattr(again, name))
    assert was.features == ["a", "b"]
    with pytest.raises(FileError, match="SHA-256 differs"):
        data_parts.parts_again(was.model_copy(update={"sha256": ["0"]}), "net.npz", "restore it")
    assert replace(one).origin == again.origin
