"""Int8 networks in files: the paper's npz layout, for its snapshot and our networks.

Layer k has ``mlp_k.weight_q`` int8 (out, in) and ``mlp_k.bias_q`` int32 (out,), and float32 (1,)
``mlp_k.weight_scale``, ``.bias_scale``, ``.in_scale``; layer 0 also ``.out_scale``. The paper adds
``test_inputs_u8`` uint8 (images, inputs), ``test_labels`` and ``pytorch_test_pred`` (the
predictions of its fake-quantised network), int64 (images,). ohmbench adds ``network`` (a name in
``INT8_SPECS``), ``seed``, ``recipe`` (JSON) and ``history`` of the training. ``M`` and ``S`` are
computed from the scales with ``S`` = 24 as in the paper, unless the file holds them; a network
without scales must store them. Instead of ``network``, the file of a user's own network holds
``config`` (the lines of its configuration as YAML) and the held-out part of its data.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ohmbench.data import held_out
from ohmbench.data.classifier import Named, Own, own_arrays, own_schema, stored_config, stored_own
from ohmbench.digital.configuration import Config
from ohmbench.digital.network import (
    FANN_S,
    M_MAX,
    S_MAX,
    FloatNetwork,
    Int8Network,
    LayerScales,
    requantisation_multiplier,
)
from ohmbench.digital.quantization import quantize_pixels
from ohmbench.digital.specs import INT8_SPECS, Int8Spec
from ohmbench.errors import FileError, OperandError, RangeError
from ohmbench.files import ArraySpec, npz_fields, read_npz, write_npz

_SCALES = (
    ("weight_scale", "bias_scale", "in_scale", "out_scale"),
    ("weight_scale", "bias_scale", "in_scale"),
)
_SCALE_FIELDS = tuple(f"mlp_{k}.{name}" for k in range(2) for name in _SCALES[k])
_IMAGES = ("test_inputs_u8", "test_labels")


def _weight_schema(
    inputs: int | str, hidden: int | str, classes: int | str
) -> tuple[ArraySpec, ...]:
    """The arrays of both layers; sizes are numbers, or names where the file sets the size."""
    return (
        ArraySpec("mlp_0.weight_q", (hidden, inputs), ("int8",)),
        ArraySpec("mlp_0.bias_q", (hidden,), ("int32",)),
        ArraySpec("mlp_1.weight_q", (classes, hidden), ("int8",)),
        ArraySpec("mlp_1.bias_q", (classes,), ("int32",)),
        *(ArraySpec(field, (1,), ("float32",), optional=True) for field in _SCALE_FIELDS),
        ArraySpec("M", (), ("int64",), low=0, high=M_MAX, optional=True),
        ArraySpec("S", (), ("int64",), low=0, high=S_MAX, optional=True),
    )


INT8_SCHEMA = (
    *_weight_schema("inputs", "hidden", "classes"),
    ArraySpec("test_inputs_u8", ("images", "inputs"), ("uint8",), optional=True),
    ArraySpec("test_labels", ("images",), ("int64",), low=0, optional=True),
    ArraySpec("pytorch_test_pred", ("images",), ("int64",), low=0, optional=True),
    ArraySpec("network", (), ("U",), optional=True),
    ArraySpec("seed", (), ("int64",), low=0, high=2**31 - 1, optional=True),
    ArraySpec("history", ("rows", 3), ("float64",), optional=True),
    ArraySpec("recipe", (), ("U",), optional=True),
)


@dataclass(frozen=True)
class Images:
    """Images to evaluate a network on: uint8 (n, inputs), labels int64 (n,), and their origin."""

    x: NDArray[np.uint8]
    labels: NDArray[np.int64]
    source: str


def images_of(own: Own[Config]) -> Images:
    """The held-out part of ``own`` as hardware inputs; features are clipped to [0, 1]."""
    return Images(quantize_pixels(np.clip(own.data.test_x, 0, 1)), own.data.test_y, own.held_out)


@dataclass(frozen=True)
class StoredInt8(Named):
    """A network from a file.

    ``own_images`` are the file's images, if it has any; ``predictions`` int64 (n,) are the
    predictions stored with them. ``spec``, ``seed``, ``recipe`` (JSON text) and ``history`` (rows
    of step, loss, learning rate) are set for networks trained by ohmbench, ``own`` (without the
    training data) for a user's own networks.
    """

    path: str
    network: Int8Network
    own_images: Images | None = None
    predictions: NDArray[np.int64] | None = None
    spec: Int8Spec | None = None
    seed: int | None = None
    recipe: str | None = None
    history: NDArray[np.float64] | None = None
    own: Own[Config] | None = None

    def images(self) -> Images:
        """The images to evaluate on: the file's own, else the held-out part of its data set.

        Raises FileError if there are none, or if the data set is not on this machine.
        """
        if self.own_images is not None:
            return self.own_images
        if self.spec is None:
            raise FileError(
                self.path,
                "missing: no images to evaluate",
                field="test_inputs_u8",
                remedy="add test_inputs_u8 and test_labels, or the network's name",
            )
        # These data sets have one split for all seeds.
        features, labels = held_out(self.spec.dataset, 0)
        return Images(quantize_pixels(features), labels, f"{self.spec.dataset}, held-out part")


def _scales_of(
    path: str, arrays: dict[str, NDArray[Any]]
) -> tuple[LayerScales, LayerScales] | None:
    present = [field for field in _SCALE_FIELDS if field in arrays]
    if not present:
        return None
    for field in _SCALE_FIELDS:
        if field not in arrays:
            raise FileError(path, f"missing, although {present[0]} is present", field=field)
        value = float(arrays[field][0])
        if value <= 0:
            raise FileError(path, f"is {value:g}, but should be positive", field=field)
    layers = []
    for k in range(2):
        values = {name: float(arrays[f"mlp_{k}.{name}"][0]) for name in _SCALES[k]}
        try:
            layers.append(LayerScales(**values))
        except OperandError as error:
            raise FileError(path, str(error), field=f"mlp_{k}.bias_scale") from None
    if layers[0].out_scale != layers[1].in_scale:
        raise FileError(
            path,
            f"is {layers[1].in_scale:.9g}, but mlp_0.out_scale is {layers[0].out_scale:.9g}",
            field="mlp_1.in_scale",
        )
    return layers[0], layers[1]


def _requantisation(
    path: str, arrays: dict[str, NDArray[Any]], scales: tuple[LayerScales, LayerScales] | None
) -> tuple[int, int]:
    for have, lack in (("M", "S"), ("S", "M")):
        if have in arrays and lack not in arrays:
            raise FileError(path, f"missing, although {have} is present", field=lack)
    if "M" in arrays:
        return int(arrays["M"]), int(arrays["S"])
    if scales is None:
        raise FileError(
            path,
            "missing, as are the scales to compute it from",
            field="M",
            remedy="add M and S, or all scales",
        )
    try:
        return requantisation_multiplier(scales[0]), FANN_S
    except OperandError as error:
        raise FileError(path, str(error), field="mlp_0.out_scale") from None


def _network_of(path: str, arrays: dict[str, NDArray[Any]]) -> Int8Network:
    scales = _scales_of(path, arrays)
    M, S = _requantisation(path, arrays, scales)
    try:
        return Int8Network(
            (arrays["mlp_0.weight_q"], arrays["mlp_1.weight_q"]),
            (arrays["mlp_0.bias_q"], arrays["mlp_1.bias_q"]),
            M,
            S,
            scales,
        )
    except OperandError as error:
        raise FileError(path, str(error), field="mlp_0.weight_q") from None


def _images_of(path: str, arrays: dict[str, NDArray[Any]], network: Int8Network) -> Images | None:
    present = [field for field in (*_IMAGES, "pytorch_test_pred") if field in arrays]
    if not present:
        return None
    for field in _IMAGES:
        if field not in arrays:
            raise FileError(path, f"missing, although {present[0]} is present", field=field)
    for field in present[1:]:
        largest = int(arrays[field].max())
        if largest >= network.classes:
            raise FileError(
                path,
                f"{largest} is not a class of this network",
                field=field,
                remedy=f"classes are 0 to {network.classes - 1}",
            )
    return Images(arrays["test_inputs_u8"], arrays["test_labels"], "the file's own test_inputs_u8")


def _spec_of(path: str, arrays: dict[str, NDArray[Any]], network: Int8Network) -> Int8Spec | None:
    if "network" not in arrays:
        return None
    name = str(arrays["network"])
    spec = INT8_SPECS.get(name)
    if spec is None:
        raise FileError(
            path,
            f"unknown network {name!r}",
            field="network",
            remedy=f"choose one of {', '.join(INT8_SPECS)}",
        )
    if spec.sizes != network.sizes:
        raise FileError(
            path,
            f"holds layers {network.sizes}, but {name} has {spec.sizes}",
            field="network",
            remedy="train or export it again",
        )
    return spec


def load_int8(path: str | os.PathLike[str]) -> StoredInt8:
    """Read an int8 network; nothing in the file is executed.

    Raises FileError naming file, field and reason if the file is missing, damaged or of another
    layout, if its scales do not fit together or give no 16-bit ``M``, or if a label is outside the
    classes.
    """
    path = os.fspath(path)
    if "config" in npz_fields(path):
        return _load_own(path)
    arrays = read_npz(path, INT8_SCHEMA)
    network = _network_of(path, arrays)
    return StoredInt8(
        path=path,
        network=network,
        own_images=_images_of(path, arrays, network),
        predictions=arrays.get("pytorch_test_pred"),
        spec=_spec_of(path, arrays, network),
        seed=int(arrays["seed"]) if "seed" in arrays else None,
        recipe=str(arrays["recipe"]) if "recipe" in arrays else None,
        history=arrays.get("history"),
    )


def _load_own(path: str) -> StoredInt8:
    """Read a user's own network, with the held-out part of its data."""
    config = stored_config(path, Config)
    spec = config.spec
    arrays = read_npz(path, (*own_schema(config), *_weight_schema(*spec.sizes)))
    own = stored_own(path, arrays, config)
    return StoredInt8(
        path=path,
        network=_network_of(path, arrays),
        own_images=images_of(own),
        spec=spec,
        seed=int(arrays["seed"]),
        recipe=str(arrays["recipe"]),
        history=arrays["history"],
        own=own,
    )


