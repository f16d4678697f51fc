"""Errors that the user can fix.

Each is a single line, ``WHAT: PROBLEM; REMEDY``. WHAT is the file (and the field in it), the option
or the argument at fault, PROBLEM says what is wrong with it, and REMEDY what to do: an instruction
("give one of them") or the choices. The ``ohmbench`` command prints ``ohmbench: `` before it and
exits with status 2; for an error without its own remedy it refers to the command's help
(``ohmbench.cli.refusals``). Any other exception that escapes is a bug of ohmbench and keeps its
traceback.
"""

from __future__ import annotations

import os

_LONGEST_PART = 300


def one_line(text: str, longest: int = _LONGEST_PART) -> str:
    """``text`` without line breaks or control characters, shortened if it would fill the screen."""
    printable = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    if len(printable) > longest:
        half = longest // 2
        return f"{printable[:half]}...{printable[-half:]}"
    return printable


class OhmbenchError(Exception):
    """Base of all errors that a user can fix; the message is one line."""

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.splitlines()))


class HardwareFailure(OhmbenchError):
    """Simulated hardware that does not answer, or that refuses what it should accept."""


class FileError(OhmbenchError):
    """A file that cannot be read or written as asked.

    Attributes: ``path``, ``field`` (the array or key at fault, or None), ``reason``, ``remedy``.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        reason: str,
        *,
        field: str | None = None,
        remedy: str | None = None,
    ) -> None:
        self.path = os.fspath(path)
        self.field = field
        self.reason = reason
        self.remedy = remedy
        where = [one_line(self.path) or "''"] + ([one_line(field)] if field is not None else [])
        message = ": ".join([*where, one_line(reason)])
        super().__init__(f"{message}; {one_line(remedy)}" if remedy is not None else message)

    def __reduce__(self) -> tuple[object, ...]:
        # By default pickle rebuilds an exception from its finished message alone, which fails in
        # worker processes.
        return _rebuild_file_error, (type(self), self.path, self.reason, self.field, self.remedy)


def _rebuild_file_error(
    kind: type[FileError], path: str, reason: str, field: str | None, remedy: str | None
) -> FileError:
    return kind(path, reason, field=field, remedy=remedy)


class OperandError(OhmbenchError, ValueError):
    """An array that a model cannot use."""


class ZeroWeightError(OperandError):
    """A weight of exactly 0 A where the cell's formula is singular (ln 0)."""


class NonFiniteError(OperandError):
    """NaN or infinity where a physical quantity is expected."""


class ShapeError(OperandError):
    """Array dimensions that do not fit together."""


class DtypeError(OperandError):
    """An element type other than those a model computes in."""


class RangeError(OperandError):
    """A value outside the range of the device or the formula."""
