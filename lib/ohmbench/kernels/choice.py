"""The meaning of the path "auto": the fastest available path, or always the plain formulas."""

from __future__ import annotations

import os
from collections.abc import Sequence

from ohmbench.errors import OperandError
from ohmbench.transforms import followed

PATH_VARIABLE = "OHMBENCH_PATH"
"""Environment variable; if it is "plain", "auto" always chooses the reference."""


def check_path(path: str, there_are: Sequence[str]) -> None:
    """Raise OperandError unless ``path`` is one of ``there_are``."""
    if path not in there_are:
        raise OperandError(
            f"path is {path!r}, but should be one of {', '.join(map(repr, there_are))}"
        )


def refuse_followed(what: str) -> None:
    """Raise OperandError if torch traces the operations, which compiled loops do not support."""
    if followed():
        raise OperandError(
            f"{what} is compiled, which torch.func and torch's tracers do not support; use "
            "path='plain' there"
        )


def plain_preferred() -> bool:
    """Whether the user prefers the plain formulas wherever no path is named.

    Raises OperandError if the variable is neither "auto" nor "plain".
    """
    wanted = os.environ.get(PATH_VARIABLE) or "auto"
    if wanted not in ("auto", "plain"):
        raise OperandError(f"{PATH_VARIABLE} is {wanted!r}, but should be 'auto' or 'plain'")
    return wanted == "plain"
