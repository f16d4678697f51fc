"""The synthesis gates: the measured figures, their golden values, and the allowed difference.

``goldens.json`` holds figures by flow, device, tool versions and design; only ``--update-golden``
writes it. ``tolerances.yaml`` holds, by flow and figure, the band around the golden and its reason.
``judge`` compares them; a figure that is missing on one side, or on both, is a complaint.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import pytest
from pydantic import Field, RootModel, ValidationError, model_validator
from ruamel.yaml import YAML

from ohmbench.digital.widths import Hardware
from ohmbench.eda.synthesis.result import FlowName, Report
from ohmbench.fields import Record
from ohmbench.files import read_json, write_json

GOLDENS = Path(__file__).with_name("goldens.json")
TOLERANCES = Path(__file__).with_name("tolerances.yaml")
UPDATE = "run the same test with --update-golden to store what is measured here"


@dataclass(frozen=True)
class Case:
    """The design with which a flow's gate is tested, and its seeds."""

    hardware: Hardware
    seeds: tuple[int, ...]


CASES: dict[FlowName, Case] = {
    # Four lanes: three seeds take two cores three minutes, and the design leaves room for a
    # redesign.
    "ecp5": Case(Hardware(64, 100, 10, lanes=4, requants=1), (1, 2, 3)),
    "vtr": Case(Hardware(64, 100, 10), (1, 2, 3, 4, 5)),
}


JOBS = 2
"""Seeds run at a time: CI has two cores."""


class Golden(Record):
    """The measured figures for these seeds, of sources with this hash."""

    seeds: Annotated[tuple[int, ...], Field(min_length=1)]
    sources_sha256: str
    figures: Annotated[dict[str, float], Field(min_length=1)]


class Band(Record):
    """The allowed range of a figure: from ``low`` to ``high`` times its golden value and, whatever
    the golden value, from ``at_least`` to ``at_most``; ``why`` is the reason.
    """

    low: Annotated[float, Field(gt=0, le=1)] | None = None
    high: Annotated[float, Field(ge=1)] | None = None
    at_least: float | None = None
    at_most: float | None = None
    why: Annotated[str, Field(min_length=10)]

    @model_validator(mode="after")
    def _two_sided(self) -> Band:
        if (self.low is None) != (self.high is None):
            raise ValueError("low without high, or high without low")
        if self.low is None and self.at_least is None and self.at_most is None:
            raise ValueError("a band without bounds")
        return self

    def limits(self, golden: float) -> tuple[float, float]:
        lows = [b for b in (self.at_least, self.low and self.low * golden) if b is not None]
        highs = [b for b in (self.at_most, self.high and self.high * golden) if b is not None]
        return max(lows, default=float("-inf")), min(highs, default=float("inf"))


class _Goldens(RootModel[dict[str, Golden]]):
    pass


class _Bands(RootModel[dict[FlowName, dict[str, Band]]]):
    pass


def read_goldens(path: Path = GOLDENS) -> dict[str, Golden]:
    return _Goldens.model_validate_json(json.dumps(read_json(path))).root


def read_bands(path: Path = TOLERANCES) -> dict[FlowName, dict[str, Band]]:
    content = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    try:
        return _Bands.model_validate_json(json.dumps(content)).root
    except ValidationError as error:
        raise AssertionError(f"{path.name}: {error}") from None


def tools_key(
    flow: FlowName, device: str, tools: Mapping[str, str], files: Mapping[str, str]
) -> str:
    """What a golden is valid for: flow, device with its files, tools. A VTR checked out without its
    largest files calls itself dirty, but is the same.
    """
    versions = ", ".join(f"{n} {v.removesuffix('-dirty')}" for n, v in sorted(tools.items()))
    hashes = "".join(f", {n} {h[:12]}" for n, h in sorted(files.items()))
    return f"{flow} | {device}{hashes} | {versions}"


def key(report: Report) -> str:
    run = report.runs[0]
    tools = tools_key(run.flow, run.device, run.versions.tools, run.versions.files)
    return f"{tools} | {report.design.name}"


