"""Quantised networks in ONNX files, QONNX or QDQ: from the file to a ``Source``."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Int64
from numpy.typing import NDArray
from typing_extensions import override

from ohmbench.digital.importing import (
    onnx_constants,
    onnx_operations,
    onnx_shapes,
    onnx_wide,
    qdq,
    qonnx,
)
from ohmbench.digital.importing.float_steps import (
    FixedPointInput,
    FloatStep,
    Quantiser,
    line_through,
    lowest_reaching,
    through,
)
from ohmbench.digital.importing.float_sums import FloatSum
from ohmbench.digital.importing.onnx_file import OnnxFile, load_onnx
from ohmbench.digital.importing.onnx_graph import Graph
from ohmbench.digital.importing.onnx_values import Chain, InputBase, SumBase
from ohmbench.digital.importing.source import Format, Source, SourceLayer, SourceStep
from ohmbench.digital.integer.network import MAX_INPUT_BITS, MAX_STEPS, InputFormat, Meaning
from ohmbench.errors import FileError, NonFiniteError, RangeError

INPUT_BITS = 16
INPUT_STEP = 2.0**-10
"""Fixed-point inputs of files that leave theirs real: 16 bits, 6 of them before the point, the
default type of hls4ml (Duarte et al., JINST 13, P07027, 2018)."""

_SMALLEST, _LARGEST = float(np.finfo(np.float32).tiny), float(np.finfo(np.float32).max)

_HANDLERS = {
    **onnx_constants.HANDLERS,
    **onnx_shapes.HANDLERS,
    **onnx_operations.HANDLERS,
    **qonnx.HANDLERS,
    **qdq.HANDLERS,
    **onnx_wide.HANDLERS,
}


@dataclass(frozen=True, eq=False)
class FloatChain(SourceStep):
    """A sum in float32, float32 steps behind it, and perhaps a quantiser."""

    sums: FloatSum
    steps: tuple[FloatStep, ...]
    quantiser: Quantiser | None

    @override
    def bounds(
        self, acc: Int64[NDArray[np.int64], "n channels"]
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """As ``SourceStep.bounds``. Raises NonFiniteError where the source has no number."""
        with np.errstate(all="ignore"):
            lower, upper = self.sums.ends(acc)
            first = self._value(lower)
            if upper is lower:
                return first, first
            second = self._value(upper)
        return np.minimum(first, second), np.maximum(first, second)

    def _value(self, x: NDArray[Any]) -> NDArray[Any]:
        y = through(self.steps, x)
        if np.isnan(y).any():
            raise NonFiniteError("the source's arithmetic gives a value that is not a number")
        return y if self.quantiser is None else self.quantiser.integers(y)


def read_onnx(
    path: str | os.PathLike[str], *, input_bits: int = INPUT_BITS, input_step: float = INPUT_STEP
) -> Source:
    """The quantised network in an ONNX file, QONNX or QDQ.

    ``input_bits`` and ``input_step`` state the fixed-point inputs of a network whose file does not
    quantise them. Raises FileError for a file that is damaged or holds something else, with the
    node and the reason; RangeError for ``input_bits`` outside 2 to 16 or an ``input_step`` that is
    no positive power of two.
    """
    if not 2 <= input_bits <= MAX_INPUT_BITS:
        raise RangeError(f"input_bits is {input_bits}, but should be 2 to {MAX_INPUT_BITS}")
    if not (2.0**-60 <= input_step <= 2.0**60 and np.frexp(input_step)[0] == 0.5):
        raise RangeError(f"input_step is {input_step:g}, but should be a power of two")
    with np.errstate(all="ignore"):  # what is not finite is refused where it matters
        return _read(load_onnx(os.fspath(path)), input_bits, input_step)


def _read(file: OnnxFile, input_bits: int, input_step: float) -> Source:
    graph = Graph(file, input_bits, input_step)
    last = graph.evaluate(_HANDLERS)
    if last.dtype != np.float32 or last.ones is not None:
        raise FileError(file.path, "its outputs are not float32", field="graph")
    chains = graph.layers(last)
    if not chains:
        raise FileError(file.path, "it has no layer of weights")
    first = chains[0].base
    assert isinstance(first, SumBase)
    layers = tuple(_layer(file, chain) for chain in chains)
    source = first.source
    assert isinstance(source.base, InputBase)
    kind: Format = "QONNX" if "QONNX" in graph.formats else "QDQ ONNX"
    return Source(
        path=file.path,
        format=kind,
        input=_input(file, graph, source),
        input_tensor=source.base.name,
        input_shape=source.base.shape,
        takes_integers=file.inputs[0].dtype != np.float32,
        layers=layers,
        output_tensor=file.outputs[0].name,
        notes=tuple(graph.notes),
        stored=file.stored,
    )


def _input(file: OnnxFile, graph: Graph, chain: Chain) -> InputFormat:
    """The integers that the first layer reads, and the inputs where they change."""
    quantiser = chain.quantiser
    assert quantiser is not None
    assert isinstance(chain.base, InputBase)
    field = f"input {chain.base.name}"
    scale, offset = (float(part[0]) for part in quantiser.meaning())
    if isinstance(quantiser, FixedPointInput):
        return InputFormat(quantiser.lo, quantiser.hi, quantiser.step, 0)
    given = file.inputs[0].dtype
    if given is not None and given != np.float32:
        if chain.before:
            raise FileError(
                file.path,
                "its integers are quantised again in front of the first layer",
                field=field,
            )
        limits = np.iinfo(given)
        if (quantiser.lo, quantiser.hi) != (limits.min, limits.max):
            graph.notes.append(
                f"the file clamps its {given} inputs to {quantiser.lo} to {quantiser.hi}: the "
                "integers read are the clamped ones"
            )
        return InputFormat(quantiser.lo, quantiser.hi, scale, round(-offset / scale))
    if quantiser.hi - quantiser.lo >= 2**MAX_INPUT_BITS:
        raise FileError(
            file.path, f"its integers have more than {MAX_INPUT_BITS} bits", field=field
        )
    largest = np.finfo(np.float32).max
    ends = quantiser.integers(through(chain.before, np.array([[-largest], [largest]], np.float32)))
    if ends[0, 0] >= ends[1, 0]:
        raise FileError(file.path, "its integers do not rise with the input", field=field)
    thresholds = lowest_reaching(quantiser, chain.before)
    scale, zero = _input_meaning(graph, chain)
    return InputFormat(quantiser.lo, quantiser.hi, scale, zero, thresholds)


def _input_meaning(graph: Graph, chain: Chain) -> tuple[float, int]:
    """Scale and zero point of the integers, in terms of the file's input where that is possible."""
    quantiser = chain.quantiser
    assert quantiser is not None
    scale, offset = (float(part[0]) for part in quantiser.meaning())
    front = line_through(chain.before, (np.ones(1), np.zeros(1)))
    if front is not None and front[0][0] > 0:
        slope, shift = float(front[0][0]), float(front[1][0])
        normal = _SMALLEST <= scale / slope <= _LARGEST
        if normal and _whole((shift - offset) / scale):
            return scale / slope, round((shift - offset) / scale)
    graph.notes.append("the real values of the inputs' integers are those behind the first steps")
    return scale, round(-offset / scale)


