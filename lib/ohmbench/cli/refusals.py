"""The one line that says what was wrong: ``WHAT: PROBLEM; REMEDY``, as ``ohmbench.errors`` has it.

typer's messages and the system's are brought into that form here; errors of ohmbench have it
already, but for a remedy where none but the command's help is known.
"""

from __future__ import annotations

import errno
import os
import re
from typing import Any

import typer

from ohmbench.errors import OhmbenchError, one_line

_REMEDIES = {
    errno.ENOSPC: "free some space",
    errno.EACCES: "check its permissions",
    errno.EPERM: "check its permissions",
    errno.EROFS: "choose a folder that can be written",
    errno.ENOENT: "check the path",
}


def line_of(error: OhmbenchError, command: str) -> str:
    """The line of an error of ohmbench, in ``command`` (as typed, from ``ohmbench`` on)."""
    line = str(error)
    problem = line.split("; ")[0]
    if ": " not in problem:
        line = f"{_last(command)}: {line}"
    if getattr(error, "remedy", None) is None and "; " not in line:
        line = f"{line}; {_see(command)}"
    return line


def usage_line(error: typer.TyperException, command: str) -> str:
    """The line of words that are no command, or that a command does not take."""
    what, problem, hint = _usage(error, command)
    remedy = f"{hint}; {_see(command)}" if hint else _see(command)
    return f"{one_line(what)}: {one_line(problem)}; {remedy}"


def _usage(error: Any, command: str) -> tuple[str, str, str]:
    """What is wrong, how, and a hint, which may be empty."""
    message = error.message.rstrip(".")
    option = getattr(error, "option_name", None)
    if option is not None:
        near = getattr(error, "possibilities", None) or []
        if message.startswith("No such option"):
            hint = f"did you mean {' or '.join(sorted(near))}?" if near else ""
            return option, "no such option", hint
        said = re.sub(r"^Option '[^']*' ", "", message)
        return option, said.replace("requires an argument", "needs a value"), ""
    parameter = getattr(error, "param", None)
    if parameter is not None:
        what = parameter.get_error_hint().replace("'", "")
        if type(error).__name__ == "MissingParameter":
            return what, "is missing", ""
        return what, re.sub(r"^Input ", "", message), ""
    unknown = re.match(r"No such command '(.*)'(?:\. Did you mean (.*)\?)?$", message)
    if unknown:
        near = unknown[2]
        return unknown[1], "no such command", f"did you mean {near}?" if near else ""
    extra = re.match(r"Got unexpected extra argument\(s\) \((.*)\)$", message)
    if extra:
        return extra[1], "unexpected after the other arguments", ""
    if message == "Missing command":
        return _last(command), "needs a command", ""
    return _last(command), message, ""


def system_line(error: OSError, command: str) -> str:
    """The line of what the system refused, and of which file."""
    if error.filename is None and error.errno == errno.ENOENT:
        try:
            os.getcwd()
        except FileNotFoundError:
            return "current folder: no longer exists; change to another one"
    what = _last(command) if error.filename is None else str(error.filename)
    remedy = _REMEDIES.get(error.errno or 0, _see(command))
    return f"{one_line(what)}: {one_line(str(error.strerror or error))}; {remedy}"


def _last(command: str) -> str:
    """The command without the program's name, which stands before every line."""
    return command.removeprefix("ohmbench ")


def _see(command: str) -> str:
    return f"see '{command} --help'"
