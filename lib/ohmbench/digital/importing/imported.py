"""From a source to its integer network, with the proof."""

from __future__ import annotations

from dataclasses import dataclass

from ohmbench.digital.importing.fitting import fit_network
from ohmbench.digital.importing.proof import prove_import
from ohmbench.digital.importing.source import Source
from ohmbench.digital.importing.verdict import Verdict
from ohmbench.digital.integer.network import IntegerNetwork


@dataclass(frozen=True, eq=False)
class Imported:
    """A source, the integer network fitted to it, and whether the two are the same."""

    source: Source
    network: IntegerNetwork
    verdict: Verdict


def import_source(source: Source) -> Imported:
    """Fit the integers of ``source`` and prove them.

    Raises FileError for a step that is not monotone, OperandError for a network that does not fit
    the integers' ranges.
    """
    network = fit_network(source)
    return Imported(source, network, prove_import(source, network))
