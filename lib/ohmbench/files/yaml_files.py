"""YAML files: plain data only, by this project's own rules over ruamel.yaml's parser events.

The parser is asked for events, not for objects. Anchors, aliases and tags are refused where they
occur, depth and number of values are bounded while they arrive, and a plain scalar means what YAML
1.2's core schema says (``1e-3`` is a number; ``no``, ``1:30`` and ``2001-01-01`` are texts).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
    StreamStartEvent,
)
from ruamel.yaml.reader import ReaderError

from ohmbench.errors import FileError
from ohmbench.files.opening import PathLike, only_file_errors, open_bounded

MAX_BYTES = 1 << 18  # the parser takes up to 3 µs per character; 1000 slices fit twice
_MAX_DEPTH = 32
_MAX_EVENTS = 20_000  # a third of a second of parsing; a configuration of 1000 slices needs 16 000
_MAX_DIGITS = 400  # a longer number is not a measurement, and old Pythons convert in O(n^2)

_INT = re.compile(r"[-+]?[0-9]+")
_OCTAL = re.compile(r"0o[0-7]+")
_HEXADECIMAL = re.compile(r"0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_SURROGATE = re.compile("[\ud800-\udfff]")
_INFINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)")
_NAN = (".nan", ".NaN", ".NAN")
_CONSTANTS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}


def _bad(source: str, reason: str, line: int | None) -> FileError:
    where = "" if line is None else f" (line {line + 1})"
    return FileError(source, f"not valid YAML: {reason}{where}", remedy="correct the file")


def _refused(source: str, reason: str, event: Event) -> FileError:
    return FileError(
        source, f"{reason} (line {event.start_mark.line + 1})", remedy="correct the file"
    )


def _scalar(source: str, event: ScalarEvent) -> Any:
    """The value of a scalar by YAML 1.2's core schema (section 10.3.2)."""
    text: str = event.value
    if _SURROGATE.search(text):  # half a surrogate pair, by an escape: cannot be printed or saved
        raise _refused(source, "holds half a character", event)
    if not event.implicit[0]:  # quoted, or a block
        return text
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if text in _NAN:
        return math.nan
    if _INFINITE.fullmatch(text):
        return -math.inf if text.startswith("-") else math.inf
    if not (text[0] in "+-." or text[0].isdigit()):
        return text
    for pattern, base in ((_INT, 10), (_OCTAL, 8), (_HEXADECIMAL, 16), (_FLOAT, 0)):
        if pattern.fullmatch(text):
            if len(text) > _MAX_DIGITS:
                raise _refused(source, f"a number of more than {_MAX_DIGITS} digits", event)
            return int(text.removeprefix("0o"), base) if base else _finite(source, event)
    return text


def _finite(source: str, event: ScalarEvent) -> float:
    value = float(event.value)
    if not math.isfinite(value):
        raise _refused(source, f"{event.value} is too large a number", event)
    return value


def _events(source: str, text: str) -> Iterator[Event]:
    """The parser's events, at most `_MAX_EVENTS`, without anchors, aliases, tags and directives."""
    for number, event in enumerate(YAML(typ="safe", pure=True).parse(text)):
        if number >= _MAX_EVENTS:
            raise _refused(source, f"more than {_MAX_EVENTS} values and brackets", event)
        if isinstance(event, AliasEvent) or getattr(event, "anchor", None) is not None:
            raise _refused(source, "anchors and aliases are not accepted", event)
        if isinstance(event, DocumentStartEvent) and (event.tags or event.version):
            raise _refused(source, "directives are not accepted", event)
        if getattr(event, "tag", None) is not None:
            raise _refused(source, "tags are not accepted", event)
        yield event


