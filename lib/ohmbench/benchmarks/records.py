"""The stored results of benchmarks: strict records in the JSON files of pytest-benchmark.

A run's file is pytest-benchmark's own (machine, commit, all rounds); a benchmark's figures are in
its ``extra_info`` under ``ohmbench``, the machine and the versions in ``machine_info`` under the
same name. ``Baseline`` is the file in the repository that runs are held against.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated, Any, TypeAlias, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    Field,
    RootModel,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from ohmbench.errors import FileError
from ohmbench.fields import Record
from ohmbench.files import read_json, write_json

KEY = "ohmbench"
"""Key of our part in the objects of pytest-benchmark."""

HOST_VARIABLE = "OHMBENCH_BENCH_HOST"
_BOOT = Path("/proc/sys/kernel/random/boot_id")

MAX_BYTES = 32 * 2**20
"""Limit for one file: pytest-benchmark stores every round, some hundred kB in all."""

Name: TypeAlias = Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=64)]
Label: TypeAlias = Annotated[str, Field(pattern=r"^[a-z0-9_]+$", max_length=64)]
# Shown on terminals and in tables, so without control characters and bars.
Line: TypeAlias = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f-\x9f|]+$", max_length=300)]


def _instant(value: Any) -> Any:
    """``value``, a text in ISO 8601, as a time; a number would be taken for seconds since 1970."""
    if isinstance(value, str) and re.match(r"\d{4}-\d\d-\d\dT", value):
        value = _TIME.validate_python(value)
    if not isinstance(value, datetime):
        raise ValueError("should be a time as in 2026-01-31T12:00:00+01:00")
    return value if value.tzinfo is not None else value.replace(tzinfo=timezone.utc)


_TIME = TypeAdapter(datetime)
# Instants of different time zones compare correctly; a time without an offset is in UTC.
Instant: TypeAlias = Annotated[datetime, BeforeValidator(_instant)]
Positive: TypeAlias = Annotated[float, Field(gt=0, lt=1e15)]
Count: TypeAlias = Annotated[int, Field(ge=0, lt=2**63)]


class Estimate(Record):
    """A value with its confidence interval over the rounds."""

    value: Positive
    low: Positive
    high: Positive

    @model_validator(mode="after")
    def _in_order(self) -> Estimate:
        if not self.low <= self.value <= self.high:
            raise ValueError("value outside its interval")
        return self


class Speed(Record):
    """Times of a reference and of ours, run in turns; their ratio is judged.

    ``ratio`` is reference over ours, ``same`` ours over ours in the same rounds (1 except for
    noise), ``others`` the part of the cores' time that other processes used. Times are seconds per
    call; ``bound_s`` is the time of its floating-point operations at the rate of a matrix product
    on this machine.
    """

    ratio: Estimate
    same: Estimate
    others: Annotated[float, Field(ge=0, le=1)]
    rounds: Annotated[int, Field(ge=1, lt=10**6)]
    reference_s: Positive
    ours_s: Positive
    bound_s: Positive | None


class Memory(Record):
    """Peak bytes of one call beyond those that its process held before."""

    reference_bytes: Annotated[int, Field(ge=1, lt=2**63)]
    ours_bytes: Annotated[int, Field(ge=1, lt=2**63)]

    @property
    def ratio(self) -> float:
        """How many times fewer bytes ours needs than the reference."""
        return self.reference_bytes / self.ours_bytes


class Difference(Record):
    """Largest difference of both sides' results relative to the largest value, and its bound."""

    value: Annotated[float, Field(ge=0)]
    bound: Positive


class Band(Record):
    """How much worse than its baseline a figure may be, relative to it, and why.

    ``worse`` on the baseline's machine, ``elsewhere`` on others (None: the same everywhere).
    """

    worse: Annotated[float, Field(ge=0, lt=1)]
    elsewhere: Annotated[float, Field(ge=0, lt=1)] | None = None
    why: Annotated[str, Field(min_length=10, max_length=300)]

    def allowed(self, *, same_machine: bool) -> float:
        """The relative change for the worse that is allowed on that machine or on another."""
        return self.worse if same_machine or self.elsewhere is None else self.elsewhere


class Goal(Record):
    """The least that this project aims for; ``missed`` gives the reason if it is not reached.

    ``rate`` is items per second: an absolute figure, recorded and shown but never judged.
    """

    ratio: Positive | None = None
    memory_ratio: Positive | None = None
    rate: Positive | None = None
    missed: Line | None = None


class Measurement(Record):
    """One benchmark of one run. ``counts`` do not depend on time and are the same everywhere.

    A call handles ``items`` of ``unit``. Its bands and its goal are stored with it, so that one
    file is enough for a comparison.
    """

    name: Name
    seed: Annotated[int, Field(ge=0, lt=2**31)]
    items: Count
    unit: Label
    speed: Speed | None = None
    memory: Memory | None = None
    difference: Difference | None = None
    counts: dict[Label, Count]
    bands: dict[Label, Band]
    goal: Goal | None = None


