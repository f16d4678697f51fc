"""Floating-gate networks in files: the paper's npz layout, for its snapshots and for ours.

``mlp_0_weights (hidden, inputs)``, ``mlp_0_bias (hidden,)``, ``mlp_1_weights (classes, hidden)``,
``mlp_1_bias (classes,)`` in ampere, float32 or float64. The paper adds ``test_data`` (volt) and
``labels``; ohmbench adds ``network`` (a name in ``SPECS``), ``seed`` (of split and training, from
which the held-out data follow), ``recipe`` (JSON) and ``history`` of the training.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ohmbench.data import held_out
from ohmbench.errors import FileError, OperandError
from ohmbench.files import ArraySpec, read_npz, write_npz
from ohmbench.floatgate.networks import SPECS, FGNetwork, NetworkSpec

_FLOAT = ("float32", "float64")

FLOATGATE_SCHEMA = (
    ArraySpec("mlp_0_weights", ("hidden", "inputs"), _FLOAT),
    ArraySpec("mlp_0_bias", ("hidden",), _FLOAT),
    ArraySpec("mlp_1_weights", ("classes", "hidden"), _FLOAT),
    ArraySpec("mlp_1_bias", ("classes",), _FLOAT),
    # Volt: nothing on the chip exceeds the supply of its programming circuits by this much.
    ArraySpec("test_data", ("images", "inputs"), _FLOAT, low=-10.0, high=10.0, optional=True),
    ArraySpec("labels", ("images",), ("int32", "int64"), low=0, optional=True),
    ArraySpec("param_names", ("names",), ("U",), optional=True),
    ArraySpec("network", (), ("U",), optional=True),
    ArraySpec("seed", (), ("int64",), low=0, high=2**31 - 1, optional=True),
    ArraySpec("history", ("rows", 3), ("float64",), optional=True),
    ArraySpec("recipe", (), ("U",), optional=True),
)


@dataclass(frozen=True)
class StoredNetwork:
    """A network from a file with the images it is to be judged on.

    ``v`` (images, inputs) in volt, dtype of the weights; ``labels`` (images,) int64; ``images``
    says where they come from. ``seed``, ``recipe`` (JSON text) and ``history`` (rows of step, loss,
    learning rate) are there for networks trained by ohmbench.
    """

    network: FGNetwork
    v: torch.Tensor
    labels: torch.Tensor
    images: str
    seed: int | None = None
    recipe: str | None = None
    history: NDArray[np.float64] | None = None


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
                remedy=f"known are {', '.join(SPECS)}",
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
    if not fitting:
        known = ", ".join("-".join(map(str, s.sizes)) for s in SPECS.values())
        raise FileError(
            path,
            f"no known network has layers {'-'.join(map(str, sizes))}",
            remedy=f"known are {known}",
        )
    return fitting[0]


def _network_of(path: str, arrays: dict[str, NDArray[Any]]) -> FGNetwork:
    spec = _spec_of(path, arrays)
    weights = [torch.from_numpy(arrays[f"mlp_{k}_weights"]) for k in range(2)]
    biases = [torch.from_numpy(arrays[f"mlp_{k}_bias"]) for k in range(2)]
    for k, activation in enumerate(spec.activations):
        try:
            activation.cell.check("weight", weights[k])
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
            f"label {int(labels.max())} is no class of {spec.name}",
            field="labels",
            remedy=f"classes are 0 to {spec.sizes[-1] - 1}",
        )
    return torch.from_numpy(arrays["test_data"]), labels


def load_network(path: str | os.PathLike[str]) -> StoredNetwork:
    """Read a floating-gate network; nothing in the file is executed.

    Raises FileError naming file, field and reason when the file is missing, damaged, of another
    layout, holds NaN, weights that a cell's formula cannot take, or labels that are no class.
    """
    path = os.fspath(path)
    arrays = read_npz(path, FLOATGATE_SCHEMA)
    network = _network_of(path, arrays)
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
            "missing, and so is test_data: no images to judge by",
            field="seed",
            remedy="add test_data and labels, or the seed of the split",
        )
    v = v.to(network.fg_layers[0].weight.dtype)
    recipe = str(arrays["recipe"]) if "recipe" in arrays else None
    return StoredNetwork(network, v, labels, images, seed, recipe, arrays.get("history"))


def save_network(
    path: str | os.PathLike[str],
    network: FGNetwork,
    *,
    seed: int,
    recipe: str,
    history: NDArray[np.float64],
    overwrite: bool = False,
) -> None:
    """Write ``network`` (the whole file or nothing). Raises FileError when it cannot be written."""
    arrays: dict[str, NDArray[np.generic]] = {
        "network": np.array(network.spec.name),
        "seed": np.array(seed, dtype=np.int64),
        "recipe": np.array(recipe),
        "history": history,
    }
    for k, layer in enumerate(network.fg_layers):
        arrays[f"mlp_{k}_weights"] = layer.weight.detach().resolve_neg().numpy()
        arrays[f"mlp_{k}_bias"] = layer.bias.detach().resolve_neg().numpy()
    write_npz(path, arrays, overwrite=overwrite)
