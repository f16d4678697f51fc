"""Sizes and counts in the arguments of topologies and devices."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import AfterValidator, Field

from ohmbench.fields import FROM_LIST, fault

MAX_NODES = 100_000
_MAX_REPEAT = 10_000

Size: TypeAlias = Annotated[int, Field(ge=1, le=MAX_NODES)]
Repeat: TypeAlias = Annotated[int, Field(ge=1, le=_MAX_REPEAT)]
_RepeatOrNone: TypeAlias = Annotated[int, Field(ge=0, le=_MAX_REPEAT)]


def _not_both_none(pair: tuple[int, int]) -> tuple[int, int]:
    if not any(pair):
        raise fault("both counts are 0, expected at least one edge")
    return pair


RepeatPair: TypeAlias = Annotated[
    tuple[_RepeatOrNone, _RepeatOrNone], FROM_LIST, AfterValidator(_not_both_none)
]
"""Edges in forward and in backward direction."""
