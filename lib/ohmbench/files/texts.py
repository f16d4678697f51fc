"""Whole files of bounded size: as bytes, or as text."""

from __future__ import annotations

from ohmbench.errors import FileError
from ohmbench.files.opening import PathLike, only_file_errors, open_regular, usable_name

MAX_TEXT = 1 << 28
"""Most bytes of a text: reports and logs of tools have a few megabytes."""


def read_bytes(path: PathLike, *, max_bytes: int = MAX_TEXT) -> bytes:
    """All bytes of a regular file, even an empty one. Raises `FileError`, also if it is larger."""
    name = usable_name(path)
    file, _ = open_regular(name)
    with file, only_file_errors(name):
        data = file.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise FileError(name, f"holds more than {max_bytes} bytes, which are accepted at most")
    return data


def read_text(path: PathLike, *, max_bytes: int = MAX_TEXT) -> str:
    """The text of a UTF-8 file, with line ends as newlines. Raises FileError."""
    try:
        text = read_bytes(path, max_bytes=max_bytes).decode("utf-8")
    except UnicodeDecodeError as error:
        raise FileError(path, "is not text in UTF-8") from error
    return text.replace("\r\n", "\n").replace("\r", "\n")
