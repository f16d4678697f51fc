"""Prove that a plan computes exactly what its network computes, for every input.

Per layer: every partial sum of the Gemm is an integer that its type holds, in any order of its
additions; and behind it the rounded arithmetic and the network's step are both monotone, and equal
at every threshold, at the sum before it, and at both ends of the sums that inputs can reach. So
they are equal at all of these sums. Real inputs are compared in the same way over all of float32.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ohmbench.digital.exporting.arithmetic import (
    gemm,
    largest_sums,
    layer_values,
    moved_sums,
    quantise,
)
from ohmbench.digital.exporting.lines import rises
from ohmbench.digital.exporting.plan import (
    EXACT,
    RECOVERABLE,
    Count,
    LayerPlan,
    OutputPlan,
    Plan,
    Tensor,
)
from ohmbench.digital.integer.network import IntegerNetwork, Layer, Thresholds, acc_range
from ohmbench.digital.integer.reals import deciding_reals


@dataclass(frozen=True)
class Certificate:
    """What was compared: sums in all layers and channels, and real inputs.

    ``faults`` are sentences on what differs, one per layer at most; none if the plan is exact.
    """

    sums: int
    reals: int
    faults: tuple[str, ...]

    @property
    def exact(self) -> bool:
        """Whether every input gives the network's integers."""
        return not self.faults


def check_plan(plan: Plan, network: IntegerNetwork) -> Certificate:
    """Compare ``plan`` with ``network`` at every point where they could differ."""
    faults, sums, reals, reads = [], 0, 0, plan.input
    if (reads.lo, reads.hi) != (network.input.lo, network.input.hi):
        faults.append(f"inputs run from {reads.lo} to {reads.hi}")
    if plan.input_scale is not None:
        points = deciding_reals(network.input)
        reals = len(points)
        different = quantise(points, plan.input_scale, reads) != network.input.quantise(points)
        if different.any():
            faults.append(
                f"the real input {points[different.argmax()]:.9g} becomes another integer"
            )
    for k, (layer, source) in enumerate(zip(plan.layers, network.layers, strict=True)):
        found = _Layer(k, layer, source, reads)
        faults += list(found.faults(plan.output))[:1]
        sums += found.points.size
        if layer.out is not None:
            reads = layer.out
    return Certificate(sums, reals, tuple(faults))


class _Layer:
    """One layer of a plan beside the network's."""

    def __init__(self, k: int, layer: LayerPlan, source: Layer, reads: Tensor) -> None:
        self.k, self.layer, self.source, self.reads = k, layer, source, reads
        low, high = acc_range(source.weight, reads.lo, reads.hi)
        clamped = source.step.lo is not None
        self.points = rises(source.step, low, high).deciding() if clamped else np.stack((low, high))

    def faults(self, output: OutputPlan) -> Iterator[str]:
        """Sentences on what is wrong."""
        name = f"layer {self.k}"
        if not np.array_equal(self.layer.weight, self.source.weight):
            yield f"{name}: its weights are others"
        if not self._adds_exactly():
            yield f"{name}: a sum could be rounded"
        step, out = self.source.step, self.layer.out
        if out is not None and (out.lo, out.hi) != (step.lo, step.hi):
            yield f"{name}: its values run from {out.lo} to {out.hi}, not {step.lo} to {step.hi}"
        wanted = step.apply(self.points)
        if out is not None:
            yield from self._differences(layer_values(self.layer, self.reads, self.points), wanted)
        else:
            yield from self._real_differences(output, wanted)

    def _adds_exactly(self) -> bool:
        bias, unit = self.layer.bias, self.reads.unit
        whole = np.rint(bias / unit)
        sums = largest_sums(self.layer.weight, self.reads) + np.abs(whole)
        return bool((whole * unit == bias).all() and (sums <= EXACT[bias.dtype]).all())

    def _differences(self, found: NDArray[np.int64], wanted: NDArray[np.int64]) -> Iterator[str]:
        different = found != wanted
        if different.any():
            row, channel = np.unravel_index(int(different.argmax()), different.shape)
            yield (
                f"layer {self.k}, channel {channel}: the sum {self.points[row, channel]} becomes "
                f"{found[row, channel]}, not {wanted[row, channel]}"
            )

    def _real_differences(self, output: OutputPlan, wanted: NDArray[np.int64]) -> Iterator[str]:
        """Unclamped sums: the graph has the network's own numbers, and no operation rounds.

        Whole numbers up to the type's limit are exact, and so is their division by ``2**S``. Sums
        multiplied by a real scale and rounded come back while they are below 2**23 in magnitude;
        both sides are linear, so that their ends show every difference.
        """
        form, unit, step = self.layer.form, self.reads.unit, self.source.step
        if isinstance(form, Count) or isinstance(step, Thresholds):
            yield f"layer {self.k}: its sums are compared with thresholds"
            return
        values = layer_values(self.layer, self.reads, self.points)
        yield from self._differences(output.integers(values), wanted)
        largest = np.abs(gemm(self.layer, self.reads, self.points)).max(axis=0) / unit
        factor = form.multiplier * unit
        if output.real:
            good = (factor == output.scale) & (form.offset == 0) & (largest < RECOVERABLE)
        else:
            factor, offset = np.ldexp(factor, step.S), np.ldexp(form.offset, step.S)
            whole = (np.rint(factor) == factor) & (np.rint(offset) == offset)
            good = whole & (largest * np.abs(factor) + np.abs(offset) <= EXACT[factor.dtype])
            good &= factor == step.M
            added = (
                offset
                + (self.layer.bias / unit - moved_sums(self.layer.weight, self.reads)) * factor
            )
            good &= added == step.R + step.Z * 2.0**step.S
            good &= form.floor or step.S == 0
        if not good.all():
            yield f"layer {self.k}, channel {int(good.argmin())}: its outputs could be rounded"
