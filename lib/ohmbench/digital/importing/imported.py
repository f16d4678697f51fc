"""From a source to its integer network, with the proof."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ohmbench.digital.exporting.text import from_text
from ohmbench.digital.importing.fitting import fit_network
from ohmbench.digital.importing.proof import prove_import
from ohmbench.digital.importing.source import Source
from ohmbench.digital.importing.verdict import Verdict
from ohmbench.digital.integer.network import IntegerNetwork
from ohmbench.errors import FileError


@dataclass(frozen=True, eq=False)
class Imported:
    """A source, the integer network fitted to it, and whether the two are the same."""

    source: Source
    network: IntegerNetwork
    verdict: Verdict


def import_source(source: Source) -> Imported:
    """Fit the integers of ``source`` and prove them.

    The integers that this project's export stored in the file are taken if they are proven exact;
    if not, a note says why. Raises FileError for a step that is not monotone, OperandError for a
    network that does not fit the integers' ranges.
    """
    if source.stored is not None:
        found = _stored(source, source.stored)
        if isinstance(found, Imported):
            return found
        note = f"the integers stored in the file are not used: {found}"
        source = replace(source, notes=(*source.notes, note))
    network = fit_network(source)
    return Imported(source, network, prove_import(source, network))


def _stored(source: Source, text: str) -> Imported | str:
    """The integers that the file states, with the source's meanings; or why they are not exact."""
    try:
        stated = from_text(text, [layer.weight for layer in source.layers], source.path)
    except FileError as error:
        return error.reason
    pairs = zip(stated.layers, source.layers, strict=True)
    layers = tuple(replace(layer, meaning=wanted.meaning) for layer, wanted in pairs)
    network = replace(stated, layers=layers)
    verdict = prove_import(source, network)
    return Imported(source, network, verdict) if verdict.exact else verdict.line