FLOAT_SCHEMA = tuple(
    ArraySpec(f"mlp_{k}.{name}", shape, ("float32", "float64"))
    for k, (rows, columns) in enumerate((("hidden", "inputs"), ("classes", "hidden")))
    for name, shape in (("weight", (rows, columns)), ("bias", (rows,)))
)


def load_float(path: str | os.PathLike[str]) -> FloatNetwork:
    """Read real weights for ``trace``: ``mlp_k.weight`` (out, in) and ``mlp_k.bias`` (out,).

    They are float32 or float64; other fields are ignored. Raises FileError as ``load_int8`` does.
    """
    arrays = read_npz(path, FLOAT_SCHEMA, allow_extra=True)
    weight = [arrays[f"mlp_{k}.weight"].astype(np.float64) for k in range(2)]
    bias = [arrays[f"mlp_{k}.bias"].astype(np.float64) for k in range(2)]
    return FloatNetwork((weight[0], weight[1]), (bias[0], bias[1]))


def network_arrays(network: Int8Network) -> dict[str, NDArray[np.generic]]:
    """The fields of ``network`` itself; ``M`` and ``S`` only if the scales do not give them.

    Scales are stored as float32. Raises RangeError for a scale that float32 cannot represent.
    """
    arrays: dict[str, NDArray[np.generic]] = {}
    for k in range(2):
        arrays[f"mlp_{k}.weight_q"] = network.weight[k]
        arrays[f"mlp_{k}.bias_q"] = network.bias[k]
        if network.scales is not None:
            for name in _SCALES[k]:
                value = getattr(network.scales[k], name)
                stored = np.array([value], dtype=np.float32)
                if float(stored[0]) != value:
                    raise RangeError(f"mlp_{k}.{name} is {value!r}, which float32 cannot hold")
                arrays[f"mlp_{k}.{name}"] = stored
    implied = None
    if network.scales is not None:
        try:
            implied = (requantisation_multiplier(network.scales[0]), FANN_S)
        except OperandError:
            implied = None
    if implied != (network.M, network.S):
        arrays["M"] = np.array(network.M, dtype=np.int64)
        arrays["S"] = np.array(network.S, dtype=np.int64)
    return arrays


def save_int8(
    path: str | os.PathLike[str],
    network: Int8Network,
    *,
    spec: Int8Spec | None = None,
    seed: int | None = None,
    recipe: str | None = None,
    history: NDArray[np.float64] | None = None,
    images: Images | None = None,
    predictions: NDArray[np.int64] | None = None,
    own: Own[Config] | None = None,
    overwrite: bool = False,
) -> None:
    """Write ``network``, as a whole file or not at all.

    For a user's own network, ``own`` (configuration and held-out data) is written too. Raises
    FileError if the file cannot be written, and RangeError for scales that float32 cannot
    represent.
    """
    arrays = network_arrays(network)
    if own is not None:
        arrays |= own_arrays(own)
    elif spec is not None:
        arrays["network"] = np.array(spec.name)
    if seed is not None:
        arrays["seed"] = np.array(seed, dtype=np.int64)
    if recipe is not None:
        arrays["recipe"] = np.array(recipe)
    if history is not None:
        arrays["history"] = history
    if images is not None:
        arrays["test_inputs_u8"] = images.x
        arrays["test_labels"] = images.labels
    if predictions is not None:
        arrays["pytorch_test_pred"] = predictions
    write_npz(path, arrays, overwrite=overwrite)
