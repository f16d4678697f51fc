"""Import of a file: read it, fit its integers, prove them, and run its own runtime beside them."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ohmbench.digital.importing.comparing import RANDOM, Comparison, compare
from ohmbench.digital.importing.imported import Imported, import_source
from ohmbench.digital.importing.reading import read_source
from ohmbench.digital.importing.running import runner_for
from ohmbench.digital.importing.runtimes import MissingRuntime
from ohmbench.digital.importing.source import Source
from ohmbench.digital.importing.verdict import Verdict
from ohmbench.digital.integer.network import IntegerNetwork
from ohmbench.digital.integer.store import save_integer
from ohmbench.files import sha256_file
from ohmbench.weights import versions


@dataclass(frozen=True, eq=False)
class NetworkImport:
    """An imported network: the proof, and the comparison with the runtime of its format.

    ``comparison`` is None where nothing was run; ``not_run`` then says why.
    """

    imported: Imported
    comparison: Comparison | None
    not_run: str | None

    @property
    def source(self) -> Source:
        """What the file says."""
        return self.imported.source

    @property
    def network(self) -> IntegerNetwork:
        """The integers."""
        return self.imported.network

    @property
    def verdict(self) -> Verdict:
        """What the proof found."""
        return self.imported.verdict

    @property
    def exact(self) -> bool:
        """Whether the proof says exact and the runtime, if it was run, never differs."""
        return self.verdict.exact and (self.comparison is None or self.comparison.agrees)

    def origin(self) -> dict[str, Any]:
        """Where the integers come from, as JSON values."""
        comparison = self.comparison
        return {
            "made_by": "ohmbench import",
            "file": os.path.basename(self.source.path),
            "sha256": sha256_file(self.source.path),
            "format": self.source.format,
            "rounding": self.source.rounding,
            "notes": list(self.source.notes),
            "proof": self.verdict.line,
            "exact": self.exact,
            "run": None if comparison is None else comparison.line,
            "optimised": None if comparison is None else comparison.optimised_counts(),
            "versions": {
                **versions(),
                **({} if comparison is None else {comparison.runtime: comparison.version}),
            },
        }

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Write the integers, with their origin, as an npz file. Raises FileError."""
        save_integer(path, self.network, origin=self.origin(), overwrite=overwrite)


def import_network(
    path: str | os.PathLike[str],
    *,
    rounding: str | None = None,
    input_bits: int | None = None,
    input_step: float | None = None,
    run: bool = True,
    random: int = RANDOM,
    seed: int = 0,
    advance: Callable[[float], object] = lambda share: None,
) -> NetworkImport:
    """Import a QONNX, QDQ ONNX or TFLite file, and prove the integers against it.

    ``rounding``: one of ``tflite_arithmetic.ROUNDINGS``, for TFLite. ``input_bits`` and
    ``input_step``: the integers of an input that the file does not quantise. If ``run``, ``random``
    inputs of each kind and all boundary inputs are run through the runtime of the format, where it
    is installed; ``advance`` is told the share of this work that each part adds. Raises FileError
    for a file that cannot be imported, OperandError or RangeError for an option that is wrong or
    does not apply.
    """
    source = read_source(path, rounding=rounding, input_bits=input_bits, input_step=input_step)
    imported = import_source(source)
    if not run:
        return NetworkImport(imported, None, "--no-run")
    try:
        runner = runner_for(source)
    except MissingRuntime as error:
        return NetworkImport(imported, None, str(error))
    comparison = compare(
        source, imported.network, runner, random=random, seed=seed, advance=advance
    )
    return NetworkImport(imported, comparison, None)
