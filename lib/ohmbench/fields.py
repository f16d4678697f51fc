"""What the YAML files of all families share: strict fields, and one line per fault."""

from __future__ import annotations

import io
from collections.abc import Collection, Sequence
from typing import Any, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails, PydanticCustomError
from ruamel.yaml import YAML

from ohmbench.errors import FileError


def fault(reason: str, field: str = "") -> PydanticCustomError:
    """A fault of the value being validated, or of its part ``field`` (dotted)."""
    return PydanticCustomError("fault", "{reason}", {"reason": reason, "field": field})


def found(value: Any) -> str:
    """``value`` as the author of a YAML file would recognise it, in a few characters."""
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
"""For tuples: YAML only has lists, and strict pydantic only accepts tuples."""


def bounded(
    *, low: float | None = None, above: float | None = None, high: float | None = None
) -> Any:
    """A finite float from ``low`` (inclusive) or ``above`` (exclusive) to ``high``; integers are
    accepted.
    """
    return Field(ge=low, gt=above, le=high, allow_inf_nan=False)


def one_of(names: Collection[str]) -> AfterValidator:
    """A text that is one of ``names``."""

    def check(value: str) -> str:
        if value not in names:
            raise fault(f"expected one of {', '.join(names)}, found {found(value)}")
        return value

    return AfterValidator(check)


class Record(BaseModel):
    """Base of records of a run: frozen, strict about types and fields, finite numbers only."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", allow_inf_nan=False)


class StrictModel(BaseModel):
    """Frozen model that neither converts types nor accepts unknown keys."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, value: Any) -> Any:
        # Check for unknown keys before the fields: a misspelt key is also a missing key, and this
        # message is more helpful.
        for key in value if isinstance(value, dict) else ():
            if key not in cls.model_fields:
                known = ", ".join(cls.model_fields) or "none"
                raise fault(f"unknown key, known here: {known}", key)
        return value


_EXPECTED = {
    "missing": "missing",
    "model_type": "expected a mapping",
    "model_attributes_type": "expected a mapping",
    "dict_type": "expected a mapping",
    "tuple_type": "expected a list",
    "string_type": "expected a text",
    "float_type": "expected a number",
    "finite_number": "expected a finite number",
    "int_type": "expected a whole number",
    "int_from_float": "expected a whole number",
    "bool_type": "expected true or false",
    "greater_than": "expected more than {gt:g}",
    "greater_than_equal": "expected at least {ge:g}",
    "less_than": "expected less than {lt:g}",
    "less_than_equal": "expected at most {le:g}",
    "literal_error": "expected {expected}",
    "too_short": "expected at least {min_length}, found {actual_length}",
    "too_long": "expected at most {max_length}, found {actual_length}",
    "union_tag_invalid": "expected {expected_tags}",
    "union_tag_not_found": "missing",
}


# Pydantic's names for the members of a union. They appear in its error paths but not in files.
_MEMBERS = frozenset(("constrained-float", "constrained-str"))


def _dotted(parts: Sequence[int | str]) -> str:
    path = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in parts)
    return path.removeprefix(".")


def _refusal(source: str, error: ErrorDetails, tags: Collection[str]) -> FileError:
    """One line for one error of pydantic: dotted path of the key, its value, what was expected."""
    kind, context, value = error["type"], error.get("ctx", {}), error["input"]
    # A tagged union leaves the tag in the path, which is not a key of the file.
    parts = [part for part in error["loc"] if part not in tags and part not in _MEMBERS]
    remedy = "correct the file"
    if kind == "fault":
        parts += [context["field"]] if context["field"] else []
        return FileError(source, context["reason"], field=_dotted(parts) or None, remedy=remedy)
    if kind.startswith("union_tag"):
        parts.append(context["discriminator"].strip("'"))
        value = context.get("tag")
    expected = _EXPECTED.get(kind, error["msg"]).format_map(context)
    if "missing" not in expected and "found" not in expected:
        expected += f", found {found(value)}"
    return FileError(source, expected, field=_dotted(parts) or None, remedy=remedy)


Checked = TypeVar("Checked", bound=StrictModel)


def checked(model: type[Checked], value: Any, source: str, tags: Collection[str] = ()) -> Checked:
    """Validate ``value``, read from the YAML file that errors call ``source``, as a ``model``.

    ``tags`` are the tags of its unions, which appear in pydantic's error paths. Raises FileError
    whose ``field`` is the dotted path of the key at fault.
    """
    try:
        return model.model_validate(value)
    except ValidationError as error:
        details = error.errors(include_url=False)
        raise _refusal(source, details[0], tags) from error


def yaml_text(model: StrictModel) -> str:
    """YAML with every key written out; ``checked`` turns it back into an equal model."""
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = None  # lists of numbers on one line
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    yaml.width = 100
    stream = io.StringIO()
    yaml.dump(model.model_dump(mode="json", exclude_none=True), stream)
    return stream.getvalue()
