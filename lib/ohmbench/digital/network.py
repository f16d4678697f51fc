"""An int8 network of two layers: integer weights and the requantisation between the layers.

A hidden sum has the scale ``in_scale * weight_scale`` and must get the scale ``out_scale``: it is
multiplied by ``M`` and shifted right by ``S``, where ``M / 2**S`` approximates ``in_scale *
weight_scale / out_scale``.

Source: FANN (digital half), weight and activation formats and the 16-bit ``M`` with ``S`` = 24.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64, Int8, Int32
from numpy.typing import NDArray

from ohmbench.errors import DtypeError, NonFiniteError, RangeError, ShapeError

M_MAX = 2**16 - 1
S_MAX = 2**5 - 1
FANN_S = 24
"""The paper's shift, which also applies to files that state none."""

LARGEST_SIZE = 2**16
"""The largest number of inputs, hidden neurons or classes.

It keeps every sum under 2**32 (2**16 * 128 * 255 + 2**31) and every product ``r * M`` under 2**48,
for any weights and biases, so that int64 holds them all.
"""

_BIAS_SCALE_RTOL = 1e-5  # the scales are float32, and their product was rounded again


@dataclass(frozen=True)
class LayerScales:
    """The real values of one step of a layer's integers; positive, finite floats.

    ``in_scale`` of its inputs, ``weight_scale`` of its weights, ``bias_scale`` (their product) of
    its bias and sums, ``out_scale`` of its requantised outputs (None for the last layer, which has
    none). Raises RangeError or NonFiniteError for a scale that is not positive or not finite, and
    RangeError for a ``bias_scale`` that is not the product.
    """

    weight_scale: float
    bias_scale: float
    in_scale: float
    out_scale: float | None = None

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value is None:
                continue
            if not math.isfinite(value):
                raise NonFiniteError(f"{name} is {value:g}, but should be finite")
            if value <= 0:
                raise RangeError(f"{name} is {value:g}, but should be positive")
        product = self.in_scale * self.weight_scale
        if abs(self.bias_scale - product) > _BIAS_SCALE_RTOL * product:
            raise RangeError(
                f"bias_scale is {self.bias_scale:.9g}, but should be in_scale * weight_scale = "
                f"{product:.9g}"
            )


def requantisation_multiplier(scales: LayerScales, S: int = FANN_S) -> int:
    """``M = round(2**S * in_scale * weight_scale / out_scale)``, a tie going to the even integer.

    Raises RangeError when ``M`` does not fit 16 bits or is 0 (every hidden value would be 0).
    """
    if scales.out_scale is None:
        raise RangeError("out_scale is missing, but a layer that is requantised should have one")
    ratio = scales.in_scale * scales.weight_scale / scales.out_scale
    exact = math.ldexp(ratio, S)
    if not 0.5 < exact < M_MAX + 0.5:
        raise RangeError(
            f"M = 2^{S} * in_scale * weight_scale / out_scale = {exact:.6g}, but should round to "
            f"1 to {M_MAX} (16 bits)"
        )
    return round(exact)


def _frozen_array(name: str, array: NDArray[Any], dtype: str, ndim: int) -> NDArray[Any]:
    """A read-only copy of ``array``. Raises DtypeError or ShapeError if dtype or shape is wrong."""
    if not isinstance(array, np.ndarray) or array.dtype != np.dtype(dtype):
        found = array.dtype if isinstance(array, np.ndarray) else type(array).__name__
        raise DtypeError(f"{name} is {found}, but should be {dtype}")
    if array.ndim != ndim or not all(1 <= size <= LARGEST_SIZE for size in array.shape):
        wanted = "(out, in)" if ndim == 2 else "(out,)"
        raise ShapeError(
            f"{name} has shape {array.shape}, but should be {wanted}, sizes 1 to {LARGEST_SIZE}"
        )
    copy: NDArray[Any] = np.array(array, order="C", copy=True)
    copy.flags.writeable = False
    return copy


