"""Errors name the line that is at fault, wherever in a file it stands and whatever comes before.

Every fault stands behind every prefix: empty lines, cells and texts that span lines, line ends of
other systems. What a line or a record says of itself says nothing of the next one.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from ohmbench.claims.ledger import read_ledger
from ohmbench.errors import FileError
from ohmbench.files import csv_table, read_json
from ohmbench.files.csv_table import CsvTable, read_csv
from ohmbench.files.tables import Column, parse_table
from ohmbench.files.yaml_files import parse_yaml

# ------------------------------------------------------------------------------------------------
# CSV

BEFORE = {
    "nothing": "",
    "a-row": "1,2,x\n",
    "empty-lines": "\n\n1,2,x\n\n",
    "empty-cells": "1,2,x\n , ,\n,,\n",
    "a-cell-of-three-lines": '1,2,"x\ny\nz"\n',
    "two-cells-of-two-lines": '1,"2\n","x\ny"\n3,4,"x\ny"\n',
    "empty-lines-in-a-cell": '1,2,"x\n\n\ny"\n\n',
    "an-odd-name-in-a-text": "1,2,x_y\n1,2,\u00e9\n",
    "carriage-returns": '1,2,x\r\n1,2,"x\r\ny"\r\n',
    "many": "1,2,x\n" * 200,
}
FAULTS = {
    "no-number": ("1,b,x", "line {}, column 'b': holds 'b', not a finite number"),
    "underscore": ("1,2_0,x", "line {}, column 'b': holds '2_0', not a finite number"),
    "other-digits": ("1,\u0662,x", "line {}, column 'b': holds"),
    "infinite": ("1,1e999,x", "line {}, column 'b': holds '1e999', not a finite number"),
    "no-value": ("1,,x", "line {}, column 'b': has no value"),
    "NA": ("1,N/A,x", "line {}, column 'b': has no value"),
    "both": ("?,inf,x", "line {}, column 'a': has no value"),
    "fewer": ("1,2", "line {}: has 2 cells, but the header has 3"),
    "more": ("1,2,x,4", "line {}: has 4 cells, but the header has 3"),
    "underscore-and-a-text-of-two-lines": ('1,2_0,"x\ny"', "line {}, column 'b': holds '2_0'"),
    "behind-a-text-of-two-lines": ('"1\n",2_0,x', "line {}, column 'b': holds '2_0'"),
    "long": (f"1,2,{'x' * 1025}", "line {}: has a cell of more than 1024 characters"),
    "open-quote": ('1,2,"x', "line {}: is not CSV"),
}


def table(path: Path, text: str) -> CsvTable:
    path.write_bytes(text.encode())
    return read_csv(path, lambda names: (["a", "b"], ["t"]))


@pytest.mark.parametrize("before", BEFORE)
@pytest.mark.parametrize("fault", FAULTS)
def test_the_line_of_a_csv_files_fault(tmp_path: Path, before: str, fault: str) -> None:
    """Of a record of several lines it is the first."""
    start, (bad, message) = f"a,b,t\n{BEFORE[before]}", FAULTS[fault]
    with pytest.raises(FileError) as caught:
        table(tmp_path / "x.csv", f"{start}{bad}\n1,2,x\n")
    line = start.count("\n") + 1
    assert str(caught.value).startswith(f"{tmp_path / 'x.csv'}: {message.format(line)}")


@pytest.mark.parametrize("before", BEFORE)
def test_the_line_of_a_good_row(tmp_path: Path, before: str) -> None:
    """... is kept for errors that are found later; odd characters of texts are no faults."""
    start = f"a,b,t\n{BEFORE[before]}"
    found = table(tmp_path / "x.csv", f'{start}7,8,"end\n"\n\n9,0,\u00e9_\n')
    line = start.count("\n") + 1
    assert found.lines[-2:].tolist() == [line, line + 3]
    assert found.numbers[-2:].tolist() == [[7, 8], [9, 0]]
    assert found.texts["t"][-2:] == ["end", "\u00e9_"]
    error = found.fault(len(found.lines) - 1, "a", "is odd", "mend it")
    assert str(error) == f"{tmp_path / 'x.csv'}: line {line + 3}, column 'a': is odd; mend it"


def test_columns_are_in_the_order_in_which_they_are_asked_for(tmp_path: Path) -> None:
    """... not in that of the file or of their names."""
    (tmp_path / "x.csv").write_text("c,a,t,b\n1,2,x,3\n4,5,y,6\n")
    for wanted in (["b", "c", "a"], ["a", "b"], ["c"]):
        found = read_csv(tmp_path / "x.csv", lambda names, wanted=wanted: (wanted, ["t"]))
        place = {"c": 0, "a": 1, "b": 2}
        rows = np.array([[1, 2, 3], [4, 5, 6]])
        assert found.number_names == tuple(wanted)
        assert found.numbers.tolist() == rows[:, [place[name] for name in wanted]].tolist()


def test_the_largest_cell_and_the_most_columns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the header as of every row; the last that is taken, and one more."""
    long = "x" * 1024
    assert table(tmp_path / "x.csv", f"a,b,t\n1,2,{long}\n").texts["t"] == [long]
    for text, line in ((f"a,b,t\n1,2,{long}x\n", 2), (f"a,b,t,{long}x\n1,2,x,3\n", 1)):
        with pytest.raises(FileError, match=f"line {line}: has a cell of more than 1024"):
            table(tmp_path / "x.csv", text)
    monkeypatch.setattr(csv_table, "MAX_COLUMNS", 3)
    assert len(table(tmp_path / "x.csv", "a,b,t\n1,2,x\n").lines) == 1
    monkeypatch.setattr(csv_table, "MAX_COLUMNS", 2)
    with pytest.raises(FileError, match="line 1: has more than 2 columns"):
        table(tmp_path / "x.csv", "a,b,t\n1,2,x\n")
    monkeypatch.setattr(csv_table, "MAX_COLUMNS", 3)
    with pytest.raises(FileError, match="line 2: has more than 3 columns"):
        table(tmp_path / "x.csv", "a,b,t\n1,2,x,4\n")


