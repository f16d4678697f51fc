"""What an exported file computes, in numbers: tensors, their types, and floating-point constants.

A plan says everything that the graph (``graph``) will hold, so that ``checking`` can evaluate the
same arithmetic on integers. Every quantised tensor stands for ``unit * (q - zero)``, where ``q`` is
the stored integer and ``h = q - shift`` the network's. Units are 1, or the real scale where that
is a power of two: only then is every sum of a ``Gemm`` exact. Sums beyond float32 are float64.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from jaxtyping import Float, Float32, Int8, Int64
from numpy.typing import NDArray

from ohmbench.digital.integer.network import InputFormat, IntegerNetwork, Meaning

Kind: TypeAlias = Literal["uint8", "int8", "uint16", "int16", "int32"]

EXACT = {np.dtype(np.float32): 2**24, np.dtype(np.float64): 2**53}
"""These types hold every integer up to this magnitude."""
RECOVERABLE = 2**23
"""Below this magnitude, an integer times a scale, rounded to float32, gives the integer back."""
_LARGEST_EXPONENT = 60
"""Of a unit: products of units and their quotients stay far from float32's limits."""


@dataclass(frozen=True)
class Tensor:
    """A quantised tensor of integers ``h`` from ``lo`` to ``hi``, stored as ``q = h + shift``.

    ``QuantizeLinear`` and ``DequantizeLinear`` have the zero point ``zero`` (of ``q``) and the
    scale ``unit``.
    """

    kind: Kind
    lo: int
    hi: int
    shift: int = 0
    zero: int = 0
    unit: float = 1.0

    @property
    def clips(self) -> bool:
        """Whether the type holds more values than ``lo`` to ``hi``, so that a Clip is needed."""
        info = np.iinfo(self.kind)
        return (self.lo + self.shift, self.hi + self.shift) != (info.min, info.max)

    @property
    def centre(self) -> int:
        """The ``h`` that stands for 0."""
        return self.zero - self.shift


@dataclass(frozen=True, eq=False)
class Line:
    """``multiplier * x + offset``, (channels,), each operation rounded to their type.

    With ``floor``, the largest integer that is not above that, in float64.
    """

    multiplier: Float[NDArray[Any], " channels"]
    offset: Float[NDArray[Any], " channels"]
    floor: bool = False


@dataclass(frozen=True, eq=False)
class Count:
    """``offset`` + how many of ``table`` (channels, steps) are at most ``sign * x``."""

    table: Float[NDArray[Any], "channels steps"]
    sign: Float[NDArray[Any], " channels"]
    offset: float


Form: TypeAlias = Line | Count


@dataclass(frozen=True, eq=False)
class LayerPlan:
    """One layer: ``x = Gemm(inputs, weight) + bias``, then ``form``, then quantised to ``out``.

    ``weight`` int8 (channels, inputs); ``bias`` (channels,), a whole multiple of the unit of the
    inputs. The Gemm computes in the type of ``bias``, the form in that of its constants, float32
    or float64, ``QuantizeLinear`` in float32. ``out`` None leaves reals, which only the last layer
    does.
    """

    weight: Int8[NDArray[np.int8], "channels inputs"]
    bias: Float[NDArray[Any], " channels"]
    form: Form
    out: Tensor | None


@dataclass(frozen=True, eq=False)
class OutputPlan:
    """What the outputs stand for: ``scale * (h - zero)``; float32 and int64 (channels,) or (1,).

    ``real`` says whether these are the network's real values; otherwise the outputs are its
    integers.
    """

    scale: Float32[NDArray[np.float32], " channels"]
    zero: Int64[NDArray[np.int64], " channels"]
    real: bool

    def integers(self, outputs: NDArray[Any]) -> Int64[NDArray[np.int64], "n channels"]:
        """The network's integers that ``outputs`` (n, channels), floats, stand for."""
        found: NDArray[np.int64] = np.rint(outputs / self.scale.astype(np.float64)).astype(np.int64)
        return found + self.zero


