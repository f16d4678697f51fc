"""``ohmbench list``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ohmbench.cli.common import Json, print_json, print_whole
from ohmbench.constants import CONFIG_NAMES, FLOATGATE_NAMES, INT8_NAMES

if TYPE_CHECKING:
    from rich.table import Table

    from ohmbench.weights import StoredWeights

_FAMILIES = {
    "Floating-gate networks": FLOATGATE_NAMES,
    "Int8 networks": INT8_NAMES,
    "KirchhoffNets and their baselines": CONFIG_NAMES,
}
_OTHERS = "Trained from a file"
_COUNTS = ("correct", "total", "points", "samples")
"""Metrics that say how much was looked at, which a summary leaves out."""


@dataclass(frozen=True)
class _Network:
    """What is stored of one network: its entries by name, in the order of their seeds."""

    name: str
    family: str
    entries: dict[str, StoredWeights]

    @property
    def seeds(self) -> list[int]:
        return [entry.seed for entry in self.entries.values()]

    def over_seeds(self) -> dict[str, tuple[float, float, float]]:
        """Metric -> mean, least and most, of those that all entries have."""
        rows = [entry.metrics for entry in self.entries.values()]
        shared = [key for key in rows[0] if all(key in row for row in rows)]
        columns = {key: [row[key] for row in rows] for key in shared}
        return {key: (fmean(v), min(v), max(v)) for key, v in columns.items()}


def list_weights(
    every: Annotated[
        bool, typer.Option("--all", help="Every stored file instead of one line per network.")
    ] = False,
    as_json: Json = False,
) -> None:
    """List the stored networks and what was measured of them.

    Networks of the same training that differ in their seeds share one line: the mean over the seeds
    and, in brackets, the least and the most. Other commands take these names, and NAME-seedN for
    the network of seed N.

    Example: ohmbench list --all
    """
    from ohmbench.weights import read_manifest

    networks = _networks(read_manifest())
    if as_json:
        print_json({"networks": [_json(network) for network in networks]})
        return
    for family in (*_FAMILIES, _OTHERS):
        members = [network for network in networks if network.family == family]
        if members:
            print_whole(_table(family, members, every))


def _networks(manifest: dict[str, StoredWeights]) -> list[_Network]:
    by_name: dict[str, list[tuple[str, StoredWeights]]] = {}
    for name, entry in manifest.items():
        by_name.setdefault(re.sub(r"-seed\d+$", "", name), []).append((name, entry))
    return [
        _Network(
            name,
            _family(found[0][1]),
            dict(sorted(found, key=lambda item: item[1].seed)),
        )
        for name, found in by_name.items()
    ]


def _family(entry: StoredWeights) -> str:
    """The family of the training that the entry's command names."""
    words = entry.command.split()
    return next((f for f, names in _FAMILIES.items() if set(words) & set(names)), _OTHERS)


def _table(family: str, networks: list[_Network], every: bool) -> Table:
    from rich.markup import escape
    from rich.table import Table

    table = Table("name", "seed" if every else "seeds", "measured", title=family)
    for network in networks:
        if every:
            for name, entry in network.entries.items():
                metrics = ", ".join(f"{k} {v:.4g}" for k, v in entry.metrics.items())
                table.add_row(escape(name), str(entry.seed), metrics)
        else:
            table.add_row(escape(network.name), _seeds(network.seeds), _summary(network))
    return table


def _seeds(seeds: list[int]) -> str:
    """``0 to 9`` where none is missing, else all of them."""
    if len(seeds) > 1 and seeds == list(range(seeds[0], seeds[-1] + 1)):
        return f"{seeds[0]} to {seeds[-1]}"
    return ", ".join(map(str, seeds))


def _summary(network: _Network) -> str:
    several = len(network.entries) > 1
    parts = []
    for key, (mean, least, most) in network.over_seeds().items():
        if key not in _COUNTS:
            spread = rf" \[{least:.4g}, {most:.4g}]" if several else ""
            parts.append(f"{key} {mean:.4g}{spread}")
    return ("\n" if several else ", ").join(parts)


def _json(network: _Network) -> dict[str, Any]:
    return {
        "name": network.name,
        "family": network.family,
        "seeds": network.seeds,
        "metrics": {
            key: {"mean": mean, "min": least, "max": most}
            for key, (mean, least, most) in network.over_seeds().items()
        },
        "stored": {
            name: {"seed": entry.seed, "command": entry.command, "metrics": entry.metrics}
            for name, entry in network.entries.items()
        },
    }
