"""An integer network of any number of layers, and what its integers stand for.

Layer k computes ``acc = W h`` exactly and then, per channel, one step function of that integer:

- ``Affine``: ``h = clamp(((acc * M_c + R_c) >> S) + Z, lo, hi)``, an arithmetic shift (floor);
- ``Thresholds``: ``h = lo + the number of thresholds that acc reaches``.

Biases, batch normalisation, rounding and zero points are in ``M_c`` and ``R_c``: a bias ``b`` is
``R_c = b * M_c``, rounding half up adds ``2**(S - 1)``. The two-layer network of the paper
(``digital.network``) is the special case ``M_c = M``, ``R_c = b_c * M``, ``Z = 0``, 0 to 255
(``from_int8``). The last layer may leave its sums unclamped (``Affine.sums``).

Channels and layers count from 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Float32, Float64, Int8, Int64
from numpy.typing import ArrayLike, NDArray

from ohmbench.digital.network import LARGEST_SIZE, Int8Network
from ohmbench.errors import DtypeError, NonFiniteError, RangeError, ShapeError

MAX_LAYERS = 32
MAX_BITS = 8
"""The widest weight."""
MAX_INPUT_BITS = 16
MAX_STEPS = 255
"""The largest number of thresholds of a channel: 256 values of 8 bits."""
S_MAX = 62
_SMALLEST_SCALE, _END_OF_SCALES = 2.0**-126, 2.0**127
"""Of inputs: normal numbers of float32, in which real inputs are divided."""
LARGEST = 2**62
"""Every number of a network stays below this magnitude, so that int64 holds all of them."""


def _owned(name: str, array: ArrayLike, dtype: Any, ndim: int) -> NDArray[Any]:
    """A read-only copy. Raises DtypeError for another kind of number, ShapeError for its shape."""
    found = np.asarray(array)
    wanted = np.dtype(dtype)
    if not np.can_cast(found.dtype, wanted, "same_kind") or found.dtype.kind == "b":
        raise DtypeError(f"{name} is {found.dtype}, but should be {wanted}")
    if found.ndim != ndim or not all(1 <= size <= LARGEST_SIZE for size in found.shape):
        raise ShapeError(
            f"{name} has shape {found.shape}, but should have {ndim} "
            f"dimension{'s' * (ndim != 1)} of 1 to {LARGEST_SIZE}"
        )
    if wanted.kind == "f" and not np.isfinite(found).all():
        raise NonFiniteError(f"{name} should be finite everywhere")
    copy: NDArray[Any] = np.array(found, dtype=wanted)
    if (copy != found).any():
        raise RangeError(f"{name} does not fit {wanted}")
    copy.flags.writeable = False
    return copy


@dataclass(frozen=True, eq=False)
class Meaning:
    """The real values of a layer's integers: ``scale * h + offset``.

    ``scale`` and ``offset``: float64 (channels,), or (1,) if all channels share them. A negative
    scale is possible; 0 is not.
    """

    scale: Float64[NDArray[np.float64], " channels"]
    offset: Float64[NDArray[np.float64], " channels"]

    def __post_init__(self) -> None:
        for name in ("scale", "offset"):
            object.__setattr__(self, name, _owned(name, getattr(self, name), np.float64, 1))
        if self.scale.shape != self.offset.shape:
            raise ShapeError(
                f"offset has shape {self.offset.shape}, but should be {self.scale.shape}"
            )
        if not self.scale.all():
            raise RangeError("a scale is 0, so its integers have no real value")

    @classmethod
    def of(cls, scale: float, zero: int = 0) -> Meaning:
        """``scale * (h - zero)``, the same for all channels."""
        return cls(np.array([scale], np.float64), np.array([-scale * zero], np.float64))

    @property
    def shared(self) -> bool:
        """Whether all channels have one scale and offset, so that their integers compare."""
        return bool((self.scale == self.scale[0]).all() and (self.offset == self.offset[0]).all())

    def real(self, h: NDArray[Any]) -> Float64[NDArray[np.float64], "n channels"]:
        """The real values of integers ``h`` (n, channels)."""
        found: NDArray[np.float64] = h * self.scale + self.offset
        return found


@dataclass(frozen=True, eq=False)
class InputFormat:
    """The integers that a network reads: ``lo`` to ``hi``, at most 16 bits.

    ``scale`` and ``zero`` give the real value of an input, ``scale * (q - zero)``. ``thresholds``,
    float32 (hi - lo,) ascending, say exactly how the source turns real inputs into integers:
    ``q = lo + the number of thresholds <= x``. Without them a real input is divided by the scale
    in float32 and rounded to the nearest integer, ties to even, as by ONNX's QuantizeLinear.
    Raises RangeError, DtypeError or ShapeError.
    """

    lo: int
    hi: int
    scale: float = 1.0
    zero: int = 0
    thresholds: Float32[NDArray[np.float32], " steps"] | None = None

    def __post_init__(self) -> None:
        smallest, largest = -(2 ** (MAX_INPUT_BITS - 1)), 2**MAX_INPUT_BITS - 1
        if not smallest <= self.lo < self.hi <= largest or self.hi - self.lo > largest:
            raise RangeError(
                f"inputs run from {self.lo} to {self.hi}, but should fit {MAX_INPUT_BITS} bits"
            )
        if not _SMALLEST_SCALE <= self.scale < _END_OF_SCALES:
            raise RangeError(
                f"the scale of the inputs is {self.scale:g}, but should be positive in float32"
            )
        if self.thresholds is not None:
            table = np.asarray(self.thresholds)
            if table.dtype != np.float32 or table.shape != (self.hi - self.lo,):
                raise ShapeError(
                    f"input thresholds are {table.dtype} {table.shape}, but should be float32 "
                    f"({self.hi - self.lo},)"
                )
            if np.isnan(table).any() or (table[1:] < table[:-1]).any():
                raise RangeError("input thresholds should ascend")
            copy = table.copy()
            copy.flags.writeable = False
            object.__setattr__(self, "thresholds", copy)

    def quantise(self, x: NDArray[Any]) -> Int64[NDArray[np.int64], "*shape"]:
        """The integers of real inputs, of any shape. Raises NonFiniteError for NaN."""
        if np.isnan(x).any():
            raise NonFiniteError("an input is not a number")
        if self.thresholds is not None:
            real = np.asarray(x, np.float32)
            counts = np.searchsorted(self.thresholds, real.ravel(), side="right")
            found: NDArray[np.int64] = self.lo + counts.reshape(real.shape).astype(np.int64)
            return found
        with np.errstate(over="ignore"):
            q = np.rint(np.asarray(x, np.float32) / np.float32(self.scale)).astype(np.float64)
        clipped: NDArray[np.int64] = np.clip(q + self.zero, self.lo, self.hi).astype(np.int64)
        return clipped

    def real(self, q: NDArray[Any]) -> Float64[NDArray[np.float64], "*shape"]:
        """The real values of integers."""
        found: NDArray[np.float64] = (q.astype(np.float64) - self.zero) * self.scale
        return found


@dataclass(frozen=True, eq=False)
class Affine:
    """``h = clamp(((acc * M + R) >> S) + Z, lo, hi)`` per channel; the shift is a floor.

    ``M``, ``R``: int64 (channels,), below 2**62 in magnitude; ``S`` from 0 to 62. ``lo`` and ``hi``
    of None leave the value as it is, which only the last layer may do.
    """

    M: Int64[NDArray[np.int64], " channels"]
    R: Int64[NDArray[np.int64], " channels"]
    S: int
    Z: int = 0
    lo: int | None = 0
    hi: int | None = 255

    def __post_init__(self) -> None:
        for name in ("M", "R"):
            object.__setattr__(self, name, _owned(name, getattr(self, name), np.int64, 1))
        if self.M.shape != self.R.shape:
            raise ShapeError(f"R has shape {self.R.shape}, but should be {self.M.shape}")
        if not 0 <= self.S <= S_MAX:
            raise RangeError(f"S is {self.S}, but should be from 0 to {S_MAX}")
        if (self.lo is None) != (self.hi is None):
            raise RangeError("lo and hi should both be given, or neither")
        if self.lo is not None and self.hi is not None:
            _check_levels(self.lo, self.hi)
        if abs(self.Z) > 2**15:
            raise RangeError(f"Z is {self.Z}, but should be within 16 bits")

    @classmethod
    def sums(cls, bias: ArrayLike) -> Affine:
        """``acc + bias``, unclamped: the last layer of a network that requantises nothing there."""
        R = _owned("bias", bias, np.int64, 1)
        return cls(np.ones_like(R), R, 0, 0, None, None)

    @property
    def channels(self) -> int:
        """Number of channels."""
        return len(self.M)

    def apply(self, acc: Int64[NDArray[np.int64], "n channels"]) -> NDArray[np.int64]:
        """The step of sums (n, channels), int64 (n, channels)."""
        h: NDArray[np.int64] = ((acc * self.M + self.R) >> np.int64(self.S)) + self.Z
        return h if self.lo is None else np.clip(h, self.lo, self.hi)


@dataclass(frozen=True, eq=False)
class Thresholds:
    """``h = lo + number of k with sign * acc >= table[:, k]`` per channel.

    ``table``: int64 (channels, hi - lo), ascending along k; ``sign``: int8 (channels,), +1 or -1
    (a step that falls as ``acc`` grows).
    """

    table: Int64[NDArray[np.int64], "channels steps"]
    sign: Int8[NDArray[np.int8], " channels"]
    lo: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "table", _owned("table", self.table, np.int64, 2))
        object.__setattr__(self, "sign", _owned("sign", self.sign, np.int8, 1))
        if self.sign.shape != self.table.shape[:1]:
            raise ShapeError(
                f"sign has shape {self.sign.shape}, but should be ({len(self.table)},)"
            )
        if not (np.abs(self.sign) == 1).all():
            raise RangeError("signs should be 1 or -1")
        if (np.diff(self.table, axis=1) < 0).any():
            raise RangeError("thresholds should ascend")
        if self.table.size and int(np.abs(self.table).max()) > LARGEST:
            raise RangeError("thresholds should be below 2^62 in magnitude")
        _check_levels(self.lo, self.hi)

    @property
    def hi(self) -> int:
        """The largest value."""
        return self.lo + int(self.table.shape[1])

    @property
    def channels(self) -> int:
        """Number of channels."""
        return len(self.sign)

    def apply(self, acc: Int64[NDArray[np.int64], "n channels"]) -> NDArray[np.int64]:
        """The step of sums (n, channels), int64 (n, channels)."""
        h = np.empty(acc.shape, np.int64)
        for c, row in enumerate(self.table):
            h[:, c] = self.lo + np.searchsorted(row, acc[:, c] * self.sign[c], side="right")
        return h


Step: TypeAlias = Affine | Thresholds


def _check_levels(lo: int, hi: int) -> None:
    if not -255 <= lo < hi <= 255 or hi - lo > MAX_STEPS:
        raise RangeError(f"values run from {lo} to {hi}, but should fit 8 bits")


@dataclass(frozen=True, eq=False)
class Layer:
    """Weights int8 (channels, inputs) of ``bits`` bits, the step behind their sums, its meaning.

    Weights of one bit are -1 and +1; of more bits -2**(bits - 1) to 2**(bits - 1) - 1. Raises
    RangeError, DtypeError or ShapeError.
    """

    weight: Int8[NDArray[np.int8], "channels inputs"]
    step: Step
    bits: int = MAX_BITS
    meaning: Meaning | None = None

    def __post_init__(self) -> None:
        weight = _owned("weight", self.weight, np.int8, 2)
        object.__setattr__(self, "weight", weight)
        if not 1 <= self.bits <= MAX_BITS:
            raise RangeError(f"weights have {self.bits} bits, but should have 1 to {MAX_BITS}")
        low, high = weight_range(self.bits)
        if int(weight.min()) < low or int(weight.max()) > high or not self._bipolar():
            holds = "1 bit holds -1 and 1" if self.bits == 1 else f"{self.bits} bits hold {low}"
            raise RangeError(
                f"weights run from {weight.min()} to {weight.max()}, but {holds}"
                + (f" to {high}" if self.bits > 1 else "")
            )
        if self.step.channels != len(weight):
            raise ShapeError(
                f"the step has {self.step.channels} channels, but the weights have {len(weight)}"
            )
        if self.meaning is not None and len(self.meaning.scale) not in (1, len(weight)):
            raise ShapeError(
                f"the meaning has {len(self.meaning.scale)} channels, but the weights have "
                f"{len(weight)}"
            )

    def _bipolar(self) -> bool:
        return self.bits > 1 or bool((np.abs(self.weight) == 1).all())

    @property
    def channels(self) -> int:
        """Number of outputs."""
        return int(self.weight.shape[0])

    @property
    def inputs(self) -> int:
        """Number of inputs."""
        return int(self.weight.shape[1])


def weight_range(bits: int) -> tuple[int, int]:
    """The smallest and largest weight of ``bits`` bits; one bit holds -1 and +1."""
    return (-1, 1) if bits == 1 else (-(1 << (bits - 1)), (1 << (bits - 1)) - 1)


def weight_bits(weight: NDArray[Any]) -> int:
    """The fewest bits that hold ``weight``; 1 where all are -1 or +1."""
    if (np.abs(weight.astype(np.int64)) == 1).all():
        return 1
    low, high = min(int(weight.min()), 0), max(int(weight.max()), 0)
    return max(2, (~low).bit_length() + 1 if low < 0 else 2, high.bit_length() + 1)


def acc_range(
    weight: NDArray[np.int8], low: ArrayLike | int, high: ArrayLike | int
) -> tuple[Int64[NDArray[np.int64], " channels"], Int64[NDArray[np.int64], " channels"]]:
    """Range of ``weight @ x`` (channels,) over all x with low <= x <= high, each (inputs,) or a
    number. Both ends are reached.
    """
    w = weight.astype(np.int64)
    shape = (w.shape[1],)
    lo, hi = (np.broadcast_to(np.asarray(x, np.int64), shape) for x in (low, high))
    positive: NDArray[np.int64] = np.maximum(w, 0)
    negative: NDArray[np.int64] = np.minimum(w, 0)
    return positive @ lo + negative @ hi, positive @ hi + negative @ lo


@dataclass(frozen=True, eq=False)
class IntegerNetwork:
    """An input format and 1 to 32 layers.

    The class of an input is the first index of its largest output; if the outputs have different
    meanings per channel, the largest real value decides. Networks are equal if all their integers
    are. Raises ShapeError for layers that do not fit together, RangeError for numbers that int64
    could not hold.
    """

    input: InputFormat
    layers: tuple[Layer, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "layers", tuple(self.layers))
        if not 1 <= len(self.layers) <= MAX_LAYERS:
            raise ShapeError(f"{len(self.layers)} layers, but should be 1 to {MAX_LAYERS}")
        lo, hi = self.input.lo, self.input.hi
        for k, layer in enumerate(self.layers):
            if k and layer.inputs != self.layers[k - 1].channels:
                raise ShapeError(
                    f"layer {k} has {layer.inputs} inputs, but layer {k - 1} has "
                    f"{self.layers[k - 1].channels} channels"
                )
            self._check_range(k, layer, lo, hi)
            if layer.step.lo is None or layer.step.hi is None:
                if k + 1 < len(self.layers):
                    raise RangeError(f"layer {k} is not the last, so its values should be clamped")
                break
            lo, hi = layer.step.lo, layer.step.hi

    @staticmethod
    def _check_range(k: int, layer: Layer, lo: int, hi: int) -> None:
        """Raise RangeError if a sum or product of layer ``k`` could reach 2**62."""
        low, high = acc_range(layer.weight, lo, hi)
        step = layer.step
        if isinstance(step, Affine):
            ends = zip(low.tolist(), high.tolist(), step.M.tolist(), step.R.tolist(), strict=True)
            for c, (a, b, m, r) in enumerate(ends):
                if max(abs(a), abs(b), 1) * abs(m) + abs(r) >= LARGEST:
                    raise RangeError(
                        f"layer {k}, channel {c}: acc * M + R could reach 2^62; use a smaller S"
                    )

    @property
    def sizes(self) -> tuple[int, ...]:
        """Inputs, then the channels of each layer."""
        return self.layers[0].inputs, *(layer.channels for layer in self.layers)

    @property
    def weight(self) -> tuple[Int8[NDArray[np.int8], "_ _"], ...]:
        """The weights of each layer."""
        return tuple(layer.weight for layer in self.layers)

    @property
    def inputs(self) -> int:
        """Inputs of layer 0."""
        return self.layers[0].inputs

    @property
    def classes(self) -> int:
        """Outputs of the last layer."""
        return self.layers[-1].channels

    def value_range(self, layer: int) -> tuple[int, int]:
        """Smallest and largest input of ``layer`` by its format."""
        if layer == 0:
            return self.input.lo, self.input.hi
        step = self.layers[layer - 1].step
        assert step.lo is not None
        assert step.hi is not None
        return step.lo, step.hi

    def _integers(self) -> tuple[object, ...]:
        table = self.input.thresholds
        parts: list[object] = [
            self.sizes,
            self.input.lo,
            self.input.hi,
            None if table is None else table.tobytes(),
        ]
        for layer in self.layers:
            step = layer.step
            parts += [layer.weight.tobytes(), layer.bits, type(step).__name__]
            if isinstance(step, Affine):
                parts += [step.M.tobytes(), step.R.tobytes(), step.S, step.Z, step.lo, step.hi]
            else:
                parts += [step.table.tobytes(), step.sign.tobytes(), step.lo]
        return tuple(parts)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, IntegerNetwork) and self._integers() == other._integers()

    def __hash__(self) -> int:
        return hash(self._integers())


def as_layers(network: Int8Network | IntegerNetwork) -> IntegerNetwork:
    """``network`` as layers, whichever of the two forms it has."""
    return from_int8(network) if isinstance(network, Int8Network) else network


def from_int8(network: Int8Network) -> IntegerNetwork:
    """The paper's two-layer network as layers; every value and class is the same.

    ``acc0 = W0 x``, ``M_c = M`` and ``R_c = b0_c * M``; the ReLU is the clamp at 0.
    """
    first, last = network.scales or (None, None)
    meaning = None
    if first is not None and first.out_scale is not None:
        meaning = Meaning.of(first.out_scale)
    bias0, bias1 = (b.astype(np.int64) for b in network.bias)
    M = np.full(network.hidden, network.M, np.int64)
    return IntegerNetwork(
        InputFormat(0, 255, first.in_scale if first is not None else 1.0),
        (
            Layer(network.weight[0], Affine(M, bias0 * network.M, network.S), meaning=meaning),
            Layer(
                network.weight[1],
                Affine.sums(bias1),
                meaning=None if last is None else Meaning.of(last.bias_scale),
            ),
        ),
    )
