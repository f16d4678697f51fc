"""The file that a network was imported from, run in its own runtime on the network's integers."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64
from numpy.typing import NDArray

from ohmbench.digital.importing.input_reals import InputReals
from ohmbench.digital.importing.reading import read_source
from ohmbench.digital.importing.running import runner_for
from ohmbench.digital.importing.source import Source
from ohmbench.digital.integer.network import InputFormat, IntegerNetwork
from ohmbench.errors import FileError, OperandError
from ohmbench.files import sha256_file


def _same(one: InputFormat, other: InputFormat) -> bool:
    names = "lo", "hi", "scale", "zero"
    first, second = one.thresholds, other.thresholds
    if not all(getattr(one, name) == getattr(other, name) for name in names):
        return False
    return first is second if first is None or second is None else np.array_equal(first, second)


def source_of(
    path: str | os.PathLike[str], network: IntegerNetwork, origin: Mapping[str, Any]
) -> Source:
    """The file ``path`` as its reader states it, if ``network`` was imported from it.

    ``origin`` is what the network's file says of where it came from. Raises FileError for another
    file and for other inputs than the file's, and whatever ``read_source`` raises.
    """
    expected, found = origin.get("sha256"), sha256_file(path)
    if expected is None:
        raise FileError(
            path,
            "the network's file does not say that it was imported",
            remedy="leave --source out, or import the file again",
        )
    if found != expected:
        raise FileError(
            path,
            f"is not the file that the network was imported from: its SHA-256 is {found[:12]}..., "
            f"not {str(expected)[:12]}...",
            remedy=f"name {origin.get('file', 'that file')}",
        )
    source = read_source(path, rounding=origin.get("rounding"))
    if _same(source.input, network.input):
        return source
    if source.format != "TFLite":
        # Inputs that the file leaves unquantised have the format that their import chose.
        bits = (network.input.hi - network.input.lo).bit_length()
        try:
            source = read_source(path, input_bits=bits, input_step=network.input.scale)
        except OperandError:  # the file quantises its inputs, or has no such format
            raise _other_inputs(path) from None
        if _same(source.input, network.input):
            return source
    raise _other_inputs(path)


def _other_inputs(path: str | os.PathLike[str]) -> FileError:
    return FileError(
        path,
        "the network's inputs are not those of the file",
        remedy="import the file again",
    )


def run_source(
    path: str | os.PathLike[str], network: IntegerNetwork, origin: Mapping[str, Any]
) -> Callable[[NDArray[np.int64]], list[Float64[NDArray[np.float64], "n _"]]]:
    """A function that runs integer inputs, int64 (n, inputs), in the runtime of the file ``path``.

    It returns the values of each layer in the unit of the network's integers. Raises FileError as
    ``source_of`` does and where the runtime refuses the file, MissingRuntime where that is not
    installed; the function raises OperandError for integers that no real input becomes.
    """
    source = source_of(path, network, origin)
    runner = runner_for(source)
    reals = None if source.takes_integers else InputReals(source.input, runner.whole)

    def run(q: Int64[NDArray[np.int64], "n inputs"]) -> list[NDArray[np.float64]]:
        if reals is None:
            return list(runner.run(q).h)
        first = reals.values.first
        if not reals.values.present[0][q - first].all():
            raise OperandError("an input has an integer that no real input of the source becomes")
        return list(runner.run(reals.of(q, np.random.default_rng(0))).h)

    return run