class Machine(Record):
    """The machine on which a ratio was measured: processor, number of usable cores, host. ``host``
    is a hash of the name in ``HOST_VARIABLE`` or, without one, of this boot of the machine: virtual
    machines share the names of processors, hosts and networks."""

    cpu: Line
    host: Annotated[str, Field(pattern=r"^[0-9a-f]{8}$")]
    cores: Annotated[int, Field(ge=1, lt=10**6)]

    @property
    def key(self) -> str:
        """The machine in one line: the key of its levels in baselines."""
        return f"{self.cpu}, {self.cores} cores, host {self.host}"


class Circumstances(Record):
    """Our part of pytest-benchmark's ``machine_info``; ``flops`` of a float32 matrix product, per
    second."""

    machine: Machine
    threads: Annotated[int, Field(ge=1, lt=10**6)]
    flops: Positive
    versions: dict[Line, Line]


class Run(Record):
    """One file: benchmarks by name, with their machine, time and commit.

    ``when`` is the commit's time, or that of the measurement outside a repository.
    """

    commit: Line
    dirty: bool
    when: Instant
    measured: Instant
    circumstances: Circumstances
    measurements: dict[Name, Measurement]


class Level(Record):
    """A benchmark's baseline on one machine; ``floor`` as in ``judging.floor``."""

    ratio: Positive | None
    floor: Annotated[float, Field(ge=0)]
    memory_ratio: Positive | None
    commit: Line
    versions: dict[Line, Line]


class Entry(Record):
    """A benchmark's baseline: counts for all machines, ratios by machine (``Machine.key``)."""

    counts: dict[Label, Count]
    machines: Annotated[dict[Line, Level], Field(min_length=1)]


class Baseline(RootModel[dict[Name, Entry]]):
    """Every benchmark's baseline."""


R = TypeVar("R", bound=BaseModel)


def _checked(path: str | os.PathLike[str], kind: type[R], value: Any, what: str) -> R:
    try:
        return kind.model_validate_json(json.dumps(value))
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"])) or None
        raise FileError(
            path, f"not {what}: {first['msg']}", field=field,
            remedy="files of another version are measured again: 'tox -e bench'",
        ) from None  # fmt: skip


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _run(path: str | os.PathLike[str], value: Mapping[str, Any]) -> Run:
    commit = _mapping(value.get("commit_info"))
    measurements: dict[str, Any] = {}
    for benchmark in value["benchmarks"]:
        found = _mapping(_mapping(benchmark).get("extra_info")).get(KEY)
        name = _mapping(found).get("name")
        if found is None:
            continue  # a benchmark of somebody else's in the same run
        if not isinstance(name, str) or name in measurements:
            raise FileError(path, "a benchmark without a name, or two of one name")
        measurements[name] = found
    if not measurements:
        raise FileError(
            path, "holds no benchmark of ohmbench", remedy="name a file of 'tox -e bench'"
        )
    plain = {
        "commit": commit.get("id"),
        "dirty": commit.get("dirty"),
        "when": commit.get("time") or value.get("datetime"),
        "measured": value.get("datetime"),
        "circumstances": _mapping(value.get("machine_info")).get(KEY),
        "measurements": measurements,
    }
    return _checked(path, Run, plain, "a run of benchmarks")


def read_stored(path: str | os.PathLike[str]) -> Run | Baseline:
    """The run or the baseline in a file. Raises FileError for anything else."""
    value = read_json(path, max_bytes=MAX_BYTES)
    if isinstance(value, dict) and isinstance(value.get("benchmarks"), list):
        return _run(path, value)
    return _checked(path, Baseline, value, "a run or a baseline of benchmarks")


def read_run(path: str | os.PathLike[str]) -> Run:
    """The run in a file that ``pytest --benchmark-json`` wrote. Raises FileError."""
    found = read_stored(path)
    if isinstance(found, Baseline):
        raise FileError(path, "is a baseline", remedy="name a file of 'tox -e bench'")
    return found


def read_baseline(path: str | os.PathLike[str]) -> Baseline:
    """The baseline in a file. Raises FileError."""
    return _checked(path, Baseline, read_json(path, max_bytes=MAX_BYTES), "a baseline")


def write_baseline(path: str | os.PathLike[str], baseline: Baseline) -> None:
    """Replace the baseline in a file. Raises FileError when it cannot be written."""
    write_json(path, json.loads(baseline.model_dump_json()), overwrite=True)


def this_machine() -> Machine:
    """The processor's name as the system gives it, and the cores that this process may use."""
    cpu = platform.processor() or platform.machine() or "unknown"
    info = Path("/proc/cpuinfo")
    if info.is_file():
        names = [
            line.partition(":")[2].strip()
            for line in info.read_text(encoding="utf-8", errors="replace").splitlines()
            if line.startswith("model name")
        ]
        cpu = next((name for name in names if name), cpu)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    name = os.environ.get(HOST_VARIABLE) or (
        _BOOT.read_text(encoding="ascii") if _BOOT.is_file() else platform.node()
    )
    host = hashlib.sha256(name.encode()).hexdigest()[:8]
    return Machine(cpu=cpu, host=host, cores=cores or 1)
