"""What reading YAML promises for good files; strangers' are in ``test_files_hostile.py``."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from ohmbench.errors import FileError
from ohmbench.files import parse_yaml, read_yaml

# ------------------------------------------------------------------------------------------------
# Values: YAML 1.2, core schema (section 10.3.2 of the specification)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1),
        ("-7", -7),
        ("+12", 12),
        ("007", 7),
        ("0x1F", 31),
        ("0o17", 15),
        ("1.0", 1.0),
        ("1e-3", 1e-3),
        ("1e-4", 1e-4),
        ("5e-4", 5e-4),
        ("1E3", 1e3),
        ("1.0e-06", 1e-6),
        ("0.00001", 1e-5),
        (".5", 0.5),
        ("5.", 5.0),
        ("-.25e+2", -25.0),
        (".inf", math.inf),
        ("-.INF", -math.inf),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
    ],
)
def test_plain_scalars_have_their_core_schema_value(text: str, value: Any) -> None:
    found = parse_yaml(f"a: {text}\n", "f")["a"]
    assert found == value
    assert type(found) is type(value)


def test_not_a_number_is_one() -> None:
    assert math.isnan(parse_yaml(".nan", "f"))


@pytest.mark.parametrize(
    "text",
    [
        *("yes", "no", "on", "none", "inf", "nan", "TRUe", "<<", "=", "+", ".", "-x"),
        *("1:30", "2001-01-01", "1_000", "1e", "0x", "e3", "1.2.3", "08x", "0b1", "1,5", "\u0663"),
    ],
)
def test_what_other_schemas_convert_stays_text(text: str) -> None:
    assert parse_yaml(f"a: {text}\n", "f") == {"a": text}


@pytest.mark.parametrize("style", ["'{}'", '"{}"', "|-\n  {}", ">-\n  {}"])
@pytest.mark.parametrize("text", ["1", "1e-3", "true", "null", "~", ".nan"])
def test_quoted_scalars_are_texts(text: str, style: str) -> None:
    assert parse_yaml(f"a: {style.format(text)}\n", "f") == {"a": text}


def test_empty_quotes_are_an_empty_text() -> None:
    assert parse_yaml("[\"\", '']", "f") == ["", ""]


PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**300), 10**300)
    | st.floats(allow_nan=False)
    # ruamel writes '?0' inside braces without quotes, and cannot read that back itself.
    | st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="?"), max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text("abcxyz_01", min_size=1, max_size=5), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(PLAIN)
def test_what_ruamel_writes_is_read_back(value: Any) -> None:
    writer = YAML(typ="safe", pure=True)
    stream = io.StringIO()
    writer.dump({"value": value}, stream)
    text = stream.getvalue()
    if "&" in text and "&id001" in text:
        return  # it names equal parts that are one object; anchors are refused on purpose
    assert parse_yaml(text, "f") == {"value": value}


def test_thirty_two_levels_are_read_and_one_more_is_not() -> None:
    found = parse_yaml("[" * 32 + "]" * 32, "f")
    for _ in range(31):
        (found,) = found
    assert found == []
    with pytest.raises(FileError, match="nested more than 32 deep"):
        parse_yaml("[" * 33 + "]" * 33, "f")


def test_a_mapping_is_one_level() -> None:
    found = parse_yaml("{a: " * 32 + "1" + "}" * 32, "f")
    for _ in range(32):
        found = found["a"]
    assert found == 1
    with pytest.raises(FileError, match="nested more than 32 deep"):
        parse_yaml("{a: " * 33 + "1" + "}" * 33, "f")


def test_a_thousand_slices_fit() -> None:
    part = "- name: _fully_connect\n  args:\n    num_node: 3\n    repeat:\n    - 25\n    - 25\n"
    found = parse_yaml(part * 1000, "f")
    assert found == [{"name": "_fully_connect", "args": {"num_node": 3, "repeat": [25, 25]}}] * 1000


# ------------------------------------------------------------------------------------------------
# Complaints


@pytest.mark.parametrize(
    ("text", "line", "complaint"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, "key 'a' occurs twice"),
        ("a: 1\nb: &x 2\n", 2, "anchors and aliases"),
        ("a: 1\n\nb: *x\n", 3, "anchors and aliases"),
        ("a:\n  b: !!python/name:os.system\n", 2, "tags are not accepted"),
        ("%YAML 1.1\n---\na: 1\n", 2, "directives"),
        ("a: 1\n---\nb: 2\n", 2, "second document"),
        ("a:\n  1: 2\n", 2, "'1' stands as a key"),
        ("a:\n- b\n  c: 1\n", 3, "not valid YAML"),
        ("a: 1\nb: 1e999\n", 2, "too large a number"),
        ("a: 1\nb: \x01\n", 2, "U+0001"),
        ('a: "\\ud83d"\n', 1, "half a character"),
    ],
)
def test_the_line_is_named(text: str, line: int, complaint: str) -> None:
    with pytest.raises(FileError) as caught:
        parse_yaml(text, "my.yaml")
    message = str(caught.value)
    assert message.startswith("my.yaml: ")
    assert complaint in message
    assert f"(line {line})" in message
    assert message.isprintable()


def test_a_file_is_read_as_its_text(tmp_path: Path) -> None:
    path = tmp_path / "f.yaml"
    path.write_bytes("a: [1, \u00e9]\r\nb: x\r\n".encode())
    assert read_yaml(path) == {"a": [1, "\u00e9"], "b": "x"}
    path.write_bytes(b"\xef\xbb\xbfa: 1\n")
    assert read_yaml(path) == {"a": 1}


def test_the_size_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / "f.yaml"
    path.write_text("a: 12345\n")
    assert read_yaml(path, max_bytes=9) == {"a": 12345}
    with pytest.raises(FileError, match="holds 9 bytes, at most 8"):
        read_yaml(path, max_bytes=8)
