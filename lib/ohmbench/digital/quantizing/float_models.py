"""A float MLP: linear layers with a ReLU between them, and how a file's blocks become one.

    h_0 = x,  h_k+1 = relu(W_k h_k + b_k),  logits = W_n h_n + b_n

A reader lists what its file holds as blocks, in the order of computation: ``Linear``, ``Scaling``
(one factor and one shift per value: batch normalisation, or arithmetic with constants) and
``Relu``. ``fold`` multiplies every scaling into the linear layer beside it, in float64.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Float64
from numpy.typing import ArrayLike, NDArray

from ohmbench.digital.integer.network import MAX_LAYERS
from ohmbench.digital.network import LARGEST_SIZE
from ohmbench.errors import DtypeError, NonFiniteError, OperandError, ShapeError

Floats: TypeAlias = NDArray[np.float64]

MAX_WEIGHTS = 10_000_000
"""The largest number of weights in all layers together."""


@dataclass(frozen=True, eq=False)
class Linear:
    """``W x + b``: ``weight`` (outputs, inputs), ``bias`` (outputs,)."""

    name: str
    weight: Floats
    bias: Floats


@dataclass(frozen=True, eq=False)
class Scaling:
    """``factor * x + shift``, value by value; each is (features,) or ()."""

    name: str
    factor: Floats
    shift: Floats


@dataclass(frozen=True)
class Relu:
    """``max(x, 0)``."""

    name: str


Block: TypeAlias = Linear | Scaling | Relu


def _layer(name: str, weight: ArrayLike, bias: ArrayLike) -> tuple[Floats, Floats]:
    """One layer's arrays as read-only float64. Raises ShapeError, DtypeError or NonFiniteError."""
    made = []
    for what, array, ndim in (("weight", weight, 2), ("bias", bias, 1)):
        found = np.asarray(array)
        if found.dtype.kind != "f":
            raise DtypeError(f"{name}: {what} is {found.dtype}, but should be floating point")
        if found.ndim != ndim or not all(1 <= size <= LARGEST_SIZE for size in found.shape):
            raise ShapeError(
                f"{name}: {what} has shape {found.shape}, but should have {ndim} "
                f"dimension{'s' * (ndim != 1)} of 1 to {LARGEST_SIZE}"
            )
        copy = np.array(found, np.float64, order="C")
        if not np.isfinite(copy).all():
            raise NonFiniteError(f"{name}: {what} holds NaN or infinity")
        copy.flags.writeable = False
        made.append(copy)
    if made[1].shape != made[0].shape[:1]:
        raise ShapeError(
            f"{name}: bias has {len(made[1])} values, but weight has {len(made[0])} outputs"
        )
    return made[0], made[1]


@dataclass(frozen=True, eq=False)
class FloatMLP:
    """1 to 32 linear layers with a ReLU between each two, in float64.

    ``weights[k]`` (outputs, inputs) and ``biases[k]`` (outputs,), float32 or float64; ``names`` are
    the layers' names in their file, ``notes`` sentences on what its reader assumed or dropped.
    Raises ShapeError for layers that do not fit together, DtypeError and NonFiniteError.
    """

    weights: tuple[Floats, ...]
    biases: tuple[Floats, ...]
    names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        count = len(self.weights)
        names = self.names or tuple(f"layer {k}" for k in range(count))
        if not 1 <= count <= MAX_LAYERS:
            raise ShapeError(f"{count} linear layers, but should be 1 to {MAX_LAYERS}")
        if len(self.biases) != count or len(names) != count:
            raise ShapeError(
                f"{len(self.biases)} biases and {len(names)} names, but {count} layers"
            )
        layers = [_layer(*layer) for layer in zip(names, self.weights, self.biases, strict=True)]
        for k in range(1, count):
            inputs, outputs = layers[k][0].shape[1], layers[k - 1][0].shape[0]
            if inputs != outputs:
                raise ShapeError(
                    f"{names[k]}: has {inputs} inputs, but {names[k - 1]} before it has {outputs} "
                    "outputs"
                )
        total = sum(weight.size for weight, _ in layers)
        if total > MAX_WEIGHTS:
            raise ShapeError(f"{total} weights, but should be at most {MAX_WEIGHTS}")
        object.__setattr__(self, "names", tuple(names))
        object.__setattr__(self, "weights", tuple(weight for weight, _ in layers))
        object.__setattr__(self, "biases", tuple(bias for _, bias in layers))

    @property
    def sizes(self) -> tuple[int, ...]:
        """Inputs, then the outputs of each layer."""
        return self.weights[0].shape[1], *(weight.shape[0] for weight in self.weights)

    def outputs(self, x: NDArray[Any]) -> list[Float64[NDArray[np.float64], "n _"]]:
        """The outputs of every layer for ``x`` (n, inputs): after its ReLU, and last the logits.

        Raises ShapeError for another number of inputs.
        """
        h = np.asarray(x, np.float64)
        if h.ndim != 2 or h.shape[1] != self.sizes[0]:
            raise ShapeError(f"inputs have shape {h.shape}, but should be (n, {self.sizes[0]})")
        found = []
        with np.errstate(over="ignore", invalid="ignore"):  # no scale is found for infinities
            for k, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
                h = h @ weight.T + bias
                if k + 1 < len(self.weights):
                    h = np.maximum(h, 0.0)
                found.append(h)
        return found


