"""Find the constants of an exported file for an integer network: inputs, layers, outputs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ohmbench.digital.exporting.arithmetic import largest_sums, moved_sums, quantise
from ohmbench.digital.exporting.forms import requantised, shifted_line, type_for
from ohmbench.digital.exporting.plan import (
    EXACT,
    RECOVERABLE,
    Count,
    LayerPlan,
    Line,
    OutputPlan,
    Plan,
    Tensor,
    hidden_tensor,
    input_tensor,
    real_input_tensor,
    whole_zero,
)
from ohmbench.digital.integer.network import (
    Affine,
    InputFormat,
    IntegerNetwork,
    Layer,
)
from ohmbench.digital.integer.reals import deciding_reals
from ohmbench.errors import RangeError


def make_plan(network: IntegerNetwork) -> Plan:
    """The constants of the exported file. Raises RangeError for a network that has none."""
    scale, reads = _input(network.input)
    first, notes, layers = reads, [], list[LayerPlan]()
    has_reals = network.input.thresholds is not None or network.input.scale != 1
    if scale is None and has_reals:
        notes.append("inputs are integers: no QuantizeLinear reads all real inputs as the network")
    for k, layer in enumerate(network.layers):
        if layer.step.lo is None:
            plan, output = _unclamped(k, layer, reads)
        else:
            plan = requantised(layer, reads, hidden_tensor(network, k))
            output = _dequantised(layer, plan.out)
        notes += [f"layer {k} {note}" for note in _notes(plan)]
        layers.append(plan)
        reads = plan.out or reads
    meaning = network.layers[-1].meaning
    if not output.real and meaning is not None:
        notes.append("outputs are integers: their real values have an offset or would be rounded")
        if not meaning.shared:
            notes.append(
                "each output has its own scale and offset: compare real values for the class"
            )
    return Plan(scale, first, tuple(layers), output, tuple(notes))


def _notes(layer: LayerPlan) -> Iterator[str]:
    """Sentences on what is not plain float32 in a layer."""
    if layer.bias.dtype == np.float64:
        yield "adds in float64: its sums exceed float32's integers"
    if isinstance(layer.form, Count):
        yield "compares with its thresholds: they are on no line"
    elif layer.form.floor:
        yield "is scaled in float64: float32 is too coarse for its thresholds"


def _input(read: InputFormat) -> tuple[float | None, Tensor]:
    """The scale that quantises real inputs and their tensor; None for inputs that are integers.

    Real inputs are possible where ``QuantizeLinear`` and the network agree on all of float32.
    """
    tensor = real_input_tensor(read)
    if tensor is not None and (read.thresholds is not None or read.scale != 1):
        points = deciding_reals(read)
        if np.array_equal(quantise(points, read.scale, tensor), read.quantise(points)):
            return float(np.float32(read.scale)), tensor
    return None, input_tensor(read)


def _dequantised(layer: Layer, out: Tensor | None) -> OutputPlan:
    """The outputs of a last layer that is quantised: its real values, or its integers."""
    zero, meaning = whole_zero(layer.meaning), layer.meaning
    if meaning is None or zero is None or out is None:
        return _integers()
    scale, stored, info = meaning.scale.astype(np.float32), zero + out.shift, np.iinfo(out.kind)
    usable = (scale > 0) & np.isfinite(scale) & (stored >= info.min) & (stored <= info.max)
    return OutputPlan(*_shared(scale, zero), True) if usable.all() else _integers()


def _integers() -> OutputPlan:
    return OutputPlan(np.ones(1, np.float32), np.zeros(1, np.int64), False)


def _shared(
    scale: NDArray[np.float32], zero: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """One number for all channels where they share it."""
    if (scale == scale[0]).all() and (zero == zero[0]).all():
        return scale[:1], zero[:1]
    return scale, zero


def _unclamped(k: int, layer: Layer, reads: Tensor) -> tuple[LayerPlan, OutputPlan]:
    """The last layer where its values are not clamped, so not quantised either."""
    step = layer.step
    assert isinstance(step, Affine)
    total, moved = step.R + step.Z, moved_sums(layer.weight, reads)
    sums = largest_sums(layer.weight, reads)
    if step.S:
        return _shifted(k, layer, step, reads), _integers()
    if (step.M == 1).all():
        output = _real_sums(layer, sums + np.abs(total + moved))
        bias = total + moved
        factor: NDArray[Any] = np.broadcast_to(output.scale, bias.shape)
        offset = np.zeros_like(bias)
        largest = sums + np.abs(bias)
    else:
        output, bias, factor, offset = _integers(), moved, step.M, total
        largest = (sums + np.abs(bias)).astype(object) * np.abs(step.M) + np.abs(total)
    dtype = type_for(largest)
    _check_reach(k, largest)
    line = Line(factor.astype(dtype) / dtype(reads.unit), offset.astype(dtype))
    return LayerPlan(layer.weight, (bias * reads.unit).astype(dtype), line, None), output


def _shifted(k: int, layer: Layer, step: Affine, reads: Tensor) -> LayerPlan:
    """Unclamped values that are shifted: ``Floor`` in float64."""
    moved, sums = moved_sums(layer.weight, reads), largest_sums(layer.weight, reads)
    line, largest = shifted_line(step, moved, sums)
    _check_reach(k, largest)
    line = replace(line, multiplier=line.multiplier / reads.unit)
    return LayerPlan(layer.weight, np.zeros(layer.channels, type_for(sums)), line, None)


def _check_reach(k: int, largest: NDArray[Any]) -> None:
    worst = int(largest.argmax())
    if largest[worst] > EXACT[np.dtype(np.float64)]:
        raise RangeError(
            f"layer {k}, channel {worst}: its products reach {largest[worst]}, and float64 holds "
            "integers up to 2^53 only; use smaller numbers"
        )


def _real_sums(layer: Layer, largest: NDArray[np.int64]) -> OutputPlan:
    """The real values of sums up to ``largest``, if they give these sums back.

    A zero point would become a part of the bias, so that nobody could tell the two apart.
    """
    zero, meaning = whole_zero(layer.meaning), layer.meaning
    if meaning is None or zero is None or zero.any() or largest.max() >= RECOVERABLE:
        return _integers()
    scale = meaning.scale.astype(np.float32)
    usable = np.isfinite(scale) & (np.abs(scale) >= np.finfo(np.float32).tiny)
    return OutputPlan(*_shared(scale, zero), True) if usable.all() else _integers()
