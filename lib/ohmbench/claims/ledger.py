"""The claims ledger: every published number and every target of ours is one row, one test.

A row says what is claimed, by whom, which value, how far a check may be off and why, and which
status its test must establish. A status is never assumed: the test measures, ``judge`` compares,
and a row whose measurement does not fit what the ledger expects is a failure.
"""

from __future__ import annotations

import os
import re
from pathlib import PurePosixPath
from typing import Annotated, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from ohmbench.claims.status import ClaimStatus as ClaimStatus
from ohmbench.errors import FileError
from ohmbench.files import item_lines, read_yaml

Text = Annotated[str, Field(min_length=1)]


class Fault(BaseModel):
    """A fault that turns a row red: in ``file`` the text ``replace``, which is there once, becomes
    ``by``.

    ``file`` is relative to the ledger's folder, or begins with the name of an installed package
    (``ohmbench/floatgate/power.py``). ``says`` is one sentence on what is wrong with it.
    """

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    file: Text
    replace: Text
    by: str
    says: Text | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Fault:
        path = PurePosixPath(self.file)
        if path.is_absolute() or ".." in path.parts or "\\" in self.file:
            raise ValueError(f"'file' is {self.file!r}, but should be a relative path without '..'")
        if self.replace == self.by:
            raise ValueError("'replace' and 'by' are the same text")
        return self

    @property
    def text(self) -> str:
        """The file, and what is wrong with it or which text becomes which."""
        return f"{self.file}: {self.says or f'{self.replace!r} becomes {self.by!r}'}"


class Claim(BaseModel):
    """One row.

    ``expect`` is "reproduced" (our value is within ``tolerance`` of ``published``), "differs" (it
    is not, and equals ``ours`` within ``tolerance``), "met" (our value lies in [``at_least``,
    ``at_most``]), "missed" (a target of ours that is not reached: our value lies outside, and is
    ``ours`` within ``tolerance``) or "not checkable" (no test can; ``why`` says the reason).
    ``family`` says what kind of network or hardware the row is about; reports filter by it.
    ``why`` otherwise argues the tolerance or bound, and the difference of what differs or is
    missed. Values share ``unit``. ``test`` is the test's node id with the path relative to the
    ledger's folder: ``tests/test_accuracy.py::test_top1``. ``fault`` is a fault with which the test
    measures something else, so that the row is FAILED (``ohmbench.claims.planting``).
    """

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", allow_inf_nan=False)

    id: str
    statement: Text
    source: Text
    family: Text | None = None
    expect: Literal["reproduced", "differs", "met", "missed", "not checkable"]
    why: Text
    unit: str = ""
    published: float | str | None = None
    ours: float | None = None
    tolerance: Annotated[float, Field(ge=0)] | None = None
    at_least: float | None = None
    at_most: float | None = None
    test: str | None = None
    fault: Fault | None = None

    @field_validator("id")
    @classmethod
    def _is_dotted(cls, value: str) -> str:
        if not re.fullmatch(r"[a-z]+(\.[a-z0-9-]+)+", value):
            raise ValueError(
                f"{value!r}, expected lower-case words joined by dots, like lab.accuracy"
            )
        return value

    @model_validator(mode="after")
    def _complete(self) -> Claim:
        needed = {
            "reproduced": ("published", "tolerance", "test"),
            "differs": ("published", "ours", "tolerance", "test"),
            "met": ("test",),
            "missed": ("ours", "tolerance", "test"),
            "not checkable": (),
        }[self.expect]
        missing = [name for name in needed if getattr(self, name) is None]
        if missing:
            raise ValueError(f"{self.id}: {self.expect!r} needs {', '.join(missing)}")
        if self.expect in ("reproduced", "differs") and isinstance(self.published, str):
            raise ValueError(f"{self.id}: {self.expect!r} needs a number as published")
        if self._is_target and self.at_least is None and self.at_most is None:
            raise ValueError(f"{self.id}: {self.expect!r} needs at_least or at_most")
        if self.expect == "not checkable" and self.test is not None:
            raise ValueError(f"{self.id}: a claim that no test can check names no test")
        if self.fault is not None and self.test is None:
            raise ValueError(f"{self.id}: a fault needs a test that turns red")
        return self

    def judge(self, value: float) -> ClaimStatus:
        """The status that the measured ``value`` establishes; FAILED unless it is the expected."""
        tolerance, published = self.tolerance, self.published
        if self._is_target:
            above = self.at_least is None or value >= self.at_least
            below = self.at_most is None or value <= self.at_most
            if self.expect == "met":
                return ClaimStatus.MET if above and below else ClaimStatus.FAILED
            as_known = self.ours is not None and abs(value - self.ours) <= (tolerance or 0)
            return ClaimStatus.MISSED if as_known and not (above and below) else ClaimStatus.FAILED
        if tolerance is None or not isinstance(published, float | int):
            return ClaimStatus.FAILED
        reproduced = abs(value - published) <= tolerance
        if self.expect == "reproduced":
            return ClaimStatus.REPRODUCED if reproduced else ClaimStatus.FAILED
        ours = self.ours is not None and abs(value - self.ours) <= tolerance
        return ClaimStatus.DIFFERS if ours and not reproduced else ClaimStatus.FAILED

    @property
    def _is_target(self) -> bool:
        return self.expect in ("met", "missed")

    @property
    def expected_text(self) -> str:
        """The value a reader compares with: the published one, or our own bound."""
        if self._is_target:
            if self.at_least is not None and self.at_most is not None:
                return f"{self.at_least:g} to {self.at_most:g}"
            return f"<= {self.at_most:g}" if self.at_least is None else f">= {self.at_least:g}"
        return "-" if self.published is None else number_text(self.published)