def _after(layer: Linear, by: Scaling) -> Linear:
    """``by`` applied to the outputs of ``layer``."""
    factor, shift = (_wide(by, value, len(layer.bias)) for value in (by.factor, by.shift))
    return Linear(layer.name, factor[:, None] * layer.weight, factor * layer.bias + shift)


def _before(layer: Linear, by: Scaling) -> Linear:
    """``by`` applied to the inputs of ``layer``."""
    factor, shift = (_wide(by, value, layer.weight.shape[1]) for value in (by.factor, by.shift))
    return Linear(layer.name, layer.weight * factor, layer.bias + layer.weight @ shift)


def _wide(by: Scaling, value: Floats, size: int) -> Floats:
    """``value`` as (size,). Raises ShapeError if it has another number of values."""
    if value.size not in (1, size) or value.ndim > 1:
        raise ShapeError(f"{by.name}: has {value.size} values, but there are {size} to scale")
    return np.broadcast_to(value, (size,))


def fold(blocks: Sequence[Block], notes: Sequence[str] = ()) -> FloatMLP:
    """The float MLP that computes what ``blocks`` compute, one after the other.

    A scaling is multiplied into the linear layer before it, or into the next one if a ReLU or
    nothing is before it. Raises OperandError, naming the block, for an order that is not an MLP's:
    two linear layers without a ReLU between them, a ReLU before the first or after the last layer.
    """
    with np.errstate(over="ignore", invalid="ignore"):  # FloatMLP refuses infinities
        layers = _folded(blocks)
    return FloatMLP(
        tuple(layer.weight for layer in layers),
        tuple(layer.bias for layer in layers),
        tuple(layer.name for layer in layers),
        tuple(notes),
    )


def _folded(blocks: Sequence[Block]) -> list[Linear]:
    """The linear layers of ``blocks``, with every scaling multiplied in. Raises OperandError."""
    layers: list[Linear] = []
    pending: list[Scaling] = []
    closed = True  # whether a ReLU follows the last layer found
    for block in blocks:
        if isinstance(block, Relu):
            if pending or not layers:
                raise OperandError(f"{block.name}: a Relu that does not follow a linear layer")
            closed = True
        elif isinstance(block, Linear):
            if not closed:
                raise OperandError(
                    f"{block.name}: follows {layers[-1].name} without a Relu between them; "
                    "multiply the two into one layer"
                )
            for scaling in reversed(pending):
                block = _before(block, scaling)
            pending = []
            layers.append(block)
            closed = False
        elif closed:
            pending.append(block)
        else:
            layers[-1] = _after(layers[-1], block)
    if not layers:
        raise OperandError("no linear layer; a float MLP has at least one")
    if closed:
        last = pending[-1].name if pending else f"the Relu after {layers[-1].name}"
        raise OperandError(f"{last}: comes after the last linear layer; end with its outputs")
    return layers
