"""What the fields of a configuration have in common: strictness, faults, ranges."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Any, TypeAlias

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    model_validator,
)
from pydantic_core import PydanticCustomError

MAX_NODES = 100_000
_MAX_REPEAT = 10_000


def fault(reason: str, field: str = "") -> PydanticCustomError:
    """A fault of the value under validation, or of its part ``field`` (dotted)."""
    return PydanticCustomError("fault", "{reason}", {"reason": reason, "field": field})


def found(value: Any) -> str:
    """``value`` as the author of a YAML file would know it, in a few characters."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) and value.bit_length() > 100:
        return "a number of more than 30 digits"
    if isinstance(value, str):
        return repr(value if len(value) <= 40 else f"{value[:40]}...")
    if isinstance(value, (list, tuple)):
        return "a list"
    return "a mapping" if isinstance(value, dict) else repr(value)


def _list_as_tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


FROM_LIST = BeforeValidator(_list_as_tuple)
"""For tuples: YAML has lists only, and strict pydantic takes tuples only."""


def bounded(
    *, low: float | None = None, above: float | None = None, high: float | None = None
) -> Any:
    """A finite float from ``low``, or above ``above``, to ``high``; whole numbers are numbers."""
    return Field(ge=low, gt=above, le=high, allow_inf_nan=False)


def one_of(names: Collection[str]) -> AfterValidator:
    """A text that is one of ``names``."""

    def check(value: str) -> str:
        if value not in names:
            raise fault(f"expected one of {', '.join(names)}, found {found(value)}")
        return value

    return AfterValidator(check)


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
"""Edges there and edges back."""


class StrictModel(BaseModel):
    """Frozen, without conversion of types, and without keys that it does not know."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, value: Any) -> Any:
        # Before the fields: a key misspelt is also a key missing, and this is the better message.
        for key in value if isinstance(value, dict) else ():
            if key not in cls.model_fields:
                known = ", ".join(cls.model_fields) or "none"
                raise fault(f"unknown key, known here: {known}", key)
        return value
