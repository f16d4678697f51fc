"""An integer network prepared for many batches: outputs and classes, no intermediate values.

    fast = compiled_network(network)
    outputs, classes = fast(x)

Weights are packed once. ``classify`` is the same for a single batch, on a path of choice.
"""

from __future__ import annotations

import sys
from functools import lru_cache
from typing import Any, Literal, NamedTuple, TypeAlias, get_args

import numpy as np
from jaxtyping import Int
from numpy.typing import NDArray

from ohmbench.digital.integer.fast import layer_pass
from ohmbench.digital.integer.fast.layer_pass import FIELDS, WIDE
from ohmbench.digital.integer.fast.lowering import Lowered, lowered_layers
from ohmbench.digital.integer.golden import check_inputs, classes_of, infer
from ohmbench.digital.integer.network import IntegerNetwork
from ohmbench.errors import OperandError
from ohmbench.kernels.choice import check_path, plain_preferred
from ohmbench.kernels.compiling import COMPILER_ON, require_compiler
from ohmbench.kernels.parallel import SERIAL_BELOW, in_parts, part_bounds
from ohmbench.kernels.word_builders import LANES

IntegerPath: TypeAlias = Literal["auto", "plain", "compiled"]

_GROUP = 4
"""Channels whose sums are computed together, and bytes of a word."""
_ROW = 16
"""A sample's inputs are padded to a multiple of this."""
_PRODUCTS = 512
"""Products that take as long as one cell or edge elsewhere (``kernels.parallel``)."""


_OCTET, _INT = np.dtype(np.uint8), np.dtype(np.int32)
_BLOCK = LANES - 1
_ARRAY, _empty, _run = np.ndarray, np.empty, layer_pass.run


class Outputs(NamedTuple):
    """``values``: the last layer's, (n, channels); ``classes``: (n,). int32, or int64 if plain."""

    values: Int[NDArray[Any], "n channels"]
    classes: Int[NDArray[Any], " n"]


