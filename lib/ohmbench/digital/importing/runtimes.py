"""The runtimes of the formats: which one executes a source, and what it computed there.

The runtimes are an extra (``pip install 'ohmbench[runtimes]'``) and are imported only when a source
is run. ``onnx_runtimes`` and ``tflite_runtime`` drive them; ``running`` chooses.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import os
import sys
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64
from numpy.typing import NDArray

from ohmbench.digital.importing.source import Format, Source
from ohmbench.errors import OhmbenchError

MOST_ROWS = 1000
MOST_VALUES = 2**22
"""Values of a layer that a runtime is given at a time."""
INSTALL = "pip install 'ohmbench[runtimes]'"


class MissingRuntime(OhmbenchError):
    """The runtime of a format is not installed, or it has no such arithmetic as the source's."""


@dataclass(frozen=True)
class Runtime:
    """A runtime: its package, the module that is imported, and the format that it executes."""

    package: str
    module: str
    format: Format

    def folder(self) -> str | None:
        """The folder where it is installed, or None."""
        try:
            spec = importlib.util.find_spec(self.module)
        except ValueError:  # a module without a spec, as one that a program put together itself
            return None
        return None if spec is None or spec.origin is None else os.path.dirname(spec.origin)

    def version(self) -> str:
        """Its version. Raises MissingRuntime."""
        self.check()
        return importlib.metadata.version(self.package)

    def check(self) -> None:
        """Raise MissingRuntime where it is not installed."""
        if self.folder() is None:
            raise MissingRuntime(f"{self.package}: not installed; run '{INSTALL}'")


RUNTIMES: dict[Format, Runtime] = {
    "QDQ ONNX": Runtime("onnxruntime", "onnxruntime", "QDQ ONNX"),
    "QONNX": Runtime("qonnx", "qonnx", "QONNX"),
    "TFLite": Runtime("ai-edge-litert", "ai_edge_litert", "TFLite"),
}
"""By format."""


@dataclass(frozen=True)
class Observation:
    """What a runtime computed, one row per input.

    ``h`` per layer: float64 (n, channels), its values in the unit of the network's integers. They
    are whole where the runtime computed what the reader says. ``real``: the values of the last
    layer as the runtime holds them. ``output``: the file's own output, (n, any number).
    """

    h: tuple[Float64[NDArray[np.float64], "n _"], ...]
    real: NDArray[Any]
    output: NDArray[Any]


class Runner(ABC):
    """A source in its runtime.

    ``version`` is the runtime's. ``whole``: the smallest and largest input if the runtime takes
    whole numbers only. ``remark`` says how the inputs were run if not many at a time.
    """

    most: int
    """Inputs that are run at a time."""

    def __init__(self, source: Source) -> None:
        self.source = source
        widest = max(max(layer.weight.shape) for layer in source.layers)
        self.most = min(MOST_ROWS, max(MOST_VALUES // widest, 1))
        self.runtime = RUNTIMES[source.format]
        self.version = self.runtime.version()
        self.whole: tuple[float, float] | None = None
        self.remark: str | None = None

    @property
    def tensors(self) -> tuple[str, ...]:
        """The tensors that are observed: one per layer, then the output."""
        return (*(layer.tensor for layer in self.source.layers), self.source.output_tensor)

    @abstractmethod
    def compute(self, x: NDArray[Any]) -> Mapping[str, NDArray[Any]]:
        """The observed tensors for ``x`` (n, inputs), n at most ``most``, one row per input."""

    def rows(self, x: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """The observed tensors by name, (n, any number), for ``x`` (n, inputs).

        ``x``: integers if the source takes them, else float32. Raises FileError where the runtime
        refuses the file.
        """
        parts = []
        for first in range(0, len(x), self.most):
            block = x[first : first + self.most]
            with quiet_numbers():
                found = self.compute(block)
            parts.append({name: value.reshape(len(block), -1) for name, value in found.items()})
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def run(self, x: NDArray[Any]) -> Observation:
        """Run ``x`` (n, inputs), as ``rows`` does."""
        whole = self.rows(x)
        layers = self.source.layers
        h = tuple(
            in_integers(whole[layer.tensor], layer.meaning.scale, layer.meaning.offset)
            for layer in layers
        )
        return Observation(h, whole[layers[-1].tensor], whole[self.source.output_tensor])


def in_integers(
    values: NDArray[Any], scale: NDArray[np.float64], offset: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Values in the unit of their integers, float64 (n, channels).

    Integers stay as they are; reals are ``(y - offset) / scale``, and exactly whole where they are
    so up to rounding in float32 (2**-12 of a unit, and 2**-20 of the value).
    """
    if values.dtype.kind in "iu":
        return values.astype(np.float64)
    h = (values.astype(np.float64) - offset) / scale
    nearest = np.rint(h)
    return np.where(np.abs(h - nearest) <= 2.0**-12 + 2.0**-20 * np.abs(h), nearest, h)


@contextlib.contextmanager
def quiet_numbers() -> Iterator[None]:
    """No warnings of Python and numpy from the code of others."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """As ``quiet_numbers``, and nothing that the block prints, from C either, reaches the user.

    For loading only: while it lasts no progress bar is seen.
    """
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    kept = [os.dup(number) for number in (1, 2)]
    with open(os.devnull, "w") as nowhere:
        try:
            for number in (1, 2):
                os.dup2(nowhere.fileno(), number)
            with (
                quiet_numbers(),
                contextlib.redirect_stdout(nowhere),
                contextlib.redirect_stderr(nowhere),
            ):
                yield
        finally:
            for number, copy in zip((1, 2), kept, strict=True):
                os.dup2(copy, number)
                os.close(copy)
