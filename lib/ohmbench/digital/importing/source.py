"""A quantised network as its file states it: what the readers of all formats return.

A reader (``qonnx``, ``qdq``, ``tflite``) turns a file into integer weights and, behind the exact
integer sum ``acc = W h`` of each layer, the format's own arithmetic as its runtime executes it: one
function of that integer per channel, monotone, evaluated in the runtime's own floating-point or
fixed-point steps. It says nothing yet about ``M``, ``R`` and ``S``; ``fitting`` finds those and
``proof`` compares both functions over all sums that inputs can reach.

Where the runtime adds in floating point and the order of its additions could decide, the function
has two ends: the smallest and the largest value that any order of additions can give.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from jaxtyping import Int8, Int64
from numpy.typing import NDArray

from ohmbench.digital.integer.network import InputFormat, Meaning

Format: TypeAlias = Literal["QONNX", "QDQ ONNX", "TFLite"]


class SourceStep(ABC):
    """The source's function of the sums of one layer, per channel."""

    @abstractmethod
    def bounds(
        self, acc: Int64[NDArray[np.int64], "n channels"]
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """The smallest and largest value that the source's runtime can give at ``acc``.

        Both (n, channels): int64 if the layer requantises, float32 for real outputs of the last
        layer. They are equal wherever the order of floating-point additions cannot matter. Each is
        monotone in ``acc``.
        """


@dataclass(frozen=True, eq=False)
class SourceLayer:
    """One layer of a source.

    ``weight``: int8 (channels, inputs) without its zero point, of ``bits`` bits. ``step`` gives
    integers from ``lo`` to ``hi``, or real outputs if both are None, which only the last layer may
    have. ``meaning``: the real values of these integers; for real outputs, of the sums plus
    ``bias``. ``bias``: int64 (channels,), the part of the bias that is a whole multiple of the
    sums' unit; it matters only for real outputs, whose integers are ``acc + bias``. ``name`` is the
    node that multiplies, ``tensor`` the one that holds the result in the source's file.
    ``outputs``: of integers (n, channels) of the layer, the real outputs of the file, float32 (n,
    channels) as its runtime computes them; None where the file's outputs are the integers
    themselves. It matters only for the last layer, if that requantises.
    """

    name: str
    tensor: str
    weight: Int8[NDArray[np.int8], "channels inputs"]
    bits: int
    step: SourceStep
    lo: int | None
    hi: int | None
    meaning: Meaning
    bias: Int64[NDArray[np.int64], " channels"]
    outputs: Callable[[NDArray[np.int64]], NDArray[Any]] | None = None


@dataclass(frozen=True, eq=False)
class Source:
    """A quantised network as its file states it.

    ``input_tensor`` is the tensor that takes the inputs, of shape ``input_shape`` (the batch comes
    first, as 1). ``takes_integers``: it takes the integers of ``input`` themselves (TFLite), not
    reals. ``notes`` are sentences on what was assumed or dropped, for people. ``rounding`` is the
    variant that was chosen where the format has several ("single", "double" for TFLite).
    ``stored`` is the text that this project's export put into the file, if any.
    """

    path: str
    format: Format
    input: InputFormat
    input_tensor: str
    input_shape: tuple[int, ...]
    takes_integers: bool
    layers: tuple[SourceLayer, ...]
    output_tensor: str
    notes: tuple[str, ...] = ()
    rounding: str | None = None
    stored: str | None = None
