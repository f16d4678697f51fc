"""Find the constants of an exported file for an integer network.

A layer becomes ``Gemm``, ``Mul`` and ``Add`` per channel, ``QuantizeLinear``. The Gemm's sums are
exact integers; the line behind it is the one with the widest margin at the thresholds
(``lines``), first with the network's own slope ``M / 2**S``, then with the best of all. A layer
that no rounded line fits becomes a comparison with its table of thresholds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ohmbench.digital.exporting.arithmetic import (
    apply_form,
    largest_sums,
    moved_sums,
    quantise,
)
from ohmbench.digital.exporting.lines import Rises, between, intercepts, rises, widest_slope
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
from ohmbench.digital.exporting.reals import deciding_reals
from ohmbench.digital.integer.network import (
    Affine,
    InputFormat,
    IntegerNetwork,
    Layer,
    Step,
    acc_range,
)
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
            plan = _requantised(layer, reads, hidden_tensor(network, k))
            output = _dequantised(layer, plan.out)
        if isinstance(plan.form, Count):
            notes.append(f"layer {k} compares with thresholds: no rounded line has them")
        if plan.bias.dtype == np.float64:
            notes.append(f"layer {k} adds in float64: its sums exceed float32's integers")
        layers.append(plan)
        reads = plan.out or reads
    if not output.real and network.layers[-1].meaning is not None:
        notes.append("outputs are integers: their real values would not give them back")
    return Plan(scale, first, tuple(layers), output, tuple(notes))


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


def _type_for(largest: NDArray[np.int64]) -> Any:
    """float32 if it holds integers as large as ``largest``, else float64.

    No network has sums that float64 could not hold: 2**16 products of 24 bits are 2**40.
    """
    return np.float32 if int(largest.max()) <= EXACT[np.dtype(np.float32)] else np.float64


def _requantised(layer: Layer, reads: Tensor, out: Tensor) -> LayerPlan:
    """A layer whose values are quantised: its line, or else its comparison."""
    found = rises(layer.step, *acc_range(layer.weight, reads.lo, reads.hi))
    points = found.deciding()
    wanted = layer.step.apply(points)
    sums, moved = largest_sums(layer.weight, reads), moved_sums(layer.weight, reads)
    dtype = _type_for(sums)
    room = EXACT[np.dtype(dtype)] - sums
    middles = np.arange(out.lo + 1, out.hi + 1).astype(np.float64) - (0.5 + out.centre)
    bias = np.zeros(layer.channels, np.int64)
    line = np.zeros((2, layer.channels), dtype)
    fits = np.zeros(layer.channels, bool)
    for slope in _slopes(layer.step, found, middles):
        if fits.all():
            break
        tried_bias, tried = _line(found, moved, room, slope, middles, dtype)
        tried[1] = np.where(found.first == found.last, found.first - out.centre, tried[1])
        x = (points - moved + tried_bias).astype(dtype)
        plain = replace(out, unit=1.0)
        good = quantise(apply_form(Line(*tried), x), 1.0, plain) == wanted
        take = good.all(axis=0) & ~fits
        bias[take], line[:, take] = tried_bias[take], tried[:, take]
        fits |= take
    if fits.all():
        form = Line(line[0] * dtype(out.unit / reads.unit), line[1] * dtype(out.unit))
        return LayerPlan(layer.weight, (bias * reads.unit).astype(dtype), form, out)
    # The table takes the zero points, so that the Gemm needs no bias.
    table = (found.table - (moved * found.sign)[:, None]) * reads.unit
    count = Count(table.astype(dtype), found.sign.astype(dtype), float(out.lo - out.centre))
    plain = replace(out, unit=1.0)
    return LayerPlan(layer.weight, np.zeros(layer.channels, dtype), count, plain)


def _slopes(
    step: Step, found: Rises, middles: NDArray[np.float64]
) -> Iterator[NDArray[np.float64]]:
    """The slopes to try: the network's own, then the one with the widest margin."""
    if isinstance(step, Affine):
        yield np.ldexp(np.abs(step.M).astype(np.float64), -step.S)
    yield widest_slope(found, middles)


def _line(
    found: Rises,
    moved: NDArray[np.int64],
    room: NDArray[np.int64],
    slope: NDArray[np.float64],
    middles: NDArray[np.float64],
    dtype: Any,
) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """The Gemm's bias (channels,) and the line (2, channels) with ``slope``, rounded to ``dtype``.

    The bias, at most ``room``, brings the sums near 0 where the line is: there floats are finest.
    The offset is in the middle of the interval that the rounded slope and products leave.
    """
    rounded = np.where(found.first == found.last, 0, slope).astype(dtype)
    wide = rounded.astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        zero = np.where(wide > 0, between(*intercepts(wide, found, middles)) / wide, 0)
    bias = np.rint(np.clip(found.sign * zero + moved, -room, room)).astype(np.int64)
    shift = ((bias - moved) * found.sign)[:, None]
    products = ((found.table + shift).astype(dtype) * rounded[:, None]).astype(np.float64)
    before = ((found.table - 1 + shift).astype(dtype) * rounded[:, None]).astype(np.float64)
    reached, missed = found.table <= found.high[:, None], found.table > found.low[:, None]
    lower = np.where(reached, middles - products, -np.inf).max(axis=1)
    upper = np.where(missed, middles - before, np.inf).min(axis=1)
    return bias, np.stack((rounded * found.sign, between(lower, upper))).astype(dtype)


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
    if step.S != 0:
        raise RangeError(
            f"layer {k}: values that are shifted but not clamped have no QuantizeLinear; clamp "
            "them, or leave the sums as they are (M = 1, S = 0)"
        )
    total, moved = step.R + step.Z, moved_sums(layer.weight, reads)
    sums = largest_sums(layer.weight, reads)
    if (step.M == 1).all():
        output = _real_sums(layer, sums + np.abs(total + moved))
        bias = total + moved - output.zero
        factor: NDArray[Any] = np.broadcast_to(output.scale, bias.shape)
        offset = np.zeros_like(bias)
        largest = sums + np.abs(bias)
    else:
        output, bias, factor, offset = _integers(), moved, step.M, total
        largest = (sums + np.abs(bias)) * np.abs(step.M) + np.abs(total)
    dtype = _type_for(largest)
    worst = int(largest.argmax())
    if largest[worst] > EXACT[np.dtype(np.float64)]:
        raise RangeError(
            f"layer {k}, channel {worst}: its outputs reach {largest[worst]}, and float64 holds "
            "integers up to 2^53 only; use smaller numbers"
        )
    line = Line(factor.astype(dtype) / dtype(reads.unit), offset.astype(dtype))
    return LayerPlan(layer.weight, (bias * reads.unit).astype(dtype), line, None), output


def _real_sums(layer: Layer, largest: NDArray[np.int64]) -> OutputPlan:
    """The real values of sums up to ``largest``, if they give these sums back."""
    zero, meaning = whole_zero(layer.meaning), layer.meaning
    if meaning is None or zero is None or (largest + np.abs(zero)).max() >= RECOVERABLE:
        return _integers()
    scale = meaning.scale.astype(np.float32)
    usable = np.isfinite(scale) & (np.abs(scale) >= np.finfo(np.float32).tiny)
    return OutputPlan(*_shared(scale, zero), True) if usable.all() else _integers()