def test_only_the_first_column_may_have_no_name(tmp_path: Path) -> None:
    """... which is how pandas writes its index."""
    assert table(tmp_path / "x.csv", ",a,b,t\n0,1,2,x\n").numbers.tolist() == [[1, 2]]
    with pytest.raises(FileError, match="line 1: has no name for column 2"):
        table(tmp_path / "x.csv", "a,,b,t\n0,1,2,x\n")
    with pytest.raises(FileError, match="line 3: names column 'b' twice"):
        table(tmp_path / "x.csv", "\n\na,b,t,b\n0,1,2,x\n")
    with pytest.raises(FileError, match="has numbers in its first line"):
        table(tmp_path / "x.csv", "0,1,2\n0,1,2\n")


# ------------------------------------------------------------------------------------------------
# YAML

YAML_BEFORE = {
    "nothing": "",
    "comments": "# one\n\n# two\n",
    "a-text-of-lines": "text: |\n  a\n\n  b\n",
    "a-quoted-text": 'text: "a\n  b\n\n  c"\n',
    "a-list": "list:\n  - 1\n  - [2,\n     3]\n",
    "a-mapping": "map:\n  a: 1\n  b: {c: 2,\n      d: 3}\n",
}
YAML_FAULTS = {
    "twice": ("k: 1\nk: 2", 1, "key 'k' occurs twice"),
    "twice-below": ("m:\n  k: 1\n  j: 2\n  k: 3", 3, "key 'k' occurs twice"),
    "anchor": ("a: 1\nk: &x 1", 1, "anchors and aliases"),
    "tag": ("a: 1\nk: !!str 1", 1, "tags are not accepted"),
    "a-number-as-key": ("a: 1\n1: 2", 1, "'1' stands as a key"),
    "too-large": ("a:\n  - 1\n  - 1e999", 2, "too large a number"),
    "digits": (f"a:\n  - {'7' * 401}", 1, "more than 400 digits"),
    "second": ("a: 1\n---\nb: 2", 1, "a second document"),
    "character": ("a: 1\nb: \x07\nc: 1\nd: 1", 1, "U+0007"),
    "indentation": ("m:\n  k: 1\n  j: 2\n - x", 3, "expected <block end>"),
    "colon": ("a: 1\nb: c: d\n", 1, "mapping values"),
}


