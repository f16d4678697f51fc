"""JSON files: strict reading, and writing only what would be read back."""

from __future__ import annotations

import json
import math
import re
from typing import Any

import numpy as np

from ohmbench.errors import DtypeError, FileError, RangeError
from ohmbench.files.opening import PathLike, only_file_errors, open_bounded
from ohmbench.files.saving import write_bytes

_MAX_DEPTH = 64
_MAX_DIGITS = 400  # a longer number is not a measurement, and old Pythons convert in O(n^2)
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def _json_depth(data: bytes) -> int:
    """The deepest nesting, by counting: the parser itself would recurse before it complains."""
    plain = np.frombuffer(data.replace(b"\\\\", b"").replace(b'\\"', b""), np.uint8)
    inside_string = np.logical_xor.accumulate(plain == ord('"'))
    step = np.zeros(plain.size, np.int8)
    step[(plain == ord("[")) | (plain == ord("{"))] = 1
    step[(plain == ord("]")) | (plain == ord("}"))] = -1
    step[inside_string] = 0
    return int(np.cumsum(step, dtype=np.int32).max(initial=0))


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"key {twice!r} occurs twice")
    return result


def _no_constant(text: str) -> float:
    raise ValueError(f"{text} is not a JSON number")


def _finite(text: str) -> float:
    if len(text) > _MAX_DIGITS:
        raise ValueError(f"a number of more than {_MAX_DIGITS} digits")
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is too large a number")
    return value


def _integer(text: str) -> int:
    if len(text) > _MAX_DIGITS:
        raise ValueError(f"a number of more than {_MAX_DIGITS} digits")
    return int(text)


def read_json(path: PathLike, *, max_bytes: int = 4 * 2**20) -> Any:
    """Read a JSON file: UTF-8, finite numbers, no repeated key, nested at most 64 deep.

    Raises `FileError`.
    """
    name, file, _ = open_bounded(path, max_bytes)
    with file, only_file_errors(name):
        data = file.read(max_bytes + 1)
    return parse_json(name, data, max_bytes=max_bytes)


def parse_json(
    name: str, data: bytes, *, max_bytes: int = 4 * 2**20, field: str | None = None
) -> Any:
    """Like `read_json`, of bytes that a file ``name`` holds in ``field``. Raises `FileError`."""
    if len(data) > max_bytes:
        raise FileError(
            name, f"holds more than {max_bytes} bytes, which are accepted at most", field=field
        )
    if _json_depth(data) > _MAX_DEPTH:
        raise FileError(name, f"nested more than {_MAX_DEPTH} deep", field=field)
    try:
        text = data.decode("utf-8")
        value = json.loads(
            text,
            object_pairs_hook=_no_duplicates,
            parse_constant=_no_constant,
            parse_float=_finite,
            parse_int=_integer,
        )
        if _SURROGATE.search(text):  # half a surrogate pair: cannot be printed or saved
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError) as error:
        raise FileError(
            name, f"not valid JSON: {error}", field=field, remedy="correct the file"
        ) from error
    return value


def _check_plain(obj: Any, depth: int = 0) -> None:
    """Refuse what json.dumps would change silently, and what `read_json` would refuse."""
    if isinstance(obj, int) and abs(obj) >= 10 ** (_MAX_DIGITS - 1):
        raise ValueError(f"a number of more than {_MAX_DIGITS} digits")
    if not isinstance(obj, (dict, list, tuple)):
        return
    if depth == _MAX_DEPTH:
        raise ValueError(f"nested more than {_MAX_DEPTH} deep")
    for key in obj if isinstance(obj, dict) else ():
        if not isinstance(key, str):
            raise TypeError(f"key {key!r} is not a string")
    for value in obj.values() if isinstance(obj, dict) else obj:
        _check_plain(value, depth + 1)


def write_json(path: PathLike, obj: Any, *, overwrite: bool = False) -> None:
    """Save ``obj`` as JSON with sorted keys, indented by 2, ending in a newline.

    Raises `FileError` as `atomic_write` does, and `RangeError` or `DtypeError` for what JSON cannot
    express (NaN, keys other than strings, arrays).
    """
    try:
        _check_plain(obj)
        text = json.dumps(obj, indent=2, sort_keys=True, allow_nan=False, ensure_ascii=False)
        data = f"{text}\n".encode()
    except ValueError as error:
        raise RangeError(f"cannot be saved as JSON: {error}") from error
    except TypeError as error:
        raise DtypeError(f"cannot be saved as JSON: {error}") from error
    write_bytes(path, data, overwrite=overwrite)
