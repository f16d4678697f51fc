"""What "auto" means: the fastest path there is, or everywhere the plain formulas."""

from __future__ import annotations

import os
from collections.abc import Sequence

from ohmbench.errors import OperandError
from ohmbench.transforms import followed

PATH_VARIABLE = "OHMBENCH_PATH"
"""Environment variable; "plain" makes every automatic choice the reference."""


def check_path(path: str, there_are: Sequence[str]) -> None:
    """Raise OperandError for a path that is none: it would be taken for another one."""
    if path not in there_are:
        raise OperandError(f"no path {path!r}; there are {', '.join(map(repr, there_are))}")


def refuse_followed(what: str) -> None:
    """Raise OperandError where torch follows the operations, which it cannot in compiled loops."""
    if followed():
        raise OperandError(
            f"{what} is compiled, which torch.func and torch's tracers cannot follow: ask for "
            "path='plain' there"
        )


def plain_preferred() -> bool:
    """Whether the user wants the plain formulas wherever no path is asked for by name.

    Raises OperandError for a value of the variable that is neither "auto" nor "plain".
    """
    wanted = os.environ.get(PATH_VARIABLE) or "auto"
    if wanted not in ("auto", "plain"):
        raise OperandError(f"{PATH_VARIABLE} is {wanted!r}, but should be 'auto' or 'plain'")
    return wanted == "plain"
