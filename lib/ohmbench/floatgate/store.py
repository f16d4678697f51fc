"""Floating-gate networks in files: the paper's npz layout, for its snapshots and our networks.

``mlp_0_weights (hidden, inputs)``, ``mlp_0_bias (hidden,)``, ``mlp_1_weights (classes, hidden)``,
``mlp_1_bias (classes,)`` in ampere, float32 or float64. The paper adds ``test_data`` (volt) and
``labels``; ohmbench adds ``network`` (a name in ``SPECS``), ``seed`` (of split and training; it
determines the held-out data), ``recipe`` (JSON) and ``history`` of the training. A user's own
network has any number of layers. Instead of ``network`` its file holds ``config`` (the lines of its
configuration as YAML) and the held-out part of its data (``data.own``), so no other file is needed.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ohmbench.data import held_out
from ohmbench.data.classifier import Named, Own, own_arrays, own_schema, stored_config, stored_own
from ohmbench.errors import FileError, OperandError
from ohmbench.files import ArraySpec, npz_fields, read_npz, write_npz
from ohmbench.floatgate.card import CELL_FORMS
from ohmbench.floatgate.configuration import Config
from ohmbench.floatgate.networks import SPECS, FGNetwork, NetworkSpec

_FLOAT = ("float32", "float64")


def _layer_schema(sizes: Sequence[int | str]) -> list[ArraySpec]:
    """The arrays of each layer; ``sizes`` are numbers, or names where the file sets the size."""
    return [
        spec
        for k, (inputs, rows) in enumerate(pairwise(sizes))
        for spec in (
            ArraySpec(f"mlp_{k}_weights", (rows, inputs), _FLOAT),
            ArraySpec(f"mlp_{k}_bias", (rows,), _FLOAT),
        )
    ]


FLOATGATE_SCHEMA = (
    *_layer_schema(("inputs", "hidden", "classes")),
    # Volt: more than any supply on the chip, that of the programming circuits included.
    ArraySpec("test_data", ("images", "inputs"), _FLOAT, low=-10.0, high=10.0, optional=True),
    ArraySpec("labels", ("images",), ("int32", "int64"), low=0, optional=True),
    ArraySpec("param_names", ("names",), ("U",), optional=True),
    ArraySpec("network", (), ("U",), optional=True),
    ArraySpec("seed", (), ("int64",), low=0, high=2**31 - 1, optional=True),
    ArraySpec("history", ("rows", 3), ("float64",), optional=True),
    ArraySpec("recipe", (), ("U",), optional=True),
)
"""The arrays of the published networks, and of networks trained by name."""


@dataclass(frozen=True)
class StoredNetwork(Named):
    """A network from a file with the images to evaluate it on.

    ``v`` (images, inputs) in volt, dtype of the weights; ``labels`` (images,) int64; ``images``
    states where they come from. ``seed``, ``recipe`` (JSON text) and ``history`` (rows of step,
    loss, learning rate) are set for networks trained by ohmbench.
    """

    network: FGNetwork
    v: torch.Tensor
    labels: torch.Tensor
    images: str
    seed: int | None = None
    recipe: str | None = None
    history: NDArray[np.float64] | None = None
    own: Own[Config] | None = None


def _spec_of(path: str, arrays: dict[str, NDArray[Any]]) -> NetworkSpec:
    sizes = (
        arrays["mlp_0_weights"].shape[1],
        arrays["mlp_0_weights"].shape[0],
        arrays["mlp_1_weights"].shape[0],
    )
    if "network" in arrays:
        name = str(arrays["network"])
        if name not in SPECS:
            raise FileError(
                path,
                f"unknown network {name!r}",
                field="network",
                remedy=f"choose one of {', '.join(SPECS)}",
            )
        spec = SPECS[name]
        if spec.sizes != sizes:
            raise FileError(
                path,
                f"holds layers {sizes}, but {name} has {spec.sizes}",
                field="network",
                remedy="train or export it again",
            )
        return spec
    fitting = [spec for spec in SPECS.values() if spec.sizes == sizes]
    if len(fitting) > 1:
        return _spec_by_voltage(path, arrays, fitting)
    if not fitting:
        known = ", ".join("-".join(map(str, s.sizes)) for s in SPECS.values())
        raise FileError(
            path,
            f"no known network has layers {'-'.join(map(str, sizes))}",
            remedy=f"choose one of {known}",
        )
    return fitting[0]


_SAME_V = 1e-3


def _spec_by_voltage(
    path: str, arrays: dict[str, NDArray[Any]], fitting: list[NetworkSpec]
) -> NetworkSpec:
    """Pick the network, among several of one size, whose encoding matches the voltages in the file.

    Its encoding must reach the highest voltage; if several do, it must end exactly there.
    """
    seen = "no test_data"
    if "test_data" in arrays:
        highest = float(arrays["test_data"].max())
        seen = f"test_data up to {highest:.4g} V"
        room = [s.v_low_V + s.v_span_V - highest for s in fitting]
        reaching = [s for s, left in zip(fitting, room, strict=True) if left > -_SAME_V]
        ending = [s for s, left in zip(fitting, room, strict=True) if abs(left) < _SAME_V]
        for choice in (reaching, ending):
            if len(choice) == 1:
                return choice[0]
    choices = ", ".join(f"{s.name} (up to {s.v_low_V + s.v_span_V:.4g} V)" for s in fitting)
    raise FileError(
        path,
        f"fits several networks, and has {seen}",
        field="network",
        remedy=f"add the field network with one of {choices}",
    )


def _network_of(path: str, arrays: dict[str, NDArray[Any]], spec: NetworkSpec) -> FGNetwork:
    layers = range(len(spec.activations))
    weights = [torch.from_numpy(arrays[f"mlp_{k}_weights"]) for k in layers]
    biases = [torch.from_numpy(arrays[f"mlp_{k}_bias"]) for k in layers]
    for k, activation in enumerate(spec.activations):
        try:
            spec.circuits.cell(activation).check("weight", weights[k])
        except OperandError as error:
            raise FileError(path, str(error), field=f"mlp_{k}_weights") from None
    if len({x.dtype for x in weights + biases}) > 1:
        raise FileError(
            path,
            "weights and biases differ in dtype",
            field="mlp_0_weights",
            remedy="save all of them as float32 or all as float64",
        )
    return FGNetwork(spec, weights, biases)


def _own_images(
    path: str, arrays: dict[str, NDArray[Any]], spec: NetworkSpec
) -> tuple[torch.Tensor, torch.Tensor]:
    for have, lack in (("test_data", "labels"), ("labels", "test_data")):
        if lack not in arrays:
            raise FileError(path, f"missing, although {have} is present", field=lack)
    labels = torch.from_numpy(arrays["labels"]).long()
    if int(labels.max()) >= spec.sizes[-1]:
        raise FileError(
            path,
            f"label {int(labels.max())} is not a class of {spec.name}",
            field="labels",
            remedy=f"classes are 0 to {spec.sizes[-1] - 1}",
        )
    return torch.from_numpy(arrays["test_data"]), labels


def load_network(path: str | os.PathLike[str]) -> StoredNetwork:
    """Read a floating-gate network; nothing in the file is executed.

    Raises FileError naming file, field and reason if the file is missing, damaged or of another
    layout; if it holds NaN, weights outside the range of a cell's formula, or labels outside the
    classes; and if it fits several networks and does not name one.
    """
    path = os.fspath(path)
    if "config" in npz_fields(path):
        return _load_own(path)
    arrays = read_npz(path, FLOATGATE_SCHEMA)
    network = _network_of(path, arrays, _spec_of(path, arrays))
    seed = int(arrays["seed"]) if "seed" in arrays else None
    if "test_data" in arrays or "labels" in arrays:
        v, labels = _own_images(path, arrays, network.spec)
        images = "the file's own test_data"
    elif seed is not None:
        features, held_out_labels = held_out(network.spec.dataset, seed)
        v = network.spec.encode(torch.from_numpy(features))
        labels = torch.from_numpy(held_out_labels)
        images = f"{network.spec.dataset}, held out by seed {seed}"
    else:
        raise FileError(
            path,
            "missing, as is test_data: no images to evaluate",
            field="seed",
            remedy="add test_data and labels, or the seed of the split",
        )
    v = v.to(network.fg_layers[0].weight.dtype)
    recipe = str(arrays["recipe"]) if "recipe" in arrays else None
    return StoredNetwork(network, v, labels, images, seed, recipe, arrays.get("history"))


def _load_own(path: str) -> StoredNetwork:
    """Read a user's own network, with the held-out part of its data."""
    config = stored_config(path, Config, CELL_FORMS)
    spec = config.spec
    arrays = read_npz(path, (*own_schema(config), *_layer_schema(spec.sizes)))
    network = _network_of(path, arrays, spec)
    own = stored_own(path, arrays, config)
    v = spec.encode(torch.from_numpy(own.data.test_x)).to(network.fg_layers[0].weight.dtype)
    return StoredNetwork(
        network,
        v,
        torch.from_numpy(own.data.test_y),
        own.held_out,
        int(arrays["seed"]),
        str(arrays["recipe"]),
        arrays["history"],
        own,
    )


def save_network(
    path: str | os.PathLike[str],
    network: FGNetwork,
    *,
    seed: int,
    recipe: str,
    history: NDArray[np.float64],
    own: Own[Config] | None = None,
    overwrite: bool = False,
) -> None:
    """Write ``network``, as a whole file or not at all.

    For a user's own network, ``own`` (configuration and held-out data) is written too. Raises
    FileError if the file cannot be written.
    """
    arrays: dict[str, NDArray[np.generic]] = {
        "network": np.array(network.spec.name),
        "seed": np.array(seed, dtype=np.int64),
        "recipe": np.array(recipe),
        "history": history,
    }
    if own is not None:
        del arrays["network"]
        arrays |= own_arrays(own)
    for k, layer in enumerate(network.fg_layers):
        arrays[f"mlp_{k}_weights"] = layer.weight.detach().resolve_neg().numpy()
        arrays[f"mlp_{k}_bias"] = layer.bias.detach().resolve_neg().numpy()
    write_npz(path, arrays, overwrite=overwrite)
