"""The page on networks: what the manifest says of all, and figures of some."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, TypeAlias

from ohmbench.claims.html.pages import Page, PageTable, Part, Svg, svg_of
from ohmbench.errors import OhmbenchError
from ohmbench.families import load
from ohmbench.family import DrawOptions
from ohmbench.weights import StoredWeights, read_manifest

KEY, TITLE = "networks", "Networks"

Choice: TypeAlias = Literal["some", "all", "none"]
"""Of which networks figures are drawn."""

SOME = ("floatgate-digits", "int8-digits", "twomoon", "pinwheel", "potential1")
"""One of each kind, which take seconds."""

# By the names of the families' figures: confusion, currents, samples and predictions.
_SHOWN = ("confusion", "currents", "samples", "potential", "predictions")
_SAMPLES = 800
"""An SVG has an element for each sample."""


def networks_page(choice: Choice) -> Page:
    """All stored networks as a table, and figures of those that ``choice`` says."""
    manifest = read_manifest()
    rows = [
        (name, str(entry.seed), _metrics(entry), entry.command) for name, entry in manifest.items()
    ]
    table = PageTable("Stored networks", ("name", "seed", "metrics", "trained by"), rows, (1,))
    drawn: Sequence[str] = {"some": SOME, "all": tuple(manifest), "none": ()}[choice]
    parts = [_part(name, manifest[name]) for name in drawn if name in manifest]
    parts.append(Part("All networks", tables=[table]))
    return Page(KEY, TITLE, _note(choice, len(drawn), len(manifest)), parts)


def _note(choice: Choice, drawn: int, there: int) -> str:
    what = "Metrics are those of held-out data, as the manifest of the stored weights has them. "
    if choice == "none":
        return what + "No figures were asked for: '--networks some' or 'all' draws them."
    if choice == "all":
        return what + f"Figures of all {there} networks follow."
    return what + f"Figures of {drawn} networks follow; '--networks all' draws all {there}."


def _metrics(entry: StoredWeights) -> str:
    return ", ".join(f"{name} {value:.5g}" for name, value in entry.metrics.items())


def _part(name: str, entry: StoredWeights) -> Part:
    facts = [("Metrics", _metrics(entry)), ("Trained by", entry.command), ("Seed", str(entry.seed))]
    try:
        return Part(name, facts=facts, drawings=_drawings(name))
    except OhmbenchError as error:  # a data set that is not on this machine, most of all
        return Part(name, f"Not drawn: {error}", facts=facts)


def _drawings(name: str) -> list[Svg]:
    family, network = load(name)
    figures = family.figures(network, name, DrawOptions(samples=_SAMPLES))
    chosen = {Path(file).stem: draw for file, draw in figures.items() if Path(file).stem in _SHOWN}
    return [svg_of(draw(), f"{name}-{what}", f"{what} of {name}") for what, draw in chosen.items()]
