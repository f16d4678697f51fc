"""The page on synthesis: clock, area and energy of each golden, by flow and size."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Annotated

from pydantic import Field, RootModel, ValidationError

from ohmbench.claims.html.pages import Page, PageTable, Part
from ohmbench.errors import FileError
from ohmbench.fields import Record
from ohmbench.files import read_json

KEY, TITLE = "synthesis", "Synthesis"
_NOTE = (
    "The accelerator through each flow, as stored in the goldens that the synthesis gate holds new "
    "results against: medians over the placement seeds."
)
_NOTHING = (
    "There are no goldens of synthesis here: name them with --synth (the checkout has "
    "tests/synth/goldens.json)."
)


class _Golden(Record):
    seeds: Annotated[tuple[int, ...], Field(min_length=1)]
    sources_sha256: str
    figures: dict[str, float]


class _Goldens(RootModel[dict[str, _Golden]]):
    pass


def synthesis_page(path: str | os.PathLike[str] | None) -> Page:
    """The goldens in the file ``path``; None says that there are none. Raises FileError."""
    if path is None:
        return Page(KEY, TITLE, _NOTHING)
    try:
        goldens = _Goldens.model_validate_json(json.dumps(read_json(path))).root
    except ValidationError as error:
        first = error.errors()[0]
        raise FileError(
            path,
            f"not goldens of synthesis: {first['msg']}",
            field=".".join(map(str, first["loc"])) or None,
        ) from None
    columns = (
        *("design", "flow", "Fmax, MHz", "spread", "latency, µs", "images per second"),
        *("LUTs", "flip-flops", "multipliers", "memories", "power, mW", "energy, µJ"),
    )
    rows = [_row(key, golden.figures) for key, golden in goldens.items()]
    table = PageTable("Clock, area and energy", columns, rows, numeric=range(2, len(columns)))
    parts = [Part("All flows", tables=[table])]
    parts += [_part(key, golden) for key, golden in goldens.items()]
    return Page(KEY, TITLE, _NOTE, parts)


def _named(key: str) -> tuple[str, str, str, str]:
    """Flow, device, tools and design: what a golden's key is made of."""
    flow, device, tools, design = (*key.split(" | "), "", "", "", "")[:4]
    return flow, device, tools, design


def _row(key: str, figures: Mapping[str, float]) -> list[str]:
    def number(value: float | None, form: str = ",.0f") -> str:
        return "" if value is None else format(value, form)

    flow, _, _, design = _named(key)
    clock_MHz = figures.get("fmax_MHz")
    latency, interval = figures.get("latency_clocks"), figures.get("interval_clocks")
    us = None if not clock_MHz or latency is None else latency / clock_MHz
    rate = None if not clock_MHz or not interval else clock_MHz * 1e6 / interval
    return [
        design,
        flow,
        number(clock_MHz, ".1f"),
        number(figures.get("fmax_spread"), ".1%"),
        number(us, ".3f"),
        number(rate),
        *(
            number(figures.get(name))
            for name in ("luts", "flip_flops", "multiplier_blocks", "memory_blocks")
        ),
        number(figures.get("power_mW"), ",.1f"),
        number(figures.get("energy_uJ"), ".3f"),
    ]


def _part(key: str, golden: _Golden) -> Part:
    flow, device, tools, design = _named(key)
    facts = [
        ("Device", device),
        ("Tools", tools),
        ("Seeds", ", ".join(map(str, golden.seeds))),
        ("Verilog, SHA-256", golden.sources_sha256),
    ]
    rows = [(name, f"{value:,.6g}") for name, value in golden.figures.items()]
    table = PageTable(f"All figures of {design} by {flow}", ("figure", "value"), rows, numeric=(1,))
    return Part(f"{design} by {flow}", facts=facts, tables=[table])