def _checked_integer(name: str, value: int, largest: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise DtypeError(f"{name} is {type(value).__name__}, but should be an integer")
    if not 0 <= value <= largest:
        raise RangeError(f"{name} is {value}, but should be from 0 to {largest}")
    return int(value)


@dataclass(frozen=True, eq=False)
class Int8Network:
    """Two layers of integers and the requantisation between them.

    ``weight``: int8 (hidden, inputs) and (classes, hidden); ``bias``: int32 (hidden,) and
    (classes,), any int32; ``M`` from 0 to 65535, ``S`` from 0 to 31. ``scales``, one per layer,
    give the real values of the integers; None for a network of integers only. The arrays are copied
    and read-only. Networks are equal if all their integers are. Raises DtypeError, ShapeError or
    RangeError; the message names the first wrong operand.
    """

    weight: tuple[Int8[NDArray[np.int8], "hidden inputs"], Int8[NDArray[np.int8], "classes hidden"]]
    bias: tuple[Int32[NDArray[np.int32], " hidden"], Int32[NDArray[np.int32], " classes"]]
    M: int
    S: int
    scales: tuple[LayerScales, LayerScales] | None = None

    def __post_init__(self) -> None:
        for name, pair in (("weight", self.weight), ("bias", self.bias)):
            if len(pair) != 2:
                raise ShapeError(f"{name} has {len(pair)} layers, but should have 2")
        weight = [_frozen_array(f"weight[{k}]", w, "int8", 2) for k, w in enumerate(self.weight)]
        bias = [_frozen_array(f"bias[{k}]", b, "int32", 1) for k, b in enumerate(self.bias)]
        for k in range(2):
            if bias[k].shape[0] != weight[k].shape[0]:
                raise ShapeError(
                    f"bias[{k}] has shape {bias[k].shape}, but should be ({weight[k].shape[0]},)"
                )
        if weight[1].shape[1] != weight[0].shape[0]:
            raise ShapeError(
                f"weight[1] has {weight[1].shape[1]} inputs, but layer 0 has "
                f"{weight[0].shape[0]} neurons"
            )
        object.__setattr__(self, "weight", tuple(weight))
        object.__setattr__(self, "bias", tuple(bias))
        object.__setattr__(self, "M", _checked_integer("M", self.M, M_MAX))
        object.__setattr__(self, "S", _checked_integer("S", self.S, S_MAX))
        if self.scales is not None:
            _check_chain(self.scales)

    @classmethod
    def from_scales(
        cls,
        weight: tuple[
            Int8[NDArray[np.int8], "hidden inputs"], Int8[NDArray[np.int8], "classes hidden"]
        ],
        bias: tuple[Int32[NDArray[np.int32], " hidden"], Int32[NDArray[np.int32], " classes"]],
        scales: tuple[LayerScales, LayerScales],
        S: int = FANN_S,
    ) -> Int8Network:
        """The network whose ``M`` follows from its scales (``requantisation_multiplier``)."""
        M = requantisation_multiplier(scales[0], _checked_integer("S", S, S_MAX))
        return cls(weight, bias, M, S, scales)

    @property
    def inputs(self) -> int:
        """Pixels of an image."""
        return int(self.weight[0].shape[1])

    @property
    def hidden(self) -> int:
        """Neurons of layer 0."""
        return int(self.weight[0].shape[0])

    @property
    def classes(self) -> int:
        """Neurons of layer 1."""
        return int(self.weight[1].shape[0])

    @property
    def sizes(self) -> tuple[int, int, int]:
        """Inputs, hidden neurons, classes."""
        return self.inputs, self.hidden, self.classes

    def _integers(self) -> tuple[object, ...]:
        arrays = (*self.weight, *self.bias)
        return self.sizes, *(a.tobytes() for a in arrays), self.M, self.S

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Int8Network) and self._integers() == other._integers()

    def __hash__(self) -> int:
        return hash(self._integers())


def _check_chain(scales: tuple[LayerScales, LayerScales]) -> None:
    """Raise RangeError unless the output scale of layer 0 is the input scale of layer 1."""
    if len(scales) != 2:
        raise ShapeError(f"scales has {len(scales)} layers, but should have 2")
    first, last = scales
    if first.out_scale is None or last.out_scale is not None:
        raise RangeError("layer 0 should have an out_scale and layer 1 none")
    if first.out_scale != last.in_scale:
        raise RangeError(
            f"layer 1 has in_scale {last.in_scale:.9g}, but layer 0 has out_scale "
            f"{first.out_scale:.9g}"
        )


@dataclass(frozen=True)
class FloatNetwork:
    """Real weights (out, in) and biases (out,) of both layers, float64; inputs in [0, 1]."""

    weight: tuple[
        Float64[NDArray[np.float64], "hidden inputs"],
        Float64[NDArray[np.float64], "classes hidden"],
    ]
    bias: tuple[Float64[NDArray[np.float64], " hidden"], Float64[NDArray[np.float64], " classes"]]