def number_text(value: float | str) -> str:
    """A value as people read it: six significant digits, or the text that it is."""
    return value if isinstance(value, str) else f"{value:.6g}"


class ClaimMeasurement(BaseModel):
    """What a test found for one claim; ``detail`` holds interval, counts, seeds.

    ``interval`` is the 95 % interval of ``value`` in the claim's unit, where it is an estimate.
    """

    # A test that measured NaN has failed, and must say so through JSON too.
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")

    id: str
    value: float
    detail: str = ""
    interval: tuple[float, float] | None = None


_REASONS = {
    "extra_forbidden": "is not a key of a claim",
    "missing": "is missing",
    "string_too_short": "is empty",
    "finite_number": "is not a finite number",
}
"""Pydantic's types of errors, in the words of somebody who writes a ledger."""


def read_ledger(path: str | os.PathLike[str]) -> dict[str, Claim]:
    """Rows of a YAML ledger by id, in file order.

    Raises FileError for a file that cannot be read, bad YAML, an unknown, missing or ill-typed
    key, or an id that occurs twice.
    """
    rows = read_yaml(path)
    if not isinstance(rows, list):
        raise FileError(path, "is not a list of claims")
    ledger: dict[str, Claim] = {}
    for number, row in enumerate(rows):
        try:
            claim = Claim.model_validate(row)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"])) or "row"
            name = row.get("id", number) if isinstance(row, dict) else number
            reason = _REASONS.get(first["type"], first["msg"].removeprefix("Value error, "))
            raise FileError(path, reason, field=f"claim {name}, {where}") from None
        if claim.id in ledger:
            raise FileError(path, "occurs twice", field=f"claim {claim.id}")
        ledger[claim.id] = claim
    return ledger


def ledger_lines(path: str | os.PathLike[str]) -> dict[str, int]:
    """The line on which each row begins, counted from 1, by the row's id.

    Raises FileError as ``read_ledger`` does.
    """
    return dict(zip(read_ledger(path), item_lines(path), strict=True))