def _rounded(count: int, multiple: int) -> int:
    return -(-count // multiple) * multiple


class _Numbers:
    """The numbers of all layers in one array, each part at its place."""

    def __init__(self, dtype: Any) -> None:
        self.dtype, self.parts, self.length = dtype, [np.zeros(1, dtype)], 1

    def add(self, values: NDArray[np.int64]) -> int:
        """The place of ``values``, modulo the width of the array."""
        place = self.length
        self.parts.append(values.reshape(-1).astype(self.dtype))
        self.length += values.size
        return place

    def whole(self) -> NDArray[Any]:
        return np.concatenate(self.parts)

    def as_longs(self) -> NDArray[np.int64]:
        """The whole array in memory, as int64."""
        whole = self.whole()
        return np.pad(whole, (0, len(whole) % 2)).view(np.int64)


def _padded(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """``values`` (channels, ...), with zeros up to whole groups of channels."""
    rest = -len(values) % _GROUP
    return np.pad(values, [(0, rest)] + [(0, 0)] * (values.ndim - 1))


def _words(weight: NDArray[np.int64], row: int) -> NDArray[np.int64]:
    """Four weights to a word: (groups of channels, row / 4, 4 channels)."""
    whole = np.zeros((_rounded(len(weight), _GROUP), row), np.int8)
    whole[: len(weight), : weight.shape[1]] = weight
    words = whole.view(np.int32).reshape(-1, _GROUP, row // _GROUP)
    return words.transpose(0, 2, 1).astype(np.int64)


def _fields(layer: Lowered, row: int, numbers: _Numbers, wide: _Numbers) -> list[int]:
    """One row of ``layers``; the numbers go into both collections."""
    step = (wide if layer.kind == WIDE else numbers).add(_padded(layer.step))
    found = {
        "words": row // _GROUP,
        "channels": len(layer.weight),
        "kind": layer.kind,
        "weights": numbers.add(_words(layer.weight, row)),
        "start": numbers.add(_padded(layer.start)),
        "step": step,
        "shift": layer.shift,
        "even": int(layer.even),
        "low": layer.low,
        "high": layer.high,
        "size": layer.step.shape[1],
    }
    return [found[name] for name in FIELDS]


class CompiledNetwork:
    """An integer network as numbers for the compiled loop. Call it with integers (n, inputs).

    Raises OperandError if a number of the network could leave the compiled loop's types, and where
    compiling is switched off.
    """

    def __init__(self, network: IntegerNetwork) -> None:
        require_compiler()
        if sys.byteorder != "little":
            raise OperandError("compiled networks need a little-endian processor; use path='plain'")
        self.network = network
        low, high = network.input.lo, network.input.hi
        self._planes = 1 if high - low <= 255 else 2
        self._row = _rounded(network.inputs, _ROW)
        # What the loop can read where it is, without a check
        self._ready: np.dtype[Any] | None = None
        if self._row == network.inputs:
            self._ready = {(0, 255): _OCTET, (-128, 127): np.dtype(np.int8)}.get((low, high))
        numbers, wide = _Numbers(np.int32), _Numbers(np.int64)
        layers = lowered_layers(network)
        if isinstance(layers, int):
            raise OperandError(
                f"layer {layers}: its sums or outputs do not fit 32 bits, or its products 64 bits; "
                "use path='plain'"
            )
        rows, row = [], self._row
        for layer in layers:
            rows.append(_fields(layer, row, numbers, wide))
            row = _rounded(len(layer.weight), _GROUP)
        meaning = network.layers[-1].meaning
        self._compared = None if meaning is None or meaning.shared else meaning
        negate = meaning is not None and meaning.shared and bool(meaning.scale[0] < 0)
        fields, longs = np.array(rows, np.int64).reshape(-1), wide.whole()
        place = layer_pass.HEADER + len(fields) + len(longs)
        header = [len(rows), low % 256 if self._planes == 1 else 0, self._planes, negate, place]
        self._plan = np.concatenate([np.array(header, np.int64), fields, longs, numbers.as_longs()])
        self._channels = network.classes
        products = sum(layer.weight.size for layer in network.layers)
        self._serial_below = max(1, SERIAL_BELOW * _PRODUCTS // products)
        """Samples that one thread finishes before a second is awake."""

    def __call__(self, x: NDArray[Any]) -> Outputs:
        """Outputs and classes of ``x``. Raises DtypeError, ShapeError or RangeError."""
        # A batch of 1000 small inputs takes 20 us; each call in here is 1 % of it.
        octets = x
        if not (
            x.__class__ is _ARRAY
            and x.dtype is self._ready
            and x.ndim == 2
            and x.shape[1] == self._row
            and x.flags.carray  # for other layouts the loop would be compiled again
            and len(x)
        ):
            octets = self._octets(x)
        n, channels = len(x), self._channels
        out = _empty((channels + 1, ((n + _BLOCK) & ~_BLOCK) + 16), _INT)
        if n < self._serial_below:
            column = _run(octets, self._plan, out, 0, n)
        else:
            column = self._in_parts(octets, out)
        end = column + n
        values = out[:channels, column:end].T
        if self._compared is None:
            return tuple.__new__(Outputs, (values, out[channels, column:end]))
        return Outputs(values, classes_of(values.astype(np.int64), self._compared)[0].astype(_INT))

    def _in_parts(self, octets: NDArray[Any], out: NDArray[np.int32]) -> int:
        """Fill ``out`` by several threads. Returns its first column that counts."""

        def part(_: int, first: int, last: int) -> None:
            layer_pass.run(octets, self._plan, out, first, last)

        n = len(octets)
        in_parts(part_bounds(n, LANES), part, work=n * SERIAL_BELOW // self._serial_below)
        column: int = layer_pass.run(octets, self._plan, out, 0, 0)
        return column

    def _octets(self, x: NDArray[Any]) -> NDArray[np.uint8]:
        """The inputs as bytes (n, planes * row) of which the loop subtracts the smallest input."""
        network, row = self.network, self._row
        check_inputs(network, x)
        found = np.zeros((len(x), self._planes * row), np.uint8)
        if self._planes == 1:
            found[:, : network.inputs] = x.astype(np.uint8)  # modulo 256, as the loop subtracts
        else:
            stored = x.astype(np.int32) - network.input.lo
            found[:, : network.inputs] = stored >> 8
            found[:, row : row + network.inputs] = stored & 255
        return found


class _Same:
    """A key that is equal to itself alone: comparing networks takes as long as a small batch."""

    def __init__(self, network: IntegerNetwork) -> None:
        self.network = network

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.network is other.network

    def __hash__(self) -> int:
        return id(self.network)


@lru_cache(maxsize=16)
def _kept(key: _Same) -> CompiledNetwork | OperandError:
    try:
        return CompiledNetwork(key.network)
    except OperandError as error:
        return error


def compiled_network(network: IntegerNetwork) -> CompiledNetwork:
    """``network`` prepared for the compiled loop; kept for the next call with the same object.

    Raises OperandError if it has no compiled form.
    """
    found = _kept(_Same(network))
    if isinstance(found, OperandError):
        raise found
    return found


def classify(network: IntegerNetwork, x: NDArray[Any], *, path: IntegerPath = "auto") -> Outputs:
    """Outputs and classes of ``x``, integers (n, inputs).

    "auto" takes the compiled loop where every number provably fits its types, else the plain golden
    model. Raises DtypeError, ShapeError or RangeError for ``x``, OperandError for an unknown path
    and for a network without a compiled form on the path "compiled".
    """
    check_path(path, get_args(IntegerPath))
    if path == "auto" and not plain_preferred():
        found = _kept(_Same(network)) if COMPILER_ON else None
        if isinstance(found, CompiledNetwork):
            return found(x)
    elif path == "compiled":
        return compiled_network(network)(x)
    plain = infer(network, x)
    return Outputs(plain.outputs, plain.classes)