@pytest.mark.parametrize("before", YAML_BEFORE)
@pytest.mark.parametrize("fault", YAML_FAULTS)
def test_the_line_of_a_yaml_files_fault(before: str, fault: str) -> None:
    text, line, message = YAML_FAULTS[fault]
    start = YAML_BEFORE[before]
    with pytest.raises(FileError) as caught:
        parse_yaml(f"{start}{text}\n", "x.yaml")
    assert message in str(caught.value)
    assert re.findall(r"\(line (\d+)\)", str(caught.value)) == [str(start.count("\n") + line + 1)]


@pytest.mark.parametrize("place", [0, 1, 2])
def test_the_row_of_a_ledgers_fault(tmp_path: Path, place: int) -> None:
    """By its id, or where it has none by its number."""
    row = "- {{id: {}, statement: s, source: s, expect: not checkable, why: w{}}}\n"
    for name, extra in ((f"x.n{place}", ", surprise: 1"), ("7", "")):
        rows = [row.format(f"x.n{k}", "") for k in range(3)]
        rows[place] = row.format(name, extra)
        (tmp_path / "claims.yaml").write_text("".join(rows))
        with pytest.raises(FileError) as caught:
            read_ledger(tmp_path / "claims.yaml")
        assert caught.value.field is not None
        assert caught.value.field.startswith(f"claim {name}, ")
    (tmp_path / "claims.yaml").write_text("".join([*rows[:place], "- 5\n", *rows[place + 1 :]]))
    with pytest.raises(FileError) as caught:
        read_ledger(tmp_path / "claims.yaml")
    assert caught.value.field == f"claim {place}, row"


# ------------------------------------------------------------------------------------------------
# JSON


@pytest.mark.parametrize(
    "text",
    ['"a"', r'"\\"', r'"\""', r'"a\\\""', r'"\\\\"', r'"\\" , "\""', '"[{"', r'"\u005b"'],
)
def test_brackets_in_texts_are_no_depth_and_others_are(tmp_path: Path, text: str) -> None:
    """... wherever texts end: a quote behind a backslash goes on, one behind two of them ends."""
    path = tmp_path / "x.json"
    path.write_text(f'[{text}, "{"[" * 100}", {"[" * 63}{"]" * 63}]')
    assert read_json(path)[-2] == "[" * 100
    path.write_text(f'[{text}, "{"]" * 100}", {"[" * 64}{"]" * 64}]')
    with pytest.raises(FileError, match="nested more than 64 deep"):
        read_json(path)


@pytest.mark.parametrize("place", [0, 1, 3])
def test_the_key_that_occurs_twice_is_named(tmp_path: Path, place: int) -> None:
    keys = ["a", "b", "c", "d"]
    keys.insert(3, keys[place])
    path = tmp_path / "x.json"
    text = ", ".join(f'"{key}": {k}' for k, key in enumerate(keys))
    path.write_text('{"k": {' + text + "}}")
    with pytest.raises(FileError, match=f"key '{keys[3]}' occurs twice"):
        read_json(path)


# ------------------------------------------------------------------------------------------------
# Tables of numbers

COLUMNS = (Column("a", -2.0, 3.0), Column("b", 10.0), Column("c", high=-1.0))


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("line", [1, 2, 5])
def test_the_line_and_column_of_a_tables_fault(line: int, end: str) -> None:
    """Each column has limits of its own, which belong to what it takes."""
    good = "-2,10,-1"
    for bad, column in (
        ("-2.001,10,-1", "a"), ("3.001,10,-1", "a"), ("0,9.99,-1", "b"), ("0,10,-0.99", "c"),
        ("x,10,-1", "a"), ("0,,-1", "b"), ("0,10,1e999", "c"), ("0,10,nan", "c"),
    ):  # fmt: skip
        rows = [good] * 5
        rows[line - 1] = bad
        with pytest.raises(FileError) as caught:
            parse_table("x", end.join(rows).encode(), COLUMNS, rows=5)
        assert caught.value.field == column
        assert caught.value.reason.startswith(f"line {line} holds")
    rows = [good] * 5
    rows[line - 1] = "3,1e30,-1e30"
    found = parse_table("x", end.join(rows).encode(), COLUMNS, rows=5)
    assert found[line - 1].tolist() == [3.0, 1e30, -1e30]
    for count in (4, 6):
        data = end.join([good] * count).encode()
        with pytest.raises(FileError, match=f"holds {count} lines, expected 5"):
            parse_table("x", data, COLUMNS, rows=5)