@dataclass(frozen=True, eq=False)
class Plan:
    """A whole file.

    ``input_scale`` is the scale of the ``QuantizeLinear`` that reads real inputs; None if the graph
    takes the integers themselves. ``notes`` are sentences for people on what was decided.
    """

    input_scale: float | None
    input: Tensor
    layers: tuple[LayerPlan, ...]
    output: OutputPlan
    notes: tuple[str, ...] = ()


def unit_of(scale: float) -> float:
    """``scale`` if it is a power of two that float32 handles with ease, else 1."""
    if not scale > 0:
        return 1.0
    mantissa, exponent = math.frexp(scale)
    return scale if mantissa == 0.5 and abs(exponent) <= _LARGEST_EXPONENT else 1.0


def whole_zero(meaning: Meaning | None) -> NDArray[np.int64] | None:
    """The integers that stand for 0, (1,) or (channels,); None if they are not whole numbers."""
    if meaning is None:
        return None
    zero = -meaning.offset / meaning.scale
    whole = np.rint(zero)
    if (np.abs(whole) > 2**15).any():
        return None
    # -scale * zero was rounded once, and so is the quotient.
    close = np.abs(zero - whole) <= 4 * np.finfo(np.float64).eps * np.maximum(np.abs(whole), 1)
    return whole.astype(np.int64) if close.all() else None


def storage(lo: int, hi: int, unit: float = 1.0, zero: int = 0) -> Tensor:
    """The tensor for integers ``lo`` to ``hi`` of at most 8 bits.

    ``zero`` is the integer that stands for 0, or 0 itself if the type cannot hold it.
    """
    for kind, shift in (("uint8", 0), ("int8", 0), ("uint8", -lo)):
        info = np.iinfo(kind)
        if info.min <= lo + shift and hi + shift <= info.max:
            break
    if not info.min <= zero + shift <= info.max:
        zero = 0
    chosen: Kind = "uint8" if kind == "uint8" else "int8"
    return Tensor(chosen, lo, hi, shift, zero + shift, unit)


def hidden_tensor(network: IntegerNetwork, k: int) -> Tensor:
    """The tensor of the clamped values of layer ``k``."""
    layer = network.layers[k]
    step, meaning = layer.step, layer.meaning
    assert step.lo is not None
    assert step.hi is not None
    zero = whole_zero(meaning)
    if meaning is None or zero is None or not meaning.shared:
        return storage(step.lo, step.hi)
    return storage(step.lo, step.hi, unit_of(float(meaning.scale[0])), int(zero[0]))


def input_tensor(read: InputFormat) -> Tensor:
    """The smallest type that holds the inputs themselves."""
    kinds: tuple[Kind, ...] = ("uint8", "int8", "uint16", "int16")
    for kind in kinds:
        info = np.iinfo(kind)
        if info.min <= read.lo and read.hi <= info.max:
            zero = read.zero if info.min <= read.zero <= info.max else 0
            return Tensor(kind, read.lo, read.hi, 0, zero, unit_of(read.scale))
    return Tensor("int32", read.lo, read.hi, 0, 0, unit_of(read.scale))


def real_input_tensor(read: InputFormat) -> Tensor | None:
    """The tensor that ``QuantizeLinear`` makes of real inputs; None if it cannot.

    It stores other integers where no type holds both the inputs and their zero point. onnxruntime
    has no Clip of 16 bits.
    """
    plain = input_tensor(read)
    if plain.kind == "int32" or plain.centre != read.zero:
        shifted = read.zero - read.lo
        kind: Kind = "uint8" if max(read.hi - read.lo, shifted) <= 255 else "uint16"
        if not 0 <= shifted <= np.iinfo(kind).max:
            return None
        plain = Tensor(kind, read.lo, read.hi, -read.lo, shifted, plain.unit)
    return None if plain.clips and plain.kind in ("uint16", "int16") else plain