def _key(source: str, event: Event, mapping: dict[str, Any]) -> str:
    key = _scalar(source, event) if isinstance(event, ScalarEvent) else None
    if not isinstance(key, str):
        found = repr(event.value) if isinstance(event, ScalarEvent) else "a list or mapping"
        raise _refused(source, f"{found} stands as a key, keys are texts", event)
    if key in mapping:
        raise _refused(source, f"key {key!r} occurs twice", event)
    return key


def _build(source: str, event: Event, events: Iterator[Event], depth: int = 0) -> Any:
    """The value that begins with ``event``."""
    if isinstance(event, ScalarEvent):
        return _scalar(source, event)
    if depth == _MAX_DEPTH:
        raise _refused(source, f"nested more than {_MAX_DEPTH} deep", event)
    if isinstance(event, SequenceStartEvent):
        values: list[Any] = []
        while not isinstance(event := next(events), SequenceEndEvent):
            values.append(_build(source, event, events, depth + 1))
        return values
    if not isinstance(event, MappingStartEvent):
        raise _refused(source, f"unexpected {type(event).__name__}", event)
    mapping: dict[str, Any] = {}
    while not isinstance(event := next(events), MappingEndEvent):
        key = _key(source, event, mapping)
        mapping[key] = _build(source, next(events), events, depth + 1)
    return mapping


def _document(source: str, text: str) -> Any:
    events = _events(source, text)
    event = next(events)
    if isinstance(event, StreamStartEvent):
        event = next(events)
    if not isinstance(event, DocumentStartEvent):
        raise FileError(source, "holds no YAML document", remedy="correct the file")
    value = _build(source, next(events), events)
    next(events)  # the document's end
    event = next(events)
    if not isinstance(event, StreamEndEvent):
        raise _refused(source, "a second document begins", event)
    return value


def parse_yaml(text: str, source: str) -> Any:
    """The only document in ``text``: dicts with text keys, lists, str, int, float, bool and None.

    ``source`` is the text's name in errors. Raises `FileError` with the line: for anything that is
    not YAML, a key that is repeated or not a text, anchors, aliases, tags and directives, a second
    document, nesting deeper than 32 and more than 20 000 values.
    """
    try:
        with only_file_errors(source):
            return _document(source, text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        reason = str(error.problem or error.context)
        raise _bad(source, reason, None if mark is None else mark.line) from error
    except ReaderError as error:
        line = text.count("\n", 0, error.position)
        raise _bad(source, f"holds the character U+{error.character:04X}", line) from error


def _text(path: PathLike, max_bytes: int) -> tuple[str, str]:
    """The name and the text of a file in UTF-8."""
    name, file, _ = open_bounded(path, max_bytes)
    with file, only_file_errors(name):
        data = file.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise FileError(name, f"holds more than {max_bytes} bytes, which are accepted at most")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise FileError(name, f"not text in UTF-8: {error}", remedy="correct the file") from error
    return name, text


def read_yaml(path: PathLike, *, max_bytes: int = MAX_BYTES) -> Any:
    """Read a YAML file in UTF-8 as `parse_yaml` does; nothing in it is executed.

    Raises `FileError`.
    """
    name, text = _text(path, max_bytes)
    return parse_yaml(text, name)


def item_lines(path: PathLike, *, max_bytes: int = MAX_BYTES) -> list[int]:
    """The line, counted from 1, on which each item of a file's list begins.

    Empty for a document that is no list. Raises `FileError` as `read_yaml` does.
    """
    name, text = _text(path, max_bytes)
    parse_yaml(text, name)
    lines, depth = [], 0
    opening, closing = (SequenceStartEvent, MappingStartEvent), (SequenceEndEvent, MappingEndEvent)
    for event in _events(name, text):
        if depth == 0 and isinstance(event, (ScalarEvent, MappingStartEvent)):
            break
        if isinstance(event, closing):
            depth -= 1
        elif depth == 1 and isinstance(event, (ScalarEvent, *opening)):
            lines.append(event.start_mark.line + 1)
        depth += isinstance(event, opening)
    return lines