def figures(report: Report) -> dict[str, float]:
    """The figures that are gated, by name: medians over seeds. Counts do not depend on the seed, or
    the name says median.
    """
    runs, fmax = report.runs, report.over_seeds(lambda r: r.fmax_Hz)
    found: dict[str, float] = {
        "fmax_MHz": fmax.median / 1e6,
        "fmax_spread": fmax.relative,
        "latency_clocks": report.clocks.latency,
        "interval_clocks": report.clocks.interval,
    }
    for name in ("luts", "flip_flops", "logic_blocks", "multiplier_blocks", "memory_blocks"):
        found[name] = report.over_seeds(lambda r, name=name: getattr(r.area, name)).median
    found["wire_length"] = report.over_seeds(lambda r: r.area.wire_length).median
    if all(run.area.grid is not None for run in runs):
        found["grid_side"] = report.over_seeds(lambda r: max(r.area.grid or (0,))).median
    if all(run.power is not None for run in runs):
        powers = [run.power for run in runs if run.power is not None]
        middle = sorted(powers, key=lambda p: p.total_W)[(len(powers) - 1) // 2]
        found["power_mW"] = 1e3 * middle.total_W
        found["static_part"] = middle.static_W / middle.total_W
        energies = sorted(p.energy_J for p in report.at() if p.energy_J is not None)
        found["energy_uJ"] = 1e6 * energies[(len(energies) - 1) // 2]
    return found


def judge(
    golden: Mapping[str, float], measured: Mapping[str, float], bands: Mapping[str, Band]
) -> list[str]:
    """All complaints, each naming its figure; empty if everything is as it should be."""
    complaints = []
    for name in sorted({*golden, *measured, *bands}):
        if name not in bands:
            complaints.append(f"{name}: has no tolerance in {TOLERANCES.name}")
        elif name not in golden and name not in measured:
            complaints.append(f"{name}: is neither measured nor golden")
        elif name not in golden:
            complaints.append(f"{name}: has no golden; {UPDATE}")
        elif name not in measured:
            complaints.append(f"{name}: is golden, but was not measured")
        else:
            low, high = bands[name].limits(golden[name])
            if not low <= measured[name] <= high:  # also for NaN
                complaints.append(
                    f"{name} is {measured[name]:.6g}, but should be {low:.6g} to {high:.6g} "
                    f"(golden {golden[name]:.6g}: {bands[name].why})"
                )
    return complaints


def golden_for(report: Report, goldens: Mapping[str, Golden]) -> Golden:
    """The golden of a report. Raises AssertionError, listing those that exist, if there is none."""
    wanted = key(report)
    if wanted not in goldens:
        there = "; ".join(goldens) or "none at all"
        raise AssertionError(f"no golden for {wanted}; {UPDATE}. There are: {there}")
    return goldens[wanted]


def store(report: Report, path: Path = GOLDENS) -> None:
    """Write the golden of this report, and drop goldens of the same tools, flow and device that no
    case uses any more.
    """
    goldens = read_goldens(path)
    prefix = key(report).rpartition(" | ")[0]
    kept = {k: g for k, g in goldens.items() if k.rpartition(" | ")[0] != prefix}
    kept[key(report)] = Golden(
        seeds=tuple(run.seed for run in report.runs),
        sources_sha256=report.design.sources_sha256,
        figures=figures(report),
    )
    content = {k: json.loads(g.model_dump_json()) for k, g in kept.items()}
    write_json(path, content, overwrite=True)


def gate(report: Report, config: pytest.Config) -> None:
    """Compare a report with its golden, or store it as the golden. Raises AssertionError."""
    if config.getoption("--update-golden"):
        store(report)
    golden = golden_for(report, read_goldens())
    seeds = tuple(run.seed for run in report.runs)
    assert golden.seeds == seeds, f"the golden is of seeds {golden.seeds}, this of {seeds}"
    complaints = judge(golden.figures, figures(report), read_bands()[report.runs[0].flow])
    assert not complaints, "\n".join(complaints)