def _whole(x: float) -> bool:
    return abs(x) <= 2**16 and abs(x - round(x)) <= 1e-6


def _layer(file: OnnxFile, chain: Chain) -> SourceLayer:
    """One layer from the chain behind its sum."""
    base = chain.base
    assert isinstance(base, SumBase)
    field = f"node {base.name}"
    quantiser = chain.quantiser
    channels = base.channels
    line = chain.line()
    if line is None:
        raise FileError(
            file.path, "the steps behind it have no quantiser, or bend its values", field=field
        )
    scale, offset = (np.array(np.broadcast_to(part, channels), np.float64) for part in line)
    if not (np.isfinite(scale).all() and scale.all() and np.isfinite(offset).all()):
        raise FileError(file.path, "the scale of its outputs is 0 or not finite", field=field)
    step = FloatChain(base.sums, chain.before, quantiser)
    ends = np.stack([-base.sums.negative, base.sums.positive]).astype(np.int64) + base.sums.shift
    try:
        if not all(np.isfinite(values).all() for values in step.bounds(ends)):
            raise NonFiniteError("its outputs are not finite")
    except NonFiniteError as error:  # every step is monotone: what the ends survive, all sums do
        raise FileError(file.path, str(error), field=field) from None
    bias = np.zeros(channels, np.int64)
    if quantiser is None:
        ratio = offset / scale
        if np.abs(ratio).max() > 2.0**52:
            raise FileError(file.path, "its bias is too large", field=field)
        bias = np.rint(ratio).astype(np.int64)
        rest = np.abs(ratio - bias) > np.maximum(np.abs(ratio) * 2.0**-22, 2.0**-40)
        offset = np.where(rest, offset - bias * scale, 0.0)
    elif quantiser.hi - quantiser.lo > MAX_STEPS:
        raise FileError(file.path, "its outputs have more than 8 bits", field=field)
    return SourceLayer(
        name=base.name,
        tensor=chain.tensor,
        weight=base.weight.astype(np.int8),
        bits=base.bits,
        step=step,
        lo=None if quantiser is None else quantiser.lo,
        hi=None if quantiser is None else quantiser.hi,
        meaning=Meaning(scale, offset),
        bias=bias,
        outputs=_outputs(chain),
    )


def _outputs(chain: Chain) -> Callable[[NDArray[np.int64]], NDArray[Any]] | None:
    """The float32 values of a quantiser's integers behind all further steps."""
    quantiser = chain.quantiser
    if quantiser is None or chain.integers is not None:
        return None

    def outputs(h: NDArray[np.int64]) -> NDArray[np.float32]:
        with np.errstate(all="ignore"):
            return through(chain.after, quantiser.values(h))

    return outputs
