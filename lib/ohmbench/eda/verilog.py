"""Verilog files as every tool gets them: byte for byte, with their includes resolved.

Tools search for included files in different orders, some search only one folder, and VTR takes a
single file. So `` `include "name" `` is resolved here, in the same way for all tools: first in the
folder of the including file, then in the folder of the project's Verilog (``OHMBENCH_HDL``). A file
without includes goes to the tools unchanged. In a file with includes, the included text replaces
the directive, between `` `line `` directives that keep file names and line numbers right.

An include is left to the tools if its file name is not a plain string or the file is not found: it
may be in a branch of an `` `ifdef `` that is not taken.
"""

from __future__ import annotations

import hashlib
import re
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ohmbench.eda.hdl import hdl_folder
from ohmbench.eda.tools import ToolError
from ohmbench.errors import FileError
from ohmbench.files import read_bytes

_MOST_CHARACTERS = 1 << 24
_TOKEN = re.compile(
    r'"(?:\\.|[^"\\\n])*"'  # a string
    r"|//[^\n]*|/\*.*?\*/"
    r"|\\\S+"  # an escaped name
    r"|`define\b(?:\\\n|[^\n])*"
    r'|`include[ \t]*"(?P<name>[^"\n]+)"',
    re.DOTALL,
)
_UNREPORTED = re.compile(
    r'\$readmem[bh]\s*\(\s*(?:"(?P<data>[^"\n]+)")?'
    r"|`include[ \t]*(?P<macro>`\w+)"
    r'|"(?:\\.|[^"\\\n])*"|//[^\n]*|/\*.*?\*/|\\\S+',
    re.DOTALL,
)
_PLAIN_NAME = re.compile(r"[^\s\"\\]+")
QUOTABLE_PATH = re.compile(r"[^\x00-\x1f\x7f\"\\]+")
"""Paths that can be written in a Verilog string, which is where tools put them."""
SIMPLE_PATH = re.compile(r"[\w./+@%=-]+", re.ASCII)
"""Paths that need no quotes anywhere."""


@dataclass(frozen=True)
class VerilogFile:
    """A file and its text with includes resolved. ``alone``: it includes nothing."""

    path: Path
    text: str
    alone: bool

    def __str__(self) -> str:
        """The text that stands for this file in a build's key."""
        return f"{self.path.name}\0{hashlib.sha256(encoded(self.text)).hexdigest()}"


def read_verilog(paths: Sequence[Path]) -> list[VerilogFile]:
    """Read the files with their includes. Raises ToolError for one that cannot be read."""
    return [_read(path) for path in paths]


def texts(paths: Sequence[Path]) -> dict[str, str]:
    """File name -> text with includes resolved. Raises ToolError for an unreadable file."""
    return {file.path.name: file.text for file in read_verilog(paths)}


def encoded(text: str) -> bytes:
    """The original bytes of a text that was read."""
    return text.encode("utf-8", "surrogateescape")


def write_verilog(path: Path, text: str) -> None:
    """Write a text that was read, byte for byte."""
    path.write_bytes(encoded(text))


def staged(
    files: Sequence[VerilogFile], folder: Path, possible: re.Pattern[str] = QUOTABLE_PATH
) -> list[Path]:
    """Paths for a tool: the files themselves, or copies in the new folder ``folder`` where a file
    has includes or its path does not match ``possible``.
    """
    folder.mkdir()
    found = []
    for k, file in enumerate(files):
        path = file.path.absolute()
        if not file.alone or not possible.fullmatch(str(path)):
            path = folder / file.path.name
            if path in found or not SIMPLE_PATH.fullmatch(path.name):
                path = folder / f"file{k}.v"
            write_verilog(path, file.text)
        found.append(path)
    return found


def data_files(text: str) -> list[Path]:
    """The files that a Verilog text names for ``$readmemh`` and ``$readmemb``, for a tool that does
    not report what it reads. Raises ToolError where only the tool could resolve the name.
    """
    found = []
    for token in _UNREPORTED.finditer(text):
        if token["macro"] or (token[0].startswith("$") and not token["data"]):
            line = text.count("\n", 0, token.start()) + 1
            raise ToolError(
                f"line {line}: {token[0].strip()}: which file that is cannot be seen; write its "
                "name there, in quotes"
            )
        if token["data"]:
            found.append(Path(token["data"]))
    return found


def decoded(data: bytes) -> str:
    """Verilog as text. Comments may be in any encoding; bytes that are not UTF-8 are kept."""
    return data.decode("utf-8", "surrogateescape").replace("\r\n", "\n")


def _read(path: Path) -> VerilogFile:
    try:
        text = decoded(read_bytes(path, max_bytes=_MOST_CHARACTERS))
    except FileError as error:
        raise ToolError(str(error)) from None
    whole = _expanded(text, path.absolute(), ())
    alone = whole == text
    return VerilogFile(path, text if alone else _line(1, path, 0) + whole, alone)


def _expanded(text: str, path: Path, outer: tuple[Path, ...]) -> str:
    """The text of ``path`` with its includes; ``outer`` are the files that include ``path``."""
    if "`include" not in text:
        return text
    parts, end, size = [], 0, 0
    for token in _TOKEN.finditer(text):
        found = token["name"] and _find(token["name"], path, (*outer, path))
        if not found:
            continue
        included, content = found
        inner = _expanded(content, included, (*outer, path))
        inner = inner if inner.endswith("\n") else inner + "\n"
        here = text.count("\n", 0, token.end()) + 1
        parts += [text[end : token.start()], "\n", _line(1, included, 1), inner]
        parts += [_line(here, path, 2)]
        end, size = token.end(), size + len(inner)
        if size > _MOST_CHARACTERS:
            raise ToolError(f"{path}: what it includes is over {_MOST_CHARACTERS} characters long")
    return "".join((*parts, text[end:]))


def _find(name: str, path: Path, outer: tuple[Path, ...]) -> tuple[Path, str] | None:
    """The file that an include in ``path`` means, and its text. None when it is not found, and for
    a file that includes itself, which is possible only in a branch that is not taken.
    """
    for folder in _folders(path):
        included = folder / name
        try:
            if stat.S_ISDIR(included.stat().st_mode):
                continue
            content = decoded(read_bytes(included, max_bytes=_MOST_CHARACTERS))
        except (FileNotFoundError, NotADirectoryError):
            continue
        except FileError as error:
            raise ToolError(str(error)) from None
        except (OSError, ValueError) as error:
            raise ToolError(f"{included}: {getattr(error, 'strerror', None) or error}") from None
        if included.resolve() in (one.resolve() for one in outer):
            return None
        return included, content
    return None


def _folders(path: Path) -> list[Path]:
    folders = [path.parent]
    try:
        folders.append(hdl_folder())
    except ToolError:  # the user's own files do not need the project's Verilog
        return folders
    return folders


def _line(number: int, path: Path, level: int) -> str:
    """The directive that names the source of the next line; tools cannot quote names in it."""
    return f'`line {number} "{path.name}" {level}\n' if _PLAIN_NAME.fullmatch(path.name) else ""
